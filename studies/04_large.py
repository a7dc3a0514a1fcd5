"""Chapter 4, its GAN at 64 pixels with three quarters of the filters: every measure, and the generator."""

import functools
import time

import numpy as np

from medtutor.data.studies import packed, unpacked
from medtutor.metrics import auroc
from medtutor.nn import classification as nn
from medtutor.nn import gan
from medtutor.pictures import likeness

USES = [
    "medtutor.nn.gan.slices",
    "medtutor.nn.gan.one_each",
    "medtutor.nn.gan.to_tanh",
    "medtutor.nn.gan.from_tanh",
    "medtutor.nn.gan.generator",
    "medtutor.nn.gan.DCGAN",
    "medtutor.nn.gan.draw",
    "medtutor.nn.classification.normalise",
    "medtutor.nn.classification.shrink",
    "medtutor.nn.classification.augment",
    "medtutor.nn.classification.Batches",
    "medtutor.nn.classification.conv_bn_relu",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.classification.head",
    "medtutor.nn.classification.first_cnn",
    "medtutor.nn.classification.train_net",
    "medtutor.nn.classification.logits",
    "medtutor.pictures",
    "medtutor.metrics.auroc",
    "medtutor.data.mr.load.VERSION",
    "medtutor.data.studies.packed",
    "medtutor.data.studies.unpacked",
]

LEARNT = 2000  # of 4,000 patients, by the generator; the judge learns from the others
RECIPE = {"g": (96, 48, 24), "d": (24, 48, 96), "decay": 0.999}
STEPS = 9_000
LABELS = np.arange(1000) % 2


def run(study):
    net = study.each(trained, [0])[0]
    judge = nn.first_cnn(1)
    judge.set_weights(unpacked(study.each(judged, [0])[0], judge.get_weights()))
    E = gan.generator(64, filters=RECIPE["g"])
    E.set_weights(unpacked(net["weights"], E.get_weights()))
    drawn = gan.from_tanh(gan.draw(E, LABELS, seed=4))
    return {
        "steps": STEPS,
        "filters": RECIPE["g"],
        "CPU-seconds": net["CPU-seconds"],
        "drawn": measured(drawn, LABELS, judge),
        "fresh real": measured(*real("val"), judge),
        "generator": net["weights"],
    }


def trained(seed):
    x, y, patients = train()
    rows, began = patients < LEARNT, time.process_time()
    net = gan.DCGAN(gan.to_tanh(x[rows]), y[rows], seed=seed, **RECIPE).train(STEPS, cool=0.5)
    seconds = time.process_time() - began
    net.draw(LABELS)  # measures the statistics again
    return {"weights": packed(net.E.get_weights()), "CPU-seconds": round(seconds)}


def judged(seed):
    """The judge sees slices of 32 pixels."""
    x, y, patients = train()
    rows = patients >= LEARNT
    x = nn.normalise(nn.shrink(x[rows]))
    return packed(nn.train_net(lambda: nn.first_cnn(1), x, y[rows], epochs=8, seed=seed)[0].get_weights())


@functools.cache
def train():
    x, y, patients = gan.slices("train", 4000, size=64)
    return x, y, np.array([int(patient[3:]) for patient in patients])


@functools.cache
def real(split):
    x, y, patients = gan.slices(split, 1200, size=64)
    rows = gan.one_each(patients)[:1000]
    return x[rows], y[rows]


def measured(x, y, judge):
    known, _, patients = train()
    rows = gan.one_each(patients)
    rows = rows[patients[rows] < LEARNT][:1000]
    scores = nn.logits(judge, nn.normalise(nn.shrink(x)))
    return {
        **likeness(x, known[rows], real("test")[0])._asdict(),
        "judge": auroc(y, scores),
        "called tumour": [float(np.mean(scores[y == k] > 0)) for k in (0, 1)],
    }
