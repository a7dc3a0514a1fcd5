"""The teacher's table and a page for each student. What students wrote is shown, and never obeyed."""

import csv
import html
import io
import re

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
MARKS = {"right": "✓", "wrong": "✗", "not tried": "○", "missing": "○", "timeout": "✗", "error": "✗"}

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color-scheme: light dark; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem .8rem; border-left: 4px solid #888;
  background: #8881; }}
pre.right {{ border-color: #297a3a; }} pre.wrong, pre.error, pre.timeout {{ border-color: #b3261e; }}
h2 {{ font-size: 1.1rem; margin-bottom: 0; }} small {{ font-weight: normal; }}
summary {{ cursor: pointer; }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
{body}
</html>
"""


def safe(cell):
    """A table cell that no spreadsheet takes for a formula."""
    words = str(cell).encode("utf-8", "replace").decode().replace("\0", "")
    return f"'{words}" if words.startswith(FORMULA) or words.lstrip().startswith(FORMULA) else words


def printable(text):
    """A text that a terminal only shows: a file's name may hold commands to it."""
    return "".join(each if each.isprintable() else "?" for each in text)


def table(graded, exercises):
    """The CSV: one row a student, one column an exercise, points, total, and notes for the teacher.

    graded  [(student, chapter, [Result], note on the whole file)]
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["student", "chapter", *exercises, "points", "total", "notes"])
    for student, chapter, results, note in graded:
        states = {result.exercise: result.state for result in results}
        notes = [f"{result.exercise}: {each}" for result in results for each in result.notes]
        row = [student, chapter, *(states.get(name, "unreadable") for name in exercises)]
        row += [points(results), len(exercises), "; ".join([note] * bool(note) + notes)]
        writer.writerow([safe(cell) for cell in row])
    return out.getvalue()


def points(results):
    return sum(result.state == "right" for result in results)


def page(student, chapter, results, note, exercises):
    """A student's page: the reply to each exercise as the notebook's check gives it, and what was judged."""
    title = html.escape(f"{student}: {chapter}")
    summary = f"{points(results)} of {len(exercises)} exercises are right."
    if note:
        summary += f" {html.escape(note)}."
    body = "\n".join(map(_exercise, results))
    words = PAGE.format(title=title, summary=summary, body=body)
    return words.encode("utf-8", "replace").decode()


def _exercise(result):
    notes = "".join(f"<li>{html.escape(each)}</li>" for each in result.notes)
    judged = html.escape(result.source[:20_000])
    judged = f"<details><summary>the cell that was judged</summary><pre>{judged}</pre></details>"
    state = f"{MARKS.get(result.state, '')} {result.state}"
    return (
        f"<h2>{html.escape(result.exercise)} <small>{state}</small></h2>\n"
        f'<pre class="{result.state.replace(" ", "-")}">{html.escape(result.reply)}</pre>\n'
        + (f"<ul>{notes}</ul>\n" if notes else "")
        + (judged if result.source else "")
    )


def file_name(student, taken):
    """A file name for a student's page that no other student of `taken` has, which it joins."""
    plain = (
        re.sub(r"[^\w.-]+", "-", student.encode("utf-8", "replace").decode()).strip(".-")[:80] or "student"
    )
    name, count = plain, 1
    while name.casefold() in taken:
        count += 1
        name = f"{plain}-{count}"
    taken.add(name.casefold())
    return f"{name}.html"
