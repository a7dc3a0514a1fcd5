"""How long the convolution explorer takes from an event to painted pixels, in Chromium.

    python benchmarks/explorer_latency.py --events 100

Each event is real input, sent to the browser. The clock runs in the page, from the event's own time stamp to
the first task after the frame that drew its result; "script" is the part spent in the explorer's code.
"""

import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from medtutor.explore import explore_convolution

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync".split()

# Listens before the explorer (in the capture phase at the window) and after it (when it has bubbled up to the
# explorer's own element). Pixels are painted when a message posted in the animation frame is delivered.
STOPWATCH = """(type) => {
  const explorer = document.querySelector(".mdx");
  window.times = [];
  let started = 0;
  addEventListener(type, () => { started = performance.now(); }, true);
  explorer.addEventListener(type, (event) => {
    const script = performance.now() - started;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.times.push([performance.now() - event.timeStamp, script]);
      channel.port2.postMessage(0);
    });
  });
}"""


def hover(page, number):
    """Moves the mouse to another output pixel."""
    box = page.get_by_role("application").bounding_box()
    x, y = 20 + 37 * number % 220, 20 + 53 * number % 220
    page.mouse.move(box["x"] + x, box["y"] + y)


def edit_kernel(page, number):
    """Types another digit into one box of the kernel."""
    page.get_by_label(f"kernel row {number % 3} column 1").select_text()
    page.wait_for_timeout(60)  # the selection is painted before the clock starts
    page.keyboard.press(str(1 + number % 9))


def slide(page, number):
    """Moves the padding slider by one step with an arrow key."""
    page.get_by_label("padding p").focus()
    page.wait_for_timeout(60)
    page.keyboard.press("ArrowRight" if number % 8 < 4 else "ArrowLeft")


ACTIONS = {"hover": (hover, "pointermove"), "kernel edit": (edit_kernel, "input"), "slider": (slide, "input")}


def measure(browser, address, action, type_, events):
    """[(milliseconds to painted pixels, milliseconds of script), …], without the first five events."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector(".mdx")
    page.evaluate(STOPWATCH, type_)
    for number in range(events + 5):
        seen = page.evaluate("window.times.length")
        action(page, number)
        page.wait_for_function("(seen) => window.times.length > seen", arg=seen, timeout=5000)
        page.wait_for_timeout(20 + 7 * (number % 5))  # so that events do not fall into step with the screen
    times = page.evaluate("window.times")
    page.close()
    return times[5:]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=60, help="of each kind (default 60)")
    events = parser.parse_args().events
    path = os.environ.get("MEDTUTOR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise SystemExit(f"no browser: install one of {', '.join(NAMES)}, or set MEDTUTOR_CHROMIUM")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        html = Path(folder) / "explorer.html"
        page = explore_convolution()._repr_mimebundle_()["text/html"]
        html.write_text("<!doctype html><meta charset=utf-8>" + page, encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        print(f"output {len(page.encode()) / 1024:.0f} KB, Chromium {browser.version}, {events} events each")
        print(f"{'':<12}  {'median':>8}  {'p90':>8}  {'script, median':>14}   in ms")
        for name, (action, type_) in ACTIONS.items():
            times = measure(browser, html.as_uri(), action, type_, events)
            painted, script = zip(*times, strict=True)
            p90 = statistics.quantiles(painted, n=10)[-1]
            median = statistics.median
            print(f"{name:<12}  {median(painted):8.1f}  {p90:8.1f}  {median(script):14.1f}")
        browser.close()


if __name__ == "__main__":
    main()
