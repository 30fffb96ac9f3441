"""What each site does in a round, as the rows that say it; nothing here writes them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from fl_core.replies import EvaluateReply, TrainReply
from fl_server.site_clock import Exchange, SiteClocks
from fl_store.rows import utc_now
from fl_store.run_rows import SiteRoundRow
from fl_store.words import SiteRoundState


class SiteParts:
    """The sites' parts of one round after another; each change gives the rows to be written."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._rows: dict[str, SiteRoundRow] = {}
        self._clocks = SiteClocks()

    @property
    def num_examples(self) -> int:
        """The number of examples that all sites have trained on in this round."""
        return sum(row.num_examples or 0 for row in self._rows.values())

    def of(self, site: str) -> SiteRoundRow:
        """Return what is known of a site's part."""
        return self._rows[site]

    def states(self) -> dict[str, SiteRoundState]:
        """Return where each site is."""
        return {site: row.state for site, row in self._rows.items()}

    def change(self, site: str, **changes: Any) -> SiteRoundRow:
        """Change what is known of a site's part."""
        self._rows[site] = replace(self._rows[site], **changes)
        return self._rows[site]

    def start_clock(self, site: str, exchange: Exchange) -> None:
        """Learn how far off the clock of a site is that has connected."""
        self._clocks.start(site, exchange)

    def begin(
        self, round_no: int, sites: Sequence[str], begun_at: datetime, bytes_down: int
    ) -> list[SiteRoundRow]:
        """Begin a round in which these sites are sent the model, each ``bytes_down`` bytes."""
        state = SiteRoundState.TRAINING
        self._rows = {
            site: SiteRoundRow(self._run_id, round_no, site, state, begun_at, bytes_down=bytes_down)
            for site in sites
        }
        return list(self._rows.values())

    def take_update(self, site: str, reply: TrainReply, bytes_up: int) -> SiteRoundRow:
        """Note that a site's update has come."""
        now = utc_now()
        return self.change(
            site,
            state=SiteRoundState.TRAINED,
            train_received_at=now,
            train_began_at=self._find_begin(site, self.of(site).train_sent_at, reply, now),
            train_s=reply.train_s,
            num_examples=reply.num_examples,
            bytes_up=bytes_up,
        )

    def begin_evaluation(self, sites: Sequence[str], bytes_down: int) -> list[SiteRoundRow]:
        """Note that these sites are sent the new model to evaluate."""
        now = utc_now()
        return [
            self.change(
                site,
                state=SiteRoundState.EVALUATING,
                evaluate_sent_at=now,
                bytes_down=self.of(site).bytes_down + bytes_down,
            )
            for site in sites
        ]

    def take_counts(self, site: str, reply: EvaluateReply, bytes_up: int) -> SiteRoundRow:
        """Note that a site's counts have come."""
        now, before = utc_now(), self.of(site)
        return self.change(
            site,
            state=SiteRoundState.DONE,
            evaluate_received_at=now,
            evaluate_began_at=self._find_begin(site, before.evaluate_sent_at, reply, now),
            evaluate_s=reply.evaluate_s,
            bytes_up=before.bytes_up + bytes_up,
        )

    def stop(self) -> list[SiteRoundRow]:
        """Note that the run was stopped while sites were at work."""
        at_work = [site for site, state in self.states().items() if not state.is_over]
        return [self.change(site, state=SiteRoundState.STOPPED) for site in at_work]

    def _find_begin(
        self, site: str, sent_at: datetime | None, reply: TrainReply | EvaluateReply, received_at: datetime
    ) -> datetime | None:
        """Return when a site began its work, in our time; None if it was sent none."""
        if sent_at is None:
            return None
        work_s = reply.train_s if isinstance(reply, TrainReply) else reply.evaluate_s
        exchange = Exchange(sent_at.timestamp(), reply.began_at_s, received_at.timestamp(), work_s)
        return self._clocks.find_begin(site, exchange)
