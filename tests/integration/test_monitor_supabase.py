"""A monitor on another machine than the coordinator: all it has is Supabase, and a folder of its own."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from fl_monitor.auth import Sessions
from fl_monitor.cli import app
from fl_monitor.routes import COOKIE
from fl_store.accounts import add_user, find_user
from fl_store.base import Store
from fl_store.connect import open_local_store, open_store, open_supabase
from fl_store.rows import LoginAttemptRow, utc_now
from fl_store.run_rows import MetricRow
from fl_store.words import Role
from tests.integration.test_monitor_browser import points_of, wait_for_charts
from tests.supabase_server import SupabaseServer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "correct horse"
SOON_MS = 10_000
Visit = Callable[..., Any]


@pytest.fixture
def coordinator(
    supabase: SupabaseServer, rehearsal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """A coordinator's store in a folder of its own, with the user anna and a run in its third round."""
    monkeypatch.setenv("SUPABASE_URL", supabase.url)
    monkeypatch.setenv("SUPABASE_KEY", supabase.secret_key)
    opened = open_store(tmp_path / "coordinator")
    add_user(opened, "anna", PASSWORD, role=Role.ANALYST)
    rehearsal.store = opened
    rehearsal.start()
    rehearsal.beat()
    for round_no in (1, 2):
        rehearsal.play_round(round_no)
    rehearsal.begin_round(3)
    yield opened
    opened.close()


@pytest.fixture
def url(coordinator: Store, run_monitor: Any, free_port: int) -> Iterator[str]:
    with run_monitor(free_port):
        yield f"http://127.0.0.1:{free_port}"


def badge(tab: Any, text: str) -> Any:
    return tab.locator(".fl-badge", has_text=text)


def test_rows_and_users_of_the_coordinator_are_there(url: str, visit: Visit, rehearsal: Any) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    assert points_of(tab, "auc", "north") == 2
    rehearsal.reply(3, "north")
    tab.locator("tr", has_text="north").get_by_text("done").wait_for(timeout=SOON_MS)
    assert points_of(tab, "auc", "north") == 3


def test_lost_supabase_leaves_the_last_data_and_lets_users_in(
    url: str, visit: Visit, rehearsal: Any, supabase: SupabaseServer
) -> None:
    first = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(first)
    supabase.kill()
    badge(first, "Stale").wait_for(timeout=2 * SOON_MS)
    first.get_by_text("All this was so at").wait_for(timeout=SOON_MS)
    assert points_of(first, "auc", "north") == 2
    second = visit(url).sign_in("anna", PASSWORD)
    badge(second, "Stale").wait_for(timeout=SOON_MS)
    assert points_of(second, "auc", "north") == 2

    supabase.restart()
    rehearsal.beat()
    rehearsal.reply(3, "north")
    for tab in (first, second):
        tab.locator("tr", has_text="north").get_by_text("done").wait_for(timeout=2 * SOON_MS)
        badge(tab, "Live").wait_for(timeout=SOON_MS)


def test_logins_here_are_carried_to_supabase(url: str, visit: Visit) -> None:
    wait_for_charts(visit(url).sign_in("anna", PASSWORD))
    remote = open_supabase()
    wait_until(lambda: remote.get(LoginAttemptRow))
    (attempt,) = remote.get(LoginAttemptRow)
    remote.close()
    assert (attempt.user, attempt.is_accepted) == ("anna", True)


def test_monitor_that_never_reached_supabase_lets_known_users_in(
    visit: Visit, run_monitor: Any, free_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("SUPABASE_KEY", "sb_secret_x")
    store = open_local_store(tmp_path)
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    store.close()
    with run_monitor(free_port):
        tab = visit(f"http://127.0.0.1:{free_port}").sign_in("anna", PASSWORD)
        badge(tab, "Store not readable").wait_for(timeout=SOON_MS)
        assert tab.get_by_text("No data yet.").is_visible()
        assert not tab.locator(".fl-progress, .fl-card").first.is_visible()


def test_run_of_more_rows_than_one_answer_holds_is_complete(
    coordinator: Store, rehearsal: Any, run_monitor: Any, free_port: int, tmp_path: Path
) -> None:
    for round_no in range(1, 32):
        rehearsal.play_round(round_no)
    num_rows = len(coordinator.get(MetricRow))
    remote = open_supabase()
    wait_until(lambda: len(remote.get(MetricRow)) == num_rows > 1000)
    remote.close()
    with run_monitor(free_port):
        parts = read_feed(free_port, tmp_path)["parts"]
    traces = next(block for part in parts for block in part if block["name"] == "auc")["figure"]["data"]
    assert {trace["meta"]["site"]: len(trace["x"]) for trace in traces} == dict.fromkeys(
        ["", "*", "east", "north", "south"], 31
    )


def test_report_is_written_from_supabase(coordinator: Store, tmp_path: Path) -> None:
    coordinator.close()
    out, home = tmp_path / "report.html", tmp_path / "elsewhere"
    result = CliRunner().invoke(app, ["report", "run-1", str(out), "--home", str(home)])
    assert result.exit_code == 0
    assert "Rehearsal" in out.read_text(encoding="utf-8")
    assert not home.exists()


def read_feed(port: int, home: Path) -> Any:
    """Return what a browser with a session gets from the monitor whose folder is ``home``."""
    store = open_local_store(home)
    token = Sessions(store).start(find_user(store, "anna"), utc_now())
    store.close()
    answer = httpx.get(f"http://127.0.0.1:{port}/api/pages/live", cookies={COOKIE: token}, timeout=20)
    return answer.json()


def wait_until(is_so: Callable[[], Any], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
