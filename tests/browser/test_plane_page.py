"""The plane explorer in a real browser: what a reader sees, against the game in numpy."""

import re
from functools import cache

import numpy as np
import pytest

from medtutor.explore import explore_plane_gan
from medtutor.explore.plane import GAME, SETTINGS, Stream
from medtutor.nn import plane

explorer_of = cache(explore_plane_gan)


@pytest.fixture
def show(dark_page):
    """show(tab, explorer, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer=None, copies=1: dark_page(tab, (explorer or explorer_of()).page(), copies)


def press(tab, name, times=1):
    for _ in range(times):
        tab.get_by_role("button", name=name).click()


def sentence(tab):
    return tab.locator(".mdx-sentence").inner_text()


def steps(tab):
    """(G steps, D steps) as the sentence says."""
    found = re.search(r"step ([\d,]+) of G, ([\d,]+) of D", sentence(tab))
    return tuple(int(number.replace(",", "")) for number in found.groups())


def says(tab, gan):
    """Asserts that the sentence gives the losses and the modes of this game."""
    drawn = plane.forward(gan.G, Stream(8).standard_normal((256, 2)))[-1]
    text = sentence(tab).replace("−", "-")
    losses = [float(number) for number in re.findall(r"-?\d+\.\d\d", text)]
    assert losses == pytest.approx([value for value in (gan.L_D, gan.L_G) if np.isfinite(value)], abs=0.0051)
    assert text.endswith(f"Modes reached: {plane.modes_reached(drawn)} of 8.")


def slider(tab, name):
    return tab.get_by_role("slider", name=name)


def pixels(tab):
    return tab.locator("canvas").evaluate("canvas => canvas.toDataURL()")


def until(tab, step):
    """Waits until the game is at this step of G or beyond."""
    tab.wait_for_function(
        "step => Number(document.querySelector('.mdx-sentence').textContent.match(/step ([\\d,]+)/)[1]"
        ".replace(',', '')) >= step",
        arg=step,
    )


def test_steps_by_mouse_are_those_of_the_game_in_numpy(page, show):
    show(page)
    gan = plane.PlaneGAN(Stream(1), **SETTINGS["collapse"], **GAME)
    assert "Loss of D not yet, of G not yet" in sentence(page)
    says(page, gan)
    for button, step in [("D step", gan.d_step), ("G step", gan.g_step), ("G step", gan.g_step)]:
        press(page, button)
        step()
        says(page, gan)
    assert steps(page) == (2, 1)


def test_settings_changed_in_the_page_are_those_of_the_next_step(page, show):
    show(page)
    page.get_by_role("checkbox", name="R1, weight 1").check()
    page.get_by_role("radio", name="minimax").check()
    slider(page, "learning rates D : G").fill("6")
    slider(page, "G's learning rate").fill("1")
    slider(page, "Adam's β₁").fill("0")
    press(page, "D step", 2)
    press(page, "G step", 2)
    changed = {"rate_G": 2e-3, "rate_D": 2e-2, "beta1": 0.0, "loss": "minimax", "r1": 1.0}
    gan = plane.PlaneGAN(Stream(1), **SETTINGS["collapse"] | changed, **GAME)
    for step in (gan.d_step, gan.d_step, gan.g_step, gan.g_step):
        step()
    says(page, gan)
    assert slider(page, "learning rates D : G").get_attribute("aria-valuetext") == "10 : 1"
    assert page.locator(".mdx-choices").first.get_by_role("radio", checked=True).count() == 0


def test_a_preset_sets_everything_and_starts_again(page, show):
    show(page)
    start = pixels(page)
    press(page, "G step")
    assert pixels(page) != start
    page.get_by_role("radio", name="circling").check()
    assert steps(page) == (0, 0) and pixels(page) == start
    assert slider(page, "learning rates D : G").get_attribute("aria-valuetext") == "1 : 33"
    assert slider(page, "G's learning rate").get_attribute("aria-valuetext") == "0.01"
    assert not page.get_by_role("checkbox", name="R1").is_checked()
    page.get_by_role("radio", name="cure").check()
    assert page.get_by_role("checkbox", name="R1").is_checked()
    assert slider(page, "D steps to a G step").get_attribute("aria-valuetext") == "5"


def test_nothing_plays_unasked_and_play_goes_on_until_pause(page, show):
    show(page, explorer_of("steady"))
    page.wait_for_timeout(300)
    assert steps(page) == (0, 0)
    press(page, "Play")
    until(page, 20)
    press(page, "Pause")
    there = steps(page)
    page.wait_for_timeout(300)
    assert steps(page) == there
    gan = plane.PlaneGAN(Stream(1), **SETTINGS["steady"], **GAME)
    if there[0] <= 100:  # later, the last digits of sums tell
        gan.play(there[0])
        if there[1] > there[0]:
            gan.d_step()
        says(page, gan)
    for curve in (
        ".mdx-line-modes",
        ".mdx-charts svg.mdx-plot .mdx-line-d",
        ".mdx-charts svg.mdx-plot .mdx-line-g",
    ):
        assert page.locator(curve).first.get_attribute("d").count("L") >= 15


def test_each_g_step_of_a_play_follows_its_d_steps(page, show):
    show(page)
    slider(page, "D steps to a G step").fill("2")
    press(page, "Play")
    until(page, 3)
    press(page, "Pause")
    g, d = steps(page)
    assert 3 * g <= d <= 3 * g + 3


def test_restart_plays_the_same_game_and_a_new_seed_another(page, show):
    show(page)
    start = pixels(page)
    press(page, "D step")
    press(page, "Restart")
    assert pixels(page) == start and sentence(page).startswith("Seed 1, step 0 of G, 0 of D.")
    press(page, "New seed")
    assert pixels(page) != start and sentence(page).startswith("Seed 2,")
    says(page, plane.PlaneGAN(Stream(2), **SETTINGS["collapse"], **GAME))


def test_all_is_reached_by_keyboard_alone(page, show):
    show(page)
    page.get_by_role("radio", name="collapse").focus()
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="cure").is_checked()
    page.keyboard.press("Tab")  # the loss
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")  # the cure
    page.keyboard.press("Space")
    assert not page.get_by_role("checkbox", name="R1").is_checked()
    page.keyboard.press("Tab")  # G's learning rate
    page.keyboard.press("Home")
    assert slider(page, "G's learning rate").get_attribute("aria-valuetext") == "0.001"
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert steps(page) == (1, 1)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    until(page, 4)
    page.keyboard.press("Enter")
    there = steps(page)
    page.wait_for_timeout(200)
    assert steps(page) == there


def test_what_comes_to_rest_is_spoken_and_the_picture_has_a_description(page, show):
    show(page)
    press(page, "D step")
    page.wait_for_function(
        "text => document.querySelector('[aria-live=polite]').textContent === text", arg=sentence(page)
    )
    assert "on a ring of radius 2, 256 drawn points on" in page.get_by_role("img").get_attribute("aria-label")


def test_a_play_is_not_spoken_at_every_frame(page, show):
    show(page, explorer_of("steady"))
    page.wait_for_timeout(800)
    page.evaluate("""() => {
      window.said = 0;
      new MutationObserver(() => (window.said += 1)).observe(
        document.querySelector('[aria-live]'), {childList: true, characterData: true, subtree: true});
    }""")
    press(page, "Play")
    until(page, 200)
    assert page.evaluate("window.said") == 0
    press(page, "Pause")
    page.wait_for_function("window.said === 1")


def test_with_reduced_motion_a_play_draws_once_a_second_at_most(new_tab, show):
    with new_tab(reduced_motion="reduce") as tab:
        show(tab, explorer_of("steady"))
        tab.evaluate("""() => {
          window.drawings = [];
          new MutationObserver(() => window.drawings.push(performance.now())).observe(
            document.querySelector('.mdx-sentence'), {childList: true});
        }""")
        press(tab, "Play")
        tab.wait_for_function("window.drawings.length >= 3")
        gaps = np.diff(tab.evaluate("window.drawings"))
        assert (gaps[1:] > 900).all()
        press(tab, "Pause")


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    page.get_by_role("button", name="D step").first.click()
    page.get_by_role("radio", name="steady").nth(1).check()
    first, second = page.locator(".mdx-sentence").all_inner_texts()
    assert "1 of D" in first and "0 of D" in second
    assert page.get_by_role("radio", name="collapse").first.is_checked()


@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_cut_off_or_jumps(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page)
    tops = set()
    for what in (None, "D step", "G step", "New seed"):
        if what:
            press(page, what)
        tops.add(tuple(page.locator(f".mdx-{part}").bounding_box()["y"] for part in ("plane", "charts")))
        clipped = page.evaluate("""() => [...document.querySelectorAll(".mdx, .mdx *")]
          .filter((part) => part.getBoundingClientRect().right > innerWidth + 1
            || (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline"
                && !part.matches(".mdx-spoken, input, svg, svg *")))
          .map((part) => part.outerHTML.slice(0, 80))""")
        assert clipped == []
    assert np.ptp(list(tops), axis=0).max() < 1


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page)
    press(page, "D step")
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 25 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explorer_of()._repr_mimebundle_(), source="explore_plane_gan()")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    press(page, "D step")
    gan = plane.PlaneGAN(Stream(1), **SETTINGS["collapse"], **GAME)
    gan.d_step()
    says(page, gan)
