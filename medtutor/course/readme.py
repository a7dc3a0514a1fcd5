"""Write the chapter table into README.md from notebooks/chapters.toml and notebooks/measured.json.

python -m medtutor.course.readme     the same as `make readme`
"""

import re
import sys

from medtutor.guide import ROOT, chapters

TABLE = re.compile(
    r"(?<=<!-- chapters: written by `make readme` -->\n).*?(?=\n<!-- end of chapters -->)", re.DOTALL
)


def main(words=(), root=ROOT):
    """Replace the table; gives exit status 1 where the README has no place for it."""
    if {"-h", "--help"} & set(words):
        print(__doc__)
        return 0
    readme = root / "README.md"
    text, count = TABLE.subn(
        lambda found: table(chapters(root / "notebooks")), readme.read_text(encoding="utf-8")
    )
    if count != 1:
        print("README.md has no lines that mark where the chapter table begins and ends.", file=sys.stderr)
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
