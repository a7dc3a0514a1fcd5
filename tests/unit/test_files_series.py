"""A folder of slices is one volume in the right order, or an error that says what does not fit."""

import numpy as np
import pytest
from test_files_dicom import item, make_dicom

from medtutor.data.files import FileProblem, read_dicom_series

AXIAL = ["1", "0", "0", "0", "1", "0"]


def slices(folder, places, *, orientation=AXIAL, first=0, **changes):
    """One file for each position; the slice number `first` + i has all pixels 10 * that."""
    for i, place in enumerate(places, first):
        elements = {
            "Modality": "CT",
            "RescaleSlope": "1",
            "RescaleIntercept": "-1000",
            "SeriesInstanceUID": "1.2.3.4",
            "ImageOrientationPatient": orientation,
            "ImagePositionPatient": [f"{v:g}" for v in place],
            "PixelSpacing": ["0.5", "0.75"],
            "PixelData": np.full(16, 10 * i, "<u2").tobytes(),
            **changes,
        }
        make_dicom(folder / f"slice{(i * 7) % 10}{i}.dcm", **elements)  # names out of order


def test_slices_are_sorted_by_place_and_have_an_affine_in_mm(tmp_path):
    slices(tmp_path, [(-20, -30, 5 + 2.5 * i) for i in range(9)])
    (tmp_path / ".hidden").write_text("left alone")
    (tmp_path / "DICOMDIR").write_text("left alone")
    ct = read_dicom_series(tmp_path)
    assert ct.values.shape == (9, 4, 4) and ct.unit == "HU" and ct.modality == "CT" and ct.frames == 9
    assert list(ct.values[:, 2, 2]) == [10 * i - 1000 for i in range(9)]
    assert ct.spacing == (2.5, 0.5, 0.75) and ct.orientation == "SPL"
    # slice 4, row 1, column 2: 20 - 2 * 0.75 to the right, 30 - 0.5 to the front, 5 + 4 * 2.5 up
    assert np.allclose(ct.affine @ [4, 1, 2, 1], [18.5, 29.5, 15, 1])


def test_slices_stored_from_head_to_feet_come_from_feet_to_head(tmp_path):
    slices(tmp_path, [(0, 0, -3 * i) for i in range(4)])
    ct = read_dicom_series(tmp_path)
    assert list(ct.values[:, 0, 0]) == [-970, -980, -990, -1000] and ct.affine[2, 3] == -9


def test_sagittal_series_is_sorted_along_its_own_normal(tmp_path):
    sagittal = [
        "0",
        "1",
        "0",
        "0",
        "0",
        "-1",
    ]  # columns run to the back, rows downwards: the normal is to the right
    slices(tmp_path, [(4 * i, 1, 2) for i in range(5)], orientation=sagittal)
    mr = read_dicom_series(tmp_path)
    assert mr.orientation == "RIP" and mr.spacing == (4, 0.5, 0.75)
    assert list(mr.values[:, 0, 0]) == [-960, -970, -980, -990, -1000]  # the leftmost was written last
    assert np.allclose(mr.affine @ [0, 0, 0, 1], [-16, -1, 2, 1])


def test_tilted_gantry_is_a_shear_and_not_an_error(tmp_path):
    slices(tmp_path, [(0, 0.5 * i, 2 * i) for i in range(4)])
    ct = read_dicom_series(tmp_path)
    assert np.allclose(ct.affine @ [2, 0, 0, 1], [0, -1, 4, 1])


def test_volume_turned_to_ras_keeps_each_voxel_in_its_place(tmp_path):
    slices(tmp_path, [(3, 4, 2 * i) for i in range(3)], PixelData=np.arange(16, dtype="<u2").tobytes())
    ct = read_dicom_series(tmp_path)
    ras = ct.to_ras()
    assert ras.values.shape == (4, 4, 3) and ras.orientation == "RAS"
    assert ras.spacing == (0.75, 0.5, 2)
    for k, r, c in [(0, 0, 0), (2, 1, 3), (1, 3, 0)]:
        x, y, z = np.rint(np.linalg.solve(ras.affine, ct.affine @ [k, r, c, 1])[:3]).astype(int)
        assert ras.values[x, y, z] == ct.values[k, r, c]


def test_missing_slice_is_refused_with_its_neighbours(tmp_path):
    slices(tmp_path, [(0, 0, z) for z in (0, 2, 4, 8, 10)])
    with pytest.raises(
        FileProblem, match="missing or out of place: 4 mm between '.*42?.dcm' and '.*3.dcm', 2 mm"
    ):
        read_dicom_series(tmp_path)


def test_rounded_positions_are_no_gap(tmp_path):
    slices(tmp_path, [(0, 0, z) for z in (0, 1.25, 2.51, 3.75, 5)])
    assert read_dicom_series(tmp_path).spacing[0] == pytest.approx(1.25)


def test_two_slices_at_one_position_are_refused(tmp_path):
    slices(tmp_path, [(0, 0, z) for z in (0, 2, 2, 4)])
    with pytest.raises(FileProblem, match="two slices lie at one position: 'slice"):
        read_dicom_series(tmp_path)


@pytest.mark.parametrize(
    "changes, what",
    [
        ({"SeriesInstanceUID": "1.2.3.5"}, "more than one series"),
        ({"Columns": 2, "PixelData": bytes(16)}, "differ in size: .* 4 × 4 and 4 × 2 pixels"),
        ({"PixelSpacing": ["0.5", "0.8"]}, "differ in pixel spacing"),
        ({"RescaleType": "OD"}, "its unit or colours differ"),
    ],
)
def test_slice_that_does_not_belong_is_refused(tmp_path, changes, what):
    slices(tmp_path, [(0, 0, 0), (0, 0, 1)])
    slices(tmp_path, [(0, 0, 2)], first=2, **changes)
    with pytest.raises(FileProblem, match=what):
        read_dicom_series(tmp_path)


def test_slice_of_another_direction_is_refused(tmp_path):
    slices(tmp_path, [(0, 0, 0), (0, 0, 1)])
    slices(tmp_path, [(0, 0, 2)], first=2, orientation=["1", "0", "0", "0", "0", "-1"])
    with pytest.raises(FileProblem, match="differ in orientation"):
        read_dicom_series(tmp_path)


def test_files_that_are_no_slices_are_refused_by_name(tmp_path):
    slices(tmp_path, [(0, 0, 0), (0, 0, 1)])
    (tmp_path / "notes.txt").write_text("on the patient")
    with pytest.raises(FileProblem, match="^notes.txt: not a DICOM file"):
        read_dicom_series(tmp_path)
    (tmp_path / "notes.txt").unlink()
    make_dicom(tmp_path / "report.dcm")
    with pytest.raises(FileProblem, match="^report.dcm: it has no usable position"):
        read_dicom_series(tmp_path)


def test_several_frames_in_a_slice_are_refused(tmp_path):
    slices(tmp_path, [(0, 0, 0), (0, 0, 1)], NumberOfFrames=2, PixelData=bytes(64))
    with pytest.raises(FileProblem, match="several frames already"):
        read_dicom_series(tmp_path)


def test_truncated_slice_is_refused_by_name(tmp_path):
    slices(tmp_path, [(0, 0, z) for z in range(4)])
    last = sorted(tmp_path.iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-8])
    with pytest.raises(FileProblem, match=f"^{last.name}: it is truncated"):
        read_dicom_series(tmp_path)


def test_folder_without_a_volume_is_named(tmp_path):
    with pytest.raises(FileProblem, match="the folder has no files"):
        read_dicom_series(tmp_path)
    with pytest.raises(FileProblem, match="^nowhere: there is no such folder"):
        read_dicom_series(tmp_path / "nowhere")
    slices(tmp_path, [(0, 0, 0)])
    with pytest.raises(FileProblem, match="one slice only"):
        read_dicom_series(tmp_path)


def test_volume_beyond_the_limit_is_refused_before_it_is_read(tmp_path):
    slices(tmp_path, [(0, 0, z) for z in range(40)])
    with pytest.raises(FileProblem, match="limit"):
        read_dicom_series(tmp_path, limit=2000)
    assert read_dicom_series(tmp_path, limit=4000).values.shape == (40, 4, 4)


def test_identity_of_a_series_needs_asking(tmp_path):
    slices(tmp_path, [(0, 0, z) for z in range(2)], PatientName="Doe^Jane")
    assert "Doe" not in repr(vars(read_dicom_series(tmp_path)))
    assert read_dicom_series(tmp_path, identify=True).identity["PatientName"] == "Doe^Jane"


def test_display_table_and_windows_come_with_the_volume(tmp_path):
    table = item(LUTDescriptor=[2, 0, 8], LUTData=np.array([0, 255], "<u2").tobytes())
    table["LUTData"].VR = "OW"
    slices(
        tmp_path, [(0, 0, z) for z in range(2)], WindowCenter="40", WindowWidth="80", VOILUTSequence=[table]
    )
    ct = read_dicom_series(tmp_path)
    assert ct.windows == ((40.0, 80.0),) and ct.voi is not None
