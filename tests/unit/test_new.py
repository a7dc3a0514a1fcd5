"""The skeleton of a chapter, made in a copy of the project: it builds, is linted, checked and refused."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from medtutor import guide
from medtutor.course import new
from medtutor.course.build import ROOT, BuildError

NEEDED = (
    "medtutor",
    "notebooks/chapters.toml",
    "notebooks/source/ruff.toml",
    "pyproject.toml",
    "tests/conftest.py",
    "tests/offline",
)


def python(copy, *words):
    """Exit code and output of this Python in the copy, which has the copy's package."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(copy), str(ROOT / "tests" / "offline")])},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of what a chapter needs, with the new chapter 13, built; what `new` and `build` said."""
    root = tmp_path_factory.mktemp("checkout")
    for name in NEEDED:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    words = "new chapter 13 heart_sounds --title".split()
    return root, [
        python(root, "-m", "medtutor", *words, "Heart <sounds>"),
        python(root, "-m", "medtutor", "build", "13"),
    ]


def test_it_says_what_it_made_and_what_to_do_next(copy):
    root, [(code, said), _] = copy
    made, then = said.split("\n\n")
    assert code == 0
    names = [line.strip() for line in made.splitlines()[1:]]
    assert len(names) == 5 and all((root / name).is_file() for name in names)
    for command in ("medtutor build 13", "medtutor lint 13", "medtutor time 13", "ready = true"):
        assert command in then
    assert "REPLACE" in (root / names[0]).read_text(encoding="utf-8")


def test_the_chapter_builds_and_passes_the_lint(copy):
    root, [_, (code, said)] = copy
    assert code == 0, said
    for command in ("lint", "build --check"):
        code, said = python(root, "-m", "medtutor", *command.split(), "13")
        assert code == 0, said


def test_nothing_is_left_to_fill_in_and_ruff_has_nothing_to_say(copy):
    root, _ = copy
    made = new.files(13, "heart_sounds", root)
    for path in made:
        assert not re.findall(r"<(?!sounds>)\w+>", path.read_text(encoding="utf-8"))
    sources = [str(path) for path in made if path.suffix == ".py"]
    code, said = python(root, "-m", "ruff", "check", "--no-cache", *sources)
    assert code == 0, said
    code, said = python(root, "-m", "ruff", "format", "--check", "--no-cache", "--force-exclude", *sources)
    assert code == 0, said


def test_the_student_finds_a_blank_and_the_instructor_a_check_that_says_right(copy):
    root, _ = copy
    stored = json.loads((root / "notebooks" / "13_heart_sounds.ipynb").read_text(encoding="utf-8"))
    (check,) = [cell for cell in stored["cells"] if cell["id"] == "check-share"]
    assert check["outputs"][0]["text"] == ["○ heart_sounds_share: not tried yet\n"]
    code, said = python(root, "-m", "medtutor", "instructor", "13", "--check")
    assert code == 0 and "1 of 1 checks say right" in said


def test_answers_get_their_replies(copy):
    root, _ = copy
    code, said = python(
        root,
        "-c",
        "from medtutor.exercises import check\n"
        "def heart_sounds_share(x, threshold): return (x < threshold).mean()\n"
        "check(heart_sounds_share)\n"
        "def heart_sounds_share(x, threshold): return (x < threshold).sum()\n"
        "check(heart_sounds_share)\n"
        "def heart_sounds_share(x, threshold): return (x <= threshold).mean()\n"
        "check(heart_sounds_share)\n",
    )
    right, count, equal = [line for line in said.splitlines() if line[:1] in "✓✗"]
    assert code == 0
    assert right.startswith("✓ heart_sounds_share: right.")
    assert count.startswith("✗ heart_sounds_share: This is a count")
    assert equal.startswith("✗ heart_sounds_share: Values that equal the threshold are counted")


def test_its_planted_fault_is_caught_by_its_test(copy):
    root, _ = copy
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    code, said = python(root, "-m", "medtutor", "faults", "--chapter", "13")
    assert code == 0 and "1 of 1 faults caught\n" in said, said


def test_the_map_has_one_more_entry_and_is_otherwise_as_it_was(copy):
    root, _ = copy
    before = (ROOT / "notebooks" / "chapters.toml").read_text(encoding="utf-8")
    after = (root / "notebooks" / "chapters.toml").read_text(encoding="utf-8")
    assert after.startswith(before.rstrip())
    assert tomllib.loads(after)["chapter"][-1]["title"] == "Heart <sounds>"
    assert tomllib.loads(after)["chapter"][:-1] == tomllib.loads(before)["chapter"]


def map_of(folder, *rows):
    """A checkout with nothing but a map; a row is (number, slug)."""
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "chapters.toml").write_text(
        "# The map.\n"
        + "".join(
            f'\n[[chapter]]\nnumber = {number}\nslug = "{slug}"\ntitle = "T{number}"\n'
            f'question = "Why {slug}?"\nneeds = []\ndata = "D"\nready = false\n'
            for number, slug in rows
        ),
        encoding="utf-8",
    )
    return folder


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "number, slug, said",
    [
        (1, "sepsis", "1 sepsis is asked for, and on the map stands 1 edges"),
        (3, "edges", "3 edges is asked for, and on the map stands 1 edges"),
        (0, "sepsis", "number is 0; use 1 to 99"),
        (100, "sepsis", "number is 100; use 1 to 99"),
        *[
            (3, slug, f"slug is {slug!r}; use at most 30 small letters")
            for slug in (
                "Sepsis",
                "sepsis-alarm",
                "3d",
                "",
                "_a",
                "a__b",
                "../a",
                "größe",
                "lambda",
                "a" * 31,
            )
        ],
        (3, "hint", "slug is 'hint', a name that medtutor.exercises has"),
    ],
)
def test_what_is_taken_or_no_name_is_refused_and_nothing_written(tmp_path, number, slug, said):
    root = map_of(tmp_path, (1, "edges"), (2, "shapes"))
    before = files(root)
    with pytest.raises(BuildError) as refused:
        new.new_chapter(number, slug, root=root)
    assert str(refused.value).startswith(said)
    assert files(root) == before


@pytest.mark.parametrize(
    "there",
    [
        "notebooks/source/03_sepsis.py",
        "notebooks/03_sepsis.ipynb",
        "notebooks/source/03_other.py",
        "notebooks/source/07_sepsis.py",
        "medtutor/exercises/sepsis.py",
        "tests/unit/test_exercises_sepsis.py",
        "tests/faults/03_sepsis.toml",
    ],
)
def test_a_file_that_is_there_is_named_and_left_as_it_is(tmp_path, there):
    root = map_of(tmp_path, (1, "edges"))
    (root / there).parent.mkdir(parents=True, exist_ok=True)
    (root / there).write_text("mine", encoding="utf-8")
    before = files(root)
    with pytest.raises(BuildError, match=there.replace(".", r"\.")):
        new.new_chapter(3, "sepsis", root=root)
    assert files(root) == before


def test_a_planned_chapter_keeps_the_title_and_question_of_the_map(tmp_path):
    root = map_of(tmp_path, (1, "edges"), (2, "shapes"))
    before = (root / "notebooks" / "chapters.toml").read_bytes()
    source, *_ = new.new_chapter(2, "shapes", root=root)
    assert "# # 2 · T2: why shapes?\n" in source.read_text(encoding="utf-8")
    assert (root / "notebooks" / "chapters.toml").read_bytes() == before
    with pytest.raises(BuildError, match="has chapter 1's title and question; change them there"):
        new.new_chapter(1, "edges", title="Another", root=root)


@pytest.mark.parametrize(
    "needs, said", [([], "Python with a little numpy"), ([1], "chapter 1"), ([1, 2], "chapters 1 and 2")]
)
def test_the_opening_says_which_chapters_it_needs(tmp_path, needs, said):
    root = map_of(tmp_path, (4, "shapes"))
    table = root / "notebooks" / "chapters.toml"
    table.write_text(table.read_text(encoding="utf-8").replace("needs = []", f"needs = {needs}"), "utf-8")
    source, *_ = new.new_chapter(4, "shapes", root=root)
    assert f"**You need** {said}. No network" in source.read_text(encoding="utf-8")


def test_an_entry_is_put_in_the_order_of_the_numbers(tmp_path):
    root = map_of(tmp_path, (1, "edges"), (4, "shapes"))
    for number, slug in ((9, "late"), (2, "early")):
        new.new_chapter(number, slug, 'A "title"', "  Why\nso? ", root)
    chapters = guide.chapters(root / "notebooks")
    assert [each.number for each in chapters] == [1, 2, 4, 9]
    assert (chapters[1].title, chapters[1].question) == ('A "title"', "Why so?")
    assert (root / "notebooks" / "chapters.toml").read_text(encoding="utf-8").startswith("# The map.\n\n[[ch")


def test_without_a_map_it_says_what_is_missing(tmp_path):
    with pytest.raises(BuildError, match=r"there is no .*chapters\.toml"):
        new.new_chapter(1, "edges", root=tmp_path)
