"""The pages' contents, one file each: pure functions from rows to blocks. ``VIEWS`` names them all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fl_monitor.blocks import Page
from fl_monitor.views import account, activity, admin, live, models, quality, rounds, runs, scan, sites
from fl_monitor.views.seen import Seen
from fl_store.rows import (
    ComparisonRow,
    DataCardRow,
    DataShiftRow,
    EventRow,
    LoginAttemptRow,
    SessionRow,
    SiteAccessRow,
    SiteRow,
    UploadRow,
    UserRow,
)
from fl_store.run_rows import CheckpointRow, RunRequestRow, RunRow
from fl_store.words import Role

EVERYBODY = frozenset(Role)
COORDINATOR = frozenset({Role.SERVER})


@dataclass(frozen=True)
class View:
    """A page's content, the tables it needs beside the newest run, and who may see it.

    What is ``is_personal`` says different things to two users of one role.
    """

    make: Callable[[Seen], Page]
    needs: frozenset[type[Any]] = frozenset()
    roles: frozenset[Role] = EVERYBODY
    is_personal: bool = False


VIEWS: dict[str, View] = {
    "live": View(live.make),
    "sites": View(sites.make, frozenset({SiteRow, SiteAccessRow, DataCardRow, ComparisonRow})),
    "rounds": View(rounds.make),
    "quality": View(quality.make, frozenset({DataShiftRow, DataCardRow})),
    "runs": View(runs.make, frozenset({RunRow, CheckpointRow, RunRequestRow})),
    "models": View(models.make, frozenset({RunRow, CheckpointRow})),
    "scan": View(scan.make),
    "activity": View(
        activity.make, frozenset({EventRow, LoginAttemptRow, UploadRow, SessionRow}), is_personal=True
    ),
    "admin": View(
        admin.make, frozenset({UserRow, SessionRow, SiteRow, SiteAccessRow, RunRequestRow}), COORDINATOR
    ),
    "account": View(account.make, frozenset({LoginAttemptRow}), is_personal=True),
}
"""By the name that the page has in addresses."""
