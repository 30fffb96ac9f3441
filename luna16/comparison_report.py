"""What a comparison comes to: the scores of each arm over the seeds, and what each site gained."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from luna16.bootstrap import FEWEST_SCANS, Interval, count_replicates, score_replicates
from luna16.comparison import ALONE, FEDERATED, Arm, ArmScores
from luna16.config import CourseConfig
from luna16.counts import Score
from luna16.dataset import Shard
from luna16.scan_scores import ScanScores, score_exactly

BOOTSTRAP_SEED = 0
CONFIDENCE_TAILS = (0.025, 0.975)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """A score over the seeds: each value, their mean, and their standard deviation unless it is one seed."""

    values: tuple[float, ...]
    mean: float
    sd: float | None

    def __str__(self) -> str:
        """Give it as people write it: 0.812 ± 0.015."""
        return f"{self.mean:.3f}" if self.sd is None else f"{self.mean:.3f} ± {self.sd:.3f}"


@dataclass(frozen=True)
class ArmReport:
    """The scores of one arm on all test scans, and its CPM on those of each site; None where undefined."""

    arm: Arm
    cpm: Spread | None
    auc: Spread | None
    cpm_at_site: dict[str, Spread | None]


class Verdict(StrEnum):
    """Whether a site is better off with the federated model than with its own."""

    GAINED = "gained"
    LOST = "lost"
    UNCLEAR = "no difference shown"
    UNKNOWN = "cannot be told"


@dataclass(frozen=True)
class Gain:
    """The federated model beside the site's own, on the test scans of this site.

    The two are mean CPMs, None without a nodule. ``interval`` is the 95 % interval of their difference by a
    bootstrap of the scans, drawn alike for both models, and of the seeds; None with too few scans for one.
    """

    site: str
    num_scans: int
    num_nodules: int
    alone: float | None
    federated: float | None
    interval: Interval | None

    @property
    def difference(self) -> float | None:
        """How much higher the CPM of the federated model is."""
        if self.alone is None or self.federated is None:
            return None
        return self.federated - self.alone

    @property
    def verdict(self) -> Verdict:
        """What the numbers allow to say."""
        if self.interval is None:
            return Verdict.UNKNOWN
        if self.interval[0] > 0:
            return Verdict.GAINED
        return Verdict.LOST if self.interval[1] < 0 else Verdict.UNCLEAR


@dataclass(frozen=True)
class ComparisonReport:
    """All that a comparison tells; it names no scan."""

    num_scans: int
    num_nodules: int
    num_seeds: int
    rounds: int
    steps: int
    arms: tuple[ArmReport, ...]
    gains: tuple[Gain, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON takes it."""
        gains = [
            {**asdict(gain), "difference": gain.difference, "verdict": gain.verdict} for gain in self.gains
        ]
        return {**asdict(self), "gains": gains}


def make_comparison_report(
    scores: Sequence[ArmScores], shards: Mapping[str, Shard], config: CourseConfig
) -> ComparisonReport:
    """Sum up how the models of all arms and seeds score the test scans of all sites."""
    uids = {site: frozenset(shard.validation.series_uids) for site, shard in shards.items()}
    by_arm: dict[Arm, list[ArmScores]] = {}
    for each in sorted(scores, key=lambda each: each.seed):
        by_arm.setdefault(each.arm, []).append(each)
    some_scans = scores[0].scans
    return ComparisonReport(
        num_scans=len(some_scans),
        num_nodules=sum(scan.marks.num_nodules for scan in some_scans),
        num_seeds=len({each.seed for each in scores}),
        rounds=config.rounds,
        steps=config.training.steps,
        arms=tuple(_report_arm(arm, of_seeds, uids) for arm, of_seeds in by_arm.items()),
        gains=tuple(
            measure_gain(
                site,
                alone=[_keep_scans(each, own) for each in by_arm[Arm(ALONE, site)]],
                federated=[_keep_scans(each, own) for each in by_arm[Arm(FEDERATED)]],
            )
            for site, own in uids.items()
        ),
    )


def measure_gain(
    site: str, *, alone: Sequence[Sequence[ScanScores]], federated: Sequence[Sequence[ScanScores]]
) -> Gain:
    """Compare two models on the scans of a site; each has the scores of these scans for every seed."""
    num_scans = len(alone[0])
    num_nodules = sum(scan.marks.num_nodules for scan in alone[0])
    is_sure = num_scans >= FEWEST_SCANS and num_nodules > 0
    return Gain(
        site=site,
        num_scans=num_scans,
        num_nodules=num_nodules,
        alone=_mean_cpm(alone),
        federated=_mean_cpm(federated),
        interval=_find_interval(alone, federated) if is_sure else None,
    )


def _mean_cpm(model: Sequence[Sequence[ScanScores]]) -> float | None:
    cpm = _spread([score_exactly(of_seed).cpm for of_seed in model])
    return cpm.mean if cpm else None


def _find_interval(
    alone: Sequence[Sequence[ScanScores]], federated: Sequence[Sequence[ScanScores]]
) -> Interval:
    """Draw scans and seeds anew, the same for both models, and give the percentiles of the difference."""
    differences = np.stack(
        [_replicate_cpms(theirs) - _replicate_cpms(own) for own, theirs in zip(alone, federated, strict=True)]
    )
    drawn = np.random.default_rng(BOOTSTRAP_SEED).integers(len(differences), size=differences.shape)
    means = np.take_along_axis(differences, drawn, axis=0).mean(axis=0)
    low, high = np.nanquantile(means, CONFIDENCE_TAILS).tolist()
    return low, high


def _replicate_cpms(scans: Sequence[ScanScores]) -> FloatArray:
    """Give the CPM of each replicate; NaN where the scans that were drawn have no nodule."""
    replicates = count_replicates(scans, seed=BOOTSTRAP_SEED)
    cpms = [np.nan if each.cpm is None else each.cpm for each in score_replicates(replicates)]
    return np.array(cpms, np.float64)


def _report_arm(arm: Arm, of_seeds: Sequence[ArmScores], uids: Mapping[str, Collection[str]]) -> ArmReport:
    def spread(value_of: Callable[[Score], float | None], of: Collection[str] | None = None) -> Spread | None:
        kept = [each.scans if of is None else _keep_scans(each, of) for each in of_seeds]
        return _spread([value_of(score_exactly(scans)) for scans in kept])

    return ArmReport(
        arm=arm,
        cpm=spread(lambda score: score.cpm),
        auc=spread(lambda score: score.auc),
        cpm_at_site={site: spread(lambda score: score.cpm, own) for site, own in uids.items()},
    )


def _keep_scans(scores: ArmScores, uids: Collection[str]) -> list[ScanScores]:
    return [scan for scan in scores.scans if scan.series_uid in uids]


def _spread(values: Sequence[float | None]) -> Spread | None:
    """Sum up the values of the seeds; None if one is not defined, which is then so for every seed."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(tuple(known), float(np.mean(known)), sd)
