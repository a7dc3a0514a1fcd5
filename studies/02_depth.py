"""Chapter 2, training loss of plain and residual nets of 3, 7 and 13 convolutions by epoch, three seeds."""

from medtutor.data import load_mr
from medtutor.nn import classification as nn

USES = [
    "medtutor.nn.classification.normalise",
    "medtutor.nn.classification.shrink",
    "medtutor.nn.classification.augment",
    "medtutor.nn.classification.Batches",
    "medtutor.nn.classification.conv_bn_relu",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.classification.head",
    "medtutor.nn.classification.residual",
    "medtutor.nn.classification.deep_net",
    "medtutor.nn.classification.train_net",
    "medtutor.data.mr.load.VERSION",
]

SEEDS = range(3)
BLOCKS = (1, 3, 6)
EPOCHS = 14
RATE = 1e-3


def run(study):
    deep = [(skip, blocks, seed) for skip in (False, True) for blocks in BLOCKS for seed in SEEDS]
    words = {False: "plain", True: "residual"}
    losses = {}
    for (skip, blocks, _), loss in zip(deep, study.each(depth, deep), strict=True):
        losses.setdefault(f"{words[skip]}, {2 * blocks + 1}", []).append(loss)
    return losses


def depth(skip, blocks, seed):
    """The training loss of each epoch."""
    train = load_mr("train")
    x = nn.shrink(nn.normalise(train.x))
    _, history = nn.train_net(
        lambda: nn.deep_net(blocks, skip), x, train.y, epochs=EPOCHS, seed=seed, rate=RATE
    )
    return history["loss"]
