"""What a rehearsal prepares before a browser is opened: the bare environment, the copy, the answers."""

import subprocess

import nbformat
import pytest

from medtutor.course import rehearse
from medtutor.exercises import find, grade, names


def test_the_bare_environment_knows_how_to_reach_packages_and_nothing_else(tmp_path):
    mine = {
        "HOME": str(tmp_path / "mine"),
        "PATH": "/opt/mine/bin",
        "VIRTUAL_ENV": "/opt/mine",
        "PYTHONPATH": "/opt/mine",
        "MEDTUTOR_CACHE": "/opt/mine",
        "MEDTUTOR_FAST": "1",
        "JUPYTER_DATA_DIR": "/opt/mine",
        "PIP_CACHE_DIR": "/opt/mine",
        "UV_CACHE_DIR": "/opt/mine",
        "PIP_INDEX_URL": "https://mirror.example.org/simple",
        "UV_DEFAULT_INDEX": "https://mirror.example.org/simple",
        "https_proxy": "http://proxy.example.org",
        "LANG": "C.UTF-8",
    }
    assert rehearse.bare(tmp_path / "new", mine, "/usr/bin") == {
        "HOME": str(tmp_path / "new"),
        "PATH": "/usr/bin",
        **{name: mine[name] for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "https_proxy", "LANG")},
    }


def test_the_settings_of_pip_in_the_old_home_are_kept(tmp_path):
    settings = tmp_path / ".config" / "pip" / "pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("[global]\n", encoding="utf-8")
    assert rehearse.bare("/new", {"HOME": str(tmp_path)})["PIP_CONFIG_FILE"] == str(settings)
    named = {"HOME": str(tmp_path), "PIP_CONFIG_FILE": "/etc/other.conf"}
    assert rehearse.bare("/new", named)["PIP_CONFIG_FILE"] == "/etc/other.conf"


def git(folder, *words):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with a committed file that was changed since, and one that git does not know."""
    folder = tmp_path / "checkout"
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "a.txt").write_text("committed", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "A")
    (folder / "notes" / "a.txt").write_text("changed", encoding="utf-8")
    (folder / "unknown.txt").write_text("mine", encoding="utf-8")
    return folder


def test_a_clone_holds_what_is_committed(checkout, tmp_path):
    assert rehearse.clone(checkout, tmp_path / "clone") > 0
    assert (tmp_path / "clone" / "notes" / "a.txt").read_text(encoding="utf-8") == "committed"
    assert not (tmp_path / "clone" / "unknown.txt").exists()


def test_the_tests_run_without_what_was_typed_into_the_clone(checkout, tmp_path):
    rule = 'test:\n\t@grep -q "^committed" notes/a.txt && echo as cloned\n'
    (checkout / "Makefile").write_text(rule, encoding="utf-8")
    git(checkout, "add", "Makefile")
    git(checkout, "commit", "-q", "-m", "B")
    newcomer = rehearse.Newcomer(tmp_path, checkout / ".git", here=False)
    (newcomer.course / "notes" / "a.txt").write_text("typed", encoding="utf-8")
    assert newcomer.tests() | {"seconds": 0} == {"seconds": 0, "status": 0, "tail": "as cloned"}


def test_here_there_is_no_clone_to_test(capsys):
    with pytest.raises(SystemExit):
        rehearse.main(["--here", "--test"])
    assert "--test runs in a fresh clone, --here has none: give one of the two" in capsys.readouterr().err


def test_a_copy_holds_the_tracked_files_as_they_are(checkout, tmp_path):
    rehearse.copy(checkout, tmp_path / "copy")
    assert (tmp_path / "copy" / "notes" / "a.txt").read_text(encoding="utf-8") == "changed"
    assert not (tmp_path / "copy" / "unknown.txt").exists()
    assert rehearse.size_of(tmp_path / "copy") == len("changed")


def test_what_is_shared_by_a_hard_link_is_no_size_of_its_own(tmp_path):
    (tmp_path / "a").write_bytes(bytes(5))
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").write_bytes(bytes(7))
    assert rehearse.size_of(tmp_path) == 17 and rehearse.own_size_of(tmp_path) == 7


def test_the_two_answers_get_the_replies_that_are_wanted_of_them():
    (wrong, right) = rehearse.answers(names())
    for name, _, text, wanted in (wrong, right):
        space = {}
        exec(f"import numpy as np\n{text}", space)
        assert grade(space[name]).message.startswith(wanted)
    assert [wrong[1], right[1]] == ["wrong", "right"]
    assert wrong[3] in [mistake.reply for mistake in find(wrong[0]).mistakes]


def test_every_chapter_with_exercises_has_one_whose_mistake_can_be_typed():
    chapters = {}
    for name in names():
        chapters.setdefault(find(name).__module__, []).append(name)
    for chapter, exercises in chapters.items():
        assert len(rehearse.answers(exercises)) == 2, chapter


def test_without_exercises_there_are_no_answers():
    assert rehearse.answers([]) == []


def test_explorers_of_a_stored_notebook_are_found_and_those_that_need_the_kernel_told_apart():
    page = '<figure id="medtutor-0" class="mdx-still">'
    cells = [
        nbformat.v4.new_markdown_cell("explore_nothing()", id="words"),
        nbformat.v4.new_code_cell("from medtutor.explore import explore_mask", id="import"),
        nbformat.v4.new_code_cell("x = 1\nexplore_mask(x)", id="live"),
        nbformat.v4.new_code_cell("explore_function(f)", id="kernel"),
    ]
    cells[2].outputs = [nbformat.v4.new_output("execute_result", {"text/html": page})]
    cells[3].outputs = [nbformat.v4.new_output("display_data", {"text/html": "<figure><img></figure>"})]
    found = rehearse._stored_explorers(nbformat.v4.new_notebook(cells=cells))
    assert [(cell["id"], cell["outputs"][0]["live"], name) for cell, name in found] == [
        ("live", True, "mask"),
        ("kernel", False, "function"),
    ]


def test_a_chapter_that_is_not_there_and_a_missing_browser_are_told_in_a_sentence(capsys, monkeypatch):
    assert rehearse.main(["--chapters", "no_such"]) == 2
    assert "no stored notebook 'no_such'" in capsys.readouterr().err
    monkeypatch.setattr(rehearse.browser, "chromium_path", lambda: None)
    pytest.importorskip("playwright")
    assert rehearse.main([]) == 2
    assert "no browser" in capsys.readouterr().err


def test_a_report_takes_the_place_of_an_earlier_one_and_of_nothing_else(tmp_path):
    out = tmp_path / "report"
    rehearse.make_room(out)
    (out / "pictures" / "old.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="holds something that is no report"):
        rehearse.make_room(out)
    (out / "report.json").write_text("{}", encoding="utf-8")
    rehearse.make_room(out)
    assert list(out.rglob("*")) == [out / "pictures"]
