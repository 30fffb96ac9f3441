import json
from pathlib import Path

import pytest
from flwr.app import RecordDict

from fl_core import messages
from fl_core.config import TaskSettings
from fl_core.errors import RunFailedError
from fl_server import site_logs
from fl_server.grid import PromptGrid
from fl_server.recorder import Recorder
from fl_server.roll_call import RollCall
from fl_server.run_control import RunControl
from fl_server.site_logs import kept_site_logs
from fl_store.rows import utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from tests.fake_grid import FakeGrid, FakeSite

LINE = json.dumps({"text": "Trained.", "round": 1})


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_logs, "POLL_S", 0.001)
    monkeypatch.setattr(site_logs, "TIMEOUT_S", 0.05)


@pytest.fixture
def flower(flower_identity: None) -> FakeGrid:
    return FakeGrid()


@pytest.fixture
def roll_call(flower: FakeGrid, store: SqliteStore) -> RollCall:
    recorder = Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 5, {}, utc_now()))
    return RollCall(PromptGrid(flower), recorder, TaskSettings(), RunControl(store, recorder, "r1"))


def make_site(answer: RecordDict | None) -> FakeSite:
    return FakeSite("north", shares_log=True, instead={messages.LOG: answer})


def end_run(flower: FakeGrid, roll_call: RollCall, folder: Path, error: Exception | None = None) -> None:
    """Let the sites join and the run end, with an error if there is one."""
    for _ in range(4):
        roll_call.call()
    with kept_site_logs(PromptGrid(flower), roll_call, folder, "r1"):
        if error:
            raise error


def test_only_sites_that_agree_are_asked(flower: FakeGrid, roll_call: RollCall, tmp_path: Path) -> None:
    flower.nodes = {5: make_site(messages.pack_log(LINE)), 6: FakeSite("south")}
    end_run(flower, roll_call, tmp_path)
    assert [file.name for file in (tmp_path / "sites").iterdir()] == ["north.jsonl"]
    assert json.loads((tmp_path / "sites" / "north.jsonl").read_text()) == json.loads(LINE)
    assert messages.LOG not in flower.types_sent_to(6)
    (asked,) = (m for m in flower.sent if m.metadata.message_type == messages.LOG)
    assert messages.unpack_run_id(asked.content) == "r1"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(None, "It did not answer."), (RecordDict(), "holds no text"), (messages.pack_log("x"), "is not JSON")],
)
def test_site_without_a_sound_answer_is_named_in_one_line(
    answer: RecordDict | None,
    reason: str,
    flower: FakeGrid,
    roll_call: RollCall,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    flower.nodes = {5: make_site(answer)}
    end_run(flower, roll_call, tmp_path)
    (line,) = (record for record in caplog.records if record.name == site_logs.__name__)
    assert line.getMessage().startswith("There is no log of site 'north': ")
    assert reason in line.getMessage()
    assert not (tmp_path / "sites" / "north.jsonl").exists()


def test_run_that_fails_leaves_the_logs_too_and_its_own_error(
    flower: FakeGrid, roll_call: RollCall, tmp_path: Path
) -> None:
    flower.nodes = {5: make_site(messages.pack_log(LINE))}
    with pytest.raises(RunFailedError, match=r"^No quorum\.$"):
        end_run(flower, roll_call, tmp_path, RunFailedError("No quorum."))
    assert (tmp_path / "sites" / "north.jsonl").exists()


def test_link_that_is_gone_does_not_hide_why_the_run_ended(
    flower: FakeGrid, roll_call: RollCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flower.nodes = {5: make_site(messages.pack_log(LINE))}

    def fail(*_: object) -> None:
        raise RuntimeError("gone")

    monkeypatch.setattr(site_logs, "_ask", fail)
    with pytest.raises(RunFailedError, match="No quorum"):
        end_run(flower, roll_call, tmp_path, RunFailedError("No quorum."))
