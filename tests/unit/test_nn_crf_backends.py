"""The CRF on JAX and PyTorch, and beside pytorch-crf, each where it is installed.

None of them is among this project's dependencies: `make test-backends` installs them into a folder of their
own and runs this.
"""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from medtutor.nn import crf

RNG = np.random.default_rng(0)
GIVEN = {
    "emit": RNG.normal(size=(4, 9, 3)),
    "trans": RNG.normal(size=(3, 3)),
    "start": RNG.normal(size=3),
    "end": RNG.normal(size=3),
}
GIVEN = {name: v.astype("float32") for name, v in GIVEN.items()}
HARD = {**GIVEN, "emit": 60 * GIVEN["emit"], "trans": np.where(np.eye(3) > 0, crf.FORBIDDEN, GIVEN["trans"])}
MASK = np.arange(9) < np.array([[9], [1], [4], [8]])
TAGS = RNG.integers(0, 3, MASK.shape)

OTHER = """
import json, sys
import keras
import numpy as np
from medtutor.nn import crf

def numbers(v):
    return keras.ops.convert_to_numpy(v).tolist()

def slope(f, given):
    names = list(given)
    if keras.backend.backend() == "jax":
        import jax
        g = jax.jit(jax.grad(lambda *v: f(**dict(zip(names, v))).sum(), argnums=tuple(range(len(names)))))
        return [numbers(v) for v in g(*given.values())]
    import torch
    tensors = [torch.tensor(v, requires_grad=True) for v in given.values()]
    f(**dict(zip(names, tensors))).sum().backward()
    return [v.grad.tolist() for v in tensors]

asked = json.load(sys.stdin)
found = {}
mask, tags = np.array(asked["mask"]), np.array(asked["tags"])
for case in ("given", "hard"):
    given = {k: np.array(v, "float32") for k, v in asked[case].items()}
    found[case] = {
        "log_partition": numbers(crf.log_partition(mask=mask, **given)),
        "log_likelihood": numbers(crf.log_likelihood(tags=tags, mask=mask, **given)),
        "marginals": [numbers(v) for v in crf.marginals(mask=mask, pairwise=True, **given)],
        "best_path": numbers(crf.best_path(mask=mask, **given)),
        "best_paths": numbers(crf.best_paths(k=3, mask=mask, **given)[0]),
        "slope": slope(lambda **s: crf.log_likelihood(tags=tags, mask=mask, **s), given),
    }
drawn = numbers(crf.sample_paths(n=50, mask=mask, seed=1, **given))
found["drawn"] = [int(np.min(drawn)), int(np.max(drawn)), list(np.shape(drawn))]
words = keras.Input((None,), dtype="int32")
x = keras.layers.Dense(3)(keras.layers.Embedding(4, 5, mask_zero=True)(words))
model = keras.Model(words, crf.CRF()(x))
model.compile(keras.optimizers.Adam(0.1), loss=crf.CRFLoss(), metrics=["accuracy"])
y = np.where(mask, tags, 0)
w = np.where(mask, tags + 1, 0)
found["loss"] = model.fit(w, y, sample_weight=np.ones(4), epochs=30, verbose=0).history["loss"]
found["right"] = bool((model.predict(w, verbose=0).argmax(-1) == y)[mask].all())
model.save(sys.argv[1])
loaded = keras.models.load_model(sys.argv[1])
found["again"] = [model.evaluate(w, y, verbose=0)[0], loaded.evaluate(w, y, verbose=0)[0]]
print(json.dumps(found))
"""


@pytest.mark.parametrize("backend", ("jax", "torch"))
def test_other_backends_say_what_tensorflow_says(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; it is not among this project's dependencies")
    asked = {"given": GIVEN, "hard": HARD}
    asked = {case: {k: v.tolist() for k, v in given.items()} for case, given in asked.items()}
    asked |= {"mask": MASK.tolist(), "tags": TAGS.tolist()}
    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(tmp_path / "tagger.keras")],
        input=json.dumps(asked),
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for case, given in {"given": GIVEN, "hard": HARD}.items():
        expected = {
            "log_partition": crf.log_partition(mask=MASK, **given),
            "log_likelihood": crf.log_likelihood(tags=TAGS, mask=MASK, **given),
            "best_path": crf.best_path(mask=MASK, **given),
            "best_paths": crf.best_paths(k=3, mask=MASK, **given)[0],
        }
        for name, v in expected.items():
            np.testing.assert_allclose(found[case][name], v, rtol=1e-5, atol=1e-4, err_msg=f"{case} {name}")
        unary, pairs = crf.marginals(mask=MASK, pairwise=True, **given)
        np.testing.assert_allclose(found[case]["marginals"][0], unary, atol=1e-4)
        np.testing.assert_allclose(found[case]["marginals"][1], pairs, atol=1e-4)
        observed = (TAGS[..., None] == np.arange(3)) & MASK[..., None]
        np.testing.assert_allclose(found[case]["slope"][0], observed - np.array(unary), atol=1e-4)
    assert found["drawn"] == [-1, 2, [50, 4, 9]]
    assert found["loss"][-1] < 0.3 * found["loss"][0] and found["right"]
    assert found["again"][0] == pytest.approx(found["again"][1], rel=1e-5)


def test_large_batches_are_what_pytorch_crf_says():
    reason = "pytorch-crf is not installed; it is not among this project's dependencies"
    torch, torchcrf = (pytest.importorskip(name, reason=reason) for name in ("torch", "torchcrf"))
    rng = np.random.default_rng(1)
    emit, trans, start, end = (
        rng.normal(size=s).astype("float32") for s in ((16, 100, 17), (17, 17), (17,), (17,))
    )
    mask = np.arange(100) < np.append(rng.integers(1, 101, 15), 100)[:, None]
    tags = rng.integers(0, 17, mask.shape)
    peer = torchcrf.CRF(17, batch_first=True)
    with torch.no_grad():
        for to, v in {"transitions": trans, "start_transitions": start, "end_transitions": end}.items():
            getattr(peer, to).copy_(torch.tensor(v))
    leaf = torch.tensor(emit, requires_grad=True)
    expected = peer(leaf, torch.tensor(tags), mask=torch.tensor(mask), reduction="none")
    expected.sum().backward()

    import tensorflow as tf

    scores = [tf.constant(v) for v in (emit, trans, start, end)]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        found = crf.log_likelihood(scores[0], tags, scores[1], mask, *scores[2:])
    slopes = tape.gradient(found, scores)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5)
    learned = leaf, peer.transitions, peer.start_transitions, peer.end_transitions
    for slope, v in zip(slopes, learned, strict=True):
        np.testing.assert_allclose(slope, v.grad.numpy(), atol=1e-4 * max(1, float(v.grad.abs().max())))
    paths = keras.ops.convert_to_numpy(crf.best_path(emit, trans, mask, start, end))
    for path, v in zip(paths, peer.decode(leaf, mask=torch.tensor(mask)), strict=True):
        assert path[path >= 0].tolist() == v
