"""Our scores beside a second implementation, written from the challenge's rules, on random marks.

The findings are the real ones of LUNA16; each case takes some of the scans and draws its own marks.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luna16.annotations import Candidate, Nodule
from luna16.bin_error import bound_bin_error
from luna16.counts import score
from luna16.dataset import PatchSet
from luna16.evaluation import group_by_scan
from luna16.scan_scores import count_scans, score_exactly
from tests.conftest import ROOT, require

TABLES = ROOT.parent / "shared" / "data" / "luna16"
RATES = (0.125, 0.25, 0.5, 1, 2, 4, 8)
ROUNDING = 1e-9

Mark = tuple[float, float, float, float]
"""x, y, z in mm, and the score."""

every_case = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class Tables:
    """Findings by scan: (x, y, z, diameter), all in mm, as they stand in the files."""

    series_uids: list[str]
    nodules: dict[str, list[Mark]]
    excluded: dict[str, list[Mark]]


class Kinds(NamedTuple):
    """The shares of marks, and how far from a finding they lie, in radii."""

    on_excluded: float
    on_nodule: float
    elsewhere: float
    farthest: float


MIXED = Kinds(0.2, 0.2, 0.6, farthest=1.5)
MOSTLY_EXCLUDED = Kinds(0.975, 0.015, 0.01, farthest=1.02)
"""Only here the rule of the hundred best marks is seen: few marks are false positives, so that a nodule
which is marked only below the hundred best would count before 8 false positives a scan."""


@dataclass
class Case:
    """Some scans with marks; ``repr`` is what hypothesis shows of a case that fails."""

    series_uids: list[str] = field(repr=False)
    marks: dict[str, list[Mark]] = field(repr=False)
    drawn_from: tuple[object, ...]


def read_findings(path: Path) -> dict[str, list[Mark]]:
    found: dict[str, list[Mark]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            x_mm, y_mm, z_mm = (float(row[f"coord{axis}"]) for axis in "XYZ")
            found.setdefault(row["seriesuid"], []).append((x_mm, y_mm, z_mm, float(row["diameter_mm"])))
    return found


@pytest.fixture(scope="module")
def tables() -> Tables:
    require(TABLES, why="these tests compare scores on the challenge's own tables")
    return Tables(
        (TABLES / "seriesuids.csv").read_text().split(),
        read_findings(TABLES / "annotations.csv"),
        read_findings(TABLES / "annotations_excluded.csv"),
    )


def draw_case(tables: Tables, seed: int, num_scans: int, max_marks: int, decimals: int) -> Case:
    """Mark nodules, excluded findings and other places; few decimals make many tied scores."""
    random = np.random.default_rng(seed)
    with_nodule = random.choice(sorted(tables.nodules))
    others = random.choice(tables.series_uids, size=num_scans - 1, replace=False)
    series_uids = sorted({str(with_nodule), *map(str, others)})
    kinds = MOSTLY_EXCLUDED if random.integers(2) else MIXED
    marks = {uid: list(draw_marks(tables, uid, random, kinds, max_marks, decimals)) for uid in series_uids}
    return Case(series_uids, marks, (seed, num_scans, max_marks, decimals))


def draw_marks(
    tables: Tables, uid: str, random: np.random.Generator, kinds: Kinds, max_marks: int, decimals: int
) -> Iterator[Mark]:
    nodules, excluded = tables.nodules.get(uid, []), tables.excluded.get(uid, [])[:20]
    for _ in range(random.integers(max_marks + 1)):
        kind = random.choice(3, p=[kinds.on_excluded, kinds.on_nodule, kinds.elsewhere])
        findings = (excluded, nodules, [])[kind]
        center_mm = random.uniform(-300, 300, size=3)
        if findings:
            *finding_mm, diameter_mm = findings[random.integers(len(findings))]
            step = random.normal(size=3)
            away_mm = random.uniform(0, kinds.farthest) * (diameter_mm if diameter_mm >= 0 else 10.0) / 2
            center_mm = np.array(finding_mm) + step / np.linalg.norm(step) * away_mm
        yield (*map(float, center_mm), float(np.round(3 * random.normal(), decimals)))


cases = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.sampled_from([0, 3, 30, 250]),
    st.sampled_from([0, 1, 9]),
)


def is_near(mark: Mark, finding: Mark) -> bool:
    diameter_mm = 10.0 if finding[3] < 0 else finding[3]
    squared_mm2 = sum((mark[axis] - finding[axis]) ** 2 for axis in range(3))
    return squared_mm2 < (diameter_mm / 2) ** 2


def keep_hundred(marks: list[Mark]) -> list[Mark]:
    if len(marks) <= 100:
        return marks
    limit = sorted((mark[3] for mark in marks), reverse=True)[100]
    return [mark for mark in marks if mark[3] > limit]


def challenge_sensitivities(case: Case, tables: Tables) -> list[float]:
    """Score as noduleCADEvaluationLUNA16.py does: one list of hits and false marks over all scans."""
    entries: list[tuple[float, bool]] = []
    num_nodules = 0
    for uid in case.series_uids:
        marks = keep_hundred(case.marks[uid])
        left = set(range(len(marks)))
        for nodule in tables.nodules.get(uid, []):
            num_nodules += 1
            near = [i for i, mark in enumerate(marks) if is_near(mark, nodule)]
            left -= set(near)
            if near:
                entries.append((max(marks[i][3] for i in near), True))
        for finding in tables.excluded.get(uid, []):
            left -= {i for i in left if is_near(marks[i], finding)}
        entries += [(marks[i][3], False) for i in left]
    return [sensitivity_at(rate, entries, num_nodules, len(case.series_uids)) for rate in RATES]


def sensitivity_at(rate: float, entries: list[tuple[float, bool]], num_nodules: int, num_scans: int) -> float:
    """Walk down the thresholds to the last point at or left of ``rate``, and on along the line from there."""
    x, y = 0.0, 0.0
    for threshold in sorted({value for value, _ in entries}, reverse=True):
        kept = [is_hit for value, is_hit in entries if value >= threshold]
        next_x, next_y = kept.count(False) / num_scans, kept.count(True) / num_nodules
        if next_x > rate:
            return y + (rate - x) / (next_x - x) * (next_y - y)
        x, y = next_x, next_y
    return y


def as_patch_set(case: Case, tables: Tables) -> tuple[np.ndarray, PatchSet]:
    """Give the scores and, without any voxel, the patch set of a case; a mark on a nodule is a positive."""
    marks = [(uid, mark) for uid in case.series_uids for mark in case.marks[uid]]
    candidates = tuple(
        Candidate(uid, mark[:3], any(is_near(mark, nodule) for nodule in tables.nodules.get(uid, [])))
        for uid, mark in marks
    )

    def in_scans(findings: dict[str, list[Mark]]) -> tuple[Nodule, ...]:
        return tuple(
            Nodule(uid, finding[:3], finding[3])
            for uid in case.series_uids
            for finding in findings.get(uid, [])
        )

    no_voxels = np.empty((len(marks), 0, 0, 0), np.int16)
    patch_set = PatchSet(
        no_voxels, candidates, tuple(case.series_uids), in_scans(tables.nodules), in_scans(tables.excluded)
    )
    return np.array([mark[3] for _, mark in marks]), patch_set


def count_auc(logits: np.ndarray, is_nodule: np.ndarray) -> float | None:
    """Count, of all pairs of a positive and a negative, those in the right order; a tie is half."""
    positives, negatives = logits[is_nodule], logits[~is_nodule]
    if not positives.size or not negatives.size:
        return None
    return float(((positives[:, None] > negatives) + (positives[:, None] == negatives) / 2).mean())


def count_average_precision(logits: np.ndarray, is_nodule: np.ndarray) -> float | None:
    """Take, for each positive, the share of positives among all that score as high."""
    if is_nodule.all() or not is_nodule.any():
        return None
    return float(np.mean([is_nodule[logits >= value].mean() for value in logits[is_nodule]]))


def test_tables_are_those_of_the_challenge(tables: Tables) -> None:
    assert len(tables.series_uids) == len(set(tables.series_uids)) == 888
    assert sum(map(len, tables.nodules.values())) == 1186
    assert sum(map(len, tables.excluded.values())) == 35192


@pytest.mark.slow
@every_case
@given(drawn=cases)
def test_exact_sensitivities_are_those_of_the_challenge(
    tables: Tables, drawn: tuple[int, int, int, int]
) -> None:
    case = draw_case(tables, *drawn)
    exact = score_exactly(group_by_scan(*as_patch_set(case, tables)))
    assert exact.sensitivities == pytest.approx(challenge_sensitivities(case, tables), abs=ROUNDING)
    assert exact.cpm == pytest.approx(np.mean(challenge_sensitivities(case, tables)), abs=ROUNDING)


@pytest.mark.slow
@every_case
@given(drawn=cases)
def test_exact_auc_and_average_precision_are_those_of_single_candidates(
    tables: Tables, drawn: tuple[int, int, int, int]
) -> None:
    logits, patch_set = as_patch_set(draw_case(tables, *drawn), tables)
    exact = score_exactly(group_by_scan(logits, patch_set))
    assert exact.auc == pytest.approx(count_auc(logits, patch_set.is_nodule))
    assert exact.average_precision == pytest.approx(count_average_precision(logits, patch_set.is_nodule))


@pytest.mark.slow
@every_case
@given(drawn=cases, scale=st.sampled_from([0.001, 0.03, 1.0, 20.0]))
def test_binned_scores_are_within_their_stated_error(
    tables: Tables, drawn: tuple[int, int, int, int], scale: float
) -> None:
    """Scaled down the scores crowd into few bins, scaled up they go beyond the outermost."""
    logits, patch_set = as_patch_set(draw_case(tables, *drawn), tables)
    scans = group_by_scan(scale * logits, patch_set)
    counts = count_scans(scans)
    binned, exact, error = score(counts), score_exactly(scans), bound_bin_error(counts)
    distances = np.abs(np.subtract(binned.sensitivities, exact.sensitivities))
    assert (distances <= np.array(error.sensitivities) + ROUNDING).all()
    for name in ("auc", "average_precision", "cpm", "calibration_error"):
        of_bins, of_logits = getattr(binned, name), getattr(exact, name)
        assert of_bins == pytest.approx(of_logits, abs=getattr(error, name) + ROUNDING)
