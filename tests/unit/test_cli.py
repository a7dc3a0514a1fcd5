"""The command line: every command explains itself, and a user's mistake is answered in sentences."""

import subprocess
import sys

import pytest

from medtutor.course import cli


def run(capsys, *words, root=cli.ROOT):
    """Exit code, stdout and stderr of `medtutor WORDS`."""
    try:
        code = cli.main(words, root)
    except SystemExit as end:  # argparse ends --help and wrong options this way
        code = end.code
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "notebooks" / "source" / "01_tiny.py").write_text('# %% id="one"\n1\n', encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_command_with_its_summary(capsys, words):
    code, out, err = run(capsys, *words)
    assert code == 0 and err == ""
    for name in ("build", "time", "validate", "lint", "portability", "faults", "data"):
        assert [line for line in out.splitlines() if line.split()[:1] == [name] and len(line.split()) > 4]


@pytest.mark.parametrize("name", cli.SUMMARIES)
def test_each_command_explains_itself(capsys, name):
    code, out, err = run(capsys, name, "--help")
    assert code == 0 and err == ""
    assert f"usage: medtutor {name}" in out and "--help" in out


@pytest.mark.parametrize("name", cli.OWN)
def test_help_shows_an_example_of_the_command(capsys, name):
    _, out, _ = run(capsys, name, "--help")
    assert f"  medtutor {name} " in out.split("examples:\n", 1)[1]


def test_help_is_given_without_loading_anything_heavy():
    heavy = "{'numpy', 'jupytext', 'nbformat', 'nbclient', 'pytest', 'matplotlib', 'tensorflow'}"
    code = (
        "import sys; from medtutor.course.cli import main; main([]); "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "[]"


def test_python_m_medtutor_is_medtutor(capsys):
    _, wanted, _ = run(capsys)
    command = [sys.executable, "-m", "medtutor"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == wanted
    assert subprocess.run([*command, "nosuch"], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("word, guess", [("biuld", "did you mean 'build'"), ("xyzzy", "")])
def test_unknown_command_is_answered_with_the_right_ones(capsys, word, guess):
    code, out, err = run(capsys, word)
    assert code == 2 and out == ""
    assert repr(word) in err and guess in err and "build, time, validate, lint, portability" in err
    assert ("did you mean" in err) == bool(guess)


@pytest.mark.parametrize("words", [("build", "7"), ("build", "--check", "7"), ("time", "7")])
def test_unknown_chapter_is_answered_in_a_sentence(capsys, checkout, words):
    code, out, err = run(capsys, *words, root=checkout)
    assert (code, out) == (1, "")
    assert err == "no chapter is called '7'; there are: 01_tiny\n"


def test_unknown_table_of_faults_is_answered_in_a_sentence(capsys, checkout):
    code, _, err = run(capsys, "faults", "--chapter", "7", root=checkout)
    assert code == 1 and err == "no table of faults is called '7'; there are: none, yet\n"


def test_wrong_option_is_answered_with_usage(capsys):
    code, _, err = run(capsys, "build", "--chek")
    assert code == 2 and "usage: medtutor build" in err and "--chek" in err


def test_check_reports_by_its_exit_code(capsys, checkout):
    code, _, err = run(capsys, "build", "--check", root=checkout)
    assert code == 1 and "01_tiny.ipynb does not exist" in err


def test_version_is_the_package_version(capsys):
    import medtutor

    assert run(capsys, "--version") == (0, f"medtutor {medtutor.__version__}\n", "")


def test_missing_package_is_answered_with_how_to_install_it(capsys, checkout, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext", None)  # importing it now fails
    code, _, err = run(capsys, "build", "1", root=checkout)
    assert code == 1
    assert "'jupytext'" in err and "python -m pip install -r requirements.lock" in err
    assert "Traceback" not in err


def test_missing_module_of_the_course_is_not_taken_for_a_package(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "medtutor.course.lint", None)
    code, _, err = run(capsys, "lint")
    assert code == 1 and "no module medtutor.course.lint" in err and "pip" not in err


def test_interrupting_leaves_one_sentence(capsys, checkout, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("medtutor.course.build.run_build", interrupted)
    code, _, err = run(capsys, "build", root=checkout)
    assert (code, err) == (130, "medtutor build was interrupted\n")


def test_words_behind_a_command_reach_the_module_that_has_it(capsys, monkeypatch):
    import types

    seen = []
    module = types.SimpleNamespace(main=lambda words: seen.append(words) or 1)
    monkeypatch.setitem(sys.modules, "medtutor.course.portability", module)
    assert run(capsys, "portability", "1", "--seeds", "3")[0] == 1
    assert seen == [["1", "--seeds", "3"]]
