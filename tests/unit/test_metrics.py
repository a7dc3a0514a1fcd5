"""Metrics of decisions and probabilities, against patients counted by hand, every pair, and scikit-learn."""

import inspect
import warnings

import numpy as np
import pytest
import sklearn.calibration
import sklearn.linear_model
import sklearn.metrics as sk
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from medtutor import metrics
from medtutor.metrics import (
    Undefined,
    accuracy,
    auroc,
    average_precision,
    brier,
    calibration_curve,
    calibration_error,
    confusion,
    f1,
    negative_predictive_value,
    net_benefit,
    pr_curve,
    precision,
    predictive_values,
    roc_curve,
    sensitivity,
    specificity,
    temperature,
)

# Ten patients: four sick, of whom three are called sick at 0.5; six well, of whom two are called sick.
Y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
P = np.array([0.9, 0.8, 0.5, 0.3, 0.7, 0.6, 0.4, 0.2, 0.1, 0.0])
DECIDED = [accuracy, sensitivity, specificity, precision, negative_predictive_value, f1]
RANKED = [auroc, average_precision, roc_curve, pr_curve]


def cases(seed, n=60, levels=8):
    """Labels with both classes, and scores that lean towards them and tie often."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3 == 0).astype(int)
    return y, np.clip(rng.integers(levels, size=n) + 2 * y, 0, levels - 1) / (levels - 1)


def test_ten_patients_are_counted_as_by_hand():
    assert confusion(Y, P).tolist() == [[4, 2], [1, 3]]
    assert accuracy(Y, P) == 7 / 10
    assert sensitivity(Y, P) == 3 / 4
    assert specificity(Y, P) == 4 / 6
    assert precision(Y, P) == 3 / 5
    assert negative_predictive_value(Y, P) == 4 / 5
    assert f1(Y, P) == pytest.approx(2 / (1 / (3 / 5) + 1 / (3 / 4)))


def test_a_case_on_the_threshold_is_called_sick():
    assert sensitivity([1, 0], [0.3, 0.2], 0.3) == 1
    p = np.array([0.7, 0.2], "float32")  # 0.7 in float32 is below 0.7 in float64
    assert (p >= 0.7).tolist() == [True, False] and sensitivity([1, 0], p, 0.7) == 1


def test_decisions_and_probabilities_count_alike():
    for decided in (P >= 0.5, (P >= 0.5).astype(int), (P >= 0.5).astype("uint8"), list(P >= 0.5)):
        assert np.array_equal(confusion(Y, decided), confusion(Y, P))
        assert np.array_equal(confusion(Y.astype(bool), decided), confusion(Y, P))


@pytest.mark.parametrize("seed", range(5))
def test_decisions_are_judged_as_scikit_learn_judges_them(seed):
    y, p = cases(seed)
    for t in (0.2, 0.5, 4 / 7):
        called = p >= t
        assert np.array_equal(confusion(y, p, t), sk.confusion_matrix(y, called))
        assert accuracy(y, p, t) == pytest.approx(sk.accuracy_score(y, called))
        assert sensitivity(y, p, t) == pytest.approx(sk.recall_score(y, called))
        assert specificity(y, p, t) == pytest.approx(sk.recall_score(y, called, pos_label=0))
        assert precision(y, p, t) == pytest.approx(sk.precision_score(y, called))
        assert negative_predictive_value(y, p, t) == pytest.approx(sk.precision_score(y, called, pos_label=0))
        assert f1(y, p, t) == pytest.approx(sk.f1_score(y, called))


def test_several_classes_are_counted_by_index_and_by_largest_score():
    y, called = np.array([0, 1, 2, 2, 1, 3]), np.array([0, 2, 2, 1, 1, 0])
    wanted = [[1, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 0]]
    assert confusion(y, called, classes=4).tolist() == wanted
    assert confusion(y, np.eye(4)[called]).tolist() == wanted
    assert accuracy(y, called, classes=4) == accuracy(y, np.eye(4)[called]) == 3 / 6
    assert np.array_equal(confusion(y, called, classes=4), sk.confusion_matrix(y, called))
    assert confusion([0, 0], [[0.5, 0.5], [0.2, 0.8]]).tolist() == [[1, 1], [0, 0]]  # the first of equal ones


def test_a_class_nobody_has_keeps_its_row_and_column():
    assert confusion([0, 1], [0, 1], classes=3).shape == (3, 3)
    assert confusion([0, 0], [0.1, 0.2]).tolist() == [[2, 0], [0, 0]]


def test_predictive_values_are_counted_in_ten_thousand_patients():
    positive, negative = predictive_values(
        0.9, 0.95, 0.02
    )  # 200 sick, 180 found; 9800 well, 490 false alarms
    assert positive == pytest.approx(180 / (180 + 490)) and negative == pytest.approx(9310 / (9310 + 20))
    assert type(positive) is float
    at_y = predictive_values(sensitivity(Y, P), specificity(Y, P), Y.mean())
    assert at_y == pytest.approx((precision(Y, P), negative_predictive_value(Y, P)))
    assert predictive_values(0.9, 0.95, [0.02, 0.5])[0] == pytest.approx([180 / 670, 0.9 / 0.95])
    assert predictive_values(0.9, 0.95, 0) == (0, 1)


def test_net_benefit_weighs_false_alarms_by_the_odds_of_the_threshold():
    assert net_benefit(Y, P, 0.5) == pytest.approx(3 / 10 - 2 / 10)
    assert net_benefit(Y, P, 0.2) == pytest.approx(4 / 10 - 4 / 10 / 4)
    everybody = np.ones(10)
    assert net_benefit(Y, everybody, 0.25) == pytest.approx(0.4 - 0.6 / 3)  # treat all, as in the paper
    assert net_benefit(Y, np.zeros(10), 0.25) == 0
    assert net_benefit(Y, P, 0) == pytest.approx(0.4)


@pytest.mark.parametrize("seed", range(5))
def test_auroc_counts_every_pair_of_sick_and_well(seed):
    y, p = cases(seed, levels=5)
    pairs = [(a > b) + (a == b) / 2 for a in p[y == 1] for b in p[y == 0]]
    assert auroc(y, p) == pytest.approx(np.mean(pairs))
    assert auroc(y, p) == pytest.approx(sk.roc_auc_score(y, p))
    assert auroc(y, np.log(p + 0.1)) == auroc(y, p)  # only the order counts
    assert auroc(1 - y, p) == pytest.approx(1 - auroc(y, p))
    fpr, tpr, _ = roc_curve(y, p)
    assert np.trapezoid(tpr, fpr) == pytest.approx(auroc(y, p))


def test_auroc_knows_perfect_reversed_and_constant_scores():
    assert auroc([0, 0, 1], [1, 2, 3]) == 1 and auroc([0, 0, 1], [3, 2, 1]) == 0
    assert auroc([0, 0, 1], [7, 7, 7]) == 0.5
    assert auroc([0, 1], np.array([0, 200], "uint8")) == 1
    assert average_precision([0, 1], np.array([0, 200], "uint8")) == 1


@pytest.mark.parametrize("seed", range(5))
def test_curves_are_those_of_scikit_learn(seed):
    y, p = cases(seed)
    for ours, theirs in zip(roc_curve(y, p), sk.roc_curve(y, p, drop_intermediate=False), strict=True):
        assert np.allclose(ours, theirs)
    theirs_precision, theirs_recall, theirs_thresholds = sk.precision_recall_curve(y, p)
    recall, positive, thresholds = pr_curve(y, p)
    assert np.allclose(recall, theirs_recall[:-1][::-1])
    assert np.allclose(positive, theirs_precision[:-1][::-1])
    assert np.allclose(thresholds, theirs_thresholds[::-1])
    assert average_precision(y, p) == pytest.approx(sk.average_precision_score(y, p))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_point_of_a_curve_is_what_its_threshold_gives(dtype):
    y, p = cases(1)
    p = p.astype(dtype)
    for fpr, tpr, t in zip(*roc_curve(y, p), strict=True):
        assert tpr == sensitivity(y, p, t) and fpr == pytest.approx(1 - specificity(y, p, t))
    for recall, positive, t in zip(*pr_curve(y, p), strict=True):
        assert recall == sensitivity(y, p, t) and positive == precision(y, p, t)


@pytest.mark.parametrize("seed", range(5))
def test_repeating_a_case_is_weighing_it(seed):
    y, p = cases(seed)
    w = np.random.default_rng(seed).integers(1, 5, size=len(y))
    y_w, p_w = np.repeat(y, w), np.repeat(p, w)
    called = p >= 0.5
    assert auroc(y_w, p_w) == pytest.approx(sk.roc_auc_score(y, p, sample_weight=w))
    assert average_precision(y_w, p_w) == pytest.approx(sk.average_precision_score(y, p, sample_weight=w))
    assert brier(y_w, p_w) == pytest.approx(sk.brier_score_loss(y, p, sample_weight=w))
    assert f1(y_w, p_w) == pytest.approx(sk.f1_score(y, called, sample_weight=w))
    assert accuracy(y_w, p_w) == pytest.approx(sk.accuracy_score(y, called, sample_weight=w))


@pytest.mark.parametrize("seed", range(3))
def test_auroc_of_several_classes_is_the_mean_of_one_against_the_rest(seed):
    rng = np.random.default_rng(seed)
    y = np.arange(50) % 4
    p = rng.integers(1, 5, size=(50, 4)) + 2 * np.eye(4)[y]
    p = p / p.sum(1, keepdims=True)
    assert auroc(y, p) == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr", average="macro"))
    two = np.stack([1 - P, P], 1)
    assert auroc(Y, two) == pytest.approx(auroc(Y, P))


def test_brier_is_the_mean_squared_distance():
    assert brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)
    y, p = cases(3)
    assert brier(y, p) == pytest.approx(sk.brier_score_loss(y, p))
    single = p.astype("float32")
    assert brier(y, single) == pytest.approx(
        np.mean([(float(a) - b) ** 2 for a, b in zip(single, y, strict=True)]), rel=1e-13
    )


def test_calibration_is_counted_bin_by_bin():
    y, p = [0, 1, 1, 0, 1], [0.0, 0.2, 0.5, 0.55, 0.9]
    promised, seen, n = calibration_curve(y, p, bins=2)  # 0.5 belongs to the lower half
    assert promised == pytest.approx([0.7 / 3, 1.45 / 2]) and seen == pytest.approx([2 / 3, 1 / 2])
    assert n.tolist() == [3, 2]
    assert calibration_error(y, p, bins=2) == pytest.approx((3 * (1.3 / 3) + 2 * 0.225) / 5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bins", [1, 5, 10])
def test_calibration_curve_is_that_of_scikit_learn(seed, bins):
    y, p = cases(seed, n=40, levels=13)
    seen, promised = sklearn.calibration.calibration_curve(y, p, n_bins=bins)
    ours = calibration_curve(y, p, bins)
    assert np.allclose(ours[0], promised) and np.allclose(ours[1], seen) and ours[2].sum() == 40


def test_calibration_error_is_zero_when_promises_are_kept():
    p = np.repeat([0.25, 0.75], 4)
    assert calibration_error([1, 0, 0, 0, 1, 1, 1, 0], p) == 0
    assert calibration_error([1, 1, 1, 1, 1, 1, 1, 1], p) == 0.5


def nll(t, z, y):
    z = np.asarray(z) / t
    if z.ndim == 1:
        z = np.stack([0 * z, z], 1)
    return np.mean(logsumexp(z, axis=1) - z[np.arange(len(y)), y])


@pytest.mark.parametrize("scale", [1e-6, 0.3, 1, 7, 1e6])
@pytest.mark.parametrize("k", [None, 2, 3, 10])
def test_temperature_is_where_the_likelihood_is_largest(k, scale):
    rng = np.random.default_rng(k)
    y = rng.integers(k or 2, size=200)
    z = (rng.normal(size=200) + y - 0.5) if k is None else rng.normal(size=(200, k)) + np.eye(k)[y]
    t = temperature(scale * z, y)
    found = minimize_scalar(lambda log_t: nll(np.exp(log_t), z, y), bounds=(-5, 5), options={"xatol": 1e-9})
    assert t / scale == pytest.approx(np.exp(found.x), rel=1e-4)
    assert all(nll(t / scale, z, y) < nll(other * t / scale, z, y) for other in (0.9, 0.99, 1.01, 1.1))


def test_temperature_is_one_over_the_slope_of_a_logistic_regression():
    rng = np.random.default_rng(4)
    z = 3 * rng.normal(size=300)
    y = (rng.random(300) < 1 / (1 + np.exp(-z / 2.5))).astype(int)
    line = sklearn.linear_model.LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10)
    assert temperature(z, y) == pytest.approx(1 / line.fit(z[:, None], y).coef_[0, 0], rel=1e-5)
    assert 2 < temperature(z, y) < 3.2  # the logits were 2.5 times too large
    assert temperature(z, y) == pytest.approx(temperature(np.stack([-z / 2, z / 2], 1), y))


def test_temperature_does_not_overflow_and_refuses_what_has_no_answer():
    z, y = [0.5] * 5000 + [1000.0], [1] * 5000 + [0]  # 1000 = 5000 * 0.5 / (1 + exp(0.5 / T))
    assert temperature(z, y) == pytest.approx(0.5 / np.log(1.5))
    with pytest.raises(Undefined, match="every case is right, so T runs to 0"):
        temperature([2.0, -1.0], [1, 0])
    with pytest.raises(Undefined, match="no better than chance"):
        temperature([2.0, -1.0], [0, 1])
    with pytest.raises(Undefined, match="no better than chance"):
        temperature([0.0, 0.0, 1.0, 1.0], [0, 1, 0, 1])
    with pytest.raises(Undefined, match="second class; y holds only 1"):
        temperature([2.0, -1.0], [1, 1])
    with pytest.raises(ValueError, match=r"y has shape \(2,\) and logits \(2, 1\)"):
        temperature([[2.0], [1.0]], [1, 0])


@pytest.mark.parametrize("metric", [sensitivity, f1, *RANKED], ids=lambda f: f.__name__)
def test_without_a_sick_case_the_error_says_so(metric):
    with pytest.raises(Undefined, match=rf"{metric.__name__} needs .* sick case \(y == 1\); y has none"):
        metric(np.zeros(10), P)


@pytest.mark.parametrize("metric", [specificity, *RANKED], ids=lambda f: f.__name__)
def test_without_a_well_case_the_error_says_so(metric):
    with pytest.raises(Undefined, match=rf"{metric.__name__} needs .* well case \(y == 0\); y has none"):
        metric(np.ones(10), P)


def test_without_anybody_called_so_a_predictive_value_is_refused():
    with pytest.raises(Undefined, match=r"precision needs .* called sick \(p >= 0.95\); p has none"):
        precision(Y, P, 0.95)
    with pytest.raises(Undefined, match=r"negative_predictive_value needs .* called well \(p < 0.0\); p has"):
        negative_predictive_value(Y, P, 0.0)
    with pytest.raises(Undefined, match="nobody tests positive"):
        predictive_values(0, 1, 0.5)
    with pytest.raises(Undefined, match="nobody tests negative"):
        predictive_values([0.5, 1], 0, 0.5)
    assert f1(Y, P, 0.95) == 0


def test_auroc_names_the_class_that_is_absent():
    with pytest.raises(Undefined, match=r"y has none of \[1, 3\]"):
        auroc([0, 2, 2], np.eye(4)[[0, 2, 1]])


def test_one_class_is_enough_where_the_formula_needs_no_more():
    well = np.zeros(4)
    p = np.array([0.1, 0.2, 0.3, 0.4])
    assert accuracy(well, p) == 1 and brier(well, p) == pytest.approx(0.3 / 4)
    assert calibration_error(well, p) == pytest.approx(0.25)
    assert net_benefit(well, p, 0.3) == pytest.approx(-2 / 4 * 3 / 7)


ALL = [
    *DECIDED,
    *RANKED,
    confusion,
    brier,
    calibration_curve,
    calibration_error,
    lambda y, p: net_benefit(y, p, 0.2),
]
PROBABILITIES = [metric for metric in ALL if metric not in RANKED]


@pytest.mark.parametrize("metric", ALL, ids=lambda f: f.__name__)
def test_shapes_labels_and_nan_are_refused_by_every_metric(metric):
    with pytest.raises(ValueError, match=r"y has shape \(10,\) and p \(9,\)"):
        metric(Y, P[:9])
    with pytest.raises(ValueError, match=r"y has shape \(10, 1\) and p \(10, 1\).*\[:, 0\]"):
        metric(Y[:, None], P[:, None])
    with pytest.raises(ValueError, match=r"y has shape \(10,\) and p \(10, 1\).*\[:, 0\]"):
        metric(Y, P[:, None])
    with pytest.raises(ValueError, match="y holds 2; 0 .well. and 1 .sick. are wanted.*y == 2"):
        metric(2 * Y, P)
    with pytest.raises(ValueError, match="y holds -1"):
        metric(2 * Y - 1, P)
    with pytest.raises(ValueError, match="p holds nan; finite numbers"):
        metric(Y, np.where(P == 0.5, np.nan, P))
    with pytest.raises(ValueError, match="y holds nan"):
        metric(np.where(P == 0.5, np.nan, Y), P)
    with pytest.raises(Undefined, match=r"shape \(0,\) and no numbers"):
        metric([], [])
    with pytest.raises(ValueError, match="y holds <U1"):
        metric(list("0101010101"), P)


@pytest.mark.parametrize("metric", PROBABILITIES, ids=lambda f: f.__name__)
def test_what_is_no_probability_is_refused_where_it_matters(metric):
    with pytest.raises(ValueError, match="p holds 1.01; probabilities between 0 and 1.*sigmoid"):
        metric(Y, np.where(P == 0.9, 1.01, P))
    with pytest.raises(ValueError, match="p holds -3.0"):
        metric(Y, np.where(P == 0.9, -3, P))


def test_settings_out_of_range_are_refused():
    for threshold in (-0.1, 1, 1.5, np.nan, np.array([0.1, 0.2])):
        with pytest.raises(ValueError, match="0 <= threshold < 1"):
            net_benefit(Y, P, threshold)
    with pytest.raises(ValueError, match="threshold is nan"):
        sensitivity(Y, P, np.nan)
    with pytest.raises(ValueError, match="one number is wanted"):
        sensitivity(Y, P, np.array([0.2, 0.4]))
    for bins in (0, -1, 2.5, np.nan, np.inf):
        with pytest.raises(ValueError, match="bins is"):
            calibration_error(Y, P, bins)
    with pytest.raises(ValueError, match="prevalence holds 2; prob"):
        predictive_values(0.9, 0.9, 2)
    with pytest.raises(ValueError, match="threshold is 0.3, but 3 classes know none"):
        confusion([0, 1, 2], np.eye(3), 0.3)
    with pytest.raises(ValueError, match="p holds 3; class indices 0 to 2"):
        confusion([0, 1, 2], [0, 1, 3], classes=3)
    with pytest.raises(ValueError, match="y holds 0.5; class indices 0 to 1"):
        auroc([0, 0.5], np.eye(2))
    with pytest.raises(ValueError, match="must match"):
        confusion([0, 1, 2], [0, 1], classes=3)
    with pytest.raises(ValueError, match=r"y has shape \(10,\) and p \(10, 2\)"):
        sensitivity(Y, np.stack([1 - P, P], 1))


def test_inputs_are_left_as_they_were():
    y, p = Y.copy(), P.copy()
    for metric in ALL:
        metric(y, p)
    assert np.array_equal(y, Y) and np.array_equal(p, P)


def test_every_public_metric_says_its_range_or_its_shape():
    public = [f for name, f in inspect.getmembers(metrics, inspect.isfunction) if not name.startswith("_")]
    assert len(public) >= 28
    for function in public:
        assert function.__doc__ and len(function.__doc__) > 60, function.__name__


def test_where_scikit_learn_answers_nan_we_do_not():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isnan(sk.roc_auc_score(np.ones(3), [0.1, 0.2, 0.3]))
    with pytest.raises(Undefined):
        auroc(np.ones(3), [0.1, 0.2, 0.3])
