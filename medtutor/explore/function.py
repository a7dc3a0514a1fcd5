"""A panel that applies the reader's own function to a real image; it needs the running kernel."""

import base64
import contextlib
import html
import inspect
import io
import linecache
import traceback
import warnings
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from medtutor.explore.convolution import PRESETS
from medtutor.explore.images import named_images
from medtutor.plot import Picture

HEIGHT = "23rem"

# JupyterLab reads plain keys as commands, on our lists too: an arrow leaves the cell, d d deletes it.
KEEP_KEYS = (
    "const output = this.closest('.jp-OutputArea-output'); "
    "if (output) output.onkeydown = (event) => event.ctrlKey || event.metaKey || event.key === 'Escape' "
    "|| (event.shiftKey && event.key === 'Enter') || event.stopPropagation()"
)


@dataclass
class Answer:
    """What the function made of an image: an output to draw, or a sentence that says why there is none."""

    output: np.ndarray | None
    sentence: str


def explore_function(function, images=None):
    """Choose an image and see what your own function makes of it.

    function  takes an image (rows, columns), values 0 to 1, and returns a 2-D array; a function of two
              arguments, e.g. your correlate(x, w), also gets a 3 × 3 kernel, which the panel then offers
    images    None for real ones, one array or {name: array}

    If the function raises, or returns anything that cannot be drawn, the panel says what happened and where.
    Raises ValueError if `function` cannot be called with one or two arguments.
    """
    return FunctionPanel(function, named_images(images))


class FunctionPanel:
    """The panel of `explore_function`: live widgets while the kernel runs, else a described picture."""

    def __init__(self, function, images):
        self.function, self.images = function, images
        self.takes_kernel = _arguments(function) == 2
        name = getattr(function, "__name__", "")
        self.name = name if name.isidentifier() else "your function"
        self.figure = Figure(figsize=(8, 3.5), layout="constrained")
        self._widgets = self._panel = None
        self.picture = self._picture(next(iter(images)), next(iter(PRESETS)))

    def __repr__(self):
        return f"<function explorer: {self.picture.alt}>"

    def _repr_mimebundle_(self, include=None, exclude=None):
        still = self.picture._repr_mimebundle_()
        live = self.panel()._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]
        return {
            "application/vnd.jupyter.widget-view+json": live,
            "text/html": still["text/html"],
            "text/plain": repr(self),
        }

    def panel(self):
        """The widgets: a list of images, a list of kernels if the function takes one, and the picture."""
        if self._panel is not None:
            return self._panel
        import ipywidgets as widgets

        style = {"description_width": "4rem"}
        wide = widgets.Layout(width="20rem")
        image = widgets.Dropdown(options=list(self.images), description="image", style=style, layout=wide)
        kernel = widgets.Dropdown(options=list(PRESETS), description="kernel", style=style, layout=wide)
        picture = widgets.HTML(layout=widgets.Layout(height=HEIGHT))
        picture.value = _page(self.picture)

        def show(change):
            picture.value = _page(self._picture(image.value, kernel.value))

        for control in (image, kernel):
            control.observe(show, names="value")
        controls = widgets.HBox([image, kernel] if self.takes_kernel else [image])
        self._panel = widgets.VBox([controls, picture])
        return self._panel

    def _picture(self, image, kernel):
        """The picture of the function applied to the image of this name, drawn on the one reused figure."""
        x = self.images[image]
        weights = [np.reshape(PRESETS[kernel][0], (3, 3)) / PRESETS[kernel][1]] if self.takes_kernel else []
        answer = apply(self.function, x, *weights)
        self.figure.clear()
        left, right = self.figure.subplots(1, 2, width_ratios=(1, 1.18))
        _draw(left, x, f"{image}   {x.shape[0]} × {x.shape[1]}", grey=True)
        if answer.output is None:
            right.text(0.5, 0.5, "no output to draw", ha="center", transform=right.transAxes, fontsize=12)
            right.axis("off")
        else:
            rows, columns = answer.output.shape
            title = f"{self.name}(…)   {rows} × {columns}"
            drawn = _draw(right, answer.output, title, grey=answer.output.min() >= 0)
            self.figure.colorbar(drawn, ax=right, shrink=0.85)
        given = f" with the kernel {kernel}" if self.takes_kernel else ""
        alt = f"{self.name} applied to the image {image}{given}: {answer.sentence}"
        return Picture.of(self.figure, alt, answer.sentence)


def apply(function, image, *kernel):
    """The Answer of `function` to a copy of the image; whatever it does, nothing is raised or printed."""
    given = image.copy()
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            returned = function(given, *kernel)
        output, sentence = _judge(returned)
    except Exception as error:
        return Answer(None, _raised(function, error))
    notes = [sentence]
    if not np.array_equal(given, image):
        notes.append("Your function changed the image it was given; work on a copy, image.copy().")
    if warned:
        notes.append(f"Python warned: {warned[0].message}.")
    if printed.getvalue().strip():
        notes.append(f"It printed: {printed.getvalue().strip().splitlines()[0][:100]}")
    return Answer(output, " ".join(notes))


def _judge(returned):
    """(the output as floats, or None if it cannot be drawn; a sentence about it)."""
    if returned is None:
        return None, "Your function returned None. Did you forget `return`?"
    try:
        output = np.asarray(returned)
    except ValueError:
        return None, f"Your function returned a {type(returned).__name__} whose rows differ in length."
    if output.dtype.kind not in "buif":
        return (
            None,
            f"Your function returned a {type(returned).__name__} of {output.dtype}, not of real numbers.",
        )
    if output.ndim != 2:
        return None, f"Your function returned shape {output.shape}; an image has two axes, (rows, columns)."
    if not output.size:
        return None, f"Your function returned shape {output.shape}: no pixel is left."
    output = output.astype("float64")
    bad = np.argwhere(~np.isfinite(output))
    if len(bad):
        row, column = map(int, bad[0])
        return None, (
            f"{len(bad)} of {output.size} results are not finite; the first is {output[row, column]} "
            f"at [{row}, {column}]. Look for a division by zero or a value never set."
        )
    rows, columns = output.shape
    return output, f"{rows} × {columns} results from {output.min():.2f} to {output.max():.2f}."


def _raised(function, error):
    """The error's name and message, and the last line of the reader's own code that it passed through."""
    message = f"Your function raised {type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, NotImplementedError):
        return "Your function is not written yet: it raised NotImplementedError."
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = [
        (number, frame.f_code)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if code and frame.f_code.co_filename == code.co_filename
    ]
    if not own:
        return message + "."
    number, where = own[-1]
    text = linecache.getline(where.co_filename, number).strip()
    return (
        f"{message}, in line {number} of its cell or file: {text}"
        if text
        else f"{message}, in line {number}."
    )


def _arguments(function):
    """How many of one or two arguments the panel has to pass."""
    if not callable(function):
        raise ValueError(f"function is {function!r}; give the function itself, without parentheses")
    try:
        signature = inspect.signature(function)
    except ValueError:  # built-in functions need not have one
        return 1
    for number in (1, 2):
        with contextlib.suppress(TypeError):
            signature.bind(*range(number))
            return number
    raise ValueError(
        f"function has the arguments {signature}; it must take an image, or an image and a 3 × 3 kernel: "
        "fix the others first, e.g. lambda image: f(image, 3, 2)"
    )


def _draw(ax, values, title, grey):
    """Grey from 0 to 1, or to the largest value above; else from orange over white to violet around 0."""
    limit = np.abs(values).max() or 1
    low, high = (0, max(1, limit)) if grey else (-limit, limit)
    ax.set_title(title)
    ax.set_xticks([])
    ax.set_yticks([])
    colours = colormaps["gray" if grey else "PuOr"]
    return ax.imshow(values, cmap=colours, vmin=low, vmax=high, interpolation="nearest")


def _page(picture):
    """The sentence above the picture, at a fixed height, on its own background."""
    source = base64.b64encode(picture.png).decode()
    box = f"background:#fff;color:#16191d;padding:0.5rem;height:{HEIGHT};overflow:auto;line-height:1.4"
    size = "display:block;max-width:100%;height:18rem;object-fit:contain;object-position:left"
    sentence = f'<p role="status" style="margin:0;min-height:2.8em">{html.escape(picture.caption)}</p>'
    return (
        f'<div style="{box}">{sentence}'
        f'<img alt="{html.escape(picture.alt)}" style="{size}" onload="{KEEP_KEYS}" '
        f'src="data:image/png;base64,{source}"></div>'
    )
