"""Data larger than memory: checked files of about 16 MB, and arrays that read the rows asked for."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medtutor.data import cache
from medtutor.data.progress import progress

SHARD = 16 * 2**20  # bytes of a file, about
DIGEST = 32  # bytes of SHA-256 behind the array


@dataclass(frozen=True)
class Shards:
    """n records of named fields, in files of `each` records, the last one perhaps shorter."""

    paths: tuple
    each: int
    n: int

    def read(self, field, rows):
        """The field of some records, in the order of `rows`: an array in memory; no file is left open."""
        values = None
        files = rows // self.each
        for number in np.unique(files):
            records = np.load(self.paths[number], mmap_mode="r", allow_pickle=False)[field]
            if values is None:
                values = np.empty((len(rows), *records.shape[1:]), records.dtype)
            here = files == number
            values[here] = records[rows[here] - number * self.each]
        return values


class OnDisk:
    """An array (n, …) that stays on disk. Indexing reads the rows asked for into an array in memory.

    x[3], x[10:20], x[[5, 1]], x[y == 1], x[:6, ..., 1]   what an array in memory would give
    x.map(normalise)                                      the function is applied whenever rows are read
    np.asarray(x)                                         all of it, in memory
    """

    def __init__(self, shards, field, change):
        self._shards, self._field, self._change = shards, field, change
        first = change(shards.read(field, np.array([0])))
        self.shape, self.dtype, self.ndim = (shards.n, *first.shape[1:]), first.dtype, first.ndim

    def map(self, f):
        """The same with f(rows) (k, …) -> (k, …) applied to the rows that are read, each row by itself."""
        return OnDisk(self._shards, self._field, lambda rows: f(self._change(rows)))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        first, *rest = key if isinstance(key, tuple) else (key,)
        if first is None or first is Ellipsis or any(np.ndim(part) for part in rest):
            raise IndexError(
                f"{key!r} does not begin with the rows; use x[rows] or x[rows, …] with numbers and slices, "
                "or np.asarray(x) for all of it in memory"
            )
        rows = np.arange(len(self))[first]
        if rows.size == 0:
            values = np.empty((0, *self.shape[1:]), self.dtype)
        else:
            values = self._change(self._shards.read(self._field, rows.ravel()))
        values = values.reshape(*rows.shape, *self.shape[1:])
        return values[(*[slice(None)] * rows.ndim, *rest)] if rest else values

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("an array on disk cannot be had in memory without a copy")
        whole = np.empty(self.shape, dtype or self.dtype)
        for begin in range(0, len(self), self._shards.each):
            rows = slice(begin, begin + self._shards.each)
            whole[rows] = self[rows]
        return whole

    def __repr__(self):
        return f"OnDisk({' × '.join(map(str, self.shape))} {self.dtype})"


def cached_shards(name, parameters, patients, slices, record, draw):
    """The records of `patients`, drawn once and then read from the cache, never all at once: Shards.

    name, parameters  as for `cached_arrays`
    patients          their numbers, at least one
    slices            records of each patient
    record            numpy dtype of one record, with fields
    draw              patients (k,) -> {field: array (k · slices, …)}

    Files are shared by calls that differ in the number of patients alone. Each ends in a digest of itself:
    one that is missing, truncated, altered or of other parameters is drawn anew, alone; after an interruption
    the files that are there are kept. OSError where the folder cannot be written or the disk is too full.
    """
    key = json.dumps(parameters, sort_keys=True)
    place = cache.folder() / "generated" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"
    each = max(1, SHARD // (record.itemsize * slices))
    groups = [patients[begin : begin + each] for begin in range(0, len(patients), each)]
    paths = tuple(place / f"{group[0]:07d}-{len(group)}.npy" for group in groups)
    missing = [i for i, path in enumerate(paths) if not _good(path, key)]
    if missing:
        size = sum(len(groups[i]) for i in missing) * slices * record.itemsize
        _make_room(place, size)
        for i in progress(missing, f"drawing {size / 1e9:.1f} GB onto the disk, files"):
            _write(paths[i], key, record, draw(groups[i]))
    return Shards(paths, each * slices, len(patients) * slices)


def _make_room(place, size):
    """Make the folder; OSError where that, or what will be written, is more than the disk gives."""
    advice = "give fewer patients, or name another folder by MEDTUTOR_CACHE"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"{place} cannot be made ({error}), and streaming needs a place; {advice}") from None
    free = shutil.disk_usage(place).free
    if size > free:
        raise OSError(f"{place} needs {size / 1e9:.1f} GB and has {free / 1e9:.1f} GB left; {advice}")


def _digest(path, name, key, size):
    """SHA-256 of the key, the name that the file has or will have, and its first `size` bytes."""
    sha = hashlib.sha256(f"{key} {name}".encode())
    with path.open("rb") as file:
        while size and (piece := file.read(min(size, 2**20))):
            sha.update(piece)
            size -= len(piece)
    return sha.digest()


def _good(path, key):
    """Whether the file is there, whole, unaltered and what the key says."""
    try:
        size = path.stat().st_size - DIGEST
        with path.open("rb") as file:
            file.seek(size)
            return file.read() == _digest(path, path.name, key, size)
    except (OSError, ValueError):
        return False


def _write(path, key, record, arrays):
    records = np.empty(len(next(iter(arrays.values()))), record)
    for field in record.names:
        records[field] = arrays[field]
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    part = Path(part)
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, records, allow_pickle=False)
        digest = _digest(part, path.name, key, part.stat().st_size)
        with part.open("ab") as file:
            file.write(digest)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
