"""The feature explorer without a browser: its page, its stored maps, and its sums against Keras."""

import base64
import html
import re

import numpy as np
import pytest
from explored import in_node, state_of

from medtutor.explore import explore_features
from medtutor.explore.base import HERE

keras = pytest.importorskip("keras")
L = keras.layers


def weighted(model, seed=0):
    """The model with weights drawn from this seed, biases included."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "seed" not in weight.name and "variance" not in weight.name:
            weight.assign(random.normal(0, 0.4, weight.shape))
    return model


def net(size=16, seed=0):
    """Two contrasts; a convolution, normalised, a pooling, a residual sum, and one score."""
    entry = keras.Input((size, size, 2))
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="edges")(entry)
    x = L.MaxPooling2D(2, name="pool")(x)
    y = L.Conv2D(6, 3, padding="same", name="deeper")(x)
    y = L.BatchNormalization(name="norm")(y)
    x = L.Add(name="sum")([x, y])
    return weighted(
        keras.Model(entry, L.Dense(1, name="score")(L.GlobalAveragePooling2D(name="mean")(x))), seed
    )


def pictures(n=2, size=16, channels=2):
    return np.random.default_rng(5).uniform(0, 1.5, (n, size, size, channels)).astype("float32")


def inside(model, layer, images):
    part = keras.Model(model.inputs[0], model.get_layer(layer).output)
    return np.asarray(part(images, training=False))


# ---- the page ----


def test_the_same_net_and_images_give_the_same_bytes():
    model, images = net(), pictures()
    first = explore_features(model, images)._repr_mimebundle_()
    assert first == explore_features(model, images.copy())._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_a_net_trained_elsewhere_changes_nothing_but_the_marked_state_and_the_picture():
    pages = []
    for seed in (0, 1):
        page = explore_features(net(seed=seed), pictures()).page()
        page = re.sub(r"/\* measured \*/.*?/\* end of measured \*/", "", page)
        pages.append(re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert pages[0] == pages[1]


def test_stored_maps_are_the_net_s_to_half_a_step():
    model, images = net(), pictures(3)
    state = state_of(explore_features(model, images).page())
    assert [layer["name"] for layer in state["layers"]] == ["edges", "pool", "deeper", "sum"]
    for layer in state["layers"]:
        maps = inside(model, layer["name"], images)
        assert (layer["rows"], layer["columns"]) == maps.shape[1:3]
        for image, stored in enumerate(layer["maps"]):
            for channel, text in enumerate(stored):
                levels = np.frombuffer(base64.b64decode(text), "uint8").reshape(maps.shape[1:3])
                step = layer["steps"][channel]
                values = (levels.astype(float) - layer["zero"]) * step
                np.testing.assert_allclose(values, maps[image, ..., channel], atol=0.501 * step)


def test_zero_is_stored_as_zero_and_a_dead_channel_has_no_step():
    model, images = net(), pictures()
    kernel, bias = model.get_layer("edges").get_weights()
    bias[2] = -100
    model.get_layer("edges").set_weights([kernel, bias])
    state = state_of(explore_features(model, images, layers=["edges", "sum"]).page())
    edges, total = state["layers"]
    assert edges["zero"] == 0 and total["zero"] == 127
    assert edges["steps"][2] == 0 and set(base64.b64decode(edges["maps"][0][2])) == {0}
    assert all(step > 0 for at, step in enumerate(edges["steps"]) if at != 2)


def test_images_are_stored_to_a_65536th():
    images = pictures()
    state = state_of(explore_features(net(), images).page())
    for c, channel in enumerate(state["image_channels"]):
        for image, text in zip(images, channel["images"], strict=True):
            stored = channel["low"] + channel["step"] * np.frombuffer(base64.b64decode(text), "<u2")
            np.testing.assert_allclose(stored.reshape(16, 16), image[..., c], atol=1.5 / 65536)


def test_description_names_images_layers_sizes_and_fields():
    titles, contrasts = ("patient 3", "patient 9"), ("T1", "FLAIR")
    alt = explore_features(net(), pictures(), titles=titles, contrasts=contrasts, channels=[4]).picture.alt
    for words in (
        "2 images (patient 3, patient 9; T1, FLAIR) in 4 layers",
        "edges, 16 by 16, each pixel reads 3 by 3 pixels of the image",
        "pool, 8 by 8, each pixel reads 4 by 4",
        "sum, 8 by 8, each pixel reads 8 by 8",
        "Drawn: patient 3, T1, channel 4 of edges",
    ):
        assert words in alt


def test_names_of_the_reader_cannot_leave_their_place():
    nasty = '</script><!-- " & <b>'
    page = explore_features(net(), pictures(1), titles=[nasty], contrasts=[nasty, "b"]).page()
    assert page.count("</script>") == 1 and "<!--" not in page and "<b>" not in page
    assert state_of(page)["titles"] == [nasty]
    assert nasty in html.unescape(re.search(r'<img alt="([^"]*)"', page)[1])


def test_one_image_and_chosen_channels_and_layers_are_enough():
    state = state_of(explore_features(net(), pictures()[0], layers="norm", channels=(5, 0)).page())
    assert [layer["name"] for layer in state["layers"]] == ["norm"] and state["kernel"] is None
    assert state["layers"][0]["channels"] == [5, 0] and state["layers"][0]["of"] == 6
    assert state["titles"] == ["image 0"] and state["contrasts"] == ["channel 0", "channel 1"]


def test_layers_are_called_what_the_reader_calls_them():
    explorer = explore_features(net(), pictures(), layers={"edges, first": "edges", "after the sum": "sum"})
    assert [layer["name"] for layer in state_of(explorer.page())["layers"]] == [
        "edges, first",
        "after the sum",
    ]
    assert (
        "edges, first, 16 by 16" in explorer.picture.alt
        and "channel 0 of edges, first" in explorer.picture.alt
    )


def test_layers_that_keras_named_are_counted_by_kind():
    L.Conv2D(1, 1), L.MaxPooling2D()  # so that Keras counts from a number that no reader could know
    x = image = keras.Input((8, 8, 2))
    for _ in range(2):
        x = L.MaxPooling2D()(L.Conv2D(3, 3, padding="same")(x))
    model = keras.Model(image, L.Conv2D(2, 1, name="last_look")(x))
    state = state_of(explore_features(model, pictures(1, 8)).page())
    counted = ["convolution 1", "pooling 1", "convolution 2", "pooling 2", "last_look"]
    assert [layer["name"] for layer in state["layers"]] == counted
    own = model.layers[3].name
    state = state_of(explore_features(model, pictures(1, 8), layers=[own]).page())
    assert [layer["name"] for layer in state["layers"]] == [own]


def deep_net(size, convolutions, filters):
    layers = [L.Conv2D(filters, 3, padding="same", name=f"c{at}") for at in range(convolutions)]
    return keras.Sequential([keras.Input((size, size, 2)), *layers])


def test_three_images_of_a_deep_net_stay_below_700_kilobytes():
    page = explore_features(deep_net(64, 20, 32), pictures(3, 64)).page()
    layers = [layer["name"] for layer in state_of(page)["layers"]]
    assert len(page) < 700_000
    assert layers[0] == "c0" and layers[-1] == "c19" and len(layers) >= 3


def test_of_many_small_layers_eight_are_shown_from_first_to_last():
    state = state_of(explore_features(deep_net(8, 15, 2), pictures(1, 8)).page())
    assert [layer["name"] for layer in state["layers"]] == [f"c{2 * at}" for at in range(8)]


class Subclassed(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": Subclassed()}, "no symbolic input"),
        ({"images": pictures(size=8)}, r"images have shape \(2, 8, 8, 2\); the model reads \(16, 16, 2\)"),
        ({"images": pictures()[0, ..., 0]}, r"images have shape \(16, 16\)"),
        ({"images": pictures()[:0]}, r"images have shape \(0, 16, 16, 2\)"),
        ({"images": pictures(13)}, r"there are 13 images; choose up to 12, e.g. images\[:3\]"),
        ({"images": pictures() * np.nan}, "not finite"),
        ({"layers": ["conv"]}, "layer 'conv' is not in the model; it has .*edges, pool"),
        ({"layers": ["mean"]}, r"layer 'mean' gives \(None, 6\); feature maps are \(None, h, w, f\)"),
        ({"layers": []}, "layers is empty"),
        ({"titles": ["one"]}, r"titles are \['one'\]; one for each image is wanted, 2 in all"),
        ({"contrasts": "T1"}, r"contrasts are \['T1'\]; one for each channel is wanted, 2 in all"),
        ({"channels": 0}, "channels is 0; use 1 or more"),
        ({"channels": [6, -1]}, r"channels is \[6, -1\]; layer 'edges' has 0 to 5"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_features(**{"model": net(), "images": pictures()} | arguments)


def test_too_much_for_a_page_is_refused_with_the_size():
    model = deep_net(64, 4, 32)
    with pytest.raises(
        ValueError, match=r"4 layers for 3 images need 2097 kB .* more than 600; .*channels=4"
    ):
        explore_features(model, pictures(3, 64), layers=["c0", "c1", "c2", "c3"], channels=32)


def test_a_net_without_maps_of_its_own_is_refused():
    model = keras.Sequential([keras.Input((16, 16, 2)), L.Flatten(), L.Dense(1)])
    with pytest.raises(ValueError, match="no convolution, pooling or sum of its own"):
        explore_features(model, pictures())


# ---- the sums in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const {kernel, channels, rows, columns, places} = JSON.parse(readFileSync(0, "utf-8"));
const shorts = (text) => { const b = Buffer.from(text, "base64"); return (at) => b.readUInt16LE(2 * at); };
const unpacked = channels.map(({low, step, images}) => ({low, step, read: shorts(images[1])}));
const read = (input, at) => unpacked[input].low + unpacked[input].step * unpacked[input].read(at);
console.log(JSON.stringify(places.map(([channel, i, j]) =>
  arithmetic.convolved(kernel, channel, read, rows, columns, i, j))));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(asked) -> what `convolved` answers at each of asked["places"] in the second image."""
    folder = tmp_path_factory.mktemp("node")
    return in_node(folder, ASK_NODE, {"explorer.mjs": HERE / "features.js"})


@pytest.mark.parametrize(
    "layers",
    [
        [L.Conv2D(3, 3, padding="same", activation="relu")],
        [L.Conv2D(3, 3, activation="sigmoid")],
        [L.Conv2D(3, 3, strides=2, padding="same", use_bias=False)],
        [L.Conv2D(3, (5, 3), strides=(1, 2), padding="same", activation="tanh")],
        [L.Conv2D(3, 3, dilation_rate=(2, 3), padding="same")],
        [L.Rescaling(2.0, offset=-1.0), L.Conv2D(3, 4, padding="same")],
        [L.BatchNormalization(), L.Conv2D(3, 11, strides=4)],
    ],
    ids=["same", "valid", "stride 2", "not square", "dilated", "rescaled", "eleven"],
)
def test_patch_times_kernel_plus_bias_is_what_keras_computes(javascript, layers):
    model = weighted(keras.Sequential([keras.Input((16, 15, 2)), *layers]))
    images = np.random.default_rng(2).uniform(0, 1.5, (2, 16, 15, 2)).astype("float32")
    convolution = layers[-1]
    state = state_of(explore_features(model, images, channels=(2, 0)).page())
    assert state["kernel"]["activation"] == convolution.activation.__name__
    maps = inside(model, convolution.name, images)[1]
    h, w, _ = maps.shape
    places = [(c, i, j) for c in (0, 1) for i, j in ((0, 0), (h - 1, w - 1), (h // 2, w // 3), (0, w - 1))]
    asked = {"kernel": state["kernel"], "rows": 16, "columns": 15, "places": places}
    answers = javascript(asked | {"channels": state["kernel"]["inputs"] or state["image_channels"]})
    for (c, i, j), answer in zip(places, answers, strict=True):
        after = float(convolution.activation(keras.ops.convert_to_tensor(answer["sum"])))
        assert after == pytest.approx(maps[i, j, (2, 0)[c]], abs=2e-4)
        parts = [cell["product"] for part in answer["inputs"] for cell in part["cells"]]
        assert len(parts) == 2 * np.prod(convolution.kernel_size)
        assert sum(parts) + answer["bias"] == pytest.approx(answer["sum"])


def test_padding_is_told_from_pixels(javascript):
    model = weighted(keras.Sequential([keras.Input((16, 16, 2)), L.Conv2D(1, 3, padding="same")]))
    state = state_of(explore_features(model, pictures()).page())
    asked = {"kernel": state["kernel"], "rows": 16, "columns": 16, "channels": state["image_channels"]}
    corner, middle = javascript(asked | {"places": [(0, 0, 0), (0, 5, 5)]})
    held = [cell["inside"] for cell in corner["inputs"][0]["cells"]]
    assert held == [False, False, False, False, True, True, False, True, True]
    assert all(cell["inside"] for part in middle["inputs"] for cell in part["cells"])


@pytest.mark.parametrize(
    "layers",
    [
        [L.MaxPooling2D(2), L.Conv2D(2, 3)],
        [L.Conv2D(8, 1), L.Conv2D(2, 3)],
        [L.Conv2D(2, 12)],
        [L.DepthwiseConv2D(3)],
        [L.Conv2D(2, 3, groups=2)],
    ],
    ids=["after pooling", "not the first", "too large", "depthwise", "grouped"],
)
def test_no_sums_where_the_convolution_is_not_the_first_or_too_large(layers):
    model = weighted(keras.Sequential([keras.Input((16, 16, 2)), *layers]))
    assert state_of(explore_features(model, pictures(), layers=[layers[-1].name]).page())["kernel"] is None
