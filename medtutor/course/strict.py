"""How nbval 0.11 is told what equal means: a cell that compares our way, a kernel that says when it dies.

A pytest plugin, registered by medtutor.course.validate when a run validates notebooks. What nbval reports
stays as nbval reports it; its IPyNbFile, IPyNbCell and RunningKernel are used, hence the exact version.
"""

import json
import time
from contextlib import contextmanager

import nbval.plugin
import pytest
from nbformat import NotebookNode
from nbval.kernel import Empty, RunningKernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from medtutor.course import compare
from medtutor.course.validate import kernel_environment

BEAT = 0.5  # seconds between two looks at whether the kernel lives
GRACE = 5  # seconds that an interrupted cell has to stop


class KernelDied(RuntimeError):
    pass


class WatchedKernel(RunningKernel):
    """A kernel in the course's environment that is known to be dead within a second of its death."""

    def __init__(self, *args, **kwargs):
        self.deadline = None
        super().__init__(*args, **kwargs)

    def get_message(self, stream, timeout=None):
        """The next message; raises Empty after `timeout` seconds, KernelDied where none will come."""
        end = min(time.monotonic() + (timeout or float("inf")), self.deadline or float("inf"))
        while True:
            dead = not self.is_alive()  # asked before reading, so that last words are not lost
            try:
                return super().get_message(stream, timeout=max(0.01, min(BEAT, end - time.monotonic())))
            except Empty:
                if dead:
                    raise KernelDied(self.last_words()) from None
                if time.monotonic() >= end:
                    raise

    def interrupt(self):
        """Stop the running cell, and wait for it no longer than GRACE seconds whatever it prints."""
        self.deadline = time.monotonic() + GRACE
        super().interrupt()

    def last_words(self):
        """How the kernel's process ended, in words."""
        process = getattr(getattr(getattr(self, "km", None), "provisioner", None), "process", None)
        code = getattr(process, "returncode", None)
        if code is None:
            return "the kernel died"
        if code == -9:
            return "the kernel was killed (signal 9); most often the machine ran out of memory"
        return f"the kernel died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Have our cells collected where nbval would collect its own."""
    found = yield
    return [
        StrictFile.from_parent(parent, path=file_path) if type(each) is IPyNbFile else each for each in found
    ]


class StrictFile(IPyNbFile):
    """A notebook whose cells are compared strictly.

    lost    why no further cell can be run, '' while the kernel answers
    raised  the id of the first cell that ended in an exception
    """

    lost = raised = ""

    def setup(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nbval.plugin, "RunningKernel", WatchedKernel)
            fast = self.config.getoption("medtutor_fast", False)
            told = dict(each.split("=", 1) for each in self.config.getoption("medtutor_kernel", []))
            for name, value in {**kernel_environment(fast), **told}.items():
                patch.setenv(name, value)
            super().setup()

    def collect(self):
        for item in super().collect():
            yield StrictCell.from_parent(
                self,
                name=item.cell.get("id") or item.name,
                cell_num=item.cell_num,
                cell=item.cell,
                options=item.options,
            )


class StrictCell(IPyNbCell):
    """A cell that is called by its id and compared by the rules of medtutor.course.compare."""

    def reportinfo(self):
        return self.path, None, self.nodeid

    def setup(self):
        """Skip a cell that nothing can be said about: its kernel is gone or stuck in an earlier cell."""
        if self.parent.lost:
            pytest.skip(f"not run: {self.parent.lost}")

    def raise_cell_error(self, message, *args, **kwargs):
        earlier = self.parent.raised
        follows = f" (cell {earlier!r} failed before it, which may be why)" if earlier else ""
        super().raise_cell_error(f"{self.name}: {message}{follows}", *args, **kwargs)

    def runtest(self):
        """Run the cell, compare its outputs, and remember for the cells below whether it broke."""
        kernel = self.parent.kernel
        try:
            if not kernel.is_alive():
                raise KernelDied(f"{kernel.last_words()} after the cell above")
            super().runtest()
            self.refuse_what_nbval_accepts()
        except KernelDied as death:
            self.parent.lost = f"{death}, in cell {self.name!r}"
            with self.without_kernel():
                self.raise_cell_error(f"{death}; the cells below cannot be run")
        except NbCellError:
            if self.parent.timed_out:
                self.parent.lost = f"cell {self.name!r} ran out of time"
            elif self.stopped():
                self.parent.raised = self.parent.raised or self.name
            raise

    def refuse_what_nbval_accepts(self):
        """Fail a cell that ran, where nbval itself would be content."""
        if self.parent.timed_out:
            self.raise_cell_error("the cell ran out of time and did not stop when it was interrupted")
        if self.cell.source.strip() and self.cell.execution_count is None:
            self.raise_cell_error(
                "the cell is stored without having been run, so there is nothing to compare; "
                "run the notebook from the top and store it"
            )
        if broken := self.broken(self.test_outputs):  # an unchecked cell is not compared
            self.raise_cell_error("Cell ran, but", "\n".join(broken))

    @contextmanager
    def without_kernel(self):
        """Put away what is left of a dead kernel, whatever happens."""
        try:
            yield
        finally:
            self.parent.kernel.stop()

    def teardown(self):
        """Tell the numbers of a checked cell as they came, and None for a cell that did not end."""
        file = self.config.getoption("medtutor_numbers", None)
        if not file or self.options["skip"]:
            return
        numbers = None
        if not self.broke():
            if "nbval-ignore-output" in self.cell.metadata.get("tags", ()):
                return
            came = compare.results(self.test_outputs)
            numbers = {name: f"{number.value:f}" for name, number in came.items()}
        line = json.dumps({"notebook": self.path.stem, "cell": self.name, "numbers": numbers})
        with open(file, "ab", buffering=0) as lines:  # one write a line: several processes append
            lines.write(f"{line}\n".encode())

    def broke(self):
        """Whether the cell did not come to its end, so that numbers may be missing."""
        if self.test_outputs is None or self.parent.lost or self.parent.timed_out:
            return True
        return self.stopped() and not self.options["check_exception"]

    def stopped(self):
        """Whether the cell ended in an exception or a bad magic, so that cells below may miss its names."""
        kinds = {output.output_type for output in self.test_outputs or ()}
        return "error" in kinds or any("UsageError" in text for text in _stderr(self.test_outputs or ()))

    @staticmethod
    def broken(outputs):
        """What no output may hold, stored or not -> [sentence]."""
        said = [f"on stderr: {text.strip()}" for text in _stderr(outputs)]
        for output in outputs:
            said += [each for text in compare.seen(output) for each in compare.broken_results(text)]
        return said

    def compare_outputs(self, test, ref, skip_compare=None):
        """nbval's own comparison, of outputs in which all that may differ has been made equal."""
        self.comparison_traceback = self.broken(test)
        if self.comparison_traceback:
            return False
        fresh, stored = _comparable(test), _comparable(ref)
        if _kinds(fresh) != _kinds(stored):
            self.comparison_traceback = [
                f"stored outputs: {_in_words(stored)}",
                f"outputs now:    {_in_words(fresh)}",
                *[text for output in fresh for text in compare.seen(output)][:3],
            ]
            return False
        notes = self.settle(fresh, stored)
        equal = super().compare_outputs(fresh, stored, skip_compare)
        self.comparison_traceback[:0] = notes
        return equal

    def settle(self, fresh, stored):
        """Write each number that kept its tolerance as it was stored; returns what to say of the others."""
        rule = self.cell.metadata.get("nbval", {})
        widening = {name: rule[name] for name in ("rtol", "atol") if name in rule}
        notes = []
        for new, old in zip(fresh, stored, strict=True):
            for kind, text in compare.texts(old).items():
                holder, key = (new, "text") if new.output_type == "stream" else (new["data"], kind)
                settled, said = compare.settle(text, holder[key], **widening)
                notes += said
                if settled != text:
                    part = compare.excerpts(text, settled)
                    (old if holder is new else old["data"])[key], settled = part
                holder[key] = settled
        return list(dict.fromkeys(notes))


def _stderr(outputs):
    """The texts on stderr that are not TensorFlow's when it starts."""
    found = [compare.texts(output).get("stderr", "") for output in outputs if output.output_type == "stream"]
    return [left for text in found if (left := compare.without_startup_lines(text))]


def _comparable(outputs):
    """Copies of outputs without widgets, start-up lines and the bytes of pictures; streams first, sorted.

    The description of a picture that is an output of its own (metadata alt) becomes a text beside it.
    """
    streams, rich = [], []
    for output in outputs:
        if output.output_type == "stream":
            text = output.text if output.name != "stderr" else compare.without_startup_lines(output.text)
            if text:
                streams.append(NotebookNode(output_type="stream", name=output.name, text=text))
        elif output.output_type == "error":
            rich.append(NotebookNode(output))
        elif data := {kind: _comparable_data(v) for kind, v in output.data.items() if kind != compare.WIDGET}:
            for kind, metadata in output.get("metadata", {}).items():
                if isinstance(metadata, dict) and "alt" in metadata:
                    data[f"text/description of {kind}"] = metadata["alt"]
            rich.append(NotebookNode(output_type=output.output_type, data=NotebookNode(data)))
    return sorted(streams, key=lambda stream: stream.name) + rich


def _comparable_data(value):
    return compare.without_pictures(value) if isinstance(value, str) else value


def _kinds(outputs):
    return [(output.output_type, output.get("name"), *sorted(output.get("data", ()))) for output in outputs]


def _in_words(outputs):
    """What kinds of output there are, as a reader calls them."""
    words = [
        output.name
        if output.output_type == "stream"
        else f"{output.output_type} of {', '.join(sorted(output.data))}"
        if "data" in output
        else output.output_type
        for output in outputs
    ]
    return "; ".join(words) or "none"
