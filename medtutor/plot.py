"""Figures of the course: `show_*` draws one figure in one call and will not draw it without a description.

A figure reaches the page as `<img alt>` inside text/html, the one form in which JupyterLab, nbconvert and
slides all pass the description on to a screen reader; strict validation compares it. Text with entities is
drawn as text, which needs no description beside itself.
"""

import base64
import html
import io
import re
from collections import Counter

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from medtutor import metrics, tags

# Okabe and Ito: told apart by colour-blind readers and in a greyscale print.
BLUE, ORANGE, GREEN, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"
STYLES = tuple(zip((BLUE, ORANGE, GREEN, RED, SKY), ("-", "--", "-.", ":", "-"), "os^Dv", strict=True))


class Picture:
    """A drawn figure with its description; as the last line of a cell it is shown.

    png       bytes
    alt       what a reader who cannot see the figure should know, a sentence or two
    caption   shown beneath, optional
    """

    def __init__(self, png, alt, caption=""):
        self.png, self.alt, self.caption = png, _described(alt), caption

    @classmethod
    def of(cls, figure, alt, caption="", dpi=80):
        """The picture of a matplotlib figure."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
        return cls(buffer.getvalue(), alt, caption)

    def __repr__(self):
        return f"<figure: {self.alt}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        source = base64.b64encode(self.png).decode()
        page = (
            '<figure style="margin:0.5em 0">'
            f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{source}" style="max-width:100%">'
            f"{_figcaption(self.caption)}</figure>"
        )
        return {"text/html": page, "text/plain": repr(self)}


class MarkedText:
    """Texts with their entities marked; as the last line of a cell they are shown.

    body      HTML
    lines     the same as plain text
    alt       what it is, in a sentence, for a screen reader that asks before it reads
    caption   shown beneath, optional
    """

    def __init__(self, body, lines, alt, caption=""):
        self.body, self.lines, self.alt, self.caption = body, lines, _described(alt), caption

    def __repr__(self):
        return "\n".join([f"<figure: {self.alt}>", *self.lines, *[self.caption] * bool(self.caption)])

    def _repr_mimebundle_(self, include=None, exclude=None):
        page = (
            '<figure class="mathjax_ignore tex2jax_ignore" role="group" '  # $ is a sign here
            f'aria-label="{html.escape(self.alt)}" style="margin:0.5em 0">'
            f"{self.body}{_figcaption(self.caption)}</figure>"
        )
        return {"text/html": page, "text/plain": repr(self)}


def _described(alt):
    if not alt or len(alt.split()) < 4:
        raise ValueError(f"alt is {alt!r}; describe in a sentence what the figure shows")
    return " ".join(alt.split())


def _figcaption(caption):
    return f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""


def show_images(images, titles=(), *, alt, vmin=None, vmax=None, cols=6, size=2.4, signed=False, caption=""):
    """Images side by side on one grey scale, so that brightness compares across panels.

    images  up to any number of (h, w) arrays, drawn grey, or (h, w, 3) arrays, drawn in colour
    titles  up to one a panel
    alt     the description, required
    vmin, vmax   drawn black and white; default: the extremes over all panels
    signed  draw 0 white, negative orange and positive violet, on one symmetric scale
    size    width of a panel in inches
    """
    images = [np.asarray(image) for image in images]
    flat = [image for image in images if image.ndim == 2]
    if flat and vmin is None:
        vmin = min(float(image.min()) for image in flat)
    if flat and vmax is None:
        vmax = max(float(image.max()) for image in flat)
    if signed and flat:
        vmax = max(abs(vmin), abs(vmax))
        vmin = -vmax
    cols = min(cols, len(images))
    rows = -(-len(images) // cols)  # ceiling division
    tallest = max(image.shape[0] / image.shape[1] for image in images)
    figure = Figure(figsize=(size * cols, (size * tallest + 0.3) * rows), layout="constrained")
    axes = figure.subplots(rows, cols, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image in zip(axes.flat, images, strict=False):
        ax.imshow(image, cmap="PuOr" if signed else "gray", vmin=vmin, vmax=vmax, interpolation="nearest")
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize=10)
    return Picture.of(figure, alt, caption)


def show_windows(hounsfield, windows, *, alt, size=2.6, caption=""):
    """One CT slice (h, w) in Hounsfield units, through several windows {name: (level, width)}."""
    figure = Figure(figsize=(size * len(windows), size + 0.3), layout="constrained")
    axes = figure.subplots(1, len(windows), squeeze=False)[0]
    for ax, (name, (level, width)) in zip(axes, windows.items(), strict=True):
        ax.imshow(hounsfield, cmap="gray", vmin=level - width / 2, vmax=level + width / 2)
        ax.set_title(f"{name}: level {level}, width {width}", fontsize=10)
        ax.axis("off")
    return Picture.of(figure, alt, caption)


def show_signal(
    signals, labels=(), *, alt, step=1.0, xlabel="time, s", ylabel="mV", marks=(), size=(9, 2.2), caption=""
):
    """Signals above one another on a shared time axis.

    signals  arrays (steps,), each in its own panel with its own scale
    step     distance between neighbours on the x axis, e.g. 0.001 s
    marks    positions on the x axis, drawn as triangles above the last panel's curve
    """
    signals = [np.asarray(signal) for signal in signals]
    figure = Figure(figsize=(size[0], size[1] * len(signals)), layout="constrained")
    axes = figure.subplots(len(signals), 1, squeeze=False, sharex=True)[:, 0]
    labels = [*labels, *[""] * len(signals)]
    for ax, signal, label in zip(axes, signals, labels, strict=False):
        ax.plot(np.arange(len(signal)) * step, signal, color=BLUE, linewidth=1)
        ax.set_ylabel(ylabel)
        ax.set_title(label, fontsize=10, loc="left")
        ax.grid(alpha=0.3)
    for mark in marks:
        axes[-1].plot(mark, signals[-1][round(mark / step)], "v", color=RED, markersize=7)
    axes[-1].set_xlabel(xlabel)
    return Picture.of(figure, alt, caption)


def show_curves(
    x, curves, *, alt, xlabel, ylabel, logx=False, logy=False, markevery=1, size=(7, 3.6), caption=""
):
    """Named curves in one panel, told apart by colour, line style and marker.

    curves  {name: array (len(x),)}; NaN leaves a gap
    """
    _told_apart("curves", curves)
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    for (name, y), (color, line, marker) in zip(curves.items(), STYLES, strict=False):
        ax.plot(
            x, y, color=color, linestyle=line, marker=marker, markersize=5, markevery=markevery, label=name
        )
    if logx:
        _plain_log_axis(ax)
    ax.set_yscale("log" if logy else "linear")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return Picture.of(figure, alt, caption)


# ------------------------------------------------------------------------------------ judging a decision


def show_roc(models, p=None, *, alt, patients=None, threshold=None, draws=200, size=4.8, caption=""):
    """ROC curves: sensitivity against 1 - specificity, with the diagonal of a test that knows nothing.

    models     {name: (y, p)}, up to five; or y, followed by p.  y (n,) 0/1, p (n,) any finite scores
    patients   (n,), whose case each row is: shades where 95 % of the curves lie that other patients would
               give, at each 1 - specificity (bootstrap over patients, `draws` times, seed 0)
    threshold  a number, or {name: number}: the operating point p >= threshold, drawn as a marker

    The legend states each AUROC. A model whose y lacks a class is refused, see metrics.roc_curve.
    """
    models = _models(models, p)
    figure, ax = _unit_square(size, "1 − specificity (false positive rate)", "sensitivity")
    for (name, (y, p)), (color, line, marker) in zip(models.items(), STYLES, strict=False):
        fpr, tpr, _ = _of(name, metrics.roc_curve, y, p)
        label = _label(name, f"AUROC {metrics.auroc(y, p):.2f}")
        at = threshold.get(name) if isinstance(threshold, dict) else threshold
        if patients is not None:
            grid, low, high = _of(name, _roc_band, y, p, patients, draws)
            ax.fill_between(grid, low, high, color=color, alpha=0.15, linewidth=0)
        if at is not None:
            called = np.asarray(p) >= at
            point = 1 - metrics.specificity(y, called), metrics.sensitivity(y, called)
            ax.plot(*point, marker, color=color, markersize=11, markeredgecolor="black", zorder=3)
            label += f"\nlarge marker: {_called_at(p, at)}"
        ax.plot(fpr, tpr, color=color, linestyle=line, label=label, **_sparse(marker))
    ax.plot([0, 1], [0, 1], color="0.45", linewidth=1, linestyle=(0, (1, 2)), label="chance")
    _legend_beside(ax)
    return Picture.of(figure, alt, caption)


def show_pr(models, p=None, *, alt, threshold=None, size=4.8, caption=""):
    """Precision against recall, with the prevalence as the line of a test that knows nothing.

    models     {name: (y, p)}, up to five; or y, followed by p.  y (n,) 0/1, p (n,) any finite scores
    threshold  a number, or {name: number}: the operating point p >= threshold, drawn as a marker

    Drawn in steps, so that the area under a curve is the average precision (AP) in the legend.
    """
    models = _models(models, p)
    figure, ax = _unit_square(size, "recall (sensitivity)", "precision (positive predictive value)")
    for (name, (y, p)), (color, line, marker) in zip(models.items(), STYLES, strict=False):
        recall, precision, _ = _of(name, metrics.pr_curve, y, p)
        label = _label(name, f"AP {metrics.average_precision(y, p):.2f}")
        at = threshold.get(name) if isinstance(threshold, dict) else threshold
        if at is not None:
            called = np.asarray(p) >= at
            point = _of(name, metrics.sensitivity, y, called), _of(name, metrics.precision, y, called)
            ax.plot(*point, marker, color=color, markersize=11, markeredgecolor="black", zorder=3)
            label += f"\nlarge marker: {_called_at(p, at)}"
        recall, precision = np.append(0, recall), np.append(precision[0], precision)
        style = _sparse(marker) | {"color": color, "linestyle": line, "drawstyle": "steps-pre"}
        ax.plot(recall, precision, label=label, **style)
    for prevalence in sorted({float(np.mean(y)) for y, _ in models.values()}):
        label = f"chance: prevalence {prevalence:.2f}"
        ax.axhline(prevalence, color="0.45", linewidth=1, linestyle=(0, (1, 2)), label=label)
    _legend_beside(ax)
    return Picture.of(figure, alt, caption)


def show_confusion(matrix, classes, *, alt, size=1.15, caption=""):
    """A confusion matrix: cases of each true class (row) by the class they were called (column).

    matrix   (k, k) counts, as metrics.confusion returns them
    classes  k names
    Each cell holds the count and its share of the row, which also sets its colour: the diagonal shows what
    was found of each class.
    """
    matrix, classes = np.asarray(matrix), [str(name) for name in classes]
    k = len(classes)
    if matrix.shape != (k, k):
        raise ValueError(f"matrix has shape {matrix.shape} and classes {k} names; ({k}, {k}) is wanted")
    if matrix.dtype.kind not in "iu" or (matrix < 0).any():
        raise ValueError(f"matrix holds {matrix.dtype}, least {matrix.min()}; counts of cases are wanted")
    total = matrix.sum(1, keepdims=True)
    share = matrix / np.maximum(total, 1)
    figure = Figure(figsize=(size * k + 1.6, size * k + 0.8), layout="constrained")
    ax = figure.subplots()
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(k, k):
        percent = f"{100 * share[row, column]:.0f} %" if total[row, 0] else "no case"
        ink = "white" if share[row, column] > 0.72 else "black"
        ax.text(column, row, f"{matrix[row, column]}\n{percent}", ha="center", va="center", color=ink)
    slanted = {"rotation": 30, "ha": "right"} if max(map(len, classes)) > 9 else {}
    ax.set_xticks(range(k), classes, **slanted)
    ax.set_yticks(range(k), [f"{name}\nn = {n}" for name, n in zip(classes, total[:, 0], strict=True)])
    ax.set_xlabel("called")
    ax.set_ylabel("truth")
    return Picture.of(figure, alt, caption)


def show_calibration(models, p=None, *, bins=10, cases="cases", alt, size=4.8, caption=""):
    """Reliability diagram: the share that is sick against the probability promised, and the cases per bin.

    models  {name: (y, p)}, up to five; or y, followed by p.  y (n,) 0/1, p (n,) probabilities
    bins    equal parts of 0..1, see metrics.calibration_curve; empty ones have no point
    cases   what is counted, e.g. "pixels"; a million and more are counted in millions

    On the diagonal, of those given 30 % indeed 30 % are sick; below it the model promises too much. The bars
    beneath say how many cases stand behind each point. The legend states the calibration error (ECE).
    """
    models = _models(models, p)
    figure = Figure(figsize=(size + 0.4 * len(models), size * 1.35))
    ax, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1), gridspec_kw={"hspace": 0.08})
    width = 0.84 / bins / len(models)
    hatches = ("", "//", "..", "xx", "\\\\")
    styles = zip(STYLES, hatches, strict=True)
    for i, ((name, (y, p)), style) in enumerate(zip(models.items(), styles, strict=False)):
        (color, line, marker), hatch = style
        promised, seen, n = _of(name, metrics.calibration_curve, y, p, bins)
        error = metrics.calibration_error(y, p, bins)
        label = _label(name, f"ECE {error:.2f}" if error >= 0.005 or error == 0 else "ECE below 0.005")
        ax.plot(promised, seen, color=color, linestyle=line, marker=marker, markersize=6, label=label)
        first = np.ceil(promised * bins - 1e-9).clip(1) - 1  # the bin's number, from its mean
        at = (first + 0.08) / bins + (i + 0.5) * width
        below.bar(at, n, width, color=color, hatch=hatch, edgecolor="white", linewidth=0)
    ax.plot([0, 1], [0, 1], color="0.45", linewidth=1, linestyle=(0, (1, 2)), label="as promised")
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), ylabel="share that is sick")
    millions = max(bar.get_height() for bar in below.patches) >= 1e6
    below.set(xlabel="predicted probability", ylabel=f"millions of {cases}" if millions else cases)
    if millions:
        below.yaxis.set_major_formatter(lambda n, _: f"{n / 1e6:g}")
    for panel in (ax, below):
        panel.grid(alpha=0.3)
        panel.set_axisbelow(True)
    _legend_beside(ax)
    return Picture.of(figure, alt, caption)


def show_intervals(estimates, *, alt, xlabel, reference=None, digits=3, width=7.5, caption=""):
    """Estimates with their intervals beneath one another on one axis, in the order given.

    estimates  {name: (value, low, high)} or {name: metrics.Interval}
    reference  drawn as a line, e.g. 0.5 for chance or 0 for no difference
    digits     after the point, in the numbers beside the rows
    """
    rows = {name: tuple(map(float, estimate[:3])) for name, estimate in estimates.items()}
    for name, (value, low, high) in rows.items():
        if not (np.isfinite([value, low, high]).all() and low <= high):
            raise ValueError(
                f"{name}: value {value}, low {low}, high {high}; finite numbers, low <= high, are wanted"
            )
    figure = Figure(figsize=(width, 0.42 * len(rows) + 0.8), layout="constrained")
    ax = figure.subplots()
    for row, (value, low, high) in enumerate(rows.values()):
        ax.plot([low, high], [row, row], color=BLUE, linewidth=2, marker="|", markersize=9)
        ax.plot(value, row, "o", color=BLUE, markersize=7)
        shown, *ends = (f"{number:.{digits}f}".replace("-", "−") for number in (value, low, high))
        text = shown if low == high else f"{shown} ({ends[0]} to {ends[1]})"
        ax.text(1.02, row, text, va="center", transform=ax.get_yaxis_transform())
    if reference is not None:
        ax.axvline(reference, color="0.45", linewidth=1, linestyle=(0, (4, 2)))
    ax.set_yticks(range(len(rows)), rows)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel(xlabel)
    ax.grid(axis="x", alpha=0.3)
    return Picture.of(figure, alt, caption)


# --------------------------------------------------------------------------------------- training, looking


def show_history(
    runs, *, metric="loss", alt, ylabel=None, logy=False, best=False, size=(7.5, 3.6), caption=""
):
    """Training (dashed) and validation (solid) against the epoch, each run in its own colour and marker.

    runs    {name: what fit returned, or its .history}, up to five; or one of these alone
    metric  as the model was compiled with, e.g. "loss", or several, ("loss", "auc"), in a panel each;
            "val_" + metric is drawn too where it is there
    best    ring each run's best validation epoch: the least of a loss or error, else the largest
    """
    runs = {"": runs} if _is_history(runs) else runs
    _told_apart("runs", runs)
    names = (metric,) if isinstance(metric, str) else tuple(metric)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    drawn = set()
    for ax, name in zip(panels, names, strict=True):
        for (run, history), style in zip(runs.items(), STYLES, strict=False):
            drawn |= _draw_history(ax, run, getattr(history, "history", history), name, style, best)
        ax.set_yscale("log" if logy else "linear")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(xlabel="epoch", ylabel=ylabel or name.replace("_", " "))
        ax.grid(alpha=0.3)
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=5, label=run)
        for run, (color, _, marker) in zip(runs, STYLES, strict=False)
        if run
    ]
    keys = {
        "training": {"color": "0.3", "linestyle": "--", "linewidth": 1.2},
        "validation": {"color": "0.3", "linewidth": 2},
        "best epoch": {"color": "black", "linestyle": "", "marker": "o", "markersize": 11, "mfc": "none"},
    }
    handles += [Line2D([], [], label=label, **key) for label, key in keys.items() if label in drawn]
    figure.legend(handles=handles, loc="outside right upper", frameon=False)
    return Picture.of(figure, alt, caption)


def _draw_history(ax, run, history, metric, style, best):
    """One run's curves; says which of training, validation and best epoch were drawn."""
    if metric not in history:
        raise ValueError(f"{run or 'the run'} has no {metric!r}; it has {', '.join(sorted(history))}")
    color, _, marker = style
    look = {"color": color, "marker": marker, "markersize": 4, "markevery": len(history[metric]) // 25 + 1}
    epochs = np.arange(1, len(history[metric]) + 1)
    ax.plot(epochs, history[metric], linestyle="--", linewidth=1.2, markerfacecolor="white", **look)
    values = np.asarray(history.get("val_" + metric, ()), float)
    if not len(values):
        return {"training"}
    every = len(epochs) // len(values)  # validation_freq
    ax.plot(every * np.arange(1, len(values) + 1), values, linestyle="-", linewidth=2, **look)
    if not best or np.isnan(values).all():
        return {"training", "validation"}
    at = np.nanargmin(values) if _smaller_is_better(metric) else np.nanargmax(values)
    ring = {"markersize": 12, "color": "black", "markerfacecolor": "none"}
    ax.plot(every * (at + 1), values[at], "o", **ring)
    return {"training", "validation", "best epoch"}


def show_heat(
    images,
    heats,
    titles=(),
    *,
    alt,
    outlines=None,
    vmin=None,
    vmax=None,
    hottest=None,
    label="heat",
    cols=6,
    size=2.4,
    caption="",
):
    """Grey images with a heat map over each: transparent where it is 0, on one scale over all panels.

    images    (h, w) arrays; vmin and vmax are drawn black and white, default: the extremes over all panels
    heats     arrays >= 0, one an image, coarser ones are stretched over it; None leaves the image bare
    outlines  masks (h, w), one an image, drawn as a line around them; None for none
    hottest   the heat at the end of the scale, default: the largest
    label     what the heat is, with its unit, e.g. "fall of the probability"
    """
    images = [np.asarray(image) for image in images]
    heats = [None if heat is None else np.asarray(heat, float) for heat in heats]
    outlines = [None] * len(images) if outlines is None else list(outlines)
    if not len(images) == len(heats) == len(outlines):
        raise ValueError(
            f"there are {len(images)} images, {len(heats)} heats and {len(outlines)} outlines; "
            "one each is wanted, None where there is none"
        )
    for heat in heats:
        if heat is not None and not (heat.ndim == 2 and np.isfinite(heat).all() and heat.min() >= 0):
            raise ValueError(
                f"a heat has shape {heat.shape} and values from {heat.min()} to {heat.max()}; (h, w) and "
                "finite values >= 0 are wanted: np.maximum(heat, 0), or show_images with signed=True"
            )
    black = min(image.min() for image in images) if vmin is None else vmin
    white = max(image.max() for image in images) if vmax is None else vmax
    if hottest is None:
        hottest = max((heat.max() for heat in heats if heat is not None), default=0) or 1
    cols = min(cols, len(images))
    rows = -(-len(images) // cols)  # ceiling division
    tallest = max(image.shape[0] / image.shape[1] for image in images)
    figure = Figure(figsize=(size * cols + 0.7, (size * tallest + 0.3) * rows), layout="constrained")
    axes = figure.subplots(rows, cols, squeeze=False)
    colours = heat_colours()
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, heat, mask in zip(axes.flat, images, heats, outlines, strict=False):
        ax.imshow(image, cmap="gray", vmin=black, vmax=white, interpolation="nearest")
        if heat is not None:
            whole = (-0.5, image.shape[1] - 0.5, image.shape[0] - 0.5, -0.5)
            ax.imshow(heat, cmap=colours, vmin=0, vmax=hottest, interpolation="nearest", extent=whole)
        if mask is not None:
            draw_outline(ax, mask, image.shape)
    for ax, title in zip(axes.flat, titles, strict=False):
        ax.set_title(title, fontsize=10)
    drawn = [image for ax in axes.flat for image in ax.images[1:]]
    if drawn:
        bar = figure.colorbar(drawn[0], ax=axes, shrink=0.85 if rows == 1 else 0.5, aspect=14, label=label)
        bar.ax.set_facecolor("0.25")  # the see-through end, as over a grey image
    return Picture.of(figure, alt, caption)


def heat_colours():
    """Inferno, from see-through at 0 to nearly opaque at the hottest: lightness and cover grow together."""
    from matplotlib import colormaps

    table = colormaps["inferno"](np.linspace(0.15, 1, 256))
    table[:, 3] = 0.85 * np.linspace(0, 1, 256) ** 0.7
    return ListedColormap(table, "heat")


def draw_outline(ax, mask, shape):
    """A white line with a dark edge around a mask (h, w); nothing where the mask is empty."""
    mask = np.asarray(mask)
    if mask.shape != shape:
        raise ValueError(f"an outline has shape {mask.shape} and its image {shape}; they must match")
    if not mask.any():
        return
    ringed = np.pad(mask > 0, 1).astype(float)  # so that a mask at the edge is closed there
    rows, columns = (np.arange(n) - 1 for n in ringed.shape)
    limits = ax.get_xlim(), ax.get_ylim()
    line = ax.contour(columns, rows, ringed, [0.5], colors="white", linewidths=1.2)
    line.set(path_effects=[withStroke(linewidth=2.6, foreground="black")])
    ax.set(xlim=limits[0], ylim=limits[1])


# --------------------------------------------------------------------------------------------------- text

# Of Okabe and Ito those on which black is read: 5 : 1 and more.
LABELS = (SKY, ORANGE, "#f0e442", GREEN, "#cc79a7", RED)
SHORT = 30  # characters: a label below that is not broken
USUAL = ("disease", "symptom", "drug", "test", "anatomy")  # keep their colours from figure to figure
# What would stay unseen or turn the writing around: control characters, directions, halves of pairs.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def show_entities(texts, entities=None, *, between=" ", scheme="BIO", strict=True, alt=None, caption=""):
    """Texts with each entity in a frame that also names its type, in words.

    texts     a list of Notes (anything with .text and .entities), of texts, or of rows of tokens
    entities  what each of them holds, one item a text, not needed for Notes: of a text a list of entities,
              with .start, .end and .type or as (start, end, type), in characters, end one past the last; of a
              row of tokens its tags, read by `tags.spans(row, scheme, strict)`
              Or {reader: such a list}, e.g. {"truth": y, "CRF": p}, drawn under one another. Each entity of
              the second reader and the next ones says whether the first agrees, and what they miss is listed.
    between   what stands between two tokens: " ", or "" for Chinese characters
    alt       what it is, in a sentence; default: how many entities of each type each reader marks

    Colours are a help and never the only sign. ValueError where texts and entities do not match, and where
    entities overlap or leave their text.
    """
    if isinstance(texts, str) or hasattr(texts, "text"):
        raise ValueError(f"texts is a {type(texts).__name__}; a list is wanted: of one text, [text]")
    texts = list(texts)
    if entities is None:
        entities = [_own_entities(text) for text in texts]
    readers = entities if isinstance(entities, dict) else {"": entities}
    for reader, items in readers.items():
        if len(items) != len(texts):
            raise ValueError(
                f"there are {len(texts)} texts and entities of {len(items)}{reader and f' by {reader}'}; "
                "one item a text is wanted"
            )
    marked = {
        reader: [_marked(*pair, between, scheme, strict) for pair in zip(texts, items, strict=True)]
        for reader, items in readers.items()
    }
    kinds = sorted({kind for rows in marked.values() for _, found in rows for _, _, kind in found})
    colours, first = _colours(kinds), next(iter(marked))
    width = max(map(len, marked))
    body, lines = [], []
    for i in range(len(texts)):
        rows = []
        for reader, items in marked.items():
            truth = None if reader == first else marked[first][i][1]
            pieces, missed = _pieces(*items[i], truth, first)
            rows.append(_row_html(reader, pieces, missed, colours, width))
            lines.append(_row_text(reader, pieces, missed))
        body.append(f'<div style="margin:0 0 0.8em">{"".join(rows)}</div>')
    return MarkedText("".join(body), lines, alt or _census(marked), caption)


def _own_entities(text):
    if not hasattr(text, "entities"):
        raise ValueError(
            f"entities is None, but a text is a {type(text).__name__} without its own; give them"
        )
    return text.entities


def _marked(text, found, between, scheme, strict):
    """(text, [(start, end, type) in characters, in order])."""
    text = getattr(text, "text", text)
    if isinstance(text, str):
        found = [_span(one) for one in found]
    else:
        tokens, row, found = list(text), list(found), []
        if len(tokens) != len(row):
            raise ValueError(f"a text has {len(tokens)} tokens and {len(row)} tags; they must match")
        starts = np.cumsum([0, *(len(token) + len(between) for token in tokens)]).tolist()
        for start, end, kind in tags.spans(row, scheme, strict):
            found.append((starts[start], starts[end] - len(between), kind))
        text = between.join(tokens)
    found.sort()
    for (_, last, _), (start, end, kind) in zip([(0, 0, ""), *found], found, strict=False):
        if not last <= start < end <= len(text):
            raise ValueError(
                f"an entity is {(start, end, kind)} in a text of {len(text)} characters, and the one before "
                f"ends at {last}; {last} <= start < end <= {len(text)} is wanted"
            )
    return text, found


def _span(entity):
    if hasattr(entity, "start"):
        return entity.start, entity.end, entity.type
    if isinstance(entity, str) or len(entity) != 3:
        raise ValueError(f"an entity of a text is {entity!r}; wanted is (start, end, type) in characters")
    return tuple(entity)


def _pieces(text, found, truth, first):
    """([(words, type or None, what the first reader says)], [what it names and this one does not touch])."""
    pieces, at = [], 0
    for start, end, kind in found:
        remark = "" if truth is None else _agreement((start, end, kind), truth, first)
        pieces += [(text[at:start], None, ""), (text[start:end], kind, remark)]
        at = end
    pieces.append((text[at:], None, ""))
    missed = [
        f"{_seen(text[start:end])} ({kind})"
        for start, end, kind in truth or ()
        if not any(a < end and start < b for a, b, _ in found)
    ]
    return [piece for piece in pieces if piece[0]], missed


def _agreement(entity, truth, first):
    start, end, kind = entity
    touched = [other for other in truth if other[0] < end and start < other[1]]
    if entity in touched:
        return " ✓"
    if not touched:
        return f" ✗ not in {first}"
    if kind in [other[2] for other in touched]:
        return " ✗ other ends"
    return f" ✗ {first}: {touched[0][2]}"


def _colours(kinds):
    """{type: colour}; with more types than colours some share one."""
    colours = {kind: LABELS[USUAL.index(kind.lower())] for kind in kinds if kind.lower() in USUAL}
    free = [colour for colour in LABELS if colour not in colours.values()]
    others = [kind for kind in kinds if kind not in colours]
    return colours | {kind: free[i % len(free)] for i, kind in enumerate(others)}


def _row_html(reader, pieces, missed, colours, width):
    words = "".join(
        html.escape(_seen(words)) if kind is None else _mark(words, kind, remark, colours[kind])
        for words, kind, remark in pieces
    )
    if missed:
        words += f" <small>✗ missed: {html.escape(', '.join(missed))}</small>"
    column = f"flex:none;min-width:{width}ch;margin-right:0.8em"
    name = f'<b style="{column}">{html.escape(_seen(reader))}</b> ' if reader else ""
    prose = "flex:1;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9"
    return f'<div style="display:flex;align-items:baseline">{name}<span style="{prose}">{words}</span></div>'


def _mark(words, kind, remark, colour):
    whole = "border-radius:0.25em;-webkit-box-decoration-break:clone;box-decoration-break:clone"
    frame = f"background:none;color:inherit;border:1px solid;padding:0.1em 0.15em;{whole}"
    label = f"background:{colour};color:#000;font-size:0.8em;padding:0.1em 0.3em;{whole}"
    if len(kind + remark) < SHORT:
        label += ";white-space:nowrap"  # and on the line of the last word
    return (
        f'<mark style="{frame}">{html.escape(_seen(words))}&nbsp;'
        f'<span style="{label}">{html.escape(_seen(kind + remark))}</span></mark>'
    )


def _row_text(reader, pieces, missed):
    words = "".join(
        _seen(words if kind is None else f"[{words} | {kind}{remark}]") for words, kind, remark in pieces
    )
    return (f"{reader}: " if reader else "") + words + (f" ✗ missed: {', '.join(missed)}" if missed else "")


def _seen(text):
    return _UNSEEN.sub("\ufffd", text)


def _census(marked):
    """How many entities of each type each reader marks, in a sentence."""
    said = []
    for reader, rows in marked.items():
        counts = Counter(kind for _, found in rows for _, _, kind in found)
        n = counts.total()
        kinds = ", ".join(f"{counts[kind]} {kind}" for kind in sorted(counts))
        what = f"{n or 'no'} {'entity' if n == 1 else 'entities'}" + (f" ({kinds})" if kinds else "")
        said.append(f"{what} marked by {reader}" if reader else f"{what} marked")
    return f"{len(rows)} {'text' if len(rows) == 1 else 'texts'} with " + ", ".join(said)


# ------------------------------------------------------------------------------------------------- helpers


def _models(models, p):
    """{name: (y, p)} of at most as many models as can be told apart."""
    if p is not None:
        return {"": (models, p)}
    if not isinstance(models, dict):
        raise ValueError(
            f"models is a {type(models).__name__} and p None; give y and p, or {{name: (y, p), …}}"
        )
    _told_apart("models", models)
    return models


def _told_apart(what, named):
    if not 1 <= len(named) <= len(STYLES):
        raise ValueError(f"{what} holds {len(named)}; 1 to {len(STYLES)} can be told apart in one figure")


def _of(name, function, *arguments):
    """What the function returns; its complaint says which model it is about."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise type(error)(f"{name}: {error}" if name else str(error)) from error


def _called_at(p, threshold):
    """ "p ≥ 0.50", or "score ≥ −0.41" where p holds no probabilities."""
    name = "p" if np.min(p) >= 0 and np.max(p) <= 1 else "score"
    return f"{name} ≥ {threshold:.2f}".replace("-", "−")


def _label(name, score):
    return f"{name}, {score}" if name else score


def _sparse(marker):
    """Some ten markers along a curve, evenly in length."""
    return {"marker": marker, "markersize": 5, "markevery": 0.12}


def _legend_beside(ax):
    """A legend to the right of the panel, which keeps its size; the saved picture grows with the names."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.03, 1.02), frameon=False)


def _unit_square(size, xlabel, ylabel):
    """A figure with one square panel from 0 to 1."""
    figure = Figure(figsize=(size, size))
    ax = figure.subplots()
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    return figure, ax


def _roc_band(y, p, patients, draws):
    """(1 - specificity, low, high): where 95 % of the curves of drawn patients lie."""
    y, p, patients = map(np.asarray, (y, p, patients))
    if patients.shape != y.shape:
        raise ValueError(f"patients has shape {patients.shape} and y {y.shape}; they must match")
    who = np.unique(patients, return_inverse=True)[1]
    rng, grid, seen = np.random.default_rng(0), np.linspace(0, 1, 101), []
    for _ in range(draws):
        times = np.bincount(rng.integers(who.max() + 1, size=who.max() + 1), minlength=who.max() + 1)
        rows = np.repeat(np.arange(len(y)), times[who])
        if 0 < y[rows].sum() < len(rows):
            seen.append(np.interp(grid, *metrics.roc_curve(y[rows], p[rows])[:2]))
    if len(seen) < 0.95 * draws:
        raise metrics.Undefined(
            f"{draws - len(seen)} of {draws} draws of patients hold only one class; use more patients, "
            "or leave patients out"
        )
    return grid, *np.quantile(seen, [0.025, 0.975], axis=0)


def _is_history(run):
    return hasattr(run, "history") or not any(
        hasattr(v, "history") or isinstance(v, dict) for v in run.values()
    )


def _smaller_is_better(metric):
    return any(word in metric for word in ("loss", "error", "mse", "mae", "brier"))


def _plain_log_axis(ax):
    """A logarithmic x axis with 1, 2, 5, 10 … in plain numbers; over more than three decades 1, 10, 100 …"""
    ax.set_xscale("log")
    low, high = ax.get_xlim()
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high <= 1000 * low else (1,)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def show_points(groups, *, alt, xlabel, ylabel, lines=None, logx=False, size=(6.5, 4), caption=""):
    """Points in groups told apart by colour and marker, with named horizontal lines across.

    groups  {name: (x, y)}, up to five; x and y (n,)
    lines   {name: height}, drawn dashed with their names at the right, e.g. the limits of agreement
    """
    _told_apart("groups", groups)
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    for (name, (x, y)), (color, _, marker) in zip(groups.items(), STYLES, strict=False):
        ax.plot(x, y, marker, color=color, markersize=5, alpha=0.75, label=name, linestyle="none")
    for name, height in (lines or {}).items():
        ax.axhline(height, color="0.35", linewidth=1, linestyle="--")
        ax.annotate(name, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=9)
    if logx:
        _plain_log_axis(ax)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.grid(alpha=0.3)
    if len(groups) > 1:
        ax.legend(frameon=False)
    return Picture.of(figure, alt, caption)
