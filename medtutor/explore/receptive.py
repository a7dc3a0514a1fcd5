"""Which pixels of the image can a pixel of a feature map see? Followed through a Keras model by layers."""

from math import gcd, lcm
from typing import NamedTuple

import numpy as np

SLIDING = {
    "Conv2D": "kernel_size",
    "DepthwiseConv2D": "kernel_size",
    "SeparableConv2D": "kernel_size",
    "MaxPooling2D": "pool_size",
    "AveragePooling2D": "pool_size",
}
PIXEL_BY_PIXEL = set(
    "InputLayer Identity Activation ReLU LeakyReLU PReLU ELU Softmax Dense Dropout "
    "BatchNormalization FusedBatchNormalization SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout "
    "ActivityRegularization Rescaling Normalization "
    # what keras.ops and arithmetic on symbolic tensors leave in a graph
    "Relu Relu6 Sigmoid Tanh Silu Gelu Elu LeakyRelu Softplus Add Subtract Multiply Divide Maximum Minimum "
    "Average Concatenate Negative Absolute Square Sqrt Exp Log Power Clip Cast".split()
)
WHOLE = {"GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten"}
NOWHERE = 10**9  # first pixel read by a pixel that reads none


class Field(NamedTuple):
    """What each pixel of a feature map can read, in pixels of the image.

    rows     (h, 2) int64: the first and the last image row that map row i reads, cut at the border; 0 and -1
             for a row that reads none, in padding
    columns  (w, 2) int64, likewise for map column j
    size     (rows, columns) of the field where no border cuts it
    jump     (down, right): how far the fields of neighbours lie apart; below 1 where a layer enlarges its map
    start    (row, column) where the uncut field of map pixel [0, 0] begins; below 0 in the padding
    """

    rows: np.ndarray
    columns: np.ndarray
    size: tuple
    jump: tuple
    start: tuple


class _Axis(NamedTuple):
    """Rows or columns of a map: what each reads, and what it would read without borders.

    first, last   image pixels at the ends of what map pixel i reads
    low, high     the same without borders for the first map pixels; then they repeat, `shift` image pixels on
    """

    first: list
    last: list
    low: list
    high: list
    shift: int

    def ends(self, j):
        """(low, high) of map pixel j, which may lie outside the map."""
        times, phase = divmod(j, len(self.low))
        return self.low[phase] + times * self.shift, self.high[phase] + times * self.shift


def receptive_field(model, layer):
    """The `Field` of a layer's pixels: the smallest boxes of the image that hold all that can change them.

    model  a Keras model with one image input of known size, (None, rows, columns, channels), e.g.
           Sequential or Functional, models inside it included
    layer  one of its layers, or a layer's name; a map (None, h, w, f), or (None, f), read as one pixel

        size_l = size_(l-1) + d (k - 1) jump_(l-1)
        jump_l = s jump_(l-1)
        start_l = start_(l-1) - p jump_(l-1)

    for kernel k, stride s, dilation d and p pixels of padding before the first; "same" pads the smaller half
    there, which with stride 2 and an even size is none for k = 3. Where paths join, the box around all of
    them counts. A box may hold pixels that are never read, e.g. between the taps of a dilated kernel.
    Raises ValueError for a layer that mixes pixels in a way that is not known here.
    Source: Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill 2019,
    doi:10.23915/distill.00021.
    """
    entry = image_input(model)
    layer = find_layer(model, layer)
    axes = _follow(layer_output(model, layer), {id(entry): [_start(n) for n in entry.shape[1:3]]})
    return Field(
        *(np.array([_seen(ends) for ends in zip(axis.first, axis.last, strict=True)]) for axis in axes),
        *zip(*(_measures(axis) for axis in axes), strict=True),
    )


def _seen(ends):
    return ends if ends[0] <= ends[1] else (0, -1)


def find_layer(model, layer):
    """The layer of this name, or the layer itself if it is the model's."""
    names = [known.name for known in getattr(model, "layers", [])]
    name = getattr(layer, "name", layer)
    if name not in names or (layer is not name and model.get_layer(name) is not layer):
        raise ValueError(f"layer {name!r} is not in the model; it has {', '.join(names) or 'none'}")
    return model.get_layer(name)


def image_input(model):
    """The model's one input, (None, rows, columns, channels) with known sizes."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise ValueError(
            f"{type(model).__name__} {getattr(model, 'name', '')!r} has no symbolic input; use a Sequential "
            "model with keras.Input((rows, columns, channels)) first, or a Functional one"
        )
    shape = inputs[0].shape
    if len(inputs) > 1 or len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            f"the model's input has shape {[tuple(i.shape) for i in inputs]}; one image of known size, "
            "(None, rows, columns, channels), is wanted, since borders depend on it"
        )
    return inputs[0]


def layer_output(model, layer):
    """The one symbolic tensor of the model that the layer makes."""
    waiting, seen, made = list(model.outputs), set(), []
    entries = {id(tensor) for tensor in model.inputs}
    while waiting:
        tensor = waiting.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            made += [tensor] if tensor._keras_history.operation is layer else []
            waiting += reads_of(tensor) if id(tensor) not in entries else []
    if len(made) != 1:
        raise ValueError(
            f"layer {layer.name!r} makes {len(made)} tensors in this model; name one that is used once"
        )
    return made[0]


def reads_of(tensor):
    """The tensors from which an operation made this one."""
    operation, node, _ = tensor._keras_history
    return operation._inbound_nodes[node].input_tensors


def _start(n):
    return _Axis(list(range(n)), list(range(n)), [0], [0], 1)


def _measures(axis):
    """(size, jump, start) of an axis."""
    size = max(high - low + 1 for low, high in zip(axis.low, axis.high, strict=True))
    jump = axis.shift / len(axis.low)
    return size, int(jump) if jump == int(jump) else jump, axis.low[0]


def _follow(tensor, known):
    """[rows, columns] of a symbolic tensor; known {id of a tensor: its axes} grows on the way."""
    if id(tensor) not in known:
        operation, _, place = tensor._keras_history
        axes = [_follow(read, known) for read in reads_of(tensor)]
        inner = getattr(operation, "outputs", None) if hasattr(operation, "layers") else None
        if inner:
            inside = {id(own): given for own, given in zip(operation.inputs, axes, strict=True)}
            known[id(tensor)] = _follow(inner[place], inside)
        else:
            sizes = tensor.shape[1:3] if len(tensor.shape) == 4 else (1, 1)
            known[id(tensor)] = [
                _layer(operation, at, [pair[at] for pair in axes], size) for at, size in enumerate(sizes)
            ]
    return known[id(tensor)]


def _layer(layer, at, axes, size):
    """The axis (at = 0 rows, 1 columns) behind a layer that reads these and has `size` pixels along it."""
    kind = type(layer).__name__
    _refuse_channels_first(layer)
    if kind in SLIDING:
        k, s = getattr(layer, SLIDING[kind])[at], layer.strides[at]
        d = getattr(layer, "dilation_rate", (1, 1))[at]
        return _slide(axes[0], size, k, s, d, layer.padding)
    if kind == "Conv2DTranspose":
        return _paint(axes[0], size, layer, at)
    if kind == "UpSampling2D":
        return _enlarge(axes[0], size, layer.size[at], layer.interpolation)
    if kind in ("ZeroPadding2D", "Cropping2D"):
        before = getattr(layer, "padding" if kind == "ZeroPadding2D" else "cropping")[at][0]
        shift = -before if kind == "ZeroPadding2D" else before
        return _through(axes[0], size, lambda i: [i + shift], len(axes[0].low), axes[0].shift)
    n = len(axes[0].first)
    if kind in WHOLE:
        return _through(axes[0], 1, lambda i: range(n), 1, n * axes[0].shift)
    along = getattr(layer, "axis", -1)
    mixes = kind in ("Concatenate", "Softmax", "LayerNormalization") and along not in (-1, 3, [-1], [3])
    random = kind.startswith("Random") and n == size
    if mixes or not (kind in PIXEL_BY_PIXEL or kind == "LayerNormalization" or random):
        raise ValueError(
            f"layer {layer.name!r} is a {kind}{f' along axis {along}' if mixes else ''}, which may mix "
            "pixels in ways that are not known here; ask for a layer before it"
        )
    return _join(axes, size, layer)


def _refuse_channels_first(layer):
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError(f"layer {layer.name!r} has its channels first; channels_last is wanted")


def _through(axis, size, reads, period, shift):
    """The axis of a layer whose pixel i reads the pixels reads(i) of `axis`, those outside included."""
    n = len(axis.first)
    inside = [[j for j in reads(i) if 0 <= j < n] for i in range(size)]
    ends = [[axis.ends(j) for j in reads(i)] for i in range(period)]
    return _Axis(
        [min((axis.first[j] for j in read), default=NOWHERE) for read in inside],
        [max((axis.last[j] for j in read), default=-1) for read in inside],
        [min((low for low, _ in read), default=NOWHERE) for read in ends],
        [max((high for _, high in read), default=-NOWHERE) for read in ends],
        shift,
    )


def _slide(axis, size, k, s, d, padding):
    """A window of k pixels, d apart, every s pixels."""
    n, span = len(axis.first), d * (k - 1) + 1
    total = max(0, (size - 1) * s + span - n) if padding == "same" else 0
    before = total // 2
    common = gcd(len(axis.low), s)
    return _through(
        axis,
        size,
        lambda i: range(s * i - before, s * i - before + span, d),
        len(axis.low) // common,
        s // common * axis.shift,
    )


def _paint(axis, size, layer, at):
    """A transposed convolution: pixel j paints s j - before, and k - 1 more, each d further on."""
    k, s, d = layer.kernel_size[at], layer.strides[at], layer.dilation_rate[at]
    if layer.output_padding is not None:
        raise ValueError(f"layer {layer.name!r} has output_padding; leave it out to have its field counted")
    span = d * (k - 1) + 1
    before = max(span - s, 0) // 2 if layer.padding == "same" else 0

    def reads(i):
        return [
            j
            for j in range(-((span - 1 - before - i) // s), (i + before) // s + 1)
            if (i + before - s * j) % d == 0
        ]

    return _through(axis, size, reads, s * len(axis.low), axis.shift)


def _enlarge(axis, size, s, interpolation):
    if interpolation == "nearest":
        return _through(axis, size, lambda i: [i // s], s * len(axis.low), axis.shift)
    if interpolation == "bilinear":  # centres of pixels stay where they are: (i + 1/2) / s - 1/2, in 2s-ths
        n = len(axis.first)

        def reads(i):
            below, part = divmod(2 * i + 1 - s, 2 * s)
            held = [min(max(j, 0), n - 1) for j in ([below, below + 1] if part else [below])]
            return held if 0 <= i < size else [below, below + bool(part)]

        return _through(axis, size, reads, s * len(axis.low), axis.shift)
    raise ValueError(f"UpSampling2D with interpolation {interpolation!r} is not known here; use 'nearest'")


def _join(axes, size, layer):
    """Paths that meet pixel by pixel; one of a single pixel meets all."""
    period = lcm(*(len(axis.low) for axis in axes))
    moving = [axis for axis in axes if len(axis.first) == size]
    if not moving or any(len(axis.first) not in (1, size) for axis in axes):
        sizes = [len(axis.first) for axis in axes]
        raise ValueError(
            f"layer {layer.name!r} joins maps of {sizes} pixels into {size}; that is not known here"
        )
    shift = moving[0].shift * (period // len(moving[0].low))

    def at(values, i):
        return values[i if len(values) > 1 else 0]

    ends = [[axis.ends(i if len(axis.first) > 1 else 0) for axis in axes] for i in range(period)]
    return _Axis(
        [min(at(axis.first, i) for axis in axes) for i in range(size)],
        [max(at(axis.last, i) for axis in axes) for i in range(size)],
        [min(low for low, _ in each) for each in ends],
        [max(high for _, high in each) for each in ends],
        shift,
    )
