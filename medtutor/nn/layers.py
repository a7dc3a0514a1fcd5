"""Layers that Keras 3 has, made faster. Importing it loads Keras; from then on arrays are fed untuned.

`FusedBatchNormalization(momentum=0.9)` stands where `keras.layers.BatchNormalization(momentum=0.9)` would,
and a model that was saved with it loads where this module is imported.
"""

import keras
from keras import ops

from medtutor.nn.feeding import feed_without_tuning

feed_without_tuning()


@keras.saving.register_keras_serializable("medtutor")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation as Keras computes it, in training by one kernel of TensorFlow instead of many.

    On processors, where each pass over a map takes its time, a training step of a U-Net needs a third less.
    Arguments, weights and results are those of `keras.layers.BatchNormalization`: the biased variance of the
    batch goes into the running one. Of input other than float32 (batch, rows, columns, channels), with a
    mask, without scale or centre, on another backend and in inference, Keras's own code is used.
    Source: Ioffe and Szegedy, ICML 2015, algorithm 1.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and mask is None and self._fits(inputs)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
            is_training=True,
        )
        n = ops.cast(ops.size(inputs) // inputs.shape[-1], "float32")
        biased = variance * (n - 1) / n  # TensorFlow's is that of a sample
        for running, now in ((self.moving_mean, mean), (self.moving_variance, biased)):
            running.assign(running * self.momentum + now * (1 - self.momentum))
        return y

    def _fits(self, inputs):
        usual = self.scale and self.center and not self.renorm and not self.synchronized
        return (
            keras.backend.backend() == "tensorflow"
            and usual
            and len(inputs.shape) == 4
            and self.axis in (3, -1)
            and keras.backend.standardize_dtype(inputs.dtype) == "float32" == self.compute_dtype
        )
