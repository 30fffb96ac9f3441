"""Every page of the monitor, for every role, over the store of a real federation."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fl_monitor.navigation import list_titles
from fl_monitor.views import VIEWS
from fl_store.accounts import add_user
from fl_store.connect import open_local_store
from fl_store.rows import Role
from tests.conftest import ROOT, require

pytestmark = [pytest.mark.browser, pytest.mark.slow]

AXE = ROOT / "tests" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD = "correct horse"
USERS = {Role.SERVER: ("carl", None), Role.CLIENT: ("nora", "a"), Role.ANALYST: ("anna", None)}
Visit = Callable[..., Any]
PHONE = {"width": 390, "height": 844}
OF_STREAMLIT = "Failed to load resource: the server responded with a status of 404"
"""Opened at a page's own address, Streamlit first looks there for its server."""

CASES = [(role, page) for role in Role for page in list_titles(role)]
WCAG_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The coordinator's home after a real run of three sites with synthetic scans."""
    folder = tmp_path_factory.mktemp("federation")
    demo = Path(sys.executable).with_name("fl-demo")
    options = ["--rounds", "2", "--scans-per-site", "4", "--no-monitor", "--exit-when-done"]
    subprocess.run([demo, "--folder", folder, *options], check=True, capture_output=True)
    with closing(open_local_store(folder / "home")) as store:
        for role, (name, site) in USERS.items():
            add_user(store, name, PASSWORD, role=role, site=site)
    return folder / "home"


@pytest.fixture
def url(federation: Path, tmp_path: Path, run_monitor: Any, free_port: int) -> Iterator[str]:
    shutil.copytree(federation, tmp_path, dirs_exist_ok=True)
    with run_monitor(free_port):
        yield f"http://127.0.0.1:{free_port}"


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


def find_faults(tab: Any) -> list[str]:
    """Return what axe finds against WCAG AA, one line a place."""
    tab.add_script_tag(path=str(AXE))
    found = tab.evaluate("(tags) => axe.run(document, { runOnly: tags })", WCAG_AA)["violations"]
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_keep_to_wcag_aa(url: str, visit: Visit, scheme: str) -> None:
    require(AXE, why="the tests of accessibility need it (npm ci in tests/axe)")
    visitor = visit(url, color_scheme=scheme)
    login = visitor.open_tab()
    login.locator("input[type=password]").wait_for(timeout=20_000)
    faults = {"login": find_faults(login)}
    tab = sign_in(visitor, Role.SERVER)
    for page in list_titles(Role.SERVER):
        open_page(tab, url, page)
        faults[page] = find_faults(tab)
    assert {page: found for page, found in faults.items() if found} == {}


def test_no_page_scrolls_sideways_on_a_phone(url: str, visit: Visit) -> None:
    tab = sign_in(visit(url, viewport=PHONE, has_touch=True, is_mobile=True), Role.SERVER)
    for page in list_titles(Role.SERVER):
        open_page(tab, url, page)
        width_px = tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert (page, width_px) == (page, PHONE["width"])
        assert max(card.bounding_box()["width"] for card in tab.locator(".fl-card").all()) < width_px


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


def test_every_chart_says_in_words_what_it_shows(url: str, visit: Visit) -> None:
    tab = sign_in(visit(url), Role.SERVER)
    for page in list_titles(Role.SERVER):
        open_page(tab, url, page)
        labels = [plot.get_attribute("aria-label") for plot in tab.locator(".fl-plot:not([hidden])").all()]
        assert all(len(label or "") > 20 for label in labels), (page, labels)


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
