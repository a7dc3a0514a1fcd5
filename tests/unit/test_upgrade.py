"""The report on an upgrade: what moved, by how much of its tolerance, and what reads otherwise."""

import sys
from math import inf

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from medtutor.course import upgrade
from medtutor.guide import Difference


def cell(*lines, name="evaluate", **metadata):
    output = new_output("stream", name="stdout", text="\n".join(lines) + "\n")
    return new_code_cell("…", id=name, outputs=[output], metadata=metadata)


def chapter(*lines, **metadata):
    return new_notebook(cells=[cell(*lines, **metadata)])


def test_a_number_that_moved_is_told_with_its_share_of_the_tolerance():
    found = upgrade.compared("02", chapter("AUROC 0.950 ± 0.020"), chapter("AUROC 0.935 ± 0.020"))
    assert found.numbers == 1 and found.good
    assert [(each.name, each.share) for each in found.moved] == [("evaluate: AUROC", 0.75)]
    assert str(found.moved[0]) == "evaluate: AUROC: 0.950 -> 0.935, 0.75 of ± 0.020"


def test_a_number_beyond_its_tolerance_is_no_other_wording():
    found = upgrade.compared("02", chapter("AUROC 0.950 ± 0.020"), chapter("AUROC 0.900 ± 0.020"))
    assert [each.share for each in found.beyond] == [2.5] and not found.good
    assert found.words == ()


def test_a_bound_that_is_missed_reads_otherwise():
    stored, fresh = (
        chapter("Dice 0.90 ± 0.05 at least 0.88: yes"),
        chapter("Dice 0.87 ± 0.05 at least 0.88: NO"),
    )
    found = upgrade.compared("03", stored, fresh)
    assert found.words == ("evaluate",) and not found.beyond


def test_another_word_an_absent_cell_and_another_kind_of_output_read_otherwise():
    stored = new_notebook(cells=[cell("weights 10", name="a"), cell("x", name="b"), cell("y", name="c")])
    fresh = new_notebook(cells=[cell("weights 11", name="a"), new_code_cell("…", id="b")])
    assert upgrade.compared("02", stored, fresh).words == ("a", "b", "c")


def test_what_is_printed_may_come_in_pieces():
    stored, fresh = (chapter("cases 12", "Dice 0.80 ± 0.10") for _ in range(2))
    pieces = ("cases ", "12\n", "Dice 0.85 ± 0.10\n")
    fresh.cells[0].outputs = [new_output("stream", name="stdout", text=piece) for piece in pieces]
    found = upgrade.compared("02", stored, fresh)
    assert found.good and found.words == () and len(found.moved) == 1
    fresh.cells[0].outputs[1].text = "13\n"
    assert upgrade.compared("02", stored, fresh).words == ("evaluate",)


def test_unchecked_cells_are_left_out():
    stored, fresh = (chapter(f"took {t} s", f"{t}.0 ± 1", tags=["nbval-ignore-output"]) for t in (3, 9))
    assert upgrade.compared("02", stored, fresh) == upgrade.Chapter("02", 0)


def test_a_table_may_move_by_what_its_cell_allows():
    rule = {"nbval": {"rtol": 0.05}}
    near, far = (
        upgrade.compared("02", chapter("Dice 0.80", **rule), chapter(f"Dice {x}", **rule))
        for x in (0.82, 0.9)
    )
    assert near.words == () and far.words == ("evaluate",)


def test_a_number_that_is_gone_or_not_finite_is_beyond_any_tolerance():
    gone = upgrade.compared("02", chapter("AUROC 0.9 ± 0.1"), chapter("AUROC"))
    assert gone.moved[0].share == inf and "0.9 before, not stated now" in str(gone.moved[0])
    broken = upgrade.compared("02", chapter("AUROC 0.9 ± 0.1"), chapter("AUROC nan ± 0.1"))
    assert broken.moved[0].share == inf


def test_the_farthest_stand_first_and_the_rest_is_counted():
    stored = chapter(*(f"n{i} {i}.0 ± 1" for i in range(5)))
    fresh = chapter(*(f"n{i} {i}.{i} ± 1" for i in range(5)))
    found = upgrade.compared("02", stored, fresh)
    assert [each.share for each in found.moved] == [0.4, 0.3, 0.2, 0.1]
    text = upgrade.report([found], [Difference("keras", "3.16.0", "3.15.1")], most=3)
    assert "keras 3.15.1 -> 3.16.0" in text
    assert "4 of 5 numbers moved, 0 beyond" in text and "and 1 that moved less" in text


def test_versions_are_compared_with_the_lock(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("keras==3.15.1 \\\n    --hash=sha256:0\nnumpy==2.4.6 \\\n    --hash=sha256:0\n")
    assert upgrade.changes({"keras": "3.16.0", "numpy": "2.4.6", "extra": "1"}, lock) == [
        Difference("keras", "3.16.0", "3.15.1")
    ]


@pytest.fixture
def planted(tmp_path):
    """A stored notebook, and what to run it with in place of an environment that uv made."""
    path = tmp_path / "01_tiny.ipynb"
    stored = new_notebook(cells=[cell("Dice 0.80 ± 0.10", name="dice")])
    stored.cells[0].source = "print('Dice 0.85 ± 0.10')"
    nbformat.write(stored, path)
    return path, lambda folder, python, extra: (folder.mkdir(), sys.executable)[1]


def test_a_notebook_is_run_by_the_other_python_and_stays_as_it_was(planted, tmp_path, capsys):
    path, make = planted
    before = path.read_bytes()
    (found,) = upgrade.upgrade([path], folder=tmp_path / "new", make=make)
    assert found.good and found.moved[0].share == pytest.approx(0.5)
    assert path.read_bytes() == before
    assert "01_tiny: 1 of 1 numbers moved, 0 beyond" in capsys.readouterr().out


def test_a_number_that_is_printed_in_pieces_is_found(planted, tmp_path):
    path, make = planted
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "import time\nfor each in 'Dice 0.8', '5 ± 0.10':\n"
    notebook.cells[0].source += "    print(each, end='', flush=True)\n    time.sleep(0.5)"
    nbformat.write(notebook, path)
    (found,) = upgrade.upgrade([path], folder=tmp_path / "new", make=make)
    assert found.good and [each.share for each in found.moved] == [pytest.approx(0.5)]


def test_a_chapter_that_does_not_run_is_told_with_its_error(planted, tmp_path, capsys):
    path, make = planted
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "import a_package_that_is_gone"
    nbformat.write(notebook, path)
    (found,) = upgrade.upgrade([path], folder=tmp_path / "new", make=make)
    assert not found.good
    said = capsys.readouterr().out
    assert "01_tiny: does not run" in said and "a_package_that_is_gone" in said


def test_what_uv_says_is_passed_on(tmp_path):
    with pytest.raises(RuntimeError, match="uv venv"):
        upgrade.make(tmp_path / "new", python="2.1")
