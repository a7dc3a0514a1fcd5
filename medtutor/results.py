"""The one way in which a chapter states a measured number, so that validation can compare it."""

import math


def result(name, value, *, unit="", within=None, at_least=None, at_most=None):
    """Print a measured number with its tolerance and its floor or ceiling, as validation reads them.

        result("test Dice", 0.8741, within=0.02, at_least=0.84)
        test Dice   0.874 ± 0.020   at least 0.84: yes

    name      what was measured, in a few words
    value     the number; an int is printed as it is, a float needs `within`
    unit      printed behind the number, e.g. "mm"
    within    how far the number may move between machines (> 0), from a measured spread
    at_least, at_most   the bound that the chapter promises; "NO" is printed, not raised, where it is missed

    Raises ValueError where the number could not be compared: a float without `within`, a `within` that is not
    positive, a name that holds ±.
    """
    if "±" in name or "\n" in name:
        raise ValueError(f"name is {name!r}; use one line without ±, which is kept for the tolerance")
    exact = float(value).is_integer() and not isinstance(value, float)
    if within is None:
        if not exact:
            raise ValueError(
                f"{name!r} is {value!r}, a float, and has no tolerance; "
                "give within=…, at least three times its measured spread, or pass an int"
            )
        text = f"{int(value):,}"
    else:
        if not within > 0:
            raise ValueError(f"within is {within!r}; use a positive number, or leave it out for an int")
        places = max(0, 1 - math.floor(math.log10(within)))
        text = f"{value:.{places}f} ± {within:.{places}f}"
    line = f"{name}   {text}{' ' + unit if unit else ''}"
    for word, bound, kept in (
        ("at least", at_least, at_least is None or value >= at_least),
        ("at most", at_most, at_most is None or value <= at_most),
    ):
        if bound is not None:
            line += f"   {word} {bound:,}: {'yes' if kept else 'NO'}"
    print(line)
