"""Chapter 5's exercises: solutions against independent peers, and wrong answers in students' own words."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
import scipy.special
from answers import SEEDS

from medtutor.exercises import entity_recognition, find, grade, names

NAMES = [name for name in names() if find(name).__module__ == entity_recognition.__name__]


def test_the_exercises_stand_in_the_order_of_the_chapter():
    assert NAMES == [
        "bio_tags",
        "entities_of",
        "f1_of_entities",
        "lstm_step",
        "log_sum_exp",
        "score_of_path",
        "forward_log_z",
        "viterbi_path",
        "tag_marginals",
        "masked_mean",
        "forbid",
        "confidence_of",
    ]


# The usual student, in the student's own words


def test_tags_as_an_array_of_words_pass():
    assert grade(lambda n, e: np.array(find("bio_tags")(n, e)), name="bio_tags").state == "right"


def test_tags_that_run_over_the_end_of_the_sentence_are_recognised():
    def bio_tags(n, entities):
        tags = ["O"] * n
        for start, end, kind in entities:
            tags[start] = "B-" + kind
            for t in range(start + 1, end + 1):
                tags[t] = "I-" + kind
        return tags

    assert grade(bio_tags).mistake == "bio_tags_end_included"


def test_tags_in_one_word_are_told_what_is_wanted():
    assert "Wanted: a list of n tags" in grade(lambda n, entities: "O" * n, name="bio_tags").message


def test_entities_kept_open_in_a_variable_and_never_closed_are_recognised():
    def entities_of(tags):
        found, start = [], None
        for t, tag in enumerate(tags):
            if start is not None and tag != "I-" + kind:  # noqa: F821
                found.append((start, t, kind))  # noqa: F821
                start = None
            if tag[0] == "B":
                start, kind = t, tag.split("-")[1]  # noqa: F841
        return found

    assert grade(entities_of).mistake == "entities_of_last_lost"


def test_entities_without_their_type_are_told_what_is_wanted():
    def entities_of(tags):
        return [(start, end) for start, end, _ in find("entities_of")(tags)]

    assert "Wanted: a list of (start, end, type)" in grade(entities_of).message


def test_f1_by_precision_and_recall_is_shown_the_line_that_divides_by_zero():
    def f1_of_entities(true, called):
        right = sum(len(set(a) & set(b)) for a, b in zip(true, called, strict=True))
        precision, recall = right / sum(map(len, called)), right / sum(map(len, true))
        return 2 * precision * recall / (precision + recall)

    message = grade(f1_of_entities).message
    assert "ZeroDivisionError" in message and "precision, recall = " in message


def test_a_step_that_returns_h_alone_is_told_that_two_are_wanted():
    verdict = grade(lambda x, h, c, W, U, b: h, name="lstm_step")
    assert "Wanted: the two arrays of shape (n,), `return h, c`" in verdict.message


def test_score_by_a_loop_from_0_walks_in_a_ring():
    def score_of_path(emit, trans, tags):
        score = 0
        for t in range(len(tags)):
            score = score + emit[t][tags[t]] + trans[tags[t - 1]][tags[t]]
        return score

    assert grade(score_of_path).mistake == "score_of_path_in_a_ring"


def test_recursion_by_exp_and_log_in_each_step_overflows():
    def forward_log_z(emit, trans):
        alpha = emit[0]
        for row in emit[1:]:
            alpha = row + np.log(np.exp(alpha[:, None] + trans).sum(0))
        return np.log(np.exp(alpha).sum())

    assert grade(forward_log_z).mistake == "forward_log_z_overflows"


def test_path_with_its_score_is_told_that_a_list_is_wanted():
    verdict = grade(lambda emit, trans: (find("viterbi_path")(emit, trans), 1.5), name="viterbi_path")
    assert "Wanted: a list of T tags" in verdict.message


def test_path_as_an_array_passes():
    assert grade(lambda e, t: np.array(find("viterbi_path")(e, t)), name="viterbi_path").state == "right"


def test_marginals_whose_alpha_is_written_into_emit_are_told_to_copy():
    def tag_marginals(emit, trans):
        alpha, beta = emit, np.zeros(emit.shape)
        for t in range(1, len(emit)):
            alpha[t] = emit[t] + np.logaddexp.reduce(alpha[t - 1][:, None] + trans, axis=0)
        for t in range(len(emit) - 2, -1, -1):
            beta[t] = np.logaddexp.reduce(trans + emit[t + 1] + beta[t + 1], axis=1)
        return np.exp(alpha + beta - np.logaddexp.reduce(alpha[-1]))

    assert grade(tag_marginals).mistake == "tag_marginals_alpha_is_emit"


def test_transitions_forbidden_in_place_are_told_to_work_on_a_copy():
    def forbid(trans, names):
        trans[:] = find("forbid")(trans, names)
        return trans

    assert "changes its input trans" in grade(forbid).message


def test_gates_are_in_the_order_of_keras():
    import keras

    inputs = find("lstm_step").inputs()[2]
    layer = keras.layers.LSTM(len(inputs["h"]), return_state=True)
    layer.build((1, 1, len(inputs["x"])))
    layer.set_weights([inputs["W"], inputs["U"], inputs["b"]])
    _, *states = layer(inputs["x"][None, None], initial_state=[inputs["h"][None], inputs["c"][None]])
    assert np.allclose(np.concatenate(states), find("lstm_step")(**inputs), atol=1e-5)


# Other right ways, which double as independent peers of the solutions


def _tags_token_by_token(n, entities):
    def tag(t):
        for start, end, kind in entities:
            if start <= t < end:
                return ("B-" if t == start else "I-") + kind
        return "O"

    return [tag(t) for t in range(n)]


def _entities_by_pattern(tags):
    """In the tags as one text, where a B and what goes on with it make one match."""
    text, found = " ".join(tags), []
    for match in re.finditer(r"B-(\w+)( I-\1(?!\S))*", text):
        start = text[: match.start()].count(" ")
        found.append((start, start + match[0].count(" ") + 1, match[1]))
    return found


def _f1_of_counted_entities(true, called):
    a, b = (Counter((i, *e) for i, each in enumerate(lists) for e in each) for lists in (true, called))
    right = sum((a & b).values())
    precision, recall = right / max(1, sum(b.values())), right / sum(a.values())
    return 2 * precision * recall / (precision + recall) if right else 0


def _step_gate_by_gate(x, h, c, W, U, b):
    n = len(h)
    part = [x @ W[:, k : k + n] + h @ U[:, k : k + n] + b[k : k + n] for k in range(0, 4 * n, n)]
    gate = scipy.special.expit
    new = gate(part[1]) * c + gate(part[0]) * np.tanh(part[2])
    return gate(part[3]) * np.tanh(new), new


def _sum_two_by_two(a):
    total = a[0]
    for each in a[1:]:
        total = np.logaddexp(total, each)
    return total


def _score_by_counting(emit, trans, tags):
    """Of how often each tag is at each step, and each step between two tags is made."""
    here = np.eye(len(trans))[tags]
    return np.sum(here * emit) + np.sum(here[:-1].T @ here[1:] * trans)


def _every_path(emit, trans):
    T, K = emit.shape
    for path in itertools.product(range(K), repeat=T):
        steps = sum(trans[i, j] for i, j in itertools.pairwise(path))
        yield path, steps + sum(emit[t, k] for t, k in enumerate(path))


def _sum_of_every_path(emit, trans):
    return scipy.special.logsumexp([score for _, score in _every_path(emit, trans)])


def _sum_with_scaling(emit, trans):
    """By Rabiner's scaling: probabilities divided by their sum at each step, and the logs of the sums."""
    log_z, alpha = 0.0, 1.0
    for t, row in enumerate(emit):
        weights = np.exp(row - row.max()) * (alpha @ np.exp(trans) if t else 1.0)
        log_z += row.max() + np.log(weights.sum())
        alpha = weights / weights.sum()
    return log_z


def _best_of_every_path(emit, trans):
    return list(max(_every_path(emit, trans), key=lambda found: found[1])[0])


def _best_by_whole_paths(emit, trans):
    """With the path itself kept for each last tag, and no back-pointers."""
    best = {k: (score, [k]) for k, score in enumerate(emit[0])}
    for row in emit[1:]:
        best = {
            j: max((score + trans[i, j] + row[j], [*path, j]) for i, (score, path) in best.items())
            for j in range(len(row))
        }
    return max(best.values())[1]


def _share_of_every_path(emit, trans):
    share, log_z = np.zeros(emit.shape), _sum_of_every_path(emit, trans)
    for path, score in _every_path(emit, trans):
        share[np.arange(len(path)), path] += np.exp(score - log_z)
    return share


def _slope_of_log_z(emit, trans, h=1e-4):
    """How log Z grows with each emission, by small differences."""
    slope = np.zeros(emit.shape)
    for place in np.ndindex(emit.shape):
        more = np.zeros(emit.shape)
        more[place] = h
        slope[place] = (_sum_with_scaling(emit + more, trans) - _sum_with_scaling(emit - more, trans)) / 2 / h
    return slope


def _mean_by_loop(losses, mask):
    real = [
        loss for row, keep in zip(losses, mask, strict=True) for loss, k in zip(row, keep, strict=True) if k
    ]
    return sum(real) / len(real)


def _mean_of_masked_array(losses, mask):
    return np.ma.masked_array(losses, ~mask).mean()


def _forbidden_by_pattern(trans, names):
    """A step is allowed where its two names, side by side, do not read as a stray I."""
    stray = re.compile(r"(O|[BI]-(\w+)) I-(?!\2$)")
    table = [[bool(stray.match(f"{a} {b}")) for b in names] for a in names]
    return np.where(table, -10000.0, trans)


def _share_of_paths_with_tags(emit, trans, start, tags):
    log_z = _sum_of_every_path(emit, trans)
    paths = _every_path(emit, trans)
    these = tuple(tags.tolist())
    return sum(np.exp(s - log_z) for path, s in paths if path[start : start + len(these)] == these)


def _confidence_by_chain(emit, trans, start, tags):
    """The first tag's marginal, then each tag given the one before it, by the backward sums alone."""
    beta = np.zeros(emit.shape)
    for t in range(len(emit) - 2, -1, -1):
        beta[t] = scipy.special.logsumexp(trans + emit[t + 1] + beta[t + 1], axis=1)
    share = _share_of_every_path(emit, trans)[start, tags[0]]
    for t, (i, j) in enumerate(itertools.pairwise(tags), start + 1):
        share *= np.exp(trans[i, j] + emit[t, j] + beta[t, j] - beta[t - 1, i])
    return share


ALTERNATIVES = {
    "bio_tags": [_tags_token_by_token],
    "entities_of": [_entities_by_pattern],
    "f1_of_entities": [_f1_of_counted_entities],
    "lstm_step": [_step_gate_by_gate],
    "log_sum_exp": [scipy.special.logsumexp, _sum_two_by_two],
    "score_of_path": [_score_by_counting],
    "forward_log_z": [_sum_of_every_path, _sum_with_scaling],
    "viterbi_path": [_best_of_every_path, _best_by_whole_paths],
    "tag_marginals": [_share_of_every_path, _slope_of_log_z],
    "masked_mean": [_mean_by_loop, _mean_of_masked_array],
    "forbid": [_forbidden_by_pattern],
    "confidence_of": [_share_of_paths_with_tags, _confidence_by_chain],
}


@pytest.mark.parametrize("name, other", [(n, o) for n, others in ALTERNATIVES.items() for o in others])
@pytest.mark.parametrize("seed", SEEDS)
def test_other_right_ways_pass(name, other, seed):
    assert str(grade(other, name=name, seed=seed)).startswith(f"✓ {name}: right.")


def test_every_exercise_has_another_right_way():
    assert set(ALTERNATIVES) == set(NAMES)
