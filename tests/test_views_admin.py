from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fl_monitor.access import limit_to
from fl_monitor.blocks import Cell, Page, Table
from fl_monitor.snapshot import Snapshot
from fl_monitor.viewer import Viewer
from fl_monitor.views import VIEWS, account, admin
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH
from fl_store.rows import LoginAttemptRow, SessionRow, SiteAccessRow, SiteRow, UserRow
from fl_store.words import Role
from tests.store_contract import HASH

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CARL = UserRow("carl", HASH, Role.SERVER, None, is_disabled=False, created_at=NOON, changed_at=NOON)
NORA = replace(CARL, name="nora", role=Role.CLIENT, site="north", is_disabled=True)
SESSION = SessionRow("hash-of-a-token", "carl", NOON, NOON, NOON + timedelta(hours=12))


def see(viewer: UserRow, tables: dict[Any, tuple[Any, ...]], **params: str) -> Seen:
    now = NOON + timedelta(minutes=5)
    who = Viewer.of(viewer)
    return Seen(who, limit_to(who, Snapshot(now, None, (), (), 0, {}, tables=tables)), params=params)


def tables_of(page: Page) -> list[Table]:
    return [block for part in page.parts for block in part.make(*part.sources)]


def texts(line: tuple[Cell | str, ...]) -> list[str]:
    return [cell.text if isinstance(cell, Cell) else cell for cell in line]


def test_page_is_the_coordinators() -> None:
    assert VIEWS["admin"].roles == {Role.SERVER}


def test_users_are_listed_by_name_without_their_hashes() -> None:
    (table,) = tables_of(admin.make(see(CARL, {UserRow: (NORA, CARL)})))
    assert [texts(line)[:4] for line in table.lines] == [
        ["carl", "coordinator", DASH, "yes"],
        ["nora", "site", "north", "no, disabled"],
    ]
    assert "$2b$" not in str(table)


def test_only_live_sessions_are_listed_and_no_hash_of_a_token() -> None:
    ended = replace(SESSION, token_hash="b", ended_at=NOON)
    idle = replace(SESSION, token_hash="c", seen_at=NOON - timedelta(hours=1))
    of_disabled = replace(SESSION, token_hash="d", user="nora")
    tables = {UserRow: (CARL, NORA), SessionRow: (SESSION, ended, idle, of_disabled)}
    (table,) = tables_of(admin.make(see(CARL, tables, part="sessions")))
    assert [texts(line)[0] for line in table.lines] == ["carl"]
    assert "hash-of-a-token" not in str(table)


def test_sites_say_whether_they_may_take_part_and_who_decided() -> None:
    site = SiteRow("north", "1", 20, 5, NOON, NOON)
    rule = SiteAccessRow("west", False, "carl", NOON, "old scanner")
    tables = {SiteRow: (site,), SiteAccessRow: (rule,)}
    (table,) = tables_of(admin.make(see(CARL, tables, part="sites")))
    north, west = table.lines
    assert texts(north) == ["north", "yes", DASH, DASH, DASH, ""]
    assert texts(west) == ["west", "no, shut out", "carl", "", "old scanner", DASH]


def test_part_that_is_not_there_has_no_table() -> None:
    assert admin.make(see(CARL, {}, part="../users")).parts == ()
    assert admin.make(see(CARL, {}, part="health")).parts == ()


def test_account_lists_the_last_logins_under_ones_own_name() -> None:
    attempts = (
        LoginAttemptRow("carl", "10.0.0.9", is_accepted=False, attempted_at=NOON),
        LoginAttemptRow("nora", None, is_accepted=True, attempted_at=NOON),
        LoginAttemptRow(None, None, is_accepted=False, attempted_at=NOON),
    )
    (table,) = tables_of(account.make(see(CARL, {LoginAttemptRow: attempts})))
    assert [texts(line)[1:] for line in table.lines] == [["10.0.0.9", "refused"]]
