"""Gains by hand-made scores: who gained, who lost, and where nothing can be told."""

import json

import numpy as np
import pytest

from luna16.bootstrap import FEWEST_SCANS
from luna16.comparison import ALONE, CENTRAL, FEDERATED, Arm, ArmScores
from luna16.comparison_report import (
    Gain,
    Spread,
    Verdict,
    make_comparison_report,
    measure_gain,
)
from luna16.config import CourseConfig, TrainingConfig
from luna16.dataset import PatchSet, Shard
from luna16.froc import ScanMarks
from luna16.scan_scores import ScanScores

CONFIG = CourseConfig(rounds=4, training=TrainingConfig(steps=7))
EAST, NORTH = [f"e{i}" for i in range(20)], [f"n{i}" for i in range(20)]


def make_scans(uids: list[str], *, missed: int) -> list[ScanScores]:
    """Give scans with a nodule each: the first ``missed`` are not hit, and each has a false positive."""
    scans = []
    for i, uid in enumerate(uids):
        hits = np.array([] if i < missed else [2.0])
        marks = ScanMarks(hits, 1 - len(hits), np.array([1.0]))
        is_nodule = np.arange(len(hits) + 1) < len(hits)
        scans.append(ScanScores(uid, np.concatenate([hits, [1.0]]), is_nodule, marks))
    return scans


def make_shard(uids: list[str]) -> Shard:
    test = PatchSet(np.empty((0, 8, 8, 8), np.int16), (), tuple(uids), (), ())
    return Shard(test, test)


def gain_of(*, alone: list[int], federated: list[int], num_scans: int = 20) -> Gain:
    """Compare models that miss so many of the nodules, one number a seed."""
    uids = EAST[:num_scans]
    return measure_gain(
        "east",
        alone=[make_scans(uids, missed=missed) for missed in alone],
        federated=[make_scans(uids, missed=missed) for missed in federated],
    )


def test_gain_is_the_difference_of_the_mean_cpms() -> None:
    # a hit scores above every false positive, so that the sensitivity is the share of nodules hit
    gain = gain_of(alone=[12, 10], federated=[2, 4])
    assert (gain.num_scans, gain.num_nodules) == (20, 20)
    assert (gain.alone, gain.federated) == (pytest.approx(0.45), pytest.approx(0.85))
    assert gain.difference == pytest.approx(0.4)
    assert gain.interval is not None
    assert gain.interval[0] < 0.4 < gain.interval[1]


@pytest.mark.parametrize(
    ("alone", "federated", "verdict"),
    [
        ([12, 10], [2, 4], Verdict.GAINED),
        ([2, 4], [12, 10], Verdict.LOST),
        ([5, 5], [5, 5], Verdict.UNCLEAR),
        ([5, 7], [6, 5], Verdict.UNCLEAR),
    ],
)
def test_verdict_follows_from_the_interval(alone: list[int], federated: list[int], verdict: Verdict) -> None:
    assert gain_of(alone=alone, federated=federated).verdict is verdict


def test_same_model_twice_has_an_interval_of_nothing() -> None:
    assert gain_of(alone=[5, 9], federated=[5, 9]).interval == (0.0, 0.0)


def test_seeds_that_disagree_widen_the_interval() -> None:
    narrow = gain_of(alone=[10, 10], federated=[5, 5]).interval
    wide = gain_of(alone=[10, 10], federated=[0, 10]).interval
    assert narrow
    assert wide
    assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert wide[0] <= 0 < narrow[0]


def test_few_scans_have_no_interval_and_no_verdict() -> None:
    gain = gain_of(alone=[5], federated=[0], num_scans=FEWEST_SCANS - 1)
    assert (gain.interval, gain.verdict) == (None, Verdict.UNKNOWN)
    assert gain_of(alone=[5], federated=[0], num_scans=FEWEST_SCANS).interval


def test_scans_without_a_nodule_have_no_cpm() -> None:
    empty = ScanMarks(np.empty(0), 0, np.array([1.0]))
    scans = [ScanScores(uid, np.array([1.0]), np.array([False]), empty) for uid in EAST]
    gain = measure_gain("east", alone=[scans], federated=[scans])
    assert (gain.alone, gain.difference, gain.verdict) == (None, None, Verdict.UNKNOWN)


def make_scores(kind: str, site: str, missed: list[tuple[int, int]]) -> list[ArmScores]:
    """Give an arm's scores, a seed for each pair of nodules missed at east and at north."""
    return [
        ArmScores(Arm(kind, site), seed, (*make_scans(EAST, missed=east), *make_scans(NORTH, missed=north)))
        for seed, (east, north) in enumerate(missed)
    ]


SCORES = [
    *make_scores(CENTRAL, "", [(0, 0), (2, 2)]),
    *make_scores(FEDERATED, "", [(1, 1), (1, 1)]),
    *make_scores(ALONE, "east", [(2, 18), (2, 18)]),
    *make_scores(ALONE, "north", [(20, 10), (20, 12)]),
]
SHARDS = {"east": make_shard(EAST), "north": make_shard(NORTH)}


def test_report_has_every_arm_on_all_scans_and_on_those_of_each_site() -> None:
    report = make_comparison_report(SCORES, SHARDS, CONFIG)
    assert (report.num_scans, report.num_nodules, report.num_seeds) == (40, 40, 2)
    assert (report.rounds, report.steps) == (4, 7)
    central, _, east, _ = report.arms
    assert central.cpm
    assert central.cpm.values == pytest.approx((1.0, 0.9))
    assert (central.cpm.mean, central.cpm.sd) == (pytest.approx(0.95), pytest.approx(0.0707, abs=1e-4))
    assert east.cpm
    assert east.cpm.mean == pytest.approx(0.5)
    assert east.cpm_at_site["east"]
    assert east.cpm_at_site["east"].mean == pytest.approx(0.9)
    assert [(gain.site, gain.alone) for gain in report.gains] == [
        ("east", pytest.approx(0.9)),
        ("north", pytest.approx(0.45)),
    ]


def test_report_is_json_and_names_no_scan() -> None:
    text = json.dumps(make_comparison_report(SCORES, SHARDS, CONFIG).to_json(), allow_nan=False)
    assert json.loads(text)["gains"][1]["verdict"] == "gained"
    assert not any(f'"{uid}"' in text for uid in (*EAST, *NORTH))


def test_one_seed_has_no_standard_deviation() -> None:
    [central, *_] = make_comparison_report([each for each in SCORES if each.seed == 0], SHARDS, CONFIG).arms
    assert central.cpm == Spread((1.0,), 1.0, None)
    assert str(central.cpm) == "1.000"
    assert str(Spread((0.8, 0.82), 0.81, 0.0141)) == "0.810 ± 0.014"
