"""Lesson plans of 45 and 90 minutes: what to show, to say, to try and to leave out; the minutes are added up.

notebooks/plans.toml holds a plan for each chapter and length. The lint checks it, `medtutor plan` prints it,
and the instructor's edition opens with it.

    [[plan]]
    chapter = "03_segmentation"
    minutes = 45
    aim = "…"                      # what they can do when they leave
    left_out = "…"                 # why the rest can wait, and what becomes of it

    [[plan.step]]
    section = "3.2"                # its number, or the id of the cell that it begins with
    talk = 7                       # minutes, reading included
    exercises = { dice_score = 4 } # optional: solved in the room, with their minutes; others are for home
    leave = ["hd95-code"]          # optional: further cells that are not shown
    meanwhile = "live"             # optional: a cell that is started first and runs while you talk
    say = "…"

The lesson begins with Run All, so that a section that is left out breaks nothing. A step takes its talk, its
exercises, and the measured seconds of the cells that are shown, but for the one that runs meanwhile.
"""

import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from medtutor import guide
from medtutor.course import build, instructor
from medtutor.course.build import ROOT, BuildError, shown

LENGTHS = (45, 90)  # minutes
SPARE = 0.2  # at most this share of the lesson may be left over for questions
FASTEST = 2  # talk takes at least the time of reading divided by this: who talks points at code
TABLE = "plans.toml"
NUMBERED = re.compile(r"\d+\.\d")  # how the title of a section begins


@dataclass(frozen=True)
class Step:
    """A part of a lesson; as the table has it."""

    section: str
    talk: float
    say: str
    leave: tuple = ()
    exercises: dict = field(default_factory=dict)
    meanwhile: str | None = None


@dataclass(frozen=True)
class Plan:
    """A lesson on one chapter, "03_segmentation", in so many minutes."""

    chapter: str
    minutes: int
    aim: str
    left_out: str
    steps: tuple


def read(folder=ROOT / "notebooks", chapter=None):
    """The plans of notebooks/plans.toml, or of one chapter in it; BuildError says which entry is wrong."""
    path = Path(folder) / TABLE
    if not path.exists():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("plan", [])
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{shown(path)} is not TOML: {error}") from None
    plans = [_plan(entry, f"{shown(path)}, plan {number}") for number, entry in enumerate(entries, 1)]
    names = [(plan.chapter, plan.minutes) for plan in plans]
    if twice := [f"{name}, {minutes} min" for name, minutes in names if names.count((name, minutes)) > 1]:
        raise BuildError(f"{shown(path)} has two plans for {twice[0]}; keep one")
    return [plan for plan in plans if chapter in (None, plan.chapter)]


def _plan(entry, where):
    rows = entry.get("step", [])
    _check_keys(entry, {"chapter", "minutes", "aim", "left_out", "step"}, set(), where)
    for number, row in enumerate(rows, 1):
        _check_keys(
            row, {"section", "talk", "say"}, {"leave", "exercises", "meanwhile"}, f"{where}, step {number}"
        )
    if entry["minutes"] not in LENGTHS:
        raise BuildError(f"{where}: minutes is {entry['minutes']!r}; use 45 or 90")
    steps = tuple(Step(**{**row, "leave": tuple(row.get("leave", ()))}) for row in rows)
    return Plan(entry["chapter"], entry["minutes"], entry["aim"], entry["left_out"], steps)


def _check_keys(entry, required, optional, where):
    if missing := sorted(required - set(entry)):
        raise BuildError(f"{where}: {', '.join(missing)} missing")
    if unknown := sorted(set(entry) - required - optional):
        raise BuildError(f"{where}: {', '.join(unknown)} is not known")


# What a step takes


class Room:
    """A chapter as a plan meets it: its sections by number, and what its cells take.

    notebook  as nbformat has it, a student's one
    took      {"seconds", "cells"} as `medtutor time` has stored them, or {}
    """

    def __init__(self, notebook, took):
        self.seconds, self.whole = took.get("cells", {}), took.get("seconds", 0.0)
        self.sections = instructor.sections(notebook, self.seconds)

    def find(self, name):
        """The section that a step means, None where there is none."""
        for each in self.sections:
            if name == each.cell or each.title.startswith(f"{name} "):
                return each

    def shown(self, step):
        """The cells that a step shows, without the exercises (and checks) that it does not name."""
        return [
            cell
            for cell in self.find(step.section).cells
            if cell.id not in step.leave and _tried_in(cell) <= set(step.exercises)
        ]

    def asked(self, step):
        """The exercises of a step's section, whether the plan names them or not."""
        return [
            name
            for cell in self.find(step.section).cells
            if cell.cell_type == "code"
            for name in instructor.checked(cell.source)
        ]

    def machine(self, step):
        """Measured seconds of the cells that a step shows, but for the one that runs meanwhile."""
        return sum(self.seconds.get(cell.id, 0.0) for cell in self.shown(step) if cell.id != step.meanwhile)

    def minutes(self, step):
        """What a step takes in all."""
        return step.talk + sum(step.exercises.values()) + self.machine(step) / 60

    def skipped(self, plan):
        """The numbered sections that a plan leaves out."""
        taken = [self.find(step.section) for step in plan.steps]
        return [each for each in self.sections if each not in taken and NUMBERED.match(each.title)]


def _tried_in(cell):
    """The exercises that a cell asks for or checks."""
    if cell.cell_type != "code":
        return set()
    asked = "exercise" in cell.metadata.get("tags", ())
    stubs = re.findall(r"^def (\w+)", cell.source, re.MULTILINE)[:1] if asked else []
    return {*instructor.checked(cell.source), *stubs}


def room(chapter):
    """The Room of a build.Chapter."""
    notebook = build.read_source(chapter.source).notebook
    return Room(notebook, guide.measured(chapter.notebook.parent).get(chapter.name, {}))


# What is wrong with a plan


def problems(plan, place):
    """What is wrong with a plan in its Room, as sentences; none where it holds."""
    unknown = [step for step in plan.steps if place.find(step.section) is None]
    if unknown or not plan.steps:
        sections = ", ".join(each.title.split()[0] for each in place.sections if NUMBERED.match(each.title))
        return [
            f"it has a step for section {step.section!r}; the chapter has opening, {sections}"
            for step in unknown
        ] or ["it has no step"]
    found = [said for step in plan.steps for said in _problems_of(step, place)]
    names = [place.find(step.section).cell for step in plan.steps]
    if len(set(names)) < len(names):
        found.append("it has two steps for one section; put them together")
    whole = sum(map(place.minutes, plan.steps))
    if whole > plan.minutes:
        found.append(f"its steps take {whole:.1f} min; wanted at most {plan.minutes}: leave something out")
    elif whole < (1 - SPARE) * plan.minutes:
        found.append(f"its steps take {whole:.1f} min of {plan.minutes}; wanted a lesson that is filled")
    if 60 * plan.steps[0].talk < place.whole:
        found.append(
            f"Run All takes {place.whole:.0f} s, and the first step talks for {plan.steps[0].talk:g} min; "
            "wanted talk until all has run"
        )
    return found


def _problems_of(step, place):
    where = f"step {step.section}:"
    there = {cell.id for cell in place.find(step.section).cells}
    for cell in (*step.leave, *([step.meanwhile] if step.meanwhile else ())):
        if cell not in there:
            yield f"{where} the section has no cell {cell!r}"
    for name in step.exercises:
        if name not in place.asked(step):
            has = ", ".join(place.asked(step)) or "none"
            yield f"{where} the section has no exercise {name!r}; it has {has}"
    if step.meanwhile in step.leave:
        yield f"{where} {step.meanwhile!r} runs meanwhile and is left out; choose one"
    if (seconds := place.seconds.get(step.meanwhile, 0.0)) > 60 * step.talk:
        yield (
            f"{where} {step.meanwhile!r} runs for {seconds:.0f} s, longer than the talk of {step.talk:g} min"
        )
    reading = guide.reading(place.shown(step))
    if step.talk < reading / FASTEST:
        yield (
            f"{where} talk takes {step.talk:g} min, and what is shown {reading:.1f} min to read; "
            f"wanted at least {reading / FASTEST:.1f}, or cells that are left out"
        )
    if not step.say.strip():
        yield f"{where} say is empty; say what to say"


# A plan as text


def text(plan, place):
    """A plan as markdown: aim, a table with the minute at which each step begins, what is left out."""
    rows, minute = [], 0.0
    for step in plan.steps:
        title = place.find(step.section).title
        rows.append(
            f"| {minute:.0f} | {title if NUMBERED.match(title) else 'Opening'} | {step.talk:g} "
            f"| {_exercises(step)} | {_machine(step, place)} | {_say(step)} |"
        )
        minute += place.minutes(step)
    skipped = ", ".join(each.title.split()[0] for each in place.skipped(plan))
    home = ", ".join(f"`{name}`" for name in _at_home(plan, place))
    return "\n".join(
        [
            f"**Lesson plan, {plan.minutes} minutes.** {plan.aim}",
            "",
            f"Everybody chooses *Run → Run All Cells* at minute 0{_whole(place)}; then a section that "
            "is left out is missed by no other. Times of cells are measured; talk, reading included, and "
            "exercises are planned.",
            "",
            "| minute | section | talk, min | exercises, min | machine | say |",
            "|---|---|---|---|---|---|",
            *rows,
            f"| {minute:.0f} | questions, until {plan.minutes} | | | | |",
            "",
            f"**Left out:** {skipped or 'no section'}. {plan.left_out}",
            "",
            f"**At home:** {home or 'no exercise is left'}.",
        ]
    )


def _whole(place):
    return f" ({place.whole:.0f} s, measured)" if place.whole else ""


def _exercises(step):
    return ", ".join(f"`{name}` {minutes:g}" for name, minutes in step.exercises.items())


def _machine(step, place):
    said = [f"{place.machine(step):.0f} s"] if place.machine(step) >= 1 else []
    if step.meanwhile:
        seconds = place.seconds.get(step.meanwhile)
        said.append(f"`{step.meanwhile}`{f' {seconds:.0f} s' if seconds else ''} while you talk")
    return ", ".join(said)


def _say(step):
    left = f" *Not shown:* {', '.join(f'`{cell}`' for cell in step.leave)}." if step.leave else ""
    return step.say.replace("|", "\\|") + left


def _at_home(plan, place):
    named = {name for step in plan.steps for name in step.exercises}
    every = [name for each in place.sections for name in place.asked(Step(each.cell, 0, ""))]
    return [name for name in every if name not in named]


def run_plan(names=(), root=ROOT, minutes=None, out=None):
    """`medtutor plan`: print the plans of the chapters asked for, or of all that have one; returns 0."""
    out = out or sys.stdout
    folder = Path(root) / "notebooks"
    planned = {plan.chapter for plan in read(folder)}
    chapters = (
        build.chapters(names, root) if names else build.chapters(sorted(planned), root) if planned else []
    )
    if not chapters:
        raise BuildError(f"there is no plan; write one into {shown(folder / TABLE)}")
    for chapter in chapters:
        plans = [plan for plan in read(folder, chapter.name) if minutes in (None, plan.minutes)]
        if not plans:
            length = f" of {minutes} minutes" if minutes else ""
            raise BuildError(f"{chapter.name} has no plan{length}; write one into {shown(folder / TABLE)}")
        place = room(chapter)
        print(f"# {place.sections[0].title}\n", file=out)
        for plan in sorted(plans, key=lambda plan: plan.minutes):
            print(f"{text(plan, place)}\n", file=out)
    return 0
