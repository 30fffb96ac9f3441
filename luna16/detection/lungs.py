"""Find the lungs of an upright scan: where nodules are looked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from luna16.scan import Int16Array, Scan, make_image

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]

SHRINK = 2
LUNG_BELOW_HU = -400
GAS_BELOW_HU = -955
SMALLEST_SHARE = 0.1
CLOSING_MM = 14.0
PLEURA_MM = 2.0
MM3_PER_LITRE = 1e6
SMALLEST_LITRES = 0.3
USUAL_LITRES = (1.0, 10.0)
CUT_OFF_MM2 = 1000.0


@dataclass(frozen=True, eq=False)
class Lungs:
    """Where the lungs are, with all that lies in them and on the pleura.

    ``weights``, float32 of the scan's shape (D, H, W), are 1 in the lungs and fall to 0 over PLEURA_MM around
    them: a layer with a hard edge would hide what little of a small nodule stands out from it.
    ``background_hu`` is the median of aerated lung and ``litres`` its volume; each of ``warnings`` is a
    sentence about what is odd.
    """

    weights: Float32Array
    background_hu: float
    litres: float
    warnings: tuple[str, ...]

    @cached_property
    def mask(self) -> BoolArray:
        """Tell where the weights are not 0."""
        return self.weights > 0


def find_lungs(scan: Scan) -> Lungs:
    """Find the lungs of an upright scan that has voxels of about 1 mm each way.

    Aerated lung is air that the body encloses in its axial slice, but for what is as empty as gas in bowel
    or trachea, and what joins it where the chest wall is cut open. Closing it by a ball takes in vessels and
    nodules; a layer of the pleura is added for those on it.

    Raises ValueError if there are none.
    """
    image = sitk.BinShrink(make_image(scan.voxels_hu, scan.geometry), [SHRINK] * 3)
    voxels_hu = sitk.GetArrayFromImage(image)
    aerated = find_aerated(voxels_hu)
    spacing_mm = image.GetSpacing()[0]
    litres = float(aerated.sum()) * spacing_mm**3 / MM3_PER_LITRE
    if litres < SMALLEST_LITRES:
        raise ValueError("No lungs were found in the scan: hand over a CT of the whole chest.")
    return Lungs(
        weights=_reach_out(close_by_ball(aerated, CLOSING_MM / spacing_mm), image, scan),
        background_hu=float(np.median(voxels_hu[aerated])),
        litres=litres,
        warnings=tuple(_find_oddities(aerated, spacing_mm, litres)),
    )


def find_aerated(voxels_hu: Int16Array) -> BoolArray:
    """Tell which voxels, of shape (D, H, W), are aerated lung; none may be."""
    is_tissue = voxels_hu >= LUNG_BELOW_HU
    is_air_inside = np.stack([_fill_holes(plane) for plane in is_tissue]) & ~is_tissue
    labels = _label_parts(is_air_inside)
    sizes = np.bincount(labels.ravel())[1:]
    large = np.flatnonzero(sizes >= SMALLEST_SHARE * sizes.max(initial=1)) + 1
    lungs = [label for label in large if np.median(voxels_hu[labels == label]) > GAS_BELOW_HU]
    return _add_open_slices(np.isin(labels, lungs), ~is_tissue & (voxels_hu > GAS_BELOW_HU))


def _add_open_slices(aerated: BoolArray, may_be_lung: BoolArray) -> BoolArray:
    """Add what joins the lungs in slices where the chest wall is cut open, as by a small field of view.

    The opening takes away skin, whose voxels are half air.
    """
    opened = sitk.BinaryMorphologicalOpening(_as_image(may_be_lung), [1] * 3, sitk.sitkBox)
    labels = _label_parts(sitk.GetArrayFromImage(opened).astype(bool) | aerated)
    return np.isin(labels, np.unique(labels[aerated]))


def _label_parts(mask: BoolArray) -> npt.NDArray[np.uint32]:
    """Give each part of a mask that hangs together a number from 1 on; 0 is outside."""
    labels: npt.NDArray[np.uint32] = sitk.GetArrayFromImage(sitk.ConnectedComponent(_as_image(mask)))
    return labels


def close_by_ball(mask: BoolArray, radius_vox: float) -> BoolArray:
    """Close a mask by a ball, and fill its holes."""
    margin = int(np.ceil(radius_vox)) + 1
    dilated = _distances_vox(np.pad(mask, margin)) <= radius_vox
    closed = _distances_vox(~dilated) > radius_vox
    return _fill_holes(closed[(slice(margin, -margin),) * 3] | mask)


def _fill_holes(mask: BoolArray) -> BoolArray:
    filled: npt.NDArray[np.uint8] = sitk.GetArrayFromImage(sitk.BinaryFillhole(_as_image(mask)))
    return filled.astype(bool)


def _distances_vox(mask: BoolArray) -> Float32Array:
    """Give each voxel's distance from the surface of a mask, below 0 inside."""
    distances: Float32Array = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(_as_image(mask), squaredDistance=False)
    )
    return distances


def _as_image(mask: BoolArray) -> sitk.Image:
    return sitk.GetImageFromArray(mask.astype(np.uint8))


def _reach_out(mask: BoolArray, shrunken: sitk.Image, scan: Scan) -> Float32Array:
    """Give the weights on the scan's grid for a mask on the shrunken one.

    Distances are interpolated, not the mask: its steps of 2 mm would look like blobs.
    """
    distances = sitk.GetImageFromArray(_distances_vox(mask))
    distances.CopyInformation(shrunken)
    interpolated = sitk.Resample(
        distances,
        scan.voxels_hu.shape[::-1],
        sitk.Transform(),
        sitk.sitkLinear,
        scan.geometry.origin_xyz_mm,
        scan.geometry.spacing_xyz_mm,
        scan.geometry.direction,
        float(mask.size),  # far away
    )
    weights: Float32Array = sitk.GetArrayFromImage(interpolated)
    weights *= -shrunken.GetSpacing()[0] / PLEURA_MM
    weights += 1
    return weights.clip(0, 1, out=weights)


def _find_oddities(aerated: BoolArray, spacing_mm: float, litres: float) -> Iterator[str]:
    low, high = USUAL_LITRES
    if not low <= litres <= high:
        yield f"The lungs found hold {litres:.1f} l of air, expected {low:g} to {high:g}: look at the marks."
    slices_mm2 = aerated.sum(axis=(1, 2)) * spacing_mm**2
    for end, slice_mm2 in (("lower", slices_mm2[0]), ("upper", slices_mm2[-1])):
        if slice_mm2 > CUT_OFF_MM2:
            yield f"The lungs are cut off at the {end} end of the scan: nodules beyond it are not found."
