"""The numbers of runs as files for other programs: CSV for spreadsheets, JSON for scripts."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from fl_monitor.snapshot import RunRows
from fl_store.metrics import Metric
from fl_store.run_rows import MetricRow

METRIC_COLUMNS = (
    "round_no",
    "site",
    "metric",
    "value",
    "num_examples",
    "interval_low",
    "interval_high",
    "not_finite",
)
CSV_COLUMNS = ("run_id", "run_name", *METRIC_COLUMNS)
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A spreadsheet runs a text that begins so (OWASP, CSV injection)."""
LONGEST_NAME = 120


def make_csv(runs: Sequence[RunRows]) -> str:
    """Return all metrics of runs, one line a number, ordered by round, site and metric.

    The site ``*`` is the whole federation, ``~1`` another hospital that may not be named. A number that is
    undefined is empty; one that came out as NaN or infinite is empty too and says which in ``not_finite``.
    An interval is a 95 % interval.
    """
    paper = io.StringIO(newline="")
    lines = csv.DictWriter(paper, CSV_COLUMNS)  # its \r\n has a name with a bare \r put in quotes too
    lines.writeheader()
    for rows in runs:
        about = {"run_id": rows.run.run_id, "run_name": rows.run.name}
        for number in _list_numbers(rows):
            lines.writerow({name: make_harmless(cell) for name, cell in (about | number).items()})
    return paper.getvalue()


def make_json(runs: Sequence[RunRows], now: datetime) -> str:
    """Return the same numbers by run, with the state and times of each."""
    document = {"exported_at": now.isoformat(), "runs": [_describe(rows) for rows in runs]}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def make_harmless(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run; numbers stay numbers."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell


def name_export(runs: Sequence[RunRows], ending: str) -> str:
    """Return the name of a file about runs."""
    ids = "-".join(rows.run.run_id for rows in runs)
    return f"fedluna-{ids[:LONGEST_NAME]}.{ending}"


def _describe(rows: RunRows) -> dict[str, Any]:
    run = rows.run
    return {
        "run_id": run.run_id,
        "name": run.name,
        "state": run.state,
        "num_rounds": run.num_rounds,
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "reason": run.reason,
        "metrics": list(_list_numbers(rows)),
    }


def _list_numbers(rows: RunRows) -> Iterator[dict[str, Any]]:
    places = {metric: place for place, metric in enumerate(Metric)}

    def place_of(row: MetricRow) -> tuple[int, str, int]:
        return row.round_no, row.site, places[row.metric]

    for row in sorted(rows.metrics, key=place_of):
        yield {name: getattr(row, name) for name in METRIC_COLUMNS}
