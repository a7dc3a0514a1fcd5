"""Planted faults: what the tests and notebooks catch when the code is wrong on purpose.

A table tests/faults/NN_slug.toml names small edits and who should notice them:

    [[fault]]
    name = "stride ignored"
    file = "medtutor/nn/convolution.py"   # or a list, for the same edit in several files
    old = "x[s * i : s * i + M]"          # occurs exactly once in each file
    new = "x[i : i + M]"
    also = [{file = "...", old = "...", new = "..."}]                        # optional, further edits
    noticed_by = ["tests/unit/test_nn_convolution.py", "notebooks/01_convolution.ipynb"]   # fast ones first

Each fault is planted in a copy of the checkout; the first red target catches it. A fault in a chapter source
becomes a notebook with the faulty cells and the stored outputs, which strict validation must refuse.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medtutor.course.build import ROOT, BuildError, find_name, put_source_into, shown

TARGET_SECONDS = 900
COLOUR = re.compile(r"(?:\x1b|#x1B)\[[0-9;]*m")  # as a terminal gets it, and as junit's XML spells it
PYTEST = [*"-m pytest -x -q --color=no -p no:cacheprovider -o addopts=".split()]
NOTEBOOK_OPTIONS = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300"]
UNIT_OPTIONS = ["-p", "no:nbval"]  # importing it takes longer than most unit tests


class FaultError(BuildError):
    """The table or the checkout is in no state to be tested; the message says what to do."""


@dataclass(frozen=True)
class Edit:
    """Replace the one place in `file` that reads `old` by `new`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Fault:
    """A mistake that somebody could make, and the pytest targets that should notice it, in order."""

    chapter: str
    name: str
    edits: tuple
    noticed_by: tuple


@dataclass(frozen=True)
class Outcome:
    """What happened to one fault, or to one target without a fault.

    how      "test" for a red test or cell, "crash" where nothing could be collected or imported (which proves
             less), "hung" where a target did not end, "" where all was green
    by       the target, and in it the first red test or cell
    message  what that said, its first line
    """

    name: str
    caught: bool
    how: str = ""
    by: str = ""
    message: str = ""
    seconds: float = 0.0


# Tables


def read_table(path):
    """The faults of one table; FaultError names the entry and key that are wrong."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("fault", [])
    except tomllib.TOMLDecodeError as error:
        raise FaultError(f"{shown(path)} is not TOML: {error}") from None
    faults = [_read_entry(entry, number, path) for number, entry in enumerate(entries, 1)]
    names = [fault.name for fault in faults]
    if twice := {name for name in names if names.count(name) > 1}:
        raise FaultError(
            f"{shown(path)}: two faults are called {sorted(twice)[0]!r}; a name says which is meant"
        )
    return faults


def _read_entry(entry, number, path):
    where = f"{shown(path)}, fault {number} ({entry.get('name', 'no name')})"
    required = {"name", "file", "old", "new", "noticed_by"}
    if missing := sorted(required - set(entry)):
        raise FaultError(f"{where}: {', '.join(missing)} missing; a fault has {', '.join(sorted(required))}")
    if unknown := sorted(set(entry) - required - {"also"}):
        raise FaultError(f"{where}: {', '.join(unknown)} is not known; only `also` may be added")
    if isinstance(entry["noticed_by"], str) or not entry["noticed_by"]:
        raise FaultError(f"{where}: noticed_by is a list of pytest targets, the fastest first")
    edits = tuple(
        Edit(file, each["old"], each["new"])
        for each in (entry, *entry.get("also", ()))
        for file in ([each["file"]] if isinstance(each["file"], str) else each["file"])
    )
    return Fault(path.stem, entry["name"], edits, tuple(entry["noticed_by"]))


def find_faults(root=ROOT, chapter=None, only=None):
    """The faults of all tables, or of one chapter, or those whose names hold `only`."""
    tables = {path.stem: path for path in sorted((Path(root) / "tests" / "faults").glob("*.toml"))}
    if chapter is not None:
        name = find_name(chapter, tables, "table of faults")
        tables = {name: tables[name]}
    faults = [fault for path in tables.values() for fault in read_table(path)]
    chosen = [fault for fault in faults if only is None or only.lower() in fault.name.lower()]
    if not chosen:
        raise FaultError(
            f"no fault is called {only!r}; medtutor faults --list names them" if only else "no faults"
        )
    return chosen


def sample(faults, number, seed=0):
    """So many faults of each chapter, by chance; a seed decides, and larger samples hold the smaller ones."""
    chosen = []
    for chapter in dict.fromkeys(fault.chapter for fault in faults):
        own = [fault for fault in faults if fault.chapter == chapter]
        chosen += random.Random(f"{seed} {chapter}").sample(own, len(own))[:number]
    return [fault for fault in faults if fault in chosen]


def aimed(faults, by):
    """The faults with other targets: once for each kind that is asked for, where there is a target of it.

    by   "tests" for the tests of noticed_by alone; "notebooks" for the notebooks in it or else that of the
         chapter; "both"; None for noticed_by as it is
    """
    if by is None:
        return list(faults)
    kinds = {"tests": ["tests"], "notebooks": ["notebook"], "both": ["tests", "notebook"]}[by]
    aims = [
        (fault, [each for each in fault.noticed_by if kind_of(each) == kind], kind)
        for fault in faults
        for kind in kinds
    ]
    own = "notebooks/{}.ipynb".format
    return [
        replace(fault, noticed_by=tuple(targets or [own(fault.chapter)]))
        for fault, targets, kind in aims
        if targets or kind == "notebook"
    ]


def kind_of(target):
    """What a target is: "tests" or "notebook"."""
    return "notebook" if target.split("::")[0].endswith(".ipynb") else "tests"


# Copies


def copy_checkout(root, into):
    """Copy what git tracks and what it would track: neither caches nor the environment come along."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        capture_output=True,
        check=False,
    )
    if listing.returncode:
        raise FaultError(f"{root} is not a git checkout: {listing.stderr.decode(errors='replace').strip()}")
    for name in listing.stdout.decode().split("\0"):
        if name and (Path(root) / name).is_file():
            target = Path(into) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(root) / name, target)


def plant(fault, copy):
    """Make a fault's edits in a copy of the checkout; FaultError where the table no longer fits the code."""
    _plant_together([fault], copy)


def _plant_together(faults, copy):
    changed = {}
    for fault in faults:
        for edit in fault.edits:
            changed[_make(edit, fault, Path(copy))] = fault
    for path, fault in changed.items():
        if path.parent == Path(copy) / "notebooks" / "source":
            _plant_in_notebook(fault, path, Path(copy) / "notebooks" / f"{path.stem}.ipynb")


def _make(edit, fault, copy):
    path = copy / edit.file
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if (times := text.count(edit.old)) != 1:
        raise FaultError(
            f"tests/faults/{fault.chapter}.toml: the fault {fault.name!r} is stale: its old text occurs "
            f"{times} times in {edit.file}, not once; write it as the code reads now:\n    {edit.old!r}"
        )
    if edit.old == edit.new:
        raise FaultError(f"tests/faults/{fault.chapter}.toml: the fault {fault.name!r} changes nothing")
    path.write_text(text.replace(edit.old, edit.new), encoding="utf-8", newline="")
    return path


def _plant_in_notebook(fault, source, notebook):
    try:
        put_source_into(source, notebook)
    except (BuildError, FileNotFoundError) as error:
        raise FaultError(f"the fault {fault.name!r} leaves {source.name} unreadable: {error}") from None


def _check_targets(faults, root):
    for fault in faults:
        for target in fault.noticed_by:
            if not (Path(root) / target.split("::")[0]).exists():
                raise FaultError(f"tests/faults/{fault.chapter}.toml: {fault.name!r}: there is no {target}")


# Running


class Runner:
    """Runs pytest in copies of the checkout, and can end what it started."""

    def __init__(self, seconds=TARGET_SECONDS):
        self.seconds, self._alive, self._lock = seconds, set(), threading.Lock()

    def first_red(self, copy, targets, name):
        """Run targets in order until one is red: the Outcome; `caught` is False if all were green."""
        began = time.monotonic()
        self._assert_own_package(copy)
        for target in targets:
            outcome = self._run_target(copy, target)
            if outcome:
                how, by, message = outcome
                return Outcome(name, True, how, by, message, round(time.monotonic() - began, 1))
        return Outcome(name, False, seconds=round(time.monotonic() - began, 1))

    def _run_target(self, copy, target):
        report = copy / ".planted-report.xml"
        report.unlink(missing_ok=True)
        options = NOTEBOOK_OPTIONS if kind_of(target) == "notebook" else UNIT_OPTIONS
        command = [sys.executable, *PYTEST, *options, f"--junitxml={report}", target]
        code, output = self._call(command, copy)
        if code is None:
            return "hung", target, f"not done after {self.seconds} s"
        if code == 0:
            return None
        if code == 5:
            raise FaultError(f"{target} holds no test; correct noticed_by")
        test, crashed, message = read_report(report)
        if test is None:
            lines = [line for line in output.splitlines() if line.strip()]
            return "crash", target, next((line for line in reversed(lines) if "Error" in line), lines[-1])
        return "crash" if crashed else "test", _readable(copy, target, test), message

    def _assert_own_package(self, copy):
        code, output = self._call(
            [sys.executable, "-P", "-c", "import medtutor; print(medtutor.__file__)"], copy
        )
        found = output.strip().splitlines()[-1] if output.strip() else ""
        if code == 0 and Path(found).resolve().parent != (copy / "medtutor").resolve():
            raise FaultError(f"the copy in {copy} would test {found}, not itself; is PYTHONPATH overridden?")

    def _call(self, command, copy):
        """Exit code (None if it did not end) and output of a command in a copy."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(copy), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command, cwd=copy, env=environment, stdout=output, stderr=output, start_new_session=True
            )
            with self._lock:
                self._alive.add(process)
            try:
                code = process.wait(self.seconds)
            except subprocess.TimeoutExpired:
                code = _end(process)
            finally:
                with self._lock:
                    self._alive.discard(process)
            output.seek(0)
            return code, output.read().decode("utf-8", "replace")

    def end_all(self):
        """End every command that still runs."""
        with self._lock:
            for process in self._alive:
                _end(process)


def _end(process):
    """End a process and, where the system can, the kernels and browsers that it started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    else:
        process.kill()
    process.wait()


def read_report(path):
    """From a junit file: the first red test, whether collecting it failed, the first line of its message."""
    try:
        cases = ElementTree.parse(path).iter("testcase")
    except (FileNotFoundError, ElementTree.ParseError):
        return None, True, ""
    for case in cases:
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                crashed = kind == "error" and "collection" in (found.get("message") or "")
                return case.get("name") or case.get("classname"), crashed, _first_words(found, crashed)
    return None, True, ""


def _first_words(found, crashed):
    text = (found.text or "") if crashed else (found.get("message") or found.text or "")
    lines = [line.strip() for line in COLOUR.sub("", text).splitlines()]
    lines = [line for line in lines if line and line != "Notebook cell execution failed"]
    if crashed:
        lines = [line for line in lines if "Error" in line][-1:] or lines
    return lines[0][:160] if lines else ""


def _readable(copy, target, test):
    """ "target::test", with a notebook's cell named by its id instead of its number."""
    file = target.split("::")[0]
    numbered = re.fullmatch(r".*\bCell (\d+)", test)
    if file.endswith(".ipynb") and numbered:
        cells = json.loads((copy / file).read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        test = code[int(numbered[1])]["id"]
    return f"{file}::{test}"


def try_faults(
    faults, root=ROOT, jobs=1, tell=lambda text: None, runner=None, note=lambda fault, outcome: None
):
    """Plant each fault in a fresh copy and run what should notice it: the Outcomes, in the faults' order.

    tell  is told how it goes on;  note  is given each fault and its Outcome as soon as it is known
    Raises FaultError where the table is stale, or where a target is red without any fault.
    """
    runner = runner or Runner()
    with tempfile.TemporaryDirectory(prefix="planted-", ignore_cleanup_errors=True) as folder:
        folder = Path(folder)
        clean = folder / "clean"
        copy_checkout(root, clean)
        rehearse(faults, clean, folder)
        with ThreadPoolExecutor(jobs) as pool:
            try:
                _check_green(faults, clean, folder, runner, pool, tell)
                count = f"of {len(faults)}"
                work = [
                    pool.submit(
                        _try_one, fault, clean, folder / f"fault-{number}", runner, tell, f"{number} {count}"
                    )
                    for number, fault in enumerate(faults, 1)
                ]
                for fault, each in zip(faults, work, strict=True):
                    note(fault, each.result())
                return [each.result() for each in work]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                runner.end_all()
                raise


def rehearse(faults, root, folder):
    """Plant the faults in copies of only the files that they touch, to learn early that a table is stale.

    Faults that touch different places are planted together, because reading a chapter takes a while.
    """
    _check_targets(faults, root)
    groups = _apart(faults, root)
    while groups:
        group = groups.pop()
        try:
            _try_planting(group, root, Path(folder) / "rehearsal")
        except FaultError:
            if len(group) == 1:
                raise
            groups += group[: len(group) // 2], group[len(group) // 2 :]  # one may hide the place of another


def _apart(faults, root):
    """The faults in groups, in each of which no two touch the same text."""
    groups = []
    for fault in faults:
        places = [_place(edit, root) for edit in fault.edits]
        free = (each for each in groups if not any(_overlap(a, b) for a in places for b in each[1]))
        group, taken = next(free, ([], []))
        if not group:
            groups.append((group, taken))
        group.append(fault)
        taken += places
    return [group for group, _ in groups]


def _overlap(a, b):
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def _place(edit, root):
    """(file, first, behind the last character) of what an edit replaces."""
    path = Path(root) / edit.file
    first = path.read_text(encoding="utf-8").find(edit.old) if path.is_file() else -1
    return edit.file, first, first + len(edit.old)


def _try_planting(faults, root, trial):
    names = {edit.file for fault in faults for edit in fault.edits}
    names |= {f"notebooks/{Path(name).stem}.ipynb" for name in names if name.startswith("notebooks/source/")}
    for name in names:
        if (Path(root) / name).is_file():
            (trial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(root) / name, trial / name)
    try:
        _plant_together(faults, trial)
    finally:
        shutil.rmtree(trial, ignore_errors=True)


def _check_green(faults, clean, folder, runner, pool, tell):
    targets = list(dict.fromkeys(target for fault in faults for target in fault.noticed_by))
    tell(f"without a fault: {len(targets)} targets")
    copies = [folder / f"unfaulted-{number}" for number in range(len(targets))]

    def run(target, copy):
        shutil.copytree(clean, copy)
        outcome = runner.first_red(copy, [target], target)
        shutil.rmtree(copy, ignore_errors=True)
        tell(f"  {'RED' if outcome.caught else 'green'}  {target}  {outcome.seconds} s")
        return outcome

    red = [outcome for outcome in pool.map(run, targets, copies) if outcome.caught]
    if red:
        reasons = "\n".join(f"    {outcome.by}  {outcome.message}" for outcome in red)
        raise FaultError(
            f"red without any fault, so nothing would be proved; make these green first:\n{reasons}"
        )


def _try_one(fault, clean, copy, runner, tell, number):
    shutil.copytree(clean, copy)
    plant(fault, copy)
    outcome = runner.first_red(copy, fault.noticed_by, fault.name)
    shutil.rmtree(copy, ignore_errors=True)
    tell(f"  {number}  {_word(outcome)}  {fault.name}  {outcome.by}  {outcome.seconds} s")
    return outcome


# The command


def _word(outcome):
    return {"": "MISSED", "test": "caught", "crash": "caught (crash)", "hung": "caught (hung)"}[outcome.how]


def as_table(outcomes):
    """The outcomes as aligned lines and a sentence that counts them."""
    rows = [("fault", "", "by", "s")]
    rows += [(o.name, _word(o), o.by, f"{o.seconds:.1f}") for o in outcomes]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    missed, crashed = sum(not o.caught for o in outcomes), sum(o.how == "crash" for o in outcomes)
    lines.append(
        f"{len(outcomes) - missed} of {len(outcomes)} faults caught"
        + f", {crashed} by a crash" * bool(crashed)
    )
    return "\n".join(lines)


def run_faults(
    root=ROOT,
    *,
    chapter=None,
    only=None,
    listing=False,
    jobs=1,
    json_file=None,
    by=None,
    number=None,
    seed=0,
    untried=False,
    write=False,
):
    """`medtutor faults`: print the table of caught and missed.

    Returns 0 if each fault is caught by what should notice it, else 1; a notebook that misses what only tests
    are said to notice is no failure.
    """
    from medtutor.course import readme, shares

    if jobs < 1:
        raise FaultError(f"jobs is {jobs}; use 1, or 2 for two faults at a time")
    if number is not None and number < 1:
        raise FaultError(f"sample is {number}; use the number of faults to take of each chapter, from 1")
    if json_file and not Path(json_file).resolve().parent.is_dir():
        raise FaultError(f"{json_file} cannot be written: its folder does not exist")
    faults = find_faults(root, chapter, only)
    expected = {(fault.chapter, fault.name, kind_of(each)) for fault in faults for each in fault.noticed_by}
    chosen = sample(faults, number, seed) if number else faults
    faults = aimed(chosen, by)
    if untried:
        records = shares.read(root)
        faults = [fault for fault in faults if not shares.known(records, fault)]
    if listing:
        for fault in faults:
            print(f"{fault.chapter}  {fault.name}")
        return 0
    if write and by in ("tests", "both"):
        shares.add_unnamed(root, chosen)
    if not faults:
        print("every fault that was asked for has been tried")
        return 0
    outcomes = try_faults(
        faults,
        root,
        jobs,
        lambda text: print(text, file=sys.stderr, flush=True),
        note=lambda fault, outcome: shares.add(root, fault, outcome) if write else None,
    )
    print(as_table(outcomes))
    if json_file:
        rows = [{"chapter": f.chapter, **asdict(o)} for f, o in zip(faults, outcomes, strict=True)]
        Path(json_file).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if write:
        readme.main(root=root)
    missed = [fault for fault, outcome in zip(faults, outcomes, strict=True) if not outcome.caught]
    return int(any((f.chapter, f.name, kind_of(each)) in expected for f in missed for each in f.noticed_by))
