"""Data of the course: real specimens that come inside installed packages, and (later) the labelled sets."""

from medtutor.data.samples import Sample, sample_ct, sample_ecg, sample_mr, sample_retina, sample_tissue

__all__ = ["Sample", "sample_ct", "sample_ecg", "sample_mr", "sample_retina", "sample_tissue"]
