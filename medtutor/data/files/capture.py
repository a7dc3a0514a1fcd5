"""A picture that a model gave, put beside the images that it came from: DICOM Secondary Capture."""

import numpy as np

from medtutor.data.files import compose

SECONDARY_CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"


def write_secondary_capture(
    path, picture, source, *, model, version, description, burned_in, patient=None, number=1
):
    """Write a colour picture, such as a heat map, as a DICOM Secondary Capture of its source; -> the path.

    picture      (rows, columns, 3) red, green, blue: uint8, or floats from 0 to 1; or a medtutor.plot picture
    source       the DICOM file that it was computed from, or several of one study (two contrasts, a series)
    model, version   what computed it; they are named in DerivationDescription
    description  one line: what the colours mean
    burned_in    True where text is drawn into the pixels: the file then says so, and readers warn
    patient      a pseudonym; needed where the source is not marked as de-identified
    number       of the picture in its series, from 1

    It has the source's StudyInstanceUID, so that it is filed beside it, a new SeriesInstanceUID and
    SOPInstanceUID, Modality OT, so that no program takes it for an MR image, and SourceImageSequence, which
    names the source. "NOT FOR DIAGNOSTIC USE" stands in SeriesDescription and ImageComments.

    Nothing that names a patient comes over: name and ID only from a source that says that its identity was
    removed or that it is synthetic. The source's UIDs do come over, for they are the link; where they must
    not leave the house either, de-identify the source first. Dates stay behind.

    Pixels are kept exactly and are not compressed; LossyImageCompression is 01 where a source says it was.
    The same call writes the same bytes. Raises ValueError for a picture or text that does not fit,
    FileProblem for a source that cannot be referred to.
    Source: PS3.3 A.8.1 (modules), C.8.6 (secondary capture), C.12.4 (references).
    """
    pixels = _checked(picture)
    model, version = compose.line("model", model), compose.line("version", version)
    description = compose.line("description", description, 400)
    if burned_in not in (True, False):
        raise ValueError(f"burned_in is {burned_in!r}; say True if text is drawn into the pixels, else False")
    number = compose.count("number", number)
    if patient is not None:
        patient = compose.pseudonym(patient)
    sources = compose.read_sources(source)
    dataset = compose.start(SECONDARY_CAPTURE_STORAGE)
    compose.take_over(dataset, sources, patient)
    _series(dataset, model, version, number)
    _image(dataset, sources, description, f"by {model}, version {version}", burned_in)
    _pixels(dataset, pixels)
    return compose.save(path, dataset)


def _checked(picture):
    """The picture as uint8."""
    picture = _decoded(picture.png) if hasattr(picture, "png") else np.asarray(picture)
    if (
        picture.ndim != 3
        or picture.shape[2] != 3
        or 0 in picture.shape
        or max(picture.shape) > compose.LARGEST
    ):
        raise ValueError(f"picture has shape {picture.shape}; use (rows, columns, 3): red, green and blue")
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype.kind != "f":
        raise ValueError(f"picture is {picture.dtype}; use uint8 from 0 to 255, or floats from 0 to 1")
    low, high = float(picture.min()), float(picture.max())
    if not (0 <= low and high <= 1):  # NaN is neither
        raise ValueError(f"picture goes from {low:g} to {high:g}; floats must be finite and from 0 to 1")
    return np.rint(picture.astype("float64") * 255).astype(np.uint8)


def _decoded(png):
    """A PNG as (rows, columns, 3) uint8, laid on white where it is transparent."""
    from io import BytesIO

    from matplotlib.image import imread

    values = imread(BytesIO(png), format="png")
    colour, alpha = values[..., :3], values[..., 3:] if values.shape[2] == 4 else 1
    return np.rint((colour * alpha + 1 - alpha) * 255).astype(np.uint8)


def _series(dataset, model, version, number):
    """General Series and SC Equipment: PS3.3 C.7.3.1, C.8.6.1."""
    dataset.SeriesInstanceUID = compose.uid("capture", dataset.StudyInstanceUID, model, version)
    dataset.Modality = "OT"
    dataset.SeriesNumber = ""
    dataset.SeriesDescription = compose.NOT_FOR_DIAGNOSIS
    dataset.InstanceNumber = number
    dataset.ConversionType = "WSD"  # a workstation's picture; SYN would be read as synthetic data
    dataset.SecondaryCaptureDeviceManufacturer = "medtutor"
    dataset.SecondaryCaptureDeviceManufacturerModelName = model
    dataset.SecondaryCaptureDeviceSoftwareVersions = version


def _image(dataset, sources, description, author, burned_in):
    """General Image, General Reference, Common Instance Reference: PS3.3 C.7.6.1, C.12.4, C.12.2."""
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.DerivationDescription = f"{description}, {author}"
    dataset.SourceImageSequence = compose.references(sources)
    dataset.ReferencedSeriesSequence = compose.series_references(sources)
    simulated = "SYNTHETIC: nobody was scanned. " if sources[0]["synthetic"] else ""
    dataset.ImageComments = f"{compose.NOT_FOR_DIAGNOSIS}. {simulated}{description}"
    dataset.PatientOrientation = dataset.Laterality = ""
    dataset.BurnedInAnnotation = "YES" if burned_in else "NO"
    compose.say_loss(dataset, sources)


def _pixels(dataset, pixels):
    """Image Pixel: PS3.3 C.7.6.3."""
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB"
