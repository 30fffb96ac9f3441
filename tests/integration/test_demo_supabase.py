"""The demo with Supabase configured: every process by its public command, and the same rows on both sides."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from fl_core.processes import find_free_port
from fl_store.connect import open_local_store
from fl_store.metrics import NOT_OF_EVERY_ROUND, WHOLE_SCAN_METRICS, Metric
from fl_store.outbox import Outbox
from fl_store.rows import Row, UserRow
from fl_store.run_rows import MetricRow, RunRow
from fl_store.sqlite import SqliteStore
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from fl_store.words import RunState
from tests.conftest import prepare_supabase
from tests.integration.test_federation import RUN_TIMEOUT_S, Workplace, is_eventually
from tests.supabase_server import SupabaseServer

pytestmark = pytest.mark.slow

METRICS_OF_A_ROUND = len(Metric) - len(NOT_OF_EVERY_ROUND)


def run_demo(folder: Path, server: SupabaseServer, *, url: str = "") -> Workplace:
    """Run the demo of one round to its end."""
    place = Workplace(folder, folder)
    ports = ("--port", str(place.fleet_port), "--monitor-port", str(find_free_port()))
    sizes = ("--rounds", "1", "--sites", "2", "--scans-per-site", "3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUPABASE_URL", url or server.url)
        patch.setenv("SUPABASE_KEY", server.secret_key)
        demo = place.start("fl-demo", "--folder", str(place.folder), *ports, *sizes)
    assert demo.wait(RUN_TIMEOUT_S) == 0, place.printed(demo)
    return place


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, supabase_server: SupabaseServer) -> Workplace:
    """Where a demo has come to its end, whose rows are in Supabase, too, and no others."""
    prepare_supabase(supabase_server)
    return run_demo(tmp_path_factory.mktemp("demo"), supabase_server)


@pytest.fixture
def local(demo: Workplace) -> Iterator[SqliteStore]:
    with closing(open_local_store(demo.home)) as store:
        yield store


@pytest.fixture
def project(demo: Workplace, supabase_server: SupabaseServer) -> Iterator[SupabaseStore]:
    settings = SupabaseSettings(supabase_server.url, supabase_server.secret_key)
    with closing(SupabaseStore(settings)) as store:
        yield store


def test_demo_ends_with_the_same_rows_in_both_stores(local: SqliteStore, project: SupabaseStore) -> None:
    for row_type in get_args(Row):
        assert project.get(row_type) == local.get(row_type)
    assert [run.state for run in project.get(RunRow)] == [RunState.FINISHED]
    num_scores = METRICS_OF_A_ROUND + len(WHOLE_SCAN_METRICS)  # which the last round alone has
    assert len(project.get(MetricRow)) == 3 * num_scores  # two sites and the federation
    assert [user.name for user in project.get(UserRow)] == ["demo"]
    assert Outbox(local).backlog().num_waiting == 0


def test_key_of_supabase_is_in_no_file_of_the_demo(demo: Workplace, supabase_server: SupabaseServer) -> None:
    files = [path for path in demo.folder.rglob("*") if path.is_file()]
    assert demo.home / "fedluna.db" in files
    assert all(supabase_server.secret_key not in path.read_text(errors="replace") for path in files)


def test_demo_tells_the_login_first_and_the_report_last(demo: Workplace, local: SqliteStore) -> None:
    told = demo.printed(demo.started[0])
    assert [line.split()[0] for line in told.splitlines()[:3]] == ["Monitor", "User", "Password"]
    (run,) = local.get(RunRow)
    assert str(demo.home / "runs" / run.run_id / "report.html") in told


def test_demo_ends_its_monitor_and_all_else_that_it_started(demo: Workplace) -> None:
    assert is_eventually(lambda: not demo.processes()), demo.processes()


@pytest.mark.soak
def test_demo_with_a_dead_supabase_trains_all_the_same(tmp_path: Path, supabase: SupabaseServer) -> None:
    place = run_demo(tmp_path, supabase, url=f"http://127.0.0.1:{find_free_port()}")
    assert "Traceback" not in place.printed(place.started[0])
    with closing(open_local_store(place.home)) as store:
        assert [run.state for run in store.get(RunRow)] == [RunState.FINISHED]
        assert Outbox(store).backlog().num_waiting >= 3 * METRICS_OF_A_ROUND
