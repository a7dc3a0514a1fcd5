"""Nothing that names a patient leaves a DICOM file unless it is asked for."""

import warnings

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.datadict import DicomDictionary, dictionary_VR
from pydicom.dataset import Dataset
from test_files_dicom import bundled, make_dicom

from medtutor.data.files import FileProblem, read_dicom, read_dicom_series
from medtutor.data.files.parse import HEADER, USED

SECRET = {
    **dict.fromkeys(("PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE"), "Zyxwv^Quentin"),
    "UI": "1.2.987654321.1",
    "DA": "19170329",
    "TM": "041729",
    "DT": "19170329041729",
    "AS": "097Y",
}
TRACES = ("Zyxwv", "Quentin", "987654321", "19170329", "041729", "097Y")
KEPT_BY_NEED = ("SOPClassUID", "SeriesInstanceUID", "SpecificCharacterSet")
# Numbers and code strings that PS3.15 table E.1-1 removes all the same
PERSONAL = (
    "PatientSex PatientSexNeutered PatientSize PatientWeight PatientAge PregnancyStatus SmokingStatus "
    "PatientBirthDate StudyID SeriesNumber InstanceNumber DeviceSerialNumber StationName ProtocolName "
    "SeriesDescription StudyDescription ImageComments DerivationDescription OperatorsName InstitutionName"
).split()


def full_of_secrets():
    """Every element of the data dictionary that holds text, dates or UIDs, set to a recognisable value."""
    secrets, person = {}, Dataset()
    person.PatientName = SECRET["PN"]
    for _, (vr, _, _, retired, keyword) in DicomDictionary.items():
        if not keyword or retired or keyword in KEPT_BY_NEED or keyword.startswith(("Command", "Affected")):
            continue
        if vr in SECRET:
            secrets[keyword] = SECRET[vr]
        elif vr == "SQ" and keyword not in USED:
            secrets[keyword] = [person]
    tags = {keyword: tag for tag, (*_, keyword) in DicomDictionary.items()}
    return {keyword: value for keyword, value in secrets.items() if tags[keyword] >> 16 not in (0, 2, 4)}


@pytest.fixture(scope="module")
def secret_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("secret") / "x.dcm"
    codes = {keyword: "ZYXWV" for keyword in ("PatientSex", "SmokingStatus")}
    numbers = {"PatientWeight": "71.7171", "PatientSize": "1.7171"}
    make_dicom(path, **full_of_secrets(), **codes, **numbers)
    dataset = dcmread(path)
    dataset.private_block(0x11, "Zyxwv", create=True).add_new(1, "LO", "Quentin")
    dataset.save_as(path)
    return path


def traces(text):
    return [trace for trace in (*TRACES, "ZYXWV", "7171") if trace in text]


def test_no_secret_of_any_element_is_in_the_image(secret_file, caplog, capsys):
    assert len(full_of_secrets()) > 1500
    with caplog.at_level(0), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        image = read_dicom(secret_file)
    everything = [repr(image), str(vars(image)), str(dict(image.header))]
    assert traces("".join(everything)) == []
    assert traces("".join(str(w.message) for w in warned) + caplog.text) == []
    assert traces("".join(capsys.readouterr())) == []
    assert image.identity == {}
    assert np.array_equal(image.values.ravel(), np.arange(16))


def test_secrets_are_there_for_those_who_ask(secret_file):
    identity = read_dicom(secret_file, identify=True).identity
    assert identity["PatientName"] == "Zyxwv^Quentin" and identity["PatientBirthDate"] == "19170329"
    assert identity["PatientSex"] == "ZYXWV" and identity["StudyInstanceUID"] == "1.2.987654321.1"


@pytest.mark.parametrize("keyword", [k for k in (*USED, *HEADER) if not k.endswith(("Sequence", "Lengths"))])
def test_no_secret_in_the_wrong_element_is_in_the_error_or_header(tmp_path, keyword, caplog):
    vr = dictionary_VR(keyword)
    elements = {} if "PixelData" in keyword else {"PixelSpacing": ["1", "1"]}
    data = make_dicom(None, **elements)
    dataset = Dataset()
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (tmp_path / "x.dcm").write_bytes(data)
        dataset = dcmread(tmp_path / "x.dcm")
        dataset.add_new(keyword, "LO" if vr not in ("CS", "UI") else vr, "Zyxwv^Quentin")
        dataset.save_as(tmp_path / "x.dcm")
    caplog.clear()
    with caplog.at_level(0), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            said = repr(vars(read_dicom(tmp_path / "x.dcm")))
        except FileProblem as problem:
            said = f"{problem} {problem.__context__} {problem.__cause__}"
    assert traces(said + caplog.text + "".join(str(w.message) for w in warned)) == []


def test_header_keeps_only_numbers_and_codes_that_the_profile_keeps():
    assert {dictionary_VR(keyword) for keyword in HEADER} <= {"CS", "DS", "IS", "US", "US or SS", "FL", "FD"}
    assert not set(HEADER) & set(PERSONAL)


def test_real_patients_of_the_samples_are_not_shown():
    for name in ("CT_small.dcm", "MR_small.dcm", "examples_overlay.dcm", "693_J2KI.dcm"):
        dicom = dcmread(bundled(name))
        shown = repr(vars(read_dicom(bundled(name))))
        personal = [
            str(dicom[k].value)
            for k in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate")
            if k in dicom
        ]
        assert personal and [value for value in personal if len(value) > 3 and value in shown] == []


def test_errors_of_a_series_name_no_patient(tmp_path):
    common = {"PixelSpacing": ["1", "1"], "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]}
    for i in range(2):
        uid, place = f"1.2.987654321.{i}", ["0", "0", str(i)]
        make_dicom(tmp_path / f"{i}.dcm", SeriesInstanceUID=uid, ImagePositionPatient=place, **common)
    with pytest.raises(FileProblem, match="more than one series, e.g. '0.dcm' and '1.dcm'") as caught:
        read_dicom_series(tmp_path)
    assert traces(str(caught.value)) == []
