import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import UsageError
from fl_server.home_lock import hold_home
from fl_server.people import name_terminal_user
from fl_server.runs_cli import find_run, write_whole
from fl_store.metrics import NOT_OF_EVERY_ROUND, Metric
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow, RunRequestRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunRequest, RunState

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store of the test be the coordinator's, and the working folder be another."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def run(run_fl_server: Run) -> Run:
    """Give a function that runs ``fl-server runs`` and returns its exit code."""
    return partial(run_fl_server, "runs")


@pytest.fixture
def played(rehearsal: Any, store: SqliteStore) -> SqliteStore:
    """The store after a run of two rounds."""
    rehearsal.start(RunState.FINISHED)
    rehearsal.play_round(1)
    rehearsal.play_round(2)
    return store


def put_runs(store: SqliteStore, *run_ids: str) -> None:
    now = utc_now()
    for minutes, run_id in enumerate(run_ids):
        started_at = now + timedelta(minutes=minutes)
        store.put([RunRow(run_id, "demo", RunState.RUNNING, 3, {}, started_at)])


def test_list_shows_the_newest_run_last(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put_runs(store, "run-b", "run-a")
    assert run("list") == 0
    told = capsys.readouterr()
    assert told.out.index("run-b") < told.out.index("run-a")
    assert told.err == ""


def test_list_may_be_of_the_newest_only(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put_runs(store, "run-1", "run-2", "run-3")
    assert run("list", "--newest", "2", "--json") == 0
    assert [row["run_id"] for row in json.loads(capsys.readouterr().out)] == ["run-2", "run-3"]


@pytest.mark.parametrize("request_", RunRequest)
def test_run_that_goes_on_is_asked(
    run: Run, store: SqliteStore, request_: RunRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    put_runs(store, "run-1")
    with hold_home(store.path.parent):
        assert run(request_, "last") == 0
    (row,) = store.get(RunRequestRow)
    assert (row.run_id, row.request, row.requested_by) == ("run-1", request_, name_terminal_user())
    assert capsys.readouterr().out.startswith("Run run-1 is asked to ")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("run-1", "Run run-1 is finished: there is nothing to stop."),
        ("run-9", "There is no run 'run-9'. The newest runs are: run-1."),
    ],
)
def test_run_that_is_over_or_unknown_is_asked_nothing(
    run: Run, played: SqliteStore, wanted: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("stop", wanted) == 2
    assert capsys.readouterr().err == f"{words}\n"
    assert played.get(RunRequestRow) == []


def test_run_whose_coordinator_was_killed_is_asked_nothing(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put_runs(store, "run-1")
    assert run("stop", "last") == 2
    assert capsys.readouterr().err == "No fl-server conducts run run-1: there is nothing to stop.\n"
    assert store.get(RunRequestRow) == []


def test_without_a_run_the_list_is_one_sentence(
    run: Run, store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    told = f"No run yet in {tmp_path}. Start one: fl-server --config FILE\n"
    assert capsys.readouterr().out == told
    assert run("list", "--json") == 0
    assert capsys.readouterr().out == "[]\n"


def test_show_tells_of_one_run(run: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "last") == 0
    assert capsys.readouterr().out.startswith("Run run-1  finished\nRehearsal: 2 of 10 rounds done\n")


def test_text_is_shown_as_it_is_written(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    put_runs(store, "run-1")
    store.put([replace(store.get(RunRow)[0], name="[red]x[/red] :smile:")])
    assert run("list") == 0
    assert "[red]x[/red]" in capsys.readouterr().out
    assert run("show", "last") == 0
    assert "[red]x[/red] :smile:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wanted", "found"), [("last", "day-2"), ("day-2", "day-2"), ("day-1", "day-1"), ("day-10", "day-10")]
)
def test_run_is_found_by_its_id_or_as_the_last(store: SqliteStore, wanted: str, found: str) -> None:
    put_runs(store, "day-1", "day-10", "day-2")
    assert find_run(store, wanted).run_id == found


def test_run_is_found_by_the_beginning_that_only_it_has(store: SqliteStore) -> None:
    put_runs(store, "20261121-120000-ab12", "20261122-120000-ab12")
    assert find_run(store, "20261121").run_id == "20261121-120000-ab12"


def test_beginning_of_several_runs_is_refused_with_their_names(store: SqliteStore) -> None:
    put_runs(store, "a-1", "a-2", "a-3", "a-4", "b-1")
    with pytest.raises(UsageError) as raised:
        find_run(store, "a-")
    assert str(raised.value) == "4 runs begin with 'a-'. The newest of them are: a-4, a-3, a-2."


def test_unknown_run_is_refused_with_the_newest_names(store: SqliteStore) -> None:
    put_runs(store, "a-1", "a-2", "a-3", "a-4")
    with pytest.raises(UsageError) as raised:
        find_run(store, "c")
    assert str(raised.value) == "There is no run 'c'. The newest runs are: a-4, a-3, a-2."


@pytest.mark.parametrize("arguments", [("show", "last"), ("export", "last", "--format", "csv")])
def test_without_a_run_there_is_no_last_one(
    run: Run, store: SqliteStore, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().err == "There is no run 'last'. The newest runs are: none yet.\n"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [("list",), ("show", "last"), ("export", "last", "--format", "html", "--out", "x.html")]
)
def test_folder_without_a_store_is_one_line_and_stays_as_it_is(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    told = f"{tmp_path} holds no store (fedluna.db). Set FEDLUNA_HOME to the coordinator's folder.\n"
    assert capsys.readouterr().err == told
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_broken_store_is_one_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fedluna.db").write_text("no database")
    assert run("list") == 1
    told = f"Cannot use the store {tmp_path}/fedluna.db: file is not a database.\n"
    assert capsys.readouterr().err == told


def test_csv_file_has_a_line_for_each_number(
    run: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", "run-1", "--format", "csv") == 0
    path = Path("run-1.csv").resolve()
    assert capsys.readouterr().out == f"{path}\n"
    lines = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert len(lines) == len(played.get(MetricRow)) == 2 * 4 * (len(Metric) - len(NOT_OF_EVERY_ROUND))


def test_json_file_is_the_history(run: Run, played: SqliteStore) -> None:
    assert run("export", "last", "--format", "json", "--out", "h.json") == 0
    history = json.loads(Path("h.json").read_text(encoding="utf-8"))
    assert [part["round_no"] for part in history["rounds"]] == [1, 2]


@pytest.mark.slow
def test_html_file_is_the_report(run: Run, played: SqliteStore) -> None:
    assert run("export", "last", "--format", "html") == 0
    assert "Rehearsal: FedLuna report" in Path("run-1.html").read_text(encoding="utf-8")
    assert [path.name for path in Path().iterdir()] == ["run-1.html"]


def test_standard_output_gets_the_text_alone(
    run: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", "last", "--format", "csv", "--out", "-") == 0
    assert capsys.readouterr().out.startswith("run_id,round_no,site,")
    assert run("export", "last", "--format", "json", "--out", "-") == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == "run-1"
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--format", "html", "--out", "-"), "The report is a file of its own. Give --out FILE, not '-'."),
        (("--format", "csv", "--out", "none/x.csv"), "Cannot write none/x.csv: there is no folder "),
        (("--format", "html", "--out", "none/x.html"), "Cannot write none/x.html: there is no folder "),
        (("--format", "json", "--out", "."), "Cannot write .: it is a folder or a device."),
        (("--format", "json", "--out", "/dev/null", "--force"), "Cannot write /dev/null: it is a folder or"),
        (("--format", "csv", "--out", "x" * 255), "File name too long."),
        (("--format", "csv", "--out", "/proc/x.csv"), "Cannot write /proc/x.csv: "),
        (("--format", "xml"), "'xml' is not one of 'csv', 'json', 'html'"),
        ((), "Missing option '--format'."),
    ],
)
def test_file_that_cannot_be_written_is_told_and_has_exit_code_2(
    run: Run,
    played: SqliteStore,
    arguments: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run("export", "last", *arguments) == 2
    assert words in capsys.readouterr().err
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_is_not_writable_is_one_line(
    run: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("locked").mkdir(mode=0o500)
    assert run("export", "last", "--format", "html", "--out", "locked/x.html") == 2
    told = f"Cannot write locked/x.html: the folder {Path.cwd()}/locked is not writable.\n"
    assert capsys.readouterr().err == told


def test_file_that_is_there_is_replaced_only_if_asked_for(
    run: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run-1.json").write_text("mine")
    assert run("export", "last", "--format", "json") == 2
    assert capsys.readouterr().err == "run-1.json is there already. Give --force to replace it.\n"
    assert Path("run-1.json").read_text() == "mine"
    assert run("export", "last", "--format", "json", "--force") == 0
    assert json.loads(Path("run-1.json").read_text())["run_id"] == "run-1"


def test_link_stays_and_its_target_is_replaced(run: Run, played: SqliteStore) -> None:
    Path("target.csv").write_text("old")
    Path("link.csv").symlink_to("target.csv")
    assert run("export", "last", "--format", "csv", "--out", "link.csv", "--force") == 0
    assert Path("link.csv").is_symlink()
    assert Path("target.csv").read_text().startswith("run_id,")


def test_file_that_could_not_be_finished_leaves_nothing() -> None:
    Path("x.csv").mkdir()
    with pytest.raises(UsageError, match=r"Cannot write x\.csv: Is a directory\."):
        write_whole(Path("x.csv"), "text")
    assert [path.name for path in Path().iterdir()] == ["x.csv"]


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [Path(sys.executable).with_name("fl-server"), "runs", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("command", ["list", "show last", "export last --format csv --out -"])
def test_standard_output_on_a_full_disk_is_one_line(played: SqliteStore, command: str) -> None:
    with Path("/dev/full").open("wb") as full, start(*command.split(), stdout=full) as child:
        told = child.communicate()[1].decode()
    assert (child.returncode, told) == (2, "Cannot write to standard output: No space left on device.\n")


def test_reader_that_has_read_enough_ends_the_command_in_silence(played: SqliteStore) -> None:
    with start("export", "last", "--format", "json", "--out", "-", stdout=subprocess.PIPE) as child:
        assert child.stdout
        child.stdout.close()
        assert child.stderr
        assert child.stderr.read() == b""


def test_letter_that_the_terminal_lacks_is_a_question_mark(played: SqliteStore) -> None:
    played.put([replace(played.get(RunRow)[0], reason="Käse \u2014 fin")])
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    with start("show", "last", stdout=subprocess.PIPE, env=env) as child:
        shown, told = child.communicate()
    assert (child.returncode, told) == (0, b"")
    assert b"K?se ? fin" in shown


def test_list_works_with_standard_output_closed(played: SqliteStore) -> None:
    with start("list", preexec_fn=lambda: os.close(1)) as child:
        assert child.communicate()[1] == b""
    assert child.returncode == 0
