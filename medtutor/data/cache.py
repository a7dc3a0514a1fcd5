"""A folder of the user's that keeps what is slow to make or to fetch. Nothing in it is trusted unchecked."""

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np


def folder():
    """The cache: the folder named by MEDTUTOR_CACHE, or the system's usual place for caches."""
    named = os.environ.get("MEDTUTOR_CACHE", "").strip()
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("medtutor"))


def cached_arrays(name, parameters, make):
    """The arrays that `make()` returns, as a dict by name; made once, then read from the cache.

    name        a word for people who look into the folder
    parameters  what the arrays depend on, as JSON can hold it; the version of the generator included
    make        a function without arguments that returns {name: array}; called if the cache has nothing good

    The file holds a digest of its own contents: one that is truncated, altered or of other parameters is
    made again. It is written beside and then renamed, so that an interruption leaves no half a file, and two
    processes that write at once do no harm. Where the folder cannot be written, the arrays are just returned.
    """
    key = json.dumps(parameters, sort_keys=True)
    path = folder() / "generated" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:20]}.npz"
    arrays = _read(path, key)
    if arrays is None:
        arrays = make()
        _write(path, key, arrays)
    return arrays


def _digest(key, arrays):
    sha = hashlib.sha256(key.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(array.data)
    return sha.hexdigest()


def _read(path, key):
    """The arrays in `path`, or None where there are none that can be trusted."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        digest = str(arrays.pop("digest"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError):
        return None
    return arrays if digest == _digest(key, arrays) else None


def _write(path, key, arrays):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, digest=np.array(_digest(key, arrays)), **arrays)
        os.replace(part, path)
    except OSError:
        pass
    finally:
        Path(part).unlink(missing_ok=True)
