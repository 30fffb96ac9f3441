"""Runs of the past, read when somebody chooses them and kept for a while."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from fl_monitor.snapshot import RunRows, read_curves
from fl_store.base import Store
from fl_store.metrics import FEDERATION
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow

KEPT_S = 10.0
RUNS_KEPT = 12
MOST_COMPARED = 5


@dataclass(frozen=True)
class ChosenRuns:
    """The run whose pages are looked at, unless it is the newest, and those beside one another.

    ``missing`` are the ids of which there is no run, or none any more.
    """

    whole: RunRows | None = None
    compared: tuple[RunRows, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass
class RunLibrary:
    """Reads whole runs, and of others only the rows of the federation."""

    store: Store
    _kept: OrderedDict[tuple[str, bool], tuple[float, RunRows | None]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, params: Mapping[str, str]) -> ChosenRuns:
        """Read the runs that an address names: ``run`` as a whole, ``runs`` to compare."""
        found = {run_id: self._find(run_id, read_federation) for run_id in compared_ids(params)}
        missing = [run_id for run_id, rows in found.items() if rows is None]
        whole = None
        if run_id := params.get("run"):
            whole = self._find(run_id, read_run)
            missing += [] if whole else [run_id]
        return ChosenRuns(whole, tuple(rows for rows in found.values() if rows), tuple(missing))

    def _find(self, run_id: str, read: Callable[[Store, str], RunRows | None]) -> RunRows | None:
        key = (run_id, read is read_run)
        with self._lock:
            read_at, rows = self._kept.pop(key, (-math.inf, None))
            if time.monotonic() - read_at >= KEPT_S:
                found = read(self.store, run_id)
                read_at, rows = time.monotonic(), rows if found == rows else found
            self._kept[key] = (read_at, rows)
            if len(self._kept) > RUNS_KEPT:
                self._kept.popitem(last=False)
        return rows


def compared_ids(params: Mapping[str, str]) -> list[str]:
    """Return the ids of the runs to compare, each once, five at most."""
    return named_ids(params)[:MOST_COMPARED]


def named_ids(params: Mapping[str, str]) -> list[str]:
    """Return all ids of runs that an address names, each once."""
    return list(dict.fromkeys(run_id for run_id in params.get("runs", "").split(",") if run_id))


def read_run(store: Store, run_id: str) -> RunRows | None:
    """Read one run with all its rounds; None if there is none of that id."""
    found = store.get(RunRow, run_id=run_id)
    if not found:
        return None
    rows = RunRows(
        run=found[0],
        rounds=tuple(store.get(RoundRow, run_id=run_id)),
        site_rounds=tuple(store.get(SiteRoundRow, run_id=run_id)),
        metrics=tuple(store.get(MetricRow, run_id=run_id)),
    )
    return replace(rows, curves=read_curves(store, rows))


def read_federation(store: Store, run_id: str) -> RunRows | None:
    """Read what one run came to for the federation as a whole; None if there is none of that id."""
    found = store.get(RunRow, run_id=run_id)
    if not found:
        return None
    return RunRows(
        run=found[0],
        rounds=tuple(store.get(RoundRow, run_id=run_id)),
        metrics=tuple(store.get(MetricRow, run_id=run_id, site=FEDERATION)),
    )
