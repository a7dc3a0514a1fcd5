"""How long the convolution explorer takes from an event to painted pixels in Chromium, beside ipywidgets.

    python benchmarks/explorer_latency.py --rounds 100

Each event is real input, sent to the browser. The clock runs in the page, from the event's own time stamp to
the first task after the frame that drew its result; "script" is the part spent in the explorer's code.
The peer is the same explorer, but for hovering, written with ipywidgets and running in JupyterLab on this
computer: once as `interactive_output` with a matplotlib figure, as most are, and once with an Image widget
that gets a small PNG, the fastest way that was found. Events go to all three in turns.
"""

import socket
import statistics
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from _measuring import Report, arguments
from playwright.sync_api import sync_playwright

from medtutor.course.bench import ROOT, Row
from medtutor.course.browser import NAMES, QUIET, chromium_path
from medtutor.explore import explore_convolution

sys.path.append(str(ROOT / "tests" / "browser"))
from conftest import Lab  # noqa: E402
from test_widgets_lab import run as running  # noqa: E402

BOUND = 16  # milliseconds
CONTROLS = """
import io
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from scipy.signal import correlate2d
from medtutor.explore.images import sample_images

image = sample_images()["CT"]
names = [f"kernel row {row} column {column}" for row in range(3) for column in range(3)]
kernel = [widgets.IntText(value, description=name, continuous_update=True)
          for value, name in zip([1, 0, -1, 2, 0, -2, 1, 0, -1], names)]
padding = widgets.IntSlider(0, min=0, max=4, description="padding p")
controls = {"padding": padding} | {f"w{number}": box for number, box in enumerate(kernel)}

def correlate(padding, **weights):
    w = np.reshape(list(weights.values()), (3, 3))
    return correlate2d(np.pad(image, padding), w, mode="valid")
"""
PEERS = {
    "ipywidgets with matplotlib": """
def show(**values):
    plt.imshow(correlate(**values), cmap="gray")
    plt.show()

panel = widgets.VBox([*controls.values(), widgets.interactive_output(show, controls)])
""",
    "ipywidgets with a PNG": """
picture = widgets.Image(width=400)

def show(change=None):
    output = correlate(**{name: box.value for name, box in controls.items()})
    grey = np.interp(output, (output.min(), output.max() + 1e-9), (0, 255)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG", compress_level=1)
    picture.value = file.getvalue()

for box in controls.values():
    box.observe(show, "value")
show()
panel = widgets.VBox([*controls.values(), picture])
""",
}

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


# The same for the panel of widgets: its picture is a new one, and is decoded, before the frame that shows it.
WIDGETS_STOPWATCH = """() => {
  window.times = [];
  let began = 0;
  for (const type of ["keydown", "input"])  // a digit is both, and the latter counts; the slider hears keys
    addEventListener(type, (event) => { began = event.timeStamp; }, true);
  const pictureOf = (change) => [change.target, ...change.addedNodes]
    .filter((node) => node.nodeType === 1)
    .map((node) => (node.matches("img") ? node : change.addedNodes.length ? node.querySelector("img") : null))
    .find(Boolean);
  new MutationObserver((changes) => {
    const picture = changes.map(pictureOf).find(Boolean);
    if (!picture || !began) return;
    const since = began;
    began = 0;
    picture.decode().then(() => requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.times.push([performance.now() - since, 0]);
      channel.port2.postMessage(0);
    }));
  }).observe(document.querySelector(".bench-panel"),
    {subtree: true, childList: true, attributes: true, attributeFilter: ["src"]});
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
    handle = page.locator(".noUi-handle")  # of ipywidgets
    (handle if handle.count() else page.get_by_label("padding p")).focus()
    page.wait_for_timeout(60)
    page.keyboard.press("ArrowRight" if number % 8 < 4 else "ArrowLeft")


ACTIONS = {"hover": (hover, "pointermove"), "kernel edit": (edit_kernel, "input"), "slider": (slide, "input")}


def once(page, action, number):
    """Milliseconds from one event to painted pixels, and of script."""
    seen = page.evaluate("window.times.length")
    action(page, number)
    page.wait_for_function("(seen) => window.times.length > seen", arg=seen, timeout=10_000)
    page.wait_for_timeout(20 + 7 * (number % 5))  # so that events do not fall into step with the screen
    return [round(each, 2) for each in page.evaluate("window.times.at(-1)")]


@contextmanager
def server(folder):
    """JupyterLab on this computer, with settings of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lab = Lab(folder, port)
    try:
        if not lab.answers():
            raise RuntimeError(
                "JupyterLab did not start: " + (folder / "server.log").read_text("utf-8")[-500:]
            )
        yield lab
    finally:
        lab.process.terminate()
        lab.process.wait(timeout=20)


def panel(stack, browser, lab, name, source):
    """A tab with the widgets of `source`, live in a kernel of their own."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    code = f'{CONTROLS}{source}\npanel.add_class("bench-panel")\npanel'
    stack.enter_context(running(page, lab, name.replace(" ", "-") + ".ipynb", code))
    page.locator(".bench-panel img").first.wait_for(timeout=60_000)
    page.evaluate(WIDGETS_STOPWATCH)
    return page


def explorer(browser, address, type_):
    """A tab with the explorer."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(address)
    page.wait_for_selector(".mdx")
    page.evaluate(STOPWATCH, type_)
    return page


def turns(pages, action, rounds):
    """One event each in turns, the first five left out: {name: [(ms to painted pixels, ms of script), …]}."""
    times = {name: [] for name in pages}
    for number in range(rounds + 5):
        for name in list(pages) if number % 2 else reversed(pages):
            times[name].append(once(pages[name], action, number))
    return {name: row[5:] for name, row in times.items()}


def rows(name, times):
    """Ours against the bound, then beside each peer."""
    painted = {side: tuple(each for each, _ in row) for side, row in times.items()}
    ours = painted.pop("ours")
    script = statistics.median(each for _, each in times["ours"])
    what = f"convolution explorer, {name}"
    size = "event to painted pixels"
    yield Row(what, f"{size}, {script:.1f} ms of it script", "ms", ours, at_most=BOUND)
    same = "the same controls and filtered image; the sums are only in ours"
    for peer, theirs in painted.items():
        yield Row(what, size, "ms", ours, peer, theirs, (), same)


def main():
    options = arguments(__doc__, rounds=30).parse_args()
    path = chromium_path()
    report = Report(options)
    if path is None:
        missing = f"none of {', '.join(NAMES)} is installed, and MEDTUTOR_CHROMIUM is not set"
        for action in ACTIONS:
            report.add(Row(f"convolution explorer, {action}", "", missing=missing))
        return report.done()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=path, args=QUIET)
        stack.callback(browser.close)
        report.settings["Chromium"] = browser.version
        html = folder / "explorer.html"
        output = explore_convolution()._repr_mimebundle_()["text/html"]
        html.write_text("<!doctype html><meta charset=utf-8>" + output, encoding="utf-8")
        lab = stack.enter_context(server(folder))
        peers = {name: panel(stack, browser, lab, name, source) for name, source in PEERS.items()}
        for name, (action, type_) in ACTIONS.items():
            ours = {"ours": explorer(browser, html.as_uri(), type_)}
            times = turns(ours if action is hover else ours | peers, action, options.rounds)
            for row in rows(name, times):
                report.add(row)
            ours["ours"].close()
    return report.done()


if __name__ == "__main__":
    sys.exit(main())
