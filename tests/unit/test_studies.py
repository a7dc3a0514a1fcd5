"""Long experiments: run in parts, kept whole, read by chapters, and found stale when their code changes."""

import itertools
import json
import os
import platform
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from medtutor import data
from medtutor.course import cli, study
from medtutor.course import data as shipped
from medtutor.course.build import BuildError
from medtutor.course.validate import kernel_environment
from medtutor.data.studies import packed, unpacked

TOY = '''
"""Squares of three numbers.

More words.
"""

from pathlib import Path

from medtutor.toy import numbers

USES = ["medtutor.toy.numbers.square", "medtutor.toy.numbers.VERSION"]
LOG = Path(__file__).parents[1] / "log"


def run(study):
    squares = study.each(part, [1, 2, 3])
    return {"squares": squares, "curves": [[1.0, 2.5], [3.0, 4.0]], "unit": "mm",
            "best": {"of 3": max(squares)}}


def part(number):
    with open(LOG, "a") as log:
        log.write(f"{number} ")
    if (LOG.parent / f"stop{number}").exists():
        raise KeyboardInterrupt
    return numbers.square(number)
'''
NUMBERS = '''
"""Numbers."""

VERSION = 1


def square(x):
    """The square."""
    return power(x, 2)


def power(x, n):
    return x**n


def unrelated(x):
    return x
'''


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout with one study, 02_toy, and a module that it uses; an empty cache beside it."""
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "cache"))
    for name, value in kernel_environment().items():  # a study sets some of them; they end with the test
        monkeypatch.setenv(name, value)
    root = tmp_path / "checkout"
    for folder in ("studies", "data", "medtutor/toy"):
        (root / folder).mkdir(parents=True)
    (root / "medtutor" / "toy" / "__init__.py").write_text("")
    (root / "medtutor" / "toy" / "numbers.py").write_text(NUMBERS)
    (root / "studies" / "02_toy.py").write_text(TOY.lstrip())
    monkeypatch.setattr("medtutor.__path__", [str(root / "medtutor"), *sys.modules["medtutor"].__path__])
    yield root
    for name in [name for name in sys.modules if name.startswith("medtutor.toy")]:
        del sys.modules[name]


def runs(root):
    """The parts that were run, in order, "1 2 3"."""
    return (root / "log").read_text().strip() if (root / "log").exists() else ""


def edit(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


# What is in the checkout


def test_no_stored_study_is_stale_or_without_its_script():
    assert study.faults() == []


# Running


def test_a_study_is_run_kept_and_read(root, capsys):
    assert study.main(["02_toy"], root) == 0
    assert "kept in" in capsys.readouterr().out and runs(root) == "1 2 3"
    found = data.stored_study("02_toy", root / "data" / "studies")
    assert found["squares"].tolist() == [1, 4, 9] and found["unit"] == "mm" and found["best"]["of 3"] == 9
    assert found["curves"].shape == (2, 2) and found["curves"].dtype == np.float64
    assert study.faults(root) == []


def test_the_file_says_how_it_was_made_and_not_where(root, tmp_path):
    study.main(["toy"], root)
    text = (root / "data" / "studies" / "02_toy.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["what"] == "Squares of three numbers."
    made = content["made"]
    assert made["command"] == "medtutor study 02_toy" and 0 <= made["seconds"] < 60
    assert made["machine"].startswith(f"{os.cpu_count()} cores, ")
    assert made["versions"]["numpy"] == np.__version__ and {"python", "keras"} <= set(made["versions"])
    names = {"studies/02_toy.py", "medtutor.toy.numbers.square", "medtutor.toy.numbers.VERSION"}
    assert set(content["sources"]) == names and {len(each) for each in content["sources"].values()} == {64}
    assert str(tmp_path) not in text and (platform.node() or str(tmp_path)) not in text


def test_the_manifest_lists_the_result_and_leaves_other_entries_alone(root):
    (root / "data" / "other.bin").write_bytes(b"one")
    shipped.write(root)
    (root / "data" / "other.bin").write_bytes(b"changed by mistake")
    study.main(["02_toy"], root)
    entry = shipped.read(root)["studies/02_toy.json"]
    assert entry["command"] == "medtutor study 02_toy" and entry["origin"] == "measured by studies/02_toy.py"
    assert not [fault for fault in shipped.faults(root) if "02_toy" in fault]
    assert [
        fault for fault in shipped.faults(root) if "other.bin: bytes is 18; manifest.toml says 3" in fault
    ]
    edit(root / "data" / "studies" / "02_toy.json", '"mm"', '"cm"')
    assert [fault for fault in shipped.faults(root) if "studies/02_toy.json: sha256" in fault]


def test_an_interrupted_study_goes_on_where_it_stopped(root, capsys):
    (root / "stop3").touch()
    assert study.main(["02_toy"], root) == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert not (root / "data" / "studies").exists()
    (root / "stop3").unlink()
    assert study.main(["02_toy"], root) == 0
    assert runs(root) == "1 2 3 3" and "2 of 3 parts were finished before" in capsys.readouterr().out
    assert data.stored_study("02_toy", root / "data" / "studies")["squares"].tolist() == [1, 4, 9]


def test_a_killed_study_keeps_its_finished_parts_and_no_half_a_file(root):
    edit(root / "studies" / "02_toy.py", "raise KeyboardInterrupt", "import time; time.sleep(60)")
    (root / "stop2").touch()
    code = "import sys, medtutor; from pathlib import Path; from medtutor.course import study\n"
    code += "root = Path(sys.argv[1]); medtutor.__path__.insert(0, str(root / 'medtutor'))\n"
    code += "sys.exit(study.main(['02_toy'], root))"
    process = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while runs(root) != "1 2" and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    process.wait()
    (root / "stop2").unlink()
    assert study.main(["02_toy"], root) == 0
    assert runs(root) == "1 2 2 3"


def test_seconds_are_those_of_all_parts_whenever_they_ran(root):
    (root / "stop3").touch()
    study.main(["02_toy"], root)
    (root / "stop3").unlink()
    for path in (root.parent / "cache" / "studies" / "02_toy").glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": 1000}))
    study.main(["02_toy"], root)
    made = data.stored_study("02_toy", root / "data" / "studies").made
    assert 2000 <= made["seconds"] < 2060


def test_seconds_count_what_is_done_between_parts_too(root, monkeypatch):
    clock = itertools.count(0, 100)  # moves by 100 s whenever somebody looks: first, twice a part, at the end
    monkeypatch.setattr(study.time, "perf_counter", lambda: next(clock))
    study.main(["02_toy"], root)
    assert data.stored_study("02_toy", root / "data" / "studies").made["seconds"] == 700


def test_again_runs_the_parts_anew(root):
    study.main(["02_toy"], root)
    study.main(["02_toy"], root)
    assert runs(root) == "1 2 3"
    study.main(["02_toy", "--again"], root)
    assert runs(root) == "1 2 3 1 2 3"


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"value": 1}'])
def test_a_damaged_part_is_run_again(root, damage):
    study.main(["02_toy"], root)
    path = next((root.parent / "cache" / "studies" / "02_toy").glob("*.json"))
    path.write_text(damage)
    study.main(["02_toy"], root)
    assert len(runs(root).split()) == 4 and study.faults(root) == []


def test_parts_are_run_anew_when_their_code_changes_and_kept_when_only_the_summary_does(root):
    study.main(["02_toy"], root)
    edit(root / "studies" / "02_toy.py", '"unit": "mm"', '"unit": "cm"')
    study.main(["02_toy"], root)
    assert runs(root) == "1 2 3"
    assert data.stored_study("02_toy", root / "data" / "studies")["unit"] == "cm"
    edit(root / "medtutor" / "toy" / "numbers.py", "VERSION = 1", "VERSION = 2")
    study.main(["02_toy"], root)
    assert runs(root) == "1 2 3 1 2 3"


def test_parts_of_other_versions_are_not_mixed_in(root, monkeypatch):
    study.main(["02_toy"], root)
    monkeypatch.setattr(study, "versions", lambda: {"python": "3.13.9", "keras": "4.0.0"})
    study.main(["02_toy"], root)
    assert runs(root) == "1 2 3 1 2 3"


def test_an_item_that_is_a_tuple_is_unpacked(root):
    path = root / "studies" / "02_toy.py"
    edit(path, "study.each(part, [1, 2, 3])", 'study.each(two, [(2, "a"), (3, "b")])')
    path.write_text(path.read_text() + "\n\ndef two(number, word):\n    return [number, word]\n")
    edit(path, "max(squares)", "9")
    study.main(["02_toy"], root)
    assert data.stored_study("02_toy", root / "data" / "studies")["squares"] == ((2, "a"), (3, "b"))


def test_a_write_that_fails_leaves_the_old_file_whole(root, monkeypatch):
    study.main(["02_toy"], root)
    path = root / "data" / "studies" / "02_toy.json"
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        study.write(path, "half")
    assert path.read_bytes() == before and [each.name for each in path.parent.iterdir()] == ["02_toy.json"]


def test_a_script_that_is_edited_under_way_keeps_what_the_old_one_said(root):
    path = root / "studies" / "02_toy.py"
    script = study.read_script(path)
    edit(path, "return numbers.square(number)", "return 0")
    study.measure(script, root)
    assert data.stored_study("02_toy", root / "data" / "studies")["squares"].tolist() == [1, 4, 9]
    assert "02_toy is stale: studies/02_toy.py" in study.faults(root)[0]
    study.main(["02_toy"], root)
    assert runs(root) == "1 2 3 1 2 3"  # nothing of the old script was taken for the new one's
    assert data.stored_study("02_toy", root / "data" / "studies")["squares"].tolist() == [0, 0, 0]


def test_without_names_only_what_is_stale_is_run(root, capsys):
    assert study.main([], root) == 0 and runs(root) == "1 2 3"
    capsys.readouterr()
    assert study.main([], root) == 0 and "no study is stale" in capsys.readouterr().out
    (root / "studies" / "03_other.py").write_text(TOY.lstrip().replace("squares of", "cubes of"))
    study.main([], root)
    assert runs(root) == "1 2 3 1 2 3" and study.faults(root) == []


# Stale


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("studies/02_toy.py", "[1, 2, 3]", "[1, 2, 4]", "studies/02_toy.py reads otherwise"),
        (
            "medtutor/toy/numbers.py",
            "power(x, 2)",
            "power(x, 3)",
            "medtutor.toy.numbers.square reads otherwise",
        ),
        ("medtutor/toy/numbers.py", "x**n", "x**-n", "medtutor.toy.numbers.square reads otherwise"),
        (
            "medtutor/toy/numbers.py",
            "VERSION = 1",
            "VERSION = 2",
            "medtutor.toy.numbers.VERSION reads otherwise",
        ),
    ],
)
def test_a_result_is_stale_once_its_code_reads_otherwise(root, capsys, file, old, new, said):
    study.main(["02_toy"], root)
    assert study.main(["--check"], root) == 0
    edit(root / file, old, new)
    capsys.readouterr()
    assert study.main(["--check"], root) == 1
    out = capsys.readouterr().out
    assert said in out and "run  medtutor study 02_toy" in out and len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("studies/02_toy.py", "More words.", "Fewer."),
        ("studies/02_toy.py", "return numbers.square(number)", "return numbers.square(number)  # a remark"),
        ("medtutor/toy/numbers.py", '"""The square."""', '"""x times x."""'),
        (
            "medtutor/toy/numbers.py",
            "    return power(x, 2)",
            "    return power(\n        x,\n        2,\n    )",
        ),
        ("medtutor/toy/numbers.py", "def unrelated(x):\n    return x", "def unrelated(x):\n    return -x"),
    ],
)
def test_a_result_stays_good_where_only_words_layout_or_other_functions_change(root, file, old, new):
    study.main(["02_toy"], root)
    edit(root / file, old, new)
    assert study.faults(root) == []


def test_what_is_used_from_now_on_makes_a_result_stale(root):
    study.main(["02_toy"], root)
    edit(root / "studies" / "02_toy.py", '"medtutor.toy.numbers.VERSION"]', '"medtutor.toy.numbers.power"]')
    said = " ".join(study.faults(root))
    assert "numbers.power was not used" in said and "numbers.VERSION is not used any more" in said


def test_a_study_without_a_result_and_a_result_without_a_study_are_faults(root):
    assert study.faults(root) == ["02_toy has not been measured; run  medtutor study 02_toy"]
    study.main(["02_toy"], root)
    (root / "studies" / "02_toy.py").rename(root / "studies" / "02_renamed.py")
    measured, orphan = study.faults(root)
    assert "02_renamed has not been measured" in measured and "no script studies/02_toy.py" in orphan


@pytest.mark.parametrize("damage", ["", '{"what": "squares"', "{}", "[]", "null"])
def test_a_damaged_result_is_named_by_the_check_and_refused_by_the_reader(root, damage):
    study.main(["02_toy"], root)
    (root / "data" / "studies" / "02_toy.json").write_text(damage)
    assert len(study.faults(root)) == 1 and "02_toy cannot be read" in study.faults(root)[0]
    with pytest.raises(ValueError, match="02_toy.json is"):
        data.stored_study("02_toy", root / "data" / "studies")


def test_list_says_what_each_study_is_and_how_it_was_measured(root, capsys):
    assert study.main(["--list"], root) == 0
    assert "02_toy  Squares of three numbers.\n  has not been measured\n" == capsys.readouterr().out
    study.main(["02_toy"], root)
    capsys.readouterr()
    study.main(["--list", "2"], root)
    assert f"numpy {np.__version__}" in capsys.readouterr().out and runs(root) == "1 2 3"


# What an author or a user gets wrong


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"""Squares of three numbers.\n\nMore words.\n"""', "", "opens with what it measures"),
        ("def run(study):", "def go(study):", "no function run"),
        ("USES = [", "USED = [", "USES is missing"),
        (
            'USES = ["medtutor.toy.numbers.square", "medtutor.toy.numbers.VERSION"]',
            "USES = [1]",
            "no list of names",
        ),
        (
            'USES = ["medtutor.toy.numbers.square", "medtutor.toy.numbers.VERSION"]',
            "USES = []",
            "medtutor.toy is imported",
        ),
        ('"medtutor.toy.numbers.VERSION"', '"medtutor.toy.numbers.VERSOIN"', "VERSOIN"),
        ('"medtutor.toy.numbers.VERSION"', '"medtutor.tyo"', "no module 'medtutor.tyo'"),
        ("def part(number):", "def part(number:", "02_toy.py:20: not Python"),
    ],
)
def test_a_script_that_lacks_something_is_answered_in_a_sentence(root, capsys, old, new, said):
    edit(root / "studies" / "02_toy.py", old, new)
    for words in (["02_toy"], ["--check"], ["--list"]):
        if said in ("VERSOIN", "no module 'medtutor.tyo'") and words != ["02_toy"]:
            continue  # without a result nothing is compared yet
        assert study.main(words, root) == 1
        out, err = capsys.readouterr()
        assert said in err and "Traceback" not in err
    assert runs(root) == ""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"unit": "mm"', '"unit": float("nan")', r"values\['unit'\] is nan"),
        ('"of 3": max(squares)', "3: max(squares)", r"values\['best'\]: the key 3 is no text; write '3'"),
        ('"unit": "mm"', '"unit": {1, 2}', r"values\['unit'\] is a set"),
        ("return numbers.square(number)", "return float('inf')", r"part\(1\) is inf"),
        ("study.each(part, [1, 2, 3])", "study.each(lambda x: x, [1])", "function of the script's top level"),
        ('return {"squares"', 'return 0 and {"squares"', "run returns a dict of named values, not 0"),
    ],
)
def test_what_cannot_be_kept_is_refused(root, old, new, said):
    edit(root / "studies" / "02_toy.py", old, new)
    with pytest.raises(BuildError, match=said):
        study.measure(study.chosen(["02_toy"], root)[0], root)
    assert not (root / "data" / "studies").exists()


def test_arrays_and_numbers_of_numpy_are_kept_as_plain_ones():
    value = {"a": np.arange(3), "b": (np.float32(0.5), np.bool_(True)), "c": np.ones((2, 2)), "d": None}
    assert study.plain(value, "x") == {"a": [0, 1, 2], "b": [0.5, True], "c": [[1, 1], [1, 1]], "d": None}


def test_a_cache_that_cannot_be_written_is_named_before_anything_runs(root, capsys, monkeypatch):
    (root / "file").touch()
    monkeypatch.setenv("MEDTUTOR_CACHE", str(root / "file"))
    assert study.main(["02_toy"], root) == 1
    assert "MEDTUTOR_CACHE" in capsys.readouterr().err and runs(root) == ""


def test_data_that_are_not_here_are_named_with_what_to_do(root, capsys):
    new = 'raise __import__("medtutor.data").data.DataNotHere("train.tsv: download it by hand")'
    edit(root / "studies" / "02_toy.py", "return numbers.square(number)", new)
    assert study.main(["02_toy"], root) == 1
    said = "02_toy reads data that are not here.\ntrain.tsv: download it by hand\n"
    assert capsys.readouterr().err == said


def test_an_unknown_study_is_answered_with_those_there_are(root, capsys):
    assert study.main(["sedes"], root) == 1
    assert capsys.readouterr().err == "no study is called 'sedes'; there are: 02_toy\n"


def test_a_number_means_all_studies_of_its_chapter(root):
    (root / "studies" / "02_other.py").write_text(TOY.lstrip())
    (root / "studies" / "03_third.py").write_text(TOY.lstrip())
    assert [script.name for script in study.chosen(["2"], root)] == ["02_other", "02_toy"]
    assert len(study.chosen([], root)) == 3


def test_the_command_line_has_it(capsys):
    assert cli.main(["study", "--list"]) == 0


# The chapter's side


@pytest.fixture
def folder(root):
    study.main(["02_toy"], root)
    return root / "data" / "studies"


def test_a_wrong_name_is_answered_with_those_there_are(folder, tmp_path):
    with pytest.raises(
        ValueError, match=r"no stored study '02_toi'; did you mean '02_toy'\?; there are: 02_toy"
    ):
        data.stored_study("02_toi", folder)
    with pytest.raises(ValueError, match="there are: none, yet"):
        data.stored_study("02_toy", tmp_path)
    with pytest.raises(KeyError, match="has no value 'auroc'; it has squares, curves, unit, best"):
        data.stored_study("02_toy", folder)["auroc"]


def test_nothing_in_a_stored_study_can_be_changed(folder):
    found = data.stored_study("02_toy", folder)
    for change in (
        lambda: found["squares"].__setitem__(0, 5),
        lambda: found.values.__setitem__("squares", 5),
        lambda: found["best"].__setitem__("of 3", 5),
        lambda: setattr(found, "values", {}),
    ):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            change()


def test_a_stored_study_says_what_it_holds_and_how_it_was_measured(folder):
    found = data.stored_study("02_toy", folder)
    text, page = repr(found), found._repr_html_()
    assert text.splitlines()[0] == "Squares of three numbers."
    for word in (
        "1 4 9",
        "2 × 2 float64, 1 to 4",
        "mm",
        "by name: of 3",
        "medtutor study 02_toy",
        "cores",
        "numpy",
    ):
        assert word in text and word in page


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.4, "3 s"), (119, "119 s"), (600, "10 min"), (7300, "2.0 h")]
)
def test_a_duration_is_said_in_the_unit_that_suits_it(seconds, words):
    assert study.duration(seconds) == words


def test_packed_weights_come_back_in_their_shapes_as_16_bit_numbers():
    weights = [np.arange(6.0).reshape(2, 3) / 3, np.float64(7.5), np.array([1e-3, -2.0])]
    back = unpacked(packed(weights), weights)
    assert [w.shape for w in back] == [(2, 3), (), (2,)]
    for before, after in zip(weights, back, strict=True):
        assert np.array_equal(np.asarray(before).astype("float16"), after)


def test_packed_weights_of_another_model_are_refused():
    with pytest.raises(ValueError, match="6 stored numbers for a model of 5"):
        unpacked(packed([np.zeros(6)]), [np.zeros(5)])
