"""Every row of the hand-written table is complete and names only what exists; ambiguity is declared."""

import tomllib
from pathlib import Path

import pytest

import medtutor.data.notes as notes
from medtutor.data.notes.patient import world
from medtutor.data.notes.table import table

FOLDER = Path(notes.__file__).parent
DRUG_OR_TEST = """B12, Ca, CsA, K, Mg, VPA, albumin, calcium, cyclosporine, dig, digoxin, folate, glucose,
insulin, iron, lithium, magnesium, potassium, testosterone, theophylline, valproate, vanc, vancomycin,
vitamin B12"""
DISEASE_OR_SYMPTOM = "anemia, constipation, depression, hypertension, hypoglycemia, insomnia"
CHINESE_DRUG_OR_TEST = """万古霉素, 丙戊酸, 叶酸, 地高辛, 环孢素, 白蛋白, 睾酮, 碳酸锂,
维生素B12, 胰岛素, 茶碱, 葡萄糖, 钙, 钾, 铁, 镁"""
CHINESE_DISEASE_OR_SYMPTOM = "低血糖, 便秘, 失眠, 抑郁, 贫血"


def toml(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def parts(line):
    return [part.strip() for part in line.replace("\n", " ").split(",") if part.strip()]


NAMES = {kind: {name.lstrip("*") for name in lines} for kind, lines in toml("names").items()}
ROWS = toml("diseases")
COLUMNS = {"symptoms": "symptom", "drugs": "drug", "tests": "test", "sites": "anatomy", "avoid": "drug"}


def test_there_are_sixty_diseases_and_most_are_known_in_training():
    assert len(ROWS) >= 60
    assert 0.2 < sum(name.startswith("*") for name in ROWS) / len(ROWS) < 0.4


@pytest.mark.parametrize("name", ROWS)
def test_every_disease_is_complete(name):
    row = ROWS[name]
    chinese, english = row["names"].split("|")
    sex, ages = row["who"].split()
    first, last = map(int, ages.split("-"))
    assert parts(chinese) and sex in ("any", "f", "m") and 0 < first < last <= 90
    assert row["course"] in ("acute", "subacute", "chronic", "common")
    assert len(parts(row["symptoms"])) >= 4 and parts(row["drugs"]) and parts(row["tests"]) and "sites" in row
    for column, kind in COLUMNS.items():
        listed = parts(row.get(column, ""))
        assert len(set(listed)) == len(listed)
        assert set(listed) <= NAMES[kind], f"{set(listed) - NAMES[kind]} of {name} is not in names.toml"
    assert not set(parts(row["drugs"])) & set(parts(row.get("avoid", "")))


def test_most_diseases_have_a_place():
    assert sum(bool(parts(row["sites"])) for row in ROWS.values()) > 0.75 * len(ROWS)


def test_every_name_is_used_and_every_adverse_effect_is_a_symptom():
    used = {kind: set() for kind in NAMES}
    for row in ROWS.values():
        for column in ("symptoms", "drugs", "tests", "sites"):
            used[COLUMNS[column]] |= set(parts(row[column]))
    for line in toml("names")["drug"].values():
        effects = parts(line.split("|")[2])
        assert effects and set(effects) <= NAMES["symptom"]
        used["symptom"] |= set(effects)
    rules = toml("rules")
    used["test"] |= set(rules["routine"]) | set(parts(rules["lists"]["levels"]))
    assert {kind: NAMES[kind] - used[kind] for kind in NAMES} == {kind: set() for kind in NAMES}


def test_rules_name_only_what_exists():
    rules = toml("rules")
    kinds = {"alike": "symptom", "classes": "drug", "instead": "drug"}
    for group, kind in kinds.items():
        for line in rules["groups"][group]:
            assert set(parts(line)) <= NAMES[kind], line
    diseases = {name.lstrip("*") for name in ROWS}
    assert all(set(parts(line)) <= diseases for line in rules["groups"]["apart"])
    of = dict.fromkeys(("supplements", "levels", "ward", "allergens", "heavy"), "drug")
    of |= {"examined": "anatomy", "imaging": "test"}
    of |= dict.fromkeys(("female", "male", "fertile", "adult", "vague"), "symptom")
    for name, line in rules["lists"].items():
        assert set(parts(line)) <= (diseases if name in ("alone", "admitted") else NAMES[of[name]]), name
    for test, symptoms in rules["routine"].items():
        assert test in NAMES["test"] and set(parts(symptoms)) <= NAMES["symptom"]


def test_training_diseases_keep_enough_to_write_about_without_what_is_held_out():
    known = world(False)
    for disease in known.diseases:
        assert len(known.known(disease, "symptoms")) >= 4, disease.name
        assert known.known(disease, "drugs") and known.known(disease, "tests"), disease.name


@pytest.mark.parametrize(
    ("language", "drugs", "diseases"),
    [
        ("en", DRUG_OR_TEST, DISEASE_OR_SYMPTOM),
        ("zh", CHINESE_DRUG_OR_TEST, CHINESE_DISEASE_OR_SYMPTOM),
    ],
)
def test_the_only_names_of_two_types_are_the_declared_ambiguous_ones(language, drugs, diseases):
    declared = dict.fromkeys(parts(drugs), {"drug", "test"}) | dict.fromkeys(
        parts(diseases), {"disease", "symptom"}
    )
    assert table().ambiguous(language) == declared


def test_no_two_concepts_of_a_type_share_a_name():
    for language in ("en", "zh"):
        seen = {}
        for (kind, name), concept in table().concepts.items():
            for form in (*concept.forms[language], *concept.held[language]):
                other = seen.setdefault((kind, form.lower()), name)
                assert other == name, f"{form!r} names both {other} and {name}"


def test_chinese_names_are_chinese_or_an_abbreviation():
    for concept in table().concepts.values():
        for form in (*concept.forms["zh"], *concept.held["zh"]):
            chinese = sum("\u4e00" <= c <= "\u9fff" for c in form)
            assert chinese or form.replace("-", "").replace(" ", "").isalnum(), form
        for form in (*concept.forms["en"], *concept.held["en"]):
            assert form.isascii(), form
