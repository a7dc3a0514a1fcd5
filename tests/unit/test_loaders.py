"""Every load_* of medtutor.data is asked the same questions, with no network and what is on this machine."""

import inspect
import os
import re
from pathlib import Path

import numpy as np
import pytest

from medtutor import data
from medtutor.data.dataset import SPLITS

REAL = Path(os.environ.get("MEDTUTOR_TEST_DATA") or Path(__file__).parents[3] / "shared" / "real")
LOADERS = {name: f for name, f in inspect.getmembers(data, inspect.isfunction) if name.startswith("load_")}
VARIANTS = {  # small, and each kind of label once
    "load_mr": [
        {"task": task, "patients": 4, "size": 32, "slices": 2, "contrasts": ("FLAIR", "T1")}
        for task in ("tumour", "lesion", "tissue", "translate", "denoise", "superresolve")
    ],
    "load_notes": [{"language": "en"}, {"language": "zh"}, {"language": "en", "sentences": True}],
    "load_relations": [{"language": "en"}, {"language": "zh"}],
}
CASES = [(name, options) for name in LOADERS for options in VARIANTS.get(name, [{}])]
NAMED = [f"{name} {' '.join(map(str, options.values()))}".strip() for name, options in CASES]


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """An empty cache for all of these tests; the real files, where they are, as the mirror."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDTUTOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(data.registry, "WAITS", ())
        if REAL.is_dir():
            patch.setenv("MEDTUTOR_MIRROR", str(REAL))
        else:
            patch.delenv("MEDTUTOR_MIRROR", raising=False)
        yield


def loaded(name, options, split):
    """The split, or a skip that names the file that is missing: a loader may not fail in any other way."""
    try:
        return LOADERS[name](split, **options)
    except (data.DataNotHere, data.NoChecksum) as error:
        message = str(error)
        assert "put" in message or "accept" in message or "folder" in message
        assert re.search(r"https?://|folder", message), message
        pytest.skip(message.splitlines()[0])


@pytest.mark.parametrize("name, options", CASES, ids=NAMED)
def test_every_split_keeps_its_promise(name, options):
    splits = {split: loaded(name, options, split) for split in SPLITS}
    seen = set()
    for split, each in splits.items():
        assert isinstance(each, data.Dataset) and each.split == split and len(each) == len(each.y)
        assert len(each.patients) == len(each) and not seen & set(each.patients)
        seen |= set(each.patients)
        if isinstance(each.x, np.ndarray):
            check_array(each)
        else:
            assert all(isinstance(word, str) and word for example in each.x for word in example)
        check_labels(each)
        assert each.unit and each.card.citation and each.card.not_for
        assert each.card.simulated == (name in ("load_mr", "load_notes", "load_relations"))
    assert len({each.classes for each in splits.values()}) == 1


def check_array(each):
    assert not each.x.flags.writeable and each.x.dtype in (np.float32, np.float64)
    if each.bounds is not None:
        assert np.isfinite(each.x).all()
        assert each.bounds[0] <= each.x.min() and each.x.max() <= each.bounds[1]
        assert each.x.ndim == 4 and each.x.shape[1] == each.x.shape[2]


def check_labels(each):
    if isinstance(each.y, tuple):
        allowed = {"O"} | {f"{prefix}-{kind}" for prefix in "BI" for kind in each.classes}
        assert all(len(tags) == len(words) for tags, words in zip(each.y, each.x, strict=True))
        assert {tag for tags in each.y for tag in tags} <= allowed
    elif np.issubdtype(each.y.dtype, np.integer):
        assert each.y.min() >= 0 and each.y.max() < len(each.classes)
        assert each.y.dtype == (np.int64 if each.y.ndim == 1 else np.uint8)
    else:
        assert each.y.dtype == np.float32 and np.isfinite(each.y).all()


@pytest.mark.parametrize("name, options", CASES, ids=NAMED)
def test_the_same_call_gives_the_same_data(name, options):
    first, second = (loaded(name, options, "val") for _ in range(2))
    for attribute in ("x", "y", "patients"):
        a, b = getattr(first, attribute), getattr(second, attribute)
        if isinstance(a, np.ndarray):
            assert np.array_equal(a, b, equal_nan=np.issubdtype(a.dtype, np.floating))
        else:
            assert a == b


@pytest.mark.parametrize("name", LOADERS)
@pytest.mark.parametrize("split", ["dev", "Train", "", None, 3])
def test_a_wrong_split_is_answered_with_the_right_ones(name, split):
    with pytest.raises(ValueError, match=re.escape(repr(split)) + ".*'train', 'val' or 'test'"):
        LOADERS[name](split)


@pytest.mark.parametrize("name", LOADERS)
def test_the_reference_stands_in_the_docstring(name):
    text = LOADERS[name].__doc__
    assert text and len(text.splitlines()[0]) > 20
    assert re.search(r"Source|source|Written|written", text), text
    assert next(iter(inspect.signature(LOADERS[name]).parameters)) == "split"


@pytest.mark.parametrize("name", LOADERS)
def test_one_line_switches_the_source(name):
    with pytest.raises(ValueError, match="'train', 'val' or 'test'"):
        data.load(name.removeprefix("load_"), "no such split")


def test_an_unknown_set_is_answered_with_near_ones():
    with pytest.raises(ValueError, match="pneumoniamnist"):
        data.load("pneumonia", "train")


def test_there_are_loaders_of_all_kinds():
    assert {"load_mr", "load_notes", "load_relations", "load_pneumoniamnist", "load_ncbi_disease"} <= set(
        LOADERS
    )
    assert len(LOADERS) >= 20
