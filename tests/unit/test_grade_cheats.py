"""Notebooks as students hand them in, honest, broken and hostile: each gets the verdict that it deserves.

All of them are graded in one run of the command, whose table and pages the tests read.
"""

import ast
import csv
import html
import io
import json
import os
import re
import tempfile
import time
from pathlib import Path

import pytest

from medtutor import exercises
from medtutor.course import build, grade

ELSEWHERE = Path(tempfile.gettempdir())

CHAPTER = build.chapters(["1"])[0]
POSIX = pytest.mark.skipif(os.name != "posix", reason="Windows has neither fork nor limits")

SECONDS = 3
STUDENTS = {}  # name: (what to fill in, what to do to the notebook)
HEAD = "def output_size(n, k, stride=1, padding=0, dilation=1):\n"
WRONG = HEAD + "    return (n + padding - dilation * (k - 1) - 1) // stride + 1\n"
RIGHT = HEAD + "    return (n + 2 * padding - dilation * (k - 1) - 1) // stride + 1\n"
BY_HEART = [(each, exercises.find("output_size")(**each)) for each in exercises.find("output_size").inputs(0)]
ONCE = "The padding is counted once. Zeros are added at both ends."


def cheat(name, code, change=None, exercise="output_size"):
    """A student called `name` whose cell for one exercise holds `code`; the other stubs are blank."""
    STUDENTS[name] = ({exercise: code}, change)
    return name


def inside(body):
    """output_size with these lines inside."""
    return HEAD + "".join(f"    {line}\n" for line in body.strip("\n").splitlines())


def replies(name, state, *words, notes=(), exercise="output_size"):
    """The test of one student: state, words of the reply, and notes for the teacher."""
    return pytest.param(name, exercise, state, words, notes, id=name)


# Honest ones

ALTERNATIVES = dict(
    window="""
def window(hounsfield, level, width):
    grey = (hounsfield - level) / width + 0.5
    grey = np.where(grey < 0, 0, grey)
    return np.minimum(grey, 1.0)
""",
    correlate="""
from scipy import signal

def correlate(x, w, b=0.0):
    return signal.correlate2d(x, w, mode="valid") + b
""",
    edge_strength="""
def both(x):
    for kernel in (SOBEL, SOBEL.T):
        yield correlate(np.pad(x, 1, "edge"), kernel)

def edge_strength(image):
    across, down = both(image)
    return np.hypot(across, down)
""",
    pad="""
pad = lambda x, p: np.block([[np.zeros((p, x.shape[1] + 2 * p))],
                             [np.zeros((len(x), p)), x, np.zeros((len(x), p))],
                             [np.zeros((p, x.shape[1] + 2 * p))]])
""",
    output_size="""
%%time
import math
def output_size(n, k, stride=1, padding=0, dilation=1):
    print("room", n)
    return len(range(0, n + 2 * padding - dilation * (k - 1), stride))
print(output_size(7, 3))
""",
    count_weights="""
def count_weights(kernel, channels_in, channels_out):
    return sum(math.prod(kernel) * channels_in + 1 for _ in range(channels_out))
import math
""",
    separate="""
def separate(w: np.ndarray) -> tuple:
    u, s, v = np.linalg.svd(w)
    if s[1] > 1e-8 * s[0]:
        raise np.linalg.LinAlgError("rank")
    return u[:, 0] * s[0], v[0]
""",
    max_pool="""
def max_pool(x, size):
    x = x[:len(x) // size * size, :x.shape[1] // size * size].tolist()
    return np.array([[max(x[i + a][j + b] for a in range(size) for b in range(size))
                      for j in range(0, len(x[0]), size)] for i in range(0, len(x), size)])
""",
    receptive_field="""
import functools

@functools.cache
def seen(layers):
    if not layers:
        return 1
    (kernel, stride), rest = layers[0], layers[1:]
    return kernel + (seen(rest) - 1) * stride

def receptive_field(layers):
    return seen(tuple(layers))
""",
    remove_baseline="""
def remove_baseline(x, width):
    half, n = width // 2, len(x)
    mirror = [x[abs(t) if t < n else 2 * n - 2 - t] for t in range(-half, n + half)]
    return np.array([x[t] - sum(mirror[t:t + width]) / width for t in range(n)], dtype="float32")
""",
    transposed="""
def transposed(x, w, stride=1):
    y = np.zeros([(n - 1) * stride + k for n, k in zip(x.shape, w.shape)])
    for m in range(w.shape[0]):
        for n in range(w.shape[1]):
            last = m + (x.shape[0] - 1) * stride, n + (x.shape[1] - 1) * stride
            y[m:last[0] + 1:stride, n:last[1] + 1:stride] += x * w[m, n]
    return y
""",
    gradient_w="""
class Helper:
    def __init__(self, x):
        self.x = x
    def under(self, m, n, shape):
        return self.x[m:m + shape[0], n:n + shape[1]]

def gradient_w(x, dy):
    rows, columns = x.shape[0] - dy.shape[0] + 1, x.shape[1] - dy.shape[1] + 1
    dw = [(Helper(x).under(m, n, dy.shape) * dy).sum() for m in range(rows) for n in range(columns)]
    return np.reshape(dw, (rows, columns))
""",
)
MISTAKEN = dict(
    window=("def window(x, level, width):\n    return (x - level) / width + 0.5", "go below 0 and above 1"),
    correlate=(
        "def correlate(x, w, b=0.0):\n    from scipy import signal\n"
        "    return signal.convolve2d(x, w, mode='valid') + b",
        "The kernel is flipped.",
    ),
    separate=("def separate(w):\n    return w[0], w[:, 0] / w[0, 0]", ""),
    gradient_w=("def gradient_w(x, dy):\n    x[0] = 0\n    return dy", ""),
)


def _helper_above(cells):
    at = next(place for place, cell in enumerate(cells) if cell["id"] == "exercise-edges")
    cells.insert(at, code("mine", "SOBEL = np.outer([1, 2, 1], [-1, 0, 1])\nraise RuntimeError('never run')"))


STUDENTS["alternatives"] = ALTERNATIVES, _helper_above
STUDENTS["mistaken"] = {name: text for name, (text, _) in MISTAKEN.items()}, None


def code(name, source, *said):
    outputs = [{"output_type": "stream", "name": "stdout", "text": list(said)}] if said else []
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "execution_count": 1,
        "source": source,
        "outputs": outputs,
    }


def _at(cells, name):
    return next(place for place, cell in enumerate(cells) if cell["id"] == name)


def _claims(cells):
    cells[_at(cells, "check-size")] = code(
        "check-size", "print('✓ output_size: right.')", "✓ output_size: right. With k=3\n"
    )


def _patched_check(cells):
    patch = "import medtutor.exercises as e\ne.check = e.grade = e.find = lambda *a: print('✓')\n"
    cells.insert(0, code("patch", patch + "import medtutor; medtutor.check = e.check"))


def _without_ids(cells):
    for cell in cells:
        cell.pop("id")


def _only_function_names(cells):
    cells[:] = [code("", RIGHT)]
    _without_ids(cells)


def _removed(cells):
    del cells[_at(cells, "exercise-size")]


def _again_below(text):
    def change(cells):
        cells.append(code("exercise-size", text))

    return change


def _demo_changed(cells):
    """The chapter's own `correlate`, fiddled with, is no answer to the exercise of that name."""
    cells[_at(cells, "correlate")]["source"] += "\n# looks good"
    cells[_at(cells, "correlate")]["source"] = cells[_at(cells, "correlate")]["source"].replace(
        "M, N", "P, Q"
    )


def _odd_cells(cells):
    cells += [7, None, {"cell_type": "code"}, {"cell_type": "code", "source": 3, "id": [], "outputs": {}}]
    cells.append({"cell_type": "code", "source": [None, "x"], "outputs": [None, {"text": 5}]})


cheat("check edited", WRONG, _claims)
cheat("check patched", WRONG, _patched_check)
cheat(
    "numpy patched", "np.allclose = np.array_equal = np.isclose = lambda *a, **k: True\nx = np.pi\n" + WRONG
)
cheat("exit in the cell", "exit()\nquit()\n" + RIGHT)
cheat("exit", inside("exit()"))
cheat("os._exit", "import os\n" + inside("os._exit(0)"))
cheat("os._exit while defining", "import os\nclosed = os._exit(3)\n" + inside("return closed"))
cheat("crash", "import ctypes\n" + inside("ctypes.string_at(0)"))
cheat("loop", inside("while True:\n    n = -n"))
cheat("loop that catches all", inside("while True:\n    try:\n        n = -n\n    except:\n        pass"))
cheat(
    "loop deaf to signals",
    "import signal, time\n"
    + inside("signal.signal(signal.SIGUSR1, signal.SIG_IGN)\nwhile True:\n    time.sleep(1)"),
)
cheat(
    "loop while defining",
    "def forever():\n    while True:\n        pass\nx = forever()\n" + inside("return x"),
)
cheat("array too large", inside("return np.ones(10**11)"))
cheat("list without end", inside("y = []\nwhile True:\n    y.append(np.empty(10**7))"))
cheat("fork bomb", "import os\n" + inside("while True:\n    os.fork()"))
cheat(
    "fork bomb that goes on",
    "import os\n" + inside("while True:\n    try:\n        os.fork()\n    except OSError:\n        pass"),
)
cheat(
    "left behind",
    "import os, time\n" + inside("if os.fork() == 0:\n    os.setsid()\n    time.sleep(77)\nreturn 1"),
)
cheat(
    "solution imported", inside("from medtutor.exercises.convolution import output_size as f\nreturn f(n, k)")
)
cheat(
    "solution imported above",
    "from medtutor.exercises import find\n" + inside("return find('output_size')(n, k)"),
)
cheat(
    "solution read",
    "import medtutor, pathlib\n"
    + inside(
        "text = pathlib.Path(medtutor.__path__[0], 'exercises', 'convolution.py').read_text()\n"
        "exec(text.split('# 3 ')[1].split('@output_size')[0], globals())\nreturn output_size(n, k)"
    ),
)
cheat(
    "solution read, caught",
    inside("try:\n    import medtutor.exercises.convolution as c\nexcept Exception:\n    c = None\nreturn 5"),
)
cheat(
    "objects searched",
    "import gc, sys\n"
    "def search():\n"
    "    names = 'Exercise', 'Law', 'Outcome', 'Mistake'\n"
    "    found = [each for each in gc.get_objects() if type(each).__name__ in names]\n"
    "    return len(found) + len([name for name in sys.modules if 'exercises' in name])\n"
    "hits = search()\n" + inside("return hits"),
)
cheat(
    "frames read",
    "import sys\n"
    + inside(
        "frame, found = sys._getframe(), []\n"
        "while frame:\n"
        "    found += [v for n, v in frame.f_locals.items() if n in ('want', 'wanted', 'right', 'answer')]\n"
        "    frame = frame.f_back\n"
        "return found[0] if found else -1"
    ),
)
cheat(
    "pipe written",
    "import os, json\n"
    + inside(
        "text = json.dumps(['came', 1, ['answer', ['int', '0x5']], '', {}, []]).encode()\n"
        "for fd in range(3, 50):\n"
        "    try:\n"
        "        os.write(fd, len(text).to_bytes(8, 'big') + text)\n"
        "    except OSError:\n"
        "        pass\n"
        "return 5"
    ),
)
cheat(
    "stdout written",
    "import os\n" + WRONG.replace("return", "os.write(1, b'right'); os.write(2, b'right'); return"),
)
cheat(
    "grader patched",
    "import sys\n" + inside("sys.modules['wire'].encode = lambda *a: ['right', True]\nreturn 5"),
)
cheat(
    "hostile pickle",
    "import os\nclass Bomb:\n    def __reduce__(self):\n        return os.system, ('touch pickled',)\n"
    + inside("return Bomb()"),
)
cheat(
    "lying equality",
    "class Liar:\n    __eq__ = __lt__ = __gt__ = lambda *a: True\n    __hash__ = None\n"
    + inside("return Liar()"),
)
cheat(
    "lying array",
    "class Liar(np.ndarray):\n"
    "    __eq__ = __ne__ = lambda *a: True\n"
    "    __array_ufunc__ = lambda *a, **k: True\n"
    "    __array_function__ = lambda *a, **k: True\n"
    "def pad(x, p):\n    return np.ones((len(x) + 2 * p, x.shape[1] + 2 * p)).view(Liar)\n",
    exercise="pad",
)
cheat("lying class", "class Liar:\n    __class__ = property(lambda self: int)\n" + inside("return Liar()"))
cheat("huge output", RIGHT.replace("return", "print('x' * 10**7)\n    return"))
cheat("huge answer", inside("return np.zeros(3 * 10**6)"))
cheat("list of itself", inside("y = []\ny.append(y)\nreturn y"))
cheat("no Python", HEAD + "    return (n + \n")
cheat("nothing there", "print('I did it at home')\n")
cheat("cell removed", RIGHT, _removed)
cheat("blank, solved below", exercises.stub("output_size"), _again_below(RIGHT))
cheat("right, wrong below", RIGHT, _again_below(WRONG))
cheat("ids lost", RIGHT, _without_ids)
cheat("one cell alone", "", _only_function_names)
cheat("renamed", exercises.source("output_size").replace("def output_size", "def size_of_output"))
cheat("demo changed", exercises.stub("correlate"), _demo_changed, exercise="correlate")
cheat("odd cells", RIGHT, _odd_cells)
cheat(
    "network", "import urllib.request\n" + inside("return urllib.request.urlopen('http://192.0.2.1/').status")
)
cheat("writes elsewhere", inside(f"open({str(ELSEWHERE / 'written-by-a-student')!r}, 'w').write('x')"))
cheat(
    "starts programs",
    "import subprocess\n"
    + inside(f"return subprocess.run(['touch', {str(ELSEWHERE / 'started')!r}]).returncode"),
)
cheat("interrupts", inside("raise KeyboardInterrupt"))
cheat("kills its parent", "import os\n" + inside("os.kill(os.getppid(), 9)\nreturn 5"))
cheat(
    "seed 0 by heart",
    f"known = {BY_HEART}\n"
    + inside(
        "given = dict(n=n, k=k, stride=stride, padding=padding, dilation=dilation)\n"
        "fits = lambda asked: all(given[name] == value for name, value in asked.items())\n"
        "return next((answer for asked, answer in known if fits(asked)), 0)"
    ),
)
cheat("code in code", "x = " + "-" * 50_000 + "1\n" + RIGHT)
cheat("code in code in code", RIGHT + "x = " + "(" * 90 + "a" + ".a" * 50_000 + ")" * 90 + "\n")
cheat("half a letter", HEAD + "    return '\ud800'\n")
cheat("no letter", RIGHT + "\0")
cheat("=1+1", RIGHT)

SOLUTIONS = "reached for medtutor.exercises, where the solutions are"
NO_ANSWER = "what came back from its process was no answer"
CASES = [
    replies(
        "check edited",
        "wrong",
        ONCE,
        notes=("the check cell 'check-size' was changed", "shows '✓ right' here"),
    ),
    replies("check patched", "wrong", ONCE),
    replies("numpy patched", "wrong", ONCE),
    replies("exit in the cell", "right"),
    replies("exit", "wrong", "It stopped with SystemExit", "line 2: exit()"),
    replies("os._exit", "error", "it ended its process (exit code 0), as os._exit does"),
    replies(
        "os._exit while defining",
        "error",
        "Before the function was called, it ended its process (exit code 3)",
    ),
    replies("crash", "error", "its process was ended by SIGSEGV"),
    replies("loop", "timeout", "Still running after 3 s on a tiny input", "was stopped in line"),
    replies(
        "loop that catches all", "timeout", "Still running after 3 s on a tiny input", "was stopped in line"
    ),
    replies("loop deaf to signals", "timeout", "Still running after 3 s on a tiny input"),
    replies(
        "loop while defining",
        "timeout",
        "Still running after 3 s, before the function",
        "line 3: pass|line 2: while",
    ),
    replies("array too large", "wrong", "Unable to allocate"),
    replies("list without end", "wrong", "It stopped with MemoryError"),
    replies("fork bomb", "wrong", "BlockingIOError", notes=("started another process",)),
    replies("fork bomb that goes on", "timeout", "Still running after 3 s"),
    replies(
        "left behind", "wrong", "The number is not right|BlockingIOError", notes=("started another process",)
    ),
    replies(
        "solution imported",
        "wrong",
        "PermissionError: refused while grading",
        notes=(SOLUTIONS, "names medtutor.exercises"),
    ),
    replies(
        "solution imported above",
        "error",
        "stopped with PermissionError: refused while grading",
        notes=(SOLUTIONS,),
    ),
    replies("solution read", "wrong", "PermissionError", notes=(SOLUTIONS,)),
    replies("solution read, caught", "wrong", "gave 5", notes=(SOLUTIONS, "names medtutor.exercises")),
    replies("objects searched", "wrong", "gave 0"),
    replies("frames read", "wrong", "gave -1"),
    replies("pipe written", "error|wrong", f"{NO_ANSWER}|gave 5"),
    replies("stdout written", "wrong", ONCE),
    replies("grader patched", "error", NO_ANSWER),
    replies("hostile pickle", "wrong", "It returned a Bomb. Wanted: one number."),
    replies("lying equality", "wrong", "It returned a Liar. Wanted: one number."),
    replies(
        "lying array",
        "wrong",
        "must not change the sum of all values",
        "gave array([[1., 1.,",
        exercise="pad",
    ),
    replies("lying class", "wrong", "It returned a Liar. Wanted: one number."),
    replies("huge output", "right"),
    replies("huge answer", "error", NO_ANSWER),
    replies("list of itself", "wrong", "It stopped with RecursionError"),
    replies("no Python", "error", "The cell is not Python: '(' was never closed", "line 2: return (n +"),
    replies("nothing there", "missing", "Its cell defines no function output_size."),
    replies("cell removed", "missing", "No cell defines output_size."),
    replies("blank, solved below", "right", notes=("defined in 2 cells",)),
    replies("right, wrong below", "wrong", ONCE, notes=("defined in 2 cells",)),
    replies("ids lost", "right"),
    replies("one cell alone", "right"),
    replies("renamed", "right", notes=("its function is called 'size_of_output'",)),
    replies("demo changed", "not tried", "not tried yet", exercise="correlate"),
    replies("odd cells", "right"),
    replies(
        "network",
        "wrong",
        "refused while grading: it reached for the network",
        notes=("reached for the network",),
    ),
    replies(
        "writes elsewhere",
        "wrong",
        "refused while grading: it wrote outside its folder",
        notes=("wrote outside",),
    ),
    replies(
        "starts programs",
        "wrong",
        "refused while grading: it started another program",
        notes=("started another program",),
    ),
    replies("code in code", "right|error", "right|not Python|taken apart|judging the file failed"),
    replies("code in code in code", "right|error", "right|not Python|taken apart|judging the file failed"),
    replies("half a letter", "error", "The cell is not Python"),
    replies("no letter", "error", "The cell is not Python: source code string cannot contain null bytes"),
    replies("interrupts", "wrong", "Interrupted."),
    replies("kills its parent", "wrong", "refused while grading: it sent a signal", notes=("sent a signal",)),
    replies("seed 0 by heart", "wrong", "gave 0|breaks this rule"),  # by which input, the lot decides
]
FILES = {
    "empty file": (b"", "the file is empty"),
    "words": (b"Dear teacher, here is my homework", "not JSON"),
    "picture": (bytes(range(256)), "not JSON"),
    "a list": (b"[1, 2]", "it has no list of cells"),
    "nested": (b"[" * 200_000, "not JSON"),
    "no cells": (b'{"cells": {}}', "it has no list of cells"),
}


def notebook(base, fill, change):
    """A notebook as a student hands it in: stubs, some of them filled in, then changed."""
    made = json.loads(json.dumps(base))
    for cell in made["cells"]:
        if found := re.fullmatch(r"# stub: (\w+)", cell["source"]):
            cell["source"] = fill.get(found[1], exercises.stub(found[1]))
    if change:
        change(made["cells"])
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One run over all students -> ({student: row}, {student: page as text}, words, seconds, folder)."""
    folder = tmp_path_factory.mktemp("handed-in")
    (folder / "b").mkdir()
    read = build.read_source(CHAPTER.source, exercise="# stub: {}".format).notebook
    base = json.loads(build.as_text(read))
    for cell in base["cells"]:
        cell["source"] = "".join(cell["source"])
    for name, (fill, change) in STUDENTS.items():
        made = notebook(base, fill, change)
        (folder / f"{name}.ipynb").write_text(json.dumps(made), encoding="utf-8")
    (folder / "b" / "loop.ipynb").write_text(json.dumps(notebook(base, {}, None)), encoding="utf-8")
    for name, (raw, _) in FILES.items():
        (folder / f"{name}.ipynb").write_bytes(raw)
    out, pages, words = folder / "grades.csv", folder / "pages", io.StringIO()
    began = time.monotonic()
    code = grade.run_grade(
        [folder, folder / "b"], out=out, reports=pages, seconds=SECONDS, memory=256, jobs=3, stream=words
    )
    assert code == 0
    with open(out, encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    told = {}
    for path in pages.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        title = html.unescape(re.search("<title>(.*): chapter", text)[1])
        told[title] = text
    return rows, told, words.getvalue(), time.monotonic() - began, folder


def told(page, exercise):
    """(reply, notes) for an exercise on a student's page."""
    part = re.search(rf"<h2>{exercise} .*?(?=<details>|<h2>|</html>)", page, re.DOTALL)[0]
    reply = html.unescape(re.search(r"<pre[^>]*>(.*?)</pre>", part, re.DOTALL)[1])
    return reply, [html.unescape(each) for each in re.findall(r"<li>(.*?)</li>", part)]


@POSIX
@pytest.mark.parametrize("name, exercise, state, words, notes", CASES)
def test_each_student_gets_the_verdict_and_the_reason(run, name, exercise, state, words, notes):
    rows, pages, _, _, folder = run
    name = f"{folder.name}/{name}" if name == "loop" else name  # a second file is called so
    assert rows[name][exercise] in state.split("|")
    reply, noted = told(pages[name], exercise)
    for each in words:
        assert any(part in " ".join(reply.split()) for part in each.split("|")), reply
    for each in notes:
        assert any(each in note for note in noted), noted
        assert each in rows[name]["notes"]


@POSIX
def test_every_planted_case_is_looked_at(run):
    named = {each.values[0] for each in CASES}
    assert set(STUDENTS) - named == {"alternatives", "mistaken", "=1+1"}
    assert len(named) >= 40


@POSIX
def test_other_ways_to_be_right_are_right(run):
    rows, pages, *_ = run
    row = rows["alternatives"]
    wrong = {name: told(pages["alternatives"], name)[0] for name in ALTERNATIVES if row[name] != "right"}
    assert not wrong and (row["points"], row["total"]) == ("12", "12")
    for name in ALTERNATIVES:
        assert told(pages["alternatives"], name)[0].startswith(f"✓ {name}: right. ")


@POSIX
@pytest.mark.parametrize("name", MISTAKEN)
def test_known_mistakes_come_back_with_their_reply(run, name):
    rows, pages, *_ = run
    assert rows["mistaken"][name] == "wrong"
    assert MISTAKEN[name][1] in " ".join(told(pages["mistaken"], name)[0].split())


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_notebook_is_a_row_that_says_why(run, name):
    row = run[0][name]
    assert row["output_size"] == "unreadable" and row["points"] == "0"
    assert FILES[name][1] in row["notes"]


def test_each_file_is_one_row_and_one_page(run):
    rows, pages, *_ = run
    assert len(rows) == len(STUDENTS) + len(FILES) + 1 == len(pages)


def test_two_students_with_one_file_name_are_told_apart(run):
    rows, pages, _, _, folder = run
    assert f"{folder.name}/loop" in rows and "b/loop" in rows and "loop" not in rows
    assert rows["b/loop"]["output_size"] == "not tried"


def test_a_name_that_a_spreadsheet_would_run_is_a_text(run):
    assert "'=1+1" in run[0] and run[0]["'=1+1"]["points"] == "1"


def test_progress_counts_every_student(run):
    words = run[2]
    count = len(run[0])
    assert f"{count:3} of {count}" in words and "12 of 12 right" in words
    assert re.search(r"--seed \d+ repeats it", words)


@POSIX
def test_nothing_is_left_of_what_students_started_or_wrote(run):
    assert not (ELSEWHERE / "written-by-a-student").exists() and not (ELSEWHERE / "started").exists()
    assert not list(run[4].rglob("pickled")) and not Path("pickled").exists()
    assert not [each for each in Path("/proc").glob("[0-9]*") if _lives_in_a_folder_that_is_gone(each)]


def _lives_in_a_folder_that_is_gone(process):
    """Whether it is a worker that outlived its judge; other tests may have workers at this moment."""
    try:
        where = os.readlink(process / "cwd")
        return b"grading/worker.py" in (process / "cmdline").read_bytes() and where.endswith(" (deleted)")
    except OSError:
        return False


def test_pages_show_what_students_wrote_and_obey_nothing(run):
    for page in run[1].values():
        assert "default-src 'none'" in page
        assert not re.search(r"<(?:script|img|iframe|link|a)\b", page)


def test_planted_code_is_what_it_is_meant_to_be():
    """The cells are Python, but for the one that is planted not to be."""
    for name, (fill, _) in STUDENTS.items():
        for text in fill.values():
            if name not in ("no Python", "half a letter", "no letter") and "code in code" not in name:
                ast.parse(text.replace("%%time", ""))
