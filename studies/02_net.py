"""The net that chapter 2 judges: VGG's idea, trained three times as long as there, as weights."""

import numpy as np

from medtutor.data import load_mr
from medtutor.metrics import auroc
from medtutor.nn import classification as nn

USES = [
    "medtutor.nn.classification.normalise",
    "medtutor.nn.classification.shrink",
    "medtutor.nn.classification.augment",
    "medtutor.nn.classification.Batches",
    "medtutor.nn.classification.conv_bn_relu",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.classification.head",
    "medtutor.nn.classification.small_vgg",
    "medtutor.nn.classification.train_net",
    "medtutor.nn.classification.logits",
    "medtutor.data.mr.load.VERSION",
    "medtutor.metrics.auroc",
]
EPOCHS = 24


def run(study):
    ((weights, validation),) = study.each(trained, [0])
    return {"epochs": EPOCHS, "validation AUROC": validation, "weights": weights}


def trained(seed):
    """(each array of weights as a flat list of seven digits, AUROC on the validation patients)."""
    (x, y), (x_val, y_val) = _data("train"), _data("val")
    model, _ = nn.train_net(nn.small_vgg, x, y, epochs=EPOCHS, seed=seed)
    model.set_weights([np.vectorize(_short)(w) for w in model.get_weights()])
    weights = [[_short(number) for number in w.ravel()] for w in model.get_weights()]
    return weights, auroc(y_val, nn.logits(model, x_val))


def _short(number):
    return float(f"{number:.7g}")


def _data(split):
    data = load_mr(split)
    return nn.shrink(nn.normalise(data.x)), data.y
