"""Keras feeds its nets through tf.data without autotuning, in every call; the weights stay the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.trainers.data_adapters import array_data_adapter, py_dataset_adapter

from medtutor.data import batches
from medtutor.nn.feeding import feed_without_tuning
from medtutor.nn.layers import FusedBatchNormalization
from medtutor.nn.tagging import Sentences

ADAPTERS = array_data_adapter.ArrayDataAdapter, py_dataset_adapter.PyDatasetAdapter


class Rows(keras.utils.PyDataset):
    """Four rows at a time, each epoch in another order."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays, self.rng = arrays, np.random.default_rng(0)

    def __len__(self):
        return len(self.arrays[0]) // 4

    def __getitem__(self, i):
        return tuple(each[4 * i : 4 * i + 4] for each in self.arrays)

    def on_epoch_end(self):
        order = self.rng.permutation(len(self.arrays[0]))
        self.arrays = tuple(each[order] for each in self.arrays)


CALLS = {
    "fit": lambda model, x, y: model.fit(x, y, batch_size=4, validation_split=0.25, verbose=0),
    "fit, weighted": lambda model, x, y: model.fit(x, y, sample_weight=y, verbose=0),
    "fit, PyDataset": lambda model, x, y: model.fit(Rows(x, y), validation_data=Rows(x, y), verbose=0),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x, batch_size=4, verbose=0),
    "predict, PyDataset": lambda model, x, y: model.predict(Rows(x), verbose=0),
}
FED_BY = {
    "arrays": lambda x, y: {"x": x, "y": y, "batch_size": 4},
    "PyDataset": lambda x, y: {"x": Rows(x, y)},
}


def small(seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])
    model.compile("adam", "mse", jit_compile=False, steps_per_execution=2)
    return model


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(18, 3)).astype("float32"), rng.random(18).astype("float32")


@pytest.fixture
def tuned(monkeypatch):
    """[whether tf.data may tune itself, for each dataset that is run through]"""
    found, run_through = [], tf.data.Dataset.__iter__

    def look(dataset):
        found.append(dataset.options().autotune.enabled)
        return run_through(dataset)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", look)
    return found


@pytest.fixture
def as_keras_does(monkeypatch):
    """A call that has Keras feed as it would without us."""

    def undo():
        for adapter in ADAPTERS:
            monkeypatch.setattr(adapter, "get_tf_dataset", adapter.get_tf_dataset.__wrapped__)

    return undo


@pytest.mark.parametrize("call", CALLS)
def test_no_call_waits_for_the_tuner(call, data, tuned):
    CALLS[call](small(), *data)
    assert tuned and all(each is False for each in tuned)


@pytest.mark.parametrize("fed", FED_BY)
def test_keras_would_tune(fed, as_keras_does, data, tuned):
    """What this is for: where it fails, Keras feeds in another way, and the module may go."""
    as_keras_does()
    small().fit(**FED_BY[fed](*data), verbose=0)
    assert set(tuned) == {None}  # TensorFlow takes it for True


@pytest.mark.parametrize("fed", FED_BY)
def test_the_same_weights(fed, as_keras_does, data):
    def trained():
        model = small(3)
        history = model.fit(**FED_BY[fed](*data), epochs=3, verbose=0).history
        return [*model.get_weights(), history["loss"], model.predict(data[0], verbose=0)]

    ours = trained()
    as_keras_does()
    for a, b in zip(ours, trained(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_call_changes_nothing():
    assert FusedBatchNormalization and Sentences and batches  # what the chapters import has called it
    once = [adapter.get_tf_dataset for adapter in ADAPTERS]
    feed_without_tuning()
    assert [adapter.get_tf_dataset for adapter in ADAPTERS] == once


def test_a_keras_without_the_place(monkeypatch):
    """A place that is gone does not keep the other from being set."""
    arrays, rows = ADAPTERS
    monkeypatch.delattr(array_data_adapter, "ArrayDataAdapter")
    monkeypatch.setattr(rows, "get_tf_dataset", rows.get_tf_dataset.__wrapped__)
    once = arrays.get_tf_dataset
    feed_without_tuning()
    assert arrays.get_tf_dataset is once and hasattr(rows.get_tf_dataset, "__wrapped__")
