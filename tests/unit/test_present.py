"""Slides from tagged cells: what is on them, in which order and at which key, and nothing from elsewhere."""

import io
import json
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from medtutor.course import build, instructor, present
from medtutor.course.build import BuildError

PICTURE = '<figure><img alt="A grey square." src="data:image/png;base64,QUJD"></figure>'
EXPLORER = (
    '<figure id="medtutor-1" class="mdx-still"><img alt="Still." src="data:,"></figure><script></script>'
)


def text(name, words, *tags, **more):
    cell = new_markdown_cell(words, metadata={"tags": list(tags), **more})
    cell.id = name
    return cell


def code(name, source, *tags, shows=()):
    outputs = [
        new_output("display_data", {"text/html": each, "text/plain": "<figure>"})
        if each.startswith("<")
        else new_output("stream", text=each)
        for each in shows
    ]
    cell = new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs)
    cell.id = name
    return cell


def words(parts):
    """What stands on a slide, without tags: [(step, text)]."""
    return [(step, re.sub("<[^>]*>", "", part).strip()) for step, part in parts]


def test_a_cell_without_a_tag_is_on_no_slide():
    made = present.slides([text("a", "# A\n\none", "slide"), code("b", "1"), text("c", "two", "slide-on")])
    assert words(made[0].parts) == [(0, "one"), (0, "two")]


def test_slides_follow_the_chapter_and_are_named_by_the_cell_that_begins_them():
    made = present.slides([text("a", "# A", "slide"), text("b", "## B", "slide"), code("c", "1", "slide")])
    assert [(slide.name, slide.title) for slide in made] == [("a", "A"), ("b", "B"), ("c", "B")]


def test_a_slide_that_begins_without_a_heading_has_that_of_its_section():
    cells = [
        text("a", "# A", "slide"),
        text("b", "## B *1*"),
        text("c", "words\n\n### C", "slide"),
        code("d", "1", "slide"),
    ]
    assert [slide.title for slide in present.slides(cells)] == ["A", "B <em>1</em>", "C"]


def test_headings_that_follow_each_other_are_one_title():
    (slide,) = present.slides([text("a", "## A\n\n### B\n\nwords", "slide")])
    assert slide.title == "A · B" and words(slide.parts) == [(0, "words")]


def test_each_fragment_waits_for_one_key_more():
    cells = [
        text("a", "one", "slide"),
        text("b", "two", "fragment"),
        text("c", "three", "slide-on"),
        text("d", "four", "fragment"),
    ]
    (slide,) = present.slides(cells)
    assert words(slide.parts) == [(0, "one"), (1, "two"), (1, "three"), (2, "four")]
    assert slide.steps == 2


def test_what_a_cell_shows_can_wait_for_the_guess():
    cells = [
        code("a", "1 + 1", "slide", "slide-reveal", shows=["2"]),
        code("b", "3", "fragment", "slide-reveal", shows=["3"]),
    ]
    (slide,) = present.slides(cells)
    assert words(slide.parts) == [(0, "1 + 1"), (1, "2"), (2, "3"), (3, "3")]


def test_a_picture_is_shown_without_its_code_unless_asked():
    picture = [code("a", "draw()", "slide", shows=["said", PICTURE])]
    assert words(present.slides(picture)[0].parts) == [(0, "said"), (0, "")]
    asked = [code("a", "draw()", "slide", "slide-code", shows=[PICTURE])]
    assert words(present.slides(asked)[0].parts) == [(0, "draw()"), (0, "")]


def test_numbers_are_shown_without_their_code_if_asked():
    cells = [code("a", "result(1)", "slide", "slide-output", shows=["one"])]
    assert words(present.slides(cells)[0].parts) == [(0, "one")]


LONG = """\
## 1.1 Heading

First.

Second.

$$x = 1$$

| a | b |
|---|---|
| c | d |

- item

Third.

### Next

After.
"""


def test_of_a_text_stand_the_first_paragraph_formulas_tables_and_lists_up_to_the_next_heading():
    (slide,) = present.slides([text("a", LONG, "slide")])
    shown = slide.parts[0][1]
    for there in ("First.", "<math", "<td>d</td>", "<li>item</li>"):
        assert there in shown
    for away in ("Second.", "Third.", "After.", "Heading", "Next"):
        assert away not in shown


def test_the_paragraphs_that_are_left_out_are_for_the_one_who_speaks():
    (slide,) = present.slides([text("a", LONG, "slide")])
    assert slide.rest == ["<p>Second.</p>\n", "<p>Third.</p>\n"]


def test_a_whole_text_has_all_its_paragraphs():
    (slide,) = present.slides([text("a", LONG, "slide", "slide-whole")])
    assert "Third." in slide.parts[0][1] and "After." not in slide.parts[0][1] and not slide.rest


def test_notes_belong_to_the_slide_above_and_are_on_none():
    cells = [
        text("n0", "before all", "notes"),
        text("a", "one", "slide"),
        text("n1", "Ask them.", "notes", minutes=3),
        text("b", "two"),
        text("n2", "Wait.", "notes", minutes=1.5),
        text("c", "three", "slide"),
    ]
    first, second = present.slides(cells)
    assert first.notes == ["<p>Ask them.</p>\n", "<p>Wait.</p>\n"] and first.minutes == 4.5
    assert second.notes == [] and words(first.parts) == [(0, "one")]


def test_a_skipped_cell_is_left_out_whatever_else_it_is():
    cells = [
        text("a", "one", "slide"),
        text("b", "two", "slide", "skip"),
        text("n", "not said", "notes", "skip"),
        text("c", "three", "slide-on"),
    ]
    (slide,) = present.slides(cells)
    assert words(slide.parts) == [(0, "one"), (0, "three")] and slide.notes == []


@pytest.mark.parametrize(
    "cells, says",
    [
        ([text("a", "one", "slide-onn")], "cell 'a' has the tag 'slide-onn'; did you mean 'slide-on'?"),
        ([text("a", "one", "fragment")], "cell 'a' goes on with a slide, and none has begun"),
        ([text("a", "one", "slide-whole")], "cell 'a' is tagged 'slide-whole' and is on no slide"),
        ([text("a", r"$\unheard{x}$", "slide")], r"cell 'a': the formula '\\\\unheard\{x\}'"),
    ],
)
def test_a_tag_or_formula_that_means_nothing_is_named(cells, says):
    with pytest.raises(BuildError, match=says.replace("?", r"\?") if "?" in says else says):
        present.slides(cells)


def test_links_within_the_course_are_plain_words_on_a_slide():
    (slide,) = present.slides(
        [text("a", "[chapter 1](01_convolution.ipynb) and [doi](https://doi.org/1)", "slide")]
    )
    assert words(slide.parts) == [(0, "chapter 1 and doi")]
    assert re.findall('href="([^"]*)"', slide.parts[0][1]) == ["https://doi.org/1"]


def test_minutes_add_up_to_when_a_slide_should_begin():
    cells = [
        text("a", "# One", "slide"),
        text("n", "words", "notes", minutes=5),
        text("b", "two", "slide"),
        text("c", "three", "slide"),
    ]
    page = present.page(present.slides(cells), "x")
    assert re.findall('data-begins="([^"]*)"', page) == ["0", "5", "7"]
    assert "planned for 9 minutes" in page


def test_the_page_asks_for_nothing_from_elsewhere():
    made = present.slides(
        [text("a", "# A & <b>\n\n$x$", "slide"), code("b", "'</script>'", "slide-on", shows=[EXPLORER])]
    )
    page = present.page(made, "x")
    assert "default-src 'none'" in page
    loaded = re.findall(r"""(?:\bsrc=|url\(|@import|<link)\s*["']?([^"')>\s]*)""", page)
    assert loaded == ["data:,"]
    assert "<title>A &amp; </title>" in page


def test_what_a_chapter_prints_cannot_end_or_start_anything_in_the_page():
    made = present.slides(
        [code("a", "print(x)", "slide", shows=["x </pre></section><script>alert(1)</script>{count}"])]
    )
    page = present.page(made, "x")
    shown = page.split("<script>")[0]
    assert "alert(1)&lt;/script&gt;{count}" in shown
    assert shown.count("<section") == shown.count("</section>") == 1


SOURCE = """\
# %% [markdown] id="opening" tags=["slide"]
# # One
#
# Words.

# %% [markdown] id="opening-notes" tags=["notes"] minutes=4
# Ask.

# %% id="sum" tags=["slide-on"]
1 + 1

# %% id="other"
2
"""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "01_tiny.py").write_text(SOURCE, encoding="utf-8")
    chapter = build.chapters(["1"], tmp_path)[0]
    notebook = build.read_source(chapter.source).notebook
    notebook.cells[1].outputs = [new_output("execute_result", {"text/plain": "2"}, execution_count=1)]
    nbformat.write(notebook, chapter.notebook)
    return tmp_path


def test_present_writes_a_page_from_stored_outputs_and_runs_nothing(root):
    said = io.StringIO()
    assert present.run_present("tiny", root, browser=False, out=said) == 0
    page = (root / "build" / "present" / "01_tiny.html").read_text(encoding="utf-8")
    assert "1 slides" in said.getvalue()
    assert '<pre class="text">2</pre>' in page and "<p>Ask.</p>" in page


def test_present_writes_where_it_is_told_and_opens_that_page(root, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(present.webbrowser, "open", lambda address: opened.append(address) or True)
    present.run_present("1", root, tmp_path / "deep" / "talk.html", out=io.StringIO())
    assert opened == [(tmp_path / "deep" / "talk.html").as_uri()]
    assert (tmp_path / "deep" / "talk.html").exists()


def test_an_output_of_other_code_is_not_shown(root):
    source = root / "notebooks" / "source" / "01_tiny.py"
    source.write_text(SOURCE.replace("1 + 1", "1 + 2"), encoding="utf-8")
    with pytest.raises(BuildError, match="cell 'sum' is not that of the source.*medtutor build 01_tiny"):
        present.run_present("1", root, browser=False)


def test_a_change_beside_the_slides_does_not_matter(root):
    source = root / "notebooks" / "source" / "01_tiny.py"
    source.write_text(SOURCE.replace("\n2\n", "\n3\n"), encoding="utf-8")
    assert present.run_present("1", root, browser=False, out=io.StringIO()) == 0


def test_a_chapter_without_tags_or_notebook_is_refused_with_what_to_do(root):
    (root / "notebooks" / "source" / "02_bare.py").write_text('# %% id="a"\n1\n', encoding="utf-8")
    with pytest.raises(BuildError, match="02_bare.ipynb does not exist; run: medtutor build 02_bare"):
        present.run_present("2", root, browser=False)
    chapter = build.chapters(["2"], root)[0]
    nbformat.write(build.read_source(chapter.source).notebook, chapter.notebook)
    with pytest.raises(BuildError, match="02_bare.py has no slides; tag the cells"):
        present.run_present("2", root, browser=False)


@pytest.mark.parametrize("chapter", instructor.ready(), ids=lambda chapter: chapter.name)
def test_a_chapter_that_is_ready_has_fifteen_to_twenty_five_slides_with_notes(chapter):
    made = present.slides(present.cells(chapter))
    assert 15 <= len(made) <= 25
    assert sum(bool(slide.notes) for slide in made) >= len(made) - 3


# Live


def test_a_copy_for_the_room_never_replaces_what_was_typed(root, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    chapter, folder = build.chapters(["1"], root)[0], tmp_path / "live"
    folder.mkdir()
    copy = present.fresh_copy(chapter, folder)
    assert copy.read_bytes() == chapter.notebook.read_bytes()
    present.fresh_copy(chapter, folder)
    assert [path.name for path in folder.iterdir()] == ["01_tiny.ipynb"]
    for typed in ("first", "second"):
        copy.write_text(typed, encoding="utf-8")
        present.fresh_copy(chapter, folder)
    assert copy.read_bytes() == chapter.notebook.read_bytes()
    assert (folder / "01_tiny-1.ipynb").read_text(encoding="utf-8") == "first"
    assert (folder / "01_tiny-2.ipynb").read_text(encoding="utf-8") == "second"


def test_settings_for_the_room_are_the_users_in_larger_letters(tmp_path, monkeypatch):
    users = tmp_path / "users"
    theme = users / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    theme.parent.mkdir(parents=True)
    mine = '{\n// dark, please\n"theme": "JupyterLab Dark", "overrides": {"code-font-size": "11px"}}'
    theme.write_text(mine, encoding="utf-8")
    (users / "other.jupyterlab-settings").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(users))
    made = present.lab_settings(tmp_path / "room")
    written = json.loads((made / theme.relative_to(users)).read_text(encoding="utf-8"))
    assert written["theme"] == "JupyterLab Dark"
    assert written["overrides"]["code-font-size"] == "20px"
    assert (made / "other.jupyterlab-settings").exists()
    assert theme.read_text(encoding="utf-8") == mine


def test_settings_that_cannot_be_read_are_no_reason_to_fail(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTERLAB_SETTINGS_DIR", str(tmp_path / "none"))
    made = present.lab_settings(tmp_path / "room")
    path = made / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    assert int(json.loads(path.read_text(encoding="utf-8"))["overrides"]["content-font-size1"][:-2]) >= 18
