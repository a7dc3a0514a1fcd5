"""Follows CONTRIBUTING.md in a copy of the project: writes and runs what it says to write and to run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "CONTRIBUTING.md"
NEEDED = (
    ".gitignore",
    "data/manifest.toml",
    "medtutor",
    "notebooks/chapters.toml",
    "notebooks/source/ruff.toml",
    "pyproject.toml",
    "tests/answers.py",
    "tests/conftest.py",
    "tests/offline",
    "tests/unit/test_all_exercises.py",
    "tests/unit/test_loaders.py",
)
BLOCK = re.compile(r"^(?P<lead>[^\n]+)\n\n```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(
    r"(?:^|\. )(?:(?P<run>Run)"
    r"|Write `(?P<write>[^`]+)`"
    r"|Append to `(?P<append>[^`]+)`"
    r"|In `(?P<file>[^`]+)`, (?P<side>above|below) `(?P<line>[^`]+)`, add):$"
)


@dataclass(frozen=True)
class Step:
    """One thing to do: a fenced block, and the sentence above it that says what to do with it."""

    lead: re.Match
    body: str

    @property
    def commands(self):
        """The commands of a block that is to be run."""
        return self.body.splitlines() if self.lead["run"] else []


def steps():
    """The steps of CONTRIBUTING.md, in order; blocks that only show something are left out."""
    found = []
    for block in BLOCK.finditer(TEXT.read_text(encoding="utf-8")):
        if lead := STEP.search(block["lead"]):
            found.append(Step(lead, block["body"]))
    return found


def copy_of_the_project(folder):
    """Put what the steps need into an empty folder, as a git checkout; returns the folder."""
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def edit(step, folder):
    """Write, append or add the block of a step to the file that it names."""
    lead, body = step.lead, step.body
    path = folder / (lead["write"] or lead["append"] or lead["file"])
    if lead["write"]:
        assert not path.exists(), f"{path} is there already; CONTRIBUTING.md says to write it"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if lead["append"]:
        path.write_text(text + ("\n\n" if path.suffix == ".py" else "\n") + body, encoding="utf-8")
        return
    line = f"{lead['line']}\n"
    assert text.count(line) == 1, f"{line!r} occurs {text.count(line)} times in {path}"
    gap = "\n" if body.startswith("# %%") else ""
    new = body + gap + line if lead["side"] == "above" else line + gap + body
    path.write_text(text.replace(line, new), encoding="utf-8")


def run(command, folder):
    """Exit code and output of one command in the copy, with the copy's package and an empty cache."""
    words = shlex.split(command)
    settings = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    program, *rest = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "tests" / "offline")]),
        "MEDTUTOR_CACHE": str(folder / "build" / "cache"),
    }
    done = subprocess.run(
        [sys.executable, *({"medtutor": ["-m", "medtutor"], "python": []}[program]), *rest],
        cwd=folder,
        env=environment | settings,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr
