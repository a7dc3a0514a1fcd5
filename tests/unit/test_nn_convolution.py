"""Chapter 1's functions against enumeration, scipy and numerical gradients, on images that are not square."""

import itertools

import numpy as np
import pytest
from scipy import signal

from medtutor.nn.convolution import (
    conv2d,
    conv_layer,
    correlate,
    fourier,
    gradients,
    im2col,
    shifted_sums,
    transposed_conv2d,
)

SHAPES = [
    ((5, 7), (2, 3)),
    ((6, 4), (3, 1)),
    ((4, 4), (4, 4)),
    ((3, 5), (1, 1)),
    ((7, 6), (4, 3)),
    ((1, 9), (1, 4)),
]
SETTINGS = list(itertools.product((1, 2, 3), (0, 1, 2), (1, 2, 3)))  # stride, padding, dilation


def whole(seed, *shape):
    """Random whole numbers, read-only: sums are exact and no function may write into what it is given."""
    numbers = np.random.default_rng(seed).integers(-9, 10, shape).astype(float)
    numbers.flags.writeable = False
    return numbers


def starts(n, k, stride, padding, dilation):
    """Where a kernel of k can start on n pixels, by trying every place from the first padded one."""
    return [t for t in range(-padding, n + padding, stride) if t + dilation * (k - 1) < n + padding]


def pixel(x, row, column):
    """A pixel of x, 0 outside."""
    return x[row, column] if 0 <= row < x.shape[0] and 0 <= column < x.shape[1] else 0.0


def one_at(at, shape):
    """Zeros with a single 1."""
    numbers = np.zeros(shape)
    numbers[at] = 1.0
    return numbers


def summed_by_hand(x, w, b=0.0, stride=1, padding=0, dilation=1):
    """Every product looked up and added, one at a time."""
    rows, columns = (starts(n, k, stride, padding, dilation) for n, k in zip(x.shape, w.shape, strict=True))
    return np.array(
        [
            [
                b
                + sum(
                    w[m, n] * pixel(x, i + dilation * m, j + dilation * n)
                    for m in range(w.shape[0])
                    for n in range(w.shape[1])
                )
                for j in columns
            ]
            for i in rows
        ]
    )


# Cross-correlation


@pytest.mark.parametrize("image, kernel", SHAPES)
def test_correlate_is_the_sum_of_all_products_plus_bias(image, kernel):
    x, w = whole(1, *image), whole(2, *kernel)
    np.testing.assert_array_equal(correlate(x, w, 1.5), summed_by_hand(x, w, 1.5))
    np.testing.assert_array_equal(correlate(x, w), signal.correlate2d(x, w, mode="valid"))


def test_correlate_on_four_numbers_is_what_one_counts():
    x, w = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 10], [100, 1000]])
    assert correlate(x, w).tolist() == [[1 + 20 + 400 + 5000, 2 + 30 + 500 + 6000]]


def test_true_convolution_is_correlation_with_the_kernel_turned():
    x, w = whole(1, 5, 7), whole(2, 2, 3)
    np.testing.assert_array_equal(correlate(x, w[::-1, ::-1]), signal.convolve2d(x, w, mode="valid"))


# Stride, padding, dilation


@pytest.mark.parametrize("stride, padding, dilation", SETTINGS)
@pytest.mark.parametrize("image, kernel", [((7, 9), (2, 3)), ((8, 5), (3, 2)), ((5, 6), (1, 2))])
def test_conv2d_is_the_sum_at_every_place_where_the_kernel_fits(image, kernel, stride, padding, dilation):
    x, w = whole(3, *image), whole(4, *kernel)
    y = conv2d(x, w, 0.5, stride=stride, padding=padding, dilation=dilation)
    np.testing.assert_array_equal(y, summed_by_hand(x, w, 0.5, stride, padding, dilation))


@pytest.mark.parametrize("n, k", list(itertools.product((5, 6, 9), (1, 2, 3, 5))))
def test_size_of_conv2d_is_the_number_of_places(n, k):
    for stride, padding, dilation in SETTINGS:
        places = len(starts(n, k, stride, padding, dilation))
        if places:
            y = conv2d(np.ones((n, 8)), np.ones((k, 2)), stride=stride, padding=padding, dilation=dilation)
            assert y.shape[0] == places
        else:
            with pytest.raises(ValueError, match="does not fit"):
                conv2d(np.ones((n, 8)), np.ones((k, 2)), stride=stride, padding=padding, dilation=dilation)


def test_kernel_that_does_not_fit_is_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"\(3, 2\) kernel with dilation 4.*padded \(8, 9\)"):
        conv2d(np.ones((6, 7)), np.ones((3, 2)), padding=1, dilation=4)


def test_stride_keeps_every_second_output_of_stride_one():
    x, w = whole(5, 9, 8), whole(6, 3, 2)
    np.testing.assert_array_equal(conv2d(x, w, stride=2), conv2d(x, w)[::2, ::2])


# Layers


def test_layer_sums_channels_and_gives_each_filter_its_bias():
    x, w, b = whole(7, 5, 6, 2), whole(8, 2, 3, 2, 4), whole(9, 4)
    patches = np.lib.stride_tricks.sliding_window_view(x, (2, 3), axis=(0, 1))
    np.testing.assert_array_equal(conv_layer(x, w, b), np.einsum("ijcmn,mncf->ijf", patches, w) + b)


def test_layer_of_one_channel_and_filter_is_correlate():
    x, w = whole(7, 5, 6), whole(8, 2, 3)
    y = conv_layer(x[:, :, None], w[:, :, None, None], np.array([2.0]))
    np.testing.assert_array_equal(y[:, :, 0], correlate(x, w, 2.0))


# Transposed convolution


def test_one_pixel_paints_one_kernel_where_its_stride_says():
    x, w = np.zeros((3, 4)), whole(10, 2, 3)
    x[1, 2] = 3
    for stride in (1, 2, 3):
        y = transposed_conv2d(x, w, stride)
        assert y.shape == (stride * 2 + 2, stride * 3 + 3)
        np.testing.assert_array_equal(y[stride : stride + 2, 2 * stride : 2 * stride + 3], 3 * w)
        assert np.count_nonzero(y) == np.count_nonzero(w)


def test_where_copies_of_the_kernel_overlap_they_add():
    assert transposed_conv2d(np.ones((1, 3)), np.ones((1, 3)), 2).tolist() == [[1, 1, 2, 1, 2, 1, 1]]


@pytest.mark.parametrize("stride", (1, 2, 3))
def test_transposed_convolution_is_the_transpose_of_the_convolution(stride):
    w = whole(11, 3, 2)
    x = whole(12, 3 + 2 * stride, 2 + 3 * stride)
    y = whole(13, 3, 4)
    assert (conv2d(x, w, stride=stride) * y).sum() == (x * transposed_conv2d(y, w, stride)).sum()


def test_transposed_convolution_of_stride_one_is_full_convolution():
    x, w = whole(14, 4, 5), whole(15, 2, 3)
    np.testing.assert_array_equal(transposed_conv2d(x, w), signal.convolve2d(x, w, mode="full"))


# Gradients


def test_gradients_are_the_slopes_of_the_loss():
    x, w, b, target = whole(16, 5, 6), whole(17, 2, 3), 0.5, whole(18, 4, 4)

    def loss(x, w, b):
        return ((correlate(x, w, b) - target) ** 2).sum() / 2

    dx, dw, db = gradients(x, w, correlate(x, w, b) - target)

    # The loss is a parabola along each axis, so that a central difference is its slope, however wide.
    for at in np.ndindex(x.shape):
        step = one_at(at, x.shape)
        assert dx[at] == (loss(x + step, w, b) - loss(x - step, w, b)) / 2
    for at in np.ndindex(w.shape):
        step = one_at(at, w.shape)
        assert dw[at] == (loss(x, w + step, b) - loss(x, w - step, b)) / 2
    assert db == (loss(x, w, b + 1) - loss(x, w, b - 1)) / 2


# Four ways to compute it


@pytest.mark.parametrize("image, kernel", SHAPES)
@pytest.mark.parametrize("route", (shifted_sums, im2col, fourier))
def test_every_route_leads_to_the_same_numbers(route, image, kernel):
    x, w = whole(19, *image), whole(20, *kernel)
    y = route(x, w)
    assert y.shape == (image[0] - kernel[0] + 1, image[1] - kernel[1] + 1)
    np.testing.assert_allclose(y, signal.correlate2d(x, w, mode="valid"), rtol=0, atol=1e-9)
