"""The lattice explorer without a browser: its page, and its arithmetic against the sum over every path."""

import html
import itertools
import re

import numpy as np
import pytest
from explored import in_node, state_of
from matplotlib.figure import Figure

from medtutor.explore import explore_lattice
from medtutor.explore import lattice as module
from medtutor.explore.base import HERE

WORDS, NAMES = ["takes", "aspirin", "daily"], ["O", "B", "I"]
EMIT = [[2.0, 0.5, 0.1], [0.4, 1.2, 1.5], [1.3, 0.3, 0.4]]
TRANS = [[0.5, 0.6, 0.0], [0.2, -1.0, 1.0], [0.3, -0.5, 0.4]]


def chain(T, K, seed=0):
    """Random scores in hundredths: emit (T, K), links (K + 1, K + 1), start in the last row, end last."""
    random = np.random.default_rng(seed)
    emit, links = random.normal(0, 2, (T, K)).round(2), random.normal(0, 2, (K + 1, K + 1)).round(2)
    links[K, K] = 0
    return emit, links


def every_path(emit, links):
    """{path: score}, each summed up term by term."""
    T, K = emit.shape
    scores = {}
    for path in itertools.product(range(K), repeat=T):
        score = links[K, path[0]] + links[path[-1], K] + sum(emit[t, k] for t, k in enumerate(path))
        scores[path] = score + sum(links[i, j] for i, j in itertools.pairwise(path))
    return scores


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves the still picture out, which is the slow part."""
    monkeypatch.setattr(module, "_still", lambda *given: Figure(figsize=(1, 1)))


# ---- the page ----


def test_the_same_scores_give_the_same_bytes():
    first = explore_lattice(WORDS, NAMES, EMIT, TRANS)._repr_mimebundle_()
    assert first == explore_lattice(tuple(WORDS), NAMES, np.array(EMIT), np.array(TRANS))._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_a_net_trained_elsewhere_changes_nothing_but_the_marked_state_and_the_picture(undrawn):
    pages = []
    for moved in (0, 0.02):
        page = explore_lattice(WORDS, NAMES, np.add(EMIT, moved), TRANS, tolerance=0.05).page()
        page = re.sub(r"/\* measured \*/.*?/\* end of measured \*/", "", page)
        pages.append(re.sub(r"base64,[A-Za-z0-9+/=]+|\d+\.\d\d ± 0.05", "", page))
    assert pages[0] == pages[1]


def test_description_says_the_counted_paths():
    alt = explore_lattice(WORDS, NAMES, EMIT, TRANS).picture.alt
    scores = every_path(np.array(EMIT), np.pad(TRANS, (0, 1)))
    best = max(scores, key=scores.get)
    log_z = np.log(np.exp(list(scores.values())).sum())
    tagged = ", ".join(f"{word} {NAMES[k]}" for word, k in zip(WORDS, best, strict=True))
    assert f"Best path: {tagged}; score {scores[best]:.2f}, log Z {log_z:.2f}, probability " in alt
    assert f"probability {np.exp(scores[best] - log_z):.2f}; " in alt
    assert alt.endswith("each word alone would be aspirin I.") and "daily O" in alt


def test_description_tells_when_each_word_alone_gives_the_same_and_carries_the_tolerance(undrawn):
    alt = explore_lattice(WORDS, NAMES, EMIT, np.zeros((3, 3)), tolerance=0.02).picture.alt
    assert "score 4.80 ± 0.02, log Z" in alt and alt.endswith("each word alone gives the same.")


def test_words_of_the_reader_cannot_leave_their_place():
    nasty = '</script><!-- " & <b> $x$ /* end of measured */'
    page = explore_lattice([nasty, "药"], [nasty, "B"], np.eye(2), np.eye(2)).page()
    assert page.count("</script>") == 1 and "<!--" not in page and "<b>" not in page
    assert state_of(page)["tokens"] == [nasty, "药"] and state_of(page)["names"] == [nasty, "B"]
    assert nasty in html.unescape(re.search(r'<img alt="([^"]*)"', page)[1])


def test_scores_are_kept_in_hundredths_with_start_and_end_at_the_edge(undrawn):
    state = state_of(explore_lattice(WORDS, NAMES, EMIT, TRANS, start=[1, 2, 3], end=[4, 5, 6.004]).page())
    assert state["emit"] == [[200, 50, 10], [40, 120, 150], [130, 30, 40]]
    assert state["links"] == [[50, 60, 0, 400], [20, -100, 100, 500], [30, -50, 40, 600], [100, 200, 300, 0]]
    assert state["edges"] and not np.any(state["barred"])
    assert not state_of(explore_lattice(WORDS, NAMES, EMIT, TRANS).page())["edges"]


def test_what_is_not_allowed_is_barred_and_keeps_its_score(undrawn):
    allowed = np.array([[1, 1, 0], [1, 1, 1], [1, 1, 1]], bool)
    state = state_of(explore_lattice(WORDS, NAMES, EMIT, TRANS, allowed=allowed).page())
    assert np.argwhere(state["barred"]).tolist() == [[0, 2]] and not state["edges"]
    edges = (allowed, np.array([True, True, False]), np.array([True, True, True]))
    state = state_of(explore_lattice(WORDS, NAMES, EMIT, TRANS, allowed=edges).page())
    assert np.argwhere(state["barred"]).tolist() == [[0, 2], [3, 2]] and state["edges"]


@pytest.mark.parametrize("score", [-1e4, -np.inf])
def test_a_score_that_a_crf_layer_writes_for_forbidden_is_barred(undrawn, score):
    trans = np.array(TRANS)
    trans[0, 2] = score
    explorer = explore_lattice(WORDS, NAMES, EMIT, trans)
    state = state_of(explorer.page())
    assert np.argwhere(state["barred"]).tolist() == [[0, 2]] and state["links"][0][2] == 0
    assert "takes O, aspirin B" in explorer.picture.alt


def test_the_largest_lattice_stays_below_180_kilobytes():
    emit, links = chain(8, 5)
    names = ["O", "B-drug", "I-drug", "B-disease", "I-disease"]
    assert len(explore_lattice([f"word{t}" for t in range(8)], names, emit, links[:5, :5]).page()) < 180_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokens": []}, "there are 0 tokens; 1 to 8 can be seen at once"),
        ({"tokens": ["a"] * 9}, "there are 9 tokens"),
        ({"tokens": ["a", " ", "b"]}, "each needs a letter that can be seen"),
        ({"names": ["O"]}, "there are 1 names; 2 to 5"),
        ({"names": ["O", "B", "B"]}, "each tag is wanted once"),
        ({"emit": np.zeros((2, 3))}, r"emit has shape \(2, 3\) .*; numbers of shape \(3, 3\) are wanted"),
        ({"emit": np.full((3, 3), np.nan)}, "emit holds nan; scores from -99 to 99"),
        ({"emit": np.full((3, 3), -1e4)}, "emit holds -10000; scores from -99 to 99 are wanted$"),
        ({"trans": np.full((3, 3), 100)}, "trans holds 100; .* or -10000 for what is forbidden"),
        ({"trans": [["a"] * 3] * 3}, "trans has shape .* and type <U1"),
        ({"start": [0, 1]}, r"start has shape \(2,\)"),
        ({"allowed": np.ones((2, 2), bool)}, r"allowed has shape \(2, 2\)"),
        ({"allowed": np.full((3, 3), 0.5)}, "True and False of shape"),
        ({"allowed": (np.ones((3, 3)), np.ones(3))}, "allowed has 2 parts"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_lattice(**{"tokens": WORDS, "names": NAMES, "emit": EMIT, "trans": TRANS} | arguments)


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const {name, given} = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(given.map((each) => arithmetic[name](...each))));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(name, given) -> what the function of this name answers to each list of arguments."""
    ask = in_node(tmp_path_factory.mktemp("node"), ASK_NODE, {"explorer.mjs": HERE / "lattice.js"})
    return lambda name, given: ask({"name": name, "given": given})


CHAINS = [chain(T, K, seed) for seed, (T, K) in enumerate([(1, 2), (2, 3), (3, 3), (4, 5), (6, 3), (8, 2)])]
LISTS = [[emit.tolist(), links.tolist()] for emit, links in CHAINS]


def test_forward_sums_are_those_over_every_path_that_ends_there(javascript):
    for (emit, links), said in zip(CHAINS, javascript("forward", LISTS), strict=True):
        T, K = emit.shape
        assert said["logZ"] == pytest.approx(np.log(np.exp(list(every_path(emit, links).values())).sum()))
        free_end = links.copy()
        free_end[:, K] = 0
        for t in range(T):
            scores = every_path(emit[: t + 1], free_end)
            for k in range(K):
                ends = [score for path, score in scores.items() if path[-1] == k]
                assert said["alpha"][t][k] == pytest.approx(np.log(np.exp(ends).sum()))


def test_marginals_are_the_shares_of_the_paths_through_a_node(javascript):
    for (emit, links), said in zip(CHAINS, javascript("marginals", LISTS), strict=True):
        weights = {path: np.exp(score) for path, score in every_path(emit, links).items()}
        for t, k in np.ndindex(emit.shape):
            through = sum(weight for path, weight in weights.items() if path[t] == k)
            assert said[t][k] == pytest.approx(through / sum(weights.values()))


def test_viterbi_finds_the_best_of_every_path_and_its_score_is_written_out_rightly(javascript):
    for (emit, links), said in zip(CHAINS, javascript("viterbi", LISTS), strict=True):
        T, K = emit.shape
        scores = every_path(emit, links)
        best = max(scores, key=scores.get)
        assert tuple(said["path"]) == best and said["score"] == pytest.approx(scores[best])
        free_end = links.copy()
        free_end[:, K] = 0
        for t in range(T):
            ending = every_path(emit[: t + 1], free_end)
            for k in range(K):
                first = max((path for path in ending if path[-1] == k), key=ending.get)
                assert said["delta"][t][k] == pytest.approx(ending[first])
                if t:
                    assert said["back"][t][k] == first[-2]
                    sums = [said["delta"][t - 1][i] + links[i, k] + emit[t, k] for i in range(K)]
                    assert said["sums"][t][k] == pytest.approx(sums)
        assert said["last"] == pytest.approx([said["delta"][T - 1][i] + links[i, K] for i in range(K)])


def test_the_first_of_equal_paths_is_shown_in_page_and_description(javascript, undrawn):
    emit, links = np.full((3, 2), 0.1), np.full((3, 3), 0.7)
    whole = [(100 * emit).round().astype(int).tolist(), (100 * links).round().astype(int).tolist()]
    (said,) = javascript("viterbi", [whole])
    assert said["path"] == [0, 0, 0]
    assert javascript("eachAlone", [[emit.tolist()]]) == [[0, 0, 0]]
    alt = explore_lattice(WORDS, ["O", "B"], emit, links[:2, :2]).picture.alt
    assert "takes O, aspirin O, daily O" in alt


def test_a_path_scores_the_sum_of_its_terms(javascript):
    emit, links = chain(4, 3)
    scores = every_path(emit, links)
    given = [[list(path), emit.tolist(), links.tolist()] for path in scores]
    assert javascript("pathScore", given) == pytest.approx(list(scores.values()))


def test_each_word_alone_takes_its_largest_emission(javascript):
    said = javascript("eachAlone", [[emit.tolist()] for emit, _ in CHAINS])
    assert said == [emit.argmax(1).tolist() for emit, _ in CHAINS]


def test_page_and_description_name_the_same_best_path(javascript, undrawn):
    for seed in range(4):
        emit, links = chain(5, 3, seed)
        edges = {"start": links[3, :3], "end": links[:3, 3]}
        explorer = explore_lattice(list("abcde"), NAMES, emit, links[:3, :3], **edges)
        state = state_of(explorer.page())
        (said,) = javascript("viterbi", [[state["emit"], state["links"]]])
        tagged = ", ".join(f"{word} {NAMES[k]}" for word, k in zip("abcde", said["path"], strict=True))
        assert f"Best path: {tagged}; score {said['score'] / 100:.2f}," in explorer.picture.alt


def test_sums_of_what_is_forbidden_and_of_large_scores_stay_finite(javascript):
    emit, links = chain(6, 3)
    links[:3, :3] = -1e4
    given = [[(times * emit).tolist(), links.tolist()] for times in (1, 500)]
    forbidden, large = javascript("forward", given)
    scores = np.array(list(every_path(emit, links).values()))
    top = scores.max()
    assert forbidden["logZ"] == pytest.approx(top + np.log(np.exp(scores - top).sum()))
    assert np.isfinite(large["logZ"]) and np.isfinite(large["alpha"]).all()


def test_forbidden_scores_minus_ten_thousand_in_hundredths(javascript):
    links, barred = [[50, 60], [20, -100]], [[False, True], [False, False]]
    assert javascript("inForce", [[links, barred]]) == [[[50, -1_000_000], [20, -100]]]


# ---- tags ----

BIO = r"(O|Bx(Ix)*|By(Iy)*)*"
BIOES = r"(O|Sx|Sy|Bx(Ix)*Ex|By(Iy)*Ey)*"


@pytest.mark.parametrize(
    ("scheme", "letters", "grammar"),
    [("BIO", "O Bx Ix By Iy", BIO), ("BIOES", "O Bx Ix Ex Sx By Iy Ey Sy", BIOES)],
)
def test_sequences_are_called_broken_where_the_grammar_of_tags_has_none(javascript, scheme, letters, grammar):
    named = {letter: letter[0] + ("-" + letter[1:] if letter[1:] else "") for letter in letters.split()}
    sequences = [s for n in (1, 2, 3) for s in itertools.product(named, repeat=n)]
    said = javascript("brokenAt", [[[named[letter] for letter in s], scheme] for s in sequences])
    for sequence, places in zip(sequences, said, strict=True):
        assert (places == []) == bool(re.fullmatch(grammar, "".join(sequence))), sequence


def test_the_places_that_break_a_sequence_are_named(javascript):
    given = [[["O", "I-x", "I-y", "B-y", "I-y"], "BIO"], [["I-x"], "BIO"], [["B-x", "O", "B-x"], "BIOES"]]
    assert javascript("brokenAt", given) == [[1, 2], [0], [1, 3]]


def test_only_names_of_the_scheme_are_judged_by_it(javascript):
    given = [["O", "B", "I"], ["O", "B-a"], ["O", "S-a", "B-a", "I-a", "E-a"], ["noun", "verb"], ["O", "Bx"]]
    assert javascript("schemeOf", [[names] for names in given]) == ["BIO", "BIO", "BIOES", None, None]
