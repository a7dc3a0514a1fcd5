"""Cells of a stored notebook as HTML that needs nothing else: no script of others, no network, no fonts.

Formulas become MathML, which browsers draw themselves; code is coloured by class names that `STYLES` knows;
outputs are shown as they are stored. Slides and the site are made of these pieces. Cells are those of a
notebook that nbformat has read, so their texts are whole strings.
"""

import html
import re
from functools import cache
from pathlib import Path

STYLES = (Path(__file__).parent / "pages.css").read_text(encoding="utf-8")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
TAG = re.compile(r"<[^>]*>")
TIDIER = (  # what latex2mathml writes, and what browsers set as TeX does
    (r"<mo><mrow>(<mo>[^<]*</mo>)</mrow></mo><mo>", r"\1<mo lspace='0'>"),  # \mathrel{+}=
    (r'<mo stretchy="false">&#x0007C;</mo>', '<mo stretchy="false" lspace="0" rspace="0">|</mo>'),
    (r"(<m[io]>(?:log|exp)</m[io]>)(?=<m[in]>)", r'\1<mspace width="0.17em" />'),
)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def formula(tex, display=False):
    """A formula in TeX as MathML; ValueError where a command is not known.

    display  True for a formula on a line of its own
    """
    from latex2mathml.converter import convert

    try:
        made = convert(tex, display="block" if display else "inline")
    except Exception as error:  # the package has no common class for its errors
        raise ValueError(f"the formula {tex!r} cannot be read: {type(error).__name__} {error}") from None
    if unknown := re.search(r"\\[a-zA-Z]+", made):
        raise ValueError(f"the formula {tex!r} uses {unknown[0]}, which latex2mathml does not know")
    for written, better in TIDIER:
        made = re.sub(written, better, made)
    return made


def markdown(text, link=None):
    """A text cell as HTML: CommonMark with tables, and formulas between $ or $$.

    link  a function from each link's address to the one the page should have, or None for no link;
          default: as it stands. A heading has its text with hyphens for spaces as id, as in JupyterLab.
    """
    return "".join(made for _, made in blocks(text, link))


def blocks(text, link=None):
    """A text cell block by block, as `markdown` has it -> [(kind, HTML)].

    kind  heading, paragraph, formula (or a paragraph with one on its own line), bullet_list, ordered_list,
          table, fence, code_block, blockquote, hr, html_block
    """
    parser = _parser()
    tokens = parser.parse(text)
    _give_headings_ids(tokens)
    if link is not None:
        for token in tokens:
            if token.type == "inline":
                token.children = _relinked(token.children, link)
    found, start = [], 0
    for end, token in enumerate(tokens, 1):
        if token.level == 0 and token.nesting <= 0:
            block, start = tokens[start:end], end
            found.append((_kind(block), parser.renderer.render(block, parser.options, {})))
    return found


def _kind(block):
    inside = {child.type for token in block for child in token.children or ()}
    if block[0].type == "math_block" or "math_inline_double" in inside:
        return "formula"
    return block[0].type.removesuffix("_open")


@cache
def _parser():
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    parser = MarkdownIt("commonmark", {"highlight": _fenced}).enable(["table", "strikethrough"])
    dollarmath_plugin(parser, allow_labels=False, double_inline=True)
    parser.add_render_rule("math_inline", lambda _, tokens, at, *__: formula(tokens[at].content.strip()))
    parser.add_render_rule("math_inline_double", _own_line)
    parser.add_render_rule("math_block", lambda *given: f"<p>{_own_line(*given)}</p>\n")
    return parser


def _own_line(_, tokens, at, *__):
    return f'<span class="formula">{formula(tokens[at].content.strip(), display=True)}</span>'


def _fenced(text, language, _):
    return code(text) if language in ("python", "py") else ""


def _give_headings_ids(tokens):
    for token, inside in zip(tokens, tokens[1:], strict=False):
        if token.type == "heading_open":
            words = "".join(child.content for child in inside.children if child.type != "softbreak")
            token.attrSet("id", words.replace(" ", "-"))


def _relinked(children, link):
    kept, open_links = [], []
    for child in children:
        if child.type == "link_open":
            address = link(child.attrGet("href"))
            open_links.append(address is not None)
            if address is None:
                continue
            child.attrSet("href", address)
        elif child.type == "link_close" and not open_links.pop():
            continue
        kept.append(child)
    return kept


def code(source):
    """Python source, highlighted: spans with the short class names of pygments, no element around them."""
    from pygments import highlight

    lexer, formatter = _highlighter()
    return highlight(source, lexer, formatter).rstrip("\n")


@cache
def _highlighter():
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)


def code_block(source):
    """A code cell's source as a block that can be scrolled by keyboard."""
    return f'<pre class="code" tabindex="0"><code>{code(source)}</code></pre>'


def outputs(cell):
    """All outputs of a code cell, each in a <div class="output">; "" for none, and for an empty text."""
    made = (output(each) for each in cell.get("outputs", ()))
    return "\n".join(f'<div class="output">{each}</div>' for each in made if each)


def output(stored):
    """One stored output as HTML; a picture comes with the alt text that is stored with it.

    Of several forms the richest is shown: HTML, markdown, PNG, then text, of which an empty one gives "".
    ValueError for a form with none.
    """
    kind = stored["output_type"]
    if kind == "stream":
        return f'<pre class="text {stored["name"]}">{_plain(stored["text"])}</pre>'
    if kind == "error":
        return f'<pre class="text error">{_plain(chr(10).join(stored["traceback"]))}</pre>'
    data = stored["data"]
    if "text/html" in data:
        return data["text/html"]
    if "text/markdown" in data:
        return markdown(data["text/markdown"])
    if "image/png" in data:
        alt = stored.get("metadata", {}).get("image/png", {}).get("alt", "")
        source = data["image/png"].replace("\n", "")
        return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{source}">'
    if "text/plain" in data and not data["text/plain"]:
        return ""  # beside a widget
    if "text/plain" in data:
        return f'<pre class="text">{_plain(data["text/plain"])}</pre>'
    raise ValueError(f"an output has only the forms {sorted(data)}; HTML, markdown, PNG or text is wanted")


def _plain(text):
    return html.escape(ANSI.sub("", text).rstrip("\n"), quote=False)


def cell(stored, link=None):
    """A whole cell as in the notebook: text, or code with its outputs."""
    if stored["cell_type"] == "markdown":
        return f'<div class="prose">{markdown(stored["source"], link)}</div>'
    return f"{code_block(stored['source'])}\n{outputs(stored)}".rstrip()


def title(text):
    """The words of the first heading of a text cell, or "" for none."""
    found = HEADING.search(text)
    return html.unescape(TAG.sub("", _parser().renderInline(found[1]))) if found else ""
