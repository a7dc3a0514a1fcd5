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
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"  # Segmentation Storage, PS3.4 table B.5-1
AI = ("123110", "DCM", "Artificial Intelligence")  # PS3.16 CID 7162
SEGMENTED = ("113076", "DCM", "Segmentation")
INDEXED = (  # what numbers a frame: its segment, then its place; (attribute, sequence that holds it)
    ("ReferencedSegmentNumber", "SegmentIdentificationSequence"),
    ("ImagePositionPatient", "PlanePositionSequence"),
)
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

    Raises ValueError for a mask that does not fit, FileProblem for a series that cannot be referred to.
    Source: PS3.3 A.51 and C.8.20; compared with highdicom (Bridge et al., J Digit Imaging 35:1719, 2022).
    """
    segments = _segments(classes)
    model, version = compose.line("model", model), compose.line("version", version)
    when = _when(date)
    if patient is not None:
        patient = compose.pseudonym(patient)
    labels = _labels(mask, len(segments))
    paths = series_order(folder)
    sources = compose.read_sources(paths)
    images = [_image(one, sources, patient) for one in sources]
    _check_shape(labels, images)
    dataset = compose.start(SEGMENTATION)
    compose.take_over(dataset, sources, patient)
    compose.say_loss(dataset, sources)
    _say_what(dataset, images, when, model, version)
    dataset.SegmentSequence = [
        _segment(number, segment, model, version) for number, segment in enumerate(segments, 1)
    ]
    dataset.ReferencedSeriesSequence = compose.series_references(sources)
    _put_frames(dataset, labels, len(segments), images, sources)
    return compose.save(path, dataset)


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


def _say_what(dataset, images, when, model, version):
    """What the file is, of what size and where from: PS3.3 C.7.3.1, C.7.4.1, C.7.5, C.8.20.1 and C.8.20.2."""
    facts = {
        "Modality": "SEG",
        "SeriesInstanceUID": compose.uid("segmentation", images[0].StudyInstanceUID, model, version),
        "SeriesNumber": 1,
        "SeriesDescription": compose.NOT_FOR_DIAGNOSIS,
        "FrameOfReferenceUID": images[0].FrameOfReferenceUID,
        "PositionReferenceIndicator": "",
        "Manufacturer": "medtutor",
        "ManufacturerModelName": model,
        "DeviceSerialNumber": "none",
        "SoftwareVersions": version,
        "InstanceNumber": 1,
        "ImageType": ["DERIVED", "PRIMARY"],
        "ContentDate": when.strftime("%Y%m%d"),
        "ContentTime": when.strftime("%H%M%S"),
        "ContentLabel": "SEGMENTATION",
        "ContentDescription": compose.NOT_FOR_DIAGNOSIS,
        "ContentCreatorName": "",
        "SegmentationType": "BINARY",
        "SegmentsOverlap": "NO",
        "Rows": images[0].Rows,
        "Columns": images[0].Columns,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 1,
        "BitsStored": 1,
        "HighBit": 0,
        "PixelRepresentation": 0,
    }
    for keyword, value in facts.items():
        setattr(dataset, keyword, value)


def _segment(number, segment, model, version):
    """PS3.3 C.8.20.4: a segment's name and codes, and what drew it."""
    name, category, kind = segment
    return compose.item(
        SegmentNumber=number,
        SegmentLabel=name,
        SegmentedPropertyCategoryCodeSequence=compose.code(*category),
        SegmentedPropertyTypeCodeSequence=compose.code(*kind),
        SegmentAlgorithmType="AUTOMATIC",
        SegmentAlgorithmName=model,
        SegmentationAlgorithmIdentificationSequence=[
            compose.item(
                AlgorithmFamilyCodeSequence=compose.code(*AI), AlgorithmName=model, AlgorithmVersion=version
            )
        ],
    )


def _put_frames(dataset, labels, most, images, sources):
    """The pixels, a bit each, and what each frame is: PS3.3 C.7.6.16, C.7.6.17 and C.8.20.3."""
    from pydicom.tag import Tag

    wanted = [(number, k) for number in range(1, most + 1) for k in range(len(labels))]
    frames = [(number, k) for number, k in wanted if (labels[k] == number).any()] or wanted
    organisation = compose.uid("dimensions", dataset.SeriesInstanceUID)
    dataset.DimensionOrganizationSequence = [compose.item(DimensionOrganizationUID=organisation)]
    dataset.DimensionIndexSequence = [
        compose.item(
            DimensionOrganizationUID=organisation,
            DimensionIndexPointer=Tag(attribute),
            FunctionalGroupPointer=Tag(sequence),
            DimensionDescriptionLabel=attribute,
        )
        for attribute, sequence in INDEXED
    ]
    dataset.SharedFunctionalGroupsSequence = [_shared(images)]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(number, k, images[k], sources[k]) for number, k in frames
    ]
    dataset.NumberOfFrames = len(frames)
    bits = np.packbits([labels[k] == number for number, k in frames], bitorder="little").tobytes()
    dataset.PixelData = bits + b"\0" * (len(bits) % 2)
    dataset["PixelData"].VR = "OB"


def _shared(images):
    """What all frames have in common: the size of a voxel, and how the slices lie."""
    measures = compose.item(PixelSpacing=images[0].PixelSpacing)
    places = np.array([image.ImagePositionPatient for image in images], float)
    if len(places) > 1:
        measures.SpacingBetweenSlices = compose.decimal(np.linalg.norm(places[1] - places[0]))
    measures.SliceThickness = images[0].get("SliceThickness") or measures.get("SpacingBetweenSlices") or 1
    orientation = compose.item(ImageOrientationPatient=images[0].ImageOrientationPatient)
    return compose.item(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[orientation])


def _frame(number, k, image, source):
    """What one frame is: its segment, its place, and the slice that it was drawn on."""
    (drawn_on,) = compose.references([source])
    drawn_on.SpatialLocationsPreserved = "YES"
    derivation = compose.item(DerivationCodeSequence=compose.code(*SEGMENTED), SourceImageSequence=[drawn_on])
    return compose.item(
        FrameContentSequence=[compose.item(DimensionIndexValues=[number, k + 1])],
        PlanePositionSequence=[compose.item(ImagePositionPatient=image.ImagePositionPatient)],
        SegmentIdentificationSequence=[compose.item(ReferencedSegmentNumber=number)],
        DerivationImageSequence=[derivation],
    )
