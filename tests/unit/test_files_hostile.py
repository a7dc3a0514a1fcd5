"""Hostile files: each gives the one named error, soon, in little memory, and nothing in it is run."""

import gzip
import io
import json
import os
import pickle
import random
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import nibabel.testing
import numpy as np
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from test_files_dicom import make_dicom

from medtutor.data.files import FileProblem, read_dicom, read_nifti, read_npz, read_tagged

REAL = {
    "ct.dcm": get_testdata_file("CT_small.dcm", download=False),
    "mr_jpeg2000.dcm": get_testdata_file("MR_small_jp2klossless.dcm", download=False),
    "colour_jpeg.dcm": get_testdata_file("SC_rgb_jpeg_dcmtk.dcm", download=False),
    "colour_rle.dcm": get_testdata_file("SC_rgb_rle_2frame.dcm", download=False),
    "deflated.dcm": get_testdata_file("image_dfl.dcm", download=False),
    "mr_implicit.dcm": get_testdata_file("MR_small_implicit.dcm", download=False),
    "volume.nii": str(Path(nibabel.testing.data_path) / "anatomical.nii"),
    "volume.nii.gz": str(Path(nibabel.testing.data_path) / "example_nifti2.nii.gz"),
}
EITHER, ERROR = "image or error", "error"


class Marker:
    """Whoever unpickles this creates a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def good_npz():
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 28, 28), dtype="uint8")
    np.savez_compressed(file, images=images, labels=np.arange(40))
    return file.getvalue()


def good_tsv():
    return "".join(
        f"word{i}\t{'B-Disease' if i % 7 == 3 else 'O'}\n" + "\n" * (i % 9 == 8) for i in range(300)
    )


def corpus(folder):
    """[(file name, wanted)]: writes all the hostile files."""
    wanted = []

    def add(name, data, want=ERROR):
        Path(folder / name).write_bytes(data)
        wanted.append((name, want))

    sources = {name: Path(path).read_bytes() for name, path in REAL.items()}
    sources |= {"set.npz": good_npz(), "notes.tsv": good_tsv().encode()}
    for name, data in sources.items():
        for tenth in range(10):
            at = len(data) * tenth // 10
            cut = data[: data.index(b"\t", at) if name == "notes.tsv" else at] if tenth else b""
            add(f"cut_{tenth}_{name}", cut)
        bits = random.Random(name)
        for number in range(12):
            flipped = bytearray(data)
            region = len(data) if number % 2 else min(len(data), 1500)
            flipped[bits.randrange(region)] ^= 1 << bits.randrange(8)
            add(f"flip_{number}_{name}", bytes(flipped), EITHER)
    _disguises(add, folder, sources)
    _bad_dicom(add)
    _bad_nifti(add)
    _bad_npz(add, folder)
    _bad_text(add)
    return wanted


def _disguises(add, folder, sources):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "no arrays here")
    kinds = {
        "zip": archive.getvalue(),
        "pickle": pickle.dumps(Marker(folder / "MARKER")),
        "old_pickle": pickle.dumps(Marker(folder / "MARKER"), protocol=0),
        "gzip": gzip.compress(b"nothing of interest" * 1000),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(1000),
        "web_page": b"<!DOCTYPE html><html><body>404 not found</body></html>" * 10,
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "noise": random.Random(1).randbytes(5000),
    }
    for kind, data in kinds.items():
        for suffix in ("dcm", "nii", "nii.gz", "npz", "tsv"):
            add(f"{kind}_as.{suffix}", data)
    add("dicom_as.nii", sources["ct.dcm"])
    add("dicom_as.npz", sources["ct.dcm"])
    add("dicom_as.tsv", sources["ct.dcm"])
    add("nifti_as.dcm", sources["volume.nii"])
    add("nifti_as.nii.gz", sources["volume.nii"])
    add("gzip_as.nii", sources["volume.nii.gz"])
    add("npz_as.dcm", sources["set.npz"])
    add("magic_only.dcm", bytes(128) + b"DICM")
    add("magic_then_noise.dcm", bytes(128) + b"DICM" + random.Random(2).randbytes(4000))
    add("pickle_after_magic.dcm", bytes(128) + b"DICM" + pickle.dumps(Marker(folder / "MARKER")))


def dicom(**changes):
    return make_dicom(None, **changes)


def element(group, number, vr, data):
    """An element of explicit little endian, with a long length field where the VR has one."""
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return struct.pack("<HH2sHI", group, number, vr, 0, len(data)) + data
    return struct.pack("<HH2sH", group, number, vr, len(data)) + data


def _bad_dicom(add):
    for name, changes in {
        "huge_rows": {"Rows": 65535, "Columns": 65535},
        "huge_frames": {"NumberOfFrames": 2**31 - 1},
        "all_huge": {"Rows": 65535, "Columns": 65535, "NumberOfFrames": 2**31 - 1},
        "too_many_rows": {"Rows": 5},
        "too_few_rows": {"Rows": 3},
        "no_rows": {"Rows": None},
        "zero_rows": {"Rows": 0},
        "minus_frames": {"NumberOfFrames": -1},
        "bits_7": {"BitsAllocated": 7},
        "bits_128": {"BitsAllocated": 128},
        "bits_0": {"BitsAllocated": 0},
        "stored_17": {"BitsStored": 17},
        "samples_255": {"SamplesPerPixel": 255},
        "samples_3": {"SamplesPerPixel": 3},
        "no_photometric": {"PhotometricInterpretation": None},
        "photometric_unknown": {"PhotometricInterpretation": "CMYK"},
        "palette_missing": {"PhotometricInterpretation": "PALETTE COLOR"},
        "no_pixels": {"PixelData": None},
        "short_pixels": {"PixelData": bytes(10)},
        "long_pixels": {"PixelData": bytes(1000)},
        "empty_pixels": {"PixelData": b""},
        "slope_0": {"RescaleSlope": "0"},
        "slope_huge": {"RescaleSlope": "1e300"},
        "spacing_0": {"PixelSpacing": ["0", "0"]},
        "spacing_one": {"PixelSpacing": "1"},
        "spacing_minus": {"PixelSpacing": ["-1", "1"]},
        "position_short": {"ImagePositionPatient": ["1", "2"], "PixelSpacing": ["1", "1"]},
    }.items():
        add(f"{name}.dcm", dicom(**changes))
    good = dicom(RescaleSlope="1.0000000", PixelSpacing=["0.5000000", "0.5000000"])
    for name, new in {"nan": b"nan      ", "inf": b"1e999    ", "word": b"Doe^John "}.items():
        add(f"slope_{name}.dcm", good.replace(b"1.0000000", new))
        add(f"spacing_{name}.dcm", good.replace(b"0.5000000", new))
    for name, syntax in {
        "unknown": "1.2.840.10008.1.2.4.999",
        "made_up": "9.9.9.9",
        "jpeg_ls": "1.2.840.10008.1.2.4.80",
        "rle": "1.2.840.10008.1.2.5",
        "jpeg": "1.2.840.10008.1.2.4.50",
        "jpeg_2000": "1.2.840.10008.1.2.4.90",
        "mpeg": "1.2.840.10008.1.2.4.100",
        "big_endian": "1.2.840.10008.1.2.2",
    }.items():
        add(f"syntax_{name}.dcm", with_syntax(good, syntax))
    head = deflated_head()
    add("bomb_deflated.dcm", head + deflated_zeros(2 * 2**30))
    add("bomb_deflated_pixels.dcm", head + raw_deflate(good[132:] + bytes(50 * 2**20)))
    add("deflated_noise.dcm", head + random.Random(3).randbytes(3000))
    _bad_structure(add, good)
    _bad_compression(add)


def with_syntax(data, uid):
    """The file `data` with another transfer syntax, of whatever length."""
    old = b"1.2.840.10008.1.2.1\0"
    new = uid.encode() + b"\0" * (len(uid) % 2)
    return data.replace(struct.pack("<H", len(old)) + old, struct.pack("<H", len(new)) + new)


def deflated_head():
    meta = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.1.99")
    return bytes(128) + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(meta))) + meta


def raw_deflate(data):
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def deflated_zeros(size):
    """A raw deflate stream of zeros: after a full flush a block stands alone and can be repeated."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // 2**20) + packer.flush()


def _bad_structure(add, good):
    pixels = good.index(struct.pack("<HH2s", 0x7FE0, 0x10, b"OW"))
    before, after = good[:pixels], good[pixels:]
    open_sequence = struct.pack("<HH2sHI", 0x5200, 0x9230, b"SQ", 0, 2**32 - 1)
    open_item = struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
    empty_item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    sequence_end = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    for depth in (400, 20_000):
        add(f"nested_{depth}.dcm", before + (open_sequence + open_item) * depth + after)
    add("items_without_end.dcm", before + open_sequence + empty_item * 1_000_000)
    add("million_items.dcm", before + open_sequence + empty_item * 1_000_000 + sequence_end + after)
    add("million_items_2.dcm", before + element(0x5200, 0x9230, b"SQ", empty_item * 1_000_000) + after)
    tiny = b"".join(struct.pack("<HH2sH", 0x6001 + i // 65536, i % 65536, b"LO", 0) for i in range(500_000))
    add("half_a_million_elements.dcm", before + tiny + after)
    add("same_element.dcm", before + struct.pack("<HH2sH", 0x4001, 1, b"LO", 0) * 1_000_000 + after)
    for length in (2**32 - 2, 2**31, 10**6):
        add(
            f"pixels_claim_{length}.dcm",
            before + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, length) + bytes(32),
        )
        add(
            f"text_claims_{length}.dcm",
            before + struct.pack("<HH2sHI", 0x5001, 0x10, b"UT", 0, length) + after,
        )
    implicit = with_syntax(dicom(PixelSpacing=None), "1.2.840.10008.1.2")
    start = implicit.index(struct.pack("<HH", 8, 5) + b"CS") if struct.pack("<HH", 8, 5) in implicit else None
    numbers = b"1\\" * 10_000_000
    body = struct.pack("<HHI", 0x28, 0x30, len(numbers)) + numbers
    add("ten_million_spacings.dcm", (implicit[:start] if start else implicit[:300]) + body)
    un = struct.pack("<HH2sHI", 0x28, 0x30, b"UN", 0, len(numbers)) + numbers
    add("ten_million_spacings_2.dcm", dicom(PixelSpacing=None, tail=False) + un)
    add("charset_unknown.dcm", dicom(SpecificCharacterSet="NO SUCH SET"), EITHER)
    add(
        "encapsulated_but_native.dcm",
        before + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OW", 0, 2**32 - 1) + bytes(64),
    )


def _bad_compression(add):
    def packed(frames, uid, **changes):
        return dicom(syntax=uid, PixelData=encapsulate(frames), **changes)

    size = struct.pack(">HHIIIIIIIIH", 41, 0, 60000, 60000, 0, 0, 60000, 60000, 0, 0, 1)
    bomb = b"\xff\x4f\xff\x51" + size + bytes([15, 1, 1]) + bytes(200)
    jpeg_2000, jpeg, rle = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.5"
    add("bomb_jpeg_2000.dcm", packed([bomb], jpeg_2000))
    add("bomb_jpeg_2000_honest.dcm", packed([bomb], jpeg_2000, Rows=60000, Columns=60000))
    frame = b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65500, 65500, 1) + bytes(3)
    add("bomb_jpeg.dcm", packed([frame + bytes(200)], jpeg, BitsAllocated=8, BitsStored=8, HighBit=7))
    progressive = b"\xff\xd8\xff\xc2" + struct.pack(">HBHHB", 11, 8, 4, 4, 1) + bytes(3)
    add("progressive.dcm", packed([progressive + bytes(99)], jpeg, BitsAllocated=8, BitsStored=8, HighBit=7))

    def run_lengths(first, second):
        return struct.pack("<16I", 2, 64, 64 + len(first), *[0] * 13) + first + second

    fine = bytes([256 - 15, 7])
    add("bomb_rle.dcm", packed([run_lengths(b"\x81\x00" * 1_000_000, fine)], rle))
    add("rle_idle.dcm", packed([run_lengths(b"\x80" * 5_000_000, fine)], rle))
    add("rle_short.dcm", packed([run_lengths(fine, b"\x81\x00"[:1])], rle))
    add("rle_offsets.dcm", packed([struct.pack("<16I", 2, 2**32 - 1, 5, *[0] * 13) + fine], rle))
    add("rle_segments.dcm", packed([struct.pack("<16I", 99, *[64] * 15) + fine], rle))
    sparse = run_lengths(b"\x81\x00" * 100, b"\x81\x00" * 100)
    add("bomb_rle_honest.dcm", packed([sparse], rle, Rows=8000, Columns=8000))
    add(
        "million_fragments.dcm",
        packed([bytes(2)], rle)[:-8] + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 1_000_000,
    )
    tables = {
        f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 16] for colour in ("Red", "Green", "Blue")
    }
    linear = struct.pack("<HHH", 0, 1, 5) + struct.pack("<HHH", 1, 65535, 9) * 10_000
    indirect = struct.pack("<HHH", 0, 1, 5) + struct.pack("<HHHH", 2, 65535, 0, 0) * 100
    for name, table in {"linear": linear, "indirect": indirect, "short": b"\0\0"}.items():
        segments = {
            f"Segmented{colour}PaletteColorLookupTableData": table for colour in ("Red", "Green", "Blue")
        }
        add(f"palette_{name}.dcm", dicom(PhotometricInterpretation="PALETTE COLOR", **tables, **segments))


def nifti(dims=(3, 4, 4, 2, 1, 1, 1, 1), datatype=4, bits=16, offset=352.0, data=None, **fields):
    """A NIfTI-1 file by hand (nifti1.h): header of 348 bytes, four zero bytes, data."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *dims)
    struct.pack_into("<hh", header, 70, datatype, bits)
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<fff", header, 108, offset, fields.get("slope", 1.0), fields.get("inter", 0.0))
    struct.pack_into("<hh", header, 252, 0, 1)
    struct.pack_into("<12f", header, 280, *fields.get("srow", (1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)))
    header[344:348] = fields.get("magic", b"n+1\0")
    return bytes(header) + (bytes(64) if data is None else data)


def _bad_nifti(add):
    nan, most = float("nan"), 32767
    for name, data in {
        "dims_huge": nifti(dims=(3, most, most, most, 1, 1, 1, 1)),
        "dims_huge_7": nifti(dims=(7, *[most] * 7)),
        "dims_8": nifti(dims=(8, 4, 4, 2, 1, 1, 1, 1)),
        "dims_0": nifti(dims=(0, 4, 4, 2, 1, 1, 1, 1)),
        "dims_minus": nifti(dims=(3, -4, 4, 2, 1, 1, 1, 1)),
        "dims_minus_2": nifti(dims=(3, -4, -4, 2, 1, 1, 1, 1)),
        "dims_5": nifti(dims=(5, 4, 4, 1, 1, 2, 1, 1)),
        "too_small": nifti(dims=(3, 4, 4, 1, 1, 1, 1, 1)),
        "too_large": nifti(dims=(3, 4, 4, 3, 1, 1, 1, 1)),
        "type_0": nifti(datatype=0),
        "type_rgb": nifti(datatype=128),
        "type_complex": nifti(datatype=32),
        "type_unknown": nifti(datatype=9999),
        "offset_nan": nifti(offset=nan),
        "offset_far": nifti(offset=1e30),
        "offset_minus": nifti(offset=-352.0),
        "offset_0": nifti(offset=0.0),
        "slope_huge": nifti(slope=3e38, data=b"\x7f" * 64),
        "inter_nan": nifti(slope=2.0, inter=nan),
        "affine_nan": nifti(srow=(nan,) * 12),
        "affine_0": nifti(srow=(0,) * 12),
        "affine_flat": nifti(srow=(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0)),
        "pair": nifti(magic=b"ni1\0"),
        "analyze": nifti(magic=bytes(4)),
    }.items():
        add(f"nifti_{name}.nii", data)
        add(f"nifti_{name}.nii.gz", gzip.compress(data))
    good = nifti()
    zeros = gzip.compress(bytes(2**28), 1)
    add("bomb_behind.nii.gz", gzip.compress(good) + zeros)
    add("bomb_inside.nii.gz", gzip.compress(good + bytes(100 * 2**20), 1))
    add("bomb_announced.nii.gz", gzip.compress(nifti(dims=(3, 2000, 2000, 2000, 1, 1, 1, 1))) + zeros)
    add("bomb_before.nii.gz", gzip.compress(nifti(offset=float(2**27), data=b"")) + zeros)
    add("empty_members.nii.gz", gzip.compress(b"") * 300_000 + gzip.compress(good))
    add("gzip_in_gzip.nii.gz", gzip.compress(gzip.compress(good)))
    add("text_behind.nii.gz", gzip.compress(good) + b"text")
    checksum = bytearray(gzip.compress(good))
    checksum[-6] ^= 1
    add("checksum_wrong.nii.gz", bytes(checksum))


def npy(header, data=b"", version=b"\x01\x00"):
    head = header.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(head)) + head + data


def zipped(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def _bad_npz(add, folder):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s}\n"
    objects = io.BytesIO()
    payload = np.empty(1, object)
    payload[0] = Marker(folder / "MARKER")
    np.savez(objects, images=payload)
    add("objects.npz", objects.getvalue())
    for name, data in {
        "shape_huge": npy(head % ("|u1", (10**12,)), bytes(100)),
        "shape_overflow": npy(head % ("<f8", (2**62, 4)), bytes(100)),
        "shape_hidden": npy(head % ("|u1", (0, 2**62))),
        "shape_minus": npy(head % ("|u1", (-5,)), bytes(5)),
        "shape_deep": npy(head % ("|u1", (1,) * 60), bytes(1)),
        "shape_text": npy(head % ("|u1", "'abc'"), bytes(5)),
        "shape_short": npy(head % ("|u1", (50,)), bytes(100)),
        "shape_long": npy(head % ("|u1", (150,)), bytes(100)),
        "type_object": npy(head % ("|O", (1,)), pickle.dumps(Marker(folder / "MARKER"))),
        "type_void": npy(head % ("|V8", (1,)), bytes(8)),
        "type_unknown": npy(head % ("|zz", (1,)), bytes(8)),
        "type_wide": npy(head % ("<U1000000000", (1,)), bytes(8)),
        "type_record": npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,)}\n", bytes(8)),
        "header_call": npy(f"open({ascii(str(folder / 'MARKER'))}, 'w')\n"),
        "header_deep": npy("(" * 9000),
        "header_long": npy(" " * 60_000 + head % ("|u1", (1,)), bytes(1)),
        "header_digits": npy(head % ("|u1", "(" + "9" * 8000 + ",)"), bytes(1)),
        "header_missing": b"\x93NUMPY\x01\x00",
        "version": npy(head % ("|u1", (1,)), bytes(1), b"\x09\x00"),
        "pickle": pickle.dumps(Marker(folder / "MARKER")),
        "empty": b"",
    }.items():
        add(f"npz_{name}.npz", zipped([("images.npy", data)]))
    fine = npy(head % ("|u1", (100,)), bytes(100))
    add("twice.npz", zipped([("images.npy", fine), ("labels.npy", fine)]).replace(b"labels", b"images"))
    add("wrong_type.npz", zipped([("images.npy", npy(head % ("<f8", (1, 1, 1)), bytes(8)))]))
    add("wrong_axes.npz", zipped([("images.npy", fine)]))
    add("other_names.npz", zipped([("pictures.npy", fine)]))
    add("many.npz", zipped([(f"{i}.npy", fine) for i in range(1500)]))
    add("bzip2.npz", zipped([("images.npy", fine)], zipfile.ZIP_BZIP2))
    add("lzma.npz", zipped([("images.npy", fine)], zipfile.ZIP_LZMA))
    bomb = npy(head % ("|u1", (300 * 2**20, 1, 1)), bytes(300 * 2**20))
    packed = zipped([("images.npy", bomb)])
    add("bomb.npz", packed)
    add("bomb_lies.npz", packed.replace(struct.pack("<I", len(bomb)), struct.pack("<I", 200)))
    add("single.npz", npy(head % ("|u1", (100,)), bytes(100)))
    encrypted = bytearray(zipped([("images.npy", fine)]))
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    add("encrypted.npz", bytes(encrypted))
    stored = bytearray(zipped([("images.npy", npy(head % ("|u1", (2, 2, 2)), bytes(8)))], zipfile.ZIP_STORED))
    stored[stored.index(b"}\n") + 3] ^= 1
    add("checksum.npz", bytes(stored))


def _bad_text(add):
    good = good_tsv()
    for name, data in {
        "nul": good.replace("word5\t", "wo\0rd5\t").encode(),
        "latin": good.replace("word5", "wörd5").encode("latin-1"),
        "utf_16": good.encode("utf-16"),
        "one_column": good.replace("word5\tO", "word5").encode(),
        "three_columns": good.replace("word5\t", "word5\tNN\t").encode(),
        "no_tag": good.replace("word5\tO", "word5\t").encode(),
        "no_token": good.replace("word5\tO", "\tO").encode(),
        "unknown_tag": good.replace("word5\tO", "word5\tE-Disease").encode(),
        "unknown_type": good.replace("word5\tO", "word5\tB-Drug").encode(),
        "inside_first": good.replace("word5\tO", "word5\tI-Disease").encode(),
        "long_line": ("x" * 15_000_000 + "\tO\n").encode(),
        "too_large": b"a\tO\n" * 5_000_000,
        "only_lines": b"\n" * 10_000_000,
        "only_tabs": b"\t" * 900,
        "commas": good.replace("\t", ",").encode(),
    }.items():
        add(f"text_{name}.tsv", data)


WATCHED = """
import faulthandler, json, sys, time, warnings
from pathlib import Path
from medtutor.data import files
import pydicom.pixels, nibabel, PIL.Image

warnings.simplefilter("error")
folder = Path(sys.argv[1])
readers = {
    "dcm": [files.read_dicom, lambda path: files.read_dicom(path, identify=True)],
    "npz": [files.read_npz, lambda path: files.read_npz(path, {"images": ("u", 3)})],
    "tsv": [lambda path: files.read_tagged(path, types=("Disease",))],
    "nii": [files.read_nifti], "gz": [files.read_nifti],
}
limit_as = None
try:
    import resource
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
except (ImportError, OSError):
    pass
for name in json.loads((folder / "names.json").read_text()):
    outcome = []
    for reader in readers[name.rsplit(".", 1)[-1]]:
        faulthandler.dump_traceback_later(60, exit=True)
        start = time.process_time()
        try:
            result = repr(reader(folder / name))[:0] + "image"
        except files.FileProblem as problem:
            result = f"error {problem}"
        except BaseException as problem:
            result = f"CRASH {type(problem).__name__}: {problem}"
        outcome.append((result, time.process_time() - start))
        faulthandler.cancel_dump_traceback_later()
    print(json.dumps([name, outcome]), flush=True)
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(json.dumps(["peak", int(peak[0].split()[1]) * 1024]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{name: (wanted, runs)} and the peak of memory, of one process that reads all files."""
    folder = tmp_path_factory.mktemp("hostile")
    wanted = dict(corpus(folder))
    (folder / "names.json").write_text(json.dumps(list(wanted)))
    run = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"stopped after {rows[-1:]}: {run.stderr[-2000:]}"
    read = dict(rows)
    peak = read.pop("peak")
    assert not (folder / "MARKER").exists(), "a payload was run"
    return {name: (wanted[name], read[name]) for name in wanted}, peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by Linux's /proc")
def test_no_hostile_file_crashes_hangs_or_takes_a_gigabyte(outcomes):
    read, peak = outcomes
    assert len(read) >= 100
    results = [(name, result) for name, (_, runs) in read.items() for result, _ in runs]
    assert [r for r in results if r[1].startswith("CRASH")] == []
    assert [r for r in results if "more memory" in r[1]] == []
    assert peak < 2**30


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured by Linux's /proc")
def test_every_hostile_file_gets_an_error_that_names_it_and_says_what_to_do(outcomes):
    read, _ = outcomes
    for name, (wanted, runs) in read.items():
        for number, (result, _) in enumerate(runs):
            spec_less = name.endswith(".npz") and number == 0 and name.startswith(("wrong_", "other_"))
            if result == "image":
                assert wanted == EITHER or spec_less, f"{name} was read as if it were good"
            else:
                assert result.startswith(f"error {name}: ") and "; " in result, result


def test_pickled_payload_never_runs(tmp_path):
    marker = tmp_path / "MARKER"
    payload = np.empty(1, object)
    payload[0] = Marker(marker)
    np.savez(tmp_path / "set.npz", images=payload)
    with pytest.raises(FileProblem, match="set.npz: array 'images' holds Python objects"):
        read_npz(tmp_path / "set.npz")
    assert not marker.exists()
    with np.load(tmp_path / "set.npz", allow_pickle=True) as file:
        file["images"][0].close()
    assert marker.exists()  # the payload does run where it is let


READERS = [read_dicom, read_nifti, read_npz, read_tagged]


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_regular_file_is_named_and_never_waited_for(read, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    os.symlink(tmp_path / "nowhere", tmp_path / "dangling")
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "door"))
    door.close()
    for name, what in {
        "folder": "a folder",
        "empty": "empty",
        "pipe": "a FIFO",
        "door": "a socket",
        "dangling": "a link to a file that is not there",
        "loop": "cannot be opened",
        "missing": "no such file",
    }.items():
        with pytest.raises(FileProblem, match=f"^{name}: .*{what}"):
            read(tmp_path / name)
    with pytest.raises(FileProblem, match="^zero: it is a device"):
        read("/dev/zero")


@pytest.mark.parametrize("read", READERS)
def test_file_beyond_the_limit_is_not_read(read, tmp_path):
    with open(tmp_path / "large.nii", "wb") as file:
        file.truncate(2**40)  # takes no room on disk
    with pytest.raises(FileProblem, match="large.nii: the file has more than a million MB.*limit"):
        read(tmp_path / "large.nii")


def test_name_with_control_characters_cannot_write_on_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[2J\nb.dcm"
    path.write_bytes(b"no image")
    with pytest.raises(FileProblem) as caught:
        read_dicom(path)
    assert str(caught.value).startswith("a?[2J?b.dcm: not a DICOM file")
