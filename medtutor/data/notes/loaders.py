"""The labelled sets made from the notes: entities as BIO tags, and pairs of entities with their relation."""

from bisect import bisect_left
from functools import cache

import numpy as np

from medtutor.data.dataset import Card, Dataset, check_split
from medtutor.data.notes.table import RELATIONS, TYPES
from medtutor.data.notes.writer import check_language, spans, write_notes
from medtutor.tags import tags

SIZES = {"train": 2000, "val": 300, "test": 400}
PAIRS = {  # types of (head, tail) that a relation can join
    ("drug", "disease"): "treats",
    ("disease", "symptom"): "has_symptom",
    ("test", "disease"): "reveals",
    ("disease", "anatomy"): "located_in",
    ("drug", "symptom"): "causes",
}
LABELS = ("none", *RELATIONS)
MEASURED = {  # F1 on the test split, by benchmarks/notes_difficulty.py
    "en": {
        "dictionary": 0.53,
        "feature CRF": 0.84,
        "names": 0.60,
        "words between": 0.71,
        "linear": 0.89,
    },
    "zh": {
        "dictionary": 0.48,
        "feature CRF": 0.84,
        "names": 0.58,
        "words between": 0.71,
        "linear": 0.89,
    },
}
_NAMES = {"en": "English", "zh": "Chinese"}


def load_notes(split, language="en", *, sentences=False):
    """Clinical notes with the spans of diseases, symptoms, drugs, tests and parts of the body.

    x  n tuples of tokens: words, numbers and signs in English, single characters in Chinese ("zh")
    y  n tuples of tags, a tag a token: "B-disease" begins an entity, "I-disease" goes on, "O" is outside
    extra["notes"]  the Note of each: text, entities with offsets and status (absent, family …), relations
    n = 2000 train, 300 val, 400 test notes, each of a patient of its own. With sentences=True each sentence
    is an example; extra["notes"] is then its whole note, extra["start"] and extra["end"] its place there.

    The test split has names (of diseases, drugs …) and frames of sentences that no other split has. Some
    words have a type only in their sentence: glucose is given or measured, anemia found or complained of.

    Measured, seed 0, test split, F1 of exact spans with their type: a dictionary of the training names .53 in
    English and .48 in Chinese, a feature CRF .84 and .84 (benchmarks/notes_difficulty.py).
    ValueError for another split or language.
    Source: written by write_notes from this course's own table; simulated, no medical knowledge, no advice.
    """
    check_split(split)
    check_language(language)
    notes, rows = _tagged(split, language)
    if sentences:
        parts = [part for row in zip(notes, rows, strict=True) for part in _sentences(*row)]
        notes, x, y, start, end = zip(*parts, strict=True)
        extra = {"notes": notes, "start": np.array(start), "end": np.array(end)}
    else:
        x, y = (tuple(column) for column in zip(*((tokens, tags) for tokens, tags, _ in rows), strict=True))
        extra = {"notes": notes}
    patients = np.array([note.patient for note in notes])
    return Dataset(tuple(x), tuple(y), TYPES, patients, split, "tokens", _card(language), extra=extra)


def load_relations(split, language="en"):
    """Pairs of entities in one sentence of a clinical note, and the relation that it asserts between them.

    x  n tuples of tokens: the sentence, as in load_notes
    y  (n,) int64: 0 "none", 1 "treats" (drug, disease), 2 "has_symptom" (disease, symptom), 3 "reveals"
       (test, disease), 4 "located_in" (disease, anatomy), 5 "causes" (drug, symptom)
    extra["head"], extra["tail"]  (n, 2) int64: first token of each end and one past its last
    extra["types"]                n pairs of types, head first
    extra["head_name"], extra["tail_name"]  (n,) str: names in the table; a model must not see them
    extra["notes"]                the Note of each
    All pairs of fitting types in a sentence are there. Many labelled "none" hold in other notes: the same two
    names, but here denied, ruled out, a relative's, stopped, refused, or not what the sentence speaks of.

    Measured, seed 0, test split, micro F1 without "none": look-up of the two names .60 in English and .58 in
    Chinese, look-up of the words between them .71 and .71, a linear model on words .89 and .89.
    ValueError for another split or language.
    Source: written by write_notes from this course's own table; simulated, no medical knowledge, no advice.
    """
    check_split(split)
    check_language(language)
    notes, rows = _tagged(split, language)
    pairs = [pair for row in zip(notes, rows, strict=True) for pair in _pairs(*row)]
    note, x, y, head, tail, types, heads, tails = zip(*pairs, strict=True)
    extra = {
        "head": np.array(head),
        "tail": np.array(tail),
        "types": types,
        "head_name": np.array(heads),
        "tail_name": np.array(tails),
        "notes": note,
    }
    patients = np.array([one.patient for one in note])
    return Dataset(x, np.array(y), LABELS, patients, split, "tokens", _card(language, True), extra=extra)


@cache
def _tagged(split, language):
    """(notes, for each its tokens, tags and token spans)"""
    notes = write_notes(SIZES[split], language, 0, split)
    return notes, tuple(_row(note) for note in notes)


def _row(note):
    where = spans(note.text, note.language)
    entities = [(*_tokens_of(where, entity.start, entity.end), entity.type) for entity in note.entities]
    tokens = tuple(note.text[start:end] for start, end in where)
    return tokens, tags(len(tokens), entities), where


def _tokens_of(where, start, end):
    """First token that starts at or after `start`, and the first that starts at or after `end`."""
    return bisect_left(where, (start,)), bisect_left(where, (end,))


def _sentences(note, row):
    tokens, tags, where = row
    for sentence in note.sentences:
        first, last = _tokens_of(where, sentence.start, sentence.end)
        yield note, tokens[first:last], tags[first:last], sentence.start, sentence.end


def _pairs(note, row):
    tokens, _, where = row
    label = {(r.head, r.tail): LABELS.index(r.name) for r in note.relations}
    for sentence in note.sentences:
        first, last = _tokens_of(where, sentence.start, sentence.end)
        inside = [i for i, e in enumerate(note.entities) if sentence.start <= e.start < sentence.end]
        place = {i: _tokens_of(where, note.entities[i].start, note.entities[i].end) for i in inside}
        for i in inside:
            for j in inside:
                head, tail = note.entities[i], note.entities[j]
                if (head.type, tail.type) in PAIRS:
                    ends = [tuple(token - first for token in place[k]) for k in (i, j)]
                    types = (head.type, tail.type)
                    yield note, tokens[first:last], label.get((i, j), 0), *ends, types, head.name, tail.name


def _card(language, relations=False):
    what = (
        "the relation between two entities of a sentence"
        if relations
        else "entities of five types as BIO tags"
    )
    measured = MEASURED[language]
    shown = ("names", "words between", "linear") if relations else ("dictionary", "feature CRF")
    figures = ", ".join(f"{name} {measured[name]:.2f}" for name in shown)
    return Card(
        title=f"Clinical notes, {_NAMES[language]}{', relations' if relations else ''}",
        what=f"Notes of invented patients (complaint, history, tests, assessment, plan), with {what}. "
        f"Test F1 of simple readers, measured with seed 0: {figures}.",
        source="Written by this course's generator from its own table of 95 diseases and its own sentences; "
        "no patient and no hospital's text stand behind it.",
        licence="MIT, as the code; may be passed on",
        citation="medtutor, CITATION.cff",
        simulated=True,
        not_for="It must not be used as medical knowledge; it gives no treatment advice. The table is "
        "simplified, doses are left out on purpose, and much is said as a counter-example. No figure "
        "measured on it tells how a model reads the notes of a hospital.",
    )
