"""The elements of a DICOM file that an image needs, taken out under limits; all others are dropped unread."""

import logging
import math
import re
import warnings
import zlib
from contextlib import contextmanager
from io import BytesIO

from medtutor.data.files.problem import LIMIT, fault, looks_like, megabytes

READS = 40_000  # reads that a file may take, one to three for each element: half a second of work …
FOR_EACH = (
    1000  # … and one more for so many bytes of it; a frame of an enhanced image has 30,000 and needs 100
)
SHORT = 2**16  # bytes, of any element but tables and pixels
TABLE = 2**18  # bytes, of a lookup table

PIXELS = (
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
TABLES = tuple(
    f"{segmented}{colour}PaletteColorLookupTableData"
    for segmented in ("", "Segmented")
    for colour in ("Red", "Green", "Blue")
)
SEQUENCES = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ModalityLUTSequence",
    "VOILUTSequence",
)
USED = (  # what the pixels' meaning depends on
    *PIXELS,
    *TABLES,
    *SEQUENCES,
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *"SpecificCharacterSet SOPClassUID SeriesInstanceUID Rows Columns NumberOfFrames SamplesPerPixel".split(),
    *"PhotometricInterpretation PlanarConfiguration BitsAllocated BitsStored HighBit".split(),
    *"PixelRepresentation RescaleSlope RescaleIntercept RescaleType Modality Units".split(),
    *"WindowCenter WindowWidth VOILUTFunction".split(),
    *"DoseGridScaling DoseUnits PixelSpacing ImagePositionPatient ImageOrientationPatient".split(),
    *"GridFrameOffsetVector SliceThickness SpacingBetweenSlices BurnedInAnnotation".split(),
)
HEADER = (
    # Facts that identify nobody: numbers and code strings that the basic profile of PS3.15 table E.1-1 keeps.
    # Free text (descriptions, protocol, station, manufacturer's model …) is never among them.
    *"ImageType BodyPartExamined Laterality ImageLaterality PatientPosition ViewPosition".split(),
    *"SliceThickness SpacingBetweenSlices ImagerPixelSpacing PixelAspectRatio PixelPaddingValue".split(),
    *"KVP Exposure ExposureTime XRayTubeCurrent DistanceSourceToDetector DistanceSourceToPatient".split(),
    *"GantryDetectorTilt ScanningSequence SequenceVariant MRAcquisitionType EchoTime RepetitionTime".split(),
    *"InversionTime FlipAngle EchoNumbers EchoTrainLength MagneticFieldStrength ImagingFrequency".split(),
    *"NumberOfAverages FrameTime CineRate LossyImageCompression LossyImageCompressionRatio".split(),
    "LossyImageCompressionMethod",
    *"VOILUTFunction BurnedInAnnotation RecognizableVisualFeatures SyntheticData".split(),
)
CODE = re.compile(r"[A-Z0-9_ ]{1,16}")  # value representation CS, PS3.5 table 6.2-1
BINARY = ("SQ", "OB", "OW", "OD", "OF", "OL", "OV", "UN", "OB or OW", "US or OW")
DAMAGED = "get it again from its source"
OPEN = 2**32 - 1  # the length of an element that ends with a delimiter
DEFLATED = "1.2.840.10008.1.2.1.99"


class Budget:
    """How often a file may still be read: so that a million empty elements do not take minutes."""

    def __init__(self, path, size, limit):
        self.path, self.left = path, int((READS + size / FOR_EACH) * max(1, limit / LIMIT))

    def spend(self):
        self.left -= 1
        if self.left < 0:
            what = "it has more elements than images of its size need"
            raise fault(self.path, what, "it is damaged or hostile; if you trust it, pass a larger `limit`")


class Bounded:
    """A file that never reads, nor makes room for, more than it has; each read is taken from a budget."""

    def __init__(self, file, size, budget):
        self.file, self.size, self.budget = file, size, budget
        self.seek, self.tell = file.seek, file.tell

    def read(self, count=-1):
        self.budget.spend()
        rest = max(self.size - self.file.tell(), 0)
        return self.file.read(rest if count < 0 else min(count, rest))


@contextmanager
def quiet():
    """Silence pydicom while it reads: its warnings and log lines quote the file."""
    from pydicom import config

    log = logging.getLogger("pydicom")
    level = log.level
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            log.setLevel(level)


def parse(path, file, size, limit, identify=False, pixels=True):
    """(facts, budget, identity): a Dataset of the elements in USED and HEADER, and what else was text.

    `facts.file_meta` holds the transfer syntax alone. Sequences are still unread, `items` reads them.
    """
    check_magic(path, file)
    budget = Budget(path, size, limit)
    whole = _dataset(path, Bounded(file, size, budget), limit, pixels)
    facts = _kept(path, whole)
    return facts, budget, _identity(whole) if identify else {}


def check_magic(path, file):
    """Refuse a file without "DICM" at byte 128."""
    beginning = file.read(132)
    if beginning[128:] != b"DICM":
        what = f'not a DICOM file: no "DICM" at byte 128{looks_like(beginning)}'
        raise fault(path, what, "name a DICOM file, or convert it first")


def items(dataset, keyword, budget):
    """The items of a sequence as a list of Datasets, [] if it is not there; read under the file's budget."""
    from pydicom.dataelem import RawDataElement
    from pydicom.filereader import read_sequence

    if keyword not in dataset:
        return []
    element = dataset.get_item(keyword)
    if not isinstance(element, RawDataElement):
        return list(element.value or [])
    data = element.value or b""
    file = Bounded(BytesIO(data), len(data), budget)
    return list(
        read_sequence(file, element.is_implicit_VR, element.is_little_endian, len(data), "iso8859")
        if data
        else []
    )


def small(path, dataset, keyword, default=None):
    """The value of a short element, `default` where it is empty; a long one is refused unconverted."""
    if keyword not in dataset:
        return default
    data = getattr(dataset.get_item(keyword), "value", None)
    if isinstance(data, bytes) and len(data) > (TABLE if keyword.endswith("LookupTableData") else SHORT):
        what = f"its element {keyword} has {megabytes(len(data))}"
        raise fault(path, what, "it is damaged or hostile; get it again from its source")
    value = dataset[keyword].value
    return default if value is None or value == "" or value == [] else value


def numbers(path, dataset, keyword, count=None):
    """The value of an element as a tuple of finite floats, None where absent; FileProblem else."""
    value = small(path, dataset, keyword)
    if value is None:
        return None
    values = value if hasattr(value, "__len__") and not isinstance(value, str | bytes) else [value]
    try:
        values = tuple(float(v) for v in values)
        right = all(v - v == 0 for v in values) and count in (None, len(values))
    except (TypeError, ValueError):
        right = False
    if not right:
        wanted = f"{count or 'finite'} number{'s' * (count != 1)}"
        raise fault(path, f"its {keyword} is not {wanted}", "the header is damaged; get the file again")
    return values


def code(path, dataset, keyword, default=""):
    """A code string such as "CT"; `default` where there is none or where it is not one."""
    value = small(path, dataset, keyword, default)
    return value if isinstance(value, str) and CODE.fullmatch(value) else default


def header(path, facts):
    """The entries of HEADER that this file has, as numbers, words and tuples of them."""
    found = {}
    for keyword in HEADER:
        value = _harmless(small(path, facts, keyword))
        if value is not None:
            found[keyword] = value
    return found


def _dataset(path, file, limit, pixels):
    """All elements, mostly unconverted, with the transfer syntax checked first."""
    from pydicom import dcmread
    from pydicom.filereader import read_dataset
    from pydicom.uid import ExplicitVRLittleEndian

    file.seek(132)
    meta = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    if str(meta.get("TransferSyntaxUID", "")) != DEFLATED:
        file.seek(0)
        return dcmread(file, stop_before_pixels=not pixels)
    data = _inflated(path, file.read(), limit)
    whole = read_dataset(Bounded(BytesIO(data), len(data), file.budget), False, True)
    whole.file_meta = meta
    whole.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return whole


def _inflated(path, data, limit):
    """The data of the deflated transfer syntax, never more than `limit`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    out = inflater.decompress(data, limit)
    if inflater.unconsumed_tail or (not inflater.eof and len(out) == limit):
        what = (
            f"its compressed data set ({megabytes(len(data))}) grows beyond the limit of {megabytes(limit)}"
        )
        raise fault(path, what, "if the file is right, pass a larger `limit`")
    if not inflater.eof:
        raise fault(path, "its compressed data set is truncated", "get it again from its source")
    return out


def _kept(path, whole):
    """A new Dataset of the elements that are used; the patient's are not among them."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.tag import Tag

    wanted = {Tag(keyword) for keyword in (*USED, *HEADER)}
    facts = Dataset({element.tag: element for element in whole.elements() if element.tag in wanted})
    for element in facts.elements():
        if len(getattr(element, "value", None) or b"") < (getattr(element, "length", None) or 0) < OPEN:
            raise fault(path, "it is truncated: an element is longer than the rest of the file", DAMAGED)
    implicit, little = whole.original_encoding
    facts.set_original_encoding(implicit, little, "iso8859")
    facts.file_meta = FileMetaDataset()
    syntax = whole.file_meta.get("TransferSyntaxUID")
    if not syntax:
        raise fault(path, "it does not say its transfer syntax (0002,0010)", "get it again from its source")
    facts.file_meta.TransferSyntaxUID = syntax
    return facts


def _identity(whole):
    """Every other element of text, number or date at the top level, by keyword, characters decoded."""
    found = {}
    for element in list(whole.elements()):
        if element.tag.is_private or len(getattr(element, "value", None) or b"") > SHORT:
            continue
        element = whole[element.tag]
        if element.keyword and element.keyword not in HEADER and element.VR not in BINARY:
            found[element.keyword] = str(element.value)
    return found


def _harmless(value):
    """A number, a code string, or a tuple of them; None for anything else."""
    if isinstance(value, str):
        return value if CODE.fullmatch(value) else None
    if hasattr(value, "__iter__") and not isinstance(value, str | bytes):
        parts = tuple(_harmless(part) for part in list(value)[:16])
        return None if None in parts else parts
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number
