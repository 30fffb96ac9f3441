"""A run as one JSON document, made from its rows."""

from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from typing import Any

from fl_store.base import Store
from fl_store.rows import FEDERATION, MetricRow, RoundRow, RunRow, SiteRoundRow


def make_history(store: Store, run_id: str) -> dict[str, Any]:
    """Return what is known of a run: its settings, and for each round the numbers of all and of each site.

    Times are ISO 8601 in UTC; a number that is undefined is null.
    """
    (run,) = store.get(RunRow, run_id=run_id)
    numbers: dict[tuple[int, str], dict[str, float | None]] = defaultdict(dict)
    for metric in store.get(MetricRow, run_id=run_id):
        numbers[metric.round_no, metric.site][str(metric.metric)] = metric.value
    site_rounds = store.get(SiteRoundRow, run_id=run_id)
    rounds = [
        {
            **_plain(row),
            "federation": numbers[row.round_no, FEDERATION],
            "sites": {
                part.site: {**_plain(part), "metrics": numbers[row.round_no, part.site]}
                for part in site_rounds
                if part.round_no == row.round_no
            },
        }
        for row in store.get(RoundRow, run_id=run_id)
    ]
    return {**_plain(run), "rounds": rounds}


def _plain(row: RunRow | RoundRow | SiteRoundRow) -> dict[str, Any]:
    """Return the row's fields as JSON can hold them."""
    fields = asdict(row).items()
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields}
