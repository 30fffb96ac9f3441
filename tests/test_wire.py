import json
import math
from dataclasses import replace
from datetime import datetime

import pytest

from fl_core.errors import RowRefusedError
from fl_store.rows import Row
from fl_store.run_rows import MetricRow, RunRow
from fl_store.wire import from_json, to_json
from tests.store_contract import EVERY_KIND, METRIC, RUN, SITE_ROUND


@pytest.mark.parametrize("row", EVERY_KIND, ids=lambda row: type(row).__name__)
def test_row_survives_json(row: Row) -> None:
    assert from_json(type(row), json.loads(json.dumps(to_json(row), allow_nan=False))) == row


def test_times_are_iso_8601_in_utc_and_words_are_texts() -> None:
    values = to_json(METRIC)
    assert values["recorded_at"] == "2026-03-29T12:00:00.123456+00:00"
    assert values["metric"] == "auc"


def test_whole_number_of_json_becomes_a_float() -> None:
    row = from_json(MetricRow, to_json(METRIC) | {"value": 1})
    assert isinstance(row.value, float)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(SITE_ROUND, train_s=math.nan), "Table site_rounds, column train_s: number is nan"),
        (replace(SITE_ROUND, train_sent_at=None), "Table site_rounds: train_sent_at is missing"),
        (replace(METRIC, recorded_at=datetime(2026, 1, 1)), "has no time zone"),  # noqa: DTZ001 - to be refused
        (replace(METRIC, metric="f1"), "'f1' is not a valid Metric"),
        (replace(RUN, config={"lr": math.inf}), "column config: Out of range float values"),
    ],
)
def test_value_that_no_column_holds_is_told_with_its_place(row: Row, words: str) -> None:
    with pytest.raises(RowRefusedError, match=words):
        to_json(row)


def test_word_that_we_do_not_know_is_no_row() -> None:
    with pytest.raises(ValueError, match="dreaming"):
        from_json(RunRow, to_json(RUN) | {"state": "dreaming"})
