"""A linear-chain conditional random field (CRF) for Keras 3, in `keras.ops`: TensorFlow, JAX, PyTorch.

    inputs = keras.Input((None,), dtype="int32")                    # word numbers, 0 = padding
    x = keras.layers.Embedding(5000, 64, mask_zero=True)(inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))(x)
    x = keras.layers.Dense(len(names))(x)                           # a score for each tag: the emissions
    outputs = CRF(allowed=allowed_transitions(names))(x)            # names such as "O", "B-drug", "I-drug"
    tagger = keras.Model(inputs, outputs)
    tagger.compile("adam", loss=CRFLoss(), metrics=["accuracy"])
    tagger.fit(words, tags, sample_weight=weights)                  # tags (n, T), a weight for each sequence
    tagger.save("tagger.keras")                                     # load_model needs this module imported
    tags = tagger.predict(words).argmax(-1)                         # (n, T), the best path of each sequence

A path y of one sequence with T steps and K tags has the score

    s(y) = start(y_1) + sum_t emit_t(y_t) + sum_{t>1} trans(y_{t-1}, y_t) + end(y_T)

and the probability exp(s(y)) / Z, where Z sums exp(s) over all K**T paths.

Every function takes `emit` (B, T, K), `trans` (K, K) with trans[i, j] for tag i followed by tag j, and, where
wanted, `mask` (B, T), True on real steps and False only at the end of a row, `start` (K,) and `end` (K,).
All of them refuse, by a ValueError, shapes that disagree, a mask with a hole, a row without a real step, a
tag outside 0..K-1 on a real step and scores that are not finite. Inside a traced graph (fit, tf.function,
jax.jit) only shapes can be refused; there the likelihood of a row with such a mask, tag or emission is NaN,
and what log_partition, best_path, best_paths, sample_paths and marginals answer for it is undefined.

Sources: Lafferty, McCallum and Pereira, ICML 2001 (the model); Sutton and McCallum, An introduction to
conditional random fields, 2012, doi:10.1561/2200000013, section 4.1 (recursions, gradient as observed minus
expected counts); Rabiner, Proc. IEEE 77, 1989, doi:10.1109/5.18626, section V.A (scaling).
"""

import weakref

import keras
import numpy as np
from keras import ops
from keras.src.backend.common.symbolic_scope import in_symbolic_scope  # Keras exports no such name

FORBIDDEN = -1e4  # the score of a transition that must not be: exp of it is 0
NEVER = -1e30  # inside this module: the score of what cannot be at all
LEAK = 1e-18  # added to each factor of the scaled recursion, so that no path is lost unnoticed
FLOOR = 1e-15  # a message below this has lost too much of float32's range
UNROLL = 8  # steps in one turn of a loop
RESCALE = 4  # steps between two divisions by the sum of a message


def _as_written(f):
    """f, left alone by the AutoGraph of TensorFlow, which would take seconds to convert it for nothing."""
    if keras.backend.backend() != "tensorflow":
        return f
    from tensorflow import autograph

    return autograph.experimental.do_not_convert(f)


# What a chapter shows


@_as_written
def forward_algorithm(emit, trans, mask=None, start=None, end=None):
    """log Z by the plain forward recursion in log space: slow, and right. `log_partition` is the fast one.

        alpha_1(j) = start(j) + emit_1(j)
        alpha_t(j) = emit_t(j) + log sum_i exp(alpha_{t-1}(i) + trans(i, j))
        log Z      = log sum_j exp(alpha_T(j) + end(j))

    ->  (B,). T must be known when a graph is traced, because the loop is unrolled.
    Source: Sutton and McCallum 2012, equations 4.7 and 4.8.
    """
    emit, trans, mask, start, end = _checked(emit, trans, mask, start, end)
    emit = ops.where(mask[..., None], emit, 0.0)
    alpha = start + emit[:, 0]  # (B, K)
    for t in range(1, emit.shape[1]):
        paths = alpha[:, :, None] + trans + emit[:, t, None, :]  # (B, K from, K to)
        alpha = ops.where(mask[:, t, None], ops.logsumexp(paths, axis=1), alpha)
    return ops.logsumexp(alpha + end, axis=1)


@_as_written
def path_score(emit, tags, trans, mask=None, start=None, end=None):
    """s(y): the score of the paths `tags`, integers (B, T); tags under padding do not matter.  ->  (B,)"""
    emit, trans, mask, start, end, tags = _checked(emit, trans, mask, start, end, tags)
    K = emit.shape[2]
    at_tag = ops.where(mask, _at(emit, ops.where(mask, ops.clip(tags, 0, K - 1), 0)), 0.0)
    before, now = _path(tags, mask, K, 1)
    score = ops.sum(at_tag, axis=1) + ops.sum(_followed(_square(trans, start, end), before, now), axis=0)
    return ops.where(_sound(emit, tags, mask), score, np.nan)


# Sums over all paths


@_as_written
def log_partition(emit, trans, mask=None, start=None, end=None):
    """log Z: log of the summed exp-scores of all K**T paths.  ->  (B,)

    Its gradient is given directly, as marginals and expected counts of transitions; nothing is differentiated
    through the recursion, and there is no second derivative.
    """
    emit, trans, mask, start, end = _checked(emit, trans, mask, start, end)
    chain = _Chain(emit, trans, mask, start, end)
    gamma, expected, log_c = _expectations(chain)
    value = ops.sum(log_c, axis=0) + chain.taken_off()
    return _with_gradient(value, chain, (emit, trans, start, end), gamma, expected)


@_as_written
def log_likelihood(emit, tags, trans, mask=None, start=None, end=None):
    """log p(y | x) = s(y) - log Z of the paths `tags`, integers (B, T).  ->  (B,), at most 0

    The gradient is given directly, as observed minus expected counts, with no second derivative. Score and
    sum are taken less each step's largest score, so that long sequences and large scores lose no digits.
    """
    emit, trans, mask, start, end, tags = _checked(emit, trans, mask, start, end, tags)
    chain = _Chain(emit, trans, mask, start, end)
    gamma, expected, log_c = _expectations(chain)
    before, now = _path(tags, mask, chain.K, chain.more)
    observed = ops.one_hot(now, chain.K + 1, dtype="float32")  # (T, B, K + 1)
    score = _at(chain.log_x, now) + _followed(chain.log_E, before, now)  # (T, B)
    score = ops.sum(ops.reshape(score, (-1, RESCALE, ops.shape(emit)[0])), axis=1)
    value = ops.sum(score - log_c, axis=0)  # few steps by few steps: no digits lost
    value = ops.where(_sound(emit, tags, mask), value, np.nan)

    def surplus(weights):
        return _product(observed[:-1], observed[1:] * weights[:, None]) - expected(weights)

    return _with_gradient(value, chain, (emit, trans, start, end), observed[:-1] - gamma, surplus)


@_as_written
def marginals(emit, trans, mask=None, start=None, end=None, pairwise=False):
    """The probability of each tag at each step, P(y_t = k), and of each pair, P(y_t = i, y_{t+1} = j).

    ->  (B, T, K), 0 under padding; with `pairwise` also (B, T - 1, K, K), 0 where either step is padding.
    No gradient flows through them.
    """
    emit, trans, mask, start, end = _checked(emit, trans, mask, start, end)
    chain = _Chain(emit, trans, mask, start, end)
    unary = chain.back_to_rows(_expectations(chain)[0])[..., : chain.K]
    if not pairwise:
        return unary
    K = emit.shape[2]
    before, f, after = _log_messages(chain)
    log_pairs = (before[..., :, None] + ops.cast(chain.log_E, f.dtype) + after[..., None, :])[1:]
    log_pairs = log_pairs - ops.logsumexp(f + after, axis=-1)[1:, :, None, None]
    pairs = ops.exp(ops.cast(log_pairs, "float32"))[..., :K, :K]
    return unary, ops.transpose(pairs, (1, 0, 2, 3))[:, : ops.shape(emit)[1] - 1]


# Paths


@_as_written
def best_path(emit, trans, mask=None, start=None, end=None):
    """The path of the highest score, by the Viterbi algorithm.  ->  int32 (B, T), -1 under padding

        delta_t(j) = emit_t(j) + max_i (delta_{t-1}(i) + trans(i, j))

    over the first half of the steps, and alike over the second, read from the end; they meet in the middle,
    where the best pair of tags is chosen. From there y_t = argmax_i (delta_t(i) + trans(i, y_{t+1})) leads to
    the start, and its mirror image to the end. The score of the path is `path_score`.
    Source: Rabiner 1989, equations 32 to 35.
    """
    emit, trans, mask, start, end = _checked(emit, trans, mask, start, end)
    chain = _Chain(emit, trans, mask, start, end)
    n, E = chain.K + 1, chain.log_E
    half = ops.shape(chain.log_x)[0] // 2
    into = ops.concatenate([ops.transpose(E), E], axis=0)  # (2 n to, n from): there, and back
    out_of = ops.transpose(ops.reshape(into, (2, n, n)), (0, 2, 1))[..., None]  # (2, n from, n to, 1)

    def onward(delta, log_x, i):  # rows last, which is what TensorFlow takes a maximum of fastest
        delta = log_x + ops.max(delta[:, :, None] + out_of, axis=1)  # (2, n, B)
        return delta if i % RESCALE else delta - ops.max(delta, axis=1, keepdims=True)

    def back(tags, delta, i):
        return _largest(delta + ops.take(into, tags + [[0], [n]], axis=0))  # (2, B)

    log_x = ops.transpose(chain.log_x, (0, 2, 1))
    first = ops.transpose(ops.where(chain.at_padding, 0.0, NEVER))
    there_and_back = ops.stack([log_x[:half], ops.flip(log_x[half:], 0)], axis=1)
    delta = _states(onward, ops.stack([first, first]), there_and_back, UNROLL // 2)
    pairs = delta[-1, 0][:, None] + E[..., None] + delta[-1, 1]  # (n, n, B)
    pair = _largest(ops.transpose(ops.reshape(pairs, (n * n, -1))))
    middle = ops.stack([pair // n, pair % n])
    delta = ops.transpose(delta, (0, 1, 3, 2))
    delta = ops.concatenate([ops.flip(delta[:-1], 0), delta[:1]], axis=0)  # the last fills up the loop
    rest = _states(back, middle, delta, UNROLL // 2)[:-1]
    tags = ops.concatenate([ops.flip(rest[:, 0], 0), middle, rest[:, 1]], axis=0)
    return chain.back_to_rows(ops.where(tags == chain.K, -1, tags))


@_as_written
def best_paths(emit, trans, k, mask=None, start=None, end=None):
    """The k paths of the highest scores, best first.  ->  int32 (B, k, T) and their scores (B, k)

    Where a sequence has fewer than k paths, the rest is -1 with score -inf.
    """
    if k < 1:
        raise ValueError(f"k is {k}; best_paths needs at least 1")
    emit, trans, mask, start, end = _checked(emit, trans, mask, start, end)
    chain = _Chain(emit, trans, mask, start, end)
    K, into = chain.K, ops.transpose(chain.log_E)[:, :, None]  # (K + 1 to, K + 1 from, 1)

    def onward(carry, log_x, i):
        delta = carry[0][:, None, :, :] + into  # (B, to, from, rank)
        delta, pointer = ops.top_k(ops.reshape(delta, (-1, delta.shape[1], (K + 1) * k)), k)
        return log_x[:, :, None] + delta, ops.cast(pointer, "int32")

    def back(pointer, pointers, i):
        return ops.take_along_axis(ops.reshape(pointers, (-1, (K + 1) * k)), pointer, axis=1)

    first = ops.where(chain.at_padding[:, :, None] & (ops.arange(k) == 0), 0.0, NEVER)
    delta, pointers = _states(onward, (first, ops.zeros_like(first, dtype="int32")), chain.log_x)
    score, last = (v[:, K] for v in onward((delta[-1], None), chain.log_x[-1], 0))  # the step to padding
    earlier = _states(back, last, ops.flip(pointers, 0))[:-1]
    tags = ops.concatenate([ops.flip(earlier, 0), last[None]], axis=0) // k  # (T, B, k)
    missing = score < NEVER / 2
    tags = ops.where((tags == K) | missing, -1, tags)
    score = ops.where(missing, -np.inf, score + chain.taken_off()[:, None])
    return ops.transpose(tags, (1, 2, 0))[:, :, : chain.T], score


@_as_written
def sample_paths(emit, trans, n, mask=None, start=None, end=None, seed=None):
    """n paths of each sequence, drawn with their probabilities.  ->  int32 (n, B, T), -1 under padding

    Each step is drawn given the one before, from what the backward recursion says of the rest. `seed` is an
    int or a keras.random.SeedGenerator.
    """
    emit, trans, mask, start, end = _checked(emit, trans, mask, start, end)
    chain = _Chain(emit, trans, mask, start, end)
    after = ops.cast(_log_messages(chain)[2], "float32")  # (T, B, K + 1)
    T, B = ops.shape(after)[:2]
    uniform = keras.random.uniform((T, n, B, chain.K + 1), 1e-30, 1.0, seed=seed)
    noisy = after[:, None] - ops.log(-ops.log(uniform))  # the largest of these is a draw (Gumbel)

    def onward(tag, noisy, i):
        return ops.cast(ops.argmax(noisy + ops.take(chain.log_E, tag, axis=0), axis=-1), "int32")

    tags = _states(onward, ops.full((n, B), chain.K, dtype="int32"), noisy)
    tags = ops.where(tags == chain.K, -1, tags)
    return ops.transpose(tags, (1, 2, 0))[:, :, : ops.shape(emit)[1]]


# Which tag may follow which


def allowed_transitions(names, scheme="BIO"):
    """Which tag may follow which, begin a sequence and end one.  ->  bool (K, K), (K,), (K,)

    names: "O" and "B-drug", "I-drug" (scheme "BIO"), or with "E-drug", "S-drug" beside them ("BIOES").
    BIO: I-x follows B-x or I-x. BIOES: after B-x or I-x comes I-x or E-x, and neither comes elsewhere.
    """
    if scheme not in ("BIO", "BIOES"):
        raise ValueError(f"scheme is {scheme!r}; use 'BIO' or 'BIOES'")
    for name in names:
        prefix, _, kind = name.partition("-")
        if name != "O" and not (kind and prefix in set(scheme) - {"O"}):
            raise ValueError(f"tag {name!r} is none of {scheme}; use 'O' or such as 'B-drug'")

    def allowed(i, j):
        (before, _, kind), (now, _, next_kind) = i.partition("-"), j.partition("-")
        continues = now in ("I", "E")
        if continues or (scheme == "BIOES" and before in ("B", "I")):
            return continues and before in ("B", "I") and kind == next_kind
        return True

    trans = [[allowed(i, j) for j in names] for i in names]
    start, end = [allowed("O", n) for n in names], [allowed(n, "O") for n in names]
    return np.array(trans), np.array(start), np.array(end)


# Keras


@keras.saving.register_keras_serializable("medtutor")
class CRF(keras.layers.Layer):
    """The last layer of a tagger: learns start, end and transition scores, and answers with tags.

    Input: emissions (B, T, K), and the mask that Keras brings from Embedding(mask_zero=True) or Masking.
    output: what the layer answers with. It may also be given in a call, crf(x, output="marginals"), so that
        one layer serves a model for training and another for what is to be known later.
        "path"       float32 (B, T, K), 1 at the best path's tag; argmax gives the tag   (the default)
        "marginals"  float32 (B, T, K), the probability of each tag
        "emissions"  float32 (B, T, K), the input
        "tags"       int32 (B, T), the best path, -1 under padding; metrics=["accuracy"] cannot read this one
    allowed: bool (K, K), or that with (K,) for the first and (K,) for the last tag, as `allowed_transitions`
        gives them. What is not allowed scores FORBIDDEN and is not learned.
    All scores stay float32, whatever the dtype policy. Train with `CRFLoss`.
    """

    OUTPUTS = ("path", "marginals", "emissions", "tags")

    def __init__(self, allowed=None, output="path", initializer=None, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.supports_masking = True
        self.answer = self._known(output)
        self.initializer = keras.initializers.get(initializer or keras.initializers.RandomUniform(-0.1, 0.1))
        if allowed is not None and np.ndim(allowed[0]) == 1:
            allowed = allowed, np.ones(len(allowed), bool), np.ones(len(allowed), bool)
        self.allowed = None if allowed is None else tuple(np.asarray(a, bool) for a in allowed)

    def _known(self, output):
        if output not in self.OUTPUTS:
            raise ValueError(f"output is {output!r}; use one of {', '.join(map(repr, self.OUTPUTS))}")
        return output

    def build(self, input_shape):
        if len(input_shape) != 3 or input_shape[-1] is None:
            raise ValueError(f"CRF got shape {tuple(input_shape)}; it takes emissions (batch, steps, tags)")
        K = input_shape[-1]
        shapes = {"trans": (K, K), "start": (K,), "end": (K,)}
        if self.allowed is not None and [a.shape for a in self.allowed] != list(shapes.values()):
            came = ", ".join(str(a.shape) for a in self.allowed)
            raise ValueError(f"allowed has shapes {came}; for {K} tags they are ({K}, {K}), ({K},), ({K},)")
        for name, shape in shapes.items():
            options = {"initializer": self.initializer, "dtype": "float32", "autocast": False}
            setattr(self, f"_{name}", self.add_weight(name=name, shape=shape, **options))
        self.built = True

    def scores(self):
        """What the functions of this module take: {"trans": (K, K), "start": (K,), "end": (K,)}."""
        scores = [v + 0.0 for v in (self._trans, self._start, self._end)]  # tensors, not variables
        if self.allowed is not None:
            scores = [ops.where(a, s, FORBIDDEN) for a, s in zip(self.allowed, scores, strict=True)]
        return dict(zip(("trans", "start", "end"), scores, strict=True))

    def call(self, inputs, mask=None, output=None):
        output = self._known(output or self.answer)
        emit, scores = ops.cast(inputs, "float32"), self.scores()
        if mask is not None:
            mask = ops.cast(mask, "bool")
        if output == "emissions":
            answer = emit + 0.0
        elif output == "marginals":
            answer = marginals(emit, mask=mask, **scores)
        else:
            answer = best_path(ops.stop_gradient(emit), mask=mask, **scores)
            answer = answer if output == "tags" else ops.one_hot(answer, emit.shape[2], dtype="float32")
        _remember(answer, {"emit": emit, "mask": mask, **scores})
        return answer

    def compute_output_spec(self, inputs, mask=None, output=None):
        if self._known(output or self.answer) == "tags":
            return keras.KerasTensor(inputs.shape[:2], dtype="int32")
        return keras.KerasTensor(inputs.shape, dtype="float32")

    def get_config(self):
        allowed = None if self.allowed is None else [a.tolist() for a in self.allowed]
        initializer = keras.initializers.serialize(self.initializer)
        return {
            **super().get_config(),
            "allowed": allowed,
            "output": self.answer,
            "initializer": initializer,
        }


@keras.saving.register_keras_serializable("medtutor")
class CRFLoss(keras.losses.Loss):
    """-log p(tags | x), averaged over the sequences of a batch: the loss of a model that ends in a `CRF`.

    y_true: integers (B, T); tags under padding do not matter. sample_weight: (B,), one for each sequence.
    The loss finds the emissions and the layer's scores on the layer's own answer, whatever its `output` is:
    so it has nothing to save or to bind, and nothing may stand between the layer and the model's output.
    """

    def __init__(self, name="crf_loss", **kwargs):
        super().__init__(name=name, **kwargs)

    def __call__(self, y_true, y_pred, sample_weight=None):
        scores = _remembered(y_pred)
        if sample_weight is not None:
            came = tuple(sample_weight.shape)
            if came[1:] not in ((), (1,)):
                raise ValueError(f"sample_weight has shape {came}; a CRF weighs whole sequences: (batch,)")
            sample_weight = ops.reshape(sample_weight, (-1,))
        if scores is None:
            loss = ops.zeros((ops.shape(y_pred)[0],))
        else:
            loss = -log_likelihood(tags=ops.cast(y_true, "int32"), **scores)
        return super().__call__(loss, loss, sample_weight)  # Keras weighs and reduces

    def call(self, y_true, y_pred):
        return y_pred


_unattached = {}  # scores by id of the layer's answer, where a tensor takes no attribute (JAX)


def _remember(answer, scores):
    """Keep what the loss needs with the layer's answer, as Keras keeps a mask with a tensor."""
    try:
        answer._crf_scores = scores
    except AttributeError:
        _unattached[id(answer)] = scores
        weakref.finalize(answer, _unattached.pop, id(answer), None)


def _remembered(answer):
    """What `_remember` kept; None in the dry run of Keras on JAX and PyTorch, which has no layer's answer."""
    scores = getattr(answer, "_crf_scores", None) or _unattached.get(id(answer))
    if scores is None and not in_symbolic_scope():
        raise ValueError(
            f"CRFLoss got y_pred of shape {tuple(answer.shape)} that comes from no CRF layer; "
            "make CRF the model's last layer, or call log_likelihood yourself"
        )
    return scores


# The chain: a sequence whose padding is a tag


class _Chain:
    """Scores as a chain over K + 1 tags, in which tag K is padding, before the first and after the last step.

    The start is then the transition K -> j and the end is j -> K, so that ragged rows of any length, start
    and end need no cases of their own. All scores have their largest taken off: each factor is at most 1.

    log_x (T, B, K + 1), T the next multiple of UNROLL above the steps, so that each row ends in padding
    log_E (K + 1, K + 1);  at_padding (B, K + 1), True at tag K
    """

    def __init__(self, emit, trans, mask, start, end):
        emit, trans, start, end = (ops.stop_gradient(v) for v in (emit, trans, start, end))
        B, self.T = ops.shape(mask)
        self.K, self.mask = emit.shape[2], mask
        self.more = UNROLL - self.T % UNROLL
        self.at_step, self.at_pair = ops.max(emit, axis=-1), ops.max(trans)
        self.at_start, self.at_end = ops.max(start), ops.max(end)
        padding = ops.arange(self.K + 1) == self.K
        log_x = ops.pad(emit - self.at_step[..., None], ((0, 0), (0, self.more), (0, 1)))
        real = ops.concatenate([ops.transpose(mask), ops.zeros((self.more, B), dtype="bool")], axis=0)
        fits = real[..., None] != padding  # padding at padding, tags at real steps
        self.log_x = ops.where(fits, ops.transpose(log_x, (1, 0, 2)), NEVER)
        self.log_E = _square(trans - self.at_pair, start - self.at_start, end - self.at_end)
        self.at_padding = ops.broadcast_to(padding, (B, self.K + 1))

    def taken_off(self):
        """What a path's score has lost by taking off the largest scores.  ->  (B,)"""
        lengths = ops.sum(ops.cast(self.mask, "float32"), axis=1)
        at_steps = ops.sum(ops.where(self.mask, self.at_step, 0.0), axis=1)
        return at_steps + self.at_pair * (lengths - 1) + self.at_start + self.at_end

    def back_to_rows(self, v):
        """(T, B, ...) with the steps that were added  ->  (B, T, ...) without."""
        return ops.moveaxis(v, 0, 1)[:, : self.T]


def _square(trans, start, end):
    """(K + 1, K + 1): transitions with start as the last row and end as the last column."""
    K = trans.shape[0]
    last_row = ops.pad(start[None], ((K, 0), (0, 1)))
    last_column = ops.pad(end[:, None], ((0, 1), (K, 0)))
    return ops.pad(trans, ((0, 1), (0, 1))) + last_row + last_column


def _path(tags, mask, K, more):
    """The tags before and at each step and `more` steps, padding being tag K.  ->  two int32 (T, B)"""
    now = ops.transpose(ops.where(mask, ops.clip(tags, 0, K - 1), K))
    now = ops.pad(now, ((0, more), (0, 0)), constant_values=K)
    return ops.concatenate([ops.full_like(now[:1], K), now[:-1]], axis=0), now


def _at(v, tags):
    """The scores v (..., n) of the tags (...), which are below n."""
    first = ops.reshape(ops.arange(ops.size(tags)) * v.shape[-1], ops.shape(tags))
    return ops.take(ops.reshape(v, (-1,)), first + tags)


def _followed(square, before, now):
    """The scores of all transitions along a path, in the shape of `before` and `now`."""
    return ops.take(ops.reshape(square, (-1,)), before * square.shape[0] + now)


def _product(v, w):
    """The sum over all steps of all rows of v_i w_j.  ->  (K + 1, K + 1)"""
    v, w = (ops.reshape(m, (-1, m.shape[-1])) for m in (v, w))
    return ops.matmul(ops.transpose(v), w)


def _with_gradient(value, chain, scores, at_tag, at_pair):
    """value (B,) with its slopes in `scores`: emit, trans, start and end.

    at_tag (T, B, K + 1), the slopes at each tag, which at the first step are those in start; at_pair, a
    function of weights (B,) that answers the weighted and summed slopes in trans and end, (K + 1, K + 1).
    """
    K = chain.K

    @ops.custom_gradient
    def told(emit, trans, start, end):
        def slopes(*args, upstream=None):  # PyTorch names what comes from above, the others give just that
            weights = args[0] if upstream is None else upstream
            pairs = at_pair(weights)
            first = ops.sum(at_tag[0] * weights[:, None], axis=0)
            return (
                weights[:, None, None] * chain.back_to_rows(at_tag)[..., :K],
                pairs[:K, :K],
                first[:K],
                pairs[:K, K],
            )

        return value + 0.0, slopes

    return told(*scores)


def _largest(v):
    """The place of the largest entry along the last axis, int32; `ops.argmax` takes five steps for one."""
    return ops.cast(ops.top_k(v, 1)[1][..., 0], "int32")


def _states(step, first, xs, unroll=UNROLL):
    """The states s_1 .. s_T of s_t = step(s_{t-1}, x_t, t % unroll), stacked; T is a multiple of unroll.

    One turn of the scan takes `unroll` steps, and its carry is what it puts out, because on TensorFlow
    keras.ops.scan wants both to have one shape (keras-team/keras pull request 19681).
    """
    map_ = keras.tree.map_structure

    def turn(carry, x):
        state, states = map_(lambda v: v[-1], carry), []
        for i, now in enumerate(ops.unstack(x, unroll)):
            state = step(state, now, i)
            states.append(state)
        stacked = map_(lambda *v: ops.stack(v), *states)
        return stacked, stacked

    carry = map_(lambda v: ops.stack([v] * unroll), first)
    _, states = ops.scan(turn, carry, ops.reshape(xs, (-1, unroll, *ops.shape(xs)[1:])))
    return map_(lambda v: ops.reshape(v, (-1, *ops.shape(v)[2:])), states)


# Forward and backward


def _expectations(chain):
    """Marginals, expected counts of transitions, and log Z less chain.taken_off() as a sum of parts.

    Rows that float32 cannot be trusted with are computed again in log space; batches without any skip that.
    ->  (T - 1, B, K + 1), without the last step, which is padding;  a function of weights (B,) that answers
        the summed counts (K + 1, K + 1) from the first step on;  (T / RESCALE, B)
    """
    a, u, both, per_kappa, log_c, sure = _two_way(chain)
    unsure = ops.logical_not(sure)

    def repeated():
        gamma, pairs, parts = _log_expectations(chain)
        return (
            ops.where(unsure[:, None], gamma, both * per_kappa),
            ops.where(unsure[:, None, None], pairs, 0.0),
            ops.where(unsure, parts, log_c),
        )

    def kept():
        B, n = ops.shape(both)[1:]
        return both * per_kappa, ops.zeros((B, n, n)), log_c + 0.0

    gamma, pairs, log_c = ops.cond(ops.any(unsure), repeated, kept)
    trusted = ops.where(unsure[:, None], 0.0, per_kappa)

    def expected(weights):
        scaled = _product(a, u * (trusted * weights[:, None]))
        return ops.exp(chain.log_E) * scaled + ops.sum(pairs * weights[:, None, None], axis=0)

    return gamma, expected, log_c


def _two_way(chain):
    """Rabiner's scaled recursions, forward and backward in one loop, and whether they can be trusted.

        a_t(j) = x_t(j) sum_i a_{t-1}(i) E(i, j)      u_t(i) = x_t(i) sum_j E(i, j) u_{t+1}(j)

    with a_0 = u_{T+1} = padding; both are divided by their sums every RESCALE steps. Whatever the scales,

        both_t(i) = a_t(i) sum_j E(i, j) u_{t+1}(j)        kappa_t = sum_i both_t(i)
        P(y_t = i) = both_t(i) / kappa_t
        P(y_t = i, y_{t+1} = j) = a_t(i) E(i, j) u_{t+1}(j) / kappa_t

    What is too small for float32 is lost. So that no path is lost unnoticed, LEAK is added to each E(i, j):
    it outweighs what is lost, each message is an upper bound of the true one, and the share of Z that went
    through LEAK at step t, LEAK sum(a_t) sum(u_{t+1}) / kappa_t, bounds the error. A row is trusted where
    these shares sum to less than 1e-6 and no message falls below FLOOR between two divisions.

    ->  a_t, u_{t+1} and both_t (T - 1, B, K + 1), 1 / kappa_t (T - 1, B, 1), log Z as a sum of parts
        (T / RESCALE, B), trusted (B,) bool
    """
    x, E = ops.exp(chain.log_x), ops.exp(chain.log_E) + LEAK
    M = ops.stack([E, ops.transpose(E)])
    padding = ops.cast(chain.at_padding, "float32")  # (B, K + 1)

    def step(s, x, i):
        if i % RESCALE == 0:
            s = s / ops.maximum(ops.sum(s, axis=-1, keepdims=True), 1e-30)
        return x * ops.matmul(s, M)  # (2, B, K + 1): a and u

    t = ops.arange(ops.shape(x)[0])
    there_and_back = ops.stack([t, ops.flip(t, 0)], axis=1)
    s = _states(step, ops.stack([padding, padding]), ops.take(x, there_and_back, axis=0))
    a, u = s[:-1, 0], ops.flip(s[:-1, 1], 0)  # a_t and u_{t+1} at t = 1 .. T - 1
    both = a * ops.matmul(u, ops.transpose(E))
    per_kappa = 1 / ops.sum(both, axis=-1, keepdims=True)
    sums = ops.sum(s, axis=-1)  # (T, 2, B)
    shares = LEAK * sums[:-1, 0] * ops.flip(sums[:-1, 1], 0) * per_kappa[..., 0]
    at_start = LEAK * sums[-1, 1] / ops.matmul(s[-1, 1], E[-1])
    sure = (ops.sum(shares, axis=0) + at_start < 1e-6) & (ops.min(sums, axis=(0, 1)) > FLOOR)
    return a, u, both, per_kappa, ops.log(sums[RESCALE - 1 :: RESCALE, 0]), sure


def _log_messages(chain):
    """The recursions of `_two_way` in log space, each message less its largest entry: always right, and slow.

    ->  log a_{t-1}, log f_t, log u_t (T, B, K + 1), float64 where the backend has it
    """
    wide = "float32" if keras.backend.backend() == "jax" else "float64"
    log_x, log_E = ops.cast(chain.log_x, wide), ops.cast(chain.log_E, wide)
    M = ops.stack([log_E, ops.transpose(log_E)])[:, None]  # (2, 1, K + 1, K + 1)

    def step(carry, x, i):
        f = ops.logsumexp(carry[0][..., None] + M, axis=-2)  # (2, B, K + 1)
        return x + f - ops.max(x + f, axis=-1, keepdims=True), f

    padding = ops.cast(ops.where(chain.at_padding, 0.0, NEVER), wide)
    padding = ops.stack([padding, padding])
    s, f = _states(step, (padding, padding), ops.stack([log_x, ops.flip(log_x, 0)], axis=1), unroll=1)
    return ops.concatenate([padding[:1], s[:-1, 0]], axis=0), f[:, 0], ops.flip(s[:, 1], 0)


def _log_expectations(chain):
    """What `_expectations` needs of `_two_way`, in log space.

    ->  gamma (T - 1, B, K + 1), pairs from the first step on (B, K + 1, K + 1), log Z (T / RESCALE, B)
    """
    before, f, after = _log_messages(chain)
    log_x, log_E = ops.cast(chain.log_x, f.dtype), ops.cast(chain.log_E, f.dtype)
    T, B, n = ops.shape(f)

    def add(t, pairs):
        here = before[t][:, :, None] + log_E + after[t][:, None, :]
        return pairs + ops.softmax(ops.reshape(here, (B, n * n)), axis=-1)

    pairs = ops.fori_loop(1, T, add, ops.zeros((B, n * n), dtype=f.dtype))
    log_c = ops.sum(ops.reshape(ops.max(log_x + f, axis=-1), (-1, RESCALE, B)), axis=1)
    gamma = ops.softmax(f[:-1] + after[:-1], axis=-1)
    return tuple(ops.cast(v, "float32") for v in (gamma, ops.reshape(pairs, (B, n, n)), log_c))


# Checks


def _sound(emit, tags, mask):
    """Rows with a real step, no hole in the mask, and there scores that are finite and tags in 0..K-1.

    ->  bool (B,)
    """
    steps = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
    first = ops.arange(ops.shape(mask)[1]) < steps
    good = (tags >= 0) & (tags < emit.shape[2]) & ops.isfinite(ops.sum(emit, axis=-1))
    return ops.all((mask == first) & (good | ~mask), axis=1) & (steps[:, 0] > 0)


def _checked(emit, trans, mask, start, end, tags=None):
    """The arguments as float32, bool and int32 tensors with defaults; ValueError where they do not fit."""
    emit, trans = (ops.convert_to_tensor(v) for v in (emit, trans))
    B, T, K = _check_shape("emit", emit, (None, None, None), "(batch, steps, tags)")
    start, end = (ops.zeros((K,)) if v is None else ops.convert_to_tensor(v) for v in (start, end))
    mask = ops.ones_like(emit[..., 0], dtype="bool") if mask is None else ops.convert_to_tensor(mask)
    as_emit = f", as emit has shape ({B}, {T}, {K})"
    _check_shape("trans", trans, (K, K), f"({K}, {K}){as_emit}")
    _check_shape("start", start, (K,), f"({K},){as_emit}")
    _check_shape("end", end, (K,), f"({K},){as_emit}")
    _check_shape("mask", mask, (B, T), f"({B}, {T}){as_emit}")
    _check_mask(mask)
    for name, v in {"trans": trans, "start": start, "end": end}.items():
        _check_finite(name, v)
    _check_finite("emit", emit, mask)
    emit, trans, start, end = (ops.cast(v, "float32") for v in (emit, trans, start, end))
    checked = emit, trans, mask, start, end
    if tags is None:
        return checked
    tags = ops.convert_to_tensor(tags)
    _check_shape("tags", tags, (B, T), f"({B}, {T}){as_emit}")
    _check_tags(tags, mask, K)
    return *checked, ops.cast(tags, "int32")


def _check_shape(name, v, wanted, words):
    came = tuple(v.shape)
    agree = len(came) == len(wanted)
    agree = agree and all(None in pair or len(set(pair)) == 1 for pair in zip(came, wanted, strict=True))
    if not agree or 0 in came:
        raise ValueError(f"{name} has shape {came}; it must be {words}")
    return came


def _check_mask(mask):
    if keras.backend.standardize_dtype(mask.dtype) != "bool":
        raise ValueError(f"mask has dtype {keras.backend.standardize_dtype(mask.dtype)}; it must be bool")
    mask = _values(mask)
    if mask is None:
        return
    if not mask.any(axis=1).all():
        row = mask.any(axis=1).argmin()
        raise ValueError(f"mask row {row} is False throughout; leave out sequences without a step")
    holes = np.argwhere(mask[:, 1:] & ~mask[:, :-1])
    if len(holes):
        row, step = holes[0]
        raise ValueError(
            f"mask row {row} has a False before a True, at step {step}; padding goes at the end of a row"
        )


def _check_finite(name, v, mask=None):
    v = _values(v)
    if v is None:
        return
    bad = ~np.isfinite(v.astype("float32"))
    if mask is not None:
        bad &= _values(mask)[..., None]
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise ValueError(f"{name} is {v[place]} at {place}; scores must be finite, FORBIDDEN = {FORBIDDEN:g}")


def _check_tags(tags, mask, K):
    dtype = keras.backend.standardize_dtype(tags.dtype)
    if "int" not in dtype:
        raise ValueError(f"tags has dtype {dtype}; tags are integers")
    tags, mask = _values(tags), _values(mask)
    if tags is None or mask is None:
        return
    bad = np.argwhere(mask & ((tags < 0) | (tags >= K)))
    if len(bad):
        row, step = bad[0]
        raise ValueError(f"tag {tags[row, step]} in row {row} at step {step}; with {K} tags use 0 to {K - 1}")


def _values(v):
    """The values as numpy, or None while a graph is traced, where there are none."""
    if keras.backend.backend() == "tensorflow":
        return v.numpy() if hasattr(v, "numpy") else None
    try:
        return ops.convert_to_numpy(v)
    except TypeError:  # a tracer of JAX
        return None
