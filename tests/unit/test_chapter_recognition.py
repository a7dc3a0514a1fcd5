"""Chapter 5's own functions, taken from its cells, against something simpler than they are."""

import re
from collections import Counter
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

import medtutor.data
from medtutor.course.build import ROOT, read_source
from medtutor.tags import spans

CELLS = {
    cell.id: cell.source
    for cell in read_source(ROOT / "notebooks" / "source" / "05_entity_recognition.py").notebook.cells
}


def functions_of(*ids, **names):
    """What the cells of these ids define, run one after the other with `names` there already."""
    names = {"np": np, "Counter": Counter, "re": re, "spans": spans, **names}
    for each in ids:
        exec(CELLS[each], names)
    return SimpleNamespace(**{name: value for name, value in names.items() if name.isidentifier()})


@pytest.fixture(scope="module")
def crf():
    return functions_of("path-code", "forward-code", "viterbi-code", "marginals-code")


def cases():
    rng = np.random.default_rng(5)
    for T, K in ((1, 3), (2, 2), (4, 3), (5, 2)):
        yield rng.normal(size=(T, K)) * 2, rng.normal(size=(K, K)) * 2


def every_path(e, A):
    """All paths with their scores, added up step by step."""
    for y in product(range(e.shape[1]), repeat=len(e)):
        score = sum(e[t, k] for t, k in enumerate(y))
        yield y, score + sum(A[i, j] for i, j in zip(y, y[1:], strict=False))


@pytest.mark.parametrize("e, A", list(cases()))
def test_the_scores_sums_and_best_paths_are_those_of_every_path(crf, e, A):
    paths = dict(every_path(e, A))
    for y, score in paths.items():
        assert crf.path_score(e, A, np.array(y)) == pytest.approx(score)
    z = sum(np.exp(score) for score in paths.values())
    assert np.exp(crf.forward(e, A)[-1]).sum() == pytest.approx(z)
    path, delta = crf.viterbi(e, A)
    assert tuple(path) == max(paths, key=paths.get)
    assert delta[-1].max() == pytest.approx(max(paths.values()))
    share = np.zeros(e.shape)
    for y, score in paths.items():
        share[np.arange(len(e)), y] += np.exp(score) / z
    assert np.allclose(crf.marginals(e, A), share)


def test_each_alpha_and_beta_sums_the_paths_up_to_there_and_from_there(crf):
    e, A = next(case for case in cases() if len(case[0]) == 4)
    alpha, beta = crf.forward(e, A), crf.backward(e, A)
    for t, k in product(range(4), range(3)):
        before = [score for y, score in every_path(e[: t + 1], A) if y[-1] == k]
        after = [score - e[t, k] for y, score in every_path(e[t:], A) if y[0] == k]
        assert np.exp(alpha[t, k]) == pytest.approx(np.exp(before).sum())
        assert np.exp(beta[t, k]) == pytest.approx(np.exp(after).sum())


def test_the_lstm_by_hand_keeps_writes_and_shows_as_its_gates_say():
    lstm = functions_of("lstm-code").lstm
    W, U = np.zeros((1, 4)), np.zeros((1, 4))
    for gates, expected in (
        ((50, 50, 50, 50), [1, 2, 3]),  # all open, g = 1: c counts the steps
        ((-50, 50, 50, 50), [0, 0, 0]),  # nothing is written
        ((50, -50, 50, 50), [1, 1, 1]),  # nothing is kept
        ((50, 50, -50, 50), [-1, -2, -3]),  # g = -1
    ):
        states = lstm(np.zeros((3, 1)), W, U, np.array(gates, float))
        assert np.allclose(states[:, 0], np.tanh(expected), atol=1e-9)
    shown = lstm(np.zeros((3, 1)), W, U, np.array([50, 50, 50, -50.0]))
    assert np.abs(shown).max() < 1e-9  # nothing is shown


def test_words_that_meet_are_counted_within_two_tokens_and_both_ways():
    met = functions_of("neighbours-code").met
    n = met([["a", "b", "c", "a"], ["d", "a"]], ["a", "b", "c"]).toarray()
    assert n.tolist() == [[0, 2, 2], [2, 0, 1], [2, 1, 0]]


def test_each_true_entity_has_one_kind_of_error():
    errors_of = functions_of("errors-code").errors_of
    true = [(0, 2, "drug"), (3, 4, "test"), (5, 6, "drug"), (7, 9, "test")]
    called = [(0, 2, "drug"), (3, 4, "drug"), (8, 9, "test")]
    assert errors_of(true, called) == {"right": 1, "type": 1, "missed": 1, "ends": 1}
    assert errors_of([(0, 2, "drug")], [(0, 1, "test"), (1, 2, "drug")]) == {"ends": 1}
    assert errors_of(true, []) == {"missed": 4}


def test_negated_looks_at_six_words_before_within_the_sentence():
    negated = functions_of("negation-code").negated
    text = "No rash. Fever, no cough or sore throat after all these many long weeks of pain."
    sentences = [SimpleNamespace(start=0, end=8), SimpleNamespace(start=9, end=len(text))]
    note = SimpleNamespace(text=text, sentences=sentences)

    def said(words):
        return negated(note, SimpleNamespace(start=text.index(words)))

    assert [said(words) for words in ("rash", "Fever", "cough", "sore throat", "pain")] == [
        True, False, True, True, False,
    ]  # fmt: skip


def test_reader_gives_offsets_in_the_text_as_it_came():
    names = dict(
        codes=None, reader="reader", emissions="emissions", sure=lambda e, found: np.full(len(found), 0.75)
    )

    def tag(model, codes, x):
        return [["B-drug" if token.startswith("warfarin") else "O" for token in row] for row in x]

    tagging = SimpleNamespace(tag=tag, predicted=lambda *given: [None])
    read = functions_of("reader-code", tagging=tagging, **names).read
    text = " Took  warfarin 2.5 mg.\nNo warfarine?! warfarin"
    found = read(text)
    assert [text[each["start"] : each["end"]] for each in found] == ["warfarin", "warfarine", "warfarin"]
    assert [each["words"] for each in found] == ["warfarin", "warfarine", "warfarin"]
    assert {each["type"] for each in found} == {"drug"} and {each["confidence"] for each in found} == {0.75}
    assert read("") == read(" \n\t") == read("?!…") == []


def test_a_number_with_a_point_does_not_end_a_sentence():
    pattern = functions_of("reader-code", tagging=None).SENTENCE
    text = "INR 2.5 on Monday. Fever? No!\nCough"
    assert [m[0].strip() for m in pattern.finditer(text)] == ["INR 2.5 on Monday.", "Fever?", "No!", "Cough"]


def test_confidence_of_an_entity_is_its_share_of_every_path():
    from medtutor.nn import crf

    names = ["O", "B-drug", "I-drug"]
    rng = np.random.default_rng(1)
    e, A = rng.normal(size=(4, 3)).astype("float32"), rng.normal(size=(3, 3)).astype("float32")
    start, end = rng.normal(size=3).astype("float32"), rng.normal(size=3).astype("float32")
    emissions = SimpleNamespace(output=None)
    layer = SimpleNamespace(scores=lambda: {"trans": A, "start": start, "end": end})
    reader = SimpleNamespace(input=None, layers=[layer], get_layer=lambda name: emissions)
    keras = SimpleNamespace(Model=lambda *given: None)
    codes = SimpleNamespace(tags=names)
    sure = functions_of("confidence-code", keras=keras, reader=reader, codes=codes, crf=crf).sure
    found = [(0, 2, "drug"), (1, 2, "drug"), (3, 4, "drug")]
    share, z = dict.fromkeys(found, 0.0), 0.0
    for y, score in every_path(e, A):
        weight = np.exp(score + start[y[0]] + end[y[-1]])
        z += weight
        for each in found:
            share[each] += weight * (each in spans([names[k] for k in y]))
    assert np.allclose(sure(e, found), [share[each] / z for each in found], atol=1e-5)


def test_the_cell_for_published_sets_trains_both_readers(monkeypatch):
    from medtutor.metrics import entity_f1
    from medtutor.nn import tagging

    sentences = [("takes", drug, "daily", ".") for drug in ("aspirin", "warfarin", "digoxin", "insulin")] * 40
    data = SimpleNamespace(x=sentences, y=[("O", "B-drug", "O", "O")] * len(sentences))
    monkeypatch.setattr(medtutor.data, "load", lambda name, split: data)
    on = functions_of(
        "real-code", tagging=tagging, train_tagger=tagging.train_tagger, tagger=tagging.tagger,
        fit_feature_crf=tagging.fit_feature_crf, tag_by_features=tagging.tag_by_features, entity_f1=entity_f1,
    ).on  # fmt: skip
    assert on("a set", epochs=12, size=16) == {"feature CRF": 1.0, "BiLSTM-CRF": 1.0}
