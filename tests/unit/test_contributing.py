"""CONTRIBUTING.md is followed in a copy of the project: blocks are put where it says, commands are run."""

import argparse
import importlib.util
import re
import shlex

import following
import pytest

from medtutor.course import cli, lint

TEXT = following.TEXT.read_text(encoding="utf-8")
STEPS = following.steps()
COMMANDS = [(number, command) for number, step in enumerate(STEPS) for command in step.commands]
SHOWN = re.findall(r"`((?:medtutor|make|python) [^`\n]*)`", TEXT) + [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The copy at the end, and {(step, command): (exit code, output)} of what was run on the way."""
    folder = following.copy_of_the_project(tmp_path_factory.mktemp("checkout"))
    said = {}
    for number, step in enumerate(STEPS):
        if not step.commands:
            following.edit(step, folder)
        for command in step.commands:
            said[number, command] = following.run(command, folder)
    return folder, said


@pytest.mark.parametrize("number, command", COMMANDS)
def test_what_stands_below_run_succeeds_where_it_stands(followed, number, command):
    code, output = followed[1][number, command]
    assert code == 0, output


def test_the_pages_are_all_followed():
    pages = re.split(r"^## ", TEXT, flags=re.MULTILINE)
    for title in ("A chapter", "An exercise", "An explorer", "A data set", "A planted fault"):
        (page,) = [page for page in pages if page.startswith(f"{title}\n")]
        assert "Run:\n\n```sh\n" in page, title
    assert len(STEPS) == len(
        re.findall(r"(?:Run|Write `[^`]+`|Append to `[^`]+`|, add):$", TEXT, re.MULTILINE)
    )


def test_the_chapter_that_grew_has_its_exercises_right_and_its_explorer_live(followed):
    folder, said = followed
    outputs = [
        output for (_, command), (_, output) in said.items() if command.endswith("instructor 13 --check")
    ]
    assert "1 of 1 checks say right" in outputs[0] and "2 of 2 checks say right" in outputs[1]
    stored = (folder / "notebooks" / "13_air.ipynb").read_text(encoding="utf-8")
    assert "Share explorer: a threshold moves" in stored and "○ air_area: not tried yet" in stored


def test_the_planted_fault_is_caught_by_the_notebook(followed):
    (output,) = [output for (_, command), (_, output) in followed[1].items() if "--only" in command]
    assert "1 of 1 faults caught" in output and "notebooks/13_air.ipynb::formula-code" in output


def test_a_file_with_another_checksum_is_refused(followed):
    folder, _ = followed
    table = folder / "mirror" / "air" / "air.csv"
    changed = folder / "changed" / "air" / "air.csv"
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.write_bytes(table.read_bytes().replace(b"0.22", b"0.23"))
    code, output = following.run(
        "MEDTUTOR_CACHE=elsewhere MEDTUTOR_MIRROR=changed medtutor data fetch air", folder
    )
    assert code == 1 and "refused" in output
    assert not list((folder / "elsewhere").rglob("*.csv"))


def test_its_python_is_as_ruff_wants_it(followed):
    folder, _ = followed
    for command in ("check --no-cache medtutor notebooks tests", "format --no-cache --check medtutor tests"):
        code, output = following.run(f"python -m ruff {command}", folder)
        assert code == 0, output


class Understood(Exception):
    pass


@pytest.mark.parametrize("command", sorted(set(SHOWN)))
def test_each_command_that_is_shown_exists_with_its_options(monkeypatch, command):
    words = shlex.split(re.sub(r"^(?:[A-Z_]+=\S+ )+", "", command), comments=True)
    if words[0] == "make":
        target = rf"^{re.escape(words[1])}:"
        assert re.search(target, (following.ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    elif words[0] == "python":
        assert words[1] == "-m" and importlib.util.find_spec(words[2])
    else:
        parse = argparse.ArgumentParser.parse_args

        def understood(self, *args):
            raise Understood(parse(self, *args))

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", understood)
        with pytest.raises(Understood):
            cli.main(words[1:])


def test_each_path_that_is_named_is_there(followed):
    folder, _ = followed
    named = set(re.findall(r"`([\w.-]+/[\w./-]*)`", TEXT))
    assert len(named) > 20
    for path in named - {".venv/bin/medtutor", ".venv/bin/python"}:
        assert (folder / path).exists() or (following.ROOT / path).exists(), path


def test_the_rules_for_tolerances_are_those_of_the_lint():
    assert (lint.SPREADS, str(lint.WIDEST), str(lint.FINE)) == (3, "0.05", "0.001")
    for words in (
        "at least three times the spread",
        "at most 5 % of the value, or 0.001",
        "has at most 0.001",
    ):
        assert words in TEXT


def test_the_readme_leads_here():
    assert "](CONTRIBUTING.md)" in (following.ROOT / "README.md").read_text(encoding="utf-8")
