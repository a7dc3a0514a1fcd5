"""The plane explorer: a GAN on points in the plane, played in the page step by step."""

import numpy as np
from matplotlib.figure import Figure

from medtutor.explore.base import Explorer
from medtutor.nn import plane
from medtutor.plot import Picture

R1 = 1.0  # the weight that the cure's switch gives
_AHEAD = {"rate_G": 5e-3, "rate_D": 5e-3, "beta1": 0.9, "d_steps": 5, "loss": plane.LOSSES[0]}
_RATES = {"beta1": 0.5, "d_steps": 1, "loss": plane.LOSSES[0], "r1": 0.0}
SETTINGS = {
    "collapse": {**_AHEAD, "r1": 0.0},  # D far ahead: the generator stays on some of the modes
    "cure": {**_AHEAD, "r1": R1},
    "circling": {"rate_G": 1e-2, "rate_D": 3e-4, **_RATES},  # G far ahead: from mode to mode
    "steady": {"rate_G": 1e-3, "rate_D": 1e-2, **_RATES},
}
GAME = {"hidden": 32, "latent": 2, "batch": 64, "spread": plane.SPREAD}
WORLD = {**GAME, "modes": plane.MODES, "radius": plane.RADIUS}
SHOWN, PULLED, PULL_LENGTH, REACH = 256, 48, 0.35, 3.2  # as in plane.js
FACTOR, PRIME, MOST = 48271, 2**31 - 1, 10_000


class Stream:
    """The page's random numbers: x = 48271 x mod (2^31 - 1), and normal ones by Box and Muller.

    A stand-in for np.random.Generator in PlaneGAN. seed 1 to 2^31 - 2; ten numbers are left out at the start.
    Source: Park, Miller and Stockmeyer, Communications of the ACM 36 (1993), 108-110.
    """

    def __init__(self, seed):
        self.at = seed * pow(FACTOR, 10, PRIME) % PRIME

    def uniform(self, n):
        numbers = np.empty(n)
        for i in range(n):
            self.at = self.at * FACTOR % PRIME
            numbers[i] = self.at / PRIME
        return numbers

    def standard_normal(self, size):
        u = self.uniform(2 * int(np.prod(size))).reshape(-1, 2)
        return (np.sqrt(-2 * np.log(u[:, 0])) * np.cos(2 * np.pi * u[:, 1])).reshape(size)

    def integers(self, below, size):
        return np.floor(below * self.uniform(size)).astype(int)


def explore_plane_gan(start="collapse", *, seed=1):
    """Play a GAN on eight Gaussians by D steps and G steps, see it lose modes, and cure it.

    start  the settings to begin with, one of SETTINGS; all can be changed in the page
    seed   1 to 10,000, of the first weights and of all random numbers

    "collapse" and "cure" differ in R1 alone, "circling" and "steady" in both learning rates. The game is
    medtutor.nn.plane.PlaneGAN with the random numbers of `Stream`, so that PlaneGAN(Stream(seed),
    **SETTINGS[start]) plays the same; the still picture is its start. Nothing plays before it is asked to.
    Raises ValueError for settings or seeds that there are not.
    """
    if start not in SETTINGS:
        raise ValueError(f"start is {start!r}; use one of {', '.join(map(repr, SETTINGS))}")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 1 <= seed <= MOST:
        raise ValueError(f"seed is {seed!r}; a whole number from 1 to {MOST} is wanted")
    state = {"presets": SETTINGS, "preset": start, "seed": seed, "world": WORLD, "r1": R1}
    gan = plane.PlaneGAN(Stream(seed), **SETTINGS[start], **GAME)
    drawn = plane.forward(gan.G, Stream(8).standard_normal((SHOWN, WORLD["latent"])))[-1]
    alt = (
        f"Eight Gaussians of real points on a ring of radius {plane.RADIUS:g} and {SHOWN} points drawn by a "
        "generator that has learnt nothing yet. Behind them the probability of being real that a new "
        "discriminator gives each place; arrows say where it pulls the drawn points. "
        f"Settings: {start}; modes reached at the start: {plane.modes_reached(drawn)} of {plane.MODES}."
    )
    return Explorer("plane.js", state, Picture.of(_still(gan, drawn), alt), "plane GAN", parts=["parts.js"])


def _still(gan, drawn):
    """The plane at the start: real points as circles, drawn ones as triangles with their pulls, D behind."""
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    ax = figure.subplots()
    line = np.linspace(-REACH, REACH, 65)
    p = gan.probability(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)).reshape(65, 65)
    shades = ax.contourf(line, line, p, levels=np.linspace(0, 1, 11), cmap="PuOr", vmin=-0.3, vmax=1.3)
    figure.colorbar(shades, ax=ax, label="D: probability of being real", ticks=[0, 0.5, 1])
    ax.contour(line, line, p, levels=[0.5], colors="0.1")
    ax.plot(*plane.ring(SHOWN, Stream(7)).T, "o", mfc="white", mec="0.1", ms=5, label="real")
    ax.plot(*drawn.T, "^", mfc="0.1", mec="white", ms=7, label="drawn")
    pull = PULL_LENGTH * gan.pull(drawn[:PULLED])
    ax.quiver(*drawn[:PULLED].T, *pull.T, angles="xy", scale_units="xy", scale=1, width=0.004, zorder=3)
    ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
    ax.legend(loc="upper right")
    return figure
