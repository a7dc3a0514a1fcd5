"""One error for every file that is not what it says, and the checks that come before any reading."""

import os
import stat
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

LIMIT = 256 * 2**20  # bytes, of a file and of the values made from it

_BEGINNINGS = (  # what a file of the wrong kind is, by its first bytes
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x93NUMPY", "a single numpy array (.npy)"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\x5c\x01\x00\x00", "a NIfTI volume"),
    (b"\x00\x00\x01\x5c", "a NIfTI volume"),
    *((b"\x80" + bytes([protocol]), "a Python pickle, which is never loaded") for protocol in range(2, 6)),
)


class FileProblem(ValueError):
    """A file cannot be used; the message names the file, the fault, and what to do.

    The message holds the file's name without its folders, and never a value from inside the file that could
    name a patient. No other exception is chained to it, for the same reason.
    """


def fault(path, what, todo):
    """The FileProblem "NAME: what; todo"."""
    name = "".join(c if c.isprintable() else "?" for c in Path(path).name) or str(path)
    return FileProblem(f"{name}: {what}; {todo}")


def guarded(read):
    """Make `read(path, …)` raise FileProblem, and nothing else, for whatever is wrong with the file.

    Readers of damaged files stop in many ways (struct.error, IndexError, RecursionError, zlib.error …)
    and their messages quote the file. Only the exception's type is passed on, without its traceback.
    """

    @wraps(read)
    def reader(path, *args, **kwargs):
        try:
            return read(Path(path), *args, **kwargs)
        except FileProblem as problem:
            found = problem.with_traceback(None)
            found.__context__ = found.__cause__ = None
        except MemoryError:
            found = fault(path, "reading it needs more memory than there is", "lower `limit` or free memory")
        except Exception as error:
            kind = f"{type(error).__module__}.{type(error).__name__}".removeprefix("builtins.")
            what = f"it is damaged: reading stopped with {kind}"
            found = fault(path, what, "get it again from its source")
        raise found

    return reader


@contextmanager
def opened(path, limit=LIMIT):
    """(file, size) of a regular file of 1 to `limit` bytes, open for reading; FileProblem for anything else.

    Links are followed. A FIFO or a device is never waited for.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with _regular(path, flags) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise fault(path, "the file is empty", "get it again from its source")
        if size > limit:
            what = f"the file has {megabytes(size)}, more than the limit of {megabytes(limit)}"
            raise fault(path, what, f"pass limit={size} if you trust it and have the memory")
        yield file, size


def megabytes(size):
    """Bytes as people read them: "3.1 MB", or "more than a million MB"."""
    return f"{size / 2**20:,.1f} MB" if size < 2**40 else "more than a million MB"


def looks_like(beginning):
    """ ", it looks like a zip archive" for the first bytes of a known kind, else ""."""
    for magic, kind in _BEGINNINGS:
        if beginning.startswith(magic):
            return f", it looks like {kind}"
    return ""


def check_values(path, count, limit):
    """Refuse more than `limit` bytes of float32 values, before any of them is read."""
    if 4 * count > limit:
        what = (
            f"its header asks for {megabytes(4 * count)} of values, more than the limit of {megabytes(limit)}"
        )
        raise fault(path, what, "if the file is right, pass a larger `limit`")


def _regular(path, flags):
    """`path` open for reading, if it is a regular file."""
    try:
        _check_kind(path, os.stat(path).st_mode)
        handle = os.open(path, flags)
    except FileNotFoundError:
        what = "it is a link to a file that is not there" if os.path.islink(path) else "there is no such file"
        problem = fault(path, what, "check the name and the folder")
    except OSError as error:
        problem = fault(path, f"it cannot be opened ({type(error).__name__})", "check name and permissions")
    else:
        file = os.fdopen(handle, "rb")
        try:
            _check_kind(path, os.fstat(handle).st_mode)  # it may have been exchanged meanwhile
        except FileProblem:
            file.close()
            raise
        return file
    raise problem


def _check_kind(path, mode):
    if stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
        stat.S_IFSOCK: "a socket",
    }
    raise fault(path, f"it is {kinds.get(stat.S_IFMT(mode), 'no regular file')}", "name one regular file")
