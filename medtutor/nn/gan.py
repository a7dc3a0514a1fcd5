"""Chapter 4 for later chapters: a class-conditional DCGAN that draws slices, its training, and its file.

    gan = DCGAN(to_tanh(data.x), data.y).train(3000)
    x = from_tanh(gan.draw(np.arange(100) % 2, seed=1))             # 100 slices, every second with a tumour

Importing it loads Keras. The functions are those of the chapter, word for word.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from medtutor.data import load_mr
from medtutor.data.mr.head import FIELD_OF_VIEW
from medtutor.data.progress import progress
from medtutor.data.shipped import check_shipped
from medtutor.data.studies import FOLDER, stored_study, unpacked
from medtutor.nn.classification import first_cnn, normalise, shrink, train_net
from medtutor.nn.layers import FusedBatchNormalization

BRIGHTEST = 1.5  # of the slices of `load_mr`


# ------------------------------------------------------------------------------------------------- range


def to_tanh(x):
    """Slices of `load_mr`, 0 to 1.5, in the range that a tanh can draw: -1 (black) to 1."""
    return (x / BRIGHTEST * 2 - 1).astype("float32")


def from_tanh(x):
    """What `to_tanh` made, or a generator drew, back in the range of `load_mr`."""
    return (x + 1) / 2 * BRIGHTEST


def slices(split, patients=None, size=32, contrast="T2", least=400):
    """Slices of `load_mr` for a generator: those without a tumour, and those where it covers `least` mm^2.

    size 64 pixels as loaded, or 32, the mean of two by two, with half the noise
    ->  x (n, size, size, 1) 0..1.5, y (n,) 1 = tumour, patients (n,)
    """
    data = load_mr(split, contrasts=(contrast,), size=64, patients=patients)
    area = (data.extra["lesion"] > 0).sum((1, 2)) * (FIELD_OF_VIEW / 64) ** 2
    kept = (area == 0) | (area >= least)
    x = shrink(data.x) if size == 32 else data.x
    return x[kept], data.y[kept], data.patients[kept]


def one_each(patients, seed=0):
    """The row of one slice of each patient, drawn by lot: neighbours of one head say little new.  -> (k,)"""
    lot = np.random.default_rng(seed).permutation(len(patients))
    return lot[np.unique(patients[lot], return_index=True)[1]]


def hospital(y, patients, n, seed=0):
    """The rows of n slices, half of each class, each of another patient, drawn by lot.  -> (n,)"""
    one = np.random.default_rng(seed).permutation(one_each(patients, seed))
    return np.concatenate([one[y[one] == k][: n // 2] for k in (0, 1)])


# -------------------------------------------------------------------------------------------------- nets


def start():
    """A new initializer, N(0, 0.02), for one layer: one shared by two layers repeats its numbers."""
    return keras.initializers.RandomNormal(0, 0.02)


def enlarge(x, filters, **options):
    """Twice as many rows and columns: transposed convolution 4x4, stride 2, which 4 divides evenly."""
    return layers.Conv2DTranspose(filters, 4, 2, "same", kernel_initializer=start(), **options)(x)


def norm_relu(x):
    """Batch normalisation, then ReLU."""
    return layers.ReLU()(FusedBatchNormalization(momentum=0.9)(x))


def generator(size=32, z=64, filters=(128, 64, 32), classes=2):
    """G: noise z (n, z) and class y (n, classes), one-hot, become pictures (n, size, size, 1), -1 to 1."""
    noise, label = keras.Input((z,)), keras.Input((classes,))
    x = layers.Concatenate()([noise, label])
    x = layers.Dense(filters[0] * (size // 8) ** 2, kernel_initializer=start())(x)
    x = norm_relu(layers.Reshape((size // 8, size // 8, filters[0]))(x))
    for f in filters[1:]:
        x = norm_relu(enlarge(x, f, use_bias=False))
    return keras.Model([noise, label], enlarge(x, 1, activation="tanh"))


class Spread(layers.Layer):
    """Minibatch standard deviation: one more map, that tells D how much four pictures differ.

    x (n, h, w, c), n a multiple of 4: picture i is compared with i + n/4, i + n/2 and i + 3n/4
    ->  (n, h, w, c + 1); the last map holds one number a picture, the mean over h, w, c
    Source: Karras et al., ICLR 2018, section 3.
    """

    def call(self, x):
        n, h, w, c = x.shape
        fours = ops.reshape(x, (4, -1, h, w, c))
        differ = ops.mean(ops.sqrt(ops.var(fours, axis=0) + 1e-8), axis=(1, 2, 3))
        differ = ops.reshape(ops.tile(differ, 4), (-1, 1, 1, 1))
        return ops.concatenate([x, differ * ops.ones_like(x[..., :1])], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], shape[-1] + 1)


def discriminator(size=32, filters=(32, 64, 128), classes=2, spread=True):
    """D: are pictures (n, size, size, 1) real ones of the classes y (n, classes), and of which are they?

        logit = w . h + b + w_y . h,    h what the convolutions see          (n, 1), positive for real
        scores of the classes, from the strongest answer of each map         (n, classes)

    The scores, which do not see y, find a small tumour wherever it lies.
    Source: Miyato and Koyama, ICLR 2018 (w_y: projection); Odena et al., ICML 2017 (auxiliary classifier).
    """
    image, label = keras.Input((size, size, 1)), keras.Input((classes,))
    h = image
    for f in filters:
        h = layers.Conv2D(f, 4, 2, "same", kernel_initializer=start())(h)
        h = layers.LeakyReLU(negative_slope=0.2)(h)
    scores = layers.Dense(classes, kernel_initializer=start())(layers.GlobalMaxPooling2D()(h))
    h = layers.Flatten()(Spread()(h) if spread else h)
    w_y = layers.Dense(classes, use_bias=False, kernel_initializer=start())(h)
    logit = layers.Dense(1, kernel_initializer=start())(h) + layers.Dot(1)([w_y, label])
    return keras.Model([image, label], [logit, scores])


# ---------------------------------------------------------------------------------------- loss and steps


def d_loss(real, drawn):
    """D's loss for its logits: - log D(real) - log(1 - D(drawn)), D the sigmoid of a logit."""
    return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(drawn))


def g_loss(drawn):
    """G's loss, turned round so that it teaches from the start: - log D(drawn)."""
    return ops.mean(ops.softplus(-drawn))


def class_loss(y, scores):
    """Cross-entropy of the class scores (n, k) with one-hot y: mean of log sum_k exp(score_k) - score_y."""
    return ops.mean(ops.logsumexp(scores, axis=1) - ops.sum(y * scores, axis=1))


def r1(D, x, y):
    """How steep is D at real pictures x (n, h, w, 1) of classes y?  The mean of |d logit / dx|^2.

    Source: Mescheder, Geiger and Nowozin, ICML 2018, equation 9 (there times gamma / 2).
    """
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits, _ = D([x, y], training=True)
        total = ops.sum(logits)
    return ops.mean(ops.sum(tape.gradient(total, x) ** 2, axis=(1, 2, 3)))


def jitter(x, rng):
    """Each picture a little brighter or darker, of more or less contrast, and moved by up to 1/8.

    x (n, h, w, c) in -1..1, black comes in from outside; rng a tf.random.Generator. Real and drawn pictures
    go through it before D sees them, and gradients come back.
    Source: DiffAugment, Zhao et al., NeurIPS 2020.
    """
    n, size = x.shape[0], x.shape[1]
    x = x + rng.uniform((n, 1, 1, 1), -0.1, 0.1)
    mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
    x = mean + (x - mean) * rng.uniform((n, 1, 1, 1), 0.8, 1.2)
    most = size // 8
    x = tf.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), constant_values=-1)
    rows, columns = (rng.uniform((n, 1), 0, 2 * most + 1, "int32") + tf.range(size) for _ in "rc")
    return tf.gather(tf.gather(x, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def d_step(G, D, optimizer, x, y, z, gamma=0.0, label=1.0, change=tf.identity):
    """One step of D's weights, none of G's: real from drawn, and the classes of the real.

    gamma weighs R1, label the class loss, change is done to all that D sees
    ->  D's loss for real against drawn, and the shares of real and of drawn that it called rightly
    """
    drawn = G([z, y], training=True)
    with tf.GradientTape() as tape:
        real, scores = D([change(x), y], training=True)
        false, _ = D([change(drawn), y], training=True)
        loss = d_loss(real, false)
        total = loss + label * class_loss(y, scores) + (gamma / 2 * r1(D, x, y) if gamma else 0)
    weights = D.trainable_variables
    optimizer.apply(tape.gradient(total, weights), weights)
    return loss, ops.mean(ops.cast(real > 0, "float32")), ops.mean(ops.cast(false < 0, "float32"))


def g_step(G, D, optimizer, y, z, label=1.0, change=tf.identity):
    """One step of G's weights, none of D's: to be taken for real, and for the class asked for; -> g_loss."""
    with tf.GradientTape() as tape:
        drawn, scores = D([change(G([z, y], training=True)), y], training=True)
        loss = g_loss(drawn)
        total = loss + label * class_loss(y, scores)
    weights = G.trainable_variables
    optimizer.apply(tape.gradient(total, weights), weights)
    return loss


def average(E, G, decay):
    """Move the weights of E, the averaged generator, a little towards G's: e = decay e + (1 - decay) g."""
    for e, g in zip(E.trainable_variables, G.trainable_variables, strict=True):
        e.assign(decay * e + (1 - decay) * g)


def norms(E):
    """The batch norms of a net."""
    return [layer for layer in E.layers if isinstance(layer, layers.BatchNormalization)]


def measure_again(E, z, y):
    """Give the batch norms of E the means and variances that its own weights make of z and y.

    Those that it has belong to other weights. One large batch, and the momentum 0: only it counts.
    """
    for layer in norms(E):
        layer.momentum = 0.0
    E([z, y], training=True)


# ---------------------------------------------------------------------------------------------- training


RECIPE = {"z": 64, "g": (128, 64, 32), "d": (32, 64, 128), "batch": 16, "rate": 1e-3, "beta_1": 0.5}
LOG = "d_loss", "g_loss", "real_right", "drawn_right"
RECIPE |= {"label": 1.0, "gamma": 0.3, "lazy": 4, "decay": 0.99, "jitter": False, "spread": True}


class DCGAN:
    """A generator in training: G and D play, E is the average of G that draws.

    x (n, size, size, 1) in -1..1, y (n,) classes 0, 1, …;  changes to RECIPE by name: z numbers of noise,
    g and d filters, batch, rate and beta_1 of Adam, label the weight of the class loss, gamma of R1 at each
    lazy-th step, decay of the average, jitter for few pictures, spread.
    """

    def __init__(self, x, y, seed=0, **changes):
        self.recipe = r = recipe(x, y, **changes)
        keras.utils.set_random_seed(seed)
        self.rng, classes = tf.random.Generator.from_seed(seed), int(np.max(y)) + 1
        self.x, self.y = tf.constant(x), tf.one_hot(y, classes)
        self.G, self.E = (generator(x.shape[1], r["z"], r["g"], classes) for _ in "GE")
        self.D = discriminator(x.shape[1], r["d"], classes, r["spread"])
        self.E.set_weights(self.G.get_weights())
        self.adam = [keras.optimizers.Adam(r["rate"], r["beta_1"]) for _ in "GD"]
        for optimizer, net in zip(self.adam, (self.G, self.D), strict=True):
            optimizer.build(net.trainable_variables)
        self.steps, self.log = 0, []

    def batch(self):
        """Real pictures x, their classes y, and fresh noise z."""
        n, r = self.recipe["batch"], self.rng
        i = r.uniform((n,), 0, len(self.x), "int32")
        return tf.gather(self.x, i), tf.gather(self.y, i), r.normal((n, self.recipe["z"]))

    def change(self, x):
        return jitter(x, self.rng) if self.recipe["jitter"] else x

    @tf.function
    def step(self, penalise):
        """One step of D, one of G with new noise, and E follows; -> losses of D and G, D's shares right."""
        label, gamma = self.recipe["label"], penalise * self.recipe["gamma"] * self.recipe["lazy"]
        x, y, z = self.batch()
        loss, real, false = d_step(self.G, self.D, self.adam[1], x, y, z, gamma, label, self.change)
        _, y, z = self.batch()
        drawn = g_step(self.G, self.D, self.adam[0], y, z, label, self.change)
        average(self.E, self.G, self.recipe["decay"])
        return tf.stack([loss, drawn, real, false])

    def train(self, steps, watch=None, every=50, cool=0.0):
        """So many steps more; watch(gan, step, log) after each `every` of them, True stops it.  -> self

        log   {name: mean over the last steps}: d_loss, g_loss, and the shares real_right and drawn_right
        cool  share of the steps, the last ones, in which Adam's rate falls to 0
        """
        for step in range(1, steps + 1) if watch else progress(range(1, steps + 1), "training", steps):
            for optimizer in self.adam:
                left = (steps - step + 1) / max(cool * steps, 1)
                optimizer.learning_rate = self.recipe["rate"] * min(left, 1)
            penalise = self.recipe["gamma"] > 0 and self.steps % self.recipe["lazy"] == 0
            self.log.append(self.step(penalise))
            self.steps += 1
            if watch and (step % every == 0 or step == steps) and watch(self, step, self.last(every)):
                break
        return self

    def last(self, n):
        """{name: mean over the last n steps} of the losses and of the shares that D called rightly."""
        return dict(zip(LOG, np.mean(self.log[-n:], axis=0).tolist(), strict=True))

    def draw(self, labels, seed=0):
        """Pictures of these classes, (n,) -> (n, size, size, 1) in -1..1, by the averaged generator."""
        k = self.y.shape[1]
        measure_again(self.E, noise(1000, self.recipe["z"], 0), np.eye(k)[np.arange(1000) % k])
        return draw(self.E, labels, seed)


def noise(n, z, seed):
    """Standard normal numbers (n, z), the same for the same seed."""
    return np.random.default_rng(seed).normal(size=(n, z)).astype("float32")


def draw(E, labels, seed=0):
    """Pictures of these classes, (n,) -> (n, size, size, 1) in -1..1; the same for the same seed."""
    z, k = (each.shape[1] for each in E.inputs)
    labels = np.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not set(np.unique(labels)) <= set(range(k)):
        raise ValueError(f"labels are {labels!r:.60}; use a row of classes 0 to {k - 1}, one a picture")
    return E.predict([noise(len(labels), z, seed), np.eye(k)[labels]], batch_size=250, verbose=0)


def recipe(x, y, **changes):
    """RECIPE with changes; a ValueError says what of it or of the data will not do."""
    r = RECIPE | changes
    if unknown := changes.keys() - RECIPE.keys():
        raise ValueError(f"{', '.join(sorted(unknown))}: no part of the recipe; it has {', '.join(RECIPE)}")
    if x.ndim != 4 or x.shape[1] != x.shape[2] or x.shape[3] != 1 or x.shape[1] % 8:
        raise ValueError(
            f"x has shape {x.shape}; (n, size, size, 1) is wanted, size a multiple of 8: crop or pad"
        )
    if x.min() < -1 or x.max() > 1 or x.min() >= 0:
        raise ValueError(f"x goes from {x.min():.2f} to {x.max():.2f}; -1 (black) to 1 is wanted: to_tanh(x)")
    if len(y) != len(x) or not np.issubdtype(np.asarray(y).dtype, np.integer) or np.min(y) < 0:
        raise ValueError(
            f"y has shape {np.shape(y)}; {len(x)} whole numbers 0, 1, … are wanted, one a picture"
        )
    if r["batch"] % 4 or r["batch"] < 4:
        raise ValueError(f"batch is {r['batch']}; a multiple of 4 is wanted, which Spread compares")
    return r


# ------------------------------------------------------------------------------------- learning from it


def unchanged(x, rng):
    """No augmentation, for `train_net`."""
    return x


def learn(x, y, change, drawn=None, seed=0):
    """Chapter 2's first net after 250 batches of 32, however many slices x (n, 32, 32, 1) there are.

    change  the augmentation;  drawn  pictures with the classes 0, 1, 0, 1, …, as a part of each epoch
    """
    real = np.resize(np.arange(len(x)), 1600 - (0 if drawn is None else len(drawn)))
    x, y = x[real], y[real]
    if drawn is not None:
        x, y = np.concatenate([x, drawn]), np.concatenate([y, np.arange(len(drawn)) % 2])
    return train_net(lambda: first_cnn(1), normalise(x), y, epochs=5, seed=seed, augment=change)[0]


# ------------------------------------------------------------------------------------------------- files


def save_generator(E, path):
    """Write a generator into a file NAME.npz: kernels in 16 bits, which halves it; no code, no pickle."""
    arrays = {
        f"{i:02}": w.astype("float16" if w.ndim > 1 else "float32") for i, w in enumerate(E.get_weights())
    }
    np.savez_compressed(path, plan=plan(E), **arrays)


def load_generator(path):
    """The generator that `save_generator` wrote."""
    with np.load(path, allow_pickle=False) as file:
        size, z, classes, *filters = file["plan"].tolist()
        weights = [file[name] for name in sorted(set(file.files) - {"plan"})]
    E = generator(size, z, filters, classes)
    E.set_weights(weights)
    return E


def plan(E):
    """What `generator` was called with: size, z, classes, and the filters."""
    filters = [layer.gamma.shape[0] for layer in norms(E)]
    return [E.output.shape[1], *(each.shape[1] for each in E.inputs), *filters]


def stored_generator(size=32):
    """A generator that was trained for long: of 32 pixels by studies/04_gan.py, of 64 by studies/04_large.py.

    Draws by draw(stored_generator(), labels), in -1..1. ValueError where its file is not the one listed in
    data/manifest.toml.
    """
    names = {32: "04_gan", 64: "04_large"}
    if size not in names:
        raise ValueError(f"size is {size!r}; generators of {' or '.join(map(str, names))} pixels are stored")
    name = names[size]
    check_shipped(FOLDER / f"{name}.json", "Take both from the project again")
    study = stored_study(name, FOLDER)
    E = generator(size, filters=[int(f) for f in study["filters"]])
    E.set_weights(unpacked(study["generator"], E.get_weights()))
    return E
