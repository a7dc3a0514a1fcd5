"""Clinical notes that never were: written from a table of plausible medicine, in English and Chinese."""

from medtutor.data.notes.loaders import load_notes, load_relations
from medtutor.data.notes.writer import Entity, Note, Relation, Sentence, spans, write_notes, write_text

__all__ = [
    "Entity",
    "Note",
    "Relation",
    "Sentence",
    "load_notes",
    "load_relations",
    "spans",
    "write_notes",
    "write_text",
]
