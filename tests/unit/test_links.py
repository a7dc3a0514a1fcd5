"""The checks of static pages: each kind of fault planted once, in pages that are otherwise in order."""

import pytest

from medtutor.course import links

PAGE = (
    '<html lang="en"><title>T</title><h1>One</h1><div class="cell" id="here">{}</div>'
    "<footer>{}</footer></html>"
)


def found(body="", foot="", **others):
    """What is said of a page with this body, between an image and a second page."""
    files = {"a.html": PAGE.format(body, foot), "b.html": PAGE.format("", ""), "images/x.png": b""}
    return links.problems(files | others)


@pytest.mark.parametrize(
    "body",
    [
        '<a href="b.html">next</a>',
        '<a href="b.html#here">next</a>',
        '<a href="#here">above</a>',
        '<a href="b.html?q=1#here">asked</a>',
        '<a href="./b.html">next</a>',
        '<a href="https://doi.org/10.1000/x">a paper</a>',
        '<a href="mailto:a@b.c">us</a>',
        '<img alt="a bone" src="images/x.png">',
        '<img alt="a bone" src="data:image/png;base64,AA==">',
        '<p style="background: url(images/x.png)">',
        "<h2>Two</h2><h3>Three</h3><h2>Two</h2>",
        "<script>const a = '<img src=\"https://a.b/c.png\">'</script>",
        '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
        '<figure id="medtutor-1"></figure><figure id="medtutor-1"></figure>',
    ],
)
def test_nothing_is_said_of_what_is_in_order(body):
    assert found(body) == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<a href="c.html">', "no file c.html"),
        ('<a href="../b.html">', "no file ../b.html"),
        ('<a href="03_later.ipynb">', "no file 03_later.ipynb"),
        ('<a href="b.html#there">', "b.html has no cell and no heading with the id 'there'"),
        ('<a href="#Here">', "a.html has no cell and no heading with the id 'Here'"),
        ('<a href="file:///etc/hosts">', "http, https or mailto"),
        ('<a href="javascript:alert(1)">', "http, https or mailto"),
        ('<a href="//elsewhere.org/x">', "http, https or mailto"),
        ('<form action="c.html">', "no file c.html"),
        ('<img alt="a bone" src="https://a.b/c.png">', "another computer"),
        ('<img alt="a bone" src="//a.b/c.png">', "another computer"),
        ('<img alt="a bone" src="images/y.png">', "no file images/y.png"),
        ('<script src="http://a.b/c.js"></script>', "another computer"),
        ('<link rel="stylesheet" href="https://a.b/c.css">', "another computer"),
        ('<iframe src="https://a.b"></iframe>', "another computer"),
        ("<style>@import 'https://a.b/c.css';</style>", "another computer"),
        ('<style>p { background: url("https://a.b/c.png") }</style>', "another computer"),
        ('<p style="background: url(https://a.b/c.png)">', "another computer"),
        ('<img src="images/x.png">', "no alt text"),
        ('<img alt=" " src="images/x.png">', "no alt text"),
        ("<h3>Three</h3>", "level 3 follows one of level 1"),
        ("<h1>Two</h1>", "2 headings of level 1"),
        ('<p id="here">', "the id 'here' stands 2 times"),
    ],
)
def test_each_fault_is_named_with_the_cell_it_stands_in(body, words):
    (problem,) = found(body)
    assert words in problem.said
    assert (problem.page, problem.cell) == ("a.html", "" if "headings" in words else "here")


def test_what_stands_below_the_cells_belongs_to_none():
    (problem,) = found(foot='<a href="c.html">next</a>')
    assert (problem.cell, problem.target) == ("", "c.html")


def test_each_reference_is_judged_by_itself():
    body = '<a href="c.html">one</a> <a href="b.html">two</a> <a href="d.html">three</a>'
    assert [problem.target for problem in found(body)] == ["c.html", "d.html"]


def test_a_page_in_a_folder_refers_from_there():
    assert found(**{"more/c.html": PAGE.format('<a href="../b.html#here">b</a>', "")}) == []
    (problem,) = found(**{"more/c.html": PAGE.format('<a href="b.html">b</a>', "")})
    assert "no file more/b.html" in problem.said


def test_style_sheets_fetch_nothing_from_elsewhere():
    assert found(**{"site.css": "p { background: url(images/x.png) }"}) == []
    (problem,) = found(**{"site.css": "@import url(https://a.b/c.css);"})
    assert problem.page == "site.css" and "another computer" in problem.said


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html><title>T</title><h1>One</h1>", "language"),
        ('<html lang="en"><h1>One</h1>', "no title"),
        ('<html lang="en"><title> </title><h1>One</h1>', "no title"),
        ('<html lang="en"><title>T</title><p>One</p>', "0 headings of level 1"),
    ],
)
def test_a_page_says_its_language_title_and_heading(page, words):
    (problem,) = links.problems({"a.html": page})
    assert words in problem.said
