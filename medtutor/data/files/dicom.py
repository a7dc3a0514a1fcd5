"""One DICOM file as an Image: calibrated values, size in mm, and nothing that names the patient."""

import warnings

import numpy as np

from medtutor.data.files import geometry
from medtutor.data.files.image import Image
from medtutor.data.files.parse import code, header, items, numbers, parse, quiet, small
from medtutor.data.files.pixels import Layout, check, frames, modality, palette, table
from medtutor.data.files.problem import LIMIT, fault, guarded, opened


@guarded
def read_dicom(path, *, identify=False, limit=LIMIT):
    """The image in a DICOM file as an `Image`, de-identified.

    values  (rows, columns), or (frames, rows, columns), float32: Hounsfield units for a CT with a rescale,
            becquerel per ml for a calibrated PET, gray for a dose, 0 to 255 for colours, "a.u." for all else
    limit   most bytes that the file, and its values as float32, may have

    MONOCHROME1, where the lowest value is meant to be white, is inverted within the range of the stored bits
    if its values have no unit, and its windows with it. Calibrated values stay, and `display` inverts.
    PALETTE COLOR, YBR_FULL, YBR_FULL_422, YBR_ICT and YBR_RCT become red, green and blue.
    Spacing is PixelSpacing; ImagerPixelSpacing, measured at the detector, is in the header alone.

    The patient's name, ids, dates, UIDs, institution, people and all free text stay in the file: `header` has
    only numbers and code strings from a short list, none of which the basic profile of DICOM PS3.15 annex E
    removes. `identify=True` is the one way to get the rest, in `identity`. Text burned into the pixels is not
    looked for: the header repeats what the file says about it, and a warning is given where it says YES.

    Compressed pixels are decoded by what is installed beside pydicom. Raises FileProblem.
    """
    with opened(path, limit) as (file, size), quiet():
        facts, budget, identity = parse(path, file, size, limit, identify)
        image = build(path, facts, budget, limit, identity)
    if image.header["BurnedInAnnotation"] == "YES":
        warnings.warn(
            "this file says that text is burned into its pixels (BurnedInAnnotation YES); it may name the "
            "patient, and nothing here removes it",
            stacklevel=3,
        )
    return image


def build(path, facts, budget, limit, identity=()):
    """The Image of parsed `facts`."""
    layout = Layout(path, facts)
    check(path, facts, layout, limit)
    groups = Groups(facts, budget, layout.frames)
    if layout.colour:
        values, unit, inverted, mirror = _colours(path, facts, layout), "of 255", False, None
    else:
        values, unit, inverted, mirror = _greys(path, facts, layout, groups, budget)
    if not np.isfinite(values).all() and layout.keyword == "PixelData":
        raise fault(
            path, "its rescale gives values beyond all numbers", "the header is damaged; get it again"
        )
    place = _place(path, facts, layout, groups)
    windows, voi = _windows(path, facts, groups, layout, budget, mirror)
    return Image(
        values=values[0] if layout.frames == 1 else values,
        unit=unit,
        modality=code(path, facts, "Modality"),
        frames=layout.frames,
        windows=windows,
        voi=voi,
        header=_header(path, facts, layout, inverted, mirror),
        identity=dict(identity),
        **place,
    )


class Groups:
    """The functional groups of an enhanced multi-frame image (PS3.3 C.7.6.16), empty for all others."""

    def __init__(self, facts, budget, count):
        self.budget, self.read = budget, {}
        self.shared = items(facts, "SharedFunctionalGroupsSequence", budget)[:1]
        self.each = items(facts, "PerFrameFunctionalGroupsSequence", budget)[:count]

    def first(self, keyword, i):
        """The first item of the sequence `keyword` for frame i, or for all frames; None if there is none."""
        for key, group in ((i, self.each[i : i + 1]), ("shared", self.shared)):
            if group and (key, keyword) not in self.read:
                self.read[key, keyword] = items(group[0], keyword, self.budget)[:1]
            if found := self.read.get((key, keyword)):
                return found[0]
        return None

    def numbers(self, path, facts, sequence, keyword, count, frames):
        """The numbers of each frame as a list, falling back to the top level; None where a frame has none."""
        top = numbers(path, facts, keyword, count)
        if not (self.each or self.shared):
            return [top] * frames
        found = [self.first(sequence, i) for i in range(frames)]
        return [top if item is None else numbers(path, item, keyword, count) for item in found]


def _greys(path, facts, layout, groups, budget):
    transforms, unit = modality(path, facts, layout, groups, budget)
    values = np.empty((layout.frames, layout.rows, layout.columns), dtype="float32")
    inverted = layout.photometric == "MONOCHROME1"
    mirror = None
    for i, frame in enumerate(frames(path, facts, layout)):
        rescaled = transforms[i](frame)
        if inverted and unit == "a.u.":
            mirror = _mirror(transforms[i], layout)
            rescaled = mirror - rescaled
        values[i] = rescaled
    return values, unit, inverted, mirror


def _mirror(transform, layout):
    """Lowest plus highest possible value: `mirror - x` runs the other way over the same range."""
    if layout.keyword != "PixelData":
        return 0.0
    return float(np.sum(transform(np.array(layout.range, dtype="float64")), dtype="float64"))


def _colours(path, facts, layout):
    values = np.empty((layout.frames, layout.rows, layout.columns, 3), dtype="float32")
    tables = palette(path, facts) if layout.photometric == "PALETTE COLOR" else None
    for i, frame in enumerate(frames(path, facts, layout)):
        if tables:
            for c, lookup in enumerate(tables):
                values[i, ..., c] = lookup(frame)
        else:
            values[i] = frame * (255 / (2**layout.stored - 1)) if layout.stored != 8 else frame
    return values


def _place(path, facts, layout, groups):
    """Spacing, affine and orientation as far as all frames agree on them."""
    n = layout.frames
    spacings = groups.numbers(path, facts, "PixelMeasuresSequence", "PixelSpacing", 2, n)
    spacing = spacings[0] if len(set(spacings)) == 1 else None
    if spacing is None:
        return {}
    if min(spacing) <= 0:
        raise fault(path, "its PixelSpacing is not above 0 mm", "the header is damaged; get it again")
    flat = {"spacing": spacing}
    orientations = groups.numbers(path, facts, "PlaneOrientationSequence", "ImageOrientationPatient", 6, n)
    positions = _positions(path, facts, groups, orientations[0], n)
    if n == 1 or len(set(orientations)) != 1 or None in positions or None in orientations:
        return flat
    step = geometry.even_step(positions) if geometry.directions(orientations[0]) else None
    if step is None:
        return flat
    matrix = geometry.affine(positions[0], step, orientations[0], spacing)
    if abs(np.linalg.det(matrix)) < 1e-9:
        return flat
    between = float(np.linalg.norm(matrix[:3, 0]))
    return {"spacing": (between, *spacing), "affine": matrix, "orientation": geometry.letters(matrix)}


def _positions(path, facts, groups, orientation, n):
    """Position of each frame; a dose grid gives offsets along the normal instead (PS3.3 C.8.8.3.2)."""
    positions = groups.numbers(path, facts, "PlanePositionSequence", "ImagePositionPatient", 3, n)
    offsets = numbers(path, facts, "GridFrameOffsetVector")
    if offsets is None or len(offsets) != n or None in (positions[0], orientation):
        return positions
    axes = geometry.directions(orientation)
    if axes is None:
        return positions
    return [tuple(np.array(positions[0]) + (offset - offsets[0]) * axes[2]) for offset in offsets]


def _windows(path, facts, groups, layout, budget, mirror):
    """((centre, width), …) and the VOI table, turned round with the values where those are inverted."""
    item = groups.first("FrameVOILUTSequence", 0)
    source = facts if item is None else item
    centres, widths = (numbers(path, source, f"Window{name}") or () for name in ("Center", "Width"))
    least = 1 if code(path, facts, "VOILUTFunction", "LINEAR") == "LINEAR" else 1e-30
    pairs = tuple(pair for pair in zip(centres, widths, strict=False) if pair[1] >= least)
    tables = items(source, "VOILUTSequence", budget) if not layout.colour else []
    voi = table(path, tables[0], layout.signed, as_fraction=True) if tables else None
    if mirror is None:
        return pairs, voi
    shift = 1 if code(path, source, "VOILUTFunction", "LINEAR") == "LINEAR" else 0
    pairs = tuple((mirror - centre + shift, width) for centre, width in pairs)
    return pairs, voi and type(voi)(mirror - voi.first - len(voi.table) + 1, 1 - voi.table[::-1])


def _header(path, facts, layout, inverted, mirror):
    found = header(path, facts)
    kind = small(path, facts, "SOPClassUID", "")
    if kind and getattr(kind, "name", kind) != kind:
        found = {"kind": kind.name, **found}
    found["photometric"] = layout.photometric
    if inverted:
        if mirror is None:
            found["shown inverted"] = "MONOCHROME1: the highest value is shown black"
        else:
            found["inverted"] = (
                f"MONOCHROME1: values are {mirror:g} minus the stored ones, so that high is bright"
            )
    found["transfer syntax"] = layout.syntax.name
    found.setdefault("BurnedInAnnotation", "not stated")
    found["pixels"] = "not searched for burned-in text"
    return found
