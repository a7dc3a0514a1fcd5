"""Results of long experiments, measured by `medtutor study` and shown by chapters that do not run them."""

import base64
import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from medtutor.data.dataset import _lines, _table

FOLDER = Path(__file__).parents[2] / "data" / "studies"


@dataclass(frozen=True, eq=False)
class Study:
    """What an experiment found, and how it was measured; `study["auroc"]` is one of its values.

    name    of its script, studies/NAME.py
    what    what was measured, in a sentence
    values  {name: value}; lists of numbers are read-only arrays, other lists tuples
    made    how: "command", "seconds" of computing, "machine" in words, "versions" by package
    """

    name: str
    what: str
    values: MappingProxyType
    made: MappingProxyType

    def __getitem__(self, name):
        if name not in self.values:
            raise KeyError(f"{self.name} has no value {name!r}; it has {', '.join(self.values)}")
        return self.values[name]

    def rows(self):
        """(word, text) of each line that describes the values and how they were measured."""
        versions = ", ".join(f"{package} {version}" for package, version in self.made["versions"].items())
        return (
            *((name, _short(value)) for name, value in self.values.items()),
            ("measured", f"in {duration(self.made['seconds'])} on {self.made['machine']}, not here and now"),
            ("with", versions),
            ("again", self.made["command"]),
        )

    def __repr__(self):
        return _lines(self.what, self.rows())

    def _repr_html_(self):
        return _table(self.what, self.rows())


def stored_study(name, folder=FOLDER):
    """The result of a long experiment, as it is shipped in data/studies/NAME.json.

        seeds = stored_study("02_seeds")
        seeds["auroc"]

    name    of the script studies/NAME.py that measured it
    folder  where the results lie
    Raises ValueError for a name that is not there, and for a file that cannot be read; it says which are.
    """
    there = sorted(path.stem for path in Path(folder).glob("*.json"))
    if name not in there:
        near = difflib.get_close_matches(str(name), there, 1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"there is no stored study {name!r}{guess}; there are: {', '.join(there) or 'none, yet'}"
        )
    content = read(Path(folder) / f"{name}.json")
    return Study(name, content["what"], _frozen(content["values"]), _frozen(content["made"]))


def packed(weights):
    """A model's arrays as a text for a stored study: 16-bit numbers, one after the other, in base64."""
    flat = np.concatenate([np.ravel(w) for w in weights]).astype("<f2")
    return base64.b64encode(flat.tobytes()).decode()


def unpacked(text, like):
    """What `packed` wrote, as float32 arrays of the shapes of those in `like`.

    ValueError where they do not fit.
    """
    flat = np.frombuffer(base64.b64decode(text), "<f2").astype("float32")
    sizes = [np.size(w) for w in like]
    if len(flat) != sum(sizes):
        raise ValueError(
            f"{len(flat):,} stored numbers for a model of {sum(sizes):,}: it was stored for another; "
            "build the model that the study built"
        )
    return [
        part.reshape(np.shape(w)) for part, w in zip(np.split(flat, np.cumsum(sizes)[:-1]), like, strict=True)
    ]


def read(path):
    """The content of a stored study, as JSON has it; ValueError for what `medtutor study` did not write."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        complete = {"what", "values", "made", "sources"} <= set(content)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); take it from the project again") from None
    if not complete:
        raise ValueError(f"{path} is not complete; take it from the project again")
    return content


def duration(seconds):
    """Seconds in words: "38 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _frozen(value):
    """The value with nothing in it that could be changed; rectangular lists of numbers become arrays."""
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(each) for name, each in value.items()})
    if not isinstance(value, list):
        return value
    array = _array(value)
    return tuple(map(_frozen, value)) if array is None else array


def _array(numbers):
    try:
        array = np.array(numbers)
    except ValueError:  # rows of different lengths
        return None
    if array.size == 0 or array.dtype.kind not in "bif":
        return None
    array.flags.writeable = False
    return array


def _short(value):
    if isinstance(value, np.ndarray):
        if value.size <= 6 and value.ndim == 1:
            return " ".join(f"{number:.4g}" for number in value.tolist())
        low, high = float(value.min()), float(value.max())
        return f"{' × '.join(map(str, value.shape))} {value.dtype}, {low:.4g} to {high:.4g}"
    if isinstance(value, MappingProxyType):
        return "by name: " + ", ".join(value)
    if isinstance(value, tuple):
        return f"{len(value)} values"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
