"""DICOM files made by hand with known answers, and the real ones that come inside pydicom."""

import io
import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.data import get_charset_files, get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian

from medtutor.data.files import FileProblem, read_dicom, window
from medtutor.data.files.problem import fault, guarded


def make_dicom(path, *, syntax=ExplicitVRLittleEndian, tail=True, **elements):
    """A DICOM file of 4 x 4 pixels, 0 to 15, 16 bits; `elements` are changed, or left out where None.

    tail=False leaves the pixels out. Returns the bytes, and writes them where there is a path.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    plain = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7",
        "SOPInstanceUID": "1.2.3",
        "Modality": "OT",
        "Rows": 4,
        "Columns": 4,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": np.arange(16, dtype="<u2").tobytes(),
    }
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        for keyword, value in {**plain, **elements}.items():
            if value is not None and (tail or keyword != "PixelData"):
                setattr(dataset, keyword, value)
                if keyword == "PixelData":
                    dataset["PixelData"].VR = "OW"
                    packed = dataset.file_meta.TransferSyntaxUID.is_compressed
                    dataset["PixelData"].is_undefined_length = packed
        file = io.BytesIO()
        dataset.save_as(file, enforce_file_format=True)
    if path is not None:
        path.write_bytes(file.getvalue())
    return file.getvalue()


def item(**elements):
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def bundled(name):
    return get_testdata_file(name, download=False)


COUNT = np.arange(16, dtype="float32").reshape(4, 4)


def test_ct_with_a_rescale_is_in_hounsfield_units(tmp_path):
    make_dicom(
        tmp_path / "ct.dcm",
        Modality="CT",
        RescaleSlope="2",
        RescaleIntercept="-1000",
        PixelSpacing=["0.5", "0.75"],
        WindowCenter=["40", "-600"],
        WindowWidth=["400", "1500"],
    )
    ct = read_dicom(tmp_path / "ct.dcm")
    assert np.array_equal(ct.values, 2 * COUNT - 1000) and ct.values.dtype == "float32"
    assert (ct.unit, ct.modality, ct.spacing) == ("HU", "CT", (0.5, 0.75))
    assert ct.windows == ((40.0, 400.0), (-600.0, 1500.0))
    assert np.array_equal(ct.display(), window(ct.values, 40, 400))
    assert "CT: 4 × 4 float32, -1000 to -970 HU" in repr(ct)
    with pytest.raises(ValueError, match="read-only"):
        ct.values[0, 0] = 0


def test_real_ct_has_the_values_that_pydicom_and_the_rescale_give():
    ct = read_dicom(bundled("CT_small.dcm"))
    dicom = dcmread(bundled("CT_small.dcm"))
    assert np.array_equal(ct.values, dicom.pixel_array - 1024.0)
    assert (ct.unit, ct.spacing) == ("HU", (0.661468, 0.661468))


def test_values_without_calibration_have_no_unit(tmp_path):
    make_dicom(tmp_path / "ct.dcm", Modality="CT")
    make_dicom(tmp_path / "mr.dcm", Modality="MR", RescaleSlope="3", RescaleIntercept="1")
    assert read_dicom(tmp_path / "ct.dcm").unit == "a.u."
    mr = read_dicom(tmp_path / "mr.dcm")
    assert mr.unit == "a.u." and np.array_equal(mr.values, 3 * COUNT + 1)


def test_pet_and_dose_have_their_units(tmp_path):
    make_dicom(tmp_path / "pt.dcm", Modality="PT", Units="BQML", RescaleSlope="0.5", RescaleIntercept="0")
    make_dicom(tmp_path / "dose.dcm", Modality="RTDOSE", DoseUnits="GY", DoseGridScaling="0.25")
    assert read_dicom(tmp_path / "pt.dcm").unit == "Bq/ml"
    dose = read_dicom(tmp_path / "dose.dcm")
    assert dose.unit == "Gy" and np.array_equal(dose.values, COUNT / 4)


def test_signed_pixels_keep_their_sign(tmp_path):
    pixels = np.arange(-8, 8, dtype="<i2")
    make_dicom(tmp_path / "x.dcm", PixelRepresentation=1, PixelData=pixels.tobytes())
    assert np.array_equal(read_dicom(tmp_path / "x.dcm").values.ravel(), pixels)


def test_monochrome1_is_inverted_within_its_bits_and_looks_as_it_did(tmp_path):
    elements = {"BitsStored": 5, "HighBit": 4, "WindowCenter": "8", "WindowWidth": "9"}
    make_dicom(tmp_path / "1.dcm", PhotometricInterpretation="MONOCHROME1", **elements)
    make_dicom(tmp_path / "2.dcm", PhotometricInterpretation="MONOCHROME2", **elements)
    inverted, plain = read_dicom(tmp_path / "1.dcm"), read_dicom(tmp_path / "2.dcm")
    assert np.array_equal(inverted.values, 31 - COUNT)
    assert "31 minus" in inverted.header["inverted"] and "MONOCHROME1" in repr(inverted)
    assert np.allclose(inverted.display(), 1 - plain.display(), atol=1e-6)
    assert len(np.unique(plain.display())) > 5
    assert "inverted" not in plain.header


def test_calibrated_monochrome1_keeps_its_values_and_is_shown_inverted(tmp_path):
    elements = {"Modality": "CT", "RescaleSlope": "1", "RescaleIntercept": "-5"}
    make_dicom(tmp_path / "x.dcm", PhotometricInterpretation="MONOCHROME1", **elements)
    ct = read_dicom(tmp_path / "x.dcm")
    assert ct.unit == "HU" and np.array_equal(ct.values, COUNT - 5)
    assert ct.display(0, 10)[0, 0] == 1 and ct.display(0, 10)[3, 3] == 0


def linear(x, c, w):
    """DICOM PS3.3 C.11.2.1.2.1 for one value, with ymin 0 and ymax 1, as the standard writes it."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    elif x > c - 0.5 + (w - 1) / 2:
        return 1
    else:
        return ((x - (c - 0.5)) / (w - 1) + 0.5) * (1 - 0) + 0


@pytest.mark.parametrize(
    "centre, w", [(40, 400), (2048, 4096), (0, 100), (0, 1), (0.5, 1), (10, 2), (-7.25, 3.5)]
)
def test_window_is_the_formula_of_the_standard(centre, w):
    x = np.concatenate([np.arange(-300, 4200, 0.25), [centre - 0.5]])
    assert np.allclose(window(x, centre, w), [linear(v, centre, w) for v in x], atol=1e-6)


def test_window_has_the_standards_own_examples():
    # C.11.2.1.2.1 note 4: c = 2048, w = 4096 maps 0 to ymin and 4095 to ymax; c = 0, w = 1 is a threshold
    assert list(window([0, 4095], 2048, 4096)) == [0, 1] and 0 < window(1, 2048, 4096) < 0.001
    assert list(window([-1, -0.5, 0], 0, 1)) == [0, 0, 1]


def test_other_window_functions_are_exact():
    assert list(window([-50, 0, 25, 50, 99], 0, 100, "LINEAR_EXACT")) == [0, 0.5, 0.75, 1, 1]
    assert window(10, 0, 40, "SIGMOID") == pytest.approx(1 / (1 + np.exp(-1)))
    assert list(window([-1e6, 1e6], 0, 40, "SIGMOID")) == [0, 1]


@pytest.mark.parametrize(
    "width, function", [(0.5, "LINEAR"), (0, "LINEAR_EXACT"), (-3, "SIGMOID"), (np.nan, "LINEAR")]
)
def test_window_refuses_a_width_that_is_none(width, function):
    with pytest.raises(ValueError, match="width"):
        window([0.0], 0, width, function)
    with pytest.raises(ValueError, match="use 'LINEAR'"):
        window([0.0], 0, 10, "CUBIC")


def test_table_for_display_is_used_where_the_file_has_one(tmp_path):
    table = item(LUTDescriptor=[4, 6, 8], LUTData=np.array([255, 0, 51, 102], "<u2").tobytes())
    table["LUTData"].VR = "OW"
    make_dicom(tmp_path / "x.dcm", VOILUTSequence=[table], WindowCenter="8", WindowWidth="3")
    shown = read_dicom(tmp_path / "x.dcm").display().ravel()
    assert np.allclose(shown, [1] * 7 + [0, 0.2] + [0.4] * 7)
    make_dicom(tmp_path / "1.dcm", VOILUTSequence=[table], PhotometricInterpretation="MONOCHROME1")
    assert np.allclose(read_dicom(tmp_path / "1.dcm").display().ravel(), 1 - shown)


def test_modality_table_calibrates(tmp_path):
    table = item(
        LUTDescriptor=[16, 0, 16], LUTData=np.arange(100, 116, dtype="<u2").tobytes(), ModalityLUTType="OD"
    )
    table["LUTData"].VR = "OW"
    make_dicom(tmp_path / "x.dcm", ModalityLUTSequence=[table])
    image = read_dicom(tmp_path / "x.dcm")
    assert image.unit == "OD" and np.array_equal(image.values, COUNT + 100)


@pytest.mark.parametrize("kind", ["plain", "segmented"])
def test_palette_with_more_than_256_entries_of_8_bits_keeps_its_colours(tmp_path, kind):
    red = (np.arange(1000) // 4).astype("u1")  # pydicom 3.0.2 takes the index modulo 256 here
    tables = {"Red": red, "Green": 255 - red, "Blue": np.zeros(1000, "u1")}
    elements = {}
    for colour, table in tables.items():
        name = f"{colour}PaletteColorLookupTable"
        bits = 8 if kind == "plain" else 16
        elements[f"{name}Descriptor"] = [1000, 0, bits]
        data = table.tobytes()
        if kind == "segmented":
            wide = table.astype("<u2") * 257
            data = np.array([0, 998, *wide[:998], 1, 2, wide[-1]], "<u2").tobytes()  # discrete, then linear
        elements[f"{'Segmented' * (kind != 'plain')}{name}Data"] = data
    index = np.arange(0, 960, 60, dtype="<u2")
    make_dicom(
        tmp_path / "x.dcm", PhotometricInterpretation="PALETTE COLOR", PixelData=index.tobytes(), **elements
    )
    image = read_dicom(tmp_path / "x.dcm")
    assert image.unit == "of 255" and image.values.shape == (4, 4, 3)
    expected = np.stack([table[index] for table in tables.values()], axis=-1).reshape(4, 4, 3)
    assert np.allclose(image.values, expected, atol=1e-4)


def test_real_colour_files_become_red_green_blue():
    squares = read_dicom(bundled("SC_rgb_dcmtk_+eb+cr.dcm")).values  # uncompressed RGB, the same picture
    assert np.array_equal(squares[5, 50], [255, 0, 0])
    for name in (
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_dcmtk_+eb+cy+n1.dcm",
        "SC_rgb_jpeg_dcmtk.dcm",
        "SC_rgb_rle.dcm",
        "SC_rgb_rle_16bit.dcm",
        "SC_rgb_rle_32bit.dcm",
    ):
        image = read_dicom(bundled(name))
        assert image.unit == "of 255" and image.values.shape == (100, 100, 3), name
        assert np.abs(image.values[5, 50] - [255, 0, 0]).max() < 5, name
        assert image.display().max() <= 1
    palette = read_dicom(bundled("examples_palette.dcm"))
    assert palette.values.shape == (350, 800, 3) and palette.values.max() > 250
    assert read_dicom(bundled("examples_ybr_color.dcm")).values.shape == (30, 240, 320, 3)


@pytest.mark.parametrize("packed", ["RLE", "jp2klossless", "bigendian", "implicit", "expb"])
def test_same_picture_in_other_transfer_syntaxes_has_the_same_values(packed):
    plain = read_dicom(bundled("MR_small.dcm"))
    same = read_dicom(bundled(f"MR_small_{packed}.dcm"))
    assert np.array_equal(same.values, plain.values) and same.spacing == plain.spacing == (0.3125, 0.3125)


def test_compressed_signed_ct_of_13_bits_is_in_hounsfield_units():
    ct = read_dicom(bundled("J2K_pixelrep_mismatch.dcm"))
    assert ct.unit == "HU" and ct.values.min() == -2000 and 1000 < ct.values.max() < 3000


def test_deflated_file_is_read():
    dicom = dcmread(bundled("image_dfl.dcm"))
    assert np.array_equal(read_dicom(bundled("image_dfl.dcm")).values, dicom.pixel_array)


@pytest.mark.parametrize(
    "name, syntax",
    [("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS Lossless"), ("JPEG-lossy.dcm", "JPEG Extended")],
)
def test_missing_decoder_is_named_with_its_package(name, syntax):
    from pydicom.pixels import get_decoder

    decoder = get_decoder(dcmread(bundled(name)).file_meta.TransferSyntaxUID)
    if set(decoder.available_plugins) - {"pillow"}:
        pytest.skip("a decoder for it is installed here")
    with pytest.raises(
        FileProblem, match=f"{name}: its transfer syntax is {syntax}.*install one of:.*pylibjpeg"
    ):
        read_dicom(bundled(name))


NAMES = {  # as the files' own notes (FileInfo.txt) and DICOM PS3.5 annexes H and I give them
    "chrArab.dcm": "قباني^لنزار",
    "chrFren.dcm": "Buc^Jérôme",
    "chrGerm.dcm": "Äneas^Rüdiger",
    "chrGreek.dcm": "Διονυσιος",
    "chrH31.dcm": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "chrH32.dcm": "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    "chrHbrw.dcm": "שרון^דבורה",
    "chrI2.dcm": "Hong^Gildong=洪^吉洞=홍^길동",
    "chrRuss.dcm": "Люкceмбypг",
    "chrX1.dcm": "Wang^XiaoDong=王^小東",
    "chrX2.dcm": "Wang^XiaoDong=王^小东",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_decoded_in_their_character_set_but_only_on_demand(name):
    path = get_charset_files(name)[0]
    shown = read_dicom(path, identify=True)
    assert shown.identity["PatientName"] == NAMES[name]
    assert "IDENTIFIED" in repr(shown)
    hidden = read_dicom(path)
    assert not hidden.identity and np.array_equal(hidden.values, shown.values)


def test_burned_in_text_is_warned_of_and_never_claimed_to_be_searched_for(tmp_path):
    make_dicom(tmp_path / "x.dcm", BurnedInAnnotation="YES")
    with pytest.warns(UserWarning, match="burned into its pixels"):
        image = read_dicom(tmp_path / "x.dcm")
    assert image.header["BurnedInAnnotation"] == "YES"
    make_dicom(tmp_path / "y.dcm")
    plain = read_dicom(tmp_path / "y.dcm")
    assert plain.header["BurnedInAnnotation"] == "not stated"
    assert "not searched for burned-in text" in repr(plain)


def enhanced(path, *, positions, orientation=("1", "0", "0", "0", "1", "0"), slopes=None):
    """An enhanced CT with functional groups; frame i has all pixels i."""
    n = len(positions)
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=["0.5", "0.75"], SliceThickness="9")],
        PlaneOrientationSequence=[item(ImageOrientationPatient=list(orientation))],
    )
    each = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=list(map(str, position)))],
            PixelValueTransformationSequence=[
                item(RescaleSlope=str((slopes or [1] * n)[i]), RescaleIntercept="-10", RescaleType="HU")
            ],
        )
        for i, position in enumerate(positions)
    ]
    make_dicom(
        path,
        Modality="CT",
        NumberOfFrames=n,
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=each,
        PixelData=np.repeat(np.arange(n, dtype="<u2"), 16).tobytes(),
    )


def test_enhanced_multiframe_uses_its_functional_groups(tmp_path):
    enhanced(tmp_path / "x.dcm", positions=[(-5, 7, 20), (-5, 7, 22.5), (-5, 7, 25)], slopes=[1, 2, 3])
    ct = read_dicom(tmp_path / "x.dcm")
    assert ct.values.shape == (3, 4, 4) and ct.frames == 3 and ct.unit == "HU"
    assert list(ct.values[:, 0, 0]) == [-10, -8, -4]  # slope times frame, minus 10
    assert ct.spacing == (2.5, 0.5, 0.75)
    # slice 2, row 1, column 3 lies at (-5 + 3 * 0.75, 7 + 1 * 0.5, 20 + 2 * 2.5) to left, back, top
    assert np.allclose(ct.affine @ [2, 1, 3, 1], [2.75, -7.5, 25, 1])
    assert ct.orientation == "SPL"


def test_frames_at_uneven_places_are_no_volume(tmp_path):
    enhanced(tmp_path / "x.dcm", positions=[(0, 0, 0), (0, 0, 1), (0, 0, 5)])
    ct = read_dicom(tmp_path / "x.dcm")
    assert ct.affine is None and ct.spacing == (0.5, 0.75)
    with pytest.raises(ValueError, match="no affine"):
        ct.to_ras()


def test_dose_grid_has_the_distance_of_its_planes():
    dose = read_dicom(bundled("rtdose.dcm"))
    assert dose.values.shape == (15, 10, 10) and dose.spacing == (5.0, 10.0, 10.0)


def test_error_can_cross_processes_and_drags_nothing_along(tmp_path):
    data = make_dicom(None, PixelSpacing=["0.5000000", "0.5000000"]).replace(b"0.5000000", b"Doe^John ")
    (tmp_path / "x.dcm").write_bytes(data)
    with pytest.raises(FileProblem) as caught:
        read_dicom(tmp_path / "x.dcm")
    error = caught.value
    assert error.__context__ is None and error.__cause__ is None
    assert "Doe" not in str(error) and str(tmp_path) not in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert re.match("x.dcm: .*PixelSpacing.*; ", str(error))


def test_path_may_be_text_or_a_path():
    name = bundled("CT_small.dcm")
    assert np.array_equal(read_dicom(str(name)).values, read_dicom(Path(name)).values)


def test_larger_limit_is_the_way_out_for_a_large_file(tmp_path):
    make_dicom(tmp_path / "x.dcm")
    with pytest.raises(FileProblem, match="limit"):
        read_dicom(tmp_path / "x.dcm", limit=100)
    assert read_dicom(tmp_path / "x.dcm", limit=10_000).values.shape == (4, 4)


def test_cause_that_may_quote_the_file_is_not_chained():
    @guarded
    def read(path):
        try:
            raise KeyError("Doe^Jane")
        except KeyError:
            raise fault(path, "it is damaged", "get it again") from KeyError("Doe^Jane")

    with pytest.raises(FileProblem, match="^x.dcm: it is damaged; get it again$") as caught:
        read("folder/x.dcm")
    assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_small_file_whose_values_would_be_beyond_the_limit_is_refused(tmp_path):
    sizes = {"Rows": 64, "Columns": 64, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    data = make_dicom(tmp_path / "x.dcm", PixelData=bytes(4096), **sizes)
    assert len(data) < 10_000 < 4 * 4096  # float32 takes four times the room
    with pytest.raises(FileProblem, match="asks for 0.0 MB of values, more than the limit"):
        read_dicom(tmp_path / "x.dcm", limit=10_000)


def test_compressed_frame_of_another_size_is_not_decoded(tmp_path):
    from PIL import Image as Picture

    for suffix, syntax, kind in (("jpg", "50", "JPEG"), ("jp2", "90", "JPEG2000")):
        file = io.BytesIO()
        Picture.new("L", (24, 16)).save(file, kind)
        elements = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
        packed = encapsulate([file.getvalue()])
        make_dicom(
            tmp_path / f"{suffix}.dcm", syntax=f"1.2.840.10008.1.2.4.{syntax}", PixelData=packed, **elements
        )
        with pytest.raises(FileProblem, match="its header says 4 × 4 × 1, its compressed frame 16 × 24 × 1"):
            read_dicom(tmp_path / f"{suffix}.dcm")
