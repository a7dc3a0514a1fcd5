"""Which planted faults the tests catch, and which the notebooks: tests/faults/caught.json, and its table.

The file has a line for each fault that was tried with `medtutor faults --write`:

    "stride ignored": {"tests": "tests/unit/test_nn_convolution.py::test_…", "notebook": ""}

The first red test or cell stands there, "" where all stayed green; what is not named was not tried.

README.md has the table, by `make readme` and by `medtutor faults --write`.
"""

import json
from pathlib import Path

from medtutor.course import faults as planted
from medtutor.guide import chapters

FILE = "tests/faults/caught.json"
PLACES = {
    "package": "in the package alone",
    "both": "in package and chapter alike",
    "chapter": "in a cell of the chapter alone",
}


def read(root):
    """{chapter: {name of a fault: {"tests" or "notebook": the first red test or cell, "" for none}}}"""
    path = Path(root) / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def known(records, fault):
    """Whether each kind of target that the fault is aimed at has an answer."""
    answers = records.get(fault.chapter, {}).get(fault.name, {})
    return {planted.kind_of(target) for target in fault.noticed_by} <= answers.keys()


def add(root, fault, outcome):
    """Keep what one fault came to; faults that no table has any more are dropped."""
    records = read(root)
    records.setdefault(fault.chapter, {}).setdefault(fault.name, {}).update(answers(fault, outcome))
    write(root, records)


def add_unnamed(root, faults):
    """Keep that no test catches the faults for which none is named."""
    records = read(root)
    for fault in faults:
        if all(planted.kind_of(target) == "notebook" for target in fault.noticed_by):
            records.setdefault(fault.chapter, {}).setdefault(fault.name, {})["tests"] = ""
    write(root, records)


def answers(fault, outcome):
    """{kind: by} of the kinds of target that were run, in turn and until one was red, parameters left out."""
    ran = {}
    for target in fault.noticed_by:
        red = outcome.caught and outcome.by.split("::")[0] == target.split("::")[0]
        word = "" if outcome.how in ("", "test") else f" ({outcome.how})"
        ran[planted.kind_of(target)] = outcome.by.split("[")[0] + word if red else ""
        if red:
            break
    return ran


def write(root, records):
    """Write the file, a line for each fault, in the order of the tables."""
    chapters = {}
    for fault in planted.find_faults(root):
        if answer := records.get(fault.chapter, {}).get(fault.name):
            line = f"  {_json(fault.name)}: {_json(dict(sorted(answer.items(), reverse=True)))}"
            chapters.setdefault(fault.chapter, []).append(line)
    parts = [f" {_json(chapter)}: {{\n" + ",\n".join(lines) + "\n }" for chapter, lines in chapters.items()]
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    (Path(root) / FILE).write_text(text, encoding="utf-8", newline="\n")


def _json(value):
    return json.dumps(value, ensure_ascii=False)


def table(root):
    """The shares as a markdown table: a row for each chapter, for all, and for each place of a fault."""
    faults, records = planted.find_faults(root), read(root)
    titles = {
        Path(each.notebook).stem: f"{each.number} · {each.title}"
        for each in chapters(Path(root) / "notebooks")
        if each.notebook
    }
    found = [(fault, records.get(fault.chapter, {}).get(fault.name, {})) for fault in faults]
    rows = {
        titles.get(chapter, chapter): [each for each in found if each[0].chapter == chapter]
        for chapter in dict.fromkeys(fault.chapter for fault in faults)
    }
    rows["all"] = found
    for place, words in PLACES.items():
        rows[f"of these, {words}"] = [each for each in found if place_of(each[0]) == place]
    lines = [
        "| faults of | planted | caught by tests | by the chapter's notebook | by both | by neither |",
        "|---|---|---|---|---|---|",
    ]
    for name, some in rows.items():
        cells = name, len(some), *shares([answer for _, answer in some])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def shares(answers):
    """["caught of tried"] by tests, by the notebook, by both, by neither, the last where both were tried."""
    tests = [bool(each["tests"]) for each in answers if "tests" in each]
    notebook = [bool(each["notebook"]) for each in answers if "notebook" in each]
    pairs = [(each["tests"], each["notebook"]) for each in answers if {"tests", "notebook"} <= each.keys()]
    both = [bool(a and b) for a, b in pairs]
    neither = [not (a or b) for a, b in pairs]
    return [
        f"{sum(each)} of {len(each)}" if each else "not tried" for each in (tests, notebook, both, neither)
    ]


def place_of(fault):
    """Where a fault is planted: "package", "chapter" for its source alone, or "both"."""
    sources = [edit.file.startswith("notebooks/source/") for edit in fault.edits]
    return "chapter" if all(sources) else "both" if any(sources) else "package"
