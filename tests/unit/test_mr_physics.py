"""Signal equations, noise and k-space, against numbers worked out by hand or by definition."""

from math import exp, log, pi, sqrt

import numpy as np
import pytest

from medtutor.data.mr.physics import (
    AT_1_5_TESLA,
    CONTRASTS,
    SCANNERS,
    TISSUES,
    low_resolution,
    rician,
    signal,
)


def bright(contrast, scanner="A"):
    machine = SCANNERS[scanner]
    return dict(zip(TISSUES, signal(*machine.tissue.T, **machine.times[contrast]), strict=True))


def test_spin_echo_by_hand():
    # White matter, TR 480 ms, TE 14 ms: 0.77 × (1 - 0.3829) × 0.8187
    assert signal(500.0, 70.0, 0.77, TR=480.0, TE=14.0) == pytest.approx(0.3890, abs=2e-4)


def test_an_endless_repetition_and_no_echo_time_leave_the_proton_density():
    assert signal(833.0, 83.0, 0.86, TR=1e9, TE=0.0) == pytest.approx(0.86)


def test_inversion_recovery_nulls_what_its_inversion_time_is_made_for():
    T1, TR = 2569.0, 9000.0
    TI = T1 * (log(2) - log(1 + exp(-TR / T1)))
    assert signal(T1, 329.0, 1.0, TR=TR, TE=110.0, TI=TI) == pytest.approx(0, abs=1e-9)
    assert SCANNERS["A"].times["FLAIR"]["TI"] == pytest.approx(TI, rel=0.01)
    T1 = SCANNERS["B"].tissue[0, 0]
    TI = T1 * (log(2) - log(1 + exp(-TR / T1)))
    assert SCANNERS["B"].times["FLAIR"]["TI"] == pytest.approx(TI, rel=0.01)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_each_contrast_looks_as_a_radiologist_expects(scanner):
    T1, T2, FLAIR, PD = (bright(contrast, scanner) for contrast in CONTRASTS)
    assert T1["white matter"] > T1["grey matter"] > T1["CSF"]
    assert T2["CSF"] > T2["grey matter"] > T2["white matter"]
    assert FLAIR["oedema"] > FLAIR["grey matter"] > FLAIR["white matter"] > 3 * FLAIR["CSF"]
    assert PD["grey matter"] > PD["white matter"]
    for contrast in (T1, T2, FLAIR, PD):
        assert contrast["bone"] < 0.05


def test_constants_of_healthy_tissue_are_brainwebs():
    assert AT_1_5_TESLA[:3].tolist() == [[2569, 329, 1], [833, 83, 0.86], [500, 70, 0.77]]


def test_noise_without_signal_is_rayleigh_and_with_signal_nearly_gaussian():
    rng = np.random.default_rng(0)
    empty = rician(np.zeros((400, 400), np.float32), 0.1, rng)
    assert empty.mean() == pytest.approx(0.1 * sqrt(pi / 2), rel=0.01)
    assert (empty**2).mean() == pytest.approx(2 * 0.1**2, rel=0.02)
    full = rician(np.ones((400, 400), np.float32), 0.05, rng)
    assert full.std() == pytest.approx(0.05, rel=0.02)
    assert full.mean() == pytest.approx(1 + 0.05**2 / 2, abs=5e-4)
    assert full.dtype == np.float32


def test_low_resolution_keeps_a_uniform_image_and_a_slow_wave():
    assert np.allclose(low_resolution(np.full((2, 16, 16), 0.7)), 0.7)
    t = np.arange(32) / 32
    wave = 1 + 0.5 * np.cos(2 * pi * 3 * t)
    low = low_resolution(np.tile(wave, (32, 1)))
    assert low.shape == (16, 16) and low.dtype == np.float32
    assert np.allclose(low, 1 + 0.5 * np.cos(2 * pi * 3 * t[::2]), atol=1e-5)


def test_low_resolution_drops_what_is_finer():
    t = np.arange(32) / 32
    fine = np.tile(1 + 0.5 * np.cos(2 * pi * 12 * t), (32, 1))
    assert np.allclose(low_resolution(fine), 1, atol=1e-5)


@pytest.mark.parametrize("shape, factor", [((16, 15), 2), ((10, 16), 4), ((16, 16), 0)])
def test_sizes_that_cannot_be_divided_are_named(shape, factor):
    with pytest.raises(ValueError, match=f"{shape[0]} × {shape[1]}.*multiples"):
        low_resolution(np.zeros(shape), factor)
