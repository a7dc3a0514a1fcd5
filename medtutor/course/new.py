"""The skeleton of a chapter, which builds and passes the lint as it is: `medtutor new chapter 13 sepsis`.

It makes notebooks/source/13_sepsis.py, medtutor/exercises/sepsis.py, tests/unit/test_exercises_sepsis.py,
tests/faults/13_sepsis.toml and an entry in notebooks/chapters.toml. The texts stand in skeleton/; in them
<slug>, <number>, <title>, <question> and <needs> are filled in, and what an author writes anew says REPLACE.
"""

import json
import keyword
import re
import sys
import tomllib
from pathlib import Path

from medtutor import exercises
from medtutor.course.build import ROOT, BuildError, shown

SKELETON = Path(__file__).parent / "skeleton"
SLUG = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
LONGEST = 30  # letters of a slug
ENTRY = """[[chapter]]
number = {number}
slug = "{slug}"
title = {title}
question = {question}
needs = []
data = "a real CT"
ready = false
"""


def files(number, slug, root=ROOT):
    """{path: name of its text in skeleton/} of what a new chapter consists of, its map entry aside."""
    name, root = f"{number:02}_{slug}", Path(root)
    return {
        root / "notebooks" / "source" / f"{name}.py": "chapter.txt",
        root / "medtutor" / "exercises" / f"{slug}.py": "exercises.txt",
        root / "tests" / "unit" / f"test_exercises_{slug}.py": "test_exercises.txt",
        root / "tests" / "faults" / f"{name}.toml": "faults.txt",
    }


def new_chapter(number, slug, title=None, question=None, root=ROOT):
    """Make the skeleton of a chapter; returns the paths of the files it made or added to.

    number, slug     as in 13_sepsis; both free, or those of a chapter that chapters.toml plans
    title, question  default: the slug in words, "What does it measure?"; a planned chapter has its own
    Raises BuildError, and writes nothing, for a number or slug that is taken or no name, or where a file is.
    """
    root = Path(root)
    table = root / "notebooks" / "chapters.toml"
    rows = _rows(table)
    _check_name(number, slug, rows)
    planned = next((row for row in rows if row["number"] == number), None)
    if planned and (title or question):
        raise BuildError(f"{shown(table)} has chapter {number}'s title and question; change them there")
    row = planned or {
        "number": number,
        "slug": slug,
        "title": _line(title) or slug.replace("_", " ").capitalize(),
        "question": _line(question) or "What does it measure?",
        "needs": [],
    }
    made = files(number, slug, root)
    _check_place(number, slug, made, root)
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            file.write(_filled(text, row))
    if not planned:
        _write(table, _with_entry(table.read_text(encoding="utf-8"), row))
    return [*made, *([] if planned else [table])]


def _rows(table):
    try:
        return tomllib.loads(table.read_text(encoding="utf-8")).get("chapter", [])
    except FileNotFoundError:
        raise BuildError(f"there is no {shown(table)}, the map that a chapter is entered in") from None
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{shown(table)} is not TOML: {error}") from None


def _check_name(number, slug, rows):
    if not 1 <= number <= 99:
        raise BuildError(f"number is {number}; use 1 to 99, for file names have two digits")
    if not SLUG.fullmatch(slug) or keyword.iskeyword(slug) or len(slug) > LONGEST:
        raise BuildError(
            f"slug is {slug!r}; use at most {LONGEST} small letters, digits and single underscores, a letter "
            "first, and no word of Python: it becomes the name of a module, e.g. heart_sounds"
        )
    if slug in exercises.__all__:
        raise BuildError(f"slug is {slug!r}, a name that medtutor.exercises has already; use another word")
    for row in rows:
        if (row["number"] == number) != (row["slug"] == slug):
            free = max(each["number"] for each in rows) + 1
            raise BuildError(
                f"{number} {slug} is asked for, and on the map stands {row['number']} {row['slug']}; "
                f"choose a number and a slug that are free, e.g. number {free}"
            )


def _check_place(number, slug, made, root):
    there = [path for path in made if path.exists()]
    for folder, ending in (("notebooks/source", ".py"), ("notebooks", ".ipynb"), ("tests/faults", ".toml")):
        there += [
            path
            for pattern in (f"{number:02}_*{ending}", f"[0-9][0-9]_{slug}{ending}")
            for path in (root / folder).glob(pattern)
        ]
    if there:
        listed = ", ".join(sorted({shown(path) for path in there}))
        raise BuildError(f"nothing is written, for some of it is there already: {listed}")


def _line(text):
    """A text in one line, "" for None."""
    return " ".join((text or "").split())


def _filled(text, row):
    needs = row["needs"]
    chapters = f"chapter{'s' * (len(needs) > 1)} {' and '.join(map(str, needs))}" if needs else ""
    words = {
        "slug": row["slug"],
        "number": str(row["number"]),
        "title": row["title"],
        "question": row["question"][:1].lower() + row["question"][1:],
        "needs": chapters or "Python with a little numpy",
    }
    return re.sub(
        r"<(slug|number|title|question|needs)>",
        lambda found: words[found[1]],
        (SKELETON / text).read_text(encoding="utf-8"),
    )


def _with_entry(text, row):
    """The map with one more entry, in the order of numbers, and the rest as it was."""
    entry = ENTRY.format(
        number=row["number"],
        slug=row["slug"],
        title=json.dumps(row["title"], ensure_ascii=False),
        question=json.dumps(row["question"], ensure_ascii=False),
    )
    for found in re.finditer(r"^\[\[chapter\]\]\n(?:(?!\[\[).*\n)*?number *= *(\d+)", text, re.MULTILINE):
        if int(found[1]) > row["number"]:
            return f"{text[: found.start()]}{entry}\n{text[found.start() :]}"
    return f"{text.rstrip()}\n\n{entry}" if text.strip() else entry


def _write(path, text):
    path.write_text(text, encoding="utf-8", newline="\n")


def run_new(number, slug, title=None, question=None, root=ROOT, out=None):
    """`medtutor new chapter`: make the skeleton, say what was made and what to do next; returns 0."""
    out = out or sys.stdout
    made = new_chapter(number, slug, title, question, root)
    source = shown(next(iter(made)))
    print("made:", *(f"  {shown(path)}" for path in made), sep="\n", file=out)
    print(
        f"""
It builds and passes the lint as it is. Now, with CONTRIBUTING.md beside you:
  write what says REPLACE in {source}, and exercises, tests and faults with it
  medtutor build {number}                 run it and store the notebook; again after each change
  medtutor lint {number}                  what the house asks of a chapter
  medtutor portability {number} --write   once it states a number with ±
  medtutor time {number}                  measure it
When it is done: two lesson plans in notebooks/plans.toml, ready = true in notebooks/chapters.toml, then
  medtutor build 0, make readme, make test""",
        file=out,
    )
    return 0
