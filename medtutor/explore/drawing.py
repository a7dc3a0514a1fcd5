"""Pictures that develop while a GAN is trained, with its losses, and a described picture when done."""

import html
import io
import math
import time
from base64 import b64encode

import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator

from medtutor.data.progress import someone_looks_on
from medtutor.explore import training
from medtutor.explore.images import pictures_of
from medtutor.explore.training import BOTTOM, BOX, HIGH, LEFT, RIGHT, STATUS, TOP, WIDE, WIDGET
from medtutor.plot import BLUE, ORANGE, Picture

LOGGED = ("d_loss", "g_loss", "real_right", "drawn_right")
STAGES = (0, 1 / 8, 1 / 4, 1 / 2, 1)  # shares of the training whose pictures stay: the first change fastest
SHOWN = 25  # pictures of a grid, the first ones
MEANS = 100  # points of a curve: each the mean over its part of the training


def live_pictures(draw, steps, *, every=0.5, alt=None, caption=""):
    """Show what a GAN draws while it is trained, and its losses; the training loop calls it after each step.

        watch = live_pictures(draw, steps=2000)
        for step in range(1, 2001):
            log = gan.train_step(...)
            if watch(gan, step, log):
                break

    draw     () -> (n, h, w), 0 to 1: pictures of the same noise each time; the first 25 are shown. It must
             leave the training as it is, and is asked once at the beginning
    steps    of the whole training
    every    seconds between two drawings, at least
    alt      the description of the picture that stays; caption is shown beneath it

    watch(gan, step, log) takes the number of steps done, 1 to steps, rising, and what the step came to:
    d_loss, g_loss, and real_right and drawn_right, the share from 0 to 1 of real and of drawn pictures that D
    gets right. It is True once Stop was pressed. Pause holds the training inside this call until Go on or
    Stop. A button is heard while the cell runs because the kernel keeps a thread for it; where a notebook
    program has none, interrupting the kernel ends the training, and the picture stays as well.
    watch.finish() puts the described picture in place; the last step, Stop and the end of the cell do so too.
    In a script nothing is shown; where MEDTUTOR_PROGRESS is 0 nothing moves, and the same picture stays.
    """
    return Watch(draw, steps, every, alt, caption)


class Watch:
    """One training of a GAN, and the place in the notebook where it is shown; `live_pictures` makes it.

    history  {name: [value of each call]}, of d_loss, g_loss, real_right, drawn_right
    ended    the steps that these values belong to
    stages   {steps done: pictures (n, h, w)}, at the start, after 1/8, 1/4, 1/2 and at the end
    """

    def __init__(self, draw, steps, every=0.5, alt=None, caption=""):
        if not callable(draw):
            raise ValueError(f"draw is {draw!r}; give the function itself, without parentheses")
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"steps is {steps!r}; a whole number from 1 is wanted")
        self.draw, self.steps, self.every, self.alt, self.caption = draw, int(steps), every, alt, caption
        self.history, self.ended = {name: [] for name in LOGGED}, []
        self.stages = {0: self._drawn()}
        self.awaited = sorted({math.ceil(share * steps) for share in STAGES} - {0})
        self.begin = self.shown = time.monotonic()
        self.idle, self.first = 0.0, None
        self.pause_asked = self.stop_asked = self.finished = False
        self.notebook = training._notebook()
        self.live = self.notebook is not None and someone_looks_on()
        if self.notebook is not None:
            self.notebook.events.register("post_run_cell", self.finish)
        if self.live:
            self._open()

    def __call__(self, gan, step, log):
        """Take note of a step that was done; True where Stop was pressed. `gan` itself is not looked at."""
        self._note(step, log)
        if self.awaited and step >= self.awaited[0]:
            self._keep_stage(step)
        if self.live and time.monotonic() - self.shown >= self.every:
            self._show()
        if self.live and self.pause_asked and not self.stop_asked:
            self._wait()
        if step >= self.steps or self.stop_asked:
            self.finish()
        return self.stop_asked

    def finish(self, *_):
        """Put the described picture in place, at the end of training or of a cell that was interrupted."""
        if self.finished or self.notebook is None:
            return
        self.finished = True
        self.notebook.events.unregister("post_run_cell", self.finish)
        bundle = self.picture()._repr_mimebundle_()
        if not self.live:
            training._display(bundle)
            return
        self.place.update(bundle, raw=True)
        for widget in (self.panel, *self.panel.children, self.pause, self.stop):
            widget.close()

    def picture(self):
        """The pictures at each stage above the curves, with a word on a training that ended early."""
        words = [self.caption] if self.caption else []
        done = self.ended[-1] if self.ended else 0
        if self.live and done < self.steps:
            by_hand = " by hand; the net keeps the weights it had then" if self.stop_asked else ""
            words.append(f"Ended after step {done} of {self.steps}{by_hand}.")
        if done not in self.stages:
            self.stages[done] = self._drawn()
        return Picture.of(self._figure(), self.alt or self._description(), " ".join(words))

    # ---- what is kept ----

    def _drawn(self):
        return pictures_of("draw()", self.draw(), "n", "h", "w")

    def _note(self, step, log):
        last = self.ended[-1] if self.ended else 0
        if not last < step <= self.steps:
            raise ValueError(
                f"step is {step!r} after {last}; steps done are counted from 1 up to {self.steps}: a new "
                "training needs a new live_pictures"
            )
        missing = [name for name in LOGGED if name not in log]
        if missing:
            raise ValueError(
                f"log has no {' and no '.join(missing)}; it has {', '.join(map(str, log)) or 'nothing'}"
            )
        for name in LOGGED:
            self.history[name].append(float(log[name]))
        self.ended.append(int(step))

    def _keep_stage(self, step):
        self.awaited = [later for later in self.awaited if later > step]
        self.stages[int(step)] = self._drawn()
        if self.live:
            self.last.value = training._box(html.escape(f"after {self._summary()}."), STATUS)

    def _summary(self):
        if not self.ended:
            return f"step 0 of {self.steps}"
        d_loss, g_loss, real, drawn = (self.history[name][-1] for name in LOGGED)
        words = (
            f"step {self.ended[-1]} of {self.steps}: loss of D {d_loss:.3g}, of G {g_loss:.3g}; "
            f"D right on {100 * real:.0f} % of real, {100 * drawn:.0f} % of drawn"
        )
        if not all(map(math.isfinite, (d_loss, g_loss))):
            words += ". The training has diverged: stop, and use a lower learning rate"
        return words

    def _curve(self, name):
        """[(step, value)]: a hundred means at most, without what is no number."""
        steps, values = np.array(self.ended), np.array(self.history[name])
        parts = (steps - 1) * MEANS // self.steps
        known = np.isfinite(values)
        return [
            (float(steps[here].mean()), float(values[here].mean()))
            for here in (known & (parts == part) for part in np.unique(parts))
            if here.any()
        ]

    # ---- the picture that stays ----

    def _description(self):
        number = min(len(self.stages[0]), SHOWN)
        after = [str(step) for step in sorted(self.stages) if step]
        stages = f" and after {', '.join(after)} of {self.steps} steps of training" if after else ""
        return (
            f"{number} pictures that the net draws from the same noise, at the start{stages}. Beneath, "
            "against the step: the losses of discriminator (solid) and generator (dashed), and the share "
            "of real (solid) and drawn pictures (dashed) that the discriminator gets right."
        )

    def _figure(self):
        figure = Figure(figsize=(9.6, 4.7), layout="constrained")
        above, beneath = figure.subfigures(2, 1, height_ratios=(1, 1.15))
        stages = sorted(self.stages)
        for ax, step in zip(above.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
            ax.imshow(_mosaic(self.stages[step]), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set_title(f"step {step}" if step else "at the start", fontsize=10)
            ax.axis("off")
        losses, shares = beneath.subplots(1, 2)
        for ax, names in ((losses, LOGGED[:2]), (shares, LOGGED[2:])):
            for name, colour, style in zip(names, (BLUE, ORANGE), ("-", "--"), strict=True):
                points = self._curve(name)
                x, y = [step for step, _ in points], [value for _, value in points]
                ax.plot(x, y, style, color=colour, label=LABELS[name])
            ax.set(xlabel="step", xlim=(0, self.steps))
            ax.legend(fontsize=9, frameon=False)
        losses.set_title("loss", fontsize=10)
        shares.set_title("D is right on", fontsize=10)
        shares.axhline(0.5, color="0.35", lw=0.8, ls=":")
        shares.set_ylim(-0.03, 1.03)
        return figure

    # ---- on the screen ----

    def _open(self):
        import ipywidgets as widgets

        wide = widgets.Layout(width="9rem")
        self.pause = widgets.Button(description="Pause", icon="pause", layout=wide)
        self.stop = widgets.Button(description="Stop", icon="stop", layout=wide)
        self.pause.on_click(self._pause)
        self.stop.on_click(self._stop)
        for button in (self.pause, self.stop):
            # ipykernel 7.4 would keep the click for the shell that made the button, which is busy training
            vars(button.comm).pop("_reply_subshell_id", None)
        self.line = widgets.HTML(training._line("the first step takes longer: the nets are being compiled"))
        self.pictures = widgets.HTML(_image(self.stages[0], "at the start"))
        self.curves = widgets.HTML(self._svg())
        self.last = widgets.HTML(training._box("no step has been done yet", STATUS))
        buttons = widgets.HBox([self.pause, self.stop])
        side = widgets.HBox([self.pictures, self.curves], layout=widgets.Layout(flex_flow="row wrap"))
        self.panel = widgets.VBox([buttons, self.line, side, self.last])
        view = self.panel._repr_mimebundle_()[WIDGET]
        plain = f"<a training of {self.steps} steps: {self.alt or 'pictures and losses'}>"
        self.place = training._display({WIDGET: view, "text/html": "", "text/plain": plain}, display_id=True)

    def _pause(self, button):
        """Runs beside the training, in the thread that the kernel keeps for the notebook's messages."""
        self.pause_asked = not self.pause_asked
        button.description, button.icon = ("Go on", "play") if self.pause_asked else ("Pause", "pause")

    def _stop(self, button):
        self.stop_asked = True
        self.pause.disabled = button.disabled = True
        button.description = "Stopping"

    def _wait(self):
        """Holds the training until Go on or Stop."""
        began = time.monotonic()
        self._show("paused after ")
        while self.pause_asked and not self.stop_asked:
            time.sleep(0.05)
        self.idle += time.monotonic() - began

    def _show(self, how="after "):
        done = self.ended[-1]
        now = self.shown = time.monotonic()
        working = now - self.begin - self.idle
        text = f"{how}{self._summary()}; {training._span(working)}"
        if self.first is None:
            self.first = working, done
        elif done > self.first[1]:
            rate = (working - self.first[0]) / (done - self.first[1])
            text += f", about {training._span(rate * (self.steps - done))} to go"
        self.line.value = training._line(text, done / self.steps)
        self.pictures.value = _image(self._drawn(), f"after step {done} of {self.steps}")
        self.curves.value = self._svg()

    def _svg(self):
        charts = "".join(
            _chart(title, self.steps, [(LABELS[name], self._curve(name)) for name in names], share)
            for title, names, share in (("loss", LOGGED[:2], False), ("D is right on", LOGGED[2:], True))
        )
        return f'<div style="{BOX};display:flex;flex-direction:column">{charts}</div>'


LABELS = dict(zip(LOGGED, ("discriminator D", "generator G", "real", "drawn"), strict=True))
LOOKS = (f'stroke="{BLUE}" stroke-width="2.5"', 'stroke="#16191d" stroke-width="2" stroke-dasharray="5 3"')


def _mosaic(pictures):
    """Up to 25 pictures as one, in rows, a grey line between them."""
    pictures = pictures[:SHOWN]
    cols = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / cols)
    h, w = pictures.shape[1:]
    whole = np.full((rows * (h + 1) - 1, cols * (w + 1) - 1), 0.5)
    for at, picture in enumerate(pictures):
        top, left = at // cols * (h + 1), at % cols * (w + 1)
        whole[top : top + h, left : left + w] = picture
    return whole


def _image(pictures, when):
    buffer = io.BytesIO()
    imsave(buffer, _mosaic(pictures), cmap="gray", vmin=0, vmax=1, format="png")
    alt = f"{min(len(pictures), SHOWN)} pictures of the same noise, {when}"
    return (
        f'<div style="{BOX}"><img alt="{alt}" style="width:20rem;max-width:100%;image-rendering:pixelated" '
        f'src="data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"></div>'
    )


def _chart(title, steps, series, share):
    """Two curves [(name, [(step, value)])] as an SVG; `share`: from 0 to 1, with a line at 1/2."""
    values = [0, 1] if share else [y for _, points in series for _, y in points] or [0, 1]
    low, high = min(values), max(values)
    if high - low < 1e-9 * max(1, abs(high)):
        low, high = low - 0.5, high + 0.5
    ticks = MaxNLocator(4, steps=(1, 2, 5, 10)).tick_values(low, high)
    low, high = min(ticks[0], low), max(ticks[-1], high)

    def across(x):
        return LEFT + (RIGHT - LEFT) * x / steps

    def up(y):
        return BOTTOM - (BOTTOM - TOP) * (y - low) / (high - low)

    def text(x, y, words, anchor="middle"):
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#16191d">{words}</text>'

    frame = f'width="{RIGHT - LEFT}" height="{BOTTOM - TOP}" fill="none" stroke="#555"'
    drawn = [f'<rect x="{LEFT}" y="{TOP}" {frame}/>', text(LEFT, TOP - 9, title, "start")]
    for value in ticks:
        drawn.append(f'<path d="M{LEFT} {up(value):.1f}H{RIGHT}" stroke="#ddd"/>')
        drawn.append(text(LEFT - 6, up(value) + 4, f"{value:.6g}".replace("-", "−"), "end"))
    for step in MaxNLocator(5, integer=True).tick_values(0, steps):
        if 0 <= step <= steps:
            drawn.append(text(across(step), BOTTOM + 16, f"{step:.0f}"))
    drawn.append(text((LEFT + RIGHT) / 2, BOTTOM + 32, "step"))
    if share:
        drawn.append(f'<path d="M{LEFT} {up(0.5):.1f}H{RIGHT}" stroke="#16191d" stroke-dasharray="2 3"/>')
    for (_, points), look in zip(series, LOOKS, strict=True):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        drawn.append(f'<polyline points="{path}" fill="none" {look}/>')
    (solid, _), (dashed, _) = series
    drawn.append(text(RIGHT, TOP - 9, f"— {solid}   - - {dashed}", "end"))
    label = html.escape(f"{title}: {solid} and {dashed}, of {steps} steps")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {WIDE} {HIGH}" width="{WIDE}" height="{HIGH}" '
        f'style="max-width:100%;font:12px sans-serif">{"".join(drawn)}</svg>'
    )
