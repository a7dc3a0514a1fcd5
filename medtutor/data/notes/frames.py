"""The sentences of the notes, with slots for what they speak of: see frames_en.toml for the signs."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from medtutor.data.notes.table import split_names

SECTIONS = ("complaint", "history", "past", "family", "exam", "tests", "list", "assessment", "plan", "filler")
DISEASES = ("D", "C", "F", "R", "Q", "Rs", "Rt", "Rx", "Ra")  # the slots that are a disease themselves
FLAGS = ("known", "new", "adult", "old", "home", "imaging")


@dataclass(frozen=True, eq=False)
class Slot:
    """{role} or {role:status} of a frame; `owner` is the disease that it belongs to."""

    owner: str
    role: str
    status: str = ""


@dataclass(frozen=True)
class Frame:
    """One sentence: parts are words (str), slots, and tuples of alternatives, each a tuple of parts."""

    section: str
    source: str
    held: bool
    flags: frozenset
    parts: tuple
    unasserted: frozenset


@cache
def frames(language):
    """{section: its frames} of a language, in the order of the file."""
    text = (Path(__file__).parent / f"frames_{language}.toml").read_text(encoding="utf-8")
    sections = tomllib.loads(text)
    return {
        name: tuple(_frame(name, line) for line in sections[name].splitlines() if line) for name in SECTIONS
    }


def _frame(section, line):
    text, _, pairs = line.strip().partition("##")
    held = text.startswith("*")
    flags = frozenset()
    text = text.lstrip("* ")
    if text.startswith("["):
        words, _, text = text[1:].partition("]")
        flags = frozenset(words.split())
        if not flags <= set(FLAGS):
            raise ValueError(f"the frame {line!r} has flags {sorted(flags)}; there are {', '.join(FLAGS)}")
    unasserted = frozenset(
        tuple((slot.owner, slot.role) for slot in map(_slot, pair.split())) for pair in split_names(pairs)
    )
    return Frame(section, line.strip(), held, flags, _parts(text.strip()), unasserted)


def _parts(text):
    parts = []
    for piece in re.findall(r"<[^>]*>|[^<]+", text):
        if piece.startswith("<"):
            parts.append(tuple(_slots(choice) for choice in piece[1:-1].split("|")))
        else:
            parts.extend(_slots(piece))
    return tuple(parts)


def _slots(text):
    pieces = re.findall(r"\{[^}]*\}|[^{]+", text)
    return tuple(_slot(piece[1:-1]) if piece.startswith("{") else piece for piece in pieces)


def _slot(text):
    role, _, status = text.partition(":")
    owner, _, name = role.rpartition(".")
    if not owner:
        owner = name if name in DISEASES else "D"
    return Slot(owner, name, status)
