"""The planted-fault harness, tried on a checkout of a few lines whose faults are known."""

import json
import subprocess
import sys

import pytest
from nbformat.v4 import new_output

from medtutor.course import build, cli, faults, readme, shares
from medtutor.course.faults import Edit, Fault, FaultError, Outcome, Runner

TINY = {
    ".gitignore": "ignored/\n",
    "medtutor/__init__.py": "def double(x):\n    return 2 * x\n\n\ndef triple(x):\n    return 3 * x\n",
    "medtutor/course/__init__.py": "",
    "medtutor/course/validate.py": "",  # the plugin by this name is loaded by every pytest here
    "tests/test_fast.py": (
        "from medtutor import double, triple\n\n\ndef test_double():\n    assert double(2) == 4\n\n\n"
        "def test_triple():\n    assert triple(2) == 6\n"
    ),
    "tests/test_slow.py": "from medtutor import double\n\n\ndef test_of_zero():\n    assert double(0) == 0\n",
    "notebooks/source/01_tiny.py": '# %% [markdown] id="opening"\n# Text.\n\n# %% id="sum"\nprint(1 + 1)\n',
    "ignored/large.txt": "not to be copied",
}

TABLE = """
[[fault]]
name = "doubles by adding one"
file = "medtutor/__init__.py"
old = "2 * x"
new = "2 + x"
also = [{file = "medtutor/__init__.py", old = "3 * x", new = "3 + x"}]
noticed_by = ["tests/test_fast.py", "tests/test_slow.py"]

[[fault]]
name = "triples backwards"
file = "medtutor/__init__.py"
old = "3 * x"
new = "x * 3"
noticed_by = ["tests/test_slow.py", "tests/test_fast.py"]

[[fault]]
name = "function renamed"
file = "medtutor/__init__.py"
old = "def double"
new = "def twice"
noticed_by = ["tests/test_fast.py"]

[[fault]]
name = "chapter subtracts"
file = "notebooks/source/01_tiny.py"
old = "1 + 1"
new = "1 - 1"
noticed_by = ["tests/test_fast.py", "notebooks/01_tiny.ipynb"]
"""


def checkout_of(folder, table=TABLE):
    """A git checkout of a few lines in `folder`, with a table of faults and a stored notebook."""
    more = {"tests/faults/01_tiny.toml": table, "notebooks/chapters.toml": "chapter = []\n"}
    for name, text in {**TINY, **more}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    chapter = build.chapters(root=folder)[0]
    notebook = build.read_source(chapter.source).notebook
    notebook.cells[1].execution_count = 1
    notebook.cells[1].outputs = [new_output("stream", name="stdout", text="2\n")]
    build.store(notebook, chapter.notebook)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def files(folder):
    """{name: bytes} of everything in a checkout but git's own."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """The tiny table, tried: ({name: Outcome}, files before, files after, what was told)."""
    root, told = checkout_of(tmp_path_factory.mktemp("checkout")), []
    before = files(root)
    outcomes = faults.try_faults(faults.find_faults(root), root, jobs=2, tell=told.append)
    return {outcome.name: outcome for outcome in outcomes}, before, files(root), told


def test_faults_are_caught_by_the_first_red_test(tried):
    outcome = tried[0]["doubles by adding one"]
    assert (outcome.caught, outcome.how) == (True, "test")
    assert outcome.by == "tests/test_fast.py::test_triple"  # double(2) is 4 either way
    assert "assert 5 == 6" in outcome.message


def test_fault_that_no_target_notices_is_missed(tried):
    outcome = tried[0]["triples backwards"]
    assert (outcome.caught, outcome.how, outcome.by) == (False, "", "")


def test_fault_that_breaks_importing_is_caught_and_marked(tried):
    outcome = tried[0]["function renamed"]
    assert (outcome.caught, outcome.how, outcome.by) == (True, "crash", "tests/test_fast.py::tests.test_fast")
    assert "ImportError" in outcome.message


def test_fault_in_a_chapter_is_caught_by_its_notebook_and_the_cell_named(tried):
    outcome = tried[0]["chapter subtracts"]
    assert (outcome.caught, outcome.how, outcome.by) == (True, "test", "notebooks/01_tiny.ipynb::sum")
    assert outcome.message == "Cell 0: Cell outputs differ"


def test_checkout_is_as_it_was(tried):
    _, before, after, _ = tried
    assert before == after


def test_every_distinct_target_is_run_without_a_fault_first(tried):
    told = tried[3]
    assert told[0] == "without a fault: 3 targets"
    assert sorted(line.split()[1] for line in told[1:4]) == [
        "notebooks/01_tiny.ipynb",
        "tests/test_fast.py",
        "tests/test_slow.py",
    ]
    assert all("green" in line for line in told[1:4])


def test_target_that_is_red_without_a_fault_stops_everything(tmp_path):
    root = checkout_of(tmp_path)
    (root / "tests" / "test_fast.py").write_text("def test_wrong():\n    assert 1 == 2\n", encoding="utf-8")
    told = []
    with pytest.raises(FaultError, match="red without any fault.*\n.*test_fast.py::test_wrong"):
        faults.try_faults(faults.find_faults(root, only="renamed"), root, tell=told.append)
    assert not [line for line in told if "function renamed" in line]


@pytest.mark.parametrize(
    "old, new, wanted",
    [
        ('old = "def double"', 'old = "def quadruple"', "stale: its old text occurs 0 times"),
        ('old = "def double"', 'old = "return"', "stale: its old text occurs 2 times"),
        ('new = "def twice"', 'new = "def double"', "changes nothing"),
        ('"3 + x"}]', '"3 + x"}, {file = "no.py", old = "a", new = "b"}]', "0 times in no.py"),
        ('new = "1 - 1"', 'new = "1 -"', "unreadable.*cell 'sum' is not Python"),
        ('["tests/test_slow.py", ', '["tests/test_gone.py", ', "there is no tests/test_gone.py"),
    ],
    ids=["gone", "twice", "same", "also", "syntax", "target"],
)  # fmt: skip
def test_stale_table_is_refused_before_anything_runs(tmp_path, monkeypatch, old, new, wanted):
    assert TABLE.count(old) == 1
    root = checkout_of(tmp_path, TABLE.replace(old, new))
    monkeypatch.setattr(Runner, "_call", lambda *_: pytest.fail("something was run"))
    with pytest.raises(FaultError, match=f"(?s){wanted}"):
        faults.try_faults(faults.find_faults(root), root)


@pytest.mark.parametrize(
    "old, new, wanted",
    [
        ('name = "function renamed"\n', "", "fault 3 .no name.: name missing"),
        ('new = "def twice"\n', 'new = "def twice"\nslow = true\n', "slow is not known"),
        ('"function renamed"', '"triples backwards"', "two faults are called 'triples backwards'"),
        ('["tests/test_slow.py", "tests/test_fast.py"]', '"tests/test_slow.py"', "noticed_by is a list"),
        ('["tests/test_slow.py", "tests/test_fast.py"]', "[]", "noticed_by is a list"),
        ("[[fault]]\nname = \"function", "[[fault\nname = \"function", "is not TOML"),
    ],
    ids=["missing", "unknown", "twice", "string", "empty", "toml"],
)  # fmt: skip
def test_wrong_table_is_answered_with_the_entry(tmp_path, old, new, wanted):
    assert TABLE.count(old) == 1
    path = tmp_path / "01_tiny.toml"
    path.write_text(TABLE.replace(old, new), encoding="utf-8")
    with pytest.raises(FaultError, match=f"01_tiny.toml.*{wanted}"):
        faults.read_table(path)


def test_one_edit_can_be_made_in_several_files(tmp_path):
    table = TABLE.replace(
        'file = "medtutor/__init__.py"\nold = "def d', 'file = ["a.py", "b.py"]\nold = "def d'
    )
    assert table != TABLE
    (tmp_path / "01_tiny.toml").write_text(table, encoding="utf-8")
    fault = faults.read_table(tmp_path / "01_tiny.toml")[2]
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"# {name}\ndef double(x): ...\n", encoding="utf-8")
    faults.plant(fault, tmp_path)
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("a.py", "b.py")] == [
        "# a.py\ndef twice(x): ...\n",
        "# b.py\ndef twice(x): ...\n",
    ]


def test_copy_holds_what_git_would_track_and_nothing_else(tmp_path):
    root = checkout_of(tmp_path / "from")
    subprocess.run(["git", "add", "medtutor", "tests/test_slow.py"], cwd=root, check=True)
    (root / "tests" / "test_slow.py").unlink()  # tracked and gone
    faults.copy_checkout(root, tmp_path / "to")
    wanted = files(root)
    del wanted["ignored/large.txt"]
    assert files(tmp_path / "to") == wanted


def test_folder_without_git_is_refused(tmp_path):
    with pytest.raises(FaultError, match="is not a git checkout"):
        faults.copy_checkout(tmp_path, tmp_path / "to")


def test_copy_that_would_test_another_package_is_refused(tmp_path):
    with pytest.raises(FaultError, match="would test .*medtutor.__init__.py, not itself"):
        Runner().first_red(tmp_path, ["tests"], "no package here")


def test_command_that_does_not_end_is_ended(tmp_path):
    endless = [sys.executable, "-c", "print('begun', flush=True)\nwhile True: pass"]
    code, output = Runner(seconds=3)._call(endless, tmp_path)
    assert code is None and output.strip() == "begun"


def test_fault_that_hangs_is_caught_and_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(Runner, "_call", lambda self, command, copy: (None if "pytest" in command else 1, ""))
    outcome = Runner(seconds=7).first_red(tmp_path, ["tests/test_a.py"], "endless loop")
    assert (outcome.caught, outcome.how, outcome.by) == (True, "hung", "tests/test_a.py")
    assert outcome.message == "not done after 7 s"


def test_target_without_tests_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Runner, "_call", lambda self, command, copy: (5 if "pytest" in command else 1, ""))
    with pytest.raises(FaultError, match="tests/test_a.py holds no test"):
        Runner().first_red(tmp_path, ["tests/test_a.py"], "no test")


def test_table_shows_caught_missed_and_crashed():
    outcomes = [
        Outcome("kernel flipped", True, "test", "tests/a.py::test_a", "assert", 1.25),
        Outcome("bias", False, seconds=10.0),
        Outcome("no import", True, "crash", "tests/a.py", "ImportError", 0.5),
    ]
    assert faults.as_table(outcomes).splitlines() == [
        "fault                           by                  s",
        "kernel flipped  caught          tests/a.py::test_a  1.2",
        "bias            MISSED                              10.0",
        "no import       caught (crash)  tests/a.py          0.5",
        "2 of 3 faults caught, 1 by a crash",
    ]


@pytest.mark.parametrize("missed, code", [(False, 0), (True, 1)])
def test_command_prints_the_table_and_tells_by_its_exit_code(tmp_path, monkeypatch, capsys, missed, code):
    root = checkout_of(tmp_path)

    def try_faults(chosen, *_, note):
        return [
            Outcome(f.name, not (missed and i == 1), "test" * (i != 1), "t", "m", 1.0)
            for i, f in enumerate(chosen)
        ]

    monkeypatch.setattr(faults, "try_faults", try_faults)
    file = tmp_path / "out.json"
    assert cli.main(["faults", "--chapter", "1", "--json", str(file)], root) == code
    assert f"{3 if missed else 4} of 4 faults caught" in capsys.readouterr().out
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert [row["chapter"] for row in rows] == ["01_tiny"] * 4
    assert rows[0]["name"] == "doubles by adding one" and rows[0]["seconds"] == 1.0


def test_table_that_could_not_be_written_is_told_before_anything_runs(tmp_path, monkeypatch, capsys):
    root = checkout_of(tmp_path)
    monkeypatch.setattr(Runner, "_call", lambda *_: pytest.fail("something was run"))
    assert cli.main(["faults", "--json", str(tmp_path / "no" / "out.json")], root) == 1
    assert "its folder does not exist" in capsys.readouterr().err


def test_list_names_the_chosen_faults_and_runs_nothing(tmp_path, monkeypatch, capsys):
    root = checkout_of(tmp_path)
    monkeypatch.setattr(Runner, "_call", lambda *_: pytest.fail("something was run"))
    assert cli.main(["faults", "--list", "--only", "DOUBLES"], root) == 0
    assert capsys.readouterr().out == "01_tiny  doubles by adding one\n"
    assert cli.main(["faults", "--list", "--only", "nothing like it"], root) == 1
    assert "no fault is called 'nothing like it'" in capsys.readouterr().err


def test_tables_of_the_course_fit_the_code_as_it_is(tmp_path):
    faults.rehearse(faults.find_faults(), build.ROOT, tmp_path)


# Shares: what tests and notebooks catch, tried apart


def test_faults_are_aimed_at_tests_at_notebooks_or_at_each():
    by_test = Fault("01_tiny", "a", (), ("tests/test_fast.py", "tests/test_slow.py"))
    by_cell = Fault("01_tiny", "b", (), ("notebooks/01_tiny.ipynb",))
    mixed = Fault("02_other", "c", (), ("tests/test_fast.py", "notebooks/01_tiny.ipynb"))

    def targets(by):
        return [(each.name, each.noticed_by) for each in faults.aimed([by_test, by_cell, mixed], by)]

    tests = [("a", by_test.noticed_by), ("c", ("tests/test_fast.py",))]
    cells = [("a", by_cell.noticed_by), ("b", by_cell.noticed_by), ("c", by_cell.noticed_by)]
    assert targets("tests") == tests and targets("notebooks") == cells
    assert targets("both") == [tests[0], *cells[:2], tests[1], cells[2]]
    assert faults.aimed([by_test, mixed], None) == [by_test, mixed]


def test_a_sample_is_drawn_from_each_chapter_and_decided_by_its_seed():
    many = [Fault(chapter, str(n), (), ("t",)) for chapter in ("01_a", "02_b") for n in range(20)]
    three, four, other = faults.sample(many, 3), faults.sample(many, 4), faults.sample(many, 3, seed=1)
    assert three == faults.sample(many, 3) != other and set(three) < set(four)
    assert [fault.chapter for fault in three] == ["01_a"] * 3 + ["02_b"] * 3
    assert three == sorted(three, key=many.index) and faults.sample(many, 50) == many


def test_answers_name_what_was_red_and_leave_out_what_was_not_run():
    fault = Fault("01_tiny", "a", (), ("tests/a.py", "tests/b.py", "notebooks/01_tiny.ipynb"))
    cases = {
        Outcome("a", True, "test", "tests/b.py::test_b[1-x]"): {"tests": "tests/b.py::test_b"},
        Outcome("a", True, "hung", "tests/a.py"): {"tests": "tests/a.py (hung)"},
        Outcome("a", True, "test", "notebooks/01_tiny.ipynb::sum"): {
            "tests": "",
            "notebook": "notebooks/01_tiny.ipynb::sum",
        },
        Outcome("a", False): {"tests": "", "notebook": ""},
    }
    for outcome, wanted in cases.items():
        assert shares.answers(fault, outcome) == wanted


def test_shares_are_those_counted_by_hand():
    answers = [
        {"tests": "t::a", "notebook": "n::b"},
        {"tests": "t::a", "notebook": ""},
        {"tests": "", "notebook": "n::b"},
        {"tests": "", "notebook": ""},
        {"tests": "t::a"},
        {"notebook": "n::b"},
        {},
    ]
    assert shares.shares(answers) == ["3 of 5", "3 of 5", "1 of 4", "1 of 4"]
    assert shares.shares([{}, {"tests": "t::a"}]) == ["1 of 1", "not tried", "not tried", "not tried"]


def test_places_tell_package_from_chapter():
    chapter, package = Edit("notebooks/source/01_tiny.py", "", ""), Edit("medtutor/nn/a.py", "", "")
    places = [(chapter,), (package,), (package, chapter)]
    found = [shares.place_of(Fault("01_tiny", "a", edits, ("t",))) for edits in places]
    assert found == ["chapter", "package", "both"]


README = "# A\n" + "".join(
    f"<!-- {name}: written by `make readme` -->\nold\n<!-- end of {name} -->\nrest\n"
    for name in ("chapters", "benchmarks", "faults")
)


def told(monkeypatch, answers, stop_after=99):
    """Let try_faults note {target: what is red} for each fault, or be interrupted: the names so far."""
    tried = []

    def try_faults(chosen, *_, note):
        outcomes = []
        for number, fault in enumerate(chosen):
            if number == stop_after:
                raise KeyboardInterrupt
            by = next(filter(None, map(answers.get, fault.noticed_by)), "")
            outcomes.append(Outcome(fault.name, bool(by), "test" * bool(by), by))
            tried.append(fault.name)
            note(fault, outcomes[-1])
        return outcomes

    monkeypatch.setattr(faults, "try_faults", try_faults)
    return tried


def test_tests_and_notebook_are_tried_apart_and_their_answers_kept(tmp_path, monkeypatch):
    root = checkout_of(tmp_path)
    (root / "README.md").write_text(README, encoding="utf-8")
    (root / shares.FILE).write_text('{"01_tiny": {"gone": {"tests": ""}}}', encoding="utf-8")
    words = ["faults", "--by", "both", "--write", "--only"]
    told(monkeypatch, {"tests/test_fast.py": "tests/test_fast.py::test_triple"})
    assert cli.main([*words, "by adding"], root) == 0  # its notebook is not said to notice
    told(monkeypatch, {"notebooks/01_tiny.ipynb": "notebooks/01_tiny.ipynb::sum"})
    assert cli.main([*words, "subtracts"], root) == 1  # a test is said to notice
    assert (root / shares.FILE).read_text(encoding="utf-8").splitlines() == [
        "{",
        ' "01_tiny": {',
        '  "doubles by adding one": {"tests": "tests/test_fast.py::test_triple", "notebook": ""},',
        '  "chapter subtracts": {"tests": "", "notebook": "notebooks/01_tiny.ipynb::sum"}',
        " }",
        "}",
    ]
    page = (root / "README.md").read_text(encoding="utf-8")
    assert "\n| all | 4 | 1 of 2 | 1 of 2 | 0 of 2 | 0 of 2 |\n" in page
    assert "\n| of these, in a cell of the chapter alone | 1 | 0 of 1 | 1 of 1 | 0 of 1 | 0 of 1 |\n" in page
    assert page.startswith("# A\n") and page.endswith("\nrest\n") and "old" not in page


def test_what_has_been_tried_is_left_out_on_demand_and_kept_when_stopped(tmp_path, monkeypatch, capsys):
    root = checkout_of(tmp_path, TABLE.replace('"tests/test_fast.py", "notebooks', '"notebooks'))
    (root / "README.md").write_text("# A\n", encoding="utf-8")
    tried = told(monkeypatch, {}, stop_after=2)
    words = ["faults", "--by", "tests", "--untried", "--write"]
    assert cli.main(words, root) not in (0, 1) and len(tried) == 2
    assert cli.main(words, root) == 1 and len(set(tried)) == len(tried) == 3
    assert cli.main(words, root) == 0 and "has been tried" in capsys.readouterr().out
    assert shares.read(root)["01_tiny"]["chapter subtracts"] == {"tests": ""}  # no test is named


@pytest.mark.parametrize("number", ["0", "-1"])
def test_a_sample_of_none_is_refused(tmp_path, capsys, number):
    root = checkout_of(tmp_path)
    assert cli.main(["faults", "--sample", number, "--list"], root) == 1
    assert f"sample is {number}; use" in capsys.readouterr().err


def test_kept_answers_belong_to_faults_and_name_what_is_there():
    """After a test or a fault was renamed: `medtutor faults --only NAME --by both --write`."""
    named = {(fault.chapter, fault.name) for fault in faults.find_faults()}
    for chapter, answers in shares.read(build.ROOT).items():
        for name, answer in answers.items():
            assert (chapter, name) in named
            for kind, by in answer.items():
                file = by.removesuffix(" (crash)").removesuffix(" (hung)").split("::")[0]
                assert kind == faults.kind_of(file) if by else kind in ("tests", "notebook")
                assert not by or (build.ROOT / file).exists()


def test_the_readme_holds_the_shares_of_this_moment():
    """After a change to the tables: `make readme`."""
    (stored,) = readme.FAULTS.findall((build.ROOT / "README.md").read_text(encoding="utf-8"))
    assert stored == shares.table(build.ROOT)
