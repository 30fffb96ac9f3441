import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import numpy as np
import pytest

from fl_monitor.scan_folder import Upload
from fl_monitor.scan_jobs import ScanJobs
from fl_monitor.service import Service
from fl_store.rows import utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, UploadState
from tests.asgi_visitor import AsgiVisitor
from tests.attacked_monitor import HOSTILE, make_visitor, sign_in
from tests.sent_scans import SEARCH, program, row_of, run_scan_service, send

OWNER = Role.CLIENT


@pytest.fixture
def service(store: SqliteStore) -> Iterator[Service]:
    with run_scan_service(store) as running:
        yield running


@pytest.fixture
def client(service: Service) -> AsgiVisitor:
    return make_visitor(service)


@pytest.fixture
def searched(service: Service) -> Upload:
    """A scan of user-client that has been searched by a real child process."""
    upload = send(service.scans, f"user-{OWNER}")
    jobs = ScanJobs(service.scans, service.store, service.home, program(SEARCH))
    jobs.search(service.scans.take_next())
    return upload


def paths_of(upload: Upload) -> list[str]:
    own = f"/api/scans/{upload.upload_id}"
    return [f"{own}/view", f"{own}/slices/axial/0", f"{own}/files/result.json"]


def test_owner_gets_view_slices_and_results(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    view, pixels, result = map(client.get, paths_of(searched))
    assert view.json()["size_zyx_vox"] == [2, 3, 4]
    assert view.json()["nodules"][0]["diameter_mm"] == 6.0
    assert view.json()["files"] == ["result.json", "nodules.csv"]
    assert view.json()["notice"] == "Research use only, not for diagnosis."
    assert view.json()["origin"] == "Searched with the model of run run-1, round 3, sha256 abababababab."
    assert view.json()["warnings"] == ["Thick slices."]
    assert np.frombuffer(pixels.content, "<i2").tolist() == list(range(12))
    assert result.json()["notice"] == "Research use only, not for diagnosis."


def test_every_file_says_by_its_name_that_it_is_for_research(
    client: AsgiVisitor, service: Service, searched: Upload
) -> None:
    sign_in(client, service, OWNER)
    answer = client.get(f"/api/scans/{searched.upload_id}/files/nodules.csv")
    name = "fedluna-scan-1-research-use-only-nodules.csv"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert next(csv.reader(io.StringIO(answer.text)))[0] == "seriesuid"


def test_browser_keeps_nothing_of_a_scan(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    assert {client.get(path).headers["cache-control"] for path in paths_of(searched)} == {"no-store"}


@pytest.mark.parametrize("role", [None, Role.SERVER, Role.ANALYST])
def test_nobody_else_gets_anything_of_a_scan(
    client: AsgiVisitor, service: Service, searched: Upload, role: Role | None
) -> None:
    if role:
        sign_in(client, service, role)
    for path in paths_of(searched):
        answer = client.get(path)
        assert answer.status_code == (404 if role else 401)
        assert answer.text == ("There is no such scan, or it has been deleted." if role else "")


def test_deleted_scan_is_gone_for_its_owner_too(
    client: AsgiVisitor, service: Service, searched: Upload
) -> None:
    sign_in(client, service, OWNER)
    service.scans.give_up(service.scans.find_searched(f"user-{OWNER}", searched.upload_id))
    assert {client.get(path).status_code for path in paths_of(searched)} == {404}


def test_scan_that_waits_cannot_be_looked_at(client: AsgiVisitor, service: Service) -> None:
    sign_in(client, service, OWNER)
    answer = client.get(paths_of(send(service.scans, f"user-{OWNER}"))[0])
    assert (answer.status_code, answer.text) == (409, "This scan has not been searched yet.")


NOT_THERE = (
    *("slices/axial/2", "slices/axial/-1", "slices/axial/1e3", "slices/axial/%D9%A1", "slices/oblique/0"),
    *("slices/axial/999999999999", "files/upload.json", "files/..%2fupload.json", "files/%2e%2e"),
    "files/nodules.nii.gz",
)


def test_what_is_not_there_is_404(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    answers = {rest: client.get(f"/api/scans/{searched.upload_id}/{rest}").status_code for rest in NOT_THERE}
    assert answers == dict.fromkeys(NOT_THERE, 404)


def test_hostile_ids_are_404(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    ids = [*(quote(text, safe="") for text in HOSTILE.values()), f"{searched.upload_id}%0a"]
    assert {client.get(f"/api/scans/{text}/view").status_code for text in ids} == {404}
    assert client.get(f"/api/scans/x%2f..%2f{searched.upload_id}/view").status_code == 404


def test_looking_keeps_a_scan(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    client.get(paths_of(searched)[1])
    upload = service.scans.folder.read(searched.upload_id)
    assert utc_now() - service.scans.folder.used_at(upload) < timedelta(seconds=5)
    assert service.scans.folder.used_at(upload) > upload.row.changed_at


def test_list_has_ones_own_scans_and_the_models(
    client: AsgiVisitor, service: Service, searched: Upload
) -> None:
    send(service.scans, "user-analyst")
    sign_in(client, service, OWNER)
    told = client.get("/api/scans").json()
    assert [(scan["id"], scan["state"], scan["can"]) for scan in told["scans"]] == [
        (searched.upload_id, "done", "delete")
    ]
    assert told["models"] == [{"name": "run-1/best", "text": "Pilot, best model, round 3, CPM 0.710"}]
    assert (told["missing"], "Up to 2 GB" in told["note"]) == ("", True)


def test_coordinator_sees_row_and_no_name_or_image(
    client: AsgiVisitor, service: Service, searched: Upload
) -> None:
    sign_in(client, service, Role.SERVER)
    assert client.get("/api/scans").json()["scans"] == []
    text = client.get("/api/pages/activity").text
    assert "scan 1, .nii.gz" in text
    assert "patient" not in text


def test_failed_scan_stays_in_the_list_with_its_reason(client: AsgiVisitor, service: Service) -> None:
    upload = send(service.scans, f"user-{OWNER}")
    service.scans.end(upload.upload_id, UploadState.FAILED, "It shows no lung.")
    sign_in(client, service, OWNER)
    (told,) = client.get("/api/scans").json()["scans"]
    assert (told["title"], told["text"], told["can"]) == ("failed", "It shows no lung.", "")
    assert row_of(service.store, upload).reason == "It shows no lung."


def test_list_speaks_the_browsers_language(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    told = client.get("/api/scans", headers={"accept-language": "zh-CN"}).json()
    assert told["scans"][0]["title"] == "已完成"


def test_lost_store_is_503(client: AsgiVisitor, service: Service, searched: Upload) -> None:
    sign_in(client, service, OWNER)
    service.store.close()
    for path in service.home.glob("fedluna.db*"):
        path.unlink()
    (service.home / "fedluna.db").write_bytes(b"not a database" * 400)
    assert {client.get(path).status_code for path in paths_of(searched)} == {503}
