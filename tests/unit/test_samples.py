"""Each real specimen is what its card says, held against the file that it came from."""

import inspect

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from medtutor import data

SAMPLES = [f for name, f in inspect.getmembers(data, inspect.isfunction) if name.startswith("sample_")]


@pytest.mark.parametrize("load", SAMPLES, ids=lambda f: f.__name__)
def test_every_sample_keeps_its_promise(load):
    sample = load()
    again = load()
    assert np.array_equal(sample.values, again.values)
    assert np.isfinite(sample.values).all()
    assert "Source:" in load.__doc__ and sample.source and sample.licence and sample.unit
    assert "never train on it" in repr(sample)
    with pytest.raises(ValueError, match="read-only"):
        sample.values[0] = 0


def test_ct_is_in_hounsfield_units():
    dicom = dcmread(get_testdata_file("CT_small.dcm", download=False))
    ct = data.sample_ct()
    assert dicom.RescaleIntercept == -1024 and dicom.RescaleSlope == 1
    assert np.array_equal(ct.values, dicom.pixel_array - 1024.0)
    assert ct.values.shape == (128, 128)
    assert ct.values[0, 0] < -500  # lung, at the corner
    assert 200 < np.median(ct.values[20:40, 50:75]) < 300  # the vertebra's spongy bone


def test_ecg_is_in_millivolt_and_keeps_einthovens_law():
    ecg = data.sample_ecg()
    assert ecg.values.shape == (12, 10000) and ecg.spacing == (0.001,)
    lead = dict(zip(ecg.names, ecg.values, strict=True))
    assert np.allclose(lead["I"] + lead["III"], lead["II"], atol=0.01)
    assert 0.9 < lead["II"].max() < 1.5


def test_mr_and_colour_images_have_the_published_sizes():
    assert data.sample_mr().values.shape == (300, 484)
    assert data.sample_retina().values.shape == (1411, 1411, 3)
    assert data.sample_tissue().values.shape == (512, 512, 3)


def test_file_that_pydicom_does_not_bring_is_named():
    from medtutor.data.samples import _dicom

    with pytest.raises(FileNotFoundError, match="no_such_file.dcm"):
        _dicom("no_such_file.dcm")
