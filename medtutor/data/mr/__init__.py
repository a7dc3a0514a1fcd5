"""Simulated MR slices of the brain: anatomy from an average brain, lesions, signal equations, noise."""

from medtutor.data.mr.load import load_mr
from medtutor.data.mr.physics import low_resolution, rician, signal

__all__ = ["load_mr", "low_resolution", "rician", "signal"]
