"""Renew `requirements.lock`, and lead conda users to the same versions by `environment.yml`.

python -m medtutor.course.lock              resolve again, within the versions that are locked now
python -m medtutor.course.lock --upgrade    take the newest versions; further options go to uv
python -m medtutor.course.lock --no-resolve write environment.yml from the lock as it stands; no network
"""

import subprocess
import sys
from pathlib import Path

from medtutor.guide import read_lock

ROOT = Path(__file__).resolve().parents[2]
CONDA_PYTHON = "3.12"  # in the middle of the supported range
SOURCES = ["pyproject.toml", "--group", "maintain"]
FOR_ALL_MACHINES = ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest"]
WITHOUT_HOSTS = ["--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header"]
COMPILE = ["uv", "pip", "compile", *SOURCES, *FOR_ALL_MACHINES, *WITHOUT_HOSTS, "--quiet"]


def main(options=(), root=ROOT):
    """Write both files; gives the exit status of uv."""
    if {"-h", "--help"} & set(options):
        print(__doc__)
        return 0
    if "--no-resolve" not in options:
        command = [sys.executable, "-m", *COMPILE, "--output-file", "requirements.lock", *options]
        status = subprocess.run(command, cwd=root).returncode
        if status:
            print("requirements.lock stays as it was; the lines above say why.", file=sys.stderr)
            return status
    pins = read_lock(root / "requirements.lock")
    (root / "environment.yml").write_text(environment_text(pins), encoding="utf-8", newline="\n")
    print(f"requirements.lock and environment.yml hold {len({pin.split('==')[0] for pin in pins})} packages.")
    return 0


def environment_text(pins):
    """The text of environment.yml: Python and pip by conda, everything else by pip at the locked versions."""
    head = [
        "# Made by `make lock` from requirements.lock; edit neither.",
        "# conda env create -f environment.yml && conda activate medtutor",
        "name: medtutor",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        f"  - python={CONDA_PYTHON}",
        "  - pip",
        "  - pip:",
    ]
    entries = [pin if ";" not in pin else f'"{pin}"' for pin in [*pins, "-e ."]]
    return "\n".join(head + [f"      - {entry}" for entry in entries]) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
