"""Lesson plans: minutes added up by hand, what is not there or does not fit named, each chapter with two."""

import io

import pytest

from medtutor.course import build, lint, plans
from medtutor.course.build import BuildError
from medtutor.course.plans import Plan, Step

TEXT = """\
# %% [markdown] id="opening"
# # 1 · Greys
#
# Four words to read.

# %% [markdown] id="first"
# ## 1.1 Windows

# %% id="train"
import numpy as np

from medtutor.exercises import check

# %% id="slow"
x = 1

# %% id="exercise-window" tags=["exercise"]
# exercise: window

# %% id="check-window"
check(window)

# %% [markdown] id="second"
# ## 1.2 Edges

# %% id="exercise-edges" tags=["exercise"]
# exercise: edge_strength

# %% id="check-edges"
check(edge_strength)

# %% [markdown] id="third"
# ## 1.10 The rest
"""
TOOK = {"seconds": 200.0, "cores": 2, "cells": {"train": 120.0, "slow": 30.0, "check-edges": 6.0}}
STEPS = (
    Step("opening", 4, "Look."),
    Step("1.1", 20, "Start it.", exercises={"window": 5}, meanwhile="train"),
    Step("1.2", 11, "Bet first."),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "01_tiny.py"
    path.write_text(TEXT, encoding="utf-8")
    return plans.Room(build.read_source(path).notebook, TOOK)


def plan_of(*steps, minutes=45):
    return Plan("01_tiny", minutes, "They see greys.", "The rest can be read.", steps)


def test_a_step_takes_its_talk_its_exercises_and_the_machine_but_for_what_runs_meanwhile(place):
    assert [place.minutes(step) for step in STEPS] == [4, 20 + 5 + 30 / 60, 11]
    assert place.minutes(Step("1.2", 11, "x", exercises={"edge_strength": 3})) == 11 + 3 + 6 / 60
    assert place.minutes(Step("1.1", 20, "x")) == 20 + 150 / 60
    assert place.minutes(Step("1.1", 20, "x", leave=("slow",), meanwhile="train")) == 20


def test_a_plan_that_fits_has_no_problem(place):
    assert plans.problems(plan_of(*STEPS), place) == []


def test_it_is_printed_with_the_minute_at_which_each_step_begins(place):
    lines = plans.text(plan_of(*STEPS), place).splitlines()
    assert lines[0] == "**Lesson plan, 45 minutes.** They see greys."
    assert "minute 0 (200 s, measured)" in lines[2]
    assert lines[6:10] == [
        "| 0 | Opening | 4 |  |  | Look. |",
        "| 4 | 1.1 Windows | 20 | `window` 5 | 30 s, `train` 120 s while you talk | Start it. |",
        "| 30 | 1.2 Edges | 11 |  |  | Bet first. |",
        "| 40 | questions, until 45 | | | | |",
    ]
    assert lines[11:] == ["**Left out:** 1.10. The rest can be read.", "", "**At home:** `edge_strength`."]


@pytest.mark.parametrize(
    "steps, minutes, said",
    [
        (
            (*STEPS, Step("1.9", 3, "x")),
            45,
            "a step for section '1.9'; the chapter has opening, 1.1, 1.2, 1.10",
        ),
        ((*STEPS, Step("second", 3, "x")), 45, "two steps for one section"),
        ((*STEPS, Step("1.10", 6, "x")), 45, "its steps take 46.5 min; wanted at most 45"),
        (STEPS[:2], 45, "its steps take 29.5 min of 45; wanted a lesson that is filled"),
        (STEPS, 90, "its steps take 40.5 min of 90"),
        (
            (Step("opening", 3, "x"), *STEPS[1:]),
            45,
            "Run All takes 200 s, and the first step talks for 3 min",
        ),
        ((), 45, "it has no step"),
    ],
)
def test_a_plan_that_does_not_fit_is_told_why(place, steps, minutes, said):
    (problem,) = plans.problems(plan_of(*steps, minutes=minutes), place)
    assert said in problem


@pytest.mark.parametrize(
    "step, said",
    [
        (Step("1.2", 11, "x", leave=("slow",)), "step 1.2: the section has no cell 'slow'"),
        (Step("1.2", 11, "x", meanwhile="train"), "step 1.2: the section has no cell 'train'"),
        (
            Step("1.2", 11, "x", exercises={"window": 1}),
            "the section has no exercise 'window'; it has edge_strength",
        ),
        (Step("1.2", 11, " "), "say is empty"),
    ],
)
def test_a_step_that_names_what_is_not_there_is_told_so(place, step, said):
    found = plans.problems(plan_of(*STEPS[:2], step), place)
    assert any(said in problem for problem in found)


def test_talk_is_no_shorter_than_what_runs_meanwhile_and_half_of_the_reading(place):
    short = Step("1.1", 1, "x", exercises={"window": 20}, meanwhile="train")
    found = plans.problems(plan_of(STEPS[0], short, STEPS[2]), place)
    assert any("'train' runs for 120 s, longer than the talk of 1 min" in said for said in found)
    words = Step("1.1", 0.2, "x", exercises={"window": 20})
    (found,) = plans.problems(plan_of(STEPS[0], words, STEPS[2]), place)
    assert found.startswith("step 1.1: talk takes 0.2 min, and what is shown")


def test_a_cell_cannot_run_meanwhile_and_be_left_out(place):
    both = Step("1.1", 20, "x", leave=("train",), exercises={"window": 5}, meanwhile="train")
    (found,) = plans.problems(plan_of(STEPS[0], both, STEPS[2]), place)
    assert "'train' runs meanwhile and is left out; choose one" in found


PLAN = """\
[[plan]]
chapter = "01_tiny"
minutes = 45
aim = "See."
left_out = "None."

[[plan.step]]
section = "1.1"
talk = 40
say = "Look."
"""


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("minutes = 45", "minutes = 60", "plan 1: minutes is 60; use 45 or 90"),
        ('aim = "See."\n', "", "plan 1: aim missing"),
        ('say = "Look."', 'say = "Look."\nskip = "x"', "plan 1, step 1: skip is not known"),
        ("talk = 40\n", "", "plan 1, step 1: talk missing"),
        ("[[plan]]", "[[plan]", "is not TOML"),
        (PLAN, PLAN + PLAN, "has two plans for 01_tiny, 45 min; keep one"),
    ],
)
def test_a_table_that_is_wrong_says_where(tmp_path, old, new, said):
    (tmp_path / "plans.toml").write_text(PLAN.replace(old, new), encoding="utf-8")
    with pytest.raises(BuildError, match=said):
        plans.read(tmp_path)


def test_the_lint_names_the_plan_that_does_not_fit(tmp_path):
    source = tmp_path / "source" / "01_tiny.py"
    source.parent.mkdir()
    source.write_text(TEXT, encoding="utf-8")
    build.store(build.read_source(source).notebook, tmp_path / "01_tiny.ipynb")

    def said():
        return [each for each in lint.problems(tmp_path / "01_tiny.ipynb") if "plans.toml" in each]

    assert said() == []
    (tmp_path / "plans.toml").write_text(PLAN, encoding="utf-8")
    assert said() == []
    (tmp_path / "plans.toml").write_text(PLAN.replace("1.1", "1.7"), encoding="utf-8")
    (found,) = said()
    assert found.startswith("01_tiny.ipynb: plans.toml, 45 min: it has a step for section '1.7'")


def test_each_chapter_that_is_ready_has_a_plan_for_each_length_and_it_holds():
    from medtutor.course import instructor

    every = plans.read()
    ready = instructor.ready()
    assert {(plan.chapter, plan.minutes) for plan in every} == {
        (chapter.name, minutes) for chapter in ready for minutes in plans.LENGTHS
    }
    for chapter in ready:
        place = plans.room(chapter)
        for plan in plans.read(chapter=chapter.name):
            assert plans.problems(plan, place) == []
            in_the_room = {name for step in plan.steps for name in step.exercises}
            assert in_the_room and in_the_room.isdisjoint(plans._at_home(plan, place))


def test_the_command_prints_one_length_or_both(monkeypatch):
    for minutes, count in ((45, 1), (90, 1), (None, 2)):
        out = io.StringIO()
        assert plans.run_plan(["1"], minutes=minutes, out=out) == 0
        assert out.getvalue().count("**Lesson plan, ") == count
    assert out.getvalue().startswith("# 1 · Convolution")


def test_a_chapter_without_a_plan_is_told_where_to_write_one():
    with pytest.raises(
        BuildError, match=r"00_start_here has no plan of 45 minutes; write one into .*plans\.toml"
    ):
        plans.run_plan(["0"], minutes=45)
