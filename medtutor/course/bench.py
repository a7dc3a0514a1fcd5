"""What a benchmark hands over: rows and slopes, stored in benchmarks/results.json and shown as tables.

`make bench ARGS=--write` measures and stores, `make readme` writes the tables into README.md.
"""

import json
import math
import statistics
from dataclasses import asdict, dataclass

from medtutor.guide import ROOT

RESULTS = ROOT / "benchmarks" / "results.json"
HEAD = ("what", "size", "medtutor", "peer", "times as fast", "threads", "same answer?", "bound kept?")
HEAD_OF_SLOPES = ("what", "grows with", "measured", "log-log slope")


@dataclass(frozen=True)
class Row:
    """One thing that was measured, beside a peer where there is one.

    what, size   in words, e.g. "CRF, loss and gradient, XLA" and "32 × 64 × 13"
    unit         of `ours` and `theirs`, "ms" or "s": less is better
    ours         every repetition; infinite where a training never got there
    peer         its name and setting; "" where nothing is compared
    theirs       the peer's repetitions, each of the same round as ours; empty where it was not measured
    threads      ours and the peer's, each the faster one of those tried; empty where it makes no difference
    same         what was compared before the times were, or what is not the same
    at_least     bound: so many times as fast as the peer, in the median over the rounds
    at_most      bound: the median of `ours`, in `unit`
    missing      why something was not measured
    """

    what: str
    size: str
    unit: str = "ms"
    ours: tuple = ()
    peer: str = ""
    theirs: tuple = ()
    threads: tuple = ()
    same: str = ""
    at_least: float | None = None
    at_most: float | None = None
    missing: str = ""

    def __post_init__(self):
        if self.theirs and len(self.theirs) != len(self.ours):
            raise ValueError(
                f"{self.what}: {len(self.ours)} times of ours and {len(self.theirs)} of the peer's; "
                "take both in each round"
            )

    @property
    def ratios(self):
        """The peer's time over ours, round by round; empty where a training never got there."""
        if math.inf in (*self.ours, *self.theirs):
            return ()
        return tuple(theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=False))

    @property
    def kept(self):
        """Whether the bound is kept; None where there is none, or where nothing can be said of it."""
        if self.at_most is not None and self.ours:
            return statistics.median(self.ours) <= self.at_most
        if self.at_least is not None and self.theirs:
            return bool(self.ratios) and statistics.median(self.ratios) >= self.at_least
        return None

    def cells(self):
        """The row in words, a text for each column of HEAD."""
        missing = f"not measured: {self.missing}" if self.missing else ""
        ours = _values(self.ours, self.unit) or missing
        theirs = _values(self.theirs, self.unit) or (missing if self.ours and self.peer else "")
        return (
            self.what,
            self.size,
            ours,
            ", ".join(filter(None, (self.peer, theirs))),
            _values(self.ratios, "×"),
            " and ".join(map(str, self.threads)),
            self.same,
            self._bound(),
        )

    def _bound(self):
        bounds = []
        if self.at_most is not None:
            bounds.append(f"at most {self.at_most:g} {self.unit}".strip())
        if self.at_least is not None:
            bounds.append(f"at least {self.at_least:g} ×")
        verdict = {True: ": yes", False: ": NO", None: ""}[self.kept]
        return ", ".join(bounds) + verdict


@dataclass(frozen=True)
class Slope:
    """How a time grows with a size: the slope of log time against log size; 1 is in proportion.

    what, against   in words, e.g. "CRF, loss and gradient, 32 × T × 13" and "T"
    sizes           at least two, rising
    times           for each size every repetition, in `unit`
    """

    what: str
    against: str
    sizes: tuple
    times: tuple
    unit: str = "ms"

    @property
    def slope(self):
        """Of the least-squares line through the logarithms of the medians."""
        medians = [math.log(statistics.median(each)) for each in self.times]
        return statistics.linear_regression([math.log(size) for size in self.sizes], medians).slope

    def cells(self):
        """The slope in words, a text for each column of HEAD_OF_SLOPES."""
        points = [
            f"{size}: {number(statistics.median(each))} {self.unit}"
            for size, each in zip(self.sizes, self.times, strict=True)
        ]
        return self.what, self.against, ", ".join(points), f"{self.slope:.2f}"


@dataclass(frozen=True)
class Measured:
    """What one benchmark found, and where.

    machine    in words
    versions   of what took part, {package: version}
    load       the machine's load average before and after; empty where it has none
    settings   seeds, rounds and so on, {name: value}
    """

    machine: str
    versions: dict
    load: tuple
    settings: dict
    rows: tuple
    slopes: tuple = ()


def quartiles(values):
    """(lower quartile, median, upper quartile); of a single value three times itself."""
    if len(values) == 1:
        return (values[0],) * 3
    return tuple(statistics.quantiles(values, n=4, method="inclusive"))


def number(value):
    """Three digits, more for large numbers: 0.0123, 4.56, 1230."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _values(values, unit):
    """Median and quartiles in words; "" for no values."""
    if not values:
        return ""
    if math.inf in values:
        return f"{sum(map(math.isinf, values))} of {len(values)} never got there"
    low, middle, high = map(number, quartiles(values))
    middle = f"{middle} {unit}".strip()
    return middle if len(values) == 1 else f"{middle} ({low} to {high})"


# ---------------------------------------------------------------------------------------------- the file


def load(path=RESULTS):
    """What was stored: {name of the benchmark: Measured}; nothing where there is no file."""
    if not path.exists():
        return {}
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {name: measured(content) for name, content in stored.items()}


def measured(content):
    """A Measured of what json makes of it."""
    parts = {
        name: tuple(kind(**{key: _from_json(value) for key, value in each.items()}) for each in content[name])
        for name, kind in (("rows", Row), ("slopes", Slope))
    }
    return Measured(**{**content, "load": tuple(content["load"]), **parts})


def store(results, path=RESULTS):
    """Write {name of the benchmark: Measured} with one row a line, so that a change is seen as one."""
    content = {name: _to_json(asdict(results[name])) for name in sorted(results)}
    path.write_text(_text(content, 3) + "\n", encoding="utf-8", newline="\n")


def _from_json(value):
    if isinstance(value, list):
        return tuple(math.inf if each == "never" else _from_json(each) for each in value)
    return value


def _to_json(value):
    if isinstance(value, dict):
        return {name: _to_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(each) for each in value]
    return "never" if value == math.inf else value


def _text(value, deep, indent=""):
    """`value` as json, with its outer `deep` levels on a line for each entry."""
    if not deep or not value or not isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    inner = indent + " "
    if isinstance(value, dict):
        entries = [f"{json.dumps(name)}: {_text(each, deep - 1, inner)}" for name, each in value.items()]
    else:
        entries = [_text(each, deep - 1, inner) for each in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{inner}" + f",\n{inner}".join(entries) + f"\n{indent}{last}"


# ---------------------------------------------------------------------------------------------- the tables


def tables(results, aligned=False):
    """Rows and slopes of all benchmarks as two markdown tables, and under what they were measured.

    aligned   pads the columns, so that a table reads as plain text too
    """
    rows = [row.cells() for each in results.values() for row in each.rows]
    slopes = [slope.cells() for each in results.values() for slope in each.slopes]
    parts = [_table(HEAD, rows, aligned)] if rows else []
    parts += [_table(HEAD_OF_SLOPES, slopes, aligned)] if slopes else []
    return "\n\n".join([*parts, _told(results)] if results else ["Nothing was measured."])


def _told(results):
    """Machines, their load and the versions, as a sentence each."""
    machines = sorted({each.machine for each in results.values()})
    versions = sorted({item for each in results.values() for item in each.versions.items()})
    loads = [value for each in results.values() for value in each.load]
    told = ["; ".join(machines)]
    if loads:
        told.append(f"Load average {min(loads)} to {max(loads)}, of which the measuring itself makes 1 to 2")
    told.append(", ".join(f"{name} {version}" for name, version in versions))
    return ". ".join(told) + "."


def _table(head, rows, aligned):
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) if aligned else 0 for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * max(3, width) for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )
