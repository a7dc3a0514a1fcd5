"""The classifiers of chapter 2 and what looks inside them, against hand counts and brute force."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from medtutor.nn import classification as nn  # noqa: E402

NETS = nn.first_cnn, nn.small_alexnet, nn.small_vgg, nn.small_resnet


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_normalise_gives_each_image_and_channel_mean_0_and_spread_1_whatever_its_gain(rng):
    x = rng.normal(size=(3, 4, 6, 2))
    gained = x * rng.uniform(0.5, 2, (3, 1, 1, 2)) + 7
    assert nn.normalise(x).mean(axis=(1, 2)) == pytest.approx(np.zeros((3, 2)), abs=1e-12)
    assert nn.normalise(x).std(axis=(1, 2)) == pytest.approx(np.ones((3, 2)))
    assert nn.normalise(gained) == pytest.approx(nn.normalise(x))


def test_normalise_makes_an_empty_image_zero():
    assert not nn.normalise(np.full((1, 4, 4, 1), 3.0)).any()


def test_shrink_is_the_mean_of_two_by_two(rng):
    x = rng.normal(size=(2, 4, 6, 3))
    by_loop = [
        [[x[n, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean((0, 1)) for j in range(3)] for i in range(2)]
        for n in range(2)
    ]
    assert nn.shrink(x) == pytest.approx(np.array(by_loop))


def test_augmented_images_are_mirrored_or_moved_copies_and_the_given_ones_stay(rng):
    x = rng.normal(size=(20, 8, 8, 2))
    before = x.copy()
    for image, changed in zip(x, nn.augment(x, rng), strict=True):
        allowed = [
            np.roll(version, (i, j), (0, 1))
            for version in (image, image[:, ::-1])
            for i in range(-2, 3)
            for j in range(-2, 3)
        ]
        assert any(np.array_equal(changed, one) for one in allowed)
    assert np.array_equal(x, before)


def test_about_half_of_the_augmented_are_mirrored_and_moves_reach_both_ways(rng):
    ramp = np.tile(np.arange(9.0), (9, 1))[None, ..., None]
    changed = nn.augment(np.repeat(ramp, 400, axis=0), rng)[:, 4, :, 0]
    rising = np.diff(changed, axis=1)[:, 3:5].mean(axis=1) > 0
    assert 150 < rising.sum() < 250
    assert set(changed[rising][:, 4]) == {2, 3, 4, 5, 6}


def test_batches_show_each_image_once_an_epoch_with_its_label(rng):
    x = np.arange(96.0).reshape(96, 1, 1, 1)
    batches = nn.Batches(x, np.arange(96) % 2, augment=lambda x, rng: x)
    first = [batches[i] for i in range(len(batches))]
    batches.on_epoch_end()
    second = [batches[i] for i in range(len(batches))]
    for epoch in (first, second):
        images = np.concatenate([x.ravel() for x, _ in epoch])
        labels = np.concatenate([y.ravel() for _, y in epoch])
        assert sorted(images) == list(range(96))
        assert np.array_equal(labels, images % 2)
    assert not np.array_equal(first[0][0], second[0][0])


@pytest.mark.parametrize("make", NETS, ids=lambda make: make.__name__)
def test_nets_give_one_logit_an_image_for_any_number_of_channels(make, rng):
    for channels in (1, 2, 3):
        model = make(channels)
        assert model(rng.normal(size=(2, 32, 32, channels))).shape == (2, 1)


def test_weights_are_those_counted_by_hand():
    def brick(size, before, after):
        return size * size * before * after + 4 * after

    first = brick(3, 2, 16) + brick(3, 16, 32) + brick(3, 32, 64) + 65
    alexnet = brick(5, 2, 16) + brick(5, 16, 32) + brick(3, 32, 48) + 49
    pairs = ((2, 12), (12, 24), (24, 36))
    vgg = sum(brick(3, before, after) + brick(3, after, after) for before, after in pairs) + 37
    resnet = vgg + 2 * 12 + 12 * 24 + 24 * 36
    assert [make().count_params() for make in NETS] == [first, alexnet, vgg, resnet]


def test_a_residual_block_whose_last_norm_is_silent_hands_on_what_came(rng):
    image = keras.Input((5, 5, 4))
    block = keras.Model(image, nn.residual(image, 4))
    norms = [layer for layer in block.layers if isinstance(layer, keras.layers.BatchNormalization)]
    norms[-1].gamma.assign(np.zeros(4))
    x = rng.normal(size=(2, 5, 5, 4)).astype("float32")
    assert np.asarray(block(x)) == pytest.approx(np.maximum(x, 0))


def test_the_sums_of_a_deep_net_cost_no_weight():
    assert nn.deep_net(2, skip=True).count_params() == nn.deep_net(2, skip=False).count_params()


def linear(v, size=4):
    """A net whose maps are the image itself, and whose logit is the mean of v · image."""
    image = keras.Input((size, size, len(v)))
    maps = keras.layers.Conv2D(len(v), 1, use_bias=False)(image)
    logit = keras.layers.Dense(1, use_bias=False)(keras.layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(image, logit)
    model.set_weights([np.eye(len(v))[None, None], np.reshape(v, (-1, 1))])
    return model


def test_grad_cam_of_a_linear_net_is_known_by_hand(rng):
    v = np.array([2.0, -1.0, 0.5])
    image = rng.normal(size=(4, 4, 3)).astype("float32")
    model = linear(v)
    by_hand = np.maximum(image @ v, 0) / 16
    assert nn.grad_cam(model, image, model.layers[1]) == pytest.approx(by_hand, abs=1e-6)


def test_grad_cam_of_what_speaks_against_is_empty():
    model = linear(np.array([-1.0]))
    assert not nn.grad_cam(model, np.ones((4, 4, 1), "float32"), model.layers[1]).any()


def test_grad_cam_leaves_the_weights_and_running_averages_alone(rng):
    model = nn.first_cnn()
    before = model.get_weights()
    nn.grad_cam(model, rng.normal(size=(32, 32, 2)).astype("float32"), model.layers[-4])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_occlusion_is_the_fall_of_the_score_under_each_square(rng):
    image = rng.random((8, 8, 1))
    seen = nn.occlusion(lambda x: x.sum(axis=(1, 2, 3)), image, size=4, step=2)
    by_loop = np.zeros((4, 4))
    for row, i in enumerate((1, 3, 5, 7)):
        for column, j in enumerate((1, 3, 5, 7)):
            by_loop[row, column] = image[max(i - 2, 0) : i + 2, max(j - 2, 0) : j + 2].sum()
    assert seen == pytest.approx(by_loop)


def test_occlusion_forgets_places_that_speak_against_and_keeps_the_image(rng):
    image = rng.random((8, 8, 2))
    before = image.copy()
    assert not nn.occlusion(lambda x: -x.sum(axis=(1, 2, 3)), image, size=2, step=4).any()
    assert np.array_equal(image, before)


def test_training_again_gives_the_same_numbers_and_another_seed_gives_others(rng):
    x = rng.normal(size=(64, 32, 32, 2)).astype("float32")
    y = np.arange(64) % 2

    def trained(seed):
        model, history = nn.train_net(nn.first_cnn, x, y, epochs=1, seed=seed)
        return nn.logits(model, x[:4]), history["loss"]

    (a, loss_a), (b, loss_b), (c, _) = trained(0), trained(0), trained(1)
    assert a == pytest.approx(b, abs=1e-5)
    assert loss_a == pytest.approx(loss_b, abs=1e-5)
    assert not np.allclose(a, c, atol=1e-3)
