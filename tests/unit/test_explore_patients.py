"""The panel goes through patients with the reader's own model, says what went wrong, and hides the truth."""

import base64
import os
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from matplotlib.image import imread

from medtutor.data.dataset import Card, Dataset
from medtutor.explore import patients
from medtutor.explore.patients import compose, explore_patients

CARD = Card("Squares", "a bright square or none", "made here", "none", "nobody", True, "anything")
P = np.array([0.1, 0.2, 0.7, 0.9, 0.3, 0.4])  # of the six slices, in the order of the data


def dataset(y=(0, 0, 0, 1, 1, 0), names="aabbca", **extra):
    """Six slices of three patients, (6, 8, 8, 2); slice i holds i in the corner of its first channel."""
    x = np.zeros((6, 8, 8, 2), "float32")
    x[:, 2:6, 2:6] = 0.5
    x[:, 0, 0, 0] = np.arange(6)
    lesion = np.zeros((6, 8, 8), "uint8")
    lesion[3, 2:6, 2:6] = 1
    return Dataset(
        x, np.array(y), ("well", "sick"), np.array(list(names)), "test", "1 = white", CARD,
        bounds=(0.0, 5.0), extra={"lesion": lesion} | extra,
    )  # fmt: skip


def predict(images):
    return P[images[:, 0, 0, 0].astype(int)]


def half(image):
    """A heat map of two by two: the left half is hot."""
    return [[2.0, 0.0], [2.0, 0.0]]


def text(widget):
    return re.sub(r"<[^>]*>", " ", re.sub(r"<svg.*</svg>|<b>|</b>", "", widget.value)).strip()


def alt(panel):
    return re.search(r'alt="([^"]*)"', panel.image.value)[1]


def pixels(panel):
    source = re.search(r"base64,([^\"]*)", panel.image.value)[1]
    return imread(patients.io.BytesIO(base64.b64decode(source)))[..., :3]


def shown(panel):
    """The panel with its widgets made and the prediction asked for."""
    panel.panel()
    panel.shows_p.value = True
    return panel


@pytest.fixture
def panel():
    return shown(explore_patients(dataset(), predict, half, contrasts=("T1", "FLAIR")))


def test_the_panel_begins_with_someone_sick_and_lets_the_reader_guess():
    asked = []
    panel = explore_patients(dataset(), lambda images: asked.append(images) or predict(images), half)
    panel.panel()
    assert (panel.patient.value, panel.slice.value, panel.slice.max) == ("b", 2, 2)
    assert text(panel.said) == "Guess first: well or sick?"
    assert "<svg" not in panel.said.value and alt(panel) == "Slice 2 of 2 of patient b, channel 1."
    grey = pixels(panel)
    assert (grey == grey[..., :1]).all(), "no heat map, no outline"
    assert asked == [] and panel.alpha.disabled


def test_the_prediction_is_shown_when_asked_for(panel):
    assert "p = 0.90: called sick, as p is at least 0.50. Heat map: 0 to 2." in text(panel.said)
    assert "ruth" not in panel.said.value and "lesion" not in alt(panel) and not panel.alpha.disabled
    panel.shows_p.value = False
    assert text(panel.said) == "Guess first: well or sick?"


def test_the_truth_alone_judges_nobody(panel):
    panel.shows_p.value, panel.shows_truth.value = False, True
    assert text(panel.said).endswith("Truth: sick.")


def test_the_truth_is_outlined_and_judged_when_asked_for(panel):
    before = pixels(panel)
    panel.shows_truth.value = True
    assert text(panel.said).endswith("Truth: sick: rightly called sick.")
    assert alt(panel).endswith("the lesion outlined.")
    changed = (pixels(panel) != before).any(-1)
    zoom = patients.SIDE // 8
    assert changed[2 * zoom - 2, 3 * zoom] and not changed[2 * zoom : 6 * zoom, 2 * zoom : 6 * zoom].any()


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_an_outline_shows_on_any_grey(grey):
    mask = np.zeros((8, 8))
    mask[2:6, 5:] = 1
    drawn = imread(patients.io.BytesIO(compose(np.full((8, 8), grey), mask=mask)))[..., 0]
    zoom = patients.SIDE // 8
    across = drawn[3 * zoom, 5 * zoom - 4 : 5 * zoom + 1]
    assert np.allclose(across, [grey, 0, 1, 1, grey], atol=1 / 255)
    assert np.allclose(drawn[2 * zoom : 6 * zoom, 5 * zoom :], grey, atol=1 / 255), "the inside stays"


def test_patients_follow_one_another_in_a_circle(panel):
    seen = []
    for _ in range(4):
        panel._turn(+1)
        seen.append((panel.patient.value, panel.slice.value, panel.slice.max))
    assert seen == [("c", 1, 1), ("a", 1, 3), ("b", 1, 2), ("c", 1, 1)]
    panel._turn(-1)
    assert panel.patient.value == "b"


def test_a_patient_of_one_image_has_no_slices_to_choose_from():
    panel = shown(explore_patients(dataset(names="abcdef"), predict))
    assert alt(panel) == "Patient d, channel 1."
    assert "slice" not in "".join(str(child) for child in panel.panel().children[1].children[1].children)
    assert panel.slice not in panel.panel().children[1].children[1].children


def test_a_patient_whose_slices_are_scattered_in_the_data_is_one_patient(panel):
    panel.patient.value = "a"
    panel.slice.value = 3
    assert panel.row == 5
    assert "p = 0.40" in text(panel.said)
    assert "0.10, 0.20, 0.40" in panel.said.value


def test_the_next_mistake_is_the_next_slice_called_wrongly(panel):
    rows = []
    for _ in range(3):  # in the order of patients a, b, c: b's first is a false alarm, c's only is missed
        panel._to_mistake()
        rows.append(panel.row)
    assert rows == [4, 2, 4]
    assert (panel.patient.value, panel.slice.value) == ("c", 1)


@pytest.mark.parametrize(("kind", "row"), [((1,), 4), ((0,), 2)])
def test_mistakes_of_one_kind_can_be_looked_for(panel, kind, row):
    panel.kind.value = kind
    for _ in range(2):
        panel._to_mistake()
        assert panel.row == row


def test_on_the_way_to_a_mistake_no_other_slice_is_shown():
    rows = []
    panel = shown(
        explore_patients(
            dataset(y=(0, 0, 0, 1, 1, 1)),
            predict,
            lambda image: rows.append(int(image[0, 0, 0])) or half(image),
        )
    )
    for _ in range(2):
        panel._to_mistake()
    assert rows == [3, 4, 5] and (panel.patient.value, panel.slice.value) == ("a", 3)


def test_a_model_without_mistakes_is_said_to_have_none():
    truth = (P >= 0.5).astype(int)
    panel = shown(explore_patients(dataset(y=truth), predict))
    panel._to_mistake()
    assert panel.row == 2 and "None of the 6 slices is such a mistake." in text(panel.said)


def test_the_threshold_decides_what_is_a_mistake():
    panel = shown(explore_patients(dataset(), predict, threshold=0.25))
    assert panel.next_mistake(0, (0,)) == 5


def test_a_slice_on_the_threshold_is_called_sick():
    panel = shown(explore_patients(dataset(), predict, threshold=0.9))  # the p of the slice shown
    panel.shows_truth.value = True
    assert "p = 0.90: called sick, as p is at least 0.90." in text(panel.said)
    assert text(panel.said).endswith("Truth: sick: rightly called sick.")


def test_the_functions_are_asked_lazily_and_once():
    asked = []

    def note(images):
        asked.append(images[:, 0, 0, 0].astype(int).tolist())
        return predict(images)[:, None]  # as Keras gives them

    heated = []
    panel = explore_patients(dataset(), note, lambda image: heated.append(image.shape) or half(image))
    assert asked == heated == []
    panel.picture(), shown(panel)
    panel.alpha.value = 0.5
    assert asked == [[2, 3]] and heated == [(8, 8, 2)]
    panel._to_mistake()
    assert sorted(sum(asked, [])) == [0, 1, 2, 3, 4, 5]


def test_heat_covers_its_half_and_fades_with_the_slider(panel):
    def red(panel):
        left, right = np.split(pixels(panel), 2, axis=1)
        return (left[..., 0] - left[..., 2]).mean(), (right[..., 0] - right[..., 2]).mean()

    strong, bare = red(panel)
    panel.alpha.value = 0.3
    weak, _ = red(panel)
    panel.alpha.value = 0
    none, _ = red(panel)
    assert strong > weak > 0.05 and none == bare == 0


def test_the_chosen_contrast_is_drawn():
    data = dataset()
    panel = shown(explore_patients(data, predict, contrasts=("T1", "FLAIR")))
    panel.contrast.value = 1
    assert "FLAIR" in alt(panel)
    low, high = np.quantile(data.x[..., 1], [0, 0.999])
    drawn = pixels(panel)[:: patients.SIDE // 8, :: patients.SIDE // 8, 0]
    assert np.allclose(drawn, np.clip((data.x[3, ..., 1] - low) / (high - low), 0, 1), atol=1 / 255)


def test_an_image_larger_than_the_page_is_drawn_pixel_by_pixel():
    png = compose(np.eye(500))
    assert imread(patients.io.BytesIO(png)).shape[:2] == (500, 500)


def raises(images):
    raise RuntimeError("the net is not built")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (raises, "predict: Your function raised RuntimeError: the net is not built, in line"),
        (lambda images: P[:5], "predict returned float64 of shape (5,) for 2 images; (2,) is wanted"),
        (lambda images: predict(images) * 9, "predict returned 6.3; probabilities from 0 to 1 are wanted"),
        (lambda images: predict(images) * np.nan, "predict returned nan; probabilities from 0 to 1"),
        (lambda images: None, "predict returned None. Did you forget `return`?"),
        (lambda images: ["sick", "well"], "predict returned <U4 of shape (2,) for 2 images"),
    ],
)
def test_what_is_no_probability_is_said_and_the_panel_lives_on(wrong, sentence, capsys):
    panel = shown(explore_patients(dataset(), wrong, half))
    assert sentence in text(panel.said).replace("&lt;", "<")
    assert "no probability" not in panel.said.value and "img" in panel.image.value
    panel._to_mistake()
    assert text(panel.said).count("predict") == 1
    panel.predict = predict  # as where a name it uses is defined at last
    panel._turn(+1)
    assert "p = 0.30" in text(panel.said)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (raises, "heat: Your function raised RuntimeError"),
        (lambda image: image, "heat returned float32 of shape (8, 8, 2); (h, w) is wanted for one image."),
        (lambda image: image[..., 0] - 1, "heat returned -1; a heat map starts from 0: np.maximum(heat, 0)."),
        (lambda image: image[..., 0] * np.inf, "heat returned values that are not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_heat_map_is_said_beside_the_probability(wrong, sentence):
    said = text(shown(explore_patients(dataset(), predict, wrong)).said)
    assert sentence in said and "p = 0.90" in said


def test_what_the_functions_print_and_warn_of_stays_off_the_page(capsys):
    def talks(images):
        print("63/63 ━━━━━━━━━━━━━━━━━━━━ 1s 9ms/step")
        np.float64(1) / np.float64(0)
        return predict(images)

    shown(explore_patients(dataset(), talks))
    assert capsys.readouterr() == ("", "")


def test_a_heat_function_cannot_change_the_data():
    data = dataset()
    before = data.x.copy()

    def spoils(image):
        image[:] = 7
        return image[..., 0]

    panel = shown(explore_patients(data, predict, spoils))
    assert (data.x == before).all() and "Heat map: 0 to 7." in text(panel.said)


def test_images_without_channels_reach_the_model_as_they_are():
    shapes = []
    data = dataset()
    grey = Dataset(
        data.x[..., 0].copy(), data.y, data.classes, data.patients, "test", data.unit, CARD, bounds=(0, 5)
    )

    def note(images):
        shapes.append(images.shape)
        return np.full(len(images), 0.5)

    panel = shown(explore_patients(grey, note))
    panel.shows_truth.value = True
    assert shapes == [(2, 8, 8)] and "lesion" not in alt(panel)


def test_a_probability_at_the_edge_shows_its_side_of_the_threshold():
    assert patients._rounded(0.4999, 0.5) == "0.4999"
    assert patients._rounded(0.5, 0.5) == "0.50"
    assert patients._rounded(0.512, 0.5) == "0.51"


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        ((dataset(), 0.5), {}, "predict is 0.5; give the function itself"),
        ((dataset(), predict, 3), {}, "heat is 3; give the function itself"),
        ((dataset(), predict), {"threshold": 50}, "threshold is 50; a probability"),
        ((dataset(), predict), {"contrasts": ("T1",)}, "contrasts names 1 channels and data.x has 2"),
        ((dataset(y=(0, 1, 2, 0, 0, 0)), predict), {}, "data.y has shape .* values up to 2"),
    ],
)
def test_what_cannot_be_gone_through_is_refused(arguments, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        explore_patients(*arguments, **options)


CELL = """
import sys
sys.path.insert(0, {folder!r})
from test_explore_patients import dataset, explore_patients, half, np, predict
explore_patients(dataset(), {function}, half)
"""


def test_two_models_store_the_same_page_but_for_the_picture(tmp_path):
    functions = ("predict", "lambda images: 0.9 * np.ones(len(images))")
    cells = [CELL.format(folder=os.path.dirname(__file__), function=function) for function in functions]
    path, seen = tmp_path / "patients.ipynb", []
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    execute = [sys.executable, "-m", "jupyter", "execute", "--inplace", path]
    subprocess.run(execute, check=True, capture_output=True)
    for cell in nbformat.read(path, as_version=4).cells:
        still, live = cell.outputs
        assert still.output_type == live.output_type == "display_data"
        assert set(live.data) == {patients.WIDGET, "text/plain"} and not live.data["text/plain"]
        page = still.data["text/html"]
        assert 'alt="Slice 2 of 2 of patient b, channel 1, with the probability of sick' in page
        seen.append((still.data["text/plain"], re.sub(r"base64,[^\"]*", "", page)))
    assert seen[0] == seen[1]
