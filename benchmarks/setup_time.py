"""How long a fresh environment from the lock takes, caches empty, network included, by `make setup`.

    python benchmarks/setup_time.py

The last commit is cloned into a temporary folder, which is thrown away with its environment. 2.5 GB of disk.
"""

import os
import subprocess
import sys
import tempfile

from _measuring import Report, arguments, in_unit, seconds

from medtutor.course.bench import ROOT, Row

BOUND = 180  # seconds


def set_up(folder):
    """Clone the checkout into `folder` and do there what `make setup` does, with caches of its own."""
    copy = f"{folder}/medtutor"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), copy], check=True)
    caches = {"UV_CACHE_DIR": f"{folder}/uv", "PIP_CACHE_DIR": f"{folder}/pip"}
    command = [sys.executable, "medtutor/course/prepare.py", "setup"]
    subprocess.run(command, cwd=copy, env={**os.environ, **caches}, check=True)


def main():
    options = arguments(__doc__, rounds=1).parse_args()
    report = Report(options)
    took = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            took.append(seconds(set_up, folder))
    row = Row(
        "set-up from the lock", "empty caches, network included", "s", in_unit(took, "s"), at_most=BOUND
    )
    report.add(row)
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
