"""NIfTI volumes as an Image, and back, with sizes checked before a byte of the volume is unpacked."""

import os
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np

from medtutor.data.files.geometry import as_stored, letters
from medtutor.data.files.image import Image
from medtutor.data.files.problem import LIMIT, check_values, fault, guarded, looks_like, megabytes, opened

DAMAGED = "get it again from its source"
CHUNK = 2**20  # bytes inflated at a time, from …
PIECE = 2**15  # … bytes of the file
MEMBERS = 10_000  # of a gzip file; block gzip has one for each 64 KB
SLAB = 2**22  # values turned to float32 at a time
TO_MM = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
TO_SECONDS = {"unknown": 1.0, "sec": 1.0, "msec": 1e-3, "usec": 1e-6}
WRITABLE = ("uint8", "int16", "int32", "float32", "float64", "int8", "uint16", "uint32")


@guarded
def read_nifti(path, *, limit=LIMIT):
    """The volume in a NIfTI file (.nii or .nii.gz, NIfTI-1 or -2) as an `Image`.

    values   (x, y, z) or (x, y, z, time) float32: the stored ones times scl_slope plus scl_inter, where given
    affine   (4, 4) index and 1 -> mm in RAS+: the sform if its code is above 0, else the qform if its code is
             above 0, else the voxel sizes alone with the first axis to the left, as nibabel has it; `header`
             says which under "affine from". With the digits of float32, so that write_nifti keeps it exactly
    spacing  mm between neighbours along each axis, the lengths of the affine's columns
    step     seconds from volume to volume, for a time series
    limit    most bytes that the file, and its values as float32, may have

    Lengths in metres or micrometres (xyzt_units) are turned to mm; without a unit they are taken as mm. Free
    text of the header and extensions, which may hold a whole DICOM header, are not read. Raises FileProblem.
    """
    with opened(path, limit) as (file, size), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file, packed = _unpacked(path, file)
        header = _header(path, file)
        shape, offset = _layout(path, header, None if packed else size, limit)
        _skip(path, file, offset - header.sizeof_hdr)
        values = _values(path, file, header, shape)
        if file.read(1):
            raise fault(path, "it has more data than its header announces", DAMAGED)
    matrix, source = _affine(path, header)
    return Image(
        values=values,
        spacing=tuple(float(mm) for mm in np.linalg.norm(matrix[:3, :3], axis=0)),
        affine=matrix,
        orientation=letters(matrix),
        frames=shape[2],
        step=_step(header) if len(shape) == 4 else None,
        header=_facts(header, source),
    )


def write_nifti(path, values, affine, *, step=None):
    """Write a volume with its affine (RAS+, mm) as .nii or .nii.gz; return the path.

    values  (x, y, z) or (x, y, z, time), or a mask of bool; other types are kept, but int64 must fit int32
    affine  (4, 4), e.g. that of the image that a mask was drawn on; kept exactly as float32 (`sform`)
    step    seconds from volume to volume of a time series

    The file appears whole or not at all. Raises ValueError for what the format cannot hold.
    """
    import nibabel

    path = Path(path)
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError(f"{path.name!r} must end in .nii or .nii.gz")
    values, affine = _writable(np.asarray(values)), np.asarray(affine, dtype="float64")
    if values.ndim not in (3, 4):
        raise ValueError(f"values has shape {values.shape}; a volume is (x, y, z) or (x, y, z, time)")
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError(f"affine must be a finite (4, 4) matrix, not of shape {affine.shape}")
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec" if values.ndim == 4 else None)
    if step is not None:
        image.header.set_zooms((*image.header.get_zooms()[:3], step))
    suffix = ".nii.gz" if path.name.endswith(".gz") else ".nii"
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=suffix)
    os.close(handle)
    try:
        nibabel.save(image, part)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
    return path


def _unpacked(path, file):
    """(file to read the volume from, whether it is gzip), name and content agreeing."""
    beginning = file.read(4)
    file.seek(0)
    is_gzip, named_gzip = beginning[:2] == b"\x1f\x8b", path.name.lower().endswith(".gz")
    if named_gzip and not is_gzip:
        raise fault(path, f"it is called .gz and is not gzip data{looks_like(beginning)}", DAMAGED)
    if is_gzip and not named_gzip:
        raise fault(path, "it is gzip data", "rename it to .nii.gz if it is a NIfTI volume")
    return (Gunzipped(path, file), True) if is_gzip else (file, False)


class Gunzipped:
    """Gzip data read as a file, never more than is asked for; each member's checksum is verified.

    `gzip.GzipFile` would do, but for a file of a million empty members, with which it takes minutes.
    """

    def __init__(self, path, file, members=MEMBERS):
        self.path, self.file, self.left = path, file, members
        self.inflater, self.waiting = None, b""

    def read(self, count):
        """Up to `count` bytes, fewer at the end only."""
        parts = []
        while count > 0 and (self.inflater or self._next_member()):
            self.waiting = self.waiting or self.file.read(PIECE)
            ended = not self.waiting
            part = self.inflater.decompress(self.waiting, min(count, CHUNK))
            if ended and not part:
                raise fault(self.path, "it is truncated: its gzip data end too early", DAMAGED)
            self.waiting = self.inflater.unconsumed_tail or self.inflater.unused_data
            if self.inflater.eof:
                self.inflater = None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _next_member(self):
        """Set up the next member; False at the end of the file."""
        self.waiting = self.waiting or self.file.read(PIECE)
        if not self.waiting:
            return False
        self.left -= 1
        if self.left < 0 or not b"\x1f\x8b".startswith(self.waiting[:2]):
            raise fault(self.path, "something that is no volume follows its gzip data", DAMAGED)
        self.inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
        return True


def _read(path, file, count):
    """Exactly `count` bytes."""
    data = file.read(count)
    if len(data) < count:
        raise fault(path, "it is truncated: it ends before the data that its header announces", DAMAGED)
    return data


def _skip(path, file, count):
    for start in range(0, count, 2**20):
        _read(path, file, min(2**20, count - start))


def _header(path, file):
    """The nibabel header, of either version and byte order."""
    import nibabel

    block = _read(path, file, 4)
    sizes = {int.from_bytes(block, order): (order, block) for order in ("little", "big")}
    for size, kind in ((348, nibabel.Nifti1Header), (540, nibabel.Nifti2Header)):
        if size in sizes:
            block += _read(path, file, size - 4)
            magic = block[344:348] if size == 348 else block[4:8]
            if magic[:3] in (b"n+1", b"n+2"):
                return kind(block, {"little": "<", "big": ">"}[sizes[size][0]], check=False)
            if magic[:3] in (b"ni1", b"ni2"):
                raise fault(
                    path, "it is the header of a pair (.hdr and .img)", "convert the pair to one .nii file"
                )
        kind = ", but an Analyze header without NIfTI's mark"
    else:
        kind = looks_like(block)
    raise fault(path, f"not a NIfTI file{kind}", "name a NIfTI volume, or convert it first")


def _layout(path, header, size, limit):
    """(shape of 3 or 4 axes, offset of the data), checked against the limits and the file's size."""
    dims = [int(d) for d in header["dim"]]
    axes = dims[0]
    if not 1 <= axes <= 7 or min(dims[1 : 1 + axes]) < 1:
        raise fault(
            path, f"its header gives impossible dimensions {dims[: 1 + max(min(axes, 7), 0)]}", DAMAGED
        )
    shape = dims[1 : 1 + axes]
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    shape += [1] * (3 - len(shape))
    if len(shape) > 4:
        raise fault(
            path, f"it has {len(shape)} dimensions; 3 or 4 can be read", "take out one volume of it first"
        )
    count = int(np.prod(shape, dtype=object))
    check_values(path, count, limit)
    dtype, offset = _dtype(path, header), float(header["vox_offset"])
    if not header.sizeof_hdr <= offset <= limit or offset != int(offset):
        raise fault(path, "its header gives an impossible place for the data (vox_offset)", DAMAGED)
    needed = int(offset) + count * dtype.itemsize
    if size is not None and size != needed:
        what = "truncated" if size < needed else "longer than its header says"
        sizes = " × ".join(map(str, shape))
        raise fault(path, f"it is {what}: {sizes} values need {needed:,} bytes, it has {size:,}", DAMAGED)
    if needed > 4 * limit:
        raise fault(path, f"it would unpack to {megabytes(needed)}", "if it is right, pass a larger `limit`")
    return tuple(shape), int(offset)


def _dtype(path, header):
    try:
        dtype = header.get_data_dtype()
    except Exception:
        dtype = np.dtype("V1")
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        what = f"its values are of a type (datatype {int(header['datatype'])}) that is no real number"
        raise fault(path, what, "convert it to integers or floats first")
    return dtype


def _values(path, file, header, shape):
    """float32 values, unpacked and scaled a slab at a time, so that no second copy is held."""
    dtype = header.get_data_dtype()
    slope, inter = _scaling(path, header)
    values = np.empty(shape, dtype="float32", order="F")
    flat = values.reshape(-1, order="F")
    for start in range(0, flat.size, SLAB):
        part = flat[start : start + SLAB]
        stored = np.frombuffer(_read(path, file, part.size * dtype.itemsize), dtype)
        with np.errstate(all="ignore"):
            part[:] = stored if slope is None else stored.astype("float64") * slope + inter
    if dtype.kind != "f" and not np.isfinite(values).all():
        raise fault(path, "its scaling gives values beyond all numbers", DAMAGED)
    return values


def _scaling(path, header):
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not np.isfinite(slope):  # the format's way to say: none
        return None, None
    if not np.isfinite(inter):
        raise fault(path, "its scl_inter is no number", DAMAGED)
    return (None, None) if (slope, inter) == (1, 0) else (slope, inter)


def _units(header):
    try:
        return header.get_xyzt_units()
    except KeyError:
        return "unknown", "unknown"


def _affine(path, header):
    """(affine in mm, where it comes from)."""
    if header["sform_code"] > 0:
        matrix, source = header.get_sform(), "sform"
    elif header["qform_code"] > 0:
        matrix, source = header.get_qform(), "qform"
    else:
        matrix, source = (
            header.get_best_affine(),
            "voxel sizes only: left and right, front and back are a guess",
        )
    matrix = np.array(matrix, dtype="float64")
    matrix[:3] *= TO_MM.get(_units(header)[0], 1.0)
    matrix = as_stored(matrix)
    columns = np.linalg.norm(matrix[:3, :3], axis=0)
    flat = not np.isfinite(matrix).all() or min(columns) == 0
    if flat or abs(np.linalg.det(matrix[:3, :3] / columns)) < 1e-4:
        raise fault(path, f"its affine ({source}) squeezes space flat or is no number", DAMAGED)
    return matrix, source


def _step(header):
    """Seconds between volumes, None where the fourth axis is not time or has no length."""
    step = float(header["pixdim"][4]) * TO_SECONDS.get(_units(header)[1], float("nan"))
    return step if np.isfinite(step) and step > 0 else None


def _facts(header, source):
    space, time = _units(header)
    facts = {
        "affine from": source,
        "units": f"mm, as {space} in the file" if space != "unknown" else "taken as mm",
    }
    if header["qform_code"] > 0 and source == "sform":
        same = np.allclose(header.get_qform(), header.get_sform(), rtol=1e-3, atol=1e-2)
        facts["qform"] = "agrees" if same else "differs from the sform, and is not used"
    if header["dim"][0] > 3:
        facts["time"] = f"s, as {time} in the file" if time != "unknown" else "taken as s"
    facts["stored as"] = str(header.get_data_dtype())
    return facts


def _writable(values):
    if values.dtype == bool:
        return values.astype("uint8")
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        if values.size and (values.min() < -(2**31) or values.max() >= 2**31):
            raise ValueError("values has integers beyond 32 bits, which few readers of NIfTI understand")
        return values.astype("int32")
    if values.dtype.name not in WRITABLE:
        raise ValueError(f"values is {values.dtype}; write bool, integers or floats of at most 64 bits")
    return values
