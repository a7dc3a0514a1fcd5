"""Widgets that need the kernel, inside JupyterLab: training curves while a cell runs, and patients."""

from contextlib import contextmanager

import nbformat

from medtutor.course.browser import run_all

TRAINING = """
import os, time
os.environ["MEDTUTOR_PROGRESS"] = "1"
from medtutor.explore.training import Board

board = Board(("loss", "auc"), 400, "Both curves of loss and AUROC against the epoch.")
for epoch in range(400):
    board.epoch = epoch
    for step in range(10):
        time.sleep(0.02)
        if board.due():
            board.step(step + 1, 10, {"loss": 1 / (epoch + step / 10 + 1), "auc": 0.9})
    loss = 1 / (epoch + 2)
    ended = {"loss": loss, "auc": 1 - loss, "val_loss": loss + 0.1, "val_auc": 0.9 - loss}
    board.epoch_done(epoch + 1, ended)
    if board.stop_asked:
        break
board.finish()
"""

DRAWING = """
import os, time
os.environ["MEDTUTOR_PROGRESS"] = "1"
import numpy as np
from medtutor.explore import live_pictures

done = 0
watch = live_pictures(lambda: np.full((4, 8, 8), done / 9000), 9000, alt="Four squares that grow brighter.")
for done in range(1, 9001):
    time.sleep(0.01)
    if watch(None, done, dict(d_loss=1 / done, g_loss=1.0, real_right=0.5, drawn_right=0.9)):
        break
"""

PATIENTS = """
from medtutor.data import load_mr
from medtutor.explore import explore_patients

test = load_mr("test", contrasts=("T1", "FLAIR"), patients=4, size=32)


def predict(images):
    return images[..., 1].max((1, 2)) / 5


explore_patients(test, predict, lambda image: image[..., 1], contrasts=("T1", "FLAIR"))
"""

NOTE = """
import re
from medtutor.explore import explore_note

drugs = {"aspirin": 0.9, "heparin": 0.4, "药": 0.8, "<b>x</b>": 1.0}


def read(text):
    if "crash" in text:
        raise RuntimeError("out of words")
    return [
        {"start": m.start(), "end": m.end(), "type": "drug", "confidence": sure}
        for name, sure in drugs.items()
        for m in re.finditer(re.escape(name), text)
    ]


explore_note(read, "Given aspirin, then heparin.")
"""


@contextmanager
def run(page, lab, name, *sources):
    """The page with a notebook of these cells, all of them started in a kernel of their own."""
    cells = [nbformat.v4.new_code_cell(source, id=f"c{number}") for number, source in enumerate(sources)]
    address = lab.store(name, cells)
    session = {"path": name, "name": name, "type": "notebook", "kernel": {"name": "python3"}}
    kernel = lab.ask("/api/sessions", session)["kernel"]["id"]
    try:
        page.goto(address)
        run_all(page)
        yield page.locator(".jp-OutputArea")
    finally:
        lab.stop(kernel)


def save(page, lab, name):
    """The outputs of the notebook's first cell, as Lab stores them."""
    page.keyboard.press("Control+s")
    page.locator(".jp-NotebookPanel .jp-DirtyIndicator, .jp-mod-dirty").wait_for(state="detached")
    return nbformat.read(lab.folder / name, as_version=4).cells[0].outputs


def test_training_is_watched_and_ended_by_the_button_while_its_cell_runs(page, lab, contrast):
    with run(page, lab, "training.ipynb", TRAINING) as output:
        button = output.get_by_role("button", name="Stop after this epoch")
        button.wait_for(timeout=60_000)
        output.get_by_text("after epoch 5").wait_for()
        assert output.locator("svg[role=img]").count() == 2
        assert "to go" in output.inner_text()
        assert contrast(output)["faint"] == []
        button.focus()
        page.keyboard.press("Enter")
        picture = output.locator("figure img")
        picture.wait_for()
        assert picture.get_attribute("alt") == "Both curves of loss and AUROC against the epoch."
        assert "by hand; the model keeps the weights it had then." in output.inner_text()
        assert output.locator("svg[role=img], button").count() == 0
        (stored,) = save(page, lab, "training.ipynb")
        assert set(stored.data) == {"text/html", "text/plain"}, "what is stored needs no kernel"


def test_a_gan_is_paused_goes_on_and_is_stopped_by_buttons_while_its_cell_runs(page, lab, contrast):
    with run(page, lab, "drawing.ipynb", DRAWING) as output:
        pause = output.get_by_role("button", name="Pause")
        pause.wait_for(timeout=60_000)
        line = output.locator(".widget-html", has=page.get_by_role("progressbar"))
        line.get_by_text("to go").wait_for()
        assert output.locator("svg[role=img]").count() == 2
        assert "of the same noise, after step" in output.locator("img").get_attribute("alt")
        pause.focus()
        page.keyboard.press("Enter")
        line.get_by_text("paused after step").wait_for()
        held = line.inner_text()
        assert contrast(output)["faint"] == []
        page.wait_for_timeout(1500)
        assert line.inner_text() == held, "no step is done meanwhile"
        output.get_by_role("button", name="Go on").click()
        line.get_by_text("paused").wait_for(state="detached")
        output.get_by_role("button", name="Stop").focus()
        page.keyboard.press("Enter")
        picture = output.locator("figure img")
        picture.wait_for()
        assert picture.get_attribute("alt") == "Four squares that grow brighter."
        assert "by hand; the net keeps the weights it had then." in output.inner_text()
        assert output.locator("svg[role=img], button").count() == 0
        (stored,) = save(page, lab, "drawing.ipynb")
        assert set(stored.data) == {"text/html", "text/plain"}, "what is stored needs no kernel"


def test_patients_are_gone_through_by_keyboard_and_a_picture_stays_when_the_kernel_is_gone(
    page, lab, contrast
):
    with run(page, lab, "patients.ipynb", PATIENTS) as output:
        panel = output.locator(".mdt-live")
        panel.wait_for(timeout=90_000)
        assert not output.locator(".mdt-still").is_visible()
        said, image = panel.get_by_role("status"), panel.locator("img")
        assert said.inner_text() == "Guess first: no tumour or tumour?"
        before = image.get_attribute("src")
        panel.get_by_label("show the prediction").focus()
        page.keyboard.press("Space")
        panel.get_by_text("called no tumour").wait_for()
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        panel.get_by_text("wrongly called no tumour").wait_for()
        assert "the lesion outlined" in image.get_attribute("alt") and image.get_attribute("src") != before
        panel.get_by_role("button", name="Next mistake").focus()
        page.keyboard.press("Enter")
        panel.locator("img[alt*='Slice 2 of']").wait_for()
        panel.get_by_label("contrast").select_option("FLAIR")
        panel.locator("img[alt*='FLAIR']").wait_for()
        assert contrast(panel)["faint"] == []
        assert panel.evaluate("(panel) => panel.scrollWidth <= panel.clientWidth")
        still, live = save(page, lab, "patients.ipynb")
        assert "text/html" in still.data and live.data["text/plain"] == ""
    again = {"path": "patients.ipynb", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    kernel = lab.ask("/api/sessions", again)["kernel"]["id"]
    try:
        page.goto(f"{lab.url}/lab/tree/patients.ipynb?reset")
        page.get_by_text("model not found").wait_for(state="attached")
        assert page.locator(".mdt-still img").is_visible()
        assert not page.get_by_text("model not found").is_visible()
    finally:
        lab.stop(kernel)


def test_a_note_is_read_while_it_is_typed_and_stays_as_it_was_when_the_kernel_is_gone(page, lab, contrast):
    with run(page, lab, "note.ipynb", NOTE) as output:
        panel = output.locator(".mdt-live")
        panel.wait_for(timeout=90_000)
        assert not output.locator(".mdt-still").is_visible()
        said, marks = panel.get_by_role("status"), panel.locator("mark")
        assert said.inner_text() == (
            "1 entity of confidence 0.50 or more: 1 drug. 1 is less certain and not shown."
        )
        note = panel.get_by_label("note")
        note.focus()
        page.keyboard.press("Control+End")
        page.keyboard.type(" 药 <b>x</b>")
        panel.get_by_text("3 entities of confidence 0.50 or more").wait_for()
        assert [" ".join(text.split()) for text in marks.all_inner_texts()] == [
            "aspirin drug 0.90",
            "药 drug 0.80",
            "<b>x</b> drug 1.00",
        ]
        page.keyboard.press("Tab")
        for _ in range(20):
            page.keyboard.press("ArrowLeft")
        panel.get_by_text("4 entities of confidence 0.30 or more: 4 drug.").wait_for()
        note.fill("crash")
        panel.get_by_text("Your function raised RuntimeError: out of words").wait_for()
        note.fill("")
        panel.get_by_text("The note is empty").wait_for()
        panel.get_by_role("button", name="Reset").click()
        panel.get_by_text("1 entity of confidence 0.50 or more").wait_for()
        assert contrast(panel.locator(".jupyter-widgets.widget-html"))["faint"] == []
        assert panel.evaluate("(panel) => panel.scrollWidth <= panel.clientWidth")
        still, live = save(page, lab, "note.ipynb")
        assert "text/html" in still.data and live.data["text/plain"] == ""
    again = {"path": "note.ipynb", "name": "", "type": "notebook", "kernel": {"name": "python3"}}
    kernel = lab.ask("/api/sessions", again)["kernel"]["id"]
    try:
        page.goto(f"{lab.url}/lab/tree/note.ipynb?reset")
        page.get_by_text("model not found").wait_for(state="attached")
        assert page.locator(".mdt-still mark").inner_text().split() == ["aspirin", "drug"]
        assert not page.get_by_text("model not found").is_visible()
    finally:
        lab.stop(kernel)
