"""Entities shown in their text: words, types and agreement in writing, whatever the text holds."""

import html.parser
import re
from types import SimpleNamespace

import pytest
from matplotlib.colors import to_rgb

from medtutor import plot
from medtutor.data.notes import write_notes

TOKENS = [["Warfarin", "sodium", "before", "INR", "."], ["No", "fever", "."]]
Y = [["B-drug", "I-drug", "O", "B-test", "O"], ["O", "B-symptom", "O"]]
HOSTILE = "</script><img onerror=alert(1) src=x>&amp;\"'"


class Reader(html.parser.HTMLParser):
    """The tags of a page, its text, its text without labels, and (words, label) of each entity."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), []
        self.text, self.own, self.entities = "", "", []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes += attributes
        if tag == "mark":
            self.entities.append(["", ""])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if "mark" in self.open:
            label = self.open[-1] == "span"
            self.entities[-1][label] += data
            self.own += "" if label else data.removesuffix("\xa0")
        elif "figcaption" not in self.open:
            self.own += data


def page(picture):
    return Reader(picture._repr_mimebundle_()["text/html"])


def marked(picture):
    return [(words.removesuffix("\xa0"), label) for words, label in page(picture).entities]


def luminance(colour):
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_each_entity_is_framed_with_its_type_written():
    picture = plot.show_entities(TOKENS, Y)
    assert marked(picture) == [("Warfarin sodium", "drug"), ("INR", "test"), ("fever", "symptom")]
    assert page(picture).own == "Warfarin sodium before INR .No fever ."
    assert picture._repr_mimebundle_()["text/plain"].splitlines()[1:] == [
        "[Warfarin sodium | drug] before [INR | test] .",
        "No [fever | symptom] .",
    ]


def test_characters_are_joined_without_blanks():
    picture = plot.show_entities([list("长期头痛。")], [["O", "O", "B-症状", "I-症状", "O"]], between="")
    assert marked(picture) == [("头痛", "症状")]
    assert page(picture).own == "长期头痛。"
    assert repr(picture).splitlines()[1] == "长期[头痛 | 症状]。"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_note_brings_its_own_entities(language):
    notes = write_notes(3, language)
    picture = plot.show_entities(notes)
    assert marked(picture) == [(note.words(e), e.type) for note in notes for e in note.entities]
    assert page(picture).own == "".join(note.text for note in notes)


def test_a_text_may_come_with_offsets_in_any_order():
    text = "Warfarin before INR"
    wanted = [("Warfarin", "drug"), ("INR", "test")]
    objects = [SimpleNamespace(start=16, end=19, type="test"), SimpleNamespace(start=0, end=8, type="drug")]
    for found in (objects, [(16, 19, "test"), (0, 8, "drug")], [[0, 8, "drug"], [16, 19, "test"]]):
        assert marked(plot.show_entities([text], [found])) == wanted


def test_an_inside_after_outside_is_shown_only_where_leniently_read():
    assert marked(plot.show_entities([["a", "b"]], [["O", "I-drug"]])) == []
    assert marked(plot.show_entities([["a", "b"]], [["O", "I-drug"]], strict=False)) == [("b", "drug")]
    whole = plot.show_entities([["a", "b"]], [["B-drug", "E-drug"]], scheme="BIOES")
    assert marked(whole) == [("a b", "drug")]


def test_a_second_reader_says_of_each_entity_whether_the_first_agrees():
    tokens = ["aspirin", "sodium", "for", "chest", "pain", "and", "fever", "after", "ECG"]
    y = ["B-drug", "I-drug", "O", "B-symptom", "I-symptom", "O", "B-symptom", "O", "B-test"]
    p = ["B-drug", "O", "O", "B-symptom", "I-symptom", "O", "O", "B-drug", "B-disease"]
    picture = plot.show_entities([tokens], {"truth": [y], "CRF": [p]})
    assert marked(picture)[4:] == [
        ("aspirin", "drug ✗ other ends"),
        ("chest pain", "symptom ✓"),
        ("after", "drug ✗ not in truth"),
        ("ECG", "disease ✗ truth: test"),
    ]
    assert "✗ missed: fever (symptom)" in page(picture).text
    truth, crf = repr(picture).splitlines()[1:]
    assert truth == (
        "truth: [aspirin sodium | drug] for [chest pain | symptom] and [fever | symptom] after [ECG | test]"
    )
    assert crf == (
        "CRF: [aspirin | drug ✗ other ends] sodium for [chest pain | symptom ✓] and fever "
        "[after | drug ✗ not in truth] [ECG | disease ✗ truth: test] ✗ missed: fever (symptom)"
    )
    assert picture.alt == (
        "1 text with 4 entities (1 drug, 2 symptom, 1 test) marked by truth, "
        "4 entities (1 disease, 2 drug, 1 symptom) marked by CRF"
    )


def test_each_text_is_compared_with_its_own_truth():
    picture = plot.show_entities(TOKENS, {"truth": Y, "nobody": [["O"] * 5, ["O", "B-symptom", "O"]]})
    lines = repr(picture).splitlines()[1:]
    assert [line.partition(":")[0] for line in lines] == ["truth", "nobody", "truth", "nobody"]
    assert lines[1].endswith("✗ missed: Warfarin sodium (drug), INR (test)")
    assert lines[3] == "nobody: No [fever | symptom ✓] ."


def test_whatever_a_text_holds_is_shown_as_text():
    text = f"a {HOSTILE} b"
    found = {HOSTILE: [[(2, 2 + len(HOSTILE), HOSTILE)]], "p" + HOSTILE: [[(0, 1, "drug")]]}
    picture = plot.show_entities([text], found, caption=HOSTILE, alt=f"a text that holds {HOSTILE}")
    seen = page(picture)
    assert seen.tags == {"figure", "div", "b", "span", "mark", "small", "figcaption"}
    assert {name for name, _ in seen.attributes} == {"class", "role", "aria-label", "style"}
    assert seen.entities[0] == [HOSTILE + "\xa0", HOSTILE]
    # two readers' names, the words twice, their type, the remark, words and type of what is missed, caption
    assert seen.text.count(HOSTILE) == 2 + 2 + 1 + 1 + 2 + 1
    assert dict(seen.attributes)["role"] == "group" and picture.alt.endswith(HOSTILE)


def test_what_turns_or_hides_writing_is_made_visible():
    picture = plot.show_entities(["a\u202eb\x00c\ud83dd\u2066e"], [[(0, 2, "x\u202e")]])
    assert page(picture).own == "a\ufffdb\ufffdc\ufffdd\ufffde"
    picture._repr_mimebundle_()["text/html"].encode()
    kept = "line\none\ttab\u3000wide 👩\u200d⚕️ \xa0"
    assert page(plot.show_entities([kept], [[]])).own == kept


def test_labels_are_read_on_light_and_dark_pages():
    for colour in plot.LABELS:
        assert (luminance(colour) + 0.05) / 0.05 >= 4.5  # against the black of the letters
    source = plot.show_entities(TOKENS, Y)._repr_mimebundle_()["text/html"]
    frames = re.findall('<mark style="([^"]*)"', source)
    labels = re.findall('<span style="(background[^"]*)"', source)
    assert len(frames) == len(labels) == 3
    assert all("background:none;color:inherit;border:1px solid;" in frame for frame in frames)
    assert all("color:#000" in label for label in labels)
    assert "box-decoration-break:clone" in source and "overflow-wrap:anywhere" in source


def test_a_label_is_broken_only_where_it_is_long():
    picture = plot.show_entities([["aspirin", "and", "fever"]], [["B-drug", "O", "B-" + "long" * 20]])
    short, long = re.findall(r'<span style="([^"]*)">(?:drug|long)', picture._repr_mimebundle_()["text/html"])
    assert "nowrap" in short and "nowrap" not in long


def test_a_type_keeps_its_colour_from_figure_to_figure():
    def of(*kinds):
        picture = plot.show_entities([list(kinds)], [[f"B-{kind}" for kind in kinds]])
        source = picture._repr_mimebundle_()["text/html"]
        found = re.findall(r"background:(#\w+)[^>]*>(\w+)</span></mark>", source)
        return {kind: colour for colour, kind in found}

    alone, together = of("drug"), of("anatomy", "disease", "drug", "symptom", "test", "other")
    assert alone["drug"] == together["drug"] and len(set(together.values())) == 6
    assert len(of(*"abcdef")) == 6


def test_a_description_counts_the_entities_unless_one_is_given():
    assert plot.show_entities(TOKENS, Y).alt == "2 texts with 3 entities (1 drug, 1 symptom, 1 test) marked"
    assert plot.show_entities([["a"]], [["O"]]).alt == "1 text with no entities marked"
    assert plot.show_entities([["a"]], [["B-x"]]).alt == "1 text with 1 entity (1 x) marked"
    picture = plot.show_entities(TOKENS, Y, alt="Two sentences of a note", caption="From the test split.")
    assert repr(picture).splitlines()[0] == "<figure: Two sentences of a note>"
    assert repr(picture).splitlines()[-1] == "From the test split."
    assert 'aria-label="Two sentences of a note"' in picture._repr_mimebundle_()["text/html"]
    with pytest.raises(ValueError, match="describe in a sentence"):
        plot.show_entities(TOKENS, Y, alt="figure 3")


def test_the_same_entities_give_the_same_bytes():
    assert (
        plot.show_entities(TOKENS, {"b": Y, "a": Y})._repr_mimebundle_()
        == plot.show_entities(TOKENS, {"b": Y, "a": Y})._repr_mimebundle_()
    )


@pytest.mark.parametrize(
    ("texts", "entities", "said"),
    [
        ("a text", [[]], r"texts is a str; a list is wanted: of one text, \[text\]"),
        (write_notes(1)[0], None, "texts is a Note; a list is wanted"),
        (["a", "b"], [[]], "there are 2 texts and entities of 1; one item a text"),
        (["a"], {"truth": [[]], "CRF": [[], []]}, "1 texts and entities of 2 by CRF"),
        ([["a", "b"]], [["O"]], "a text has 2 tokens and 1 tags; they must match"),
        ([["a"]], [["X-drug"]], "tag 'X-drug' is none of BIO"),
        (["a b"], [["O", "O"]], "an entity of a text is 'O'; wanted is"),
        (["abc"], [[(2, 4, "x")]], r"an entity is \(2, 4, 'x'\) in a text of 3 characters"),
        (["abc"], [[(1, 1, "x")]], "an entity is"),
        (["abc"], [[(0, 2, "x"), (1, 3, "y")]], "the one before ends at 2; 2 <= start < end <= 3"),
        (["abc"], None, "entities is None, but a text is a str without its own"),
    ],
)
def test_texts_and_entities_that_do_not_match_are_refused(texts, entities, said):
    with pytest.raises(ValueError, match=said):
        plot.show_entities(texts, entities)
