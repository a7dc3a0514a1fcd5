"""What a rehearsal found: which of it is a failure, and the report as a page.

A report is a dictionary as it goes into report.json. A chapter of it:

    name, title       "01_convolution", "Convolution"
    open_s, run_s     seconds until its kernel was ready, and for Run All; None where it did not end
    errors            [{"cell", "text"}] of cells that raised or wrote to stderr
    explorers         [{"cell", "name", "place": "lab" | "page", "kind": "live" | "still", "there", "pokes",
                      "cut_off"}], the last two as medtutor.course.poke has them; a "still" one is not poked
    untouched         [{"exercise", "said"}] of each check after Run All
    attempts          [{"exercise", "kind": "wrong" | "right", "wanted", "said"}]
    console           [{"place", "text", "of_lab"}] of pages
    foreign           addresses on other computers that a page asked for
    sizes             {what: bytes}
    pictures          [{"file", "words"}]
    broke             what ended its rehearsal early, "" for nothing
"""

import html
from pathlib import Path

MARKS = {"untouched": "○", "wrong": "✗", "right": "✓"}
PLACES = {"lab": "in JupyterLab", "page": "in the exported page"}
WAYS = {"pointer": "pointer", "keys": "keys"}


def failures(report):
    """All that a release must not have, a sentence each -> [str]"""
    found = [f"set-up: {report['setup']['broke']}"] if report["setup"].get("broke") else []
    tests = report.get("tests")
    if tests and tests["status"]:
        found.append(f"make test: ended with status {tests['status']}")
    return found + [f"{each['name']}: {what}" for each in report["chapters"] for what in of_chapter(each)]


def of_chapter(chapter):
    """What went wrong in one chapter, a sentence each -> [str]"""
    found = [chapter["broke"]] if chapter["broke"] else []
    if chapter["run_s"] is None:
        found.append("Run All did not end")
    found += [f"cell {each['cell']} says {_first_line(each['text'])}" for each in chapter["errors"]]
    found += [words for each in chapter["explorers"] for words in of_explorer(each)]
    for each in chapter["untouched"]:
        if not is_said("untouched", "not tried yet", each):
            found.append(f"{each['exercise']}, untouched, is answered {_first_line(each['said'])}")
    for each in chapter["attempts"]:
        if not is_said(each["kind"], each["wanted"], each):
            found.append(
                f"{each['exercise']}, solved {each['kind']}ly, is answered {_first_line(each['said'])}"
            )
    for kind in ("wrong", "right"):
        if chapter["untouched"] and kind not in [each["kind"] for each in chapter["attempts"]]:
            found.append(f"no exercise was solved {kind}ly")
    found += [f"console {PLACES[each['place']]}: {_first_line(each['text'])}" for each in ours(chapter)]
    return found + [f"a page asked for {address}" for address in chapter["foreign"]]


def of_explorer(explorer):
    """Why an explorer fails, a sentence each -> [str]: it has to be whole, and to answer pointer and keys."""
    where = f"explorer {explorer['name']} of cell {explorer['cell']} {PLACES[explorer['place']]}"
    if not explorer["there"]:
        return [f"{where} is not there"]
    found = [f"{where} cuts off {part}" for part in explorer["cut_off"]]
    if explorer["kind"] == "still":
        return found
    return found + [
        f"{where} does not answer {words}" for way, words in WAYS.items() if not answers(explorer, way)
    ]


def answers(explorer, way):
    """The kinds of control by which an explorer answered in this way, "pointer" or "keys"."""
    return [kind for kind, ways in explorer["pokes"].items() if ways.get(way)]


def silent(explorer):
    """The kinds of control that answered in neither way; there may have been nothing for them to do."""
    return [kind for kind, ways in explorer["pokes"].items() if not any(ways.values())]


def is_said(kind, wanted, answer):
    """Whether an answer has the mark of its kind, the exercise's name and the words that are wanted."""
    said = " ".join(answer["said"].split())
    start = f"{MARKS[kind]} {answer['exercise']}: "
    return said.startswith(start) and said[len(start) :].startswith(" ".join(wanted.split()))


def ours(chapter):
    """Errors in the console that are not JupyterLab's own."""
    return [each for each in chapter["console"] if not each["of_lab"]]


def _first_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return repr(lines[0][:200]) if lines else "nothing"


# ------------------------------------------------------------------------------------------------ report


def summary(report):
    """The report in a few lines of text, for who waits before the screen."""
    lines = [f"{'chapter':<24}{'opens':>8}{'Run All':>9}{'explorers':>11}{'exercises':>11}  failures"]
    for each in report["chapters"]:
        cells = (
            _seconds(each["open_s"]),
            _seconds(each["run_s"]),
            _good_explorers(each),
            _good_exercises(each),
        )
        lines.append(
            "{:<24}{:>8}{:>9}{:>11}{:>11}".format(each["name"], *cells) + f"  {len(of_chapter(each))}"
        )
    found = failures(report)
    return "\n".join([*lines, "", *(f"✗ {each}" for each in found), "" if found else "No failures."])


def page(report):
    """The report as one HTML page; its pictures lie beside it."""
    found = failures(report)
    verdict = _failures(len(found))
    here = Path(__file__).parent
    styles = "".join((here / name).read_text("utf-8") for name in ("pages.css", "rehearsed.css"))
    parts = [
        f"<h1>A newcomer's rehearsal: {verdict}</h1>",
        f"<p>{_text(report['what'])}</p>",
        _list(found, "failure"),
        "<h2>Summary</h2>",
        _table(CHAPTER_HEADS, [_chapter_row(each) for each in report["chapters"]]),
        "<h2>Set-up</h2>",
        _table(("what", "measured"), [(_text(k), _text(v)) for k, v in setup_rows(report)]),
        *(_chapter(each) for each in report["chapters"]),
    ]
    if report.get("tests"):
        parts += ["<h2>make test</h2>", f"<pre class='text'>{_text(report['tests']['tail'])}</pre>"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Rehearsal: {verdict}</title>\n<style>\n{styles}</style></head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body></html>\n"
    )


CHAPTER_HEADS = (
    "chapter",
    "verdict",
    "opens",
    "Run All",
    "explorers that answer",
    "exercises that reply",
    "console errors",
    "other computers asked",
    "notebook",
    "exported page",
)


def setup_rows(report):
    """What was measured before the first chapter, as (what, value) in words."""
    setup = report["setup"]
    rows = [(words, _seconds(setup[key])) for key, words in SETUP_TIMES.items() if key in setup]
    rows += [(words, _size(setup[key])) for key, words in SETUP_SIZES.items() if key in setup]
    tests = report.get("tests")
    if tests:
        rows.append(("make test", f"{_seconds(tests['seconds'])}, status {tests['status']}"))
    return rows


SETUP_TIMES = {
    "clone_s": "git clone",
    "lab_s": "make lab, from typing to JupyterLab answering",
    "again_s": "make lab, the second time",
}
SETUP_SIZES = {
    "clone_bytes": "clone",
    "venv_bytes": ".venv",
    "home_bytes": "in the home folder, caches included, beside what .venv shares",
}


def _chapter_row(each):
    found = of_chapter(each)
    verdict = f"✗ {_failures(len(found))}" if found else "✓ passed"
    lab = len(each["console"]) - len(ours(each))
    console = f"{len(ours(each))}" + (f" (JupyterLab's own: {lab})" if lab else "")
    sizes = [_size(each["sizes"].get(name)) for name in ("notebook", "page")]
    texts = (
        verdict, _seconds(each["open_s"]), _seconds(each["run_s"]), _good_explorers(each),
        _good_exercises(each), console, str(len(each["foreign"])), *sizes,
    )  # fmt: skip
    title = each["title"].partition(":")[0]
    verdict, *rest = map(_text, texts)
    return (
        f'<a href="#{_text(each["name"])}">{_text(title)}</a>',
        f'<span class="verdict">{verdict}</span>',
        *rest,
    )


def _good_explorers(chapter):
    good = [each for each in chapter["explorers"] if not of_explorer(each)]
    return f"{len(good)} of {len(chapter['explorers'])}"


def _good_exercises(chapter):
    kept = [is_said("untouched", "not tried yet", each) for each in chapter["untouched"]]
    kept += [is_said(each["kind"], each["wanted"], each) for each in chapter["attempts"]]
    return f"{sum(kept)} of {len(kept)}"


def _chapter(each):
    parts = [
        f'<h2 id="{_text(each["name"])}">{_text(each["title"])}</h2>',
        _list(of_chapter(each), "failure"),
    ]
    if each["explorers"]:
        heads = ("explorer", "where", "answers the pointer by", "answers keys by", "silent")
        parts += ["<h3>Explorers</h3>", _table(heads, [_explorer_row(one) for one in each["explorers"]])]
    if each["attempts"]:
        heads = ("exercise", "solved", "the reply")
        rows = [
            (_text(one["exercise"]), one["kind"] + "ly", f"<pre>{_text(one['said'])}</pre>")
            for one in each["attempts"]
        ]
        untouched = f"<p>{len(each['untouched'])} exercises were checked untouched by Run All.</p>"
        parts += ["<h3>Exercises</h3>", untouched, _table(heads, rows)]
    if each["console"]:
        rows = [
            (
                PLACES[one["place"]],
                "JupyterLab's own" if one["of_lab"] else "the course's",
                _text(one["text"]),
            )
            for one in each["console"]
        ]
        parts += ["<h3>Console errors</h3>", _table(("where", "whose", "text"), rows)]
    shown = "\n".join(_picture(one) for one in each["pictures"])
    if shown:
        parts.append(f'<h3>Pictures</h3>\n<div class="pictures">\n{shown}\n</div>')
    return "\n".join(filter(None, parts))


def _explorer_row(one):
    where = PLACES[one["place"]]
    if one["kind"] == "still" or not one["there"]:
        state = "a picture, as it needs the kernel" if one["there"] else "✗ not there"
        return (_text(f"{one['name']} ({one['cell']})"), where, state, "", "")
    by = [_text(", ".join(answers(one, way))) or "✗ nothing" for way in WAYS]
    return (_text(f"{one['name']} ({one['cell']})"), where, *by, _text(", ".join(silent(one))))


def _picture(one):
    file, words = _text(one["file"]), _text(one["words"])
    return (
        f'<figure><a href="{file}"><img loading="lazy" alt="{words}" src="{file}"></a>'
        f"<figcaption>{words}</figcaption></figure>"
    )


def _table(heads, rows):
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{each}</td>" for each in rest)}</tr>\n'
        for first, *rest in rows
    )
    return f'<div class="table"><table><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>'


def _list(items, kind):
    if not items:
        return ""
    return f'<ul class="{kind}">' + "".join(f"<li>✗ {_text(each)}</li>" for each in items) + "</ul>"


def _text(text):
    return html.escape(str(text))


def _failures(number):
    return f"{number or 'no'} failure{'' if number == 1 else 's'}"


def _seconds(seconds):
    return "–" if seconds is None else f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _size(size):
    if size is None:
        return "–"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
