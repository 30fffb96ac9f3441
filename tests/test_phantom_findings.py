"""Nodules and look-alikes: apart from one another, away from the hila, each of its kind."""

import numpy as np
import pytest

from luna16.phantom_anatomy import AIR_HU, Chest, draw_chest
from luna16.phantom_findings import (
    GAP_MM,
    HILUM_MM,
    LARGEST_DIAMETER_MM,
    SMALLEST_DIAMETER_MM,
    Finding,
    draw_findings,
)
from luna16.phantom_shapes import Canvas


@pytest.fixture(scope="module")
def drawn() -> tuple[Chest, list[Finding]]:
    random = np.random.default_rng(0)
    canvas = Canvas((96, 192, 192), (1.5, 1.4, 1.4), AIR_HU)
    chest = draw_chest(canvas, random)
    return chest, draw_findings(canvas, chest, random)


def test_scan_has_nodules_and_several_look_alikes_for_each(drawn: tuple[Chest, list[Finding]]) -> None:
    num_nodules = sum(finding.is_nodule for finding in drawn[1])
    assert num_nodules >= 2
    assert len(drawn[1]) - num_nodules > 30


def test_findings_do_not_touch(drawn: tuple[Chest, list[Finding]]) -> None:
    findings = drawn[1]
    for i, first in enumerate(findings):
        for second in findings[:i]:
            distance_mm = np.linalg.norm(first.center_zyx_mm - second.center_zyx_mm)
            assert distance_mm >= (first.diameter_mm + second.diameter_mm) / 2 + GAP_MM


def test_nothing_lies_at_a_hilum(drawn: tuple[Chest, list[Finding]]) -> None:
    chest, findings = drawn
    for finding in findings:
        for lung in chest.lungs:
            assert np.linalg.norm(finding.center_zyx_mm - lung.hilum_zyx_mm) >= HILUM_MM


def test_nodules_are_of_the_size_they_are_said_to_be(drawn: tuple[Chest, list[Finding]]) -> None:
    for finding in drawn[1]:
        if finding.is_nodule:
            ((blob, _),) = finding.parts
            assert 2 * np.cbrt(blob.radii_mm.prod()) == pytest.approx(finding.diameter_mm)
            assert SMALLEST_DIAMETER_MM <= finding.diameter_mm <= LARGEST_DIAMETER_MM


def test_nodule_is_round_and_its_look_alikes_are_not(drawn: tuple[Chest, list[Finding]]) -> None:
    for finding in drawn[1]:
        for shape, _ in finding.parts:
            low, high = shape.reach()
            if finding.is_nodule:
                assert shape.radii_mm.max() / shape.radii_mm.min() < 1.4
                assert (high - low).max() < 1.7 * finding.diameter_mm
