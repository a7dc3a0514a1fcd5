"""The notebooks as they are stored: each obeys the rules, and each has its source."""

import pytest

from medtutor.course import lint
from medtutor.course.validate import ROOT, chosen

SOURCES = {path.stem for path in (ROOT / "notebooks" / "source").glob("*.py")}


@pytest.mark.parametrize("notebook", chosen(), ids=lambda path: path.stem)
def test_stored_notebook_obeys_the_rules(notebook):
    assert not (found := lint.problems(notebook)), "\n" + "\n".join(found)


def test_each_notebook_has_a_source_and_each_source_a_notebook():
    assert {path.stem for path in chosen()} == SOURCES


def test_each_recorded_spread_belongs_to_a_notebook():
    assert {path.stem for path in (ROOT / "notebooks" / "spread").glob("*.json")} <= SOURCES
