"""Chapter 2's cell for published sets, on sets that are made here and, where it is, on real chest X-rays."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import medtutor.data
from medtutor.course.build import ROOT, read_source
from medtutor.metrics import auroc, interval
from medtutor.nn import classification as nn

REAL = Path(os.environ.get("MEDTUTOR_TEST_DATA") or ROOT.parent / "shared" / "real")


@pytest.fixture
def on(monkeypatch):
    """on(splits, …): the chapter's function of that name, with {split: data} for the published set."""
    cells = read_source(ROOT / "notebooks" / "source" / "02_classification.py").notebook.cells
    text = next(cell.source for cell in cells if cell.id == "real-code")
    names = {**vars(nn), "auroc": auroc, "interval": interval}
    exec(text, names)

    def run(splits, **options):
        monkeypatch.setattr(medtutor.data, "load", lambda name, split: splits[split])
        return names["on"]("a set", **options)

    return run


def squares(n, channels, classes, seed):
    """Grey noise, 28 by 28; images of class 1 have a bright square somewhere."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 0.6, (n, 28, 28, channels)).astype("float32"), rng.integers(0, classes, n)
    for i in np.flatnonzero(y == 1):
        row, column = rng.integers(2, 20, 2)
        x[i, row : row + 6, column : column + 6] = 1
    return SimpleNamespace(x=x, y=y)


@pytest.mark.parametrize("channels, classes", [(1, 2), (3, 4)])
def test_one_class_of_a_published_set_is_told_from_the_rest(on, channels, classes):
    splits = {"train": squares(640, channels, classes, 0), "test": squares(200, channels, classes, 1)}
    found = on(splits, epochs=3)
    assert found.low > 0.9


def test_the_class_asked_for_is_the_one_that_is_found(on):
    splits = {"train": squares(640, 1, 3, 0), "test": squares(300, 1, 3, 1)}
    splits["test"].y = np.where(splits["test"].y == 1, 2, 1)  # the squares bear another number now
    assert on(splits, positive=1, epochs=3).value < 0.3


def test_real_chest_x_rays_run_through_the_same_cell(on):
    path = REAL / "pneumoniamnist_altered" / "pneumoniamnist.npz"
    if not path.is_file():
        pytest.skip("the altered chest X-rays are not here; MEDTUTOR_TEST_DATA can name their folder")
    with np.load(path) as file:
        splits = {
            split: SimpleNamespace(
                x=file[f"{split}_images"][:960, ..., None] / np.float32(255),
                y=file[f"{split}_labels"][:960, 0],
            )
            for split in ("train", "test")
        }
    found = on(splits, epochs=1)  # no result on altered images means anything; that there is one does
    assert 0 <= found.low <= found.value <= found.high <= 1 and found.patients == 624
