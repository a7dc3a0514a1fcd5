"""The GAN in the plane against finite differences, hand counts, closed forms and Keras' Adam written out."""

import numpy as np
import pytest

from medtutor.nn import plane
from medtutor.nn.plane import PlaneGAN, backward, d_loss, forward, g_loss, mlp, r1_penalty


def by_differences(value, net, step=1e-6):
    """The gradients of value() by central differences, one weight at a time."""
    gradients = []
    for layer in net:
        gradients.append([np.zeros_like(w) for w in layer])
        for w, g in zip(layer, gradients[-1], strict=True):
            for place in np.ndindex(w.shape):
                kept = w[place]
                w[place] = kept + step
                above = value()
                w[place] = kept - step
                g[place] = (above - value()) / (2 * step)
                w[place] = kept
    return gradients


def small_net(sizes, seed=0):
    rng = np.random.default_rng(seed)
    net = mlp(sizes, rng)
    return [[W, rng.normal(size=b.shape)] for W, b in net], rng


def assert_same(found, wanted, atol=1e-8):
    for layer, other in zip(found, wanted, strict=True):
        for g, w in zip(layer, other, strict=True):
            np.testing.assert_allclose(g, w, atol=atol)


# The data


def test_centres_lie_evenly_on_the_ring_from_the_right_anticlockwise():
    np.testing.assert_allclose(plane.centres(4, 3), [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-12)


def test_points_of_the_ring_lie_around_all_centres_with_their_spread():
    x = plane.ring(8000, np.random.default_rng(0), spread=0.1)
    from_each = np.linalg.norm(x[:, None] - plane.centres(), axis=2)
    nearest = from_each.argmin(1)
    assert np.abs(np.bincount(nearest) / 1000 - 1).max() < 0.15
    offsets = x - plane.centres()[nearest]
    np.testing.assert_allclose(offsets.std(0), 0.1, rtol=0.05)


def test_a_mode_is_reached_by_a_quarter_of_its_share_within_three_spreads():
    # 32 points: a quarter of a mode's share is 1
    far = np.full((31, 2), 9.0)
    right = [[2 + 3 * 0.15 - 1e-9, 0]]
    assert plane.modes_reached(np.concatenate([right, far])) == 1
    assert plane.modes_reached(np.concatenate([[[2 + 3 * 0.15 + 1e-9, 0]], far])) == 0
    assert plane.modes_reached(np.concatenate([right, far, far[:1]])) == 0  # 1 of 33 is too small a share


def test_all_points_on_one_mode_reach_one_and_the_ring_itself_reaches_all():
    assert plane.modes_reached(np.tile([0.0, 2.0], (100, 1))) == 1
    assert plane.modes_reached(plane.ring(400, np.random.default_rng(1))) == 8


# The networks


def test_a_net_by_hand():
    net = [
        [np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([0.0, 1.0])],
        [np.array([[3.0], [4.0]]), np.array([5.0])],
    ]
    # x = (1, 2): z = (5, 0), leaky the same; x = (1, -1): z = (-1, 0), leaky (-0.2, 0)
    h = forward(net, np.array([[1.0, 2.0], [1.0, -1.0]]))
    np.testing.assert_allclose(h[1], [[5, 0], [-0.2, 0]])
    np.testing.assert_allclose(h[2], [[20], [4.4]])


def test_the_first_weights_have_variance_two_over_inputs_and_no_bias():
    (W, b), (V, c) = mlp((50, 200, 100), np.random.default_rng(0))
    np.testing.assert_allclose([W.var() * 50 / 2, V.var() * 200 / 2], 1, rtol=0.05)
    assert not b.any() and not c.any()


@pytest.mark.parametrize("sizes", [(2, 4, 3, 2), (3, 5, 2), (2, 2)])
def test_backward_agrees_with_finite_differences_in_weights_and_inputs(sizes):
    net, rng = small_net(sizes)
    x, weight = rng.normal(size=(6, sizes[0])), rng.normal(size=(6, sizes[-1]))

    def value():
        return (weight * forward(net, x)[-1]).sum()

    gradients, at_x = backward(net, forward(net, x), weight)
    assert_same(gradients, by_differences(value, net))
    assert_same([[at_x]], by_differences(value, [[x]]))


def test_r1_and_its_gradients_agree_with_finite_differences():
    D, rng = small_net((2, 5, 4, 1))
    x = rng.normal(size=(7, 2))

    def logit(point):
        return forward(D, point[None])[-1][0, 0]

    e, axes = 1e-6, np.eye(2)
    slopes = np.array([[(logit(p + e * a) - logit(p - e * a)) / (2 * e) for a in axes] for p in x])
    R1, gradients = r1_penalty(D, x)
    assert R1 == pytest.approx((slopes**2).sum(1).mean() / 2, rel=1e-6)
    assert_same(gradients, by_differences(lambda: r1_penalty(D, x)[0], D))


def test_r1_of_a_linear_discriminator_is_half_its_squared_weights():
    D = [[np.array([[3.0], [4.0]]), np.array([7.0])]]
    R1, [[W, b]] = r1_penalty(D, np.zeros((5, 2)))
    assert R1 == 12.5
    np.testing.assert_allclose(W, [[3], [4]])
    assert b == 0


def test_adam_takes_the_steps_of_its_formula():
    w, rate, b1, b2 = 2.0, 0.1, 0.5, 0.9
    net = [[np.array([[w]]), np.array([0.0])]]
    adam = plane.Adam(net, rate, b1, b2)
    m = v = 0
    for t, g in enumerate([1.0, -3.0, 0.5], start=1):
        adam.step([[np.array([[g]]), np.array([0.0])]])
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        w -= rate * m / (1 - b1**t) / ((v / (1 - b2**t)) ** 0.5 + 1e-8)
        assert net[0][0][0, 0] == pytest.approx(w, abs=1e-12)
    assert net[0][1][0] == 0


# The losses


def test_losses_are_those_of_the_paper_written_with_logarithms():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(4, 1)), rng.normal(size=(6, 1))
    p, q = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    assert d_loss(real, fake)[0] == pytest.approx(-np.log(p).mean() - np.log(1 - q).mean())
    assert g_loss(fake)[0] == pytest.approx(-np.log(q).mean())
    assert g_loss(fake, "minimax")[0] == pytest.approx(np.log(1 - q).mean())


def test_slopes_of_the_losses_agree_with_finite_differences():
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(4, 1)), rng.normal(size=(6, 1))
    [[at_real]] = by_differences(lambda: d_loss(real, fake)[0], [[real]])
    [[at_fake]] = by_differences(lambda: d_loss(real, fake)[0], [[fake]])
    assert_same([d_loss(real, fake)[1:]], [[at_real, at_fake]])
    for loss in plane.LOSSES:
        assert_same(
            [[g_loss(fake, loss)[1]]], by_differences(lambda loss=loss: g_loss(fake, loss)[0], [[fake]])
        )


def test_a_sure_discriminator_leaves_the_minimax_generator_no_slope_and_the_other_all_of_it():
    fake = np.full((1, 1), -10.0)
    assert abs(g_loss(fake, "minimax")[1]).max() < 1e-4
    assert abs(g_loss(fake)[1]).min() > 0.9999


def test_losses_of_very_sure_discriminators_are_finite():
    sure = np.full((2, 1), 1000.0)
    for numbers in (d_loss(-sure, sure), d_loss(sure, -sure), g_loss(-sure), g_loss(sure, "minimax")):
        assert all(np.isfinite(number).all() for number in numbers)


# The game


def frozen(net):
    return [[w.copy() for w in layer] for layer in net]


def steepest(gan, rate=1e-3):
    """The game with plain gradient steps in place of Adam, so that a step shows the gradient."""
    for adam in (gan.adam_G, gan.adam_D):

        def step(gradients, adam=adam):
            adam.seen = gradients

        adam.step = step
    return gan


@pytest.mark.parametrize("r1", [0.0, 0.7])
def test_a_d_step_goes_down_the_gradient_of_its_loss_and_leaves_g(r1):
    gan = steepest(PlaneGAN(3, batch=5, hidden=4, r1=r1))
    rng = np.random.default_rng(5)
    gan.rng = rng
    before = frozen(gan.G)
    gan.d_step()
    again = np.random.default_rng(5)
    x = plane.ring(5, again)
    fake = forward(gan.G, again.standard_normal((5, 2)))[-1]

    def loss():
        value = d_loss(forward(gan.D, x)[-1], forward(gan.D, fake)[-1])[0]
        return value + r1 * r1_penalty(gan.D, x)[0]

    assert gan.L_D == pytest.approx(loss())
    assert_same(gan.adam_D.seen, by_differences(loss, gan.D))
    assert_same(gan.G, before, atol=0)


@pytest.mark.parametrize("loss", plane.LOSSES)
def test_a_g_step_goes_down_the_gradient_of_its_loss_through_d_and_leaves_d(loss):
    gan = steepest(PlaneGAN(4, batch=5, hidden=4, loss=loss))
    gan.rng = np.random.default_rng(6)
    before = frozen(gan.D)
    gan.g_step()
    z = np.random.default_rng(6).standard_normal((5, 2))

    def value():
        return g_loss(forward(gan.D, forward(gan.G, z)[-1])[-1], loss)[0]

    assert gan.L_G == pytest.approx(value())
    assert_same(gan.adam_G.seen, by_differences(value, gan.G))
    assert_same(gan.D, before, atol=0)
    assert gan.t == 1


def test_a_drawn_point_that_follows_its_pull_looks_more_real():
    gan = PlaneGAN(0)
    gan.play(30)
    x = gan.draw(200)
    pull = gan.pull(x)
    assert (gan.probability(x + 1e-4 * pull) > gan.probability(x)).all()


def test_the_pull_is_the_slope_of_log_d_at_the_point():
    gan = PlaneGAN(0, hidden=4)
    x, e = np.array([[0.3, -0.4]]), 1e-6
    by_hand = [
        (np.log(gan.probability(x + e * axis)) - np.log(gan.probability(x - e * axis))) / (2 * e)
        for axis in np.eye(2)
    ]
    np.testing.assert_allclose(gan.pull(np.tile(x, (3, 1))), np.tile(np.ravel(by_hand), (3, 1)), atol=1e-8)


def test_play_alternates_and_notes_what_is_asked_for():
    gan, calls = PlaneGAN(0, d_steps=3), []
    gan.d_step, gan.g_step = lambda: calls.append("D"), lambda: calls.append("G")
    assert gan.play(4, 2, lambda game: len(calls)) == [8, 16]
    assert "".join(calls) == "DDDG" * 4


def test_the_same_seed_plays_the_same_game_and_a_generator_may_stand_for_it():
    one, same, other = PlaneGAN(1, batch=8), PlaneGAN(np.random.default_rng(1), batch=8), PlaneGAN(2, batch=8)
    for gan in (one, same, other):
        gan.play(3)
    assert_same(one.G, same.G, atol=0)
    assert not np.allclose(one.G[0][0], other.G[0][0])


# The theory


@pytest.mark.parametrize("m", [0, 0.5, -2, 20])
def test_the_value_at_the_best_discriminator_is_two_jsd_less_log_four(m):
    assert plane.game_value(m) == pytest.approx(2 * plane.jensen_shannon(m) - np.log(4), abs=1e-10)


def test_equal_gaussians_are_worth_minus_log_four_and_far_ones_nothing():
    assert plane.game_value(0) == pytest.approx(-np.log(4), abs=1e-12)
    assert plane.jensen_shannon(0) == pytest.approx(0, abs=1e-12)
    assert plane.jensen_shannon(20) == pytest.approx(np.log(2), abs=1e-12)
    assert plane.game_value(20) == pytest.approx(0, abs=1e-12)


def test_a_small_shift_is_worth_an_eighth_of_its_square():
    # JSD = (1/8) Fisher information m^2 + O(m^4), and the Fisher information of the mean of N(m, 1) is 1
    assert plane.jensen_shannon(0.01) == pytest.approx(0.01**2 / 8, rel=1e-3)


def test_no_other_discriminator_is_worth_more():
    best = plane.game_value(1.0)
    for a in (0.8, 1.2):
        for b in (-0.1, 0.1):
            assert plane.game_value(1.0, lambda x, a=a, b=b: a * (0.5 - x) + b) < best
    assert plane.game_value(1.0, lambda x: 0.5 - x) == pytest.approx(best, abs=1e-12)


def test_the_best_discriminator_is_a_half_where_both_are_as_likely():
    p, q = plane.normal(np.array([0.5, 0.0])), plane.normal(np.array([0.5, 0.0]), 1)
    np.testing.assert_allclose(plane.optimal_D(p, q), [0.5, 1 / (1 + np.exp(-0.5))])
    assert plane.normal(3.0, 1, 2) == pytest.approx(np.exp(-0.5) / np.sqrt(8 * np.pi))


# Refusals


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"rate_G": 0}, "rate_G is 0"),
        ({"rate_D": -1e-3}, "rate_D is -0.001"),
        ({"batch": 0}, "batch is 0"),
        ({"spread": np.nan}, "spread is nan"),
        ({"beta1": 1.0}, "beta1 is 1.0"),
        ({"r1": -1}, "r1 -1"),
        ({"d_steps": 0}, "d_steps 0"),
        ({"loss": "saturating"}, "use 'non-saturating' or 'minimax'"),
    ],
)
def test_a_game_that_cannot_be_played_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        PlaneGAN(**settings)


def test_gaussians_too_far_for_the_sum_are_refused():
    for what in (plane.game_value, plane.jensen_shannon):
        with pytest.raises(ValueError, match="m is 21"):
            what(21)
