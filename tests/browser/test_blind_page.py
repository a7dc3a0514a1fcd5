"""The blind test in a real browser: nothing tells which is which before the end, and the score is scipy's."""

import re
from functools import cache

import numpy as np
import pytest
from scipy import stats

from medtutor.course.poke import cut_off
from medtutor.explore import explore_real_or_drawn
from medtutor.explore.blind import deal

# Real pictures are dark and drawn ones bright, each of a grey of its own: a pixel tells which is shown.
REAL = np.ones((30, 8, 8)) * np.arange(30).reshape(30, 1, 1) / 255
DRAWN = np.ones((30, 8, 8)) * (200 + np.arange(30)).reshape(30, 1, 1) / 255


def kinds(round=0, n=20, seed=0):
    return [kind for kind, _ in deal(seed, round, n, [30, 30])]


@cache
def explorer(**options):
    return explore_real_or_drawn(REAL, DRAWN, **options).page()


@pytest.fixture
def show(dark_page):
    """show(tab, copies, **options) opens a dark page that holds the explorer, so many times."""
    return lambda tab, copies=1, **options: dark_page(tab, explorer(**options), copies)


def grey(tab):
    read = '(canvas) => canvas.getContext("2d").getImageData(280, 280, 1, 1).data[0]'
    return tab.locator(".mdx-picture canvas").first.evaluate(read)


def answer(tab, called):
    for one in called:
        tab.keyboard.press("RD"[one])


def start(tab):
    tab.locator(".mdx-picture .mdx-stack").focus()


def verdict(tab):
    return tab.locator(".mdx-verdict").inner_text().replace("\u00a0", " ")


def test_the_pictures_are_those_dealt_in_their_order(page, show):
    show(page)
    start(page)
    for kind, which in deal(0, 0, 20, [30, 30]):
        assert grey(page) == (which, 200 + which)[kind]
        page.keyboard.press("r")


def test_no_word_of_the_page_depends_on_what_is_shown_before_the_end(own_page, show):
    pages = []
    own_page.clock.install()
    for seed in (0, 1):
        show(own_page, seed=seed)
        start(own_page)
        seen = []
        for number in range(20):
            seen.append(own_page.locator(".mdx").evaluate("(el) => el.outerHTML"))
            assert f'aria-label="picture {number + 1} of 20, undisclosed;' in seen[-1]
            own_page.keyboard.press("d")
            own_page.clock.run_for(1000)  # by then the new picture has been announced
        pages.append(seen)
    assert kinds(seed=0) != kinds(seed=1) and pages[0] == pages[1]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (0, "It lies above 50 %: you tell them apart."),
        (5, "It lies above 50 %: you tell them apart."),
        (6, "It holds 50 %: this round cannot tell your eye from a coin."),
        (14, "It holds 50 %"),
        (15, "It lies below 50 %: you see a difference, and call it by the wrong name."),
    ],
)
def test_the_score_stands_against_guessing(page, show, wrong, words):
    show(page)
    start(page)
    answer(page, [kind ^ (at < wrong) for at, kind in enumerate(kinds())])
    right = 20 - wrong
    interval = stats.binomtest(right, 20).proportion_ci(method="wilson")
    said = f"{right} of 20 right, {5 * right} %; 95 % interval {interval.low:.0%} to {interval.high:.0%}. "
    assert verdict(page).startswith(re.sub(r"(\d)%", r"\1 %", said)) and words in verdict(page)
    tail = 100 * stats.binomtest(right, 20, alternative="greater").pvalue
    chance = "fewer than 0.1" if tail < 0.1 else f"{tail:.1f}"
    assert f"A coin has {right} or more right in {chance} % of rounds." in page.locator(".mdx").inner_text()
    assert page.evaluate("document.activeElement.className") == "mdx-verdict"


def test_the_table_and_the_pictures_say_what_was_called_wrongly(page, show):
    show(page)
    start(page)
    truth = kinds()
    called = [1 - kind if at in (2, 7, 11) else kind for at, kind in enumerate(truth)]
    answer(page, called)
    counts = [int(text) for text in page.locator("td strong").all_inner_texts()]
    pairs = list(zip(truth, called, strict=True))
    assert counts == [pairs.count((kind, call)) for kind in (0, 1) for call in (0, 1)]
    heads = page.locator("th[scope=row]").all_inner_texts()
    assert heads == [f"{truth.count(0)} real", f"{truth.count(1)} drawn"]
    names = ("real", "drawn")
    wrong = [f"{at + 1}: {names[truth[at]]}, called {names[called[at]]}" for at in (2, 7, 11)]
    assert page.locator(".mdx-gallery figcaption").all_inner_texts() == wrong
    images = page.locator(".mdx-gallery canvas")
    assert [image.get_attribute("aria-label") for image in images.all()] == [f"picture {w}" for w in wrong]
    kind, which = deal(0, 0, 20, [30, 30])[7]
    pixel = images.nth(1).evaluate("(c) => c.getContext('2d').getImageData(3, 3, 1, 1).data[0]")
    assert pixel == (which, 200 + which)[kind]


def test_mouse_arrows_and_letters_answer_alike_and_back_takes_one_answer_back(page, show):
    show(page, n=5)
    page.get_by_role("button", name="Real (R)").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".mdx-picture .mdx-title").inner_text() == "picture 4 of 5"
    page.get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Drawn (D)").click()
    page.keyboard.press("D")
    page.keyboard.press("r")
    called = [0, 1, 1, 1, 0]
    right = sum(a == b for a, b in zip(called, kinds(n=5), strict=True))
    assert verdict(page).startswith(f"{right} of 5 right")


def test_a_key_held_down_answers_once_and_the_browser_s_own_keys_are_left_alone(page, show):
    show(page)
    start(page)
    page.keyboard.down("r")
    page.keyboard.down("r")
    page.keyboard.up("r")
    page.keyboard.press("Control+d")
    assert page.locator(".mdx-picture .mdx-title").inner_text() == "picture 2 of 20"


def test_again_deals_other_pictures(page, show):
    show(page)
    start(page)
    answer(page, kinds())
    page.get_by_role("button", name="Again").click()
    assert page.locator(".mdx-picture .mdx-title").inner_text() == "picture 1 of 20"
    for kind, which in deal(0, 1, 20, [30, 30]):
        assert grey(page) == (which, 200 + which)[kind]
        page.keyboard.press("RD"[kind])
    assert verdict(page).startswith("20 of 20 right")
    assert page.locator(".mdx-result > .mdx-title").inner_text() == "None was called by the wrong name."


def test_progress_and_score_are_spoken(page, show):
    show(page, n=5)
    start(page)
    page.keyboard.press("d")
    page.wait_for_function("document.querySelector('[aria-live]').textContent === 'drawn. Picture 2 of 5.'")
    answer(page, [0] * 4)
    page.wait_for_function("document.querySelector('[aria-live]').textContent.includes('of 5 right')")


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    page.get_by_role("button", name="Real (R)").first.click()
    titles = page.locator(".mdx-picture .mdx-title").all_inner_texts()
    assert titles == ["picture 2 of 20", "picture 1 of 20"]


@pytest.mark.parametrize("width", [1280, 700, 400])
def test_nothing_is_cut_off_in_the_test_or_its_result(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page)
    start(page)
    heights = set()
    for _ in range(20):
        heights.add(page.locator(".mdx").bounding_box()["height"])
        page.keyboard.press("r")
    assert len(heights) == 1
    for _ in range(2):
        assert cut_off(page.locator(".mdx")) == []
        show(page)


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page)
    assert contrast(page.locator(".mdx"))["faint"] == []
    start(page)
    answer(page, [0] * 20)
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 15 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explore_real_or_drawn(REAL, DRAWN, n=5)._repr_mimebundle_(), source="explore(real, drawn)")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    start(page)
    answer(page, kinds(n=5))
    assert verdict(page).startswith("5 of 5 right, 100 %")
