"""Does memory stay flat when data do not fit into it? 5,000 and 50,000 generated slices.

    python benchmarks/streaming.py --folder FOLDER

Slices are drawn into FOLDER, where a later run finds them (default: a temporary one; 1.3 GB), then read once
in shuffled batches, then chapter 2's first network is trained on them for an epoch; each in a process of its
own, whose peak is what the system counts, VmHWM. Drawing and reading ten times as many slices may cost no
more than one file of the cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _measuring import Report, arguments

from medtutor.course.bench import Row

SLICES = 20  # of a patient
COUNTS = (5_000, 50_000)
WORK = ("draw", "read", "train")


def peak():
    """The most memory that this process has had, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def work(what, count):
    """Do one kind of work on so many slices and print what it took, as JSON."""
    import numpy as np

    from medtutor.data import load_mr

    began = time.perf_counter()
    train = load_mr("train", patients=count // SLICES, slices=SLICES, stream=True)
    loaded = time.perf_counter() - began
    if what == "read":
        order = np.random.default_rng(0).permutation(count)
        for begin in range(0, count, 32):
            train.x[order[begin : begin + 32]]
    if what == "train":
        from medtutor.nn.classification import first_cnn, normalise, shrink, train_net

        train_net(first_cnn, train.x.map(lambda x: normalise(shrink(x))), train.y, epochs=1)
    print(json.dumps({"loaded": loaded, "seconds": time.perf_counter() - began, "peak": peak()}))


def measure(what, count, folder):
    words = [sys.executable, __file__, "--work", what, str(count)]
    quiet = {"MEDTUTOR_PROGRESS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = {**os.environ, **quiet, "MEDTUTOR_CACHE": str(folder)}
    before = files(folder)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return {**json.loads(done.stdout.splitlines()[-1]), "drawn": len(files(folder)) - len(before)}


def files(folder):
    return list(Path(folder).rglob("*.npy"))


def compare(report, folder):
    """A row for each kind of work and number of slices; drawing is judged where nothing had been drawn."""
    from medtutor.data.shards import SHARD

    few, many = COUNTS
    for what in WORK:
        found = {count: measure(what, count, folder) for count in COUNTS}
        bound = found[few]["peak"] + SHARD / 1e6
        judged = what == "read" or what == "draw" and all(each["drawn"] for each in found.values())
        for count, each in found.items():
            most = round(bound) if judged and count == many else None
            size, peak = f"{count:,} slices", (round(each["peak"]),)
            report.add(Row(f"streaming, peak memory, {what}", size, "MB", peak, at_most=most))


def main():
    parser = arguments(__doc__)
    parser.add_argument("--folder", help="where slices are drawn, and found by a later run")
    options = parser.parse_args()
    folder = vars(options).pop("folder")  # a path of this machine is not to be kept
    report = Report(options, slices_of_a_patient=SLICES)
    if not Path("/proc/self/status").exists():
        why = "peak memory is read from /proc, which only Linux has"
        report.add(Row("streamed slices, peak memory", f"{COUNTS[-1]:,} slices", "MB", missing=why))
    elif folder:
        compare(report, folder)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            compare(report, temporary)
    return report.done()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main())
