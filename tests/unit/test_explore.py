"""Explorers without a browser: the page that is stored, the arithmetic in JavaScript, the panel's answers."""

import base64
import html
import re
import subprocess
import sys
from functools import cache

import numpy as np
import pytest
from explored import in_node, state_of
from scipy.signal import convolve2d, correlate2d

from medtutor.explore import explore_convolution, explore_function
from medtutor.explore import function as panel
from medtutor.explore.base import HERE, Explorer
from medtutor.explore.convolution import PRESETS
from medtutor.explore.images import named_images, sample_images
from medtutor.plot import Picture

explorer_of = cache(explore_convolution)  # drawing the still picture is the slow part
STILL = Picture(b"no real picture", "A still picture for the tests of the page.")


def decoded(stored):
    levels = np.frombuffer(base64.b64decode(stored["hundredths"]), "uint8")
    return levels.reshape(stored["rows"], stored["columns"]) / 100


# ---- the page ----


def test_bundle_holds_the_page_and_a_sentence_and_nothing_else():
    explorer = explorer_of()
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == f"<convolution explorer: {explorer.picture.alt}>"


def test_the_same_call_gives_the_same_bytes():
    assert (
        explore_convolution(stride=2)._repr_mimebundle_() == explore_convolution(stride=2)._repr_mimebundle_()
    )


def test_another_state_gets_another_id():
    ids = {
        re.search(r'<figure id="([^"]+)"', explorer_of(**settings).page())[1]
        for settings in ({}, {"stride": 2}, {"kernel": "box blur"}, {"image": "MR"}, {"flip": True})
    }
    assert len(ids) == 5


def test_a_page_stays_small():
    assert len(explorer_of(padding=2).page()) < 200_000


def test_picture_is_described_and_captioned_for_readers_whose_scripts_do_not_run():
    explorer = explorer_of()
    figure = re.match(r"<figure.*?</figure>", explorer.page(), re.DOTALL)[0]
    assert html.unescape(re.search(r'<img alt="([^"]*)"', figure)[1]) == explorer.picture.alt
    assert "Static picture; run or trust the notebook for the interactive version." in figure


def test_no_string_of_the_state_can_end_the_script():
    nasty = "</script><!--<script>"
    page = Explorer("convolution.js", {"name": nasty}, STILL, "test").page()
    assert page.count("</script>") == 1 and "<!--" not in page
    assert state_of(page, measured=False) == {"name": nasty}


def test_no_description_can_break_out_of_its_attribute():
    nasty = Picture(b"", 'A picture of "quotes" & <b>tags</b> in one sentence.')
    page = Explorer("convolution.js", {}, nasty, "test").page()
    assert '<img alt="A picture of &quot;quotes&quot; &amp; &lt;b&gt;tags&lt;/b&gt; in one sentence."' in page


def test_a_module_that_would_end_its_own_script_is_refused(tmp_path, monkeypatch):
    (tmp_path / "bad.js").write_text('const end = "</script>";', encoding="utf-8")
    monkeypatch.setattr("medtutor.explore.base.HERE", tmp_path)
    with pytest.raises(ValueError, match="bad.js holds '</script'"):
        Explorer("bad.js", {}, STILL, "test").page()


def test_state_holds_every_image_and_preset_as_given():
    state = state_of(explorer_of().page(), measured=False)
    assert [stored["name"] for stored in state["images"]] == list(sample_images())
    for stored, image in zip(state["images"], sample_images().values(), strict=True):
        np.testing.assert_array_equal(decoded(stored), image)
    assert {p["name"]: (p["kernel"], p["divisor"]) for p in state["presets"]} == PRESETS


@pytest.mark.parametrize(
    ("kernel", "written"),
    [
        ("Gaussian blur", "Gaussian blur: 1, 2, 1; 2, 4, 2; 1, 2, 1, divided by 16; true convolution"),
        ("emboss", "emboss: -2, -1, 0; -1, 1, 1; 0, 1, 2; true convolution"),
    ],
)
def test_description_states_image_kernel_steps_and_result(kernel, written):
    alt = explorer_of(image="MR", kernel=kernel, stride=2, padding=3, dilation=2, flip=True).picture.alt
    x = np.pad(sample_images()["MR"], 3)
    spread = np.zeros((5, 5))
    spread[::2, ::2] = np.reshape(PRESETS[kernel][0], (3, 3)) / PRESETS[kernel][1]
    y = convolve2d(x, spread, "valid")[::2, ::2]
    row, column = np.unravel_index(np.abs(y).argmax(), y.shape)
    for words in (
        "Image MR, 42 by 69 pixels",
        written,
        "stride 2, padding 3, dilation 2",
        f"{y.shape[0]} by {y.shape[1]} pixels from {y.min() + 0.0:.2f} to {y.max():.2f}",
        f"y[{row}, {column}] is {y[row, column]:.2f}",
    ):
        assert words in alt


def test_another_state_gets_another_picture():
    pictures = [
        explorer_of(**settings).picture.png
        for settings in ({}, {"stride": 2}, {"padding": 2}, {"dilation": 3}, {"flip": True}, {"image": "MR"})
    ]
    assert len(set(pictures)) == 6


def test_numbers_of_ones_own_are_taken_as_kernel():
    own = [[0, 0.5, 0], [1, -2.25, 1], [0, 0.5, 0]]
    state = state_of(explore_convolution(kernel=own).page(), measured=False)
    assert state["kernel"] == np.ravel(own).tolist() and state["divisor"] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": "sobel"}, "kernel is 'sobel'; use one of 'Sobel, vertical edges', .*'emboss'"),
        ({"kernel": [[1, 2], [3, 4]]}, r"kernel has shape \(2, 2\); .*\(3, 3\)"),
        ({"kernel": [[1, 2, 3], [4, 5]]}, "give 3 × 3 numbers"),
        ({"kernel": [[0, 0, 0], [0, np.nan, 0], [0, 0, 0]]}, "use finite numbers from -99 to 99"),
        ({"kernel": np.full((3, 3), 100)}, "use finite numbers from -99 to 99"),
        ({"image": "PET"}, "image is 'PET'; use one of 'CT', .*'retina'"),
        ({"stride": 0}, "stride is 0; use a whole number from 1 to 4"),
        ({"padding": -1}, "padding is -1; use a whole number from 0 to 4"),
        ({"dilation": 1.5}, "dilation is 1.5; use a whole number from 1 to 4"),
        (
            {"image": "CT, 7 by 7", "dilation": 4},
            "a 3 × 3 kernel with dilation 4 spans 9 pixels, the padded input has only 7 × 7; lower",
        ),
        ({"images": {}}, "images is empty"),
        ({"images": np.zeros((4, 4, 3))}, r"shape \(4, 4, 3\); give one channel"),
        ({"images": np.full((4, 4), np.inf)}, "not finite"),
        ({"images": {"a": np.full((4, 4), "b")}}, "image 'a' holds values that are not finite numbers"),
        ({"images": np.full((4, 4), 40.0)}, "goes from 40 to 40; scale it to 0…1 first"),
        ({"images": np.zeros((4, 300))}, "is 4 × 300; at most 128 × 128"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_to_do(settings, message):
    with pytest.raises(ValueError, match=message):
        explore_convolution(**settings)


def test_settings_that_just_fit_are_accepted():
    assert "1 by 1 pixels" in explorer_of(image="CT, 7 by 7", dilation=3).picture.alt
    assert "1 by 1 pixels" in explorer_of(image="CT, 7 by 7", dilation=4, padding=1).picture.alt


def test_importing_explorers_loads_no_drawing_library():
    code = "import sys, medtutor.explore; print('matplotlib' in sys.modules, 'numpy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]


# ---- the images ----


def test_own_images_are_small_and_hold_whole_hundredths():
    for name, image in sample_images().items():
        assert image.ndim == 2 and max(image.shape) <= 70, name
        assert 0 <= image.min() and image.max() <= 1 and image.std() > 0.05, name
        np.testing.assert_allclose(100 * image, np.rint(100 * image), atol=1e-9)


def test_ct_pixel_is_the_mean_of_four_in_the_bone_window():
    from medtutor.data import sample_ct

    hounsfield = sample_ct().values
    for row, column in ((0, 0), (20, 33), (63, 63)):
        block = hounsfield[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        expected = np.clip((float(block.mean()) + 450) / 1500, 0, 1)
        assert abs(sample_images()["CT"][row, column] - expected) <= 0.005001


def test_bytes_are_divided_by_255_and_masks_are_not():
    assert named_images(np.array([[0, 51, 255]], "uint8"))["your image"].tolist() == [[0, 0.2, 1]]
    assert named_images(np.array([[0, 1, 1]], "uint8"))["your image"].tolist() == [[0, 1, 1]]
    assert named_images(np.array([[False, True]]))["your image"].tolist() == [[0, 1]]


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./convolution.mjs";
import {readFileSync} from "node:fs";
const answers = JSON.parse(readFileSync(0, "utf-8")).map(([name, ...given]) => {
  if (name === "correlate") {
    const [image, weights, divisor, setup, flip] = given;
    const used = flip ? arithmetic.turned(weights) : weights;
    const {rows, columns, values, low, high} = arithmetic.correlate(image, used, divisor, setup);
    const refusal = arithmetic.refusal(image, setup);
    const patch = refusal ? null : arithmetic.patch(image, rows - 1, columns - 1, setup);
    return {rows, columns, values: [...values], low, high, refusal, patch};
  }
  return arithmetic[name](...given);
});
console.log(JSON.stringify(answers));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(calls) -> answers; a call is [name of a function in `arithmetic`, arguments …]."""
    folder = tmp_path_factory.mktemp("node")
    return in_node(folder, ASK_NODE, {"convolution.mjs": HERE / "convolution.js"})


def positions(n, s, p, d):
    """Where a kernel of three pixels, d apart, can start on n pixels with p more at each end: all tried."""
    return [start for start in range(0, n + 2 * p, s) if start + 2 * d < n + 2 * p]


def random_cases(number):
    random = np.random.default_rng(7)
    for _ in range(number):
        rows, columns = random.integers(1, 15, 2)
        setup = {
            "stride": int(random.integers(1, 5)),
            "padding": int(random.integers(0, 5)),
            "dilation": int(random.integers(1, 5)),
        }
        kernel = random.choice([random.integers(-9, 10, 9), random.normal(0, 3, 9).round(3)])
        levels = random.integers(0, 101, (rows, columns))
        yield levels, kernel, float(random.choice([1, 9, 16, -2.5])), setup, bool(random.integers(2))


def test_javascript_computes_what_scipy_computes(javascript):
    cases = list(random_cases(400))
    answers = javascript(
        [
            [
                "correlate",
                {"rows": len(levels), "columns": len(levels[0]), "levels": levels.ravel().tolist()},
                kernel.tolist(),
                divisor,
                setup,
                flip,
            ]
            for levels, kernel, divisor, setup, flip in cases
        ]
    )
    impossible = 0
    for (levels, kernel, divisor, setup, flip), answer in zip(cases, answers, strict=True):
        s, p, d = setup["stride"], setup["padding"], setup["dilation"]
        if not (positions(levels.shape[0], s, p, d) and positions(levels.shape[1], s, p, d)):
            impossible += 1
            assert answer["values"] == [] and min(answer["rows"], answer["columns"]) < 1
            assert f"dilation {d} spans {2 * d + 1} pixels" in answer["refusal"]
            short = [n + 2 * p for n in levels.shape if n + 2 * p < 2 * d + 1]
            assert re.findall(r"(\d+) (?:row|column)s?", answer["refusal"]) == list(map(str, short))
            continue
        spread = np.zeros((2 * d + 1, 2 * d + 1))
        spread[::d, ::d] = kernel.reshape(3, 3)
        apply = convolve2d if flip else correlate2d
        y = apply(np.pad(levels / 100, p), spread, "valid")[::s, ::s] / divisor
        assert (answer["rows"], answer["columns"]) == y.shape and answer["refusal"] == ""
        np.testing.assert_allclose(np.reshape(answer["values"], y.shape), y, atol=1e-9)
        assert abs(answer["low"] - y.min()) < 1e-9 and abs(answer["high"] - y.max()) < 1e-9
        used = kernel[::-1] if flip else kernel
        last = sum(w * pixel["level"] for w, pixel in zip(used, answer["patch"], strict=True)) / 100 / divisor
        assert abs(last - y[-1, -1]) < 1e-9
        for pixel in answer["patch"]:
            r, c = pixel["row"] - p, pixel["column"] - p
            assert pixel["inside"] == (0 <= r < levels.shape[0] and 0 <= c < levels.shape[1])
    assert 20 < impossible < 200


def test_javascript_counts_positions_and_lines_never_read(javascript):
    settings = [
        (n, s, p, d) for n in (1, 5, 7, 8, 64) for s in range(1, 5) for p in range(5) for d in range(1, 5)
    ]
    sizes = javascript([["outputSize", *setting] for setting in settings])
    unread = javascript([["neverRead", *setting] for setting in settings])
    for setting, size, answer in zip(settings, sizes, unread, strict=True):
        n, s, p, d = setting
        starts = positions(*setting)
        assert max(0, size) == len(starts), setting
        if starts:
            read = {start + m * d for start in starts for m in range(3)}
            missed = [line for line in range(n + 2 * p) if line not in read]
            assert answer["lines"] == missed, setting
            assert answer["edge"] == sum(line > max(read) for line in missed), setting
            assert answer["inside"] == sum(line < max(read) for line in missed), setting


def test_sum_line_writes_nine_products_and_adds_them_up(javascript):
    products = [-0.74, 0, 0.34, -1.78, 0, 0.74, -0.9, 0, 0.37]
    plain, divided, rounded, zero = javascript(
        [
            ["sumLine", 2, 0, products, 1],
            ["sumLine", 2, 0, [0.4] * 9, 9],
            ["sumLine", 0, 0, [0.125] + [0] * 8, 1],
            ["sumLine", 0, 0, [-0.001] + [0] * 8, 1],
        ]
    )
    assert plain == {
        "terms": "y[2, 0] = −0.74 + 0.00 + 0.34 − 1.78 + 0.00 + 0.74 − 0.90 + 0.00 + 0.37 = ",
        "result": "−1.97",
    }
    assert divided["terms"] == "y[2, 0] = (" + " + ".join(["0.40"] * 9) + ") ÷ 9 = 3.60 ÷ 9 = "
    assert divided["result"] == "0.40"
    assert rounded["terms"].startswith("y[0, 0] ≈ 0.1") and rounded["terms"].endswith("≈ ")
    assert zero["result"] == "0.00"


def test_decimals_have_a_real_minus_and_no_negative_zero(javascript):
    assert javascript([["decimals", value] for value in (-1.5, -0.001, 0, 0.005, 12)]) == [
        "−1.50",
        "0.00",
        "0.00",
        "0.01",
        "12.00",
    ]


# ---- the panel for a function of one's own ----

IMAGE = np.linspace(0, 1, 12).reshape(3, 4)


def breaks(image):
    row = len(image)
    return image[row]


def unwritten(image):
    raise NotImplementedError


def spoils(image):
    image[:] = 0
    return image


def talks(image):
    print("hello from inside")
    return image


def divides(image):
    return image[1:] / image[:1]


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda image: 2 * image, "3 × 4 results from 0.00 to 2.00."),
        (lambda image: image > 0.5, "3 × 4 results from 0.00 to 1.00."),
        (lambda image: image.tolist(), "3 × 4 results from 0.00 to 1.00."),
        (talks, "3 × 4 results from 0.00 to 1.00. It printed: hello from inside"),
        (
            spoils,
            "3 × 4 results from 0.00 to 0.00. Your function changed the image it was given; work on a copy",
        ),
    ],
)
def test_a_function_that_gives_an_image_is_drawn(function, sentence, capsys):
    answer = panel.apply(function, IMAGE)
    assert answer.output.shape == (3, 4) and answer.sentence.startswith(sentence)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda image: None, "Your function returned None. Did you forget `return`?"),
        (lambda image: image.sum(), r"Your function returned shape \(\); an image has two axes"),
        (lambda image: image[None], r"Your function returned shape \(1, 3, 4\); an image has two axes"),
        (lambda image: image[:0], r"Your function returned shape \(0, 4\): no pixel is left"),
        (lambda image: [[1, 2], [3]], "Your function returned a list whose rows differ in length"),
        (lambda image: "CT", "Your function returned a str"),
        (lambda image: image * 1j, "Your function returned a ndarray of complex128, not of real numbers"),
        (
            divides,
            r"2 of 8 results are not finite; the first is inf at \[0, 0\]\. .*Python warned: divide by zero",
        ),
        (unwritten, "not written yet: it raised NotImplementedError"),
        (
            breaks,
            r"raised IndexError: index 3 is out of bounds .*, in line \d+ of its .*: return image\[row\]$",
        ),
    ],
)
def test_a_function_that_gives_no_image_is_told_why(function, sentence, capsys):
    answer = panel.apply(function, IMAGE)
    assert answer.output is None and re.search(sentence, answer.sentence), answer.sentence
    assert capsys.readouterr() == ("", "")


def test_the_line_named_is_the_readers_own_even_when_a_library_raises():
    answer = panel.apply(lambda image: np.linalg.inv(image), IMAGE)
    here = test_the_line_named_is_the_readers_own_even_when_a_library_raises.__code__.co_firstlineno
    assert f"in line {here + 1} of" in answer.sentence and "np.linalg.inv(image)" in answer.sentence


def test_the_images_of_the_panel_cannot_be_spoilt():
    images = {"one": IMAGE.copy()}
    explore_function(spoils, images)
    np.testing.assert_array_equal(images["one"], IMAGE)


def test_panel_bundle_has_a_live_view_a_described_picture_and_stable_text():
    bundle = explore_function(talks)._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert '<img alt="talks applied to the image CT: 64 × 64 results' in bundle["text/html"]
    again = explore_function(talks)._repr_mimebundle_()
    assert (bundle["text/html"], bundle["text/plain"]) == (again["text/html"], again["text/plain"])
    assert "0x" not in bundle["text/plain"]


def test_choosing_another_image_redraws_the_panel():
    live = explore_function(lambda image: 1 - image).panel()
    controls, picture = live.children
    (image,) = controls.children
    before = picture.value
    image.value = "MR"
    assert "image MR: 42 × 69 results" in picture.value and picture.value != before


def test_a_panel_whose_function_fails_on_one_image_lives_on():
    live = explore_function(lambda image: image[63:] if image[63, 0] >= 0 else None).panel()
    controls, picture = live.children
    (image,) = controls.children
    image.value = "MR"
    assert "raised IndexError" in picture.value
    image.value = "CT, soft tissue"
    assert "1 × 64 results" in picture.value


def test_a_function_of_two_arguments_is_given_the_chosen_kernel():
    given = []

    def remember(x, w, b=0.0):
        given.append(w)
        return x

    controls, _ = explore_function(remember).panel().children
    controls.children[1].value = "box blur"
    np.testing.assert_array_equal(given[0], [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    np.testing.assert_allclose(given[-1], np.full((3, 3), 1 / 9))


def test_every_control_of_the_panel_has_a_name():
    controls, _ = explore_function(lambda x, w: x).panel().children
    assert [control.description for control in controls.children] == ["image", "kernel"]


@pytest.mark.parametrize("function", [np.zeros(3), lambda: 0, lambda a, b, c: a])
def test_what_is_no_function_of_an_image_is_refused(function):
    with pytest.raises(ValueError, match="^function (is|has)"):
        explore_function(function)
