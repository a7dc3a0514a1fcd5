"""UCI heart disease, Cleveland: thirteen findings before an angiography, and what it showed."""

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import check_split
from medtutor.data.published.common import cut, dataset, hash_order

UCI_HEART_COLUMNS = {
    "age": "years",
    "sex": "1 man, 0 woman",
    "cp": "chest pain: 1 typical angina, 2 atypical angina, 3 other pain, 4 none",
    "trestbps": "mmHg, blood pressure at rest on admission",
    "chol": "mg/dl, serum cholesterol",
    "fbs": "1 fasting blood sugar above 120 mg/dl, 0 not",
    "restecg": "ECG at rest: 0 normal, 1 ST-T abnormality, 2 left ventricular hypertrophy",
    "thalach": "beats per minute, highest heart rate reached",
    "exang": "1 angina by exercise, 0 not",
    "oldpeak": "mm, ST depression by exercise against rest",
    "slope": "ST segment at peak exercise: 1 rising, 2 flat, 3 falling",
    "ca": "major vessels coloured by fluoroscopy, 0 to 3",
    "thal": "thallium scan: 3 normal, 6 fixed defect, 7 reversible defect",
}
SEED = 45  # the set's number at UCI


def load_uci_heart(split):
    """Findings in 303 patients before coronary angiography, and whether it showed a vessel narrowed by half.

    x (n, 13) float32 in the order and units of UCI_HEART_COLUMNS, nan where a value is missing (six of 3,939:
    four of ca, two of thal); y (n,) int64, 0 or 1; extra["num"] (n,) int64 is the publisher's label from 0 to
    4, of which y is whether it is above 0. n = 181 / 61 / 61, split within each class by a fixed seed.
    `patients` are rows.
    Source: Janosi et al., UCI Machine Learning Repository (1989), doi:10.24432/C52P4X. CC BY 4.0.
    """
    check_split(split)
    file = "processed.cleveland.data"
    path = registry.fetch("uci_heart", [file])[file]
    table = _table(path)
    registry.check_count("uci_heart", "rows", len(table))
    y = (table[:, -1] > 0).astype(np.int64)
    order = np.array(hash_order(range(len(y)), SEED))
    rows = np.sort(np.concatenate([cut(order[y[order] == k], split) for k in (0, 1)]))
    patients = [f"cleveland-{row + 1:03d}" for row in rows]
    return dataset(
        "uci_heart",
        split,
        table[rows, :-1].astype(np.float32),
        y[rows],
        patients,
        unit=", ".join(UCI_HEART_COLUMNS),
        extra={"num": table[rows, -1].astype(np.int64)},
    )


def _table(path):
    """(303, 14) float64, nan for "?"."""
    columns = len(UCI_HEART_COLUMNS) + 1
    lines = path.read_text(encoding="ascii").splitlines()
    rows = [line.split(",") for line in lines if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise ValueError(f"{path}: line {number} has {len(row)} columns; wanted are {columns}")
    return np.array([[np.nan if value.strip() == "?" else float(value) for value in row] for row in rows])
