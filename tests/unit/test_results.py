"""A result is printed in the one form that validation can compare."""

import pytest

from medtutor import result


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (dict(value=0.87412, within=0.02, at_least=0.84), "test Dice   0.874 ± 0.020   at least 0.84: yes"),
        (dict(value=0.83, within=0.02, at_least=0.84), "test Dice   0.830 ± 0.020   at least 0.84: NO"),
        (
            dict(value=12.345, within=0.5, unit="mm", at_most=13),
            "test Dice   12.35 ± 0.50 mm   at most 13: yes",
        ),
        (dict(value=40197.2, within=100), "test Dice   40197 ± 100"),
        (dict(value=755822656), "test Dice   755,822,656"),
        (dict(value=float("nan"), within=0.1, at_least=0), "test Dice   nan ± 0.10   at least 0: NO"),
    ],
)
def test_result_is_one_line_with_its_tolerance_and_bound(arguments, line, capsys):
    result("test Dice", **arguments)
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(name="Dice", value=0.5), "within=…"),
        (dict(name="Dice", value=3.0), "no tolerance"),
        (dict(name="Dice", value=0.5, within=0), "positive"),
        (dict(name="Dice", value=0.5, within=-1), "positive"),
        (dict(name="Dice ± x", value=1), "without ±"),
    ],
)
def test_result_that_could_not_be_compared_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        result(**arguments)
