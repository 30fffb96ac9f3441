"""What is to be found in the phantom: nodules, and look-alikes of the same brightness and calibre."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from luna16.phantom_anatomy import Chest, Lung
from luna16.phantom_shapes import (
    Blob,
    Canvas,
    FloatArray,
    Shape,
    Tube,
    random_direction,
    random_normal,
    unit,
)

MEAN_NODULES_PER_SCAN = 6.0
MEDIAN_DIAMETER_MM = 8.0
SMALLEST_DIAMETER_MM, LARGEST_DIAMETER_MM = 5.0, 24.0
GROUND_GLASS_SHARE = 0.15
HILUM_MM = 28.0
GAP_MM = 6.0
BORDER_MM = 8.0


@dataclass(frozen=True, eq=False)
class Finding:
    """A nodule or look-alike: where it is and the shapes, each with its HU, that draw it."""

    center_zyx_mm: FloatArray
    diameter_mm: float
    parts: tuple[tuple[Shape, float], ...] = ()
    is_nodule: bool = False


Propose = Callable[[Chest, np.random.Generator], Finding]


def draw_findings(canvas: Canvas, chest: Chest, random: np.random.Generator) -> list[Finding]:
    """Draw nodules and look-alikes into a chest, apart from one another and from the hila."""
    findings: list[Finding] = []
    num_nodules = max(2, int(random.poisson(MEAN_NODULES_PER_SCAN)))
    _place(num_nodules, propose_nodule, findings, canvas, chest, random)
    for propose, per_scan in LOOK_ALIKES_PER_SCAN.items():
        _place(per_scan, propose, findings, canvas, chest, random)
    for finding in findings:
        for shape, hu in finding.parts:
            canvas.brighten(shape, hu)
    return findings


def propose_nodule(chest: Chest, random: np.random.Generator) -> Finding:
    """Propose a round, slightly lobulated nodule: free in the lung, on the pleura or on a vessel."""
    diameter_mm = _random_diameter_mm(random)
    seats = (_seat_in_lung, _seat_on_pleura, _seat_on_vessel)
    center_zyx_mm = seats[random.choice(3, p=[0.45, 0.3, 0.25])](chest, diameter_mm / 2, random)
    is_ground_glass = random.random() < GROUND_GLASS_SHARE
    hu = random.uniform(-620, -420) if is_ground_glass else _random_tissue_hu(random)
    ratios = np.array([1.0, random.uniform(0.78, 1.05), random.uniform(0.78, 1.05)])
    radii_mm = diameter_mm / 2 * ratios / np.cbrt(ratios.prod())
    blob = _blob(center_zyx_mm, radii_mm, random)
    return Finding(center_zyx_mm, diameter_mm, ((blob, hu),), is_nodule=True)


def propose_fork(chest: Chest, random: np.random.Generator) -> Finding:
    """Propose a place where a vessel divides; it is drawn already."""
    vessel = _thick_vessel(chest.forks, random)
    return Finding(vessel.end_zyx_mm, 3 * vessel.end_radius_mm)


def propose_crossing(chest: Chest, random: np.random.Generator) -> Finding:
    """Propose a second, bent vessel that touches a first one."""
    vessel = _thick_vessel(chest.vessels, random)
    radius_mm = vessel.start_radius_mm * random.uniform(0.8, 1.4)
    center_zyx_mm = (vessel.start_zyx_mm + vessel.end_zyx_mm) / 2
    tubes = _bent_tube(center_zyx_mm, radius_mm, random.uniform(14, 26), random)
    return Finding(center_zyx_mm, 3 * radius_mm, tubes)


def propose_plug(chest: Chest, random: np.random.Generator) -> Finding:
    """Propose a short thick bent tube, such as a mucus plug or the stump of a vein."""
    radius_mm = 0.4 * _random_diameter_mm(random)
    center_zyx_mm = _random_lung(chest, random).random_place(random)
    tubes = _bent_tube(center_zyx_mm, radius_mm, radius_mm * random.uniform(2.2, 4), random)
    return Finding(center_zyx_mm, 3 * radius_mm, tubes)


def propose_plaque(chest: Chest, random: np.random.Generator) -> Finding:
    """Propose a broad flat thickening of the pleura."""
    lung = _random_lung(chest, random)
    direction = _outward_direction(lung, random)
    height_mm = 0.5 * _random_diameter_mm(random)
    center_zyx_mm = lung.pleura_along(direction) - direction * height_mm * 0.3
    widths_mm = height_mm * random.uniform(2.2, 4) * np.array([1.0, random.uniform(0.7, 1.3)])
    side = random_normal(direction, random)
    axes = np.stack([direction, side, np.cross(direction, side)])
    blob = Blob(center_zyx_mm, np.array([height_mm, *widths_mm]), axes, np.empty((0, 3)), 0.0)
    return Finding(center_zyx_mm, 2 * height_mm, ((blob, _random_tissue_hu(random)),))


def propose_plain_lung(chest: Chest, random: np.random.Generator) -> Finding:
    """Propose a place with nothing special, as real candidate detectors do too."""
    return Finding(_random_lung(chest, random).random_place(random), 4.0)


LOOK_ALIKES_PER_SCAN = {
    propose_fork: 12,
    propose_crossing: 8,
    propose_plug: 8,
    propose_plaque: 7,
    propose_plain_lung: 3,
}


def _place(
    count: int,
    propose: Propose,
    findings: list[Finding],
    canvas: Canvas,
    chest: Chest,
    random: np.random.Generator,
) -> None:
    """Append up to ``count`` findings of a kind; in a crowded lung there may be fewer."""
    wanted = len(findings) + count
    for _ in range(20 * count):
        if len(findings) == wanted:
            return
        finding = propose(chest, random)
        if _is_allowed(finding, findings, canvas, chest):
            findings.append(finding)


def _is_allowed(finding: Finding, others: list[Finding], canvas: Canvas, chest: Chest) -> bool:
    center_zyx_mm = finding.center_zyx_mm
    is_inside = bool((np.abs(center_zyx_mm) < canvas.half_zyx_mm - BORDER_MM).all())
    is_at_hilum = any(_distance_mm(center_zyx_mm, lung.hilum_zyx_mm) < HILUM_MM for lung in chest.lungs)
    is_crowded = any(
        _distance_mm(center_zyx_mm, other.center_zyx_mm)
        < (finding.diameter_mm + other.diameter_mm) / 2 + GAP_MM
        for other in others
    )
    return is_inside and not is_at_hilum and not is_crowded


def _seat_in_lung(chest: Chest, radius_mm: float, random: np.random.Generator) -> FloatArray:
    lung = _random_lung(chest, random)
    place_zyx_mm = lung.random_place(random)
    while lung.depth_mm(place_zyx_mm) < radius_mm + 2:
        place_zyx_mm = lung.random_place(random)
    return place_zyx_mm


def _seat_on_pleura(chest: Chest, radius_mm: float, random: np.random.Generator) -> FloatArray:
    lung = _random_lung(chest, random)
    direction = _outward_direction(lung, random)
    return lung.pleura_along(direction) - direction * radius_mm * random.uniform(0.3, 0.9)


def _seat_on_vessel(chest: Chest, radius_mm: float, random: np.random.Generator) -> FloatArray:
    vessel = chest.vessels[random.integers(len(chest.vessels))]
    sideways = random_normal(unit(vessel.end_zyx_mm - vessel.start_zyx_mm), random)
    return vessel.end_zyx_mm + sideways * (0.8 * radius_mm + 0.3 * vessel.end_radius_mm)


def _bent_tube(
    center_zyx_mm: FloatArray, radius_mm: float, half_length_mm: float, random: np.random.Generator
) -> tuple[tuple[Shape, float], ...]:
    direction, hu = random_direction(random), _random_tissue_hu(random)
    bend = random_normal(direction, random) * half_length_mm * random.uniform(0.1, 0.4)
    return tuple(
        (Tube(center_zyx_mm, center_zyx_mm + way * half_length_mm + bend, radius_mm, 0.85 * radius_mm), hu)
        for way in (direction, -direction)
    )


def _blob(center_zyx_mm: FloatArray, radii_mm: FloatArray, random: np.random.Generator) -> Blob:
    axes, _ = np.linalg.qr(random.normal(size=(3, 3)))
    waves = np.stack([random_direction(random) for _ in range(2)])
    return Blob(center_zyx_mm, radii_mm, axes, waves, waviness=random.uniform(0.02, 0.08))


def _thick_vessel(vessels: tuple[Tube, ...], random: np.random.Generator) -> Tube:
    thick = [vessel for vessel in vessels if vessel.end_radius_mm > 1.3] or list(vessels)
    return thick[random.integers(len(thick))]


def _outward_direction(lung: Lung, random: np.random.Generator) -> FloatArray:
    """Draw a direction from the lung's centre that does not lead to the mediastinum."""
    direction = random_direction(random)
    while direction[2] * lung.side < -0.2:
        direction = random_direction(random)
    return direction


def _random_lung(chest: Chest, random: np.random.Generator) -> Lung:
    return chest.lungs[random.integers(2)]


def _random_diameter_mm(random: np.random.Generator) -> float:
    diameter_mm = MEDIAN_DIAMETER_MM * np.exp(0.4 * random.normal())
    return float(np.clip(diameter_mm, SMALLEST_DIAMETER_MM, LARGEST_DIAMETER_MM))


def _random_tissue_hu(random: np.random.Generator) -> float:
    return float(random.uniform(-20, 80))


def _distance_mm(first_zyx_mm: FloatArray, second_zyx_mm: FloatArray) -> float:
    return float(np.linalg.norm(first_zyx_mm - second_zyx_mm))
