"""Chapter 3's U-Net, losses, training and windows, each against something simpler than the code."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy.ndimage import correlate
from scipy.special import expit

from medtutor.metrics import dice
from medtutor.nn import segmentation as nn
from medtutor.nn.layers import FusedBatchNormalization


def noise(seed, *shape):
    """Random numbers, read-only: no function may write into what it is given."""
    numbers = np.random.default_rng(seed).normal(size=shape).astype("float32")
    numbers.flags.writeable = False
    return numbers


def fixed(model, seed=0):
    """The model with random weights; those of norms and the biases are positive, as a variance has to be."""
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights([w * 0.4 if w.ndim > 1 else 0.2 + np.abs(w) for w in drawn])
    return model


# The net, by numpy alone


def made(model, kind):
    """The layers of a kind, in the order in which they were made."""
    found = [layer for layer in model.layers if type(layer) is kind]
    return sorted(found, key=lambda layer: int((re.findall(r"_(\d+)$", layer.name) or [0])[0]))


def conv(x, layer):
    """Convolution with padding of (h, w, c): a sum of products under each place."""
    kernel, *bias = layer.get_weights()
    y = np.zeros((*x.shape[:2], kernel.shape[3]))
    for c in range(kernel.shape[2]):
        for f in range(kernel.shape[3]):
            y[..., f] += correlate(x[..., c], kernel[..., c, f], mode="constant")
    return y + (bias[0] if bias else 0)


def norm_relu(x, layer):
    gamma, beta, mean, variance = layer.get_weights()
    return np.maximum((x - mean) / np.sqrt(variance + 1e-3) * gamma + beta, 0)


def write(x, layer):
    """Each pixel writes a kernel of 2 × 2 (rows, columns, out, in), scaled by its value."""
    kernel, bias = layer.get_weights()
    y = np.zeros((2 * x.shape[0], 2 * x.shape[1], kernel.shape[2]))
    for i, j in np.ndindex(x.shape[:2]):
        for a, b in np.ndindex(2, 2):
            y[2 * i + a, 2 * j + b] = kernel[a, b] @ x[i, j]
    return y + bias


def by_numpy(model, x, levels, skips=True, learned=True):
    """A U-Net layer by layer: x (h, w, c) -> logits (h, w, classes)"""
    convs, norms = iter(made(model, layers.Conv2D)), iter(made(model, FusedBatchNormalization))
    writers = iter(made(model, layers.Conv2DTranspose))

    def twice(x):
        for _ in range(2):
            x = norm_relu(conv(x, next(convs)), next(norms))
        return x

    kept = []
    for _ in range(levels - 1):
        x = twice(x)
        kept.append(x)
        x = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max((1, 3))
    x = twice(x)
    while kept:
        x = write(x, next(writers)) if learned else conv(x.repeat(2, 0).repeat(2, 1), next(convs))
        skip = kept.pop()
        x = twice(np.concatenate([skip, x], axis=-1) if skips else x)
    return conv(x, next(convs))


@pytest.mark.parametrize("options", [{}, {"skips": False}, {"learned": False}, {"levels": 2, "classes": 3}])
def test_unet_is_what_its_layers_say(options):
    options = {"levels": 3, **options}
    keras.utils.set_random_seed(0)
    model = fixed(nn.unet(channels=2, filters=2, size=8, **options))
    x = noise(1, 1, 8, 8, 2)
    how = {name: options[name] for name in ("levels", "skips", "learned") if name in options}
    np.testing.assert_allclose(
        model(x, training=False)[0], by_numpy(model, x[0], **how), rtol=1e-3, atol=1e-3
    )


def test_channels_double_from_level_to_level():
    model = nn.unet(filters=4, levels=4, size=32)
    assert [layer.output.shape[1:] for layer in made(model, layers.MaxPooling2D)] == [
        (16, 16, 4),
        (8, 8, 8),
        (4, 4, 16),
    ]
    assert [layer.output.shape[1:] for layer in made(model, layers.Concatenate)] == [
        (8, 8, 32),
        (16, 16, 16),
        (32, 32, 8),
    ]
    assert model.output.shape == (None, 32, 32, 1)


def test_the_chapters_net_has_as_many_weights_as_counted_by_hand():
    per_level = [8, 16, 32, 64]
    convs, before = 0, 2
    for f in per_level:
        convs, before = convs + 9 * before * f + 9 * f * f, f
    ups = sum(4 * 2 * f * f + f for f in (32, 16, 8))
    back = sum(9 * 2 * f * f + 9 * f * f for f in (32, 16, 8))
    norms = 4 * 2 * (sum(per_level) + 32 + 16 + 8)
    assert nn.unet().count_params() == convs + ups + back + norms + 8 + 1


def test_a_net_of_any_size_gives_what_one_of_that_size_gives():
    model, free = fixed(nn.unet(filters=2, levels=3, size=16)), nn.unet(filters=2, levels=3, size=None)
    free.set_weights(model.get_weights())
    x = noise(2, 2, 16, 16, 2)
    np.testing.assert_allclose(free(x, training=False), model(x, training=False), atol=1e-5)
    assert free(noise(3, 1, 8, 24, 2), training=False).shape == (1, 8, 24, 1)


def test_bricks_norms_keep_a_tenth_of_each_batch():
    assert {layer.momentum for layer in made(nn.unet(size=16), FusedBatchNormalization)} == {0.9}


# Losses


Y = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], "float32").reshape(3, 4, 1, 1)
Z = np.array([[2, -1, 0.5, -3], [4, -4, 0, 1], [-2, -3, 1, -1]], "float32").reshape(3, 4, 1, 1)
P = expit(Z.astype("float64"))


def test_cross_entropy_is_the_mean_cost_of_an_images_pixels():
    wanted = -(Y * np.log(P) + (1 - Y) * np.log(1 - P)).mean((1, 2, 3))
    np.testing.assert_allclose(nn.cross_entropy(Y, Z), wanted, rtol=1e-5)


def test_dice_loss_is_of_each_image_and_not_of_the_batch():
    wanted = [1 - (2 * (y * p).sum() + 1) / (y.sum() + p.sum() + 1) for y, p in zip(Y, P, strict=True)]
    np.testing.assert_allclose(nn.dice_loss(Y, Z), wanted, rtol=1e-5)
    np.testing.assert_allclose(nn.dice_loss(Y[1:2], Z[1:2]), wanted[1:2], rtol=1e-5)


def test_dice_loss_of_sure_masks_is_one_minus_their_dice():
    mask, call = Y[0], np.array([1, 0, 1, 0], "float32").reshape(4, 1, 1)
    loss = nn.dice_loss(mask[None], 60 * call[None] - 30, epsilon=1e-6)
    np.testing.assert_allclose(loss, 1 - dice(mask, call), rtol=1e-4)


def test_dice_loss_bears_empty_masks():
    empty = np.zeros((1, 4, 4, 1), "float32")
    np.testing.assert_allclose(nn.dice_loss(empty, empty - 50), 0, atol=1e-6)
    assert np.isfinite(nn.dice_loss(empty, empty + 50)).all()


def test_focal_loss_is_cross_entropy_with_the_sure_pixels_taken_out():
    np.testing.assert_allclose(nn.focal_loss(Y, Z, gamma=0.0), nn.cross_entropy(Y, Z), rtol=1e-5)
    q = np.where(Y == 1, P, 1 - P)
    np.testing.assert_allclose(nn.focal_loss(Y, Z), -((1 - q) ** 2 * np.log(q)).mean((1, 2, 3)), rtol=1e-5)


def test_summed_loss_is_the_sum():
    np.testing.assert_allclose(nn.summed_loss(Y, Z), nn.cross_entropy(Y, Z) + nn.dice_loss(Y, Z), rtol=1e-6)


LOSSES = [nn.cross_entropy, nn.dice_loss, nn.summed_loss, nn.focal_loss]


@pytest.mark.parametrize("loss", LOSSES)
def test_slopes_are_those_of_finite_differences(loss):
    import tensorflow as tf

    z = tf.constant(Z.astype("float64"))
    with tf.GradientTape() as tape:
        tape.watch(z)
        cost = ops.sum(loss(tf.constant(Y, "float64"), z))
    slope = tape.gradient(cost, z).numpy()
    for at in np.ndindex(Z.shape):
        step = np.zeros(Z.shape)
        step[at] = 1e-5
        up, down = (float(ops.sum(loss(tf.constant(Y, "float64"), z + s))) for s in (step, -step))
        assert abs(slope[at] - (up - down) / 2e-5) < 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_bear_sure_and_wrong_logits(loss):
    far = np.array([90, -90], "float32").reshape(1, 2, 1, 1)
    for y in ((1, 0), (0, 1)):
        assert np.isfinite(loss(np.array(y, "float32").reshape(1, 2, 1, 1), far)).all()


# Images and masks


def test_augmenting_keeps_image_and_mask_together():
    y = np.random.default_rng(0).integers(0, 3, (40, 8, 8))
    x = np.stack([y, 10 - y], axis=-1).astype("float32")
    new_x, new_y = nn.augment_pair(x, y, np.random.default_rng(1), shift=2)
    np.testing.assert_array_equal(new_x[..., 0], new_y)
    np.testing.assert_array_equal(new_x[..., 1], 10 - new_y)
    assert new_y.dtype == y.dtype and (new_y != y).any((1, 2)).mean() > 0.8
    np.testing.assert_array_equal(x[..., 0], y)


def test_augmenting_mirrors_half_left_to_right_and_moves_as_far_as_said():
    y = np.zeros((400, 16, 16), int)
    y[:, 8, 5] = 1  # its mirror image lies at column 10
    _, new = nn.augment_pair(y[..., None].astype("float32"), y, np.random.default_rng(0), shift=2)
    _, rows, columns = np.nonzero(new)
    assert set(rows) == {6, 7, 8, 9, 10} and set(columns) == {3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
    assert 0.4 < (columns > 7).mean() < 0.6
    moves = set(zip(rows - 8, np.where(columns > 7, columns - 10, columns - 5), strict=True))
    assert len(moves) == 25  # down and across independently


def nothing(x, y, rng):
    return x, y


def test_pairs_are_images_with_their_own_masks_each_once_an_epoch():
    y = np.arange(50)[:, None, None] * np.ones((1, 4, 4), int)
    pairs = nn.Pairs(y[..., None].astype("float32"), y, batch=16, augment=nothing)
    batches = [pairs[k] for k in range(len(pairs))]
    assert len(pairs) == 3 and all(x.shape == z.shape == (16, 4, 4, 1) for x, z in batches)
    assert batches[0][1].dtype == np.float32
    for x, z in batches:
        np.testing.assert_array_equal(x, z)
    drawn = np.concatenate([x[:, 0, 0, 0] for x, _ in batches])
    assert len(set(drawn)) == 48 and not np.array_equal(drawn, np.sort(drawn))
    before = pairs.order.copy()
    pairs.on_epoch_end()
    assert not np.array_equal(before, pairs.order)


def test_pairs_augment_anew_whenever_they_are_drawn():
    y = np.random.default_rng(0).integers(0, 2, (16, 8, 8))
    pairs = nn.Pairs(y[..., None].astype("float32"), y)
    (x, mask), (again, _) = pairs[0], pairs[0]
    np.testing.assert_array_equal(x, mask)
    assert not np.array_equal(x, again)


def squares(n, seed):
    """Images of noise with a bright square each, and the square as mask."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 16, 16, 1)).astype("float32"), np.zeros((n, 16, 16), "uint8")
    for k, (i, j) in enumerate(rng.integers(1, 11, (n, 2))):
        y[k, i : i + 4, j : j + 4] = 1
    return x + 4 * y[..., None], y


def tiny():
    return nn.unet(channels=1, filters=4, levels=2, size=16)


def test_training_finds_bright_squares():
    x, y = squares(96, 0)
    model, history = nn.train_unet(tiny, x, y, epochs=12, rate=1e-2)
    new, truth = squares(32, 1)
    assert dice(truth, nn.probability(model, new) >= 0.5) > 0.9
    assert len(history["loss"]) == 12 and history["loss"][-1] < 0.5 * history["loss"][0]


def test_the_same_seed_trains_the_same_net():
    x, y = squares(32, 0)
    a, b, c = (nn.train_unet(tiny, x, y, epochs=1, seed=s)[0].get_weights() for s in (3, 3, 4))
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert not np.allclose(a[0], c[0])


def test_training_ends_with_the_learning_rate_at_zero():
    x, y = squares(32, 0)
    model, _ = nn.train_unet(tiny, x, y, epochs=2, rate=1e-2)
    rate = model.optimizer._learning_rate
    assert model.optimizer.iterations == 4 == rate.decay_steps and rate.initial_learning_rate == 1e-2
    assert float(rate(4)) == 0 and model.jit_compile is False


# Prediction


def test_unpacked_cuts_in_order():
    like = [np.zeros((2, 3)), np.zeros(4), np.zeros((1, 2, 1))]
    parts = nn.unpacked(np.arange(12), like)
    assert [part.tolist() for part in parts] == [[[0, 1, 2], [3, 4, 5]], [6, 7, 8, 9], [[[10], [11]]]]
    model = fixed(tiny())
    flat = np.concatenate([w.ravel() for w in model.get_weights()])
    for w, back in zip(model.get_weights(), nn.unpacked(flat, model.get_weights()), strict=True):
        np.testing.assert_array_equal(w, back)


def one_convolution(kernel):
    """A model of one convolution, (n, 8, 8, 1) to as many logits."""
    image = keras.Input((8, 8, 1))
    kernel = np.array(kernel, "float32")
    layer = layers.Conv2D(1, kernel.shape, padding="same", use_bias=False)
    model = keras.Model(image, layer(image))
    model.set_weights([kernel[:, :, None, None]])
    return model


def test_probability_is_the_sigmoid_of_the_logit_once():
    x = noise(4, 60, 8, 8, 1)
    np.testing.assert_allclose(nn.probability(one_convolution([[2.0]]), x), expit(2 * x[..., 0]), rtol=1e-5)


def test_flips_are_turned_back_before_the_mean():
    model, x = one_convolution([[1.0, 0.0, 0.0]]), noise(5, 2, 8, 8, 1)  # looks at its left neighbour
    padded = np.pad(x[..., 0], [(0, 0), (0, 0), (1, 1)])
    wanted = (expit(padded[:, :, :-2]) + expit(padded[:, :, 2:])) / 2  # mirrored, at its right one
    np.testing.assert_allclose(nn.flipped_probability(model, x), wanted, rtol=1e-5)


def test_by_patient_takes_all_slices_as_one_mask_and_leaves_out_the_well():
    y = np.array([[[1, 1]], [[0, 0]], [[1, 0]], [[0, 0]]])
    p = np.array([[[1, 0]], [[1, 1]], [[0, 0]], [[1, 0]]])
    patients = np.array(["b", "a", "b", "c"])
    assert nn.by_patient(dice, y, p, patients).tolist() == [2 * 1 / (3 + 1)]
    both = np.array(["b", "a", "a", "c"])
    assert nn.by_patient(dice, y, p, both).tolist() == [0.0, 2 * 1 / (2 + 1)]


@pytest.mark.parametrize("length, size, step", [(10, 4, 3), (10, 4, 4), (4, 4, 2), (11, 4, 1), (9, 4, 2)])
def test_windows_cover_everything_and_end_at_the_end(length, size, step):
    at = nn.starts(length, size, step)
    assert at[0] == 0 and at[-1] == length - size and len(set(at)) == len(at)
    assert set(range(length)) == {k + d for k in at for d in range(size)}
    assert all(0 < b - a <= step for a, b in zip(at, at[1:], strict=False))


def test_windows_of_an_answer_that_looks_at_one_pixel_show_no_seam():
    image = noise(6, 21, 30, 2)
    found = nn.sliding_probability(lambda x: expit(x[..., 1]), image, size=8, step=5)
    np.testing.assert_allclose(found, expit(image[..., 1]), rtol=1e-6)


def test_a_window_counts_most_in_its_middle():
    image = np.zeros((4, 6, 1))
    answers = np.stack([np.zeros((4, 4)), np.ones((4, 4))])  # of the left and of the right window
    found = nn.sliding_probability(lambda x: answers, image, size=4, step=2)
    # columns 2 and 3 lie in both: weights 2 and 1 of the left window, 1 and 2 of the right one
    np.testing.assert_allclose(found, np.tile([0, 0, 1 / 3, 2 / 3, 1, 1], (4, 1)))
