"""The threshold explorer without a browser: its page, and its arithmetic against medtutor.metrics."""

import html
import re

import numpy as np
import pytest
from explored import in_node, state_of
from matplotlib.figure import Figure

from medtutor import metrics
from medtutor.explore import explore_threshold
from medtutor.explore import threshold as module
from medtutor.explore.base import HERE

COUNTED = [1, 1, 1, 0, 0, 0, 0, 0], [0.9, 0.6, 0.3, 0.7, 0.6, 0.2, 0.1, 0.0]  # eight patients, one tie


def cases(seed=0, n=300, kind="float64"):
    """y and p with many ties, some p exactly 0, 1 and on steps of the slider."""
    random = np.random.default_rng(seed)
    y = (random.random(n) < 0.2).astype(int)
    p = np.clip(random.normal(0.3 + 0.4 * y, 0.25), 0, 1)
    p[: n // 2] = p[: n // 2].round(1)
    return y, p.astype(kind)


# ---- the page ----


def test_the_same_cases_give_the_same_bytes():
    y, p = cases()
    first = explore_threshold(y, p, prevalence=0.02)._repr_mimebundle_()
    assert first == explore_threshold(y.tolist(), p.copy(), prevalence=0.02)._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_cases_in_another_order_give_the_same_page():
    y, p = cases()
    order = np.random.default_rng(1).permutation(len(y))
    assert explore_threshold(y, p).page() == explore_threshold(y[order], p[order]).page()


def test_a_net_trained_elsewhere_changes_nothing_but_the_marked_state_and_the_picture():
    y, p = cases()
    pages = []
    for scores in (p, np.clip(p + 1e-3 * (p > 0.05), 0, 1)):
        page = explore_threshold(y, scores, tolerance=0.05).page()
        page = re.sub(r"/\* measured \*/.*?/\* end of measured \*/", "", page)
        pages.append(re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert pages[0] == pages[1]
    assert explore_threshold(y, p).page() != explore_threshold(y, np.clip(p + 0.001, 0, 1)).page()


def test_description_says_the_counted_rates():
    alt = explore_threshold(*COUNTED, threshold=0.6, cost=4, name="stroke", unit="scans").picture.alt
    for words in (
        "a search for stroke in 8 scans, 3 of them sick",
        "threshold 0.6, prevalence 37.5 % and 4 false alarms to one miss",
        "sensitivity 0.67, specificity 0.60, positive predictive value 0.50",
    ):
        assert words in alt


def test_description_says_that_nobody_is_called_and_carries_the_tolerance():
    alt = explore_threshold(*COUNTED, threshold=1, tolerance=0.02).picture.alt
    assert "At threshold 1 ± 0.02, prevalence 37.5 %" in alt
    assert "sensitivity 0.00 ± 0.02, specificity 1.00 ± 0.02, no one is called sick." in alt
    assert "ROC curve 0.77 ± 0.02" in alt


def test_words_of_the_reader_cannot_leave_their_place():
    nasty = '</script><!-- " & <b> /* end of measured */'
    page = explore_threshold(*COUNTED, name=nasty, unit=nasty).page()
    assert page.count("</script>") == 1 and "<!--" not in page and "<b>" not in page
    assert state_of(page)["name"] == nasty
    assert nasty in html.unescape(re.search(r'<img alt="([^"]*)"', page)[1])


def test_every_case_is_stored_once_in_thousandths_rounded_down():
    state = state_of(explore_threshold(*COUNTED).page())
    assert state["scores"] == {
        "levels": [900, 700, 600, 300, 200, 100, 0],
        "sick": [1, 0, 1, 1, 0, 0, 0],
        "well": [0, 1, 1, 0, 1, 1, 1],
    }
    assert state_of(explore_threshold([1, 0], [0.1239, 0.1231]).page())["scores"]["levels"] == [123, 123]


def test_prevalence_and_cost_of_the_reader_are_among_those_offered():
    y, p = cases()
    state = state_of(explore_threshold(y, p, prevalence=0.0123, cost=6.5).page())
    assert state["prevalences"][state["own"]] == y.mean()
    assert state["prevalences"][state["prevalence"]] == 0.0123 and state["costs"][state["cost"]] == 6.5
    assert state["prevalences"] == sorted(state["prevalences"]) and state["prevalences"][0] == 0.001
    assert state["costs"] == sorted(state["costs"])


def test_a_page_of_five_thousand_cases_stays_small():
    y, p = cases(n=5000, kind="float32")
    assert len(explore_threshold(y, p).page()) < 200_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": [1, 1], "p": [0.1, 0.2]}, r"well case \(y == 0\); y has none"),
        ({"y": [0, 0], "p": [0.1, 0.2]}, r"sick case \(y == 1\); y has none"),
        ({"y": [0, 1], "p": [0.1, 1.2]}, "p holds 1.2; probabilities between 0 and 1"),
        ({"y": [0, 1], "p": [0.1, np.nan]}, "p holds nan"),
        ({"y": [0, 2], "p": [0.1, 0.2]}, "y holds 2"),
        ({"y": [0, 1], "p": [[0.1], [0.2]]}, r"of \(n, 1\) use \[:, 0\]"),
        ({"threshold": 1.5}, "threshold is 1.5; use a number from 0 to 1"),
        ({"prevalence": 0}, "prevalence is 0; use a number from 0.001 to 0.99"),
        ({"prevalence": [0.1]}, r"prevalence is \[0.1\]; use a number"),
        ({"cost": 0}, "cost is 0; use a number from 0.01 to 10000"),
        ({"cost": True}, "cost is True; use a number"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_threshold(**{"y": COUNTED[0], "p": COUNTED[1]} | arguments)


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const answers = JSON.parse(readFileSync(0, "utf-8")).map(({scores, prevalence, own, cost}) => {
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const calls = arithmetic.callsAt(scores);
  const rates = calls.map(({tp, fp}) => ({se: tp / sum(scores.sick), fa: fp / sum(scores.well)}));
  const points = arithmetic.rocPoints(scores);
  const pr = arithmetic.prPoints(points, prevalence);
  return {
    calls, points, pr, auroc: arithmetic.auroc(points), ap: arithmetic.averagePrecision(pr),
    said: rates.map((rate) => arithmetic.judge(rate, prevalence, cost)),
    people: rates.map((rate) => arithmetic.people(rate, prevalence)),
    best: arithmetic.cheapest(rates, prevalence, cost),
    implied: arithmetic.impliedThreshold(cost, prevalence, own),
  };
});
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(asked) -> answers, for asked {scores, prevalence, own, cost}."""
    folder = tmp_path_factory.mktemp("node")
    return in_node(folder, ASK_NODE, {"explorer.mjs": HERE / "threshold.js"})


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves the still picture out, which is the slow part."""
    monkeypatch.setattr(module, "_still", lambda *given: Figure(figsize=(1, 1)))


def asked(y, p, prevalence=None, cost=9):
    state = state_of(explore_threshold(y, p, prevalence=prevalence, cost=cost).page())
    return {
        "scores": state["scores"],
        "prevalence": state["prevalences"][state["prevalence"]],
        "own": state["prevalences"][state["own"]],
        "cost": cost,
    }


def or_none(metric, *arguments):
    try:
        return metric(*arguments)
    except metrics.Undefined:
        return None


@pytest.mark.parametrize("kind", ["float64", "float32"])
def test_at_the_data_s_prevalence_every_number_is_that_of_metrics(javascript, undrawn, kind):
    for seed in range(3):
        y, p = cases(seed, kind=kind)
        (answer,) = javascript([asked(y, p)])
        for step in (0, 1, 77, 100, 300, 499, 500, 700, 701, 999, 1000):
            t, said = step / 1000, answer["said"][step]
            (_, fp), (_, tp) = metrics.confusion(y, p, t)
            assert answer["calls"][step] == {"tp": tp, "fp": fp}, (seed, step)
            for name, metric in (
                ("sensitivity", metrics.sensitivity),
                ("specificity", metrics.specificity),
                ("ppv", metrics.precision),
                ("npv", metrics.negative_predictive_value),
                ("accuracy", metrics.accuracy),
                ("f1", metrics.f1),
            ):
                expected = or_none(metric, y, p, t)
                assert said[name] == (None if expected is None else pytest.approx(expected, abs=1e-12)), name
        assert answer["auroc"] == pytest.approx(metrics.auroc(y, p), abs=1e-12)
        assert answer["ap"] == pytest.approx(metrics.average_precision(y, p), abs=1e-12)
        fpr, tpr, _ = metrics.roc_curve(y, p)
        np.testing.assert_allclose([[d["fa"], d["se"]] for d in answer["points"]], np.stack([fpr, tpr], 1))
        recall, precision, _ = metrics.pr_curve(y, p)
        np.testing.assert_allclose(
            [[d["recall"], d["precision"]] for d in answer["pr"]], np.stack([recall, precision], 1)
        )


def test_net_benefit_is_that_of_the_decision_curve_where_threshold_odds_are_one_over_cost(
    javascript, undrawn
):
    y, p = cases()
    for step in (5, 100, 250, 500, 800):
        t = step / 1000
        (answer,) = javascript([asked(y, p, cost=(1 - t) / t)])
        assert answer["implied"] == pytest.approx(t, abs=1e-12)
        said = answer["said"][step]
        assert said["netBenefit"] == pytest.approx(metrics.net_benefit(y, p, t), abs=1e-12)
        everybody = metrics.net_benefit(y, np.ones(len(y)), t)
        assert said["treatAll"] == pytest.approx(everybody, abs=1e-12)
        assert answer["said"][0]["netBenefit"] == pytest.approx(everybody, abs=1e-12)


def copied_to(prevalence, y, p, healthy=20_000):
    """The same cases as often as gives this prevalence: a hospital in which they would be counted."""
    sick = round(prevalence / (1 - prevalence) * healthy)
    well_each, sick_each = healthy / np.sum(y == 0), sick / np.sum(y == 1)
    assert well_each == int(well_each) and sick_each == int(sick_each)
    times = np.where(y == 1, int(sick_each), int(well_each))
    return np.repeat(y, times), np.repeat(p, times)


def test_another_prevalence_gives_what_counting_there_gives(javascript, undrawn):
    y, p = np.repeat([1, 0], [25, 100]), cases(n=125)[1]
    for prevalence, cost in ((0.5, 1), (1 / 81, 9), (0.2, 19), (1 / 201, 99)):
        (answer,) = javascript([asked(y, p, prevalence, cost)])
        there_y, there_p = copied_to(prevalence, y, p)
        for step in (0, 100, 455, 500, 1000):
            t, said = step / 1000, answer["said"][step]
            assert said["sensitivity"] == pytest.approx(metrics.sensitivity(y, p, t), abs=1e-12)
            expected = or_none(metrics.precision, there_y, there_p, t)
            assert said["ppv"] == (None if expected is None else pytest.approx(expected, abs=1e-9))
            assert said["accuracy"] == pytest.approx(metrics.accuracy(there_y, there_p, t), abs=1e-9)
            assert said["f1"] == pytest.approx(metrics.f1(there_y, there_p, t), abs=1e-9)
            (_, fp), (fn, tp) = metrics.confusion(there_y, there_p, t)
            n = len(there_y)
            assert said["cost"] == pytest.approx((cost * fn + fp) / n, abs=1e-9)
            assert said["netBenefit"] == pytest.approx(tp / n - fp / n / cost, abs=1e-9)
            assert said["cost"] == pytest.approx(cost * (prevalence - said["netBenefit"]), abs=1e-9)
        assert answer["ap"] == pytest.approx(metrics.average_precision(there_y, there_p), abs=1e-9)


def test_cheapest_thresholds_are_those_of_a_search_through_all(javascript, undrawn):
    for seed, (prevalence, cost) in enumerate(((None, 9), (0.01, 99), (0.3, 1), (0.001, 4), (0.9, 499))):
        y, p = cases(seed)
        question = asked(y, p, prevalence, cost)
        (answer,) = javascript([question])
        prev = question["prevalence"]
        costs = [
            cost * prev * (1 - metrics.sensitivity(y, p, step / 1000))
            + (1 - prev) * (1 - metrics.specificity(y, p, step / 1000))
            for step in range(1001)
        ]
        np.testing.assert_allclose(answer["best"]["costs"], costs, atol=1e-12)
        least = np.flatnonzero(np.isclose(costs, min(costs), atol=1e-12))
        low, high = answer["best"]["low"], answer["best"]["high"]
        assert low in least and set(range(low, high + 1)) <= set(least) and high + 1 not in least
        assert answer["best"]["cost"] == pytest.approx(min(costs), abs=1e-12)


def test_threshold_from_the_cost_is_the_cheapest_of_calibrated_probabilities_at_any_prevalence(
    javascript, undrawn
):
    p = np.repeat(np.arange(0.05, 1, 0.1), 200)  # 10 groups of 200, of which exactly p are sick
    y = np.concatenate([np.repeat([1, 0], [round(200 * q), 200 - round(200 * q)]) for q in p[::200]])
    for prevalence, cost in ((None, 9), (None, 1), (0.1, 9), (0.02, 49), (0.8, 1.5)):
        (answer,) = javascript([asked(y, p, prevalence, cost)])
        step = answer["implied"] * 1000
        assert answer["best"]["low"] - 1 <= step <= answer["best"]["high"] + 1


def test_people_are_whole_and_add_up(javascript, undrawn):
    y, p = cases()
    for prevalence in (0.001, 0.0055, 0.0099, 0.01, 0.02, 0.3335, 0.9):
        (answer,) = javascript([asked(y, p, prevalence)])
        for step in range(0, 1001, 50):
            n, said = answer["people"][step], answer["said"][step]
            assert n["all"] == (1000 if prevalence >= 0.01 else 10_000)
            assert n["found"] + n["missed"] == n["sick"] == round(n["all"] * prevalence)
            assert n["alarms"] + n["spared"] == n["well"] == n["all"] - n["sick"]
            assert min(n.values()) >= 0
            assert n["found"] == pytest.approx(n["all"] * prevalence * said["sensitivity"], abs=1)
            assert n["spared"] == pytest.approx(n["all"] * (1 - prevalence) * said["specificity"], abs=1)
