"""A figure reaches the page with its description, and is refused without one."""

import html.parser
import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from medtutor import metrics, plot

ALT = 'A grey ramp from left < right, called "ramp"'
RAMP = np.linspace(0, 1, 64).reshape(8, 8)
TRUTH, SCORE = np.array([0, 0, 1, 0, 1]), np.array([0.1, 0.2, 0.35, 0.8, 0.9])
HISTORY = {"loss": [3, 2, 1], "val_loss": [4.0, 2.0, 3.0], "auc": [0.5, 0.6, 0.7]}
DRAWINGS = {
    "images": lambda alt: plot.show_images([RAMP, RAMP], ["a", "b"], alt=alt),
    "signed images": lambda alt: plot.show_images([RAMP - 0.5], alt=alt, signed=True),
    "windows": lambda alt: plot.show_windows(RAMP, {"w": (0.5, 1)}, alt=alt),
    "signal": lambda alt: plot.show_signal([RAMP.ravel()], alt=alt, marks=[3]),
    "curves": lambda alt: plot.show_curves(range(8), {"one": RAMP[0]}, alt=alt, xlabel="x", ylabel="y"),
    "ROC": lambda alt: plot.show_roc(TRUTH, SCORE, alt=alt),
    "PR": lambda alt: plot.show_pr(TRUTH, SCORE, alt=alt),
    "confusion": lambda alt: plot.show_confusion([[1, 2], [3, 4]], ["well", "sick"], alt=alt),
    "calibration": lambda alt: plot.show_calibration(TRUTH, SCORE, alt=alt),
    "intervals": lambda alt: plot.show_intervals({"a": (2, 1, 3)}, alt=alt, xlabel="ml"),
    "history": lambda alt: plot.show_history(HISTORY, alt=alt),
    "points": lambda alt: plot.show_points({"a": ([1, 2], [3, 4])}, alt=alt, xlabel="ml", ylabel="ml"),
    "heat": lambda alt: plot.show_heat([RAMP], [RAMP], alt=alt, outlines=[RAMP > 0.5]),
}


@pytest.fixture
def drawn(monkeypatch):
    """The figures drawn so far, as matplotlib holds them."""
    figures, of = [], plot.Picture.of
    monkeypatch.setattr(plot.Picture, "of", lambda figure, *rest: figures.append(figure) or of(figure, *rest))
    return figures


def lines(ax):
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


class Images(html.parser.HTMLParser):
    found = None

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found = dict(attributes)


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_description_reaches_the_page_and_the_text(draw):
    bundle = draw(ALT)._repr_mimebundle_()
    page = Images()
    page.feed(bundle["text/html"])
    assert page.found["alt"] == ALT
    assert page.found["src"].startswith("data:image/png;base64,")
    assert bundle["text/plain"] == f"<figure: {ALT}>"


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
@pytest.mark.parametrize("alt", ["", "figure 3"])
def test_figure_without_a_description_is_refused(draw, alt):
    with pytest.raises(ValueError, match="describe in a sentence"):
        draw(alt)


def test_panels_share_one_grey_scale():
    def middle(picture):  # the left panel's middle, behind the frame that "tight" leaves
        image = np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"))
        return int(image[image.shape[0] // 2, image.shape[1] // 4])

    half = np.full((8, 8), 0.5)
    beside_one = plot.show_images([half, np.ones((8, 8))], alt=ALT, vmin=0)
    beside_ten = plot.show_images([half, np.full((8, 8), 10.0)], alt=ALT, vmin=0)
    assert middle(beside_one) == pytest.approx(128, abs=3)
    assert middle(beside_ten) == pytest.approx(13, abs=3)


def test_same_figure_gives_the_same_bytes():
    assert DRAWINGS["signal"](ALT).png == DRAWINGS["signal"](ALT).png


# ---- judging a decision ----


def test_a_roc_curve_goes_through_the_points_counted_by_hand(drawn):
    # called sick from the highest score down: sick, well, sick, well, well
    plot.show_roc({"by hand": (TRUTH, SCORE)}, alt=ALT)
    ax = drawn[0].axes[0]
    curve = lines(ax)["by hand, AUROC 0.83"]
    assert np.allclose(curve, [(0, 0), (0, 1 / 2), (1 / 3, 1 / 2), (1 / 3, 1), (2 / 3, 1), (1, 1)])
    assert lines(ax)["chance"].tolist() == [[0, 0], [1, 1]]
    assert ax.get_aspect() == 1 and ax.get_xlim() == ax.get_ylim()


def test_a_precision_recall_curve_encloses_its_average_precision(drawn):
    plot.show_pr(TRUTH, SCORE, alt=ALT)
    ax = drawn[0].axes[0]
    line = ax.lines[0]
    x, y = line.get_xydata().T
    assert line.get_drawstyle() == "steps-pre"
    assert np.sum(np.diff(x) * y[1:]) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert texts(ax) == ["AP 0.83", "chance: prevalence 0.40"]
    assert set(ax.lines[1].get_ydata()) == {0.4}


@pytest.mark.parametrize("show", [plot.show_roc, plot.show_pr])
def test_the_operating_point_is_where_the_threshold_puts_it(show, drawn):
    show({"a": (TRUTH, SCORE), "b": (TRUTH, -SCORE)}, alt=ALT, threshold={"a": 0.35})
    (point,) = [line for line in drawn[0].axes[0].lines if line.get_markersize() > 8]
    assert np.allclose(point.get_xydata(), [(1 / 3, 1)] if show is plot.show_roc else [(1, 2 / 3)])
    assert texts(drawn[0].axes[0])[0].endswith("\nlarge marker: p ≥ 0.35")


def test_a_threshold_of_logits_is_not_called_a_probability(drawn):
    plot.show_roc(TRUTH, SCORE * 9 - 5, alt=ALT, threshold=-1.25)
    assert texts(drawn[0].axes[0])[0] == "AUROC 0.83\nlarge marker: score ≥ −1.25"


def test_five_curves_differ_in_colour_line_and_marker(drawn):
    plot.show_roc({name: (TRUTH, SCORE) for name in "abcde"}, alt=ALT)
    curves = drawn[0].axes[0].lines[:5]
    assert len({line.get_color() for line in curves}) == len({line.get_marker() for line in curves}) == 5
    assert len({(line.get_linestyle(), line.get_marker()) for line in curves}) == 5


@pytest.mark.parametrize(
    "show",
    [
        lambda six: plot.show_roc(six, alt=ALT),
        lambda six: plot.show_pr(six, alt=ALT),
        lambda six: plot.show_calibration(six, alt=ALT),
        lambda six: plot.show_history({name: HISTORY for name in six}, alt=ALT),
        lambda six: plot.show_points({n: ([1], [2]) for n in six}, alt=ALT, xlabel="x", ylabel="y"),
        lambda six: plot.show_curves([0, 1], {n: [0, 1] for n in six}, alt=ALT, xlabel="x", ylabel="y"),
    ],
)
def test_a_sixth_curve_is_refused_instead_of_left_out(show):
    with pytest.raises(ValueError, match="holds 6; 1 to 5 can be told apart"):
        show({name: (TRUTH, SCORE) for name in "abcdef"})


@pytest.mark.parametrize("show", [plot.show_roc, plot.show_pr])
def test_a_model_whose_truth_lacks_a_class_is_named(show):
    with pytest.raises(metrics.Undefined, match="^second scanner: .* needs at least one sick case"):
        show({"first": (TRUTH, SCORE), "second scanner": (TRUTH * 0, SCORE)}, alt=ALT)


def test_scores_without_a_name_for_the_truth_are_refused():
    with pytest.raises(ValueError, match="give y and p"):
        plot.show_roc(SCORE, alt=ALT)


def test_the_band_is_wider_when_all_rows_of_a_patient_are_alike(drawn):
    rng = np.random.default_rng(1)
    y = np.arange(40) % 2
    p = rng.normal(y)
    y, p, patients = (np.repeat(a, 5) for a in (y, p, np.arange(40)))
    for whose in (patients, np.arange(200)):
        plot.show_roc(y, p, alt=ALT, patients=whose)
    height = []
    for figure in drawn:
        x, y = figure.axes[0].collections[0].get_paths()[0].vertices.T
        height.append([np.ptp(y[x == at]) for at in np.unique(x)[1:-1]])
    by_patient, by_row = np.mean(height, axis=1)
    assert by_patient > 1.5 * by_row


def test_a_band_needs_both_classes_in_nearly_every_draw():
    with pytest.raises(metrics.Undefined, match="draws of patients hold only one class"):
        plot.show_roc(TRUTH, SCORE, alt=ALT, patients=[1, 1, 2, 1, 2])
    with pytest.raises(ValueError, match=r"patients has shape \(2,\) and y \(5,\)"):
        plot.show_roc(TRUTH, SCORE, alt=ALT, patients=[1, 2])


def test_a_confusion_matrix_shows_counts_and_shares_of_its_rows(drawn):
    plot.show_confusion([[9, 1], [0, 0]], ["well", "sick"], alt=ALT)
    ax = drawn[0].axes[0]
    assert [text.get_text() for text in ax.texts] == ["9\n90 %", "1\n10 %", "0\nno case", "0\nno case"]
    assert [tuple(map(round, text.get_position())) for text in ax.texts] == [(0, 0), (1, 0), (0, 1), (1, 1)]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["well\nn = 10", "sick\nn = 0"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("called", "truth")


def test_every_count_stands_out_from_its_cell(drawn):
    def luminance(colour):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in colour]
        return np.dot(linear, [0.2126, 0.7152, 0.0722])

    for n in (0, *range(50, 90), 100):
        plot.show_confusion([[n, 100 - n], [0, 0]], ["well", "sick"], alt=ALT)
        ax = drawn.pop().axes[0]
        cell = ax.images[0].cmap(n / 100)[:3]
        light, dark = sorted((luminance(cell), luminance(to_rgb(ax.texts[0].get_color()))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, f"{n} % in {ax.texts[0].get_color()}"


@pytest.mark.parametrize(
    ("matrix", "sentence"),
    [
        ([[1, 2]], r"matrix has shape \(1, 2\) and classes 2 names"),
        ([[0.5, 0.5], [0, 1]], "counts of cases are wanted"),
        ([[-1, 2], [0, 1]], "least -1; counts of cases"),
    ],
)
def test_a_matrix_that_counts_no_cases_is_refused(matrix, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot.show_confusion(matrix, ["well", "sick"], alt=ALT)


def test_the_bars_of_a_reliability_diagram_stand_under_their_points(drawn):
    p = np.array([0.0, 0.1, 0.3, 0.3, 0.3, 0.95, 1.0])  # 0 and 0.1 share the first bin, 0.3 ends the third
    y = np.array([0, 0, 0, 0, 1, 1, 1])
    plot.show_calibration(y, p, alt=ALT)
    above, below = drawn[0].axes
    points = above.lines[0].get_xydata()
    assert np.allclose(points, [(0.05, 0), (0.3, 1 / 3), (0.975, 1)])
    assert [bar.get_height() for bar in below.patches] == [2, 3, 2]
    middles = [bar.get_x() + bar.get_width() / 2 for bar in below.patches]
    assert np.allclose(middles, [0.05, 0.25, 0.95])
    assert texts(above)[0] == "ECE 0.04"  # (2 · 0.05 + 3 · 0.033 + 2 · 0.025) / 7


def test_a_small_calibration_error_is_not_rounded_to_none(drawn):
    p, y = np.repeat([0.25, 0.75], 1000), np.tile([0, 0, 0, 1, 1, 1, 1, 0], 250)
    for wrong in (0.004, 0):
        plot.show_calibration(np.sort(y), np.sort(p) + wrong, alt=ALT, bins=1)
    assert [texts(figure.axes[0])[0] for figure in drawn] == ["ECE below 0.005", "ECE 0.00"]


def test_millions_are_counted_in_millions(drawn):
    for n in (999_999, 1_500_000):
        plot.show_calibration(np.arange(n) % 2, np.full(n, 0.5), alt=ALT, cases="pixels", bins=2)
    few, many = (figure.axes[1].yaxis for figure in drawn)
    assert (few.get_label_text(), many.get_label_text()) == ("pixels", "millions of pixels")
    assert many.get_major_formatter()(1_500_000, 0) == "1.5"


def test_the_bars_of_several_models_do_not_hide_one_another(drawn):
    models = {name: (TRUTH, SCORE) for name in "abcde"}
    plot.show_calibration(models, alt=ALT, bins=4)
    bars = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in drawn[0].axes[1].patches)
    assert len(bars) == 5 * 3
    assert all(right <= left + 1e-9 for (_, right), (left, _) in zip(bars, bars[1:], strict=False))


def test_estimates_stand_in_the_order_given_with_their_numbers(drawn):
    of_all = metrics.Interval(0.9, 0.85, 0.94, 0.95, 1000, 0, 200)
    plot.show_intervals(
        {"CNN": of_all, "worse by": (-0.02, -0.05, 0.01)}, alt=ALT, xlabel="AUROC", reference=0
    )
    ax = drawn[0].axes[0]
    assert [text.get_text() for text in ax.texts] == ["0.900 (0.850 to 0.940)", "−0.020 (−0.050 to 0.010)"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["CNN", "worse by"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first is on top"
    assert ax.lines[0].get_xydata().tolist() == [[0.85, 0], [0.94, 0]]
    assert ax.lines[-1].get_xdata() == [0, 0]


@pytest.mark.parametrize("estimate", [(1, 3, 2), (1, float("nan"), 2)])
def test_an_interval_with_its_ends_swapped_or_missing_is_refused(estimate):
    with pytest.raises(ValueError, match="^CNN: value 1.0, low .* low <= high, are wanted"):
        plot.show_intervals({"CNN": estimate}, alt=ALT, xlabel="AUROC")


# ---- training, looking ----


class Run:
    """As Keras returns it from fit."""

    history = HISTORY


def test_training_is_dashed_and_validation_solid_from_epoch_1(drawn):
    plot.show_history({"plain": Run(), "residual": HISTORY}, alt=ALT)
    ax = drawn[0].axes[0]
    assert [line.get_linestyle() for line in ax.lines] == ["--", "-", "--", "-"]
    assert ax.lines[0].get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert ax.lines[3].get_ydata().tolist() == [4, 2, 3]
    names = [text.get_text() for text in drawn[0].legends[0].get_texts()]
    assert names == ["plain", "residual", "training", "validation"]
    assert ax.get_xlabel() == "epoch"


@pytest.mark.parametrize(("metric", "epoch"), [("loss", 2), ("auc", 3)])
def test_the_best_epoch_is_the_least_loss_or_the_largest_score(metric, epoch, drawn):
    plot.show_history(HISTORY | {"val_auc": [0.5, 0.6, 0.7]}, metric=metric, alt=ALT, best=True)
    assert drawn[0].axes[0].lines[-1].get_xdata() == [epoch]


def test_a_run_without_validation_draws_what_there_is(drawn):
    plot.show_history(Run(), metric="auc", alt=ALT, best=True)
    assert len(drawn[0].axes[0].lines) == 1
    assert [text.get_text() for text in drawn[0].legends[0].get_texts()] == ["training"]


def test_several_metrics_have_a_panel_each(drawn):
    plot.show_history(HISTORY, metric=("loss", "auc"), alt=ALT)
    assert [ax.get_ylabel() for ax in drawn[0].axes] == ["loss", "auc"]
    assert [len(ax.lines) for ax in drawn[0].axes] == [2, 1]


def test_validation_every_second_epoch_stands_at_its_epochs(drawn):
    plot.show_history({"loss": [4, 3, 2, 1], "val_loss": [5, 6]}, alt=ALT)
    assert drawn[0].axes[0].lines[1].get_xdata().tolist() == [2, 4]


def test_a_metric_that_was_not_compiled_is_refused_by_name():
    with pytest.raises(ValueError, match="^plain has no 'accuracy'; it has auc, loss, val_loss"):
        plot.show_history({"plain": HISTORY}, metric="accuracy", alt=ALT)


def test_heat_lies_over_the_image_only_where_there_is_heat():
    image, heat = np.full((8, 8), 0.5), np.zeros((8, 8))
    heat[:, 4:] = 1
    picture = plot.show_heat([image], [heat], alt=ALT, vmin=0, vmax=1)
    shown = np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB")).astype(int)
    row = shown[shown.shape[0] // 2]
    assert row[40].tolist() == [128, 128, 128]
    assert np.ptp(row[150]) > 60, "the hot half is coloured"


def test_panels_share_one_scale_of_heat(drawn):
    plot.show_heat([RAMP] * 3, [RAMP, RAMP / 4, None], alt=ALT, label="fall of p")
    images = [ax.images for ax in drawn[0].axes]
    assert [len(panel) for panel in images[:3]] == [2, 2, 1]
    assert images[0][1].get_clim() == images[1][1].get_clim() == (0, 1)
    assert drawn[0].axes[-1].get_ylabel() == "fall of p"


def test_a_coarse_heat_map_covers_the_whole_image(drawn):
    plot.show_heat([RAMP], [[[0, 1], [2, 3]]], alt=ALT)
    image, heat = drawn[0].axes[0].images
    assert heat.get_extent() == image.get_extent()
    assert heat.get_array().shape == (2, 2)


def test_an_outline_runs_between_the_pixels_of_its_mask(drawn):
    mask = np.zeros((8, 8), bool)
    mask[2:5, 6:] = True  # to the edge of the image
    plot.show_heat([RAMP] * 2, [None, None], outlines=[mask, mask & False], alt=ALT)
    first, second = drawn[0].axes[:2]
    (line,) = first.collections
    vertices = np.concatenate([path.vertices for path in line.get_paths()])
    assert vertices.min(0).tolist() == [5.5, 1.5] and vertices.max(0).tolist() == [7.5, 4.5]
    assert not second.collections, "an empty mask has no outline"
    assert first.get_xlim() == second.get_xlim() == (-0.5, 7.5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([RAMP], [RAMP, RAMP]), "there are 1 images, 2 heats and 1 outlines"),
        (([RAMP], [RAMP - 1]), r"values from -1.0 to 0.0; .* np.maximum\(heat, 0\)"),
        (([RAMP], [RAMP * np.nan]), "finite values >= 0 are wanted"),
        (([RAMP], [RAMP[None]]), r"a heat has shape \(1, 8, 8\)"),
    ],
)
def test_heat_that_cannot_be_laid_over_an_image_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        plot.show_heat(*arguments, alt=ALT)


def test_an_outline_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"an outline has shape \(4, 8\) and its image \(8, 8\)"):
        plot.show_heat([RAMP], [RAMP], outlines=[RAMP[:4]], alt=ALT)


def test_points_lie_where_they_are_and_lines_carry_their_names(drawn):
    groups = {"found": ([1, 2, 3], [0.5, 0.6, 0.7]), "missed": ([4], [0])}
    plot.show_points(groups, alt=ALT, xlabel="ml", ylabel="Dice", lines={"bias": -0.25}, logx=True)
    (ax,) = drawn[0].axes
    for name, (x, y) in groups.items():
        np.testing.assert_array_equal(lines(ax)[name], np.transpose([x, y]))
    assert texts(ax) == ["found", "missed"] and ax.get_xscale() == "log"
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert {"1", "2", "5"} <= set(ticks) and all(tick.replace(".", "").isdigit() for tick in ticks)
    assert [text.get_text() for text in ax.texts] == ["bias"] and ax.texts[0].xy[1] == -0.25
    assert [set(line.get_ydata()) for line in ax.lines if line.get_linestyle() == "--"] == [{-0.25}]


@pytest.mark.parametrize("x", [[1, 900], [1e-5, 0.7], [2e-3, 5e4]])
def test_numbers_below_a_logarithmic_axis_do_not_touch(drawn, x):
    plot.show_curves(x, {"loss": [1, 2]}, alt=ALT, xlabel="rate", ylabel="loss", logx=True)
    (ax,) = drawn[0].axes
    low, high = ax.get_xlim()
    shown = [tick.label1 for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [text.get_window_extent() for text in shown]
    gaps = [right.x0 - left.x1 for left, right in zip(boxes, boxes[1:], strict=False)]
    assert len(gaps) >= 3 and min(gaps) > 4, [text.get_text() for text in shown]
