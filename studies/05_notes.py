"""Chapter 5, entities in English notes: dictionary, feature CRF, BiLSTM, BiLSTM-CRF; learning curve."""

import time
from itertools import chain
from types import SimpleNamespace

from medtutor.data import load_notes
from medtutor.metrics import entity_counts, entity_f1
from medtutor.nn import tagging as nn

USES = [
    "medtutor.nn.tagging.dictionary",
    "medtutor.nn.tagging.look_up",
    "medtutor.nn.tagging.fit_feature_crf",
    "medtutor.nn.tagging.tag_by_features",
    "medtutor.nn.tagging.codes",
    "medtutor.nn.tagging.tagger",
    "medtutor.nn.tagging.train_tagger",
    "medtutor.nn.tagging.tag",
    "medtutor.nn.tagging.impossible",
    "medtutor.nn.crf.CRF",
    "medtutor.nn.crf.CRFLoss",
    "medtutor.metrics.entity_counts",
    "medtutor.metrics.entity_f1",
    "medtutor.tags.spans",
    "medtutor.data.notes.frames",
    "medtutor.data.notes.patient",
    "medtutor.data.notes.table",
    "medtutor.data.notes.writer",
    "medtutor.data.notes.loaders.load_notes",
]

SEEDS = (0, 1, 2)
NOTES = 2000
EPOCHS = {125: 20, 500: 10, 2000: 4}  # by the notes that are learnt from
UNITS = {"en": "words", "zh": "characters"}


def run(study):
    """The epoch is chosen on "val", which has no unseen names; "test" has them, and is read once."""
    by_hand = study.each(classical, [(name, "en", NOTES) for name in ("dictionary", "feature CRF")])
    neural = {name: study.each(trained, [(name, "en", NOTES, seed) for seed in SEEDS]) for name in NEURAL}
    few = [notes for notes in EPOCHS if notes < NOTES]
    curve = {
        "feature CRF": study.each(classical, [("feature CRF", "en", notes) for notes in few]),
        "BiLSTM-CRF": [
            study.each(trained, [("BiLSTM-CRF", "en", notes, seed) for seed in SEEDS]) for notes in few
        ],
    }
    return {
        "epochs": list(EPOCHS.values()),
        "dictionary": by_hand[0],
        "feature CRF": by_hand[1],
        **neural,
        "notes learnt from": list(EPOCHS),
        "test F1 of the feature CRF": [_f1(each) for each in (*curve["feature CRF"], by_hand[1])],
        "test F1 of the BiLSTM-CRF": [
            [_f1(each) for each in seeds] for seeds in (*curve["BiLSTM-CRF"], neural["BiLSTM-CRF"])
        ],
    }


NEURAL = ("BiLSTM", "BiLSTM-CRF")


def _f1(judged):
    return judged["test F1"]


def classical(name, language, notes):
    train, began = _first(notes, language), time.process_time()
    if name == "dictionary":
        names = nn.dictionary(train.x, train.y)
        return _judged(lambda x: [nn.look_up(names, tokens) for tokens in x], language, began)
    model = nn.fit_feature_crf(train.x, train.y, UNITS[language])
    return _judged(lambda x: nn.tag_by_features(model, x), language, began)


def trained(name, language, notes, seed):
    train, val = _first(notes, language), load_notes("val", language, sentences=True)
    began = time.process_time()
    codes = nn.codes(train.x, train.y, UNITS[language])
    model, history = nn.train_tagger(
        lambda: nn.tagger(codes, 50, 50, crf=name == "BiLSTM-CRF"),
        *(codes, train, val),
        epochs=EPOCHS[notes],
        seed=seed,
    )
    judged = _judged(lambda x: nn.tag(model, codes, x), language, began)
    return {**judged, "weights": model.count_params(), "val F1 by epoch": history["val_f1"]}


def _first(notes, language):
    """The sentences of the first notes of the training set."""
    train = load_notes("train", language, sentences=True)
    chosen = set(list(dict.fromkeys(train.patients))[:notes])
    rows = [i for i, patient in enumerate(train.patients) if patient in chosen]
    return SimpleNamespace(x=[train.x[i] for i in rows], y=[train.y[i] for i in rows])


def _judged(read, language, began):
    """What a reader makes of "val" and "test", after the CPU-seconds that it took to learn."""
    seconds = time.process_time() - began
    val, test = (load_notes(split, language, sentences=True) for split in ("val", "test"))
    called = read(test.x)
    right = [y == p for y, p in zip(chain(*test.y), chain(*called), strict=True)]
    counts = entity_counts(test.y, called)
    return {
        "val F1": entity_f1(val.y, read(val.x)),
        "test F1": entity_f1(test.y, called),
        "right tokens": sum(right) / len(right),
        "impossible tags": sum(map(nn.impossible, called)),
        "CPU-seconds": round(seconds, 1),
        "found, called, true, by note": [
            counts[test.patients == note].sum(0) for note in dict.fromkeys(test.patients)
        ],
    }
