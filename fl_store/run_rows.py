"""The rows of a run: what was asked of it, its rounds, their numbers and its models."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fl_store.metrics import Curve, Metric, NotFinite
from fl_store.words import RunRequest, RunState, SiteRoundState


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
