"""A run in which nothing is trained: the coordinator's own recorder, told made-up answers of sites."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fl_core.messages import TaskId
from fl_core.replies import TrainReply
from fl_server.drift import Drift
from fl_server.recorder import Recorder
from fl_server.score_sheet import ScoreSheet
from fl_store.base import RowT, Store
from fl_store.metrics import NOT_OF_EVERY_ROUND, Metric
from fl_store.rows import Row, utc_now
from fl_store.run_rows import CheckpointRow, RunRow
from fl_store.words import RunState
from luna16.counts import score
from tests.fake_grid import FakeSite, evaluation_of

COUNTS = FakeSite("north").counts
SCORE = score(COUNTS)
UPDATE = TrainReply(
    TaskId("r1", 1), {"w": np.zeros(1)}, num_examples=120, loss=0.5, train_s=1.5, began_at_s=time.time()
)
EVALUATION = evaluation_of(COUNTS)
DRIFT = Drift(norm=1.5, cosine=0.9)
MODEL_BYTES = 3_600_000
METRICS_PER_SITE = len(Metric) - len(NOT_OF_EVERY_ROUND)
"""The federation has as many."""


class TimedStore:
    """A store that notes how long each ``put`` took; one that failed is counted only."""

    def __init__(self, store: Store) -> None:
        self.num_puts = 0
        self.waits_s: list[float] = []
        self._store = store

    def put(self, rows: Sequence[Row]) -> None:
        self.num_puts += 1
        began = time.perf_counter()
        self._store.put(rows)
        self.waits_s.append(time.perf_counter() - began)

    def get(self, row_type: type[RowT], *, newest: int | None = None, **where: Any) -> list[RowT]:
        return self._store.get(row_type, newest=newest, **where)

    def close(self) -> None:
        self._store.close()


class PlayedRun:
    """A run of ``num_sites`` sites; ``rest`` is called before each answer of one."""

    def __init__(
        self, store: Store, run_id: str, num_sites: int, *, rest: Callable[[], None] = lambda: None
    ) -> None:
        self.run = RunRow(run_id, "Played", RunState.WAITING, 60, {}, utc_now())
        self.sites = [f"site-{number:02}" for number in range(num_sites)]
        self._recorder = Recorder(store, self.run)
        self._rest = rest
        self._recorder.keep_run_state(RunState.RUNNING)

    def play_round(self, round_no: int) -> None:
        """Write every row of one round, as the answers come in."""
        recorder = self._recorder
        recorder.start_round(round_no, self.sites, MODEL_BYTES)
        for site in self.sites:
            self._rest()
            recorder.keep_trained(site, UPDATE, MODEL_BYTES)
        recorder.keep_drifts(dict.fromkeys(self.sites, DRIFT))
        recorder.keep_presence(recorder.site_round_states())
        recorder.start_evaluation(self.sites, MODEL_BYTES)
        for site in self.sites:
            self._rest()
            recorder.keep_evaluated(site, EVALUATION, bytes_up=1000)
        recorder.end_round(UPDATE.loss, ScoreSheet.pool([EVALUATION]))
        recorder.keep_checkpoints([self._checkpoint(round_no)])

    def end(self) -> None:
        """Write that the run is over, and wait for what could not be written yet."""
        self._recorder.keep_run_state(RunState.FINISHED)
        self._recorder.close()

    def _checkpoint(self, round_no: int) -> CheckpointRow:
        file = ("last.safetensors", "ab" * 32, MODEL_BYTES)
        return CheckpointRow(
            self.run.run_id, "last", round_no, *file, SCORE.cpm, SCORE.auc, written_at=utc_now()
        )
