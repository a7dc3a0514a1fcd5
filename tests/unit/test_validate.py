"""Strict validation seen from outside: tiny notebooks are run by pytest, and each cell is red or green.

The cells of one notebook share a kernel, for kernels cost more than what is tested; each cell is a case.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from medtutor.course import validate


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def shown(**data):
    """An output as `display` stores it; html="…" stands for text/html, plain="…" for text/plain."""
    kinds = {"html": "text/html", "plain": "text/plain", "png": "image/png"}
    return new_output("display_data", data={kinds[name]: value for name, value in data.items()})


def code(name, source, *outputs, count=1, **metadata):
    return new_code_cell(source, id=name, outputs=list(outputs), execution_count=count, metadata=metadata)


def stored(path, cells):
    notebook = new_notebook(cells=list(cells))
    for count, cell in enumerate(notebook.cells, 1):
        cell.execution_count = cell.execution_count and count
    nbformat.write(notebook, path)


def run(folder, *options, **environment):
    """What strict validation of the notebooks in `folder` says -> .cells {id: (outcome, report)}, .code."""
    report = folder / "report.xml"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", f"--junitxml={report}", "-v"]
        + ["-p", "no:cacheprovider", "--color=no", *options, str(folder)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=180,  # a dead kernel must not be waited for as long as a cell may take, 2000 s
    )
    said = {}
    for case in ElementTree.parse(report).iter("testcase"):
        inner = next(iter(case), None)
        said[case.get("name")] = (
            ("passed", "") if inner is None else (inner.tag, inner.text or inner.get("message"))
        )
    return SimpleNamespace(cells=said, code=done.returncode, numbers=numbers(folder / "numbers.jsonl"))


def numbers(file):
    """What `--medtutor-numbers` wrote, {id of the cell: {name: text}}, None for a cell that did not end."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else ()
    return {line["cell"]: line["numbers"] for line in map(json.loads, lines)}


LINE = "test Dice   {} ± 0.020   at least 0.84: yes\n"
PAGE = '<figure><img alt="{alt}" src="data:image/png;base64,{png}">{caption}</figure>'
FIGURE = {"alt": "A round spot on black", "png": "AAAA+/8=", "caption": "One spot"}
MODULE = '<div id="x"></div><script type="module">{code}</script>'
TABLE = "<table><tr><td>Dice</td>\n<td>{}</td>\n<td>{}</td></tr></table>"
CAPTURED = 'print("Warning: low", file=sys.stderr)'


def html(page):
    """Code that displays `page`, and nothing beside it."""
    return f"display({{'text/html': {page!r}}}, raw=True)"


def prints(text):
    return f"print({text!r}, end='')"


RESULT = new_output("execute_result", data={"text/plain": "[1, 2]"}, execution_count=2)
GREEN = [
    code("imports", "import os, sys, random\nfrom IPython.display import display"),
    code("unchanged", "print('hello')\n[1, 2]", printed("hello\n"), RESULT),
    code("within", prints(LINE.format("0.874")), printed(LINE.format("0.860"))),
    code("at-the-edge", prints(LINE.format("0.874")), printed(LINE.format("0.894"))),
    code("ascii-sign", prints("loss 1,201.5 +/- 2 ms\n"), printed("loss 1,200.0 +/- 2 ms\n")),
    code("percent", prints("sensitivity 87.1 % ± 0.5 %\n"), printed("sensitivity 87.4 % ± 0.5 %\n")),
    code("width", prints("a     10.01 ± 0.05  b\n"), printed("a      9.98 ± 0.05  b\n")),
    code("page", html(TABLE.format("0.81 ± 0.02", 3)), shown(html=TABLE.format("0.82 ± 0.02", 3))),
    code(
        "picture-bytes", html(PAGE.format(**FIGURE)), shown(html=PAGE.format(**{**FIGURE, "png": "BBBBBBBB"}))
    ),
    code(
        "widget",
        "display({'application/vnd.jupyter.widget-view+json': {}, 'text/plain': 'Slider'}, raw=True)",
        shown(plain="Slider"),
    ),
    code("unchecked", "random.random()", tags=["nbval-ignore-output"]),
    code("table", prints("x 1.01 2.000\n"), printed("x  1.00 2.001\n"), nbval={"rtol": 0.02}),
    code(
        "start-up-lines",
        "print('I0000 00:00:1795470143.222400   14058 port.cc:153] oneDNN is on.', file=sys.stderr)",
    ),
    code("environment", "print(os.environ['PYTHONHASHSEED'])", printed("0\n")),
    code("streams-in-pieces", "print('a')\nprint('b')", printed("a\n"), printed("b\n")),
]
RED = [
    code("outside", prints(LINE.format("0.874")), printed(LINE.format("0.853"))),
    code(
        "tolerance-changed", prints(LINE.format("0.874")), printed(LINE.format("0.874").replace("20 ", "30 "))
    ),
    code("unit-changed", prints("depth 3.10 ± 0.20 mm\n"), printed("depth 3.10 ± 0.20 cm\n")),
    code("name-changed", prints(LINE.format("0.874")), printed(LINE.format("0.874").replace("test", "val"))),
    code(
        "verdict-changed",
        prints("d 0.835 ± 0.02   at least 0.84: NO\n"),
        printed("d 0.845 ± 0.02   at least 0.84: yes\n"),
    ),
    code(
        "missed-bound",
        prints("d 0.835 ± 0.02   at least 0.84: NO\n"),
        printed("d 0.835 ± 0.02   at least 0.84: NO\n"),
    ),
    code("missed-bound-unchecked", prints("n   3   at most 2: NO\n"), tags=["nbval-ignore-output"]),
    code("nan", prints(LINE.format("nan")), printed(LINE.format("0.874"))),
    code("nan-stored", prints(LINE.format("nan")), printed(LINE.format("nan"))),
    code("inf-stored", prints("loss -inf ± 0.1\n"), printed("loss -inf ± 0.1\n")),
    code("exact", prints("weights   640\n"), printed("weights   641\n")),
    code("decimal", prints("x 1.01\n"), printed("x 1.00\n")),
    code("blanks", prints("a  b\n"), printed("a b\n")),
    code("table-outside", prints("x 1.03\n"), printed("x 1.00\n"), nbval={"rtol": 0.02}),
    code("table-whole", prints("x 3 1.00\n"), printed("x 2 1.00\n"), nbval={"rtol": 0.9}),
    code("page-outside", html(TABLE.format("0.81 ± 0.02", 3)), shown(html=TABLE.format("0.84 ± 0.02", 3))),
    code("page-count", html(TABLE.format("0.81 ± 0.02", 3)), shown(html=TABLE.format("0.81 ± 0.02", 4))),
    code(
        "alt-changed",
        html(PAGE.format(**FIGURE)),
        shown(html=PAGE.format(**{**FIGURE, "alt": "A square spot"})),
    ),
    code(
        "caption-changed",
        html(PAGE.format(**FIGURE)),
        shown(html=PAGE.format(**{**FIGURE, "caption": "Two"})),
    ),
    code("module-changed", html(MODULE.format(code="a + b")), shown(html=MODULE.format(code="a - b"))),
    code(
        "huge-page",
        "display({'text/html': '1' + 'xy' * 10**6 + '1'}, raw=True)",
        shown(html="2" + "xy" * 10**6 + "2"),
    ),
    code("output-missing", "pass", printed("hello\n")),
    code("output-extra", "print('hello')"),
    code("other-kind", "print('hello')", shown(plain="hello")),
    code("picture-missing", "display({'text/plain': 'p'}, raw=True)", shown(plain="p", png="AAAA")),
    code(
        "alt-of-png",
        "display({'image/png': 'AAAA'}, raw=True, metadata={'image/png': {'alt': 'one'}})",
        new_output("display_data", data={"image/png": "AAAA"}, metadata={"image/png": {"alt": "two"}}),
    ),
    code("unrun", "1 + 1", count=None),
    code("warning", CAPTURED),
    code("warning-stored", CAPTURED, printed("Warning: low\n", "stderr")),
    code(
        "warning-after-start-up",
        "print('2026-11-23 21:30:38.1: I port.cc:153] on.\\nlow', file=sys.stderr)",
    ),
    code("bad-magic", "%nosuchmagic"),
    code("bad-magic-unchecked", "%nosuchmagic", tags=["nbval-ignore-output"]),
    code("raises-unchecked", "1 / 0", tags=["nbval-ignore-output"]),
    code("missing-name", "print(never_made)", printed("1\n")),
]
DIES = [
    code("alive", "print('hello')", printed("hello\n")),
    code("dies", "import os\nos._exit(3)"),
    code("below-the-dead", "print('hello')", printed("hello\n")),
]


OLDER = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {},
            "outputs": [{"name": "stdout", "output_type": "stream", "text": ["x 1.0 ± 0.5\n"]}],
            "source": ["print('x 1.2 ± 0.5')"],
        }
    ],
    "metadata": {"kernelspec": {"display_name": "Other", "language": "python", "name": "other"}},
    "nbformat": 4,
    "nbformat_minor": 2,
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strict")
    stored(folder / "cases.ipynb", GREEN + RED)
    stored(folder / "dies.ipynb", DIES)
    (folder / "older.ipynb").write_text(json.dumps(OLDER), encoding="utf-8")
    return run(folder, f"--medtutor-numbers={folder / 'numbers.jsonl'}", PYTHONHASHSEED="5")


@pytest.mark.parametrize("name", [cell.id for cell in GREEN])
def test_outputs_that_agree_are_green(seen, name):
    assert seen.cells[name] == ("passed", "")


@pytest.mark.parametrize("name", [cell.id for cell in RED])
def test_outputs_that_differ_are_red(seen, name):
    assert seen.cells[name][0] == "failure"


REASONS = {
    "outside": "test Dice: stored 0.853, now 0.874: moved by 0.021, more than ± 0.020",
    "nan": "not a finite number: test Dice nan ± 0.020",
    "nan-stored": "not a finite number: test Dice nan ± 0.020",
    "missed-bound": "the bound is missed: d 0.835 ± 0.02 at least 0.84: NO",
    "page-outside": "stored 0.84, now 0.81: moved by 0.03, more than ± 0.02",
    "table-outside": "stored 1.00, now 1.03: moved by 0.03, more than ± 0.02",
    "alt-changed": "A square spot",
    "output-missing": "stored outputs: stdout",
    "output-extra": "stored outputs: none",
    "other-kind": "display_data of text/plain",
    "picture-missing": "image/png",
    "unrun": "stored without having been run",
    "warning": "on stderr: Warning: low",
    "warning-after-start-up": "on stderr: low",
    "bad-magic": "UsageError: Line magic function `%nosuchmagic` not found.",
    "bad-magic-unchecked": "UsageError",
    "raises-unchecked": "ZeroDivisionError",
    "missing-name": "(cell 'bad-magic' failed before it, which may be why)",
}


@pytest.mark.parametrize("name", REASONS)
def test_report_names_the_cell_and_the_reason(seen, name):
    report = seen.cells[name][1]
    assert f": {name}: " in report
    assert REASONS[name] in " ".join(report.split())


CAME = {
    "at-the-edge": {"test Dice": "0.874"},
    "ascii-sign": {"loss": "1201.5"},
    "outside": {"test Dice": "0.874"},
    "missed-bound": {"d": "0.835"},
    "nan": {"test Dice": "NaN"},
    "unchanged": {},
    "missing-name": None,
    "bad-magic": None,
    "raises-unchecked": None,
    "alive": {},
    "dies": None,
    "below-the-dead": None,
    "Cell 0": {"x": "1.2"},
}


@pytest.mark.parametrize("name", CAME)
def test_numbers_are_told_as_they_came_and_not_as_they_were_stored(seen, name):
    assert seen.numbers[name] == CAME[name]


def test_numbers_of_unchecked_cells_are_not_told(seen):
    assert not {"unchecked", "missed-bound-unchecked"} & set(seen.numbers)


def test_difference_in_a_huge_page_is_shown_in_part(seen):
    report = seen.cells["huge-page"][1]
    assert "[from character 0] 1xyxy" in report and "truncated" not in report


def test_notebook_of_an_older_format_is_validated_too(seen):
    assert seen.cells["Cell 0"] == ("passed", "")


def test_dead_kernel_is_red_at_once_and_its_cells_are_not_waited_for(seen):
    assert seen.cells["alive"] == ("passed", "")
    outcome, report = seen.cells["dies"]
    assert outcome == "failure" and "the kernel died (exit code 3)" in report
    outcome, reason = seen.cells["below-the-dead"]
    assert outcome == "skipped" and "not run: the kernel died (exit code 3), in cell 'dies'" in reason
    assert seen.code == 1


SLOW = {
    "slow": "import time\ntime.sleep(600)",
    "swallows": "import time\ntry:\n    time.sleep(600)\nexcept KeyboardInterrupt:\n    pass",
    "babbles": "import time\nwhile True:\n    try:\n        time.sleep(0.1)\n        print('still here')\n"
    "    except KeyboardInterrupt:\n        pass",
}


@pytest.fixture(scope="module")
def late(tmp_path_factory):
    folder = tmp_path_factory.mktemp("late")
    for name, source in SLOW.items():
        stored(folder / f"{name}.ipynb", [code(name, source), code(f"below-{name}", "pass")])
    return run(folder, "--nbval-cell-timeout=1", f"--medtutor-numbers={folder / 'numbers.jsonl'}")


@pytest.mark.parametrize("name", SLOW)
def test_cell_that_takes_too_long_is_red_and_its_notebook_ends(late, name):
    assert late.cells[name][0] == "failure"
    assert "imeout" in late.cells[name][1] or "ran out of time" in late.cells[name][1]
    assert late.cells[f"below-{name}"][0] == "skipped"
    assert f"not run: cell '{name}' ran out of time" in late.cells[f"below-{name}"][1]
    assert late.numbers[name] is None


@pytest.mark.parametrize(
    "asked, given", [("load", "loadfile"), ("worksteal", "loadfile"), ("loadscope", "loadscope")]
)
def test_cells_of_a_notebook_are_not_shared_among_workers(asked, given):
    options = SimpleNamespace(dist=asked)
    config = SimpleNamespace(
        getoption=lambda name, default: True,
        option=options,
        pluginmanager=SimpleNamespace(register=lambda *_: None),
    )
    validate.pytest_configure(config)
    assert options.dist == given


def test_plugin_is_silent_where_nbval_is_missing(tmp_path):
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:nbval",
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0 and "1 passed" in done.stdout and not done.stderr


def test_importing_the_plugin_loads_nothing_heavy():
    heavy = "{'nbval', 'nbformat', 'pytest', 'jupyter_client', 'numpy', 'tensorflow'}"
    script = f"import sys, medtutor.course.validate; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_other_nbval_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(validate, "version", lambda name: "0.12.0")
    config = SimpleNamespace(getoption=lambda name, default: True)
    with pytest.raises(pytest.UsageError, match=r"0\.12\.0 is installed; install nbval==0\.11\.0"):
        validate.pytest_configure(config)


def test_validate_runs_notebooks_and_passes_on_the_exit_code(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    stored(tmp_path / "good.ipynb", [code("fine", "print(1)", printed("1\n"))])
    stored(tmp_path / "bad.ipynb", [code("wrong", "print(1)", printed("2\n"))])
    assert validate.main(["bad.ipynb", "good.ipynb", "--workers", "1", "--", "-q"]) == 1
    assert "1 failed, 1 passed" in capfd.readouterr().out


@pytest.mark.parametrize("workers, words", [(1, ""), (2, "-n 2 --dist loadfile")])
def test_workers_get_whole_notebooks(monkeypatch, workers, words):
    called = []
    monkeypatch.setattr(
        validate.subprocess, "call", lambda command, **_: called.append(" ".join(command)) or 0
    )
    assert validate.validate(["a.ipynb"], workers) == 0
    assert words in called[0] and (" -n " in called[0]) == bool(words)


def test_missing_notebook_is_named(capsys):
    assert validate.main(["nowhere.ipynb"]) == 2
    assert "there is no stored notebook 'nowhere.ipynb'; there are: " in capsys.readouterr().err


@pytest.mark.parametrize("asked", [["1"], ["01"], ["01_one"], ["notebooks/01_one.ipynb"]])
def test_chapter_is_chosen_by_number_name_or_path(tmp_path, asked):
    for name in ("01_one", "02_two"):
        (tmp_path / f"{name}.ipynb").touch()
    assert validate.chosen(asked, tmp_path) == [tmp_path / "01_one.ipynb"]
    assert len(validate.chosen([], tmp_path)) == 2
