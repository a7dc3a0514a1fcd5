"""The threshold explorer in a real browser: every number that a reader sees, against medtutor.metrics."""

import re
from functools import cache

import numpy as np
import pytest

from medtutor import metrics
from medtutor.explore import explore_threshold
from medtutor.explore.threshold import COSTS

explorer_of = cache(lambda **settings: explore_threshold(Y, P, **settings))


def cases(n=400):
    random = np.random.default_rng(3)
    y = (random.random(n) < 0.25).astype(int)
    p = np.clip(random.normal(0.3 + 0.35 * y, 0.2), 0, 0.99).astype("float32")
    p[::2] = p[::2].round(2)
    return y, p


Y, P = cases()


@pytest.fixture
def show(dark_page):
    """show(tab, explorer, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer=None, copies=1: dark_page(tab, (explorer or explorer_of()).page(), copies)


def said(tab, name, copy=0):
    """What the table says of this number."""
    found = tab.locator(".mdx-numbers tr", has=tab.get_by_role("rowheader", name=name)).locator("td")
    return found.nth(copy).inner_text().replace("−", "-")


def slide(tab, name, place):
    tab.get_by_role("slider", name=name).first.fill(str(place))


@pytest.mark.parametrize("step", [0, 1, 300, 310, 500, 999, 1000])
def test_numbers_at_a_threshold_are_those_of_metrics(page, show, step):
    show(page)
    slide(page, "threshold", step)
    t = step / 1000
    for name, metric, nobody in (
        ("sensitivity", metrics.sensitivity, None),
        ("specificity", metrics.specificity, None),
        ("PPV", metrics.precision, "no one is called sick"),
        ("NPV", metrics.negative_predictive_value, "no one is called well"),
        ("accuracy", metrics.accuracy, None),
        ("F1", metrics.f1, None),
    ):
        try:
            expected = metric(Y, P, t)
        except metrics.Undefined:
            assert said(page, name) == nobody
        else:
            assert float(said(page, name)) == pytest.approx(expected, abs=0.00051), name
    (tn, fp), (fn, tp) = metrics.confusion(Y, P, t)
    assert float(said(page, "net benefit")) == pytest.approx((tp - fp / 9) / len(Y), abs=0.000051)
    assert float(said(page, "expected cost")) == pytest.approx(1000 * (9 * fn + fp) / len(Y), abs=0.051)
    counts = [int(text) for text in page.locator(".mdx-matrix strong").all_inner_texts()]
    assert counts == pytest.approx([1000 * n / len(Y) for n in (tp, fn, fp, tn)], abs=1.001)


def test_net_benefit_at_the_cost_s_own_threshold_is_that_of_metrics(page, show):
    show(page)
    for place, cost in enumerate(sorted(COSTS)):
        slide(page, "one miss costs", place)
        page.get_by_role("button", name="from the cost").click()
        t = round(1000 / (1 + cost)) / 1000
        assert page.get_by_role("slider", name="threshold").input_value() == str(round(1000 * t))
        assert float(said(page, "threshold from the cost")) == pytest.approx(t, abs=1e-9)
        expected = metrics.net_benefit(Y, P, t)
        assert float(said(page, "net benefit")) == pytest.approx(expected, abs=0.000051)


def test_rarer_disease_lowers_ppv_and_leaves_sensitivity_alone(page, show):
    show(page, explorer_of(prevalence=0.02))
    se, sp = metrics.sensitivity(Y, P), metrics.specificity(Y, P)
    ppv, npv = metrics.predictive_values(se, sp, 0.02)
    assert float(said(page, "sensitivity")) == pytest.approx(se, abs=0.00051)
    assert float(said(page, "PPV")) == pytest.approx(ppv, abs=0.00051)
    assert float(said(page, "NPV")) == pytest.approx(npv, abs=0.00051)
    found, alarms = round(20 * se), round(980 * (1 - sp))
    assert page.locator(".mdx-sentence").inner_text() == (
        f"Of 1,000 people, 20 have the tumour: {found} found, {20 - found} missed; "
        f"and {alarms} false alarms among the 980 without it."
    )
    before = page.locator(".mdx-panels section:nth-child(2) .mdx-curve").get_attribute("d")
    slide(page, "prevalence", 0)
    assert page.locator(".mdx-sentence").inner_text().startswith("Of 10,000 people, 10 have the tumour")
    assert page.locator(".mdx-panels section:nth-child(2) .mdx-curve").get_attribute("d") != before
    assert float(said(page, "PPV")) == pytest.approx(metrics.predictive_values(se, sp, 0.001)[0], abs=0.00051)


def test_cheapest_button_goes_to_the_lowest_cost_there_is(page, show):
    show(page)
    for cost_at, prevalence_at in ((1, 9), (6, 30), (12, 3)):
        slide(page, "one miss costs", cost_at)
        slide(page, "prevalence", prevalence_at)
        page.get_by_role("button", name="cheapest").click()
        lowest = float(said(page, "expected cost"))
        low = float(said(page, "cheapest threshold").split()[0])
        for step in range(0, 1001, 40):
            slide(page, "threshold", step)
            assert float(said(page, "expected cost")) >= lowest
        slide(page, "threshold", round(1000 * low))
        assert float(said(page, "expected cost")) == lowest


def test_points_lie_where_the_numbers_say(page, show):
    show(page, explorer_of(prevalence=0.1))
    slide(page, "threshold", 400)
    spots = [
        (float(dot.get_attribute("cx")), float(dot.get_attribute("cy")))
        for dot in page.locator(".mdx-dot").all()
    ]
    se, sp = metrics.sensitivity(Y, P, 0.4), metrics.specificity(Y, P, 0.4)
    ppv = metrics.predictive_values(se, sp, 0.1)[0]

    def at(x, y):
        return pytest.approx((46 + 262 * x, 10 + 240 * (1 - y)), abs=0.06)

    assert spots[0] == at(1 - sp, se)
    assert spots[1] == at(se, ppv)
    assert spots[2][0] == pytest.approx(46 + 262 * 0.4, abs=0.06)


def test_no_precision_point_where_no_one_is_called_sick(page, show):
    show(page)
    dots = page.locator(".mdx-dot")
    slide(page, "threshold", 1000)
    assert not (P >= 1).any()
    assert [dot.get_attribute("visibility") for dot in dots.all()] == ["visible", "hidden", "visible"]
    slide(page, "threshold", 500)
    assert dots.nth(1).get_attribute("visibility") == "visible"


def test_arrow_keys_move_each_slider_by_one_step(page, show):
    show(page)
    page.get_by_role("slider", name="threshold").focus()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("slider", name="threshold").get_attribute("aria-valuetext") == "0.499"
    page.keyboard.press("Tab")
    page.keyboard.press("Home")
    assert page.get_by_role("slider", name="prevalence").get_attribute("aria-valuetext") == "0.1 %"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert (
        page.get_by_role("slider", name="one miss costs").get_attribute("aria-valuetext") == "19 false alarms"
    )
    for name in ("cheapest", "from the cost", "Reset"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == name
    page.keyboard.press("Enter")
    assert page.get_by_role("slider", name="threshold").get_attribute("aria-valuetext") == "0.500"
    words = page.get_by_role("slider", name="prevalence").get_attribute("aria-valuetext")
    assert words == f"{100 * Y.mean():.3g} %, as in the data"


def test_a_drag_on_the_plots_moves_the_threshold(page, show):
    show(page)
    plots = page.locator(".mdx-plot")

    def press(plot, x, y):
        box = plots.nth(plot).bounding_box()
        page.mouse.move(
            box["x"] + (46 + 262 * x) / 320 * box["width"],
            box["y"] + (10 + 240 * (1 - y)) / 300 * box["height"],
        )
        page.mouse.down()
        page.mouse.up()

    press(2, 0.25, 0.5)
    assert page.get_by_role("slider", name="threshold").input_value() == "250"
    fpr, tpr, thresholds = metrics.roc_curve(Y, P)
    wanted = len(fpr) // 3
    press(0, fpr[wanted], tpr[wanted])
    assert float(said(page, "sensitivity")) == pytest.approx(tpr[wanted], abs=0.03)
    assert 1 - float(said(page, "specificity")) == pytest.approx(fpr[wanted], abs=0.03)
    press(0, -0.1, -0.1)
    assert said(page, "PPV") == "no one is called sick"


def test_what_comes_to_rest_is_spoken(page, show):
    show(page)
    slide(page, "threshold", 321)
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith('threshold 0.321. Of')"
    )


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    slide(page, "threshold", 100)
    sentences = page.locator(".mdx-sentence").all_inner_texts()
    assert len(sentences) == 2 and sentences[0] != sentences[1]


@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_cut_off_or_jumps(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page)
    heights = set()
    for threshold, prevalence, cost in ((500, 20, 6), (0, 0, 0), (1000, 60, 13), (37, 8, 12)):
        slide(page, "threshold", threshold)
        slide(page, "prevalence", prevalence)
        slide(page, "one miss costs", cost)
        heights.add(page.locator(".mdx").bounding_box()["height"])
        clipped = page.evaluate("""() => [...document.querySelectorAll(".mdx, .mdx *")]
          .filter((part) => part.getBoundingClientRect().right > innerWidth + 1
            || (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline"
                && !part.matches(".mdx-spoken, input, svg, svg *")))
          .map((part) => part.outerHTML.slice(0, 80))""")
        assert clipped == []
    assert len(heights) == 1


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page)
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 50 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explorer_of()._repr_mimebundle_(), source="explore_threshold(y, p)")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    slide(page, "threshold", 300)
    assert float(said(page, "accuracy")) == pytest.approx(metrics.accuracy(Y, P, 0.3), abs=0.00051)
    assert re.fullmatch(r"Of 1,000 people, .*", page.locator(".mdx-sentence").inner_text())
