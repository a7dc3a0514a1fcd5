"""Write the tables of README.md: its chapters, what the benchmarks measured, and what catches which faults.

python -m medtutor.course.readme     the same as `make readme`

The chapters come from notebooks/chapters.toml and notebooks/measured.json, the figures from
benchmarks/results.json, the shares of faults from tests/faults.
"""

import re
import sys

from medtutor.course import bench, shares
from medtutor.guide import ROOT, chapters


def place(name):
    """The pattern of what stands between the two lines that mark a table's place."""
    begins = re.escape(f"<!-- {name}: written by `make readme` -->")
    return re.compile(rf"(?<={begins}\n).*?(?=\n<!-- end of {name} -->)", re.DOTALL)


TABLE, BENCHMARKS, FAULTS = place("chapters"), place("benchmarks"), place("faults")


def main(words=(), root=ROOT):
    """Replace the tables; gives exit status 1 where the README has no place for one of them."""
    if {"-h", "--help"} & set(words):
        print(__doc__)
        return 0
    readme = root / "README.md"
    text = readme.read_text(encoding="utf-8")
    tables = {
        TABLE: table(chapters(root / "notebooks")),
        BENCHMARKS: bench.tables(bench.load(root / "benchmarks" / "results.json")),
        FAULTS: shares.table(root),
    }
    for pattern, written in tables.items():
        text, count = pattern.subn(lambda found, written=written: written, text)
        if count != 1:
            print("README.md has no lines that mark where its tables begin and end.", file=sys.stderr)
            return 1
    readme.write_text(text, encoding="utf-8", newline="\n")
    return 0


def table(chapters):
    """The chapters as a markdown table, with links to the notebooks that are there."""
    lines = [
        "| chapter | question | needs | data | time, Run All | reading, about |",
        "|---|---|---|---|---|---|",
    ]
    for each in chapters:
        name = f"{each.number} · {each.title}"
        name = f"[{name}](notebooks/{each.notebook})" if each.notebook else name
        cells = name, each.question, each.before, each.data, each.time, each.reading
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
