"""How an exercise is written down: one solution and, beside it, all that is said about answers to it.

    @exercise("How large is ...?", hints=("...", "..."), right="...")
    def output_size(n, k, stride=1):
        '''The docstring that the student reads.'''
        return (n - k) // stride + 1

    @output_size.probes
    def _(rng):
        yield dict(n=int(rng.integers(8, 20)), k=3)

    @output_size.law("Two more pixels at stride 2 give one more value.")
    def _(f, n, k):
        return f(n + 2, k, stride=2), f(n, k, stride=2) + 1

    @output_size.mistake("The stride is missing. ...")
    def stride_ignored(n, k, stride=1):
        return n - k + 1

The stub that a student fills in is cut from the solution, so the two cannot drift apart.
"""

import ast
import functools
import importlib
import inspect
import pkgutil
import textwrap
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

_EXERCISES = {}


@dataclass(frozen=True)
class Mistake:
    """A known way to be wrong: a wrong implementation, and what its author is told."""

    name: str
    reply: str
    function: Any


@dataclass(frozen=True)
class Law:
    """What holds for every right answer: `function(f, **inputs)` returns two things that must be equal."""

    statement: str
    function: Any


class Exercise:
    """A solution with its question, hints, probes, laws and known mistakes; calling it calls the solution."""

    def __init__(self, function, question, hints, right):
        functools.update_wrapper(self, function)
        self.name = function.__name__
        self.function = function
        self.question = question
        self.hints = tuple(hints)
        self.right = right
        self.mistakes = []
        self.laws = []
        self.view = None
        self.wanted = ""
        self._probes = None

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)

    def __repr__(self):
        return f"<exercise {self.name}: {self.question}>"

    def probes(self, function):
        """Decorator: `function(rng)` yields dicts of inputs by name, the simplest first."""
        self._probes = function
        return function

    def law(self, statement):
        """Decorator: `function(f, **inputs)` returns two values that are equal for every right `f`."""

        def add(function):
            self.laws.append(Law(statement, function))
            return function

        return add

    def mistake(self, reply):
        """Decorator: the function is a known wrong answer, and `reply` is what its author is told."""

        def add(function):
            self.mistakes.append(Mistake(function.__name__, reply, function))
            return function

        return add

    def compared(self, wanted):
        """Decorator for exercises with several right answers: the function turns one into what they share.

        wanted   what an answer is made of, in words, for those whose answer the function cannot read
        """

        def add(function):
            self.view = function
            self.wanted = wanted
            return function

        return add

    def inputs(self, seed=0):
        """The probes: dicts of inputs by name, the same ones for the same seed."""
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        return list(self._probes(rng))

    def called(self, function, inputs):
        """What `function` returns: required inputs go by position, options by name, as in `written`."""
        args, options = self._arranged(inputs)
        return function(*args, **options)

    def seen(self, answer):
        """What is compared of an answer: all of it, unless there are several right ones."""
        return answer if self.view is None else self.view(answer)

    def written(self, inputs):
        """The call as a student would type it."""
        args, options = self._arranged(inputs)
        parts = [literal(value) for value in args]
        parts += [f"{name}={literal(value)}" for name, value in options.items()]
        line = f"{self.name}({', '.join(parts)})"
        if len(line) <= 90 and "\n" not in line:
            return line
        start = self.name + "("
        return start + textwrap.indent(",\n".join(parts) + ")", " " * len(start)).lstrip()

    def _arranged(self, inputs):
        """Required inputs, to go by position, and by name those options that differ from their default."""
        required, defaults = self._parameters
        options = {
            name: inputs[name] for name in defaults if inputs.get(name, defaults[name]) != defaults[name]
        }
        return [inputs[name] for name in required], options

    @functools.cached_property
    def _parameters(self):
        """Names of the required inputs, and the options with their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        required = [p.name for p in parameters if p.default is p.empty]
        return required, {p.name: p.default for p in parameters if p.default is not p.empty}

    @functools.cached_property
    def source(self):
        """The solution as text, with its docstring and without its decorator."""
        lines, node = self._parsed
        return "\n".join(lines[node.lineno - 1 : node.end_lineno]) + "\n"

    @functools.cached_property
    def stub(self):
        """What the student fills in: first line and docstring of the solution, then a line that raises."""
        lines, node = self._parsed
        head = lines[node.lineno - 1 : node.body[0].end_lineno]
        return "\n".join(head) + "\n    raise NotImplementedError  # your code here\n"

    @functools.cached_property
    def first_line(self):
        lines, node = self._parsed
        return " ".join(line.strip() for line in lines[node.lineno - 1 : node.body[0].lineno - 1])

    @property
    def _parsed(self):
        text = textwrap.dedent(inspect.getsource(self.function))
        return text.splitlines(), ast.parse(text).body[0]


def exercise(question, *, hints, right):
    """Decorator that makes an exercise of its solution, under the solution's name.

    question  one sentence
    hints     two or three, from a nudge to nearly the answer
    right     the sentence that carries the thought on when the answer is right
    Raises ValueError where another exercise has the name already.
    """

    def make(function):
        name = function.__name__
        if name in _EXERCISES and _EXERCISES[name].__module__ != function.__module__:
            raise ValueError(
                f"two exercises are called {name!r}, in {_EXERCISES[name].__module__} and in "
                f"{function.__module__}; rename one"
            )
        _EXERCISES[name] = Exercise(function, question, hints, right)
        return _EXERCISES[name]

    return make


def names():
    """The names of all exercises, chapter by chapter."""
    package = importlib.import_module("medtutor.exercises")
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"medtutor.exercises.{module}")
    return list(_EXERCISES)


def find(name):
    """The exercise called `name`. Raises LookupError that lists the names there are."""
    if name not in _EXERCISES and name not in names():
        raise LookupError(f"no exercise is called {name!r}; there are: {', '.join(names())}")
    return _EXERCISES[name]


def stub(name):
    """The text of the stub: first line, docstring, and a line that raises NotImplementedError."""
    return find(name).stub


def source(name):
    """The text of the solution, as the instructor's edition shows it."""
    return find(name).source


def literal(value):
    """A value as Python that gives it back, with `np` for numpy."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    with np.printoptions(infstr="np.inf", nanstr="np.nan"):
        numbers = np.array2string(
            value, separator=", ", max_line_width=80, threshold=10**6, floatmode="unique"
        )
    kind = "" if value.dtype in (np.float64, np.int64) else f', dtype="{value.dtype}"'
    return "np.array(" + textwrap.indent(numbers, " " * len("np.array(")).lstrip() + kind + ")"
