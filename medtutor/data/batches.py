"""Shuffled batches of a Dataset for `model.fit`; see `Dataset.batches`. Importing it loads Keras."""

import keras
import numpy as np

from medtutor.nn.feeding import feed_without_tuning

feed_without_tuning()


class Batches(keras.utils.PyDataset):
    """Batches (x, y) that hold each example once in an epoch, in an order that seed and epoch decide."""

    def __init__(self, data, size, seed, change):
        super().__init__()
        self.data, self.size, self.seed, self.change = data, size, seed, change
        self.epoch = -1
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.data) // self.size)  # ceiling division

    def __getitem__(self, i):
        rows = self.order[self.size * i : self.size * (i + 1)]
        return self.change(self.data.x[rows], self.data.y[rows])

    def on_epoch_end(self):
        self.epoch += 1
        self.order = np.random.default_rng([self.seed, self.epoch]).permutation(len(self.data))
