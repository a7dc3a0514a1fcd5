"""What a stored notebook must be like, checked without running it: `problems(path)` and `medtutor lint`.

Each rule is a function below; its docstring is the rule. A problem says where, what came, and what to do.
"""

import argparse
import ast
import json
import re
import statistics
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path

from medtutor.course import compare
from medtutor.course.spread import file_of
from medtutor.course.validate import chosen

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = {"facts", "nbval", "reason", "tags"}
NBVAL_TAGS = {"nbval-ignore-output", "nbval-skip"}
MAGICS = {"%matplotlib"}

MEDIAN_LINES, MOST_LINES = 8, 25
MOST_UNCHECKED = 2  # cells with an nbval tag
WIDEST = Decimal("0.05")  # of the value
FINE = Decimal("0.001")  # always narrow enough; a probe may have no more
SPREADS = 3  # a tolerance is at least so many times the recorded spread
ALT_WORDS = 4
SMALL = 12  # whole numbers up to here are counts that a reader sees at a glance

ARTISTS = set(
    """annotate axhline axhspan axvline axvspan bar barh boxplot colorbar contour contourf errorbar figure
    fill fill_between hist hist2d imshow legend matshow pcolor pcolormesh pie plot quiver scatter stem step
    subplots suptitle text title violinplot xlabel xlim xticks ylabel ylim yticks set_title set_xlabel
    set_xlim set_xticks set_ylabel set_ylim set_yticks""".split()
)
LAYER_WORDS = re.compile(
    r"conv|corr|pool|layer|dense|attention|lstm|gru|crf|unet|upsampl|batch_?norm", re.IGNORECASE
)
MODELS = {"Sequential", "Model", "Functional"}
EMPTY_LINKS = {
    "here",
    "this",
    "link",
    "this link",
    "click here",
    "more",
    "read more",
    "this page",
    "see here",
}


@dataclass(frozen=True)
class Notebook:
    """A stored notebook as its JSON has it."""

    path: Path
    text: str

    @cached_property
    def json(self):
        return json.loads(self.text)

    @cached_property
    def cells(self):
        return [Cell(index, cell) for index, cell in enumerate(self.json.get("cells", []))]

    @property
    def code(self):
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def prose(self):
        return [cell for cell in self.cells if cell.kind == "markdown"]

    @property
    def stated(self):
        """The finite numbers with a tolerance in checked cells -> [(cell, name, Number)]."""
        return [
            (cell, name, number)
            for cell in self.code
            for name, number in cell.results.items()
            if not cell.unchecked and number.value.is_finite()
        ]

    @cached_property
    def spread(self):
        """The record of how far the results of this notebook move, None where there is none."""
        record = file_of(self.path)
        return json.loads(record.read_text(encoding="utf-8")) if record.exists() else None


@dataclass(frozen=True)
class Cell:
    """One cell, with its parts in a form that the rules can ask about."""

    index: int
    json: dict

    @property
    def kind(self):
        return self.json.get("cell_type")

    @property
    def id(self):
        return self.json.get("id", "")

    @property
    def source(self):
        return compare.joined(self.json.get("source", ""))

    @property
    def outputs(self):
        return self.json.get("outputs", [])

    @property
    def metadata(self):
        return self.json.get("metadata", {})

    @property
    def tags(self):
        return set(self.metadata.get("tags", []))

    @property
    def facts(self):
        facts = self.metadata.get("facts", "")
        return facts.split() if isinstance(facts, str) else [str(fact) for fact in facts]

    @property
    def unchecked(self):
        return bool(self.tags & NBVAL_TAGS)

    @property
    def tolerant(self):
        """Whether every decimal of the cell may move (a table)."""
        rule = self.metadata.get("nbval", {})
        return bool(rule.get("rtol") or rule.get("atol"))

    @cached_property
    def magics(self):
        """The lines that open with % or !, which IPython reads -> [(line number, line)]."""
        lines = enumerate(self.source.splitlines(), 1)
        return [(number, line.strip()) for number, line in lines if line.strip()[:1] in ("%", "!")]

    @cached_property
    def tree(self):
        """The cell's code as ast.Module, its magic lines replaced by `pass`; None where it is not Python."""
        magic = {number for number, _ in self.magics}
        lines = [
            re.sub(r"\S.*", "pass", line) if number in magic else line
            for number, line in enumerate(self.source.splitlines(), 1)
        ]
        try:
            return compile(
                "\n".join(lines), self.id, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True
            )
        except SyntaxError:
            return None

    @cached_property
    def nodes(self):
        return list(ast.walk(self.tree)) if self.tree else []

    @property
    def calls(self):
        return [node for node in self.nodes if isinstance(node, ast.Call)]

    @cached_property
    def said(self):
        """The text of the cell's outputs as a reader sees it."""
        return "\n".join(text for output in self.outputs for text in compare.seen(output))

    @cached_property
    def results(self):
        """The numbers with a tolerance in the cell's outputs, by name -> {name: Number}."""
        return compare.results(self.outputs)


def problems(path):
    """What is wrong with the stored notebook at `path` -> [sentence], empty where nothing is."""
    path = Path(path)
    try:
        notebook = Notebook(path, path.read_text(encoding="utf-8"))
        notebook.json["cells"]
    except (ValueError, KeyError, TypeError) as error:
        return [f"{path.name}: this is not a notebook ({error}); build it again"]
    return [
        f"{path.name}: {f'cell {cell.id or cell.index!r}: ' if cell else ''}{said}"
        for rule in RULES
        for cell, said in rule(notebook)
    ]


RULES = []


def rule(function):
    RULES.append(function)
    return function


# What is stored


@rule
def format_is_the_builders(notebook):
    """Notebook format 4.5, the course's metadata and nothing else, the bytes that the builder writes."""
    version = notebook.json.get("nbformat"), notebook.json.get("nbformat_minor")
    if version != (4, 5):
        yield None, f"notebook format is {version[0]}.{version[1]}; wanted 4.5: build it with medtutor build"
    if notebook.json.get("metadata") != METADATA:
        yield None, f"metadata is {notebook.json.get('metadata')}; wanted {METADATA}: build it again"
    written = json.dumps(notebook.json, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    if notebook.text != written:
        yield (
            None,
            "the file is not in the form that medtutor build writes (indent 1, sorted keys); build it again",
        )


@rule
def ids_are_readable(notebook):
    """Each cell has an id of its own in words joined by hyphens, not random letters."""
    for cell in notebook.cells:
        words = re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", cell.id) and len(cell.id) <= 64
        random = re.fullmatch(r"(?=.*\d)[0-9a-f-]{6,}", cell.id)
        if not words or random:
            yield (
                cell,
                f"id is {cell.id!r}; wanted words such as 'sobel-by-hand': set it in the chapter's source",
            )
    for name, count in Counter(cell.id for cell in notebook.cells).items():
        if count > 1:
            yield None, f"id {name!r} is given to {count} cells; wanted one each: rename them in the source"


@rule
def cell_metadata_is_known(notebook):
    """A cell carries tags, reason, facts and nbval (rtol ≤ 0.05, atol ≤ 0.001) only."""
    for cell in notebook.cells:
        extra = sorted(set(cell.metadata) - CELL_METADATA)
        if extra:
            yield cell, f"metadata has {', '.join(extra)}; wanted only {', '.join(sorted(CELL_METADATA))}"
        wrong = sorted(tag for tag in cell.tags if tag.startswith("nbval") and tag not in NBVAL_TAGS)
        if wrong:
            yield cell, f"tag {wrong[0]!r} is not known; use one of {', '.join(sorted(NBVAL_TAGS))}"
        widening = cell.metadata.get("nbval", {})
        if set(widening) - {"rtol", "atol"}:
            yield cell, f"nbval metadata is {widening}; wanted rtol and atol only"
        for name, most in (("rtol", WIDEST), ("atol", FINE)):
            if Decimal(str(widening.get(name, 0))) > most:
                yield cell, f"{name} is {widening[name]}; wanted at most {most}: state single results with ±"


@rule
def every_cell_was_run(notebook):
    """Code cells were run from top to bottom: execution counts are 1 to n."""
    counts = [cell.json.get("execution_count") for cell in notebook.code]
    wanted = list(range(1, len(counts) + 1))
    for cell, came, count in zip(notebook.code, counts, wanted, strict=True):
        if came != count:
            yield (
                cell,
                f"execution count is {came}; wanted {count}: run the notebook from the top and store it",
            )
            return


@rule
def outputs_are_clean(notebook):
    """No stored error, stderr, widget state or view, SVG, progress bar or object address."""
    if "widgets" in notebook.json.get("metadata", {}):
        yield None, "widget state is stored; wanted none: build with medtutor build"
    for cell in notebook.code:
        for output in cell.outputs:
            kind, data = output.get("output_type"), output.get("data", {})
            if kind == "error":
                yield cell, f"an error is stored, {output.get('ename')}; wanted none: mend the cell"
            if kind == "stream" and output.get("name") == "stderr":
                line = compare.joined(output["text"]).strip()[:80]
                yield cell, f"stderr is stored, {line!r}; wanted none: remove what warns"
            if compare.WIDGET in data:
                yield (
                    cell,
                    "a widget view is stored; wanted only the text beside it: build with medtutor build",
                )
            if "image/svg+xml" in data:
                yield cell, "an SVG output is stored; wanted a medtutor.plot.Picture, SVG differs in each run"
        if bar := re.search(r"\d+(?:ms|s|us)/step|\bit/s\]|━━━", cell.said):
            yield cell, f"a progress bar is stored, {bar[0]!r}; wanted one printed line: use verbose=0"
        if address := re.search(r"<[^<>\n]*\bat 0x[0-9a-fA-F]+[^<>\n]*>|\[?<matplotlib\.[^\n]*", cell.said):
            yield (
                cell,
                f"an object without a value is stored, {address[0][:60]!r}; end the cell in what is meant",
            )


@rule
def results_hold(notebook):
    """No stored NaN or infinity, and no missed bound (NO)."""
    for cell in notebook.code:
        broken = compare.broken_results(cell.said)
        for said in broken:
            yield cell, f"{said}; wanted a result that holds: mend the cell, not the bound"
        if not broken and (match := re.search(r"(?<![\w.])(?:nan|NaN)(?![\w.])", cell.said)):
            yield cell, f"{match[0]} is stored; wanted numbers: find where it comes from"


# Numbers


@rule
def decimals_have_a_tolerance(notebook):
    """A decimal in an output stands before ±, or is exact: a multiple of 1/8, or written so in the code.

    A number that was read from a file, or is exact, is declared in the code cell's `facts`. A tolerance or a
    bound needs no ±, nor do the words about a picture, cells with rtol or atol, and unchecked cells.
    """
    written = set()
    for cell in notebook.code:
        written |= {abs(Decimal(found)) for found in re.findall(r"(?<![\w.])\d*\.\d+(?![\w.])", cell.source)}
        if cell.unchecked or cell.tolerant:
            continue
        free = written | {abs(_decimal(fact)) for fact in cell.facts if _decimal(fact) is not None}
        bare = (value for value in _bare_decimals(cell) if abs(value) not in free and value * 8 % 1)
        if (value := next(bare, None)) is not None:
            yield (
                cell,
                f"{value} is stated without a tolerance; wanted ±: use medtutor.result(…, within=…), "
                "or declare it in the cell's facts if it was read from a file or is exact",
            )


def _bare_decimals(cell):
    """The finite decimals in a cell's outputs that stand not at a ±, in a bound or beside a picture."""
    for output in cell.outputs:
        for text in () if _alts(output) else compare.seen(output):
            text = _without_bounds(text)
            found = compare.decimals(text, compare.measured(text), 0, 0)
            yield from (number.value for number in found if number.value.is_finite())


def _without_bounds(text):
    """`text` with the bounds of its verdicts blanked out, in place."""
    return re.sub(r"\bat (?:least|most) \S+:", lambda match: " " * len(match[0]), text)


@rule
def tolerances_are_tight(notebook):
    """A tolerance is at most 5 % of its value, or at most 0.001; a probe's is at most 0.001."""
    for cell, name, number in notebook.stated:
        probe = name.startswith("probe")
        most = FINE if probe else max(FINE, WIDEST * abs(number.value))
        if number.tolerance > most:
            what = "0.001, for it is a probe" if probe else f"{most.normalize():f}, 5 % of the value"
            yield cell, f"{name!r} is {number.value} ± {number.tolerance}; wanted at most ± {what}"


@rule
def tolerances_are_measured(notebook):
    """Each tolerance is at least three times the spread that was recorded for the number as it is now."""
    run = f"run medtutor portability {notebook.path.stem} --write"
    if notebook.stated and notebook.spread is None:
        yield None, f"{len(notebook.stated)} tolerances have no recorded spread; wanted one each: {run}"
        return
    if notebook.stated and len(held := notebook.spread["settings"]) < 2:
        yield None, f"the spread is recorded under {', '.join(held)} alone, where nothing can move: {run}"
        return
    for cell, name, number in notebook.stated:
        record = notebook.spread["results"].get(f"{cell.id}: {name}")
        if record is None:
            yield cell, f"{name!r} has ± {number.tolerance} and no recorded spread: {run}"
        elif Decimal(record.get("stored", number.value)) != number.value:
            yield cell, f"{name!r} is {number.value}; its spread is of when it was {record['stored']}: {run}"
        elif number.tolerance < SPREADS * Decimal(record["spread"]):
            wanted = SPREADS * Decimal(record["spread"])
            yield (
                cell,
                f"{name!r} has ± {number.tolerance} and a spread of {record['spread']}; "
                f"wanted at least ± {wanted}, or a result that moves less",
            )


@rule
def layers_have_a_probe(notebook):
    """A notebook that builds a Keras layer or defines one by hand states an untrained `probe …` result."""
    layers = [cell for cell in notebook.code if any(_is_layer(node) for node in cell.nodes)]
    probes = [name for cell in notebook.code for name in cell.results if name.startswith("probe")]
    if layers and not probes:
        yield (
            layers[0],
            "a layer is built and no probe is stated in the notebook; wanted medtutor.result('probe …', "
            "value, within=0.001) of fixed weights on a fixed input: training repairs wrong code",
        )


def _is_layer(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return bool(LAYER_WORDS.search(node.name))
    return isinstance(node, ast.Call) and "layers" in _dotted(node.func).split(".")[:-1]


def _dotted(node):
    """The dotted name of an expression, "keras.layers.Conv2D"; calls and subscripts are left out."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@rule
def numbers_in_prose_are_checked(notebook):
    """A number in prose occurs in a checked output of the notebook, or in the cell's `facts`.

    Free are: whole numbers up to 12 without %, years in a citation, numbers of sections, equations and the
    like, terms (2-D, 16-bit), and what stands in code spans, formulas, links, pictures and reference lists.
    A result with ± may be rounded, or written as a percentage; every other number is as printed.
    """
    exact, moving = _printed(notebook)
    for cell in _outside_references(notebook.prose):
        declared = {_plain(fact) for fact in cell.facts}
        for match in _PROSE_NUMBER.finditer(bare_prose(cell.source)):
            word, percent = _plain(match["number"]), bool(match["percent"])
            if word in declared or word + "%" in declared or _is_free(match):
                continue
            if not _occurs(word, percent, exact, moving):
                yield (
                    cell,
                    f"{match[0].strip()!r} occurs in no checked output; wanted a number that the notebook "
                    "prints: correct it, print it, or declare it in the cell's facts (a definition, cited)",
                )


_PROSE_NUMBER = re.compile(
    r"(?<![\w.,])(?P<number>[-−+]?(?:\d{1,3}(?:[,\u202f\u2009]\d{3})+|\d+)(?:\.\d+)?)"
    r"(?P<percent>[\s\u202f]?%)?"
    r"(?![\d⁰¹²³⁴-⁹⁻]|[.,]\d)"
)
_NAMED = re.compile(
    r"(?:chapters?|sections?|equations?|eqs?\.|exercises?|figures?|tables?|steps?|parts?|cells?|questions?"
    r"|PR|issue|version|Python|Keras|TensorFlow)\s+\(?(?:[\d.]+(?:,| and| to|–|-)\s*)*$",
    re.IGNORECASE,
)
_TERM = re.compile(r"-?(?:D|d|bit|lead|norm|way)\b|[A-Za-z]")


def _is_free(match):
    text, word = match.string, _plain(match["number"])
    before, after = text[max(0, match.start() - 40) : match.start()], text[match.end("number") :]
    whole = "." not in word
    if _TERM.match(after) or _NAMED.search(before) or (before.endswith("(") and re.match(r"\.\d|\)", after)):
        return True
    if whole and not match["percent"] and abs(int(word)) <= SMALL:
        return True
    year = whole and 1900 <= int(word) <= 2099
    return year and bool(re.search(r"(?:\(|, |\bin |\bsince |\bof )$", before)) and not match["percent"]


def _plain(word):
    """A number as Python writes it: "−1 000" -> "-1000"."""
    return re.sub(r"[,\u202f\u2009\s]", "", word).replace("−", "-").lstrip("+")


def _decimal(word):
    """The Decimal that `word` spells, None where it spells none."""
    word = _plain(word).rstrip("%")
    return (
        Decimal(word) if re.fullmatch(r"-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?", word, re.IGNORECASE) else None
    )


def _printed(notebook):
    """The numbers in the checked outputs: all of them, and those that carry a tolerance -> (set, set)."""
    exact, moving = set(), set()
    for cell in notebook.code:
        if cell.unchecked:
            continue
        exact |= {
            abs(Decimal(found.replace(",", "")))
            for found in re.findall(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?", cell.said)
        }
        moving |= {abs(number.value) for number in cell.results.values() if number.value.is_finite()}
        exact |= {abs(_decimal(fact)) for fact in cell.facts if _decimal(fact) is not None}
    return exact, moving


def _occurs(word, percent, exact, moving):
    value = abs(Decimal(word))
    if value in exact or (percent and value / 100 in exact):
        return True
    step = Decimal(1).scaleb(value.as_tuple().exponent)
    scaled = moving | {100 * number for number in moving} if percent else moving
    return any(abs(number - value) * 2 <= step for number in scaled)


def bare_prose(source):
    """Markdown without code, formulas, links, pictures, tags and the numbers of lists and headings."""
    for pattern in (
        r"^(```|~~~).*?^\1[^\n]*$",
        r"\$\$.*?\$\$",
        r"\\\[.*?\\\]",
        r"\\\(.*?\\\)",
        r"(?<!\\)\$[^$\n]+(?:\n[^$\n]+)*\$",
        r"(`+)(?!`).*?(?<!`)\1(?!`)",
        r"!?\[[^\]]*\]\([^)]*\)",
        r"<!--.*?-->",
        r"</?[A-Za-z][^>]*>",
        r"\b(?:https?://|doi:|10\.\d{4,}/)\S+",
        r"^\s*(?:#+\s*\d+(?:\.\d+)*|\d+\.)(?=\s)",
    ):
        source = re.sub(pattern, lambda match: " ; ", source, flags=re.MULTILINE | re.DOTALL)
    return source


def _outside_references(cells):
    """The prose cells that are not below a heading for references, up to the next heading."""
    inside = False
    for cell in cells:
        headings = _headings(cell)
        if headings:
            inside = any(
                re.search(r"\b(?:references|further reading|sources|bibliography)\b", words, re.IGNORECASE)
                for _, words in headings
            )
        if not inside:
            yield cell


@rule
def facts_are_stated(notebook):
    """Each number in a cell's `facts` stands in its text, or in its output where it is a code cell."""
    for cell in notebook.cells:
        text = cell.source if cell.kind == "markdown" else cell.said
        for fact in cell.facts:
            if not re.search(rf"(?<![\w.]){re.escape(_plain(fact))}(?!\w|\.\d)", _plain_text(text)):
                yield (
                    cell,
                    f"facts has {fact!r}, which the cell does not state; remove it or write it the same way",
                )


def _plain_text(text):
    """`text` with its numbers as Python writes them."""
    text = re.sub(r"(?<=\d)[,\u202f\u2009](?=\d{3})", "", text).replace("−", "-")
    return re.sub(r"(?<=\d)\s%", "%", text)


# Pictures and text


@rule
def figures_are_described(notebook):
    """Each picture has a description (alt) of four words or more, and no two of a notebook are the same."""
    seen = set()
    for cell in notebook.code:
        for output in cell.outputs:
            for alt in _alts(output):
                if alt is None or len(alt.split()) < ALT_WORDS:
                    came = "no description" if not alt else f"the description {alt!r}"
                    yield (
                        cell,
                        f"a picture has {came}; wanted {ALT_WORDS} words or more: give medtutor.plot alt=…",
                    )
                elif alt in seen:
                    yield (
                        cell,
                        f"the description {alt[:60]!r} is used twice; say what is different in this picture",
                    )
                seen.add(alt)


def _alts(output):
    data, metadata = output.get("data", {}), output.get("metadata", {})
    pictures = [kind for kind in data if kind.startswith("image/")]
    pages = compare.descriptions(compare.joined(data.get("text/html", "")))
    return [metadata.get(kind, {}).get("alt") for kind in pictures] + pages


@rule
def markdown_pictures_are_described(notebook):
    """A picture in markdown has a description of four words or more."""
    for cell in notebook.prose:
        text = re.sub(r"`[^`\n]*`", "", cell.source)
        alts = [*re.findall(r"!\[([^\]]*)\]", text), *compare.descriptions(text)]
        for alt in alts:
            if alt is None or len(alt.split()) < ALT_WORDS:
                yield (
                    cell,
                    f"a picture is described by {alt!r}; wanted {ALT_WORDS} words or more on what it shows",
                )


@rule
def links_say_where_they_lead(notebook):
    """The words of a link say where it leads, not "here"."""
    for cell in notebook.prose:
        for words in re.findall(r"(?<!!)\[([^\]]*)\]\(", cell.source):
            if words.strip(" .*_").lower() in EMPTY_LINKS:
                yield cell, f"a link reads {words!r}; wanted words that say where it leads, read alone"


@rule
def headings_are_in_order(notebook):
    """One heading of the first level, which comes first; no level is skipped on the way down."""
    headings = [(cell, level, words) for cell in notebook.prose for level, words in _headings(cell)]
    first = [cell for cell, level, _ in headings if level == 1]
    if len(first) != 1 or headings[0][1] != 1:
        yield (
            None,
            f"{len(first)} headings of the first level; wanted one, the first of all: the chapter's title",
        )
    for (_, above, _), (cell, level, words) in zip(headings, headings[1:], strict=False):
        if level > above + 1:
            yield (
                cell,
                f"heading {words!r} is of level {level} below level {above}; wanted {above + 1} at most",
            )


def _headings(cell):
    """The headings in a prose cell, code blocks left out -> [(level, words)]."""
    text = re.sub(r"^(```|~~~).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
    return [
        (len(marks), words.strip()) for marks, words in re.findall(r"^(#{1,6})\s+(.+)$", text, re.MULTILINE)
    ]


# Code


@rule
def cells_are_short(notebook):
    """Code cells have a median of at most 8 lines, and none more than 25."""
    lengths = {cell.index: len(cell.source.strip().splitlines()) for cell in notebook.code}
    for cell in notebook.code:
        if lengths[cell.index] > MOST_LINES:
            yield (
                cell,
                f"{lengths[cell.index]} lines; wanted at most {MOST_LINES}: split it, or use medtutor",
            )
    if lengths and statistics.median(lengths.values()) > MEDIAN_LINES:
        median = statistics.median(lengths.values())
        yield None, f"the median code cell has {median:g} lines; wanted at most {MEDIAN_LINES}: split cells"


@rule
def code_is_plain_python(notebook):
    """Code parses as Python; of magics only %matplotlib; nbval is steered by tags, not by comments."""
    for cell in notebook.code:
        for number, line in cell.magics:
            if line.split()[0] not in MAGICS:
                yield (
                    cell,
                    f"line {number} is {line[:60]!r}; wanted Python (of magics {', '.join(sorted(MAGICS))})",
                )
        if cell.tree is None:
            yield cell, "the code is not Python; mend it (IPython's ? and = %magic are not for chapters)"
        if marker := re.search(r"#\s*(?:NBVAL_\w+|PYTEST_VALIDATE_\w+)", cell.source):
            yield cell, f"the comment {marker[0]!r} steers nbval; use a tag and a reason instead"
        if any(_dotted(call.func).endswith("get_ipython") for call in cell.calls):
            yield cell, "get_ipython() is called; wanted Python that runs anywhere"


@rule
def code_needs_no_network(notebook):
    """No URLs in code, and nothing is installed."""
    for cell in notebook.code:
        if url := re.search(r"\b(?:https?|ftp)://[^\s\"')]*", cell.source):
            yield (
                cell,
                f"{url[0]!r} is in the code; wanted data that comes with the course, links in the text",
            )
        constants = {node.value for node in cell.nodes if isinstance(node, ast.Constant)}
        spoken = re.search(
            r"\b(?:pip3?|conda|mamba|uv|apt|apt-get|npm)\s+(?:-\S+\s+)*(?:install|add)\b", cell.source
        )
        if spoken or {"pip", "install"} <= constants:
            yield cell, "something is installed; wanted packages from the lock file only: add it there"


@rule
def code_shows_nothing_that_moves(notebook):
    """No verbose=1/2, tqdm, clear_output, display_id, @interact, SVG; no bare artist ends a cell."""
    for cell in notebook.code:
        for what, instead in _moving_things(cell):
            yield cell, f"{what} is used; wanted output that is the same in each run: {instead}"


def _moving_things(cell):
    names = {node.id for node in cell.nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in cell.nodes if isinstance(node, ast.Attribute)}
    imports = [node for node in cell.nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    names |= {part for node in imports for alias in node.names for part in alias.name.split(".")}
    names |= {
        part
        for node in imports
        if isinstance(node, ast.ImportFrom)
        for part in (node.module or "").split(".")
    }
    for name, instead in (
        ("tqdm", "print one line at the end"),
        ("trange", "print one line at the end"),
        ("clear_output", "print one line at the end"),
        ("update_display", "show the last state"),
        ("interact", "use a panel of medtutor.explore"),
        ("interact_manual", "use a panel of medtutor.explore"),
        ("SVG", "use medtutor.plot"),
    ):
        if name in names:
            yield name, instead
    for call in cell.calls:
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if "display_id" in given:
            yield "display_id", "show the last state"
        if "verbose" in given and not _is(given["verbose"], 0, False):
            yield f"verbose={ast.unparse(given['verbose'])}", "verbose=0, and print one line of your own"
        if _trains_aloud(call, given):
            yield f"{_dotted(call.func) or call.func.attr}(…) without verbose=0", "say verbose=0"
        if any(_is(value, "svg") for value in [*call.args, *given.values()]):
            yield "SVG", "use medtutor.plot"
    last = cell.tree.body[-1] if cell.tree and cell.tree.body else None
    if isinstance(last, ast.Expr) and not cell.source.rstrip().endswith(";") and _is_artist(last.value):
        yield f"{ast.unparse(last)[:40]!r} as the last line", "end in a medtutor.plot.Picture"


def _is(node, *values):
    return isinstance(node, ast.Constant) and any(
        node.value is value or node.value == value for value in values
    )


def _trains_aloud(call, given):
    """Whether a Keras fit, evaluate or predict would draw its progress bar."""
    words = {"epochs", "batch_size", "validation_data", "validation_split", "callbacks", "steps"}
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return method in ("fit", "evaluate", "predict") and bool(words & set(given)) and "verbose" not in given


def _is_artist(value):
    if isinstance(value, ast.Await | ast.Subscript):
        value = value.value
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return False
    owner = value.func.value
    while isinstance(owner, ast.Subscript):
        owner = owner.value
    owner = _dotted(owner).split(".")[-1]
    return value.func.attr in ARTISTS and bool(re.match(r"(?:plt|ax|axes|axs|fig|figure|pyplot)\d*$", owner))


@rule
def keras_is_reproducible(notebook):
    """jit_compile=False in each compile, a seed before each model, BatchNormalization with its momentum.

    A function that returns the model it builds needs none: the seed belongs to those who call it.
    """
    seeded = False
    for cell in notebook.code:
        returned = {id(node.value) for node in cell.nodes if isinstance(node, ast.Return)}
        calls = sorted(cell.calls, key=lambda call: (call.lineno, call.col_offset))
        for call in calls:
            name = _dotted(call.func)
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            last = name.split(".")[-1]
            if (
                last == "compile"
                and name not in ("compile", "re.compile")
                and not _is(given.get("jit_compile"), False)
            ):
                yield (
                    cell,
                    f"{name}(…) has no jit_compile=False; wanted it, else a GPU computes on another path",
                )
            if last.endswith("BatchNormalization") and "momentum" not in given:
                yield (
                    cell,
                    f"{last} has no momentum; wanted one, 0.99 is too slow for short training",
                )
            if last == "set_random_seed":
                seeded = True
            if _builds_a_model(name) and id(call) not in returned:
                if not seeded:
                    yield (
                        cell,
                        f"{name}(…) is built without a seed; wanted keras.utils.set_random_seed(…) before",
                    )
                seeded = False


def _builds_a_model(name):
    parts = name.split(".")
    return parts[-1] in MODELS and (len(parts) == 1 or "keras" in parts or "models" in parts)


@rule
def unchecked_cells_have_a_reason(notebook):
    """nbval-ignore-output and nbval-skip carry a reason, and a notebook has two of them at most."""
    unchecked = [cell for cell in notebook.code if cell.unchecked]
    for cell in unchecked:
        if not str(cell.metadata.get("reason", "")).strip():
            tag = sorted(cell.tags & NBVAL_TAGS)[0]
            yield cell, f'tag {tag} has no reason; wanted reason="…" beside it, why no two runs agree'
    if len(unchecked) > MOST_UNCHECKED:
        names = ", ".join(cell.id for cell in unchecked)
        yield None, f"{len(unchecked)} cells are not checked ({names}); wanted at most {MOST_UNCHECKED}"


@rule
def exercises_are_checked(notebook):
    """Each exercise cell is followed by a cell that checks what it defines; no raises-exception."""
    for cell in notebook.code:
        if "raises-exception" in cell.tags:
            yield cell, "tag raises-exception; wanted code that catches what it shows: try … except …"
        if "exercise" not in cell.tags:
            continue
        after = notebook.cells[cell.index + 1 : cell.index + 2]
        checked = {
            ast.unparse(arg) for following in after for call in _checks(following) for arg in call.args
        }
        defined = {node.name for node in cell.nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        if not checked:
            yield cell, "the exercise is not followed by a cell with check(…); wanted one right below it"
        elif defined and not defined & checked:
            yield (
                cell,
                f"the next cell checks {', '.join(sorted(checked))}; wanted {', '.join(sorted(defined))}",
            )


def _checks(cell):
    return (
        [call for call in cell.calls if _dotted(call.func).split(".")[-1] == "check"]
        if cell.kind == "code"
        else []
    )


@rule
def lessons_fit_into_their_minutes(notebook):
    """Its lesson plans (plans.toml) name sections, cells and exercises that exist, and keep to their time."""
    if not (notebook.path.parent / "plans.toml").exists():
        return
    import nbformat

    from medtutor import guide
    from medtutor.course import plans

    took = guide.measured(notebook.path.parent).get(notebook.path.stem, {})
    place = plans.Room(nbformat.reads(notebook.text, as_version=4), took)
    for plan in plans.read(notebook.path.parent, notebook.path.stem):
        for said in plans.problems(plan, place):
            yield None, f"plans.toml, {plan.minutes} min: {said}"


def main(argv=None):
    """`medtutor lint [PATH…]`: print the problems of each notebook; returns 0 if there are none, else 1."""
    parser = argparse.ArgumentParser(
        prog="medtutor lint",
        description="Check stored notebooks against the rules of the course, without running them.",
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="numbers, names or paths (default: all)")
    parser.add_argument("--rules", action="store_true", help="print the rules and stop")
    options = parser.parse_args(argv)
    if options.rules:
        for each in RULES:
            print(f"{each.__name__.replace('_', ' ')}\n    {each.__doc__.strip()}")
        return 0
    try:
        notebooks = chosen(options.paths)
    except ValueError as error:
        print(error)
        return 2
    found = [said for path in notebooks for said in problems(path)]
    for said in found:
        print(said)
    return 1 if found else 0
