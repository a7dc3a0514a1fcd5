"""Data of the course: generated patients and notes, published sets, readers of hospital files, specimens.

load_*    labelled sets, `load_NAME(split, …)` -> Dataset;  `load("name", split)` finds one by its name
read_*    a file of one's own: DICOM, NIfTI, npz, tagged text
write_*   the way back: a mask, a generated slice, a heat map, generated notes
sample_*  one real specimen each; never a training set

`load_mr(…, stream=True)` is for more slices than memory holds; `Dataset.batches()` feeds `model.fit`.
`stored_study("02_seeds")` is the result of an experiment that was too long to be run by a chapter.
"""

from medtutor.data import published
from medtutor.data.dataset import Card, Dataset, first_patients
from medtutor.data.files import (
    FileProblem,
    Image,
    read_dicom,
    read_dicom_series,
    read_nifti,
    read_npz,
    read_tagged,
    window,
    write_dicom_slice,
    write_drawn,
    write_nifti,
    write_secondary_capture,
    write_segmentation,
)
from medtutor.data.mr import load_mr, low_resolution
from medtutor.data.notes import Note, load_notes, load_relations, write_notes, write_text
from medtutor.data.published import *  # noqa: F403, all that its own list names
from medtutor.data.registry import DataNotHere, NoChecksum, WrongChecksum, fetch
from medtutor.data.samples import Sample, sample_ct, sample_ecg, sample_mr, sample_retina, sample_tissue
from medtutor.data.shards import OnDisk
from medtutor.data.studies import Study, stored_study

__all__ = [
    *published.__all__,
    "Card",
    "DataNotHere",
    "Dataset",
    "FileProblem",
    "Image",
    "NoChecksum",
    "Note",
    "OnDisk",
    "Sample",
    "Study",
    "WrongChecksum",
    "fetch",
    "first_patients",
    "load_mr",
    "load_notes",
    "load_relations",
    "low_resolution",
    "read_dicom",
    "read_dicom_series",
    "read_nifti",
    "read_npz",
    "read_tagged",
    "sample_ct",
    "sample_ecg",
    "sample_mr",
    "sample_retina",
    "sample_tissue",
    "stored_study",
    "window",
    "write_dicom_slice",
    "write_drawn",
    "write_nifti",
    "write_notes",
    "write_secondary_capture",
    "write_segmentation",
    "write_text",
]
