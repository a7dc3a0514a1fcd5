"""A set of slices that a network drew: whoever opens one file of it, or the card, is told so."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from pydicom import dcmread

from medtutor.data import Card, read_dicom, write_dicom_slice, write_drawn

CARD = Card(
    title="Drawn slices",
    what="A FLAIR slice and the class that was asked for.",
    source="a network of this test",
    licence="CC BY 4.0",
    citation="none",
    simulated=True,
    not_for="any statement on patients",
)
X = np.random.default_rng(0).uniform(0, 1.5, (3, 6, 5))
FACTS = {
    "classes": ("no tumour", "tumour"),
    "network": "test DCGAN 1",
    "contrast": "FLAIR",
    "spacing": (3.0, 7.0, 7.0),
    "bounds": (0.0, 1.5),
    "card": CARD,
}


def write(folder, x=X, y=(0, 1, 1), **changes):
    return write_drawn(folder, x, np.array(y), **{**FACTS, **changes})


def test_every_file_says_that_it_is_synthetic_and_which_network_drew_it(tmp_path):
    files = sorted(write(tmp_path / "set").glob("*.dcm"))
    assert [file.name for file in files] == ["0001.dcm", "0002.dcm", "0003.dcm"]
    for file in files:
        dicom = dcmread(file)
        assert dicom.SyntheticData == "YES" and dicom.ManufacturerModelName == "test DCGAN 1"
        for keyword in ("ImageComments", "SeriesDescription", "DerivationDescription", "PatientComments"):
            assert "drawn" in dicom[keyword].value.lower(), keyword
            assert "simulated" not in dicom[keyword].value, keyword
        assert "drawn" in dicom.Manufacturer and "NOT FOR DIAGNOSTIC USE" in dicom.ImageComments


def test_a_simulated_slice_does_not_say_that_a_network_drew_it(tmp_path):
    path = write_dicom_slice(
        tmp_path / "x.dcm", X[0], spacing=(3.0, 7.0, 7.0), patient="mr-1", contrast="FLAIR"
    )
    assert "drawn" not in str(dcmread(path)).lower()


def test_values_and_labels_come_back_as_they_went_in(tmp_path):
    folder = write(tmp_path / "set")
    rows = list(csv.DictReader(open(folder / "labels.csv", encoding="utf-8")))
    assert [(row["file"], row["class"], row["label"], row["synthetic"]) for row in rows] == [
        ("0001.dcm", "no tumour", "0", "yes"),
        ("0002.dcm", "tumour", "1", "yes"),
        ("0003.dcm", "tumour", "1", "yes"),
    ]
    for row, values in zip(rows, X, strict=True):
        assert np.allclose(read_dicom(folder / row["file"]).values, values, atol=1.5 / 65535)


def test_no_two_drawn_slices_share_a_patient_or_a_study(tmp_path):
    dicoms = [dcmread(file) for file in sorted(write(tmp_path / "set").glob("*.dcm"))]
    for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        assert len({dicom[keyword].value for dicom in dicoms}) == 3, keyword


def test_the_card_lies_beside_them_and_says_simulated(tmp_path):
    card = (write(tmp_path / "set") / "card.txt").read_text(encoding="utf-8")
    assert "SIMULATED" in card and "any statement on patients" in card


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"x": X[..., None]}, r"slices \(n, rows, columns\)"),
        ({"y": (0, 1)}, "as many labels"),
        ({"y": (0, 1, 2)}, "0 to 1"),
        ({"y": (0.0, 1.0, 1.0)}, "number of a class"),
        ({"card": replace(CARD, simulated=False)}, "simulated=True"),
        ({"network": "two\nlines"}, "network"),
    ],
)
def test_what_cannot_be_such_a_set_is_refused_before_a_file_is_written(tmp_path, changes, words):
    with pytest.raises(ValueError, match=words):
        write(tmp_path / "set", **changes)
    assert not (tmp_path / "set").exists()


def test_a_folder_with_files_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "old.dcm").write_bytes(b"a patient")
    with pytest.raises(ValueError, match="not an empty folder"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["old.dcm"]
