"""Chapter 5's taggers, each against something simpler than the code: hand counts, enumeration, reversal."""

import functools
import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from medtutor.nn import tagging as nn
from medtutor.nn.crf import allowed_transitions

X = (
    ("No", "fever", "after", "Aspirin", "100", "mg", "."),
    ("Chest", "pain", "."),
    ("aspirin", "for", "chest", "pain", "at", "rest"),
)
Y = (
    ("O", "B-symptom", "O", "B-drug", "O", "O", "O"),
    ("B-symptom", "I-symptom", "O"),
    ("B-drug", "O", "B-symptom", "I-symptom", "O", "O"),
)

# Keras saves weights by a way of numpy that numpy 2 warns of
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

# The dictionary


def test_dictionary_holds_each_entity_in_small_letters_with_its_type():
    assert nn.dictionary(X, Y) == {
        ("fever",): "symptom",
        ("aspirin",): "drug",
        ("chest", "pain"): "symptom",
    }


def test_dictionary_takes_the_commonest_type():
    x = (("glucose",),) * 3
    assert nn.dictionary(x, (("B-test",), ("B-drug",), ("B-test",))) == {("glucose",): "test"}


def test_look_up_takes_the_longest_name_that_begins_first():
    names = {("chest",): "anatomy", ("chest", "pain"): "symptom", ("pain", "at", "rest"): "symptom"}
    tokens = ("CHEST", "Pain", "at", "rest", "chest")
    assert nn.look_up(names, tokens) == ("B-symptom", "I-symptom", "O", "O", "B-anatomy")


def test_look_up_finds_its_own_training_entities():
    names = nn.dictionary(X, Y)
    assert [nn.look_up(names, tokens) for tokens in X] == list(Y)


@pytest.mark.parametrize("names", [{}, {("a", "b", "c", "d"): "drug"}])
def test_look_up_of_what_cannot_match_says_outside(names):
    assert nn.look_up(names, ("a", "b")) == ("O", "O")
    assert nn.look_up(names, ()) == ()


# The feature CRF


def test_features_of_a_word_are_those_counted_by_hand():
    row = nn.features(("History", ":", "Has", "HbA1c"))[3]
    assert row == [
        *["w=hba1c", "s=AaA0a", "h=history", "1"],
        *["<2=hb", "<3=hba", "<4=hba1", ">2=1c", ">3=a1c", ">4=ba1c"],
        *["-2=:", "-1=has", "1=$", "2=$$"],
        *["-1:has hba1c", "+1:hba1c $", "<>has $", "-21:: has", "+12:$ $$"],
    ]


def test_features_of_a_character_are_those_counted_by_hand():
    row = nn.features(("诊", "断", "：", "贫", "血"), "characters")[3]
    assert row == [
        *["1", "h=诊断", "d=False", "a=False"],
        *["-2=断", "-1=：", "0=贫", "1=血", "2=$"],
        *["-2b=断：", "-1b=：贫", "0b=贫血", "1b=血$"],
        *["-2t=断：贫", "-1t=：贫血", "0t=贫血$"],
        *["<>： 血", "<<>断： 血"],
    ]


@pytest.mark.parametrize("function", [nn.features, nn.parts])
def test_an_unknown_unit_is_refused(function):
    with pytest.raises(ValueError, match="unit is 'letters'; use 'words' or 'characters'"):
        function(("a",), "letters")


def drawn(lengths, K=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, K)) for n in lengths], rng.normal(size=(K, K))


def paths(emit, trans):
    """{path: its score} by enumeration."""
    return {
        path: sum(emit[t, k] for t, k in enumerate(path))
        + sum(trans[i, j] for i, j in itertools.pairwise(path))
        for path in itertools.product(range(len(trans)), repeat=len(emit))
    }


def test_forward_backward_equals_the_sum_over_all_paths_of_rows_of_any_length():
    rows, trans = drawn([3, 1, 4, 2, 4])
    order, steps = nn.by_step([len(row) for row in rows])
    log_z, at_tag, at_pair = nn.forward_backward(np.array([rows[i][t] for i, t in order]), trans, steps)
    total, pairs = 0.0, np.zeros((3, 3))
    for i, row in enumerate(rows):
        p = {path: np.exp(score) for path, score in paths(row, trans).items()}
        z = sum(p.values())
        total += np.log(z)
        for t, k in np.ndindex(row.shape):
            wanted = sum(weight for path, weight in p.items() if path[t] == k) / z
            np.testing.assert_allclose(at_tag[order.index((i, t)), k], wanted, rtol=1e-9)
        for path, weight in p.items():
            for pair in itertools.pairwise(path):
                pairs[pair] += weight / z
    np.testing.assert_allclose(log_z, total)
    np.testing.assert_allclose(at_pair, pairs)


def test_the_loss_of_features_is_minus_the_log_likelihood_and_slopes_as_it_does():
    rng = np.random.default_rng(1)
    order, steps = nn.by_step([2, 3])
    gold = rng.integers(0, 2, 5)
    X = nn.one_hot_features([["a"], ["b", "a"], ["c"], ["b"], ["unknown"]], {"a": 0, "b": 1, "c": 2})
    loss, theta = nn._loss_of_features(X, gold, 2, steps, 0.5), rng.normal(size=3 * 2 + 4)
    emit, trans = X @ theta[:6].reshape(3, 2), theta[6:].reshape(2, 2)
    wanted = 0.25 * theta @ theta
    for i, n in enumerate([2, 3]):
        places = [order.index((i, t)) for t in range(n)]
        scores = paths(emit[places], trans)
        wanted += np.log(sum(map(np.exp, scores.values()))) - scores[tuple(gold[places])]
    value, slope = loss(theta)
    np.testing.assert_allclose(value, wanted)
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        risen = (loss(theta + step)[0] - loss(theta - step)[0]) / 2e-5
        np.testing.assert_allclose(slope[i], risen, atol=1e-7)


def test_feature_crf_learns_its_training_rows():
    assert nn.tag_by_features(nn.fit_feature_crf(X, Y, l2=0.01, at_least=1), X) == list(Y)


def test_tagging_by_features_takes_the_best_of_all_paths_of_each_row():
    (weights,), trans = drawn([12])
    columns = {name: i for i, name in enumerate(["w=a", "w=b", "w=c", "-1=a", "-1=b", "-1=c", "1=a", "1=b"])}
    model = nn.FeatureCRF(columns, ("O", "B-x", "I-x"), weights[: len(columns)], trans)
    rows = [("a", "b", "c", "a", "b"), ("c",), ("b", "a", "a", "c")]
    best = []
    for tokens in rows:
        scores = paths(nn.one_hot_features(nn.features(tokens), columns) @ model.weights, trans)
        best.append(tuple(model.tags[k] for k in max(scores, key=scores.get)))
    emitted = [nn.one_hot_features(nn.features(tokens), columns) @ model.weights for tokens in rows]
    assert nn.tag_by_features(model, rows) == best
    assert best != [tuple(model.tags[k] for k in emit.argmax(1)) for emit in emitted]


def test_features_seen_less_often_than_asked_are_left_out():
    model = nn.fit_feature_crf(X, Y, at_least=2, iterations=1)
    assert "w=aspirin" in model.columns and "w=fever" not in model.columns


# From tokens to numbers


def test_vocabulary_numbers_the_commonest_first_from_two():
    assert nn.vocabulary(["b", "a", "b", "c", "a", "b"], at_least=2) == {"b": 2, "a": 3}


def test_parts_of_a_word_are_its_shape_and_ends():
    assert nn.parts(("Anaemia-12",)) == [("s=Aaa-00", "<3=ana", ">2=00", ">3=-00", ">4=a-00")]
    assert nn.parts(("II",)) == [("s=AA", "<3=ii", ">2=ii", ">3=ii", ">4=ii")]


def test_parts_of_a_character_are_its_pairs():
    assert nn.parts(("贫", "血"), "characters") == [("<^贫", ">贫血"), ("<贫血", ">血$")]


def test_encoding_keeps_every_known_word_part_and_letter_and_pads_with_nothing():
    c = nn.codes(X, Y, letters=True)
    encoded = nn.encode(c, X)
    assert {name: each.shape for name, each in encoded.items()} == {
        "words": (3, 8),
        "parts": (3, 8, 5),
        "letters": (3, 8, nn.LETTERS),
    }
    words = {number: word for word, number in c.words.items()}
    letters = {number: letter for letter, number in c.letters.items()}
    seen = {number: part for part, number in c.parts.items()}
    for i, tokens in enumerate(X):
        for t, token in enumerate(tokens):
            assert words[encoded["words"][i, t]] == nn.normal(token)
            assert "".join(letters[n] for n in encoded["letters"][i, t] if n) == token
            said = [seen.get(n, "rare") for n in encoded["parts"][i, t]]
            assert said == [part if part in c.parts else "rare" for part in nn.parts([token])[0]]
        for each in encoded.values():
            assert not each[i, len(tokens) :].any() and each[i, : len(tokens)].any()


def test_what_training_did_not_hold_is_encoded_as_one():
    c = nn.codes(X, Y, letters=True)
    encoded = nn.encode(c, [("FEVER", "Zyyy", "9 99")])
    assert encoded["words"][0, 0] == c.words["fever"] and encoded["words"][0, 1] == 1
    assert encoded["parts"][0, 1].tolist() == [c.parts["s=Aaa"], 1, 1, 1, 1]
    assert encoded["letters"][0, 1, :5].tolist() == [1, 1, 1, 1, 0]


def test_digits_are_alike_for_the_vocabulary():
    c = nn.codes((("100", "mg"),), (("O", "O"),))
    assert nn.encode(c, [("250",)])["words"][0, 0] == c.words["000"]


def test_words_rarer_than_asked_are_unknown():
    c = nn.codes(X, Y, at_least=2)
    assert set(c.words) == {"aspirin", "chest", "pain", "."}


def test_tags_are_encoded_so_that_their_names_come_back():
    c = nn.codes(X, Y)
    encoded = nn.encode_tags(c, Y)
    assert encoded.shape == (3, 8)
    for row, y in zip(encoded, Y, strict=True):
        assert tuple(c.tags[k] for k in row[: len(y)]) == y and (row[len(y) :] == -1).all()
    with pytest.raises(ValueError, match="tag 'B-test' is not among B-drug, B-symptom, I-symptom, O"):
        nn.encode_tags(c, [("B-test",)])


# Batches


def many(n=70, seed=0):
    """Rows of 1 to 20 tokens: a word after "the" is a name; words are told by their ends."""
    rng = np.random.default_rng(seed)
    x, y = [], []
    for _ in range(n):
        tokens = [
            f"{'abcdefgh'[rng.integers(8)]}{rng.choice(['itis', 'ly'])}" for _ in range(rng.integers(1, 21))
        ]
        x.append(tuple(tokens))
        y.append(tuple("B-disease" if token.endswith("itis") else "O" for token in tokens))
    return SimpleNamespace(x=tuple(x), y=tuple(y))


def test_batches_hold_every_sentence_once_with_its_tags_and_little_padding():
    data = many()
    c = nn.codes(data.x, data.y)
    sentences = nn.Sentences(c, data.x, data.y, batch=16, unknown=0.0)
    words = {number: word for word, number in c.words.items()}
    for _ in range(2):
        met = []
        for x, y in (sentences[i] for i in range(len(sentences))):
            assert x["words"].shape == y.shape and y.shape[1] % 8 == 0
            lengths = (x["words"] > 0).sum(1)
            assert y.shape[1] - lengths.max() < 8 and ((y >= 0) == (x["words"] > 0)).all()
            assert lengths.max() - lengths.min() <= 12
            for row, tags, n in zip(x["words"], y, lengths, strict=True):
                met.append((tuple(words[k] for k in row[:n]), tuple(c.tags[k] for k in tags[:n])))
        assert sorted(met) == sorted(zip(data.x, data.y, strict=True))
        sentences.on_epoch_end()


def test_the_first_two_batches_are_the_shortest_and_the_longest():
    data = many()
    sentences = nn.Sentences(nn.codes(data.x, data.y), data.x, data.y, batch=8)
    longest = [sentences[i][1].shape[1] for i in range(len(sentences))]
    assert longest[0] == min(longest) and longest[1] == max(longest)
    assert len(nn.Sentences(nn.codes(X, Y), X, Y)) == 1


def test_a_word_seen_n_times_is_taken_for_unknown_with_u_in_u_plus_n_and_its_parts_never_are():
    x = tuple(("common", "common", f"rare{chr(97 + i // 26)}{chr(97 + i % 26)}") for i in range(200))
    y = (("O", "O", "O"),) * 200
    c = nn.codes(x, y)
    sentences = nn.Sentences(c, x, y, batch=200, unknown=1.0)
    encoded, wanted = sentences[0][0], nn.encode(c, x)
    unknown = encoded["words"] == 1
    assert 0.4 < unknown[:, 2].mean() < 0.6 and unknown[:, :2].mean() < 0.02
    assert (encoded["words"][:, 3:] == 0).all()
    np.testing.assert_array_equal(encoded["parts"], wanted["parts"][sentences.batches[0]])
    other = nn.Sentences(c, x, y, batch=200, unknown=0.0)
    assert (other[0][0]["words"][:, :3] > 1).all()


# Vectors from text without tags


TEXT = (
    ("no", "chest", "pain", "today", "."),
    ("no", "knee", "pain", "today"),
    ("the", "chest", "is", "clear", "."),
    ("alone",),
)


def test_pairs_of_words_are_those_counted_by_hand():
    words = ["pain", "no", "today", "chest"]
    n = nn.met(TEXT, words).toarray()
    assert n.tolist() == [[0, 2, 2, 1], [2, 0, 0, 1], [2, 0, 0, 1], [1, 1, 1, 0]]
    assert nn.met(TEXT, words, reach=1).toarray()[0].tolist() == [0, 0, 2, 1]
    assert nn.met((("pain", "pain"),), words).toarray()[0, 0] == 2, "each is beside the other"


def test_vectors_of_words_are_the_first_singular_vectors_of_ppmi_counted_in_loops():
    words = sorted({word for row in TEXT for word in row})
    n = np.zeros((len(words), len(words)))
    for row in TEXT:
        for i, j in itertools.product(range(len(row)), repeat=2):
            n[words.index(row[i]), words.index(row[j])] += 0 < abs(i - j) <= 2
    ppmi = np.zeros_like(n)
    for a, b in itertools.product(range(len(words)), repeat=2):
        if n[a, b]:
            ppmi[a, b] = max(0, np.log(n[a, b] * n.sum() / (n[a].sum() * n[:, b].sum())))
    u, s, _ = np.linalg.svd(ppmi)
    wanted = u[:, :4] * np.sqrt(s[:4])
    length = np.linalg.norm(wanted, axis=1)
    met = length > 1e-9
    wanted[met] /= length[met, None]
    found = nn.word_vectors(TEXT, words, 4)
    assert [words[i] for i in np.flatnonzero(~met)] == ["alone"]
    assert abs(s[3] - s[4]) > 0.01, "else the first four are not determined"
    np.testing.assert_allclose(found @ found.T, wanted @ wanted.T, atol=1e-6)


@pytest.mark.parametrize("text", [(), (("no",), ("pain",), ()), (("no", "no"),)])
def test_a_text_in_which_words_do_not_meet_is_refused(text):
    with pytest.raises(ValueError, match="no two of the words meet in this text more often than by chance"):
        nn.word_vectors(text, ["no", "pain", "today"], 2)


def test_fewer_words_than_a_vector_has_numbers_are_refused():
    with pytest.raises(ValueError, match="4 words; vectors of 4 numbers take at least 5"):
        nn.word_vectors(TEXT, ["no", "pain", "today", "chest"], 4)


def test_a_tagger_starts_from_the_vectors_given_and_keeps_the_rest():
    codes = nn.codes(X, Y)
    c = nn.more_words(codes, ("ibuprofen",))
    model = nn.tagger(c, size=3, units=2)
    before = model.get_weights()
    assert nn.start_from(model, c, ("ibuprofen", "Fever"), np.array([[1, 2, 3], [4, 5, 6]])) is model
    (which,) = (i for i, w in enumerate(before) if w.shape == (len(c.words) + 2, 3))
    before[which][c.words["ibuprofen"]] = 1, 2, 3
    before[which][c.words["fever"]] = 4, 5, 6
    for wanted, found in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(wanted, found)


def test_further_words_get_the_next_numbers_and_known_ones_keep_theirs():
    codes = nn.codes(X, Y)
    more = nn.more_words(codes, ("ibuprofen", "Fever", "250", "ibuprofen", "colic"))
    assert {word: more.words[word] for word in codes.words} == codes.words
    new = {word: number for word, number in more.words.items() if word not in codes.words}
    assert new == {"ibuprofen": len(codes.words) + 2, "colic": len(codes.words) + 3}, "250 is 000, as 100 was"
    assert sorted(more.words.values()) == list(range(2, len(more.words) + 2))
    assert "ibuprofen" not in codes.words and more.parts == codes.parts and more.tags == codes.tags


@pytest.mark.parametrize(
    ("words", "shape", "said"),
    [
        (("fever",), (1, 4), r"vectors of shape \(1, 4\); for this tagger 1 words need an array \(1, 3\)"),
        (("fever", "pain"), (1, 3), r"\(1, 3\); for this tagger 2 words need an array \(2, 3\)"),
        (("fever", "ibuprofen"), (2, 3), "'ibuprofen' is not in the codes"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(words, shape, said):
    c = nn.codes(X, Y)
    with pytest.raises(ValueError, match=said):
        nn.start_from(nn.tagger(c, size=3, units=2), c, words, np.ones(shape))


# The tagger


def drawn_tagger(c, seed=0, **options):
    """A tagger with random weights, large enough that each token sees its neighbours."""
    model = nn.tagger(c, size=8, units=6, **options)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize(("crf", "letters"), [(True, True), (False, False)])
def test_what_a_tagger_answers_does_not_depend_on_padding_or_company(crf, letters):
    c = nn.codes(X, Y, letters=letters)
    model = nn.probabilities(drawn_tagger(c, crf=crf))
    together = nn.predicted(model, c, (*X, X[0] * 5))
    for tokens, p in zip(X, together, strict=False):
        assert p.shape == (len(tokens), 4)
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-5)
        np.testing.assert_allclose(p, nn.predicted(model, c, [tokens])[0], atol=1e-5)


def test_each_token_is_read_in_the_light_of_both_neighbours():
    c = nn.codes(X, Y)
    model = nn.probabilities(drawn_tagger(c, crf=False))
    p, other = nn.predicted(model, c, [("for", "chest", "rest"), ("mg", "chest", "rest")])
    assert np.abs(p[1:] - other[1:]).max() > 1e-4
    other = nn.predicted(model, c, [("for", "chest", "at")])[0]
    assert np.abs(p[:2] - other[:2]).max() > 1e-4


def test_parts_and_letters_tell_unknown_words_apart():
    c = nn.codes(X, Y, letters=True)
    vectors = drawn_tagger(c, crf=False)
    one, two = nn.predicted(vectors, c, [("qqain",), ("zzest",)])
    assert np.abs(one - two).max() > 1e-4
    bare = c._replace(parts={}, letters={})
    one, two = nn.predicted(drawn_tagger(bare, crf=False), bare, [("qqain",), ("zzest",)])
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_letter_cnn_takes_the_largest_answer_of_each_filter_over_all_places():
    c = nn.codes(X, Y, letters=True)
    letters = keras.Input((None, nn.LETTERS), dtype="int32")
    model = keras.Model(letters, nn.letter_cnn(c, letters, filters=4, size=3))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    table, kernel, bias = model.get_weights()
    encoded = nn.encode(c, X)["letters"]
    padded = np.pad(table[encoded], ((0, 0), (0, 0), (1, 1), (0, 0)))
    places = [
        np.einsum("ntlc,lcf->ntf", padded[:, :, i : i + 3], kernel[0]) + bias for i in range(nn.LETTERS)
    ]
    wanted = np.maximum(np.max(places, axis=0), 0)
    np.testing.assert_allclose(model(encoded), wanted, atol=1e-5)


def test_with_a_crf_no_impossible_row_of_tags_comes_out_and_without_one_some_do():
    c = nn.codes(X, Y)
    allowed, first, _ = allowed_transitions(c.tags)
    rng = np.random.default_rng(0)
    words = list(itertools.chain(*X))
    rows = [tuple(rng.choice(words, 10)) for _ in range(60)]

    def impossible(tags):
        k = [c.tags.index(tag) for tag in tags]
        return not (first[k[0]] and all(allowed[i, j] for i, j in itertools.pairwise(k)))

    assert not any(map(impossible, nn.tag(drawn_tagger(c), c, rows)))
    assert any(map(impossible, nn.tag(drawn_tagger(c, crf=False), c, rows)))


def test_a_crf_answers_the_best_path_and_its_probabilities_are_marginals_by_enumeration():
    c = nn.codes(X, Y)
    model = drawn_tagger(c)
    scores = {name: np.array(score) for name, score in model.layers[-1].scores().items()}
    emissions = keras.Model(model.input, model.get_layer("emissions").output)
    rows = [("fever",), ("mg", "for"), *(tokens[:n] for tokens in X for n in (1, 2, 3))]
    emitted, sure = nn.predicted(emissions, c, rows), nn.predicted(nn.probabilities(model), c, rows)
    for emit, p, tags in zip(emitted, sure, nn.tag(model, c, rows), strict=True):
        total = {
            path: score + scores["start"][path[0]] + scores["end"][path[-1]]
            for path, score in paths(emit, scores["trans"]).items()
        }
        weights = {path: np.exp(score - max(total.values())) for path, score in total.items()}
        for t, k in np.ndindex(p.shape):
            wanted = sum(w for path, w in weights.items() if path[t] == k) / sum(weights.values())
            np.testing.assert_allclose(p[t, k], wanted, atol=1e-5)
        assert tags == tuple(c.tags[k] for k in max(total, key=total.get))


def test_a_saved_tagger_tags_alike(tmp_path):
    c = nn.codes(X, Y, letters=True)
    model = drawn_tagger(c)
    model.save(tmp_path / "tagger.keras")
    again = keras.models.load_model(tmp_path / "tagger.keras")
    assert nn.tag(again, c, X) == nn.tag(model, c, X)


def test_impossible_counts_each_i_that_goes_on_with_nothing():
    assert nn.impossible(("I-drug", "B-drug", "I-drug", "I-test", "O", "I-test", "I-test")) == 3
    assert nn.impossible(("B-drug", "I-drug", "I-drug", "O", "B-test")) == nn.impossible(()) == 0


# Training


def learnt(crf):
    """(data, codes, model, history, what callbacks were told) of a small tagger that had twenty sentences."""
    data, told = many(20), []
    c = nn.codes(data.x, data.y)
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: told.append(logs["val_f1"]))
    model, history = nn.train_tagger(
        lambda: nn.tagger(c, size=8, units=8, dropout=0.0, crf=crf),
        *(c, data, data),
        epochs=8,
        rate=0.05,
        batch=4,
        callbacks=[watch],
    )
    return data, c, model, history, told


first = functools.cache(learnt)


@pytest.mark.parametrize("crf", [True, False])
def test_a_small_tagger_learns_twenty_sentences_and_says_how_it_went(crf):
    data, c, model, history, told = first(crf)
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    assert told == history["val_f1"] and max(told) == 1.0
    assert nn.tag(model, c, data.x) == list(data.y)


def test_training_ends_with_the_weights_of_its_best_epoch(monkeypatch):
    outside = tuple(("O",) * len(row) for row in Y)
    answers = {"first": (Y[0], *outside[1:]), "second": Y, "third": outside}
    model = SimpleNamespace(weights="none")
    model.get_weights = lambda: model.weights
    model.set_weights = lambda weights: setattr(model, "weights", weights)
    monkeypatch.setattr(nn, "tag", lambda model, codes, x: answers[model.weights])
    watch, told = nn.Validation(None, SimpleNamespace(x=X, y=Y)), []
    watch.set_model(model)
    for epoch, model.weights in enumerate(answers):
        logs = {}
        watch.on_epoch_end(epoch, logs)
        told.append(logs["val_f1"])
    watch.on_train_end()
    assert model.weights == "second" and told == [pytest.approx(2 * 2 / (2 + 5)), 1.0, 0.0]


def test_the_same_seed_gives_the_same_tagger():
    for a, b in zip(first(True)[2].get_weights(), learnt(True)[2].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_another_seed_draws_other_batches():
    data = many()
    c = nn.codes(data.x, data.y)
    one, two, other = (nn.Sentences(c, data.x, data.y, seed, batch=8).batches for seed in (0, 0, 1))
    assert all(map(np.array_equal, one, two)) and not all(map(np.array_equal, one, other))
