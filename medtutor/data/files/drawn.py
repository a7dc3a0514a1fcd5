"""Pictures that a network drew, as a labelled set that nobody takes for patients."""

import csv
from pathlib import Path

import numpy as np

from medtutor.data.dataset import Card
from medtutor.data.files import compose
from medtutor.data.files.mr_slice import write_dicom_slice


def write_drawn(folder, x, y, *, classes, network, contrast, spacing, bounds, card):
    """Write n drawn slices as DICOM files with their labels and a card; return the folder.

    folder    new or empty: it gets 0001.dcm, 0002.dcm, …, labels.csv and card.txt
    x         (n, rows, columns) real and finite, in the unit of the set that the network learned from
    y         (n,) the class that was ASKED for, 0 to len(classes) - 1; what is seen on it may differ
    network   the generator's name and version, one line
    contrast, spacing, bounds   as for `write_dicom_slice`; one brightness for all
    card      a `Card` with simulated=True

    Each slice is a patient of its own, for no two drawn slices show one head. Each file says in the places
    that `write_dicom_slice` names that it is synthetic, and which network drew it; labels.csv has the columns
    file, class, label, synthetic.
    Raises ValueError for a folder with files in it, for a card that says real, and where x and y disagree.
    """
    folder, x, y = Path(folder), np.asarray(x), np.asarray(y)
    _check(folder, x, y, classes, card)
    network = compose.line("network", network, 32)
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:04}" for number in range(1, len(x) + 1)]
    for name, values in zip(names, x, strict=True):
        write_dicom_slice(
            folder / f"{name}.dcm",
            values,
            spacing=spacing,
            patient=f"drawn-{name}",
            contrast=contrast,
            bounds=bounds,
            drawn_by=network,
        )
    with open(folder / "labels.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "class", "label", "synthetic"])
        table.writerows(
            [f"{name}.dcm", classes[k], k, "yes"] for name, k in zip(names, y.tolist(), strict=True)
        )
    (folder / "card.txt").write_text(f"{card!r}\n", encoding="utf-8")
    return folder


def _check(folder, x, y, classes, card):
    if x.ndim != 3 or y.shape != (len(x),) or not len(x):
        raise ValueError(
            f"x has shape {x.shape} and y {y.shape}; slices (n, rows, columns) and as many labels are "
            "wanted, e.g. drawn[..., 0]"
        )
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(classes):
        raise ValueError(
            f"y holds {y.dtype} from {y.min()} to {y.max()}; use the number of a class, "
            f"0 to {len(classes) - 1}"
        )
    if not isinstance(card, Card) or not card.simulated:
        raise ValueError(
            "the card must be a medtutor.data.Card with simulated=True: nobody of these was ever examined"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"{str(folder)!r} is not an empty folder; name a new one, so that no file is mixed in"
        )
