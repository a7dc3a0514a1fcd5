"""The net that chapter 3 judges: a U-Net on 96 x 96 pixels, trained longer than there, as weights."""

import base64

import numpy as np

from medtutor.data import load_mr
from medtutor.metrics import dice
from medtutor.nn import segmentation as nn
from medtutor.nn.classification import normalise

USES = [
    "medtutor.nn.classification.normalise",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.segmentation.unet",
    "medtutor.nn.segmentation.summed_loss",
    "medtutor.nn.segmentation.augment_pair",
    "medtutor.nn.segmentation.Pairs",
    "medtutor.nn.segmentation.train_unet",
    "medtutor.nn.segmentation.probability",
    "medtutor.nn.segmentation.by_patient",
    "medtutor.nn.segmentation.unpacked",
    "medtutor.data.mr.load.VERSION",
    "medtutor.metrics.dice",
]
EPOCHS = 14


def run(study):
    ((weights, validation, losses),) = study.each(trained, [0])
    return {"epochs": EPOCHS, "validation Dice": validation, "losses": losses, "weights": weights}


def trained(seed):
    """(all weights as float16 in base64, median Dice of the validation patients, loss of each epoch)."""
    train, val = (load_mr(split, task="lesion", size=96) for split in ("train", "val"))
    model, history = nn.train_unet(nn.unet, normalise(train.x), train.y, epochs=EPOCHS, seed=seed)
    flat = np.concatenate([w.ravel() for w in model.get_weights()]).astype("<f2")
    model.set_weights(nn.unpacked(flat.astype("float32"), model.get_weights()))
    called = nn.probability(model, normalise(val.x)) >= 0.5
    scores = nn.by_patient(dice, val.y, called, val.patients)
    return base64.b64encode(flat.tobytes()).decode(), float(np.median(scores)), history["loss"]
