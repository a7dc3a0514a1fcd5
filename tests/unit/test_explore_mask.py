"""The explorers of masks without a browser: their pages, and their counts against medtutor.metrics."""

import base64

import numpy as np
import pytest
from explored import in_node, state_of

from medtutor import metrics
from medtutor.explore import explore_mask, explore_painting
from medtutor.explore.base import HERE


def volume(seed=0, n=3, kind="float32"):
    """Images of two contrasts, truths, one of them empty, and probabilities with ties on the steps."""
    random = np.random.default_rng(seed)
    images = random.uniform(0, 1.5, (n, 20, 16, 2)).astype("float32")
    truth = np.zeros((n, 20, 16), int)
    truth[0, 4:9, 3:12] = truth[2, 15:, 10:] = 1
    p = np.clip(0.6 * truth + random.normal(0.2, 0.2, truth.shape), 0, 1)
    p[:, ::2] = p[:, ::2].round(1)
    return images, truth, p.astype(kind)


def explorer(**settings):
    images, truth, p = volume()
    return explore_mask(
        **{"images": images, "truth": truth, "probability": p, "contrasts": ("a", "b")} | settings
    )


def painting(**settings):
    images, truth, p = volume()
    given = {"image": images[0], "truth": truth[0], "predicted": p[0] >= 0.5, "contrasts": ("T1", "FLAIR")}
    return explore_painting(**given | settings)


def decoded(text):
    return np.frombuffer(base64.b64decode(text), "uint8")


@pytest.mark.parametrize("explorer_of", [explorer, painting])
def test_the_same_call_gives_the_same_bytes(explorer_of):
    assert explorer_of()._repr_mimebundle_() == explorer_of()._repr_mimebundle_()


def test_masks_and_greys_are_stored_as_they_are():
    images, truth, p = volume()
    state = state_of(explorer().page())
    assert (state["rows"], state["columns"]) == (20, 16) and state["contrasts"] == ["a", "b"]
    for mask, text in zip(truth, state["truth"], strict=True):
        assert np.unpackbits(decoded(text))[: 20 * 16].tolist() == mask.ravel().tolist()
    for c, channel in enumerate(state["greys"]):
        x = images[..., c]
        scaled = 255 * (x - x.min()) / (x.max() - x.min())
        stored = np.stack([decoded(text).reshape(20, 16) for text in channel])
        np.testing.assert_allclose(stored, scaled, atol=0.501)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_stored_probabilities_are_called_as_given_at_every_step(kind):
    images, truth, p = volume(kind=kind)
    state = state_of(explore_mask(images[..., 0], truth, p).page())
    levels = np.stack([decoded(text).reshape(20, 16) for text in state["probability"]])
    for step in range(101):
        assert ((levels >= step) == (p >= step / 100)).all(), step


def test_description_says_dice_volume_and_tolerance():
    images, truth, p = volume()
    alt = explorer(threshold=0.4, spacing=(5, 2, 2), tolerance=0.03, name="tumour").picture.alt
    dice, iou = metrics.dice(truth, p >= np.float32(0.4)), metrics.iou(truth, p >= np.float32(0.4))
    assert f"Dice {dice:.2f} ± 0.03, IoU {iou:.2f} ± 0.03" in alt
    assert "the true tumour" in alt and f"truth {75 * 0.02:.2f} ml" in alt
    assert "truth 75 pixels" in explorer().picture.alt
    net = metrics.dice(truth[0], p[0] >= 0.5)
    assert (
        f"45 pixels, outlined solid, and the net's, outlined dashed: Dice {net:.2f}."
        in painting().picture.alt
    )


def test_one_image_needs_no_first_axis():
    images, truth, p = volume()
    assert state_of(explore_mask(images[0, ..., 1], truth[0], p[0]).page())["titles"] == ["image"]
    assert state_of(explore_mask(images[0], truth[0], p[0], contrasts=("a", "b")).page())["contrasts"] == [
        "a",
        "b",
    ]


def test_words_of_the_reader_cannot_leave_their_place():
    nasty = '</script><!-- " & <b>'
    for page in (explorer(name=nasty, titles=[nasty, "b", "c"]).page(), painting(name=nasty).page()):
        assert page.count("</script>") == 1 and "<!--" not in page and "<b>" not in page
        assert state_of(page)["name"] == nasty


def test_thirty_slices_stay_below_700_kilobytes():
    images = np.linspace(0, 1, 30 * 64 * 64 * 2).reshape(30, 64, 64, 2)
    masks = np.zeros((30, 64, 64), bool)
    assert len(explore_mask(images, masks, images[..., 1], contrasts=("a", "b")).page()) < 700_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"truth": np.zeros((2, 20, 16))}, r"truth has shape \(2, 20, 16\); the images have \(3, 20, 16\)"),
        ({"truth": np.full((3, 20, 16), 2)}, "mask of 0 and 1 is wanted"),
        ({"probability": np.zeros((3, 16, 20))}, r"probability has shape \(3, 16, 20\)"),
        ({"probability": np.full((3, 20, 16), 1.5)}, "goes from 1.5 to 1.5; 0 to 1 is wanted: put logits"),
        ({"probability": np.full((3, 20, 16), np.nan)}, "not finite"),
        ({"contrasts": ()}, "give .n, rows, columns., or with one name for each channel in contrasts"),
        ({"contrasts": ("T1",)}, r"images have shape \(3, 20, 16, 2\)"),
        ({"images": np.full((3, 20, 16, 2), np.inf)}, "not finite"),
        ({"images": np.zeros((50, 256, 256, 2))}, "kB in the page, more than 600; choose fewer slices"),
        ({"titles": ["one"]}, "one for each image is wanted, 3 in all"),
        ({"threshold": -0.1}, "threshold is -0.1; use a number from 0 to 1"),
        ({"alpha": 50}, "alpha is 50; use a number from 0 to 1"),
        ({"spacing": (1, 1)}, "3 positive numbers are wanted"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_to_do(settings, message):
    with pytest.raises(ValueError, match=message):
        explorer(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"brush": 4}, "brush is 4; use one of 1, 3, 5, 9"),
        ({"image": volume()[0]}, r"image has shape \(3, 20, 16\); one slice is painted on, e.g. images\[0\]"),
        ({"predicted": np.full((20, 16), 0.3)}, "mask of 0 and 1 is wanted"),
        ({"truth": np.zeros((16, 20))}, r"truth has shape \(1, 16, 20\)"),
    ],
)
def test_what_cannot_be_painted_on_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        painting(**settings)


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {readFileSync} from "node:fs";
const [name, given] = JSON.parse(readFileSync(0, "utf-8"));
const answers = {
  counts: ({truth, levels, pixels}) => {
    const parts = truth.map((text, at) => arithmetic.countsAt(bits(text, pixels), bytes(levels[at])));
    const judged = (part) => part.map((count) => ({...count, ...agreement(count)}));
    return [...parts, arithmetic.added(parts)].map(judged);
  },
  close: ({mask, probability, rows, columns}) => arithmetic.closeUp(mask, probability, rows, columns),
  brush: (asked) => asked.map((each) => arithmetic.brushed(...each)),
  between: (asked) => asked.map((each) => arithmetic.between(...each)),
};
console.log(JSON.stringify(answers[name](given)));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(module, name, given) -> the answer of one of the functions in ASK_NODE."""
    folder = tmp_path_factory.mktemp("node")

    def ask(module, name, given):
        parts = [(HERE / part).read_text(encoding="utf-8") for part in ("parts.js", "overlay.js", module)]
        return in_node(folder, "\n".join([*parts, ASK_NODE]))([name, given])

    return ask


def test_counts_dice_and_iou_at_every_threshold_are_those_of_metrics(javascript):
    _, truth, p = volume()
    state = state_of(explorer().page())
    given = {"truth": state["truth"], "levels": state["probability"], "pixels": 320}
    *slices, together = javascript("mask.js", "counts", given)
    for step in range(101):
        for at, count in [*enumerate(part[step] for part in slices), (slice(None), together[step])]:
            y, called = truth[at].ravel(), (p[at] >= np.float32(step / 100)).ravel()
            (_, fp), (fn, tp) = metrics.confusion(y, called)
            assert (count["tp"], count["fp"], count["fn"]) == (tp, fp, fn)
            assert count["dice"] == pytest.approx(metrics.dice(y, called), abs=1e-12)
            assert count["iou"] == pytest.approx(metrics.iou(y, called), abs=1e-12)
    assert slices[1][100]["dice"] == 1  # empty truth, nobody called


def test_close_up_holds_the_mask_with_room_and_stays_inside_the_image(javascript):
    random = np.random.default_rng(0)
    for _ in range(60):
        rows, columns = random.integers(8, 60, 2)
        top, left = random.integers(rows), random.integers(columns)
        mask = np.zeros((rows, columns), int)
        mask[top : top + random.integers(1, 30), left : left + random.integers(1, 30)] = 1
        given = {"mask": mask.ravel().tolist(), "probability": [0] * mask.size}
        window = javascript("mask.js", "close", given | {"rows": int(rows), "columns": int(columns)})
        inside = slice(window["row"], window["row"] + window["rows"])
        across = slice(window["column"], window["column"] + window["columns"])
        assert mask[inside, across].shape == (window["rows"], window["columns"])
        assert mask[inside, across].sum() == mask.sum()


def test_close_up_of_an_empty_truth_is_around_the_largest_probability(javascript):
    p = np.zeros((40, 40))
    p[30, 12] = 0.9
    given = {"mask": [0] * 1600, "probability": p.ravel().tolist(), "rows": 40, "columns": 40}
    window = javascript("mask.js", "close", given)
    assert window["row"] <= 30 < window["row"] + window["rows"]
    assert window["column"] <= 12 < window["column"] + window["columns"]


def test_brush_is_a_disc_cut_at_the_border(javascript):
    asked = [(5, 6, diameter, 12, 10) for diameter in (1, 3, 5, 9)] + [(0, 0, 5, 12, 10), (11, 9, 9, 12, 10)]
    rows, columns = np.mgrid[:12, :10]
    for (row, column, diameter, *_), answer in zip(
        asked, javascript("painting.js", "brush", asked), strict=True
    ):
        disc = (rows - row) ** 2 + (columns - column) ** 2 <= (diameter / 2) ** 2
        assert sorted(answer) == np.flatnonzero(disc).tolist()


def test_a_fast_stroke_leaves_no_gap(javascript):
    asked = [((2, 3), (2, 3)), ((0, 0), (7, 3)), ((9, 9), (1, 4)), ((5, 0), (5, 9))]
    for (start, end), path in zip(asked, javascript("painting.js", "between", asked), strict=True):
        assert path[0] == list(start) and path[-1] == list(end)
        assert (np.abs(np.diff(path, axis=0)) <= 1).all()
