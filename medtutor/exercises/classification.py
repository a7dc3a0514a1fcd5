"""Chapter 2, Classification: ten exercises from the pixels of a slice to a decision about a patient."""

import numpy as np

from medtutor.exercises.framework import exercise


def _whole(rng, *shape, low=-9, high=10):
    """Random whole numbers as floats: easy to read, paste and follow by hand."""
    return rng.integers(low, high, shape).astype(float)


def _tries():
    """Turns of a search for inputs that tell the mistakes apart; one that finds none ends in an error."""
    yield from range(5000)
    raise RuntimeError("no inputs tell the mistakes apart")


def _sigmoid(z):
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def _relu(z):
    return np.maximum(z, 0)


# 1 Normalising without leakage


@exercise(
    "Bring each channel to mean 0 and standard deviation 1, without a look at the test images.",
    hints=(
        "Which images may the mean be taken from? The test images stand for patients who have not come yet.",
        "One mean and one standard deviation for each channel: train.mean(axis=(0, 1, 2)) has one number "
        "for each. Use the same two on test.",
        "A channel that is always the same has std 0: write np.where(std == 0, 1, std) before you divide.",
    ),
    right="In the clinic a single patient comes, and no test set to average over: these few numbers from "
    "training travel with the model.",
)
def standardise(train, test):
    """Training and test images on one scale: each channel minus its mean, divided by its standard deviation.

    train    training images (n, h, w, c)
    test     test images (m, h, w, c)
    returns  (train, test), two float arrays of the same shapes; both with the mean and the standard
             deviation (divided by n, as np.std does) of each channel over all pixels of the TRAINING images
             a channel that is the same in all training images: divide by 1, so that it becomes 0

    >>> train, test = np.array([2.0, 6.0]), np.array([8.0])
    >>> train, test = standardise(train.reshape(2, 1, 1, 1), test.reshape(1, 1, 1, 1))
    >>> train.ravel(), test.ravel()
    (array([-1.,  1.]), array([2.]))
    """
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    std = np.where(std == 0, 1, std)
    return (train - mean) / std, (test - mean) / std


@standardise.compared("two arrays of images, shaped as they came, `return train, test`")
def _(answer):
    train, test = answer
    if np.ndim(train) != 4 or np.ndim(test) != 4:
        raise ValueError("images have four axes")
    return np.concatenate([train, test])


@standardise.probes
def _(rng):
    def images(n, h, w, c, low=0, high=30):
        return rng.integers(low, high, (n, h, w, c)) * (1.0 + np.arange(c)) + 10 * np.arange(c)

    yield dict(train=images(2, 1, 2, 1), test=images(1, 1, 2, 1))
    for n, m in ((3, 1), (2, 2), (3, 2)):
        yield dict(train=images(n, 2, 1, 2), test=images(m, 2, 1, 2, high=60))
    yield dict(train=images(2, 1, 2, 3), test=images(1, 1, 2, 3, low=20))
    yield dict(train=images(2, 2, 1, 2).astype("float32"), test=images(1, 2, 1, 2).astype("float32"))
    for always in (7.0, 0.0):
        train, test = images(2, 1, 2, 2), images(1, 1, 2, 2)
        train[..., 1] = test[..., 1] = always
        yield dict(train=train, test=test)


@standardise.law("What becomes of the training images must not depend on the test images.")
def _(f, train, test):
    n = len(train)
    return f(train, 2.0 * test + 1)[:n], f(train, test)[:n]


@standardise.law("What becomes of the first test image must not depend on the other test images.")
def _(f, train, test):
    return f(train, np.concatenate([test, train + 5.0]))[len(train)], f(train, test)[len(train)]


@standardise.law("A scanner with numbers three times as high, plus 10, must give the same answer.")
def _(f, train, test):
    return f(3.0 * train + 10, 3.0 * test + 10), f(train, test)


def _scaled(train, test, mean, std, test_mean=None, test_std=None):
    """Both with these numbers, or the right answer where a channel is constant: that is a mistake "
    "by itself."""
    if not train.std(axis=(0, 1, 2)).all():
        return standardise(train, test)
    test_mean, test_std = mean if test_mean is None else test_mean, std if test_std is None else test_std
    return (train - mean) / std, (test - test_mean) / test_std


@standardise.mistake(
    "Mean and standard deviation are those of training and test images together: the test has leaked into "
    "the training. Take both from `train` alone."
)
def standardise_pooled(train, test):
    both = np.concatenate([train, test])
    return _scaled(train, test, both.mean(axis=(0, 1, 2)), both.std(axis=(0, 1, 2)))


@standardise.mistake(
    "The test images are scaled by their own mean and standard deviation, which a single patient does not "
    "have, and a brighter scanner would go unnoticed. Use those of `train` for both."
)
def standardise_test_by_itself(train, test):
    over = 0, 1, 2
    return _scaled(train, test, train.mean(over), train.std(over), test.mean(over), test.std(over))


@standardise.mistake(
    "All channels share one mean and one standard deviation, so that the brighter contrast stays brighter. "
    "Take them for each channel: axis=(0, 1, 2) leaves the channels apart."
)
def standardise_channels_together(train, test):
    return _scaled(train, test, train.mean(), train.std())


@standardise.mistake(
    "Each image is scaled by its own mean and standard deviation, for each channel. Wanted: the same numbers "
    "for all images, from axis=(0, 1, 2) of `train`."
)
def standardise_each_image(train, test):
    return _by_image(train, test, (1, 2))


@standardise.mistake(
    "Each image is scaled as a whole, by its own mean and standard deviation over all its channels. Wanted: "
    "one pair of numbers for each channel, the same for all images."
)
def standardise_each_image_channels_together(train, test):
    return _by_image(train, test, (1, 2, 3))


def _by_image(train, test, over):
    return _scaled(
        train, test, *(f(x, axis=over, keepdims=True) for x in (train, test) for f in (np.mean, np.std))
    )


@standardise.mistake(
    "Each pixel of the image has a mean of its own, over the images only. Average over rows and columns as "
    "well: axis=(0, 1, 2)."
)
def standardise_each_pixel(train, test):
    return _scaled(train, test, train.mean(axis=0), train.std(axis=0))


@standardise.mistake(
    "You divide by the variance, the squared standard deviation. np.std, or the square root of np.var, is "
    "what brings the values to standard deviation 1."
)
def standardise_by_variance(train, test):
    return _scaled(train, test, train.mean(axis=(0, 1, 2)), train.var(axis=(0, 1, 2)))


@standardise.mistake("The test images come back as they were. They go through the same two steps as `train`.")
def standardise_train_only(train, test):
    return standardise(train, test)[0], test


@standardise.mistake("The mean is subtracted, but nothing is divided by the standard deviation.")
def standardise_only_centred(train, test):
    return _scaled(train, test, train.mean(axis=(0, 1, 2)), 1.0)


@standardise.mistake("You divide by the standard deviation, but do not subtract the mean first.")
def standardise_not_centred(train, test):
    return _scaled(train, test, 0.0, train.std(axis=(0, 1, 2)))


@standardise.mistake(
    "Brackets are missing: in train - mean / std the division comes first. Write (train - mean) / std."
)
def standardise_without_brackets(train, test):
    ratio = train.mean(axis=(0, 1, 2)) / np.where(
        train.std(axis=(0, 1, 2)) == 0, 1, train.std(axis=(0, 1, 2))
    )
    return _scaled(train, test, ratio, 1.0)


@standardise.mistake(
    "The channels run from 0 for the darkest to 1 for the brightest value. Wanted: mean 0 and standard "
    "deviation 1, which one bright pixel cannot upset as easily."
)
def standardise_from_0_to_1(train, test):
    low, high = train.min(axis=(0, 1, 2)), train.max(axis=(0, 1, 2))
    return _scaled(train, test, low, high - low)


@standardise.mistake(
    "Your standard deviation divides by n - 1 (ddof=1). Here it divides by n, as np.std does by itself."
)
def standardise_n_minus_1(train, test):
    return _scaled(train, test, train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2), ddof=1))


@standardise.mistake("Training and test images have changed places: return train, test.")
def standardise_test_first(train, test):
    return standardise(train, test)[::-1]


@standardise.mistake(
    "A channel that is the same everywhere has standard deviation 0, and 0 / 0 is not a number. Divide by 1 "
    "there: np.where(std == 0, 1, std)."
)
def standardise_divided_by_zero(train, test):
    mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    return (train - mean) / std, (test - mean) / std


# 2 Sizes from layer to layer


class _Layers(list):
    """Layers that show one a line, and that compare by their numbers (dicts in an array do not)."""

    def __repr__(self):
        return "[" + ",\n ".join(map(repr, self)) + "]"

    def __array__(self, dtype=None, copy=None):
        return np.array([[layer["kernel"], layer["stride"], layer.get("padding", 0)] for layer in self])


@exercise(
    "How large is the image behind each layer of a net?",
    hints=(
        "One layer first, as in chapter 1: kernel, stride and padding turn n values into how many?",
        "(n + 2 * padding - kernel) // stride + 1. A layer without padding: layer.get('padding', 0).",
        "What comes out of one layer goes into the next: in the loop, n = ..., then sizes.append(n).",
    ),
    right="AlexNet goes on in this way to 6 by 6 places with 256 channels: these 9216 numbers feed the "
    "first dense layer, and there most of its weights lie.",
)
def layer_sizes(n, layers):
    """Side length of a square image behind each layer, convolution or pooling.

    n        side length of the image, in pixels
    layers   list of dicts, the layer next to the image first
             {"kernel": 11, "stride": 4, "padding": 2}: padding adds so many zeros at EACH side
             {"kernel": 3, "stride": 2}: nothing is added where padding is not given
    returns  list of ints, one for each layer; a place counts only if the whole kernel fits
    Source: the first two layers of AlexNet, Krizhevsky, Sutskever and Hinton, NIPS 2012.

    >>> layer_sizes(224, [{"kernel": 11, "stride": 4, "padding": 2}, {"kernel": 3, "stride": 2}])
    [55, 27]
    """
    sizes = []
    for layer in layers:
        n = (n + 2 * layer.get("padding", 0) - layer["kernel"]) // layer["stride"] + 1
        sizes.append(n)
    return sizes


@layer_sizes.compared("a list of whole numbers (int), one for each layer")
def _(answer):
    sizes = np.asarray(answer)
    if sizes.ndim != 1 or (sizes.dtype.kind == "f" and np.array_equal(sizes, np.round(sizes))):
        raise ValueError("wanted: ints")
    return sizes


@layer_sizes.probes
def _(rng):
    def layer(kernels, strides, paddings=(0,)):
        kernel, stride, padding = (int(rng.choice(some)) for some in (kernels, strides, paddings))
        return dict(kernel=kernel, stride=stride) | (dict(padding=padding) if padding else {})

    yield dict(n=int(rng.integers(20, 30)), layers=_Layers([layer([4, 5], [1]), layer([3], [1])]))
    yield dict(n=224, layers=_Layers([dict(kernel=11, stride=4, padding=2), dict(kernel=3, stride=2)]))
    for n in (61, 64, 99):
        first, pool = layer([5, 7], [2], [1, 2]), layer([2], [3])
        yield dict(n=n + int(rng.integers(4)), layers=_Layers([first, pool, layer([3], [2], [2])]))
    for n in (128, 161, 200):
        first, second = layer([7, 9], [2, 3], [3, 4]), layer([3], [1], [1])
        yield dict(
            n=n + int(rng.integers(6)), layers=_Layers([first, second, layer([2, 3], [2]), layer([2], [3])])
        )


@layer_sizes.law("A last layer with kernel 1 and stride 1 must leave the size as it is.")
def _(f, n, layers):
    sizes = f(n, layers)
    return f(n, _Layers([*layers, dict(kernel=1, stride=1)])), np.append(sizes, sizes[-1])


@layer_sizes.law("A padding of 1 in the first layer must count like an image that is larger by 2.")
def _(f, n, layers):
    first, *rest = layers
    padded = first | dict(padding=first.get("padding", 0) + 1)
    return f(n, _Layers([padded, *rest])), f(n + 2, layers)


def _sizes(n, layers, size):
    """The list when each layer does `size(n, kernel, stride, padding)`."""
    sizes = []
    for layer in layers:
        n = size(n, layer["kernel"], layer["stride"], layer.get("padding", 0))
        sizes.append(n)
    return sizes


@layer_sizes.mistake("You round up, but a last step that does not fit is not made: round down, with //.")
def layer_sizes_rounded_up(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1)


@layer_sizes.mistake("The padding is counted once. Zeros are added at both sides of the image: 2 * padding.")
def layer_sizes_padding_once(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: (n + p - k) // s + 1)


@layer_sizes.mistake(
    "The padding makes no difference in your answer. It makes the image larger on both sides before the "
    "kernel moves."
)
def layer_sizes_padding_ignored(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: (n - k) // s + 1)


@layer_sizes.mistake(
    "A layer without padding keeps the padding of the layer before. Begin each layer afresh: "
    "layer.get('padding', 0)."
)
def layer_sizes_padding_kept(n, layers):
    sizes, padding = [], 0
    for layer in layers:
        padding = layer.get("padding", padding)
        n = (n + 2 * padding - layer["kernel"]) // layer["stride"] + 1
        sizes.append(n)
    return sizes


@layer_sizes.mistake(
    "Each size is counted from the image. A layer sees what the layer before it gave: let n become "
    "the new size."
)
def layer_sizes_from_the_image(n, layers):
    return [layer_sizes(n, [layer])[0] for layer in layers]


@layer_sizes.mistake(
    "The stride makes no difference in your answer. With stride 2 the kernel stops at every other place only."
)
def layer_sizes_stride_ignored(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: n + 2 * p - k + 1)


@layer_sizes.mistake(
    "One is missing in each layer: before its first step the kernel already stands somewhere, and that "
    "place counts."
)
def layer_sizes_one_forgotten(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: (n + 2 * p - k) // s)


@layer_sizes.mistake(
    "The + 1 is divided by the stride as well. Count the steps first (divide), then add the starting place."
)
def layer_sizes_one_divided(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: (n + 2 * p - k + 1) // s)


@layer_sizes.mistake("An image has no half pixels. A last step that does not fit is not made: use // for /.")
def layer_sizes_fraction(n, layers):
    sizes = _sizes(n, layers, lambda n, k, s, p: (n + 2 * p - k) / s + 1)
    return [int(n) for n in sizes] if all(n == int(n) for n in sizes) else sizes


@layer_sizes.mistake(
    "The kernel makes no difference in your answer: you only divide by the stride. The kernel has to fit "
    "into the image, n + 2 * padding - kernel."
)
def layer_sizes_only_divided(n, layers):
    return _sizes(n, layers, lambda n, k, s, p: n // s)


@layer_sizes.mistake("The list begins with the image itself. Wanted: only what comes out of the layers.")
def layer_sizes_with_the_image(n, layers):
    return [n, *layer_sizes(n, layers)]


@layer_sizes.mistake("The list ends behind the first layer. Does `return` stand inside the loop?")
def layer_sizes_first_only(n, layers):
    return layer_sizes(n, layers)[:1]


@layer_sizes.mistake(
    "Only the last size is in the list. Does the list begin anew in each turn of the loop? Make it before."
)
def layer_sizes_last_only(n, layers):
    return layer_sizes(n, layers)[-1:]


# 3 A residual block


class _Matrix(np.ndarray):
    """An array that can be told from None with !=, as the value of an option has to be."""

    def __ne__(self, other):
        return other is not self


@exercise(
    "Let two layers learn what to ADD to their input: a residual block, and its shortcut.",
    hints=(
        "Without the shortcut: w1 @ x, then ReLU (np.maximum(..., 0)), then w2 @ that. This is F(x).",
        "The shortcut carries x around both layers. Add it to F(x), and let the second ReLU come last.",
        "y = np.maximum(F + shortcut, 0), where shortcut is x, or project @ x if project is not None.",
    ),
    right="A block that has nothing to add learns w2 = 0 and hands x on: more depth then does no harm, and "
    "that is what plain nets fail at.",
)
def residual_block(x, w1, w2, project=None):
    """A residual block on one vector: y = relu(F(x) + shortcut), with F(x) = w2 @ relu(w1 @ x).

    x        features (d,)
    w1       weights of the first layer (k, d)
    w2       weights of the second layer (m, k)
    project  (m, d), for a block that changes the number of features: the shortcut is then project @ x
             None: the shortcut is x itself, and m = d
    returns  y (m,); relu(z) is z where z is positive, else 0; no biases
    Source: He, Zhang, Ren and Sun, CVPR 2016, equations 1 and 2.

    >>> residual_block(np.array([1.0, -2.0]), w1=np.eye(2), w2=np.array([[3.0, 0.0], [5.0, 0.0]]))
    array([4., 3.])
    """
    F = w2 @ np.maximum(w1 @ x, 0)
    shortcut = x if project is None else project @ x
    return np.maximum(F + shortcut, 0)


@residual_block.probes
def _(rng):
    def block(d, k, m=None, projected=False):
        for _ in _tries():  # until no ReLU is idle: each sees positive and negative numbers
            x, w1, w2 = (_whole(rng, *shape, low=-3, high=4) for shape in ((d,), (k, d), (m or d, k)))
            project = _whole(rng, m or d, d, low=-2, high=3)
            F = w2 @ _relu(w1 @ x)
            y = F + (project @ x if projected else x)
            if all((z > 0).any() and (z < 0).any() for z in (x, w1 @ x, F, y)):
                break
        return dict(x=x, w1=w1, w2=w2) | (dict(project=project.view(_Matrix)) if projected else {})

    for size in (2, 3, 3):
        yield block(size, size)
    yield block(3, 4)
    yield block(3, 3, projected=True)
    yield block(3, 3, projected=True)
    yield block(2, 3, 4, projected=True)


@residual_block.law(
    "With w2 = 0 nothing is added: where no x is negative, the block must hand x on as it is."
)
def _(f, x, w1, w2, project=None):
    return f(np.abs(x), w1, np.zeros((len(x), len(w1)))), np.abs(x)


@residual_block.law("With w2 = 0 and a project, the block must give relu(project @ x).")
def _(f, x, w1, w2, project=None):
    double = 2 * np.eye(len(x))
    return f(x, w1, np.zeros((len(x), len(w1))), project=double.view(_Matrix)), 2 * _relu(x)


@residual_block.law("An input twice as large must give an answer twice as large: there are no biases.")
def _(f, x, w1, w2, project=None):
    options = {} if project is None else dict(project=project)
    return f(2 * x, w1, w2, **options), 2 * f(x, w1, w2, **options)


def _shortcut(x, project):
    return x if project is None else np.asarray(project) @ x


@residual_block.mistake(
    "The shortcut is missing: this is a plain pair of layers. Add x before the last ReLU."
)
def residual_block_plain(x, w1, w2, project=None):
    return _relu(w2 @ _relu(w1 @ x))


@residual_block.mistake("The last ReLU is missing: it comes behind the sum of F(x) and the shortcut.")
def residual_block_no_last_relu(x, w1, w2, project=None):
    return w2 @ _relu(w1 @ x) + _shortcut(x, project)


@residual_block.mistake(
    "The second ReLU stands before the sum, so that the block can add to x but never take anything away. "
    "Sum first, then ReLU."
)
def residual_block_relu_before_the_sum(x, w1, w2, project=None):
    return _relu(w2 @ _relu(w1 @ x)) + _shortcut(x, project)


@residual_block.mistake(
    "F(x) goes through a ReLU before it is added, and the sum through another. Behind w2 there is only one "
    "ReLU, after the sum: F(x) may be negative."
)
def residual_block_relu_twice(x, w1, w2, project=None):
    return _relu(_relu(w2 @ _relu(w1 @ x)) + _shortcut(x, project))


@residual_block.mistake(
    "Between w1 and w2 there is no ReLU. Two layers without one are no more than a single layer, w2 @ w1."
)
def residual_block_no_inner_relu(x, w1, w2, project=None):
    return _relu(w2 @ (w1 @ x) + _shortcut(x, project))


@residual_block.mistake(
    "The shortcut is added behind the first layer. It goes around both: add it to w2 @ relu(w1 @ x)."
)
def residual_block_shortcut_inside(x, w1, w2, project=None):
    return _relu(w2 @ (_relu(w1 @ x) + _shortcut(x, project)))


@residual_block.mistake(
    "The shortcut is added before the first ReLU. It goes around both layers: add it to w2 @ relu(w1 @ x)."
)
def residual_block_shortcut_before_first_relu(x, w1, w2, project=None):
    return _relu(w2 @ _relu(w1 @ x + _shortcut(x, project)))


@residual_block.mistake(
    "`project` makes no difference in your answer. Where it is given, the shortcut is project @ x."
)
def residual_block_project_ignored(x, w1, w2, project=None):
    return _relu(w2 @ _relu(w1 @ x) + x)


@residual_block.mistake(
    "`project` also changes F(x). It belongs to the shortcut alone: F + project @ x, not project @ (F + x)."
)
def residual_block_project_on_all(x, w1, w2, project=None):
    return _relu(_shortcut(w2 @ _relu(w1 @ x) + x, project))


@residual_block.mistake("The two layers have changed places: w1 comes first, w2 takes what w1 gave.")
def residual_block_layers_swapped(x, w1, w2, project=None):
    return _relu(w1 @ _relu(w2 @ x) + _shortcut(x, project))


@residual_block.mistake(
    "You multiply from the wrong side: x @ w1 goes down the columns of w1. Write w1 @ x, and w2 @ what "
    "comes next."
)
def residual_block_from_the_left(x, w1, w2, project=None):
    return _relu(_relu(x @ w1) @ w2 + _shortcut(x, project))


# 4 Sensitivity and specificity


@exercise(
    "Of the sick, how many were found? Of the well, how many were left in peace?",
    hints=(
        "Look at the sick patients alone, y == 1. Which share of them was called sick?",
        "Sensitivity is tp / (tp + fn), specificity tn / (tn + fp). For instance "
        "tp = np.sum((y == 1) & (called == 1)).",
        "Before you divide: if nobody is sick, raise ValueError('...: no sick case'), and likewise for "
        "nobody well.",
    ),
    right="Neither moves when the disease becomes rare. What a positive call means for the patient who got "
    "it does move: ask Bayes.",
)
def sensitivity_specificity(y, called):
    """Share of the sick who were called sick, and share of the well who were called well.

    y        truth (n,): 1 sick, 0 well
    called   what the model said (n,): 1 sick, 0 well
    returns  (sensitivity, specificity), two floats from 0 to 1
    raises   ValueError that names the missing class where nobody is sick, or nobody is well

    >>> sensitivity_specificity(np.array([1, 1, 1, 1, 0, 0]), np.array([1, 1, 1, 0, 0, 1]))
    (0.75, 0.5)
    """
    sick, well = np.sum(y == 1), np.sum(y == 0)
    if sick == 0:
        raise ValueError("sensitivity needs at least one sick case (y == 1); y has none")
    if well == 0:
        raise ValueError("specificity needs at least one well case (y == 0); y has none")
    found = np.sum((y == 1) & (called == 1))
    spared = np.sum((y == 0) & (called == 0))
    return float(found / sick), float(spared / well)


@sensitivity_specificity.compared("two numbers, `return sensitivity, specificity`")
def _(answer):
    first, second = answer
    return np.array([float(first), float(second)])


@sensitivity_specificity.probes
def _(rng):
    for tp, fn, tn, fp in ((3, 1, 3, 2), (2, 3, 5, 1), (5, 2, 3, 1), (4, 2, 7, 3), (2, 1, 9, 4)):
        y, called = np.repeat([1, 1, 0, 0], (tp, fn, tn, fp)), np.repeat([1, 0, 0, 1], (tp, fn, tn, fp))
        order = rng.permutation(len(y))
        yield dict(y=y[order], called=called[order])
    for everyone in (0, 1, 0, 1):
        y = np.full(int(rng.integers(4, 8)), everyone)
        called = rng.permutation(np.append(rng.integers(0, 2, len(y) - 2), [0, 1]))
        yield dict(y=y, called=called)


@sensitivity_specificity.law("Five more well patients, called well, must leave the sensitivity as it is.")
def _(f, y, called):
    return f(np.append(y, [0] * 5), np.append(called, [0] * 5))[0], f(y, called)[0]


@sensitivity_specificity.law("All well patients counted three times must change nothing.")
def _(f, y, called):
    more = np.concatenate([y, y[y == 0], y[y == 0]]), np.concatenate([called, called[y == 0], called[y == 0]])
    return f(*more), f(y, called)


@sensitivity_specificity.law("With sick and well renamed in both, the two numbers must change places.")
def _(f, y, called):
    return f(1 - y, 1 - called), f(y, called)[::-1]


def _four(y, called):
    """tp, fn, tn, fp; ValueError where a class is missing."""
    sensitivity_specificity(y, called)
    return tuple(np.sum((y == a) & (called == b)) for a, b in ((1, 1), (1, 0), (0, 0), (0, 1)))


@sensitivity_specificity.mistake("The two have changed places: return sensitivity, specificity.")
def sensitivity_specificity_swapped(y, called):
    return sensitivity_specificity(y, called)[::-1]


@sensitivity_specificity.mistake(
    "You divide by those who were CALLED sick or well: these are the predictive values. Divide by those who "
    "ARE sick (tp + fn), and who are well (tn + fp)."
)
def sensitivity_specificity_predictive_values(y, called):
    tp, fn, tn, fp = _four(y, called)
    return tp / (tp + fp), tn / (tn + fn)


@sensitivity_specificity.mistake(
    "The first number is the precision: of those called sick, the share who are sick. Sensitivity asks the "
    "sick: tp / (tp + fn)."
)
def sensitivity_specificity_precision(y, called):
    tp, fn, tn, fp = _four(y, called)
    return tp / (tp + fp), tn / (tn + fp)


@sensitivity_specificity.mistake(
    "The second number is the negative predictive value: of those called well, the share who are well. "
    "Specificity asks the well: tn / (tn + fp)."
)
def sensitivity_specificity_npv(y, called):
    tp, fn, tn, fp = _four(y, called)
    return tp / (tp + fn), tn / (tn + fn)


@sensitivity_specificity.mistake(
    "Both numbers are the accuracy. Look at the sick alone for the first, at the well alone for the second."
)
def sensitivity_specificity_accuracy(y, called):
    tp, fn, tn, fp = _four(y, called)
    return ((tp + tn) / len(y),) * 2


@sensitivity_specificity.mistake(
    "You divide by all patients. Sensitivity is a share of the sick only, specificity a share of the "
    "well only."
)
def sensitivity_specificity_of_all(y, called):
    tp, fn, tn, fp = _four(y, called)
    return tp / len(y), tn / len(y)


@sensitivity_specificity.mistake(
    "The second number is 1 - specificity, the share of false alarms that a ROC curve has on its axis. "
    "Wanted: the share of the well who were called well."
)
def sensitivity_specificity_false_alarms(y, called):
    tp, fn, tn, fp = _four(y, called)
    return tp / (tp + fn), fp / (tn + fp)


@sensitivity_specificity.mistake(
    "The first number is the share of the sick who were missed. Sensitivity is the share who were found."
)
def sensitivity_specificity_missed(y, called):
    tp, fn, tn, fp = _four(y, called)
    return fn / (tp + fn), tn / (tn + fp)


@sensitivity_specificity.mistake(
    "These are numbers of patients. Divide the first by how many are sick, the second by how many are well."
)
def sensitivity_specificity_counts(y, called):
    tp, fn, tn, fp = _four(y, called)
    return float(tp), float(tn)


@sensitivity_specificity.mistake(
    "Your shares are cut down to whole numbers, 0 or 1. Divide with one stroke, /, and not with //."
)
def sensitivity_specificity_whole(y, called):
    tp, fn, tn, fp = _four(y, called)
    return tp // (tp + fn), tn // (tn + fp)


@sensitivity_specificity.mistake("These are per cent. Wanted: shares from 0 to 1.")
def sensitivity_specificity_per_cent(y, called):
    return tuple(100 * share for share in sensitivity_specificity(y, called))


def _with_missing(y, called, value):
    shares = []
    for group in (0, 1):
        here = y == 1 - group
        shares.append(np.mean(called[here] == 1 - group) if here.any() else value)
    return tuple(shares)


@sensitivity_specificity.mistake(
    "Where nobody is sick (or nobody well) you divide 0 by 0, and nan travels on unseen. Raise ValueError "
    "there and name who is missing."
)
def sensitivity_specificity_nan(y, called):
    return _with_missing(y, called, np.nan)


@sensitivity_specificity.mistake(
    "Where nobody is sick (or nobody well) you answer 0, as if every one of them had been missed. Nothing is "
    "known there: raise ValueError and name who is missing."
)
def sensitivity_specificity_zero(y, called):
    return _with_missing(y, called, 0.0)


@sensitivity_specificity.mistake(
    "Where nobody is sick (or nobody well) you answer 1, as if every one of them had been found. Nothing is "
    "known there: raise ValueError and name who is missing."
)
def sensitivity_specificity_one(y, called):
    return _with_missing(y, called, 1.0)


# 5 What a positive call means


@exercise(
    "The test is positive. How likely is the disease?",
    hints=(
        "Think of 1000 people. How many are sick, and how many of those test positive?",
        "The well test positive too: 1 - specificity of them, and there are 1 - prevalence of them.",
        "Sick positives divided by all positives: sensitivity * prevalence / (sensitivity * prevalence + "
        "(1 - specificity) * (1 - prevalence)).",
    ),
    right="At a prevalence of 2 %, with sensitivity and specificity of 90 %, more than five in six positive "
    "calls are false alarms.",
)
def ppv(sensitivity, specificity, prevalence):
    """Positive predictive value by Bayes's theorem: the probability of disease after a positive test.

    sensitivity  share of the sick who test positive, 0 to 1
    specificity  share of the well who test negative, 0 to 1
    prevalence   share of the people tested who are sick, 0 to 1
    returns      one number, 0 to 1

    >>> round(ppv(0.8, 0.9, 0.5), 3)
    0.889
    >>> round(ppv(0.8, 0.9, 0.01), 3)
    0.075
    """
    true_positives = sensitivity * prevalence
    false_positives = (1 - specificity) * (1 - prevalence)
    return true_positives / (true_positives + false_positives)


@ppv.probes
def _(rng):
    def share(low, high):
        return int(rng.integers(low, high)) / 100

    for low, high in ((20, 40), (1, 6), (5, 15), (60, 80), (10, 30)):
        sensitivity = share(82, 97)
        yield dict(
            sensitivity=sensitivity,
            specificity=round(sensitivity - share(5, 20), 2),
            prevalence=share(low, high),
        )
    yield dict(sensitivity=share(50, 70), specificity=share(90, 97), prevalence=share(2, 10))


@ppv.law("If no well person tests positive (specificity 1), a positive test must be certain: 1.")
def _(f, sensitivity, specificity, prevalence):
    return f(sensitivity, 1.0, prevalence), 1.0


@ppv.law("A test that is positive as often in the well as in the sick must leave the prevalence as it was.")
def _(f, sensitivity, specificity, prevalence):
    return f(sensitivity, 1 - sensitivity, prevalence), prevalence


@ppv.mistake(
    "The prevalence makes no difference in your answer, as if half of the people were sick. Weigh "
    "the sick by "
    "prevalence and the well by 1 - prevalence."
)
def ppv_prevalence_ignored(sensitivity, specificity, prevalence):
    return sensitivity / (sensitivity + 1 - specificity)


@ppv.mistake(
    "This is the negative predictive value, the probability of health after a negative test. Wanted: disease "
    "after a positive one."
)
def ppv_negative(sensitivity, specificity, prevalence):
    true, false = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return true / (true + false)


@ppv.mistake(
    "This is the share of all people who are sick AND positive. Divide by all who are positive, sick or well."
)
def ppv_not_divided(sensitivity, specificity, prevalence):
    return sensitivity * prevalence


@ppv.mistake(
    "You use the specificity where the share of false alarms belongs. Of the well, 1 - specificity "
    "test positive."
)
def ppv_specificity_for_false_alarms(sensitivity, specificity, prevalence):
    true, false = sensitivity * prevalence, specificity * (1 - prevalence)
    return true / (true + false)


@ppv.mistake(
    "Your false alarms are counted in all people. Only the well can give one: multiply 1 - specificity by "
    "1 - prevalence."
)
def ppv_false_alarms_of_all(sensitivity, specificity, prevalence):
    true = sensitivity * prevalence
    return true / (true + 1 - specificity)


@ppv.mistake(
    "Your false positives are 1 - sensitivity of the well. That is the share of the sick who are missed; the "
    "well test positive in 1 - specificity."
)
def ppv_missed_for_false_alarms(sensitivity, specificity, prevalence):
    true, false = sensitivity * prevalence, (1 - sensitivity) * (1 - prevalence)
    return true / (true + false)


@ppv.mistake(
    "This is the sensitivity, the probability of a positive test in the sick. Turn it round: of the disease "
    "in the positive."
)
def ppv_is_the_sensitivity(sensitivity, specificity, prevalence):
    return sensitivity


@ppv.mistake(
    "This is the share of false alarms among positive tests. Wanted: the share of the sick, 1 minus it."
)
def ppv_of_the_well(sensitivity, specificity, prevalence):
    return 1 - ppv(sensitivity, specificity, prevalence)


@ppv.mistake("This is the share of all people who test positive. Wanted: how many of them are sick.")
def ppv_positives(sensitivity, specificity, prevalence):
    return sensitivity * prevalence + (1 - specificity) * (1 - prevalence)


@ppv.mistake(
    "These are the odds of disease after a positive test, sick positives against well positives. For a "
    "probability divide by both together."
)
def ppv_odds(sensitivity, specificity, prevalence):
    return sensitivity * prevalence / ((1 - specificity) * (1 - prevalence))


@ppv.mistake("Prevalence and 1 - prevalence have changed places: the sick are the prevalence.")
def ppv_prevalence_turned(sensitivity, specificity, prevalence):
    return ppv(sensitivity, specificity, 1 - prevalence)


@ppv.mistake("Brackets are missing: a / a + b is 1 + b. Write a / (a + b).")
def ppv_without_brackets(sensitivity, specificity, prevalence):
    return 1 + (1 - specificity) * (1 - prevalence)


@ppv.mistake("This is in per cent. Wanted: a probability from 0 to 1.")
def ppv_per_cent(sensitivity, specificity, prevalence):
    return 100 * ppv(sensitivity, specificity, prevalence)


# 6 A split by patient


def _patients_of_slices(n):
    """Patients 0, 1, 2 ... of the slices of a probe with n patients: 6, 2, 5, 3, 6, ... slices each.

    One after the other where n is even; where it is odd, first a slice of each, then a second one.
    """
    who = np.repeat(np.arange(n), [(6, 2, 5, 3)[i % 4] for i in range(n)])
    turn = np.concatenate([np.arange(count) for count in np.bincount(who)])
    return who if n % 2 == 0 else who[np.lexsort((who, turn))]


_PATIENTS = {len(who): who for who in map(_patients_of_slices, range(4, 12))}
_TORN, _AS_NUMBERS, _NO_MASK, _ONE_A_PATIENT = -100, -200, -300, -400


class _Split(int):
    """How many patients are in the test set, or which rule is broken; `mask` is the answer itself."""


@exercise(
    "Put some patients aside for the test, each with all of their slices.",
    hints=(
        "Draw patients, not slices. np.unique(patients) lists each one once; how many of them is the share?",
        "rng = np.random.default_rng(seed), then rng.choice(everyone, number, replace=False) draws "
        "nobody twice.",
        "np.isin(patients, chosen) is True for every slice of a chosen patient.",
    ),
    right="Slices of one patient look alike. A net that has trained on one of them recognises the patient on "
    "the next, and a test like that measures memory.",
)
def split_by_patient(patients, share, seed):
    """Which slices are for the test? All slices of some patients, drawn at random.

    patients  patient of each slice (n,), whole numbers in any order
    share     share of the PATIENTS to put into the test: round(share * number of patients) of them
    seed      for np.random.default_rng: the same seed draws the same patients, another seed others
    returns   boolean array (n,), True for each slice of a test patient; any draw will do

    >>> test = split_by_patient(np.array([7, 7, 4, 4, 9, 9]), share=1 / 3, seed=0)
    >>> int(test.sum()), test[0] == test[1]
    (2, np.True_)
    """
    everyone = np.unique(patients)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(everyone, round(share * len(everyone)), replace=False)
    return np.isin(patients, chosen)


@split_by_patient.compared("one boolean array, True or False for each slice")
def _(answer):
    if not isinstance(answer, np.ndarray) or answer.ndim != 1 or answer.dtype.kind not in "biuf":
        raise ValueError("no mask")
    seen = _Split(_kind_of_split(answer))
    seen.mask = answer.astype(int)
    return seen


def _kind_of_split(answer):
    who = _PATIENTS.get(len(answer))
    if answer.dtype.kind != "b":
        flags = who is not None and set(np.unique(answer)) <= {0, 1}
        return _AS_NUMBERS if flags else _NO_MASK
    if who is None:
        return _ONE_A_PATIENT
    slices, chosen = np.bincount(who), np.bincount(who, weights=answer)
    return _TORN if np.any((chosen > 0) & (chosen < slices)) else np.count_nonzero(chosen)


@split_by_patient.probes
def _(rng):
    for n, share in ((6, 0.5), (5, 0.45), (8, 0.3), (7, 0.4), (9, 0.3)):
        names = rng.choice(np.arange(10, 99), n, replace=False)
        yield dict(patients=names[_patients_of_slices(n)], share=share, seed=int(rng.integers(100)))


@split_by_patient.law(
    "The test must hold round(share * number of patients) patients; draw nobody twice (replace=False)."
)
def _(f, patients, share, seed):
    number = round(share * len(np.unique(patients)))
    return [int(f(patients, share, other)) for other in (seed, seed + 1)], [number, number]


@split_by_patient.law("The same seed must draw the same patients again: use np.random.default_rng(seed).")
def _(f, patients, share, seed):
    return f(patients, share, seed).mask, f(patients, share, seed).mask


@split_by_patient.law("Another seed must draw other patients, and not always the first ones on the list.")
def _(f, patients, share, seed):
    drawn = {tuple(f(patients, share, other).mask) for other in range(seed, seed + 8)}
    return min(len(drawn), 2), 2


def _some_patients(patients, number, seed):
    everyone = np.random.default_rng(seed).permutation(np.unique(patients))
    return np.isin(patients, everyone[:number])


@split_by_patient.mistake(
    "Some patients have slices on both sides: the net would be tested on patients it knows. Draw from "
    "np.unique(patients), and take all slices of those drawn."
)
def split_by_patient_torn(patients, share, seed):
    return np.random.default_rng(seed).permutation(len(patients)) < round(share * len(patients))


@split_by_patient.mistake(
    "True and False have changed sides: your True marks the larger part, for training. True is to "
    "mark the test."
)
def split_by_patient_train_marked(patients, share, seed):
    return ~split_by_patient(patients, share, seed)


@split_by_patient.mistake(
    "A patient is missing: 0.3 of 9 patients is 2.7, so 3. Do you cut off (int, //) where round is wanted, "
    "or count slices?"
)
def split_by_patient_rounded_down(patients, share, seed):
    return _some_patients(patients, int(share * len(np.unique(patients))), seed)


@split_by_patient.mistake(
    "There is a patient too many: 0.3 of 8 patients is 2.4, so 2. Do you round up where round is wanted, or "
    "count slices?"
)
def split_by_patient_rounded_up(patients, share, seed):
    return _some_patients(patients, int(np.ceil(share * len(np.unique(patients)))), seed)


@split_by_patient.mistake(
    "Everybody is in the test. `share` is one of the patients, len(np.unique(patients)), and not of the "
    "slices, of which there are more."
)
def split_by_patient_everybody(patients, share, seed):
    return _some_patients(patients, round(share * len(patients)), seed)


@split_by_patient.mistake(
    "Your mask holds whole numbers, and x[mask] would then take slice 0 and slice 1 again and again. Make it "
    "True and False, e.g. with .astype(bool)."
)
def split_by_patient_as_numbers(patients, share, seed):
    return split_by_patient(patients, share, seed).astype(int)


@split_by_patient.mistake(
    "These are the numbers of patients or of slices. Wanted: one True or False for each slice, "
    "np.isin(patients, chosen)."
)
def split_by_patient_names(patients, share, seed):
    return np.unique(patients[split_by_patient(patients, share, seed)])


@split_by_patient.mistake(
    "Your mask does not have one value for each slice: is it one for each patient? Carry it over to the "
    "slices, np.isin(patients, chosen)."
)
def split_by_patient_one_a_patient(patients, share, seed):
    test = split_by_patient(patients, share, seed)
    return np.isin(np.unique(patients), patients[test])


# 7 Temperature


@exercise(
    "The net is too sure of itself. Turn its logits into calmer probabilities.",
    hints=(
        "Divide the logits by the temperature first; only then comes the sigmoid, 1 / (1 + exp(-z)).",
        "np.exp overflows for large numbers, and is harmless for negative ones. Which of exp(z) and exp(-z) "
        "is safe, and when?",
        "e = np.exp(-np.abs(z)) is always safe: the sigmoid is 1 / (1 + e) where z >= 0, and e / (1 + e) "
        "elsewhere.",
    ),
    right="Nobody changes sides at 0.5, and the AUROC stays as it was: a temperature changes how sure the "
    "net says it is, not whom it puts first.",
)
def temperature_scale(logits, T):
    """Probabilities of disease at a temperature: sigmoid(logits / T), with sigmoid(z) = 1 / (1 + exp(-z)).

    logits   (n,), any real numbers, up to 1000 and down to -1000, without a warning from numpy
    T        temperature, above 0: 1 changes nothing, more brings the probabilities nearer to 0.5
    returns  probabilities (n,), 0 to 1
    Source: Guo, Pleiss, Sun and Weinberger, ICML 2017.

    >>> temperature_scale(np.array([0.0, 3.0, -1000.0]), T=1.5).round(3)
    array([0.5  , 0.881, 0.   ])
    """
    z = logits / T
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


@temperature_scale.probes
def _(rng):
    for n, T in ((3, 2.0), (4, 1.5), (3, 0.5), (5, 3.0)):
        logits = rng.choice(np.setdiff1d(np.arange(-14, 15), np.arange(-2, 3)), n, replace=False) / 4
        logits[:2] = -np.abs(logits[0]), np.abs(logits[1])
        yield dict(logits=logits, T=T)
    yield dict(logits=np.array([-1000.0, 0.0, float(rng.integers(800, 1000))]), T=1.25)
    yield dict(logits=np.array([float(rng.integers(-1000, -900)), 1000.0, 0.0]), T=1.1)


@temperature_scale.law("Logits and temperature, both three times as large, must give the same probabilities.")
def _(f, logits, T):
    return f(3 * logits, 3 * T), f(logits, T)


@temperature_scale.law("Logits with the other sign must give 1 minus the probabilities.")
def _(f, logits, T):
    return f(-logits, T), 1 - f(logits, T)


@temperature_scale.law(
    "Logits of 1000 and -1000 must pass without a warning: np.exp of a large number overflows. Take exp of "
    "negative numbers only."
)
def _(f, logits, T):
    try:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            f(np.array([-1000.0, 1000.0]), 1.0)
    except FloatingPointError:
        return f(logits, T), None
    return f(logits, T), f(logits, T)


def _unless_huge(wrong, logits, T):
    """What `wrong` says of moderate logits; huge ones are for those who overflow."""
    return temperature_scale(logits, T) if np.abs(logits).max() > 500 else wrong(logits, T)


@temperature_scale.mistake(
    "You multiply by the temperature, and so a higher one makes the net surer. Divide: logits / T."
)
def temperature_scale_multiplied(logits, T):
    return _sigmoid(logits * T)


@temperature_scale.mistake(
    "The temperature makes no difference in your answer. Divide the logits by it first."
)
def temperature_scale_ignored(logits, T):
    return _sigmoid(logits)


@temperature_scale.mistake(
    "The sigmoid is missing: these are cooled logits, not probabilities. Send them through 1 / (1 + exp(-z))."
)
def temperature_scale_without_sigmoid(logits, T):
    return _unless_huge(lambda logits, T: logits / T, logits, T)


@temperature_scale.mistake(
    "You divide the probabilities by the temperature: 0.5 would not stay 0.5. Divide the logits, before the "
    "sigmoid."
)
def temperature_scale_divides_probabilities(logits, T):
    return _unless_huge(lambda logits, T: _sigmoid(logits) / T, logits, T)


@temperature_scale.mistake(
    "This is a softmax over the patients: their probabilities sum to 1, as if exactly one of them were sick. "
    "Each patient has a sigmoid of their own."
)
def temperature_scale_softmax(logits, T):
    e = np.exp(logits / T - np.max(logits / T))
    return _unless_huge(lambda logits, T: e / e.sum(), logits, T)


@temperature_scale.mistake(
    "The sign is turned: a large logit should give a probability near 1, exp(-z) below."
)
def temperature_scale_turned(logits, T):
    return _sigmoid(-logits / T)


@temperature_scale.mistake(
    "You subtract the temperature: that moves all patients to one side. Divide the logits by it."
)
def temperature_scale_subtracted(logits, T):
    return _sigmoid(logits - T)


@temperature_scale.mistake("Brackets are missing: 1 / 1 + e is 1 + e. Write 1 / (1 + e).")
def temperature_scale_without_brackets(logits, T):
    return _unless_huge(lambda logits, T: 1 + np.exp(-logits / T), logits, T)


@temperature_scale.mistake("These are decisions, 0 or 1. Wanted: the probabilities themselves.")
def temperature_scale_decides(logits, T):
    return _unless_huge(lambda logits, T: (logits > 0).astype(float), logits, T)


@temperature_scale.mistake(
    "exp(1000) is inf, and inf / inf is not a number. Where z is large and positive write 1 / (1 + exp(-z)), "
    "where it is negative exp(z) / (1 + exp(z))."
)
def temperature_scale_overflows(logits, T):
    e = np.exp(logits / T)
    return e / (1 + e)


# 8 Grad-CAM: the weights


@exercise(
    "How much does each channel speak for a tumour?",
    hints=(
        "A gradient says by how much the score grows when this place of this channel grows by 1.",
        "One number for each channel: average its gradients over all places, that is, over rows and columns.",
        "In (h, w, channels), rows are axis 0 and columns axis 1: mean(axis=(0, 1)).",
    ),
    right="A large weight: were this channel brighter, the net would be surer of a tumour. WHERE it "
    "is bright, "
    "the map will show.",
)
def grad_cam_weights(gradients):
    """Grad-CAM's weight of each channel: the mean of its gradients over all places.

    gradients  (h, w, channels), derivative of the tumour score with respect to each value of the feature maps
    returns    (channels,), positive or negative
    Source: Selvaraju et al., ICCV 2017, equation 1.

    >>> grad_cam_weights(np.array([[[1.0, 0.0], [3.0, -8.0]]]))
    array([ 2., -4.])
    """
    return gradients.mean(axis=(0, 1))


@grad_cam_weights.probes
def _(rng):
    for shape in ((1, 2, 2), (2, 3, 2), (3, 2, 4), (2, 2, 3), (4, 3, 2)):
        gradients = _whole(rng, *shape, low=-8, high=20)
        gradients[0, 0], gradients[0, 1] = -9, 21 + np.arange(shape[2])
        gradients[-1, -1, -1] = -30
        yield dict(gradients=gradients / 4)


@grad_cam_weights.law("Gradients twice as steep must give weights twice as large.")
def _(f, gradients):
    return f(2 * gradients), 2 * f(gradients)


@grad_cam_weights.law("Rows and columns in reverse order must change nothing.")
def _(f, gradients):
    return f(gradients[::-1, ::-1]), f(gradients)


@grad_cam_weights.law("Channels in reverse order must give the weights in reverse order.")
def _(f, gradients):
    return f(gradients[:, :, ::-1]), f(gradients)[::-1]


@grad_cam_weights.mistake(
    "You sum the gradients. Take their mean, so that a larger map does not weigh more: divide by h * w."
)
def grad_cam_weights_summed(gradients):
    return gradients.sum(axis=(0, 1))


@grad_cam_weights.mistake(
    "You average over the channels, and keep the places. Average over the places, axis=(0, 1), and keep the "
    "channels."
)
def grad_cam_weights_over_channels(gradients):
    return gradients.mean(axis=2)


@grad_cam_weights.mistake(
    "You average over everything: all channels share one number. Keep them apart, axis=(0, 1)."
)
def grad_cam_weights_one_number(gradients):
    return gradients.mean()


@grad_cam_weights.mistake(
    "The channels are taken for the first axis. Here they are the last, as Keras has them: axis=(0, 1)."
)
def grad_cam_weights_channels_first(gradients):
    return gradients.mean(axis=(1, 2))


@grad_cam_weights.mistake("You average over the rows alone. Average over rows and columns: axis=(0, 1).")
def grad_cam_weights_rows_only(gradients):
    return gradients.mean(axis=0)


@grad_cam_weights.mistake("You keep the steepest gradient of each channel. Wanted: the mean of all places.")
def grad_cam_weights_largest(gradients):
    return gradients.max(axis=(0, 1))


@grad_cam_weights.mistake(
    "You average the gradients without their sign. A channel may speak against a tumour: keep the minus."
)
def grad_cam_weights_without_sign(gradients):
    return np.abs(gradients).mean(axis=(0, 1))


@grad_cam_weights.mistake(
    "You set negative gradients to 0 before you average. Grad-CAM has its ReLU at the very end, on the map."
)
def grad_cam_weights_relu_first(gradients):
    return _relu(gradients).mean(axis=(0, 1))


@grad_cam_weights.mistake("You set negative weights to 0. Grad-CAM has its ReLU at the very end, on the map.")
def grad_cam_weights_relu_last(gradients):
    return _relu(gradients.mean(axis=(0, 1)))


@grad_cam_weights.mistake(
    "Your weights are scaled so that they sum to 1. Leave them as they are: the mean of the gradients."
)
def grad_cam_weights_sum_to_one(gradients):
    return gradients.mean(axis=(0, 1)) / gradients.mean(axis=(0, 1)).sum()


# 9 Grad-CAM: the map


@exercise(
    "Where on the slice does the net see its reasons for a tumour?",
    hints=(
        "At each place: multiply each channel by its weight, and add up over the channels.",
        "maps * weights multiplies channel by channel, as the channels are the last axis; then sum "
        "over axis 2.",
        "What is left below 0 speaks against a tumour. Set it to 0 at the very end: np.maximum(..., 0).",
    ),
    right="The map has the few places of the last feature maps. Enlarged to the slice it looks finer "
    "than it is.",
)
def grad_cam_map(maps, weights):
    """Grad-CAM's map: relu(sum over k of weights[k] * maps[:, :, k]).

    maps     feature maps of one slice (h, w, channels)
    weights  weight of each channel (channels,)
    returns  (h, w), 0 or more; not scaled
    Source: Selvaraju et al., ICCV 2017, equation 2.

    >>> grad_cam_map(np.array([[[1.0, 0.0], [3.0, 2.0], [0.0, 5.0]]]), np.array([2.0, -1.0]))
    array([[2., 4., 0.]])
    """
    return np.maximum(np.sum(maps * weights, axis=2), 0)


@grad_cam_map.probes
def _(rng):
    for h, w, channels in ((1, 3, 2), (2, 3, 3), (3, 2, 4), (2, 2, 3), (3, 3, 3)):
        for (
            _
        ) in _tries():  # until some places speak for a tumour and some against, also without their neighbours
            maps, weights = _whole(rng, h, w, channels, low=-4, high=9), _whole(rng, channels, low=-3, high=4)
            total = np.sum(maps * weights, axis=2)
            mixed = (weights > 0).any() and (weights < 0).any() and (total > 1).any() and (total < -1).any()
            if mixed and (maps < 0).any() and np.abs(total.max()) != 1:
                break
        yield dict(maps=maps, weights=weights)


@grad_cam_map.law("Weights twice as large must give a map twice as bright.")
def _(f, maps, weights):
    return f(maps, 2 * weights), 2 * f(maps, weights)


@grad_cam_map.law(
    "Where one channel speaks alone, with weight 1, the map must be this channel, and 0 where it is negative."
)
def _(f, maps, weights):
    alone = np.eye(len(weights))[-1]
    return f(maps, alone), _relu(maps[:, :, -1])


@grad_cam_map.law("Maps and weights, both with the other sign, must give the same map.")
def _(f, maps, weights):
    return f(-maps, -weights), f(maps, weights)


@grad_cam_map.mistake(
    "The ReLU is missing: places that speak against a tumour come out negative. Set them to 0, with "
    "np.maximum."
)
def grad_cam_map_without_relu(maps, weights):
    return maps @ weights


@grad_cam_map.mistake(
    "The ReLU comes before the sum, so that no channel can speak against a tumour. Sum first, then ReLU."
)
def grad_cam_map_relu_before_the_sum(maps, weights):
    return _relu(maps * weights).sum(axis=2)


@grad_cam_map.mistake(
    "Channels with a negative weight are left out. They speak against a tumour and must count: ReLU comes "
    "after the sum."
)
def grad_cam_map_positive_weights(maps, weights):
    return _relu(maps @ _relu(weights))


@grad_cam_map.mistake("You average over the channels. Wanted: the sum of weight times map.")
def grad_cam_map_averaged(maps, weights):
    return _relu((maps * weights).mean(axis=2))


@grad_cam_map.mistake("The weights make no difference in your answer: you only add up the maps.")
def grad_cam_map_without_weights(maps, weights):
    return _relu(maps.sum(axis=2))


@grad_cam_map.mistake(
    "You drop the minus signs of the sum, and places against a tumour light up as well. Set them to 0."
)
def grad_cam_map_without_sign(maps, weights):
    return np.abs(maps @ weights)


@grad_cam_map.mistake(
    "Your map is scaled to a largest value of 1. Leave it as it is: scaled, a map without any reason "
    "looks as "
    "bright as one with many."
)
def grad_cam_map_scaled(maps, weights):
    return grad_cam_map(maps, weights) / grad_cam_map(maps, weights).max()


@grad_cam_map.mistake(
    "Only the first channel counts in your answer. Does `return` stand inside the loop over the channels?"
)
def grad_cam_map_first_channel(maps, weights):
    return _relu(maps[:, :, 0] * weights[0])


@grad_cam_map.mistake(
    "The ReLU comes again and again while you add up, and what comes first is lost. Add up all channels, "
    "then one ReLU."
)
def grad_cam_map_relu_at_each_step(maps, weights):
    total = np.zeros(maps.shape[:2])
    for k, weight in enumerate(weights):
        total = _relu(total + weight * maps[:, :, k])
    return total


@grad_cam_map.mistake("You return one map for each channel. Add them up over the channels, axis=2.")
def grad_cam_map_not_summed(maps, weights):
    return _relu(maps * weights)


@grad_cam_map.mistake("You add up the places as well, to one number. Sum over the channels only, axis=2.")
def grad_cam_map_one_number(maps, weights):
    return _relu((maps * weights).sum())


# 10 Occlusion


@exercise(
    "Cover a square of the slice, to see whether the net misses it.",
    hints=(
        "Work on a copy, image.copy(): the slice will be covered many times, each time elsewhere.",
        "Rows row to row + size, columns likewise: y[row:row + size, column:column + size] = value.",
        "Beyond the last row a slice ends by itself. Above the first it does not: begin at max(row, 0), "
        "end at max(row + size, 0).",
    ),
    right="Move the square over the slice and note how far the score falls each time: an occlusion map, "
    "which needs no gradient.",
)
def occlude(image, row, column, size, value):
    """A copy of the image with a square set to one value, in all channels.

    image    (h, w, channels)
    row      first row of the square; may be negative: that part of the square lies above the image
    column   first column of the square; may be negative: that part lies to the left of the image
    size     rows and columns of the square; what lies outside the image is cut off
    value    what the square is set to
    returns  (h, w, channels); `image` itself stays as it was

    >>> occlude(np.ones((2, 3, 1)), row=0, column=1, size=5, value=0.5)[:, :, 0]
    array([[1. , 0.5, 0.5],
           [1. , 0.5, 0.5]])
    """
    y = image.copy()
    y[max(row, 0) : max(row + size, 0), max(column, 0) : max(column + size, 0)] = value
    return y


@occlude.probes
def _(rng):
    def image(h, w, c):
        return rng.permutation(h * w * c).reshape(h, w, c) + 1.0

    yield dict(image=image(3, 4, 1), row=1, column=2, size=2, value=0.0)
    yield dict(image=image(4, 5, 1), row=2, column=1, size=3, value=0.5)
    yield dict(image=image(3, 3, 2), row=0, column=1, size=2, value=-1.0)
    yield dict(image=image(3, 3, 2), row=1, column=0, size=3, value=0.0)
    yield dict(image=image(3, 3, 2), row=-1, column=1, size=2, value=0.0)
    yield dict(image=image(2, 4, 2), row=0, column=-2, size=3, value=0.25)
    yield dict(image=image(3, 4, 1), row=-1, column=-1, size=3, value=0.0)
    yield dict(image=image(3, 4, 1), row=0, column=-3, size=2, value=0.0)
    yield dict(image=image(4, 3, 1), row=-3, column=1, size=2, value=0.5)


@occlude.law("A square covered twice must look as if covered once.")
def _(f, image, row, column, size, value):
    return f(f(image, row, column, size, value), row, column, size, value), f(image, row, column, size, value)


@occlude.law("On the mirrored image, the mirrored square must be covered.")
def _(f, image, row, column, size, value):
    turned = image.shape[1] - column - size
    return f(image[:, ::-1], row, turned, size, value), f(image, row, column, size, value)[:, ::-1]


@occlude.law("A square of size 0 must cover nothing.")
def _(f, image, row, column, size, value):
    return f(image, row, column, 0, value), image


def _covered(image, rows, columns, value):
    y = image.copy()
    y[rows, columns] = value
    return y


def _span(start, stop):
    return slice(max(start, 0), max(stop, 0))


@occlude.mistake("Row and column are the middle of your square. They are its first row and its first column.")
def occlude_around_the_middle(image, row, column, size, value):
    return occlude(image, row - size // 2, column - size // 2, size, value)


@occlude.mistake(
    "It works, except for a square that begins above or left of the image: row -1 is the last row in Python. "
    "Begin at max(row, 0), end at max(row + size, 0)."
)
def occlude_from_the_other_side(image, row, column, size, value):
    return _covered(image, slice(row, row + size), slice(column, column + size), value)


@occlude.mistake(
    "A square that begins above or left of the image is moved inside. Keep its end, max(row + size, 0), and "
    "cut off what lies outside."
)
def occlude_moved_inside(image, row, column, size, value):
    return occlude(image, max(row, 0), max(column, 0), size, value)


@occlude.mistake("Only the first channel is covered: the net still sees the others. Cover all channels.")
def occlude_first_channel(image, row, column, size, value):
    y = image.copy()
    y[:, :, :1] = occlude(image, row, column, size, value)[:, :, :1]
    return y


@occlude.mistake("Row and column have changed places: rows come first, y[row, column].")
def occlude_transposed(image, row, column, size, value):
    return occlude(image, column, row, size, value)


@occlude.mistake(
    "Your square is one row and one column too large. A slice ends before its second number: row:row + size."
)
def occlude_one_too_many(image, row, column, size, value):
    return occlude(image, row, column, size + 1, value)


@occlude.mistake(
    "Your square ends at row `size` and at column `size`, wherever it begins. It ends at row + size, "
    "column + size."
)
def occlude_ends_at_size(image, row, column, size, value):
    return _covered(image, _span(row, size), _span(column, size), value)


@occlude.mistake("You cover everything but the square. Wanted: the square covered, all else as it was.")
def occlude_all_else(image, row, column, size, value):
    y = np.full(image.shape, value)
    rows, columns = _span(row, row + size), _span(column, column + size)
    y[rows, columns] = image[rows, columns]
    return y


@occlude.mistake("The square is set to 0. Set it to `value`: the grey that stands for nothing to see.")
def occlude_always_zero(image, row, column, size, value):
    return occlude(image, row, column, size, 0.0)


@occlude.mistake("`value` is added to the square. It takes the place of what was there: = and not +=.")
def occlude_added(image, row, column, size, value):
    return image + occlude(np.zeros(image.shape), row, column, size, value)


@occlude.mistake(
    "It works, except for a square that lies wholly outside: its end, row + size, is then negative, and "
    "Python counts from the other side. End at max(row + size, 0)."
)
def occlude_end_from_the_other_side(image, row, column, size, value):
    rows, columns = slice(max(row, 0), row + size), slice(max(column, 0), column + size)
    return _covered(image, rows, columns, value)


@occlude.mistake("Only one pixel is covered. The square has `size` rows and `size` columns.")
def occlude_one_pixel(image, row, column, size, value):
    return occlude(image, row, column, 1, value)


@occlude.mistake("You return the square alone. Wanted: the whole image, with the square covered.")
def occlude_square_alone(image, row, column, size, value):
    return np.full(image[_span(row, row + size), _span(column, column + size)].shape, value)
