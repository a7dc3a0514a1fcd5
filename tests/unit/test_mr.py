"""Simulated patients: what must hold for every head, lesion, scanner and task."""

import re

import numpy as np
import pytest

from medtutor.data import load_mr
from medtutor.data.mr import anatomy
from medtutor.data.mr import load as loading
from medtutor.data.mr.anatomy import maps
from medtutor.data.mr.head import FIELD_OF_VIEW, Head, spline_field
from medtutor.data.mr.patient import Mass, levels, scan_patient

SMALL = dict(patients=6, size=32, slices=2)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDTUTOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_the_shipped_atlas_is_a_brain():
    grey, white, csf = maps()["fractions"]
    total = grey + white + csf
    brain = total > 0
    assert np.all((grey >= 0) & (white >= 0) & (csf >= 0)) and np.allclose(total[brain], 1, atol=0.02)
    assert 1.2e6 < brain.sum() < 2.0e6  # mm³: the average brain without its lowest slices
    assert np.allclose(brain[1:87], brain[87:1:-1][:86], atol=1) and 0.7 < grey.sum() / white.sum() < 2
    inside = maps()["distance"][16:-16, 16:-16, 16:-16] < 0
    assert (inside == brain[::2, ::2, ::2]).mean() > 0.97


def test_an_installation_without_the_atlas_is_told_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(anatomy, "FILE", tmp_path / "anatomy.npz")
    with pytest.raises(FileNotFoundError, match="checkout"):
        anatomy.maps.__wrapped__()


def test_spline_fields_have_the_promised_spread_and_follow_the_grid():
    at = np.linspace(-110, 110, 40)
    fields = np.stack([spline_field(np.random.default_rng(s), [0.0], at, at, 30.0) for s in range(200)])
    assert fields.mean() == pytest.approx(0, abs=0.05) and fields.std() == pytest.approx(1, abs=0.05)
    whole = spline_field(np.random.default_rng(1), [-3.0, 0.0], at, at, 30.0, (3,))
    part = spline_field(np.random.default_rng(1), [0.0], at[5:9], at[7:8], 30.0, (3,))
    assert np.allclose(part[:, 0], whole[:, 1, 5:9, 7:8], atol=1e-5)


def test_spline_fields_are_smooth():
    at = np.arange(-100.0, 100.0)
    field = spline_field(np.random.default_rng(0), [0.0], at, at, 30.0)[0]
    assert np.abs(np.diff(field, axis=0)).max() < 0.25 and np.abs(np.diff(field, 2, axis=1)).max() < 0.02


@pytest.mark.parametrize("number", range(12))
def test_a_sick_patient_always_has_a_lesion_and_a_healthy_one_never(number):
    sick = scan_patient(number, True, size=32, slices=1, contrasts=())
    assert sick.lesion.any()
    assert not scan_patient(number, False, size=32, slices=1, contrasts=()).lesion.any()


def test_even_a_lesion_too_small_for_the_pixels_is_grown_until_it_shows(monkeypatch):
    begin = Mass.__init__

    def tiny(self, head):
        begin(self, head)
        self.radius = 0.01

    monkeypatch.setattr(Mass, "__init__", tiny)
    assert scan_patient(3, True, size=32, slices=1, contrasts=()).lesion.any()


@pytest.mark.parametrize("number", range(6))
def test_tissue_labels_know_the_lesion_and_lie_in_the_head(number):
    scan = scan_patient(number, True)
    assert np.array_equal(scan.tissue == 4, scan.lesion > 0)
    assert set(np.unique(scan.tissue)) == {0, 1, 2, 3, 4}
    dark = scan.clean["FLAIR"][scan.tissue == 0]
    assert scan.clean["FLAIR"][scan.tissue == 3].mean() > 2 * dark.mean()


def test_labels_and_images_agree_pixel_by_pixel():
    scans = [scan_patient(n, True, contrasts=("T1", "T2", "FLAIR"), size=128) for n in range(8)]
    tissue = np.concatenate([s.tissue for s in scans])
    T1, T2, FLAIR = (np.concatenate([s.clean[c] for s in scans]) for c in ("T1", "T2", "FLAIR"))
    mean = [[image[tissue == k].mean() for k in range(5)] for image in (T1, T2, FLAIR)]
    assert mean[0][3] > mean[0][2] > mean[0][1]
    assert mean[1][1] > mean[1][2] > mean[1][3]
    assert mean[2][4] > mean[2][2] > mean[2][1]


def test_the_same_head_is_seen_at_every_resolution_by_every_scanner_and_in_every_contrast():
    small = scan_patient(4, True, size=64)
    large = scan_patient(4, True, size=128)
    area = [(s.lesion > 0).sum() * (FIELD_OF_VIEW / s.lesion.shape[-1]) ** 2 for s in (small, large)]
    assert area[0] == pytest.approx(area[1], rel=0.15)
    other = scan_patient(4, True, size=64, scanner="B", contrasts=("T2", "FLAIR", "T1"))
    assert np.array_equal(small.lesion, other.lesion) and np.array_equal(small.tissue, other.tissue)
    assert not np.allclose(small.images["T1"], other.images["T1"], atol=0.05)
    alone = scan_patient(4, True, size=64, contrasts=("FLAIR",))
    assert np.array_equal(small.images["FLAIR"], alone.images["FLAIR"])


def test_more_slices_show_the_same_middle():
    few, many = scan_patient(5, True, slices=2), scan_patient(5, True, slices=4)
    assert np.array_equal(few.lesion, many.lesion[1:3]) and few.levels.tolist() == many.levels[1:3].tolist()
    assert levels(4).tolist() == [-4.5, -1.5, 1.5, 4.5]


def test_a_mass_moves_the_brain_and_leaves_the_skull():
    head = Head(7)
    grid = head.grid([0.0], 64)
    pull = np.full((3, 1, 64, 64), 4.0, np.float32)
    still, moved = head.fractions(*grid), head.fractions(*grid, pull)
    assert np.array_equal(still[3], moved[3])
    deep = still[3] < -15
    assert np.abs(still[1] - moved[1])[deep].mean() > 0.05
    edge = (still[3] > -1) & (still[3] < 0)
    assert np.abs(still[1] - moved[1])[edge].max() < 0.1


def test_noise_has_the_stated_strength_and_shading_is_bounded():
    for contrast in ("T1", "FLAIR"):
        scan = scan_patient(6, False, contrasts=(contrast,), size=128)
        inside = scan.tissue == 3
        noise = (scan.images[contrast] - scan.clean[contrast])[inside]
        assert noise.std() == pytest.approx(scan.sigma[contrast], rel=0.05)
        assert scan.images[contrast].max() <= 1.5 and scan.images[contrast].min() >= 0
        assert (scan.images[contrast] >= 1.5).mean() < 0.001  # nothing to speak of is cut off


def test_heads_are_neither_symmetric_nor_alike():
    a, b = (scan_patient(n, False, contrasts=("T1",)).tissue for n in (10, 11))
    assert (a != b).mean() > 0.1 and (a != a[..., ::-1]).mean() > 0.1


def test_old_heads_have_wider_ventricles_than_young_ones():
    heads = sorted((Head(n) for n in range(60)), key=lambda head: head.age)
    csf = []
    for head in heads[:15] + heads[-15:]:
        _, _, fluid, distance = head.fractions(*head.grid([0.0], 32))
        csf.append(fluid[distance < -15].mean())
    assert np.mean(csf[15:]) > 1.2 * np.mean(csf[:15])


def test_each_task_has_its_labels_and_the_same_slices():
    sets = {task: load_mr("val", task, contrasts=("FLAIR", "T1"), **SMALL) for task in loading.CLASSES}
    x = sets["tumour"].x
    assert x.shape == (12, 32, 32, 2) and x.dtype == np.float32
    lesion = sets["lesion"]
    assert np.array_equal(lesion.x, x) and np.array_equal(lesion.y, lesion.extra["lesion"] > 0)
    assert sets["tumour"].y.tolist() == lesion.y.any((1, 2)).astype(int).tolist()
    assert np.array_equal(sets["tissue"].y, sets["tumour"].extra["tissue"])
    assert np.array_equal(sets["translate"].x, x[..., :1])
    assert np.array_equal(sets["translate"].y, x[..., 1:])
    assert np.array_equal(sets["superresolve"].y, x) and sets["superresolve"].x.shape == (12, 16, 16, 2)
    clean = sets["denoise"]
    assert np.array_equal(clean.x, x) and clean.extra["sigma"].shape == (12, 2)
    inside = clean.extra["tissue"] > 0
    spread = (clean.x - clean.y)[inside].std(0)
    assert np.all(spread > 0.01) and np.all(spread < 0.06)


def test_slices_of_a_patient_are_of_one_head_and_half_of_the_patients_are_sick():
    train = load_mr("train", patients=6, size=32, slices=3)
    assert train.patients.tolist() == [f"mr-{n:07d}" for n in range(6) for _ in range(3)]
    assert train.extra["level"][:3].tolist() == [-3, 0, 3]
    assert np.allclose(train.extra["spacing"], [3, 220 / 32, 220 / 32])
    sick = [loading.sick(n) for n in range(2000)]
    assert 0.46 < np.mean(sick) < 0.54
    by_patient = train.y.reshape(6, 3).any(1)
    assert by_patient.tolist() == sick[:6]


def test_the_number_of_threads_changes_nothing(monkeypatch):
    arrays = []
    for cores in (1, 4):
        monkeypatch.setattr(loading.os, "cpu_count", lambda cores=cores: cores)
        arrays.append(loading._scan_all(np.arange(6), ("T1",), 32, 2, "A", clean=False))
    assert arrays[0].keys() == arrays[1].keys()
    assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])


def test_a_second_call_reads_the_cache(monkeypatch):
    first = load_mr("test", **SMALL)
    monkeypatch.setattr(loading, "_scan_all", lambda *_, **__: pytest.fail("made again"))
    assert np.array_equal(load_mr("test", **SMALL).x, first.x)
    monkeypatch.setattr(loading, "_scan_all", lambda *_, **__: {"image": np.zeros(3)})
    monkeypatch.setattr(loading, "VERSION", loading.VERSION + 1)
    with pytest.raises(KeyError):  # another version is made anew
        load_mr("test", **SMALL)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"task": "cancer"}, "task is 'cancer'; use 'tumour', 'lesion'"),
        ({"contrasts": ("T1", "CT")}, "contrast is 'CT'; use 'T1', 'T2', 'FLAIR', 'PD'"),
        ({"contrasts": ("T1", "T1")}, "each once"),
        ({"contrasts": ()}, "at least 1"),
        ({"task": "translate", "contrasts": "T1"}, "'translate' needs at least 2"),
        ({"size": 50}, "size is 50; use 32, 64"),
        ({"slices": 0}, "slices is 0; use 1 to 24"),
        ({"slices": 2.0}, "slices is 2.0"),
        ({"patients": 1}, "patients is 1; use a whole number from 2"),
        ({"scanner": "C"}, "scanner is 'C'; use 'A', 'B'"),
    ],
)
def test_a_wrong_argument_is_answered_with_the_right_ones(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        load_mr("train", **options)


def test_a_split_by_slice_leaks_and_a_split_by_patient_does_not():
    """The nearest slice knows the patient: the course's lesson on leakage rests on it."""
    data = load_mr("train", patients=40, size=32, contrasts=("T1", "FLAIR"))
    x = data.x.reshape(len(data), -1)
    distance = ((x[:, None] - x[None]) ** 2).sum(-1)
    np.fill_diagonal(distance, np.inf)
    nearest = distance.argmin(1)
    assert (data.patients[nearest] == data.patients).mean() > 0.9
    distance[data.patients[:, None] == data.patients[None]] = np.inf
    other = distance.argmin(1)
    assert (data.y[nearest] == data.y).mean() > (data.y[other] == data.y).mean() + 0.2
