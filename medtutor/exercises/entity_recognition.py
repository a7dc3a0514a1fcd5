"""Chapter 5, BiLSTM-CRF entity recognition: twelve exercises from BIO tags to how sure an entity is."""

import itertools
from operator import index

import numpy as np

from medtutor.exercises.framework import exercise

TYPES = ("disease", "drug", "test")
SUM = np.logaddexp.reduce  # log of the summed exp, of an array along an axis


def _tries():
    """Turns of a search for inputs that tell the mistakes apart; one that finds none ends in an error."""
    yield from range(5000)
    raise RuntimeError("no inputs tell the mistakes apart")


def _told_apart(answers):
    """Whether any two ways to answer differ on two of the probes at least.

    answers  numbers (ways, probes)
    """
    answers = np.array(answers, float)
    differ = np.sum(np.abs(answers[:, None] - answers) > 0.003, axis=2)
    return np.all(differ[~np.eye(len(answers), dtype=bool)] >= 2)


def _number(word, words):
    """Place of a word among those that an answer may hold, from 1 on; ValueError for any other."""
    return 1 + tuple(words).index(word)


def _tag_numbers(answer):
    """Tags as numbers; half a tag ("B") and tags of other schemes ("E-drug") have theirs as well."""
    if isinstance(answer, str):
        raise ValueError("wanted: a list")
    parts = [tag.partition("-") for tag in answer]
    return np.array([10 * _number(k, "OBIES") + _number(kind, ("", *TYPES)) for k, _, kind in parts], int)


def _types(rng):
    """Types of entities under the letters A, B and C."""
    return dict(zip("ABC", rng.permutation(TYPES).tolist(), strict=True))


def _spans(rng, pattern):
    """Number of tokens and entities of a pattern such as "O A2 B1": one or two tokens outside, entities."""
    types, entities, n = _types(rng), [], 0
    for part in pattern.split():
        length = int(rng.integers(1, 3)) if part == "O" else int(part[1:])
        if part != "O":
            entities.append((n, n + length, types[part[0]]))
        n += length
    return n, entities


# 1 From entities to tags


@exercise(
    "A pharmacist has marked the entities of a sentence. Write them as BIO tags, one tag for each token.",
    hints=(
        'Begin with a sentence in which nothing is marked: n times "O". Which tokens does an entity change?',
        'Its first token gets "B-" and the type, the tokens from start + 1 to end - 1 get "I-" and the type.',
        'tags = ["O"] * n; for start, end, kind in entities: tags[start] = "B-" + kind, then a loop over '
        "range(start + 1, end).",
    ),
    right="A task of marking has become a task of sorting tokens into a few classes, and that is what a "
    "net can learn. B is there for one case only: two entities of one type side by side.",
)
def bio_tags(n, entities):
    """BIO tags of a sentence whose entities are known.

    n         number of tokens
    entities  list of (start, end, type), for the tokens start, ..., end - 1, counted from 0; in any order,
              and no two share a token
    returns   list of n tags: "B-type" on the first token of an entity, "I-type" on its other tokens, and "O"
              on all tokens outside
    Source: Tjong Kim Sang and Veenstra, EACL 1999, who call it IOB2.

    >>> bio_tags(5, [(1, 3, "drug"), (3, 4, "drug")])
    ['O', 'B-drug', 'I-drug', 'B-drug', 'O']
    """
    tags = ["O"] * n
    for start, end, kind in entities:
        tags[start] = f"B-{kind}"
        for t in range(start + 1, end):
            tags[t] = f"I-{kind}"
    return tags


@bio_tags.compared("a list of n tags, each of them 'O', or 'B-' or 'I-' and a type, such as 'B-drug'")
def _(answer):
    return _tag_numbers(answer)


@bio_tags.probes
def _(rng):
    for pattern in ("O A2 O", "O A3 O B1 O", "A2 A2 O B1 O", "O B1 A2 A1", "C1 O A3 B2 O", "O A1 B1 B2 O"):
        n, entities = _spans(rng, pattern)
        yield dict(n=n, entities=entities if len(entities) == 1 else entities[1:] + entities[:1])
    yield dict(n=int(rng.integers(2, 5)), entities=[])


@bio_tags.law("The entities in another order must give the same tags.")
def _(f, n, entities):
    return f(n, entities[::-1]), f(n, entities)


@bio_tags.law("One token more in front must put an O in front, and move the tags by one.")
def _(f, n, entities):
    moved = [(start + 1, end + 1, kind) for start, end, kind in entities]
    return f(n + 1, moved), np.append(_tag_numbers(["O"]), f(n, entities))


@bio_tags.law("Two tokens more at the end must be O, and change no other tag.")
def _(f, n, entities):
    return f(n + 2, entities), np.append(f(n, entities), _tag_numbers(["O", "O"]))


def _tagged(n, entities, tags_of):
    """Tags when an entity writes `tags_of(length, type)` from its start on, cut off at the sentence's end."""
    tags = ["O"] * n
    for start, end, kind in entities:
        for t, tag in enumerate(tags_of(end - start, kind), start):
            tags[t : t + 1] = [tag] * (t < n)
    return tags


@bio_tags.mistake(
    "Each entity has a token too many: you take `end` for its last token, but it is the first one behind it. "
    "A drug's name would swallow the verb that follows."
)
def bio_tags_end_included(n, entities):
    return _tagged(n, entities, lambda length, kind: [f"B-{kind}"] + [f"I-{kind}"] * length)


@bio_tags.mistake(
    "The last token of each longer entity stays outside. `end` is already one past it, and so is the end of "
    "a range."
)
def bio_tags_last_token_lost(n, entities):
    return _tagged(n, entities, lambda length, kind: [f"B-{kind}"] + [f"I-{kind}"] * (length - 2))


@bio_tags.mistake(
    "Every token of an entity has a B: nobody could tell one name of three words from three names. Only the "
    "first token begins."
)
def bio_tags_all_b(n, entities):
    return _tagged(n, entities, lambda length, kind: [f"B-{kind}"] * length)


@bio_tags.mistake(
    "Every token of an entity has an I, and none has a B: two neighbours of one type can no longer be told "
    "apart. The first token begins."
)
def bio_tags_all_i(n, entities):
    return _tagged(n, entities, lambda length, kind: [f"I-{kind}"] * length)


@bio_tags.mistake(
    "Only the first token of each entity is marked, the others are O. A name of three words would lose two."
)
def bio_tags_only_b(n, entities):
    return _tagged(n, entities, lambda length, kind: [f"B-{kind}"])


@bio_tags.mistake(
    "Two entities of one type side by side have become one. Each of them begins with a B, whatever stands "
    "before it."
)
def bio_tags_neighbours_merged(n, entities):
    tags = bio_tags_all_i(n, entities)
    return [
        tag if tag == "O" or tag == before else "B" + tag[1:]
        for before, tag in zip(["O", *tags], tags, strict=False)
    ]


@bio_tags.mistake(
    "You write a B only where another entity of the type stands directly before, which is the older scheme "
    "IOB1. In BIO every entity begins with a B, so that its start can be seen from its tag alone."
)
def bio_tags_iob1(n, entities):
    ends = {(end, kind) for _, end, kind in entities}
    tags = bio_tags_all_i(n, entities)
    for start, _, kind in entities:
        tags[start] = ("B-" if (start, kind) in ends else "I-") + kind
    return tags


@bio_tags.mistake(
    "These are BIOES tags, with E for the last token and S for a single one. They are in use as well; the "
    "docstring wants B, I and O only."
)
def bio_tags_bioes(n, entities):
    def tags_of(length, kind):
        return [f"S-{kind}"] if length == 1 else [f"B-{kind}", *[f"I-{kind}"] * (length - 2), f"E-{kind}"]

    return _tagged(n, entities, tags_of)


@bio_tags.mistake(
    "The type is missing from your tags: B and I alone do not say whether a drug or a disease was found."
)
def bio_tags_without_type(n, entities):
    return [tag[:1] for tag in bio_tags(n, entities)]


@bio_tags.mistake(
    "The tokens outside have no tag. Every token needs one, or tags and tokens get out of step: the list has "
    "n tags."
)
def bio_tags_without_o(n, entities):
    return [tag for tag in bio_tags(n, entities) if tag != "O"]


@bio_tags.mistake(
    "Your list ends behind the last entity. The tokens after it are O: one tag for each of the n tokens."
)
def bio_tags_rest_missing(n, entities):
    return bio_tags(n, entities)[: max((end for _, end, _ in entities), default=0)]


@bio_tags.mistake(
    "You fill the list from left to right as the entities come, but they come in any order. Put each one "
    "where its `start` says."
)
def bio_tags_as_they_come(n, entities):
    tags = []
    for start, end, kind in entities:
        tags += ["O"] * (start - len(tags)) + bio_tags(end - start, [(0, end - start, kind)])
    return tags + ["O"] * (n - len(tags))


@bio_tags.mistake(
    "All tags stand one token too early, as if the tokens were counted from 1. The first token is number 0."
)
def bio_tags_from_1(n, entities):
    tags = bio_tags(n, entities)
    return tags[1:] + tags[:1]


@bio_tags.mistake("Only the first entity of the list is marked. Does `return` stand inside the loop?")
def bio_tags_first_only(n, entities):
    return bio_tags(n, entities[:1])


# 2 From tags to entities


@exercise(
    "And back: a model has tagged a sentence. Which entities has it found, and where do they begin and end?",
    hints=(
        "Walk over the tags, and remember one thing: the entity that is open, with its start and its type. "
        "What closes it?",
        'All but its own "I-type" closes it: an O, a B of any type, an I of another type, and the end of the '
        "sentence.",
        'A tag "O" put at the end, [*tags, "O"], closes the last one. In each turn first close what ends, '
        'then open where tag.startswith("B-").',
    ),
    right="This reading is strict. Others let a stray I begin an entity, and the same model gets another F1 "
    "from them: whoever compares two papers has to ask for the reading.",
)
def entities_of(tags):
    """The entities that a list of BIO tags marks.

    tags     list of tags, one for each token: "O", "B-type" or "I-type"
             an "I-type" goes on with the entity before it if that is of its type and reaches up to it;
             otherwise it begins nothing and belongs to none, and what was open ends before it
    returns  list of (start, end, type) in the order of the sentence, for the tokens start, ..., end - 1

    >>> entities_of(["B-drug", "I-drug", "B-drug", "O", "I-test"])
    [(0, 2, 'drug'), (2, 3, 'drug')]
    """
    entities, start, kind = [], None, None
    for t, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            entities.append((start, t, kind))
            kind = None
        if tag.startswith("B-"):
            start, kind = t, tag[2:]
    return entities


@entities_of.compared("a list of (start, end, type), two whole numbers (int) and a word")
def _(answer):
    if not isinstance(answer, (list, tuple)):
        raise ValueError("wanted: a list")
    names = (*TYPES, *(f"{letter}-{kind}" for letter in "BI" for kind in TYPES))
    rows = [(index(start), index(end), _number(kind, names)) for start, end, kind in answer]
    return np.array(rows, int).reshape(-1, 3)


def _tags(rng, pattern):
    """Tags of a pattern such as "O BA IA", with types for its letters."""
    types = _types(rng)
    return ["O" if part == "O" else f"{part[0]}-{types[part[1]]}" for part in pattern.split()]


@entities_of.probes
def _(rng):
    for pattern in (
        "O BA IA O",
        "BA IA BA O BB",
        "O BA IA BB IB",
        "BA BB IB O BC IC",
        "O IA IA O BB IB",
        "BA IB IB O BB",
        "BA O IA BB IB O",
        "BA IA BA IA BA",
        "O BB IA O IB",
        "O O O",
    ):
        yield dict(tags=["O"] * int(rng.integers(0, 2)) + _tags(rng, pattern))
    for _ in range(2):
        yield dict(tags=_tags(rng, " ".join(rng.choice(["O", "BA", "IA", "BB", "IB"], 6))))


@entities_of.law("An O more at the end must change nothing.")
def _(f, tags):
    return f([*tags, "O"]), f(tags)


@entities_of.law("An O more in front must move every entity by one token.")
def _(f, tags):
    return f(["O", *tags]), f(tags) + [1, 1, 0]


@entities_of.law("The sentence twice, with an O between, must hold every entity twice.")
def _(f, tags):
    once = f(tags)
    return f([*tags, "O", *tags]), np.append(once, once + [len(tags) + 1, len(tags) + 1, 0], axis=0)


def _read(tags, goes_on=lambda kind, tag: tag == f"I-{kind}", begins=lambda tag: tag[0] == "B", end="O"):
    """Entities when `goes_on(type, tag)` keeps one open and `begins(tag)` opens the next."""
    entities, kind, start = [], None, 0
    for t, tag in enumerate([*tags, end] if end else tags):
        if kind and not goes_on(kind, tag):
            entities.append((start, t, kind))
            kind = None
        if not kind and begins(tag):
            start, kind = t, tag[2:]
    return entities


@entities_of.mistake(
    "An entity that reaches to the end of the sentence is lost. Nothing behind it closes it: close it "
    "after the loop."
)
def entities_of_last_lost(tags):
    return _read(tags, end="")


@entities_of.mistake(
    "Two entities of one type side by side have become one. A B always begins a new one, and closes what is "
    "open: that is what it is for."
)
def entities_of_neighbours_merged(tags):
    return _read(tags, goes_on=lambda kind, tag: tag[2:] == kind)


@entities_of.mistake(
    "An I that follows no B begins an entity in your answer. Some readings allow it; by this docstring it "
    "belongs to none, or a model would be paid for tags that say nothing."
)
def entities_of_begun_by_i(tags):
    return _read(tags, begins=lambda tag: tag[0] in "BI")


@entities_of.mistake(
    "An I of another type goes on with your entity: half a drug and half a disease become one thing. Compare "
    "its type with that of the open one."
)
def entities_of_type_change_unseen(tags):
    return _read(tags, goes_on=lambda kind, tag: tag[0] == "I")


@entities_of.mistake(
    "An O does not close your entity, so that an I further on still belongs to it, and the entity reaches "
    "over words between. Only an I of its type, directly behind, goes on."
)
def entities_of_over_a_gap(tags):
    entities = []
    for t, tag in enumerate(tags):
        if tag[0] == "B":
            entities.append((t, t + 1, tag[2:]))
        elif entities and tag == f"I-{entities[-1][2]}":
            entities[-1] = (entities[-1][0], t + 1, entities[-1][2])
    return entities


@entities_of.mistake(
    "Only a B closes your entities: they take all that follows, O as well. Close one at every tag that is "
    "not an I of its type."
)
def entities_of_closed_by_b_only(tags):
    return _read(tags, goes_on=lambda kind, tag: tag[0] != "B", end="B-")


@entities_of.mistake(
    "`end` is the last token in your answer. Wanted is the one behind it, as in tokens[start:end]."
)
def entities_of_end_included(tags):
    return [(start, end - 1, kind) for start, end, kind in entities_of(tags)]


@entities_of.mistake(
    "Every entity is one token long, for you look at B alone. The tokens with I that follow it belong to it "
    "as well."
)
def entities_of_only_b(tags):
    return [(start, start + 1, kind) for start, _, kind in entities_of(tags)]


@entities_of.mistake(
    "Every tagged token is an entity of its own in your answer. A B begins one, and each I behind it makes "
    "it longer."
)
def entities_of_token_by_token(tags):
    return [(t, t + 1, tag[2:]) for t, tag in enumerate(tags) if tag != "O"]


@entities_of.mistake(
    "Entities of a single token are lost. A B with no I behind it is an entity all the same, and in notes "
    "most drugs are one word."
)
def entities_of_single_lost(tags):
    return [(start, end, kind) for start, end, kind in entities_of(tags) if end > start + 1]


@entities_of.mistake(
    "A token that closes one entity cannot open the next in your answer, so that of two neighbours the "
    "second is lost. Ask both questions of each tag: does it close, does it open?"
)
def entities_of_neighbour_lost(tags):
    entities, kind, start = [], None, 0
    for t, tag in enumerate([*tags, "O"]):
        if kind and tag != f"I-{kind}":
            entities.append((start, t, kind))
            kind = None
        elif not kind and tag[0] == "B":
            start, kind = t, tag[2:]
    return entities


@entities_of.mistake(
    'The third part is the whole tag, "B-" and all. The type is what stands behind the hyphen.'
)
def entities_of_with_tag(tags):
    return [(start, end, f"B-{kind}") for start, end, kind in entities_of(tags)]


@entities_of.mistake("Only the first entity is in your list. Does `return` stand inside the loop?")
def entities_of_first_only(tags):
    return entities_of(tags)[:1]


# 3 F1 of entities


class _Sentences(list):
    """Lists of entities, shown one sentence a line."""

    def __repr__(self):
        return "[" + ",\n ".join(map(repr, self)) + "]"


@exercise(
    "How good is a tagger? Count the entities that it gets exactly right, over all sentences.",
    hints=(
        "An entity is right when start, end and type are all right, and in the same sentence. Count these.",
        "Three numbers are enough: how many are right, how many are true, how many were called, each summed "
        "over all sentences.",
        "F1 = 2 * right / (all true + all called). In one sentence, len(set(a) & set(b)) entities are right.",
    ),
    right="One word too many, and an entity counts as missed and as invented as well: F1 is hard on borders. "
    "Accuracy over tokens is not, for most tokens are O.",
)
def f1_of_entities(true, called):
    """F1 of entities over all sentences together (micro): 2 * right / (number true + number called).

    true     list with one list of (start, end, type) for each sentence; at least one of them has an entity
    called   the same for what a model found, the sentences in the same order
             an entity is right if the same sentence has one with the same start, end and type in `true`
    returns  one number, 0 to 1; 0 where nothing is called

    >>> true = [[(0, 2, "drug")], [(1, 2, "disease"), (4, 5, "drug")]]
    >>> called = [[(0, 2, "drug")], [(1, 3, "disease")]]
    >>> f1_of_entities(true, called)
    0.4
    """
    right = sum(len(set(a) & set(b)) for a, b in zip(true, called, strict=True))
    return 2 * right / (sum(len(a) for a in true) + sum(len(b) for b in called))


def _some_entities(rng, most):
    """Up to `most` entities of a sentence, that do not overlap."""
    bounds = np.sort(1 + rng.choice(9, 2 * int(rng.integers(1, most + 1)), replace=False)).tolist()
    return [
        (start, end, TYPES[rng.integers(3)]) for start, end in zip(bounds[::2], bounds[1::2], strict=True)
    ]


def _called(rng, entities):
    """What a model finds of them: half as they are, others with another border or type, or not at all."""
    found = []
    for start, end, kind in entities:
        fate = rng.choice(["right", "start", "end", "type", "missed"], p=[0.5, 0.1, 0.1, 0.1, 0.2])
        if fate == "type":
            kind = TYPES[TYPES.index(kind) - 1]
        if fate != "missed":
            found.append((start - (fate == "start"), end + (fate == "end"), kind))
    return found


@f1_of_entities.probes
def _(rng):
    for _ in _tries():
        probes = []
        for n in (3, 4, 3, 4, 3):
            true = [_some_entities(rng, 3) for _ in range(n)]
            called = [_called(rng, entities) for entities in true]
            called[1] = sorted({*called[1], *true[0][:1]})  # right, but in the wrong sentence
            probes.append(dict(true=_Sentences(true), called=_Sentences(called)))
        if _told_apart([[way(**given) for given in probes] for way in _ways_to_f1()]):
            break
    yield from probes
    some = _some_entities(rng, 2)
    yield dict(true=_Sentences([some, []]), called=_Sentences([some, []]))
    yield dict(true=_Sentences([some, []]), called=_Sentences([[], []]))
    yield dict(true=_Sentences([[], some]), called=_Sentences([[], []]))


@f1_of_entities.law("A sentence more, in which nothing is true and nothing called, must change nothing.")
def _(f, true, called):
    return f(_Sentences([*true, []]), _Sentences([*called, []])), f(true, called)


@f1_of_entities.law(
    "An entity more in a sentence of its own, true and called, must add one to all three counts."
)
def _(f, true, called):
    more = [[(20, 22, "drug")]]
    right = sum(len(set(a) & set(b)) for a, b in zip(true, called, strict=True))
    both = sum(map(len, true)) + sum(map(len, called))
    return f(_Sentences(true + more), _Sentences(called + more)), 2 * (right + 1) / (both + 2)


@f1_of_entities.law("Every sentence twice must give the same F1.")
def _(f, true, called):
    return f(_Sentences(true + true), _Sentences(called + called)), f(true, called)


def _f1(right, true, called):
    """F1 of three counts; 0 where nothing is right."""
    return 2 * right / (true + called) if right else 0.0


def _hits(true, called, part=lambda entity: entity):
    """F1 when two entities are the same that have the same `part`."""
    true, called = ([{part(e) for e in entities} for entities in lists] for lists in (true, called))
    right = sum(len(a & b) for a, b in zip(true, called, strict=True))
    return _f1(right, sum(map(len, true)), sum(map(len, called)))


def _counts(true, called):
    """Entities that are right, true, called."""
    right = sum(len(set(a) & set(b)) for a, b in zip(true, called, strict=True))
    return right, sum(map(len, true)), sum(map(len, called))


@f1_of_entities.mistake(
    "This is the precision: right entities among those called. A tagger that calls one entity in the whole "
    "ward, and gets it right, would earn 1."
)
def f1_of_entities_is_precision(true, called):
    right, _, n = _counts(true, called)
    return right / n if n else 0.0


@f1_of_entities.mistake(
    "This is the recall, or sensitivity: right entities among the true ones. What was invented costs nothing."
)
def f1_of_entities_is_recall(true, called):
    right, n, _ = _counts(true, called)
    return right / n


@f1_of_entities.mistake(
    "You take the plain mean of precision and recall, by which calling everything still earns a half. F1 is "
    "their harmonic mean: 2 * right / (true + called)."
)
def f1_of_entities_plain_mean(true, called):
    return (f1_of_entities_is_precision(true, called) + f1_of_entities_is_recall(true, called)) / 2


@f1_of_entities.mistake(
    "You divide by the entities in either list, true or called. F1 divides by the sum of both, and counts "
    "the right ones twice."
)
def f1_of_entities_over_the_union(true, called):
    right, n, m = _counts(true, called)
    return right / (n + m - right)


@f1_of_entities.mistake(
    "The 2 is missing: a perfect tagger would get 0.5, for a right entity is in both numbers below."
)
def f1_of_entities_without_2(true, called):
    return f1_of_entities(true, called) / 2


@f1_of_entities.mistake(
    "You count tokens, each with its type. Three quarters of a long name would be a success, and long names "
    "would weigh more than short ones."
)
def f1_of_entities_of_tokens(true, called):
    def tokens(lists):
        return [[(t, kind) for start, end, kind in each for t in range(start, end)] for each in lists]

    return _hits(tokens(true), tokens(called))


@f1_of_entities.mistake(
    "The type makes no difference in your answer: a drug that was called a disease counts as right. Compare "
    "start, end and type."
)
def f1_of_entities_types_ignored(true, called):
    return _hits(true, called, lambda entity: entity[:2])


@f1_of_entities.mistake(
    "The end makes no difference in your answer: half of a name is not the name. Compare start, end and type."
)
def f1_of_entities_ends_ignored(true, called):
    return _hits(true, called, lambda entity: (entity[0], entity[2]))


@f1_of_entities.mistake(
    "The start makes no difference in your answer: half of a name is not the name. Compare start, end and "
    "type."
)
def f1_of_entities_starts_ignored(true, called):
    return _hits(true, called, lambda entity: entity[1:])


@f1_of_entities.mistake(
    "Entities that overlap with a true one of their type count as right. That is the lenient F1; the strict "
    "one, which is asked for, wants both borders."
)
def f1_of_entities_overlap_counts(true, called):
    right = sum(
        any(a < end and start < b and kind == k for a, b, k in entities)
        for entities, found in zip(true, called, strict=True)
        for start, end, kind in found
    )
    return _f1(right, sum(map(len, true)), sum(map(len, called)))


@f1_of_entities.mistake(
    "You take an F1 of each sentence, and their mean: a sentence with one entity weighs as much as one with "
    "ten. Sum the counts over all sentences first, then divide once."
)
def f1_of_entities_mean_of_sentences(true, called):
    return np.mean([_hits([a], [b]) if a or b else 1.0 for a, b in zip(true, called, strict=True)])


@f1_of_entities.mistake(
    "You throw the entities of all sentences together and lose which sentence each is from: tokens 2 to 3 of "
    "one note are not tokens 2 to 3 of another. Compare sentence by sentence."
)
def f1_of_entities_sentences_mixed(true, called):
    return _hits([sum(true, [])], [sum(called, [])])


@f1_of_entities.mistake(
    "You compare the first with the first, the second with the second: one missed entity moves all others "
    "out of place. Ask of each whether the other list holds it."
)
def f1_of_entities_by_place(true, called):
    right = sum(a == b for both in zip(true, called, strict=True) for a, b in zip(*both, strict=False))
    return _f1(right, sum(map(len, true)), sum(map(len, called)))


@f1_of_entities.mistake(
    "You count sentences that are right as a whole. One wrong entity does not undo the others beside it: "
    "count entities."
)
def f1_of_entities_of_sentences(true, called):
    return np.mean([set(a) == set(b) for a, b in zip(true, called, strict=True)])


@f1_of_entities.mistake(
    "Where nothing is called, your precision is 0 / 0, and nan spoils the answer. Written with counts, "
    "2 * right / (true + called), F1 is 0 there."
)
def f1_of_entities_nan(true, called):
    return f1_of_entities(true, called) if any(called) else np.nan


def _ways_to_f1():
    """The solution and all mistakes but the one that shows only where nothing is called."""
    mistakes = [mistake.function for mistake in f1_of_entities.mistakes]
    return [f1_of_entities.function, *(way for way in mistakes if way is not f1_of_entities_nan)]


# 4 One step of an LSTM


@exercise(
    "An LSTM reads one word. What does its cell keep, what does it forget, and what does it say?",
    hints=(
        "One sum for all four parts at once: x @ W + h @ U + b has 4 n values, cut into four pieces of n.",
        "i, f and o are gates and go through the sigmoid, 1 / (1 + np.exp(-z)); g is what may be written, "
        "and goes through np.tanh.",
        "New cell: f times the old one, plus i times g. New h: o times np.tanh of the NEW cell. Return both.",
    ),
    right="From one cell to the next there is a product with f and a sum, and no matrix: while f is near 1, "
    "a word from far away is still in the cell, and its gradient comes through.",
)
def lstm_step(x, h, c, W, U, b):
    """One step of a long short-term memory: i, f, o = sigmoid(...), g = tanh(...) of x @ W + h @ U + b.

    x        input of this step (d,)
    h, c     output and cell of the step before (n,), (n,)
    W, U, b  weights (d, 4 n), (n, 4 n) and (4 n,), with four blocks of n columns in the order of Keras:
             input gate i, forget gate f, candidate g, output gate o
    returns  (h, c) of this step, (n,) each: c = f * old c + i * g, and h = o * tanh(c)
    Source: Hochreiter and Schmidhuber, Neural Computation 9 (1997); with the forget gate of Gers, Schmidhuber
    and Cummins, Neural Computation 12 (2000).

    >>> W, U, b = np.array([[0.0, 0.0, 1.0, 0.0]]), np.zeros((1, 4)), np.array([50.0, 50.0, 0.0, 50.0])
    >>> h, c = lstm_step(np.array([0.5]), np.array([0.0]), np.array([2.0]), W, U, b)
    >>> c.round(3), h.round(3)
    (array([2.462]), array([0.986]))
    """

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    i, f, g, o = np.split(x @ W + h @ U + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


@lstm_step.compared("the two arrays of shape (n,), `return h, c`")
def _(answer):
    h, c = answer
    if np.ndim(h) != 1 or np.ndim(c) != 1:
        raise ValueError("wanted: two arrays of one axis")
    return np.stack([h, c])


@lstm_step.probes
def _(rng):
    for d, n in ((1, 2), (2, 2), (3, 2), (2, 3), (1, 3)):
        yield dict(
            x=_scores(rng, d),
            h=_scores(rng, n) / 4,
            c=_scores(rng, n),
            W=_scores(rng, d, 4 * n) / 2,
            U=_scores(rng, n, 4 * n),
            b=_scores(rng, 4 * n) / 2,
        )


def _scores(rng, *shape):
    """Numbers from -3 to 3 with one decimal, all different as far as there are enough."""
    size = int(np.prod(shape))
    return rng.permutation(np.tile(np.arange(-30, 31), -(-size // 61)))[:size].reshape(shape) / 10


@lstm_step.law("With all weights 0 every gate is half open and nothing is written: the cell must be halved.")
def _(f, x, h, c, W, U, b):
    return f(x, h, c, 0 * W, 0 * U, 0 * b)[1], c / 2


@lstm_step.law("With the forget gate open and the input gate shut, the cell must stay as it is.")
def _(f, x, h, c, W, U, b):
    shut = np.repeat([-50.0, 50.0, 0.0, 0.0], len(c))
    return f(x, h, c, 0 * W, 0 * U, b + shut)[1], c


@lstm_step.law("The old h given as more input, with U below W, must come to the same.")
def _(f, x, h, c, W, U, b):
    return f(np.append(x, h), 0 * h, c, np.append(W, U, 0), U, b), f(x, h, c, W, U, b)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _gates(x, h, W, U, b, order="ifgo"):
    """i, f, g and o, from the blocks of W, U and b in this order."""
    blocks = dict(zip(order, np.split(x @ W + h @ U + b, 4), strict=True))
    return [np.tanh(blocks[part]) if part == "g" else _sigmoid(blocks[part]) for part in "ifgo"]


def _step(c, i, f, g, o):
    c = f * c + i * g
    return o * np.tanh(c), c


@lstm_step.mistake(
    "Input and forget gate have changed places: the cell forgets where it should write. In Keras the first "
    "block is i, the second f."
)
def lstm_step_forget_first(x, h, c, W, U, b):
    return _step(c, *_gates(x, h, W, U, b, "figo"))


@lstm_step.mistake(
    "Candidate and output gate have changed places. Papers and libraries differ in the order; in Keras the "
    "third block is g, the last one o."
)
def lstm_step_candidate_last(x, h, c, W, U, b):
    return _step(c, *_gates(x, h, W, U, b, "ifog"))


@lstm_step.mistake(
    "Your blocks are in the order f, i, o, g, as many books write them. The weights come from Keras, and "
    "there it is i, f, g, o."
)
def lstm_step_order_of_books(x, h, c, W, U, b):
    return _step(c, *_gates(x, h, W, U, b, "fiog"))


@lstm_step.mistake(
    "You take every fourth value for a gate. The four blocks lie one behind the other, n values each."
)
def lstm_step_every_fourth(x, h, c, W, U, b):
    order = np.arange(len(b)).reshape(-1, 4).T.ravel()
    return lstm_step(x, h, c, W[:, order], U[:, order], b[order])


@lstm_step.mistake(
    "The tanh around the cell is missing in h. A cell may grow with every word; what it says should stay "
    "between -1 and 1."
)
def lstm_step_h_without_tanh(x, h, c, W, U, b):
    *_, o = _gates(x, h, W, U, b)
    c = lstm_step(x, h, c, W, U, b)[1]
    return o * c, c


@lstm_step.mistake(
    "Your h is made of the old cell, so that what this word wrote is heard one word late. First the new "
    "cell, then h from it."
)
def lstm_step_h_of_the_old_cell(x, h, c, W, U, b):
    *_, o = _gates(x, h, W, U, b)
    return o * np.tanh(c), lstm_step(x, h, c, W, U, b)[1]


@lstm_step.mistake(
    "U makes no difference in your answer: the cell does not hear what it said a word ago. Add h @ U."
)
def lstm_step_without_u(x, h, c, W, U, b):
    return lstm_step(x, h, c, W, 0 * U, b)


@lstm_step.mistake("b makes no difference in your answer. It belongs to each of the four sums.")
def lstm_step_without_b(x, h, c, W, U, b):
    return lstm_step(x, h, c, W, U, 0 * b)


@lstm_step.mistake(
    "Sigmoid and tanh have changed places: a gate of -0.8 would turn the cell round. Gates lie between 0 "
    "and 1, the candidate between -1 and 1."
)
def lstm_step_functions_swapped(x, h, c, W, U, b):
    i, f, g, o = np.split(x @ W + h @ U + b, 4)
    return _step(c, np.tanh(i), np.tanh(f), _sigmoid(g), np.tanh(o))


@lstm_step.mistake(
    "The candidate goes through the sigmoid in your answer, and could only ever add to the cell. It goes "
    "through tanh, so that it may also take away."
)
def lstm_step_candidate_is_a_gate(x, h, c, W, U, b):
    i, f, g, o = np.split(x @ W + h @ U + b, 4)
    return _step(c, _sigmoid(i), _sigmoid(f), _sigmoid(g), _sigmoid(o))


@lstm_step.mistake(
    "The four sums go in as they are: nothing bounds them, and a gate could be 7. Gates go through the "
    "sigmoid, the candidate through tanh."
)
def lstm_step_without_sigmoid(x, h, c, W, U, b):
    return _step(c, *np.split(x @ W + h @ U + b, 4))


@lstm_step.mistake(
    "The old cell is lost: each word starts from nothing, and there is no memory. Keep f times the old cell."
)
def lstm_step_without_memory(x, h, c, W, U, b):
    return lstm_step(x, h, 0 * c, W, U, b)


@lstm_step.mistake(
    "The forget gate is not used: the whole old cell stays, and after a hundred words it has overflowed. "
    "Multiply it by f."
)
def lstm_step_forgets_nothing(x, h, c, W, U, b):
    i, _, g, o = _gates(x, h, W, U, b)
    return _step(c, i, 1, g, o)


@lstm_step.mistake(
    "The input gate is not used: every word is written in full, wanted or not. Multiply the candidate by i."
)
def lstm_step_writes_all(x, h, c, W, U, b):
    _, f, g, o = _gates(x, h, W, U, b)
    return _step(c, 1, f, g, o)


@lstm_step.mistake(
    "The output gate is not used: all of the cell is said at once. Multiply tanh of the cell by o."
)
def lstm_step_says_all(x, h, c, W, U, b):
    i, f, g, _ = _gates(x, h, W, U, b)
    return _step(c, i, f, g, 1)


@lstm_step.mistake(
    "You write with 1 - f where i belongs, as a GRU does with its update gate. An LSTM has a gate of its own "
    "for what comes in."
)
def lstm_step_as_in_a_gru(x, h, c, W, U, b):
    _, f, g, o = _gates(x, h, W, U, b)
    return _step(c, 1 - f, f, g, o)


@lstm_step.mistake("Output and cell have changed places: return h, c.")
def lstm_step_c_first(x, h, c, W, U, b):
    return lstm_step(x, h, c, W, U, b)[::-1]


# 5 log-sum-exp


@exercise(
    "Add up probabilities of which only the logarithms are known, and do not end at 0 or inf.",
    hints=(
        "np.exp(1000) is inf, np.exp(-1000) is 0. By what could you divide all terms of the sum, so that "
        "the largest is 1?",
        "Taking the largest number m out of every exponent divides the sum by exp(m). What does that do to "
        "its logarithm?",
        "With m = a.max(): the log of the sum of np.exp(a - m), and m must come back in at the end.",
    ),
    right="The largest term is now exp(0) = 1: nothing overflows, and what becomes 0 was too small to be "
    "seen. A sentence of 50 words with 11 tags has 11 ** 50 paths, so the rest of the chapter lives on this.",
)
def log_sum_exp(a):
    """log(exp(a[0]) + exp(a[1]) + ...), for numbers of any size.

    a        finite numbers (n,), n >= 1, such as logarithms of probabilities or scores; 1000 and -1000 too
    returns  one number, never below the largest of them

    >>> round(float(log_sum_exp(np.log([0.1, 0.2, 0.3]))), 3), round(float(np.log(0.6)), 3)
    (-0.511, -0.511)
    >>> log_sum_exp(np.array([1000.0, -1000.0]))
    np.float64(1000.0)
    """
    m = np.max(a)
    return m + np.log(np.sum(np.exp(a - m)))


@log_sum_exp.probes
def _(rng):
    for n in (2, 3, 4):
        yield dict(a=_scores(rng, n))
    yield dict(a=_scores(rng, 1))
    for level in (1000, 2000, -1000, -2000):
        yield dict(a=level + _scores(rng, int(rng.integers(2, 5))))
    yield dict(a=np.append(-900 + _scores(rng, 2), 900 + _scores(rng, 2)))
    yield dict(a=np.append(_scores(rng, 2), 1500 + _scores(rng, 3)))
    yield dict(a=np.append(1200 + _scores(rng, 2), -1200 + _scores(rng, 3)))


@log_sum_exp.law("5 more on each number must give 5 more.")
def _(f, a):
    return f(a + 5) - f(a), 5.0


@log_sum_exp.law("Each number given twice must give log 2 more.")
def _(f, a):
    return f(np.append(a, a)) - f(a), np.log(2)


@log_sum_exp.law("A single number must come back as it is.")
def _(f, a):
    return f(a[:1]), a[0]


@log_sum_exp.mistake(
    "It is right for small numbers, but np.exp(1000) is inf, and the log of a sum of zeros is -inf. Take the "
    "largest number out before exp."
)
def log_sum_exp_overflows(a):
    return np.log(np.sum(np.exp(a)))


@log_sum_exp.mistake(
    "The largest number is taken out, and never comes back: 1000 and 2000 would give the same. What you took "
    "out of the exponents belongs to the answer."
)
def log_sum_exp_largest_lost(a):
    return np.log(np.sum(np.exp(a - np.max(a))))


@log_sum_exp.mistake(
    "The largest number is taken off twice. It went out of the exponents, so it has to be added at the end."
)
def log_sum_exp_largest_subtracted(a):
    return log_sum_exp_largest_lost(a) - np.max(a)


@log_sum_exp.mistake(
    "You divide by the largest number where it should be subtracted: exp(a / m) is not exp(a) / exp(m)."
)
def log_sum_exp_divided(a):
    return np.max(a) + np.log(np.sum(np.exp(a / np.max(a))))


@log_sum_exp.mistake("You take the SMALLEST number out of the exponents. The largest one is what overflows.")
def log_sum_exp_smallest_out(a):
    return np.min(a) + np.log(np.sum(np.exp(a - np.min(a))))


@log_sum_exp.mistake(
    "You take the mean out of the exponents. Numbers far above the mean still overflow: take the largest."
)
def log_sum_exp_mean_out(a):
    return np.mean(a) + np.log(np.sum(np.exp(a - np.mean(a))))


@log_sum_exp.mistake("This is the log of a MEAN of exp. Probabilities that add up are summed: np.sum.")
def log_sum_exp_of_the_mean(a):
    return np.max(a) + np.log(np.mean(np.exp(a - np.max(a))))


@log_sum_exp.mistake(
    "This is the largest number itself. It is close when one term towers over all others, but the others "
    "count as well."
)
def log_sum_exp_is_max(a):
    return np.max(a)


@log_sum_exp.mistake(
    "This is the plain sum: log and exp have cancelled one another. Sum BETWEEN exp and log."
)
def log_sum_exp_is_sum(a):
    return np.sum(a)


@log_sum_exp.mistake("The log at the end is missing. Wanted is the logarithm of the sum.")
def log_sum_exp_without_log(a):
    return np.exp(log_sum_exp(a))


@log_sum_exp.mistake(
    "Your logarithm has another base. np.exp belongs to np.log; np.log10 and np.log2 belong to powers of 10 "
    "and 2."
)
def log_sum_exp_log10(a):
    return np.max(a) + np.log10(np.sum(np.exp(a - np.max(a))))


@log_sum_exp.mistake(
    "The exp is missing: you add the numbers, and take the log of that sum. First back from logarithms with "
    "np.exp, then add."
)
def log_sum_exp_without_exp(a):
    return np.log(np.sum(a))


@log_sum_exp.mistake(
    "These are shares that sum to 1, the softmax. It divides by the sum; wanted is the log of that sum, one "
    "number."
)
def log_sum_exp_is_softmax(a):
    return np.exp(a - log_sum_exp(a))


# 6 The score of a path


@exercise(
    "How well does one sequence of tags suit a sentence? Add up what each tag scores, and each step between.",
    hints=(
        "A path of T tags has T emissions. How many steps are there from one tag to the next?",
        "At step t: emit[t, tags[t]] for the tag, and trans[tags[t - 1], tags[t]] for the step to it.",
        "The first tag has no step before it: begin with emit[0, tags[0]], and let the loop run from 1 to "
        "T - 1.",
    ),
    right="The emissions know the word and not its neighbours, the transitions know the neighbours and not "
    "the word. A path needs both, and so does an entity.",
)
def score_of_path(emit, trans, tags):
    """Score of one path: the sum of its emissions and of its transitions.

    emit     emit[t, k] is the score of tag k at step t (T, K)
    trans    trans[i, j] is the score of tag i followed by tag j (K, K)
    tags     the path, whole numbers from 0 to K - 1 (T,)
    returns  one number: T emissions and T - 1 transitions, summed
    Source: Lafferty, McCallum and Pereira, ICML 2001.

    >>> emit, trans = np.array([[1.0, 5.0], [2.0, 0.0]]), np.array([[0.1, 0.2], [0.3, 0.4]])
    >>> score_of_path(emit, trans, np.array([1, 0]))
    np.float64(7.3)
    """
    score = emit[0, tags[0]]
    for t in range(1, len(tags)):
        score += trans[tags[t - 1], tags[t]] + emit[t, tags[t]]
    return score


@score_of_path.probes
def _(rng):
    for T, K in ((2, 2), (3, 3), (4, 3), (5, 3), (4, 4)):
        for _ in _tries():
            tags = rng.integers(0, K, T)
            if len(set(tags[[0, 1, -2, -1]].tolist())) > 1 and tags[0] != tags[-1]:
                break
        yield dict(emit=_scores(rng, T, K), trans=_scores(rng, K, K), tags=tags)
    yield dict(emit=_scores(rng, 1, 3), trans=_scores(rng, 3, 3), tags=rng.integers(0, 3, 1))


@score_of_path.law("3 more on every emission must give 3 more for each tag of the path.")
def _(f, emit, trans, tags):
    return f(emit + 3, trans, tags) - f(emit, trans, tags), 3.0 * len(tags)


@score_of_path.law(
    "3 more on every transition must give 3 more for each step, one fewer than there are tags."
)
def _(f, emit, trans, tags):
    return f(emit, trans + 3, tags) - f(emit, trans, tags) + 3, 3.0 * len(tags)


@score_of_path.law("A path cut in two must score as both parts and the step between them.")
def _(f, emit, trans, tags):
    longer, path = np.append(emit, emit[:1], 0), np.append(tags, 0)
    return f(longer, trans, path), f(emit, trans, tags) + trans[tags[-1], 0] + emit[0, 0]


def _emissions(emit, tags):
    return emit[np.arange(len(tags)), tags]


@score_of_path.mistake(
    'The transitions are the wrong way round: you look up "tag before" in the columns. trans[i, j] is i '
    "FOLLOWED by j, and O before B is not B before O."
)
def score_of_path_transposed(emit, trans, tags):
    return score_of_path(emit, trans.T, tags)


@score_of_path.mistake(
    "There is a step too many: from the last tag back to the first. For t = 0, tags[t - 1] is tags[-1], and "
    "Python does not mind."
)
def score_of_path_in_a_ring(emit, trans, tags):
    return score_of_path(emit, trans, tags) + trans[tags[-1], tags[0]]


@score_of_path.mistake(
    "The first transition is missing. There are T - 1 of them, and the first leads from tag 0 to tag 1 of "
    "the path."
)
def score_of_path_first_step_missing(emit, trans, tags):
    return score_of_path(emit, trans, tags) - (trans[tags[0], tags[1]] if len(tags) > 1 else 0)


@score_of_path.mistake("The last transition is missing. There are T - 1 of them; where does your loop end?")
def score_of_path_last_step_missing(emit, trans, tags):
    return score_of_path(emit, trans, tags) - (trans[tags[-2], tags[-1]] if len(tags) > 1 else 0)


@score_of_path.mistake(
    "The first emission is missing. The first tag has no transition before it, but a score of its own."
)
def score_of_path_first_emission_missing(emit, trans, tags):
    return score_of_path(emit, trans, tags) - emit[0, tags[0]]


@score_of_path.mistake(
    "The last emission is missing. A path of T tags has T emissions, one more than transitions."
)
def score_of_path_last_emission_missing(emit, trans, tags):
    return score_of_path(emit, trans, tags) - emit[-1, tags[-1]]


@score_of_path.mistake(
    "Your path begins at its second tag: the first one is missing, and the step away from it. Both count."
)
def score_of_path_begins_too_late(emit, trans, tags):
    return score_of_path(emit[1:], trans, tags[1:]) if len(tags) > 1 else 0.0


@score_of_path.mistake(
    "The transitions are missing: this is what each tag scores alone, and an impossible sequence would cost "
    "nothing."
)
def score_of_path_without_transitions(emit, trans, tags):
    return _emissions(emit, tags).sum()


@score_of_path.mistake(
    "The emissions are missing: this is what the sequence scores before anybody has looked at the words."
)
def score_of_path_without_emissions(emit, trans, tags):
    return score_of_path(0 * emit, trans, tags)


@score_of_path.mistake(
    "You add up the emissions of all tags, not only of those on the path. At step t it is emit[t, tags[t]]."
)
def score_of_path_all_emissions(emit, trans, tags):
    return emit.sum() + score_of_path(0 * emit, trans, tags)


@score_of_path.mistake(
    "At each step you take the emission of the tag before. The word at step t is to be suited by tags[t]."
)
def score_of_path_emission_of_the_tag_before(emit, trans, tags):
    before = np.append(tags[:1], tags[:-1])
    return _emissions(emit, before).sum() + score_of_path(0 * emit, trans, tags)


@score_of_path.mistake(
    "You take the transition from each tag to itself. A step leads from tags[t - 1] to tags[t]."
)
def score_of_path_steps_on_the_spot(emit, trans, tags):
    return _emissions(emit, tags).sum() + trans[tags[1:], tags[1:]].sum()


@score_of_path.mistake(
    "You multiply the scores. They are logarithms, as it were, and what is multiplied as probabilities is "
    "added as scores."
)
def score_of_path_multiplied(emit, trans, tags):
    return _emissions(emit, tags).prod() * trans[tags[:-1], tags[1:]].prod()


@score_of_path.mistake("This is exp of the score. Wanted: the score itself, which cannot overflow.")
def score_of_path_exp(emit, trans, tags):
    return np.exp(score_of_path(emit, trans, tags))


@score_of_path.mistake(
    "You divide by the number of tags. The probability of a path, `exp(score) / Z`, needs the sum."
)
def score_of_path_mean(emit, trans, tags):
    return score_of_path(emit, trans, tags) / len(tags)


# 7 The sum over all paths


@exercise(
    "Sum exp(score) over ALL paths of a sentence, as a logarithm, without walking them one by one.",
    hints=(
        "How many paths are there? But all that end in tag j at step t go on alike: one number for each j.",
        "alpha[j] is the log of the summed exp(score) of all paths that end in j. To get there from tag i "
        "costs alpha[i] + trans[i, j], summed over i, then comes emit[t, j].",
        "alpha = emit[t] + log_sum_exp over i (axis 0) of alpha[:, None] + trans. np.logaddexp.reduce(x, "
        "axis=0) is a log-sum-exp along an axis. At the end one more, over j.",
    ),
    right="K ** T paths in T * K * K steps. This is the log of what a CRF divides by: score minus log Z is "
    "the log of a path's probability, and the loss is minus that.",
)
def forward_log_z(emit, trans):
    """log Z: log of the summed exp(score) of all K ** T paths, by the forward algorithm.

    emit     emit[t, k] is the score of tag k at step t (T, K); scores of 1000 and -1000 occur
    trans    trans[i, j] is the score of tag i followed by tag j (K, K)
    returns  one number; a path's score is the sum of its T emissions and its T - 1 transitions
    Source: Rabiner, Proceedings of the IEEE 77 (1989), for CRFs Lafferty, McCallum and Pereira, ICML 2001.

    >>> emit, trans = np.log([[1.0, 2.0], [3.0, 4.0]]), np.zeros((2, 2))
    >>> float(np.exp(forward_log_z(emit, trans)).round(3))  # 1 * 3 + 1 * 4 + 2 * 3 + 2 * 4
    21.0
    """
    alpha = emit[0]
    for t in range(1, len(emit)):
        alpha = emit[t] + np.logaddexp.reduce(alpha[:, None] + trans, axis=0)
    return np.logaddexp.reduce(alpha)


def _lattices(rng):
    """Emissions and transitions, of small scores and of large ones, and a sentence of one word."""
    for T, K in ((2, 2), (3, 2), (3, 3), (4, 3), (5, 3), (4, 4)):
        yield dict(emit=_scores(rng, T, K), trans=_scores(rng, K, K))
    for level in (900, -900):
        yield dict(emit=level + _scores(rng, 3, 3), trans=_scores(rng, 3, 3))
    yield dict(emit=_scores(rng, 1, 3), trans=_scores(rng, 3, 3))


@forward_log_z.probes
def _(rng):
    yield from _lattices(rng)


def _all_paths(emit, trans):
    """All K ** T paths (n, T) and their scores (n,)."""
    T, K = emit.shape
    paths = np.array(list(itertools.product(range(K), repeat=T)))
    return paths, emit[np.arange(T), paths].sum(1) + trans[paths[:, :-1], paths[:, 1:]].sum(1)


@forward_log_z.law("It must be the log of exp(score) summed over all paths, one by one.")
def _(f, emit, trans):
    level = emit.max()
    return f(emit - level, trans), SUM(_all_paths(emit - level, trans)[1])


@forward_log_z.law("3 more on all tags of the last step must give 3 more.")
def _(f, emit, trans):
    more = emit - emit.max()
    more[-1] += 3
    return f(more, trans) - f(emit - emit.max(), trans), 3.0


@forward_log_z.law("1000 more on every emission must give 1000 more for each step, without overflow.")
def _(f, emit, trans):
    return f(emit - emit.max() + 1000, trans) - 1000 * len(emit), f(emit - emit.max(), trans)


def _alphas(emit, step, first=None):
    """The rows alpha[t] = step(alpha[t - 1], emit[t]), from emit[0] or `first` on."""
    rows = [emit[0] if first is None else first]
    for row in emit[1:]:
        rows.append(step(rows[-1], row))
    return np.array(rows)


def _last(emit, step, first=None):
    """log Z of a recursion with another `step`."""
    return SUM(_alphas(emit, step, first)[-1])


@forward_log_z.mistake(
    "This is the score of the BEST path: you take the maximum where the sum over all belongs. Divided by "
    "that, the best path would always have a probability of 1."
)
def forward_log_z_is_viterbi(emit, trans):
    return _alphas(emit, lambda alpha, row: row + (alpha[:, None] + trans).max(axis=0))[-1].max()


@forward_log_z.mistake(
    "Within the sentence you sum, but at the end only the best last tag counts. The paths that end in the "
    "others belong to the sum as well."
)
def forward_log_z_max_at_the_end(emit, trans):
    return _alphas(emit, lambda alpha, row: row + SUM(alpha[:, None] + trans, axis=0))[-1].max()


@forward_log_z.mistake(
    "These are the sums for each last tag, K numbers. One more log-sum-exp over them gives the one number "
    "that all paths share."
)
def forward_log_z_left_open(emit, trans):
    return _alphas(emit, lambda alpha, row: row + SUM(alpha[:, None] + trans, axis=0))[-1]


@forward_log_z.mistake(
    "At the end you add the K logarithms, which multiplies what they stand for. Add what they stand for: a "
    "log-sum-exp again."
)
def forward_log_z_summed_at_the_end(emit, trans):
    return forward_log_z_left_open(emit, trans).sum()


@forward_log_z.mistake(
    "The transitions are the wrong way round. In trans[i, j] the tag BEFORE is the row, and alpha belongs to "
    "the tag before."
)
def forward_log_z_transposed(emit, trans):
    return forward_log_z(emit, trans.T)


@forward_log_z.mistake(
    "You sum over the tag that comes, axis 1, and keep the one before. Sum over the tag before, i: rows are "
    "axis 0."
)
def forward_log_z_over_the_wrong_axis(emit, trans):
    return _last(emit, lambda alpha, row: row + SUM(alpha[:, None] + trans, axis=1))


@forward_log_z.mistake(
    "alpha is added along the wrong side: alpha + trans gives alpha[j] to the column of the tag that comes. "
    "It belongs to the rows: turn it into a column first."
)
def forward_log_z_alpha_on_the_wrong_side(emit, trans):
    return _last(emit, lambda alpha, row: row + SUM(alpha + trans, axis=0))


@forward_log_z.mistake(
    "The emissions of the first step are missing: the first word is never looked at. alpha begins with "
    "emit[0]."
)
def forward_log_z_first_emission_missing(emit, trans):
    return forward_log_z(np.append(0 * emit[:1], emit[1:], axis=0), trans)


@forward_log_z.mistake(
    "The emissions of every later step are counted twice. They do not depend on the tag before: once, inside "
    "the log-sum-exp or outside."
)
def forward_log_z_emission_twice(emit, trans):
    return forward_log_z(np.append(emit[:1], 2 * emit[1:], axis=0), trans)


@forward_log_z.mistake(
    "After the first step the emissions are missing: only the first word is looked at. Each step has emit[t]."
)
def forward_log_z_only_first_emission(emit, trans):
    return forward_log_z(np.append(emit[:1], 0 * emit[1:], axis=0), trans)


@forward_log_z.mistake(
    "You add the emission of step t to the tag BEFORE it: it went to the rows. It belongs to the tag that "
    "comes, j."
)
def forward_log_z_emission_to_the_tag_before(emit, trans):
    return _last(emit, lambda alpha, row: SUM(alpha[:, None] + trans + row[:, None], axis=0))


@forward_log_z.mistake(
    "Each step adds the emissions of the step before, so that the first word counts twice and the last one "
    "never. At step t it is emit[t]."
)
def forward_log_z_one_emission_late(emit, trans):
    return forward_log_z(np.append(emit[:1], emit[:-1], axis=0), trans)


@forward_log_z.mistake("The last step is missing. Where does your loop end? It has to reach T - 1.")
def forward_log_z_last_step_missing(emit, trans):
    return forward_log_z(emit[:-1] if len(emit) > 1 else emit, trans)


@forward_log_z.mistake(
    "There is a transition into the first tag. Nothing stands before it: start with alpha = emit[0], and let "
    "the loop begin at 1."
)
def forward_log_z_step_too_many(emit, trans):
    return forward_log_z(np.append(0 * emit[:1], emit, axis=0), trans)


@forward_log_z.mistake(
    "The transitions are missing, as if each tag were chosen alone. Then a softmax for each word would do, "
    "and there would be no need of a CRF."
)
def forward_log_z_without_transitions(emit, trans):
    return forward_log_z(emit, 0 * trans)


@forward_log_z.mistake(
    "You average over the tags before where they should be summed. More paths make Z larger: a sum, not a "
    "mean."
)
def forward_log_z_mean(emit, trans):
    return _last(emit, lambda alpha, row: row + SUM(alpha[:, None] + trans, axis=0) - np.log(len(trans)))


@forward_log_z.mistake(
    "It is right for small scores, but exp of a large one is inf, and of a very small one 0. Stay with "
    "logarithms, and use a log-sum-exp that takes the largest out first."
)
def forward_log_z_overflows(emit, trans):
    weights = np.exp(emit[0])
    for row in emit[1:]:
        weights = weights @ np.exp(trans) * np.exp(row)
    return np.log(weights.sum())


@forward_log_z.mistake("This is Z, not log Z: it overflows for any real sentence. Leave it as a logarithm.")
def forward_log_z_is_z(emit, trans):
    return np.exp(forward_log_z(emit, trans))


# 8 The best path


@exercise(
    "Find the best of all paths, without walking them one by one.",
    hints=(
        "As in forward_log_z, with a maximum in place of the sum: best[j] is the score of the best path that "
        "ends in tag j.",
        "The maximum forgets where it came from. Keep that too: at each step and for each j the tag i before "
        "it, (best[:, None] + trans).argmax(axis=0).",
        "Only the last tag is known at the end: best.argmax(). Go back from there, through the back-pointers "
        "from the last step to the first, and turn the list round.",
    ),
    right="A tag that looks best alone may lead nowhere, and only the whole path shows it. An argmax for "
    "each word may write an I after an O; a path that has to pay for the step will not.",
)
def viterbi_path(emit, trans):
    """The path with the highest score, by the Viterbi algorithm.

    emit     emit[t, k] is the score of tag k at step t (T, K)
    trans    trans[i, j] is the score of tag i followed by tag j (K, K); no two paths are equally good
    returns  list of T tags, whole numbers (int) from 0 to K - 1, the first step first
    Source: Viterbi, IEEE Transactions on Information Theory 13 (1967).

    >>> emit = np.array([[1.0, 0.0], [0.0, 0.5], [1.0, 0.0]])
    >>> trans = np.array([[0.0, -9.0], [0.0, 0.0]])  # tag 1 after tag 0: nearly impossible
    >>> viterbi_path(emit, trans)
    [0, 0, 0]
    """
    best, back = emit[0], []
    for t in range(1, len(emit)):
        paths = best[:, None] + trans
        back.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + emit[t]
    tags = [int(best.argmax())]
    for before in back[::-1]:
        tags.append(int(before[tags[-1]]))
    return tags[::-1]


@viterbi_path.compared("a list of T tags, whole numbers (int)")
def _(answer):
    tags = np.asarray(answer)
    if tags.ndim != 1 or (tags.size and tags.dtype.kind not in "iu"):
        raise ValueError("wanted: ints")
    return tags.astype(int)


@viterbi_path.probes
def _(rng):
    ways = [viterbi_path.function, *(mistake.function for mistake in viterbi_path.mistakes)]
    sums = viterbi_path.function, viterbi_path_with_sums, viterbi_path_by_marginals
    short = viterbi_path.function, viterbi_path_greedy, viterbi_path_without_back_pointers
    for _ in _tries():
        probes = [_clear_best(rng, T, K, short) for T, K in ((3, 3), (4, 3), (4, 4))]
        probes += [_clear_best(rng, 4, 4, sums) for _ in range(2)]
        probes += [_clear_best(rng, T, 3) for T in (5, 6)]
        if _told_apart([[_as_one_number(way(**given)) for given in probes] for way in ways]):
            break
    yield from probes
    yield dict(emit=_scores(rng, 1, 3), trans=_scores(rng, 3, 3))


def _clear_best(rng, T, K, apart=()):
    """Scores with one best path, which differs when read backwards; all of `apart` give different ones."""
    for _ in _tries():
        emit, trans = (rng.permutation(np.arange(-15, 16)) / 10 for _ in range(2))
        emit, trans = emit[: T * K].reshape(T, K), trans[: K * K].reshape(K, K)
        paths, scores = _all_paths(emit, trans)
        best = paths[scores.argmax()]
        if np.sum(scores > scores.max() - 0.05) > 1 or np.array_equal(best, best[::-1]):
            continue
        if len({_as_one_number(way(emit, trans)) for way in apart}) == len(apart):
            return dict(emit=emit, trans=trans)


def _as_one_number(tags):
    return int("".join(map(str, [1, *tags])))


@viterbi_path.law("No other path may have a higher score.")
def _(f, emit, trans):
    tags = f(emit, trans)
    if len(tags) != len(emit):
        raise ValueError("wanted: T tags")
    score = emit[np.arange(len(emit)), tags].sum() + trans[tags[:-1], tags[1:]].sum()
    return score, _all_paths(emit, trans)[1].max()


@viterbi_path.law("Without transitions, each step must have the tag with its highest emission.")
def _(f, emit, trans):
    return f(emit, 0 * trans), emit.argmax(axis=1)


@viterbi_path.law(
    "The sentence read backwards, with the transitions turned round, must give the path backwards."
)
def _(f, emit, trans):
    return f(emit[::-1], trans.T), f(emit, trans)[::-1]


def _pointers(emit, trans, axis=0):
    """Best score for each last tag, and the back-pointers of all steps."""
    best, back = emit[0], []
    for row in emit[1:]:
        paths = best[:, None] + trans
        back.append(paths.argmax(axis=axis))
        best = paths.max(axis=axis) + row
    return best, back


def _followed(tag, back):
    """Tags from `tag` on through the back-pointers, in the order in which these come."""
    tags = [int(tag)]
    for before in back:
        tags.append(int(before[tags[-1]]))
    return tags


@viterbi_path.mistake(
    "Each step has the tag with its own highest emission: the transitions make no difference, and an I may "
    "follow an O. The path as a whole has to be the best."
)
def viterbi_path_argmax(emit, trans):
    return emit.argmax(axis=1).tolist()


@viterbi_path.mistake(
    "You go forward and take the best next tag each time. What is best now may lead to nothing good later: "
    "keep the best way to EVERY tag, and choose at the end."
)
def viterbi_path_greedy(emit, trans):
    tags = [int(emit[0].argmax())]
    for row in emit[1:]:
        tags.append(int((trans[tags[-1]] + row).argmax()))
    return tags


@viterbi_path.mistake(
    "You take the best last tag at each step, but these tags belong to different paths. Only the last one is "
    "sure; from there, go back along the back-pointers."
)
def viterbi_path_without_back_pointers(emit, trans):
    rows = _alphas(emit, lambda best, row: row + (best[:, None] + trans).max(axis=0))
    return rows.argmax(axis=1).tolist()


@viterbi_path.mistake(
    "The back-pointers are followed from the first step on. They point backwards: begin with those of the "
    "last step."
)
def viterbi_path_pointers_from_the_start(emit, trans):
    best, back = _pointers(emit, trans)
    return _followed(best.argmax(), back)[::-1]


@viterbi_path.mistake(
    "Your path is the right one, but backwards: it begins with the last tag, where you began. Turn the list "
    "round."
)
def viterbi_path_backwards(emit, trans):
    return viterbi_path(emit, trans)[::-1]


@viterbi_path.mistake(
    "The transitions are the wrong way round. In trans[i, j] the tag BEFORE is the row, and `best` belongs "
    "to the tag before."
)
def viterbi_path_transposed(emit, trans):
    return viterbi_path(emit, trans.T)


@viterbi_path.mistake(
    "You take maximum and back-pointers over the tag that comes, axis 1. Each tag that comes needs its best "
    "tag BEFORE: over the rows, axis 0."
)
def viterbi_path_over_the_wrong_axis(emit, trans):
    best, back = _pointers(emit, trans, axis=1)
    return _followed(best.argmax(), back[::-1])[::-1]


@viterbi_path.mistake(
    "You go back from the last step's highest EMISSION. The best path ends where its whole score is highest."
)
def viterbi_path_ends_at_the_best_emission(emit, trans):
    return _followed(emit[-1].argmax(), _pointers(emit, trans)[1][::-1])[::-1]


@viterbi_path.mistake(
    "You always go back from tag 0. The best path ends in the tag whose whole score is highest."
)
def viterbi_path_ends_at_0(emit, trans):
    return _followed(0, _pointers(emit, trans)[1][::-1])[::-1]


@viterbi_path.mistake(
    "After the first step the emissions are missing: the words do not count. To each step's maximum belongs "
    "emit[t]."
)
def viterbi_path_without_emissions(emit, trans):
    return viterbi_path(np.append(emit[:1], 0 * emit[1:], axis=0), trans)


@viterbi_path.mistake(
    "The emissions of the first step are missing: the first word is never looked at. `best` begins with "
    "emit[0]."
)
def viterbi_path_first_emission_missing(emit, trans):
    return viterbi_path(np.append(0 * emit[:1], emit[1:], axis=0), trans)


@viterbi_path.mistake(
    "The first tag is missing: T tags have T - 1 steps between them, and each step has its back-pointers. "
    "Follow them all."
)
def viterbi_path_first_tag_missing(emit, trans):
    return viterbi_path(emit, trans)[1:]


@viterbi_path.mistake(
    "The last tag is missing: where you begin to go back is itself a tag of the path. Put it into the list "
    "first."
)
def viterbi_path_last_tag_missing(emit, trans):
    return viterbi_path(emit, trans)[:-1]


@viterbi_path.mistake(
    "This is the WORST path: you look for the lowest scores. The best path has the highest."
)
def viterbi_path_worst(emit, trans):
    return viterbi_path(-emit, -trans)


@viterbi_path.mistake(
    "You sum over the tags before where the maximum belongs. The sum tells how much flows into a tag, not "
    "which single path is the best."
)
def viterbi_path_with_sums(emit, trans):
    _, back = _pointers(emit, trans)
    alphas = _alphas(emit, lambda alpha, row: row + SUM(alpha[:, None] + trans, axis=0))
    back = [(alpha[:, None] + trans).argmax(axis=0) for alpha in alphas[:-1]]
    return _followed(alphas[-1].argmax(), back[::-1])[::-1]


@viterbi_path.mistake(
    "Each step has its most probable tag over all paths. These tags need not make one path, and the step "
    "between two of them may be impossible: wanted is the single best path."
)
def viterbi_path_by_marginals(emit, trans):
    return tag_marginals(emit, trans).argmax(axis=1).tolist()


# 9 How sure of each tag


@exercise(
    "How sure is the model of each single tag? Let all paths that have it there speak, not only the best.",
    hints=(
        "A path through tag k at step t is a path up to there and a path on from there. alpha of the forward "
        "algorithm sums the first parts; what sums the second?",
        "beta[t, i] sums what comes after step t: over j, trans[i, j] + emit[t + 1, j] + beta[t + 1, j]. "
        "It begins at the end with zeros, and runs back.",
        "log P = alpha[t] + beta[t] - log Z, where log Z is the log-sum-exp of alpha[t] + beta[t] over the "
        "tags, at any step.",
    ),
    right="Now a word's tag comes with a confidence that has heard both neighbours. The loss learns from "
    "this table too: its slope in the emissions is the table minus the truth.",
)
def tag_marginals(emit, trans):
    """P(tag k at step t) for each step and tag, over all paths, by the forward-backward algorithm.

    emit     emit[t, k] is the score of tag k at step t (T, K); scores of 1000 and -1000 occur
    trans    trans[i, j] is the score of tag i followed by tag j (K, K)
    returns  probabilities (T, K), each row with the sum 1: the share that the paths with tag k at step t have
             in the sum of exp(score) over all paths
    Source: Rabiner, Proceedings of the IEEE 77 (1989), section III; Sutton and McCallum, Foundations and
    Trends in Machine Learning 4 (2012), section 4.1.

    >>> emit, trans = np.log([[1.0, 1.0], [1.0, 3.0]]), np.log([[1.0, 1.0], [2.0, 1.0]])
    >>> tag_marginals(emit, trans).round(3)  # paths 00, 01, 10, 11 weigh 1, 3, 2, 3
    array([[0.444, 0.556],
           [0.333, 0.667]])
    """
    alpha, beta = emit.astype(float), np.zeros(emit.shape)
    for t in range(1, len(emit)):
        alpha[t] += np.logaddexp.reduce(alpha[t - 1][:, None] + trans, axis=0)
    for t in range(len(emit) - 2, -1, -1):
        beta[t] = np.logaddexp.reduce(trans + emit[t + 1] + beta[t + 1], axis=1)
    log_z = np.logaddexp.reduce(alpha[-1])
    return np.exp(alpha + beta - log_z)


@tag_marginals.probes
def _(rng):
    for given in _lattices(rng):
        yield dict(emit=given["emit"] / 2, trans=given["trans"])


@tag_marginals.law("The probabilities of each step must sum to 1.")
def _(f, emit, trans):
    return f(emit, trans).sum(axis=1), np.ones(len(emit))


@tag_marginals.law("It must be the share of the paths with this tag, counted one by one.")
def _(f, emit, trans):
    paths, scores = _all_paths(emit, trans)
    share = np.exp(scores - SUM(scores))
    return f(emit, trans), np.array([[share[row == k].sum() for k in range(len(trans))] for row in paths.T])


@tag_marginals.law(
    "The sentence read backwards, with the transitions turned round, must give the rows backwards."
)
def _(f, emit, trans):
    return f(emit[::-1], trans.T), f(emit, trans)[::-1]


@tag_marginals.law("5 more on all emissions of the first step must change nothing.")
def _(f, emit, trans):
    more = emit.copy()
    more[0] += 5
    return f(more, trans), f(emit, trans)


def _softmax(scores):
    return np.exp(scores - SUM(scores, axis=1, keepdims=True))


def _forwards(emit, trans):
    return _alphas(emit, lambda alpha, row: row + SUM(alpha[:, None] + trans, axis=0))


def _backwards(emit, trans):
    """beta: what comes after each step, without its own emission."""
    rows = _alphas(emit[::-1], lambda seen, row: row + SUM(trans + seen, axis=1))
    return rows[::-1] - emit


@tag_marginals.mistake(
    "This is a softmax of the emissions: each word is judged alone, and no neighbour is heard. The "
    "transitions belong in."
)
def tag_marginals_softmax(emit, trans):
    return _softmax(emit)


@tag_marginals.mistake(
    "You use the forward sums alone: each word has heard the words before it, and none of those after it. "
    "The backward sums are missing."
)
def tag_marginals_forward_only(emit, trans):
    return _softmax(_forwards(emit, trans))


@tag_marginals.mistake(
    "You use the backward sums alone: each word has heard what follows, and nothing before it. The forward "
    "sums are missing."
)
def tag_marginals_backward_only(emit, trans):
    return _softmax(emit + _backwards(emit, trans))


@tag_marginals.mistake(
    "Each step's own emission is counted twice, in alpha and in beta, which makes the model surer than it "
    "is. beta[t] sums what comes AFTER step t."
)
def tag_marginals_emission_twice(emit, trans):
    return _softmax(_forwards(emit, trans) + emit + _backwards(emit, trans))


@tag_marginals.mistake(
    "The emissions are missing on the way back: the words behind are not heard, only how tags follow one "
    "another. From t + 1 comes emit[t + 1] as well."
)
def tag_marginals_backward_without_emissions(emit, trans):
    return _softmax(_forwards(emit, trans) + _backwards(0 * emit, trans))


@tag_marginals.mistake(
    "On the way back the transitions are the wrong way round. beta[t, i] sums over the tag that FOLLOWS i: "
    "over the columns of trans, axis 1."
)
def tag_marginals_backward_transposed(emit, trans):
    return _softmax(_forwards(emit, trans) + _backwards(emit, trans.T))


@tag_marginals.mistake(
    "On the way forward the transitions are the wrong way round. alpha[t, j] sums over the tag BEFORE j: "
    "over the rows of trans, axis 0."
)
def tag_marginals_forward_transposed(emit, trans):
    return _softmax(_forwards(emit, trans.T) + _backwards(emit, trans))


@tag_marginals.mistake(
    "The transitions are the wrong way round on both ways. trans[i, j] is i followed by j: forward sum over "
    "i, backward over j."
)
def tag_marginals_transposed(emit, trans):
    return tag_marginals(emit, trans.T)


@tag_marginals.mistake(
    "You take the maximum where the sum belongs: for each tag only its best path speaks. All paths with the "
    "tag have a share."
)
def tag_marginals_of_best_paths(emit, trans):
    rows = _alphas(emit, lambda best, row: row + (best[:, None] + trans).max(axis=0))
    seen = _alphas(emit[::-1], lambda best, row: row + (trans + best).max(axis=1))[::-1]
    return _softmax(rows + seen - emit)


@tag_marginals.mistake(
    "These are not divided by Z: they are weights, and do not sum to 1. Subtract log Z before exp."
)
def tag_marginals_not_normalised(emit, trans):
    return np.exp(_forwards(emit, trans) + _backwards(emit, trans))


@tag_marginals.mistake(
    "You normalise over the steps: each tag's column sums to 1. At each step one of the tags has to be "
    "there: the rows sum to 1."
)
def tag_marginals_over_the_steps(emit, trans):
    return _softmax((_forwards(emit, trans) + _backwards(emit, trans)).T).T


@tag_marginals.mistake(
    "All steps together sum to 1 in your table. Each step has its own sum of 1: a sentence of T words has T "
    "tags."
)
def tag_marginals_over_the_table(emit, trans):
    return tag_marginals(emit, trans) / len(emit)


@tag_marginals.mistake(
    "alpha and emit are one array in your answer: what you write into alpha is what you add on the way back "
    "as emit. Begin with a copy, emit.copy()."
)
def tag_marginals_alpha_is_emit(emit, trans):
    alpha, beta = _forwards(emit, trans), np.zeros(emit.shape)
    for t in range(len(emit) - 2, -1, -1):
        beta[t] = SUM(trans + alpha[t + 1] + beta[t + 1], axis=1)
    return np.exp(alpha + beta - SUM(alpha[-1]))


@tag_marginals.mistake("These are logarithms of probabilities. Take exp at the end.")
def tag_marginals_logarithms(emit, trans):
    log_p = _forwards(emit, trans) + _backwards(emit, trans)
    return log_p - SUM(log_p, axis=1, keepdims=True)


@tag_marginals.mistake(
    "It is right for small scores, but exp of a large one is inf, and inf / inf is not a number. Stay with "
    "logarithms until the end."
)
def tag_marginals_overflow(emit, trans):
    weight, follows = np.exp(emit), np.exp(trans)
    alpha = _alphas(weight, lambda alpha, row: alpha @ follows * row)
    seen = _alphas(weight[::-1], lambda seen, row: follows @ seen * row)[::-1]
    both = alpha * seen / weight
    return both / both.sum(axis=1, keepdims=True)


# 10 Padding


@exercise(
    "Sentences of different lengths share one array. What is the mean loss of a token, padding left out?",
    hints=(
        "How many real tokens are there in the whole batch? The mean divides by that number.",
        "Do not multiply by the mask: what stands under padding may be inf, and inf * 0 is nan. Choose.",
        "losses[mask] holds the losses of the real tokens, of all sentences, one behind the other.",
    ),
    right="Now the loss is the same however much a batch is padded. Without a mask it moves as soon as one "
    "long sentence comes along, and nobody has learnt anything.",
)
def masked_mean(losses, mask):
    """Mean loss of the real tokens of a batch.

    losses   loss of each token (B, T): B sentences, filled up to T tokens; what stands under padding means
             nothing, and may be inf
    mask     True on real tokens, False on padding (B, T); at least one is True
    returns  one number: the mean over all real tokens, each of them with the same weight

    >>> losses = np.array([[1.0, 2.0, 3.0], [6.0, np.inf, 0.0]])
    >>> masked_mean(losses, np.array([[True, True, True], [True, False, False]]))
    np.float64(3.0)
    """
    return np.mean(losses[mask])


@masked_mean.probes
def _(rng):
    for lengths, infinite in (((3, 1), 0), ((4, 2, 1), 0), ((1, 5), 0), ((2, 4), 1), ((4, 3, 1), 2)):
        mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        losses = 0.5 + rng.permutation(mask.size).reshape(mask.shape) / 2
        losses[0, 0] = 0.0  # a real token that costs nothing
        for place in np.argwhere(~mask)[:infinite]:
            losses[tuple(place)] = np.inf
        yield dict(losses=losses, mask=mask)
    yield dict(losses=rng.permutation(6).reshape(2, 3) / 2, mask=np.ones((2, 3), bool))


@masked_mean.law("What stands under padding must not matter.")
def _(f, losses, mask):
    return f(np.where(mask, losses, 77.0), mask), f(losses, mask)


@masked_mean.law("A column more of padding must change nothing.")
def _(f, losses, mask):
    more = np.zeros((len(mask), 1))
    return f(np.append(losses, more, 1), np.append(mask, more > 0, 1)), f(losses, mask)


@masked_mean.law("All sentences as one long line must have the same mean.")
def _(f, losses, mask):
    return f(losses.reshape(1, -1), mask.reshape(1, -1)), f(losses, mask)


@masked_mean.mistake(
    "You take the mean over all tokens, padding too. The loss would change with the longest sentence of the "
    "batch."
)
def masked_mean_of_all(losses, mask):
    return losses.mean()


@masked_mean.mistake(
    "You take a mean for each sentence, and the mean of these: a token of a short note weighs more than one "
    "of a long note. One mean over all real tokens."
)
def masked_mean_of_means(losses, mask):
    return np.mean([row[real].mean() for row, real in zip(losses, mask, strict=True)])


@masked_mean.mistake(
    "Padding is in your mean as zeros: you divide by all tokens. The more padding, the smaller the loss, and "
    "the model has not improved at all: divide by the real ones."
)
def masked_mean_padding_as_zeros(losses, mask):
    return np.where(mask, losses, 0).mean()


@masked_mean.mistake(
    "This is the mean over the padding: the mask is turned round. It is True on real tokens."
)
def masked_mean_inverted(losses, mask):
    return losses[~mask].sum() / np.sum(~mask)


@masked_mean.mistake(
    "This is the sum. A batch of long sentences would weigh more than one of short ones: divide by the "
    "number of real tokens."
)
def masked_mean_is_sum(losses, mask):
    return losses[mask].sum()


@masked_mean.mistake(
    "You divide by the number of sentences. That is a mean loss of a SENTENCE, in which long ones weigh "
    "more; wanted is that of a token."
)
def masked_mean_by_sentences(losses, mask):
    return losses[mask].sum() / len(losses)


@masked_mean.mistake(
    "You divide by T, the length to which all are filled up. Divide by the number of real tokens in the "
    "whole batch."
)
def masked_mean_by_length(losses, mask):
    return losses[mask].sum() / losses.shape[1]


@masked_mean.mistake(
    "It is right until inf stands under padding: inf * 0 is nan, and one nan spoils the whole batch. Choose "
    "the real tokens, do not multiply."
)
def masked_mean_multiplied(losses, mask):
    return np.sum(losses * mask) / np.sum(mask)


@masked_mean.mistake("This is one mean for each sentence. Wanted: one number for the batch.")
def masked_mean_row_by_row(losses, mask):
    return np.array([row[real].mean() for row, real in zip(losses, mask, strict=True)])


@masked_mean.mistake(
    "You leave out losses of 0. A real token may cost nothing, and it counts: the mask says what is real, "
    "not the loss."
)
def masked_mean_without_zeros(losses, mask):
    return losses[mask].sum() / np.sum(losses[mask] > 0)


@masked_mean.mistake(
    "The mask makes no difference: you leave out what is not finite. Padding may hold any number; the mask "
    "says what is real."
)
def masked_mean_of_finite(losses, mask):
    return losses[np.isfinite(losses)].mean()


@masked_mean.mistake("You take the first sentence only. The mean goes over the real tokens of all sentences.")
def masked_mean_first_sentence(losses, mask):
    return losses[0][mask[0]].mean()


# 11 Forbidden steps


@exercise(
    "Some steps cannot be in BIO, whatever a net may say. Forbid them in the table of transitions.",
    hints=(
        "O and B may follow anything. What about I-drug: after which two tags may it stand?",
        "trans[i, j] is names[i] followed by names[j]. Where names[j] is I of a type, names[i] has to be B "
        "or I of the same type.",
        'Two loops over enumerate(names), on a copy: where after.startswith("I-"), and before is O or has '
        "another type, write -1e4.",
    ),
    right="What is known need not be learnt from examples. One hole is left: no step leads into the first "
    "token, so that an I there needs a ban of its own, a start score.",
)
def forbid(trans, names):
    """A copy of the transitions in which steps that BIO does not allow score -1e4.

    trans    trans[i, j] is the score of names[i] followed by names[j] (K, K)
    names    the K tags, "O", "B-type" and "I-type", in any order
    returns  (K, K): -1e4 where names[j] is "I-type" and names[i] neither "B-type" nor "I-type" of that type;
             all other scores as they were; `trans` itself stays as it is

    >>> forbid(np.ones((3, 3)), ["O", "B-drug", "I-drug"])
    array([[ 1.e+00,  1.e+00, -1.e+04],
           [ 1.e+00,  1.e+00,  1.e+00],
           [ 1.e+00,  1.e+00,  1.e+00]])
    """
    allowed = trans.copy()
    for i, before in enumerate(names):
        for j, after in enumerate(names):
            if after.startswith("I-") and before not in ("B-" + after[2:], after):
                allowed[i, j] = -1e4
    return allowed


@forbid.probes
def _(rng):
    for kinds in (1, 2, 2, 2, 3):
        some = rng.permutation(TYPES)[:kinds].tolist()
        names = ["O", *(f"{letter}-{kind}" for kind in some for letter in "BI")]
        if kinds > 1:
            names = rng.permutation(names).tolist()
        yield dict(trans=_large_scores(rng, len(names)), names=names)


def _large_scores(rng, K):
    """Numbers from 2 to 9 with either sign, which can be seen beside -1e4 as well."""
    return rng.choice([-1, 1], (K, K)) * (2 + rng.integers(0, 71, (K, K)) / 10)


@forbid.law("Tags in another order must give the same table, its rows and columns in that order.")
def _(f, trans, names):
    return f(trans[::-1, ::-1], names[::-1]), f(trans, names)[::-1, ::-1]


@forbid.law("Where all tags are O or B, nothing may change.")
def _(f, trans, names):
    keep = [k for k, name in enumerate(names) if name[0] != "I"]
    return f(trans[np.ix_(keep, keep)], [names[k] for k in keep]), trans[np.ix_(keep, keep)]


@forbid.law("Allowed scores twice as high must come back twice as high, and the forbidden ones as they were.")
def _(f, trans, names):
    once = f(trans, names)
    return f(2 * trans, names), np.where(once == -1e4, once, 2 * once)


def _forbidden(trans, names, bad, score=-1e4):
    """The transitions with `score` where bad(before, after)."""
    return np.where([[bad(before, after) for after in names] for before in names], score, trans)


def _bad(before, after):
    return after[0] == "I" and before[1:] != after[1:]


@forbid.mistake(
    "The table is the wrong way round: you forbid O after I and allow I after O. In trans[i, j] the row i is "
    "the tag before."
)
def forbid_transposed(trans, names):
    return _forbidden(trans, names, lambda before, after: _bad(after, before))


@forbid.mistake(
    "The types make no difference: I-drug may follow B-disease, and half a drug goes on with half a disease. "
    "Compare what stands behind the hyphen."
)
def forbid_types_ignored(trans, names):
    return _forbidden(trans, names, lambda before, after: before == "O" and after[0] == "I")


@forbid.mistake(
    "I may still follow O in your table. That is the commonest impossible step of all: an entity that goes "
    "on and has never begun."
)
def forbid_i_after_o_allowed(trans, names):
    return _forbidden(trans, names, lambda before, after: before != "O" and _bad(before, after))


@forbid.mistake(
    "You forbid I after an I of its own type, so that no entity could be longer than two tokens. Only the "
    "step from B to I and from I to I keeps a name together."
)
def forbid_i_after_i(trans, names):
    return _forbidden(
        trans, names, lambda before, after: _bad(before, after) or (after[0] == "I" and before == after)
    )


@forbid.mistake(
    "You forbid I after a B of its own type: no entity could have a second token. That step is what B is for."
)
def forbid_i_after_b(trans, names):
    return _forbidden(trans, names, lambda before, after: after[0] == "I" and before != after)


@forbid.mistake(
    "You forbid B after an entity. Two entities may stand side by side, and B is there to tell them apart: "
    "it may follow anything."
)
def forbid_b_after_an_entity(trans, names):
    return _forbidden(
        trans, names, lambda before, after: _bad(before, after) or (after[0] == "B" and before != "O")
    )


@forbid.mistake(
    "You forbid O after B, so that an entity of one token could not be. Most drugs are one word: O may "
    "follow anything."
)
def forbid_o_after_b(trans, names):
    return _forbidden(
        trans, names, lambda before, after: _bad(before, after) or (after == "O" and before[0] == "B")
    )


@forbid.mistake(
    "You forbid what is allowed, and allow the rest: the question is turned round. Write -1e4 where the step "
    "cannot be."
)
def forbid_inverted(trans, names):
    return _forbidden(trans, names, lambda before, after: not _bad(before, after))


@forbid.mistake(
    "You write 0 for a forbidden step, as if it were a probability. It is a score: 0 is no punishment at "
    "all, and many allowed steps score less."
)
def forbid_0(trans, names):
    return _forbidden(trans, names, _bad, 0.0)


@forbid.mistake(
    "You write -inf. Where all paths into a tag are forbidden, a log-sum-exp subtracts -inf from -inf, and "
    "nan goes through the whole training: -1e4 is low enough."
)
def forbid_minus_infinity(trans, names):
    return _forbidden(trans, names, _bad, -np.inf)


@forbid.mistake(
    "The sign is missing: +1e4 is a reward, and every path would take just the steps that cannot be."
)
def forbid_plus(trans, names):
    return _forbidden(trans, names, _bad, 1e4)


@forbid.mistake(
    "Your number is far below -1e4. In float32 -1e9 + 5 is -1e9 again, and all that the path has scored "
    "before is lost: take -1e4."
)
def forbid_minus_1e9(trans, names):
    return _forbidden(trans, names, _bad, -1e9)


@forbid.mistake(
    "The learnt scores are gone: your table holds nothing but the ban. Begin with a copy of trans, and "
    "change the forbidden steps only."
)
def forbid_scores_lost(trans, names):
    return _forbidden(0 * trans, names, _bad)


@forbid.mistake("The transitions come back as they were: nothing is forbidden. Which steps cannot be?")
def forbid_nothing(trans, names):
    return trans


# 12 How sure of an entity


@exercise(
    "A pharmacist asks how sure the model is of one entity. Give the probability of all its tags together.",
    hints=(
        "Among all paths, some have just these tags at these steps. Which share of the sum over all paths is "
        "theirs?",
        "Two runs of the forward algorithm are enough: one over all paths, one over those with these tags.",
        "For the second, copy emit and write -1e4 over all other tags at these steps, so that paths through "
        "them weigh nothing. Then np.exp of one log Z minus the other.",
    ),
    right="Now a list of entities can be sorted, and the doubtful ones shown to somebody. Whether 0.9 means "
    "that nine of ten are right has to be measured, as in chapter 2.",
)
def confidence_of(emit, trans, start, tags):
    """P(the steps from `start` on have just these tags), over all paths.

    emit     emit[t, k] is the score of tag k at step t (T, K)
    trans    trans[i, j] is the score of tag i followed by tag j (K, K)
    start    first step of the entity, counted from 0
    tags     tags of the entity (n,), whole numbers, for the steps start, ..., start + n - 1
    returns  one number, 0 to 1: the sum of exp(score) over the paths that have these tags at these steps,
             divided by the sum over all paths
    Source: Culotta and McCallum, HLT-NAACL 2004 (constrained forward algorithm).

    >>> emit, trans = np.log([[1.0, 1.0], [1.0, 3.0]]), np.log([[1.0, 1.0], [2.0, 1.0]])
    >>> round(float(confidence_of(emit, trans, 0, np.array([0, 1]))), 3)  # 00, 01, 10, 11 weigh 1, 3, 2, 3
    0.333
    """

    def log_z(emit):
        alpha = emit[0]
        for row in emit[1:]:
            alpha = row + np.logaddexp.reduce(alpha[:, None] + trans, axis=0)
        return np.logaddexp.reduce(alpha)

    only = emit.copy()
    for t, tag in enumerate(tags, start):
        only[t] = -1e4
        only[t, tag] = emit[t, tag]
    return np.exp(log_z(only) - log_z(emit))


@confidence_of.probes
def _(rng):
    for T, start, n in ((3, 1, 2), (4, 1, 2), (5, 2, 2), (5, 1, 3), (4, 0, 2), (4, 1, 1), (3, 0, 3)):
        emit, trans = _scores(rng, T, 3) / 2, _scores(rng, 3, 3) / 2
        for _ in _tries():
            tags = rng.integers(0, 3, n)
            if n == 1 or len(np.unique(tags)) > 1:
                break
        yield dict(emit=emit, trans=trans, start=start, tags=tags)


@confidence_of.law("All ways to tag these steps must together have probability 1.")
def _(f, emit, trans, start, tags):
    ways = itertools.product(range(len(trans)), repeat=len(tags))
    return sum(f(emit, trans, start, np.array(way)) for way in ways), 1.0


@confidence_of.law("Tags for the whole sentence must have the probability of that one path, exp(score) / Z.")
def _(f, emit, trans, start, tags):
    paths, scores = _all_paths(emit, trans)
    return f(emit, trans, 0, paths[1]), np.exp(scores[1] - SUM(scores))


@confidence_of.law("5 more on all tags of a step must change nothing.")
def _(f, emit, trans, start, tags):
    more = emit.copy()
    more[start] += 5
    return f(more, trans, start, tags), f(emit, trans, start, tags)


def _with_tags(emit, start, tags):
    """The emissions when all other tags of these steps are as good as impossible."""
    only = emit.copy()
    for t, tag in enumerate(tags, start):
        only[t] = -1e4
        only[t, tag] = emit[t, tag]
    return only


def _of_these_tags(table, start, tags):
    return table[np.arange(start, start + len(tags)), tags]


@confidence_of.mistake(
    "You multiply the marginals of the tags, as if each were drawn alone. After a B the I is nearly sure, "
    "and your entity looks far more doubtful than it is."
)
def confidence_of_product(emit, trans, start, tags):
    return _of_these_tags(tag_marginals(emit, trans), start, tags).prod()


@confidence_of.mistake(
    "You take the smallest marginal of the tags. All of them together are never surer than the least sure "
    "one, and mostly less."
)
def confidence_of_smallest(emit, trans, start, tags):
    return _of_these_tags(tag_marginals(emit, trans), start, tags).min()


@confidence_of.mistake(
    "You take the mean of the marginals: one sure token would cover up for another that is likely wrong. "
    "All tags have to be right at once."
)
def confidence_of_mean(emit, trans, start, tags):
    return _of_these_tags(tag_marginals(emit, trans), start, tags).mean()


@confidence_of.mistake(
    "Only the first tag counts in your answer: that is how sure a beginning is, and an entity has an end as "
    "well."
)
def confidence_of_first_tag(emit, trans, start, tags):
    return confidence_of(emit, trans, start, tags[:1])


@confidence_of.mistake(
    "You multiply softmaxes of the emissions: no neighbour is heard, and the transitions make no difference."
)
def confidence_of_softmax(emit, trans, start, tags):
    return _of_these_tags(_softmax(emit), start, tags).prod()


@confidence_of.mistake(
    "This is the share of the one best path with these tags. All paths that have them count, whatever they "
    "say of the other words."
)
def confidence_of_best_path(emit, trans, start, tags):
    best = _all_paths(_with_tags(emit, start, tags), trans)[1].max()
    return np.exp(best - forward_log_z(emit, trans))


@confidence_of.mistake(
    "You cut the entity out of the sentence, and the words around it have no say. Run over the whole "
    "sentence, both times."
)
def confidence_of_cut_out(emit, trans, start, tags):
    part = emit[start : start + len(tags)]
    return np.exp(score_of_path(part, trans, tags) - forward_log_z(part, trans))


@confidence_of.mistake(
    "Above stands the score of the entity's own tokens, below all paths of the whole sentence. The other "
    "words belong above as well, summed over all their tags."
)
def confidence_of_score_over_z(emit, trans, start, tags):
    part = emit[start : start + len(tags)]
    return np.exp(score_of_path(part, trans, tags) - forward_log_z(emit, trans))


@confidence_of.mistake(
    "The emissions of the entity's own tags are lost: you set them to 0. Only the OTHER tags of these steps "
    "are shut out; these keep their scores."
)
def confidence_of_emissions_lost(emit, trans, start, tags):
    only = _with_tags(emit, start, tags)
    only[np.arange(start, start + len(tags)), tags] = 0
    return np.exp(forward_log_z(only, trans) - forward_log_z(emit, trans))


@confidence_of.mistake("This is the logarithm of the probability. Take exp at the end.")
def confidence_of_logarithm(emit, trans, start, tags):
    return np.log(confidence_of(emit, trans, start, tags))


@confidence_of.mistake(
    "You divide one log Z by the other. Sums are divided, their logarithms subtracted: exp of the difference."
)
def confidence_of_logs_divided(emit, trans, start, tags):
    return forward_log_z(_with_tags(emit, start, tags), trans) / forward_log_z(emit, trans)


@confidence_of.mistake(
    "This is the probability that the tags are NOT these: the allowed and the shut out have changed places."
)
def confidence_of_the_others(emit, trans, start, tags):
    return 1 - confidence_of(emit, trans, start, tags)


@confidence_of.mistake(
    "`start` makes no difference in your answer: the tags are put on the first steps of the sentence."
)
def confidence_of_start_ignored(emit, trans, start, tags):
    return confidence_of(emit, trans, 0, tags)


@confidence_of.mistake(
    "The transitions are the wrong way round. trans[i, j] is i FOLLOWED by j: sum over the rows, axis 0."
)
def confidence_of_transposed(emit, trans, start, tags):
    return confidence_of(emit, trans.T, start, tags)
