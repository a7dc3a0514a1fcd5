"""Makes data/anatomy.npz from the ICBM 152 maps that nilearn ships:  python -m medtutor.data.mr.derive

nilearn is needed for this and for nothing else, so it is not among the project's packages:
    uv run --no-project --python 3.11 --with nilearn==0.14.1 --with-editable . \\
        python -m medtutor.data.mr.derive
"""

import sys

import numpy as np

from medtutor.data.mr.anatomy import FILE, LEVELS

# The brain and a margin, from the cerebellum to the vertex.
BOX = (slice(8, 190), slice(16, 222), slice(28, 155))
ORIGIN = np.array([98, 134, 72])  # index of the anterior commissure in nilearn's maps


def derive():
    """-> {"grey", "white" uint8 0 to LEVELS, "brain" packed bits, "origin" (3,) int16}, cropped to BOX."""
    from nilearn import datasets
    from scipy.ndimage import binary_fill_holes

    def volume(name):
        return np.asarray(getattr(datasets, f"load_mni152_{name}")(resolution=1).dataobj, np.float32)

    brain = binary_fill_holes(volume("brain_mask") > 0.5)[BOX]
    fractions = {name: volume(f"{short}_template")[BOX] for name, short in (("grey", "gm"), ("white", "wm"))}
    return {
        **{name: np.rint(np.clip(f, 0, 1) * LEVELS).astype(np.uint8) for name, f in fractions.items()},
        "brain": np.packbits(brain),
        "origin": (ORIGIN - [side.start for side in BOX]).astype(np.int16),
    }


def main():
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **derive())
    print(f"{FILE.name}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
