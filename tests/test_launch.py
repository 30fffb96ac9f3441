import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fl_core.config import RunConfig, ServerConfig, load_settings, parse_settings
from fl_core.errors import DiskError, RunFailedError
from fl_core.processes import find_free_port
from fl_server import launch
from fl_server.resumption import Plan
from fl_server.run_lines import RunLines
from fl_store.run_rows import RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState, SiteRoundState
from tests.small_disk import no_file_above

CONFIG = parse_settings(
    {"name": "A run", "federation": {"rounds": 3}, "training": {"learning_rate": 1e-4}}, RunConfig, source=""
)


class FinishedLink:
    """A SuperLink whose ServerApp goes through ``steps`` and has ended then."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)

    def is_run_finished(self) -> bool:
        if self.steps:
            self.steps.pop(0)()
        return not self.steps


def watch(link: FinishedLink, store: SqliteStore) -> str:
    """Watch the run to its end and return what was printed, without a terminal."""
    console = Console(file=(paper := io.StringIO()), width=140)
    launch._watch(link, store, "run-1", console, RunLines(console, store, "run-1"))  # type: ignore[arg-type]
    return paper.getvalue()


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "REFRESH_S", 0.001)


def test_new_run_waits_and_holds_its_whole_configuration() -> None:
    run = launch._make_run(CONFIG)
    assert (run.name, run.state, run.num_rounds) == ("A run", RunState.WAITING, 3)
    assert run.config == CONFIG.model_dump(mode="json")
    assert run.run_id.startswith(f"{run.started_at:%Y%m%d-%H%M%S}-")


def test_runs_of_the_same_second_have_ids_of_their_own() -> None:
    assert len({launch._make_run(CONFIG).run_id for _ in range(5)}) == 5


def test_configuration_in_the_run_folder_is_the_one_of_the_run(tmp_path: Path) -> None:
    launch._keep_config(CONFIG, tmp_path)
    assert load_settings(tmp_path / "config.toml", RunConfig) == CONFIG


def test_welcome_tells_how_a_site_joins() -> None:
    run = launch._make_run(CONFIG)
    assert launch._welcome(CONFIG, run, None) == (
        f"Run {run.run_id}: sites join with  fl-client --site NAME --insecure --server 127.0.0.1:9092\n"
        "Waiting for 2 sites (Ctrl-C stops)"
    )


def test_without_a_terminal_each_round_is_one_line_and_told_once(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    link = FinishedLink(
        lambda: rehearsal.play_round(1), lambda: None, lambda: rehearsal.play_round(2), lambda: None
    )
    lines = [line.split("  ")[1] for line in watch(link, store).splitlines() if "AUC 0." in line]
    assert lines == ["round 1/10", "round 2/10"]


def test_store_that_cannot_be_read_for_a_while_does_not_end_the_run(
    store: SqliteStore, rehearsal: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away = store.path.with_name("away.db")

    def hide() -> None:
        store.close()  # so that the file is whole without its log
        store.path.rename(away)
        store.path.mkdir()

    def bring_back() -> None:
        store.path.rmdir()
        away.rename(store.path)

    rehearsal.start()
    link = FinishedLink(hide, lambda: None, bring_back, lambda: rehearsal.play_round(1))
    assert "round 1/10" in watch(link, store)
    assert caplog.text.count("The table stands still; the run goes on.") == 1


def test_store_that_cannot_be_written_does_not_hide_why_a_run_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(tmp_path / "fedluna.db")
    store.close()
    store.path.unlink()
    store.path.mkdir()
    launch._close(store, "run-1", RunState.FAILED, "The port is taken.")
    assert "The run is left open in the store." in caplog.text


def test_run_left_open_is_closed_with_the_reason(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    launch._close(store, "run-1", RunState.STOPPED, "Stopped at the terminal.")
    (closed,) = store.get(RunRow)
    assert (closed.state, closed.reason) == (RunState.STOPPED, "Stopped at the terminal.")
    assert closed.ended_at is not None


def test_run_that_has_ended_stays_as_it_is(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start(RunState.FINISHED)
    launch._close(store, "run-1", RunState.FAILED, "Late.")
    assert store.get(RunRow) == [replace(rehearsal.run, state=RunState.FINISHED)]


def test_run_that_never_began_leaves_no_rows(store: SqliteStore) -> None:
    launch._close(store, "run-1", RunState.FAILED, "The port is taken.")
    assert store.get(RunRow) == []


def test_sites_in_a_round_that_was_cut_off_are_stopped(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.begin_round(1)
    rehearsal.reply(1, "north")
    launch._close(store, "run-1", RunState.STOPPED, "Stopped.")
    assert {row.site: row.state for row in store.get(SiteRoundRow)} == {
        "north": SiteRoundState.DONE,
        "east": SiteRoundState.STOPPED,
        "south": SiteRoundState.STOPPED,
    }


def test_superlink_that_dies_ends_the_watch(store: SqliteStore, rehearsal: Any) -> None:
    def die() -> None:
        raise RunFailedError("The SuperLink ended unasked (exit code -9).")

    rehearsal.start()
    with pytest.raises(RunFailedError, match="ended unasked"):
        watch(FinishedLink(die), store)


def test_folder_that_cannot_be_written_ends_the_run_with_one_line(tmp_path: Path, store: SqliteStore) -> None:
    (tmp_path / "runs").write_text("a file where a folder should be")
    ports = ServerConfig(fleet_port=find_free_port(), control_port=find_free_port(), insecure=True)
    config = CONFIG.model_copy(update={"server": ports})
    with pytest.raises(
        DiskError, match=r"Cannot go on with the run's folder .*: (Not a directory|File exists)"
    ):
        launch.launch_run(Plan(config), tmp_path, store, Console(file=io.StringIO()))


def test_report_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    launch._try_report("run-1", tmp_path, tmp_path / "none" / "report.html")
    assert caplog.text.count("There is no report of run run-1: ") == 1


def test_configuration_that_cannot_be_written_leaves_the_one_of_before(tmp_path: Path) -> None:
    launch._keep_config(CONFIG, tmp_path)
    with no_file_above(10), pytest.raises(OSError, match="File too large"):
        launch._keep_config(CONFIG.model_copy(update={"name": "Another"}), tmp_path)
    assert load_settings(tmp_path / "config.toml", RunConfig) == CONFIG
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_server_that_ended_on_a_full_disk_is_not_started_again(tmp_path: Path) -> None:
    run = launch._make_run(CONFIG)
    (tmp_path / "last.safetensors").write_bytes(bytes(200_000))
    launch._check_disk(run, tmp_path)
    told = rf"^Cannot write to {tmp_path}: File too large\. .* `fl-server --resume {run.run_id}`\.$"
    with no_file_above(250_000), pytest.raises(DiskError, match=told):  # a little, but not the models
        launch._check_disk(run, tmp_path)
