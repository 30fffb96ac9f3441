from dataclasses import replace

import pytest

from fl_server.audit_words import Deed, read_deed
from fl_store.audit import make_entry
from fl_store.rows import EventRow, LoginAttemptRow, SiteAccessRow, UserRow
from tests.store_contract import ACCESS, EVENT, NOON, USER

LOGIN = LoginAttemptRow("anna", "192.0.2.7", is_accepted=True, attempted_at=NOON)


@pytest.mark.parametrize(
    ("row", "deed"),
    [
        (replace(EVENT, user="dora"), Deed("round", "Round 1 is over.", "dora")),
        (EVENT, Deed("round", "Round 1 is over.")),
        (LOGIN, Deed("login", "A login, from 192.0.2.7.", "anna")),
        (
            replace(LOGIN, user=None, address=None, is_accepted=False),
            Deed("login", "A login that was refused, from an unknown address."),
        ),
        (
            replace(ACCESS, is_allowed=True, reason=None),
            Deed("site_access", f"Site '{ACCESS.site}' may take part.", ACCESS.changed_by),
        ),
        (
            replace(USER, is_disabled=False),
            Deed("account", f"The account 'anna' was written: client of {USER.site}, may log in."),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_entry_is_told_in_words(
    row: EventRow | LoginAttemptRow | SiteAccessRow | UserRow, deed: Deed
) -> None:
    assert read_deed(make_entry(row, None)) == deed


@pytest.mark.parametrize("document", ["", "7", "{}", "[]"])
def test_entry_that_cannot_be_read_says_so(document: str) -> None:
    deed = read_deed(replace(make_entry(EVENT, None), document=document))
    assert "cannot be read" in deed.text


def test_entry_of_a_newer_version_is_shown_as_it_is() -> None:
    newer = replace(make_entry(EVENT, None), table_name="keys", document='{"site": "north"}')
    assert read_deed(newer) == Deed("keys", '{"site": "north"}')
