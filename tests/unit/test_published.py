"""Loaders of published sets: real files where they are, and small ones in the publishers' own formats."""

import csv
import gzip
import hashlib
import inspect
import io
import json
import os
import re
import tarfile
import zipfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from medtutor.data import published, registry
from medtutor.data.files import write_nifti
from medtutor.data.published import load, mitbih
from medtutor.data.registry import DataNotHere, NoChecksum, WrongChecksum

SPLITS = ("train", "val", "test")
LOADERS = {name: f for name, f in vars(published).items() if name.startswith("load_")}
OWN_COPY = ("load_ccks2017", "load_cmeee")
REAL = Path(os.environ.get("MEDTUTOR_TEST_DATA") or Path(__file__).parents[3] / "shared" / "real")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache, no mirror, no waiting."""
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MEDTUTOR_MIRROR", raising=False)
    monkeypatch.setattr(registry, "WAITS", ())
    return tmp_path / "cache"


@pytest.fixture
def real(monkeypatch):
    """The folder of real files, set as the mirror."""
    if not REAL.is_dir():
        pytest.skip("the real files are not here; MEDTUTOR_TEST_DATA can name their folder")
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(REAL))
    return REAL


@pytest.fixture
def publish(monkeypatch, tmp_path):
    """publish(name, {file: bytes}, **changes): a mirror with these files, taken for the published ones."""
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    table = dict(registry.sets())
    monkeypatch.setattr(registry, "sets", lambda: table)

    def put(name, contents, **changes):
        (tmp_path / "mirror" / name).mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            (tmp_path / "mirror" / name / file).write_bytes(content)
        digests = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
        changes.setdefault("counts", {})
        table[name] = replace(
            table[name], files=tuple(known(file, digests) for file in table[name].files), **changes
        )

    return put


def known(file, digests):
    """`file` as the registry has it, but with the checksums of a test's contents."""
    if file.members:
        return replace(
            file, members={name: digests.get(name, digest) for name, digest in file.members.items()}
        )
    return replace(file, sha256=digests.get(file.name, file.sha256), bytes=None, about_mb=1)


def numbers(folder):
    """What SOURCE.txt in a folder of real files says."""
    return (folder / "SOURCE.txt").read_text(encoding="utf-8")


def mentions(split):
    return sum(tag.startswith("B-") for tags in split.y for tag in tags)


def disjoint(splits):
    return all(not set(a.patients) & set(b.patients) for a, b in combinations(splits, 2))


@pytest.mark.parametrize("name", ["ncbi_disease", "cmedqaner"])
def test_a_tagged_corpus_has_the_counts_of_its_source(real, name):
    unit = "sentences" if name == "ncbi_disease" else "records"
    token = "tokens" if name == "ncbi_disease" else "characters"
    said = re.findall(r"(\d+)(?: \w+)? / (\d+)(?: \w+)? / (\d+)", numbers(real / name))
    assert f" {unit} / " in numbers(real / name) and f" {token} / " in numbers(real / name)
    splits = [load(name, split) for split in SPLITS]
    came = [(len(each), sum(map(len, each.x)), mentions(each)) for each in splits]
    assert came == [tuple(map(int, row)) for row in said[:3]] and len(said) == 3
    assert disjoint(splits)
    for each in splits:
        assert all(len(words) == len(tags) for words, tags in zip(each.x, each.y, strict=True))
        found = {tag[2:] for tags in each.y for tag in tags if tag != "O"}
        assert found <= set(each.classes)


def test_ncbi_disease_begins_as_the_paper_on_apc2_does(real):
    train = load("ncbi_disease", "train")
    assert train.x[0][:3] == ("Identification", "of", "APC2") and train.classes == ("Disease",)
    marked = [word for word, tag in zip(train.x[0], train.y[0], strict=True) if tag != "O"]
    assert marked == ["adenomatous", "polyposis", "coli", "tumour"]


def test_cmedqaner_is_of_characters_with_eleven_types(real):
    train = load("cmedqaner", "train")
    assert {tag[2:] for tags in train.y for tag in tags if tag != "O"} == set(train.classes)
    assert len(train.classes) == 11 and max(map(len, train.x)) == 1821
    assert all(len(character) == 1 for character in train.x[0])


def test_uci_heart_has_the_counts_of_its_source_and_the_publishers_values(real):
    splits = [load("uci_heart", split) for split in SPLITS]
    assert "num 0 none: 164; 1-4 disease: 139" in numbers(real / "uci_heart")
    assert sum(np.bincount(each.y) for each in splits).tolist() == [164, 139]
    assert [np.bincount(each.y).tolist() for each in splits] == [[98, 83], [33, 28], [33, 28]]
    assert sum(np.isnan(each.x).sum() for each in splits) == 6 and disjoint(splits)
    assert len(published.UCI_HEART_COLUMNS) == 13
    with open(real / "uci_heart" / "processed.cleveland.data", encoding="ascii") as file:
        rows = list(csv.reader(file))
    for each in splits:
        for x, y, num, patient in zip(each.x, each.y, each.extra["num"], each.patients, strict=True):
            row = rows[int(patient.removeprefix("cleveland-")) - 1]
            assert [("?" if np.isnan(value) else f"{value:.1f}") for value in x] == row[:-1]
            assert str(num) == row[-1] and y == (row[-1] != "0")


def test_the_registry_has_the_checksums_of_the_sources(real):
    for name in ("ncbi_disease", "cmedqaner", "uci_heart"):
        each = registry.published(name)
        for digest, file in re.findall(r"^([0-9a-f]{64})  (\S+)$", numbers(real / name), re.MULTILINE):
            owner, own = each.file(file)
            assert digest == (own[1] if own else owner.sha256)


def test_an_altered_pneumoniamnist_is_refused_by_its_checksum(real, monkeypatch, tmp_path, cache):
    altered = (real / "pneumoniamnist_altered" / "pneumoniamnist.npz").read_bytes()
    (tmp_path / "mirror" / "pneumoniamnist").mkdir(parents=True)
    (tmp_path / "mirror" / "pneumoniamnist" / "pneumoniamnist.npz").write_bytes(altered)
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(WrongChecksum) as caught:
        load("pneumoniamnist", "train")
    said = numbers(real / "pneumoniamnist_altered")
    came, wanted = re.search(r"MD5 is (\w+); the publisher's is (\w+)", said).groups()
    assert f"came      MD5 {came}, 3,549,652 bytes" in str(caught.value)
    assert f"expected  MD5 {wanted}, 4,170,669 bytes" in str(caught.value)
    assert not list((cache / "published" / "pneumoniamnist").iterdir())


def test_medmnist_reads_real_images_with_the_counts_of_their_source(real, publish):
    content = (real / "pneumoniamnist_altered" / "pneumoniamnist.npz").read_bytes()
    publish("pneumoniamnist", {"pneumoniamnist.npz": content})
    wanted = re.findall(r"\((\d+) / (\d+)\)", numbers(real / "pneumoniamnist_altered"))
    for split, counts in zip(SPLITS, wanted, strict=True):
        each = load("pneumoniamnist", split)
        assert tuple(map(str, np.bincount(each.y))) == counts
        assert each.x.shape == (len(each), 28, 28, 1) and 0 <= each.x.min() < 0.1 < 0.9 < each.x.max() <= 1
    assert each.classes == ("normal", "pneumonia")


def test_another_count_than_the_published_one_is_refused(real, publish):
    content = (real / "pneumoniamnist_altered" / "pneumoniamnist.npz").read_bytes()
    counts = registry.published("pneumoniamnist").counts
    publish("pneumoniamnist", {"pneumoniamnist.npz": content}, counts=counts)
    with pytest.raises(ValueError, match="train holds 3,882 examples; as published it holds 4,708"):
        load("pneumoniamnist", "train")
    assert len(load("pneumoniamnist", "val")) == 524


MEDMNIST = {
    "breastmnist": 2,
    "pneumoniamnist": 2,
    "bloodmnist": 8,
    "retinamnist": 5,
    "organamnist": 11,
    "organcmnist": 11,
    "organsmnist": 11,
}


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def medmnist(name, size, classes):
    """Arrays as MedMNIST has them, every class in every split."""
    rng = np.random.default_rng(1)
    shape = (size, size, 3) if name in ("bloodmnist", "retinamnist") else (size, size)
    arrays = {}
    for i, split in enumerate(SPLITS):
        labels = np.tile(np.arange(classes, dtype=np.uint8), 3 - i)[:, None]
        arrays[f"{split}_labels"] = labels
        arrays[f"{split}_images"] = rng.integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    return arrays


@pytest.mark.parametrize("size", [28, 64])
@pytest.mark.parametrize("name, classes", MEDMNIST.items())
def test_medmnist_gives_the_publishers_images_from_0_to_1(publish, name, classes, size):
    arrays = medmnist(name, size, classes)
    publish(name, {f"{name}{'' if size == 28 else '_64'}.npz": npz(**arrays)})
    splits = [load(name, split, size=size) for split in SPLITS]
    for split, each in zip(SPLITS, splits, strict=True):
        assert each.x.dtype == np.float32 and each.y.dtype == np.int64 and each.y.ndim == 1
        images = arrays[f"{split}_images"]
        assert each.x.shape == (*images.shape[:3], 3 if images.ndim == 4 else 1)
        assert np.array_equal(np.rint(each.x * 255).ravel(), images.ravel()) and each.bounds == (0, 1)
        assert each.y.tolist() == arrays[f"{split}_labels"].ravel().tolist()
        assert len(each.classes) == classes and len(set(each.patients)) == len(each)
    assert disjoint(splits)


def test_in_breastmnist_0_is_malignant_and_every_text_says_so(publish):
    publish("breastmnist", {"breastmnist.npz": npz(**medmnist("breastmnist", 28, 2))})
    each = load("breastmnist", "val")
    assert each.classes == ("malignant", "normal or benign")
    assert "y == 0 is malignant" in repr(each) and "malignant (y == 0" in published.load_breastmnist.__doc__


def test_medmnist_has_two_sizes(publish):
    with pytest.raises(ValueError, match="size is 128; breastmnist is loaded at 28 or 64"):
        load("breastmnist", "train", size=128)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"train_images": np.zeros((6, 28, 27), np.uint8)}, "wanted are"),
        ({"train_images": np.zeros((6, 28, 28))}, "wanted is 'uint8'"),
        ({"train_labels": np.zeros((5, 1), np.uint8)}, "wanted are"),
        ({"train_labels": np.full((6, 1), 2, np.uint8)}, "labels go from 2 to 2; wanted are 0 to 1"),
        ({"train_labels": np.array([[None]] * 6)}, "Python objects"),
    ],
)
def test_medmnist_in_another_form_is_refused(publish, change, message):
    arrays = medmnist("breastmnist", 28, 2) | change
    publish("breastmnist", {"breastmnist.npz": npz(**arrays)})
    with pytest.raises(ValueError, match=message):
        load("breastmnist", "train")


def nifti(tmp_path, values, affine):
    path = write_nifti(tmp_path / "volume.nii.gz", values, affine)
    return path.read_bytes()


def tarball(contents):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


LAS = np.diag([-1.0, 1.0, 1.0, 1.0])  # the first axis points to the left


def decathlon(tmp_path, cases):
    """Task 4 as it is published, resource forks of its packer included; a case is number: (image, mask)."""
    contents = {"./Task04_Hippocampus/dataset.json": b"{}", "./._Task04_Hippocampus": b"fork"}
    for number, (image, mask) in cases.items():
        for kind, values in (("images", image), ("labels", mask)):
            name = f"{kind}Tr/hippocampus_{number:03d}.nii.gz"
            contents[f"./Task04_Hippocampus/{name}"] = nifti(tmp_path, values, LAS)
            contents[f"./Task04_Hippocampus/{name.replace('/', '/._')}"] = b"fork"
    contents["./Task04_Hippocampus/imagesTs/hippocampus_999.nii.gz"] = b"no label, never read"
    return tarball(contents)


@pytest.fixture
def hippocampus(publish, tmp_path):
    rng = np.random.default_rng(4)
    cases = {}
    for number in (367, 1, 4, 3, 6, 7, 8, 10, 20, 21, 12):
        shape = (30 + number % 5, 40 + number % 7, 20 + number % 3)
        cases[number] = rng.uniform(1, 900, shape).astype("f4"), rng.integers(0, 3, shape, dtype="u1")
    publish("hippocampus", {"Task04_Hippocampus.tar": decathlon(tmp_path, cases)})
    return cases


def test_every_slice_of_the_hippocampus_is_there_in_a_square(hippocampus):
    splits = [load("hippocampus", split) for split in SPLITS]
    assert sum(map(len, splits)) == sum(mask.shape[2] for _, mask in hippocampus.values())
    assert disjoint(splits) and {p for each in splits for p in each.patients} == {
        f"hippocampus_{number:03d}" for number in hippocampus
    }
    for each in splits:
        assert each.x.shape == (len(each), 64, 64, 1) and each.y.shape == (len(each), 64, 64)
        assert each.x.dtype == np.float32 and each.y.dtype == np.uint8
        assert each.x.min() == 0 and each.x.max() == 1 and (each.extra["spacing"] == 1).all()
        for patient in set(each.patients):
            mine = each.patients == patient
            image, mask = hippocampus[int(patient[-3:])]
            assert np.bincount(each.y[mine].ravel())[1:].tolist() == np.bincount(mask.ravel())[1:].tolist()
            assert each.extra["slice"][mine].tolist() == list(range(mask.shape[2]))
            assert np.isclose(
                each.x[mine].sum(), np.clip(image / np.percentile(image, 99.5), 0, 1).sum(), 1e-3
            )


def test_slices_lie_as_radiologists_see_them_and_masks_lie_on_their_image(publish, tmp_path):
    image, mask = np.zeros((9, 12, 5), "f4"), np.zeros((9, 12, 5), "u1")
    image[8, 11, 0], mask[8, 11, 0] = 50, 1  # in LAS: the most left, the most front, the lowest
    image[0, 0, 4], mask[0, 0, 4] = 50, 2  # the most right, the most back, the highest
    cases = {number: (image, mask) for number in (1, 3, 5, 7, 9)}
    publish("hippocampus", {"Task04_Hippocampus.tar": decathlon(tmp_path, cases)})
    each = load("hippocampus", "test", size=16)
    top, left = (16 - 12) // 2, (16 - 9) // 2
    assert list(zip(*np.nonzero(each.y == 1), strict=True)) == [(0, top, left + 8)]
    assert list(zip(*np.nonzero(each.y == 2), strict=True)) == [(4, top + 11, left)]
    assert np.array_equal(each.x[..., 0] == 1, each.y > 0)
    assert each.classes == ("background", "anterior hippocampus", "posterior hippocampus")


def test_hippocampus_cases_are_split_by_number_and_pairs_stay_together(hippocampus):
    of = {s: sorted({int(p[-3:]) for p in load("hippocampus", s).patients}) for s in SPLITS}
    assert of == {"train": [1, 3, 4, 6, 7, 8, 10], "val": [12, 20], "test": [21, 367]}


@pytest.mark.parametrize(
    "image, mask, message",
    [
        (np.ones((9, 9, 5), "f4"), np.zeros((9, 9, 4), "u1"), "wanted is one shape"),
        (np.ones((9, 9, 5), "f4"), np.full((9, 9, 5), 3, "u1"), "its mask of 0, 1 and 2"),
        (np.full((9, 9, 5), np.nan, "f4"), np.zeros((9, 9, 5), "u1"), "must be of numbers"),
        (np.ones((70, 9, 5), "f4"), np.zeros((70, 9, 5), "u1"), r"\(9, 70\) pixels; pass a size of that"),
    ],
)
def test_a_hippocampus_that_is_not_one_is_named(publish, tmp_path, image, mask, message):
    publish("hippocampus", {"Task04_Hippocampus.tar": decathlon(tmp_path, {1: (image, mask)})})
    with pytest.raises(ValueError, match=f"hippocampus_001.*{message}"):
        load("hippocampus", "train")


@pytest.mark.parametrize("size", [0, 60, -8, 64.0, "64"])
def test_the_hippocampus_comes_in_sizes_that_a_u_net_can_halve(size):
    with pytest.raises(ValueError, match="wanted is a multiple of 8 pixels"):
        load("hippocampus", "train", size=size)


def test_a_hippocampus_archive_with_another_number_of_cases_is_refused(publish, tmp_path):
    values = np.ones((9, 9, 5), "u1")
    archive = decathlon(tmp_path, {1: (values, values)})
    publish("hippocampus", {"Task04_Hippocampus.tar": archive}, counts={"cases": 260})
    with pytest.raises(ValueError, match="cases holds 1 examples; as published it holds 260"):
        load("hippocampus", "train")


# The header of record 100 to the byte, lines ended as the publisher does; the registry knows its SHA-256.
RECORD_100 = (
    b"100 2 360 650000\r\n"
    b"100.dat 212 200 11 1024 995 -22131 0 MLII\r\n"
    b"100.dat 212 200 11 1024 1011 20052 0 V5\r\n"
    b"# 69 M 1085 1629 x1\r\n# Aldomet, Inderal\r\n"
)


def test_the_header_of_record_100_is_read_from_the_publishers_bytes(tmp_path):
    _, (algorithm, digest) = registry.published("mitbih").file("100.hea")
    assert hashlib.new(algorithm, RECORD_100).hexdigest() == digest
    (tmp_path / "100.hea").write_bytes(RECORD_100)
    assert mitbih.read_header(tmp_path / "100.hea") == {
        "channel": 0,
        "steps": 650000,
        "gain": 200,
        "zero": 1024,
        "first": 995,
        "checksum": -22131,
    }


def test_the_records_are_de_chazals_without_the_man_who_is_twice():
    ds1 = "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()
    ds2 = "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()
    assert set(mitbih.RECORDS["train"]) | set(mitbih.RECORDS["val"]) == set(ds1) - {"201"}
    assert set(mitbih.RECORDS["test"]) == set(ds2)
    assert not set(mitbih.RECORDS["train"]) & set(mitbih.RECORDS["val"])
    used = {record for records in mitbih.RECORDS.values() for record in records}
    assert not used & {"102", "104", "107", "217"}
    files = {f"{record}.{kind}" for record in used | {"201"} for kind in ("hea", "dat", "atr")}
    assert set(registry.published("mitbih").files[0].members) == files


def pack_212(first, second):
    """Two signals of 12-bit numbers in format 212, number by number."""
    packed = bytearray()
    for a, b in zip(first, second, strict=True):
        a, b = a & 0xFFF, b & 0xFFF
        packed += bytes([a & 0xFF, (b >> 8) << 4 | a >> 8, b & 0xFF])
    return bytes(packed)


def pack_annotations(marks):
    """(step, code) as an annotation file, with a rhythm text at the begin and a long way as a SKIP."""
    words, now = [28 << 10 | 5, 63 << 10 | 3, *np.frombuffer(b"(N\0\0", "<u2").tolist()], 5
    for step, code in marks:
        if step - now > 1023:
            words += [59 << 10, (step - now) >> 16, (step - now) & 0xFFFF, code << 10]
        else:
            words.append(code << 10 | step - now)
        words += [61 << 10 | 1, 62 << 10 | 1, 60 << 10 | 7]  # subtype, channel, number: no time passes
        now = step
    return np.array([*words, 0], "<u2").tobytes()


def record(name, mlii, other, marks, swapped=False):
    """The three files of a record; `swapped` as in 114, whose lead MLII is the second."""
    leads = [("V5", other), ("MLII", mlii)] if swapped else [("MLII", mlii), ("V5", other)]
    header = f"{name} 2 360 {len(mlii)}\r\n"
    for lead, values in leads:
        checksum = (int(np.sum(values)) + 2**15) % 2**16 - 2**15
        header += f"{name}.dat 212 200 11 1024 {values[0]} {checksum} 0 {lead}\r\n"
    return {
        f"{name}.hea": (header + "# 69 M 1085\r\n").encode(),
        f"{name}.dat": pack_212(*(values for _, values in leads)),
        f"{name}.atr": pack_annotations(marks),
    }


MARKS = [(50, 1), (300, 1), (700, 5), (900, 8), (1300, 14), (4000, 2), (4400, 6), (4800, 13), (4950, 1)]


@pytest.fixture
def beats(publish, monkeypatch):
    """Records 101 (train), 114 (val, leads swapped), 100 (test), drawn at random; gives lead MLII of each."""
    rng = np.random.default_rng(212)
    monkeypatch.setattr(mitbih, "RECORDS", {"train": ["101"], "val": ["114"], "test": ["100"]})
    signals, files = {}, {}
    for name in ("100", "101", "114"):
        signals[name] = rng.integers(-2048, 2048, 5000).tolist()
        other = rng.integers(-2048, 2048, 5000).tolist()
        files |= record(name, signals[name], other, MARKS, swapped=name == "114")
    publish("mitbih", files)
    return signals


@pytest.mark.parametrize("split, name", [("train", "101"), ("val", "114"), ("test", "100")])
def test_beats_are_cut_around_their_marks_in_millivolt(beats, split, name):
    each = load("mitbih", split)
    inside = [(step, code) for step, code in MARKS if code != 14 and 96 <= step <= 5000 - 160]
    assert each.x.shape == (len(inside), 256) and each.x.dtype == np.float32
    for window, (step, _) in zip(each.x, inside, strict=True):
        wanted = [(value - 1024) / 200 for value in beats[name][step - 96 : step + 160]]
        assert np.allclose(window, wanted, atol=1e-6)
    assert [each.classes[k][0] for k in each.y] == list("NVSNFQ")
    assert each.extra["symbol"].tolist() == list("NVALFQ")
    assert np.allclose(each.extra["time"] * 360, [step for step, _ in inside])
    assert np.allclose(each.extra["rr_before"] * 360, [250, 400, 200, 3100, 400, 400])
    assert np.allclose(each.extra["rr_after"] * 360, [400, 200, 3100, 400, 400, 150])
    assert set(each.patients) == {f"record-{name}"} and each.unit == "mV"


def test_a_beat_is_kept_if_its_window_just_fits(publish, monkeypatch):
    monkeypatch.setattr(mitbih, "RECORDS", {"test": ["100"]})
    marks = [(95, 1), (96, 5), (3000 - 160, 8), (3000 - 159, 1)]
    publish("mitbih", record("100", [0] * 3000, [0] * 3000, marks))
    assert load("mitbih", "test").extra["symbol"].tolist() == ["V", "A"]


def test_the_first_and_last_beat_have_a_neighbour_on_one_side_only(publish, monkeypatch):
    monkeypatch.setattr(mitbih, "RECORDS", {"test": ["100"]})
    publish("mitbih", record("100", [0] * 3000, [0] * 3000, [(500, 1), (900, 1)]))
    extra = load("mitbih", "test").extra
    assert np.isnan(extra["rr_before"]).tolist() == [True, False]
    assert np.isnan(extra["rr_after"]).tolist() == [False, True]


def changed(files, name, old, new):
    assert old in files[name]
    return files | {name: files[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    "name, old, new, message",
    [
        ("100.hea", b" 0 MLII", b" 0 V1", "no WFDB header with a lead MLII"),
        ("100.hea", b"2 360", b"2 250", "2 signals at 250 Hz"),
        ("100.hea", b"212 200 11", b"16 200 11", "wanted are 2 at 360 Hz in 212"),
        ("100.hea", b"360 3000", b"360 3001", "100.dat has 9,000 bytes; its header promises 9,003"),
        ("100.hea", b"100 2", b"nothing", "no WFDB header"),
        ("100.dat", b"\x07\0\0" * 3, b"\x07\0\0" + b"\x08\0\0" + b"\x07\0\0", "wrong first value or sum"),
        ("100.atr", b"\0\0", b"", "cut off"),
    ],
)
def test_a_record_that_does_not_fit_its_header_is_named(publish, monkeypatch, name, old, new, message):
    monkeypatch.setattr(mitbih, "RECORDS", {"test": ["100"]})
    files = record("100", [7] * 3000, [0] * 3000, [(500, 1), (900, 1)])
    if name == "100.atr":
        files["100.atr"] = files["100.atr"][:-2]
    else:
        files = changed(files, name, old, new)
    publish("mitbih", files)
    with pytest.raises(ValueError, match=message) as caught:
        load("mitbih", "test")
    assert "mitbih" in str(caught.value) and "100." in str(caught.value)


PUBTATOR = re.sub(  # a mention ends in a tab: its last column is empty
    r"(?m)^(\d+\t\d+.*)$",
    r"\1\t",
    """\
111|t|Heparin-induced thrombocytopenia.
111|a|Platelets fell in 3.5 days. Warfarin was given; no fever was seen. She had 2-vessel disease.
111	0	7	Heparin	Chemical	D006493
111	16	32	thrombocytopenia	Disease	D013921
111	62	70	Warfarin	Chemical	D014859
111	85	90	fever	Disease	D005334
111	111	125	vessel disease	Disease	-1
111	CID	D006493	D013921

222|t|Tremor after salbutamol and lithium
222|a|Tremor (D) was mild.
222	0	6	Tremor	Disease	D014202
222	13	23	salbutamol	Chemical	D000420
222	28	35	lithium	Chemical	D008094
222	36	42	Tremor	Disease	D014202
222	CID	D000420	D014202
222	CID	D008094	D014202
""",
)


# An abstract as it is in the corpus, PubMed 10457883.
RECURARIZATION = (
    "10457883|t|Recurarization in the recovery room.\n"
    "10457883|a|A case of recurarization in the recovery room is reported. Accumulation of atracurium in the "
    "intravenous line led to recurarization after flushing the line in the recovery room. A respiratory "
    "arrest with severe desaturation and bradycardia occurred. Circumstances leading to this event and the "
    "mechanisms enabling a neuromuscular blockade to occur, following the administration of a small dose of "
    "relaxant, are discussed.\n"
    "10457883\t112\t122\tatracurium\tChemical\tD001279\t\n"
    "10457883\t217\t235\trespiratory arrest\tDisease\tD012131\t\n"
    "10457883\t248\t260\tdesaturation\tDisease\tD001049\t\n"
    "10457883\t265\t276\tbradycardia\tDisease\tD001919\t\n"
    "10457883\t353\t375\tneuromuscular blockade\tDisease\tD009468\t\n"
    "10457883\tCID\tD001279\tD012131\n"
    "10457883\tCID\tD001279\tD001919\n"
    "10457883\tCID\tD001279\tD001049\n"
    "\n"
)


def cdr(texts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part, text in texts.items():
            archive.writestr(f"CDR_Data/CDR.Corpus.v010516/CDR_{part}Set.PubTator.txt", text)
            archive.writestr(f"__MACOSX/CDR_Data/CDR.Corpus.v010516/._CDR_{part}Set.PubTator.txt", "fork")
    return buffer.getvalue()


@pytest.fixture
def bc5cdr(publish):
    one, two = PUBTATOR.split("\n\n")
    texts = {
        "Training": PUBTATOR,
        "Development": re.sub("^111", "333", one, flags=re.MULTILINE) + "\n\n",
        "Test": two,
    }
    publish("bc5cdr", {"CDR_Data.zip": cdr(texts)})


def entities(words, tags):
    """["Heparin", …] from tags, the words of an entity joined by spaces."""
    found = []
    for word, tag in zip(words, tags, strict=True):
        if tag[0] == "B":
            found.append((tag[2:], word))
        elif tag[0] == "I":
            found[-1] = (found[-1][0], f"{found[-1][1]} {word}")
    return found


def test_bc5cdr_gives_sentences_with_chemicals_and_diseases(bc5cdr):
    train = load("bc5cdr", "train")
    assert [" ".join(words) for words in train.x] == [
        "Heparin - induced thrombocytopenia .",
        "Platelets fell in 3 . 5 days .",
        "Warfarin was given ; no fever was seen .",
        "She had 2 - vessel disease .",
        "Tremor after salbutamol and lithium Tremor ( D ) was mild .",
    ]
    assert [entities(*pair) for pair in zip(train.x, train.y, strict=True)] == [
        [("Chemical", "Heparin"), ("Disease", "thrombocytopenia")],
        [],
        [("Chemical", "Warfarin"), ("Disease", "fever")],
        [("Disease", "vessel disease")],
        [
            ("Disease", "Tremor"),
            ("Chemical", "salbutamol"),
            ("Chemical", "lithium"),
            ("Disease", "Tremor"),
        ],
    ]
    assert train.patients.tolist() == ["pmid-111"] * 4 + ["pmid-222"]
    assert disjoint([load("bc5cdr", split) for split in ("val", "test")])


def test_an_abstract_of_the_corpus_itself_is_read(publish):
    publish("bc5cdr", {"CDR_Data.zip": cdr({"Training": RECURARIZATION})})
    train = load("bc5cdr", "train")
    assert [entities(*pair) for pair in zip(train.x, train.y, strict=True)] == [
        [],
        [],
        [("Chemical", "atracurium")],
        [("Disease", "respiratory arrest"), ("Disease", "desaturation"), ("Disease", "bradycardia")],
        [("Disease", "neuromuscular blockade")],
    ]
    pairs = load("bc5cdr_relations", "train")
    assert dict(zip(pairs.extra["disease_id"], pairs.y, strict=True)) == {
        "D012131": 1,
        "D001049": 1,
        "D001919": 1,
        "D009468": 0,
    }


def test_of_nested_mentions_the_longest_is_kept_and_a_composite_one_has_several_ids(publish):
    text = (
        "5|t|d-amphetamine in heart and lung disease\n5|a|-\n"
        "5\t0\t13\td-amphetamine\tChemical\tD003913\t\n"
        "5\t2\t13\tamphetamine\tChemical\tD000661\t\n"
        "5\t17\t39\theart and lung disease\tDisease\tD006331|D008171\theart disease|lung disease\n"
        "5\tCID\tD003913\tD006331\n"
    )
    publish("bc5cdr", {"CDR_Data.zip": cdr({"Training": text})})
    train = load("bc5cdr", "train")
    assert entities(train.x[0], train.y[0]) == [
        ("Chemical", "d - amphetamine"),
        ("Disease", "heart and lung disease"),
    ]
    pairs = load("bc5cdr_relations", "train")
    rows = zip(pairs.extra["chemical_id"], pairs.extra["disease_id"], pairs.y, strict=True)
    assert [row for row in rows if row[2]] == [("D003913", "D006331", 1)] and len(pairs) == 4


def test_bc5cdr_relations_are_all_pairs_of_an_abstract(bc5cdr):
    train = load("bc5cdr_relations", "train")
    rows = zip(train.extra["chemical_id"], train.extra["disease_id"], train.y, strict=True)
    assert list(rows) == [
        ("D006493", "D005334", 0),
        ("D006493", "D013921", 1),
        ("D014859", "D005334", 0),
        ("D014859", "D013921", 0),
        ("D000420", "D014202", 1),
        ("D008094", "D014202", 1),
    ]
    assert train.classes == ("no relation stated", "chemical induces disease")
    for words, chemical, disease in zip(
        train.x, train.extra["chemical"], train.extra["disease"], strict=True
    ):
        named = [" ".join(words[a:b]) for a, b in (*chemical, *disease)]
        assert (
            set(named) <= {"Heparin", "Warfarin", "fever", "thrombocytopenia"} or named[1:] == ["Tremor"] * 2
        )


def test_bc5cdr_is_taken_by_an_explicit_act_only(monkeypatch, tmp_path, capsys):
    (tmp_path / "mirror" / "bc5cdr").mkdir(parents=True)
    (tmp_path / "mirror" / "bc5cdr" / "CDR_Data.zip").write_bytes(cdr({"Training": PUBTATOR}))
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    with pytest.raises(NoChecksum, match="no published checksum was found"):
        load("bc5cdr", "train")
    with pytest.raises(ValueError, match="train holds 2 examples; as published it holds 500"):
        load("bc5cdr", "train", accept_unverified=True)
    assert "pinned" in capsys.readouterr().out


def test_bc5cdr_with_other_counts_of_mentions_is_refused(publish):
    publish("bc5cdr", {"CDR_Data.zip": cdr({"Training": PUBTATOR})}, counts={"train": 2})
    with pytest.raises(ValueError, match="train has 4 chemicals; as published it has 5,203"):
        load("bc5cdr", "train")


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("111	0	7	Heparin", "111	1	8	Heparin", "the text there is 'eparin-'"),
        ("111	0	7	Heparin	Chemical	D006493	", "111	0	7	Heparin", "does not fit"),
        ("111|a|", "112|a|", "does not begin an abstract"),
        ("111|t|Heparin", "Heparin", "does not begin an abstract"),
    ],
)
def test_a_pubtator_file_with_a_fault_is_named(publish, old, new, message):
    assert old in PUBTATOR
    publish("bc5cdr", {"CDR_Data.zip": cdr({"Training": PUBTATOR.replace(old, new, 1)})})
    with pytest.raises(ValueError, match=f"CDR_TrainingSet.PubTator.txt: .*{message}"):
        load("bc5cdr", "train")


def table(columns, rows):
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerows([columns, *rows])
    return buffer.getvalue().encode()


SMILES = ["C" * n + tail for n in range(1, 51) for tail in ("O", "N")]


def esol():
    columns = ["Compound ID", "measured log solubility in mols per litre", "smiles"]
    return table(columns, [[f"mol, {i}", -0.1 * i, each] for i, each in enumerate(SMILES)])


def test_molecules_are_split_by_their_string_on_every_machine_alike(publish):
    publish("esol", {"delaney-processed.csv": esol()})
    splits = [load("esol", split) for split in SPLITS]
    assert [len(each) for each in splits] == [80, 10, 10] and disjoint(splits)
    order = sorted(SMILES, key=lambda each: hashlib.sha256(f"esol {each}".encode()).digest())
    for each, wanted in zip(splits, (order[:80], order[80:90], order[90:]), strict=True):
        assert set(each.x) == set(wanted) and each.y.dtype == np.float32
        assert np.allclose(each.y, [-0.1 * SMILES.index(smiles) for smiles in each.x])


def test_a_molecule_that_occurs_often_is_on_one_side(publish):
    rows = [[0, "name, with comma", i % 2, SMILES[i]] for i in range(100) for _ in range(1 + i % 3)]
    publish("bbbp", {"BBBP.csv": table(["num", "name", "p_np", "smiles"], rows)})
    splits = [load("bbbp", split) for split in SPLITS]
    assert disjoint(splits) and sum(map(len, splits)) == len(rows)
    assert (
        [len(set(each.x)) for each in splits] == [len(set(each.patients)) for each in splits] == [80, 10, 10]
    )
    assert sum(np.bincount(each.y) for each in splits).tolist() == np.bincount([r[2] for r in rows]).tolist()


def test_tox21_has_twelve_labels_with_gaps(publish):
    names = registry.published("tox21").classes
    rows = [[*("01"[(i + k) % 2] if k else "" for k in range(12)), f"TOX{i}", SMILES[i]] for i in range(100)]
    publish("tox21", {"tox21.csv.gz": gzip.compress(table([*names, "mol_id", "smiles"], rows))})
    for split in SPLITS:
        each = load("tox21", split)
        assert each.y.shape == (len(each), 12) and np.isnan(each.y[:, 0]).all()
        wanted = [[(SMILES.index(smiles) + k) % 2 for k in range(1, 12)] for smiles in each.x]
        assert np.array_equal(each.y[:, 1:], wanted)


@pytest.mark.parametrize(
    "name, file, content, message",
    [
        ("esol", "delaney-processed.csv", table(["smiles"], [["C"]]), "has no column 'measured log"),
        ("esol", "delaney-processed.csv", esol().replace(b"-0.1", b"high"), "a word for a number"),
        ("bbbp", "BBBP.csv", table(["p_np", "smiles"], [[2, "C"]]), "neither 0 nor 1"),
        ("bbbp", "BBBP.csv", table(["p_np", "smiles"], [[1]]), "cut off"),
        ("tox21", "tox21.csv.gz", b"no gzip", "not a sound gzip"),
        ("tox21", "tox21.csv.gz", gzip.compress(esol())[:-9], "not a sound gzip"),
    ],
)
def test_a_table_of_molecules_with_a_fault_is_named(publish, name, file, content, message):
    publish(name, {file: content})
    with pytest.raises(ValueError, match=message):
        load(name, "train")


@pytest.fixture
def ccks(tmp_path):
    for number in range(1, 21):
        folder = tmp_path / "ccks" / "01-一般项目"
        folder.mkdir(parents=True, exist_ok=True)
        text = f"患者{number}岁，头痛，右髋部骨折。"
        (folder / f"一般项目-{number}.txtoriginal.txt").write_text(text + "\n", encoding="utf-8")
        first = text.index("头痛")
        lines = [f"头痛\t{first}\t{first + 1}\t症状和体征", f"右髋部\t{first + 3}\t{first + 5}\t身体部位"]
        (folder / f"一般项目-{number}.txt").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "ccks"


def test_your_own_copy_of_ccks_is_read_and_split_by_record(ccks):
    splits = [load("ccks2017", split, folder=ccks) for split in SPLITS]
    assert [sorted(set(each.patients)) for each in splits[1:]] == [
        ["record-19", "record-9"],
        ["record-10", "record-20"],
    ]
    assert len(splits[0]) == 16 and disjoint(splits)
    for each in splits:
        for pair in zip(each.x, each.y, strict=True):
            assert entities(*pair) == [("症状和体征", "头 痛"), ("身体部位", "右 髋 部")]


@pytest.mark.parametrize(
    "line", ["头痛\t0\t1", "头痛\tx\t1\t治疗", "头痛\t0\t99\t治疗", "头痛\t3\t1\t治疗", "头痛\t0\t1\t新"]
)
def test_an_entity_of_ccks_that_does_not_fit_is_named(ccks, line):
    next(ccks.rglob("一般项目-7.txt")).write_text(line, encoding="utf-8")
    with pytest.raises(ValueError, match=r"一般项目-7\.txt: .*头痛"):
        load("ccks2017", "train", folder=ccks)


@pytest.fixture
def cmeee(tmp_path):
    def sentence(i):
        nested = [(0, 3, "dis"), (0, 1, "bod"), (6, 7, "sym")]
        entities = [{"start_idx": a, "end_idx": b, "type": kind, "entity": "…"} for a, b, kind in nested]
        return {"text": f"肺部感染可致发热{i}。", "entities": entities}

    for part, n in (("train", 20), ("dev", 5)):
        (tmp_path / f"CMeEE_{part}.json").write_text(json.dumps([sentence(i) for i in range(n)]), "utf-8")
    return tmp_path


def test_your_own_copy_of_cmeee_is_read_and_the_longest_entity_kept(cmeee):
    splits = [load("cmeee", split, folder=cmeee) for split in SPLITS]
    assert [len(each) for each in splits] == [18, 2, 5] and disjoint(splits)
    assert entities(splits[1].x[0], splits[1].y[0]) == [("dis", "肺 部 感 染"), ("sym", "发 热")]
    assert "".join(splits[1].x[0]) == "肺部感染可致发热18。"


@pytest.mark.parametrize(
    "content", ["{}", "[", '[{"text": "肺"}]', '[{"text": "肺", "entities": [{"start_idx": 0}]}]']
)
def test_a_copy_of_cmeee_in_another_form_is_named(cmeee, content):
    (cmeee / "CMeEE_dev.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="CMeEE_dev.json"):
        load("cmeee", "test", folder=cmeee)


@pytest.mark.parametrize("name", OWN_COPY)
def test_a_set_that_may_not_be_passed_on_asks_for_your_own_copy(name, tmp_path):
    with pytest.raises(DataNotHere, match=r"may not be passed on .*folder=\.\.\."):
        LOADERS[name]("train")
    with pytest.raises(DataNotHere, match="is no folder"):
        LOADERS[name]("train", folder=tmp_path / "nowhere")
    with pytest.raises(DataNotHere):
        LOADERS[name]("train", folder=tmp_path)


@pytest.mark.parametrize("name", LOADERS)
def test_without_a_network_every_loader_says_what_it_needs(name, cache):
    with pytest.raises((DataNotHere, NoChecksum)) as caught:
        LOADERS[name]("train")
    said = str(caught.value)
    if name in OWN_COPY:
        assert "your own copy" in said
    elif "bc5cdr" in name:
        with pytest.raises(
            DataNotHere, match=re.escape(str(cache / "published" / "bc5cdr" / "CDR_Data.zip"))
        ):
            LOADERS[name]("train", accept_unverified=True)
    else:
        assert "could not be fetched" in said and f"put    {cache / 'published'}" in said
        assert "from   https://" in said and "check  " in said


@pytest.mark.parametrize("name", LOADERS)
def test_a_wrong_split_is_answered_with_the_right_ones_before_anything_is_fetched(name, monkeypatch):
    monkeypatch.setattr(registry, "fetch", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(ValueError, match="split is 'dev'; use 'train', 'val' or 'test'"):
        LOADERS[name]("dev")


@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_is_documented(name):
    text = inspect.getdoc(LOADERS[name])
    assert "Source:" in text and "`patients`" in text and text.splitlines()[0].endswith((".", "?"))


def test_every_set_has_its_loader():
    names = {name.removeprefix("load_") for name in LOADERS}
    assert names - {"bc5cdr_relations"} == set(registry.sets())


def test_the_source_is_switched_by_one_word():
    with pytest.raises(ValueError, match=r"no set is called 'pneumonia_mnist'; did you mean pneumoniamnist"):
        load("pneumonia_mnist", "train")
    with pytest.raises(ValueError, match="there are: bbbp, bc5cdr,"):
        load("xyzzy", "train")


def test_load_finds_the_generated_sets_too(monkeypatch):
    import medtutor.data

    monkeypatch.setattr(medtutor.data, "load_simulated", lambda split, size: (split, size), raising=False)
    assert load("simulated", "val", size=3) == ("val", 3)
