"""What the loaders of published sets share."""

import hashlib

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import Dataset


def dataset(name, split, x, y, patients, unit, **more):
    """A Dataset with the card and the classes of the published set `name`; its count is checked."""
    registry.check_count(name, split, len(x))
    each = registry.published(name)
    if not isinstance(patients, np.ndarray):
        patients = np.array(patients, dtype=str)
    return Dataset(
        x, y, classes=each.classes, patients=patients, split=split, unit=unit, card=each.card, **more
    )


def numbered(name, split, n):
    """Ids for n examples whose patients are not known: "pneumoniamnist-train-00001" …"""
    return np.array([f"{name}-{split}-{i:05d}" for i in range(1, n + 1)], dtype=str)


def hash_order(keys, seed):
    """Positions of the keys (str) in an order that only they and the seed decide, on every machine alike."""
    digests = [hashlib.sha256(f"{seed} {key}".encode()).digest() for key in keys]
    return sorted(range(len(digests)), key=digests.__getitem__)


def cut(items, split, shares=(0.6, 0.2)):
    """The part of `items` (in their order) that is `split`: a share for train, one for val, the rest test."""
    first = round(len(items) * shares[0])
    second = first + round(len(items) * shares[1])
    return {"train": items[:first], "val": items[first:second], "test": items[second:]}[split]


def tags(starts, ends, spans):
    """Tags of words by B-, I- and O.

    starts, ends  where each word begins and ends in the text; the end is one behind the last character
    spans         (start, end, type) of the entities in the text; where two overlap, the longer one is kept

    A word that an entity covers in part is of the entity.
    """
    marked = ["O"] * len(starts)
    for start, end, kind in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        inside = [i for i, (a, b) in enumerate(zip(starts, ends, strict=True)) if a < end and b > start]
        if inside and all(marked[i] == "O" for i in inside):
            marked[inside[0]] = f"B-{kind}"
            for i in inside[1:]:
                marked[i] = f"I-{kind}"
    return tuple(marked)
