"""The lattice explorer: every score of a linear chain can be changed, and sums and best path answer."""

import re

import numpy as np
from matplotlib.figure import Figure

from medtutor.explore.base import Explorer
from medtutor.plot import BLUE, RED, Picture

MOST_TOKENS, MOST_TAGS, LARGEST = 8, 5, 99
FORBIDDEN = -1e4  # as medtutor.nn.crf scores what must not be


def explore_lattice(tokens, names, emit, trans, *, start=None, end=None, allowed=None, tolerance=0):
    """Change an emission or a transition: forward sums, marginals and the best path follow.

    tokens   1 to 8 words;  names  2 to 5 tags; where they are "O", "B-drug", "I-drug" …, what no BIO or
             BIOES sequence can hold is told
    emit     (T, K) score of tag k at word t, -99 to 99
    trans    (K, K) trans[i, j] is the score of tag i followed by tag j; -1e4, as a CRF layer writes it, or
             -inf is shown as forbidden
    start, end   (K,) scores of the first and of the last tag; without them there are none
    allowed  bool (K, K), or that with (K,) for the first and (K,) for the last tag, as
             medtutor.nn.crf.allowed_transitions gives them: what is not allowed is forbidden to start with
    tolerance  written behind ± in the description, for trained scores whose last digits differ

    Scores are kept in hundredths, so that the sums which are written out add up. Of equal paths the first is
    shown. A forbidden transition scores -10,000, as in medtutor.nn.crf.
    Raises ValueError for shapes that disagree, scores out of range and more than can be seen at once.
    Source: Rabiner, Proc. IEEE 77 (1989), 257-286, for Viterbi; Sutton and McCallum (2012), section 4.1, for
    forward sums and marginals.
    """
    tokens, names = _words("tokens", tokens, 1, MOST_TOKENS), _words("names", names, 2, MOST_TAGS)
    if len(set(names)) < len(names):
        raise ValueError(f"names are {names}; each tag is wanted once")
    T, K = len(tokens), len(names)
    emit = _scores("emit", emit, (T, K))
    links = np.zeros((K + 1, K + 1))
    links[:K, :K] = _scores("trans", trans, (K, K), may_be_forbidden=True)
    barred, edges_barred = _barred(allowed, K)
    for place, name, scores in ((np.s_[K, :K], "start", start), (np.s_[:K, K], "end", end)):
        if scores is not None:
            links[place] = _scores(name, scores, (K,), may_be_forbidden=True)
    barred |= links < FORBIDDEN / 2
    links[barred & (links < FORBIDDEN / 2)] = 0
    emit, links = (np.rint(100 * scores).astype(int) for scores in (emit, links))
    state = {
        "tokens": tokens,
        "names": names,
        "emit": emit.tolist(),
        "links": links.tolist(),
        "barred": barred.tolist(),
        "edges": start is not None or end is not None or edges_barred,
        "mode": "sum",
        "step": 0,
    }
    chain = _Chain(emit / 100, np.where(barred, FORBIDDEN, links / 100))
    alt = _description(tokens, names, chain, int(barred.sum()), tolerance)
    still = Picture.of(_still(tokens, names, emit / 100, chain), alt)
    return Explorer("lattice.js", state, still, "lattice", parts=["parts.js"], measured=True)


def _words(name, words, least, most):
    words = [words] if isinstance(words, str) else [str(word) for word in words]
    if not least <= len(words) <= most:
        raise ValueError(f"there are {len(words)} {name}; {least} to {most} can be seen at once")
    if not all(word.strip() for word in words):
        raise ValueError(f"{name} are {words}; each needs a letter that can be seen")
    return words


def _scores(name, scores, shape, may_be_forbidden=False):
    scores = np.asarray(scores)
    if scores.shape != shape or scores.dtype.kind not in "iuf":
        raise ValueError(
            f"{name} has shape {scores.shape} and type {scores.dtype}; numbers of shape {shape} are wanted"
        )
    scores = scores.astype(float)
    fine = np.abs(scores) <= LARGEST
    if may_be_forbidden:
        fine |= scores <= FORBIDDEN
    if not fine.all():
        raise ValueError(
            f"{name} holds {scores[~fine][0]:g}; scores from -{LARGEST} to {LARGEST} are wanted"
            + (f", or {FORBIDDEN:g} for what is forbidden" if may_be_forbidden else "")
        )
    return scores


def _barred(allowed, K):
    """(bool (K + 1, K + 1), True where forbidden, start in the last row; is anything said of the edges)."""
    barred = np.zeros((K + 1, K + 1), bool)
    if allowed is None:
        return barred, False
    parts = allowed if isinstance(allowed, tuple) else (allowed,)
    places = (np.s_[:K, :K], np.s_[K, :K], np.s_[:K, K])
    names, shapes = ("allowed", "allowed[1]", "allowed[2]"), ((K, K), (K,), (K,))
    if len(parts) not in (1, 3):
        raise ValueError(
            f"allowed has {len(parts)} parts; transitions, or these with first and last tags, are wanted"
        )
    for part, place, name, shape in zip(parts, places, names, shapes, strict=False):
        part = np.asarray(part)
        if part.shape != shape or not np.isin(part, (0, 1)).all():
            raise ValueError(f"{name} has shape {part.shape}; True and False of shape {shape} are wanted")
        barred[place] = part == 0
    return barred, len(parts) == 3


class _Chain:
    """The best path, that of each word alone, and log Z, in numpy.

    emit (T, K);  links (K + 1, K + 1) with the start in the last row and the end in the last column
    """

    def __init__(self, emit, links):
        trans, start, end = links[:-1, :-1], links[-1, :-1], links[:-1, -1]
        alpha = delta = start + emit[0]
        pointers = []
        for scores in emit[1:]:
            alpha = scores + np.logaddexp.reduce(alpha[:, None] + trans, axis=0)
            sums = np.round(delta[:, None] + trans + scores, 6)  # so that equal paths are equal
            pointers.append(sums.argmax(0))
            delta = sums.max(0)
        last = np.round(delta + end, 6)
        self.log_z, self.score = np.logaddexp.reduce(alpha + end), last.max()
        self.best = [int(last.argmax())]
        for pointer in reversed(pointers):
            self.best.insert(0, int(pointer[self.best[0]]))
        self.alone = emit.argmax(1).tolist()


def _description(tokens, names, chain, forbidden, tolerance):
    pm = f" ± {tolerance:g}" if tolerance else ""
    tagged = ", ".join(f"{token} {names[k]}" for token, k in zip(tokens, chain.best, strict=True))
    alone = [
        f"{token} {names[k]}"
        for token, k, best in zip(tokens, chain.alone, chain.best, strict=True)
        if k != best
    ]
    each = f"each word alone would be {', '.join(alone)}" if alone else "each word alone gives the same"
    return (
        f"Lattice of {len(tokens)} words and {len(names)} tags ({', '.join(names)}), {forbidden or 'no'} "
        f"transition{'' if forbidden == 1 else 's'} forbidden. Best path: {tagged}; "
        f"score {chain.score:.2f}{pm}, log Z {chain.log_z:.2f}{pm}, probability "
        f"{np.exp(chain.score - chain.log_z):.2f}{pm}; {each}."
    )


def drawable(words):
    """Does the font that matplotlib brings hold all letters of these words? It has no Chinese."""
    return all(re.fullmatch(r"[ -~\u00a0-\u024f\u0370-\u03ff\u2010-\u2026]+", word) for word in words)


def _still(tokens, names, emit, chain):
    """The lattice as a matplotlib figure: emissions, the best path solid, each word's own best tag dashed."""
    T, K = emit.shape
    figure = Figure(figsize=(1.6 + 1.1 * T, 1.1 + 0.55 * K), layout="constrained")
    ax = figure.subplots()
    for t in range(T - 1):
        pairs = np.stack([np.repeat(range(K), K), np.tile(range(K), K)])
        ax.plot([t, t + 1], pairs, color="0.8", lw=0.8, zorder=1, antialiased=False)
    ax.plot(range(T), np.array(chain.best) - 0.08, color=BLUE, lw=4, zorder=2, label="best path")
    ax.plot(range(T), np.array(chain.alone) + 0.08, "--", color=RED, lw=2, zorder=2, label="each alone")
    for t in range(T):
        for k in range(K):
            box = {"boxstyle": "round", "fc": "white", "ec": BLUE if chain.best[t] == k else "0.5"}
            ax.text(t, k, f"{emit[t, k]:.2f}", ha="center", va="center", bbox=box, fontsize=9, zorder=3)
    heads = tokens if drawable(tokens) else [str(t + 1) for t in range(T)]
    shown = names if drawable(names) else [f"tag {k + 1}" for k in range(K)]
    for place, word in enumerate(heads):
        ax.text(place, -0.65, word[:14], ha="center", parse_math=False, fontsize=10)
    for place, word in enumerate(shown):
        ax.text(-0.5, place, word[:14], ha="right", va="center", parse_math=False, fontsize=10)
    ax.set(xlim=(-0.5, T - 0.5), ylim=(K - 0.4, -0.9))
    ax.axis("off")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2, fontsize=9, frameon=False)
    return figure
