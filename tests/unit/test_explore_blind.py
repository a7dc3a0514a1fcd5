"""The blind test without a browser: what a round is made of, and what a score is worth, against scipy."""

import base64
import html
import re

import numpy as np
import pytest
from explored import in_node, state_of
from scipy import stats

from medtutor.explore import explore_real_or_drawn
from medtutor.explore.base import HERE
from medtutor.explore.blind import deal


def pictures(m=24, h=6, w=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (m, h, w)) / 255


# ---- the page ----


def test_the_same_pictures_give_the_same_bytes():
    real, drawn = pictures(), pictures(30, seed=1)
    first = explore_real_or_drawn(real, drawn)._repr_mimebundle_()
    assert first == explore_real_or_drawn(real.tolist(), drawn.copy())._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_pictures_drawn_elsewhere_change_nothing_but_the_marked_state_and_the_picture():
    pages = []
    for seed in (1, 2):
        page = explore_real_or_drawn(pictures(), pictures(seed=seed)).page()
        page = re.sub(r"/\* measured \*/.*?/\* end of measured \*/", "", page)
        pages.append(re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert pages[0] == pages[1]


def test_real_and_drawn_pictures_are_kept_alike():
    real, drawn = pictures(), pictures(30, seed=1)
    state = state_of(explore_real_or_drawn(real, drawn).page())
    for given, stored, count in zip((real, drawn), state["pictures"], state["counts"], strict=True):
        levels = np.frombuffer(base64.b64decode(stored), "uint8").reshape(count, 6, 5)
        np.testing.assert_array_equal(levels / 255, given)


def test_description_and_page_say_nothing_of_which_is_which():
    one, other = pictures(), pictures(seed=1)
    first, second = explore_real_or_drawn(one, other), explore_real_or_drawn(other, one)
    assert first.picture.alt == second.picture.alt
    assert "20 pictures of 6 by 5 pixels, numbered; each is real or drawn" in first.picture.alt
    assert "The test needs sight" in html.unescape(first.page())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"real": pictures(19)}, "there are 19 real and 24 drawn pictures; a round of 20 needs 20 of either"),
        ({"drawn": pictures(19)}, "there are 24 real and 19 drawn"),
        ({"drawn": pictures(h=7)}, r"real pictures are \(6, 5\), drawn ones \(7, 5\); one size"),
        ({"real": pictures()[0]}, r"real has shape \(6, 5\); give \(m, h, w\)"),
        ({"drawn": 2 * pictures() - 1}, r"drawn goes from -1 to 1; .* \(drawn \+ 1\) / 2"),
        ({"drawn": np.full((20, 6, 5), np.inf)}, "drawn holds values that are not finite"),
        ({"n": 4}, "n is 4; a round has 5 to 100 pictures"),
        ({"n": 101}, "n is 101"),
        ({"n": 7.5}, "n is 7.5"),
        ({"n": True}, "n is True"),
        ({"seed": -1}, "seed is -1; use a whole number from 0"),
        ({"seed": 0.5}, "seed is 0.5"),
        (
            {"real": pictures(500, 32, 32), "drawn": pictures(24, 32, 32)},
            "500 real and 24 drawn pictures need .* kB in the page",
        ),
    ],
)
def test_what_makes_no_test_is_refused_with_what_to_do(arguments, message):
    given = {"real": pictures(), "drawn": pictures(seed=1)} | arguments
    with pytest.raises(ValueError, match=message):
        explore_real_or_drawn(given.pop("real"), given.pop("drawn"), **given)


# ---- a round ----


def test_no_picture_comes_twice_before_all_of_its_kind_have_come():
    for seed in range(20):
        seen = [one for round in range(3) for one in deal(seed, round, 20, [50, 60])]
        for kind, count in ((0, 50), (1, 60)):
            which = [at for of, at in seen if of == kind]
            assert len(set(which[:count])) == len(which[:count])
            assert set(which) <= set(range(count))


def test_every_place_of_a_round_is_real_or_drawn_equally_often():
    kinds = np.array([[kind for kind, _ in deal(seed, 0, 20, [20, 20])] for seed in range(2000)])
    drawn = kinds.sum(0)
    np.testing.assert_allclose(drawn, 1000, atol=110)  # five standard deviations
    follows = (kinds[:, 1:] == kinds[:, :-1]).mean()
    assert follows == pytest.approx(0.5, abs=0.03), "what came last tells next to nothing about the next"
    assert np.unique(kinds, axis=0).shape[0] > 1900


def test_a_round_always_has_a_third_of_either_kind_and_not_always_a_half():
    for n in (5, 20, 33):
        drawn = {sum(kind for kind, _ in deal(seed, 1, n, [n, n])) for seed in range(300)}
        assert min(drawn) >= n // 3 and max(drawn) <= n - n // 3 and len(drawn) > 1


def test_every_picture_is_dealt_equally_often():
    first = np.array([[at for kind, at in deal(seed, 0, 5, [6, 6]) if kind == 0][0] for seed in range(3000)])
    assert np.bincount(first, minlength=6) == pytest.approx(np.full(6, 500), abs=110)


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const asked = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(asked.map(([name, ...given]) => arithmetic[name](...given))));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript([[function, argument, …], …]) -> answers."""
    folder = tmp_path_factory.mktemp("node")
    return in_node(folder, ASK_NODE, {"explorer.mjs": HERE / "blind.js"})


def test_page_and_python_deal_the_same_rounds(javascript):
    rounds = [
        (seed, round, n, counts)
        for seed in (0, 1, 7, 2**32 - 1)
        for round in (0, 1, 4)
        for n, counts in ((20, [24, 30]), (5, [5, 5]), (33, [40, 99]))
    ]
    answers = javascript([["deal", *one] for one in rounds])
    for (seed, round, n, counts), dealt in zip(rounds, answers, strict=True):
        assert [(one["kind"], one["which"]) for one in dealt] == deal(seed, round, n, counts)
        before = {one for past in range(round) for one in deal(seed, past, n, counts)}
        for one in dealt:
            place = (one["kind"], one["which"])
            assert one["again"] or place not in before
            before = before | {place}


def test_pictures_that_come_again_are_known(javascript):
    first, second = javascript([["deal", 3, round, 20, [20, 20]] for round in (0, 1)])
    assert not any(one["again"] for one in first)
    shown = {(one["kind"], one["which"]) for one in first}
    left = 40 - len(shown)
    assert sum(one["again"] for one in second) >= 20 - left


def test_intervals_are_scipy_s(javascript):
    cases = [(k, n) for n in (5, 20, 33, 100) for k in range(n + 1)]
    for (k, n), answer in zip(cases, javascript([["wilson", k, n] for k, n in cases]), strict=True):
        wanted = stats.binomtest(k, n).proportion_ci(method="wilson")
        assert (answer["low"], answer["high"]) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_what_a_coin_reaches_is_the_tail_of_scipy_s_binomial_distribution(javascript):
    cases = [(k, n) for n in (5, 20, 33, 100) for k in range(n + 1)]
    for (k, n), answer in zip(cases, javascript([["coinReaches", k, n] for k, n in cases]), strict=True):
        assert answer == pytest.approx(stats.binomtest(k, n, alternative="greater").pvalue, rel=1e-9)


def test_the_number_that_is_enough_is_the_first_whose_interval_lies_above_a_half(javascript):
    numbers = (5, 10, 20, 50, 100)
    for n, answer in zip(numbers, javascript([["enough", n] for n in numbers]), strict=True):
        low = [stats.binomtest(k, n).proportion_ci(method="wilson").low for k in range(n + 1)]
        assert low[answer] > 0.5 >= low[answer - 1]


def test_of_twenty_fifteen_are_enough_and_calling_all_alike_never_is(javascript):
    (enough,) = javascript([["enough", 20]])
    assert enough == 15
    most = max(
        max(kinds, 20 - kinds) for kinds in (sum(k for k, _ in deal(s, 0, 20, [20, 20])) for s in range(99))
    )
    assert most == 14


def test_answers_are_counted_into_the_table_by_hand(javascript):
    (counted,) = javascript([["score", [0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 0, 1, 1, 0]]])
    assert counted == {"table": [[2, 1], [2, 2]], "right": 4}
