"""A figure reaches the page with its description, and is refused without one."""

import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from medtutor import plot

ALT = 'A grey ramp from left < right, called "ramp"'
RAMP = np.linspace(0, 1, 64).reshape(8, 8)
DRAWINGS = {
    "images": lambda alt: plot.show_images([RAMP, RAMP], ["a", "b"], alt=alt),
    "signed images": lambda alt: plot.show_images([RAMP - 0.5], alt=alt, signed=True),
    "windows": lambda alt: plot.show_windows(RAMP, {"w": (0.5, 1)}, alt=alt),
    "signal": lambda alt: plot.show_signal([RAMP.ravel()], alt=alt, marks=[3]),
    "curves": lambda alt: plot.show_curves(range(8), {"one": RAMP[0]}, alt=alt, xlabel="x", ylabel="y"),
}


class Images(html.parser.HTMLParser):
    found = None

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.found = dict(attributes)


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
def test_description_reaches_the_page_and_the_text(draw):
    bundle = draw(ALT)._repr_mimebundle_()
    page = Images()
    page.feed(bundle["text/html"])
    assert page.found["alt"] == ALT
    assert page.found["src"].startswith("data:image/png;base64,")
    assert bundle["text/plain"] == f"<figure: {ALT}>"


@pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS)
@pytest.mark.parametrize("alt", ["", "figure 3"])
def test_figure_without_a_description_is_refused(draw, alt):
    with pytest.raises(ValueError, match="describe in a sentence"):
        draw(alt)


def test_panels_share_one_grey_scale():
    def middle(picture):  # the left panel's middle, behind the frame that "tight" leaves
        image = np.asarray(Image.open(io.BytesIO(picture.png)).convert("L"))
        return int(image[image.shape[0] // 2, image.shape[1] // 4])

    half = np.full((8, 8), 0.5)
    beside_one = plot.show_images([half, np.ones((8, 8))], alt=ALT, vmin=0)
    beside_ten = plot.show_images([half, np.full((8, 8), 10.0)], alt=ALT, vmin=0)
    assert middle(beside_one) == pytest.approx(128, abs=3)
    assert middle(beside_ten) == pytest.approx(13, abs=3)


def test_same_figure_gives_the_same_bytes():
    assert DRAWINGS["signal"](ALT).png == DRAWINGS["signal"](ALT).png
