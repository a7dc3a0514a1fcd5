"""The instructor's edition: a chapter with solutions in place of stubs, and what only who teaches it sees.

    medtutor instructor 3   ->   build/instructor/03_segmentation.ipynb

It is made from the chapter's source, the exercises of medtutor.exercises and the text cells of the source
with the tag "notes"; nothing in it is written twice, and nothing in it is edited. It opens with the lesson
plans of notebooks/plans.toml.

    # %% [markdown] id="edges-notes" tags=["notes"]
    # Let them guess first. Most bet on the kernel with the larger numbers.
"""

import ast
import contextlib
import inspect
import io
import re
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

from medtutor import guide
from medtutor.course import build, slices
from medtutor.course.build import ROOT, BuildError, shown
from medtutor.guide import LINES, NOTES, WORDS

FOLDER = Path("build") / "instructor"
HEADING = re.compile(r"^## +(.*)$", re.MULTILINE)
FOR_YOU = "**For the one who teaches.**"


# Exercises and their checks


def exercise_cells(path):
    """{cell id: name of the exercise} of a chapter source."""
    return asked_in(build.read_source(path, exercise="# exercise: {}".format).notebook.cells)


def asked_in(cells):
    """{cell id: name of the exercise} of cells in which exercises still stand as "# exercise: NAME"."""
    return {
        cell.id: match[1]
        for cell in cells
        if cell.cell_type == "code"
        for line in cell.source.splitlines()
        if (match := build.EXERCISE.fullmatch(line))
    }


def checked(source):
    """Names of the functions that a cell gives to `check`."""
    calls = [
        node
        for statement in slices.Cell("", source).statements
        for node in ast.walk(statement.node)
        if isinstance(node, ast.Call) and len(node.args) == 1 and isinstance(node.args[0], ast.Name)
    ]
    named = {ast.Name: "id", ast.Attribute: "attr"}
    return [
        node.args[0].id
        for node in calls
        if type(node.func) in named and getattr(node.func, named[type(node.func)]) == "check"
    ]


def said_by_checks(chapter):
    """What each check of the edition says, without running the chapter -> [(cell id, exercise, text)].

    Runs the exercise, its check and what these two need of the cells above.
    """
    from medtutor import exercises

    source = build.read_source(chapter.source, exercise=exercises.source)
    cells = [slices.Cell(cell.id, cell.source) for cell in source.notebook.cells if cell.cell_type == "code"]
    found = []
    for place, cell in enumerate(cells):
        for name in checked(cell.source):
            space = slices.run(slices.needed(cells[: place + 1], {name, "check"}))
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                space.get("check", exercises.check)(space.get(name))
            found.append((cell.name, name, said.getvalue().strip()))
    return found


def not_green(said):
    """The checks that do not say right, as sentences."""
    return [f"cell {cell!r}: {text.splitlines()[0] if text else f'check({name}) says nothing'}"
            for cell, name, text in said if not text.startswith("✓")]  # fmt: skip


def _said_in(notebook):
    """What the checks of an executed edition say, like `said_by_checks`."""
    found = []
    for cell in notebook.cells:
        for name in checked(cell.source) if cell.cell_type == "code" else ():
            text = "".join(each.text for each in cell.outputs if each.output_type == "stream")
            found.append((cell.id, name, text.strip()))
    return found


# Minute marks


@dataclass
class Section:
    """A part of a chapter from one heading to the next.

    cell     id of the cell with the heading
    seconds  of its cells, as far as they were measured
    cells    the cells themselves
    """

    cell: str
    title: str
    words: int = 0
    lines: int = 0
    seconds: float = 0.0
    exercises: int = 0
    cells: list = field(default_factory=list)

    @property
    def minutes(self):
        return self.words / WORDS + self.lines / LINES + self.seconds / 60


def sections(notebook, seconds):
    """The sections of a notebook; `seconds` is {cell id: measured seconds}. Notes are not counted."""
    found = []
    for cell in notebook.cells:
        if NOTES in cell.metadata.get("tags", ()):
            continue
        text = cell.cell_type == "markdown"
        if not found or (text and HEADING.search(cell.source)):
            title = HEADING.search(cell.source) or re.search(r"^# +(.*)$", cell.source, re.MULTILINE)
            found.append(Section(cell.id, title[1] if text and title else cell.id))
        found[-1].cells.append(cell)
        found[-1].words += guide.words(cell)
        found[-1].lines += guide.lines(cell)
        found[-1].seconds += seconds.get(cell.id, 0.0)
        found[-1].exercises += 0 if text else len(checked(cell.source))
    return found


def _measured(chapter):
    """({cell id: seconds}, seconds of the chapter or None) as `medtutor time` has stored them."""
    entry = guide.measured(chapter.notebook.parent).get(chapter.name, {})
    return entry.get("cells", {}), entry.get("seconds")


def timetable(found, whole=None):
    """The sections with the minute at which each begins, as text for the top of the edition."""
    rows, minute = [], 0.0
    for each in found:
        machine = f"{each.seconds:.0f} s" if each.seconds >= 0.5 else ""
        rows.append(
            f"| {minute:.0f} | {each.title} | {each.words} | {each.lines} | {machine} "
            f"| {each.exercises or ''} |"
        )
        minute += each.minutes
    ran = f" All cells together ran for {whole:.0f} s when they were measured." if whole else ""
    return "\n".join(
        [
            f"{FOR_YOU} This edition is made from the chapter; change the source, not this file.",
            "",
            "| begins at minute | section | words | lines of code | machine | exercises |",
            "|---|---|---|---|---|---|",
            *rows,
            f"| {minute:.0f} | end | | | | |",
            "",
            f"The minutes are an **estimate**: {WORDS} words and {LINES} lines of code read in a minute, "
            "plus the time of those cells that were measured. Talk, questions and the work on exercises "
            "come on top." + ran,
        ]
    )


def _mark(section, minute):
    exercises = f", {section.exercises} to solve" if section.exercises else ""
    machine = f" and run (machine {section.seconds:.0f} s)" if section.seconds >= 0.5 else ""
    takes = f"{section.minutes:.0f} min to read{machine}{exercises}"
    return f"*Minute {minute:.0f} (estimate); this section: {takes}.*"


# What is said about an exercise


def about(exercise):
    """What the one who teaches should know of an exercise, as markdown."""
    hints = "\n".join(f"{level}. {text}" for level, text in enumerate(exercise.hints, 1))
    mistakes = "\n".join(
        f"- *{_spoken(mistake.name, exercise.name)}*: {mistake.reply}" for mistake in exercise.mistakes
    )
    code = "\n\n".join(_code(mistake.function) for mistake in exercise.mistakes)
    return "\n\n".join(
        [
            f"{FOR_YOU} **`{exercise.name}`**: {exercise.question} Solved, it says: *{exercise.right}*",
            f"**Hints**, one at each call of `hint`:\n\n{hints}",
            f"**The usual mistakes**, and the reply that each gets:\n\n{mistakes}",
            f"<details><summary>The mistakes in code</summary>\n\n```python\n{code}\n```\n\n</details>",
            _how_judged(exercise),
        ]
    )


def _spoken(mistake, name):
    return mistake.removeprefix(name).strip("_").replace("_", " ") or mistake


def _code(function):
    text = textwrap.dedent(inspect.getsource(function))
    node = ast.parse(text).body[0]
    return "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])


def _how_judged(exercise):
    from medtutor.exercises.attempt import RTOL
    from medtutor.exercises.verdict import SECONDS

    probes = exercise.inputs()
    laws = "\n".join(f"- {law.statement}" for law in exercise.laws)
    parts = [
        f"**How the check judges.** It calls the function on {len(probes)} inputs that it draws, the first "
        f"of them\n\n```python\n{exercise.written(probes[0])}\n```\n\nand compares the answers with the "
        f"solution's: whole numbers exactly, others up to {RTOL:g} of the largest. `medtutor grade` "
        f"draws others. The inputs must stay as they are, and all calls together may take {SECONDS:g} s."
    ]
    if exercise.view is not None:
        parts.append(f"There are several right answers; it must be {exercise.wanted}.")
    if laws:
        parts.append(f"Answers learnt by heart break one of these laws, tried on other inputs:\n\n{laws}")
    return "\n\n".join(parts)


# The edition


def edition(chapter, run=False, progress=None):
    """The edition of a chapter as a build.Source, and the checks that are not green as sentences.

    run   execute it, so that outputs are stored and the minute marks know each cell's time
    """
    from medtutor import exercises

    source = build.read_source(chapter.source, exercise=exercises.source, notes=True)
    seconds, whole = _measured(chapter)
    found = []
    if run:
        seconds = {}
        whole = build.execute(source, chapter.notebook.parent, progress, cells=seconds)
        found = not_green(_said_in(source.notebook))
    _add_what_only_they_see(
        source.notebook, exercise_cells(chapter.source), seconds, whole, lesson_plans(chapter)
    )
    return source, found


def lesson_plans(chapter):
    """The chapter's lesson plans as {minutes: markdown}, the shorter first."""
    from medtutor.course import plans

    found = plans.read(chapter.notebook.parent, chapter.name)
    place = plans.room(chapter) if found else None
    return {plan.minutes: plans.text(plan, place) for plan in sorted(found, key=lambda plan: plan.minutes)}


def _add_what_only_they_see(notebook, asked, seconds, whole, planned):
    from medtutor import exercises

    found = sections(notebook, seconds)
    begins, minute = {}, 0.0
    for each in found:
        begins[each.cell] = _mark(each, minute)
        minute += each.minutes
    waiting, cells = [], []
    for place, cell in enumerate(notebook.cells):
        if place and cell.id in begins:
            cells += [*waiting, _told(f"minute-{cell.id}", begins[cell.id])]
            waiting = []
        if NOTES in cell.metadata.get("tags", ()):
            cell.source = f"{FOR_YOU} {cell.source}"
        cells.append(cell)
        if not place:
            cells.append(_told("timetable", timetable(found, whole)))
            cells += [_told(f"plan-{minutes}", f"{FOR_YOU} {said}") for minutes, said in planned.items()]
        if cell.id in asked:
            waiting.append(_told(f"about-{cell.id}", about(exercises.find(asked[cell.id]))))
        if waiting and cell.cell_type == "code" and checked(cell.source):
            cells, waiting = cells + waiting, []
    notebook.cells = cells + waiting


def _told(name, text):
    from nbformat.v4 import new_markdown_cell

    made = new_markdown_cell(text, metadata={"tags": [NOTES]})
    made.id = f"teach-{name}"[:64]
    return made


def ready(root=ROOT):
    """The chapters that chapters.toml calls ready."""
    notebooks = [each.notebook for each in guide.chapters(Path(root) / "notebooks") if each.notebook]
    return build.chapters(notebooks, root) if notebooks else []


def run_instructor(names=(), root=ROOT, folder=None, run=False, check=False, out=None):
    """`medtutor instructor`: write the editions of the chapters asked for; returns 0 or 1.

    names   as in build.chapters; none: all that are ready
    folder  where to; default build/instructor
    run     execute them, and return 1 where a check is not green
    check   write nothing: run only exercises and checks
    """
    out = out or sys.stderr
    folder = Path(root) / FOLDER if folder is None else Path(folder)
    if (Path(root) / "notebooks").resolve() in (folder.resolve(), *folder.resolve().parents):
        raise BuildError(f"{shown(folder)} is for the students' notebooks; choose a folder outside of it")
    red = {}
    for chapter in build.chapters(names, root) if names else ready(root):
        if check:
            said = said_by_checks(chapter)
            red[chapter.name] = not_green(said)
            print(
                f"{chapter.name}  {len(said) - len(red[chapter.name])} of {len(said)} checks say right",
                file=out,
            )
        else:
            with build.Progress(chapter.name, out) if run else contextlib.nullcontext() as progress:
                source, red[chapter.name] = edition(chapter, run, progress)
            folder.mkdir(parents=True, exist_ok=True)
            build.store(source.notebook, folder / f"{chapter.name}.ipynb")
            print(f"{chapter.name}  {shown(folder / f'{chapter.name}.ipynb')}", file=out)
        for sentence in red[chapter.name]:
            print(f"  not green, {sentence}", file=out)
    return 1 if any(red.values()) else 0
