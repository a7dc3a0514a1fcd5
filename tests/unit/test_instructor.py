"""The instructor's edition: made of source and exercises, with every check green, not for students."""

import io
import json

import nbformat
import pytest

from medtutor.course import build, instructor
from medtutor.course.build import BuildError
from medtutor.exercises import find, stub

WITH_CHECKS = [  # read as text, for every process of the tests asks this
    chapter
    for chapter in build.chapters()
    if any(map(build.EXERCISE.fullmatch, chapter.source.read_text(encoding="utf-8").splitlines()))
]

TINY = """\
# %% [markdown] id="opening"
# # One
#
# Four words to read.

# %% [markdown] id="opening-notes" tags=["notes"]
# Ask who has seen a CT.

# %% [markdown] id="first"
# ## 1.1 Greys

# %% id="start"
import numpy as np

from medtutor.exercises import check

# %% id="exercise-window" tags=["exercise"]
# exercise: window

# %% id="check-window"
check(window)

# %% [markdown] id="second"
# ## 1.2 The end

# %% id="hour"
raise RuntimeError("nobody runs this to check an exercise")
"""


@pytest.fixture
def root(tmp_path):
    return _root(tmp_path, TINY)


def _root(folder, text):
    (folder / "notebooks" / "source").mkdir(parents=True)
    (folder / "notebooks" / "source" / "01_tiny.py").write_text(text, encoding="utf-8")
    (folder / "notebooks" / "chapters.toml").write_text("", encoding="utf-8")
    return folder


def edition(root, *names, **options):
    """(exit code, words, cells of the edition of chapter 1 by id) of `medtutor instructor`."""
    out = io.StringIO()
    code = instructor.run_instructor(names or ("1",), root, out=out, **options)
    path = (options.get("folder") or root / "build" / "instructor") / "01_tiny.ipynb"
    cells = nbformat.read(path, as_version=4).cells if path.exists() else []
    return code, out.getvalue(), {cell.id: cell for cell in cells}


@pytest.mark.parametrize("chapter", WITH_CHECKS, ids=lambda chapter: chapter.name)
def test_with_the_solutions_in_every_check_of_the_chapter_says_right(chapter):
    said = instructor.said_by_checks(chapter)
    assert not instructor.not_green(said)
    assert sorted(name for _, name, _ in said) == sorted(instructor.exercise_cells(chapter.source).values())


@pytest.mark.parametrize("chapter", WITH_CHECKS, ids=lambda chapter: chapter.name)
def test_the_edition_has_all_cells_of_the_student_and_a_word_on_each_exercise(chapter):
    student = build.read_source(chapter.source).notebook.cells
    source, _ = instructor.edition(chapter)
    nbformat.validate(source.notebook)
    teacher = {cell.id: cell for cell in source.notebook.cells}
    asked = instructor.exercise_cells(chapter.source)
    assert [cell.id for cell in student] == [
        cell.id for cell in source.notebook.cells if "notes" not in cell.metadata.get("tags", ())
    ]
    for cell in student:
        if cell.id not in asked:
            assert teacher[cell.id].source == cell.source
    for cell, name in asked.items():
        exercise, told = find(name), teacher[f"teach-about-{cell}"].source
        assert exercise.source.strip() in teacher[cell].source
        assert "raise NotImplementedError" not in teacher[cell].source
        for words in (*exercise.hints, *(mistake.reply for mistake in exercise.mistakes), exercise.right):
            assert words in told
        assert all(law.statement in told for law in exercise.laws)


def test_it_lies_where_git_does_not_look_and_nothing_of_the_student_is_touched(root):
    code, words, cells = edition(root)
    assert code == 0 and "01_tiny.ipynb" in words
    assert not list((root / "notebooks").glob("*.ipynb"))
    assert "build/" in (build.ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert list(cells) == [
        "opening",
        "teach-timetable",
        "opening-notes",
        "teach-minute-first",
        "first",
        "start",
        "exercise-window",
        "check-window",
        "teach-about-exercise-window",
        "teach-minute-second",
        "second",
        "hour",
    ]
    assert cells["opening-notes"].source == "**For the one who teaches.** Ask who has seen a CT."


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/teacher", "build/../notebooks"])
def test_it_is_never_written_among_the_students_notebooks(root, folder):
    with pytest.raises(BuildError, match="is for the students' notebooks; choose a folder outside"):
        edition(root, folder=root / folder)


def test_a_check_needs_nothing_but_its_exercise(root):
    code, words, cells = edition(root, check=True)
    assert (code, words, cells) == (0, "01_tiny  1 of 1 checks say right\n", {})


def test_a_check_that_is_not_green_is_named(root, monkeypatch):
    monkeypatch.setattr("medtutor.exercises.source", stub)
    code, words, _ = edition(root, check=True)
    assert code == 1
    assert "0 of 1 checks say right" in words
    assert "not green, cell 'check-window': ○ window: not tried yet" in words


def test_executed_it_keeps_its_outputs_and_reports_a_check_that_is_not_green(tmp_path, monkeypatch):
    text = TINY.split('# %% [markdown] id="second"')[0]
    root = _root(tmp_path, text + '# %% id="again"\nwindow = None\n\n# %% id="red"\ncheck(window)\n')
    code, words, cells = edition(root, run=True)
    assert code == 1
    assert cells["check-window"].outputs[0].text.startswith("✓ window: right.")
    (named,) = (line for line in words.splitlines() if "not green" in line)
    assert named.startswith(
        "  not green, cell 'red': ? `check` needs the function itself; this is a NoneType"
    )


def test_an_edition_made_twice_is_the_same(root):
    first = {name: cell.source for name, cell in edition(root)[2].items()}
    assert {name: cell.source for name, cell in edition(root)[2].items()} == first


def test_it_opens_with_the_lesson_plans_of_its_chapter(root):
    plan = (
        '[[plan]]\nchapter = "{}"\nminutes = {}\naim = "See greys."\nleft_out = "Nothing."\n'
        '[[plan.step]]\nsection = "1.1"\ntalk = 40\nsay = "Look."\nexercises = {{ window = 4 }}\n'
    )
    plans = plan.format("01_tiny", 90) + plan.format("01_tiny", 45) + plan.format("02_other", 45)
    (root / "notebooks" / "plans.toml").write_text(plans, encoding="utf-8")
    cells = edition(root)[2]
    assert list(cells)[1:4] == ["teach-timetable", "teach-plan-45", "teach-plan-90"]
    assert "**Lesson plan, 45 minutes.** See greys." in cells["teach-plan-45"].source
    assert "| 0 | 1.1 Greys | 40 | `window` 4 |  | Look. |" in cells["teach-plan-45"].source


def test_minutes_are_computed_from_words_lines_and_measured_cells(root):
    measured = {"01_tiny": {"seconds": 200.0, "cores": 2, "cells": {"check-window": 120.0}}}
    (root / "notebooks" / "measured.json").write_text(json.dumps(measured), encoding="utf-8")
    notebook = build.read_source(root / "notebooks/source/01_tiny.py", notes=True).notebook
    opening, first, second = instructor.sections(notebook, measured["01_tiny"]["cells"])
    assert (opening.words, opening.lines, opening.seconds) == (5, 0, 0)  # One, and four words
    assert (first.title, first.seconds, first.exercises) == ("1.1 Greys", 120.0, 1)
    assert first.minutes == pytest.approx(3 / 200 + first.lines / 15 + 2)
    assert second.words == 4
    cells = edition(root)[2]
    ends = round(opening.minutes + first.minutes)
    assert cells["teach-minute-second"].source.startswith(f"*Minute {ends} (estimate)")
    table = cells["teach-timetable"].source
    assert "| 120 s | 1 |" in table and "ran for 200 s" in table and "**estimate**" in table
