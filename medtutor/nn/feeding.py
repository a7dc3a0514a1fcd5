"""Keep Keras from waiting between the epochs and at the end of `fit`, `evaluate`, `predict`. It loads Keras.

Keras hands arrays, and what a `PyDataset` gives, to tf.data, and tf.data tunes itself in a thread that sleeps
10, 20, 40 ... ms, at last a minute. With TensorFlow 2.21 a call often returns, or the next epoch begins, only
when this thread wakes up next: an epoch of three seconds then takes five, and one of nine took nineteen. The
source has a gap that explains it: at the end the thread is woken first (`Model::OptimizeLoop`), and the mark
that tells it to end is set after that (`CancellationManager`); a thread that looks in between sleeps on.
"""

import contextlib
from functools import wraps
from importlib import import_module

import keras

ADAPTERS = ("array_data_adapter.ArrayDataAdapter", "py_dataset_adapter.PyDatasetAdapter")


def feed_without_tuning():
    """Have Keras tell tf.data not to tune itself, as it does for a `PyDataset` with several workers.

    Each batch and each result stays the same, bit for bit. A second call changes nothing, nor does any with
    another backend, or with a Keras that has no such place any more: then it feeds as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return
    for place in ADAPTERS:
        module, name = place.split(".")
        with contextlib.suppress(ImportError, AttributeError):  # Keras has no public setting for it
            adapter = getattr(import_module(f"keras.src.trainers.data_adapters.{module}"), name)
            if not hasattr(adapter.get_tf_dataset, "__wrapped__"):
                adapter.get_tf_dataset = _untuned(adapter.get_tf_dataset)


def _untuned(get_tf_dataset):
    @wraps(get_tf_dataset)
    def get(adapter):
        import tensorflow as tf

        options = tf.data.Options()
        options.autotune.enabled = False
        return get_tf_dataset(adapter).with_options(options)

    return get
