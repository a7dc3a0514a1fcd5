"""Deep learning for medicine: interactive notebooks whose every output is validated.

A student meets `data`, `nn`, `metrics`, `plot`, `explore` and `exercises`; a maintainer meets `course`.
Importing this package costs milliseconds: each name below is loaded when it is first used (PEP 562).
"""

import importlib

__version__ = "0.1.0"

_MODULES = (
    "course",
    "data",
    "exercises",
    "explore",
    "guide",
    "metrics",
    "nn",
    "pictures",
    "plot",
    "report",
    "tags",
)
_HOME = {
    "check": "exercises",
    "hint": "exercises",
    "solution": "exercises",
    "course_map": "guide",
    "environment": "guide",
    "quiet_start": "guide",
    "result": "results",
}

__all__ = sorted([*_MODULES, *_HOME])


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"medtutor.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"medtutor.{_HOME[name]}"), name)
    raise AttributeError(f"medtutor has no name {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return [*__all__, "__version__"]
