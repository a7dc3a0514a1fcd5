"""What counts as equal, told on single lines of text; the cases were compared by hand."""

from decimal import Decimal

import pytest

from medtutor.course import compare


@pytest.mark.parametrize(
    "text, value, tolerance, label",
    [
        ("test Dice   0.874 ± 0.020   at least 0.84: yes", "0.874", "0.020", "test Dice"),
        ("loss 1,234.5 +/- 2", "1234.5", "2", "loss"),
        ("shift -1.5e-3 ± 1e-4 mm", "-0.0015", "0.0001", "shift"),
        ("sensitivity 87.4 % ± 0.5 %", "87.4", "0.5", "sensitivity"),
        ("(T2 .5±.1)", "0.5", "0.1", "(T2"),
        ("<td>Dice <b>0.5 ± 0.1</b></td>", "0.5", "0.1", "Dice"),
        ("1,2,3 ± 1", "3", "1", "1,2,"),
    ],
)
def test_number_is_read_with_its_tolerance_and_the_words_before_it(text, value, tolerance, label):
    [number] = compare.measured(text)
    assert (number.value, number.tolerance, number.label) == (Decimal(value), Decimal(tolerance), label)
    assert compare.exact(text[number.start : number.end]) == number.value


@pytest.mark.parametrize("text", ["x1 ± 2", "± 0.5", "a ± b", "0.5 ± c", "v1.2.3 ± 1", "0.5 or so ± 1"])
def test_what_is_no_number_with_a_tolerance_is_not_read_as_one(text):
    assert compare.measured(text) == []


def test_number_that_moves_leaves_all_else_strict():
    stored = "Dice 0.874 ± 0.020 of 12 scans, mean 3.1"
    assert compare.settle(stored, stored.replace("0.874", "0.880")) == (stored, [])
    for other in ("12", "mean", "3.1", "0.020"):
        settled, _ = compare.settle(stored, stored.replace("0.874", "0.880").replace(other, "9"))
        assert settled != stored


def test_tolerance_that_was_stored_counts_not_the_one_that_came():
    settled, [said] = compare.settle("Dice 0.80 ± 0.02", "Dice 0.90 ± 0.20")
    assert settled != "Dice 0.80 ± 0.02"
    assert said == "Dice: stored 0.80, now 0.90: moved by 0.10, more than ± 0.02"


def test_each_number_is_held_to_its_own_tolerance():
    stored = "a 1.0 ± 0.1 b 2.0 ± 0.5"
    assert compare.settle(stored, "a 1.1 ± 0.1 b 2.4 ± 0.5") == (stored, [])
    assert len(compare.settle(stored, "a 1.3 ± 0.1 b 2.2 ± 0.5")[1]) == 1


def test_number_more_or_less_is_never_equal():
    settled, [said] = compare.settle("a 1.0 ± 0.1", "a 1.0 ± 0.1 b 2.0 ± 0.5")
    assert settled != "a 1.0 ± 0.1" and said == "1 numbers with a tolerance were stored, 2 came"


def test_relative_tolerance_grows_with_the_stored_number():
    table = "a 100.0 0.010 n 7"
    assert compare.settle(table, "a 104.9 0.010 n 7", rtol=0.05) == (table, [])
    assert compare.settle(table, "a 100.0 0.011 n 7", rtol=0.05)[0] != table
    assert compare.settle(table, "a 100.0 0.011 n 7", rtol=0.05, atol=0.001) == (table, [])
    assert compare.settle(table, "a 100.0 0.010 n 8", rtol=0.5)[0] != table


def test_tolerance_itself_may_not_move_in_a_table():
    assert compare.settle("a 1.0 ± 0.100", "a 1.0 ± 0.101", rtol=0.05)[0] != "a 1.0 ± 0.100"


STARTUP = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795470143.222400   14058 port.cc:153] oneDNN custom operations are on. You may see …
I0000 00:00:1795470143.722989   14058 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use …
To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow with the …
2026-11-23 21:30:38.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.
E0000 00:00:1795470143.222400   14058 cuda_dnn.cc:8310] Unable to register cuDNN factory
"""


def test_start_up_lines_of_tensorflow_are_left_out():
    assert compare.without_startup_lines(STARTUP) == ""


@pytest.mark.parametrize(
    "line",
    [
        "UserWarning: the mask is empty",
        "W0000 00:00:1795470143.222400   14058 allocator.cc:84] Allocation exceeds 10% of memory.",
        "2026-11-23 21:30:38.1: W tensorflow/core/framework/op_kernel.cc:1] INVALID_ARGUMENT",
    ],
)
def test_other_lines_on_stderr_are_kept(line):
    assert compare.without_startup_lines(STARTUP + line + "\n") == line + "\n"


@pytest.mark.parametrize(
    "line", ["a nan ± 1", "a 1 ± inf", "n   -inf   at most 3: yes", "<td>NaN ± 0.1</td>"]
)
def test_result_that_is_not_finite_is_broken(line):
    assert compare.broken_results(f"fine 1 ± 1\n{line}\n") == [
        f"not a finite number: {line}".replace("   ", " ")
    ]


@pytest.mark.parametrize("line", ["nan", "banana 1 ± 1", "Level: NO", "infinite 1 ± 1", "at least 2: yes"])
def test_other_lines_are_not_broken_results(line):
    assert compare.broken_results(line) == []


def test_scripts_and_styles_are_not_seen_but_descriptions_are():
    page = "<style>b{}</style><b>Dice</b>&nbsp;0.5<script>x = 1 ± nan</script><img alt='a &amp; b'><img>"
    assert " ".join(compare.visible(page).split()) == "Dice 0.5"
    assert compare.descriptions(page) == ["a & b", None]


def test_an_infinite_number_in_a_table_is_a_number_that_does_not_move():
    (number,) = compare.decimals("HD95 inf", [], 0.05, 0.001)
    assert number.value == Decimal("Infinity") and number.tolerance == Decimal("0.001")
