"""The threshold explorer: threshold, prevalence and cost move, and every number of a decision answers."""

from bisect import bisect_left

import numpy as np
from matplotlib.figure import Figure

from medtutor import metrics
from medtutor.explore.base import Explorer
from medtutor.plot import BLUE, ORANGE, Picture

STEPS = 1000  # of the threshold slider
PREVALENCES = (
    *(k / 1000 for k in range(1, 10)),
    *(k / 200 for k in range(2, 20)),
    *(k / 100 for k in range(10, 91, 2)),
)
COSTS = (0.25, 1, 1.5, 3, 4, 7, 9, 19, 24, 49, 99, 199, 499, 999)  # 1 / (1 + cost) lies on the slider


def explore_threshold(
    y, p, *, threshold=0.5, prevalence=None, cost=9, name="tumour", unit="people", tolerance=0
):
    """Move the threshold, the prevalence and what a miss costs: curves, counts and net benefit follow.

    y          (n,) 1 sick, 0 well; both must occur
    p          (n,) probabilities 0 to 1; a case is called sick where p >= threshold
    threshold  to start with, 0 to 1, in steps of 0.001
    prevalence to start with, 0.001 to 0.99; default: that of y. Sensitivity and specificity stay as they are
               when it moves, all else is re-weighted
    cost       of one missed case in false alarms, above 0: harm / benefit of treating is 1 / cost, which is
               the odds of the threshold in a decision curve: threshold / (1 - threshold) = 1 / cost
    name, unit   what is looked for, and in what: "of 1,000 people, 20 have the tumour"
    tolerance  written behind ± in the description, for nets whose last digits differ between computers

    p is kept in thousandths, rounded down, which leaves p >= threshold as it is at each step of the slider;
    the curves keep every different p in its place, so that areas and counts are those of medtutor.metrics.
    Raises ValueError for numbers out of range, and what medtutor.metrics raises for y and p.
    Source: Vickers and Elkin, Medical Decision Making 26 (2006), 565-574, for net benefit and its odds.
    """
    curve = metrics.roc_curve(y, p)
    metrics.confusion(y, p)  # refuses what is no probability
    y, p = np.asarray(y).astype(bool), np.asarray(p)
    own = float(y.mean())
    prevalence = own if prevalence is None else _between("prevalence", prevalence, 0.001, 0.99)
    threshold = _between("threshold", threshold, 0, 1)
    cost = _between("cost", cost, 0.01, 10_000)
    prevalences, costs = sorted({*PREVALENCES, own, prevalence}), sorted({*COSTS, cost})
    step = round(STEPS * threshold)
    state = {
        "scores": _scores(curve, y),
        "prevalences": prevalences,
        "costs": costs,
        "own": bisect_left(prevalences, own),
        "threshold": step,
        "prevalence": bisect_left(prevalences, prevalence),
        "cost": bisect_left(costs, cost),
        "name": str(name),
        "unit": str(unit),
    }
    shown = _Point(y, p, step / STEPS, prevalence, cost)
    alt = _description(y, p, shown, name, unit, tolerance)
    still = Picture.of(_still(y, p, curve, shown), alt)
    return Explorer("threshold.js", state, still, "threshold", parts=["parts.js"], measured=True)


def _between(name, value, low, high):
    if isinstance(value, bool) or np.ndim(value) or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}; use a number from {low:g} to {high:g}")
    return float(value)


def _scores(curve, y):
    """Each different p from the largest down, in thousandths rounded down, and who has it."""
    fpr, tpr, scores = curve
    sick, well = np.rint(np.diff(tpr) * y.sum()), np.rint(np.diff(fpr) * (~y).sum())
    steps = (np.arange(STEPS + 1) / STEPS).astype(scores.dtype)  # compared as p >= threshold compares
    levels = np.searchsorted(steps, scores[1:], side="right") - 1
    return {
        "levels": levels.tolist(),
        "sick": sick.astype(int).tolist(),
        "well": well.astype(int).tolist(),
    }


class _Point:
    """One threshold judged at one prevalence and cost."""

    def __init__(self, y, p, threshold, prevalence, cost):
        self.threshold, self.prevalence, self.cost = threshold, prevalence, cost
        self.se = metrics.sensitivity(y, p, threshold)
        self.sp = metrics.specificity(y, p, threshold)
        self.expected = cost * prevalence * (1 - self.se) + (1 - prevalence) * (1 - self.sp)
        called = prevalence * self.se + (1 - prevalence) * (1 - self.sp)
        self.ppv = prevalence * self.se / called if called else None


def _description(y, p, shown, name, unit, tolerance):
    def value(number, written=".2f"):
        return f"{number:{written}}" + (f" ± {tolerance:g}" if tolerance else "")

    ppv = "no one is called sick" if shown.ppv is None else f"positive predictive value {value(shown.ppv)}"
    return (
        f"ROC curve, precision-recall curve and expected cost of a search for {name} in {len(y)} {unit}, "
        f"{y.sum()} of them sick; area under the ROC curve {value(metrics.auroc(y, p))}. At threshold "
        f"{value(shown.threshold, 'g')}, prevalence {100 * shown.prevalence:.3g} % and {shown.cost:g} false "
        f"alarms to one miss: sensitivity {value(shown.se)}, specificity {value(shown.sp)}, {ppv}."
    )


def _still(y, p, curve, shown):
    """The explorer's three plots as a matplotlib figure."""
    figure = Figure(figsize=(9.6, 3.3), layout="constrained")
    roc, pr, cost = figure.subplots(1, 3)
    fpr, tpr, _ = curve
    prev, mark = shown.prevalence, {"marker": "o", "ms": 9, "mfc": ORANGE, "mec": "black", "ls": ""}
    roc.plot(fpr, tpr, color=BLUE)
    roc.plot([0, 1], [0, 1], "--", color="0.35", lw=1)
    roc.plot(1 - shown.sp, shown.se, **mark)
    roc.set(title="ROC", xlabel="1 − specificity", ylabel="sensitivity")
    pr.plot(tpr[1:], prev * tpr[1:] / (prev * tpr[1:] + (1 - prev) * fpr[1:]), color=BLUE)
    pr.axhline(prev, ls="--", color="0.35", lw=1)
    if shown.ppv is not None:
        pr.plot(shown.se, shown.ppv, **mark)
    pr.set(
        title=f"precision–recall at {100 * prev:.3g} %", xlabel="recall", ylabel="precision", ylim=(0, 1.05)
    )
    thresholds = np.linspace(0, 1, 101)
    cost.plot(thresholds, [_Point(y, p, t, prev, shown.cost).expected for t in thresholds], color=BLUE)
    cost.plot(shown.threshold, shown.expected, **mark)
    cost.set(title="cost per person, in false alarms", xlabel="threshold", ylim=(0, None))
    return figure
