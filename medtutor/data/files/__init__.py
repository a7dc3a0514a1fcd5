"""Readers for the files that hospitals and publishers give: DICOM, NIfTI, npz, tagged text.

Each checks what a file says before it believes it, and raises FileProblem for one that is not what it says.
"""

from medtutor.data.files.dicom import read_dicom
from medtutor.data.files.image import Image, window
from medtutor.data.files.nifti import read_nifti, write_nifti
from medtutor.data.files.npz import read_npz
from medtutor.data.files.problem import LIMIT, FileProblem
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
    "write_nifti",
]
