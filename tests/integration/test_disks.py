"""A disk that runs full in the middle of a run costs the round in hand, and nothing else."""

import pytest

from fl_server.resume_point import find_resume_point
from fl_store.run_rows import CheckpointRow, RoundRow, RunRow
from fl_store.words import RunState
from luna16.checkpoint import load_checkpoint
from tests.integration import test_federation
from tests.integration.test_federation import RUN_TIMEOUT_S, Workplace, is_eventually
from tests.small_disk import SmallDisk

pytestmark = [pytest.mark.slow, pytest.mark.soak]  # the ServerApp waits half a minute for its store

scans, workplace = test_federation.scans, test_federation.workplace


def test_run_whose_disk_is_full_ends_with_one_line_and_goes_on_when_there_is_room(
    workplace: Workplace,
) -> None:
    with SmallDisk.mounted(workplace.home, megabytes=64) as disk:
        server = workplace.start_server(rounds=3, min_sites=1)
        site = workplace.start_site("north", 0, home=workplace.folder / "elsewhere")
        assert is_eventually(lambda: bool(workplace.rows(RoundRow, round_no=2)), RUN_TIMEOUT_S)
        disk.fill()
        assert server.wait(RUN_TIMEOUT_S) == 2, workplace.printed(server)
        check_what_is_left(workplace)
        disk.make_room()
        (run,) = workplace.rows(RunRow)
        last_line = workplace.printed(server).strip().splitlines()[-1]
        assert last_line.startswith(f"Cannot write to {workplace.home}/runs/{run.run_id}: No space left")
        assert last_line.endswith(f"Then go on with `fl-server --resume {run.run_id}`.")
        assert "Traceback" not in workplace.printed(server)
        again = workplace.start("fl-server", "--resume", run.run_id)
        assert again.wait(RUN_TIMEOUT_S) == 0, workplace.printed(again)
        assert [row.state for row in workplace.rows(RunRow)] == [RunState.FINISHED]
        assert [row.round_no for row in workplace.rows(RoundRow) if row.ended_at] == [1, 2, 3]
        assert site.poll() is None


def check_what_is_left(workplace: Workplace) -> None:
    """See that the last whole round is there with its model, and nothing half written."""
    (folder,) = (workplace.home / "runs").iterdir()
    assert not list(folder.glob("*.partial"))
    point = find_resume_point(folder)
    assert point is not None
    assert point.round_no in {1, 2}
    load_checkpoint(folder / "last.safetensors")  # it and its JSON belong together
    assert {row.round_no for row in workplace.rows(CheckpointRow, kind="last")} <= {1, 2}
