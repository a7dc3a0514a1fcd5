"""Fast mode: weights that the build has trained, in place of training them again in front of the room.

    MEDTUTOR_FAST=1 make lab                                    # or in a notebook's first cell:
    import os; os.environ["MEDTUTOR_FAST"] = "1"

`quiet_start`, in which chapters import Keras, then puts a `fit` around that of Keras. A training that starts
as one of data/fast/*.npz did gets its last weights and its history; any other is trained, as always. Without
the variable nothing is touched. `medtutor build 2 --weights` (MEDTUTOR_FAST=record) trains and keeps.

When two trainings are the same: see `start`. What a skipped training leaves: weights, history, the number of
steps in the optimiser, the state of dropout and of Python's `random`. Not the optimiser's moments, the random
state of the data set, nor that of tf.random: who trains the same net further gets other last digits than
after a true training.
"""

import copy
import functools
import hashlib
import inspect
import json
import math
import os
import random
import sys
import tempfile
import types
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "data" / "fast"
RECORDED = "recorded.npz"
CLOSE = 1e-3  # of the spread: what processors differ by is a thousand times less, one other image is more
PROBES = 8
LOOKING_ON = "medtutor.explore."  # callbacks from there only draw


class Unusual(Exception):
    """This training is neither looked up nor kept; the message says why."""


@dataclass(frozen=True)
class Start:
    """How a training starts: what must be equal, as a checksum, and what must be close, as sketches."""

    exact: str
    close: np.ndarray

    def same(self, other):
        """Whether the other training is this one, perhaps on another processor."""
        if self.exact != other.exact or self.close.shape != other.close.shape:
            return False
        apart = np.abs(self.close - other.close).max(axis=1)
        return bool(np.all(apart <= CLOSE * self.close[:, 0] + 1e-12))  # nan is close to nothing


@dataclass(frozen=True)
class Trained:
    """What a training led to.

    weights  all of them, one behind the other, float32
    facts    history {name: [value of each epoch]}, epochs, params (of callbacks), steps, states (of dropout),
             callbacks (the numbers of those that act), random (the rest of the state of Python's random)
    words    (625,) uint32, the state of Python's random
    """

    start: Start
    weights: np.ndarray
    facts: dict
    words: np.ndarray


def switch_on():
    """Put our `fit` around that of Keras, if MEDTUTOR_FAST is "1" or "record" and Keras has been imported.

    MEDTUTOR_FAST_FOLDER  where stored weights lie, and where "record" writes; default: data/fast
    Raises ValueError for a stored file that is not the one in the manifest.
    """
    mode, keras = os.environ.get("MEDTUTOR_FAST"), sys.modules.get("keras")
    if mode not in ("1", "record") or keras is None or hasattr(keras.Model.fit, "of_keras"):
        return
    folder = Path(os.environ.get("MEDTUTOR_FAST_FOLDER") or FOLDER)
    if mode == "1":
        keras.Model.fit = loading(keras.Model.fit, stored(folder))
    else:
        keras.Model.fit = recording(keras.Model.fit, folder / RECORDED)


def loading(train, known):
    """A `fit` that takes what is known from there, a list of Trained, and leaves the rest to `train`."""
    signature = inspect.signature(train)

    @functools.wraps(train)
    def fit(self, *args, **kwargs):
        try:
            given = arguments(signature, self, args, kwargs)
            began = start(self, given)
            found = next((each for each in known if each.start.same(began)), None)
            why = "no stored weights for it"
        except Exception as error:  # whatever is wrong with it, Keras shall say so
            found, why = None, f"{type(error).__name__}: {error}"
        log("loaded" if found else f"trained: {why}")
        return replay(self, found, given) if found else train(self, *args, **kwargs)

    fit.of_keras = train
    return fit


def recording(train, path):
    """A `fit` that trains as `train` does and keeps what it led to in the file at `path`."""
    signature, kept = inspect.signature(train), []

    @functools.wraps(train)
    def fit(self, *args, **kwargs):
        try:
            given = arguments(signature, self, args, kwargs)
            began = start(self, given)
        except Exception as error:  # whatever is wrong with it, Keras shall say so
            log(f"not kept: {type(error).__name__}: {error}")
            return train(self, *args, **kwargs)
        drawn = np.random.get_state()[1:3]
        history = train(self, *args, **kwargs)
        try:
            if not all(map(np.array_equal, drawn, np.random.get_state()[1:3])):
                raise Unusual("it draws from np.random")
            kept[:] = [
                *(each for each in kept if not each.start.same(began)),
                outcome(self, history, began, given),
            ]
        except Unusual as unusual:
            log(f"not kept: Unusual: {unusual}")
            return history
        write(path, kept)
        log("kept")
        return history

    fit.of_keras = train
    return fit


def log(sentence):
    """Add a line to the file that MEDTUTOR_FAST_LOG names, if it does: outputs must not hold it."""
    if path := os.environ.get("MEDTUTOR_FAST_LOG"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(sentence.replace("\n", " ")[:300] + "\n")


# When two trainings are the same


def arguments(signature, model, args, kwargs):
    """The arguments of `fit` by name, defaults included."""
    bound = signature.bind(model, *args, **kwargs)
    bound.apply_defaults()
    return dict(list(bound.arguments.items())[1:])


def start(model, given):
    """What a training depends on -> Start.

    model  a net of layers, compiled, not trained since
    given  the arguments of `fit` by name

    Equal: layers, optimiser with its schedule, loss, metrics, epochs and other options, whole numbers
    (labels, words, order), texts, the random states of data set, dropout and Python, callbacks that act and
    their attributes. Close: all other numbers (weights, images), the first and the last batch as the data set
    draws them, which is how a changed augmentation shows, and the loss of the first examples, which is how a
    changed loss or layer of one's own shows. Not seen: what a layer of one's own does in training alone, what
    an augmentation does to neither of the two batches, and the code of a metric.
    Raises Unusual, or whatever the net or the data raise.
    """
    if not type(model).__module__.startswith("keras."):
        raise Unusual(f"{type(model).__name__} is a kind of model of its own")
    if not model.built or model.optimizer is None:
        raise Unusual("the net is not built and compiled yet")
    if int(model.optimizer.iterations.numpy()):
        raise Unusual("the net was trained before")
    if given["verbose"] != 0:
        raise Unusual("it prints its progress (verbose=0 prints none)")
    numbers = []
    weights = model.get_weights()
    if any(each.dtype != np.float32 for each in weights):
        raise Unusual("its weights are not float32")
    with unmoved():
        batches = first_and_last(given["x"], given["y"])
        loss = loss_of(model, batches[0])
    seen = {
        "structure": structure(model),
        "shapes": [each.shape for each in weights],
        "states": states(model),
        "random": random.getstate(),
        "callbacks": [[type(each).__qualname__, attributes(each)] for each in acting(given)],
        "options": {name: value for name, value in given.items() if name not in ("x", "y", "callbacks")},
        "data": of_data(given["x"], given["y"]),
        "start": [np.concatenate([each.ravel() for each in weights]), batches, np.array([loss])],
    }
    exact = json.dumps(described(seen, numbers), sort_keys=True)
    return Start(hashlib.sha256(exact.encode()).hexdigest(), np.array(numbers))


def acting(given):
    """The callbacks that change weights or history; those that only look on are left out.

    Known are EarlyStopping and the course's Validation: what they do is over when the last weights are there.
    Raises Unusual for any other, for nobody knows what it does.
    """
    found = [each for each in callbacks(given) if not _looks_on(each)]
    for each in found:
        kind = type(each)
        if f"{kind.__module__}.{kind.__qualname__}" not in (
            "keras.src.callbacks.early_stopping.EarlyStopping",
            "medtutor.nn.tagging.Validation",
        ):
            raise Unusual(f"the callback {kind.__qualname__} may do anything")
    return found


def callbacks(given):
    """The callbacks as a list, whether one, several or none were given."""
    several = given["callbacks"] or []
    return list(several) if isinstance(several, (list, tuple)) else [several]


def _looks_on(callback):
    return type(callback).__module__.startswith(LOOKING_ON)


def of_data(x, y):
    """What is to be described of the training data, arrays or a PyDataset."""
    if _is_dataset(x):
        return [type(x).__name__, len(x), attributes(x)]
    return [x, y]


def attributes(thing):
    """The attributes of a data set or callback that are its own and not of Keras."""
    return {name: value for name, value in vars(thing).items() if name[0] != "_" and name != "params"}


def first_and_last(x, y):
    """The first and the last batch, without drawing from the data set's own random state."""
    if not _is_dataset(x):
        return [(first_of(x, 4), first_of(y, 4))]
    other = copy.copy(x)
    for name, value in vars(x).items():
        if isinstance(value, np.random.Generator):
            setattr(other, name, copy.deepcopy(value))
    return [other[0], other[len(x) - 1]]


def _is_dataset(x):
    return isinstance(x, sys.modules["keras"].utils.PyDataset)


def loss_of(model, batch, most=4):
    """The loss of the untrained net on some examples of a batch."""
    x, y, *weight = (first_of(part, most) for part in batch)
    loss = model.compute_loss(x, y, model(x, training=False), *weight, training=False)
    model.reset_metrics()
    return float(loss)


def first_of(part, most):
    """The first examples of an array or of a dict of arrays."""
    return {name: each[:most] for name, each in part.items()} if isinstance(part, Mapping) else part[:most]


@contextmanager
def unmoved():
    """Put Python's and numpy's random state back as they were."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def states(model):
    """The state of each random generator in the net (dropout has one)."""
    return [each.numpy().tolist() for each in _generators(model)]


def _generators(model):
    return [each for each in model.non_trainable_variables if "int" in str(each.dtype)]


def structure(model):
    """The net and how it was compiled, with layers called by their place and a nameless optimiser.

    Keras numbers their names through: dense_7 and adam_3 tell how many there were before.
    """
    whole = json.loads(model.to_json())
    names = {name: f"layer {place}" for place, name in enumerate(dict.fromkeys(_names(whole)))}
    whole["compile_config"]["optimizer"]["config"].pop("name", None)
    return [whole["class_name"], _renamed(whole["config"], names), whole["compile_config"]]


def _names(node):
    """The names of layers, in order, in the configuration of a net."""
    if isinstance(node, list):
        for each in node:
            yield from _names(each)
    elif isinstance(node, dict):
        config = node.get("config")
        if isinstance(config, dict) and "name" in config:
            if "inbound_nodes" in node or "trainable" in config or "batch_shape" in config:
                yield config["name"]
        for each in node.values():
            yield from _names(each)


def _renamed(node, names):
    if isinstance(node, list):
        return [_renamed(each, names) for each in node]
    if isinstance(node, dict):
        return {key: _renamed(each, names) for key, each in node.items()}
    return names.get(node, node) if isinstance(node, str) else node


def described(value, numbers):
    """A value as JSON can hold it; of arrays that are not whole numbers a `sketch` is added to `numbers`.

    Raises Unusual for what cannot be described.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return [[str(key), described(each, numbers)] for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return [described(each, numbers) for each in value]
    if isinstance(value, types.FunctionType):
        return value.__name__
    if isinstance(value, np.random.Generator):
        return described(value.bit_generator.state, numbers)
    if type(value).__module__ == "medtutor.data.dataset":
        return described([value.x, value.y], numbers)
    if hasattr(value, "__array__"):
        return _described_array(np.asarray(value), numbers)
    raise Unusual(f"{type(value).__name__} cannot be described")


def _described_array(array, numbers):
    if array.dtype.kind not in "biufU":
        raise Unusual(f"an array of {array.dtype} cannot be described")
    if array.dtype.kind == "f" and not np.array_equal(array, np.round(array)):
        numbers.append(sketch(array))
        return ["close", list(array.shape)]
    plain = array if array.dtype.kind == "U" else array.astype("<i8")
    return [list(array.shape), hashlib.sha256(np.ascontiguousarray(plain).tobytes()).hexdigest()]


def sketch(array):
    """Nine numbers by which an array is known: its root mean square, and eight sums with signs drawn by lot.

    Where two arrays differ by d, each sum differs by about the root mean square of d, wherever the difference
    lies; last digits move it by as little as they move a pixel.
    """
    table = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(-1, 1)
    lot = np.random.RandomState(0)  # whose numbers numpy has promised never to change
    rows, columns = (
        np.where(lot.random_sample((PROBES, size)) < 0.5, -1, 1).astype(array.dtype) for size in table.shape
    )
    sums = np.einsum("nk,kn->k", table @ columns.T, rows, dtype=np.float64)
    root = math.sqrt(max(array.size, 1))
    return [float(np.linalg.norm(table)) / root, *(sums / root).tolist()]


# What a training led to


def outcome(model, history, began, given):
    """What is to be kept of a training that has just ended -> Trained."""
    if len({len(values) for values in history.history.values()}) > 1:
        raise Unusual("some values were not measured in each epoch")
    version, words, left = random.getstate()
    facts = {
        "history": {name: [float(each) for each in values] for name, values in history.history.items()},
        "epochs": history.epoch,
        "params": history.params,
        "steps": int(model.optimizer.iterations.numpy()),
        "states": states(model),
        "random": [version, left],
        "callbacks": [_measured(each) for each in acting(given)],
    }
    weights = np.concatenate([each.ravel() for each in model.get_weights()])
    return Trained(began, weights, facts, np.array(words, np.uint32))


def _measured(callback):
    """The numbers that a callback has come to, such as the best epoch."""
    return {name: value for name, value in attributes(callback).items() if type(value) in (int, float)}


def replay(model, trained, given):
    """Leave a net and the callbacks as the training left them -> History.

    given  the arguments of `fit` by name; callbacks that look on are told of each epoch, others are not
    """
    from keras.callbacks import CallbackList

    facts, params = trained.facts, trained.facts["params"]
    looking_on = [each for each in callbacks(given) if _looks_on(each)]
    watched = CallbackList(looking_on, add_history=True, add_progbar=False, model=model, **params)
    watched.on_train_begin()
    _set(model, trained)
    logs = None
    for place, epoch in enumerate(facts["epochs"]):
        watched.on_epoch_begin(epoch)
        logs = {name: values[place] for name, values in facts["history"].items()}
        watched.on_epoch_end(epoch, logs)
    model.stop_training = len(facts["epochs"]) < params["epochs"]
    watched.on_train_end(logs)
    for callback, numbers in zip(acting(given), facts["callbacks"], strict=True):
        vars(callback).update(numbers)
    version, left = facts["random"]
    random.setstate((version, tuple(trained.words.tolist()), left))
    return model.history


def _set(model, trained):
    shapes = [each.shape for each in model.get_weights()]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(trained.weights, ends[:-1])
    model.set_weights([part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)])
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(trained.facts["steps"])
    for state, value in zip(_generators(model), trained.facts["states"], strict=True):
        state.assign(value)


# Files


def write(path, kept):
    """Write trainings into one file, at once or not at all; the same trainings give the same bytes."""
    arrays = {}
    for number, each in enumerate(kept):
        name = f"{number:02}_{each.start.exact}"
        arrays[f"{name}.weights"] = each.weights
        arrays[f"{name}.start"] = each.start.close
        arrays[f"{name}.random"] = each.words
        arrays[f"{name}.facts"] = np.array(json.dumps(each.facts))
    handle, temporary = tempfile.mkstemp(prefix=".fast-", suffix=".tmp", dir=Path(path).parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read(path):
    """The trainings in a file -> [Trained]"""
    with np.load(path, allow_pickle=False) as file:
        names = sorted({name.rsplit(".", 1)[0] for name in file.files})
        return [
            Trained(
                Start(name.split("_")[1], file[f"{name}.start"]),
                file[f"{name}.weights"],
                json.loads(str(file[f"{name}.facts"])),
                file[f"{name}.random"],
            )
            for name in names
        ]


def stored(folder=FOLDER):
    """The trainings in all files of a folder, each checked by manifest.toml beside the folder -> [Trained]

    Raises ValueError for a file that is not the listed one.
    """
    from medtutor.data.shipped import check_shipped

    found = []
    for path in sorted(Path(folder).glob("*.npz")):
        check_shipped(
            path,
            f"Get both from the project again, or make them: medtutor build {path.stem} --weights. To train "
            "instead, set MEDTUTOR_FAST to 0 and restart the kernel",
        )
        found += read(path)
    return found
