"""Run all benchmarks, or those whose names are given:  make bench ARGS="import_time"."""

import subprocess
import sys
from pathlib import Path


def main(names):
    """One benchmark after the other; exit status 1 where one missed its bound."""
    scripts = {path.stem: path for path in sorted(Path(__file__).parent.glob("[a-z]*.py"))}
    unknown = sorted(set(names) - set(scripts))
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(scripts)}.", file=sys.stderr)
        return 2
    missed = []
    for name in names or scripts:
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, scripts[name]]).returncode:
            missed.append(name)
    print(f"\nMissed: {', '.join(missed)}" if missed else "\nEvery bound is kept.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
