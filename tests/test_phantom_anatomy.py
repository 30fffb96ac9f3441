"""The phantom's chest: lungs of air, a whole mediastinum, vessels where vessels are."""

import numpy as np
import pytest

from luna16.phantom_anatomy import AIR_HU, Chest, Lung, draw_chest, grow_tree
from luna16.phantom_shapes import Canvas, unit


@pytest.fixture(scope="module")
def drawn() -> tuple[Canvas, Chest]:
    canvas = Canvas((96, 192, 192), (1.5, 1.4, 1.4), AIR_HU)
    return canvas, draw_chest(canvas, np.random.default_rng(0))


@pytest.fixture
def lung(drawn: tuple[Canvas, Chest]) -> Lung:
    return drawn[1].lungs[1]


def hu_at(canvas: Canvas, place_zyx_mm: np.ndarray) -> float:
    return float(canvas.voxels_hu[tuple(np.rint(canvas.voxel_position(place_zyx_mm)).astype(int))])


def test_lungs_are_air_and_lie_left_and_right(drawn: tuple[Canvas, Chest]) -> None:
    canvas, chest = drawn
    right, left = chest.lungs
    assert right.center_zyx_mm[2] < 0 < left.center_zyx_mm[2]
    inside = canvas.voxels_hu[(canvas.occupancy(left.distance_mm(*canvas.grid_mm()) + 5) == 1)]
    assert np.median(inside) == pytest.approx(-860, abs=40)


def test_trachea_reaches_the_head_end_only(drawn: tuple[Canvas, Chest]) -> None:
    canvas, _ = drawn
    head, feet = canvas.half_zyx_mm[0] - 2, -canvas.half_zyx_mm[0] + 2
    assert hu_at(canvas, np.array([head, 0.0, 0.0])) < -900
    assert hu_at(canvas, np.array([feet, 0.0, 0.0])) > 0


def test_airway_walls_do_not_cut_the_mediastinum(drawn: tuple[Canvas, Chest]) -> None:
    """Around the trachea, beyond its edge, all is soft tissue."""
    canvas, _ = drawn
    z_mm = 0.6 * canvas.half_zyx_mm[0]
    angles = np.linspace(0, 2 * np.pi, 36)
    ring = [hu_at(canvas, np.array([z_mm, 11 * np.sin(a), 11 * np.cos(a)])) for a in angles]
    assert min(ring) > 0


def test_depth_is_zero_at_the_pleura(lung: Lung) -> None:
    for direction in np.eye(3):
        assert lung.depth_mm(lung.pleura_along(direction)) == pytest.approx(0, abs=0.2)
    assert lung.depth_mm(lung.center_zyx_mm) > 20
    assert lung.depth_mm(lung.center_zyx_mm + 500) < 0


def test_vessels_stay_in_their_lung(drawn: tuple[Canvas, Chest]) -> None:
    _, chest = drawn
    for vessel in chest.vessels:
        lung = chest.lungs[int(vessel.end_zyx_mm[2] > 0)]
        near_hilum = np.linalg.norm(vessel.end_zyx_mm - lung.hilum_zyx_mm) < 25
        assert near_hilum or lung.depth_mm(vessel.end_zyx_mm) >= 1.5


def test_forks_obey_murrays_law(lung: Lung) -> None:
    tree = grow_tree(lung, lung.hilum_zyx_mm, unit(np.array([0.0, 0.0, 1.0])), 3.0, np.random.default_rng(1))
    parents = [branch.tube for branch in tree if branch.is_fork]
    starts = {}
    for branch in tree:
        starts.setdefault(tuple(branch.tube.start_zyx_mm), []).append(branch.tube.start_radius_mm)
    pairs = [(p.end_radius_mm, starts.get(tuple(p.end_zyx_mm), [])) for p in parents]
    whole = [(radius, children) for radius, children in pairs if len(children) == 2]
    assert len(whole) > 3
    for radius, children in whole:
        assert sum(child**3 for child in children) == pytest.approx(radius**3)
