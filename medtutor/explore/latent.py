"""The latent explorer: a walk over a grid of drawn pictures, and what has changed since its start."""

import numpy as np

from medtutor.explore.base import Explorer
from medtutor.explore.images import bytes_of, pictures_of
from medtutor.plot import show_images

LARGEST = 600_000  # characters of the pictures in a page


def explore_latent(pictures, *, classes=(), axes=("down", "across"), values=None, start=None, between=False):
    """Walk over a grid of drawn pictures, by sliders, by dragging or by arrow keys: what changes is coloured.

    pictures  (rows, cols, h, w), or (classes, rows, cols, h, w) where the same noise is drawn as each class;
              0 to 1. At least 2 rows and 2 columns
    classes   a name for each class; the reader changes class and stays in place
    axes      names of the two directions, that of the rows first
    values    (row values, column values): how far along each direction the pictures were drawn, e.g. two
              linspaces; default: numbers from 1
    start     (row, column) where the walk starts, from 0; default: the middle
    between   offer blends of the four pictures around a place. A mean of pixels is no picture that a
              generator draws: the walk goes from drawn picture to drawn picture unless the reader asks

    Pictures are kept in 256 greys. The difference is that to the start, or to a class at the same place.
    Raises ValueError for shapes, ranges and names that do not fit, and for more than a page should hold.
    """
    pictures = pictures_of(
        "pictures", pictures, ("rows", "cols", "h", "w"), ("classes", "rows", "cols", "h", "w")
    )
    shape = pictures.shape
    pictures = pictures if pictures.ndim == 5 else pictures[None]
    number, rows, cols, h, w = pictures.shape
    if rows < 2 or cols < 2:
        raise ValueError(f"pictures has shape {shape}; a walk needs 2 rows and 2 columns or more")
    if 4 * pictures.size // 3 > LARGEST:
        raise ValueError(
            f"pictures has shape {shape} and needs {4 * pictures.size // 3000} kB in the page, more than "
            f"{LARGEST // 1000}; draw fewer, e.g. every second, pictures[..., ::2, ::2, :, :]"
        )
    classes = [str(name) for name in ([classes] if isinstance(classes, str) else classes)]
    if len(classes) != number and (classes or number > 1):
        raise ValueError(f"classes are {classes}; one for each of the {number} classes of pictures is wanted")
    axes, values = _axes(axes, values, (rows, cols))
    row, column = _start(start, rows, cols)
    state = {
        "pictures": bytes_of(pictures),
        "shape": [number, rows, cols, h, w],
        "classes": classes,
        "axes": axes,
        "values": values,
        "between": bool(between),
        **{"class": 0, "row": row, "column": column, "blend": False, "against": 0},
    }
    return Explorer("latent.js", state, _still(pictures, state), "latent", parts=["parts.js"], measured=True)


def _axes(axes, values, lines):
    names = [str(name) for name in ([axes] if isinstance(axes, str) else axes)]
    if len(names) != 2:
        raise ValueError(f"axes are {names}; two names are wanted, that of the rows first")
    values = [range(1, number + 1) for number in lines] if values is None else list(values)
    values = [np.asarray(along) for along in values]
    if [along.shape for along in values] != [(number,) for number in lines]:
        raise ValueError(
            f"values have shapes {[along.shape for along in values]}; one number for each row and one for "
            f"each column is wanted, {[(number,) for number in lines]}"
        )
    return names, [along.tolist() for along in values]


def _start(start, rows, cols):
    place = (rows // 2, cols // 2) if start is None else start
    if np.shape(place) != (2,) or place[0] not in range(rows) or place[1] not in range(cols):
        wanted = f"(row, column) from (0, 0) to ({rows - 1}, {cols - 1})"
        raise ValueError(f"start is {start!r}; {wanted} is wanted")
    return int(place[0]), int(place[1])


def _still(pictures, state):
    """The start, the grid's four corners, and what differs: as a described picture."""
    row, column = state["row"], state["column"]
    _, rows, cols, h, w = state["shape"]
    corners = [pictures[0, r, c] for r in (0, -1) for c in (0, -1)]
    classes = state["classes"][:1] and f" of the class {state['classes'][0]}"
    alt = (
        f"A walk over {rows} by {cols} drawn pictures{classes or ''} of {h} by {w} pixels, "
        f"{state['axes'][0]} by {state['axes'][1]}: shown are the one it starts from, in row {row + 1} and "
        f"column {column + 1}, and the four at the corners of the grid."
    )
    if len(state["classes"]) > 1:
        alt += f" The same noise is drawn as {' and as '.join(state['classes'])}."
    titles = ("start", "first row, first column", "… last column", "last row, first column", "… last column")
    return show_images([pictures[0, row, column], *corners], titles, alt=alt, vmin=0, vmax=1, size=1.9)
