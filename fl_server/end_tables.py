"""What a run comes to at its end, for the terminal: the test of its models, and the cross-site table."""

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.table import Table

from fl_server.cross_scores import CrossScore, read_cross_scores
from fl_server.progress_table import format_number
from fl_store.base import Store
from fl_store.metrics import FEDERATION, Metric
from fl_store.run_rows import MetricRow


def draw_end(store: Store, run_id: str, folder: Path) -> list[Table]:
    """Draw those of the tables that a run has."""
    tables = draw_test(store.get(MetricRow, run_id=run_id)), draw_cross_site(read_cross_scores(folder))
    return [table for table in tables if table]


def draw_test(metrics: Collection[MetricRow]) -> Table | None:
    """Draw what the last and the best model are worth on test scans; None if no test was held."""
    rows = {(row.round_no, row.site, row.metric): row for row in metrics}
    tested = sorted({key[:2] for key in rows if key[2] is Metric.TEST_AUC}, reverse=True)
    if not tested:
        return None
    table = Table(title="Test scans: the last model and the best", title_justify="left")
    table.add_column("model of round", justify="right")
    table.add_column("site")
    for title in ("AUC", "CPM", "loss"):
        table.add_column(title, justify="right")
    for round_no, site in tested:
        shown = (Metric.TEST_AUC, Metric.TEST_CPM, Metric.TEST_LOSS)
        values = [_describe(rows.get((round_no, site, metric))) for metric in shown]
        table.add_row(str(round_no), _name(site), *values)
    return table


def draw_cross_site(scores: Sequence[CrossScore]) -> Table | None:
    """Draw the AUC of each model (a line) on each site's scans (a column); None without a score."""
    if not scores:
        return None
    found = {(score.trained_by, score.site): score.auc for score in scores}
    sites = sorted({score.site for score in scores})
    table = Table(title="Cross-site table: AUC on the scans of", title_justify="left")
    table.add_column("model of")
    for site in sites:
        table.add_column(site, justify="right")
    for trained_by in dict.fromkeys(score.trained_by for score in scores):
        table.add_row(_name(trained_by), *(format_number(found.get((trained_by, site))) for site in sites))
    return table


def _describe(row: MetricRow | None) -> str:
    """Write a score, with its 95 % interval if it has one."""
    if row is None or row.interval_low is None or row.interval_high is None:
        return format_number(row.value if row else None)
    return f"{format_number(row.value)} ({row.interval_low:.3f} to {row.interval_high:.3f})"


def _name(site: str) -> str:
    return "all" if site == FEDERATION else site
