"""The watch that is kept on every tab: what it sees is what the other tests assert to be nothing."""

import http.server
import threading

import pytest

from medtutor.course import browser

ABROAD = ["https://a.example/picture.png", "http://localhost.b.example/script.js", "https://c.example/data"]


@pytest.fixture
def address():
    """A server on this computer; its address ends in a slash."""
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *rest: None})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("at_home", ["file", "server"])
def test_requests_to_another_computer_are_refused_and_named_and_no_others(
    chromium, tmp_path, monkeypatch, address, at_home
):
    monkeypatch.chdir(tmp_path)  # which is what the server serves
    (tmp_path / "page.html").write_text(
        f"<img src='{ABROAD[0]}'><script src='{ABROAD[1]}'></script>"
        "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><script>"
        f"const ask = (where) => fetch(where).then(() => 'answered', () => 'refused');"
        f"new WebSocket('wss://d.example/');"
        f"Promise.all([ask('{ABROAD[2]}'), ask('{address}page.html')]).then((said) => document.title = said);"
        "</script>",
        encoding="utf-8",
    )
    start = address if at_home == "server" else tmp_path.as_uri() + "/"
    with browser.watched(chromium) as (page, seen):
        page.goto(start + "page.html")
        page.wait_for_function("document.title.includes(',')")
        assert page.title() == ("refused,answered" if at_home == "server" else "refused,refused")  # by CORS
        assert sorted(seen.foreign) == sorted([*ABROAD, "wss://d.example/"])
        assert not seen.errors


def test_nothing_that_a_page_stored_or_opened_is_left_to_the_next_tab(
    new_tab, tmp_path, monkeypatch, address
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.html").write_text(
        "<script>document.title = `${document.cookie}${localStorage.length}${sessionStorage.length}`;"
        "document.cookie = 'a=b'; localStorage.c = sessionStorage.c = 'd';</script>",
        encoding="utf-8",
    )
    tabs = []
    for _ in range(2):
        with new_tab() as tab:
            with tab.expect_popup():
                tab.goto(address + "page.html")
                tab.evaluate("open('page.html')")
            tabs.append((tab.title(), len(tab.context.pages)))
            tab.reload()
            assert tab.title() == "a=b11", "what is stored is there as long as the tab is"
    assert tabs[0] == tabs[1] == ("00", tabs[0][1])
