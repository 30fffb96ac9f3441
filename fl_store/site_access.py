"""Which sites may take part, by the word of a coordinator; kept apart from what a site says of itself."""

from datetime import timedelta

from fl_core.errors import UsageError
from fl_store.base import Store
from fl_store.rows import SiteAccessRow, SiteRow, utc_now


def set_site_access(
    store: Store, site: str, *, is_allowed: bool, changed_by: str, reason: str | None = None
) -> SiteAccessRow:
    """Shut a site out from now on, or let it take part again; UsageError if it never joined."""
    if not store.get(SiteAccessRow, site=site) and not store.get(SiteRow, site=site):
        raise UsageError(f"There is no site {site[:40]!r}. `fl-server sites list` shows all.")
    return keep_site_access(store, site, is_allowed=is_allowed, changed_by=changed_by, reason=reason)


def keep_site_access(
    store: Store, site: str, *, is_allowed: bool, changed_by: str, reason: str | None
) -> SiteAccessRow:
    """Write down whether a site, which need not have joined yet, may take part.

    ``changed_at`` is later than the one before, even where that is from a clock that is ahead: a store keeps
    the latest.
    """
    known = store.get(SiteAccessRow, site=site)
    changed_at = max([utc_now(), *(row.changed_at + timedelta.resolution for row in known)])
    row = SiteAccessRow(site, is_allowed, changed_by, changed_at, reason)
    store.put([row])
    return row
