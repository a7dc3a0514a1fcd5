"""The painting explorer: a mask of one's own, scored against the truth and against a net."""

from medtutor import metrics
from medtutor.explore.base import Explorer
from medtutor.explore.mask import greys, images_and_contrasts, mask_of, packed, still_overlay
from medtutor.plot import Picture

BRUSHES = (1, 3, 5, 9)


def explore_painting(image, truth, predicted, *, contrasts=(), brush=3, name="lesion", tolerance=0):
    """Paint a mask on an image, then press Score: Dice, IoU, found, missed and extra pixels are told.

    image      (rows, columns), or with contrasts (rows, columns, channels): the reader chooses which is drawn
    truth      (rows, columns) 0 or 1;  predicted  likewise, what a net called
    contrasts  a name for each channel
    brush      diameter to start with, 1, 3, 5 or 9 pixels
    name       what is to be painted;  tolerance  written behind ± in the description, for trained nets

    By pointer, or by keyboard: arrow keys move the brush, Space paints. The truth is in the page, hidden from
    view only. Scores are those of medtutor.metrics: two empty masks agree, 1.
    Raises ValueError for shapes that disagree and for what is no mask.
    """
    if brush not in BRUSHES:
        raise ValueError(f"brush is {brush!r}; use one of {', '.join(map(str, BRUSHES))}")
    images, contrasts = images_and_contrasts(image, contrasts)
    if len(images) != 1:
        raise ValueError(f"image has shape {images.shape[:3]}; one slice is painted on, e.g. images[0]")
    truth, predicted = (
        mask_of(what, mask, images.shape[:3])[0]
        for what, mask in (("truth", truth), ("predicted", predicted))
    )
    state = {
        "rows": images.shape[1],
        "columns": images.shape[2],
        "contrasts": contrasts,
        "greys": [channel[0] for channel in greys(images)],
        "truth": packed(truth),
        "predicted": packed(predicted),
        "name": str(name),
        "contrast": 0,
        "row": images.shape[1] // 2,
        "column": images.shape[2] // 2,
        "brush": brush,
    }
    pm = f" ± {tolerance:g}" if tolerance else ""
    alt = (
        f"An image of {images.shape[1]} by {images.shape[2]} pixels to paint the {name} on. Beside it the "
        f"true {name} of {truth.sum()} pixels, outlined solid, and the net's, outlined dashed: Dice "
        f"{metrics.dice(truth, predicted):.2f}{pm}."
    )
    still = Picture.of(still_overlay(images[0, ..., 0], truth, predicted, "net"), alt)
    return Explorer("painting.js", state, still, "painting", parts=["parts.js", "overlay.js"], measured=True)
