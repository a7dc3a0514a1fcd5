"""Strict validation of notebooks: a pytest plugin on top of nbval, and the function behind `medtutor validate`.

    pytest --nbval --nbval-current-env my_notebook.ipynb

runs each code cell again and compares each output with the stored one. A number before ± may move by the number
after it; all else must be equal. `medtutor.course.compare` says what equal means, `medtutor.course.strict` how
nbval is told. Without `--nbval` this plugin does nothing.
"""

import argparse
import subprocess
import sys
from pathlib import Path

NBVAL = "0.11.0"
CELL_SECONDS = 300


def kernel_environment():
    """The variables that a kernel gets when a notebook is built or validated, so that both see the same outputs.

    -> {name: value}, to be laid over os.environ. What the portability settings vary (threads, instruction sets,
    oneDNN) is not among them.
    """
    return {
        "PYTEST_CURRENT_TEST": "notebook",  # ipykernel then leaves output of C libraries out of the page
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",  # tolerances were measured on processors
        "PYTHONHASHSEED": "0",
        "PYTHONWARNINGS": "",  # the default filters: what a student would be warned of is red
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "COLUMNS": "80",
    }
