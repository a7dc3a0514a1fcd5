"""The progress line: for those who look on, and gone when it is done."""

import time

import pytest

from medtutor.data import progress as module
from medtutor.data.progress import progress


@pytest.fixture
def looked_at(monkeypatch):
    monkeypatch.setenv("MEDTUTOR_PROGRESS", "1")
    monkeypatch.setattr(module, "WAIT", 0.0)
    monkeypatch.setattr(module.sys.stdout, "isatty", lambda: True, raising=False)


def slow(items):
    for item in items:
        time.sleep(0.12)
        yield item


def test_every_item_comes_through_in_order(looked_at, capsys):
    assert list(progress(range(5), "working")) == [0, 1, 2, 3, 4]
    assert list(progress((c for c in "abc"), "working", 3)) == ["a", "b", "c"]


def test_it_says_what_is_done_and_how_much_is_left_and_wipes_the_line(looked_at, capsys):
    assert list(progress(slow(range(4)), "drawing patients", 4)) == [0, 1, 2, 3]
    shown = capsys.readouterr().out
    assert "drawing patients" in shown and "4 of 4, 0 s left" in shown
    *_, last, nothing = shown.split("\r")
    assert last.strip() == "" and nothing == ""


def test_the_line_is_wiped_when_work_is_interrupted(looked_at, capsys):
    def breaks():
        yield from slow(range(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(progress(breaks(), "drawing", 9))
    assert capsys.readouterr().out.split("\r")[-2].strip() == ""


def test_short_work_shows_nothing(looked_at, monkeypatch, capsys):
    monkeypatch.setattr(module, "WAIT", 60.0)
    list(progress(slow(range(3)), "drawing", 3))
    assert capsys.readouterr().out == ""


def test_stored_outputs_hold_no_progress(looked_at, monkeypatch, capsys):
    from medtutor.course.validate import kernel_environment

    monkeypatch.setenv("MEDTUTOR_PROGRESS", kernel_environment()["MEDTUTOR_PROGRESS"])
    list(progress(slow(range(3)), "drawing", 3))
    assert capsys.readouterr().out == ""
