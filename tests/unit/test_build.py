"""Building chapters: facts about the stored notebook, and what an author is told when something is wrong."""

import io
import json
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest

from medtutor.course import build
from medtutor.course.build import BuildError, read_source
from medtutor.course.validate import kernel_environment

PNG = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+")

TINY = """\
# %% [markdown] id="opening" facts="1000 3071"
# # Größe × Form
#
# A formula, $x_{ij}$.

# %% id="first"
import os
import sys

from IPython.display import display


def halve(x):
    return 1 / x


print(os.getcwd())
print(os.environ["PYTHONHASHSEED"], os.environ["COLUMNS"])
sys.executable

# %% id="noise" tags=["nbval-ignore-output"] reason="random on purpose"
import ipywidgets

from medtutor.plot import Picture

print("before", flush=True)
print("and")
display(Picture(os.urandom(30), "a picture of thirty random bytes"))
print("after")
os.write(1, b"from a C library")
display(ipywidgets.IntSlider())
"""


def chapter_of(folder, text=TINY, name="01_tiny"):
    """A checkout in `folder` with one chapter source."""
    path = folder / "notebooks" / "source" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return next(chapter for chapter in build.chapters(root=folder) if chapter.name == name)


def store_unrun(chapter):
    """What a build stores, without outputs and without a kernel."""
    build.store(read_source(chapter.source, exercise=str.upper).notebook, chapter.notebook)


def check(folder, *names):
    """Exit code and words of `medtutor build --check`."""
    out = io.StringIO()
    return build.run_check(names, folder, out), out.getvalue()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The tiny chapter, built twice: (root, bytes of the first time, bytes of the second)."""
    root = tmp_path_factory.mktemp("checkout")
    chapter = chapter_of(root)
    texts = []
    for _ in range(2):
        assert build.run_build(root=root, out=io.StringIO()) == 0
        texts.append(chapter.notebook.read_bytes().decode("utf-8"))
    return root, *texts


def cells(text):
    return {cell["id"]: cell for cell in json.loads(text)["cells"]}


# The stored notebook


def test_building_twice_changes_nothing_but_picture_bytes(built):
    _, first, second = built
    assert first != second  # the picture is random
    assert PNG.sub("PNG", first) == PNG.sub("PNG", second)


def test_each_cell_of_the_source_is_in_the_notebook_under_its_id(built):
    found = cells(built[1])
    assert list(found) == ["opening", "first", "noise"]
    assert "".join(found["opening"]["source"]) == "# Größe × Form\n\nA formula, $x_{ij}$."
    assert found["opening"]["metadata"] == {"facts": "1000 3071"}
    assert found["noise"]["metadata"] == {
        "tags": ["nbval-ignore-output"],
        "reason": "random on purpose",
    }
    assert "".join(found["first"]["source"]).startswith("import os\nimport sys\n\nfrom")


def test_stored_form_is_the_one_of_the_course(built):
    text = built[1]
    notebook = json.loads(text)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert [cell.get("execution_count") for cell in notebook["cells"]] == [None, 1, 2]
    assert text.startswith('{\n "cells"') and text.endswith("}\n") and not text.endswith("\n\n")
    assert "Größe × Form" in text and "\r" not in text
    nbformat.validate(nbformat.reads(text, as_version=4))


def test_chapter_runs_by_this_python_in_the_notebooks_folder_as_validation_will(built):
    root, text, _ = built
    printed, value = cells(text)["first"]["outputs"]
    wanted = kernel_environment()
    assert "".join(printed["text"]).splitlines() == [
        str(root / "notebooks"),
        f"{wanted['PYTHONHASHSEED']} {wanted['COLUMNS']}",
    ]
    assert "".join(value["data"]["text/plain"]) == repr(sys.executable)


def test_streams_stay_between_the_pictures_that_they_surround(built):
    outputs = cells(built[1])["noise"]["outputs"]
    kinds = ["".join(o["text"]) if "text" in o else sorted(o["data"]) for o in outputs]
    assert kinds == [
        "before\nand\n",
        ["text/html", "text/plain"],
        "after\n",
        ["text/plain"],  # the slider, without its widget view
    ]


def test_neither_widget_state_nor_output_of_c_libraries_is_stored(built):
    text = built[1]
    assert "widget-view" not in text and "widget-state" not in text
    assert "from a C library" not in text.replace('os.write(1, b\\"from a C library\\")', "")


# A cell that goes wrong


FAILING = """\
# %% id="first"
def halve(x):
    return 1 / x

# %% id="last"
"""  # what follows is line 6


@pytest.mark.parametrize(
    "cell, wanted",
    [
        (
            "y = 3\nz = halve(\n    0)",
            [
                "01_tiny.py:7: cell 'last' of 01_tiny raised ZeroDivisionError: division by zero\n    z = ",
                "01_tiny.py:3: cell 'first'\n    return 1 / x\n",
            ],
        ),
        (
            "import warnings\nwarnings.warn('old')",
            ["01_tiny.py:6: cell 'last'", "stderr", "UserWarning: old"],
        ),
        ("%nosuchmagic 3", ["01_tiny.py:6: cell 'last'", "stderr", "%nosuchmagic` not found"]),
        ("import os\nos._exit(3)", ["01_tiny.py:6: cell 'last'", "killed its kernel"]),
        ("while True:\n    pass", ["01_tiny.py:6: cell 'last'", "longer than 3 s"]),
    ],
    ids=["raises", "warns", "bad-magic", "dies", "endless"],
)
def test_cell_that_fails_is_named_and_the_stored_notebook_stays(tmp_path, cell, wanted):
    chapter = chapter_of(tmp_path, f"{FAILING}{cell}\n")
    chapter.notebook.write_text("what was stored before", encoding="utf-8")
    out = io.StringIO()
    assert build.run_build(["1"], tmp_path, timeout=3 if "while" in cell else 60, out=out) == 1
    for words in wanted:
        assert words in out.getvalue()
    assert "01_tiny.ipynb is as it was" in out.getvalue()
    assert chapter.notebook.read_text(encoding="utf-8") == "what was stored before"
    assert [path.name for path in chapter.notebook.parent.iterdir() if path.is_file()] == ["01_tiny.ipynb"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_interrupting_ends_the_build_and_leaves_the_notebook(tmp_path):
    cell = "from pathlib import Path\nPath('begun').touch()\nimport time\ntime.sleep(300)"
    chapter = chapter_of(tmp_path, f'# %% id="long"\n{cell}\n')
    chapter_of(tmp_path, '# %% id="one"\n1\n', "02_next")
    chapter.notebook.write_text("old", encoding="utf-8")
    code = "import sys; from medtutor.course.cli import main; sys.exit(main(['build'], sys.argv[1]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # ignored where tests run in background
    )
    while not (tmp_path / "notebooks" / "begun").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=60)
    assert process.returncode == 130 and "medtutor build was interrupted" in words
    assert chapter.notebook.read_text(encoding="utf-8") == "old"
    assert not chapter.notebook.with_name("02_next.ipynb").exists()


def test_kernel_that_does_not_start_is_told(tmp_path, monkeypatch):
    chapter = chapter_of(tmp_path)
    monkeypatch.setattr(build, "_environment", lambda: {"PYTHONHOME": str(tmp_path)})
    with pytest.raises(BuildError, match="01_tiny.py: the kernel did not start: Kernel died"):
        build.build(chapter)


def test_next_chapter_is_built_after_one_that_fails(tmp_path, monkeypatch):
    chapter_of(tmp_path, "# %%\n1\n", "01_wrong")
    good = chapter_of(tmp_path, '# %% id="one"\n1\n', "02_right")
    monkeypatch.setattr(build, "execute", lambda *_, **__: 12.34)
    out = io.StringIO()
    assert build.run_build(root=tmp_path, out=out) == 1
    assert "01_wrong is not built" in out.getvalue() and "02_right  built, ran 12.3 s" in out.getvalue()
    assert good.notebook.exists() and not good.notebook.with_name("01_wrong.ipynb").exists()


def test_interrupted_write_leaves_the_old_notebook_and_no_litter(tmp_path, monkeypatch):
    chapter = chapter_of(tmp_path)
    chapter.notebook.write_text("old", encoding="utf-8")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store_unrun(chapter)
    assert chapter.notebook.read_text(encoding="utf-8") == "old"
    assert [path.name for path in chapter.notebook.parent.iterdir() if path.is_file()] == ["01_tiny.ipynb"]


# A source that is wrong


@pytest.mark.parametrize(
    "source, wanted",
    [
        ("", "the file is empty"),
        ("\n  \n", "the file is empty"),
        ('import os\n\n# %% id="a"\n1\n', ":1: text before the first cell"),
        ('# %% id="a"\n1\n\n# %%\n2\n', ":4: the cell has no id"),
        ('# %% id="a"\n1\n# %% [markdown]\n# text\n', ":3: the cell has no id"),
        ('# %% id="a"\n1\n# %% id="b"\n2\n# %% id="a"\n3\n', ":5: id 'a' is already taken by the cell "),
        ('# %% id="a" id="b"\n1\n', ":1: the cell has 2 ids, a and b"),
        ('# %% id="Sobel By Hand"\n1\n', ":1: id 'Sobel By Hand' is not readable"),
        ('# %% id="sobel_by_hand"\n1\n', ":1: id 'sobel_by_hand' is not readable"),
        (f'# %% id="{"a" * 65}"\n1\n', "is not readable"),
        ('# %% id=""\n1\n', ":1: id '' is not readable"),
        ("# %% id=sobel\n1\n", ":1: 'id=sobel' in the header is not understood"),
        ('# %% id="a"\nx = 1\n\nif x\n    y\n', ":4: cell 'a' is not Python: expected ':'\n    if x"),
        ('# %% id="a"\n%time x = 1\n\nif x\n    y\n', ":4: cell 'a' is not Python"),
        ('# %% id="a"\n# %% id="b"\n1\n', "the code cell 'a' is empty"),
        ('# %% [markdown] id="a"\n\n# %% id="b"\n1\n', ":1: the text cell is empty"),
        ('# %% [markdown] id="a"\n# text\n#\nmore\n', ":4: a line of text does not begin with #: 'more'"),
        ('# %% [raw] id="a"\n# text\n', ":1: this is a raw cell"),
        ('# %% id="a"\n1\n# %% id="b"\nx = 2\n# exercise: nosuch\n', ":5: no stub for the exercise 'nosuch'"),
    ],
)  # fmt: skip
def test_wrong_source_is_answered_with_line_and_remedy(tmp_path, source, wanted):
    def stub(name):
        raise KeyError(f"there is no exercise {name!r}")

    chapter = chapter_of(tmp_path, source)
    with pytest.raises(BuildError) as error:
        read_source(chapter.source, exercise=stub)
    assert "01_tiny.py" in str(error.value) and wanted in str(error.value)


def test_source_in_another_encoding_is_refused(tmp_path):
    chapter = chapter_of(tmp_path)
    chapter.source.write_bytes('# %% id="a"\n"Größe"\n'.encode("latin-1"))
    with pytest.raises(BuildError, match="not UTF-8 at byte 15; save it as UTF-8"):
        read_source(chapter.source)


def test_chapter_without_exercises_of_that_name_lists_the_right_ones(tmp_path):
    chapter = chapter_of(tmp_path, '# %% id="blank"\n# exercise: nosuch_exercise\n')
    with pytest.raises(BuildError, match=":2: no stub for the exercise 'nosuch_exercise'.*output_size"):
        read_source(chapter.source)


def test_exercise_line_becomes_its_stub_and_later_lines_keep_their_numbers(tmp_path):
    chapter = chapter_of(
        tmp_path, '# %% id="blank" tags=["exercise"]\nimport math\n# exercise: area\nx = 1\n'
    )
    source = read_source(
        chapter.source, exercise=lambda name: f"\ndef {name}(r):\n    raise NotImplementedError\n"
    )
    assert (
        source.notebook.cells[0].source == "import math\ndef area(r):\n    raise NotImplementedError\nx = 1"
    )
    assert [source.at("blank", line).rsplit(":", 1)[1] for line in (1, 2, 3, 4)] == ["2", "3", "3", "4"]


def test_cell_header_inside_a_string_opens_no_cell(tmp_path):
    chapter = chapter_of(tmp_path, '# %% id="a"\ntext = """\n# %% id="b"\n"""\n\n# %% id="c"\n1\n')
    source = read_source(chapter.source)
    assert [cell.id for cell in source.notebook.cells] == ["a", "c"]
    assert source.at("c").endswith(":7")


# Which chapters


@pytest.mark.parametrize(
    "asked", ["2", "02", "edges", "02_edges", "notebooks/source/02_edges.py", "notebooks\\02_edges.ipynb", 2]
)
def test_chapter_is_found_by_number_slug_name_or_path(tmp_path, asked):
    for name in ("01_tiny", "02_edges", "12_late"):
        chapter_of(tmp_path, name=name)
    assert [chapter.name for chapter in build.chapters([asked], tmp_path)] == ["02_edges"]


@pytest.mark.parametrize("asked", ["3", "edge", "1_tiny", "02_tiny", ""])
def test_unknown_chapter_is_answered_with_all_chapters(tmp_path, asked):
    for name in ("01_tiny", "02_edges"):
        chapter_of(tmp_path, name=name)
    with pytest.raises(BuildError, match="there are: 01_tiny, 02_edges"):
        build.chapters([asked], tmp_path)


def test_building_without_any_source_says_where_to_write_one(tmp_path):
    with pytest.raises(BuildError, match="notebooks/source/01_slug.py"):
        build.run_build(root=tmp_path)


# build --check


def test_check_is_green_for_what_was_built(built):
    assert check(built[0]) == (0, "01_tiny  the same\n")


def test_check_lets_outputs_and_counts_differ(tmp_path):
    chapter = chapter_of(tmp_path)
    store_unrun(chapter)
    notebook = nbformat.read(chapter.notebook, as_version=4)
    notebook.cells[1].execution_count = 7
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", name="stdout", text="other")]
    build.store(notebook, chapter.notebook)
    assert check(tmp_path)[0] == 0


@pytest.mark.parametrize(
    "old, new, wanted",
    [
        ("1 / x", "2 / x", ["cell 'first'", "-    return 1 / x", "+    return 2 / x"]),
        ("A formula", "The formula", ["cell 'opening'", "-A formula, $x_{ij}$.", "+The formula, $x_{ij}$."]),
        ("nbval-ignore-output", "other", ["'noise', metadata", '-  "nbval-ignore-output"', '+  "other"']),
        ('id="first"', 'id="second"', ["'second' is only in the source", "'first' is only in the notebook"]),
        ("import os\nimport sys", '1\n# %% id="new"\n2', ["'new' is only in the source", "-import os"]),
    ],
    ids=["code", "text", "tag", "id", "new-cell"],
)  # fmt: skip
def test_check_names_the_cell_and_shows_what_differs(tmp_path, old, new, wanted):
    chapter = chapter_of(tmp_path)
    store_unrun(chapter)
    assert TINY.count(old) == 1
    chapter_of(tmp_path, TINY.replace(old, new))
    code, words = check(tmp_path, "tiny")
    assert code == 1
    for each in wanted:
        assert each in words


def test_check_notices_cells_in_another_order(tmp_path):
    chapter = chapter_of(tmp_path, '# %% id="a"\n1\n# %% id="b"\n2\n')
    store_unrun(chapter)
    chapter_of(tmp_path, '# %% id="b"\n2\n# %% id="a"\n1\n')
    code, words = check(tmp_path)
    assert code == 1 and "order of the cells" in words


def test_check_notices_a_text_cell_that_became_code(tmp_path):
    chapter = chapter_of(tmp_path, '# %% [markdown] id="a"\n# 1\n')
    store_unrun(chapter)
    chapter_of(tmp_path, '# %% id="a"\n1\n')
    code, words = check(tmp_path)
    assert code == 1 and "cell 'a', cell_type" in words


@pytest.mark.parametrize(
    "damage, wanted",
    [
        (lambda text: json.dumps(json.loads(text)), "not in the form"),
        (lambda text: text.replace('"name": "python3"', '"name": "conda"'), "notebook metadata"),
        (
            lambda text: text.replace('"nbformat_minor": 5', '"nbformat_minor": 4'),
            "notebook format 4.4, not 4.5",
        ),
        (
            lambda text: text.replace('"metadata": {},', '"metadata": {"collapsed": true},'),
            "cell 'first', metadata",
        ),
        (lambda text: "", "is not a notebook"),
        (lambda text: "[]", "is not a notebook"),
    ],
    ids=["form", "kernel", "version", "cell-metadata", "empty", "list"],
)
def test_check_notices_a_notebook_changed_by_hand(tmp_path, damage, wanted):
    chapter = chapter_of(tmp_path)
    store_unrun(chapter)
    text = chapter.notebook.read_text(encoding="utf-8")
    assert damage(text) != text
    chapter.notebook.write_text(damage(text), encoding="utf-8")
    code, words = check(tmp_path)
    assert code == 1 and wanted in words


def test_check_notices_a_source_without_notebook(tmp_path):
    chapter_of(tmp_path)
    code, words = check(tmp_path)
    assert code == 1 and "01_tiny.ipynb does not exist; run: medtutor build 01_tiny" in words


def test_check_notices_a_notebook_without_source(tmp_path):
    chapter = chapter_of(tmp_path)
    store_unrun(chapter)
    chapter.notebook.with_name("09_orphan.ipynb").write_text("{}", encoding="utf-8")
    code, words = check(tmp_path)
    assert code == 1 and "09_orphan.ipynb has no source" in words and "01_tiny  the same" in words


def test_check_tells_of_a_source_that_cannot_be_read(tmp_path):
    store_unrun(chapter_of(tmp_path))
    chapter_of(tmp_path, "# %%\n1\n")
    code, words = check(tmp_path)
    assert code == 1 and ":1: the cell has no id" in words


# Sources in stored notebooks, times, progress


def test_planted_source_keeps_the_outputs_of_the_cells_that_it_shares(tmp_path):
    chapter = chapter_of(tmp_path, '# %% id="a"\n1 + 1\n# %% id="b"\n2\n')
    store_unrun(chapter)
    notebook = nbformat.read(chapter.notebook, as_version=4)
    for count, cell in enumerate(notebook.cells, 1):
        cell.execution_count = count
        cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=f"{cell.id}\n")]
    build.store(notebook, chapter.notebook)
    chapter_of(tmp_path, '# %% id="a"\n1 - 1\n# %% id="c"\n3\n')
    build.put_source_into(chapter.source, chapter.notebook)
    a, c = nbformat.read(chapter.notebook, as_version=4).cells
    assert (a.source, a.execution_count, a.outputs[0].text) == ("1 - 1", 1, "a\n")
    assert (c.source, c.execution_count, c.outputs) == ("3", None, [])


def test_time_stores_the_median_beside_what_was_measured_before(tmp_path, monkeypatch):
    chapter_of(tmp_path)
    seconds = iter([9.0, 12.34, 11.0])
    monkeypatch.setattr(build, "execute", lambda *_, **__: next(seconds))
    monkeypatch.setattr(build, "_cores", lambda: 2)
    measured = tmp_path / "notebooks" / "measured.json"
    other = '{"02_other": {"seconds": 1.5, "fastest": 1.0, "slowest": 2.0, "runs": 3, "cores": 2}}'
    measured.write_text(other, encoding="utf-8")
    assert build.run_time(root=tmp_path, out=io.StringIO()) == 0
    assert measured.read_text(encoding="utf-8") == (
        "{\n"
        ' "01_tiny": {"seconds": 11.0, "fastest": 9.0, "slowest": 12.3, "runs": 3, "cores": 2},\n'
        ' "02_other": {"seconds": 1.5, "fastest": 1.0, "slowest": 2.0, "runs": 3, "cores": 2}\n'
        "}\n"
    )
    assert not (tmp_path / "notebooks" / "01_tiny.ipynb").exists()


def test_time_keeps_the_cells_that_take_a_second(tmp_path):
    (tmp_path / "notebooks").mkdir()
    runs = [{"quick": 0.1, "slow": 4.0}, {"quick": 0.2, "slow": 5.26}, {"quick": 3.0, "slow": 9.0}]
    build.remember("01_tiny", [9.0], tmp_path, runs)
    measured = json.loads((tmp_path / "notebooks" / "measured.json").read_text(encoding="utf-8"))
    assert measured["01_tiny"]["cells"] == {"slow": 5.3}


def test_measured_times_that_are_damaged_are_not_thrown_away(tmp_path):
    measured = tmp_path / "notebooks" / "measured.json"
    measured.parent.mkdir()
    measured.write_text('{"01_tiny": ', encoding="utf-8")
    with pytest.raises(BuildError, match="measured.json is not JSON"):
        build.remember("01_tiny", [1.0], tmp_path)
    assert measured.read_text(encoding="utf-8") == '{"01_tiny": '


def test_chapter_that_fails_is_not_timed(tmp_path, monkeypatch):
    chapter_of(tmp_path, "# %%\n1\n")
    out = io.StringIO()
    assert build.run_time(root=tmp_path, out=out) == 1
    assert "01_tiny is not timed" in out.getvalue()
    assert not (tmp_path / "notebooks" / "measured.json").exists()


def test_progress_names_each_cell_that_took_a_second(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(build.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    with build.Progress("01_tiny", out) as progress:
        for number, (name, seconds) in enumerate([("quick", 0.1), ("slow", 4.2), ("last", 1.5)], 1):
            progress.cell(number, 3, name)
            now[0] += seconds
    assert out.getvalue() == "01_tiny  cell 2 of 3  slow  4.2 s\n01_tiny  cell 3 of 3  last  1.5 s\n"


# What only the one who teaches sees

NOTES = """\
# %% id="a"
1

# %% [markdown] id="a-notes" tags=["notes"]
# Ask first.
"""


def test_notes_are_in_the_instructors_edition_only(tmp_path):
    chapter = chapter_of(tmp_path, NOTES)
    assert [cell.id for cell in read_source(chapter.source).notebook.cells] == ["a"]
    with_notes = read_source(chapter.source, notes=True).notebook.cells
    assert [(cell.id, cell.source) for cell in with_notes] == [("a", "1"), ("a-notes", "Ask first.")]


def test_a_new_note_leaves_the_stored_notebook_true(tmp_path):
    chapter = chapter_of(tmp_path, NOTES.split("\n\n")[0] + "\n")
    store_unrun(chapter)
    chapter_of(tmp_path, NOTES)
    assert check(tmp_path)[0] == 0


def test_code_is_no_note(tmp_path):
    chapter = chapter_of(tmp_path, '# %% id="a" tags=["notes"]\n1\n')
    with pytest.raises(BuildError, match='01_tiny.py:1: the tag "notes" is for text'):
        read_source(chapter.source)


# Times in the opening


def timed(folder, seconds=75.0, text=TINY):
    """The tiny chapter, measured at 75 s and stored without having been run."""
    chapter = chapter_of(folder, text)
    build.remember("01_tiny", [seconds], folder)
    store_unrun(chapter)
    return chapter


def test_the_opening_says_how_long_a_measured_chapter_runs_and_reads(tmp_path):
    source = tmp_path / "notebooks" / "source" / "01_tiny.py"
    before = read_source(chapter_of(tmp_path).source).notebook.cells[0]
    assert "Time" not in before.source
    timed(tmp_path)
    opening = read_source(source).notebook.cells[0]
    cores = build._cores()
    assert opening.source == (
        f"{before.source}\n\n**Time.** All cells together ran for 75 s on {cores} cores when they were "
        "measured. Reading takes about 5 min, estimated from words and lines of code; exercises come on top."
    )
    assert opening.metadata["facts"].split()[:3] == ["1000", "3071", "75"]


def test_the_times_are_the_same_whatever_stands_for_an_exercise(tmp_path):
    lines = '# %% [markdown] id="opening"\n# # One\n\n# %% id="a"\n' + "x = 1\n" * 150
    chapter = timed(tmp_path, text=lines + '\n# %% id="b"\n# exercise: window\n')
    texts = [
        read_source(chapter.source, exercise).notebook.cells[0].source
        for exercise in (None, "x = {}\n".format)
    ]
    assert texts[0] == texts[1] and "about 10 min" in texts[0]


def test_new_times_are_put_in_without_running_and_outputs_are_kept(tmp_path):
    chapter = timed(tmp_path)
    notebook = nbformat.read(chapter.notebook, as_version=4)
    notebook.cells[1].execution_count = 7
    build.store(notebook, chapter.notebook)
    assert not build.renew_times(chapter)
    build.remember("01_tiny", [240.0], tmp_path)
    assert check(tmp_path)[0] == 1
    assert build.renew_times(chapter)
    assert check(tmp_path)[0] == 0
    stored = nbformat.read(chapter.notebook, as_version=4)
    assert "ran for 4 min" in stored.cells[0].source and stored.cells[1].execution_count == 7


def test_new_times_are_refused_where_the_source_says_something_else(tmp_path):
    chapter = timed(tmp_path)
    text = chapter.notebook.read_bytes()
    chapter.source.write_text(TINY.replace("1 / x", "2 / x"), encoding="utf-8")
    with pytest.raises(
        BuildError, match="differs from its source in more than its times; run: medtutor build"
    ):
        build.renew_times(chapter)
    assert chapter.notebook.read_bytes() == text
