"""Text that comes with data, shown by every explorer, panel and page in a real browser: it stays text."""

from types import SimpleNamespace

import numpy as np
import pytest

from medtutor import explore, plot, report
from medtutor.data import Dataset
from medtutor.data.dataset import Card
from medtutor.data.studies import Study
from medtutor.guide import CourseMap, Difference, Environment

NASTY = """</script>"'><img src=x onerror="window.ran = 1">"""
SHOWN = NASTY[:14]  # what must be readable somewhere; white space may have been joined
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((16, 16))
MASK = np.zeros((16, 16))
MASK[4:9, 4:9] = 1
WORDLESS = {  # explorers that show no text but their own
    "explore_checkerboard": "its arguments are numbers, and one of two words",
    "explore_plane_gan": "its start is one of its own names",
    "explore_real_or_drawn": "it is given pictures alone",
    "receptive_field": "it is a value that prints as text, no page",
}


def card():
    return Card(NASTY, NASTY, NASTY, NASTY, NASTY, True, NASTY)


def dataset():
    x = RANDOM.random((4, 16, 16, 2)).astype("float32")
    patients = np.array([NASTY, NASTY, "b", "b"])
    return Dataset(x, np.array([0, 1, 0, 1]), ("none", NASTY), patients, "test", NASTY, card(), (0, 1))


def fail(*arguments):
    raise ValueError(NASTY)


def with_panel(panel):
    """What a panel puts on the page: its still picture and all HTML of its widgets."""
    import ipywidgets as widgets

    def inside(widget):
        pages = [widget.value] if isinstance(widget, widgets.HTML) else []
        return pages + [page for child in getattr(widget, "children", ()) for page in inside(child)]

    still = panel.still() if hasattr(panel, "still") else panel.picture
    return "".join([html_of(still() if callable(still) else still), *inside(panel.panel())])


def html_of(shown):
    if hasattr(shown, "_repr_mimebundle_"):
        return shown._repr_mimebundle_()["text/html"]
    return shown._repr_html_()


def agreement():
    rows = [[f"B-{NASTY}"], ["O"]]
    return html_of(explore.explore_agreement([[NASTY], ["a"]], rows, {NASTY: rows}))


def features():
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((8, 8, 2)), keras.layers.Conv2D(2, 3, name="edges")])
    images = RANDOM.random((1, 8, 8, 2))
    layers = {NASTY: "edges"}
    return html_of(
        explore.explore_features(model, images, layers=layers, titles=[NASTY], contrasts=[NASTY, "b"])
    )


def note():
    found = [{"start": 0, "end": len(NASTY), "type": NASTY, "confidence": 0.9}]
    return with_panel(explore.explore_note(lambda text: found, NASTY))


def patients():
    panel = explore.explore_patients(dataset(), fail, contrasts=(NASTY, "b"))
    panel.panel()
    panel.shows_p.value = panel.shows_truth.value = True
    return with_panel(panel)


def curves():
    from medtutor.explore.training import Board

    board = Board([NASTY], 2, f"curves of {NASTY} over two epochs", caption=NASTY)
    board.line = board.curves = SimpleNamespace(value="")
    board.epoch_done(1, {NASTY: 1.0, "loss": 1.0})
    line = board.line = SimpleNamespace(value="")
    board.step(1, 2, {NASTY: 1.0, "loss": 1.0})
    return html_of(board.picture()) + board._svg() + line.value


def drawing():
    described = f"pictures of {NASTY} at each stage"
    watch = explore.live_pictures(lambda: np.ones((2, 8, 8)), 1, alt=described, caption=NASTY)
    return html_of(watch.picture())


def found():
    return report.findings(
        examined=NASTY,
        patient=NASTY,
        source=NASTY,
        probabilities=[0.9],
        finding=NASTY,
        threshold=0.5,
        threshold_from=NASTY,
        sensitivity=(0.9, 0.8, 0.95),
        specificity=(0.9, 0.8, 0.95),
        measured_on=NASTY,
        calibration=NASTY,
        model=NASTY,
        version=NASTY,
        checksum="0" * 64,
        date="2026-11-30",
        simulated=True,
        names=[NASTY],
        unit=NASTY,
        picture=IMAGE,
        alt=f"a picture of {NASTY}, in short",
        not_for=NASTY,
    )


def model_card():
    words = dict.fromkeys(set(report.CARD) - {"details", "quantitative_analyses"}, NASTY)
    details = dict.fromkeys(report.DETAILS, NASTY) | {"date": "2026-11-30", "checksum": "0" * 64}
    numbers = {NASTY: (0.9, 0.8, 0.95)}
    return report.model_card(words, details=details, quantitative_analyses=numbers)


def study():
    made = {"seconds": 60, "machine": NASTY, "command": NASTY, "versions": {NASTY: NASTY}}
    return html_of(Study("01_x", NASTY, {NASTY: NASTY}, made))


def course_map():
    chapter = SimpleNamespace(number=1, title=NASTY, question=NASTY, before=NASTY, data=NASTY, time=NASTY)
    chapter.reading, chapter.notebook, chapter.needs = NASTY, NASTY, ()
    return html_of(CourseMap([chapter]))


def graded():
    from medtutor.course.grading.report import page

    result = SimpleNamespace(exercise=NASTY, state="wrong", reply=NASTY, notes=[NASTY], source=NASTY)
    return page(NASTY, NASTY, [result], NASTY, ["1.1"])


PAGES = {
    "explore_agreement": agreement,
    "explore_convolution": lambda: html_of(explore.explore_convolution({NASTY: IMAGE, "b": IMAGE})),
    "explore_features": features,
    "explore_function": lambda: with_panel(explore.explore_function(fail, {NASTY: IMAGE})),
    "explore_latent": lambda: html_of(
        explore.explore_latent(RANDOM.random((2, 2, 2, 8, 8)), classes=[NASTY, "b"], axes=[NASTY, "c"])
    ),
    "explore_lattice": lambda: html_of(
        explore.explore_lattice([NASTY, "b"], [NASTY, "c"], np.eye(2), np.eye(2))
    ),
    "explore_mask": lambda: html_of(
        explore.explore_mask(
            [np.stack([IMAGE] * 2, -1)], [MASK], [IMAGE], titles=[NASTY], contrasts=[NASTY, "b"], name=NASTY
        )
    ),
    "explore_note": note,
    "explore_painting": lambda: html_of(
        explore.explore_painting(np.stack([IMAGE] * 2, -1), MASK, MASK, contrasts=[NASTY, "b"], name=NASTY)
    ),
    "explore_patients": patients,
    "explore_threshold": lambda: html_of(
        explore.explore_threshold([0, 1, 0, 1], [0.1, 0.9, 0.4, 0.6], name=NASTY, unit=NASTY)
    ),
    "live_curves": curves,
    "live_pictures": drawing,
    "a figure": lambda: html_of(plot.show_images([IMAGE], [NASTY], alt=f"one {NASTY} image", caption=NASTY)),
    "entities in a text": lambda: html_of(
        plot.show_entities([[NASTY]], {NASTY: [[f"B-{NASTY}"]]}, alt=f"a text with {NASTY} in it")
    ),
    "a set of data": lambda: html_of(dataset()),
    "a card": lambda: html_of(card()),
    "a study": study,
    "an environment": lambda: html_of(Environment([Difference(NASTY, NASTY, NASTY)])),
    "the map": course_map,
    "findings": lambda: html_of(found()),
    "findings in a file": lambda: found().html(),
    "a model card in a file": lambda: model_card().html(),
    "a student's page": graded,
}


def test_every_explorer_is_tried_here_or_shows_no_text_of_others():
    assert set(explore.__all__) <= PAGES.keys() | WORDLESS.keys() and not PAGES.keys() & WORDLESS.keys()


@pytest.mark.parametrize("name", PAGES)
def test_hostile_text_stays_text(page, tmp_path, name):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><meta charset=utf-8>" + PAGES[name](), encoding="utf-8")
    page.goto(path.as_uri())
    if "<script" in path.read_text(encoding="utf-8"):
        page.wait_for_selector("[data-live=yes]")
        for button in page.get_by_role("button").all()[:8]:
            if button.is_enabled() and button.is_visible():
                button.click()
    page.wait_for_timeout(100)
    assert page.evaluate("window.ran") is None
    assert page.locator("img[src=x], [onerror]").count() == 0
    told = page.locator("html").inner_text() + "".join(
        page.locator("img").evaluate_all("images => images.map(image => image.alt)")
    )
    assert SHOWN in told, told[:2000]


def test_a_page_that_does_not_escape_would_be_noticed(page, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8><p>{NASTY}</p>")
    page.goto(path.as_uri())
    page.wait_for_function("window.ran === 1")
    assert page.locator("img[src=x]").count() == 1


def test_a_model_card_of_a_notebook_is_read_as_text(page, tmp_path):
    """It is Markdown there, which JupyterLab and this exporter turn into HTML."""
    from nbconvert.filters import markdown2html

    path = tmp_path / "page.html"
    path.write_text("<!doctype html><meta charset=utf-8>" + markdown2html(model_card().markdown(4)))
    page.goto(path.as_uri())
    assert page.evaluate("window.ran") is None and page.locator("img[src=x]").count() == 0
    assert SHOWN in page.locator("html").inner_text()
