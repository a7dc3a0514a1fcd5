"""Streamed sets: the values of those in memory, from files that are checked, in memory that does not grow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medtutor.data import OnDisk, first_patients, load_mr, shards
from medtutor.data.mr import load as loading

SMALL = dict(patients=7, size=32, slices=2, contrasts=("T1", "FLAIR"))
RECORD = np.dtype([("image", "f4", (4, 4)), ("number", "i8")])
STATUS = Path("/proc/self/status")


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("MEDTUTOR_CACHE", str(folder))
        patch.setattr(shards, "SHARD", 40_000)  # some patients of 32 pixels
        yield folder


class Drawing:
    """Draws records that are told apart by their numbers, and remembers of whom."""

    def __init__(self, stop_after=None):
        self.drawn, self.stop_after = [], stop_after

    def __call__(self, patients):
        if len(self.drawn) == self.stop_after:
            raise KeyboardInterrupt
        self.drawn.append([int(patient) for patient in patients])
        numbers = np.repeat(patients, 2) * 10 + np.tile([0, 1], len(patients))
        return {"image": np.ones((len(numbers), 4, 4)) * numbers[:, None, None], "number": numbers}


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """cached(draw, patients): shards of two patients with two records each, in a fresh folder."""
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shards, "SHARD", 4 * RECORD.itemsize)

    def call(draw, patients=5, **parameters):
        return shards.cached_shards("set", parameters, np.arange(patients), 2, RECORD, draw)

    call.folder = tmp_path / "cache" / "generated"
    return call


@pytest.mark.parametrize("task", loading.CLASSES)
def test_a_streamed_set_has_the_bits_of_the_set_in_memory(task):
    memory, disk = (load_mr("val", task, stream=stream, **SMALL) for stream in (False, True))
    rows = np.random.default_rng(0).permutation(len(memory))  # each batch comes from several files
    for name in ("x", "y", *memory.extra):
        a, b = (getattr(d, name) if name in "xy" else d.extra[name] for d in (memory, disk))
        assert len(b) == len(a) and b.shape == a.shape and b.dtype == a.dtype
        assert np.array_equal(np.asarray(b), a)
        assert all(np.array_equal(b[some], a[some]) for some in (rows[:5], rows[5:6], rows[5:]))
    assert np.array_equal(disk.patients, memory.patients)
    for name in ("split", "classes", "unit", "bounds", "card"):
        assert getattr(disk, name) == getattr(memory, name)
    assert isinstance(disk.x, OnDisk) and len(disk.x._shards.paths) >= 3


@pytest.mark.parametrize(
    "key",
    [
        np.s_[3],
        np.s_[-1],
        np.s_[2:9:3],
        np.s_[:],
        np.s_[[5, 1, 5]],
        np.s_[np.arange(14) % 3 == 0],
        np.s_[:6, ..., 1],
        np.s_[4, 3:5, 2],
        np.s_[[9, 0], ..., 1],
        np.s_[np.array([[1, 2], [13, 4]])],
        np.s_[5:5],
        np.zeros(0, int),
    ],
    ids=repr,
)
def test_rows_are_chosen_as_in_memory(key):
    memory, disk = (load_mr("val", stream=stream, **SMALL).x for stream in (False, True))
    assert np.array_equal(disk[key], memory[key]) and np.shape(disk[key]) == memory[key].shape


def test_what_does_not_begin_with_rows_is_answered_with_what_does():
    x = load_mr("val", stream=True, **SMALL).x
    for key in (np.s_[..., 1], np.s_[None], np.s_[:3, [1, 2]]):
        with pytest.raises(IndexError, match=r"x\[rows\].*np\.asarray\(x\)"):
            x[key]
    for key in (14, [3, 14], -15):
        with pytest.raises(IndexError, match="out of bounds"):
            x[key]


def test_what_was_read_can_be_changed_and_the_disk_stays_as_it_is():
    x = load_mr("val", stream=True, **SMALL).x
    rows = x[:3]
    before = rows.copy()
    rows += 1
    assert np.array_equal(x[:3], before)


def test_a_function_is_applied_to_the_rows_that_are_read():
    memory, disk = (load_mr("val", stream=stream, **SMALL).x for stream in (False, True))
    read = []
    halved = disk.map(lambda x: x[:, ::2] / 2).map(lambda x: read.append(len(x)) or x + 1)
    read.clear()
    assert halved.shape == (14, 16, 32, 2) and np.array_equal(halved[3:6], memory[3:6, ::2] / 2 + 1)
    assert read == [3]


def test_a_streamed_set_prints_and_is_cut_like_one_in_memory():
    disk = load_mr("val", "lesion", stream=True, **SMALL)
    assert "14 × 32 × 32 × 2 float32 on disk, 0 to 1.5" in repr(disk)
    some = first_patients(disk, 2)
    assert some.x.shape == (4, 32, 32, 2) and len(set(some.patients)) == 2
    counts = load_mr("val", stream=True, **SMALL)
    assert re.search(r"\d+ no tumour, \d+ tumour", repr(counts))


def test_batches_hold_each_example_once_an_epoch_in_an_order_that_the_seed_decides():
    disk, memory = (load_mr("val", "lesion", stream=stream, **SMALL) for stream in (True, False))
    batches, again, other = disk.batches(4, seed=3), memory.batches(4, seed=3), disk.batches(4, seed=4)
    orders = []
    for _ in range(2):
        assert [len(batches[i][0]) for i in range(len(batches))] == [4, 4, 4, 2]
        assert sorted(batches.order) == list(range(14))
        for i in range(len(batches)):
            rows = batches.order[4 * i : 4 * i + 4]
            for ours, theirs, values in zip(batches[i], again[i], (memory.x, memory.y), strict=True):
                assert np.array_equal(ours, theirs) and np.array_equal(ours, values[rows])
        orders.append(batches.order.tolist())
        batches.on_epoch_end()
        again.on_epoch_end()
    assert orders[0] != orders[1] and orders[0] != other.order.tolist()


def test_a_net_learns_from_a_streamed_set_what_it_learns_from_one_in_memory():
    """The chapter's own training function, and `batches` given to fit, bit by bit."""
    import keras

    from medtutor.nn.classification import first_cnn, normalise, train_net

    options = {**SMALL, "patients": 40}
    weights = []
    for stream in (False, True):
        data = load_mr("train", stream=stream, **options)
        x = data.x.map(normalise) if stream else normalise(data.x)
        chapter, _ = train_net(first_cnn, x, data.y, epochs=2)
        keras.utils.set_random_seed(0)
        net = first_cnn()
        net.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
        net.fit(data.batches(16, change=lambda x, y: (normalise(x), y[:, None])), epochs=2, verbose=0)
        weights.append([*chapter.get_weights(), *net.get_weights()])
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


def test_batches_of_what_has_no_length_in_common_are_refused():
    from medtutor.data import load_notes

    with pytest.raises(ValueError, match="encode it first"):
        load_notes("val").batches()
    with pytest.raises(ValueError, match="size is 0; use a whole number from 1"):
        load_mr("val", **SMALL).batches(0)


def test_importing_the_data_module_loads_no_keras():
    code = "import medtutor.data, sys; print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_files_are_drawn_once_and_shared_by_calls_with_other_numbers_of_patients(cached):
    draw = Drawing()
    cached(draw, 5), cached(draw, 5), cached(draw, 8)
    assert draw.drawn == [[0, 1], [2, 3], [4], [4, 5], [6, 7]]
    cached(draw, 8, version=2)
    assert len(draw.drawn) == 9


def test_records_are_read_in_the_order_asked_for(cached):
    found = cached(Drawing())
    rows = np.array([9, 3, 0, 5, 4, 3])
    assert found.read("number", rows).tolist() == [41, 11, 0, 21, 20, 11]
    assert found.read("image", rows)[:, 3, 3].tolist() == [41, 11, 0, 21, 20, 11]


def test_an_interrupted_drawing_goes_on_where_it_stopped(cached):
    with pytest.raises(KeyboardInterrupt):
        cached(Drawing(stop_after=2))
    draw = Drawing()
    cached(draw)
    assert draw.drawn == [[4]]
    assert not [path for path in cached.folder.rglob("*") if path.suffix == ".part"]


def test_an_interrupted_writing_leaves_no_half_file(cached, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shards.os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            cached(Drawing())
    assert [path for path in cached.folder.rglob("*") if path.is_file()] == []


def damage(path, how):
    content = path.read_bytes()
    middle = content.index(np.float32(20).tobytes())
    path.write_bytes(
        {
            "missing": b"",
            "truncated": content[: len(content) // 2],
            "without a digest": content[: -shards.DIGEST],
            "one bit": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "one bit of the digest": content[:-1] + bytes([content[-1] ^ 1]),
            "shorter than a digest": b"\x80\x04K\x01.",
        }[how]
    )
    if how == "missing":
        path.unlink()


@pytest.mark.parametrize(
    "how",
    [
        "missing",
        "truncated",
        "without a digest",
        "one bit",
        "one bit of the digest",
        "shorter than a digest",
    ],
)
def test_a_damaged_file_alone_is_drawn_anew(cached, how):
    before = cached(Drawing())
    damage(before.paths[1], how)
    draw = Drawing()
    after = cached(draw)
    assert draw.drawn == [[2, 3]]
    assert after.read("number", np.arange(10)).tolist() == [0, 1, 10, 11, 20, 21, 30, 31, 40, 41]
    cached(draw)
    assert draw.drawn == [[2, 3]]


def test_a_file_of_other_patients_or_parameters_is_not_trusted(cached):
    one, two = cached(Drawing(), 4).paths
    one.replace(two)
    (other,) = cached(Drawing(), 2, version=2).paths
    other.replace(one)
    draw = Drawing()
    cached(draw, 4)
    assert draw.drawn == [[0, 1], [2, 3]]


def test_a_full_disk_is_told_before_anything_is_drawn(cached, monkeypatch):
    usage = shards.shutil.disk_usage(Path(__file__).parent)
    monkeypatch.setattr(shards.shutil, "disk_usage", lambda _: usage._replace(free=700))
    draw = Drawing()
    with pytest.raises(
        OSError, match="GB left; give fewer patients, or name another folder by MEDTUTOR_CACHE"
    ):
        cached(draw)
    assert draw.drawn == []
    cached(draw, 4)  # 8 records of 72 bytes
    assert len(draw.drawn) == 2


def test_a_place_that_cannot_be_written_is_told(cached, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="streaming needs a place.*MEDTUTOR_CACHE"):
        cached(Drawing())


PEAK = """
import sys
import numpy as np
from medtutor.data import load_mr, shards
from medtutor.data.mr import load as loading
from medtutor.data.mr.patient import Scan

def scan(number, sick, *, contrasts, size, slices, scanner):  # at once; the atlas would hide what is measured
    images = {contrast: np.full((slices, size, size), number % 2, "f4") for contrast in contrasts}
    label = np.full((slices, size, size), sick, "u1")
    return Scan(images, images, dict.fromkeys(contrasts, 0.1), label, label, np.arange(slices))

loading.scan_patient = scan
shards.SHARD = 4 * 2**20
options = dict(contrasts="T1", slices=20, patients=int(sys.argv[1]), stream=sys.argv[2] == "stream")
data = load_mr("train", "lesion", **options)
order = np.random.default_rng(0).permutation(len(data))
for begin in range(0, len(data), 50):
    rows = order[begin : begin + 50]
    assert np.all(data.x[rows][:, 0, 0, 0] == rows // 20 % 2) and len(data.y[rows]) == 50
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not STATUS.exists(), reason="peak memory is read where Linux tells it")
def test_four_times_as_many_slices_need_no_more_memory(tmp_path):
    """To draw, check and read them in files of 4 MB; arrays in memory grow by many times that."""

    def peak(patients, how):
        words = [sys.executable, "-c", PEAK, str(patients), how]
        environment = {**os.environ, "MEDTUTOR_CACHE": str(tmp_path / f"{patients} {how}")}
        return int(subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout)

    grown = {how: peak(100, how) - peak(25, how) for how in ("stream", "memory")}
    assert grown["stream"] < 4 * 1024 < 40 * 1024 < grown["memory"], grown
