"""The site as a reader opens it: from the disk, in a real browser, with no way to the network."""

import re
from contextlib import contextmanager

import pytest

from medtutor.course import site

CHAPTER = "01_convolution.html"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The course's site, written once."""
    path = tmp_path_factory.mktemp("site")
    site.run_site(folder=path)
    return path


@pytest.fixture
def reader(folder, new_tab):
    """reader(file, **options) opens a page; an error or a request out of the site's folder fails the test."""

    @contextmanager
    def opened(file="index.html", **options):
        with new_tab(**options) as tab:
            asked, errors = [], []
            tab.on("request", lambda request: asked.append(request.url))
            tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
            tab.goto(f"{folder.as_uri()}/{file}")
            yield tab
            inside = (f"{folder.as_uri()}/", "data:", "blob:")
            assert [url for url in asked if not url.startswith(inside)] == []
            assert errors == []

    return opened


def colours(tab):
    """(text, background) of the page, as light or dark."""
    script = "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    sums = [sum(map(int, re.findall(r"\d+", each)[:3])) for each in tab.evaluate(script)]
    return tuple("light" if each > 384 else "dark" for each in sums)


def on_screen(tab, cell):
    """Whether the cell's upper edge is on the screen, below the bar."""
    return tab.evaluate(
        """(cell) => {
          const bar = document.querySelector(".bar");
          const top = document.getElementById(cell).getBoundingClientRect().top;
          const covered = getComputedStyle(bar).position === "sticky" ? bar.offsetHeight : 0;
          return top >= covered && top < innerHeight;
        }""",
        cell,
    )


@pytest.mark.parametrize("width", [1280, 400])
def test_every_page_fits_the_screen_and_shows_its_pictures(folder, reader, width):
    with reader(viewport={"width": width, "height": 900}) as tab:
        for path in sorted(folder.glob("*.html")):
            tab.goto(path.as_uri())
            tab.wait_for_function("[...document.images].every((image) => image.complete)")
            assert tab.evaluate("[...document.images].every((image) => image.naturalWidth > 0)"), path.name
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, path.name
            waiting = tab.locator(".mdx-still:not([data-live=yes])")
            assert waiting.count() == 0, f"{path.name}: explorers that did not start"


def test_an_explorer_answers_to_the_keyboard(reader):
    with reader(f"{CHAPTER}#explore") as tab:
        output = tab.locator("#explore").get_by_role("application").first
        said = tab.locator("#explore .mdx-sum").first
        before = said.inner_text()
        output.focus()
        tab.keyboard.press("ArrowRight")
        column = [int(re.search(r", (\d+)\]", text)[1]) for text in (before, said.inner_text())]
        assert column[1] == column[0] + 1


def test_a_word_searched_for_from_a_chapter_leads_to_its_cell(reader):
    with reader(CHAPTER) as tab:
        tab.get_by_role("searchbox").fill("checkerboard")
        tab.keyboard.press("Enter")
        tab.wait_for_url("**/search.html?q=checkerboard")
        assert "sections with “checkerboard”" in tab.get_by_role("status").inner_text()
        results = tab.locator("#page_results a")
        assert results.first.inner_text() == "1.14 Transposed convolution, and the checkerboard"
        assert tab.locator("#page_results mark").first.inner_text().lower() == "checkerboard"
        address = results.first.get_attribute("href")
        results.first.click()
        tab.wait_for_url(f"**/{address}")
        assert on_screen(tab, address.split("#")[1])
        assert "checkerboard" in tab.locator(f"#{address.split('#')[1]}").inner_text().lower()


def test_results_change_while_one_types_and_hold_all_words(reader):
    with reader("search.html") as tab:
        tab.get_by_role("searchbox").type("sobel")
        one = tab.locator("#page_results li").count()
        tab.get_by_role("searchbox").type(" rank")
        assert 0 < tab.locator("#page_results li").count() < one
        tab.get_by_role("searchbox").fill("sobel zzz")
        assert tab.get_by_role("status").inner_text() == "No sections with “sobel” and “zzz”"
        tab.get_by_role("searchbox").fill("")
        assert tab.get_by_role("status").inner_text() == ""


@pytest.mark.parametrize("asked", ["<img src=x onerror=alert(1)>", "a.b*(c[", "</script>", "\\"])
def test_what_is_asked_for_is_text_and_nothing_else(reader, asked):
    with reader("search.html") as tab:
        tab.get_by_role("searchbox").fill(asked)
        assert f"“{asked.split()[0]}”" in tab.get_by_role("status").inner_text()
        assert tab.locator("main img").count() == 0


def test_colours_follow_the_system_until_the_reader_chooses_and_the_choice_is_kept(reader):
    with reader("00_start_here.html", color_scheme="dark") as tab:
        assert colours(tab) == ("light", "dark")
        tab.get_by_label("Colours").select_option("light")
        assert colours(tab) == ("dark", "light")
        tab.reload()
        assert colours(tab) == ("dark", "light")
        tab.goto(tab.url.replace("00_start_here", "index"))
        assert colours(tab) == ("dark", "light") and tab.get_by_label("Colours").input_value() == "light"
        tab.get_by_label("Colours").select_option("system")
        assert colours(tab) == ("light", "dark")
        tab.emulate_media(color_scheme="light")
        assert colours(tab) == ("dark", "light")


def test_printed_is_the_text_and_not_the_navigation(reader):
    with reader(CHAPTER, color_scheme="dark") as tab:
        tab.get_by_label("Colours").select_option("dark")
        parts = (".bar", ".contents", ".turn", ".skip", ".kernel")
        shown = lambda: [part for part in parts if tab.locator(part).first.is_visible()]  # noqa: E731
        assert shown() == list(parts)
        tab.emulate_media(media="print")
        assert shown() == []
        assert colours(tab) == ("dark", "light")
        assert tab.locator("#opening").is_visible() and tab.locator("#sobel-by-hand pre").first.is_visible()


def test_the_page_can_be_read_by_keyboard(reader):
    with reader(CHAPTER) as tab:
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.className") == "skip"
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.activeElement.id") == "page_main"
        link = tab.get_by_role("navigation", name="On this page").get_by_role("link", name="1.11 Pooling")
        link.focus()
        tab.keyboard.press("Enter")
        tab.wait_for_url("**#pooling")
        assert on_screen(tab, "pooling")
        tab.locator(".contents [aria-current]", has_text="1.11 Pooling").wait_for()


def test_contents_are_folded_on_a_small_screen_and_open_by_keyboard(reader):
    with reader(CHAPTER, viewport={"width": 400, "height": 900}) as tab:
        link = tab.get_by_role("navigation", name="On this page").get_by_role("link", name="1.11 Pooling")
        assert not link.is_visible()
        tab.locator(".contents summary").press("Enter")
        assert link.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_told_from_its_ground(reader, contrast, scheme):
    with reader("00_start_here.html", color_scheme=scheme) as tab:
        for file in ("00_start_here.html", "index.html", "search.html?q=kernel"):
            tab.goto(re.sub(r"[^/]+$", file, tab.url))
            found = contrast(tab.locator("body"))
            assert found["count"] > 20 and found["faint"] == [], file
