"""Corpora whose words carry tags: NCBI disease, cMedQANER, and a user's own copies of CCKS 2017 and CMeEE."""

import json
import re
from pathlib import Path

from medtutor.data import registry
from medtutor.data.dataset import check_split
from medtutor.data.files import read_tagged
from medtutor.data.published.common import cut, dataset, numbered, tags


def load_ncbi_disease(split):
    """Sentences of PubMed abstracts with the mentions of diseases.

    x n tuples of words, y n tuples of tags (B-Disease, I-Disease, O), n = 5424 / 923 / 940 sentences with
    5134 / 787 / 960 mentions. The publisher's "devel" is "val". `patients` numbers sentences.
    Source: Doğan et al., J Biomed Inform 47:1 (2014); tokens and tags of Crichton et al., BMC Bioinformatics
    18:368 (2017).
    """
    check_split(split)
    file = {"train": "train.tsv", "val": "devel.tsv", "test": "test.tsv"}[split]
    return _tagged("ncbi_disease", split, file, "words")


def load_cmedqaner(split):
    """Chinese medical questions and answers from the web with eleven types of entity.

    x n tuples of characters, y n tuples of tags (B-body, I-body …, O), n = 1673 / 175 / 215 records with
    12490 / 1024 / 1340 mentions. The publisher's "dev" is "val"; its underscore in tags is a hyphen here.
    `patients` numbers records.
    Source: Zhang et al., arXiv:2008.10813 (2020), repository ChineseBLUE.
    """
    check_split(split)
    file = {"train": "train.txt", "val": "dev.txt", "test": "test.txt"}[split]
    return _tagged("cmedqaner", split, file, "characters", separator=" ", joint="_")


def load_ccks2017(split, folder=None):
    """Chinese hospital records of CCKS 2017 task 2, from your own copy.

    folder  the training data as the organisers give them: files NAME-7.txtoriginal.txt (the text) beside
            NAME-7.txt (a line "mention<tab>first<tab>last<tab>type" for each entity), in any subfolders

    x n tuples of characters, y n tuples of tags with the types of the organisers in Chinese. Of each ten
    record numbers, those that end in 0 are test and those in 9 val. `patients` are record numbers.
    Source: CCKS 2017; may not be passed on.
    """
    check_split(split)
    texts = sorted(_own_copy("ccks2017", folder).rglob("*.txtoriginal.txt"), key=lambda path: path.name)
    ending = {"0": "test", "9": "val"}
    sections = [
        (number, path) for path in texts if ending.get((number := _number(path))[-1], "train") == split
    ]
    if not sections:
        raise registry.DataNotHere(f"{folder} has no file *-NUMBER.txtoriginal.txt of the split {split!r}")
    x, y = zip(*(_ccks_section(path) for _, path in sections), strict=True)
    return dataset("ccks2017", split, x, y, [f"record-{number}" for number, _ in sections], "characters")


def load_cmeee(split, folder=None):
    """Sentences of Chinese medical books with nine types of entity (CMeEE), from your own copy.

    folder  holds CMeEE_train.json and CMeEE_dev.json as the organisers give them

    x n tuples of characters, y n tuples of tags (B-dis, I-dis …, O); of nested entities the longest is kept.
    The publisher's test has no labels: test is CMeEE_dev.json, val the last tenth of CMeEE_train.json, train
    the rest. `patients` numbers sentences.
    Source: CBLUE, Zhang et al., ACL 2022; may not be passed on.
    """
    check_split(split)
    path = _own_copy("cmeee", folder) / ("CMeEE_dev.json" if split == "test" else "CMeEE_train.json")
    if not path.is_file():
        raise registry.DataNotHere(f"{path} is not there; {folder} must hold it as the organisers give it")
    entries = _json(path)
    if split != "test":
        entries = cut(entries, split, (0.9, 0.1))
    x, y = zip(*(_cmeee_sentence(path, entry) for entry in entries), strict=True)
    return dataset("cmeee", split, x, y, numbered("cmeee", split, len(x)), "characters")


def _tagged(name, split, file, unit, **form):
    """The set whose `file` has a word and its tag in each line and a blank line between examples."""
    path = registry.fetch(name, [file])[file]
    x, y = read_tagged(path, types=registry.published(name).classes, **form)
    return dataset(name, split, x, y, numbered(name, split, len(x)), unit)


def _own_copy(name, folder):
    if folder is None:
        registry.fetch(name)  # raises: says whose the data are and how to get them
    if not Path(folder).is_dir():
        raise registry.DataNotHere(f"{folder} is no folder; name the one with your copy of {name}")
    return Path(folder)


def _number(path):
    found = re.search(r"-(\d+)\.txtoriginal\.txt$", path.name)
    if found is None:
        raise ValueError(f"{path} has no record number; wanted is a name like 一般项目-7.txtoriginal.txt")
    return found[1]


def _ccks_section(path):
    """Characters and tags of one section of a record."""
    text = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    spans = []
    beside = path.with_name(path.name.removesuffix("original.txt"))
    if not beside.is_file():
        raise registry.DataNotHere(f"{beside.name}, the entities of {path}, is not beside it")
    for line in beside.read_text(encoding="utf-8-sig").splitlines():
        if line.strip():
            spans.append(_ccks_entity(beside, line, text))
    return _characters(text, spans)


def _ccks_entity(path, line, text):
    try:
        mention, first, last, kind = line.split("\t")
        first, last = int(first), int(last)
    except ValueError:
        raise ValueError(f"{path}: {line!r} is not mention<tab>first<tab>last<tab>type") from None
    if not 0 <= first <= last < len(text) or kind.strip() not in registry.published("ccks2017").classes:
        raise ValueError(f"{path}: {line!r} does not fit a text of {len(text)} characters or has a new type")
    return first, last + 1, kind.strip()


def _json(path):
    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"{path} is no list of sentences")
    return entries


def _cmeee_sentence(path, entry):
    try:
        text = entry["text"]
        spans = [(e["start_idx"], e["end_idx"] + 1, e["type"]) for e in entry["entities"]]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: a sentence lacks text, entities, start_idx, end_idx or type: {error!r}"
        ) from error
    classes = registry.published("cmeee").classes
    if not text or not all(0 <= a < b <= len(text) and kind in classes for a, b, kind in spans):
        raise ValueError(f"{path}: an entity lies outside its sentence or has a new type: {text[:40]!r}")
    return _characters(text, spans)


def _characters(text, spans):
    places = range(len(text))
    return tuple(text), tags(places, [place + 1 for place in places], spans)
