"""The benchmarks' bookkeeping: rows, ratios, slopes, the file, the runner. Nothing is timed here."""

import importlib
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from medtutor.course import bench
from medtutor.course.bench import ROOT, Measured, Row, Slope

NEVER = Row("CNN, to AUROC 0.9", "64", "s", (9.0, math.inf), "PyTorch", (8.0, 9.0), at_least=1)


def of(*rows, slopes=()):
    return Measured("2 cores", {"numpy": "2.4"}, (0.5, 1.0), {"seeds": [0, 1], "way": "naïve"}, rows, slopes)


@pytest.fixture
def measuring(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.setitem(sys.modules, "triton", None)  # import_peers sets it for good
    yield importlib.import_module("_measuring")
    del sys.modules["_measuring"]


@pytest.fixture
def runner():
    spec = importlib.util.spec_from_file_location("benchmarks_main", ROOT / "benchmarks" / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Rows and slopes


def test_a_row_says_what_was_measured_and_whether_its_bound_is_kept():
    row = Row("CRF", "32 × 64", "ms", (1, 2, 3), "pytorch-crf", (4, 4, 12), (1, 2), "every tag", at_least=3)
    assert dict(zip(bench.HEAD, row.cells(), strict=True)) == {
        "what": "CRF",
        "size": "32 × 64",
        "medtutor": "2 ms (1.5 to 2.5)",
        "peer": "pytorch-crf, 4 ms (4 to 8)",
        "times as fast": "4 × (3 to 4)",
        "threads": "1 and 2",
        "same answer?": "every tag",
        "bound kept?": "at least 3 ×: yes",
    }


def test_a_ratio_is_taken_within_each_round_and_its_median_is_judged():
    row = Row("CRF", "", ours=(1, 2, 10), peer="p", theirs=(10, 2, 20), at_least=3)
    assert row.ratios == (10, 1, 2), "the ratio of the medians would be 5"
    assert row.kept is False and row.cells()[-1] == "at least 3 ×: NO"
    assert Row("CRF", "", ours=(1, 2, 10), peer="p", theirs=(10, 2, 20), at_least=2).kept is True


def test_a_bound_of_ours_alone_is_judged_by_the_median():
    assert Row("import", "", ours=(10, 31, 20), at_most=30).cells()[-1] == "at most 30 ms: yes"
    assert Row("import", "", ours=(10, 31, 40), at_most=30).cells()[-1] == "at most 30 ms: NO"


def test_a_training_that_never_got_there_misses_its_bound_and_has_no_ratio():
    assert NEVER.kept is False and NEVER.ratios == ()
    assert NEVER.cells()[2] == "1 of 2 never got there"


def test_without_a_bound_nothing_is_judged():
    row = Row("HD95", "", ours=(1,), peer="p", theirs=(2,))
    assert row.kept is None and row.cells()[-1] == ""


def test_an_absent_peer_is_not_measured(measuring, tmp_path):
    modules, missing = measuring.import_peers(str(tmp_path), "json", "no_such_peer")
    assert modules is None
    row = Row("HD95", "", ours=(1.0,), peer="MONAI", missing=missing, at_least=1)
    assert row.cells()[3] == "MONAI, not measured: No module named 'no_such_peer'"
    assert row.kept is None
    row = Row("U-Net", "", peer="MONAI", missing=missing)
    assert row.cells()[2:4] == ("not measured: No module named 'no_such_peer'", "MONAI")


def test_a_present_peer_is_imported_from_its_folder(measuring, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "only_a_peer.py").write_text("answer = 42\n", encoding="utf-8")
    (peer, ours), missing = measuring.import_peers(str(tmp_path), "only_a_peer", "json")
    assert peer.answer == 42 and ours is json and missing == ""


def test_times_that_were_not_taken_in_the_same_rounds_are_refused():
    with pytest.raises(ValueError, match="2 times of ours and 1 of the peer's"):
        Row("CRF", "", ours=(1, 2), peer="p", theirs=(3,))


def test_the_slope_of_a_power_is_its_exponent():
    sizes = (2, 3, 7, 20)
    slope = Slope("CRF", "tags", sizes, tuple((0.5 * n**1.7, 0.5 * n**1.7, 1e9) for n in sizes))
    assert slope.slope == pytest.approx(1.7)
    assert slope.cells()[:2] == ("CRF", "tags") and slope.cells()[2].startswith("2: 1.62 ms, 3: 3.24 ms,")


# Taking turns


def test_times_are_taken_in_turns_of_order_after_a_first_call_of_each(measuring):
    calls = []
    runs = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    times = measuring.alternate(runs, rounds=3, turn=0)
    assert "".join(calls) == "ab" + "ba" + "ab" + "ba"
    assert {name: len(row) for name, row in times.items()} == {"a": 3, "b": 3}


def test_what_is_shorter_than_a_turn_is_called_until_the_turn_is_filled(measuring, monkeypatch):
    now, calls = [0.0], []

    def taking(seconds):
        def run():
            now[0] += seconds
            calls.append(seconds)

        return run

    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    times = measuring.alternate({"short": taking(0.02), "long": taking(7.0)}, rounds=2, turn=0.05)
    assert times == {"short": (20.0, 20.0), "long": (7000.0, 7000.0)}
    assert (calls.count(0.02), calls.count(7.0)) == (1 + 2 * 3, 1 + 2)


def test_the_machine_has_words_and_not_its_name(measuring):
    import platform

    assert "cores of" in measuring.machine() and platform.node() not in measuring.machine()


# The file and the tables


def test_the_file_gives_back_what_was_stored(tmp_path):
    results = {"crf": of(Row("CRF", "1 × 2", ours=(1.5, 2.5), threads=(1,)), NEVER), "empty": of()}
    results["growth"] = of(slopes=(Slope("CRF", "tags", (1, 2), ((1.0, 2.0), (3.0, 4.0))),))
    bench.store(results, tmp_path / "r.json")
    assert bench.load(tmp_path / "r.json") == results
    text = (tmp_path / "r.json").read_text(encoding="utf-8")
    assert "Infinity" not in text and json.loads(text)["crf"]["rows"][0]["size"] == "1 × 2"
    assert bench.load(tmp_path / "none.json") == {}


def test_a_table_is_markdown_with_a_line_for_each_row():
    results = {"a": of(Row("A | B", "", ours=(1,))), "b": of(slopes=(Slope("C", "n", (1, 2), ((1,), (2,))),))}
    for aligned in (False, True):
        lines = bench.tables(results, aligned).splitlines()
        rows = [[cell.strip() for cell in line.replace("\\|", "/").strip("|").split("|")] for line in lines]
        assert rows[0] == list(bench.HEAD) and rows[2] == ["A / B", "", "1 ms", *[""] * 5]
        assert rows[4] == list(bench.HEAD_OF_SLOPES) and rows[6] == ["C", "n", "1: 1 ms, 2: 2 ms", "1.00"]
        assert lines[-1].startswith("2 cores. Load average 0.5 to 1.0, ")
        assert lines[-1].endswith(". numpy 2.4.")


def test_the_stored_results_are_of_benchmarks_that_there_are():
    assert bench.load()
    for name, each in bench.load().items():
        assert (ROOT / "benchmarks" / f"{name}.py").exists()
        assert each.machine and each.versions and each.rows + each.slopes


# The runner


def test_the_peers_are_installed_once_for_each_list_of_pins(runner, tmp_path, monkeypatch):
    calls = []

    def pip(command):
        calls.append(command)
        (tmp_path / "peers").mkdir()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(runner.subprocess, "run", pip)
    pins, folder = tmp_path / "peers.txt", tmp_path / "peers"
    for content, count in (("torch==1", 1), ("torch==1", 1), ("torch==2", 2)):
        pins.write_text(content, encoding="utf-8")
        assert runner.peers(folder, pins) == folder and len(calls) == count


def test_every_peer_is_pinned_and_no_index_is_named(runner):
    lines = runner.PINS.read_text(encoding="utf-8").splitlines()
    for line in (line for line in lines if not line.startswith("#")):
        assert re.fullmatch(r"[a-z-]+==[\d.]+", line)


def test_peers_that_cannot_be_installed_are_gone_without_and_tried_again(
    runner, tmp_path, monkeypatch, capsys
):
    calls = []
    monkeypatch.setattr(runner.subprocess, "run", lambda c: calls.append(c) or SimpleNamespace(returncode=1))
    (tmp_path / "peers.txt").write_text("torch==1", encoding="utf-8")
    for _ in range(2):
        assert runner.peers(tmp_path / "peers", tmp_path / "peers.txt") is None
    assert len(calls) == 2 and "Going on without them" in capsys.readouterr().out


GOOD = """
import sys
from pathlib import Path
from medtutor.course.bench import Measured, Row, store
row = Row("new", "", ours=(1.0,), at_most=BOUND)
store({"good": Measured("2 cores", {}, (), {}, (row,))}, Path(sys.argv[2]))
sys.exit(1)
"""


@pytest.mark.parametrize(
    ("bound", "said"), [(2, "Every bound that could be judged is kept."), (0.5, "Missed: new")]
)
def test_what_was_run_is_stored_and_the_rest_stays(runner, tmp_path, monkeypatch, capsys, bound, said):
    good, bad = tmp_path / "good.py", tmp_path / "bad.py"
    good.write_text(GOOD.replace("BOUND", str(bound)), encoding="utf-8")
    bad.write_text("raise SystemExit('out of luck')", encoding="utf-8")
    monkeypatch.setattr(runner, "scripts", lambda: {"good": good, "bad": bad})
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "results.json")
    former = {"good": of(Row("old", "")), "bad": of(Row("bad", "")), "other": of(Row("other", ""))}
    bench.store(former, tmp_path / "results.json")
    assert runner.main(["bad", "good", "--peers", "none"]) == 1
    assert bench.load(tmp_path / "results.json") == former, "nothing is written without --write"
    assert runner.main(["bad", "good", "--peers", "none", "--write"]) == 1
    stored = bench.load(tmp_path / "results.json")
    assert [row.what for each in stored.values() for row in each.rows] == ["bad", "new", "other"]
    out = capsys.readouterr().out
    assert "bad ended with status 1 and no result." in out and said in out


def test_without_its_peers_nothing_takes_the_place_of_what_was_measured(
    runner, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(runner, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(runner, "peers", lambda: None)
    former = {"metrics": of(Row("with", "", ours=(1.0,))), "streaming": of(Row("old", "", ours=(1.0,)))}
    bench.store(former, tmp_path / "results.json")
    found = {"metrics": of(Row("with", "", missing="no torch")), "streaming": of(Row("new", "", ours=(2.0,)))}
    monkeypatch.setattr(runner, "run", lambda script, _: ({script.stem: found[script.stem]}, ""))
    runner.main(["metrics", "streaming", "--write"])
    assert bench.load(tmp_path / "results.json") == {**former, "streaming": found["streaming"]}
    assert "metrics: not kept" in (said := capsys.readouterr().out) and "streaming: not kept" not in said


def test_all_is_all_but_what_is_run_when_named(runner, tmp_path, monkeypatch):
    ran = []
    monkeypatch.setattr(runner, "run", lambda script, environment: ran.append(script.stem) or ({}, ""))
    assert runner.main(["--peers", "none"]) == 0
    assert set(ran) == set(runner.scripts()) - runner.ON_DEMAND and "crf" in ran
    ran.clear()
    runner.main(["--peers", "none", "crf", "--setup"])
    assert ran == ["crf", "setup_time"]


def test_the_backends_are_tested_with_the_peers_and_nothing_is_measured(runner, monkeypatch):
    asked = []

    def run(command, env):
        asked.append((command[-1], env["PYTHONPATH"]))
        return SimpleNamespace(returncode=5)

    monkeypatch.setattr(runner.subprocess, "run", run)
    assert runner.main(["--backends", "--peers", "here"]) == 5
    assert asked == [(str(runner.BACKENDS), "here")] and runner.BACKENDS.exists()
    monkeypatch.setattr(runner, "peers", lambda: None)
    assert runner.main(["--backends"]) == 1 and len(asked) == 1


def test_every_benchmark_can_be_read(runner):
    """What they import of the tests and of the package is there; nothing is measured."""
    read = "import runpy, sys; [runpy.run_path(path, run_name='read') for path in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-c", read, *map(str, runner.scripts().values())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_benchmark_is_refused_with_those_that_there_are(runner, capsys):
    with pytest.raises(SystemExit):
        runner.main(["crfs"])
    assert "there is no benchmark crfs; there are classification, crf," in capsys.readouterr().err
