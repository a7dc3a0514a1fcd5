"""The latent explorer without a browser: its page, and its arithmetic against scipy's interpolation."""

import base64
import html
import re

import numpy as np
import pytest
from explored import in_node, state_of
from scipy.interpolate import RegularGridInterpolator

from medtutor.explore import explore_latent
from medtutor.explore.base import HERE


def grid(classes=2, rows=3, cols=4, h=6, w=5, seed=0):
    """Pictures in 256 greys, so that what is stored is what was given."""
    return np.random.default_rng(seed).integers(0, 256, (classes, rows, cols, h, w)) / 255


NAMES = ("no tumour", "tumour")


# ---- the page ----


def test_the_same_pictures_give_the_same_bytes():
    first = explore_latent(grid(), classes=NAMES)._repr_mimebundle_()
    assert first == explore_latent(grid().tolist(), classes=list(NAMES))._repr_mimebundle_()
    assert set(first) == {"text/html", "text/plain"}


def test_a_net_trained_elsewhere_changes_nothing_but_the_marked_state_and_the_picture():
    pages = []
    for seed in (0, 1):
        page = explore_latent(grid(seed=seed), classes=NAMES).page()
        page = re.sub(r"/\* measured \*/.*?/\* end of measured \*/", "", page)
        pages.append(re.sub(r"base64,[A-Za-z0-9+/=]+", "", page))
    assert pages[0] == pages[1]


@pytest.mark.parametrize("given", [grid(), grid()[1]])
def test_every_picture_is_stored_in_its_place_in_256_greys(given):
    state = state_of(explore_latent(given, classes=NAMES if given.ndim == 5 else ()).page())
    stored = np.frombuffer(base64.b64decode(state["pictures"]), "uint8").reshape(state["shape"])
    np.testing.assert_array_equal(stored / 255, given if given.ndim == 5 else given[None])
    rounded = state_of(explore_latent(np.full((2, 2, 3, 3), 0.5)).page())["pictures"]
    assert set(base64.b64decode(rounded)) == {128}, "127.5 is rounded, not cut off"


def test_the_walk_starts_in_the_middle_or_where_the_reader_says():
    where = [
        (state["row"], state["column"])
        for state in (state_of(explore_latent(grid()[0], start=start).page()) for start in (None, (0, 3)))
    ]
    assert where == [(1, 2), (0, 3)]


def test_blends_are_offered_only_where_the_author_asks_and_are_off_at_first():
    states = [state_of(explore_latent(grid()[0], between=between).page()) for between in (False, True)]
    assert [state["between"] for state in states] == [False, True]
    assert [state["blend"] for state in states] == [False, False]


def test_description_says_what_is_walked_and_where_it_starts():
    alt = explore_latent(grid(), classes=NAMES, axes=("z₁", "z₂"), start=(0, 1)).picture.alt
    for words in (
        "A walk over 3 by 4 drawn pictures of the class no tumour of 6 by 5 pixels, z₁ by z₂",
        "starts from, in row 1 and column 2, and the four at the corners",
        "The same noise is drawn as no tumour and as tumour.",
    ):
        assert words in alt
    assert "class" not in explore_latent(grid()[0]).picture.alt


def test_words_of_the_reader_cannot_leave_their_place():
    nasty = '</script><!-- " & <b> /* end of measured */'
    page = explore_latent(grid(), classes=(nasty, "药"), axes=(nasty, nasty)).page()
    assert page.count("</script>") == 1 and "<!--" not in page and "<b>" not in page
    assert state_of(page)["classes"] == [nasty, "药"]
    assert nasty in html.unescape(re.search(r'<img alt="([^"]*)"', page)[1])


def test_a_page_of_two_classes_of_nine_by_nine_stays_below_300_kilobytes():
    assert len(explore_latent(grid(2, 9, 9, 32, 32), classes=NAMES).page()) < 300_000


@pytest.mark.parametrize(
    ("pictures", "options", "message"),
    [
        (np.zeros((4, 8, 8)), {}, r"pictures has shape \(4, 8, 8\); give \(rows, cols, h, w\) or"),
        (np.zeros((1, 4, 8, 8)), {}, "a walk needs 2 rows and 2 columns"),
        (np.zeros((2, 0, 8, 8)), {}, r"pictures has shape \(2, 0, 8, 8\)"),
        (np.zeros((2, 2, 8, 200)), {}, "8 × 200 pixels; at most 128 × 128"),
        (np.full((2, 2, 8, 8), np.nan), {}, "not finite numbers"),
        (np.full((2, 2, 8, 8), -0.5), {}, r"from -0.5 to -0.5; 0 to 1 .* \(pictures \+ 1\) / 2"),
        (np.zeros((9, 9, 96, 96)), {}, "needs 995 kB in the page, more than 600"),
        (grid(), {}, r"classes are \[\]; one for each of the 2 classes"),
        (grid(), {"classes": ("a", "b", "c")}, "one for each of the 2"),
        (grid()[0], {"axes": ("down",)}, r"axes are \['down'\]; two names"),
        (grid()[0], {"axes": "z"}, r"axes are \['z'\]; two names"),
        (
            grid()[0],
            {"values": ([0, 1], [0, 1, 2, 3])},
            r"values have shapes \[\(2,\), \(4,\)\]; .* \[\(3,\)",
        ),
        (grid()[0], {"values": ([0, 1, 2],)}, "one number for each row"),
        (grid()[0], {"start": (3, 0)}, r"start is \(3, 0\); .* from \(0, 0\) to \(2, 3\)"),
        (grid()[0], {"start": 1}, r"start is 1; \(row, column\)"),
        (grid()[0], {"start": (0.5, 0)}, r"start is \(0.5, 0\)"),
    ],
)
def test_what_cannot_be_walked_is_refused_with_what_to_do(pictures, options, message):
    with pytest.raises(ValueError, match=message):
        explore_latent(pictures, **options)


# ---- the arithmetic in JavaScript, run by the node that playwright brings ----

ASK_NODE = """
import {arithmetic} from "./explorer.mjs";
import {readFileSync} from "node:fs";
const [stored, shape, places] = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(places.map(([kind, row, column]) => {
  const picture = arithmetic.pictureAt(stored, shape, kind, row, column);
  const start = arithmetic.pictureAt(stored, shape, 0, 1, 2);
  const {values, mean, largest} = arithmetic.difference(picture, start);
  const near = arithmetic.neighbours(row, column, shape[1], shape[2]).length;
  return {picture: [...picture], values: [...values], mean, largest, near};
})));
"""


@pytest.fixture(scope="module")
def javascript(tmp_path_factory):
    """javascript(pictures, places) -> what the explorer shows at each (class, row, column)."""
    ask = in_node(tmp_path_factory.mktemp("node"), ASK_NODE, {"explorer.mjs": HERE / "latent.js"})

    def shown(pictures, places):
        stored = np.rint(255 * pictures).astype(int).ravel().tolist()
        return ask([stored, pictures.shape, places])

    return shown


def test_at_a_drawn_place_the_drawn_picture_is_shown_and_no_other(javascript):
    pictures = grid()
    places = [(k, r, c) for k in range(2) for r in range(3) for c in range(4)]
    for place, answer in zip(places, javascript(pictures, places), strict=True):
        np.testing.assert_array_equal(np.reshape(answer["picture"], (6, 5)), pictures[place])
        assert answer["near"] == 1


def test_between_drawn_places_the_blend_is_scipy_s_bilinear_one(javascript):
    pictures = grid()
    places = [(k, r / 4, c / 4) for k in range(2) for r in range(9) for c in range(13)]
    wanted = [RegularGridInterpolator((range(3), range(4)), of_class) for of_class in pictures]
    for (k, r, c), answer in zip(places, javascript(pictures, places), strict=True):
        np.testing.assert_allclose(np.reshape(answer["picture"], (6, 5)), wanted[k]((r, c)), atol=1e-12)
        assert answer["near"] == (1 if r % 1 == 0 else 2) * (1 if c % 1 == 0 else 2)


def test_the_difference_is_signed_and_summed_up_without_its_sign(javascript):
    pictures = grid()
    places = [(0, 1, 2), (1, 1, 2), (0, 0, 0.5)]
    for answer in javascript(pictures, places):
        change = np.array(answer["picture"]) - pictures[0, 1, 2].ravel()
        np.testing.assert_allclose(answer["values"], change, atol=1e-12)
        assert answer["mean"] == pytest.approx(np.abs(change).mean())
        assert answer["largest"] == pytest.approx(np.abs(change).max())
