"""Judges an attempt: recognises known mistakes, and says what is wrong without saying what is right."""

import difflib
import inspect
import numbers
import re
import textwrap
import types
import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np

from medtutor.exercises.attempt import RTOL, Outcome, alike, attempt, attempt_law, is_blank, run
from medtutor.exercises.framework import find, literal, names

MARKS = {"pending": "○", "wrong": "✗", "right": "✓", "unknown": "?"}
SECONDS = 5.0  # for all probes of one check; right answers need milliseconds


@dataclass(frozen=True)
class Verdict:
    """What is to be said about one answer.

    state     "right", "wrong", "pending" (the stub is as it was) or "unknown" (no such exercise)
    message   for the student, without mark and name
    mistake   the known mistake that was recognised, "" if none
    """

    name: str
    state: str
    message: str
    mistake: str = ""

    def __str__(self):
        start = f"{MARKS[self.state]} {self.name}: " if self.name else f"{MARKS[self.state]} "
        first, *evidence = (start + self.message).split("\n")
        return "\n".join([wrapped(first), *evidence])


def grade(function, *, name=None, seed=0, seconds=SECONDS):
    """The Verdict on a student's function. Its own name says which exercise it is for, unless `name` does.

    seed      other seeds give other probes, e.g. hidden ones
    seconds   limit for all probes together
    Raises nothing, whatever the function is or does.
    """
    if isinstance(function, str) or not callable(function):
        return _no_function(function)
    exercise = asked_for(function if name is None else name)
    if isinstance(exercise, Verdict):
        return exercise
    try:
        with warnings.catch_warnings():  # a wrong answer's warnings would land in the notebook
            warnings.simplefilter("ignore")
            return _judge(function, exercise, seed, seconds)
    except Exception as error:
        kind = type(error).__name__
        return Verdict(exercise.name, "wrong", f"The check cannot make sense of this answer ({kind}).")


def asked_for(asked):
    """The exercise that a name or a function stands for, or the Verdict that says which ones there are."""
    name = asked if isinstance(asked, str) else _name_of(asked)
    try:
        return find(name)
    except LookupError:
        return _unknown(name)


def _judge(function, exercise, seed, seconds):
    verdict = partial(Verdict, exercise.name)
    probes = exercise.inputs(seed)
    if complaint := _cannot_be_called(function, exercise, probes):
        return verdict("wrong", complaint)
    got = run([partial(attempt, function, exercise, inputs) for inputs in probes], seconds)
    if is_blank(got[0]):
        return verdict("pending", "not tried yet")
    judged = list(zip(probes, got, strict=False))
    for inputs, outcome in judged:
        if outcome.endless or isinstance(outcome.error, KeyboardInterrupt):
            return verdict("wrong", _stopped(exercise, inputs, outcome, seconds))
    wanted = [attempt(exercise.function, exercise, inputs) for inputs in probes]
    if complaint := _returned_nothing(exercise, judged, wanted):
        return verdict("wrong", complaint)
    if found := _recognised(exercise, probes, got, wanted):
        mistake, inputs, outcome = found
        raised = f"\n    raised {type(outcome.error).__name__}" if outcome.error is not None else ""
        return verdict("wrong", mistake.reply + _evidence(exercise, inputs, outcome) + raised, mistake.name)
    for (inputs, outcome), want in zip(judged, wanted, strict=True):
        if complaint := _fault(exercise, outcome, want):
            return verdict("wrong", complaint + _evidence(exercise, inputs, outcome))
    broken_law = _broken_law(function, exercise, probes, wanted, seconds)
    if different := _first_different(exercise, judged, wanted):
        inputs, outcome, answer, right = different
        pattern = _how_different(answer, right)
        if pattern or not broken_law:
            complaint = pattern or _where_different(answer, right)
            return verdict("wrong", complaint + _evidence(exercise, inputs, outcome))
    if broken_law:
        return verdict("wrong", broken_law)
    for inputs, outcome in judged:
        if outcome.changed:
            return verdict("wrong", _changes(outcome) + _evidence(exercise, inputs, outcome))
    return verdict("right", f"right. {exercise.right}")


# Which exercise


def _name_of(function):
    try:
        return str(function.__name__)
    except BaseException:  # __name__ may be anybody's property
        return ""


def _unknown(name):
    close = difflib.get_close_matches(name, names(), n=1)
    nearest = f" Did you mean {close[0]}?" if close else ""
    return Verdict(name, "unknown", f"No exercise has this name.{nearest}{_exercises()}")


def _no_function(thing):
    if isinstance(thing, str) and thing in names():
        return Verdict(thing, "unknown", f"Give the function itself, without quotation marks: check({thing})")
    advice = "Give it without brackets behind its name, as in check(output_size)."
    message = f"`check` needs the function itself; this is {_described(thing)}. {advice}{_exercises()}"
    return Verdict("", "unknown", message)


def _exercises():
    return "\n" + wrapped("  The exercises are: " + ", ".join(names()))


def _cannot_be_called(function, exercise, probes):
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return ""
    for inputs in probes:
        args, options = exercise._arranged(inputs)
        try:
            signature.bind(*args, **options)
        except TypeError:
            return (
                f"Its first line has the parameters {signature}, and the exercise calls it with others. "
                f"Write it as in the stub:\n    {exercise.first_line}"
            )
    return ""


# What came


def _stopped(exercise, inputs, outcome, seconds):
    if isinstance(outcome.error, KeyboardInterrupt) and not outcome.endless:
        why = "Interrupted."
    else:
        why = f"Still running after {seconds:g} s on a tiny input. Is there a loop that never ends?"
        if outcome.alive:
            why += " It cannot be stopped from outside: restart the kernel before you go on."
    return why + _evidence(exercise, inputs, outcome)


def _returned_nothing(exercise, judged, wanted):
    for (inputs, outcome), want in zip(judged, wanted, strict=True):
        if outcome.answer is None and outcome.error is None and want.error is None:
            if outcome.printed.strip():
                why = "It prints its answer and returns None. Write `return` in place of print."
            else:
                why = "It returned None. Did you forget `return`?"
            return why + _evidence(exercise, inputs, outcome)
    return ""


def _recognised(exercise, probes, got, wanted):
    """The known mistake that explains the answers, with the first probe that shows it.

    A mistake explains an attempt when both give the same on the probes where the mistake matters. One that
    explains all probes goes first; one that leaves another error unexplained must explain half of the wrong
    answers, or it might be there by chance.
    """
    wrong = [not _same(exercise, a, b) for a, b in zip(got, wanted, strict=True)]
    if not any(wrong):
        return None
    partly = None
    for mistake in exercise.mistakes:
        theirs = [attempt(mistake.function, exercise, inputs) for inputs in probes]
        same = [_same(exercise, a, b) for a, b in zip(got, theirs, strict=True)]
        matters = [not _same(exercise, a, b) for a, b in zip(theirs, wanted, strict=True)]
        failed = [a.error is not None and b.error is None for a, b in zip(got, theirs, strict=True)]
        shows = [i for i in range(len(probes)) if matters[i] and not failed[i]]
        if len(shows) < min(2, sum(matters)) or not shows or not all(same[i] for i in shows):
            continue
        found = mistake, probes[shows[0]], got[shows[0]]
        if all(same):
            return found
        if 2 * len(shows) >= sum(wrong) - sum(failed):
            partly = partly or found
    return partly


def _same(exercise, a, b):
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    try:
        return alike(exercise.seen(a.answer), exercise.seen(b.answer))
    except Exception:
        return False


def _fault(exercise, outcome, want):
    """What keeps an answer from being compared: an exception, the wrong kind of thing, the wrong shape."""
    if want.error is not None:
        return _fault_of_refusal(outcome, want)
    if outcome.error is not None:
        error = outcome.error
        return f"It stopped with {type(error).__name__}{_said(error)}" + (
            f"\n    {outcome.line}" if outcome.line else ""
        )
    if exercise.view is None:
        return _fault_of_kind(outcome.answer, want.answer)
    try:
        return _fault_of_kind(exercise.seen(outcome.answer), exercise.seen(want.answer))
    except Exception:
        return f"It returned {_described(outcome.answer)}. Wanted: {exercise.wanted}."


def _fault_of_refusal(outcome, want):
    kind = type(want.error)
    if outcome.error is None:
        return (
            f"This input has no right answer, and yours gives one all the same. Raise {kind.__name__} here."
        )
    if not isinstance(outcome.error, kind):
        error = type(outcome.error).__name__
        return (
            f"It raised {error}{_said(outcome.error)}; for an input without an answer raise {kind.__name__}."
        )
    return ""


def _fault_of_kind(got, want):
    if isinstance(want, np.ndarray):
        return _fault_of_array(got, want)
    if not isinstance(got, numbers.Number):
        return f"It returned {_described(got)}. Wanted: one number."
    if isinstance(want, numbers.Integral) and not isinstance(got, numbers.Integral) and got == want:
        return "The number is right, but it came as a float. A count is an int: use // or int(...)."
    return "" if np.isfinite(got) else f"It returned {got}. Is something divided by zero?"


def _fault_of_array(got, want):
    if isinstance(got, (list, tuple)):
        right = "The numbers are right: return" if alike(got, want) else "Return"
        return f"It returned a {type(got).__name__}, not an array. {right} np.array(...) of it."
    if not isinstance(got, np.ndarray):
        return f"It returned {_described(got)}. Wanted: an array."
    if got.dtype.kind not in "biuf":
        part = " Take its real part." if got.dtype.kind == "c" else ""
        return f"It returned an array of {got.dtype}. Wanted: real numbers.{part}"
    if got.ndim != want.ndim:
        return f"It returned an array with {got.ndim} axes, shape {got.shape}. Wanted: {want.ndim} axes."
    if got.shape != want.shape:
        turned = got.shape == want.shape[::-1]
        return f"The answer has the wrong shape, {got.shape}." + (
            " Have rows and columns changed places?" if turned else ""
        )
    if bad := int(np.sum(~np.isfinite(got))):
        return f"{bad} of {got.size} values are not finite (nan or inf). Is something divided by zero?"
    if got.dtype.kind in "iu" and not alike(got, want) and np.any(want % 1):
        return "The answer holds whole numbers only. Make the array that you fill a float array."
    return ""


def _broken_law(function, exercise, probes, wanted, seconds):
    tried = [
        (law, inputs)
        for law in exercise.laws
        for inputs, want in zip(probes, wanted, strict=True)
        if want.error is None
    ]
    jobs = [partial(attempt_law, function, exercise, law, inputs) for law, inputs in tried]
    for (law, inputs), outcome in zip(tried, run(jobs, seconds), strict=False):
        last_inputs, last = outcome.called[-1] if outcome.called else (inputs, outcome)
        if outcome.endless or isinstance(last.error, KeyboardInterrupt):
            return _stopped(exercise, last_inputs, last, seconds)
        if last.error is not None and outcome.called:
            return _fault(exercise, last, Outcome()) + _evidence(exercise, last_inputs, last)
        if outcome.error is not None or not alike(*outcome.answer):
            shown = "".join(_evidence(exercise, *call) for call in outcome.called)
            return law.statement + " Yours breaks this rule:" + shown + _printed(outcome)
    return ""


def _first_different(exercise, judged, wanted):
    """Inputs, Outcome, answer and right answer of the first probe where the two differ, or None."""
    for (inputs, outcome), want in zip(judged, wanted, strict=True):
        if want.error is None:
            answer, right = exercise.seen(outcome.answer), exercise.seen(want.answer)
            if not alike(answer, right):
                return inputs, outcome, np.asarray(answer), np.asarray(right)
    return None


def _how_different(got, want):
    """A pattern in which all values are wrong, "" if none is seen."""
    if got.dtype.kind in "if" and alike(-got, want):
        return "Every value has the wrong sign." if got.ndim else "The sign is wrong."
    wrong = _wrong(got, want)
    first = int(np.argmax(wrong))
    if first and not got.flat[first:].any():
        return f"All values from [{_place(wrong)}] on are 0. Is `return` inside a loop?"
    if not np.any(_wrong(got, want, 0.03)) and np.any(want % 1):
        return "The values are close, but not equal. Is something rounded on the way?"
    inside = wrong[tuple(slice(1, -1) for _ in got.shape)]
    if got.ndim and inside.size and not inside.any():
        return "The inside is right, the border is not. What does the docstring say about the border?"
    return ""


def _where_different(got, want):
    if not got.ndim:
        return "The number is not right."
    wrong = _wrong(got, want)
    return f"{wrong.sum()} of {wrong.size} values are wrong, the first at [{_place(wrong)}]."


def _place(wrong):
    """Index of the first wrong value, as one writes it in brackets."""
    return ", ".join(str(index) for index in np.argwhere(wrong)[0])


def _wrong(got, want, tolerance=RTOL):
    return ~np.isclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max(initial=0))


def _changes(outcome):
    what = " and ".join(outcome.changed)
    return f"The answer is right, but the function changes its input {what}. Work on a copy, {what}.copy()."


# In words


def _evidence(exercise, inputs, outcome):
    """The call, as the student can paste it, and what came of it."""
    text = "\n" + textwrap.indent(exercise.written(inputs), "    ")
    if outcome.error is None and not outcome.endless:
        text += "\n" + textwrap.indent("gave " + _shown(outcome.answer), "    ")
    if outcome.endless and outcome.line:
        text += f"\n    was stopped in {outcome.line}"
    return text + _printed(outcome)


def _printed(outcome):
    return f"\n    printed {outcome.printed.strip()[:60]!r}" if outcome.printed.strip() else ""


def _shown(value):
    try:
        if isinstance(value, np.ndarray):
            return "array(" + textwrap.indent(_numbers(value), " " * len("gave array(")).lstrip() + ")"
        if isinstance(value, tuple) and value and all(isinstance(part, np.ndarray) for part in value):
            return "(" + ", ".join(f"array({_numbers(part)})" for part in value) + ")"
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float):
            text = f"{value:.6g}"
            return text if set(text) - set("-0123456789") else text + ".0"
        if isinstance(value, (list, tuple)) and np.asarray(value).dtype.kind in "biuf":
            value = type(value)(np.asarray(value).tolist())
        return textwrap.shorten(literal(value), 200) if _plain(value) else _described(value)
    except Exception:
        return _described(value)


def _numbers(array):
    return np.array2string(
        array, separator=", ", precision=4, suppress_small=True, threshold=80, max_line_width=100
    )


def _plain(value):
    return value is None or isinstance(value, (int, float, complex, str, list, tuple, dict))


def _described(value):
    """What something is, in words that never contain an address."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if isinstance(value, types.GeneratorType):
        return "a generator (there is a `yield` in place of `return`)"
    if inspect.iscoroutine(value):
        return "a coroutine (remove `async` from the first line)"
    if inspect.isroutine(value):
        return "a function (is a pair of brackets missing?)"
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return f"the number {value}"
    kind = type(value).__name__
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def wrapped(text):
    """One paragraph in lines of about 100 characters, the later ones indented; code in it is not broken."""
    whole = re.sub(r"`[^`]*`|\[[^\]]*\]", lambda code: code[0].replace(" ", "\0"), text)
    lines = textwrap.fill(whole, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def _said(error):
    try:
        text = textwrap.shorten(str(error), 200)
    except BaseException:
        text = ""
    return f": {text}" if text else ""
