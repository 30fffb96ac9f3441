from dataclasses import FrozenInstanceError, fields
from datetime import UTC, timedelta

import pytest

from fl_store import rows
from fl_store.rows import EventRow, UserRow, utc_now
from tests.store_contract import EVERY_KIND, HASH


def test_events_have_keys_of_their_own_and_the_present_time() -> None:
    first, second = EventRow("a", "text"), EventRow("a", "text")
    assert first.event_id != second.event_id
    assert utc_now() - first.occurred_at < timedelta(minutes=1)
    assert first.occurred_at.tzinfo is UTC


def test_secrets_are_not_in_the_text_of_a_row() -> None:
    anna = next(row for row in EVERY_KIND if isinstance(row, UserRow))
    assert HASH not in repr(anna)
    session = next(row for row in EVERY_KIND if isinstance(row, rows.SessionRow))
    assert "token hash" not in repr(session)


@pytest.mark.parametrize("row", EVERY_KIND, ids=lambda row: type(row).__name__)
def test_row_cannot_be_changed(row: rows.Row) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(row, fields(row)[0].name, "other")
