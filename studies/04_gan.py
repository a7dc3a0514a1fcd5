"""Chapter 4, three seeds of its GAN, long and live: every measure, and each measure before a fault."""

import functools
import time

import numpy as np
from scipy.ndimage import gaussian_filter

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

SEEDS = (0, 1, 2)
PATIENTS = {"generator": range(2000), "judge": range(2000, 4000)}  # of the training split
RECIPES = {  # steps, the share of them in which the rate falls, width of the noise that draws, changes
    "long": (14_000, 0.5, 1.125, {"decay": 0.999}),
    "live": (2_500, 0.0, 1.0, {}),
}
SOME = 1000  # pictures that a measure compares


LABELS = np.arange(SOME) % 2


def run(study):
    """Steps and width were chosen on "val", seed 0; a recipe of 8,000 steps had read "test" before."""
    nets = {kind: study.each(trained, [(kind, seed) for seed in SEEDS]) for kind in RECIPES}
    judge_weights = study.each(judged, [0])[0]
    judge = judge_of(judge_weights)
    x, y = real("test", all_slices=True)
    return {
        "steps": {kind: recipe[0] for kind, recipe in RECIPES.items()},
        "noise": {kind: recipe[2] for kind, recipe in RECIPES.items()},
        "judge on real slices": auroc(y, nn.logits(judge, nn.normalise(x))),
        "fresh real": measured(*real("val"), judge),
        **{kind: [measured(drawn(net["weights"]), LABELS, judge) for net in nets[kind]] for kind in nets},
        "faults": {name: measured(*make(nets["long"][0]), judge) for name, make in FAULTS.items()},
        "CPU-seconds": {kind: [net["CPU-seconds"] for net in nets[kind]] for kind in nets},
        "step, D's loss, G's loss, real right, drawn right": {
            kind: [net["log"] for net in nets[kind]] for kind in nets
        },
        "judge": judge_weights,
        "filters": gan.RECIPE["g"],
        "generator": nets["long"][0]["weights"],
    }


def trained(kind, seed):
    """A generator, and how it came about."""
    x, y, _ = learnt_from("generator")
    log, began = [], time.process_time()
    steps, cool, wide, changes = RECIPES[kind]
    net = gan.DCGAN(gan.to_tanh(x), y, seed=seed, **changes)
    net.train(steps, lambda net, step, now: log.append([step, *now.values()]), every=500, cool=cool)
    seconds = time.process_time() - began
    net.draw(LABELS)  # measures the statistics again
    weights = wider(net.E.get_weights(), wide)
    return {"weights": packed(weights), "CPU-seconds": round(seconds), "log": log}


def wider(weights, factor):
    """A generator's weights, with noise multiplied by `factor` before anything else: recall for precision.

    It goes into the rows of the noise in the first layer; the statistics stay those of training.
    """
    weights[0][: gan.RECIPE["z"]] *= factor
    return weights


def judged(seed):
    """The judge: chapter 2's first net, which learns from patients that no generator has seen."""
    x, y, _ = learnt_from("judge")
    model, _ = nn.train_net(lambda: nn.first_cnn(1), nn.normalise(x), y, epochs=8, seed=seed)
    return packed(model.get_weights())


def judge_of(weights):
    model = nn.first_cnn(1)
    model.set_weights(unpacked(weights, model.get_weights()))
    return model


def learnt_from(who):
    x, y, patients = gan.slices("train", 4000)
    chosen = [int(patient[3:]) in PATIENTS[who] for patient in patients]
    return x[chosen], y[chosen], patients[chosen]


@functools.cache
def real(split, all_slices=False):
    """(x, y) of patients that nobody has learnt from, one slice each."""
    x, y, patients = gan.slices(split, 1200)
    rows = slice(None) if all_slices else gan.one_each(patients)[:SOME]
    return x[rows], y[rows]


@functools.cache
def known():
    """Pictures that the generator has learnt from, one a patient."""
    x, y, patients = learnt_from("generator")
    rows = gan.one_each(patients)[:SOME]
    return x[rows], y[rows]


def drawn(weights):
    E = gan.generator()
    E.set_weights(unpacked(weights, E.get_weights()))
    return gan.from_tanh(gan.draw(E, LABELS, seed=4))


def measured(x, y, judge):
    """All measures against "test", and what the judge says of the labels y."""
    scores = nn.logits(judge, nn.normalise(x))
    return {
        **likeness(x, known()[0], real("test")[0])._asdict(),
        "judge": auroc(y, scores),
        "called tumour": [float(np.mean(scores[y == k] > 0)) for k in (0, 1)],
    }


FAULTS = {
    "real, blurred by half a pixel": lambda net: blurred(0.5),
    "real, blurred by a pixel": lambda net: blurred(1),
    "copies of what was learnt": lambda net: known(),
    "twenty real pictures, again and again": lambda net: repeated(20),
    "drawn, labels swapped": lambda net: (drawn(net["weights"]), 1 - LABELS),
}


def blurred(sigma):
    x, y = real("val")
    return gaussian_filter(x, (0, sigma, sigma, 0)), y


def repeated(few):
    x, y = real("val")
    rows = np.concatenate([np.flatnonzero(y == k)[: few // 2] for k in (0, 1)])
    return np.resize(x[rows], (SOME, *x.shape[1:])), np.resize(y[rows], SOME)
