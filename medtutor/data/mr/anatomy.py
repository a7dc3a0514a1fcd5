"""The average brain that every simulated head is bent from, as shipped in data/anatomy.npz."""

import functools
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[3] / "data" / "anatomy.npz"
LEVELS = 63  # tissue fractions are stored as 0 to 63
MARGIN = 16  # voxels of 2 mm around the map of distances


@functools.cache
def maps():
    """Grey matter, white matter and CSF, 1 mm apart, and the distance to the brain's surface, 2 mm apart.

    -> dict: "fractions" (3, 182, 206, 127) float32, 0 to 1, of grey matter, white matter and CSF, the axes
       pointing right, anterior, superior; "distance" (123, 135, 96) float32 in mm, negative inside the brain,
       with a margin of 16 voxels on every side; "origin" (3,), the 1 mm index of the anterior commissure

    Source: ICBM 152 nonlinear symmetric 2009a, Fonov et al., NeuroImage 54:313 (2011), shipped with nilearn.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    if not FILE.is_file():
        raise FileNotFoundError(
            f"{FILE} is not there; it comes with the project's checkout, from which medtutor has to be "
            "installed (`make lab` does so)"
        )
    with np.load(FILE, allow_pickle=False) as file:
        grey, white = (file[name].astype(np.float32) / LEVELS for name in ("grey", "white"))
        brain = np.unpackbits(file["brain"], count=grey.size).reshape(grey.shape).astype(bool)
        origin = file["origin"].astype(float)
    csf = np.clip(1 - grey - white, 0, 1)
    coarse = np.pad(brain[::2, ::2, ::2], MARGIN)
    distance = 2 * (distance_transform_edt(~coarse) - distance_transform_edt(coarse))
    return {
        "fractions": np.stack([grey, white, csf]) * brain,
        "distance": gaussian_filter(distance, 1.0).astype(np.float32),
        "origin": origin,
    }


@functools.lru_cache(maxsize=3)
def blurred(sigma):
    """Grey matter, white matter and CSF, averaged over a Gaussian of `sigma` mm: what one pixel sees.

    -> (3, 182, 206, 127) float32
    """
    from scipy.ndimage import gaussian_filter

    return np.stack([gaussian_filter(fraction, sigma, truncate=3) for fraction in maps()["fractions"]])
