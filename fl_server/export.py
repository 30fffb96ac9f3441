"""Runs as text for other programs: metrics as CSV, a history and a list of runs as JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from fl_store.metrics import Metric
from fl_store.run_rows import MetricRow, SiteRoundRow
from fl_store.wire import to_json

CSV_COLUMNS = (
    "run_id",
    "round_no",
    "site",
    "metric",
    "value",
    "interval_low",
    "interval_high",
    "not_finite",
    "num_examples",
    "recorded_at",
)
TIMING_COLUMNS = (
    "run_id",
    "round_no",
    "site",
    "state",
    "train_sent_at",
    "train_began_at",
    "train_received_at",
    "evaluate_sent_at",
    "evaluate_began_at",
    "evaluate_received_at",
    "train_s",
    "evaluate_s",
    "bytes_down",
    "bytes_up",
    "num_examples",
    "reason",
)
FORMULA_SIGNS = ("=", "+", "-", "@")


def make_csv(metrics: Iterable[MetricRow]) -> str:
    """Return the metrics as CSV, one line a number, ordered by round, site and metric.

    The site ``*`` is the whole federation. A number that is undefined is empty; one that came out as NaN
    or infinite is empty too and says which in ``not_finite``. An interval is a 95 % interval.
    """
    places = {metric: place for place, metric in enumerate(Metric)}
    in_order = sorted(metrics, key=lambda row: (row.round_no, row.site, places[row.metric]))
    # All times have six decimals: programs that read CSV take the first line's form for all.
    return _write_csv(
        CSV_COLUMNS,
        (
            {**to_json(row), "recorded_at": row.recorded_at.isoformat(timespec="microseconds")}
            for row in in_order
        ),
    )


def make_timings_csv(parts: Iterable[SiteRoundRow]) -> str:
    """Return when each site did its part of each round, and how long it took, as CSV."""
    return _write_csv(TIMING_COLUMNS, map(to_json, parts))


def _write_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    paper = io.StringIO()
    lines = csv.DictWriter(paper, columns, lineterminator="\n", extrasaction="ignore")
    lines.writeheader()
    for row in rows:
        lines.writerow({name: _make_harmless(cell) for name, cell in row.items()})
    return paper.getvalue()


def make_json(document: Any) -> str:
    """Return a document as JSON text; NaN and infinity, which JSON lacks, are a ValueError."""
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _make_harmless(cell: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would run as a formula; numbers stay as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell
