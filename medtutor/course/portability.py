"""Strict validation under other arithmetic, locales, folders and Pythons: `medtutor portability`.

With --write the same runs record how far the stated numbers move, in notebooks/spread/.
"""

import argparse
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from medtutor.course.spread import SETTINGS, keep, recorded, stated, told
from medtutor.course.surroundings import NotHere, NotSetUp, settings
from medtutor.course.validate import ROOT, chosen, validate

ARITHMETIC, ALL = "arithmetic", "all"  # groups of settings


@dataclass(frozen=True)
class Run:
    """What strict validation said under one setting.

    code    pytest's; None where the setting cannot be had here
    red     the names of the cells that failed
    reason  why it did not run, '' where it did
    told    the numbers that came, as from spread.told
    """

    setting: str
    code: int | None
    passed: int = 0
    red: tuple = ()
    reason: str = ""
    told: dict = field(default_factory=dict)

    @property
    def failed(self):
        return self.code not in (0, None)

    def __str__(self):
        if self.code is None:
            return f"not run: {self.reason}"
        broken = f"   did not run{f': {self.reason}' if self.reason else ''}"
        return f"{self.passed:>7} {len(self.red):>7}{'' if self.code in (0, 1) else broken}"


def under(name, there, paths, workers=2):
    """Validate `paths` in these Surroundings -> Run."""
    with tempfile.TemporaryDirectory() as folder:
        report, numbers = Path(folder) / "report.xml", Path(folder) / "numbers.jsonl"
        options = ["-q", f"--junitxml={report}", f"--medtutor-numbers={numbers}"]
        here = [in_copy(path, there.root) for path in paths]
        code = validate(here, min(workers, len(here)), options, there.variables, there=there)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
        came = told(numbers)
    outcomes = {}
    for case in cases:
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = next((each.tag for each in case), "passed")
    count = Counter(outcomes.values())
    red = [name for name, outcome in outcomes.items() if outcome in ("failure", "error")]
    return Run(name, code, count["passed"], tuple(red), told=came)


def in_copy(path, root):
    """Where a notebook of this checkout lies in the copy at `root`; any other stays where it is."""
    path = Path(path).resolve()
    return root / path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def attempt(name, setting, paths, workers):
    """The Run of one setting, whether it can be had or not."""
    try:
        with setting.enter() as there:
            return under(name, there, paths, workers)
    except NotHere as reason:
        return Run(name, None, reason=str(reason))
    except NotSetUp as reason:
        return Run(name, 2, reason=str(reason))


def table(runs, paths=()):
    """The runs as lines of text: setting, passed, failed, recorded spread, and which cells failed."""
    held = records(paths)
    wide = max(len(run.setting) for run in runs)
    lines = [f"{'setting':<{wide}} {'passed':>7} {'failed':>7}   spread"]
    for run in runs:
        known = f"   {spread_of(run.setting, held)}" if run.code in (0, 1) else ""
        lines.append(f"{run.setting:<{wide}} {run}{known}")
        lines += [f"    {name}" for name in run.red]
    return "\n".join(lines)


def records(paths):
    """The settings under which spreads are recorded, for each of these notebooks that states numbers.

    -> {number or name: (setting, …)}
    """
    return {
        path.stem[:2] if path.stem[:2].isdigit() else path.stem: recorded(path)
        for path in map(Path, paths)
        if stated(path)
    }


def spread_of(setting, records):
    """In words, whether it is recorded how far the numbers of these chapters move under a setting."""
    without = [chapter for chapter, held in records.items() if setting not in held]
    if not records:
        return "no number to record"
    if len(without) == len(records):
        return "not recorded"
    return f"not recorded: {', '.join(without)}" if without else "recorded"


def conclusion(runs):
    """One line: how many settings are green, which failed, which were not run."""
    tried = [run for run in runs if run.code is not None]
    lines = [f"{sum(not run.failed for run in tried)} of {len(runs)} settings are green"]
    for word, those in (
        ("failed", [run for run in tried if run.failed]),
        ("not run, so nothing is known of", [run for run in runs if run.code is None]),
    ):
        if those:
            lines.append(f"{word}: {', '.join(run.setting for run in those)}")
    return "; ".join(lines)


def portability(paths, asked=None, workers=2, write=False):
    """Validate `paths` once a setting and print the table.

    asked   {name: Setting}, default: all
    write   record the numbers that came, as soon as a setting is done
    -> 1 where a setting failed or none could be run, else 0
    """
    asked = settings() if asked is None else asked
    runs = []
    for number, (name, setting) in enumerate(asked.items(), 1):
        print(f"\n{number} of {len(asked)}: {name}: {setting.words}", flush=True)
        stored = {path: stated(path) for path in map(Path, paths)} if write else {}
        runs.append(attempt(name, setting, paths, workers))
        print(f"{name}: {_in_short(runs[-1])}", flush=True)
        if write and runs[-1].code is not None:
            record(runs[-1], stored)
    print(f"\n{table(runs, paths)}\n\n{conclusion(runs)}")
    return 1 if any(run.failed for run in runs) or all(run.code is None for run in runs) else 0


def record(run, stored):
    """Put the numbers of a run into the record of each notebook, and print what became of it.

    stored  {path: {name: text}}, what the notebooks stated when they were run
    """
    for path, numbers in stored.items():
        came = run.told.get(path.stem, ({}, ()))
        print(f"  {path.stem}: {keep(path, numbers, run.setting, *came, settings())}", flush=True)


def _in_short(run):
    return str(run) if run.reason else f"{run.passed} passed, {len(run.red)} failed"


def pick(names, there):
    """Those of `there`, {name: Setting}, that are named, in their order; - stands for a space.

    The word arithmetic names those whose numbers may differ for the processor's sake, all names all.

    Raises ValueError, naming those there are, for one that is not there.
    """
    groups = {ARITHMETIC: set(SETTINGS), ALL: set(there)}
    plain = {name.lower().replace("-", " "): {name} for name in there} | groups
    wanted = [word.lower().replace("-", " ") for word in names]
    if wrong := [name for name, word in zip(names, wanted, strict=True) if word not in plain]:
        raise ValueError(
            f"there is no setting {wrong[0]!r}; there are: {', '.join([*there, *groups])}. "
            "Chapters stand before --settings."
        )
    picked = set().union(*(plain[word] for word in wanted))
    return {name: there[name] for name in there if name in picked}


def listing(there, paths):
    """The settings as lines of text: name, what it is, and whether spreads are recorded for it."""
    held, wide = records(paths), max(map(len, there))
    rows = [f"{name:<{wide}}  {spread_of(name, held)}; {each.words}" for name, each in there.items()]
    return "\n".join(rows)


def main(argv=None):
    """`medtutor portability [PATH…]`; returns 0 where no setting failed, 1 where one did, 2 if misspelt."""
    parser = argparse.ArgumentParser(
        prog="medtutor portability",
        description="Validate notebooks strictly under each setting and print a table of what passed, what\n"
        "failed and what could not be run here, with the reason. All chapters under all settings take\n"
        "hours, and the environments of the Pythons up to 2.5 GB each in build/, and the network once.\n"
        "With --write, the same runs record in notebooks/spread/ how far each stated number moves; its\n"
        "tolerance must be at least three times that.",
        epilog="examples:\n  medtutor portability --list\n  medtutor portability 01\n"
        "  medtutor portability 00 01 --settings one-thread read-only\n"
        "  medtutor portability 5 --settings python-3.12 --python /opt/python3.12/bin/python3\n"
        "  medtutor portability 5 --write\n"
        "  medtutor portability 5 --write --settings all\n\n"
        f"{ARITHMETIC} stands for {', '.join(SETTINGS)}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="numbers, names or paths (default: all)")
    parser.add_argument(
        "--settings",
        nargs="+",
        metavar="NAME",
        help=f"only these; see --list (default: {ALL}, with --write {ARITHMETIC})",
    )
    parser.add_argument("--write", action="store_true", help="record how far the stated numbers move")
    parser.add_argument("--list", action="store_true", help="name the settings and run nothing")
    parser.add_argument(
        "--python", action="append", default=[], metavar="FILE", help="a Python 3.11, 3.12 or 3.13 to use"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="notebooks at a time (default 2)")
    options = parser.parse_args(argv)
    try:
        asked = options.settings or [ARITHMETIC if options.write else ALL]
        paths, there = chosen(options.paths), pick(asked, settings(pythons=options.python))
    except ValueError as error:
        print(error)
        return 2
    if options.list:
        print(listing(there, paths))
        return 0
    return portability(paths, there, options.workers, options.write)
