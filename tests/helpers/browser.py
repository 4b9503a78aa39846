"""Pages opened in a headless Chromium, of which no request leaves the machine."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_THIS_MACHINE = ("localhost", "127.0.0.1")
_NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND , " + " , ".join(f"EXCLUDE {host}" for host in _THIS_MACHINE)


@dataclass
class OpenedPage:
    """A page and what happened while it was open.

    Attributes:
        page: Playwright's page: ``page.locator("#filter").fill("ring")``, ``page.screenshot(path=...)``.
        errors: What the console said of errors, and exceptions of scripts.
        requests: Addresses that were asked for.
    """

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def foreign_requests(self) -> list[str]:
        """Addresses on other machines that were asked for; none was reached."""
        return [url for url in self.requests if urlsplit(url).hostname not in (None, *_THIS_MACHINE)]

    def texts(self, selector: str) -> list[str]:
        """The visible text of each element that is shown."""
        return [each.inner_text() for each in self.page.locator(selector).all() if each.is_visible()]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium; a test without one is skipped.

    It lasts for a module: as long as it runs, this process has an asyncio loop of Playwright's.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)} is installed")
    with playwright.sync_playwright() as library:
        browser = library.chromium.launch(executable_path=path, args=[_NO_NETWORK])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Callable[..., OpenedPage]]:
    """Opens a file or an address: ``open_page(folder / "index.html", width=1200, color_scheme="dark")``."""
    contexts = []

    def opened(where: Path | str, *, width: int = 1200, height: int = 1600, **options: Any) -> OpenedPage:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        seen = OpenedPage(context.new_page())
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
        seen.page.on("console", lambda said: said.type == "error" and seen.errors.append(said.text))
        seen.page.goto(where.resolve().as_uri() if isinstance(where, Path) else where)
        return seen

    yield opened
    for context in contexts:
        context.close()
