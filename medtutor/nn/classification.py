"""Chapter 2 for later chapters: small classifiers, their training, and two ways to look inside.

Importing it loads Keras. The functions are those of the chapter, word for word.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from medtutor.nn.layers import FusedBatchNormalization


def shrink(x):
    """Half as many rows and columns: the mean of each two by two pixels.

    x (n, h, w, c), h and w even  ->  (n, h/2, w/2, c)
    """
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


def normalise(x):
    """Each image and each contrast by itself to mean 0 and standard deviation 1.

    x (n, h, w, c)  ->  the same shape; an empty image becomes zeros
    """
    mean, std = x.mean(axis=(1, 2), keepdims=True), x.std(axis=(1, 2), keepdims=True)
    return (x - mean) / np.maximum(std, 1e-6)


def augment(x, rng, shift=2):
    """The same heads as they might have lain: half of them mirrored, all moved a little.

    x (n, h, w, c), moved by up to `shift` pixels  ->  the same shape
    """
    mirrored = rng.random(len(x)) < 0.5
    x = np.where(mirrored[:, None, None, None], x[:, :, ::-1], x)
    moves = rng.integers(-shift, shift + 1, (len(x), 2))
    return np.stack([np.roll(image, move, (0, 1)) for image, move in zip(x, moves, strict=True)])


class Batches(keras.utils.PyDataset):
    """Shuffled batches of 32, each image augmented anew whenever it is drawn."""

    def __init__(self, x, y, seed=0, augment=augment):
        super().__init__()
        self.x, self.y, self.augment = x, y.astype("float32")[:, None], augment
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.x) // 32

    def __getitem__(self, i):
        rows = self.order[32 * i : 32 * i + 32]
        return self.augment(self.x[rows], self.rng), self.y[rows]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))


def conv_bn_relu(x, filters, size=3):
    """Convolution, batch normalisation, ReLU: the brick that all nets of the chapter share."""
    x = layers.Conv2D(filters, size, padding="same", use_bias=False)(x)
    x = FusedBatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x)


def head(x, dropout=0.3):
    """The strongest answer of each filter, anywhere in the image, and one logit from them."""
    x = layers.GlobalMaxPooling2D()(x)
    return layers.Dense(1)(layers.Dropout(dropout)(x))


def first_cnn(channels=2):
    """Three bricks, each followed by pooling; nothing else."""
    image = x = keras.Input((32, 32, channels))
    for filters in (16, 32, 64):
        x = layers.MaxPooling2D()(conv_bn_relu(x, filters))
    return keras.Model(image, head(x))


def small_alexnet(channels=2):
    """Large kernels, and overlapping pooling: 3 wide, 2 apart."""
    image = x = keras.Input((32, 32, channels))
    for filters, size in ((16, 5), (32, 5), (48, 3)):
        x = conv_bn_relu(x, filters, size)
        x = layers.MaxPooling2D(3, 2)(x)
    return keras.Model(image, head(x))


def small_vgg(channels=2):
    """Two kernels of three by three in place of one of five by five."""
    image = x = keras.Input((32, 32, channels))
    for filters in (12, 24, 36):
        x = conv_bn_relu(conv_bn_relu(x, filters), filters)
        x = layers.MaxPooling2D()(x)
    return keras.Model(image, head(x))


def residual(x, filters):
    """y = relu(F(x) + x): two convolutions that add what is missing (He et al., 2016)."""
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = layers.Conv2D(filters, 1, use_bias=False)(x)
    x = conv_bn_relu(x, filters)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    x = FusedBatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def small_resnet(channels=2):
    """The stacks of `small_vgg`, each with a way around it."""
    image = x = keras.Input((32, 32, channels))
    for filters in (12, 24, 36):
        x = layers.MaxPooling2D()(residual(x, filters))
    return keras.Model(image, head(x))


def deep_net(blocks, skip, channels=2):
    """2 × blocks + 1 convolutions, most at 16 by 16 pixels, with or without the sums."""
    image = keras.Input((32, 32, channels))
    x = layers.MaxPooling2D()(conv_bn_relu(image, 16))
    for _ in range(blocks):
        x = residual(x, 16) if skip else conv_bn_relu(conv_bn_relu(x, 16), 16)
    return keras.Model(image, head(x))


def train_net(make, x, y, epochs=8, seed=0, rate=3e-3, augment=augment, **options):
    """A new net from `make`, trained with Adam on a cosine; the same numbers for the same seed.

    x (n, 32, 32, c), y (n,) 0 or 1;  options go to `fit`  ->  (model, history)
    """
    keras.utils.set_random_seed(seed)
    model, batches = make(), Batches(x, y, seed, augment)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * len(batches))
    model.compile(
        keras.optimizers.Adam(schedule),
        keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[keras.metrics.AUC(from_logits=True, name="auroc")],
        jit_compile=False,
        steps_per_execution=16,
    )
    model.optimizer.build(model.trainable_variables)  # within `fit` it would take seconds
    return model, model.fit(batches, epochs=epochs, verbose=0, **options).history


def logits(model, x):
    """What the net says before the sigmoid. x (n, 32, 32, c) -> (n,)"""
    return model.predict(x, batch_size=100, verbose=0)[:, 0]


def occlusion(predict, image, size=6, step=2):
    """How far the score falls when a square around each place is covered with 0.

    predict  images (n, h, w, c) -> scores (n,);  image (h, w, c)  ->  (h/step, w/step), falls >= 0
    """
    rows, columns = (range(step // 2, side, step) for side in image.shape[:2])
    covered = np.repeat(image[None], len(rows) * len(columns), axis=0)
    for k, (i, j) in enumerate((i, j) for i in rows for j in columns):
        covered[k, max(i - size // 2, 0) : i + size // 2, max(j - size // 2, 0) : j + size // 2] = 0
    falls = predict(image[None]) - predict(covered)
    return np.maximum(falls, 0).reshape(len(rows), len(columns))


def grad_cam(model, image, layer):
    """Where the maps A of a layer speak for the logit z: relu(sum over k of alpha_k A^k).

    image (h, w, c), layer one of the model's  ->  (rows, columns) of the layer's maps, >= 0

        alpha_k = mean over i, j of dz / dA^k_ij

    Source: Selvaraju et al., ICCV 2017, equations 1 and 2.
    """
    inside = keras.Model(model.input, [layer.output, model.output])
    with tf.GradientTape() as tape:
        A, z = inside(image[None], training=False)
    alpha = ops.mean(tape.gradient(z, A), axis=(1, 2), keepdims=True)
    return np.array(ops.relu(ops.sum(alpha * A, axis=-1))[0])
