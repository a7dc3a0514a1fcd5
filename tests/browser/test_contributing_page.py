"""The explorer that CONTRIBUTING.md tells how to add, in a real browser."""

import re

import following
import pytest

PAGE = """
import numpy as np
from medtutor.explore import explore_share
image = np.arange(12).reshape(3, 4) / 11
page = "<!doctype html><meta charset=utf-8>" + explore_share(image).page()
open("page.html", "w", encoding="utf-8").write(page)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a page with the explorer, made in a copy of the project by its own package."""
    folder = following.copy_of_the_project(tmp_path_factory.mktemp("checkout"))
    for step in following.steps():
        if "medtutor/explore/" in step.lead[0]:
            following.edit(step, folder)
    (folder / "draw.py").write_text(PAGE, encoding="utf-8")
    code, output = following.run("python draw.py", folder)
    assert code == 0, output
    return (folder / "page.html").as_uri()


@pytest.mark.parametrize("step", [0, 1, 50, 99, 100])
def test_it_counts_the_pixels_below_the_threshold_that_the_slider_says(page, address, step):
    page.goto(address)
    page.wait_for_selector("[data-live=yes]")
    page.get_by_role("slider", name="threshold").fill(str(step))
    below = sum(round(100 * value / 11) < step for value in range(12))
    said = page.locator("p.mdx-reading").inner_text()
    assert said == f"{below} of 12 pixels: {100 * below / 12:.1f} %"


def test_it_is_moved_by_keys_alone(page, address):
    page.goto(address)
    page.wait_for_selector("[data-live=yes]")
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert re.match("0 of 12", page.locator("p.mdx-reading").inner_text())
