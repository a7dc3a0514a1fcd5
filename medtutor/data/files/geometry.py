"""Where the pixels of a DICOM image are in the patient: from position and orientation to an affine in mm."""

import numpy as np

LPS_TO_RAS = np.diag(
    [-1.0, -1.0, 1.0, 1.0]
)  # DICOM counts to the left and the back, NIfTI to the right and front
TOLERANCE = 0.02  # of the distance between slices, by which a slice may be off its place …
LEAST = 0.01  # mm, … but never refuse less than this: positions are written with few digits


def directions(orientation):
    """(along a row, down a column, normal) as unit vectors, or None if `orientation` is no such thing.

    orientation  ImageOrientationPatient, the six cosines of PS3.3 C.7.6.2.1.1
    """
    row, column = np.asarray(orientation[:3], float), np.asarray(orientation[3:], float)
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if np.abs(np.array(lengths) - 1).max() > 0.01 or abs(row @ column) > 0.01:
        return None
    return row, column, np.cross(row, column)


def even_step(positions):
    """(3,) vector from each position to the next, or None if they are not evenly spaced on a line."""
    positions = np.asarray(positions, float)
    step = (positions[-1] - positions[0]) / (len(positions) - 1)
    expected = positions[0] + np.arange(len(positions))[:, None] * step
    distance = np.linalg.norm(step)
    off = np.linalg.norm(positions - expected, axis=1).max()
    return step if distance > LEAST and off <= max(LEAST, TOLERANCE * distance) else None


def affine(origin, step, orientation, spacing):
    """(4, 4): slice, row, column and 1 -> mm in RAS+; PS3.3 equation C.7.6.2.1-1 with a third column.

    origin   position of the first slice's first pixel, mm in DICOM's directions
    step     (3,) from slice to slice
    spacing  mm between rows, between columns
    """
    row, column, _ = directions(orientation)
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = step, column * spacing[0], row * spacing[1]
    matrix[:3, 3] = origin
    return as_stored(LPS_TO_RAS @ matrix)


def as_stored(matrix):
    """The affine with the digits that a NIfTI file keeps (float32): writing and reading changes none."""
    return np.asarray(matrix, dtype="float32").astype("float64") + 0.0  # no negative zeros


def letters(matrix):
    """Where each axis of the array points, e.g. "SPL": from feet to head, front to back, right to left."""
    from nibabel.orientations import aff2axcodes

    return "".join(aff2axcodes(matrix))
