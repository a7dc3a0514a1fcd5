"""Chapter 2, test AUROC over five seeds: its nets, augmentations, batch norms; training loss by depth."""

import numpy as np
from keras import layers, models

from medtutor.data import load_mr
from medtutor.metrics import auroc
from medtutor.nn import classification as nn
from medtutor.nn.layers import FusedBatchNormalization

USES = [
    "medtutor.nn.classification.normalise",
    "medtutor.nn.classification.shrink",
    "medtutor.nn.classification.augment",
    "medtutor.nn.classification.Batches",
    "medtutor.nn.classification.conv_bn_relu",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.classification.head",
    "medtutor.nn.classification.first_cnn",
    "medtutor.nn.classification.small_alexnet",
    "medtutor.nn.classification.small_vgg",
    "medtutor.nn.classification.residual",
    "medtutor.nn.classification.small_resnet",
    "medtutor.nn.classification.deep_net",
    "medtutor.nn.classification.train_net",
    "medtutor.nn.classification.logits",
    "medtutor.data.mr.load.VERSION",
    "medtutor.metrics.auroc",
]

SEEDS = range(5)
NETS = {
    "first CNN": nn.first_cnn,
    "AlexNet's": nn.small_alexnet,
    "VGG's": nn.small_vgg,
    "ResNet's": nn.small_resnet,
}


def run(study):
    nets, norms, arms = (
        {name: study.each(part, [(name, seed) for seed in SEEDS]) for name in names}
        for part, names in ((net, NETS), (norm, NORMS), (augmented, AUGMENTATIONS))
    )
    deep = [(skip, blocks, seed) for skip in (False, True) for blocks in (1, 3, 6) for seed in range(3)]
    words = {False: "plain", True: "residual"}
    losses = {}
    for (skip, blocks, _), loss in zip(deep, study.each(depth, deep), strict=True):
        losses.setdefault(f"{words[skip]}, {2 * blocks + 1}", []).append(loss)
    return {
        "seeds": {name: [test for _, test in pairs] for name, pairs in nets.items()},
        "seeds, validation": {name: [val for val, _ in pairs] for name, pairs in nets.items()},
        "batch norm": {
            "none": [test for _, test in norms["none"]],
            "Keras's momentum, 0.99": [test for _, test in norms["0.99"]],
            "momentum 0.9": [test for _, test in nets["first CNN"]],
        },
        "augmentation": {
            "none": [test for _, test in arms["none"]],
            "mirror and shift": [test for _, test in nets["first CNN"]],
            "negative and wrap": [test for _, test in arms["negative and wrap"]],
        },
        "degradation": losses,
    }


def net(name, seed):
    return _measured(NETS[name], seed)


def norm(name, seed):
    return _measured(lambda: _normed(NORMS[name]), seed)


def augmented(name, seed):
    return _measured(nn.first_cnn, seed, augment=AUGMENTATIONS[name])


def depth(skip, blocks, seed):
    """The training loss of each epoch."""
    x, y = _data("train")
    _, history = nn.train_net(lambda: nn.deep_net(blocks, skip), x, y, epochs=6, seed=seed)
    return history["loss"]


def _measured(make, seed, **options):
    """AUROC on the validation and on the test patients."""
    model, _ = nn.train_net(make, *_data("train"), seed=seed, **options)
    sets = _data("val"), _data("test")
    return [auroc(y, nn.logits(model, x)) for x, y in sets]


def _data(split):
    data = load_mr(split)
    return nn.shrink(nn.normalise(data.x)), data.y


def nothing(x, rng):
    return x


def wrong(x, rng):
    """`wrong_augment` of the chapter."""
    negative = rng.random(len(x)) < 0.5
    x = np.where(negative[:, None, None, None], -x, x)
    return np.stack([np.roll(image, rng.integers(0, 32, 2), (0, 1)) for image in x])


def _normed(momentum):
    """`first_cnn` with a batch norm of this momentum, or with none and biases instead."""
    image = x = layers.Input((32, 32, 2))
    for filters in (16, 32, 64):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=momentum is None)(x)
        x = x if momentum is None else FusedBatchNormalization(momentum=momentum)(x)
        x = layers.MaxPooling2D()(layers.ReLU()(x))
    return models.Model(image, nn.head(x))


AUGMENTATIONS = {"none": nothing, "negative and wrap": wrong}
NORMS = {"none": None, "0.99": 0.99}
