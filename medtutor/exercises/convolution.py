"""Chapter 1, Convolution: twelve exercises in the letters of y_ij = sum_m sum_n w_mn x_(i+m, j+n) + b."""

import numpy as np

from medtutor.exercises.framework import exercise


def _whole(rng, *shape, low=-9, high=10):
    """Random whole numbers as floats: easy to read, paste and follow by hand."""
    return rng.integers(low, high, shape).astype(float)


def _distinct(rng, *shape):
    """Random whole numbers, all different: such a kernel is never equal to itself flipped or transposed."""
    numbers = np.arange(np.prod(shape)) - np.prod(shape) // 3
    return rng.permutation(numbers).reshape(shape).astype(float)


def _correlated(x, w):
    patches = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("ijmn,mn->ij", patches, w)


# 1 Windowing


@exercise(
    "Map the Hounsfield units inside a window to grey values from 0 to 1.",
    hints=(
        "Which Hounsfield unit is to be black (0), and which white (1)? Both follow from level and width.",
        "Black is half a width below the level. Subtract it, then divide by the width.",
        "What lies outside the window is now below 0 or above 1; np.clip cuts it off.",
    ),
    right="In a window of 400 HU a lesion 40 HU darker than the liver around it differs by a tenth of the "
    "grey scale; in one of 2000 HU nobody would see it.",
)
def window(hounsfield, level, width):
    """Grey values 0 (black) to 1 (white) of a CT image in a window.

    hounsfield  array of any shape, in Hounsfield units: air -1000, water 0
    level       centre of the window, in Hounsfield units: becomes 0.5
    width       from black to white, in Hounsfield units
    returns     array of the same shape; what lies below the window is 0, what lies above it is 1

    >>> window(np.array([-100.0, 0.0, 50.0, 300.0]), level=50, width=200)
    array([0.  , 0.25, 0.5 , 1.  ])
    """
    black = level - width / 2
    return np.clip((hounsfield - black) / width, 0, 1)


@window.probes
def _(rng):
    for shape in ((5,), (2, 3), (3, 4), (2, 2, 3)):
        level, width = int(rng.integers(-60, 90)), 2 * int(rng.integers(60, 200))
        hounsfield = np.round(level + width * rng.uniform(-1.2, 1.2, shape))
        hounsfield.flat[:3] = level - width, level + width, level + width // 8
        yield dict(hounsfield=hounsfield, level=level, width=width)
    yield dict(hounsfield=np.array([-40.0, 30.0, 51.0]), level=20, width=175)
    yield dict(hounsfield=rng.integers(-900, 900, (3, 3)), level=-500, width=1401)


@window.law("Image and level, both 100 HU higher, must give the same picture.")
def _(f, hounsfield, level, width):
    return f(hounsfield + 100, level + 100, width), f(hounsfield, level, width)


@window.law("A window twice as wide shows an image of twice the contrast as before.")
def _(f, hounsfield, level, width):
    return f(level + 2 * (hounsfield - level), level, 2 * width), f(hounsfield, level, width)


@window.mistake("Values outside the window go below 0 and above 1. Cut them off, with np.clip.")
def window_not_clipped(hounsfield, level, width):
    return (hounsfield - (level - width / 2)) / width


@window.mistake(
    "Your window is twice as wide as asked for. The width reaches from black to white, half of it on "
    "each side."
)
def window_width_on_each_side(hounsfield, level, width):
    return np.clip((hounsfield - (level - width)) / (2 * width), 0, 1)


@window.mistake("Your window begins at the level. The level is its centre and should come out as 0.5.")
def window_level_as_lower_edge(hounsfield, level, width):
    return np.clip((hounsfield - level) / width, 0, 1)


@window.mistake("Your window ends at the level. The level is its centre and should come out as 0.5.")
def window_level_as_upper_edge(hounsfield, level, width):
    return np.clip((hounsfield - level) / width + 1, 0, 1)


@window.mistake("Black and white have changed places: bone should be bright, air dark.")
def window_inverted(hounsfield, level, width):
    return 1 - window(hounsfield, level, width)


@window.mistake("The grey values run from 0 to 255. Wanted here: 0 to 1.")
def window_in_bytes(hounsfield, level, width):
    return 255 * window(hounsfield, level, width)


@window.mistake("The values are cut off at the window's edges, but are still in Hounsfield units.")
def window_still_hounsfield(hounsfield, level, width):
    return np.clip(hounsfield, level - width / 2, level + width / 2)


# 2 Cross-correlation


@exercise(
    "Slide a kernel over an image: multiply, sum, add the bias, at every place where the kernel fits.",
    hints=(
        "How many places are there, from top to bottom, for a kernel of K rows in an image of H rows? "
        "Try H=4, K=2.",
        "Make y of zeros with H - K + 1 rows and W - L + 1 columns, then loop over all i and j.",
        "The patch under the kernel is x[i:i + K, j:j + L]. Multiply it with w, sum, and add b once.",
    ),
    right="Every layer in this chapter does this and no more; what it sees depends on w alone.",
)
def correlate(x, w, b=0.0):
    """Valid cross-correlation: y[i, j] is the sum over m, n of w[m, n] * x[i + m, j + n], plus b.

    x        image (H, W)
    w        kernel (K, L)
    b        bias, one number
    returns  y (H - K + 1, W - L + 1), floats; nothing is added around the image

    >>> correlate(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 0], [0, 2]]), b=0.5)
    array([[11.5, 14.5]])
    """
    H, W = x.shape
    K, L = w.shape
    y = np.zeros((H - K + 1, W - L + 1))
    for i in range(H - K + 1):
        for j in range(W - L + 1):
            y[i, j] = np.sum(w * x[i : i + K, j : j + L]) + b
    return y


@correlate.probes
def _(rng):
    yield dict(x=_whole(rng, 3, 4), w=_distinct(rng, 2, 2))
    yield dict(x=_whole(rng, 4, 3), w=_distinct(rng, 2, 2), b=2)
    yield dict(x=_whole(rng, 4, 6), w=_distinct(rng, 2, 3), b=-1.5)
    yield dict(x=_whole(rng, 6, 5), w=_distinct(rng, 3, 3))
    yield dict(x=rng.integers(0, 9, (4, 5)), w=_distinct(rng, 3, 2) / 4, b=0.25)
    yield dict(x=_whole(rng, 5, 7).astype("float32"), w=_distinct(rng, 1, 4), b=3)


@correlate.law("An image twice as bright must give twice the answer (without bias).")
def _(f, x, w, b=0.0):
    return f(2 * x, w), 2 * f(x, w)


@correlate.law("Two kernels added must give the two answers added (without bias).")
def _(f, x, w, b=0.0):
    return f(x, w + w[::-1]), f(x, w) + f(x, w[::-1])


@correlate.law("An image moved up by one row must give the same answer, one row further up.")
def _(f, x, w, b=0.0):
    return f(np.vstack([x[1:], x[:1]]), w, b=b)[:-1], f(x, w, b=b)[1:]


@correlate.mistake(
    "The kernel is flipped. That is convolution as mathematics has it; here w[m, n] meets "
    "x[i + m, j + n], without a turn."
)
def correlate_flipped(x, w, b=0.0):
    return _correlated(x, w[::-1, ::-1]) + b


@correlate.mistake(
    "Rows and columns of the kernel have changed places: m counts rows in both w and x, n columns."
)
def correlate_transposed(x, w, b=0.0):
    return _correlated(x, w.T) + b


@correlate.mistake("The bias b is missing: add it to every y[i, j].")
def correlate_bias_forgotten(x, w, b=0.0):
    return _correlated(x, w)


@correlate.mistake("The bias is added once for every weight. Add it once, after the sum.")
def correlate_bias_in_the_sum(x, w, b=0.0):
    return _correlated(x, w) + b * w.size


@correlate.mistake(
    "The last row and the last column are missing. For H=4, K=2, at which i can the kernel start?"
)
def correlate_one_too_small(x, w, b=0.0):
    return _correlated(x, w)[:-1, :-1] + b


@correlate.mistake(
    "Your answer has the size of the image, with zeros at the bottom and right, where the kernel no "
    "longer fits. "
    "Make y smaller: only places where the whole kernel lies on the image."
)
def correlate_filled_with_zeros(x, w, b=0.0):
    y = np.zeros(x.shape)
    y[: x.shape[0] - w.shape[0] + 1, : x.shape[1] - w.shape[1] + 1] = _correlated(x, w) + b
    return y


@correlate.mistake(
    "Your answer has the size of the image, as if there were zeros around it. Wanted here: no padding, "
    "only places "
    "where the whole kernel lies on the image."
)
def correlate_padded(x, w, b=0.0):
    (K, L) = w.shape
    around = ((K - 1) // 2, K // 2), ((L - 1) // 2, L // 2)
    return _correlated(np.pad(x, around), w) + b


@correlate.mistake("Only the last product is left: each one replaces the one before. Use += in place of =.")
def correlate_last_product(x, w, b=0.0):
    return x[w.shape[0] - 1 :, w.shape[1] - 1 :] * w[-1, -1] + b


@correlate.mistake("You take the mean of the products. A convolution takes their sum.")
def correlate_averaged(x, w, b=0.0):
    return _correlated(x, w) / w.size + b


# 3 Size of the output


@exercise(
    "How many values does a convolution give along one axis?",
    hints=(
        "Begin without options: n=5 and k=3. Draw five boxes and count the places where three in a row fit.",
        "Padding makes the input longer, at both ends. Dilation spreads the kernel: it then reaches over "
        "dilation * (k - 1) + 1 values.",
        "Room to move = padded length - reach of the kernel. Divide it by the stride, drop the "
        "remainder, and count "
        "the place where it started.",
    ),
    right="With k=3, padding=1 and stride=1 the size stays as it is: that is why this trio is met so often.",
)
def output_size(n, k, stride=1, padding=0, dilation=1):
    """Number of values that a convolution gives along one axis.

    n         values that go in
    k         weights of the kernel along this axis
    stride    steps from one place of the kernel to the next
    padding   zeros added at EACH end
    dilation  steps from one weight of the kernel to the next
    returns   an int; a place counts only if the whole kernel fits

    >>> output_size(6, 3)
    4
    >>> output_size(6, 3, stride=2)
    2
    """
    reach = dilation * (k - 1) + 1
    return (n + 2 * padding - reach) // stride + 1


@output_size.probes
def _(rng):
    def number(low, high):
        return int(rng.integers(low, high))

    yield dict(n=number(9, 15), k=number(4, 7))
    yield dict(n=number(9, 15), k=3, padding=number(1, 4))
    k = number(4, 6)
    yield dict(n=k + 3 * number(2, 5) + 1, k=k, stride=3)  # leaves a remainder of 1
    yield dict(n=k + 3 * number(2, 5) + 2, k=k, stride=3)  # leaves a remainder of 2
    yield dict(n=number(16, 22), k=3, dilation=number(2, 5))
    yield dict(n=number(16, 22), k=4, padding=2, dilation=2)
    for stride in (2, 3, 4):
        yield dict(
            n=number(25, 40), k=number(2, 5), stride=stride, padding=number(1, 4), dilation=number(2, 4)
        )
    yield dict(n=512, k=7, stride=2, padding=3)


@output_size.law("One zero more at each end must count like an input that is longer by two.")
def _(f, n, k, stride=1, padding=0, dilation=1):
    options = dict(stride=stride, dilation=dilation)
    return f(n, k, padding=padding + 1, **options), f(n + 2, k, padding=padding, **options)


@output_size.law("An input longer by one stride must give one value more.")
def _(f, n, k, stride=1, padding=0, dilation=1):
    options = dict(stride=stride, padding=padding, dilation=dilation)
    return f(n + stride, k, **options), f(n, k, **options) + 1


@output_size.mistake("The padding is counted once. Zeros are added at both ends.")
def output_size_padding_once(n, k, stride=1, padding=0, dilation=1):
    return (n + padding - dilation * (k - 1) - 1) // stride + 1


@output_size.mistake(
    "The padding makes no difference in your answer. It makes the input longer, at both ends."
)
def output_size_padding_ignored(n, k, stride=1, padding=0, dilation=1):
    return (n - dilation * (k - 1) - 1) // stride + 1


@output_size.mistake(
    "The dilation makes no difference in your answer. With dilation 2 a kernel of 3 weights reaches over "
    "5 values."
)
def output_size_dilation_ignored(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - k) // stride + 1


@output_size.mistake(
    "A dilated kernel reaches less far than dilation * k: behind its last weight there is no gap. With "
    "dilation 2, "
    "3 weights reach over 5 values."
)
def output_size_gap_behind_the_kernel(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * k) // stride + 1


@output_size.mistake(
    "One is missing: before its first step the kernel already stands somewhere, and that place counts."
)
def output_size_one_forgotten(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1) - 1) // stride


@output_size.mistake(
    "The + 1 is divided by the stride as well. Count the steps first (divide), then add the starting place."
)
def output_size_one_divided(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1)) // stride


@output_size.mistake(
    "A number of values cannot be a fraction. A last step that does not fit is not made: use //."
)
def output_size_fraction(n, k, stride=1, padding=0, dilation=1):
    return (n + 2 * padding - dilation * (k - 1) - 1) / stride + 1


@output_size.mistake("You round up, but a last step that does not fit is not made: round down, with //.")
def output_size_rounded_up(n, k, stride=1, padding=0, dilation=1):
    return -(-(n + 2 * padding - dilation * (k - 1) - 1) // stride) + 1


@output_size.mistake(
    "You round to the nearest, but a last step that does not fit is never made: round down, with //."
)
def output_size_rounded(n, k, stride=1, padding=0, dilation=1):
    return round((n + 2 * padding - dilation * (k - 1) - 1) / stride + 1)


@output_size.mistake(
    "That is right without options. Now let stride, padding and dilation make their difference, one by one."
)
def output_size_without_options(n, k, stride=1, padding=0, dilation=1):
    return n - k + 1


@output_size.mistake(
    "The stride makes no difference in your answer. With stride 2 the kernel visits every other place."
)
def output_size_stride_ignored(n, k, stride=1, padding=0, dilation=1):
    return n + 2 * padding - dilation * (k - 1)


# 4 Padding


@exercise(
    "Put a frame of zeros around an image.",
    hints=(
        "By how many rows and columns does an image grow that gets p zeros on every side?",
        "Make an array of zeros of the new shape first, then copy the image into its middle.",
        "The image's rows lie at p, p + 1, ... p + H - 1: assign to y[p:p + H, p:p + W].",
    ),
    right="To a filter these zeros are real: in a CT image 0 is water, and the frame is an edge that no "
    "patient has.",
)
def pad(x, p):
    """The image with p zeros on every side.

    x        image (H, W)
    p        width of the frame, 0 or more
    returns  y (H + 2p, W + 2p)

    >>> pad(np.array([[7, 8]]), 1)
    array([[0, 0, 0, 0],
           [0, 7, 8, 0],
           [0, 0, 0, 0]])
    """
    H, W = x.shape
    y = np.zeros((H + 2 * p, W + 2 * p), x.dtype)
    y[p : p + H, p : p + W] = x
    return y


@pad.probes
def _(rng):
    for rows, columns, p in ((2, 3, 2), (3, 2, 1), (4, 4, 1), (2, 4, 3), (3, 5, 0), (4, 3, 2)):
        yield dict(x=_whole(rng, rows, columns, low=1), p=p)
    yield dict(x=rng.uniform(1, 2, (2, 2)).round(1), p=2)


@pad.law("A frame of 1 around a frame of p must be a frame of p + 1.")
def _(f, x, p):
    return f(f(x, p), 1), f(x, p + 1)


@pad.law("A frame of zeros must not change the sum of all values.")
def _(f, x, p):
    return f(x, p + 1).sum(), x.sum()


@pad.mistake("Zeros stand only below and to the right. The frame goes all around.")
def pad_only_behind(x, p):
    return np.pad(x, ((0, p), (0, p)))


@pad.mistake("Zeros stand only above and to the left. The frame goes all around.")
def pad_only_before(x, p):
    return np.pad(x, ((p, 0), (p, 0)))


@pad.mistake("The outermost pixels are repeated. Wanted here: zeros.")
def pad_repeated(x, p):
    return np.pad(x, p, mode="edge")


@pad.mistake("The image is mirrored at its border. Wanted here: zeros.")
def pad_mirrored(x, p):
    return np.pad(x, p, mode="symmetric")


@pad.mistake("There are new rows above and below, but no new columns.")
def pad_rows_only(x, p):
    return np.pad(x, ((p, p), (0, 0)))


@pad.mistake("There are new columns left and right, but no new rows.")
def pad_columns_only(x, p):
    return np.pad(x, ((0, 0), (p, p)))


@pad.mistake("The image grew by p in all. It should grow by p on each side.")
def pad_shared(x, p):
    return np.pad(x, ((p // 2, p - p // 2), (p // 2, p - p // 2)))


@pad.mistake("The frame is as wide as it should be, but it holds ones. Wanted: zeros.")
def pad_with_ones(x, p):
    return np.pad(x, p, constant_values=1)


@pad.mistake(
    "It works, except for p = 0: y[p:-p] is then y[0:0], which is empty. Count from the start: "
    "y[p:p + H, p:p + W]."
)
def pad_fails_at_zero(x, p):
    y = np.zeros((x.shape[0] + 2 * p, x.shape[1] + 2 * p))
    y[p:-p, p:-p] = x
    return y


# 5 Counting weights


@exercise(
    "How many numbers does a convolutional layer learn?",
    hints=(
        "One filter looks at all input channels at once. How many weights has it, for RGB and a kernel "
        "of 3 by 3?",
        "A filter has rows * columns * channels_in weights, and one bias of its own.",
        "There is one filter for each channel that comes out.",
    ),
    right="The size of the image does not occur: a layer learns as many numbers for an icon as for a "
    "whole slide.",
)
def count_weights(kernel, channels_in, channels_out):
    """Numbers that a convolutional layer learns: all weights and all biases.

    kernel        (rows, columns) of its kernels
    channels_in   channels of the input, e.g. 3 for red, green, blue
    channels_out  number of filters; each has a bias
    returns       an int

    >>> count_weights((3, 3), 1, 2)
    20
    """
    rows, columns = kernel
    weights = rows * columns * channels_in
    return (weights + 1) * channels_out


@count_weights.probes
def _(rng):
    for _ in range(6):
        rows, columns = (int(size) for size in rng.choice([1, 2, 3, 5, 7], 2, replace=False))
        channels_in, channels_out = (int(c) for c in rng.choice([2, 3, 4, 6, 8, 16, 32], 2, replace=False))
        yield dict(kernel=(rows, columns), channels_in=channels_in, channels_out=channels_out)
    yield dict(kernel=(3, 3), channels_in=1, channels_out=int(rng.integers(5, 30)))


@count_weights.law("Twice as many filters must have twice as many numbers to learn.")
def _(f, kernel, channels_in, channels_out):
    return f(kernel, channels_in, 2 * channels_out), 2 * f(kernel, channels_in, channels_out)


@count_weights.law("A kernel on its side must have as many numbers to learn.")
def _(f, kernel, channels_in, channels_out):
    return f(kernel[::-1], channels_in, channels_out), f(kernel, channels_in, channels_out)


@count_weights.mistake("The biases are missing: each filter has one.")
def count_weights_bias_forgotten(kernel, channels_in, channels_out):
    return kernel[0] * kernel[1] * channels_in * channels_out


@count_weights.mistake(
    "A filter has weights of its own for each input channel; yours uses one kernel for all of them."
)
def count_weights_channels_in_ignored(kernel, channels_in, channels_out):
    return (kernel[0] * kernel[1] + 1) * channels_out


@count_weights.mistake(
    "You count a bias for each pair of input channel and filter. The channels are summed first, then one "
    "bias is added."
)
def count_weights_bias_per_pair(kernel, channels_in, channels_out):
    return (kernel[0] * kernel[1] + 1) * channels_in * channels_out


@count_weights.mistake("You count a single bias for the whole layer. Each filter has its own.")
def count_weights_single_bias(kernel, channels_in, channels_out):
    return kernel[0] * kernel[1] * channels_in * channels_out + 1


@count_weights.mistake("You count a bias for each input channel. Biases belong to the filters, one each.")
def count_weights_bias_per_input(kernel, channels_in, channels_out):
    return kernel[0] * kernel[1] * channels_in * channels_out + channels_in


@count_weights.mistake("You count the numbers of one filter. The layer has channels_out of them.")
def count_weights_one_filter(kernel, channels_in, channels_out):
    return kernel[0] * kernel[1] * channels_in + 1


@count_weights.mistake("A kernel need not be square: multiply its rows by its columns.")
def count_weights_square(kernel, channels_in, channels_out):
    return (kernel[0] ** 2 * channels_in + 1) * channels_out


# 6 Edges


@exercise(
    "How strong is the edge at each pixel, whichever way it runs?",
    hints=(
        "Two numbers at each pixel: how much brighter it is to the right than to the left, and below "
        "than above.",
        "Repeat the outermost pixels with np.pad(x, 1, mode='edge'), then correlate with the Sobel "
        "kernel and with its "
        "transpose.",
        "The two numbers are the sides of a right triangle; the strength is its longest side.",
    ),
    right="An image turned by 90 degrees keeps its edge strengths. Turned by 45 degrees it keeps them "
    "nearly: a kernel of 3 by 3 is not quite round.",
)
def edge_strength(x):
    """Length of the brightness gradient at every pixel, by the two Sobel kernels.

    x        image (H, W)
    returns  g (H, W): square root of gx ** 2 + gy ** 2
             gx  x correlated with [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], right against left
             gy  x correlated with the transpose of that, below against above
             border: first add one pixel all around, a repetition of the outermost pixels

    >>> edge_strength(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]))
    array([[0., 4., 4.],
           [0., 4., 4.]])
    """
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    patches = np.lib.stride_tricks.sliding_window_view(np.pad(x, 1, mode="edge"), (3, 3))  # (H, W, 3, 3)
    gx = np.sum(patches * sobel, axis=(2, 3))
    gy = np.sum(patches * sobel.T, axis=(2, 3))
    return np.sqrt(gx**2 + gy**2)


def _sobel(x, mode="edge"):
    """Both Sobel answers of an image, framed as np.pad's `mode` says."""
    x = np.pad(x, 1, mode=mode)
    across, down = x[:, 2:] - x[:, :-2], x[2:] - x[:-2]
    return across[:-2] + 2 * across[1:-1] + across[2:], down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]


@edge_strength.probes
def _(rng):
    for shape in ((3, 4), (4, 3), (5, 5), (4, 6)):
        yield dict(x=_whole(rng, *shape, low=0))
    yield dict(x=_whole(rng, 5, 4, low=100, high=900))


@edge_strength.law("An image brighter by 50 everywhere must keep its edges.")
def _(f, x):
    return f(x + 50), f(x)


@edge_strength.law("An image turned by 90 degrees must give the same edges, turned by 90 degrees.")
def _(f, x):
    return f(np.rot90(x)), np.rot90(f(x))


@edge_strength.mistake("You add the two sizes, |gx| + |gy|. The length of a gradient follows Pythagoras.")
def edge_strength_sum_of_sizes(x):
    gx, gy = _sobel(x)
    return np.abs(gx) + np.abs(gy)


@edge_strength.mistake("Only the step from left to right counts in your answer: horizontal edges are missed.")
def edge_strength_only_across(x):
    return np.abs(_sobel(x)[0])


@edge_strength.mistake("Only the step from top to bottom counts in your answer: vertical edges are missed.")
def edge_strength_only_down(x):
    return np.abs(_sobel(x)[1])


@edge_strength.mistake("The square root is missing: this is the squared length.")
def edge_strength_squared(x):
    gx, gy = _sobel(x)
    return gx**2 + gy**2


@edge_strength.mistake("The answer lacks the border. Add the frame of repeated pixels before you correlate.")
def edge_strength_valid_size(x):
    return np.hypot(*_sobel(x))[1:-1, 1:-1]


@edge_strength.mistake(
    "You frame the image with zeros, and so find an edge all around it. Repeat the outermost pixels, "
    "mode='edge'."
)
def edge_strength_zero_border(x):
    return np.hypot(*_sobel(x, mode="constant"))


@edge_strength.mistake("You mirror the image at its border. Repeat the outermost pixels, mode='edge'.")
def edge_strength_mirrored_border(x):
    return np.hypot(*_sobel(x, mode="reflect"))


@edge_strength.mistake("gx and gy are added before squaring, so that edges in one diagonal direction vanish.")
def edge_strength_added_first(x):
    gx, gy = _sobel(x)
    return np.abs(gx + gy)


# 7 Pooling


@exercise(
    "Keep the largest value of each tile of an image.",
    hints=(
        "Tiles do not overlap: with size 2 the first covers rows 0 and 1, the next rows 2 and 3.",
        "H // size tiles fit from top to bottom; what is left over at the bottom and right is dropped.",
        "Tile (i, j) is x[i * size:(i + 1) * size, j * size:(j + 1) * size].",
    ),
    right="A bright spot keeps its value and loses its exact place. That helps to say whether, not where.",
)
def max_pool(x, size):
    """Largest value of each tile of size by size pixels.

    x        image (H, W), any values, negative ones too
    size     rows and columns of a tile
    returns  y (H // size, W // size); rows and columns that fill no whole tile are left out

    >>> max_pool(np.array([[1, 5, 2, 0], [3, 4, -1, -2]]), 2)
    array([[5, 2]])
    """
    rows, columns = x.shape[0] // size, x.shape[1] // size
    y = np.zeros((rows, columns), x.dtype)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = np.max(x[i * size : (i + 1) * size, j * size : (j + 1) * size])
    return y


@max_pool.probes
def _(rng):
    for rows, columns, size in ((4, 4, 2), (4, 6, 2), (6, 9, 3), (5, 7, 2), (7, 5, 3)):
        yield dict(x=_whole(rng, rows, columns), size=size)
    yield dict(x=_whole(rng, 4, 4, low=-1000, high=-800), size=2)
    yield dict(x=rng.integers(-9, 10, (3, 4)), size=1)


@max_pool.law("An image brighter by 5 everywhere must give an answer brighter by 5.")
def _(f, x, size):
    return f(x + 5, size), f(x, size) + 5


@max_pool.law("Rows in reverse order inside each tile must not matter.")
def _(f, x, size):
    rows = len(x) // size * size
    tiles = x[:rows].reshape(-1, size, x.shape[1])
    return f(tiles[:, ::-1].reshape(rows, -1), size), f(x[:rows], size)


@max_pool.mistake("You take the mean of each tile. That is average pooling; wanted here: the largest value.")
def max_pool_mean(x, size):
    return _tiles(x, size).mean((1, 3))


@max_pool.mistake("You take the smallest value of each tile. Wanted: the largest.")
def max_pool_smallest(x, size):
    return _tiles(x, size).min((1, 3))


@max_pool.mistake("Your tiles overlap: they move on by one pixel. Move on by `size`.")
def max_pool_overlapping(x, size):
    return np.lib.stride_tricks.sliding_window_view(x, (size, size)).max((2, 3))


@max_pool.mistake(
    "You keep the tiles at the bottom and right that the image fills only in part. Leave them out."
)
def max_pool_parts_kept(x, size):
    grown = np.pad(x.astype(float), [(0, -n % size) for n in x.shape], constant_values=-np.inf)
    return _tiles(grown, size).max((1, 3))


@max_pool.mistake(
    "Your search for the largest value begins at 0, so negative tiles come out as 0. Begin below any value."
)
def max_pool_begins_at_zero(x, size):
    return np.maximum(_tiles(x, size).max((1, 3)), 0)


@max_pool.mistake("You keep the first pixel of each tile. Wanted: the largest of them.")
def max_pool_first_pixel(x, size):
    return _tiles(x, size)[:, 0, :, 0]


@max_pool.mistake("You keep the value that is largest without its sign. -9 is smaller than 1.")
def max_pool_largest_size(x, size):
    tiles = _tiles(x, size)
    return np.where(tiles.max((1, 3)) >= -tiles.min((1, 3)), tiles.max((1, 3)), tiles.min((1, 3)))


def _tiles(x, size):
    """Whole tiles of an image, (rows, size, columns, size)."""
    rows, columns = x.shape[0] // size, x.shape[1] // size
    return x[: rows * size, : columns * size].reshape(rows, size, columns, size)


# 8 Receptive field


@exercise(
    "How many input pixels, along one axis, can change one value behind a stack of layers?",
    hints=(
        "One layer with kernel 3 sees 3 pixels. Put a second one on top, without strides: it sees 5. "
        "Draw it.",
        "A kernel of k adds k - 1 steps to what is seen. How long is a step, in input pixels, behind a "
        "stride of 2?",
        "Keep two numbers, field = 1 and step = 1. For each layer: first field += (k - 1) * step, then "
        "step *= stride.",
    ),
    right="Three kernels of 3 see as far as one of 7, with fewer weights; strides make the view grow "
    "much faster.",
)
def receptive_field(layers):
    """Input pixels, along one axis, that one value behind all layers depends on.

    layers   list of (kernel, stride), the layer next to the image first
    returns  an int; 1 for no layers at all

    >>> receptive_field([(3, 1), (3, 1)])
    5
    >>> receptive_field([(2, 2), (3, 1)])
    6
    """
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step *= stride
    return field


@receptive_field.probes
def _(rng):
    def layer(strides):
        return int(rng.choice([2, 3, 5])), int(rng.choice(strides))

    yield dict(layers=[(int(rng.choice([4, 5, 7])), 1)])
    yield dict(layers=[layer([2]), layer([1])])
    yield dict(layers=[layer([1]), layer([1]), layer([1])])
    yield dict(layers=[layer([1]), layer([3]), layer([2])])
    for depth in (3, 4, 5):
        yield dict(layers=[(3, 2), *(layer([1, 2, 3]) for _ in range(depth)), (5, 1)])
    yield dict(layers=[])


@receptive_field.law("A last layer with a kernel of 1 must change nothing.")
def _(f, layers):
    return f([*layers, (1, 1)]), f(layers)


@receptive_field.law("The stride of the last layer must not matter: nothing comes behind it.")
def _(f, layers):
    return f([*layers, (3, 4)]), f([*layers, (3, 1)])


@receptive_field.mistake(
    "The strides make no difference in your answer. Behind a stride of 2, one step is two pixels."
)
def receptive_field_strides_ignored(layers):
    return 1 + sum(kernel - 1 for kernel, _ in layers)


@receptive_field.mistake(
    "A layer's own stride is applied too early: it matters only for the layers behind it."
)
def receptive_field_stride_too_early(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        step *= stride
        field += (kernel - 1) * step
    return field


@receptive_field.mistake("The kernels are summed. Neighbours share pixels: a kernel of k adds k - 1 steps.")
def receptive_field_kernels_summed(layers):
    field, step = 0, 1
    for kernel, stride in layers:
        field += kernel * step
        step *= stride
    return field


@receptive_field.mistake(
    "The kernels are summed, and the strides make no difference. Draw two layers with a kernel of 3."
)
def receptive_field_only_kernels_summed(layers):
    return sum(kernel for kernel, _ in layers)


@receptive_field.mistake(
    "The kernels are multiplied. Each layer adds to what is seen; only the strides multiply."
)
def receptive_field_kernels_multiplied(layers):
    return int(np.prod([kernel for kernel, _ in layers], dtype=int))


@receptive_field.mistake("One pixel is missing: without any layer, a value already sees 1 pixel.")
def receptive_field_starts_at_zero(layers):
    return receptive_field(layers) - 1


@receptive_field.mistake("The strides are added up. They multiply: two strides of 2 make a step of 4 pixels.")
def receptive_field_strides_added(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step += stride - 1
    return field


@receptive_field.mistake(
    "Only the stride of the layer just before counts in your answer. All strides before a layer multiply."
)
def receptive_field_last_stride_only(layers):
    field, step = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * step
        step = stride
    return field


@receptive_field.mistake(
    "You go through the layers from the wrong end: the first in the list lies next to the image."
)
def receptive_field_from_the_wrong_end(layers):
    return receptive_field(layers[::-1])


# 9 Baseline of an ECG


@exercise(
    "Take the slow wander out of an ECG: subtract a moving average.",
    hints=(
        "The baseline at step t is the mean of the `width` values around t, as many before as behind.",
        "At both ends values are missing. np.pad(x, width // 2, mode='reflect') adds mirrored ones.",
        "np.convolve(mirrored, np.ones(width) / width, mode='valid') is the moving average, as long as "
        "x; subtract it.",
    ),
    right="A moving average is a convolution with equal weights. Too narrow a one "
    "takes the QRS complex away as well.",
)
def remove_baseline(x, width):
    """The ECG minus its baseline; the baseline is the moving average over `width` values.

    x        one lead (T,), in mV
    width    an odd number of values: the one in question and (width - 1) / 2 on each side
    returns  (T,), in mV
             ends: x is continued as its mirror image, as in np.pad's mode "reflect"

    >>> remove_baseline(np.array([0.0, 0.0, 3.0, 0.0, 0.0]), 3)
    array([ 0., -1.,  2., -1.,  0.])
    """
    mirrored = np.pad(x, width // 2, mode="reflect")
    baseline = np.convolve(mirrored, np.ones(width) / width, mode="valid")
    return x - baseline


def _average(x, width, before, behind, mode="reflect"):
    """Moving average, with so many values added before and behind."""
    return np.convolve(np.pad(x, (before, behind), mode=mode), np.ones(width) / width, mode="valid")


@remove_baseline.probes
def _(rng):
    for steps, width in ((8, 5), (6, 3), (12, 3), (15, 7), (20, 9)):
        yield dict(x=_whole(rng, steps, low=-5, high=15) / 10, width=width)


@remove_baseline.law("An ECG that is higher by 2 mV all along must give the same answer.")
def _(f, x, width):
    return f(x + 2, width), f(x, width)


@remove_baseline.law("An ECG played backwards must give the same answer, backwards.")
def _(f, x, width):
    return f(x[::-1], width), f(x, width)[::-1]


@remove_baseline.law("An ECG twice as high must give an answer twice as high.")
def _(f, x, width):
    return f(2 * x, width), 2 * f(x, width)


@remove_baseline.mistake("This is the baseline itself. Wanted: the ECG minus its baseline.")
def remove_baseline_not_subtracted(x, width):
    return x - remove_baseline(x, width)


@remove_baseline.mistake("This is the baseline minus the ECG: the R peaks point down.")
def remove_baseline_upside_down(x, width):
    return -remove_baseline(x, width)


@remove_baseline.mistake(
    "At both ends you average with zeros, and the baseline bends towards 0 there. Mirror the ECG."
)
def remove_baseline_zeros_at_the_ends(x, width):
    return x - _average(x, width, width // 2, width // 2, mode="constant")


@remove_baseline.mistake("At both ends you repeat the outermost value. Mirror the ECG, mode='reflect'.")
def remove_baseline_ends_repeated(x, width):
    return x - _average(x, width, width // 2, width // 2, mode="edge")


@remove_baseline.mistake("Your mirror image repeats the outermost value. In mode='reflect' it does not.")
def remove_baseline_outermost_twice(x, width):
    return x - _average(x, width, width // 2, width // 2, mode="symmetric")


@remove_baseline.mistake(
    "Your average looks back only, so that the baseline comes late by half a width. Half of the values "
    "lie ahead."
)
def remove_baseline_late(x, width):
    return x - _average(x, width, width - 1, 0)


@remove_baseline.mistake(
    "Your average looks ahead only, so that the baseline comes early by half a width. Half of the values "
    "lie behind."
)
def remove_baseline_early(x, width):
    return x - _average(x, width, 0, width - 1)


@remove_baseline.mistake("The answer is shorter than the ECG: the ends are missing. Mirror the ECG there.")
def remove_baseline_ends_cut(x, width):
    return remove_baseline(x, width)[width // 2 : -(width // 2)]


@remove_baseline.mistake("You subtract the mean of the whole ECG: a straight line, and no wander is removed.")
def remove_baseline_straight_line(x, width):
    return x - x.mean()


@remove_baseline.mistake(
    "You subtract the sum of the values around each step. Divide by the width for their average."
)
def remove_baseline_summed(x, width):
    return x - width * _average(x, width, width // 2, width // 2)


@remove_baseline.mistake(
    "At the ends you average over fewer values. Wanted: always `width` values, of the mirrored ECG."
)
def remove_baseline_fewer_at_the_ends(x, width):
    half = width // 2
    return x - np.array([x[max(0, t - half) : t + half + 1].mean() for t in range(len(x))])


# 10 Gradient


@exercise(
    "A loss tells each y how it should change. What does it tell each weight of the kernel?",
    hints=(
        "One weight w[m, n] takes part in every y[i, j]. How much does y[i, j] change when this weight "
        "grows by 1?",
        "By x[i + m, j + n]. So the loss changes by dy[i, j] * x[i + m, j + n], summed over all i and j.",
        "That is a valid cross-correlation once more: of x, with dy as the kernel.",
    ),
    right="So training a convolution takes two more convolutions: this one, and one that carries dy back "
    "to x.",
)
def gradient_w(x, dy):
    """Gradient of a loss with respect to the kernel of y = correlate(x, w).

    x        image (H, W)
    dy       (P, Q), derivative of the loss with respect to each y[i, j]
    returns  dw, of the shape of w, (H - P + 1, W - Q + 1): derivative of the loss with respect to w[m, n]

    >>> gradient_w(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1.0, 10.0]]))
    array([[21., 32.],
           [54., 65.]])
    """
    P, Q = dy.shape
    dw = np.zeros((x.shape[0] - P + 1, x.shape[1] - Q + 1))
    for m in range(dw.shape[0]):
        for n in range(dw.shape[1]):
            dw[m, n] = np.sum(dy * x[m : m + P, n : n + Q])
    return dw


@gradient_w.probes
def _(rng):
    for (H, W), (P, Q) in (
        ((3, 3), (2, 2)),
        ((4, 5), (3, 3)),
        ((4, 4), (2, 2)),
        ((5, 4), (3, 2)),
        ((6, 7), (4, 5)),
    ):
        yield dict(x=_whole(rng, H, W), dy=_distinct(rng, P, Q))


@gradient_w.law("A loss twice as steep must give twice the gradient.")
def _(f, x, dy):
    return f(x, 2 * dy), 2 * f(x, dy)


@gradient_w.law("An image twice as bright must give twice the gradient.")
def _(f, x, dy):
    return f(2 * x, dy), 2 * f(x, dy)


@gradient_w.law("Where only one y[i, j] matters, dw must be the patch of x under the kernel there.")
def _(f, x, dy):
    only = np.zeros(dy.shape)
    only[-1, 0] = 1
    rows, columns = x.shape[0] - dy.shape[0] + 1, x.shape[1] - dy.shape[1] + 1
    return f(x, only), x[dy.shape[0] - 1 :, :columns][:rows]


@gradient_w.mistake(
    "The gradient is turned by 180 degrees. No flip is needed: dy[i, j] meets x[i + m, j + n]."
)
def gradient_w_flipped(x, dy):
    return _correlated(x, dy)[::-1, ::-1]


@gradient_w.mistake("You turn dy before sliding it over x. dy[i, j] meets x[i + m, j + n], without a turn.")
def gradient_w_convolved(x, dy):
    return _correlated(x, dy[::-1, ::-1])


@gradient_w.mistake("You take the mean over all places. The loss feels a weight at every place: sum.")
def gradient_w_averaged(x, dy):
    return _correlated(x, dy) / dy.size


@gradient_w.mistake(
    "Your answer is larger than the image: dy also slid over the border. dw must have the shape of the "
    "kernel."
)
def gradient_w_over_the_border(x, dy):
    around = [(size - 1, size - 1) for size in dy.shape]
    return _correlated(np.pad(x, around), dy)


@gradient_w.mistake(
    "Your answer is as large as the image, but dw must have the shape of the kernel: no padding."
)
def gradient_w_padded(x, dy):
    around = [((size - 1) // 2, size // 2) for size in dy.shape]
    return _correlated(np.pad(x, around), dy)


@gradient_w.mistake("This is the step against the gradient, minus dw. Wanted: the gradient itself.")
def gradient_w_descending(x, dy):
    return -_correlated(x, dy)


@gradient_w.mistake("Rows and columns have changed places: m and i count rows, n and j columns.")
def gradient_w_transposed(x, dy):
    return _correlated(x, dy).T


@gradient_w.mistake("You sum x alone. A place where dy is large must count more: multiply by dy[i, j].")
def gradient_w_without_dy(x, dy):
    return _correlated(x, np.ones(dy.shape))


# 11 Transposed convolution


@exercise(
    "Make an image larger: stamp the kernel once for every pixel, and add up the stamps.",
    hints=(
        "Each x[i, j] leaves a stamp x[i, j] * w in y. Where does the stamp of its right neighbour begin?",
        "The stamp of x[i, j] covers y[i * stride:i * stride + K, j * stride:j * stride + L].",
        "Stamps may overlap: start from zeros and add, with +=. The last stamp begins at (H - 1) * stride.",
    ),
    right="Where stamps overlap unevenly, a chequered pattern appears. A kernel whose size is a multiple of "
    "the stride avoids it.",
)
def transposed(x, w, stride=1):
    """Transposed convolution: every pixel stamps the kernel into a larger image, and stamps add up.

    x        image (H, W)
    w        kernel (K, L)
    stride   distance of neighbouring stamps
    returns  y ((H - 1) * stride + K, (W - 1) * stride + L), floats

    >>> transposed(np.array([[1, 2]]), np.array([[1, 10, 100]]), stride=2)
    array([[  1.,  10., 102.,  20., 200.]])
    """
    (H, W), (K, L) = x.shape, w.shape
    y = np.zeros(((H - 1) * stride + K, (W - 1) * stride + L))
    for i in range(H):
        for j in range(W):
            y[i * stride : i * stride + K, j * stride : j * stride + L] += x[i, j] * w
    return y


def _stamped(x, w, stride, add=True):
    """Transposed convolution; without `add` a later stamp hides an earlier one."""
    y = np.zeros([(n - 1) * stride + k for n, k in zip(x.shape, w.shape, strict=True)])
    for (i, j), value in np.ndenumerate(x):
        place = y[i * stride : i * stride + w.shape[0], j * stride : j * stride + w.shape[1]]
        place[...] = value * w + (place if add else 0)
    return y


@transposed.probes
def _(rng):
    for image, kernel, stride in (
        ((2, 2), (2, 2), 1),
        ((2, 3), (3, 3), 2),
        ((3, 2), (2, 3), 2),
        ((3, 3), (2, 2), 2),
    ):
        yield dict(x=_whole(rng, *image, low=1), w=_distinct(rng, *kernel), stride=stride)
    yield dict(x=_whole(rng, 2, 3), w=_distinct(rng, 4, 3) / 4, stride=3)
    yield dict(x=rng.integers(1, 9, (3, 2)), w=_distinct(rng, 3, 3))


@transposed.law("An image twice as bright must give an answer twice as bright.")
def _(f, x, w, stride=1):
    return f(2 * x, w, stride=stride), 2 * f(x, w, stride=stride)


@transposed.law("A single pixel of value 1 must give the kernel itself.")
def _(f, x, w, stride=1):
    return f(np.ones((1, 1)), w, stride=stride), w


@transposed.law("Two images added must give the two answers added.")
def _(f, x, w, stride=1):
    return f(x + x[::-1], w, stride=stride), f(x, w, stride=stride) + f(x[::-1], w, stride=stride)


@transposed.mistake(
    "Where two stamps overlap, the later one replaces the earlier. Add them: += in place of =."
)
def transposed_overwritten(x, w, stride=1):
    return _stamped(x, w, stride, add=False)


@transposed.mistake(
    "The stride makes no difference in your answer. Neighbouring stamps begin `stride` pixels apart."
)
def transposed_stride_ignored(x, w, stride=1):
    return _stamped(x, w, 1)


@transposed.mistake("The kernel is flipped. A stamp leaves the kernel as it is, not turned.")
def transposed_flipped(x, w, stride=1):
    return _stamped(x, w[::-1, ::-1], stride)


@transposed.mistake("Rows and columns of the kernel have changed places in your stamps.")
def transposed_kernel_transposed(x, w, stride=1):
    return _stamped(x, w.T, stride)


@transposed.mistake(
    "The answer is cut off at H * stride by W * stride. The last stamp needs room: (H - 1) * stride + K rows."
)
def transposed_cut_off(x, w, stride=1):
    grown = np.zeros([(n + k) * stride for n, k in zip(x.shape, w.shape, strict=True)])
    y = _stamped(x, w, stride)
    grown[: y.shape[0], : y.shape[1]] = y
    return grown[: x.shape[0] * stride, : x.shape[1] * stride]


@transposed.mistake(
    "You divide where stamps overlap. They add up; that is where the chequered pattern comes from."
)
def transposed_averaged(x, w, stride=1):
    return _stamped(x, w, stride) / np.maximum(_stamped(np.ones(x.shape), np.ones(w.shape), stride), 1)


@transposed.mistake("You repeat pixels and do not use the kernel. Each pixel leaves a stamp x[i, j] * w.")
def transposed_repeated(x, w, stride=1):
    return np.kron(x, np.ones((stride, stride)))


# 12 Separable kernels


@exercise(
    "Split a kernel into a column and a row, if it can be split.",
    hints=(
        "In a kernel that can be split, every row is a multiple of one and the same row.",
        "Take the row with the largest weight as `row`, and divide it by that weight. `column` is the "
        "column of that "
        "weight, as it is.",
        "Multiply again, np.outer(column, row), and compare with w, np.allclose. Not equal: raise "
        "ValueError.",
    ),
    right="First the column, then the row: a 15 by 15 kernel then takes 30 products for each pixel, not 225.",
)
def separate(w):
    """A column and a row whose outer product is the kernel: w[m, n] == column[m] * row[n].

    w        kernel (K, L), not all zeros
    returns  (column, row), of shapes (K,) and (L,); any pair with the right product will do
    raises   ValueError where there is no such pair

    >>> column, row = separate(np.array([[1, 2], [3, 6]]))
    >>> np.outer(column, row)
    array([[1., 2.],
           [3., 6.]])
    """
    m, n = np.unravel_index(np.argmax(np.abs(w)), w.shape)
    column, row = w[:, n], w[m] / w[m, n]
    if not np.allclose(np.outer(column, row), w):
        raise ValueError("w is not a column times a row")
    return column, row


@separate.compared("two arrays, `return column, row`")
def _(answer):
    column, row = answer
    return np.outer(column, row)


@separate.probes
def _(rng):
    def part(size):
        return rng.choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], size)

    yield dict(w=np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]) * int(rng.integers(2, 5)))
    yield dict(w=np.outer(part(2), part(3)))
    yield dict(w=np.outer(part(3), [0.0, *part(2)]))
    yield dict(w=np.outer([1.0, 3.0, 2.0], [2.0, 1.0, 4.0]) / 4)
    yield dict(w=np.outer([0.0, *part(3)], part(2)))
    yield dict(w=np.array([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]))
    yield dict(w=np.outer(part(3), [1.0, 2.0, 3.0]) + np.diag([1.0, 0.0, 0.0]))
    yield dict(w=np.eye(2))


@separate.law("A kernel with weights three times as large must have a product three times as large.")
def _(f, w):
    return f(3 * w), 3 * w


@separate.law("A kernel turned upside down must have a product that is turned upside down.")
def _(f, w):
    return f(w[::-1]), w[::-1]


@separate.mistake("Column and row have changed places: return column, row.")
def separate_row_first(w):
    return separate(w)[::-1]


@separate.mistake(
    "You return a column and a row of w as they are. One weight lies in both, and so is counted twice: "
    "divide by it."
)
def separate_not_divided(w):
    column, row = separate(w)
    m, n = np.unravel_index(np.argmax(np.abs(w)), w.shape)
    return column, row * w[m, n]


@separate.mistake(
    "You return the first column and the first row of w as they are. Their product is w times w[0, 0]."
)
def separate_first_not_divided(w):
    separate(w)
    return w[:, 0], w[0]


@separate.mistake(
    "You divide by the weight in the corner, which is 0 in many kernels. Which weight of a kernel is never 0?"
)
def separate_divided_by_the_corner(w):
    column, row = w[:, 0], w[0] / w[0, 0]
    if np.isfinite(row).all():
        separate(w)
    return column, row


@separate.mistake(
    "You use the sums of rows and columns. In an edge kernel they cancel to 0; work with the weights "
    "themselves."
)
def separate_by_sums(w):
    column, row = w.sum(1), w.sum(0) / w.sum()
    if np.isfinite(row).all():
        separate(w)
    return column, row


@separate.mistake(
    "The largest singular value s[0] is missing: the product has the right pattern, but the wrong size."
)
def separate_without_size(w):
    separate(w)
    u, _, v = np.linalg.svd(w)
    return u[:, 0], v[0]
