"""Runs as tables for the terminal: all runs in brief, and one run in full."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fl_core.config import RunConfig
from fl_server.progress_table import (
    UNDEFINED,
    RunView,
    draw_headline,
    draw_rounds,
    format_duration,
    format_number,
    style_of,
)
from fl_store.base import Store
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import CheckpointRow, MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.wire import to_json
from fl_store.words import SiteRoundState

SCORES = (Metric.AUC, Metric.CPM)
FAILURES = (SiteRoundState.FAILED, SiteRoundState.LATE)
RUN_ID_LENGTH = 20
"""An id is never cut: it is what people type."""


@dataclass(frozen=True)
class RunSummary:
    """How far a run came, and the scores of the newest round that has any."""

    run: RunRow
    num_rounds_done: int
    num_sites: int
    scored_round_no: int | None
    auc: float | None
    cpm: float | None

    @classmethod
    def read(cls, store: Store, run: RunRow) -> "RunSummary":
        """Read what there is to say of a run in brief."""
        rounds = store.get(RoundRow, run_id=run.run_id)
        site_rounds = store.get(SiteRoundRow, run_id=run.run_id)
        scores = [
            row
            for metric in SCORES
            for row in store.get(MetricRow, run_id=run.run_id, site=FEDERATION, metric=metric)
        ]
        scored_round_no = find_scored_rounds(scores).get(FEDERATION)
        values = {row.metric: row.value for row in scores if row.round_no == scored_round_no}
        return cls(
            run=run,
            num_rounds_done=sum(row.ended_at is not None for row in rounds),
            num_sites=len({row.site for row in site_rounds}),
            scored_round_no=scored_round_no,
            auc=values.get(Metric.AUC),
            cpm=values.get(Metric.CPM),
        )

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return it as JSON can hold it: times in ISO 8601, what is unknown as null."""
        run = to_json(self.run)
        del run["config"]
        return {
            **run,
            "duration_s": _seconds(self.run, now),
            "num_rounds_done": self.num_rounds_done,
            "num_sites": self.num_sites,
            "scored_round_no": self.scored_round_no,
            "auc": self.auc,
            "cpm": self.cpm,
        }


def find_scored_rounds(metrics: Iterable[MetricRow]) -> dict[str, int]:
    """Return for each site, and the FEDERATION, the newest round in which its AUC or CPM is defined."""
    rounds: dict[str, int] = {}
    for row in metrics:
        if row.metric in SCORES and row.value is not None:
            rounds[row.site] = max(row.round_no, rounds.get(row.site, 0))
    return rounds


def draw_runs(summaries: Iterable[RunSummary], now: datetime) -> Table:
    """Draw the runs, two lines each, so that all of it fits into 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("run", min_width=RUN_ID_LENGTH, overflow="fold")
    table.add_column("state")
    for title in ("sites", "pooled\nAUC", "CPM"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("started UTC", no_wrap=True)
    for each in summaries:
        run, round_no = each.run, each.scored_round_no
        table.add_row(
            Text(run.run_id, "bold").append(f"\n  {run.name}", "not bold"),
            Text.assemble(
                (str(run.state), style_of(run.state)), f"\n{each.num_rounds_done} of {run.num_rounds} rounds"
            ),
            str(each.num_sites),
            format_number(each.auc) + (f"\nround {round_no}" if round_no else ""),
            format_number(each.cpm),
            f"{run.started_at:%Y-%m-%d %H:%M}\n{_describe_duration(run, now)}",
        )
    return table


def draw_run_in_full(store: Store, run: RunRow, now: datetime) -> RenderableType:
    """Draw all that is known of one run, section by section."""
    view = RunView.read(store, run.run_id)
    site_rounds = store.get(SiteRoundRow, run_id=run.run_id)
    sections: list[RenderableType] = [_draw_heading(view, now), _draw_settings(run.config)]
    if view.rounds:
        sections += [draw_rounds(view, view.rounds), _draw_sites(view, site_rounds)]
    if failures := [row for row in site_rounds if row.state in FAILURES]:
        sections.append(_draw_failures(failures))
    if checkpoints := store.get(CheckpointRow, run_id=run.run_id):
        sections.append(_draw_checkpoints(checkpoints))
    return Group(sections[0], *(part for section in sections[1:] for part in ("", section)))


def _draw_heading(view: RunView, now: datetime) -> RenderableType:
    run = view.run
    ended = f"ended {run.ended_at:%Y-%m-%d %H:%M:%S} UTC" if run.ended_at else "not ended"
    lines = [
        f"{run.name}: {len(view.finished_rounds)} of {run.num_rounds} rounds done",
        f"started {run.started_at:%Y-%m-%d %H:%M:%S} UTC, {ended}, {_describe_duration(run, now)}",
        run.reason or "",
    ]
    return Group(draw_headline(view, now), *filter(None, lines))


def _draw_settings(config: Mapping[str, Any]) -> RenderableType:
    defaults = dict(flatten(RunConfig().model_dump(mode="json")))
    changed = [(key, value) for key, value in flatten(config) if value != defaults.get(key)]
    if not changed:
        return "All settings are the defaults."
    table = _make_table("Settings that differ from the defaults", "setting", "value", "default")
    for key, value in changed:
        table.add_row(key, str(value), str(defaults.get(key, UNDEFINED)))
    return table


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings with dotted keys, as the configuration's own error messages name them."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _draw_sites(view: RunView, site_rounds: Sequence[SiteRoundRow]) -> Table:
    numbers = ("rounds done", "AUC", "CPM", "in round", "failed", "MB down", "MB up")
    table = _make_table("Sites", "site", numbers=numbers)
    scored_rounds = find_scored_rounds(view.metrics.values())
    for site in sorted({row.site for row in site_rounds}):
        own = [row for row in site_rounds if row.site == site]
        round_no = scored_rounds.get(site)
        table.add_row(
            site,
            str(sum(row.state is SiteRoundState.DONE for row in own)),
            *(view.number_text(round_no or 0, site, metric) for metric in SCORES),
            str(round_no or UNDEFINED),
            str(sum(row.state in FAILURES for row in own)),
            format_number(sum(row.bytes_down for row in own) / 1e6, digits=1),
            format_number(sum(row.bytes_up for row in own) / 1e6, digits=1),
        )
    return table


def _draw_failures(failures: Iterable[SiteRoundRow]) -> Table:
    table = _make_table("Failures", "round", "site", "what happened")
    for row in failures:
        table.add_row(
            str(row.round_no), row.site, f"{row.state}: {row.reason}" if row.reason else str(row.state)
        )
    return table


def _draw_checkpoints(checkpoints: Iterable[CheckpointRow]) -> RenderableType:
    """Draw two lines each: a sha256 alone has 64 characters."""
    lines: list[RenderableType] = [Text("Checkpoints", style="italic")]
    for row in checkpoints:
        scores = f"AUC {format_number(row.auc)}  CPM {format_number(row.cpm)}"
        lines.append(
            f"{row.kind:<5} round {row.round_no}  {scores}  {row.num_bytes / 1e6:.1f} MB  {row.file_name}"
        )
        lines.append(f"      sha256 {row.sha256}")
    return Group(*lines)


def _make_table(title: str, *texts: str, numbers: Iterable[str] = ()) -> Table:
    table = Table(title=title, title_justify="left")
    for name in texts:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _seconds(run: RunRow, now: datetime) -> float:
    return ((run.ended_at or now) - run.started_at).total_seconds()


def _describe_duration(run: RunRow, now: datetime) -> str:
    duration = format_duration(_seconds(run, now))
    return f"took {duration}" if run.ended_at else f"{duration} so far"
