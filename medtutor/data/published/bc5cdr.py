"""BC5CDR: chemicals and diseases in PubMed abstracts, and which chemical induces which disease."""

import re
from dataclasses import dataclass

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import Dataset, check_split
from medtutor.data.published.common import tags

ARCHIVE = "CDR_Data.zip"
MEMBERS = {
    "train": "CDR_Data/CDR.Corpus.v010516/CDR_TrainingSet.PubTator.txt",
    "val": "CDR_Data/CDR.Corpus.v010516/CDR_DevelopmentSet.PubTator.txt",
    "test": "CDR_Data/CDR.Corpus.v010516/CDR_TestSet.PubTator.txt",
}
# Mentions of chemicals, of diseases, and relations: Li et al. (2016), table 1.
PUBLISHED = {"train": (5203, 4182, 1038), "val": (5347, 4244, 1012), "test": (5385, 4424, 1066)}
SLACK = 0.02  # of the mentions: composite mentions can be counted in two ways
MOST = 2**24  # bytes of one unpacked file; the largest has about 1 MB

WORD = re.compile(r"[^\W\d_]+|\d+|\S")  # letters, digits, or any other sign alone
SENTENCE = re.compile(r"(?<=[a-z0-9)\]%][.?!])\s+(?=[A-Z0-9(])")


@dataclass(frozen=True)
class Abstract:
    """A title and abstract; mentions are (start, end, type, MeSH ids), induces pairs (chemical, disease)."""

    pmid: str
    text: str
    mentions: tuple
    induces: frozenset


def load_bc5cdr(split, accept_unverified=False):
    """Sentences of PubMed abstracts with the mentions of chemicals and diseases.

    accept_unverified  no checksum of the publisher's archive is known: True once takes the first copy, and
                       holds all later ones to it; see medtutor.data.registry.fetch

    x n tuples of words, y n tuples of tags (B-Chemical, I-Chemical, B-Disease, I-Disease, O). 500 abstracts a
    split as published, cut here by rule into words (letters, digits, each other sign) and sentences, so n is
    not the 4,560 / 4,581 / 4,797 of other editions. A word that a mention covers in part is of the mention.
    `patients` are PubMed ids.
    Source: Li et al., Database 2016:baw068, doi:10.1093/database/baw068. Public domain.
    """
    x, y, patients = [], [], []
    for abstract in _abstracts(split, accept_unverified):
        for words, marks in _sentences(abstract):
            x.append(words)
            y.append(marks)
            patients.append(f"pmid-{abstract.pmid}")
    each = registry.published("bc5cdr")
    return Dataset(
        tuple(x), tuple(y), each.classes, np.array(patients), split=split, unit="words", card=each.card
    )


def load_bc5cdr_relations(split, accept_unverified=False):
    """Pairs of a chemical and a disease in one abstract: is the chemical said to induce the disease?

    accept_unverified  as in load_bc5cdr

    x n tuples of words (the whole title and abstract), y (n,) int64, 1 if the abstract says so. Each pair of
    MeSH ids that an abstract mentions is one example; all pairs of an abstract have the same words, so
    positions matter: extra["chemical"] and extra["disease"] are n tuples of (first word, one behind the
    last), one for each mention; extra["chemical_id"] and extra["disease_id"] (n,) str are MeSH ids.
    `patients` are PubMed ids.
    Source: Li et al., Database 2016:baw068, doi:10.1093/database/baw068. Public domain.
    """
    rows = [row for abstract in _abstracts(split, accept_unverified) for row in _pairs(abstract)]
    x, y, chemical, disease, chemical_id, disease_id, patients = zip(*rows, strict=True)
    return Dataset(
        x,
        np.array(y, np.int64),
        classes=("no relation stated", "chemical induces disease"),
        patients=np.array(patients),
        split=split,
        unit="words",
        card=registry.published("bc5cdr").card,
        extra={
            "chemical": chemical,
            "disease": disease,
            "chemical_id": np.array(chemical_id),
            "disease_id": np.array(disease_id),
        },
    )


def _abstracts(split, accept_unverified):
    check_split(split)
    path = registry.fetch("bc5cdr", [ARCHIVE], accept_unverified)[ARCHIVE]
    contents = dict(registry.members(path, lambda name: name == MEMBERS[split], MOST))
    if not contents:
        raise ValueError(f"{path} holds no {MEMBERS[split]}")
    abstracts = read_pubtator(contents[MEMBERS[split]].decode("utf-8"), MEMBERS[split])
    _check(split, abstracts)
    return abstracts


def read_pubtator(text, name):
    """The abstracts in a text of PubTator format; `name` is the file's, for messages.

    PMID|t|title and PMID|a|abstract, then a line for each mention, PMID start end mention type ids, parted by
    tabs, and for each relation, PMID CID chemical disease; a blank line ends an abstract. Offsets count in
    the title, a space and the abstract.
    """
    return [_abstract(block.splitlines(), name) for block in re.split(r"\n\s*\n", text) if block.strip()]


def _abstract(lines, name):
    lines = [line for line in lines if line.strip()]
    heads = [line.split("|", 2) for line in lines[:2]]
    if [head[1:2] for head in heads] != [["t"], ["a"]] or heads[0][0] != heads[1][0]:
        raise ValueError(f"{name}: {lines[0][:60]!r} does not begin an abstract with PMID|t| and PMID|a|")
    pmid, text = heads[0][0], f"{heads[0][2]} {heads[1][2]}"
    mentions, induces = [], set()
    for line in lines[2:]:
        fields = line.split("\t")
        if len(fields) == 4 and fields[1] == "CID":
            induces.add((fields[2], fields[3]))
        else:
            mentions.append(_mention(fields, text, name))
    return Abstract(pmid, text, tuple(mentions), frozenset(induces))


def _mention(fields, text, name):
    try:
        start, end = int(fields[1]), int(fields[2])
        if text[start:end] != fields[3] or start >= end:
            raise ValueError(f"the text there is {text[start:end]!r}")
        ids = tuple(each for each in fields[5].split("|") if each != "-1")
        return start, end, fields[4], ids
    except (IndexError, ValueError) as error:
        raise ValueError(f"{name}: the mention {' '.join(fields)[:80]!r} does not fit: {error}") from error


def _check(split, abstracts):
    """Hold what was read to the published counts, as no checksum can do it."""
    registry.check_count("bc5cdr", split, len(abstracts))
    if registry.published("bc5cdr").counts.get(split) is None:
        return
    kinds = [kind for abstract in abstracts for _, _, kind, _ in abstract.mentions]
    came = kinds.count("Chemical"), kinds.count("Disease"), sum(len(each.induces) for each in abstracts)
    for what, here, wanted in zip(
        ("chemicals", "diseases", "relations"), came, PUBLISHED[split], strict=True
    ):
        if abs(here - wanted) > SLACK * wanted:
            raise ValueError(f"bc5cdr: {split} has {here:,} {what}; as published it has {wanted:,}")


def _words(text):
    return [match.span() for match in WORD.finditer(text)]


def _sentences(abstract):
    """(words, tags) of each sentence; a sentence ends in no mention that goes on in the next."""
    spans = [mention[:3] for mention in abstract.mentions]
    cuts = [0, *(match.end() for match in SENTENCE.finditer(abstract.text)), len(abstract.text)]
    places = _words(abstract.text)
    for begin, end in zip(cuts, cuts[1:], strict=False):
        inside = [(a, b) for a, b in places if begin <= a < end]
        if inside:
            starts, ends = zip(*inside, strict=True)
            yield tuple(abstract.text[a:b] for a, b in inside), tags(starts, ends, spans)


def _pairs(abstract):
    places = _words(abstract.text)
    words = tuple(abstract.text[a:b] for a, b in places)
    found = {"Chemical": {}, "Disease": {}}
    for start, end, kind, ids in abstract.mentions:
        inside = [i for i, (a, b) in enumerate(places) if a < end and b > start]
        for each in ids if kind in found else ():
            found[kind].setdefault(each, []).append((inside[0], inside[-1] + 1))
    for chemical, its in sorted(found["Chemical"].items()):
        for disease, theirs in sorted(found["Disease"].items()):
            label = (chemical, disease) in abstract.induces
            yield words, label, tuple(its), tuple(theirs), chemical, disease, f"pmid-{abstract.pmid}"
