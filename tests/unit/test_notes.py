"""Notes say where their entities are, contradict neither table nor themselves, and keep the test split apart.

The table is read here by the tests' own few lines, so that a fault in the package's reading shows.
"""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import medtutor.data.notes as notes
from medtutor.data.dataset import SPLITS

FOLDER = Path(notes.__file__).parent
LANGUAGES = ("en", "zh")
NEGATIVE = {
    "absent",
    "ruled out",
    "family",
    "not given",
    "normal",
    "unrelated",
    "possible",
    "pending",
    "routine",
}
FIRST_NOTES = {
    ("en", "train"): "37479f23e9af6205",
    ("en", "test"): "a87d9e4255b71cdd",
    ("zh", "train"): "313e8e11fd0ff225",
    ("zh", "test"): "b2144a0531062d07",
}


def toml(name):
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def parts(line):
    return [part.strip() for part in line.split(",") if part.strip()]


def rows():
    """{disease: its row}, without stars."""
    return {name.lstrip("*"): row for name, row in toml("diseases").items()}


def facts():
    """{(head, relation, tail)} of the TOML files."""
    found = set()
    for name, row in rows().items():
        found |= {(drug, "treats", name) for drug in parts(row["drugs"])}
        found |= {(name, "has_symptom", symptom) for symptom in parts(row["symptoms"])}
        found |= {(test, "reveals", name) for test in parts(row["tests"])}
        found |= {(name, "located_in", site) for site in parts(row["sites"])}
    for name, line in toml("names")["drug"].items():
        found |= {(name.lstrip("*"), "causes", effect) for effect in parts(line.split("|")[2])}
    return found


def forms(language, held):
    """{name: types} of all forms that the table holds out for the test split, or of all that it does not."""
    found = {}
    tables = toml("names") | {"disease": {name: row["names"] for name, row in toml("diseases").items()}}
    for kind, lines in tables.items():
        for name, line in lines.items():
            chinese, english = (parts(column) for column in line.split("|")[:2])
            for form in chinese if language == "zh" else [name.lstrip("*"), *english]:
                starred = form.startswith("*") or name.startswith("*")
                if starred == held:
                    found.setdefault(form.lstrip("*"), set()).add(kind)
    return found


@pytest.fixture(scope="module")
def written():
    """300 notes of each split and language, by (language, split)."""
    return {(lang, split): notes.write_notes(300, lang, 0, split) for lang in LANGUAGES for split in SPLITS}


def every(written):
    return [note for group in written.values() for note in group]


def spans(tags):
    """[(first, last + 1, type)] of BIO tags, read by a regular expression over one letter a tag."""
    letters = "".join(tag[0] for tag in tags)
    return [(m.start(), m.end(), tags[m.start()][2:]) for m in re.finditer("BI*", letters)]


def test_entities_stand_where_their_offsets_say(written):
    known, count = 0, 0
    for (language, _), group in written.items():
        names = {f.lower() for held in (True, False) for f in forms(language, held)}
        for note in group:
            last = 0
            for entity in note.entities:
                words = note.text[entity.start : entity.end]
                assert (
                    words and words == words.strip() and entity.start >= last and words == note.words(entity)
                )
                last = entity.end
                bare = re.sub("^(left |right |左侧|右侧|左|右)", "", words.lower())
                known += bare in names or words.lower() in names
                count += 1
    assert 0.92 < known / count < 0.98  # the rest are typos


def test_every_split_and_language_has_all_types_and_relations(written):
    for group in written.values():
        types = {entity.type for note in group for entity in note.entities}
        relations = {relation.name for note in group for relation in note.relations}
        assert types == {"disease", "symptom", "drug", "test", "anatomy"}
        assert relations == {"treats", "has_symptom", "reveals", "located_in", "causes"}


def test_every_relation_that_holds_is_in_the_table(written):
    table = facts()
    for note in every(written):
        for relation in note.relations:
            head, tail = note.entities[relation.head], note.entities[relation.tail]
            assert (head.name, relation.name, tail.name) in table, note.text


def test_relations_stay_within_a_sentence(written):
    for note in every(written):
        for relation in note.relations:
            ends = [note.entities[relation.head], note.entities[relation.tail]]
            assert any(all(s.start <= e.start and e.end <= s.end for e in ends) for s in note.sentences)


def test_what_is_denied_ruled_out_or_a_relatives_has_no_relation(written):
    for note in every(written):
        for relation in note.relations:
            head, tail = note.entities[relation.head], note.entities[relation.tail]
            assert head.status not in NEGATIVE and tail.status == "present"
            assert head.status == "present" or (
                relation.name == "causes" and head.status in ("stopped", "allergy")
            )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", r"(\bno |\bdenies |\bwithout |\bnor |\bno hx of |No sign of )$"),
        ("zh", "(无|未见|否认|排除|拒绝以|而非)$"),
    ],
)
def test_an_entity_after_a_negation_is_never_marked_present(written, language, words):
    met = 0
    for split in SPLITS:
        for note in written[language, split]:
            for entity in note.entities:
                if re.search(words, note.text[max(0, entity.start - 12) : entity.start]):
                    assert entity.status != "present", note.text
                    met += 1
    assert met > 300


def test_relatives_sentences_speak_of_the_family_alone(written):
    for note in every(written):
        for sentence in note.sentences:
            if sentence.section == "family":
                inside = [e for e in note.entities if sentence.start <= e.start < sentence.end]
                assert {e.status for e in inside} <= {"family", "ruled out"}


def test_no_note_contradicts_itself(written):
    for note in every(written):
        said = {}
        for entity in note.entities:
            side = (
                re.match("left|right|左|右", note.words(entity).lower()) if entity.type == "anatomy" else None
            )
            if entity.status not in ("family", "possible"):
                said.setdefault((entity.type, entity.name, side and side.group()), set()).add(entity.status)
        assert all(len(statuses) == 1 for statuses in said.values()), note.text


def test_a_fever_is_measured_only_in_somebody_who_may_have_one(written):
    measured = 0
    table = rows()
    for note in every(written):
        degrees = re.findall(r"(?<!\w)(?:T|体温) ?(\d\d\.\d)", note.text)
        absent = any(e.name == "fever" and e.status == "absent" for e in note.entities)
        ill = {e.name for e in note.entities if e.type == "disease" and e.status == "present"} | {
            note.disease
        }
        feverish = any("fever" in parts(table[name]["symptoms"]) for name in ill)
        feverish |= any(e.name == "fever" and e.status == "present" for e in note.entities)
        for degree in map(float, degrees):
            assert degree < 38 or (feverish and not absent), note.text
            measured += 1
    assert measured > 100


def test_no_drug_is_given_against_the_patients_other_disease(written):
    avoid = {name: set(parts(row.get("avoid", ""))) for name, row in rows().items()}
    for note in every(written):
        treated = {
            (note.entities[r.head].name, note.entities[r.tail].name)
            for r in note.relations
            if r.name == "treats"
        }
        ill = {disease for _, disease in treated} | {note.disease}
        assert not any(drug in avoid[other] for drug, d in treated for other in ill if other != d), note.text


def test_sex_and_age_fit_every_disease_of_the_patient(written):
    table = rows()
    for note in every(written):
        ill = {e.name for e in note.entities if e.type == "disease" and e.status in ("present", "ruled out")}
        for name in ill | {note.disease}:
            sex, ages = table[name]["who"].split()
            first, last = map(int, ages.split("-"))
            assert sex in ("any", note.sex) and first <= note.age <= last, (name, note.text)


def test_no_man_has_a_womans_complaint_nor_his_relatives_the_wrong_sex(written):
    female = "ovar|cervical cancer|endometri|breast cancer|preeclampsia|period|vagina"
    female += "|卵巢|宫颈癌|乳腺癌|月经|(?<!头)痛经|阴道流血|子痫"
    male = "prostat|hypogonadism|BPH|erectile|前列腺|男性性腺|勃起"
    kin = {"m": "father|brother|uncle|父亲|哥哥|弟弟|叔父", "f": "mother|sister|aunt|母亲|姐姐|妹妹|姨母"}
    met = 0
    for note in every(written):
        for sentence in note.sentences:
            words = note.text[sentence.start : sentence.end]
            sexes = {note.sex}
            if sentence.section == "family":
                sexes = {sex for sex, pattern in kin.items() if re.search(pattern, words, re.I)}
                if re.search("No .* in the family|nobody|家族中无|无人", words):
                    continue  # speaks of two people
            assert not ("m" in sexes and re.search(female, words, re.I)), words
            assert not ("f" in sexes and re.search(male, words, re.I)), words
            met += bool(re.search(f"{female}|{male}", words, re.I))
    assert met > 100


def said(group):
    """All words that the notes of a group use for an entity."""
    return {note.words(entity).lower() for note in group for entity in note.entities}


def test_no_held_out_name_is_said_outside_the_test_split(written):
    for language in LANGUAGES:
        free = {form.lower() for form in forms(language, held=False)}
        held = {form.lower() for form in forms(language, held=True)} - free
        for split in ("train", "val"):
            said = {
                note.words(entity).lower() for note in written[language, split] for entity in note.entities
            }
            assert not said & held
        said = {note.words(entity).lower() for note in written[language, "test"] for entity in note.entities}
        assert len(said & held) > 200


def test_no_held_out_concept_is_meant_outside_the_test_split(written):
    held = {(k, n[1:]) for k, lines in toml("names").items() for n in lines if n.startswith("*")}
    held |= {("disease", name[1:]) for name in toml("diseases") if name.startswith("*")}
    assert len(held) > 80
    for (_, split), group in written.items():
        meant = {(entity.type, entity.name) for note in group for entity in note.entities}
        assert bool(meant & held) == (split == "test")


def test_no_held_out_sentence_is_written_outside_the_test_split(written):
    for language in LANGUAGES:
        lines = [line for text in toml(f"frames_{language}").values() for line in text.splitlines()]
        pieces = {star: set() for star in (True, False)}
        for line in lines:
            body = re.sub(r"<[^>]*>|\{[^}]*\}|\[[^\]]*\]|##.*", "|", line.lstrip("* "))
            pieces[line.startswith("*")] |= {
                piece.strip() for piece in body.split("|") if len(piece.strip()) > 5
            }
        telling = {piece for piece in pieces[True] if not any(piece in other for other in pieces[False])}
        assert len(telling) > 10
        for split in SPLITS:
            text = "\n".join(note.text for note in written[language, split])
            met = [piece for piece in telling if piece in text]
            assert bool(met) == (split == "test"), met


def test_a_third_of_the_test_sentences_is_of_a_new_kind(written):
    for language in LANGUAGES:
        used = [s.frame.startswith("*") for note in written[language, "test"] for s in note.sentences]
        assert 0.2 < np.mean(used) < 0.45


def test_there_are_eighty_frames_a_language_and_every_one_is_used():
    for language in LANGUAGES:
        lines = {
            line.strip() for text in toml(f"frames_{language}").values() for line in text.splitlines() if line
        }
        assert len(lines) >= 80 and 0.1 < np.mean([line[0] == "*" for line in lines]) < 0.35
        used = {s.frame for note in notes.write_notes(1500, language, 7, "test") for s in note.sentences}
        assert used <= lines and not lines - used


def test_the_same_call_writes_the_same_notes_on_every_python(written):
    for (language, split), digest in FIRST_NOTES.items():
        text = "\n".join(repr((n.text, n.entities, n.relations)) for n in written[language, split][:20])
        assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest, (language, split)


def test_another_process_with_another_hash_seed_writes_the_same():
    code = "from medtutor.data.notes import write_notes; print(ascii(write_notes(15, 'zh', 3, 'test')))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] and len(runs[0]) > 5000


def test_a_note_depends_on_its_number_seed_language_and_split_alone():
    assert notes.write_notes(12, "en", 4)[:5] == notes.write_notes(5, "en", 4)
    texts = [notes.write_notes(1, "en", seed, split)[0].text for seed in (0, 1) for split in SPLITS]
    assert len(set(texts)) == 6


def test_unlabelled_text_knows_the_held_out_names_only_where_asked():
    held = {form for form in forms("zh", True) if len(form) > 3} - set(forms("zh", False))
    plain, full = (
        "\n".join("".join(row) for row in notes.write_text(300, "zh", held_out=h)) for h in (False, True)
    )
    allowed = [form for form in held if any(form in other for other in forms("zh", False))]
    assert not [form for form in held if form in plain and form not in allowed]
    assert sum(form in full for form in held) > 100
    frames = {note.text for note in notes.write_notes(300, "zh")}
    assert not frames & set(plain.splitlines())


def test_wrong_arguments_are_answered_with_the_right_ones():
    with pytest.raises(ValueError, match="language is 'de'; use 'en' or 'zh'"):
        notes.write_notes(1, "de")
    with pytest.raises(ValueError, match="split is 'dev'; use 'train', 'val' or 'test'"):
        notes.write_notes(1, split="dev")
    with pytest.raises(ValueError, match="n is 0; it must be a whole number of notes, 1 or more"):
        notes.write_notes(0)
    with pytest.raises(ValueError, match="n is 2.5"):
        notes.write_text(2.5)
    for load in (notes.load_notes, notes.load_relations):
        with pytest.raises(ValueError, match="split is 'tset'; use 'train', 'val' or 'test'"):
            load("tset")
        with pytest.raises(ValueError, match="language is 'fr'; use 'en' or 'zh'"):
            load("val", "fr")
