"""How hard the simulated MR task is: AUROC of the classical baselines on "tumour or none", test patients.

    python benchmarks/mr_difficulty.py

The task must leave room for a network: no baseline may be above 0.90. Intervals are bootstrapped by patient.
"""

import sys

import numpy as np
from _measuring import Report, arguments
from skimage.feature import hog
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from medtutor.course.bench import Row
from medtutor.data import load_mr

BAR = 0.90


def pixels(data):
    return data.x.reshape(len(data), -1)


def brightest(data):
    return np.percentile(data.x[..., 1], 99.5, axis=(1, 2))[:, None]


def histograms(data):
    bins = np.linspace(0.05, 1.5, 49)
    return np.stack(
        [np.concatenate([np.histogram(c, bins)[0] for c in np.moveaxis(x, -1, 0)]) for x in data.x]
    )


def gradients(data):
    return np.stack(
        [np.concatenate([hog(c, 9, (8, 8), (2, 2)) for c in np.moveaxis(x, -1, 0)]) for x in data.x]
    )


BASELINES = {
    "brightest FLAIR, logistic": (brightest, LogisticRegression()),
    "pixels, logistic": (pixels, make_pipeline(StandardScaler(), LogisticRegression(C=1e-4, max_iter=200))),
    "pixels, 100 components, SVM": (
        pixels,
        make_pipeline(PCA(100, random_state=0), StandardScaler(), SVC(C=2)),
    ),
    "histogram, boosting": (
        histograms,
        HistGradientBoostingClassifier(max_iter=200, learning_rate=0.06, random_state=0),
    ),
    "HOG, SVM": (gradients, make_pipeline(StandardScaler(), SVC(C=2))),
}


def interval(y, scores, patients, draws=300):
    """The 95 % bootstrap interval of the AUROC, whole patients drawn."""
    rng = np.random.default_rng(0)
    rows = {patient: np.flatnonzero(patients == patient) for patient in np.unique(patients)}
    names = list(rows)
    values = []
    for _ in range(draws):
        drawn = np.concatenate([rows[names[i]] for i in rng.integers(len(names), size=len(names))])
        values.append(roc_auc_score(y[drawn], scores[drawn]))
    return np.percentile(values, [2.5, 97.5])


def main():
    report = Report(arguments(__doc__).parse_args(), seed=0)
    train, test = load_mr("train"), load_mr("test")
    for name, (features, model) in BASELINES.items():
        scores = model.fit(features(train), train.y).decision_function(features(test))
        value = round(roc_auc_score(test.y, scores), 3)
        low, high = interval(test.y, scores, test.patients)
        size = f"{name}; 95 % interval {low:.3f} to {high:.3f}"
        report.add(Row("tumour or none, AUROC of a baseline", size, "", (value,), at_most=BAR))
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
