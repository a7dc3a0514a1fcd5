"""Convolution as chapter 1 builds it, in numpy and in the letters of its formulas.

Source of the operations: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016,
doi:10.48550/arXiv.1603.07285.
"""

import numpy as np


def correlate(x, w, b=0.0):
    """Cross-correlation: y[i, j] = sum over m, n of w[m, n] * x[i + m, j + n], plus b.

    x (H, W), w (M, N), b a number  ->  y (H - M + 1, W - N + 1)
    """
    M, N = w.shape
    y = np.zeros((x.shape[0] - M + 1, x.shape[1] - N + 1))
    for i, j in np.ndindex(y.shape):
        y[i, j] = (w * x[i : i + M, j : j + N]).sum() + b
    return y


def conv2d(x, w, b=0.0, stride=1, padding=0, dilation=1):
    """Cross-correlation of a padded x, every s pixels, with a kernel spread by d.

    x (H, W), w (M, N)  ->  y, each side (n + 2p - d(k - 1) - 1) // s + 1
    ValueError where the kernel fits nowhere
    """
    s, p, d = stride, padding, dilation
    x = np.pad(x, p)
    rows, cols = [(n - d * (k - 1) - 1) // s + 1 for n, k in zip(x.shape, w.shape, strict=True)]
    if min(rows, cols) < 1:
        raise ValueError(f"a {w.shape} kernel with dilation {d} does not fit into the padded {x.shape}")
    y = np.zeros((rows, cols))
    for i, j in np.ndindex(y.shape):
        patch = x[s * i : s * i + d * w.shape[0] : d, s * j : s * j + d * w.shape[1] : d]
        y[i, j] = (w * patch).sum() + b
    return y


def conv_layer(x, w, b):
    """A layer: y[i, j, f] = sum over m, n, c of w[m, n, c, f] * x[i+m, j+n, c], plus b[f].

    x (H, W, C), w (M, N, C, F), b (F,)  ->  y (H - M + 1, W - N + 1, F)
    """
    M, N, C, F = w.shape
    y = np.zeros((x.shape[0] - M + 1, x.shape[1] - N + 1, F))
    for f in range(F):
        y[:, :, f] = sum(correlate(x[:, :, c], w[:, :, c, f]) for c in range(C)) + b[f]
    return y


def transposed_conv2d(x, w, stride=1):
    """Each input pixel paints the kernel: y[s i + m, s j + n] += x[i, j] * w[m, n].

    x (H, W), w (M, N)  ->  y (s (H - 1) + M, s (W - 1) + N)
    """
    s, (M, N) = stride, w.shape
    y = np.zeros((s * (x.shape[0] - 1) + M, s * (x.shape[1] - 1) + N))
    for i, j in np.ndindex(x.shape):
        y[s * i : s * i + M, s * j : s * j + N] += x[i, j] * w
    return y


def gradients(x, w, dy):
    """Gradients of a loss through y = correlate(x, w, b), given dy = dL/dy.

    x (H, W), w (M, N), dy (H - M + 1, W - N + 1)  ->  dx (H, W), dw (M, N), db

        dw[m, n] = sum over i, j of dy[i, j] * x[i + m, j + n]
        dx = dy painted with w,  db = sum of dy
    """
    return transposed_conv2d(dy, w), correlate(x, dy), dy.sum()


def shifted_sums(x, w):
    """`correlate`, weight by weight: each one times the whole image, shifted."""
    H, W = x.shape[0] - w.shape[0] + 1, x.shape[1] - w.shape[1] + 1
    return sum(w[m, n] * x[m : m + H, n : n + W] for m, n in np.ndindex(w.shape))


def im2col(x, w):
    """`correlate` as one matrix product: every patch is a row of it."""
    patches = np.lib.stride_tricks.sliding_window_view(x, w.shape)  # (H, W, M, N)
    return (patches.reshape(-1, w.size) @ w.ravel()).reshape(patches.shape[:2])


def fourier(x, w):
    """`correlate` by a product of spectra, which is a convolution: so flip first."""
    shape = x.shape[0] + w.shape[0] - 1, x.shape[1] + w.shape[1] - 1
    spectrum = np.fft.rfft2(x, shape) * np.fft.rfft2(w[::-1, ::-1], shape)
    y = np.fft.irfft2(spectrum, shape)
    return y[w.shape[0] - 1 : x.shape[0], w.shape[1] - 1 : x.shape[1]]
