"""What the store held a moment ago, read once a second by one thread for all viewers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, cast

from fl_monitor.auth import is_live
from fl_monitor.clock import CoordinatorClock
from fl_monitor.tables import TableReader
from fl_store.base import RowT, Store
from fl_store.rows import EventRow, PresenceRow, SessionRow, SiteRow, UserRow
from fl_store.run_rows import CurveRow, MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import PresenceKind

ONLINE_WITHIN = timedelta(seconds=10)
SHOWN_FOR = timedelta(days=1)
"""A site that is in no round of the run is shown as offline for so long."""
NUM_EVENTS = 30
NEWEST_ROUNDS = 2
"""The round that goes on and the last that is over: what the page tells in numbers."""
ROUNDS_READ_APART = 3
"""When more rounds are new, the run is read as a whole, which asks the store less often."""


@dataclass(frozen=True)
class RunRows:
    """One run and all that was measured in it, in order of rounds; curves are of the last finished round."""

    run: RunRow
    rounds: tuple[RoundRow, ...] = ()
    site_rounds: tuple[SiteRoundRow, ...] = ()
    metrics: tuple[MetricRow, ...] = ()
    curves: tuple[CurveRow, ...] = ()

    @property
    def last_finished_round(self) -> int | None:
        """The number of the newest round that is over."""
        return max((row.round_no for row in self.rounds if row.ended_at), default=None)


@dataclass(frozen=True)
class Snapshot:
    """What viewers see; ``site_ranks`` numbers the sites by their first visit, which gives them colours.

    ``tables`` holds the newest rows of the tables that somebody asked for lately. ``read_at`` is by this
    machine's clock, every other time by the coordinator's, which is ``clock_ahead``.
    """

    read_at: datetime
    run: RunRows | None
    presence: tuple[PresenceRow, ...]
    events: tuple[EventRow, ...]
    num_users_online: int
    site_ranks: Mapping[str, int]
    clock_ahead: timedelta = timedelta()
    tables: Mapping[type[Any], tuple[Any, ...]] = field(default_factory=dict)

    def table(self, row_type: type[RowT]) -> tuple[RowT, ...]:
        """Return the newest rows of a table, oldest first; none if it was not read."""
        return cast("tuple[RowT, ...]", self.tables.get(row_type, ()))

    @property
    def coordinator_time(self) -> datetime:
        """What the coordinator's clock said when this was read."""
        return self.read_at + self.clock_ahead


@dataclass(frozen=True)
class RoundRows:
    """What was measured in one round."""

    site_rounds: tuple[SiteRoundRow, ...] = ()
    metrics: tuple[MetricRow, ...] = ()


@dataclass
class SnapshotReader:
    """Reads snapshots; of the newest run, only a few rounds each time.

    No round is ever taken as final, since rows may wait in an outbox while others arrive: a change of an old
    round shows after as many reads as the run has rounds, at most.
    """

    store: Store
    clock: CoordinatorClock = field(default_factory=CoordinatorClock)
    _known: dict[RoundRow, RoundRows] = field(default_factory=dict)
    """In the order in which they were read."""
    _run: RunRows | None = None
    _tables: TableReader = field(init=False)

    def __post_init__(self) -> None:
        self._tables = TableReader(self.store)

    def read(self, now: datetime, wanted: Collection[type[Any]] = ()) -> Snapshot:
        """Read who is online, the newest run and the ``wanted`` tables; StoreError if that fails."""
        found = self.store.get(PresenceRow)
        if beats := [row.last_seen_at for row in found if row.kind is PresenceKind.SERVER]:
            self.clock.hear(max(beats), now)
        newest = self.store.get(RunRow, newest=1)
        run = self._read_run(newest[0]) if newest else None
        presence = _choose_presence(found, run, now + self.clock.ahead)
        tables = self._tables.read({SiteRow, *wanted})
        return Snapshot(
            read_at=now,
            run=run,
            presence=presence,
            events=tuple(self.store.get(EventRow, run_id=run.run.run_id, newest=NUM_EVENTS)) if run else (),
            num_users_online=self._count_users(now),
            site_ranks=rank_sites(run, presence, tables[SiteRow]),
            clock_ahead=self.clock.ahead,
            tables=tables,
        )

    def _read_run(self, run: RunRow) -> RunRows:
        rounds = tuple(self.store.get(RoundRow, run_id=run.run_id))
        current = set(rounds)
        self._known = {row: found for row, found in self._known.items() if row in current}
        new = [row for row in rounds if row not in self._known]
        if len(new) > ROUNDS_READ_APART:
            self._known = read_rounds(self.store, rounds)
        else:
            read_longest_ago = list(self._known)[:1]
            for row in dict.fromkeys([*read_longest_ago, *new, *rounds[-NEWEST_ROUNDS:]]):
                found = read_round(self.store, row)
                self._known.pop(row, None)
                self._known[row] = found
        in_order = [self._known[row] for row in rounds]
        rows = RunRows(
            run=run,
            rounds=rounds,
            site_rounds=tuple(row for part in in_order for row in part.site_rounds),
            metrics=tuple(row for part in in_order for row in part.metrics),
        )
        rows = replace(rows, curves=read_curves(self.store, rows))
        if rows != self._run:  # who looks at the same object knows that nothing has changed
            self._run = rows
        return self._run or rows

    def _count_users(self, now: datetime) -> int:
        users = {user.name: user for user in self.store.get(UserRow)}
        sessions = self.store.get(SessionRow, ended_at=None, newest=1000)
        return len({row.user for row in sessions if is_live(row, users.get(row.user), now)})


def _choose_presence(
    found: Iterable[PresenceRow], run: RunRows | None, now: datetime
) -> tuple[PresenceRow, ...]:
    """Return who has been about lately or takes part in the run."""
    of_run = {row.site for row in run.site_rounds} if run else set()
    return tuple(row for row in found if row.name in of_run or now - row.last_seen_at < SHOWN_FOR)


def read_round(store: Store, row: RoundRow) -> RoundRows:
    """Read all rows of one round."""
    run_id, round_no = row.run_id, row.round_no
    return RoundRows(
        site_rounds=tuple(store.get(SiteRoundRow, run_id=run_id, round_no=round_no)),
        metrics=tuple(store.get(MetricRow, run_id=run_id, round_no=round_no)),
    )


def read_rounds(store: Store, rounds: Sequence[RoundRow]) -> dict[RoundRow, RoundRows]:
    """Read all rows of all rounds of one run."""
    run_id = rounds[0].run_id
    site_rounds = _by_round(store.get(SiteRoundRow, run_id=run_id))
    metrics = _by_round(store.get(MetricRow, run_id=run_id))
    return {
        row: RoundRows(site_rounds.get(row.round_no, ()), metrics.get(row.round_no, ())) for row in rounds
    }


def _by_round(rows: Iterable[RowT]) -> dict[int, tuple[RowT, ...]]:
    """Return rows, which come in order of rounds, by round."""
    return {round_no: tuple(same) for round_no, same in groupby(rows, key=attrgetter("round_no"))}


def read_curves(store: Store, rows: RunRows) -> tuple[CurveRow, ...]:
    """Read the curves of a run's last finished round."""
    round_no = rows.last_finished_round
    return () if round_no is None else tuple(store.get(CurveRow, run_id=rows.run.run_id, round_no=round_no))


def rank_sites(
    run: RunRows | None, presence: Iterable[PresenceRow] = (), sites: Iterable[SiteRow] = ()
) -> dict[str, int]:
    """Return a number for each site, in the order of first visits: a new one takes no other's colour.

    Those of the run and those about that have no row yet come last, by name.
    """
    known = [row.site for row in sorted(sites, key=lambda row: (row.first_seen_at, row.site))]
    names = {row.site for row in run.site_rounds} if run else set()
    names |= {row.name for row in presence if row.kind is PresenceKind.SITE}
    return {name: rank for rank, name in enumerate([*known, *sorted(names - set(known))])}
