"""The feature explorer in a real browser: values, fields and sums against Keras, by mouse and by keyboard."""

import re
from functools import cache

import numpy as np
import pytest

from medtutor.course.poke import cut_off
from medtutor.explore import explore_features, receptive_field

keras = pytest.importorskip("keras")
L = keras.layers


@cache
def net():
    entry = keras.Input((32, 24, 2))
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="edges")(entry)
    x = L.MaxPooling2D(2, name="pool")(x)
    y = L.Conv2D(4, 3, padding="same", name="deeper")(x)
    x = L.Add(name="sum")([x, y])
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="strided")(x)
    model = keras.Model(entry, L.Dense(1)(L.GlobalAveragePooling2D()(x)))
    random = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(random.normal(0.05, 0.4, weight.shape))
    return model


@cache
def images():
    return np.random.default_rng(5).uniform(0, 1.5, (2, 32, 24, 2)).astype("float32")


@cache
def explorer_of(**settings):
    names = {"titles": ("patient 3", "patient 9"), "contrasts": ("T1", "FLAIR")}
    return explore_features(net(), images(), **names, **settings)


def maps(layer):
    return np.asarray(keras.Model(net().inputs[0], net().get_layer(layer).output)(images(), training=False))


@pytest.fixture
def show(dark_page):
    """show(tab, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer=None, copies=1: dark_page(tab, (explorer or explorer_of()).page(), copies)


def point_at(board, row, column, shape):
    """Moves the mouse to the middle of pixel [row, column] of a board that shows this shape."""
    box = board.bounding_box()
    canvas, margin = 560, 8
    size = (canvas - 2 * margin) / max(shape)
    x = (canvas - shape[1] * size) / 2 + (column + 0.5) * size
    y = (canvas - shape[0] * size) / 2 + (row + 0.5) * size
    board.page.mouse.move(box["x"] + x / canvas * box["width"], box["y"] + y / canvas * box["height"])


def told(tab, copy=0):
    """What the sentence says: {layer, channel, row, column, value, within, rows, columns}."""
    text = tab.locator(".mdx-sentence").nth(copy).inner_text().replace("−", "-")
    found = re.match(
        r"(?P<layer>\S+), channel (\d+), pixel \[(\d+), (\d+)\]: (?:≈ )?([-\d.]+)(?: ± ([\d.]+))?\. "
        r"It reads rows (\d+) to (\d+) and columns (\d+) to (\d+) of the image\.",
        text,
    )
    channel, row, column, value, within, *ends = found.groups()[1:]
    return {
        "layer": found["layer"],
        "at": (int(row), int(column), int(channel)),
        "value": float(value),
        "within": float(within or 0.0005),
        "rows": [int(end) for end in ends[:2]],
        "columns": [int(end) for end in ends[2:]],
    }


def choose(tab, name):
    tab.get_by_role("radio", name=name, exact=False).first.check()


@pytest.mark.parametrize("layer", ["edges", "pool", "deeper", "sum", "strided"])
def test_value_and_field_under_the_pointer_are_the_net_s(page, show, layer):
    show(page)
    choose(page, "patient 9")
    choose(page, layer)
    page.locator(".mdx-channels").get_by_role("radio", name="3").check()
    expected, field = maps(layer)[1], receptive_field(net(), layer)
    h, w, _ = expected.shape
    for row, column in ((0, 0), (h - 1, w - 1), (h // 2, w // 3)):
        point_at(page.get_by_role("application"), row, column, (h, w))
        said = told(page)
        assert said["layer"] == layer and said["at"] == (row, column, 3)
        assert said["value"] == pytest.approx(expected[row, column, 3], abs=said["within"] + 1e-6)
        assert said["within"] <= 0.006 * np.abs(expected).max() + 0.0005
        assert said["rows"] == field.rows[row].tolist()
        assert said["columns"] == field.columns[column].tolist()


def test_outline_on_the_image_encloses_the_field(page, show):
    show(page)
    choose(page, "sum")
    point_at(page.get_by_role("application"), 5, 6, (16, 12))
    said = told(page)
    drawn = page.evaluate("""() => {
      const canvas = document.querySelectorAll(".mdx-stack")[1].querySelectorAll("canvas")[1];
      const {data} = canvas.getContext("2d").getImageData(0, 0, 560, 560);
      let ends = [560, 0, 560, 0];
      for (let at = 0; at < 560 * 560; at++) if (data[4 * at] > 200 && data[4 * at + 3] > 200) {
        const [x, y] = [at % 560, Math.floor(at / 560)];
        ends = [Math.min(ends[0], y), Math.max(ends[1], y), Math.min(ends[2], x), Math.max(ends[3], x)];
      }
      return ends;
    }""")
    size = 544 / 32
    top, bottom = 8 + said["rows"][0] * size, 8 + (said["rows"][1] + 1) * size
    left = (560 - 24 * size) / 2
    assert drawn == pytest.approx(
        [top, bottom, left + said["columns"][0] * size, left + (said["columns"][1] + 1) * size], abs=7
    )


def test_sums_of_the_first_convolution_are_written_out(page, show):
    show(page)
    point_at(page.get_by_role("application"), 0, 7, (32, 24))
    kernel, bias = net().get_layer("edges").get_weights()
    patch = np.pad(images()[0], ((1, 1), (1, 1), (0, 0)))[0:3, 7:10]
    grids = page.locator(".mdx-nine")
    for contrast in (0, 1):
        shown = [
            [
                float(text.replace("−", "-"))
                for text in grids.nth(3 * contrast + at).locator("span").all_inner_texts()
            ]
            for at in range(3)
        ]
        x, w = patch[..., contrast].ravel(), kernel[..., contrast, 0].ravel()
        for numbers, values in zip(shown, (x, w, x * w), strict=True):
            assert numbers == pytest.approx(values, abs=0.00501)
    assert grids.first.locator(".mdx-padding").count() == 3
    line = page.locator(".mdx-sum-line").inner_text().replace("−", "-")
    before, after = re.search(r"≈ ([-\d.]+) before the activation; after relu ≈ ([-\d.]+)\.", line).groups()
    assert float(before) == pytest.approx((patch * kernel[..., 0]).sum() + bias[0], abs=0.001)
    assert float(after) == pytest.approx(maps("edges")[0, 0, 7, 0], abs=0.001)
    choose(page, "deeper")
    assert not page.locator(".mdx-sums").is_visible() and not page.locator(".mdx-sum-line").is_visible()


def test_border_cuts_the_field_and_words_say_so(page, show):
    show(page)
    choose(page, "strided")
    point_at(page.get_by_role("application"), 0, 0, (8, 6))
    size = receptive_field(net(), "strided").size
    said = told(page)
    seen = [said["rows"][1] - said["rows"][0] + 1, said["columns"][1] - said["columns"][0] + 1]
    assert seen < list(size)
    words = f"Outlined: {seen[0]} × {seen[1]} of its {size[0]} × {size[1]}; the border cuts off the rest."
    assert page.get_by_text(words).is_visible()
    assert f"its patch   {seen[0]} × {seen[1]}" in page.locator(".mdx-panels").inner_text()


def test_keyboard_alone_reaches_every_choice(page, show):
    show(page)
    page.get_by_role("radio", name="patient 3").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="patient 9").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert page.get_by_role("radio", name="FLAIR").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert told(page)["layer"] == "deeper"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert told(page)["at"][2] == 3
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expected = maps("deeper")[1, ..., 3]
    assert abs(told(page)["value"]) == pytest.approx(np.abs(expected).max(), abs=2 * told(page)["within"])
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    row, column, _ = told(page)["at"]
    page.keyboard.press("ArrowUp" if row else "ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    assert told(page)["at"][:2] == (row - 1 if row else 1, max(0, column - 5))
    page.get_by_role("button", name="Reset").press("Enter")
    assert told(page)["layer"] == "edges" and page.get_by_role("radio", name="T1").is_checked()


def test_arrow_keys_stop_at_the_edge_of_the_map(page, show):
    show(page)
    choose(page, "strided")
    page.get_by_role("application").focus()
    for _ in range(10):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowDown")
    assert told(page)["at"][:2] == (7, 0)


def test_another_layer_is_seen_in_the_same_place_of_the_image(page, show):
    show(page)
    point_at(page.get_by_role("application"), 21, 10, (32, 24))
    choose(page, "strided")
    said = told(page)
    assert abs(sum(said["rows"]) / 2 - 21) <= 2 and abs(sum(said["columns"]) / 2 - 10) <= 2


def test_pointing_at_the_image_goes_to_the_pixel_that_looks_there(page, show):
    show(page)
    choose(page, "pool")
    point_at(page.get_by_role("img", name="image patient 3, T1"), 20, 9, (32, 24))
    assert told(page)["at"][:2] == (10, 4)


def test_chosen_contrast_is_what_is_drawn(page, show):
    show(page)
    greys = """() => {
      const canvas = document.querySelectorAll(".mdx-images .mdx-thumb")[1];
      return [...canvas.getContext("2d").getImageData(0, 0, 24, 32).data].filter((_, at) => at % 4 === 0);
    }"""
    for contrast, name in enumerate(("T1", "FLAIR")):
        choose(page, name)
        x = images()[..., contrast]
        expected = 255 * (x[1] - x.min()) / (x.max() - x.min())
        assert page.evaluate(greys) == pytest.approx(expected.ravel().tolist(), abs=1.01)
        assert page.get_by_role("img", name=f"image patient 3, {name}").count() == 1


def test_what_comes_to_rest_is_spoken(page, show):
    show(page)
    choose(page, "pool")
    page.wait_for_function("document.querySelector('[aria-live]').textContent.startsWith('pool, channel 0')")


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    choose(page, "pool")
    assert told(page, 0)["layer"] == "pool" and told(page, 1)["layer"] == "edges"


@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_cut_off_or_jumps_under_the_pointer(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page)
    for layer, shape in (("edges", (32, 24)), ("strided", (8, 6))):
        choose(page, layer)
        heights = set()
        for row, column in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 2)):
            point_at(page.get_by_role("application"), row, column, shape)
            heights.add(page.locator(".mdx").bounding_box()["height"])
        assert len(heights) == 1
        assert cut_off(page.locator(".mdx")) == []


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page)
    for row, column in ((0, 0), (10, 10), (31, 23)):
        point_at(page.get_by_role("application"), row, column, (32, 24))
        judged = contrast(page.locator(".mdx"))
        assert judged["count"] > 70 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explorer_of()._repr_mimebundle_(), source="explore_features(model, images)")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    point_at(page.get_by_role("application"), 4, 4, (32, 24))
    assert told(page)["value"] == pytest.approx(maps("edges")[0, 4, 4, 0], abs=0.001)
