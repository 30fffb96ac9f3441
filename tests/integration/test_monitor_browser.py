"""The monitor as people meet it: a real ``fl-monitor``, a real Chromium, and rows written meanwhile."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fl_monitor.report import write_report
from fl_store.accounts import add_user, find_user
from fl_store.rows import utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunState

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "correct horse"
SOON_MS = 10_000
CHARTS = ["auc", "cpm", "loss", "seconds", "froc"]
BAND = ""
"""The band between the worst and the best site is nobody's."""
Visit = Callable[..., Any]


@pytest.fixture
def monitor(store: SqliteStore, rehearsal: Any, run_monitor: Any, free_port: int) -> Iterator[Any]:
    """A monitor of a run in its third round; anna sees all of it, nora only north."""
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    rehearsal.start()
    rehearsal.beat()
    for round_no in (1, 2):
        rehearsal.play_round(round_no, utc_now() - timedelta(seconds=30 - 6 * round_no))
    rehearsal.begin_round(3)
    with run_monitor(free_port) as process:
        yield process


@pytest.fixture
def url(monitor: Any, free_port: int) -> str:
    return f"http://127.0.0.1:{free_port}"


def wait_for_charts(tab: Any) -> None:
    tab.locator("[data-block=froc] .js-plotly-plot .plot-container").wait_for(timeout=20_000)


def points_of(tab: Any, chart: str, site: str) -> int:
    return tab.evaluate(
        """([chart, site]) => document.querySelector(`[data-block=${chart}] .fl-plot`).data
           .find((trace) => trace.meta.site === site).x.length""",
        [chart, site],
    )


def x_range(tab: Any, chart: str) -> list[float]:
    return tab.evaluate(
        "(chart) => document.querySelector(`[data-block=${chart}] .fl-plot`)._fullLayout.xaxis.range.slice()",
        chart,
    )


def test_wrong_password_is_one_sentence_and_no_data(url: str, visit: Visit) -> None:
    visitor = visit(url)
    tab = visitor.sign_in("anna", "wrong password")
    tab.get_by_text("Wrong user name or password.").wait_for(timeout=SOON_MS)
    assert tab.locator(".fl-board").count() == 0
    assert not any("/api/pages/" in request for request in visitor.requests)


def test_login_shows_the_run_and_the_console_stays_clean(url: str, visit: Visit) -> None:
    visitor = visit(url)
    tab = visitor.sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    assert tab.locator(".fl-board h1").inner_text() == "Running round 3 of 10"
    assert [
        card.get_attribute("data-block") for card in tab.locator("[data-block]:has(.fl-plot)").all()
    ] == CHARTS
    tab.locator(".fl-badge", has_text="Live").wait_for(
        timeout=SOON_MS
    )  # a busy machine is stale for a second
    assert "1 online" in tab.locator("[data-block=people]").inner_text()
    assert visitor.errors == []


def test_charts_offer_no_way_to_send_data_elsewhere(url: str, visit: Visit) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    buttons = tab.locator("[data-block=auc] .modebar-btn").all()
    titles = [button.get_attribute("data-title") for button in buttons]
    assert titles == ["Zoom", "Pan", "Zoom in", "Zoom out", "Reset axes"]


def test_reply_shows_during_the_round_without_reload(url: str, visit: Visit, rehearsal: Any) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    tab.evaluate("window.isSame = document.querySelector('[data-block=auc] .fl-plot').isSame = true")
    assert points_of(tab, "auc", "north") == 2
    rehearsal.reply(3, "north")
    tab.locator("tr", has_text="north").get_by_text("done").wait_for(timeout=SOON_MS)
    assert points_of(tab, "auc", "north") == 3
    assert points_of(tab, "auc", "*") == 2
    assert tab.evaluate("window.isSame && document.querySelector('[data-block=auc] .fl-plot').isSame")


def test_zoom_is_kept_when_data_come(url: str, visit: Visit, rehearsal: Any) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    before = x_range(tab, "auc")
    drag_across(tab, "[data-block=auc] .nsewdrag")
    zoomed = x_range(tab, "auc")
    assert zoomed[1] - zoomed[0] < 0.7 * (before[1] - before[0])
    rehearsal.reply(3, "east")
    tab.locator("tr", has_text="east").get_by_text("done").wait_for(timeout=SOON_MS)
    assert points_of(tab, "auc", "east") == 3
    assert x_range(tab, "auc") == zoomed


def drag_across(tab: Any, selector: str) -> None:
    area = tab.locator(selector)
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    tab.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"], steps=8)
    tab.mouse.up()
    tab.wait_for_timeout(400)


def test_login_outlives_f5_and_scripts_cannot_read_the_cookie(url: str, visit: Visit) -> None:
    visitor = visit(url)
    tab = visitor.sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    tab.reload()
    wait_for_charts(tab)
    assert tab.get_by_label("Password", exact=True).count() == 0
    cookie = next(cookie for cookie in visitor.context.cookies() if cookie["name"] == "fedluna_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert "fedluna_session" not in tab.evaluate("document.cookie")


def test_signing_out_ends_the_other_tab_too(url: str, visit: Visit) -> None:
    visitor = visit(url)
    first = visitor.sign_in("anna", PASSWORD)
    wait_for_charts(first)
    second = visitor.open_tab()
    wait_for_charts(second)
    first.get_by_role("button", name="Sign out").click()
    for tab in (second, first):
        tab.get_by_label("Password", exact=True).wait_for(timeout=SOON_MS)
        assert tab.locator(".fl-board").count() == 0


def test_disabled_user_is_out_within_a_tick(url: str, visit: Visit, store: SqliteStore) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    store.put([replace(find_user(store, "anna"), is_disabled=True)])
    tab.get_by_label("Password", exact=True).wait_for(timeout=SOON_MS)


def test_client_role_receives_its_own_site_only(url: str, visit: Visit) -> None:
    visitor = visit(url)
    answers: list[str] = []
    visitor.context.on("response", lambda reply: answers.append(reply.text()) if is_news(reply) else None)
    tab = visitor.sign_in("nora", PASSWORD)
    wait_for_charts(tab)
    while not answers:  # it is drawn before it is told here
        tab.wait_for_timeout(100)
    received = "".join(answers)
    sites = {trace["meta"]["site"] for trace in auc_traces(answers[0])}
    assert {"north", "*", "~1", "~2", BAND} == sites
    assert "north" in received
    assert "east" not in received
    assert "south" not in received


def is_news(reply: Any) -> bool:
    return "/api/pages/" in reply.url and reply.status == 200


def auc_traces(answer: str) -> list[dict[str, Any]]:
    blocks = [block for part in json.loads(answer)["parts"] for block in part]
    return next(block for block in blocks if block["name"] == "auc")["figure"]["data"]


def test_page_does_not_scroll_sideways_from_phone_to_wall(url: str, visit: Visit) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    for width_px in (390, 768, 1366, 1920):
        tab.set_viewport_size({"width": width_px, "height": 844})
        tab.wait_for_timeout(700)
        assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= width_px
        assert tab.evaluate("document.documentElement.scrollWidth") <= width_px
        assert all(card.bounding_box()["width"] < width_px for card in tab.locator(".fl-card").all())


def test_hidden_tab_asks_for_nothing(url: str, visit: Visit) -> None:
    visitor = visit(url)
    tab = visitor.sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    set_hidden(tab, is_hidden=True)
    tab.wait_for_timeout(1_000)
    num_before = len(visitor.requests)
    tab.wait_for_timeout(2_500)
    assert len(visitor.requests) == num_before
    set_hidden(tab, is_hidden=False)
    tab.wait_for_timeout(1_500)
    assert len(visitor.requests) > num_before


def set_hidden(tab: Any, *, is_hidden: bool) -> None:
    tab.evaluate(
        """(isHidden) => {
             Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
             document.dispatchEvent(new Event('visibilitychange'));
           }""",
        is_hidden,
    )


def test_unreadable_store_leaves_the_last_data_and_says_so(url: str, visit: Visit, tmp_path: Path) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    for path in tmp_path.glob("fedluna.db*"):
        path.unlink()
    (tmp_path / "fedluna.db").write_bytes(b"not a database" * 400)
    tab.locator(".fl-badge", has_text="Stale").wait_for(timeout=15_000)
    assert points_of(tab, "auc", "north") == 2


def test_lost_monitor_shows_reconnecting_and_comes_back(
    url: str, visit: Visit, run_monitor: Any, free_port: int, monitor: Any, rehearsal: Any
) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    monitor.kill()
    tab.locator(".fl-badge", has_text="Reconnecting").wait_for(timeout=SOON_MS)
    assert points_of(tab, "auc", "north") == 2
    with run_monitor(free_port):
        rehearsal.beat()
        tab.locator(".fl-badge", has_text="Live").wait_for(timeout=15_000)


def test_silent_coordinator_is_told_with_its_age(url: str, visit: Visit, rehearsal: Any) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    tab.get_by_text("Nothing heard from the coordinator for").wait_for(timeout=20_000)
    assert "Stale" in tab.locator(".fl-badge").inner_text()
    rehearsal.beat()
    tab.locator(".fl-badge", has_text="Live").wait_for(timeout=SOON_MS)


def test_legend_hides_a_site_on_every_chart_by_keyboard(url: str, visit: Visit) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    tab.get_by_role("button", name="east").focus()
    tab.keyboard.press("Space")
    visible = tab.evaluate(
        """() => [...document.querySelectorAll('.fl-plot')].flatMap((plot) => plot.data)
             .filter((trace) => trace.visible).map((trace) => trace.meta.site)"""
    )
    assert "east" not in visible
    assert {"north", "south", "*", BAND} == set(visible)


def test_charts_say_in_words_what_they_show(url: str, visit: Visit) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    labels = [plot.get_attribute("aria-label") for plot in tab.locator(".fl-plot[role=figure]").all()]
    assert len(labels) == len(CHARTS)
    assert labels[0].startswith("ROC AUC by round: Federation 0.")


def test_no_run_yet_is_one_sentence(
    store: SqliteStore, run_monitor: Any, free_port: int, visit: Visit
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    with run_monitor(free_port):
        tab = visit(f"http://127.0.0.1:{free_port}").sign_in("anna", PASSWORD)
        tab.get_by_text("The coordinator starts one with: fl-server").wait_for(timeout=20_000)
        assert tab.locator(".fl-plot").count() == 0


def test_new_run_takes_the_charts_of_the_last_one_away(url: str, visit: Visit, store: SqliteStore) -> None:
    tab = visit(url).sign_in("anna", PASSWORD)
    wait_for_charts(tab)
    run = store.get(RunRow)[0]
    store.put([replace(run, run_id="run-2", name="Second", state=RunState.WAITING, started_at=utc_now())])
    tab.get_by_text("Waiting for sites").wait_for(timeout=SOON_MS)
    assert tab.locator(".fl-plot").count() == 0


def test_report_opens_from_a_file(store: SqliteStore, rehearsal: Any, visit: Visit, tmp_path: Path) -> None:
    rehearsal.start(RunState.FINISHED)
    rehearsal.play_round(1)
    write_report(store, "run-1", tmp_path / "report.html")
    visitor = visit((tmp_path / "report.html").as_uri())
    tab = visitor.open_tab()
    wait_for_charts(tab)
    assert tab.locator("h1").inner_text() == "Finished after 1 round"
    assert visitor.errors == []
