"""Chapter 1's exercises: solutions against independent peers, and wrong answers in students' own words."""

import itertools

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
from answers import SEEDS

from medtutor.exercises import convolution, find, grade, names

NAMES = [name for name in names() if find(name).__module__ == convolution.__name__]


@pytest.mark.parametrize("name", ["window", "correlate", "edge_strength", "remove_baseline", "transposed"])
def test_answers_cut_to_whole_numbers_are_named(name):
    def cut(*args, **options):
        return find(name)(*args, **options).astype(int)

    assert "whole numbers only" in grade(cut, name=name).message


# The usual student, in the student's own words


def test_square_kernel_indexed_the_wrong_way_round_is_recognised():
    def correlate(x, w, b=0.0):
        y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))
        for i, j in np.ndindex(y.shape):
            for m, n in np.ndindex(w.shape):
                y[i, j] += w[n, m] * x[i + m, j + n]
        return y + b

    assert grade(correlate).mistake == "correlate_transposed"


def test_integer_array_filled_with_fractions_is_recognised():
    def correlate(x, w, b=0.0):
        y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1), dtype=x.dtype)
        for i, j in np.ndindex(y.shape):
            y[i, j] = (w * x[i : i + w.shape[0], j : j + w.shape[1]]).sum() + b
        return y

    assert "whole numbers only" in grade(correlate).message


def test_loop_that_runs_over_the_edge_shows_its_line():
    def correlate(x, w, b=0.0):
        y = np.zeros(x.shape)
        for i, j in np.ndindex(x.shape):
            for m, n in np.ndindex(w.shape):
                y[i, j] += w[m, n] * x[i + m, j + n]
        return y + b

    message = grade(correlate).message
    assert "IndexError" in message
    assert "y[i, j] += w[m, n] * x[i + m, j + n]" in message


def test_return_inside_the_loop_is_recognised():
    def correlate(x, w, b=0.0):
        y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1))
        for i in range(y.shape[0]):
            for j in range(y.shape[1]):
                y[i, j] = np.sum(w * x[i : i + w.shape[0], j : j + w.shape[1]]) + b
            return y

    assert grade(correlate).message.startswith("All values from [1, 0] on are 0. Is `return` inside a loop?")


def test_patterns_in_wrong_values_are_named():
    def wrong_border(x):
        g = find("edge_strength")(x)
        g[[0, -1]] = g[:, [0, -1]] = 99
        return g

    def turned(x):
        return find("edge_strength")(x).T

    assert "The inside is right, the border is not." in grade(wrong_border, name="edge_strength").message
    assert "Have rows and columns changed places?" in grade(turned, name="edge_strength").message


def test_two_mistakes_at_once_are_not_taken_for_a_third():
    def output_size(n, k, stride=1, padding=0, dilation=1):
        return (n + 2 * padding - k) // stride

    assert grade(output_size).mistake == ""


def test_another_default_in_the_first_line_is_noticed():
    def transposed(x, w, stride=2):
        return _transposed_scipy(x, w, stride)

    assert grade(transposed).state == "wrong"


def test_slice_that_fails_without_padding_is_recognised():
    def pad(x, p):
        y = np.zeros((x.shape[0] + 2 * p, x.shape[1] + 2 * p))
        y[p:-p, p:-p] = x
        return y

    verdict = grade(pad)
    assert verdict.mistake == "pad_fails_at_zero"
    assert "raised ValueError" in verdict.message


def test_splitting_what_cannot_be_split_is_asked_for_a_value_error():
    def separate(w):
        u, s, v = np.linalg.svd(w)
        return u[:, 0] * s[0], v[0]

    assert "Raise ValueError here." in grade(separate).message


def test_splitting_with_another_exception_is_asked_for_a_value_error():
    def separate(w):
        u, s, v = np.linalg.svd(w)
        if s[1] > 1e-6 * s[0]:
            raise RuntimeError("rank 2")
        return u[:, 0] * s[0], v[0]

    message = grade(separate).message
    assert "raised RuntimeError: rank 2" in message and "raise ValueError" in message


def test_splitting_into_three_things_is_told_what_is_wanted():
    assert "Wanted: two arrays" in grade(np.linalg.svd, name="separate").message


def test_half_a_width_in_whole_numbers_is_called_rounding():
    def window(hounsfield, level, width):
        return np.clip((hounsfield - level + width // 2) / width, 0, 1)

    assert "rounded" in grade(window).message


# Other right ways, which double as independent peers of the solutions


def _window_interp(hounsfield, level, width):
    return np.interp(hounsfield, [level - width / 2, level + width / 2], [0, 1])


def _correlate_scipy(x, w, b=0.0):
    return scipy.signal.correlate2d(x, w, mode="valid") + b


def _correlate_fft(x, w, b=0.0):
    return scipy.signal.fftconvolve(x, w[::-1, ::-1], mode="valid") + b


def _correlate_strides(x, w, b=0.0):
    patches = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.tensordot(patches, w, 2) + b


def _correlate_float32(x, w, b=0.0):
    x, w = x.astype("float32"), w.astype("float32")
    y = np.zeros((x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1), "float32")
    for m, n in np.ndindex(w.shape):
        y += w[m, n] * x[m : m + y.shape[0], n : n + y.shape[1]]
    return y + np.float32(b)


def _size_by_counting(n, k, stride=1, padding=0, dilation=1):
    touched = [range(at, at + dilation * k, dilation) for at in range(-padding, n + padding, stride)]
    return sum(places[-1] < n + padding for places in touched)


def _pad_numpy(x, p):
    return np.pad(x, p)


def _pad_concatenated(x, p):
    x = np.concatenate([np.zeros((p, x.shape[1])), x, np.zeros((p, x.shape[1]))])
    return np.concatenate([np.zeros((len(x), p)), x, np.zeros((len(x), p))], axis=1)


def _weights_by_building_them(kernel, channels_in, channels_out):
    return np.zeros((*kernel, channels_in, channels_out)).size + np.zeros(channels_out).size


def _edges_scipy(x):
    return np.hypot(*(scipy.ndimage.sobel(x, axis=axis, mode="nearest") for axis in (0, 1)))


def _pool_scipy(x, size):
    whole = x[: x.shape[0] // size * size, : x.shape[1] // size * size]
    at = slice(size // 2, None, size)
    return scipy.ndimage.maximum_filter(whole, size, mode="constant", cval=-np.inf)[at, at]


def _pool_reshaped(x, size):
    rows, columns = x.shape[0] // size, x.shape[1] // size
    return x[: rows * size, : columns * size].reshape(rows, size, columns, size).max(axis=(1, 3))


def _field_by_tracing(layers):
    """Which input positions reach output 0, layer by layer from the last to the first."""
    seen = {0}
    for kernel, stride in reversed(layers):
        seen = {at * stride + m for at in seen for m in range(kernel)}
    return max(seen) - min(seen) + 1


def _baseline_scipy(x, width):
    return x - scipy.ndimage.uniform_filter1d(x, width, mode="mirror")


def _baseline_loop(x, width):
    half, last = width // 2, len(x) - 1
    answer = []
    for t in range(len(x)):
        around = [abs(s) if s <= last else 2 * last - s for s in range(t - half, t + half + 1)]
        answer.append(x[t] - sum(x[s] for s in around) / width)
    return np.array(answer)


def _gradient_by_differences(x, dy):
    """dw by shaking each weight of a kernel: the loss sum(dy * y) is linear in w, so one step is exact."""
    shape = x.shape[0] - dy.shape[0] + 1, x.shape[1] - dy.shape[1] + 1
    dw = np.zeros(shape)
    for m, n in itertools.product(*map(range, shape)):
        w = np.zeros(shape)
        w[m, n] = 1
        dw[m, n] = np.sum(dy * scipy.signal.correlate2d(x, w, mode="valid"))
    return dw


def _transposed_scipy(x, w, stride=1):
    spread = np.zeros([(n - 1) * stride + 1 for n in x.shape])
    spread[::stride, ::stride] = x
    return scipy.signal.convolve2d(spread, w)


def _transposed_matrix(x, w, stride=1):
    """The transpose of the matrix of a strided correlation."""
    shape = [(n - 1) * stride + k for n, k in zip(x.shape, w.shape, strict=True)]
    columns = []
    for at in np.ndindex(*shape):
        one = np.zeros(shape)
        one[at] = 1
        columns.append(scipy.signal.correlate2d(one, w, mode="valid")[::stride, ::stride].ravel())
    return (np.array(columns) @ x.ravel()).reshape(shape)


def _separate_svd(w):
    u, s, v = np.linalg.svd(w)
    if s[1] > 1e-9 * s[0]:
        raise ValueError("rank 2 or more")
    return -u[:, 0] * np.sqrt(s[0]), -v[0] * np.sqrt(s[0])


def _separate_as_matrices(w):
    column, row = _separate_svd(w)
    return [column[:, None], row[None, :]]


ALTERNATIVES = {
    "window": [_window_interp],
    "correlate": [_correlate_scipy, _correlate_fft, _correlate_strides, _correlate_float32],
    "output_size": [_size_by_counting],
    "pad": [_pad_numpy, _pad_concatenated],
    "count_weights": [_weights_by_building_them],
    "edge_strength": [_edges_scipy],
    "max_pool": [_pool_scipy, _pool_reshaped],
    "receptive_field": [_field_by_tracing],
    "remove_baseline": [_baseline_scipy, _baseline_loop],
    "gradient_w": [_gradient_by_differences],
    "transposed": [_transposed_scipy, _transposed_matrix],
    "separate": [_separate_svd, _separate_as_matrices],
}


@pytest.mark.parametrize("name, other", [(n, o) for n, others in ALTERNATIVES.items() for o in others])
@pytest.mark.parametrize("seed", SEEDS)
def test_other_right_ways_pass(name, other, seed):
    assert str(grade(other, name=name, seed=seed)).startswith(f"✓ {name}: right.")


def test_every_exercise_has_another_right_way():
    assert set(ALTERNATIVES) == set(NAMES)
