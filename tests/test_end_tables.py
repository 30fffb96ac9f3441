import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fl_server.cross_scores import FILE_NAME
from fl_server.end_tables import draw_end
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow
from fl_store.sqlite import SqliteStore

CROSS = [
    {"trained_by": "*", "site": "north", "num_scans": 5, "auc": 0.9, "cpm": 0.5},
    {"trained_by": "*", "site": "south", "num_scans": 5, "auc": 0.8, "cpm": 0.5},
    {"trained_by": "north", "site": "north", "num_scans": 5, "auc": None, "cpm": None},
]


@pytest.fixture
def show(store: SqliteStore, tmp_path: Path) -> Any:
    def draw() -> list[list[str]]:
        paper = io.StringIO()
        for table in draw_end(store, "r1", tmp_path):
            Console(file=paper, width=100).print(table)
        lines = [line for line in paper.getvalue().splitlines() if "│" in line]
        return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]

    return draw


def score(round_no: int, site: str, metric: Metric, value: float, *interval: float) -> MetricRow:
    low, high = interval or (None, None)
    return MetricRow("r1", round_no, site, metric, value, 9, utc_now(), interval_low=low, interval_high=high)


def test_run_without_a_test_has_no_table(store: SqliteStore, show: Any) -> None:
    store.put([score(1, FEDERATION, Metric.AUC, 0.9)])
    assert show() == []


def test_test_shows_the_last_model_first_and_its_intervals(store: SqliteStore, show: Any) -> None:
    store.put([score(2, FEDERATION, Metric.TEST_AUC, 0.8), score(5, "north", Metric.TEST_AUC, 0.7)])
    store.put([score(5, FEDERATION, Metric.TEST_AUC, 0.9, 0.85, 0.95)])
    store.put([score(5, FEDERATION, Metric.TEST_CPM, 0.4)])
    assert show() == [
        ["5", "north", "0.700", "-", "-"],
        ["5", "all", "0.900 (0.850 to 0.950)", "0.400", "-"],
        ["2", "all", "0.800", "-", "-"],
    ]


def test_cross_site_table_has_a_line_a_model_and_a_column_a_site(tmp_path: Path, show: Any) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"round_no": 5, "scores": CROSS}))
    assert show() == [["all", "0.900", "0.800"], ["north", "-", "-"]]
