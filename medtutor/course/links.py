"""What holds for a set of static pages, checked without a browser: `problems(files)`.

Every reference inside leads to a file and an anchor that are there, nothing is asked of another computer,
each image has words for those who do not see it, and headings, titles and language are in order.
"""

import posixpath
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote

RESOURCES = {
    "audio": ("src",), "embed": ("src",), "iframe": ("src", "srcdoc"), "img": ("src", "srcset"),
    "input": ("src",), "link": ("href",), "object": ("data",), "script": ("src",),
    "source": ("src", "srcset"), "track": ("src",), "use": ("href", "xlink:href"), "video": ("src", "poster"),
}  # fmt: skip
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
IN_STYLES = re.compile(r"""url\(\s*["']?([^"')]*)|@import\s+["']([^"']*)""")
MAY_BE_LINKED = ("https:", "http:", "mailto:")
OUTPUT_ID = "medtutor-"  # of an explorer, which a page may show twice


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    page    file name of the page
    cell    id of the cell that it stands in, "" for none
    target  the reference that is meant, "" for none
    said    what is wrong, and what to do
    """

    page: str
    cell: str
    target: str
    said: str


@dataclass
class Page:
    """What a page has, in the order of its text; each entry begins with the id of its cell.

    links, resources   [(cell, address)]: what a reader may follow, and what the page fetches by itself
    images, headings   [(cell, alt or None)] and [(cell, level)]
    """

    language: str = ""
    title: str = ""
    ids: list = field(default_factory=list)
    links: list = field(default_factory=list)
    resources: list = field(default_factory=list)
    images: list = field(default_factory=list)
    headings: list = field(default_factory=list)


class _Reader(HTMLParser):
    """Reads one page; a cell is an element of the class "cell" with an id, and ends where the next begins."""

    def __init__(self):
        super().__init__()
        self.page, self.cell, self.inside = Page(), "", None

    def handle_starttag(self, tag, attrs):
        values = {name: value or "" for name, value in attrs}
        page = self.page
        if "cell" in values.get("class", "").split():
            self.cell = values.get("id", "")
        elif tag in ("nav", "footer"):
            self.cell = ""
        if "id" in values:
            page.ids.append((self.cell, values["id"]))
        if tag == "html":
            page.language = values.get("lang", "")
        if tag in ("a", "area", "form") and (values.keys() & {"href", "action"}):
            page.links.append((self.cell, values.get("href", values.get("action"))))
        if tag == "img":
            page.images.append((self.cell, values.get("alt")))
        if re.fullmatch("h[1-6]", tag):
            page.headings.append((self.cell, int(tag[1])))
        for name in RESOURCES.get(tag, ()):
            if name in values:
                page.resources.append((self.cell, values[name]))
        page.resources += [(self.cell, found) for found in in_styles(values.get("style", ""))]
        if tag in ("style", "title"):
            self.inside = tag

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None

    def handle_data(self, data):
        if self.inside == "title":
            self.page.title += data
        elif self.inside == "style":
            self.page.resources += [(self.cell, found) for found in in_styles(data)]


def read(text):
    """The Page of an HTML text."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.page


def in_styles(text):
    """Addresses that a style sheet fetches."""
    return [address or imported for address, imported in IN_STYLES.findall(text)]


def problems(files):
    """What is wrong with a set of files, {name: text or bytes}, of which the .html ones are pages.

    Returns a list of Problem, in the order of the files; empty where all is well.
    """
    pages = {name: read(text) for name, text in files.items() if name.endswith(".html")}
    anchors = {name: {each for _, each in page.ids} for name, page in pages.items()}
    found = []
    for name, page in pages.items():
        found += [Problem(name, *each) for each in _page(page)]
        for cell, target in page.links:
            if said := _link(name, target, files, anchors):
                found.append(Problem(name, cell, target, said))
        for cell, target in page.resources:
            if said := _resource(name, target, files):
                found.append(Problem(name, cell, target, said))
    for name, text in files.items():
        if name.endswith(".css"):
            fetched = ((target, _resource(name, target, files)) for target in in_styles(text))
            found += [Problem(name, "", target, said) for target, said in fetched if said]
    return found


def _link(page, target, files, anchors):
    """What is wrong with a link, in words; "" where it leads somewhere, or out of the site."""
    if target.lower().startswith(MAY_BE_LINKED):
        return ""
    if OUTSIDE.match(target):
        return "a link begins with http, https or mailto, or leads to a file of the site"
    file, anchor = at(page, target)
    if file not in files:
        return f"the site has no file {file}"
    if anchor and anchor not in anchors.get(file, ()):
        return f"{file} has no cell and no heading with the id {anchor!r}"
    return ""


def _resource(page, target, files):
    if target.startswith("data:") or target.startswith("#"):
        return ""
    if OUTSIDE.match(target):
        return "the page would ask another computer for this; a site works offline: store it with the course"
    file, _ = at(page, target)
    return "" if file in files else f"the site has no file {file}"


def at(page, target):
    """(file, anchor) that a reference on a page leads to; the file is named from the top of the site."""
    path, _, anchor = target.partition("#")
    path = unquote(path.partition("?")[0])
    file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
    return file, unquote(anchor)


def _page(page):
    """What is wrong with a page by itself -> [(cell, target, words)]."""
    if not page.language:
        yield "", "", "the page does not say its language; give <html> a lang"
    if not page.title.strip():
        yield "", "", "the page has no title"
    for cell, alt in page.images:
        if not (alt or "").strip():
            yield cell, "", "an image has no alt text; say in words what it shows"
    level = 0
    for cell, each in page.headings:
        if each > level + 1:
            yield cell, "", f"a heading of level {each} follows one of level {level}; leave no level out"
        level = each
    if (count := [each for _, each in page.headings].count(1)) != 1:
        yield "", "", f"the page has {count} headings of level 1; one is wanted"
    where = dict(reversed([(each, cell) for cell, each in page.ids]))
    for each, count in Counter(each for _, each in page.ids).items():
        if count > 1 and not each.startswith(OUTPUT_ID):
            yield where[each], "", f"the id {each!r} stands {count} times on the page; one is wanted"
