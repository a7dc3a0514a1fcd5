"""DICOM pixels: sizes checked before decoding, then one frame after the other as float32."""

import struct

import numpy as np

from medtutor.data.files.image import Lookup
from medtutor.data.files.parse import PIXELS, code, items, numbers, small
from medtutor.data.files.problem import check_values, fault, megabytes

GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
DAMAGED = "get it again from its source"
JPEG = {"50": (0xC0,), "51": (0xC0, 0xC1), "57": (0xC3,), "70": (0xC3,), "80": (0xF7,), "81": (0xF7,)}
JPEG_2000 = ("90", "91", "201", "202", "203")
RLE = "1.2.840.10008.1.2.5"
FRAMES = 20_000
FREE = 64 * 2**20  # bytes of values that a compressed file may make whatever its own size …
GROWTH = 2000  # … and, beyond, at most so many for each of its own
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


class Layout:
    """How the pixels lie in the file: sizes, bits, colour, transfer syntax, all checked."""

    def __init__(self, path, facts):
        self.path = path
        self.rows, self.columns = self._whole(facts, "Rows"), self._whole(facts, "Columns")
        self.frames = self._whole(facts, "NumberOfFrames", 1)
        self.samples = self._whole(facts, "SamplesPerPixel", 1)
        self.bits = self._whole(facts, "BitsAllocated")
        self.stored = self._whole(facts, "BitsStored", self.bits)
        self.signed = small(path, facts, "PixelRepresentation", 0) == 1
        self.photometric = code(path, facts, "PhotometricInterpretation")
        self.syntax = facts.file_meta.TransferSyntaxUID
        self.compressed = str(self.syntax) not in NATIVE
        self.keyword = self._keyword(facts)
        self._check()

    @property
    def colour(self):
        return self.photometric not in GREY

    @property
    def count(self):
        """How many values the image will have."""
        return self.rows * self.columns * self.frames * (3 if self.colour else 1)

    @property
    def stored_bytes(self):
        """How many bytes the pixels take where they are not compressed, PS3.5 section 8."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return (self.rows * self.columns * self.frames * samples * self.bits + 7) // 8

    @property
    def range(self):
        """(lowest, highest) value that the stored bits can hold."""
        half = 2 ** (self.stored - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    def _whole(self, facts, keyword, default=None):
        value = numbers(self.path, facts, keyword, 1)
        if value is None and default is not None:
            return default
        if value is None:
            what = f"it has no {keyword}, so it holds no image that can be laid out"
            raise fault(
                self.path, what, "name a file with an image, or get this one again if it was cut short"
            )
        if value[0] < 1 or value[0] != int(value[0]):
            raise fault(self.path, f"its {keyword} is {value[0]:g}; an image needs at least 1", DAMAGED)
        return int(value[0])

    def _keyword(self, facts):
        there = [keyword for keyword in PIXELS[:3] if keyword in facts]
        if len(there) != 1:
            what = "it has no pixel data" if not there else "it has pixel data of two kinds"
            raise fault(self.path, what, "name a file with an image; a truncated one must be fetched again")
        return there[0]

    def _check(self):
        known = (*GREY, *COLOUR, "PALETTE COLOR")
        if self.photometric not in known:
            what = "its PhotometricInterpretation is missing or unknown"
            raise fault(self.path, what, f"known are {', '.join(known)}")
        if self.samples != (3 if self.photometric in COLOUR else 1):
            what = f"{self.photometric} with {self.samples} samples for each pixel is impossible"
            raise fault(self.path, what, DAMAGED)
        if self.bits not in (1, 8, 16, 32, 64) or not 1 <= self.stored <= self.bits:
            what = f"{self.stored} bits stored in {self.bits} allocated cannot be read"
            raise fault(self.path, what, "8, 16 or 32 bits are allocated in an image, 1 in a segmentation")


def check(path, facts, layout, limit):
    """Hold the header's sizes against the limit and against the data, before anything is decoded."""
    check_values(path, layout.count, limit)
    if layout.frames > FRAMES:
        raise fault(path, f"it announces {layout.frames:,} frames, more than {FRAMES:,}", DAMAGED)
    data = facts.get_item(layout.keyword).value or b""
    if layout.compressed:
        _check_decoder(path, layout)
        _check_compressed(path, facts, layout, data)
    else:
        _check_native(path, layout, len(data))


def frames(path, facts, layout):
    """The stored frames one after the other: (rows, columns) or (rows, columns, 3), YBR turned to RGB."""
    shape = (layout.rows, layout.columns) + (3,) * (layout.samples == 3)
    done = 0
    for frame in _decoded(facts, layout):
        done += 1
        if frame.shape != shape or done > layout.frames:
            raise fault(path, "its pixels decode to another size than its header says", DAMAGED)
        yield frame
    if done < layout.frames:
        raise fault(path, f"it has {done} of the {layout.frames} frames that it announces", DAMAGED)


def _decoded(facts, layout):
    from pydicom.pixels import iter_pixels, pixel_array

    if not layout.compressed:
        return iter_pixels(facts)
    # iter_pixels of pydicom 3.0.2 cannot correct the sign of a compressed frame, which it holds read-only
    try:
        pixels = pixel_array(facts)
    except RuntimeError:
        pixels = None
    if pixels is None:
        what = f"its pixels, {layout.syntax.name}, cannot be decoded by any decoder installed"
        raise fault(layout.path, what, DAMAGED)
    return pixels if layout.frames > 1 else [pixels]


def palette(path, facts):
    """The three tables of PALETTE COLOR (PS3.3 C.7.6.3.1.5), entries scaled to 0..255."""
    return [_palette_table(path, facts, colour) for colour in ("Red", "Green", "Blue")]


def table(path, item, signed=False, as_fraction=False):
    """The Lookup in an item of a modality or VOI LUT sequence (PS3.3 C.11.1, C.11.2)."""
    entries, first, bits = _descriptor(path, item, "LUTDescriptor", signed)
    data = small(path, item, "LUTData")
    if isinstance(data, bytes):
        data = np.frombuffer(data, f"{'<' if item.original_encoding[1] is not False else '>'}u2")
    values = np.asarray([] if data is None else data, dtype="float64").ravel()
    if len(values) != entries or not 8 <= bits <= 16:
        raise fault(path, f"its lookup table has {len(values)} entries and announces {entries}", DAMAGED)
    return Lookup(first, values / (2**bits - 1) if as_fraction else values)


def _check_native(path, layout, size):
    wanted = layout.stored_bytes
    if size - wanted in (0, wanted % 2):  # an odd number of bytes is made even
        return
    sizes = f"{layout.rows} × {layout.columns} × {layout.frames} pixels need {wanted:,} bytes"
    if size < wanted:
        raise fault(path, f"it is truncated: {sizes}, the pixel data have {size:,}", DAMAGED)
    what = f"its sizes do not fit its pixels: {sizes}, the pixel data have {size:,}"
    raise fault(
        path, what, "the header is damaged; or cut the extra bytes off with pydicom, if they are padding"
    )


def _check_decoder(path, layout):
    from pydicom.pixels import get_decoder

    name = f"{layout.syntax.name} ({layout.syntax})" if layout.syntax.is_transfer_syntax else "no known name"
    try:
        decoder = get_decoder(layout.syntax)
        there, helpers = decoder.is_available, decoder.missing_dependencies
    except NotImplementedError:
        there, helpers = False, []
    if layout.syntax.endswith(".51") and layout.stored > 8 and decoder.available_plugins == ("pillow",):
        there = False
    if not there:
        packages = [helper.split("requires ")[-1] for helper in helpers]
        todo = (
            f"install one of: {'; '.join(packages)}"
            if packages
            else "pydicom cannot decode it; convert it first"
        )
        raise fault(path, f"its transfer syntax is {name}, which nothing installed decodes", todo)


def _check_compressed(path, facts, layout, data):
    from pydicom.encaps import generate_frames

    values = 4 * layout.count
    if values > FREE and values > GROWTH * len(data):
        what = f"{megabytes(len(data))} of compressed pixels would become {megabytes(values)}"
        raise fault(path, what, "no real image is compressed so far; get it again from its source")
    extended = [small(path, facts, keyword) for keyword in PIXELS[3:]]
    encoded = generate_frames(
        data,
        number_of_frames=layout.frames,
        extended_offsets=tuple(extended) if all(extended) else None,
    )
    suffix = str(layout.syntax).rsplit(".", 1)[-1]
    for number, frame in enumerate(encoded):
        if number == layout.frames:
            raise fault(path, f"it has more than the {layout.frames} frames that it announces", DAMAGED)
        if str(layout.syntax) == RLE:
            _check_rle(path, layout, frame)
        elif suffix in JPEG or suffix in JPEG_2000:
            size = _jpeg_size(frame, JPEG[suffix]) if suffix in JPEG else _jpeg_2000_size(frame)
            if size != (layout.rows, layout.columns, layout.samples):
                seen = "no size that can be read" if size is None else " × ".join(map(str, size))
                said = f"{layout.rows} × {layout.columns} × {layout.samples}"
                what = f"its header says {said}, its compressed frame {seen}"
                raise fault(path, what, DAMAGED)


def _jpeg_size(data, kinds):
    """(rows, columns, samples) that a JPEG or JPEG-LS frame announces (ITU-T T.81 annex B), or None."""
    at = 2
    while data[:2] == b"\xff\xd8" and at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in kinds:
            rows, columns, samples = struct.unpack(">HHB", data[at + 5 : at + 10])
            return rows, columns, samples
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker == 0xDA or length < 2:
            return None
        else:
            at += 2 + length
    return None


def _jpeg_2000_size(data):
    """(rows, columns, samples) in the SIZ marker of a JPEG 2000 codestream, ISO/IEC 15444-1 A.5.1."""
    start = data.find(b"\xff\x4f\xff\x51") if data[4:8] == b"jP  " else 0
    if data[start : start + 4] != b"\xff\x4f\xff\x51" or len(data) < start + 42:
        return None
    width, height, left, top = struct.unpack(">4I", data[start + 8 : start + 24])
    (samples,) = struct.unpack(">H", data[start + 40 : start + 42])
    return height - top, width - left, samples


def _check_rle(path, layout, data):
    """Walk the run lengths of a frame (PS3.5 annex G) without decoding; each segment must fill its plane."""
    plane = layout.rows * layout.columns
    count = int.from_bytes(data[:4], "little")
    if len(data) < 64 or count != layout.samples * layout.bits // 8:
        raise fault(path, "its run-length header does not fit its bits and samples", DAMAGED)
    ends = [*struct.unpack(f"<{count}I", data[4 : 4 + 4 * count]), len(data)]
    for start, end in zip(ends, ends[1:], strict=False):
        sound = 64 <= start <= end <= len(data) and end - start <= 2 * plane + 16
        if not sound or _run_length(data, start, end, plane) != plane:
            raise fault(path, "its run lengths do not add up to its rows and columns", DAMAGED)


def _run_length(data, at, end, most):
    """How many bytes a segment decodes to; stops as soon as they are more than `most`."""
    made = 0
    while at < end and made <= most:
        head = data[at]
        if head > 128:
            at, made = at + 2, made + 257 - head
        elif head < 128:
            at, made = at + 2 + head, made + 1 + head
        else:
            at += 1
        if made == most and end - at <= 2:  # a byte of padding makes the segment even
            break
    return made


def _descriptor(path, dataset, keyword, signed):
    values = numbers(path, dataset, keyword, 3)
    if values is None:
        raise fault(path, f"its {keyword} is missing", DAMAGED)
    entries, first, bits = map(int, values)
    if signed and first >= 2**15:
        first -= 2**16
    return entries or 2**16, first, bits


def _palette_table(path, facts, colour):
    keyword = f"{colour}PaletteColorLookupTable"
    signed = small(path, facts, "PixelRepresentation", 0) == 1
    entries, first, bits = _descriptor(path, facts, keyword + "Descriptor", signed)
    order = "<" if facts.original_encoding[1] else ">"
    data = small(path, facts, keyword + "Data")
    if data is None:
        data = small(path, facts, f"Segmented{keyword}Data", b"")
        values = _expanded(path, np.frombuffer(data, f"{order}u2" if bits == 16 else "u1").tolist(), entries)
    else:
        wide = len(data) >= 2 * entries
        values = np.frombuffer(data[: entries * (1 + wide)], f"{order}u2" if wide else "u1")
    if len(values) != entries or bits not in (8, 16):
        raise fault(path, f"its palette has {len(values)} entries and announces {entries}", DAMAGED)
    values = np.asarray(values, dtype="float64")
    top = 255 if values.max() <= 255 and bits == 8 else 2**16 - 1
    return Lookup(first, values * 255 / top)


def _expanded(path, words, entries):
    """A segmented palette (PS3.3 C.7.9.2): discrete and linear segments, at most `entries` values."""
    values, at = [], 0
    while at + 1 < len(words):
        kind, count = words[at : at + 2]
        if kind == 0:
            values += words[at + 2 : at + 2 + count]
            at += 2 + count
        elif kind == 1 and values and at + 2 < len(words):
            end = words[at + 2]
            values += np.rint(np.linspace(values[-1], end, min(count, entries) + 1)[1:]).tolist()
            at += 3
        else:
            raise fault(
                path, "its segmented palette has an indirect or damaged segment", "convert the file first"
            )
        if len(values) > entries:
            break
    return values


def modality(path, facts, layout, groups, budget):
    """(transforms, unit): for each frame a function from stored values to float64, and the unit of all."""
    lookups = items(facts, "ModalityLUTSequence", budget)
    if lookups:
        kind = code(path, lookups[0], "ModalityLUTType")
        lookup = table(path, lookups[0], layout.signed)
        return [lookup] * layout.frames, _unit(path, facts, kind, bool(kind))
    scaling = numbers(path, facts, "DoseGridScaling", 1)
    if scaling:
        unit = {"GY": "Gy"}.get(code(path, facts, "DoseUnits"), "a.u.")
        return [_linear(scaling[0], 0.0)] * layout.frames, unit
    rescales = [_rescale(path, facts, groups, i) for i in range(layout.frames)]
    kinds = {kind for _, _, kind in rescales}
    if len(kinds) > 1:
        raise fault(path, "its frames are rescaled to different units", "read them one by one with pydicom")
    slopes = {(slope, intercept) for slope, intercept, _ in rescales}
    given = slopes != {(None, None)}
    transforms = [_linear(1.0 if a is None else a, 0.0 if b is None else b) for a, b, _ in rescales]
    return transforms, _unit(path, facts, kinds.pop(), given)


def _rescale(path, facts, groups, i):
    """(slope, intercept, type) of frame i, from its functional group or from the top level."""
    item = groups.first("PixelValueTransformationSequence", i)
    item = facts if item is None else item
    slope, intercept = (numbers(path, item, f"Rescale{name}", 1) for name in ("Slope", "Intercept"))
    if slope == (0.0,):
        raise fault(path, "its RescaleSlope is 0, so all values would be one", DAMAGED)
    kind = code(path, item, "RescaleType")
    return (slope or (None,))[0], (intercept or (None,))[0], kind


def _linear(slope, intercept):
    def rescaled(stored):
        return np.asarray(stored, dtype="float64") * slope + intercept

    return rescaled


def _unit(path, facts, kind, given):
    """The unit that the modality transform gives (PS3.3 C.11.1.1.2, C.8.9.1.1.3), or "a.u."."""
    which = code(path, facts, "Modality")
    if which == "CT" and given and kind in ("", "HU"):
        return "HU"
    if which == "PT" and given:
        return {"BQML": "Bq/ml", "CNTS": "counts", "GML": "g/ml"}.get(code(path, facts, "Units"), "a.u.")
    return kind if kind in ("HU", "OD", "MGML") and given else "a.u."
