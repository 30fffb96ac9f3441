"""The rows that coordinator and monitor share, one frozen dataclass a table.

Keys are natural or made by the writer, so that writing a row twice changes nothing. All times are
UTC. Numbers are finite: a metric that is undefined (no positives, no scans) has the value None, and one
that came out as NaN or infinite has the value None and says which in ``not_finite``.
"""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

FEDERATION = "*"
"""Stands for the whole federation in a metric's ``site``; no site can have this name."""


def utc_now() -> datetime:
    """Return the present time, in UTC."""
    return datetime.now(UTC)


class Metric(StrEnum):
    """The numbers kept for every round, of each site and of the FEDERATION.

    Those of detection and candidates are of whole scans: only a round has them in which the sites were asked.
    Those of the test are of the last and the best model after the run, on scans kept for that; they stand at
    the round of the model. ``LOSS_CHANGE_WITHOUT`` a site is how much higher the pooled validation loss of
    the round is if its update is left out of the average.
    """

    AUC = "auc"
    CPM = "cpm"
    AVERAGE_PRECISION = "average_precision"
    CALIBRATION_ERROR = "calibration_error"
    TRAIN_LOSS = "train_loss"
    VALIDATION_LOSS = "validation_loss"
    SENSITIVITY_AT_1_8 = "sensitivity_at_0.125"
    SENSITIVITY_AT_1_4 = "sensitivity_at_0.25"
    SENSITIVITY_AT_1_2 = "sensitivity_at_0.5"
    SENSITIVITY_AT_1 = "sensitivity_at_1"
    SENSITIVITY_AT_2 = "sensitivity_at_2"
    SENSITIVITY_AT_4 = "sensitivity_at_4"
    SENSITIVITY_AT_8 = "sensitivity_at_8"
    CPM_BELOW_6_MM = "cpm_below_6_mm"
    CPM_6_TO_8_MM = "cpm_6_to_8_mm"
    CPM_8_TO_15_MM = "cpm_8_to_15_mm"
    CPM_FROM_15_MM = "cpm_from_15_mm"
    DETECTION_CPM = "detection_cpm"
    DETECTION_SENSITIVITY_AT_1_8 = "detection_sensitivity_at_0.125"
    DETECTION_SENSITIVITY_AT_1_4 = "detection_sensitivity_at_0.25"
    DETECTION_SENSITIVITY_AT_1_2 = "detection_sensitivity_at_0.5"
    DETECTION_SENSITIVITY_AT_1 = "detection_sensitivity_at_1"
    DETECTION_SENSITIVITY_AT_2 = "detection_sensitivity_at_2"
    DETECTION_SENSITIVITY_AT_4 = "detection_sensitivity_at_4"
    DETECTION_SENSITIVITY_AT_8 = "detection_sensitivity_at_8"
    CANDIDATE_SENSITIVITY = "candidate_sensitivity"
    CANDIDATES_PER_SCAN = "candidates_per_scan"
    TEST_AUC = "test_auc"
    TEST_CPM = "test_cpm"
    TEST_AVERAGE_PRECISION = "test_average_precision"
    TEST_LOSS = "test_loss"
    LOSS_CHANGE_WITHOUT = "loss_change_without"


SENSITIVITIES = tuple(metric for metric in Metric if metric.startswith("sensitivity_at_"))
"""Sensitivity at the seven LUNA16 rates of false positives per scan, in rising order of the rate."""

DETECTION_SENSITIVITIES = tuple(metric for metric in Metric if metric.startswith("detection_sensitivity_at_"))
"""The same for the marks of whole scans, which the model and the search for candidates make together."""

WHOLE_SCAN_METRICS = (
    Metric.DETECTION_CPM,
    *DETECTION_SENSITIVITIES,
    Metric.CANDIDATE_SENSITIVITY,
    Metric.CANDIDATES_PER_SCAN,
)

TEST_METRICS = {
    Metric.AUC: Metric.TEST_AUC,
    Metric.CPM: Metric.TEST_CPM,
    Metric.AVERAGE_PRECISION: Metric.TEST_AVERAGE_PRECISION,
    Metric.VALIDATION_LOSS: Metric.TEST_LOSS,
}
"""What a score is called when it is of test scans."""

NOT_OF_EVERY_ROUND = (*WHOLE_SCAN_METRICS, *TEST_METRICS.values(), Metric.LOSS_CHANGE_WITHOUT)

CPMS_BY_DIAMETER = (Metric.CPM_BELOW_6_MM, Metric.CPM_6_TO_8_MM, Metric.CPM_8_TO_15_MM, Metric.CPM_FROM_15_MM)
"""The mean of these sensitivities for the nodules of one band of diameters, smallest first."""


class NotFinite(StrEnum):
    """What a number was that has no value."""

    NAN = "nan"
    INFINITE = "inf"
    MINUS_INFINITE = "-inf"


class Curve(StrEnum):
    """The curves kept for every round, of each site and of the FEDERATION."""

    RELIABILITY = "reliability"


class RunState(StrEnum):
    """Where a run is."""

    WAITING = "waiting for sites"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Say whether the run will not go on."""
        return self in {RunState.FINISHED, RunState.STOPPED, RunState.FAILED}


class RunRequest(StrEnum):
    """What somebody asks of a run: to rest before its next round, to go on, or to end at once."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class UploadState(StrEnum):
    """Where a scan is that a user has given to be searched for nodules."""

    UPLOADING = "uploading"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DELETED = "deleted"


class SiteRoundState(StrEnum):
    """Where a site is in a round."""

    TRAINING = "training"
    TRAINED = "trained"
    EVALUATING = "evaluating"
    DONE = "done"
    FAILED = "failed"
    LATE = "no answer"
    STOPPED = "stopped"

    @property
    def is_over(self) -> bool:
        """Say whether nothing more is to come from the site in this round."""
        return self in {
            SiteRoundState.DONE,
            SiteRoundState.FAILED,
            SiteRoundState.LATE,
            SiteRoundState.STOPPED,
        }


class Role(StrEnum):
    """What a user may see."""

    SERVER = "server"
    CLIENT = "client"
    ANALYST = "analyst"


class PresenceKind(StrEnum):
    """Who is online."""

    SERVER = "server"
    SITE = "site"
    USER = "user"


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
class RunRow:
    """One training of the federation."""

    run_id: str
    name: str
    state: RunState
    num_rounds: int
    config: dict[str, Any]
    started_at: datetime
    ended_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True)
class RunRequestRow:
    """What a coordinator asked of a run in the monitor; never changed, the newest counts."""

    run_id: str
    request: RunRequest
    requested_by: str
    requested_at: datetime
    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class RoundRow:
    """One exchange between coordinator and sites; over when ``ended_at`` is set."""

    run_id: str
    round_no: int
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class SiteRoundRow:
    """What one site did in one round; it is written anew at every change of state.

    ``train_s`` and ``evaluate_s`` are measured at the site; the times are the coordinator's. When the site
    began, ``train_began_at`` and ``evaluate_began_at``, is its own time set right by an estimate of how far
    its clock is off.
    ``update_norm`` is the length of what the site changed in the model, ``update_cosine`` (-1 to 1) its
    direction beside the mean change of the round.
    """

    run_id: str
    round_no: int
    site: str
    state: SiteRoundState
    train_sent_at: datetime
    train_received_at: datetime | None = None
    evaluate_sent_at: datetime | None = None
    evaluate_received_at: datetime | None = None
    train_s: float | None = None
    evaluate_s: float | None = None
    bytes_down: int = 0
    bytes_up: int = 0
    num_examples: int | None = None
    update_norm: float | None = None
    update_cosine: float | None = None
    reason: str | None = None
    train_began_at: datetime | None = None
    evaluate_began_at: datetime | None = None


@dataclass(frozen=True)
class MetricRow:
    """One number of one round, of one site or of the FEDERATION; ``num_examples`` is what it is of.

    The last round gives scores the two ends of a 95 % interval too, if there are enough scans.
    """

    run_id: str
    round_no: int
    site: str
    metric: Metric
    value: float | None
    num_examples: int | None
    recorded_at: datetime
    not_finite: NotFinite | None = None
    interval_low: float | None = None
    interval_high: float | None = None


@dataclass(frozen=True)
class CurveRow:
    """One curve of one round, of one site or of the FEDERATION, as lists of numbers of one length.

    RELIABILITY has, for each bin of the probability that holds an example, ``mean_probability``,
    ``share_positive`` and ``num_examples``.
    """

    run_id: str
    round_no: int
    site: str
    curve: Curve
    points: dict[str, Any]
    recorded_at: datetime


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


@dataclass(frozen=True)
class CheckpointRow:
    """A model file in the run folder; ``kind`` is 'last' or 'best'."""

    run_id: str
    kind: str
    round_no: int
    file_name: str
    sha256: str
    num_bytes: int
    cpm: float | None
    auc: float | None
    written_at: datetime


STATE_SEPARATOR = " · "


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
