"""What the store held a moment ago, read once a second by one thread for all viewers."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fl_core.errors import StoreError
from fl_monitor.auth import is_live
from fl_store.base import Store
from fl_store.rows import (
    EventRow,
    MetricRow,
    PresenceKind,
    PresenceRow,
    RoundRow,
    RunRow,
    SessionRow,
    SiteRoundRow,
    UserRow,
    utc_now,
)

logger = logging.getLogger(__name__)

READ_EVERY_S = 1.0
ONLINE_WITHIN = timedelta(seconds=10)
SHOWN_FOR = timedelta(days=1)
"""A site that is in no round of the run is shown as offline for so long."""
NUM_EVENTS = 30
SETTLED_AFTER = timedelta(seconds=10)
"""After its end a round's rows are read for this long yet; then they are taken as final."""


@dataclass(frozen=True)
class RunRows:
    """One run and all that was measured in it, in order of rounds."""

    run: RunRow
    rounds: tuple[RoundRow, ...] = ()
    site_rounds: tuple[SiteRoundRow, ...] = ()
    metrics: tuple[MetricRow, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """What viewers see; ``site_ranks`` numbers the sites by name, which gives them their colours."""

    read_at: datetime
    run: RunRows | None
    presence: tuple[PresenceRow, ...]
    events: tuple[EventRow, ...]
    num_users_online: int
    site_ranks: Mapping[str, int]


@dataclass
class SnapshotReader:
    """Reads snapshots, and of the newest run only the rounds that can still change."""

    store: Store
    _settled: dict[RoundRow, RunRows] = field(default_factory=dict)

    def read(self, now: datetime) -> Snapshot:
        """Read the newest run and who is online; StoreError if the store cannot be read."""
        newest = self.store.get(RunRow, newest=1)
        run = self._read_run(newest[0], now) if newest else None
        presence = self._read_presence(run, now)
        return Snapshot(
            read_at=now,
            run=run,
            presence=presence,
            events=self._read_events(run),
            num_users_online=self._count_users(now),
            site_ranks=rank_sites(run, presence),
        )

    def _read_run(self, run: RunRow, now: datetime) -> RunRows:
        rounds = tuple(self.store.get(RoundRow, run_id=run.run_id))
        parts = {row: self._settled.get(row) or read_round(self.store, run, row) for row in rounds}
        self._settled = {row: part for row, part in parts.items() if _is_settled(row, now)}
        return RunRows(
            run=run,
            rounds=rounds,
            site_rounds=tuple(row for part in parts.values() for row in part.site_rounds),
            metrics=tuple(row for part in parts.values() for row in part.metrics),
        )

    def _read_presence(self, run: RunRows | None, now: datetime) -> tuple[PresenceRow, ...]:
        """Return who has been about lately or takes part in the run."""
        of_run = {row.site for row in run.site_rounds} if run else set()
        found = self.store.get(PresenceRow)
        return tuple(row for row in found if row.name in of_run or now - row.last_seen_at < SHOWN_FOR)

    def _read_events(self, run: RunRows | None) -> tuple[EventRow, ...]:
        """Return the newest events of the run and of none, oldest first; logins are not among them."""
        general = self.store.get(EventRow, run_id=None, user=None, newest=NUM_EVENTS)
        of_run = self.store.get(EventRow, run_id=run.run.run_id, newest=NUM_EVENTS) if run else []
        events = [event for event in general if not event.kind.startswith("login")] + of_run
        return tuple(sorted(events, key=lambda event: event.occurred_at)[-NUM_EVENTS:])

    def _count_users(self, now: datetime) -> int:
        users = {user.name: user for user in self.store.get(UserRow)}
        sessions = self.store.get(SessionRow, ended_at=None, newest=1000)
        return len({row.user for row in sessions if is_live(row, users.get(row.user), now)})


def read_round(store: Store, run: RunRow, row: RoundRow) -> RunRows:
    """Read all rows of one round."""
    round_no = row.round_no
    return RunRows(
        run=run,
        rounds=(row,),
        site_rounds=tuple(store.get(SiteRoundRow, run_id=run.run_id, round_no=round_no)),
        metrics=tuple(store.get(MetricRow, run_id=run.run_id, round_no=round_no)),
    )


def rank_sites(run: RunRows | None, presence: tuple[PresenceRow, ...] = ()) -> dict[str, int]:
    """Return each site's place by name, among those of the run and those that are about."""
    names = {row.site for row in run.site_rounds} if run else set()
    names |= {row.name for row in presence if row.kind is PresenceKind.SITE}
    return {name: rank for rank, name in enumerate(sorted(names))}


def _is_settled(row: RoundRow, now: datetime) -> bool:
    return row.ended_at is not None and now - row.ended_at > SETTLED_AFTER


class Poller:
    """Reads a snapshot every second in a thread, from the first viewer on."""

    def __init__(self, store: Store) -> None:
        self._reader = SnapshotReader(store)
        self._latest: Snapshot | None = None
        self._is_failing = False
        self._starting = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def latest(self) -> Snapshot | None:
        """Return the newest snapshot; None as long as the store could never be read."""
        with self._starting:
            if self._thread is None:
                self._read()
                self._thread = threading.Thread(target=self._run, name="fl-monitor-poller", daemon=True)
                self._thread.start()
        return self._latest

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(READ_EVERY_S):
            self._read()

    def _read(self) -> None:
        """Take a new snapshot; on a fault of the store keep the last one, and say so once."""
        try:
            self._latest = self._reader.read(utc_now())
        except StoreError as error:
            if not self._is_failing:
                logger.warning("%s Viewers keep the last data and see that they are stale.", error)
            self._is_failing = True
        else:
            self._is_failing = False
