"""The lattice explorer in a real browser: what a reader sees, against the sum over every path."""

import itertools
import re
from functools import cache

import numpy as np
import pytest

from medtutor.course.poke import cut_off
from medtutor.explore import explore_lattice

WORDS, NAMES = ["takes", "aspirin", "daily"], ["O", "B", "I"]
EMIT = np.array([[2.0, 0.5, 0.1], [0.4, 1.2, 1.5], [1.3, 0.3, 0.4]])
TRANS = np.array([[0.5, 0.6, 0.0], [0.2, -1.0, 1.0], [0.3, -0.5, 0.4]])
START, END = np.array([0.3, 0.1, -0.2]), np.array([0.2, 0.0, 0.1])

plain = cache(lambda: explore_lattice(WORDS, NAMES, EMIT, TRANS))
with_edges = cache(lambda: explore_lattice(WORDS, NAMES, EMIT, TRANS, start=START, end=END))


@cache
def largest():
    random = np.random.default_rng(1)
    words = "Started on metoprolol tartrate for chest pain, electrocardiographically".split()
    names = ["O", "B-drug", "I-drug", "B-disease", "I-disease"]
    emit, trans = random.normal(0, 1.5, (8, 5)), random.normal(0, 1, (5, 5))
    return explore_lattice(words, names, emit, trans, start=np.zeros(5))


def every_path(emit=EMIT, trans=TRANS, start=0 * START, end=0 * END):
    """{path: score}"""
    return {
        path: start[path[0]]
        + end[path[-1]]
        + sum(emit[t, k] for t, k in enumerate(path))
        + sum(trans[i, j] for i, j in itertools.pairwise(path))
        for path in itertools.product(range(emit.shape[1]), repeat=len(emit))
    }


def log_sum(scores):
    return np.log(np.exp(list(scores)).sum())


@pytest.fixture
def show(dark_page):
    """show(tab, explorer, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer=None, copies=1: dark_page(tab, (explorer or plain()).page(), copies)


def numbers(text):
    return [float(found) for found in re.findall(r"-?\d+\.\d+", text.replace("−", "-").replace(",", ""))]


def emission(tab, word, tag):
    return tab.get_by_role("spinbutton", name=re.compile(f"^emission of {tag} at “{word}”"))


def transition(tab, source, target):
    return tab.get_by_role("spinbutton", name=re.compile(f"^transition {source} → {target}"))


def nodes(tab, part):
    """[tag][word] of the numbers in the nodes: .mdx-alpha or .mdx-second."""
    texts = tab.locator(f".mdx-node {part}").all_inner_texts()
    return np.array([numbers(text)[0] for text in texts]).reshape(len(NAMES), len(WORDS))


def best(tab):
    return tab.locator(".mdx-best-words").inner_text()


def alone(tab):
    return tab.locator(".mdx-alone-words").inner_text()


def answers(tab):
    """(tags of the best path, tags of each word alone) as written beneath the lattice."""
    texts = tab.locator(".mdx-answer").all_inner_texts()
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


def says(tab, scores):
    """Asserts that log Z, the best path and its probability are those of these paths."""
    path = max(scores, key=scores.get)
    assert answers(tab)[0] == [NAMES[k] for k in path]
    log_z = log_sum(scores.values())
    wanted = [scores[path], log_z, np.exp(scores[path] - log_z)]
    assert numbers(best(tab)) == pytest.approx(wanted, abs=0.0051)


def test_nodes_show_forward_sums_and_marginals_of_every_path(page, show):
    show(page, with_edges())
    scores = every_path(start=START, end=END)
    weights = np.exp(list(scores.values()))
    alpha, marginal = nodes(page, ".mdx-alpha"), nodes(page, ".mdx-second")
    for t, k in np.ndindex(EMIT.shape):
        ends = every_path(EMIT[: t + 1], start=START)
        assert alpha[k, t] == pytest.approx(log_sum(s for p, s in ends.items() if p[-1] == k), abs=0.0051)
        through = weights[[path[t] == k for path in scores]].sum() / weights.sum()
        assert marginal[k, t] == pytest.approx(through, abs=0.0051)
    says(page, scores)


def test_each_word_alone_is_told_with_where_it_differs_and_why_it_cannot_be(page, show):
    show(page)
    assert answers(page) == (["O", "B", "O"], ["O", "≠ I", "O"])
    score = every_path()[0, 2, 0]
    p = np.exp(score - log_sum(every_path().values()))
    assert alone(page) == (
        f"Each word alone: score {score:.2f}, probability {p:.3f}. "
        "It differs at 1 word: “aspirin” I, not B. Impossible in BIO: I after O, at “aspirin”."
    )
    assert best(page).endswith("It is a possible BIO sequence.")
    marked = page.locator(".mdx-is-alone input").all()
    assert [field.get_attribute("aria-label").split(";")[0] for field in marked] == [
        "emission of O at “takes”",
        "emission of O at “daily”",
        "emission of I at “aspirin”",
    ]


def test_an_emission_typed_in_changes_sums_and_best_path(page, show):
    show(page)
    emission(page, "aspirin", "I").click()
    page.keyboard.type("-2.5")
    emit = EMIT.copy()
    emit[1, 2] = -2.5
    says(page, every_path(emit))
    assert alone(page).endswith("It is the best path. It is a possible BIO sequence.")
    page.keyboard.press("Tab")
    assert emission(page, "aspirin", "I").input_value() == "-2.50"


def test_a_transition_moved_by_the_slider_changes_the_best_path(page, show):
    show(page)
    transition(page, "O", "I").click()
    assert page.locator(".mdx-chosen-words").inner_text() == "transition O → I"
    page.locator(".mdx-chosen input[type=range]").fill("150")
    trans = TRANS.copy()
    trans[0, 2] = 1.5
    says(page, every_path(trans=trans))
    assert transition(page, "O", "I").input_value() == "1.50"
    assert answers(page)[0] == ["O", "I", "O"] and "Impossible in BIO: I after O" in best(page)


def test_arrow_keys_change_a_score_and_go_to_the_next_field(page, show):
    show(page)
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Tab")
    for key in ("ArrowUp", "ArrowUp", "Shift+ArrowDown", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert emission(page, "takes", "O").input_value() == "1.20"
    assert emission(page, "aspirin", "O").input_value() == "0.30"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert page.evaluate(focused).startswith("emission of O at “daily”")
    for wanted in ("emission of B", "emission of I", "transition O → O", "transition B → O"):
        page.keyboard.press("Tab")
        assert page.evaluate(focused).startswith(wanted)
    emit = EMIT.copy()
    emit[0, 0], emit[1, 0] = 1.2, 0.3
    says(page, every_path(emit))


@pytest.mark.parametrize("by", ["key", "checkbox"])
def test_a_forbidden_transition_is_crossed_out_and_taken_by_no_path(page, show, by):
    show(page)
    transition(page, "O", "B").focus()
    box = page.get_by_role("checkbox", name="forbid O → B")
    if by == "key":
        page.keyboard.press("x")
    else:
        box.check()
    trans = TRANS.copy()
    trans[0, 1] = -1e4
    says(page, every_path(trans=trans))
    field = page.get_by_label("transition O → B, forbidden")
    assert "gradient" in field.evaluate("(field) => getComputedStyle(field).backgroundImage")
    assert box.is_checked() and page.locator(".mdx-gone").count() == len(WORDS) - 1
    field.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("x")
    says(page, every_path())
    assert not box.is_checked() and page.locator(".mdx-gone").count() == 0


def test_one_button_forbids_what_bio_forbids_and_reset_allows_it_again(page, show):
    show(page, with_edges())
    page.get_by_role("button", name="Forbid what BIO forbids").click()
    forbidden = page.locator(".mdx-barred").all()
    assert [field.get_attribute("aria-label") for field in forbidden] == [
        "transition O → I, forbidden",
        "transition start → I, forbidden",
    ]
    trans, start = TRANS.copy(), START.copy()
    trans[0, 2] = start[2] = -1e4
    says(page, every_path(trans=trans, start=start, end=END))
    assert "below 0.001" in alone(page)
    page.get_by_role("button", name="Reset").click()
    says(page, every_path(start=START, end=END))
    assert page.locator(".mdx-barred").count() == 0


def test_viterbi_goes_step_by_step_to_the_end_and_back(page, show):
    show(page, with_edges())
    page.get_by_role("radio", name="Viterbi").check()
    assert answers(page)[0] == ["?"] * 3 and "not traced back yet" in best(page)
    onward, back = (
        page.get_by_role("button", name="Forward"),
        page.get_by_role("button", name="Back", exact=False),
    )
    assert back.is_disabled()
    delta = START + EMIT[0]
    rows = page.locator(".mdx-sums tr")
    for t in range(3):
        told = [row.locator("td").all_inner_texts() for row in rows.all()[1:]]
        for k, (largest_sum, source, others) in enumerate(told):
            *terms, total = (
                float(n.replace(" ", "")) for n in re.findall(r"-? ?\d+\.\d+", largest_sum.replace("−", "-"))
            )
            if t == 0:
                assert terms == pytest.approx([START[k], EMIT[0, k]]) and source == others == ""
                continue
            sums = delta + TRANS[:, k] + EMIT[t, k]
            i = int(sums.argmax())
            assert terms == pytest.approx([delta[i], TRANS[i, k], EMIT[t, k]])
            assert total == pytest.approx(sums.max()) and source == f"← {NAMES[i]}"
            assert sorted(numbers(others)) == pytest.approx(sorted(np.delete(sums, i)))
        if t:
            delta = (delta[:, None] + TRANS + EMIT[t]).max(0)
        assert nodes_known(page) == (t + 1) * 3
        onward.click()
    scores = every_path(start=START, end=END)
    path = max(scores, key=scores.get)
    last = NAMES[path[2]]
    score = f"{scores[path]:.2f}"
    assert page.locator(".mdx-step-words").inner_text() == (
        f"The end: the largest sum, {score}, is the score of the best path; its last tag is {last}."
    )
    assert answers(page)[0] == ["?", "?", last]
    onward.click()
    assert answers(page)[0] == ["?", NAMES[path[1]], last]
    onward.click()
    assert onward.is_disabled()
    says(page, scores)
    back.click()
    assert answers(page)[0][0] == "?"


def nodes_known(tab):
    """How many nodes show a number so far."""
    return len([text for text in tab.locator(".mdx-alpha").all_inner_texts() if "·" not in text])


def test_viterbi_is_stepped_by_keyboard_alone(page, show):
    show(page)
    page.get_by_role("radio", name="forward sums").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("button", name="Forward").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("slider", name="step").get_attribute("aria-valuetext") == "3 of 6"
    pointers = page.locator(".mdx-pointer")
    assert pointers.count() == 6
    page.keyboard.press("End")
    says(page, every_path())


def test_what_is_no_score_is_marked_and_changes_nothing(page, show):
    show(page)
    field = emission(page, "takes", "O")
    before = best(page)
    field.fill("120")
    assert field.get_attribute("aria-invalid") is not None and best(page) == before
    field.blur()
    field.focus()
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert field.input_value() == "2.00" and field.get_attribute("aria-invalid") is None


def test_a_click_on_a_node_chooses_its_emission(page, show):
    show(page)
    page.locator(".mdx-node .mdx-alpha").nth(4).click()
    assert page.locator(".mdx-chosen-words").inner_text() == "emission of B at “aspirin”"
    assert page.get_by_role("checkbox", name="forbid").is_disabled()


def test_what_comes_to_rest_is_spoken(page, show):
    show(page)
    emission(page, "aspirin", "B").fill("3")
    page.wait_for_function(
        "document.querySelector('[aria-live]').textContent.startsWith("
        "'emission of B at “aspirin” 3.00. Best path: takes O, aspirin B, daily O. Best path: score')"
    )


def test_two_copies_in_a_page_are_independent(page, show):
    show(page, copies=2)
    emission(page, "aspirin", "B").first.fill("9")
    first, second = page.locator(".mdx-best-words").all_inner_texts()
    assert first != second


def test_words_and_tags_are_plain_text(page, show):
    nasty = "</script><img src=x onerror=document.title='run'>"
    show(page, explore_lattice([nasty, "b"], [nasty, "<b>I</b>"], np.eye(2), np.eye(2)))
    page.get_by_role("radio", name="Viterbi").check()
    page.get_by_role("button", name="Forward").click()
    assert page.locator(".mdx img, .mdx b").count() == 0 and page.title() != "run"
    assert page.locator(".mdx-token").first.inner_text() == nasty


@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_cut_off_or_jumps(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page, largest())
    for mode in ("forward sums", "Viterbi"):
        page.get_by_role("radio", name=mode).check()
        tops = set()
        for button in ("Reset", "Forbid what BIO forbids"):
            page.get_by_role("button", name=button).click()
            page.get_by_role("radio", name=mode).check()
            for step in (0, 4, 8, 15) if mode == "Viterbi" else (0,):
                if mode == "Viterbi":
                    page.get_by_role("slider", name="step").fill(str(step))
                tops.add(
                    tuple(page.locator(f".mdx-{part}").bounding_box()["y"] for part in ("lattice", "links"))
                )
                assert cut_off(page.locator(".mdx")) == []
        assert np.ptp(list(tops), axis=0).max() < 1


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page)
    page.get_by_role("radio", name="Viterbi").check()
    page.get_by_role("slider", name="step").fill("5")
    page.get_by_role("button", name="Forbid what BIO forbids").click()
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 60 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(plain()._repr_mimebundle_(), source="explore_lattice(words, names, emit, trans)")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    emission(page, "daily", "B").fill("5")
    emit = EMIT.copy()
    emit[2, 1] = 5
    says(page, every_path(emit))
