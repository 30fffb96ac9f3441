"""A real browser, a visitor that notes every request and error, and the table of the fault matrix."""

import os
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what became of the cells of the fault matrix, and write the table where it is asked for."""
    ended = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    reports = [report for report in ended if "cell" in dict(report.user_properties)]
    if not reports:
        return
    from tests.integration.fault_table import draw_table, list_failures

    table = draw_table(reports)
    terminalreporter.section("faults: seconds to the end of the next round")
    terminalreporter.write_line("\n".join([table, *list_failures(reports)]))
    if name := os.environ.get("FEDLUNA_FAULTS_TABLE"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(f"{table}\n", encoding="utf-8")
