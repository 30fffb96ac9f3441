"""A real browser, and a visitor that notes every request and error."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


@pytest.fixture(scope="module")  # as long as Playwright runs, no test can use asyncio
def browser(chromium: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(chromium), args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


@dataclass
class Visitor:
    """One person's browser: its tabs share a cookie."""

    context: Any
    url: str
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open_tab(self) -> Any:
        tab = self.context.new_page()
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        tab.goto(self.url)
        return tab

    def sign_in(self, name: str, password: str) -> Any:
        """Open a tab, fill in the form and send it."""
        tab = self.open_tab()
        tab.get_by_label("User", exact=True).fill(name)
        tab.get_by_label("Password", exact=True).fill(password)
        tab.get_by_role("button", name="Sign in").click()
        return tab

    def outside_requests(self) -> list[str]:
        return [url for url in self.requests if not url.startswith((self.url, "blob:", "data:"))]


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visitor]]:
    """Make visitors, and see at the end that none of them asked for anything outside."""
    visitors: list[Visitor] = []

    def make(url: str, **options: Any) -> Visitor:
        visitor = Visitor(browser.new_context(**options), url)
        visitor.context.on("request", lambda request: visitor.requests.append(request.url))
        visitors.append(visitor)
        return visitor

    yield make
    for visitor in visitors:
        visitor.context.close()
        assert visitor.outside_requests() == []
