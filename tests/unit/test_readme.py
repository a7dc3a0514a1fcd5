from pathlib import Path

import pytest

import medtutor
from medtutor import guide
from medtutor.course import bench, readme, shares

ROOT = Path(medtutor.__file__).parents[1]
ONE = guide.Chapter(1, "One", "Why?", (), "a scan", 38.2, 2, "01_one.ipynb", 57.4)
TWO = guide.Chapter(2, "Two", "How?", (1,), "notes", None, None, None)


def test_the_table_links_to_chapters_that_are_there():
    assert readme.table([ONE, TWO]).splitlines()[2:] == [
        "| [1 · One](notebooks/01_one.ipynb) | Why? | nothing | a scan | 38 s on 2 cores | 55 min |",
        "| 2 · Two | How? | 1 | notes | planned |  |",
    ]


def test_the_readme_holds_the_table_of_this_moment():
    """After a change to chapters.toml or measured.json: `make readme`."""
    (stored,) = readme.TABLE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert stored == readme.table(guide.chapters(ROOT / "notebooks"))


def test_the_readme_holds_what_the_benchmarks_measured():
    """After `make bench ARGS=--write`: `make readme`."""
    (stored,) = readme.BENCHMARKS.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert stored == bench.tables(bench.load())


def test_writing_the_tables_leaves_the_rest_alone(tmp_path, monkeypatch):
    text = (
        "# A\n<!-- chapters: written by `make readme` -->\nold\n<!-- end of chapters -->\nrest \\1\n"
        "<!-- benchmarks: written by `make readme` -->\nolder\n<!-- end of benchmarks -->\nmore\n"
        "<!-- faults: written by `make readme` -->\noldest\n<!-- end of faults -->\nlast\n"
    )
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(readme, "chapters", lambda folder: [ONE, TWO])
    monkeypatch.setattr(shares, "table", lambda root: "| 7 of 8 |")
    assert readme.main([], tmp_path) == 0
    wanted = text.replace("oldest", "| 7 of 8 |").replace("older", "Nothing was measured.")
    wanted = wanted.replace("old", readme.table([ONE, TWO]))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == wanted


@pytest.mark.parametrize(
    "place", ["", "<!-- chapters: written by `make readme` -->\nold\n<!-- end of chapters -->"]
)
def test_a_readme_without_a_place_for_all_tables_is_left_alone(tmp_path, monkeypatch, capsys, place):
    text = f"# A\n{place}\n"
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(readme, "chapters", lambda folder: [ONE])
    monkeypatch.setattr(shares, "table", lambda root: "")
    assert readme.main([], tmp_path) == 1
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == text
    assert "no lines that mark" in capsys.readouterr().err


def test_the_readme_names_files_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in (
        "requirements.lock",
        "environment.yml",
        "CITATION.cff",
        "LICENSE",
        "CONTRIBUTING.md",
    ):
        assert name in text and (ROOT / name).exists()
    assert "medtutor\\course\\prepare.py" in text and (ROOT / "medtutor" / "course" / "prepare.py").exists()
