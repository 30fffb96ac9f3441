import csv
import io
import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fl_server.export import make_csv, make_json
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
AUC = MetricRow("run-1", 1, "north", Metric.AUC, 0.1 + 0.2, 120, NOON)


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_number_is_one_line_under_the_names_of_the_columns() -> None:
    assert make_csv([AUC]) == (
        "run_id,round_no,site,metric,value,interval_low,interval_high,not_finite,num_examples,recorded_at\n"
        "run-1,1,north,auc,0.30000000000000004,,,,120,2026-11-22T12:00:00.000000+00:00\n"
    )


def test_run_without_a_number_has_the_names_of_the_columns_alone() -> None:
    assert make_csv([]).splitlines() == [
        "run_id,round_no,site,metric,value,interval_low,interval_high,not_finite,num_examples,recorded_at"
    ]


def test_lines_are_ordered_by_round_site_and_metric() -> None:
    rows = [
        replace(AUC, round_no=10),
        replace(AUC, round_no=2, metric=Metric.CPM),
        replace(AUC, round_no=2),
        replace(AUC, round_no=2, site=FEDERATION),
    ]
    assert [(line["round_no"], line["site"], line["metric"]) for line in read(make_csv(rows))] == [
        ("2", "*", "auc"),
        ("2", "north", "auc"),
        ("2", "north", "cpm"),
        ("10", "north", "auc"),
    ]


def test_interval_stands_beside_its_number() -> None:
    (line,) = read(make_csv([replace(AUC, interval_low=0.7, interval_high=0.9)]))
    assert (line["interval_low"], line["interval_high"]) == ("0.7", "0.9")


def test_undefined_number_is_empty() -> None:
    (line,) = read(make_csv([replace(AUC, value=None, num_examples=None)]))
    assert (line["value"], line["not_finite"], line["num_examples"]) == ("", "", "")


@pytest.mark.parametrize(
    ("was", "told"),
    [(NotFinite.NAN, "nan"), (NotFinite.INFINITE, "inf"), (NotFinite.MINUS_INFINITE, "'-inf")],
)
def test_number_that_was_not_finite_is_empty_and_says_so(was: NotFinite, told: str) -> None:
    (line,) = read(make_csv([replace(AUC, value=None, not_finite=was)]))
    assert (line["value"], line["not_finite"]) == ("", told)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)"])
def test_text_that_a_spreadsheet_would_run_begins_with_an_apostrophe(text: str) -> None:
    (line,) = read(make_csv([replace(AUC, site=text)]))
    assert line["site"] == f"'{text}"


def test_negative_number_stays_a_number() -> None:
    (line,) = read(make_csv([replace(AUC, value=-1.5e-7)]))
    assert line["value"] == "-1.5e-07"


def test_text_with_separators_stays_one_cell() -> None:
    (line,) = read(make_csv([replace(AUC, run_id='a,"b"\nc')]))
    assert line["run_id"] == 'a,"b"\nc'


def test_csv_holds_every_number_of_a_run(rehearsal: Any) -> None:
    rows = rehearsal.metrics(1, "north", utc_now())
    assert {line["metric"]: float(line["value"]) for line in read(make_csv(rows))} == {
        str(row.metric): row.value for row in rows
    }


def test_json_is_read_back_as_it_was() -> None:
    document = {"auc": 0.1 + 0.2, "cpm": None, "name": "käse"}
    assert json.loads(make_json(document)) == document


def test_json_never_holds_a_number_that_json_lacks() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        make_json({"auc": math.nan})
