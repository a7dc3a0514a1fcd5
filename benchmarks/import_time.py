"""How long `import medtutor` takes: a fresh Python with it against one without, alternated in one run."""

import statistics
import subprocess
import sys
import time

RUNS = 25
BOUND = 30  # milliseconds


def milliseconds(code):
    """Wall time of a fresh Python that runs `code`."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return 1000 * (time.perf_counter() - began)


def main():
    """Print medians, difference and ratio; exit status 1 where the import costs more than the bound."""
    milliseconds("import medtutor")  # writes the byte code
    pairs = [(milliseconds("pass"), milliseconds("import medtutor")) for _ in range(RUNS)]
    without, having = (statistics.median(column) for column in zip(*pairs, strict=True))
    cost = statistics.median(second - first for first, second in pairs)
    print(f"python -c pass               {without:6.1f} ms   median of {RUNS}")
    print(f"python -c 'import medtutor'  {having:6.1f} ms   {having / without:.2f} x")
    print(
        f"import medtutor              {cost:6.1f} ms   at most {BOUND}: {'yes' if cost <= BOUND else 'NO'}"
    )
    return cost > BOUND


if __name__ == "__main__":
    sys.exit(main())
