"""How far the stated numbers of a notebook move between settings of one machine, as recorded beside it.

A tolerance must be at least three times the spread that is recorded here; `medtutor lint` compares them.
`medtutor portability NN --write` records.
"""

import json
import os
import platform
from decimal import Decimal
from pathlib import Path

from medtutor.course import compare
from medtutor.course.prepare import ONE_THREAD

AS_IS = "as is"

_NEWER_THAN_AVX2 = "X86_V4 AVX512_ICL AVX512_SPR"

# oneDNN computes for TensorFlow, OpenBLAS and numpy's own loops for numpy; each is asked in its own words.
SETTINGS = {
    AS_IS: {},
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
    "one thread": ONE_THREAD,
    "four threads": dict.fromkeys(ONE_THREAD, "4"),
    "other hash": {"PYTHONHASHSEED": "20260"},
}


def machine():
    """What the numbers were computed on, in words: "2 cores, x86_64"."""
    return f"{os.cpu_count()} cores, {platform.machine()}"


def results(notebook):
    """The stated numbers of a notebook, {"cell-id: name": Number}; unchecked cells are left out."""
    return {
        f"{cell['id']}: {name}": number
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and "nbval-ignore-output" not in cell["metadata"].get("tags", ())
        for name, number in compare.results(cell["outputs"]).items()
    }


def stated(path):
    """The numbers that a stored notebook states, {"cell-id: name": text}."""
    import nbformat

    return {name: f"{each.value:f}" for name, each in results(nbformat.read(path, as_version=4)).items()}


def told(file):
    """What the runs that were given `--medtutor-numbers` have written into `file`.

    -> {notebook's stem: ({"cell-id: name": text}, [id of a cell that did not come to its end])}
    """
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        cell = json.loads(line)
        numbers, broken = found.setdefault(cell["notebook"], ({}, []))
        if cell["numbers"] is None:
            broken.append(cell["cell"])
        else:
            numbers.update({f"{cell['cell']}: {name}": text for name, text in cell["numbers"].items()})
    return found


def unfit(stored, numbers, broken=()):
    """Why the numbers of a run tell nothing of how far the stored ones move, '' where they do.

    stored, numbers   {name: text}
    broken            ids of the cells that did not come to their end
    """
    if broken:
        return f"cell {broken[0]!r} did not come to its end"
    for name in stored:
        if name not in numbers:
            return f"{name!r} was not stated"
    for name, text in numbers.items():
        if name not in stored:
            return f"{name!r} is not in the stored notebook"
        if not Decimal(text).is_finite():
            return f"{name!r} is {text}; mend the cell first"
    return ""


def spreads(runs, stored):
    """Extremes and spread of each result over several runs.

    runs    {setting: {name: text}}, each with all the names of `stored`
    stored  {name: text}, what the notebook states
    ->      {name: {"lowest", "highest", "spread", "values", "stored"}}, numbers as text; values in the order
            of `runs`
    """
    record = {}
    for name, was in stored.items():
        values = [run[name] for run in runs.values()]
        lowest, highest = min(map(Decimal, values)), max(map(Decimal, values))
        record[name] = {
            "lowest": f"{lowest:f}",
            "highest": f"{highest:f}",
            "spread": f"{highest - lowest:f}",
            "values": values,
            "stored": was,
        }
    return record


def as_json(record, settings):
    """The file in which a record is kept: one line a result, the same bytes for the same numbers."""
    head = {"machine": machine(), "settings": list(settings)}
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    rows = [f"  {json.dumps(k, ensure_ascii=False)}: {json.dumps(v)}" for k, v in record.items()]
    return "\n".join(["{", *lines, ' "results": {', ",\n".join(rows), " }", "}"]) + "\n"


def file_of(path):
    """The file that holds the record of the notebook at `path`."""
    return Path(path).parent / "spread" / f"{Path(path).stem}.json"


def recorded(path):
    """The settings under which the spread of a notebook was recorded, () where none was."""
    file = file_of(path)
    return tuple(json.loads(file.read_text(encoding="utf-8"))["settings"]) if file.exists() else ()


def kept(path, stored):
    """The runs in the record of a notebook that can stand beside a new one, and why they cannot, if so.

    A run is kept while the notebook stores the very numbers that it stored then, which says that its code is
    the same, and on the same machine; "as is" need not give these numbers here, and may be run again.

    stored  {name: text}, what the notebook states now
    ->      ({setting: {name: text}}, sentence or '')
    """
    if not (file := file_of(path)).exists():
        return {}, ""
    record = json.loads(file.read_text(encoding="utf-8"))
    runs = {
        setting: {name: each["values"][i] for name, each in record["results"].items()}
        for i, setting in enumerate(record["settings"])
    }
    then = {name: each["stored"] for name, each in record["results"].items() if "stored" in each}
    if (then or runs.get(AS_IS)) != stored:  # older records say it by their "as is"
        return {}, "the record is of a notebook with other numbers"
    if record["machine"] != machine():
        return {}, f"the record is of a machine with {record['machine']}"
    return runs, ""


def keep(path, stored, setting, numbers, broken=(), order=SETTINGS):
    """Put the numbers of a notebook under a setting into its record -> a sentence that says so, or why not.

    stored            {name: text}, what the notebook stated when it was run
    numbers, broken   what the run stated, as from `told`
    order             the names of all settings, in which order the record has them
    """
    if not stored:
        return "states no number"
    if reason := unfit(stored, numbers, broken):
        return f"not recorded: {reason}"
    runs, dropped = kept(path, stored)
    runs[setting] = numbers
    places = {name: place for place, name in enumerate(order)}
    runs = {name: runs[name] for name in sorted(runs, key=lambda name: places.get(name, len(places)))}
    file = file_of(path)
    file.parent.mkdir(exist_ok=True)
    file.write_text(as_json(spreads(runs, stored), runs), encoding="utf-8", newline="\n")
    began = f"begun anew, for {dropped}; " if dropped else ""
    return f"{began}recorded, with it {len(runs)} of {len(order)} settings"
