"""A newcomer's rehearsal: fresh clone, the README's commands, each chapter in a browser.  `make rehearsal`.

Clones HEAD into a temporary folder, with a new home folder and empty caches, types `make lab`, and does in
JupyterLab in Chromium what a newcomer does: opens a chapter, presses Run All, moves each explorer, solves an
exercise wrongly and then rightly, exports the chapter, and moves the explorers of the exported page.
Writes a report with pictures. By it a release is judged.
"""

import argparse
import ast
import contextlib
import inspect
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.request
from pathlib import Path

from medtutor.course import browser, rehearsed
from medtutor.course.build import ROOT
from medtutor.course.poke import WAIT, cut_off, poke
from medtutor.course.servers import free_port
from medtutor.course.validate import chosen

OUT = ROOT / "build" / "rehearsal"
PATHS = "/usr/local/bin:/usr/bin:/bin"
KEPT = re.compile(  # how to reach the package index, and how to write; nothing of the one who rehearses
    r"PIP_(?!CACHE)\w+|UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS)|SSL_CERT_\w+|"
    r"REQUESTS_CA_BUNDLE|MEDTUTOR_CHROMIUM|https?_proxy|no_proxy|TERM|LANG|LC_ALL|TZ|TMPDIR",
    re.IGNORECASE,
)
PIP_SETTINGS = (".config/pip/pip.conf", ".pip/pip.conf", "Library/Application Support/pip/pip.conf")
START = "notebooks/00_start_here.ipynb"
SET_UP_SECONDS = 1800
RUN_SECONDS = 1200  # for Run All of a chapter
REPLY_SECONDS = 60
KERNEL_WAIT = 10.0  # seconds in which an explorer that asks the kernel has to answer

EXPLORER = re.compile(r"^explore_(\w+)\(", re.MULTILINE)
BLANK = re.compile(r"def (\w+)\(.*raise NotImplementedError", re.DOTALL)
CHECK = re.compile(r"^check\((\w+)\)", re.MULTILINE)

# ---- what is asked of JupyterLab's own page; the option LabApp.expose_app_in_browser makes it answer ----

CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets.map(({ model }) => ({
  id: model.id,
  code: model.type === "code",
  source: model.sharedModel.getSource(),
  running: model.type === "code" && model.executionState === "running",
  outputs: model.type !== "code" ? [] : model.outputs.toJSON().map((output) => ({
    kind: output.output_type,
    name: output.name ?? output.ename ?? "",
    text: [output.text ?? output.data?.["text/plain"] ?? output.evalue ?? ""].flat().join(""),
    live: [output.data?.["text/html"] ?? ""].flat().join("").includes('class="mdx-still"'),
  })),
}))"""
BUSY = """() => {
  const { sessionContext, content } = window.jupyterapp.shell.currentWidget;
  const running = ({ model }) => model.type === "code" && model.executionState === "running";
  return sessionContext.session?.kernel?.status !== "idle" || content.widgets.some(running);
}"""
SHOW = """async (id) => {
  const { content } = window.jupyterapp.shell.currentWidget;
  const at = content.widgets.findIndex(({ model }) => model.id === id);
  content.activeCellIndex = at;
  const late = new Promise((done) => setTimeout(done, 3000));
  await Promise.race([content.scrollToItem(at, "start"), late]);
  content.widgets[at].node.dataset.cell = id;
}"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save')"
SHUT_DOWN = "() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()"


# ------------------------------------------------------------------------------------------- environments


def bare(home, settings=os.environ, paths=PATHS):
    """The variables of a newcomer's shell -> {name: value}; the settings of the package index are kept.

    home      an empty folder, their home
    settings  the variables of this shell
    """
    kept = {name: value for name, value in settings.items() if KEPT.fullmatch(name)}
    mine = Path(settings.get("HOME", ""))
    for name in PIP_SETTINGS:
        if "PIP_CONFIG_FILE" not in kept and (mine / name).exists():
            kept["PIP_CONFIG_FILE"] = str(mine / name)
    return kept | {"HOME": str(home), "PATH": paths}


def clone(root, folder):
    """A fresh clone of HEAD -> the seconds that it took."""
    began = time.monotonic()
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(root), str(folder)], check=True)
    return time.monotonic() - began


def copy(root, folder):
    """The tracked files as they are now, changes included, in another folder."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)


def size_of(folder):
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in _files(folder))


def own_size_of(folder):
    """Bytes of those files that are in no other place, as uv's cache and .venv share theirs by hard links."""
    return sum(path.lstat().st_size for path in _files(folder) if path.lstat().st_nlink == 1)


def _files(folder):
    return [path for path in Path(folder).rglob("*") if not path.is_dir()]


class Newcomer:
    """Somebody with a copy of the course, a home folder and a shell.

    course   where the copy lies
    python   the interpreter that it runs with
    """

    def __init__(self, folder, root, here):
        self.home, self.course, self.here = folder / "home", folder / "medtutor", here
        self.home.mkdir()
        self.variables = bare(self.home)
        self.setup = {}
        if here:
            copy(root, self.course)
            self.variables |= {"PYTHONPATH": str(self.course)}
            self.python = sys.executable
            names = [str(path) for path in sorted((self.course / "notebooks").glob("*.ipynb"))]
            self.types([self.python, "-m", "jupyter", "trust", *names])
        else:
            self.setup["clone_s"] = clone(root, self.course)
            self.setup["clone_bytes"] = size_of(self.course)
            self.python = str(self.course / ".venv" / "bin" / "python")

    def types(self, command, **options):
        """Run a command to its end, in the course's folder."""
        return subprocess.run(
            command, cwd=self.course, env=self.variables, capture_output=True, text=True, **options
        )

    def lab_command(self, port):
        """What opens JupyterLab: `make lab`, or the same in this environment."""
        options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0"]
        options += ["--LabApp.expose_app_in_browser=True"]  # through which the cells are read
        if os.geteuid() == 0:
            options.append("--allow-root")
        if self.here:
            return [self.python, "-m", "jupyterlab", START, *options]
        return ["make", "lab", f"ARGS={' '.join(options)}"]

    @contextlib.contextmanager
    def lab(self, log):
        """JupyterLab, once it answers -> (its address, token, seconds since the command was typed).

        Raises RuntimeError with the end of its log where it does not come up.
        """
        port = free_port()
        began = time.monotonic()
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                self.lab_command(port),
                cwd=self.course,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            address = f"http://127.0.0.1:{port}"
            while not _answers(address):
                if process.poll() is not None or time.monotonic() - began > SET_UP_SECONDS:
                    end = log.read_text(encoding="utf-8")[-2000:]
                    raise RuntimeError(f"JupyterLab did not come up; the end of its log:\n{end}")
                time.sleep(0.1)
            seconds = time.monotonic() - began
            while not (found := re.search(r"[?]token=(\w+)", log.read_text(encoding="utf-8"))):
                time.sleep(0.1)
            yield address, found[1], seconds
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def tests(self):
        """`make test` -> {"seconds", "status", "tail"}, without what was typed and saved in the clone."""
        self.types(["git", "checkout", "--quiet", "."], check=True)
        began = time.monotonic()
        done = self.types(["make", "test"])
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        return {"seconds": time.monotonic() - began, "status": done.returncode, "tail": tail}


def _answers(address):
    try:
        urllib.request.urlopen(f"{address}/api", timeout=5).close()
    except OSError:
        return False
    return True


# ----------------------------------------------------------------------------------------------- chapters


class Rehearsal:
    """One chapter in a browser: all that is done to it, and what came of it, in `row`.

    pictures  the folder for pictures
    """

    def __init__(self, path, pictures):
        self.path, self.pictures = path, pictures
        self.row = {
            "name": path.stem,
            "title": _title(path),
            "open_s": None,
            "run_s": None,
            "sizes": {"notebook": path.stat().st_size},
            "broke": "",
        }
        for name in ("errors", "explorers", "untouched", "attempts", "console", "foreign", "pictures"):
            self.row[name] = []

    def take_picture(self, page, name, words):
        """A picture of what is on the screen."""
        file = f"{self.path.stem}-{name}.jpg"
        page.screenshot(path=self.pictures / file, type="jpeg", quality=70)
        self.row["pictures"].append({"file": f"{self.pictures.name}/{file}", "words": words})

    def note(self, seen, place):
        """Keep what a Watch has seen."""
        for text, address in seen.console:
            address = address.partition("?")[0]
            of_lab = bool(browser.OF_LAB.search(address))
            self.row["console"].append({"place": place, "text": f"{text} {address}", "of_lab": of_lab})
        for error in seen.errors:
            stack = error.stack or str(error)
            of_lab = bool(browser.OF_LAB.search(stack))
            self.row["console"].append({"place": place, "text": stack, "of_lab": of_lab})
        self.row["foreign"] += seen.foreign

    # ---- in JupyterLab ----

    def in_lab(self, chromium, address, token):
        """Open the chapter, run it, move its explorers, check what its exercises say, and save it."""
        with browser.watched(chromium) as (page, seen):
            page.set_default_timeout(60_000)  # a busy machine is no fault
            try:
                began = time.monotonic()
                page.goto(f"{address}/lab/tree/{self.path.name}?reset&token={token}")
                page.wait_for_selector(".jp-Notebook h1")
                browser.kernel_is_there(page)
                self.row["open_s"] = time.monotonic() - began
                self.take_picture(page, "top", "as it opens")
                self.run_all(page)
                self.row["explorers"] += [
                    self.explorer(page, cell, name, "lab") for cell, name in self.explorers(page)
                ]
                self.save(page)
                self.exercises(page)
                page.evaluate(SHUT_DOWN)
            finally:
                self.note(seen, "lab")

    def run_all(self, page):
        began = time.monotonic()
        browser.run_all(page)
        page.wait_for_timeout(500)
        while page.evaluate(BUSY):
            if time.monotonic() - began > RUN_SECONDS:
                raise RuntimeError(f"Run All was not over after {RUN_SECONDS} s")
            page.wait_for_timeout(500)
        self.row["run_s"] = time.monotonic() - began
        for cell in page.evaluate(CELLS):
            for output in cell["outputs"]:
                if output["kind"] == "error" or output["name"] == "stderr":
                    text = f"{output['name']}: {output['text']}"
                    self.row["errors"].append({"cell": cell["id"], "text": text})

    def explorers(self, page):
        """The cells that show an explorer, each with its name."""
        return [
            (cell, found[1])
            for cell in page.evaluate(CELLS)
            if cell["code"] and (found := EXPLORER.search(cell["source"]))
        ]

    def explorer(self, page, cell, name, place):
        """Move one explorer -> its entry in the report."""
        identity, live = cell["id"], any(output["live"] for output in cell["outputs"])
        entry = {"cell": identity, "name": name, "place": place, "kind": "live", "there": False}
        entry |= {"pokes": {}, "cut_off": []}
        if place == "lab":
            page.evaluate(SHOW, identity)
            inside = page.locator(f'[data-cell="{identity}"] .jp-Cell-outputArea')
            root = inside.locator(".mdx" if live else ".mdt-live, .widget-vbox").first
        else:
            inside = page.locator(f'[id="cell-id={identity}"]')
            root = inside.locator(".mdx" if live else ".mdt-still, figure").first
            entry["kind"] = "live" if live else "still"
        try:
            root.wait_for(timeout=20_000)
            root.scroll_into_view_if_needed()
        except Exception:  # playwright's own; what is missing is seen in the picture
            self.take_picture(page, f"{place}-{identity}", f"{name} {rehearsed.PLACES[place]}: not there")
            return entry
        entry["there"] = True
        entry["cut_off"] = cut_off(root)
        if entry["kind"] == "live":
            entry["pokes"] = poke(root, WAIT if live else KERNEL_WAIT)
            entry["cut_off"] = list(dict.fromkeys(entry["cut_off"] + cut_off(root)))
        words = f"explorer {name} {rehearsed.PLACES[place]}, after it was moved"
        self.take_picture(page, f"{place}-{identity}", words if entry["pokes"] else words.split(",")[0])
        return entry

    def save(self, page):
        """Save until nothing is unsaved: a late answer of a panel changes the notebook once more."""
        unsaved = page.locator(".jp-mod-dirty")
        for _ in range(30):
            page.evaluate(SAVE)
            page.wait_for_timeout(1000)
            if not unsaved.count():
                break
        else:
            raise RuntimeError("JupyterLab still has something to save after 30 attempts")
        self.row["sizes"]["notebook, run"] = self.path.stat().st_size

    def exercises(self, page):
        """What each check says of its blank; then one exercise solved wrongly, and rightly."""
        cells = page.evaluate(CELLS)
        blanks = {found[1]: cell["id"] for cell in cells if (found := BLANK.match(cell["source"]))}
        checks = {found[1]: cell for cell in cells if (found := CHECK.search(cell["source"]))}
        for name, cell in checks.items():
            self.row["untouched"].append({"exercise": name, "said": _said(cell)})
            page.evaluate(SHOW, blanks.get(name, cell["id"]))
            self.take_picture(page, f"exercise-{name}", f"exercise {name}, untouched")
        for name, kind, text, wanted in answers([name for name in blanks if name in checks]):
            said = self.attempt(page, blanks[name], checks[name]["id"], text)
            self.row["attempts"].append({"exercise": name, "kind": kind, "wanted": wanted, "said": said})
            self.take_picture(page, f"exercise-{name}-{kind}", f"exercise {name}, solved {kind}ly")

    def attempt(self, page, blank, check, text):
        """Type an answer over the blank, run it and its check -> what the check says."""
        self.type_into(page, blank, text)
        page.keyboard.press("Shift+Enter")
        self.idle(page)
        page.evaluate(SHOW, check)
        page.locator(f'[data-cell="{check}"] .cm-content').click()
        page.keyboard.press("Shift+Enter")
        self.idle(page)
        page.evaluate(SHOW, blank)
        (checked,) = [cell for cell in page.evaluate(CELLS) if cell["id"] == check]
        return _said(checked)

    def type_into(self, page, identity, text):
        page.evaluate(SHOW, identity)
        page.locator(f'[data-cell="{identity}"] .cm-content').click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(text)
        (typed,) = [cell["source"] for cell in page.evaluate(CELLS) if cell["id"] == identity]
        if typed.split() != text.split():
            raise RuntimeError(f"what was typed into cell {identity} is not what stands there")

    def idle(self, page):
        page.wait_for_timeout(300)
        end = time.monotonic() + REPLY_SECONDS
        while page.evaluate(BUSY):
            if time.monotonic() > end:
                raise RuntimeError(f"a cell was not over after {REPLY_SECONDS} s")
            page.wait_for_timeout(100)

    # ---- without a kernel ----

    def exported(self, chromium, newcomer, folder):
        """Export the saved notebook, open the page, and move its explorers."""
        offline = [f"--HTMLExporter.{name}_url=" for name in ("require_js", "mathjax", "jquery")]
        done = newcomer.types(
            [newcomer.python, "-m", "nbconvert", "--to", "html", *offline, "--output-dir", str(folder)]
            + [str(self.path)]
        )
        file = folder / f"{self.path.stem}.html"
        if done.returncode or not file.exists():
            raise RuntimeError(f"nbconvert did not export it: {done.stderr[-500:]}")
        self.row["sizes"]["page"] = file.stat().st_size
        notebook = json.loads(self.path.read_text(encoding="utf-8"))
        with browser.watched(chromium) as (page, seen):
            try:
                page.goto(file.as_uri())
                for cell, name in _stored_explorers(notebook):
                    self.row["explorers"].append(self.explorer(page, cell, name, "page"))
            finally:
                self.note(seen, "page")


def _said(cell):
    """All text that a cell put out."""
    return "".join(output["text"] for output in cell["outputs"])


def _stored_explorers(notebook):
    """Of a stored notebook, the cells that show an explorer, as `Rehearsal.explorers` has them."""
    for cell in notebook["cells"]:
        found = EXPLORER.search("".join(cell["source"]))
        if cell["cell_type"] == "code" and found:
            pages = ["".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"]]
            yield (
                {"id": cell["id"], "outputs": [{"live": 'class="mdx-still"' in page} for page in pages]},
                found[1],
            )


def _title(path):
    """The first heading of a notebook."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if found := re.search(r"^# (.+)", "".join(cell["source"]), re.MULTILINE):
            return found[1]
    return path.stem


def answers(names):
    """Of the first exercise that has a mistake for it: a wrong answer and the right one.

    -> [(exercise, "wrong" or "right", the text to type, the words of the check behind its name)]
    """
    from medtutor.exercises import find

    for name in names:
        exercise = find(name)
        for mistake in exercise.mistakes:
            if text := as_typed(mistake, exercise):
                right = f"right. {exercise.right}"
                return [
                    (name, "wrong", text, mistake.reply),
                    (name, "right", exercise.source.rstrip(), right),
                ]
    return []


def as_typed(mistake, exercise):
    """A mistake as a student would type it, or "" where it needs more than numpy and its own text."""
    import numpy as np

    from medtutor.exercises import grade

    node = ast.parse(textwrap.dedent(inspect.getsource(mistake.function))).body[0]
    node.name, node.decorator_list = exercise.name, []
    text, space = ast.unparse(node), {"np": np}
    try:
        exec(text, space)
    except NameError:
        return ""
    return text if grade(space[exercise.name]).mistake == mistake.name else ""


# ---------------------------------------------------------------------------------------------- rehearsing


def rehearse(paths, root=ROOT, out=OUT, here=False, test=False):
    """Rehearse and write the report into `out` -> the report, as medtutor.course.rehearsed describes it.

    paths  stored notebooks of this checkout
    here   with this environment and the files as they are now, instead of a fresh clone
    test   `make test` too
    """
    from playwright.sync_api import sync_playwright

    chromium = browser.chromium_path()
    if chromium is None:
        raise RuntimeError(
            f"no browser: none of {', '.join(browser.NAMES)} is installed and MEDTUTOR_CHROMIUM is not set"
        )
    make_room(out)
    report = {"what": _what(root, here), "setup": {}, "tests": None, "chapters": []}
    try:
        with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as folder:
            folder = Path(folder)
            _say("a copy with this environment" if here else "git clone")
            newcomer = Newcomer(folder, root, here)
            report["setup"] = newcomer.setup
            _set_up(newcomer, out)
            with sync_playwright() as playwright:
                launched = playwright.chromium.launch(executable_path=chromium, args=browser.QUIET)
                with newcomer.lab(out / "lab.log") as (address, token, _):
                    for path in paths:
                        _say(path.stem)
                        copied = newcomer.course / "notebooks" / path.name
                        row = _chapter(launched, newcomer, copied, (address, token), out)
                        report["chapters"].append(row)
                        _write(report, out)  # so that whoever stops it has what was done
                launched.close()
            newcomer.setup["home_bytes"] = own_size_of(newcomer.home)
            if test:
                _say("make test")
                report["tests"] = newcomer.tests()
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        report["setup"]["broke"] = str(error)
    _write(report, out)
    return report


def _write(report, out):
    (out / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), encoding="utf-8")
    (out / "report.html").write_text(rehearsed.page(report), encoding="utf-8")


def make_room(out):
    """An empty folder for a report, in place of an earlier one.

    Raises ValueError where the folder holds something else.
    """
    if out.exists() and any(out.iterdir()) and not (out / "report.json").exists():
        raise ValueError(f"{out} holds something that is no report; name a folder that is empty or new")
    shutil.rmtree(out, ignore_errors=True)
    (out / "pictures").mkdir(parents=True)


def _set_up(newcomer, logs):
    """The first `make lab`, which sets up the environment, timed; the second is that of the chapters."""
    if newcomer.here:
        return
    _say("make lab")
    with newcomer.lab(logs / "setup.log") as (_, _, seconds):
        newcomer.setup["lab_s"] = seconds
    newcomer.setup["venv_bytes"] = size_of(newcomer.course / ".venv")
    with newcomer.lab(logs / "again.log") as (_, _, seconds):
        newcomer.setup["again_s"] = seconds


def _chapter(chromium, newcomer, path, lab, out):
    rehearsal = Rehearsal(path, out / "pictures")
    try:
        rehearsal.in_lab(chromium, *lab)
        rehearsal.exported(chromium, newcomer, newcomer.home.with_name("exported"))
    except Exception as error:  # whatever breaks one chapter, the others are rehearsed and it is told
        rehearsal.row["broke"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return rehearsal.row


def _what(root, here):
    """Which state of the project was rehearsed, and on what machine."""
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h (%s)"], cwd=root, capture_output=True, text=True
    ).stdout.strip()
    where = "in the maintainer's environment" if here else "in a fresh clone with a new home folder"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"Commit {commit}, rehearsed {where} on {time.strftime('%Y-%m-%d')}, on {machine}."


def _say(what):
    print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)


def main(argv=None):
    """`medtutor rehearse`; returns 0 where nothing failed, 1 where something did, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="medtutor rehearse",
        description="Do what a newcomer does: clone HEAD into a temporary folder with a new home and empty\n"
        "caches, `make lab`, and in JupyterLab in Chromium open each chapter, press Run All, move\n"
        "each explorer by pointer and keys, solve one exercise wrongly and then rightly, export the\n"
        "chapter and move the explorers of that page. Cells that raise, errors in the console,\n"
        "requests to other computers, explorers or checks without their answer, and what sticks\n"
        "out of an explorer or is cut off in it, are failures.\n"
        "Needs the network or a mirror for the set-up, 3 GB of disk, and Chromium.",
        epilog="examples:\n  medtutor rehearse                      all chapters, about 20 minutes\n"
        "  medtutor rehearse --test               and make test, as a release asks for\n"
        "  medtutor rehearse --here --chapters 1  this environment, files as they are, one chapter",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--chapters", nargs="+", default=[], metavar="NN", help="numbers or names (default: all)"
    )
    parser.add_argument("--here", action="store_true", help="this environment and the files as they are now")
    parser.add_argument("--test", action="store_true", help="run make test in the fresh clone, too")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FOLDER", help="default build/rehearsal")
    options = parser.parse_args(argv)
    if options.here and options.test:
        parser.error("--test runs in a fresh clone, --here has none: give one of the two")
    try:
        paths = chosen(options.chapters)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and JupyterLab is ended on the way
        report = rehearse(paths, out=options.out, here=options.here, test=options.test)
    except (ValueError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"\n{rehearsed.summary(report)}\n{options.out / 'report.html'}")
    return 1 if rehearsed.failures(report) else 0


if __name__ == "__main__":
    sys.exit(main())
