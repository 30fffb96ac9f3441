import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import create_autospec

import httpx
import pytest
from flwr.app import Context, Message, RecordDict
from flwr.cli.build import build_fab_from_files
from flwr.clientapp import ClientApp
from flwr.supercore.fab import Fab
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, ObjectPushError
from flwr.supercore.retry import http_retry
from flwr.supercore.runtime import RuntimeHttpClient

from fl_client.link import Link
from fl_client.supernode import SuperNode
from fl_client.worker import Worker, _beat
from fl_core import messages, replies
from fl_core.config import ServerConfig
from fl_core.errors import TaskDeclinedError
from fl_core.processes import find_free_port
from fl_core.replies import JoinReply
from fl_server.bundle import PYPROJECT
from fl_server.superlink import SuperLink
from fl_store.connect import open_store
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.words import RunState

SECRET = "/data/patients/1.3.6.1.4.1.14519.5.2.1.mhd"
REQUEST = httpx.Request("POST", "http://127.0.0.1")
TOLD = "The site's program failed."

Explain = Callable[[Exception], str]


def make_app() -> ClientApp:
    """Make a site that joins and then meets an error which names a patient."""
    app = ClientApp()

    @app.query("join")
    def join(message: Message, _context: Context) -> Message:
        return Message(replies.pack_join_reply(JoinReply("north", "word", "0")), reply_to=message)

    @app.query("prepare")
    def prepare(message: Message, _context: Context) -> Message:
        raise RuntimeError(f"{SECRET} is damaged")

    return app


def test_text_of_an_error_is_not_in_the_answer(flower_identity: None) -> None:
    met: list[Exception] = []

    def explain(error: Exception) -> str:
        met.append(error)
        return TOLD

    context = Context(run_id=1, node_id=5, node_config={}, state=RecordDict(), run_config={})
    task = Message(RecordDict(), dst_node_id=5, message_type=messages.PREPARE)
    reply = Worker(make_app(), explain)._answer(task, context)
    assert SECRET in str(met[0])
    assert reply.error.reason == TOLD
    assert SECRET.encode() not in reply.deflate()


def test_task_that_was_declined_is_answered_with_a_code_of_its_own(flower_identity: None) -> None:
    app = ClientApp()

    @app.query("prepare")
    def prepare(message: Message, _context: Context) -> Message:
        raise TaskDeclinedError("Not so many epochs.")

    context = Context(run_id=1, node_id=5, node_config={}, state=RecordDict(), run_config={})
    task = Message(RecordDict(), dst_node_id=5, message_type=messages.PREPARE)
    reply = Worker(app, str)._answer(task, context)
    assert (reply.error.code, reply.error.reason) == (messages.DECLINED, "Not so many epochs.")


def test_unknown_kind_of_task_is_answered_too(flower_identity: None) -> None:
    context = Context(run_id=1, node_id=5, node_config={}, state=RecordDict(), run_config={})
    task = Message(RecordDict(), dst_node_id=5, message_type="query.dump_everything")
    reply = Worker(make_app(), lambda _error: TOLD)._answer(task, context)
    assert reply.error.reason == TOLD


def test_no_supernode_is_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fl_client.worker.MAX_TRIES", 1)
    looks = iter([True, True, False])
    Worker(make_app(), str).serve(f"127.0.0.1:{find_free_port()}", lambda: next(looks))


@pytest.mark.parametrize(
    "fault", [ObjectPullError("id", "gone"), ObjectPushError("id", 1, "s"), httpx.ReadTimeout("slow")]
)
def test_task_that_is_lost_on_the_way_is_one_line(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(_client: object) -> None:
        raise fault

    monkeypatch.setattr("fl_client.worker.MAX_TRIES", 1)
    monkeypatch.setattr("fl_client.worker.pull_task_input", lose)
    Worker(make_app(), str)._run_task(f"127.0.0.1:{find_free_port()}", "token")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "fl_client.worker"]
    assert line == f"A task was lost between worker and SuperNode: {type(fault).__name__}"


class Refusing(BaseHTTPRequestHandler):
    """A SuperNode that does not know a task any more, or whose run has ended."""

    status = 401

    def do_POST(self) -> None:
        self.send_error(self.status)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name in the base class)
        """Say nothing."""


@pytest.mark.parametrize("status", [401, 403])
def test_task_that_the_supernode_has_given_up_does_not_end_the_program(
    status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signals: list[int] = []
    monkeypatch.setattr(http_retry.os, "kill", lambda _pid, number: signals.append(number))
    monkeypatch.setattr(http_retry, "FORCE_EXIT_TIMEOUT_SECONDS", -1)
    monkeypatch.setattr(Refusing, "status", status)
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as node:
        threading.Thread(target=node.serve_forever, kwargs={"poll_interval": 0.05}).start()
        Worker(make_app(), str)._run_task(f"127.0.0.1:{node.server_port}", "token")
        node.shutdown()
    assert signals == []
    assert "A task was lost between worker and SuperNode: HTTPStatusError" in caplog.messages


@dataclass
class Meeting:
    """A coordinator that sends code of its own, and a site whose program fails."""

    coordinator: Path
    site: Path
    marker: Path
    explained: list[Exception]
    events: list[EventRow]


def hostile_bundle(marker: Path) -> Fab:
    """Build a bundle whose ClientApp would leave a marker on the machine that runs it."""
    files = {
        "pyproject.toml": PYPROJECT.replace(b"fl_client.client_app:none", b"evil.client:app"),
        "evil/__init__.py": b"",
        "evil/client.py": f"from pathlib import Path\nPath({str(marker)!r}).write_text('ran')\n".encode(),
    }
    content, _metadata = build_fab_from_files(files)
    return Fab(hashlib.sha256(content).hexdigest(), content, {})


def prepare_run(home: Path) -> Path:
    """Write what the ServerApp finds when it starts, and return the run's folder."""
    folder = home / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text("[federation]\nmin_sites = 1\nwait_for_sites_s = 60\n")
    store = open_store(home)
    store.put([RunRow("r1", "Run", RunState.WAITING, 1, {}, utc_now())])
    store.close()
    return folder


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Meeting:
    folder = tmp_path_factory.mktemp("meeting")
    home, site, marker = folder / "coordinator", folder / "site", folder / "marker"
    variables = {"FEDLUNA_HOME": str(home), "FEDLUNA_RUN_ID": "r1"}
    ports = ServerConfig(fleet_port=find_free_port(), control_port=find_free_port(), insecure=True)
    explained: list[Exception] = []

    def explain(error: Exception) -> str:
        explained.append(error)
        return TOLD

    with SuperLink.start(ports, prepare_run(home), variables) as link:
        link.submit(hostile_bundle(marker))
        store = open_store(home)
        give_up_at = time.monotonic() + 60
        with SuperNode.start(Link(f"127.0.0.1:{ports.fleet_port}"), site) as node:
            Worker(make_app(), explain).serve(
                node.runtime_address,
                lambda: time.monotonic() < give_up_at and not store.get(EventRow, kind="site_failed"),
            )
        events = store.get(EventRow)
        store.close()
    return Meeting(home, site, marker, explained, events)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")
class TestMeeting:
    """A real SuperLink, SuperNode and worker."""

    def test_worker_runs_the_sites_own_app(self, meeting: Meeting) -> None:
        assert "Site 'north' has joined with FedLuna 0." in [event.text for event in meeting.events]

    def test_code_that_the_coordinator_sent_does_not_run(self, meeting: Meeting) -> None:
        assert meeting.explained
        assert not meeting.marker.exists()

    def test_coordinator_is_told_in_the_sites_own_words(self, meeting: Meeting) -> None:
        (event,) = [event for event in meeting.events if event.kind == "site_failed"]
        assert event.text == f"Site 'north' cannot join: {TOLD}"

    def test_text_of_an_error_is_nowhere_at_the_coordinator(self, meeting: Meeting) -> None:
        assert SECRET in str(meeting.explained[0])
        files = [path for path in meeting.coordinator.rglob("*") if path.is_file()]
        assert len(files) >= 3
        assert all(SECRET.encode() not in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("answer", "is_told"),
    [
        (httpx.HTTPStatusError("no such task", request=REQUEST, response=httpx.Response(401)), True),
        (httpx.ConnectError("gone"), False),
        (None, True),
    ],
)
def test_heartbeat_that_is_refused_ends_nothing(answer: Exception | None, *, is_told: bool) -> None:
    """Flower's own would end the program; False is to be tried again soon."""

    client = create_autospec(RuntimeHttpClient)
    client.SendTaskHeartbeat.side_effect = answer
    assert _beat(client) is is_told
