"""Explorers: arithmetic under the pointer in the page itself, and a panel for a function of your own."""

import importlib

_HOME = {
    "explore_agreement": "agreement",
    "explore_checkerboard": "checkerboard",
    "explore_convolution": "convolution",
    "explore_features": "features",
    "explore_function": "function",
    "explore_latent": "latent",
    "explore_lattice": "lattice",
    "explore_mask": "mask",
    "explore_note": "note",
    "explore_painting": "painting",
    "explore_patients": "patients",
    "explore_plane_gan": "plane",
    "explore_real_or_drawn": "blind",
    "explore_threshold": "threshold",
    "live_curves": "training",
    "live_pictures": "drawing",
    "receptive_field": "receptive",
}

__all__ = sorted(_HOME)


def __getattr__(name):
    if name in _HOME:
        return getattr(importlib.import_module(f"medtutor.explore.{_HOME[name]}"), name)
    raise AttributeError(f"medtutor.explore has no name {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return __all__
