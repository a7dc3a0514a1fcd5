"""What the benchmarks against PyTorch share: seconds, quartiles, the machine, the peer's fastest setting."""

import os
import statistics
import time

import numpy as np


def seconds(f, *arguments):
    began = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - began


def spread(values):
    """(lower quartile, median, upper quartile); for a single value three times itself."""
    return statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3


def machine():
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{os.cpu_count()} cores{load}"


def settings(make, batch, x, y, compiling):
    """What the peer is fastest with here: [eager], or [eager, compiled] if `compiling` and that works.

    make  builds a side with a name and `epoch(x, y)`, of threads, channels_last and compiled
    x, y  some batches of `batch` examples
    """
    choices = [dict(threads=t, channels_last=c) for t in (1, 2) for c in (True, False)]
    took = []
    for choice in choices:
        side = make(**choice)
        side.epoch(x[: 2 * batch], y[: 2 * batch])
        took.append(min(seconds(side.epoch, x, y) for _ in range(3)))
        print(f"  {side.name:<48} {len(x) / batch / took[-1]:6.1f} steps/s", flush=True)
    eager = choices[int(np.argmin(took))]
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
