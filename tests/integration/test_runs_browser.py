"""The Runs and Models pages as people meet them: a real ``fl-monitor``, a real Chromium, and their files."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from fl_core.processes import find_free_port
from fl_store.accounts import add_user
from fl_store.connect import open_store
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import CheckpointRow, MetricRow, RoundRow, RunRequestRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunRequest, RunState
from tests.conftest import Rehearsal, serve_monitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "correct horse"
SOON_MS = 10_000
FORMULA = "=cmd|' /C calc'!A0"
WEIGHTS = b"weights of a small model" * 1000
Visit = Callable[..., Any]


def write_rows(rehearsal: Rehearsal, home: Path) -> None:
    """Write a run that goes on, two before it, of which one has a model, and the users."""
    store = rehearsal.store
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    add_user(store, "carl", PASSWORD, role=Role.SERVER)
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    keep_past_run(store, rehearsal, "run-a", "Pilot", days_ago=2)
    keep_past_run(store, rehearsal, "run-b", FORMULA, days_ago=1)
    keep_model(store, home, "run-a")
    rehearsal.start()
    rehearsal.beat()
    rehearsal.play_round(1)


@pytest.fixture
def url(rehearsal: Rehearsal, run_monitor: Any, free_port: int, tmp_path: Path) -> Iterator[str]:
    write_rows(rehearsal, tmp_path)
    with run_monitor(free_port):
        yield f"http://127.0.0.1:{free_port}"


@pytest.fixture(scope="module")
def calm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A monitor like that of ``url``, of which no test changes a row."""
    home, port = tmp_path_factory.mktemp("calm"), find_free_port()
    with closing(open_store(home)) as store:
        write_rows(Rehearsal(store), home)
    with serve_monitor(home, port):
        yield f"http://127.0.0.1:{port}"


def keep_past_run(store: SqliteStore, rehearsal: Any, run_id: str, name: str, *, days_ago: int) -> None:
    began = utc_now() - timedelta(days=days_ago)
    run = replace(rehearsal.run, run_id=run_id, name=name, state=RunState.FINISHED, started_at=began)
    store.put([replace(run, ended_at=began + timedelta(hours=1))])
    store.put([RoundRow(run_id, no, began, began) for no in (1, 2, 3)])
    metrics = (Metric.CPM, Metric.AUC, Metric.VALIDATION_LOSS)
    store.put(
        [
            MetricRow(run_id, no, site, metric, no / 4, 360, began)
            for no in (1, 2, 3)
            for site in (FEDERATION, "north", "south")
            for metric in metrics
        ]
    )


def keep_model(store: SqliteStore, home: Path, run_id: str) -> None:
    folder = home / "runs" / run_id
    folder.mkdir(parents=True)
    (folder / "best.safetensors").write_bytes(WEIGHTS)
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    store.put(
        [CheckpointRow(run_id, "best", 3, "best.safetensors", sha256, len(WEIGHTS), 0.7, 0.8, utc_now())]
    )


def open_page(visitor: Any, name: str, address: str) -> Any:
    """Sign in and go to an address."""
    tab = visitor.sign_in(name, PASSWORD)
    tab.locator(".fl-board[data-page=live]").wait_for(timeout=20_000)
    tab.goto(f"{visitor.url}/{address}")
    return wait_for_board(tab)


def wait_for_board(tab: Any) -> Any:
    tab.locator(".fl-board[data-page] h1").wait_for(timeout=20_000)
    return tab


def choose_run(tab: Any, name: str) -> None:
    tab.get_by_label("Compare up to five runs").click()
    tab.get_by_role("option", name=name).click()
    tab.keyboard.press("Escape")


def lines_of(tab: Any, chart: str = "runs-cpm") -> list[list[Any]]:
    """Return name, mode and number of points of what a chart shows, once it shows something."""
    tab.locator(f"[data-block={chart}] .js-plotly-plot .plot-container").wait_for(timeout=SOON_MS)
    return tab.evaluate(
        """(chart) => document.querySelector(`[data-block=${chart}] .fl-plot`).data
           .map((trace) => [trace.name ?? '', trace.mode, trace.x.length])""",
        chart,
    )


def wait_for_lines(tab: Any, number: int) -> None:
    tab.wait_for_function(
        "(n) => document.querySelector('[data-block=runs-cpm] .fl-plot')?.data?.length === n",
        arg=number,
        timeout=SOON_MS,
    )


def download(tab: Any, click: Callable[[], None]) -> Path:
    with tab.expect_download(timeout=SOON_MS) as waiting:
        click()
    return Path(waiting.value.path())


def test_two_chosen_runs_are_drawn_and_stand_in_the_address(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "anna", "runs")
    choose_run(tab, "Pilot · run-a")
    wait_for_lines(tab, 1)
    choose_run(tab, "run-b")
    wait_for_lines(tab, 2)
    assert lines_of(tab) == [["Pilot", "lines+markers", 3], [FORMULA, "lines+markers", 3]]
    assert tab.url == f"{calm_url}/runs?runs=run-a%2Crun-b"


def test_copied_link_opens_the_same_view_in_a_fresh_tab(calm_url: str, visit: Visit) -> None:
    visitor = visit(calm_url)
    tab = open_page(visitor, "anna", "runs")
    choose_run(tab, "Pilot · run-a")
    wait_for_lines(tab, 1)
    tab.get_by_role("slider").press("ArrowRight")
    wait_for_lines(tab, 2)
    tab.get_by_label("Find a run").fill("pilot")
    tab.get_by_label("Find a run").press("Enter")
    tab.get_by_text("1 of 3 runs match.").wait_for(timeout=SOON_MS)
    fresh = visitor.context.new_page()
    fresh.goto(tab.url)
    assert lines_of(wait_for_board(fresh)) == lines_of(tab)
    assert fresh.locator("[data-block=runs-cpm] h2").inner_text() == "CPM, smoothed 0.05"
    assert fresh.get_by_text("1 of 3 runs match.").is_visible()
    assert fresh.get_by_label("Find a run").input_value() == "pilot"
    assert fresh.url == tab.url


def test_link_survives_the_login(calm_url: str, visit: Visit) -> None:
    tab = visit(calm_url).open_tab()
    tab.goto(f"{calm_url}/runs?runs=run-a&smooth=0.6")
    tab.get_by_label("User", exact=True).fill("anna")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    assert lines_of(wait_for_board(tab)) == [["", "markers", 3], ["Pilot", "lines", 3]]
    assert tab.locator("[data-block=runs-cpm] h2").inner_text() == "CPM, smoothed 0.60"


@pytest.mark.soak
def test_back_button_brings_the_choice_before(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "anna", "runs?runs=run-a")
    wait_for_lines(tab, 1)
    choose_run(tab, "run-b")
    wait_for_lines(tab, 2)
    tab.go_back()
    wait_for_lines(tab, 1)


def test_smoothing_keeps_the_values_as_faint_points(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "anna", "runs?runs=run-a,run-b&smooth=0.9")
    modes = [mode for _, mode, _ in lines_of(tab)]
    assert modes == ["markers", "lines", "markers", "lines"]
    note = tab.locator("[data-block=runs-cpm] .fl-note").first
    assert note.inner_text() == "Lines: exponential means. Faint points: the values themselves."


def test_csv_opens_with_every_number_and_no_formula(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "anna", "runs?runs=run-a,run-b")
    with tab.expect_download(timeout=SOON_MS) as waiting:
        tab.get_by_role("link", name="CSV, for spreadsheets").click()
    assert waiting.value.suggested_filename == "fedluna-run-a-run-b.csv"
    with Path(waiting.value.path()).open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 3 * 3 * 3
    assert {line["run_name"] for line in lines} == {"Pilot", f"'{FORMULA}"}
    assert {float(line["value"]) for line in lines} == {0.25, 0.5, 0.75}


def test_json_of_a_hospital_names_no_other(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "nora", "runs?runs=run-a")
    path = download(tab, tab.get_by_role("link", name="JSON, for programs").click)
    text = path.read_text(encoding="utf-8")
    (run,) = json.loads(text)["runs"]
    sites = {line["site"] for line in run["metrics"]}
    assert len(sites) == 3
    assert {site for site in sites if not site.startswith("~")} == {"*", "north"}
    assert "south" not in text


def test_chart_is_saved_as_a_picture_with_its_title(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "anna", "runs?runs=run-a,run-b")
    wait_for_lines(tab, 2)
    path = download(tab, tab.get_by_role("button", name="Save as PNG: CPM").click)
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("PNG", (2000, 1120))
        title = picture.convert("L").crop((0, 10, 2000, 80))
    darkest, lightest = title.getextrema()
    assert darkest < 120, "the title is not there"
    assert lightest > 240, "the background is not white"


@pytest.mark.soak
def test_run_that_is_deleted_while_shown_is_one_sentence(url: str, visit: Visit, store: SqliteStore) -> None:
    tab = open_page(visit(url), "anna", "runs?runs=run-a,unknown")
    tab.get_by_text("There is no run unknown, or no longer.").wait_for(timeout=SOON_MS)
    with store.begin() as connection:
        connection.execute(sa.text("DELETE FROM runs WHERE run_id = 'run-a'"))
    tab.get_by_text("There is no run run-a, unknown, or no longer.").wait_for(timeout=20_000)
    assert tab.locator("[data-block=runs-cpm]").count() == 0


def test_pause_is_written_shown_as_asked_and_then_followed(
    url: str, visit: Visit, store: SqliteStore, rehearsal: Any
) -> None:
    tab = open_page(visit(url), "carl", "runs")
    tab.get_by_role("button", name="Pause", exact=True).click()
    tab.get_by_text("Pause asked by carl").wait_for(timeout=SOON_MS)
    (row,) = store.get(RunRequestRow)
    assert (row.run_id, row.request, row.requested_by) == ("run-1", RunRequest.PAUSE, "carl")
    tab.get_by_text("running, pause asked").wait_for(timeout=SOON_MS)
    rehearsal.start(RunState.PAUSED)
    tab.get_by_text("Pause asked by carl").wait_for(state="detached", timeout=SOON_MS)
    tab.get_by_role("button", name="Resume", exact=True).click()
    tab.get_by_text("Resume asked by carl").wait_for(timeout=SOON_MS)
    assert [row.request for row in store.get(RunRequestRow)] == [RunRequest.PAUSE, RunRequest.RESUME]


def test_stop_waits_for_a_second_click(url: str, visit: Visit, store: SqliteStore) -> None:
    tab = open_page(visit(url), "carl", "runs")
    tab.get_by_role("button", name="Stop", exact=True).click()
    confirm = tab.get_by_role("button", name="Stop this run for good")
    confirm.wait_for(timeout=SOON_MS)
    tab.wait_for_timeout(5_000)  # the timer redraws the buttons meanwhile
    assert store.get(RunRequestRow) == []
    confirm.click()
    tab.get_by_text("Stop asked by carl").wait_for(timeout=SOON_MS)
    assert [row.request for row in store.get(RunRequestRow)] == [RunRequest.STOP]
    assert tab.get_by_role("button", name="Pause", exact=True).count() == 0


@pytest.mark.soak
@pytest.mark.parametrize("name", ["anna", "nora"])
def test_whoever_is_no_coordinator_has_no_buttons(calm_url: str, visit: Visit, name: str) -> None:
    tab = open_page(visit(calm_url), name, "runs")
    tab.get_by_text("Pilot").first.wait_for(timeout=SOON_MS)
    for label in ("Pause", "Resume", "Stop"):
        assert tab.get_by_role("button", name=label, exact=True).count() == 0


def test_hospital_downloads_a_model_and_that_leaves_an_event(
    url: str, visit: Visit, store: SqliteStore
) -> None:
    tab = open_page(visit(url), "nora", "models")
    with tab.expect_download(timeout=SOON_MS) as waiting:
        tab.get_by_role("link", name="Download").click()
    assert waiting.value.suggested_filename == "fedluna-run-a-best.safetensors"
    assert Path(waiting.value.path()).read_bytes() == WEIGHTS
    assert [row.user for row in store.get(EventRow) if row.kind == "download"] == ["nora"]


def test_model_that_is_elsewhere_is_a_sentence_in_the_browser(url: str, visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "runs/run-a/best.safetensors").unlink()
    tab = open_page(visit(url), "carl", "models")
    tab.get_by_role("link", name="Download").click()
    tab.get_by_text("it is on the coordinator's machine").wait_for(timeout=SOON_MS)


def test_analyst_reads_why_there_is_no_download(calm_url: str, visit: Visit) -> None:
    tab = open_page(visit(calm_url), "anna", "models")
    tab.get_by_text("Models are for the coordinator and the sites").wait_for(timeout=SOON_MS)
    assert tab.get_by_role("link", name="Download").count() == 0
