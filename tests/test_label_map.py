"""Marks become balls in the scan's own voxels."""

import numpy as np
import pytest

from luna16.detection.label_map import draw_label_map
from luna16.detection.marks import Mark
from luna16.geometry import Geometry
from luna16.phantom import FLIPPED_DIRECTION

GEOMETRY = Geometry((40.0, 50.0, -20.0), (0.5, 0.5, 2.0), FLIPPED_DIRECTION, (20, 60, 60))


def mark_at(z: float, y: float, x: float, diameter_mm: float) -> Mark:
    return Mark(GEOMETRY.voxel_to_world((z, y, x)), diameter_mm, 0.0, 0.5)


def test_ball_has_the_volume_of_its_diameter_around_its_place() -> None:
    labels = draw_label_map([mark_at(10, 30, 20, 12.0)], GEOMETRY)
    assert labels.sum() * 0.5 == pytest.approx(np.pi / 6 * 12**3, rel=0.05)
    assert np.argwhere(labels).mean(axis=0).tolist() == [10, 30, 20]


def test_likelier_mark_is_on_top_and_a_tiny_one_has_a_voxel() -> None:
    labels = draw_label_map(
        [mark_at(10, 30, 20, 8.0), mark_at(10, 30, 24, 8.0), mark_at(4, 5.4, 5, 0.1)], GEOMETRY
    )
    assert labels[10, 30, 22] == 1
    assert labels[10, 30, 30] == 2
    assert (labels == 3).sum() == 1
