"""Chapter 5, entities in Chinese questions and answers (cMedQANER): dictionary, feature CRF, BiLSTM-CRF."""

import time
from itertools import chain

from medtutor.data import load_cmedqaner
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
    "medtutor.data.published.tagged.load_cmedqaner",
]

SEEDS = (0, 1, 2)
EPOCHS, BATCH = 12, 16


def run(study):
    """No pretrained vectors. All learn from "train" alone; "val" chooses the epoch; "test" is read once."""
    classical = study.each(by_hand, ["dictionary", "feature CRF"])
    neural = study.each(trained, SEEDS)
    return {"epochs": EPOCHS, "dictionary": classical[0], "feature CRF": classical[1], "BiLSTM-CRF": neural}


def by_hand(name):
    train, began = load_cmedqaner("train"), time.process_time()
    if name == "dictionary":
        names = nn.dictionary(train.x, train.y)
        return _judged(lambda x: [nn.look_up(names, tokens) for tokens in x], began)
    model = nn.fit_feature_crf(train.x, train.y, "characters")
    return _judged(lambda x: nn.tag_by_features(model, x), began)


def trained(seed):
    train, val = (load_cmedqaner(split) for split in ("train", "val"))
    began = time.process_time()
    codes = nn.codes(train.x, train.y, "characters")
    model, history = nn.train_tagger(lambda: nn.tagger(codes), codes, train, val, EPOCHS, seed, batch=BATCH)
    judged = _judged(lambda x: nn.tag(model, codes, x), began)
    return {**judged, "weights": model.count_params(), "val F1 by epoch": history["val_f1"]}


def _judged(read, began):
    """What a reader makes of "val" and "test", after the CPU-seconds that it took to learn."""
    seconds = time.process_time() - began
    val, test = (load_cmedqaner(split) for split in ("val", "test"))
    called = read(test.x)
    right = [y == p for y, p in zip(chain(*test.y), chain(*called), strict=True)]
    return {
        "val F1": entity_f1(val.y, read(val.x)),
        "test F1": entity_f1(test.y, called),
        "right tokens": sum(right) / len(right),
        "impossible tags": sum(map(nn.impossible, called)),
        "CPU-seconds": round(seconds, 1),
        "found, called, true": entity_counts(test.y, called),
    }
