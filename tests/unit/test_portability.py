"""The table of settings: what is green, what failed, and what was not run and so is not green."""

import json
from contextlib import contextmanager

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from medtutor.course import portability, spread
from medtutor.course.portability import Run
from medtutor.course.surroundings import NotHere, NotSetUp, Setting, Surroundings, settings


@pytest.fixture
def planted(tmp_path):
    """A notebook that states the seed of the hash: that of the course passes, another fails."""
    output = new_output("stream", name="stdout", text="x 0.0 ± 0.5\n")
    source = "import os\nprint(f\"x {os.environ['PYTHONHASHSEED']}.0 ± 0.5\")"
    cell = new_code_cell(source, id="planted", outputs=[output], execution_count=1)
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "01_planted.ipynb")
    return tmp_path / "01_planted.ipynb"


def setting(there):
    """A Setting that gives these Surroundings, or raises what it is given."""

    @contextmanager
    def enter():
        if isinstance(there, Exception):
            raise there
        yield there

    return Setting("in words", enter)


def test_a_setting_that_cannot_be_had_is_not_run_and_one_cell_that_moves_is_red(planted, capfd):
    """Also that a setting overrides what the course sets, and that agreeing outputs end in exit code 0."""
    asked = {
        "as is": setting(Surroundings()),
        "moved": setting(Surroundings({"PYTHONHASHSEED": "2"})),
        "absent": setting(NotHere("no such Python")),
    }
    assert portability.portability([planted], asked, workers=1) == 1
    said = capfd.readouterr().out
    rows = [line.split() for line in said.split("\nsetting", 1)[1].splitlines()[1:]]
    assert rows[0] == "as is 1 0 not recorded".split()
    assert rows[1] == "moved 0 1 not recorded".split()
    assert len(rows[2]) == 1 and rows[2][0].endswith("::planted")
    assert rows[3] == "absent not run: no such Python".split()
    assert "3 of 3: absent: in words" in said and "absent: not run: no such Python" in said
    assert said.endswith(
        "1 of 3 settings are green; failed: moved; not run, so nothing is known of: absent\n"
    )
    assert [each.name for each in planted.parent.iterdir()] == ["01_planted.ipynb"]


BREAKS = """import os
print("y 3.0 ± 0.5")
assert os.environ["PYTHONHASHSEED"] == "0"
"""


def test_numbers_are_recorded_as_they_came_and_not_where_a_cell_broke(planted, capfd):
    """A red cell's too; two notebooks run at a time, and the order is that of the table of settings."""
    output = new_output("stream", name="stdout", text="y 3.0 ± 0.5\n")
    cell = new_code_cell(BREAKS, id="breaks", outputs=[output], execution_count=1)
    breaking = planted.with_name("02_breaking.ipynb")
    nbformat.write(new_notebook(cells=[cell]), breaking)
    stored = planted.read_bytes()
    asked = {
        "other hash": setting(Surroundings({"PYTHONHASHSEED": "2"})),
        "as is": setting(Surroundings()),
        "read-only": setting(NotHere("no mount")),
    }
    assert portability.portability([planted, breaking], asked, write=True) == 1
    said = capfd.readouterr().out
    moved, held = (json.loads(spread.file_of(path).read_text("utf-8")) for path in (planted, breaking))
    assert moved["settings"] == ["as is", "other hash"] and held["settings"] == ["as is"]
    assert moved["results"]["planted: x"]["values"] == ["0.0", "2.0"]
    assert held["results"]["breaks: y"]["values"] == ["3.0"]
    assert "  01_planted: recorded, with it 2 of 13 settings\n" in said
    assert "  02_breaking: not recorded: cell 'breaks' did not come to its end\n" in said
    assert planted.read_bytes() == stored


@pytest.mark.parametrize(
    "runs, code",
    [
        ([Run("a", 0, 9)], 0),
        ([Run("a", 0, 9), Run("b", None, reason="no locale")], 0),
        ([Run("a", None, reason="no locale")], 1),
        ([Run("a", 0, 9), Run("b", 1, 8, ("x",))], 1),
        ([Run("a", 0, 9), Run("b", 5)], 1),
        ([Run("a", 0, 9), Run("b", 2, reason="no room")], 1),
    ],
    ids=["green", "one not run", "none run", "one red", "no notebook", "no environment"],
)
def test_the_exit_code_is_that_of_what_failed(runs, code, monkeypatch):
    found = iter(runs)
    monkeypatch.setattr(portability, "attempt", lambda *_: next(found))
    asked = {run.setting: setting(Surroundings()) for run in runs}
    assert portability.portability([], asked) == code


def test_what_did_not_run_is_never_written_as_a_pass():
    text = portability.table([Run("AVX2", 4), Run("Python 3.12", None, reason="no Python 3.12 here")])
    assert "did not run" in text.splitlines()[1]
    assert text.splitlines()[2] == "Python 3.12 not run: no Python 3.12 here"


def test_an_environment_that_could_not_be_made_is_a_failure():
    run = portability.attempt("Python 3.13", setting(NotSetUp("the lines above say why")), [], 1)
    assert run.failed and "did not run: the lines above say why" in str(run)


def test_a_notebook_of_the_course_is_validated_in_the_copy_and_any_other_where_it_lies(tmp_path):
    course = portability.ROOT / "notebooks" / "01_convolution.ipynb"
    assert portability.in_copy(course, tmp_path) == tmp_path / "notebooks" / "01_convolution.ipynb"
    assert portability.in_copy(tmp_path / "own.ipynb", tmp_path / "copy") == tmp_path / "own.ipynb"


def test_spread_that_was_not_recorded_is_named_by_chapter(planted):
    other = planted.with_name("02_other.ipynb")
    other.write_bytes(planted.read_bytes())
    silent = planted.with_name("00_silent.ipynb")
    nbformat.write(new_notebook(), silent)
    folder = planted.parent / "spread"
    folder.mkdir()
    (folder / "01_planted.json").write_text(spread.as_json({}, ["as is", "AVX2"]), encoding="utf-8")
    (folder / "02_other.json").write_text(spread.as_json({}, ["as is"]), encoding="utf-8")
    held = portability.records([silent, planted, other])
    assert portability.spread_of("as is", held) == "recorded"
    assert portability.spread_of("AVX2", held) == "not recorded: 02"
    assert portability.spread_of("four threads", held) == "not recorded"
    assert portability.spread_of("as is", portability.records([silent])) == "no number to record"


def test_settings_are_picked_by_name_in_their_order_with_hyphens_or_spaces():
    def picked(*names):
        return list(portability.pick(names, settings()))

    assert picked("read-only", "ONE-THREAD", "as is") == ["as is", "one thread", "read-only"]
    assert picked("python-3.12", "onednn off") == ["oneDNN off", "Python 3.12"]
    assert picked("arithmetic") == list(spread.SETTINGS) and picked("all") == list(settings())
    assert picked("read-only", "arithmetic") == [*spread.SETTINGS, "read-only"]


@pytest.mark.parametrize(
    "words, names, writes",
    [
        (["01"], list(settings()), False),
        (["01", "--write"], list(spread.SETTINGS), True),
        (["01", "--write", "--settings", "all"], list(settings()), True),
    ],
)
def test_recording_takes_the_settings_of_arithmetic_unless_others_are_asked_for(
    monkeypatch, words, names, writes
):
    def ran(paths, asked, workers, write):
        assert (list(asked), write) == (names, writes)
        return 17

    monkeypatch.setattr(portability, "portability", ran)
    assert portability.main(words) == 17


def test_a_chapter_behind_the_settings_is_answered_with_where_it_belongs(capsys):
    assert portability.main(["--settings", "AVX2", "01"]) == 2
    said = capsys.readouterr().out
    assert "no setting '01'; there are: as is, oneDNN off" in said
    assert "Chapters stand before --settings." in said


def test_the_list_names_every_setting_and_runs_nothing(capsys, monkeypatch):
    monkeypatch.setattr(portability, "validate", None)
    assert portability.main(["--list", "01"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [row.split("  ")[0] for row in rows] == list(settings())
