"""Chapter 4, does it help: a small CNN that learns from 40, 100 or 400 real slices, and from drawn ones."""

import functools

import numpy as np

from medtutor.data.studies import packed, unpacked
from medtutor.metrics import auroc
from medtutor.nn import classification as nn
from medtutor.nn import gan

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
    "medtutor.metrics.auroc",
    "medtutor.data.mr.load.VERSION",
    "medtutor.data.studies.packed",
    "medtutor.data.studies.unpacked",
]

NUMBERS = (40, 100, 400)  # of real slices, each of another patient, half of them with a tumour
SUBSETS = range(5)
OUTSIDE = None
OUTSIDERS = 2000  # patients of the generator that comes from outside; the subsets are of others
STEPS = {"outside": 3_000, "own": 800}
EPOCH, EPOCHS = 1600, 5  # pictures that the CNN is shown in an epoch, whatever they are


def run(study):
    """Test AUROC by arm and number of real slices, a value for each subset: pairs, for the subsets agree."""
    outside = study.each(outsider, [0])[0]
    globals()["OUTSIDE"] = outside
    found = {"real slices": list(NUMBERS)}
    for n in NUMBERS:
        for values in study.each(subset, [(n, k) for k in SUBSETS]):
            for arm, value in values.items():
                found.setdefault(arm, {}).setdefault(str(n), []).append(value)
    return found


def outsider(seed):
    x, y, patients = train()
    chosen = patients < OUTSIDERS
    net = gan.DCGAN(gan.to_tanh(x[chosen]), y[chosen], seed=seed).train(STEPS["outside"])
    net.draw(np.arange(2))
    return packed(net.E.get_weights())


def subset(n, k):
    """Test AUROC of each arm."""
    x, y = chosen(n, k)
    own = gan.DCGAN(gan.to_tanh(x), y, seed=k, jitter=True).train(STEPS["own"])
    labels = np.arange(EPOCH // 2) % 2
    by_own = gan.from_tanh(own.draw(labels, seed=k))
    E = gan.generator()
    E.set_weights(unpacked(OUTSIDE, E.get_weights()))
    from_outside = gan.from_tanh(gan.draw(E, labels, seed=k))
    return {
        "none": learnt(x, y, None, nothing, k),
        "classical": learnt(x, y, None, nn.augment, k),
        "GAN": learnt(x, y, by_own, nothing, k),
        "classical and GAN": learnt(x, y, by_own, nn.augment, k),
        "outside": learnt(x, y, from_outside, nothing, k),
    }


def chosen(n, k):
    """n slices of n patients that the outside generator has not seen, half with a tumour."""
    x, y, patients = train()
    one = gan.one_each(patients)
    one = one[patients[one] >= OUTSIDERS]
    rng = np.random.default_rng([n, k])
    rows = np.concatenate([rng.choice(one[y[one] == c], n // 2, replace=False) for c in (0, 1)])
    return x[rows], y[rows]


def learnt(x, y, drawn, augment, seed):
    """Test AUROC of the net that learnt from the real slices and, for half of each epoch, the drawn ones."""
    real = np.resize(np.arange(len(x)), EPOCH if drawn is None else EPOCH // 2)
    x, y = x[real], y[real]
    if drawn is not None:
        x, y = np.concatenate([x, drawn]), np.concatenate([y, np.arange(len(drawn)) % 2])
    model, _ = nn.train_net(
        lambda: nn.first_cnn(1), nn.normalise(x), y, epochs=EPOCHS, seed=seed, augment=augment
    )
    x, y = test()
    return auroc(y, nn.logits(model, nn.normalise(x)))


def nothing(x, rng):
    return x


@functools.cache
def train():
    x, y, patients = gan.slices("train", 4000)
    return x, y, np.array([int(patient[3:]) for patient in patients])


@functools.cache
def test():
    x, y, _ = gan.slices("test", 1200)
    return x[:2000], y[:2000]
