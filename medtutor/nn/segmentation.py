"""Chapter 3 for later chapters: a U-Net, its losses, its training, and masks of any size.

Importing it loads Keras. The functions are those of the chapter, word for word.
"""

import keras
import numpy as np
from keras import layers, ops

from medtutor.nn.layers import FusedBatchNormalization


def double(x, filters):
    """Chapter 2's brick twice: what happens on each level of a U-Net, down and up."""
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU()(FusedBatchNormalization(momentum=0.9)(x))
    return x


def enlarge(x, filters, learned=True):
    """Twice as many rows and columns: by a transposed convolution, or by copying each pixel."""
    if learned:
        return layers.Conv2DTranspose(filters, 2, strides=2)(x)
    return layers.Conv2D(filters, 1)(layers.UpSampling2D(2)(x))


def unet(channels=2, classes=1, filters=8, levels=4, size=96, skips=True, learned=True):
    """A U-Net with padding: logits (n, size, size, classes) for images (n, size, size, channels).

    size  None for images of any size that halves evenly levels - 1 times
    Source: Ronneberger, Fischer and Brox, MICCAI 2015, here with padding and batch normalisation.
    """
    image = x = keras.Input((size, size, channels))
    kept = []
    for level in range(levels - 1):
        kept.append(double(x, filters * 2**level))
        x = layers.MaxPooling2D()(kept[-1])
    x = double(x, filters * 2 ** (levels - 1))
    for level in reversed(range(levels - 1)):
        x = enlarge(x, filters * 2**level, learned)
        if skips:
            x = layers.Concatenate()([kept[level], x])
        x = double(x, filters * 2**level)
    return keras.Model(image, layers.Conv2D(classes, 1)(x))


def cross_entropy(y, z):
    """The mean over the pixels of -y log p - (1 - y) log(1 - p), with p = sigmoid(z), for each image.

    y, z (n, h, w, 1)  ->  (n,)
    """
    return ops.mean(ops.softplus(z) - y * z, axis=(1, 2, 3))


def dice_loss(y, z, epsilon=1.0):
    """1 - (2 sum(y p) + epsilon) / (sum(y) + sum(p) + epsilon), with p = sigmoid(z), for each image.

    y, z (n, h, w, 1)  ->  (n,);  Source: after Milletari, Navab and Ahmadi, 3DV 2016.
    """
    p, over = ops.sigmoid(z), (1, 2, 3)
    size = ops.sum(y, axis=over) + ops.sum(p, axis=over)
    return 1 - (2 * ops.sum(y * p, axis=over) + epsilon) / (size + epsilon)


def summed_loss(y, z):
    """Cross-entropy and Dice loss, added: (n,)"""
    return cross_entropy(y, z) + dice_loss(y, z)


def focal_loss(y, z, gamma=2.0):
    """Cross-entropy with (1 - q)^gamma before each pixel, q being the probability of what is true there.

    y, z (n, h, w, 1)  ->  (n,);  Source: Lin et al., ICCV 2017, equation 4.
    """
    t = (2 * y - 1) * z  # q = sigmoid(t), and -log q = softplus(-t)
    return ops.mean(ops.sigmoid(-t) ** gamma * ops.softplus(-t), axis=(1, 2, 3))


def augment_pair(x, y, rng, shift=6):
    """Images and their masks as they might have lain: half of them mirrored, all moved, both alike.

    x (n, h, w, c), y (n, h, w), moved by up to `shift` pixels  ->  the same shapes
    """
    mirrored = rng.random(len(x)) < 0.5
    x = np.where(mirrored[:, None, None, None], x[:, :, ::-1], x)
    y = np.where(mirrored[:, None, None], y[:, :, ::-1], y)
    moves = rng.integers(-shift, shift + 1, (len(x), 2))
    x, y = ([np.roll(one, move, (0, 1)) for one, move in zip(many, moves, strict=True)] for many in (x, y))
    return np.stack(x), np.stack(y)


class Pairs(keras.utils.PyDataset):
    """Shuffled batches of images and masks, each pair augmented anew whenever it is drawn."""

    def __init__(self, x, y, seed=0, batch=16, augment=augment_pair):
        super().__init__()
        self.x, self.y, self.batch, self.augment = x, y, batch, augment
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.x) // self.batch

    def __getitem__(self, i):
        rows = self.order[self.batch * i : self.batch * (i + 1)]
        x, y = self.augment(self.x[rows], self.y[rows], self.rng)
        return x, y[..., None].astype("float32")

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))


def train_unet(
    make, x, y, loss=summed_loss, epochs=8, seed=0, rate=3e-3, batch=16, augment=augment_pair, **options
):
    """A new net from `make`, trained with Adam on a cosine; the same numbers for the same seed.

    x (n, h, w, c), y (n, h, w) classes;  options go to `fit`  ->  (model, history)
    """
    keras.utils.set_random_seed(seed)
    model, pairs = make(), Pairs(x, y, seed, batch, augment)
    schedule = keras.optimizers.schedules.CosineDecay(rate, epochs * len(pairs))
    model.compile(keras.optimizers.Adam(schedule), loss, jit_compile=False, steps_per_execution=16)
    model.optimizer.build(model.trainable_variables)  # within `fit` it would take seconds
    return model, model.fit(pairs, epochs=epochs, verbose=0, **options).history


def unpacked(numbers, like):
    """A long row of numbers (n,), cut into arrays of the shapes of those in `like`."""
    ends = np.cumsum([w.size for w in like])
    return [part.reshape(w.shape) for part, w in zip(np.split(numbers, ends[:-1]), like, strict=True)]


def probability(model, x):
    """The probability of a lesion in each pixel. x (n, h, w, c) -> (n, h, w)"""
    z = model.predict(x, batch_size=50, verbose=0)[..., 0]
    return 1 / (1 + np.exp(-z))


def by_patient(metric, y, p, patients):
    """A metric of two masks for each patient who has a lesion, all slices of a patient as one mask.

    y, p (n, h, w), patients (n,)  ->  (patients with a lesion,), in the order of their names
    """
    groups = (patients == who for who in np.unique(patients))
    return np.array([metric(y[rows], p[rows]) for rows in groups if y[rows].any()])


def flipped_probability(model, x):
    """The mean of what the net says of an image and of its mirror image, turned back. (n, h, w)"""
    return (probability(model, x) + probability(model, x[:, :, ::-1])[:, :, ::-1]) / 2


def starts(length, size, step):
    """Where windows of `size` begin that cover 0 … length - 1, `step` apart; the last one ends at the end.

    length >= size >= step
    """
    return [*range(0, length - size, step), length - size]


def sliding_probability(predict, image, size=96, step=48):
    """The probability map of an image larger than the net's input, from windows that fade into each other.

    predict  windows (n, size, size, c) -> probabilities (n, size, size);  image (h, w, c)  ->  (h, w)

        P = sum_k w_k p_k / sum_k w_k, over the windows k that hold the pixel, w large in their middles
    """
    ramp = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    w = np.outer(ramp, ramp).astype("float64")
    corners = [(i, j) for i in starts(image.shape[0], size, step) for j in starts(image.shape[1], size, step)]
    windows = predict(np.stack([image[i : i + size, j : j + size] for i, j in corners]))
    total, weight = np.zeros(image.shape[:2]), np.zeros(image.shape[:2])
    for (i, j), p in zip(corners, windows, strict=True):
        total[i : i + size, j : j + size] += w * p
        weight[i : i + size, j : j + size] += w
    return total / weight
