"""Slides in a real browser: each chapter's deck from first to last, keys, notes, explorers and print."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from medtutor.course import instructor, present
from medtutor.explore import explore_convolution

SCREEN = {"width": 1280, "height": 720}
FOUND = """() => [...document.querySelectorAll(".slide")].map((slide) => {
  const body = slide.querySelector(".body"), frame = slide.getBoundingClientRect();
  const parts = [...body.querySelectorAll("*")].filter((each) => !each.closest(".mdx"));
  const over = parts.filter((each) => {
    const { height, left, right, bottom } = each.getBoundingClientRect();
    return height && (right > frame.right - 20 || bottom > frame.bottom - 36 || left < frame.left + 20);
  });
  const size = (each) => parseFloat(getComputedStyle(each).fontSize);
  return {
    name: slide.dataset.name,
    over: over.map((each) => each.outerHTML.slice(0, 80)),
    spills: body.scrollHeight > body.clientHeight || body.scrollWidth > body.clientWidth,
    cut: [...body.querySelectorAll("pre")].filter((each) => each.scrollWidth > each.clientWidth).length,
    letters: Math.min(18, ...[...body.querySelectorAll("pre, .prose, .prose code")].map(size)),
    still: body.querySelectorAll(".mdx-still:not([data-live=yes])").length,
    raw: [...body.querySelectorAll(".prose")].some((each) => each.textContent.includes("$")),
  };
})"""


def cell(name, source, *tags, html=None, **more):
    made = new_code_cell(source) if html is not None or "code" in tags else new_markdown_cell(source)
    made.id, made.metadata = name, {"tags": [tag for tag in tags if tag != "code"], **more}
    if html:
        made.outputs = [new_output("display_data", {"text/html": html})]
    return made


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The address of a small deck: formulas, a fragment, an explorer, notes."""
    cells = [
        cell("first", "# One\n\nA sum: $a + b$.", "slide"),
        cell("first-notes", "Ask *who* knows.", "notes", minutes=3),
        cell("sum", "1 + 1", "slide-on", "code"),
        cell("later", "Two.", "fragment"),
        cell("touch", "explore_convolution()", "slide", html=explore_convolution().page()),
        cell("last", "## Three\n\nWords.", "slide"),
    ]
    path = tmp_path_factory.mktemp("deck") / "small.html"
    path.write_text(present.page(present.slides(cells), "small"), encoding="utf-8")
    return path.as_uri()


def opened(tab, address):
    said = []
    tab.on("console", lambda message: message.type in ("error", "warning") and said.append(message.text))
    tab.goto(address)
    tab.wait_for_selector("html[data-settled]")
    return said


def where(tab):
    return tab.evaluate("location.hash")


@pytest.fixture
def deck(new_tab, small):
    with new_tab(viewport=SCREEN) as tab:
        said = opened(tab, small)
        yield tab
        assert said == []


@pytest.mark.parametrize("chapter", instructor.ready(), ids=lambda chapter: chapter.name)
def test_a_chapters_slides_fit_and_can_be_read_from_the_last_row(new_tab, tmp_path, chapter):
    text, made = present.deck(chapter)
    path = tmp_path / "deck.html"
    path.write_text(text, encoding="utf-8")
    with new_tab(viewport=SCREEN) as tab:
        said = opened(tab, path.as_uri())
        assert [found["name"] for found in tab.evaluate(FOUND)] == [slide.name for slide in made]
        for found in tab.evaluate(FOUND):
            name = found.pop("name")
            assert found == {
                "over": [], "spills": False, "cut": 0, "letters": 18, "still": 0, "raw": False
            }, name  # fmt: skip
        wanted = [
            f"#{slide.name}" + f".{step}" * (step > 0) for slide in made for step in range(slide.steps + 1)
        ]
        seen = [where(tab)]
        for _ in wanted[1:]:
            tab.keyboard.press("PageDown")
            seen.append(where(tab))
        assert seen == wanted
        pages = len(
            re.findall(rb"/Type\s*/Page\b", tab.pdf(prefer_css_page_size=True, print_background=True))
        )
        assert pages == len(made)
        assert said == []


def test_keys_move_by_fragment_and_slide_and_stop_at_both_ends(deck):
    assert where(deck) == "#first"
    for key, there in [
        ("ArrowLeft", "#first"), ("ArrowRight", "#first.1"), ("Space", "#touch"), ("End", "#last"),
        ("PageDown", "#last"), ("Shift+Space", "#touch"), ("ArrowUp", "#first.1"), ("PageUp", "#first"),
        ("ArrowDown", "#first.1"), ("Home", "#first"),
    ]:  # fmt: skip
        deck.keyboard.press(key)
        assert where(deck) == there, key


def test_a_fragment_cannot_be_seen_or_reached_before_its_key(deck):
    part = deck.locator(".part")
    assert part.evaluate("e => [getComputedStyle(e.firstElementChild).opacity, e.inert]") == ["0", True]
    deck.keyboard.press("ArrowRight")
    assert part.evaluate("e => [getComputedStyle(e.firstElementChild).opacity, e.inert]") == ["1", False]


def test_the_address_opens_its_slide_and_a_new_slide_is_announced(deck, small):
    deck.goto(small + "#last")
    deck.reload()
    assert where(deck) == "#last" and deck.locator(".current h2").inner_text() == "Three"
    deck.keyboard.press("ArrowLeft")
    assert deck.locator("p.spoken").text_content() == "Slide 2 of 3: One"


def test_buttons_turn_pages_without_a_keyboard(deck):
    for there in ("#first.1", "#touch"):
        deck.get_by_role("button", name="Next").click()
        assert where(deck) == there
    deck.get_by_role("button", name="Back").click()
    assert where(deck) == "#first.1"


def test_an_explorer_is_live_on_its_slide_and_keeps_its_keys(deck):
    deck.evaluate("location.hash = '#touch'")
    output = deck.locator(".current .mdx-stack[tabindex]").last
    output.focus()
    sum_before = deck.locator(".current .mdx-sum").inner_text()
    for key in ("ArrowRight", "ArrowDown"):
        deck.keyboard.press(key)
    assert deck.locator(".current .mdx-sum").inner_text() != sum_before
    assert where(deck) == "#touch"
    deck.keyboard.press("Escape")
    deck.keyboard.press("ArrowRight")
    assert where(deck) == "#last"


def test_an_explorer_can_be_had_in_letters_of_eighteen_pixels(deck):
    deck.evaluate("location.hash = '#touch'")
    title = deck.locator(".current .mdx-title").first
    before = title.bounding_box()["height"]
    deck.keyboard.press("z")
    scale = deck.locator(".current .mdx").evaluate("e => Number(e.style.zoom)")
    assert 14 * scale >= 18 and title.bounding_box()["height"] > before
    deck.keyboard.press("z")
    assert title.bounding_box()["height"] == before


def test_notes_stand_in_a_window_of_their_own_with_timer_and_next_slide(deck):
    with deck.expect_popup() as popup:
        deck.keyboard.press("s")
    notes = popup.value
    assert notes.locator(".speaking-now").inner_text() == "1 of 3: One"
    assert notes.locator(".speaking-notes em").inner_text() == "who"
    assert "minute 0" in notes.locator(".speaking-plan").inner_text()
    notes.locator(".speaking-time", has_not_text="0:00").wait_for()
    notes.keyboard.press("ArrowRight")
    notes.keyboard.press("ArrowRight")
    assert where(deck) == "#touch"
    assert "minute 3" in notes.locator(".speaking-plan").inner_text()
    assert notes.locator(".speaking-next h2").inner_text() == "Three"
    notes.get_by_role("button", name="Pause").click()
    assert notes.get_by_role("button", name="Go on").is_visible()


def test_notes_below_the_slide_leave_it_whole(deck):
    deck.keyboard.press("n")
    panel = deck.locator(".panel")
    assert "Ask who knows." in panel.inner_text()
    assert deck.locator(".deck").bounding_box()["height"] <= panel.bounding_box()["y"]
    deck.keyboard.press("n")
    assert panel.is_hidden()


def test_the_overview_goes_to_a_slide_and_the_help_lists_the_keys(deck):
    deck.keyboard.press("o")
    deck.get_by_role("dialog").get_by_role("button", name="Three").click()
    assert where(deck) == "#last"
    deck.keyboard.press("?")
    assert "full screen" in deck.get_by_role("dialog").inner_text()
    deck.keyboard.press("Escape")
    deck.keyboard.press("Home")
    assert where(deck) == "#first"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_slides_stand_out_from_their_ground_in(new_tab, small, contrast, scheme):
    with new_tab(viewport=SCREEN, color_scheme=scheme) as tab:
        opened(tab, small)
        judged = contrast(tab.locator(".deck"))
        assert judged["count"] > 20 and judged["faint"] == []
        ground = "getComputedStyle(document.body).backgroundColor"
        first = tab.evaluate(ground)
        tab.keyboard.press("d")
        assert tab.evaluate(ground) != first


def test_a_printed_slide_has_its_fragments_and_no_buttons(deck):
    deck.emulate_media(media="print")
    assert deck.locator(".part > *").first.evaluate("e => getComputedStyle(e).opacity") == "1"
    assert deck.locator(".bar").is_hidden()
    assert [box.bounding_box()["height"] for box in deck.locator(".slide").all()] == [720, 720, 720]


def test_without_scripts_the_slides_are_a_list(new_tab, small):
    with new_tab(viewport=SCREEN, java_script_enabled=False) as tab:
        tab.goto(small)
        assert tab.get_by_text("Words.").is_visible() and tab.get_by_text("Two.").is_visible()
