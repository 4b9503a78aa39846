"""The browser of the tests sees what it is there to see."""

import http.server
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.helpers.browser import OpenedPage


def test_errors_and_foreign_requests_are_noticed(open_page: Callable[..., OpenedPage], tmp_path: Path):
    page = tmp_path / "page.html"
    page.write_text('<button onclick="nothing()">press</button><p hidden>b</p><img src="https://example.com/a.png">')
    opened = open_page(page)
    opened.page.click("button")
    assert opened.texts("button, p") == ["press"]
    assert opened.foreign_requests == ["https://example.com/a.png"]
    assert len(opened.errors) == 2
    assert "ERR_NAME_NOT_RESOLVED" in opened.errors[0]
    assert "nothing is not defined" in opened.errors[1]


def test_a_server_on_this_machine_is_reached(open_page: Callable[..., OpenedPage], tmp_path: Path):
    (tmp_path / "page.html").write_text("<title>served</title><link rel='icon' href='data:,'>")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        opened = open_page(f"http://127.0.0.1:{server.server_port}/page.html")
        assert opened.page.title() == "served"
        assert opened.errors == []
        assert opened.foreign_requests == []
        server.shutdown()
