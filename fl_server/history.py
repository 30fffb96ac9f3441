"""A run as one JSON document, made from its rows."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

from fl_store.base import Store
from fl_store.metrics import FEDERATION
from fl_store.run_rows import MetricRow, RoundRow, RunRow, SiteRoundRow
from fl_store.wire import to_json

PartT = TypeVar("PartT", MetricRow, SiteRoundRow)


def make_history(store: Store, run_id: str) -> dict[str, Any]:
    """Return what is known of a run: its settings, and for each round the numbers of all and of each site.

    Times are ISO 8601 in UTC. A number that is undefined is null, and so is one that came out as NaN or
    infinite; such a one is named in ``not_finite`` of its round. ``intervals`` are 95 % intervals.
    """
    (run,) = store.get(RunRow, run_id=run_id)
    metrics = _group_by_round(store.get(MetricRow, run_id=run_id))
    site_rounds = _group_by_round(store.get(SiteRoundRow, run_id=run_id))
    rounds = [
        {**to_json(row), **_describe_round(site_rounds[row.round_no], metrics[row.round_no])}
        for row in store.get(RoundRow, run_id=run_id)
    ]
    return {**to_json(run), "rounds": rounds}


def _group_by_round(rows: Iterable[PartT]) -> dict[int, list[PartT]]:
    groups: dict[int, list[PartT]] = defaultdict(list)
    for row in rows:
        groups[row.round_no].append(row)
    return groups


def _describe_round(site_rounds: list[SiteRoundRow], metrics: list[MetricRow]) -> dict[str, Any]:
    numbers: dict[str, dict[str, float | None]] = defaultdict(dict)
    for row in metrics:
        numbers[row.site][str(row.metric)] = row.value
    return {
        "federation": numbers[FEDERATION],
        "sites": {part.site: {**to_json(part), "metrics": numbers[part.site]} for part in site_rounds},
        "intervals": [
            {"site": row.site, "metric": str(row.metric), "low": row.interval_low, "high": row.interval_high}
            for row in metrics
            if row.interval_low is not None
        ],
        "not_finite": [
            {"site": row.site, "metric": str(row.metric), "was": str(row.not_finite)}
            for row in metrics
            if row.not_finite
        ],
    }
