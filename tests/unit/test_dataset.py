"""The one shape of all sets: what it refuses, and what a reader sees of it."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from medtutor.data import Card, Dataset, first_patients

CARD = Card("Set <1>", "what", "source", "CC0", "cite", True, "decisions")


def dataset(**changes):
    parts = dict(
        x=np.zeros((3, 2, 2), np.float32),
        y=np.array([0, 1, 1]),
        classes=("well", "ill"),
        patients=np.array(["a", "b", "b"]),
        split="train",
        unit="1 = white",
        card=CARD,
        bounds=(0, 1),
        extra={"side": np.array(["l", "r", "l"])},
    )
    return Dataset(**{**parts, **changes})


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"y": np.array([0, 1])}, "x has 3 examples and y 2"),
        ({"patients": np.array(["a"])}, "x has 3 examples and patients 1"),
        ({"extra": {"mask": np.zeros((4, 2, 2))}}, "x has 3 examples and mask 4"),
        ({"split": "dev"}, "split is 'dev'; use 'train', 'val' or 'test'"),
        ({"split": None}, "split is None; use 'train', 'val' or 'test'"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        dataset(**changes)


def test_an_empty_set_is_refused():
    with pytest.raises(ValueError, match="x has none"):
        dataset(x=np.zeros((0, 2)), y=np.zeros(0, int), patients=np.array([]), extra={})


def test_a_card_that_leaves_a_line_empty_is_refused():
    with pytest.raises(ValueError, match="not_for"):
        replace(CARD, not_for=" ")


def test_nothing_in_a_set_can_be_changed():
    data = dataset()
    for array in (data.x, data.y, data.patients, data.extra["side"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
    with pytest.raises(TypeError):
        data.extra["side"] = None
    with pytest.raises(FrozenInstanceError):
        data.split = "test"


def test_a_set_prints_its_counts_and_its_card():
    text = repr(dataset())
    assert "train: 3 examples of 2 patients" in text
    assert "3 × 2 × 2 float32, 0 to 1; 1 = white" in text
    assert "1 well, 2 ill" in text
    assert "SIMULATED" in text and "decisions" in text and "CC0" in text
    assert "SIMULATED" not in repr(replace(CARD, simulated=False))


def test_long_names_stand_apart_from_what_they_name():
    text = repr(dataset(extra={"a_rather_long_name": np.zeros(3)}))
    assert "a_rather_long_name 3 float64" in text and "split              train" in text


def test_html_escapes_what_a_card_says_and_names_every_row():
    page = dataset()._repr_html_()
    assert "Set &lt;1&gt;" in page and "<1>" not in page
    assert page.count("<th scope='row'") == len(dataset().rows()) + len(CARD.rows())


def test_tagged_sentences_print_how_many_there_are():
    data = dataset(x=(("a",), ("b",), ("c",)), y=(("O",), ("O",), ("B-x",)), classes=("x",), bounds=None)
    assert "3 tuples; 1 = white" in repr(data) and "3 tuples: x" in repr(data)


def test_first_patients_keeps_all_examples_of_as_many_patients_in_their_order():
    some = first_patients(dataset(patients=np.array(["b", "a", "b"])), 1)
    assert some.patients.tolist() == ["b", "b"]
    assert some.y.tolist() == [0, 1] and some.x.shape == (2, 2, 2)
    assert some.extra["side"].tolist() == ["l", "l"]
    assert (some.split, some.classes, some.card) == ("train", ("well", "ill"), CARD)


def test_first_patients_keeps_rows_of_words():
    words = dataset(
        x=(("a",), ("b", "c"), ("d",)), y=(("O",), ("O", "O"), ("O",)), extra={"n": ("1", "2", "3")}
    )
    assert first_patients(words, 1).x == (("a",),)
    assert first_patients(words, 2).x == words.x and first_patients(words, 2).extra["n"] == ("1", "2", "3")


@pytest.mark.parametrize("n", [0, 3])
def test_first_patients_refuses_more_than_there_are(n):
    with pytest.raises(ValueError, match=f"n is {n}; the train split has 2 patients"):
        first_patients(dataset(), n)
