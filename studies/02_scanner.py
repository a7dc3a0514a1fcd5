"""Chapter 2, test AUROC on both scanners, some of 500 training patients on scanner B; five seeds."""

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

SEEDS = range(5)
ON_B = (0, 50, 250)  # of 500


def run(study):
    parts = study.each(trained, [(patients, seed) for patients in ON_B for seed in SEEDS])
    by_number = {patients: [] for patients in ON_B}
    for patients, pair in zip(np.repeat(ON_B, len(SEEDS)), parts, strict=True):
        by_number[patients].append(pair)
    return {
        f"scanner {scanner}": {
            str(patients): [pair[i] for pair in pairs] for patients, pairs in by_number.items()
        }
        for i, scanner in enumerate("AB")
    }


def trained(patients, seed):
    """AUROC on the test patients in scanner A and in scanner B, after training with so many patients on B."""
    a, b = load_mr("train"), load_mr("train", scanner="B")
    on_b = np.isin(a.patients, np.random.default_rng(seed).permutation(np.unique(a.patients))[:patients])
    x = np.where(on_b[:, None, None, None], _prepared(b), _prepared(a))
    model, _ = nn.train_net(nn.small_vgg, x, a.y, seed=seed)
    tests = load_mr("test"), load_mr("test", scanner="B")
    return [auroc(test.y, nn.logits(model, _prepared(test))) for test in tests]


def _prepared(data):
    return nn.shrink(nn.normalise(data.x))
