"""What sites' evaluations come to, alone or together: every score with what it is of and its interval."""

import functools
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import TypeVar

import numpy as np

from fl_core.replies import EvaluateReply
from fl_store.metrics import CPMS_BY_DIAMETER, DETECTION_SENSITIVITIES, SENSITIVITIES, Metric
from luna16.bootstrap import NO_INTERVALS, Interval, Intervals, find_intervals
from luna16.counts import Additive, BandCounts, EvalCounts, Replicates, Score, score
from luna16.detection.counts import DetectionCounts
from luna16.diameters import sensitivities_by_band

AdditiveT = TypeVar("AdditiveT", bound=Additive)


@dataclass(frozen=True)
class ScoredMetric:
    """One score, the number of candidates or nodules that it is of, and its 95 % interval, if any."""

    metric: Metric
    value: float | None
    num_examples: int
    interval: Interval | None = None


@dataclass(frozen=True, eq=False)
class ScoreSheet:
    """The sum of some sites' counts, and the scores computed from it."""

    counts: EvalCounts
    bands: BandCounts
    replicates: Replicates | None
    detection: DetectionCounts | None

    @classmethod
    def pool(cls, replies: Sequence[EvaluateReply]) -> "ScoreSheet":
        """Add up what sites told; there are replicates, and a detection, only if all sent them."""
        return cls(
            counts=sum((reply.counts for reply in replies), EvalCounts.zero()),
            bands=sum((reply.bands for reply in replies), BandCounts.zero()),
            replicates=_add_if_all([reply.replicates for reply in replies]),
            detection=_add_if_all([reply.detection for reply in replies]),
        )

    @cached_property
    def score(self) -> Score:
        """The scores of all scans together."""
        return score(self.counts)

    @cached_property
    def intervals(self) -> Intervals:
        """The intervals of the scores; none without replicates or with too few scans."""
        if self.replicates is None:
            return NO_INTERVALS
        return find_intervals(self.replicates, num_scans=self.counts.num_scans)

    def list_metrics(self) -> Iterator[ScoredMetric]:
        """Give every score; one that the counts do not define is None."""
        result, intervals = self.score, self.intervals
        num_examples, num_nodules = self.counts.num_examples, self.counts.num_nodules
        yield ScoredMetric(Metric.AUC, result.auc, num_examples, intervals.auc)
        yield ScoredMetric(Metric.CPM, result.cpm, num_nodules, intervals.cpm)
        precision = result.average_precision, num_examples, intervals.average_precision
        yield ScoredMetric(Metric.AVERAGE_PRECISION, *precision)
        yield ScoredMetric(Metric.CALIBRATION_ERROR, result.calibration_error, num_examples)
        yield ScoredMetric(Metric.VALIDATION_LOSS, result.loss, num_examples)
        curve = zip_longest(SENSITIVITIES, result.sensitivities or (), intervals.sensitivities or ())
        for metric, value, interval in curve:
            yield ScoredMetric(metric, value, num_nodules, interval)
        by_band = sensitivities_by_band(self.bands, self.counts)
        for metric, values, num in zip(CPMS_BY_DIAMETER, by_band, self.bands.num_nodules, strict=True):
            yield ScoredMetric(metric, float(np.mean(values)) if values else None, int(num))
        if self.detection:
            yield from _list_detection(self.detection)


def _list_detection(counts: DetectionCounts) -> Iterator[ScoredMetric]:
    """Give the scores of whole scans; each is of all nodules, found or not."""
    result, num_nodules = score(counts.marks), counts.marks.num_nodules
    yield ScoredMetric(Metric.DETECTION_CPM, result.cpm, num_nodules)
    for metric, value in zip_longest(DETECTION_SENSITIVITIES, result.sensitivities or ()):
        yield ScoredMetric(metric, value, num_nodules)
    yield ScoredMetric(Metric.CANDIDATE_SENSITIVITY, counts.candidate_sensitivity, num_nodules)
    yield ScoredMetric(Metric.CANDIDATES_PER_SCAN, counts.candidates_per_scan, counts.marks.num_scans)


def _add_if_all(parts: Sequence[AdditiveT | None]) -> AdditiveT | None:
    """Add up the parts; None if there is none or one is missing."""
    there = [part for part in parts if part is not None]
    return functools.reduce(operator.add, there) if there and len(there) == len(parts) else None
