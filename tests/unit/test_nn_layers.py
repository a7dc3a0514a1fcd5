"""The fused batch normalisation beside Keras's own: outputs, gradients, running statistics, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from medtutor.nn.layers import FusedBatchNormalization

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, shape).astype("float32")


def both(**options):
    """Keras's layer and ours, called once on three channels, with the same scales and running statistics."""
    pair = [cls(momentum=0.9, **options) for cls in (layers.BatchNormalization, FusedBatchNormalization)]
    for layer in pair:
        layer(np.zeros((1, 2, 2, 3), "float32"))
        layer.set_weights([noise(*w.shape, seed=i) ** 2 + 0.1 for i, w in enumerate(layer.weights)])
    return pair


def used(call, kernel="FusedBatchNormV3"):
    """Whether a traced call contains the kernel."""
    graph = tf.function(call, autograph=False).get_concrete_function().graph
    return any(each.type == kernel for each in graph.get_operations())


def test_a_training_step_is_that_of_keras_in_output_gradients_and_running_statistics():
    x, weight = noise(4, 5, 6, 3), noise(4, 5, 6, 3, seed=9)
    found = []
    for layer in both():
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = layer(given, training=True)
            total = tf.reduce_sum(y * weight)
        slopes = tape.gradient(total, [given, *layer.trainable_variables])
        found.append([y, *slopes, *layer.get_weights()])
    for keras_own, fused in zip(*found, strict=True):
        np.testing.assert_allclose(fused, keras_own, rtol=1e-4, atol=1e-4)
    assert used(lambda: layer(x, training=True))


def test_statistics_by_hand():
    layer = FusedBatchNormalization(momentum=0.5, epsilon=0.0)
    x = np.array([1.0, 3.0, 5.0, 7.0], "float32").reshape(1, 2, 2, 1)  # mean 4, variance (9 + 1 + 1 + 9) / 4
    y = layer(x, training=True)
    np.testing.assert_allclose(np.ravel(y), (np.ravel(x) - 4) / np.sqrt(5), rtol=1e-6)
    running = dict(zip(("scale", "centre", "mean", "variance"), layer.get_weights(), strict=True))
    assert running["mean"] == pytest.approx([0.5 * 0 + 0.5 * 4])
    assert running["variance"] == pytest.approx([0.5 * 1 + 0.5 * 5])


@pytest.mark.parametrize(
    "options, x, call",
    [
        ({}, noise(4, 5, 6, 3), {"training": False}),
        ({}, noise(4, 5, 3), {"training": True}),
        ({}, noise(4, 5, 6, 3), {"training": True, "mask": noise(4, 5, 6) > 0}),
        ({"axis": 1}, noise(4, 3, 5, 3), {"training": True}),
        ({"scale": False}, noise(4, 5, 6, 3), {"training": True}),
        ({"center": False}, noise(4, 5, 6, 3), {"training": True}),
        ({"dtype": "mixed_bfloat16"}, noise(4, 5, 6, 3), {"training": True}),
    ],
    ids=["inference", "no image", "mask", "channels first", "no scale", "no centre", "mixed precision"],
)
def test_what_the_kernel_is_not_made_for_is_left_to_keras(options, x, call):
    answers = []
    for cls in (layers.BatchNormalization, FusedBatchNormalization):
        layer = cls(momentum=0.9, **options)
        answers.append(np.array(keras.ops.cast(layer(x, **call), "float32")))
    np.testing.assert_array_equal(*answers)
    assert not used(lambda: layer(x, **call))


def test_a_frozen_layer_uses_what_it_has_learned():
    for layer in both():
        layer.trainable = False
        before = layer.get_weights()
        y = layer(noise(4, 5, 6, 3), training=True)
        np.testing.assert_array_equal(y, layer(noise(4, 5, 6, 3), training=False))
        for old, new in zip(before, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


def test_five_steps_of_training_by_fit_end_where_those_of_keras_end():
    x, y = noise(40, 6, 6, 2), noise(40, 1)
    ends = []
    for cls in (layers.BatchNormalization, FusedBatchNormalization):
        keras.utils.set_random_seed(0)
        image = h = keras.Input((6, 6, 2))
        for filters in (3, 4):
            h = layers.ReLU()(cls(momentum=0.9)(layers.Conv2D(filters, 3, use_bias=False)(h)))
        model = keras.Model(image, layers.Dense(1)(layers.GlobalMaxPooling2D()(h)))
        model.compile(keras.optimizers.SGD(0.01), "mse", jit_compile=False)
        model.fit(x, y, batch_size=8, shuffle=False, verbose=0)
        ends.append(model.get_weights())
    for keras_own, fused in zip(*ends, strict=True):
        np.testing.assert_allclose(fused, keras_own, rtol=1e-3, atol=1e-4)


def test_a_saved_model_answers_the_same_when_it_is_loaded(tmp_path):
    image = keras.Input((4, 4, 3))
    model = keras.Model(image, FusedBatchNormalization(momentum=0.8)(image))
    model(noise(4, 4, 4, 3), training=True)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[-1].momentum == 0.8 and type(again.layers[-1]) is FusedBatchNormalization
    np.testing.assert_array_equal(again(noise(1, 4, 4, 3)), model(noise(1, 4, 4, 3)))
