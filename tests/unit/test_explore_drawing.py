"""Pictures and losses of a GAN develop while it is trained, and leave a described picture."""

import html
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from onlookers import standing_clock, watched_outputs

from medtutor.explore import drawing, live_pictures, training

ALT = "Sixteen slices take shape while the losses settle."
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def clock(monkeypatch):
    return standing_clock(monkeypatch, drawing)


@pytest.fixture
def outputs(monkeypatch, clock):
    return watched_outputs(monkeypatch, training, drawing)


class Gan:
    """Draws pictures of one grey: the share of the training that is done."""

    def __init__(self, steps=80, n=4):
        self.steps, self.n, self.step, self.draws = steps, n, 0, 0

    def draw(self):
        self.draws += 1
        return np.full((self.n, 3, 2), self.step / self.steps)

    def log(self):
        return {
            "d_loss": 1.4 - 0.01 * self.step,
            "g_loss": 0.7 + 0.01 * self.step,
            "real_right": 0.5 + 0.005 * self.step,
            "drawn_right": 0.9 - 0.005 * self.step,
        }

    def train(self, watch, until=None, press=()):
        """Steps until one is refused; `press` maps steps to what is done within them."""
        while self.step < (until or self.steps):
            self.step += 1
            if self.step in press:
                press[self.step]()
            if watch(self, self.step, self.log()):
                return


def text(widget):
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


# ---- what is kept ----


def test_pictures_of_the_stages_and_all_values_are_kept():
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    gan.train(watch)
    assert list(watch.stages) == [0, 10, 20, 40, 80] and watch.ended == list(range(1, 81))
    for step, pictures in watch.stages.items():
        assert pictures.shape == (4, 3, 2) and (pictures == step / 80).all()
    np.testing.assert_allclose(watch.history["d_loss"], 1.4 - 0.01 * np.arange(1, 81))
    np.testing.assert_allclose(watch.history["drawn_right"], 0.9 - 0.005 * np.arange(1, 81))
    assert gan.draws == 5, "and no more is drawn where nobody looks on"


def test_a_loop_that_reports_seldom_keeps_the_next_picture_it_can():
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    for gan.step in (15, 30, 45, 80):
        watch(gan, gan.step, gan.log())
    assert list(watch.stages) == [0, 15, 30, 45, 80]


def test_a_short_training_has_fewer_stages():
    gan = Gan(steps=3)
    watch = live_pictures(gan.draw, 3)
    gan.train(watch)
    assert list(watch.stages) == [0, 1, 2, 3]


def test_a_curve_is_the_mean_over_each_hundredth_of_the_training():
    gan = Gan(steps=1000)
    watch = live_pictures(gan.draw, 1000)
    gan.train(watch)
    curve = np.array(watch._curve("g_loss"))
    steps = np.arange(1, 1001).reshape(100, 10)
    np.testing.assert_allclose(curve[:, 0], steps.mean(1))
    np.testing.assert_allclose(curve[:, 1], (0.7 + 0.01 * steps).mean(1))


def test_a_loss_that_is_no_number_is_left_out_of_the_curve():
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    for step, loss in ((1, 1.0), (2, float("nan")), (3, 3.0)):
        watch(gan, step, gan.log() | {"d_loss": loss})
    assert watch._curve("d_loss") == [(1.0, 1.0), (3.0, 3.0)]
    assert len(watch._curve("g_loss")) == 3


def test_tensors_are_taken_for_numbers():
    watch = live_pictures(Gan().draw, 80)
    watch(None, 1, {name: np.float32(0.5) for name in drawing.LOGGED})
    assert watch.history["d_loss"] == [0.5] and type(watch.history["d_loss"][0]) is float


def test_pictures_lie_in_rows_with_a_line_between():
    pictures = np.arange(5).reshape(5, 1, 1) / 8 * np.ones((5, 2, 3))
    whole = drawing._mosaic(pictures)
    assert whole.shape == (5, 11)
    for at, (top, left) in enumerate(((0, 0), (0, 4), (0, 8), (3, 0), (3, 4))):
        assert (whole[top : top + 2, left : left + 3] == at / 8).all()
    assert (whole[2] == 0.5).all() and (whole[:, 3] == 0.5).all() and (whole[3:, 8:] == 0.5).all()
    assert drawing._mosaic(np.zeros((99, 2, 2))).shape == (14, 14), "25 pictures at most"


@pytest.mark.parametrize(
    ("draw", "steps", "message"),
    [
        ("draw", 10, "draw is 'draw'; give the function itself"),
        (lambda: np.zeros((2, 3, 3)), 0, "steps is 0; a whole number from 1"),
        (lambda: np.zeros((2, 3, 3)), 9.5, "steps is 9.5"),
        (lambda: np.zeros((2, 3, 3, 1)), 9, r"draw\(\) has shape \(2, 3, 3, 1\); give \(n, h, w\)"),
        (lambda: np.full((2, 3, 3), -1), 9, r"draw\(\) goes from -1 to -1; .* \(draw\(\) \+ 1\) / 2"),
        (lambda: np.full((2, 3, 3), np.nan), 9, r"draw\(\) holds values that are not finite"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_the_training(draw, steps, message):
    with pytest.raises(ValueError, match=message):
        live_pictures(draw, steps)


@pytest.mark.parametrize(
    ("step", "log", "message"),
    [
        (0, {}, "step is 0 after 0; steps done are counted from 1 up to 80"),
        (81, {}, "step is 81 after 0"),
        (1, {"d_loss": None}, "log has no g_loss and no real_right and no drawn_right; it has d_loss"),
        (1, {}, "it has nothing"),
    ],
)
def test_a_step_that_is_told_wrongly_is_refused(step, log, message):
    watch = live_pictures(Gan().draw, 80)
    with pytest.raises(ValueError, match=message):
        watch(None, step, log)


def test_a_second_training_needs_a_board_of_its_own():
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    gan.train(watch, until=3)
    gan.step = 0
    with pytest.raises(ValueError, match="step is 1 after 3; .* a new training needs a new live_pictures"):
        gan.train(watch)


# ---- while the reader looks on ----


def test_the_line_says_where_training_is_and_what_is_left(outputs, clock):
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    assert text(watch.line).startswith("the first step takes longer") and "value=" not in watch.line.value
    clock[0] = 110  # the first step, which compiles
    gan.train(watch, until=1)
    assert text(watch.line) == (
        "after step 1 of 80: loss of D 1.39, of G 0.71; D right on 50 % of real, 90 % of drawn; 10 s"
    )
    gan.train(watch, until=39)
    clock[0] = 117.8  # 39 steps in 7.8 s
    gan.train(watch, until=40)
    assert text(watch.line).endswith("drawn; 18 s, about 8 s to go")
    assert 'value="0.5000"' in watch.line.value


def test_nothing_is_drawn_twice_within_half_a_second(outputs, clock):
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    clock[0] += 0.49
    gan.train(watch, until=1)
    assert gan.draws == 1
    clock[0] += 0.02
    gan.train(watch, until=2)
    gan.train(watch, until=3)
    assert gan.draws == 2 and "after step 2 of 80" in watch.pictures.value


def test_each_stage_is_told_once_to_a_screen_reader(outputs):
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    assert text(watch.last) == "no step has been done yet" and 'role="status"' in watch.last.value
    gan.train(watch, until=15)
    assert text(watch.last).startswith("after step 10 of 80: loss of D 1.3, of G 0.8;")


def test_a_training_that_has_diverged_is_spoken_of_and_drawn_without_it(outputs, clock):
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    clock[0] += 1
    watch(gan, 1, gan.log() | {"g_loss": float("inf")})
    assert "diverged: stop, and use a lower learning rate" in text(watch.line)
    assert "inf" not in watch.curves.value and "nan" not in watch.curves.value


def points(svg):
    return [
        [tuple(map(float, pair.split(","))) for pair in line.split()]
        for line in re.findall(r'<polyline points="([^"]*)"', svg)
    ]


def test_curves_run_from_left_to_right_and_the_two_nets_are_told_apart():
    solid, dashed = [(10, 1.0), (20, 3.0)], [(10, 2.0), (40, 1.0)]
    svg = drawing._chart("loss", 40, [("D", solid), ("G", dashed)], share=False)
    first, second = points(svg)
    middle = training.LEFT + (training.RIGHT - training.LEFT) / 2
    assert first[1][0] == middle and second[1][0] == training.RIGHT
    assert first[0][1] > first[1][1] and second[0][1] < second[1][1] == first[0][1], "larger stands higher"
    assert "— D   - - G" in svg and svg.count("stroke-dasharray") == 1


def test_a_share_is_drawn_from_0_to_1_with_a_line_at_a_half():
    svg = drawing._chart("D is right on", 40, [("real", [(20, 1.0)]), ("drawn", [(20, 0.5)])], share=True)
    first, second = points(svg)
    assert first[0][1] == training.TOP and second[0][1] == (training.TOP + training.BOTTOM) / 2
    assert f'{second[0][1]:.1f}H{training.RIGHT}" stroke="#16191d" stroke-dasharray="2 3"' in svg


def test_stop_is_told_at_the_step_it_was_pressed_in_and_leaves_the_picture(outputs):
    gan = Gan()
    watch = live_pictures(gan.draw, 80, alt=ALT)
    gan.train(watch, press={12: lambda: watch.stop.click()})
    assert gan.step == 12 and watch.stop.disabled and watch.pause.disabled
    page = outputs[0].held[-1]["text/html"]
    assert ALT in page and "Ended after step 12 of 80 by hand; the net keeps the weights it had then." in page
    assert list(watch.stages) == [0, 10, 12]


def test_pause_holds_the_training_until_go_on_and_its_time_is_not_counted(outputs, clock, monkeypatch):
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    naps = []

    def sleep(seconds):
        naps.append(gan.step)
        clock[0] += 100
        assert text(watch.line).startswith("paused after step 5 of 80")
        assert watch.pause.description == "Go on"
        if len(naps) == 3:
            watch.pause.click()

    monkeypatch.setattr(drawing.time, "sleep", sleep)
    clock[0] += 1
    gan.train(watch, until=7, press={5: lambda: watch.pause.click()})
    assert naps == [5, 5, 5] and gan.step == 7 and watch.pause.description == "Pause"
    clock[0] += 1
    gan.train(watch, until=8)
    assert "; 2 s, about" in text(watch.line)


def test_a_paused_training_can_be_stopped(outputs, monkeypatch):
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    monkeypatch.setattr(drawing.time, "sleep", lambda seconds: watch.stop.click())
    gan.train(watch, press={5: lambda: watch.pause.click()})
    assert gan.step == 5 and "Ended after step 5 of 80 by hand" in outputs[0].held[-1]["text/html"]


def test_the_live_panel_gives_way_to_the_described_picture_at_the_last_step(outputs):
    gan = Gan()
    watch = live_pictures(gan.draw, 80, alt=ALT)
    (place,) = outputs
    assert set(place.held[0]) == {WIDGET, "text/html", "text/plain"}
    gan.train(watch)
    assert set(place.held[-1]) == {"text/html", "text/plain"}
    assert f'alt="{ALT}"' in place.held[-1]["text/html"] and "figcaption" not in place.held[-1]["text/html"]
    assert watch.notebook.events == [] and outputs == [place]
    watch.finish()
    assert len(place.held) == 2, "finished once"


def test_a_cell_that_is_interrupted_still_leaves_the_picture(outputs):
    gan = Gan()
    watch = live_pictures(gan.draw, 80, caption="Seed 0.")
    gan.train(watch, until=30)
    ((event, finish),) = watch.notebook.events
    assert event == "post_run_cell"
    finish("result")  # what the shell calls after a KeyboardInterrupt too
    page = outputs[0].held[-1]["text/html"]
    assert "Seed 0. Ended after step 30 of 80." in page and watch.notebook.events == []
    assert "at the start and after 10, 20, 30 of 80 steps" in page


def test_an_interrupt_before_the_first_step_leaves_what_was_drawn_at_the_start(outputs):
    watch = live_pictures(Gan().draw, 80)
    watch.finish()
    page = outputs[0].held[-1]["text/html"]
    assert "Ended after step 0 of 80." in page and "same noise, at the start." in page


# ---- while nobody does ----


def test_where_nobody_looks_on_only_the_picture_is_shown(outputs, monkeypatch, clock):
    monkeypatch.setattr(drawing, "someone_looks_on", lambda: False)
    gan = Gan()
    watch = live_pictures(gan.draw, 80)
    clock[0] += 60
    gan.train(watch, until=79)
    assert outputs == []
    gan.train(watch)
    (place,) = outputs
    assert (
        set(place.held[0]) == {"text/html", "text/plain"} and "figcaption" not in place.held[0]["text/html"]
    )
    assert place.held[0]["text/plain"] == (
        "<figure: 4 pictures that the net draws from the same noise, at the start and after 10, 20, 40, 80 "
        "of 80 steps of training. Beneath, against the step: the losses of discriminator (solid) and "
        "generator (dashed), and the share of real (solid) and drawn pictures (dashed) that the "
        "discriminator gets right.>"
    )


def test_a_script_is_shown_nothing_and_can_ask_for_the_picture(outputs, monkeypatch, capfd):
    monkeypatch.setattr(training, "_notebook", lambda: None)
    gan = Gan()
    watch = live_pictures(gan.draw, 80, alt=ALT)
    gan.train(watch)
    watch.finish()
    assert outputs == [] and capfd.readouterr() == ("", "") and watch.picture().alt == ALT


def test_the_picture_does_not_depend_on_how_long_the_training_took_or_who_looked_on(
    outputs, monkeypatch, clock
):
    for looked_on in (True, False):
        monkeypatch.setattr(drawing, "someone_looks_on", lambda looked_on=looked_on: looked_on)
        gan = Gan()
        watch = live_pictures(gan.draw, 80)
        clock[0] += 1 + looked_on
        gan.train(watch)
    watched, alone = (place.held[-1] for place in outputs)
    assert watched == alone


CELL = """
import os
os.environ["MEDTUTOR_PROGRESS"] = {looked_on!r}
import numpy as np
from medtutor.explore import live_pictures
watch = live_pictures(lambda: np.full((4, 8, 8), 0.5), 20, every=0, alt={alt!r})
for step in range(1, {last} + 1):
    watch(None, step, dict(d_loss=1 / step, g_loss=step / 20, real_right=0.5, drawn_right=0.75))
"""


def test_a_notebook_stores_one_described_picture_and_no_stderr_however_the_cell_ended(tmp_path):
    settings = [(looked_on, last) for last in (20, 9) for looked_on in "01"]
    cells = [
        nbformat.v4.new_code_cell(CELL.format(looked_on=looked_on, last=last, alt=ALT))
        for looked_on, last in settings
    ]
    path = tmp_path / "watched.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    execute = [sys.executable, "-m", "jupyter", "execute", "--inplace", path]
    subprocess.run(execute, check=True, capture_output=True)
    outputs = [cell.outputs for cell in nbformat.read(path, as_version=4).cells]
    for stored in outputs:
        assert [output.output_type for output in stored] == ["display_data"]
        assert set(stored[0].data) == {"text/html", "text/plain"}
    assert outputs[0] == outputs[1], "what the live panel leaves behind is the picture"
    assert ["Ended after step 9 of 20." in out[0].data["text/html"] for out in outputs] == [0, 0, 0, 1]
