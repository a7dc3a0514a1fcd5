"""What became of one exercise of one student."""

from dataclasses import dataclass

GUARDS = (
    "network",
    "processes",
    "files",
)  # what the system guards on Linux, and elsewhere Python's hook alone


@dataclass
class Result:
    """A verdict as the table and the student's page show it.

    state    right, wrong, not tried (the stub is blank), missing (no cell defines it), timeout, error (it
             cannot be run, or ended its process), unreadable (the file is no notebook)
    reply    what the notebook's check would have said
    notes    what else was seen: a changed check, two definitions, a reach for the solutions
    source   the cell that was judged
    """

    exercise: str
    state: str
    reply: str
    notes: list
    source: str = ""
