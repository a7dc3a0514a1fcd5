"""What a simulated slice is called: contrasts in the order of their names, patients in one split each."""

import pytest

from medtutor.data import load_mr
from medtutor.data.mr.load import FIRST, PATIENTS

CSF = 1


@pytest.mark.parametrize("contrasts", [("T2", "FLAIR"), ("FLAIR", "T2")])
def test_fluid_is_bright_on_t2_and_dark_on_flair_in_the_channel_of_that_name(
    contrasts, monkeypatch, tmp_path
):
    monkeypatch.setenv("MEDTUTOR_CACHE", str(tmp_path))
    data = load_mr("val", contrasts=contrasts, patients=4, size=32, slices=2)
    fluid = data.x[data.extra["tissue"] == CSF].mean(axis=0)
    assert fluid[contrasts.index("T2")] > 1.3 * fluid[contrasts.index("FLAIR")]


def test_no_patient_of_one_full_split_is_in_another():
    numbers = [set(range(first, first + PATIENTS[split])) for split, first in FIRST.items()]
    assert [len(each) for each in numbers] == [500, 150, 200]
    assert len(set.union(*numbers)) == 850
