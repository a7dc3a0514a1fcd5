"""Arrays reach Keras through tf.data without autotuning, in every call, and train to the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.trainers.data_adapters import array_data_adapter
from keras.src.trainers.data_adapters.array_data_adapter import ArrayDataAdapter

from medtutor.nn.feeding import feed_without_tuning
from medtutor.nn.layers import FusedBatchNormalization
from medtutor.nn.tagging import Sentences

CALLS = {
    "fit": lambda model, x, y: model.fit(x, y, batch_size=4, validation_split=0.25, verbose=0),
    "fit, weighted": lambda model, x, y: model.fit(x, y, sample_weight=y, verbose=0),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x, batch_size=4, verbose=0),
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


@pytest.mark.parametrize("call", CALLS)
def test_no_call_waits_for_the_tuner(call, data, tuned):
    CALLS[call](small(), *data)
    assert tuned and all(each is False for each in tuned)


def test_keras_would_tune(monkeypatch, data, tuned):
    """What this is for: where it fails, Keras feeds arrays in another way, and the module may go."""
    monkeypatch.setattr(ArrayDataAdapter, "get_tf_dataset", ArrayDataAdapter.get_tf_dataset.__wrapped__)
    small().fit(*data, verbose=0)
    assert set(tuned) == {None}  # TensorFlow takes it for True


def test_the_same_weights(monkeypatch, data):
    def trained():
        model = small(3)
        history = model.fit(*data, batch_size=4, epochs=3, verbose=0).history
        return [*model.get_weights(), history["loss"], model.predict(data[0], verbose=0)]

    ours = trained()
    monkeypatch.setattr(ArrayDataAdapter, "get_tf_dataset", ArrayDataAdapter.get_tf_dataset.__wrapped__)
    for a, b in zip(ours, trained(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_second_call_changes_nothing():
    assert FusedBatchNormalization and Sentences  # what the chapters import has called it
    once = ArrayDataAdapter.get_tf_dataset
    feed_without_tuning()
    assert ArrayDataAdapter.get_tf_dataset is once


def test_a_keras_without_the_place(monkeypatch):
    once = ArrayDataAdapter.get_tf_dataset
    monkeypatch.delattr(array_data_adapter, "ArrayDataAdapter")
    feed_without_tuning()
    assert ArrayDataAdapter.get_tf_dataset is once
