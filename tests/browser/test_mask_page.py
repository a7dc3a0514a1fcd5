"""The explorers of masks in a real browser: thresholds and paintings scored as by medtutor.metrics."""

from functools import cache

import numpy as np
import pytest

from medtutor import metrics
from medtutor.course.poke import cut_off
from medtutor.explore import explore_mask, explore_painting

SPACING = (4.0, 1.5, 1.5)


def volume():
    random = np.random.default_rng(4)
    images = random.uniform(0, 1.5, (3, 32, 24, 2)).astype("float32")
    truth = np.zeros((3, 32, 24), int)
    truth[0, 6:14, 5:16] = truth[2, 20:30, 12:22] = 1
    p = np.clip(0.5 * truth + random.normal(0.25, 0.15, truth.shape), 0, 0.99).astype("float32")
    return images, truth, p


X, Y, P = volume()
NAMES = {"contrasts": ("T1", "FLAIR")}
mask_explorer = cache(lambda **settings: explore_mask(X, Y, P, **NAMES, **settings))
painting = cache(lambda: explore_painting(X[0], Y[0], P[0] >= 0.5, **NAMES, brush=1))


@pytest.fixture
def show(dark_page):
    """show(tab, explorer, copies) opens a dark page that holds the explorer, so many times."""
    return lambda tab, explorer, copies=1: dark_page(tab, explorer.page(), copies)


def scores(tab, name):
    """The numbers in this row of the table."""
    texts = tab.locator(".mdx-scores tr", has=tab.get_by_role("rowheader", name=name)).locator("td")
    return [float(text.replace("−", "-").replace(",", "")) for text in texts.all_inner_texts()]


def slide(tab, name, place):
    tab.get_by_role("slider", name=name).first.fill(str(place))


def spot(board, row, column, shape=(32, 24)):
    """Where the middle of pixel [row, column] is on the screen."""
    box = board.bounding_box()
    canvas, margin = 560, 8
    size = (canvas - 2 * margin) / max(shape)
    x = (canvas - shape[1] * size) / 2 + (column + 0.5) * size
    y = (canvas - shape[0] * size) / 2 + (row + 0.5) * size
    return box["x"] + x / canvas * box["width"], box["y"] + y / canvas * box["height"]


def drag(tab, *pixels):
    board = tab.get_by_role("application")
    tab.mouse.move(*spot(board, *pixels[0]))
    tab.mouse.down()
    for pixel in pixels[1:]:
        tab.mouse.move(*spot(board, *pixel))
    tab.mouse.up()


def press(tab, name):
    tab.get_by_role("button", name=name).click()


# ---- a threshold on a probability map ----


@pytest.mark.parametrize(("at", "step"), [(0, 0), (0, 50), (0, 75), (1, 30), (1, 100), (2, 100)])
def test_scores_at_a_threshold_are_those_of_metrics(page, show, at, step):
    show(page, mask_explorer(spacing=SPACING))
    slide(page, "slice", at)
    slide(page, "threshold", step)
    called = P >= np.float32(step / 100)
    for scope, (y, p) in enumerate([(Y[at : at + 1], called[at : at + 1]), (Y, called)]):
        assert scores(page, "Dice")[scope] == pytest.approx(metrics.dice(y, p), abs=0.00051)
        assert scores(page, "IoU")[scope] == pytest.approx(metrics.iou(y, p), abs=0.00051)
        (_, fp), (fn, tp) = metrics.confusion(y.ravel(), p.ravel())
        assert [scores(page, name)[scope] for name in ("found (TP)", "extra (FP)", "missed (FN)")] == [
            tp,
            fp,
            fn,
        ]
        assert scores(page, "true volume")[scope] == pytest.approx(metrics.volume(y, SPACING), abs=0.0051)
        assert scores(page, "called volume")[scope] == pytest.approx(metrics.volume(p, SPACING), abs=0.0051)
        error = metrics.volume_error(y, p, SPACING)
        assert scores(page, "too large by")[scope] == pytest.approx(error, abs=0.0051)


def test_empty_masks_are_told_in_words(page, show):
    show(page, mask_explorer())
    slide(page, "slice", 1)
    slide(page, "threshold", 100)
    assert (
        "no lesion in truth and none is called: they agree, Dice 1"
        in page.locator(".mdx-sentence").inner_text()
    )
    slide(page, "threshold", 10)
    assert "no lesion in truth, Dice 0" in page.locator(".mdx-sentence").inner_text()
    slide(page, "slice", 0)
    slide(page, "threshold", 100)
    assert "nothing is called lesion, Dice 0" in page.locator(".mdx-sentence").inner_text()


def test_hatches_differ_in_their_pattern_not_only_in_colour(page, show):
    """Drawn black on white, the three areas of the key still differ from each other."""
    show(page, mask_explorer())
    inked = page.evaluate("""() => [...document.querySelectorAll(".mdx-sample")].slice(0, 3).map((canvas) => {
      const {data} = canvas.getContext("2d").getImageData(0, 0, 48, 30);
      return Array.from({length: 48 * 30}, (_, at) => Number(data[4 * at] + data[4 * at + 1] < 60)).join("");
    })""")
    assert len(set(inked)) == 3 and all("1" in dots for dots in inked)


PIXEL = """([board, layer, row, column, rows, columns]) => {
  const canvas = document.querySelectorAll(".mdx-stack")[board].querySelectorAll("canvas")[layer];
  const size = 544 / Math.max(rows, columns);
  const x = (560 - columns * size) / 2 + (column + 0.5) * size;
  const y = (560 - rows * size) / 2 + (row + 0.5) * size;
  const {data} = canvas.getContext("2d").getImageData(x - 6, y - 6, 12, 12);
  return [...data].some((v, at) => at % 4 < 3 && v !== data[at % 4]);
}"""


def test_areas_are_hatched_where_masks_are_and_alpha_zero_leaves_the_image(page, show):
    show(page, mask_explorer(alpha=1))
    called = P[0] >= 0.5
    hatched = [(0, 0, row, column, 32, 24) for row, column in np.argwhere(called | (Y[0] == 1))[::7].tolist()]
    plain = [(0, 0, row, column, 32, 24) for row, column in np.argwhere(~called & (Y[0] == 0))[::40].tolist()]
    assert all(page.evaluate(PIXEL, spot) for spot in hatched)
    assert not any(page.evaluate(PIXEL, spot) for spot in plain)
    slide(page, "overlay", 0)
    assert not any(page.evaluate(PIXEL, spot) for spot in hatched)


def test_keyboard_alone_moves_slice_threshold_and_contrast(page, show):
    show(page, mask_explorer())
    page.get_by_role("slider", name="slice").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".mdx-sentence").inner_text().startswith("slice 1, threshold 0.49:")
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    assert page.get_by_role("slider", name="overlay").get_attribute("aria-valuetext") == "100 %"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="FLAIR").is_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator(".mdx-sentence").inner_text().startswith("slice 0, threshold 0.50:")


@pytest.mark.parametrize("width", [1280, 700])
def test_mask_explorer_is_not_cut_off_and_does_not_jump(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    names = tuple(f"patient mr-{2000000 + at}" for at in range(len(X)))  # as long as the course's
    show(page, mask_explorer(spacing=SPACING, titles=names))
    heights = set()
    for at, step in ((0, 50), (1, 100), (2, 0)):
        slide(page, "slice", at)
        slide(page, "threshold", step)
        heights.add(page.locator(".mdx").bounding_box()["height"])
        assert cut_off(page.locator(".mdx")) == []
    assert len(heights) == 1


# ---- painting a mask of one's own ----


def test_a_painted_mask_is_scored_against_truth_and_net(page, show):
    show(page, painting())
    mine = np.zeros((32, 24), int)
    for row in range(7, 15):
        drag(page, (row, 4), (row, 12))
        mine[row, 4:13] = 1
    assert page.locator(".mdx-sentence").inner_text() == "72 pixels painted. Press Score when you are done."
    assert "–" in page.locator(".mdx-scores").inner_text()
    press(page, "Score")
    net = (P[0] >= 0.5).astype(int)
    for name, y, p in (
        ("you against truth", Y[0], mine),
        ("net against truth", Y[0], net),
        ("you against net", net, mine),
    ):
        (_, fp), (fn, tp) = metrics.confusion(y.ravel(), p.ravel())
        expected = [metrics.dice(y, p), metrics.iou(y, p), tp, fn, fp]
        assert scores(page, name) == pytest.approx(expected, abs=0.00051)
    yours, nets = metrics.dice(Y[0], mine), metrics.dice(Y[0], net)
    than = "above" if yours > nets else "below"
    assert (
        f"Your Dice is {yours:.3f}, {than} the net's {nets:.3f}."
        in page.locator(".mdx-sentence").inner_text()
    )


def test_keyboard_alone_paints_erases_undoes_and_is_scored(page, show):
    show(page, painting())
    page.get_by_role("application").focus()
    page.keyboard.press(" ")  # the brush starts in the middle, [16, 12]
    for _ in range(3):
        page.keyboard.press("ArrowUp")
        page.keyboard.press(" ")
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press(" ")
    assert page.locator(".mdx-sentence").inner_text().startswith("5 pixels painted.")
    page.keyboard.press("u")
    assert page.locator(".mdx-sentence").inner_text().startswith("Undone. 4 pixels painted.")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="erase").is_checked()
    page.get_by_role("application").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press(" ")
    mine = np.zeros((32, 24), int)
    mine[14:17, 12] = 1
    page.get_by_role("button", name="Score").press("Enter")
    assert scores(page, "you against truth")[0] == pytest.approx(metrics.dice(Y[0], mine), abs=0.00051)
    assert page.locator(".mdx-sentence").inner_text().startswith("3 pixels painted.")


def test_brush_sizes_paint_discs_and_stop_at_the_border(page, show):
    show(page, painting())
    rows, columns = np.mgrid[:32, :24]
    for brush in (1, 3, 5, 9):
        page.get_by_role("radio", name=str(brush), exact=True).check()
        drag(page, (0, 23))
        disc = rows**2 + (columns - 23) ** 2 <= (brush / 2) ** 2
        assert page.locator(".mdx-sentence").inner_text().startswith(f"{disc.sum()} pixel")
        press(page, "Clear")
        assert page.locator(".mdx-sentence").inner_text().startswith("Cleared. 0 pixels")


def test_painting_on_takes_the_scores_away_until_asked_again(page, show):
    show(page, painting())
    assert page.get_by_role("radio", name="the net").is_disabled()
    press(page, "Score")
    before = scores(page, "you against truth")
    page.get_by_role("radio", name="the net").check()
    drag(page, (8, 8))
    assert "–" in page.locator(".mdx-scores").inner_text()
    assert page.get_by_role("radio", name="the net").is_disabled()
    press(page, "Score")
    assert scores(page, "you against truth") != before
    press(page, "Undo")
    press(page, "Score")
    assert scores(page, "you against truth") == before


def test_truth_is_drawn_only_after_score(page, show):
    show(page, painting())
    inside = [(0, 0, row, column, 32, 24) for row, column in np.argwhere(Y[0] == 1)[::5].tolist()]
    assert not any(page.evaluate(PIXEL, spot) for spot in inside)
    press(page, "Score")
    assert all(page.evaluate(PIXEL, spot) for spot in inside)
    page.get_by_role("radio", name="nothing").check()
    assert not any(page.evaluate(PIXEL, spot) for spot in inside)


def test_touch_paints(touch_page, show):
    show(touch_page, painting())
    touch_page.touchscreen.tap(*spot(touch_page.get_by_role("application"), 3, 3))
    assert touch_page.locator(".mdx-sentence").inner_text().startswith("1 pixel painted.")


@pytest.mark.parametrize("width", [1280, 700])
def test_painting_explorer_is_not_cut_off_and_does_not_jump(page, show, width):
    page.set_viewport_size({"width": width, "height": 900})
    show(page, painting())
    heights = {page.locator(".mdx").bounding_box()["height"]}
    drag(page, (8, 8), (14, 16))
    press(page, "Score")
    heights.add(page.locator(".mdx").bounding_box()["height"])
    assert cut_off(page.locator(".mdx")) == [] and len(heights) == 1


# ---- both ----


@pytest.mark.parametrize("explorer", [mask_explorer, painting])
def test_texts_stand_out_from_what_is_behind_them(page, show, contrast, explorer):
    show(page, explorer())
    judged = contrast(page.locator(".mdx"))
    assert judged["count"] > 30 and judged["faint"] == []


@pytest.mark.parametrize("explorer", [mask_explorer, painting])
def test_two_copies_in_a_page_are_independent(page, show, explorer):
    show(page, explorer(), copies=2)
    page.get_by_role("radio", name="FLAIR").first.check()
    assert page.get_by_role("radio", name="T1").nth(1).is_checked()


def test_exported_notebook_is_live(page, cell_of, open_exported):
    cells = [
        cell_of(mask_explorer()._repr_mimebundle_(), source="explore_mask(x, y, p)", identity="mask"),
        cell_of(painting()._repr_mimebundle_(), source="explore_painting(x, y, p)", identity="painting"),
    ]
    open_exported(page, *cells)
    page.wait_for_function("document.querySelectorAll('.mdx').length === 2")
    slide(page, "threshold", 30)
    expected = metrics.dice(Y[0], P[0] >= np.float32(0.3))
    assert scores(page, "Dice")[0] == pytest.approx(expected, abs=0.00051)
    press(page, "Score")
    assert scores(page, "net against truth")[0] == pytest.approx(metrics.dice(Y[0], P[0] >= 0.5), abs=0.00051)
