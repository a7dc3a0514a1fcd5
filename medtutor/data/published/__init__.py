"""Loaders of the published sets, load_NAME(split) -> Dataset, and `load`, which finds one by its name.

They need a network once, or a mirror (MEDTUTOR_MIRROR), or files put into the cache by hand; without any of
them they say which file to get from where. See medtutor.data.registry.
"""

from medtutor.data.published.bc5cdr import load_bc5cdr, load_bc5cdr_relations
from medtutor.data.published.heart import UCI_HEART_COLUMNS, load_uci_heart
from medtutor.data.published.hippocampus import load_hippocampus
from medtutor.data.published.medmnist import (
    load_bloodmnist,
    load_breastmnist,
    load_organamnist,
    load_organcmnist,
    load_organsmnist,
    load_pneumoniamnist,
    load_retinamnist,
)
from medtutor.data.published.mitbih import load_mitbih
from medtutor.data.published.molecules import load_bbbp, load_esol, load_tox21
from medtutor.data.published.tagged import load_ccks2017, load_cmedqaner, load_cmeee, load_ncbi_disease
from medtutor.data.registry import near

__all__ = [
    "UCI_HEART_COLUMNS",
    "load",
    "load_bbbp",
    "load_bc5cdr",
    "load_bc5cdr_relations",
    "load_bloodmnist",
    "load_breastmnist",
    "load_ccks2017",
    "load_cmedqaner",
    "load_cmeee",
    "load_esol",
    "load_hippocampus",
    "load_mitbih",
    "load_ncbi_disease",
    "load_organamnist",
    "load_organcmnist",
    "load_organsmnist",
    "load_pneumoniamnist",
    "load_retinamnist",
    "load_tox21",
    "load_uci_heart",
]


def load(name, split, **options):
    """A split of the set called `name`, whatever its source, e.g. load("breastmnist", "train").

    It calls load_<name>(split, **options) of medtutor.data, for generated and for published sets alike; so
    one line switches a chapter to another source. An unknown name is answered with near ones.
    """
    loaders = _loaders()
    if name not in loaders:
        raise ValueError(f"no set is called {name!r}; {near(name, loaders)}")
    return loaders[name](split, **options)


def _loaders():
    """{name: load_<name>} of all that medtutor.data and this package have."""
    import medtutor.data

    names = {name for name in dir(medtutor.data) if name.startswith("load_")} | set(__all__)
    return {
        name.removeprefix("load_"): getattr(medtutor.data, name, None) or globals()[name]
        for name in names
        if name.startswith("load_")
    }
