from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fl_monitor.blocks import Block, Cell, Note, Table
from fl_monitor.snapshot import Snapshot
from fl_monitor.viewer import Viewer
from fl_monitor.views import models
from fl_monitor.views.seen import Seen
from fl_store.run_rows import CheckpointRow, RunRow
from fl_store.words import Role, RunState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RUN = RunRow("run-1", "Pilot", RunState.FINISHED, 4, {}, NOON)
BEST = CheckpointRow("run-1", "best", 3, "best.safetensors", "f" * 64, 1_234_567, 0.5, 0.75, NOON)
LAST = replace(BEST, kind="last", round_no=4, written_at=NOON + timedelta(minutes=1))


def blocks(*rows: CheckpointRow, role: Role = Role.SERVER) -> dict[str, Block]:
    tables: dict[type[Any], tuple[Any, ...]] = {RunRow: (RUN,), CheckpointRow: rows}
    snapshot = Snapshot(NOON, None, (), (), 0, {}, tables=tables)
    page = models.make(Seen(Viewer("anna", role), snapshot))
    return {block.name: block for part in page.parts for block in part.make(*part.sources)}


def table(*rows: CheckpointRow, role: Role = Role.SERVER) -> Table:
    found = blocks(*rows, role=role)["models"]
    assert isinstance(found, Table)
    return found


def words(line: tuple[Any, ...]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in line]


def test_model_is_listed_with_its_scores_size_and_sha256() -> None:
    (line,) = table(BEST).lines
    assert words(line) == [
        "Pilot · run-1",
        "best",
        "Download",
        "3",
        "0.500",
        "0.750",
        "1.2 MB",
        "",
        "f" * 64,
    ]


def test_newest_model_comes_first() -> None:
    assert [words(line)[1] for line in table(BEST, LAST).lines] == ["last", "best"]


@pytest.mark.parametrize("role", [Role.SERVER, Role.CLIENT])
def test_coordinator_and_hospital_have_a_link(role: Role) -> None:
    (line,) = table(replace(BEST, run_id="a/b"), role=role).lines
    assert isinstance(line[2], Cell)
    assert line[2].href == "/api/models/a%2Fb/best"
    assert "no-download" not in blocks(BEST, role=role)


def test_analyst_has_no_link_and_reads_why() -> None:
    note = blocks(BEST, role=Role.ANALYST)["no-download"]
    assert isinstance(note, Note)
    assert note.text.startswith("Models are for the coordinator and the sites")
    (line,) = table(BEST, role=Role.ANALYST).lines
    assert not any(isinstance(cell, Cell) and cell.href.startswith("/api/") for cell in line)


def test_no_model_yet_is_one_sentence() -> None:
    assert table().empty.startswith("No model has been kept yet")
