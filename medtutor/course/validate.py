"""Strict validation of notebooks: a pytest plugin on top of nbval, and what `medtutor validate` does.

    pytest --nbval --nbval-current-env my_notebook.ipynb

runs each code cell again and compares each output with the stored one. A number before ± may move by the
number after it; all else must be equal. `medtutor.course.compare` says what equal means,
`medtutor.course.strict` how nbval is told. Without `--nbval` this plugin does nothing.
"""

import argparse
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NBVAL = "0.11.0"
CELL_SECONDS = 300


def kernel_environment():
    """The variables that a kernel gets when a notebook is built and when it is validated.

    -> {name: value}, to be laid over os.environ. What the portability settings vary (threads, instruction
    sets, oneDNN) is not among them.
    """
    return {
        "PYTEST_CURRENT_TEST": "notebook",  # ipykernel then leaves output of C libraries out of the page
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",  # tolerances were measured on processors
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "",  # the default filters: what a student would be warned of is red
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "COLUMNS": "80",
        "MEDTUTOR_PROGRESS": "0",  # whether data were cached must not show in an output
    }


def pytest_configure(config):
    """Take over nbval's comparing and its kernels, in a run with `--nbval`."""
    if not config.getoption("nbval", False):
        return
    import pytest

    if (found := version("nbval")) != NBVAL:
        raise pytest.UsageError(
            f"medtutor compares notebooks on top of nbval {NBVAL}, and {found} is installed; "
            f"install nbval=={NBVAL}, or validate without this plugin: -p no:medtutor"
        )
    from medtutor.course import strict

    config.pluginmanager.register(strict, "medtutor-strict")
    if getattr(config.option, "dist", "no") in ("load", "worksteal"):
        config.option.dist = "loadfile"  # the cells of a notebook need one kernel


def chosen(asked=(), folder=ROOT / "notebooks"):
    """The stored notebooks that are asked for by number (1, 01), name or path; all for none asked.

    Raises ValueError, naming those there are, for one that is not there.
    """
    there = sorted(folder.glob("*.ipynb"))
    found = []
    for word in map(str, asked):
        number = f"{int(word):02}_" if word.isdigit() else None
        match = [path for path in there if path.stem in (word, Path(word).stem) or path.stem[:3] == number]
        if Path(word).exists():
            match = [Path(word)]
        if not match:
            names = ", ".join(path.stem for path in there) or "none"
            raise ValueError(f"there is no stored notebook {word!r}; there are: {names}")
        found += match
    return found or there


def validate(paths=(), workers=2, options=(), variables=None):
    """Run notebooks again and compare every output with the stored one, as `medtutor validate` does.

    paths    notebooks or folders of them; default: the chapters
    workers  notebooks at a time, each in a process of its own
    options  further options for pytest, e.g. ["-x"]
    variables  further environment variables, {name: value}
    -> pytest's exit code: 0 where every output agrees, 1 where one does not, 5 where there is no notebook
    """
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env"]
    command += [f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider"]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]
    notebooks = [str(path) for path in paths or chosen()]
    if not notebooks:
        print(f"there is no notebook in {ROOT / 'notebooks'}; build one with medtutor build")
        return 5
    return subprocess.call([*command, *options, *notebooks], env={**os.environ, **(variables or {})})


def main(argv=None):
    """`medtutor validate [PATH…]`; returns pytest's exit code."""
    parser = argparse.ArgumentParser(
        prog="medtutor validate",
        description="Run notebooks again and compare every output with the stored one. A number before ± may "
        "move by the number after it, all else must be equal.",
        epilog="examples:\n  medtutor validate\n  medtutor validate notebooks/01_convolution.ipynb\n"
        "  medtutor validate my_notebook.ipynb -- -x",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="numbers, names or paths (default: all)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="notebooks at a time (default 2)")
    words = list(sys.argv[1:] if argv is None else argv)
    at = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:at])
    try:
        return validate(chosen(options.paths), options.workers, words[at + 1 :])
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
