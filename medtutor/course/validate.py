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
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NBVAL = "0.11.0"
CELL_SECONDS = 300


def kernel_environment(fast=False):
    """The variables that a kernel gets when a notebook is built and when it is validated.

    fast  whether it loads what the build has trained (medtutor.fast), whatever the shell says
    -> {name: value}, to be laid over os.environ. What the portability settings vary (threads, instruction
    sets, oneDNN) is not among them, apart from the seed of the hash, which they override.
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
        "MEDTUTOR_FAST": "1" if fast else "0",
    }


def pytest_addoption(parser):
    """`--medtutor-fast` and `--medtutor-kernel`, which kernels are told of, and `--medtutor-numbers`."""
    parser.getgroup("medtutor").addoption(
        "--medtutor-fast",
        action="store_true",
        help="validate with the weights of data/fast, without training",
    )
    parser.getgroup("medtutor").addoption(
        "--medtutor-kernel",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an environment variable for the kernels, over what the course sets",
    )
    parser.getgroup("medtutor").addoption(
        "--medtutor-numbers",
        metavar="FILE",
        help="append the numbers with a tolerance to FILE as they come, one line of JSON a cell",
    )


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


def validate(paths=(), workers=2, options=(), variables=None, fast=False, there=None):
    """Run notebooks again and compare every output with the stored one, as `medtutor validate` does.

    paths    notebooks or folders of them; default: the chapters
    workers  notebooks at a time, each in a process of its own
    options  further options for pytest, e.g. ["-x"]
    variables  further environment variables, {name: value}
    fast     load what the build has trained, and say how often that was possible
    there    Surroundings whose Python and folder are used instead of those of this process
    -> pytest's exit code: 0 where every output agrees, 1 where one does not (or, with fast, where weights are
       missing), 5 where there is no notebook
    """
    if fast:
        return _validate_fast(paths, workers, options, variables, there)
    before = [*there.through, there.python] if there else [sys.executable]
    command = [*before, "-m", "pytest", "--nbval", "--nbval-current-env"]
    command += [f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider"]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]
    notebooks = [str(path) for path in paths or chosen()]
    if not notebooks:
        print(f"there is no notebook in {ROOT / 'notebooks'}; build one with medtutor build")
        return 5
    variables = variables or {}
    over = [name for name in kernel_environment() if name in variables]
    told = [f"--medtutor-kernel={name}={variables[name]}" for name in over]
    return subprocess.call(
        [*command, *told, *options, *notebooks],
        env={**os.environ, **variables},
        cwd=there.root if there else None,
    )


def _validate_fast(paths, workers, options, variables, there):
    """Validate with stored weights and print what became of each training."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "log.txt"
        variables = {**(variables or {}), "MEDTUTOR_FAST_LOG": str(told)}
        code = validate(paths, workers, [*options, "--medtutor-fast"], variables, there=there)
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    loaded = lines.count("loaded")
    print(f"fast: {loaded} of {len(lines)} trainings were loaded")
    for line in lines:
        if line != "loaded":
            print(f"  one {line}")
    if any("no stored weights" in line for line in lines):
        print("to store them: medtutor build NN --weights")
        return code or 1
    return code


def main(argv=None):
    """`medtutor validate [PATH…]`; returns pytest's exit code."""
    parser = argparse.ArgumentParser(
        prog="medtutor validate",
        description="Run notebooks again and compare every output with the stored one. A number before ± may "
        "move by the number after it, all else must be equal.",
        epilog="examples:\n  medtutor validate\n  medtutor validate notebooks/01_convolution.ipynb\n"
        "  medtutor validate 2 --fast\n"
        "  medtutor validate my_notebook.ipynb -- -x",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="numbers, names or paths (default: all)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="notebooks at a time (default 2)")
    parser.add_argument(
        "--fast",
        action="store_true",
        help="do not train but load the weights of data/fast, as MEDTUTOR_FAST=1 does; says how many "
        "trainings were loaded, exit code 1 if weights are missing (see medtutor build --weights)",
    )
    words = list(sys.argv[1:] if argv is None else argv)
    at = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:at])
    try:
        return validate(chosen(options.paths), options.workers, words[at + 1 :], fast=options.fast)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
