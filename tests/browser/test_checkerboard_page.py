"""The checkerboard explorer in a real browser: every number a reader sees, against Python's counts."""

import numpy as np
import pytest

from medtutor.explore import explore_checkerboard
from medtutor.explore.checkerboard import after_upsampling, overlap


@pytest.fixture
def show(dark_page):
    """show(tab, copies, **options) opens a dark page that holds the explorer, so many times."""
    return lambda tab, copies=1, **options: dark_page(tab, explore_checkerboard(**options).page(), copies)


def choose(tab, kernel, stride, padding="same"):
    tab.get_by_role("slider", name="kernel").first.fill(str(kernel - 1))
    tab.get_by_role("slider", name="stride").first.fill(str(stride - 1))
    tab.get_by_role("radio", name=padding).first.check()


def sentence(tab, copy=0):
    return tab.locator(".mdx-sentence").nth(copy).inner_text()


def section(tab, number):
    return tab.locator(".mdx-panels section").nth(number)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_bars_and_their_numbers_are_the_counts(page, show, padding):
    show(page)
    for kernel, stride in ((3, 2), (4, 2), (2, 4), (7, 3), (1, 1)):
        choose(page, kernel, stride, padding)
        for number, counts in enumerate(
            (overlap(8, kernel, stride, padding), after_upsampling(8, kernel, stride))
        ):
            line = section(page, number).locator("svg")
            assert [int(text) for text in line.locator("text").all_text_contents()] == counts.tolist()
            heights = [float(bar.get_attribute("height")) for bar in line.locator(".mdx-count").all()]
            np.testing.assert_allclose(heights, 70 * counts / counts.max(), atol=1e-6)
            label = line.get_attribute("aria-label")
            assert label.endswith(": " + " ".join(map(str, counts)))
        assert f"{overlap(8, kernel, stride, padding).size} pixels a side." in sentence(page)


def test_strips_lie_where_the_copies_lie_and_cover_what_is_counted(page, show):
    show(page)
    for kernel, stride, padding in ((3, 2, "same"), (5, 3, "same"), (5, 3, "valid"), (2, 4, "same")):
        choose(page, kernel, stride, padding)
        line = section(page, 0).locator("svg")
        bars = [float(bar.get_attribute("x")) for bar in line.locator(".mdx-count").all()]
        wide = 1 + float(line.locator(".mdx-count").first.get_attribute("width"))
        counted = np.zeros(len(bars), int)
        for strip in line.locator(".mdx-copy").all():
            left, width = (float(strip.get_attribute(name)) for name in ("x", "width"))
            counted += [left < bar + wide / 2 < left + width for bar in bars]
        assert counted.tolist() == overlap(8, kernel, stride, padding).tolist()


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "words"),
    [
        (3, 2, "same", "8 × 2 = 16 pixels a side. 3 is not divisible by 2: a checkerboard. Along a line, "
         "away from the border, 1 or 2 copies lie over a pixel, in the plane 1, 2 or 4."),
        (4, 2, "valid", "8 × 2 + max(4 − 2, 0) = 18 pixels a side. 4 is divisible by 2: even. Along a line, "
         "away from the border, 4 ÷ 2 = 2 copies lie over each pixel, in the plane 4."),
        (2, 2, "same", "8 × 2 = 16 pixels a side. 2 is divisible by 2: even. Along a line, away from the "
         "border, 2 ÷ 2 = 1 copy lies over each pixel, in the plane 1."),
        (2, 3, "same", "8 × 3 = 24 pixels a side. 2 is not divisible by 3: gaps. Along a line, away from the "
         "border, 0 or 1 copy lies over a pixel, in the plane 0 or 1."),
        (7, 4, "valid", "8 × 4 + max(7 − 4, 0) = 35 pixels a side. 7 is not divisible by 4: a checkerboard. "
         "Along a line, away from the border, 1 or 2 copies lie over a pixel, in the plane 1, 2 or 4."),
        (7, 3, "same", "8 × 3 = 24 pixels a side. 7 is not divisible by 3: a checkerboard. Along a line, "
         "away from the border, 2 or 3 copies lie over a pixel, in the plane 4, 6 or 9."),
    ],
)  # fmt: skip
def test_the_sentence_says_size_and_evenness(page, show, kernel, stride, padding, words):
    show(page)
    choose(page, kernel, stride, padding)
    assert sentence(page) == words


def test_a_pixel_s_count_is_read_by_pointer_and_by_arrow_keys(page, show):
    show(page)
    counts = overlap(8, 3, 2)
    map_ = section(page, 0).locator(".mdx-stack")
    box = map_.bounding_box()
    side = (560 - 16) / 16
    page.mouse.move(
        box["x"] + (8 + 6.5 * side) / 560 * box["width"], box["y"] + (8 + 3.5 * side) / 560 * box["height"]
    )
    said = section(page, 0).locator(".mdx-pixel")
    assert said.inner_text() == f"pixel [3, 6]: {counts[3]} × {counts[6]} = {counts[3] * counts[6]} copies"
    map_.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert said.inner_text() == f"pixel [4, 7]: {counts[4]} × {counts[7]} = {counts[4] * counts[7]} copies"
    page.keyboard.press("ArrowUp")
    assert said.inner_text() == "pixel [3, 7]: 1 × 1 = 1 copy"
    for _ in range(4):
        page.keyboard.press("Shift+ArrowUp")
    assert said.inner_text().startswith("pixel [0, 7]:")
    section(page, 1).locator(".mdx-stack").focus()
    page.keyboard.press("ArrowDown")
    assert section(page, 1).locator(".mdx-pixel").inner_text() == "pixel [6, 5]: 3 × 3 = 9 products"


def test_the_map_is_deepest_where_most_copies_lie(page, show):
    show(page)
    read = """(canvas) => Array.from({length: 256}, (_, at) => canvas.getContext("2d").getImageData(
      8 + 34 * (at % 16) + 17, 8 + 34 * Math.floor(at / 16) + 17, 1, 1).data[1])"""
    green = np.array(section(page, 0).locator("canvas").first.evaluate(read)).reshape(16, 16)
    counts = np.outer(overlap(8, 3, 2), overlap(8, 3, 2))
    shades = {count: set(green[counts == count].tolist()) for count in (1, 2, 4)}
    assert all(len(shade) == 1 for shade in shades.values())
    assert min(shades[1]) > min(shades[2]) > min(shades[4])


def test_reset_goes_back_to_the_author_s_setting_and_a_marked_pixel_stays_inside(page, show):
    show(page, kernel=2, stride=2, size=7)
    choose(page, 7, 4, "valid")
    section(page, 0).locator(".mdx-stack").focus()
    for _ in range(8):
        page.keyboard.press("Shift+ArrowDown")
    choose(page, 2, 1)
    assert section(page, 0).locator(".mdx-pixel").inner_text().startswith("pixel [6, 5]:")
    page.get_by_role("button", name="Reset").click()
    assert sentence(page).startswith("7 × 2 = 14 pixels a side. 2 is divisible by 2: even.")
    assert page.get_by_role("slider", name="kernel").get_attribute("aria-valuetext") == "2 × 2"


def test_what_comes_to_rest_is_spoken(page, show):
    show(page)
    choose(page, 4, 2)
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('even')")


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    choose(page, 4, 2)
    assert "even" in sentence(page, 0) and "a checkerboard" in sentence(page, 1)


@pytest.mark.parametrize("width", [1280, 700, 400])
def test_nothing_is_cut_off_or_jumps(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page)
    heights = set()
    for setup in ((3, 2), (7, 4, "valid"), (1, 4), (7, 1), (4, 2, "valid"), (5, 4)):
        choose(page, *setup)
        heights.add(round(page.locator(".mdx").bounding_box()["height"]))
        clipped = page.evaluate("""() => [...document.querySelectorAll(".mdx, .mdx *")]
          .filter((part) => part.getBoundingClientRect().right > innerWidth + 1
            || (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline"
                && !part.matches(".mdx-spoken, input, svg, svg *")))
          .map((part) => part.outerHTML.slice(0, 80))""")
        assert clipped == []
    assert max(heights) - min(heights) <= 1, heights


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page)
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 30 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explore_checkerboard()._repr_mimebundle_(), source="explore_checkerboard()")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    choose(page, 4, 2)
    assert "4 is divisible by 2: even." in sentence(page)
