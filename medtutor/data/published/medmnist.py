"""MedMNIST: small images of many kinds, 28 or 64 pixels a side, as its publisher split them."""

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import check_split
from medtutor.data.files import read_npz
from medtutor.data.published.common import dataset, numbered


def load_breastmnist(split, size=28):
    """Ultrasound of the breast, 780 images: malignant (y == 0, mind the order) or normal or benign (y == 1).

    x (n, size, size, 1) float32 from 0 to 1, y (n,) int64, n = 546 / 78 / 156. `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Al-Dhabyani et al., Data Brief 28:104863 (2020). CC BY 4.0.
    """
    return _load("breastmnist", split, size)


def load_pneumoniamnist(split, size=28):
    """Chest radiographs of children, 5,856 images: normal or pneumonia.

    x (n, size, size, 1) float32 from 0 to 1, y (n,) int64, n = 4708 / 524 / 624. `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Kermany et al., Cell 172:1122 (2018). CC BY 4.0.
    """
    return _load("pneumoniamnist", split, size)


def load_bloodmnist(split, size=28):
    """Normal cells of peripheral blood, 17,092 images of eight kinds.

    x (n, size, size, 3) float32 from 0 to 1 (red, green, blue), y (n,) int64, n = 11959 / 1712 / 3421.
    `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Acevedo et al., Data Brief 30:105474 (2020). CC BY 4.0.
    """
    return _load("bloodmnist", split, size)


def load_retinamnist(split, size=28):
    """Photographs of the retina, 1,600 images: grade 0 to 4 of diabetic retinopathy, an order.

    x (n, size, size, 3) float32 from 0 to 1 (red, green, blue), y (n,) int64, n = 1080 / 120 / 400.
    `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Liu et al., Patterns 3:100512 (2022). CC BY 4.0.
    """
    return _load("retinamnist", split, size)


def load_organamnist(split, size=28):
    """Axial CT slices cut to one of eleven organs, 58,830 images.

    x (n, size, size, 1) float32 from 0 to 1, y (n,) int64, n = 34561 / 6491 / 17778. Split by scan;
    `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Bilic et al., Med Image Anal 84:102680 (2023). CC BY 4.0.
    """
    return _load("organamnist", split, size)


def load_organcmnist(split, size=28):
    """Coronal CT slices cut to one of eleven organs, 23,583 images.

    x (n, size, size, 1) float32 from 0 to 1, y (n,) int64, n = 12975 / 2392 / 8216. Split by scan;
    `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Bilic et al., Med Image Anal 84:102680 (2023). CC BY 4.0.
    """
    return _load("organcmnist", split, size)


def load_organsmnist(split, size=28):
    """Sagittal CT slices cut to one of eleven organs, 25,211 images.

    x (n, size, size, 1) float32 from 0 to 1, y (n,) int64, n = 13932 / 2452 / 8827. Split by scan;
    `patients` numbers images.
    Source: Yang et al., Sci Data 10:41 (2023); Bilic et al., Med Image Anal 84:102680 (2023). CC BY 4.0.
    """
    return _load("organsmnist", split, size)


COLOUR = ("bloodmnist", "retinamnist")
MOST = 2**30  # bytes of a file, or of one split of it unpacked


def _load(name, split, size):
    check_split(split)
    if size not in (28, 64):
        raise ValueError(f"size is {size!r}; {name} is loaded at 28 or 64 pixels a side")
    file = f"{name}.npz" if size == 28 else f"{name}_{size}.npz"
    path = registry.fetch(name, [file])[file]
    shape = (size, size, 3) if name in COLOUR else (size, size)
    images, labels = (f"{split}_{what}" for what in ("images", "labels"))
    arrays = read_npz(path, {images: ("uint8", len(shape) + 1), labels: ("iu", 2)}, limit=MOST)
    images, labels = arrays[images], arrays[labels]
    if images.shape[1:] != shape or labels.shape != (len(images), 1):
        raise ValueError(
            f"{path}: {split} has images {images.shape} and labels {labels.shape}; "
            f"wanted are (n, {', '.join(map(str, shape))}) and (n, 1)"
        )
    y = labels[:, 0].astype(np.int64)
    classes = len(registry.published(name).classes)
    if len(y) and not (0 <= y.min() and y.max() < classes):
        raise ValueError(f"{path}: labels go from {y.min()} to {y.max()}; wanted are 0 to {classes - 1}")
    x = images.reshape(len(images), size, size, -1).astype(np.float32) / np.float32(255)
    return dataset(
        name, split, x, y, numbered(name, split, len(y)), unit="1 = white of the display", bounds=(0, 1)
    )
