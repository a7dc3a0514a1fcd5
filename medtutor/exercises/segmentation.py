"""Chapter 3, Segmentation: eleven exercises from the overlap of two masks to millilitres and millimetres."""

import numpy as np

from medtutor.exercises.framework import exercise


def _tries():
    """Turns of a search for inputs that tell the mistakes apart; one that finds none ends in an error."""
    yield from range(5000)
    raise RuntimeError("no inputs tell the mistakes apart")


def _mask(rng, *shape, share=0.5):
    """A random mask of 0 and 1 that holds both."""
    for _ in _tries():
        mask = (rng.random(shape) < share).astype(int)
        if mask.any() and not mask.all():
            return mask


def _pairs(rng):
    """Two masks that overlap in part, each with voxels of its own, of different sizes, and some "
    "background."""
    for shape in ((2, 4), (3, 4), (3, 3), (2, 2, 3)):
        for _ in _tries():
            y, p = _mask(rng, *shape), _mask(rng, *shape, share=0.6)
            tp, fn, fp, tn = ((y == a) & (p == b) for a, b in ((1, 1), (1, 0), (0, 1), (0, 0)))
            counts = [int(part.sum()) for part in (tp, fn, fp, tn)]
            if min(counts) > 0 and counts[1] != counts[2] and counts[0] != counts[3]:
                break
        yield dict(y=y, p=p)
    empty, some = np.zeros((2, 3), int), _mask(rng, 2, 3)
    yield dict(y=empty, p=empty)
    yield dict(y=empty, p=some)
    yield dict(y=some, p=empty)
    yield dict(y=np.zeros(4, int), p=np.zeros(4, int))


def _shared(y, p):
    """Voxels in both masks, in y, in p."""
    return float(np.sum(y * p)), float(np.sum(y)), float(np.sum(p))


# 1 Dice


@exercise(
    "How well do two masks agree? Count what they share twice, and divide by the sizes of both.",
    hints=(
        "Three counts are enough: the voxels in both masks, those in y, those in p.",
        "Both masks hold 1 where np.sum(y * p) counts, so this is the shared part. Twice that, divided by "
        "y.sum() + p.sum().",
        "Only when both masks are empty is that 0 / 0. Ask for it first: if y.sum() + p.sum() == 0, "
        "return 1.0.",
    ),
    right="The background does not occur: a lesion of 20 voxels is judged alike in a small and in a large "
    "image, and one voxel missed costs a small lesion much.",
)
def dice_score(y, p):
    """Dice of two masks: 2 * (voxels in both) / (voxels in y + voxels in p).

    y        truth, a mask of 0 and 1, of any shape
    p        what the model drew, a mask of the same shape
    returns  one number from 0 (nothing shared) to 1 (equal)
             both masks empty: 1, for they agree that nothing is there; one of them empty: 0
    Source: Dice, Ecology 26 (1945).

    >>> dice_score(np.array([1, 1, 1, 0]), np.array([0, 1, 1, 1])).round(3)
    np.float64(0.667)
    """
    size = np.sum(y) + np.sum(p)
    if size == 0:
        return 1.0
    return 2 * np.sum(y * p) / size


@dice_score.probes
def _(rng):
    yield from _pairs(rng)


@dice_score.law("Truth and drawing may change places without any change.")
def _(f, y, p):
    return f(p, y), f(y, p)


@dice_score.law("An image larger by ten voxels of background must have the same Dice.")
def _(f, y, p):
    y, p = y.ravel(), p.ravel()
    more = np.zeros(10, y.dtype)
    return f(np.append(y, more), np.append(p, more)), f(y, p)


@dice_score.mistake(
    "This is the IoU: you divide by the voxels in either mask. Dice counts the shared voxels twice, and "
    "divides by the sum of both sizes."
)
def dice_score_is_iou(y, p):
    return iou_score(y, p)


@dice_score.mistake("The 2 is missing: two equal masks would get 0.5, for both sizes are in the sum below.")
def dice_score_without_2(y, p):
    return dice_score(y, p) / 2 if np.any(y) or np.any(p) else 1.0


@dice_score.mistake(
    "You divide by the voxels in either mask, and still count the shared ones twice. Divide by the sum of "
    "both sizes, where shared voxels stand twice as well."
)
def dice_score_over_the_union(y, p):
    both, a, b = _shared(y, p)
    return 2 * both / (a + b - both) if a + b else 1.0


@dice_score.mistake(
    "This is the accuracy: background that nobody drew counts as success, and there is much of it. Dice "
    "leaves it out."
)
def dice_score_is_accuracy(y, p):
    return np.mean(y == p)


@dice_score.mistake(
    "You divide by the size of y alone: that is the sensitivity, and drawing everything earns 1."
)
def dice_score_is_sensitivity(y, p):
    both, a, b = _shared(y, p)
    return both / a if a else float(b == 0)


@dice_score.mistake(
    "You divide by the size of p alone: that is the precision, and a single good voxel earns 1."
)
def dice_score_is_precision(y, p):
    both, a, b = _shared(y, p)
    return both / b if b else float(a == 0)


@dice_score.mistake(
    "Two empty masks give 0 / 0 in your answer. They agree that nothing is there: return 1 in that case."
)
def dice_score_nan(y, p):
    both, a, b = _shared(y, p)
    return both and 2 * both / (a + b) if a + b else np.nan


@dice_score.mistake(
    "Two empty masks get 0 in your answer, as if a lesion had been missed. They agree that nothing is there: "
    "return 1."
)
def dice_score_0_for_empty(y, p):
    return dice_score(y, p) if np.any(y) or np.any(p) else 0.0


@dice_score.mistake(
    "In a mask of numbers ~ turns 1 into -2 and 0 into -1, and the counts below go wrong. Write 1 - "
    "y for what is "
    "not in y."
)
def dice_score_tilde(y, p):
    both, missed, invented = np.sum(y * p), np.sum(y * ~p), np.sum(~y * p)
    return 2 * both / (2 * both + missed + invented) if np.any(y) or np.any(p) else 1.0


@dice_score.mistake(
    "If only one of the masks is empty you give 1. Then a lesion was missed or invented, and the Dice is 0; "
    "it is 1 only where BOTH are empty."
)
def dice_score_1_for_one_empty(y, p):
    return dice_score(y, p) if np.any(y) and np.any(p) else 1.0


@dice_score.mistake(
    "A small number added above and below, as in a loss, changes the score of every mask. Leave it away, and "
    "ask for two empty masks first."
)
def dice_score_smoothed(y, p):
    both, a, b = _shared(y, p)
    return (2 * both + 1) / (a + b + 1)


# 2 IoU


@exercise(
    "The same question, asked more strictly: shared voxels, divided by the voxels in either mask.",
    hints=(
        "Draw two circles that overlap. How many voxels do they cover together, each counted once?",
        "Those in y plus those in p have the shared ones twice: union = y.sum() + p.sum() - shared.",
        "Both masks empty: the union is 0. Ask for it first, and return 1.0.",
    ),
    right="IoU and Dice put any two drawings of a lesion in the same order, for one follows from the "
    "other; only "
    "means over patients differ.",
)
def iou_score(y, p):
    """Intersection over union of two masks: (voxels in both) / (voxels in either), also called Jaccard.

    y        truth, a mask of 0 and 1, of any shape
    p        what the model drew, a mask of the same shape
    returns  one number from 0 (nothing shared) to 1 (equal)
             both masks empty: 1, for they agree that nothing is there; one of them empty: 0

    >>> iou_score(np.array([1, 1, 1, 0]), np.array([0, 1, 1, 1]))
    np.float64(0.5)
    """
    both = np.sum(y * p)
    union = np.sum(y) + np.sum(p) - both
    if union == 0:
        return 1.0
    return both / union


@iou_score.probes
def _(rng):
    yield from _pairs(rng)


@iou_score.law("Truth and drawing may change places without any change.")
def _(f, y, p):
    return f(p, y), f(y, p)


@iou_score.law("An image larger by ten voxels of background must have the same IoU.")
def _(f, y, p):
    y, p = y.ravel(), p.ravel()
    more = np.zeros(10, y.dtype)
    return f(np.append(y, more), np.append(p, more)), f(y, p)


@iou_score.mistake(
    "This is Dice. Here the shared voxels count once above, and once below: divide by the voxels in "
    "either mask."
)
def iou_score_is_dice(y, p):
    return dice_score(y, p)


@iou_score.mistake(
    "You divide by the sum of both sizes, where the shared voxels stand twice. Subtract them once: that is "
    "the union."
)
def iou_score_over_the_sum(y, p):
    return dice_score(y, p) / 2 if np.any(y) or np.any(p) else 1.0


@iou_score.mistake(
    "You divide by the larger mask. The union also has the voxels that only the smaller one holds."
)
def iou_score_over_the_larger(y, p):
    both, a, b = _shared(y, p)
    return both / max(a, b) if a + b else 1.0


@iou_score.mistake(
    "You divide by the smaller mask, so that a drawing of everything earns 1. Divide by the union."
)
def iou_score_over_the_smaller(y, p):
    both, a, b = _shared(y, p)
    return both / min(a, b) if min(a, b) else float(a == b)


@iou_score.mistake(
    "This is the accuracy: background that nobody drew counts as success. Leave it out, above and below."
)
def iou_score_is_accuracy(y, p):
    return np.mean(y == p)


@iou_score.mistake("You divide by all voxels of the image. Divide by those in either mask.")
def iou_score_over_the_image(y, p):
    return _shared(y, p)[0] / np.size(y) if np.any(y) or np.any(p) else 1.0


@iou_score.mistake(
    "Your union lacks the shared voxels: it holds those in one mask ONLY. Take those in y or p or both."
)
def iou_score_over_the_difference(y, p):
    both, a, b = _shared(y, p)
    return both / (a + b - 2 * both) if a + b else 1.0


@iou_score.mistake(
    "Two empty masks give 0 / 0 in your answer. They agree that nothing is there: return 1 before you divide."
)
def iou_score_nan(y, p):
    both, a, b = _shared(y, p)
    return both / (a + b - both) if a + b else np.nan


@iou_score.mistake(
    "Two empty masks get 0 in your answer, as if a lesion had been missed. Nothing is there and nothing was "
    "drawn: return 1."
)
def iou_score_0_for_empty(y, p):
    return iou_score(y, p) if np.any(y) or np.any(p) else 0.0


@iou_score.mistake(
    "In a mask of numbers ~ turns 1 into -2 and 0 into -1, and the counts go wrong. Write 1 - y for what is "
    "not in y, or count without the background."
)
def iou_score_tilde(y, p):
    both, missed, invented = np.sum(y * p), np.sum(y * ~p), np.sum(~y * p)
    return both / (both + missed + invented) if np.any(y) or np.any(p) else 1.0


@iou_score.mistake(
    "If only one of the masks is empty you give 1. A lesion was missed or invented then, and the IoU is 0."
)
def iou_score_1_for_one_empty(y, p):
    return iou_score(y, p) if np.any(y) and np.any(p) else 1.0


# 3 From one to the other


@exercise(
    "A paper reports an IoU, your ward knows Dice. Turn one into the other.",
    hints=(
        "Let both masks together cover 1 (the union). Then the shared part is as large as the IoU.",
        "Dice divides by the sum of both sizes. In that sum the shared part stands twice: union + shared.",
        "Dice = 2 * shared / (union + shared), with shared = iou and union = 1.",
    ),
    right="Dice is never below IoU: 0.8 in one paper and 0.89 in another may be the same result.",
)
def dice_from_iou(iou):
    """Dice of two masks whose intersection over union is known.

    iou      one number, 0 to 1
    returns  one number, 0 to 1, never below `iou`

    >>> round(dice_from_iou(0.8), 2)
    0.89
    """
    return 2 * iou / (1 + iou)


@dice_from_iou.probes
def _(rng):
    for low in (20, 35, 50, 65, 80):
        yield dict(iou=int(rng.integers(low, low + 15)) / 100)
    yield dict(iou=0.0)
    yield dict(iou=1.0)


@dice_from_iou.law("Two masks of 10 voxels that share 5 have an IoU of 5/15 and a Dice of 10/20.")
def _(f, iou):
    return f(5 / 15), 10 / 20


@dice_from_iou.law("Masks of 3 and 4 voxels that share 2 have an IoU of 2/5 and a Dice of 4/7.")
def _(f, iou):
    return f(2 / 5), 4 / 7


@dice_from_iou.mistake("This is the way back, IoU from Dice. Dice is the larger one of the two.")
def dice_from_iou_backwards(iou):
    return iou / (2 - iou)


@dice_from_iou.mistake(
    "Twice the IoU may be more than 1. The shared part also stands twice in the sum below: divide by 1 + iou."
)
def dice_from_iou_doubled(iou):
    return 2 * iou


@dice_from_iou.mistake("The 2 is missing: two equal masks, with an IoU of 1, would have a Dice of 0.5.")
def dice_from_iou_without_2(iou):
    return iou / (1 + iou)


@dice_from_iou.mistake("You give the IoU back as it is. The two are equal at 0 and at 1 only.")
def dice_from_iou_the_same(iou):
    return iou


@dice_from_iou.mistake("You average the IoU with 1: masks that share nothing would have a Dice of 0.5.")
def dice_from_iou_averaged(iou):
    return (1 + iou) / 2


@dice_from_iou.mistake("Brackets are missing: 2 * iou / 1 + iou is 3 * iou. Write 2 * iou / (1 + iou).")
def dice_from_iou_without_brackets(iou):
    return 2 * iou / 1 + iou


@dice_from_iou.mistake(
    "The square root lies near it, but is not Dice. Write both with union = 1, shared = iou."
)
def dice_from_iou_root(iou):
    return np.sqrt(iou)


# 4 One Dice for each patient


@exercise(
    "Report one Dice for each patient with a lesion, and their mean.",
    hints=(
        "For whom is the number meant? A patient has many slices and one lesion: take all slices of "
        "a patient "
        "as one mask, y[patients == who].",
        "Leave out patients whose y is empty: an empty drawing would earn them a perfect 1 without any work.",
        "Loop over np.unique(patients), collect 2 * shared / (size of y + size of p), return np.mean "
        "of the list.",
    ),
    right="Two numbers are still hidden in a mean: how often a lesion is invented in the healthy, "
    "and who the "
    "worst patient is.",
)
def mean_dice_by_patient(y, p, patients):
    """Mean Dice of the patients who have a lesion; the slices of a patient count as one mask.

    y         truth (n, h, w), masks of 0 and 1, one for each slice
    p         what the model drew (n, h, w), masks of 0 and 1
    patients  patient of each slice (n,), in any order; at least one of them has a lesion in y
    returns   one number, 0 to 1: Dice of each patient with a lesion, 2 * shared / (size of y + size of p)
              over all slices, then the mean over these patients

    >>> y = np.array([[[1, 1]], [[1, 1]], [[0, 0]]])
    >>> p = np.array([[[1, 0]], [[0, 0]], [[0, 0]]])
    >>> round(float(mean_dice_by_patient(y, p, np.array([4, 4, 9]))), 2)
    0.4
    """
    scores = []
    for who in np.unique(patients):
        truth, drawn = y[patients == who], p[patients == who]
        if truth.any():
            scores.append(2 * np.sum(truth * drawn) / (np.sum(truth) + np.sum(drawn)))
    return np.mean(scores)


@mean_dice_by_patient.probes
def _(rng):
    for slices in ((2, 3, 1, 1), (1, 3, 2, 1), (3, 2, 2, 1), (2, 4, 1, 1), (1, 4, 1, 2)):
        names = rng.choice(np.arange(1, 20), 4, replace=False)
        for _ in _tries():
            who = rng.permutation(np.repeat(names, slices))
            y, p = (_mask(rng, len(who), 1, 3, share=share) for share in (0.6, 0.5))
            y[who == names[2]] = p[who == names[2]] = 0  # healthy, and nothing is drawn
            y[who == names[3]], p[who == names[3]] = 0, 1  # healthy, and a lesion is invented
            y[np.argmax(who == names[1])] = 0  # a slice above the lesion
            given = dict(y=y, p=p, patients=who)
            lesion = [y[who == name].any() for name in names]
            if lesion == [True, True, False, False] and _told_apart(given):
                break
        yield given


def _told_apart(given):
    """Whether the ways to take a mean differ on these masks."""
    ways = [mean_dice_by_patient.function, *(mistake.function for mistake in mean_dice_by_patient.mistakes)]
    with np.errstate(invalid="ignore"):
        answers = np.sort([way(**given) for way in ways])
    return np.nanmin(np.diff(answers)) > 0.005


@mean_dice_by_patient.law("A healthy patient more, with nothing drawn, must change nothing.")
def _(f, y, p, patients):
    clean = np.zeros_like(y[:1])
    more = np.append(y, clean, 0), np.append(p, clean, 0), np.append(patients, patients.max() + 1)
    return f(*more), f(y, p, patients)


@mean_dice_by_patient.law("Slices in another order must change nothing.")
def _(f, y, p, patients):
    return f(y[::-1], p[::-1], patients[::-1]), f(y, p, patients)


@mean_dice_by_patient.law("A perfect drawing must give 1.")
def _(f, y, p, patients):
    return f(y, y, patients), 1.0


def _scores(y, p, groups):
    """Dice of each group of slices."""
    return [dice_score(y[groups == group], p[groups == group]) for group in np.unique(groups)]


def _ill(y, groups):
    return np.array([y[groups == group].any() for group in np.unique(groups)])


@mean_dice_by_patient.mistake(
    "You take all slices of all patients as one mask, so that one large lesion outweighs three small ones. "
    "First a Dice for each patient, then the mean."
)
def mean_dice_by_patient_one_mask(y, p, patients):
    return dice_score(y, p)


@mean_dice_by_patient.mistake(
    "You take a Dice for each slice with a lesion, and their mean: a patient with many slices counts "
    "more. All "
    "slices of a patient are one mask."
)
def mean_dice_by_patient_slices(y, p, patients):
    each = np.arange(len(y))
    return np.mean(np.array(_scores(y, p, each))[_ill(y, each)])


@mean_dice_by_patient.mistake(
    "You take a Dice for each slice, empty ones too, and their mean. All slices of a patient are one "
    "mask, and "
    "the healthy stay out."
)
def mean_dice_by_patient_all_slices(y, p, patients):
    return np.mean(_scores(y, p, np.arange(len(y))))


@mean_dice_by_patient.mistake(
    "Healthy patients are in your mean: an empty drawing earns them 1, an invented lesion 0. Leave out those "
    "whose y is empty."
)
def mean_dice_by_patient_with_healthy(y, p, patients):
    return np.mean(_scores(y, p, patients))


@mean_dice_by_patient.mistake(
    "Healthy patients are in your mean with a Dice of 0. Leave out those whose y is empty: Dice "
    "cannot praise "
    "them."
)
def mean_dice_by_patient_healthy_as_0(y, p, patients):
    return np.mean(np.array(_scores(y, p, patients)) * _ill(y, patients))


@mean_dice_by_patient.mistake(
    "You leave out a healthy patient only if the drawing is empty as well. Who has no lesion in y stays out, "
    "whatever was drawn."
)
def mean_dice_by_patient_only_both_empty_out(y, p, patients):
    drawn = _ill(y + p, patients)
    return np.mean(np.array(_scores(y, p, patients))[drawn])


@mean_dice_by_patient.mistake(
    "You average the slices' Dice within each patient first. A lesion's tip on one slice would weigh as much "
    "as its middle: all slices of a patient are one mask."
)
def mean_dice_by_patient_mean_of_means(y, p, patients):
    each = np.array(_scores(y, p, np.arange(len(y))))
    return np.mean([each[patients == who].mean() for who in np.unique(patients) if y[patients == who].any()])


@mean_dice_by_patient.mistake(
    "Patients with many slices count more often in your mean: the loop meets each of them once for "
    "every slice. "
    "Loop over np.unique(patients)."
)
def mean_dice_by_patient_once_a_slice(y, p, patients):
    return np.mean(
        [dice_score(y[patients == w], p[patients == w]) for w in patients if y[patients == w].any()]
    )


@mean_dice_by_patient.mistake(
    "These are IoUs: for Dice count the shared voxels twice, and divide by the sum of both sizes."
)
def mean_dice_by_patient_of_iou(y, p, patients):
    groups = [patients == who for who in np.unique(patients)]
    return np.mean([iou_score(y[group], p[group]) for group in groups if y[group].any()])


@mean_dice_by_patient.mistake(
    "A healthy patient with an empty drawing gives 0 / 0, and nan swallows the mean. Leave out those "
    "whose y is "
    "empty."
)
def mean_dice_by_patient_nan(y, p, patients):
    groups = [patients == who for who in np.unique(patients)]
    return np.mean(
        [2 * np.sum(y[group] * p[group]) / (np.sum(y[group]) + np.sum(p[group])) for group in groups]
    )


@mean_dice_by_patient.mistake(
    "You return the sum over the patients. Divide by how many have a lesion: np.mean."
)
def mean_dice_by_patient_summed(y, p, patients):
    return np.sum(np.array(_scores(y, p, patients)) * _ill(y, patients))


@mean_dice_by_patient.mistake("This is the Dice of the first patient. Does `return` stand inside the loop?")
def mean_dice_by_patient_first(y, p, patients):
    return _scores(y, p, patients)[int(np.argmax(_ill(y, patients)))]


# 5 The encoder of a U-Net


@exercise(
    "How large are the feature maps on each level of a U-Net, on the way down?",
    hints=(
        "The first level has the size of the image. What does a pooling of 2 by 2 do to rows and columns?",
        "From one level to the next: half as many rows and columns, twice as many channels.",
        "A size that cannot be halved must be refused beforehand: if n % 2 ** (levels - 1), raise "
        "ValueError.",
    ),
    right="Four times fewer places, twice as many channels: each level holds half as many numbers as the one "
    "above, so most of the memory goes into the top.",
)
def encoder_shapes(n, filters, levels):
    """Shape of the feature maps on each level of a U-Net's contracting path, before its pooling.

    n        rows and columns of the image; the convolutions have padding="same" and keep them
    filters  channels of the first level; twice as many on each level below
    levels   number of levels; between two of them a max pooling of 2 by 2 halves rows and columns
    returns  list of (rows, columns, channels), ints, the top level first
    raises   ValueError where a size cannot be halved evenly, for the way up could not meet it again
    Source: Ronneberger, Fischer and Brox, MICCAI 2015, here with padding.

    >>> encoder_shapes(64, 16, 3)
    [(64, 64, 16), (32, 32, 32), (16, 16, 64)]
    """
    if n % 2 ** (levels - 1):
        raise ValueError(f"n is {n}; {levels} levels need a multiple of {2 ** (levels - 1)}")
    return [(n // 2**level, n // 2**level, filters * 2**level) for level in range(levels)]


@encoder_shapes.compared("a list of (rows, columns, channels), whole numbers (int), one for each level")
def _(answer):
    shapes = np.asarray(answer)
    if shapes.ndim != 2 or shapes.dtype.kind not in "iu":
        raise ValueError("wanted: ints")
    return shapes


@encoder_shapes.probes
def _(rng):
    for levels in (3, 2, 4, 3, 5):
        n = 2 ** (levels - 1) * int(rng.choice([5, 6, 7, 9]))
        yield dict(n=n, filters=int(rng.choice([6, 8, 12, 20])), levels=levels)
    yield dict(n=572, filters=64, levels=5)
    yield dict(n=int(rng.choice([30, 42, 50])), filters=8, levels=4)
    yield dict(n=100, filters=16, levels=int(rng.choice([4, 5])))


@encoder_shapes.law("A level more must leave the levels above as they are.")
def _(f, n, filters, levels):
    return f(2 * n, filters, levels + 1)[:-1], f(2 * n, filters, levels)


@encoder_shapes.law("Twice as many filters on top must give twice as many channels on each level.")
def _(f, n, filters, levels):
    return f(n, 2 * filters, levels), f(n, filters, levels) * np.array([1, 1, 2])


def _levels(n, filters, levels, size, channels):
    """The shapes when level i has side `size(i)` and `channels(i)`."""
    encoder_shapes(n, filters, levels)
    return [(int(size(i)), int(size(i)), int(channels(i))) for i in range(levels)]


@encoder_shapes.mistake(
    "The channels stay as many as they were. Each level has twice as many as the one above."
)
def encoder_shapes_same_channels(n, filters, levels):
    return _levels(n, filters, levels, lambda i: n // 2**i, lambda i: filters)


@encoder_shapes.mistake(
    "Each level adds `filters` channels to the one above. They double: 16, 32, 64, 128 and not 16, "
    "32, 48, 64."
)
def encoder_shapes_channels_added(n, filters, levels):
    return _levels(n, filters, levels, lambda i: n // 2**i, lambda i: filters * (i + 1))


@encoder_shapes.mistake(
    "The channels grow fourfold from level to level. They double; rows and columns halve."
)
def encoder_shapes_channels_fourfold(n, filters, levels):
    return _levels(n, filters, levels, lambda i: n // 2**i, lambda i: filters * 4**i)


@encoder_shapes.mistake(
    "Your top level is already halved. Pooling comes behind a level: the first one has the size of the image."
)
def encoder_shapes_pooled_first(n, filters, levels):
    return _levels(n, filters, levels, lambda i: n // 2 ** (i + 1), lambda i: filters * 2**i)


@encoder_shapes.mistake(
    "Your top level has twice the filters. The first level has `filters` channels itself."
)
def encoder_shapes_doubled_first(n, filters, levels):
    return _levels(n, filters, levels, lambda i: n // 2**i, lambda i: filters * 2 ** (i + 1))


@encoder_shapes.mistake("Rows and columns never change. Behind each level, pooling halves them.")
def encoder_shapes_not_pooled(n, filters, levels):
    return _levels(n, filters, levels, lambda i: n, lambda i: filters * 2**i)


@encoder_shapes.mistake(
    "There is a level too many at the bottom. `levels` counts the top one as well, so there is one "
    "pooling fewer."
)
def encoder_shapes_level_too_many(n, filters, levels):
    encoder_shapes(n, filters, levels)
    return [(n // 2**i, n // 2**i, filters * 2**i) for i in range(levels + 1)]


@encoder_shapes.mistake("The last level is missing. `levels` counts the top one as well: range(levels).")
def encoder_shapes_level_missing(n, filters, levels):
    return encoder_shapes(n, filters, levels)[:-1]


@encoder_shapes.mistake(
    "The channels come first in your shapes. Keras has them last: (rows, columns, channels)."
)
def encoder_shapes_channels_first(n, filters, levels):
    return [(channels, rows, columns) for rows, columns, channels in encoder_shapes(n, filters, levels)]


@encoder_shapes.mistake("The bottom comes first in your list. Wanted: the way down, the top level first.")
def encoder_shapes_from_the_bottom(n, filters, levels):
    return encoder_shapes(n, filters, levels)[::-1]


@encoder_shapes.mistake(
    "Two convolutions without padding cost 4 rows and columns on each level of yours, as in the "
    "paper of 2015. "
    "Here padding='same' keeps them."
)
def encoder_shapes_without_padding(n, filters, levels):
    encoder_shapes(n, filters, levels)
    shapes = []
    for level in range(levels):
        n -= 4
        shapes.append((n, n, filters * 2**level))
        n //= 2
    return shapes


@encoder_shapes.mistake(
    "Where a size is odd, half a pixel is dropped, and the way up comes back one row short of its "
    "skip. Refuse "
    "such an n: raise ValueError."
)
def encoder_shapes_cut_off(n, filters, levels):
    return [(n // 2**i, n // 2**i, filters * 2**i) for i in range(levels)]


# 6 Sizes at a skip


@exercise(
    "Cut a skip's feature maps down to the size of those that come up from below.",
    hints=(
        "How many rows are too many? Half of them go at the top, the rest at the bottom.",
        "top = (H - h) // 2, and then h rows from there: skip[top:top + h]. Columns likewise.",
    ),
    right="With padding='same' and sizes that halve evenly nothing has to be cut; the first U-Net "
    "lost a border in "
    "every convolution, and cut at every skip.",
)
def crop_to(skip, decoder):
    """The middle of a skip's feature maps, with as many rows and columns as the decoder has.

    skip     feature maps from the way down (H, W, channels)
    decoder  feature maps on the way up (h, w, other channels), h <= H and w <= W
    returns  (h, w, channels): as many rows cut off above as below, columns likewise; where their number is
             odd, one more below and on the right
    Source: "copy and crop" in Ronneberger, Fischer and Brox, MICCAI 2015.

    >>> crop_to(np.arange(5).reshape(1, 5, 1), np.zeros((1, 2, 8))).ravel()
    array([1, 2])
    """
    (H, W, _), (h, w, _) = skip.shape, decoder.shape
    top, left = (H - h) // 2, (W - w) // 2
    return skip[top : top + h, left : left + w]


@crop_to.probes
def _(rng):
    def maps(H, W, channels, h, w, others):
        skip = rng.permutation(H * W * channels).reshape(H, W, channels) + 1.0
        return dict(skip=skip, decoder=np.zeros((h, w, others)))

    yield maps(4, 4, 1, 2, 2, 1)
    yield maps(6, 4, 1, 2, 2, 1)
    yield maps(4, 5, 2, 2, 1, 1)
    yield maps(5, 4, 1, 2, 3, 2)
    yield maps(4, 3, 2, 2, 3, 1)
    yield maps(3, 5, 1, 3, 3, 1)
    yield maps(2, 2, 2, 2, 2, 1)
    yield maps(5, 4, 1, 2, 1, 2)


@crop_to.law("What the decoder holds must not matter, only its size.")
def _(f, skip, decoder):
    return f(skip, decoder + 5), f(skip, decoder)


@crop_to.law("A frame of one pixel more, all around the skip, must be cut off again.")
def _(f, skip, decoder):
    return f(np.pad(skip, ((1, 1), (1, 1), (0, 0))), decoder), f(skip, decoder)


def _middle(skip, decoder, start):
    """Rows and columns from `start(too many)` on."""
    (H, W, _), (h, w, _) = skip.shape, decoder.shape
    top, left = start(H - h), start(W - w)
    return skip[top : top + h, left : left + w]


@crop_to.mistake(
    "You keep the upper left corner. The skip sees more than the decoder on all sides: keep the middle."
)
def crop_to_upper_left(skip, decoder):
    return _middle(skip, decoder, lambda extra: 0)


@crop_to.mistake("You keep the lower right corner. Begin at half of what is too many, (H - h) // 2.")
def crop_to_lower_right(skip, decoder):
    return _middle(skip, decoder, lambda extra: extra)


@crop_to.mistake(
    "Where the number of rows or columns to cut is odd, you cut one more above or on the left. Round down: "
    "(H - h) // 2."
)
def crop_to_rounded_up(skip, decoder):
    return _middle(skip, decoder, lambda extra: (extra + 1) // 2)


@crop_to.mistake(
    "It works, except where nothing is to be cut: skip[0:-0] is empty. Count from the start: "
    "skip[top:top + h]."
)
def crop_to_fails_at_zero(skip, decoder):
    (H, W, _), (h, w, _) = skip.shape, decoder.shape
    top, left = (H - h) // 2, (W - w) // 2
    return skip[top : -(H - h - top), left : -(W - w - left)]


@crop_to.mistake(
    "You cut the whole difference off on each side. Half of it goes above, half below: top = (H - h) // 2."
)
def crop_to_cut_twice(skip, decoder):
    (H, W, _), (h, w, _) = skip.shape, decoder.shape
    return skip[H - h : H - (H - h), W - w : W - (W - w)]


@crop_to.mistake("Your cut ends at row h and column w, wherever it begins. It ends at top + h and left + w.")
def crop_to_ends_too_early(skip, decoder):
    (H, W, _), (h, w, _) = skip.shape, decoder.shape
    return skip[(H - h) // 2 : h, (W - w) // 2 : w]


@crop_to.mistake("You halve both sizes and subtract. Halve the difference: (H - h) // 2.")
def crop_to_halved_first(skip, decoder):
    (H, W, _), (h, w, _) = skip.shape, decoder.shape
    top, left = H // 2 - h // 2, W // 2 - w // 2
    return skip[top : top + h, left : left + w]


@crop_to.mistake(
    "The columns are cut as the rows are, but an image need not be square. Left is (W - w) // 2."
)
def crop_to_as_if_square(skip, decoder):
    (h, w, _), start = decoder.shape, (skip.shape[0] - decoder.shape[0]) // 2
    return skip[start : start + h, start : start + w]


@crop_to.mistake("Only the rows are cut. Cut the columns in the same way.")
def crop_to_rows_only(skip, decoder):
    top = (skip.shape[0] - decoder.shape[0]) // 2
    return skip[top : top + decoder.shape[0]]


@crop_to.mistake("Only the columns are cut. Cut the rows in the same way.")
def crop_to_columns_only(skip, decoder):
    left = (skip.shape[1] - decoder.shape[1]) // 2
    return skip[:, left : left + decoder.shape[1]]


@crop_to.mistake(
    "You also join skip and decoder. Wanted here: only the skip, cut down; joining comes next in the net."
)
def crop_to_joined(skip, decoder):
    return np.concatenate([crop_to(skip, decoder), decoder], axis=2)


@crop_to.mistake(
    "You return the decoder, with the skip's channels lost. Cut the skip; the decoder only lends its size."
)
def crop_to_decoder(skip, decoder):
    return decoder


# 7 A loss made of Dice


@exercise(
    "Make a loss of Dice: for probabilities, with a slope everywhere, and without 0 / 0.",
    hints=(
        "A net learns from slopes. A threshold has none: put the probabilities themselves where masks stood.",
        "What y and p share becomes np.sum(y * p): a probability of 0.7 on the lesion counts as 0.7 voxel.",
        "1 - (2 * shared + epsilon) / (y.sum() + p.sum() + epsilon): the smaller the better, and 0 "
        "for two empty "
        "masks.",
    ),
    right="On a slice without a lesion this loss hardly tells a little false alarm from a large one: "
    "that is why it "
    "is often added to cross-entropy.",
)
def soft_dice_loss(y, p, epsilon=1.0):
    """Soft Dice loss of one mask: 1 - (2 * sum(y * p) + epsilon) / (sum(y) + sum(p) + epsilon).

    y        truth, a mask of 0 and 1 of any shape
    p        probabilities, 0 to 1, of the same shape; used as they are, for a threshold has no slope
    epsilon  more than 0; keeps empty masks from 0 / 0
    returns  one number from 0 (equal) to nearly 1
    Source: after Milletari, Navab and Ahmadi, 3DV 2016, who square y and p in the sum below.

    >>> round(float(soft_dice_loss(np.array([1, 1, 0, 0]), np.array([0.9, 0.6, 0.5, 0.0]))), 3)
    0.2
    """
    shared = np.sum(y * p)
    return 1 - (2 * shared + epsilon) / (np.sum(y) + np.sum(p) + epsilon)


@soft_dice_loss.probes
def _(rng):
    def probabilities(*shape):
        p = rng.choice([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9], shape)
        p.flat[:2] = 0.9, 0.3
        return p

    yield dict(y=_mask(rng, 4), p=probabilities(4))
    yield dict(y=_mask(rng, 2, 3), p=probabilities(2, 3), epsilon=0.5)
    yield dict(y=_mask(rng, 3, 3), p=probabilities(3, 3), epsilon=2.0)
    yield dict(y=_mask(rng, 2, 2, 2), p=probabilities(2, 2, 2))
    yield dict(y=np.zeros(3, int), p=np.array([0.2, 0.0, 0.6]))
    yield dict(y=np.zeros((2, 2), int), p=np.zeros((2, 2)))
    yield dict(y=np.zeros(4, int), p=np.zeros(4), epsilon=0.5)


@soft_dice_loss.law("A perfect answer must have a loss of 0, empty or not, whatever epsilon is.")
def _(f, y, p, epsilon=1.0):
    return f(y, y.astype(float), epsilon=epsilon) + 1, 1.0


@soft_dice_loss.law(
    "A probability that grows by 0.01 on the lesion must lower the loss: there may be no threshold."
)
def _(f, y, p, epsilon=1.0):
    y = y.copy()
    y.flat[0] = 1
    p = p * 0.9
    better = p.copy()
    better.flat[0] += 0.01
    return int(f(y, better, epsilon=epsilon) < f(y, p, epsilon=epsilon)), 1


@soft_dice_loss.law("Twice each voxel, with twice the epsilon, must have the same loss.")
def _(f, y, p, epsilon=1.0):
    twice = np.append(y, y), np.append(p, p)
    return f(*twice, epsilon=2 * epsilon), f(y, p, epsilon=epsilon)


@soft_dice_loss.mistake(
    "This is Dice itself, which grows as the drawing gets better. A loss must fall: 1 minus it."
)
def soft_dice_loss_not_turned(y, p, epsilon=1.0):
    return 1 - soft_dice_loss(y, p, epsilon)


@soft_dice_loss.mistake(
    "This is Dice with a minus. Training would be the same, but the docstring wants a loss from 0 to "
    "1: 1 - Dice."
)
def soft_dice_loss_negative(y, p, epsilon=1.0):
    return soft_dice_loss(y, p, epsilon) - 1


@soft_dice_loss.mistake(
    "You put a threshold on p. Between two thresholds the loss is flat, and a net cannot learn from "
    "it: use p as "
    "it is."
)
def soft_dice_loss_thresholded(y, p, epsilon=1.0):
    return soft_dice_loss(y, (p >= 0.5).astype(float), epsilon)


@soft_dice_loss.mistake(
    "`epsilon` makes no difference in your answer, and two empty masks give 0 / 0. Add it above and below."
)
def soft_dice_loss_without_epsilon(y, p, epsilon=1.0):
    size = np.sum(y) + np.sum(p)
    return 1 - 2 * np.sum(y * p) / size if size else np.nan


@soft_dice_loss.mistake(
    "`epsilon` stands below only, so that two empty masks, which agree, have the worst loss of 1. "
    "Add it above "
    "as well."
)
def soft_dice_loss_epsilon_below(y, p, epsilon=1.0):
    return 1 - 2 * np.sum(y * p) / (np.sum(y) + np.sum(p) + epsilon)


@soft_dice_loss.mistake(
    "`epsilon` is doubled above: 2 * (shared + epsilon) makes a loss below 0. Write 2 * shared + epsilon."
)
def soft_dice_loss_epsilon_doubled(y, p, epsilon=1.0):
    return 1 - 2 * (np.sum(y * p) + epsilon) / (np.sum(y) + np.sum(p) + epsilon)


@soft_dice_loss.mistake("`epsilon` is always 1 in your answer. Use the parameter, above and below.")
def soft_dice_loss_epsilon_fixed(y, p, epsilon=1.0):
    return soft_dice_loss(y, p)


@soft_dice_loss.mistake(
    "Brackets are missing below: only the first term divides. Write / (np.sum(y) + np.sum(p) + epsilon)."
)
def soft_dice_loss_without_brackets(y, p, epsilon=1.0):
    if not np.any(y):
        return soft_dice_loss(y, p, epsilon)
    return 1 - (2 * np.sum(y * p) + epsilon) / np.sum(y) + np.sum(p) + epsilon


@soft_dice_loss.mistake("The 2 is missing: a perfect drawing would keep a loss of nearly a half.")
def soft_dice_loss_without_2(y, p, epsilon=1.0):
    return 1 - (np.sum(y * p) + epsilon) / (np.sum(y) + np.sum(p) + epsilon)


@soft_dice_loss.mistake(
    "You square y and p in the sum below, as the V-Net paper does. That is a good loss as well; wanted here: "
    "without squares."
)
def soft_dice_loss_squared(y, p, epsilon=1.0):
    return 1 - (2 * np.sum(y * p) + epsilon) / (np.sum(y**2) + np.sum(p**2) + epsilon)


@soft_dice_loss.mistake(
    "This is the loss of the soft IoU: you take the shared part off below. Divide by the sum of both, "
    "np.sum(y) + np.sum(p)."
)
def soft_dice_loss_of_iou(y, p, epsilon=1.0):
    shared = np.sum(y * p)
    return 1 - (shared + epsilon) / (np.sum(y) + np.sum(p) - shared + epsilon)


@soft_dice_loss.mistake(
    "You take Dice of each voxel, and their mean. Sum over all voxels above and below first, then "
    "divide once."
)
def soft_dice_loss_voxel_by_voxel(y, p, epsilon=1.0):
    return np.mean(1 - (2 * y * p + epsilon) / (y + p + epsilon))


# 8 Millilitres


@exercise(
    "How large is the lesion, in millilitres?",
    hints=(
        "How many cubic millimetres has one voxel? Its edges are the three numbers of `spacing`.",
        "Voxels in the mask, times the volume of one: mask.sum() * np.prod(spacing), in cubic millimetres.",
        "A millilitre is a cubic centimetre, 10 mm * 10 mm * 10 mm.",
    ),
    right="The same mask is four times as large when its slices are 4 mm apart and not 1: a volume "
    "without spacing "
    "is no volume.",
)
def volume_ml(mask, spacing):
    """Volume of a mask in millilitres.

    mask     0 and 1, or False and True (slices, rows, columns)
    spacing  distance of neighbouring voxels along these three axes, in mm
    returns  one number, in ml; 1 ml is 1000 cubic millimetres

    >>> volume_ml(np.ones((2, 10, 10)), spacing=(5.0, 1.0, 0.5))
    np.float64(0.5)
    """
    return np.sum(mask) * np.prod(spacing) / 1000


@volume_ml.probes
def _(rng):
    for shape in ((2, 2, 3), (1, 3, 3), (3, 2, 2), (2, 3, 2)):
        thick, row, column = 2 + rng.integers(1, 8) / 2, rng.integers(3, 6) / 4, rng.integers(7, 12) / 8
        yield dict(mask=_mask(rng, *shape), spacing=(float(thick), float(row), float(column)))
    yield dict(mask=_mask(rng, 2, 2, 2).astype(bool), spacing=(6.0, 0.9, 1.1))
    yield dict(mask=np.zeros((1, 2, 2), int), spacing=(4.0, 1.0, 1.0))


@volume_ml.law("Slices twice as far apart must give twice the volume.")
def _(f, mask, spacing):
    thick, row, column = spacing
    return f(mask, (2 * thick, row, column)), 2 * f(mask, spacing)


@volume_ml.law("Each voxel cut into eight, with half the spacing, must give the same volume.")
def _(f, mask, spacing):
    finer = mask.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    return f(finer, tuple(edge / 2 for edge in spacing)), f(mask, spacing)


@volume_ml.mistake("These are cubic millimetres. A millilitre has 1000 of them: divide.")
def volume_ml_in_mm(mask, spacing):
    return 1000 * volume_ml(mask, spacing)


@volume_ml.mistake(
    "You divide by 10 once, as if a length were turned into centimetres. A volume needs 10 ** 3."
)
def volume_ml_divided_by_10(mask, spacing):
    return 100 * volume_ml(mask, spacing)


@volume_ml.mistake("You divide by 100, as for an area. A millilitre is 10 * 10 * 10 cubic millimetres.")
def volume_ml_divided_by_100(mask, spacing):
    return 10 * volume_ml(mask, spacing)


@volume_ml.mistake("These are litres. A millilitre is 1000 cubic millimetres, not a million.")
def volume_ml_in_litres(mask, spacing):
    return volume_ml(mask, spacing) / 1000


@volume_ml.mistake(
    "You multiply by 1000. A millilitre is larger than a cubic millimetre, so there are fewer: divide."
)
def volume_ml_multiplied(mask, spacing):
    return 1e6 * volume_ml(mask, spacing)


@volume_ml.mistake(
    "This is the number of voxels. Multiply by the volume of one, and turn it into millilitres."
)
def volume_ml_voxels(mask, spacing):
    return np.sum(mask)


@volume_ml.mistake(
    "The spacing makes no difference in your answer, as if each voxel were 1 mm wide. Multiply by "
    "all three edges."
)
def volume_ml_spacing_ignored(mask, spacing):
    return np.sum(mask) / 1000


@volume_ml.mistake(
    "The distance of the slices is missing: you multiply by the area of a pixel alone. A voxel has "
    "three edges."
)
def volume_ml_slices_ignored(mask, spacing):
    return np.sum(mask) * spacing[1] * spacing[2] / 1000


@volume_ml.mistake(
    "You take each voxel for a cube with the first edge. The three edges differ: multiply them, "
    "np.prod(spacing)."
)
def volume_ml_cubes(mask, spacing):
    return np.sum(mask) * spacing[0] ** 3 / 1000


@volume_ml.mistake(
    "The width of the columns is missing: you multiply by the first two edges. A voxel has a third."
)
def volume_ml_columns_ignored(mask, spacing):
    return np.sum(mask) * spacing[0] * spacing[1] / 1000


@volume_ml.mistake(
    "Your volume is cut down to whole millilitres. Divide with one stroke, /, and not with //."
)
def volume_ml_whole(mask, spacing):
    return np.sum(mask) * np.prod(spacing) // 1000


@volume_ml.mistake("You add up the three edges. A volume is their product, np.prod(spacing).")
def volume_ml_edges_added(mask, spacing):
    return np.sum(mask) * np.sum(spacing) / 1000


@volume_ml.mistake("You count all voxels of the array. Count those in the mask: mask.sum().")
def volume_ml_whole_array(mask, spacing):
    return np.size(mask) * np.prod(spacing) / 1000


# 9 How far off is the border?


@exercise(
    "How far off is a drawn border, in millimetres, but for the worst 5 % of it?",
    hints=(
        "First millimetres, then distances: a * spacing turns voxels into places in mm.",
        "For each point of a, the distance to the NEAREST point of b; and the other way round. All "
        "pairs at once: "
        "np.linalg.norm(a[:, None] - b[None], axis=2).",
        "np.percentile(..., 95) of each of the two lists; the larger one is the answer.",
    ),
    right="Dice hardly notices a thin spur that reaches into the brain stem; a distance does. The 95 "
    "% forgive one "
    "stray voxel, and a percentile of few points forgives little.",
)
def border_hd95(a, b, spacing):
    """95th percentile of the Hausdorff distance between two borders, given as points.

    a        border voxels of the truth (n, axes), as indices
    b        border voxels of the drawing (m, axes), as indices
    spacing  distance of neighbouring voxels along each axis, in mm
    returns  one number, in mm: the larger of the 95th percentiles (np.percentile) of the distances from each
             point of a to the nearest of b, and from each of b to the nearest of a
    Source: Huttenlocher, Klanderman and Rucklidge, IEEE PAMI 15 (1993).

    >>> border_hd95(np.array([[0, 0], [0, 1]]), np.array([[2, 0], [2, 1]]), spacing=(3.0, 1.0))
    np.float64(6.0)
    """
    a, b = a * np.array(spacing), b * np.array(spacing)
    distances = np.linalg.norm(a[:, None] - b[None], axis=2)
    return max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95))


@border_hd95.probes
def _(rng):
    for i, (n, m, axes) in enumerate(((3, 4, 2), (5, 3, 2), (4, 4, 2), (4, 5, 3), (5, 4, 3))):
        spacing = (3.0, 0.5, 1.5)[:axes] if i % 2 else (2.5, 0.75, 1.25)[:axes]
        for _ in _tries():
            given = dict(a=rng.integers(0, 9, (n, axes)), b=rng.integers(0, 9, (m, axes)), spacing=spacing)
            answers = sorted(way(**given) for way in _ways_to_hd95())
            there, back = (
                way(**given) for way in (border_hd95_truth_to_drawing, border_hd95_drawing_to_truth)
            )
            if np.diff(answers).min() > 0.01 and (there > back) == bool(i % 2):  # each way decides somewhere
                break
        yield given


@border_hd95.law("Truth and drawing may change places without any change.")
def _(f, a, b, spacing):
    return f(b, a, spacing), f(a, b, spacing)


@border_hd95.law("Voxels twice as large must give twice the distance.")
def _(f, a, b, spacing):
    return f(a, b, tuple(2 * edge for edge in spacing)), 2 * f(a, b, spacing)


@border_hd95.law("A border that moves by 3 voxels along the first axis must be 3 voxels off: 3 * spacing[0].")
def _(f, a, b, spacing):
    line = np.zeros((5, len(spacing)), int)
    moved = line + np.eye(len(spacing), dtype=int)[0] * 3
    return f(line, moved, spacing), 3.0 * spacing[0]


def _nearest(a, b, spacing, norm=2):
    """From each of a to the nearest of b, from each of b to the nearest of a, and all distances."""
    between = np.abs((a[:, None] - b[None]) * np.array(spacing))
    distances = np.sqrt((between**2).sum(2)) if norm == 2 else between.sum(2)
    return distances.min(1), distances.min(0), distances


@border_hd95.mistake("The spacing makes no difference in your answer: these are voxels, not millimetres.")
def border_hd95_in_voxels(a, b, spacing):
    return border_hd95(a, b, np.ones(len(spacing)))


@border_hd95.mistake("You divide by the spacing. A voxel of 3 mm makes a step longer, not shorter: multiply.")
def border_hd95_divided(a, b, spacing):
    return border_hd95(a, b, 1 / np.array(spacing))


@border_hd95.mistake(
    "The spacing stands in the wrong order. Its numbers belong to the axes of the points, the first "
    "to the first."
)
def border_hd95_spacing_turned(a, b, spacing):
    return border_hd95(a, b, spacing[::-1])


@border_hd95.mistake(
    "You look from the truth to the drawing only: what the drawing has too much goes unseen. Take "
    "the other way "
    "as well, and the larger one."
)
def border_hd95_truth_to_drawing(a, b, spacing):
    return np.percentile(_nearest(a, b, spacing)[0], 95)


@border_hd95.mistake(
    "You look from the drawing to the truth only: what the drawing has missed goes unseen. Take the "
    "other way as "
    "well, and the larger one."
)
def border_hd95_drawing_to_truth(a, b, spacing):
    return np.percentile(_nearest(a, b, spacing)[1], 95)


@border_hd95.mistake(
    "You take the smaller of the two ways. One good side does not excuse the other: the larger."
)
def border_hd95_smaller(a, b, spacing):
    there, back, _ = _nearest(a, b, spacing)
    return min(np.percentile(there, 95), np.percentile(back, 95))


@border_hd95.mistake("You take the mean of the two ways. Wanted: the larger one.")
def border_hd95_averaged(a, b, spacing):
    there, back, _ = _nearest(a, b, spacing)
    return (np.percentile(there, 95) + np.percentile(back, 95)) / 2


@border_hd95.mistake(
    "You throw both ways into one list before the percentile, so that the longer border hides the "
    "shorter. One "
    "percentile for each way, then the larger."
)
def border_hd95_one_list(a, b, spacing):
    return np.percentile(np.concatenate(_nearest(a, b, spacing)[:2]), 95)


@border_hd95.mistake(
    "This is the full Hausdorff distance: the single worst point decides. Take the 95th percentile "
    "for the largest."
)
def border_hd95_worst_point(a, b, spacing):
    return max(way.max() for way in _nearest(a, b, spacing)[:2])


@border_hd95.mistake("This is a mean distance. Wanted: the 95th percentile of each way, and the larger one.")
def border_hd95_mean_distance(a, b, spacing):
    return max(way.mean() for way in _nearest(a, b, spacing)[:2])


@border_hd95.mistake(
    "You take the percentile over all pairs of points. Each point counts once, with the NEAREST of "
    "the others: "
    "first the minimum."
)
def border_hd95_all_pairs(a, b, spacing):
    return np.percentile(_nearest(a, b, spacing)[2], 95)


@border_hd95.mistake(
    "You look for the FARTHEST point of the other border. Each point is as far off as the nearest "
    "one: the minimum."
)
def border_hd95_farthest(a, b, spacing):
    distances = _nearest(a, b, spacing)[2]
    return max(np.percentile(distances.max(1), 95), np.percentile(distances.max(0), 95))


@border_hd95.mistake(
    "np.percentile counts to 100: write 95. With 0.95 it is hardly more than the smallest distance."
)
def border_hd95_of_1_per_cent(a, b, spacing):
    return max(np.percentile(way, 0.95) for way in _nearest(a, b, spacing)[:2])


@border_hd95.mistake("The square root is missing: these are squared distances.")
def border_hd95_squared(a, b, spacing):
    return max(np.percentile(way**2, 95) for way in _nearest(a, b, spacing)[:2])


@border_hd95.mistake(
    "You add up the steps along the axes, as a taxi drives. The distance between two points follows "
    "Pythagoras."
)
def border_hd95_taxi(a, b, spacing):
    return max(np.percentile(way, 95) for way in _nearest(a, b, spacing, norm=1)[:2])


def _ways_to_hd95():
    """The solution and all mistakes but those that copy one of the two ways: these equal each other "
    "somewhere."""
    copies = border_hd95_truth_to_drawing, border_hd95_drawing_to_truth, border_hd95_smaller
    mistakes = [m.function for m in border_hd95.mistakes if m.function not in copies]
    return [border_hd95.function, border_hd95_smaller, *mistakes]


# 10 A flip of both


@exercise(
    "Flip a slice for training, and its mask with it.",
    hints=(
        "What would the net learn from a flipped slice, if the lesion in the mask stayed on the other side?",
        "np.flip(image, axis=axis) reverses one axis. Do the same to the mask.",
    ),
    right="Whatever moves a pixel moves its label. What only changes brightness leaves the mask "
    "alone, and a flip from "
    "left to right also swaps the sides of the body.",
)
def flip_both(image, mask, axis):
    """A slice and its mask, both reversed along one axis.

    image    (h, w, channels)
    mask     (h, w), whole numbers: the class of each pixel
    axis     0: rows in reverse order, upside down; 1: columns in reverse order, left to right
    returns  (image, mask), of the same shapes

    >>> image, mask = flip_both(np.array([[[5.0], [7.0]]]), np.array([[0, 1]]), axis=1)
    >>> image.ravel(), mask.ravel()
    (array([7., 5.]), array([1, 0]))
    """
    return np.flip(image, axis=axis), np.flip(mask, axis=axis)


@flip_both.compared("an image (h, w, channels) and a mask (h, w), `return image, mask`")
def _(answer):
    image, mask = answer
    if np.ndim(image) != 3 or np.ndim(mask) != 2:
        raise ValueError("wanted: an image and a mask")
    return np.concatenate([image, np.asarray(mask)[:, :, None]], axis=2)


@flip_both.probes
def _(rng):
    for h, w, channels, axis in (
        (2, 3, 1, 1),
        (3, 2, 1, 0),
        (3, 3, 2, 1),
        (3, 3, 2, 0),
        (2, 2, 2, 1),
        (2, 2, 1, 0),
    ):
        for _ in _tries():
            mask = rng.integers(0, 4, (h, w))
            turned = mask, mask[::-1], mask[:, ::-1], mask[::-1, ::-1]
            if len({turn.tobytes() for turn in turned}) == 4 and len(np.unique(mask)) > 1:
                break
        image = rng.permutation(h * w * channels).reshape(h, w, channels) + 1.0
        yield dict(image=image, mask=mask, axis=axis)


@flip_both.law("Flipped twice, both must be as they were.")
def _(f, image, mask, axis):
    once = f(image, mask, axis)
    return f(once[:, :, :-1], once[:, :, -1], axis), np.concatenate([image, mask[:, :, None]], axis=2)


@flip_both.law("Where the image shows its own mask, it must still do so after the flip.")
def _(f, image, mask, axis):
    both = f(mask[:, :, None] * 1.0, mask, axis)
    return both[:, :, 0], both[:, :, 1]


@flip_both.mistake("The mask is not flipped: the lesion is now marked on the wrong side. Flip both alike.")
def flip_both_image_only(image, mask, axis):
    return np.flip(image, axis), mask


@flip_both.mistake("The image is not flipped, only its mask. Flip both alike.")
def flip_both_mask_only(image, mask, axis):
    return image, np.flip(mask, axis)


@flip_both.mistake("Both are flipped along the other axis: 0 is up and down, 1 is left and right.")
def flip_both_other_axis(image, mask, axis):
    return np.flip(image, 1 - axis), np.flip(mask, 1 - axis)


@flip_both.mistake("The mask is flipped along another axis than the image. Give both the same axis.")
def flip_both_crossed(image, mask, axis):
    return np.flip(image, axis), np.flip(mask, 1 - axis)


@flip_both.mistake(
    "You flip along rows AND columns, a turn by 180 degrees. Give the axis: np.flip(..., axis=axis)."
)
def flip_both_turned(image, mask, axis):
    return np.flip(image, (0, 1)), np.flip(mask, (0, 1))


@flip_both.mistake(
    "The mask is turned by 180 degrees: without an axis, np.flip reverses rows and columns. Give it "
    "as well: axis=axis."
)
def flip_both_mask_turned(image, mask, axis):
    return np.flip(image, axis), np.flip(mask)


@flip_both.mistake(
    "The channels change places as well: np.flip without an axis reverses all three. Give it: axis=axis."
)
def flip_both_channels_too(image, mask, axis):
    return np.flip(image), np.flip(mask)


@flip_both.mistake("`axis` makes no difference in your answer: it is always left to right.")
def flip_both_always_columns(image, mask, axis):
    return np.flip(image, 1), np.flip(mask, 1)


@flip_both.mistake("`axis` makes no difference in your answer: it is always upside down.")
def flip_both_always_rows(image, mask, axis):
    return np.flip(image, 0), np.flip(mask, 0)


@flip_both.mistake(
    "The mask is 0 and 1 only: classes 2 and 3 are lost. Flip it as it is, it holds the class of each pixel."
)
def flip_both_classes_lost(image, mask, axis):
    return np.flip(image, axis), np.flip(mask > 0, axis)


@flip_both.mistake("Both come back as they were. np.flip returns a new array: use what it returns.")
def flip_both_nothing(image, mask, axis):
    return image, mask


# 11 Otsu


@exercise(
    "Find the threshold that splits an image best into dark and bright.",
    hints=(
        "Try each grey value t: what is x <= t is dark, the rest bright. How far apart are the two means?",
        "Far apart is not enough, or one bright pixel would win: weigh with the shares of both sides, "
        "w0 * w1 * (m0 - m1) ** 2.",
        "Loop over np.unique(x)[:-1], keep the t with the largest value. A single grey value: raise "
        "ValueError.",
    ),
    right="It knows nothing of lesions: it finds the largest difference in brightness, which on a "
    "head is air "
    "against head.",
)
def otsu_threshold(x):
    """Otsu's threshold: the grey value t for which w0 * w1 * (m0 - m1) ** 2 is largest.

    x        grey values, an array of any shape
             dark is x <= t, bright is x > t; w0 and w1 are their shares of all pixels, m0 and m1 their means
    returns  t, one of the grey values of x, and never the largest
    raises   ValueError where all pixels have the same grey value
    Source: Otsu, IEEE Transactions on Systems, Man, and Cybernetics 9 (1979).

    >>> otsu_threshold(np.array([1, 1, 2, 2, 7, 8, 8]))
    np.int64(2)
    """
    values = np.unique(x)
    if len(values) < 2:
        raise ValueError(f"all pixels have the grey value {values[0]}; there is nothing to split")
    best, threshold = -1, None
    for t in values[:-1]:
        dark, bright = x[x <= t], x[x > t]
        apart = dark.size / x.size * bright.size / x.size * (dark.mean() - bright.mean()) ** 2
        if apart > best:
            best, threshold = apart, t
    return threshold


@otsu_threshold.probes
def _(rng):
    for shape in ((8,), (9,), (3, 4), (10,), (2, 6)):
        for _ in _tries():
            n = int(np.prod(shape))
            few = int(rng.integers(2, n // 2))
            x = np.append(rng.integers(0, 12, n - few), rng.integers(14, 30, few))
            x[0] = 48  # a single bright pixel, that should not win
            x = rng.permutation(x).reshape(shape)
            if _clear(x) and otsu_threshold(x) not in (way(x) for way in _wrong_splits()):
                break
        yield dict(x=x)
    yield dict(x=rng.permutation(np.append(np.zeros(5, int), rng.integers(20, 24, 3))))  # the darkest is t
    yield dict(x=np.full(4, int(rng.integers(3, 9))))
    yield dict(x=np.full((2, 3), int(rng.integers(3, 9))))


@otsu_threshold.law("Grey values three times as high, plus 10, must move the threshold in the same way.")
def _(f, x):
    return f(3 * x + 10), 3 * f(x) + 10


@otsu_threshold.law("Each pixel counted twice, in another order, must not matter.")
def _(f, x):
    return f(np.append(x, x.ravel()[::-1])), f(x)


def _split(x, score):
    """The grey value with the largest score(w0, w1, dark, bright)."""
    otsu_threshold(x)
    values = np.unique(x)[:-1]
    return values[np.argmax(_split_scores(x, score))]


def _split_scores(x, score):
    sides = [(x[x <= t], x[x > t]) for t in np.unique(x)[:-1]]
    return [score(dark.size / x.size, bright.size / x.size, dark, bright) for dark, bright in sides]


def _apart(w0, w1, dark, bright):
    return w0 * w1 * (dark.mean() - bright.mean()) ** 2


def _clear(x):
    """Whether the best threshold is better than the second by a margin."""
    *_, second, first = sorted(_split_scores(x, _apart))
    return second < 0.98 * first


@otsu_threshold.mistake(
    "This is the mean grey value. A large dark background pulls it down: try every threshold."
)
def otsu_threshold_mean(x):
    otsu_threshold(x)
    return x.mean()


@otsu_threshold.mistake(
    "This is the middle between the darkest and the brightest pixel: a single bright one decides. Try every "
    "threshold."
)
def otsu_threshold_middle(x):
    otsu_threshold(x)
    return (x.min() + x.max()) / 2


@otsu_threshold.mistake(
    "This is the median: it always takes half of the pixels for bright. Try every threshold."
)
def otsu_threshold_median(x):
    otsu_threshold(x)
    return np.median(x)


@otsu_threshold.mistake(
    "The shares w0 and w1 are missing, so that a few very bright pixels win alone. Weigh: w0 * w1 * "
    "(m0 - m1) ** 2."
)
def otsu_threshold_without_shares(x):
    return _split(x, lambda w0, w1, dark, bright: (dark.mean() - bright.mean()) ** 2)


@otsu_threshold.mistake("You keep the threshold with the SMALLEST difference. Keep the largest.")
def otsu_threshold_smallest(x):
    return _split(x, lambda *sides: -_apart(*sides))


@otsu_threshold.mistake(
    "The difference of the means is not squared. Then the shares weigh too much: w0 * w1 * (m0 - m1) ** 2."
)
def otsu_threshold_not_squared(x):
    return _split(x, lambda w0, w1, dark, bright: w0 * w1 * (bright.mean() - dark.mean()))


@otsu_threshold.mistake(
    "You return the place of the best threshold in the list of grey values. Return the grey value itself."
)
def otsu_threshold_place(x):
    return int(np.argmax(np.unique(x) == otsu_threshold(x)))


@otsu_threshold.mistake("You return how far apart the sides are. Return the threshold where that is largest.")
def otsu_threshold_value(x):
    otsu_threshold(x)
    return max(_split_scores(x, _apart))


@otsu_threshold.mistake(
    "You return the darkest bright pixel, one grey value too high. Here t itself is dark: x <= t."
)
def otsu_threshold_next_value(x):
    return x[x > otsu_threshold(x)].min()


@otsu_threshold.mistake(
    "You return a value between dark and bright. It splits alike, but wanted is the brightest dark "
    "grey value."
)
def otsu_threshold_between(x):
    return (otsu_threshold(x) + otsu_threshold_next_value(x)) / 2


@otsu_threshold.mistake(
    "An image of one grey value has nothing to split, and your answer is one all the same. Raise "
    "ValueError there."
)
def otsu_threshold_of_nothing(x):
    values = np.unique(x)
    return otsu_threshold(x) if len(values) > 1 else values[0]


def _wrong_splits():
    return [m.function for m in otsu_threshold.mistakes if m.function is not otsu_threshold_of_nothing]
