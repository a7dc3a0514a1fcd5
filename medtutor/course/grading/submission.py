"""Which cells of a student's notebook answer which exercise. It reads and parses, and never runs anything.

An exercise's cell is found by its id; where ids were lost, by the name of the function that it defines; as a
last resort by the docstring of the stub. The cells above it are offered to it: those statements that give a
name which it needs a value (imports, functions, constants). A name that no cell of theirs gives is taken from
what the chapter itself shows above the exercise.
"""

import ast
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from medtutor.course import slices

LARGEST = 32 * 2**20  # bytes of a notebook file


class Unreadable(Exception):
    """The file is no notebook; the message says why."""


@dataclass(frozen=True)
class Course:
    """A chapter as its students have got it.

    exercises  {name of the exercise: id of its cell}, in the order of the chapter
    cells      {cell id: source} of its code cells
    checks     {cell id: names of the exercises that it checks}
    """

    name: str
    exercises: dict
    cells: dict
    checks: dict

    def __str__(self):
        number, slug = self.name.split("_", 1)
        return f"chapter {int(number)}, {slug.replace('_', ' ')}"


@dataclass
class Found:
    """What was found for one exercise.

    state    "" where there is something to run, else "not tried", "missing" or "error"
    reply    for the student, where there is nothing to run
    name     of the function that is called
    part     what is to run: [[name of the cell, its text, [indices of statements]]]
    modules  that it imports
    notes    what else was seen, as in Result
    source   the cell, as handed in
    """

    state: str = ""
    reply: str = ""
    name: str = ""
    part: list = field(default_factory=list)
    modules: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    source: str = ""


@dataclass(frozen=True)
class StudentCell:
    """A code cell as handed in; `place` is its index among all cells, `said` what its outputs print."""

    place: int
    id: str
    cell: slices.Cell
    said: str


def course_of(chapter):
    """The Course of a build.Chapter."""
    from medtutor.course import build, instructor

    found = build.read_source(chapter.source, exercise="# exercise: {}".format).notebook.cells
    asked = instructor.asked_in(found)
    cells = {cell.id: cell.source for cell in found if cell.cell_type == "code"}
    checks = {cell: names for cell, source in cells.items() if (names := instructor.checked(source))}
    return Course(chapter.name, {name: cell for cell, name in asked.items()}, cells, checks)


# The file


def read(path):
    """The code cells of a notebook file, as StudentCells; Unreadable says why there are none."""
    path = Path(path)
    try:
        if not path.is_file():
            raise Unreadable("it is no file")
        if path.stat().st_size > LARGEST:
            raise Unreadable(f"the file has more than {LARGEST >> 20} MB; clear its outputs")
        raw = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror or error}") from None
    if not raw.strip():
        raise Unreadable("the file is empty")
    try:
        notebook = json.loads(raw)
    except (ValueError, RecursionError) as error:
        reason = error.args[0] if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise Unreadable(f"the file is no notebook: not JSON ({reason})") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise Unreadable("the file is no notebook: it has no list of cells")
    return [
        _student_cell(place, cell)
        for place, cell in enumerate(cells)
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]


def _student_cell(place, cell):
    name = cell["id"][:64] if isinstance(cell.get("id"), str) else ""
    outputs = cell.get("outputs") if isinstance(cell.get("outputs"), list) else []
    said = [each.get("text") for each in outputs if isinstance(each, dict)]
    source = slices.Cell(name or f"cell {place + 1}", _joined(cell.get("source")))
    return StudentCell(place, name, source, "".join(map(_joined, said)))


def _joined(text):
    if isinstance(text, list):
        text = "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def chapter_of(cells, courses):
    """The Course that a notebook is most likely of, None for none: by ids and by names of functions."""
    ids = {cell.id for cell in cells}
    names = {name for cell in cells for name in re.findall(r"^def (\w+)\(", cell.cell.source, re.MULTILINE)}
    found = Counter()
    for place, course in enumerate(courses):
        found[place] = len(ids & set(course.cells)) + 2 * len(names & set(course.exercises))
    (place, count), *_ = found.most_common(1) or [(0, 0)]
    return courses[place] if count else None


# The exercises


def find_all(cells, course):
    """{name of the exercise: Found} for a student's cells."""
    own = {_normal(source) for name, source in course.cells.items() if name not in course.exercises.values()}
    return {name: _try_to_find(name, cells, course, own) for name in course.exercises}


def _try_to_find(name, cells, course, own):
    try:
        return _find(name, cells, course, own)
    except (
        RecursionError,
        MemoryError,
        ValueError,
    ) as error:  # code that was made to break the one who reads it
        reply = f"✗ {name}: The notebook cannot be taken apart ({type(error).__name__})."
        return Found("error", reply, name)


def _find(name, cells, course, own):
    home = course.exercises[name]
    theirs = [
        each
        for each in cells
        if each.id == home or not (_course_defines(each.id, name, course) or _normal(each.cell.source) in own)
    ]
    candidates = [each for each in theirs if _definition(each.cell, name)]
    found = Found(name=name)
    if not candidates:
        candidates = _renamed(name, theirs, found)
    if not candidates:
        return _not_there(name, home, theirs)
    chosen = max(candidates, key=lambda each: _rank(each, found.name, home, name))
    found.source = chosen.cell.source
    if len(candidates) > 1:
        found.notes.append(f"defined in {len(candidates)} cells; judged is the one in {chosen.cell.name!r}")
    found.notes += _about_the_check(name, cells, course)
    if _is_blank(_definition(chosen.cell, found.name)):
        found.state, found.reply = "not tried", f"○ {name}: not tried yet"
        return found
    _cut(name, found, chosen, cells, course)
    return found


def _course_defines(cell_id, name, course):
    """Whether the course itself shows a function of this name in the cell, behind the exercise."""
    source = course.cells.get(cell_id)
    return source is not None and cell_id != course.exercises[name] and _defines(source, name)


def _defines(source, name):
    return _definition(slices.Cell("", source), name) is not None


def _definition(cell, name):
    """The last statement of a cell that gives `name` a value, None for none."""
    for statement in reversed(cell.statements):
        if name in statement.gives and not statement.only_changes:
            return statement.node
    return None


@lru_cache(2000)
def _normal(source):
    """A cell's code without comments and layout, to tell whether it was changed."""
    try:
        return ast.dump(ast.parse(slices.python_of(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source.strip()


def _docstring(node):
    known = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    return ast.get_docstring(node) if known else None


@lru_cache
def _of_the_stub(name):
    from medtutor.exercises import find

    return _docstring(ast.parse(find(name).source).body[0])


def _renamed(name, theirs, found):
    """Cells with a function that has the stub's docstring and another name, which goes into `found`."""
    wanted, candidates = _of_the_stub(name), []
    for each in theirs:
        for statement in each.cell.statements:
            if wanted and _docstring(statement.node) == wanted:
                found.name = statement.node.name
                candidates = [each]
    if candidates:
        found.notes.append(f"its function is called {found.name!r}; judged all the same")
    return candidates


def _rank(each, function, home, name):
    """What is judged where there are several: an attempt, then the exercise's own cell, then the last one."""
    node = _definition(each.cell, function)
    trusted = each.id == home or (_docstring(node) or "") == _of_the_stub(name)
    return not _is_blank(node), trusted, each.place


def _is_blank(node):
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    raised = body[0].exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _not_there(name, home, theirs):
    """Why there is nothing to judge: code that is not Python, another function, no cell."""
    opens = re.compile(rf"^\s*(?:async\s+)?def\s+{name}\b", re.MULTILINE)
    for each in theirs:
        error = each.cell.error if each.id == home or opens.search(each.cell.source) else None
        if error is not None:
            lines = each.cell.text.splitlines()
            number = error.lineno or 1
            line = lines[number - 1].strip()[:200] if number <= len(lines) else ""
            reply = f"✗ {name}: The cell is not Python: {error.msg}\n    line {number}: {line}"
            return Found("error", reply, name, source=each.cell.source)
    here = next((each for each in theirs if each.id == home), None)
    if here is not None:
        reply = f"✗ {name}: Its cell defines no function {name}."
        return Found("missing", reply, name, source=here.cell.source)
    return Found("missing", f"✗ {name}: No cell defines {name}.", name)


def _about_the_check(name, cells, course):
    notes = []
    for each in cells:
        if name in course.checks.get(each.id, ()) and _normal(each.cell.source) != _normal(
            course.cells[each.id]
        ):
            notes.append(f"the check cell {each.id!r} was changed; the original check judged")
    return notes


def claims(cells, name):
    """Whether an output in the file, as handed in, says that the exercise is right."""
    return any(f"✓ {name}: right" in each.said for each in cells)


def _cut(name, found, chosen, cells, course):
    """Put in what is to run: the function, and what it needs of the cells above."""
    above = [each.cell for each in cells if each.place < chosen.place]
    part = slices.needed([*above, chosen.cell], {found.name})
    part = [
        (cell, statement)
        for cell, statement in part
        if cell is chosen.cell or found.name not in statement.gives
    ]
    of_the_course = slices.needed(_shown_above(name, course), slices.missing(part))
    for cell, statement in of_the_course + part:
        if found.part and found.part[-1][0] == cell.name and found.part[-1][1] == cell.text:
            found.part[-1][2].append(statement.place)
        else:
            found.part.append([cell.name, cell.text, [statement.place]])
    _about_imports(found, part)


def _shown_above(name, course):
    """The chapter's own cells above an exercise, for those who hand in their answers alone."""
    ids = list(course.cells)
    above = ids[: ids.index(course.exercises[name])]
    return [slices.Cell(f"{each} (of the chapter)", course.cells[each]) for each in above]


def _modules(node):
    """Modules that a statement imports, inside its functions too."""
    found = []
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            found += [alias.name for alias in each.names]
        elif isinstance(each, ast.ImportFrom) and each.module and not each.level:
            found += [each.module, *(f"{each.module}.{alias.name}" for alias in each.names)]
    return found


def _about_imports(found, part):
    modules = [name for _, statement in part for name in _modules(statement.node)]
    words = " ".join(ast.unparse(statement.node) for _, statement in part)
    if re.search(r"medtutor[\w.]*\.exercises|medtutor/exercises", words) or "medtutor.exercises" in modules:
        found.notes.append("its code names medtutor.exercises, where the solutions are")
    if any(name.startswith("medtutor.nn") for name in modules):
        found.notes.append("uses the course's own functions, medtutor.nn")
    found.modules = [
        name
        for name in dict.fromkeys(modules)
        if not name.startswith(("medtutor.exercises", "medtutor.course"))
    ]
