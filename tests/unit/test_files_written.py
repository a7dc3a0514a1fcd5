"""DICOM files that this course writes: valid by the standard, the same twice, silent about patients."""

import io
import os
import warnings

import numpy as np
import pytest
from matplotlib.image import imread
from pydicom import config, dcmread
from pydicom.uid import UID
from test_files_dicom import make_dicom
from test_files_identity import SECRET, TRACES, full_of_secrets

from medtutor import data
from medtutor.data import (
    FileProblem,
    read_dicom,
    read_dicom_series,
    write_dicom_slice,
    write_secondary_capture,
)

RNG = np.random.default_rng(0)
SLICE = RNG.uniform(0, 1.5, (6, 5)).astype("float32")
SPACING = (3.0, 3.4375, 2.5)
PICTURE = RNG.integers(0, 256, (3, 5, 3), dtype="uint8")  # 45 bytes, an odd number

# Elements of type 1 (with a value) and type 2 (perhaps empty) of the mandatory modules, PS3.3 2024e
PATIENT_AND_STUDY = {  # tables C.7-1 and C.7-3
    1: "StudyInstanceUID",
    2: "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime AccessionNumber "
    "ReferringPhysicianName StudyID",
}
SERIES_AND_IMAGE = {  # tables C.7-5a, C.7-9, C.7-11a and -11b, C.12-1
    1: "Modality SeriesInstanceUID SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated "
    "BitsStored HighBit PixelRepresentation PixelData SOPClassUID SOPInstanceUID SpecificCharacterSet",
    2: "SeriesNumber InstanceNumber",
}
MR_IMAGE = {  # A.4-1: tables C.7-6, C.7-8, C.7-10, C.8-4; PatientPosition, 2C, is due in MR, C.7.3.1.1.2
    1: "FrameOfReferenceUID ImagePositionPatient ImageOrientationPatient PixelSpacing ImageType "
    "ScanningSequence SequenceVariant PatientPosition DeidentificationMethod",
    2: "PositionReferenceIndicator Manufacturer SliceThickness ScanOptions MRAcquisitionType RepetitionTime "
    "EchoTime EchoTrainLength",
}
SECONDARY_CAPTURE = {  # A.8-1: tables C.8-24, C.7-5a and C.7-9 (each with a 2C), C.7-11b (colour)
    1: "ConversionType PlanarConfiguration DeidentificationMethod",
    2: "PatientOrientation Laterality",
}


@pytest.fixture
def strict():
    """pydicom raises for every value that its representation does not allow, reading and writing."""
    modes = config.settings.reading_validation_mode, config.settings.writing_validation_mode
    config.settings.reading_validation_mode = config.settings.writing_validation_mode = config.RAISE
    yield
    config.settings.reading_validation_mode, config.settings.writing_validation_mode = modes


def mr(path, values=SLICE, **changes):
    return write_dicom_slice(
        path, values, **{"spacing": SPACING, "patient": "mr-0042", "contrast": "FLAIR", **changes}
    )


def capture(path, source, picture=PICTURE, **changes):
    facts = {
        "model": "small residual CNN",
        "version": "1.2",
        "description": "Grad-CAM: red speaks for tumour",
        "burned_in": False,
    }
    return write_secondary_capture(path, picture, source, **{**facts, **changes})


def missing(dataset, *tables):
    ones = " ".join(table[1] for table in tables).split()
    twos = " ".join(table[2] for table in tables).split()
    return [k for k in ones if k not in dataset or dataset[k].is_empty] + [
        k for k in twos if k not in dataset
    ]


def every_value(dataset):
    for element in dataset.iterall():
        assert element.value is not ...  # reading a value is what validates it


# ------------------------------------------------------------------------------------------------- a slice


@pytest.mark.parametrize(
    "values, bounds",
    [
        (SLICE, None),
        (SLICE, (0, 1.5)),
        (SLICE, (-1, 7)),
        (SLICE - 0.7, None),
        (1e6 * SLICE - 3e5, None),
        (SLICE * 1e-9, None),
        (SLICE.astype("float64") - 1_234_567.891234, (-1_234_567.891234, -1_234_566)),
        (np.full((4, 4), 0.123456789012), None),
        (np.zeros((2, 3)), None),
        (np.arange(-20, 4).reshape(4, 6), None),
        (np.arange(6, dtype="uint16").reshape(2, 3) * 13_107, None),
        (SLICE.astype("float16"), None),
        (-1 - SLICE, (-3, 0)),
    ],
)
def test_slice_comes_back_within_half_a_step(tmp_path, values, bounds):
    path = mr(tmp_path / "x.dcm", values, bounds=bounds)
    low, high = bounds or (min(0, values.min()), values.max())
    dicom = dcmread(path)
    slope = float(dicom.RescaleSlope)
    back = dicom.pixel_array * slope + float(dicom.RescaleIntercept)
    assert np.abs(back - values.astype("float64")).max() <= slope / 2 * (1 + 1e-6)
    if high > low:
        assert slope <= (float(high) - float(low)) / 65535 * (1 + 1e-6) + 1e-8 * abs(float(low)) / 65535
    image = read_dicom(path)
    assert image.values.shape == values.shape and np.allclose(image.values, back, rtol=1e-6, atol=0)


def test_zero_stays_zero_in_a_slice_without_negative_values(tmp_path):
    values = SLICE.copy()
    values[2, 3] = 0
    assert read_dicom(mr(tmp_path / "x.dcm", values)).values[2, 3] == 0
    assert dcmread(mr(tmp_path / "y.dcm", SLICE + 0.2)).RescaleIntercept == 0


def test_slice_has_what_the_tables_of_the_standard_require(tmp_path, strict):
    dicom = dcmread(mr(tmp_path / "x.dcm"))
    assert missing(dicom, PATIENT_AND_STUDY, SERIES_AND_IMAGE, MR_IMAGE) == []
    every_value(dicom)
    assert dicom.SOPClassUID.name == "MR Image Storage" and dicom.Modality == "MR"
    assert (dicom.BitsAllocated, dicom.BitsStored, dicom.HighBit, dicom.PixelRepresentation) == (
        16,
        16,
        15,
        0,
    )
    assert dicom.file_meta.MediaStorageSOPInstanceUID == dicom.SOPInstanceUID


def test_a_table_with_an_absent_element_would_be_noticed(tmp_path):
    dicom = dcmread(mr(tmp_path / "x.dcm"))
    del dicom.EchoTime
    dicom.SequenceVariant = None
    assert missing(dicom, MR_IMAGE) == ["SequenceVariant", "EchoTime"]


def test_slice_says_in_many_places_that_nobody_was_scanned(tmp_path):
    dicom = dcmread(mr(tmp_path / "x.dcm"))
    assert dicom.SyntheticData == "YES" and dicom.PatientIdentityRemoved == "YES"
    assert dicom.PatientName == "SYNTHETIC^mr-0042" and dicom.PatientID == "mr-0042"
    for keyword in ("PatientComments", "ImageComments", "SeriesDescription"):
        assert dicom[keyword].value.startswith("SYNTHETIC"), keyword
    assert "Synthetic" in dicom.DeidentificationMethod and "simulated" in dicom.Manufacturer
    assert dicom.ImageType[:2] == ["DERIVED", "SECONDARY"]
    assert read_dicom(tmp_path / "x.dcm").header["SyntheticData"] == "YES"


def test_slice_has_its_size_in_mm_and_its_window(tmp_path):
    image = read_dicom(mr(tmp_path / "x.dcm", bounds=(0, 1.5)))
    assert image.spacing == (3.4375, 2.5) and image.modality == "MR" and image.unit == "a.u."
    assert image.header["SliceThickness"] == image.header["SpacingBetweenSlices"] == 3
    assert np.allclose(image.display(), image.values / 1.5, atol=1e-6)


def test_window_narrower_than_one_is_used_where_its_function_allows_it(tmp_path):
    image = read_dicom(mr(tmp_path / "x.dcm", SLICE / 10, bounds=(0, 0.2)))
    assert np.allclose(image.display(), image.values / 0.2, atol=1e-6)
    make_dicom(tmp_path / "y.dcm", WindowCenter="1", WindowWidth="0.5")
    assert read_dicom(tmp_path / "y.dcm").windows == ()  # LINEAR needs at least 1


def test_sequence_times_are_those_of_the_simulation(tmp_path):
    dicom = dcmread(mr(tmp_path / "x.dcm", times={"TR": 9000.0, "TE": 110.0, "TI": 1705.0}))
    assert list(dicom.ScanningSequence) == ["SE", "IR"] and dicom.InversionTime == 1705
    assert (dicom.RepetitionTime, dicom.EchoTime) == (9000, 110)
    assert dcmread(mr(tmp_path / "y.dcm", times={"TR": 480, "TE": 14})).ScanningSequence == "SE"
    assert dcmread(mr(tmp_path / "z.dcm")).ScanningSequence == "RM"  # research mode: none is claimed


def test_slices_of_a_simulated_patient_are_one_volume_in_its_place(tmp_path):
    head = data.load_mr("train", patients=2, size=32, contrasts=("T1", "FLAIR"))
    for i in range(4):
        for c, contrast in enumerate(("T1", "FLAIR")):
            (tmp_path / contrast).mkdir(exist_ok=True)
            write_dicom_slice(
                tmp_path / contrast / f"{i}.dcm",
                head.x[i, ..., c],
                spacing=head.extra["spacing"][i],
                patient=head.patients[i],
                contrast=contrast,
                level=head.extra["level"][i],
                number=i + 1,
                bounds=head.bounds,
            )
    flair = read_dicom_series(tmp_path / "FLAIR")
    assert np.allclose(flair.values, head.x[:4, ..., 1], atol=1.5 / 65535)
    assert flair.spacing == (3, 6.875, 6.875) and flair.orientation == "SPL"
    assert np.allclose(flair.affine @ [1.5, 15.5, 15.5, 1], [0, 0, 0, 1])  # the middle is the middle
    assert np.allclose(
        flair.affine @ [0, 0, 0, 1], [15.5 * 6.875, 15.5 * 6.875, -4.5, 1]
    )  # right, front, low
    files = [dcmread(tmp_path / contrast / f"{i}.dcm") for i in range(4) for contrast in ("T1", "FLAIR")]
    assert len({f.StudyInstanceUID for f in files}) == len({f.FrameOfReferenceUID for f in files}) == 1
    assert len({f.SeriesInstanceUID for f in files}) == 2 and len({f.SOPInstanceUID for f in files}) == 8


def test_same_slice_gives_the_same_bytes_and_another_slice_another_number(tmp_path):
    first = mr(tmp_path / "a.dcm").read_bytes()
    assert mr(tmp_path / "b.dcm").read_bytes() == first
    other = SLICE.copy()
    other[0, 0] += 0.01
    changes = [
        {"values": other},
        {"patient": "mr-0043"},
        {"contrast": "T1"},
        {"level": 3.0},
        {"number": 2},
        {"spacing": (3, 3.4375, 2.4)},
        {"times": {"TR": 480, "TE": 14}},
    ]
    uids = {dcmread(mr(tmp_path / "c.dcm", **change)).SOPInstanceUID for change in changes}
    assert len(uids | {dcmread(tmp_path / "a.dcm").SOPInstanceUID}) == len(changes) + 1


def test_identifiers_are_uuids_below_the_root_for_them(tmp_path):
    source = mr(tmp_path / "a.dcm")
    for path in (source, capture(tmp_path / "b.dcm", source)):
        dicom = dcmread(path)
        for element in (*dicom.file_meta, *dicom.iterall()):
            if element.VR == "UI" and not element.value.startswith("1.2.840.10008."):
                assert UID(element.value).is_valid and element.value.startswith("2.25.")
                assert int(element.value[5:]) < 2**128


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"values": SLICE[0]}, r"values has shape \(5,\); a slice is \(rows, columns\)"),
        ({"values": SLICE[None]}, "shape"),
        ({"values": np.zeros((0, 4))}, "shape"),
        ({"values": np.zeros((1, 65_536))}, "shape"),
        ({"values": SLICE > 1}, "values is bool"),
        ({"values": SLICE.astype(complex)}, "values is complex"),
        ({"values": np.array([["a", "b"]])}, "holds integers or floats"),
        ({"values": np.where(SLICE > 1.4, np.nan, SLICE)}, "NaN or infinite pixels"),
        ({"values": np.where(SLICE > 1.4, np.inf, SLICE)}, "NaN or infinite pixels"),
        ({"values": SLICE.astype("float64") * 1e31}, "widen bounds"),
        ({"bounds": (0, 1)}, "widen bounds"),
        ({"bounds": (0, np.nan)}, "widen bounds"),
        ({"spacing": (3.4, 3.4)}, "mm between slices, rows and columns"),
        ({"spacing": 3.4}, "mm between slices, rows and columns"),
        ({"spacing": (3, 0, 3)}, "above 0"),
        ({"spacing": (3, np.nan, 3)}, "above 0"),
        ({"patient": ""}, "patient is ''; use one line"),
        ({"patient": "Doe^Jane"}, "pseudonym without"),
        ({"patient": 42}, "patient is 42"),
        ({"patient": "a" * 49}, "1 to 48"),
        ({"contrast": "T1\\T2"}, "without a backslash"),
        ({"contrast": "T1\nT2"}, "printable"),
        ({"level": np.inf}, "level is inf"),
        ({"level": [1.0, 2.0]}, "level is"),
        ({"number": 0}, "whole number from 1"),
        ({"number": 1.0}, "whole number from 1"),
        ({"number": True}, "whole number from 1"),
        ({"times": {"TR": 480}}, "give TR and TE"),
        ({"times": {"TR": 480, "TE": 14, "FA": 90}}, "times has"),
        ({"times": {"TR": 480, "TE": -1}}, "above 0"),
    ],
)
def test_slice_that_cannot_be_one_is_refused_with_what_is_wrong(tmp_path, changes, said):
    with pytest.raises(ValueError, match=said):
        mr(tmp_path / "x.dcm", **changes)
    assert list(tmp_path.iterdir()) == []


def test_writing_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    before = mr(tmp_path / "x.dcm").read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        mr(tmp_path / "x.dcm", SLICE * 0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["x.dcm"] and (tmp_path / "x.dcm").read_bytes() == before
    with pytest.raises(FileNotFoundError, match="there is no folder .*nowhere"):
        mr(tmp_path / "nowhere" / "x.dcm")


# ----------------------------------------------------------------------------------------------- a picture


def test_picture_comes_back_exactly(tmp_path):
    source = mr(tmp_path / "a.dcm")
    image = read_dicom(capture(tmp_path / "b.dcm", source))
    assert image.unit == "of 255" and np.array_equal(image.values, PICTURE)
    assert np.array_equal(dcmread(tmp_path / "b.dcm").pixel_array, PICTURE)
    for dtype in ("float16", "float32", "float64"):
        image = read_dicom(capture(tmp_path / "c.dcm", source, (PICTURE / 255).astype(dtype)))
        assert np.array_equal(image.values, PICTURE), dtype
    assert len(dcmread(tmp_path / "b.dcm").PixelData) == 46  # even, PS3.5 section 8.1.1


def test_colour_between_two_steps_becomes_the_nearer(tmp_path):
    picture = np.array([[[0.4, 0.6, 254.4], [254.6, 127.4, 127.6]]]) / 255
    image = read_dicom(capture(tmp_path / "b.dcm", mr(tmp_path / "a.dcm"), picture))
    assert image.values.ravel().tolist() == [0, 1, 254, 255, 127, 128]


def test_figure_of_the_course_becomes_a_picture(tmp_path):
    from medtutor.plot import show_images

    figure = show_images([SLICE], alt="A slice of thirty random pixels")
    image = read_dicom(capture(tmp_path / "b.dcm", mr(tmp_path / "a.dcm"), figure))
    drawn = np.rint(imread(io.BytesIO(figure.png))[..., :3] * 255)
    assert np.array_equal(image.values, drawn) and len(np.unique(drawn)) > 20


def test_picture_has_what_the_tables_of_the_standard_require(tmp_path, strict):
    dicom = dcmread(capture(tmp_path / "b.dcm", mr(tmp_path / "a.dcm")))
    assert missing(dicom, PATIENT_AND_STUDY, SERIES_AND_IMAGE, SECONDARY_CAPTURE) == []
    every_value(dicom)
    assert dicom.SOPClassUID.name == "Secondary Capture Image Storage" and dicom.Modality == "OT"
    assert (dicom.PhotometricInterpretation, dicom.SamplesPerPixel, dicom.BitsStored) == ("RGB", 3, 8)
    assert dicom.ImageType[:2] == ["DERIVED", "SECONDARY"] and dicom.LossyImageCompression == "00"


def test_picture_is_filed_beside_its_source_and_names_it(tmp_path):
    source = dcmread(mr(tmp_path / "a.dcm"))
    dicom = dcmread(capture(tmp_path / "b.dcm", tmp_path / "a.dcm", number=7))
    assert dicom.StudyInstanceUID == source.StudyInstanceUID and dicom.PatientID == source.PatientID
    assert dicom.SeriesInstanceUID != source.SeriesInstanceUID and dicom.InstanceNumber == 7
    assert dicom.SOPInstanceUID != source.SOPInstanceUID
    (link,) = dicom.SourceImageSequence
    assert (link.ReferencedSOPClassUID, link.ReferencedSOPInstanceUID) == (
        source.SOPClassUID,
        source.SOPInstanceUID,
    )
    (series,) = dicom.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    assert (
        "small residual CNN" in dicom.DerivationDescription and "version 1.2" in dicom.DerivationDescription
    )
    assert dicom.SecondaryCaptureDeviceManufacturerModelName == "small residual CNN"
    for keyword in ("ImageComments", "SeriesDescription"):
        assert dicom[keyword].value.startswith("NOT FOR DIAGNOSTIC USE"), keyword


def test_picture_of_a_synthetic_slice_says_that_it_is_synthetic(tmp_path):
    dicom = dcmread(capture(tmp_path / "b.dcm", mr(tmp_path / "a.dcm")))
    assert dicom.SyntheticData == "YES" and dicom.PatientName == "SYNTHETIC^mr-0042"
    assert "SYNTHETIC" in dicom.ImageComments and "SYNTHETIC" in dicom.PatientComments
    other = dcmread(capture(tmp_path / "c.dcm", tmp_path / "a.dcm", patient="case 7"))
    assert other.PatientName == "SYNTHETIC^case 7" and other.PatientID == "case 7"


def test_picture_of_two_contrasts_refers_to_both(tmp_path):
    paths = [mr(tmp_path / f"{contrast}.dcm", contrast=contrast) for contrast in ("T1", "FLAIR")]
    dicom = dcmread(capture(tmp_path / "b.dcm", paths))
    links = [link.ReferencedSOPInstanceUID for link in dicom.SourceImageSequence]
    assert links == [dcmread(path).SOPInstanceUID for path in paths]
    assert len(dicom.ReferencedSeriesSequence) == 2
    paths.append(mr(tmp_path / "second.dcm", contrast="T1", level=3.0))
    both, one = dcmread(capture(tmp_path / "c.dcm", paths)).ReferencedSeriesSequence
    assert [len(series.ReferencedInstanceSequence) for series in (both, one)] == [2, 1]


def test_pictures_of_one_model_are_one_series(tmp_path):
    source = mr(tmp_path / "a.dcm")
    made = [
        dcmread(capture(tmp_path / "b.dcm", source, **change))
        for change in ({}, {"picture": 255 - PICTURE, "number": 2}, {"version": "1.3"}, {"model": "another"})
    ]
    series = [dicom.SeriesInstanceUID for dicom in made]
    assert series[0] == series[1] and len(set(series)) == 3 and len({d.SOPInstanceUID for d in made}) == 4


def test_same_picture_gives_the_same_bytes(tmp_path):
    source = mr(tmp_path / "a.dcm")
    assert (
        capture(tmp_path / "b.dcm", source).read_bytes() == capture(tmp_path / "c.dcm", source).read_bytes()
    )


def test_picture_with_text_says_so_and_its_reader_is_warned(tmp_path):
    source = mr(tmp_path / "a.dcm")
    with pytest.warns(UserWarning, match="burned into its pixels"):
        assert read_dicom(capture(tmp_path / "b.dcm", source, burned_in=True)).values.shape == (3, 5, 3)
    assert dcmread(tmp_path / "b.dcm").BurnedInAnnotation == "YES"
    assert dcmread(capture(tmp_path / "c.dcm", source)).BurnedInAnnotation == "NO"


UIDS = {"StudyInstanceUID": "1.2.3.1", "SeriesInstanceUID": "1.2.3.2", "SOPInstanceUID": "1.2.3.3"}


def test_what_was_once_compressed_with_loss_stays_so(tmp_path):
    how = {"LossyImageCompressionRatio": ["10", "4"], "LossyImageCompressionMethod": ["ISO_10918_1"] * 2}
    make_dicom(tmp_path / "a.dcm", PatientIdentityRemoved="YES", LossyImageCompression="01", **how, **UIDS)
    dicom = dcmread(capture(tmp_path / "b.dcm", tmp_path / "a.dcm"))
    assert dicom.LossyImageCompression == "01" and dicom.LossyImageCompressionRatio == [10, 4]
    assert dicom.LossyImageCompressionMethod == ["ISO_10918_1", "ISO_10918_1"]


# ---------------------------------------------------------------------------------- what must not come over


def found(text):
    return [trace for trace in TRACES if trace in text]


@pytest.fixture(scope="module")
def secret_source(tmp_path_factory):
    """A function: a source with a secret in every element that can hold one, and `changes`."""
    folder = tmp_path_factory.mktemp("secret")

    def make(**changes):
        path = folder / f"{len(list(folder.iterdir()))}.dcm"
        make_dicom(path, **{**full_of_secrets(), **UIDS, **changes})
        dataset = dcmread(path)
        dataset.private_block(0x11, "Zyxwv", create=True).add_new(1, "LO", "Quentin")
        dataset.save_as(path)
        return path

    return make


def test_no_secret_of_an_unmarked_source_is_in_the_picture(tmp_path, secret_source):
    path = secret_source()
    written = capture(tmp_path / "b.dcm", path, patient="case 7").read_bytes().decode("latin-1")
    assert found(path.read_bytes().decode("latin-1")) == list(TRACES)
    assert found(written) == []
    dicom = dcmread(tmp_path / "b.dcm")
    assert dicom.PatientName == "" and dicom.PatientID == "case 7" and "PatientIdentityRemoved" not in dicom
    assert dicom.StudyInstanceUID == "1.2.3.1" and "SyntheticData" not in dicom


def test_unmarked_source_without_a_pseudonym_is_refused_and_not_quoted(tmp_path, secret_source):
    with pytest.raises(FileProblem, match="not marked as de-identified.*pass patient=") as caught:
        capture(tmp_path / "b.dcm", secret_source())
    assert found(str(caught.value)) == [] and not (tmp_path / "b.dcm").exists()


def test_of_a_marked_source_only_name_and_number_come_over(tmp_path, secret_source):
    path = secret_source(PatientIdentityRemoved="YES", PatientName="Case^7", PatientID="7")
    written = capture(tmp_path / "b.dcm", path).read_bytes().decode("latin-1")
    assert found(written) == []
    dicom = dcmread(tmp_path / "b.dcm")
    assert dicom.PatientName == "Case^7" and dicom.PatientID == "7"
    assert dicom.PatientIdentityRemoved == "YES" and dicom.DeidentificationMethod


def test_name_in_another_alphabet_comes_over_as_it_was(tmp_path):
    name = "Fall^Äneas=山田^太郎"
    marked = {"PatientIdentityRemoved": "YES", "SpecificCharacterSet": "ISO_IR 192"}
    make_dicom(tmp_path / "a.dcm", PatientName=name, **marked, **UIDS)
    assert dcmread(capture(tmp_path / "b.dcm", tmp_path / "a.dcm")).PatientName == name


@pytest.mark.parametrize("mark", ["NO", "yes", "", "YES\\NO"])
def test_a_mark_that_is_not_yes_is_none(tmp_path, mark):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make_dicom(tmp_path / "a.dcm", PatientName="Doe^Jane", PatientIdentityRemoved=mark, **UIDS)
    with pytest.raises(FileProblem, match="not marked") as caught:
        capture(tmp_path / "b.dcm", tmp_path / "a.dcm")
    assert "Doe" not in str(caught.value)


@pytest.mark.parametrize("keyword", [*UIDS, "SOPClassUID"])
@pytest.mark.parametrize("value", [None, "Zyxwv^Quentin", "1.2.03", "1." * 40 + "1", "1.2.3\\1.2.4", "7"])
def test_source_without_an_identifier_is_refused_and_not_quoted(tmp_path, keyword, value):
    make_dicom(tmp_path / "a.dcm", **{"PatientIdentityRemoved": "YES", **UIDS, keyword: value})
    with pytest.raises(FileProblem, match=f"a.dcm: its {keyword} is missing or no identifier") as caught:
        capture(tmp_path / "b.dcm", tmp_path / "a.dcm")
    assert found(str(caught.value)) == [] and not (tmp_path / "b.dcm").exists()


@pytest.mark.parametrize("keyword", ["PatientName", "PatientID"])
@pytest.mark.parametrize("value", ["a\\b", "x" * 65, "Zyxwv\x07"])
def test_name_or_number_that_is_none_is_refused_and_not_quoted(tmp_path, keyword, value):
    make_dicom(tmp_path / "a.dcm", **{"PatientIdentityRemoved": "YES", keyword: value, **UIDS})
    with pytest.raises(FileProblem, match=f"its {keyword} is no name or number") as caught:
        capture(tmp_path / "b.dcm", tmp_path / "a.dcm")
    assert found(str(caught.value)) == []


def test_sources_that_do_not_belong_together_are_refused(tmp_path):
    one = mr(tmp_path / "one.dcm")
    with pytest.raises(FileProblem, match="named twice"):
        capture(tmp_path / "b.dcm", [one, one])
    with pytest.raises(FileProblem, match="'one.dcm' and 'two.dcm' belong to different studies"):
        capture(tmp_path / "b.dcm", [one, mr(tmp_path / "two.dcm", patient="mr-0043")])
    for name, patient in (("p", "Case^1"), ("q", "Case^2")):
        uids = {**UIDS, "SOPInstanceUID": f"1.2.3.{ord(name)}"}
        make_dicom(tmp_path / f"{name}.dcm", PatientIdentityRemoved="YES", PatientName=patient, **uids)
    with pytest.raises(FileProblem, match="do not say the same of the patient"):
        capture(tmp_path / "b.dcm", [tmp_path / "p.dcm", tmp_path / "q.dcm"])
    with pytest.raises(ValueError, match="source is empty"):
        capture(tmp_path / "b.dcm", [])


def test_source_that_is_no_dicom_file_is_refused_by_name(tmp_path):
    (tmp_path / "note.txt").write_text("Zyxwv Quentin " * 20)
    with pytest.raises(FileProblem, match="^note.txt: not a DICOM file"):
        capture(tmp_path / "b.dcm", tmp_path / "note.txt")
    with pytest.raises(FileProblem, match="^nowhere.dcm: there is no such file"):
        capture(tmp_path / "b.dcm", tmp_path / "nowhere.dcm")


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"picture": PICTURE[..., 0]}, r"picture has shape \(3, 5\); use \(rows, columns, 3\)"),
        ({"picture": np.zeros((2, 2, 4), "uint8")}, "red, green and blue"),
        ({"picture": np.zeros((0, 2, 3), "uint8")}, "shape"),
        ({"picture": PICTURE.astype("int64")}, "picture is int64"),
        ({"picture": PICTURE > 3}, "picture is bool"),
        ({"picture": PICTURE / 200}, "goes from .* to"),
        ({"picture": PICTURE / -255}, "from 0 to 1"),
        ({"picture": np.full((2, 2, 3), np.nan)}, "from 0 to 1"),
        ({"model": ""}, "model is ''"),
        ({"model": "a\\b"}, "model is"),
        ({"version": 1}, "version is 1"),
        ({"version": "1\x00"}, "printable"),
        ({"description": "two\nlines"}, "description is"),
        ({"description": "x" * 401}, "1 to 400"),
        ({"burned_in": None}, "burned_in is None"),
        ({"burned_in": "YES"}, "burned_in is 'YES'"),
        ({"patient": "Doe^Jane"}, "pseudonym without"),
        ({"number": -1}, "whole number"),
    ],
)
def test_picture_that_cannot_be_one_is_refused_with_what_is_wrong(tmp_path, changes, said):
    source = mr(tmp_path / "a.dcm")
    with pytest.raises(ValueError, match=said):
        capture(tmp_path / "b.dcm", source, **changes)
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]


def test_secrets_that_are_planted_would_be_noticed():
    assert set(SECRET.values()) and found("x Zyxwv 19170329") == ["Zyxwv", "19170329"]
