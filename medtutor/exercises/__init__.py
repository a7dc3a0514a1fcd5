"""Exercises: check(f) answers an attempt, hint("f") helps, solution("f") shows one way.

One module per chapter (convolution, ...), found by itself; how one is written down stands in `framework`.
"""

from medtutor.exercises.framework import Exercise, exercise, find, names, source, stub
from medtutor.exercises.session import check, hint, solution
from medtutor.exercises.verdict import Verdict, grade

__all__ = [
    "Exercise",
    "Verdict",
    "check",
    "exercise",
    "find",
    "grade",
    "hint",
    "names",
    "solution",
    "source",
    "stub",
]
