"""What a model says about one examination, in plain language; and what must be known about the model itself.

findings      the report of one examination, for a reader who never saw the code
model_card    who made the model, from what, for what, how good it is, and what it must not be used for

Both are pages: shown as the last line of a cell, written as .html, .txt or .md. Nothing here asks a clock.
"""

import base64
import math
import re
import struct
import textwrap
import zlib
from dataclasses import dataclass, fields, is_dataclass
from datetime import date as Date
from html import escape
from pathlib import Path

import numpy as np

NOT_FOR_DIAGNOSIS = "NOT FOR DIAGNOSTIC USE"
SIMULATED = "SIMULATED: nobody was examined"
NOT_FOR = (
    "No decision on a patient may rest on this report. The model is teaching material, no medical device; it "
    "was neither tested on patients nor approved by anybody."
)
WIDTH = 100  # of a line of text
MARKDOWN = re.compile(r"([\\`*_\[\]|~$]|^[#+-])")
NUMBERED = re.compile(r"^(\d+)([.)])")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2em auto;padding:0 1em;color:#1a1a1a;"
    "background:#fff}h1{font-size:1.5em}h2{font-size:1.1em;margin:1.4em 0 .3em}p{margin:.4em 0}"
    ".mark{border:2px solid #a40000;color:#a40000;padding:.3em .8em;font-weight:bold}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.2em 1em .2em 0}"
    "td{overflow-wrap:anywhere}th{white-space:nowrap}figure{margin:1em 0}img{min-width:16em;max-width:100%}"
)


@dataclass(frozen=True)
class Page:
    """A titled page: marks that nobody may overlook, sections of sentences and rows, perhaps a picture.

    marks     short warnings, shown first
    sections  (heading, items); an item is a sentence, or a row (word, text)
    picture   (png bytes, description) or None
    """

    title: str
    marks: tuple
    sections: tuple
    picture: tuple | None = None

    def text(self):
        """The page as plain text of at most 100 characters a line; the picture as its description."""
        lines = [self.title, "=" * len(self.title), *self.marks]
        for heading, items in self.sections:
            lines += ["", heading, "-" * len(heading)]
            wide = max((len(one[0]) for one in items if isinstance(one, tuple)), default=0) + 2
            for one in items:
                word, rest = one if isinstance(one, tuple) else ("", one)
                indent = " " * (wide if word else 0)
                lines += textwrap.wrap(
                    rest,
                    WIDTH,
                    initial_indent=f"{word:<{wide}}" if word else "",
                    subsequent_indent=indent,
                    break_on_hyphens=False,
                )
        if self.picture:
            lines += ["", *textwrap.wrap(f"Picture: {self.picture[1]}", WIDTH)]
        return "\n".join(lines) + "\n"

    def html(self):
        """The page as one HTML file that needs no other and holds no script."""
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style></head>\n"
            f"<body><main>\n{self._inner(1)}</main></body></html>\n"
        )

    def markdown(self, level=1):
        """The page as Markdown, its title a heading of `level`; what was given as text stays text."""
        lines = [f"{'#' * level} {_md(self.title)}", *(f"**{_md(mark)}**" for mark in self.marks)]
        for heading, items in self.sections:
            lines.append(f"{'#' * (level + 1)} {_md(heading)}")
            rows = [f"| **{_md(one[0])}** | {_md(one[1])} |" for one in items if isinstance(one, tuple)]
            if rows:
                lines.append("\n".join(["| | |", "|---|---|", *rows]))
            lines += [_md(one) for one in items if isinstance(one, str)]
        if self.picture:
            source = base64.b64encode(self.picture[0]).decode()
            lines.append(f"![{_md(self.picture[1])}](data:image/png;base64,{source})")
        return "\n\n".join(lines) + "\n"

    def write(self, path):
        """Write the page; the name's end, .html, .txt or .md, says as what. Return the path."""
        path = Path(path)
        kinds = {".html": self.html, ".txt": self.text, ".md": self.markdown}
        if path.suffix not in kinds:
            raise ValueError(f"{path.name!r} must end in .html, .txt or .md")
        path.write_bytes(kinds[path.suffix]().encode("utf-8"))
        return path

    def _inner(self, level):
        """The page's content, its title being a heading of `level`."""
        parts = [f"<h{level}>{escape(self.title)}</h{level}>"]
        parts += [f'<p class="mark"><strong>{escape(mark)}</strong></p>' for mark in self.marks]
        for number, (heading, items) in enumerate(self.sections, 1):
            parts.append(f"<section><h{level + 1}>{escape(heading)}</h{level + 1}>")
            parts += _html_items(items)
            if self.picture and number == min(2, len(self.sections)):  # beside what the model says
                parts.append(_figure(*self.picture))
            parts.append("</section>")
        return "\n".join(parts) + "\n"

    def __repr__(self):
        return self.text()


class Report(Page):
    """The findings of one examination; of `findings`."""

    def _repr_html_(self):
        return f"<div>{self._inner(3)}</div>"


class ModelCard(Page):
    """What must be known about a model; of `model_card`."""

    def _repr_markdown_(self):
        return self.markdown(4)  # below the headings of the notebook around it


def findings(
    *,
    examined,
    patient,
    source,
    probabilities,
    finding,
    threshold,
    threshold_from,
    sensitivity,
    specificity,
    measured_on,
    calibration,
    model,
    version,
    checksum,
    date,
    simulated,
    names=None,
    unit="slice",
    picture=None,
    alt="",
    not_for=NOT_FOR,
):
    """The report of one examination in plain language, as a `Report`.

    examined       what was looked at, e.g. "brain MR, T1 and FLAIR"
    patient        a pseudonym
    source         the UID of the study or series that the slices are from, or several
    probabilities  (n,) 0 to 1, what the model says of each slice after calibration
    finding        what was looked for, e.g. "tumour"
    threshold, threshold_from   from where on a slice is called suspicious, and how that was chosen, on what
    sensitivity, specificity    at this threshold: a `metrics.Interval`, or (value, low, high) of 95 %
    measured_on    the cases that they were measured on
    calibration    how the probabilities were calibrated, and on what
    model, version, checksum    what computed it; the checksum is the SHA-256 of its file
    date           "2026-11-24" or a datetime.date
    simulated      True: the images are generated, and the report says so first
    names          n names of the slices; else "slice 1" …
    picture        a medtutor.plot picture, or (h, w) or (h, w, 3) of uint8 or floats 0 to 1 with its `alt`
    not_for        what it must not be used for

    Raises ValueError for numbers that cannot be what they are called, and for text that is missing.
    """
    p = _probabilities(probabilities)
    threshold = _share("threshold", threshold)
    names = _names(names, len(p), unit)
    finding, unit = _text("finding", finding), _text("unit", unit)
    calls = p >= threshold
    marks = (NOT_FOR_DIAGNOSIS, SIMULATED) if _yes_or_no(simulated) else (NOT_FOR_DIAGNOSIS,)
    sources = [source] if isinstance(source, str) else list(source)
    sections = (
        (
            "What was examined",
            (
                ("examination", _text("examined", examined)),
                ("patient", _text("patient", patient)),
                ("source", ", ".join(_text("source", uid) for uid in sources) or _text("source", "")),
                (f"{unit}s", str(len(p))),
                ("date", _date(date)),
            ),
        ),
        (
            "What the model says",
            (_summary(names, calls, unit, finding), *_calls(names, p, threshold, finding)),
        ),
        (
            "How far to trust it",
            (
                *_accuracy(
                    _interval("sensitivity", sensitivity),
                    _interval("specificity", specificity),
                    unit,
                    finding,
                ),
                f"Both were measured on {_text('measured_on', measured_on)}, at this threshold.",
                f"How many of the suspicious {unit}s really show {finding} also depends on how common it is "
                "where the model is used.",
                f"The threshold of {threshold:.3g}: {_text('threshold_from', threshold_from)}.",
                f"The probabilities are calibrated: {_text('calibration', calibration)}.",
            ),
        ),
        ("What it must not be used for", (_text("not_for", not_for),)),
        (
            "Which model",
            (
                ("model", _text("model", model)),
                ("version", _text("version", version)),
                ("SHA-256", _checksum(checksum)),
            ),
        ),
    )
    title = f"Findings of a model: {_text('examined', examined)}"
    return Report(title, marks, sections, _picture(picture, alt))


def write_report(path, **facts):
    """Write the report of one examination as .html, .txt or .md; arguments of `findings`. Return the path."""
    return findings(**facts).write(path)


CARD = {  # the sections of Mitchell et al., figure 1, with what belongs there
    "details": "who made it, when, of which kind, under which licence",
    "intended_use": "for what and for whom it was made",
    "out_of_scope": "what it must not be used for",
    "factors": "groups, instruments and conditions over which it may differ",
    "metrics": "what was measured, why, and at which threshold",
    "evaluation_data": "on which cases it was measured",
    "training_data": "on which cases it was trained",
    "quantitative_analyses": "the measured figures, each with its interval",
    "ethical_considerations": "who may come to harm",
    "caveats": "what else to know, and what to do about it",
}
DETAILS = ("name", "version", "date", "type", "by", "licence", "checksum")
HEADINGS = {"details": "Model details", "caveats": "Caveats and recommendations"}


def model_card(given=None, /, *, simulated=False, **more):
    """The card of a model, as a `ModelCard`: shown in a notebook, written by its `write`.

    given, more  a dict or dataclass and keyword arguments, together one for each of:
                 details                 {"name", "version", "date", "type", "by", "licence", "checksum"}
                 intended_use, out_of_scope, factors, metrics, evaluation_data, training_data,
                 ethical_considerations, caveats      a sentence, a list of them, or {word: sentence}
                 quantitative_analyses   {what: a `metrics.Interval`, or (value, low, high) of 95 %}
    simulated    True: trained and measured on simulated data, and the card says so first

    Raises ValueError that names each field that is missing, empty or unknown.
    Source: Mitchell et al., Model Cards for Model Reporting, FAT* 2019, doi:10.1145/3287560.3287596.
    """
    card = {**_as_dict(given), **more}
    simulated = _yes_or_no(card.pop("simulated", simulated))
    _check_fields("the model card", card, CARD)
    if not isinstance(card["details"], dict):
        raise ValueError(f"details is {_shown(card['details'])}; give a dict with {', '.join(DETAILS)}")
    _check_fields("details", card["details"], dict.fromkeys(DETAILS, ""), more=True)
    sections = tuple(
        (HEADINGS.get(field, _heading(field)), _card_items(field, card[field])) for field in CARD
    )
    title = f"Model card: {_text('name', card['details']['name'])}"
    marks = (NOT_FOR_DIAGNOSIS,) + ("SIMULATED: trained and measured on simulated data",) * simulated
    return ModelCard(title, marks, sections)


def _as_dict(given):
    if given is None:
        return {}
    if is_dataclass(given) and not isinstance(given, type):
        return {field.name: getattr(given, field.name) for field in fields(given)}
    if isinstance(given, dict):
        return given
    raise ValueError(f"the model card is made of {_shown(given)}; give a dict or a dataclass")


def _check_fields(what, found, wanted, more=False):
    missing = [
        f"{field!r}" + (f" ({meaning})" if meaning else "")
        for field, meaning in wanted.items()
        if _empty(found.get(field))
    ]
    if missing:
        raise ValueError(
            f"{what} says nothing under {', '.join(missing)}; say it, if only that it is unknown"
        )
    unknown = [] if more else [field for field in found if field not in wanted]
    if unknown:
        raise ValueError(f"{what} knows no {unknown[0]!r}; its fields are {', '.join(wanted)}")


def _empty(value):
    return (
        value is None
        or (isinstance(value, str) and not value.strip())
        or (hasattr(value, "__len__") and not len(value))
    )


def _card_items(field, value):
    if field == "details":
        rows = {**value, "date": _date(value["date"]), "checksum": f"SHA-256 {_checksum(value['checksum'])}"}
        return tuple((_text(field, str(word)), _text(word, text)) for word, text in rows.items())
    if field == "quantitative_analyses":
        if not isinstance(value, dict):
            raise ValueError(f"{field} is {_shown(value)}; give {{what: (value, low, high)}}")
        return tuple(
            (_text(field, what), _with_interval(_interval(what, one, None))) for what, one in value.items()
        )
    if isinstance(value, dict):
        return tuple((_text(field, word), _text(word, one)) for word, one in value.items())
    return tuple(_text(field, one) for one in (value if isinstance(value, list | tuple) else [value]))


def _heading(field):
    return field.replace("_", " ").capitalize()


# ------------------------------------------------------------------------------------------------ sentences


def _summary(names, calls, unit, finding):
    called = [name for name, call in zip(names, calls, strict=True) if call]
    if not called:
        return f"None of {len(names)} {unit}s is called suspicious for {finding}. That does not rule it out."
    number = "one" if len(called) == 1 else str(len(called))
    verb = "is" if len(called) == 1 else "are"
    return f"Of {len(names)} {unit}s, {number} {verb} called suspicious for {finding}: {', '.join(called)}."


def _calls(names, p, threshold, finding):
    for name, one in zip(names, p, strict=True):
        shown, bound = _apart(one, threshold)
        if one >= threshold:
            said = f"suspicious for {finding}: probability {shown}, at or above the threshold of {bound}."
        else:
            said = f"not suspicious: probability {shown}, under the threshold of {bound}."
        yield name, said


def _apart(p, threshold):
    """Both numbers with two digits, or as many as it takes to see which is larger."""
    for digits in range(2, 18):
        shown, bound = f"{p:.{digits}f}", f"{threshold:.{digits}f}"
        if (p == threshold or shown != bound) and (float(bound) not in (0, 1) or threshold in (0, 1)):
            break
    if digits == 2 and shown in ("0.00", "1.00"):
        shown = "below 0.01" if shown == "0.00" else "above 0.99"
    return shown, bound


def _accuracy(sensitivity, specificity, unit, finding):
    found, missed = _of_100(sensitivity[0])
    yield (
        f"Sensitivity {_with_interval(sensitivity)}: of 100 {unit}s with {finding}, {found} are called "
        f"suspicious and {missed} are missed."
    )
    spared, alarmed = _of_100(specificity[0])
    yield (
        f"Specificity {_with_interval(specificity)}: of 100 {unit}s without, {spared} are left alone and "
        f"{alarmed} are called suspicious."
    )


def _of_100(share):
    """How many of 100, and how many not; no share but 0 and 1 is rounded to none or all."""
    if 0 < share < 0.01:
        return "fewer than 1", "more than 99"
    if 0.99 < share < 1:
        return "more than 99", "fewer than 1"
    return f"about {round(100 * share)}", f"about {100 - round(100 * share)}"


def _with_interval(interval):
    *numbers, level = interval
    value, low, high = (f"{one:.3f}" if abs(one) < 10 else f"{one:,.1f}" for one in numbers)
    return f"{value} ({100 * level:g} % interval {low} to {high})"


# --------------------------------------------------------------------------------------------------- checks


def _text(name, value):
    """One line of what was given: white space joined, control characters and turned writing made visible."""
    text = " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
    if not text or isinstance(value, bool):
        raise ValueError(f"{name} is {_shown(value)}; say it in words, if only that it is unknown")
    return "".join(c if c.isprintable() else "?" for c in text)


def _yes_or_no(simulated):
    if simulated not in (True, False):
        raise ValueError(
            f"simulated is {_shown(simulated)}; say True if the images are generated, else False"
        )
    return bool(simulated)


def _probabilities(values):
    p = np.asarray(values, dtype="float64") if np.asarray(values).dtype.kind in "iuf" else None
    if p is None or p.ndim != 1 or not len(p):
        raise ValueError(f"probabilities is {_shown(values)}; give (n,) numbers, one for each slice")
    if not ((p >= 0) & (p <= 1)).all():  # NaN is neither
        raise ValueError(
            f"probabilities go from {p.min():g} to {p.max():g}; they must be finite and from 0 to 1"
        )
    return p


def _share(name, value):
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value <= 1:
        raise ValueError(f"{name} is {_shown(value)}; give a number from 0 to 1")
    return float(value)


def _names(names, n, unit):
    if names is None:
        return [f"{unit} {i + 1}" for i in range(n)]
    names = [_text("names", name) for name in names]
    if len(names) != n:
        raise ValueError(f"names has {len(names)} names for {n} probabilities; they must be as many")
    return names


def _interval(name, given, highest=1):
    """(value, low, high, level) of an Interval or three numbers; shares lie from 0 to `highest`."""
    numbers = list(given) if isinstance(given, tuple | list) else []
    level = getattr(given, "level", 0.95)
    try:
        value, low, high = map(float, numbers[:3])
    except (TypeError, ValueError):
        value = low = high = math.nan
    right = hasattr(given, "level") or (len(numbers) == 3 and low <= value <= high)
    if not (right and all(map(math.isfinite, (value, low, high))) and low <= high):
        raise ValueError(
            f"{name} is {_shown(given)}; give an interval, (value, low, high), with low <= value <= high"
        )
    if highest is not None and not (0 <= low and high <= highest):
        raise ValueError(f"{name} is {_shown(given)}; it must lie from 0 to {highest}")
    return value, low, high, level


def _checksum(value):
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{64}", value):
        raise ValueError(
            f"checksum is {_shown(value)}; give the SHA-256 of the model's file, 64 hexadecimal digits"
        )
    return value


def _date(value):
    try:
        return (value if type(value) is Date else Date.fromisoformat(value)).isoformat()
    except (TypeError, ValueError):
        pass
    raise ValueError(f"date is {_shown(value)}; give a day such as '2026-11-24'")


def _picture(picture, alt):
    """(png bytes, description), None where there is no picture."""
    if picture is None:
        return None
    if hasattr(picture, "png"):
        return picture.png, _text("alt", alt or picture.alt)
    if len(str(alt).split()) < 4:
        raise ValueError(f"alt is {_shown(alt)}; describe in a sentence what the picture shows")
    return _png(np.asarray(picture)), _text("alt", alt)


def _png(image):
    """A PNG of (h, w) grey or (h, w, 3) colours, uint8 or floats from 0 to 1."""
    if image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)) or 0 in image.shape:
        raise ValueError(f"picture has shape {image.shape}; use (h, w), or (h, w, 3) for colours")
    if image.dtype.kind == "f" and (image >= 0).all() and (image <= 1).all():
        image = np.rint(image.astype("float64") * 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise ValueError(f"picture is {image.dtype}; use uint8, or finite floats from 0 to 1")
    h, w = image.shape[:2]
    rows = image.reshape(h, -1)
    data = np.hstack([np.zeros((h, 1), np.uint8), rows]).tobytes()  # each row with filter 0
    header = struct.pack(">2I5B", w, h, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _html_items(items):
    rows = ""
    for one in (*items, ""):
        if isinstance(one, tuple):
            rows += f'<tr><th scope="row">{escape(one[0])}</th><td>{escape(one[1])}</td></tr>\n'
            continue
        if rows:
            yield f"<table>{rows}</table>"
            rows = ""
        if one:
            yield f"<p>{escape(one)}</p>"


def _figure(png, alt):
    source = base64.b64encode(png).decode()
    image = f'<img alt="{escape(alt)}" src="data:image/png;base64,{source}">'
    return f'<figure>{image}<figcaption aria-hidden="true">{escape(alt)}</figcaption></figure>'


def _md(text):
    """Text that Markdown leaves as it is."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return NUMBERED.sub(r"\1\\\2", MARKDOWN.sub(r"\\\1", escaped))


def _shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
