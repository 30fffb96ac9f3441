"""Who was last in each round, and how long the others waited for it: pure functions of a run's rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from fl_monitor.snapshot import RunRows
from fl_store.run_rows import RoundRow, SiteRoundRow
from fl_store.words import SiteRoundState

LEAST_SITES = 2


@dataclass(frozen=True)
class Straggler:
    """The last of a round's sites to send its update, or else to send its scores.

    ``waited_s`` is how long every other site had answered and waited. Sites that never answered share it.
    """

    round_no: int
    site: str
    is_training: bool
    waited_s: float


@dataclass(frozen=True)
class _Step:
    """The answers to one question of a round; ``ended_at`` is when nobody was waited for any more."""

    answered_at: dict[str, datetime]
    silent: list[str]
    ended_at: datetime | None

    def find_last(self) -> dict[str, float]:
        """Return who was last, with the seconds that the others waited; none as long as it goes on."""
        times = sorted(self.answered_at.values())
        if self.ended_at is None or not times or len(times) + len(self.silent) < LEAST_SITES:
            return {}
        if self.silent:
            waited_s = (self.ended_at - times[-1]).total_seconds() / len(self.silent)
            return dict.fromkeys(self.silent, max(waited_s, 0.0))
        last = max(self.answered_at, key=lambda site: self.answered_at[site])
        return {last: (times[-1] - times[-2]).total_seconds()}


def find_stragglers(rows: RunRows) -> list[Straggler]:
    """Return the last of each step of all rounds, as far as its end and times are known."""
    return [
        Straggler(of_round.round_no, site, is_training, waited_s)
        for of_round in rows.rounds
        for is_training, step in _steps_of(rows, of_round)
        for site, waited_s in step.find_last().items()
    ]


def _steps_of(rows: RunRows, of_round: RoundRow) -> Iterator[tuple[bool, _Step]]:
    parts = [row for row in rows.site_rounds if row.round_no == of_round.round_no]
    sent = [row.evaluate_sent_at for row in parts if row.evaluate_sent_at]
    yield (
        True,
        _Step(
            answered_at={row.site: row.train_received_at for row in parts if row.train_received_at},
            silent=[row.site for row in parts if _is_silent(row) and not row.train_received_at],
            ended_at=min(sent, default=of_round.ended_at),
        ),
    )
    yield (
        False,
        _Step(
            answered_at={row.site: row.evaluate_received_at for row in parts if row.evaluate_received_at},
            silent=[row.site for row in parts if _is_silent(row) and row.evaluate_sent_at],
            ended_at=of_round.ended_at,
        ),
    )


def _is_silent(row: SiteRoundRow) -> bool:
    return row.state is SiteRoundState.LATE
