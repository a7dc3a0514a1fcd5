"""The blind test: pictures one at a time, real or drawn, and what the answers are worth against guessing."""

import numpy as np

from medtutor.explore.base import Explorer
from medtutor.explore.images import bytes_of, pictures_of
from medtutor.plot import show_images

LARGEST = 600_000  # characters of the pictures in a page
FEWEST, MOST = 5, 100  # pictures of a round


def explore_real_or_drawn(real, drawn, *, n=20, seed=0):
    """Say of one picture after another whether it is real or drawn; then see what your score is worth.

    real, drawn  (m, h, w) each, 0 to 1, at least n of either kind; more of them make further rounds
    n            pictures of a round, 5 to 100
    seed         of the order: a whole number from 0. Everybody who opens the page gets the same rounds

    Each picture is real or drawn by the toss of a coin, so that nobody can count what must be left; a round
    is tossed anew where one kind has fewer than a third. Who guesses has Binomial(n, 1/2) right. The share
    of right answers stands with its 95 % interval after Wilson. All pictures are kept alike, in 256 greys;
    which is which is in the page, hidden from view only. Raises ValueError for shapes, ranges and numbers
    that do not fit.
    Source: Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
    """
    real, drawn = (
        pictures_of(name, pictures, "m", "h", "w") for name, pictures in (("real", real), ("drawn", drawn))
    )
    if real.shape[1:] != drawn.shape[1:]:
        sizes = f"real pictures are {real.shape[1:]}, drawn ones {drawn.shape[1:]}"
        raise ValueError(f"{sizes}; one size is wanted, or size tells them apart")
    if not _whole(n) or not FEWEST <= n <= MOST:
        raise ValueError(f"n is {n!r}; a round has {FEWEST} to {MOST} pictures")
    if not _whole(seed) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; use a whole number from 0 to {2**32 - 1}")
    if min(len(real), len(drawn)) < n:
        raise ValueError(
            f"there are {len(real)} real and {len(drawn)} drawn pictures; a round of {n} needs {n} of either "
            "kind, or a smaller n"
        )
    if 4 * (real.size + drawn.size) // 3 > LARGEST:
        raise ValueError(
            f"{len(real)} real and {len(drawn)} drawn pictures need {(real.size + drawn.size) // 750} kB in "
            f"the page, more than {LARGEST // 1000}; give fewer, e.g. real[:50] and drawn[:50]"
        )
    h, w = real.shape[1:]
    counts = [len(real), len(drawn)]
    state = {
        "pictures": [bytes_of(real), bytes_of(drawn)],
        "counts": counts,
        **{"h": h, "w": w, "n": int(n), "seed": int(seed), "round": 0, "answers": []},
    }
    shown = [(real, drawn)[kind][at] for kind, at in deal(seed, 0, n, counts)]
    alt = (
        f"{n} pictures of {h} by {w} pixels, numbered; each is real or drawn by the toss of a coin, and "
        "which is which is not said. The test needs sight; its result is told in words and numbers."
    )
    titles = [str(number) for number in range(1, n + 1)]
    still = show_images(shown, titles, alt=alt, vmin=0, vmax=1, cols=10, size=0.95)
    return Explorer("blind.js", state, still, "real or drawn", parts=["parts.js"], measured=True)


def _whole(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def deal(seed, round, n, counts):
    """The n pictures of a round, 0, 1, …: (kind, which of its kind), kind 0 real and 1 drawn.

    Both kinds are shuffled once and dealt in that order over all rounds, from the top again when they are
    used up. The random numbers are steps of the golden ratio mixed by MurmurHash3's finaliser, mod 2^32, for
    page and Python to agree. Source: Steele, Lea and Flood, OOPSLA 2014, 453-472, there for 64 bits.
    """
    x = seed

    def random():
        nonlocal x
        x = (x + 0x9E3779B9) % 2**32
        mixed = (x ^ x >> 16) * 0x85EBCA6B % 2**32
        mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 % 2**32
        return (mixed ^ mixed >> 16) / 2**32

    def shuffled(number):
        order = list(range(number))
        for last in range(number - 1, 0, -1):
            other = int(random() * (last + 1))
            order[last], order[other] = order[other], order[last]
        return order

    orders, used, dealt = [shuffled(number) for number in counts], [0, 0], []
    for _ in range(round + 1):
        kinds = [0] * n
        while not n // 3 <= sum(kinds) <= n - n // 3:
            kinds = [int(random() < 0.5) for _ in range(n)]
        for kind in kinds:
            dealt.append((kind, orders[kind][used[kind] % counts[kind]]))
            used[kind] += 1
    return dealt[-n:]
