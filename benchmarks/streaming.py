"""Does memory stay flat when data do not fit into it? 5,000 and 50,000 generated slices.

    python benchmarks/streaming.py [FOLDER]

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


def main(folder):
    """Print times and peaks; exit status 1 where memory grows by more than a file."""
    if not Path("/proc/self/status").exists():
        print("Peak memory is read from /proc, which only Linux has: not measured.")
        return 1
    from medtutor.data.shards import SHARD

    peaks, drew = {}, True
    for count in COUNTS:
        for what in WORK:
            found = measure(what, count, folder)
            peaks[what, count] = found["peak"]
            drew &= what != "draw" or found["drawn"] > 0
            spent = found["loaded"] if what == "draw" else found["seconds"] - found["loaded"]
            new = f"   {found['drawn']} files new" if what == "draw" else ""
            print(
                f"{what:<6} {count:>6,} slices {spent:7.1f} s   peak {found['peak']:5.0f} MB{new}", flush=True
            )
    size = sum(path.stat().st_size for path in files(folder))
    print(f"on the disk {size / 1e6:,.0f} MB in files of {SHARD / 1e6:.0f} MB")
    few, many = COUNTS
    grown = {what: peaks[what, many] - peaks[what, few] for what in WORK}
    bound = ("draw", "read") if drew else ("read",)  # where files were found, nothing was drawn
    flat = all(grown[what] < SHARD / 1e6 for what in bound)
    told = ", ".join(f"{what} {grown[what]:+.0f} MB" for what in (*bound, "train"))
    print(f"ten times as many slices: {told}; {' and '.join(bound)} within a file: {'yes' if flat else 'NO'}")
    return not flat


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        work(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1:]:
        sys.exit(main(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            sys.exit(main(temporary))
