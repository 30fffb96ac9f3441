"""The rows that coordinator and monitor share, one frozen dataclass a table.

Those of a run are in ``run_rows``. Keys are natural or made by the writer, so that writing a row twice
changes nothing. All times are UTC. Numbers are finite: a metric that is undefined (no positives, no scans)
has the value None, and one that came out as NaN or infinite has the value None and says which in
``not_finite``.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fl_store.run_rows import (
    CheckpointRow,
    CurveRow,
    MetricRow,
    RoundRow,
    RunRequestRow,
    RunRow,
    SiteRoundRow,
)
from fl_store.words import PresenceKind, Role, UploadState


def utc_now() -> datetime:
    """Return the present time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SiteRow:
    """A hospital that has taken part; ``node_id`` is Flower's id of its process, as text.

    ``version`` is the FedLuna that it runs.
    """

    site: str
    node_id: str
    num_train_scans: int
    num_validation_scans: int
    first_seen_at: datetime
    joined_at: datetime
    version: str | None = None


@dataclass(frozen=True)
class SiteAccessRow:
    """Whether a site may take part, by the last word of a coordinator; a site without a row may."""

    site: str
    is_allowed: bool
    changed_by: str
    changed_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class UserRow:
    """Someone who may log in; ``site`` is set for the role ``client`` only."""

    name: str
    password_hash: str = field(repr=False)
    role: Role
    site: str | None
    is_disabled: bool
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class SessionRow:
    """A login; the token itself is only in the user's cookie."""

    token_hash: str = field(repr=False)
    user: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class LoginAttemptRow:
    """A login that was tried; ``user`` is set if there is one of that name: it may be a mistyped password."""

    user: str | None
    address: str | None
    is_accepted: bool
    attempted_at: datetime
    attempt_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class DataCardRow:
    """What a site tells of its data: counts by name, a count of fewer than 5 scans withheld as None."""

    site: str
    card: dict[str, Any]
    received_at: datetime


@dataclass(frozen=True)
class DataShiftRow:
    """How unlike two sites' data are in one histogram of their cards; ``site`` comes first by name.

    ``distance`` is the Jensen-Shannon distance (0 to 1), None if it cannot be told; two samples of the same
    data are further apart than ``by_chance`` once in a thousand times.
    """

    site: str
    other_site: str
    histogram: str
    distance: float | None
    by_chance: float | None
    recorded_at: datetime


@dataclass(frozen=True)
class ComparisonRow:
    """What ``luna16 compare`` found: its JSON, known by the sha256 of that."""

    comparison_id: str
    document: dict[str, Any]
    added_at: datetime


STATE_SEPARATOR = " · "
LOST = "lost"
"""The note at the state of a site that is connected, but has not been heard of for too long."""


@dataclass(frozen=True)
class PresenceRow:
    """When someone was last seen; an older time never replaces a newer one.

    After the state there may be a note, as in 'training · 40 %'.
    """

    kind: PresenceKind
    name: str
    state: str
    last_seen_at: datetime


@dataclass(frozen=True)
class UploadRow:
    """A scan that a user has given to be searched for nodules, and how far it is.

    ``label`` tells it from the user's others ('scan 3, .nii.gz'); the name of the file may name a patient and
    is not kept.
    """

    upload_id: str
    user: str
    label: str
    num_bytes: int
    num_bytes_received: int
    state: UploadState
    started_at: datetime
    changed_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class EventRow:
    """Something that happened, in words for people."""

    kind: str
    text: str
    run_id: str | None = None
    site: str | None = None
    user: str | None = None
    occurred_at: datetime = field(default_factory=utc_now)
    event_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class AuditRow:
    """One entry of the audit log: a row as it was when it was written, chained to the entry before.

    ``document`` is that row as canonical JSON, and ``hash`` the sha256 over all else here; see ``audit``.
    ``chain`` names the store whose log it is: a monitor on another machine has one of its own.
    """

    chain: str
    entry_no: int
    table_name: str
    document: str = field(repr=False)
    recorded_at: datetime
    previous_hash: str
    hash: str


Row = (
    SiteRow
    | SiteAccessRow
    | UserRow
    | SessionRow
    | LoginAttemptRow
    | RunRow
    | RunRequestRow
    | DataCardRow
    | DataShiftRow
    | ComparisonRow
    | SiteRoundRow
    | MetricRow
    | CurveRow
    | RoundRow
    | CheckpointRow
    | PresenceRow
    | UploadRow
    | EventRow
    | AuditRow
)
