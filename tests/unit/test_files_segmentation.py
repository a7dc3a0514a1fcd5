"""A mask over a series comes back from its DICOM Segmentation, voxel by voxel and in its place."""

from importlib.util import find_spec

import numpy as np
import pytest
from pydicom import config, dcmread
from test_files_dicom import make_dicom
from test_files_identity import TRACES, full_of_secrets

from medtutor.data.files import FileProblem, read_dicom, read_dicom_series, write_dicom_slice
from medtutor.data.files.segmentation import SEGMENTS, write_segmentation

needs_highdicom = pytest.mark.skipif(
    find_spec("highdicom") is None, reason="highdicom, another reader, is not installed"
)
RNG = np.random.default_rng(0)
SHAPE = (5, 6, 8)
LABELS = RNG.integers(0, 3, SHAPE)
LABELS[0], LABELS[3] = 0, 2
SAGITTAL = ["0", "1", "0", "0", "0", "-1"]
FACTS = {
    "classes": ("tumour", "oedema"),
    "model": "small U-Net",
    "version": "1.2",
    "date": "2026-11-24T10:30",
}

# Elements of type 1 (with a value) and type 2 (perhaps empty) of the mandatory modules in PS3.3 table A.51-1:
# tables C.7-1, C.7-3, C.7-5a, C.8.20-1, C.7-6, C.7-8, C.7-8b, C.7-11a, C.8.20-2, C.7.6.16-1, C.7.6.17-1
REQUIRED = {
    1: "StudyInstanceUID Modality SeriesInstanceUID SeriesNumber FrameOfReferenceUID Manufacturer "
    "ManufacturerModelName DeviceSerialNumber SoftwareVersions Rows Columns ImageType InstanceNumber "
    "SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored HighBit PixelRepresentation "
    "LossyImageCompression SegmentationType SegmentSequence ContentLabel SharedFunctionalGroupsSequence "
    "PerFrameFunctionalGroupsSequence NumberOfFrames ContentDate ContentTime DimensionOrganizationSequence "
    "DimensionIndexSequence SOPClassUID SOPInstanceUID ReferencedSeriesSequence PixelData "
    "DeidentificationMethod SpecificCharacterSet",
    2: "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber "
    "ReferringPhysicianName StudyID PositionReferenceIndicator ContentDescription",
}


@pytest.fixture
def series(tmp_path):
    """A folder with a simulated series whose files are not in the order of their names."""
    folder = tmp_path / "series"
    folder.mkdir()
    for i in range(5):
        write_dicom_slice(
            folder / f"{(i * 3) % 5}.dcm",
            RNG.uniform(0, 1, SHAPE[1:]),
            spacing=(3.0, 2.0, 1.25),
            patient="mr-0042",
            contrast="FLAIR",
            level=3.0 * i - 6,
        )
    return folder


def foreign(folder, **changes):
    """A series of somebody else, sagittal, with five slices."""
    folder.mkdir()
    for i in range(5):
        elements = {
            "Modality": "MR",
            "StudyInstanceUID": "1.2.3.1",
            "SeriesInstanceUID": "1.2.3.2",
            "SOPInstanceUID": f"1.2.3.3.{i}",
            "FrameOfReferenceUID": "1.2.3.4",
            "ImageOrientationPatient": SAGITTAL,
            "ImagePositionPatient": [f"{4.5 * i - 7:g}", "1", "2"],
            "PixelSpacing": ["0.5", "0.75"],
            "SliceThickness": "4",
            **changes,
        }
        make_dicom(folder / f"{(i * 3) % 5}.dcm", **elements)
    return folder


def segment(path, mask, folder, **changes):
    return write_segmentation(path, mask, folder, **{**FACTS, **changes})


def by_place(path, series):
    """The labels of a segmentation laid over a series by positions alone, with pydicom and numpy."""
    dicom, volume = dcmread(path), read_dicom_series(series)
    shared = dicom.SharedFunctionalGroupsSequence[0]  # holds the number where there is one segment only
    mask = np.zeros(volume.values.shape, int)
    for frame, group in zip(dicom.pixel_array, dicom.PerFrameFunctionalGroupsSequence, strict=True):
        place = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float) * (-1, -1, 1)
        k = np.linalg.solve(volume.affine, [*place, 1])
        assert np.allclose(k[1:3], 0, atol=1e-4) and abs(k[0] - round(k[0])) < 1e-3
        number = group.get("SegmentIdentificationSequence") or shared.SegmentIdentificationSequence
        mask[round(k[0])][frame > 0] = number[0].ReferencedSegmentNumber
    return mask


def test_mask_comes_back_in_its_place(tmp_path, series):
    assert np.array_equal(by_place(segment(tmp_path / "s.dcm", LABELS, series), series), LABELS)
    dicom = dcmread(tmp_path / "s.dcm")
    assert dicom.NumberOfFrames == len(dicom.pixel_array) == 7  # 3 slices with a tumour, 4 with an oedema
    shared = dicom.SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].PixelSpacing == [2, 1.25]
    assert shared.PixelMeasuresSequence[0].SpacingBetweenSlices == 3
    assert shared.PixelMeasuresSequence[0].SliceThickness == 3


def test_mask_of_a_sagittal_series_comes_back_in_its_place(tmp_path):
    folder = foreign(tmp_path / "series", PatientIdentityRemoved="YES")
    mask = RNG.integers(0, 3, (5, 4, 4))
    assert np.array_equal(by_place(segment(tmp_path / "s.dcm", mask, folder), folder), mask)
    shared = dcmread(tmp_path / "s.dcm").SharedFunctionalGroupsSequence[0]
    assert shared.PlaneOrientationSequence[0].ImageOrientationPatient == [0, 1, 0, 0, 0, -1]


@needs_highdicom
def test_another_reader_finds_the_same_mask(tmp_path, series):
    import highdicom

    found = highdicom.seg.segread(segment(tmp_path / "s.dcm", LABELS, series))
    slices = sorted(map(dcmread, series.iterdir()), key=lambda one: one.ImagePositionPatient[2])
    pixels = found.get_pixels_by_source_instance(
        [one.SOPInstanceUID for one in slices], combine_segments=True, assert_missing_frames_are_empty=True
    )
    assert np.array_equal(pixels, LABELS)


@pytest.mark.parametrize("dtype", [bool, "uint8", "int64"])
def test_mask_of_one_class_may_be_of_bool_or_whole_numbers(tmp_path, series, dtype):
    mask = (LABELS > 0).astype(dtype)
    assert np.array_equal(by_place(segment(tmp_path / "s.dcm", mask, series, classes="lesion"), series), mask)


def test_finding_nothing_is_a_result(tmp_path, series):
    empty = np.zeros(SHAPE, bool)
    path = segment(tmp_path / "s.dcm", empty, series, classes="lesion")
    assert np.array_equal(by_place(path, series), empty) and len(dcmread(path).SegmentSequence) == 1
    one = np.where(LABELS == 2, 2, 0)
    path = segment(tmp_path / "s.dcm", one, series)
    assert np.array_equal(by_place(path, series), one) and len(dcmread(path).SegmentSequence) == 2


def test_segmentation_has_what_the_tables_of_the_standard_require(tmp_path, series):
    mode = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        dicom = dcmread(segment(tmp_path / "s.dcm", LABELS, series))
        values = [element.value for element in dicom.iterall()]
    finally:
        config.settings.reading_validation_mode = mode
    assert len(values) > 100
    assert [k for k in REQUIRED[1].split() if k not in dicom or dicom[k].is_empty] == []
    assert [k for k in REQUIRED[2].split() if k not in dicom] == []
    assert dicom.SOPClassUID.name == "Segmentation Storage" and dicom.Modality == "SEG"
    assert (dicom.SegmentationType, dicom.BitsAllocated, dicom.SegmentsOverlap) == ("BINARY", 1, "NO")
    assert dicom.file_meta.MediaStorageSOPInstanceUID == dicom.SOPInstanceUID


def test_segments_have_names_codes_and_their_author(tmp_path, series):
    dicom = dcmread(segment(tmp_path / "s.dcm", LABELS, series))
    found = [
        (one.SegmentNumber, one.SegmentLabel, one.SegmentedPropertyTypeCodeSequence[0].CodeValue)
        for one in dicom.SegmentSequence
    ]
    assert found == [(1, "tumour", "108369006"), (2, "oedema", "79654002")]
    for one in dicom.SegmentSequence:
        assert one.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert (one.SegmentAlgorithmType, one.SegmentAlgorithmName) == ("AUTOMATIC", "small U-Net")
        assert one.SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == "1.2"
    assert dicom.SeriesDescription == dicom.ContentDescription == "NOT FOR DIAGNOSTIC USE"
    assert (dicom.ContentDate, dicom.ContentTime) == ("20261124", "103000")


def test_class_of_ones_own_needs_its_codes(tmp_path, series):
    own = {"pons": (("91723000", "SCT", "Anatomical Structure"), ("49557009", "SCT", "Pons"))}
    dicom = dcmread(segment(tmp_path / "s.dcm", LABELS > 0, series, classes=own))
    assert dicom.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Pons"


def test_codes_are_those_of_the_standards_lists():
    from pydicom.sr._concepts_dict import concepts

    listed = {
        (group, code, meaning)
        for concept in concepts["SCT"].values()
        for code, (meaning, groups) in concept.items()
        for group in groups
    }
    for category, kind in SEGMENTS.values():
        assert (7150, category[0], category[2]) in listed and (7151, kind[0], kind[2]) in listed
        assert category[1] == kind[1] == "SCT"


def test_segmentation_is_filed_beside_its_series(tmp_path, series):
    sources = [dcmread(path) for path in series.iterdir()]
    dicom = dcmread(segment(tmp_path / "s.dcm", LABELS, series))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName", "SyntheticData"):
        assert {dicom[keyword].value} == {one[keyword].value for one in sources}, keyword
    assert dicom.SeriesInstanceUID != sources[0].SeriesInstanceUID
    (link,) = dicom.ReferencedSeriesSequence
    named = {one.ReferencedSOPInstanceUID for one in link.ReferencedInstanceSequence}
    assert named == {one.SOPInstanceUID for one in sources}


def test_same_mask_gives_the_same_bytes(tmp_path, series):
    first = segment(tmp_path / "a.dcm", LABELS, series).read_bytes()
    assert segment(tmp_path / "b.dcm", LABELS.copy(), series).read_bytes() == first
    other = LABELS.copy()
    other[2, 3, 4] = (other[2, 3, 4] + 1) % 3
    changes = [
        {"mask": other},
        {"version": "1.3"},
        {"date": "2026-11-25"},
        {"classes": ("tumour", "necrosis")},
    ]
    uids = set()
    for change in changes:
        path = segment(tmp_path / "c.dcm", **{"mask": LABELS, "folder": series, **change})
        uids.add(dcmread(path).SOPInstanceUID)
    assert len(uids | {dcmread(tmp_path / "a.dcm").SOPInstanceUID}) == 5


def test_frames_can_be_read_as_an_image(tmp_path, series):
    image = read_dicom(segment(tmp_path / "s.dcm", LABELS, series))
    assert image.modality == "SEG" and image.values.shape == (7, 6, 8)
    assert image.values.sum() == (LABELS > 0).sum() and image.header["SyntheticData"] == "YES"


def test_no_secret_of_an_unmarked_series_is_in_the_segmentation(tmp_path):
    links = ("StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
    secrets = {keyword: value for keyword, value in full_of_secrets().items() if keyword not in links}
    folder = foreign(tmp_path / "series", **secrets)
    mask = RNG.integers(0, 3, (5, 4, 4))
    with pytest.raises(FileProblem, match="not marked as de-identified.*pass patient=") as caught:
        segment(tmp_path / "s.dcm", mask, folder)
    written = segment(tmp_path / "s.dcm", mask, folder, patient="case 7").read_bytes().decode("latin-1")
    assert [trace for trace in TRACES if trace in written + str(caught.value)] == []
    dicom = dcmread(tmp_path / "s.dcm")
    assert dicom.PatientID == "case 7" and dicom.PatientName == "" and dicom.StudyInstanceUID == "1.2.3.1"
    source = b"".join(path.read_bytes() for path in folder.iterdir()).decode("latin-1")
    assert [trace for trace in TRACES if trace in source] == list(TRACES)


def test_series_compressed_with_loss_stays_so(tmp_path):
    how = {"LossyImageCompressionRatio": "10", "LossyImageCompressionMethod": "ISO_10918_1"}
    folder = foreign(tmp_path / "series", PatientIdentityRemoved="YES", LossyImageCompression="01", **how)
    dicom = dcmread(segment(tmp_path / "s.dcm", np.ones((5, 4, 4), bool), folder, classes="lesion"))
    assert dicom.LossyImageCompression == "01" and dicom.LossyImageCompressionMethod == "ISO_10918_1"


def test_series_that_nothing_can_be_laid_over_is_refused(tmp_path, series):
    mask = np.zeros((5, 4, 4), bool)
    folder = foreign(tmp_path / "frameless", PatientIdentityRemoved="YES", FrameOfReferenceUID=None)
    with pytest.raises(FileProblem, match="^[0-4].dcm: it has no FrameOfReferenceUID"):
        segment(tmp_path / "s.dcm", mask, folder)
    folder = foreign(tmp_path / "studyless", PatientIdentityRemoved="YES", StudyInstanceUID=None)
    with pytest.raises(FileProblem, match="its StudyInstanceUID is missing"):
        segment(tmp_path / "s.dcm", mask, folder)
    next(series.glob("4*")).unlink()
    with pytest.raises(FileProblem, match="a slice is missing"):
        segment(tmp_path / "s.dcm", LABELS[:4], series)
    with pytest.raises(FileProblem, match="there is no such folder"):
        segment(tmp_path / "s.dcm", LABELS, tmp_path / "nowhere")
    assert not (tmp_path / "s.dcm").exists()


def test_mask_of_another_size_is_refused(tmp_path, series):
    for mask in (LABELS[:4], LABELS[:, :5], LABELS.transpose(2, 0, 1)):
        with pytest.raises(ValueError, match=r"mask has shape \(.*\) and the series \(5, 6, 8\)"):
            segment(tmp_path / "s.dcm", mask, series)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"mask": LABELS[0]}, r"mask is int64 of shape \(6, 8\); use bool or whole numbers"),
        ({"mask": LABELS / 2}, "mask is float64"),
        ({"mask": LABELS[:0]}, "mask is int64 of shape"),
        ({"mask": LABELS + 1}, "mask goes from 1 to 3; 2 classes allow 0 to 2"),
        ({"mask": LABELS - 1}, "mask goes from -1 to 1"),
        ({"classes": ()}, "give one name or several"),
        ({"classes": ("tumour", "tumour")}, "each once"),
        ({"classes": ("tumour", "cloud")}, "class 'cloud' has no code here; use 'lesion', 'tumour'"),
        ({"classes": {"pons": ("49557009", "SCT", "Pons")}}, r"give \(category, type\)"),
        ({"model": ""}, "model is ''"),
        ({"version": 1}, "version is 1"),
        ({"date": "yesterday"}, "give a day or a time"),
        ({"date": None}, "give a day or a time"),
        ({"patient": "Doe^Jane"}, "pseudonym without"),
    ],
)
def test_what_cannot_be_a_segmentation_is_refused_with_what_is_wrong(tmp_path, series, changes, said):
    with pytest.raises(ValueError, match=said):
        segment(tmp_path / "s.dcm", **{"mask": LABELS, "folder": series, **changes})
    assert not (tmp_path / "s.dcm").exists()
