"""Make `.venv` with the locked packages, then open the course or test it; needs the standard library alone.

    python medtutor/course/prepare.py lab  [options of JupyterLab]
    python medtutor/course/prepare.py test [options of pytest]
    python medtutor/course/prepare.py run  [options of Python]
    python medtutor/course/prepare.py setup [--into FOLDER]

`make lab` and `make test` call this file, and so can a machine without make. Set-up is done once: what it was
made from is kept in `.venv/medtutor.json`, and a second call starts at once.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIRST, LAST = (3, 11), (3, 13)  # Python versions with wheels for every locked package
MACHINES = {
    "Linux": ("x86_64", "aarch64"),
    "Windows": ("AMD64",),
    "Darwin": ("arm64",),
}
ROOM = 3e9  # bytes that .venv and the download cache need
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
}
PYTEST = ["-n", "2", "--dist", "loadfile", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=300"]
PYTEST += ["--durations=10"]  # the slowest are printed
ONE_THREAD = {  # as numpy and TensorFlow are told
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
}


class Refusal(Exception):
    """A problem that was foreseen; its text tells the reader what to do."""


def main(words, root=ROOT):
    """Run one command line, e.g. ["lab", "--no-browser"], and give its exit status."""
    task, *options = words or ["help"]
    if task not in ("lab", "test", "run", "setup"):
        print(__doc__)
        return 0 if task in ("help", "-h", "--help") else 2
    try:
        if task == "setup":
            ready(root, options[1] if options[:1] == ["--into"] else ".venv")
            return 0
        python = ready(root)
        if task == "lab":
            trust(python, root)
            return become([python, "-m", "jupyterlab", *start_page(options)], root)
        if task == "test":
            return become([python, "-m", "pytest", *PYTEST, *options], root, testing(root))
        return become([python, *options], root)
    except Refusal as refusal:
        print(f"\n{refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nThe system refused: {error}. Mend that and type the same command again.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The same command begins anew; downloads are kept.", file=sys.stderr)
        return 130


def start_page(options):
    """JupyterLab's options with the first page to open, unless they name a notebook themselves."""
    named = any(option.endswith(".ipynb") for option in options)
    return list(options) if named else ["notebooks/00_start_here.ipynb", *options]


def testing(root):
    """What the tests find in their environment: no network for Python, and a thread for each of two workers.

    Two kernels with as many threads as there are cores would wait for each other: chapters that train then
    need a quarter more of the processor. A user's own settings of threads stay.
    """
    paths = [str(root / "tests" / "offline"), os.environ.get("PYTHONPATH", "")]
    threads = {name: os.environ.get(name, number) for name, number in ONE_THREAD.items()}
    return {**threads, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def become(command, root, variables=None):
    """Go on as `command` in the folder `root`, with these variables over those of the environment."""
    environment = {**os.environ, **(variables or {})}
    command = [str(part) for part in command]
    os.chdir(root)
    if os.name != "nt":
        sys.stdout.flush()
        os.execve(command[0], command, environment)
    return subprocess.call(command, env=environment)


def ready(root=ROOT, folder=".venv"):
    """The Python of an environment that holds the locked packages, made or renewed where needed.

    folder   where it is: a path, from `root`
    """
    venv, wanted = root / folder, fingerprint(root)
    state = read_json(venv / "medtutor.json")
    reason = why_anew(venv, state, root, os.environ.get("PYTHON"))
    if not reason and {**state, **wanted} == state and state.get("done"):
        return python_of(venv)
    check_machine(sys.version_info[:2], platform.system(), platform.machine())
    began = time.monotonic()
    if reason:
        check_room(root)
        create(venv, reason)
    write_state(venv, {**state, "done": False, "root": str(root)})
    install(venv, root, formerly=state.get("names", []))
    settle_lab(venv)
    names = sorted(locked(root / "requirements.lock"))
    write_state(venv, {**wanted, "done": True, "root": str(root), "names": names})
    print(f"Set-up done in {time.monotonic() - began:.0f} s. From here on nothing needs the network.")
    return python_of(venv)


def check_machine(version, system, machine):
    """Refuse a Python or a machine for which a locked package has no build."""
    if not FIRST <= version <= LAST:
        raise Refusal(
            f"This is Python {dotted(version)}; the course needs Python {dotted(FIRST)} to {dotted(LAST)}.\n"
            "Install one of them and name it, e.g.  make lab PYTHON=python3.12"
        )
    if machine in MACHINES.get(system, (machine,)):
        return
    advice = f"TensorFlow has no build for it; use one of {', '.join(MACHINES[system])}."
    if system == "Darwin":
        advice = (
            "TensorFlow has had no build for Intel Macs since 2.17: use a Linux machine or container.\n"
            "On a Mac with an Apple chip, use a Python that is built for arm64."
        )
    raise Refusal(f"This Python runs on {system} {machine}. {advice}")


def dotted(version):
    """(3, 11) as "3.11"."""
    return ".".join(map(str, version))


def check_room(root):
    """Refuse to begin on a disk that is too full to finish."""
    free = shutil.disk_usage(root).free
    if free < ROOM:
        raise Refusal(
            f"Set-up needs {ROOM / 1e9:.0f} GB of free disk space in {root} and finds {free / 1e9:.1f} GB.\n"
            "Free some and type the same command again."
        )


def fingerprint(root):
    """What the environment is made from: the contents of the lock and of pyproject.toml, as hashes."""
    return {name: digest(root / name) for name in ("requirements.lock", "pyproject.toml")}


def digest(path):
    """SHA-256 of a file, as hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_json(path):
    """The dictionary in a json file; empty where the file is missing or damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_state(venv, state):
    """Replace `.venv/medtutor.json` in one step, so that an interruption leaves the old or the new one."""
    draft = venv / "medtutor.json.new"
    draft.write_text(json.dumps(state, indent=1), encoding="utf-8")
    os.replace(draft, venv / "medtutor.json")


def python_of(venv):
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def why_anew(venv, state, root, asked):
    """Why `.venv` has to be made from scratch, in words; "" where what is there can be used.

    asked   the interpreter that PYTHON names, or None where any will do
    """
    if not venv.exists():
        return "for this folder"
    if state.get("root", str(root)) != str(root):
        return "anew, since the folder was moved"
    if state.get("done") is False:
        return "anew, since the last set-up was interrupted"
    made_with = version_of(venv)
    if made_with is None:
        return "anew, since its Python is gone"
    if asked and made_with != dotted(sys.version_info[:2]):
        return f"anew, since the one here has Python {made_with}"
    if not FIRST <= tuple(map(int, made_with.split("."))) <= LAST:
        return f"anew, since Python {made_with} will not do"
    return ""


def version_of(venv):
    """The environment's Python as "3.11", or None where it does not run; read from files, which is quick."""
    if not python_of(venv).exists():
        return None
    try:
        text = (venv / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
    return found and found[1]


def create(venv, reason):
    """A fresh environment with pip; replaces an environment, never a folder that is none."""
    print(f"Making {venv.name} with Python {platform.python_version()}, {reason} …", flush=True)
    if venv.exists():
        if venv.is_symlink() or not (venv / "pyvenv.cfg").exists() and any(venv.iterdir()):
            raise Refusal(f"{venv} is there, but is no Python environment. Move it away and try again.")
        shutil.rmtree(venv)
    base = getattr(sys, "_base_executable", None) or sys.executable
    command = [base, "-m", "venv", "--prompt", "medtutor", str(venv)]
    made = subprocess.run(command, capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(venv, ignore_errors=True)
        raise Refusal(
            f"{made.stdout}{made.stderr}\nPython could not make {venv}; the lines above say why.\n"
            "On Debian and Ubuntu, `sudo apt install python3-venv` adds what is most often missing."
        )


def locked(lock):
    """The packages of a lock file: {name: its lines}, the version, the marker and the hashes in them."""
    blocks = re.split(r"^(?=[a-zA-Z0-9])", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    packages = {}
    for block in filter(None, blocks):
        name = re.match(r"[\w.-]+?(?===)", block)
        if name:
            packages.setdefault(name[0], []).append(block)
    return packages


def install(venv, root, formerly):
    """Install the locked packages, by uv where it can be had, else by pip, and the project itself.

    formerly   names that an earlier lock held; those that the lock no longer holds are removed
    """
    python, lock = str(python_of(venv)), root / "requirements.lock"
    packages = locked(lock)
    print(f"Installing {len(packages)} packages (about 0.6 GB, from the network or a cache) …", flush=True)
    pip, uv, to_python = [python, "-m", "pip"], [python, "-m", "uv", "pip"], ["--python", python]
    exactly = ["--no-deps", "--require-hashes", "-r", str(lock)]  # pip would look for newer ones for an extra
    environment = {**os.environ, **index_for_uv(python), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    fast = fetch_uv(python, packages, environment)
    if fast:
        fast = works([*uv, "install", *to_python, *exactly], environment)
    if not fast:
        print("uv could not do it; going on with pip, which takes longer …", flush=True)
        if not works([*pip, "install", "--no-compile", *exactly], environment):
            raise Refusal(why_failed(root))
    remove(python, sorted(set(formerly) - set(packages)), environment)
    itself = ["--quiet", "--no-deps", "--no-build-isolation", "-e", str(root)]
    offline = [*uv, "install", *to_python, "--offline"] if fast else [*pip, "install", "--no-index"]
    if not works([*offline, *itself], environment):
        raise Refusal("The packages are there, but not the project itself; the lines above say why.")
    compile_all(python, venv)


def works(command, environment):
    """Whether a command succeeds; what it prints is shown."""
    return subprocess.run(command, env=environment).returncode == 0


def fetch_uv(python, packages, environment):
    """Whether uv is in the environment, by pip, with the version and the hashes of the lock."""
    with tempfile.TemporaryDirectory() as folder:
        only = Path(folder, "uv.txt")
        only.write_text("".join(packages.get("uv", [])), encoding="utf-8")
        command = [
            python,
            "-m",
            "pip",
            "install",
            "--retries",
            "1",
            "--no-deps",
            "--require-hashes",
            "-r",
            only,
        ]
        done = subprocess.run(command, env=environment, capture_output=True)
    return "uv" in packages and done.returncode == 0


def index_for_uv(python):
    """The package index that pip is set to use, handed on to uv, which reads no settings of pip."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    found = dict(re.findall(r"^(\S+)\.index-url='(.+)'$", listed, re.MULTILINE))
    for origin in (":env:", "install", "global"):
        if origin in found and "UV_DEFAULT_INDEX" not in os.environ:
            return {"UV_DEFAULT_INDEX": found[origin]}
    return {}


def compile_all(python, venv):
    """Write the byte code of all packages, tests apart, on all cores: pip would use one, and uv does not.

    Without it each kernel may compile Keras and TensorFlow anew, which doubles the time of `import keras`.
    """
    print("Compiling the packages, so that notebooks start faster …", flush=True)
    command = [python, "-m", "compileall", "-qq", "-j", "0", "-x", r"[/\\]tests?[/\\]", "."]
    for folder in (*venv.glob("lib/python3*/site-packages"), *venv.glob("Lib/site-packages")):
        subprocess.run(command, cwd=folder)  # from inside, so that a tests/ above it is not meant


def remove(python, names, environment):
    """Uninstall packages that the lock held and holds no more."""
    if names:
        print(f"Removing {', '.join(names)}, no longer needed …", flush=True)
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "-y", *names], env=environment)


def why_failed(root):
    """What to tell a reader whose packages could not be installed."""
    if shutil.disk_usage(root).free < 0.3e9:
        return f"The disk is full. Free {ROOM / 1e9:.0f} GB and type the same command again."
    return (
        "The packages could not be installed; the lines above say why. Most often it is the network: check\n"
        "that this computer is online (a proxy goes into HTTPS_PROXY, a mirror into `pip config set`),\n"
        "then type the same command again. What has been downloaded is not fetched twice."
    )


def settle_lab(venv):
    """JupyterLab's settings in this environment: no news, no look for updates, nothing asked at the start."""
    folder = venv / "share" / "jupyter" / "lab" / "settings"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "overrides.json").write_text(json.dumps(LAB_SETTINGS, indent=1), encoding="utf-8")


def trust(python, root):
    """Tell Jupyter to trust the course's own notebooks, so that explorers are live at first sight.

    A notebook counts as the course's own if `notebooks/source` holds its source. Done once for each content.
    """
    folder = root / "notebooks"
    sources = {path.stem for path in (folder / "source").glob("*.py")}
    notebooks = [path for path in sorted(folder.glob("*.ipynb")) if path.stem in sources]
    stamp = python.parent.parent / "trusted.json"
    known = read_json(stamp)
    found = {path.name: digest(path) for path in notebooks}
    new = [str(path) for path in notebooks if known.get(path.name) != found[path.name]]
    if not new:
        return
    signed = subprocess.run([str(python), "-m", "jupyter", "trust", *new], capture_output=True, text=True)
    if signed.returncode == 0:
        stamp.write_text(json.dumps(found, indent=1), encoding="utf-8")
    else:
        print("Jupyter could not trust the notebooks: an explorer is a picture until its cell is run.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
