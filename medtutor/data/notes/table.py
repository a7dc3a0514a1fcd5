"""The hand-written medicine of the notes: names in two languages, diseases, and what must not meet."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TYPES = ("disease", "symptom", "drug", "test", "anatomy")
LANGUAGES = ("en", "zh")
RELATIONS = ("treats", "has_symptom", "reveals", "located_in", "causes")


@dataclass(frozen=True, eq=False)
class Concept:
    """What the notes can name: `forms[language]` are its names, `held[language]` those of the test split."""

    type: str
    name: str
    forms: dict
    held: dict
    sides: bool = False
    effects: tuple = ()


@dataclass(frozen=True, eq=False)
class Disease:
    """One row of the table; symptoms, drugs, tests and sites by English name."""

    name: str
    held: bool
    sex: str
    ages: tuple
    course: str
    family: bool
    symptoms: tuple
    drugs: tuple
    tests: tuple
    sites: tuple
    avoid: frozenset

    def suits(self, sex, age):
        """Whether somebody of this sex and age may be given it in a note."""
        return self.sex in ("any", sex) and self.ages[0] <= age <= self.ages[1]


@dataclass(frozen=True)
class Rules:
    """What keeps a note free of contradictions: see rules.toml."""

    routine: dict
    lists: dict
    alike: dict
    apart: dict
    instead: dict
    classes: dict


@dataclass(frozen=True)
class Table:
    """concepts by (type, English name), diseases by English name, and the rules."""

    concepts: dict
    diseases: dict
    rules: Rules

    def facts(self):
        """All (head, relation, tail) that a note may assert, by English name."""
        found = set()
        for disease in self.diseases.values():
            found |= {(drug, "treats", disease.name) for drug in disease.drugs}
            found |= {(disease.name, "has_symptom", symptom) for symptom in disease.symptoms}
            found |= {(test, "reveals", disease.name) for test in disease.tests}
            found |= {(disease.name, "located_in", site) for site in disease.sites}
        for (kind, name), concept in self.concepts.items():
            if kind == "drug":
                found |= {(name, "causes", effect) for effect in concept.effects}
        return frozenset(found)

    def ambiguous(self, language):
        """Names that stand for two types of entity, so that only the sentence tells which: {name: types}."""
        types = {}
        for concept in self.concepts.values():
            for form in (*concept.forms[language], *concept.held[language]):
                types.setdefault(form, set()).add(concept.type)
        return {form: frozenset(kinds) for form, kinds in types.items() if len(kinds) > 1}


@cache
def table():
    """The table that the notes are written from, read from the TOML files of this folder."""
    concepts = {}
    for kind, lines in _toml("names").items():
        for name, line in lines.items():
            concept = _concept(kind, name, line)
            concepts[kind, concept.name] = concept
    diseases = {}
    for name, row in _toml("diseases").items():
        concept = _concept("disease", name, row["names"])
        concepts["disease", concept.name] = concept
        diseases[concept.name] = _disease(name, row)
    return Table(concepts, diseases, _rules())


def _toml(name):
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))


def split_names(line, by=","):
    """The parts of `line` between commas, without blanks around them and without empty ones."""
    return tuple(part.strip() for part in line.split(by) if part.strip())


def _concept(kind, name, line):
    columns = [split_names(column) for column in line.split("|")] + [()]
    chinese, english, third = columns[0], columns[1], columns[2]
    star = "*" if name.startswith("*") else ""
    name = name.lstrip("*")
    named = {"en": (star + name, *(star + form.lstrip("*") if star else form for form in english))}
    named["zh"] = tuple(star + form.lstrip("*") if star else form for form in chinese)
    forms = {language: tuple(form for form in named[language] if form[0] != "*") for language in LANGUAGES}
    held = {language: tuple(form[1:] for form in named[language] if form[0] == "*") for language in LANGUAGES}
    if kind == "drug":
        return Concept(kind, name, forms, held, effects=third)
    return Concept(kind, name, forms, held, sides="sides" in third)


def _disease(name, row):
    sex, ages = row["who"].split()
    first, last = ages.split("-")
    lists = {key: split_names(row[key]) for key in ("symptoms", "drugs", "tests", "sites")}
    return Disease(
        name.lstrip("*"),
        name.startswith("*"),
        sex,
        (int(first), int(last)),
        row["course"],
        row.get("family", False),
        **lists,
        avoid=frozenset(split_names(row.get("avoid", ""))),
    )


def _rules():
    rules = _toml("rules")
    return Rules(
        {test: frozenset(split_names(symptoms)) for test, symptoms in rules["routine"].items()},
        {name: tuple(split_names(line.replace("\n", " "))) for name, line in rules["lists"].items()},
        **{name: _neighbours(rules["groups"][name]) for name in ("alike", "apart", "instead", "classes")},
    )


def _neighbours(groups):
    """{name: all names that share a group with it, itself included}"""
    near = {}
    for group in groups:
        names = frozenset(split_names(group.replace("\n", " ")))
        for name in names:
            near[name] = near.get(name, frozenset()) | names
    return near
