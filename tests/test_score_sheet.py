"""The scores of several sites together, each with what it is of and how sure it is."""

from dataclasses import replace

import numpy as np
import pytest

from fl_server.score_sheet import ScoredMetric, ScoreSheet
from fl_store.metrics import CPMS_BY_DIAMETER, NOT_OF_EVERY_ROUND, Metric
from luna16.bootstrap import NO_INTERVALS
from luna16.counts import score
from luna16.detection.counts import DetectionCounts
from tests.fake_grid import FakeSite, evaluation_of

NORTH = FakeSite("north", num_scans=6).counts
SOUTH = FakeSite("south", num_scans=4, logits_of_nodules=(-1.5, 3.0)).counts


def metrics_of(sheet: ScoreSheet) -> dict[Metric, ScoredMetric]:
    return {scored.metric: scored for scored in sheet.list_metrics()}


def test_counts_of_sites_add_up() -> None:
    sheet = ScoreSheet.pool([evaluation_of(NORTH), evaluation_of(SOUTH)])
    assert (sheet.counts.num_scans, sheet.counts.num_nodules) == (10, 4)
    assert sheet.bands.num_nodules.tolist() == [0, 0, 4, 0]
    assert sheet.score == score(NORTH + SOUTH)


def test_every_score_is_listed_once_with_what_it_is_of() -> None:
    listed = list(ScoreSheet.pool([evaluation_of(NORTH)]).list_metrics())
    assert len({scored.metric for scored in listed}) == len(listed)
    assert len(listed) == len(Metric) - 1 - len(NOT_OF_EVERY_ROUND)
    found = metrics_of(ScoreSheet.pool([evaluation_of(NORTH)]))
    assert found[Metric.AUC].num_examples == 4
    assert found[Metric.SENSITIVITY_AT_1].num_examples == 2


def test_cpm_of_a_band_is_of_its_nodules_and_none_without() -> None:
    found = metrics_of(ScoreSheet.pool([evaluation_of(NORTH)]))
    bands = [(found[metric].value, found[metric].num_examples) for metric in CPMS_BY_DIAMETER]
    assert bands == [(None, 0), (None, 0), (score(NORTH).cpm, 2), (None, 0)]


def test_replicates_of_all_sites_give_intervals() -> None:
    replies = [evaluation_of(counts, with_replicates=True) for counts in (NORTH, SOUTH)]
    found = metrics_of(ScoreSheet.pool(replies))
    pooled = score(NORTH + SOUTH)
    low, high = found[Metric.AUC].interval or (np.nan, np.nan)
    assert low == high == pytest.approx(pooled.auc, abs=0.01)  # every replicate is the same
    assert found[Metric.SENSITIVITY_AT_8].interval
    assert found[Metric.VALIDATION_LOSS].interval is None


def test_site_without_replicates_leaves_no_intervals() -> None:
    replies = [evaluation_of(NORTH, with_replicates=True), evaluation_of(SOUTH)]
    assert ScoreSheet.pool(replies).intervals == NO_INTERVALS


def test_too_few_scans_have_no_intervals() -> None:
    assert ScoreSheet.pool([evaluation_of(NORTH, with_replicates=True)]).intervals == NO_INTERVALS


def test_whole_scans_are_scored_if_every_site_told_of_them() -> None:
    detection = DetectionCounts(NORTH, num_candidates=900, num_nodules_proposed=1)
    told = replace(evaluation_of(NORTH), detection=detection)
    found = metrics_of(ScoreSheet.pool([told]))
    assert found[Metric.DETECTION_CPM].value == score(NORTH).cpm
    assert found[Metric.DETECTION_SENSITIVITY_AT_8].num_examples == NORTH.num_nodules == 2
    assert found[Metric.CANDIDATE_SENSITIVITY].value == 0.5
    per_scan = found[Metric.CANDIDATES_PER_SCAN]
    assert (per_scan.value, per_scan.num_examples) == (150, 6)
    assert not set(metrics_of(ScoreSheet.pool([told, evaluation_of(SOUTH)]))) & set(NOT_OF_EVERY_ROUND)


def test_no_site_has_no_scores() -> None:
    assert {scored.value for scored in ScoreSheet.pool([]).list_metrics()} == {None}
