"""How fast brain slices are drawn and read again, beside MONAI's discs, and how both grow with their number.

    python benchmarks/generation.py --peers build/peers

`load_mr` draws patients at its first call and reads its cache at the next; here the cache is an empty folder.
No peer was found that draws labelled slices of a head. MONAI's `create_test_image_2d` is what its tests and
tutorials train on without data: discs on noise, and a mask of them.
"""

import os
import sys
import tempfile

import numpy as np
from _measuring import Report, arguments, import_peers, in_unit, seconds

from medtutor.course.bench import Row, Slope
from medtutor.data import load_mr

PATIENTS, SLICES, SIZE = (94, 188, 375, 750), 4, 64
BOUND = 15  # seconds for 3,000 slices of two contrasts


def discs(create, number):
    """As many images of two channels from MONAI, stacked like ours."""
    rng = np.random.RandomState(0)
    drawn = [create(SIZE, SIZE, num_objs=4, rad_max=12, random_state=rng) for _ in range(2 * number)]
    return np.stack([image for image, _ in drawn]).reshape(number, 2, SIZE, SIZE)


def twice(patients):
    """Seconds to draw so many patients, and to read them again."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEDTUTOR_CACHE"] = folder
        return [seconds(lambda: load_mr("train", patients=patients)) for _ in range(2)]


def main():
    options = arguments(__doc__, rounds=3).parse_args()
    report = Report(options, patients=PATIENTS, split="train")
    modules, missing = import_peers(options.peers, "monai.data")
    drawing, reading = ({patients: [] for patients in PATIENTS} for _ in range(2))
    peer = []
    twice(2)  # what is loaded once is not timed
    for _ in range(options.rounds):
        for patients in PATIENTS:
            drawn, read = twice(patients)
            drawing[patients].append(drawn)
            reading[patients].append(read)
        if modules:
            peer.append(seconds(discs, modules[0].create_test_image_2d, PATIENTS[-1] * SLICES))
    most = in_unit(drawing[PATIENTS[-1]], "s")
    size = f"{PATIENTS[-1] * SLICES:,} slices, two contrasts, {SIZE} × {SIZE}"
    row = Row("brain slices, drawn", size, "s", most, threads=(os.cpu_count(),), at_most=BOUND)
    report.add(row)
    report.add(Row("brain slices, read again", size, "s", in_unit(reading[PATIENTS[-1]], "s")))
    row = {"what": "brain slices, drawn", "size": size, "unit": "s", "peer": "MONAI's create_test_image_2d"}
    if missing:
        report.add(Row(**row, ours=most, missing=missing))
    else:
        same = "no: discs on noise; ours are heads with tumour and tissue maps"
        report.add(Row(**row, ours=most, theirs=in_unit(peer, "s"), threads=(os.cpu_count(), 1), same=same))
    for what, times in {"drawn": drawing, "read from the cache": reading}.items():
        sizes = tuple(patients * SLICES for patients in PATIENTS)
        points = tuple(in_unit(times[patients], "s") for patients in PATIENTS)
        report.add_slope(Slope(f"brain slices, {what}", "slices", sizes, points, "s"))
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
