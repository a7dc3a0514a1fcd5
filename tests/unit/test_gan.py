"""The DCGAN of chapter 4: its nets, losses, steps, averages and files, against numpy and plain counting."""

import hashlib
import json

import numpy as np
import pytest

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from keras import layers  # noqa: E402

from medtutor.data import load_mr  # noqa: E402
from medtutor.data.studies import packed  # noqa: E402
from medtutor.nn import gan  # noqa: E402

SMALL = dict(z=6, g=(8, 6, 4), d=(4, 6, 8), batch=8)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def pictures(rng, n=24, size=16):
    """Random pictures in -1..1 and classes."""
    return rng.uniform(-1, 1, (n, size, size, 1)).astype("float32"), np.arange(n) % 2


def one_hot(n, k=2):
    return np.eye(k, dtype="float32")[np.arange(n) % k]


def weights(net):
    return [w.numpy().copy() for w in net.trainable_variables]


def same(before, after):
    return [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


# Range


def test_the_range_of_a_tanh_holds_black_to_the_brightest_and_comes_back(rng):
    assert gan.to_tanh(np.array([0.0, 0.75, 1.5])) == pytest.approx([-1, 0, 1])
    x = rng.uniform(0, 1.5, (5, 4))
    assert gan.from_tanh(gan.to_tanh(x)) == pytest.approx(x, abs=1e-6)
    assert gan.to_tanh(x).dtype == np.float32


def test_slices_hold_no_tumour_or_one_that_covers_4_square_centimetres():
    x, y, patients = gan.slices("val", 12)
    data = load_mr("val", contrasts=("T2",), size=64, patients=12)
    area = (data.extra["lesion"] > 0).sum((1, 2)) * (220 / 64) ** 2
    rows = np.flatnonzero((data.y == 0) | (area >= 400))
    assert 0 < len(rows) < len(data.x)
    assert np.array_equal(y, data.y[rows]) and np.array_equal(patients, data.patients[rows])
    assert x.shape == (len(rows), 32, 32, 1)
    assert x[:, 3, 5] == pytest.approx(data.x[rows, 6:8, 10:12].mean((1, 2)), abs=1e-6)
    large, *_ = gan.slices("val", 12, size=64)
    assert np.array_equal(large, data.x[rows])


def test_one_slice_of_each_patient_is_drawn_by_lot():
    patients = np.repeat(["c", "a", "b"], [1, 40, 60])
    rows = gan.one_each(patients)
    assert sorted(patients[rows]) == ["a", "b", "c"]
    assert len({tuple(gan.one_each(patients, seed)) for seed in range(9)}) > 5
    assert np.array_equal(rows, gan.one_each(patients))


# Nets


@pytest.mark.parametrize("size", (16, 32, 64))
def test_pictures_have_the_size_asked_for_and_the_discriminator_answers_two_questions(size):
    G, D = gan.generator(size, 5, (8, 6, 4), 3), gan.discriminator(size, (4, 6, 8), 3)
    x = G([np.zeros((4, 5), "float32"), one_hot(4, 3)])
    assert x.shape == (4, size, size, 1)
    logit, scores = D([x.numpy(), one_hot(4, 3)])
    assert logit.shape == (4, 1) and scores.shape == (4, 3)


def test_the_nets_of_the_recipe_have_the_weights_that_the_chapter_counts():
    G, D = gan.generator(), gan.discriminator()
    kernels = 66 * 2048 + 128 * 64 * 16 + 64 * 32 * 16 + 32 * 16
    assert sum(np.size(w) for w in weights(G)) == kernels + 2048 + 1 + 2 * (128 + 64 + 32)
    kernels = 32 * 16 + 32 * 64 * 16 + 64 * 128 * 16 + 16 * 129 * 3 + 128 * 2
    assert sum(np.size(w) for w in weights(D)) == kernels + 32 + 64 + 128 + 1 + 2


def test_a_generator_stays_within_a_tanh_and_uses_both_its_inputs(rng):
    G = gan.generator(16, 6, (8, 6, 4))
    G.set_weights([20 * w for w in G.get_weights()])
    z = rng.normal(size=(8, 6)).astype("float32")
    drawn = [G([z, y]).numpy() for y in (one_hot(8), one_hot(8)[::-1])]
    assert np.abs(drawn[0]).max() <= 1
    assert not np.allclose(drawn[0], drawn[1])
    assert not np.allclose(drawn[0][0], drawn[0][2])


def test_each_layer_starts_with_numbers_of_its_own_of_deviation_2_in_100():
    keras.utils.set_random_seed(0)
    a, b = (layers.Dense(300, kernel_initializer=gan.start()) for _ in "ab")
    for layer in (a, b):
        layer.build((None, 300))
    assert not np.allclose(a.kernel, b.kernel)
    assert np.std(a.kernel) == pytest.approx(0.02, rel=0.02)
    assert abs(np.mean(a.kernel)) < 1e-3
    for net in (gan.generator(), gan.discriminator()):
        kernels = [w.numpy().ravel()[:500] for w in net.trainable_variables if w.ndim > 1]
        assert all(0.015 < np.std(kernel) < 0.025 for kernel in kernels)
        assert len({tuple(kernel[:9].round(4)) for kernel in kernels}) == len(kernels)


def test_spread_is_the_mean_deviation_of_every_fourth_part_of_the_batch(rng):
    x = rng.normal(size=(8, 3, 5, 2)).astype("float32")
    y = gan.Spread()(x).numpy()
    assert y.shape == (8, 3, 5, 3)
    assert np.array_equal(y[..., :2], x)
    for i in range(2):
        group = x[[i, i + 2, i + 4, i + 6]]
        for member in (i, i + 2, i + 4, i + 6):
            assert y[member, ..., 2] == pytest.approx(np.full((3, 5), group.std(0).mean()), rel=1e-4)


def test_spread_is_0_where_all_pictures_are_alike_and_its_gradient_is_finite(rng):
    x = tf.constant(np.repeat(rng.normal(size=(1, 2, 2, 1)), 4, axis=0), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = gan.Spread()(x)[..., -1]
    assert np.abs(y).max() < 2e-4
    assert np.isfinite(tape.gradient(y, x)).all()


# Losses


def test_the_losses_are_the_logarithms_of_the_probabilities(rng):
    real, drawn = rng.normal(size=(2, 6, 1))
    D_real, D_drawn = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-drawn))
    expected = np.mean(-np.log(D_real)) + np.mean(-np.log(1 - D_drawn))
    assert float(gan.d_loss(real, drawn)) == pytest.approx(expected, rel=1e-5)
    assert float(gan.g_loss(drawn)) == pytest.approx(np.mean(-np.log(D_drawn)), rel=1e-5)


def test_the_losses_stay_finite_where_the_discriminator_is_sure():
    sure = np.full((2, 1), 1e4, "float32")
    assert float(gan.d_loss(-sure, sure)) == pytest.approx(2e4)
    assert float(gan.g_loss(-sure)) == pytest.approx(1e4)


def test_the_class_loss_is_the_mean_surprise_at_the_right_class(rng):
    scores, y = rng.normal(size=(6, 3)), one_hot(6, 3)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    expected = np.mean([-np.log(p[i, i % 3]) for i in range(6)])
    assert float(gan.class_loss(y.astype(float), scores)) == pytest.approx(expected)


def test_r1_of_a_linear_discriminator_is_the_square_of_its_weights(rng):
    w = rng.normal(size=(4, 4, 1)).astype("float32")

    def linear(inputs, training):
        x, _ = inputs
        return tf.reduce_sum(x * w, (1, 2, 3))[:, None], None

    x = tf.constant(rng.normal(size=(6, 4, 4, 1)), tf.float32)
    assert float(gan.r1(linear, x, None)) == pytest.approx(np.sum(w**2), rel=1e-5)


def test_r1_is_the_slope_that_finite_differences_find(rng):
    def bent(inputs, training):
        x, _ = inputs
        return tf.reduce_sum(x**3, (1, 2, 3))[:, None], None

    x = rng.normal(size=(2, 3, 3, 1))
    slopes = [((v + 1e-5) ** 3 - (v - 1e-5) ** 3) / 2e-5 for v in x]
    assert float(gan.r1(bent, tf.constant(x), None)) == pytest.approx(
        np.mean([np.sum(slope**2) for slope in slopes]), rel=1e-4
    )


def test_r1_teaches_the_weights_of_the_discriminator(rng):
    D = gan.discriminator(16, (4, 6, 8))
    x, _ = pictures(rng, 8)
    with tf.GradientTape() as tape:
        penalty = gan.r1(D, tf.constant(x), tf.constant(one_hot(8)))
    assert float(penalty) > 0
    assert any(g is not None and np.abs(g).max() > 0 for g in tape.gradient(penalty, D.trainable_variables))


# Jitter


def test_jitter_moves_each_picture_by_itself_by_up_to_an_eighth_and_lets_black_in():
    x = -np.ones((64, 16, 16, 1), "float32")
    x[:, 8, 8] = 1
    y = gan.jitter(tf.constant(x), tf.random.Generator.from_seed(0)).numpy()
    places = [np.unravel_index(image.argmax(), (16, 16)) for image in y[..., 0]]
    assert {i for i, _ in places} == {j for _, j in places} == {6, 7, 8, 9, 10}
    assert len({tuple(place) for place in places}) > 15
    black = gan.jitter(tf.constant(np.minimum(x, -1)), tf.random.Generator.from_seed(0)).numpy()
    assert black.max() < -0.89


def test_jitter_changes_brightness_by_a_tenth_and_contrast_by_a_fifth_at_most_each_picture_by_itself():
    x = np.zeros((400, 8, 8, 1), "float32")
    x[:, :, ::2] = 0.5  # mean 0.25
    y = gan.jitter(tf.constant(x), tf.random.Generator.from_seed(1)).numpy()[:, 3:5, 3:5, 0]
    low, high = y.min((1, 2)), y.max((1, 2))
    contrast, middle = (high - low) / 0.5, (high + low) / 2 - 0.25
    assert (0.8 <= contrast + 1e-5).all() and (contrast <= 1.2 + 1e-5).all()
    assert contrast.min() < 0.82 and contrast.max() > 1.18
    assert middle.min() < -0.09 and middle.max() > 0.09 and np.abs(middle).max() < 0.101


def test_the_same_generator_of_numbers_gives_the_same_jitter_and_gradients_come_back(rng):
    x, _ = pictures(rng, 4)
    a, b = (gan.jitter(tf.constant(x), tf.random.Generator.from_seed(3)) for _ in "ab")
    assert np.array_equal(a, b)
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(gan.jitter(x, tf.random.Generator.from_seed(3)))
    assert np.abs(tape.gradient(y, x)).max() > 0.5


# Steps


@pytest.fixture
def game(rng):
    keras.utils.set_random_seed(0)
    G, D = gan.generator(16, 6, (8, 6, 4)), gan.discriminator(16, (4, 6, 8))
    for net in (G, D):  # as if they had been trained for a while
        net.set_weights([w if w.ndim == 1 else 5 * w for w in net.get_weights()])
    x, _ = pictures(rng, 8)
    z = tf.constant(rng.normal(size=(8, 6)), tf.float32)
    return G, D, tf.constant(x), tf.constant(one_hot(8)), z


def sgd():
    return keras.optimizers.SGD(0.05)


def test_a_step_of_d_moves_every_weight_of_d_and_none_of_g(game):
    G, D, x, y, z = game
    before = weights(G), weights(D)
    gan.d_step(G, D, sgd(), x, y, z)
    assert all(same(before[0], weights(G)))
    assert not any(same(before[1], weights(D)))


def test_a_step_of_g_moves_every_weight_of_g_and_none_of_d(game):
    G, D, x, y, z = game
    before = weights(G), weights(D)
    gan.g_step(G, D, sgd(), y, z)
    moved = [not still for still in same(before[0], weights(G))]
    assert sum(moved) >= len(moved) - 1  # a bias before a batch norm has no gradient but rounding
    assert all(same(before[1], weights(D)))


def test_a_step_of_d_makes_it_tell_real_from_drawn_better(game):
    G, D, x, y, z = game
    first, real, false = gan.d_step(G, D, sgd(), x, y, z)
    assert 0 <= real <= 1 and 0 <= false <= 1
    for _ in range(20):
        gan.d_step(G, D, sgd(), x, y, z)
    logits = D([x, y])[0].numpy(), D([G([z, y], training=True), y])[0].numpy()
    assert float(gan.d_loss(*logits)) < float(first) - 0.01
    assert logits[0].mean() > logits[1].mean()


def test_a_step_of_g_makes_d_take_the_drawn_for_real(game):
    G, D, x, y, z = game
    for _ in range(20):
        gan.d_step(G, D, sgd(), x, y, z)
    before = D([G([z, y], training=True), y])[0].numpy().mean()
    for _ in range(5):
        gan.g_step(G, D, sgd(), y, z)
    assert D([G([z, y], training=True), y])[0].numpy().mean() > before


def test_the_shares_called_rightly_are_counted(game):
    G, D, x, y, z = game
    logits = D([x, y])[0].numpy(), D([G([z, y], training=True), y])[0].numpy()
    _, real, false = gan.d_step(G, D, sgd(), x, y, z)
    assert float(real) == np.mean(logits[0] > 0)
    assert float(false) == np.mean(logits[1] < 0)


def test_the_penalty_makes_the_discriminator_flatter_at_real_pictures(game):
    G, D, x, y, z = game
    for _ in range(10):
        gan.d_step(G, D, sgd(), x, y, z)
    steep = float(gan.r1(D, x, y))
    for _ in range(10):
        gan.d_step(G, D, keras.optimizers.SGD(0.01), x, y, z, gamma=100.0)
    assert float(gan.r1(D, x, y)) < 0.8 * steep


def test_d_learns_classes_from_real_pictures_and_g_to_draw_the_class_asked_for(game):
    G, D, x, y, z = game
    first = float(gan.class_loss(y, D([x, y])[1]))
    for _ in range(30):
        gan.d_step(G, D, sgd(), x, y, z)
    learnt = float(gan.class_loss(y, D([x, y])[1]))
    assert learnt < first - 0.002
    before = float(gan.class_loss(y, D([G([z, y], training=True), y])[1]))
    for _ in range(10):
        gan.g_step(G, D, sgd(), y, z, label=10.0)
    assert float(gan.class_loss(y, D([G([z, y], training=True), y])[1])) < before


def test_without_their_weight_classes_teach_nobody(game):
    G, D, x, y, z = game
    heads = [w for w in D.trainable_variables if w.shape in ((8, 2), (2,))]
    before = [w.numpy().copy() for w in heads]
    gan.d_step(G, D, sgd(), x, y, z, label=0.0)
    assert len(heads) == 2 and all(np.array_equal(a, b) for a, b in zip(before, heads, strict=True))


def test_the_average_takes_its_share_of_each_weight(game):
    G, *_ = game
    E = gan.generator(16, 6, (8, 6, 4))
    old, new = weights(E), weights(G)
    gan.average(E, G, 0.9)
    for e, g, now in zip(old, new, weights(E), strict=True):
        assert now == pytest.approx(0.9 * e + 0.1 * g, abs=1e-6)
    assert all(same(new, weights(G)))


def test_statistics_measured_again_are_those_of_a_large_batch(game, rng):
    G, *_ = game
    z, y = rng.normal(size=(64, 6)).astype("float32"), one_hot(64)
    gan.measure_again(G, z, y)
    entries = [layer.input for layer in gan.norms(G)]
    seen = keras.Model(G.inputs, entries)([z, y], training=True)
    for layer, maps in zip(gan.norms(G), seen, strict=True):
        assert layer.moving_mean.numpy() == pytest.approx(maps.numpy().mean((0, 1, 2)), abs=1e-5)
        assert layer.moving_variance.numpy() == pytest.approx(maps.numpy().var((0, 1, 2)), rel=1e-3, abs=1e-7)
    assert G([z, y], training=False).numpy() == pytest.approx(G([z, y], training=True).numpy(), abs=1e-3)


# Training


@pytest.fixture(scope="module")
def trained():
    return gan.DCGAN(*pictures(np.random.default_rng(0)), seed=1, **SMALL).train(6)


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others(trained, rng):
    labels = np.arange(10) % 2
    x, y = pictures(np.random.default_rng(0))
    again = gan.DCGAN(x, y, seed=1, **SMALL).train(6)
    other = gan.DCGAN(x, y, seed=2, **SMALL).train(6)
    assert np.array_equal(again.draw(labels), trained.draw(labels))
    assert not np.allclose(other.draw(labels), trained.draw(labels))
    assert not np.allclose(trained.draw(labels, seed=0), trained.draw(labels, seed=1))


def test_the_averaged_generator_lags_behind_the_trained_one(rng):
    net = gan.DCGAN(*pictures(rng), decay=0.9, gamma=0.0, **SMALL)
    old = weights(net.E)
    net.train(1)
    for e, g, now in zip(old, weights(net.G), weights(net.E), strict=True):
        assert now == pytest.approx(0.9 * e + 0.1 * g, abs=1e-6)


def test_each_of_the_two_updates_gets_fresh_noise(rng, monkeypatch):
    used, d_step, g_step = [], gan.d_step, gan.g_step

    def watched_d(G, D, optimizer, x, y, z, *rest):
        used.append(z)
        return d_step(G, D, optimizer, x, y, z, *rest)

    def watched_g(G, D, optimizer, y, z, *rest):
        used.append(z)
        return g_step(G, D, optimizer, y, z, *rest)

    monkeypatch.setattr(gan, "d_step", watched_d)
    monkeypatch.setattr(gan, "g_step", watched_g)
    net = gan.DCGAN(*pictures(rng), **SMALL)
    tf.config.run_functions_eagerly(True)
    try:
        net.train(2)
    finally:
        tf.config.run_functions_eagerly(False)
    assert len({z.numpy().tobytes() for z in used}) == 4


def test_a_batch_holds_pictures_with_their_own_classes_and_standard_normal_noise(rng):
    x, y = pictures(rng)
    x[:, 0, 0, 0] = np.where(y, 0.5, -0.5)
    net = gan.DCGAN(x, y, **SMALL | dict(z=400))
    drawn = [net.batch() for _ in range(20)]
    for pictures_, classes, _ in drawn:
        assert np.array_equal(pictures_[:, 0, 0, 0] > 0, classes[:, 1] == 1)
    seen = np.concatenate([pictures_[:, 1, 1, 0] for pictures_, _, _ in drawn])
    assert len(set(seen)) == 24
    z = np.concatenate([z for _, _, z in drawn])
    assert abs(z.mean()) < 0.02 and z.std() == pytest.approx(1, abs=0.02)


def test_a_penalty_falls_due_at_every_fourth_step_four_times_as_strong(rng, monkeypatch):
    strength = []
    d_step = gan.d_step

    def watched(G, D, optimizer, x, y, z, gamma, *rest):
        strength.append(gamma)
        return d_step(G, D, optimizer, x, y, z, gamma, *rest)

    monkeypatch.setattr(gan, "d_step", watched)
    net = gan.DCGAN(*pictures(rng), gamma=0.3, **SMALL)
    tf.config.run_functions_eagerly(True)
    try:
        net.train(8)
    finally:
        tf.config.run_functions_eagerly(False)
    assert strength == pytest.approx([1.2, 0, 0, 0, 1.2, 0, 0, 0])


def test_who_watches_is_told_of_each_so_many_steps_and_of_the_last_and_may_stop_it(rng):
    told = []
    net = gan.DCGAN(*pictures(rng), **SMALL)
    net.train(5, lambda model, step, log: told.append((model is net, step, set(log))), every=2)
    names = {"d_loss", "g_loss", "real_right", "drawn_right"}
    assert told == [(True, 2, names), (True, 4, names), (True, 5, names)]
    net.train(8, lambda model, step, log: step == 4, every=2)
    assert net.steps == 9


def test_drawing_measures_the_statistics_of_the_average_and_leaves_the_game_alone(trained):
    before = weights(trained.G), weights(trained.D), weights(trained.E)
    for layer in gan.norms(trained.E):
        layer.moving_mean.assign(layer.moving_mean + 50)
    x = trained.draw(np.arange(8) % 2)
    assert x.shape == (8, 16, 16, 1) and x.std() > 1e-4
    assert np.array_equal(trained.draw(np.arange(8) % 2), x)
    for old, net in zip(before, (trained.G, trained.D, trained.E), strict=True):
        assert all(same(old, weights(net)))


def test_the_class_asked_for_is_the_class_drawn(trained):
    a, b = trained.draw(np.zeros(6, int)), trained.draw(np.ones(6, int))
    assert not np.allclose(a, b)
    mixed = trained.draw(np.array([0, 1, 0, 1, 0, 1]))
    assert mixed[::2] == pytest.approx(a[::2], abs=1e-6)
    assert mixed[1::2] == pytest.approx(b[1::2], abs=1e-6)


# Files


def test_a_generator_draws_the_same_pictures_once_it_was_written_and_read(trained, tmp_path):
    labels = np.arange(10) % 2
    drawn = trained.draw(labels)
    gan.save_generator(trained.E, tmp_path / "a.npz")
    first = gan.load_generator(tmp_path / "a.npz")
    gan.save_generator(first, tmp_path / "b.npz")
    second = gan.load_generator(tmp_path / "b.npz")
    assert np.array_equal(gan.draw(first, labels), gan.draw(second, labels))
    assert gan.draw(first, labels) == pytest.approx(drawn, abs=0.01)
    assert not any(w.dtype == object for w in np.load(tmp_path / "a.npz").values())


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder data/ with a stored generator of 32 pixels and its manifest."""
    E = gan.generator(filters=(8, 6, 4))
    values = {"filters": [8, 6, 4], "generator": packed(E.get_weights())}
    content = {"what": "a test", "values": values, "made": {}, "sources": {}}
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "04_gan.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    listed = (
        f'[[file]]\npath = "studies/04_gan.json"\nsha256 = "{hashlib.sha256(file.read_bytes()).hexdigest()}"'
    )
    (tmp_path / "manifest.toml").write_text(listed, encoding="utf-8")
    monkeypatch.setattr(gan, "FOLDER", file.parent)
    return E, file


def test_the_stored_generator_is_the_one_that_was_stored(shipped):
    labels = np.arange(4) % 2
    stored = gan.stored_generator(32)
    assert gan.draw(stored, labels) == pytest.approx(gan.draw(shipped[0], labels), abs=1e-3)


def test_a_stored_generator_that_was_altered_is_refused(shipped):
    shipped[1].write_text(shipped[1].read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(ValueError, match="04_gan.json has the SHA-256 .*damaged or was altered"):
        gan.stored_generator(32)


def test_generators_of_other_sizes_are_not_stored():
    with pytest.raises(ValueError, match="size is 28; generators of 32 or 64 pixels are stored"):
        gan.stored_generator(28)


# What is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: ((x + 1) / 2, y), "0.00 to 1.00; -1 .black. to 1 is wanted: to_tanh"),
        (lambda x, y: (x * 1.5, y), "-1 .black. to 1 is wanted"),
        (lambda x, y: (x[:, :12, :12], y), "multiple of 8"),
        (lambda x, y: (x[:, :8], y), "size, size, 1"),
        (lambda x, y: (x[..., 0], y), "size, size, 1"),
        (lambda x, y: (x, y[:5]), "24 whole numbers"),
        (lambda x, y: (x, y - 1), "whole numbers 0, 1"),
        (lambda x, y: (x, y * 0.5), "whole numbers"),
    ],
)
def test_data_of_another_shape_or_range_are_refused(change, words, rng):
    x, y = pictures(rng)
    with pytest.raises(ValueError, match=words):
        gan.DCGAN(*change(np.clip(x, -1, 1), y), **SMALL)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(batch=10), "batch is 10; a multiple of 4"),
        (dict(batch=0), "batch is 0"),
        (dict(learning_rate=1e-3), "learning_rate: no part of the recipe; it has z, g, d"),
    ],
)
def test_changes_that_the_recipe_does_not_have_are_refused(changes, words, rng):
    with pytest.raises(ValueError, match=words):
        gan.DCGAN(*pictures(rng), **SMALL | changes)


@pytest.mark.parametrize("labels", ([0, 2], [-1], [0.5], [[0, 1]], []))
def test_labels_that_are_no_classes_are_refused(labels, trained):
    with pytest.raises(ValueError, match="classes 0 to 1"):
        trained.draw(np.array(labels))
