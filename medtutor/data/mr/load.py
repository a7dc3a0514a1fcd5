"""Labelled sets of simulated MR slices: one loader, a task for every chapter."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from medtutor.data.cache import cached_arrays
from medtutor.data.dataset import Card, Dataset, check_split
from medtutor.data.mr.head import FIELD_OF_VIEW
from medtutor.data.mr.patient import HIGHEST, LEVEL_DISTANCE, TISSUE_CLASSES, scan_patient
from medtutor.data.mr.physics import CONTRASTS, SCANNERS, low_resolution
from medtutor.data.progress import progress
from medtutor.data.shards import OnDisk, cached_shards

VERSION = 1  # of the generator: raised with every change of an image, so that old caches are not used
FIRST = {"train": 0, "val": 1_000_000, "test": 2_000_000}  # number of a split's first patient
PATIENTS = {"train": 500, "val": 150, "test": 200}
SIZES = (32, 64, 96, 128, 192, 256)
CLASSES = {
    "tumour": ("no tumour", "tumour"),
    "lesion": ("background", "lesion"),
    "tissue": TISSUE_CLASSES,
    "translate": ("image",),
    "denoise": ("image",),
    "superresolve": ("image",),
}
LABELS = {
    "tumour": "The label says whether a tumour or its oedema is on the slice.",
    "lesion": "The label is a mask: 1 where there is tumour or oedema.",
    "tissue": "The label is a map: background, CSF, grey matter, white matter, lesion.",
    "translate": "x is the first of the contrasts, y the others, of the same slice.",
    "denoise": "x has noise, y is the same slice without.",
    "superresolve": "x has half the resolution of y, as a scanner makes it: the centre of k-space.",
}


def load_mr(
    split,
    task="tumour",
    *,
    contrasts=("T1", "FLAIR"),
    size=64,
    slices=4,
    patients=None,
    scanner="A",
    stream=False,
):
    """Simulated MR slices of the brain, several a patient; half of the patients have one tumour.

    split      "train", "val" or "test": 500, 150 and 200 patients, or `patients` of them
    task       what y is:
               "tumour"        (n,) int64, 1 = tumour or oedema on the slice
               "lesion"        (n, size, size) uint8, 1 = tumour or oedema
               "tissue"        (n, size, size) uint8, 0 background, 1 CSF, 2 grey, 3 white matter, 4 lesion
               "translate"     (n, size, size, c - 1) float32, the other contrasts; x then has the first only
               "denoise"       (n, size, size, c) float32, x without its noise
               "superresolve"  (n, size, size, c) float32; x then is (n, size/2, size/2, c)
    contrasts  c of "T1", "T2", "FLAIR", "PD": the channels of x, in this order
    size       pixels along each side of the 220 mm field of view: 32, 64, 96, 128, 192 or 256
    slices     neighbouring slices of each patient, 3 mm apart; in patients with a tumour they lie around it
    scanner    "A" (1.5 T); "B" (3 T, other times, noise, shading, sharpness) sees the same heads
    stream     True: for more than memory holds. The same values, but x, extra and a y of masks or images are
               `OnDisk`: x[rows] reads those rows, x.map(normalise) changes rows as they are read

    x (n, size, size, c) float32, 0 = black to 1.5; 1 = the bright end of the brain, as a series was scaled.
    extra: "lesion" (n, size, size) uint8 0 none, 1 tumour, 2 oedema; "tissue" as above; "level" (n,) mm above
    the middle slice; "spacing" (n, 3) mm between slices, rows, columns; "sigma" (n, c) of the noise.

    A patient's slices show one head, so a split by slice leaks; this one is by patient. Generated at the
    first call (2,000 slices of 64 pixels: about 10 s on two cores), then read from `medtutor.data.cache`.
    50,000 such slices with two contrasts take 1.2 GB there.

    Source: ICBM 152 average brain (Fonov et al., NeuroImage 54:313, 2011), bent as in SynthSeg (Billot
    et al., Med Image Anal 86:102789, 2023); signal equations and constants: see `medtutor.data.mr.physics`.
    Simulated: no statement on patients can rest on it.
    """
    check_split(split)
    contrasts = _check(task, contrasts, size, slices, scanner)
    patients = PATIENTS[split] if patients is None else patients
    if not isinstance(patients, (int, np.integer)) or not 2 <= patients <= 100_000:
        raise ValueError(f"patients is {patients!r}; use a whole number from 2 to 100000")
    numbers = FIRST[split] + np.arange(patients)
    read = _from_disk if stream else _in_memory
    x, y, extra = read(task, numbers, contrasts, size, slices, scanner)
    spacing = np.array([LEVEL_DISTANCE, FIELD_OF_VIEW / size, FIELD_OF_VIEW / size])
    return Dataset(
        x,
        y,
        CLASSES[task],
        np.repeat([f"mr-{number:07d}" for number in numbers], slices),
        split,
        "1 = bright end of the brain",
        _card(task, contrasts, scanner),
        bounds=(0.0, HIGHEST),
        extra={**extra, "spacing": np.broadcast_to(spacing, (len(x), 3))},
    )


def _check(task, contrasts, size, slices, scanner):
    contrasts = (contrasts,) if isinstance(contrasts, str) else tuple(contrasts)
    for name, value, allowed in (
        ("task", task, tuple(CLASSES)),
        ("size", size, SIZES),
        ("scanner", scanner, tuple(SCANNERS)),
        *(("contrast", contrast, CONTRASTS) for contrast in contrasts),
    ):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; use {', '.join(map(repr, allowed))}")
    least = 2 if task == "translate" else 1
    if len(set(contrasts)) < max(least, len(contrasts)):
        raise ValueError(f"contrasts is {contrasts!r}; {task!r} needs at least {least}, each once")
    if not isinstance(slices, (int, np.integer)) or not 1 <= slices <= 24:
        raise ValueError(f"slices is {slices!r}; use 1 to 24 (they are {LEVEL_DISTANCE:g} mm apart)")
    return contrasts


def _in_memory(task, numbers, contrasts, size, slices, scanner):
    """x, y and extra, all that was scanned from one file of the cache, or made."""
    clean = task == "denoise"
    parameters = dict(
        _parameters(contrasts, size, slices, scanner, clean), first=int(numbers[0]), patients=len(numbers)
    )
    arrays = cached_arrays(
        "mr", parameters, lambda: _scan_all(numbers, contrasts, size, slices, scanner, clean)
    )
    x, y = (change(arrays[field]) for field, change in VIEWS[task])
    return x, y, {name: arrays[name] for name in EXTRA}


def _from_disk(task, numbers, contrasts, size, slices, scanner):
    """The same as `OnDisk` arrays; labels of one number a slice are in memory."""
    clean = task == "denoise"
    images, map_ = ("f2", (size, size, len(contrasts))), ("u1", (size, size))
    fields = [("image", *images), ("lesion", *map_), ("tissue", *map_)]
    fields += [("level", "f4"), ("sigma", "f4", (len(contrasts),))]
    shards = cached_shards(
        "mr",
        _parameters(contrasts, size, slices, scanner, clean),
        numbers,
        slices,
        np.dtype([*fields, *[("clean", *images)] * clean]),
        lambda some: _scan_all(some, contrasts, size, slices, scanner, clean, show=False),
    )
    x, y = (OnDisk(shards, field, change) for field, change in VIEWS[task])
    return x, np.asarray(y) if y.ndim == 1 else y, {name: OnDisk(shards, name, _as_it_is) for name in EXTRA}


def _parameters(contrasts, size, slices, scanner, clean):
    return dict(
        version=VERSION,
        contrasts=contrasts,
        size=int(size),
        slices=int(slices),
        scanner=scanner,
        clean=clean,
    )


def _scan_all(numbers, contrasts, size, slices, scanner, clean, show=True):
    def scan(number):
        made = scan_patient(
            int(number), sick(number), contrasts=contrasts, size=size, slices=slices, scanner=scanner
        )
        arrays = {
            "image": _half(made.images.values()),
            "lesion": made.lesion,
            "tissue": made.tissue,
            "level": made.levels.astype(np.float32),
            "sigma": np.tile(np.array([*made.sigma.values()], np.float32), (slices, 1)),
        }
        if clean:
            arrays["clean"] = _half(made.clean.values())
        return arrays

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        scans = pool.map(scan, numbers)
        made = list(progress(scans, "drawing patients", len(numbers)) if show else scans)
    return {name: np.concatenate([arrays[name] for arrays in made]) for name in made[0]}


def sick(number):
    """Whether patient `number` has a tumour: every second one, on average; the same at every call."""
    return bool(np.random.default_rng([int(number), *b"sick"]).integers(2))


def _half(images):
    """Channels last, in half precision (11 bits, finer than the noise by far), which halves the cache."""
    return np.stack([*images], axis=-1).astype(np.float16)


def _as_it_is(values):
    return values


def _single(images):
    return images.astype(np.float32)


def _coarse(images):
    low = low_resolution(np.moveaxis(_single(images), -1, 1))
    return np.moveaxis(low, 1, -1).clip(0, HIGHEST)


VIEWS = {  # of each task: what x and y are made from, and how
    "tumour": (
        ("image", _single),
        ("lesion", lambda lesion: (lesion > 0).any((1, 2)).astype(np.int64)),
    ),
    "lesion": (("image", _single), ("lesion", lambda lesion: (lesion > 0).astype(np.uint8))),
    "tissue": (("image", _single), ("tissue", _as_it_is)),
    "translate": (
        ("image", lambda images: _single(images[..., :1])),
        ("image", lambda images: _single(images[..., 1:])),
    ),
    "denoise": (("image", _single), ("clean", _single)),
    "superresolve": (("image", _coarse), ("image", _single)),
}
EXTRA = ("lesion", "tissue", "level", "sigma")


def _card(task, contrasts, scanner):
    return Card(
        title=f"Simulated brain MR: {task}",
        what=f"An axial {', '.join(contrasts)} slice, scanner {SCANNERS[scanner].name}. {LABELS[task]}",
        source=(
            "medtutor.data.mr: the ICBM 152 average brain (Fonov et al., 2011), bent at random, with "
            "simulated lesions and signal equations"
        ),
        licence="images: CC BY 4.0; the atlas: McGill's notice in data/anatomy.LICENSE.txt must be kept",
        citation=(
            "Fonov et al., NeuroImage 54:313 (2011), doi:10.1016/j.neuroimage.2010.07.033; "
            "Billot et al., Med Image Anal 86:102789 (2023), doi:10.1016/j.media.2023.102789"
        ),
        simulated=True,
        not_for=(
            "any statement on patients, scanners or radiologists. All heads are bent from one average "
            "brain, so results are better than they would be on people"
        ),
    )
