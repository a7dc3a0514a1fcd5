"""What became of one exercise of one student."""

from dataclasses import dataclass


@dataclass
class Result:
    """A verdict as the table and the student's page show it.

    state    right, wrong, not tried (the stub is blank), missing (no cell defines it), timeout, error (it
             cannot be run, or ended its process), unreadable (the file is no notebook)
    reply    what the notebook's check would have said
    notes    for the one who teaches
    source   the cell that was judged
    """

    exercise: str
    state: str
    reply: str
    notes: list
    source: str = ""
