"""`medtutor data`: what it prints, and what its exit code says."""

import hashlib
from dataclasses import replace

import pytest

from medtutor.course import cli
from medtutor.course import data as command
from medtutor.data import registry

CONTENT = b"the published bytes"


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """run(*words) of `medtutor data` in an empty cache, with a mirror that holds esol's and bc5cdr's file."""
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MEDTUTOR_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setattr(registry, "WAITS", ())
    table = dict(registry.sets())
    (file,) = table["esol"].files
    file = replace(file, md5=None, sha256=hashlib.sha256(CONTENT).hexdigest())
    table["esol"] = replace(table["esol"], files=(file,))
    monkeypatch.setattr(registry, "sets", lambda: table)
    for name in ("esol/delaney-processed.csv", "bc5cdr/CDR_Data.zip"):
        path = tmp_path / "mirror" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(CONTENT)
    root = tmp_path / "checkout"
    (root / "data").mkdir(parents=True)

    def do(*words):
        code = command.main(list(words), root)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return do


def row(out, name):
    (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
    return line


def test_list_names_every_set_with_size_licence_and_whether_it_is_here(run):
    code, out, err = run("list")
    assert (code, err) == (0, "")
    for name, each in registry.sets().items():
        assert each.task in row(out, name)
    assert "CC BY-SA 4.0" in row(out, "hippocampus") and "28.4" in row(out, "hippocampus")
    assert row(out, "mitbih").endswith("  -") and "your own copy" in row(out, "cmeee")
    run("fetch", "esol")
    assert row(run("list")[1], "esol").endswith("  here")


def test_list_counts_the_files_of_a_set_that_is_there_in_part(run, tmp_path):
    path = tmp_path / "cache" / "published" / "ncbi_disease" / "train.tsv"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert row(run("list")[1], "ncbi_disease").endswith("  1 of 3 files")


def test_fetch_says_where_the_file_is_and_shows_the_card(run, tmp_path):
    code, out, err = run("fetch", "esol")
    path = tmp_path / "cache" / "published" / "esol" / "delaney-processed.csv"
    assert code == 0 and path.read_bytes() == CONTENT
    assert f"{path}  19 bytes" in out and "not for Choosing a dose" in out


def test_fetch_without_a_network_says_what_to_do_and_fails(run):
    code, out, err = run("fetch", "breastmnist")
    assert (code, out) == (1, "")
    assert "Download it by hand" in err and "750601b1f35ba3300ea97c75c52ff8f6" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("words, files", [((), ["breastmnist.npz"]), (("--all",), None)])
def test_fetch_leaves_optional_files_unless_all_are_wanted(run, monkeypatch, words, files):
    asked = []
    monkeypatch.setattr(registry, "fetch", lambda name, wanted, accept: asked.append(wanted) or {})
    assert run("fetch", "breastmnist", *words)[0] == 0
    assert asked == [files or ["breastmnist.npz", "breastmnist_64.npz"]]


def test_fetch_of_an_unknown_name_is_answered_with_near_ones(run):
    code, out, err = run("fetch", "breast")
    assert (code, out) == (2, "") and "did you mean breastmnist" in err


def test_fetch_accepts_an_unverified_file_by_its_option_only(run):
    code, _, err = run("fetch", "bc5cdr")
    assert code == 1 and "--accept-unverified" in err
    code, out, _ = run("fetch", "bc5cdr", "--accept-unverified")
    assert code == 0 and hashlib.sha256(CONTENT).hexdigest() in out
    assert run("fetch", "bc5cdr")[0] == 0


def test_fetch_of_a_set_that_may_not_be_passed_on_says_so(run):
    code, _, err = run("fetch", "ccks2017")
    assert code == 1 and "load_ccks2017(split, folder=...)" in err


def test_verify_finds_a_damaged_file_in_the_cache(run, tmp_path):
    run("fetch", "esol")
    assert run("verify") == (0, "shipped: 0 listed, 0 wrong\ncache: 1 good, 0 wrong\n", "")
    path = tmp_path / "cache" / "published" / "esol" / "delaney-processed.csv"
    path.write_bytes(CONTENT[::-1])
    code, out, _ = run("verify")
    assert code == 1 and f"{path}: damaged: SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}" in out
    assert "cache: 0 good, 1 wrong" in out


def test_verify_finds_a_file_that_nobody_accepted(run, tmp_path):
    path = tmp_path / "cache" / "published" / "bc5cdr" / "CDR_Data.zip"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    code, out, _ = run("verify")
    assert code == 1 and f"{path}: unverified" in out


def test_verify_finds_a_shipped_file_that_is_not_as_listed(run, tmp_path):
    (tmp_path / "checkout" / "data" / "stray.bin").write_bytes(CONTENT)
    code, out, _ = run("verify")
    assert code == 1 and "data/stray.bin: not in data/manifest.toml" in out


@pytest.mark.parametrize("words", [(), ("fetch",), ("lst",)])
def test_a_command_that_is_not_understood_is_answered_with_usage(run, capsys, words):
    with pytest.raises(SystemExit) as end:
        run(*words)
    assert end.value.code == 2 and "usage: medtutor data" in capsys.readouterr().err


def test_help_shows_an_example_of_each_command(capsys):
    with pytest.raises(SystemExit):
        cli.main(["data", "--help"])
    shown = capsys.readouterr().out.split("examples:\n", 1)[1]
    for word in ("list", "fetch", "verify", "manifest"):
        assert f"  medtutor data {word} " in shown
