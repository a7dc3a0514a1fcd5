"""The reader that chapter 5 puts to work: a BiLSTM-CRF, trained on all English notes, as weights."""

from medtutor.data import load_notes
from medtutor.data.studies import packed, unpacked
from medtutor.metrics import entity_f1
from medtutor.nn import tagging

USES = [
    "medtutor.data.notes.loaders.SIZES",
    "medtutor.data.studies.packed",
    "medtutor.data.studies.unpacked",
    "medtutor.metrics.entity_f1",
    "medtutor.nn.tagging.codes",
    "medtutor.nn.tagging.encode",
    "medtutor.nn.tagging.tagger",
    "medtutor.nn.tagging.vectors",
    "medtutor.nn.tagging.Sentences",
    "medtutor.nn.tagging.train_tagger",
    "medtutor.nn.tagging.tag",
]
EPOCHS = 5


def run(study):
    ((weights, validation, losses),) = study.each(trained, [0])
    return {"epochs": EPOCHS, "validation F1": validation, "losses": losses, "weights": weights}


def trained(seed):
    """(all weights as 16-bit numbers, F1 of the validation notes with these, loss of each epoch)."""
    train, val = (load_notes(split, sentences=True) for split in ("train", "val"))
    codes = tagging.codes(train.x, train.y)
    make = lambda: tagging.tagger(codes, 50, 50)  # noqa: E731
    model, history = tagging.train_tagger(make, codes, train, val, EPOCHS, seed)
    weights = packed(model.get_weights())
    model.set_weights(unpacked(weights, model.get_weights()))
    return weights, entity_f1(val.y, tagging.tag(model, codes, val.x)), history["loss"]
