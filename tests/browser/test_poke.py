"""Whether an explorer answers, tried on pages whose controls do something, nothing, or all by themselves."""

import pytest

from medtutor.course.poke import cut_off, poke
from medtutor.explore import explore_checkerboard

CONTROLS = """<div id="explorer">
  <div role="application" tabindex="0" style="width: 200px; height: 100px; background: #ccc"></div>
  <input type="range" min="0" max="10" value="10">
  <select><option>a<option>b</select>
  <input type="checkbox">
  <input type="radio" name="r" checked><input type="radio" name="r">
  <button disabled>Undo</button><button>Nothing</button><button>Next</button>
  <input type="number" value="1">
  <textarea>Given</textarea>
  <p id="said">0</p>
</div>"""
LIVE = """<script>
  const count = () => said.textContent = Number(said.textContent) + 1;
  for (const control of explorer.querySelectorAll("input, select, textarea")) control.oninput = count;
  for (const button of explorer.querySelectorAll("button")) {
    if (button.textContent === "Next") button.onclick = count;
  }
  const board = explorer.querySelector("[role=application]");
  board.onpointerdown = count;
  board.onkeydown = count;
</script>"""
BY_ITSELF = "<script>setInterval(() => said.textContent = performance.now(), 20)</script>"
BOTH = {"pointer": True, "keys": True}


@pytest.fixture
def poked(page):
    """poked(html) -> what poke finds on a page of this text."""

    def find(text):
        page.set_content(f"<!doctype html><meta charset=utf-8>{text}")
        return poke(page.locator("#explorer"), wait=0.3)

    return find


def test_controls_that_change_what_is_seen_answer(poked):
    assert poked(CONTROLS + LIVE) == {
        "board": BOTH,
        "slider": BOTH,
        "list": BOTH,
        "box to tick": BOTH,
        "radio button": BOTH,
        "button": BOTH,
        "number": {"keys": True},
        "text": {"keys": True},
    }


def test_controls_that_only_move_themselves_do_not_answer(poked):
    found = poked(CONTROLS)
    assert len(found) == 8
    assert not any(answered for ways in found.values() for answered in ways.values())


def test_a_page_that_changes_by_itself_does_not_answer(poked):
    found = poked('<div id="explorer"><button>Next</button><p id="said"></p></div>' + BY_ITSELF)
    assert found == {"button": {"pointer": False, "keys": False}}


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ('<p style="width: 90px">a few words, on as many lines as they need</p>', 0),
        ('<p style="width: 90px; white-space: nowrap">a few words on one line</p>', 2),  # and what holds it
        ('<p style="width: 90px; overflow: hidden">' + 40 * "m" + "</p>", 1),
        ('<p style="width: 3000px">wider than the window</p>', 2),
        ('<p style="width: 3000px; display: none">not shown</p>', 0),
        ('<p class="mdx-spoken" style="width: 9px; overflow: hidden">to be heard, not seen</p>', 0),
    ],
)
def test_what_sticks_out_of_its_place_is_found(page, text, cut):
    page.set_content(f'<!doctype html><div id="explorer" style="width: 100px">{text}</div>')
    found = cut_off(page.locator("#explorer"))
    assert len(found) == cut and (not cut or found[-1] == text[:80])


def test_an_explorer_answers_pointer_and_keys(page, dark_page):
    dark_page(page, explore_checkerboard().page())
    found = poke(page.locator(".mdx"))
    assert found["board"] == BOTH and found["slider"] == BOTH


def test_an_explorer_whose_script_is_broken_does_not_answer(page, dark_page):
    text = explore_checkerboard().page().replace('addEventListener("input"', 'addEventListener("no-input"')
    text = text.replace('addEventListener("keydown"', 'addEventListener("no-key"')
    dark_page(page, text)
    found = poke(page.locator(".mdx"))
    assert found["slider"] == {"pointer": False, "keys": False} and not found["board"]["keys"]
