"""Are drawn pictures as good as real ones? Measures of a generator, written from their formulas in numpy.

Every measure compares rows of features, (n, d), one row a picture. Those of `picture_features` come from
convolutions that never learnt, not from an Inception network: distances by them compare pictures of one size
and one range with each other, in this course, and with no FID or KID in any paper.

No measure says it all. Copies of the training pictures win in every one but `nearest_ratio`; a single picture
drawn again and again may have a precision of 1, and `diversity` tells; blurred real pictures lose nearly all
of their recall, so a recall near 0 alone does not prove that a generator has collapsed.

What cannot be computed raises `Undefined`, a ValueError; shapes that disagree and NaN raise a ValueError.
"""

import functools
from typing import NamedTuple

import numpy as np

from medtutor.metrics import Undefined

LEVELS = ((5, 1, 16), (3, 16, 32), (3, 32, 48))  # of convolutions: side of the kernel, maps in, maps out


# ----------------------------------------------------------------------------------------------- features


def picture_features(x):
    """What convolutions that never learnt see in small grey pictures: (n, 384) float64.

    x (n, h, w) or (n, h, w, 1): h and w multiples of 8, 16 or more; real and drawn ones in one range of grey.
    Three levels. Each convolves (16 maps 5x5, then 32 and 48 maps 3x3; weights random, orthonormal, then
    each kernel shifted to sum to 0 over its places, the same ones for ever), keeps what is positive, and
    hands on the means of 2x2 pixels. A feature is the mean of a map over a quarter of the picture. So they
    see edges, texture and roughly where, not brightness itself, and no meaning: no lesion as such.
    A picture's features do not depend on the other pictures.
    """
    x = _finite("x", x)
    if x.ndim == 4 and x.shape[3] == 1:
        x = x[..., 0]
    if x.ndim != 3 or any(side < 16 or side % 8 for side in x.shape[1:]):
        raise ValueError(
            f"x has shape {np.shape(x)}; grey pictures (n, h, w) or (n, h, w, 1) are wanted, with h and w "
            "multiples of 8, 16 or more: pad or resize them"
        )
    return np.concatenate([_features(x[i : i + 250]) for i in range(0, len(x), 250)])


def _features(x):
    maps, found = x[..., None].astype(np.float32), []
    for kernel in _kernels():
        maps = np.maximum(_convolved(maps, kernel), 0)
        n, h, w, m = maps.shape
        found.append(maps.reshape(n, 2, h // 2, 2, w // 2, m).mean((2, 4)).reshape(n, 4 * m))
        maps = maps.reshape(n, h // 2, 2, w // 2, 2, m).mean((2, 4))
    return np.concatenate(found, 1).astype(float)


@functools.cache
def _kernels():
    numbers = np.random.RandomState(4)  # not default_rng: numpy promises these numbers for good
    kernels = []
    for side, inputs, outputs in LEVELS:
        q, r = np.linalg.qr(numbers.standard_normal((side * side * inputs, outputs)))
        kernel = (q * np.sign(np.diag(r))).reshape(side, side, inputs, outputs)
        kernels.append((kernel - kernel.mean((0, 1))).astype(np.float32))
    return kernels


def _convolved(maps, kernel):
    """(n, h, w, inputs) with (side, side, inputs, outputs), zeros around: (n, h, w, outputs)."""
    side = len(kernel)
    edge = side // 2
    padded = np.pad(maps, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (1, 2))
    return np.tensordot(windows, kernel, ((4, 5, 3), (0, 1, 2)))


def whitened(real, *others, components=48):
    """The directions in which real pictures differ most, each stretched to variance 1: a list of arrays.

    real (n, d): features of real pictures, best the training ones, that set directions and scale;
    others (m, d): features that are measured alike.  -> [(n, components), (m, components), ...]
    In these the distances below count every direction alike, and the covariances need fewer pictures.
    Undefined where `real` does not vary in so many directions (they are at most n - 1).
    """
    sets = [_rows(name, a, 2) for name, a in _named("real", real, others)]
    _same_width(sets)
    if not 1 <= components <= sets[0].shape[1]:
        raise ValueError(f"components is {components}; use 1 to {sets[0].shape[1]}, the number of features")
    mean = sets[0].mean(0)
    _, sizes, directions = np.linalg.svd(sets[0] - mean, full_matrices=False)
    rank = int(np.sum(sizes > 1e-6 * max(sizes[0], np.abs(mean).max())))
    if rank < components:
        raise Undefined(
            f"the {len(sets[0])} real pictures vary in {rank} directions; {components} are wanted: use "
            "more pictures or fewer components"
        )
    scale = directions[:components].T / sizes[:components] * np.sqrt(len(sets[0]) - 1)
    return [(a - mean) @ scale for a in sets]


# ---------------------------------------------------------------------------------------------- distances


def frechet_distance(a, b):
    """How far apart are two sets of pictures, as two Gaussians of their features?  0 = alike, no upper end.

        |mean_a - mean_b|^2 + trace(A + B - 2 (A B)^(1/2)),  A and B the covariances

    a (n, d), b (m, d): features. The last trace is the sum of the singular values of R_a R_b', where
    A = R_a' R_a comes from a QR decomposition: no root of a matrix is taken, none can turn complex.
    Biased: two sets of one kind are above 0 as well, in `whitened` features, for Gaussians, by about
    (1/n + 1/m) d (d + 5) / 4: 1.3 for 48 features of 1,000 pictures each, more for 500. So compare at equal
    n and m, beside the value of fresh real pictures. Undefined with no more pictures than features.
    Source: Heusel et al., NeurIPS 2017 (FID, there with features of Inception); Dowson and Landau, Journal
    of Multivariate Analysis 12 (1982), 450-455.
    """
    a, b = _two_sets("a", a, "b", b, 2)
    for name, rows in (("a", a), ("b", b)):
        n, d = rows.shape
        if n <= d:
            raise Undefined(
                f"{name} holds {n} pictures of {d} features; their covariance needs more pictures than "
                "features: draw more, or take fewer components by whitened(...)"
            )
    r_a, r_b = (np.linalg.qr(rows - rows.mean(0), mode="r") / np.sqrt(len(rows) - 1) for rows in (a, b))
    root = np.linalg.svd(r_a @ r_b.T, compute_uv=False).sum()
    apart = np.sum((a.mean(0) - b.mean(0)) ** 2)
    return float(apart + np.sum(r_a**2) + np.sum(r_b**2) - 2 * root)


def kernel_distance(a, b):
    """How far apart are two sets of pictures, without assuming Gaussians (KID)?  About 0 = alike.

        mean over i != j of k(a_i, a_j) + the same of b - 2 mean over all i, j of k(a_i, b_j)
        k(x, y) = (x . y / d + 1)^3

    a (n, d), b (m, d): features. The squared maximum mean discrepancy, unbiased: sets of one kind give 0 on
    average, whatever n is, and are often below 0. Undefined with fewer than two pictures.
    Source: Bińkowski et al., ICLR 2018; Gretton et al., JMLR 13 (2012), 723-773, lemma 6.
    """
    a, b = _two_sets("a", a, "b", b, 2)

    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        k, n = kernel(x, x), len(x)
        return (k.sum() - k.trace()) / (n * (n - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


# --------------------------------------------------------------------------------------------- neighbours


class PrecisionRecall(NamedTuple):
    """Shares, 0..1: of the drawn pictures that look real, and of the real ones that are drawn."""

    precision: float
    recall: float


def precision_recall(real, drawn, k=3):
    """Which share of the drawn looks real, and which share of the real is drawn?  (precision, recall), 0..1.

    real (n, d), drawn (m, d): features. Around each picture of a set lies a ball that reaches to its k-th
    nearest neighbour in the set; the balls together are where the set lies. precision: the share of the drawn
    that lie in a ball of the real; recall: the share of the real that lie in a ball of the drawn.
    Both depend on k, n and m, and fresh real pictures have less than 1 (some .75): quote it beside.
    Undefined with no more than k pictures.
    Source: Kynkäänniemi et al., NeurIPS 2019.
    """
    if k < 1 or k % 1:
        raise ValueError(f"k is {k}; use a whole number, 1 or more: which neighbour the balls reach to")
    real, drawn = _two_sets("real", real, "drawn", drawn, int(k) + 1)
    between = _distances(drawn, real)
    precision = np.mean(np.any(between <= _reach(real, int(k)), axis=1))
    recall = np.mean(np.any(between.T <= _reach(drawn, int(k)), axis=1))
    return PrecisionRecall(float(precision), float(recall))


def _reach(rows, k):
    """(n,) distance from each row to its k-th nearest other row."""
    between = _distances(rows, rows)
    np.fill_diagonal(between, np.inf)
    return np.partition(between, k - 1, axis=1)[:, k - 1]


def nearest_ratio(drawn, train, fresh):
    """Does the generator copy its training pictures?  0 = copies, 1 = no nearer to them than to fresh ones.

        median over the drawn of the distance to the nearest training picture
        / median of the distance to the nearest fresh real one

    drawn (m, d), train and fresh (n, d): features; fresh: real pictures of other patients, as many as train,
    for among more pictures the nearest is nearer. Who has never seen `train` has 1 on average; above 1 means
    nothing by itself. A median: copies among fewer than half of the drawn may stay unseen.
    Undefined where the drawn are copies of `fresh`.
    """
    (drawn, train), (_, fresh) = (
        _two_sets("drawn", drawn, name, rows, 1) for name, rows in (("train", train), ("fresh", fresh))
    )
    if len(train) != len(fresh):
        raise ValueError(
            f"train holds {len(train)} pictures and fresh {len(fresh)}; as many are wanted, for among more "
            f"of them the nearest is nearer: leave some out, down to {min(len(train), len(fresh))}"
        )
    to_train, to_fresh = (np.median(_distances(drawn, real).min(1)) for real in (train, fresh))
    if to_fresh == 0:
        raise Undefined(
            "half of the drawn pictures are copies of fresh ones; fresh must be pictures that the generator "
            "has not seen"
        )
    return float(to_train / to_fresh)


def diversity(real, drawn):
    """How much do the drawn differ from each other?  Mean distance of two drawn / of two real; 0 = all equal.

    real (n, d), drawn (m, d): features. 1 = as much as real ones; noise and wrong pictures go above it.
    Undefined with fewer than two pictures, or where all real ones are equal.
    """
    from scipy.spatial.distance import pdist

    real, drawn = _two_sets("real", real, "drawn", drawn, 2)
    if not (apart := pdist(real).mean()):
        raise Undefined("diversity needs two different pictures among the real ones; all of them are equal")
    return float(pdist(drawn).mean() / apart)


def _distances(a, b):
    from scipy.spatial.distance import cdist

    return cdist(a, b)


# ------------------------------------------------------------------------------------------ all at once


class Likeness(NamedTuple):
    """What all measures say of one set of drawn pictures: see the function of each name."""

    frechet: float
    kernel: float
    precision: float
    recall: float
    nearest: float
    diversity: float


def likeness(drawn, train, fresh, components=48):
    """How like real pictures are the drawn ones?  All measures, in directions that `train` sets.

    drawn (m, h, w), train and fresh (n, h, w), or with a last axis of 1: pictures in one range of grey; train
    those that the generator learnt from, fresh as many of other patients. Several slices of one patient are
    each other's neighbours, which makes every ball small: take one a patient.
    """
    train, fresh, drawn = whitened(*map(picture_features, (train, fresh, drawn)), components=components)
    return Likeness(
        frechet_distance(fresh, drawn),
        kernel_distance(fresh, drawn),
        *precision_recall(fresh, drawn),
        nearest_ratio(drawn, train, fresh),
        diversity(fresh, drawn),
    )


# ------------------------------------------------------------------------------------------------- checks


def _finite(name, values):
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {values.dtype}; numbers of one shape are wanted")
    if not values.size:
        raise Undefined(f"{name} has shape {values.shape} and no numbers; at least one picture is wanted")
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise ValueError(f"{name} holds {bad}; finite numbers are wanted: has the training diverged?")
    return values


def _rows(name, rows, least):
    rows = _finite(name, rows).astype(float)
    if rows.ndim != 2:
        raise ValueError(
            f"{name} has shape {rows.shape}; (n, d) is wanted, a row of features a picture: "
            "picture_features(x) makes them of pictures"
        )
    if len(rows) < least:
        raise Undefined(f"{name} holds {len(rows)} pictures; at least {least} are wanted")
    return rows


def _two_sets(name, rows, other_name, other, least):
    rows, other = _rows(name, rows, least), _rows(other_name, other, least)
    _same_width([rows, other])
    return rows, other


def _same_width(sets):
    widths = [rows.shape[1] for rows in sets]
    if len(set(widths)) > 1:
        raise ValueError(
            f"the sets have {', '.join(map(str, widths))} features; the same ones are wanted, made in one way"
        )


def _named(name, rows, others):
    return [(name, rows), *((f"set {i}", other) for i, other in enumerate(others, start=2))]
