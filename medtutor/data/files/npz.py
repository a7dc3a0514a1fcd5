"""Arrays from an npz file of somebody else: no pickles, and no more memory than the file declares."""

import math
import struct
import warnings
import zipfile

import numpy as np

from medtutor.data.files.problem import LIMIT, fault, guarded, looks_like, megabytes, opened

DAMAGED = "get it again from its source"
MEMBERS = 1000
KINDS = set("biufSU")
CHUNK = 2**20


@guarded
def read_npz(path, expected=None, *, limit=LIMIT):
    """{name: read-only array} of an npz file, as `numpy.load` gives them, but safe for files from anywhere.

    expected  {name: (kind, ndim)} of the arrays to read, others are left alone; None: all of them. kind is
              letters of numpy's kinds, any of which will do ("u", "iu", "f", "b", "U"), or a dtype such as
              "uint8"; ndim a number, or a tuple of those that will do
    limit     most bytes that the file, and all arrays read from it together, may have

    Objects (which would be unpickled, that is, run) are refused, structured types too. Sizes in the headers
    are held against archive and limit before room is made; checksums are verified. Raises FileProblem.
    """
    with opened(path, limit) as (file, size), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _check_archive(path, file, size)
        with zipfile.ZipFile(file) as archive:
            members = _members(path, archive)
            names = _wanted(path, members, expected)
            total = sum(members[name].file_size for name in names)
            if total > limit + 10_000 * len(names):
                what = f"its arrays would take {megabytes(total)}, more than the limit of {megabytes(limit)}"
                raise fault(path, what, "if the file is right, pass a larger `limit`")
            spec = expected or {}
            return {name: _array(path, archive, members[name], name, spec.get(name)) for name in names}


def _check_archive(path, file, size):
    """Refuse what is no zip archive, or one with a huge directory (PKWARE APPNOTE 4.3.16)."""
    beginning = file.read(8)
    if beginning[:4] != b"PK\x03\x04":
        raise fault(path, f"not an npz file{looks_like(beginning)}", "name an archive written by numpy.savez")
    tail_size = min(size, 2**16 + 22 + 20)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        raise fault(path, "it is truncated: the archive's directory is missing", DAMAGED)
    _, count, directory = struct.unpack("<HHI", tail[at + 8 : at + 16])
    if count > MEMBERS or directory > 2**20 or b"PK\x06\x07" in tail[max(at - 20, 0) : at]:
        raise fault(
            path, f"it has more than {MEMBERS} arrays or a directory of 1 MB", "no data set needs that"
        )
    file.seek(0)


def _members(path, archive):
    """{array name: ZipInfo}, all of them plain."""
    members = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or not name.isprintable() or len(name) > 200:
            raise fault(path, "it is a zip archive with files that are no arrays", "name an npz file")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise fault(
                path, f"array {name!r} is encrypted or packed in an unusual way", "save it by numpy.savez"
            )
        if name in members:
            raise fault(path, f"it has two arrays called {name!r}", DAMAGED)
        members[name] = info
    return members


def _wanted(path, members, expected):
    if expected is None:
        return list(members)
    missing = [name for name in expected if name not in members]
    if missing:
        there = ", ".join(sorted(members)[:20]) or "none"
        raise fault(path, f"array {missing[0]!r} is missing; there are: {there}", "is it another data set?")
    return list(expected)


def _array(path, archive, info, name, spec):
    """One array: its header checked, then exactly as many bytes as it declares."""
    with archive.open(info) as member:
        shape, fortran, dtype = _npy_header(path, member, name)
        _check_dtype(path, name, shape, dtype, spec)
        count = math.prod(shape)
        if count * dtype.itemsize != info.file_size - member.tell():
            sizes = f"{' × '.join(map(str, shape))} {dtype}"
            raise fault(path, f"array {name!r} is {sizes}, which is not what the archive holds", DAMAGED)
        flat = np.empty(count, dtype)
        room = memoryview(flat.view("u1") if count else b"")
        done = 0
        while done < len(room) and (data := member.read(min(CHUNK, len(room) - done))):
            room[done : done + len(data)] = data
            done += len(data)
        if done < len(room) or member.read(1):  # the read at the end compares the checksum
            raise fault(path, f"array {name!r} is truncated or longer than declared", DAMAGED)
    array = flat.reshape(shape, order="F" if fortran else "C")
    if not dtype.isnative:
        array = array.astype(dtype.newbyteorder("="))
    array.flags.writeable = False
    return array


def _npy_header(path, member, name):
    """(shape, is in Fortran order, dtype) by numpy's own parser, which evaluates literals only."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    read = readers.get(np.lib.format.read_magic(member))
    if read is None:
        raise fault(path, f"array {name!r} is in an unknown version of the format", "save it by numpy.savez")
    shape, fortran, dtype = read(member, max_header_size=10_000)
    if len(shape) > 32 or any(not 0 <= n < 2**40 for n in shape):
        raise fault(path, f"array {name!r} has an impossible shape", DAMAGED)
    return shape, fortran, dtype


def _check_dtype(path, name, shape, dtype, spec):
    if dtype.hasobject:
        what = f"array {name!r} holds Python objects, which can run any program when loaded"
        raise fault(path, what, "it is never loaded; ask for plain numbers")
    if dtype.kind not in KINDS or dtype.itemsize == 0:
        raise fault(path, f"array {name!r} is of type {dtype.kind!r}, no plain numbers or text", DAMAGED)
    if spec is None:
        return
    kind, ndims = spec
    right = dtype.kind in kind if set(kind) <= KINDS else dtype == np.dtype(kind)
    if not right:
        raise fault(path, f"array {name!r} is {dtype}; wanted is {kind!r}", "is it another data set?")
    ndims = (ndims,) if isinstance(ndims, int) else tuple(ndims)
    if len(shape) not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise fault(
            path, f"array {name!r} has {len(shape)} axes; wanted are {wanted}", "is it another data set?"
        )
