"""All tests run offline: here, and in every Python that they start."""

import importlib.util
import os
from pathlib import Path

OFFLINE = Path(__file__).parent / "offline"


def _refuse_network():
    spec = importlib.util.spec_from_file_location("offline_sitecustomize", OFFLINE / "sitecustomize.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(OFFLINE) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), *paths]))


_refuse_network()
os.environ["MEDTUTOR_PROGRESS"] = "0"  # pytest has ipykernel loaded, and nobody looks on
