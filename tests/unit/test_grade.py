"""Grading: replies as in the notebook, values on their way, strangers' messages, cells that are found."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from medtutor import exercises
from medtutor.course import build, grade, instructor
from medtutor.course.build import BuildError
from medtutor.course.grading import isolation, judge, report, submission, wire, worker
from medtutor.course.grading.result import Result
from medtutor.exercises.attempt import alike

NAMES = exercises.names()
MISTAKES = [(name, mistake.name) for name in NAMES for mistake in exercises.find(name).mistakes]


class Here:
    """A worker in this very process, for functions that can be trusted; what it says goes through JSON."""

    def __init__(self, function, seconds=60.0):
        self.limits = judge.Limits(seconds=seconds)
        self.inner = worker.Worker(io.BytesIO(), io.BytesIO())
        self.inner.function = function
        self.inner.space = getattr(function, "__globals__", {})

    def ask(self, message, seconds):
        what, *parts = json.loads(json.dumps(message))
        return json.loads(json.dumps(getattr(self.inner, f"do_{what}")(*parts)))

    def end(self):
        pass


@pytest.fixture(autouse=True)
def its_wire(monkeypatch):
    monkeypatch.setattr(worker, "wire", wire, raising=False)


def verdict(function, name, seed=0):
    """What `medtutor grade` finds of a function, without a process for it."""
    student = judge.Student(Here(function), name, worker.signature(function))
    return exercises.grade(student, name=name, seed=seed)


def relayed(function, name, seed=0):
    return str(verdict(function, name, seed))


# The same reply as in the notebook


@pytest.mark.parametrize("name, mistake", MISTAKES)
def test_each_known_mistake_is_recognised_and_gets_its_reply(name, mistake):
    known = next(each for each in exercises.find(name).mistakes if each.name == mistake)
    found = verdict(known.function, name, 7)
    assert (found.state, found.mistake) == ("wrong", mistake) and found.message.startswith(known.reply)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_reply_is_that_of_the_notebook(name):
    known = exercises.find(name).mistakes[0].function
    assert relayed(known, name, 7) == str(exercises.grade(known, name=name, seed=7))


@pytest.mark.parametrize("name", NAMES)
def test_each_solution_is_right(name):
    assert relayed(exercises.find(name).function, name).startswith(f"✓ {name}: right. ")


def _raises(kind):
    def output_size(n, k, stride=1, padding=0, dilation=1):
        raise kind("what happened")  # here

    return output_size


def _gives(value):
    def output_size(n, k, stride=1, padding=0, dilation=1):
        return value() if callable(value) else value

    return output_size


def _changes(x, p):
    y = np.pad(x, p)
    x[0, 0] = 7
    return y


def _prints(n, k, **options):
    print("my answer", n - k + 1)


def _changes_layers(layers):
    layers.append((1, 1))
    return exercises.find("receptive_field")(layers[:-1])


ANSWERS = {
    "none": _gives(None),
    "float": _gives(3.0),
    "nan": _gives(float("nan")),
    "infinity": _gives(-np.inf),
    "numpy's int": _gives(np.int64(4)),
    "array": _gives(np.arange(3)),
    "text": _gives("é" * 30),
    "long text": _gives("x" * 50_000),
    "bool": _gives(True),
    "large": _gives(10**5000),
    "complex": _gives(1 + 2j),
    "list": _gives([1, (2.5, "x"), {"a": None}]),
    "set": _gives({1}),
    "generator": _gives(lambda: (each for each in "ab")),
    "function": _gives(lambda: len),
    "class": _gives(lambda: np.ndarray),
    "bytes": _gives(b"12"),
    "NotImplemented": _gives(NotImplemented),
    "ValueError": _raises(ValueError),
    "KeyError": _raises(KeyError),
    "LinAlgError": _raises(np.linalg.LinAlgError),
    "SystemExit": _raises(SystemExit),
    "NotImplementedError": _raises(NotImplementedError),
    "own error": _raises(type("Mine", (LookupError,), {})),
    "prints": _prints,
    "too few": lambda n: n,
    "other names": lambda n, k, step=1: n,
    "positions": lambda *args, **options: 3,
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_each_kind_of_answer_gets_the_reply_of_the_notebook(kind):
    wanted = str(exercises.grade(ANSWERS[kind], name="output_size"))
    assert relayed(ANSWERS[kind], "output_size") == wanted


@pytest.mark.parametrize("function, name", [(_changes, "pad"), (_changes_layers, "receptive_field")])
def test_a_changed_input_is_noticed_as_in_the_notebook(function, name):
    wanted = str(exercises.grade(function, name=name))
    assert "changes its input" in wanted and relayed(function, name) == wanted


# Values on their way


@pytest.mark.parametrize("name", NAMES)
def test_inputs_of_each_exercise_arrive_as_they_left(name):
    for inputs in exercises.find(name).inputs(3):
        for value in inputs.values():
            arrived = wire.decode(json.loads(json.dumps(wire.encode(value))))
            if isinstance(value, np.ndarray):
                assert arrived.dtype == value.dtype and np.array_equal(arrived, value)
                assert (arrived != None) is True or type(value) is np.ndarray  # noqa: E711
            else:
                assert type(arrived) in type(value).__mro__ and arrived == value


@pytest.mark.parametrize(
    "value", [np.float32(0.1), np.bool_(True), np.array([1 + 2j]), np.array(["a", "bc"])]
)
def test_numbers_of_numpy_keep_their_kind(value):
    arrived = wire.decode(wire.encode(value))
    assert type(arrived) is type(value) and arrived.dtype == value.dtype and np.all(arrived == value)


@pytest.mark.parametrize(
    "message",
    [
        None,
        3,
        "int",
        [],
        [[]],
        ["int"],
        ["int", 5],
        ["int", "12x"],
        ["float", None],
        ["no such thing", 1],
        ["list", 7],
        ["dict", [[1]]],
        ["dict", [[["list", []], ["none"]]]],
        ["array", "|O", [1], "AAAAAAAAAAA="],
        ["array", "<f8", [2], "AAAAAAAAAAA="],
        ["array", "<f8", [-1], "AAAAAAAAAAA="],
        ["array", "<f8", [10**9, 10**9], ""],
        ["array", "<f8", [1.0], "AAAAAAAAAAA="],
        ["array", "<f8,<f8", [1], "AAAAAAAAAAA="],
        ["array", "<f8", [1], "not base64!"],
        ["array", "<f8", [1] * 100, "AAAAAAAAAAA="],
        ["objects", [10**12], "object"],
        ["str", 5],
        ["thing", "object", 5],
        ["__class__"],
        json.loads("[" * 50 + "]" * 50),
    ],
)
def test_a_message_that_is_no_value_is_refused(message):
    with pytest.raises(ValueError):
        wire.decode(message)


def test_a_message_without_end_is_not_read():
    with pytest.raises(ValueError, match="at most"):
        wire.read(io.BytesIO((2**40).to_bytes(8, "big")))
    with pytest.raises(ValueError):
        wire.read(io.BytesIO((200_000).to_bytes(8, "big") + b"[" * 200_000))
    assert wire.read(io.BytesIO(b"\0\0")) is None
    assert wire.read(io.BytesIO((9).to_bytes(8, "big") + b"[1")) is None


def test_an_error_keeps_what_a_reply_tells_of_it():
    error = judge.relayed("UnicodeDecodeError", ["UnicodeDecodeError", "ValueError"], "bad byte", "line 2: x")
    assert (type(error).__name__, str(error), error.students_line) == (
        "UnicodeDecodeError",
        "bad byte",
        "line 2: x",
    )
    assert isinstance(error, ValueError)
    assert str(judge.relayed("KeyError", ["KeyError"], "'a'", "")) == "'a'"
    assert type(judge.relayed("ValueError", ["ValueError", "Exception"], "x", "")) is ValueError
    assert isinstance(judge.relayed("Mine", ["object"], "x", ""), Exception)
    assert judge.relayed("x\n✓ right", [], "", "line 1:\n✓").students_line == "line 1: ✓"
    assert type(judge.relayed("x\n✓ right", [], "", "")).__name__ == "x___right"
    assert isinstance(judge.relayed("Exit", ["SystemExit", "BaseException"], "x", ""), SystemExit)


# What a worker is denied

CELL = "def output_size(n, k, stride=1, padding=0, dilation=1):\n    import {}\n    return str({})\n"


def seen_in_worker(module, expression):
    """What a student's code sees: `expression`, as text."""
    import ast

    text = CELL.format(module, expression)
    found = submission.Found(name="output_size", part=[["cell", text, [0]]])
    with judge.Worker(judge.Limits()) as made:
        in_force = made.ask(None, judge.START)[1]
        assert made.ask(["define", found.part, "output_size"], 30)[0] == "defined"
        answer = made.ask(["call", 1, [["int", "0x7"], ["int", "0x3"]], {}], 30)
        return ast.literal_eval(wire.decode(answer[2][1])), in_force


def test_a_student_sees_an_empty_folder_and_nothing_of_the_users_environment(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    found, _ = seen_in_worker("os", "[os.listdir('.'), sorted(os.environ)]")
    assert found[0] == [] and "SECRET_TOKEN" not in found[1] and "PYTHONPATH" not in found[1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has namespaces")
def test_a_student_has_no_network_no_rights_and_no_other_process():
    status = "[line for line in open('/proc/self/status') if line.startswith(('CapEff', 'NoNewPrivs'))]"
    found, in_force = seen_in_worker(
        "os, socket", f"[os.getpid(), [name for _, name in socket.if_nameindex()], {status}]"
    )
    if "network" in in_force:
        assert found[:2] == [1, ["lo"]]
    allowed = isolation.READ_ANY_FILE if os.geteuid() == 0 else 0
    assert [line.split()[1] for line in found[2]] == [f"{allowed:016x}", "1"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has Landlock")
def test_what_is_hidden_cannot_be_read_past_pythons_hook_either():
    hidden = str(judge.PACKAGE / "exercises" / "convolution.py").encode()
    tests = str(judge.PACKAGE.parent / "README.md").encode()
    numpy = np.__file__.encode()
    opened = f"[ctypes.CDLL(None).open(name, 0) >= 0 for name in ({hidden!r}, {tests!r}, {numpy!r})]"
    found, in_force = seen_in_worker("ctypes", opened)
    if "files" in in_force:
        assert found == [False, False, True]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has mounts of one's own")
def test_a_student_cannot_fill_the_disk():
    written = "sum(open(str(n), 'wb').write(bytes(2**20)) for n in range(200))"
    expression = f"os.statvfs('.').f_blocks * os.statvfs('.').f_frsize, {written.replace('200', '9')}"
    (room, done), in_force = seen_in_worker("os", f"({expression})")
    assert done == 9 * 2**20
    if "processes" in in_force:
        assert room == 64 * 2**20


@pytest.mark.parametrize(
    "change, note",
    [
        ("os.remove({path!r})", worker.OUTSIDE),
        ("os.rename({path!r}, 'mine')", worker.OUTSIDE),
        ("os.rename('mine', {path!r})", worker.OUTSIDE),
        ("os.chmod({path!r}, 0)", worker.OUTSIDE),
        ("os.truncate({path!r}, 0)", worker.OUTSIDE),
        ("os.mkdir({path!r} + '-2')", worker.OUTSIDE),
        ("os.symlink('x', {path!r} + '-2')", worker.OUTSIDE),
        ("os.remove('kept', dir_fd=os.open({folder!r}, 0))", worker.OUTSIDE),
        ("os.open({path!r}, os.O_TRUNC)", worker.OUTSIDE),
        ("open({path!r}, 'a')", worker.OUTSIDE),
        ("os.kill(-1, 9)", "sent a signal"),
        ("os.killpg(os.getpgid(0), 9)", "sent a signal"),
        ("os.system('true')", "started another program"),
    ],
)
def test_pythons_hook_refuses_what_the_system_may_not(tmp_path, change, note):
    """In a process of its own, as a hook cannot be taken away again, with nothing but the hook."""
    kept = tmp_path / "kept"
    kept.write_text("x")
    code = (
        "import io, os, sys\n"
        "from medtutor.course.grading import worker\n"
        "os.makedirs('own'), os.chdir('own'), open('mine', 'w').close()\n"
        "made = worker.Worker(io.BytesIO(), io.BytesIO())\n"
        "made.watch(os.getcwd(), [])\n"
        f"try:\n    {change.format(path=str(kept), folder=str(tmp_path))}\n"
        "except PermissionError as error:\n    print(made.told, error)\n"
        "os.rename('mine', 'other'), os.remove('other'), os.mkdir('new'), os.rmdir('new')\n"
        "print('own folder')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"[{note!r}] refused while grading: it {note}\nown folder\n", done.stderr
    assert kept.read_text() == "x" and sorted(path.name for path in tmp_path.iterdir()) == ["kept", "own"]


def test_a_folder_is_given_without_what_is_hidden_in_it(tmp_path):
    for name in ("a", "a/open", "a/hidden", "b"):
        (tmp_path / name).mkdir()
    a, b, hidden = (os.path.realpath(tmp_path / name) for name in ("a", "b", "a/hidden"))
    given = isolation.readable([a, b, tmp_path / "nowhere"], [hidden])
    assert given == [(a, False), (os.path.join(a, "open"), True), (b, True)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has subreapers")
def test_what_students_leave_behind_is_ended_without_namespaces_too():
    code = (
        "import os, subprocess, sys, time\n"
        "from medtutor.course.grading import isolation\n"
        "isolation.adopt_orphans()\n"
        "left = 'import os, time; os.fork() or (os.setsid(), os.fork(), time.sleep(77))'\n"
        "subprocess.run([sys.executable, '-c', left])\n"
        "isolation.end_orphans()\n"
        "print([task for task in open('/proc/self/task/%d/children' % os.getpid())])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_a_worker_that_talks_without_being_asked_has_to_wait():
    text = "import os, json\ndef f():\n    text = json.dumps([0] * 10**5).encode()\n    while True:\n"
    text += "        for fd in range(3, 9):\n            try:\n"
    text += "                os.write(fd, len(text).to_bytes(8, 'big') + text)\n"
    text += "            except OSError:\n                pass\n"
    with judge.Worker(judge.Limits(seconds=1)) as made:
        made.ask(None, judge.START)
        assert made.ask(["define", [["cell", text, [0, 1]]], "f"], 30)[0] == "defined"
        with pytest.raises((judge.Ended, judge.TimeUp)):
            for _ in range(3):
                made.ask(["call", 1, [], {}], 0.5)
                assert made.came.qsize() <= 2
            raise judge.Ended


# Cells


@pytest.fixture(scope="module")
def course():
    return submission.course_of(build.chapters(["1"])[0])


def found(course, name, *cells):
    """What is found for an exercise in a notebook with these cells, (id, source)."""
    made = [
        submission.StudentCell(place, cell, submission.slices.Cell(cell or f"cell {place + 1}", text), "")
        for place, (cell, text) in enumerate(cells)
    ]
    return submission.find_all(made, course)[name]


def lines(found):
    """The first lines of the statements that are to run."""
    return [
        text.splitlines()[submission.slices.Cell("", text).statements[place].node.lineno - 1]
        for _, text, places in found.part
        for place in places
    ]


PAD = "def pad(x, p):\n    return np.pad(x, p)"


def test_imports_of_the_chapter_are_there_where_a_student_has_lost_them(course):
    assert lines(found(course, "pad", ("exercise-pad", PAD))) == ["import numpy as np", "def pad(x, p):"]


def test_a_students_own_import_goes_before_the_chapters(course):
    cells = ("top", "import numpy as np"), ("exercise-pad", PAD)
    part = found(course, "pad", *cells).part
    assert [cell for cell, *_ in part] == ["top", "exercise-pad"]


def test_what_the_chapter_shows_above_is_there_for_who_hands_in_answers_alone(course):
    text = "def edge_strength(x):\n    return np.hypot(correlate(x, sobel), correlate(x, sobel.T))"
    assert lines(found(course, "edge_strength", ("exercise-edges", text))) == [
        "import numpy as np",
        "sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])",
        "def correlate(x, w, b=0.0):",
        "def edge_strength(x):",
    ]


def test_cells_below_are_not_offered(course):
    cells = ("exercise-pad", PAD.replace("np.pad", "frame")), ("below", "def frame(x, p):\n    return x")
    assert lines(found(course, "pad", *cells)) == ["def pad(x, p):"]


def test_an_attempt_goes_before_a_blank_and_the_exercises_cell_before_others(course):
    stub = exercises.stub("pad")
    blank_first = found(course, "pad", ("exercise-pad", stub), ("mine", PAD))
    assert blank_first.source == PAD and not blank_first.state
    both = found(course, "pad", ("exercise-pad", PAD), ("try", PAD + "  # other"))
    assert both.source == PAD and "defined in 2 cells" in both.notes[0]
    assert found(course, "pad", ("exercise-pad", stub)).state == "not tried"


def test_the_chapters_own_function_of_that_name_is_no_answer(course):
    own = course.cells["correlate"]
    assert found(course, "correlate", ("correlate", own)).state == "missing"
    assert found(course, "correlate", ("", own + "\n# a comment")).state == "missing"


def test_a_function_in_the_check_cell_is_found(course):
    assert not found(course, "pad", ("check-pad", PAD + "\ncheck(pad)")).state


def test_a_module_that_an_exercise_imports_is_named_for_the_worker(course):
    text = (
        "def pad(x, p):\n    import scipy.ndimage as n\n    from medtutor.nn import convolution\n    return n"
    )
    assert {"scipy.ndimage", "medtutor.nn"} <= set(found(course, "pad", ("exercise-pad", text)).modules)
    assert (
        "uses the course's own functions, medtutor.nn" in found(course, "pad", ("exercise-pad", text)).notes
    )


# Chapters and files

TINY = '# %% id="{0}-start"\nimport numpy as np\n\n# %% id="exercise-{0}"\n# exercise: {1}\n'


@pytest.fixture
def root(tmp_path):
    """A checkout with two small chapters, and a notebook handed in of each."""
    folder = tmp_path / "notebooks" / "source"
    folder.mkdir(parents=True)
    (tmp_path / "in").mkdir()
    for name, exercise in (("01_one", "pad"), ("02_two", "output_size")):
        (folder / f"{name}.py").write_text(TINY.format(name[3:], exercise), encoding="utf-8")
        chapter = build.chapters([name], tmp_path)[0]
        notebook = build.read_source(chapter.source, exercise=exercises.source).notebook
        for copy in ("a", "b") if exercise == "pad" else ("c",):
            (tmp_path / "in" / f"{copy}.ipynb").write_text(build.as_text(notebook), encoding="utf-8")
    return tmp_path


def graded(root, *files, **options):
    """({student: row}, words) of a run."""
    out, words = root / "grades.csv", io.StringIO()
    files = [root / "in" / name for name in files] or [root / "in"]
    assert grade.run_grade(files, root, out=out, stream=words, **options) == 0
    with open(out, encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}, words.getvalue()


def test_the_chapter_is_that_of_most_files_and_another_ones_notebook_says_so(root):
    rows, words = graded(root)
    assert [(row["pad"], row["points"], row["total"]) for row in rows.values()] == [
        ("right", "1", "1"),
        ("right", "1", "1"),
        ("missing", "0", "1"),
    ]
    assert rows["c"]["notes"] == "a notebook of chapter 2, two; graded was chapter 1, one"
    assert rows["c"]["chapter"] == "chapter 2, two"
    assert "3 of 3" in words


def test_a_pattern_that_no_shell_has_resolved_is_resolved(root):
    assert set(graded(root, "[ab]*.ipynb")[0]) == {"a", "b"}


def test_a_chapter_can_be_asked_for(root):
    rows, _ = graded(root, "c.ipynb", "a.ipynb", chapter="two", seed=5)
    assert (rows["c"]["output_size"], rows["a"]["output_size"]) == ("right", "missing")


def test_guards_that_the_system_did_not_allow_are_named(root, monkeypatch):
    judge_without = 'import sys; print(\'{"guards": ["files"]}\', flush=True); sys.stdin.read()'
    monkeypatch.setattr(grade, "JUDGE", judge_without)
    _, words = graded(root, "a.ipynb")
    assert "did not let its own guards be used for network, processes;" in words


def test_a_judge_that_dies_costs_one_row(root, monkeypatch):
    monkeypatch.setattr(grade, "JUDGE", "import sys; sys.stdin.readline(); sys.exit(3)")
    rows, _ = graded(root, "a.ipynb", "b.ipynb", jobs=1)
    for student in ("a", "b"):
        assert rows[student]["pad"] == "error" and "judging the file failed" in rows[student]["notes"]


def test_a_judge_that_hangs_is_ended(root, monkeypatch):
    monkeypatch.setattr(grade, "JUDGE", "import time; time.sleep(600)")
    monkeypatch.setattr(grade, "PATIENCE", 0.0)
    rows, _ = graded(root, "a.ipynb", seconds=0.1)
    assert rows["a"]["pad"] == "error" and "took too long" in rows["a"]["notes"]


@pytest.mark.skipif(os.name != "posix", reason="Windows sends no SIGINT to one process")
def test_an_interrupt_ends_judges_and_workers_and_leaves_no_folder(root, tmp_path):
    loop = exercises.stub("pad").replace("raise NotImplementedError  # your code here", "while True: pass")
    notebook = {"cells": [{"cell_type": "code", "id": "exercise-one", "source": loop}]}
    (root / "in" / "a.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (tmp_path / "temporary").mkdir()
    code = (
        "import sys; from pathlib import Path; from medtutor.course.cli import main; "
        "sys.exit(main({}, Path({!r})))"
    )
    words = ["grade", str(root / "in" / "a.ipynb"), "--out", str(root / "g.csv"), "--seconds", "60"]
    process = subprocess.Popen(
        [sys.executable, "-c", code.format(words, str(root))],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 60
    while not list((tmp_path / "temporary").iterdir()) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "medtutor grade was interrupted\n")
    assert not list((tmp_path / "temporary").iterdir()) and not (root / "g.csv").exists()


def test_modules_that_lie_beside_the_notebooks_are_not_imported(root, monkeypatch):
    (root / "in" / "numpy.py").write_text("raise SystemExit('hijacked')", encoding="utf-8")
    monkeypatch.chdir(root / "in")
    monkeypatch.setattr(sys, "path", ["", str(root / "in"), *sys.path])
    assert graded(root, "a.ipynb")[0]["a"]["pad"] == "right"


@pytest.mark.parametrize(
    "files, options, words",
    [
        (["nobody.ipynb"], {}, "there is no file .*nobody.ipynb; give the notebooks"),
        (["empty"], {}, "there is no notebook to grade"),
        (["words.ipynb"], {}, r"no file is a notebook of a chapter with exercises \(01_one, 02_two\)"),
        (["a.ipynb"], dict(chapter="9"), "no chapter is called '9'"),
        (["a.ipynb"], dict(seconds=0), "--seconds is 0; it must be at least 0.1"),
        (["a.ipynb"], dict(seconds=float("nan")), "--seconds is nan"),
        (["a.ipynb"], dict(memory=1), "--memory is 1"),
        (["a.ipynb"], dict(jobs=0), "--jobs is 0"),
        (["a.ipynb"], dict(out="/nowhere/grades.csv"), "--out is /nowhere/grades.csv; name a file"),
        (["a.ipynb"], dict(reports=__file__), "--reports is .*test_grade.py, a file; name a folder"),
    ],
)
def test_what_cannot_be_graded_is_answered_in_a_sentence(root, files, options, words):
    (root / "in" / "empty").mkdir()
    (root / "in" / "words.ipynb").write_text("Dear teacher", encoding="utf-8")
    with pytest.raises(BuildError, match=words):
        grade.run_grade([root / "in" / name for name in files], root, **{"out": root / "g.csv"} | options)


# Tables and pages


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_calculate_is_made_a_text(text):
    assert report.safe(text) == f"'{text}"


def test_a_plain_cell_stays_as_it_is():
    assert report.safe("anna, group 2") == "anna, group 2"
    assert report.safe("\ud800") == "?"


def test_a_page_shows_hostile_text_as_text():
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>&amp;"
    page = report.page(
        hostile, "chapter 1", [Result("pad", "wrong", hostile, [hostile], hostile)], hostile, ["pad"]
    )
    assert "<script" not in page and "<img" not in page and page.count("&lt;script&gt;") == 6


def test_a_name_that_commands_the_terminal_is_only_shown():
    assert report.printable("\x1b[2Janna\n\r") == "?[2Janna??"


def test_pages_of_students_with_like_names_do_not_overwrite_each_other():
    taken = set()
    names = [report.file_name(name, taken) for name in ("a/anna", "a anna", "A-Anna", "../..", "é 1", "..")]
    assert names == [
        "a-anna.html",
        "a-anna-2.html",
        "A-Anna-3.html",
        "student.html",
        "é-1.html",
        "student-2.html",
    ]


def test_students_are_named_by_as_much_of_the_path_as_tells_them_apart(tmp_path):
    paths = [tmp_path / name for name in ("x/1/anna.ipynb", "y/1/anna.ipynb", "x/1/ben.ipynb")]
    assert grade._students(paths) == ["x/1/anna", "y/1/anna", "ben"]


def test_each_exercise_of_each_chapter_has_a_cell_and_a_check():
    for chapter in build.chapters():
        course = submission.course_of(chapter)
        checked = [name for names in course.checks.values() for name in names]
        assert set(course.exercises) <= set(checked)
        assert course.exercises == {n: c for c, n in instructor.exercise_cells(chapter.source).items()}


def test_alike_is_what_the_judge_compares_with():
    """The judge has no comparison of its own; this holds the import that it would have to replace."""
    assert exercises.grade.__module__ == "medtutor.exercises.verdict" and judge.grade is exercises.grade
    assert alike(1, 1)
