"""A fingerprint changes with what code does, and with nothing else."""

import ast

import pytest

from medtutor.course import fingerprint

CODE = '''
"""Words."""
import math as m

A, B = 1, 2
if B:
    C = A + B


def f(x):
    """Words."""
    return g(x) + C


def g(x, *, y=m.pi):
    return f"{x:.2f} {y!r:>{x}}" if x else None


class K:
    """Words."""

    def h(self):
        return f(1)
'''


@pytest.fixture
def root(tmp_path):
    package = tmp_path / "pack" / "age"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from pack.age.code import f\n")
    (package / "code.py").write_text(CODE)
    return tmp_path


def change(root, old, new):
    path = root / "pack" / "age" / "code.py"
    assert path.read_text().count(old) >= 1
    path.write_text(path.read_text().replace(old, new))


NAMES = (
    "pack.age",
    "pack.age.code",
    "pack.age.code.f",
    "pack.age.code.g",
    "pack.age.code.A",
    "pack.age.code.K",
)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (
            "A, B = 1, 2",
            "A, B = 1, 3",
            "pack.age pack.age.code pack.age.code.f pack.age.code.A pack.age.code.K",
        ),
        (
            "if x else None",
            "if x else 0",
            "pack.age pack.age.code pack.age.code.f pack.age.code.g pack.age.code.K",
        ),
        ("y=m.pi", "y=m.e", "pack.age pack.age.code pack.age.code.f pack.age.code.g pack.age.code.K"),
        (
            "import math as m",
            "import cmath as m",
            "pack.age pack.age.code pack.age.code.f pack.age.code.g pack.age.code.K",
        ),
        ("return f(1)", "return f(True)", "pack.age pack.age.code pack.age.code.K"),
        ("return f(1)", "return f(1.0)", "pack.age pack.age.code pack.age.code.K"),
        ("{x:.2f}", "{x:.3f}", "pack.age pack.age.code pack.age.code.f pack.age.code.g pack.age.code.K"),
        ("def h(self)", "@staticmethod\n    def h(self)", "pack.age pack.age.code pack.age.code.K"),
    ],
)
def test_a_change_shows_in_what_leans_on_it_and_nowhere_else(root, old, new, changed):
    before = {name: fingerprint.fingerprint(name, root) for name in NAMES}
    change(root, old, new)
    after = {name: fingerprint.fingerprint(name, root) for name in NAMES}
    assert {name for name in NAMES if before[name] != after[name]} == set(changed.split())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""Words."""', '"""Other\n\n    words."""'),
        ("return g(x) + C", "return (\n        g(x) + C\n    )  # remark"),
        ("if B:", "\n\nif (B):"),
    ],
)
def test_words_and_layout_do_not_count(root, old, new):
    before = {name: fingerprint.fingerprint(name, root) for name in NAMES}
    change(root, old, new)
    assert {name: fingerprint.fingerprint(name, root) for name in NAMES} == before


def test_a_docstring_may_go_but_a_text_that_is_a_value_may_not(root):
    def of(code):
        return fingerprint._checksum([ast.parse(code)])

    assert of('def f():\n    "words"\n    return 1') == of("def f():\n    return 1")
    assert of('x = "a"') != of('x = "b"') and of("x = None") != of("x = 0") != of("x = ''")


def test_a_new_module_of_a_package_counts(root):
    before = fingerprint.fingerprint("pack.age", root)
    (root / "pack" / "age" / "more.py").write_text("x = 1\n")
    assert fingerprint.fingerprint("pack.age", root) != before


@pytest.mark.parametrize("name", ["pack.aeg", "pack.age.code.q", "nowhere", "pack.age.code.K.h", ""])
def test_what_is_not_there_is_said(root, name):
    with pytest.raises(LookupError, match="no module|nothing there"):
        fingerprint.fingerprint(name, root)


def test_the_checksum_is_the_same_on_every_python(root):
    known = "dbfdd138159d5fa1792ced776411295637e185e32984d670b0d502d5b69687ff"  # 3.11, 3.12, 3.13
    assert fingerprint.fingerprint("pack.age.code", root) == known
