"""The agreement explorer without a browser: its page, and its counts against medtutor.metrics."""

import html
import re

import numpy as np
import pytest
from explored import in_node, state_of
from matplotlib.figure import Figure

from medtutor import metrics, tags
from medtutor.explore import agreement as module
from medtutor.explore import explore_agreement
from medtutor.explore.base import HERE

# counted by hand: of the last sentence, "B C" is called without its C, D is called a disease, and F is missed
SENTENCES = [["A", "b"], ["c", "d", "e"], ["A", "B", "C", "D", "E", "F"]]
TRUTH = [["B-drug", "O"], ["O", "O", "O"], ["O", "B-drug", "I-drug", "B-drug", "O", "B-test"]]
CALLED = [["B-drug", "O"], ["B-test", "O", "O"], ["O", "B-drug", "O", "B-disease", "O", "O"]]


def rows_of(seed, n=40, broken=False):
    """Sentences with truth and two models that err; broken: with I after O."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 12, n)

    def row(length):
        found, at = [], 0
        while at < length:
            end = min(length, at + int(random.integers(1, 4)))
            if random.random() < 0.4:
                found.append((at, end, str(random.choice(["drug", "disease", "test"]))))
            at = end
        tagged = list(tags.tags(length, found))
        if broken and length > 1:
            tagged[-1] = "I-drug"
        return tagged

    def erring(rows):
        return [row(len(each)) if random.random() < 0.5 else list(each) for each in rows]

    truth = [row(length) for length in lengths]
    sentences = [[f"w{at}" for at in range(length)] for length in lengths]
    return sentences, truth, erring(truth), erring(truth)


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves the still picture out, which is the slow part."""
    monkeypatch.setattr(module, "_still", lambda *given: Figure(figsize=(1, 1)))


# ---- the page ----


def test_the_same_rows_give_the_same_bytes():
    first = explore_agreement(SENTENCES, TRUTH, {"CRF": CALLED})._repr_mimebundle_()
    assert first == explore_agreement(tuple(SENTENCES), TRUTH, {"CRF": tuple(CALLED)})._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_entities_are_stored_as_tags_reads_them(undrawn):
    broken = [["I-drug", "O"], *CALLED[1:]]
    for strict, wanted in ((True, []), (False, [[0, 1, 1]])):
        page = explore_agreement(SENTENCES, TRUTH, {"CRF": broken}, strict=strict).page()
        state = state_of(page)
        assert state["types"] == ["disease", "drug", "test"] and len(set(state["colours"])) == 3
        assert state["called"][0][0] == wanted
        assert state["truth"][2] == [[1, 3, 1], [3, 4, 1], [5, 6, 2]]


def test_description_says_the_f1_of_each_model(undrawn):
    given = {"CRF": CALLED, "copy": TRUTH}
    alt = explore_agreement(SENTENCES, TRUTH, given, sentence=1, tolerance=0.03).picture.alt
    assert "3 sentences with 4 true entities (disease, drug, test) and what 2 models call" in alt
    assert "Entity F1: CRF 0.25 ± 0.03; copy 1.00 ± 0.03." in alt  # 2 × 1 ÷ (4 + 4)
    assert alt.endswith("In view, sentence 2: c d e")


def test_without_a_true_entity_f1_is_not_defined(undrawn):
    alt = explore_agreement([["a"]], [["O"]], {"CRF": [["B-drug"]]}).picture.alt
    assert "CRF not defined, as no entity is true" in alt


def test_counts_of_the_still_picture_are_those_counted_by_hand():
    real, called = ([tags.spans(row) for row in rows] for rows in (TRUTH, CALLED))
    assert module._counts(real, called) == {
        "found": 1,
        "other ends": 1,
        "other type": 1,
        "extra": 1,
        "missed": 1,
    }


def test_words_of_the_reader_cannot_leave_their_place():
    nasty = '</script><img src=x onerror=alert(1)> & " $x$'
    truth = [[f"B-{nasty}"], ["O"]]
    page = explore_agreement([[nasty], ["药"]], truth, {nasty: truth}).page()
    assert page.count("</script>") == 1 and "<img src=x" not in page
    state = state_of(page)
    assert state["sentences"][0] == state["types"] == state["models"] == [nasty]
    assert nasty in html.unescape(re.search(r'<img alt="([^"]*)"', page)[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sentences": []}, "there are 0 sentences; 1 to 200"),
        ({"models": CALLED}, "models are list; {name: rows of tags} of 1 to 4"),
        ({"models": {}}, r"models are \[\]; "),
        ({"models": {"truth": CALLED}}, "none 'truth'"),
        ({"truth": TRUTH[:2]}, "truth has 2 rows of tags for 3 sentences"),
        ({"models": {"CRF": [CALLED[0], CALLED[1][:2], CALLED[2]]}}, "CRF has 2 tags in row 1 for 3 tokens"),
        ({"sentence": 3}, "sentence is 3; use 0 to 2"),
        ({"truth": [["X-drug", "O"], *TRUTH[1:]]}, "tag 'X-drug' is none of BIO"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_what_to_do(arguments, message):
    given = {"sentences": SENTENCES, "truth": TRUTH, "models": {"CRF": CALLED}} | arguments
    with pytest.raises(ValueError, match=message):
        explore_agreement(**given)


def test_forty_sentences_of_three_models_stay_below_100_kilobytes():
    sentences, truth, one, other = rows_of(0)
    assert len(explore_agreement(sentences, truth, {"a": one, "b": other, "c": truth}).page()) < 100_000


# ---- the counts in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const {name, given} = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(given.map((each) => arithmetic[name](...each))));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(name, given) -> what the function of this name answers to each list of arguments."""
    ask = in_node(tmp_path_factory.mktemp("node"), ASK_NODE, {"explorer.mjs": HERE / "agreement.js"})
    return lambda name, given: ask({"name": name, "given": given})


@pytest.mark.parametrize("seed", range(3))
def test_counts_and_f1_are_those_of_metrics(javascript, undrawn, seed):
    sentences, truth, one, other = rows_of(seed, broken=seed == 2)
    state = state_of(explore_agreement(sentences, truth, {"a": one, "b": other}).page())
    lists = [list(range(40)), [3], list(range(0, 40, 3))]
    for rows, called in zip((one, other), state["called"], strict=True):
        answers = javascript("counted", [[state["truth"], called, chosen] for chosen in lists])
        for chosen, counts in zip(lists, answers, strict=True):
            y, p = ([each[at] for at in chosen] for each in (truth, rows))
            found, n_called, n_true = metrics.entity_counts(y, p).sum(0)
            assert counts == {"found": found, "called": n_called, "true": n_true}
            (value,) = javascript("f1", [[counts]])
            if n_true:
                assert value == pytest.approx(metrics.entity_f1(y, p), abs=1e-12)
            else:
                assert value is None


def test_remarks_are_those_counted_by_hand(javascript):
    drug, disease = 0, 1
    truth = [[0, 2, drug], [4, 6, disease], [8, 9, drug], [10, 12, drug]]
    called = [[0, 2, drug], [4, 6, drug], [9, 10, drug], [11, 12, drug]]
    (said,) = javascript("compared", [[truth, called]])
    assert said == {"remarks": ["found", "type", "extra", "ends"], "missed": [[8, 9, drug]]}
    (said,) = javascript("compared", [[[[0, 1, drug], [1, 2, disease]], [[0, 2, disease]]]])
    assert said == {"remarks": ["ends"], "missed": []}


def test_every_entity_is_counted_once_whatever_is_called(javascript, undrawn):
    sentences, truth, one, _ = rows_of(5)
    state = state_of(explore_agreement(sentences, truth, {"a": one}).page())
    pairs = list(zip(state["truth"], state["called"][0], strict=True))
    for (real, called), said in zip(pairs, javascript("compared", pairs), strict=True):
        assert len(said["remarks"]) == len(called)
        free = [span for span in real if not any(set(range(*span[:2])) & set(range(*c[:2])) for c in called)]
        assert said["missed"] == free
        kinds = dict(zip(map(tuple, called), said["remarks"], strict=True))
        assert {span for span, kind in kinds.items() if kind == "found"} == set(map(tuple, real)) & set(kinds)


def test_lists_hold_where_models_disagree_and_where_one_is_wrong(javascript, undrawn):
    sentences, truth, one, other = rows_of(1)
    other[:10] = one[:10]  # both wrong in the same way
    state = state_of(explore_agreement(sentences, truth, {"a": one, "b": other}).page())
    ((every, differing, wrong),) = javascript("listsOf", [[state["truth"], state["called"]]])
    spans = [[tags.spans(row) for row in rows] for rows in (truth, one, other)]
    assert every == list(range(40))
    assert differing == [at for at in range(40) if spans[1][at] != spans[2][at]]
    assert wrong == [at for at in range(40) if any(spans[m][at] != spans[0][at] for m in (1, 2))]
    assert 0 < len(differing) < len(wrong) < 40


def test_a_sentence_is_cut_at_every_end_of_an_entity_and_at_each_word_outside(javascript):
    rows = [[[1, 4, 0]], [[2, 5, 0]], []]
    (said,) = javascript("pieces", [[7, rows]])
    assert said == [[0, 1], [1, 2], [2, 4], [4, 5], [5, 6], [6, 7]]
    assert javascript("pieces", [[3, [[[0, 3, 0]]]], [2, [[]]]]) == [[[0, 3]], [[0, 1], [1, 2]]]
