"""Chapter 2's exercises: solutions against independent peers, and wrong answers in students' own words."""

import math

import numpy as np
import pytest
import scipy.signal
import scipy.special
from answers import SEEDS, split_unseeded
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import StandardScaler

from medtutor.exercises import classification, find, grade, names

NAMES = [name for name in names() if find(name).__module__ == classification.__name__]


# The usual student, in the student's own words


def test_standardising_in_place_is_right_but_for_the_changed_input():
    def standardise(train, test):
        mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
        std[std == 0] = 1
        train -= mean
        train /= std
        return train, (test - mean) / std

    assert "changes its input train" in grade(standardise).message


def test_standardising_with_a_little_added_to_the_deviation_passes():
    def standardise(train, test):
        mean, std = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2)) + 1e-7
        return (train - mean) / std, (test - mean) / std

    assert grade(standardise).state == "right"


def test_standardised_images_in_one_array_are_told_what_is_wanted():
    assert "Wanted: two arrays of images" in grade(lambda train, test: train, name="standardise").message


@pytest.mark.parametrize("guarded", [False, True])
def test_each_mistake_of_scale_is_named_whether_or_not_zero_is_guarded(guarded):
    def standardise(train, test):
        both = np.concatenate([train, test])
        mean, std = both.mean(axis=(0, 1, 2)), both.std(axis=(0, 1, 2))
        if guarded:
            std = np.where(std == 0, 1, std)
        return (train - mean) / std, (test - mean) / std

    assert grade(standardise).mistake == "standardise_pooled"


def test_sizes_as_floats_are_asked_for_ints():
    def layer_sizes(n, layers):
        return [float(size) for size in find("layer_sizes")(n, layers)]

    assert "whole numbers (int)" in grade(layer_sizes).message


def test_sizes_that_use_the_layers_up_are_told_so():
    def layer_sizes(n, layers):
        sizes = find("layer_sizes")(n, layers)
        layers.pop()
        return sizes

    assert "changes its input layers" in grade(layer_sizes).message


def test_padding_written_as_a_key_that_is_not_there_shows_its_line():
    def layer_sizes(n, layers):
        return [(n + 2 * layer["padding"] - layer["kernel"]) // layer["stride"] + 1 for layer in layers]

    message = grade(layer_sizes).message
    assert "KeyError: 'padding'" in message and 'layer["padding"]' in message


def test_half_sizes_are_recognised_although_some_come_out_whole():
    def layer_sizes(n, layers):
        sizes = []
        for layer in layers:
            n = (n + 2 * layer.get("padding", 0) - layer["kernel"]) / layer["stride"] + 1
            sizes.append(n)
        return sizes

    assert grade(layer_sizes).mistake == "layer_sizes_fraction"


def test_block_that_asks_whether_a_matrix_is_true_shows_its_line():
    def residual_block(x, w1, w2, project=None):
        if project:
            x = project @ x
        return np.maximum(w2 @ np.maximum(w1 @ x, 0) + x, 0)

    message = grade(residual_block).message
    assert "truth value" in message and "if project:" in message


def test_block_is_tried_without_a_project_and_with_a_matrix():
    seen = []

    def residual_block(x, w1, w2, project=None):
        seen.append(np.shape(project))
        return find("residual_block")(x, w1, w2, project)

    assert grade(residual_block).state == "right"
    assert {(), (3, 3), (4, 2)} <= set(seen)


@pytest.mark.parametrize("there, said", [(0, "sensitivity .* sick case"), (1, "specificity .* well case")])
def test_solution_names_the_class_that_is_missing(there, said):
    with pytest.raises(ValueError, match=f"^{said} .*y has none"):
        find("sensitivity_specificity")(np.full(4, there), np.array([0, 1, 1, 0]))


@pytest.mark.parametrize("error", [ZeroDivisionError, AssertionError])
def test_other_errors_for_a_missing_class_are_asked_for_a_value_error(error):
    def sensitivity_specificity(y, called):
        if len(set(y)) < 2:
            raise error
        return find("sensitivity_specificity")(y, called)

    message = grade(sensitivity_specificity).message
    assert f"raised {error.__name__}" in message and "raise ValueError" in message


def test_a_kind_of_value_error_of_ones_own_passes():
    class Missing(ValueError):
        pass

    def sensitivity_specificity(y, called):
        if len(set(y)) < 2:
            raise Missing
        return find("sensitivity_specificity")(y, called)

    assert grade(sensitivity_specificity).state == "right"


def test_predictive_values_are_recognised_although_a_missing_class_is_not_refused():
    def sensitivity_specificity(y, called):
        return np.mean(y[called == 1] == 1), np.mean(y[called == 0] == 0)

    assert grade(sensitivity_specificity).mistake == "sensitivity_specificity_predictive_values"


def test_split_drawn_without_the_seed_breaks_the_rule_of_the_seed():
    assert grade(split_unseeded, name="split_by_patient").message.startswith("The same seed must draw")


def test_split_of_the_first_patients_breaks_the_rule_of_other_seeds():
    def split_by_patient(patients, share, seed):
        everyone = np.unique(patients)
        return np.isin(patients, everyone[: round(share * len(everyone))])

    assert grade(split_by_patient).message.startswith("Another seed must draw other patients")


def test_split_that_draws_a_patient_twice_is_told_of_replace():
    def split_by_patient(patients, share, seed):
        everyone = np.unique(patients)
        chosen = np.random.default_rng(seed).choice(everyone, round(share * len(everyone)))
        return np.isin(patients, chosen)

    assert "replace=False" in grade(split_by_patient).message


def test_split_at_one_place_of_the_list_is_called_torn():
    def split_by_patient(patients, share, seed):
        return np.arange(len(patients)) < share * len(patients)

    assert grade(split_by_patient).mistake == "split_by_patient_torn"


@pytest.mark.parametrize("kind", [int, float, "uint8"])
def test_split_in_zeros_and_ones_is_asked_for_true_and_false(kind):
    def split_by_patient(patients, share, seed):
        return find("split_by_patient")(patients, share, seed).astype(kind)

    assert grade(split_by_patient).mistake == "split_by_patient_as_numbers"


@pytest.mark.parametrize("kind", [list, tuple])
def test_split_that_is_no_array_is_told_what_is_wanted(kind):
    def split_by_patient(patients, share, seed):
        return kind(find("split_by_patient")(patients, share, seed))

    assert "Wanted: one boolean array" in grade(split_by_patient).message


def test_the_layout_of_the_probes_is_the_one_that_answers_are_read_by():
    for inputs in find("split_by_patient").inputs():
        patients, first = np.unique(inputs["patients"], return_index=True)
        rank = {patient: i for i, patient in enumerate(inputs["patients"][np.sort(first)])}
        seen = [rank[patient] for patient in inputs["patients"]]
        assert seen == classification._PATIENTS[len(seen)].tolist()


@pytest.mark.parametrize("wrong", ["overflow in exp", "where evaluates both sides"])
def test_probabilities_that_warn_are_told_what_overflows(wrong):
    def temperature_scale(logits, T):
        z = logits / T
        if wrong == "overflow in exp":
            return 1 / (1 + np.exp(-z))
        return np.where(z > 0, 1 / (1 + np.exp(-z)), np.exp(z) / (1 + np.exp(z)))

    assert "must pass without a warning" in grade(temperature_scale).message


def test_probabilities_of_the_solution_come_without_a_warning():
    p = find("temperature_scale")(np.array([-1000.0, -1.0, 1000.0]), 0.5)  # a warning would be an error here
    assert p.tolist() == [0.0, pytest.approx(1 / (1 + math.exp(2))), 1.0]


def test_covering_the_given_image_itself_is_told_so():
    def occlude(image, row, column, size, value):
        image[:] = find("occlude")(image, row, column, size, value)
        return image

    assert "changes its input image" in grade(occlude).message


# Other right ways, which double as independent peers of the solutions


def _standardise_sklearn(train, test):
    scaler = StandardScaler().fit(train.reshape(-1, train.shape[-1]))
    return tuple(scaler.transform(x.reshape(-1, x.shape[-1])).reshape(x.shape) for x in (train, test))


def _standardise_channel_by_channel(train, test):
    train, test = train.astype(float), test.astype(float)
    for c in range(train.shape[-1]):
        values = train[..., c].ravel().tolist()
        mean = sum(values) / len(values)
        std = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) or 1
        train[..., c], test[..., c] = (train[..., c] - mean) / std, (test[..., c] - mean) / std
    return train, test


def _standardise_float32(train, test):
    return tuple(x.astype("float32") for x in find("standardise")(train, test))


def _sizes_by_counting(n, layers):
    sizes = []
    for layer in layers:
        padding = layer.get("padding", 0)
        starts = range(-padding, n + padding, layer["stride"])
        sizes.append(n := sum(start + layer["kernel"] <= n + padding for start in starts))
    return sizes


def _sizes_by_scipy(n, layers):
    sizes = []
    for layer in layers:
        x = np.pad(np.zeros(n), layer.get("padding", 0))
        y = scipy.signal.correlate(x, np.zeros(layer["kernel"]), mode="valid")[:: layer["stride"]]
        sizes.append(n := len(y))
    return np.array(sizes)


def _block_by_loops(x, w1, w2, project=None):
    inner = [max(sum(w * v for w, v in zip(row, x, strict=True)), 0) for row in w1]
    F = [sum(w * v for w, v in zip(row, inner, strict=True)) for row in w2]
    around = x if project is None else [sum(w * v for w, v in zip(row, x, strict=True)) for row in project]
    return np.array([max(a + b, 0) for a, b in zip(F, around, strict=True)])


def _block_as_one_matrix(x, w1, w2, project=None):
    """[w2, project] applied to the hidden and the shortcut's numbers side by side."""
    both = np.concatenate([(w1 @ x).clip(0), x])
    return (np.hstack([w2, np.eye(len(x)) if project is None else project]) @ both).clip(0)


def _shares_sklearn(y, called):
    if len(np.unique(y)) < 2:
        raise ValueError("one class is missing")
    return recall_score(y, called), recall_score(y, called, pos_label=0)


def _shares_by_counting(y, called):
    sick = [c for truth, c in zip(y, called, strict=True) if truth]
    well = [c for truth, c in zip(y, called, strict=True) if not truth]
    if not sick or not well:
        raise ValueError("nobody is sick, or nobody well")
    return [sum(sick) / len(sick), well.count(0) / len(well)]


def _ppv_in_ten_million_people(sensitivity, specificity, prevalence):
    sick = 1e7 * prevalence
    found, alarmed = sensitivity * sick, (1e7 - sick) * (1 - specificity)
    return found / (found + alarmed)


def _ppv_by_odds(sensitivity, specificity, prevalence):
    if specificity == 1:
        return 1
    odds = prevalence / (1 - prevalence) * sensitivity / (1 - specificity)
    return odds / (1 + odds)


def _split_sklearn(patients, share, seed):
    number = round(share * len(np.unique(patients)))
    split = GroupShuffleSplit(n_splits=1, test_size=number, random_state=seed)
    _, test = next(split.split(patients, groups=patients))
    return np.isin(np.arange(len(patients)), test)


def _split_shuffled(patients, share, seed):
    everyone = sorted(set(patients.tolist()))
    np.random.RandomState(seed).shuffle(everyone)
    return np.array([p in everyone[: round(share * len(everyone))] for p in patients])


def _temperature_scipy(logits, T):
    return scipy.special.expit(logits / T)


def _temperature_tanh(logits, T):
    return (1 + np.tanh(logits / T / 2)) / 2


def _temperature_logaddexp(logits, T):
    return np.exp(-np.logaddexp(0, -logits / T))


def _temperature_two_masks(logits, T):
    p = np.zeros(len(logits))
    high = logits >= 0
    p[high] = 1 / (1 + np.exp(-logits[high] / T))
    p[~high] = np.exp(logits[~high] / T) / (1 + np.exp(logits[~high] / T))
    return p


def _weights_by_loops(gradients):
    h, w, channels = gradients.shape
    return np.array(
        [sum(gradients[i, j, k] for i in range(h) for j in range(w)) / (h * w) for k in range(channels)]
    )


def _weights_reshaped(gradients):
    return gradients.reshape(-1, gradients.shape[2]).T @ np.full(
        gradients[..., 0].size, 1 / gradients[..., 0].size
    )


def _map_matmul(maps, weights):
    return (maps @ weights).clip(0)


def _map_by_loops(maps, weights):
    h, w, channels = maps.shape
    cam = np.zeros((h, w))
    for i, j in np.ndindex(h, w):
        cam[i, j] = max(0, sum(weights[k] * maps[i, j, k] for k in range(channels)))
    return cam


def _occlude_pixel_by_pixel(image, row, column, size, value):
    y = np.array(image)
    for i, j in np.ndindex(image.shape[:2]):
        if row <= i < row + size and column <= j < column + size:
            y[i, j] = value
    return y


def _occlude_on_a_larger_canvas(image, row, column, size, value):
    """With so much room on each side that no square is cut, and the room taken away again."""
    room = 20
    y = np.pad(image, ((room, room), (room, room), (0, 0)))
    y[room + row : room + row + size, room + column : room + column + size] = value
    return y[room:-room, room:-room]


ALTERNATIVES = {
    "standardise": [_standardise_sklearn, _standardise_channel_by_channel, _standardise_float32],
    "layer_sizes": [_sizes_by_counting, _sizes_by_scipy],
    "residual_block": [_block_by_loops, _block_as_one_matrix],
    "sensitivity_specificity": [_shares_sklearn, _shares_by_counting],
    "ppv": [_ppv_in_ten_million_people, _ppv_by_odds],
    "split_by_patient": [_split_sklearn, _split_shuffled],
    "temperature_scale": [
        _temperature_scipy,
        _temperature_tanh,
        _temperature_logaddexp,
        _temperature_two_masks,
    ],
    "grad_cam_weights": [_weights_by_loops, _weights_reshaped],
    "grad_cam_map": [_map_matmul, _map_by_loops],
    "occlude": [_occlude_pixel_by_pixel, _occlude_on_a_larger_canvas],
}


@pytest.mark.parametrize("name, other", [(n, o) for n, others in ALTERNATIVES.items() for o in others])
@pytest.mark.parametrize("seed", SEEDS)
def test_other_right_ways_pass(name, other, seed):
    assert str(grade(other, name=name, seed=seed)).startswith(f"✓ {name}: right.")


def test_every_exercise_has_another_right_way():
    assert set(ALTERNATIVES) == set(NAMES)


def test_alexnet_has_the_sizes_of_its_paper():
    pool = {"kernel": 3, "stride": 2}
    layers = [
        {"kernel": 11, "stride": 4, "padding": 2},
        pool,
        {"kernel": 5, "stride": 1, "padding": 2},
        pool,
        *[{"kernel": 3, "stride": 1, "padding": 1}] * 3,
        pool,
    ]
    assert find("layer_sizes")(224, layers) == [55, 27, 27, 13, 13, 13, 13, 6]


def test_ppv_at_two_per_cent_is_as_its_last_sentence_says():
    assert "five in six" in find("ppv").right
    assert find("ppv")(0.9, 0.9, 0.02) < 1 / 6
