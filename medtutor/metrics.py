"""How good is it? Each metric of the course, written from its formula in numpy.

Everywhere y is the truth and p what the model says. For a decision, y (n,) holds 1 for sick and 0 for well,
and p (n,) holds probabilities in 0..1 (or decisions 0/1); a case is called sick where p >= threshold.
One class of several is judged as `f1(y == 2, p == 2)`. For a segmentation, y and p are two masks of one
shape, boolean or 0/1, or class indices together with the `label` of one class. For entities, y and p hold
rows of tags, a row a sentence and a tag a token.

What cannot be computed raises `Undefined`, a ValueError that names what is missing; nothing returns nan.
Shapes that disagree, NaN, and numbers out of range raise a ValueError that says what came and what to do.
"""

from typing import NamedTuple

import numpy as np

from medtutor import tags


class Undefined(ValueError):
    """These cases leave the metric without a value: no sick case, nobody called sick, an empty mask."""


# ---------------------------------------------------------------------------------------------- decisions


def confusion(y, p, threshold=0.5, *, classes=None):
    """Count the cases of each true class (row) by the class they were called (column), int64.

    p (n,): [[tn, fp], [fn, tp]].   p (n, k), a score for each of k classes, and y in 0..k-1: (k, k); a case
    is called the class of its largest score, the first of equal ones.   p (n,) class indices and classes=k:
    (k, k).
    """
    p = _numbers("p", p)
    if classes is not None:
        k, called = classes, _indices("p", p, classes)
        y = _indices("y", y, classes)
        _same_cases(y, called)
    elif p.ndim == 1:
        k, (y, called) = 2, _decided(y, p, threshold)
    else:
        y, p = _classed(y, p)
        k, called = p.shape[1], p.argmax(1)
    if (classes or p.ndim == 2) and threshold != 0.5:
        raise ValueError(
            f"threshold is {threshold}, but {k} classes know none; call by p (n,), such as p[:, 1]"
        )
    return np.bincount(k * y + called, minlength=k * k).reshape(k, k)


def accuracy(y, p, threshold=0.5, *, classes=None):
    """Which share of all cases was called right?  (tp + tn) / n, for k classes trace / n;  0..1.

    Arguments as for `confusion`. Defined with one class absent, and then says least.
    """
    counts = confusion(y, p, threshold, classes=classes)
    return float(counts.trace() / counts.sum())


def sensitivity(y, p, threshold=0.5):
    """Which share of the sick was called sick (recall)?  tp / (tp + fn);  0..1. Undefined if none is sick."""
    (_, _), (fn, tp) = _two_by_two(y, p, threshold)
    _need(tp + fn, "sensitivity", "sick case (y == 1); y has none")
    return float(tp / (tp + fn))


def specificity(y, p, threshold=0.5):
    """Which share of the well was called well?  tn / (tn + fp);  0..1. Undefined if none is well."""
    (tn, fp), (_, _) = _two_by_two(y, p, threshold)
    _need(tn + fp, "specificity", "well case (y == 0); y has none")
    return float(tn / (tn + fp))


def precision(y, p, threshold=0.5):
    """Which share of those called sick is sick (positive predictive value)?

    tp / (tp + fp), 0..1, at the prevalence of y. Undefined where nobody is called sick.
    """
    (_, fp), (_, tp) = _two_by_two(y, p, threshold)
    _need(tp + fp, "precision", f"case called sick (p >= {threshold}); p has none")
    return float(tp / (tp + fp))


def negative_predictive_value(y, p, threshold=0.5):
    """Which share of those called well is well?

    tn / (tn + fn), 0..1, at the prevalence of y. Undefined where nobody is called well.
    """
    (tn, _), (fn, _) = _two_by_two(y, p, threshold)
    _need(tn + fn, "negative_predictive_value", f"case called well (p < {threshold}); p has none")
    return float(tn / (tn + fn))


def f1(y, p, threshold=0.5):
    """Harmonic mean of precision and sensitivity: 2 tp / (2 tp + fp + fn);  0..1, and blind to tn.

    0 where nobody is called sick; Undefined without a sick case, when it would be 0 whatever p said.
    """
    (_, fp), (fn, tp) = _two_by_two(y, p, threshold)
    _need(tp + fn, "f1", "sick case (y == 1); y has none")
    return float(2 * tp / (2 * tp + fp + fn))


def predictive_values(sensitivity, specificity, prevalence):
    """How likely is disease after a positive test, and health after a negative one?  (positive, negative).

        positive = se prev / (se prev + (1 - sp)(1 - prev))
        negative = sp (1 - prev) / (sp (1 - prev) + (1 - se) prev)

    Numbers or arrays that broadcast, all in 0..1; so are both results. Undefined where no test comes out so.
    Source: Bayes's theorem; Altman and Bland, BMJ 309 (1994), 102.
    """
    names = ("sensitivity", "specificity", "prevalence")
    shares = zip(names, (sensitivity, specificity, prevalence), strict=True)
    se, sp, prev = (_probabilities(name, share).astype(float) for name, share in shares)
    tp, fp = se * prev, (1 - sp) * (1 - prev)
    tn, fn = sp * (1 - prev), (1 - se) * prev
    _need(np.all(tp + fp > 0), "the positive predictive value", "positive test; nobody tests positive here")
    _need(np.all(tn + fn > 0), "the negative predictive value", "negative test; nobody tests negative here")
    return tuple(v if np.ndim(v) else float(v) for v in (tp / (tp + fp), tn / (tn + fn)))


def net_benefit(y, p, threshold):
    """What is treating at this threshold worth, in true positives per case?  tp/n - fp/n * t/(1 - t).

    t = threshold, 0 <= t < 1: the probability of disease at which treating and waiting are equally good.
    Treating nobody is worth 0. Defined with one class absent.
    Source: Vickers and Elkin, Medical Decision Making 26 (2006), 565-574.
    """
    if np.ndim(threshold) or not 0 <= threshold < 1:
        raise ValueError(f"threshold is {threshold}; net benefit needs a probability, 0 <= threshold < 1")
    (_, fp), (_, tp) = counts = _two_by_two(y, p, threshold)
    n = counts.sum()
    return float(tp / n - fp / n * threshold / (1 - threshold))


# ------------------------------------------------------------------------------------------------- curves


def roc_curve(y, p):
    """Sensitivity against 1 - specificity at every threshold: (fpr, tpr, thresholds).

    p (n,): any finite scores, larger for sicker. Arrays (m + 1,) for m different scores: from threshold inf
    (nobody is called sick: 0, 0) down to the smallest score (everybody: 1, 1); called sick is p >= threshold.
    Undefined with one class absent.
    """
    tp, fp, thresholds = _counts_down(y, p, "roc_curve")
    start = np.array([np.inf], thresholds.dtype)
    return np.append(0, fp / fp[-1]), np.append(0, tp / tp[-1]), np.append(start, thresholds)


def auroc(y, p):
    """How often does a sick case score above a well one?  P(s > w) + P(s = w) / 2, the area under the curve.

    p (n,): any finite scores, larger for sicker.  p (n, k): y holds 0..k-1, and the result is the mean over
    the classes of each one against the rest (macro).  0..1, 0.5 by chance. Undefined with a class absent.
    Source: Mann and Whitney 1947; Hanley and McNeil, Radiology 143 (1982), 29-36.
    """
    p = _numbers("p", p)
    if p.ndim == 2:
        y, p = _classed(y, p)
        absent = sorted(set(range(p.shape[1])) - set(y.tolist()))
        _need(not absent, "auroc", f"case of each class; y has none of {absent}")
        return float(np.mean([auroc(y == c, p[:, c]) for c in range(p.shape[1])]))
    y, p = _scored(y, p, "auroc")
    s, w = p[y], np.sort(p[~y])
    below, not_above = np.searchsorted(w, s, "left"), np.searchsorted(w, s, "right")
    return float(np.mean(below + not_above) / 2 / len(w))


def pr_curve(y, p):
    """Precision against recall at every threshold: (recall, precision, thresholds).

    p (n,): any finite scores, larger for sicker. Arrays (m,) for m different scores, from the largest score
    down, so recall grows to 1 and precision ends at the prevalence. Undefined with one class absent.
    """
    tp, fp, thresholds = _counts_down(y, p, "pr_curve")
    return tp / tp[-1], tp / (tp + fp), thresholds


def average_precision(y, p):
    """Area under the precision-recall curve, in steps: sum_m (R_m - R_(m-1)) P_m.

    p (n,): any finite scores. Above 0, up to 1; by chance about the prevalence of y. Undefined with one class
    absent.
    """
    tp, fp, _ = _counts_down(y, p, "average_precision")
    return float(np.sum(np.diff(tp / tp[-1], prepend=0) * tp / (tp + fp)))


# -------------------------------------------------------------------------------------------- calibration


def brier(y, p):
    """How far are the probabilities from what happened?  mean((p - y)^2);  0 best, 1 worst.

    0.25 for all p = 0.5. Defined with one class absent.
    Source: Brier, Monthly Weather Review 78 (1950), 1-3 (half of his score).
    """
    y, p = _labelled(y, _probabilities("p", p))
    return float(np.mean((p.astype(float) - y) ** 2))


def calibration_curve(y, p, bins=10):
    """Of those given about 30 %, are 30 % sick?  (mean of p, share of sick, number of cases) in each bin.

    `bins` equal parts of 0..1; bin m is ((m-1)/bins, m/bins], and 0 is in the first. Empty bins are left out.
    Defined with one class absent.
    """
    y, p = _labelled(y, _probabilities("p", p))
    if not (bins >= 1 and bins % 1 == 0):
        raise ValueError(f"bins is {bins}; use a whole number, 1 or more")
    m = np.searchsorted(np.linspace(0, 1, int(bins) + 1)[1:-1], p, "left")
    n = np.bincount(m, minlength=int(bins))
    held = n > 0
    means = [np.bincount(m, weights, minlength=int(bins))[held] / n[held] for weights in (p, y)]
    return *means, n[held]


def calibration_error(y, p, bins=10):
    """How large is the mean gap between promised and seen (ECE)?  sum_m n_m / n |sick_m - p_m|;  0..1.

    For k classes: `calibration_error(y == p.argmax(1), p.max(1))`. It depends on `bins`, and with few cases
    chance alone keeps it above 0.
    Source: Naeini et al., AAAI 2015; Guo et al., ICML 2017, equation 3.
    """
    promised, seen, n = calibration_curve(y, p, bins)
    return float(np.sum(n * np.abs(seen - promised)) / n.sum())


def temperature(logits, y):
    """The T > 0 that makes softmax(logits / T) most likely on validation data; T > 1 tames overconfidence.

    logits (n,), for which p = sigmoid(logits / T), or (n, k).  y (n,) in {0, 1}, or 0..k-1.

        NLL(b) = mean(logsumexp(b z) - b z_y),  b = 1/T: convex, so its one minimum is where its slope is 0:
        dNLL/db = mean(sum_k z_k softmax(b z)_k - z_y)

    Undefined with fewer than two classes in y, when every case is right (T runs to 0), and when the logits
    are no better than chance (T runs to infinity).  Source: Guo et al., ICML 2017, section 4.2.
    """
    from scipy.optimize import brentq

    z = _numbers("logits", logits).astype(float)
    if z.ndim == 1:
        z = np.stack([np.zeros_like(z), z], 1)
    y, z = _classed(y, z, "logits")
    _need(len(np.unique(y)) > 1, "temperature", f"second class; y holds only {y[0]}")
    z = z - z[np.arange(len(y)), y][:, None]  # so that z_y = 0

    def slope(b):
        e = np.exp(b * (z - z.max(1, keepdims=True)))
        return np.mean(np.sum(z * e, 1) / e.sum(1))

    _need(z.max() > 0, "temperature", "mistake; every case is right, so T runs to 0. Use validation data")
    _need(slope(0) < 0, "temperature", "hint in the logits; they are no better than chance, so T is infinite")
    lo = hi = 1 / np.abs(z).max()
    while slope(hi) < 0:
        lo, hi = hi, 2 * hi
    while slope(lo) > 0:
        lo, hi = lo / 2, lo
    return float(1 / brentq(slope, lo, hi, xtol=1e-14 * hi)) if lo < hi else float(1 / hi)


# ------------------------------------------------------------------------------------------- uncertainty


class Interval(NamedTuple):
    """A metric, its bootstrap interval, and how it was made; `undefined` of the `draws` had no value."""

    value: float
    low: float
    high: float
    level: float
    draws: int
    undefined: int
    patients: int

    def __str__(self):
        return f"{self.value:.3f} ({self.level:.0%} interval {self.low:.3f} to {self.high:.3f})"


def interval(metric, y, p=None, patients=None, *, level=0.95, draws=1000, seed=0):
    """How far would this figure move with other patients?  An `Interval` by bootstrap over patients.

    metric: `metric(y, p)`, or `metric(y)` without p, gives one number;  y, p: arrays with one row a case;
    patients (n,): whose case each row is (without it, each row is its own patient). `draws` times, as many
    patients as there are are drawn with replacement, each with all rows; low and high are the
    (1 - level)/2 and (1 + level)/2 quantiles. The same seed gives the same interval.
    Draws in which the metric is Undefined or not finite are left out and counted in `undefined`; above 5 %
    they are refused, for the interval would speak of the lucky draws only. Too narrow below some 20 patients.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; Field and Welsh,
    Journal of the Royal Statistical Society B 69 (2007), 369-390, for whole clusters.
    """
    arrays = [np.atleast_1d(a) for a in (y, p) if a is not None]
    return _bootstrap(
        lambda rows: metric(*(a[rows] for a in arrays)), metric, arrays, patients, level, draws, seed
    )


def difference_interval(metric, y, p, q, patients=None, *, level=0.95, draws=1000, seed=0):
    """Is model p better than model q on the same cases?  An `Interval` of metric(y, p) - metric(y, q).

    With y None it is metric(p) - metric(q), for what was counted case by case, as `entity_counts` does.
    Both models meet the same drawn patients, so what makes a patient hard for both cancels; two separate
    intervals that overlap do not show that. Arguments and errors as in `interval`.
    """
    *truth, p, q = arrays = [np.atleast_1d(a) for a in (y, p, q) if a is not None]

    def difference(rows):
        shared = [a[rows] for a in truth]
        return metric(*shared, p[rows]) - metric(*shared, q[rows])

    return _bootstrap(difference, metric, arrays, patients, level, draws, seed)


def _bootstrap(score, metric, arrays, patients, level, draws, seed):
    name = getattr(metric, "__name__", "the metric")
    who = _who(patients, arrays)
    people = who.max() + 1
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; use a share between 0 and 1, such as 0.95")
    if draws < 2 / (1 - level):
        raise ValueError(
            f"draws is {draws}; the ends of a {level:.0%} interval need at least {2 / (1 - level):.0f}"
        )
    value = float(score(np.arange(len(who))))
    _need(np.isfinite(value), f"an interval of {name}", f"finite value; on all cases it is {value}")
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(draws):
        times = np.bincount(rng.integers(people, size=people), minlength=people)  # each patient is drawn
        try:
            seen.append(float(score(np.repeat(np.arange(len(who)), times[who]))))
        except Undefined as error:
            missing = str(error)
            continue
        if not np.isfinite(seen[-1]):
            missing = f"it came out as {seen.pop()}"
    undefined = draws - len(seen)
    if undefined > 0.05 * draws:
        raise Undefined(
            f"{name} has no value in {undefined} of {draws} draws ({missing}); more than 5 % leave no honest "
            "interval. Use more patients, or give the value without one"
        )
    low, high = np.quantile(seen, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), level, draws, undefined, int(people))


def _who(patients, arrays):
    """The patient of each row, 0, 1, 2 and so on."""
    n = len(arrays[0])
    if any(len(a) != n for a in arrays):
        raise ValueError(f"the arrays have {[len(a) for a in arrays]} rows; they must match, one row a case")
    patients = np.arange(n) if patients is None else np.asarray(patients)
    if patients.shape != (n,):
        raise ValueError(
            f"patients has shape {patients.shape}; ({n},) is wanted, the patient of each row of y"
        )
    if patients.dtype.kind == "f" and np.isnan(patients).any():
        raise ValueError("patients holds NaN; name the patient of each row, or leave the row out")
    names, who = np.unique(patients, return_inverse=True)
    if len(names) < 2:
        raise Undefined(f"an interval needs at least two patients; there are {n} rows of {len(names)}")
    return who


# ------------------------------------------------------------------------------------------ segmentation


def dice(y, p, label=None):
    """How much do two masks agree?  2 |Y and P| / (|Y| + |P|);  0..1.

    All axes count as one mask; for a score per patient call it once a patient. One mask empty: 0. Both
    empty: 1, for they agree that nothing is there; so keep healthy patients out of a mean over lesions.
    Source: Dice, Ecology 26 (1945), 297-302.
    """
    y, p = _masks(y, p, label)
    size = y.sum() + p.sum()
    return float(2 * (y & p).sum() / size) if size else 1.0


def iou(y, p, label=None):
    """How much do two masks agree, more strictly (Jaccard)?  |Y and P| / |Y or P| = dice / (2 - dice);  0..1.

    One mask empty: 0. Both empty: 1, as for `dice`.
    """
    y, p = _masks(y, p, label)
    union = (y | p).sum()
    return float((y & p).sum() / union) if union else 1.0


def lesion_cover(y, p, label=None):
    """Which share of each true lesion is covered?  (lesions,) float64 in 0..1, in order of their first voxel.

    A lesion is a connected piece of y; voxels that touch at a corner belong together (26 neighbours in 3-D).
    So y is one patient's volume or slice. Empty y: an array of length 0.
    """
    from scipy import ndimage

    y, p = _masks(y, p, label)
    lesion, _ = ndimage.label(y, np.ones((3,) * y.ndim))
    size = np.bincount(lesion.ravel())[1:]
    return np.bincount(lesion.ravel(), p.ravel())[1:] / size


def lesion_sensitivity(y, p, label=None, *, cover=0.0):
    """Which share of the true lesions was found, with more than `cover` of its voxels in p?  0..1.

    By default one voxel is enough. A p that covers everything finds every lesion: look at the false alarms,
    `1 - lesion_sensitivity(p, y)`, as well. Empty p: 0. Empty y: Undefined.
    """
    if not 0 <= cover < 1:
        raise ValueError(f"cover is {cover}; use a share, 0 <= cover < 1")
    covered = lesion_cover(y, p, label)
    _need(len(covered), "lesion_sensitivity", "lesion in y; y is empty")
    return float(np.mean(covered > cover))


def surface_distances(y, p, spacing, label=None):
    """From each border voxel of one mask, how far is the other's border?  (from y to p, from p to y), in mm.

    spacing: mm between voxels, one number an axis. A border voxel has a face neighbour outside the mask, or
    lies on the edge of the image. Arrays (border voxels of y,) and (border voxels of p,), float64, >= 0.
    An empty mask has no border: its own array is empty and the other one holds inf.
    """
    from scipy import ndimage, spatial

    y, p = _masks(y, p, label)
    spacing = _spacing(spacing, y.ndim)
    box = next(iter(ndimage.find_objects((y | p).astype(np.int8))), ())
    y, p = y[box], p[box]
    y_border, p_border = (np.argwhere(m & ~ndimage.binary_erosion(m)) * spacing for m in (y, p))

    def nearest(points, others):
        if not len(others):
            return np.full(len(points), np.inf)
        return spatial.KDTree(others).query(points)[0]

    return nearest(y_border, p_border), nearest(p_border, y_border)


def hd95(y, p, spacing, label=None):
    """How far off is the border, but for the worst 5 % of it?  Hausdorff distance, 95th percentile, in mm.

    The larger of the two 95th percentiles of `surface_distances`. Both masks empty: 0. One empty: inf, for
    the miss must stay in the ranking of patients (a median bears it) and cannot be skipped like an error.
    Source: Huttenlocher et al., IEEE PAMI 15 (1993), 850-863.
    """
    y_to_p, p_to_y = surface_distances(y, p, spacing, label)
    if not len(y_to_p) or not len(p_to_y):
        return 0.0 if len(y_to_p) == len(p_to_y) else np.inf
    return float(max(np.percentile(y_to_p, 95), np.percentile(p_to_y, 95)))


def average_surface_distance(y, p, spacing, label=None):
    """How far off is the border on average?  Mean of both `surface_distances` together, in mm.

    (sum of y to p + sum of p to y) / (border voxels of both). Both masks empty: 0; one empty: inf, as `hd95`.
    Source: Heimann et al., IEEE Transactions on Medical Imaging 28 (2009), 1251-1265.
    """
    d = np.concatenate(surface_distances(y, p, spacing, label))
    return float(d.mean()) if len(d) else 0.0


def volume(mask, spacing, label=None):
    """How large is it, in millilitres?  voxels * spacing / 1000;  spacing: mm, three numbers. Empty: 0."""
    mask = _mask("mask", mask, label)
    if mask.ndim != 3:
        raise ValueError(f"mask has shape {mask.shape}; a volume needs three axes: one slice is mask[None]")
    return float(mask.sum() * np.prod(_spacing(spacing, 3)) / 1000)


def volume_error(y, p, spacing, label=None, *, relative=False):
    """How many millilitres too large (+) or too small (-) is p?  volume(p) - volume(y).

    relative: as a share of volume(y); -1 is a missed lesion, and an empty y is Undefined. Blind to place.
    """
    y, p = _masks(y, p, label)
    error, true = volume(p, spacing) - volume(y, spacing), volume(y, spacing)
    if not relative:
        return error
    _need(true, "a relative volume_error", "voxel in y; y is empty")
    return error / true


# ----------------------------------------------------------------------------------------------- entities

MATCHES = ("exact", "partial", "boundaries")


def entity_counts(y, p, kind=None, match="exact", strict=True, *, scheme="BIO"):
    """Entities in each sentence: found (in both), called (in p), true (in y);  (n, 3) int64.

    y, p: n rows of tags each, truth and called, read by `tags.spans(row, scheme, strict)`.
    kind: count entities of this type alone.
    match: what counts as found.
        "exact"       same first token, same last token, same type
        "partial"     same type and at least one token in both; each entity of y and of p is matched once
                      at most, and as many are matched as can be
        "boundaries"  same first and last token, whatever the type
    Its columns sum to the counts of many sentences: `f1_of_counts`.
    Source: the criteria "strict", "type" and "exact" of SemEval-2013 task 9, Segura-Bedmar et al., S13-2056.
    """
    if match not in MATCHES:
        raise ValueError(f"match is {match!r}; use one of {', '.join(map(repr, MATCHES))}")
    if match == "boundaries" and kind is not None:
        raise ValueError(f"match='boundaries' asks for no type, but kind is {kind!r}; leave one of them out")
    counts = np.zeros((len(y), 3), np.int64)
    for row, both in enumerate(_pairs_of_rows(y, p)):
        true, called = (
            [span for span in tags.spans(one, scheme, strict) if kind in (None, span[2])] for one in both
        )
        if match == "partial":
            found = _matched_in_part(true, called)
        else:
            parts = 3 if match == "exact" else 2
            found = len({span[:parts] for span in true} & {span[:parts] for span in called})
        counts[row] = found, len(called), len(true)
    return counts


def entity_precision(y, p, kind=None, match="exact", strict=True, *, scheme="BIO"):
    """Which share of the called entities is true?  found / called over all sentences (micro);  0..1.

    Arguments as for `entity_counts`. Undefined where nothing is called.
    """
    found, called, _ = entity_counts(y, p, kind, match, strict, scheme=scheme).sum(0)
    _need(called, "entity_precision", f"called {_entity(kind)}; p has none")
    return float(found / called)


def entity_recall(y, p, kind=None, match="exact", strict=True, *, scheme="BIO"):
    """Which share of the true entities was found?  found / true over all sentences (micro);  0..1.

    Arguments as for `entity_counts`. Undefined where no entity is true.
    """
    found, _, true = entity_counts(y, p, kind, match, strict, scheme=scheme).sum(0)
    _need(true, "entity_recall", f"true {_entity(kind)}; y has none")
    return float(found / true)


def entity_f1(y, p, kind=None, match="exact", strict=True, *, scheme="BIO"):
    """Harmonic mean of both: 2 found / (called + true) over all sentences (micro);  0..1.

    Arguments as for `entity_counts`. 0 where nothing is called; Undefined, as `f1` is, without a true entity,
    whether something was called or not: seqeval then says 0.
    """
    counts = entity_counts(y, p, kind, match, strict, scheme=scheme)
    _need(counts[:, 2].any(), "entity_f1", f"true {_entity(kind)}; y has none")
    return f1_of_counts(counts)


def f1_of_counts(counts):
    """F1 of the (n, 3) that `entity_counts` gives: 2 found / (called + true), summed over all rows;  0..1.

    For intervals: interval(f1_of_counts, counts), and difference_interval(f1_of_counts, None, a, b) where a
    and b are the counts of two models on the same sentences. Undefined without a true entity.
    """
    counts = _numbers("counts", counts)
    if counts.ndim != 2 or counts.shape[1] != 3:
        raise ValueError(f"counts has shape {counts.shape}; (n, 3) is wanted, from entity_counts")
    if (counts < 0).any() or (counts[:, :1] > counts[:, 1:]).any():
        raise ValueError(
            "counts holds a row with more found than called or true; wanted: found, called, true"
        )
    found, called, true = counts.sum(0)
    _need(true, "f1_of_counts", "true entity; counts has none")
    return float(2 * found / (called + true))


def token_accuracy(y, p):
    """Which share of the tokens has its right tag?  0..1, and high for who finds nothing: most tokens are O.

    y, p: n rows of tags each. Undefined without a token.
    """
    right = [a == b for true, called in _pairs_of_rows(y, p) for a, b in zip(true, called, strict=True)]
    _need(right, "token_accuracy", "token; the rows are empty")
    return sum(right) / len(right)


def _matched_in_part(true, called):
    """How many pairs of one type that share a token can be made, no entity in two of them."""
    pairs = 0
    for kind in {span[2] for span in true}:
        ours, theirs = ([span for span in row if span[2] == kind] for row in (true, called))
        while ours and theirs:
            (start, end, _), (other_start, other_end, _) = ours[0], theirs[0]
            shared = start < other_end and other_start < end
            pairs += shared
            if shared or end <= other_start:
                ours = ours[1:]
            if shared or other_end <= start:
                theirs = theirs[1:]
    return pairs


def _entity(kind):
    return "entity" if kind is None else f"entity of type {kind!r}"


def _pairs_of_rows(y, p):
    """(row of y, row of p) for each sentence, of the same length."""
    if len(y) != len(p):
        raise ValueError(f"y has {len(y)} rows and p {len(p)}; they must match, a row of tags a sentence")
    for i, (true, called) in enumerate(zip(y, p, strict=True)):
        for name, row in (("y", true), ("p", called)):
            if isinstance(row, str):
                raise ValueError(
                    f"{name}[{i}] is {row!r}; rows of tags are wanted: of one sentence, [{name}]"
                )
        if len(true) != len(called):
            raise ValueError(
                f"row {i} has {len(true)} tags in y and {len(called)} in p; they must match, a tag a token"
            )
        yield true, called


# ------------------------------------------------------------------------------------------------- checks


def _need(enough, name, what):
    if not enough:
        raise Undefined(f"{name} needs at least one {what}")


def _numbers(name, values):
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} holds {values.dtype}; numbers of one shape are wanted")
    if not values.size:
        raise Undefined(f"{name} has shape {values.shape} and no numbers; at least one case is wanted")
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)][0]
        raise ValueError(f"{name} holds {bad}; finite numbers are wanted: find where it comes from first")
    return values


def _probabilities(name, values):
    values = _numbers(name, values)
    bad = values[(values < 0) | (values > 1)]
    if bad.size:
        raise ValueError(
            f"{name} holds {bad.flat[0]}; probabilities between 0 and 1 are wanted: "
            "put logits through a sigmoid, and compare class indices first (p == 2)"
        )
    return values


def _same_cases(y, p):
    if y.shape != p.shape or y.ndim != 1:
        raise ValueError(
            f"y has shape {y.shape} and p {p.shape}; they must match, one number a case, (n,): "
            "of (n, 1) use [:, 0], of a mask .ravel()"
        )


def _labelled(y, p):
    """y (n,) bool and p (n,)."""
    y = _numbers("y", y)
    _same_cases(y, p)
    bad = y[(y != 0) & (y != 1)]
    if bad.size:
        raise ValueError(
            f"y holds {bad[0]}; 0 (well) and 1 (sick) are wanted: for class 2 of several use y == 2"
        )
    return y.astype(bool), p


def _indices(name, values, k):
    values = _numbers(name, values)
    bad = values[(values != np.round(values)) | (values < 0) | (values >= k)]
    if bad.size:
        raise ValueError(f"{name} holds {bad.flat[0]}; class indices 0 to {k - 1} are wanted for {k} classes")
    return values.astype(np.int64)


def _classed(y, p, name="p"):
    """y (n,) int64 in 0..k-1 and p (n, k)."""
    y = _numbers("y", y)
    if p.ndim != 2 or y.shape != p.shape[:1] or p.shape[1] < 2:
        raise ValueError(
            f"y has shape {y.shape} and {name} {p.shape}; wanted are y (n,) and {name} (n,), or (n, k) "
            "for k > 1 classes: of (n, 1) use [:, 0]"
        )
    return _indices("y", y, p.shape[1]), p


def _decided(y, p, threshold):
    y, p = _labelled(y, _probabilities("p", p))
    if np.ndim(threshold) or np.isnan(threshold):
        raise ValueError(f"threshold is {threshold}; one number is wanted")
    return y, p >= threshold


def _two_by_two(y, p, threshold):
    y, called = _decided(y, p, threshold)
    return confusion(y, called)


def _scored(y, p, name):
    """y (n,) bool with both classes and p (n,) finite floats."""
    p = _numbers("p", p)
    y, p = _labelled(y, p if p.dtype.kind == "f" else p.astype(float))
    _need(y.any(), name, "sick case (y == 1); y has none")
    _need(not y.all(), name, "well case (y == 0); y has none")
    return y, p


def _counts_down(y, p, name):
    """Sick and well cases with p >= t, and t, for each different score t from the largest down."""
    y, p = _scored(y, p, name)
    order = np.argsort(-p, kind="stable")
    y, p = y[order], p[order]
    last = np.append(p[1:] != p[:-1], True)  # of each run of equal scores
    return np.cumsum(y)[last], np.cumsum(~y)[last], p[last]


def _mask(name, mask, label):
    mask = _numbers(name, mask)
    if label is not None:
        bad = mask[mask != np.round(mask)]
        if bad.size:
            raise ValueError(f"{name} holds {bad[0]}; with label={label}, whole class indices are wanted")
        return mask == label
    bad = mask[(mask != 0) & (mask != 1)]
    if bad.size:
        raise ValueError(
            f"{name} holds {bad[0]}; a mask of 0 and 1 is wanted: "
            "compare probabilities with a threshold (p >= 0.5), choose one class of several with label"
        )
    return mask.astype(bool)


def _masks(y, p, label):
    if np.shape(y) != np.shape(p):
        raise ValueError(f"y has shape {np.shape(y)} and p {np.shape(p)}; two masks of one shape are wanted")
    return _mask("y", y, label), _mask("p", p, label)


def _spacing(spacing, axes):
    spacing = np.asarray(spacing, float)
    if spacing.shape != (axes,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise ValueError(
            f"spacing is {spacing.tolist()}; the masks have {axes} axes: "
            f"{axes} positive numbers are wanted, the mm between voxels along each axis"
        )
    return spacing
