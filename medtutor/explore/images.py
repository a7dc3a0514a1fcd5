"""The small images of the explorers: real ones, in hundredths from 0 to 1, so that what is read adds up."""

import base64
from functools import cache

import numpy as np

from medtutor import data

LARGEST = 128  # pixels a side; beyond this a pixel is too small to point at
CT_CROP = (
    slice(24, 31),
    slice(37, 44),
)  # a corner of the vertebral arch: bone above muscle


def hundredths(values):
    """Values from 0 to 1 rounded to 0.00, 0.01 … 1.00: an explorer shows two decimals, there are no more."""
    return np.rint(100 * np.asarray(values, dtype="float64")) / 100


@cache
def sample_images():
    """The explorers' own images by name, each (rows, columns) from 0 to 1 and read-only.

    "CT" and "CT, soft tissue" are one slice in two windows; "MR" is not square; "CT, 7 by 7" is small enough
    to read every pixel; "bright pixel" is drawn, not measured: its output is a picture of the kernel.
    """
    hounsfield = _shrink(data.sample_ct().values, 2)
    bone = _window(hounsfield, -450, 1050)
    dot = np.zeros((7, 7))
    dot[3, 3] = 1
    images = {
        "CT": bone,
        "CT, soft tissue": _window(hounsfield, -160, 240),
        "MR": _window(_shrink(data.sample_mr().values, 7), 0, 800),
        "retina": _shrink(data.sample_retina().values[..., 1], 22) / 255,
        "tissue": _shrink(data.sample_tissue().values[..., 0], 8) / 255,
        "CT, 7 by 7": bone[CT_CROP],
        "bright pixel": dot,
    }
    images = {name: hundredths(image) for name, image in images.items()}
    for image in images.values():
        image.flags.writeable = False
    return images


def named_images(images=None):
    """`images` as {name: (rows, columns) from 0 to 1, in hundredths}; None gives the explorers' own.

    images  None, one array, or {name: array}; bytes (uint8) are divided by 255
    Raises ValueError for an array that is not a small 2-D image of finite values from 0 to 1.
    """
    if images is None:
        return sample_images()
    if not isinstance(images, dict):
        images = {"your image": images}
    if not images:
        raise ValueError("images is empty; give {name: image}, or leave it out for the explorer's own")
    return {str(name): _checked(name, image) for name, image in images.items()}


def pictures_of(name, pictures, *axes):
    """`pictures` as floats from 0 to 1 with these axes, e.g. "n", "h", "w"; several choices as tuples.

    Raises ValueError for another number of axes, sides over 128 pixels, and values outside 0 to 1: what a
    generator with tanh draws, -1 to 1, is to be scaled first.
    """
    pictures = np.asarray(pictures)
    choices = axes if isinstance(axes[0], tuple) else (axes,)
    if pictures.ndim not in map(len, choices) or not pictures.size:
        wanted = " or ".join(f"({', '.join(choice)})" for choice in choices)
        raise ValueError(
            f"{name} has shape {pictures.shape}; give {wanted}, one channel; of (…, h, w, 1) {name}[..., 0]"
        )
    if max(pictures.shape[-2:]) > LARGEST:
        height, width = pictures.shape[-2:]
        raise ValueError(f"{name} is of {height} × {width} pixels; at most {LARGEST} × {LARGEST} are shown")
    if pictures.dtype.kind not in "buif" or not np.isfinite(pictures).all():
        raise ValueError(f"{name} holds values that are not finite numbers; find where they come from first")
    if pictures.dtype == np.uint8 and pictures.max() > 1:
        pictures = pictures / 255
    if pictures.min() < 0 or pictures.max() > 1:
        raise ValueError(
            f"{name} goes from {pictures.min():g} to {pictures.max():g}; 0 to 1 is wanted: for pictures from "
            f"-1 to 1, as tanh gives them, ({name} + 1) / 2"
        )
    return pictures.astype("float64")


def bytes_of(pictures):
    """Pictures from 0 to 1 in 256 greys, one byte a pixel, base64."""
    return base64.b64encode(np.rint(255 * pictures).astype("uint8").tobytes()).decode()


def choose(name, names, what):
    """`name` if it is among `names`; ValueError that lists them if not."""
    if name not in names:
        raise ValueError(f"{what} is {name!r}; use one of {', '.join(repr(known) for known in names)}")
    return name


def _checked(name, image):
    image = np.asarray(image)
    if image.ndim != 2 or not image.size:
        raise ValueError(
            f"image {name!r} has shape {image.shape}; give one channel, (rows, columns), e.g. image[..., 1]"
        )
    if image.dtype.kind not in "buif" or not np.isfinite(image).all():
        raise ValueError(
            f"image {name!r} holds values that are not finite numbers; use e.g. np.nan_to_num(image)"
        )
    if max(image.shape) > LARGEST:
        raise ValueError(
            f"image {name!r} is {image.shape[0]} × {image.shape[1]}; at most {LARGEST} × {LARGEST} pixels "
            "can be pointed at: cut a piece out, or take every n-th pixel, image[::n, ::n]"
        )
    if image.dtype == np.uint8 and image.max() > 1:
        image = image / 255
    if image.min() < 0 or image.max() > 1:
        raise ValueError(
            f"image {name!r} goes from {image.min():g} to {image.max():g}; scale it to 0…1 first, "
            "e.g. (image - image.min()) / (image.max() - image.min())"
        )
    return hundredths(image)


def _shrink(image, factor):
    """Means of factor × factor blocks; what fills no block at the right and lower edge is left out."""
    rows, cols = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: rows * factor, : cols * factor].astype("float64").reshape(rows, factor, cols, factor)
    return blocks.mean(axis=(1, 3))


def _window(image, low, high):
    """`low` and below becomes 0, `high` and above 1."""
    return np.clip((image - low) / (high - low), 0, 1)
