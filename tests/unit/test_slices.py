"""The part of a notebook that some names need."""

import pytest

from medtutor.course.slices import Cell, missing, needed, run


def part(*cells, names=("f",)):
    """The lines that `names` need of a notebook with these cells."""
    found = needed([Cell(str(place), text) for place, text in enumerate(cells)], names)
    return [cell.text.splitlines()[statement.node.lineno - 1] for cell, statement in found]


def test_imports_helpers_and_values_come_along_and_nothing_else():
    cells = (
        "import numpy as np\nimport this",
        "k = np.ones(3)\ntrained = train()\nprint(k)",
        "def helper(x):\n    return x * k",
        "def f(x):\n    return helper(x)",
        "f(3)",
    )
    assert part(*cells) == ["import numpy as np", "k = np.ones(3)", "def helper(x):", "def f(x):"]


@pytest.mark.parametrize(
    "function",
    [
        "def f(x):\n    return x",
        "def f(a):\n    x = a\n    return x",
        "f = lambda x: x",
        "def f(a):\n    return [x for x in a]",
        "def f(a):\n    def x():\n        return 1\n    return x()",
    ],
)
def test_a_name_of_the_functions_own_is_not_the_notebooks(function):
    assert part("x = train()", function) == [function.splitlines()[0]]


@pytest.mark.parametrize(
    "cell, comes",
    [
        ("x = 1", True),
        ("x, y = 1, 2", True),
        ("for x in range(3): pass", True),
        ("with open(name) as x: pass", True),
        ("x[0] = 1", True),
        ("x.shape = 1", True),
        ("x += 1", True),
        ("x.append(1)", True),
        ("if (x := 1): pass", True),
        ("print(x)", False),
        ("show(x)", False),
        ("y = x", False),
    ],
)
def test_what_gives_a_needed_name_its_value_comes_along(cell, comes):
    assert (cell in part(cell, "def f():\n    return x")) == comes


def test_a_module_is_not_changed_by_a_call():
    assert part("import numpy as np", "np.random.seed(0)", "def f():\n    return np.pi") == [
        "import numpy as np",
        "def f():",
    ]


def test_cells_that_are_not_python_are_passed_over():
    cells = ("this is not python", "%matplotlib inline\n!ls\nx = 1\nx?", "def f():\n    return x")
    assert part(*cells) == ["x = 1", "def f():"]


def test_a_part_runs_and_says_its_lines():
    cells = [Cell("top", "a = 2"), Cell("own", "\n\ndef f(x):\n    return a * x")]
    assert run(needed(cells, ["f"]))["f"](3) == 6
    assert run(needed(cells, ["f"]))["f"].__code__.co_filename == "own"
    assert run(needed(cells, ["f"]))["f"].__code__.co_firstlineno == 3


def test_a_statement_that_cannot_be_read_moves_no_other_one():
    deep = Cell("", "a = 1\nx = " + "not " * 2000 + "1  # written anew, as it shares its line\nb = 2")
    assert [(each.place, set(each.gives)) for each in deep.statements if each.gives <= {"a", "b"}] == [
        (0, {"a"}),
        (2, {"b"}),
    ]


def test_names_that_nothing_gives_are_missing():
    assert missing(needed([Cell("own", "def f(x):\n    return np.abs(max(x, y))")], ["f"])) == {"np", "y"}
