import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fl_monitor.auth import IDLE_LIMIT, SESSION_LIMIT, Sessions
from fl_store.rows import SessionRow, UserRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role
from tests.store_contract import HASH

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANNA = UserRow("anna", HASH, Role.ANALYST, None, is_disabled=False, created_at=NOON, changed_at=NOON)


@pytest.fixture
def sessions(store: SqliteStore) -> Sessions:
    store.put([ANNA])
    return Sessions(store)


def test_token_leads_to_its_user(sessions: Sessions) -> None:
    token = sessions.start(ANNA, NOON)
    assert sessions.find_user(token, NOON) == ANNA


@pytest.mark.parametrize("token", [None, "", "made-up"])
def test_other_tokens_lead_to_nobody(sessions: Sessions, token: str | None) -> None:
    sessions.start(ANNA, NOON)
    assert sessions.find_user(token, NOON) is None


def test_store_holds_the_hash_of_the_token_only(sessions: Sessions, store: SqliteStore) -> None:
    token = sessions.start(ANNA, NOON)
    (row,) = store.get(SessionRow)
    assert row.token_hash == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(vars(row))


def test_session_ends_after_half_an_hour_without_activity(sessions: Sessions) -> None:
    token = sessions.start(ANNA, NOON)
    assert sessions.find_user(token, NOON + IDLE_LIMIT - timedelta(seconds=1))
    assert sessions.find_user(token, NOON + IDLE_LIMIT) is None


def test_looking_does_not_prolong_a_session(sessions: Sessions) -> None:
    token = sessions.start(ANNA, NOON)
    for minute in range(30):
        assert sessions.find_user(token, NOON + timedelta(minutes=minute))
    assert sessions.find_user(token, NOON + timedelta(minutes=30)) is None


def test_activity_prolongs_a_session_up_to_twelve_hours(sessions: Sessions) -> None:
    token = sessions.start(ANNA, NOON)
    for minute in range(0, 12 * 60, 20):
        sessions.touch(token, NOON + timedelta(minutes=minute))
    assert sessions.find_user(token, NOON + SESSION_LIMIT - timedelta(seconds=1))
    assert sessions.find_user(token, NOON + SESSION_LIMIT) is None


def test_activity_is_written_every_half_minute_at_most(sessions: Sessions, store: SqliteStore) -> None:
    token = sessions.start(ANNA, NOON)
    sessions.touch(token, NOON + timedelta(seconds=29))
    assert store.get(SessionRow)[0].seen_at == NOON
    sessions.touch(token, NOON + timedelta(seconds=30))
    assert store.get(SessionRow)[0].seen_at == NOON + timedelta(seconds=30)


def test_activity_does_not_revive_a_session_that_was_idle_too_long(sessions: Sessions) -> None:
    token = sessions.start(ANNA, NOON)
    sessions.touch(token, NOON + IDLE_LIMIT)
    assert sessions.find_user(token, NOON + IDLE_LIMIT) is None


def test_live_sessions_are_listed_and_can_be_ended_by_others(sessions: Sessions, store: SqliteStore) -> None:
    first, second = sessions.start(ANNA, NOON), sessions.start(ANNA, NOON + timedelta(minutes=20))
    assert len(sessions.list_live(NOON + timedelta(minutes=20))) == 2
    (live,) = sessions.list_live(NOON + IDLE_LIMIT)
    sessions.end_rows([live], NOON + IDLE_LIMIT)
    assert sessions.find_user(second, NOON + IDLE_LIMIT) is None
    assert sessions.find_user(first, NOON) == ANNA


def test_ended_session_stays_ended_and_its_row_stays(sessions: Sessions, store: SqliteStore) -> None:
    token = sessions.start(ANNA, NOON)
    sessions.end(token, NOON + timedelta(minutes=1))
    sessions.touch(token, NOON + timedelta(minutes=2))
    assert sessions.find_user(token, NOON + timedelta(minutes=2)) is None
    assert store.get(SessionRow)[0].ended_at == NOON + timedelta(minutes=1)


def test_ending_one_session_leaves_the_others(sessions: Sessions) -> None:
    first, second = sessions.start(ANNA, NOON), sessions.start(ANNA, NOON)
    sessions.end(first, NOON)
    assert sessions.find_user(second, NOON) == ANNA


def test_disabling_a_user_ends_every_session_at_once(sessions: Sessions, store: SqliteStore) -> None:
    token = sessions.start(ANNA, NOON)
    store.put([replace(ANNA, is_disabled=True)])
    assert sessions.find_user(token, NOON) is None


def test_changed_password_ends_older_sessions_only(sessions: Sessions, store: SqliteStore) -> None:
    old = sessions.start(ANNA, NOON)
    changed = replace(ANNA, password_hash=HASH.replace("a", "b"), changed_at=NOON + timedelta(seconds=1))
    store.put([changed])
    new = sessions.start(changed, NOON + timedelta(seconds=2))
    assert sessions.find_user(old, NOON + timedelta(seconds=2)) is None
    assert sessions.find_user(new, NOON + timedelta(seconds=2)) is not None


def test_user_whose_account_comes_from_a_clock_ahead_is_let_in(
    sessions: Sessions, store: SqliteStore
) -> None:
    ahead = replace(ANNA, changed_at=NOON + timedelta(hours=1))
    store.put([ahead])
    token = sessions.start(ahead, NOON)
    assert sessions.find_user(token, NOON) == ahead
    store.put([replace(ahead, changed_at=ahead.changed_at + timedelta.resolution)])
    assert sessions.find_user(token, NOON) is None
