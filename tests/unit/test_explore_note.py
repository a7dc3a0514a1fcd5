"""The panel that reads a note with the reader's own function: what it marks, says, refuses and survives."""

import asyncio
import html
import re
from dataclasses import dataclass

import numpy as np
import pytest

from medtutor.explore import explore_note, note

TEXT = "Given aspirin, then heparin for chest pain."


@pytest.fixture(autouse=True)
def no_loop_runs():
    """Browser tests in the same process leave a loop running in it; a panel there would wait for a pause."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(running)


@dataclass
class Entity:
    start: int
    end: int
    type: str
    confidence: float = 1.0


def entity(text, words, kind, confidence=None, as_dict=True):
    start = text.index(words)
    parts = {"start": start, "end": start + len(words), "type": kind, "confidence": confidence}
    return parts if as_dict else Entity(**parts)


def read(text):
    known = (("aspirin", "drug", 0.9), ("heparin", "drug", 0.4), ("chest pain", "symptom", 0.7))
    return [entity(text, *each) for each in known if each[0] in text]


def shown(*arguments, **settings):
    """The panel with its widgets made."""
    made = explore_note(*arguments, **settings)
    made.panel()
    return made


def marks(panel):
    """[(words, label)] of the frames."""
    found = re.findall(r"<mark[^>]*>(.*?)&nbsp;<span[^>]*>(.*?)</span></mark>", panel.said.value)
    return [tuple(html.unescape(part) for part in pair) for pair in found]


def status(panel):
    return html.unescape(re.search(r'role="status"[^>]*>(.*?)</div>', panel.said.value, re.DOTALL)[1])


def test_entities_are_marked_in_the_text_with_type_and_confidence():
    panel = shown(read, TEXT)
    assert marks(panel) == [("aspirin", "drug 0.90"), ("chest pain", "symptom 0.70")]
    prose = re.search(r"<p [^>]*>(.*)</p>", panel.said.value, re.DOTALL)[1]
    prose = re.sub(r"&nbsp;<span.*?</span>|<[^>]*>", "", prose)
    assert html.unescape(prose) == TEXT
    assert status(panel) == (
        "2 entities of confidence 0.50 or more: 1 drug, 1 symptom. 1 is less certain and not shown."
    )
    assert "<td" in panel.said.value and ">6 to 13<" in panel.said.value


def test_the_slider_shows_what_is_at_least_as_certain():
    panel = shown(read, TEXT)
    for least, words in ((0.4, 3), (0.41, 2), (0.7, 2), (0.71, 1), (1.0, 0), (0.0, 3)):
        panel.slider.value = least
        assert len(marks(panel)) == words, least
        assert status(panel).startswith(f"{words} entit")


def test_a_typed_note_is_read_once():
    asked = []
    panel = shown(lambda text: asked.append(text) or read(text), TEXT)
    assert asked == [TEXT]
    panel.note.value = "No aspirin"  # no event loop here, so it is read at once
    assert asked == [TEXT, "No aspirin"] and marks(panel) == [("aspirin", "drug 0.90")]
    panel.slider.value = 0.2
    panel._read()
    assert len(asked) == 2


def test_where_a_loop_runs_the_note_is_read_when_typing_pauses(monkeypatch):
    monkeypatch.setattr(note, "PAUSE", 0.01)
    asked = []
    panel = shown(lambda text: asked.append(text) or [], "")

    async def type_quickly():
        for typed in ("a", "as", "asp"):
            panel.note.value = typed
        assert asked == []
        while not asked:
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(type_quickly(), 10))
    assert asked == ["asp"]


def test_reset_brings_back_the_first_note_and_confidence():
    panel = shown(read, TEXT, confidence=0.6)
    before = panel.said.value
    panel.note.value, panel.slider.value = "nothing", 0.1
    panel._reset()
    assert panel.note.value == TEXT and panel.said.value == before


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_an_empty_note_is_not_read(text):
    panel = shown(lambda text: pytest.fail("it was read"), text)
    assert status(panel) == "The note is empty: type, and it is read when you pause."


def test_objects_and_dicts_numpy_numbers_and_no_confidence_are_understood():
    def reader(text):
        return (each for each in [
            entity(text, "aspirin", "drug", np.float32(0.5), as_dict=False),
            {"start": np.int64(20), "end": np.int64(27), "type": "drug"},
        ])  # fmt: skip

    panel = shown(reader, TEXT, confidence=0.99)
    assert marks(panel) == [("heparin", "drug")]
    panel.slider.value = 0.5
    assert marks(panel) == [("aspirin", "drug 0.50"), ("heparin", "drug")]


def test_of_entities_that_overlap_the_more_certain_is_marked_and_the_other_listed():
    def reader(text):
        return [entity(text, "pain", "symptom", 0.6), entity(text, "chest pain", "disease", 0.8)]

    panel = shown(reader, TEXT)
    assert marks(panel) == [("chest pain", "disease 0.80")]
    assert "1 more overlaps them." in status(panel) and "symptom, overlaps another" in panel.said.value


def test_odd_unicode_is_marked_where_python_counts_it():
    text = "\U0001f489 e\u0301 胸痛 \u202easpirin\ud800\x00\n$x$ end"
    panel = shown(read, text)
    assert marks(panel) == [("aspirin", "drug 0.90")]
    panel.said.value.encode("utf-8")  # no half of a pair, which could not be sent
    assert "\u202e" not in panel.said.value and "胸痛" in panel.said.value


def test_words_types_and_errors_are_plain_text():
    nasty = "</p><img src=x onerror=alert(1)>"

    def reader(text):
        if "stop" in text:
            raise ValueError(nasty)
        return [entity(text, nasty, nasty, 1)]

    panel = shown(reader, nasty)
    assert "<img" not in panel.said.value and marks(panel) == [(nasty, f"{nasty} 1.00")]
    assert "<img" not in panel.still()._repr_mimebundle_()["text/html"]
    panel.note.value = f"stop {nasty}"
    assert "<img" not in panel.said.value and nasty in status(panel)


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "read returned None. Did you forget `return`?"),
        (["drug"], "read returned 'drug'; objects or dicts with start, end and type are wanted."),
        ([{"start": 1.5, "end": 2, "type": "a"}], "objects or dicts with start, end and type are wanted."),
        (
            [Entity(3, 3, "drug")],
            "read returned an entity from 3 to 3 in a note of 43 characters; 0 <= start",
        ),
        ([Entity(0, 44, "drug")], "from 0 to 44 in a note of 43 characters"),
        ([Entity(0, 4, "")], "read returned the type ''; a word such as 'drug' is wanted."),
        ([Entity(0, 5, "drug", 1.2)], "the confidence 1.2 for 'Given'; a number from 0 to 1 is wanted."),
        ([Entity(0, 5, "drug", float("nan"))], "the confidence nan for"),
        ([Entity(0, 5, "drug", "high")], "the confidence 'high' for"),
        (7, "read returned one int; a list of entities is wanted."),
        ({"start": 1}, "read returned one dict; a list of entities is wanted."),
        ("drug", "read returned one str; a list"),
    ],
)
def test_what_is_no_list_of_entities_is_told_in_a_sentence(returned, sentence):
    panel = shown(lambda text: returned, TEXT)
    assert sentence in status(panel) and marks(panel) == []
    assert TEXT in panel.said.value


def test_a_reader_that_raises_is_told_with_its_line_and_the_panel_lives_on(capsys):
    def reader(text):
        print("noise")
        if "crash" in text:
            raise KeyError("aspirin")
        return read(text)

    panel = shown(reader, "crash aspirin")
    assert "read: Your function raised KeyError: 'aspirin', in line" in status(panel)
    assert "raise KeyError" in status(panel)
    panel.note.value = "aspirin"
    assert marks(panel) == [("aspirin", "drug 0.90")] and capsys.readouterr().out == ""


def test_what_is_stored_names_no_confidence_and_is_the_same_each_time():
    panels = [explore_note(read, TEXT) for _ in range(2)]
    pages = [panel.still()._repr_mimebundle_()["text/html"] for panel in panels]
    assert pages[0] == pages[1] and "0.9" not in re.sub(r"style=\"[^\"]*\"", "", pages[0])
    assert repr(panels[0]) == "<note: A note of 7 words with 2 entities: 1 drug, 1 symptom>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"read": []}, "give the function itself"),
        ({"text": None}, "text is None; a str is wanted"),
        ({"confidence": 1.5}, "confidence is 1.5; use a number from 0 to 1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        explore_note(**{"read": read} | arguments)
