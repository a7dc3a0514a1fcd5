"""What every DICOM file of this course shares: identifiers that follow from the content, marks, safe text.

Nothing here asks a clock or a random number, so that the same call gives the same bytes.
"""

import hashlib
import os
import re
import tempfile
import uuid
from decimal import ROUND_FLOOR, Context, Decimal
from io import BytesIO
from pathlib import Path

from medtutor.data.files.parse import header, parse, quiet, small
from medtutor.data.files.problem import LIMIT, fault, guarded, opened

NAMESPACE = uuid.UUID("6b1f6a0e-6a0b-5d0e-9c55-3d6d65647475")
NOT_FOR_DIAGNOSIS = "NOT FOR DIAGNOSTIC USE"
NOBODY = "Synthetic: there never was a patient"
UNICODE = "ISO_IR 192"
UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")  # PS3.5 section 9.1, at most 64 characters
LARGEST = 65_535  # rows or columns, an unsigned short
DIGITS = 9  # so that sign, digits and exponent fit the 16 characters of a decimal string, PS3.5 table 6.2-1


def uid(*what):
    """A DICOM identifier that follows from `what`: a UUID of version 5 below the root 2.25, PS3.5 B.2."""
    return f"2.25.{uuid.uuid5(NAMESPACE, chr(0).join(map(str, what))).int}"


def decimal(number, rounding=None):
    """`number` as a decimal string of at most 16 characters; `rounding` of the module `decimal`."""
    rounded = Context(prec=DIGITS, rounding=rounding).plus(Decimal(number)).normalize()
    text = str(rounded + 0)  # no negative zero
    return text if len(text) <= 16 else f"{rounded:.{DIGITS - 1}E}"


def below(number):
    """The decimal string just below a number, or equal to it."""
    return decimal(number, ROUND_FLOOR)


def line(name, value, most=64):
    """One line of text as a file may hold it, or a ValueError that says what is wrong with it."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or not text.isprintable() or "\\" in text or len(text) > most:
        wanted = f"one line of 1 to {most} printable characters without a backslash"
        raise ValueError(f"{name} is {_shown(value)}; use {wanted}")
    return text


def pseudonym(patient):
    """A pseudonym fit for a patient's name and ID: as `line`, without the signs that divide a DICOM name."""
    text = line("patient", patient, 48)
    if set(text) & set("^=*?"):
        raise ValueError(f"patient is {_shown(patient)}; use a pseudonym without ^, =, * and ?")
    return text


def count(name, value):
    """A number from 1, as an integer string holds it."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 1 <= value < 2**31:
        raise ValueError(f"{name} is {_shown(value)}; use a whole number from 1")
    return int(value)


def start(sop_class):
    """A Dataset with the type 2 elements of patient and study (PS3.3 C.7.1.1, C.7.2.1), all empty."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    dataset.SpecificCharacterSet = UNICODE
    dataset.SOPClassUID = sop_class
    for keyword in (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        *("StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID"),
    ):
        setattr(dataset, keyword, "")
    return dataset


def mark_synthetic(dataset, patient):
    """Say in every place that a reader or a program may look at that nobody was scanned."""
    dataset.SyntheticData = "YES"
    dataset.PatientName = f"SYNTHETIC^{patient}"
    dataset.PatientID = patient
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = NOBODY
    dataset.PatientComments = "SYNTHETIC: simulated by medtutor. There is no such patient."


def item(**elements):
    """An item of a sequence."""
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value, scheme, meaning):
    """A coded concept as a sequence of one item (PS3.3 8.8, Code Sequence Macro)."""
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def save(path, dataset):
    """Number the instance by its content and write it, whole or not at all; return the path."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(path.parent)!r} for {path.name!r}; make it first")
    dataset.SOPInstanceUID = uid("instance", hashlib.sha256(_encoded(dataset)).hexdigest())
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.ImplementationClassUID = uid("implementation")
    dataset.file_meta.ImplementationVersionName = "MEDTUTOR"
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=".dcm")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(file.getvalue())
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
    return path


def _encoded(dataset):
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, dataset)
    return file.getvalue()


def take_over(dataset, sources, patient=None):
    """Put patient and study of the `sources` into a file derived from them, and nothing that names anybody.

    sources  of `read_sources`
    patient  a pseudonym, needed where the sources are not marked as de-identified

    Of a source that is marked (PatientIdentityRemoved or SyntheticData YES) name and ID are kept, of any
    other neither. Dates, sex and all free text stay behind in either case.
    """
    first = sources[0]
    dataset.StudyInstanceUID = first["study"]
    if first["synthetic"]:
        mark_synthetic(dataset, first["id"])
    if patient is not None:
        dataset.PatientID = pseudonym(patient)
        dataset.PatientName = f"SYNTHETIC^{dataset.PatientID}" if first["synthetic"] else ""
    elif first["marked"]:
        dataset.PatientName, dataset.PatientID = first["name"], first["id"]
    else:
        what = "it is not marked as de-identified, so its patient's name and ID are not copied"
        raise fault(first["path"], what, "pass patient='…', a pseudonym; or de-identify the file first")
    if first["marked"] and not first["synthetic"]:
        dataset.PatientIdentityRemoved = "YES"
        dataset.DeidentificationMethod = "As marked in the source instances"


def read_sources(paths, limit=LIMIT):
    """The facts of one DICOM file or several of one study that a derived file refers to; FileProblem else."""
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not paths:
        raise ValueError("source is empty; name the DICOM file that the picture was made from, or several")
    sources = [_source(path, limit=limit) for path in paths]
    first = sources[0]
    for one in sources[1:]:
        pair = f"{first['path'].name!r} and {one['path'].name!r}"
        if one["instance"] == first["instance"]:
            raise fault(one["path"], f"it is named twice: {pair} are one image", "name each source once")
        if one["study"] != first["study"]:
            raise fault(one["path"], f"{pair} belong to different studies", "name sources of one study")
        if any(one[key] != first[key] for key in ("name", "id", "marked", "synthetic")):
            raise fault(
                one["path"], f"{pair} do not say the same of the patient", "name sources of one patient"
            )
    return sources


@guarded
def _source(path, *, limit):
    with opened(path, limit) as (file, size), quiet():
        facts, _, identity = parse(path, file, size, limit, identify=True, pixels=False)
        found = {
            "path": path,
            "class": small(path, facts, "SOPClassUID", ""),
            "series": small(path, facts, "SeriesInstanceUID", ""),
            "study": identity.get("StudyInstanceUID", ""),
            "instance": identity.get("SOPInstanceUID", ""),
            "frame": identity.get("FrameOfReferenceUID", ""),
        }
        if len(found["frame"]) > 64 or not UID.fullmatch(found["frame"]):
            found["frame"] = ""
        for key, name in (
            ("study", "StudyInstanceUID"),
            ("series", "SeriesInstanceUID"),
            ("instance", "SOPInstanceUID"),
            ("class", "SOPClassUID"),
        ):
            found[key] = str(found[key])
            if len(found[key]) > 64 or not UID.fullmatch(found[key]):
                what = f"its {name} is missing or no identifier, so nothing derived from it could refer to it"
                raise fault(path, what, "get the file again from its source")
        synthetic = small(path, facts, "SyntheticData") == "YES"
        found["synthetic"] = synthetic
        found["marked"] = synthetic or identity.get("PatientIdentityRemoved") == "YES"
        found["lossy"] = {k: v for k, v in header(path, facts).items() if k.startswith("Lossy")}
        for key, keyword in (("name", "PatientName"), ("id", "PatientID")):
            found[key] = identity.get(keyword, "").strip() if found["marked"] else ""
            several = found[key].startswith("[")  # how a list of values reads
            if several or not found[key].isprintable() or len(found[key]) > 64:
                raise fault(path, f"its {keyword} is no name or number of one patient", "correct it first")
    return found


def say_loss(dataset, sources):
    """Once lossy, always lossy: PS3.3 C.7.6.1.1.5."""
    lossy = [one["lossy"] for one in sources if one["lossy"].get("LossyImageCompression") == "01"]
    for keyword, value in (lossy or [{"LossyImageCompression": "00"}])[0].items():
        setattr(dataset, keyword, list(value) if isinstance(value, tuple) else value)


def references(sources):
    """SourceImageSequence (PS3.3 C.12.4, General Reference): each image that the pixels come from."""
    purpose = ("121322", "DCM", "Source image for image processing operation")
    return [
        item(
            ReferencedSOPClassUID=one["class"],
            ReferencedSOPInstanceUID=one["instance"],
            PurposeOfReferenceCodeSequence=code(*purpose),
        )
        for one in sources
    ]


def series_references(sources):
    """ReferencedSeriesSequence (PS3.3 C.12.2, Common Instance Reference): the sources by their series."""
    found = {}
    for one in sources:
        instance = item(ReferencedSOPClassUID=one["class"], ReferencedSOPInstanceUID=one["instance"])
        found.setdefault(one["series"], []).append(instance)
    return [
        item(SeriesInstanceUID=series, ReferencedInstanceSequence=instances)
        for series, instances in found.items()
    ]


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
