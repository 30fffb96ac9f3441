from datetime import UTC, datetime, timedelta

import pytest

from fl_monitor.auth import Sessions
from fl_monitor.login import TICKET_LIFE, Login, Tickets
from fl_monitor.throttle import FREE_FAILURES
from fl_store.accounts import add_user, set_disabled
from fl_store.rows import EventRow, LoginAttemptRow, SessionRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse"


def test_ticket_is_good_once() -> None:
    tickets = Tickets()
    ticket = tickets.issue("token", NOON)
    assert tickets.redeem(ticket, NOON) == "token"
    assert tickets.redeem(ticket, NOON) is None


def test_ticket_is_good_for_fifteen_seconds() -> None:
    tickets = Tickets()
    early, late = tickets.issue("token", NOON), tickets.issue("token", NOON)
    assert tickets.redeem(early, NOON + TICKET_LIFE - timedelta(seconds=1)) == "token"
    assert tickets.redeem(late, NOON + TICKET_LIFE) is None
    assert timedelta(seconds=15) == TICKET_LIFE


@pytest.fixture
def login(store: SqliteStore) -> Login:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    return Login(store, Sessions(store))


def test_right_password_starts_a_session_and_is_written_down(login: Login, store: SqliteStore) -> None:
    now = utc_now()
    assert login.check("Anna ", PASSWORD, "10.0.0.9", now)
    (attempt,) = store.get(LoginAttemptRow)
    assert attempt == LoginAttemptRow("anna", "10.0.0.9", True, now, attempt.attempt_id)
    assert store.get(SessionRow)[0].user == "anna"


def test_wrong_password_is_written_down_without_it(login: Login, store: SqliteStore) -> None:
    assert login.check("anna", "wrong password", None, utc_now()) is None
    (attempt,) = store.get(LoginAttemptRow)
    assert (attempt.user, attempt.address, attempt.is_accepted) == ("anna", None, False)
    assert "wrong password" not in str(attempt)
    assert store.get(SessionRow) == []


def test_disabled_user_is_written_down_as_refused(login: Login, store: SqliteStore) -> None:
    set_disabled(store, "anna", is_disabled=True)
    assert login.check("anna", PASSWORD, None, utc_now()) is None
    (attempt,) = store.get(LoginAttemptRow)
    assert (attempt.user, attempt.is_accepted) == ("anna", False)


def test_unknown_name_is_not_written_down(login: Login, store: SqliteStore) -> None:
    """It may well be a password typed into the wrong field."""
    assert login.check("hunter2hunter2", PASSWORD, None, utc_now()) is None
    (attempt,) = store.get(LoginAttemptRow)
    assert (attempt.user, attempt.is_accepted) == (None, False)
    assert "hunter2" not in str(attempt)


def test_logins_are_no_events(login: Login, store: SqliteStore) -> None:
    login.check("anna", PASSWORD, None, utc_now())
    login.check("anna", "wrong password", None, utc_now())
    assert store.get(EventRow) == []


def test_login_forgives_the_failures_before_it(login: Login) -> None:
    for _ in range(FREE_FAILURES + 2):
        login.delay_s("anna", "10.0.0.9", NOON)
    assert login.check("anna", PASSWORD, "10.0.0.9", utc_now())
    assert login.delay_s("anna", "10.0.0.9", NOON) == 0
