"""One simulated patient: a head, perhaps one lesion, harmless white-matter spots, and the scanner's images.

Everything about a patient follows from a number. Anatomy and lesion do not depend on the resolution, the
contrasts or the scanner, so that the same head can be seen by several.
"""

from dataclasses import dataclass

import numpy as np

from medtutor.data.mr.head import FIELD_OF_VIEW, Head, spline_field, stream
from medtutor.data.mr.physics import CONTRASTS, SCANNERS, TISSUES, rician, signal

LEVEL_DISTANCE = 3.0  # mm between neighbouring slices
TISSUE_CLASSES = ("background", "CSF", "grey matter", "white matter", "lesion")
LESION_CLASSES = ("none", "tumour", "oedema")
HIGHEST = 1.5  # brightness is cut off here; 1 = 99th percentile of the brain


@dataclass(frozen=True)
class Scan:
    """The slices of one patient.

    images   {contrast: (l, h, w) float32}, 0 to 1.5, noisy
    clean    {contrast: (l, h, w) float32}, the same without noise
    sigma    {contrast: standard deviation of the noise}
    tissue   (l, h, w) uint8, an index into TISSUE_CLASSES
    lesion   (l, h, w) uint8, an index into LESION_CLASSES
    levels   (l,) mm, height of each slice above the middle one
    """

    images: dict
    clean: dict
    sigma: dict
    tissue: np.ndarray
    lesion: np.ndarray
    levels: np.ndarray


def levels(slices):
    """Heights of `slices` neighbouring slices around the middle, in mm."""
    return (np.arange(slices) - (slices - 1) / 2) * LEVEL_DISTANCE


def scan_patient(number, sick, *, contrasts=("T1", "FLAIR"), size=64, slices=4, scanner="A"):
    """Put patient `number` into the scanner.

    number     any whole number from 0; it decides head, lesion and noise
    sick       True: one tumour with oedema that reaches into at least one of the slices
    contrasts  of "T1", "T2", "FLAIR", "PD"
    size       pixels along each side of 220 mm
    slices     how many, 3 mm apart, around the lesion (or around any level, if there is none)
    scanner    "A" (1.5 T) or "B" (3 T, other times, noise, shading and sharpness)
    ->         Scan
    """
    head = Head(number)
    z, y, x = head.grid(levels(slices), size)
    mass = Mass(head) if sick else None
    while True:
        grey, white, csf, distance = head.fractions(z, y, x, mass.pull(z, y, x) if sick else None)
        mixture = _mixture(head, grey, white, csf, distance, (z, y, x))
        brain = grey + white + csf > 0.5
        tissue = (np.stack([csf, grey, white]).argmax(0) + 1).astype(np.uint8) * brain
        lesion = np.zeros_like(tissue)
        if not sick:
            break
        core, oedema = mass.add_to(mixture, white, brain, (z, y, x))
        lesion[oedema > 0.5] = 2
        lesion[core > 0.5] = 1
        if lesion.any():
            break
        mass.radius *= 1.25  # so small that it fell between the pixels
    tissue[lesion > 0] = 4
    images, clean, sigma = {}, {}, {}
    for contrast in contrasts:
        clean[contrast], images[contrast], sigma[contrast] = _acquire(
            number, mixture, brain, contrast, SCANNERS[scanner], (z, y, x)
        )
    return Scan(images, clean, sigma, tissue, lesion, z)


class Mass:
    """A tumour, solid or with a necrotic middle, and the oedema that it drives into the white matter.

    Its surface is a star around its centre, at a distance that depends on the direction n,

        R(n) = R (1 + sum_m a_m cos(w_m . n + phi_m)),   m = 1 … 5,  a_m ~ N(0, 0.2/m),  |w_m| = m

    and it pushes the anatomy outwards by the share `effect` of the distance, fading with exp(-(r/1.8R)^2).
    """

    def __init__(self, head):
        rng = stream(head.number, "lesion")
        self.head = head
        self.radius = rng.uniform(7, 18)  # mm
        m = np.arange(1, 6)
        axes = rng.standard_normal((5, 3))
        self.waves = (m[:, None] * axes / np.linalg.norm(axes, axis=1, keepdims=True)).astype(np.float32)
        self.heights = rng.normal(0, 0.2 / m).astype(np.float32)
        self.phases = rng.uniform(0, 2 * np.pi, 5).astype(np.float32)
        self.effect = rng.uniform(0.05, 0.3)
        self.necrosis = rng.uniform(0.3, 0.65) * (rng.uniform() < 0.5)  # its radius, as a share
        self.reach = rng.uniform(1.1, 1.7)  # of the oedema, as a share of the radius
        self.density = rng.uniform(0.6, 0.95)  # how much of a voxel in the core is tumour
        self.wetness = rng.uniform(0.55, 0.85)  # how much of a voxel beside it is oedema
        self.centre = self._place(rng)

    def _place(self, rng):
        """Somewhere in the middle slice, mostly white matter, at least 9 mm below the surface."""
        size = 40
        z, y, x = self.head.grid([0.0], size)
        grey, white, _, distance = self.head.fractions(z, y, x)
        weight = ((white + 0.3 * grey) * (distance < -9)).ravel().astype(float)
        row, col = divmod(rng.choice(weight.size, p=weight / weight.sum()), size)
        beside = rng.uniform(-0.5, 0.5, 2) * FIELD_OF_VIEW / size
        return np.array([x[col] + beside[0], y[row] + beside[1], rng.uniform(-1.5, 1.5)])

    def _away(self, z, y, x):
        """Vector from the centre, its length, and the surface's distance in that direction; mm."""
        places = np.broadcast_arrays(x[None, None, :], y[None, :, None], z[:, None, None])
        away = (np.stack(places) - self.centre[:, None, None, None]).astype(np.float32)
        r = np.sqrt((away**2).sum(0))
        angles = np.tensordot(self.waves, away / np.maximum(r, 1e-6), 1)  # (5, l, h, w)
        waves = np.cos(angles + self.phases[:, None, None, None])
        star = 1 + np.tensordot(self.heights, waves, 1)
        return away, r, self.radius * np.clip(star, 0.5, 1.7)

    def pull(self, z, y, x):
        """(3, l, h, w) mm, what is seen at a place comes from this much closer to the centre."""
        away, r, _ = self._away(z, y, x)
        return -self.effect * np.exp(-((r / (1.8 * self.radius)) ** 2)) * away

    def add_to(self, mixture, white, brain, grid):
        """Replace healthy tissue in `mixture`, in place; -> core and oedema (l, h, w), shares from 0 to 1."""
        z, y, x = grid
        _, r, surface = self._away(z, y, x)
        step = FIELD_OF_VIEW / len(x)
        ragged = 1 + 0.12 * spline_field(stream(self.head.number, "oedema"), z, y, x, 12.0)
        core = _ramp(surface - r, 0.5 * step) * brain
        dead = _ramp(self.necrosis * surface - r, step) * (self.necrosis > 0) * core
        around = (
            _ramp(surface * self.reach * ragged - r, 1.5 * step) * np.clip(1.3 * white + 0.15, 0, 1) * brain
        )
        oedema = np.clip(around - core, 0, 1)
        for name, share in (
            ("oedema", self.wetness * oedema),
            ("tumour", self.density * core),
            ("necrosis", dead),
        ):
            _replace(mixture, name, share)
        return core, oedema


def _mixture(head, grey, white, csf, distance, grid):
    """The share of every tissue in every voxel, skull, scalp and harmless white-matter spots included.

    -> (8, l, h, w) float32, in the order of TISSUES
    """
    z, y, x = grid
    mixture = np.zeros((len(TISSUES), *grey.shape), np.float32)
    outside = 1 - np.clip(grey + white + csf, 0, 1)
    uneven = distance * (1 + 0.12 * spline_field(stream(head.number, "skull"), z, y, x, 50.0))
    fluid, skull, scalp = head.rings
    mixture[0] = csf + outside * _ramp(fluid - uneven, 0.8)
    mixture[1], mixture[2] = grey, white
    mixture[3] = outside * _ramp(uneven - skull, 0.8) * _ramp(scalp - uneven, 0.8)
    mixture[4] = outside * _ramp(uneven - fluid, 0.8) * _ramp(skull - uneven, 0.8)
    _replace(mixture, "oedema", _spots(head, white, grid))
    return mixture


def _spots(head, white, grid):
    """White-matter hyperintensities of age, in all heads alike: (l, h, w), the share of each voxel."""
    z, y, x = grid
    rng = stream(head.number, "spots")
    count = rng.poisson(1 + 12 * head.age)
    centres = rng.uniform((-60, -75, -12), (60, 75, 12), (count, 3))
    radii = rng.uniform(1.2, 2.2 + 2.6 * head.age, count)  # mm
    strengths = rng.uniform(0.4, 0.9, count)
    share = np.zeros_like(white)
    for (cx, cy, cz), radius, strength in zip(centres, radii, strengths, strict=True):
        near = [np.exp(-(((axis - c) / radius) ** 2) / 2) for axis, c in ((z, cz), (y, cy), (x, cx))]
        spot = near[0][:, None, None] * near[1][None, :, None] * near[2][None, None, :]
        share = np.maximum(share, strength * np.minimum(1.5 * spot, 1))
    return share * np.clip(2 * white - 0.8, 0, 1)


def _acquire(number, mixture, brain, contrast, scanner, grid):
    """One series: clean and noisy images (l, h, w) float32, 1 = 99th percentile of the brain, and sigma."""
    from scipy.ndimage import gaussian_filter

    if contrast not in CONTRASTS:
        raise ValueError(f"contrast is {contrast!r}; use {', '.join(map(repr, CONTRASTS))}")
    z, y, x = grid
    patient, series = stream(number, "tissue"), stream(number, f"{scanner.name} {contrast}")
    tissue = scanner.tissue * patient.normal(1, 0.04, scanner.tissue.shape).clip(0.85, 1.15)
    times = {
        name: value * series.uniform(*((0.98, 1.02) if name == "TI" else (0.92, 1.08)))
        for name, value in scanner.times[contrast].items()
    }
    bright = signal(*tissue.T, **times)
    bright[TISSUES.index("fat")] *= scanner.fat
    texture = stream(number, "texture").standard_normal(brain.shape, dtype=np.float32)
    texture = 1 + 0.08 * gaussian_filter(texture, (0, 1, 1))
    clean = np.tensordot(bright.astype(np.float32), mixture, 1) * texture
    blur = series.uniform(*scanner.blur)
    clean = gaussian_filter(clean, (0, blur, blur))
    clean *= series.uniform(0.85, 1.05) / np.percentile(clean[brain], 99)
    clean *= 1 + scanner.shading * np.tanh(spline_field(series, z, y, x, 80.0))
    sigma = series.uniform(*scanner.noise)
    noisy = rician(clean, sigma, series)
    return clean.clip(0, HIGHEST).astype(np.float32), noisy.clip(0, HIGHEST), float(sigma)


def _replace(mixture, name, share):
    """Give `share` of every voxel to the tissue `name`, in place."""
    mixture *= 1 - share
    mixture[TISSUES.index(name)] += share


def _ramp(depth, width):
    """0 outside, 1 inside, linear over `width` mm on both sides of the surface where depth is 0."""
    return np.clip(0.5 + depth / (2 * width), 0, 1).astype(np.float32)
