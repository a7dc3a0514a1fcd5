"""Recording how far numbers move: extremes counted by hand, and a notebook that reads a planted setting."""

import json
from decimal import Decimal

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from medtutor.course import spread


def run(*lines, name="evaluate", **metadata):
    """A run notebook with one cell that printed `lines`."""
    output = new_output("stream", name="stdout", text="\n".join(lines) + "\n")
    return new_notebook(cells=[new_code_cell("…", id=name, outputs=[output], metadata=metadata)])


def test_spread_is_highest_minus_lowest():
    runs = {
        "as is": spread.results(run("test Dice   0.874 ± 0.020", "loss 1.50 ± 0.05   at most 2: yes")),
        "AVX2": spread.results(run("test Dice   0.881 ± 0.020", "loss 1.50 ± 0.05   at most 2: yes")),
        "one thread": spread.results(run("test Dice   0.870 ± 0.020", "loss 1.50 ± 0.05   at most 2: yes")),
    }
    found = spread.spreads(runs)
    assert found["evaluate: test Dice"] == {
        "lowest": "0.870",
        "highest": "0.881",
        "spread": "0.011",
        "values": ["0.874", "0.881", "0.870"],
    }
    assert Decimal(found["evaluate: loss"]["spread"]) == 0


def test_result_that_only_some_settings_state_is_kept_with_a_gap():
    found = spread.spreads({"a": spread.results(run("x 1.0 ± 0.1")), "b": {}})
    assert found["evaluate: x"]["values"] == ["1.0", None]


def test_repeated_names_and_several_numbers_on_a_line_are_told_apart():
    found = spread.results(run("Dice 0.1 ± 0.1", "Dice 0.2 ± 0.1", "box 0.3 ± 0.1 and 0.4 ± 0.1"))
    assert list(found) == ["evaluate: Dice", "evaluate: Dice #2", "evaluate: box", "evaluate: box (2)"]
    assert [float(number.value) for number in found.values()] == [0.1, 0.2, 0.3, 0.4]


def test_page_beside_plain_text_is_counted_once():
    data = {"text/html": "<b>Dice</b> 0.5 ± 0.1", "text/plain": "Dice 0.5 ± 0.1"}
    cell = new_code_cell("…", id="frame", outputs=[new_output("display_data", data=data)])
    assert list(spread.results(new_notebook(cells=[cell]))) == ["frame: Dice"]


def test_unchecked_cells_are_left_out():
    assert spread.results(run("seconds 1.0 ± 0.5", tags=["nbval-ignore-output"])) == {}


def test_result_that_is_not_a_number_is_refused_with_its_setting():
    with pytest.raises(ValueError, match="'evaluate: loss' is NaN under 'AVX2'"):
        spread.spreads({"AVX2": spread.results(run("loss nan ± 0.1"))})


def test_record_is_json_with_a_line_for_each_result_and_no_machine_name():
    found = spread.spreads({"as is": spread.results(run("größte Breite 1.0 ± 0.1 mm", "b 2.0 ± 0.1"))})
    text = spread.as_json(found, {"as is": {}})
    assert json.loads(text) == {"machine": spread.machine(), "settings": ["as is"], "results": found}
    assert sum("spread" in line for line in text.splitlines()) == 2
    assert "größte" in text and text == spread.as_json(found, {"as is": {}})
    assert spread.machine().split(" cores, ")[0].isdigit()


SOURCE = "import os\nprint(f\"x {os.environ['PLANTED']}.0 ± 0.5\")"
PLANTED = {"as is": {"PLANTED": "1"}, "moved": {"PLANTED": "2"}}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    output = new_output("stream", name="stdout", text="x 1.0 ± 0.5\n")
    cell = new_code_cell(SOURCE, id="planted", outputs=[output], execution_count=1)
    nbformat.write(new_notebook(cells=[cell]), folder / "01_planted.ipynb")
    return folder / "01_planted.ipynb"


def test_settings_reach_the_kernel_and_are_recorded(planted):
    stored = planted.read_bytes()
    [file] = spread.record([planted], PLANTED)
    kept = json.loads(file.read_text(encoding="utf-8"))["results"]["planted: x"]
    assert file == planted.parent / "spread" / "01_planted.json"
    assert (kept["lowest"], kept["highest"], kept["spread"]) == ("1.0", "2.0", "1.0")
    assert planted.read_bytes() == stored
