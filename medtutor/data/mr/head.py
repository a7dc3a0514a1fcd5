"""One head: the average brain, turned, scaled, bent and aged, and cut into slices.

Bending an atlas by random smooth fields to make many anatomies follows Billot et al., SynthSeg, Med Image
Anal 86:102789 (2023). Coordinates are millimetres; a patient's axes are x right, y anterior, z superior.
"""

import numpy as np

from medtutor.data.mr.anatomy import MARGIN, blurred, maps

FIELD_OF_VIEW = 220.0  # mm, both sides of a slice
CENTRE = np.array([0.0, -17.0])  # mm, middle of the atlas brain seen from above
BENDING = ((60.0, 4.0), (15.0, 1.1))  # (distance of the knots, standard deviation of the shift), both in mm
REACH = (40.0, 120.0, 120.0)  # mm on both sides of the middle, along z, y, x, that the fields cover
RIGID = 10.0  # mm below the surface, from which on the anatomy gives way to a mass
VENTRICLE = np.array([11.0, 32.0, 14.0])  # mm, reach of the widening around each lateral ventricle


def stream(number, what):
    """The random numbers of patient `number` for one purpose; others do not disturb them."""
    return np.random.default_rng([number, *what.encode()])


def spline_field(rng, z, y, x, knots, components=()):
    """A smooth random field of standard deviation 1 on a regular grid: cubic B-splines, normal coefficients.

    z (l,) within 40 mm of 0, y (h,), x (w,) within 120 mm;  knots: their distance in mm
    ->     (*components, l, h, w) float32
    """
    counts = [int(np.ceil(2 * reach / knots)) + 4 for reach in REACH]
    coefficients = rng.standard_normal((*components, *counts), dtype=np.float32)
    for axis, reach, count in zip((z, y, x), REACH, counts, strict=True):
        # each step replaces the first axis of knots by one of the grid, put last
        t = np.abs((np.asarray(axis)[:, None] + reach) / knots + 1 - np.arange(count))  # (grid, knots)
        basis = np.where(t < 1, 2 / 3 - t**2 + t**3 / 2, np.clip(2 - t, 0, None) ** 3 / 6).astype(np.float32)
        basis /= np.sqrt((basis**2).sum(1, keepdims=True))  # so that the sum keeps a standard deviation of 1
        coefficients = np.moveaxis(coefficients, len(components), -1) @ basis.T
    return coefficients


class Head:
    """One patient's head, without a lesion, the same at every resolution.

    number  of the patient: it decides everything
    age     0 young to 1 old: wider ventricles and sulci, more white-matter spots
    """

    def __init__(self, number):
        rng = stream(number, "head")
        self.number = number
        self.age = rng.uniform()
        about_x, about_y, about_z = np.radians(rng.uniform((-10, -7, -9), (10, 7, 9)))
        self.turn = _rotation(about_x, about_y, about_z) @ np.diag(rng.uniform(0.92, 1.08, 3))
        self.centre = np.array([*CENTRE, rng.uniform(4, 40)])  # z: from the thalamus to above the ventricles
        wide = rng.normal(0.06 + 0.16 * self.age, 0.06)
        self.widening = wide + rng.normal(0, 0.06, 2)  # left and right differ
        self.atrophy = np.clip(rng.normal(0.4 * self.age, 0.12), 0, 0.7)
        self.rings = rng.uniform((1.5, 6, 11), (3, 8, 14))  # mm: outer edges of CSF, skull and scalp

    def grid(self, levels, size):
        """Where pixels lie: z (l,), y (h,), x (w,) in mm; the first row anterior, the first column right."""
        step = FIELD_OF_VIEW / size
        across = (np.arange(size) - (size - 1) / 2) * step
        return np.asarray(levels, float), -across, -across

    def fractions(self, z, y, x, pull=None):
        """What the voxels hold, at the places that the grid names.

        pull  (3, l, h, w) in mm or None: extra shift of the brain, as by a mass; the skull stays where it is
        ->    grey, white, csf (each (l, h, w), 0 to 1) and distance (l, h, w), mm outside the brain
        """
        from scipy.ndimage import map_coordinates

        places = np.stack(np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None]))
        places = places.astype(np.float32)
        rng = stream(self.number, "bending")
        for knots, shift in BENDING:
            places += shift * spline_field(rng, z, y, x, knots, (3,))
        atlas = np.tensordot(self.turn.astype(np.float32), places, 1) + _column(self.centre)
        self._widen_ventricles(atlas)
        index = atlas + _column(maps()["origin"])
        coarse = index / 2 + MARGIN
        distance = map_coordinates(maps()["distance"], coarse, order=1, mode="nearest", prefilter=False)
        if pull is not None:
            inside = pull * np.clip(-distance / RIGID, 0, 1)  # the skull stays
            index += np.tensordot(self.turn.astype(np.float32), inside, 1)
        sigma = 0.35 * abs(y[1] - y[0]) if len(y) > 1 else 0.6
        near = distance < 6  # beyond, there is no brain to look up
        fractions = np.zeros((3, *near.shape), np.float32)
        for fraction, volume in zip(fractions, blurred(round(sigma, 3)), strict=True):
            fraction[near] = map_coordinates(volume, index[:, near], order=1, prefilter=False)
        grey, white, csf = fractions
        lost = grey * np.clip(2 * self.atrophy * csf, 0, 1)  # sulci widen where CSF already is
        return grey - lost, white, csf + lost, distance

    def _widen_ventricles(self, atlas):
        """Pull the places towards each lateral ventricle, so that it looks larger (or smaller). In place."""
        for side, amount in zip((-1, 1), self.widening, strict=True):
            away = atlas - _column([side * 10.0, -8.0, 18.0])
            near = np.exp(-((away / _column(VENTRICLE)) ** 2).sum(0) / 2)
            atlas -= np.float32(1.8 * amount) * near * away


def _column(vector):
    """A vector (3,) as (3, 1, 1, 1) float32, to be added to places (3, l, h, w)."""
    return np.asarray(vector, np.float32)[:, None, None, None]


def _rotation(about_x, about_y, about_z):
    c, s = np.cos, np.sin
    x = [[1, 0, 0], [0, c(about_x), -s(about_x)], [0, s(about_x), c(about_x)]]
    y = [[c(about_y), 0, s(about_y)], [0, 1, 0], [-s(about_y), 0, c(about_y)]]
    z = [[c(about_z), -s(about_z), 0], [s(about_z), c(about_z), 0], [0, 0, 1]]
    return np.array(z) @ np.array(y) @ np.array(x)
