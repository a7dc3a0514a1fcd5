"""`medtutor grade`: every exercise of every student in a fresh process, judged in another, into one table.

This process reads no student's code and runs none: it hands files to judges (grading.judge), one at a time
each, reads their results, and goes on when one of them fails.
"""

import json
import os
import queue
import secrets
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medtutor.course.build import ROOT, BuildError, chapters, shown
from medtutor.course.servers import end

JUDGE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from medtutor.course.grading import judge
judge.main()
"""
PATIENCE = 240.0  # seconds that a judge may be silent, on top of the limits of one exercise


@dataclass
class Graded:
    """What became of one file; `note` is about the whole of it."""

    student: str
    path: Path
    chapter: str = ""
    results: list = field(default_factory=list)
    note: str = ""
    seconds: float = 0.0


def run_grade(
    files, root=ROOT, out="grades.csv", reports=None, seconds=10.0, memory=1024, jobs=2, chapter=None,
    seed=None, stream=None,
):  # fmt: skip
    """Grade notebooks into the table `out` and, if asked for, a page each in the folder `reports`; returns 0.

    seconds, memory  for one exercise of one student
    chapter          number, slug or name; default: the one that most files are of
    seed             of the inputs that the functions are tried on; default: one that nobody knows
    Raises BuildError where nothing can be graded. A file that is no notebook is a row like any other.
    """
    stream = stream or sys.stderr
    _forget_the_working_folder()
    from medtutor.course.grading import report, submission

    paths = _files(files)
    for name, value, least in (("--seconds", seconds, 0.1), ("--memory", memory, 64), ("--jobs", jobs, 1)):
        if not value >= least:
            raise BuildError(f"{name} is {value}; it must be at least {least}")
    out = Path(out)
    if out.is_dir() or not os.access(out.resolve().parent, os.W_OK):
        raise BuildError(f"--out is {shown(out)}; name a file in a folder that can be written to")
    if reports is not None and Path(reports).exists() and not Path(reports).is_dir():
        raise BuildError(f"--reports is {shown(reports)}, a file; name a folder for the students' pages")
    seed = secrets.randbits(48) if seed is None else seed
    asked = {each.name for each in chapters([chapter] if chapter else (), root)}
    courses = [course for each in chapters(root=root) if (course := submission.course_of(each)).exercises]
    if not any(course.name in asked for course in courses):
        raise BuildError(f"chapter {chapter} has no exercises" if chapter else "no chapter has exercises")
    graded = [Graded(student, path) for student, path in zip(_students(paths), paths, strict=True)]
    named = [course for course in courses if course.name in asked]
    course = named[0] if chapter else _choose(graded, courses, submission)
    began = time.monotonic()
    room = _Room(graded, course, courses, dict(seconds=seconds, memory=memory, seed=seed), stream)
    room.work(jobs)
    rows = [(each.student, each.chapter, each.results, each.note) for each in graded]
    exercises = list(course.exercises)
    out.write_text(report.table(rows, exercises), encoding="utf-8-sig", newline="")
    if reports is not None:
        folder, taken = Path(reports), set()
        folder.mkdir(parents=True, exist_ok=True)
        for each in graded:
            words = report.page(each.student, str(course), each.results, each.note, exercises)
            (folder / report.file_name(each.student, taken)).write_text(words, encoding="utf-8")
    took = time.monotonic() - began
    if warning := room.unguarded():
        print(warning, file=stream)
    print(
        f"{course}: {len(graded)} graded in {took:.0f} s, {shown(out)}; --seed {seed} repeats it", file=stream
    )
    return 0


def _forget_the_working_folder():
    """Python looks into the folder it was started in for modules; a student's json.py may lie there."""
    here = Path.cwd().resolve()
    if here != ROOT:
        sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != here]


def _files(files):
    found = []
    for each in map(Path, files):
        if each.is_dir():
            found += sorted(each.glob("*.ipynb"))
        elif "*" in each.name and not each.exists():  # no shell put the names in
            found += sorted(each.parent.glob(each.name))
        else:
            found.append(each)
    if missing := [each for each in found if not each.exists()]:
        raise BuildError(f"there is no file {shown(missing[0])}; give the notebooks that were handed in")
    if not found:
        raise BuildError("there is no notebook to grade; give files or a folder that holds some")
    return list(dict.fromkeys(found))


def _students(paths):
    """A name for each file: its own, with as many folders before it as tell it from the others."""
    names = []
    for path in paths:
        parts = path.resolve().with_suffix("").parts
        for count in range(1, len(parts) + 1):
            name = parts[-count:]
            others = [other.resolve().with_suffix("").parts[-count:] for other in paths if other != path]
            if name not in others:
                break
        names.append("/".join(name))
    return names


def _choose(graded, courses, submission):
    """The course that most files are of."""
    votes = dict.fromkeys(range(len(courses)), 0)
    for each in graded:
        try:
            found = submission.chapter_of(submission.read(each.path), courses)
        except submission.Unreadable:
            continue
        if found:
            votes[courses.index(found)] += 1
    best = max(votes, key=votes.get)
    if not votes[best]:
        names = ", ".join(course.name for course in courses)
        raise BuildError(f"no file is a notebook of a chapter with exercises ({names}); name it by --chapter")
    return courses[best]


class _Room:
    """Judges at work on the files, `jobs` at a time, and a line on each that is done."""

    def __init__(self, graded, course, courses, limits, stream):
        self.graded, self.course, self.courses, self.limits, self.stream = (
            graded,
            course,
            courses,
            limits,
            stream,
        )
        self.waiting = queue.Queue()
        self.lock, self.done = threading.Lock(), 0
        self.judges, self.closed = [], False
        for each in graded:
            self.waiting.put(each)

    def work(self, jobs):
        count = min(jobs, len(self.graded))
        threads = [threading.Thread(target=self._take, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.2)
        finally:
            self.closed = True
            for judge in self.judges:
                judge.end()

    def _take(self):
        judge = None
        while not self.closed:
            try:
                each = self.waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            if not self._is_elsewhere(each):
                if judge is None or not judge.alive():
                    judge = _Judge(self.limits)
                    self.judges.append(judge)
                judge.grade(each, self.course)
            if self.closed:
                return
            each.seconds = time.monotonic() - began
            self._tell(each)

    def _is_elsewhere(self, each):
        """Whether the file is of another chapter; then it says so."""
        from medtutor.course.grading import submission
        from medtutor.course.grading.result import Result

        each.chapter = str(self.course)
        try:
            found = submission.chapter_of(submission.read(each.path), self.courses)
        except submission.Unreadable:
            return False  # the judge says why
        if found is None or found.name == self.course.name:
            return False
        each.chapter = str(found)
        each.note = f"a notebook of {found}; graded was {self.course}"
        each.results = [
            Result(name, "missing", f"✗ {name}: This is a notebook of {found}.", [])
            for name in self.course.exercises
        ]
        return True

    def unguarded(self):
        """What Python's hook alone has guarded, as a sentence; "" where the system has guarded all."""
        from medtutor.course.grading.result import GUARDS

        known = [judge.guards for judge in self.judges if judge.guards is not None]
        if not known or not (lacking := [name for name in GUARDS if name not in known[0]]):
            return ""
        return (
            f"This system did not let its own guards be used for {', '.join(lacking)}; a hook inside Python "
            "stood in for them, which hostile code can get around. See medtutor grade --help."
        )

    def _tell(self, each):
        from medtutor.course.grading import report

        with self.lock:
            self.done += 1
            said = each.note or f"{report.points(each.results)} of {len(self.course.exercises)} right"
            line = f"{self.done:3} of {len(self.graded)}  {report.printable(each.student)}  {said}"
            print(f"{line}  {each.seconds:.1f} s", file=self.stream, flush=True)


class _Judge:
    """A judge's process, seen from here."""

    def __init__(self, limits):
        self.limits, self.guards = limits, None
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", JUDGE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )

    def alive(self):
        return self.process.poll() is None

    def end(self):
        """Have it end its worker and itself, or end it where it does not."""
        end(self.process)

    def grade(self, each, course):
        """Fill in the results of one file, whatever becomes of the judge."""
        from medtutor.course.grading.result import Result

        told = {"path": str(each.path), "course": asdict(course), "limits": self.limits}
        silence, unreadable = threading.Timer(0, self.end), ""
        try:
            self.process.stdin.write(json.dumps(told) + "\n")
            self.process.stdin.flush()
            while True:
                silence = threading.Timer(PATIENCE + 4 * self.limits["seconds"], self.end)
                silence.daemon = True
                silence.start()
                line = self.process.stdout.readline()
                silence.cancel()
                said = json.loads(line)
                if "result" not in said:
                    each.note = unreadable = said.get("unreadable", "")
                    self.guards = said.get("guards") or self.guards
                    break
                each.results.append(Result(**said["result"]))
        except (OSError, ValueError):
            self.end()
            silence.cancel()
            each.note = "judging the file failed or took too long; what is missing was not judged"
        there = {result.exercise for result in each.results}
        state = "unreadable" if unreadable else "error"
        each.results += [
            Result(name, state, f"✗ {name}: {each.note}.", [])
            for name in course.exercises
            if name not in there
        ]
