"""The MIT-BIH arrhythmia database as single heart beats in the classes of the AAMI, split by patient."""

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import check_split
from medtutor.data.published.common import dataset

# de Chazal et al. (2004), table II. Record 201 is left out: its subject is record 202's, which is a test
# record.
RECORDS = {
    "train": "101 106 108 109 112 115 116 119 122 203 205 207 208 209 215 220 230".split(),
    "val": "114 118 124 223".split(),
    "test": (
        "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()
    ),
}
RATE = 360  # steps a second
BEFORE, AFTER = 96, 160  # steps of a beat before its mark (0.27 s) and from it on (0.44 s)

# Codes of annotations that mark a beat (WFDB, ecgcodes.h), the publisher's letter, and the class by ANSI/AAMI
# EC57.
BEATS = {
    1: ("N", 0),
    2: ("L", 0),
    3: ("R", 0),
    11: ("j", 0),
    34: ("e", 0),
    4: ("a", 1),
    7: ("J", 1),
    8: ("A", 1),
    9: ("S", 1),
    5: ("V", 2),
    10: ("E", 2),
    6: ("F", 3),
    12: ("/", 4),
    13: ("Q", 4),
    38: ("f", 4),
}
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63  # pseudo-annotations: time, number, subtype, channel, text


def load_mitbih(split):
    """Heart beats of Holter recordings, 0.71 s each, in the five classes of the AAMI.

    x (n, 256) float32 in millivolt, lead MLII, 360 steps a second; the annotated R peak is x[:, 96]
    y (n,) int64: 0 normal (with bundle branch block), 1 supraventricular, 2 ventricular, 3 fusion, 4 unknown
    extra: "symbol" (n,) str, the publisher's letter; "time" (n,) float32, s from the record's begin;
    "rr_before" and "rr_after" (n,) float32, s to the neighbouring beats, nan at a record's ends. `patients`
    are records.

    Split by patient after de Chazal et al.: test is DS2; train and val are DS1 without record 201, which is
    of the same man as 202 in DS2. Records with paced beats are left out, and beats whose window leaves its
    record.
    Source: Moody and Mark, IEEE Eng Med Biol 20(3):45 (2001), doi:10.13026/C2F305. ODC-By 1.0.
    """
    check_split(split)
    files = [f"{record}.{kind}" for record in RECORDS[split] for kind in ("hea", "dat", "atr")]
    paths = registry.fetch("mitbih", files)
    records = [
        _beats(*(paths[f"{record}.{kind}"] for kind in ("hea", "dat", "atr"))) for record in RECORDS[split]
    ]
    windows, classes, symbols, times, before, after = map(np.concatenate, zip(*records, strict=True))
    patients = np.repeat(
        [f"record-{record}" for record in RECORDS[split]], [len(record[1]) for record in records]
    )
    return dataset(
        "mitbih",
        split,
        windows,
        classes,
        patients,
        unit="mV",
        extra={"symbol": symbols, "time": times, "rr_before": before, "rr_after": after},
    )


def _beats(header, signal, annotations):
    """Windows, classes, letters, times and distances to the neighbours of the beats of one record."""
    facts = read_header(header)
    millivolt = read_signal(signal, facts)
    steps, codes = read_annotations(annotations)
    beat = np.isin(codes, list(BEATS))
    steps, codes = steps[beat], codes[beat]
    if len(steps) and not (np.all(np.diff(steps) >= 0) and 0 <= steps[0] and steps[-1] < len(millivolt)):
        raise ValueError(f"{annotations}: the beats are not in order within {len(millivolt)} steps")
    gaps = np.concatenate([[np.nan], np.diff(steps) / RATE, [np.nan]]).astype(np.float32)
    whole = (steps >= BEFORE) & (steps + AFTER <= len(millivolt))
    windows = millivolt[steps[whole, None] + np.arange(-BEFORE, AFTER)]
    codes = codes[whole]
    return (
        windows,
        np.array([BEATS[code][1] for code in codes], np.int64),
        np.array([BEATS[code][0] for code in codes], dtype="U1"),
        (steps[whole] / RATE).astype(np.float32),
        gaps[:-1][whole],
        gaps[1:][whole],
    )


def read_header(path):
    """What a WFDB header (.hea) of two signals in format 212 says, as a dict.

    channel is the position of lead MLII; gain in steps per millivolt and zero are its own; first and checksum
    are the first value and the sum of all values modulo 2^16, by which read_signal checks what it has read.
    Source: PhysioNet, header(5) of the WFDB applications guide.
    """
    lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    lines = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    try:
        (_, count, rate, steps), signals = lines[0][:4], lines[1 : 1 + int(lines[0][1])]
        leads = [" ".join(signal[8:]) for signal in signals]
        formats = [signal[1] for signal in signals]
        channel = leads.index("MLII")
        gain, zero, first, checksum = (float(signals[channel][i]) for i in (2, 4, 5, 6))
        facts = {"channel": channel, "steps": int(steps), "gain": gain, "zero": zero}
        facts |= {"first": int(first), "checksum": int(checksum)}
    except (IndexError, ValueError) as error:
        raise ValueError(f"{path} is no WFDB header with a lead MLII: {error}") from error
    if (int(count), float(rate.split("/")[0]), formats) != (2, RATE, ["212", "212"]) or gain <= 0:
        raise ValueError(f"{path}: {count} signals at {rate} Hz in {formats}; wanted are 2 at 360 Hz in 212")
    return facts


def read_signal(path, facts):
    """Lead MLII of a record in millivolt, float32; `facts` are those of read_header.

    Format 212 packs two 12-bit numbers in three bytes: byte 0 and the low half of byte 1, byte 2 and the high
    half.
    Source: PhysioNet, signal(5) of the WFDB applications guide.
    """
    packed = np.fromfile(path, np.uint8)
    if len(packed) != 3 * facts["steps"]:
        raise ValueError(f"{path} has {len(packed):,} bytes; its header promises {3 * facts['steps']:,}")
    a, b, c = packed.reshape(-1, 3).T.astype(np.int32)
    values = a | (b & 0x0F) << 8 if facts["channel"] == 0 else c | (b & 0xF0) << 4
    values = np.where(values > 2047, values - 4096, values)  # two's complement of 12 bits
    if values[0] != facts["first"] or (int(values.sum()) - facts["checksum"]) % 2**16:
        raise ValueError(
            f"{path} does not hold the signal that its header describes: wrong first value or sum"
        )
    return ((values - facts["zero"]) / facts["gain"]).astype(np.float32)


def read_annotations(path):
    """(steps, codes) of the annotations in a file of MIT format (.atr), both (n,) int64.

    Each annotation is two bytes: the code in the upper six bits, the steps since the one before in the lower
    ten.
    Source: PhysioNet, annot(5) of the WFDB applications guide.
    """
    words = np.fromfile(path, "<u2").tolist()
    steps, codes, now, i = [], [], 0, 0
    while i < len(words):
        code, value = words[i] >> 10, words[i] & 0x3FF
        i += 1
        if code == 0 and value == 0:
            return np.array(steps, np.int64), np.array(codes, np.int64)
        if code == SKIP and i + 1 < len(words):
            jump = words[i] << 16 | words[i + 1]  # the upper half comes first
            now += jump - 2**32 if jump >= 2**31 else jump
            i += 2
        elif code == AUX:
            i += (value + 1) // 2
        elif code not in (NUM, SUB, CHN):
            now += value
            steps.append(now)
            codes.append(code)
    raise ValueError(f"{path} is cut off: it does not end as an annotation file does")
