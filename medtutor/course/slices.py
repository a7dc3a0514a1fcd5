"""The part of a notebook that some names need, found without running it.

    import numpy as np          <- needed
    sobel = np.array(...)       <- needed
    train_for_an_hour()
    def edges(x):               <- asked for; it reads np and sobel
        return ...

A name's part is every statement that gives it its value, and what these statements need in turn. What a cell
does beside that (draw, print, train something else) is left out. Used to check the instructor's edition
without running whole chapters, and to give a student's exercise the helpers that stand above it.
"""

import ast
import contextlib
import re
import symtable
from dataclasses import dataclass
from functools import cached_property, lru_cache

MAGIC = re.compile(r"\s*(?:\w[\w, ]*=\s*)?[%!?].*|.*\?\s*$")


@dataclass(frozen=True)
class Cell:
    """A code cell; `name` is what messages call it, e.g. its id."""

    name: str
    source: str

    @cached_property
    def text(self):
        """The source as Python sees it: a line that only IPython understands is blank."""
        return python_of(self.source)

    @property
    def statements(self):
        """The top-level statements, none where the cell is not Python."""
        return _statements(self.text)

    @cached_property
    def error(self):
        """The SyntaxError of a cell that is not Python, else None."""
        try:
            ast.parse(self.text)
        except SyntaxError as error:
            return error
        except (ValueError, RecursionError, MemoryError) as error:
            return SyntaxError(str(error) or "too deeply nested")


@lru_cache(2000)  # the same cells come from every student
def _statements(text):
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = []
    for place, node in enumerate(body):
        with contextlib.suppress(RecursionError, MemoryError):  # a statement that nobody wrote by hand
            found.append(Statement(node, _lines_of(node, text), place))
    return found


def _lines_of(node, text):
    """The lines of a statement that has them for itself, else the statement written anew."""
    lines = text.split("\n")
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].strip()
    if node.col_offset or rest:
        return ast.unparse(node)
    return "\n".join(lines[first - 1 : node.end_lineno])


@lru_cache(2000)
def python_of(source):
    """A cell's source with its magic lines (%, !, ?) blank; the lines keep their numbers."""
    try:
        ast.parse(source)
        return source
    except Exception:
        return "\n".join("" if MAGIC.match(line) else line for line in source.splitlines())


class Statement:
    """One top-level statement: the names that it gives a value, and those that it reads.

    place   its index among the statements of its cell
    gives   names that are bound or changed: x = 1, def x, import x, x[0] = 1, x.append(1)
    reads   names of the notebook that it needs, those inside its functions too
    """

    def __init__(self, node, text, place):
        self.node, self.place = node, place
        try:
            scope = symtable.symtable(text, "", "exec")
        except (SyntaxError, RecursionError):  # e.g. a top-level await
            gives, reads = _all_names(node)
        else:
            gives, reads = _names(scope)
        self.gives = frozenset(gives | _changed(node))
        self.reads = frozenset(reads)

    @property
    def imports(self):
        return isinstance(self.node, (ast.Import, ast.ImportFrom))

    @property
    def only_changes(self):
        """Whether it merely calls a method: x.append(1), np.random.seed(0)."""
        return isinstance(self.node, ast.Expr)


def _names(scope, top=True):
    gives, reads = set(), set()
    for symbol in scope.get_symbols():
        here = symbol.is_global() or (top and symbol.is_local())
        if here and symbol.is_assigned() or top and (symbol.is_imported() or symbol.is_namespace()):
            gives.add(symbol.get_name())
        if here and symbol.is_referenced():
            reads.add(symbol.get_name())
    for child in scope.get_children():
        more_given, more_read = _names(child, top=False)
        gives |= more_given
        reads |= more_read
    return gives, reads


def _all_names(node):
    found = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
    return (
        {each.id for each in found if isinstance(each.ctx, ast.Store)},
        {each.id for each in found if isinstance(each.ctx, ast.Load)},
    )


def _changed(node):
    """Names behind x[0] = …, x.y = … and x.method(…)."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        targets = [node.value.func]
    else:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {name for target in targets if (name := _root(target)) and not isinstance(target, ast.Name)}


def _root(node):
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def needed(cells, names):
    """The statements that give `names` their values, as [(cell, Statement)] in their order.

    cells   Cells in the order of the notebook
    names   what is asked for, e.g. {"window", "np"}
    """
    there = [(cell, statement) for cell in cells for statement in cell.statements]
    modules = {name for _, statement in there if statement.imports for name in statement.gives}
    wanted, chosen = set(names), set()
    while True:
        new = {
            number
            for number, (_, statement) in enumerate(there)
            if number not in chosen
            and statement.gives & (wanted - modules if statement.only_changes else wanted)
        }
        if not new:
            return [there[number] for number in sorted(chosen)]
        chosen |= new
        for number in new:
            wanted |= there[number][1].reads


def missing(part):
    """Names that a part (of `needed`) reads and nothing in it gives, built-in ones aside."""
    import builtins

    given = {name for _, statement in part for name in statement.gives}
    return {name for _, statement in part for name in statement.reads} - given - set(dir(builtins))


def run(part, space=None):
    """Run a part; returns its names. An error of the notebook comes out as it is."""
    space = {"__name__": "__main__"} if space is None else space
    for cell, statement in part:
        exec(compile(ast.Module([statement.node], []), cell.name, "exec"), space)
    return space
