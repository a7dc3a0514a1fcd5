"""The agreement explorer: sentence by sentence, what is true and what each model calls."""

from matplotlib.figure import Figure

from medtutor import metrics, tags
from medtutor.explore.base import Explorer
from medtutor.explore.lattice import drawable
from medtutor.plot import STYLES, Picture, _colours

MOST_SENTENCES, MOST_MODELS = 200, 4
REMARKS = ("found", "other ends", "other type", "extra", "missed")
HATCHES = ("", "///", "xx", "...", "--")


def explore_agreement(
    sentences, truth, models, *, scheme="BIO", strict=True, between=" ", sentence=0, tolerance=0
):
    """Go through sentences: the true entities, and beneath them those of each model, underlined and named.

    sentences  rows of tokens, up to 200
    truth      a row of tags for each;  models  {name: rows of tags}, up to 4
    scheme, strict   how medtutor.tags.spans reads the tags
    between    what stands between two tokens: " ", or "" for Chinese characters
    sentence   to start with, from 0;  tolerance  written behind ± in the description, for trained models

    Each called entity is found (same tokens and type), has other ends or another type than a true one that it
    touches, or is extra, as it touches none; a true one that nothing touches is missed. F1 runs over the
    sentences up to the one in view, and over the list: all, those where models disagree, or those where one
    is wrong.
    Raises ValueError for rows that disagree in number or length and for more than a page should hold, and
    what medtutor.tags raises.
    """
    sentences = [[str(token) for token in row] for row in sentences]
    if not 1 <= len(sentences) <= MOST_SENTENCES:
        raise ValueError(f"there are {len(sentences)} sentences; 1 to {MOST_SENTENCES} are wanted")
    if not isinstance(models, dict) or not 1 <= len(models) <= MOST_MODELS:
        raise ValueError(f"models are {_few(models)}; {{name: rows of tags}} of 1 to {MOST_MODELS} is wanted")
    if isinstance(sentence, bool) or not 0 <= sentence < len(sentences):
        raise ValueError(f"sentence is {sentence!r}; use 0 to {len(sentences) - 1}")
    readers = {"truth": truth, **{str(name): rows for name, rows in models.items()}}
    if len(readers) <= len(models):
        raise ValueError(f"models are {list(models)}; names of their own are wanted, and none 'truth'")
    found = {name: _spans(name, rows, sentences, scheme, strict) for name, rows in readers.items()}
    types = sorted({kind for rows in found.values() for row in rows for _, _, kind in row})
    placed = {
        name: [[(start, end, types.index(kind)) for start, end, kind in row] for row in rows]
        for name, rows in found.items()
    }
    colours = _colours(types)
    state = {
        "sentences": sentences,
        "between": between,
        "models": list(readers)[1:],
        "types": types,
        "colours": [colours[kind] for kind in types],
        "truth": placed["truth"],
        "called": [placed[name] for name in list(readers)[1:]],
        "sentence": int(sentence),
        "list": 0,
    }
    counts = {name: _counts(found["truth"], found[name]) for name in state["models"]}
    pm = f" ± {tolerance:g}" if tolerance else ""
    said = "; ".join(
        f"{name} {_f1(truth, rows, scheme, strict, pm)}" for name, rows in list(readers.items())[1:]
    )
    n = sum(map(len, found["truth"]))
    alt = (
        f"{len(sentences)} sentences with {n} true entities ({', '.join(types) or 'none'}) and what "
        f"{len(models)} models call. Entity F1: {said}. In view, sentence {sentence + 1}: "
        f"{between.join(sentences[sentence])}"
    )
    return Explorer(
        "agreement.js", state, Picture.of(_still(counts), alt), "agreement", parts=["parts.js"], measured=True
    )


def _few(models):
    return list(models) if isinstance(models, dict) else type(models).__name__


def _spans(name, rows, sentences, scheme, strict):
    """[sentence][(start, end, type)]"""
    rows = list(rows)
    if len(rows) != len(sentences):
        raise ValueError(
            f"{name} has {len(rows)} rows of tags for {len(sentences)} sentences; they must match"
        )
    for at, (row, tokens) in enumerate(zip(rows, sentences, strict=True)):
        if len(row) != len(tokens):
            raise ValueError(
                f"{name} has {len(row)} tags in row {at} for {len(tokens)} tokens; they must match"
            )
    return [tags.spans(row, scheme, strict) for row in rows]


def _f1(truth, called, scheme, strict, pm):
    try:
        return f"{metrics.entity_f1(truth, called, scheme=scheme, strict=strict):.2f}{pm}"
    except metrics.Undefined:
        return "not defined, as no entity is true"


def _counts(truth, called):
    """How many entities each of REMARKS is said of, over all sentences."""
    counts = dict.fromkeys(REMARKS, 0)
    for real, row in zip(truth, called, strict=True):
        for one in row:
            touched = [other for other in real if _touch(one, other)]
            same_type = one[2] in [other[2] for other in touched]
            remark = "found" if one in touched else "other ends" if same_type else "other type"
            counts[remark if touched else "extra"] += 1
        counts["missed"] += sum(not any(_touch(one, other) for other in row) for one in real)
    return counts


def _touch(one, other):
    return one[0] < other[1] and other[0] < one[1]


def _still(counts):
    """How many entities each model finds, misses and gets wrong, as bars."""
    figure = Figure(figsize=(8, 1.3 + 0.5 * len(counts)), layout="constrained")
    ax = figure.subplots()
    shown = list(counts) if drawable(counts) else [f"model {at + 1}" for at in range(len(counts))]
    for row, each in enumerate(counts.values()):
        left = 0
        for remark, hatch, (colour, *_) in zip(REMARKS, HATCHES, STYLES, strict=True):
            label = remark if row == 0 else None
            ax.barh(row, each[remark], left=left, color=colour, hatch=hatch, edgecolor="white", label=label)
            left += each[remark]
        ax.text(-0.01, row, shown[row][:16] + " ", ha="right", va="center", parse_math=False,
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set(xlabel="entities", yticks=[], ylim=(len(counts) - 0.4, -0.6))
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=5, fontsize=9, frameon=False)
    return figure
