"""The checkerboard explorer without a browser: its counts, copy by copy, and what Keras makes of ones."""

import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest
from explored import state_of

from medtutor.explore import explore_checkerboard
from medtutor.explore.base import HERE
from medtutor.explore.checkerboard import after_upsampling, away_from_border, overlap

SETUPS = list(itertools.product(range(1, 8), range(1, 5)))  # kernel, stride


def laid_one_by_one(size, kernel, stride):
    """{pixel: copies over it}, where copy i covers the pixels i * stride … i * stride + kernel - 1."""
    covered = {}
    for i in range(size):
        for pixel in range(i * stride, i * stride + kernel):
            covered[pixel] = covered.get(pixel, 0) + 1
    return covered


# ---- the counts ----


@pytest.mark.parametrize("size", [7, 8, 12])
def test_counts_are_those_of_copies_laid_one_by_one(size):
    for kernel, stride in SETUPS:
        covered = laid_one_by_one(size, kernel, stride)
        valid = overlap(size, kernel, stride, "valid").tolist()
        assert valid == [covered.get(pixel, 0) for pixel in range(len(valid))]
        assert sum(valid) == size * kernel, "no copy is cut"
        same = overlap(size, kernel, stride, "same").tolist()
        assert len(same) == size * stride
        before = (len(valid) - len(same)) // 2
        assert same == valid[before : before + len(same)], "cut alike in front and behind, or one more behind"


def test_away_from_the_border_a_longer_image_changes_nothing_and_just_outside_it_does():
    for (kernel, stride), padding in itertools.product(SETUPS, ("same", "valid")):
        inner = away_from_border(8, kernel, stride, padding)
        endless = [laid_one_by_one(40, kernel, stride).get(16 * stride + at, 0) for at in range(-99, 99)]
        crop = max(kernel - stride, 0) // 2 if padding == "same" else 0
        counts = overlap(8, kernel, stride, padding)
        wanted = [endless[99 + at + crop] for at in range(len(counts))]
        assert counts[inner].tolist() == wanted[inner]
        for outside in (inner.start - 1, inner.stop):
            if 0 <= outside < len(counts):
                assert counts[outside] < wanted[outside]


def test_the_overlap_is_even_where_the_kernel_is_divisible_by_the_stride_and_only_there():
    for (kernel, stride), padding in itertools.product(SETUPS, ("same", "valid")):
        inner = overlap(8, kernel, stride, padding)[away_from_border(8, kernel, stride, padding)]
        assert (inner.min() == inner.max()) == (kernel % stride == 0)
        assert {inner.min(), inner.max()} == {kernel // stride, -(-kernel // stride)}


def test_after_upsampling_every_pixel_away_from_the_border_sums_the_whole_kernel():
    for kernel, stride in SETUPS:
        counts = after_upsampling(8, kernel, stride)
        assert len(counts) == 8 * stride
        assert set(counts[kernel // 2 : len(counts) - kernel // 2]) <= {kernel}


def test_counts_are_what_keras_makes_of_ones():
    keras = pytest.importorskip("keras")
    ones = np.ones((1, 8, 8, 1), "float32")
    for kernel, stride in SETUPS:
        for padding in ("same", "valid"):
            layer = keras.layers.Conv2DTranspose(
                1, kernel, strides=stride, padding=padding, use_bias=False, kernel_initializer="ones"
            )
            counts = overlap(8, kernel, stride, padding)
            np.testing.assert_allclose(np.asarray(layer(ones))[0, ..., 0], np.outer(counts, counts))
        large = keras.layers.UpSampling2D(stride)(ones)
        layer = keras.layers.Conv2D(1, kernel, padding="same", use_bias=False, kernel_initializer="ones")
        counts = after_upsampling(8, kernel, stride)
        np.testing.assert_allclose(np.asarray(layer(large))[0, ..., 0], np.outer(counts, counts))


# ---- the page ----


def test_the_same_setting_gives_the_same_bytes():
    first = explore_checkerboard()._repr_mimebundle_()
    assert first == explore_checkerboard(3, 2, padding="same", size=8)._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_the_page_starts_where_the_author_says():
    state = state_of(explore_checkerboard(4, 3, padding="valid", size=9).page(), measured=False)
    assert [state[name] for name in ("kernel", "stride", "padding", "size")] == [4, 3, "valid", 9]
    assert state["kernels"] == [1, 2, 3, 4, 5, 6, 7] and state["strides"] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "words"),
    [
        (3, 2, "same", ("maps of 16 and 16 pixels", "away from the border, 1 or 2 by turns")),
        (4, 2, "valid", ("maps of 18 and 16 pixels", "away from the border, 2 in every pixel")),
        (2, 3, "same", ("maps of 24 and 24 pixels", "away from the border, 0 or 1 by turns")),
        (7, 1, "same", ("maps of 8 and 8 pixels", "away from the border, 7 in every pixel")),
    ],
)
def test_description_says_the_counts(kernel, stride, padding, words):
    alt = explore_checkerboard(kernel, stride, padding=padding).picture.alt
    for part in (*words, f"lays them {stride} apart", f"repeated {stride} times: {kernel} along a line"):
        assert part in alt


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel": 0}, "kernel is 0; use a whole number from 1 to 7"),
        ({"kernel": 8}, "kernel is 8"),
        ({"kernel": 2.5}, "kernel is 2.5"),
        ({"kernel": True}, "kernel is True"),
        ({"stride": 5}, "stride is 5; use a whole number from 1 to 4"),
        ({"size": 6}, "size is 6; use a whole number from 7 to 12"),
        ({"padding": "full"}, "padding is 'full'; use one of 'same', 'valid'"),
    ],
)
def test_what_cannot_be_laid_is_refused_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_checkerboard(**arguments)


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf-8")).map((setup) =>
  Object.fromEntries(Object.entries(arithmetic).map(([name, answer]) => [name, answer(setup)])))));
"""


def test_javascript_counts_what_python_counts(tmp_path):
    driver = pytest.importorskip(
        "playwright._impl._driver", reason="playwright, which brings node, is missing"
    )
    shutil.copy(HERE / "checkerboard.js", tmp_path / "explorer.mjs")
    (tmp_path / "ask.mjs").write_text(ASK_NODE, encoding="utf-8")
    setups = [
        {"size": size, "kernel": kernel, "stride": stride, "padding": padding}
        for size, (kernel, stride), padding in itertools.product((7, 8, 12), SETUPS, ("same", "valid"))
    ]
    answer = subprocess.run(
        [driver.compute_driver_executable()[0], "ask.mjs"],
        input=json.dumps(setups).encode(),
        capture_output=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stderr.decode()
    for setup, said in zip(setups, json.loads(answer.stdout), strict=True):
        counts = overlap(**setup)
        assert said["overlap"] == counts.tolist(), setup
        assert said["output"]["count"] == len(counts)
        assert said["met"] == np.unique(counts[away_from_border(**setup)]).tolist(), setup
        size, kernel, stride = setup["size"], setup["kernel"], setup["stride"]
        assert said["afterUpsampling"] == after_upsampling(size, kernel, stride).tolist(), setup
