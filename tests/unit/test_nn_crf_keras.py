"""The CRF layer and its loss inside Keras: fit, evaluate, predict, save, load, masks, weights, dtypes."""

import keras
import numpy as np
import pytest

from medtutor.nn import crf
from medtutor.nn.crf import CRF, CRFLoss

# How Keras 3.15 reads a variable of TensorFlow when it saves one.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

NAMES = ("O", "B-x", "I-x")
LENGTHS = np.array([6, 1, 4, 2, 6, 3, 5, 6])
PADDING = np.arange(6) >= LENGTHS[:, None]


@pytest.fixture(autouse=True)
def fresh():
    keras.utils.set_random_seed(0)
    yield
    keras.mixed_precision.set_global_policy("float32")


def notes():
    """Words 1, 2, 3 and 0 for padding; the tag is the word less 1, with I only after B or I."""
    rng = np.random.default_rng(0)
    tags = rng.integers(0, 3, PADDING.shape)
    for t in range(tags.shape[1]):
        before = tags[:, t - 1] if t else np.zeros(len(tags), int)
        tags[:, t] = np.where((tags[:, t] == 2) & (before == 0), 0, tags[:, t])
    return np.where(PADDING, 0, tags + 1), np.where(PADDING, 0, tags)


def tagger(output="path", **compiled):
    words = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(4, 5, mask_zero=True)(words)
    outputs = CRF(allowed=crf.allowed_transitions(NAMES), output=output)(keras.layers.Dense(3)(x))
    model = keras.Model(words, outputs)
    options = {"optimizer": keras.optimizers.Adam(0.2), "loss": CRFLoss(), "metrics": ["accuracy"]}
    model.compile(**{**options, "jit_compile": False, **compiled})
    model.optimizer.build(model.trainable_variables)  # within `fit` each step would be traced twice
    return model


def likelihood(model, words, tags):
    """Of each row by itself, without padding, so that no mask has a say."""
    emissions = keras.Model(model.input, model.layers[-2].output)
    scores = model.layers[-1].scores()
    return np.array(
        [
            crf.log_likelihood(emissions(w[None, :n]), y[None, :n], **scores)[0]
            for w, y, n in zip(words, tags, LENGTHS, strict=True)
        ]
    )


@pytest.mark.parametrize("xla", (False, True), ids=("plain graph", "XLA"))
def test_fit_learns_what_predict_then_answers(xla):
    words, tags = notes()
    model = tagger(jit_compile=xla)
    history = model.fit(words, tags, epochs=20, verbose=0).history
    path = model.predict(words, verbose=0)
    assert history["loss"][-1] < 0.2 < history["loss"][0] and history["accuracy"][-1] == 1
    assert path.shape == (8, 6, 3) and (path.argmax(-1)[~PADDING] == tags[~PADDING]).all()
    assert (path[~PADDING].sum(-1) == 1).all() and (path[PADDING] == 0).all()


def test_loss_is_the_mean_over_sequences_and_padding_has_no_part_in_it():
    words, tags = notes()
    model = tagger()
    expected = -likelihood(model, words, tags).mean()
    assert model.evaluate(words, tags, batch_size=8, verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    tags[PADDING] = -100
    assert model.evaluate(words, tags, batch_size=8, verbose=0)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", ((8,), (8, 1)))
def test_sample_weights_weigh_sequences(shape):
    words, tags = notes()
    model, weights = tagger(), np.array([0, 1, 2, 0, 0.5, 0, 0, 3])
    found = model.evaluate(words, tags, sample_weight=weights.reshape(shape), batch_size=8, verbose=0)[0]
    assert found == pytest.approx(-(weights * likelihood(model, words, tags)).mean(), rel=1e-5)


def test_weights_for_single_steps_are_refused():
    words, tags = notes()
    with pytest.raises(ValueError, match=r"sample_weight has shape \(.*6\); a CRF weighs whole sequences"):
        tagger().fit(words, tags, sample_weight=np.ones(tags.shape), verbose=0)


def test_a_saved_tagger_comes_back_with_scores_loss_and_optimizer(tmp_path):
    words, tags = notes()
    model = tagger()
    model.fit(words, tags, epochs=3, verbose=0)
    model.save(tmp_path / "tagger.keras")
    loaded = keras.models.load_model(tmp_path / "tagger.keras")
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    for name, v in model.layers[-1].scores().items():
        np.testing.assert_array_equal(loaded.layers[-1].scores()[name], v)
    np.testing.assert_array_equal(loaded.predict(words, verbose=0), model.predict(words, verbose=0))
    before = loaded.layers[-1].scores()
    both = [m.fit(words, tags, shuffle=False, verbose=0).history["loss"] for m in (model, loaded)]
    assert both[0] == pytest.approx(both[1], rel=1e-5)
    for name, v in loaded.layers[-1].scores().items():
        assert (v.numpy() != before[name].numpy()).any()  # the loaded loss trains the loaded layer


@pytest.mark.parametrize("policy", ("mixed_float16", "mixed_bfloat16"))
def test_under_mixed_precision_the_scores_stay_float32(policy):
    keras.mixed_precision.set_global_policy(policy)
    words, tags = notes()
    model = tagger()
    assert model.layers[-2].compute_dtype == policy.removeprefix("mixed_")
    history = model.fit(words, tags, epochs=20, verbose=0).history
    assert history["loss"][-1] < 0.3 and np.isfinite(history["loss"]).all()
    layer = model.layers[-1]
    assert {v.dtype for v in layer.variables} == {"float32"}
    emissions = keras.ops.ones((1, 3, 3), dtype=model.layers[-2].compute_dtype)
    assert keras.backend.standardize_dtype(layer(emissions, output="marginals").dtype) == "float32"


def test_each_output_is_what_the_functions_say():
    rng = np.random.default_rng(1)
    emit, mask = rng.normal(size=(3, 4, 3)).astype("float32"), np.arange(4) < np.array([[4], [1], [3]])
    layer = CRF(initializer="random_normal")
    tags = np.array(layer(emit, mask=mask, output="tags"))
    given = {"emit": emit, "mask": mask, **layer.scores()}
    assert (tags == np.array(crf.best_path(**given))).all() and tags.dtype == "int32"
    assert (np.array(layer(emit, mask=mask)) == (tags[..., None] == np.arange(3))).all()
    np.testing.assert_array_equal(layer(emit, mask=mask, output="marginals"), crf.marginals(**given))
    np.testing.assert_array_equal(layer(emit, mask=mask, output="emissions"), emit)
    for output in CRF.OUTPUTS:
        loss = CRFLoss()(np.zeros((3, 4), int), layer(emit, mask=mask, output=output))
        assert float(loss) == pytest.approx(-np.mean(crf.log_likelihood(tags=np.zeros((3, 4), int), **given)))


def test_what_is_not_allowed_is_neither_answered_nor_learned():
    words, tags = notes()
    model = tagger(output="tags", metrics=[])
    model.fit(words, tags, epochs=2, verbose=0)
    layer = model.layers[-1]
    trans, start, _ = crf.allowed_transitions(NAMES)
    scores = layer.scores()
    assert (np.array(scores["trans"])[~trans] == crf.FORBIDDEN).all()
    assert (np.array(scores["start"])[~start] == crf.FORBIDDEN).all()
    emit = 30 * np.random.default_rng(2).normal(size=(50, 20, 3)).astype("float32")
    answered = np.array(layer(emit, output="tags"))
    assert trans[answered[:, :-1], answered[:, 1:]].all() and start[answered[:, 0]].all()
    assert not trans[emit.argmax(-1)[:, :-1], emit.argmax(-1)[:, 1:]].all()  # each step by itself would not


def test_a_crf_can_be_one_of_two_outputs():
    words, tags = notes()
    model = tagger()
    length = keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(model.layers[1].output))
    both = keras.Model(model.input, {"tags": model.output, "length": length})
    both.compile("adam", loss={"tags": CRFLoss(), "length": "mse"}, jit_compile=False)
    loss = both.evaluate(words, {"tags": tags, "length": LENGTHS}, verbose=0, return_dict=True)
    assert loss["tags_loss"] == pytest.approx(-likelihood(model, words, tags).mean(), rel=1e-5)


def test_a_layer_between_crf_and_loss_is_refused():
    model = keras.Sequential([CRF(), keras.layers.Activation("linear")])
    with pytest.raises(ValueError, match=r"y_pred of shape \(2, 4, 3\) that comes from no CRF layer"):
        CRFLoss()(np.zeros((2, 4), int), model(np.zeros((2, 4, 3))) * 2.0)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: CRF(output="viterbi"), "output is 'viterbi'; use one of 'path', 'marginals'"),
        (lambda: CRF().build((2, 3)), r"CRF got shape \(2, 3\); it takes emissions \(batch, steps, tags\)"),
        (
            lambda: CRF(allowed=np.ones((4, 4))).build((2, 5, 3)),
            r"shapes \(4, 4\), \(4,\), \(4,\); for 3 tags",
        ),
    ],
)
def test_a_layer_that_cannot_work_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
