"""The chest of the phantom: body wall, bones, lungs, airways and vessels, drawn anew for each scan.

The frame is that of ``phantom_shapes``; z grows to the head, y to the back and x to the left.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from luna16.phantom_shapes import (
    Canvas,
    FloatArray,
    Tube,
    Voxels,
    random_direction,
    random_normal,
    unit,
)

AIR_HU = -1000.0
FAT_HU = -100.0
TISSUE_HU = 45.0
BONE_HU = 400.0
LUNG_HU = -860.0
LUMEN_HU = -985.0
AIRWAY_WALL_HU = -100.0
THINNEST_VESSEL_MM = 0.55


@dataclass(frozen=True, eq=False)
class Lung:
    """An ellipsoid with a slightly lobed surface; its hilum is where vessels and airways enter."""

    side: int
    center_zyx_mm: FloatArray
    radii_mm: FloatArray
    phases: FloatArray

    @property
    def hilum_zyx_mm(self) -> FloatArray:
        """The place on the inner side where vessels and airways enter."""
        place: FloatArray = self.center_zyx_mm + np.array([0, 0, -0.72 * self.side * self.radii_mm[2]])
        return place

    def reach(self) -> tuple[FloatArray, FloatArray]:
        """Give the corners of the box around the lung."""
        return self.center_zyx_mm - 1.1 * self.radii_mm, self.center_zyx_mm + 1.1 * self.radii_mm

    def distance_mm(self, z_mm: Voxels, y_mm: Voxels, x_mm: Voxels) -> Voxels:
        """Give about the distance from the pleura, negative inside."""
        z, y, x = (
            (axis - np.float32(center)) / np.float32(radius)
            for axis, center, radius in zip(
                (z_mm, y_mm, x_mm), self.center_zyx_mm, self.radii_mm, strict=True
            )
        )
        lobes = sum(
            np.sin(5 * axis + np.float32(phase)) for axis, phase in zip((z, y, x), self.phases, strict=True)
        )
        level = np.sqrt(z * z + y * y + x * x) * (1 + np.float32(0.03) * lobes)
        distance: Voxels = (level - 1) * np.float32(self.radii_mm.min())
        return distance

    def depth_mm(self, place_zyx_mm: FloatArray) -> float:
        """Give how deep below the pleura a place lies; negative outside the lung."""
        z, y, x = place_zyx_mm.astype(np.float32).reshape(3, 1)
        return -float(self.distance_mm(z, y, x)[0])

    def pleura_along(self, direction: FloatArray) -> FloatArray:
        """Find the place where a line from the lung's centre leaves it."""
        inside, outside = 0.0, 1.5 * self.radii_mm.max()
        while outside - inside > 0.1:
            middle = (inside + outside) / 2
            if self.depth_mm(self.center_zyx_mm + middle * direction) > 0:
                inside = middle
            else:
                outside = middle
        return self.center_zyx_mm + inside * direction

    def random_place(self, random: np.random.Generator) -> FloatArray:
        """Draw a place in the lung, not at its very middle."""
        place: FloatArray = self.center_zyx_mm + random_direction(random) * self.radii_mm * random.uniform(
            0.2, 0.92
        )
        return place


@dataclass(frozen=True, eq=False)
class Chest:
    """What findings need to know of the anatomy; ``forks`` are the vessels that end in a bifurcation."""

    lungs: tuple[Lung, Lung]
    vessels: tuple[Tube, ...]
    forks: tuple[Tube, ...]


@dataclass(frozen=True, eq=False)
class Branch:
    """One piece of a vessel tree, and whether the next pieces fork from its end."""

    tube: Tube
    is_fork: bool


def draw_chest(canvas: Canvas, random: np.random.Generator) -> Chest:
    """Draw a chest that fills the canvas, and tell where its parts lie."""
    lungs = (_make_lung(canvas, -1, random), _make_lung(canvas, 1, random))
    _draw_body(canvas, random)
    for lung in lungs:
        canvas.paint(lung, LUNG_HU + random.normal() * 15)
    _draw_airways(canvas, lungs, random)
    branches = [branch for lung in lungs for branch in _grow_lung_vessels(lung, random)]
    for branch in branches:
        canvas.brighten(branch.tube, random.uniform(0, 70))
    return Chest(
        lungs=lungs,
        vessels=tuple(branch.tube for branch in branches),
        forks=tuple(branch.tube for branch in branches if branch.is_fork),
    )


def _body_radii_mm(canvas: Canvas) -> tuple[float, float]:
    _, half_y_mm, half_x_mm = canvas.half_zyx_mm
    return min(0.8 * half_y_mm, 115.0), min(0.93 * half_x_mm, 155.0)


def _make_lung(canvas: Canvas, side: int, random: np.random.Generator) -> Lung:
    body_y_mm, body_x_mm = _body_radii_mm(canvas)
    return Lung(
        side=side,
        center_zyx_mm=np.array([random.normal() * 3, random.normal() * 3, side * 0.46 * body_x_mm]),
        radii_mm=np.array([0.93 * canvas.half_zyx_mm[0], 0.74 * body_y_mm, 0.355 * body_x_mm]),
        phases=random.uniform(0, 2 * np.pi, size=3),
    )


def _draw_body(canvas: Canvas, random: np.random.Generator) -> None:
    """Draw skin and fat, muscle, ribs and spine; all but the ribs are the same in every slice."""
    z_mm, y_mm, x_mm = canvas.grid_mm()
    body_y_mm, body_x_mm = _body_radii_mm(canvas)
    level = np.sqrt((y_mm / body_y_mm) ** 2 + (x_mm / body_x_mm) ** 2)
    spine_mm = np.sqrt((y_mm - 0.55 * body_y_mm) ** 2 + x_mm**2) - 15
    slice_hu = AIR_HU + canvas.occupancy((level - 1) * body_y_mm) * (FAT_HU - AIR_HU)
    slice_hu += canvas.occupancy((level - 0.92) * body_y_mm) * (TISSUE_HU - FAT_HU)
    slice_hu += canvas.occupancy(spine_mm) * (BONE_HU - TISSUE_HU) / 2
    rib_ring = canvas.occupancy(np.abs((level - 0.86) * body_y_mm) - 3.2)
    rib_rows = np.cos((z_mm + 0.25 * np.abs(y_mm) + random.uniform(0, 24)) * 2 * np.pi / 24)
    canvas.voxels_hu[:] = slice_hu + rib_ring * np.clip(2 * rib_rows, 0, 1) * (BONE_HU - TISSUE_HU)


def _draw_airways(canvas: Canvas, lungs: tuple[Lung, Lung], random: np.random.Generator) -> None:
    """Draw trachea, main bronchi and some airways in each lung: first every wall, then every lumen."""
    carina = np.array([0.1 * canvas.half_zyx_mm[0], 0.0, 0.0])
    tubes = [Tube(np.array([1.1 * canvas.half_zyx_mm[0], 0.0, 0.0]), carina, 8.0, 8.0)]
    for lung in lungs:
        tubes.append(Tube(carina, lung.hilum_zyx_mm, 5.5, 4.5))
        for aim in ((-0.5, 0.0, lung.side), (0.5, 0.1, lung.side), (0.0, 0.4, lung.side)):
            branches = grow_tree(lung, lung.hilum_zyx_mm, unit(np.array(aim)), 2.4, random)
            tubes += [branch.tube for branch in branches if branch.tube.end_radius_mm > 1.2]
    for tube in tubes:
        wall_mm = max(0.8, 0.25 * tube.start_radius_mm)
        outer = Tube(
            tube.start_zyx_mm, tube.end_zyx_mm, tube.start_radius_mm + wall_mm, tube.end_radius_mm + wall_mm
        )
        canvas.brighten(outer, AIRWAY_WALL_HU)
    for tube in tubes:
        canvas.paint(tube, LUMEN_HU)


def _grow_lung_vessels(lung: Lung, random: np.random.Generator) -> Iterator[Branch]:
    side = lung.side
    for aim in ((-0.7, 0.1, side), (0.7, 0.2, side), (0.1, -0.6, side), (0.0, 0.6, side), (0.0, 0.0, side)):
        direction = unit(np.array(aim) + random.normal(size=3) * 0.15)
        start = lung.hilum_zyx_mm + random.normal(size=3) * 4
        yield from grow_tree(lung, start, direction, random.uniform(2.6, 4.0), random)


def grow_tree(
    lung: Lung, start_zyx_mm: FloatArray, direction: FloatArray, radius_mm: float, random: np.random.Generator
) -> list[Branch]:
    """Grow a tree of vessels from a place in the lung until they are thin or reach the pleura.

    The radii at a fork follow Murray's law (1926, https://doi.org/10.1073/pnas.12.3.207): the cube of the
    parent's radius is the sum of its children's cubes.
    """
    length_mm = (3 + 2.5 * radius_mm) * random.uniform(0.8, 1.3)
    end_zyx_mm = start_zyx_mm + direction * length_mm
    near_hilum = np.linalg.norm(end_zyx_mm - lung.hilum_zyx_mm) < 25
    if radius_mm < THINNEST_VESSEL_MM or (lung.depth_mm(end_zyx_mm) < 1.5 and not near_hilum):
        return []
    tube = Tube(start_zyx_mm, end_zyx_mm, radius_mm, 0.95 * radius_mm)
    is_fork = bool(random.random() < 0.55)
    children = _fork(direction, tube.end_radius_mm, random) if is_fork else [(direction, tube.end_radius_mm)]
    tree = [Branch(tube, is_fork)]
    for child_direction, child_radius_mm in children:
        bent = unit(child_direction + random.normal(size=3) * 0.18)
        tree += grow_tree(lung, end_zyx_mm, bent, child_radius_mm, random)
    return tree


def _fork(
    direction: FloatArray, radius_mm: float, random: np.random.Generator
) -> list[tuple[FloatArray, float]]:
    share = random.uniform(0.62, 0.88)
    sideways = random_normal(direction, random) * random.uniform(0.4, 0.8)
    return [
        (unit(direction + 1.2 * (1.4 - share) * sideways), radius_mm * share),
        (unit(direction - sideways * share), radius_mm * float(np.cbrt(1 - share**3))),
    ]
