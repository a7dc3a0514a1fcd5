"""The tissue net of chapter 3: the same U-Net with five classes on 96 x 96 pixels, as weights."""

import base64

import numpy as np
from keras import losses

from medtutor.data import load_mr
from medtutor.metrics import dice
from medtutor.nn import segmentation as nn
from medtutor.nn.classification import normalise

USES = [
    "medtutor.nn.classification.normalise",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.segmentation.unet",
    "medtutor.nn.segmentation.augment_pair",
    "medtutor.nn.segmentation.Pairs",
    "medtutor.nn.segmentation.train_unet",
    "medtutor.nn.segmentation.unpacked",
    "medtutor.data.mr.load.VERSION",
    "medtutor.metrics.dice",
]
EPOCHS = 6


def run(study):
    ((weights, validation, losses),) = study.each(trained, [0])
    return {"epochs": EPOCHS, "validation Dice": validation, "losses": losses, "weights": weights}


def trained(seed):
    """(all weights as float16 in base64, Dice of CSF, grey and white matter in val, loss of each epoch)."""
    train, val = (load_mr(split, task="tissue", size=96) for split in ("train", "val"))
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model, history = nn.train_unet(
        lambda: nn.unet(classes=5), normalise(train.x), train.y, loss, EPOCHS, seed
    )
    flat = np.concatenate([w.ravel() for w in model.get_weights()]).astype("<f2")
    model.set_weights(nn.unpacked(flat.astype("float32"), model.get_weights()))
    called = model.predict(normalise(val.x), batch_size=50, verbose=0).argmax(axis=-1)
    scores = [dice(val.y == k, called == k) for k in (1, 2, 3)]
    return base64.b64encode(flat.tobytes()).decode(), scores, history["loss"]
