"""Turn chapter sources into executed notebooks, so that people edit one file a chapter.

    notebooks/source/01_convolution.py   ->   notebooks/01_convolution.ipynb

A chapter is built as strict validation will run it, and stored in one form: the same source gives the same
bytes, pictures and measured numbers aside.
"""

import ast
import difflib
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import medtutor
from medtutor import guide
from medtutor.guide import NOTES, TIMES

ROOT = Path(medtutor.__file__).resolve().parent.parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_TIMEOUT = 300  # seconds, as strict validation allows
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

HEADER = re.compile(r"# ?%%+(?:\s|$)")
IDS = re.compile(r"""\bid=(?:"([^"]*)"|'([^']*)')""")
READABLE = re.compile(r"(?=.{1,64}$)[a-z0-9]+(?:-[a-z0-9]+)*")
EXERCISE = re.compile(r"# exercise:\s*(\S*)\s*")
ANSI = re.compile(r"\x1b\[[0-9;]*m")
FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")
OPENING = "opening"  # id of the cell that a chapter opens with


class BuildError(Exception):
    """Something that the author can put right; the message says where it is and what to do."""


@dataclass(frozen=True)
class Chapter:
    """One chapter's two files; `name` is what both are called, e.g. "01_convolution"."""

    name: str
    source: Path
    notebook: Path


@dataclass
class Source:
    """A chapter source as a notebook without outputs, and where each of its lines came from.

    lines  {cell id: [line in the source file for each line of the cell]}
    """

    path: Path
    notebook: dict
    lines: dict = field(default_factory=dict)

    def at(self, cell_id, line=1):
        """ "01_convolution.py:12" for a cell's line, counted from 1."""
        known = self.lines[cell_id]
        return f"{shown(self.path)}:{known[min(line, len(known)) - 1]}"


def shown(path):
    """A path as a reader wants it: relative to where they are, if it lies below."""
    try:
        return Path(path).resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


# Which chapters


def chapters(names=(), root=ROOT):
    """The chapters asked for, in order; all of them for no names.

    names  each a number (1, 01), slug (convolution), name (01_convolution) or path to either file
    Raises BuildError with the right names for one that is not a chapter.
    """
    folder = Path(root) / "notebooks"
    sources = {path.stem for path in (folder / "source").glob("[0-9][0-9]_*.py")}
    everything = {
        name: Chapter(name, folder / "source" / f"{name}.py", folder / f"{name}.ipynb")
        for name in sorted(sources)
    }
    if not names:
        return list(everything.values())
    return [everything[find_name(name, everything)] for name in names]


def find_name(asked, names, what="chapter"):
    """The one of `names` (01_convolution) that a number, slug, name or path means; BuildError lists them."""
    stem = re.sub(r"\.(py|ipynb)$", "", str(asked).replace("\\", "/").rsplit("/", 1)[-1])
    for name in names:
        number, slug = name.split("_", 1)
        if stem in (name, slug) or (stem.isdigit() and int(stem) == int(number)):
            return name
    raise BuildError(f"no {what} is called {asked!r}; there are: {', '.join(names) or 'none, yet'}")


# Source to notebook


def read_source(path, exercise=None, notes=False, times=True):
    """The chapter source at `path` as a notebook that has not been run.

    exercise  what stands for a line "# exercise: NAME" in the notebook: a function from the name to its text;
              default medtutor.exercises.stub
    notes     whether to keep the text cells with the tag "notes", which are for the one who teaches
    times     whether to put a paragraph on the time of running and reading below the opening, where the
              chapter was measured
    Raises BuildError with file, line and remedy for what an author can get wrong.
    """
    import jupytext
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BuildError(f"{shown(path)}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    if not text.strip():
        raise BuildError(f'{shown(path)}: the file is empty; begin with a cell, # %% [markdown] id="opening"')
    source = Source(path, new_notebook(metadata=json.loads(json.dumps(METADATA))))
    written = text.splitlines()
    header = -1  # index of the last cell header found
    for cell in jupytext.reads(text, fmt="py:percent").cells:
        header = _find_header(written, header + 1, cell.metadata.get("id"), path)
        where = f"{shown(path)}:{header + 1}"
        cell_id = _checked_id(cell, written[header], where, source.lines)
        metadata = {k: v for k, v in cell.metadata.items() if k not in ("id", "lines_to_next_cell")}
        body = cell.source.strip("\n")
        first = _first_line(written, header + 1)
        source.lines[cell_id] = [first + number for number in range(max(1, len(body.splitlines())))]
        if cell.cell_type == "markdown":
            _check_markdown(body, written, first, where)
            made = new_markdown_cell(body, metadata=metadata)
        elif cell.cell_type == "code":
            body = _put_exercises_in(body, source, cell_id, exercise)
            _check_code(body, source, cell_id)
            made = new_code_cell(body, metadata=metadata)
        else:
            raise BuildError(
                f"{where}: this is a {cell.cell_type} cell; a chapter has markdown and code cells"
            )
        made.id = cell_id
        if not _is_note(made, where) or notes:
            source.notebook.cells.append(made)
    if times:
        _put_times_in(source, exercise)
    return source


def _put_times_in(source, exercise):
    """Say below the opening of a chapter how long it runs, as measured, and reads, as estimated."""
    name = source.path.stem
    took = measured(source.path.parent.parent).get(name)
    opening = next((cell for cell in source.notebook.cells if cell.id == OPENING), None)
    if took is None or opening is None or name.startswith("00_"):
        return
    student = source if exercise is None else read_source(source.path, times=False)
    run, read = guide.duration(took["seconds"]), guide.about(guide.reading(student.notebook.cells))
    said = (
        f"{TIMES} All cells together ran for {run} on {took['cores']} cores when they were measured. Reading "
        f"takes about {read} min, estimated from words and lines of code; exercises come on top."
    )
    opening.source = f"{opening.source}\n\n{said}"
    facts = [opening.metadata.get("facts", ""), *re.findall(r"\d\d+", said)]
    opening.metadata["facts"] = " ".join(filter(None, facts))


def _is_note(cell, where):
    tagged = NOTES in cell.metadata.get("tags", ())
    if tagged and cell.cell_type == "code":
        raise BuildError(
            f'{where}: the tag "{NOTES}" is for text that only the one who teaches sees; this cell is code'
        )
    return tagged


def _find_header(written, start, cell_id, path):
    """Index of the line that opens the next cell; a cell with an id is found by it."""
    for index in range(start, len(written)):
        ids = _ids(written[index]) if HEADER.match(written[index]) else None
        if ids is not None and (cell_id in ids or (cell_id is None and not ids)):
            return index
    first = _first_line(written, start)
    raise BuildError(
        f'{shown(path)}:{first}: text before the first cell; open a cell above it: # %% id="..."'
    )


def _ids(header):
    return [double or single for double, single in IDS.findall(header)]


def _first_line(written, start):
    """Line number, from 1, of the first line that is not blank at or after index `start`."""
    return next((index for index in range(start, len(written)) if written[index].strip()), start) + 1


def _checked_id(cell, header, where, known):
    ids = _ids(header)
    if "incorrectly_encoded_metadata" in cell.metadata:
        raise BuildError(
            f"{where}: {cell.metadata['incorrectly_encoded_metadata']!r} in the header is not understood; "
            'write key="text" or key=["a", "b"]'
        )
    if not ids:
        raise BuildError(f'{where}: the cell has no id; give it a readable one: # %% id="sobel-by-hand"')
    if len(ids) > 1:
        raise BuildError(f"{where}: the cell has {len(ids)} ids, {' and '.join(ids)}; keep one")
    if not READABLE.fullmatch(ids[0]):
        raise BuildError(
            f"{where}: id {ids[0]!r} is not readable; "
            "use small letters and digits joined by hyphens, at most 64 characters"
        )
    if ids[0] in known:
        raise BuildError(f"{where}: id {ids[0]!r} is already taken by the cell above line {known[ids[0]][0]}")
    return ids[0]


def _check_markdown(body, written, first, where):
    if not body.strip():
        raise BuildError(f"{where}: the text cell is empty; write a sentence or remove the cell")
    for index in range(first - 1, len(written)):
        line = written[index]
        if HEADER.match(line) or line.startswith(('"""', 'r"""')):
            return
        if line.strip() and not line.startswith("#"):
            raise BuildError(
                f"{shown_line(where, index + 1)}: a line of text does not begin with #: {line.strip()[:60]!r}"
            )


def shown_line(where, line):
    """`where` ("file:12") with another line number."""
    return f"{where.rsplit(':', 1)[0]}:{line}"


def _put_exercises_in(body, source, cell_id, exercise):
    lines, origin = [], []
    for line, number in zip(body.splitlines(), source.lines[cell_id], strict=False):
        found = EXERCISE.fullmatch(line)
        new = _exercise_text(found[1], exercise, source, number).splitlines() if found else [line]
        lines += new
        origin += [number] * len(new)
    source.lines[cell_id] = origin or source.lines[cell_id]
    return "\n".join(lines)


def _exercise_text(name, exercise, source, line):
    if exercise is None:
        from medtutor.exercises import stub as exercise
    try:
        return exercise(name).strip("\n")
    except (KeyError, ValueError, LookupError, AttributeError) as error:
        reason = error.args[0] if error.args else error
        raise BuildError(
            f"{shown(source.path)}:{line}: no stub for the exercise {name!r}: {reason}"
        ) from None


def _check_code(body, source, cell_id):
    if not body.strip():
        raise BuildError(
            f"{source.at(cell_id)}: the code cell {cell_id!r} is empty; write code or remove the cell"
        )
    try:
        compile(_without_magics(body), cell_id, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        line = error.lineno or 1
        text = (error.text or (body.splitlines() + [""])[min(line, len(body.splitlines())) - 1]).strip()
        raise BuildError(
            f"{source.at(cell_id, line)}: cell {cell_id!r} is not Python: {error.msg}\n    {text}"
        ) from None


def _without_magics(body):
    """The cell as Python sees it: only a cell with lines that open with % or ! needs IPython to tell."""
    if not re.search(r"^\s*(?:\w+\s*=\s*)?[%!]", body, re.MULTILINE):
        return body
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(body)


# Running


class _Stderr(Exception):
    pass


def execute(source, folder, progress=None, timeout=CELL_TIMEOUT, cells=None, variables=None):
    """Run a source's notebook in a fresh kernel and put the outputs in; returns the seconds it took.

    folder    where the kernel works (notebooks/)
    progress  told of each cell: progress.cell(number, count, id)
    timeout   seconds a cell may take
    cells     a dict that gets the seconds of each code cell by its id
    variables environment variables beside those that each kernel gets, {name: value}
    Raises BuildError naming cell, line and error for a cell that raises, writes to stderr, takes too long or
    kills its kernel.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = source.notebook
    count, current = len(notebook.cells), {}

    def start(cell, cell_index):
        current.update(cell=cell, started=time.perf_counter())
        if progress:
            progress.cell(cell_index + 1, count, cell.id)

    def executed(cell, cell_index, execute_reply):
        if cells is not None:
            cells[cell.id] = time.perf_counter() - current["started"]
        raised = any(output.output_type == "error" for output in cell.outputs)
        if not raised and _stderr(cell):  # a bad %magic writes to stderr and leaves no error
            raise _Stderr

    with tempfile.TemporaryFile() as words, open(os.devnull, "w") as nowhere:
        client = NotebookClient(
            notebook,
            km=_kernel_manager(),
            timeout=timeout,
            store_widget_state=False,
            record_timing=False,
            force_raise_errors=True,
            on_cell_start=start,
            on_cell_executed=executed,
        )
        began = time.perf_counter()
        try:
            environment = {**_environment(), **(variables or {})}
            _run_cells(client, env=environment, cwd=str(folder), stdout=nowhere, stderr=words)
        except CellExecutionError:
            raise BuildError(_what_was_raised(source, current["cell"])) from None
        except _Stderr:
            raise BuildError(_what_was_written(source, current["cell"])) from None
        except CellTimeoutError:
            raise BuildError(
                f"{_of(source, current['cell'])} takes longer than {timeout} s; make it shorter"
            ) from None
        except DeadKernelError:
            words.seek(0)
            last = words.read().decode("utf-8", "replace").strip().splitlines()
            raise BuildError(
                f"{_of(source, current['cell'])} killed its kernel (out of memory, or os._exit?)"
                + "".join(f"\n    {line}" for line in last[-5:] if "[IPKernelApp]" not in line)
            ) from None
        except RuntimeError as error:
            raise BuildError(f"{shown(source.path)}: the kernel did not start: {error}") from None
        seconds = time.perf_counter() - began
    _clean(notebook)
    return seconds


def _run_cells(client, **kernel):
    """Run a client's notebook; unlike its own `execute` this leaves Ctrl-C to Python."""
    client.reset_execution_trackers()
    with client.setup_kernel(cleanup_kc=True, **kernel):
        for index, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, index, execution_count=client.code_cells_executed + 1)


def _environment():
    from medtutor.course.validate import kernel_environment

    return {**os.environ, **kernel_environment()}


def _kernel_manager():
    """A manager for kernels of this very Python, whatever kernels the user has installed."""
    import ipykernel.kernelspec
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpecManager

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            return self.kernel_spec_class(
                resource_dir=ipykernel.kernelspec.RESOURCES, **ipykernel.kernelspec.get_kernel_dict()
            )

    return AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython())


def _of(source, cell, line=1):
    return f"{source.at(cell.id, line)}: cell {cell.id!r} of {source.path.stem}"


def _stderr(cell):
    return "".join(
        output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"
    )


def _what_was_written(source, cell):
    text = ANSI.sub("", _stderr(cell)).strip()
    return (
        f"{_of(source, cell)} writes to stderr, where a student would see a warning; "
        "find the cause, or silence it in the cell:\n"
        + "\n".join(f"    {line}" for line in text.splitlines()[-8:])
    )


def _what_was_raised(source, cell):
    """The line of this cell that raised, and the line of an earlier cell that it called, if it did."""
    error = next(output for output in cell.outputs if output.output_type == "error")
    traceback = ANSI.sub("", "\n".join(error.traceback))
    by_count = {c.execution_count: c for c in source.notebook.cells if c.cell_type == "code"}
    count = max((c for c in by_count if c), default=0)
    frames = [(int(cell_count), int(line)) for cell_count, line in FRAME.findall(traceback)]
    here = [line for cell_count, line in frames if by_count.get(cell_count) is cell or cell_count > count]
    line = here[-1] if here else 1
    text = cell.source.splitlines()[line - 1].strip()
    message = f"{_of(source, cell, line)} raised {error.ename}: {ANSI.sub('', error.evalue)}\n    {text}"
    if frames and (deepest := by_count.get(frames[-1][0])) not in (None, cell):
        at = frames[-1][1]
        message += f"\n  deeper, {source.at(deepest.id, at)}: cell {deepest.id!r}"
        message += f"\n    {deepest.source.splitlines()[at - 1].strip()}"
    return message


def _clean(notebook):
    """Leave in an executed notebook only what is the same in each run and each machine."""
    notebook.metadata = json.loads(json.dumps(METADATA))
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        merged = []
        for output in cell.outputs:
            if "data" in output:
                output.data.pop(WIDGET_VIEW, None)
            before = merged[-1] if merged else {}
            if output.output_type == before.get("output_type") == "stream" and output.name == before.name:
                before.text += output.text
            else:
                merged.append(output)
        cell.outputs = merged


# Storing and comparing


def as_text(notebook):
    """A notebook in the one form in which it is stored."""
    import nbformat

    return nbformat.writes(nbformat.from_dict(notebook), version=nbformat.NO_CONVERT) + "\n"


def store(notebook, path):
    """Write a notebook at once or not at all."""
    import nbformat

    nbformat.validate(notebook)
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(as_text(notebook))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def build(chapter, progress=None, timeout=CELL_TIMEOUT, weights=False):
    """Read, run and store one chapter; returns the seconds it ran.

    weights  whether to keep what its trainings led to in data/fast, for MEDTUTOR_FAST=1
    Raises BuildError, and leaves the stored notebook as it was, where the source or a cell is wrong.
    """
    from medtutor.fast import RECORDED

    source = read_source(chapter.source)
    with tempfile.TemporaryDirectory() as folder:
        recording = {"MEDTUTOR_FAST": "record", "MEDTUTOR_FAST_FOLDER": folder} if weights else None
        seconds = execute(source, chapter.notebook.parent, progress, timeout, variables=recording)
        store(source.notebook, chapter.notebook)
        if weights:
            _store_weights(chapter, Path(folder) / RECORDED)
    return seconds


def _store_weights(chapter, recorded):
    """Put what a kernel has recorded into data/fast, or take away what is there if it recorded nothing."""
    from medtutor.course import data

    root = chapter.notebook.parents[1]
    path = root / "data" / "fast" / f"{chapter.name}.npz"
    if recorded.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(recorded, path)
    else:
        path.unlink(missing_ok=True)
    if recorded.exists() or f"fast/{path.name}" in data.read(root):
        data.write(root, only=[f"fast/{path.name}"])


def put_source_into(source_path, notebook_path):
    """Give a stored notebook the cells of its source and keep its outputs, as if edited by hand.

    Cells are matched by id; a new cell has no outputs and no count. Used to plant faults in chapters.
    """
    import nbformat

    new = read_source(source_path).notebook
    stored = {cell.id: cell for cell in nbformat.read(notebook_path, as_version=4).cells}
    for cell in new.cells:
        old = stored.get(cell.id)
        if cell.cell_type == "code" and old is not None and old.cell_type == "code":
            cell.outputs, cell.execution_count = old.outputs, old.execution_count
    store(new, notebook_path)


def differences(chapter):
    """What differs between a chapter's source and notebook, outputs and counts aside, as sentences."""
    from nbformat import v4

    if not chapter.notebook.exists():
        return [f"{shown(chapter.notebook)} does not exist; run: medtutor build {chapter.name}"]
    text = chapter.notebook.read_text(encoding="utf-8")
    try:
        stored = v4.reads(text)
        versions = stored.nbformat, stored.nbformat_minor
    except (ValueError, AttributeError, TypeError, KeyError):
        return [f"{shown(chapter.notebook)} is not a notebook; run: medtutor build {chapter.name}"]
    wanted = read_source(chapter.source).notebook
    found = []
    if versions != (wanted.nbformat, wanted.nbformat_minor):
        found.append(
            f"notebook format {versions[0]}.{versions[1]}, not {wanted.nbformat}.{wanted.nbformat_minor}"
        )
    if stored.metadata != wanted.metadata:
        found.append(_diff("notebook metadata", _pretty(stored.metadata), _pretty(wanted.metadata)))
    found += _cell_differences(stored.cells, wanted.cells)
    if not found and text != as_text(stored):
        found.append(
            "same cells, but not in the form that medtutor build stores (indentation, order, last line)"
        )
    return found


def renew_times(chapter):
    """Renew the paragraph on times in a stored notebook; returns whether it had to be.

    Raises BuildError where source and notebook differ in anything else, for then the chapter has to be built.
    """
    import nbformat

    if not (found := differences(chapter)):
        return False
    stored, wanted = nbformat.read(chapter.notebook, as_version=4), read_source(chapter.source).notebook
    for cells in (stored.cells, wanted.cells):
        for cell in cells:
            if cell.id == OPENING:
                cell.source = cell.source.split(f"\n\n{TIMES}")[0]
                cell.metadata.pop("facts", None)
    if _cell_differences(stored.cells, wanted.cells):
        raise BuildError(
            f"{chapter.name} differs from its source in more than its times; "
            f"run: medtutor build {chapter.name}\n  {found[0]}"
        )
    put_source_into(chapter.source, chapter.notebook)
    return True


def _cell_differences(stored, wanted):
    was = {cell.get("id", "(no id)"): cell for cell in stored}
    now = {cell.id: cell for cell in wanted}
    found = [f"cell {name!r} is only in the source" for name in now if name not in was]
    found += [f"cell {name!r} is only in the notebook" for name in was if name not in now]
    if len(was) != len(stored):
        found.append("cell ids occur twice in the notebook")
    if not found and list(was) != list(now):
        found.append(_diff("order of the cells", "\n".join(was), "\n".join(now)))
    for name in now:
        if name in was:
            for part in ("cell_type", "metadata", "source"):
                a, b = was[name].get(part), now[name][part]
                if a != b:
                    words = f"cell {name!r}" + ("" if part == "source" else f", {part}")
                    found.append(_diff(words, _pretty(a), _pretty(b)))
    return found


def _pretty(value):
    return (
        value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
    )


def _diff(what, stored, wanted, most=12):
    lines = list(difflib.unified_diff(stored.splitlines(), wanted.splitlines(), lineterm="", n=0))[2:]
    lines = [line for line in lines if not line.startswith("@@")]
    more = [f"... {len(lines) - most} more lines"] if len(lines) > most else []
    return "\n    ".join([f"{what} (- notebook, + source):", *lines[:most], *more])


def strays(root=ROOT):
    """Notebooks under notebooks/ that no source makes."""
    folder = Path(root) / "notebooks"
    known = {chapter.name for chapter in chapters(root=root)}
    return [path for path in sorted(folder.glob("*.ipynb")) if path.stem not in known]


# Progress


class Progress:
    """Tells on stderr which cell runs and for how long: a counting line on a terminal, else a line a cell.

    A cell without a terminal is named when it took a second or when it has run for another 30.
    """

    def __init__(self, name, stream=None):
        self.name, self.stream = name, stream or sys.stderr
        self.terminal = self.stream.isatty()
        self.label, self.began, self.start = "", time.monotonic(), time.monotonic()
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        if self.terminal:
            self._write("\r\x1b[K")
        else:
            self._finish_cell()

    def cell(self, number, count, cell_id):
        """The cell `cell_id` starts, the `number`th of `count`."""
        if not self.terminal:
            self._finish_cell()
        with self._lock:
            self.label = f"{self.name}  cell {number} of {count}  {cell_id}"
            self.start = time.monotonic()

    def _finish_cell(self):
        took = time.monotonic() - self.start
        if self.label and took >= 1:
            self._write(f"{self.label}  {took:.1f} s\n")

    def _tick(self):
        told = 0
        while not self._ended.wait(0.2 if self.terminal else 1.0):
            with self._lock:
                label, took = self.label or f"{self.name}  starting a kernel", time.monotonic() - self.start
            if self.terminal:
                self._write(f"\r\x1b[K{label}  {took:.0f} s  ({time.monotonic() - self.began:.0f} s in all)")
            elif int(took) // 30 > told:
                self._write(f"{label}  still running, {took:.0f} s\n")
            told = int(took) // 30

    def _write(self, text):
        self.stream.write(text)
        self.stream.flush()


# Commands


def run_build(names=(), root=ROOT, timeout=CELL_TIMEOUT, out=None, weights=False):
    """`medtutor build`: build each chapter, go on after a failure, say what each took; returns 0 or 1."""
    out = out or sys.stderr
    failed, took = [], {}
    for chapter in _some(names, root):
        try:
            with Progress(chapter.name, out) as progress:
                took[chapter.name] = build(chapter, progress, timeout, weights)
        except BuildError as error:
            failed.append(chapter.name)
            print(f"{error}\n{chapter.name} is not built; {_left(chapter)}", file=out)
    for name, seconds in took.items():
        print(f"{name}  built, ran {seconds:.1f} s", file=out)
        if weights:
            print(f"  {_weights_of(name, root)}", file=out)
    return 1 if failed else 0


def _weights_of(name, root):
    """What is kept of a chapter's trainings, as a sentence."""
    from medtutor.fast import read

    path = Path(root) / "data" / "fast" / f"{name}.npz"
    if not path.exists():
        return "it trains nothing that could be kept"
    count, size = len(read(path)), path.stat().st_size / 1e6
    return f"data/fast/{path.name} holds {count} training{'s'[: count != 1]}, {size:.2f} MB"


def _left(chapter):
    return (
        f"{shown(chapter.notebook)} is as it was"
        if chapter.notebook.exists()
        else f"{shown(chapter.notebook)} still does not exist"
    )


def _some(names, root):
    chosen = chapters(names, root)
    if not chosen:
        raise BuildError(
            f"there is no chapter source; write one: {shown(Path(root))}/notebooks/source/01_slug.py"
        )
    return chosen


def run_check(names=(), root=ROOT, out=None):
    """`medtutor build --check`: compare sources and notebooks without running anything; returns 0 or 1."""
    out = out or sys.stderr
    found = {}
    for chapter in _some(names, root):
        try:
            found[chapter.name] = differences(chapter)
        except BuildError as error:
            found[chapter.name] = [str(error)]
    if not names:
        for path in strays(root):
            found[path.stem] = [
                f"{shown(path)} has no source; write notebooks/source/{path.stem}.py or remove it"
            ]
    for name, sentences in found.items():
        print(f"{name}  {'the same' if not sentences else 'source and notebook differ'}", file=out)
        for sentence in sentences:
            print(f"  {sentence}", file=out)
    return 1 if any(found.values()) else 0


def run_times(names=(), root=ROOT, out=None):
    """`medtutor build --times`: renew what the openings say of times, without running anything; returns 0."""
    out = out or sys.stderr
    for chapter in _some(names, root):
        print(f"{chapter.name}  {'renewed' if renew_times(chapter) else 'as it was'}", file=out)
    return 0


def run_time(names=(), root=ROOT, runs=3, out=None, fast=False):
    """`medtutor time`: run each chapter `runs` times from a cold kernel, keep the median; returns 0 or 1.

    fast  run with the weights of data/fast, and keep nothing
    """
    out = out or sys.stderr
    if runs < 1:
        raise BuildError(f"runs is {runs}; use 1 or more, 3 give a median")
    for chapter in _some(names, root):
        try:
            seconds, cells = [], []
            for turn in range(runs):
                cells.append({})
                with Progress(f"{chapter.name} (run {turn + 1} of {runs})", out) as progress:
                    source, folder = read_source(chapter.source), chapter.notebook.parent
                    variables = {"MEDTUTOR_FAST": "1"} if fast else None
                    seconds.append(execute(source, folder, progress, cells=cells[-1], variables=variables))
        except BuildError as error:
            print(f"{error}\n{chapter.name} is not timed", file=out)
            return 1
        if not fast:
            remember(chapter.name, seconds, root, cells)
        how = ", with stored weights" if fast else ""
        print(f"{chapter.name}  {statistics.median(seconds):.1f} s, median of {runs}{how}", file=out)
    return 0


def measured(folder):
    """What `medtutor time` has stored in measured.json of this folder; BuildError where it is damaged."""
    try:
        return guide.measured(folder)
    except ValueError:
        path = shown(Path(folder) / "measured.json")
        raise BuildError(f"{path} is not JSON; remove it and time all chapters") from None


def remember(name, seconds, root=ROOT, cells=()):
    """Write one chapter's measured seconds into notebooks/measured.json and leave the others' as they are.

    cells  for each run {cell id: seconds}; the cells that take a second or more are kept, for the minute
           marks of the instructor's edition
    """
    path = Path(root) / "notebooks" / "measured.json"
    known = measured(path.parent)
    known[name] = {
        "seconds": round(statistics.median(seconds), 1),
        "fastest": round(min(seconds), 1),
        "slowest": round(max(seconds), 1),
        "runs": len(seconds),
        "cores": _cores(),
    }
    medians = {cell: statistics.median(run[cell] for run in cells) for cell in (cells[0] if cells else ())}
    if slow := {cell: round(median, 1) for cell, median in medians.items() if median >= 1}:
        known[name]["cells"] = slow
    lines = [f" {json.dumps(key)}: {json.dumps(known[key])}" for key in sorted(known)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
