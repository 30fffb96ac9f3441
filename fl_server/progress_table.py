"""The coordinator's terminal: a run's rows as text that is drawn anew while the run goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fl_store.base import Store
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.words import RunState

UNDEFINED = "-"
SHOWN_ROUNDS = 10
NEWEST_EVENTS = 200
"""More of them than come between two looks."""


@dataclass(frozen=True)
class RunView:
    """What the terminal shows of a run, as read from the store at one moment."""

    run: RunRow
    rounds: Sequence[RoundRow]
    site_rounds: Sequence[SiteRoundRow]
    metrics: Mapping[tuple[int, str, Metric], MetricRow]
    events: Sequence[EventRow]

    @classmethod
    def read(cls, store: Store, run_id: str) -> "RunView":
        """Read a run's rows."""
        rounds = store.get(RoundRow, run_id=run_id)
        metrics = store.get(MetricRow, run_id=run_id)
        round_no = rounds[-1].round_no if rounds else 0
        return cls(
            run=store.get(RunRow, run_id=run_id)[0],
            rounds=rounds,
            site_rounds=store.get(SiteRoundRow, run_id=run_id, round_no=round_no),
            metrics={(row.round_no, row.site, row.metric): row for row in metrics},
            events=store.get(EventRow, newest=NEWEST_EVENTS, run_id=run_id),
        )

    @property
    def finished_rounds(self) -> list[RoundRow]:
        """The rounds that are over."""
        return [row for row in self.rounds if row.ended_at]

    def number_text(self, round_no: int, site: str, metric: Metric) -> str:
        """Write a number; a dash if there is none, and ``nan`` or ``inf`` if it was not finite."""
        row = self.metrics.get((round_no, site, metric))
        return str(row.not_finite or format_number(row.value)) if row else UNDEFINED

    def seconds_left(self, now: datetime) -> float | None:
        """Estimate the time to the end from the mean of the rounds so far; None before the first."""
        done = self.finished_rounds
        if not done:
            return None
        mean_s = sum(_seconds(row) for row in done) / len(done)
        ended_at = done[-1].ended_at or now
        in_round_s = (now - ended_at).total_seconds()
        return max(0.0, mean_s * (self.run.num_rounds - len(done)) - in_round_s)


def draw_run(view: RunView, now: datetime | None = None) -> RenderableType:
    """Draw the run: its state and time left, its rounds, and the sites of the present round."""
    parts: list[RenderableType] = [draw_headline(view, now)]
    if view.rounds:
        parts += [draw_rounds(view, view.rounds[-SHOWN_ROUNDS:]), _draw_sites(view)]
    return Group(*parts)


def describe_round(view: RunView, round_row: RoundRow) -> str:
    """Describe a finished round in one line, for where no table is drawn anew."""
    shown = (Metric.AUC, Metric.CPM, Metric.VALIDATION_LOSS)
    auc, cpm, loss = (view.number_text(round_row.round_no, FEDERATION, metric) for metric in shown)
    return (
        f"round {round_row.round_no}/{view.run.num_rounds}  pooled AUC {auc}  CPM {cpm}  "
        f"validation loss {loss}  {_seconds(round_row):.1f} s"
    )


def draw_headline(view: RunView, now: datetime | None = None) -> Text:
    """Draw the run's id and state; while it runs, also its round and the time left."""
    text = Text(f"Run {view.run.run_id}  ", style="bold")
    text.append(str(view.run.state), style=style_of(view.run.state))
    if view.run.state is RunState.RUNNING:
        round_no = min(len(view.finished_rounds) + 1, view.run.num_rounds)
        text.append(f"  round {round_no} of {view.run.num_rounds}", style="not bold")
        left_s = view.seconds_left(now or utc_now())
        if left_s is not None:
            text.append(f"  about {format_duration(left_s)} left", style="not bold")
    return text


def draw_rounds(view: RunView, rounds: Sequence[RoundRow]) -> Table:
    """Draw the federation's numbers in these rounds."""
    table = Table(title_justify="left", title="Federation")
    for name in ("round", "pooled AUC", "CPM", "train loss", "val. loss", "seconds"):
        table.add_column(name, justify="right")
    shown = (Metric.AUC, Metric.CPM, Metric.TRAIN_LOSS, Metric.VALIDATION_LOSS)
    for row in rounds:
        values = [view.number_text(row.round_no, FEDERATION, metric) for metric in shown]
        table.add_row(str(row.round_no), *values, f"{_seconds(row, view.run.ended_at):.1f}")
    return table


def _draw_sites(view: RunView) -> Table:
    round_no = view.rounds[-1].round_no
    table = Table(title_justify="left", title=f"Sites in round {round_no}")
    table.add_column("site")
    table.add_column("state")
    for name in ("train s", "evaluate s", "examples", "AUC", "CPM"):
        table.add_column(name, justify="right")
    for row in view.site_rounds:
        table.add_row(
            row.site,
            Text(f"{row.state}: {row.reason}" if row.reason else str(row.state)),  # no markup from a site
            format_number(row.train_s, 1),
            format_number(row.evaluate_s, 1),
            UNDEFINED if row.num_examples is None else str(row.num_examples),
            *(view.number_text(round_no, row.site, metric) for metric in (Metric.AUC, Metric.CPM)),
        )
    return table


def _seconds(row: RoundRow, cut_off_at: datetime | None = None) -> float:
    """Return how long a round took, or has taken so far; the end of its run ends it too."""
    return ((row.ended_at or cut_off_at or utc_now()) - row.started_at).total_seconds()


def style_of(state: RunState) -> str:
    """Return the colour of a run's state."""
    styles = {RunState.FINISHED: "green", RunState.FAILED: "red"}
    styles |= dict.fromkeys((RunState.STOPPED, RunState.PAUSED), "yellow")
    return styles.get(state, "cyan")


def format_number(value: float | None, digits: int = 3) -> str:
    """Write a number, or a dash if there is none."""
    return UNDEFINED if value is None else f"{value:.{digits}f}"


def format_duration(seconds: float) -> str:
    """Write a time in the unit that suits it: 12 s, 5 min, 2.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
