"""Chapter 4, what each part of its GAN does: one change at a time, the same number of pictures shown."""

import functools

import keras
import numpy as np
from keras import layers

from medtutor.metrics import auroc
from medtutor.nn import classification as nn
from medtutor.nn import gan
from medtutor.nn.layers import FusedBatchNormalization
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
]

SEEDS = (0, 1)
PICTURES = 24_000  # real ones that each discriminator is shown
CHANGES = {  # of the recipe, for DCGAN
    "none": {},
    "no minibatch deviation": {"spread": False},
    "no R1": {"gamma": 0.0},
    "no average": {"decay": 0.0},
    "average without its statistics": {},
    "upsampling and convolution in G": {},
    "no class loss": {"label": 0.0},
    "no projection": {},
    "label planes in place of both": {"label": 0.0},
    "batches of 64": {"batch": 64},
    "as in 2015": {"batch": 64, "rate": 2e-4, "gamma": 0.0, "decay": 0.0, "spread": False},
}
LABELS = np.arange(1000) % 2


def run(study):
    found = {"steps": {name: steps(name) for name in CHANGES}}
    for seed in SEEDS:
        for name, values in zip(
            CHANGES, study.each(changed, [(name, seed) for name in CHANGES]), strict=True
        ):
            found.setdefault(name, []).append(values)
    return found


def steps(name):
    return PICTURES // CHANGES[name].get("batch", gan.RECIPE["batch"])


def changed(name, seed):
    """All measures, and what the judge says of the labels, after a training with this change."""
    x, y = real()["generator"]
    kept = gan.enlarge, gan.discriminator
    try:
        if name == "upsampling and convolution in G":
            gan.enlarge = upsampled
        elif name == "no projection":
            gan.discriminator = without_projection
        elif name == "label planes in place of both":
            gan.discriminator = planed
        elif name == "as in 2015":
            gan.discriminator = normed
        net = gan.DCGAN(gan.to_tanh(x), y, seed=seed, **CHANGES[name]).train(steps(name))
        without = name == "average without its statistics"
        drawn = gan.draw(net.E, LABELS, seed=4) if without else net.draw(LABELS, seed=4)
    finally:
        gan.enlarge, gan.discriminator = kept
    drawn = gan.from_tanh(drawn)
    scores = nn.logits(judge(), nn.normalise(drawn))
    return {
        **likeness(drawn, real()["known"], real()["fresh"])._asdict(),
        "judge": auroc(LABELS, scores),
    }


@functools.cache
def real():
    """Slices: of 2,000 patients for the generator, one each of them, one each of others; for the judge."""
    x, y, patients = gan.slices("train", 4000)
    number = np.array([int(patient[3:]) for patient in patients])
    first, rest = number < 2000, number >= 2000
    one = gan.one_each(patients)
    known, fresh = (x[one][which[one]][:1000] for which in (first, rest))
    return {"generator": (x[first], y[first]), "known": known, "fresh": fresh, "judge": (x[rest], y[rest])}


@functools.cache
def judge():
    x, y = real()["judge"]
    return nn.train_net(lambda: nn.first_cnn(1), nn.normalise(x), y, epochs=8)[0]


def upsampled(x, filters, **options):
    """Instead of a transposed convolution: each pixel four times, then a convolution."""
    x = layers.UpSampling2D(2)(x)
    return layers.Conv2D(filters, 3, padding="same", kernel_initializer=gan.start(), **options)(x)


def normed(size=32, filters=(32, 64, 128), classes=2, spread=False):
    """D as Radford et al. have it, batch normalisation in all but the first layer; the heads are ours."""
    image, label = keras.Input((size, size, 1)), keras.Input((classes,))
    h = image
    for i, f in enumerate(filters):
        h = layers.Conv2D(f, 4, 2, "same", kernel_initializer=gan.start())(h)
        h = layers.LeakyReLU(negative_slope=0.2)(FusedBatchNormalization(momentum=0.9)(h) if i else h)
    scores = layers.Dense(classes, kernel_initializer=gan.start())(layers.GlobalMaxPooling2D()(h))
    h = layers.Flatten()(h)
    w_y = layers.Dense(classes, use_bias=False, kernel_initializer=gan.start())(h)
    logit = layers.Dense(1, kernel_initializer=gan.start())(h) + layers.Dot(1)([w_y, label])
    return keras.Model([image, label], [logit, scores])


def without_projection(size=32, filters=(32, 64, 128), classes=2, spread=True):
    """D that tells real from drawn without being told the class."""
    image, label = keras.Input((size, size, 1)), keras.Input((classes,))
    h = image
    for f in filters:
        h = layers.Conv2D(f, 4, 2, "same", kernel_initializer=gan.start())(h)
        h = layers.LeakyReLU(negative_slope=0.2)(h)
    scores = layers.Dense(classes, kernel_initializer=gan.start())(layers.GlobalMaxPooling2D()(h))
    logit = layers.Dense(1, kernel_initializer=gan.start())(layers.Flatten()(gan.Spread()(h)))
    return keras.Model([image, label], [logit, scores])


def planed(size=32, filters=(32, 64, 128), classes=2, spread=True):
    """D that is told the class by planes of ones beside the picture, and in no other way."""
    image, label = keras.Input((size, size, 1)), keras.Input((classes,))
    planes = layers.UpSampling2D(size)(layers.Reshape((1, 1, classes))(label))
    h = layers.Concatenate()([image, planes])
    for f in filters:
        h = layers.Conv2D(f, 4, 2, "same", kernel_initializer=gan.start())(h)
        h = layers.LeakyReLU(negative_slope=0.2)(h)
    scores = layers.Dense(classes, kernel_initializer=gan.start())(layers.GlobalMaxPooling2D()(h))
    logit = layers.Dense(1, kernel_initializer=gan.start())(layers.Flatten()(gan.Spread()(h)))
    return keras.Model([image, label], [logit, scores])
