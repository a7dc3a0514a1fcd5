"""Arrays and tagged text: what is right is read exactly, what is wrong is named with its place."""

import re

import numpy as np
import pytest

from medtutor.data.files import FileProblem, read_npz, read_tagged

IMAGES = np.arange(24, dtype="uint8").reshape(2, 3, 4)
LABELS = np.array([[0], [1]])


@pytest.fixture
def archive(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", images=IMAGES, labels=LABELS, names=np.array(["a", "böse"]))
    return tmp_path / "set.npz"


def test_arrays_are_those_that_numpy_saved(archive):
    arrays = read_npz(archive)
    assert set(arrays) == {"images", "labels", "names"}
    assert np.array_equal(arrays["images"], IMAGES) and arrays["images"].dtype == "uint8"
    assert np.array_equal(arrays["labels"], LABELS) and list(arrays["names"]) == ["a", "böse"]
    assert not arrays["images"].flags.writeable


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6, dtype=">i4"),
        np.zeros((0, 28, 28), "uint8"),
        np.array(3.5),
        np.array([True, False]),
        np.zeros((2**21 + 5,), "uint8") + 7,
    ],
)
def test_layouts_byte_orders_and_empty_arrays(tmp_path, array):
    np.savez(tmp_path / "x.npz", a=array)
    (read,) = read_npz(tmp_path / "x.npz").values()
    assert np.array_equal(read, array) and read.shape == array.shape and read.dtype.isnative


def test_only_the_expected_arrays_are_read(archive):
    expected = {"images": ("u", 3), "labels": ("iu", (1, 2))}
    assert set(read_npz(archive, expected)) == set(expected)
    assert set(read_npz(archive, {"images": ("uint8", (3, 4))})) == {"images"}


@pytest.mark.parametrize(
    "expected, what",
    [
        ({"images": ("f", 3)}, "array 'images' is uint8; wanted is 'f'"),
        ({"images": ("uint16", 3)}, "array 'images' is uint8; wanted is 'uint16'"),
        ({"images": ("u", 4)}, "array 'images' has 3 axes; wanted are 4"),
        ({"labels": ("i", (1, 3))}, "array 'labels' has 2 axes; wanted are 1 or 3"),
        ({"pictures": ("u", 3)}, "array 'pictures' is missing; there are: images, labels, names"),
    ],
)
def test_other_array_than_expected_is_named(archive, expected, what):
    with pytest.raises(FileProblem, match=re.escape(what)):
        read_npz(archive, expected)


def test_arrays_beyond_the_limit_are_not_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(10**6))
    with pytest.raises(FileProblem, match="its arrays would take 7.6 MB, more than the limit of 1.0 MB"):
        read_npz(tmp_path / "x.npz", limit=2**20)


GOOD = "Doe\tO\nhas\tO\nlung\tB-Disease\ncancer\tI-Disease\n\nNo\tO\nflu\tB-Disease\ncold\tB-Disease\n"


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "notes.tsv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def test_sentences_and_tags_as_written(tmp_path):
    sentences, tags = read_tagged(write(tmp_path, GOOD), types=("Disease",))
    assert sentences == (("Doe", "has", "lung", "cancer"), ("No", "flu", "cold"))
    assert tags == (("O", "O", "B-Disease", "I-Disease"), ("O", "B-Disease", "B-Disease"))


@pytest.mark.parametrize(
    "change",
    [lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: "\n\n" + t + "\n\n", str.rstrip],
)
def test_marks_line_ends_and_empty_lines_change_nothing(tmp_path, change):
    assert read_tagged(write(tmp_path, change(GOOD))) == read_tagged(write(tmp_path, GOOD))


def test_characters_separated_by_a_space_with_underscores(tmp_path):
    path = write(tmp_path, "我 O\n嘴 B_body\n里 I_body\n\u3000 O\n")
    assert read_tagged(path, separator=" ", joint="_") == (
        (("我", "嘴", "里", "\u3000"),),
        (("O", "B-body", "I-body", "O"),),
    )


@pytest.mark.parametrize(
    "old, new, what",
    [
        ("No\tO", "No", "line 6 has 1 column"),
        ("No\tO", "No\tDT\tO", "line 6 has 3 columns"),
        ("No\tO", "No\t", "line 6 has 1 column"),
        ("No\tO", "N\0o\tO", "line 6 has a NUL byte"),
        ("No\tO", "No\tS-Disease", "line 6: 'S-Disease' is not O, B-type or I-type"),
        ("No\tO", "No\tDoe, Jane", "line 6: a tag is not O, B-type or I-type"),
        ("No\tO", "No\tB-Drug", "line 6: 'B-Drug' is of an unknown type; known are Disease"),
        ("No\tO", "No\tI-Disease", "line 6: I-Disease after O"),
        ("cancer\tI-Disease", "cancer\tI-Symptom", "line 4: I-Symptom after B-Disease"),
        ("No\tO", "No" * 600 + "\tO", "line 6 has 1,202 bytes, more than 1,000"),
    ],
)
def test_fault_is_reported_with_its_line_and_without_the_note(tmp_path, old, new, what):
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(FileProblem, match=f"^notes.tsv: {re.escape(what)}") as caught:
        read_tagged(path, types=("Disease", "Symptom") if "Symptom" in new else ("Disease",))
    assert "Doe" not in str(caught.value)


def test_entity_does_not_run_on_into_the_next_sentence(tmp_path):
    path = write(tmp_path, "lung\tB-Disease\n\ncancer\tI-Disease\n")
    with pytest.raises(FileProblem, match="line 3: I-Disease after O"):
        read_tagged(path)


@pytest.mark.parametrize("encoding, what", [("latin-1", "line 6, byte 2: not UTF-8"), ("utf-16", "UTF-16")])
def test_other_encodings_are_named(tmp_path, encoding, what):
    with pytest.raises(FileProblem, match=what):
        read_tagged(write(tmp_path, GOOD.replace("No\t", "Nö\t"), encoding))
