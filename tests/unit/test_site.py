"""The site: made from stored notebooks, whole and offline, or not at all."""

import base64
import io
import json
import re
import struct
import zlib
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from medtutor import exercises
from medtutor.course import cli, instructor, links, site
from medtutor.course.build import ROOT, BuildError
from medtutor.exercises import stub

HOSTILE = "</script><img src=x onerror=alert(1)>"


def png(width=3, height=2):
    """A grey PNG of this size."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress((b"\0" + b"\x80" * width) * height)
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", pixels) + part(b"IEND", b"")


def picture(data, alt="a grey box"):
    return f'<img alt="{alt}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def text(name, *lines):
    return new_markdown_cell("\n".join(lines), id=name)


def run(name, source, *outputs, tags=()):
    """A code cell with these outputs: a str is printed, a dict is shown."""
    made = [
        new_output("stream", name="stdout", text=each)
        if isinstance(each, str)
        else new_output("execute_result", data=each, execution_count=1)
        for each in outputs
    ]
    return new_code_cell(source, id=name, outputs=made, metadata={"tags": list(tags)} if tags else {})


@pytest.fixture
def course(tmp_path):
    """course({name: cells}) stores two ready chapters, a planned one and a start; gives their root."""

    def store(notebooks=None, title="Two"):
        folder = tmp_path / "notebooks"
        folder.mkdir(exist_ok=True)
        rows = [(1, "one", "One", True), (2, "two", title, True), (3, "three", "Three", False)]
        (folder / "chapters.toml").write_text(
            "\n".join(
                f"[[chapter]]\nnumber = {number}\nslug = {json.dumps(slug)}\ntitle = {json.dumps(name)}\n"
                f'question = "Q{number}?"\nneeds = []\ndata = "D{number}"\nready = {str(ready).lower()}\n'
                for number, slug, name, ready in rows
            ),
            encoding="utf-8",
        )
        given = {name: [text("opening", f"# {name}")] for name in ("00_start_here", "01_one", "02_two")}
        for name, cells in (given | (notebooks or {})).items():
            nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
        return tmp_path

    return store


def one(course, *cells):
    """(files, problems) of a course whose first chapter has these cells behind its title."""
    return site.site(course({"01_one": [text("opening", "# One"), *cells]}))


def index(files):
    """The search's words as they are read by the page."""
    return json.loads(re.search(r"courseIndex = (.*);\n", files["search-index.js"])[1])


class Elements(HTMLParser):
    """All elements of a page with their attributes, and its texts."""

    def __init__(self, page):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


def test_all_that_is_ready_has_a_page_and_a_place_on_the_map(course):
    files, problems = site.site(course())
    assert problems == []
    assert {name for name in files if name.endswith(".html")} == {
        "index.html", "search.html", "00_start_here.html", "01_one.html", "02_two.html",
    }  # fmt: skip
    linked = [target for _, target in links.read(files["index.html"]).links]
    assert [target for target in linked if target[0].isdigit()] == [
        "00_start_here.html", "01_one.html", "02_two.html",
    ]  # fmt: skip
    assert "3 · Three" in files["index.html"] and "planned" in files["index.html"]


def test_each_page_leads_to_the_one_before_and_the_one_behind(course):
    files, _ = site.site(course())
    turns = {
        name: re.findall(r'rel="(prev|next)" href="([^"]*)"', page)
        for name, page in files.items()
        if name.endswith(".html")
    }
    assert turns == {
        "index.html": [],
        "search.html": [],
        "00_start_here.html": [("next", "01_one.html")],
        "01_one.html": [("prev", "00_start_here.html"), ("next", "02_two.html")],
        "02_two.html": [("prev", "01_one.html")],
    }


def test_a_cell_is_reached_by_its_id_and_a_section_by_that_of_its_cell(course):
    files, problems = one(course, text("sizes", "## 1.1 Sizes", "", "### More"), run("hand", "1 + 1"))
    page = files["01_one.html"]
    assert problems == []
    assert {each for _, each in links.read(page).ids} >= {"opening", "sizes", "hand", "More"}
    assert '<a href="#sizes">1.1 Sizes</a>' in page and '<a href="#More">More</a>' in page


def test_headings_with_the_same_words_have_anchors_of_their_own(course):
    files, problems = one(
        course, text("a", "## Limits"), text("b", "## Limits"), text("c", "## 90 %?", "## b")
    )
    assert problems == []
    contents = re.search("<ul>(.*?)</ul>", files["01_one.html"], re.DOTALL)[1]
    assert re.findall('href="([^"]*)"', contents) == ["#a", "#b", "#c", "#c"]


@pytest.mark.parametrize(
    ("written", "leads"),
    [
        ("02_two.ipynb", "02_two.html"),
        ("02_two.ipynb#opening", "02_two.html#opening"),
        ("02_two.ipynb#cell-id=opening", "02_two.html#opening"),
        ("#cell-id=sizes", "#sizes"),
        ("#sizes", "#sizes"),
        ("#1.1-Sizes", "#1.1-Sizes"),
        ("https://doi.org/10.1/x#cell-id=1", "https://doi.org/10.1/x#cell-id=1"),
    ],
)
def test_a_link_that_works_in_jupyterlab_works_on_the_page(course, written, leads):
    shown = {"text/html": f'<a class="m" href="{written}">there</a>', "text/plain": "there"}
    files, problems = one(
        course, text("sizes", "## 1.1 Sizes", f"[there]({written})"), run("map", "m()", shown)
    )
    assert problems == []
    targets = [target for cell, target in links.read(files["01_one.html"]).links if cell in ("sizes", "map")]
    assert targets == ["#sizes", leads, leads]


def test_broken_references_are_listed_with_notebook_cell_and_line_and_nothing_is_written(course, monkeypatch):
    cells = [
        text("sizes", "## Sizes", "", "See [there](02_two.ipynb#nowhere)", "and [later](03_three.ipynb)."),
        text("fine", "[here](#sizes)"),
        run("map", "m()", {"text/html": '<a href="gone.html">x</a>', "text/plain": "x"}),
    ]
    root = course({"01_one": [text("opening", "# One"), *cells]})
    monkeypatch.chdir(root)
    with pytest.raises(BuildError) as raised:
        site.run_site(root)
    said = str(raised.value).splitlines()
    assert said[0] == "the site was not written, it has 3 problems:"
    assert [line.split(": ")[0] for line in said[1:]] == [
        "notebooks/01_one.ipynb, cell 'sizes', line 3",
        "notebooks/01_one.ipynb, cell 'sizes', line 4",
        "notebooks/01_one.ipynb, cell 'map'",
    ]
    assert "02_two.html#nowhere" in said[1] and "03_three.ipynb" in said[2] and "gone.html" in said[3]
    assert not (root / "build").exists()


def test_the_command_says_what_is_broken_and_gives_1(course, capsys):
    root = course({"01_one": [text("opening", "# One", "", "[x](gone.ipynb)")]})
    assert cli.main(["site"], root) == 1
    assert "cell 'opening', line 3: gone.ipynb" in capsys.readouterr().err
    root = course({"01_one": [text("opening", "# One")]})
    assert cli.main(["site"], root) == 0
    assert (root / "build" / "site" / "index.html").exists()


def test_pictures_become_files_with_their_words_and_size(course):
    small, large = png(), png(40, 30)
    files, problems = one(
        course,
        run("a", "show()", {"text/html": picture(small) + picture(large, "a large box"), "text/plain": "x"}),
        run("b", "show()", {"text/html": picture(small, "the box again"), "text/plain": "x"}),
    )
    assert problems == []
    images = {name: data for name, data in files.items() if name.startswith("images/")}
    assert sorted(images.values()) == sorted([small, large])
    shown = [attrs for tag, attrs in Elements(files["01_one.html"]).found if tag == "img"]
    assert [(each["alt"], each["width"], each["height"]) for each in shown] == [
        ("a grey box", "3", "2"), ("a large box", "40", "30"), ("the box again", "3", "2"),
    ]  # fmt: skip
    assert [images[each["src"]] for each in shown] == [small, large, small]


def test_a_picture_without_words_is_refused(course):
    _, problems = one(course, run("bare", "show()", {"image/png": base64.b64encode(png()).decode()}))
    (said,) = problems
    assert "cell 'bare'" in said and "no alt text" in said


@pytest.mark.parametrize(
    "body",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<img alt="a" src="https://example.org/a.png">',
        "<style>@import 'https://example.org/a.css';</style>",
    ],
)
def test_what_would_ask_another_computer_is_refused(course, body):
    _, problems = one(course, run("far", "show()", {"text/html": body, "text/plain": "x"}))
    (said,) = problems
    assert "cell 'far'" in said and "another computer" in said


def test_hostile_words_are_shown_and_never_obeyed(course):
    hostile = [
        text("opening", f"# One `{HOSTILE}`", "", f"and `{HOSTILE}`"),
        text("section", f"## Two `{HOSTILE}`"),
        run("said", f"print({HOSTILE!r})", HOSTILE, {"text/plain": HOSTILE}),
    ]
    root = course({"01_one": hostile}, title=f"Two {HOSTILE}")
    files, problems = site.site(root)
    assert problems == []
    for name in ("index.html", "00_start_here.html", "01_one.html", "02_two.html"):
        elements = Elements(files[name])
        assert not [tag for tag, _ in elements.found if tag == "img"]
        assert not [attrs for _, attrs in elements.found if any(each.startswith("on") for each in attrs)]
    assert "<" not in files["search-index.js"]
    shown = "".join(Elements(files["01_one.html"]).texts)
    assert shown.count(HOSTILE) >= 7  # title twice, text, contents, heading, printed, result
    assert index(files)["pages"][1]["title"] == f"One {HOSTILE}"


def test_the_search_knows_the_words_of_text_code_outputs_and_pictures(course):
    files, _ = one(
        course,
        text("sizes", "## 1.1 Sizes", "", "The *kernel* must fit: $n - k$."),
        run("hand", "pad(x)", "seven pixels\n"),
        run("see", "show()", {"text/html": f"<style>p {{}}</style>{picture(png())}", "text/plain": "no"}),
    )
    found = index(files)
    assert found["pages"][1] == {"file": "01_one.html", "title": "One"}
    cells = {each["anchor"]: each for each in found["cells"] if each["page"] == 1}
    assert cells["sizes"] == {
        "page": 1, "anchor": "sizes", "section": "1.1 Sizes", "kind": "text",
        "words": "The kernel must fit: n−k.",
    }  # fmt: skip
    assert (cells["hand"]["section"], cells["hand"]["kind"]) == ("1.1 Sizes", "code")
    assert cells["hand"]["words"] == "pad(x) seven pixels"
    assert cells["see"]["words"] == "show() a grey box"
    assert cells["opening"]["section"] == "One"


def test_the_search_tells_the_sections_of_one_cell_apart(course):
    sections = text(
        "end", "A last word.", "", "## Limits", "", "one specimen", "", "## References", "", "a paper"
    )
    files, _ = one(course, sections)
    found = [tuple(each.values())[1:] for each in index(files)["cells"] if each["page"] == 1]
    assert found == [
        ("opening", "One", "text", ""),
        ("end", "One", "text", "A last word."),
        ("end", "Limits", "text", "one specimen"),
        ("References", "References", "text", "a paper"),
    ]


def test_formulas_are_rendered_and_one_that_cannot_be_is_named(course):
    files, problems = one(course, text("sizes", "A size $n$:", "", "$$y_{ij} = 1$$"))
    assert problems == []
    assert [attrs["display"] for tag, attrs in Elements(files["01_one.html"]).found if tag == "math"] == [
        "inline", "block",
    ]  # fmt: skip
    _, problems = one(course, text("sizes", r"A size $\nosuchcommand{n}$"))
    (said,) = problems
    assert "cell 'sizes'" in said and "nosuchcommand" in said


def test_an_exercise_is_shown_as_its_stub_with_a_word_on_where_to_solve_it(course):
    files, problems = one(course, run("exercise-window", stub("window"), tags=["exercise"]))
    assert problems == []
    page = files["01_one.html"]
    assert "your code here" in page
    assert re.search("Exercise.*make lab.*notebooks/01_one.ipynb", page, re.DOTALL)


def test_a_solved_exercise_is_not_published(course):
    _, problems = one(course, run("exercise-window", exercises.source("window"), tags=["exercise"]))
    (said,) = problems
    assert "cell 'exercise-window'" in said and "solved" in said


def test_a_panel_that_asks_python_says_so_and_a_live_explorer_does_not(course):
    still = {"text/html": picture(png()), "text/plain": "<panel>"}
    live = {"text/html": f'<figure class="mdx-still">{picture(png())}</figure>', "text/plain": "<explorer>"}
    files, _ = one(
        course,
        run("panel", "explore_function(f)", still, {"text/plain": ""}),
        run("live", "explore_convolution()", live),
        run("plain", "show()", still),
    )
    parts = re.split(r'(?=<div class="cell )', files["01_one.html"])
    said = {re.search('id="([^"]*)"', part)[1]: "make lab" in part for part in parts[1:]}
    assert said == {"opening": True, "panel": True, "live": False, "plain": False}
    assert files["01_one.html"].count("<pre") == 3, "what is empty is left out"


@pytest.mark.parametrize(("section", "levels"), [("## Two", [2, 3, 4]), ("## Two\n### Three", [2, 3, 4, 5])])
def test_headings_in_an_output_stand_below_those_of_the_section(course, section, levels):
    card = {"text/markdown": "##### Card\n\n###### Details", "text/plain": "card"}
    files, problems = one(course, text("sizes", section), run("card", "card", card))
    assert problems == []
    assert [level for _, level in links.read(files["01_one.html"]).headings][1:] == levels


def test_the_same_course_gives_the_same_bytes_and_leaves_nothing_of_an_earlier_one(course, tmp_path):
    root = course({"01_one": [text("opening", "# One"), run("a", "s()", {"text/html": picture(png())})]})
    site.run_site(root, out=io.StringIO())
    folder = root / "build" / "site"
    first = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    site.run_site(root, out=io.StringIO())
    assert first == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert (folder / "images").exists()
    site.run_site(course(), out=io.StringIO())
    assert not (folder / "images").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(course, tmp_path):
    root, folder = course(), tmp_path / "mine"
    folder.mkdir()
    (folder / "index.html").write_text("my own page", encoding="utf-8")
    with pytest.raises(BuildError, match="holds something that is no site"):
        site.run_site(root, folder)
    assert [path.name for path in folder.iterdir()] == ["index.html"]


def test_a_chapter_that_is_ready_without_a_notebook_is_an_error_in_words(course):
    root = course()
    (root / "notebooks" / "01_one.ipynb").unlink()
    with pytest.raises(BuildError, match="has no notebook"):
        site.site(root)


@pytest.fixture(scope="module")
def ours():
    """(files, problems) of the course itself."""
    return site.site(ROOT)


def test_the_course_has_a_site_without_problems(ours):
    files, problems = ours
    assert problems == []
    ready = {chapter.name for chapter in instructor.ready()}
    assert {f"{name}.html" for name in ready | {"00_start_here"}} <= set(files)


def test_every_cell_of_the_course_is_on_its_page_under_its_id(ours):
    files, _ = ours
    for chapter in instructor.ready():
        ids = [each for _, each in links.read(files[f"{chapter.name}.html"]).ids]
        for cell in nbformat.read(chapter.notebook, as_version=4).cells:
            assert ids.count(cell.id) == 1, cell.id


def test_all_that_the_search_finds_is_there(ours):
    files, _ = ours
    found = index(files)
    anchors = [{each for _, each in links.read(files[page["file"]]).ids} for page in found["pages"]]
    assert len(found["cells"]) > 400
    assert [each for each in found["cells"] if each["anchor"] not in anchors[each["page"]]] == []


def test_exercises_of_the_course_are_on_its_site_without_their_solutions(ours):
    files, _ = ours
    asked = 0
    for chapter in instructor.ready():
        cells = dict(re.findall(r'<div class="cell \w+" id="([^"]*)">(.*?)(?=<div class="cell |<footer)',
                                files[f"{chapter.name}.html"], re.DOTALL))  # fmt: skip
        for cell, name in instructor.exercise_cells(chapter.source).items():
            asked += 1
            shown = "".join(site.words(cells[cell]).split())
            blank = stub(name).split("raise NotImplementedError")[0]
            solution = exercises.source(name).split('"""')[-1]
            assert "".join(blank.split()) in shown, name
            assert "".join(solution.split()) not in shown, name
    assert asked >= 30
