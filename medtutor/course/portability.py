"""Strict validation under other threads, instruction sets and without oneDNN: `medtutor portability`."""

import argparse
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medtutor.course.spread import SETTINGS
from medtutor.course.validate import chosen, validate


@dataclass(frozen=True)
class Run:
    """What strict validation said under one setting; `red` holds the names of the cells that failed."""

    setting: str
    code: int
    passed: int
    red: tuple


def under(setting, variables, paths, workers=2):
    """Validate `paths` with these environment variables -> Run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", f"--junitxml={report}"]
        code = validate(paths, workers, options, variables)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    outcomes = {}
    for case in cases:
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = next((each.tag for each in case), "passed")
    count = Counter(outcomes.values())
    red = [name for name, outcome in outcomes.items() if outcome in ("failure", "error")]
    return Run(setting, code, count["passed"], tuple(red))


def table(runs):
    """The runs as lines of text: setting, passed, failed, and which cells failed."""
    lines = [f"{'setting':<12} {'passed':>7} {'failed':>7}"]
    for run in runs:
        broken = "   did not run" if run.code not in (0, 1) else ""
        lines.append(f"{run.setting:<12} {run.passed:>7} {len(run.red):>7}{broken}")
        lines += [f"    {name}" for name in run.red]
    return "\n".join(lines)


def portability(paths, settings=None, workers=2):
    """Validate `paths` once a setting and print the table; returns 0 where all was green, else 1."""
    runs = []
    for setting, variables in (SETTINGS if settings is None else settings).items():
        print(f"\n{setting}: {' '.join(f'{k}={v}' for k, v in variables.items())}", flush=True)
        runs.append(under(setting, variables, paths, workers))
    print(f"\n{table(runs)}")
    return 0 if all(run.code == 0 for run in runs) else 1


def main(argv=None):
    """`medtutor portability [PATH…]`; returns 0 where every setting is green, else 1."""
    parser = argparse.ArgumentParser(
        prog="medtutor portability",
        description="Validate notebooks strictly under " + ", ".join(SETTINGS) + ", and print a table. Long.",
        epilog="example:\n  medtutor portability 01",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="numbers, names or paths (default: all)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="notebooks at a time (default 2)")
    options = parser.parse_args(argv)
    try:
        return portability(chosen(options.paths), workers=options.workers)
    except ValueError as error:
        print(error)
        return 2
