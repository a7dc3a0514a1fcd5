"""The checkerboard explorer: how many copies of the kernel of a transposed convolution touch each pixel."""

import numpy as np

from medtutor.explore.base import Explorer
from medtutor.explore.images import choose
from medtutor.plot import show_images

KERNELS, STRIDES, SIZES = (1, 7), (1, 4), (7, 12)
PADDINGS = ("same", "valid")


def explore_checkerboard(kernel=3, stride=2, *, padding="same", size=8):
    """Move kernel and stride of a transposed convolution: the copies that overlap in each pixel are counted.

    kernel   side of the kernel to start with, 1 to 7
    stride   to start with, 1 to 4
    padding  to start with, as in Keras: "same" gives size * stride pixels, "valid" as many as the copies
             cover, size * stride + max(kernel - stride, 0)
    size     pixels of the input along a side, 7 to 12

    The count is what Conv2DTranspose gives for an input and a kernel of ones. Beside it what the same kernel
    sums after every pixel was repeated stride times along each side (UpSampling2D, then Conv2D "same").
    Raises ValueError for numbers out of range. Source: Odena, Dumoulin and Olah, Distill (2016),
    doi 10.23915/distill.00003.
    """
    kernel = _whole("kernel", kernel, *KERNELS)
    stride = _whole("stride", stride, *STRIDES)
    size = _whole("size", size, *SIZES)
    choose(padding, PADDINGS, "padding")
    state = {
        "kernels": list(range(KERNELS[0], KERNELS[1] + 1)),
        "strides": list(range(STRIDES[0], STRIDES[1] + 1)),
        **{"kernel": kernel, "stride": stride, "padding": padding, "size": size},
    }
    return Explorer(
        "checkerboard.js", state, _still(kernel, stride, padding, size), "checkerboard", parts=["parts.js"]
    )


def overlap(size, kernel, stride, padding="same"):
    """How many copies of the kernel touch each pixel of a line; rows times columns in two dimensions.

    Copy i begins at i * stride - crop, crop = (kernel - stride) // 2 pixels for "same" where the kernel is
    the larger one, else 0.  -> (size * stride,) or, for "valid", (size * stride + max(kernel - stride, 0),)
    """
    beyond = max(kernel - stride, 0)
    crop = beyond // 2 if padding == "same" else 0
    counts = np.zeros(size * stride + beyond, int)
    for i in range(size):
        counts[i * stride : i * stride + kernel] += 1
    return counts[crop : crop + size * stride] if padding == "same" else counts


def away_from_border(size, kernel, stride, padding="same"):
    """The pixels of a line that no copy beyond the ends of the input would touch, as a slice."""
    beyond = max(kernel - stride, 0)
    crop = beyond // 2 if padding == "same" else 0
    return slice(beyond - crop, size * stride - crop)


def after_upsampling(size, kernel, stride):
    """How many pixels of the enlarged line each pixel of a "same" convolution sums.  -> (size * stride,)"""
    return np.convolve(np.ones(size * stride, int), np.ones(kernel, int))[kernel // 2 :][: size * stride]


def _whole(name, value, least, most):
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not least <= value <= most:
        raise ValueError(f"{name} is {value!r}; use a whole number from {least} to {most}")
    return int(value)


def _still(kernel, stride, padding, size):
    line, plain = overlap(size, kernel, stride, padding), after_upsampling(size, kernel, stride)
    met = np.unique(line[away_from_border(size, kernel, stride, padding)]).tolist()
    words = f"{met[0]} in every pixel" if len(met) == 1 else f"{met[0]} or {met[-1]} by turns"
    alt = (
        f"Two maps of {len(line)} and {len(plain)} pixels a side. Left, how many copies of a kernel of "
        f"{kernel} by {kernel} pixels overlap where a transposed convolution lays them {stride} apart, "
        f"padding {padding}: along a line, away from the border, {words}. Right, what the same kernel sums "
        f"after pixels were repeated {stride} times: {kernel} along a line in every pixel away from it."
    )
    maps = [np.outer(one, one) / max(one) ** 2 for one in (line, plain)]
    titles = ("transposed convolution", "repeat, then convolve")
    return show_images(maps, titles, alt=alt, vmin=0, vmax=1, size=3.2)
