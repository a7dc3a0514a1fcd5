"""How hard the generated notes are: dictionary and feature CRF for entities, simple readers for relations.

The dictionary and the feature CRF are those of chapter 5. Some four minutes of one core. Exit status 1 where
a bound is missed or a figure is not the one that the cards state.
"""

import sys
from collections import Counter, defaultdict

import numpy as np
from _measuring import Report, arguments

from medtutor.course.bench import Row
from medtutor.data.notes import load_notes, load_relations
from medtutor.data.notes.loaders import MEASURED
from medtutor.metrics import entity_f1
from medtutor.nn import tagging
from medtutor.tags import spans

ROUNDING = 0.015  # the CRF moves by some thousandths between numerical libraries
DICTIONARY_BELOW, CRF_BELOW, BETWEEN_BELOW, PAIR_BELOW = 0.60, 0.88, 0.90, 0.90


def relation_f1(truth, guess):
    """Micro F1 over all relations but "none" (label 0)."""
    hits = int(((truth == guess) & (truth > 0)).sum())
    return 2 * hits / max(1, int((truth > 0).sum() + (guess > 0).sum()))


def look_up(train_keys, train_y, keys):
    """The commonest label of each key in training; 0 for a key never seen."""
    seen = defaultdict(Counter)
    for key, label in zip(train_keys, train_y, strict=True):
        seen[key][label] += 1
    best = {key: labels.most_common(1)[0][0] for key, labels in seen.items()}
    return np.array([best.get(key, 0) for key in keys])


def words_between(data, with_types=True):
    """For each pair: the types of both ends and the tokens between them."""
    rows = []
    for tokens, (a, b), (c, d), types in zip(
        data.x, data.extra["head"], data.extra["tail"], data.extra["types"], strict=True
    ):
        middle = tokens[b:c] if a < c else tokens[d:a]
        rows.append((*types, a < c, *(token.lower() for token in middle)))
    return rows


def names(data):
    """The table's names of both ends: what a look-up that reads no sentence knows at best."""
    return list(zip(data.extra["head_name"], data.extra["tail_name"], strict=True))


def linear(train, test):
    """A linear SVM on words and pairs of words between, before and after the two entities."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.svm import LinearSVC

    bag = CountVectorizer(analyzer=lambda row: row, binary=True, min_df=2)
    model = LinearSVC(C=0.1).fit(bag.fit_transform(_words(train)), train.y)
    return model.predict(bag.transform(_words(test)))


def _words(data):
    rows = []
    for tokens, (a, b), (c, d), types in zip(
        data.x, data.extra["head"], data.extra["tail"], data.extra["types"], strict=True
    ):
        tokens = [token.lower() for token in tokens]
        left, right = min((a, b), (c, d)), max((a, b), (c, d))
        tag = "/".join(types) + str(a < c)
        parts = {"l": tokens[: left[0]][-6:], "m": tokens[left[1] : right[0]], "r": tokens[right[1] :][:6]}
        row = [tag]
        for name, part in parts.items():
            row += [f"{tag} {name} {word}" for word in part] + [f"{name} {word}" for word in part]
            row += [f"{tag} {name} {one}_{two}" for one, two in zip(part, part[1:], strict=False)]
        rows.append(row)
    return rows


def measure(language):
    """{what: F1} for a language, on the test split."""
    train, test = (load_notes(split, language, sentences=True) for split in ("train", "test"))
    seen = {word for tokens, tags in zip(train.x, train.y, strict=True) for word in _surfaces(tokens, tags)}
    met = [word for tokens, tags in zip(test.x, test.y, strict=True) for word in _surfaces(tokens, tags)]
    figures = {"names not in training": float(np.mean([word not in seen for word in met]))}
    terms = tagging.dictionary(train.x, train.y)
    figures["dictionary"] = entity_f1(test.y, [tagging.look_up(terms, tokens) for tokens in test.x])
    crf = tagging.fit_feature_crf(train.x, train.y, "characters" if language == "zh" else "words")
    figures["feature CRF"] = entity_f1(test.y, tagging.tag_by_features(crf, test.x))
    train, test = (load_relations(split, language) for split in ("train", "test"))
    figures["names"] = relation_f1(test.y, look_up(names(train), train.y, names(test)))
    guess = look_up(words_between(train), train.y, words_between(test))
    figures["words between"] = relation_f1(test.y, guess)
    figures["linear"] = relation_f1(test.y, linear(train, test))
    return figures


def _surfaces(tokens, tags):
    return [tuple(token.lower() for token in tokens[start:end]) for start, end, _ in spans(tags)]


def main():
    report = Report(arguments(__doc__).parse_args())
    bounds = {
        "dictionary": DICTIONARY_BELOW,
        "feature CRF": CRF_BELOW,
        "names": PAIR_BELOW,
        "words between": BETWEEN_BELOW,
    }
    for language in ("en", "zh"):
        for what, value in measure(language).items():
            name = f"generated notes, {language}: {what}"
            report.add(Row(name, "test split", "", (round(value, 3),), at_most=bounds.get(what)))
            stated = MEASURED[language].get(what)
            if stated is not None:
                far = round(abs(value - stated), 3)
                report.add(Row(name, f"distance from the stated {stated}", "", (far,), at_most=ROUNDING))
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
