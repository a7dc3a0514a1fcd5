"""Chapter 5, what a BiLSTM-CRF sees of a word: itself, parts, letters, a vector from unlabelled text; F1."""

from itertools import chain

from medtutor.data import first_patients, load_ncbi_disease, load_notes, write_text
from medtutor.metrics import entity_f1
from medtutor.nn import tagging as nn

USES = [
    "medtutor.nn.tagging.codes",
    "medtutor.nn.tagging.vocabulary",
    "medtutor.nn.tagging.more_words",
    "medtutor.nn.tagging.word_vectors",
    "medtutor.nn.tagging.start_from",
    "medtutor.nn.tagging.tagger",
    "medtutor.nn.tagging.train_tagger",
    "medtutor.nn.tagging.tag",
    "medtutor.nn.crf.CRF",
    "medtutor.nn.crf.CRFLoss",
    "medtutor.metrics.entity_f1",
    "medtutor.tags.spans",
    "medtutor.data.notes.frames",
    "medtutor.data.notes.patient",
    "medtutor.data.notes.table",
    "medtutor.data.notes.writer",
    "medtutor.data.notes.loaders.load_notes",
    "medtutor.data.dataset.first_patients",
    "medtutor.data.published.tagged.load_ncbi_disease",
]

SEEDS = (0, 1, 2)
NOTES, TEXT = 125, 3000
PARTS, LETTERS, VECTORS, NEW_NAMES = "parts", "letters", "vectors", "vectors, the new names among them"
SEEN = {  # what is seen of a word besides itself
    "notes": ((), (LETTERS,), (VECTORS,), (NEW_NAMES,), (PARTS,), (PARTS, LETTERS), (PARTS, NEW_NAMES)),
    "NCBI-disease": ((), (LETTERS,), (PARTS,), (PARTS, LETTERS)),
}
SIZE = {"notes": 50, "NCBI-disease": 100}
EPOCHS = {"notes": 20, "NCBI-disease": 10}


def run(study):
    """The epoch is chosen on "val", "test" is read once; in the notes it has names that training has not."""

    def over_seeds(data, seen):
        return study.each(trained, [(data, seen, seed) for seed in SEEDS])

    found = {
        data: {" and ".join(("the word", *seen)): over_seeds(data, seen) for seen in arms}
        for data, arms in SEEN.items()
    }
    return {"epochs": EPOCHS, **found}


def trained(data, seen, seed):
    """The test F1 of one training."""
    train, val, test = (_read(data, split) for split in ("train", "val", "test"))
    codes = nn.codes(train.x, train.y, letters=LETTERS in seen)
    if PARTS not in seen:
        codes = codes._replace(parts={})
    words, size = (), SIZE[data]
    if VECTORS in seen or NEW_NAMES in seen:
        words, vectors = _vectors(NEW_NAMES in seen, size)
        codes = nn.more_words(codes, words)

    def make():
        model = nn.tagger(codes, size, size)
        return nn.start_from(model, codes, words, vectors) if words else model

    model, history = nn.train_tagger(make, codes, train, val, EPOCHS[data], seed)
    return {"test F1": entity_f1(test.y, nn.tag(model, codes, test.x)), "val F1": max(history["val_f1"])}


def _read(data, split):
    if data == "NCBI-disease":
        return load_ncbi_disease(split)
    notes = load_notes(split, sentences=True)
    return first_patients(notes, NOTES) if split == "train" else notes


def _vectors(held_out, size):
    """The words that unlabelled text has five times or more, and a vector for each."""
    text = [[nn.normal(token) for token in note] for note in write_text(TEXT, held_out=held_out)]
    words = tuple(nn.vocabulary(chain.from_iterable(text), at_least=5))
    return words, nn.word_vectors(text, words, size)
