"""`medtutor data`: list, fetch and verify the published sets, and keep data/manifest.toml.

The manifest names each file that is shipped under data/ with its SHA-256, size, licence, origin and the
command that makes it. `medtutor data manifest --write` renews checksums and sizes and adds unlisted files.
"""

import argparse
import json
import re
import sys
import textwrap
import tomllib

from medtutor.course.build import ROOT
from medtutor.data import registry
from medtutor.data.registry import file_digest

MANIFEST = "manifest.toml"
HEADER = """\
# Each file that is shipped under data/, checked by `medtutor data verify` and by a test.
# `medtutor data manifest --write` renews bytes and sha256, and adds files that are not listed; the rest is
# written by hand.
"""
BY_HAND = ("licence", "origin", "command")


def main(words=None, root=ROOT):
    """`medtutor data …`; returns 0 if all is well, 1 where something is wrong, 2 for an unknown name."""
    options = _parser().parse_args(words)
    try:
        return options.run(options, root)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="medtutor data",
        description=textwrap.dedent(
            """\
            The published sets: which there are, fetching them ahead of a class, whether those here are right.
            The course itself needs none of them: it generates or ships its data. Sets are known by checksum
            and kept in the user's cache (MEDTUTOR_CACHE). MEDTUTOR_MIRROR, a folder or an address that holds
            SET/FILE, is asked before the publisher; the folder `published` of a filled cache is one."""
        ),
        epilog=textwrap.dedent(
            """\
            examples:
              medtutor data list                       every set: task, size, licence, whether it is here
              medtutor data fetch breastmnist          download it, unless it is here
              medtutor data fetch breastmnist --all    its optional files, too (64 pixels)
              medtutor data verify                     check shipped files and the cache
              medtutor data manifest --write           renew data/manifest.toml"""
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="list | fetch | verify | manifest")
    listed = commands.add_parser("list", help="every set: task, size, licence, and whether it is here")
    listed.set_defaults(run=_list)
    fetched = commands.add_parser("fetch", help="download a set, unless it is here")
    fetched.add_argument("name", metavar="NAME", help="a name from `medtutor data list`")
    fetched.add_argument("--all", action="store_true", help="optional files, too")
    fetched.add_argument(
        "--accept-unverified",
        action="store_true",
        help="take a file that has no published checksum; it is shown and pinned",
    )
    fetched.set_defaults(run=_fetch)
    verified = commands.add_parser("verify", help="check shipped files by the manifest, and the cache")
    verified.set_defaults(run=_verify)
    manifest = commands.add_parser("manifest", help="compare data/manifest.toml with the files under data/")
    manifest.add_argument("--write", action="store_true", help="renew checksums and add what is not listed")
    manifest.set_defaults(run=_manifest)
    return parser


def _list(options, root):
    rows = [("name", "task", "MB", "licence", "on this machine")]
    for name, each in registry.sets().items():
        size = sum(file.megabytes for file in each.files if not file.optional)
        rows.append((name, each.task, f"{size:.1f}" if each.files else "-", _short(each), _here(each)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        print("  ".join([*cells, row[-1]]))
    print(f"\nfiles lie in {registry.folder('').parent / 'published'}")
    if mirror := registry.mirror():
        print(f"asked first: {mirror}")
    return 0


def _short(each):
    """The licence without what is said about it."""
    return re.split(r" \(|[:;]", each.card.licence)[0]


def _here(each):
    if not each.files:
        return "your own copy, by folder=…"
    names = each.names()
    there = [name for name in names if (registry.folder(each.name) / name).is_file()]
    return "here" if there == names else f"{len(there)} of {len(names)} files" if there else "-"


def _fetch(options, root):
    names = registry.published(options.name).names(optional=options.all)
    paths = registry.fetch(options.name, names or None, options.accept_unverified)
    for path in list(paths.values())[:10]:
        print(f"{path}  {path.stat().st_size:,} bytes")
    if len(paths) > 10:
        print(f"and {len(paths) - 10} more files beside them")
    print(registry.published(options.name).card)
    return 0


def _verify(options, root):
    problems = faults(root)
    for problem in problems:
        print(problem)
    shipped = read(root)
    print(f"shipped: {len(shipped)} listed, {len(problems)} wrong")
    good = bad = 0
    for name in registry.sets():
        for file, state in registry.status(name):
            good, bad = good + (state == "good"), bad + (state != "good")
            if state != "good":
                print(f"{registry.folder(name) / file}: {state}")
    print(f"cache: {good} good, {bad} wrong")
    if bad:
        print("a damaged file is fetched again when it is next asked for")
    return 1 if problems or bad else 0


def _manifest(options, root):
    if options.write:
        write(root)
    problems = faults(root)
    for problem in problems:
        print(problem)
    print(f"{MANIFEST}: {len(read(root))} files, {len(problems)} problems")
    return 1 if problems else 0


def read(root=ROOT):
    """{path under data/: its entry} as data/manifest.toml has it; {} without one."""
    try:
        with open(root / "data" / MANIFEST, "rb") as file:
            return {entry["path"]: entry for entry in tomllib.load(file).get("file", [])}
    except FileNotFoundError:
        return {}


def faults(root=ROOT):
    """What is wrong between data/ and its manifest, a sentence each; [] if nothing is."""
    listed, there = read(root), set(_shipped(root))
    found = [f"data/{path}: not in data/{MANIFEST}" for path in sorted(there - set(listed))]
    for path, entry in listed.items():
        if path not in there:
            found.append(f"data/{path}: listed in data/{MANIFEST}, but not there")
            continue
        found += [
            f"data/{path}: {MANIFEST} says nothing under {word}" for word in BY_HAND if not entry.get(word)
        ]
        facts = _facts(root / "data" / path)
        wrong = [word for word in facts if entry.get(word) != facts[word]]
        found += [
            f"data/{path}: {word} is {facts[word]}; {MANIFEST} says {entry.get(word)}" for word in wrong
        ]
    return found


def write(root=ROOT, only=None):
    """Renew bytes and sha256 of each file under data/; files that are new get empty words to fill in.

    only  paths under data/, with slashes: list and renew these, drop those of them that are not there, and
          leave the other entries as they are
    """
    listed = read(root)
    text = HEADER
    gone = {path for path in only or () if not (root / "data" / path).is_file()}
    for path in sorted(_shipped(root) if only is None else {*listed, *only} - gone):
        entry = listed.get(path) or _usual(path)
        facts = _facts(root / "data" / path) if only is None or path in only else entry
        text += (
            f'\n[[file]]\npath = {json.dumps(path)}\nbytes = {facts["bytes"]}\nsha256 = "{facts["sha256"]}"\n'
        )
        for word in BY_HAND:
            text += f"{word} = {json.dumps(entry.get(word, ''), ensure_ascii=False)}\n"
    (root / "data" / MANIFEST).write_text(text, encoding="utf-8", newline="\n")


def _usual(path):
    """The words of a file that `medtutor study` or `medtutor build --weights` has made; none for others."""
    if path.startswith("fast/"):
        name = path.removeprefix("fast/").removesuffix(".npz")
        return {
            "licence": "CC BY 4.0",
            "origin": f"trained in notebooks/{name}.ipynb on the data that it makes itself",
            "command": f"medtutor build {name} --weights",
        }
    if not path.startswith("studies/"):
        return {}
    name = path.removeprefix("studies/").removesuffix(".json")
    return {
        "licence": "CC BY 4.0",
        "origin": f"measured by studies/{name}.py",
        "command": f"medtutor study {name}",
    }


def _shipped(root):
    """Paths under data/ of all files but the manifest itself, with slashes."""
    folder = root / "data"
    hidden = (".DS_Store",)
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path != folder / MANIFEST and path.name not in hidden
    ]


def _facts(path):
    return {"bytes": path.stat().st_size, "sha256": file_digest(path, "sha256")}
