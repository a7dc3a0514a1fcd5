"""Readers for the files that hospitals and publishers give (DICOM, NIfTI, npz, tagged text), and writers.

A reader checks what a file says before it believes it, and raises FileProblem for one that is not what it
says. A DICOM writer gives the same bytes for the same call, says what is synthetic, and passes no name on.
"""

from medtutor.data.files.capture import write_secondary_capture
from medtutor.data.files.dicom import read_dicom
from medtutor.data.files.drawn import write_drawn
from medtutor.data.files.image import Image, window
from medtutor.data.files.mr_slice import write_dicom_slice
from medtutor.data.files.nifti import read_nifti, write_nifti
from medtutor.data.files.npz import read_npz
from medtutor.data.files.problem import LIMIT, FileProblem
from medtutor.data.files.segmentation import write_segmentation
from medtutor.data.files.series import read_dicom_series
from medtutor.data.files.tagged import read_tagged

__all__ = [
    "LIMIT",
    "FileProblem",
    "Image",
    "read_dicom",
    "read_dicom_series",
    "read_nifti",
    "read_npz",
    "read_tagged",
    "window",
    "write_dicom_slice",
    "write_drawn",
    "write_nifti",
    "write_secondary_capture",
    "write_segmentation",
]
