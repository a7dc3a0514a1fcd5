"""What `00_start_here` shows: the map of the course, and whether this environment is the locked one."""

import contextlib
import dataclasses
import html
import importlib.metadata
import json
import logging
import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (3, 11), (3, 13)
WORDS = 200  # read in a minute
LINES = 15  # of code, read in a minute
NOTES = "notes"  # tag of a text cell that only the instructor's edition has
TIMES = "**Time.**"  # begins the paragraph on times that the build puts below a chapter's opening

SAME = (
    "This environment is the locked one: each package has the version that the stored results were made with."
)
MAY_DIFFER = (
    "What may differ: numbers behind ± may leave their tolerance, pictures may look different, and a message "
    "may read otherwise. What is taught stays the same. `make lab` gives the locked environment."
)
NO_LOCK = (
    "requirements.lock was not found beside the package, so the versions here cannot be compared with those "
    "that the stored results were made with. In a checkout of the project they are."
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """One package that is not as locked.

    name     as the lock names it
    here     version, or why there is none, e.g. "2.4.5" or "missing"
    locked   version
    """

    name: str
    here: str
    locked: str


class Environment:
    """Whether this Python and its packages are those of the lock; as the last line of a cell it is shown.

    differences   list of Difference, empty where all is as locked; None where no lock was found
    """

    def __init__(self, differences):
        self.differences = differences

    def __repr__(self):
        if self.differences is None:
            return NO_LOCK
        if not self.differences:
            return SAME
        width = max(len(each.name) for each in self.differences)
        rows = [
            f"  {each.name:<{width}}   {each.here} here, {each.locked} locked" for each in self.differences
        ]
        return "\n".join([self._headline(), *rows, MAY_DIFFER])

    def _headline(self):
        count = len(self.differences)
        return f"This environment differs from the locked one in {count} place{'s' if count > 1 else ''}:"

    def _repr_html_(self):
        if not self.differences:
            return f"<p>{html.escape(repr(self))}</p>"
        rows = [(each.name, each.here, each.locked) for each in self.differences]
        table = _table(("package", "here", "locked"), rows)
        return f"<p>{self._headline()}</p>{table}<p>{html.escape(MAY_DIFFER)}</p>"


def environment(lock=ROOT / "requirements.lock"):
    """Compare this Python and its packages with the lock.

        medtutor.environment()
        This environment is the locked one: each package has the version that …

    lock   the file to compare with
    """
    lock = Path(lock)
    if not lock.exists():
        return Environment(None)
    installed = {canonicalize_name(each.name): each.version for each in importlib.metadata.distributions()}
    return Environment(_python_difference(sys.version_info) + differences(read_lock(lock), installed))


def read_lock(path):
    """The lock's pins without hashes: "numpy==2.4.6", "appnope==1.0.0 ; sys_platform == 'darwin'" …"""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [line.removesuffix("\\").strip() for line in lines if re.match(r"[A-Za-z0-9]", line)]


def _python_difference(version):
    first, last = PYTHON
    if first <= tuple(version[:2]) <= last:
        return []
    supported = " to ".join(".".join(map(str, each)) for each in PYTHON)
    return [Difference("Python", ".".join(map(str, version[:3])), supported)]


def differences(pins, installed):
    """The packages whose version in `installed`, {name: version}, is not the one locked for this machine."""
    found = []
    for pin in map(Requirement, pins):
        name, locked = canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")
        if pin.marker and not pin.marker.evaluate():
            continue
        here = installed.get(name, "missing")
        if name == "tensorflow-cpu" and here == "missing" and "tensorflow" in installed:
            here = f"tensorflow {installed['tensorflow']}, the build for GPUs,"
        if here != locked:
            found.append(Difference(name, here, locked))
    return found


@dataclasses.dataclass(frozen=True)
class Chapter:
    """One line of the course map.

    needs     numbers of the chapters to work through before
    seconds   measured from a cold kernel to the last cell, None where it was not measured
    notebook  file name of the notebook, None where the chapter is planned
    minutes   to read it, estimated from words and lines of code; None where the chapter is planned
    """

    number: int
    title: str
    question: str
    needs: tuple
    data: str
    seconds: float | None
    cores: int | None
    notebook: str | None
    minutes: float | None = None

    @property
    def time(self):
        """The measured time in words."""
        if self.notebook is None:
            return "planned"
        if self.seconds is None:
            return "not measured yet"
        return f"{duration(self.seconds)} on {self.cores} cores"

    @property
    def reading(self):
        """The estimated time of reading in words, "" for a planned chapter."""
        return "" if self.minutes is None else f"{about(self.minutes)} min"

    @property
    def before(self):
        """The chapters to work through before, in words."""
        return ", ".join(map(str, self.needs)) or "nothing"


def duration(seconds):
    """A time as a reader wants it: "38 s", "3 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def about(minutes):
    """An estimate of minutes, to five of them: 5, 10, 55."""
    return max(5, 5 * round(minutes / 5))


def reading(cells):
    """Minutes to read cells of a notebook (as its JSON has them), estimated from words and lines of code.

    Neither speaker notes nor the paragraph on times are counted.
    """
    return sum(words(cell) / WORDS + lines(cell) / LINES for cell in cells)


def words(cell):
    """Words of a text cell that a student reads, 0 for code."""
    if cell["cell_type"] == "code" or NOTES in cell["metadata"].get("tags", ()):
        return 0
    return len(re.findall(r"[^\W\d_]{2,}|\d+", "".join(cell["source"]).split(TIMES)[0]))


def lines(cell):
    """Lines of a code cell, blank ones aside, 0 for text."""
    if cell["cell_type"] != "code":
        return 0
    return sum(bool(line.strip()) for line in "".join(cell["source"]).splitlines())


def measured(folder=ROOT / "notebooks"):
    """What `medtutor time` has stored: {name of the chapter: {"seconds", "cores", "cells", …}}."""
    timed = Path(folder) / "measured.json"
    return json.loads(timed.read_text(encoding="utf-8")) if timed.exists() else {}


def chapters(folder=ROOT / "notebooks"):
    """The chapters of `chapters.toml` with the times of `measured.json`, in order.

    Raises ValueError where a chapter needs one that does not stand before it, or is ready without a notebook.
    """
    folder = Path(folder)
    rows = tomllib.loads((folder / "chapters.toml").read_text(encoding="utf-8"))["chapter"]
    timed = measured(folder)
    return [
        _chapter(row, timed, folder, [other["number"] for other in rows[:place]])
        for place, row in enumerate(rows)
    ]


def _chapter(row, timed, folder, earlier):
    name = f"{row['number']:02}_{row['slug']}"
    if not set(row["needs"]) <= set(earlier):
        raise ValueError(
            f"chapter {name} needs {row['needs']}, before it stand only {earlier}; mend chapters.toml"
        )
    if row["ready"] and not (folder / f"{name}.ipynb").exists():
        raise ValueError(
            f"chapter {name} is ready = true and has no notebook; run `medtutor build {row['number']}`"
        )
    return Chapter(
        number=row["number"],
        title=row["title"],
        question=row["question"],
        needs=tuple(row["needs"]),
        data=row["data"],
        seconds=timed.get(name, {}).get("seconds"),
        cores=timed.get(name, {}).get("cores"),
        notebook=f"{name}.ipynb" if row["ready"] else None,
        minutes=_reading_of(folder / f"{name}.ipynb") if row["ready"] else None,
    )


def _reading_of(notebook):
    return reading(json.loads(notebook.read_text(encoding="utf-8")).get("cells", ()))


class CourseMap:
    """All chapters in a table; as the last line of a cell it is shown, with links to the notebooks.

    chapters   list of Chapter
    """

    def __init__(self, chapters):
        self.chapters = chapters

    def __repr__(self):
        return "\n".join(
            f"{each.number:>2}  {each.title}: {each.question}\n"
            f"    needs {each.before}; {each.data}; {each.time}"
            + (f", about {each.reading} to read" if each.reading else "")
            for each in self.chapters
        )

    def _repr_html_(self):
        rows = [
            (f"{each.number} · {each.title}", each.question, each.before, each.data, each.time, each.reading)
            for each in self.chapters
        ]
        links = [each.notebook for each in self.chapters]
        heads = ("chapter", "question", "needs", "data", "time, Run All", "reading, about")
        return _steps(self.chapters) + _table(heads, rows, links)


def course_map(folder=ROOT / "notebooks"):
    """The map of the course: chapters, questions, what each needs, its data, times to run and to read."""
    return CourseMap(chapters(folder))


def steps(chapters):
    """Chapters in steps: each stands one step after the last of those that it needs.  ->  list of lists"""
    step = {}
    for each in chapters:
        step[each.number] = 1 + max((step[number] for number in each.needs), default=-1)
    return [
        [each for each in chapters if step[each.number] == place] for place in range(max(step.values()) + 1)
    ]


def _steps(chapters):
    """A picture of what builds on what: steps from left to right, drawn by the page itself."""
    box = "border:1px solid;border-radius:4px;padding:2px 8px;margin:3px 0"
    columns = [
        "<div>"
        + "".join(f'<div style="{box}">{each.number} · {html.escape(each.title)}</div>' for each in column)
        + "</div>"
        for column in steps(chapters)
    ]
    arrow = '<div aria-hidden="true">→</div>'
    return (
        '<div role="group" aria-label="Chapters from left to right, each after those that it needs" '
        f'style="display:flex;gap:10px;align-items:center;flex-wrap:wrap">{arrow.join(columns)}</div>'
    )


def _table(heads, rows, links=()):
    """An HTML table whose first column names the row and may be a link."""
    lines = ["".join(f'<th scope="col" style="text-align:left">{html.escape(head)}</th>' for head in heads)]
    for place, (name, *cells) in enumerate(rows):
        name = html.escape(name)
        if place < len(links) and links[place]:
            name = f'<a href="{html.escape(links[place])}">{name}</a>'
        rest = "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in cells)
        lines.append(f'<th scope="row" style="text-align:left">{name}</th>{rest}')
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


# How TensorFlow's C++ side reports on itself while it starts: time, level I, W or E; or absl's short form.
_START_UP = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] |[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\] |"
    r"WARNING: All log messages before absl::InitializeLog|To enable the following instructions"
)


@contextlib.contextmanager
def quiet_start():
    """Keep TensorFlow's start-up report off the page, and later its advice on retracing; nothing else.

        with medtutor.quiet_start():
            import keras

    Other lines on stderr are shown, and where the import fails, all are. A chapter trains several nets, each
    traced once, and TensorFlow takes them for one that is traced again and again: its log says errors only.
    With MEDTUTOR_FAST=1 what the build has trained is loaded from here on: see medtutor.fast.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    with tempfile.TemporaryFile() as report:
        stderr = os.dup(2)
        os.dup2(report.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
            logging.getLogger("tensorflow").setLevel(logging.ERROR)
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            report.seek(0)
            lines = report.read().decode("utf-8", "replace").splitlines(keepends=True)
            shown = lines if failed else [line for line in lines if not _START_UP.match(line)]
            os.write(2, "".join(shown).encode())
    if os.environ.get("MEDTUTOR_FAST") in ("1", "record"):
        from medtutor import fast

        fast.switch_on()
