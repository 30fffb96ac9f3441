"""The blocks of the report of one run: the figures of the pages, and tables of all its numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fl_monitor.blocks import Block, Cell, Column, KeyFigures, Legend, Table
from fl_monitor.figures.by_diameter import diameter_chart
from fl_monitor.figures.calibration import calibration_error_chart, reliability_chart
from fl_monitor.figures.contribution import contribution_chart
from fl_monitor.figures.data_cards import card_charts
from fl_monitor.figures.drift import drift_charts
from fl_monitor.figures.fairness import fairness_chart
from fl_monitor.figures.froc import froc_by_round
from fl_monitor.figures.progress import make_progress_charts
from fl_monitor.figures.rounds import phases_chart
from fl_monitor.figures.shift import shift_charts
from fl_monitor.figures.style import label_of
from fl_monitor.figures.traffic import traffic_chart
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows, rank_sites
from fl_monitor.summary import federation_metrics, key_figures, seconds_of
from fl_monitor.wording import DASH, count_text, interval_text, number_text
from fl_store.metrics import TEST_METRICS, Metric
from fl_store.rows import DataCardRow, DataShiftRow, SiteRow
from fl_store.run_rows import CheckpointRow, MetricRow, RoundRow, RunRow
from fl_store.words import SiteRoundState

Line = tuple[Cell | str, ...]


@dataclass(frozen=True)
class ReportRows:
    """What a report is made of; cards and shifts count only if they were told during the run."""

    run: RunRows
    checkpoints: tuple[CheckpointRow, ...] = ()
    sites: tuple[SiteRow, ...] = ()
    cards: tuple[DataCardRow, ...] = ()
    shifts: tuple[DataShiftRow, ...] = ()


def list_blocks(rows: ReportRows) -> list[Block]:
    """Return the blocks of a report in their order."""
    run, ranks = rows.run, rank_sites(rows.run, sites=rows.sites)
    blocks: list[Block] = [
        KeyFigures("figures", _("Key figures"), figures=key_figures(run)),
    ]
    if run.rounds:
        blocks += [
            Legend("legend", _("Sites shown on the charts")),
            *make_progress_charts(run, ranks),
            froc_by_round(run, ranks),
            traffic_chart(run, ranks),
            diameter_chart(run, ranks),
            reliability_chart(run, ranks),
            calibration_error_chart(run, ranks),
            *(fairness_chart(run, ranks, metric) for metric in (Metric.AUC, Metric.CPM)),
            *drift_charts(run, ranks),
            contribution_chart(run, ranks),
            phases_chart(run, ranks),
        ]
    blocks += shift_charts([row for row in rows.shifts if _is_of_run(row.recorded_at, run.run)], ranks)
    blocks += card_charts([row for row in rows.cards if _is_of_run(row.received_at, run.run)], ranks)
    tables = [rounds_table(run), _sites_table(rows), _models_table(rows), _test_table(run)]
    return [*blocks, *tables, settings_table(run)]


def _is_of_run(at: datetime, run: RunRow) -> bool:
    return run.started_at <= at and (run.ended_at is None or at <= run.ended_at)


def rounds_table(rows: RunRows) -> Table:
    """List the numbers of the federation in each round."""
    titles = (
        _("Time (s)"),
        _("AUC"),
        _("CPM"),
        _("Validation loss"),
        _("Training loss"),
        _("Training examples"),
    )
    return Table(
        "rounds",
        _("Rounds"),
        columns=(Column(_("Round")), *(Column(title, is_number=True) for title in titles)),
        lines=tuple(_round_line(rows, row) for row in rows.rounds),
        empty=_("No round yet."),
    )


def _round_line(rows: RunRows, row: RoundRow) -> Line:
    found = federation_metrics(rows, row.round_no)
    trained = found.get(Metric.TRAIN_LOSS)
    return (
        str(row.round_no),
        number_text(seconds_of(row), digits=1),
        *(value_text(found, metric) for metric in _ROUND_METRICS),
        count_text(trained.num_examples if trained else None),
    )


_ROUND_METRICS = (Metric.AUC, Metric.CPM, Metric.VALIDATION_LOSS, Metric.TRAIN_LOSS)


def value_text(found: Mapping[Metric, MetricRow], metric: Metric) -> str:
    """Write one of some numbers, or a dash."""
    return number_text(found[metric].value if metric in found else None)


def _sites_table(rows: ReportRows) -> Table:
    titles = (
        _("Training scans"),
        _("Validation scans"),
        _("Rounds done"),
        _("Last AUC"),
        _("Last CPM"),
        _("Training time (s)"),
        _("Received (MB)"),
        _("Sent (MB)"),
    )
    known = {row.site: row for row in rows.sites}
    taking_part = {row.site for row in rows.run.site_rounds}
    return Table(
        "sites",
        _("Sites"),
        columns=(Column(_("Site")), *(Column(title, is_number=True) for title in titles)),
        lines=tuple(_site_line(site, rows.run, known.get(site)) for site in sorted(taking_part)),
        empty=_("No site has taken part."),
    )


def _site_line(site: str, rows: RunRows, known: SiteRow | None) -> Line:
    done = [row for row in rows.site_rounds if row.site == site]
    last = {row.metric: row for row in rows.metrics if row.site == site}
    return (
        Cell(site, site=site),
        count_text(known.num_train_scans if known else None),
        count_text(known.num_validation_scans if known else None),
        count_text(sum(row.state is SiteRoundState.DONE for row in done)),
        value_text(last, Metric.AUC),
        value_text(last, Metric.CPM),
        number_text(sum(row.train_s or 0.0 for row in done), digits=1),
        number_text(sum(row.bytes_down for row in done) / 1e6, digits=1),
        number_text(sum(row.bytes_up for row in done) / 1e6, digits=1),
    )


def _models_table(rows: ReportRows) -> Table:
    columns = (
        Column(_("Model")),
        Column(_("Round"), is_number=True),
        Column(_("AUC"), is_number=True),
        Column(_("CPM"), is_number=True),
        Column(_("Size (MB)"), is_number=True),
        Column(_("File")),
        Column("sha256"),
    )
    return Table(
        "models",
        _("Models"),
        columns=columns,
        lines=tuple(
            (
                row.kind,
                str(row.round_no),
                number_text(row.auc),
                number_text(row.cpm),
                number_text(row.num_bytes / 1e6, digits=1),
                row.file_name,
                row.sha256,
            )
            for row in rows.checkpoints
        ),
        empty=_("No model has been kept yet."),
    )


def _test_table(rows: RunRows) -> Table:
    """List what the last and the best model are worth on the scans kept for the test."""
    found: dict[tuple[int, str], dict[Metric, MetricRow]] = {}
    for row in rows.metrics:
        if row.metric in TEST_METRICS.values():
            found.setdefault((row.round_no, row.site), {})[row.metric] = row
    titles = (_("ROC AUC on test scans"), _("CPM on test scans"), _("loss on test scans"))
    return Table(
        "tests",
        _("Test at the end"),
        columns=(
            Column(_("Model of round"), is_number=True),
            Column(_("Site")),
            *(Column(title, is_number=True) for title in titles),
        ),
        lines=tuple(
            (str(round_no), label_of(site), *(_test_text(of_model, metric) for metric in _SHOWN_OF_TEST))
            for (round_no, site), of_model in sorted(found.items(), reverse=True)
        ),
        empty=_("No test was held: the run kept no scans for one."),
        note=_("The last model and the best, each once, on scans that no round has seen."),
    )


_SHOWN_OF_TEST = (Metric.TEST_AUC, Metric.TEST_CPM, Metric.TEST_LOSS)


def _test_text(found: Mapping[Metric, MetricRow], metric: Metric) -> str:
    """Write a score with its interval, if it has one."""
    interval = interval_text(found.get(metric))
    return f"{value_text(found, metric)} ({interval})" if interval else value_text(found, metric)


def settings_table(rows: RunRows) -> Table:
    """List the run's configuration."""
    return Table(
        "settings",
        _("Settings"),
        columns=(Column(_("Key")), Column(_("Value"))),
        lines=tuple(_setting_lines(rows.run.config)),
        empty=_("None."),
    )


def _setting_lines(config: Mapping[str, Any], prefix: str = "") -> Iterator[Line]:
    """Write nested settings as dotted keys, as in the configuration's own error messages."""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _setting_lines(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", DASH if value is None else str(value)
