"""The CRF of medtutor.nn.crf beside pytorch-crf, alternated in one run: loss with gradient, and decoding.

    python benchmarks/crf.py --rounds 15 --peers build/peers

The peer runs with 1 or 2 threads, whichever is faster here; ours with the number that --threads gives.
"""

import sys

import numpy as np
from _measuring import Report, alternate, arguments, best_threads, import_peers, in_unit, seconds, tensorflow

from medtutor.course.bench import Row

SIZES = {(32, 64, 13): (12, 5, 3), (32, 256, 25): (20, 14, 3)}  # B, T, K: bars with XLA, without, decoding
COMPILE = 3.0  # seconds until the first result
NAMES = {"XLA": True, "without XLA": False}


def in_words(B, T, K):
    return f"{B} × {T} steps × {K} tags"


def batch(B, T, K):
    """Random scores, tags and ragged lengths from T / 2 to T."""
    rng = np.random.default_rng(0)
    emit, trans, start, end = (rng.normal(size=s).astype("float32") for s in ((B, T, K), (K, K), (K,), (K,)))
    mask = np.arange(T) < np.append(T, rng.integers(T // 2, T + 1, B - 1))[:, None]
    return emit, trans, start, end, rng.integers(0, K, (B, T)), mask


def peer(torch, torchcrf, emit, trans, start, end, tags, mask):
    """pytorch-crf on the same numbers: functions that answer (loss, gradient of emissions) and paths."""
    crf = torchcrf.CRF(emit.shape[2], batch_first=True)
    with torch.no_grad():
        crf.transitions.copy_(torch.tensor(trans))
        crf.start_transitions.copy_(torch.tensor(start))
        crf.end_transitions.copy_(torch.tensor(end))
    emit = torch.tensor(emit, requires_grad=True)
    tags, mask = torch.tensor(tags), torch.tensor(mask)

    def learn():
        emit.grad = None
        crf.zero_grad()
        loss = -crf(emit, tags, mask=mask)
        loss.backward()
        return loss.item(), emit.grad.numpy()

    def decode():
        with torch.no_grad():
            return crf.decode(emit, mask=mask)

    return learn, decode


def ours(tf, crf, jit, emit, trans, start, end, tags, mask):
    """The same two functions, compiled with or without XLA."""
    scores = [tf.constant(v) for v in (emit, trans, start, end)]
    tags, mask = tf.constant(tags, tf.int32), tf.constant(mask)

    @tf.function(jit_compile=jit)
    def step(emit, trans, start, end, tags, mask):
        with tf.GradientTape() as tape:
            tape.watch([emit, trans, start, end])
            loss = -tf.reduce_sum(crf.log_likelihood(emit, tags, trans, mask, start, end))
        return loss, tape.gradient(loss, [emit, trans, start, end])

    @tf.function(jit_compile=jit)
    def path(emit, trans, start, end, mask):
        return crf.best_path(emit, trans, mask, start, end)

    def learn():
        loss, slopes = step(*scores, tags, mask)
        return loss.numpy(), slopes[0].numpy()

    return learn, lambda: path(*scores, mask).numpy()


def rows(size, torch, torchcrf, crf, tf, options):
    """Compare the answers, then the times, at one size."""
    with_xla, without, decoding = SIZES[size]
    data, words = batch(*size), in_words(*size)
    peer_learn, peer_decode = peer(torch, torchcrf, *data)
    learn, decode = {"peer": peer_learn}, {"peer": peer_decode}
    for who, jit in NAMES.items():
        learn[who], decode[who] = ours(tf, crf, jit, *data)
        first = {"loss": seconds(learn[who]), "path": seconds(decode[who])}
        for what, took in first.items():
            what = f"CRF, {who}: to the first {what}"
            yield Row(what, words, "s", in_unit([took], "s"), threads=(options.threads,), at_most=COMPILE)
        for answers in zip(learn["peer"](), learn[who](), strict=True):
            np.testing.assert_allclose(*answers, rtol=1e-4, atol=1e-4)
        for path, answer in zip(decode["peer"](), decode[who](), strict=True):
            assert path == answer[answer >= 0].tolist()
    loss, path = "loss and gradient to 1e-4", "every tag"
    for what, runs, bars, same in (
        ("loss and gradient", learn, (with_xla, without), loss),
        ("decoding", decode, (decoding, decoding), path),
    ):
        threads = options.threads, best_threads(torch, runs["peer"])
        times = alternate(runs, options.rounds)
        for who, bar in zip(NAMES, bars, strict=True):
            yield Row(
                f"CRF, {what}, {who}",
                words,
                "ms",
                times[who],
                "pytorch-crf",
                times["peer"],
                threads,
                same,
                at_least=bar,
            )


def main():
    parser = arguments(__doc__, rounds=15, threads=1)
    options = parser.parse_args()
    report = Report(options, seed=0)
    modules, missing = import_peers(options.peers, "torch", "torchcrf")
    if missing:
        for size in SIZES:
            words = in_words(*size)
            report.add(Row("CRF, loss and gradient", words, peer="pytorch-crf", missing=missing))
            report.add(Row("CRF, decoding", words, peer="pytorch-crf", missing=missing))
        return report.done()
    tf = tensorflow()

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    from medtutor.nn import crf

    for size in SIZES:
        for row in rows(size, *modules, crf, tf, options):
            report.add(row)
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
