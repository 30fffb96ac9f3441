import json
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.admission import Cause
from fl_core.errors import KeyFileError
from fl_core.keys import format_pem, parse_public_key_pem
from fl_server import doorkeeper
from fl_server.doorkeeper import Doorkeeper
from fl_server.enrolment import Enrolments
from fl_server.refusals import PREFIX
from fl_store.rows import EventRow, utc_now
from fl_store.site_access import keep_site_access
from fl_store.sqlite import SqliteStore

NOW = utc_now()


class PaperLink:
    """A SuperLink that only notes who may come in; ``lines`` are what it logs."""

    def __init__(self) -> None:
        self.inside: dict[int, str] = {}
        self.lines: list[str] = []
        self._num_registered = 0

    def register(self, site: str, public_key_pem: bytes) -> int:
        parse_public_key_pem(public_key_pem)
        self._num_registered += 1
        self.inside[self._num_registered] = site
        return self._num_registered

    def unregister(self, node_id: int) -> None:
        del self.inside[node_id]

    def read_new_log_lines(self) -> list[str]:
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def link() -> PaperLink:
    return PaperLink()


@pytest.fixture
def enrolments(tmp_path: Path) -> Enrolments:
    enrolments = Enrolments(tmp_path)
    for site in ("north", "south"):
        enrol(enrolments, site)
    return enrolments


def enrol(enrolments: Enrolments, site: str) -> bytes:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    enrolments.add(site, key, NOW, replaces=True)
    return format_pem(key)


@pytest.fixture
def keeper(link: PaperLink, enrolments: Enrolments, tmp_path: Path, store: SqliteStore) -> Doorkeeper:
    keeper = Doorkeeper(link, tmp_path, store, "r1")  # type: ignore[arg-type]
    keeper.open()
    return keeper


def say(store: SqliteStore, *, is_allowed: bool) -> None:
    keep_site_access(store, "north", is_allowed=is_allowed, changed_by="anna", reason=None)


def test_enrolled_sites_are_let_in_and_revoked_ones_are_not(
    link: PaperLink, enrolments: Enrolments, tmp_path: Path, store: SqliteStore
) -> None:
    say(store, is_allowed=False)
    Doorkeeper(link, tmp_path, store, "r1").open()  # type: ignore[arg-type]
    assert list(link.inside.values()) == ["south"]


def test_revoked_site_is_cut_off_at_the_next_look_and_may_come_back(
    keeper: Doorkeeper, link: PaperLink, store: SqliteStore
) -> None:
    say(store, is_allowed=False)
    keeper.look()
    assert list(link.inside.values()) == ["south"]
    (event,) = store.get(EventRow, kind="site_cut_off")
    assert (event.site, event.run_id) == ("north", "r1")
    say(store, is_allowed=True)
    keeper.look()
    assert sorted(link.inside.values()) == ["north", "south"]


def test_new_key_new_name_and_new_site_are_followed(
    keeper: Doorkeeper, link: PaperLink, enrolments: Enrolments
) -> None:
    before = dict(link.inside)
    enrol(enrolments, "north")
    enrolments.rename("south", "sued", NOW)
    enrol(enrolments, "east")
    keeper.look()
    assert sorted(link.inside.values()) == ["east", "north", "sued"]
    assert not before.keys() & link.inside.keys()


def test_enrolment_that_is_damaged_ends_a_start_but_not_a_run_in_which_sites_can_be_revoked(
    keeper: Doorkeeper, link: PaperLink, tmp_path: Path, store: SqliteStore, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "enrolled" / "south.json").write_text("")
    for _ in range(2):
        keeper.look()
    assert sorted(link.inside.values()) == ["north", "south"]
    assert caplog.text.count("The sites' keys stay as they were") == 1
    say(store, is_allowed=False)
    keeper.look()
    assert list(link.inside.values()) == ["south"]
    with pytest.raises(KeyFileError):
        keeper.open()


def test_cutting_off_that_fails_is_tried_again(
    keeper: Doorkeeper, link: PaperLink, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_node_id: int) -> None:
        raise httpx.ReadTimeout("busy")

    say(store, is_allowed=False)
    with monkeypatch.context() as busy:
        busy.setattr(link, "unregister", fail)
        keeper.look()
    assert sorted(link.inside.values()) == ["north", "south"]
    keeper.look()
    assert list(link.inside.values()) == ["south"]


def refuse(link: PaperLink, pem: bytes, times: int = 1) -> None:
    line = PREFIX + json.dumps({"cause": Cause.UNKNOWN_KEY, "key": pem.decode(), "peer": "ipv4:10.0.0.7:1"})
    link.lines += [line] * times


def test_refusal_is_an_event_with_the_site_whose_key_it_was(
    keeper: Doorkeeper, link: PaperLink, enrolments: Enrolments, store: SqliteStore
) -> None:
    former = enrol(enrolments, "north")
    enrol(enrolments, "north")
    refuse(link, former)
    keeper.look()
    (event,) = store.get(EventRow, kind="site_refused")
    assert (event.site, event.run_id) == ("north", "r1")
    assert event.text.endswith("site 'north' has another one now.")


def test_who_knocks_again_and_again_is_told_once_and_many_fill_no_store(
    keeper: Doorkeeper, link: PaperLink, store: SqliteStore
) -> None:
    for _ in range(doorkeeper.MAX_EVENTS + 5):
        refuse(link, format_pem(ec.generate_private_key(ec.SECP384R1()).public_key()), times=3)
    keeper.look()
    assert len(store.get(EventRow, kind="site_refused")) == doorkeeper.MAX_EVENTS
