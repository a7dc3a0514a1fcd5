"""Settings that chapters must stand: each is asked whether it really is what its name says."""

import os
import shutil
import subprocess
import sys

import pytest

from medtutor.course import prepare, surroundings
from medtutor.course.surroundings import NotHere, NotSetUp, Surroundings

HERE = prepare.dotted(sys.version_info[:2])


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with a package that says where it lies, and a file that git ignores."""
    root = tmp_path / "from"
    (root / "medtutor").mkdir(parents=True)
    (root / "medtutor" / "__init__.py").write_text("", encoding="utf-8")
    (root / ".gitignore").write_text("large\n", encoding="utf-8")
    (root / "large").write_text("not to be copied", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def entered(setting):
    """What a setting gives, or a skipped test where this machine cannot offer it."""
    try:
        return setting.__enter__()
    except NotHere as reason:
        pytest.skip(str(reason))


def offered(setting):
    """Enter a setting for one test: a generator for `yield from` in fixtures."""
    there = entered(setting)
    yield there
    setting.__exit__(None, None, None)


@pytest.fixture
def read_only(checkout):
    yield from offered(surroundings.read_only(checkout))


@pytest.fixture
def odd_home(checkout):
    yield from offered(surroundings.odd_home(checkout))


@pytest.fixture
def turkish(checkout):
    yield from offered(surroundings.turkish_locale(checkout))


def test_a_read_only_checkout_refuses_new_files_and_changes_in_every_folder(read_only):
    for place in ("new", "medtutor/new", "medtutor/__init__.py"):
        assert read_only.say(f"open({place!r}, 'a')") is None
    assert read_only.say("import medtutor; print(open(medtutor.__file__).read())") == ""


def test_a_read_only_checkout_leaves_other_folders_writable(read_only, tmp_path):
    path = tmp_path / "elsewhere"
    assert read_only.say(f"print(open({str(path)!r}, 'w').write('yes'))") == "3"
    assert path.read_text(encoding="utf-8") == "yes"


def test_a_checkout_that_can_be_written_after_all_is_not_called_read_only(checkout):
    with pytest.raises(NotHere, match="permissions"):
        surroundings._assert_read_only(Surroundings(root=checkout))


@pytest.mark.parametrize("through", [("false",), ("a command that is not there",)])
def test_root_that_may_mount_nothing_is_told_so(checkout, through):
    with pytest.raises(NotHere, match="root may write everywhere"):
        surroundings._assert_read_only(Surroundings(root=checkout, through=through))


def test_the_copies_are_gone_afterwards(checkout):
    for setting in (surroundings.read_only, surroundings.odd_home):
        context = setting(checkout)
        root = entered(context).root
        assert root.is_dir() and not (root / "large").exists()
        context.__exit__(None, None, None)
        assert not root.exists()


def test_an_odd_home_has_spaces_and_letters_beyond_ascii(odd_home):
    home = odd_home.say("import pathlib; print(pathlib.Path.home())")
    assert " " in home and not home.isascii()
    assert odd_home.say("import medtutor; print(medtutor.__file__)").startswith(home)
    assert odd_home.say("import tempfile; print(tempfile.gettempdir())").startswith(home)


def test_an_odd_home_has_its_own_cache_whatever_the_user_has_set(odd_home, monkeypatch):
    monkeypatch.setenv("MEDTUTOR_CACHE", "elsewhere")
    there = Surroundings({**odd_home.variables, "PYTHONPATH": str(surroundings.ROOT)}, root=surroundings.ROOT)
    cache = there.say("from medtutor.data import cache; print(cache.folder())")
    assert cache.startswith(odd_home.variables["HOME"])


def test_a_turkish_locale_writes_decimals_with_a_comma(turkish):
    assert turkish.say("import locale; print(locale.str(0.5))") == "0,5"


def test_a_machine_without_the_locale_and_localedef_says_what_to_install(checkout, monkeypatch):
    monkeypatch.setattr(Surroundings, "say", lambda there, code: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NotHere, match="no locale tr_TR.UTF-8 here.*apt install locales"):
        with surroundings.turkish_locale(checkout):
            pass


def test_a_python_is_found_by_asking_it_for_its_version():
    found = surroundings.find_python(HERE, named=[sys.executable])
    assert os.path.samefile(found, sys.executable)


@pytest.mark.parametrize("named", ["a file that is not there", shutil.which("git") or "git"])
def test_what_is_no_python_of_that_version_is_passed_over(named, monkeypatch):
    monkeypatch.setattr(surroundings, "_candidates", lambda version: iter(["no such python", sys.executable]))
    assert surroundings.find_python(HERE, [named]) == surroundings.find_python(HERE)
    assert surroundings.find_python("2.1", [named]) is None


def test_pythons_of_pyenv_are_found(tmp_path, monkeypatch):
    python = tmp_path / "versions" / f"{HERE}.99" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert str(python) in surroundings._candidates(HERE)
    assert str(python) not in surroundings._candidates("2.1")


def test_a_python_that_is_not_here_is_asked_for_by_name(checkout, monkeypatch):
    monkeypatch.setattr(surroundings, "find_python", lambda version, named: None)
    with pytest.raises(NotHere, match="no Python 3.12 here; name one by --python /path/to/python3.12"):
        with surroundings.other_python("3.12", checkout):
            pass


def test_an_environment_that_cannot_be_made_is_no_missing_python(checkout):
    """The checkout has no set-up to run, as one whose lock does not install would not have succeeded."""
    with pytest.raises(NotSetUp, match=f"build.python{HERE} could not be made"):
        with surroundings.other_python(HERE, checkout, [sys.executable]):
            pass


def test_an_environment_is_made_by_the_python_asked_for_and_used(checkout):
    """In place of set-up stands a script that makes an empty environment in the folder it is told."""
    course = checkout / "medtutor" / "course"
    course.mkdir()
    script = "import sys, venv\nassert sys.argv[1:3] == ['setup', '--into']\nvenv.create(sys.argv[3])\n"
    (course / "prepare.py").write_text(script, encoding="utf-8")
    with surroundings.other_python(HERE, checkout, [sys.executable]) as there:
        assert there.say("import sys; print(sys.prefix)") == str(checkout / "build" / f"python{HERE}")
        assert there.say("import medtutor; print(medtutor.__file__)").startswith(str(checkout))


def test_every_setting_has_words_and_the_pythons_are_those_of_the_course():
    found = surroundings.settings()
    assert all(each.words for each in found.values())
    pythons = [name for name in found if name.startswith("Python")]
    assert pythons == ["Python 3.11", "Python 3.12", "Python 3.13"]
