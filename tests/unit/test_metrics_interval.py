"""Bootstrap intervals by patient, against theory and a simulation that knows the truth."""

import numpy as np
import pytest

from medtutor.metrics import (
    Undefined,
    accuracy,
    auroc,
    difference_interval,
    hd95,
    interval,
    precision,
    sensitivity,
)


def patients_and_slices(rng, people=40, slices=6, between=1.0, within=0.5):
    """A number for each slice that differs more between patients than within one; the true mean is 0."""
    who = np.repeat(np.arange(people), slices)
    return who, rng.normal(0, between, people)[who] + rng.normal(0, within, people * slices)


def test_an_interval_by_patient_covers_the_truth_and_one_by_slice_does_not():
    rng = np.random.default_rng(0)
    by_patient, by_slice, times = 0, 0, 200
    for seed in range(times):
        who, x = patients_and_slices(rng)
        a = interval(np.mean, x, patients=who, draws=200, seed=seed)
        b = interval(np.mean, x, draws=60, seed=seed)
        by_patient += a.low <= 0 <= a.high
        by_slice += b.low <= 0 <= b.high
    assert 0.90 <= by_patient / times <= 0.98  # 0.95 within three standard errors
    assert by_slice / times < 0.75


def test_sensitivity_of_independent_cases_has_its_binomial_width():
    y = np.ones(400)
    p = np.arange(400) < 320
    found = interval(sensitivity, y, p, draws=4000)
    assert found.value == 0.8 and found.patients == 400
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert (found.low, found.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.005)
    narrower = interval(sensitivity, y, p, draws=4000, level=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 * half / 1.96, abs=0.005)


def test_identical_slices_add_nothing():
    rng = np.random.default_rng(1)
    y, p = rng.integers(2, size=50), rng.random(50)
    once = interval(auroc, y, p)
    tenfold = interval(auroc, np.repeat(y, 10), np.repeat(p, 10), np.repeat(np.arange(50), 10))
    assert tenfold == pytest.approx(once)


def test_all_rows_of_a_drawn_patient_come_together():
    who = np.array(["c", "a", "b", "a", "c", "a"])
    seen = []

    def remember(rows):
        seen.append(np.sort(rows))
        return rows.mean()

    found = interval(remember, np.arange(6), patients=who, draws=200)
    assert found.patients == 3 and found.value == 2.5
    for rows in seen:
        times = np.bincount(rows, minlength=6)
        assert times[0] == times[4] and times[1] == times[3] == times[5]
        assert times[0] + times[1] + times[2] == 3  # three patients drawn
    assert len({tuple(rows) for rows in seen}) == 10  # every way to draw three from three


def test_order_of_rows_and_names_of_patients_do_not_matter():
    rng = np.random.default_rng(2)
    who, x = patients_and_slices(rng, 20)
    order = rng.permutation(len(x))
    wanted = interval(np.mean, x, patients=who)
    assert interval(np.mean, x[order], patients=who[order]) == pytest.approx(wanted)
    assert interval(np.mean, x, patients=[f"patient {w:03d}" for w in who]) == wanted


def test_the_same_seed_gives_the_same_interval_and_leaves_numpy_alone():
    rng = np.random.default_rng(3)
    y, p = rng.integers(2, size=60), rng.random(60)
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    assert interval(auroc, y, p, seed=1) == interval(auroc, y, p, seed=1) != interval(auroc, y, p, seed=2)
    assert np.array_equal(state, np.random.get_state()[1])


def test_an_interval_reads_as_a_sentence():
    y, p = np.repeat([1, 0], 50), np.tile([1, 0], 50)
    found = interval(accuracy, y, p)
    assert str(found) == f"0.500 (95% interval {found.low:.3f} to {found.high:.3f})"
    assert (
        found.low < 0.5 < found.high and found.undefined == 0 and found.draws == 1000 and found.level == 0.95
    )


def test_undefined_draws_are_counted():
    y = np.repeat([1, 0], [4, 40])  # four sick patients: some draws have none
    p = np.linspace(1, 0, 44)
    chance = (40 / 44) ** 44  # 1.5 %
    found = interval(sensitivity, y, p, draws=4000)
    assert found.undefined / 4000 == pytest.approx(chance, abs=0.006) and found.undefined > 0
    infinite = interval(lambda d: np.inf if (d == 0).sum() > 3 else d.mean(), np.arange(40.0))
    assert 0 < infinite.undefined < 50 and np.isfinite(infinite.high)


def test_too_many_undefined_draws_are_refused():
    y = np.repeat([1, 0], [1, 30])
    with pytest.raises(
        Undefined, match=r"sensitivity has no value in \d+ of 1000 draws \(sens.*y has none\); more than 5 %"
    ):
        interval(sensitivity, y, np.linspace(1, 0, 31))
    with pytest.raises(Undefined, match=r"precision has no value"):
        interval(precision, y, np.linspace(0.53, 0, 31))
    with pytest.raises(Undefined, match=r"draws \(it came out as nan\)"):
        interval(lambda y: np.nan if (y == 0).any() and len(set(y)) < 9 else 1, np.arange(10))


def test_what_is_undefined_on_all_cases_is_so_for_the_interval():
    with pytest.raises(Undefined, match="sensitivity needs at least one sick case"):
        interval(sensitivity, np.zeros(10), np.linspace(0, 1, 10))
    square, empty = np.ones((3, 3)), np.zeros((3, 3))
    with pytest.raises(Undefined, match="finite value; on all cases it is inf"):
        interval(lambda y, p: hd95(y[0], p[0], (1, 1)), np.stack([square] * 9), np.stack([empty] * 9))


def test_an_error_that_is_not_about_missing_cases_is_not_swallowed():
    def breaks_in_one_draw(x):
        if (x == 0).sum() > 3:
            raise ValueError("broken")
        return x.mean()

    with pytest.raises(ValueError, match="broken"):
        interval(breaks_in_one_draw, np.arange(40))


def test_a_difference_is_paired():
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(60), 4)
    y = np.tile([0, 1, 0, 1], 60)
    hard = rng.normal(0, 1, 60)[who] + rng.normal(0, 0.5, 240)
    right = y - 0.5 + hard
    q = 1 / (1 + np.exp(-right))
    p = 1 / (1 + np.exp(-(right + 0.15 * (2 * y - 1))))  # the same mistakes, each a little smaller
    found = difference_interval(auroc, y, p, q, who)
    alone = [interval(auroc, y, scores, who) for scores in (p, q)]
    assert found.value == pytest.approx(alone[0].value - alone[1].value)
    assert alone[0].low < alone[1].high  # the two overlap
    assert found.low > 0  # the difference does not touch 0
    turned = difference_interval(auroc, y, q, p, who)
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_a_model_does_not_differ_from_itself():
    y, p = np.tile([0, 1], 30), np.linspace(0, 1, 60)
    assert difference_interval(auroc, y, p, p)[:3] == (0, 0, 0)


def test_a_difference_covers_the_truth_of_no_difference():
    rng = np.random.default_rng(5)
    covered = 0
    for seed in range(150):
        who, x = patients_and_slices(rng, 30, 3)
        p, q = (x + rng.normal(0, 1, 30)[who] for _ in range(2))
        found = difference_interval(lambda y, p: np.mean(p - y), x, p, q, who, draws=200, seed=seed)
        covered += found.low <= 0 <= found.high
    assert 0.88 <= covered / 150 <= 0.99


def test_masks_and_one_score_a_patient_are_drawn_as_well():
    rng = np.random.default_rng(6)
    y, p = rng.random((2, 12, 5, 5)) < 0.5
    pooled = interval(lambda y, p: np.mean(y == p), y, p)
    assert pooled.value == np.mean(y == p) and pooled.patients == 12
    scores = rng.random(12)
    assert interval(np.median, scores).value == np.median(scores)


def test_what_cannot_be_drawn_is_refused():
    y, p = np.tile([0, 1], 10), np.linspace(0, 1, 20)
    with pytest.raises(ValueError, match=r"rows; they must match"):
        interval(auroc, y, p[:9])
    with pytest.raises(ValueError, match=r"\[20, 20, 9\] rows; they must match"):
        difference_interval(auroc, y, p, p[:9])
    with pytest.raises(ValueError, match=r"patients has shape \(3,\); \(20,\) is wanted"):
        interval(auroc, y, p, [1, 2, 3])
    with pytest.raises(ValueError, match="patients holds NaN"):
        interval(auroc, y, p, np.where(y, np.nan, 1))
    with pytest.raises(Undefined, match="at least two patients; there are 20 rows of 1"):
        interval(auroc, y, p, np.zeros(20))
    with pytest.raises(Undefined, match="there are 0 rows of 0"):
        interval(auroc, [], [])
    with pytest.raises(Undefined, match="there are 1 rows of 1"):
        interval(auroc, 1, 0.3)
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match="level is .*use a share"):
            interval(auroc, y, p, level=level)
    with pytest.raises(ValueError, match="draws is 39; the ends of a 95% interval need at least 40"):
        interval(auroc, y, p, draws=39)
