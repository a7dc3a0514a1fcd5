"""Metrics of entities: counted by hand, by trying every matching, and by seqeval."""

import numpy as np
import pytest

from medtutor.metrics import (
    Undefined,
    difference_interval,
    entity_counts,
    entity_f1,
    entity_precision,
    entity_recall,
    f1_of_counts,
    interval,
    token_accuracy,
)
from medtutor.tags import spans, tags

# Three sentences: four true entities, five called, of which two are right to the last token and type.
Y = [
    "B-drug I-drug O B-test".split(),  # warfarin sodium before INR
    "O O O".split(),
    "O B-drug B-symptom I-symptom I-symptom".split(),
]
P = [
    "B-drug I-drug O B-drug".split(),  # the first right, the second of the wrong type
    "O B-test O".split(),  # called where nothing is
    "O B-drug O B-symptom I-symptom".split(),  # the first right, the second a token too short
]
MATCHED = ("exact", "partial", "boundaries")
METRICS = [entity_precision, entity_recall, entity_f1]


def rows(text):
    return [row.split() for row in text.split(" / ")]


def random_rows(rng, n=4, longest=9, kinds="ab", scheme="BIO"):
    """Rows of whole entities."""
    return [random_row(rng, rng.integers(1, longest), kinds, scheme) for _ in range(n)]


def random_row(rng, length, kinds="ab", scheme="BIO"):
    chosen, at = [], 0
    while at < length:
        end = min(length, at + int(rng.integers(1, 4)))
        if rng.random() < 0.6:
            chosen.append((at, end, str(rng.choice(list(kinds)))))
        at = end
    return tags(length, chosen, scheme)


def random_letters(rng, length, scheme="BIO"):
    """Any tags at all, as an untrained model calls them."""
    names = ["O", *(f"{x}-{k}" for x in scheme.replace("O", "") for k in "ab")]
    return [str(rng.choice(names)) for _ in range(length)]


def most_pairs(true, called, fit):
    """The largest number of pairs that fit, by trying each entity with each other one and alone."""
    if not true:
        return 0
    first, *rest = true
    paired = [
        1 + most_pairs(rest, called[:i] + called[i + 1 :], fit)
        for i, other in enumerate(called)
        if fit(first, other)
    ]
    return max([most_pairs(rest, called, fit), *paired])


FITS = {
    "exact": lambda a, b: a == b,
    "partial": lambda a, b: a[2] == b[2] and bool(set(range(*a[:2])) & set(range(*b[:2]))),
    "boundaries": lambda a, b: a[:2] == b[:2],
}


def test_three_sentences_are_counted_as_by_hand():
    assert entity_counts(Y, P).tolist() == [[1, 2, 2], [0, 1, 0], [1, 2, 2]]
    assert entity_counts(Y, P, match="partial").tolist() == [[1, 2, 2], [0, 1, 0], [2, 2, 2]]
    assert entity_counts(Y, P, match="boundaries").tolist() == [[2, 2, 2], [0, 1, 0], [1, 2, 2]]
    assert entity_counts(Y, P, "drug").tolist() == [[1, 2, 1], [0, 0, 0], [1, 1, 1]]
    assert entity_counts(Y, P, "anatomy").tolist() == [[0, 0, 0]] * 3
    assert entity_precision(Y, P) == 2 / 5
    assert entity_recall(Y, P) == 2 / 4
    assert entity_f1(Y, P) == pytest.approx(2 / (5 / 2 + 4 / 2))
    assert entity_precision(Y, P, "drug") == 2 / 3 and entity_recall(Y, P, "drug") == 1
    assert entity_recall(Y, P, match="partial") == 3 / 4
    assert token_accuracy(Y, P) == (3 + 2 + 3) / (4 + 3 + 5)


def test_all_sentences_count_together_and_not_each_alone():
    """One sentence of nine entities and one of one: 9 of 10 and not the mean of the two sentences."""
    y = [["B-a"] * 9, ["B-b"]]
    p = [["B-a"] * 9, ["O"]]
    assert entity_recall(y, p) == 9 / 10
    assert entity_f1(y, p) == pytest.approx(18 / 19)
    y, p = [["B-a"] * 9 + ["O"]], [["B-a"] * 9 + ["B-b"]]
    assert entity_precision(y, p) == 9 / 10


def test_an_entity_is_matched_in_part_only_once():
    whole, cut = [tags(5, [(0, 5, "a")])], [tags(5, [(0, 2, "a"), (2, 3, "a"), (4, 5, "a")])]
    assert entity_counts(whole, cut, match="partial").tolist() == [[1, 3, 1]]
    assert entity_counts(cut, whole, match="partial").tolist() == [[1, 1, 3]]
    left, right = [tags(6, [(0, 2, "a"), (2, 5, "a")])], [tags(6, [(1, 4, "a"), (4, 6, "a")])]
    assert entity_counts(left, right, match="partial").tolist() == [[2, 2, 2]]


def test_entities_that_only_touch_share_no_token():
    y, p = [tags(4, [(0, 2, "a")])], [tags(4, [(2, 4, "a")])]
    assert entity_counts(y, p, match="partial").tolist() == [[0, 1, 1]]
    assert entity_counts(p, y, match="partial").tolist() == [[0, 1, 1]]


def test_an_inside_after_outside_counts_only_where_leniently_read():
    y, p = [["O", "B-a", "I-a"]], [["O", "I-a", "I-a"]]
    assert entity_counts(y, p).tolist() == [[0, 0, 1]] and entity_f1(y, p) == 0
    assert entity_counts(y, p, strict=False).tolist() == [[1, 1, 1]] and entity_f1(y, p, strict=False) == 1


@pytest.mark.parametrize("match", MATCHED)
@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_the_best_of_all_matchings(match, seed):
    rng = np.random.default_rng(seed)
    for _ in range(60):
        length = int(rng.integers(1, 10))
        true, called = spans(random_row(rng, length)), spans(random_row(rng, length))
        found = entity_counts([tags(length, true)], [tags(length, called)], match=match)
        assert found.tolist() == [[most_pairs(true, called, FITS[match]), len(called), len(true)]]


def test_found_in_part_is_never_less_than_exactly_and_types_add_up():
    rng = np.random.default_rng(0)
    y = random_rows(rng, 50)
    p = [random_letters(rng, len(row)) for row in y]
    for match in ("exact", "partial"):
        by_type = [entity_counts(y, p, kind, match) for kind in "ab"]
        assert np.array_equal(sum(by_type), entity_counts(y, p, match=match))
    exact, partial, ends = (entity_counts(y, p, match=match)[:, 0] for match in MATCHED)
    assert (exact <= partial).all() and (exact <= ends).all() and exact.sum() < partial.sum()


def test_swapping_truth_and_model_swaps_precision_and_recall():
    rng = np.random.default_rng(1)
    y = random_rows(rng, 30)
    p = [random_row(rng, len(row)) for row in y]
    for match in MATCHED:
        assert entity_precision(y, p, match=match) == entity_recall(p, y, match=match)
        assert entity_f1(y, p, match=match) == entity_f1(p, y, match=match)


# ---- seqeval ----

# What seqeval 1.2.2 says (precision, recall, F1 over all types, micro): in its strict mode, and in its own.
# The first three are the cases of its own documentation.
SEQEVAL = [
    (
        "as in its README",
        "O O O B-MISC I-MISC I-MISC O / B-PER I-PER O",
        "O O B-MISC I-MISC I-MISC I-MISC O / B-PER I-PER O",
        "BIO",
        (0.5, 0.5, 0.5),
        (0.5, 0.5, 0.5),
        0.8,
    ),
    (
        "as in its f1_score",
        "O O B-MISC I-MISC B-MISC O O / B-PER I-PER O",
        "O O B-MISC I-MISC B-MISC I-MISC O / B-PER I-PER O",
        "BIO",
        (0.666667, 0.666667, 0.666667),
        (0.666667, 0.666667, 0.666667),
        0.9,
    ),
    (
        "as in its strict mode",
        "B-NP I-NP O",
        "I-NP I-NP O",
        "BIO",
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        0.666667,
    ),
    ("all right", "B-a I-a O B-b", "B-a I-a O B-b", "BIO", (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 1.0),
    ("nothing called", "B-a I-a O B-b", "O O O O", "BIO", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.25),
    ("another type", "B-a I-a O B-b", "B-b I-b O B-b", "BIO", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 0.5),
    ("an end too far", "B-a I-a O O", "B-a I-a I-a O", "BIO", (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.75),
    (
        "one entity cut in two",
        "B-a I-a I-a I-a",
        "B-a I-a B-a I-a",
        "BIO",
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        0.75,
    ),
    (
        "two entities in one",
        "B-a I-a B-a I-a",
        "B-a I-a I-a I-a",
        "BIO",
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        0.75,
    ),
    (
        "a type that changes inside",
        "B-a I-a O",
        "B-a I-b O",
        "BIO",
        (0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
        0.666667,
    ),
    (
        "an inside after outside",
        "O B-a O B-b / O",
        "I-a I-a O B-b / I-b",
        "BIO",
        (1.0, 0.5, 0.666667),
        (0.333333, 0.5, 0.4),
        0.4,
    ),
    (
        "a rare type and a common one",
        "B-a B-a B-a B-a B-b O",
        "B-a B-a B-a B-a O B-b",
        "BIO",
        (0.8, 0.8, 0.8),
        (0.8, 0.8, 0.8),
        0.666667,
    ),
    (
        "BIOES, all right",
        "S-a B-b I-b E-b O",
        "S-a B-b I-b E-b O",
        "BIOES",
        (1.0, 1.0, 1.0),
        (1.0, 1.0, 1.0),
        1.0,
    ),
    (
        "BIOES, an end that is missing",
        "S-a B-b I-b E-b O",
        "S-a B-b I-b I-b O",
        "BIOES",
        (1.0, 0.5, 0.666667),
        (1.0, 1.0, 1.0),
        0.8,
    ),
    (
        "BIOES, a begin that is missing",
        "S-a B-b I-b E-b O",
        "S-a I-b I-b E-b O",
        "BIOES",
        (1.0, 0.5, 0.666667),
        (1.0, 1.0, 1.0),
        0.8,
    ),
]


@pytest.mark.parametrize(
    ("y", "p", "scheme", "strictly", "leniently", "tokens"),
    [case[1:] for case in SEQEVAL],
    ids=[case[0] for case in SEQEVAL],
)
def test_entities_are_judged_as_seqeval_judges_them(y, p, scheme, strictly, leniently, tokens):
    y, p = rows(y), rows(p)
    assert token_accuracy(y, p) == pytest.approx(tokens, abs=1e-6)
    for strict, wanted in ((True, strictly), (False, leniently)):
        if entity_counts(y, p, strict=strict, scheme=scheme)[:, 1].any():
            found = [metric(y, p, strict=strict, scheme=scheme) for metric in METRICS]
        else:  # seqeval gives the precision 0 where nothing was called; here it is Undefined
            found = [0, *(metric(y, p, strict=strict, scheme=scheme) for metric in METRICS[1:])]
        assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_random_rows_are_judged_as_seqeval_judges_them(scheme):
    reason = "seqeval is not installed; it is not among this project's dependencies"
    peer = pytest.importorskip("seqeval.metrics", reason=reason)
    from seqeval.scheme import IOB2, IOBES

    strict = {"mode": "strict", "scheme": {"BIO": IOB2, "BIOES": IOBES}[scheme]}
    rng = np.random.default_rng(2)
    for _ in range(100):
        y = random_rows(rng, 5, scheme=scheme)
        p = [random_letters(rng, len(row), scheme) for row in y]
        p[0], p[1] = y[0], ["O"] * len(y[1])
        y, p = [*map(list, y), ["B-a"] if scheme == "BIO" else ["S-a"]], [*map(list, p), ["O"]]
        p[-1] = y[-1]
        for ours, of in zip(METRICS, ("precision_score", "recall_score", "f1_score"), strict=True):
            theirs = getattr(peer, of)
            assert ours(y, p, scheme=scheme) == pytest.approx(theirs(y, p, **strict))
            assert ours(y, p, scheme=scheme, strict=False) == pytest.approx(theirs(y, p))
        assert token_accuracy(y, p) == pytest.approx(peer.accuracy_score(y, p))


# ---- intervals ----


def test_an_interval_of_counts_is_that_of_the_sentences_drawn():
    rng = np.random.default_rng(3)
    y = random_rows(rng, 60)
    p = [row if rng.random() < 0.6 else random_row(rng, len(row)) for row in y]
    who = np.repeat(np.arange(20), 3)
    counts = entity_counts(y, p)

    def by_sentence(rows):
        return entity_f1([y[i] for i in rows], [p[i] for i in rows])

    for patients in (None, who):
        found = interval(f1_of_counts, counts, patients=patients, draws=100)
        assert found == interval(by_sentence, np.arange(60), patients=patients, draws=100)
        assert found.low < found.value == entity_f1(y, p) < found.high
    assert found.patients == 20


def test_the_difference_of_two_models_counts_the_same_sentences():
    rng = np.random.default_rng(4)
    y = random_rows(rng, 60)
    a, b = ([row if rng.random() < share else random_row(rng, len(row)) for row in y] for share in (0.8, 0.3))
    found = difference_interval(f1_of_counts, None, entity_counts(y, a), entity_counts(y, b), draws=100)
    assert found.value == pytest.approx(entity_f1(y, a) - entity_f1(y, b))
    assert found.low > 0

    def difference(rows):
        truth = [y[i] for i in rows]
        return entity_f1(truth, [a[i] for i in rows]) - entity_f1(truth, [b[i] for i in rows])

    assert found == pytest.approx(interval(difference, np.arange(60), draws=100))


# ---- what has no value, and what is refused ----


def test_what_nobody_called_or_nothing_is_has_no_value():
    something, nothing = [["B-a", "O"]], [["O", "O"]]
    with pytest.raises(Undefined, match="entity_precision needs at least one called entity; p has none"):
        entity_precision(something, nothing)
    assert entity_recall(something, nothing) == entity_f1(something, nothing) == 0
    for p in (something, nothing):
        for metric in (entity_recall, entity_f1):
            with pytest.raises(Undefined, match=f"{metric.__name__} needs at least one true entity; y has"):
                metric(nothing, p)
    assert entity_precision(nothing, something) == 0
    with pytest.raises(Undefined, match="true entity of type 'b'; y has none"):
        entity_f1(something, something, "b")
    for empty in ([], [[]]):
        assert entity_counts(empty, empty).tolist() == [[0, 0, 0]] * len(empty)
        for metric in (*METRICS, token_accuracy):
            with pytest.raises(Undefined):
                metric(empty, empty)


@pytest.mark.parametrize("metric", [entity_counts, *METRICS, token_accuracy])
@pytest.mark.parametrize(
    ("y", "p", "said"),
    [
        ([["O"]], [["O"], ["O"], ["O"]], "y has 1 rows and p 3; they must match"),
        ([], [["O"]], "y has 0 rows and p 1"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "row 1 has 2 tags in y and 1 in p; they must match"),
        (["O", "B-a"], ["O", "B-a"], r"y\[0\] is 'O'; rows of tags are wanted: of one sentence, \[y\]"),
        ([["O"]], ["O"], r"p\[0\] is 'O'; rows of tags are wanted"),
    ],
)
def test_rows_that_do_not_match_are_refused(metric, y, p, said):
    with pytest.raises(ValueError, match=said):
        metric(y, p)


@pytest.mark.parametrize("metric", [entity_counts, *METRICS])
def test_what_cannot_be_counted_is_refused(metric):
    for words, said in (
        ({"match": "overlap"}, "match is 'overlap'; use one of 'exact', 'partial', 'boundaries'"),
        ({"match": "boundaries", "kind": "a"}, "asks for no type, but kind is 'a'"),
        ({"scheme": "IOB"}, "scheme is 'IOB'"),
    ):
        with pytest.raises(ValueError, match=said):
            metric([["B-a"]], [["B-a"]], **words)
    with pytest.raises(ValueError, match="tag 'E-a' is none of BIO"):
        metric([["B-a", "E-a"]], [["B-a", "O"]])


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ([1, 2, 3], r"counts has shape \(3,\); \(n, 3\) is wanted"),
        ([[1, 2]], r"counts has shape \(1, 2\)"),
        ([[1, 0, 2]], "a row with more found than called or true"),
        ([[2, 3, 1]], "a row with more found than called or true"),
        ([[-1, 3, 1]], "a row with more found"),
        ([[0, 2, 0]], "f1_of_counts needs at least one true entity"),
    ],
)
def test_counts_that_are_none_are_refused(counts, said):
    with pytest.raises(ValueError, match=said):
        f1_of_counts(counts)
