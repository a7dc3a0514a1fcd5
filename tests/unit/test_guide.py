import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

import medtutor
from medtutor import guide

HERE = importlib.metadata.version("numpy")

# Lines as TensorFlow 2.21 writes them while it is imported.
START_UP = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795470798.010076   20717 port.cc:153] oneDNN custom operations are on. You may see …
2026-11-23 21:40:01.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary is optimized
2026-11-23 21:40:01.123456: E external/local_xla/cuda_fft.cc:467] Unable to register cuFFT factory
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.
"""


def lock_of(folder, *pins):
    """A lock file that holds these pins, with hashes as a real one."""
    text = "".join(f"{pin} \\\n    --hash=sha256:{'0' * 64}\n    # via medtutor\n" for pin in pins)
    path = folder / "requirements.lock"
    path.write_text(text, encoding="utf-8")
    return path


CELLS = [
    {
        "cell_type": "markdown",
        "metadata": {},
        "source": ["words " * 500, "more " * 500, f"\n\n{guide.TIMES} All cells"],
    },
    {"cell_type": "markdown", "metadata": {"tags": ["notes"]}, "source": "Ask them."},
    {"cell_type": "code", "metadata": {}, "source": ["x = 1\n", "\n"] * 60},
]


def notebooks(folder, *rows, measured=None, stored=()):
    """A folder of notebooks with a map of chapters; a row is (number, slug, needs, ready)."""
    lines = [
        f'[[chapter]]\nnumber = {number}\nslug = "{slug}"\ntitle = "T{number} & co"\n'
        f'question = "Q{number}?"\nneeds = {list(needs)}\ndata = "D{number}"\nready = {str(ready).lower()}\n'
        for number, slug, needs, ready in rows
    ]
    (folder / "chapters.toml").write_text("\n".join(lines), encoding="utf-8")
    for name in stored:
        (folder / name).write_text(json.dumps({"cells": CELLS}), encoding="utf-8")
    if measured is not None:
        (folder / "measured.json").write_text(json.dumps(measured), encoding="utf-8")
    return folder


def test_packages_as_locked_are_called_the_locked_environment(tmp_path):
    found = guide.environment(lock_of(tmp_path, f"numpy=={HERE}"))
    assert found.differences == []
    assert repr(found).startswith("This environment is the locked one")
    assert found._repr_html_() == f"<p>{found!r}</p>"


def test_another_version_is_listed_with_both_versions_and_what_may_differ(tmp_path):
    found = guide.environment(lock_of(tmp_path, f"numpy=={HERE}", "Jupyter_Client==0.1"))
    version = importlib.metadata.version("jupyter_client")
    assert found.differences == [guide.Difference("jupyter-client", version, "0.1")]
    assert f"jupyter-client   {version} here, 0.1 locked" in repr(found)
    assert "in 1 place:" in repr(found) and "numbers behind ± may leave their tolerance" in repr(found)
    assert f'<td style="text-align:left">{version}</td>' in found._repr_html_()


def test_a_missing_package_is_listed_as_missing(tmp_path):
    found = guide.environment(lock_of(tmp_path, "no-such-package==1.0"))
    assert found.differences == [guide.Difference("no-such-package", "missing", "1.0")]


def test_a_pin_for_other_machines_is_left_out(tmp_path):
    here, elsewhere = f"sys_platform == '{sys.platform}'", f"sys_platform != '{sys.platform}'"
    found = guide.environment(lock_of(tmp_path, f"numpy==0.1 ; {here}", f"numpy==0.2 ; {elsewhere}"))
    assert found.differences == [guide.Difference("numpy", HERE, "0.1")]


def test_the_build_for_gpus_is_named_where_it_stands_in_for_the_other():
    (found,) = guide.differences(["tensorflow-cpu==2.21.0"], {"tensorflow": "2.21.0"})
    assert found.here == "tensorflow 2.21.0, the build for GPUs,"


@pytest.mark.parametrize(
    ("version", "count"), [((3, 10, 9), 1), ((3, 11, 0), 0), ((3, 13, 5), 0), ((3, 14, 0), 1)]
)
def test_python_itself_has_to_be_in_the_supported_range(version, count):
    assert len(guide._python_difference(version)) == count


def test_without_a_lock_it_says_so_and_raises_nothing(tmp_path):
    found = guide.environment(tmp_path / "requirements.lock")
    assert found.differences is None
    assert "requirements.lock was not found" in repr(found) and "not found" in found._repr_html_()


def test_this_environment_is_compared_as_pip_would():
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "list", "--format", "json"], capture_output=True
    ).stdout
    installed = {re.sub("[-_.]+", "-", each["name"]).lower(): each["version"] for each in json.loads(listed)}
    found = {each.name for each in medtutor.environment().differences}
    for pin in guide.read_lock(guide.ROOT / "requirements.lock"):
        name, version = pin.split("==", 1)
        if ";" not in version:
            assert (name in found) == (installed.get(name) != version), name


def test_the_map_gives_each_chapter_its_needs_its_data_and_its_time(tmp_path):
    rows = [(1, "a", [], True), (2, "b", [1], True), (3, "c", [1, 2], False)]
    measured = {"01_a": {"seconds": 38.4, "runs": 3, "cores": 2}}
    folder = notebooks(tmp_path, *rows, measured=measured, stored=["01_a.ipynb", "02_b.ipynb"])
    assert repr(medtutor.course_map(folder)).splitlines() == [
        " 1  T1 & co: Q1?",
        "    needs nothing; D1; 38 s on 2 cores, about 10 min to read",
        " 2  T2 & co: Q2?",
        "    needs 1; D2; not measured yet, about 10 min to read",
        " 3  T3 & co: Q3?",
        "    needs 1, 2; D3; planned",
    ]


def test_the_map_links_to_notebooks_that_are_there_and_escapes_its_text(tmp_path):
    folder = notebooks(tmp_path, (1, "a", [], True), (2, "b", [1], False), stored=["01_a.ipynb"])
    page = medtutor.course_map(folder)._repr_html_()
    assert re.findall('href="(.*?)"', page) == ["01_a.ipynb"]
    assert "T2 &amp; co" in page and "T2 & co" not in page
    assert page.count('<th scope="row"') == 2 and page.count('<th scope="col"') == 6


def test_reading_counts_words_and_lines_but_neither_notes_nor_what_is_said_of_times():
    assert guide.reading(CELLS) == 1000 / 200 + 60 / 15
    assert guide.reading(CELLS[:1]) == guide.reading(CELLS[:2]) == 1000 / 200


@pytest.mark.parametrize(("minutes", "said"), [(0.4, 5), (7, 5), (8, 10), (57.4, 55), (58, 60)])
def test_reading_is_told_to_five_minutes(minutes, said):
    assert guide.about(minutes) == said


def test_chapters_stand_one_step_after_what_they_need(tmp_path):
    rows = [(1, "a", [], False), (2, "b", [1], False), (3, "c", [], False), (4, "d", [2, 3], False)]
    steps = guide.steps(guide.chapters(notebooks(tmp_path, *rows)))
    assert [[each.number for each in step] for step in steps] == [[1, 3], [2], [4]]


def test_a_chapter_that_needs_a_later_one_is_refused(tmp_path):
    folder = notebooks(tmp_path, (1, "a", [2], False), (2, "b", [], False))
    with pytest.raises(ValueError, match=r"01_a needs \[2\].*mend chapters.toml"):
        guide.chapters(folder)


def test_a_ready_chapter_without_a_notebook_is_refused(tmp_path):
    with pytest.raises(ValueError, match="01_a is ready = true and has no notebook; run `medtutor build 1`"):
        guide.chapters(notebooks(tmp_path, (1, "a", [], True)))


def test_the_projects_map_is_complete():
    folder = Path(medtutor.__file__).parents[1] / "notebooks"
    chapters = guide.chapters(folder)
    numbers = [each.number for each in chapters]
    assert numbers == sorted(set(numbers))
    stored = {path.name for path in folder.glob("*.ipynb")} - {"00_start_here.ipynb"}
    assert {each.notebook for each in chapters if each.notebook} == stored


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89.4, "89 s"), (91, "2 min"), (170, "3 min"), (600, "10 min")]
)
def test_a_time_is_given_as_a_reader_wants_it(seconds, words):
    assert guide.duration(seconds) == words


def during_quiet_start(body):
    """What a fresh Python with `body` inside quiet_start leaves on stderr, and its exit status."""
    code = f"import os, sys, medtutor\nwith medtutor.quiet_start():\n    {body}\nos.write(2, b'after\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    return done.stderr.decode("utf-8"), done.returncode


def test_the_start_up_report_is_kept_off_the_page_and_all_else_is_shown():
    said, status = during_quiet_start(f"os.write(2, {START_UP!r}.encode() + b'cannot open libfoo\\n')")
    assert (said, status) == ("cannot open libfoo\nafter\n", 0)


def test_python_warnings_are_shown():
    said, _ = during_quiet_start("import warnings; warnings.warn('look out')")
    assert "UserWarning: look out" in said


def test_where_the_import_fails_all_is_shown():
    said, status = during_quiet_start(f"os.write(2, {START_UP!r}.encode()); import no_such_module")
    assert status == 1
    assert said.startswith(START_UP) and "No module named 'no_such_module'" in said


def test_a_setting_of_the_reader_is_left_alone():
    code = "import os, medtutor\nwith medtutor.quiet_start(): pass\nprint(os.environ)"
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    for setting, expected in (({}, "3"), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0")):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**plain, **setting}, capture_output=True, text=True
        )
        assert f"'TF_CPP_MIN_LOG_LEVEL': '{expected}'" in done.stdout
        assert "TF_ENABLE_ONEDNN_OPTS" not in done.stdout  # it would change results


def test_a_student_sees_nothing_while_keras_is_imported_and_first_used():
    """In a kernel as JupyterLab starts it, where what C++ writes to stderr reaches the page."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "PYTEST_"))}
    manager, client = start_new_kernel(env=plain)
    shown = []
    try:
        for code in (  # each waits a second, so that what reaches the page late is still this cell's
            "import os, time\nreached = os.write(2, b'C++ reaches the page\\n')\ntime.sleep(1)",
            "import medtutor\nwith medtutor.quiet_start():\n    import keras\ntime.sleep(1)",
            "shape = tuple(keras.layers.Dense(1)(keras.ops.ones((1, 2))).shape)\ntime.sleep(1)\nshape",
        ):
            client.execute_interactive(code, timeout=240, output_hook=shown.append)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    said = "".join(each["content"]["text"] for each in shown if each["msg_type"] == "stream")
    assert said == "C++ reaches the page\n"
    assert not [each for each in shown if each["msg_type"] == "error"]
    results = [
        each["content"]["data"]["text/plain"] for each in shown if each["msg_type"] == "execute_result"
    ]
    assert results == ["(1, 1)"]
