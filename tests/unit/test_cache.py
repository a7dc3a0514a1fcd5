"""The cache: made once, never trusted unchecked, never half written."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest

from medtutor.data import cache


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "generated"


class Maker:
    """Counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "y": np.array([1, 0])}


def test_what_was_made_once_is_read_the_second_time(folder):
    make = Maker()
    first = cache.cached_arrays("set", {"n": 1}, make)
    second = cache.cached_arrays("set", {"n": 1}, make)
    assert make.calls == 1 and first.keys() == second.keys() == {"x", "y"}
    assert np.array_equal(first["x"], second["x"]) and second["x"].dtype == np.float32
    assert len(list(folder.iterdir())) == 1


def test_other_parameters_are_made_anew(folder):
    make = Maker()
    for parameters in ({"n": 1}, {"n": 2}, {"n": 1, "version": 2}):
        cache.cached_arrays("set", parameters, make)
    assert make.calls == 3 and len(list(folder.iterdir())) == 3


def damage(path, how):
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "bit":
        place = content.index(np.arange(6, dtype=np.float32).tobytes()) + 9
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    elif how == "other":
        np.savez(path.open("wb"), x=np.zeros(3), digest=np.array("0" * 64))
    elif how == "undigested":
        np.savez(path.open("wb"), x=np.zeros(3))
    else:
        path.write_bytes(b"\x80\x04K\x01.")  # a pickle


@pytest.mark.parametrize("how", ["truncated", "empty", "bit", "other", "undigested", "pickle"])
def test_a_damaged_file_is_made_again_and_mended(folder, how):
    make = Maker()
    cache.cached_arrays("set", {}, make)
    (path,) = folder.iterdir()
    damage(path, how)
    again = cache.cached_arrays("set", {}, make)
    assert make.calls == 2 and again["x"][1, 2] == 5
    cache.cached_arrays("set", {}, make)
    assert make.calls == 2


def test_a_file_of_other_parameters_under_the_same_name_is_not_trusted(folder):
    make = Maker()
    cache.cached_arrays("set", {"n": 1}, make)
    cache.cached_arrays("set", {"n": 2}, make)
    one, two = sorted(folder.iterdir())
    os.replace(one, two)
    cache.cached_arrays("set", {"n": 1}, make)
    cache.cached_arrays("set", {"n": 2}, make)
    assert make.calls == 4


def test_an_interruption_leaves_no_half_file(folder, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.cached_arrays("set", {}, Maker())
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_only_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "file"))
    make = Maker()
    for _ in range(2):
        assert cache.cached_arrays("set", {}, make)["x"].shape == (2, 3)
    assert make.calls == 2


def _write(seed):
    arrays = cache.cached_arrays("set", {}, Maker())
    return float(arrays["x"].sum())


def test_processes_that_write_at_once_do_no_harm(folder):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(_write, range(6)) == [15.0] * 6
    assert [path.suffix for path in folder.iterdir()] == [".npz"]


def test_the_usual_place_is_used_where_nothing_is_named(monkeypatch):
    monkeypatch.setenv("MEDTUTOR_CACHE", " ")
    assert cache.folder().name == "medtutor" and cache.folder() != Path()
