"""The mask explorer: a threshold on a probability map, and how its mask agrees with the truth."""

import base64

import numpy as np
from matplotlib.figure import Figure

from medtutor import metrics
from medtutor.explore.base import Explorer
from medtutor.plot import ORANGE, Picture

STEPS = 100  # of the threshold slider
LARGEST = 600_000  # characters of the pixels in a page


def explore_mask(
    images,
    truth,
    probability,
    *,
    threshold=0.5,
    alpha=0.5,
    titles=(),
    contrasts=(),
    spacing=None,
    name="lesion",
    tolerance=0,
):
    """Move the threshold of a probability map: the mask, Dice, IoU and volumes follow.

    images       (n, rows, columns), or with contrasts (n, rows, columns, channels); one image without n
    truth        (n, rows, columns) 0 or 1
    probability  (n, rows, columns) 0 to 1; a pixel is called where it is >= threshold
    threshold    to start with, 0 to 1, in steps of 0.01
    alpha        opacity of the hatched areas to start with, 0 to 1; the outlines stay
    titles       a name for each image;  contrasts  a name for each channel, the reader chooses which is drawn
    spacing      mm between voxels, three numbers, for volumes in millilitres; without it pixels are counted
    name         what the mask holds;  tolerance  written behind ± in the description, for trained nets

    Probabilities are kept in hundredths, rounded down, which leaves p >= threshold as it is at each step of
    the slider; images in 256 greys. Dice and IoU are those of medtutor.metrics: two empty masks agree, 1.
    Raises ValueError for shapes that disagree, numbers out of range and more than a page should hold.
    """
    images, contrasts = images_and_contrasts(images, contrasts)
    truth = mask_of("truth", truth, images.shape[:3])
    probability = _probability(probability, images.shape[:3])
    titles = names_of(titles, len(images))
    threshold, alpha = share("threshold", threshold), share("alpha", alpha)
    voxel = None if spacing is None else metrics.volume(np.ones((1, 1, 1)), spacing)
    levels = np.searchsorted(
        (np.arange(STEPS + 1) / STEPS).astype(probability.dtype), probability, side="right"
    )
    step = round(STEPS * threshold)
    state = {
        "rows": images.shape[1],
        "columns": images.shape[2],
        "titles": titles,
        "contrasts": contrasts,
        "greys": greys(images),
        "truth": [packed(mask) for mask in truth],
        "probability": [text_of((level - 1).astype("uint8")) for level in levels],
        "voxel": voxel,
        "name": str(name),
        **{"image": 0, "contrast": 0, "threshold": step, "alpha": round(STEPS * alpha)},
    }
    called = probability >= probability.dtype.type(step / STEPS)
    pm = f" ± {tolerance:g}" if tolerance else ""
    alt = (
        f"{titles[0]} with the true {name} and what is called {name} at threshold {step / STEPS:g} outlined; "
        f"found, extra and missed areas are hatched. On {len(images)} images: Dice "
        f"{metrics.dice(truth, called):.2f}{pm}, IoU {metrics.iou(truth, called):.2f}{pm}; "
        f"truth {_size(truth, voxel)}."
    )
    still = still_overlay(images[0, ..., 0], truth[0], called[0], "called")
    return Explorer(
        "mask.js", state, Picture.of(still, alt), "mask", parts=["parts.js", "overlay.js"], measured=True
    )


def images_and_contrasts(images, contrasts):
    """(n, rows, columns, channels) finite, and a name for each channel."""
    images = np.asarray(images)
    shape = images.shape
    contrasts = [str(name) for name in ([contrasts] if isinstance(contrasts, str) else contrasts)]
    if not contrasts:
        images, contrasts = images[..., None], ["image"]
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or not images.size or images.shape[-1] != len(contrasts):
        raise ValueError(
            f"images have shape {shape}; give (n, rows, columns), or with one name for each channel in "
            "contrasts, (n, rows, columns, channels)"
        )
    if images.dtype.kind not in "buif" or not np.isfinite(images).all():
        raise ValueError("images hold values that are not finite numbers; use e.g. np.nan_to_num(images)")
    kilobytes = images.size * 4 // 3 + images[..., 0].size * 3 // 2
    if kilobytes > LARGEST:
        raise ValueError(
            f"images of shape {images.shape} need {kilobytes // 1000} kB in the page, more than "
            f"{LARGEST // 1000}; choose fewer slices, or every second pixel, images[:, ::2, ::2]"
        )
    return images, contrasts


def mask_of(what, mask, shape):
    """A mask (n, rows, columns) as bool; one without n gets it."""
    mask = np.asarray(mask)
    mask = mask[None] if mask.ndim == 2 else mask
    if mask.shape != shape:
        raise ValueError(f"{what} has shape {mask.shape}; the images have {shape}")
    metrics.dice(mask, mask)  # refuses what is no mask
    return mask.astype(bool)


def _probability(probability, shape):
    probability = np.asarray(probability)
    probability = probability[None] if probability.ndim == 2 else probability
    if probability.shape != shape:
        raise ValueError(f"probability has shape {probability.shape}; the images have {shape}")
    if probability.dtype.kind not in "buif" or not np.isfinite(probability).all():
        raise ValueError(
            "probability holds values that are not finite numbers; find where they come from first"
        )
    if probability.min() < 0 or probability.max() > 1:
        raise ValueError(
            f"probability goes from {probability.min():g} to {probability.max():g}; 0 to 1 is wanted: "
            "put logits through a sigmoid"
        )
    return probability if probability.dtype.kind == "f" else probability.astype(float)


def names_of(titles, number):
    titles = [str(title) for title in ([titles] if isinstance(titles, str) else titles)]
    if titles and len(titles) != number:
        raise ValueError(f"titles are {titles}; one for each image is wanted, {number} in all")
    return titles or [f"slice {at}" if number > 1 else "image" for at in range(number)]


def share(name, value):
    if isinstance(value, bool) or np.ndim(value) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {value!r}; use a number from 0 to 1")
    return float(value)


def greys(images):
    """[channel][image] of images (n, rows, columns, channels) in 256 greys, one scale a channel."""
    low, high = images.min((0, 1, 2)).astype(float), images.max((0, 1, 2)).astype(float)
    scaled = np.rint(255 * (images - low) / np.where(high > low, high - low, 1)).astype("uint8")
    return [[text_of(image[..., c]) for image in scaled] for c in range(images.shape[-1])]


def packed(mask):
    return text_of(np.packbits(mask))


def text_of(array):
    return base64.b64encode(array.tobytes()).decode()


def _size(mask, voxel):
    pixels = int(mask.sum())
    return f"{pixels} pixels" if voxel is None else f"{pixels * voxel:.2f} ml"


def still_overlay(image, truth, called, word):
    """An image with both masks outlined and what is found, extra and missed hatched."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    plain, overlay = figure.subplots(1, 2)
    for ax, title in ((plain, "image"), (overlay, f"truth solid, {word} dashed")):
        ax.imshow(image, cmap="gray", interpolation="nearest")
        ax.set(title=title, xticks=[], yticks=[])
    for mask, colour, line in ((truth, "white", "solid"), (called, ORANGE, "dashed")):
        if mask.any() and not mask.all():
            overlay.contour(mask, levels=[0.5], colors=[colour], linestyles=[line], linewidths=2)
    for kind, hatch in ((truth & called, "..."), (called & ~truth, "///"), (truth & ~called, "++")):
        if kind.any() and not kind.all():
            overlay.contourf(kind, levels=[0.5, 1.5], colors="none", hatches=[hatch])
    return figure
