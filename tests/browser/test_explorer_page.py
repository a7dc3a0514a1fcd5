"""The convolution explorer in a real browser: a page of its own, and a notebook exported to HTML."""

import re
from functools import cache

import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d

from medtutor.course.poke import cut_off
from medtutor.explore import explore_convolution
from medtutor.explore.base import Explorer
from medtutor.explore.convolution import PRESETS
from medtutor.explore.images import sample_images
from medtutor.plot import Picture

explorer_of = cache(explore_convolution)  # drawing the still picture is the slow part
SOBEL = np.reshape(PRESETS["Sobel, vertical edges"][0], (3, 3))


@pytest.fixture
def show(dark_page):
    """show(tab, explorer, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer=None, copies=1: dark_page(
        tab, (explorer or explorer_of()).page(), copies, "[data-live]"
    )


def summed(tab, copy=0):
    """What the explorer says: (row, column, the nine products, their sum as it is written)."""
    text = tab.locator(".mdx-sum").nth(copy).inner_text().replace("−", "-")
    row, column = map(int, re.search(r"y\[(\d+), (\d+)\]", text).groups())
    terms = re.split(r"[=≈]", text)[1].split("÷")[0].strip(" ()")
    products = [float(term.replace(" ", "")) for term in re.findall(r"[+-]? ?\d+\.\d+", terms)]
    return row, column, products, float(re.split(r"[=≈]", text)[-1])


def point_at(tab, row, column, shape):
    """Moves the mouse to the middle of output pixel [row, column] of an output with this shape."""
    box = tab.get_by_role("application").first.bounding_box()
    canvas, margin = 560, 8
    size = (canvas - 2 * margin) / max(shape)
    x = (canvas - shape[1] * size) / 2 + (column + 0.5) * size
    y = (canvas - shape[0] * size) / 2 + (row + 0.5) * size
    tab.mouse.move(box["x"] + x / canvas * box["width"], box["y"] + y / canvas * box["height"])


def slide(tab, name, value):
    tab.get_by_label(name, exact=False).first.fill(str(value))


def test_picture_becomes_an_explorer(page, show):
    explorer = explorer_of()
    show(page, explorer)
    assert page.locator("figure img").count() == 0
    assert page.get_by_role("group", name="Convolution explorer").count() == 1
    row, column, products, total = summed(page)
    assert f"y[{row}, {column}] is {total:.2f}" in explorer.picture.alt
    assert len(products) == 9


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        ("CT", {}),
        ("MR", {"stride": 2, "padding": 1}),
        ("tissue", {"dilation": 3, "padding": 2, "flip": True}),
        ("CT, 7 by 7", {"kernel": "sharpen", "padding": 4, "stride": 3}),
    ],
)
def test_sum_under_the_pointer_is_what_scipy_computes(page, show, image, settings):
    show(page, explorer_of(image=image, **settings))
    numbers, divisor = PRESETS[settings.get("kernel", "Sobel, vertical edges")]
    d, s = settings.get("dilation", 1), settings.get("stride", 1)
    spread = np.zeros((2 * d + 1, 2 * d + 1))
    spread[::d, ::d] = np.reshape(numbers, (3, 3)) / divisor
    apply = convolve2d if settings.get("flip") else correlate2d
    y = apply(np.pad(sample_images()[image], settings.get("padding", 0)), spread, "valid")[::s, ::s]
    for row, column in ((0, 0), (y.shape[0] // 2, y.shape[1] // 3), (y.shape[0] - 1, y.shape[1] - 1)):
        point_at(page, row, column, y.shape)
        assert summed(page)[:2] == (row, column)
        assert summed(page)[3] == pytest.approx(y[row, column], abs=0.00501)
        assert sum(summed(page)[2]) / divisor == pytest.approx(y[row, column], abs=0.0001)


def test_nine_cells_show_pixel_weight_and_product(page, show):
    show(page)
    point_at(page, 20, 30, (62, 62))
    patch = sample_images()["CT"][20:23, 30:33]
    cells = [cell.inner_text().replace("−", "-").split("\n") for cell in page.locator(".mdx-cell").all()]
    for (pixel, weight, product), x, w in zip(cells, patch.flat, SOBEL.flat, strict=True):
        assert (pixel, weight) == (f"{x:.2f}", f"× {w}")
        assert float(product.removeprefix("= ")) == pytest.approx(x * w, abs=1e-9)


def test_touch_chooses_a_pixel(touch_page, show):
    show(touch_page)
    box = touch_page.get_by_role("application").bounding_box()
    touch_page.touchscreen.tap(box["x"] + 6, box["y"] + 6)
    assert summed(touch_page)[:2] == (0, 0)


def test_pointing_at_the_input_centres_the_patch_there(page, show):
    show(page, explorer_of(padding=1))
    box = page.get_by_role("img", name="input: CT").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    row, column, *_ = summed(page)
    assert (row, column) in {(31, 31), (32, 32), (31, 32), (32, 31)}


def test_arrow_keys_move_the_pixel_and_stop_at_the_edge(page, show):
    show(page, explorer_of(image="CT, 7 by 7"))
    page.get_by_role("application").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    assert summed(page)[:2] == (0, 0)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowRight")
    assert summed(page)[:2] == (1, 4)


def test_every_control_is_reached_with_tab_and_has_a_name(page, show):
    show(page)
    page.locator("select").first.focus()
    names = []
    for _ in range(17):
        names.append(
            page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.innerText")
        )
        page.keyboard.press("Tab")
    assert all(names[:-2]) and len(set(names)) >= 16
    assert page.evaluate("document.activeElement.getAttribute('role')") == "application"


def test_padding_is_told_from_pixels_in_words(page, show):
    show(page, explorer_of(image="CT, 7 by 7", padding=1))
    point_at(page, 0, 0, (7, 7))
    assert page.locator(".mdx-cell", has_text="pad").count() == 5


def test_dilation_reads_pixels_apart(page, show):
    show(page, explorer_of(image="CT, 7 by 7", dilation=2))
    point_at(page, 1, 2, (3, 3))
    pixels = [float(cell.inner_text().split("\n")[0]) for cell in page.locator(".mdx-cell").all()]
    assert pixels == pytest.approx(sample_images()["CT, 7 by 7"][1:6:2, 2:7:2].ravel().tolist())


def test_output_size_is_filled_in(page, show):
    show(page, explorer_of(image="MR", stride=2, padding=1, dilation=3))
    text = page.locator(".mdx-size").inner_text()
    assert "⌊(42 + 2·1 − 3·2 − 1) ÷ 2⌋ + 1 = 19" in text
    assert "⌊(69 + 2·1 − 3·2 − 1) ÷ 2⌋ + 1 = 33" in text
    assert "output y   19 × 33" in page.locator(".mdx-panels").inner_text()


def test_lines_never_read_are_counted(page, show):
    show(page, explorer_of(image="CT, 7 by 7"))
    status = page.locator(".mdx-note[role=status]")
    assert status.inner_text() == "Every row and column of the padded input is read."
    slide(page, "stride s", 3)
    assert "the last 1 row and 1 column are never read" in status.inner_text()
    slide(page, "stride s", 4)
    assert status.inner_text() == "1 row and 1 column inside are stepped over, never read."


def test_impossible_sizes_are_refused_with_the_numbers(page, show):
    show(page, explorer_of(image="CT, 7 by 7"))
    before = summed(page)
    slide(page, "dilation d", 4)
    message = page.locator(".mdx-note[role=status]").inner_text()
    assert (
        "a 3 × 3 kernel with dilation 4 spans 9 pixels, the padded input has only 7 rows and 7 columns"
        in message
    )
    assert page.locator(".mdx-sum").inner_text() == "Nothing to add up: there is no output."
    assert "+ 1 = −1: none" in page.locator(".mdx-size").inner_text()
    point_at(page, 0, 0, (1, 1))
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator(".mdx-result").inner_text() == ""
    slide(page, "padding p", 1)
    assert summed(page)[:2] == (0, 0)
    page.get_by_role("button", name="Reset").click()
    assert summed(page) == before


def test_kernel_is_edited_number_by_number(page, show):
    show(page, explorer_of(kernel="identity"))
    point_at(page, 20, 30, (62, 62))
    x = sample_images()["CT"]
    centre = page.get_by_label("kernel row 1 column 1")
    centre.fill("-2.5")
    assert summed(page)[3] == pytest.approx(-2.5 * x[21, 31], abs=0.00501)
    assert page.get_by_label("preset").locator("option:checked").inner_text() == "your own numbers"
    page.get_by_label("divide the sum by").fill("5")
    assert summed(page)[3] == pytest.approx(-0.5 * x[21, 31], abs=0.00501)
    page.get_by_label("preset").select_option("box blur")
    assert summed(page)[3] == pytest.approx(x[20:23, 30:33].mean(), abs=0.00501)


@pytest.mark.parametrize("typed", ["", "-", "100", "1e9"])
def test_what_is_no_kernel_number_changes_nothing(page, show, typed):
    show(page, explorer_of(kernel="identity"))
    before = summed(page)
    centre = page.get_by_label("kernel row 1 column 1")
    centre.select_text()
    page.keyboard.press("Delete")
    page.keyboard.type(typed)
    if typed.startswith("1"):
        before = before[:2] + summed(page)[2:]  # "1" was a number on the way
    page.keyboard.press("Tab")
    assert summed(page) == before
    assert "number from −99 to 99" in page.locator(".mdx-note[role=status]").inner_text()


def test_nothing_is_divided_by_zero(page, show):
    show(page, explorer_of(kernel="box blur"))
    before = summed(page)
    page.get_by_label("divide the sum by").fill("0")
    page.keyboard.press("Tab")
    assert summed(page) == before


def test_true_convolution_turns_the_kernel(page, show):
    show(page, explorer_of(kernel="emboss", image="bright pixel", padding=1))
    assert not page.locator(".mdx-turned").is_visible()
    page.get_by_label("true convolution").check()
    assert page.locator(".mdx-turned").is_visible()
    numbers = np.reshape(PRESETS["emboss"][0], (3, 3))
    for row, column in np.ndindex(3, 3):  # the output of a bright pixel is the kernel itself, not turned
        point_at(page, 2 + row, 2 + column, (7, 7))
        assert summed(page)[3] == numbers[row, column]
    page.get_by_label("cross-correlation").check()
    point_at(page, 2, 2, (7, 7))
    assert summed(page)[3] == numbers[2, 2]


def test_another_image_is_chosen(page, show):
    show(page)
    page.get_by_label("image x").select_option("retina")
    point_at(page, 10, 10, (62, 62))
    expected = (SOBEL * sample_images()["retina"][10:13, 10:13]).sum()
    assert summed(page)[3] == pytest.approx(expected, abs=1e-9)


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    before = summed(page, 1)
    page.get_by_label("true convolution").first.check()
    page.get_by_label("stride").first.fill("3")
    point_at(page, 3, 3, (21, 21))
    assert summed(page, 0)[:2] == (3, 3)
    assert summed(page, 1) == before
    page.get_by_role("application").nth(1).press("ArrowDown")
    assert summed(page, 1)[:2] == (before[0] + 1, before[1])
    assert summed(page, 0)[:2] == (3, 3)
    assert page.get_by_label("cross-correlation").nth(1).is_checked()
    assert page.get_by_label("stride").nth(1).input_value() == "1"


def test_a_rest_of_the_pointer_is_spoken_once(page, show):
    show(page)
    page.evaluate("""() => {
      const spoken = document.querySelector("[aria-live]");
      window.said = [];
      const heard = (records) => records.forEach(() => window.said.push(spoken.textContent));
      new MutationObserver(heard).observe(spoken, {childList: true});
      const output = document.querySelector("[role=application]");
      const box = output.getBoundingClientRect();
      for (let x = 20; x < 220; x += 10)
        output.dispatchEvent(new PointerEvent("pointermove", {clientX: box.x + x, clientY: box.y + 50}));
    }""")
    page.wait_for_function("window.said.length > 0")
    row, column, _, total = summed(page)
    text = f"{total:.2f}".replace("-", "−")
    assert page.evaluate("window.said") == [f"output row {row}, column {column}: {text}"]


def test_nothing_jumps_when_the_numbers_change(page, show):
    page.set_viewport_size({"width": 845, "height": 900})  # as wide as an output beside JupyterLab's sidebar
    show(page)
    explorer = page.locator(".mdx")
    heights = {explorer.bounding_box()["height"]}
    for kernel in ("Gaussian blur", "emboss", "Sobel, vertical edges"):
        page.get_by_label("preset").select_option(kernel)
        for row, column in ((0, 0), (30, 30), (61, 61)):
            point_at(page, row, column, (62, 62))
            heights.add(explorer.bounding_box()["height"])
    for name, value in (("stride s", 4), ("padding p", 3), ("dilation d", 4)):
        slide(page, name, value)
        heights.add(explorer.bounding_box()["height"])
    page.get_by_label("image x").select_option("bright pixel")
    slide(page, "padding p", 0)
    heights.add(explorer.bounding_box()["height"])
    assert len(heights) == 1


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page, explorer_of(padding=2))
    for row, column in ((0, 0), (20, 30), (33, 42)):
        point_at(page, row, column, (66, 66))
        judged = contrast(page.locator(".mdx"))
        assert judged["count"] > 60 and judged["faint"] == []


def test_nothing_is_cut_off_at_twice_the_size(zoomed_page, show):
    show(zoomed_page, explorer_of(kernel="Gaussian blur", flip=True))
    assert cut_off(zoomed_page.locator(".mdx")) == []


def test_a_picture_whose_explorer_fails_stays(page, show):
    still = Picture(b"", "A picture that stands in for a broken explorer.")
    show(page, Explorer("convolution.js", {"images": []}, still, "broken"))
    assert page.get_by_role("img", name="A picture that stands in").count() == 1
    assert page.locator("figure[data-live=failed]").count() == 1


def test_keys_meant_for_the_page_still_reach_it(page, show):
    show(page)
    page.evaluate("window.keys = []; document.addEventListener('keydown', (e) => window.keys.push(e.key))")
    page.get_by_role("application").focus()
    for key in ("d", "ArrowDown", "Shift+Enter", "Escape", "Control+s"):
        page.keyboard.press(key)
    heard = page.evaluate("window.keys")
    assert [key for key in heard if key not in ("Shift", "Control")] == ["Enter", "Escape", "s"]


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explorer_of()._repr_mimebundle_())
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    point_at(page, 0, 0, (62, 62))
    assert summed(page)[3] == pytest.approx((SOBEL * sample_images()["CT"][:3, :3]).sum(), abs=1e-9)
