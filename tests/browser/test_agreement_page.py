"""The agreement explorer in a real browser: underlines and F1, against counts by hand and metrics."""

from functools import cache

import pytest

from medtutor import metrics
from medtutor.course.poke import cut_off
from medtutor.explore import explore_agreement

NASTY = "</script><img src=x onerror=alert(1)>"
SENTENCES = [
    "Started on metoprolol tartrate for chest pain .".split(),
    "No fever .".split(),
    "Acute appendicitis on CT".split(),
    "Aspirin , then warfarin , then heparin , for atrial fibrillation seen on an electrocardiogram .".split(),
]
TRUTH = [
    "O O B-drug I-drug O B-symptom I-symptom O".split(),
    "O B-symptom O".split(),
    "B-disease I-disease O B-test".split(),
    "B-drug O O B-drug O O B-drug O O B-disease I-disease O O O B-test O".split(),
]
ONE = [
    "O O B-drug O O B-disease I-disease O".split(),
    "O B-symptom O".split(),
    "O O O B-test".split(),
    "B-drug O O B-drug O O B-drug O O B-disease I-disease B-drug O O B-test O".split(),
]
OTHER = [TRUTH[0], TRUTH[1], ONE[2], TRUTH[3]]
MODELS = {"dictionary": ONE, "CRF": OTHER}

explorer_of = cache(lambda: explore_agreement(SENTENCES, TRUTH, MODELS))


@pytest.fixture
def show(dark_page):
    """show(tab, explorer, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer=None, copies=1: dark_page(tab, (explorer or explorer_of()).page(), copies)


def cells(tab, name):
    return (
        tab.locator(".mdx-counts tr", has=tab.get_by_role("rowheader", name=name))
        .locator("td")
        .all_inner_texts()
    )


def labels(tab, reader):
    """The words beneath the text in the row of this reader: 0 the truth, then the models."""
    rows = tab.locator(f".mdx-piece > :nth-child({reader + 2})").all_inner_texts()
    return [text for text in rows if text]


def place(tab):
    return tab.locator(".mdx-place").inner_text()


def test_each_reader_has_a_row_with_types_and_remarks(page, show):
    show(page)
    assert labels(page, 0) == ["drug", "symptom"]
    assert labels(page, 1) == ["drug ✗ ends", "disease ✗ type"]
    assert labels(page, 2) == ["drug ✓", "symptom ✓"]
    assert page.locator(".mdx-names").first.locator("span").all_inner_texts() == [
        "",
        "truth",
        "dictionary",
        "CRF",
    ]
    page.get_by_role("combobox", name="sentence").select_option("2")
    assert labels(page, 1) == ["disease missed", "test ✓"]
    page.get_by_role("combobox", name="sentence").select_option("3")
    assert labels(page, 1)[-2:] == ["drug ✗ extra", "test ✓"]


def test_underlines_stand_beneath_their_words_and_in_one_piece(page, show):
    show(page)
    words = page.locator(".mdx-token")
    assert words.all_inner_texts() == ["Started", "on", "metoprolol", "tartrate", "for", "chest pain", "."]
    spot = [words.nth(at).bounding_box()["x"] for at in (2, 3)]
    bars = page.locator(".mdx-piece > :nth-child(2).mdx-marked")
    first, second = (bars.nth(at).bounding_box() for at in (0, 1))
    assert [first["x"], second["x"]] == pytest.approx(spot, abs=1)
    assert first["x"] + first["width"] == pytest.approx(second["x"], abs=1)
    assert page.locator(".mdx-piece > :nth-child(3).mdx-marked").count() == 2


def test_counts_and_f1_are_those_of_metrics(page, show):
    show(page)
    for at in range(4):
        for name, rows in MODELS.items():
            *counts, here, every = cells(page, name)
            found, called, true = metrics.entity_counts(TRUTH[at : at + 1], rows[at : at + 1])[0]
            numbers = [int(count) for count in counts]
            assert numbers[0] == found and sum(numbers[:4]) == called
            assert float(here.split()[0]) == pytest.approx(
                metrics.entity_f1(TRUTH[: at + 1], rows[: at + 1]), abs=0.00051
            )
            assert float(every.split()[0]) == pytest.approx(metrics.entity_f1(TRUTH, rows), abs=0.00051)
        if at < 3:
            page.get_by_role("button", name="Next").click()
    assert cells(page, "dictionary")[:5] == ["5", "0", "0", "1", "0"]
    assert "2 × 7 ÷ (10 + 10)" in cells(page, "dictionary")[6]


def test_the_list_of_disagreements_is_gone_through_alone(page, show):
    show(page)
    choice = page.get_by_role("combobox", name="list")
    assert choice.locator("option").all_inner_texts() == [
        "all sentences (4)",
        "where models disagree (2)",
        "where a model is wrong (3)",
    ]
    choice.select_option("1")
    assert place(page) == "Sentence 1 of 4; 1 of 2 in the list"
    page.get_by_role("button", name="Next").click()
    assert place(page) == "Sentence 4 of 4; 2 of 2 in the list"
    assert page.get_by_role("button", name="Next").is_disabled()
    y, p = [TRUTH[0], TRUTH[3]], [ONE[0], ONE[3]]
    assert float(cells(page, "dictionary")[6].split()[0]) == pytest.approx(
        metrics.entity_f1(y, p), abs=0.00051
    )
    choice.select_option("0")
    assert place(page) == "Sentence 4 of 4; 4 of 4 in the list"
    page.get_by_role("combobox", name="sentence").select_option("1")
    choice.select_option("2")
    assert place(page) == "Sentence 3 of 4; 2 of 3 in the list"
    page.get_by_role("button", name="Reset").click()
    assert place(page) == "Sentence 1 of 4; 1 of 4 in the list"


def test_keyboard_alone_goes_from_sentence_to_sentence(page, show):
    show(page)
    page.get_by_role("combobox", name="list").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    assert place(page) == "Sentence 4 of 4; 2 of 2 in the list"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert place(page) == "Sentence 1 of 4; 1 of 2 in the list"


def test_one_model_has_nobody_to_disagree_with(page, show):
    show(page, explore_agreement(SENTENCES, TRUTH, {"CRF": TRUTH}))
    options = page.get_by_role("combobox", name="list").locator("option")
    assert options.all_inner_texts() == ["all sentences (4)", "where a model is wrong (0)"]
    assert options.nth(1).is_disabled()


def test_words_types_and_names_are_plain_text(page, show):
    rows = [[f"B-{NASTY}"], ["O"]]
    dialogs = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
    show(page, explore_agreement([[NASTY], ["a"]], rows, {NASTY: rows}))
    assert page.locator(".mdx-token").first.inner_text() == NASTY
    assert labels(page, 0) == [NASTY] and labels(page, 1) == [f"{NASTY} ✓"]
    page.get_by_role("button", name="Next").click()
    page.wait_for_timeout(700)  # until what is spoken has been said too
    assert page.locator(".mdx img").count() == 0 and dialogs == []


def test_what_is_in_view_is_spoken(page, show):
    show(page)
    page.wait_for_function("""document.querySelector('[aria-live]').textContent.endsWith(
      'truth: metoprolol tartrate, drug; chest pain, symptom. dictionary: metoprolol, drug, other ends; ' +
      'chest pain, disease, other type. CRF: metoprolol tartrate, drug, found; ' +
      'chest pain, symptom, found.')""")
    assert "truth: metoprolol tartrate, drug" in page.locator(".mdx-text").get_attribute("aria-label")


def test_names_stand_beside_each_line_of_a_wrapped_sentence(page, show):
    page.set_viewport_size({"width": 700, "height": 900})
    show(page, explore_agreement(SENTENCES, TRUTH, MODELS, sentence=3))
    lines = len({part.bounding_box()["y"] for part in page.locator(".mdx-piece").all()})
    assert lines > 1 and page.locator(".mdx-names").count() == lines
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function("(before) => document.querySelectorAll('.mdx-names').length < before", arg=lines)


@pytest.mark.parametrize("times", [1, 50])  # as many as that give counts of three digits
@pytest.mark.parametrize("width", [1280, 900, 700])
def test_nothing_is_cut_off(page, show, width, times):
    page.set_viewport_size({"width": width, "height": 900})
    models = {name: said * times for name, said in MODELS.items()}
    show(page, explore_agreement(SENTENCES * times, TRUTH * times, models))
    for _ in range(4):
        assert cut_off(page.locator(".mdx")) == []
        if page.get_by_role("button", name="Next").is_enabled():
            page.get_by_role("button", name="Next").click()


def test_texts_stand_out_from_what_is_behind_them(page, show, contrast):
    show(page, explore_agreement(SENTENCES, TRUTH, MODELS, sentence=2))
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 30 and judged["faint"] == []


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cell = cell_of(explorer_of()._repr_mimebundle_(), source="explore_agreement(sentences, truth, models)")
    open_exported(page, cell)
    page.wait_for_selector(".mdx")
    page.get_by_role("button", name="Next").click()
    assert labels(page, 1) == ["symptom ✓"]
