"""Every page of the monitor, for every role, over the store of a real federation."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fl_core.processes import find_free_port
from fl_monitor.navigation import list_titles
from fl_monitor.views import VIEWS
from fl_store.accounts import add_user
from fl_store.connect import open_local_store
from fl_store.words import Role
from tests.conftest import ROOT, require, serve_monitor
from tests.integration.conftest import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = ROOT / "tests" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PASSWORD = "correct horse"
USERS = {Role.SERVER: ("carl", None), Role.CLIENT: ("nora", "a"), Role.ANALYST: ("anna", None)}
DESK = {"width": 1366, "height": 900}
PHONE = {"width": 390, "height": 844}
OF_STREAMLIT = "Failed to load resource: the server responded with a status of 404"
"""Opened at a page's own address, Streamlit first looks there for its server."""
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The coordinator's home after a real run of three sites with synthetic scans."""
    folder = tmp_path_factory.mktemp("federation")
    demo = Path(sys.executable).with_name("fl-demo")
    options = ["--rounds", "2", "--sites", "2", "--scans-per-site", "2", "--no-monitor", "--exit-when-done"]
    port = str(find_free_port())
    subprocess.run([demo, "--folder", folder, "--port", port, *options], check=True, capture_output=True)
    with closing(open_local_store(folder / "home")) as store:
        for role, (name, site) in USERS.items():
            add_user(store, name, PASSWORD, role=role, site=site)
    return folder / "home"


@pytest.fixture(scope="module")
def url(federation: Path) -> Iterator[str]:
    port = find_free_port()
    with serve_monitor(federation, port):
        yield f"http://127.0.0.1:{port}"


def sign_in(visitor: Any, role: Role) -> Any:
    """Return a tab of somebody of this role, in any language."""
    tab = visitor.open_tab()
    tab.locator("input[autocomplete=username]").fill(USERS[role][0])
    tab.locator("input[type=password]").fill(PASSWORD)
    tab.get_by_test_id("stBaseButton-primaryFormSubmit").click()
    wait_for_page(tab, "live")
    return tab


def open_page(tab: Any, url: str, page: str) -> None:
    """Open a page at its own address, as a bookmark does."""
    tab.goto(url if page == "live" else f"{url}/{page}")
    wait_for_page(tab, page)


def wait_for_page(tab: Any, page: str) -> None:
    tab.locator(f".fl-board[data-page={page}]").wait_for(timeout=20_000)
    for plot in tab.locator(".fl-plot:not([hidden])").all():
        plot.locator(".plot-container").first.wait_for(timeout=10_000)


def find_faults(tab: Any, scheme: str) -> list[str]:
    """Return what axe finds against WCAG AA, one line a place."""
    tab.emulate_media(color_scheme=scheme)
    tab.wait_for_timeout(1_200)  # the page takes the new colours with its next poll
    found = tab.evaluate("(tags) => axe.run(document, { runOnly: tags })", WCAG_AA)["violations"]
    return [f"{scheme}, {fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


@dataclass
class Walk:
    """What was found on each page of the coordinator."""

    faults: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    widths_px: dict[str, int] = field(default_factory=dict)

    def look_at(self, tab: Any, page: str) -> None:
        """Look at a page in light and dark, with a screen reader's eyes, and on a phone."""
        plots = tab.locator(".fl-plot:not([hidden])").all()
        self.labels[page] = [plot.get_attribute("aria-label") or "" for plot in plots]
        tab.add_script_tag(path=str(AXE))
        self.faults[page] = [*find_faults(tab, "dark"), *find_faults(tab, "light")]
        tab.set_viewport_size(PHONE)
        tab.wait_for_timeout(700)
        main_px = tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        cards = tab.locator(".fl-card").all()
        self.widths_px[page] = max(main_px, *(int(card.bounding_box()["width"]) for card in cards), 0)
        tab.set_viewport_size(DESK)


@pytest.fixture(scope="module")
def walk(url: str, browser: Any) -> Walk:
    require(AXE, why="the tests of accessibility need it (npm ci in tests/axe)")
    visitor = Visitor(browser.new_context(viewport=DESK, bypass_csp=True), url)  # for the script of axe
    found = Walk()
    login = visitor.open_tab()
    login.locator("input[type=password]").wait_for(timeout=20_000)
    found.look_at(login, "login")
    tab = sign_in(visitor, Role.SERVER)
    for page in list_titles(Role.SERVER):
        open_page(tab, url, page)
        found.look_at(tab, page)
    visitor.context.close()
    return found


def test_pages_keep_to_wcag_aa(walk: Walk) -> None:
    assert {page: faults for page, faults in walk.faults.items() if faults} == {}


def test_no_page_scrolls_sideways_on_a_phone(walk: Walk) -> None:
    assert set(walk.widths_px.values()) == {PHONE["width"]}


def test_every_chart_says_in_words_what_it_shows(walk: Walk) -> None:
    assert [len(walk.labels[page]) for page in ("live", "sites", "rounds", "quality")] == [5, 6, 3, 13]
    assert all(len(label) > 20 for labels in walk.labels.values() for label in labels)


@pytest.mark.parametrize("role", Role)
def test_each_page_opens_at_its_address_without_an_error(url: str, visit: Visit, role: Role) -> None:
    visitor = visit(url)
    tab = sign_in(visitor, role)
    for page in list_titles(role):
        open_page(tab, url, page)
        assert tab.locator(".fl-board h1").inner_text()
        assert tab.locator(".fl-card").count() > 0, page
        assert tab.get_by_text("Research use only, not for diagnosis.").count() == 1
    assert [error for error in visitor.errors if not error.startswith(OF_STREAMLIT)] == []


@pytest.mark.parametrize("role", [Role.CLIENT, Role.ANALYST])
def test_page_of_another_role_shows_nothing_of_it(url: str, visit: Visit, role: Role) -> None:
    tab = sign_in(visit(url), role)
    for page in set(VIEWS) - set(list_titles(role)):
        tab.goto(f"{url}/{page}")
        tab.get_by_text("Page not found").wait_for(timeout=20_000)
        assert tab.locator(f".fl-board[data-page={page}]").count() == 0
        assert tab.evaluate(f"fetch('/api/pages/{page}').then((reply) => reply.status)") == 403


def test_without_a_login_every_address_shows_the_form(url: str, visit: Visit) -> None:
    tab = visit(url).open_tab()
    for page in VIEWS:
        tab.goto(f"{url}/{page}")
        tab.locator("input[type=password]").wait_for(timeout=20_000)
        assert tab.locator(".fl-board").count() == 0


def test_pages_speak_chinese_where_the_browser_does(url: str, visit: Visit) -> None:
    tab = sign_in(visit(url, locale="zh-CN"), Role.SERVER)
    for page, title in {"rounds": "轮次", "runs": "运行记录"}.items():
        open_page(tab, url, page)
        assert tab.locator(".fl-board h1").inner_text() == title
    assert tab.get_by_text("仅供研究使用").count() == 1


def test_language_is_switched_by_a_button_and_stays(url: str, visit: Visit) -> None:
    tab = sign_in(visit(url), Role.ANALYST)
    tab.get_by_role("button", name="中文").click()
    tab.get_by_role("button", name="退出登录").wait_for(timeout=20_000)
    tab.reload()
    tab.get_by_role("button", name="English").click()
    tab.get_by_role("button", name="Sign out").wait_for(timeout=20_000)


def test_froc_of_an_earlier_round_is_reached_by_keyboard(url: str, visit: Visit) -> None:
    tab = sign_in(visit(url), Role.ANALYST)
    open_page(tab, url, "quality")
    card = tab.locator("[data-block=froc]")
    card.locator("input[type=range]").focus()
    tab.keyboard.press("ArrowLeft")
    assert card.locator("output").inner_text() == "Round 1"
    tab.wait_for_timeout(2_500)
    assert card.locator("output").inner_text() == "Round 1"


def test_run_in_the_address_is_shown(url: str, visit: Visit, federation: Path) -> None:
    run_id = next((federation / "runs").iterdir()).name
    tab = sign_in(visit(url), Role.ANALYST)
    tab.goto(f"{url}/rounds?run={run_id}")
    wait_for_page(tab, "rounds")
    assert tab.locator("[data-block=rounds] tbody tr").count() == 2
    tab.goto(f"{url}/rounds?run=deleted")
    tab.get_by_text("There is no run deleted").wait_for(timeout=20_000)
