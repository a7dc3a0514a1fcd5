"""Does an explorer answer, and is all of it to be seen? Its controls are moved by pointer and by keys.

That a slider itself moves is the browser's doing. What counts is what the explorer's own code changes: texts,
pixels, drawings, pictures and what is said to a screen reader of them. What is seen is compared.
"""

import time

SEEN = """(root) => {
  const NOT_SEEN = "style, script, textarea, .mdx-spoken, .widget-readout";
  const parts = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode;
    if (!text.parentElement.closest(NOT_SEEN)) parts.push(text.data);
  }
  for (const canvas of root.querySelectorAll("canvas")) parts.push(canvas.toDataURL());
  for (const image of root.querySelectorAll("img")) parts.push(image.src);
  for (const drawing of root.querySelectorAll("svg")) parts.push(drawing.outerHTML);
  for (const range of root.querySelectorAll("input[type=range]")) parts.push(range.ariaValueText);
  for (const told of root.querySelectorAll("[role=img], [role=application]")) parts.push(told.ariaLabel);
  let sum = 0;
  for (const letter of parts.join("\\0")) sum = (31 * sum + letter.codePointAt(0)) | 0;
  return sum;
}"""

CUT_OFF = """(root) => {
  const MAY = ".mdx-spoken, .mdx-second, input, select, canvas, svg, svg *, "
    + ":has(> .noUi-target), .noUi-target, .noUi-target *";  // the handle of a slider at its end
  const sticksOut = (part) => part.getBoundingClientRect().right > innerWidth + 1
    || (part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).display !== "inline");
  return [root, ...root.querySelectorAll("*")]
    .filter((part) => part.checkVisibility() && !part.matches(MAY) && sticksOut(part))
    .map((part) => part.outerHTML.slice(0, 80));
}"""

KINDS = {
    "board": ".mdx-stack[tabindex], [role=application]",
    "slider": "input[type=range], .noUi-handle",
    "list": "select",
    "box to tick": "input[type=checkbox]",
    "radio button": "input[type=radio]:not(:checked)",
    "button": "button",
    "number": "input:not([type]), input[type=number], input[type=text]",
    "text": "textarea",
}
TRIES = 3  # controls of a kind; the first may have nothing to do, as Undo has at the start
WAIT = 1.0  # seconds in which an explorer has to answer; one that asks a kernel gets more


def poke(root, wait=WAIT):
    """Move the controls of an explorer -> {kind of control: {"pointer": answered, "keys": answered}}.

    root  locator of playwright, of the element that holds the explorer
    wait  seconds that an answer may take
    A kind of control that the explorer has none of is left out, and so is a way in which it cannot be used.
    """
    found = {}
    for kind, selector in KINDS.items():
        controls = [each for each in root.locator(selector).all() if each.is_visible() and each.is_enabled()]
        ways = {
            name: any(_answers(root, each, way[kind], wait) for each in controls[:TRIES])
            for name, way in (("pointer", BY_POINTER), ("keys", BY_KEYS))
            if controls and kind in way
        }
        if ways:
            found[kind] = ways
    return found


def cut_off(root):
    """What an explorer cuts off, or lets stick out at the side, as it stands now -> [the start of its HTML]

    root  locator of playwright, of the element that holds the explorer
    """
    return root.evaluate(CUT_OFF)


def _answers(root, control, move, wait):
    """Whether something is seen to change in the explorer when one control is moved."""
    if not (control.is_visible() and control.is_enabled()):
        return False
    before = _at_rest(root)
    if before is None:
        return False
    move(control)
    end = time.monotonic() + wait
    while time.monotonic() < end:
        if root.evaluate(SEEN) != before:
            return True
        root.page.wait_for_timeout(50)
    return False


def _at_rest(root, most=5.0):
    """What is seen of the explorer once it has stopped changing by itself; None where it goes on and on."""
    end = time.monotonic() + most
    before, now = None, root.evaluate(SEEN)
    while now != before and time.monotonic() < end:
        root.page.wait_for_timeout(150)
        before, now = now, root.evaluate(SEEN)
    return now if now == before else None


def _drag(control):
    box = control.bounding_box()
    x, y = box["x"] + 0.62 * box["width"], box["y"] + 0.58 * box["height"]
    mouse = control.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x - 0.15 * box["width"], y - 0.15 * box["height"], steps=3)
    mouse.up()


def _slide(control):
    """Click the track far from where the handle is."""
    track = control if control.evaluate("(e) => e.matches('input')") else control.locator("xpath=../../..")
    box, handle = track.bounding_box(), control.bounding_box()
    share = control.evaluate("(e) => (e.value - e.min) / (e.max - e.min)")
    if track is not control:
        share = (handle["x"] + handle["width"] / 2 - box["x"]) / box["width"]
    control.page.mouse.click(
        box["x"] + box["width"] * (0.2 if share > 0.5 else 0.8), box["y"] + box["height"] / 2
    )


def _choose(control):
    """The list itself is drawn by the system, out of a page's reach; so choose as one would in it."""
    open_to = control.evaluate(
        "(list) => [...list.options].findIndex((option, at) => at !== list.selectedIndex && !option.disabled)"
    )
    if open_to >= 0:
        control.select_option(index=open_to)


def _step(control):
    """One step by an arrow key, back where there is no step ahead."""
    control.focus()
    at_end = """(e) => e.matches("select") ? e.selectedIndex === e.options.length - 1
      : e.matches("input") ? e.value === e.max : e.ariaValueNow === e.ariaValueMax"""
    back = "ArrowUp" if control.evaluate("(e) => e.matches('select')") else "ArrowLeft"
    ahead = {"ArrowUp": "ArrowDown", "ArrowLeft": "ArrowRight"}[back]
    control.page.keyboard.press(back if control.evaluate(at_end) else ahead)


def _press(*keys):
    def press(control):
        control.focus()
        for key in keys:
            control.page.keyboard.press(key)

    return press


def _type(control):
    control.focus()
    control.page.keyboard.press("Control+End")
    control.page.keyboard.type(" and aspirin")


BY_POINTER = {
    "board": _drag,
    "slider": _slide,
    "list": _choose,
    "box to tick": lambda control: control.click(),
    "radio button": lambda control: control.click(),
    "button": lambda control: control.click(),
}
BY_KEYS = {
    "board": _press("ArrowRight", "ArrowDown", "ArrowDown"),
    "slider": _step,
    "list": _step,
    "box to tick": _press("Space"),
    "radio button": _press("Space"),
    "button": _press("Enter"),
    "number": _press("ArrowUp"),
    "text": _type,
}
