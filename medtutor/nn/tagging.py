"""Chapter 5 for later chapters: a dictionary, a CRF on features made by hand, and a BiLSTM-CRF tag tokens.

Importing it loads Keras. The functions are those of the chapter, word for word. Everywhere x is rows of
tokens, y rows of BIO tags, a tag a token, and `unit` says what a token is: "words" or "characters".
"""

import re
from collections import Counter, defaultdict
from itertools import chain, pairwise
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds

from medtutor import tags as bio
from medtutor.metrics import entity_f1
from medtutor.nn.crf import CRF, CRFLoss, allowed_transitions, best_path
from medtutor.nn.feeding import feed_without_tuning

feed_without_tuning()

# A dictionary


def dictionary(x, y):
    """The names of the entities in small letters, each with its commonest type: {(token, ...): type}"""
    types = defaultdict(Counter)
    for tokens, tags in zip(x, y, strict=True):
        for start, end, kind in bio.spans(tags):
            types[tuple(token.lower() for token in tokens[start:end])][kind] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in types.items()}


def look_up(names, tokens):
    """Tags of one row: from left to right the longest run of tokens that is a name. A tuple of str."""
    tokens, found, start = tuple(token.lower() for token in tokens), [], 0
    longest = max(map(len, names), default=0)
    while start < len(tokens):
        ends = range(min(start + longest, len(tokens)), start, -1)
        end = next((end for end in ends if tokens[start:end] in names), None)
        if end:
            found.append((start, end, names[tokens[start:end]]))
        start = end or start + 1
    return bio.tags(len(tokens), found)


# A CRF on features made by hand


def features(tokens, unit="words"):
    """What can be said of each token of a row, in words such as "w=fever": a list of str for each token."""
    return {"words": _features_of_words, "characters": _features_of_characters}[_known(unit)](tokens)


def _features_of_words(tokens):
    """Each word itself, its ends and shape, its neighbours, and the heading that it follows."""
    words = ["^^", "^", *(token.lower() for token in tokens), "$", "$$"]
    heading, rows = "-", []
    for i, token in enumerate(tokens, 2):
        word = words[i]
        row = [f"w={word}", f"s={shape(token)[:6]}", f"h={heading}", "1"]
        row += [f"<{n}={word[:n]}" for n in (2, 3, 4)] + [f">{n}={word[-n:]}" for n in (2, 3, 4)]
        row += [f"{d}={words[i + d]}" for d in (-2, -1, 1, 2)]
        row += [f"-1:{words[i - 1]} {word}", f"+1:{word} {words[i + 1]}", f"<>{words[i - 1]} {words[i + 1]}"]
        row += [f"-21:{words[i - 2]} {words[i - 1]}", f"+12:{words[i + 1]} {words[i + 2]}"]
        rows.append(row)
        if token == ":":
            heading = words[i - 1]
    return rows


def _features_of_characters(tokens):
    """Each character itself, alone and with its neighbours, and the heading that it follows."""
    padded = ["^^", "^", *tokens, "$", "$$"]
    heading, rows = "-", []
    for i, token in enumerate(tokens, 2):
        around = padded[i - 2 : i + 3]
        row = ["1", f"h={heading}", f"d={token.isdigit()}", f"a={token.isascii()}"]
        row += [f"{d}={c}" for d, c in zip((-2, -1, 0, 1, 2), around, strict=True)]
        row += [f"{d}b={around[d + 2]}{around[d + 3]}" for d in (-2, -1, 0, 1)]
        row += [f"{d}t={''.join(around[d + 2 : d + 5])}" for d in (-2, -1, 0)]
        row += [f"<>{around[1]} {around[3]}", f"<<>{around[0]}{around[1]} {around[3]}"]
        rows.append(row)
        if token == "：":
            heading = "".join(tokens[max(0, i - 4) : i - 2])
    return rows


def shape(token):
    """A word with A for each capital, a for each small letter, 0 for each digit: "HbA1c" is "AaA0a"."""
    return re.sub(r"\d", "0", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", token)))


class FeatureCRF(NamedTuple):
    """A linear-chain CRF whose emissions are sums of weights, one for each feature of a token.

    columns {feature: row of weights};  tags (K names);  weights (features, K);  trans (K, K)
    """

    columns: dict
    tags: tuple
    weights: np.ndarray
    trans: np.ndarray
    unit: str = "words"


def fit_feature_crf(x, y, unit="words", l2=0.3, iterations=80, at_least=2):
    """The FeatureCRF of least loss -log p(y | x) + l2/2 |weights|^2, summed over the rows, by L-BFGS.

    at_least  features seen less often are left out
    Source: Lafferty, McCallum and Pereira, ICML 2001.
    """
    from scipy.optimize import minimize

    said = [features(tokens, unit) for tokens in x]
    counts = Counter(chain.from_iterable(chain.from_iterable(said)))
    columns = {name: i for i, name in enumerate(name for name, n in counts.items() if n >= at_least)}
    tags = tuple(sorted(set(chain.from_iterable(y))))
    order, steps = by_step([len(tokens) for tokens in x])
    X = one_hot_features([said[row][step] for row, step in order], columns)
    gold = np.array([tags.index(y[row][step]) for row, step in order])
    start = np.zeros(len(tags) * (len(columns) + len(tags)))
    loss = _loss_of_features(X, gold, len(tags), steps, l2)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations}).x
    weights, trans = _parted(found, len(tags))
    return FeatureCRF(columns, tags, weights, trans, unit)


def _loss_of_features(X, gold, K, steps, l2):
    """theta -> (loss, its gradient), which is expected minus observed counts."""
    observed, back = np.eye(K)[gold], X.T.tocsr()
    moves = np.zeros((K, K))
    for before, now in zip(steps, steps[1:], strict=False):
        np.add.at(moves, (gold[before][: now.stop - now.start], gold[now]), 1)

    def loss(theta):
        weights, trans = _parted(theta, K)
        emit = X @ weights  # (tokens, K)
        log_z, at_tag, at_pair = forward_backward(emit, trans, steps)
        score = (emit * observed).sum() + (trans * moves).sum()
        slope = np.concatenate([(back @ (at_tag - observed)).ravel(), (at_pair - moves).ravel()])
        return log_z - score + l2 / 2 * theta @ theta, slope + l2 * theta

    return loss


def _parted(theta, K):
    return theta[: -K * K].reshape(-1, K), theta[-K * K :].reshape(K, K)


def one_hot_features(said, columns):
    """A sparse matrix (tokens, features) with 1 where a token has a feature."""
    from scipy.sparse import csr_matrix

    kept = [[columns[name] for name in row if name in columns] for row in said]
    indices = np.fromiter(chain.from_iterable(kept), dtype=np.int32)
    return csr_matrix(
        (np.ones(len(indices)), indices, np.cumsum([0, *map(len, kept)])), shape=(len(kept), len(columns))
    )


def by_step(lengths):
    """All tokens (row, step), first those of step 0, longest row first; and the slice of each step."""
    rows = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    order, steps = [], []
    for step in range(max(lengths)):
        here = [(row, step) for row in rows if lengths[row] > step]
        steps.append(slice(len(order), len(order) + len(here)))
        order += here
    return order, steps


def forward_backward(emit, trans, steps):
    """log Z summed over the rows, marginals (tokens, K), expected transitions (K, K); each step sums to 1."""
    moves, top = np.exp(trans), emit.max(1, keepdims=True)
    local = np.exp(emit - top)
    alpha, scale = np.empty_like(local), np.empty((len(local), 1))
    before = None
    for now in steps:
        a = local[now] if before is None else local[now] * (before[: now.stop - now.start] @ moves)
        scale[now] = a.sum(1, keepdims=True)
        alpha[now] = before = a / scale[now]
    beta, pairs = np.ones_like(local), np.zeros_like(moves)
    for before, now in zip(steps[-2::-1], steps[:0:-1], strict=True):
        earlier = slice(before.start, before.start + now.stop - now.start)
        message = local[now] * beta[now] / scale[now]
        beta[earlier] = message @ moves.T
        pairs += alpha[earlier].T @ message
    return float(np.log(scale).sum() + top.sum()), alpha * beta, pairs * moves


def tag_by_features(model, x):
    """The best row of tags for each row of tokens, by Viterbi: n tuples of str."""
    said = chain.from_iterable(features(tokens, model.unit) for tokens in x)
    emit = one_hot_features(list(said), model.columns) @ model.weights
    lengths = np.array([len(tokens) for tokens in x])
    mask = np.arange(lengths.max()) < lengths[:, None]
    padded = np.zeros((*mask.shape, len(model.tags)), "float32")
    padded[mask] = emit
    paths = ops.convert_to_numpy(best_path(padded, model.trans.astype("float32"), mask))
    return [tuple(model.tags[k] for k in path[:n]) for path, n in zip(paths, lengths, strict=True)]


# From tokens to numbers


class Codes(NamedTuple):
    """The numbers that a tagger knows its tokens by: 0 is padding, 1 is whatever was not seen in training.

    words, parts, letters  {name: number}; without an entry where the tagger does not look at them
    tags                   K names
    """

    words: dict
    parts: dict
    letters: dict
    tags: tuple
    unit: str = "words"


def codes(x, y, unit="words", at_least=1, letters=False):
    """The Codes of a training set; letters=True for a character CNN."""
    everything = chain.from_iterable
    return Codes(
        vocabulary(everything(map(normal, tokens) for tokens in x), at_least),
        vocabulary(everything(everything(parts(tokens, unit) for tokens in x)), at_least + 1),
        vocabulary(everything(everything(x)), at_least) if letters else {},
        tuple(sorted(set(everything(y)))),
        unit,
    )


def normal(token):
    """A token as the vocabulary knows it: in small letters, each digit a 0."""
    return re.sub(r"\d", "0", token.lower())


def vocabulary(names, at_least=1):
    """{name: number}, the commonest first, from 2 on: 0 is padding and 1 whatever is not in it."""
    counts = Counter(names).most_common()
    return {name: number for number, (name, n) in enumerate(counts, 2) if n >= at_least}


def parts(tokens, unit="words"):
    """Of each word its shape, first 3 and last 2, 3, 4 letters; of each character the pairs that it is in."""
    if _known(unit) == "words":
        return [_parts_of_word(token) for token in tokens]
    row = ["^", *tokens, "$"]
    return [(f"<{row[i - 1]}{row[i]}", f">{row[i]}{row[i + 1]}") for i in range(1, len(row) - 1)]


def _parts_of_word(token):
    word, short = normal(token), re.sub(r"(.)\1{2,}", r"\1\1", shape(token))
    return f"s={short}", f"<3={word[:3]}", *(f">{n}={word[-n:]}" for n in (2, 3, 4))


LETTERS = 16  # of a word that a character CNN reads


def encode(codes, x):
    """What a tagger reads of n rows of tokens, as int32: 0 under padding, 1 for what is not known.

    ->  {"words": (n, T), "parts": (n, T, F), "letters": (n, T, LETTERS)}, T as `width` says
    """
    encoded = {"words": numbers([list(map(normal, tokens)) for tokens in x], codes.words)}
    if codes.parts:
        columns = zip(*chain.from_iterable(parts(tokens, codes.unit) for tokens in x), strict=True)
        encoded["parts"] = _stacked(x, columns, codes.parts)
    if codes.letters:
        columns = ([token[i : i + 1] for tokens in x for token in tokens] for i in range(LETTERS))
        encoded["letters"] = _stacked(x, columns, {"": 0, **codes.letters})
    return encoded


def width(lengths):
    """The longest of some rows, rounded up to a multiple of 8: few shapes, and what the CRF's loop takes."""
    return -(-int(max(lengths)) // 8) * 8


def numbers(rows, vocabulary, unknown=1, padding=0):
    """Rows of names as numbers, int32 (n, T)."""
    encoded = np.full((len(rows), width(map(len, rows))), padding, "int32")
    for i, row in enumerate(rows):
        encoded[i, : len(row)] = [vocabulary.get(name, unknown) for name in row]
    return encoded


def _stacked(x, columns, vocabulary):
    """Numbers (n, T, columns) of several names a token, each column going through all rows."""
    lengths = np.array([len(tokens) for tokens in x])
    real = np.arange(width(lengths)) < lengths[:, None]
    columns = [[vocabulary.get(name, 1) for name in column] for column in columns]
    stacked = np.zeros((*real.shape, len(columns)), "int32")
    stacked[real] = np.transpose(columns)
    return stacked


def encode_tags(codes, y):
    """Rows of tags as numbers, int32 (n, T); -1 under padding."""
    known = {tag: number for number, tag in enumerate(codes.tags)}
    if strange := set(chain.from_iterable(y)) - set(known):
        raise ValueError(f"tag {min(strange)!r} is not among {', '.join(codes.tags)}")
    return numbers(y, known, padding=-1)


# Vectors of words from text without tags


def met(rows, words, reach=2):
    """How often any two of the words stand within `reach` tokens of each other: a sparse matrix."""
    number, pairs = {word: i for i, word in enumerate(words)}, Counter()
    for row in rows:
        ids = [number.get(word) for word in row]
        for i, a in enumerate(ids):
            for b in ids[max(0, i - reach) : i]:
                if a is not None and b is not None:
                    pairs[a, b] += 1
                    pairs[b, a] += 1
    a, b = np.array(list(pairs), int).reshape(-1, 2).T
    return coo_matrix((np.array(list(pairs.values()), float), (a, b)), shape=(len(words),) * 2)


def word_vectors(text, words, size=50):
    """A vector for each word, by the words that stand beside it in a text. (n, size), each of length 1

    text  rows of tokens;  words  more than `size` of them. A word that meets no other gets zeros.
    Source: Levy and Goldberg, NeurIPS 2014.
    """
    if len(words) <= size:
        raise ValueError(f"{len(words)} words; vectors of {size} numbers take at least {size + 1}")
    n = met(text, words)
    n_a = np.asarray(n.sum(axis=1)).ravel()
    n.data = np.maximum(0, np.log(n.data * n_a.sum() / (n_a[n.row] * n_a[n.col])))
    if not n.data.any():
        raise ValueError("no two of the words meet in this text more often than by chance")
    u, s, _ = svds(n.tocsr(), k=size, random_state=0)
    vectors = u * np.sqrt(s)
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)  # now dot is cosine


def more_words(codes, words):
    """The Codes with further words, which were not seen in training and have a vector from elsewhere."""
    known = dict(codes.words)
    for word in words:
        known.setdefault(normal(word), len(known) + 2)
    return codes._replace(words=known)


def start_from(model, codes, words, vectors):
    """The same tagger, which starts from these vectors of words; the other words' stay as they are.

    words    n of them, each in `codes`;  vectors  (n, the size of the tagger's vectors)
    """
    embeddings = (each for each in model.layers if isinstance(each, layers.Embedding))
    layer = next(each for each in embeddings if each.input is model.input["words"])
    if vectors.shape != (len(words), layer.output_dim):
        wanted = f"{len(words)} words need an array ({len(words)}, {layer.output_dim})"
        raise ValueError(f"vectors of shape {vectors.shape}; for this tagger {wanted}")
    if strange := [word for word in words if normal(word) not in codes.words]:
        raise ValueError(f"{strange[0]!r} is not in the codes; add it with more_words(codes, words)")
    table = layer.get_weights()[0]
    table[[codes.words[normal(word)] for word in words]] = vectors
    layer.set_weights([table])
    return model


# The neural tagger


def tagger(codes, size=100, units=100, dropout=0.5, crf=True):
    """Words, their parts and letters -> vectors -> BiLSTM -> a score for each tag -> CRF or softmax.

    size   of a word's vector;  units  of the LSTM in each direction
    crf    False: each token's tag by itself, as probabilities
    It reads what `encode` gives and answers (n, T, K). Source: Lample et al., NAACL 2016.
    """
    shapes = input_shapes(codes)
    inputs = {name: keras.Input(each, dtype="int32", name=name) for name, each in shapes.items()}
    mask = ops.not_equal(inputs["words"], 0)
    x = layers.Dropout(dropout)(vectors(codes, inputs, size))  # (n, T, size of all vectors)
    lstm = layers.LSTM(units, return_sequences=True)
    x = layers.Dropout(dropout)(layers.Bidirectional(lstm)(x, mask=mask))  # (n, T, 2 units)
    z = layers.Dense(len(codes.tags), name="emissions")(x)  # (n, T, K)
    if crf:
        return keras.Model(inputs, CRF(allowed_transitions(codes.tags), name="crf")(z, mask=mask))
    return keras.Model(inputs, layers.Activation("softmax", name="softmax")(z))


def input_shapes(codes):
    """The shape of each input of a tagger, without the batch."""
    shapes = {"words": (None,)}
    if codes.parts:
        shapes["parts"] = (None, len(parts(["a"], codes.unit)[0]))
    if codes.letters:
        shapes["letters"] = (None, LETTERS)
    return shapes


def vectors(codes, inputs, size=100, of_part=20, filters=50):
    """The vectors of each token, side by side: of the word, of its parts, of its letters."""
    sides = [layers.Embedding(len(codes.words) + 2, size)(inputs["words"])]
    if "parts" in inputs:
        each = layers.Embedding(len(codes.parts) + 2, of_part)(inputs["parts"])  # (n, T, F, of_part)
        sides.append(layers.Reshape((-1, each.shape[2] * of_part))(each))
    if "letters" in inputs:
        sides.append(letter_cnn(codes, inputs["letters"], filters))
    return layers.Concatenate()(sides) if len(sides) > 1 else sides[0]


def letter_cnn(codes, letters, filters=50, size=25):
    """What each filter over three letters answers at its best place. (n, T, L) -> (n, T, filters)

    Source: Ma and Hovy, ACL 2016.
    """
    x = layers.Embedding(len(codes.letters) + 2, size)(letters)  # (n, T, L, size)
    x = layers.Conv2D(filters, (1, 3), padding="same", activation="relu")(x)
    return ops.max(x, axis=2)


class Sentences(keras.utils.PyDataset):
    """Shuffled batches of sentences of about one length; rare words are at random taken for unknown.

    A word that training holds n times is taken for unknown with the probability unknown / (unknown + n).
    Source: Kiperwasser and Goldberg, TACL 4, 2016, section 4.
    """

    def __init__(self, codes, x, y, seed=0, batch=32, unknown=0.3):
        super().__init__()
        self.x, self.y = encode(codes, x), encode_tags(codes, y)
        self.lengths, self.batch = np.array([len(tokens) for tokens in x]), batch
        seen = np.bincount(self.x["words"].ravel())
        self.unknown = np.where(np.arange(len(seen)) < 2, 0, unknown / np.maximum(unknown + seen, 1e-9))
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        rows = self.batches[i]
        x, y = cut(self.x, rows, self.lengths), cut({"tags": self.y}, rows, self.lengths)
        unknown = self.rng.random(x["words"].shape) < self.unknown[x["words"]]
        return {**x, "words": np.where(unknown, 1, x["words"])}, y["tags"]

    def on_epoch_end(self):
        """Keras learns from the first two batches that lengths vary: so the shortest and the longest lead."""
        order = np.argsort(self.lengths + self.rng.uniform(0, 4, len(self.lengths)))
        batches = np.split(order, range(self.batch, len(order), self.batch))
        last = len(batches) - 1
        lead = [0, last][: last + 1]
        self.batches = [batches[i] for i in (*lead, *self.rng.permutation(np.arange(1, last)))]


def cut(encoded, rows, lengths):
    """Some rows of what `encode` gives, without the padding that they do not need."""
    return {name: each[rows, : width(lengths[rows])] for name, each in encoded.items()}


class Validation(keras.callbacks.Callback):
    """After each epoch the F1 of a validation set, logs["val_f1"]; at the end the weights of the best one."""

    def __init__(self, codes, val):
        super().__init__()
        self.codes, self.val, self.best, self.weights = codes, val, -1.0, None

    def on_epoch_end(self, epoch, logs=None):
        logs["val_f1"] = entity_f1(self.val.y, tag(self.model, self.codes, self.val.x))
        if logs["val_f1"] > self.best:
            self.best, self.weights = logs["val_f1"], self.model.get_weights()

    def on_train_end(self, logs=None):
        self.model.set_weights(self.weights)


def train_tagger(
    make, codes, train, val, epochs=10, seed=0, rate=3e-3, batch=32, unknown=0.3, callbacks=(), **options
):
    """A new tagger from make(), trained with Adam on a cosine, as it was after its best epoch on `val`.

    train, val  with x and y, as the loaders give them;  callbacks come after "val_f1" is known
    options     go to `fit`  ->  (model, history with "loss" and "val_f1")
    """
    keras.utils.set_random_seed(seed)
    model, sentences = make(), Sentences(codes, train.x, train.y, seed, batch, unknown)
    steps = len(sentences)
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 10, max(epochs - 1, 1) * steps, warmup_target=rate, warmup_steps=steps
    )
    softmax = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    loss = CRFLoss() if isinstance(model.layers[-1], CRF) else softmax
    adam = keras.optimizers.Adam(schedule, beta_2=0.98, global_clipnorm=5.0)
    model.compile(adam, loss, jit_compile=False, steps_per_execution=16)
    callbacks = [Validation(codes, val), *callbacks]
    return model, model.fit(sentences, epochs=epochs, callbacks=callbacks, verbose=0, **options).history


# Tagging


def tag(model, codes, x):
    """The tags that a model gives to rows of tokens: n tuples of str."""
    answers = predicted(model, codes, x)
    return [tuple(codes.tags[k] for k in p.argmax(1)) for p in answers]


def predicted(model, codes, x, batch=64):
    """What a model answers for rows of tokens: n arrays (tokens, K)."""
    encoded, lengths = encode(codes, x), np.array([len(tokens) for tokens in x])
    order, answers = np.argsort(lengths, kind="stable"), [None] * len(x)
    for rows in np.split(order, range(batch, len(order), batch)):
        for row, p in zip(rows, model.predict_on_batch(cut(encoded, rows, lengths)), strict=True):
            answers[row] = p[: lengths[row]]
    return answers


def probabilities(model):
    """A model that answers the probability of each tag instead of the best path: the CRF's marginals."""
    crf = model.layers[-1]
    if not isinstance(crf, CRF):
        return model
    mask = ops.not_equal(model.input["words"], 0)
    p = crf(model.get_layer("emissions").output, mask=mask, output="marginals")
    return keras.Model(model.input, p)


def impossible(tags):
    """How many tags of a row cannot be where they are: I-x that follows neither B-x nor I-x."""
    return sum(now[0] == "I" and before[1:] != now[1:] for before, now in pairwise(("O", *tags)))


def _known(unit):
    if unit not in ("words", "characters"):
        raise ValueError(f"unit is {unit!r}; use 'words' or 'characters'")
    return unit
