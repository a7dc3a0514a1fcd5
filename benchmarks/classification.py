"""A small CNN for "tumour or none" in Keras and in PyTorch: the same net, data and batches, alternated.

    python benchmarks/classification.py --peers build/peers
    python benchmarks/classification.py --peers build/peers --rounds 15 --trainings 15

Two things are measured: the time of a training step, over an epoch of the course's data, and the seconds
from nothing to a validation AUROC of 0.90, with building, tracing, augmenting and judging in them.
The peer runs in the memory format and with the number of threads that are fastest here, once eager and once
with torch.compile, whose cache is warm when its time is taken.
"""

import math
import sys
import time
from functools import partial

import numpy as np
from _measuring import (
    Report,
    arguments,
    beside_each,
    import_peers,
    in_words,
    settings,
    step_times,
    tensorflow,
)

from medtutor.course.bench import Row

BAR = 1.0
AUROC = 0.90
BATCH, RATE, EPOCHS = 32, 2e-3, 20  # the learning rate falls as a cosine over so many epochs
WIDTHS = (16, 32, 48, 64)  # two convolutions each
SHIFT = 4  # pixels
EXECUTION = 16  # steps that Keras runs in one call


# Data, the same for both


def batches(x, y, rng, steps):
    """One epoch, shuffled; each image mirrored or not, and shifted by up to 4 pixels: steps * 32 of them."""
    drawn = rng.permutation(len(x))[: steps * BATCH]
    shifts = rng.integers(-SHIFT, SHIFT + 1, (len(drawn), 2))
    turned = rng.integers(0, 2, len(drawn)) * 2 - 1
    moved = [
        np.roll(x[i, :, ::t], s, (0, 1)) for i, t, s in zip(drawn, turned, map(tuple, shifts), strict=True)
    ]
    return np.stack(moved), y[drawn].astype("float32")[:, None]


# The two sides: build(seed), epoch(x, y), scores(x)


class Keras:
    """A net of the course's own bricks, trained as it trains: without XLA, sixteen steps a call."""

    name = "Keras"

    def __init__(self, total, dropout=0.3):
        import keras

        self.keras, self.total, self.dropout = keras, total, dropout

    def build(self, seed, optimizer=None):
        from medtutor.nn.classification import conv_bn_relu, head

        keras = self.keras
        keras.utils.set_random_seed(seed)
        inputs = h = keras.Input((64, 64, 2))
        for width in WIDTHS:
            h = keras.layers.MaxPooling2D(2)(conv_bn_relu(conv_bn_relu(h, width), width))
        self.net = keras.Model(inputs, head(h, self.dropout))
        rate = keras.optimizers.schedules.CosineDecay(RATE, self.total)
        self.net.compile(
            optimizer or keras.optimizers.Adam(rate),
            keras.losses.BinaryCrossentropy(from_logits=True),
            jit_compile=False,
            steps_per_execution=EXECUTION,
        )
        self.net.optimizer.build(self.net.trainable_variables)  # as `train_net` does
        return self

    def epoch(self, x, y):
        self.net.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    def scores(self, x):
        return self.net.predict(x, batch_size=200, verbose=0)[:, 0]

    def weights(self):
        """Kernels, scales and so on, layer by layer, the two running statistics behind the other two."""
        return [w for layer in self.net.layers for w in layer.get_weights()]


class Torch:
    """The same net as PyTorch's users write it, with the weights of a Keras one."""

    def __init__(self, torch, total, dropout=0.3, threads=1, channels_last=True, compiled=False):
        self.torch, self.total, self.dropout = torch, total, dropout
        self.threads, self.compiled = threads, compiled
        self.name = "PyTorch, " + in_words(threads, channels_last, compiled)
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def build(self, weights, seed=0, optimizer=None):
        torch, nn = self.torch, self.torch.nn
        torch.set_num_threads(self.threads)
        torch.manual_seed(seed)
        blocks, before = [], 2
        for width in WIDTHS:
            for _ in range(2):
                conv = nn.Conv2d(before, width, 3, padding=1, bias=False)
                blocks += [conv, nn.BatchNorm2d(width, eps=1e-3, momentum=0.1), nn.ReLU(inplace=True)]
                before = width
            blocks.append(nn.MaxPool2d(2))
        pool = [nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(self.dropout), nn.Linear(before, 1)]
        self.net = nn.Sequential(*blocks, *pool)
        self._carry(weights)
        self.net.to(memory_format=self.format)
        self.run = torch.compile(self.net) if self.compiled else self.net
        make = optimizer or (lambda weights: torch.optim.Adam(weights, RATE, eps=1e-7, fused=True))
        self.optimizer = make(self.net.parameters())
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, self.total)
        self.loss = nn.BCEWithLogitsLoss()
        return self

    def _carry(self, weights):
        """Take the weights of the Keras net, in its order."""
        ours = self.weights(raw=True)
        with self.torch.no_grad():
            for tensor, value in zip(ours, weights, strict=True):
                tensor.copy_(self.torch.tensor(_axes(value)))

    def weights(self, raw=False):
        """In the order of Keras; as numpy arrays in its axes unless `raw`."""
        found = []
        for module in self.net:
            names = ("weight", "bias", "running_mean", "running_var")
            found += [getattr(module, name) for name in names if getattr(module, name, None) is not None]
        return found if raw else [_axes(w.detach().numpy(), back=True) for w in found]

    def _tensor(self, x):
        return self.torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=self.format)

    def epoch(self, x, y):
        self.torch.set_num_threads(self.threads)
        x, y = self._tensor(x), self.torch.from_numpy(y)
        self.run.train()
        for i in range(0, len(x), BATCH):
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.run(x[i : i + BATCH]), y[i : i + BATCH]).backward()
            self.optimizer.step()
            self.schedule.step()

    def scores(self, x):
        self.torch.set_num_threads(self.threads)
        x = self._tensor(x)
        self.net.eval()
        with self.torch.inference_mode():
            return np.concatenate([self.net(x[i : i + 200])[:, 0].numpy() for i in range(0, len(x), 200)])


def _axes(w, back=False):
    """Kernels (height, width, in, out) as PyTorch has them (out, in, height, width), or back."""
    if w.ndim == 4:
        return w.transpose((2, 3, 1, 0) if back else (3, 2, 0, 1))
    return w.T


# The same net?


def check(keras, torch, x, y):
    """Raise AssertionError unless both have as many weights, answer alike, and learn alike from a batch.

    A step of gradient descent is judged in double precision: in single, a rounding error that turns a ReLU or
    a maximum the other way already moves a gradient by some thousandths. Outputs are judged in both.
    """
    for precision, near in (("float32", 1e-4), ("float64", 1e-9)):
        images, labels = x[:BATCH].astype(precision), y[:BATCH, None].astype(precision)
        keras.config.set_dtype_policy(precision)
        torch.set_default_dtype(getattr(torch, precision))
        ours = Keras(1, dropout=0).build(0, keras.optimizers.SGD(0.1))
        peer = Torch(torch, 1, dropout=0).build(ours.weights(), 0, lambda w: torch.optim.SGD(w, 0.1))
        before = ours.weights()
        assert [w.shape for w in before] == [w.shape for w in peer.weights()]
        far = np.abs(ours.scores(images) - peer.scores(images)).max()
        assert far < near, f"outputs in {precision} differ by {far}"
        print(
            f"the same net, {sum(w.size for w in before):,} weights: "
            f"outputs in {precision} differ by {far:.0e}"
        )
    for side in (ours, peer):
        side.epoch(images, labels)
    steps = [[new - old for old, new in zip(before, side.weights(), strict=True)] for side in (ours, peer)]
    apart = sorted(np.abs(a - b).max() / np.abs(a).max() for a, b in zip(*steps, strict=True))
    last = apart[: -2 * len(WIDTHS)][-1]  # behind it the running variances: PyTorch divides by n - 1
    assert last < 1e-6 and apart[-1] < 1e-3, f"a step differs by {apart}"
    print(f"a step of gradient descent differs by {last:.0e} of itself, running variances by {apart[-1]:.0e}")
    keras.config.set_dtype_policy("float32")
    torch.set_default_dtype(torch.float32)


# Measuring


def to_auroc(start, seed, train, val, number):
    """(side, seconds from nothing to a validation AUROC of 0.90, epochs); inf seconds if it is never reached.

    start  builds the net and returns its side
    """
    from medtutor.metrics import auroc

    rng = np.random.default_rng(seed)
    began = time.perf_counter()
    side = start()
    for epoch in range(1, EPOCHS + 1):
        side.epoch(*batches(*train, rng, number))
        if auroc(val[1], side.scores(val[0])) >= AUROC:
            return side, time.perf_counter() - began, epoch
    return side, math.inf, EPOCHS


def learning(torch, choices, rounds, train, val, number):
    """Alternate trainings from the same weights on the same batches: {name: [seconds]}, {name: [epochs]}."""
    sides = [Keras(0), *(Torch(torch, 0, **choice) for choice in choices)]
    times, epochs = ({side.name: [] for side in sides} for _ in range(2))
    total = number * EPOCHS

    def peer(choice, weights, seed):
        torch.compiler.reset()
        return Torch(torch, total, **choice).build(weights, seed)

    for seed in range(rounds):
        weights = Keras(total).build(seed).weights()
        starts = [partial(Keras(total).build, seed)]
        starts += [partial(peer, choice, weights, seed) for choice in choices]
        for start in starts if seed % 2 else starts[::-1]:
            side, took, count = to_auroc(start, seed, train, val, number)
            times[side.name].append(took)
            epochs[side.name].append(count)
            print(f"  seed {seed}  {side.name:<48} {took:6.1f} s, {count} epochs", flush=True)
    return times, epochs


def main():
    parser = arguments(__doc__, rounds=9, trainings=9, patients=500)
    parser.add_argument("--no-compile", action="store_true", help="do not try torch.compile")
    options = parser.parse_args()
    report = Report(options, seeds=list(range(options.trainings)))
    size = f"64 × 64, batch {BATCH}"
    modules, missing = import_peers(options.peers, "torch")
    if missing:
        report.add(Row("CNN, a training step", size, peer="PyTorch", missing=missing))
        report.add(Row(f"CNN, to AUROC {AUROC}", size, peer="PyTorch", missing=missing))
        return report.done()
    (torch,) = modules
    tensorflow()
    import keras

    from medtutor.data import load_mr
    from medtutor.nn.classification import normalise

    train, val = (load_mr(split, patients=n) for split, n in (("train", options.patients), ("val", None)))
    train, val = ((normalise(each.x), each.y) for each in (train, val))
    number = len(train[0]) // BATCH
    total = number * EPOCHS
    check(keras, torch, *train)

    x, y = batches(*train, np.random.default_rng(0), number // EXECUTION * EXECUTION or number)
    ours = Keras(total).build(0)

    def peer(**choice):
        return Torch(torch, total, **choice).build(ours.weights())

    few = slice(EXECUTION * BATCH)
    choices = settings(peer, BATCH, x[few], y[few], not options.no_compile)
    sides = [ours, *(peer(**choice) for choice in choices)]
    times = step_times(sides, options.rounds, BATCH, x, y)
    same = "outputs to 1e-4, a step in double precision to 1e-6"
    for row in beside_each("CNN, a training step", size, "ms", times, choices, same, BAR):
        report.add(row)
    times, epochs = learning(torch, choices, options.trainings, train, val, number)
    report.settings["epochs"] = epochs
    for row in beside_each(f"CNN, to AUROC {AUROC}", size, "s", times, choices, same, BAR):
        report.add(row)
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
