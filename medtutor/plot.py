"""Figures of the course: `show_*` draws one figure in one call and will not draw it without a description.

A figure reaches the page as `<img alt>` inside text/html, the one form in which JupyterLab, nbconvert and
slides all pass the description on to a screen reader; strict validation compares it.
"""

import base64
import html
import io

import numpy as np
from matplotlib.figure import Figure

# Okabe and Ito: told apart by colour-blind readers and in a greyscale print.
BLUE, ORANGE, GREEN, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9"


class Picture:
    """A drawn figure with its description; as the last line of a cell it is shown.

    png       bytes
    alt       what a reader who cannot see the figure should know, a sentence or two
    caption   shown beneath, optional
    """

    def __init__(self, png, alt, caption=""):
        if not alt or len(alt.split()) < 4:
            raise ValueError(f"alt is {alt!r}; describe in a sentence what the figure shows")
        self.png, self.alt, self.caption = png, " ".join(alt.split()), caption

    @classmethod
    def of(cls, figure, alt, caption="", dpi=80):
        """The picture of a matplotlib figure."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, bbox_inches="tight", metadata={"Software": None})
        return cls(buffer.getvalue(), alt, caption)

    def __repr__(self):
        return f"<figure: {self.alt}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        source = base64.b64encode(self.png).decode()
        page = (
            '<figure style="margin:0.5em 0">'
            f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{source}" style="max-width:100%">'
            f"{caption}</figure>"
        )
        return {"text/html": page, "text/plain": repr(self)}


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
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    styles = zip((BLUE, ORANGE, GREEN, RED, SKY), ("-", "--", "-.", ":", "-"), "os^Dv", strict=True)
    for (name, y), (color, line, marker) in zip(curves.items(), styles, strict=False):
        ax.plot(
            x, y, color=color, linestyle=line, marker=marker, markersize=5, markevery=markevery, label=name
        )
    ax.set_xscale("log" if logx else "linear")
    ax.set_yscale("log" if logy else "linear")
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.3)
    ax.legend(frameon=False)
    return Picture.of(figure, alt, caption)
