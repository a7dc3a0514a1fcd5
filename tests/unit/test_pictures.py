"""Measures of drawn pictures, against closed forms, loops and peers, and with the faults they are for."""

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from scipy.signal import correlate
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from medtutor import pictures
from medtutor.data import load_mr
from medtutor.metrics import Undefined, auroc
from medtutor.pictures import (
    diversity,
    frechet_distance,
    kernel_distance,
    nearest_ratio,
    picture_features,
    precision_recall,
    whitened,
)

COMPONENTS = 16  # few, as the 100 pictures of a set have to fill their covariance
MEASURES = {  # each as a function of real and drawn pictures
    "frechet": frechet_distance,
    "kernel": kernel_distance,
    "precision": lambda real, drawn: precision_recall(real, drawn).precision,
    "recall": lambda real, drawn: precision_recall(real, drawn).recall,
    "diversity": diversity,
}


def gaussian(seed, n, d):
    """(n, d) whose mean is 0 and whose covariance is the identity, to the last digit."""
    rows = np.random.default_rng(seed).normal(size=(n, d))
    rows -= rows.mean(0)
    return rows @ np.linalg.inv(np.linalg.cholesky(np.cov(rows.T))).T


def features(seed, n, d):
    """(n, d) with correlated columns."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


# ---------------------------------------------------------------------------------------------- distances


@pytest.mark.parametrize("seed", range(3))
def test_frechet_distance_of_gaussians_with_diagonal_covariances_is_the_closed_form(seed):
    rng = np.random.default_rng(seed)
    mean, wide, narrow = rng.normal(size=4), rng.uniform(1, 3, 4), rng.uniform(0.1, 1, 4)
    a, b = wide * gaussian(seed, 30, 4), mean + narrow * gaussian(seed + 9, 20, 4)
    assert frechet_distance(a, b) == pytest.approx(np.sum(mean**2) + np.sum((wide - narrow) ** 2))


@pytest.mark.parametrize("seed", range(3))
def test_frechet_distance_is_that_of_scipy_s_matrix_root(seed):
    a, b = features(seed, 40, 5), features(seed + 9, 30, 5)
    A, B = np.cov(a.T), np.cov(b.T)
    gap = a.mean(0) - b.mean(0)
    assert frechet_distance(a, b) == pytest.approx(gap @ gap + np.trace(A + B - 2 * sqrtm(A @ B).real))


def test_frechet_distance_stands_features_that_never_vary():
    a, b = features(0, 40, 5), features(1, 40, 5)
    flat = frechet_distance(*(np.pad(rows, ((0, 0), (0, 2))) for rows in (a, b)))
    assert flat == pytest.approx(frechet_distance(a, b))


def test_frechet_distance_of_a_set_to_itself_is_0_and_has_no_direction():
    a, b = features(0, 40, 5), features(1, 30, 5)
    assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(a + 7, b + 7))


@pytest.mark.parametrize("n, m, d", [(300, 300, 6), (200, 400, 12)])
def test_frechet_distance_of_two_sets_of_one_kind_is_the_bias_that_the_docstring_states(n, m, d):
    rng = np.random.default_rng(0)
    seen = [frechet_distance(rng.normal(size=(n, d)), rng.normal(size=(m, d))) for _ in range(60)]
    assert np.mean(seen) == pytest.approx((1 / n + 1 / m) * d * (d + 5) / 4, rel=0.1)


def kernel(x, y):
    return (sum(p * q for p, q in zip(x, y, strict=True)) / len(x) + 1) ** 3


def test_kernel_distance_is_that_of_a_loop_over_all_pairs():
    a, b = features(0, 5, 3).tolist(), features(1, 4, 3).tolist()
    within_a = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    within_b = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * across)


def test_kernel_distance_of_two_sets_of_one_kind_is_0_on_average_and_now_and_then_below():
    rng = np.random.default_rng(0)
    seen = np.array([kernel_distance(rng.normal(size=(10, 4)), rng.normal(size=(8, 4))) for _ in range(2000)])
    error = seen.std() / np.sqrt(len(seen))
    own_pairs = 2 * (2**3) * (1 / 10 + 1 / 8) / 2  # what i = j would add, about k(x, x) / n a set
    assert abs(seen.mean()) < 3 * error < own_pairs / 5
    assert 0.2 < np.mean(seen < 0) < 0.8


def test_kernel_distance_sees_a_third_moment_that_the_gaussians_do_not():
    rng = np.random.default_rng(0)
    a, skew = rng.normal(size=(400, 2)), rng.exponential(size=(400, 2)) - 1
    fresh = rng.normal(size=(400, 2))
    assert kernel_distance(a, skew) > 10 * abs(kernel_distance(a, fresh))
    assert frechet_distance(a, skew) < 5 * frechet_distance(a, fresh)


# --------------------------------------------------------------------------------------------- neighbours


def distance(x, y):
    return sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) ** 0.5


def share_inside(points, centres, k):
    """Share of the points that lie in the ball of some centre, by loops."""
    inside = 0
    for point in points:
        for i, centre in enumerate(centres):
            others = sorted(distance(centre, other) for j, other in enumerate(centres) if j != i)
            if distance(point, centre) <= others[k - 1]:
                inside += 1
                break
    return inside / len(points)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_are_those_of_loops_over_balls(seed, k):
    rng = np.random.default_rng(seed)
    real, drawn = rng.normal(size=(12, 2)), rng.normal(0.7, 0.8, size=(9, 2))
    found = precision_recall(real, drawn, k)
    assert found == (share_inside(drawn, real, k), share_inside(real, drawn, k))
    assert found == precision_recall(drawn, real, k)[::-1]


def test_precision_and_recall_by_hand():
    real, drawn = np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([[0.5], [0.6], [20.0]])
    # balls of the real reach to -1..1, 0..2, 1..3, 2..16; of the drawn to 0.4..0.6, 0.5..0.7, 0.6..39.4
    assert precision_recall(real, drawn, k=1) == (2 / 3, 3 / 4)


def test_nearest_ratio_by_hand():
    drawn, train, fresh = np.array([[0.0], [5.0], [9.0]]), np.array([[1.0], [7.0]]), np.array([[4.0], [30.0]])
    # to train 1, 2, 2; to fresh 4, 1, 5
    assert nearest_ratio(drawn, train, fresh) == 2 / 4


def test_nearest_ratio_is_that_of_a_loop():
    drawn, train, fresh = (features(seed, n, 3) for seed, n in ((0, 7), (1, 6), (2, 6)))
    medians = [
        np.median([min(distance(x, y) for y in real.tolist()) for x in drawn.tolist()])
        for real in (train, fresh)
    ]
    assert nearest_ratio(drawn, train, fresh) == pytest.approx(medians[0] / medians[1])


def test_who_has_never_seen_the_training_pictures_has_a_ratio_of_1_whatever_it_draws():
    rng = np.random.default_rng(0)
    sets = [rng.normal(size=(3, 60, 3)) for _ in range(200)]
    for drawn_by in (lambda a: a, lambda a: 3 * a, lambda a: 0.3 * a + 1):
        ratios = [nearest_ratio(drawn_by(a), train, fresh) for a, train, fresh in sets]
        assert np.mean(np.log(ratios)) == pytest.approx(0, abs=0.04)


def test_diversity_is_that_of_a_loop_over_pairs():
    real, drawn = features(0, 6, 3), features(1, 5, 3)
    apart = [
        np.mean([distance(x, y) for i, x in enumerate(rows.tolist()) for y in rows.tolist()[:i]])
        for rows in (real, drawn)
    ]
    assert diversity(real, drawn) == pytest.approx(apart[1] / apart[0])


# ----------------------------------------------------------------------------------------------- features


def test_features_are_those_of_convolutions_map_by_map():
    x = np.random.default_rng(0).random((16, 24))
    maps, expected = [x], []
    for kernels in pictures._kernels():
        maps = [
            sum(
                correlate(m, kernels[:, :, i, out].astype(float), mode="same", method="direct")
                for i, m in enumerate(maps)
            )
            for out in range(kernels.shape[3])
        ]
        maps = [np.clip(m, 0, None) for m in maps]
        h, w = maps[0].shape
        for rows in (slice(h // 2), slice(h // 2, h)):
            for columns in (slice(w // 2), slice(w // 2, w)):
                expected += [m[rows, columns].mean() for m in maps]
        maps = [(m[::2, ::2] + m[1::2, ::2] + m[::2, 1::2] + m[1::2, 1::2]) / 4 for m in maps]
    assert picture_features(x[None])[0] == pytest.approx(np.array(expected), abs=1e-5)


def test_the_kernels_never_change():
    """Every distance of the chapter is measured with them."""
    first, second, third = pictures._kernels()
    assert [k.shape for k in (first, second, third)] == [(5, 5, 1, 16), (3, 3, 16, 32), (3, 3, 32, 48)]
    assert first[0, :3, 0, 0] == pytest.approx([0.06654593, -0.08007986, 0.065976], abs=1e-5)
    assert third[2, 2, 31, 45:] == pytest.approx([-0.03065783, 0.135913, 0.1016511], abs=1e-5)


def test_no_feature_sees_a_change_of_brightness_alone_inside_the_picture():
    for kernels in pictures._kernels():
        assert kernels.sum((0, 1)) == pytest.approx(0, abs=1e-5)


def test_a_picture_s_features_do_not_depend_on_its_neighbours_or_on_a_channel_axis():
    x = np.random.default_rng(0).random((260, 16, 16), dtype="float32")
    alone = np.concatenate([picture_features(x[i : i + 1]) for i in (0, 249, 250, 259)])
    assert picture_features(x)[[0, 249, 250, 259]] == pytest.approx(alone, abs=1e-6)
    assert np.array_equal(picture_features(x[..., None]), picture_features(x))


def test_whitened_real_pictures_have_mean_0_and_the_identity_for_covariance():
    real, other = features(0, 50, 6), features(1, 30, 6)
    white, moved = whitened(real, other, components=4)
    assert white.mean(0) == pytest.approx(0, abs=1e-12)
    assert np.cov(white.T) == pytest.approx(np.eye(4), abs=1e-12)
    peer = PCA(4, whiten=True).fit(real)
    assert np.abs(moved) == pytest.approx(np.abs(peer.transform(other)))


def test_whitening_undoes_how_the_features_were_scaled():
    real, other = features(0, 50, 4), features(1, 30, 4)
    white, again = (whitened(a, b, components=4) for a, b in ((real, other), (5 * real + 1, 5 * other + 1)))
    assert frechet_distance(*white) == pytest.approx(frechet_distance(*again))


# ------------------------------------------------------------------------------------------ planted faults


@pytest.fixture(scope="module")
def mr():
    """T1 and T2 slices (2, 100, 32, 32) of patients to train on, of others, and of others again."""
    data = load_mr("train", contrasts=("T1", "T2"), size=32, slices=1, patients=300)
    return np.split(np.moveaxis(data.x, -1, 0), 3, axis=1)


@pytest.fixture(scope="module")
def judged(mr):
    """Whitened features of T1 slices, real ones and those that a generator with each fault would draw."""
    train, fresh, unseen = (part[0] for part in mr)
    rng = np.random.default_rng(0)
    sets = {
        "train": train,
        "unseen": unseen,
        "fresh": fresh,
        "blur": gaussian_filter(fresh, (0, 1, 1)),
        "copies": rng.permutation(train),
        "near copies": train + rng.normal(0, 0.01, train.shape),
        "collapse": train[7] + rng.normal(0, 0.005, train.shape),
    }
    features = whitened(*map(picture_features, sets.values()), components=COMPONENTS)
    return dict(zip(sets, features, strict=True))


def measured(judged, fault):
    return {name: measure(judged["unseen"], judged[fault]) for name, measure in MEASURES.items()}


def test_blur_moves_every_distance_and_loses_recall(judged):
    real, blurred = (measured(judged, fault) for fault in ("fresh", "blur"))
    assert blurred["frechet"] > 3 * real["frechet"]
    assert blurred["kernel"] > 10 * abs(real["kernel"])
    assert blurred["recall"] < real["recall"] / 3


def test_collapse_to_one_picture_is_seen_in_diversity_and_recall_though_each_picture_looks_real(judged):
    real, collapsed = (measured(judged, fault) for fault in ("fresh", "collapse"))
    assert collapsed["diversity"] < 0.1 < 0.8 < real["diversity"]
    assert collapsed["recall"] < 0.05 < 0.2 < real["recall"]
    assert collapsed["frechet"] > 3 * real["frechet"]


def test_copies_are_seen_by_the_nearest_ratio_and_by_nothing_else(judged):
    real, copied = (measured(judged, fault) for fault in ("fresh", "copies"))
    assert 0.8 < ratio(judged, "fresh") < 1.25
    assert ratio(judged, "copies") < 1e-6
    assert ratio(judged, "near copies") < 0.5
    assert copied["frechet"] < 1.5 * real["frechet"]
    assert copied["precision"] + copied["recall"] > real["precision"] + real["recall"] - 0.3
    assert copied["diversity"] > 0.8


def ratio(judged, fault):
    return nearest_ratio(judged[fault], judged["train"], judged["unseen"])


def test_swapped_labels_are_seen_by_a_linear_classifier_of_the_features(mr):
    """Class 0 is T1, class 1 T2: what a drawn picture shows against what it was asked for."""
    (train, drawn), asked = (np.concatenate(part) for part in mr[:2]), np.repeat([0, 1], 100)
    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)).fit(picture_features(train), asked)
    shown = judge.decision_function(picture_features(drawn))
    every_fourth = np.where(np.arange(200) % 4 == 0, 1 - asked, asked)
    assert auroc(asked, shown) > 0.97
    assert auroc(every_fourth, shown) == pytest.approx(0.75, abs=0.05)
    assert auroc(1 - asked, shown) < 0.03


# ------------------------------------------------------------------------------------------------- errors


A, B = features(0, 10, 3), features(1, 10, 3)
NAN = np.where(np.arange(30).reshape(10, 3) == 4, np.nan, A)
TWO = {
    "frechet": frechet_distance,
    "kernel": kernel_distance,
    "precision and recall": precision_recall,
    "diversity": diversity,
    "nearest ratio": lambda a, b: nearest_ratio(a, b, B),
    "whitened": lambda a, b: whitened(a, b, components=2),
}


@pytest.mark.parametrize("measure", TWO.values(), ids=TWO)
@pytest.mark.parametrize(
    "a, b, words",
    [
        (A, B[:, :2], r"the sets have 3, 2 features; the same ones are wanted"),
        (A[0], B, r"shape \(3,\); \(n, d\) is wanted, a row of features a picture"),
        (A, B.reshape(10, 3, 1), r"shape \(10, 3, 1\); \(n, d\) is wanted"),
        (NAN, B, "holds nan; finite numbers are wanted: has the training diverged"),
        (A, NAN, "holds nan; finite numbers are wanted"),
        (A.astype(str), B, "numbers of one shape are wanted"),
    ],
    ids=["widths", "one picture", "three axes", "nan first", "nan second", "text"],
)
def test_sets_that_cannot_be_compared_are_refused(measure, a, b, words):
    with pytest.raises(ValueError, match=words):
        measure(a, b)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: frechet_distance(A[:3], B), "a holds 3 pictures of 3 features; their covariance needs more"),
        (lambda: frechet_distance(A, B[:2]), "b holds 2 pictures of 3 features"),
        (lambda: kernel_distance(A[:1], B), "a holds 1 pictures; at least 2"),
        (lambda: precision_recall(A, B[:3]), "drawn holds 3 pictures; at least 4"),
        (lambda: precision_recall(A[:5], B, k=5), "real holds 5 pictures; at least 6"),
        (lambda: diversity(A, B[:1]), "drawn holds 1 pictures; at least 2"),
        (lambda: diversity(A[:1].repeat(4, 0), B), "all of them are equal"),
        (lambda: nearest_ratio(A, B, A), "copies of fresh ones"),
        (lambda: nearest_ratio(A[:0], B, A), r"drawn has shape \(0, 3\) and no numbers"),
        (lambda: whitened(A[:3], components=3), "the 3 real pictures vary in 2 directions; 3 are wanted"),
    ],
)
def test_too_few_pictures_are_undefined_and_say_how_many_are_wanted(call, words):
    with pytest.raises(Undefined, match=words):
        call()


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: precision_recall(A, B, k=0), "k is 0; use a whole number"),
        (lambda: precision_recall(A, B, k=1.5), "k is 1.5"),
        (lambda: nearest_ratio(A, B[:4], A[:6]), "train holds 4 pictures and fresh 6.*down to 4"),
        (lambda: whitened(A, components=4), "components is 4; use 1 to 3"),
        (lambda: picture_features(np.zeros((2, 28, 28))), r"shape \(2, 28, 28\).*multiples of 8"),
        (lambda: picture_features(np.zeros((2, 8, 8))), "16 or more"),
        (lambda: picture_features(np.zeros((2, 32, 32, 3))), r"\(n, h, w, 1\) are wanted"),
        (lambda: picture_features(np.full((1, 16, 16), np.inf)), "x holds inf"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# All at once


def test_likeness_is_what_the_measures_say_one_by_one_in_the_directions_of_the_training_pictures():
    rng = np.random.default_rng(0)
    train, fresh, drawn = rng.random((3, 60, 16, 16))
    drawn = gaussian_filter(drawn, (0, 0.4, 0.4))
    found = pictures.likeness(drawn, train, fresh[..., None], components=8)
    features = [picture_features(x) for x in (train, fresh, drawn)]
    t, f, d = whitened(*features, components=8)
    assert found.frechet == frechet_distance(f, d) != frechet_distance(t, d)
    assert found.kernel == kernel_distance(f, d)
    assert (found.precision, found.recall) == precision_recall(f, d)
    assert found.nearest == nearest_ratio(d, t, f)
    assert found.diversity == diversity(f, d)
