"""Fast mode: a stored training is as good as a true one, and any other training is done."""

import copy
import inspect
import io
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from medtutor import fast, quiet_start
from medtutor.course import build, data, validate
from medtutor.data.dataset import Card, Dataset

ALT = "Loss of a tiny net over its epochs, training dashed and validation solid."


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras")


@pytest.fixture(scope="module")
def piles():
    """Images and labels of a training and of a validation pile, small enough for a training in a second."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(96, 8, 8, 1)).astype("float32")
    y = (x.mean(axis=(1, 2, 3)) > 0).astype("int64")
    return x[:64], y[:64], x[64:], y[64:]


def shifted(x, rng):
    """The images, each moved by 0 or 1 pixel."""
    return np.stack([np.roll(image, rng.integers(0, 2), 0) for image in x])


def net(keras, units=3, dropout=0.3):
    image = x = keras.Input((8, 8, 1))
    x = keras.layers.BatchNormalization(momentum=0.9)(keras.layers.Conv2D(units, 3)(x))
    x = keras.layers.Dropout(dropout)(keras.layers.GlobalMaxPooling2D()(keras.layers.ReLU()(x)))
    return keras.Model(image, keras.layers.Dense(1)(x))


def prepared(keras, piles, seed=0, rate=0.05, units=3, loss=None, augment=shifted):
    """A compiled net and its data set, made as `train_net` of chapter 2 makes them."""
    from medtutor.nn.classification import Batches

    keras.utils.set_random_seed(seed)
    model, batches = net(keras, units), Batches(piles[0], piles[1], seed, augment)
    schedule = keras.optimizers.schedules.CosineDecay(rate, 4 * len(batches))
    loss = loss or keras.losses.BinaryCrossentropy(from_logits=True)
    auc = keras.metrics.AUC(from_logits=True, name="auroc")
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=[auc], jit_compile=False)
    return model, batches


def options(piles, **changed):
    return {
        "epochs": 4,
        "verbose": 0,
        "validation_data": (piles[2], piles[3].astype("float32")[:, None]),
        **changed,
    }


@pytest.fixture(scope="module")
def true(keras, piles, tmp_path_factory):
    """A training that was recorded, the state of `random` behind it, what was kept, its file."""
    path = tmp_path_factory.mktemp("fast") / fast.RECORDED
    from medtutor.explore import live_curves

    path, curves = tmp_path_factory.mktemp("fast") / fast.RECORDED, live_curves("loss", "auroc", alt=ALT)
    model, batches = prepared(keras, piles)
    fit = fast.recording(keras.Model.fit, path)
    history = fit(model, batches, **options(piles, callbacks=[curves]))
    return SimpleNamespace(
        model=model, history=history, random=random.getstate(), kept=fast.read(path), path=path, curves=curves
    )


def fit_from(keras, kept):
    """A `fit` that loads what was kept and, in place of training, raises LookupError."""

    def train(*args, **kwargs):
        raise LookupError("it is trained")

    train.__signature__ = inspect.signature(keras.Model.fit)
    return fast.loading(train, kept)


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_a_recorded_training_is_the_training_without_recording(keras, piles, true):
    model, batches = prepared(keras, piles)
    history = model.fit(batches, **options(piles))
    assert history.history == true.history.history and same_weights(model, true.model)


def test_a_loaded_training_has_weights_history_and_answers_of_the_true_one(keras, piles, true):
    model, batches = prepared(keras, piles)
    before = model.get_weights()[0].copy()
    history = fit_from(keras, true.kept)(model, batches, **options(piles))
    assert not np.array_equal(before, model.get_weights()[0])
    assert same_weights(model, true.model)
    assert np.array_equal(model.predict(piles[2], verbose=0), true.model.predict(piles[2], verbose=0))
    assert isinstance(history, keras.callbacks.History) and model.history is history
    assert (history.history, history.epoch, history.params) == (
        true.history.history,
        true.history.epoch,
        true.history.params,
    )
    assert list(history.history) == list(true.history.history)


def test_a_loaded_training_leaves_random_states_and_steps_as_the_true_one(keras, piles, true):
    model, batches = prepared(keras, piles)
    fit_from(keras, true.kept)(model, batches, **options(piles))
    assert random.getstate() == true.random
    assert fast.states(model) == fast.states(true.model)
    assert int(model.optimizer.iterations) == int(true.model.optimizer.iterations) == 8
    assert float(model.optimizer.learning_rate) == float(true.model.optimizer.learning_rate)


def test_names_that_keras_has_counted_on_do_not_matter(keras, piles, true):
    model, batches = prepared(keras, piles)
    assert model.layers[1].name != true.model.layers[1].name
    fit_from(keras, true.kept)(model, batches, **options(piles))


CHANGES = {
    "seed": {"seed": 1},
    "rate": {"rate": 0.04},
    "layer": {"units": 4},
    "no augmentation": {"augment": lambda x, rng: x},
    "augmentation by the other axis": {
        "augment": lambda x, rng: np.swapaxes(shifted(np.swapaxes(x, 1, 2), rng), 1, 2)
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_net_seed_rate_or_augmentation_is_trained(keras, piles, true, change):
    model, batches = prepared(keras, piles, **change)
    with pytest.raises(LookupError):
        fit_from(keras, true.kept)(model, batches, **options(piles))


def test_one_other_label_image_or_order_is_trained(keras, piles, true):
    fit = fit_from(keras, true.kept)
    x, y, *rest = piles
    flipped, brighter = y.copy(), x.copy()
    flipped[5] = 1 - flipped[5]
    brighter[7] += 0.1
    for changed in ((x, flipped), (brighter, y), (x[::-1].copy(), y)):
        model, batches = prepared(keras, (*changed, *rest))
        with pytest.raises(LookupError):
            fit(model, batches, **options(piles))


def test_last_digits_of_images_and_weights_do_not_matter(keras, piles, true):
    x, *rest = piles
    model, batches = prepared(keras, (x * np.float32(1 + 1e-6), *rest))
    model.set_weights([each * np.float32(1 + 1e-6) for each in model.get_weights()])
    fit_from(keras, true.kept)(model, batches, **options(piles))
    assert same_weights(model, true.model)


def test_other_epochs_validation_patients_or_options_are_trained(keras, piles, true):
    other = (piles[2], 1 - piles[3].astype("float32")[:, None])
    fewer = (piles[2][:16], piles[3][:16].astype("float32")[:, None])
    for change in (
        {"epochs": 3},
        {"validation_data": other},
        {"validation_data": fewer},
        {"class_weight": {0: 1.0, 1: 2.0}},
    ):
        model, batches = prepared(keras, piles)
        with pytest.raises(LookupError):
            fit_from(keras, true.kept)(model, batches, **options(piles, **change))


def test_a_loss_that_is_changed_under_its_name_is_another(keras, piles):
    def start(factor):
        def own_loss(y, z):
            return factor * keras.ops.mean(keras.ops.square(y - z), axis=-1)

        model, batches = prepared(keras, piles, loss=own_loss)
        signature = inspect.signature(keras.Model.fit)
        return fast.start(model, fast.arguments(signature, model, (batches,), options(piles)))

    assert start(1.0).exact == start(1.01).exact
    assert start(1.0).same(start(1.0)) and not start(1.0).same(start(1.01))


def test_a_net_that_was_loaded_is_trained_when_it_is_fitted_again(keras, piles, true):
    model, batches = prepared(keras, piles)
    fit = fit_from(keras, true.kept)
    fit(model, batches, **options(piles))
    with pytest.raises(LookupError):
        fit(model, prepared(keras, piles)[1], **options(piles))


def test_what_prints_or_may_do_anything_is_trained(keras, piles, true, tmp_path):
    for change in (
        {"verbose": 2},
        {"callbacks": [keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")]},
        {"callbacks": keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))},
    ):
        model, batches = prepared(keras, piles)
        with pytest.raises(LookupError):
            fit_from(keras, true.kept)(model, batches, **options(piles, **change))


def test_looking_up_moves_no_random_state(keras, piles, true):
    model, batches = prepared(keras, piles)
    before = random.getstate(), np.random.get_state()[2], copy.deepcopy(batches.rng.bit_generator.state)
    states = fast.states(model)
    with pytest.raises(LookupError):
        fit_from(keras, [])(model, batches, **options(piles))
    assert before == (random.getstate(), np.random.get_state()[2], batches.rng.bit_generator.state)
    assert fast.states(model) == states


def test_early_stopping_leaves_everything_as_trained_and_its_patience_counts(keras, piles, tmp_path):
    def fit_with(fit, patience):
        stop = keras.callbacks.EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
        model, batches = prepared(keras, piles, rate=0.3)
        history = fit(model, batches, **options(piles, epochs=12, callbacks=[stop]))
        return model, history, (stop.stopped_epoch, stop.best_epoch, stop.best)

    path = tmp_path / fast.RECORDED
    model, history, stopped = fit_with(fast.recording(keras.Model.fit, path), 1)
    assert len(history.epoch) < 12, "the case tests nothing unless the training ends early"
    loading = fit_from(keras, fast.read(path))
    again, loaded, same = fit_with(loading, 1)
    assert (loaded.history, loaded.epoch, same) == (history.history, history.epoch, stopped)
    assert same_weights(again, model) and again.stop_training
    with pytest.raises(LookupError):
        fit_with(loading, 2)


def test_live_curves_draw_the_same_picture(keras, piles, true):
    from medtutor.explore import live_curves

    model, batches = prepared(keras, piles)
    curves = live_curves("loss", "auroc", alt=ALT)
    fit_from(keras, true.kept)(model, batches, **options(piles, callbacks=curves))
    assert curves.board.history == true.curves.board.history == true.history.history
    assert curves.board.ended == true.curves.board.ended == [1, 2, 3, 4]
    one, other = (each.board.picture()._repr_mimebundle_() for each in (curves, true.curves))
    assert one == other


def test_arrays_are_known_as_well_as_data_sets(keras, piles, tmp_path):
    def made():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(1, 3)])
        model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)
        return model

    x, y, path = piles[0], piles[0][:, 1:-1, 1:-1], tmp_path / fast.RECORDED
    model = made()
    fast.recording(keras.Model.fit, path)(model, x, y, batch_size=8, verbose=0)
    again = made()
    fit_from(keras, fast.read(path))(again, x, y, batch_size=8, verbose=0)
    assert same_weights(again, model)
    with pytest.raises(LookupError):
        fit_from(keras, fast.read(path))(made(), x, y, batch_size=16, verbose=0)


def notes(*patients):
    """A Dataset of sentences, one of each patient, with a drug as second word."""
    x = tuple(("Started", name, "on", "the", "ward") for name in patients)
    card = Card("invented", "a sentence", "this test", "none", "none", True, "anything else")
    return Dataset(
        x, (("O", "B-drug", "O", "O", "O"),) * len(x), ("drug",), np.array(patients), "val", "", card
    )


def test_a_tagger_is_known_by_its_notes_and_by_those_of_its_validation(keras, monkeypatch):
    from medtutor.nn import tagging

    some, signature, starts = notes("aspirin", "heparin", "digoxin"), inspect.signature(keras.Model.fit), []
    codes = tagging.codes(some.x, some.y)

    def fit(self, *args, **kwargs):
        starts.append(fast.start(self, fast.arguments(signature, self, args, kwargs)))
        return SimpleNamespace(history={})

    monkeypatch.setattr(keras.Model, "fit", fit)
    others = notes("heparin", "aspirin", "digoxin")
    for train, val in ((some, some), (some, notes(*some.patients)), (some, others), (others, some)):
        tagging.train_tagger(lambda: tagging.tagger(codes, 4, 4), codes, train, val, epochs=1)
    one, same, *different = starts
    assert one.same(same)
    assert not any(one.same(other) for other in different)


# Files


def test_a_file_gives_back_what_was_written_and_the_same_bytes(true, tmp_path):
    kept, path = true.kept, tmp_path / "again.npz"
    fast.write(path, kept)
    assert path.read_bytes() == true.path.read_bytes()
    (again,) = fast.read(path)
    assert again.start.same(kept[0].start) and again.facts == kept[0].facts
    assert np.array_equal(again.weights, kept[0].weights) and again.weights.dtype == np.float32


@pytest.fixture
def checkout(true, tmp_path):
    """A folder with data/fast/01_tiny.npz and its manifest."""
    folder = tmp_path / "data" / "fast"
    folder.mkdir(parents=True)
    (folder / "01_tiny.npz").write_bytes(true.path.read_bytes())
    data.write(tmp_path, only=["fast/01_tiny.npz"])
    return tmp_path


def test_the_manifest_says_what_made_the_weights(checkout):
    assert data.faults(checkout) == []
    assert data.read(checkout)["fast/01_tiny.npz"]["command"] == "medtutor build 01_tiny --weights"


def test_an_altered_file_is_refused_in_a_sentence(checkout, true):
    folder = checkout / "data" / "fast"
    assert len(fast.stored(folder)) == 1
    (kept,) = true.kept
    fast.write(folder / "01_tiny.npz", [fast.Trained(kept.start, kept.weights + 1, kept.facts, kept.words)])
    with pytest.raises(
        ValueError, match="01_tiny.npz has the SHA-256 .* lists .*: it is damaged .* --weights"
    ):
        fast.stored(folder)


def test_a_file_that_nobody_listed_is_refused(checkout):
    folder = checkout / "data" / "fast"
    (folder / "02_other.npz").write_bytes((folder / "01_tiny.npz").read_bytes())
    with pytest.raises(ValueError, match="02_other.npz .* lists no such file"):
        fast.stored(folder)


def test_without_stored_weights_there_are_none(tmp_path):
    assert fast.stored(tmp_path) == []


# The switch


@pytest.fixture
def fake(monkeypatch):
    """A module that is imported as keras and has a Model with a `fit`."""
    module = SimpleNamespace(Model=type("Model", (), {"fit": lambda self, x=None: x}))
    monkeypatch.setitem(sys.modules, "keras", module)
    return module


def after_quiet_start():
    with quiet_start():
        pass


@pytest.mark.parametrize("value", [None, "0", "", "yes"])
def test_unless_it_is_switched_on_the_fit_of_keras_is_untouched(fake, monkeypatch, value):
    monkeypatch.delenv("MEDTUTOR_FAST", raising=False)
    if value is not None:
        monkeypatch.setenv("MEDTUTOR_FAST", value)
    original = fake.Model.fit
    after_quiet_start()
    assert fake.Model.fit is original


def test_it_is_switched_on_once_however_often_keras_is_imported(fake, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDTUTOR_FAST", "1")
    monkeypatch.setenv("MEDTUTOR_FAST_FOLDER", str(tmp_path))
    original = fake.Model.fit
    after_quiet_start()
    switched = fake.Model.fit
    after_quiet_start()
    assert fake.Model.fit is switched is not original and switched.of_keras is original


def test_what_cannot_be_told_is_trained(fake, monkeypatch, tmp_path):
    monkeypatch.setenv("MEDTUTOR_FAST_LOG", str(tmp_path / "log.txt"))
    fit = fast.loading(fake.Model.fit, [])
    assert fit(fake.Model(), x=3) == 3
    assert (tmp_path / "log.txt").read_text().startswith("trained: Unusual: Model is a kind of model")


def test_a_damaged_file_is_refused_when_keras_is_imported(fake, monkeypatch, checkout):
    folder = checkout / "data" / "fast"
    (folder / "01_tiny.npz").write_bytes((folder / "01_tiny.npz").read_bytes()[:-9])
    monkeypatch.setenv("MEDTUTOR_FAST", "1")
    monkeypatch.setenv("MEDTUTOR_FAST_FOLDER", str(folder))
    with pytest.raises(ValueError, match="damaged or was altered"):
        after_quiet_start()


def test_switching_it_on_loads_no_tensorflow():
    code = (
        "import sys, medtutor\nwith medtutor.quiet_start(): pass\n"
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "MEDTUTOR_FAST": "1"}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_kernels_of_the_build_and_the_tests_train_whatever_the_shell_says():
    assert validate.kernel_environment()["MEDTUTOR_FAST"] == "0"
    assert validate.kernel_environment(fast=True)["MEDTUTOR_FAST"] == "1"


CHAPTER = """\
# %% id="net"
import numpy as np

from medtutor import quiet_start

with quiet_start():
    import keras

keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile(keras.optimizers.Adam(0.05), "mse", jit_compile=False)

# %% id="train"
from medtutor.explore import live_curves

x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
history = model.fit(x, x[:, :1] - x[:, 1:], epochs=3, verbose=0, callbacks=[live_curves()]).history
print([round(loss, 6) for loss in history["loss"]])
"""


def test_a_chapter_is_built_with_weights_and_validated_by_them(tmp_path, capfd):
    source = tmp_path / "notebooks" / "source" / "01_tiny.py"
    source.parent.mkdir(parents=True)
    source.write_text(CHAPTER, encoding="utf-8")
    said = io.StringIO()
    assert build.run_build(["1"], tmp_path, out=said, weights=True) == 0
    assert "built, ran" in said.getvalue() and "data/fast/01_tiny.npz holds 1 training," in said.getvalue()
    assert list(data.read(tmp_path)) == ["fast/01_tiny.npz"] and data.faults(tmp_path) == []
    (kept,) = fast.stored(tmp_path / "data" / "fast")
    assert len(kept.weights) == 3
    where = {"MEDTUTOR_FAST_FOLDER": str(tmp_path / "data" / "fast")}
    notebook = tmp_path / "notebooks" / "01_tiny.ipynb"
    assert validate.validate([notebook], 1, ["-q"], where, fast=True) == 0
    assert "fast: 1 of 1 trainings were loaded" in capfd.readouterr().out
