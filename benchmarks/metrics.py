"""Metrics of medtutor.metrics beside those of the usual libraries, on the same numbers, in turns.

    python benchmarks/metrics.py --peers build/peers

Ours take numpy arrays and so do scikit-learn and scipy; MONAI gets tensors that are ready, with the number of
threads that is fastest here; seqeval gets lists of words, as ours does.
"""

import sys
import warnings

import numpy as np
from _measuring import Report, alternate, arguments, best_threads, import_peers
from scipy import ndimage
from scipy.spatial.distance import dice as scipy_dice
from sklearn.metrics import roc_auc_score

from medtutor import metrics
from medtutor.course.bench import Row

SPACING = (3.0, 1.0, 1.0)  # mm
VOLUME = (24, 128, 128)
SCORES, SENTENCES, TOKENS = 100_000, 1000, 30
KINDS = ("disease", "drug", "test")


def masks(rng):
    """A lesion of some pieces, and a reader's mask of it that is a little off."""
    field = ndimage.gaussian_filter(rng.normal(size=VOLUME), (1, 5, 5))
    field /= field.std()
    return field > 1.5, np.roll(field, 2, axis=2) + 0.3 * rng.normal(size=VOLUME) > 1.5


def tagged(rng):
    """True tags of sentences, and called ones, of which one in ten is drawn anew."""
    names = ["O", *(f"{prefix}-{kind}" for kind in KINDS for prefix in "BI")]
    truth, called = [], []
    for _ in range(SENTENCES):
        row = ["O"] * TOKENS
        for start in range(int(rng.integers(5)), TOKENS - 3, 8):
            kind, length = rng.choice(KINDS), rng.integers(1, 4)
            row[start : start + length] = [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
        truth.append(row)
        called.append([str(rng.choice(names)) if rng.random() < 0.1 else tag for tag in row])
    return truth, called


def cases(rng):
    """For each metric: (name, size, peer, packages to import, ours, the peer's of those modules)."""
    y, p = masks(rng)
    labels = (rng.random(SCORES) < 0.2).astype(int)
    scores = np.round(rng.normal(size=SCORES) + labels, 3)  # with ties
    truth, called = tagged(rng)
    voxels, sentences = " × ".join(map(str, VOLUME)), f"{SENTENCES} sentences of {TOKENS} words"

    def monai(name, **options):
        def ready(torch, monai_metrics):
            one, other = (torch.from_numpy(mask[None, None]).float() for mask in (p, y))
            return lambda: float(getattr(monai_metrics, name)(one, other, **options))

        return ready

    def seqeval(measures, schemes):
        return lambda: measures.f1_score(truth, called, mode="strict", scheme=schemes.IOB2)

    monai_names, seqeval_names = ("torch", "monai.metrics"), ("seqeval.metrics", "seqeval.scheme")
    dice = monai("compute_dice", ignore_empty=False)
    distance = monai("compute_hausdorff_distance", include_background=True, percentile=95, spacing=SPACING)
    flat = y.ravel(), p.ravel()
    return (
        ("metrics, Dice", voxels, "MONAI", monai_names, lambda: metrics.dice(y, p), dice),
        (
            "metrics, Dice",
            voxels,
            "scipy",
            (),
            lambda: metrics.dice(y, p),
            lambda: lambda: 1 - scipy_dice(*flat),
        ),
        ("metrics, HD95", voxels, "MONAI", monai_names, lambda: metrics.hd95(y, p, SPACING), distance),
        (
            "metrics, AUROC",
            f"{SCORES:,} cases",
            "scikit-learn",
            (),
            lambda: metrics.auroc(labels, scores),
            lambda: lambda: roc_auc_score(labels, scores),
        ),
        (
            "metrics, entity F1",
            sentences,
            "seqeval, strict",
            seqeval_names,
            lambda: metrics.entity_f1(truth, called),
            seqeval,
        ),
    )


def main():
    options = arguments(__doc__, rounds=15).parse_args()
    report = Report(options, seed=0)
    warnings.filterwarnings("ignore", category=FutureWarning, module="monai")  # of its own old options
    for name, size, peer, packages, ours, make in cases(np.random.default_rng(0)):
        modules, missing = import_peers(options.peers, *packages)
        if missing:
            times = alternate({"ours": ours}, options.rounds)
            report.add(Row(name, size, ours=times["ours"], peer=peer, missing=missing))
            continue
        theirs = make(*modules)
        np.testing.assert_allclose(ours(), theirs(), rtol=1e-5, err_msg=name)
        threads = (1, best_threads(modules[0], theirs)) if "torch" in packages else ()
        times = alternate({"ours": ours, "peer": theirs}, options.rounds)
        same = f"{ours():.4f} of both, to 1e-5 of it"
        report.add(Row(name, size, "ms", times["ours"], peer, times["peer"], threads, same))
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
