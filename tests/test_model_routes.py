import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fl_monitor.model_routes import open_model
from fl_monitor.routes import COOKIE, make_routes
from fl_monitor.service import Service, make_service
from fl_store.accounts import add_user
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import CheckpointRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

WEIGHTS = b"weights of a small model" * 100_000
ROW = CheckpointRow(
    run_id="run-1",
    kind="best",
    round_no=3,
    file_name="best.safetensors",
    sha256=hashlib.sha256(WEIGHTS).hexdigest(),
    num_bytes=len(WEIGHTS),
    cpm=0.5,
    auc=0.9,
    written_at=utc_now(),
)
SECRET = "secret of the coordinator"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The coordinator's folder with one model, and a file that is nobody's business."""
    folder = tmp_path / "runs" / "run-1"
    folder.mkdir(parents=True)
    (folder / "best.safetensors").write_bytes(WEIGHTS)
    (tmp_path / "secret.txt").write_text(SECRET)
    return tmp_path


@pytest.fixture
def service(store: SqliteStore, home: Path) -> Iterator[Service]:
    store.put([ROW])
    made = make_service(store, home)
    yield made
    made.poller.stop()


def sign_in(service: Service, role: Role, site: str | None = None) -> dict[str, str]:
    user = add_user(service.store, "anna", "correct horse", role=role, site=site)
    return {COOKIE: service.sessions.start(user, utc_now())}


def download(service: Service, path: str, cookies: dict[str, str]) -> httpx.Response:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app=Starlette(routes=make_routes(service)))
        async with httpx.AsyncClient(transport=transport, base_url="http://m", cookies=cookies) as http:
            return await http.get(f"/api/models/{path}")

    return asyncio.run(get())


@pytest.mark.parametrize(("role", "site"), [(Role.SERVER, None), (Role.CLIENT, "north")])
def test_coordinator_and_hospital_get_the_model_whole(service: Service, role: Role, site: str | None) -> None:
    response = download(service, "run-1/best", sign_in(service, role, site))
    assert response.status_code == 200
    assert response.content == WEIGHTS
    assert response.headers["content-length"] == str(len(WEIGHTS))
    assert response.headers["content-disposition"] == (
        'attachment; filename="fedluna-run-1-best.safetensors"'
    )


def test_analyst_gets_no_model_and_reads_why(service: Service) -> None:
    response = download(service, "run-1/best", sign_in(service, Role.ANALYST))
    assert response.status_code == 403
    assert "Models are for the coordinator and the sites" in response.text
    assert service.store.get(EventRow) == []


def test_without_a_session_there_is_no_model(service: Service) -> None:
    assert download(service, "run-1/best", {}).status_code == 401


def test_download_leaves_an_event_with_who_and_what_but_no_path(service: Service, home: Path) -> None:
    download(service, "run-1/best", sign_in(service, Role.SERVER))
    (event,) = service.store.get(EventRow)
    assert (event.kind, event.user, event.run_id) == ("download", "anna", "run-1")
    assert ROW.sha256 in event.text
    assert "safetensors" not in event.text


@pytest.mark.parametrize("path", ["run-1/last", "run-2/best", "../best", "..%2F..%2Fetc/passwd", "run-1/"])
def test_model_without_a_row_is_404(service: Service, path: str) -> None:
    assert download(service, path, sign_in(service, Role.SERVER)).status_code == 404


def test_changed_file_is_409_and_no_event(service: Service, home: Path) -> None:
    (home / "runs/run-1/best.safetensors").write_bytes(b"other weights")
    response = download(service, "run-1/best", sign_in(service, Role.SERVER))
    assert response.status_code == 409
    assert "its sha256 differs" in response.text
    assert service.store.get(EventRow) == []


def test_file_that_is_elsewhere_is_404_in_words(service: Service, home: Path) -> None:
    (home / "runs/run-1/best.safetensors").unlink()
    response = download(service, "run-1/best", sign_in(service, Role.SERVER))
    assert response.status_code == 404
    assert "it is on the coordinator's machine" in response.text


def attack(row: CheckpointRow, **changes: Any) -> CheckpointRow:
    sha256 = hashlib.sha256(SECRET.encode()).hexdigest()
    return replace(row, sha256=sha256, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"file_name": "../../secret.txt"},
        {"file_name": "/etc/passwd"},
        {"file_name": "x/../../../secret.txt"},
        {"file_name": "."},
        {"file_name": "a\0b"},
        {"file_name": "x" * 5000},
        {"run_id": "..", "file_name": "secret.txt"},
        {"run_id": ".", "file_name": "../secret.txt"},
        {"run_id": "../runs/run-1", "file_name": "best.safetensors"},
        {"run_id": "", "file_name": "../secret.txt"},
    ],
)
def test_row_that_leads_out_of_the_folder_opens_nothing(home: Path, changes: dict[str, str]) -> None:
    assert open_model(home, attack(ROW, **changes)) is None


def test_absolute_name_of_the_secret_is_refused_over_http(service: Service, home: Path) -> None:
    service.store.put([attack(ROW, file_name=str(home / "secret.txt"))])
    response = download(service, "run-1/best", sign_in(service, Role.SERVER))
    assert response.status_code == 404
    assert SECRET not in response.text


def test_link_out_of_the_folder_opens_nothing(home: Path) -> None:
    link = home / "runs/run-1/link.safetensors"
    link.symlink_to(home / "secret.txt")
    assert open_model(home, attack(ROW, file_name=link.name)) is None


def test_folder_of_a_run_that_is_a_link_opens_nothing(home: Path) -> None:
    (home / "runs/run-9").symlink_to(home)
    assert open_model(home, attack(ROW, run_id="run-9", file_name="secret.txt")) is None


def test_links_in_a_circle_open_nothing(home: Path) -> None:
    (home / "runs/run-1/a").symlink_to(home / "runs/run-1/b")
    (home / "runs/run-1/b").symlink_to(home / "runs/run-1/a")
    assert open_model(home, attack(ROW, file_name="a")) is None


def test_run_in_a_folder_that_was_moved_as_a_whole_still_opens(home: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "big-disk"
    (home / "runs").rename(elsewhere)
    (home / "runs").symlink_to(elsewhere)
    file = open_model(home, ROW)
    assert file is not None
    with file:
        assert file.read() == WEIGHTS
