"""Slides of a chapter, made of its stored notebook by tags in its source; nothing is run, nothing fetched.

    medtutor present 3   ->   build/present/03_segmentation.html

A cell without one of these tags is not on the slides:

    slide          begins a slide with this cell
    slide-on       goes on with it
    fragment       goes on with it at the next key
    slide-whole    with one of the above: all paragraphs of a text cell, not the first alone
    slide-output   with one of the above: of a code cell only what it shows, not the code
    slide-code     with one of the above: the code of a cell that shows a picture, too
    slide-reveal   with one of the above: what a code cell shows, at the next key
    notes          text for the one who speaks, about the slide above; minutes=3 says how long it takes
    skip           leave the cell out, whatever else it is tagged

Of a text cell a slide shows the heading, the first paragraph, and all formulas, tables, lists and code up to
the next heading; the other paragraphs go to the speaker's notes. Of a cell that shows a picture or an
explorer it shows only that.
"""

import difflib
import html
import json
import os
import shutil
import sys
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path

from medtutor.course import build
from medtutor.course.build import NOTES, ROOT, BuildError, shown

HERE = Path(__file__).parent
FOLDER = Path("build") / "present"
MINUTES = 2  # for a slide whose notes name none
BEGINS, GOES_ON = "slide", ("slide-on", "fragment")
DETAILS = ("slide-whole", "slide-output", "slide-code", "slide-reveal")
TAGS = (BEGINS, *GOES_ON, *DETAILS)
LAB_FONTS = {"code-font-size": "20px", "content-font-size1": "22px", "ui-font-size1": "16px"}

KEYS = (
    ("→ ↓ Space Page Down", "next"),
    ("← ↑ Shift+Space Page Up", "back"),
    ("Home, End", "first slide, last slide"),
    ("O", "overview: go to a slide"),
    ("N", "notes and timer below the slide"),
    ("S", "notes and timer in a window of their own"),
    ("F", "full screen"),
    ("D", "dark or light"),
    ("B", "black screen, and back"),
    ("P", "print, or save as PDF"),
    ("Z", "an explorer in large letters, to be scrolled, and back"),
    ("Tab", "into an explorer; Escape leaves it"),
    ("?", "this help"),
)


@dataclass
class Slide:
    """One slide.

    name   id of the cell that begins it; the address of the slide in its page
    title  HTML
    parts  [(step, HTML)]: step 0 is there at once, step k after k keys
    notes  HTML for the one who speaks
    rest   HTML of the paragraphs of its cells that the slide leaves out
    """

    name: str
    title: str
    parts: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    rest: list = field(default_factory=list)
    minutes: float = 0.0

    @property
    def steps(self):
        return max((step for step, _ in self.parts), default=0)


def slides(cells):
    """The slides that tagged cells make, in order.

    cells  those of a chapter, with outputs and with its notes
    Raises BuildError for a tag that does not exist and for a cell that goes on where nothing has begun.
    """
    found, heading = [], ""
    for cell in cells:
        tags = _checked_tags(cell)
        made = _blocks(cell) if cell.cell_type == "markdown" else []
        if NOTES in tags:
            if found:
                found[-1].notes += [part for _, part in made]
                found[-1].minutes += cell.metadata.get("minutes", 0)
            continue
        headings = _leading(made)
        if headings:
            heading = " · ".join(_inside(block) for block in headings)
        if BEGINS in tags:
            found.append(Slide(cell.id, heading))
        if tags:
            if not found:
                raise BuildError(
                    f"cell {cell.id!r} goes on with a slide, and none has begun; tag it {BEGINS!r}"
                )
            _add(cell, tags, made[len(headings) :], found[-1])
        for kind, block in made[len(headings) :]:
            if kind == "heading":
                heading = _inside(block)
    return found


def _leading(made):
    """The headings with which a text cell begins."""
    kinds = [kind for kind, _ in made] + [""]
    return [block for _, block in made[: next(n for n, kind in enumerate(kinds) if kind != "heading")]]


def _checked_tags(cell):
    """The tags of a cell that are about slides; none if it is skipped."""
    tags = set(cell.metadata.get("tags", ()))
    for tag in sorted(tags):
        if tag.startswith("slide") and tag not in TAGS:
            near = difflib.get_close_matches(tag, TAGS, 1) or TAGS
            raise BuildError(f"cell {cell.id!r} has the tag {tag!r}; did you mean {near[0]!r}?")
    about = tags & {*TAGS, NOTES}
    if "skip" in tags:
        return set()
    if about & set(DETAILS) and not about & {BEGINS, *GOES_ON}:
        raise BuildError(f"cell {cell.id!r} is tagged {min(about)!r} and is on no slide; tag it 'slide-on'")
    return about


def _blocks(cell):
    from medtutor.course import pages

    try:
        return pages.blocks(cell.source, link=lambda address: address if "://" in address else None)
    except ValueError as error:
        raise BuildError(f"cell {cell.id!r}: {error}") from None


def _inside(heading):
    """The inside of an <h2>…</h2>."""
    return heading[heading.index(">") + 1 : heading.rindex("<")]


def _add(cell, tags, made, slide):
    step = slide.steps + ("fragment" in tags)
    if cell.cell_type == "markdown":
        kept, rest = _shown_blocks(made, "slide-whole" in tags)
        if kept:
            slide.parts.append((step, f'<div class="prose">{"".join(kept)}</div>'))
        slide.rest += rest
        return
    from medtutor.course import pages

    outputs = [(_what(each), pages.output(each)) for each in cell.outputs]
    drawn = any(what != "words" for what, _ in outputs)
    if "slide-output" not in tags and (not drawn or "slide-code" in tags):
        slide.parts.append((step, f'<pre class="code"><code>{pages.code(cell.source)}</code></pre>'))
    step += "slide-reveal" in tags
    slide.parts += [(step, f'<div class="output {what}">{made}</div>') for what, made in outputs if made]


def _shown_blocks(made, whole):
    """(what a slide shows of the blocks below a heading, the paragraphs that it leaves out)."""
    kept, rest, paragraphs = [], [], 0
    for kind, block in made:
        if kind == "heading":
            break
        paragraphs += kind == "paragraph"
        (kept if whole or kind != "paragraph" or paragraphs == 1 else rest).append(block)
    return kept, rest


def _what(output):
    page = output.get("data", {}).get("text/html", "")
    if 'class="mdx-still"' in page:
        return "explorer"
    return "picture" if "<img" in page or "image/png" in output.get("data", {}) else "words"


# The page


def deck(chapter):
    """The slides of a chapter as one page -> (HTML, [Slide]).

    Raises BuildError where the notebook is older than its source, or no cell is tagged.
    """
    made = slides(cells(chapter))
    if not made:
        raise BuildError(
            f'{shown(chapter.source)} has no slides; tag the cells that begin one: # %% id="…" tags=["slide"]'
        )
    return page(made, chapter.name), made


def cells(chapter):
    """The cells of a chapter's source, its notes with them, with the outputs that are stored."""
    import nbformat

    if not chapter.notebook.exists():
        raise BuildError(f"{shown(chapter.notebook)} does not exist; run: medtutor build {chapter.name}")
    stored = {cell.id: cell for cell in nbformat.read(chapter.notebook, as_version=4).cells}
    found = build.read_source(chapter.source, notes=True).notebook.cells
    for cell in found:
        if cell.cell_type == "code" and _checked_tags(cell):
            old = stored.get(cell.id)
            if old is None or old.source != cell.source:
                raise BuildError(
                    f"{shown(chapter.notebook)}: cell {cell.id!r} is not that of the source, so its output "
                    f"may be another's; run: medtutor build {chapter.name}"
                )
            cell.outputs = old.outputs
    return found


def page(made, name):
    """Slides as one HTML page that needs nothing else."""
    from medtutor.course import pages

    title = html.escape(html.unescape(pages.TAG.sub("", made[0].title)) or name)
    keys = "".join(f"<tr><th scope='row'>{keys}</th><td>{does}</td></tr>" for keys, does in KEYS)
    begins, sections = 0.0, []
    for number, slide in enumerate(made, 1):
        sections.append(_section(slide, number, len(made), begins))
        begins += slide.minutes or MINUTES
    return _read("present.html").format(
        title=title,
        styles=pages.STYLES + _read("present.css"),
        script=_read("present.js"),
        keys=keys,
        slides="\n".join(sections),
        count=len(made),
        minutes=round(begins),
    )


def _section(slide, number, count, begins):
    level = 1 if number == 1 else 2
    parts = "\n".join(
        part if not step else f'<div class="part" data-step="{step}">{part}</div>'
        for step, part in slide.parts
    )
    rest = (
        f"<details><summary>More in the chapter</summary>{''.join(slide.rest)}</details>"
        if slide.rest
        else ""
    )
    return (
        f'<section class="slide" data-name="{slide.name}" data-steps="{slide.steps}" '
        f'data-begins="{begins:g}" aria-roledescription="slide" aria-label="{number} of {count}">\n'
        f"<h{level}>{slide.title}</h{level}>\n"
        f'<div class="body">\n{parts}\n</div>\n'
        f'<aside class="notes" hidden>{"".join(slide.notes)}{rest}</aside>\n</section>'
    )


def _read(name):
    return (HERE / name).read_text(encoding="utf-8")


# Commands


def run_present(name, root=ROOT, path=None, browser=True, out=None):
    """`medtutor present`: write the slides of a chapter and open them; returns 0.

    path  of the page; default build/present/NN_slug.html
    """
    out = out or sys.stderr
    chapter = build.chapters([name], root)[0]
    text, made = deck(chapter)
    path = Path(root) / FOLDER / f"{chapter.name}.html" if path is None else Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{shown(path)}  {len(made)} slides; ? in the page lists the keys", file=out)
    if browser and not webbrowser.open(path.resolve().as_uri()):
        print("No browser was found; open the file in one.", file=out)
    return 0


def run_live(name, root=ROOT, browser=True, further=(), out=None):
    """`medtutor present --live`: a copy of a chapter in JupyterLab, one document, in large letters.

    further  options for JupyterLab
    Becomes JupyterLab; the copy and its settings are below build/present, those of the user stay as they are.
    """
    from medtutor.course.prepare import become

    out = out or sys.stderr
    chapter = build.chapters([name], root)[0]
    folder = Path(root).resolve() / FOLDER / "live"
    folder.mkdir(parents=True, exist_ok=True)
    copy = fresh_copy(chapter, folder)
    os.environ["JUPYTERLAB_SETTINGS_DIR"] = str(lab_settings(folder / "settings"))
    os.environ["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    print(f"{shown(copy)} is a copy: the chapter stays as it is. Ctrl-C ends JupyterLab.", file=out)
    options = [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/doc/tree/{copy.name}"]
    options += ["--LabApp.extension_manager=readonly", *["--no-browser"] * (not browser)]
    return become([sys.executable, "-m", "jupyterlab", *options, *further], root)


def fresh_copy(chapter, folder):
    """The chapter's notebook in a folder, trusted; what stood there under its name is kept beside it."""
    import nbformat
    from nbformat.sign import NotebookNotary

    copy = folder / chapter.notebook.name
    if copy.exists() and copy.read_bytes() != chapter.notebook.read_bytes():
        number = 1
        while (kept := folder / f"{copy.stem}-{number}.ipynb").exists():
            number += 1
        copy.rename(kept)
    shutil.copyfile(chapter.notebook, copy)
    NotebookNotary().sign(nbformat.read(copy, as_version=4))
    return copy


def lab_settings(folder):
    """JupyterLab's settings for the room in a folder: those of the user, in large letters, without news."""
    from jupyterlab.commands import get_user_settings_dir

    from medtutor.course.prepare import LAB_SETTINGS

    shutil.rmtree(folder, ignore_errors=True)
    users = Path(get_user_settings_dir())
    if users.is_dir() and users.resolve() != folder.resolve():
        shutil.copytree(users, folder)
    for plugin, values in {**LAB_SETTINGS, "@jupyterlab/apputils-extension:themes": {}}.items():
        path = folder / f"{plugin.replace(':', '/')}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = _settings_in(path) | values
        if plugin.endswith(":themes"):
            settings["overrides"] = settings.get("overrides", {}) | LAB_FONTS
        path.write_text(json.dumps(settings), encoding="utf-8")
    return folder


def _settings_in(path):
    """A settings file of JupyterLab, JSON with comments; an unreadable one counts as empty."""
    import json5

    try:
        return json5.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
