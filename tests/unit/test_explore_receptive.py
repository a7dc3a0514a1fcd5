"""Receptive fields, against what happens: each image line is changed, and who notices is counted."""

import numpy as np
import pytest

from medtutor.explore import receptive_field
from medtutor.explore.receptive import layer_output

keras = pytest.importorskip("keras")
L = keras.layers


def noticed(model, layer):
    """[(first, last) of the image rows that change it, for each map row], and the same for columns.

    Weights, image and change are positive, so nothing cancels and a pooled pixel that rises is the largest.
    """
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "seed" not in weight.name:
            scale = max(1, np.prod(weight.shape[:-1]))
            weight.assign(random.uniform(0.5, 1, weight.shape) / scale**0.5)
    part = keras.Model(model.inputs[0], layer_output(model, model.get_layer(layer)))
    x = random.uniform(0.5, 1, model.inputs[0].shape[1:]).astype("float32")
    rows, columns = x.shape[:2]
    changed = np.repeat(x[None], 1 + rows + columns, axis=0)
    for row in range(rows):
        changed[1 + row, row] += 100
    for column in range(columns):
        changed[1 + rows + column, :, column] += 100
    y = np.asarray(part(changed, training=False)).astype("float64")
    y = y.reshape(len(y), *(y.shape[1:3] if y.ndim == 4 else (1, 1)), -1)
    felt = np.abs(y[1:] - y[0]).max(-1) > 1e-5 * np.abs(y[0]).max()
    by_row, by_column = felt[:rows].any(2), felt[rows:].any(1)
    return [[ends(np.flatnonzero(changing)) for changing in by.T] for by in (by_row, by_column)]


def ends(lines):
    return (lines[0], lines[-1]) if len(lines) else (0, -1)


def plain(x):
    x = L.Conv2D(3, 3, name="valid")(x)
    x = L.MaxPooling2D(2, name="drops an odd row")(x)
    x = L.Conv2D(3, 5, padding="same", activation="relu", name="does not see it")(x)
    x = L.AveragePooling2D(3, strides=2, padding="same", name="overlapping")(x)
    return L.DepthwiseConv2D(3, padding="same", name="depthwise")(x)


def strided(x):
    x = L.Conv2D(2, 3, strides=2, padding="same", name="strided")(x)
    x = L.BatchNormalization()(x)
    x = L.ReLU(name="relu")(x)
    x = L.Conv2D(2, (5, 3), strides=(1, 2), padding="same", use_bias=False, name="not square")(x)
    return L.SeparableConv2D(2, 3, strides=2, padding="same", name="separable")(x)


def residual(x):
    x = L.Conv2D(4, 3, padding="same", name="first")(x)
    y = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    y = L.Conv2D(4, 3, padding="same")(y)
    x = keras.ops.relu(x + y)
    short = L.Conv2D(4, 1, strides=2, name="shortcut")(x)
    y = L.Conv2D(4, 3, strides=2, padding="same", activation="relu")(x)
    y = L.Conv2D(4, 3, padding="same")(y)
    return L.Add(name="sum")([short, y])


def dilated(x):
    x = L.ZeroPadding2D(((3, 0), (1, 2)), name="padded")(x)
    x = L.Conv2D(2, 3, dilation_rate=(2, 3), padding="same", name="dilated")(x)
    return L.Cropping2D(((1, 0), (0, 2)), name="cropped")(x)


def unet(x):
    a = L.Conv2D(2, 3, padding="same", activation="relu", name="level 1")(x)
    b = L.Conv2D(2, 3, padding="same", activation="relu", name="level 2")(L.MaxPooling2D(2)(a))
    c = L.Conv2D(2, 3, padding="same", activation="relu", name="bottom")(L.MaxPooling2D(2)(b))
    up = L.Concatenate(name="joint 2")([L.Conv2DTranspose(2, 2, strides=2, name="painted")(c), b])
    up = L.Conv2D(2, 3, padding="same", name="decoded 2")(up)
    up = L.Concatenate(name="joint 1")([L.UpSampling2D(2, name="enlarged")(up), a])
    return L.Conv2D(1, 3, padding="same", name="mask")(up)


def enlarging(x):
    x = L.MaxPooling2D(2)(x)
    x = L.Conv2DTranspose(2, 3, strides=2, padding="same", name="overlapping")(x)
    x = L.Conv2DTranspose(2, 4, strides=3, name="wide")(x)
    x = L.Conv2D(2, 3, strides=2, padding="same", name="back")(x)
    return L.UpSampling2D((2, 3), interpolation="bilinear", name="bilinear")(x)


def nested(x):
    x = keras.Sequential([L.RandomFlip(), L.Rescaling(2.0)], name="augmented")(x)
    inside = keras.Input(x.shape[1:])
    block = keras.Model(inside, L.MaxPooling2D(2)(L.Conv2D(3, 3, padding="same")(inside)), name="block")
    return L.Conv2D(2, 3, name="after")(block(x))


def squeezing(x):
    x = L.Conv2D(4, 3, padding="same", name="before")(x)
    scale = L.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    scale = L.Dense(4, activation="sigmoid")(scale)
    return L.Multiply(name="scaled")([x, scale])


BUILT = [plain, strided, residual, dilated, unet, enlarging, nested, squeezing]


@pytest.mark.parametrize("build", BUILT, ids=lambda build: build.__name__)
@pytest.mark.parametrize("size", [(16, 13), (15, 24)], ids=str)
def test_a_field_holds_exactly_what_changes_its_pixel(build, size):
    if build is unet:
        size = tuple(4 * (side // 4) for side in size)
    entry = keras.Input((*size, 2))
    model = keras.Model(entry, build(entry))
    for layer in model.layers[1:]:
        field = receptive_field(model, layer.name)
        rows, columns = noticed(model, layer.name)
        assert field.rows.tolist() == [list(pair) for pair in rows], layer.name
        assert field.columns.tolist() == [list(pair) for pair in columns], layer.name


def model_of(*layers, size=(64, 64, 1)):
    return keras.Sequential([keras.Input(size), *layers])


def test_same_padding_at_stride_two_is_below_and_right_only_on_even_sizes():
    strided = L.Conv2D(1, 3, strides=2, padding="same")
    even = receptive_field(model_of(strided, size=(8, 7, 1)), strided)
    assert even.start == (0, -1)
    assert even.rows.tolist() == [[0, 2], [2, 4], [4, 6], [6, 7]]
    assert even.columns.tolist() == [[0, 1], [1, 3], [3, 5], [5, 6]]
    assert even.size == (3, 3) and even.jump == (2, 2)


def test_fields_of_vgg_and_alexnet_are_those_that_are_published():
    """Araujo, Norris and Sim list 195 pixels for AlexNet's last pooling and 212 for VGG-16's."""
    vgg = []
    for convolutions in (2, 2, 3, 3, 3):
        vgg += [L.Conv2D(1, 3, padding="same") for _ in range(convolutions)] + [L.MaxPooling2D(2)]
    model = model_of(*vgg, size=(224, 224, 1))
    assert receptive_field(model, vgg[-1]).size == (212, 212)
    assert receptive_field(model, vgg[-1]).jump == (32, 32)
    alexnet = [L.Conv2D(1, 11, strides=4), L.MaxPooling2D(3, 2), L.Conv2D(1, 5, padding="same")]
    alexnet += [
        L.MaxPooling2D(3, 2),
        *(L.Conv2D(1, 3, padding="same") for _ in range(3)),
        L.MaxPooling2D(3, 2),
    ]
    model = model_of(*alexnet, size=(227, 227, 1))
    assert receptive_field(model, alexnet[-1]).size == (195, 195)


def test_size_is_told_without_borders_even_where_every_field_is_cut():
    deep = [L.Conv2D(1, 3, padding="same") for _ in range(10)]
    field = receptive_field(model_of(*deep, size=(8, 8, 1)), deep[-1])
    assert field.size == (21, 21) and field.start == (-10, -10)
    assert field.rows.tolist() == [[0, 7]] * 8


def test_jump_halves_where_a_layer_enlarges():
    up = L.UpSampling2D(4)
    field = receptive_field(model_of(L.MaxPooling2D(2), up), up)
    assert field.jump == (0.5, 0.5) and field.size == (2, 2)


def test_jump_grows_again_where_a_stride_follows():
    back = L.Conv2D(1, 3, strides=(2, 4), padding="same")
    field = receptive_field(model_of(L.MaxPooling2D(2), L.UpSampling2D(4), back), back)
    assert field.jump == (1, 2) and field.size == (4, 2) and field.start == (0, 0)


def test_a_global_pooling_reads_the_whole_image():
    model = model_of(L.Conv2D(2, 3), L.GlobalAveragePooling2D(name="mean"), L.Dense(1, name="score"))
    for name in ("mean", "score"):
        field = receptive_field(model, name)
        assert field.rows.tolist() == [[0, 63]] and field.columns.tolist() == [[0, 63]]


@keras.saving.register_keras_serializable("test")
class Unknown(keras.layers.Layer):
    def call(self, x):
        return x


class Subclassed(keras.Model):
    def call(self, x):
        return x


def twice():
    entry, shared = keras.Input((8, 8, 1)), L.Conv2D(1, 3, padding="same", name="shared")
    return keras.Model(entry, shared(shared(entry)))


def test_a_layer_that_other_models_use_too_is_followed_in_this_one():
    shared = L.Conv2D(1, 3, name="shared")
    for size in (8, 12):
        entry = keras.Input((size, size, 1))
        model = keras.Model(entry, shared(L.MaxPooling2D(2)(entry)))
        assert receptive_field(model, "shared").rows[-1].tolist() == [size - 6, size - 1]


def test_a_sequential_model_built_layer_by_layer_is_followed():
    model = keras.Sequential([keras.Input((8, 8, 1))])
    for name in ("a", "b", "c"):
        model.add(L.Conv2D(1, 3, name=name))
    assert [receptive_field(model, name).size for name in "abc"] == [(3, 3), (5, 5), (7, 7)]


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (lambda: model_of(L.Conv2D(1, 3, name="c")), "conv", "layer 'conv' is not in the model; it has c"),
        (lambda: model_of(L.Conv2D(1, 3)), L.Conv2D(1, 3, name="other"), "layer 'other' is not in the model"),
        (lambda: model_of(Unknown(name="mine")), "mine", "layer 'mine' is a Unknown, which may mix pixels"),
        (lambda: model_of(L.Conv2D(1, 3), size=(None, None, 1)), None, "one image of known size"),
        (lambda: model_of(L.Dense(1), size=(8,)), None, "one image of known size"),
        (lambda: Subclassed(), None, "Subclassed .* has no symbolic input"),
        (twice, "shared", "layer 'shared' makes 2 tensors"),
        (lambda: model_of(L.Softmax(axis=1, name="s")), "s", "a Softmax along axis 1, which may mix"),
        (
            lambda: model_of(L.Conv2DTranspose(1, 3, strides=2, output_padding=1, name="t")),
            "t",
            "layer 't' has output_padding",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_with_what_to_do(model, layer, message):
    model = model()
    with pytest.raises(ValueError, match=message):
        receptive_field(model, layer or (model.layers[0] if model.layers else "any"))
