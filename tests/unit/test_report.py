"""A report and a model card say what they were given, all of it, and nothing that was given runs in them."""

import io
import re
import zlib
from dataclasses import make_dataclass
from datetime import date
from html.parser import HTMLParser

import numpy as np
import pytest

import medtutor
from medtutor import metrics, report
from medtutor.metrics import Interval

SUM = "3f" * 32
FACTS = {
    "examined": "brain MR, T1 and FLAIR",
    "patient": "mr-2000042",
    "source": "2.25.1234567",
    "probabilities": [0.02, 0.83, 0.41],
    "finding": "tumour",
    "threshold": 0.41,
    "threshold_from": "the highest that found 95 of 100 on the validation patients",
    "sensitivity": (0.94, 0.9, 0.97),
    "specificity": (0.88, 0.84, 0.92),
    "measured_on": "800 slices of 200 simulated test patients",
    "calibration": "by temperature scaling on the validation patients",
    "model": "small residual CNN",
    "version": "1.2",
    "checksum": SUM,
    "date": "2026-11-24",
    "simulated": True,
}
CARD = {
    "details": {
        "name": "small residual CNN",
        "version": "1.2",
        "date": "2026-11-24",
        "type": "CNN with residual blocks",
        "by": "medtutor",
        "licence": "MIT",
        "checksum": SUM,
    },
    "intended_use": "Teaching.",
    "out_of_scope": ["Patients.", "Triage."],
    "factors": "Scanner, age.",
    "metrics": "AUROC, sensitivity at 0.41.",
    "evaluation_data": "200 simulated patients.",
    "training_data": "500 simulated patients.",
    "quantitative_analyses": {"AUROC": (0.961, 0.944, 0.975), "ms per slice": (12.4, 11.8, 13.9)},
    "ethical_considerations": "None of the patients exist.",
    "caveats": "All heads are bent from one.",
}
HOSTILE = "</script></title><img src=x onerror=alert(1)><!-- \" ' & ]]> <b onmouseover='alert(2)'>"
TEXTS = "examined patient source finding threshold_from measured_on calibration model version unit".split()
TEXTS.append("not_for")


class Seen(HTMLParser):
    """The tags, attributes and visible text of a page, as a browser would find them."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.words = [], [], []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_data(self, data):
        self.words.append(data)


def texts(page):
    """The page as text, as HTML is read, and as Markdown without its backslashes."""
    return page.text(), Seen(page.html()).text, page.markdown().replace("\\", "")


def flat(text):
    return " ".join(text.split())


# ---------------------------------------------------------------------------------------------- the report


def test_report_says_everything_in_every_form():
    for text in map(flat, texts(report.findings(**FACTS))):
        for said in (
            "NOT FOR DIAGNOSTIC USE",
            "SIMULATED: nobody was examined",
            "brain MR, T1 and FLAIR",
            "mr-2000042",
            "2.25.1234567",
            "2026-11-24",
            "Of 3 slices, 2 are called suspicious for tumour: slice 2, slice 3.",
            "Sensitivity 0.940 (95 % interval 0.900 to 0.970): of 100 slices with tumour, about 94 are "
            "called suspicious and about 6 are missed.",
            "Specificity 0.880 (95 % interval 0.840 to 0.920): of 100 slices without, about 88 are left "
            "alone and about 12 are called suspicious.",
            "measured on 800 slices of 200 simulated test patients, at this threshold",
            "The threshold of 0.41: the highest that found 95 of 100 on the validation patients.",
            "The probabilities are calibrated: by temperature scaling on the validation patients.",
            "No decision on a patient may rest on this report.",
            "small residual CNN",
            "1.2",
            SUM,
        ):
            assert said in text, said


def test_each_slice_has_its_sentence():
    text = report.findings(**FACTS, names=["lowest", "middle", "highest"]).text()
    assert "lowest   not suspicious: probability 0.02, under the threshold of 0.41." in text
    assert "middle   suspicious for tumour: probability 0.83, at or above the threshold of 0.41." in text
    assert "highest  suspicious for tumour: probability 0.41, at or above the threshold of 0.41." in text


@pytest.mark.parametrize(
    "p, threshold, said",
    [
        (0.4099, 0.41, "not suspicious: probability 0.4099, under the threshold of 0.4100."),
        (0.41000001, 0.41, "probability 0.41000001, at or above the threshold of 0.41000000."),
        (0.41, 0.41, "probability 0.41, at or above the threshold of 0.41."),
        (0.9999, 0.41, "probability above 0.99, at or above the threshold of 0.41."),
        (0.00001, 0.41, "probability below 0.01, under the threshold of 0.41."),
        (0.3, 0.0004, "probability 0.3000, at or above the threshold of 0.0004."),
        (0.3, 0.9996, "probability 0.3000, under the threshold of 0.9996."),
        (0.3, 1, "probability 0.30, under the threshold of 1.00."),
    ],
)
def test_rounding_never_turns_a_sentence_round(p, threshold, said):
    text = report.findings(**{**FACTS, "probabilities": [p], "threshold": threshold}).text()
    assert said in text


def test_call_is_the_one_that_the_metrics_make():
    p = np.random.default_rng(0).uniform(size=50).round(2)
    y = p >= 0.41
    text = report.findings(**{**FACTS, "probabilities": p}).text()
    assert text.count("  suspicious for tumour:") == metrics.confusion(y.astype(int), p, 0.41)[:, 1].sum()


def test_no_finding_is_not_called_health():
    text = report.findings(**{**FACTS, "probabilities": [0.1, 0.2]}).text()
    assert "None of 2 slices is called suspicious for tumour. That does not rule it out." in text
    one = report.findings(**{**FACTS, "probabilities": [0.1, 0.9]}).text()
    assert "Of 2 slices, one is called suspicious for tumour: slice 2." in one


def test_interval_of_the_metrics_is_taken_with_its_level():
    interval = Interval(0.9, 0.8, 0.95, 0.9, 1000, 0, 200)
    text = report.findings(**{**FACTS, "sensitivity": interval}).text()
    assert "Sensitivity 0.900 (90 % interval 0.800 to 0.950)" in text


def test_bootstrap_interval_beside_its_value_is_reported_as_it_is():
    interval = Interval(0.96, 0.8, 0.95, 0.95, 1000, 0, 20)
    text = report.findings(**{**FACTS, "sensitivity": interval}).text()
    assert "Sensitivity 0.960 (95 % interval 0.800 to 0.950)" in text


@pytest.mark.parametrize(
    "share, said",
    [
        (0.997, "more than 99 are called suspicious and fewer than 1 are missed"),
        (0.004, "fewer than 1 are called suspicious and more than 99 are missed"),
        (1, "about 100 are called suspicious and about 0 are missed"),
        (0.99, "about 99 are called suspicious and about 1 are missed"),
    ],
)
def test_almost_all_is_not_rounded_to_all(share, said):
    assert said in flat(report.findings(**{**FACTS, "sensitivity": (share, 0, 1)}).text())


def test_real_examination_is_not_called_simulated():
    for text in texts(report.findings(**{**FACTS, "simulated": False})):
        assert "NOT FOR DIAGNOSTIC USE" in text and "SIMULATED" not in text


def test_report_depends_on_nothing_but_its_arguments(tmp_path):
    first = report.write_report(tmp_path / "a.html", **FACTS).read_bytes()
    assert report.write_report(tmp_path / "b.html", **FACTS).read_bytes() == first
    assert report.findings(**{**FACTS, "date": date(2026, 11, 24)}).html().encode() == first
    assert repr(report.findings(**FACTS)) == report.findings(**FACTS).text()


def test_lines_of_text_are_short_enough_to_print():
    text = report.findings(**{**FACTS, "examined": "word " * 60}).text()
    assert max(map(len, text.splitlines()[2:])) <= 100


def test_each_ending_has_its_form(tmp_path):
    page = report.findings(**FACTS)
    for name, form in (("a.txt", page.text()), ("a.html", page.html()), ("a.md", page.markdown())):
        assert page.write(tmp_path / name).read_text(encoding="utf-8") == form
    with pytest.raises(ValueError, match="'a.pdf' must end in .html, .txt or .md"):
        report.write_report(tmp_path / "a.pdf", **FACTS)
    assert not (tmp_path / "a.pdf").exists()


# --------------------------------------------------------------------------------------------- hostile text


def test_hostile_text_is_text_in_every_field_of_a_report():
    plain = Seen(report.findings(**FACTS, picture=np.zeros((2, 2)), alt="a black square of four").html())
    hostile = {**FACTS, **{name: f"{name} {HOSTILE}" for name in TEXTS}}
    page = report.findings(
        **hostile, names=[HOSTILE] * 3, picture=np.zeros((2, 2)), alt=f"a black square {HOSTILE}"
    )
    seen = Seen(page.html())
    assert seen.tags == plain.tags and "script" not in seen.tags
    assert [a[:2] for a in seen.attributes] == [a[:2] for a in plain.attributes]
    for name in TEXTS:
        assert flat(f"{name} {HOSTILE}") in seen.text, name
    assert ("img", "alt", flat(f"a black square {HOSTILE}")) in seen.attributes
    inner = Seen(page._repr_html_())
    plain = "div h3 h4 p strong section table tr th td figure figcaption img".split()
    assert set(inner.tags) == set(plain)


def test_page_may_load_and_run_nothing():
    seen = Seen(report.findings(**FACTS, picture=np.zeros((2, 2)), alt="a black square of four").html())
    policy = next(value for tag, name, value in seen.attributes if (tag, name) == ("meta", "content"))
    assert policy.startswith("default-src 'none'") and "script" not in policy
    assert [v[:22] for _, name, v in seen.attributes if name in ("src", "href")] == ["data:image/png;base64,"]


def rendered(markdown):
    """Markdown as the notebook tools turn it into HTML."""
    import mistune

    return Seen(mistune.create_markdown(escape=False, plugins=["table"])(markdown))


def test_hostile_text_is_text_in_every_field_of_a_card():
    nasty = f"{HOSTILE} | *a* _b_ `c` [d](http://e) $f$ ~~g~~ \\ # h &lt;i&gt; &#60;"
    card = {name: nasty for name in CARD}
    card["details"] = {**CARD["details"], "name": nasty, "by": nasty}
    card["quantitative_analyses"] = {nasty: (0.5, 0.4, 0.6)}
    markdown = report.model_card(card)._repr_markdown_()
    assert "<img" not in markdown and "<b" not in markdown
    seen = rendered(markdown)
    assert not {"img", "script", "a", "em", "code", "del", "b"} & set(seen.tags)
    for name in ("intended_use", "caveats"):
        assert flat(nasty) in seen.text, name
    assert seen.text.count(flat(nasty)) == len(CARD) + 2  # the title and `by` are in details
    assert seen.tags.count("table") == 2 and seen.tags.count("td") == 2 * (len(CARD["details"]) + 1)
    assert markdown.count("\\$f\\$") == len(CARD) + 2  # notebooks would draw it as a formula


@pytest.mark.parametrize("text", ["# not a heading", "- not a list", "+ nor this", "12. nor this", "> quote"])
def test_start_of_a_line_makes_no_structure(text):
    seen = rendered(report.model_card({**CARD, "caveats": text}).markdown())
    assert text in seen.text and seen.tags.count("h1") == 1
    assert not {"ul", "ol", "li", "blockquote"} & set(seen.tags)


def test_control_characters_and_turned_writing_are_made_visible():
    for text in texts(report.findings(**{**FACTS, "patient": "ab\x00\x1b[31m\u202ecd\nef"})):
        assert "ab??[31m?cd ef" in text


# ------------------------------------------------------------------------------------------------ pictures


def unpacked(png):
    from matplotlib.image import imread

    return np.rint(imread(io.BytesIO(png)) * 255).astype("uint8")


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_picture_in_the_report_has_its_pixels_and_its_description(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    for picture in (pixels, pixels / 255):
        page = report.findings(**FACTS, picture=picture, alt="Heat over the left temporal lobe")
        assert np.array_equal(unpacked(page.picture[0]), pixels)
        assert ("img", "alt", "Heat over the left temporal lobe") in Seen(page.html()).attributes
        assert "Picture: Heat over the left temporal lobe" in page.text()


def test_figure_of_the_course_brings_its_own_description():
    from medtutor.plot import show_images

    figure = show_images([np.zeros((3, 3))], alt="A black square of nine pixels")
    page = report.findings(**FACTS, picture=figure)
    assert page.picture == (figure.png, "A black square of nine pixels")


@pytest.mark.parametrize(
    "picture, alt, said",
    [
        (np.zeros((2, 2)), "", "describe in a sentence"),
        (np.zeros((2, 2)), "heat map", "describe in a sentence"),
        (np.zeros((2, 2, 4)), "a square of four pixels", "shape"),
        (np.zeros(4), "a square of four pixels", "shape"),
        (np.zeros((2, 2), int), "a square of four pixels", "picture is int64"),
        (np.full((2, 2), np.nan), "a square of four pixels", "finite floats from 0 to 1"),
        (np.full((2, 2), 2.0), "a square of four pixels", "finite floats from 0 to 1"),
    ],
)
def test_picture_that_cannot_be_shown_is_refused(picture, alt, said):
    with pytest.raises(ValueError, match=said):
        report.findings(**FACTS, picture=picture, alt=alt)


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"probabilities": []}, "probabilities is"),
        ({"probabilities": [[0.1, 0.9]]}, r"give \(n,\) numbers"),
        ({"probabilities": [0.1, 1.2]}, "from 0 to 1"),
        ({"probabilities": [0.1, np.nan]}, "from 0 to 1"),
        ({"probabilities": ["0.1"]}, "probabilities is"),
        ({"probabilities": [True]}, "probabilities is"),
        ({"threshold": 1.2}, "threshold is 1.2; give a number from 0 to 1"),
        ({"threshold": np.nan}, "threshold is nan"),
        ({"threshold": "0.4"}, "threshold is '0.4'"),
        ({"threshold": True}, "threshold is True"),
        ({"sensitivity": 0.94}, "give an interval"),
        ({"sensitivity": (0.94, 0.95, 0.97)}, "low <= value <= high"),
        ({"sensitivity": (0.94, 0.9, 0.97, 0.95)}, "give an interval"),
        ({"specificity": (0.94, 0.9, 1.01)}, "specificity is .* must lie from 0 to 1"),
        ({"specificity": (np.nan, 0.9, 1)}, "give an interval"),
        ({"specificity": ("a", "b", "c")}, "give an interval"),
        ({"checksum": "abc"}, "64 hexadecimal digits"),
        ({"checksum": SUM.upper()}, "64 hexadecimal digits"),
        ({"date": "24.11.2026"}, "give a day such as"),
        ({"date": "2026-02-30"}, "give a day such as"),
        ({"date": None}, "give a day such as"),
        ({"simulated": None}, "simulated is None"),
        ({"names": ["one"]}, "1 names for 3 probabilities"),
        ({"source": []}, "source is ''"),
        *[({name: "  "}, f"{name} is '  '") for name in TEXTS],
        *[({name: None}, f"{name} is None") for name in TEXTS if name != "source"],
    ],
)
def test_what_cannot_be_reported_is_refused_with_what_is_wrong(changes, said):
    with pytest.raises(ValueError, match=said):
        report.findings(**{**FACTS, **changes})


@pytest.mark.parametrize("name", FACTS)
def test_no_fact_of_a_report_may_be_left_out(name):
    facts = {key: value for key, value in FACTS.items() if key != name}
    with pytest.raises(TypeError, match=name):
        report.findings(**facts)


# ---------------------------------------------------------------------------------------------- the card


def test_card_says_everything_in_every_form():
    for text in map(flat, texts(report.model_card(CARD, simulated=True))):
        for said in (
            *("Model card: small residual CNN", "SIMULATED: trained and measured on simulated data"),
            *("Model details", "CNN with residual blocks", "2026-11-24", "MIT", SUM),
            *(
                "Intended use",
                "Teaching.",
                "Out of scope",
                "Patients.",
                "Triage.",
                "Factors",
                "Scanner, age.",
            ),
            *("Metrics", "AUROC, sensitivity at 0.41.", "Evaluation data", "200 simulated patients."),
            *(
                "Training data",
                "500 simulated patients.",
                "Quantitative analyses",
                "None of the patients exist.",
            ),
            *("Ethical considerations", "Caveats and recommendations", "All heads are bent from one."),
            *("0.961 (95 % interval 0.944 to 0.975)", "12.4 (95 % interval 11.8 to 13.9)"),
        ):
            assert said in text, said


@pytest.mark.parametrize("field", CARD)
@pytest.mark.parametrize("empty", ["absent", None, "  ", [], {}])
def test_card_without_a_field_is_refused_by_its_name(field, empty):
    card = {name: value for name, value in CARD.items() if name != field or empty != "absent"}
    if empty != "absent":
        card[field] = empty
    with pytest.raises(ValueError, match=f"the model card says nothing under '{field}'"):
        report.model_card(card)


@pytest.mark.parametrize("detail", CARD["details"])
def test_details_without_a_fact_are_refused_by_its_name(detail):
    details = {name: value for name, value in CARD["details"].items() if name != detail}
    with pytest.raises(ValueError, match=f"details says nothing under '{detail}'"):
        report.model_card({**CARD, "details": details})


def test_all_missing_fields_are_named_at_once_and_a_misspelt_one_too():
    with pytest.raises(ValueError, match=r"'details' \(who made it.*'caveats' \(what else"):
        report.model_card({})
    with pytest.raises(ValueError, match="knows no 'caveat'; its fields are details, intended_use"):
        report.model_card({**CARD, "caveat": "x"})


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"details": "a CNN"}, "details is 'a CNN'; give a dict with name, version"),
        ({"details": {**CARD["details"], "checksum": "?"}}, "64 hexadecimal"),
        ({"details": {**CARD["details"], "date": "yesterday"}}, "give a day"),
        ({"quantitative_analyses": "AUROC 0.96"}, r"give \{what: \(value, low, high\)\}"),
        ({"quantitative_analyses": {"AUROC": 0.96}}, "AUROC is 0.96; give an interval"),
        ({"quantitative_analyses": {"AUROC": (0.96, 0.97, 0.98)}}, "low <= value <= high"),
        ({"caveats": ["one", ""]}, "caveats is ''"),
        ({"factors": 3.5j}, "factors is 3.5j"),
        ({"simulated": "yes"}, "simulated is 'yes'"),
    ],
)
def test_card_that_says_nothing_usable_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        report.model_card({**CARD, **changes})


def test_card_may_come_as_a_dataclass_or_as_arguments():
    Card = make_dataclass("Card", CARD)
    expected = report.model_card(CARD).markdown()
    assert report.model_card(Card(**CARD)).markdown() == report.model_card(**CARD).markdown() == expected
    with pytest.raises(ValueError, match="give a dict or a dataclass"):
        report.model_card("a CNN")


def test_words_in_a_card_may_stand_in_rows():
    card = report.model_card({**CARD, "factors": {"scanner": "A and B.", "age": "20 to 80 years."}})
    assert "scanner  A and B.\nage      20 to 80 years." in card.text()
    assert "th" in Seen(card.html()).tags and "| **scanner** | A and B. |" in card.markdown()


def test_card_is_shown_as_markdown_and_printed_as_text(tmp_path):
    card = report.model_card(CARD)
    shown = card._repr_markdown_()
    assert (
        re.sub(r"^###(?=#)", "", shown, flags=re.MULTILINE) == card.markdown() != shown
    )  # below the chapter's
    assert repr(card) == card.text()
    assert "SIMULATED" not in card.text() and "NOT FOR DIAGNOSTIC USE" in card.text()
    assert not hasattr(card, "_repr_html_")
    assert card.write(tmp_path / "card.md").read_text(encoding="utf-8") == card.markdown()
    seen = rendered(card.markdown())
    assert seen.tags.count("h2") == len(CARD) and seen.tags.count("table") == 2


def test_report_is_reached_from_the_package():
    assert medtutor.report is report and "report" in medtutor.__all__


def test_png_is_whole():
    png = report.findings(**FACTS, picture=np.zeros((2, 2)), alt="a black square of four").picture[0]
    at = 8
    while at < len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        body = png[at + 4 : at + 8 + length]
        assert zlib.crc32(body) == int.from_bytes(png[at + 8 + length : at + 12 + length], "big")
        at += 12 + length
    assert at == len(png) and png[-8:-4] == b"IEND"
