"""A Chromium that asks nothing of other computers: for the tests in a browser and for the rehearsal."""

import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
HERE = re.compile(r"(file|data|blob|about):|(http|ws)s?://(127\.0\.0\.1|localhost)[:/]")
ELSEWHERE = re.compile(f"^(?!{HERE.pattern})")  # the browser asks about these alone
OF_LAB = re.compile(r"/static/lab/|/lab/extensions/")  # scripts of JupyterLab, which answers for its own


def chromium_path():
    """The browser that MEDTUTOR_CHROMIUM names, or one that is installed, or None."""
    return os.environ.get("MEDTUTOR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Watch:
    """What a page did besides showing itself.

    foreign  addresses on other computers that it asked for, in vain
    errors   what its scripts raised, as playwright has it
    console  the errors in its console, as (text, address of the script or file)
    """

    foreign: list = field(default_factory=list)
    errors: list = field(default_factory=list)
    console: list = field(default_factory=list)


@contextmanager
def watched(chromium, **options):
    """A fresh tab, 1280 pixels wide unless `options` say otherwise, and the Watch that is kept on it."""
    context = profile(chromium, **options)
    try:
        with tab_in(context) as (page, seen):
            yield page, seen
    finally:
        context.close()


def profile(chromium, **options):
    """A context that knows nothing of others; its tabs are 1280 pixels wide unless `options` differ."""
    return chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)


@contextmanager
def tab_in(context):
    """A new tab in this context and the Watch kept on it; it closes in the end, with what it opened."""
    seen, others = Watch(), context.pages

    def refuse(route):
        seen.foreign.append(route.request.url)
        route.abort()

    def listen(message):
        if message.type == "error":
            seen.console.append((message.text, message.location.get("url", "")))

    context.route(ELSEWHERE, refuse)
    page = context.new_page()
    page.on("pageerror", lambda error: seen.errors.append(error))
    page.on("console", listen)
    page.on("websocket", lambda socket: HERE.match(socket.url) or seen.foreign.append(socket.url))
    try:
        yield page, seen
    finally:
        for tab in context.pages:
            if tab not in others:
                tab.close()
        context.unroute(ELSEWHERE, refuse)


def kernel_is_there(page):
    """Wait until the notebook that is open in JupyterLab has a kernel with nothing to do."""
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Python 3 (ipykernel)").wait_for()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for()


def run_all(page):
    """Press Run > Run All Cells in JupyterLab, once the kernel is there; Lab would ask for one otherwise."""
    kernel_is_there(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
