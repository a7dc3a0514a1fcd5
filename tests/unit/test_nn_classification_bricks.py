"""The bricks of chapter 2's nets, their training and their prediction, each by a hand calculation."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import expit

from medtutor.course.build import ROOT, read_source
from medtutor.nn import classification as nn


def noise(seed, *shape):
    """Random numbers, read-only: no function may write into what it is given."""
    numbers = np.random.default_rng(seed).normal(size=shape).astype("float32")
    numbers.flags.writeable = False
    return numbers


def fixed(model, seed=0):
    """The model with random weights; those of norms and the biases are positive, as a variance has to be."""
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights([w if w.ndim > 1 else 0.2 + np.abs(w) for w in drawn])
    return model


def test_batches_augment_images_and_leave_their_labels_and_the_set_alone():
    x, y = noise(0, 64, 8, 8, 2), np.arange(64) % 2
    batches = nn.Batches(x, y)
    images, labels = batches[0]
    drawn = batches.order[:32]
    assert labels.shape == (32, 1) and labels.dtype == np.float32
    np.testing.assert_array_equal(labels[:, 0], y[drawn])
    np.testing.assert_array_equal(np.sort(images.reshape(32, -1)), np.sort(x[drawn].reshape(32, -1)))
    assert (images != x[drawn]).any((1, 2, 3)).mean() > 0.8


def test_batches_draw_alike_for_the_same_seed():
    x, y = noise(0, 96, 4, 4, 1), np.zeros(96)
    a, b, c = (nn.Batches(x, y, seed=seed)[0][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_the_brick_is_convolution_norm_and_relu():
    image = keras.Input((5, 4, 3))
    brick = fixed(keras.Model(image, nn.conv_bn_relu(image, 2, size=1)))
    kernel, gamma, beta, mean, variance = brick.get_weights()
    x = noise(1, 2, 5, 4, 3)
    wanted = (x @ kernel[0, 0] - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    for called in (brick(x, training=False), brick(x)):  # Grad-CAM calls its net without a word on training
        np.testing.assert_allclose(called, np.maximum(wanted, 0), atol=1e-5)
    assert (wanted < 0).any() and (wanted > 0).any()


@pytest.mark.parametrize("part", [lambda x: nn.conv_bn_relu(x, 3), lambda x: nn.residual(x, 3)])
def test_a_tenth_of_each_batch_enters_the_running_averages(part):
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, part(image))
    x = noise(1, 8, 4, 4, 3) + 2
    first = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    model(x, training=True)
    norms = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    mean = np.array(first(x)).mean((0, 1, 2))
    np.testing.assert_allclose(norms[0].moving_mean, 0.1 * mean, atol=1e-5)
    assert {norm.momentum for norm in norms} == {0.9}


def test_the_head_takes_the_strongest_answer_wherever_it_is():
    image = keras.Input((3, 4, 2))
    model = fixed(keras.Model(image, nn.head(image)))
    kernel, bias = model.get_weights()
    x = noise(2, 5, 3, 4, 2)
    np.testing.assert_allclose(model(x, training=False), x.max((1, 2)) @ kernel + bias, atol=1e-5)


def test_the_head_drops_features_in_training_only():
    image = keras.Input((1, 1, 400))
    model = keras.Model(image, nn.head(image))
    model.set_weights([np.ones((400, 1)), np.zeros(1)])
    ones = np.ones((1, 1, 1, 400), "float32")
    assert float(model(ones, training=False)[0, 0]) == float(model(ones)[0, 0]) == 400
    kept = [0.7 * float(model(ones, training=True)[0, 0]) for _ in range(5)]  # what is kept is divided by 0.7
    assert all(0.55 * 400 < number < 0.85 * 400 for number in kept) and len(set(kept)) > 1


def test_a_residual_block_adds_what_came_before_the_last_relu():
    image = keras.Input((6, 5, 4))
    block = fixed(keras.Model(image, nn.residual(image, 4)))
    last = [layer for layer in block.layers if isinstance(layer, layers.BatchNormalization)][-1]
    x = noise(3, 2, 6, 5, 4)
    added, y = keras.Model(image, [last.output, block.output])(x, training=False)
    np.testing.assert_allclose(y, np.maximum(np.array(added) + x, 0), atol=1e-5)
    assert (np.array(added) < 0).any()


@pytest.mark.parametrize(("filters", "kernels"), [(4, [3, 3]), (6, [1, 3, 3])])
def test_the_shortcut_is_adapted_only_where_channels_change(filters, kernels):
    image = keras.Input((6, 5, 4))
    block = keras.Model(image, nn.residual(image, filters))
    found = [layer.kernel_size[0] for layer in block.layers if isinstance(layer, layers.Conv2D)]
    assert sorted(found) == kernels and block.output.shape == (None, 6, 5, filters)


def test_a_deep_net_has_its_sums_where_they_are_asked_for():
    for skip, sums in ((False, 0), (True, 3)):
        model = nn.deep_net(3, skip)
        assert sum(isinstance(layer, layers.Add) for layer in model.layers) == sums
        assert sum(isinstance(layer, layers.Conv2D) for layer in model.layers) == 7


def test_pooling_overlaps_in_alexnet_alone():
    for make, window, step in ((nn.small_alexnet, 3, 2), (nn.small_vgg, 2, 2), (nn.small_resnet, 2, 2)):
        pools = [layer for layer in make().layers if isinstance(layer, layers.MaxPooling2D)]
        assert {(pool.pool_size[0], pool.strides[0]) for pool in pools} == {(window, step)}


def test_occlusion_of_an_image_that_is_not_square_by_brute_force():
    image, weights = np.abs(noise(5, 10, 8, 2)) + 1, noise(6, 10, 8, 2)

    def predict(x):
        return (x * weights).sum((1, 2, 3))

    found = nn.occlusion(predict, image, size=4, step=2)
    assert found.shape == (5, 4)
    for row, column in np.ndindex(5, 4):
        covered = image.copy()
        for i, j in np.ndindex(10, 8):
            if -2 <= i - (2 * row + 1) < 2 and -2 <= j - (2 * column + 1) < 2:
                covered[i, j] = 0
        fall = float(predict(image[None])[0] - predict(covered[None])[0])
        assert found[row, column] == pytest.approx(max(fall, 0), abs=1e-4)
    assert (found == 0).any() and (found > 0).any()


def test_grad_cam_weighs_each_map_by_the_mean_of_its_gradient_on_an_image_that_is_not_square():
    pixel = keras.Input((4, 6, 2))
    maps = layers.Conv2D(2, 1, use_bias=False)(pixel)
    model = keras.Model(pixel, layers.Dense(1, use_bias=False)(layers.Flatten()(maps)))
    gradients = noise(8, 4, 6, 2)
    model.set_weights([np.eye(2).reshape(1, 1, 2, 2), gradients.reshape(-1, 1)])  # the maps are the image
    image = noise(9, 4, 6, 2)
    by_hand = np.maximum((image * gradients.mean((0, 1))).sum(-1), 0)
    np.testing.assert_allclose(nn.grad_cam(model, image, model.layers[1]), by_hand, atol=1e-6)


def flat():
    """A net without chance in it: its logit is 0 before training, and each pixel has a weight of its own."""
    image = keras.Input((4, 4, 1))
    return keras.Model(image, layers.Dense(1, kernel_initializer="zeros")(layers.Flatten()(image)))


def test_training_shows_the_net_what_augment_makes_and_nothing_else():
    x, y = noise(10, 64, 4, 4, 1), np.arange(64) % 2
    model, _ = nn.train_net(flat, x, y, epochs=2, augment=lambda x, rng: 0 * x)
    assert not model.get_weights()[0].any()  # a pixel that is always 0 moves no weight


def test_the_seed_decides_which_images_make_a_batch():
    x, y = noise(10, 40, 4, 4, 1), np.arange(40) % 2  # one batch an epoch: Keras has no order to shuffle
    a, b, c = (
        nn.train_net(flat, x, y, epochs=3, seed=seed, augment=lambda x, rng: x)[0].get_weights()[0]
        for seed in (0, 0, 1)
    )
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert np.abs(a - c).max() > 1e-4


def test_validation_patients_are_judged_after_each_epoch():
    x, y = noise(10, 96, 4, 4, 1), np.arange(96) % 2
    model, history = nn.train_net(flat, x[:64], y[:64], epochs=2, validation_data=(x[64:], y[64:, None]))
    z = nn.logits(model, x[64:])
    by_hand = np.mean(np.logaddexp(0, np.where(y[64:] == 1, -z, z)))
    assert len(history["val_loss"]) == 2 and history["val_loss"][-1] == pytest.approx(by_hand, rel=1e-4)


@pytest.fixture(scope="module")
def trained():
    """A small net trained on "is the image bright?": model, history, images, labels."""
    x = noise(4, 128, 32, 32, 2) + (np.arange(128) % 2)[:, None, None, None] * 0.6
    y = np.arange(128) % 2

    def tiny():
        image = keras.Input((32, 32, 2))
        return keras.Model(image, nn.head(nn.conv_bn_relu(layers.AveragePooling2D(8)(image), 4, 1)))

    return *nn.train_net(tiny, x, y, epochs=6, seed=3, rate=0.03), x, y


def test_training_learns_which_images_are_called_1(trained):
    model, history, x, y = trained
    assert set(history) == {"loss", "auroc"} and history["loss"][-1] < 0.7 * history["loss"][0]
    scores = nn.logits(model, x)
    assert (scores[y == 1][:, None] > scores[y == 0]).mean() > 0.95


def test_the_loss_is_the_cross_entropy_of_the_logits(trained):
    model, _, x, y = trained
    z = nn.logits(model, x)
    by_hand = np.mean(np.logaddexp(0, np.where(y == 1, -z, z)))
    assert float(model.loss(y[:, None].astype("float32"), z[:, None])) == pytest.approx(by_hand, rel=1e-4)


def test_the_learning_rate_falls_to_nothing_at_the_last_step(trained):
    model, *_ = trained
    rate = model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 12, 24)] == pytest.approx([0.03, 0.015, 0], abs=1e-6)


def test_logits_are_those_of_prediction_not_of_training(trained):
    model, _, x, _ = trained
    z = nn.logits(model, x)
    np.testing.assert_allclose(z, model(x, training=False)[:, 0], atol=1e-4)
    np.testing.assert_allclose(nn.logits(model, x[:1]), z[:1], atol=1e-4)
    assert np.abs(z - np.array(model(x, training=True))[:, 0]).max() > 0.1


def test_the_deployed_function_scales_halves_and_calibrates_a_scan_as_by_hand():
    image = keras.Input((32, 32, 2))
    model = fixed(keras.Model(image, nn.head(image)))
    weights, bias = model.get_weights()
    names = {"np": np, "normalise": nn.normalise, "shrink": nn.shrink, "sigmoid": expit, "T": 3.0}
    names |= {"again": model, "logits": lambda model, x: np.asarray(model(x))[:, 0]}
    cells = read_source(ROOT / "notebooks" / "source" / "02_classification.py").notebook.cells
    exec(next(cell.source for cell in cells if cell.id == "package-code"), names)
    scan = noise(7, 64, 64, 2)
    x = (scan - scan.mean((0, 1))) / scan.std((0, 1))
    halved = (x[::2, ::2] + x[::2, 1::2] + x[1::2, ::2] + x[1::2, 1::2]) / 4
    by_hand = expit((halved.max((0, 1)) @ weights + bias) / 3)
    assert names["tumour_probability"](scan) == pytest.approx(by_hand.item(), abs=1e-5)
    assert names["tumour_probability"](5 * scan + 2) == pytest.approx(by_hand.item(), abs=1e-4)
