"""The CRF against sums over all paths, against log-space recursions in float64, and inside Keras."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from medtutor import tags as entities
from medtutor.nn import crf

K, T = 3, 5
LENGTHS = (5, 1, 3, 2)
MASK = np.arange(T) < np.array(LENGTHS)[:, None]


def scores(seed, scale=1.0, B=4, T=T, K=K):
    """Random emissions, transitions, starts and ends, as the functions take them."""
    rng = np.random.default_rng(seed)
    draw = {"emit": (B, T, K), "trans": (K, K), "start": (K,), "end": (K,)}
    return {name: (scale * rng.normal(size=s)).astype("float32") for name, s in draw.items()}


def ragged(seed, B, T):
    lengths = np.random.default_rng(seed).integers(1, T + 1, B)
    lengths[:2] = 1, T
    return np.arange(T) < lengths[:, None]


def paths(emit, trans, start, end, length):
    """Every path of one row with its score, one path at a time, in float64."""
    emit, trans, start, end = (v.astype(float) for v in (emit, trans, start, end))
    every = list(itertools.product(range(emit.shape[1]), repeat=length))
    total = [
        start[y[0]]
        + sum(emit[t, k] for t, k in enumerate(y))
        + sum(trans[i, j] for i, j in itertools.pairwise(y))
        + end[y[-1]]
        for y in every
    ]
    return np.array(every), np.array(total)


def rows(given):
    """(row number, every path, its score, its probability) for each ragged row."""
    for b, length in enumerate(LENGTHS):
        every, total = paths(**{**given, "emit": given["emit"][b]}, length=length)
        yield b, every, total, np.exp(total - np.logaddexp.reduce(total))


def value(v):
    return keras.ops.convert_to_numpy(v)


def slopes(f, given, weights=None):
    """f's values, and the gradients of their weighted sum by name."""
    y, slope = tf.function(_slopes, autograph=False)(
        f, {k: tf.constant(v) for k, v in given.items()}, weights
    )
    return value(y), {name: value(v) for name, v in slope.items()}


def _slopes(f, given, weights):
    with tf.GradientTape() as tape:
        tape.watch(list(given.values()))
        y = f(**given)
        total = tf.reduce_sum(y if weights is None else y * weights)
    return y, tape.gradient(total, given)


def in_graph(f, **given):
    """What f answers when it is traced: the long sequences of this file would take eager mode seconds."""
    return value(tf.function(f, autograph=False)(**{k: tf.constant(v) for k, v in given.items()}))


def forward_backward(emit, trans, start, end, mask):
    """log Z and marginals of each row by the log-space recursions, in float64."""
    emit, trans, start, end = (v.astype(float) for v in (emit, trans, start, end))
    add, log_z, unary = np.logaddexp.reduce, [], np.zeros_like(emit)
    for b, length in enumerate(mask.sum(1)):
        alpha, beta = [start + emit[b, 0]], [end]
        for t in range(1, length):
            alpha.append(emit[b, t] + add(alpha[-1][:, None] + trans, axis=0))
            beta.append(add(trans + emit[b, length - t] + beta[-1], axis=1))
        log_z.append(add(alpha[-1] + end))
        unary[b, :length] = np.exp(np.array(alpha) + np.array(beta[::-1]) - log_z[-1])
    return np.array(log_z), unary


# Sums over all paths


@pytest.mark.parametrize("scale", (1, 5, 30))
@pytest.mark.parametrize("log_z", (crf.forward_algorithm, crf.log_partition), ids=lambda f: f.__name__)
def test_log_partition_sums_every_path(log_z, scale):
    given = scores(1, scale)
    expected = [np.logaddexp.reduce(total) for _, _, total, _ in rows(given)]
    np.testing.assert_allclose(value(log_z(mask=MASK, **given)), expected, rtol=1e-6, atol=1e-5)


def test_path_score_adds_what_the_path_passes():
    given = scores(2)
    for b, every, total, _ in rows(given):
        for y, score in zip(every[:9], total[:9], strict=True):
            tags = np.full((len(LENGTHS), T), 99)  # under padding anything goes
            tags[:] = np.where(MASK, 0, tags)
            tags[b, : len(y)] = y
            assert value(crf.path_score(tags=tags, mask=MASK, **given))[b] == pytest.approx(score, abs=1e-5)


@pytest.mark.parametrize("scale", (1, 30))
def test_likelihood_and_its_gradient_are_those_of_the_enumerated_paths(scale):
    given = scores(3, scale)
    tags = np.random.default_rng(4).integers(0, K, MASK.shape)
    weights = np.array([1.0, 0.5, -2.0, 3.0], "float32")
    likelihood, slope = slopes(lambda **s: crf.log_likelihood(tags=tags, mask=MASK, **s), given, weights)
    expected = {name: np.zeros(v.shape) for name, v in given.items()}
    for b, every, total, p in rows(given):
        here = (every == tags[b, : LENGTHS[b]]).all(1)
        assert likelihood[b] == pytest.approx(
            np.log(p[here][0]) if p[here][0] else total[here][0] - total.max(), rel=1e-5, abs=1e-4
        )  # noqa: E501
        for y, observed_less_expected in zip(every, weights[b] * (here - p), strict=True):
            expected["start"][y[0]] += observed_less_expected
            expected["end"][y[-1]] += observed_less_expected
            np.add.at(expected["emit"][b], (range(len(y)), y), observed_less_expected)
            np.add.at(expected["trans"], (y[:-1], y[1:]), observed_less_expected)
    for name in given:
        np.testing.assert_allclose(slope[name], expected[name], atol=2e-5, err_msg=name)


def test_gradient_of_log_partition_is_the_marginals_and_expected_counts():
    given = scores(5)
    _, slope = slopes(lambda **s: crf.log_partition(mask=MASK, **s), given)
    unary, pairs = crf.marginals(mask=MASK, pairwise=True, **given)
    np.testing.assert_allclose(slope["emit"], value(unary), atol=1e-6)
    np.testing.assert_allclose(slope["trans"], value(pairs).sum((0, 1)), atol=1e-5)


@pytest.mark.parametrize("scale", (1, 30))
def test_marginals_add_the_probabilities_of_the_paths_that_pass(scale):
    given = scores(6, scale)
    unary, pairs = map(value, crf.marginals(mask=MASK, pairwise=True, **given))
    for b, every, _, p in rows(given):
        for t, k in np.ndindex(T, K):
            passing = p[every[:, t] == k].sum() if t < LENGTHS[b] else 0
            assert unary[b, t, k] == pytest.approx(passing, abs=1e-5)
        for t, i, j in np.ndindex(T - 1, K, K):
            passing = p[(every[:, t] == i) & (every[:, t + 1] == j)].sum() if t + 1 < LENGTHS[b] else 0
            assert pairs[b, t, i, j] == pytest.approx(passing, abs=1e-5)


def test_without_mask_start_and_end_every_step_counts_and_nothing_is_added():
    given = scores(7)
    zero = np.zeros(K, "float32")
    whole = np.ones(MASK.shape, bool)
    short = crf.log_partition(given["emit"], given["trans"])
    full = crf.log_partition(given["emit"], given["trans"], whole, zero, zero)
    np.testing.assert_array_equal(value(short), value(full))


# Paths


@pytest.mark.parametrize("scale", (1, 30))
def test_best_paths_are_the_first_of_all_paths_in_order(scale):
    given = scores(8, scale)
    best = value(crf.best_path(mask=MASK, **given))
    tags, total_of = map(value, crf.best_paths(k=5, mask=MASK, **given))
    for b, every, total, _ in rows(given):
        order, length = np.argsort(-total)[:5], LENGTHS[b]
        n = len(order)
        assert best[b, :length].tolist() == every[order[0]].tolist()
        assert tags[b, :n, :length].tolist() == every[order].tolist()
        np.testing.assert_allclose(total_of[b, :n], total[order], rtol=1e-5, atol=1e-5)
        assert (best[b, length:] == -1).all() and (tags[b, :, length:] == -1).all()
        assert (tags[b, n:] == -1).all() and (total_of[b, n:] == -np.inf).all()


def test_best_path_is_a_single_path_and_not_where_most_of_the_others_go():
    emit = np.array([[[1.0, 0.9, 0.9], [0.0, 0.0, 0.0]]])
    trans = np.array([[0.0, -10, -10], [-10, 0.0, -10], [-10, 0.0, -10]])
    assert value(crf.marginals(emit, trans))[0, 1].argmax() == 1  # two paths of 0.9 together
    assert value(crf.best_path(emit, trans))[0].tolist() == [0, 0]  # one path of 1.0
    assert value(crf.best_paths(emit, trans, 1)[0])[0, 0].tolist() == [0, 0]


@pytest.mark.parametrize("T, K", [(7, 3), (13, 2)])  # one turn and two of each half of its loop
def test_best_path_is_the_best_of_all_paths_at_every_length(T, K):
    lengths = np.arange(1, T + 1)
    given = scores(0, B=T, T=T, K=K)
    given["emit"] *= 0.3  # so that the transitions decide
    best = in_graph(crf.best_path, mask=np.arange(T) < lengths[:, None], **given)
    for b, length in enumerate(lengths):
        every, total = paths(**{**given, "emit": given["emit"][b]}, length=length)
        assert best[b].tolist() == [*every[total.argmax()], *[-1] * (T - length)]


def test_best_path_of_equal_scores_is_one_path_and_not_a_mix_of_two():
    trans = np.array([[-5.0, 0.0], [0.0, -5.0]])  # 0 1 0 1 and 1 0 1 0 are equally good
    path = value(crf.best_path(np.zeros((1, 4, 2)), trans))[0]
    assert path.tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])


def test_paths_are_drawn_as_often_as_they_are_probable():
    given, n = scores(9), 4000
    drawn = value(crf.sample_paths(n=n, mask=MASK, seed=3, **given))
    assert drawn.shape == (n, len(LENGTHS), T)
    for b, every, _, p in rows(given):
        assert (drawn[:, b, LENGTHS[b] :] == -1).all()
        counts = [(drawn[:, b, : LENGTHS[b]] == y).all(1).sum() for y in every]
        assert sum(counts) == n
        assert np.abs(np.array(counts) - n * p).max() < 5 * np.sqrt(
            n / 4
        )  # five standard deviations at p = 1/2
        top = p.argmax()
        assert abs(counts[top] - n * p[top]) < 5 * np.sqrt(n * p[top] * (1 - p[top])) + 1e-9


def test_one_seed_draws_the_same_paths_again():
    given = scores(9)
    first, again, other = (value(crf.sample_paths(n=20, seed=s, **given)) for s in (1, 1, 2))
    assert (first == again).all() and (first != other).any()


# Fast, and right where float32 alone is not


@pytest.mark.parametrize("steps", (1, 7, 8, 9, 33))
def test_fast_recursion_is_the_plain_one(steps):
    given, mask = scores(10, 2.0, B=6, T=steps, K=7), ragged(11, 6, steps)
    fast, plain = crf.log_partition(mask=mask, **given), crf.forward_algorithm(mask=mask, **given)
    np.testing.assert_allclose(value(fast), value(plain), rtol=2e-6, atol=1e-5)


@pytest.mark.parametrize("steps", (7, 8, 9, 16))
def test_gradient_of_the_fast_recursion_is_that_of_the_plain_one(steps):
    given, mask = scores(15, B=3, T=steps), ragged(16, 3, steps)
    fast, plain = (
        slopes(lambda f=f, **s: f(mask=mask, **s), given)[1]
        for f in (crf.log_partition, crf.forward_algorithm)
    )
    for name in given:
        np.testing.assert_allclose(fast[name], plain[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize("xla", (False, True), ids=("plain graph", "XLA"))
def test_graph_and_xla_say_what_eager_says(xla):
    given, mask = scores(12, 3.0, B=6, T=21, K=5), ragged(13, 6, 21)
    tags = np.random.default_rng(14).integers(0, 5, mask.shape)
    eager = slopes(lambda **s: crf.log_likelihood(tags=tags, mask=mask, **s), given)

    @tf.function(
        jit_compile=xla,
        autograph=False,
        input_signature=[tf.TensorSpec(s) for s in ((None, None, 5), (5, 5), 5, 5)],
    )
    def step(emit, trans, start, end):
        with tf.GradientTape() as tape:
            tape.watch([emit, trans, start, end])
            y = crf.log_likelihood(emit, tags[:, : emit.shape[1]], trans, mask, start, end)
        return y, tape.gradient(y, [emit, trans, start, end]), crf.best_path(emit, trans, mask, start, end)

    y, slope, path = step(*given.values())
    np.testing.assert_allclose(y, eager[0], rtol=1e-5, atol=1e-5)
    for name, v in zip(given, slope, strict=True):
        np.testing.assert_allclose(v, eager[1][name], atol=1e-5)
    assert (value(path) == value(crf.best_path(mask=mask, **given))).all()


def hard(case):
    """Scores that a scaled recursion in float32 loses its way with."""
    if case == "2,000 steps":
        return scores(20, 1.0, B=2, T=2000, K=4), ragged(21, 2, 2000)
    if case == "2,000 steps, scores x 100":
        return scores(22, 100.0, B=2, T=2000, K=4), ragged(23, 2, 2000)
    if case == "bad at both ends, good between":  # all others die slowly where nothing seems lost
        emit = np.zeros((2, 8, 2), "float32")
        emit[:, 0] = emit[:, -1] = [-100, 0]
        emit[:, 1:-1] = [0, -80]
        trans = np.array([[0, -1e4], [-1e4, 0]], "float32")
        return {"emit": emit, "trans": trans, "start": np.zeros(2), "end": np.zeros(2)}, np.ones((2, 8), bool)
    if case == "the same, slower":
        emit = np.zeros((1, 34, 2), "float32")
        emit[:, 0] = emit[:, -1] = [-100, 0]
        emit[:, 1:-1] = [0, -8]
        trans = np.array([[0, -1e4], [-1e4, 0]], "float32")
        return {"emit": emit, "trans": trans, "start": np.zeros(2), "end": np.zeros(2)}, np.ones(
            (1, 34), bool
        )
    if (
        case == "too small for float32, and then the best"
    ):  # tag 1; tag 2 makes both small, and is never taken
        emit = np.zeros((1, 8, 3), "float32")
        emit[:, :4, :2] = -17.27
        emit[:, 0, 1] -= 21
        emit[:, 5, 0] = -25
        trans = np.where(np.eye(3) * [1, 1, 0] > 0, 0, -1e4)
        rare = np.array([0, 0, -1e4])
        return {"emit": emit, "trans": trans, "start": rare, "end": rare}, np.ones((1, 8), bool)
    given, mask = scores(24, 1.0, B=16, T=40, K=6), ragged(25, 16, 40)
    given["emit"] *= 30
    given["trans"][np.random.default_rng(26).random((6, 6)) < 0.4] = crf.FORBIDDEN
    return given, mask


HARD = (
    "2,000 steps",
    "2,000 steps, scores x 100",
    "bad at both ends, good between",
    "the same, slower",
    "too small for float32, and then the best",
    "forbidden transitions, emissions x 30",
)


@pytest.mark.parametrize("case", HARD)
def test_hard_scores_give_what_float64_gives_in_log_space(case):
    given, mask = hard(case)
    log_z, unary = forward_backward(**given, mask=mask)
    given = {name: v.astype("float32") for name, v in given.items()}
    y, slope = slopes(lambda **s: crf.log_partition(mask=mask, **s), given)
    np.testing.assert_allclose(y, log_z, rtol=2e-6)
    np.testing.assert_allclose(slope["emit"], unary, atol=2e-4)
    np.testing.assert_allclose(in_graph(crf.marginals, mask=mask, **given), unary, atol=2e-4)
    assert all(np.isfinite(v).all() for v in slope.values())
    assert slope["trans"].sum() == pytest.approx((mask.sum(1) - 1).sum(), rel=1e-4)


@pytest.mark.parametrize("case", HARD)
def test_likelihood_keeps_its_digits_however_large_the_sums_are(case):
    given, mask = hard(case)
    given = {name: v.astype("float32") for name, v in given.items()}
    path = in_graph(crf.best_path, mask=mask, **given)
    score = [
        given["start"][y[0]]
        + given["end"][y[-1]]
        + row[np.arange(len(y)), y].astype(float).sum()
        + given["trans"][y[:-1], y[1:]].astype(float).sum()
        for row, y in zip(given["emit"], (y[y >= 0] for y in path), strict=True)
    ]
    expected = np.array(score) - forward_backward(**given, mask=mask)[0]
    found = in_graph(crf.log_likelihood, tags=path, mask=mask, **given)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=5e-3)


def test_only_rows_that_need_it_go_the_slow_way():
    given, mask = hard(HARD[2])
    chain = crf._Chain(
        *(tf.constant(given[n], tf.float32) for n in ("emit", "trans")), mask, *[tf.zeros(2)] * 2
    )
    assert not value(crf._two_way(chain)[-1]).any()
    for scale in (1, 3, 10):
        given, mask = scores(27, scale, B=16, T=40, K=6), ragged(25, 16, 40)
        names = given["emit"], given["trans"], mask, given["start"], given["end"]
        trusted = value(crf._two_way(crf._Chain(*map(tf.constant, names)))[-1])
        assert trusted.all() or scale == 10


# Tags


def test_bio_lets_i_follow_only_its_own_b_or_i():
    names = ("O", "B-drug", "I-drug", "B-dose", "I-dose")
    trans, start, end = crf.allowed_transitions(names)
    into_drug = [bool(v) for v in trans[:, 2]]
    assert into_drug == [False, True, True, False, False]
    assert start.tolist() == [True, True, False, True, False] and end.all()
    assert trans[:, [0, 1, 3]].all()


def test_bioes_closes_what_it_opens():
    names = ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "E-y")
    trans, start, end = crf.allowed_transitions(names, "BIOES")
    follow = {i: [j for j in names if trans[names.index(i), names.index(j)]] for i in names}
    assert follow["B-x"] == follow["I-x"] == ["I-x", "E-x"] and follow["B-y"] == ["E-y"]
    assert follow["O"] == follow["E-x"] == follow["S-x"] == follow["E-y"] == ["O", "B-x", "S-x", "B-y"]
    assert [n for n, s in zip(names, start, strict=True) if s] == ["O", "B-x", "S-x", "B-y"]
    assert [n for n, e in zip(names, end, strict=True) if e] == ["O", "E-x", "S-x", "E-y"]


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_allowed_are_the_rows_that_name_whole_entities_only(scheme):
    names = ("O", *(f"{letter}-{kind}" for letter in scheme.replace("O", "") for kind in ("x", "y")))
    trans, start, end = crf.allowed_transitions(names, scheme)
    for path in itertools.product(range(len(names)), repeat=3):
        allowed = start[path[0]] and trans[path[0], path[1]] and trans[path[1], path[2]] and end[path[2]]
        row = tuple(names[tag] for tag in path)
        assert allowed == (entities.tags(3, entities.spans(row, scheme), scheme) == row)


@pytest.mark.parametrize("name", ("X-drug", "B", "drug", "E-drug", "BI-drug", "O-drug"))
def test_a_tag_outside_the_scheme_is_named(name):
    with pytest.raises(ValueError, match=f"tag '{name}' is none of BIO"):
        crf.allowed_transitions(["O", name])
    with pytest.raises(ValueError, match="scheme is 'IOB'; use 'BIO' or 'BIOES'"):
        crf.allowed_transitions(["O"], "IOB")


# Wrong input


def broken(**changes):
    return {**scores(30), "mask": MASK, "tags": np.zeros(MASK.shape, int), **changes}


def changed(array, at, v):
    array = array.copy()
    array[at] = v
    return array


REFUSED = {
    "hole": (broken(mask=changed(MASK, (0, 2), False)), "row 0 has a False before a True, at step 2"),
    "padding first": (broken(mask=MASK[:, ::-1]), "row 1 has a False before a True"),
    "empty row": (broken(mask=changed(MASK, (1, 0), False)), "mask row 1 is False throughout"),
    "mask of numbers": (broken(mask=MASK.astype("float32")), "mask has dtype float32; it must be bool"),
    "mask of another size": (broken(mask=MASK[:, :4]), r"mask has shape \(4, 4\); it must be \(4, 5\)"),
    "tag too large": (broken(tags=changed(np.zeros(MASK.shape, int), (2, 1), 3)), "tag 3 in row 2 at step 1"),
    "tag below 0": (broken(tags=changed(np.zeros(MASK.shape, int), (0, 4), -1)), "tag -1 in row 0 .* 0 to 2"),
    "tags of floats": (broken(tags=np.zeros(MASK.shape)), "tags has dtype float"),
    "tags as one-hot": (broken(tags=np.zeros((4, 5, 3), int)), r"tags has shape \(4, 5, 3\); .* \(4, 5\)"),
    "NaN": (broken(emit=changed(scores(30)["emit"], (3, 1, 2), np.nan)), r"emit is nan at \(3, 1, 2\)"),
    "never": (broken(emit=changed(scores(30)["emit"], (2, 0, 1), -np.inf)), r"emit is -inf at \(2, 0, 1\)"),
    "infinity": (
        broken(trans=changed(scores(30)["trans"], (1, 2), -np.inf)),
        r"trans is -inf at \(1, 2\).*FORB",
    ),
    "emissions of rank 2": (
        broken(emit=np.zeros((4, 3))),
        r"emit has shape \(4, 3\); .*\(batch, steps, tags\)",
    ),
    "no step": (broken(emit=np.zeros((4, 0, 3))), r"emit has shape \(4, 0, 3\)"),
    "transitions of other tags": (broken(trans=np.zeros((4, 4))), r"trans has shape \(4, 4\); .*\(3, 3\)"),
    "starts of other tags": (broken(start=np.zeros(4)), r"start has shape \(4,\); it must be \(3,\)"),
    "ends of other tags": (broken(end=np.zeros((3, 1))), r"end has shape \(3, 1\); it must be \(3,\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_refused_with_what_came_and_what_was_wanted(case):
    given, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        crf.log_likelihood(**given)
    if "tag" not in case or "transitions" in case:
        del given["tags"]
        for f in (crf.forward_algorithm, crf.log_partition, crf.marginals, crf.best_path):
            with pytest.raises(ValueError, match=message):
                f(**given)


def test_what_stands_under_padding_does_not_matter():
    given, padding = scores(31), ~MASK
    tags = np.zeros(MASK.shape, int)
    clean = crf.log_likelihood(tags=tags, mask=MASK, **given)
    given["emit"][padding], tags[padding] = np.nan, -100
    assert (value(crf.log_likelihood(tags=tags, mask=MASK, **given)) == value(clean)).all()
    _, slope = slopes(lambda **s: crf.log_likelihood(tags=tags, mask=MASK, **s), given)
    assert (slope["emit"][padding] == 0).all()


@pytest.mark.parametrize("xla", (False, True), ids=("plain graph", "XLA"))
def test_inside_a_graph_the_rows_with_wrong_input_are_nan_and_the_others_are_right(xla):
    given = broken()
    likelihood = tf.function(crf.log_likelihood, jit_compile=xla, autograph=False)
    right = value(likelihood(**{name: tf.constant(v) for name, v in given.items()}))
    assert np.isfinite(right).all()
    rows = {"hole": 0, "empty row": 1, "tag too large": 2, "tag below 0": 0, "NaN": 3, "never": 2}
    for case, row in rows.items():
        wrong = {name: tf.constant(v) for name, v in REFUSED[case][0].items()}
        if "tags" not in wrong:
            wrong["tags"] = tf.constant(given["tags"])
        found = value(likelihood(**wrong))
        assert np.isnan(found[row]), case
        others = np.arange(len(found)) != row
        np.testing.assert_allclose(found[others], right[others], rtol=1e-5)
