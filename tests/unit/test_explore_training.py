"""Training curves grow while a net is trained, lose nothing, and leave a described picture."""

import re
import subprocess
import sys

import nbformat
import pytest
from onlookers import standing_clock, watched_outputs

from medtutor.explore import training
from medtutor.explore.training import Board, live_curves

ALT = "The loss falls in both curves for three epochs."
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def clock(monkeypatch):
    return standing_clock(monkeypatch, training)


@pytest.fixture
def outputs(monkeypatch, clock):
    return watched_outputs(monkeypatch, training, training)


def epoch(board, number, **logs):
    board.epoch = number - 1
    board.epoch_done(number, logs)


def text(widget):
    return re.sub(r"<[^>]*>", "", widget.value)


def test_the_line_says_where_training_is_and_what_is_left(outputs, clock):
    board = Board(("auc",), 4, ALT)
    assert text(board.line).startswith("the first step takes longer") and "value=" not in board.line.value
    clock[0] = 103  # the first step, which compiles
    assert board.due()
    board.step(1, 10, {"loss": 0.7, "auc": 0.5})
    assert text(board.line) == "epoch 1 of 4, step 1 of 10, loss 0.7, auc 0.5; 3 s"
    clock[0] = 112  # 9 of 39 steps in 9 s
    board.step(10, 10, {"loss": 0.61234, "auc": 0.75})
    assert text(board.line) == "epoch 1 of 4, step 10 of 10, loss 0.6123, auc 0.75; 12 s, about 30 s to go"
    assert 'value="0.2500"' in board.line.value


def test_nothing_is_drawn_twice_within_half_a_second(outputs, clock):
    board = Board(("loss",), 4, ALT)
    clock[0] += 0.49
    assert not board.due()
    clock[0] += 0.02
    assert board.due()
    board.step(1, 10, {"loss": 1.0})
    assert not board.due()


def test_a_last_step_of_several_at_once_does_not_run_over(outputs):
    board = Board(("loss",), 4, ALT)
    board.step(9, 8, {"loss": 1.0})
    assert "step 8 of 8" in text(board.line)
    assert board.rising == {"loss": [(1.0, 1.0)]}


def test_steps_are_counted_while_their_number_is_not_known(outputs):
    board = Board(("loss",), 4, ALT)
    board.step(7, None, {"loss": 1.0})
    assert text(board.line) == "epoch 1 of 4, step 7, loss 1; 0 s"


def test_each_ended_epoch_is_told_once_to_a_screen_reader(outputs):
    board = Board(("auc",), 4, ALT)
    epoch(board, 1, loss=0.5, auc=0.75, val_loss=0.6, val_auc=0.7)
    assert 'role="status"' in board.last.value
    assert text(board.last) == "after epoch 1: loss 0.5 (validation 0.6), auc 0.75 (validation 0.7)."


def test_a_loss_that_is_no_number_is_spoken_of_and_not_drawn(outputs, clock):
    board = Board(("loss",), 4, ALT)
    board.step(1, 2, {"loss": float("nan")})
    epoch(board, 1, loss=float("nan"))
    assert "diverged: stop, and use a lower learning rate" in text(board.last)
    clock[0] += 1
    board.validating()
    assert "nan" not in board.curves.value


def test_a_metric_that_the_model_lacks_is_named_and_the_loss_drawn(outputs):
    board = Board(("accuracy",), 1, ALT)
    epoch(board, 1, loss=0.5, auc=0.7)
    said = "The model was not compiled with accuracy; it has auc, loss."
    assert text(board.last).endswith(said)
    assert board.picture().caption == said


def points(svg, element):
    """The coordinates of every point of the polylines, or of every circle."""
    if element == "polyline":
        return [
            [tuple(map(float, pair.split(","))) for pair in line.split()]
            for line in re.findall(r'<polyline points="([^"]*)"', svg)
        ]
    return [tuple(map(float, pair)) for pair in re.findall(r'<circle cx="([^"]*)" cy="([^"]*)"', svg)]


def test_curves_run_from_left_to_right_and_a_falling_loss_falls():
    svg = training._panel("loss", 4, [(1, 3.0), (2, 1.0)], [(2, 2.0)], [])
    rising, falling, validation = points(svg, "polyline")
    assert rising == falling[-1:] and len(validation) == 1
    (x1, y1), (x2, y2) = falling
    width = training.RIGHT - training.LEFT
    assert (x1, x2) == (training.LEFT + width / 4, training.LEFT + width / 2)
    assert training.TOP <= y1 < y2 <= training.BOTTOM
    assert validation[0] == (x2, pytest.approx((y1 + y2) / 2))


def test_a_wild_first_step_does_not_flatten_what_follows():
    wild = training._panel("loss", 4, [(1, 0.5), (2, 0.4)], [], [(0.1, 900.0), (1.5, 0.45)])
    tame = training._panel("loss", 4, [(1, 0.5), (2, 0.4)], [], [(1.5, 0.45)])
    assert points(wild, "polyline") == points(tame, "polyline")


def test_the_running_epoch_goes_on_from_where_the_last_one_ended(outputs):
    board = Board(("loss",), 4, ALT)
    board.step(1, 2, {"loss": 0.7})
    epoch(board, 1, loss=0.8)
    board.step(1, 2, {"loss": 0.6})
    rising, falling, _ = points(board.curves.value, "polyline")
    assert rising[0] == falling[-1] and len(rising) == 2


def test_a_constant_metric_is_drawn():
    assert len(points(training._panel("auc", 2, [(1, 0.5), (2, 0.5)], [], []), "circle")) == 2


def test_validation_of_every_second_epoch_stands_under_its_epochs():
    assert training._at_epochs([1, 2, 3, 4, 5], [7.0, 8.0]) == [(2, 7.0), (4, 8.0)]


def test_the_live_panel_gives_way_to_the_described_picture(outputs):
    board = Board(("loss",), 2, ALT)
    (place,) = outputs
    assert set(place.held[0]) == {WIDGET, "text/html", "text/plain"}
    for number in (1, 2):
        epoch(board, number, loss=1 / number)
    board.finish()
    assert set(place.held[-1]) == {"text/html", "text/plain"}
    assert f'alt="{ALT}"' in place.held[-1]["text/html"] and "figcaption" not in place.held[-1]["text/html"]
    assert board.notebook.events == [] and outputs == [place]
    board.finish()
    assert len(place.held) == 2, "finished once"


def test_a_cell_that_is_interrupted_still_leaves_the_picture(outputs):
    board = Board(("loss",), 9, ALT)
    epoch(board, 1, loss=1.0)
    ((event, finish),) = board.notebook.events
    assert event == "post_run_cell"
    finish("result")  # what the shell calls after a KeyboardInterrupt too
    page = outputs[0].held[-1]["text/html"]
    assert ALT in page and "Ended after epoch 1 of 9." in page and board.notebook.events == []


def test_an_interrupt_within_the_first_epoch_leaves_a_word(outputs):
    board = Board(("auc",), 9, ALT)
    board.finish()
    assert "Interrupted before the first epoch had ended." in outputs[0].held[-1]["text/html"]


def test_where_nobody_looks_on_only_the_picture_is_shown(outputs, monkeypatch, clock):
    monkeypatch.setattr(training, "someone_looks_on", lambda: False)
    board = Board(("loss",), 9, ALT)
    clock[0] += 60
    assert outputs == [] and not board.due()
    epoch(board, 1, loss=1.0)
    board.validating()
    board.finish()
    (place,) = outputs
    assert place.held[0]["text/plain"] == f"<figure: {ALT}>"
    assert "figcaption" not in place.held[0]["text/html"], "an early end must not change the stored page"


def test_a_script_is_shown_nothing(outputs, monkeypatch, capfd):
    monkeypatch.setattr(training, "_notebook", lambda: None)
    board = Board(("loss",), 1, ALT)
    epoch(board, 1, loss=1.0)
    board.finish()
    assert outputs == [] and capfd.readouterr() == ("", "")


# ---- with Keras ----


@pytest.fixture(scope="module")
def keras():
    import keras

    return keras


@pytest.fixture
def fit(keras):
    """fit(callbacks, **options) trains a small net on 80 cases for up to 5 epochs of 8 steps."""
    x = keras.random.normal((80, 3), seed=1)
    y = keras.ops.cast(x[:, :1] > 0, "float32")

    def train(*callbacks, steps_at_once=1, epochs=5):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
        model.compile(
            "adam",
            "binary_crossentropy",
            metrics=["auc"],
            steps_per_execution=steps_at_once,
            jit_compile=False,
        )
        history = model.fit(
            x, y, batch_size=10, epochs=epochs, verbose=0, validation_data=(x, y), callbacks=list(callbacks)
        )
        return history.history, model.get_weights()

    return train


@pytest.mark.parametrize("steps_at_once", [1, 3])
def test_watching_changes_no_digit_of_the_training(fit, outputs, steps_at_once):
    watched, weights = fit(live_curves("loss", "auc", alt=ALT, every=0), steps_at_once=steps_at_once)
    alone, same = fit(steps_at_once=steps_at_once)
    assert watched == alone
    assert all((a == b).all() for a, b in zip(weights, same, strict=True))
    assert len(outputs) == 1 and ALT in outputs[0].held[-1]["text/html"]


def test_the_button_ends_training_after_the_running_epoch_and_keeps_its_weights(keras, fit, outputs):
    curves = live_curves("auc", alt=ALT)

    class Press(keras.callbacks.Callback):
        epoch = None

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (self.epoch, batch) == (1, 2):
                curves.board.button.click()

    history, weights = fit(curves, Press())
    two_epochs, same = fit(epochs=2)
    assert history == two_epochs
    assert all((a == b).all() for a, b in zip(weights, same, strict=True))
    assert curves.board.button.disabled
    assert "Ended after epoch 2 of 5 by hand" in outputs[0].held[-1]["text/html"]


def test_a_callback_can_watch_a_second_training(fit, outputs):
    curves = live_curves(alt=ALT)
    fit(curves, epochs=1)
    history, _ = fit(curves, epochs=2)
    assert len(outputs) == 2 and curves.board.history == history


def test_the_picture_is_the_same_however_often_the_notebook_runs(fit, outputs, monkeypatch):
    monkeypatch.setattr(training, "someone_looks_on", lambda: False)
    for _ in range(2):
        fit(live_curves("loss", "auc"))
    first, second = (place.held for place in outputs)
    assert first == second and len(first) == 1


CELL = """
import os
os.environ["MEDTUTOR_PROGRESS"] = {looked_on!r}
from medtutor.explore.training import Board
board = Board(("loss",), 2, {alt!r})
for epoch in (1, 2):
    board.epoch_done(epoch, {{"loss": 1 / epoch}})
board.finish()
"""


def test_a_notebook_stores_one_described_picture_and_no_stderr_whether_it_was_watched_or_not(tmp_path):
    cells = [nbformat.v4.new_code_cell(CELL.format(looked_on=looked_on, alt=ALT)) for looked_on in "01"]
    path = tmp_path / "watched.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    execute = [sys.executable, "-m", "jupyter", "execute", "--inplace", path]
    subprocess.run(execute, check=True, capture_output=True)
    unwatched, watched = (cell.outputs for cell in nbformat.read(path, as_version=4).cells)
    assert [output.output_type for output in unwatched] == ["display_data"]
    assert set(unwatched[0].data) == {"text/html", "text/plain"}
    assert unwatched == watched, "what the live panel leaves behind is the picture"
