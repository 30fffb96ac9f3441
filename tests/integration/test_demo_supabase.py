"""The demo with Supabase configured: every process by its public command, and the same rows on both sides."""

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from fl_core.processes import find_free_port
from fl_store.connect import open_local_store
from fl_store.outbox import Outbox
from fl_store.rows import (
    NOT_OF_EVERY_ROUND,
    WHOLE_SCAN_METRICS,
    Metric,
    MetricRow,
    Row,
    RunRow,
    RunState,
    UserRow,
)
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.supabase_server import SupabaseServer

pytestmark = pytest.mark.slow

DEMO = Path(sys.executable).with_name("fl-demo")


def run_demo(
    folder: Path, server: SupabaseServer, *, url: str = "", rounds: int = 2
) -> subprocess.CompletedProcess[str]:
    command = [DEMO, "--rounds", str(rounds), "--sites", "2", "--scans-per-site", "4", "--exit-when-done"]
    command += ["--folder", folder, "--port", str(find_free_port()), "--monitor-port", str(find_free_port())]
    variables = {"SUPABASE_URL": url or server.url, "SUPABASE_KEY": server.secret_key}
    return subprocess.run(
        command, env=os.environ | variables, cwd=folder.parent, capture_output=True, text=True, check=False
    )


def test_demo_ends_with_the_same_rows_in_both_stores(tmp_path: Path, supabase: SupabaseServer) -> None:
    done = run_demo(tmp_path / "demo", supabase)
    assert done.returncode == 0, done.stderr
    local = open_local_store(tmp_path / "demo" / "home")
    project = SupabaseStore(SupabaseSettings(supabase.url, supabase.secret_key))
    for row_type in get_args(Row):
        assert project.get(row_type) == local.get(row_type)
    assert [run.state for run in project.get(RunRow)] == [RunState.FINISHED]
    num_scores = 2 * (len(Metric) - len(NOT_OF_EVERY_ROUND))
    num_scores += len(WHOLE_SCAN_METRICS)  # which the last round alone has
    assert len(project.get(MetricRow)) == 3 * num_scores  # two sites and the federation
    assert [user.name for user in project.get(UserRow)] == ["demo"]
    assert Outbox(local).backlog().num_waiting == 0
    project.close()
    local.close()
    assert all(
        supabase.secret_key not in path.read_text(errors="replace")
        for path in (tmp_path / "demo").rglob("*")
        if path.is_file()
    )


@pytest.mark.soak
def test_demo_with_a_dead_supabase_trains_all_the_same(tmp_path: Path, supabase: SupabaseServer) -> None:
    done = run_demo(tmp_path / "demo", supabase, url=f"http://127.0.0.1:{find_free_port()}", rounds=1)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    local = open_local_store(tmp_path / "demo" / "home")
    assert [run.state for run in local.get(RunRow)] == [RunState.FINISHED]
    assert Outbox(local).backlog().num_waiting >= 3 * (len(Metric) - len(NOT_OF_EVERY_ROUND))
    local.close()
