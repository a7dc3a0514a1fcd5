"""Long experiments: each is a script studies/NN_name.py, and its result is kept in data/studies/NN_name.json.

    \"""Five seeds of the small net.\"""                      the first line says what was measured

    from medtutor.nn.classification import small_net

    USES = ["medtutor.nn.classification.small_net", "medtutor.data.mr.load.VERSION"]

    def run(study):
        return {"auroc": study.each(train, range(5))}      what comes back is kept

    def train(seed):
        ...                                                one part; its result is kept as soon as it is there
        return auroc

A chapter reads it by `medtutor.data.stored_study("NN_name")`. A result is stale, and a test says so, once the
script or what it USES reads otherwise than when it was measured: see `medtutor.course.fingerprint`.
"""

import argparse
import ast
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import re
import statistics
import sys
import textwrap
import time
import types
from dataclasses import dataclass
from pathlib import Path

from medtutor.course import data, fingerprint, spread
from medtutor.course.build import ROOT, BuildError, find_name, shown
from medtutor.course.validate import kernel_environment
from medtutor.data import cache
from medtutor.data.registry import DataNotHere
from medtutor.data.studies import duration, read

PACKAGES = ("numpy", "keras", "tensorflow", "tensorflow-cpu")
KEPT_FROM_KERNELS = ("TF_CPP_MIN_LOG_LEVEL", "KERAS_BACKEND", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Script:
    """A script studies/NN_name.py.

    text  as it read when it was opened: what runs is this, whatever is edited meanwhile
    what  the first line of its docstring
    uses  dotted names of the code that its result depends on
    """

    path: Path
    text: str
    what: str
    uses: tuple

    @property
    def name(self):
        return self.path.stem

    def result(self):
        """Where its result is kept."""
        return self.path.parents[1] / "data" / "studies" / f"{self.name}.json"


# Scripts and their fingerprints


def scripts(root=ROOT):
    """{name: path} of all scripts, in order."""
    return {path.stem: path for path in sorted((Path(root) / "studies").glob("[0-9][0-9]_*.py"))}


def read_script(path):
    """What a script says about itself, without running it; BuildError says what it lacks."""
    where = shown(path)
    text = Path(path).read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise BuildError(f"{where}:{error.lineno}: not Python: {error.msg}") from None
    words = (ast.get_docstring(tree) or "").splitlines()
    if not words:
        raise BuildError(f'{where}: the file opens with what it measures, e.g. """Five seeds of one net."""')
    if "run" not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
        raise BuildError(f"{where}: there is no function run(study), which returns what is to be kept")
    uses = _uses(tree, where)
    for name in _imported(tree):
        if not any(_within(name, used) or _within(used, name) for used in uses):
            raise BuildError(
                f"{where}: {name} is imported and not in USES; name what the result depends on, "
                f'e.g. "{name}", so that a change of it is noticed'
            )
    return Script(Path(path), text, words[0], uses)


def _uses(tree, where):
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["USES"]:
            try:
                uses = ast.literal_eval(node.value)
            except ValueError:
                uses = None
            if isinstance(uses, (list, tuple)) and all(isinstance(each, str) for each in uses):
                return tuple(uses)
    raise BuildError(
        f'{where}: USES is missing or no list of names; write USES = ["medtutor.data.mr"], or []'
    )


def _imported(tree):
    """The names of this project that a script imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if _within(each.name, "medtutor"))
        elif isinstance(node, ast.ImportFrom) and _within(node.module or "", "medtutor"):
            deeper = node.module == "medtutor"
            yield from (f"medtutor.{each.name}" for each in node.names) if deeper else (node.module,)


def _within(name, package):
    return name == package or name.startswith(f"{package}.")


def sources(script, root=ROOT):
    """{what the result depends on: its fingerprint}; BuildError for a name in USES that is not there."""
    found = {f"studies/{script.path.name}": fingerprint.of_text(script.text)}
    for name in script.uses:
        try:
            found[name] = fingerprint.fingerprint(name, root)
        except LookupError as error:
            raise BuildError(f"{shown(script.path)}: USES names {name!r}: {error.args[0]}") from None
    return found


def state(script, root=ROOT):
    """Why the stored result of a script is not to be trusted, in sentences without a subject; [] if it is."""
    if not script.result().is_file():
        return ["has not been measured"]
    try:
        then = read(script.result())["sources"]
    except ValueError as error:
        return [f"cannot be read: {error}"]
    now = sources(script, root)
    return [
        f"is stale: {name} {'reads otherwise' if name in now and name in then else _since(name, now)}"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]


def _since(name, now):
    return "was not used" if name in now else "is not used any more"


def faults(root=ROOT):
    """What is wrong with the stored studies, a sentence each: stale, not measured, without a script."""
    found, known = [], scripts(root)
    for name, path in known.items():
        found += [f"{name} {why}; run  medtutor study {name}" for why in state(read_script(path), root)]
    for path in sorted((Path(root) / "data" / "studies").glob("*.json")):
        if path.stem not in known:
            found.append(f"{path.stem} has a result and no script studies/{path.stem}.py; remove one")
    return found


# Running


class Report:
    """What a script's run(study) is given: `study.each(function, items)` runs a part for each item.

    seconds  that the parts took, those of an earlier, interrupted run included
    """

    def __init__(self, script, root=ROOT, again=False, tell=print):
        self.script, self.again, self.tell = script, again, tell
        self.seconds = self.spent = 0.0  # of the parts; and of them, in this run
        self._uses = [each for name, each in sources(script, root).items() if name in script.uses]
        self._folder = cache.folder() / "studies" / script.name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BuildError(
                f"finished parts cannot be kept in {self._folder} ({error.strerror}); "
                "name a folder that can be written by MEDTUTOR_CACHE"
            ) from None

    def each(self, function, items):
        """[function(item) for each item], each result kept on disk at once; a tuple is unpacked.

        function  one of the script's own, at its top level; what it returns has to fit into JSON
        items     numbers, strings or tuples of them, each other than the rest

        A part that was finished before, by the same code under the same versions, is read instead of run.
        """
        items = list(items)
        paths = [self._part(function, item) for item in items]
        kept = [None if self.again else _read_part(path) for path in paths]
        done = [part["seconds"] for part in kept if part]
        if done:
            self.tell(f"{self.script.name}  {len(done)} of {len(items)} parts were finished before")
        for index, item in enumerate(items):
            if kept[index] is None:
                kept[index] = self._run_part(function, item, paths[index])
                done.append(kept[index]["seconds"])
                left = statistics.mean(done) * (len(items) - len(done))
                self.tell(
                    f"{self.script.name}  {_label(item)}: {duration(done[-1])}   "
                    f"{len(done)} of {len(items)}, about {duration(left)} left"
                )
            self.seconds += kept[index]["seconds"]
        return [part["value"] for part in kept]

    def _part(self, function, item):
        """Where the part is kept: the name stands for all that its value depends on."""
        try:
            code = fingerprint.of_text(self.script.text, getattr(function, "__name__", ""))
        except LookupError:
            raise BuildError(
                f"{shown(self.script.path)}: each() takes a function of the script's top level, "
                f"not {function}"
            ) from None
        key = [code, self._uses, versions(), plain(item, "an item")]
        return self._folder / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:20]}.json"

    def _run_part(self, function, item, path):
        began = time.perf_counter()
        value = function(*item) if isinstance(item, (tuple, list)) else function(item)
        seconds = time.perf_counter() - began
        self.spent += seconds
        part = {"value": plain(value, f"{function.__name__}({_label(item)})"), "seconds": seconds}
        write(path, json.dumps(part))
        return part


def _label(item):
    return ", ".join(map(str, item)) if isinstance(item, (tuple, list)) else str(item)


def _read_part(path):
    """A finished part, or None where there is none that can be read."""
    try:
        part = json.loads(path.read_text(encoding="utf-8"))
        return part if part.keys() == {"value", "seconds"} else None
    except (OSError, ValueError, AttributeError):
        return None


def write(path, text):
    """Put `text` into the file at `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def plain(value, where):
    """`value` as JSON can hold it: arrays and tuples become lists, numpy's numbers Python's.

    Raises BuildError, naming the place, for what JSON would lose: nan, infinity, keys that are no text.
    """
    if hasattr(value, "__array__"):
        import numpy as np

        value = np.asarray(value).tolist()
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise BuildError(f"{where}: the key {key!r} is no text; write {str(key)!r}, or keep a list")
        return {key: plain(each, f"{where}[{key!r}]") for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each, f"{where}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise BuildError(f"{where} is {value}; a study keeps finite numbers, or None where there is none")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise BuildError(f"{where} is a {type(value).__name__}; a study keeps numbers, texts, lists and dicts")


def versions(packages=PACKAGES):
    """{package: version} of those that are installed, and of Python. Default: what numbers depend on."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def measure(script, root=ROOT, again=False, tell=print):
    """Run a script and keep its result; -> the path of the result.

    again  run parts anew that were finished before
    """
    code = sources(script, root)
    report = Report(script, root, again, tell)
    began = time.perf_counter()
    values = _module(script).run(report)
    rest = time.perf_counter() - began - report.spent
    if not isinstance(values, dict) or not values:
        raise BuildError(f"{shown(script.path)}: run returns a dict of named values, not {values!r:.60}")
    content = {
        "what": script.what,
        "values": plain(values, "values"),
        "made": {
            "command": f"medtutor study {script.name}",
            "seconds": round(report.seconds + rest, 1),
            "machine": spread.machine(),
            "versions": versions(),
        },
        "sources": code,
    }
    write(script.result(), as_json(content))
    data.write(root, only=[f"studies/{script.name}.json"])
    return script.result()


def _module(script):
    os.environ.update({name: kernel_environment()[name] for name in KEPT_FROM_KERNELS})
    module = types.ModuleType(f"study_{script.name}")
    module.__file__ = str(script.path)
    exec(compile(script.text, script.path, "exec", dont_inherit=True), vars(module))
    return module


def as_json(content):
    """The file in which a result is kept: one line a value, the same bytes for the same content."""
    blocks = []
    for word, block in content.items():
        if isinstance(block, dict):
            lines = [f"  {_json(name)}: {_json(value)}" for name, value in block.items()]
            blocks.append(f" {_json(word)}: {{\n" + ",\n".join(lines) + "\n }")
        else:
            blocks.append(f" {_json(word)}: {_json(block)}")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def _json(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


# The command


def chosen(asked=(), root=ROOT):
    """The scripts asked for by name (02_seeds, seeds) or by the number of a chapter; all for none asked."""
    known, names = scripts(root), []
    for word in asked:
        of_chapter = [name for name in known if re.fullmatch(r"\d+", word) and int(word) == int(name[:2])]
        names += of_chapter or [find_name(word, known, "study")]
    return [read_script(known[name]) for name in dict.fromkeys(names or known)]


def main(words=None, root=ROOT):
    """`medtutor study …`; returns 0, or 1 where --check finds something or a study does not run."""
    options = _parser().parse_args(words)
    try:
        if options.check:
            return _check(root)
        wanted = chosen(options.names, root)
        return _list(wanted, root) if options.list else _measure(wanted, options, root)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="medtutor study",
        description=textwrap.dedent(
            """\
            Run long experiments, studies/NN_name.py, and keep their results in data/studies/, where chapters
            read them. Each finished part is kept in the user's cache (MEDTUTOR_CACHE), so that an interrupted
            study goes on where it stopped. Nothing else should run on the machine meanwhile."""
        ),
        epilog=textwrap.dedent(
            """\
            examples:
              medtutor study 02_seeds      measure this one; 2 means all of chapter 2
              medtutor study               those that are stale or were never measured
              medtutor study --list        every study: its state, how long it took, with which versions
              medtutor study --check       exit code 1 where a stored result is stale; runs nothing"""
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="02_seeds, seeds, or the number of a chapter"
    )
    parser.add_argument("--list", action="store_true", help="say what there is and run nothing")
    parser.add_argument("--check", action="store_true", help="say which results are stale and run nothing")
    parser.add_argument("--again", action="store_true", help="run parts anew that were finished before")
    return parser


def _check(root):
    found = faults(root)
    print("\n".join(found) or f"{len(scripts(root))} stored studies, none stale")
    return 1 if found else 0


def _list(wanted, root):
    for script in wanted:
        why = state(script, root)
        print(f"{script.name}  {script.what}\n  " + ("; ".join(why) or _how(script)))
    return 0


def _how(script):
    made = read(script.result())["made"]
    with_ = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    return f"measured in {duration(made['seconds'])} on {made['machine']}, {with_}"


def _measure(wanted, options, root):
    if not options.names:
        wanted = [script for script in wanted if state(script, root)]
        if not wanted:
            print("no study is stale; name one to measure it all the same")
    for script in wanted:
        try:
            path = measure(script, root, options.again, lambda text: print(text, flush=True))
        except KeyboardInterrupt:
            print(
                f"\n{script.name} was interrupted; its finished parts are kept, and the same command goes on",
                file=sys.stderr,
            )
            return 130
        except DataNotHere as error:
            print(f"{script.name} reads data that are not here.\n{error}", file=sys.stderr)
            return 1
        print(f"{script.name}  kept in {shown(path)}")
    return 0
