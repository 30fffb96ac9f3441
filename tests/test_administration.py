from datetime import timedelta

import pytest

from fl_core.errors import AccountError, ConfigError
from fl_monitor.administration import Administration, is_last_server
from fl_monitor.auth import Sessions
from fl_store.accounts import add_user, check_password, find_user
from fl_store.rows import EventRow, SiteAccessRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

PASSWORD = "correct horse"
OTHER_PASSWORD = "battery staple"


@pytest.fixture
def sessions(store: SqliteStore) -> Sessions:
    add_user(store, "carl", PASSWORD, role=Role.SERVER)
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    return Sessions(store)


@pytest.fixture
def deeds(store: SqliteStore, sessions: Sessions) -> Administration:
    return Administration(store, sessions, "carl")


def sign_in(sessions: Sessions, store: SqliteStore, name: str) -> str:
    return sessions.start(find_user(store, name), utc_now())


def test_deed_is_an_event_of_the_coordinator_without_a_secret(
    deeds: Administration, store: SqliteStore
) -> None:
    said = deeds.add_user("ben", PASSWORD, Role.CLIENT, "west")
    (event,) = store.get(EventRow)
    assert (event.kind, event.text, event.user) == ("admin", said, "carl")
    assert said == "User 'ben' was added as client of west."
    deeds.set_password("ben", OTHER_PASSWORD)
    assert check_password(store, "ben", OTHER_PASSWORD)
    told = str(store.get(EventRow))
    assert OTHER_PASSWORD not in told
    assert "$2b$" not in told


def test_deed_that_is_refused_leaves_no_event(deeds: Administration, store: SqliteStore) -> None:
    for name, password in (("nora", PASSWORD), ("ben", "short"), ("<script>", PASSWORD)):
        with pytest.raises(AccountError):
            deeds.add_user(name, password, Role.ANALYST, None)
    assert store.get(EventRow) == []


@pytest.mark.parametrize("deed", ["set_role", "set_password", "set_disabled"])
def test_change_of_an_account_ends_its_sessions(
    deeds: Administration, sessions: Sessions, store: SqliteStore, deed: str
) -> None:
    token = sign_in(sessions, store, "nora")
    {
        "set_role": lambda: deeds.set_role("nora", Role.ANALYST, None),
        "set_password": lambda: deeds.set_password("nora", OTHER_PASSWORD),
        "set_disabled": lambda: deeds.set_disabled("nora", is_disabled=True),
    }[deed]()
    assert sessions.find_user(token, utc_now()) is None


def test_one_session_or_all_of_a_user_can_be_ended(
    deeds: Administration, sessions: Sessions, store: SqliteStore
) -> None:
    first, second, third = (sign_in(sessions, store, "nora") for _ in range(3))
    own = sign_in(sessions, store, "carl")
    deeds.end_session(sessions.list_live(utc_now())[0], utc_now())
    assert [bool(sessions.find_user(token, utc_now())) for token in (first, second, third)] == [0, 1, 1]
    assert deeds.end_sessions_of("nora", utc_now()) == "All sessions of user 'nora' were ended: 2."
    assert [row.user for row in sessions.list_live(utc_now())] == ["carl"]
    assert sessions.find_user(own, utc_now())


def test_site_is_shut_out_and_let_in_again_with_a_reason(deeds: Administration, store: SqliteStore) -> None:
    deeds.set_access("north", "  old\n scanner\u202e ", is_allowed=False)
    (row,) = store.get(SiteAccessRow)
    assert (row.site, row.is_allowed, row.changed_by, row.reason) == ("north", False, "carl", "old scanner")
    deeds.set_access("north", "", is_allowed=True)
    (row,) = store.get(SiteAccessRow)
    assert (row.is_allowed, row.reason) == (True, None)
    texts = [event.text for event in store.get(EventRow, site="north")]
    assert texts == ["Site 'north' was shut out: old scanner.", "Site 'north' was let in again."]


def test_last_word_on_a_site_counts_even_if_the_clock_was_set_back(
    deeds: Administration, store: SqliteStore
) -> None:
    store.put([SiteAccessRow("north", False, "ben", utc_now() + timedelta(hours=1))])
    deeds.set_access("north", "", is_allowed=True)
    assert store.get(SiteAccessRow)[0].is_allowed


def test_name_that_no_site_can_have_is_refused(deeds: Administration, store: SqliteStore) -> None:
    with pytest.raises(ConfigError):
        deeds.set_access("../north", "", is_allowed=False)
    assert store.get(SiteAccessRow) == []


def test_last_coordinator_is_the_only_one_who_may_sign_in(deeds: Administration, store: SqliteStore) -> None:
    users = [find_user(store, "carl"), find_user(store, "nora")]
    assert is_last_server(users, "carl")
    assert not is_last_server(users, "nora")
    deeds.add_user("cora", PASSWORD, Role.SERVER, None)
    assert not is_last_server([*users, find_user(store, "cora")], "carl")
    deeds.set_disabled("cora", is_disabled=True)
    assert is_last_server([*users, find_user(store, "cora")], "carl")
