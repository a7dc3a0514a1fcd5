"""What a window shows: black at its lower edge, white at its upper edge, level in the middle."""

import io

import numpy as np
import pytest
from PIL import Image

from medtutor.plot import show_windows


@pytest.mark.parametrize("hounsfield, grey", [(-151, 0), (-50, 64), (50, 128), (150, 191), (251, 255)])
def test_even_slice_is_drawn_in_the_grey_that_its_window_says(hounsfield, grey):
    picture = show_windows(
        np.full((8, 8), hounsfield), {"soft tissue": (50, 400)}, alt="An even slice in one window."
    )
    drawn = Image.open(io.BytesIO(picture.png)).convert("L")
    assert drawn.getpixel((drawn.width // 2, drawn.height // 2)) == pytest.approx(grey, abs=2)
