"""The latent explorer in a real browser: every pixel that a reader sees, against the pictures given."""

import re

import numpy as np
import pytest

from medtutor.explore import explore_latent

# Every picture of one grey of its own, the second class with a bright corner: a pixel tells where one is.
PICTURES = np.full((2, 3, 4, 8, 8), 0.0)
PICTURES += np.arange(12).reshape(1, 3, 4, 1, 1) * 17 / 255
PICTURES[1, ..., :2, :2] = 1
NAMES = ("no tumour", "tumour")


@pytest.fixture
def show(dark_page):
    """show(tab, copies, **options) opens a dark page that holds the explorer, so many times."""
    usual = {"classes": NAMES, "axes": ("age", "size"), "start": (1, 1)}
    return lambda tab, copies=1, **options: dark_page(
        tab, explore_latent(PICTURES, **{**usual, **options}).page(), copies
    )


def sentence(tab, copy=0):
    return tab.locator(".mdx-sentence").nth(copy).inner_text()


def pixels(tab, panel):
    """The 8 × 8 colours of a panel, 0 the grid, 1 the picture, 2 the difference."""
    read = """(canvas) => Array.from({length: 64}, (_, at) => [...canvas.getContext("2d").getImageData(
      8 + 68 * (at % 8) + 34, 8 + 68 * Math.floor(at / 8) + 34, 1, 1).data.slice(0, 3)])"""
    canvas = tab.locator(".mdx-panels section").nth(panel).locator("canvas").first
    return np.array(canvas.evaluate(read)).reshape(8, 8, 3)


def press(tab, x, y, canvas=560):
    """A click on the grid of all pictures, in pixels of its canvas; 4 columns fill its width, 3 rows less."""
    box = tab.locator(".mdx-stack[tabindex]").bounding_box()
    tab.mouse.move(box["x"] + x / canvas * box["width"], box["y"] + y / canvas * box["height"])
    tab.mouse.down()
    tab.mouse.up()


def test_the_picture_is_the_drawn_one_at_the_place_of_the_sliders(page, show):
    show(page)
    for row, column in ((1, 1), (0, 3), (2, 0)):
        page.get_by_role("slider", name="age").fill(str(4 * row))
        page.get_by_role("slider", name="size").fill(str(4 * column))
        np.testing.assert_array_equal(pixels(page, 1), np.full((8, 8, 3), 17 * (4 * row + column)))
        assert sentence(page).startswith(f"no tumour, age {row + 1}, size {column + 1}.")


def test_arrow_keys_walk_one_picture_at_a_time_and_stop_at_the_edge(page, show):
    show(page)
    page.locator(".mdx-stack[tabindex]").focus()
    page.keyboard.press("ArrowRight")
    assert sentence(page).startswith("no tumour, age 2, size 3.")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert sentence(page).startswith("no tumour, age 3, size 3.")
    page.get_by_role("slider", name="age").focus()
    page.keyboard.press("ArrowLeft")
    assert sentence(page).startswith("no tumour, age 2, size 3."), "a key on a slider goes a whole picture"
    assert page.get_by_role("slider", name="age").get_attribute("aria-valuetext") == "2"


def test_a_press_on_the_grid_goes_to_the_picture_beneath_it(page, show):
    show(page)
    wide = (560 - 16) / 4
    top = (560 - 3 * wide) / 2
    press(page, 8 + 3.5 * wide, top + 0.5 * wide)
    assert sentence(page).startswith("no tumour, age 1, size 4.")
    press(page, 8 + 0.2 * wide, top + 2.9 * wide)
    assert sentence(page).startswith("no tumour, age 3, size 1.")
    press(page, 5, 5)
    assert sentence(page).startswith("no tumour, age 1, size 1.")


def test_another_class_is_shown_at_the_same_place(page, show):
    show(page)
    page.get_by_role("slider", name="size").fill("12")
    page.get_by_label("tumour", exact=True).check()
    assert sentence(page).startswith("tumour, age 2, size 4.")
    shown = pixels(page, 1)
    assert (shown[:2, :2] == 255).all() and (shown[2:] == 7 * 17).all()


def test_the_difference_is_told_and_coloured_by_its_sign(page, show):
    show(page)
    assert "The same picture as the start." in sentence(page)
    page.get_by_role("slider", name="size").fill("8")  # one step brighter
    assert "differs from the start by 0.067 on average and by up to 0.07" in sentence(page)
    red, _, blue = pixels(page, 2)[0, 0]
    assert blue > red, "brighter is violet"
    page.get_by_role("slider", name="size").fill("0")
    red, _, blue = pixels(page, 2)[0, 0]
    assert red > blue, "darker is orange"
    page.get_by_role("radio", name="tumour, same place", exact=True).check()
    change = (4 * (255 - 4 * 17) / 255) / 64
    assert f"differs from tumour at the same place by {change:.3f} on average" in sentence(page)
    assert "Minus tumour at the same place." in page.locator(".mdx-panels").inner_text()
    assert (pixels(page, 2)[5, 5] == pixels(page, 2)[7, 7]).all() and pixels(page, 2)[5, 5].min() > 240


def test_a_walk_can_start_anew_from_where_it_is(page, show):
    show(page)
    page.get_by_role("slider", name="age").fill("0")
    page.get_by_role("button", name="Start from here").click()
    assert "The same picture as the start." in sentence(page)
    assert "Minus the start: no tumour, age 1, size 2." in page.locator(".mdx-panels").inner_text()
    page.get_by_role("button", name="Reset").click()
    assert "Minus the start: no tumour, age 2, size 2." in page.locator(".mdx-panels").inner_text()
    assert sentence(page).startswith("no tumour, age 2, size 2.")


def test_between_drawn_pictures_there_is_nothing_unless_a_blend_is_asked_for_and_it_says_so(page, show):
    show(page, between=True)
    titles = page.locator(".mdx-panels .mdx-title")
    page.get_by_role("slider", name="size").fill("6")
    assert sentence(page).startswith("no tumour, age 2, size 3.") and titles.nth(1).inner_text() == "drawn"
    page.get_by_label("blend between drawn pictures").check()
    page.get_by_role("slider", name="size").fill("6")
    assert sentence(page).startswith("no tumour, age 2, size 2.50, blended.")
    assert titles.nth(1).inner_text() == "blended, not drawn"
    assert pixels(page, 1)[4, 4, 0] == pytest.approx(5.5 * 17, abs=0.51)
    page.get_by_label("blend between drawn pictures").uncheck()
    assert sentence(page).startswith("no tumour, age 2, size 3.") and titles.nth(1).inner_text() == "drawn"


def test_no_blend_is_offered_where_the_author_did_not_ask(page, show):
    show(page)
    assert page.get_by_role("checkbox").count() == 0


def test_values_along_the_axes_are_read_out(page, show):
    show(page, values=([-2, 0, 2], [-1.5, -0.5, 0.5, 1.5]))
    page.get_by_role("slider", name="age").fill("0")
    assert sentence(page).startswith("no tumour, age −2, size −0.50.")


def test_what_comes_to_rest_is_spoken(page, show):
    show(page)
    page.get_by_role("slider", name="age").fill("0")
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith('no tumour, age 1, size 2.')"
    )
    images = page.locator(".mdx [role=img]")
    labels = [image.get_attribute("aria-label") for image in images.all()]
    assert labels[0] == "no tumour, age 1, size 2, drawn, 8 by 8 pixels"
    assert re.fullmatch(r"difference to the start: mean 0\.267, largest 0\.27", labels[1])


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    page.get_by_role("slider", name="age").first.fill("0")
    page.get_by_label("tumour", exact=True).first.check()
    assert sentence(page, 0).startswith("tumour, age 1") and sentence(page, 1).startswith("no tumour, age 2")


@pytest.mark.parametrize("width", [1280, 700, 400])
def test_nothing_is_cut_off_or_jumps(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page, between=True)
    page.get_by_label("blend between drawn pictures").check()
    heights = set()
    for row, column, against in ((4, 4, "the start"), (3, 7, "tumour, same place"), (0, 12, "the start")):
        page.get_by_role("slider", name="age").fill(str(row))
        page.get_by_role("slider", name="size").fill(str(column))
        page.get_by_role("radio", name=against, exact=True).check()
        heights.add(page.locator(".mdx").bounding_box()["height"])
        clipped = page.evaluate("""() => [...document.querySelectorAll(".mdx, .mdx *")]
          .filter((part) => part.getBoundingClientRect().right > innerWidth + 1
            || (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline"
                && !part.matches(".mdx-spoken, input")))
          .map((part) => part.outerHTML.slice(0, 80))""")
        assert clipped == []
    assert len(heights) == 1


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page, between=True)
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 15 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explore_latent(PICTURES, classes=NAMES)._repr_mimebundle_(), source="explore_latent(x)")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    page.get_by_role("slider", name="across").fill("0")
    assert sentence(page).startswith("no tumour, down 2, across 1.")
