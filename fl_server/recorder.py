"""Writes down a run while it goes on: every change of state is a row in the store at once.

Training never waits for a database: rows that cannot be written are held, and the run goes on.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fl_core.errors import StoreError
from fl_core.logs import note_round
from fl_core.replies import EvaluateReply, TrainReply
from fl_server.data_shift import PairDistance
from fl_server.drift import Drift
from fl_server.heartbeat import HeartbeatClock
from fl_server.history import make_history
from fl_server.patient_writer import PatientWriter
from fl_server.people import SCREENING
from fl_server.score_rows import ScoreRows
from fl_server.score_sheet import ScoreSheet
from fl_server.site_clock import Exchange
from fl_server.site_parts import SiteParts
from fl_store.base import Store
from fl_store.event_kinds import level_of
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import (
    DataCardRow,
    DataShiftRow,
    EventRow,
    PresenceRow,
    Row,
    SiteAccessRow,
    SiteRow,
    utc_now,
)
from fl_store.run_rows import CheckpointRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import PresenceKind, RunState, SiteRoundState
from luna16.counts import Score
from luna16.data_card import DataCard

logger = logging.getLogger(__name__)

FLUSH_TIMEOUT_S = 30.0


class Recorder:
    """Turns what happens in a run into rows."""

    def __init__(self, store: Store, run: RunRow) -> None:
        self._store = store
        self._writer = PatientWriter(store)
        self._run = run
        self._round = RoundRow(run.run_id, round_no=0, started_at=run.started_at)
        self._scores = ScoreRows(run.run_id, round_no=0)
        self._parts = SiteParts(run.run_id)
        self._heartbeat = HeartbeatClock()

    @property
    def run_id(self) -> str:
        """The run that is written down."""
        return self._run.run_id

    @property
    def run_state(self) -> RunState:
        """Where the run is."""
        return self._run.state

    def keep_run_state(self, state: RunState, reason: str | None = None) -> None:
        """Write where the run is, and why unless it goes well."""
        ended_at = utc_now() if state.is_over else None
        self._run = replace(self._run, state=state, ended_at=ended_at, reason=reason)
        self._put(self._run)
        self.keep_event("run", f"The run is {state}: {reason}" if reason else f"The run is {state}.")

    def keep_stopped(self, reason: str) -> None:
        """Write that the run was stopped, and with it the sites that were at work."""
        self._put(*self._parts.stop())
        self.keep_run_state(RunState.STOPPED, reason)

    def keep_event(self, kind: str, text: str, site: str | None = None) -> None:
        """Write that something happened, and say it in the log."""
        logger.log(level_of(kind), "%s", text, extra={"site": site})
        self._put(EventRow(kind, text, run_id=self._run.run_id, site=site))

    def keep_presence(self, states: Mapping[str, str]) -> None:
        """Write that the coordinator and these sites are online, each site with its state."""
        now = self._heartbeat.now()
        server = PresenceRow(PresenceKind.SERVER, "server", str(self._run.state), now)
        sites = [PresenceRow(PresenceKind.SITE, site, state, now) for site, state in states.items()]
        self._put(server, *sites)

    def keep_site(self, site: SiteRow) -> None:
        """Write a site that takes part from now on; the store keeps the time of its first visit."""
        self._put(site)

    def start_clock(self, site: str, exchange: Exchange) -> None:
        """Learn how far off the clock of a site is that has connected."""
        self._parts.start_clock(site, exchange)

    def keep_data_card(self, site: str, card: DataCard) -> None:
        """Write what a site tells of its data."""
        self._put(DataCardRow(site, card.to_json(), received_at=utc_now()))

    def keep_distances(self, site: str, other_site: str, distances: Iterable[PairDistance]) -> None:
        """Write how far the data of two sites are apart in each histogram."""
        now = utc_now()
        self._put(
            *(
                DataShiftRow(site, other_site, each.histogram, each.distance, each.by_chance, now)
                for each in distances
            )
        )

    def keep_checkpoints(self, checkpoints: Sequence[CheckpointRow]) -> None:
        """Write which model files there are."""
        self._put(*checkpoints)

    def start_round(self, round_no: int, sites: Sequence[str], bytes_down: int) -> None:
        """Write that these sites were sent the model to train, each ``bytes_down`` bytes."""
        note_round(round_no)
        now = utc_now()
        self._round = RoundRow(self._run.run_id, round_no, started_at=now)
        self._scores = ScoreRows(self._run.run_id, round_no)
        self._put(self._round, *self._parts.begin(round_no, sites, now, bytes_down))

    def keep_trained(self, site: str, reply: TrainReply, bytes_up: int) -> None:
        """Write that a site's update has come."""
        part = self._parts.take_update(site, reply, bytes_up)
        self._put(part, self._scores.make_metric(site, Metric.TRAIN_LOSS, reply.loss, reply.num_examples))

    def keep_drifts(self, drifts: Mapping[str, Drift]) -> None:
        """Write how far each site's update went, and how far in the direction of all."""
        self._put(
            *(
                self._parts.change(site, update_norm=drift.norm, update_cosine=drift.cosine)
                for site, drift in drifts.items()
            )
        )

    def keep_loss_changes(self, changes: Mapping[str, float | None]) -> None:
        """Write how much higher the pooled validation loss is without each site's update."""
        metric = Metric.LOSS_CHANGE_WITHOUT
        self._put(
            *(
                self._scores.make_metric(site, metric, change, self._parts.of(site).num_examples or 0)
                for site, change in changes.items()
            )
        )

    def start_evaluation(self, sites: Sequence[str], bytes_down: int) -> None:
        """Write that these sites were sent the new model to evaluate."""
        self._put(*self._parts.begin_evaluation(sites, bytes_down))

    def keep_evaluated(self, site: str, reply: EvaluateReply, bytes_up: int) -> None:
        """Write that a site's counts have come, and the score they give for that site alone."""
        part = self._parts.take_counts(site, reply, bytes_up)
        self._put(part, *self._scores.list_scores(site, ScoreSheet.pool([reply])))

    def keep_failure(self, site: str, reason: str) -> None:
        """Write that a site's part of the round failed, and why."""
        text = f"Site '{site}' failed in round {self._round.round_no}: {reason}"
        self._end_part(site, reason, "site_failed", text)

    def keep_declined(self, site: str, reason: str) -> None:
        """Write that a site did not agree to its part of the round, and why."""
        text = f"Site '{site}' declined its part of round {self._round.round_no}: {reason}"
        self._end_part(site, reason, "site_declined", text)

    def shut_out(self, site: str, reason: str) -> None:
        """Write that a site takes no part from the next round on, until a coordinator lets it back."""
        row = SiteAccessRow(site, is_allowed=False, changed_by=SCREENING, changed_at=utc_now(), reason=reason)
        self._put(row)
        text = f"Site '{site}' sits out: {reason} `fl-server sites allow {site}` lets it back."
        self.keep_event("site_sits_out", text, site)

    def keep_no_answer(self, site: str, reason: str) -> None:
        """Write that a site did not answer in its time."""
        self._put(self._parts.change(site, state=SiteRoundState.LATE, reason=reason))
        text = f"Site '{site}' is left behind in round {self._round.round_no}: {reason}"
        self.keep_event("site_late", text, site)

    def part_of(self, site: str) -> SiteRoundRow:
        """Return what is known of a site's part of the round."""
        return self._parts.of(site)

    def keep_late_update(self, part: SiteRoundRow, late_s: float) -> None:
        """Write that an update has come after its round was closed."""
        told = f"came {late_s:.0f} s after the round was closed, and was dropped."
        row = replace(part, train_received_at=utc_now(), reason=f"The update {told}")
        self._put(row)
        self.keep_event(
            "late_update", f"The update of site '{part.site}' for round {part.round_no} {told}", part.site
        )

    def end_round(self, train_loss: float | None, sheet: ScoreSheet) -> None:
        """Write the federation's numbers and that the round is over."""
        num_trained = self._parts.num_examples
        loss = self._scores.make_metric(FEDERATION, Metric.TRAIN_LOSS, train_loss, num_trained)
        self._round = replace(self._round, ended_at=utc_now())
        self._put(loss, *self._scores.list_scores(FEDERATION, sheet), self._round)
        self.keep_event("round_ended", f"Round {self._round.round_no} is over: {_describe(sheet.score)}.")

    def keep_test_scores(self, round_no: int, replies: Mapping[str, EvaluateReply]) -> None:
        """Write what the model of a round is worth on the test scans of each site, and of all."""
        rows, pooled = ScoreRows(self._run.run_id, round_no), ScoreSheet.pool(list(replies.values()))
        sheets = {site: ScoreSheet.pool([reply]) for site, reply in replies.items()} | {FEDERATION: pooled}
        self._put(*(row for site, sheet in sheets.items() for row in rows.list_test_scores(site, sheet)))
        text = f"The model of round {round_no} was tested on {pooled.counts.num_scans} scans"
        self.keep_event("model_tested", f"{text}: {_describe(pooled.score)}.")

    def make_history(self) -> dict[str, Any] | None:
        """Return the run so far as one JSON document, or None if the store cannot be read."""
        try:
            return make_history(self._store, self._run.run_id)
        except StoreError as error:
            logger.warning("There is no history.json of this round: %s", error)
            return None

    def close(self) -> None:
        """Wait a while for rows that could not be written yet."""
        self._writer.flush(FLUSH_TIMEOUT_S)

    def site_round_states(self) -> dict[str, str]:
        """Return where each site of the current round is, in words."""
        return {site: str(state) for site, state in self._parts.states().items()}

    def _end_part(self, site: str, reason: str, kind: str, text: str) -> None:
        self._put(self._parts.change(site, state=SiteRoundState.FAILED, reason=reason))
        self.keep_event(kind, text, site)

    def _put(self, *rows: Row) -> None:
        self._writer.put(*rows)


def _describe(pooled: Score) -> str:
    figures = (("pooled AUC", pooled.auc), ("CPM", pooled.cpm))
    return ", ".join(f"{name} {value:.3f}" for name, value in figures if value is not None) or "no scores"
