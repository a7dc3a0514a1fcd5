"""The site: the chapters that are ready as static pages, to be read without Python, a server or a network.

    medtutor site   ->   build/site/index.html

The pages are made from the stored notebooks, the students' edition; nothing is run and nothing is written
twice. A cell's id is its anchor: 01_convolution.html#sobel-by-hand. A page asks only for files beside it.
"""

import base64
import hashlib
import html
import json
import re
import shutil
import struct
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

from medtutor import guide
from medtutor.course import links
from medtutor.course.build import ROOT, BuildError, shown

HERE = Path(__file__).parent
FOLDER = Path("build") / "site"
START = "00_start_here"
BLANK = "your code here"
MADE = '<meta name="generator" content="medtutor site">'
ABOUT = (
    "Text and figures: CC BY 4.0, code: MIT License. The course teaches methods. Nothing in it is a medical "
    "device, and no model in it may be used on patients."
)

NOT_MARKUP = re.compile(r"(<script\b.*?</script>|<style\b.*?</style>)", re.DOTALL | re.IGNORECASE)
PICTURE = re.compile(r'src="data:image/(png|jpeg|gif);base64,([A-Za-z0-9+/=\s]+)"')
LINK = re.compile(r'(<a\b[^>]*?\bhref=")([^"]*)"')
HEADING = re.compile(r"<h([1-6])([^>]*)>(.*?)</h\1>", re.DOTALL)
ID = re.compile(r'\bid="([^"]*)"')
EXPLORERS = re.compile(r"\bexplore_\w+\(")
LIVE = 'class="mdx-still"'  # stands in the output of an explorer that needs no Python

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{made}
<title>{title}</title>
<link rel="stylesheet" href="site.css">
<script src="site.js"></script>
</head>
<body>
<a class="skip" href="#page_main">Skip to the text</a>
<header class="bar">
<nav aria-label="Course"><a href="index.html"{home}>medtutor <span>all chapters</span></a></nav>
{search}
<label class="colours">Colours <select id="page_colours">
<option value="system">system</option>
<option value="light">light</option>
<option value="dark">dark</option>
</select></label>
</header>
<div class="columns">
{aside}<main id="page_main" tabindex="-1">
{main}
</main>
</div>
{turn}<footer><p>{about}</p></footer>
</body>
</html>
"""

SEARCH = """<form role="search" action="search.html">
<label class="spoken" for="page_search">Search the course</label>
<input type="search" id="page_search" name="q" placeholder="Search" autocomplete="off">
<button>Search</button>
</form>"""

BEGIN = f"""<p><a class="begin" href="{START}.html">Start here</a>: how the course works, and a first taste
of it.</p>"""
CURRENT = ' aria-current="page"'
MAP = """<h1>Deep learning for medicine</h1>
<p>A course to touch: each chapter opens with a patient or a picture and one clinical question, computes
a small case by hand, writes it in code, trains a model, and asks what its numbers mean at the bedside.</p>
{start}
<h2>Chapters</h2>
<ol class="map">
{items}
</ol>
<p>Times are for running all cells, from a cold kernel to the last.</p>
<h2>Pages and notebooks</h2>
<p>These pages are for reading, and their explorers answer to the pointer and the keyboard. To run and change
cells and to solve exercises, open the notebooks in a checkout of the project: <code>make lab</code>.</p>"""

SEARCHING = """<h1>Search the course</h1>
<form role="search" class="large" action="search.html">
<label for="page_search">Words to look for</label>
<input type="search" id="page_search" name="q" autocomplete="off">
<button>Search</button>
</form>
<p id="page_found" role="status"></p>
<noscript><p>Searching needs scripts, which are off in this browser.</p></noscript>
<ol id="page_results" class="results"></ol>
<script src="search-index.js"></script>
<script src="search.js"></script>"""


@dataclass
class Written:
    """A notebook as a page, and what contents, search and checks need of it.

    contents   [(level, anchor, heading as text)], levels 2 and 3
    entries    [(anchor, heading it stands under, "text" or "code", words)], for the search
    problems   [links.Problem] that only the notebook shows
    taken      ids on the page: of its cells, and of the headings so far
    """

    name: str
    title: str = ""
    body: str = ""
    contents: list = field(default_factory=list)
    entries: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    taken: set = field(default_factory=set)

    @property
    def file(self):
        return f"{self.name}.html"


# From a notebook to a page


def written(path, names, images):
    """The notebook at `path` as a Written page.

    names    of all notebooks that have a page, so that links between them lead to pages
    images   {file name: bytes}, which gets the notebook's pictures
    """
    import nbformat

    page = Written(Path(path).stem)
    cells = nbformat.read(path, as_version=4).cells
    page.taken = {cell.id for cell in cells}
    parts = [_cell(cell, page, names, images) for cell in cells]
    page.title = page.title or page.name
    page.body = "\n".join([*parts[:1], _how_to_run(page.name), *parts[1:]])
    return page


def _cell(cell, page, names, images):
    kind, body = "prose", ""
    try:
        if cell.cell_type == "markdown":
            body = _text(cell, page)
        else:
            kind = "exercise" if "exercise" in cell.metadata.get("tags", ()) else "run"
            body = _code(cell, page)
    except ValueError as error:  # a formula or an output that cannot be shown
        page.problems.append(links.Problem(page.file, cell.id, "", str(error)))
    body = _outside_scripts(body, lambda text: _with_files(_with_links(text, names), images))
    return f'<div class="cell {kind}" id="{html.escape(cell.id)}">\n{body}\n</div>'


def _text(cell, page):
    from medtutor.course import pages

    text = pages.markdown(cell.source)
    places = [(cell.id, _section(page))]
    body = _anchored(text, cell.id, page, places)
    between = HEADING.split(text)[:: HEADING.groups + 1]
    for at, ((anchor, section), part) in enumerate(zip(places, between, strict=True)):
        if at or part.strip():
            page.entries.append((anchor, section, "text", words(part)))
    return body


def _code(cell, page):
    from medtutor.course import pages

    outputs = _outputs(cell, page)
    page.entries.append((cell.id, _section(page), "code", f"{cell.source} {words(outputs)}"))
    source = f'<pre class="code"><code>{pages.code(cell.source)}</code></pre>'
    return "\n".join([source, outputs, *_needs_python(cell, page)])


def _anchored(body, cell_id, page, places):
    """A text cell whose headings lead to themselves; the first one's anchor is the cell's id.

    places  list that gets (anchor, text) of each heading
    """
    first = [cell_id]

    def anchored(found):
        level, own, inside = int(found[1]), ID.search(found[2]), found[3]
        if level == 1:
            page.title = page.title or words(inside)
            places.append((cell_id, words(inside)))
            return f"<h1>{inside}</h1>"
        own = html.unescape(own[1]) if own else ""
        own = "" if own in page.taken else own
        page.taken.add(own)
        anchor = first.pop() if first else own or cell_id
        page.contents.append((level, anchor, words(inside)))
        places.append((anchor, words(inside)))
        label = html.escape(words(inside))
        here = f'<a class="here" href="{_to(anchor)}" aria-label="Link to: {label}">#</a>'
        own = f' id="{html.escape(own)}"' if own else ""
        return f"<h{level}{own}>{inside} {here}</h{level}>"

    return HEADING.sub(anchored, body)


def _to(anchor):
    return f"#{quote(anchor)}"


def _section(page):
    return page.contents[-1][2] if page.contents else page.title


def _outputs(cell, page):
    """A code cell's outputs; headings in them begin one level below the section's, and are no anchors."""
    from medtutor.course import pages

    below = page.contents[-1][0] + 1 if page.contents else 2
    shown_outputs = []
    for each in cell.outputs:
        if _is_empty(each):
            continue
        body = pages.output(each)
        levels = [int(found[1]) for found in HEADING.finditer(body)]
        if levels:
            shift = below - levels[0]
            body = HEADING.sub(lambda found, by=shift: _shifted(found, by), body)
        shown_outputs.append(f'<div class="output">{body}</div>')
    return "\n".join(shown_outputs)


def _is_empty(output):
    """Whether an output is what is left of a panel that only a running notebook shows."""
    forms = [form for form in output.get("data", {}).values() if isinstance(form, str)]
    return bool(forms) and not any(form.strip() for form in forms)


def _shifted(found, by):
    level = min(6, max(2, int(found[1]) + by))
    return f"<h{level}>{found[3]}</h{level}>"


def _needs_python(cell, page):
    """A sentence below a cell whose use needs a running notebook."""
    notebook = f"<code>notebooks/{html.escape(page.name)}.ipynb</code>"
    if "exercise" in cell.metadata.get("tags", ()):
        if BLANK not in cell.source:
            page.problems.append(
                links.Problem(
                    page.file, cell.id, "", f"the exercise has no line with {BLANK!r}, so it may be solved; "
                    "the site shows the students' edition: build the notebook again",
                )
            )  # fmt: skip
        yield (
            f'<p class="kernel"><strong>Exercise.</strong> Fill in the blank in the notebook, where it is '
            f"checked and hints are given: <code>make lab</code>, then {notebook}.</p>"
        )
    elif EXPLORERS.search(cell.source) and not any(LIVE in str(each.get("data")) for each in cell.outputs):
        yield (
            '<p class="kernel"><strong>A picture here.</strong> This panel asks Python for each answer; it '
            f"is live in the notebook: <code>make lab</code>, then {notebook}.</p>"
        )


def _how_to_run(name):
    return (
        '<p class="kernel">On this page, explorers answer to the pointer and the keyboard. What needs Python '
        "is in the notebook: running and changing cells, exercises with their checks and hints, panels for a "
        "function or a model of your own. Open it by <code>make lab</code>, then "
        f"<code>notebooks/{html.escape(name)}.ipynb</code>.</p>"
    )


def _outside_scripts(body, change):
    """The HTML with all but its scripts and style sheets changed."""
    parts = NOT_MARKUP.split(body)
    return "".join(part if place % 2 else change(part) for place, part in enumerate(parts))


def _with_links(text, names):
    """Links to notebooks lead to their pages, and JupyterLab's anchors of cells to those of the page."""

    def changed(found):
        path, mark, anchor = found[2].partition("#")
        if path.endswith(".ipynb") and path.removesuffix(".ipynb") in names:
            path = f"{path.removesuffix('.ipynb')}.html"
        inside = not links.OUTSIDE.match(found[2])
        return f'{found[1]}{path}{mark}{anchor.removeprefix("cell-id=") if inside else anchor}"'

    return LINK.sub(changed, text)


def _with_files(text, images):
    """Pictures in the text become files; equal ones become one."""

    def stored(found):
        data = base64.b64decode(found[2])
        file = f"images/{hashlib.sha256(data).hexdigest()[:16]}.{found[1]}"
        images[file] = data
        if found[1] != "png":
            return f'src="{file}"'
        width, height = struct.unpack(">2I", data[16:24])
        return f'width="{width}" height="{height}" src="{file}"'

    return PICTURE.sub(stored, text)


class _Words(HTMLParser):
    SKIPPED = ("script", "style")

    def __init__(self):
        super().__init__()
        self.words, self.skipping = [], False

    def handle_starttag(self, tag, attrs):
        self.skipping = self.skipping or tag in self.SKIPPED
        if tag in ("p", "li", "td", "th", "tr", "div", "pre", "br") or re.fullmatch("h[1-6]", tag):
            self.words.append(" ")
        if tag == "img":
            self.words.append(f" {dict(attrs).get('alt') or ''} ")

    def handle_endtag(self, tag):
        if tag in self.SKIPPED:
            self.skipping = False

    def handle_data(self, data):
        if not self.skipping:
            self.words.append(data)


def words(body):
    """HTML as plain text in one line; of a picture, its alt text."""
    reader = _Words()
    reader.feed(body)
    reader.close()
    return " ".join("".join(reader.words).split())


# The set of pages


def site(root=ROOT):
    """All files of the site, {name: text or bytes}, and what is wrong with them as sentences."""
    folder = Path(root) / "notebooks"
    try:
        chapters = guide.chapters(folder)
    except ValueError as error:
        raise BuildError(str(error)) from None
    found = [folder / f"{START}.ipynb", *(folder / each.notebook for each in chapters if each.notebook)]
    found = [path for path in found if path.exists()]
    names = [path.stem for path in found]
    images = {}
    pages = [written(path, names, images) for path in found]
    files = {"index.html": _map(chapters, pages)}
    files |= {page.file: _page(page, pages) for page in pages}
    files["search.html"] = _framed("Search", SEARCHING, search="")
    files["search-index.js"] = search_index(pages)
    files |= {name: (HERE / name).read_text(encoding="utf-8") for name in ("site.js", "search.js")}
    files["site.css"] = _styles()
    files |= images
    problems = [problem for page in pages for problem in page.problems] + links.problems(files)
    return files, [_sentence(problem, folder) for problem in problems]


def _styles():
    from medtutor.course import pages

    return pages.STYLES + (HERE / "site.css").read_text(encoding="utf-8")


def _framed(title, main, search=SEARCH, aside="", turn="", home=""):
    return PAGE.format(
        made=MADE, title=html.escape(f"{title} · medtutor"), main=main, search=search, aside=aside, turn=turn,
        home=home, about=ABOUT,
    )  # fmt: skip


def _page(page, pages):
    place = pages.index(page)
    before, after = pages[:place][-1:], pages[place + 1 :][:1]
    turn = [f'<a rel="prev" href="{each.file}">← {html.escape(each.title)}</a>' for each in before]
    turn += [f'<a rel="next" href="{each.file}">{html.escape(each.title)} →</a>' for each in after]
    turn = f'<nav class="turn" aria-label="Previous and next chapter">{"".join(turn)}</nav>\n' if turn else ""
    return _framed(page.title, page.body, aside=_contents(page), turn=turn)


def _contents(page):
    if not page.contents:
        return ""
    items = "\n".join(
        f'<li class="level{level}"><a href="{_to(anchor)}">{html.escape(text)}</a></li>'
        for level, anchor, text in page.contents
        if level <= 3
    )
    return (
        '<nav class="contents" aria-label="On this page">\n<details open><summary>On this page</summary>\n'
        f"<ul>\n{items}\n</ul>\n</details>\n</nav>\n"
    )


def _map(chapters, pages):
    """The first page: all chapters, those that are there as links."""
    there = {page.name: page for page in pages}
    items = "\n".join(_on_the_map(each, there) for each in chapters)
    start = BEGIN if START in there else ""
    return _framed("Deep learning for medicine", MAP.format(items=items, start=start), home=CURRENT)


def _on_the_map(chapter, there):
    name = f"{chapter.number} · {html.escape(chapter.title)}"
    page = there.get((chapter.notebook or "").removesuffix(".ipynb"))
    link = f'<a href="{page.file}">{name}</a>' if page else name
    facts = [f"needs {chapter.before}", html.escape(chapter.data), chapter.time]
    return (
        f"<li{'' if page else ' class=planned'}><h3>{link}</h3><p>{html.escape(chapter.question)}</p>"
        f'<p class="facts">{" · ".join(facts)}</p></li>'
    )


def search_index(pages):
    """The words of all cells as a script, for a page that is opened as a file cannot read data otherwise."""
    cells = [
        {"page": place, "anchor": anchor, "section": section, "kind": kind, "words": text}
        for place, page in enumerate(pages)
        for anchor, section, kind, text in page.entries
    ]
    index = {"pages": [{"file": page.file, "title": page.title} for page in pages], "cells": cells}
    written_out = json.dumps(index, ensure_ascii=False).replace("<", "\\u003c")
    return f'"use strict";\nconst courseIndex = {written_out};\n'


def _sentence(problem, folder):
    """A problem with the place that an author looks at: the notebook, the cell, and the line in it."""
    name = problem.page.removesuffix(".html")
    notebook = folder / f"{name}.ipynb"
    place = shown(notebook) if notebook.exists() else problem.page
    if problem.cell:
        place += f", cell {problem.cell!r}"
        if line := _line(notebook, problem):
            place += f", line {line}"
    return f"{place}: {f'{problem.target}: ' if problem.target else ''}{problem.said}"


def _line(notebook, problem):
    """The line of the cell that holds the reference, as near as its last part tells; None where none does."""
    import nbformat

    path, _, anchor = problem.target.partition("#")
    wanted = anchor or path.removesuffix(".html")
    cell = next(each for each in nbformat.read(notebook, as_version=4).cells if each.id == problem.cell)
    lines = enumerate(cell.source.splitlines(), 1)
    return next((number for number, line in lines if wanted and wanted in line), None)


def run_site(root=ROOT, folder=None, out=None):
    """`medtutor site`: write the site; returns 0.

    folder   where to; default build/site. One that holds an earlier site is emptied first
    Raises BuildError, and writes nothing, where a reference is broken, an image has no alt text, a page would
    need the network, or the folder holds something else.
    """
    out = out or sys.stderr
    folder = Path(root) / FOLDER if folder is None else Path(folder)
    files, found = site(root)
    if found:
        count = f"{len(found)} problem{'s' if len(found) > 1 else ''}"
        raise BuildError("\n".join([f"the site was not written, it has {count}:", *found]))
    _make_room(folder)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    pages = sum(name.endswith(".html") for name in files)
    print(f"{shown(folder / 'index.html')}  {pages} pages, {len(files)} files, {size / 1e6:.1f} MB", file=out)
    return 0


def _make_room(folder):
    if not folder.exists() or not any(folder.iterdir()):
        return
    index = folder / "index.html"
    if not index.exists() or MADE not in index.read_text(encoding="utf-8", errors="replace"):
        raise BuildError(f"{shown(folder)} holds something that is no site of ours; name an empty folder")
    shutil.rmtree(folder)
