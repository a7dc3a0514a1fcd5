"""A generated slice as a DICOM file that any viewer opens and nobody takes for a patient."""

from decimal import Decimal

import numpy as np

from medtutor.data.files import compose

MR_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
TIMES = {"TR": "RepetitionTime", "TE": "EchoTime", "TI": "InversionTime"}
TOP = 65_535  # of 16 bits


def write_dicom_slice(
    path,
    values,
    *,
    spacing,
    patient,
    contrast,
    level=0.0,
    number=1,
    bounds=None,
    times=None,
    drawn_by=None,
):
    """Write one generated MR slice as a DICOM MR image that says it is synthetic; return the path.

    values    (rows, columns) real and finite, any unit, e.g. `mr.x[0, ..., 1]`; row 0 to the front, column 0
              on the patient's right, as `load_mr` has it
    spacing   mm between slices, rows, columns, as in `mr.extra["spacing"]`; the first is the thickness too
    patient   a pseudonym: with it go study and frame of reference, so that a patient's slices fit together
    contrast  e.g. "FLAIR": with patient and contrast goes the series
    level     mm above the middle, as in `mr.extra["level"]`
    number    of the slice in its series, from 1
    bounds    (lowest, highest) that 0 and 65535 stand for, e.g. `mr.bounds`, for one brightness over all
              slices; None: 0 or the lowest value, and the highest
    times     {"TR": ms, "TE": ms, "TI": ms} of the simulated sequence, or None
    drawn_by  name of the generative network that drew the slice; None: it was simulated

    `read_dicom` gives the values back within half a step of (highest - lowest) / 65535, by RescaleSlope and
    RescaleIntercept. (PS3.3 table A.4-1 gives an MR image no rescale; as in many scanners' files, this makes
    it a standard extended class in the sense of PS3.2.) ImageType is DERIVED, SECONDARY: the values are
    computed from another image, the average brain, and no examination gave them (PS3.3 C.7.6.1.1.2).
    That nobody was scanned is said by SyntheticData, PatientName, PatientIdentityRemoved,
    DeidentificationMethod, PatientComments, ImageComments, SeriesDescription and Manufacturer. Dates are left
    empty, identifiers follow from the content: the same call writes the same bytes.

    Raises ValueError for what cannot be such a slice. Write nothing with it that was measured on a person.
    """
    patient, contrast = compose.pseudonym(patient), compose.line("contrast", contrast, 32)
    values = _checked(values)
    stored, slope, intercept = _stored(values, *_bounds(values, bounds))
    between, down, across = _spacing(spacing)
    dataset = compose.start(MR_IMAGE_STORAGE)
    compose.mark_synthetic(dataset, patient)
    how = (
        "simulated" if drawn_by is None else f"drawn by the network {compose.line('drawn_by', drawn_by, 32)}"
    )
    dataset.ImageComments = f"SYNTHETIC: {how}. Nobody was scanned. {compose.NOT_FOR_DIAGNOSIS}"
    _series(dataset, patient, contrast, compose.count("number", number))
    if drawn_by is not None:
        _drawn(dataset, drawn_by)
    _sequence(dataset, times or {})
    _place(dataset, values.shape, _level(level), between, down, across)
    _pixels(dataset, stored, slope, intercept)
    return compose.save(path, dataset)


def _checked(values):
    values = np.asarray(values)
    if values.ndim != 2 or 0 in values.shape or max(values.shape) > compose.LARGEST:
        raise ValueError(f"values has shape {values.shape}; a slice is (rows, columns), e.g. x[0, ..., 0]")
    if values.dtype.kind not in "iuf":
        raise ValueError(f"values is {values.dtype}; a slice holds integers or floats")
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ValueError(f"values has {bad} NaN or infinite pixels; a file of 16 bits has no place for them")
    return values.astype("float64")


def _bounds(values, bounds):
    lowest, highest = float(values.min()), float(values.max())
    low, high = (min(0.0, lowest), highest) if bounds is None else map(float, bounds)
    if not (low <= lowest and highest <= high < 1e30 and low > -1e30):
        raise ValueError(
            f"values go from {lowest:g} to {highest:g}, bounds from {low:g} to {high:g}; widen bounds"
        )
    return low, high


def _stored(values, low, high):
    """(uint16, slope, intercept): stored * slope + intercept is within slope / 2; the last two as text."""
    intercept = compose.below(low)
    step = (Decimal(high) - Decimal(intercept)) / TOP
    slope = compose.decimal(step) if step else "1"
    stored = np.rint((values - float(intercept)) / float(slope))
    return stored.clip(0, TOP).astype("<u2"), slope, intercept


def _spacing(spacing):
    numbers = [float(mm) for mm in np.ravel(spacing)] if np.ndim(spacing) == 1 else []
    if len(numbers) != 3 or not all(0 < mm < 1e6 for mm in numbers):
        raise ValueError(f"spacing is {spacing!r}; give mm between slices, rows and columns, each above 0")
    return numbers


def _level(level):
    if not np.isscalar(level) and np.ndim(level) or not -1e6 < float(level) < 1e6:
        raise ValueError(f"level is {level!r}; give the slice's height in mm")
    return float(level)


def _series(dataset, patient, contrast, number):
    """General Study, Series, Equipment and Image: PS3.3 C.7.2.1, C.7.3.1, C.7.5.1, C.7.6.1."""
    dataset.StudyInstanceUID = compose.uid("study", patient)
    dataset.SeriesInstanceUID = compose.uid("series", patient, contrast)
    dataset.Modality = "MR"
    dataset.SeriesNumber = ""
    dataset.SeriesDescription = f"SYNTHETIC {contrast}"
    dataset.BodyPartExamined = "BRAIN"
    dataset.PatientPosition = "HFS"
    dataset.Manufacturer = "medtutor (simulated)"
    dataset.InstanceNumber = number
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.DerivationDescription = "Simulated from an average brain by signal equations"
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"


def _drawn(dataset, network):
    """No signal equation made this slice: say which network did, wherever a simulation would be named."""
    dataset.SeriesDescription = f"SYNTHETIC, drawn: {dataset.SeriesDescription.removeprefix('SYNTHETIC ')}"
    dataset.Manufacturer = "medtutor (drawn by a network)"
    dataset.ManufacturerModelName = network
    dataset.DerivationDescription = f"Drawn from random numbers by the generative network {network}"
    dataset.PatientComments = "SYNTHETIC: drawn by a network. There is no such patient."


def _sequence(dataset, times):
    """MR Image: PS3.3 C.8.3.1. Without `times` the sequence is RM, research mode."""
    if set(times) - set(TIMES) or (times and not {"TR", "TE"} <= set(times)):
        raise ValueError(f"times has {sorted(times)}; give TR and TE, for inversion recovery also TI, in ms")
    if not all(0 < float(ms) < 1e6 for ms in times.values()):
        raise ValueError(f"times is {times!r}; each is in ms and above 0")
    dataset.ScanningSequence = (["SE", "IR"] if "TI" in times else "SE") if times else "RM"
    dataset.SequenceVariant = "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.EchoTrainLength = 1 if times else ""
    dataset.RepetitionTime = dataset.EchoTime = ""
    for name, ms in times.items():
        setattr(dataset, TIMES[name], compose.decimal(float(ms)))


def _place(dataset, shape, level, between, down, across):
    """Frame of Reference, Image Plane: PS3.3 C.7.4.1, C.7.6.2. The field of view lies around the middle."""
    dataset.FrameOfReferenceUID = compose.uid("frame of reference", dataset.PatientID)
    dataset.PositionReferenceIndicator = ""
    dataset.PixelSpacing = [compose.decimal(down), compose.decimal(across)]
    dataset.SliceThickness = dataset.SpacingBetweenSlices = compose.decimal(between)
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]  # columns run to the left, rows to the back
    corner = (-(shape[1] - 1) / 2 * across, -(shape[0] - 1) / 2 * down, level)
    dataset.ImagePositionPatient = [compose.decimal(mm) for mm in corner]


def _pixels(dataset, stored, slope, intercept):
    """Image Pixel and VOI LUT: PS3.3 C.7.6.3, C.11.2; with a rescale as in C.11.1."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = slope, intercept, "US"
    low, wide = float(intercept), TOP * float(slope)
    dataset.WindowCenter, dataset.WindowWidth = compose.decimal(low + wide / 2), compose.decimal(wide)
    dataset.VOILUTFunction = "LINEAR_EXACT"
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
