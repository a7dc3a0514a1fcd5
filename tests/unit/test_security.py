"""What the course never does: run code that came as data, or ask another computer for a part of a page."""

import ast
import json
import re

import pytest

from medtutor.course import links
from medtutor.course.validate import ROOT, chosen

SCRIPTS = sorted(
    path
    for folder in ("medtutor", "notebooks/source", "studies", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
ASSETS = sorted(path for path in (ROOT / "medtutor").rglob("*") if path.suffix in (".js", ".css", ".html"))
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}
ASKS = re.compile(
    r"\bfetch\s*\(|XMLHttpRequest|\bWebSocket\b|\bEventSource\b|WebTransport|sendBeacon|importScripts"
    r"|\bimport\s*\(|\b(?:import|from)\s+['\"]|serviceWorker|\bsrc\s*=\s*[`'\"](?:https?:)?//"
)


def unsafe(source):
    """[(line, what)] of all that would unpickle or run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            if said := unsafe_call(node):
                found.append((node.lineno, said))
        found += [(node.lineno, name) for name in names if name.split(".")[0] in PICKLES]
    return found


def unsafe_call(node):
    call = ast.unparse(node.func)
    last = call.rsplit(".", 1)[-1]
    given = {each.arg: ast.unparse(each.value) for each in node.keywords}
    if given.get("allow_pickle", "False") != "False":
        return f"{call} with allow_pickle"
    if call in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
        return f"{call} that does not say allow_pickle=False"
    if given.get("safe_mode", "True") != "True" or last == "enable_unsafe_deserialization":
        return f"{call} without safe mode"
    if call == "torch.load" and given.get("weights_only") != "True":
        return "torch.load without weights_only=True"
    if last in ("read_pickle", "unsafe_load", "full_load"):
        return call
    if call == "yaml.load" and not any("Safe" in each for each in given.values()):
        return "yaml.load without a safe loader"
    return ""


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import dill as words",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=trust)",
        "np.lib.format.read_array(file, allow_pickle=True)",
        "keras.models.load_model(path, safe_mode=False)",
        "keras.config.enable_unsafe_deserialization()",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pd.read_pickle(path)",
        "yaml.load(text)",
    ],
)
def test_what_would_run_a_file_is_found(source):
    assert unsafe(f"def f():\n    {source}")


def test_what_is_safe_is_let_through():
    assert not unsafe(
        "np.load(p, allow_pickle=False); keras.models.load_model(p); json.load(f); np.save(p, x)"
    )


def test_nothing_that_comes_from_outside_is_unpickled():
    assert len(SCRIPTS) > 100
    found = {
        path.relative_to(ROOT).as_posix(): said
        for path in SCRIPTS
        if (said := unsafe(path.read_text("utf-8")))
    }
    assert not found


def asked(html):
    """What a page loads by itself from another computer, links apart: addresses, and calls of its scripts."""
    loaded = [address for _, address in links.read(html).resources if links.OUTSIDE.match(address)]
    scripts = re.findall(
        r"<script(?![^>]*application/json)[^>]*>(.*?)</script", html, re.DOTALL | re.IGNORECASE
    )
    calls = [found for script in scripts for found in ASKS.findall(script)]
    return [address for address in loaded if not address.startswith(("data:", "blob:"))] + calls


def pages_of(notebook):
    """(cell id, HTML) of each text and each output, as a reader's JupyterLab shows them."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield cell["id"], markdown.render("".join(cell["source"]))
        for output in cell.get("outputs", ()):
            for kind, content in output.get("data", {}).items():
                if kind in ("text/html", "image/svg+xml"):
                    yield cell["id"], "".join(content)
                elif kind == "text/markdown":
                    yield cell["id"], markdown.render("".join(content))
                elif kind == "application/javascript":
                    yield cell["id"], f"<script>{''.join(content)}</script>"


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://a.b/c.png">',
        '<img src="//a.b/c.png">',
        '<script src="http://a.b/c.js"></script>',
        '<link rel="stylesheet" href="https://a.b/c.css">',
        "<style>@import 'https://a.b/c.css';</style>",
        '<p style="background: url(https://a.b/c.png)">',
        "<script>fetch('x')</script>",
        "<script>new WebSocket(address)</script>",
        '<script type="module">import "https://a.b/c.js"</script>',
        "<script>import(address)</script>",
        "<script>image.src = `https://a.b/c.png`</script>",
        '<video src="https://a.b/c.mp4"></video>',
    ],
)
def test_what_asks_another_computer_is_found(html):
    assert asked(f"<p>before {html} after</p>")


def test_links_and_what_lies_on_the_page_are_let_through():
    assert not asked(
        '<a href="https://a.b">c</a><img src="data:image/png;base64,AA"><script>let a = 1</script>'
    )


@pytest.mark.parametrize("notebook", chosen(), ids=lambda path: path.stem)
def test_a_stored_notebook_asks_no_other_computer(notebook):
    found = {cell: said for cell, html in pages_of(notebook) if (said := asked(html))}
    assert not found


@pytest.mark.parametrize("path", ASSETS, ids=lambda path: path.name)
def test_a_part_of_explorers_slides_and_site_asks_no_other_computer(path):
    text = path.read_text(encoding="utf-8")
    found = ASKS.findall(text) if path.suffix == ".js" else asked(text)
    found += [address for address in links.in_styles(text) if links.OUTSIDE.match(address)]
    assert [each for each in found if not each.startswith("data:")] == []
