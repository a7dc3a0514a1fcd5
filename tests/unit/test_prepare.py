import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medtutor.course import prepare

HERE = prepare.dotted(sys.version_info[:2])


@pytest.fixture
def checkout(tmp_path):
    """A folder with a lock of two packages and an environment that claims to be made from it."""
    root = tmp_path / "checkout"
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (root / "requirements.lock").write_text(
        "one==1.0 ; sys_platform == 'linux' \\\n    --hash=sha256:aa\n    # via two\n"
        "one==0.9 ; sys_platform != 'linux' \\\n    --hash=sha256:bb\n"
        "two-and==2.0 \\\n    --hash=sha256:cc \\\n    --hash=sha256:dd\n",
        encoding="utf-8",
    )
    python = prepare.python_of(root / ".venv")
    python.parent.mkdir(exist_ok=True)
    python.write_text("", encoding="utf-8")
    (root / ".venv" / "pyvenv.cfg").write_text(f"home = x\nversion = {HERE}.1\n", encoding="utf-8")
    state = {**prepare.fingerprint(root), "done": True, "root": str(root), "names": ["one", "gone"]}
    prepare.write_state(root / ".venv", state)
    return root


@pytest.fixture
def steps(monkeypatch):
    """What set-up would do, in order, instead of doing it."""
    done = []
    monkeypatch.setattr(
        prepare, "create", lambda venv, reason: (venv.mkdir(exist_ok=True), done.append(reason))
    )
    monkeypatch.setattr(prepare, "install", lambda venv, root, formerly: done.append(("install", formerly)))
    monkeypatch.delenv("PYTHON", raising=False)
    return done


def change_state(root, **entries):
    path = root / ".venv" / "medtutor.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **entries}), encoding="utf-8")


def test_a_finished_environment_is_used_as_it_is(checkout, steps):
    assert prepare.ready(checkout) == prepare.python_of(checkout / ".venv")
    assert steps == []


def test_set_up_into_another_folder_leaves_the_students_environment_alone(checkout, steps):
    before = (checkout / ".venv" / "medtutor.json").read_bytes()
    (checkout / "build").mkdir()
    assert prepare.main(["setup", "--into", "build/python3.12"], checkout) == 0
    assert steps == ["for this folder", ("install", [])]
    assert prepare.read_json(checkout / "build" / "python3.12" / "medtutor.json")["done"]
    assert (checkout / ".venv" / "medtutor.json").read_bytes() == before


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_file_installs_again_once_and_knows_what_was_locked(checkout, steps, name, capsys):
    with open(checkout / name, "a", encoding="utf-8") as file:
        file.write("# changed\n")
    prepare.ready(checkout)
    prepare.ready(checkout)
    assert steps == [("install", ["one", "gone"])]
    assert prepare.read_json(checkout / ".venv" / "medtutor.json")["names"] == ["one", "two-and"]
    assert "Set-up done" in capsys.readouterr().out


def test_an_interrupted_set_up_begins_anew(checkout, steps, monkeypatch):
    def interrupted(venv, root, formerly):
        raise KeyboardInterrupt

    change_state(checkout, **{"pyproject.toml": "older"})
    with monkeypatch.context() as patch:
        patch.setattr(prepare, "install", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare.ready(checkout)
    prepare.ready(checkout)
    assert steps == ["anew, since the last set-up was interrupted", ("install", ["one", "gone"])]


def test_a_fresh_folder_gets_an_environment(checkout, steps):
    shutil.rmtree(checkout / ".venv")
    prepare.ready(checkout)
    assert steps == ["for this folder", ("install", [])]


def test_a_moved_folder_gets_a_new_environment(checkout, steps):
    moved = checkout.rename(checkout.with_name("elsewhere"))
    prepare.ready(moved)
    assert steps[0] == "anew, since the folder was moved"


def test_an_environment_whose_python_is_gone_is_made_anew(checkout, steps):
    prepare.python_of(checkout / ".venv").unlink()
    prepare.ready(checkout)
    assert steps[0] == "anew, since its Python is gone"


def test_naming_another_python_makes_the_environment_anew(checkout, steps, monkeypatch):
    (checkout / ".venv" / "pyvenv.cfg").write_text("version = 3.99.0\n", encoding="utf-8")
    monkeypatch.setenv("PYTHON", "python3")
    prepare.ready(checkout)
    assert steps[0] == "anew, since the one here has Python 3.99"


def test_an_environment_made_by_hand_is_filled_not_replaced(checkout, steps):
    (checkout / ".venv" / "medtutor.json").unlink()
    prepare.ready(checkout)
    assert steps == [("install", [])]


def test_a_damaged_state_file_counts_as_none(checkout, steps):
    (checkout / ".venv" / "medtutor.json").write_text("[1", encoding="utf-8")
    prepare.ready(checkout)
    assert steps == [("install", [])]


def test_lab_does_not_ask_about_news_or_updates(checkout, steps):
    change_state(checkout, done=True, **{"pyproject.toml": "older"})
    prepare.ready(checkout)
    settings = json.loads(
        (checkout / ".venv/share/jupyter/lab/settings/overrides.json").read_text(encoding="utf-8")
    )
    notices = settings["@jupyterlab/apputils-extension:notification"]
    assert notices == {"fetchNews": "false", "checkForUpdates": False}


def test_lab_knows_the_settings_that_are_overridden():
    schemas = Path(sys.prefix, "share", "jupyter", "lab", "schemas")
    for plugin, values in prepare.LAB_SETTINGS.items():
        schema = json.loads((schemas / f"{plugin.replace(':', '/')}.json").read_text(encoding="utf-8"))
        assert set(values) <= set(schema["properties"])


@pytest.mark.parametrize(
    ("version", "system", "machine", "said"),
    [
        ((3, 10), "Linux", "x86_64", "Python 3.10; the course needs Python 3.11 to 3.13"),
        ((3, 14), "Linux", "x86_64", "make lab PYTHON=python3.12"),
        ((3, 12), "Darwin", "x86_64", "no build for Intel Macs since 2.17"),
        (
            (3, 12),
            "Windows",
            "ARM64",
            "runs on Windows ARM64. TensorFlow has no build for it; use one of AMD64",
        ),
        ((3, 12), "Linux", "i686", "use one of x86_64, aarch64"),
    ],
)
def test_a_machine_that_will_not_do_is_told_what_would(version, system, machine, said):
    with pytest.raises(prepare.Refusal) as refusal:
        prepare.check_machine(version, system, machine)
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("system", "machine"),
    [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"), ("Windows", "AMD64")],
)
def test_supported_machines_are_let_through(system, machine):
    for version in (prepare.FIRST, prepare.LAST):
        prepare.check_machine(version, system, machine)


def test_a_full_disk_is_noticed_before_anything_is_made(checkout, steps, monkeypatch, capsys):
    shutil.rmtree(checkout / ".venv")
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda path: Room())
    assert prepare.main(["setup"], checkout) == 1
    assert steps == []
    assert "needs 3 GB of free disk space" in capsys.readouterr().err


class Room:
    """A disk with a tenth of a gigabyte left."""

    free = 100_000_000


def test_a_failed_download_is_explained_in_plain_words(checkout, steps, monkeypatch, capsys):
    change_state(checkout, **{"pyproject.toml": "older"})
    monkeypatch.undo()
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(prepare, "fetch_uv", lambda *_: False)
    monkeypatch.setattr(prepare, "index_for_uv", lambda python: {})
    monkeypatch.setattr(prepare, "works", lambda command, environment: False)
    assert prepare.main(["lab"], checkout) == 1
    said = capsys.readouterr().err
    assert "check\nthat this computer is online" in said and "Traceback" not in said


def test_a_refusal_of_the_system_is_a_sentence(checkout, monkeypatch, capsys):
    def denied(root):
        raise PermissionError(13, "Permission denied", "somewhere")

    monkeypatch.setattr(prepare, "ready", denied)
    assert prepare.main(["lab"], checkout) == 1
    assert "The system refused: " in capsys.readouterr().err


def test_a_folder_that_is_no_environment_is_never_deleted(tmp_path):
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "thesis.tex").write_text("years", encoding="utf-8")
    with pytest.raises(prepare.Refusal, match="no Python environment. Move it away"):
        prepare.create(tmp_path / ".venv", "anew")
    assert (tmp_path / ".venv" / "thesis.tex").read_text(encoding="utf-8") == "years"


def test_create_makes_a_python_that_has_pip(tmp_path):
    prepare.create(tmp_path / ".venv", "for this test")
    python = prepare.python_of(tmp_path / ".venv")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    assert prepare.version_of(tmp_path / ".venv") == HERE


def test_the_lock_is_read_by_package_with_every_version_and_hash(checkout):
    packages = prepare.locked(checkout / "requirements.lock")
    assert {name: len(blocks) for name, blocks in packages.items()} == {"one": 2, "two-and": 1}
    assert packages["two-and"][0].count("--hash") == 2


def test_uv_is_asked_for_with_the_locks_version_and_hashes(monkeypatch):
    asked = []

    def pip(command, **settings):
        asked.append(Path(command[-1]).read_text(encoding="utf-8"))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(prepare.subprocess, "run", pip)
    assert prepare.fetch_uv("python", prepare.locked(prepare.ROOT / "requirements.lock"), {})
    assert asked[0].startswith("uv==") and asked[0].count("--hash=sha256:") > 5


def test_packages_are_compiled_and_their_tests_are_not(tmp_path):
    checkout = tmp_path / "tests"  # a checkout may lie in a folder of that name
    package = site_packages(checkout) / "one"
    for folder in (package, package / "tests"):
        folder.mkdir()
        (folder / "some.py").write_text("x = 1\n", encoding="utf-8")
    prepare.compile_all(sys.executable, checkout)
    assert len(list(package.glob("__pycache__/some.*.pyc"))) == 1
    assert not list(package.glob("tests/__pycache__"))


def site_packages(venv):
    """The folder for packages in an environment, as this system names it."""
    site = venv / ("Lib" if sys.platform == "win32" else "lib/python3.12") / "site-packages"
    site.mkdir(parents=True)
    return site


def test_only_what_an_older_lock_held_is_removed(checkout, monkeypatch):
    removed = []
    monkeypatch.setattr(prepare, "fetch_uv", lambda *_: True)
    monkeypatch.setattr(prepare, "index_for_uv", lambda python: {})
    monkeypatch.setattr(prepare, "works", lambda command, environment: True)
    monkeypatch.setattr(prepare, "compile_all", lambda python, venv: None)
    monkeypatch.setattr(prepare, "remove", lambda python, names, environment: removed.append(names))
    prepare.install(checkout / ".venv", checkout, ["one", "gone"])
    assert removed == [["gone"]]


def test_pip_takes_over_where_uv_fails(checkout, monkeypatch):
    commands = []

    def works(command, environment):
        commands.append(command)
        return "uv" not in command

    monkeypatch.setattr(prepare, "fetch_uv", lambda *_: True)
    monkeypatch.setattr(prepare, "index_for_uv", lambda python: {})
    monkeypatch.setattr(prepare, "works", works)
    monkeypatch.setattr(prepare, "compile_all", lambda python, venv: None)
    prepare.install(checkout / ".venv", checkout, [])
    assert ["uv" in command for command in commands] == [True, False, False]
    assert all({"--require-hashes", "--no-deps"} <= set(command) for command in commands[:2])
    assert {"--no-index", "--no-deps", "--no-build-isolation"} <= set(commands[2])


@pytest.mark.parametrize(
    ("listed", "index"),
    [
        ("", {}),
        (
            "global.index-url='https://mirror.invalid/simple'\n",
            {"UV_DEFAULT_INDEX": "https://mirror.invalid/simple"},
        ),
        ("global.index-url='a'\n:env:.index-url='b'\n", {"UV_DEFAULT_INDEX": "b"}),
        ("global.extra-index-url='a'\nglobal.timeout='60'\n", {}),
    ],
)
def test_a_mirror_that_pip_is_set_to_serves_uv_too(monkeypatch, listed, index):
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    answer = subprocess.CompletedProcess([], 0, stdout=listed)
    monkeypatch.setattr(prepare.subprocess, "run", lambda *_, **__: answer)
    assert prepare.index_for_uv("python") == index


@pytest.fixture
def signed(tmp_path, monkeypatch):
    """A checkout with a chapter and a notebook from elsewhere; the names that Jupyter is told to trust."""
    names = []

    def jupyter(command, **settings):
        names.extend(Path(part).name for part in command if part.endswith(".ipynb"))
        return subprocess.CompletedProcess(command, 0)

    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "notebooks" / "source" / "01_own.py").write_text("", encoding="utf-8")
    for name in ("01_own.ipynb", "stranger.ipynb"):
        (tmp_path / "notebooks" / name).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(prepare.subprocess, "run", jupyter)
    return tmp_path, names


def test_the_courses_own_notebooks_are_trusted_once_for_each_content(signed):
    root, names = signed
    python = root / ".venv" / "bin" / "python"
    prepare.trust(python, root)
    prepare.trust(python, root)
    assert names == ["01_own.ipynb"]
    (root / "notebooks" / "01_own.ipynb").write_text('{"cells": []}', encoding="utf-8")
    prepare.trust(python, root)
    assert names == ["01_own.ipynb"] * 2


def test_a_notebook_without_a_source_here_is_not_trusted(signed):
    root, names = signed
    prepare.trust(root / ".venv" / "bin" / "python", root)
    assert "stranger.ipynb" not in names


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ([], "notebooks/00_start_here.ipynb"),
        (["--no-browser", "--port", "8890"], "notebooks/00_start_here.ipynb"),
        (["notebooks/01_convolution.ipynb"], "notebooks/01_convolution.ipynb"),
    ],
)
def test_lab_opens_the_start_page_unless_a_notebook_is_named(options, first):
    words = prepare.start_page(options)
    assert [word for word in words if word.endswith(".ipynb")] == [first]
    assert [word for word in words if word != first] == [word for word in options if word != first]


def test_tests_run_offline_with_a_thread_for_each_worker_unless_the_user_says_otherwise(
    checkout, steps, monkeypatch
):
    seen = []
    monkeypatch.setattr(prepare, "become", lambda command, root, variables: seen.append(variables))
    for name in prepare.ONE_THREAD:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("PYTHONPATH", "mine")
    prepare.main(["test"], checkout)
    assert seen[0].pop("PYTHONPATH").split(os.pathsep) == [str(checkout / "tests" / "offline"), "mine"]
    assert seen[0] == {**dict.fromkeys(prepare.ONE_THREAD, "1"), "OMP_NUM_THREADS": "4"}


def test_it_needs_nothing_but_the_standard_library():
    path = prepare.__file__
    run = f"import runpy, sys; sys.argv = ['', 'help']; runpy.run_path({path!r}, run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", run]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "prepare.py lab" in done.stdout


def test_an_unknown_task_prints_the_help_and_fails(capsys):
    assert prepare.main(["labs"]) == 2
    assert "prepare.py lab" in capsys.readouterr().out
