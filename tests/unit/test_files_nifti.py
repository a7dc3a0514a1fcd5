"""NIfTI volumes: values, units and affine as the header says, and back again without a change."""

import gzip
import os

import nibabel
import numpy as np
import pytest
from nibabel.testing import data_path

from medtutor.data.files import FileProblem, read_nifti, write_nifti

VALUES = np.arange(24, dtype="int16").reshape(2, 3, 4)
OBLIQUE = np.array([[-1.5, 0.1, 0.2, 40.3], [0.1, 2.25, 0.0, -17.7], [0.2, 0.0, 3.1, 5.5], [0, 0, 0, 1]])


def save(
    path,
    values=VALUES,
    affine=OBLIQUE,
    *,
    units="mm",
    codes=(1, 0),
    slope=None,
    kind=nibabel.Nifti1Image,
    step=None,
):
    """A file written by nibabel; codes are those of sform and qform."""
    image = kind(values, affine)
    image.header.set_xyzt_units(units, "sec")
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1], strip_shears=True)
    if step:
        image.header.set_zooms((*image.header.get_zooms()[:3], step))
    if slope:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize(
    "name",
    ["anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "standard.nii.gz"],
)
def test_real_volumes_have_the_values_and_affine_that_nibabel_reads(name):
    path = os.path.join(data_path, name)
    image, theirs = read_nifti(path), nibabel.load(path)
    assert np.allclose(image.values, theirs.get_fdata(), rtol=1e-6)
    assert np.allclose(image.affine, theirs.affine, atol=1e-4)
    assert np.allclose(image.spacing, theirs.header.get_zooms()[:3], rtol=1e-5)
    assert image.orientation == "".join(nibabel.aff2axcodes(theirs.affine))
    assert image.values.dtype == "float32" and not image.values.flags.writeable


def test_time_series_has_its_step_in_seconds(tmp_path):
    image = read_nifti(os.path.join(data_path, "functional.nii"))
    assert image.values.shape == (17, 21, 3, 20) and image.step == 2.0
    values = np.zeros((2, 2, 2, 5), "float32")
    made = save(tmp_path / "x.nii", values, step=1500)
    header = bytearray(made.read_bytes())
    header[123] = 2 + 16  # xyzt_units: mm and milliseconds
    made.write_bytes(header)
    assert read_nifti(made).step == 1.5


@pytest.mark.parametrize("units, factor", [("mm", 1), ("meter", 1000), ("micron", 0.001), ("unknown", 1)])
def test_lengths_of_any_unit_come_in_mm(tmp_path, units, factor):
    path = save(tmp_path / "x.nii", affine=np.diag([2.0, 3.0, 4.0, 1.0]), units=units)
    image = read_nifti(path)
    assert np.allclose(image.spacing, np.array([2, 3, 4]) * factor)
    assert np.allclose(image.affine, np.diag([2 * factor, 3 * factor, 4 * factor, 1]))
    assert ("taken as mm" in image.header["units"]) == (units == "unknown")


def test_sform_comes_before_qform_before_voxel_sizes(tmp_path):
    other = np.diag([2.0, 2, 2, 1])
    for codes, source in {(2, 1): "sform", (0, 1): "qform", (0, 0): "voxel sizes only"}.items():
        image = nibabel.Nifti1Image(VALUES, None)
        image.header.set_zooms((3, 3, 3))
        image.set_qform(np.diag([3.0, 3, 3, 1]), codes[1])
        image.set_sform(other, codes[0])
        nibabel.save(image, tmp_path / "x.nii")
        read = read_nifti(tmp_path / "x.nii")
        assert read.header["affine from"].startswith(source)
        assert abs(read.affine[0, 0]) == (2 if source == "sform" else 3)
        assert ("qform" in read.header and "differs" in read.header["qform"]) == (codes == (2, 1))


def test_slope_and_intercept_are_applied(tmp_path):
    path = save(tmp_path / "x.nii")
    header = bytearray(path.read_bytes())
    header[112:120] = np.array([2.5, -7], "<f4").tobytes()
    path.write_bytes(header)
    assert np.array_equal(read_nifti(path).values, VALUES * 2.5 - 7)
    for none in (0, np.nan, np.inf):
        header[112:120] = np.array([none, -7], "<f4").tobytes()
        path.write_bytes(header)
        assert np.array_equal(read_nifti(path).values, VALUES)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "uint16", "int32", "float32", "float64"])
def test_types_and_byte_orders(tmp_path, kind, dtype):
    save(tmp_path / "x.nii.gz", VALUES.astype(dtype), kind=kind)
    assert np.array_equal(read_nifti(tmp_path / "x.nii.gz").values, VALUES)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "source",
    [
        "sform",
        "qform",
        "meter",
        *sorted(
            f for f in os.listdir(data_path) if f in ("anatomical.nii", "example4d.nii.gz", "standard.nii.gz")
        ),
    ],
)
def test_mask_goes_out_with_exactly_the_affine_of_its_image(tmp_path, suffix, source):
    path = tmp_path / "image.nii"
    if source == "sform":
        save(path, affine=OBLIQUE + 1 / 3)
    elif source == "qform":
        save(path, affine=OBLIQUE, codes=(0, 1))
    elif source == "meter":
        save(path, affine=OBLIQUE / 1000, units="meter")
    else:
        path = os.path.join(data_path, source)
    image = read_nifti(path)
    mask = image.values.reshape(*image.values.shape[:3], -1)[..., 0] > image.values.mean()
    back = read_nifti(write_nifti(tmp_path / f"mask{suffix}", mask, image.affine))
    assert np.array_equal(back.affine, image.affine)
    assert np.array_equal(back.values, mask) and back.header["stored as"] == "uint8"
    assert np.array_equal(nibabel.load(tmp_path / f"mask{suffix}").affine, image.affine)
    assert sorted(p.name for p in tmp_path.glob("*part*")) == []


def test_series_of_volumes_goes_out_and_comes_back(tmp_path):
    values = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    back = read_nifti(write_nifti(tmp_path / "x.nii.gz", values, OBLIQUE, step=2.5))
    assert np.array_equal(back.values, values) and back.step == 2.5


@pytest.mark.parametrize(
    "name, values, affine, what",
    [
        ("x.png", VALUES, OBLIQUE, "must end in .nii"),
        ("x.nii", VALUES[0], OBLIQUE, "shape"),
        ("x.nii", VALUES, OBLIQUE[:3], "affine"),
        ("x.nii", VALUES, OBLIQUE * np.nan, "affine"),
        ("x.nii", VALUES.astype("int64") + 2**40, OBLIQUE, "32 bits"),
        ("x.nii", VALUES.astype("complex64"), OBLIQUE, "complex64"),
    ],
)
def test_what_the_format_cannot_hold_is_not_written(tmp_path, name, values, affine, what):
    with pytest.raises(ValueError, match=what):
        write_nifti(tmp_path / name, values, affine)
    assert list(tmp_path.iterdir()) == []


def test_turning_to_ras_agrees_with_nibabel(tmp_path):
    path = save(tmp_path / "x.nii")
    ras, theirs = read_nifti(path).to_ras(), nibabel.as_closest_canonical(nibabel.load(path))
    assert np.array_equal(ras.values, theirs.get_fdata()) and np.allclose(
        ras.affine, theirs.affine, atol=1e-5
    )
    assert ras.orientation == "RAS"
    assert np.allclose(ras.spacing, np.linalg.norm(ras.affine[:3, :3], axis=0))


def test_free_text_and_extensions_stay_in_the_file(tmp_path):
    image = nibabel.Nifti1Image(VALUES, OBLIQUE)
    for field in ("descrip", "aux_file", "intent_name", "db_name"):
        image.header[field] = b"Doe^Jane"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe^Jane" * 1000))
    nibabel.save(image, tmp_path / "x.nii.gz")
    read = read_nifti(tmp_path / "x.nii.gz")
    assert np.array_equal(read.values, VALUES)
    assert "Doe" not in repr(vars(read))


def test_gzip_of_several_members_is_one_volume(tmp_path):
    data = save(tmp_path / "x.nii").read_bytes()
    (tmp_path / "y.nii.gz").write_bytes(
        b"".join(gzip.compress(data[i : i + 50]) for i in range(0, len(data), 50))
    )
    assert np.array_equal(read_nifti(tmp_path / "y.nii.gz").values, VALUES)


def test_values_of_more_than_one_slab_are_all_read(tmp_path, monkeypatch):
    import medtutor.data.files.nifti as module

    monkeypatch.setattr(module, "SLAB", 7)
    monkeypatch.setattr(module, "CHUNK", 11)
    monkeypatch.setattr(module, "PIECE", 3)
    assert np.array_equal(read_nifti(save(tmp_path / "x.nii.gz")).values, VALUES)


def test_vector_field_is_refused(tmp_path):
    save(tmp_path / "x.nii", np.zeros((2, 2, 2, 1, 3), "float32"))
    with pytest.raises(FileProblem, match="5 dimensions"):
        read_nifti(tmp_path / "x.nii")


def test_volume_whose_axes_go_round_in_a_circle_is_turned_with_its_spacing(tmp_path):
    around = np.array([[0, 0, 4.0, 0], [2.0, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1]])  # points to A, S, R
    ras = read_nifti(save(tmp_path / "x.nii", affine=around)).to_ras()
    assert ras.values.shape == (4, 2, 3) and ras.spacing == (4, 2, 3)
    assert ras.values[3, 1, 2] == VALUES[1, 2, 3] and ras.values[1, 0, 2] == VALUES[0, 2, 1]
