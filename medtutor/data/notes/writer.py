"""Writes notes: picks sentences, fills their slots for one patient, and keeps where everything stands."""

import re
from dataclasses import dataclass
from functools import cache

from medtutor.data.dataset import check_split
from medtutor.data.notes.frames import SECTIONS, frames
from medtutor.data.notes.patient import Dice, Missing, Patient, world
from medtutor.data.notes.table import LANGUAGES

COUNTS = {  # sentences a note has of each part: so many, and one more with this probability
    "complaint": (1, 0.0),
    "history": (1, 0.6),
    "past": (1, 0.0),
    "family": (0, 0.5),
    "exam": (0, 0.6),
    "tests": (1, 0.7),
    "list": (0, 0.5),
    "assessment": (1, 0.5),
    "plan": (1, 0.7),
    "filler": (0, 0.3),
}
SHARE_HELD_FRAMES = 0.3  # of the sentences of the test split
SHARE_HELD_FORMS = {"en": 0.55, "zh": 0.8}  # of the names in the test split that have a held-out form
TYPOS = 0.06  # of the entities
HOMOPHONES = dict(
    zip("炎癌症肿腺栓坦汀胺钙痛胀喘糖酸胃膜", "言岩征种线拴但停氨盖通涨揣塘算谓模", strict=True)
)
RELATION_OF = {  # (role of the one, role of the other): relation, for the patient's own diseases
    ("x", "disease"): "treats",
    ("disease", "s"): "has_symptom",
    ("t", "disease"): "reveals",
    ("i", "disease"): "reveals",
    ("disease", "a"): "located_in",
}
EFFECT_OF = {("x1", "e1"), ("o1", "oe1"), ("al1", "ale1")}


@dataclass(frozen=True)
class Entity:
    """text[start:end] of a note names something.

    type    "disease", "symptom", "drug", "test" or "anatomy"
    name    its English name in the table, whatever the note calls it
    status  "present", or why not: "absent", "ruled out", "family", "stopped", "not given", "allergy",
            "unrelated" (it was there before the drug), "possible" (an effect to watch for);
            of tests and sites also "normal" (without a finding), "pending", "routine"
    """

    start: int
    end: int
    type: str
    name: str
    status: str


@dataclass(frozen=True)
class Relation:
    """entities[head] `name` entities[tail]: treats, has_symptom, reveals, located_in or causes."""

    head: int
    name: str
    tail: int


@dataclass(frozen=True)
class Sentence:
    """text[start:end] of a note was written by one frame, which belongs to a section, e.g. "history"."""

    start: int
    end: int
    section: str
    frame: str


@dataclass(frozen=True)
class Note:
    """The invented note of one invented patient.

    text       what a model may see
    entities   in order of appearance, without overlap
    relations  those that the text asserts of this patient as holding now; both ends are in one sentence.
               Not those of relatives, nor what is denied, ruled out, stopped, or only feared.
    sentences  in order; disease, sex ("f" or "m") and age are those of the patient
    """

    text: str
    entities: tuple
    relations: tuple
    sentences: tuple
    patient: str
    disease: str
    sex: str
    age: int
    language: str
    split: str

    def words(self, entity):
        """What the note calls an entity."""
        return self.text[entity.start : entity.end]


def check_language(language):
    """Raise ValueError unless it is "en" or "zh"."""
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; use 'en' or 'zh'")


def write_notes(n, language="en", seed=0, split="train"):
    """n notes, as a tuple of Note; the same call writes the same notes, on any machine and Python.

    language  "en" or "zh"
    seed      a whole number; note i depends on seed, language, split and i alone
    split     "test" opens the names and sentences that the other splits never use
    """
    check_split(split)
    check_language(language)
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n is {n!r}; it must be a whole number of notes, 1 or more")
    return tuple(_note(language, seed, split, split == "test", split == "test", i) for i in range(n))


def write_text(n, language="en", seed=1, held_out=False):
    """Unlabelled text to train vectors of words on: the tokens of n notes, as a tuple of tuples of str.

    It is written as the training notes are. With held_out=True it also uses the names, never the sentences,
    that are held out for the test split: so would a large collection of real notes, which knows most names.
    """
    check_language(language)
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"n is {n!r}; it must be a whole number of notes, 1 or more")
    notes = (_note(language, f"text {seed}", "train", held_out, False, i) for i in range(n))
    return tuple(tuple(note.text[a:b] for a, b in spans(note.text, language)) for note in notes)


def spans(text, language):
    """(start, end) of each token: words, numbers, signs in English; in Chinese characters, but blanks."""
    return [match.span() for match in re.finditer(_TOKEN[language], text)]


_TOKEN = {"en": r"\w+(?:[-'./]\w+)*|[^\w\s]", "zh": r"\S"}


def _note(language, seed, split, new_names, new_frames, i):
    dice = Dice(f"medtutor note {seed} {language} {split} {i}")
    patient = Patient(world(new_names), dice)
    writer = _Writer(language, dice, patient, new_names)
    for section in SECTIONS:
        count, more = COUNTS[section]
        for _ in range(count + dice.chance(more)):
            writer.add(section, new_frames)
        writer.paragraph()
    return writer.note(
        f"{language}-{split}-{i:05d}" if seed == 0 else f"{language}-{split}-{seed}-{i:05d}", split
    )


class _Writer:
    def __init__(self, language, dice, patient, new_names):
        self.language, self.dice, self.patient, self.new_names = language, dice, patient, new_names
        self.words, self.length = [], 0
        self.entities, self.relations, self.sentences = [], [], []
        self.used = set()
        self.literals = _literals(patient, dice, language)

    def add(self, section, new_frames):
        """One more sentence of a section, from a frame that suits the patient; none where none does."""
        held = new_frames and self.dice.chance(SHARE_HELD_FRAMES)
        choice = _frames(self.language, section, held)
        for _ in range(12):
            frame = self.dice.pick(choice)
            if frame.source in self.used or not self._suits(frame):
                continue
            try:
                pieces = [*self._pieces(frame.parts)]
            except Missing:
                continue
            self.used.add(frame.source)
            self._write(frame, pieces)
            return

    def _suits(self, frame):
        patient, flags = self.patient, frame.flags
        if not flags:
            return True
        if ("known" in flags and not patient.known) or ("new" in flags and patient.known):
            return False
        lists = patient.world.rules.lists
        if "home" in flags and (
            patient.main.name in lists["admitted"] or patient.name("D", "x1") in lists["ward"]
        ):
            return False
        if "imaging" in flags and patient.name("D", "t1") not in lists["imaging"]:
            return False
        return patient.age >= (62 if "old" in flags else 18 if "adult" in flags else 0)

    def _pieces(self, parts):
        """Words and (slot, (type, name, side, status)), with the alternatives decided."""
        for part in parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, tuple):
                yield from self._pieces(self.dice.pick(part))
            elif (word := self._literal(part)) is not None:
                yield word
            else:
                yield part, self.patient.entity(part)

    def _literal(self, slot):
        word = self.literals.get(slot.role)
        if word is None and slot.role in ("kin", "Fage"):
            raise Missing(slot.role)
        return word(self.dice) if callable(word) else word

    def _write(self, frame, pieces):
        first, start = len(self.entities), self.length
        slots, found = [], []
        for piece in pieces:
            if isinstance(piece, str):
                self._put(piece if self.length > start else self._capital(piece))
                continue
            slot, entity = piece
            kind, name, side, status = entity
            word = self._word(kind, name, side)
            word = word if self.length > start else self._capital(word)
            self.entities.append(Entity(self.length, self.length + len(word), kind, name, status))
            self._put(word)
            slots.append(slot)
            found.append(entity)
        self.patient.claim(found)
        self.sentences.append(Sentence(start, self.length, frame.section, frame.source))
        self._relate(slots, first, frame.unasserted)
        if self.language == "en":
            self._put(" ")

    def _put(self, words):
        self.words.append(words)
        self.length += len(words)

    def _capital(self, words):
        """The words with a capital letter first, unless they are a name like eGFR."""
        if self.language == "en" and words.partition(" ")[0].islower():
            return words[0].upper() + words[1:]
        return words

    def _relate(self, slots, first, unasserted):
        for i, one in enumerate(slots):
            for j, two in enumerate(slots):
                name = _relation(one, two)
                if name and not _among(unasserted, one, two):
                    self.relations.append(Relation(first + i, name, first + j))

    def _word(self, kind, name, side):
        concept, dice = self.patient.world.concepts[kind, name], self.dice
        forms, held = concept.forms[self.language], concept.held[self.language]
        if self.new_names and held and (not forms or dice.chance(SHARE_HELD_FORMS[self.language])):
            forms = held
        word = dice.pick(forms) if len(forms) > 1 and dice.chance(0.5) else forms[0]
        if dice.chance(TYPOS):
            word = _typo(word, self.language, dice)
        elif self.language == "en" and dice.chance(0.03):
            word = word.upper()
        if side and self.language == "zh":
            return {"left": "左", "right": "右"}[side] + ("侧" if dice.chance(0.4) else "") + word
        return f"{side} {word}" if side else word

    def paragraph(self):
        """A new line, if anything has been written on this one."""
        if self.words and self.words[-1] == " ":
            self.words.pop()
            self.length -= 1
        if self.words and self.words[-1] != "\n":
            self._put("\n")

    def note(self, patient, split):
        person = self.patient
        return Note(
            "".join(self.words).rstrip(),
            tuple(self.entities),
            tuple(self.relations),
            tuple(self.sentences),
            patient,
            person.main.name,
            person.sex,
            person.age,
            self.language,
            split,
        )


@cache
def _frames(language, section, held):
    return tuple(frame for frame in frames(language)[section] if frame.held == held)


@cache
def _relation(one, two):
    if (one.role, two.role) in EFFECT_OF and one.owner == two.owner == "D":
        return "causes"
    if one.owner != two.owner or one.owner not in ("D", "C"):
        return None
    kinds = ("disease" if slot.role == slot.owner else slot.role.rstrip("0123456789") for slot in (one, two))
    return RELATION_OF.get(tuple(kinds))


def _among(pairs, one, two):
    pair = {(one.owner, one.role), (two.owner, two.role)}
    return any(pair == set(named) for named in pairs)


def _typo(word, language, dice):
    """A slip of the hand: a letter lost, doubled or swapped; in Chinese a character that sounds the same."""
    if language == "zh":
        return "".join(HOMOPHONES.get(character, character) for character in word)
    if len(word) < 5:
        return word
    at = dice.number(1, len(word) - 3)
    if not word[at : at + 2].isalpha():
        return word
    kind = dice.number(0, 2)
    middle = ("", 2 * word[at], word[at + 1] + word[at])[kind]
    return word[:at] + middle + word[at + (2 if kind == 2 else 1) :]


def _literals(patient, dice, language):
    """What stands for the slots that are no entities: words, or functions of the dice."""
    female, child = patient.sex == "f", patient.age < 18
    years = dice.number(1, max(1, min(12, patient.age - patient.main.ages[0])))
    unit = {"acute": 0, "subacute": 1}.get(patient.main.course, 2)
    span = dice.number(3, 6)
    degrees = (380, 393) if "fever" in patient.present else (362, 371)  # tenths
    words = {
        "age": str(patient.age),
        "n": str(years),
        "m": lambda dice: str(dice.number(2, 5)),
        "temp": lambda dice: str(dice.number(*degrees) / 10),
        "kin": None if patient.kin is None else _KIN[language][patient.kin](dice),
        "Fage": None if patient.kin is None else str(patient.kin_age),
    }
    if language == "zh":
        return words | {
            "sex": "女" if female else "男",
            "span": f"{span}{('天', '周', '个月')[unit]}",
        }
    he, his, him = ("she", "her", "her") if female else ("he", "his", "him")
    return words | {
        "woman": ("girl" if child else "woman") if female else ("boy" if child else "man"),
        "MF": "F" if female else "M",
        "he": he,
        "his": his,
        "him": him,
        "He": he.capitalize(),
        "His": his.capitalize(),
        "span": f"{span} {('days', 'weeks', 'months')[unit]}",
        "weeks": lambda dice: f"{dice.number(2, 8)} weeks",
        "years": f"{years} year{'s' * (years > 1)}",
    }


def _one_of(*words):
    return lambda dice: dice.pick(words)


_KIN = {
    "en": {
        ("parent", "f"): _one_of("mother", "mother", "aunt"),
        ("parent", "m"): _one_of("father", "father", "uncle"),
        ("sibling", "f"): _one_of("sister"),
        ("sibling", "m"): _one_of("brother"),
    },
    "zh": {
        ("parent", "f"): _one_of("母亲", "姨母"),
        ("parent", "m"): _one_of("父亲", "叔父"),
        ("sibling", "f"): _one_of("姐姐", "妹妹"),
        ("sibling", "m"): _one_of("哥哥", "弟弟"),
    },
}
