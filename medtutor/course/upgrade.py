"""Which numbers move with the newest packages?  `medtutor upgrade`, or `make upgrade-report`.

Installs the newest versions that pyproject.toml allows into an environment of its own, runs the chapters in
it, and says of each what moved and by how much against its tolerance. The project's own environment, its lock
and its notebooks stay as they are; if the report pleases, `make lock ARGS=--upgrade` takes the versions over.
"""

import argparse
import json
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from medtutor.course import compare
from medtutor.course.build import ROOT
from medtutor.course.surroundings import find_python
from medtutor.course.validate import CELL_SECONDS, chosen, kernel_environment
from medtutor.guide import differences, read_lock

FOLDER = ROOT / "build" / "upgrade"
OURS = ("--editable", str(ROOT), "--group", f"{ROOT / 'pyproject.toml'}:maintain")


@dataclass(frozen=True)
class Moved:
    """A stated number that is not as it was stored.

    name             "cell-id: label"
    stored, now      as text; None for one that is not stated any more, or was not stated before
    tolerance        what stands behind its ±, as text
    share            how much of the tolerance it moved by: 1 is its edge; infinite for a number that is gone
    """

    name: str
    stored: str | None
    now: str | None
    tolerance: str
    share: float

    def __str__(self):
        if self.stored is None or self.now is None:
            return f"{self.name}: {self.stored or 'not stated'} before, {self.now or 'not stated'} now"
        return f"{self.name}: {self.stored} -> {self.now}, {self.share:.2f} of ± {self.tolerance}"


@dataclass(frozen=True)
class Chapter:
    """What became of a chapter.

    numbers   how many it states
    moved     [Moved], the farthest first
    words     ids of cells whose outputs differ in anything but such numbers
    broke     the error that ended the run, '' for none
    """

    name: str
    numbers: int
    moved: tuple = ()
    words: tuple = ()
    broke: str = ""

    @property
    def beyond(self):
        """The numbers that left their tolerance."""
        return [each for each in self.moved if each.share > 1]

    @property
    def good(self):
        return not (self.beyond or self.words or self.broke)


# ------------------------------------------------------------------------------------------- environments


def make(folder=FOLDER, python=None, extra=()):
    """An environment with the newest allowed versions -> its Python.

    python   version such as "3.12", default: that of this Python
    extra    further requirements, e.g. ["keras==3.16.0"], to try one package alone
    Raises RuntimeError with what uv said where they cannot be installed.
    """
    folder = Path(folder)
    version = python or ".".join(map(str, sys.version_info[:2]))
    _uv("venv", "--clear", "--python", find_python(version) or version, str(folder))
    binary = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    _uv("pip", "install", "--python", str(binary), "--upgrade", *OURS, *extra)
    return binary


def _uv(*words):
    done = subprocess.run([sys.executable, "-m", "uv", *words], capture_output=True, text=True)
    if done.returncode:
        last = "\n".join(done.stderr.strip().splitlines()[-6:])
        raise RuntimeError(f"uv {words[0]} {words[1]} did not succeed; it says:\n{last}")


def versions(python):
    """The packages of an environment, {name: version}."""
    listed = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "list", "--python", str(python), "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {each["name"].lower(): each["version"] for each in json.loads(listed.stdout)}


def changes(there, lock=ROOT / "requirements.lock"):
    """The locked packages that an environment, {name: version}, does not have as locked -> [Difference]"""
    return differences(read_lock(lock), there)


# --------------------------------------------------------------------------------------------- comparing


def run(path, python, out):
    """Run a stored notebook with another Python and write what came to `out` -> the error, "" for none."""
    command = [str(python), "-m", "medtutor.course.upgrade", "--run", str(path), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")


def run_here(path, out):
    """The other side of `run`: execute the notebook in a fresh kernel of this Python and write it."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, kernel_name="python3", timeout=CELL_SECONDS, store_widget_state=False)
    environment = {**os.environ, **kernel_environment()}
    client.execute(env=environment, cwd=str(Path(path).parent), stderr=subprocess.DEVNULL)
    nbformat.write(notebook, out)


def compared(name, stored, fresh):
    """What moved between two runs of a notebook -> Chapter.

    stored, fresh   notebooks; cells that are not checked are left out
    """
    from medtutor.course.spread import results

    stored, fresh = _in_one_piece(stored), _in_one_piece(fresh)
    before, now = results(stored), results(fresh)
    moved = [_moved(each, before.get(each), now.get(each)) for each in dict.fromkeys([*before, *now])]
    moved = sorted(filter(None, moved), key=lambda each: -each.share)
    cells = {cell["id"]: cell for cell in fresh["cells"]}
    words = [
        cell["id"]
        for cell in stored["cells"]
        if cell["cell_type"] == "code"
        and "nbval-ignore-output" not in cell["metadata"].get("tags", ())
        and not _same_words(cell, cells.get(cell["id"]))
    ]
    return Chapter(name, len(before), tuple(moved), tuple(words))


def _in_one_piece(notebook):
    """A copy whose cells print one text each: from a kernel it comes in any pieces."""
    from nbval.plugin import coalesce_streams

    notebook = deepcopy(notebook)
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = coalesce_streams(cell["outputs"])
    return notebook


def _moved(name, a, b):
    if a is None or b is None:
        there = a or b
        return Moved(name, a and f"{a.value}", b and f"{b.value}", f"{there.tolerance}", float("inf"))
    if a.value == b.value:
        return None
    if not (a.value.is_finite() and b.value.is_finite()) or not a.tolerance:
        share = float("inf")
    else:
        share = float(abs(a.value - b.value) / a.tolerance)
    return Moved(name, f"{a.value}", f"{b.value}", f"{a.tolerance}", share)


def _same_words(stored, fresh):
    """Whether two cells put out the same, numbers with a ± aside, however far these moved."""
    if fresh is None:
        return False
    from medtutor.course.strict import _comparable, _kinds

    old, new = _comparable(stored["outputs"]), _comparable(fresh["outputs"])
    if _kinds(old) != _kinds(new):
        return False
    rule = stored["metadata"].get("nbval", {})
    widening = {name: rule[name] for name in ("rtol", "atol") if name in rule}
    return all(_agree(a, b, widening) for a, b in zip(old, new, strict=True))


def _agree(old, new, widening):
    a, b = compare.texts(old), compare.texts(new)
    for kind, text in a.items():
        settled, _ = compare.settle(text, b[kind], **widening)
        if _without_numbers(settled) != _without_numbers(text):
            return False
    return True


def _without_numbers(text):
    """A text with each number before a ± replaced by #, and the verdict of its bound kept."""
    for number in reversed(compare.measured(text)):
        text = f"{text[: number.start]}#{text[number.end :]}"
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------------ report


def report(chapters, packages, most=10):
    """The report as text: packages, then each chapter with at most `most` numbers of it."""
    lines = [f"{len(packages)} packages are not as locked"]
    lines += [f"  {each.name} {each.locked} -> {each.here}" for each in packages]
    for each in chapters:
        lines += ["", _headline(each)]
        lines += [f"  {moved}" for moved in each.moved[:most]]
        if len(each.moved) > most:
            lines.append(f"  and {len(each.moved) - most} that moved less")
        lines += [f"  reads otherwise: {cell}" for cell in each.words]
        if each.broke:
            lines += [f"  {line}" for line in each.broke.splitlines()[-8:]]
    return "\n".join(lines)


def _headline(each):
    if each.broke:
        return f"{each.name}: does not run"
    return (
        f"{each.name}: {len(each.moved)} of {each.numbers} numbers moved, {len(each.beyond)} beyond their "
        f"tolerance; {len(each.words)} cells read otherwise"
    )


def upgrade(paths, python=None, extra=(), folder=FOLDER, make=make):
    """Make the environment, run the chapters in it, print the report -> [Chapter]"""
    import nbformat

    print("installing the newest versions that pyproject.toml allows", flush=True)
    binary = make(folder, python, extra)
    packages = changes(versions(binary))
    chapters = []
    for path in map(Path, paths):
        print(f"running {path.stem}", flush=True)
        out = Path(folder) / path.name
        if broke := run(path.resolve(), binary, out):
            chapters.append(Chapter(path.stem, 0, broke=broke))
        else:
            stored, fresh = (nbformat.read(each, as_version=4) for each in (path, out))
            chapters.append(compared(path.stem, stored, fresh))
    print(f"\n{report(chapters, packages)}")
    return chapters


def main(argv=None):
    """`medtutor upgrade [NN…]`; returns 0 where all is within tolerance, 1 where not, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="medtutor upgrade",
        description="Install the newest allowed versions into build/upgrade, run chapters there, and print "
        "which numbers moved, and by how much of their tolerance. Nothing else changes. Needs the network.",
        epilog="examples:\n  medtutor upgrade 2\n  medtutor upgrade --python 3.13\n"
        "  medtutor upgrade 5 --with keras==3.16.0",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("chapters", nargs="*", metavar="NN", help="numbers, names or paths (default: all)")
    parser.add_argument("--python", metavar="3.X", help="another version of Python")
    parser.add_argument("--with", dest="extra", action="append", default=[], metavar="PACKAGE==VERSION")
    parser.add_argument("--run", nargs=2, metavar=("NOTEBOOK", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.run:
        run_here(*map(Path, options.run))
        return 0
    try:
        paths = chosen(options.chapters)
        if not options.chapters:  # 00 says whether the environment is the locked one, and it is not
            paths = [path for path in paths if path.stem[:2] != "00"]
        chapters = upgrade(paths, options.python, options.extra)
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if all(each.good for each in chapters) else 1


if __name__ == "__main__":
    sys.exit(main())
