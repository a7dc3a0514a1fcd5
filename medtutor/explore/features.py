"""The feature explorer: layer, feature map, and the patch of the image behind each of its pixels."""

import base64
import re

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from medtutor.explore.base import Explorer
from medtutor.explore.receptive import find_layer, image_input, layer_output, reads_of, receptive_field
from medtutor.plot import ORANGE, Picture

LARGEST = 600_000  # characters for the feature maps: the page stays below 700 kB
SHOWN = set(
    "Conv2D DepthwiseConv2D SeparableConv2D Conv2DTranspose UpSampling2D MaxPooling2D AveragePooling2D Add "
    "Concatenate".split()
)  # layers that change what can be seen, chosen where the reader chose none
KINDS = {
    "Conv2D": "convolution",
    "Conv2DTranspose": "transposed convolution",
    "MaxPooling2D": "pooling",
    "AveragePooling2D": "mean pooling",
    "Add": "sum",
}
MOST_LAYERS = 8
MOST_IMAGES = 12


def explore_features(model, images, *, layers=None, titles=(), channels=8, contrasts=()):
    """Point at a pixel of a feature map: its receptive field is outlined on the image, and its value is told.

    model      Keras model, Sequential or Functional, with one image input of known size
    images     (n, rows, columns, channels) or one image (rows, columns, channels), finite
    layers     names of layers with maps (None, h, w, f), in order, or {what to call it: name}; default:
               convolutions, poolings, sums and joints, evenly thinned out where there are many; those that
               Keras named are counted by kind, "convolution 1"
    titles     a name for each image
    channels   how many of each map, the first ones, or their numbers, e.g. (0, 3, 7)
    contrasts  a name for each channel of the images, e.g. ("T1", "FLAIR"); the reader chooses which is drawn

    Maps are kept in 255 steps from 0 to the channel's largest value on these images (127 to either side where
    there are values below 0), images in 65,536; what is shown of them carries ≈. For the first convolution
    the products of patch and kernel are written out, for up to 4 input channels and kernels up to 11 × 11.
    Raises ValueError for images and layers that do not fit the model, and for more than a page should hold.
    Source of the receptive fields: see `receptive_field`.
    """
    entry = image_input(model)
    images = _images(images, entry.shape[1:])
    titles = _names("titles", titles, len(images), "image")
    contrasts = _names("contrasts", contrasts, images.shape[-1], "channel")
    chosen = _chosen(model, layers, channels, len(images))
    inside = _Inside(model, [layer_output(model, layer) for layer in chosen], images)
    name = _label if layers is None else lambda model, layer: layer.name
    labels = layers if isinstance(layers, dict) else [name(model, layer) for layer in chosen]
    told = [
        _told(str(label), layer, receptive_field(model, layer), maps, channels)
        for label, layer, maps in zip(labels, chosen, inside.maps, strict=True)
    ]
    shown = inside.maps[0][0, ..., told[0]["channels"][0]]
    row, column = (int(line) for line in np.unravel_index(np.abs(shown).argmax(), shown.shape))
    state = {
        "titles": titles,
        "contrasts": contrasts,
        "rows": images.shape[1],
        "columns": images.shape[2],
        "image_channels": _two_bytes(images),
        "layers": told,
        "kernel": _kernel(model, chosen, images, told),
        **{"image": 0, "contrast": 0, "layer": 0, "channel": 0, "row": row, "column": column},
    }
    still = _still(images[0, ..., 0], shown, told[0], row, column)
    picture = Picture.of(still, _description(titles, contrasts, told))
    return Explorer("features.js", state, picture, "feature", parts=["parts.js"], measured=True)


class _Inside:
    """What some tensors of a model hold for some images: maps, a list of arrays (n, h, w, f)."""

    def __init__(self, model, tensors, images):
        import keras

        entry = image_input(model)
        parts = [tensor for tensor in tensors if tensor is not entry]
        held = keras.Model(entry, parts)(images, training=False) if parts else []
        held = iter(held if isinstance(held, (list, tuple)) else [held])
        self.maps = [images if tensor is entry else np.asarray(next(held), "float64") for tensor in tensors]


def _images(images, shape):
    images = np.asarray(images)
    if images.shape == tuple(shape):
        images = images[None]
    if images.ndim != 4 or images.shape[1:] != tuple(shape) or not len(images):
        raise ValueError(
            f"images have shape {images.shape}; the model reads {tuple(shape)}: give (n, rows, columns, "
            "channels) such as x[:3], or one image x[0]"
        )
    if images.dtype.kind not in "buif" or not np.isfinite(images).all():
        raise ValueError("images hold values that are not finite numbers; use e.g. np.nan_to_num(images)")
    if len(images) > MOST_IMAGES:
        raise ValueError(f"there are {len(images)} images; choose up to {MOST_IMAGES}, e.g. images[:3]")
    return images.astype("float32")


def _names(what, names, number, of):
    names = [str(name) for name in ([names] if isinstance(names, str) else names)]
    if names and len(names) != number:
        raise ValueError(f"{what} are {names}; one for each {of} is wanted, {number} in all")
    return names or [f"{of} {at}" for at in range(number)]


# ---- which layers, which channels ----


def _chosen(model, layers, channels, images):
    """The layers to show; ValueError where their maps are more than a page should hold."""
    if layers is None:
        return _spread(model, _candidates(model), channels, images)
    if isinstance(layers, dict):
        layers = layers.values()
    chosen = [find_layer(model, layer) for layer in ([layers] if isinstance(layers, str) else layers)]
    for layer in chosen:
        shape = tuple(layer_output(model, layer).shape)
        if len(shape) != 4:
            raise ValueError(f"layer {layer.name!r} gives {shape}; feature maps are (None, h, w, f)")
    if not chosen:
        raise ValueError("layers is empty; give names of layers, or leave it out")
    weight = _weight(model, chosen, channels, images)
    if weight > LARGEST:
        raise ValueError(
            f"the maps of {len(chosen)} layers for {images} images need {weight // 1000} kB in the page, "
            f"more than {LARGEST // 1000}; choose fewer layers, images or channels, e.g. channels=4"
        )
    return chosen


def _candidates(model):
    found = []
    for layer in model.layers:
        if type(layer).__name__ in SHOWN:
            try:
                if len(layer_output(model, layer).shape) == 4:
                    found.append(layer)
            except ValueError:
                continue
    if not found:
        raise ValueError("the model has no convolution, pooling or sum of its own; name layers with layers=")
    return found


def _spread(model, layers, channels, images):
    """As many of the layers as fit, from the first to the last at even steps."""
    for number in range(min(len(layers), MOST_LAYERS), 0, -1):
        places = np.unique(np.linspace(0, len(layers) - 1, number).round().astype(int))
        chosen = [layers[place] for place in places]
        if _weight(model, chosen, channels, images) <= LARGEST:
            return chosen
    raise ValueError(
        f"one layer's maps for {images} images are more than {LARGEST // 1000} kB; choose fewer images or "
        "channels"
    )


def _weight(model, layers, channels, images):
    """Characters that the maps of these layers take."""
    pixels = 0
    for layer in layers:
        _, h, w, f = layer_output(model, layer).shape
        pixels += h * w * len(_numbers(channels, f, layer.name))
    return 4 * images * pixels // 3


def _numbers(channels, f, name):
    """Numbers of the channels to show of f."""
    if isinstance(channels, (int, np.integer)) and not isinstance(channels, bool):
        if channels < 1:
            raise ValueError(f"channels is {channels}; use 1 or more")
        return list(range(min(int(channels), f)))
    known = [int(number) for number in channels if 0 <= number < f and number == int(number)]
    if not known:
        raise ValueError(f"channels is {channels!r}; layer {name!r} has 0 to {f - 1}")
    return known


# ---- what the page is told ----


def _label(model, layer):
    """The layer's name; for one that Keras made up, "conv2d_160", its number of its kind, "convolution 6"."""

    def made_up(other):
        return re.sub(r"_\d+$", "", other.name).replace("_", "") == type(other).__name__.lower()

    if not made_up(layer):
        return layer.name
    alike = [other for other in model.layers if type(other) is type(layer) and made_up(other)]
    return f"{KINDS.get(type(layer).__name__, type(layer).__name__)} {1 + alike.index(layer)}"


def _told(label, layer, field, maps, channels):
    """A layer for the page; a map's value is (byte - zero) * step."""
    of = maps.shape[-1]
    numbers = _numbers(channels, of, layer.name)
    maps = maps[..., numbers]
    zero = 127 if maps.min() < 0 else 0
    steps = np.abs(maps).max((0, 1, 2)) / (127 if zero else 255)
    levels = np.rint(maps / np.where(steps, steps, 1) + zero).astype("uint8")
    return {
        "name": label,
        "words": _words(layer),
        "rows": maps.shape[1],
        "columns": maps.shape[2],
        "channels": numbers,
        "of": of,
        "size": [int(side) for side in field.size],
        "jump": [float(step) for step in field.jump],
        "row_fields": field.rows.tolist(),
        "column_fields": field.columns.tolist(),
        "zero": zero,
        "steps": [_short(step) for step in steps],
        "maps": [[_text(image[..., c]) for c in range(len(numbers))] for image in levels],
    }


def _words(layer):
    """What the layer does, in a few words."""
    kind = type(layer).__name__
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    then = "" if activation == "linear" else f", then {activation}"
    stride = getattr(layer, "strides", (1, 1))
    strided = f", stride {stride[0]}" if tuple(stride) != (1, 1) else ""
    if hasattr(layer, "kernel_size"):
        size = " × ".join(map(str, layer.kernel_size))
        return f"{size} {KINDS.get(kind, kind)}{strided}{then}"
    if kind in ("MaxPooling2D", "AveragePooling2D"):
        what = "largest" if kind == "MaxPooling2D" else "mean"
        return f"the {what} of {' × '.join(map(str, layer.pool_size))}{strided}"
    return {"Add": "the sum of its inputs", "Concatenate": "its inputs side by side"}.get(kind, kind) + then


def _two_bytes(arrays):
    """Each channel of (n, h, w, c) in 65,536 steps: [{low, step, images}]; value = low + step * number."""
    channels = []
    for c in range(arrays.shape[-1]):
        values = arrays[..., c].astype("float64")
        low, step = values.min(), (values.max() - values.min()) / 65535 or 1.0
        numbers = np.rint((values - low) / step).astype("<u2")
        channels.append(
            {"low": float(low), "step": float(step), "images": [_text(image) for image in numbers]}
        )
    return channels


def _text(array):
    return base64.b64encode(array.tobytes()).decode()


def _short(value):
    return float(f"{value:.7g}")


def _kernel(model, chosen, images, told):
    """The first convolution if it is shown and reads the image pixel by pixel, for the page; else None."""
    for at, layer in enumerate(chosen):
        if type(layer).__name__ != "Conv2D" or layer.groups != 1:
            continue
        k, _, C, _ = layer.kernel.shape
        field = receptive_field(model, layer)
        spans = tuple(d * (k - 1) + 1 for d, k in zip(layer.dilation_rate, layer.kernel_size, strict=True))
        (entry,) = reads_of(layer_output(model, layer))
        untouched = field.size == spans and field.jump == tuple(layer.strides)
        if not untouched or entry.shape[1:3] != images.shape[1:3] or C > 4 or max(layer.kernel_size) > 11:
            return None
        weights = np.asarray(layer.kernel)[..., told[at]["channels"]]
        bias = np.asarray(layer.bias)[told[at]["channels"]] if layer.use_bias else np.zeros(weights.shape[-1])
        read = entry is image_input(model)
        return {
            "layer": at,
            "size": list(layer.kernel_size),
            "stride": list(layer.strides),
            "dilation": list(layer.dilation_rate),
            "before": [-first for first in field.start],
            "weights": [
                [[_short(w) for w in weights[..., c, f].ravel()] for c in range(C)] for f in range(len(bias))
            ],
            "bias": [_short(b) for b in bias],
            "activation": layer.activation.__name__,
            "inputs": None if read else _two_bytes(_Inside(model, [entry], images).maps[0]),
        }
    return None


# ---- the picture ----


def _description(titles, contrasts, told):
    layers = "; ".join(
        f"{layer['name']}, {layer['rows']} by {layer['columns']}, each pixel reads {layer['size'][0]} by "
        f"{layer['size'][1]} pixels of the image"
        for layer in told
    )
    return (
        f"Feature maps of {len(titles)} images ({', '.join(titles)}; {', '.join(contrasts)}) in {len(told)} "
        f"layers: {layers}. Drawn: {titles[0]}, {contrasts[0]}, channel {told[0]['channels'][0]} of "
        f"{told[0]['name']} with one pixel outlined, its receptive field outlined on the image, and the "
        "patch inside it."
    )


def _still(image, values, layer, row, column):
    """Map, image and patch as a matplotlib figure."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    limit = np.abs(values).max() or 1
    scale = {"cmap": "PuOr", "vmin": -limit} if layer["zero"] else {"cmap": "gray", "vmin": 0}
    drawn = left.imshow(values, vmax=limit, interpolation="nearest", **scale)
    figure.colorbar(drawn, ax=left, shrink=0.8)
    left.set_title(f"{layer['name']}, channel {layer['channels'][0]}")
    middle.imshow(image, cmap="gray", interpolation="nearest")
    middle.set_title("image")
    (top, bottom), (first, last) = layer["row_fields"][row], layer["column_fields"][column]
    low, high = image.min(), image.max()
    patch = image[top : bottom + 1, first : last + 1]
    right.imshow(patch, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    right.set_title(f"the patch behind it, {patch.shape[0]} × {patch.shape[1]}")
    _outline(left, row, column, 1, 1)
    _outline(middle, top, first, *patch.shape)
    for ax in (left, middle, right):
        ax.set(xticks=[], yticks=[])
    return figure


def _outline(ax, row, column, rows, columns):
    for colour, width in (("black", 3), (ORANGE, 1.5)):
        corner = (column - 0.6, row - 0.6)
        ax.add_patch(
            Rectangle(corner, columns + 0.2, rows + 0.2, fc="none", ec=colour, lw=width, clip_on=False)
        )
