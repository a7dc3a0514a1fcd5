"""Cells as HTML: formulas as MathML, code in colours, outputs as stored, nothing fetched."""

import html
import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from medtutor.course import build, pages


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_a_formula_between_dollars_becomes_mathml():
    made = pages.markdown("The sum $a_1 + b$ of two.")
    assert "<msub><mi>a</mi><mn>1</mn></msub>" in made and 'display="inline"' in made
    assert "$" not in made


def test_a_formula_on_its_own_lines_is_displayed_wherever_it_stands():
    for text in ("$$x = 1$$", "so\n\n$$x =\n1$$\n\nthus", "so\n$$x = 1$$"):
        assert pages.markdown(text).count('display="block"') == 1, text


def test_dollars_in_code_are_no_formula():
    assert "<math" not in pages.markdown("write `$x$` and\n\n    $y$\n")


def test_stars_and_underscores_in_a_formula_are_not_emphasis():
    assert "<em>" not in pages.markdown("$a_i * b_j * c_k$ and $x_{a}*y_{b}$")


def test_an_unknown_command_is_refused_by_name():
    with pytest.raises(ValueError, match=r"\\unheardof"):
        pages.formula(r"\unheardof{x}")


def test_a_formula_that_is_not_closed_is_refused():
    with pytest.raises(ValueError, match="cannot be read"):
        pages.formula(r"\left( x")


def test_every_formula_of_the_chapters_is_known():
    texts = [
        cell.source
        for chapter in build.chapters()
        for cell in build.read_source(chapter.source, notes=True).notebook.cells
        if cell.cell_type == "markdown"
    ]
    made = "".join(pages.markdown(text) for text in texts)
    without_code = re.sub(r"<(code|pre).*?</\1>", "", made, flags=re.S)
    assert made.count("<math") > 90
    assert "$" not in without_code and r"\frac" not in without_code


def test_headings_have_the_ids_that_jupyterlab_gives_them():
    assert pages.markdown("## 1.2 A `patch` of *nine*").startswith('<h2 id="1.2-A-patch-of-nine">')


def test_links_are_changed_or_dropped_as_asked():
    text = "[one](a.ipynb) and [two](b.ipynb#c)"
    made = pages.markdown(text, link=lambda address: None if "#" in address else "x.html")
    assert made == '<p><a href="x.html">one</a> and two</p>\n'


def test_a_title_is_the_first_heading_in_plain_words():
    assert pages.title("text\n\n## 2.1 *Or* <1?\n\n# later") == "2.1 Or <1?"
    assert pages.title("no heading") == ""


def test_code_is_coloured_and_nothing_of_it_is_lost_or_obeyed():
    made = pages.code('\n  if a < 1:\n    print("</script><b>")')
    assert '<span class="k">if</span>' in made and "<b>" not in made
    assert html.unescape(re.sub("<[^>]*>", "", made)) == '\n  if a < 1:\n    print("</script><b>")'


def test_printed_text_is_escaped_and_without_terminal_colours():
    made = pages.output(new_output("stream", text="\x1b[31m<b>1</b>\x1b[0m\n"))
    assert made == '<pre class="text stdout">&lt;b&gt;1&lt;/b&gt;</pre>'


def test_a_picture_keeps_its_alt_text():
    stored = new_output(
        "display_data",
        {"image/png": "QUJD\n", "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": 'a "b"'}},
    )
    assert pages.output(stored) == '<img alt="a &quot;b&quot;" src="data:image/png;base64,QUJD">'


@pytest.mark.parametrize(
    "data, shown",
    [
        ({"text/html": "<i>1</i>", "text/plain": "1"}, "<i>1</i>"),
        ({"text/markdown": "*1*", "text/plain": "1"}, "<p><em>1</em></p>\n"),
        ({"text/plain": "a < b"}, '<pre class="text">a &lt; b</pre>'),
    ],
)
def test_the_richest_form_of_a_result_is_shown(data, shown):
    assert pages.output(new_output("execute_result", data)) == shown


def test_a_form_that_no_page_can_show_is_refused():
    with pytest.raises(ValueError, match="application/x"):
        pages.output(new_output("display_data", {"application/x": "1"}))


def test_a_code_cell_is_its_code_and_then_its_outputs():
    stored = new_code_cell("a", outputs=[new_output("stream", text="1"), new_output("stream", text="2")])
    made = pages.cell(stored)
    assert re.findall(r'class="(code|output)"', made) == ["code", "output", "output"]
    assert pages.cell(new_code_cell("a")).endswith("</pre>")


def test_a_text_cell_is_prose():
    assert pages.cell(new_markdown_cell("*a*")) == '<div class="prose"><p><em>a</em></p>\n</div>'


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_code_stand_out_from_their_ground(scheme):
    pairs = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", pages.STYLES)
    colours = {name: shades[scheme] for name, *shades in pairs}
    grounds = [colours.pop("ground"), colours.pop("panel")]
    del colours["line"]
    assert len(colours) == 9
    for name, colour in colours.items():
        assert min(contrast(colour, ground) for ground in grounds) >= 4.5, name


def test_an_empty_text_beside_a_widget_shows_nothing():
    empty = new_output("display_data", {"text/plain": ""})
    said = new_output("stream", text="2\n")
    cell = new_code_cell("panel", outputs=[empty, said, empty])
    assert pages.outputs(cell) == '<div class="output"><pre class="text stdout">2</pre></div>'
