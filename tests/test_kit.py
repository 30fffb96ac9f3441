import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fl_core.errors import KitError
from fl_core.kit import Kit, read_kit, warn_if_expiring, write_kit
from fl_server.certificates import Issued, issue_server_certificate, make_authority

SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(days=100)


@pytest.fixture(scope="module")
def server() -> Issued:
    return issue_server_certificate(make_authority(), ["fl.example.org"])


@pytest.fixture
def path(tmp_path: Path, server: Issued) -> Path:
    path = tmp_path / "north.kit"
    write_kit(path, make_kit(server), server.key)
    return path


def make_kit(server: Issued, expires_at: datetime = SOON) -> Kit:
    certificate = server.certificate_pem.decode()
    return Kit("north", "fl.example.org:9092", expires_at, certificate, certificate)


def test_kit_is_read_as_it_was_written(path: Path, server: Issued) -> None:
    assert read_kit(path) == make_kit(server)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("site", "south"),
        ("server", "evil.example.org:9092"),
        ("expires_at", "2099-01-01T00:00:00+00:00"),
        ("authority", "another"),
    ],
)
def test_kit_that_was_edited_is_refused(path: Path, key: str, value: str) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(KitError, match=r"north\.kit is not as the coordinator wrote it"):
        read_kit(path)


def test_kit_that_another_key_has_signed_is_refused(path: Path, server: Issued) -> None:
    write_kit(path, make_kit(server), make_authority().key)
    with pytest.raises(KitError, match="its signature does not fit"):
        read_kit(path)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"signature": 5}', b"\xff\xfe", b'{"signature": ""}']
)
def test_file_that_is_no_kit_is_refused_in_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(
        KitError, match=r"north\.kit is not a kit, or is damaged; ask the coordinator"
    ) as refusal:
        read_kit(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("site", ["../north", ""])
def test_kit_with_an_impossible_site_is_refused(path: Path, site: str) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"site": site}))
    with pytest.raises(KitError, match="is not a kit, or is damaged"):
        read_kit(path)


def test_kit_is_good_until_it_expires(path: Path) -> None:
    read_kit(path, now=SOON - timedelta(seconds=1))
    with pytest.raises(KitError, match=rf"north\.kit expired on {SOON:%Y-%m-%d}; ask the coordinator"):
        read_kit(path, now=SOON)


def test_missing_kit_is_named(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"Cannot read the kit .*none\.kit: No such file"):
        read_kit(tmp_path / "none.kit")


@pytest.mark.parametrize(("days", "num_told"), [(31, 0), (29, 1), (1, 1)])
def test_what_expires_within_thirty_days_is_told(
    days: int, num_told: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        warn_if_expiring("The kit", datetime.now(UTC) + timedelta(days=days, minutes=1), "Ask for a new one.")
    assert caplog.text.count(f"The kit expires in {days} days") == num_told
