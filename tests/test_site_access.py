from datetime import timedelta

import pytest

from fl_core.errors import UsageError
from fl_store.rows import SiteAccessRow, SiteRow, utc_now
from fl_store.site_access import set_site_access
from fl_store.sqlite import SqliteStore


def test_last_word_on_a_site_is_kept(store: SqliteStore) -> None:
    store.put([SiteRow("north", "1", 3, 1, utc_now(), utc_now())])
    set_site_access(store, "north", is_allowed=False, changed_by="anna", reason="Contract ended.")
    row = set_site_access(store, "north", is_allowed=True, changed_by="bert")
    assert store.get(SiteAccessRow) == [row]
    assert (row.is_allowed, row.changed_by, row.reason) == (True, "bert", None)


def test_word_counts_even_if_the_one_before_is_from_a_clock_that_is_ahead(store: SqliteStore) -> None:
    tomorrow = utc_now() + timedelta(days=1)
    store.put([SiteAccessRow("north", True, "anna", tomorrow)])
    set_site_access(store, "north", is_allowed=False, changed_by="bert")
    assert [row.is_allowed for row in store.get(SiteAccessRow)] == [False]


def test_site_that_never_joined_is_not_known(store: SqliteStore) -> None:
    with pytest.raises(UsageError, match=r"There is no site 'north'\. `fl-server sites list` shows all\."):
        set_site_access(store, "north", is_allowed=False, changed_by="anna")
    assert store.get(SiteAccessRow) == []
