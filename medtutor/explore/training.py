"""Training curves that grow while `fit` runs, and a described picture of them when it is done."""

import html
import math
import sys
import time

from matplotlib.ticker import MaxNLocator

from medtutor.data.progress import someone_looks_on
from medtutor.plot import BLUE, show_history

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDE, HIGH = 380, 230  # a panel, in pixels
LEFT, RIGHT, TOP, BOTTOM = 56, WIDE - 12, 28, HIGH - 40  # its axes


def live_curves(*metrics, alt=None, every=0.5, caption=""):
    """A Keras callback that draws the training curves while `fit` runs, with a button that ends it early.

        model.fit(x, y, validation_data=..., epochs=20, verbose=0, callbacks=[live_curves("loss", "auc")])

    metrics  as the model was compiled with, a panel each; default: the loss. Where fit has validation data,
             their value is drawn too
    alt      the description of the picture that stays
    every    seconds between two drawings, at least

    Training is dashed, validation solid. The button ends training after the running epoch: the model keeps
    its weights, and fit returns its history as if that epoch had been the last. In a script nothing is shown;
    where MEDTUTOR_PROGRESS is 0 nothing moves, and the same picture stays.
    """
    from keras.callbacks import Callback

    metrics = metrics or ("loss",)
    alt = alt or (
        f"Training curves: {' and '.join(metrics)} against the epoch, training dashed and validation solid."
    )

    class LiveCurves(Callback):
        def on_train_begin(self, logs=None):
            self.board = Board(metrics, self.params["epochs"], alt, every, caption)

        def on_epoch_begin(self, epoch, logs=None):
            self.board.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.board.due():
                self.board.step(batch + 1, self.params["steps"], logs or {})

        def on_test_begin(self, logs=None):
            self.board.validating()

        def on_epoch_end(self, epoch, logs=None):
            self.board.epoch_done(epoch + 1, logs or {})
            if self.board.stop_asked:
                self.model.stop_training = True

        def on_train_end(self, logs=None):
            self.board.finish()

    return LiveCurves()


class Board:
    """What one call of `fit` has come to, and the place in the notebook where it is shown.

    history  {name: [value of each finished epoch]}, named as Keras does
    ended    the epochs that these values belong to, 1, 2, …
    rising   {metric: [(epochs done, mean of the running epoch so far)]}, as drawn behind them
    """

    def __init__(self, metrics, epochs, alt, every=0.5, caption=""):
        self.metrics, self.epochs, self.alt, self.every = metrics, epochs, alt, every
        self.caption, self.history, self.ended = caption, {}, []
        self.rising = {metric: [] for metric in metrics}
        self.epoch, self.begin, self.first = 0, time.monotonic(), None
        self.shown = self.begin
        self.stop_asked = self.finished = False
        self.notebook = _notebook()
        self.live = self.notebook is not None and someone_looks_on()
        if self.live:
            self._open()

    def due(self):
        """Whether it is time to draw again; every step asks."""
        return self.live and time.monotonic() - self.shown >= self.every

    def step(self, step, steps, logs):
        """Step `step` of this epoch's `steps` (None while not known) has ended, with these means so far."""
        names = dict.fromkeys(("loss", *self.metrics))
        values = [f"{name} {logs[name]:.4g}" for name in names if name in logs]
        step = min(step, steps or step)  # with steps_per_execution the last may run over
        for metric in self.metrics:
            if steps and math.isfinite(logs.get(metric, math.nan)):
                self.rising[metric].append((self.epoch + step / steps, logs[metric]))
        place = f"{self._running()}, step {step} of {steps}" if steps else f"{self._running()}, step {step}"
        self._show(", ".join([place, *values]), self.epoch + step / steps if steps else None)

    def validating(self):
        if self.due():
            self._show(f"{self._running()}, on the validation data", self.epoch + 1)

    def epoch_done(self, epoch, logs):
        """Epoch 1, 2, … has ended, with these values of training and validation."""
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        self.ended.append(epoch)
        self.epoch = epoch
        self.rising = {metric: [] for metric in self.metrics}
        if self.live:
            self.last.value = _box(_summary(epoch, self.metrics, logs), STATUS)
        if self.due():
            self._show(f"epoch {epoch} of {self.epochs} done", epoch)

    def finish(self, *_):
        """Put the described picture in place, at the end of training or of a cell that was interrupted."""
        if self.finished or self.notebook is None:
            return
        self.finished = True
        bundle = self.picture()._repr_mimebundle_()
        if not self.live:
            _display(bundle)
            return
        self.notebook.events.unregister("post_run_cell", self.finish)
        self.place.update(bundle, raw=True)
        for widget in (self.panel, *self.panel.children):
            widget.close()

    def picture(self):
        """The curves of the finished epochs, with a word on what was asked for and did not come."""
        known = [metric for metric in self.metrics if metric in self.history] or ["loss"]
        words = [self.caption] if self.caption else []
        if self.history and not set(self.metrics) <= set(self.history):
            words.append(_missing(self.metrics, self.history))
        if self.live and not self.ended:
            words.append("Interrupted before the first epoch had ended.")
        elif self.live and self.ended[-1] < self.epochs:
            by_hand = " by hand; the model keeps the weights it had then" if self.stop_asked else ""
            words.append(f"Ended after epoch {self.ended[-1]} of {self.epochs}{by_hand}.")
        size = (max(7.5, 3.6 * len(known) + 1.5), 3.6)
        history = self.history or {"loss": []}
        return show_history(history, metric=known, alt=self.alt, size=size, caption=" ".join(words))

    # ---- on the screen ----

    def _open(self):
        import ipywidgets as widgets

        self.line = widgets.HTML(_line("the first step takes longer: the net is being compiled"))
        self.curves = widgets.HTML(self._svg())
        self.last = widgets.HTML(_box("no epoch has ended yet", STATUS))
        self.button = widgets.Button(
            description="Stop after this epoch", icon="stop", layout=widgets.Layout(width="14rem")
        )
        self.button.on_click(self._stop)
        # ipykernel 7.4 would keep the click for the shell that made the button, which is busy training
        vars(self.button.comm).pop("_reply_subshell_id", None)
        self.panel = widgets.VBox([self.button, self.line, self.curves, self.last])
        view = self.panel._repr_mimebundle_()[WIDGET]
        plain = f"<training curves: {self.alt}>"
        self.place = _display({WIDGET: view, "text/html": "", "text/plain": plain}, display_id=True)
        self.notebook.events.register("post_run_cell", self.finish)

    def _stop(self, button):
        """Runs beside `fit`, in the thread that the kernel keeps for the notebook's messages."""
        self.stop_asked = True
        button.disabled, button.description = True, "Stopping after this epoch"

    def _running(self):
        return f"epoch {self.epoch + 1} of {self.epochs}"

    def _show(self, what, done):
        now = self.shown = time.monotonic()
        text = f"{what}; {_span(now - self.begin)}"
        if done is not None and self.first is None:
            self.first = now, done
        elif done is not None and done > self.first[1]:
            rate = (now - self.first[0]) / (done - self.first[1])
            text += f", about {_span(rate * (self.epochs - done))} to go"
        self.line.value = _line(text, None if done is None else done / self.epochs)
        self.curves.value = self._svg()

    def _svg(self):
        panels = "".join(
            _panel(
                metric,
                self.epochs,
                list(zip(self.ended, self.history.get(metric, ()), strict=False)),
                _at_epochs(self.ended, self.history.get("val_" + metric, ())),
                self.rising[metric],
            )
            for metric in self.metrics
        )
        return f'<div style="{BOX};display:flex;flex-wrap:wrap;gap:0.5rem">{panels}</div>'


BOX = "color-scheme:light;background:#fff;color:#16191d;padding:0.2rem 0.5rem;line-height:1.4"
STATUS = ' role="status"'


def _box(text, attribute=""):
    return f'<div style="{BOX}"{attribute}>{text}</div>'


def _line(text, share=None):
    """A bar for the share that is done, moving to and fro while it is not known, and the text beneath."""
    value = "" if share is None else f' value="{share:.4f}"'
    bar = f'<progress{value} aria-label="training" style="width:100%;height:0.8em"></progress>'
    return _box(f"{bar}<br>{html.escape(text)}")


def _panel(name, epochs, training, validation, rising):
    """One metric as an SVG: lists of (epoch, value); what is far above the ends of the epochs is cut off."""
    training, validation = (
        [(x, y) for x, y in points if math.isfinite(y)] for points in (training, validation)
    )
    tip = rising[-1:]
    judged = [y for _, y in training + validation + tip] or [0, 1]
    low, high = min(judged), max(judged)
    if high - low < 1e-9 * max(1, abs(high)):
        low, high = low - 0.5, high + 0.5
    rows = MaxNLocator(4, steps=(1, 2, 5, 10)).tick_values(low, high)
    low, high = min(rows[0], low), max(rows[-1], high)

    def place(points):
        return [
            (LEFT + (RIGHT - LEFT) * x / epochs, BOTTOM - (BOTTOM - TOP) * (y - low) / (high - low))
            for x, y in points
            if low <= y <= high
        ]

    def line(points, look):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in place(points))
        return f'<polyline points="{path}" fill="none" stroke="{BLUE}" {look}/>'

    def dots(points, look):
        points = points[:: math.ceil(len(points) / 40) or 1]  # of a long training, some
        return "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" {look}/>' for x, y in place(points))

    def text(x, y, words, anchor):
        return (
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#16191d">{html.escape(words)}</text>'
        )

    frame = f'width="{RIGHT - LEFT}" height="{BOTTOM - TOP}" fill="none" stroke="#555"'
    drawn = [f'<rect x="{LEFT}" y="{TOP}" {frame}/>']
    for value in rows:
        (_, y), *_ = place([(0, value)])
        drawn.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#ddd"/>')
        drawn.append(text(LEFT - 6, y + 4, f"{value:.6g}".replace("-", "−"), "end"))
    for epoch in MaxNLocator(6, integer=True).tick_values(0, epochs):
        if 0 <= epoch <= epochs:
            ((x, _),) = place([(epoch, low)])
            drawn.append(text(x, BOTTOM + 16, f"{epoch:.0f}", "middle"))
    drawn.append(text((LEFT + RIGHT) / 2, BOTTOM + 32, "epoch", "middle"))
    drawn.append(text(LEFT, TOP - 9, name.replace("_", " "), "start"))
    drawn.append(text(RIGHT, TOP - 9, "- - training   — validation", "end"))
    drawn.append(line(training[-1:] + rising, 'stroke-width="1"'))
    drawn.append(line(training, 'stroke-width="1.5" stroke-dasharray="5 3"'))
    drawn.append(dots(training, f'fill="#fff" stroke="{BLUE}"'))
    drawn.append(line(validation, 'stroke-width="2.5"'))
    drawn.append(dots(validation, f'fill="{BLUE}"'))
    drawn.append(dots(tip, 'fill="#16191d"'))
    label = html.escape(f"{name} over {len(training)} of {epochs} epochs, training and validation")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" height="{HIGH}" '
        f'style="max-width:100%;font:12px sans-serif">{"".join(drawn)}</svg>'
    )


def _at_epochs(ended, values):
    """(epoch, value) of a validation that need not have run in every epoch."""
    every = len(ended) // len(values) if values else 1
    return list(zip(ended[every - 1 :: every], values, strict=False))


def _summary(epoch, metrics, logs):
    """What the epoch came to, in a line; a metric that is not there, or not finite, is spoken of."""
    names = [name for name in dict.fromkeys(("loss", *metrics)) if name in logs]
    words = [
        f"{name} {logs[name]:.4g}"
        + (f" (validation {logs['val_' + name]:.4g})" if "val_" + name in logs else "")
        for name in names
    ]
    line = f"after epoch {epoch}: {', '.join(words)}."
    if not all(math.isfinite(logs[name]) for name in names):
        line += " The training has diverged: stop, and use a lower learning rate."
    if not set(metrics) <= set(logs):
        line += " " + _missing(metrics, logs)
    return html.escape(line)


def _missing(metrics, logs):
    absent = [metric for metric in metrics if metric not in logs]
    there = sorted(name for name in logs if not name.startswith("val_"))
    return f"The model was not compiled with {' and '.join(absent)}; it has {', '.join(there)}."


def _span(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _notebook():
    """The shell of the notebook that runs this, None elsewhere."""
    if "ipykernel" not in sys.modules:
        return None
    from IPython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _display(bundle, **options):
    from IPython.display import display

    return display(bundle, raw=True, **options)
