"""What strict validation calls equal: a number may move by what stands behind its ±, all else may not."""

import re
from dataclasses import dataclass
from decimal import Decimal
from html.parser import HTMLParser

WIDGET = "application/vnd.jupyter.widget-view+json"
LONG = 2000  # characters above which a text is shown in part
SHOWN = 160  # characters of that part

_PNG = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")
_MEASURED = re.compile(r"/\* measured \*/.*?/\* end of measured \*/", re.DOTALL)
_SIZE = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?|nan|inf"
_PLUS_MINUS = re.compile(r"±|\+/-")
_VALUE = re.compile(rf"(?<![\w.])(?P<value>[-+]?(?:{_SIZE}))\s?%?\s?$", re.IGNORECASE)
_TOLERANCE = re.compile(rf"\s?(?P<tolerance>{_SIZE})(?!\w)", re.IGNORECASE)
_REACH = 40  # characters before ± in which its number is looked for; bounded, for pages hold megabytes
_DECIMAL = re.compile(r"(?<![\w.])[-+]?(?:\d+\.\d+(?:e[-+]?\d+)?|nan|inf)(?![\w.])", re.IGNORECASE)
_NOT_FINITE = re.compile(r"(?<![\w.])[-+]?(?:nan|inf|infinity)(?![\w.])", re.IGNORECASE)
_MISSED = re.compile(r"\bat (?:least|most) [^:\n]*: NO\b")
_VERDICT = re.compile(r"\bat (?:least|most) [^:\n]*: (?:yes|NO)\b")
_BLANKS = re.compile(r"[ \t]+")

# What TensorFlow 2.21 and absl say on stderr when they start, whatever the notebook does.
_STARTUP = re.compile(
    r"""WARNING:\ All\ log\ messages\ before\ absl::InitializeLog\(\)\ is\ called\ are\ written\ to\ STDERR
    | (?:\d{4}-\d\d-\d\d\ [\d:.]+:\ |)[IWE](?:\d{4}\ [\d:.]+\ +\d+|)\ \S*
      (?:port|cpu_feature_guard|cudart_stub|cuda_(?:dnn|fft|blas|executor|platform|diagnostics))
      \.cc:\d+\]\ .*
    | (?:To\ enable\ the\ following\ instructions|This\ TensorFlow\ binary\ is\ optimized).*""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Number:
    """A number in an output that may move: where it stands, and by how much.

    start, end   its place in the text
    value, tolerance   as written, exact
    label        the words before it on its line
    """

    start: int
    end: int
    value: Decimal
    tolerance: Decimal
    label: str

    def agrees(self, other):
        """Whether `other` lies within the tolerance; the edge is inside, NaN and infinity never are."""
        if not (self.value.is_finite() and other.value.is_finite() and self.tolerance.is_finite()):
            return False
        return abs(self.value - other.value) <= self.tolerance


def exact(text):
    """The Decimal that `text` spells; thousands may be set apart by commas."""
    return Decimal(text.replace(",", ""))


def measured(text):
    """The numbers that stand before a ± in `text`, in order -> [Number]."""
    found = []
    for sign in _PLUS_MINUS.finditer(text):
        value = _VALUE.search(text, max(0, sign.start() - _REACH), sign.start())
        tolerance = _TOLERANCE.match(text, sign.end())
        if value and tolerance:
            found.append(
                Number(
                    *value.span("value"),
                    exact(value["value"]),
                    exact(tolerance["tolerance"]),
                    _label(text, value.start("value"), found),
                )
            )
    return found


def _label(text, start, before):
    """The words on the line before `start`; a second number on a line is told apart by (2)."""
    line = text.rfind("\n", 0, start) + 1
    siblings = [number for number in before if number.start >= line]
    label = " ".join(visible(text[line : siblings[0].start if siblings else start]).split())
    return f"{label} ({len(siblings) + 1})" if siblings else label


def decimals(text, taken, rtol, atol):
    """The decimals in `text` that have no ±, each free to move by atol + rtol × its size -> [Number].

    taken   the numbers of `text` that have one
    """
    spans = [(number.start, number.end) for number in taken]
    spans += [_TOLERANCE.match(text, sign.end()).span("tolerance") for sign in _signs(text)]
    found = []
    for match in _DECIMAL.finditer(text):
        if not any(start < match.end() and match.start() < end for start, end in spans):
            value = exact(match.group())
            moves = Decimal(str(rtol)) * abs(value) if value.is_finite() else 0
            tolerance = Decimal(str(atol)) + moves
            found.append(Number(*match.span(), value, tolerance, ""))
    return found


def _signs(text):
    return [sign for sign in _PLUS_MINUS.finditer(text) if _TOLERANCE.match(text, sign.end())]


def settle(stored, fresh, rtol=0, atol=0):
    """`fresh` with each number that agrees with its stored counterpart written as stored, and what did not.

    rtol, atol   widen every other decimal of the text, for tables; 0 leaves them strict
    -> (text, [sentence])   the text equals `stored` where all numbers agree and nothing else differs

    Where a number may move, a run of blanks counts as one: the width of a column follows its digits.
    """
    old, new = measured(stored), measured(fresh)
    if rtol or atol:
        old = sorted([*old, *decimals(stored, old, rtol, atol)], key=lambda number: number.start)
        new = sorted([*new, *decimals(fresh, new, rtol, atol)], key=lambda number: number.start)
    if len(old) != len(new):
        return fresh, [f"{len(old)} numbers with a tolerance were stored, {len(new)} came"]
    parts, at, notes = [], 0, []
    for a, b in zip(old, new, strict=True):
        agreed = a.agrees(b)
        if not agreed:
            notes.append(_moved(a, b))
        parts += [fresh[at : b.start], stored[a.start : a.end] if agreed else fresh[b.start : b.end]]
        at = b.end
    settled = "".join(parts) + fresh[at:]
    if old and _tight(settled) == _tight(stored):
        settled = stored
    return settled, notes


def _moved(a, b):
    """The sentence about a number that left its tolerance."""
    where = f"{a.label}: " if a.label else ""
    if not (a.value.is_finite() and b.value.is_finite()):
        return f"{where}stored {a.value}, now {b.value}: not a finite number"
    step = abs(a.value - b.value)
    return f"{where}stored {a.value}, now {b.value}: moved by {step}, more than ± {a.tolerance}"


def _tight(text):
    return [_BLANKS.sub(" ", line).strip() for line in text.split("\n")]


def without_pictures(text):
    """`text` without the bytes of the PNGs inside it, which differ between machines; descriptions stay.

    Nor what an explorer holds of a trained net between `/* measured */` and `/* end of measured */`.
    """
    return _MEASURED.sub("(measured)", _PNG.sub("data:image/png;base64,(picture)", text))


def without_startup_lines(text):
    """`text` from stderr without the lines that TensorFlow writes when it starts; '' if nothing is left."""
    kept = [line for line in text.splitlines(keepends=True) if not _STARTUP.fullmatch(line.strip())]
    return "".join(kept) if "".join(kept).strip() else ""


def broken_results(text):
    """What is wrong with the result lines of `text`: NaN, infinity, a missed bound -> [sentence]."""
    said = []
    for line in text.splitlines():
        if not (_PLUS_MINUS.search(line) or _VERDICT.search(line)):
            continue
        shown = " ".join(line.split())[:SHOWN]
        if _NOT_FINITE.search(line):
            said.append(f"not a finite number: {shown}")
        if _MISSED.search(line):
            said.append(f"the bound is missed: {shown}")
    return said


class _Visible(HTMLParser):
    """Collects the text of a page that a reader sees, and the descriptions of its pictures."""

    def __init__(self):
        super().__init__()
        self.words, self.alts, self.hidden = [], [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("script", "style")
        if tag == "img":
            self.alts.append(dict(attrs).get("alt"))
        self.words.append(" ")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style") and self.hidden > 0
        self.words.append(" ")

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)


def _read(page):
    reader = _Visible()
    reader.feed(page)
    reader.close()
    return reader


def visible(page):
    """The text of an HTML page or of a piece of it, without tags, scripts and styles."""
    return "".join(_read(page).words) if "<" in page or "&" in page else page


def descriptions(page):
    """The alt of each <img> in an HTML page, None where there is none -> [str or None]."""
    return _read(page).alts


def texts(output):
    """The texts of a notebook output by kind, e.g. {"text/html": …, "text/plain": …} -> {kind: str}.

    Lists of lines, as notebooks on disk have them, are joined; pictures and widgets are left out.
    """
    if output["output_type"] == "stream":
        return {output["name"]: joined(output["text"])}
    data = output.get("data", {})
    return {kind: joined(value) for kind, value in data.items() if kind.startswith("text/")}


def seen(output):
    """The texts of `output` as a reader sees them: HTML without its tags -> [str]."""
    return [visible(text) if kind == "text/html" else text for kind, text in texts(output).items()]


def joined(text):
    """A text that a notebook may hold as a list of lines, as one string."""
    return "".join(text) if isinstance(text, list) else text


def results(outputs):
    """The numbers with a tolerance in a cell's outputs by name -> {name: Number}.

    A number without words before it is called "number", a repeated name gets #2, #3 …; where a page stands
    beside plain text, the plain text counts.
    """
    found = {}
    for output in outputs:
        kinds = texts(output)
        kind = next((kind for kind in ("stdout", "text/plain", *kinds) if kind in kinds), None)
        for number in measured(kinds[kind]) if kind else ():
            name, count = number.label or "number", 1
            while (unique := f"{name} #{count}" if count > 1 else name) in found:
                count += 1
            found[unique] = number
    return found


def excerpts(stored, fresh):
    """The part in which two long texts differ, a few words around it kept -> (stored part, fresh part)."""
    if max(len(stored), len(fresh)) <= LONG:
        return stored, fresh
    pairs = enumerate(zip(stored, fresh, strict=False))
    start = next((i for i, (a, b) in pairs if a != b), min(len(stored), len(fresh)))
    start = max(0, start - 60)
    return tuple(f"[from character {start}] {text[start : start + SHOWN]}" for text in (stored, fresh))
