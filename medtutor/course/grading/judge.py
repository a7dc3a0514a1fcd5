"""Judges a student's functions by what they return. No student's code ever runs in this process.

The check of the notebook is given a function that stands for the student's: it sends each input to the worker
and hands out what comes back. So the reply is the one that the student would have got in the notebook, and
whether an answer is right is decided here, where the solution is and the student's code is not.
"""

import inspect
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import medtutor
from medtutor.course.grading import isolation, submission, wire, worker
from medtutor.course.grading.result import GUARDS, Result
from medtutor.exercises.attempt import TimeUp
from medtutor.exercises.verdict import Verdict, grade

HERE = Path(__file__).resolve().parent
SCRIPT = HERE / "worker.py"
PACKAGE = Path(medtutor.__file__).resolve().parent
START = 120.0  # seconds for a worker to start and to import what the cells import
LAST_WORDS = 3.0  # seconds for it to say where it is before it is ended
SLACK = 30.0  # the check's own time limit comes so much later than ours
HEAVY = {"tensorflow", "keras", "torch", "sklearn", "skimage", "matplotlib", "pandas"}
STATES = {"right": "right", "wrong": "wrong", "pending": "not tried", "unknown": "error"}
NOTES = {*worker.TELLING.values(), worker.SOLUTIONS, worker.OUTSIDE}  # a worker may say no other


@dataclass(frozen=True)
class Limits:
    """What one exercise of one student may use.

    seconds  for all calls of the function together
    memory   MB on top of Python, numpy and what was imported
    seed     of the inputs
    """

    seconds: float = 10.0
    memory: int = 1024
    seed: int = 0


class Ended(BaseException):
    """The worker is gone, or what it says makes no sense."""


class Worker:
    """The process that runs a student's code, seen from the judge; leaving `with` ends it."""

    alone = False  # whether all children of this process are students' code
    guards = None  # what the last worker was guarded by, of GUARDS

    def __init__(self, limits, modules=()):
        self.limits, self.modules = limits, list(modules)
        self.process, self.folder = None, ""
        self.came, self.over = queue.Queue(2), False

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        heavy = HEAVY & {name.partition(".")[0] for name in self.modules}
        told = {
            "here": str(HERE),
            "path": [entry for entry in sys.path if entry and os.path.isabs(entry)],
            "readable": _readable(),
            "hidden": _hidden(),
            "modules": self.modules,
            "memory": int(self.limits.memory) + (3072 if heavy else 0),
            "processes": 256 if heavy else 16,
            "cpu": int(4 * self.limits.seconds + START) + 10,
        }
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="medtutor-grade-"))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env=_environment(self.folder),
            start_new_session=True,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        self._write(json.dumps({**told, "folder": self.folder}).encode() + b"\n")

    def __exit__(self, *_):
        if self.process:
            self.end()
            for stream in (self.process.stdin, self.process.stdout):
                try:
                    stream.close()
                except OSError:
                    pass
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _listen(self):
        stream = self.process.stdout
        try:
            while (message := wire.read(stream)) is not None:
                self._hear(message)
        except (ValueError, OSError, MemoryError) as error:
            self._hear(["nonsense", str(error)])
        self._hear(None)

    def _hear(self, message):
        """Keep a message until it is asked for; a worker that talks without being asked has to wait."""
        while not self.over:
            try:
                return self.came.put(message, timeout=0.1)
            except queue.Full:
                pass

    def _write(self, raw):
        try:
            self.process.stdin.write(raw)
            self.process.stdin.flush()
        except (OSError, ValueError):
            pass  # it is gone; the listener says so

    def ask(self, message, seconds):
        """Send a message (None: only listen) and return the answer; TimeUp and Ended where none comes."""
        if message is not None:
            raw = json.dumps(message).encode()
            self._write(len(raw).to_bytes(8, "big") + raw)
        end = time.monotonic() + seconds
        while True:
            try:
                answer = self.came.get(timeout=max(0.0, min(0.05, end - time.monotonic())))
            except queue.Empty:
                if time.monotonic() >= end:
                    raise TimeUp from None
                continue
            if answer is None:
                raise Ended(self.why())
            if type(answer) is not list or not answer or answer[0] == "nonsense":
                raise Ended("what came back from its process was no answer")
            return answer

    def where(self):
        """The student's line that is running, "" where it cannot be told."""
        if not hasattr(signal, "SIGUSR1"):
            return ""
        try:
            os.kill(self.process.pid, signal.SIGUSR1)
            what, line, *_ = self.ask(None, LAST_WORDS)
            return wire.text(line)[:300] if what == "at" else ""
        except (TimeUp, Ended, OSError, ValueError):
            return ""

    def why(self):
        """How the process ended, in words."""
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed its connection to the grader"
        if code > 128:
            code = 128 - code
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return f"its process was ended by {name}" + (", perhaps for memory" if -code == 9 else "")
        return f"it ended its process (exit code {code}), as os._exit does"

    def end(self):
        """Kill the process and all that it started."""
        self.over = True
        if hasattr(os, "killpg"):
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except OSError:
                pass
        try:
            self.process.kill()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            pass
        if self.alone:
            isolation.end_orphans()


def _environment(folder):
    """A worker's environment: nothing of the user's, and one thread a process."""
    threads = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    made = {
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        **dict.fromkeys(threads, "1"),
    }
    made |= {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    if sys.platform == "win32":
        made |= {name: os.environ[name] for name in ("SYSTEMROOT", "TEMP") if name in os.environ}
    return made


def _readable():
    """What a worker may read: Python, the packages, and of a checkout only the package and its data."""
    found = [
        sys.base_prefix,
        sys.prefix,
    ]
    root = PACKAGE.parent
    for entry in map(os.path.realpath, filter(None, sys.path)):
        if Path(entry) == root and (root / "pyproject.toml").exists():
            found += [str(PACKAGE), str(root / "data")]
        elif os.path.exists(entry):
            found.append(entry)
    return list(dict.fromkeys(found))


def _hidden():
    """Where solutions are: in this package, and in every other copy of it that Python would find."""
    copies = {PACKAGE, *(Path(entry).resolve() / "medtutor" for entry in sys.path if entry)}
    parts = [str(copy / part) for copy in copies for part in ("exercises", "course")]
    return [part for part in parts if os.path.isdir(part)]


class Student:
    """Stands for a student's function: called here, it runs in the worker."""

    def __init__(self, worker, name, parameters):
        self.__name__ = name
        self.worker, self.parameters = worker, parameters
        self.left = worker.limits.seconds
        self.number = 0
        self.notes = set()
        self.ended = ""
        self.late = None  # where it was when its time was over

    @property
    def __signature__(self):
        """The student's first line; ValueError where Python could not tell."""
        return _signature(self.parameters)

    def __call__(self, *args, **options):
        if self.ended:
            raise Ended(self.ended)
        if self.late is not None:
            raise _time_up(self.late)
        self.number += 1
        message = ["call", self.number, [wire.encode(each) for each in args]]
        message.append({name: wire.encode(each) for name, each in options.items()})
        began = time.monotonic()
        try:
            answer = self.worker.ask(message, self.left)
            return self._read(answer, args, options)
        except TimeUp:
            self.late = self.worker.where()
            self.worker.end()
            raise _time_up(self.late) from None
        except Ended as ended:
            self.ended = str(ended)
            self.worker.end()
            raise
        finally:
            self.left = max(0.0, self.left - (time.monotonic() - began))

    def _read(self, answer, args, options):
        try:
            what, number, outcome, printed, changed, told = answer
            if what != "came" or number != self.number:
                raise ValueError
            self.notes |= NOTES & {each for each in told if type(each) is str}
            sys.stdout.write(wire.text(printed)[:200])
            for place, now in changed.items():
                _change(args[int(place)] if place.isdigit() else options[place], wire.decode(now))
            if outcome[0] == "answer":
                return wire.decode(outcome[1])
            what, name, kinds, said, line = outcome
            error = relayed(wire.text(name), kinds, wire.text(said), wire.text(line)[:300])
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            raise Ended("what came back from its process was no answer") from None
        raise error


def _signature(parameters):
    if parameters is None:
        raise ValueError("no signature")
    return inspect.Signature(
        [
            inspect.Parameter(
                name, inspect._ParameterKind(kind), default=_Word(default) if has else inspect.Parameter.empty
            )
            for name, kind, has, default in parameters
        ]
    )


class _Word:
    """A default value of which only its words came."""

    def __init__(self, words):
        self.words = wire.text(words)

    def __repr__(self):
        return self.words


class _Said(str):
    """A text that KeyError, which shows its argument in quotation marks, shows as it is."""

    def __repr__(self):
        return str(self)


def _time_up(line):
    error = TimeUp()
    error.students_line = line
    return error


def relayed(name, kinds, said, line):
    """An exception as the student's code raised it, as far as a reply can tell.

    kinds  names of the built-in exceptions that it is one of, the nearest first
    """
    name, line = re.sub(r"\W", "_", name)[:100] or "Exception", " ".join(line.splitlines())
    import builtins

    known = {each.__name__: each for each in (np.linalg.LinAlgError, np.exceptions.AxisError)}
    bases = [getattr(builtins, each, None) for each in kinds if type(each) is str]
    base = next(
        (each for each in bases if isinstance(each, type) and issubclass(each, BaseException)), Exception
    )
    kind = base if base.__name__ == name else known.get(name)
    try:
        error = kind(_Said(said))
        if str(error) != said:
            raise TypeError
    except Exception:
        plain = base if base in (BaseException, Exception, KeyboardInterrupt, SystemExit) else Exception
        plain = base if issubclass(base, (ValueError, ArithmeticError, LookupError)) else plain
        kind = type(name, (plain,), {"__init__": lambda self: None, "__str__": lambda self: said})
        error = kind()
    error.students_line = line
    return error


def _change(mine, now):
    """Let an input be as the student's function left it, so that the check sees that it was changed."""
    if isinstance(mine, np.ndarray) and isinstance(now, np.ndarray):
        if mine.shape == now.shape:
            mine[...] = now
        elif mine.size:
            mine.flat[0] = mine.flat[0] + 1 if mine.dtype.kind in "iufc" else mine.flat[0]
    elif isinstance(mine, list) and isinstance(now, list):
        mine[:] = now
    elif isinstance(mine, dict) and isinstance(now, dict):
        mine.clear()
        mine.update(now)


# Exercises


def judge(name, found, limits):
    """The Result of one exercise, given what was found for it in the notebook."""
    if found.state:
        return Result(name, found.state, found.reply, found.notes, found.source)
    with Worker(limits, found.modules) as worker:
        return _judge(name, found, limits, worker)


def _judge(name, found, limits, worker):
    def result(state, reply, notes=()):
        return Result(name, state, reply, [*found.notes, *sorted(notes)], found.source)

    def failed(state, words):
        return result(state, str(Verdict(name, "wrong", words)))

    try:
        _, guards = worker.ask(None, START)
        Worker.guards = [each for each in GUARDS if each in guards]
    except (TimeUp, Ended) as error:
        return failed("error", f"Its process did not start: {error or 'too slow'}.")
    try:
        answer = worker.ask(["define", found.part, found.name], limits.seconds)
    except TimeUp:
        words = f"Still running after {limits.seconds:g} s, before the function was called."
        return failed("timeout", words + _at(worker.where()))
    except Ended as ended:
        return failed("error", f"Before the function was called, {ended}.")
    try:
        if answer[0] == "undefined":
            _, cell, kind, _, said, line, told = answer
            words = f"The cell {wire.text(cell)!r} stopped with {wire.text(kind)}: {wire.text(said)[:300]}"
            reply = failed("error", words + (f"\n    {wire.text(line)[:300]}" if line else ""))
            reply.notes += sorted(NOTES & {each for each in told if type(each) is str})
            return reply
        _, parameters = answer
        student = Student(worker, name, parameters)
        if parameters is not None:
            _signature(parameters)
    except (ValueError, TypeError, AttributeError):
        return failed("error", "What came back from its process was no answer.")
    verdict = grade(student, name=name, seed=limits.seed, seconds=limits.seconds + SLACK)
    if student.ended:
        return result(
            "error", str(Verdict(name, "wrong", f"While it was called, {student.ended}.")), student.notes
        )
    reply = str(verdict).replace(f"after {limits.seconds + SLACK:g} s", f"after {limits.seconds:g} s")
    state = "timeout" if student.late is not None and verdict.state == "wrong" else STATES[verdict.state]
    return result(state, reply, student.notes)


def _at(line):
    return f"\n    was stopped in {line}" if line else ""


def _try_to_judge(name, found, limits):
    try:
        return judge(name, found, limits)
    except Exception as error:  # ours, not theirs; the other exercises are judged all the same
        reply = f"✗ {name}: The grader failed ({type(error).__name__}: {str(error)[:200]})."
        return Result(name, "error", reply, found.notes, found.source)


# The judge's own process


def _leave(*_):
    """Signal handler: end the worker on the way out, once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def main():
    """Judge one notebook a line of stdin; -> a line of JSON for each exercise, then one without."""
    isolation.die_with_parent()
    isolation.keep_memory_private()
    isolation.adopt_orphans()
    Worker.alone = True
    signal.signal(signal.SIGTERM, _leave)
    outward = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def tell(**words):
        outward.write(json.dumps(words) + "\n")
        outward.flush()

    for line in sys.stdin:
        told = json.loads(line)
        course, limits = submission.Course(**told["course"]), Limits(**told["limits"])
        try:
            cells = submission.read(told["path"])
            results = submission.find_all(cells, course)
        except submission.Unreadable as error:
            tell(unreadable=str(error))
            continue
        for name, found in results.items():
            result = _try_to_judge(name, found, limits)
            if result.state != "right" and submission.claims(cells, name):
                result.notes.append("the file as handed in shows '✓ right' here, which is not so")
            tell(result=asdict(result))
        tell(guards=Worker.guards)
