"""The convolution explorer: point at an output pixel and read how it was computed."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from medtutor.explore.base import Explorer, encode_image
from medtutor.explore.images import choose, named_images
from medtutor.nn.convolution import conv2d
from medtutor.plot import ORANGE, Picture

# name: (nine whole numbers, row by row, and what their sum is divided by): products that the eye can check
PRESETS = {
    "Sobel, vertical edges": ([-1, 0, 1, -2, 0, 2, -1, 0, 1], 1),
    "Sobel, horizontal edges": ([-1, -2, -1, 0, 0, 0, 1, 2, 1], 1),
    "Laplacian": ([0, 1, 0, 1, -4, 1, 0, 1, 0], 1),
    "identity": ([0, 0, 0, 0, 1, 0, 0, 0, 0], 1),
    "shift by one pixel": ([0, 0, 0, 0, 0, 1, 0, 0, 0], 1),
    "box blur": ([1, 1, 1, 1, 1, 1, 1, 1, 1], 9),
    "Gaussian blur": ([1, 2, 1, 2, 4, 2, 1, 2, 1], 16),
    "sharpen": ([0, -1, 0, -1, 5, -1, 0, -1, 0], 1),
    "emboss": ([-2, -1, 0, -1, 1, 1, 0, 1, 2], 1),
}
LIMITS = {"stride": (1, 4), "padding": (0, 4), "dilation": (1, 4)}
LARGEST_WEIGHT = 99


def explore_convolution(
    images=None,
    *,
    image=None,
    kernel="Sobel, vertical edges",
    stride=1,
    padding=0,
    dilation=1,
    flip=False,
):
    """Point at an output pixel: its patch, the nine products and their sum are written out.

    images   None for real ones (CT, MR, retina, tissue), one (rows, columns) array, or {name: array}, 0 to 1
    image    name of the one to start with; default the first, "CT"
    kernel   name of a preset, e.g. "Sobel, vertical edges" or "box blur", or 3 × 3 numbers from -99 to 99
    stride 1 to 4, padding 0 to 4 rings of zeros, dilation 1 to 4
    flip     True for true convolution, the kernel turned by 180°; False for cross-correlation

    Pixels are rounded to hundredths, so that the two decimals on the screen add up.
    Raises ValueError for an unknown name, a kernel that is not 3 × 3, an image that is not small, 2-D and
    from 0 to 1, and settings that leave no output.
    """
    images = named_images(images)
    image = choose(next(iter(images)) if image is None else image, images, "image")
    numbers, divisor = _kernel(kernel)
    setup = {
        name: _whole(name, value)
        for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation))
    }
    _refuse_impossible(images[image], setup)
    used = numbers[::-1, ::-1] if flip else numbers
    output = conv2d(images[image], used, **setup) / divisor
    row, column = np.unravel_index(np.abs(output).argmax(), output.shape)
    state = {
        "images": [encode_image(name, values) for name, values in images.items()],
        "image": list(images).index(image),
        "presets": [{"name": name, "kernel": k, "divisor": d} for name, (k, d) in PRESETS.items()],
        "kernel": numbers.ravel().tolist(),
        "divisor": divisor,
        **setup,
        "flip": bool(flip),
        "row": int(row),
        "column": int(column),
    }
    alt = _description(image, images[image], kernel, numbers, divisor, setup, flip, output, row, column)
    still = _still(images[image], used, divisor, setup, output, row, column)
    return Explorer("convolution.js", state, Picture.of(still, alt), "convolution")


def _kernel(kernel):
    """A preset's name or 3 × 3 numbers as (array (3, 3), divisor)."""
    if isinstance(kernel, str):
        numbers, divisor = PRESETS[choose(kernel, PRESETS, "kernel")]
        return np.reshape(numbers, (3, 3)), divisor
    try:
        numbers = np.asarray(kernel, dtype="float64")
    except (TypeError, ValueError):
        raise ValueError(
            f"kernel is {kernel!r}; give 3 × 3 numbers, e.g. [[0, 0, 0], [0, 1, 0], [0, 0, 0]]"
        ) from None
    if numbers.shape != (3, 3):
        raise ValueError(
            f"kernel has shape {numbers.shape}; this explorer slides 3 × 3 kernels, shape (3, 3)"
        )
    if not np.isfinite(numbers).all() or np.abs(numbers).max() > LARGEST_WEIGHT:
        raise ValueError(
            f"kernel is {numbers.tolist()}; use finite numbers from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}"
        )
    return numbers, 1


def _whole(name, value):
    low, high = LIMITS[name]
    if isinstance(value, bool) or value != int(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; use a whole number from {low} to {high}")
    return int(value)


def _refuse_impossible(image, setup):
    span = 2 * setup["dilation"] + 1
    rows, columns = (side + 2 * setup["padding"] for side in image.shape)
    if min(rows, columns) < span:
        raise ValueError(
            f"a 3 × 3 kernel with dilation {setup['dilation']} spans {span} pixels, the padded input has "
            f"only {rows} × {columns}; lower the dilation or raise the padding"
        )


def _description(name, image, kernel, numbers, divisor, setup, flip, output, row, column):
    rows = "; ".join(", ".join(f"{w:g}" for w in line) for line in numbers)
    known = f"{kernel}: " if isinstance(kernel, str) else ""
    over = f", divided by {divisor}" if divisor != 1 else ""
    settings = ", ".join(f"{word} {value}" for word, value in setup.items())
    kind = "true convolution, the kernel turned by 180°" if flip else "cross-correlation"
    return (
        f"Image {name}, {image.shape[0]} by {image.shape[1]} pixels, and the 3 by 3 kernel {known}"
        f"{rows}{over}; {kind}, {settings}. The output has {output.shape[0]} by {output.shape[1]} pixels "
        f"from {_decimals(output.min())} to {_decimals(output.max())}; "
        f"pixel y[{row}, {column}] is {_decimals(output[row, column])}."
    )


def _decimals(value):
    return f"{round(float(value), 2) + 0.0:.2f}"  # adding 0.0 turns -0.0 into 0.0


def _still(image, used, divisor, setup, output, row, column):
    """The explorer's three panels with output pixel [row, column] in view, as a matplotlib figure."""
    figure = Figure(figsize=(9.6, 3.5), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for ax in (left, middle, right):
        ax.set_xticks([])
        ax.set_yticks([])
    _still_input(left, image, setup, row, column)
    _still_products(middle, image, used, divisor, setup, row, column)
    _still_output(figure, right, output, abs(used.sum() / divisor - 1) <= 0.01, row, column)
    return figure


def _still_input(ax, image, setup, row, column):
    p, s, d = setup["padding"], setup["stride"], setup["dilation"]
    rows, columns = image.shape
    ax.add_patch(
        Rectangle((-p - 0.5, -p - 0.5), columns + 2 * p, rows + 2 * p, fc="#e6edf5", ec="#7f93aa", hatch="//")
    )
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", zorder=2)
    if d == 1:
        _outline(ax, row * s - p, column * s - p, side=3)
    else:
        for m, n in np.ndindex(3, 3):
            _outline(ax, row * s + m * d - p, column * s + n * d - p)
    ax.set_xlim(-p - 0.5, columns + p - 0.5)
    ax.set_ylim(rows + p - 0.5, -p - 0.5)
    ax.set_title(f"input x   {rows} × {columns}" + (f", padding {p}" if p else ""))


def _still_products(ax, image, used, divisor, setup, row, column):
    p, s, d = setup["padding"], setup["stride"], setup["dilation"]
    patch = np.pad(image, p)[row * s : row * s + 2 * d + 1 : d, column * s : column * s + 2 * d + 1 : d]
    products = patch * used
    limit = np.abs(used).max() or 1
    ax.imshow(
        products, cmap="PuOr", vmin=-2 * limit, vmax=2 * limit
    )  # twice the range keeps the letters readable
    for (m, n), product in np.ndenumerate(products):
        text = f"{_decimals(patch[m, n])}\n× {used[m, n]:g}\n{_decimals(product)}".replace("-", "−")
        ax.text(n, m, text, ha="center", va="center", fontsize=10)
    total = _decimals(products.sum()) + (
        f" ÷ {divisor} = {_decimals(products.sum() / divisor)}" if divisor != 1 else ""
    )
    ax.set_title("patch × kernel")
    ax.set_xlabel(f"sum = {total}".replace("-", "−"), fontsize=11)


def _still_output(figure, ax, output, grey, row, column):
    limit = np.abs(output).max() or 1
    colours = colormaps["gray"].with_extremes(under="#e08214", over="#542788") if grey else colormaps["PuOr"]
    low, high = (0, 1) if grey else (-limit, limit)
    drawn = ax.imshow(output, interpolation="nearest", cmap=colours, vmin=low, vmax=high)
    _outline(ax, row, column)
    figure.colorbar(drawn, ax=ax, shrink=0.8, extend="both" if grey else "neither")
    ax.set_title(f"output y   {output.shape[0]} × {output.shape[1]}")


def _outline(ax, row, column, side=1):
    for colour, width in (("black", 3), (ORANGE, 1.5)):
        corner = (column - 0.6, row - 0.6)
        box = Rectangle(
            corner, side + 0.2, side + 0.2, fc="none", ec=colour, lw=width, zorder=3, clip_on=False
        )
        ax.add_patch(box)
