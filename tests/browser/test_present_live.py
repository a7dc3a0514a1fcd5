"""`medtutor present --live`: a chapter in JupyterLab, one document, in letters for the last row."""

import os
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from medtutor.course import build
from medtutor.course.servers import end, free_port

SOURCE = """\
# %% [markdown] id="opening"
# # One
#
# Words.

# %% id="sum"
1 + 1
"""


@pytest.fixture
def live(tmp_path):
    """The address of JupyterLab, started as the command does in a course of one chapter."""
    (tmp_path / "notebooks" / "source").mkdir(parents=True)
    (tmp_path / "notebooks" / "source" / "01_tiny.py").write_text(SOURCE, encoding="utf-8")
    chapter = build.chapters(["1"], tmp_path)[0]
    nbformat.write(build.read_source(chapter.source).notebook, chapter.notebook)
    port = free_port()
    options = [
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--LabServerApp.notebook_starts_kernel=False",
    ]
    words = ["present", "--live", "1", "--no-browser", *options]
    command = f"from medtutor.course import cli; cli.main({words}, {str(tmp_path)!r})"
    names = ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    folders = {name: str(tmp_path / name.lower()) for name in names}
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", command], env=os.environ | folders, stdout=log, stderr=log
        )
    address = f"http://127.0.0.1:{port}"
    latest = time.monotonic() + 120
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=10).close()
            break
        except OSError:
            if server.poll() is not None or time.monotonic() > latest:
                server.kill()
                pytest.fail(
                    "JupyterLab did not start: " + (tmp_path / "log").read_text(encoding="utf-8")[-2000:]
                )
            time.sleep(0.2)
    yield address
    end(server)


def test_live_opens_one_document_in_letters_of_eighteen_pixels_or_more(new_tab, live, tmp_path):
    with new_tab() as tab:
        tab.goto(live)  # leads to the chapter
        tab.wait_for_selector(".jp-RenderedMarkdown h1")
        tab.wait_for_selector(".jp-CodeCell .cm-content")
        assert tab.url.endswith("/doc/tree/01_tiny.ipynb")
        assert tab.locator("#main").get_attribute("data-shell-mode") == "single-document"
        for part in (".jp-CodeCell .cm-content", ".jp-RenderedMarkdown p"):
            size = tab.locator(part).first.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")
            assert size >= 18, part
    assert not (tmp_path / "jupyter_config_dir" / "lab" / "user-settings").exists()
