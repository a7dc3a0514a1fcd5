"""Chapter 3's exercises: solutions against independent peers, and wrong answers in students' own words."""

import numpy as np
import pytest
import scipy.spatial
from answers import SEEDS
from skimage.filters import threshold_otsu
from sklearn.metrics import f1_score, jaccard_score

from medtutor import metrics
from medtutor.exercises import find, grade, names, segmentation

NAMES = [name for name in names() if find(name).__module__ == segmentation.__name__]


# The usual student, in the student's own words


def test_dice_that_trusts_a_small_number_below_is_told_of_empty_masks():
    def dice_score(y, p):
        return 2 * np.sum(y & p) / (np.sum(y) + np.sum(p) + 1e-8)

    assert grade(dice_score).mistake == "dice_score_0_for_empty"


def test_dice_with_the_denominator_of_iou_by_counts_is_recognised():
    def dice_score(y, p):
        tp, fp, fn = np.sum(y * p), np.sum((1 - y) * p), np.sum(y * (1 - p))
        return tp / (tp + fp + fn) if tp + fp + fn else 1

    assert grade(dice_score).mistake == "dice_score_is_iou"


def test_union_as_the_sum_of_masks_is_recognised():
    def iou_score(y, p):
        return np.sum(y * p) / np.sum(y + p) if np.any(y + p) else 1.0

    assert grade(iou_score).mistake == "iou_score_over_the_sum"


def test_mean_that_skips_nan_is_told_who_stays_out():
    def mean_dice_by_patient(y, p, patients):
        groups = [patients == who for who in np.unique(patients)]
        return np.nanmean([2 * np.sum(y[g] * p[g]) / (np.sum(y[g]) + np.sum(p[g])) for g in groups])

    assert grade(mean_dice_by_patient).mistake == "mean_dice_by_patient_only_both_empty_out"


def test_shapes_divided_with_one_stroke_are_asked_for_ints():
    def encoder_shapes(n, filters, levels):
        return [(n / 2**i, n / 2**i, filters * 2**i) for i in range(levels)]

    assert "whole numbers" in grade(encoder_shapes).message


def test_shapes_refused_level_by_level_pass():
    def encoder_shapes(n, filters, levels):
        shapes = [(n, n, filters)]
        for _ in range(levels - 1):
            if n % 2:
                raise ValueError("odd")
            n, filters = n // 2, 2 * filters
            shapes.append((n, n, filters))
        return shapes

    assert grade(encoder_shapes).state == "right"


def test_shapes_refused_one_level_too_early_show_the_line():
    def encoder_shapes(n, filters, levels):
        if n % 2**levels:
            raise ValueError("odd")
        return find("encoder_shapes")(n, filters, levels)

    assert 'raise ValueError("odd")' in grade(encoder_shapes).message


def test_loss_on_rounded_probabilities_is_told_of_the_slope():
    def soft_dice_loss(y, p, epsilon=1.0):
        p = p.round()
        return 1 - (2 * np.sum(y * p) + epsilon) / (np.sum(y) + np.sum(p) + epsilon)

    assert grade(soft_dice_loss).mistake == "soft_dice_loss_thresholded"


def test_one_flipped_array_is_told_that_two_are_wanted():
    assert (
        "Wanted: an image" in grade(lambda image, mask, axis: np.flip(image, axis), name="flip_both").message
    )


def test_flip_whose_result_is_not_used_is_recognised():
    def flip_both(image, mask, axis):
        np.flip(image, axis)
        np.flip(mask, axis)
        return image, mask

    assert grade(flip_both).mistake == "flip_both_nothing"


def test_threshold_of_one_grey_value_left_unset_is_asked_for_a_value_error():
    def otsu_threshold(x):
        most = 0
        for t in np.unique(x)[:-1]:
            dark, bright = x[x <= t], x[x > t]
            apart = dark.size * bright.size * (dark.mean() - bright.mean()) ** 2
            if apart > most:
                most, best = apart, t
        return best

    assert "raise ValueError" in grade(otsu_threshold).message


def test_bright_from_t_on_is_one_grey_value_too_high():
    def otsu_threshold(x):
        if x.min() == x.max():
            raise ValueError("nothing to split")
        values = np.unique(x)[1:]
        return max(
            values, key=lambda t: np.mean(x < t) * np.mean(x >= t) * (x[x < t].mean() - x[x >= t].mean()) ** 2
        )

    assert grade(otsu_threshold).mistake == "otsu_threshold_next_value"


@pytest.mark.parametrize("name", ["dice_score", "iou_score"])
def test_empty_masks_follow_the_rule_of_the_metrics(name):
    rule = {"dice_score": metrics.dice, "iou_score": metrics.iou}[name]
    empty, some = np.zeros(4, int), np.array([0, 1, 1, 0])
    for y, p in ((empty, empty), (empty, some), (some, empty), (some, some)):
        assert find(name)(y, p) == rule(y, p)


# Other right ways, which double as independent peers of the solutions


def _dice_sklearn(y, p):
    return f1_score(y.ravel(), p.ravel(), zero_division=1.0)


def _dice_of_sets(y, p):
    a, b = set(np.flatnonzero(y).tolist()), set(np.flatnonzero(p).tolist())
    return 2 * len(a & b) / (len(a) + len(b)) if a or b else 1


def _iou_sklearn(y, p):
    return jaccard_score(y.ravel(), p.ravel(), zero_division=1.0)


def _iou_of_sets(y, p):
    a, b = set(np.flatnonzero(y).tolist()), set(np.flatnonzero(p).tolist())
    return len(a & b) / len(a | b) if a or b else 1


def _dice_by_counts(iou):
    """Two masks that cover 1 together, drawn out."""
    only_one = 1 - iou
    return 2 * iou / (2 * iou + only_one)


def _mean_dice_by_metrics(y, p, patients):
    return np.mean([metrics.dice(y[g], p[g]) for g in (patients == w for w in set(patients)) if y[g].any()])


def _shapes_by_pooling(n, filters, levels):
    """By halving an image, and by asking whether doubling it again gives the size back."""
    image, shapes = np.zeros((n, n)), []
    for level in range(levels):
        shapes.append([*image.shape, filters << level])
        half = image[1::2, 1::2]
        if level < levels - 1 and len(half) * 2 != len(image):
            raise ValueError("cannot be halved evenly")
        image = half
    return np.array(shapes)


def _crop_row_by_row(skip, decoder):
    """Cuts a row at the bottom, then one at the top, and so on; columns likewise."""
    bottom = True
    while len(skip) > len(decoder):
        skip, bottom = (skip[:-1] if bottom else skip[1:]), not bottom
    right = True
    while skip.shape[1] > decoder.shape[1]:
        skip, right = (skip[:, :-1] if right else skip[:, 1:]), not right
    return skip


def _loss_by_loop(y, p, epsilon=1.0):
    above = below = epsilon
    for a, b in zip(y.ravel().tolist(), p.ravel().tolist(), strict=True):
        above, below = above + 2 * a * b, below + a + b
    return 1 - above / below


def _loss_as_a_share_of_errors(y, p, epsilon=1.0):
    return (np.sum(y * (1 - p)) + np.sum((1 - y) * p)) / (np.sum(y) + np.sum(p) + epsilon)


def _volume_of_metrics(mask, spacing):
    return metrics.volume(mask, spacing)


def _volume_in_centimetres(mask, spacing):
    thick, row, column = (edge / 10 for edge in spacing)
    return len(np.flatnonzero(mask)) * thick * row * column


def _hd95_by_a_tree(a, b, spacing):
    a, b = (points * np.asarray(spacing, float) for points in (a, b))
    ways = scipy.spatial.KDTree(b).query(a)[0], scipy.spatial.KDTree(a).query(b)[0]
    return max(np.quantile(way, 0.95) for way in ways)


def _hd95_by_cdist(a, b, spacing):
    d = scipy.spatial.distance.cdist(a * np.array(spacing), b * np.array(spacing))
    return np.max([np.percentile(d.min(0), 95), np.percentile(d.min(1), 95)])


def _flip_by_index(image, mask, axis):
    order = np.arange(mask.shape[axis])[::-1]
    return image.take(order, axis), mask.take(order, axis)


def _flip_by_slices(image, mask, axis):
    return [image[::-1], mask[::-1]] if axis == 0 else [image[:, ::-1], mask[:, ::-1]]


def _otsu_within(x):
    """By the smallest variance within the two sides, Otsu's other way to write it."""
    if x.min() == x.max():
        raise ValueError("nothing to split")
    return min(np.unique(x)[:-1], key=lambda t: sum(side.size * side.var() for side in (x[x <= t], x[x > t])))


def _otsu_skimage(x):
    if x.min() == x.max():
        raise ValueError("nothing to split")
    counts = np.bincount(x.ravel())
    return x[x <= threshold_otsu(hist=(counts, np.arange(len(counts))))].max()


ALTERNATIVES = {
    "dice_score": [_dice_sklearn, _dice_of_sets],
    "iou_score": [_iou_sklearn, _iou_of_sets],
    "dice_from_iou": [_dice_by_counts],
    "mean_dice_by_patient": [_mean_dice_by_metrics],
    "encoder_shapes": [_shapes_by_pooling],
    "crop_to": [_crop_row_by_row],
    "soft_dice_loss": [_loss_by_loop, _loss_as_a_share_of_errors],
    "volume_ml": [_volume_of_metrics, _volume_in_centimetres],
    "border_hd95": [_hd95_by_a_tree, _hd95_by_cdist],
    "flip_both": [_flip_by_index, _flip_by_slices],
    "otsu_threshold": [_otsu_within, _otsu_skimage],
}


@pytest.mark.parametrize("name, other", [(n, o) for n, others in ALTERNATIVES.items() for o in others])
@pytest.mark.parametrize("seed", SEEDS)
def test_other_right_ways_pass(name, other, seed):
    assert str(grade(other, name=name, seed=seed)).startswith(f"✓ {name}: right.")


def test_every_exercise_has_another_right_way():
    assert set(ALTERNATIVES) == set(NAMES)
