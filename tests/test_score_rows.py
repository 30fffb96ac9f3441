from dataclasses import replace

import pytest

from fl_server.score_rows import ScoreRows
from fl_server.score_sheet import ScoreSheet
from fl_store.metrics import TEST_METRICS, Curve, Metric
from fl_store.run_rows import CurveRow, MetricRow
from luna16.counts import EvalCounts
from tests.fake_grid import FakeSite, evaluation_of

ROWS = ScoreRows("r1", round_no=3)


def curves_of(counts: EvalCounts) -> list[CurveRow]:
    rows = ROWS.list_scores("north", ScoreSheet.pool([evaluation_of(counts)]))
    return [row for row in rows if isinstance(row, CurveRow)]


def test_reliability_is_lists_of_one_length() -> None:
    """Logits 1 and 2 of nodules and -1 and -2 of others are 0.73, 0.88, 0.27 and 0.12."""
    (row,) = curves_of(FakeSite("north").counts)
    assert (row.run_id, row.round_no, row.site, row.curve) == ("r1", 3, "north", Curve.RELIABILITY)
    assert row.points.keys() == {"mean_probability", "share_positive", "num_examples"}
    assert row.points["mean_probability"] == pytest.approx([0.119, 0.269, 0.731, 0.881], abs=0.002)
    assert row.points["share_positive"] == [0, 0, 1, 1]
    assert row.points["num_examples"] == [1, 1, 1, 1]


def test_curve_that_is_undefined_has_no_row() -> None:
    assert curves_of(EvalCounts.zero()) == []


def test_every_score_has_a_row_of_the_round() -> None:
    north = FakeSite("north")
    sheet = ScoreSheet.pool([replace(evaluation_of(north.counts), detection=north.detection)])
    rows = [row for row in ROWS.list_scores("*", sheet) if isinstance(row, MetricRow)]
    assert {row.metric for row in rows} == set(Metric) - {
        Metric.TRAIN_LOSS,
        Metric.LOSS_CHANGE_WITHOUT,
        *TEST_METRICS.values(),
    }
    assert {(row.run_id, row.round_no, row.site) for row in rows} == {("r1", 3, "*")}


def test_scores_of_test_scans_have_names_of_their_own() -> None:
    sheet = ScoreSheet.pool([evaluation_of(FakeSite("north").counts)])
    rows = {row.metric: row for row in ROWS.list_test_scores("north", sheet)}
    assert rows.keys() == set(TEST_METRICS.values())
    assert (rows[Metric.TEST_AUC].value, rows[Metric.TEST_CPM].num_examples) == (sheet.score.auc, 2)
