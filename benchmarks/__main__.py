"""Run the benchmarks, all or those named, and print one table.

    make bench
    make bench ARGS="crf metrics"                    some of them
    make bench ARGS="--write" && make readme         keep the figures, and write README's table from them
    make bench ARGS="--setup"                        set-up time too: minutes, and 0.6 GB from the network
    make test-backends                               no times: the CRF's answers on JAX and on PyTorch

The peers (PyTorch, MONAI …) go into build/peers, once, from benchmarks/peers.txt; the course's environment
stays as it is. Where they cannot be had, what needs them is "not measured", and --write keeps what is known
of it. Times of ours and of the peer's are taken in turns in one run; a ratio is the peer's time over ours
within a round, and its median is judged. streaming (10 minutes and more), mr_difficulty and notes_difficulty
are not of speed: run when they are named.
Exit status 1 where a bound is missed or a benchmark ended before its time.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from medtutor.course import bench

HERE = Path(__file__).resolve().parent
PINS = HERE / "peers.txt"
RESULTS = bench.RESULTS
PEERS = bench.ROOT / "build" / "peers"
LIMIT = 900  # seconds after which a benchmark is ended
BACKENDS = bench.ROOT / "tests" / "unit" / "test_nn_crf_backends.py"
ON_DEMAND = {"setup_time", "streaming", "mr_difficulty", "notes_difficulty"}


def scripts():
    """{name: path} of all benchmarks."""
    return {path.stem: path for path in sorted(HERE.glob("[a-z]*.py"))}


def peers(folder=PEERS, pins=PINS):
    """The folder with the peers, installed where that was not done yet; None where it cannot be done.

    Made anew when the pins or Python's version have changed. Installed by pip, which knows the indexes and
    folders that this computer's user has set.
    """
    stamp = folder / "made-from.txt"
    wanted = f"Python {sys.version_info[0]}.{sys.version_info[1]}\n{pins.read_text(encoding='utf-8')}"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return folder
    print(f"Installing the peers of {pins.name} into {folder} (once; 2 GB) …", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    # seqeval is built here; pip's older way does not fetch all that this needs
    pip = [sys.executable, "-m", "pip", "install", "--use-pep517"]
    if subprocess.run([*pip, "--target", str(folder), "-r", str(pins)]).returncode:
        print("They could not be installed; the lines above say why. Going on without them.", flush=True)
        return None
    stamp.write_text(wanted, encoding="utf-8")
    return folder


def run(script, environment):
    """What a benchmark measured, {name: Measured}, and "" or what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        command = [sys.executable, str(script), "--json", str(out)]
        try:
            status = subprocess.run(command, env=environment, timeout=LIMIT).returncode
        except subprocess.TimeoutExpired:
            return {}, f"was ended after {LIMIT} s"
        if not out.exists():
            return {}, f"ended with status {status} and no result"
        return bench.load(out), ""


def on_backends(folder):
    """The tests of the CRF on JAX, on PyTorch and beside pytorch-crf  ->  exit status"""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-n", "0", str(BACKENDS)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(folder)}).returncode


def main(words):
    """One benchmark after the other, then the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = scripts()
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--write", action="store_true", help="keep the figures in benchmarks/results.json")
    parser.add_argument("--peers", metavar="FOLDER", help="a folder that has the peers already")
    parser.add_argument("--setup", action="store_true", help="set-up time as well")
    parser.add_argument("--backends", action="store_true", help="only the CRF's tests on JAX and PyTorch")
    options = parser.parse_args(words)
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    names = options.names or [name for name in known if name not in ON_DEMAND]
    names += ["setup_time"] * options.setup
    folder = options.peers or peers()
    if options.backends:
        return on_backends(folder) if folder else 1
    environment = {**os.environ, "MEDTUTOR_PEERS": str(folder or "")}
    found, broken = {}, {}
    for name in names:
        print(f"\n{name}", flush=True)
        results, trouble = run(known[name], environment)
        found.update(results)
        if trouble:
            broken[name] = trouble
        without = not folder and any(row.missing for each in results.values() for row in each.rows)
        if options.write and without:
            print(f"{name}: not kept, since the peers are missing; what was measured with them stays.")
        elif options.write and results:
            bench.store({**bench.load(RESULTS), **results}, RESULTS)
    print(f"\n{bench.tables(found, aligned=True)}\n")
    missed = [" ".join(row.cells()[:2]) for each in found.values() for row in each.rows if row.kept is False]
    for name, trouble in broken.items():
        print(f"{name} {trouble}.")
    print(f"Missed: {'; '.join(missed)}." if missed else "Every bound that could be judged is kept.")
    return int(bool(missed or broken))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
