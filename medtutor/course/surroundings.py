"""What chapters have to stand: other arithmetic, another locale, odd folders, other versions of Python.

A setting is a context manager. It gives the `Surroundings` in which notebooks are validated, or raises
`NotHere` with the reason where this machine cannot offer it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from medtutor.course.prepare import FIRST, LAST, dotted, python_of
from medtutor.course.spread import SETTINGS
from medtutor.course.validate import ROOT

VERSIONS = tuple(dotted((FIRST[0], minor)) for minor in range(FIRST[1], LAST[1] + 1))
HOME = "Zoë Müller 医学"
LOCALE = "tr_TR.UTF-8"  # a decimal comma, and an I that is no capital i
OWN_LOCALE = "import locale\n\nlocale.setlocale(locale.LC_ALL, '')\n"
MOUNT = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && cd "$1" && shift && exec "$@"'


class NotHere(Exception):
    """A setting that this machine cannot offer; the text says why, and what to do."""


class NotSetUp(Exception):
    """An environment that could not be made although its Python is here; the text says why."""


@dataclass(frozen=True)
class Surroundings:
    """Where, and by which Python, notebooks are validated.

    variables  {name: value}, for that Python and its kernels
    root       the checkout that is meant
    through    words before each command, such as those that mount a folder read-only
    """

    variables: dict = field(default_factory=dict)
    python: str = sys.executable
    root: Path = ROOT
    through: tuple = ()

    def say(self, code):
        """What a line of Python prints here, None where it raises."""
        done = subprocess.run(
            [*self.through, self.python, "-c", code],
            cwd=self.root,
            env={**os.environ, **self.variables, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
        )
        return done.stdout.decode("utf-8").strip() if done.returncode == 0 else None


@dataclass(frozen=True)
class Setting:
    """A setting in words, and the context manager that makes it; `variables` where these are all of it."""

    words: str
    enter: callable
    variables: dict = field(default_factory=dict)


def settings(root=ROOT, pythons=()):
    """All settings, cheapest first -> {name: Setting}

    pythons  interpreters that were named by hand, for the settings "Python 3.X"
    """
    found = {
        name: Setting(_in_words(variables), partial(_variables, variables, root), variables)
        for name, variables in SETTINGS.items()
    }
    found["Turkish locale"] = Setting(f"{LOCALE}: decimal comma, ı and İ", partial(turkish_locale, root))
    found["odd home"] = Setting(f"home, cache and checkout in “{HOME}”", partial(odd_home, root))
    found["read-only"] = Setting("a checkout that cannot be written", partial(read_only, root))
    for version in VERSIONS:
        words = f"the locked packages, in build/python{version}"
        found[f"Python {version}"] = Setting(words, partial(other_python, version, root, pythons))
    return found


def _in_words(variables):
    return " ".join(f"{name}={value}" for name, value in variables.items()) or "nothing is changed"


@contextmanager
def _variables(variables, root=ROOT):
    yield Surroundings(variables, root=root)


@contextmanager
def turkish_locale(root=ROOT):
    """A locale with a decimal comma, made by localedef where the machine has none.

    Python on its own leaves LC_NUMERIC alone. Here it takes over the whole locale when it starts, as it does
    in a program that embeds it, so that C code meets the comma as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sitecustomize.py").write_text(OWN_LOCALE, encoding="utf-8")
        variables = {"LC_ALL": LOCALE, "LANG": LOCALE, "LANGUAGE": "tr", **_import_from(folder)}
        for further in ({}, {"LOCPATH": folder}):
            if further and shutil.which("localedef"):
                made = [*"localedef -i tr_TR -f UTF-8".split(), str(Path(folder, LOCALE))]
                subprocess.run(made, capture_output=True)
            there = Surroundings({**variables, **further}, root=root)
            if there.say("import locale; print(locale.localeconv()['decimal_point'])") == ",":
                yield there
                return
    raise NotHere(
        f"no locale {LOCALE} here, and localedef could not make one (Debian: apt install locales libc-bin)"
    )


@contextmanager
def odd_home(root=ROOT):
    """A home folder whose name has spaces and letters beyond ASCII, without caches, the checkout in it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, HOME)
        copy, temporary = home / "My courses" / "medtutor", home / "tmp"
        try:
            temporary.mkdir(parents=True)
        except (OSError, UnicodeError) as error:
            raise NotHere(f"no folder can have this name here: {error}") from None
        _copy(root, copy)
        variables = {
            **dict.fromkeys(("HOME", "USERPROFILE"), str(home)),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)),
            "LOCALAPPDATA": str(home / "AppData" / "Local"),
            "APPDATA": str(home / "AppData" / "Roaming"),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "MEDTUTOR_CACHE": "",
            **_import_from(copy),
        }
        yield Surroundings(variables, root=copy)


@contextmanager
def read_only(root=ROOT):
    """A copy of the checkout that cannot be written: by its permissions, for root by a mount of its own."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "medtutor")
        _copy(root, copy)
        through = ()
        if getattr(os, "geteuid", lambda: None)() == 0:
            through = ("unshare", "--mount", "sh", "-c", MOUNT, "sh", str(copy))
        there = Surroundings(_import_from(copy), root=copy, through=through)
        try:
            _permit(copy, writing=False)
            _assert_read_only(there)
            yield there
        finally:
            _permit(copy, writing=True)


def _assert_read_only(there):
    try:
        runs = there.say("print(1)") == "1"
    except OSError:
        runs = False
    if not runs:
        raise NotHere("root may write everywhere, and this system lets it mount nothing (unshare --mount)")
    if there.say("open('a file that must not be', 'w')") is not None:
        raise NotHere("the permissions of folders do not bind this user here")


def _permit(folder, writing):
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o200 if writing else mode & ~0o222)


def _copy(root, into):
    from medtutor.course.faults import FaultError, copy_checkout

    try:
        copy_checkout(root, into)
    except (FaultError, OSError) as error:
        raise NotHere(f"the checkout could not be copied: {error}") from None


def _import_from(folder):
    """PYTHONPATH with this folder first, as a dictionary."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


@contextmanager
def other_python(version, root=ROOT, named=()):
    """An environment with this version of Python and the locked packages, kept in build/python3.X.

    It is made by the code that sets up a student's .venv. Raises NotSetUp where that does not succeed.
    """
    python = find_python(version, named)
    if python is None:
        raise NotHere(f"no Python {version} here; name one by --python /path/to/python{version}")
    folder = Path(root, "build", f"python{version}")
    folder.parent.mkdir(exist_ok=True)
    prepare = Path(root, "medtutor", "course", "prepare.py")
    done = subprocess.run([python, str(prepare), "setup", "--into", str(folder)])
    if done.returncode:
        raise NotSetUp(f"{folder} could not be made with {python}; the lines above say why")
    yield Surroundings(_import_from(root), str(python_of(folder)), root)


def find_python(version, named=()):
    """The path of an interpreter of this version, such as "3.12", that can make environments; None for none.

    named  paths that are asked first; then the PATH, then what uv knows and what pyenv has installed
    """
    for candidate in (*named, *_candidates(version)):
        ask = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
        try:
            done = subprocess.run([candidate, "-c", ask], capture_output=True, text=True)
        except OSError:
            continue
        if done.returncode == 0 and done.stdout.startswith(f"{version}\n"):
            return done.stdout.splitlines()[1]
    return None


def _candidates(version):
    if path := shutil.which(f"python{version}"):
        yield path
    uv = [sys.executable, "-m", "uv", "python", "find", "--system", "--no-python-downloads", version]
    if path := subprocess.run(uv, capture_output=True, text=True).stdout.strip():
        yield path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, pyenv.glob(f"versions/{version}.*/bin/python"))
