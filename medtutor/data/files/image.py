"""What a medical image file holds once it is read: values with unit, size in mm, place in the patient."""

from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np


def window(values, centre, width, function="LINEAR"):
    """Brightness from 0 (black) to 1 (white) of `values`, shown with a window of a centre and a width.

    values  array of any shape, e.g. in Hounsfield units
    ->      float32 of that shape, 0 to 1

    The formula is that of DICOM PS3.3 C.11.2.1.2, with c the centre, w the width, ymin = 0 and ymax = 1.
    LINEAR (C.11.2.1.2.1), w at least 1:

        if x <= c - 0.5 - (w-1)/2, then y = ymin
        else if x > c - 0.5 + (w-1)/2, then y = ymax
        else y = ((x - (c - 0.5)) / (w-1) + 0.5) * (ymax - ymin) + ymin

    LINEAR_EXACT (C.11.2.1.3.2), w above 0: the same with c for c - 0.5 and w for w - 1.
    SIGMOID (C.11.2.1.3.1), w above 0: y = (ymax - ymin) / (1 + exp(-4 (x - c) / w)) + ymin.
    """
    least = 1 if function == "LINEAR" else 0
    if not np.isfinite([centre, width]).all() or width < least or (least == 0 and width == 0):
        wanted = "at least 1" if least else "above 0"
        raise ValueError(f"centre {centre!r} and width {width!r}: both must be finite, the width {wanted}")
    x = np.asarray(values, dtype="float64")
    if function == "SIGMOID":
        from scipy.special import expit

        return expit(4 * (x - centre) / width).astype("float32")
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    elif function != "LINEAR_EXACT":
        raise ValueError(f"function is {function!r}; use 'LINEAR', 'LINEAR_EXACT' or 'SIGMOID'")
    with np.errstate(divide="ignore", invalid="ignore"):  # a width of 1 leaves no values between
        y = (x - centre) / width + 0.5
    y = np.where(x <= centre - width / 2, 0, np.where(x > centre + width / 2, 1, y))
    return np.clip(y, 0, 1).astype("float32")


@dataclass(frozen=True, eq=False)
class Image:
    """One image, stack of frames or volume, with what is needed to measure in it and without a name.

    values       float32, read-only: (rows, columns), (frames, rows, columns), for colour with a last axis of
                 red, green, blue; a NIfTI volume is (x, y, z) or (x, y, z, time) as stored
    unit         of the values: "HU" for a calibrated CT, "of 255" for colour, "a.u." where there is none
    spacing      mm between neighbours, for each axis of space in the order of `values`; None: unknown
    modality     "CT", "MR" …; "" where the format does not say
    affine       (4, 4): index along the three axes of space, and 1 -> mm; x grows to the patient's right, y
                 to the front, z upwards (RAS+, as in NIfTI); None: unknown
    orientation  where each axis of space points, e.g. "RAS"; "" if unknown
    frames       number of frames or slices
    step         seconds between the volumes of a time series, or None
    windows      (centre, width) as suggested by the file, for `window`
    header       further facts that identify nobody, read-only
    identity     empty unless the reader was told `identify=True`
    """

    values: np.ndarray
    unit: str = "a.u."
    spacing: tuple | None = None
    modality: str = ""
    affine: np.ndarray | None = None
    orientation: str = ""
    frames: int = 1
    step: float | None = None
    windows: tuple = ()
    header: dict = field(default_factory=dict)
    identity: dict = field(default_factory=dict)
    voi: "Lookup | None" = None

    def __post_init__(self):
        self.values.flags.writeable = False
        if self.affine is not None:
            self.affine.flags.writeable = False
        object.__setattr__(self, "header", MappingProxyType(dict(self.header)))
        object.__setattr__(self, "identity", MappingProxyType(dict(self.identity)))

    def display(self, centre=None, width=None):
        """Brightness for a screen, float32 from 0 (black) to 1 (white), of the shape of `values`.

        With the window that is given; else by the file's own table (VOI LUT) or its first window; else from
        the lowest value to the highest. Colours are divided by 255.
        """
        if self.unit == "of 255":
            return (self.values / 255).astype("float32")
        if centre is None and self.voi is not None:
            shown = self.voi(self.values)
        else:
            shown = self._windowed(centre, width)
        return 1 - shown if self.header.get("shown inverted") else shown

    def _windowed(self, centre, width):
        function = self.header.get("VOILUTFunction", "LINEAR")
        if (centre is None) != (width is None):
            raise ValueError("display needs both a centre and a width, or neither")
        if centre is None and self.windows:
            centre, width = self.windows[0]
        if centre is None:
            low, high = float(np.nanmin(self.values)), float(np.nanmax(self.values))
            centre, width, function = (low + high) / 2, max(high - low, 1e-30), "LINEAR_EXACT"
        return window(self.values, centre, width, function)

    def to_ras(self):
        """The same volume with its axes turned so that they point right, front and up as nearly as they can.

        Axes are swapped and flipped, values are never interpolated. Needs an affine.
        """
        from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

        if self.affine is None:
            raise ValueError(
                "this image has no affine, so nobody knows which way it points; to_ras needs one"
            )
        turn = io_orientation(self.affine)
        shape = self.values.shape[:3]
        return self._replaced(
            values=np.ascontiguousarray(apply_orientation(self.values, turn)),
            affine=self.affine @ inv_ornt_aff(turn, shape),
            orientation="RAS",
            spacing=tuple(self.spacing[int(axis)] for axis in np.argsort(turn[:, 0])),
        )

    def _replaced(self, **changes):
        from dataclasses import replace

        return replace(self, **changes)

    def __repr__(self):
        shape = " × ".join(map(str, self.values.shape))
        low, high = np.nanmin(self.values), np.nanmax(self.values)
        lines = [f"{self.modality or 'image'}: {shape} float32, {low:g} to {high:g} {self.unit}"]
        if self.spacing:
            lines.append("spacing   " + " × ".join(f"{mm:g}" for mm in self.spacing) + " mm")
        if self.step:
            lines.append(f"time      {self.step:g} s from volume to volume")
        if self.orientation:
            lines.append(f"points    {self.orientation}")
        lines += [f"{word:<9} {text}" for word, text in self.header.items()]
        lines.append("IDENTIFIED: `identity` names the patient" if self.identity else "identity  not read")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Lookup:
    """A table from stored or calibrated values to others: `table[x - first]`, its ends going on for ever.

    first  the value that the first entry is for
    table  (n,) float64
    """

    first: float
    table: np.ndarray

    def __call__(self, x):
        at = np.clip(np.rint(np.asarray(x, dtype="float64") - self.first), 0, len(self.table) - 1)
        return self.table[at.astype("int64")].astype("float32")
