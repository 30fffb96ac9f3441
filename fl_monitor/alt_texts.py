"""Charts in words, for those who cannot see them."""

from collections.abc import Mapping, Sequence

from fl_monitor.figures.style import in_order, label_of, sites_of
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.summary import federation_metrics
from fl_monitor.wording import number_text, rate_of
from fl_store.metrics import SENSITIVITIES, Metric


def describe_metric(rows: RunRows, ranks: Mapping[str, int], metric: Metric, title: str) -> str:
    """Say where a metric stands: of the federation, then of each site by name."""
    known = {
        row.site: _("{site} {value} in round {round_no}").format(
            site=label_of(row.site), value=number_text(row.value), round_no=row.round_no
        )
        for row in rows.metrics
        if row.metric is metric and row.value is not None
    }
    *sites, federation = in_order({*sites_of(rows), "*"}, ranks)
    parts = [known[site] for site in (federation, *sites) if site in known]
    return _("{title} by round: {parts}.").format(title=title, parts=joined(parts))


def describe_seconds(rows: RunRows, ranks: Mapping[str, int]) -> str:
    """Say how long each site trained in the newest round."""
    current = rows.rounds[-1].round_no if rows.rounds else None
    parts = [
        _("{site} trained {seconds} s").format(site=row.site, seconds=number_text(row.train_s, digits=1))
        for row in rows.site_rounds
        if row.round_no == current and row.train_s is not None and row.site in ranks
    ]
    return _("Seconds per site and round: {parts}.").format(parts=joined(parts))


def describe_froc(rows: RunRows, round_no: int | None, metrics: Sequence[Metric] = SENSITIVITIES) -> str:
    """Say the federation's sensitivity at each rate, after a round."""
    found = federation_metrics(rows, round_no)
    parts = [
        _("{value} at {rate}").format(value=number_text(found[metric].value), rate=f"{rate_of(metric):g}")
        for metric in metrics
        if metric in found
    ]
    return _("Sensitivity of the federation by false positives per scan: {parts}.").format(
        parts=joined(parts)
    )


def joined(parts: list[str]) -> str:
    """Join what is known, or say that nothing is."""
    return "; ".join(parts) or _("no value yet")
