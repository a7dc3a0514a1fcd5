"""How far the stated numbers of a notebook move between settings of one machine, as recorded beside it.

A tolerance must be at least three times the spread that is recorded here; `medtutor lint` compares them.
"""

import argparse
import json
import os
import platform
import subprocess
from pathlib import Path

from medtutor.course import compare
from medtutor.course.validate import CELL_SECONDS, chosen, kernel_environment

_NEWER_THAN_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR"

# oneDNN computes for TensorFlow, OpenBLAS and numpy's own loops for numpy; each is asked in its own words.
SETTINGS = {
    "as is": {},
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "SSE4.1": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": f"X86_V3 {_NEWER_THAN_AVX2}",
    },
    "AVX2": {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": _NEWER_THAN_AVX2,
    },
    "one thread": {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    },
    "four threads": {
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_NUM_THREADS": "4",
        "TF_NUM_INTRAOP_THREADS": "4",
        "TF_NUM_INTEROP_THREADS": "4",
    },
    "other hash": {"PYTHONHASHSEED": "20260"},
}


def machine():
    """What the numbers were computed on, in words: "2 cores, x86_64"."""
    return f"{os.cpu_count()} cores, {platform.machine()}"


def outputs_under(path, setting):
    """Run the stored notebook at `path` in a fresh kernel -> its notebook with the outputs of this run.

    setting  {name: value}, environment variables for the kernel
    Raises nbclient's CellExecutionError for a cell that does not run under this setting.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, kernel_name="python3", timeout=CELL_SECONDS, store_widget_state=False)
    environment = {**os.environ, **kernel_environment(), **setting}
    client.execute(env=environment, cwd=str(Path(path).parent), stderr=subprocess.DEVNULL)
    return notebook


def results(notebook):
    """The stated numbers of a notebook, {"cell-id: name": Number}; unchecked cells are left out."""
    return {
        f"{cell['id']}: {name}": number
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "nbval-ignore-output" not in cell["metadata"].get("tags", ())
        for name, number in compare.results(cell["outputs"]).items()
    }


def spreads(runs):
    """Extremes and spread of each result over several runs.

    runs  {setting: {name: Number}}
    ->    {name: {"lowest", "highest", "spread", "values"}}, numbers as text; values in the order of `runs`,
          None where a setting did not state the result
    Raises ValueError for a result that is no finite number under some setting.
    """
    for setting, run in runs.items():
        if broken := [name for name, number in run.items() if not number.value.is_finite()]:
            raise ValueError(
                f"{broken[0]!r} is {run[broken[0]].value} under {setting!r}; mend the cell first"
            )
    names = dict.fromkeys(name for run in runs.values() for name in run)
    record = {}
    for name in names:
        values = [run[name].value if name in run else None for run in runs.values()]
        lowest, highest = (end(value for value in values if value is not None) for end in (min, max))
        record[name] = {
            "lowest": f"{lowest:f}",
            "highest": f"{highest:f}",
            "spread": f"{highest - lowest:f}",
            "values": [None if value is None else f"{value:f}" for value in values],
        }
    return record


def as_json(record, settings=SETTINGS):
    """The file in which a record is kept: one line a result, the same bytes for the same numbers."""
    head = {"machine": machine(), "settings": list(settings)}
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    rows = [f"  {json.dumps(k, ensure_ascii=False)}: {json.dumps(v)}" for k, v in record.items()]
    return "\n".join(["{", *lines, ' "results": {', ",\n".join(rows), " }", "}"]) + "\n"


def states_numbers(path):
    """Whether a stored notebook states a number whose spread could be recorded."""
    import nbformat

    return bool(results(nbformat.read(path, as_version=4)))


def recorded(path):
    """The settings under which the spread of a notebook was recorded, () where none was."""
    file = Path(path).parent / "spread" / f"{Path(path).stem}.json"
    return tuple(json.loads(file.read_text(encoding="utf-8"))["settings"]) if file.exists() else ()


def record(paths, settings=None):
    """Run each notebook under each setting and write notebooks/spread/NN_slug.json; tells as it goes.

    -> [Path] of the records
    """
    settings = SETTINGS if settings is None else settings
    written = []
    for path in map(Path, paths):
        runs = {}
        for name, setting in settings.items():
            print(f"{path.stem}  {name}", flush=True)
            runs[name] = results(outputs_under(path.resolve(), setting))
        found = spreads(runs)
        folder = path.parent / "spread"
        folder.mkdir(exist_ok=True)
        file = folder / f"{path.stem}.json"
        file.write_text(as_json(found, settings), encoding="utf-8", newline="\n")
        for name, each in found.items():
            print(f"  {name:60} {each['lowest']} to {each['highest']}, spread {each['spread']}")
        written.append(file)
    return written


def main(argv=None):
    """`medtutor spread [NN…]`; returns 0, or 1 where a notebook does not run under some setting."""
    parser = argparse.ArgumentParser(
        prog="medtutor spread",
        description="Run chapters under " + ", ".join(SETTINGS) + ", and record in notebooks/spread/ how far "
        "each stated number moves. A tolerance must be at least three times that.",
        epilog="example:\n  medtutor spread 01",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("chapters", nargs="*", metavar="NN", help="numbers, names or paths (default: all)")
    asked = parser.parse_args(argv).chapters
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    try:
        record(chosen(asked))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{error}\nThe notebook does not run under this setting; nothing was recorded for it.")
        return 1
    except ValueError as error:
        print(error)
        return 2
    return 0
