"""What makes a rehearsal fail, and what its report says; judged from plain data, without a browser."""

import copy
import re

import pytest

from medtutor.course import rehearsed

GOOD = {
    "name": "01_convolution",
    "title": "1 · Convolution",
    "open_s": 6.2,
    "run_s": 41.0,
    "errors": [],
    "explorers": [
        {
            "cell": "explore",
            "name": "convolution",
            "place": place,
            "kind": "live",
            "there": True,
            "pokes": {"slider": {"pointer": True, "keys": True}, "button": {"pointer": False, "keys": False}},
            "cut_off": [],
        }
        for place in ("lab", "page")
    ]
    + [
        {
            "cell": "own",
            "name": "function",
            "place": "page",
            "kind": "still",
            "there": True,
            "pokes": {},
            "cut_off": [],
        }
    ],
    "untouched": [{"exercise": name, "said": f"○ {name}: not tried yet\n"} for name in ("pad", "window")],
    "attempts": [
        {
            "exercise": "pad",
            "kind": "wrong",
            "wanted": "A border is missing.",
            "said": "✗ pad: A border\n  is missing.\n    pad(1)",
        },
        {"exercise": "pad", "kind": "right", "wanted": "right. So it is.", "said": "✓ pad: right. So it is."},
    ],
    "console": [{"place": "lab", "text": "404", "of_lab": True}],
    "foreign": [],
    "sizes": {"notebook": 2_340_000, "page": 3e6},
    "pictures": [{"file": "pictures/top.jpg", "words": "as it opens"}],
    "broke": "",
}


def report(**changes):
    """A report of one good chapter, with these changes of the chapter."""
    chapter = copy.deepcopy(GOOD) | changes
    return {"what": "Commit abc", "setup": {"lab_s": 73.0}, "tests": None, "chapters": [chapter]}


def explorers(**changes):
    return [GOOD["explorers"][0] | changes]


def attempts(kind, said):
    return [each | ({"said": said} if each["kind"] == kind else {}) for each in GOOD["attempts"]]


def test_a_good_chapter_has_no_failure_and_errors_of_jupyterlab_itself_are_none():
    assert rehearsed.failures(report()) == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"broke": "TimeoutError: no kernel"}, "TimeoutError: no kernel"),
        ({"run_s": None}, "Run All did not end"),
        ({"errors": [{"cell": "sobel", "text": "ValueError: no"}]}, "cell sobel says 'ValueError: no'"),
        ({"explorers": explorers(there=False)}, "explorer convolution of cell explore in JupyterLab is not"),
        ({"explorers": explorers(pokes={})}, "does not answer pointer"),
        ({"explorers": explorers(cut_off=["<td>0.885"])}, "in JupyterLab cuts off <td>0.885"),
        ({"explorers": explorers(pokes={"slider": {"pointer": True, "keys": False}})}, "not answer keys"),
        ({"explorers": explorers(pokes={"slider": {"pointer": False, "keys": True}})}, "not answer pointer"),
        ({"explorers": explorers(kind="still", there=False, place="page")}, "exported page is not there"),
        ({"untouched": [{"exercise": "pad", "said": ""}]}, "pad, untouched, is answered nothing"),
        ({"untouched": [{"exercise": "pad", "said": "✓ pad: right."}]}, "pad, untouched, is answered"),
        ({"untouched": [{"exercise": "pad", "said": "○ window: not tried yet"}]}, "pad, untouched"),
        ({"attempts": attempts("wrong", "✗ pad: The number is not right.")}, "pad, solved wrongly, is answ"),
        ({"attempts": attempts("wrong", "✓ pad: right. So it is.")}, "pad, solved wrongly, is answered"),
        ({"attempts": attempts("right", "✗ pad: A border is missing.")}, "pad, solved rightly, is answ"),
        ({"attempts": []}, "no exercise was solved wrongly"),
        ({"attempts": GOOD["attempts"][:1]}, "no exercise was solved rightly"),
        (
            {"console": [{"place": "page", "text": "x is null", "of_lab": False}]},
            "exported page: 'x is null'",
        ),
        ({"foreign": ["https://example.org/a.js"]}, "a page asked for https://example.org/a.js"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_whatever_a_release_must_not_have_is_a_failure(changes, words):
    found = rehearsed.failures(report(**changes))
    assert any(words in each for each in found) and all(each.startswith("01_conv") for each in found)
    assert "no failures" not in rehearsed.page(report(**changes))
    assert "No failures" not in rehearsed.summary(report(**changes))


def test_a_chapter_without_exercises_needs_none_solved():
    assert rehearsed.failures(report(untouched=[], attempts=[])) == []


def test_a_set_up_that_broke_and_tests_that_failed_are_failures():
    broken = report() | {"setup": {"broke": "no network"}, "tests": {"seconds": 9, "status": 2, "tail": "E"}}
    assert rehearsed.failures(broken) == ["set-up: no network", "make test: ended with status 2"]
    passed = report() | {"tests": {"seconds": 9, "status": 0, "tail": ""}}
    assert rehearsed.failures(passed) == []


def test_a_control_that_had_nothing_to_do_is_told_and_is_no_failure():
    (explorer,) = explorers()
    assert rehearsed.silent(explorer) == ["button"] and rehearsed.of_explorer(explorer) == []
    assert rehearsed.answers(explorer, "pointer") == ["slider"]


def test_a_reply_may_be_wrapped_and_must_begin_with_the_words():
    said = {"exercise": "pad", "said": "✗ pad: Too\n  many rows. Count them.\n    pad(3)\n"}
    assert rehearsed.is_said("wrong", "Too many rows.", said)
    assert not rehearsed.is_said("wrong", "Count them.", said)


def test_the_page_begins_with_the_verdict_and_has_a_row_for_each_chapter():
    good, bad = report(), report(foreign=["https://example.org/a.js"])
    assert "<h1>A newcomer's rehearsal: no failures</h1>" in rehearsed.page(good)
    text = rehearsed.page({**good, "chapters": good["chapters"] + bad["chapters"]})
    assert "<h1>A newcomer's rehearsal: 1 failure</h1>" in text
    rows = re.findall(r'<tr><th scope="row"><a href="#(.*?)">.*?<span class="verdict">(.*?)<', text)
    assert rows == [("01_convolution", "✓ passed"), ("01_convolution", "✗ 1 failure")]
    for shown in ("73 s", "6.2 s", "41 s", "3 of 3", "4 of 4", "2.3 MB", "0 (JupyterLab&#x27;s own: 1)"):
        assert shown in text, shown
    assert text.index("<h2>Summary</h2>") < text.index("<h3>Explorers</h3>")


def test_what_a_chapter_or_a_page_says_is_plain_text_in_the_report():
    nasty = "</pre><script>alert(1)</script>"
    text = rehearsed.page(
        report(
            title=nasty,
            broke=nasty,
            console=[{"place": "lab", "text": nasty, "of_lab": False}],
            attempts=[{"exercise": nasty, "kind": "wrong", "wanted": "", "said": nasty}],
            pictures=[{"file": "a.jpg", "words": nasty}],
        )
    )
    assert "<script" not in text


def test_every_picture_of_the_report_has_words():
    text = rehearsed.page(report())
    assert '<img loading="lazy" alt="as it opens" src="pictures/top.jpg">' in text
    assert text.count("<img") == 1


def test_the_summary_has_a_line_for_each_chapter():
    lines = rehearsed.summary(report(run_s=None)).splitlines()
    assert lines[1].split() == ["01_convolution", "6.2", "s", "–", "3", "of", "3", "4", "of", "4", "1"]
    assert lines[-1] == "✗ 01_convolution: Run All did not end"
