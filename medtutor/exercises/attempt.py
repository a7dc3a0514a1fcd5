"""Runs a student's function on probes: in silence, on copies, with a time limit, whatever it does.

The function runs in a thread of its own, so that an endless loop can be stopped from outside, and so that
one that cannot be stopped (it waits for something) can be left behind.
"""

import contextlib
import copy
import ctypes
import functools
import inspect
import linecache
import operator
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field

import numpy as np

RTOL = 1e-4  # float32 arithmetic passes; a wrong formula is off by far more
IMPORTS = 60.0  # seconds in all that it may spend on importing, as half an import does lasting harm
GRACE = 2.0  # seconds that a function gets to stop after the limit


class TimeUp(BaseException):
    """Raised inside a student's function when its time is over, again and again while it goes on."""


@dataclass
class Outcome:
    """What came of one call.

    answer    what was returned, copied
    error     the exception, if one was raised
    endless   it was not over at the time limit
    alive     nor could it be stopped
    called    the calls that a law made, as (inputs, Outcome)
    line      the student's line that raised it, e.g. "line 3: return 1 / 0"
    printed   the beginning of what was printed
    changed   names of the inputs that the call changed
    """

    answer: object = None
    error: BaseException | None = None
    endless: bool = False
    alive: bool = False
    line: str = ""
    printed: str = ""
    changed: tuple = ()
    called: list = field(default_factory=list)


def run(jobs, seconds):
    """Run `jobs`, functions without arguments that return Outcomes, one after the other; return the Outcomes.

    Stops at a blank (NotImplementedError in the first job) and when `seconds` are over for all together: the
    last Outcome is then endless.
    """
    runner = _Runner(jobs)
    with runner.output:
        runner.start()
        try:
            end = time.monotonic() + seconds
            latest = end + IMPORTS
            while runner.is_alive() and time.monotonic() < end:
                runner.join(min(0.05, seconds))  # short, so that an interrupt comes through on every system
                if runner.imports():
                    end = min(time.monotonic() + seconds, latest)
        except KeyboardInterrupt as interrupt:
            finished = runner.outcomes[: len(jobs) - 1]
            runner.stop()
            return [*finished, Outcome(error=interrupt)]
        runner.stop()
    return list(runner.outcomes)


class _Runner(threading.Thread):
    def __init__(self, jobs):
        super().__init__(daemon=True)
        self.jobs, self.outcomes = jobs, []
        self.output = _Output()
        self.lock, self.late, self.over = threading.Lock(), False, False

    def run(self):
        try:
            try:
                self._work()
            finally:
                self._close()
        except TimeUp:  # it came just behind the student's code
            self._close()

    def _work(self):
        for job in self.jobs:
            outcome = job()
            outcome.endless = outcome.endless or self.late  # it came, but only because it was stopped
            outcome.printed = self.output.take()
            self.outcomes.append(outcome)
            if outcome.endless or (is_blank(outcome) and len(self.outcomes) == 1):
                break

    def imports(self):
        """Whether the thread is importing a module just now."""
        frame = sys._current_frames().get(self.ident)
        while frame and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
            frame = frame.f_back
        return frame is not None

    def _close(self):
        with self.lock:
            self.over = True

    def stop(self):
        """End the thread if it still runs; what it was doing then counts as endless."""
        end = time.monotonic() + GRACE
        self.late = self.is_alive()
        while self.is_alive() and time.monotonic() < end:
            with self.lock:  # never strikes a thread that has finished its work
                if not self.over:
                    _raise_in(self.ident, TimeUp)
            self.join(0.02)
        unfinished = len(self.outcomes) < len(self.jobs) and not (self.outcomes and self.outcomes[-1].endless)
        if self.late and unfinished:
            self.outcomes = [*self.outcomes, Outcome(endless=True, alive=self.is_alive())]


def is_blank(outcome):
    """Whether the stub's exception came, and not a kind of it, such as input() raises in some notebooks."""
    return type(outcome.error) is NotImplementedError


def _raise_in(thread, error):
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error))


class _Output(contextlib.ExitStack):
    """Catches what is printed, and keeps the beginning."""

    encoding = "utf-8"

    def __init__(self, limit=200):
        super().__init__()
        self.limit, self.text = limit, ""

    def __enter__(self):
        self.enter_context(contextlib.redirect_stdout(self))
        self.enter_context(contextlib.redirect_stderr(self))
        return self

    def write(self, text):
        if len(self.text) < self.limit:
            self.text += str(text)[: self.limit - len(self.text)]
        return len(text)

    def flush(self):
        pass

    def take(self):
        text, self.text = self.text, ""
        return text


def attempt(function, exercise, inputs):
    """One guarded call of `function` on a copy of `inputs`, as an Outcome."""
    args = copy.deepcopy(inputs)
    outcome = Outcome()
    try:
        outcome.answer = _settled(exercise.called(function, args))
    except BaseException as error:  # SystemExit and KeyboardInterrupt too: a check never ends the notebook
        outcome.error, outcome.endless = error, isinstance(error, TimeUp)
        outcome.line = line_of(error, function)
    outcome.changed = tuple(name for name in inputs if not _unchanged(args[name], inputs[name]))
    return outcome


def attempt_law(function, exercise, law, inputs):
    """One guarded try of a law: its answer is the pair that must be equal, `called` the calls behind it."""
    signature = inspect.signature(exercise.function)
    outcome = Outcome()

    def observed(*args, **options):
        inner = dict(signature.bind(*args, **options).arguments)
        outcome.called.append((inner, attempt(function, exercise, inner)))
        last = outcome.called[-1][1]
        if last.error is not None:
            raise last.error
        return exercise.seen(last.answer)

    try:
        outcome.answer = law.function(observed, **copy.deepcopy(inputs))
    except BaseException as error:  # an answer that the law cannot even calculate with breaks it
        outcome.error, outcome.endless = error, isinstance(error, TimeUp)
    return outcome


def _settled(answer):
    """The answer, out of reach of its author: arrays are copied, other libraries' arrays become numpy's."""
    if isinstance(answer, np.generic) or np.isscalar(answer):
        return answer
    if hasattr(answer, "__array__") and not isinstance(answer, type):
        return np.array(answer)[()]
    if type(answer) in (list, tuple):
        return type(answer)(_settled(part) for part in answer)
    return answer


def _unchanged(now, before):
    """Whether an input is as it was; words and lists of several lengths, which make no numbers, by ==."""
    for equal in (functools.partial(np.array_equal, equal_nan=True), operator.eq):
        with contextlib.suppress(Exception):
            if equal(now, before):
                return True
    return False


def line_of(error, function):
    """The innermost line of the student's own code on the way to `error`, or "".

    An error that comes from another process (`medtutor grade`) brings its line along.
    """
    if isinstance(line := getattr(error, "students_line", None), str):
        return line
    home = getattr(inspect.unwrap(function), "__globals__", None)
    steps = [(f, number) for f, number in traceback.walk_tb(error.__traceback__) if f.f_globals is home]
    if not steps:
        return ""
    frame, number = steps[-1]
    text = linecache.getline(frame.f_code.co_filename, number, home).strip()
    return f"line {number}: {text}" if text else f"line {number}"


def alike(a, b):
    """Whether two answers are the same numbers in one shape: whole ones exactly, others up to rounding."""
    try:
        a, b = np.asarray(a), np.asarray(b)
    except Exception:
        return False
    if a.shape != b.shape or a.dtype.kind not in "biuf" or b.dtype.kind not in "biuf":
        return False
    finite = np.abs(b[np.isfinite(b)], dtype=float) if b.size else np.zeros(1)
    size = finite.max(initial=0.0)
    rtol = RTOL if b.dtype.kind == "f" else 1e-8
    return bool(np.allclose(a, b, rtol=rtol, atol=rtol * size, equal_nan=True))
