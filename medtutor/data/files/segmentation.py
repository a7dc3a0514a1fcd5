"""A mask over a DICOM series as a DICOM Segmentation: one segment a class, in the series' own place."""

from datetime import datetime

import numpy as np

from medtutor.data.files import compose
from medtutor.data.files.parse import numbers, parse, quiet
from medtutor.data.files.problem import LIMIT, fault, guarded, opened
from medtutor.data.files.series import series_order

# What a segment is: category (PS3.16 CID 7150) and type (CID 7151), in SNOMED CT
ABNORMAL = ("49755003", "SCT", "Morphologically Abnormal Structure")
ANATOMY = ("91723000", "SCT", "Anatomical Structure")
TISSUE = ("85756007", "SCT", "Tissue")
SUBSTANCE = ("91720002", "SCT", "Body Substance")
SEGMENTS = {
    "lesion": (ABNORMAL, ("52988006", "SCT", "Lesion")),
    "tumour": (ABNORMAL, ("108369006", "SCT", "Neoplasm")),
    "oedema": (ABNORMAL, ("79654002", "SCT", "Edema")),
    "necrosis": (ABNORMAL, ("6574001", "SCT", "Necrosis")),
    "CSF": (SUBSTANCE, ("65216001", "SCT", "Cerebrospinal Fluid")),
    "grey matter": (TISSUE, ("389081007", "SCT", "Gray Matter")),
    "white matter": (TISSUE, ("389080008", "SCT", "White Matter")),
    "hippocampus": (ANATOMY, ("5366008", "SCT", "Hippocampus")),
    "left atrium": (ANATOMY, ("82471001", "SCT", "Left atrium")),
}
TO_COPY = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")


def write_segmentation(path, mask, folder, *, classes, model, version, date, patient=None):
    """Write a mask over a DICOM series as a DICOM Segmentation that viewers lay over it; return the path.

    mask     (slices, rows, columns): bool, or whole numbers, 0 for the background and k for the k-th of
             `classes`; slice i belongs to slice i of `read_dicom_series(folder)`
    folder   of the series
    classes  names of the segments, of `SEGMENTS` ("lesion", "tumour", "oedema" …), or {name: (category,
             type)}, each a SNOMED code, its scheme "SCT" and its meaning
    model, version   what drew the mask
    date     when, e.g. "2026-11-24" or "2026-11-24T10:30"; the standard requires it, and no clock is asked
    patient  a pseudonym; needed where the series is not marked as de-identified

    Binary, one segment a class. It has the study, frame of reference and positions of the series, names the
    slice that each frame was drawn on, and says "NOT FOR DIAGNOSTIC USE". Frames without a pixel of a segment
    are left out; a mask that is empty altogether keeps them all, for finding nothing is a result. As with
    `write_secondary_capture`, no name passes from a series that is not marked, and the same call writes the
    same bytes.

    Needs highdicom, and raises ModuleNotFoundError without it; ValueError for a mask that does not fit,
    FileProblem for a series that cannot be referred to.
    Source: PS3.3 A.51 and C.8.20; highdicom (Bridge et al., J Digit Imaging 35:1719, 2022).
    """
    segments = _segments(classes)
    model, version = compose.line("model", model), compose.line("version", version)
    when = _when(date)
    if patient is not None:
        patient = compose.pseudonym(patient)
    labels = _labels(mask, len(segments))
    highdicom = _highdicom()
    paths = series_order(folder)
    sources = compose.read_sources(paths)
    images = [_image(one, sources, patient) for one in sources]
    _check_shape(labels, images)
    with quiet():
        made = highdicom.seg.Segmentation(
            source_images=images,
            pixel_array=labels,
            segmentation_type="BINARY",
            segment_descriptions=_descriptions(highdicom, segments, model, version),
            series_instance_uid=compose.uid("segmentation", images[0].StudyInstanceUID, model, version),
            series_number=1,
            sop_instance_uid=compose.uid("unsaved"),
            instance_number=1,
            manufacturer="medtutor",
            manufacturer_model_name=model,
            software_versions=version,
            device_serial_number="none",
            content_description=compose.NOT_FOR_DIAGNOSIS,
            content_label="SEGMENTATION",
            omit_empty_frames=bool(labels.any()),
        )
    return compose.save(path, _settled(made, images[0], when))


def _highdicom():
    try:
        import highdicom
    except ImportError:
        highdicom = None
    if highdicom is None:
        raise ModuleNotFoundError(
            "write_segmentation needs highdicom, which is not installed here; `pip install highdicom` gets "
            "it. write_nifti writes a mask without it"
        )
    return highdicom


def _segments(classes):
    """((name, category, type), …) of the classes."""
    names = [classes] if isinstance(classes, str) else list(classes)
    if not names or len(set(names)) < len(names) or len(names) > 255:
        raise ValueError(f"classes is {classes!r}; give one name or several, each once")
    found = []
    for name in names:
        codes = classes[name] if isinstance(classes, dict) else SEGMENTS.get(name)
        if codes is None:
            known = ", ".join(map(repr, SEGMENTS))
            raise ValueError(f"class {name!r} has no code here; use {known}, or {{name: (category, type)}}")
        right = len(codes) == 2 and all(len(code) == 3 and all(code) for code in codes)
        if not right:
            raise ValueError(
                f"class {name!r} has {codes!r}; give (category, type), each (code, scheme, meaning)"
            )
        found.append((compose.line("class", name), *codes))
    return found


def _when(date):
    try:
        return date if isinstance(date, datetime) else datetime.fromisoformat(str(date))
    except ValueError:
        pass
    raise ValueError(f"date is {date!r}; give a day or a time such as '2026-11-24' or '2026-11-24T10:30'")


def _labels(mask, most):
    """The mask as uint8 from 0 to `most`."""
    mask = np.asarray(mask)
    if mask.ndim != 3 or 0 in mask.shape or mask.dtype.kind not in "biu":
        raise ValueError(
            f"mask is {mask.dtype} of shape {mask.shape}; use bool or whole numbers, (slices, rows, columns)"
        )
    if mask.min() < 0 or mask.max() > most:
        raise ValueError(f"mask goes from {mask.min()} to {mask.max()}; {most} classes allow 0 to {most}")
    return mask.astype(np.uint8)


@guarded
def _geometry(path, *, limit=LIMIT):
    """What a viewer needs to lay a frame over this slice."""
    with opened(path, limit) as (file, size), quiet():
        facts, _, _ = parse(path, file, size, limit, pixels=False)
        found = {keyword: numbers(path, facts, keyword) for keyword in TO_COPY}
        thickness = numbers(path, facts, "SliceThickness", 1)
    found["Rows"], found["Columns"] = int(found["Rows"][0]), int(found["Columns"][0])
    for keyword in TO_COPY[2:]:
        found[keyword] = [compose.decimal(number) for number in found[keyword]]
    return found, thickness


def _image(source, sources, patient):
    """A slice of the series with nothing in it but what the segmentation may take over."""
    if not source["frame"]:
        what = "it has no FrameOfReferenceUID, so a viewer could not lay a mask over it"
        raise fault(source["path"], what, "get the series again from its source")
    dataset = compose.start(source["class"])
    compose.take_over(dataset, sources, patient)
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = source["series"], source["instance"]
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = source["frame"], ""
    geometry, thickness = _geometry(source["path"])
    for keyword, value in geometry.items():
        setattr(dataset, keyword, value)
    if thickness:
        dataset.SliceThickness = compose.decimal(thickness[0])
    compose.say_loss(dataset, sources)
    return dataset


def _check_shape(labels, images):
    wanted = (len(images), images[0].Rows, images[0].Columns)
    if labels.shape != wanted:
        raise ValueError(f"mask has shape {labels.shape} and the series {wanted}; they must be the same")


def _descriptions(highdicom, segments, model, version):
    from pydicom.sr.coding import Code

    algorithm = highdicom.AlgorithmIdentificationSequence(
        name=model, family=Code("123110", "DCM", "Artificial Intelligence"), version=version
    )
    return [
        highdicom.seg.SegmentDescription(
            segment_number=number,
            segment_label=name,
            segmented_property_category=Code(*category),
            segmented_property_type=Code(*kind),
            algorithm_type="AUTOMATIC",
            algorithm_identification=algorithm,
        )
        for number, (name, category, kind) in enumerate(segments, 1)
    ]


def _settled(made, image, when):
    """The segmentation with what came from clock and chance replaced by what follows from the content."""
    from pydicom.dataset import Dataset

    dataset = Dataset(made)
    dimensions = compose.uid("dimensions", dataset.SeriesInstanceUID)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
        dataset.pop(keyword, None)
    for equipment in dataset.get("ContributingEquipmentSequence", ()):
        equipment.pop("ContributionDateTime", None)
    dataset.ContentDate, dataset.ContentTime = when.strftime("%Y%m%d"), when.strftime("%H%M%S")
    dataset.SeriesDescription = compose.NOT_FOR_DIAGNOSIS
    if "SyntheticData" in image:
        dataset.SyntheticData = image.SyntheticData
    return dataset
