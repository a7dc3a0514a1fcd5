"""Chapter 3's U-Net in Keras against MONAI's BasicUNet of about equal size: a step, and seconds to a Dice.

    python benchmarks/segmentation.py --peers build/peers
    python benchmarks/segmentation.py --peers build/peers --rounds 15 --trainings 15

Measured is the time of a training step, and that from nothing to a median Dice of 0.75 over the test
patients with a lesion, judged after each epoch, on the chapter's simulated lesions at 64 x 64 pixels:
building, tracing, augmenting and judging are in it. Both sides see the same batches in the same order, have
the same loss (cross-entropy and Dice), Adam and the same falling learning rate.
MONAI's net runs with the memory format and the number of threads that are fastest here, once eager and once
with torch.compile, and with batch normalisation, with which it learns as ours does.
Before that, and without any peer: a step of our net, 96 x 96 as in the chapter, beside the same net with
Keras's own batch normalisation.
"""

import math
import os
import sys
import time
from functools import partial
from unittest import mock

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

BAR = 1.0  # we are to be at least so many times as fast as the peer
DICE = 0.75
BATCH, RATE, EPOCHS, SIZE = 16, 3e-3, 10, 64
FEATURES = (8, 8, 16, 32, 64, 8)  # of BasicUNet, which always has five levels
EXECUTION = 16  # steps that Keras runs in one call


def batches(x, y, rng):
    """One epoch, shuffled and augmented: whole batches of images and masks."""
    from medtutor.nn.segmentation import augment_pair

    drawn = rng.permutation(len(x))[: len(x) // BATCH * BATCH]
    x, y = augment_pair(x[drawn], y[drawn], rng, shift=4)
    return x, y[..., None].astype("float32")


class Keras:
    """The chapter's net, trained as the chapter trains it: without XLA, sixteen steps a call."""

    name = "Keras"

    def __init__(self, seed, steps, size=SIZE):
        import keras

        from medtutor.nn.segmentation import summed_loss, unet

        keras.utils.set_random_seed(seed)
        self.net = unet(size=size)
        rate = keras.optimizers.schedules.CosineDecay(RATE, steps * EPOCHS)
        self.net.compile(
            keras.optimizers.Adam(rate), summed_loss, jit_compile=False, steps_per_execution=EXECUTION
        )
        self.net.optimizer.build(self.net.trainable_variables)  # as `train_unet` does

    def weights(self):
        return self.net.count_params()

    def epoch(self, x, y):
        self.net.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0)

    def logits(self, x):
        return self.net.predict(x, batch_size=100, verbose=0)[..., 0]


class Monai:
    """BasicUNet as MONAI's users train it in PyTorch."""

    def __init__(self, seed, steps, threads=1, channels_last=True, compiled=False):
        import torch
        from monai.networks.nets import BasicUNet

        self.torch, self.threads = torch, threads
        self.name = "MONAI, " + in_words(threads, channels_last, compiled)
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        net = BasicUNet(2, in_channels=2, out_channels=1, features=FEATURES, norm=("batch", {"affine": True}))
        self.net = net.to(memory_format=self.format)
        self.run = torch.compile(self.net) if compiled else self.net
        self.optimizer = torch.optim.Adam(self.net.parameters(), RATE, eps=1e-7, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps * EPOCHS)

    def weights(self):
        return sum(p.numel() for p in self.net.parameters())

    def _tensor(self, x):
        return self.torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=self.format)

    def _loss(self, y, z):
        torch, over = self.torch, (1, 2, 3)
        p = torch.sigmoid(z)
        size = y.sum(over) + p.sum(over)
        dice = 1 - (2 * (y * p).sum(over) + 1) / (size + 1)
        return torch.nn.functional.binary_cross_entropy_with_logits(z, y) + dice.mean()

    def epoch(self, x, y):
        self.torch.set_num_threads(self.threads)
        x, y = self._tensor(x), self._tensor(y)
        self.run.train()
        for i in range(0, len(x), BATCH):
            self.optimizer.zero_grad(set_to_none=True)
            self._loss(y[i : i + BATCH], self.run(x[i : i + BATCH])).backward()
            self.optimizer.step()
            self.schedule.step()

    def logits(self, x):
        self.torch.set_num_threads(self.threads)
        x = self._tensor(x)
        self.net.eval()
        with self.torch.inference_mode():
            return np.concatenate([self.net(x[i : i + 100])[:, 0].numpy() for i in range(0, len(x), 100)])


def beside_keras_own(options, size=96):
    """The row of a training step with our batch normalisation and with Keras's."""
    import keras

    from medtutor.nn import segmentation

    fused = Keras(0, EXECUTION, size)
    with mock.patch.object(segmentation, "FusedBatchNormalization", keras.layers.BatchNormalization):
        usual = Keras(0, EXECUTION, size)
    usual.name = "Keras's BatchNormalization"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(EXECUTION * BATCH, size, size, 2)).astype("float32")
    y = rng.integers(0, 2, (*x.shape[:3], 1)).astype("float32")
    usual.net.set_weights(fused.net.get_weights())
    np.testing.assert_allclose(*(side.net(x[:4], training=True) for side in (fused, usual)), atol=1e-3)
    times = step_times([fused, usual], options.rounds, BATCH, x, y)
    what, words = "U-Net, a training step", f"{size} × {size}, batch {BATCH}"
    threads = [{"threads": os.cpu_count()}]
    return next(beside_each(what, words, "ms", times, threads, "logits to 1e-3", None))


def check(seed, steps, x, y):
    """Raise AssertionError unless both sides' losses are the same for the same logits."""
    import torch

    from medtutor.nn.segmentation import summed_loss

    z = np.random.default_rng(seed).normal(size=(4, SIZE, SIZE, 1)).astype("float32")
    mask = y[:4, ..., None].astype("float32")
    ours = float(np.mean(summed_loss(mask, z)))
    peer = float(Monai(seed, steps)._loss(*(torch.from_numpy(v).permute(0, 3, 1, 2) for v in (mask, z))))
    assert abs(ours - peer) < 1e-5, f"the losses are {ours} and {peer}"


def to_dice(start, seed, train, test):
    """(name, seconds from nothing to the Dice, epochs); inf seconds if it is never reached."""
    from medtutor.metrics import dice
    from medtutor.nn.segmentation import by_patient

    rng = np.random.default_rng(seed)
    began = time.perf_counter()
    side = start()
    for epoch in range(1, EPOCHS + 1):
        side.epoch(*batches(*train, rng))
        called = side.logits(test[0]) >= 0
        if np.median(by_patient(dice, test[1], called, test[2])) >= DICE:
            return side.name, time.perf_counter() - began, epoch
    return side.name, math.inf, EPOCHS


def learning(choices, rounds, train, test, steps):
    """Alternated trainings on the same batches: {name: [seconds]}, {name: [epochs]}."""
    import torch

    def peer(choice, seed):
        torch.compiler.reset()
        return Monai(seed, steps, **choice)

    names = [Keras.name, *("MONAI, " + in_words(**choice) for choice in choices)]
    times, epochs = ({name: [] for name in names} for _ in range(2))
    for seed in range(rounds):
        starts = [partial(Keras, seed, steps), *(partial(peer, choice, seed) for choice in choices)]
        for start in starts if seed % 2 else starts[::-1]:
            name, took, count = to_dice(start, seed, train, test)
            times[name].append(took)
            epochs[name].append(count)
            print(f"  seed {seed}  {name:<46} {took:6.1f} s, {count} epochs", flush=True)
    return times, epochs


def main():
    parser = arguments(__doc__, rounds=9, trainings=9, patients=500)
    parser.add_argument("--no-compile", action="store_true", help="do not try torch.compile")
    options = parser.parse_args()
    report = Report(options, seeds=list(range(options.trainings)))
    size = f"{SIZE} × {SIZE}, batch {BATCH}"
    tensorflow()
    report.add(beside_keras_own(options))
    _, missing = import_peers(options.peers, "torch", "monai")
    if missing:
        report.add(Row("U-Net, a training step", size, peer="MONAI's BasicUNet", missing=missing))
        report.add(Row(f"U-Net, to Dice {DICE}", size, peer="MONAI's BasicUNet", missing=missing))
        return report.done()
    from medtutor.data import load_mr
    from medtutor.nn.classification import normalise

    train = load_mr("train", task="lesion", size=SIZE, patients=options.patients)
    test = load_mr("test", task="lesion", size=SIZE)
    sick = np.isin(test.patients, np.unique(test.patients[test.y.any(axis=(1, 2))]))
    train, test = (normalise(train.x), train.y), (normalise(test.x[sick]), test.y[sick], test.patients[sick])
    number = len(train[0]) // BATCH
    check(0, number, *train)
    ours = Keras(0, number)
    weights = f"{ours.weights():,} and {Monai(0, number).weights():,} weights"

    x, y = batches(train[0][: EXECUTION * BATCH], train[1][: EXECUTION * BATCH], np.random.default_rng(0))
    choices = settings(partial(Monai, 0, number), BATCH, x, y, not options.no_compile)
    sides = [ours, *(Monai(0, number, **choice) for choice in choices)]
    times = step_times(sides, options.rounds, BATCH, x, y)
    same = f"loss of the same logits to 1e-5; not the same net: {weights}"
    for row in beside_each("U-Net, a training step", size, "ms", times, choices, same, None):
        report.add(row)
    times, epochs = learning(choices, options.trainings, train, test, number)
    report.settings["epochs"] = epochs
    same = f"the Dice is reached; {weights}"
    for row in beside_each(f"U-Net, to Dice {DICE}", size, "s", times, choices, same, BAR):
        report.add(row)
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
