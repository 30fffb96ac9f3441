import json
from pathlib import Path

import pytest

from fl_server.model_facts import ModelFacts, read_facts
from fl_store.metrics import CPMS_BY_DIAMETER, FEDERATION, Metric
from fl_store.rows import utc_now
from fl_store.run_rows import MetricRow, SiteRoundRow
from fl_store.words import SiteRoundState
from tests.conftest import Rehearsal
from tests.exported_run import SITES, play_run, tell_of_site


@pytest.fixture
def model_path(rehearsal: Rehearsal, tmp_path: Path) -> Path:
    play_run(rehearsal, tmp_path)
    return tmp_path / "runs" / "run-1" / "best.safetensors"


def facts_of(rehearsal: Rehearsal, model_path: Path) -> ModelFacts:
    return read_facts(rehearsal.store, rehearsal.run, model_path)


def test_counts_are_the_sums_over_the_sites(rehearsal: Rehearsal, model_path: Path) -> None:
    facts = facts_of(rehearsal, model_path)
    assert (facts.num_sites, facts.num_train_scans, facts.num_validation_scans, facts.num_nodules) == (
        3,
        60,
        24,
        90,
    )


def test_sum_of_fewer_than_five_scans_is_withheld(rehearsal: Rehearsal, model_path: Path) -> None:
    for site, num_scans in zip(SITES, (1, 2, 1), strict=True):
        tell_of_site(rehearsal, site, num_validation_scans=num_scans)
    assert facts_of(rehearsal, model_path).num_validation_scans is None


def test_nodules_are_withheld_if_one_site_withholds_its_own(rehearsal: Rehearsal, model_path: Path) -> None:
    tell_of_site(rehearsal, SITES[0], num_nodules=None)
    assert facts_of(rehearsal, model_path).num_nodules is None


def test_site_that_only_came_after_the_models_round_does_not_count(
    rehearsal: Rehearsal, model_path: Path
) -> None:
    tell_of_site(rehearsal, "western-clinic")
    late = SiteRoundRow("run-1", 3, "western-clinic", SiteRoundState.DONE, utc_now())
    rehearsal.store.put([late])
    assert facts_of(rehearsal, model_path).num_sites == 3


def test_metrics_are_those_of_the_models_round_and_of_all_sites(
    rehearsal: Rehearsal, model_path: Path
) -> None:
    metrics = facts_of(rehearsal, model_path).metrics
    assert {(row.site, row.round_no) for row in metrics} == {(FEDERATION, 2)}
    assert metrics[0].metric is Metric.AUC


def test_bands_of_diameters_are_left_out_together_if_one_has_few_nodules(
    rehearsal: Rehearsal, model_path: Path
) -> None:
    few = MetricRow("run-1", 2, FEDERATION, Metric.CPM_FROM_15_MM, 0.5, 4, utc_now())
    rehearsal.store.put([few])
    told = {row.metric for row in facts_of(rehearsal, model_path).metrics}
    assert told.isdisjoint(CPMS_BY_DIAMETER)
    assert Metric.CPM in told


def test_score_of_few_nodules_is_left_out(rehearsal: Rehearsal, model_path: Path) -> None:
    rehearsal.store.put([MetricRow("run-1", 2, FEDERATION, Metric.CPM, 0.5, 4, utc_now())])
    assert Metric.CPM not in {row.metric for row in facts_of(rehearsal, model_path).metrics}


def test_json_of_another_run_is_refused(rehearsal: Rehearsal, model_path: Path) -> None:
    path = model_path.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "run_id": "run-2"}))
    with pytest.raises(ValueError, match=r"^best\.json is not the JSON of a model of run run-1\.$"):
        facts_of(rehearsal, model_path)


def test_key_that_is_not_known_is_not_told(rehearsal: Rehearsal, model_path: Path) -> None:
    path = model_path.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "sites": list(SITES)}))
    assert SITES[0] not in json.dumps(facts_of(rehearsal, model_path).describe())
