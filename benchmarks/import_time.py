"""How long `import medtutor` takes, beside an eager helper such as d2l's and beside MONAI.

    python benchmarks/import_time.py --peers build/peers

Fresh Pythons with and without the import, alternated in one run: the difference is what the import costs.
"""

import subprocess
import sys
from functools import partial

from _measuring import Report, alternate, arguments

from medtutor.course.bench import Row

BOUND = 30  # milliseconds
EAGER = """
import collections, hashlib, inspect, math, os, random, re, shutil, tarfile, time, zipfile
import matplotlib.pyplot, numpy, pandas, requests, torch
from matplotlib_inline import backend_inline
from torch.nn import functional
from torch.utils import data
"""
PEERS = {
    "a helper with d2l's imports, but for torchvision": EAGER,
    "MONAI": "import monai",
}


def fresh(code, folder=None):
    """A fresh Python runs `code`, with the peers' folder behind its own packages; an error raises."""
    if folder:
        code = f"import sys; sys.path.append({folder!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])


def main():
    options = arguments(__doc__, rounds=25, peer_rounds=7).parse_args()
    report = Report(options)
    runs = {"pass": partial(fresh, "pass"), "medtutor": partial(fresh, "import medtutor")}
    times = alternate(runs, options.rounds)
    cost = tuple(round(a - b, 2) for a, b in zip(times["medtutor"], times["pass"], strict=True))
    report.add(Row("import medtutor", "less Python's own start", "ms", cost, at_most=BOUND))
    for name, code in PEERS.items():
        row = {"what": "import medtutor", "size": "with Python's start", "peer": name}
        try:
            times = alternate(
                {"ours": runs["medtutor"], "peer": partial(fresh, code, options.peers)}, options.peer_rounds
            )
        except RuntimeError as error:
            report.add(Row(**row, missing=str(error)))
            continue
        same = "no: ours loads a module when it is first used"
        report.add(Row(**row, ours=times["ours"], theirs=times["peer"], same=same))
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
