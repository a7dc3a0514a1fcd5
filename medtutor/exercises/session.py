"""What a student types under a stub: check(f), hint("f"), solution("f"). It remembers what was tried."""

from medtutor.exercises.verdict import Verdict, asked_for, grade, wrapped

_hints_given = {}
_tried = set()


def check(function):
    """Print whether a function solves the exercise of its name, or what is wrong with it. Never raises."""
    verdict = grade(function)
    if verdict.state in ("right", "wrong"):
        _tried.add(verdict.name)
    print(verdict)


def hint(exercise):
    """Print the next hint for an exercise, given by its name or its function."""
    exercise = asked_for(exercise)
    if isinstance(exercise, Verdict):
        print(exercise)
        return
    name, total = exercise.name, len(exercise.hints)
    given = _hints_given[name] = _hints_given.get(name, 0) + 1
    if given <= total:
        print(wrapped(f"{name}, hint {given} of {total}: {exercise.hints[given - 1]}"))
        return
    print(f'{name}: these are all the hints. After an attempt, solution("{name}") shows one way.')
    for level, text in enumerate(exercise.hints, start=1):
        print(wrapped(f"  {level}. {text}"))


def solution(exercise):
    """Print one solution of an exercise, given by its name or its function, after an attempt was checked."""
    exercise = asked_for(exercise)
    if isinstance(exercise, Verdict):
        print(exercise)
    elif exercise.name in _tried:
        print(exercise.source, end="")
    else:
        name = exercise.name
        print(f"○ {name}: first an attempt, even a wrong one, and check({name}); then the solution.")
