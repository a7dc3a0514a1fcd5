"""One real specimen of each kind, read from files that come inside installed packages: no network is needed.

They are single images and a single recording, good for filters and pictures. They are never a training set.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One real image or recording with the facts that a reader needs about it.

    values   (h, w), (h, w, 3) or (leads, steps), read-only
    unit     of the values, e.g. "HU"
    spacing  distance between neighbours: (mm, mm), or (s,) for a recording; None if unknown
    names    of the leads, for a recording
    """

    what: str
    values: np.ndarray
    unit: str
    source: str
    licence: str
    spacing: tuple | None = None
    names: tuple = ()

    def __post_init__(self):
        self.values.flags.writeable = False

    def __repr__(self):
        low, high = self.values.min(), self.values.max()
        shape = " × ".join(map(str, self.values.shape))
        return (
            f"{self.what}\n"
            f"values   {shape} {self.values.dtype}, {low:g} to {high:g} {self.unit}\n"
            f"source   {self.source}\n"
            f"licence  {self.licence}\n"
            "Real, a single specimen: never train on it, never judge a patient by it."
        )


def sample_ct():
    """A CT slice through a thoracic vertebra.

    values (128, 128) float32 in Hounsfield units: air -1000, water 0, dense bone above 1000.
    Source: CT_small.dcm in pydicom, 0.66 mm pixels, 120 kV.
    """
    dicom = _dicom("CT_small.dcm")
    hounsfield = dicom.pixel_array * float(dicom.RescaleSlope) + float(dicom.RescaleIntercept)
    return Sample(
        "CT slice through a thoracic vertebra",
        hounsfield.astype("float32"),
        "HU",
        "CT_small.dcm, shipped with pydicom",
        "MIT",
        spacing=tuple(map(float, dicom.PixelSpacing)),
    )


def sample_mr():
    """An abdominal MR slice after contrast: liver, spleen, both kidneys, spine.

    values (300, 484) float32, the scanner's own scale from 0 (no signal); MR intensities have no unit.
    Source: examples_overlay.dcm in pydicom, 0.72 mm pixels.
    """
    dicom = _dicom("examples_overlay.dcm")
    return Sample(
        "MR slice through the abdomen",
        dicom.pixel_array.astype("float32"),
        "a.u.",
        "examples_overlay.dcm, shipped with pydicom",
        "MIT",
        spacing=tuple(map(float, dicom.PixelSpacing)),
    )


def sample_retina():
    """A colour photograph of a healthy human retina.

    values (1411, 1411, 3) uint8, red, green and blue from 0 to 255.
    Source: Häggström, WikiJournal of Medicine 1 (2014), as scikit-image's `retina`.
    """
    from skimage import data

    return Sample(
        "photograph of a human retina",
        data.retina(),
        "of 255",
        "Häggström, WikiJournal of Medicine 1 (2014), shipped with scikit-image",
        "CC0",
    )


def sample_tissue():
    """A section of colon gland under the microscope: FHL2 stained brown, nuclei blue.

    values (512, 512, 3) uint8, red, green and blue from 0 to 255.
    Source: Center for Microscopy and Molecular Imaging, as scikit-image's `immunohistochemistry`.
    """
    from skimage import data

    return Sample(
        "stained section of the colon",
        data.immunohistochemistry(),
        "of 255",
        "Center for Microscopy and Molecular Imaging (CMMI), shipped with scikit-image",
        "no known copyright restrictions",
    )


def sample_ecg():
    """A real resting electrocardiogram of ten seconds with twelve leads.

    values (12, 10000) float32 in millivolt, 1000 steps a second; `names` are the leads, "I" first.
    Source: waveform_ecg.dcm in pydicom.
    """
    dicom = _dicom("waveform_ecg.dcm")
    rhythm = dicom.WaveformSequence[0]
    leads = [c.ChannelSourceSequence[0].CodeMeaning for c in rhythm.ChannelDefinitionSequence]
    return Sample(
        "resting electrocardiogram with twelve leads",
        np.ascontiguousarray(dicom.waveform_array(0).T / 1000, dtype="float32"),  # microvolt to millivolt
        "mV",
        "waveform_ecg.dcm, shipped with pydicom",
        "MIT",
        spacing=(1 / float(rhythm.SamplingFrequency),),
        names=tuple(lead.removeprefix("Lead ").split()[0] for lead in leads),
    )


def _dicom(name):
    """The DICOM file that pydicom ships as `name`, read; it never downloads."""
    from pydicom import dcmread
    from pydicom.data import get_testdata_file

    path = get_testdata_file(name, download=False)
    if path is None:
        raise FileNotFoundError(
            f"the installed pydicom does not bring {name}; install the locked version with `make lab`"
        )
    return dcmread(Path(path))
