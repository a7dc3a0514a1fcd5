"""Metrics of masks, against voxels counted by hand, every pair of border voxels, scipy and scikit-image."""

import itertools

import numpy as np
import pytest
import skimage.measure
import skimage.metrics
import sklearn.metrics as sk
from scipy import ndimage
from scipy.spatial.distance import cdist, directed_hausdorff

from medtutor.metrics import (
    Undefined,
    average_surface_distance,
    dice,
    hd95,
    iou,
    lesion_cover,
    lesion_sensitivity,
    surface_distances,
    volume,
    volume_error,
)

SQUARE = np.zeros((6, 6), int)
SQUARE[1:4, 1:4] = 1  # nine pixels
SHIFTED = np.roll(SQUARE, 1, axis=1)  # six of them shared
EMPTY = np.zeros((6, 6), int)
BOTH = [
    dice,
    iou,
    lesion_cover,
    lesion_sensitivity,
    lambda y, p, label=None: surface_distances(y, p, (1,) * np.ndim(y), label),
    lambda y, p, label=None: hd95(y, p, (1,) * np.ndim(y), label),
    lambda y, p, label=None: average_surface_distance(y, p, (1,) * np.ndim(y), label),
    lambda y, p, label=None: volume_error(y, p, (1,) * np.ndim(y), label),
]


def masks(seed, shape=(5, 6, 7), share=0.3):
    rng = np.random.default_rng(seed)
    return rng.random((2, *shape)) < share


def flat(result):
    return np.concatenate(
        [np.atleast_1d(part) for part in (result if isinstance(result, tuple) else (result,))]
    )


def border(mask):
    """Indices of the voxels of a mask with a face neighbour outside it, found by asking each neighbour."""
    found = []
    for voxel in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            near = voxel.copy()
            near[axis] += step
            if not 0 <= near[axis] < mask.shape[axis] or not mask[tuple(near)]:
                found.append(voxel)
                break
    return np.array(found)


def test_two_squares_overlap_as_counted_by_hand():
    assert dice(SQUARE, SHIFTED) == 2 * 6 / 18
    assert iou(SQUARE, SHIFTED) == 6 / 12
    assert dice(SQUARE, SQUARE) == iou(SQUARE, SQUARE) == 1
    assert dice(SQUARE, np.roll(SQUARE, 3, axis=1)) == iou(SQUARE, np.roll(SQUARE, 3, axis=1)) == 0


@pytest.mark.parametrize("seed", range(5))
def test_overlap_is_that_of_scikit_learn(seed):
    y, p = masks(seed)
    assert dice(y, p) == pytest.approx(sk.f1_score(y.ravel(), p.ravel()))
    assert iou(y, p) == pytest.approx(sk.jaccard_score(y.ravel(), p.ravel()))
    assert iou(y, p) == pytest.approx(dice(y, p) / (2 - dice(y, p)))
    assert dice(y, p) == dice(p, y) == dice(y.astype(int), p.astype("float32"))


def test_label_chooses_one_class_of_a_segmentation():
    rng = np.random.default_rng(0)
    y, p = rng.integers(4, size=(2, 5, 6, 7))
    for label in range(4):
        for metric in BOTH:
            ours, wanted = metric(y, p, label), metric(y == label, p == label)
            assert np.array_equal(flat(ours), flat(wanted))
        assert volume(y, (1, 2, 3), label) == volume(y == label, (1, 2, 3))


def test_an_empty_mask_gives_what_the_docstring_says():
    spacing = (1, 1)
    assert dice(EMPTY, EMPTY) == iou(EMPTY, EMPTY) == 1
    assert dice(EMPTY, SQUARE) == iou(SQUARE, EMPTY) == 0
    for metric in (hd95, average_surface_distance):
        assert metric(EMPTY, EMPTY, spacing) == 0
        assert metric(EMPTY, SQUARE, spacing) == metric(SQUARE, EMPTY, spacing) == np.inf
    y_to_p, p_to_y = surface_distances(SQUARE, EMPTY, spacing)
    assert len(y_to_p) == 8 and np.isinf(y_to_p).all() and len(p_to_y) == 0
    assert lesion_cover(EMPTY, SQUARE).shape == (0,)
    assert lesion_sensitivity(SQUARE, EMPTY) == 0
    with pytest.raises(Undefined, match="lesion_sensitivity needs at least one lesion in y; y is empty"):
        lesion_sensitivity(EMPTY, SQUARE)
    y, nothing = SQUARE[None], EMPTY[None]
    assert volume(nothing, (1, 1, 1)) == 0
    assert volume_error(y, nothing, (1, 1, 1), relative=True) == -1
    with pytest.raises(Undefined, match="relative volume_error needs at least one voxel in y"):
        volume_error(nothing, y, (1, 1, 1), relative=True)


def test_a_missed_lesion_stays_in_the_median():
    assert np.median([hd95(SQUARE, m, (1, 1)) for m in (SQUARE, SHIFTED, EMPTY)]) == 1


def test_shifted_squares_have_borders_one_pixel_apart():
    y_to_p, p_to_y = surface_distances(SQUARE, SHIFTED, (5, 2))  # shifted along the axis of 2 mm
    assert sorted(y_to_p) == sorted(p_to_y) == [0, 0, 0, 0, 2, 2, 2, 2]
    assert average_surface_distance(SQUARE, SHIFTED, (5, 2)) == 8 / 8
    assert hd95(SQUARE, SHIFTED, (5, 2)) == 2


def test_each_axis_has_its_own_spacing():
    y, p = np.zeros((2, 4, 4, 4), bool)
    y[0, 0, 0] = True
    for axis in range(3):
        p[:] = False
        p[tuple(3 * np.eye(3, dtype=int)[axis])] = True
        assert hd95(y, p, (1, 10, 100)) == 3 * (1, 10, 100)[axis]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spacing", [(1, 1, 1), (5, 0.9, 1.1), (0.5, 3, 0.2)])
def test_surface_distances_are_those_of_every_pair_of_border_voxels(seed, spacing):
    y, p = masks(seed, share=(0.02, 0.3, 0.6, 0.9)[seed % 4])
    a, b = border(y) * np.array(spacing), border(p) * np.array(spacing)
    d = cdist(a, b)
    y_to_p, p_to_y = surface_distances(y, p, spacing)
    assert y_to_p == pytest.approx(d.min(1)) and p_to_y == pytest.approx(d.min(0))
    wanted = max(np.percentile(d.min(1), 95), np.percentile(d.min(0), 95))
    assert hd95(y, p, spacing) == hd95(p, y, spacing) == pytest.approx(wanted)
    assert average_surface_distance(y, p, spacing) == pytest.approx(
        (d.min(1).sum() + d.min(0).sum()) / sum(d.shape)
    )
    assert max(y_to_p) == pytest.approx(directed_hausdorff(a, b)[0])
    assert max(p_to_y) == pytest.approx(directed_hausdorff(b, a)[0])


def test_the_largest_surface_distance_is_scikit_images_hausdorff_distance():
    for seed in range(4):
        a, b = (ndimage.binary_opening(m) for m in masks(seed, (40, 40), 0.7))
        assert 50 < a.sum() < 1200
        outlines = [m & ~ndimage.binary_erosion(m) for m in (a, b)]
        largest = max(np.concatenate(surface_distances(a, b, (1, 1))))
        assert largest == pytest.approx(skimage.metrics.hausdorff_distance(*outlines))


def test_hd95_forgives_a_stray_voxel_and_the_maximum_does_not():
    y = np.zeros((40, 40), bool)
    y[10:20, 10:20] = True
    p = y.copy()
    p[39, 39] = True
    assert hd95(y, p, (1, 1)) == 0
    assert max(surface_distances(y, p, (1, 1))[1]) == pytest.approx(20 * 2**0.5)


def test_a_small_overlap_inside_a_large_image_measures_alike():
    y, p = np.zeros((2, 9, 60, 60), bool)
    small = masks(3)
    y[2:7, 20:26, 30:37], p[2:7, 20:26, 30:37] = small
    far = surface_distances(y, p, (3, 1, 2))
    for ours, alone in zip(far, surface_distances(*small, (3, 1, 2)), strict=True):
        assert np.array_equal(ours, alone)


def test_lesions_are_found_one_by_one():
    y, p = np.zeros((2, 8, 8), int)
    y[0, 0:4] = 1  # four pixels, of which one is found
    y[3:5, 3:5] = 1  # four pixels, of which three are found
    y[7, 7] = 1  # missed
    p[0, 3] = p[3, 3] = p[3, 4] = p[4, 4] = p[6, 1] = 1
    assert lesion_cover(y, p).tolist() == [1 / 4, 3 / 4, 0]
    assert lesion_sensitivity(y, p) == 2 / 3
    assert lesion_sensitivity(y, p, cover=0.25) == 1 / 3  # more than a quarter
    assert lesion_sensitivity(p, y) == 2 / 3  # one false alarm in three
    assert lesion_sensitivity(y, np.ones_like(y)) == 1


def test_lesions_that_touch_at_a_corner_are_one():
    y = np.eye(3, dtype=bool)
    assert lesion_cover(y, y).tolist() == [1]
    cube = np.zeros((2, 2, 2), bool)
    cube[0, 0, 0] = cube[1, 1, 1] = True
    assert lesion_cover(cube, cube).tolist() == [1]


@pytest.mark.parametrize("seed", range(4))
def test_lesions_are_those_of_scikit_image(seed):
    y, p = masks(seed, (12, 12, 12), 0.05)
    lesions = skimage.measure.regionprops(skimage.measure.label(y, connectivity=3), p.astype(float))
    assert len(lesions) > 5
    assert np.allclose(sorted(lesion_cover(y, p)), sorted(r.intensity_mean for r in lesions))


def test_volume_is_counted_in_millilitres():
    mask = np.ones((2, 5, 10), "uint8")
    assert volume(mask, (5, 1, 2)) == pytest.approx(1.0)  # 100 voxels of 10 cubic millimetres
    part = mask.copy()
    part[1] = 0
    assert volume_error(mask, part, (5, 1, 2)) == pytest.approx(-0.5)
    assert volume_error(part, mask, (5, 1, 2)) == pytest.approx(0.5)
    assert volume_error(part, mask, (5, 1, 2), relative=True) == pytest.approx(1)


def test_an_error_of_volume_is_blind_to_place():
    y, p = SQUARE[None], np.roll(SQUARE, 3, axis=1)[None]
    assert volume_error(y, p, (1, 1, 1)) == 0 and dice(y, p) == 0


@pytest.mark.parametrize("metric", BOTH)
def test_what_is_no_mask_is_refused(metric):
    y, p = SQUARE[None], SHIFTED[None]
    with pytest.raises(ValueError, match=r"y has shape \(1, 6, 6\) and p \(6, 6\); two masks of one shape"):
        metric(y, SHIFTED)
    with pytest.raises(ValueError, match=r"p holds 0.4; a mask of 0 and 1 is wanted: .*\(p >= 0.5\)"):
        metric(y, 0.4 * p)
    with pytest.raises(ValueError, match="y holds 2; .* with label"):
        metric(2 * y, p)
    with pytest.raises(ValueError, match="p holds nan"):
        metric(y, np.where(p, np.nan, 0))
    with pytest.raises(ValueError, match="y holds 0.5; with label=1, whole class indices are wanted"):
        metric(y / 2, p, 1)
    with pytest.raises(Undefined, match="no numbers"):
        metric(y[:0], p[:0])


@pytest.mark.parametrize(
    "spacing", [1, (1,), (1, 1), (1, 1, 1, 1), (1, 0, 1), (1, -1, 1), (1, np.nan, 1), (1, np.inf, 1)]
)
def test_a_spacing_that_does_not_fit_is_refused(spacing):
    y, p = SQUARE[None], SHIFTED[None]
    for metric in (surface_distances, hd95, average_surface_distance, volume_error):
        with pytest.raises(ValueError, match="the masks have 3 axes: 3 positive numbers are wanted, the mm"):
            metric(y, p, spacing)
    with pytest.raises(ValueError, match="3 positive numbers are wanted"):
        volume(y, spacing)


def test_a_slice_has_no_volume_and_a_cover_is_a_share():
    with pytest.raises(
        ValueError, match=r"shape \(6, 6\); a volume needs three axes: one slice is mask\[None\]"
    ):
        volume(SQUARE, (1, 1))
    for cover in (-0.1, 1, np.nan):
        with pytest.raises(ValueError, match="0 <= cover < 1"):
            lesion_sensitivity(SQUARE, SHIFTED, cover=cover)


def test_masks_are_left_as_they_were():
    y, p = SQUARE[None].copy(), SHIFTED[None].copy()
    for metric in BOTH:
        metric(y, p)
    assert np.array_equal(y, SQUARE[None]) and np.array_equal(p, SHIFTED[None])
