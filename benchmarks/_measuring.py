"""What the benchmarks share: times taken in turn, the peers' modules, the rows that are handed over."""

import argparse
import importlib
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np

from medtutor.course.bench import Measured, Row, store
from medtutor.course.study import versions

PACKAGES = (
    "ipywidgets jupyterlab keras matplotlib monai numpy pandas playwright pytorch-crf scikit-image "
    "scikit-learn scipy seqeval tensorflow-cpu tensorflow torch"
).split()


# Times


def seconds(f, *arguments):
    began = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - began


def alternate(runs, rounds, unit="ms", turn=0.05):
    """Time each of `runs`, {name: function}, in each round, in turns of order: {name: times of one call}.

    A turn of less than `turn` seconds is filled up with more calls, and the mean of them counts: one call of
    a millisecond would tell how another's turn left the caches and threads. The first call of each, which
    may compile something, is not timed.
    """
    for run in runs.values():
        run()
    times = {name: [] for name in runs}
    for number in range(rounds):
        for name in list(runs) if number % 2 else reversed(runs):
            times[name].append(mean_seconds(runs[name], turn))
    return {name: in_unit(row, unit) for name, row in times.items()}


def mean_seconds(f, turn):
    """Seconds of a call, the mean of as many as fill `turn` seconds."""
    calls, began, took = 0, time.perf_counter(), 0.0
    while not calls or took < turn:
        f()
        calls, took = calls + 1, time.perf_counter() - began
    return took / calls


def in_unit(row, unit):
    """Seconds as "ms" or "s", four digits of each."""
    return tuple(float(f"{each * {'ms': 1000, 's': 1}[unit]:.4g}") for each in row)


def best_threads(torch, run):
    """Set and give what PyTorch runs fastest with, of 1 and 2 threads."""
    best = {}
    for threads in (1, 2, 1, 2):
        torch.set_num_threads(threads)
        best[threads] = min([best.get(threads, np.inf), *(seconds(run) for _ in range(4))])
    torch.set_num_threads(min(best, key=best.get))
    return torch.get_num_threads()


def settings(make, batch, x, y, compiling):
    """What the peer is fastest with here: [eager], or [eager, compiled] if `compiling` and that works.

    Of eager settings, alternated, the one with the shortest time of all is taken.

    make  builds a side with a name and `epoch(x, y)`, of threads, channels_last and compiled
    x, y  some batches of `batch` examples
    """
    choices = [dict(threads=t, channels_last=c) for t in (1, 2) for c in (True, False)]
    sides = [make(**choice) for choice in choices]
    took = {}
    for number in range(7):
        for n, side in enumerate(sides):
            if number < 2 or took[n] < 1.3 * min(took.values()):  # else it is out of the race
                took[n] = min(seconds(side.epoch, x, y), took.get(n, np.inf))
    for n, side in enumerate(sides):
        print(f"  {side.name:<48} {len(x) / batch / took[n]:6.1f} steps/s", flush=True)
    eager = choices[min(took, key=took.get)]
    compiled = {**eager, "compiled": True}
    if not compiling:
        return [eager]
    try:
        first = seconds(make(**compiled).epoch, x[:batch], y[:batch])
    except Exception as error:  # no compiler, an unknown processor: whatever it is, the rest can be measured
        print(f"  torch.compile does not work here: {type(error).__name__}")
        return [eager]
    print(f"  torch.compile takes {first:.0f} s the first time; later it has its cache", flush=True)
    return [eager, compiled]


def in_words(threads=1, channels_last=True, compiled=False):
    """A setting of a PyTorch net: "eager, channels last, 1 thread"."""
    words = [
        "torch.compile" if compiled else "eager",
        "channels last" if channels_last else "channels first",
        f"{threads} thread{'s' * (threads > 1)}",
    ]
    return ", ".join(words)


def step_times(sides, rounds, batch, x, y):
    """Alternate the sides on the same batches: {name: [seconds of a step in each round]}."""
    took = {side.name: [] for side in sides}
    for side in sides:
        side.epoch(x, y)
    for number in range(rounds):
        for side in sides if number % 2 else sides[::-1]:
            took[side.name].append(seconds(side.epoch, x, y) * batch / len(x))
    return took


def beside_each(what, size, unit, times, choices, same, at_least):
    """A row for each setting of the peer.

    times    {name: seconds}, ours first
    choices  the settings of the others, in their order
    """
    (_, ours), *others = times.items()
    for (name, theirs), choice in zip(others, choices, strict=True):
        both = in_unit(ours, unit), name, in_unit(theirs, unit)
        threads = os.cpu_count(), choice["threads"]
        yield Row(what, size, unit, *both, threads, same, at_least=at_least)


# Peers and results


def arguments(doc, **defaults):
    """The parser of a benchmark's command line; `defaults` are numbers, such as rounds=15."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, default=value, help=f"default {value}")
    parser.add_argument("--peers", default=os.environ.get("MEDTUTOR_PEERS"), help="folder with the peers")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows to FILE")
    return parser


def import_peers(folder, *names):
    """The modules of these names from `folder`, and ""; or None, and why they cannot be had."""
    if folder and folder not in sys.path:
        sys.path.append(folder)
    # It serves GPUs only, and its LLVM ends a process that has TensorFlow's as well.
    sys.modules["triton"] = None
    try:
        return [importlib.import_module(name) for name in names], ""
    except ImportError as error:
        return None, str(error)


def tensorflow():
    """TensorFlow on the CPU, silent, as Keras's backend."""
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="-1")
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    return tf


def machine():
    """In words, without its name."""
    model = platform.processor() or platform.machine()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        lines = cpus.read_text(encoding="utf-8").splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.machine()}"


def load():
    """The load average of the last minute, as a tuple; empty where the system has none."""
    return (round(os.getloadavg()[0], 1),) if hasattr(os, "getloadavg") else ()


class Report:
    """Rows and slopes as they come: each is printed, and all are handed over at the end.

    options   of the command line, from `arguments`
    settings  what else to keep with the figures, such as seeds
    """

    def __init__(self, options, **settings):
        self.options, self.before = options, load()
        self.settings = {
            **{name: value for name, value in vars(options).items() if name not in ("peers", "json")},
            **settings,
        }
        self.rows, self.slopes = [], []

    def add(self, row):
        self.rows.append(row)
        print("  " + "  |  ".join(filter(None, row.cells())), flush=True)

    def add_slope(self, slope):
        self.slopes.append(slope)
        print("  " + "  |  ".join(slope.cells()), flush=True)

    def done(self):
        """Write the file that was asked for; gives exit status 1 where a bound is missed."""
        if self.options.json:
            store({Path(sys.argv[0]).stem: self.measured()}, self.options.json)
        return int(any(row.kept is False for row in self.rows))

    def measured(self):
        measured = tuple(self.rows), tuple(self.slopes)
        return Measured(machine(), versions(PACKAGES), (*self.before, *load()), self.settings, *measured)
