"""A folder of DICOM slices as one volume: sorted by where they are, refused if one is missing."""

from pathlib import Path

import numpy as np

from medtutor.data.files import geometry
from medtutor.data.files.dicom import build
from medtutor.data.files.image import Image
from medtutor.data.files.parse import numbers, parse, quiet, small
from medtutor.data.files.problem import LIMIT, check_values, fault, guarded, opened

FILES = 5000
ALONE = "put each series into a folder of its own"


@guarded
def read_dicom_series(folder, *, identify=False, limit=LIMIT):
    """All slices of a folder as one volume, an `Image` with an affine, de-identified as by `read_dicom`.

    values       (slices, rows, columns) float32, the slices in the order of their positions along the normal
    spacing      mm between slices, rows, columns; the first from the positions, not from SliceThickness
    affine       (4, 4) index of slice, row, column and 1 -> mm in RAS+; a tilted gantry is in it as a shear
    header       of the first slice

    Every file that is not hidden and not called DICOMDIR must be a slice of one series. Refused with
    FileProblem: no DICOM, two series, different sizes, orientations or units, two slices at one position, and
    slices whose distances differ by more than 2 % (at least 0.01 mm), as they do where one is missing.
    """
    with quiet():
        slices = _ordered(folder, limit)
        step = _step(folder, slices)
        rows, columns = slices[0]["size"]
        check_values(folder, len(slices) * rows * columns, limit)
        values = np.empty((len(slices), rows, columns), dtype="float32")
        first = None
        for i, one in enumerate(slices):
            image = _read(one["path"], limit, identify and i == 0)
            first = first or image
            if (image.unit, image.values.shape) != (first.unit, first.values.shape):
                raise fault(one["path"], "its unit or colours differ from the other slices'", ALONE)
            values[i] = image.values
    matrix = geometry.affine(slices[0]["position"], step, slices[0]["orientation"], slices[0]["spacing"])
    return Image(
        values=values,
        unit=first.unit,
        spacing=(float(np.linalg.norm(step)), *slices[0]["spacing"]),
        modality=first.modality,
        affine=matrix,
        orientation=geometry.letters(matrix),
        frames=len(slices),
        windows=first.windows,
        voi=first.voi,
        header=first.header,
        identity=first.identity,
    )


@guarded
def series_order(folder, *, limit=LIMIT):
    """The paths of a series' slices in the order of `read_dicom_series`, which refuses the same folders."""
    with quiet():
        slices = _ordered(folder, limit)
        _step(folder, slices)
    return [one["path"] for one in slices]


def _ordered(folder, limit):
    """Where and how large the slices of a series are, from the feet to the head."""
    slices = [_facts(path, limit) for path in _files(folder)]
    _check_same(folder, slices)
    return sorted(slices, key=lambda one: one["depth"])


def _files(folder):
    if not Path(folder).is_dir():
        raise fault(folder, "there is no such folder", "name the folder that holds the slices")
    paths = sorted(p for p in Path(folder).iterdir() if not p.name.startswith(".") and p.name != "DICOMDIR")
    if not paths:
        raise fault(folder, "the folder has no files", "name the folder that holds the slices")
    if len(paths) > FILES:
        raise fault(folder, f"the folder has {len(paths):,} files, more than {FILES:,}", ALONE)
    return paths


def _facts(path, limit):
    """Where and how large a slice is, without its pixels."""
    with opened(path, limit) as (file, size):
        facts, _, _ = parse(path, file, size, limit, pixels=False)
    orientation = numbers(path, facts, "ImageOrientationPatient", 6)
    position = numbers(path, facts, "ImagePositionPatient", 3)
    spacing = numbers(path, facts, "PixelSpacing", 2)
    axes = geometry.directions(orientation) if orientation else None
    if axes is None or position is None or spacing is None or min(spacing) <= 0:
        what = "it has no usable position, orientation or pixel spacing, so it is no slice of a volume"
        raise fault(path, what, "read it alone with read_dicom, or take it out of the folder")
    sizes = [numbers(path, facts, keyword, 1) for keyword in ("Rows", "Columns", "NumberOfFrames")]
    if None in sizes[:2] or (sizes[2] or (1,)) != (1,):
        what = "it has no rows and columns" if None in sizes[:2] else "it has several frames already"
        raise fault(path, what, "read it alone with read_dicom, or take it out of the folder")
    return {
        "path": path,
        "series": str(small(path, facts, "SeriesInstanceUID", "")),
        "size": (int(sizes[0][0]), int(sizes[1][0])),
        "orientation": orientation,
        "spacing": spacing,
        "position": position,
        "depth": float(np.dot(position, axes[2])),
    }


def _check_same(folder, slices):
    """Refuse a folder whose slices do not belong together; the message names one file of each kind."""
    first = slices[0]
    for one in slices:
        pair = f"{first['path'].name!r} and {one['path'].name!r}"
        if one["series"] != first["series"]:
            raise fault(folder, f"the folder holds more than one series, e.g. {pair}", ALONE)
        if one["size"] != first["size"]:
            sizes = " and ".join(f"{s['size'][0]} × {s['size'][1]}" for s in (first, one))
            raise fault(folder, f"slices differ in size: {pair} have {sizes} pixels", ALONE)
        if not np.allclose(one["orientation"], first["orientation"], atol=1e-3):
            raise fault(folder, f"slices differ in orientation: {pair}", ALONE)
        if not np.allclose(one["spacing"], first["spacing"], rtol=1e-3):
            raise fault(folder, f"slices differ in pixel spacing: {pair}", ALONE)


def _step(folder, slices):
    """(3,) vector from slice to slice; slices are in order of depth."""
    if len(slices) == 1:
        raise fault(folder, "the folder holds one slice only", "read it with read_dicom")
    depths = np.array([s["depth"] for s in slices])
    gaps = np.diff(depths)
    at = int(np.argmin(gaps))
    pair = f"{slices[at]['path'].name!r} and {slices[at + 1]['path'].name!r}"
    if gaps[at] < geometry.LEAST:
        todo = "keep one of them; a series in time or with several echoes needs one folder for each volume"
        raise fault(folder, f"two slices lie at one position: {pair}", todo)
    usual = float(np.median(gaps))
    worst = int(np.argmax(np.abs(gaps - usual)))
    if abs(gaps[worst] - usual) > max(geometry.LEAST, geometry.TOLERANCE * usual):
        pair = f"{slices[worst]['path'].name!r} and {slices[worst + 1]['path'].name!r}"
        what = (
            f"a slice is missing or out of place: {gaps[worst]:g} mm between {pair}, {usual:g} mm elsewhere"
        )
        raise fault(folder, what, "get the whole series again")
    step = geometry.even_step([s["position"] for s in slices])
    if step is None:
        raise fault(folder, "the slices' positions are not on a line", "get the whole series again")
    return step


def _read(path, limit, identify):
    with opened(path, limit) as (file, size):
        facts, budget, identity = parse(path, file, size, limit, identify)
        return build(path, facts, budget, limit, identity)
