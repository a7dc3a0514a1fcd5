"""The CRF of medtutor.nn.crf beside pytorch-crf, alternated in one run: loss with gradient, and decoding.

    python benchmarks/crf.py --rounds 15 --peers FOLDER

The peer is not among this project's dependencies. Put it into a folder of its own:
    python -m pip install --target FOLDER torch pytorch-crf
and name that folder by --peers or MEDTUTOR_PEERS. It runs with 1 or 2 threads, whichever is faster here.
A ratio is the peer's time over ours within one round; printed are its median and quartiles over the rounds.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np

SIZES = {(32, 64, 13): (12, 5, 3), (32, 256, 25): (20, 14, 3)}  # B, T, K: bars with XLA, without, decoding
COMPILE = 3.0  # seconds until the first result


def seconds(f):
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


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


def best_threads(torch, run):
    """Of 1 and 2 threads, what the peer is faster with."""
    medians = {}
    for threads in (1, 2, 1, 2):
        torch.set_num_threads(threads)
        medians[threads] = min(seconds(run) for _ in range(4))
    torch.set_num_threads(min(medians, key=medians.get))
    return torch.get_num_threads()


def compare(name, bars, runs, threads, rounds):
    """Alternate `runs` (the peer's first), print times and ratios, and say which bars are missed."""
    times = {who: [] for who in runs}
    for _ in range(rounds):
        for who, run in runs.items():
            times[who].append(seconds(run))
    missed = []
    for who, bar in bars.items():
        ratios = [a / b for a, b in zip(times["peer"], times[who], strict=True)]
        low, ratio, high = statistics.quantiles(ratios, n=4)
        ms = [1000 * statistics.median(times[side]) for side in ("peer", who)]
        kept = "yes" if ratio >= bar else "NO"
        print(
            f"{name}  {who:<11} {ratio:5.1f} x ({low:.1f} to {high:.1f})  {ms[1]:7.2f} ms to {ms[0]:7.2f} "
            f"({threads} thread{'s' * (threads > 1)})   at least {bar}: {kept}",
            flush=True,
        )
        missed += [name] * (ratio < bar)
    return missed


def first(name, who, run):
    """Run it once; print and judge the seconds that compiling or tracing takes."""
    took = seconds(run)
    print(f"{name}  {who:<11} {took:5.2f} s to the first result   at most {COMPILE:g}: ", end="")
    print("yes" if took <= COMPILE else "NO", flush=True)
    return [name] * (took > COMPILE)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, help="alternations (default 15)")
    parser.add_argument("--threads", type=int, default=1, help="ours (default 1)")
    parser.add_argument("--peers", default=os.environ.get("MEDTUTOR_PEERS"), help="folder with pytorch-crf")
    options = parser.parse_args()
    if options.peers:
        sys.path.append(options.peers)
    try:
        import torch
        import torchcrf
    except ImportError as error:
        print(f"Not measured, for {error}.\n{__doc__.partition('FOLDER')[2]}")
        return 0
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    from medtutor.nn import crf

    missed = []
    for size, (with_xla, without, decoding) in SIZES.items():
        data, name = batch(*size), " x ".join(map(str, size))
        peer_learn, peer_decode = peer(torch, torchcrf, *data)
        learn, decode = {"peer": peer_learn}, {"peer": peer_decode}
        for who, jit in {"XLA": True, "without XLA": False}.items():
            learn[who], decode[who] = ours(tf, crf, jit, *data)
            missed += first(f"{name}  loss  ", who, learn[who])
            missed += first(f"{name}  decode", who, decode[who])
            for answers in zip(learn["peer"](), learn[who](), strict=True):
                np.testing.assert_allclose(*answers, rtol=1e-4, atol=1e-4)
            for path, answer in zip(decode["peer"](), decode[who](), strict=True):
                assert path == answer[answer >= 0].tolist()
        threads = best_threads(torch, peer_learn)
        bars = {"XLA": with_xla, "without XLA": without}
        missed += compare(f"{name}  loss  ", bars, learn, threads, options.rounds)
        threads = best_threads(torch, peer_decode)
        bars = {"XLA": decoding, "without XLA": decoding}
        missed += compare(f"{name}  decode", bars, decode, threads, options.rounds)
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
