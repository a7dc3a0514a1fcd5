"""The hippocampus in MR, drawn by hand (Medical Segmentation Decathlon, task 4), as slices for a U-Net."""

import re
import tempfile
from pathlib import Path

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import check_split
from medtutor.data.files import read_nifti
from medtutor.data.published.common import cut, dataset

ARCHIVE = "Task04_Hippocampus.tar"
CASE = re.compile(r"Task04_Hippocampus/(images|labels)Tr/(hippocampus_(\d+))\.nii\.gz")
MOST = 2**23  # bytes of one packed volume; they have about 100 KB


def load_hippocampus(split, size=64):
    """MR slices of the hippocampus with a mask of its anterior and posterior part.

    size  pixels a side, a multiple of 8 for U-Nets; slices are padded with zeros, never resampled

    x (n, size, size, 1) float32 from 0 to 1: every axial slice of each case from below upwards, row 0 in
    front, column 0 on the person's right, 1 mm pixels; 1 is the volume's 99.5th percentile, as MR values have
    no unit.
    y (n, size, size) uint8: 0 background, 1 anterior, 2 posterior; some slices are all background.
    extra: "slice" (n,) int64, position in the volume from below; "spacing" (n, 3) float32, mm between slices,
    rows and columns. `patients` are cases.

    The publisher's test cases have no labels. The 260 labelled ones are split in the order of their numbers,
    60 / 20 / 20 %; the numbers 2k-1 and 2k always go together, as they may be one person's two sides.
    Source: Antonelli et al., Nat Commun 13:4128 (2022); Vanderbilt University Medical Center. CC BY-SA 4.0.
    """
    check_split(split)
    if not isinstance(size, int) or size < 8 or size % 8:
        raise ValueError(f"size is {size!r}; wanted is a multiple of 8 pixels, e.g. 64")
    path = registry.fetch("hippocampus", [ARCHIVE])[ARCHIVE]
    parts = [
        (_padded(_scaled(volume), size, case), _padded(mask, size, case), [case] * len(mask), spacing)
        for case, volume, mask, spacing in _cases(path, _numbers(path, split))
    ]
    slices, masks, cases, spacings = zip(*parts, strict=True)
    counts = [len(each) for each in masks]
    return dataset(
        "hippocampus",
        split,
        np.concatenate(slices)[..., None],
        np.concatenate(masks),
        np.concatenate(cases),
        unit="1 = the volume's 99.5th percentile",
        bounds=(0, 1),
        extra={
            "slice": np.concatenate([np.arange(count) for count in counts]),
            "spacing": np.repeat(np.array(spacings, np.float32), counts, axis=0),
        },
    )


def _numbers(path, split):
    """Numbers of the cases of a split, from the names in the archive."""
    names = {"images": set(), "labels": set()}

    def note(name):
        found = CASE.fullmatch(name)
        if found:
            names[found[1]].add(int(found[3]))
        return False  # only the names, not the contents

    list(registry.members(path, note))
    if names["images"] != names["labels"]:
        odd = min(names["images"] ^ names["labels"])
        raise ValueError(f"{path}: case {odd} has an image or a mask, but not both")
    registry.check_count("hippocampus", "cases", len(names["images"]))
    pairs = sorted({(number + 1) // 2 for number in names["images"]})
    chosen = set(cut(pairs, split))
    return {number for number in names["images"] if (number + 1) // 2 in chosen}


def _cases(path, numbers):
    """(case, volume, mask, spacing) of the cases with these numbers, in the order of their numbers.

    Volume float32 and mask uint8 are (slices, rows, columns), seen as radiologists do; spacing is in mm.
    """

    def wanted(name):
        match = CASE.fullmatch(name)
        return bool(match) and int(match[3]) in numbers

    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name, content in registry.members(path, wanted, MOST):
            kind, case, number = CASE.fullmatch(name).groups()
            file = Path(place) / f"{kind}-{case}.nii.gz"
            file.write_bytes(content)
            found.setdefault((int(number), case), {})[kind] = read_nifti(file).to_ras()
            file.unlink()
    for (_, case), images in sorted(found.items()):
        yield case, *_pair(case, images["images"], images["labels"])


def _pair(case, image, mask):
    if image.values.ndim != 3 or image.values.shape != mask.values.shape:
        raise ValueError(f"{case}: image {image.values.shape}, mask {mask.values.shape}; wanted is one shape")
    if not (np.isfinite(image.values).all() and np.isin(mask.values, (0, 1, 2)).all()):
        raise ValueError(f"{case}: the image must be of numbers, its mask of 0, 1 and 2")
    return _axial(image.values), _axial(mask.values).astype(np.uint8), image.spacing[::-1]


def _axial(values):
    """(x, y, z) to the right, front and up, as slices from below with the front and the right first."""
    return values[::-1, ::-1].transpose(2, 1, 0)


def _scaled(volume):
    top = np.percentile(volume, 99.5)
    return np.clip(volume / (top if top > 0 else 1), 0, 1).astype(np.float32)


def _padded(slices, size, case):
    """The slices in the middle of squares of `size` pixels, zeros around them."""
    gaps = [size - n for n in slices.shape[1:]]
    if min(gaps) < 0:
        raise ValueError(f"{case} has slices of {slices.shape[1:]} pixels; pass a size of that or more")
    return np.pad(slices, [(0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)])
