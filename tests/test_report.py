import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import UsageError
from fl_monitor.report import write_report
from fl_store.metrics import FEDERATION, Metric
from fl_store.rows import DataShiftRow, SiteRow, utc_now
from fl_store.run_rows import CheckpointRow, MetricRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState


@pytest.fixture
def report(store: SqliteStore, rehearsal: Any, tmp_path: Path) -> str:
    rehearsal.run = replace(rehearsal.run, config={"training": {"epochs": 2}, "name": "<b>bold</b>"})
    rehearsal.start(RunState.FINISHED)
    rehearsal.play_round(1, utc_now() - timedelta(minutes=1))
    store.put([SiteRow("north", "1", 12, 3, utc_now(), utc_now())])
    best = CheckpointRow("run-1", "best", 1, "best.safetensors", "ab" * 32, 3_600_000, 0.5, None, utc_now())
    store.put([best])
    path = tmp_path / "new" / "report.html"
    write_report(store, "run-1", path)
    return path.read_text(encoding="utf-8")


def blocks(report: str) -> dict[str, Any]:
    text = re.search(r'<script id="content" type="application/json">(.*?)</script>', report, re.DOTALL)
    return {block["name"]: block for block in json.loads(text[1])["blocks"]}


def table(report: str, name: str) -> list[list[str]]:
    lines = blocks(report)[name]["lines"]
    return [[cell if isinstance(cell, str) else cell["text"] for cell in line] for line in lines]


def test_report_needs_no_other_file(report: str) -> None:
    ours = report.replace(report.split("<script>")[1], "")
    assert not re.search(r"(src|href)=", ours)
    assert "http://" not in ours.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert "https://" not in ours
    assert report.count("plotly.js v") == 1


def test_report_lists_rounds_with_their_numbers(report: str) -> None:
    ((number, seconds, auc, *_, examples),) = table(report, "rounds")
    assert (number, seconds, examples) == ("1", "5.0", "360")
    assert re.fullmatch(r"0\.\d{3}", auc)


def test_report_lists_sites_with_their_scans(report: str) -> None:
    rows = {row[0]: row for row in table(report, "sites")}
    assert list(rows) == ["east", "north", "south"]
    assert rows["north"][1:4] == ["12", "3", "1"]
    assert rows["east"][1:3] == ["–", "–"]  # noqa: RUF001 - an en dash is meant


def test_run_without_a_test_says_so(report: str) -> None:
    assert blocks(report)["tests"]["empty"] == "No test was held: the run kept no scans for one."


def test_report_lists_the_test_of_the_last_model_and_the_best(
    store: SqliteStore, rehearsal: Any, tmp_path: Path
) -> None:
    rehearsal.start(RunState.FINISHED)
    rehearsal.play_round(1)
    now = utc_now()
    best = MetricRow(
        "run-1", 1, FEDERATION, Metric.TEST_AUC, 0.8, 9, now, interval_low=0.7, interval_high=0.9
    )
    store.put([best, MetricRow("run-1", 1, "north", Metric.TEST_CPM, 0.4, 9, now)])
    write_report(store, "run-1", tmp_path / "report.html")
    lines = table((tmp_path / "report.html").read_text(), "tests")
    dash = "\N{EN DASH}"
    assert lines == [
        ["1", "north", dash, "0.400", dash],
        ["1", "Federation", "0.800 (95 % CI 0.700 to 0.900)", dash, dash],
    ]


def test_report_names_checkpoints_by_sha256(report: str) -> None:
    ((kind, round_no, auc, cpm, size_mb, name, sha256),) = table(report, "models")
    assert (kind, round_no, name, size_mb) == ("best", "1", "best.safetensors", "3.6")
    assert (auc, cpm) == ("–", "0.500")  # noqa: RUF001 - an en dash is meant
    assert sha256 == "ab" * 32


def test_report_lists_settings_by_dotted_key_and_escapes_them(report: str) -> None:
    assert table(report, "settings") == [["training.epochs", "2"], ["name", "<b>bold</b>"]]
    assert "<b>bold" not in report


def test_unknown_run_is_told_with_the_newest(store: SqliteStore, rehearsal: Any, tmp_path: Path) -> None:
    rehearsal.start()
    with pytest.raises(UsageError, match=r"There is no run 'run-7'\. The newest runs are: run-1\."):
        write_report(store, "run-7", tmp_path / "report.html")


def test_report_that_cannot_be_written_is_told(store: SqliteStore, rehearsal: Any, tmp_path: Path) -> None:
    rehearsal.start()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"Cannot write the report .*report\.html: "):
        write_report(store, "run-1", tmp_path / "file" / "report.html")


def test_run_without_rounds_has_a_report_too(store: SqliteStore, rehearsal: Any, tmp_path: Path) -> None:
    rehearsal.start(RunState.FAILED)
    write_report(store, "run-1", tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Failed before the first round" in text


def test_report_has_the_figures_of_the_pages(report: str) -> None:
    charts = [block["name"] for block in blocks(report).values() if block["kind"] == "chart"]
    assert charts[:5] == ["auc", "cpm", "loss", "seconds", "froc"]
    assert {"diameters", "reliability", "fairness-cpm", "update-norm", "phases", "traffic"} <= {*charts}


def test_report_shows_what_sites_told_of_their_data_during_the_run(
    store: SqliteStore, rehearsal: Any, tmp_path: Path
) -> None:
    rehearsal.start()
    store.put([DataShiftRow("east", "north", "hu", 0.25, 0.125, utc_now())])
    store.put([DataShiftRow("east", "north", "vendor", 0.5, 0.125, utc_now() - timedelta(days=1))])
    rehearsal.start(RunState.FINISHED)
    write_report(store, "run-1", tmp_path / "report.html")
    names = blocks((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [name for name in names if name.startswith("shift")] == ["shift-hu"]
