"""Chapter 3, lesion Dice over three seeds, 32 × 32 pixels: loss, parts of the net, augmentation, data."""

import numpy as np

from medtutor.data import load_mr
from medtutor.metrics import dice
from medtutor.nn import segmentation as nn
from medtutor.nn.classification import normalise

USES = [
    "medtutor.nn.classification.normalise",
    "medtutor.nn.layers.FusedBatchNormalization",
    "medtutor.nn.segmentation.unet",
    "medtutor.nn.segmentation.cross_entropy",
    "medtutor.nn.segmentation.dice_loss",
    "medtutor.nn.segmentation.summed_loss",
    "medtutor.nn.segmentation.focal_loss",
    "medtutor.nn.segmentation.augment_pair",
    "medtutor.nn.segmentation.Pairs",
    "medtutor.nn.segmentation.train_unet",
    "medtutor.nn.segmentation.probability",
    "medtutor.nn.segmentation.by_patient",
    "medtutor.data.mr.load.VERSION",
    "medtutor.metrics.dice",
]

SEEDS = (0, 1, 2)
EPOCHS, PATIENTS = 4, 500
BOTH = ("T1", "FLAIR")
LOSSES = {"cross-entropy": nn.cross_entropy, "Dice loss": nn.dice_loss, "focal loss": nn.focal_loss}
CONTRASTS = {"FLAIR alone": ("FLAIR",), "all four": ("T1", "T2", "FLAIR", "PD")}


def run(study):
    base, together, agreement, by_patient = study.each(several, [len(SEEDS)])[0]

    def arms(part, names):
        return {name: study.each(part, [(name, seed) for seed in SEEDS]) for name in names}

    losses = arms(by_loss, LOSSES)
    skips = arms(by_skips, ["without skips"])
    image_only = arms(by_augmentation, ["image only"])
    fewer = arms(by_patients, ["50 patients", "125 patients"])
    four = arms(by_contrasts, ["all four"])
    levels = arms(by_levels, ["2 levels"])
    copied = arms(by_enlarging, ["copied pixels"])
    flair = arms(by_contrasts, ["FLAIR alone"])
    none = arms(by_augmentation, ["none"])
    return {
        "loss": {**losses, "the sum": base},
        "skips": {**skips, "with skips": base},
        "levels": {**levels, "4 levels": base},
        "way up": {**copied, "transposed convolution": base},
        "augmentation": {**none, **image_only, "image and mask": base},
        "contrasts": {**flair, "T1 and FLAIR": base, **four},
        "patients": {**fewer, "500 patients": base},
        "Dice of the mean map": together,
        "agreement, by patient": agreement,
        "Dice of the mean map, by patient": by_patient,
    }


def by_loss(name, seed):
    return _measured(seed, loss=LOSSES[name])


def by_skips(name, seed):
    return _measured(seed, skips=name == "with skips")


def by_levels(name, seed):
    return _measured(seed, levels=int(name.split()[0]))


def by_enlarging(name, seed):
    return _measured(seed, learned=name == "transposed convolution")


def by_augmentation(name, seed):
    return _measured(seed, augment=AUGMENTATIONS[name])


def by_contrasts(name, seed):
    return _measured(seed, contrasts=CONTRASTS[name])


def by_patients(name, seed):
    """As many steps as with all patients, so that only what was seen differs."""
    patients = int(name.split()[0])
    return _measured(seed, patients=patients, epochs=EPOCHS * PATIENTS // patients)


def several(nets):
    """Nets of several seeds: median Dice of each and of their mean; by patient agreement and Dice."""
    test = load_mr("test", task="lesion", size=32)
    x = normalise(test.x)
    maps = [nn.probability(_trained(seed), x) for seed in range(nets)]
    masks, mean = [p >= 0.5 for p in maps], np.mean(maps, axis=0) >= 0.5
    sick = [rows for who in np.unique(test.patients) if test.y[rows := test.patients == who].any()]
    pairs = [(a, b) for a in range(nets) for b in range(a)]
    agreement = [np.mean([dice(masks[a][rows], masks[b][rows]) for a, b in pairs]) for rows in sick]
    by_patient = nn.by_patient(dice, test.y, mean, test.patients)
    return [_median(test, mask) for mask in masks], float(np.median(by_patient)), agreement, by_patient


def _trained(
    seed, contrasts=BOTH, patients=PATIENTS, epochs=EPOCHS, augment=None, loss=nn.summed_loss, **shape
):
    """A net that has seen the slices with a lesion only: so it learns in a quarter of the time."""
    train = load_mr("train", task="lesion", size=32, contrasts=contrasts, patients=patients)
    shown = train.y.any(axis=(1, 2))
    model, _ = nn.train_unet(
        lambda: nn.unet(len(contrasts), size=32, **shape),
        normalise(train.x[shown]),
        train.y[shown],
        loss,
        epochs,
        seed,
        augment=augment or shifted,
    )
    return model


def _measured(seed, contrasts=BOTH, **options):
    """Median Dice over the test patients with a lesion."""
    test = load_mr("test", task="lesion", size=32, contrasts=contrasts)
    return _median(test, nn.probability(_trained(seed, contrasts, **options), normalise(test.x)) >= 0.5)


def _median(data, called):
    return float(np.median(nn.by_patient(dice, data.y, called, data.patients)))


def shifted(x, y, rng):
    return nn.augment_pair(x, y, rng, shift=2)


def nothing(x, y, rng):
    return x, y


def image_only(x, y, rng):
    """The mistake: the image is mirrored and moved, its mask stays where it was."""
    return shifted(x, y, rng)[0], y


AUGMENTATIONS = {"none": nothing, "image only": image_only}
