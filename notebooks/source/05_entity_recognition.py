# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] id="opening" tags=["slide"]
# # 5 · BiLSTM-CRF entity recognition: what does this note say?
#
# A hospital writes more text than anybody can read. *How many patients with a deep vein thrombosis got warfarin?* The
# answer stands in a hundred thousand notes, in words that nobody has marked: **deep vein thrombosis**, **DVT**, or a
# typing error. To find such names, say of each what it is, and where it begins and ends, is **named entity
# recognition**. It is the first step of nearly everything that is done with clinical text.
#
# **You will be able to** write entities as tags and back; count what a reader found, missed and invented; build an
# LSTM step and a conditional random field by hand, and prove them against all paths; train three readers on the same
# notes and say which one won; put one of them to work on a text.
#
# **You need** chapter 1's idea of a model that is trained, and logarithms. No GPU, no network. **Data:** invented
# notes. **Not for:** any decision about a patient. The notes come from a table of simplified medicine and from
# sentences that we wrote; no hospital writes like that.
#
# **In a hurry?** Sections 5.2, 5.3, 5.7 and 5.8 carry the rest.

# %% id="first-look" tags=["slide-on", "slide-output"]
import numpy as np

from medtutor import result
from medtutor.data import load_notes
from medtutor.plot import show_entities

train, val, test = (load_notes(s, sentences=True) for s in ("train", "val", "test"))
note = test.extra["notes"][1929]  # a short one that holds all five types
show_entities(
    [note], alt="A short note of an invented patient. Each disease, symptom, drug, test and part of the "
    "body stands in a frame with its type."
)

# %% [markdown] id="opening-notes" tags=["notes"] minutes=3
# Give the room half a minute with the note and one question: which words would you mark, and where does each end?
# Collect two answers that differ. Then name the three readers of the chapter: a list of names, a model with features
# made by hand, a network.

# %% [markdown] id="three-readers"
# ## 5.1 A note, and three readers
#
# Three kinds of readers will be asked what this note says:
#
# 1. a **dictionary** that knows all names from the training notes,
# 2. a **feature CRF**, the strong classical model: features by hand, and tags that are chosen together,
# 3. a **BiLSTM-CRF**: a network that learns its features, and the same way of choosing tags.
#
# A text becomes a row of **tokens**: words, numbers and signs. Each sentence is an example; a patient's sentences
# all lie in one pile.

# %% id="counted"
piles = train, val, test
print("patients ", [len(set(pile.patients)) for pile in piles])
print("sentences", [len(pile.x) for pile in piles])
print("tokens   ", [sum(map(len, pile.x)) for pile in piles])
print("types    ", *test.classes)

# %% [markdown] id="tags-intro" tags=["slide"]
# ## 5.2 Tags
#
# A reader that answers token by token can mark an entity by a **tag** on each token: **B** on its first token
# ("begin"), **I** on the others ("inside"), each with the type, and **O** outside of all. This is **BIO**.

# %% id="tags-by-hand" tags=["slide-on", "slide-output", "slide-reveal"]
tokens = ["denies", "chest", "pain", "or", "fever", ";", "takes", "aspirin"]
tags = ["O", "B-symptom", "I-symptom", "O", "B-symptom", "O", "O", "B-drug"]
for token, tag in zip(tokens, tags, strict=True):
    print(f"{token:9}{tag}")

# %% [markdown] id="tags-notes" tags=["notes"] minutes=4
# Write the eight tokens on the board, *denies chest pain or fever ; takes aspirin*, and let everybody tag them before
# the key. Ask why a B is needed at all before the next one. Stumbling point: *denies* is O. Tags say what is
# mentioned, not what is true; that comes back in section 5.10.

# %% [markdown] id="exercise-bio-intro" tags=["fragment"]
# Why a B at all? Because two names may stand side by side, *fever cough*, and would be one without it. **Your turn:
# `bio_tags`**, from entities to tags.

# %% id="exercise-bio" tags=["exercise"]
# exercise: bio_tags

# %% id="check-bio"
from medtutor.exercises import check, hint, solution

check(bio_tags)  # stuck? hint("bio_tags"), later solution("bio_tags")

# %% [markdown] id="exercise-entities-intro"
# And back. An entity is **(start, end, type)**, its end one past the last token, as in Python's slices. **Your turn:
# `entities_of`.** A model may write nonsense such as an I after an O; here such an I begins nothing.

# %% id="exercise-entities" tags=["exercise"]
# exercise: entities_of

# %% id="check-entities"
check(entities_of)  # stuck? hint("entities_of"), later solution("entities_of")

# %% [markdown] id="spans-intro"
# From here on the package does it, with two ways to read nonsense: **strict** as above, or lenient, in which a stray
# I begins an entity. The strict reading is ours; a paper should say which one it used, since a model that writes
# nonsense gains by the lenient one.

# %% id="spans-code"
from medtutor.tags import spans

nonsense = ["O", "I-drug", "O", "B-drug", "I-disease"]
print("by hand ", spans(tags))
print("strict  ", spans(nonsense))
print("lenient ", spans(nonsense, strict=False))

# %% [markdown] id="bioes-intro"
# **BIOES** also marks the last token (E) and an entity of a single token (S). More tags mean more that can be
# forbidden, and fewer examples of each. With five types:

# %% id="bioes"
from medtutor.tags import convert

names = ["O", *(f"{prefix}-{kind}" for kind in train.classes for prefix in "BI")]
print(convert(tags, "BIOES"))
print("tags in BIO", len(names), " in BIOES", 1 + 4 * len(train.classes))
used = {tag for row in train.y for tag in row}
print("all of them occur:", used == set(names))

# %% [markdown] id="measures" tags=["slide"]
# ## 5.3 Measures: count entities, not tokens
#
# Most tokens are O. A program that finds **nothing** gets all of those right:

# %% id="token-accuracy-useless" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.metrics import token_accuracy

nothing = [["O"] * len(row) for row in test.y]
result("token accuracy of finding nothing", token_accuracy(test.y, nothing), within=0.001)

# %% [markdown] id="f1-intro" tags=["fragment"] facts="0.333"
# So count **entities**, and let one count only if it is right as a whole: both ends and the type. Three counts: in
# both, called, true.
#
# $$\text{precision} = \frac{\text{both}}{\text{called}} \qquad \text{recall} = \frac{\text{both}}{\text{true}} \qquad
# F_1 = \frac{2\,\text{both}}{\text{called} + \text{true}}$$
#
# By hand: *chest pain* is called as *chest* only, *fever* is missed, *aspirin* is found, and *takes* is called a
# drug. Both: 1, called: 3, true: 3. Precision 1/3 = 0.333, recall the same, and so is $F_1$.

# %% id="f1-by-hand" tags=["fragment", "slide-output"]
from medtutor.metrics import entity_counts, entity_f1, entity_precision, entity_recall

called = ["O", "B-symptom", "O", "O", "O", "O", "B-drug", "B-drug"]
both, n_called, n_true = entity_counts([tags], [called]).sum(axis=0)
print("both", both, " called", n_called, " true", n_true)
result("F1 by hand   ", 2 * both / (n_called + n_true), within=0.001)
result("F1           ", entity_f1([tags], [called]), within=0.001)
result("token accuracy", token_accuracy([tags], [called]), within=0.001)

# %% [markdown] id="measures-notes" tags=["notes"] minutes=4
# Ask for the token accuracy of a program that finds nothing. Then four cases on the board before the last key:
# *chest* is called for *chest pain*, *fever* is missed, *aspirin* found, *takes* called a drug. Stumbling point: a
# wrong end counts twice, as invented and as missed. Ask whether half a name is of any use to them.

# %% [markdown] id="partial-intro"
# An entity with a wrong end counts **twice**: one is invented and one is missed. That is harsh on *chest*, but a
# downstream program that looks up *chest* as a symptom finds nothing either. If half a name is of use to you, count
# **partial** matches, same type and at least one token shared, and say so.

# %% id="partial"
for match in ("exact", "partial", "boundaries"):
    print(f"{match:11}", *entity_counts([tags], [called], match=match).sum(axis=0))

# %% [markdown] id="exercise-f1-intro"
# **Your turn: `entity_f1`**, pooled over sentences: count all first, divide once. (Yours has another name
# than the package's, so that nothing is overwritten.)

# %% id="exercise-f1" tags=["exercise"]
# exercise: f1_of_entities

# %% id="check-f1"
check(f1_of_entities)  # stuck? hint("f1_of_entities"), later solution(…)

# %% [markdown] id="dictionary" tags=["slide"]
# ## 5.4 What came before: a dictionary
#
# Collect every name that an entity of the training notes has, with its commonest type. In a new sentence, mark the
# **longest run** of tokens that is such a name.


# %% id="dictionary-code"
from collections import Counter, defaultdict

from medtutor import tags as bio


def dictionary(x, y):
    """The names of the entities in small letters, each with its commonest type: {(token, ...): type}"""
    types = defaultdict(Counter)
    for tokens, tags in zip(x, y, strict=True):
        for start, end, kind in bio.spans(tags):
            types[tuple(token.lower() for token in tokens[start:end])][kind] += 1
    return {name: counts.most_common(1)[0][0] for name, counts in types.items()}


# %% id="look-up-code"
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


# %% id="dictionary-result" tags=["slide-on", "slide-output", "slide-reveal"]
known = dictionary(train.x, train.y)
called = {"dictionary": [look_up(known, tokens) for tokens in test.x]}
print("names known", len(known))
for measure in (entity_precision, entity_recall, entity_f1):
    result(f"{measure.__name__}, dictionary", measure(test.y, called["dictionary"]), within=0.001)

# %% [markdown] id="dictionary-intro"
# Why does it stop there? Count the test entities whose name occurs in no training note, and the names that have more
# than one type.

# %% id="dictionary-why" tags=["fragment", "slide-output"]
def name_of(tokens, start, end):
    return tuple(token.lower() for token in tokens[start:end])


entities = [(row, *span) for row, tags in enumerate(test.y) for span in spans(tags)]
new = [name_of(test.x[row], start, end) not in known for row, start, end, _ in entities]
print("test entities", len(entities), " with a name that is not in the dictionary", sum(new))
result("share of new names", np.mean(new), within=0.001)
right = sum(known.get(name_of(test.x[row], start, end)) == kind for row, start, end, kind in entities)
print("known names with the right type", right, "of", len(entities) - sum(new))

# %% [markdown] id="dictionary-notes" tags=["notes"] minutes=4
# Ask for a bet on precision and on recall. Then the new names: ask for three ways to write *deep vein thrombosis*,
# with a typing error among them. Stumbling point: a longer list does not help with a word that has two types. Keep
# the F1 on the board; every later reader has to beat it.

# %% [markdown] id="dictionary-meaning" tags=["fragment"]
# More than half of the names are new: forms that the training notes never use, abbreviations, typing errors. No list
# is ever complete, and a list knows no sentence: *glucose* is given or measured. What a reader needs is the **form**
# of a word and the words **around** it.

# %% [markdown] id="vectors"
# ## 5.5 Words become vectors
#
# ### Vocabulary
#
# A network reads numbers. The **vocabulary** gives each token of the training notes one; 0 is padding, and 1 stands
# for everything that is not in it. All readers from here on learn from the first 800 patients, so that you need not
# wait; section 5.9 has all of them.

# %% id="vocabulary-code"
import re


def normal(token):
    """A token as the vocabulary knows it: in small letters, each digit a 0."""
    return re.sub(r"\d", "0", token.lower())


def vocabulary(names, at_least=1):
    """{name: number}, the commonest first, from 2 on: 0 is padding and 1 whatever is not in it."""
    counts = Counter(names).most_common()
    return {name: number for number, (name, n) in enumerate(counts, 2) if n >= at_least}


# %% id="vocabulary-counted" facts="800"
from medtutor.data import first_patients

few = first_patients(train, 800)
words_known = vocabulary(normal(token) for tokens in few.x for token in tokens)
print("patients", len(set(few.patients)), " sentences", len(few.x), " words", len(words_known))
unknown = [normal(token) not in words_known for tokens in test.x for token in tokens]
result("share of unknown tokens in the test notes", np.mean(unknown), within=0.001)
inside = [tag != "O" for tags in test.y for tag in tags]
share = np.mean(np.array(unknown)[inside])
result("share of unknown tokens inside entities  ", share, within=0.001)

# %% [markdown] id="parts-intro"
# One token in six is unknown, and inside entities more than one in three: they sit where it matters. What does an
# unknown word still tell? Its **parts**: *-statin* and
# *-pril* are drugs, *-itis* is a disease, *HbA1c* has a shape. So the network also gets, of each word, its shape, its
# first three letters and its last two, three and four. A **character CNN** (chapter 1's convolution, over letters)
# learns such parts by itself; the package has one, `letters=True`. Section 5.9 measures what each is worth.


# %% id="parts-code"
def shape(token):
    """A word with A for each capital, a for each small letter, 0 for each digit: "HbA1c" is "AaA0a"."""
    return re.sub(r"\d", "0", re.sub("[a-z]", "a", re.sub("[A-Z]", "A", token)))


for word in ("HbA1c", "rosuvastatin", "2.5"):
    print(f"{word:13}{shape(word):13}{word[:3]:5}{word[-4:]}")

# %% [markdown] id="embeddings" tags=["slide"] facts="18"
# ### What a word is known by
#
# Number 17 is no closer to 18 than to 400. An **embedding** gives each word a vector instead, and words that are used
# alike should get similar ones. Nobody has to label anything for that: it is enough to count **which words stand
# beside which**, in any text. We write 3,000 more notes without tags. For the words $a$ and $b$, seen together $n_{ab}$
# times within two tokens,
#
# $$\mathrm{PPMI}_{ab} = \max\left(0,\ \log\frac{n_{ab}\, n}{n_a\, n_b}\right)$$
#
# says how much more often they meet than by chance. Its largest singular vectors are the embedding (Levy and
# Goldberg, 2014, show that word2vec does nearly the same).

# %% id="unlabelled" facts="3000"
from medtutor.data import write_text

text = [[token.lower() for token in note] for note in write_text(3000)]
counts = Counter(word for row in text for word in row)
words = [word for word, count in counts.most_common() if count >= 5]
print("notes", len(text), " tokens", sum(counts.values()), " words", len(counts))
print("words seen five times or more", len(words))


# %% id="neighbours-code"
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import svds


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


# %% id="ppmi"
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


vectors = word_vectors(text, words)


# %% id="neighbours" tags=["slide-on", "slide-output", "slide-reveal"]
def neighbours(word, k=4):
    """The k words whose vectors point most nearly where this word's does."""
    nearest = np.argsort(-vectors @ vectors[words.index(word)], kind="stable")
    return [words[i] for i in nearest[1 : k + 1]]


for word in ("warfarin", "knee", "mother", "denies", "left"):
    print(f"{word:9}", *neighbours(word))

# %% [markdown] id="neighbours-notes" tags=["notes"] minutes=4
# Ask what number 17 has in common with 18: nothing. Let them guess the neighbours of *warfarin* and of *left* before
# the key. Stumbling point: opposites are neighbours, they are used alike. If somebody asks about words that were
# never seen: their parts still speak, *-statin*, *-itis*.

# %% [markdown] id="neighbours-meaning" tags=["fragment"]
# Drugs stand beside drugs, parts of the body beside parts of the body, relatives beside relatives: no one told the counts what a drug is.
# (Opposites are neighbours too, *left* and *right*: they are *used* alike. A vector knows company, not meaning.)

# %% [markdown] id="lstm" tags=["slide"]
# ## 5.6 From RNN to LSTM, and in both directions
#
# The vector of *mass* does not say whether it is a finding or a unit; its sentence does. A **recurrent network** reads
# the tokens in their order and keeps a state $h$: $h_t = \tanh(x_t W + h_{t-1} U + b)$. In the **LSTM** (Hochreiter
# and Schmidhuber, 1997) a second state $c$ is only *added to*, and gates between 0 and 1 decide how much of it is
# kept, written and shown:
#
# $$i, f, o = \sigma(x_t W_{i,f,o} + h_{t-1} U_{i,f,o} + b_{i,f,o}) \qquad g = \tanh(x_t W_g + h_{t-1} U_g + b_g)$$
#
# $$c_t = f \odot c_{t-1} + i \odot g \qquad h_t = o \odot \tanh(c_t)$$
#
# By hand, with one unit: if the forget gate is $f = 0.5$, the input gate $i = 1$, $g = 0.5$ and $c_{t-1} = 2$, then
# $c_t = 0.5 \cdot 2 + 1 \cdot 0.5 = 1.5$.
#
# **Your turn: `lstm_step`**, with all four in one matrix, in Keras' order $i, f, g, o$.

# %% id="exercise-lstm" tags=["exercise"]
# exercise: lstm_step

# %% id="check-lstm"
check(lstm_step)  # stuck? hint("lstm_step"), later solution("lstm_step")


# %% id="lstm-code"
def sigma(z):
    return 1 / (1 + np.exp(-z))


def lstm(X, W, U, b):
    """All states h (T, n) of an LSTM over the rows of X (T, d); W (d, 4n), U (n, 4n), b (4n,)."""
    h = c = np.zeros(len(U))
    states = []
    for x in X:
        i, f, g, o = np.split(x @ W + h @ U + b, 4)
        c = sigma(f) * c + sigma(i) * np.tanh(g)
        h = sigma(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


# %% id="lstm-checked"
from medtutor import quiet_start

with quiet_start():
    import keras
    from keras import layers, ops

keras.utils.set_random_seed(0)
X = np.random.default_rng(0).normal(size=(7, 5)).astype("float32")
layer = layers.LSTM(4, return_sequences=True)
states = np.array(layer(X[None]))[0]
print("states", states.shape)
print("the same by hand:", np.allclose(lstm(X, *layer.get_weights()), states, atol=1e-6))

# %% [markdown] id="both-ways" tags=["fragment"]
# **Both directions.** In *denies chest pain* the word before decides, in *mass of 5 cm* the word after. A second LSTM
# reads the sentence from its end, and the two states are laid side by side: the **BiLSTM**.

# %% [markdown] id="lstm-notes" tags=["notes"] minutes=4
# One gate at a time: what is kept, what is written, what is shown. Do one unit on the board, with $c = 2$, $f = 0.5$,
# $i = 1$, $g = 0.5$, and ask for the new $c$. Stumbling point: $c$ is added to, not overwritten; what this plus sign
# is worth comes on the next slide. Before the key ask which word decides in *mass of 5 cm*.

# %% id="bilstm-checked"
both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))
states = np.array(both(X[None]))[0]
forwards, backwards = both.get_weights()[:3], both.get_weights()[3:]
by_hand = np.hstack([lstm(X, *forwards), lstm(X[::-1], *backwards)[::-1]])
print("states", states.shape, " the same by hand:", np.allclose(by_hand, states, atol=1e-6))

# %% [markdown] id="vanishing" tags=["slide"] facts="32"
# ### How far back does it reach?
#
# A word that lies $k$ steps back is learned from only if the last state still *moves* when that word moves. In a plain
# RNN each step multiplies by $U$ and by a slope below 1, and the product **vanishes**. In an LSTM the path through $c$
# is multiplied by the forget gate alone; with a large bias of that gate it stays near 1. Measured on untrained layers
# of 32 units, as the length of the gradient $\partial h_T / \partial x_{T-k}$:


# %% id="vanishing-code"
import tensorflow as tf


def reach(layer, back, seed=0):
    """How much the last state moves with the token that lies `back` steps before: mean gradient."""
    X = tf.constant(np.random.default_rng(seed).normal(size=(16, 41, 16)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(X)
        last = ops.sum(layer(X))
    slope = np.array(tape.gradient(last, X))
    return [float(np.linalg.norm(slope[:, 40 - k], axis=-1).mean()) for k in back]


# %% id="vanishing-measured"
keras.utils.set_random_seed(0)
cells = {"RNN": layers.SimpleRNN(32), "LSTM": layers.LSTM(32), "LSTM, forget bias 3": layers.LSTM(32)}
back = [1, 2, 5, 10, 20, 40]
slopes = {name: reach(cell, back) for name, cell in cells.items()}
W, U, b = cells["LSTM, forget bias 3"].get_weights()
b[32:64] = 3
cells["LSTM, forget bias 3"].set_weights([W, U, b])
slopes["LSTM, forget bias 3"] = reach(cells["LSTM, forget bias 3"], back)
fallen = {name: values[-1] / values[0] for name, values in slopes.items()}
print("below a thousandth, 40 steps back:", [name for name in cells if fallen[name] < 1e-3])
print("the larger bias keeps a tenth:", fallen["LSTM, forget bias 3"] > 0.1)

# %% id="vanishing-shown" tags=["slide-on", "slide-reveal"]
from medtutor.plot import show_curves

show_curves(
    back, slopes, xlabel="tokens back", ylabel="length of the gradient", logy=True,
    alt="Length of the gradient against the distance, on a logarithmic axis, of three untrained layers. The plain RNN "
    "falls to less than a millionth after forty tokens, the LSTM more slowly, the one with a large "
    "forget bias hardly at all."
)

# %% [markdown] id="reach-notes" tags=["notes"] minutes=3
# Ask how far back a plain RNN can still learn from; then the curves. The axis is logarithmic: a straight line down is
# the same factor at each step. These layers are untrained. The curve says where learning can begin, not what is
# learned.

# %% [markdown] id="crf" tags=["slide"]
# ## 5.7 Why a CRF, and how
#
# ### Choosing the tags together
#
# The BiLSTM gives each token a score for each tag, its **emission** $e_t(k)$. Let a **transition** $A_{ij}$ be the
# score of tag $j$ right after tag $i$. Then a whole path $y$ of tags has a score, and a probability among **all**
# paths: that is the linear-chain **conditional random field** (Lafferty, McCallum and Pereira, 2001).
#
# $$s(y) = \sum_{t=1}^{T} e_t(y_t) + \sum_{t=2}^{T} A_{y_{t-1} y_t} \qquad P(y) = \frac{e^{s(y)}}{Z} \qquad
# Z = \sum_{y'} e^{s(y')}$$
#
# Three words and three tags are enough to see everything: 27 paths, which we can all write down.

# %% id="three-words" tags=["slide-on", "slide-reveal"]
three = ["no", "chest", "pain"]
kinds = ["O", "B", "I"]
emit = np.array([[2, 0, 0], [1, 0.5, 0], [0, 0.5, 1.5]])  # (T, K)
trans = np.array([[0.5, 0, -3], [0, -1, 1], [0, -0.5, 0.5]])  # from O, B, I to O, B, I
print("the best tag of each word:", *(kinds[k] for k in emit.argmax(axis=1)))

# %% [markdown] id="three-words-notes" tags=["notes"] minutes=5
# Read the numbers aloud: a row a word, the columns O, B, I. Let them write down the best tag of each word before the
# key, and ask what is wrong with O O I. Then let somebody add up O B I by hand. Stumbling point: *chest* does not
# change its mind by itself, it gives way to *pain*.

# %% [markdown] id="argmax-meaning" tags=["fragment"]
# Each word by itself says O O I: an entity that goes on without having begun. *Chest* hesitates between O and B, and
# it cannot know that *pain* has decided for I.
#
# **Your turn: `score_of_path`.**

# %% id="exercise-path" tags=["exercise"]
# exercise: score_of_path

# %% id="check-path"
check(score_of_path)  # stuck? hint("score_of_path"), later solution("score_of_path")


# %% id="path-code"
from itertools import product


def path_score(e, A, y):
    """s(y): emissions and transitions along the path y, numbers of tags."""
    return e[np.arange(len(y)), y].sum() + A[y[:-1], y[1:]].sum()


# %% id="all-paths" tags=["fragment", "slide-output"]
paths = [np.array(y) for y in product(range(3), repeat=3)]
scores = np.array([path_score(emit, trans, y) for y in paths])
for best in np.argsort(-scores, kind="stable")[:3]:
    print(*(kinds[k] for k in paths[best]), " score", scores[best])
print("paths", len(paths))
print("the score of O O I:", path_score(emit, trans, np.array([0, 0, 2])))

# %% [markdown] id="partition"
# The best path is O B I. The transition to I after O costs so much that *chest* changes its mind.

# %% [markdown] id="forward-intro" tags=["slide"] facts="20"
# ### The sum over all paths
#
# For the probability we need $Z$. All paths of a sentence of 20 tokens and 11 tags are more than $10^{20}$; nobody
# adds those up. The **forward algorithm** does, by carrying along, for each tag $j$, the sum over all paths that end
# there:
#
# $$\alpha_1(j) = e_1(j) \qquad \alpha_t(j) = e_t(j) + \log \sum_i e^{\alpha_{t-1}(i) + A_{ij}} \qquad \log Z = \log
# \sum_j e^{\alpha_T(j)}$$
#
# That is $T \cdot K^2$ sums in place of $K^T$. Each needs a $\log \sum \exp$, which must not overflow: $e^{1000}$ is
# infinite for a computer. Take the largest out first, $\log\sum_i e^{a_i} = m + \log \sum_i e^{a_i - m}$.
#
# **Your turn: `log_sum_exp`, then `forward_log_z`.**

# %% id="exercise-logsumexp" tags=["exercise"]
# exercise: log_sum_exp

# %% id="check-logsumexp"
check(log_sum_exp)  # stuck? hint("log_sum_exp"), later solution("log_sum_exp")

# %% id="exercise-forward" tags=["exercise"]
# exercise: forward_log_z

# %% id="check-forward"
check(forward_log_z)  # stuck? hint("forward_log_z"), later solution("forward_log_z")


# %% id="forward-code" tags=["slide-on"]
from scipy.special import logsumexp


def forward(e, A):
    """alpha (T, K): the log of the summed exp-scores of all paths that end at step t with tag j."""
    alpha = [e[0]]
    for t in range(1, len(e)):
        alpha.append(e[t] + logsumexp(alpha[-1][:, None] + A, axis=0))
    return np.array(alpha)


# %% id="forward-checked" tags=["slide-on", "slide-output", "slide-reveal"]
log_z = logsumexp(forward(emit, trans)[-1])
result("log Z by the forward algorithm", log_z, within=0.0005)
result("log Z by all 27 paths         ", np.log(np.exp(scores).sum()), within=0.0005)
result("probability of the best path  ", np.exp(scores.max() - log_z), within=0.0005)

# %% [markdown] id="forward-notes" tags=["notes"] minutes=5
# Ask how many paths twenty tokens and eleven tags have, and who will add them up. Do one $\alpha$ on the board: all
# ways into *chest* as O. Stumbling point: the log of a sum is no sum of logs; take the largest out first. Then the
# key: the same number by two ways, and that is the proof.

# %% [markdown] id="viterbi-intro" tags=["slide"] facts="1.5"
# ### The best path
#
# Put a maximum in place of the sum, remember for each tag **which one it came from**, and walk back from the end:
#
# $$\delta_t(j) = e_t(j) + \max_i\,(\delta_{t-1}(i) + A_{ij})$$
#
# That is the **Viterbi algorithm** (1967). By hand, at *chest*: to O from O is 1 + (2 + 0.5) = 3.5, to B from O is
# 0.5 + (2 + 0) = 2.5, to I from B is 0 + (0 + 1) = 1. At *pain*: to I from B is 1.5 + (2.5 + 1) = 5, the largest; back
# from there: B, then O.
#
# **Your turn: `viterbi_path`.**

# %% id="exercise-viterbi" tags=["exercise"]
# exercise: viterbi_path

# %% id="check-viterbi"
check(viterbi_path)  # stuck? hint("viterbi_path"), later solution("viterbi_path")


# %% id="viterbi-code"
def viterbi(e, A):
    """The path of the highest score, as a list of tag numbers; also delta (T, K)."""
    delta, came_from = [e[0]], []
    for t in range(1, len(e)):
        through = delta[-1][:, None] + A  # (from, to)
        came_from.append(through.argmax(axis=0))
        delta.append(e[t] + through.max(axis=0))
    path = [int(delta[-1].argmax())]
    for pointers in reversed(came_from):
        path.append(int(pointers[path[-1]]))
    return path[::-1], np.array(delta)


# %% id="viterbi-checked" tags=["slide-on", "slide-output", "slide-reveal"]
path, delta = viterbi(emit, trans)
print("best path", *(kinds[k] for k in path))
print(delta)
rng = np.random.default_rng(0)
same = 0
for _ in range(200):
    e, A = rng.normal(size=(4, 3)), rng.normal(size=(3, 3))
    tried = max(product(range(3), repeat=4), key=lambda y: path_score(e, A, np.array(y)))
    same += viterbi(e, A)[0] == list(tried)
print("as by trying all paths:", same, "of 200")

# %% [markdown] id="viterbi-notes" tags=["notes"] minutes=4
# One thing differs from the slide before: a maximum in place of the sum. Let them fill in the three numbers at
# *chest* by hand, then walk back from *pain* with a finger. Stumbling point: whoever forgets where each maximum came
# from has a score and no path.

# %% [markdown] id="marginals-intro" tags=["slide"]
# ### How sure at each token?
#
# $P(y_t = k)$, the share of all paths that pass tag $k$ at step $t$, is a **marginal**. It needs the sum over the
# *rest* of the sentence as well, the same recursion from the end:
#
# $$\beta_T(i) = 0 \qquad \beta_t(i) = \log \sum_j e^{A_{ij} + e_{t+1}(j) + \beta_{t+1}(j)} \qquad P(y_t = k) =
# e^{\alpha_t(k) + \beta_t(k) - \log Z}$$
#
# **Your turn: `tag_marginals`.**

# %% id="exercise-marginals" tags=["exercise"]
# exercise: tag_marginals

# %% id="check-marginals"
check(tag_marginals)  # stuck? hint("tag_marginals"), later solution("tag_marginals")


# %% id="marginals-code"
def backward(e, A):
    """beta (T, K): the log of the summed exp-scores of all ways on from tag i at step t."""
    beta = [np.zeros(e.shape[1])]
    for t in range(len(e) - 1, 0, -1):
        beta.append(logsumexp(A + e[t] + beta[-1], axis=1))
    return np.array(beta[::-1])


def marginals(e, A):
    """P(y_t = k): (T, K), each row sums to 1."""
    alpha = forward(e, A)
    return np.exp(alpha + backward(e, A) - logsumexp(alpha[-1]))


# %% id="marginals-checked" tags=["slide-on", "slide-output", "slide-reveal"]
p = np.exp(scores - log_z)
counted = np.zeros((3, 3))
for y, share in zip(paths, p, strict=True):
    counted[np.arange(3), y] += share
print("the same by all paths:", np.allclose(counted, marginals(emit, trans)))
result("how sure that chest is a B", marginals(emit, trans)[1, 1], within=0.0005)

# %% [markdown] id="gradient-intro" tags=["fragment"]
# ### What training does
#
# The loss of one sentence is $-\log P(y) = \log Z - s(y)$. Its slope in an emission is a difference of two counts:
# what the model **expects** less what was **observed**,
#
# $$\frac{\partial\,(-\log P)}{\partial e_t(k)} = P(y_t = k) - [y_t = k]$$
#
# and for a transition the expected number of times that $j$ follows $i$ less the observed number. Training stops
# where the model expects what it sees. We check it by moving each emission a little:

# %% id="gradient-checked" tags=["fragment", "slide-output"]
y = np.array([0, 1, 2])  # the truth: O B I


def nll(e):
    """-log P of the true path."""
    return logsumexp(forward(e, trans)[-1]) - path_score(e, trans, y)


h, moved = 1e-5, np.zeros((3, 3))
for t, k in product(range(3), range(3)):
    step = h * (np.arange(9).reshape(3, 3) == 3 * t + k)
    moved[t, k] = (nll(emit + step) - nll(emit - step)) / (2 * h)
observed = np.eye(3)[y]
print("expected less observed:", np.allclose(moved, marginals(emit, trans) - observed, atol=1e-8))
result("loss of the true path", nll(emit), within=0.0005)

# %% [markdown] id="gradient-notes" tags=["notes"] minutes=5
# A marginal is a vote of all paths, each with the weight of its probability. Ask what the marginals of one word add
# up to. Then all of training in one line, expected less observed; ask when it is zero. Stumbling point: the best path
# need not pass the most probable tag of each word. These are two questions.

# %% [markdown] id="lattice-intro" tags=["slide"]
# ### Touch it
#
# Change an emission or a transition: the sums, the best path and the best tag of each word follow. How
# much must *chest* lean to O until Viterbi gives up on it? Step through the recursion; then forbid O → I altogether.

# %% id="explore-lattice" tags=["slide-on"]
from medtutor.explore import explore_lattice

explore_lattice(three, kinds, emit, trans)

# %% [markdown] id="lattice-notes" tags=["notes"] minutes=5
# Let somebody else hold the mouse. Question: how much must *chest* lean to O until Viterbi gives up on O B I? Take
# guesses first. Then step through the recursion, and last forbid O to I. The best tag of each word does not care: it
# never saw a transition.

# %% [markdown] id="forbid-intro" tags=["slide"]
# ### What must not be
#
# In BIO an I follows a B or an I of its own type and nothing else, and no sentence begins with one. Such transitions
# need not be learned: a score of $-10^4$ leaves them no probability. **Your turn: `forbid`.**

# %% id="exercise-forbid" tags=["exercise"]
# exercise: forbid

# %% id="check-forbid"
check(forbid)  # stuck? hint("forbid"), later solution("forbid")

# %% id="forbidden-counted" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.nn.crf import allowed_transitions

allowed, first, last = allowed_transitions(names)
print("transitions", allowed.size, " allowed", int(allowed.sum()))
print("tags that may begin a sentence", int(first.sum()), "of", len(names))

# %% [markdown] id="forbid-notes" tags=["notes"] minutes=2
# Ask who may stand before an I, and let them count for one type before the key. Somebody will ask why not minus
# infinity: infinity less infinity is not a number.

# %% [markdown] id="masking-intro"
# ### Padding
#
# Sentences of a batch have different lengths; the short ones are padded. What stands on padding must count nowhere: not
# in the loss, not in $Z$, not in a score. A **mask** says which tokens are real. **Your turn: `masked_mean`.**

# %% id="exercise-masked" tags=["exercise"]
# exercise: masked_mean

# %% id="check-masked"
check(masked_mean)  # stuck? hint("masked_mean"), later solution("masked_mean")

# %% [markdown] id="layer-intro"
# ### The layer
#
# Keras has no CRF, so this course brings one, `medtutor.nn.crf`: the recursions above in batches, with masks, start
# and end scores, and with the gradient given as *expected less observed* instead of differentiating through the loop.
# It must agree with ours; and padding must change nothing.

# %% id="layer-checked"
from medtutor.nn import crf

batch = np.stack([np.vstack([emit, np.zeros((2, 3))]), rng.normal(size=(5, 3))]).astype("float32")
mask = np.array([[True, True, True, False, False], [True] * 5])
A = trans.astype("float32")
print("best paths", np.array(crf.best_path(batch, A, mask)).tolist())
result("probe, log Z of no chest pain", float(crf.log_partition(batch, A, mask)[0]), within=0.0005)
found = np.array(crf.marginals(batch, A, mask))
print("marginals as by hand:", np.allclose(found[0, :3], marginals(emit, trans), atol=1e-5))
print("nothing under padding:", not found[0, 3:].any())

# %% [markdown] id="training" tags=["slide"] facts="50000"
# ## 5.8 Three readers, trained
#
# ### The features of the classical one
#
# The strong reader before neural networks was a CRF as well. Its emission is a **sum of weights**, one for each
# **feature** that somebody thought of: the word, its ends, its shape, its neighbours, the heading before it. No layer
# learns anything; 50,000 features say it all.
#
# $$e_t(k) = \sum_{f \in \text{features}(x, t)} w_{fk}$$

# %% id="features-shown" tags=["slide-on", "slide-output"]
from medtutor.nn.tagging import features

print(*features(["denies", "chest", "pain"])[1])

# %% [markdown] id="readers-notes" tags=["notes"] minutes=4
# Ask the room for features of a drug's name: its ending, its shape, the word before. They have just built the strong
# model of the years before networks. Stumbling point: both readers choose their tags together; what differs is where
# the emissions come from, features by hand or a BiLSTM.

# %% [markdown] id="feature-crf-intro"
# Its loss has a single minimum; L-BFGS walks there over all sentences at once, with *expected less observed* as the
# slope.

# %% id="feature-crf" tags=["fragment", "slide-output"]
from medtutor.nn.tagging import fit_feature_crf, tag_by_features

by_features = fit_feature_crf(few.x, few.y, iterations=40)
called["feature CRF"] = tag_by_features(by_features, test.x)
print("more than 50,000 features:", len(by_features.columns) > 50_000)
result("F1, feature CRF", entity_f1(test.y, called["feature CRF"]), within=0.01)

# %% [markdown] id="tagger-intro" tags=["fragment"]
# ### The network
#
# Vectors of the word and of its parts, a BiLSTM, a score for each tag; then either a softmax, each token by itself,
# or the CRF. Nothing else differs.


# %% id="vectors-code"
def vectors(codes, inputs, size=100, of_part=20, filters=50):
    """The vectors of each token, side by side: of the word, of its parts, of its letters."""
    sides = [layers.Embedding(len(codes.words) + 2, size)(inputs["words"])]
    if "parts" in inputs:
        each = layers.Embedding(len(codes.parts) + 2, of_part)(inputs["parts"])  # (n, T, F, of_part)
        sides.append(layers.Reshape((-1, each.shape[2] * of_part))(each))
    if "letters" in inputs:
        sides.append(letter_cnn(codes, inputs["letters"], filters))
    return layers.Concatenate()(sides) if len(sides) > 1 else sides[0]


# %% id="letters-code"
def letter_cnn(codes, letters, filters=50, size=25):
    """What each filter over three letters answers at its best place. (n, T, L) -> (n, T, filters)

    Source: Ma and Hovy, ACL 2016.
    """
    x = layers.Embedding(len(codes.letters) + 2, size)(letters)  # (n, T, L, size)
    x = layers.Conv2D(filters, (1, 3), padding="same", activation="relu")(x)
    return ops.max(x, axis=2)


# %% id="tagger-code"
from medtutor.nn.crf import CRF, CRFLoss
from medtutor.nn.tagging import input_shapes


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


# %% id="encoded"
from medtutor.nn import tagging

codes = tagging.codes(few.x, few.y)
for name, numbers in tagging.encode(codes, test.x[:4]).items():
    print(f"{name:6}", numbers.shape)
print("tags", len(codes.tags))

# %% [markdown] id="probe-intro"
# First a probe: fixed weights, a fixed input, one number. Training repairs a good deal of wrong code; this does not.


# %% id="probe"
def with_pattern(model):
    """Every weight set to a fixed wave."""
    model.set_weights([0.3 * np.cos(np.arange(w.size)).reshape(w.shape) for w in model.get_weights()])
    return model


probed = with_pattern(tagger(codes, 8, 8, crf=False))
p = tagging.predicted(probed, codes, [["No", "chest", "pain", "."]])[0]
print("sums to 1:", np.allclose(p.sum(axis=1), 1))
result("probe, softmax", p[1, 3], within=0.0005)
probed = tagging.probabilities(with_pattern(tagger(codes, 8, 8)))
result("probe, CRF    ", tagging.predicted(probed, codes, [["No", "chest", "pain", "."]])[0][1, 3], within=0.0005)

# %% [markdown] id="train-intro"
# ### Training
#
# Three things about the loop. Batches hold sentences of **about one length**, so that there is little padding. Words
# that are rare in training are at random **taken for unknown**, or the network would never meet number 1 and not know
# what to do with it. And the model is kept as it was after the epoch with the best F1 on validation notes.


# %% id="train-code"
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


# %% id="train-bilstm"
from medtutor.explore import live_curves
from medtutor.nn.tagging import Sentences, Validation

some_val = first_patients(val, 100)
curves = live_curves(
    "loss", "val_f1", alt="Loss and validation F1 of the BiLSTM after each of three epochs. The "
    "loss falls steeply, the F1 is nearly 1 after the second."
)
bilstm, history = train_tagger(
    lambda: tagger(codes, 50, 50, crf=False), codes, few, some_val, epochs=3, callbacks=[curves]
)

# %% id="bilstm-result" tags=["slide", "slide-output"]
called["BiLSTM"] = tagging.tag(bilstm, codes, test.x)
result("best F1 in validation, BiLSTM", max(history["val_f1"]), within=0.01)
result("F1 in test, BiLSTM           ", entity_f1(test.y, called["BiLSTM"]), within=0.02)

# %% [markdown] id="validation-notes" tags=["notes"] minutes=5
# Show the two numbers and be silent for a moment. Ask why validation did not warn us; take three answers before the
# text. The epoch was chosen by it, too. Ask what "the next ward" is in their own data. Then the tags that cannot be:
# the classical CRF has learned to avoid them, the layer has them forbidden. Ask for the difference.

# %% [markdown] id="validation-meaning" tags=["fragment"]
# Look at these two numbers before you go on. In **validation** almost nothing is wrong, in **test** a good deal. The
# validation notes use the names and the sentences of the training notes; the test notes bring new ones. So
# validation could not warn us, and choosing an epoch by it chooses the best memory. *A split tests what it separates*:
# ours separates patients, and only the test pile separates names. In a hospital, that is the next ward.
#
# Now what section 5.7 was about: how often does the BiLSTM write what cannot be?

# %% id="impossible"
from itertools import pairwise


def impossible(tags):
    """How many tags of a row cannot be where they are: I-x that follows neither B-x nor I-x."""
    return sum(now[0] == "I" and before[1:] != now[1:] for before, now in pairwise(("O", *tags)))

# %% id="impossible-counted" tags=["fragment", "slide-output"]
count = sum(impossible(tags) for tags in called["BiLSTM"])
print("impossible tags of the BiLSTM, more than ten:", count > 10)
by_hand_count = sum(impossible(tags) for tags in called["feature CRF"])
print("the feature CRF writes some, but fewer:", 0 < by_hand_count < count)

# %% id="train-crf"
curves = live_curves(
    "loss", "val_f1", alt="Loss and validation F1 of the BiLSTM-CRF after each of three epochs: the same "
    "picture as before, the loss now that of whole sentences."
)
bilstm_crf, history = train_tagger(
    lambda: tagger(codes, 50, 50), codes, few, some_val, epochs=3, callbacks=[curves]
)

# %% id="crf-result" tags=["fragment", "slide-output"]
called["BiLSTM-CRF"] = tagging.tag(bilstm_crf, codes, test.x)
print("impossible tags of the BiLSTM-CRF:", sum(impossible(tags) for tags in called["BiLSTM-CRF"]))
result("F1 in test, BiLSTM-CRF", entity_f1(test.y, called["BiLSTM-CRF"]), within=0.02, at_least=0.75)

# %% [markdown] id="compare-intro" tags=["slide"]
# ### Who won?
#
# Intervals are drawn over **patients**: the sentences of one note are no independent witnesses.

# %% id="compare" tags=["slide-on", "slide-reveal"]
from medtutor.metrics import difference_interval, f1_of_counts, interval
from medtutor.plot import show_intervals

counted = {name: entity_counts(test.y, rows) for name, rows in called.items()}
f1 = {name: interval(f1_of_counts, each, patients=test.patients) for name, each in counted.items()}
show_intervals(
    f1, xlabel="entity F1 on the test notes, 95 % interval over patients",
    alt="Entity F1 with intervals of four readers. The dictionary lies far to the left; the BiLSTM, the BiLSTM-CRF "
    "and the feature CRF lie close together on the right."
)


# %% id="compare-differences" tags=["fragment", "slide-output"]
def gain(a, b):
    """The F1 of reader a less that of reader b, with its interval over patients."""
    return difference_interval(f1_of_counts, None, counted[a], counted[b], test.patients)


for a, b in (("BiLSTM-CRF", "dictionary"), ("feature CRF", "BiLSTM"), ("BiLSTM-CRF", "BiLSTM")):
    print(f"{a} above {b}, the whole interval:", gain(a, b).low > 0)
print("feature CRF and BiLSTM-CRF within 0.04:", abs(gain("feature CRF", "BiLSTM-CRF").value) < 0.04)

# %% [markdown] id="won-notes" tags=["notes"] minutes=4
# Ask for a bet on the order before the key, and why patients are drawn and not sentences. Stumbling point: intervals
# that overlap do not say that two readers are alike; the differences do, they are taken on the same patients. Be
# plain: the network does not leave the classical model far behind here.

# %% [markdown] id="compare-meaning"
# The dictionary is far behind. Choosing tags together is worth more than a point, by the whole interval, and it costs
# one small table. And the network with all its vectors does **not** leave the features behind that somebody wrote
# down by hand. With a few hundred notes that is no surprise, and it is no verdict either: one training is one draw.

# %% [markdown] id="real" tags=["slide"] facts="2000"
# ## 5.9 More notes, more seeds, and real sentences
#
# One training is one draw. These ran once, on all 2,000 notes and with three seeds each, and were stored
# (`medtutor study 05_notes`):

# %% id="seeds" tags=["slide-on", "slide-output", "slide-reveal"]
from medtutor.data import stored_study

study = stored_study("05_notes")


def of_seeds(study, name):
    """The test F1 of each seed; of a reader without seeds, one."""
    runs = study[name] if isinstance(study[name], tuple) else [study[name]]
    return np.array([run["test F1"] for run in runs])


for name in ("dictionary", "feature CRF", "BiLSTM", "BiLSTM-CRF"):
    f1_of_seeds = of_seeds(study, name)
    result(f"F1 on all notes, {name}, mean of {len(f1_of_seeds)}", f1_of_seeds.mean(), within=0.001)
    if len(f1_of_seeds) > 1:
        result("    highest less lowest", np.ptp(f1_of_seeds), within=0.0005)

# %% [markdown] id="seeds-meaning"
# The CRF adds two points to the BiLSTM, with every seed. The features that somebody wrote down are still ahead of both,
# by a point, which is more than the seeds lie apart. Does the network only need more to read?

# %% id="learning-curve" tags=["fragment"]
learnt_from = study["notes learnt from"]
show_curves(
    learnt_from,
    {
        "feature CRF": study["test F1 of the feature CRF"],
        "BiLSTM-CRF, mean of three": study["test F1 of the BiLSTM-CRF"].mean(axis=1)
    },
    logx=True, xlabel="training notes", ylabel="entity F1 on the test notes",
    alt="F1 against the number of training notes, 125, 500 and 2000. Both curves start at one height and "
    "rise; the feature CRF's ends one point above the BiLSTM-CRF's."
)

# %% [markdown] id="seeds-notes" tags=["notes"] minutes=3
# Compare the spread of the seeds with the gaps between the readers. Then the curve: ask who would win with fifty
# notes and who with a hundred thousand, and let somebody draw the lines on. The usual mistake is to quote the best
# seed.

# %% [markdown] id="learning-curve-meaning"
# From 125 notes to 2,000 both gain, and the network does not catch up: our sentences come from one set of frames, and
# features see a frame at once. *This* is decided by the text, not by the method, as the next table shows.

# %% [markdown] id="ncbi-intro" tags=["slide"] facts="100"
# ### Real sentences
#
# NCBI-disease (Doğan, Leaman and Lu, 2014) holds sentences of PubMed abstracts in which people marked the diseases.
# The same functions, larger: vectors and LSTM of 100, ten epochs, no pretrained vectors, the epoch chosen on the
# validation split, the test split read once. Stored by `medtutor study 05_ncbi`:

# %% id="ncbi-result" tags=["slide-on", "slide-output", "slide-reveal"]
ncbi = stored_study("05_ncbi")
for name in ("dictionary", "feature CRF", "BiLSTM", "BiLSTM-CRF"):
    f1_of_seeds = of_seeds(ncbi, name)
    result(f"F1 on NCBI-disease, {name}, mean of {len(f1_of_seeds)}", f1_of_seeds.mean(), within=0.001)
    if len(f1_of_seeds) > 1:
        result("    highest less lowest", np.ptp(f1_of_seeds), within=0.0005)

# %% id="ncbi-bar"
crf_mean = of_seeds(ncbi, "BiLSTM-CRF").mean()
result("BiLSTM-CRF on NCBI-disease", crf_mean, within=0.001, at_least=0.8)
print("each within 300 CPU-seconds:", all(run["CPU-seconds"] <= 300 for run in ncbi["BiLSTM-CRF"]))
print("impossible tags, BiLSTM:", [run["impossible tags"] for run in ncbi["BiLSTM"]])
print("impossible tags, BiLSTM-CRF:", [run["impossible tags"] for run in ncbi["BiLSTM-CRF"]])

# %% [markdown] id="ncbi-notes" tags=["notes"] minutes=3
# Real sentences, and people marked them. Ask for a bet before the key: better or worse than on invented notes?
# Stumbling point: figures of two papers differ by guideline, by strictness and by pretrained vectors; ours has none
# of these. The chapter has Chinese as well, where a token is a character.

# %% [markdown] id="ncbi-meaning"
# On real sentences the network is ahead of the features by three points, and the CRF adds one to the BiLSTM and takes
# away what cannot be. But look at the seeds: the BiLSTM's lie two points apart. One training each, and this table
# could have told either story. (Nets whose word vectors were trained on all of PubMed do better; ours has never seen
# a word outside the training sentences.)

# %% [markdown] id="cmed-intro"
# And Chinese: cMedQANER (Zhang et al., 2020), questions and answers from the web with eleven types. A token is a
# character there; there are no blanks to cut words at.

# %% id="cmed-result"
chinese = stored_study("05_cmedqaner")
for name in ("dictionary", "feature CRF", "BiLSTM-CRF"):
    f1_of_seeds = of_seeds(chinese, name)
    result(f"F1 on cMedQANER, {name}, mean of {len(f1_of_seeds)}", f1_of_seeds.mean(), within=0.001)
    if len(f1_of_seeds) > 1:
        result("    highest less lowest", np.ptp(f1_of_seeds), within=0.0005)

# %% [markdown] id="cmed-meaning" facts="80 0.761 0.765"
# Three points again for the network, more than its seeds lie apart. The feature CRF has no seed, but no single number
# either: its 80 steps of L-BFGS end before the minimum, and on one thread, where sums are rounded in another order, it
# came to 0.761 in place of 0.765.

# %% [markdown] id="words-intro" tags=["slide"] facts="125 3000"
# ### What must a network see of a word?
#
# Section 5.5 had four answers: its number, its parts, its letters, a vector from text without tags. Here is the same
# BiLSTM-CRF with each of them, three seeds each (`medtutor study 05_words`), first after 125 notes. Its vectors start
# as `word_vectors` of 3,000 notes without tags (`tagging.start_from`): once these hold none of the names that only the
# test notes have, once they hold them, as any large pile of real notes would.

# %% id="words-notes" tags=["slide-on", "slide-output", "slide-reveal"]
seen = stored_study("05_words")


def over_seeds(nets):
    """The test F1 of each net that saw the word and something else: mean, lowest, highest over its seeds."""
    f1 = {name.replace("the word and", "and"): of_seeds(nets, name) for name in nets}
    return {name: (f.mean(), f.min(), f.max()) for name, f in f1.items()}


of_notes = over_seeds(seen["notes"])
show_intervals(
    of_notes, width=9, xlabel="entity F1 on the test notes: mean, lowest and highest of three seeds",
    alt="F1 of seven nets with bars from the lowest to the highest of three seeds. The word alone lies lowest. Letters, "
    "vectors, parts, and parts with letters lie three to four points to its right, their bars overlap. Far to the "
    "right of these lie the vectors with the new names; with parts as well they lie a little lower."
)

# %% id="words-notes-numbers"
alone = of_notes["the word"][0]
for name in ("letters", "parts", "vectors", "vectors, the new names among them"):
    result(f"gained by {name}", of_notes[f"and {name}"][0] - alone, within=0.001)

# %% [markdown] id="words-speaker" tags=["notes"] minutes=3
# Take bets on the order before the key, and ask for reasons. Stumbling point: the vectors with the new names have seen
# names of the test, but no sentence and no tag of it. Is that cheating? It is what a hospital has: all its notes, few
# of them tagged.

# %% [markdown] id="words-notes-meaning" facts="0.97 0.99"
# Letters, parts and vectors of names that training has anyway gain **three to four points** each, and their bars
# overlap: three ways to see that *-statin* ends a drug. Vectors that know the **new names gain ten**. What is new in
# the test notes are names; a name that stands where drugs stand is known for one before anybody has tagged it. More is
# not always better: with parts beside these vectors each seed is worse than each seed without.
#
# Two warnings. The text was written by the hand that wrote the notes; a hospital's other texts are further away. And
# validation, which has no new names, gave all seven 0.97 to 0.99: it could not have told you which to choose.

# %% id="words-ncbi"
show_intervals(
    over_seeds(seen["NCBI-disease"]), xlabel="entity F1 on NCBI-disease: mean, lowest and highest of three seeds",
    alt="F1 of four nets with bars from the lowest to the highest of three seeds. The word alone lies lowest; with "
    "letters it gains less than two points, with parts almost three, and with both no more than with parts."
)

# %% [markdown] id="words-ncbi-meaning"
# On real sentences the order is the same and the gains are smaller: letters bring less than two points, parts almost
# three, and letters beside parts **nothing more**. What a network would learn from letters somebody had written down
# already. With the word alone the network would be no more than level with the feature CRF. The large step of the
# figure above cannot be tried here: no text that knows the diseases by name comes with the course.

# %% [markdown] id="real-try"
# With the network on, one line brings the same sentences to your machine, and the function below runs this chapter's
# readers on them:
#
# ```python
# from medtutor.data import load
# train, val, test = (load("ncbi_disease", split) for split in ("train", "val", "test"))
# ```


# %% id="real-code"
def on(name, unit="words", epochs=4, size=50):
    """Train two readers on a published set -> its test F1 by a feature CRF and by a BiLSTM-CRF."""
    from medtutor.data import load

    train, val, test = (load(name, split) for split in ("train", "val", "test"))
    codes = tagging.codes(train.x, train.y, unit)
    net, _ = train_tagger(lambda: tagger(codes, size, size), codes, train, val, epochs)
    by_hand = fit_feature_crf(train.x, train.y, unit)
    answers = {"feature CRF": tag_by_features(by_hand, test.x), "BiLSTM-CRF": tagging.tag(net, codes, test.x)}
    return {reader: entity_f1(test.y, rows) for reader, rows in answers.items()}


# %% [markdown] id="stored-intro"
# ### The reader that we keep
#
# From here on the reader is a BiLSTM-CRF of the size of section 5.8 that has read **all** training notes for five
# epochs; its weights come with the course (`medtutor study 05_tagger`).

# %% id="stored-reader" facts="2000"
from medtutor.data.studies import unpacked

codes = tagging.codes(train.x, train.y)
reader = tagger(codes, 50, 50)
reader.set_weights(unpacked(stored_study("05_tagger")["weights"], reader.get_weights()))
called["stored BiLSTM-CRF"] = tagging.tag(reader, codes, test.x)
print("notes read", len(set(train.patients)), " weights", reader.count_params())
result("F1, stored BiLSTM-CRF", entity_f1(test.y, called["stored BiLSTM-CRF"]), within=0.003)

# %% [markdown] id="errors" tags=["slide"]
# ## 5.10 Errors, and what a number does not say
#
# ### Which errors?
#
# An error of a reader is one of four: wrong **ends**, wrong **type**, an entity **missed**, an entity **invented**.
# Count them before you improve anything.


# %% id="errors-code"
def errors_of(true, called):
    """How many true entities of a sentence are right, have wrong ends, a wrong type, or are missed."""
    counts = Counter()
    for span in true:
        start, end, kind = span
        over = [other for other in called if other[0] < end and start < other[1]]
        if span in called:
            counts["right"] += 1
        elif kind in [other[2] for other in over]:
            counts["ends"] += 1
        else:
            counts["type" if over else "missed"] += 1
    return counts


# %% id="errors-counted"
def all_errors(rows):
    """The same over all test sentences; also the entities that touch no true one: invented."""
    counts = Counter(ends=0, type=0, missed=0, invented=0)
    for tags, row in zip(test.y, rows, strict=True):
        true, found = spans(tags), spans(row)
        counts += errors_of(true, found)
        counts["invented"] += errors_of(found, true)["missed"]
    return counts


errors = {name: all_errors(rows) for name, rows in called.items()}
kinds_of_error = ("ends", "type", "missed", "invented")
for name in ("dictionary", "stored BiLSTM-CRF"):
    commonest = max(kinds_of_error, key=lambda kind: errors[name][kind])
    print(f"{name:17}  commonest error: {commonest}")
every = [sum(counts[k] for k in ("right", "ends", "type", "missed")) for counts in errors.values()]
print("each true entity counted once:", set(every) == {len(entities)})

# %% id="errors-shown"
some = [row for row in range(len(test.x)) if test.y[row] != called["stored BiLSTM-CRF"][row]][:6]
print(some)
show_entities(
    [test.x[row] for row in some],
    {
        "truth": [test.y[row] for row in some],
        "BiLSTM-CRF": [called["stored BiLSTM-CRF"][row] for row in some]
    },
    alt="Six test sentences that the stored BiLSTM-CRF reads wrongly: the true entities, and beneath them "
    "those that it calls, each with a remark on whether the truth agrees."
)

# %% [markdown] id="agreement-intro"
# **Go through more of them yourself**: on which do the three readers disagree, and who is right?

# %% id="explore-agreement" tags=["slide-on"]
from medtutor.explore import explore_agreement

shown = range(0, len(test.x), 100)
asked = {"dictionary": "dictionary", "feature CRF": "feature CRF", "BiLSTM-CRF": "stored BiLSTM-CRF"}
explore_agreement(
    [test.x[row] for row in shown], [test.y[row] for row in shown],
    {name: [called[key][row] for row in shown] for name, key in asked.items()}, tolerance=0.02
)

# %% [markdown] id="errors-notes" tags=["notes"] minutes=4
# Sentence by sentence: ends, type, missed or invented? Let the room decide before you read the remark. Ask which of
# these would change a count of patients, and which nobody would notice. Then go to a sentence on which the readers
# disagree: who is right, and would two people agree?

# %% [markdown] id="new-names-intro" tags=["slide"]
# ### New names
#
# The dictionary finds no new name, by construction. And the others? Here it shows whether a reader has learned a
# language or a list.

# %% id="new-names"
def recall_of(rows, wanted):
    """The share found of the test entities that are `wanted` (a row of true and false)."""
    hits = [(start, end, kind) in spans(rows[row]) for row, start, end, kind in entities]
    return np.mean(np.array(hits)[np.array(wanted)])


# %% id="new-names-found" tags=["slide-on", "slide-output", "slide-reveal"]
print("new names that the dictionary finds:", recall_of(called["dictionary"], new))
for name in ("feature CRF", "BiLSTM", "BiLSTM-CRF", "stored BiLSTM-CRF"):
    known_names, new_names = (recall_of(called[name], w) for w in (~np.array(new), new))
    result(f"recall of known names, {name}", known_names, within=0.02)
    result(f"recall of new names,   {name}", new_names, within=0.03)

# %% [markdown] id="names-notes" tags=["notes"] minutes=3
# Ask for the dictionary's recall of new names: none, by construction. Then the others. A language or a list: that is
# the chapter's question in two numbers. Ask what a seller's test set would have to hold in order to show it.

# %% id="new-names-price"
for name in ("feature CRF", "stored BiLSTM-CRF"):
    result(f"precision, {name}", entity_precision(test.y, called[name]), within=0.02)
print("the network invents more:", errors["stored BiLSTM-CRF"]["invented"] > errors["feature CRF"]["invented"])

# %% [markdown] id="new-names-meaning"
# On known names they are alike. On **new** names the network finds most, a tenth of them more than the features do; it
# pays with precision, for it also sees names where none are. Which is better? A pharmacist who checks each hit wants
# the one, a count over a hundred thousand notes wants the other.

# %% [markdown] id="negation-intro" tags=["slide"]
# ### "No fever"
#
# *Fever* in "denies fever" **is** a mention of a symptom, and a reader that marks it is right. Whoever then counts
# patients with fever is wrong. Entity recognition says what is *mentioned*, not what is *true*: denied, ruled out, the
# mother's, feared for tomorrow. How much would be counted wrongly?

# %% id="negation-counted" tags=["slide-on", "slide-output", "slide-reveal"]
from collections import Counter

mentions = [
    (note, entity) for note in load_notes("test").extra["notes"] for entity in note.entities
    if entity.type in ("disease", "symptom")
]
status = Counter(entity.status for _, entity in mentions)
print("mentions", len(mentions), " present", status["present"])
result("share of mentions that are not the patient's", 1 - status["present"] / len(mentions), within=0.001)
print(dict(status.most_common(4)))

# %% [markdown] id="negation-notes" tags=["notes"] minutes=3
# Ask whether a reader that marks *fever* in "denies fever" is wrong. It is right, and the count of patients is not. A
# bet on the share, then the key. For the rule, let the room find a sentence that fools it; behind the mention is the
# easiest place.

# %% [markdown] id="negation-rule" tags=["fragment"]
# The classical remedy is a rule: a negating word shortly before the mention (NegEx, Chapman et al., 2001). Ours looks
# at the six words before.


# %% id="negation-code"
CUES = {"no", "not", "denies", "denied", "without", "absent", "neither", "nor", "negatives"}


def negated(note, entity):
    """Whether one of the six words before the entity, in its sentence, negates."""
    sentence = next(s for s in note.sentences if s.start <= entity.start < s.end)
    before = re.findall(r"[\w-]+", note.text[sentence.start : entity.start].lower())
    return bool(CUES & set(before[-6:]))


# %% id="negation-result" tags=["fragment", "slide-output"]
from medtutor.metrics import precision, sensitivity

absent = np.array([entity.status in ("absent", "ruled out") for _, entity in mentions])
said = np.array([negated(*mention) for mention in mentions])
result("sensitivity of the rule for what is denied or ruled out", sensitivity(absent, said), within=0.001)
result("precision of the rule", precision(absent, said), within=0.001)
print("finds less than half:", sensitivity(absent, said) < 0.5)

# %% [markdown] id="negation-meaning"
# Our rule finds less than half of it, since much is denied *behind* the mention ("fever and cough absent"), and a third
# of what it calls negated is not: "no pain in the chest, so it must come from *bronchiectasis*". Whether a finding is
# there is a question of its own, with its own data and its own error rate.

# %% [markdown] id="remembers" tags=["slide"]
# ### What the model remembers
#
# Real notes hold names, dates, addresses. They have to be **de-identified** before anybody trains on them; the law
# says so, and a tagger such as this one is the usual tool. No tagger finds all. And what is left goes *into the
# model*: the vocabulary of ours is a list of words from patients' notes. How many of them stood in the notes of a
# single patient?

# %% id="privacy" tags=["slide-on", "slide-output", "slide-reveal"]
who = defaultdict(set)
for tokens, patient in zip(train.x, train.patients, strict=True):
    for token in tokens:
        who[normal(token)].add(patient)
alone = [word for word in codes.words if len(who[word]) == 1]
print("words in the model's file", len(codes.words), " from one patient's notes alone", len(alone))
fewer = tagging.codes(train.x, train.y, at_least=5)
print("with at_least=5:", len(fewer.words), " from one patient's notes alone", end=" ")
print(sum(len(who[word]) == 1 for word in fewer.words))

# %% [markdown] id="privacy-notes" tags=["notes"] minutes=3
# Ask what is in the file of a model. Numbers, they say; and the list of words? How many of those come from one
# patient alone: a bet, then the number. Stumbling point: dropping rare words helps, and does not make the weights
# forget.

# %% [markdown] id="privacy-meaning" tags=["fragment"]
# Whoever gets such a file can read them. Keep only words that occur in the notes of several patients, and treat the
# model as what it is: something made of patients' texts. (Weights remember too, and the dictionary is nothing *but*
# the names.)

# %% [markdown] id="deploying" tags=["slide"]
# ## 5.11 Deploying
#
# Text in, entities out: **offsets** in the text as it came, the type, the words, and how sure. How sure is the reader
# of a whole *entity*? Sum over all paths that have just these tags there, and divide by the sum over all paths: the
# forward algorithm twice, once with every other tag forbidden (Culotta and McCallum, 2004).
#
# **Your turn: `confidence_of`.**

# %% id="exercise-confidence" tags=["exercise"]
# exercise: confidence_of

# %% id="check-confidence"
check(confidence_of)  # stuck? hint("confidence_of"), later solution(…)


# %% id="confidence-code"
emissions = keras.Model(reader.input, reader.get_layer("emissions").output)
scores_of_tags = {name: np.array(each) for name, each in reader.layers[-1].scores().items()}


def sure(e, found):
    """P of each entity (start, end, type) of a sentence with the emissions e (T, K): exp(log Z' - log Z)."""
    number = {tag: k for k, tag in enumerate(codes.tags)}
    rows = np.repeat(e[None], 1 + len(found), axis=0)
    for row, (start, end, kind) in zip(rows[1:], found, strict=True):
        for t in range(start, end):
            kept = number[f"{'B' if t == start else 'I'}-{kind}"]
            row[t, np.arange(len(number)) != kept] = crf.FORBIDDEN
        if end < len(e):
            row[end, number[f"I-{kind}"]] = crf.FORBIDDEN  # or it would go on
    log_z = np.array(crf.log_partition(rows, **scores_of_tags))
    return np.exp(log_z[1:] - log_z[0])


# %% id="reader-code"
from medtutor.data.notes import spans as places

SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?!\s)[^.!?\n]*)*[.!?]?")


def read(text):
    """The entities of a text: dicts with start, end, type, words and confidence (0 to 1)."""
    found = []
    for sentence in SENTENCE.finditer(text):
        at = [(a + sentence.start(), b + sentence.start()) for a, b in places(sentence[0], "en")]
        tokens = [text[a:b] for a, b in at]
        entities = spans(tagging.tag(reader, codes, [tokens])[0]) if tokens else []
        if not entities:
            continue
        e = tagging.predicted(emissions, codes, [tokens])[0]
        for (first, last, kind), p in zip(entities, sure(e, entities), strict=True):
            start, end = at[first][0], at[last - 1][1]
            found.append({
                "start": start, "end": end, "type": kind, "words": text[start:end],
                "confidence": round(float(p), 3)
            })
    return found


# %% id="reader-try" nbval={"rtol": 0.05, "atol": 0.001}
import json

text = "68-year-old man with DVT, no chest pain. Started warfarin; INR on Monday."
print(json.dumps(read(text)[:2], indent=1))
print([entity["words"] for entity in read(text)])
print("offsets fit:", all(text[e["start"] : e["end"]] == e["words"] for e in read(text)))

# %% id="reader-odd"
odd = {
    "empty": "", "blanks": " \n\t ", "no letters": "?!…", "emoji": "fever 🤒 and cough",
    "accents": "Sjo\u0308gren’s, fie\u0301vre, fever", "no end": "fever " * 400, "one word": "x" * 5000
}
for name, text in odd.items():
    answer = read(text)
    fit = all(text[e["start"] : e["end"]] == e["words"] for e in answer)
    print(f"{name:11} characters {len(text):5}  offsets fit: {fit}")

# %% [markdown] id="type-a-note" tags=["slide-on"]
# **Type a note**: the panel reads it whenever you pause. Try a typing error, a drug that does not exist, a negation.
# The reader takes *Friday* for a symptom, since none of its notes has a weekday; move the slider, and it goes first.

# %% id="explore-note" tags=["slide-on", "slide-output"]
from medtutor.explore import explore_note

typed = "71-year-old woman, short of breath since Friday, no fever. Takes ramipril for hypertension."
explore_note(read, typed)

# %% [markdown] id="deploying-notes" tags=["notes"] minutes=3
# Let the room dictate a note: a typing error, a drug that does not exist, a negation. New text needs the chapter
# itself, running: `medtutor present --live 5`. Ask how sure the reader should be of each entity, and what happens to
# the offsets if somebody strips a blank on the way.

# %% [markdown] id="save-intro"
# **Save and load.** The file must answer as the model did; and it is worth nothing without the numbers of its words,
# which go beside it.

# %% id="saved"
import hashlib
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
reader.save(folder / "reader.keras")
(folder / "codes.json").write_text(json.dumps(codes._asdict()), encoding="utf-8")
again = keras.models.load_model(folder / "reader.keras")
kept = tagging.Codes(**json.loads((folder / "codes.json").read_text(encoding="utf-8")))
same = tagging.tag(again, kept, test.x[:300]) == tagging.tag(reader, codes, test.x[:300])
checksum = hashlib.sha256(b"".join(w.tobytes() for w in again.get_weights())).hexdigest()
print("the same tags after loading:", same)

# %% id="cost" tags=["nbval-ignore-output"] reason="time and size are those of the machine at hand"
import time

start = time.perf_counter()
for note in load_notes("test").extra["notes"][:20]:
    read(note.text)
print(f"one note {50 * (time.perf_counter() - start):.0f} ms, ", end="")
print(f"file {(folder / 'reader.keras').stat().st_size / 2**20:.1f} MB")

# %% id="card" facts="2,000 0.826 0.834 0.842"
from medtutor.report import model_card

final = interval(
    f1_of_counts, entity_counts(test.y, called["stored BiLSTM-CRF"]), patients=test.patients
)
model_card(
    details={
        "name": "medtutor note reader", "version": "1", "date": "2026-11-29", "by": "you",
        "type": f"BiLSTM-CRF, {reader.count_params()} weights", "licence": "MIT",
        "checksum": checksum
    },
    intended_use="teaching: to show how a tagger is built, judged and documented",
    out_of_scope="any text about a person; any other language, ward, or kind of note",
    factors="names that training did not hold; typing errors; negation is not read",
    metrics="entity F1, exact ends and type, strict BIO; intervals by patient",
    evaluation_data="400 invented notes with new names and new sentences",
    training_data="2,000 invented notes of as many patients",
    quantitative_analyses={"entity F1": final},
    ethical_considerations="its vocabulary holds words of single notes; never share such a file of real ones",
    caveats="all notes come from one table and one set of sentences, so the figures are better than on people",
    simulated=True,
)

# %% [markdown] id="limits" tags=["slide"]
# ## 5.12 Limits, and what to take along
#
# - The notes are invented: a table of 95 diseases and sentences of ours. No figure of this chapter says how a model
#   reads the notes of a hospital.
# - An F1 depends on the guideline: is *severe* part of *severe pain*? Two people who mark the same notes do not
#   agree either, and no model can agree with both.
# - A mention is no finding. Negation, time and person are questions of their own.
# - What wins depends on how much there is to learn from; measure it on your data, with a dictionary beside it.
# - A model made of patients' texts is to be kept as carefully as the texts.
#
# **Open question.** Your hospital asks for the number of patients who got warfarin for a deep vein thrombosis. Your
# reader has an F1 of 0.85 for drugs and for diseases. Is your count too high or too low, and what would you measure to
# find out?
#
# **Next:** chapter 6 asks which drug is given for which disease: relations between the entities found here.
#
# ## References
#
# - Viterbi: Error bounds for convolutional codes. IEEE Trans. Information Theory 1967. doi:10.1109/TIT.1967.1054010
# - Rabiner: A tutorial on hidden Markov models. Proc. IEEE 1989. doi:10.1109/5.18626
# - Ramshaw, Marcus: Text chunking using transformation-based learning. 1995. doi:10.48550/arXiv.cmp-lg/9505040
# - Hochreiter, Schmidhuber: Long short-term memory. Neural Computation 1997. doi:10.1162/neco.1997.9.8.1735
# - Lafferty, McCallum, Pereira: Conditional random fields. ICML 2001. doi:10.5555/645530.655813
# - Chapman et al.: A simple algorithm for identifying negated findings. J Biomed Inform 2001. doi:10.1006/jbin.2001.1029
# - Sutton, McCallum: An introduction to conditional random fields. 2012. doi:10.1561/2200000013
# - Levy, Goldberg: Neural word embedding as implicit matrix factorization. NIPS 2014. doi:10.5555/2969033.2969070
# - Doğan, Leaman, Lu: NCBI disease corpus. J Biomed Inform 2014. doi:10.1016/j.jbi.2013.12.006
# - Huang, Xu, Yu: Bidirectional LSTM-CRF models for sequence tagging. 2015. doi:10.48550/arXiv.1508.01991
# - Lample et al.: Neural architectures for named entity recognition. NAACL 2016. doi:10.18653/v1/N16-1030
# - Ma, Hovy: End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF. ACL 2016. doi:10.18653/v1/P16-1101
# - Crichton et al.: A neural network multi-task learning approach to biomedical NER. BMC Bioinformatics 2017.
#   doi:10.1186/s12859-017-1776-8

# %% [markdown] id="limits-notes" tags=["notes"] minutes=3
# Collect arguments for both answers to the open question before anybody decides: mentions missed, invented, denied;
# two names that must both be found; a patient with five notes. What would they measure? Leave the rest for the week.
