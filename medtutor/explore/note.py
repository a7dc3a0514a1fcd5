"""A panel to type a note in and see what a reader of one's own finds in it; it needs the running kernel."""

import asyncio
import contextlib
import html
import io
import operator
import warnings
from collections import Counter
from dataclasses import dataclass

from medtutor.explore.function import _raised
from medtutor.explore.patients import BOX, GIVE_WAY, WIDGET, Trouble
from medtutor.plot import MarkedText, _colours, _mark, _seen

PAUSE = 0.4  # seconds without a key after which the note is read
PROSE = "white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.9;font-size:1.05em"


def explore_note(read, text="", *, confidence=0.5):
    """Type a note, and see the entities that your reader finds in it whenever you pause.

    read        text -> entities, objects or dicts with start, end (characters, end one past the last), type
                and confidence, 0 to 1; one without confidence is always shown
    text        to start with
    confidence  the least that is shown to start with, 0 to 1; a slider moves it

    Of entities that overlap the more certain one is marked, the others are listed. If read raises, or
    returns what is no list of entities, the panel says so and lives on.
    """
    return NotePanel(read, text, confidence)


@dataclass(frozen=True)
class Found:
    """text[start:end] is called a `type`; confidence 0 to 1, or None where the reader gives none."""

    start: int
    end: int
    type: str
    confidence: float | None

    def certain(self, least):
        return self.confidence is None or self.confidence >= least

    def touches(self, other):
        return self.start < other.end and other.start < self.end


class NotePanel:
    """The panel of `explore_note`: live widgets while the kernel runs, else the note as it was at first."""

    def __init__(self, read, text="", confidence=0.5):
        if not callable(read):
            raise ValueError(f"read is {read!r}; give the function itself, without parentheses")
        if not isinstance(text, str):
            raise ValueError(f"text is {text!r}; a str is wanted")
        if isinstance(confidence, bool) or not 0 <= confidence <= 1:
            raise ValueError(f"confidence is {confidence!r}; use a number from 0 to 1")
        self.read, self.text, self.least = read, text, float(confidence)
        self.first = (text, self.least)
        self._panel = self._waiting = None
        self.found, self.trouble = self._ask(text)

    def __repr__(self):
        return f"<note: {self._census()}>"

    def _ipython_display_(self):
        from IPython.display import display

        page = f'<div class="mdt-still">{self.still()._repr_mimebundle_()["text/html"]}</div>{GIVE_WAY}'
        display({"text/html": page, "text/plain": repr(self)}, raw=True)
        view = self.panel()._repr_mimebundle_()[WIDGET]
        display({WIDGET: view, "text/plain": ""}, raw=True)

    def still(self):
        """The note as it is now, without confidences, whose last digits differ between computers."""
        body = f'<p style="{PROSE}">{self._marked(numbers=False)}</p>'
        return MarkedText(body, [_seen(self.text)], self._census(), self.trouble)

    def _ask(self, text):
        """(what the reader finds, what went wrong); an empty note is not read."""
        if not text.strip():
            return [], ""
        try:
            return _entities(_call(self.read, text), text), ""
        except Trouble as trouble:
            return [], str(trouble)

    # ---- what is said and drawn ----

    def split(self):
        """(marked, overlapping what is marked, less certain), each in the order of the text."""
        certain = [one for one in self.found if one.certain(self.least)]
        marked, over = [], []
        for one in sorted(certain, key=lambda one: (-_or_one(one.confidence), one.start, -one.end)):
            (over if any(one.touches(other) for other in marked) else marked).append(one)
        rest = [one for one in self.found if not one.certain(self.least)]
        return tuple(sorted(each, key=lambda one: (one.start, one.end)) for each in (marked, over, rest))

    def sentence(self):
        """What is found, in words."""
        if self.trouble:
            return self.trouble
        if not self.text.strip():
            return "The note is empty: type, and it is read when you pause."
        marked, over, rest = self.split()
        words = [f"{_counted(len(marked), 'entity')} of confidence {self.least:.2f} or more{_kinds(marked)}."]
        if over:
            words.append(f"{len(over)} more {'overlaps' if len(over) == 1 else 'overlap'} them.")
        if rest:
            words.append(f"{len(rest)} {'is' if len(rest) == 1 else 'are'} less certain and not shown.")
        return " ".join(words)

    def _census(self):
        marked = self.split()[0]
        words, found = _counted(len(self.text.split()), "word"), _counted(len(marked), "entity")
        return f"A note of {words} with {found}{_kinds(marked)}"

    def _marked(self, numbers=True):
        """The note as HTML, each shown entity in a frame with its type, and its confidence."""
        marked, at, parts = self.split()[0], 0, []
        colours = _colours(sorted({one.type for one in marked}))
        for one in marked:
            number = f" {one.confidence:.2f}" if numbers and one.confidence is not None else ""
            parts.append(html.escape(_seen(self.text[at : one.start])))
            parts.append(_mark(self.text[one.start : one.end], one.type, number, colours[one.type]))
            at = one.end
        return "".join(parts) + html.escape(_seen(self.text[at:]))

    def _page(self):
        marked, over, _ = self.split()
        listed = sorted([*marked, *over], key=lambda one: one.start)
        rows = "".join(_row(self.text, one, one in over) for one in listed)
        heads = "".join(f'<th scope="col" style="{CELL}">{head}</th>' for head in HEADS)
        table = f'<table style="border-collapse:collapse"><tr>{heads}</tr>{rows}</table>' if rows else ""
        return (
            f'<div class="mathjax_ignore tex2jax_ignore" style="{BOX}">'
            f'<div role="status" style="min-height:1.5em">{html.escape(_seen(self.sentence()))}</div>'
            f'<p style="{PROSE};margin:0.5em 0">{self._marked()}</p>{table}</div>'
        )

    # ---- the widgets ----

    def panel(self):
        """The widgets: the note, a button, the least confidence, and what is found."""
        if self._panel is not None:
            return self._panel
        import ipywidgets as widgets

        narrow = {"description_width": "8rem"}
        self.note = widgets.Textarea(
            self.text, description="note", rows=5, style=narrow, layout=widgets.Layout(width="auto")
        )
        self.slider = widgets.FloatSlider(
            self.least, min=0, max=1, step=0.01, description="least confidence", style=narrow,
            layout=widgets.Layout(width="26rem"),
        )  # fmt: skip
        now = widgets.Button(description="Read now", layout=widgets.Layout(width="8rem"))
        reset = widgets.Button(description="Reset", layout=widgets.Layout(width="8rem"))
        self.said = widgets.HTML(self._page())
        self.note.observe(lambda change: self._typed(), names="value")
        self.slider.observe(lambda change: self._show(), names="value")
        now.on_click(lambda button: self._read())
        reset.on_click(lambda button: self._reset())
        controls = widgets.HBox([self.slider, now, reset], layout=widgets.Layout(flex_flow="row wrap"))
        self._panel = widgets.VBox([self.note, controls, self.said])
        self._panel.add_class("mdt-live")
        return self._panel

    def _typed(self):
        """Reads the note when the typing pauses; at once where no event loop runs."""
        if self._waiting is not None:
            self._waiting.cancel()
        try:
            self._waiting = asyncio.get_running_loop().call_later(PAUSE, self._read)
        except RuntimeError:
            self._read()

    def _read(self):
        if self.note.value != self.text:
            self.text = self.note.value
            self.found, self.trouble = self._ask(self.text)
        self._show()

    def _show(self):
        self.least = self.slider.value
        self.said.value = self._page()

    def _reset(self):
        self.note.value, self.slider.value = self.first
        self._read()


# ---- words ----

HEADS = ("words", "type", "characters", "confidence")
CELL = "border:1px solid #c9d0d7;padding:0.1em 0.6em;text-align:left"


def _row(text, one, overlaps):
    number = "" if one.confidence is None else f"{one.confidence:.2f}"
    kind = one.type + (", overlaps another" if overlaps else "")
    cells = (text[one.start : one.end], kind, f"{one.start} to {one.end}", number)
    return "<tr>" + "".join(f'<td style="{CELL}">{html.escape(_seen(cell))}</td>' for cell in cells) + "</tr>"


def _counted(n, noun):
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{n} {noun if n == 1 else plural}"


def _kinds(entities):
    counts = Counter(one.type for one in entities)
    return (": " + ", ".join(f"{counts[kind]} {kind}" for kind in sorted(counts))) if counts else ""


def _or_one(confidence):
    return 1.0 if confidence is None else confidence


# ---- checks ----


def _call(read, text):
    """What the reader returns; what it prints and warns of is kept off the page."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            returned = read(text)
            entities = list(returned) if hasattr(returned, "__iter__") else None
    except Exception as error:
        raise Trouble(f"read: {_raised(read, error)}") from error
    if returned is None:
        raise Trouble("read returned None. Did you forget `return`?")
    if entities is None or isinstance(returned, (str, dict)):
        raise Trouble(f"read returned one {type(returned).__name__}; a list of entities is wanted.")
    return entities


def _entities(returned, text):
    return [_entity(one, text) for one in returned]


def _entity(one, text):
    """A Found of what the reader returned; raises Trouble."""
    parts = [
        one.get(name) if isinstance(one, dict) else getattr(one, name, None)
        for name in ("start", "end", "type", "confidence")
    ]
    try:
        start, end = operator.index(parts[0]), operator.index(parts[1])
    except TypeError:
        raise Trouble(
            f"read returned {_short(one)}; objects or dicts with start, end and type are wanted."
        ) from None
    if not 0 <= start < end <= len(text):
        raise Trouble(
            f"read returned an entity from {start} to {end} in a note of {len(text)} characters; "
            f"0 <= start < end <= {len(text)} is wanted, end one past the last character."
        )
    kind, confidence = parts[2], parts[3]
    if not isinstance(kind, str) or not kind:
        raise Trouble(f"read returned the type {kind!r}; a word such as 'drug' is wanted.")
    if confidence is None:
        return Found(start, end, kind, None)
    try:
        confidence = float(confidence)
    except (TypeError, ValueError):
        confidence = float("nan")
    if not 0 <= confidence <= 1:
        raise Trouble(
            f"read returned the confidence {_short(parts[3])} for {_short(text[start:end])}; "
            "a number from 0 to 1 is wanted."
        )
    return Found(start, end, kind, confidence)


def _short(one):
    words = repr(one)
    return words if len(words) <= 60 else words[:60] + "…"
