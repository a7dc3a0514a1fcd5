"""How a scanner turns tissue into brightness: signal equations, coil shading, noise, resolution.

Sources: spin echo and inversion recovery as in Bernstein, King and Zhou, Handbook of MRI Pulse Sequences
(2004); Rician noise: Gudbjartsson and Patz, Magn Reson Med 34:910 (1995); tissue constants at 1.5 T:
BrainWeb, Kwan, Evans and Pike, IEEE Trans Med Imaging 18:1085 (1999); the change to 3 T: Stanisz et al.,
Magn Reson Med 54:507 (2005), for grey and white matter; CSF at 3 T: 4 s, Rooney et al., Magn Reson Med 57:308
(2007); for fat and lesions it is ours.
"""

from dataclasses import dataclass

import numpy as np

TISSUES = ("CSF", "grey matter", "white matter", "fat", "bone", "oedema", "tumour", "necrosis")

#                      T1 ms   T2 ms  proton density
AT_1_5_TESLA = np.array(
    [
        (2569.0, 329.0, 1.00),  # CSF            BrainWeb
        (833.0, 83.0, 0.86),  # grey matter      BrainWeb
        (500.0, 70.0, 0.77),  # white matter     BrainWeb
        (350.0, 70.0, 1.00),  # fat              BrainWeb
        (1000.0, 1.0, 0.05),  # cortical bone    ours: hardly any signal
        (1000.0, 120.0, 0.90),  # oedema          ours, between white matter and CSF
        (1150.0, 115.0, 0.90),  # solid tumour   ours, longer T1 and T2 than grey matter
        (2200.0, 250.0, 0.98),  # necrosis       ours, close to CSF
    ]
)
# At 3 T: T1 of white and grey matter 1084/884 and 1820/1124 times longer, T2 a little changed (Stanisz).
TO_3_TESLA = np.array(
    [
        (1.56, 1.00, 1),
        (1.62, 1.04, 1),
        (1.23, 0.96, 1),
        (1.10, 0.95, 1),
        (1.00, 1.00, 1),
        (1.35, 0.97, 1),
        (1.40, 0.97, 1),
        (1.05, 1.00, 1),
    ]
)


@dataclass(frozen=True)
class Scanner:
    """One machine and its habits: what makes the same head look different elsewhere.

    tissue    (8, 3) T1 in ms, T2 in ms and proton density of each of `TISSUES`
    times     for each contrast TR, TE and, for inversion recovery, TI, in ms
    noise     (lowest, highest) standard deviation of the noise, 1 = bright brain
    shading   largest relative change of brightness by the coil, at most 0.2
    blur      (lowest, highest) standard deviation of the point spread, in pixels
    fat       share of the fat signal that is left
    """

    name: str
    tissue: np.ndarray
    times: dict
    noise: tuple
    shading: float
    blur: tuple
    fat: float


# FLAIR: TI = T1 (ln 2 - ln(1 + exp(-TR/T1))) leaves no signal of CSF.
SCANNERS = {
    "A": Scanner(
        "A, 1.5 T",
        AT_1_5_TESLA,
        {
            "T1": dict(TR=480.0, TE=14.0),
            "T2": dict(TR=4500.0, TE=100.0),
            "PD": dict(TR=3300.0, TE=20.0),
            "FLAIR": dict(TR=9000.0, TE=110.0, TI=1705.0),
        },
        noise=(0.015, 0.04),
        shading=0.15,
        blur=(0.35, 0.55),
        fat=0.55,
    ),
    "B": Scanner(
        "B, 3 T",
        AT_1_5_TESLA * TO_3_TESLA,
        {
            "T1": dict(TR=650.0, TE=9.0),
            "T2": dict(TR=6000.0, TE=85.0),
            "PD": dict(TR=2600.0, TE=12.0),
            "FLAIR": dict(TR=9000.0, TE=120.0, TI=2375.0),
        },
        noise=(0.015, 0.07),
        shading=0.20,
        blur=(0.5, 0.8),
        fat=0.25,
    ),
}
CONTRASTS = ("T1", "T2", "FLAIR", "PD")


def signal(T1, T2, PD, TR, TE, TI=None):
    """Brightness of a tissue: spin echo, or inversion recovery where the inversion time TI is given.

    T1, T2, TR, TE, TI in ms, PD relative to water; numbers or arrays of one shape; -> the same shape, 0 to 1

        S = PD (1 - exp(-TR/T1)) exp(-TE/T2)
        S = PD |1 - 2 exp(-TI/T1) + exp(-TR/T1)| exp(-TE/T2)
    """
    if TI is None:
        return PD * (1 - np.exp(-TR / T1)) * np.exp(-TE / T2)
    return PD * np.abs(1 - 2 * np.exp(-TI / T1) + np.exp(-TR / T1)) * np.exp(-TE / T2)


def rician(image, sigma, rng):
    """The magnitude of `image` with Gaussian noise of standard deviation `sigma` in both channels.

        x = sqrt((image + n1)^2 + n2^2)      Gudbjartsson and Patz (1995), equation 1

    image of any shape, sigma a number or an array that broadcasts against it; -> float32 of the same shape
    """
    real = rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = rng.standard_normal(image.shape, dtype=np.float32)
    return np.hypot(image + sigma * real, sigma * imaginary).astype(np.float32)


def low_resolution(images, factor=2):
    """The images as a scanner of lower resolution would give them: the centre of k-space, nothing else.

    images  (…, h, w) real, h and w multiples of 2 × factor
    ->      (…, h/factor, w/factor) float32; a uniform image keeps its value
    """
    h, w = images.shape[-2:]
    if factor < 1 or h % (2 * factor) or w % (2 * factor):
        raise ValueError(f"images are {h} × {w}; both sides must be multiples of 2 × factor = {2 * factor}")
    k = np.fft.fftshift(np.fft.fft2(images), axes=(-2, -1))
    rows, cols = h // factor, w // factor
    top, left = (h - rows) // 2, (w - cols) // 2
    centre = k[..., top : top + rows, left : left + cols]
    return np.abs(np.fft.ifft2(np.fft.ifftshift(centre, axes=(-2, -1)))).astype(np.float32) / factor**2
