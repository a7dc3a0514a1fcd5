"""Recording how far numbers move: extremes counted by hand, and when a run may stand beside another."""

import json

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
        "as is": {"test Dice": "0.874", "loss": "-9.50"},
        "AVX2": {"test Dice": "0.881", "loss": "-9.50"},
        "one thread": {"test Dice": "0.870", "loss": "-10.25"},
    }
    found = spread.spreads(runs, {"test Dice": "0.875", "loss": "-9.50"})
    assert found["test Dice"] == {
        "lowest": "0.870",
        "highest": "0.881",
        "spread": "0.011",
        "values": ["0.874", "0.881", "0.870"],
        "stored": "0.875",
    }
    loss = found["loss"]
    assert (loss["lowest"], loss["highest"], loss["spread"]) == ("-10.25", "-9.50", "0.75")


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


def test_stated_numbers_are_written_out_without_commas(tmp_path):
    nbformat.write(run("loss 1,201.50 ± 2"), tmp_path / "01_planted.ipynb")
    assert spread.stated(tmp_path / "01_planted.ipynb") == {"evaluate: loss": "1201.50"}


def test_record_is_json_with_a_line_for_each_result_and_no_machine_name():
    numbers = {"größte Breite": "1.0", "b": "2.0"}
    found = spread.spreads({"as is": numbers}, numbers)
    text = spread.as_json(found, {"as is": {}})
    assert json.loads(text) == {"machine": spread.machine(), "settings": ["as is"], "results": found}
    assert sum("spread" in line for line in text.splitlines()) == 2
    assert "größte" in text and text == spread.as_json(found, {"as is": {}})
    assert spread.machine().split(" cores, ")[0].isdigit()


STORED = {"train: x": "1.0", "test: y": "0.50"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "01_planted.ipynb"


def kept_file(path):
    return json.loads((path.parent / "spread" / f"{path.stem}.json").read_text(encoding="utf-8"))


def values(path, name="train: x"):
    """What the record says of a result, {setting: text}."""
    record = kept_file(path)
    return dict(zip(record["settings"], record["results"][name]["values"], strict=True))


def with_x(text):
    return {**STORED, "train: x": text}


def test_a_setting_stands_beside_the_others_in_the_order_of_the_table(path):
    for setting, text in (("read-only", "1.3"), ("as is", "1.0"), ("AVX2", "1.2")):
        said = spread.keep(path, STORED, setting, with_x(text), order=["as is", "AVX2", "read-only"])
    assert said == "recorded, with it 3 of 3 settings"
    assert list(values(path).items()) == [("as is", "1.0"), ("AVX2", "1.2"), ("read-only", "1.3")]
    assert kept_file(path)["results"]["train: x"]["spread"] == "0.3"
    assert set(values(path, "test: y").values()) == {"0.50"}


def test_a_setting_that_is_run_again_replaces_its_numbers(path):
    for setting, text in (("as is", "1.0"), ("AVX2", "1.4"), ("AVX2", "1.1")):
        spread.keep(path, STORED, setting, with_x(text))
    assert values(path) == {"as is": "1.0", "AVX2": "1.1"}


@pytest.mark.parametrize(
    "now",
    [with_x("1.1"), {"train: x": "1.0"}, {**STORED, "z": "1"}, {"train: z": "1.0", "test: y": "0.50"}],
    ids=["another number", "one fewer", "one more", "another name"],
)
def test_the_record_of_an_older_notebook_is_begun_anew_and_says_so(path, now):
    for setting in ("as is", "AVX2"):
        spread.keep(path, STORED, setting, STORED)
    said = spread.keep(path, now, "one thread", now)
    assert "begun anew, for the record is of a notebook with other numbers" in said
    assert kept_file(path)["settings"] == ["one thread"]
    assert {name: each["stored"] for name, each in kept_file(path)["results"].items()} == now


def test_as_is_may_give_other_numbers_than_are_stored_and_the_others_stay(path):
    """As it does on a processor unlike that of the build."""
    spread.keep(path, STORED, "AVX2", with_x("1.2"))
    spread.keep(path, STORED, "as is", with_x("1.05"))
    spread.keep(path, STORED, "one thread", with_x("1.1"))
    assert values(path) == {"as is": "1.05", "AVX2": "1.2", "one thread": "1.1"}


@pytest.mark.parametrize("before, kept", [("1.0", ["as is", "AVX2", "one thread"]), ("1.1", ["one thread"])])
def test_a_record_that_does_not_say_what_was_stored_says_it_by_its_as_is(path, before, kept):
    for setting in ("as is", "AVX2"):
        spread.keep(path, with_x(before), setting, with_x(before))
    older = kept_file(path)
    for each in older["results"].values():
        del each["stored"]
    (path.parent / "spread" / "01_planted.json").write_text(json.dumps(older), encoding="utf-8")
    spread.keep(path, STORED, "one thread", STORED)
    assert kept_file(path)["settings"] == kept


def test_numbers_of_two_machines_are_not_mixed(path, monkeypatch):
    monkeypatch.setattr(spread, "machine", lambda: "96 cores, aarch64")
    spread.keep(path, STORED, "as is", STORED)
    monkeypatch.undo()
    said = spread.keep(path, STORED, "AVX2", STORED)
    assert "begun anew, for the record is of a machine with 96 cores, aarch64" in said
    assert kept_file(path)["settings"] == ["AVX2"] and kept_file(path)["machine"] == spread.machine()


@pytest.mark.parametrize(
    "numbers, broken, reason",
    [
        ({"train: x": "1.0"}, [], "'test: y' was not stated"),
        ({}, [], "'train: x' was not stated"),
        ({**STORED, "test: z": "1"}, [], "'test: z' is not in the stored notebook"),
        (with_x("NaN"), [], "'train: x' is NaN; mend the cell first"),
        (with_x("-Infinity"), [], "'train: x' is -Infinity; mend the cell first"),
        (STORED, ["plot"], "cell 'plot' did not come to its end"),
    ],
    ids=["one missing", "none", "one more", "NaN", "infinite", "broken"],
)
def test_a_setting_that_broke_something_leaves_the_record_as_it_was(path, numbers, broken, reason):
    spread.keep(path, STORED, "as is", STORED)
    before = kept_file(path)
    assert spread.keep(path, STORED, "AVX2", numbers, broken) == f"not recorded: {reason}"
    assert kept_file(path) == before


def test_a_notebook_that_states_no_number_gets_no_record(path):
    assert spread.keep(path, {}, "as is", {}) == "states no number"
    assert list(path.parent.iterdir()) == []
