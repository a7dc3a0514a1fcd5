"""Explorers inside JupyterLab: reopened, untrusted, without a kernel, in the dark, by keyboard, and run."""

from functools import cache

import nbformat
import numpy as np
import pytest

from medtutor.course.browser import run_all
from medtutor.explore import explore_convolution
from medtutor.explore.images import sample_images

explorer_of = cache(explore_convolution)
SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])


def note(number, text):
    return nbformat.v4.new_markdown_cell(f"Note {number} of {text}.", id=f"note-{number}")


@pytest.fixture(scope="module")
def stored(lab, cell_of):
    """stored(name, trusted) -> the address of a notebook of three cells, the explorer in the middle."""

    def store(name, trusted=True):
        # the name is in the text, because trust goes by content: an equal notebook would be trusted too
        cells = [note(1, name), cell_of(explorer_of()._repr_mimebundle_()), note(3, name)]
        return lab.store(name, cells, trusted=trusted)

    return store


@pytest.fixture(scope="module")
def reopened_tab(new_tab, stored):
    with new_tab() as tab:
        tab.goto(stored("trusted.ipynb"))
        tab.wait_for_selector(".mdx")
        yield tab


@pytest.fixture
def reopened(reopened_tab):
    """A tab with a trusted notebook, its explorer as stored; one for all tests, as Lab opens slowly."""
    reopened_tab.get_by_role("button", name="Reset").click()
    return reopened_tab


@pytest.fixture
def dark(lab):
    """Lab's dark theme, as a reader would have set it."""
    lab.setting("apputils-extension/themes", theme="JupyterLab Dark")
    yield
    lab.setting("apputils-extension/themes", theme="JupyterLab Light")


def cells_and_active(page):
    """(is it a code cell, for each of the notebook's cells; which of them is active)."""
    return page.evaluate("""() => {
      const cells = [...document.querySelectorAll(".jp-Notebook .jp-Cell")];
      const is = (name) => cells.map((cell) => cell.classList.contains(name));
      return [is("jp-CodeCell"), is("jp-mod-active").indexOf(true)];
    }""")


def test_reopened_notebook_is_live_without_a_kernel(reopened, lab):
    page = reopened
    output = page.get_by_role("application")
    output.hover(position={"x": 5, "y": 5})
    total = (SOBEL * sample_images()["CT"][:3, :3]).sum()
    text = f"{total:.2f}".replace("-", "−")
    assert page.locator(".mdx-sum").inner_text().startswith("y[0, 0] =")
    assert page.locator(".mdx-result").inner_text() == text
    assert lab.ask("/api/kernels") == []


def test_untrusted_notebook_shows_the_described_picture(page, stored):
    page.goto(stored("untrusted.ipynb", trusted=False))
    picture = page.locator(".jp-OutputArea img")
    picture.wait_for()
    assert picture.get_attribute("alt") == explorer_of().picture.alt
    assert picture.evaluate("(img) => img.decode().then(() => img.naturalWidth)") > 500
    assert page.get_by_text("Static picture; run or trust the notebook").is_visible()
    assert page.locator(".mdx").count() == 0


def test_texts_stand_out_in_the_dark_theme(page, stored, contrast, dark):
    page.goto(stored("dark.ipynb"))
    page.wait_for_selector(".mdx")
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 60 and judged["faint"] == []


def test_the_untrusted_caption_stands_out_in_the_dark_theme(page, stored, contrast, dark):
    page.goto(stored("dark-untrusted.ipynb", trusted=False))
    page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")
    page.locator(".jp-OutputArea figcaption").wait_for()
    judged = contrast(page.locator(".jp-OutputArea figure"))
    assert judged["count"] == 1 and judged["faint"] == []


def test_explorer_fits_beside_the_open_sidebar(reopened):
    assert reopened.locator("#jp-left-stack").is_visible()
    tops = reopened.locator(".mdx-panels section").evaluate_all(
        "(sections) => sections.map((section) => section.getBoundingClientRect().top)"
    )
    assert len(tops) == 3 and len(set(tops)) == 1
    assert reopened.locator(".mdx").evaluate("(explorer) => explorer.scrollWidth <= explorer.clientWidth")


def test_keyboard_alone_moves_the_pixel_and_leaves_the_notebook_alone(reopened):
    page = reopened
    page.locator(".mdx button").focus()
    before, text = cells_and_active(page), page.locator(".mdx-sum").inner_text()
    page.keyboard.press("Tab")
    for key in ("ArrowUp", "ArrowRight", "d", "d", "x", "b", "1"):
        page.keyboard.press(key)
    moved = page.locator(".mdx-sum").inner_text()
    assert moved != text and moved.startswith("y[28, 41] =")
    page.get_by_label("stride s").focus()
    for key in ("ArrowRight", "d", "d"):
        page.keyboard.press(key)
    assert page.locator(".mdx-size").inner_text().count("÷ 2⌋ + 1 = 31") == 2
    assert cells_and_active(page) == before


def test_keys_follow_a_click_on_the_output(reopened):
    page = reopened
    page.get_by_role("application").click(position={"x": 60, "y": 60})
    before = cells_and_active(page)
    text = page.locator(".mdx-sum").inner_text()
    page.keyboard.press("ArrowDown")
    assert page.locator(".mdx-sum").inner_text() != text
    assert cells_and_active(page) == before


def test_run_cells_give_a_live_explorer_and_a_live_panel(page, lab):
    sources = [
        "from medtutor.explore import explore_convolution, explore_function\nexplore_convolution()",
        "def brighter(image):\n    return 2 * image\n\n\nexplore_function(brighter)",
        "explore_function(lambda image: image.no_such_thing)",
    ]
    name = "run.ipynb"
    address = lab.store(name, [nbformat.v4.new_code_cell(source, id=f"c{len(source)}") for source in sources])
    session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = lab.ask("/api/sessions", session)["kernel"]["id"]
    try:
        page.goto(address)
        run_all(page)
        page.wait_for_selector(".mdx", timeout=120_000)
        panels = page.locator(".jp-OutputArea .widget-vbox")
        panels.nth(1).wait_for(timeout=120_000)
        panel, broken = panels.nth(0), panels.nth(1)
        assert "64 × 64 results from 0.00 to 2.00" in panel.inner_text()
        panel.get_by_label("image").select_option("MR")
        panel.get_by_text("42 × 69 results").wait_for()
        assert "image MR: 42 × 69" in panel.locator("img").get_attribute("alt")
        panel.get_by_label("image").focus()
        before = cells_and_active(page)
        page.keyboard.press("ArrowUp")
        panel.get_by_text("64 × 64 results").wait_for()
        assert cells_and_active(page) == before
        assert (
            "AttributeError: 'numpy.ndarray' object has no attribute 'no_such_thing'" in broken.inner_text()
        )
        assert page.locator(".jp-OutputArea figure img").count() == 0, "the still pictures must give way"
        assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    finally:
        lab.stop(kernel)
