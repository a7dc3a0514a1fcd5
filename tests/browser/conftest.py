"""A real Chromium and a real JupyterLab for the browser tests; no request leaves this computer."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from medtutor.course import browser
from medtutor.course.servers import end, free_port

# The tabs of a profile share one process: opening and closing one then takes two thirds of the work.
ONE_PROCESS = ["--disable-site-isolation-trials", "--renderer-process-limit=1"]
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def pytest_configure(config):
    config.addinivalue_line("markers", "browser: needs Chromium; skipped where none is installed")


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium():
    """A running Chromium, driven by playwright."""
    path = browser.chromium_path()
    if path is None:
        names = ", ".join(browser.NAMES)
        pytest.skip(f"no browser: none of {names} is installed and MEDTUTOR_CHROMIUM is not set")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=[*browser.QUIET, *ONE_PROCESS])
        yield launched
        launched.close()


@contextmanager
def quiet(tab):
    """The page of a watched tab; a request to another computer or an error in our scripts fails the test."""
    with tab as (page, seen):
        yield page
    assert seen.foreign == [], "the page asked another computer"
    ours = [error.stack for error in seen.errors if not browser.OF_LAB.search(error.stack)]
    assert ours == [], "a script on the page failed"


@pytest.fixture(scope="session")
def profiles(chromium):
    """profiles(**options): the profile with these options that tests share, with an empty tab that stays.

    Beside a tab that stays, opening one and closing it takes half the work.
    """
    opened = {}

    def of(**options):
        key = json.dumps(options, sort_keys=True)
        if key not in opened:
            opened[key] = browser.profile(chromium, **options)
            opened[key].new_page()
        return opened[key]

    yield of
    for context in opened.values():
        context.close()


@contextmanager
def forgetting(tab):
    """The tab; at its end nothing that its pages stored is left to the next one."""
    with tab as (page, seen):
        try:
            yield page, seen
        finally:
            storage = page.context.new_cdp_session(page.context.pages[0])  # the tab that stays
            storage.send("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
            storage.detach()


@pytest.fixture(scope="session")
def new_tab(profiles):
    """new_tab(**options) opens a tab, as a context manager; what its pages stored is forgotten in the end."""
    return lambda **options: quiet(forgetting(browser.tab_in(profiles(**options))))


@pytest.fixture
def page(new_tab):
    """A tab, 1280 pixels wide."""
    with new_tab() as opened:
        yield opened


@pytest.fixture
def own_page(chromium):
    """A tab in a profile of its own: for a test that changes the clock, which is that of a whole profile."""
    with quiet(browser.watched(chromium)) as opened:
        yield opened


@pytest.fixture
def touch_page(new_tab):
    """A tab on a screen that is touched, as on a tablet."""
    with new_tab(has_touch=True) as opened:
        yield opened


@pytest.fixture
def zoomed_page(new_tab):
    """A tab at 200 % zoom: half as many pixels, each twice as large."""
    with new_tab(viewport={"width": 640, "height": 450}, device_scale_factor=2) as opened:
        yield opened


@pytest.fixture
def dark_page(tmp_path):
    """dark_page(tab, page, copies) opens a dark page that holds an explorer's page, so many times."""

    def opened(tab, page, copies=1, ready="[data-live=yes]"):
        path = tmp_path / "page.html"
        dark = "<!doctype html><meta charset=utf-8><body style='background:#111;color:#eee'>"
        path.write_text(dark + page * copies, encoding="utf-8")
        tab.goto(path.as_uri())
        tab.wait_for_selector(ready)
        return tab

    return opened


@pytest.fixture
def open_exported(tmp_path):
    """open_exported(tab, *cells) opens a notebook of these cells as nbconvert exports it."""
    from nbconvert import HTMLExporter

    def opened(tab, *cells):
        exporter = HTMLExporter(require_js_url="", mathjax_url="", jquery_url="")
        exported, _ = exporter.from_notebook_node(nbformat.v4.new_notebook(cells=list(cells)))
        (tmp_path / "exported.html").write_text(exported, encoding="utf-8")
        tab.goto((tmp_path / "exported.html").as_uri())

    return opened


class Lab:
    """A JupyterLab server on this computer: no token, kernels only where a test starts one."""

    def __init__(self, folder, port):
        self.folder, self.url = folder / "notebooks", f"http://127.0.0.1:{port}"
        self.data, self.settings = folder / "data", folder / "settings"
        for place in (self.folder, self.data, self.settings):
            place.mkdir(exist_ok=True)
        self.setting("apputils-extension/notification", checkForUpdates=False, fetchNews="false")
        variables = {
            "JUPYTER_DATA_DIR": self.data,
            "JUPYTER_CONFIG_DIR": folder / "config",
            "JUPYTER_RUNTIME_DIR": folder / "runtime",
            "JUPYTERLAB_SETTINGS_DIR": self.settings,
            "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
            "IPYTHONDIR": folder / "ipython",
        }
        options = {
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.root_dir": self.folder,
            "IdentityProvider.token": "",
            "ServerApp.password": "",
            "ServerApp.disable_check_xsrf": True,
            "LabApp.extension_manager": "readonly",
            "LabServerApp.notebook_starts_kernel": False,
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        with (folder / "server.log").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*command, *(f"--{name}={value}" for name, value in options.items())],
                env=os.environ | {name: str(value) for name, value in variables.items()},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def answers(self, seconds=40):
        """Waits for the server; False if it ends or stays silent."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                return bool(self.ask("/api/status"))
            except OSError:
                time.sleep(0.1)
        return False

    def ask(self, path, body=None):
        """The server's answer to a GET, or to a POST of `body`, as JSON."""
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data), timeout=30) as answer:
            return json.load(answer)

    def stop(self, kernel):
        """Ends the kernel with this id."""
        request = urllib.request.Request(f"{self.url}/api/kernels/{kernel}", method="DELETE")
        urllib.request.urlopen(request, timeout=30).close()

    def setting(self, plugin, **values):
        """Writes the user's settings of one of Lab's plugins, e.g. the theme; read when a page is opened."""
        path = self.settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")

    def store(self, name, cells, trusted=True):
        """A notebook of these cells in the server's folder, signed or not; its address in Lab."""
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)
        path = self.folder / name
        nbformat.write(notebook, path)
        if trusted:
            NotebookNotary(data_dir=str(self.data)).sign(nbformat.read(path, as_version=4))
        return f"{self.url}/lab/tree/{name}?reset"


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """JupyterLab on a free port, with settings, trust and workspaces of its own."""
    for _ in range(3):  # another program may take the port between the asking and the using
        server = Lab(tmp_path_factory.mktemp("lab"), free_port())
        if server.answers():
            break
        server.process.kill()
    else:
        pytest.fail(
            "JupyterLab did not start: " + (server.folder.parent / "server.log").read_text("utf-8")[-2000:]
        )
    yield server
    end(server.process)


def stored_cell(bundle, source="explore_convolution()", identity="explorer"):
    """A code cell as a stored notebook holds it: run once, with this bundle as its output."""
    output = nbformat.v4.new_output("execute_result", data=bundle, execution_count=1)
    return nbformat.v4.new_code_cell(source, id=identity, execution_count=1, outputs=[output])


@pytest.fixture(scope="session")
def cell_of():
    """stored_cell, for tests: the code cell whose stored output is a bundle."""
    return stored_cell


FAINT_TEXTS = """(root) => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = channels(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const shown = [...root.querySelectorAll("*")].filter((element) =>
    (element.matches("input[type=number]") ||
      [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    && element.checkVisibility({visibilityProperty: true}));
  const judged = shown.map((element) => {
    const [light, dark] = [channels(getComputedStyle(element).color), behind(element)]
      .map(luminance).sort((a, b) => b - a);
    return {text: element.value || element.textContent, contrast: (light + 0.05) / (dark + 0.05)};
  });
  return {count: judged.length, faint: judged.filter(({contrast}) => contrast < 4.5)};
}"""


@pytest.fixture(scope="session")
def contrast():
    """contrast(locator) -> {"count": texts seen, "faint": those below 4.5 to 1} inside the element."""
    return lambda locator: locator.evaluate(FAINT_TEXTS)
