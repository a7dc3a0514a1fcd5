"""Chapter 4's exercises: solutions against independent peers, and wrong answers in students' own words."""

import numpy as np
import pytest
import scipy.signal
import scipy.special
import scipy.stats
from answers import SEEDS
from scipy.spatial import KDTree

from medtutor import pictures
from medtutor.exercises import find, gan_augmentation, grade, names

NAMES = [name for name in names() if find(name).__module__ == gan_augmentation.__name__]


# The usual student, in the student's own words


def test_d_with_a_small_number_below_is_told_that_nothing_is_known_there():
    def best_discriminator(p_data, p_model):
        return p_data / (p_data + p_model + 1e-9)

    assert grade(best_discriminator).mistake == "best_discriminator_0_for_nothing"


def test_d_without_a_thought_of_empty_places_is_told_of_them():
    def best_discriminator(p_data, p_model):
        return p_data / (p_data + p_model)

    assert grade(best_discriminator).mistake == "best_discriminator_nan"


def test_minimax_loss_written_out_is_recognised():
    def generator_loss(logits):
        p = 1 / (1 + np.exp(-logits))
        return np.mean(np.log(1 - p))

    assert grade(generator_loss).mistake == "generator_loss_minimax"


def test_cross_entropy_against_the_label_drawn_is_what_d_pays():
    def generator_loss(logits):
        p, y = 1 / (1 + np.exp(-logits)), 0
        return -np.mean(y * np.log(p + 1e-300) + (1 - y) * np.log(1 - p))

    assert grade(generator_loss).mistake == "generator_loss_of_d"


def test_loss_with_a_small_number_in_its_logarithm_is_told_of_the_slope():
    def generator_loss(logits):
        return np.mean(-np.log(1 / (1 + np.exp(-logits)) + 1e-8))

    assert grade(generator_loss).mistake == "generator_loss_bounded"


def test_gradient_of_the_sum_is_recognised():
    def generator_gradient(logits):
        return -np.exp(-logits) / (1 + np.exp(-logits))

    assert grade(generator_gradient).mistake == "generator_gradient_not_divided"


def test_size_divided_with_one_stroke_is_asked_for_an_int():
    def transposed_size(n, kernel, stride=1, padding=0):
        return (n - 1) * stride + kernel - 2 * padding / 1

    assert "int" in grade(transposed_size).message


def test_leak_looked_for_in_measurements_is_told_that_measuring_is_allowed():
    def find_the_leak(step):
        for i, (_, uses) in enumerate(step):
            if "x_test" in uses:
                return i
        return -1

    assert grade(find_the_leak).mistake == "find_the_leak_first_use"


def test_leak_named_and_not_numbered_is_asked_for_a_number():
    def find_the_leak(step):
        return step[0][0]

    assert "Wanted: one number" in grade(find_the_leak).message


def test_penalty_by_numbers_at_the_drawn_pictures_is_recognised():
    def r1_penalty(w, b, real, fake, gamma=1.0):
        def d(x):
            return np.maximum(x @ w + b, 0.2 * (x @ w + b))

        steps = 1e-5 * np.eye(len(w))
        slopes = np.stack([(d(fake + step) - d(fake - step)) / 2e-5 for step in steps], 1)
        return gamma / 2 * np.mean(np.sum(slopes**2, 1))

    assert grade(r1_penalty).mistake == "r1_penalty_on_fakes"


def test_average_that_is_changed_in_place_is_told_to_work_on_a_copy():
    def ema(average, weights, decay):
        for new in weights:
            average *= decay
            average += (1 - decay) * new
        return average

    assert "changes its input average" in grade(ema).message


def test_tensorflow_s_way_to_write_an_average_passes():
    def ema(average, weights, decay):
        for new in weights:
            average = average - (1 - decay) * (average - new)
        return average

    assert grade(ema).state == "right"


def test_ratio_of_means_by_loops_is_recognised():
    def memorisation_ratio(drawn, train, fresh):
        def nearest(x, real):
            return min(np.sqrt(np.sum((x - y) ** 2)) for y in real)

        return np.mean([nearest(x, train) for x in drawn]) / np.mean([nearest(x, fresh) for x in drawn])

    assert grade(memorisation_ratio).mistake == "memorisation_ratio_of_means"


def test_interval_with_numpy_s_usual_standard_deviation_is_told_of_n_minus_1():
    def paired_interval(a, b, t):
        d = a - b
        error = d.std() / len(d) ** 0.5
        return np.array([d.mean(), d.mean() - t * error, d.mean() + t * error])

    assert grade(paired_interval).mistake == "paired_interval_divided_by_n"


def test_two_numbers_are_asked_for_three():
    def paired_interval(a, b, t):
        d = a - b
        return d.mean(), t * d.std(ddof=1) / len(d) ** 0.5

    assert "Wanted: an array of three numbers" in grade(paired_interval).message


def test_planes_of_the_right_size_with_a_single_row_filled_are_not_right():
    def label_planes(labels, h, w, classes):
        planes = np.zeros((len(labels), h, w, classes))
        for i, label in enumerate(labels):
            planes[i, 0, :, label] = 1
        return planes

    assert grade(label_planes).state == "wrong"


def test_the_nearest_ratio_of_pictures_is_the_exercise_s():
    rng = np.random.default_rng(0)
    sets = rng.normal(size=(3, 6, 4))
    assert find("memorisation_ratio")(*sets) == pytest.approx(pictures.nearest_ratio(*sets))


# Other right ways, which double as independent peers of the solutions


def _d_by_a_sigmoid(p_data, p_model):
    with np.errstate(divide="ignore", invalid="ignore"):
        logit = np.log(p_data) - np.log(p_model)
    return scipy.special.expit(np.nan_to_num(logit, nan=0.0))


def _d_by_counting(p_data, p_model):
    """Out of 2,000 pictures shown, place by place."""
    answer = []
    for real, drawn in zip((1000 * p_data).tolist(), (1000 * p_model).tolist(), strict=True):
        answer.append(0.5 if real + drawn == 0 else real / (real + drawn))
    return np.array(answer)


def _loss_by_scipy(logits):
    return -np.mean(scipy.special.log_expit(logits))


def _loss_by_cases(logits):
    parts = [np.log1p(np.exp(-a)) if a > 0 else -a + np.log1p(np.exp(a)) for a in logits]
    return sum(parts) / len(parts)


def _gradient_by_differences(logits):
    h = 1e-5
    steps = h * np.eye(len(logits))
    return np.array([(_loss_by_scipy(logits + s) - _loss_by_scipy(logits - s)) / (2 * h) for s in steps])


def _gradient_by_scipy(logits):
    return -scipy.special.expit(-logits) / len(logits)


def _size_by_writing(n, kernel, stride=1, padding=0):
    """Writes every kernel into a long column, and counts the rows that are left."""
    rows = {i * stride + j for i in range(n) for j in range(kernel)}
    return max(rows) + 1 - padding - padding


def _size_by_upsampling(n, kernel, stride=1, padding=0):
    """Puts zeros between the inputs, and lets numpy convolve in full."""
    spread = np.zeros((n - 1) * stride + 1)
    spread[::stride] = 1
    return len(np.convolve(spread, np.ones(kernel))) - 2 * padding


def _leak_from_the_updates_back(step):
    """From each update back along what it uses, to a line that uses x_test itself."""
    line_of = {result: i for i, (result, _) in enumerate(step)}
    todo = [name for name in line_of if name.startswith("update")]
    while todo:
        line = line_of[todo.pop()]
        if "x_test" in step[line][1]:
            return line
        todo += [name for name in step[line][1] if name in line_of]
    return -1


def _leak_by_leaving_out(step):
    """The line whose loss of x_test makes a step clean, where reachability is a matrix power."""
    names = ["x_test", *(result for result, _ in step)]

    def learns(lines):
        joined = np.array([[a in dict(lines).get(b, []) for b in names] for a in names], int)
        paths = sum(np.linalg.matrix_power(joined, power) for power in range(1, len(names)))
        return any(paths[0, i] for i, name in enumerate(names) if name.startswith("update"))

    for i, (result, uses) in enumerate(step):
        kept = [use for use in uses if use != "x_test"]
        if learns(step) and not learns([*step[:i], (result, kept), *step[i + 1 :]]):
            return i
    return -1


def _r1_by_differences(w, b, real, fake, gamma=1.0):
    def d(x):
        a = sum(weight * pixel for weight, pixel in zip(w, x, strict=True)) + b
        return a if a > 0 else 0.2 * a

    h, squares = 1e-5, []
    for x in real:
        steps = h * np.eye(len(x))
        squares.append(sum(((d(x + step) - d(x - step)) / (2 * h)) ** 2 for step in steps))
    return gamma * np.mean(squares) / 2


def _r1_by_shares(w, b, real, fake, gamma=1.0):
    above = np.mean(real @ w > -b)
    return gamma * (above + 0.04 * (1 - above)) * (w @ w) / 2


def _ema_by_powers(average, weights, decay):
    t = len(weights)
    shares = (1 - decay) * decay ** np.arange(t - 1, -1, -1)
    return decay**t * average + shares @ weights


def _ema_by_a_filter(average, weights, decay):
    return scipy.signal.lfilter([1 - decay], [1, -decay], weights, axis=0, zi=decay * average[None])[0][-1]


def _ratio_by_a_tree(drawn, train, fresh):
    return np.median(KDTree(train).query(drawn)[0]) / np.median(KDTree(fresh).query(drawn)[0])


def _interval_by_scipy(a, b, t):
    found = scipy.stats.ttest_rel(a, b)
    level = 1 - 2 * scipy.stats.t.sf(t, len(a) - 1)
    low, high = found.confidence_interval(level)
    return [(low + high) / 2, low, high]


def _interval_by_the_variances(a, b, t):
    """Var(a - b) = Var a + Var b - 2 Cov(a, b)."""
    spread = np.cov(a, b)
    half = t * ((spread[0, 0] + spread[1, 1] - 2 * spread[0, 1]) / len(a)) ** 0.5
    gain = a.mean() - b.mean()
    return gain, gain - half, gain + half


def _planes_by_a_loop(labels, h, w, classes):
    planes = np.zeros((len(labels), h, w, classes), int)
    for picture, label in enumerate(labels):
        planes[picture, :, :, label] = 1
    return planes


def _planes_by_equality(labels, h, w, classes):
    asked = labels[:, None] == np.arange(classes)
    return np.broadcast_to(asked[:, None, None], (len(labels), h, w, classes)).astype("float32")


ALTERNATIVES = {
    "best_discriminator": [_d_by_a_sigmoid, _d_by_counting],
    "generator_loss": [_loss_by_scipy, _loss_by_cases],
    "generator_gradient": [_gradient_by_differences, _gradient_by_scipy],
    "transposed_size": [_size_by_writing, _size_by_upsampling],
    "find_the_leak": [_leak_from_the_updates_back, _leak_by_leaving_out],
    "r1_penalty": [_r1_by_differences, _r1_by_shares],
    "ema": [_ema_by_powers, _ema_by_a_filter],
    "memorisation_ratio": [_ratio_by_a_tree],
    "paired_interval": [_interval_by_scipy, _interval_by_the_variances],
    "label_planes": [_planes_by_a_loop, _planes_by_equality],
}


@pytest.mark.parametrize("name, other", [(n, o) for n, others in ALTERNATIVES.items() for o in others])
@pytest.mark.parametrize("seed", SEEDS)
def test_other_right_ways_pass(name, other, seed):
    assert str(grade(other, name=name, seed=seed)).startswith(f"✓ {name}: right.")


def test_every_exercise_has_another_right_way():
    assert set(ALTERNATIVES) == set(NAMES)
