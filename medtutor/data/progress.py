"""A line that says how far long work has come, and is gone when it is done."""

import os
import sys
import time

WAIT = 1.0  # seconds of silence: short work shows nothing


def progress(items, what, total=None):
    """Yield the items, and show how many are done where someone looks on: a terminal or a notebook.

    what   e.g. "drawing patients"
    total  how many there are, if `items` has no length

    Nothing is shown for the first second, in scripts whose output goes to a file, or where the environment
    variable MEDTUTOR_PROGRESS is 0, as in the tests: stored outputs must not hold it.
    """
    total = len(items) if total is None else total
    show = someone_looks_on()
    begin = shown = time.monotonic()
    width = 0
    try:
        for done, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if show and now - begin > WAIT and (now - shown > 0.2 or done == total):
                shown = now
                left = (now - begin) * (total - done) / done
                line = f"{what} {'█' * (20 * done // total):░<20} {done} of {total}, {left:.0f} s left"
                width = max(width, len(line))
                print(f"\r{line:<{width}}", end="", flush=True)
    finally:
        if width:
            print(f"\r{'':<{width}}\r", end="", flush=True)


def someone_looks_on():
    """Whether a progress bar has a reader: a terminal or a notebook, unless MEDTUTOR_PROGRESS is 0."""
    if os.environ.get("MEDTUTOR_PROGRESS") == "0":
        return False
    return sys.stdout.isatty() or "ipykernel" in sys.modules
