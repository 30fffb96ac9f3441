"""Charts in words, for those who cannot see them."""

from fl_monitor.snapshot import RunRows, rank_sites
from fl_monitor.summary import federation_metrics, last_finished_round
from fl_monitor.wording import number_text
from fl_store.rows import FEDERATION, SENSITIVITIES, Metric


def describe_metric(rows: RunRows, metric: Metric, title: str) -> str:
    """Say where a metric stands: of the federation, then of each site by name."""
    known = {
        row.site: f"{label_of(row.site)} {number_text(row.value)} in round {row.round_no}"
        for row in rows.metrics
        if row.metric is metric and row.value is not None
    }
    parts = [known[site] for site in (FEDERATION, *rank_sites(rows)) if site in known]
    return f"{title} by round: {_joined(parts)}."


def describe_seconds(rows: RunRows) -> str:
    """Say how long each site trained in the newest round."""
    current = rows.rounds[-1].round_no if rows.rounds else None
    parts = [
        f"{row.site} trained {number_text(row.train_s, digits=1)} s"
        for row in rows.site_rounds
        if row.round_no == current and row.train_s is not None
    ]
    return f"Seconds per site and round: {_joined(parts)}."


def describe_froc(rows: RunRows) -> str:
    """Say the federation's sensitivity at each rate, after the last finished round."""
    found = federation_metrics(rows, last_finished_round(rows))
    parts = [
        f"{number_text(found[metric].value)} at {rate_of(metric):g}"
        for metric in SENSITIVITIES
        if metric in found
    ]
    return f"Sensitivity of the federation by false positives per scan: {_joined(parts)}."


def label_of(site: str) -> str:
    """Return what a site is called on a chart."""
    return "Federation" if site == FEDERATION else site


def rate_of(metric: Metric) -> float:
    """Return the false positives per scan at which a sensitivity was taken."""
    return float(metric.removeprefix("sensitivity_at_"))


def _joined(parts: list[str]) -> str:
    return "; ".join(parts) or "no value yet"
