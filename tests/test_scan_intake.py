"""A scan is sent by the routes of the page, and attacked on its way."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fl_monitor.routes import COOKIE, OWN_HEADER
from fl_monitor.scan_intake import MOST_PART_BYTES
from fl_monitor.service import Service
from fl_store.accounts import set_role
from fl_store.rows import EventRow, SessionRow, UploadRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, UploadState
from tests.asgi_visitor import AsgiVisitor
from tests.attacked_monitor import HOSTILE, make_visitor, sign_in
from tests.sent_scans import ROOMY, SCAN, run_scan_service

OURS = {OWN_HEADER: "1"}
FOREIGN = {"origin": "http://evil.example"}


@pytest.fixture
def service(store: SqliteStore) -> Iterator[Service]:
    with run_scan_service(store) as running:
        yield running


@pytest.fixture
def client(service: Service) -> AsgiVisitor:
    visitor = make_visitor(service)
    sign_in(visitor, service)
    return visitor


def begin(
    client: AsgiVisitor, *, name: str = "a.nii", num_bytes: int = len(SCAN), **more: Any
) -> httpx.Response:
    wish = {"files": [{"name": name, "num_bytes": num_bytes, "modified_ms": 7}]} | more
    return client.post("/api/scans", content=json.dumps(wish), headers=OURS)


def put(
    client: AsgiVisitor, upload_id: str, offset: object, data: bytes, headers: dict[str, str] = OURS
) -> httpx.Response:
    return client.request("PUT", f"/api/scans/{upload_id}?offset={offset}", content=data, headers=headers)


def received(answer: httpx.Response) -> tuple[int, int]:
    return answer.status_code, int(answer.headers["x-received"])


def on_disk(service: Service) -> list[str]:
    return [path.name for path in service.home.glob("scans/*/scan/*")]


def test_scan_comes_in_parts_and_waits_for_its_search(client: AsgiVisitor, service: Service) -> None:
    begun = begin(client)
    assert begun.status_code == 201
    upload_id = begun.json()["id"]
    assert received(put(client, upload_id, 0, SCAN[:4000])) == (200, 4000)
    assert received(put(client, upload_id, 4000, SCAN[4000:])) == (200, len(SCAN))
    (path,) = service.home.glob("scans/*/scan/scan.nii")
    assert path.read_bytes() == SCAN
    (row,) = service.store.get(UploadRow)
    assert (row.user, row.state, row.num_bytes_received) == ("user-analyst", UploadState.WAITING, len(SCAN))


@pytest.mark.parametrize("role", Role)
def test_every_role_may_send_a_scan(service: Service, role: Role) -> None:
    visitor = make_visitor(service)
    sign_in(visitor, service, role)
    assert begin(visitor).status_code == 201


def test_same_files_are_told_how_much_has_come(client: AsgiVisitor) -> None:
    upload_id = begin(client).json()["id"]
    put(client, upload_id, 0, SCAN[:4000])
    again = begin(client).json()
    assert (again["id"], again["received"]) == (upload_id, 4000)


def test_part_that_was_sent_before_is_answered_with_where_to_go_on(client: AsgiVisitor) -> None:
    upload_id = begin(client).json()["id"]
    put(client, upload_id, 0, SCAN[:4000])
    assert received(put(client, upload_id, 0, SCAN[:4000])) == (409, 4000)
    put(client, upload_id, 4000, SCAN[4000:])
    assert received(put(client, upload_id, 4000, SCAN[4000:])) == (409, len(SCAN))


def put_slowly(client: AsgiVisitor, upload_id: str, *, is_lost: bool) -> None:
    """Send 3000 of 9000 bytes, and then go away, or nothing for ever."""
    parts = [{"type": "http.request", "body": SCAN[:3000], "more_body": True}]
    headers = OURS | {"cookie": f"{COOKIE}={client.cookies[COOKIE]}", "content-length": "9000"}
    scope = {
        "type": "http",
        "method": "PUT",
        "path": f"/api/scans/{upload_id}",
        "query_string": b"offset=0",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        if not parts and not is_lost:
            await asyncio.sleep(60)
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(_message: dict[str, Any]) -> None:
        """Nobody listens."""

    asyncio.run(client.app(scope, receive, send))


@pytest.mark.parametrize("end", ["lost", "slow"])
def test_part_that_breaks_off_counts_as_far_as_it_came(
    client: AsgiVisitor, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("fl_monitor.scan_intake.PART_TIMEOUT_S", 0.1 if end == "slow" else 60)
    upload_id = begin(client).json()["id"]
    put_slowly(client, upload_id, is_lost=end == "lost")
    assert begin(client).json()["received"] == 3000
    assert received(put(client, upload_id, 3000, SCAN[3000:])) == (200, len(SCAN))


def test_part_that_does_not_say_where_it_belongs_is_refused(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    offsets = ("", "-1", "1.5", "x", "1" * 30, "%00", "1%0a", "0x0", "%D9%A1")
    assert {put(client, upload_id, offset, SCAN).status_code for offset in offsets} == {400}
    assert on_disk(service) == []


def test_part_beyond_the_next_is_refused(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    offsets = (1, 4000, len(SCAN), 2**50)
    assert {received(put(client, upload_id, offset, SCAN)) for offset in offsets} == {(409, 0)}
    assert on_disk(service) == []


def test_bytes_beyond_the_scan_are_refused(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    assert put(client, upload_id, 0, SCAN + b"x").status_code == 400
    assert put(client, upload_id, 0, bytes(MOST_PART_BYTES + 1)).status_code == 413
    assert put(client, upload_id, 0, SCAN, OURS | {"content-length": "10"}).status_code == 400
    assert put(client, upload_id, 0, b"").status_code == 400
    assert on_disk(service) == []


def test_part_without_a_length_is_refused(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]

    async def parts() -> AsyncIterator[bytes]:
        yield SCAN

    answer = client.request("PUT", f"/api/scans/{upload_id}?offset=0", content=parts(), headers=OURS)
    assert answer.status_code == 400
    assert on_disk(service) == []


def test_without_a_session_nothing_is_taken(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    client.cookies.clear()
    assert begin(client).status_code == 401
    assert put(client, upload_id, 0, SCAN).status_code == 401
    assert client.request("DELETE", f"/api/scans/{upload_id}", headers=OURS).status_code == 401
    assert on_disk(service) == []
    assert service.store.get(UploadRow)[0].state is UploadState.UPLOADING


def test_other_sites_change_nothing(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    for headers in ({}, OURS | FOREIGN, OURS | {"sec-fetch-site": "same-site"}):
        assert client.post("/api/scans", content="{}", headers=headers).status_code == 403
        assert put(client, upload_id, 0, SCAN, headers).status_code == 403
        assert client.request("DELETE", f"/api/scans/{upload_id}", headers=headers).status_code == 403
    assert on_disk(service) == []


@pytest.mark.parametrize("role", [Role.SERVER, Role.CLIENT])
def test_upload_of_another_is_as_if_it_were_not_there(
    client: AsgiVisitor, service: Service, role: Role
) -> None:
    upload_id = begin(client).json()["id"]
    sign_in(client, service, role)
    assert put(client, upload_id, 0, SCAN).status_code == 404
    assert client.request("DELETE", f"/api/scans/{upload_id}", headers=OURS).status_code == 404
    assert on_disk(service) == []


def test_role_that_changes_ends_the_sending_at_the_next_part(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    put(client, upload_id, 0, SCAN[:4000])
    set_role(service.store, "user-analyst", Role.CLIENT, "north")
    assert put(client, upload_id, 4000, SCAN[4000:]).status_code == 401
    sign_in(client, service)
    assert received(put(client, upload_id, 4000, SCAN[4000:])) == (200, len(SCAN))


def test_hostile_ids_lead_nowhere(client: AsgiVisitor, service: Service) -> None:
    begin(client)
    before = sorted(service.home.rglob("*"))
    for text in (*HOSTILE.values(), "..", "."):
        for method in ("PUT", "DELETE"):
            path = f"/api/scans/{quote(text, safe='')}?offset=0"
            assert client.request(method, path, content=SCAN, headers=OURS).status_code in {404, 405}
    assert sorted(service.home.rglob("*")) == before


def test_hostile_names_are_kept_nowhere(client: AsgiVisitor, service: Service) -> None:
    for text in HOSTILE.values():
        begun = begin(client, name=f"{text}.nii")
        if begun.status_code == 201:
            client.request("DELETE", f"/api/scans/{begun.json()['id']}", headers=OURS)
    told = str(service.store.get(UploadRow)) + str(service.store.get(EventRow))
    assert [text for text in HOSTILE.values() if text in told] == []
    assert len(service.store.get(UploadRow)) == len(HOSTILE) - 1  # one name is too long


def test_cancelled_upload_leaves_nothing(client: AsgiVisitor, service: Service) -> None:
    upload_id = begin(client).json()["id"]
    put(client, upload_id, 0, SCAN[:4000])
    assert client.request("DELETE", f"/api/scans/{upload_id}", headers=OURS).status_code == 204
    assert on_disk(service) == []
    assert put(client, upload_id, 4000, SCAN[4000:]).status_code == 404
    assert service.store.get(UploadRow)[0].state is UploadState.CANCELLED


@pytest.mark.parametrize(
    ("name", "num_bytes", "status", "text"),
    [
        ("a.nii", 3 * 10**9, 413, "A scan of user-analyst was not taken: it is too large."),
        ("a.exe", 10, 415, "A scan of user-analyst was not taken: it is of no known kind."),
    ],
)
def test_refused_scan_is_a_sentence_and_an_event_once_a_minute(
    client: AsgiVisitor, service: Service, name: str, num_bytes: int, status: int, text: str
) -> None:
    for _ in range(3):
        assert begin(client, name=name, num_bytes=num_bytes).status_code == status
    assert [(event.text, event.user) for event in service.store.get(EventRow)] == [(text, "user-analyst")]
    assert service.store.get(UploadRow) == []


def test_scan_without_room_is_refused(client: AsgiVisitor, service: Service) -> None:
    service.scans.limits = replace(ROOMY, space_bytes=10)
    answer = begin(client)
    assert (answer.status_code, answer.text) == (
        507,
        "There is no room for this scan at the moment. Delete one of yours, or try again later.",
    )


def test_without_a_model_no_scan_is_taken(client: AsgiVisitor, service: Service) -> None:
    (service.home / "runs/run-1/best.safetensors").unlink()
    answer = begin(client)
    assert answer.status_code == 409
    assert answer.text.startswith("There is no model here to search with")
    assert begin(client, model="run-9/best").status_code == 409


def test_endless_list_is_refused(client: AsgiVisitor) -> None:
    answer = client.post("/api/scans", content=b"x" * 3_000_000, headers=OURS)
    assert (answer.status_code, answer.text) == (
        413,
        "The list of files is too long. Send a .zip of the folder.",
    )


def test_sending_keeps_the_session_alive(
    client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = begin(client).json()["id"]
    later = service.store.get(SessionRow)[-1].seen_at + timedelta(minutes=20)
    monkeypatch.setattr("fl_monitor.routes.utc_now", lambda: later)
    put(client, upload_id, 0, SCAN[:4000])
    assert service.store.get(SessionRow)[-1].seen_at == later


def test_refusals_speak_the_browsers_language(client: AsgiVisitor) -> None:
    headers = OURS | {"accept-language": "zh-CN"}
    assert client.post("/api/scans", content="{}", headers=headers).text != begin(client, name="a").text
    assert not client.post("/api/scans", content="{}", headers=headers).text.isascii()


def test_full_disk_is_507_and_the_upload_has_failed(
    client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = begin(client).json()

    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(service.scans.folder, "append", fill)
    answer = put(client, begun["id"], 0, SCAN)
    assert (answer.status_code, answer.text) == (507, "The disk of the monitor is full.")
    assert list(service.home.glob("scans/*/")) == []
    assert service.store.get(UploadRow)[0].state is UploadState.FAILED
