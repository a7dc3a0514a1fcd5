"""How the cost of the CRF and of the U-Net grows with the size of what they are given: log-log slopes.

    python benchmarks/growth.py

All on TensorFlow without XLA, as the chapters train, with its own choice of threads; rounds go through the
sizes in turns of order.
"""

import sys

import numpy as np
from _measuring import Report, alternate, arguments, tensorflow

from medtutor.course.bench import Slope

B, T, K = 32, 64, 13  # what stays as it is while another grows
BATCHES, STEPS, TAGS = (8, 16, 32, 64, 128), (32, 64, 128, 256, 512), (5, 10, 20, 40, 80)
SIZES, IMAGES = (32, 64, 128, 256), 4


def crf_step(tf, crf, B, T, K):
    """Loss and gradient of one batch of full-length sequences."""
    rng = np.random.default_rng(0)
    emit = tf.constant(rng.normal(size=(B, T, K)).astype("float32"))
    trans = tf.constant(rng.normal(size=(K, K)).astype("float32"))
    tags = tf.constant(rng.integers(0, K, (B, T)), tf.int32)

    @tf.function
    def step(emit, trans):
        with tf.GradientTape() as tape:
            tape.watch([emit, trans])
            loss = -tf.reduce_sum(crf.log_likelihood(emit, tags, trans))
        return tape.gradient(loss, [emit, trans])

    return lambda: step(emit, trans)[0].numpy()


def unet_step(size):
    """A training step of chapter 3's net on one batch."""
    from medtutor.nn.segmentation import summed_loss, unet

    rng = np.random.default_rng(0)
    x = rng.normal(size=(IMAGES, size, size, 2)).astype("float32")
    y = (rng.random((IMAGES, size, size, 1)) < 0.1).astype("float32")
    net = unet(size=size)
    net.compile("adam", summed_loss, jit_compile=False)
    return lambda: net.train_on_batch(x, y)


def grows(what, against, runs, rounds):
    """The Slope of {size: function}."""
    times = alternate(runs, rounds)
    return Slope(what, against, tuple(runs), tuple(times[size] for size in runs))


def main():
    options = arguments(__doc__, rounds=9).parse_args()
    report = Report(options, seed=0)
    tf = tensorflow()

    from medtutor.nn import crf

    for against, sizes, shape in (
        ("sequences in a batch", BATCHES, f"n × {T} × {K}"),
        ("steps of a sequence", STEPS, f"{B} × n × {K}"),
        ("tags", TAGS, f"{B} × {T} × n"),
    ):
        place = shape.split(" × ").index("n")
        runs = {}
        for n in sizes:
            full = [B, T, K]
            full[place] = n
            runs[n] = crf_step(tf, crf, *full)
        report.add_slope(grows(f"CRF, loss and gradient, {shape}", against, runs, options.rounds))
    runs = {size: unet_step(size) for size in SIZES}
    what = f"U-Net, a training step, {IMAGES} images of n × n"
    report.add_slope(grows(what, "pixels along a side", runs, options.rounds))
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
