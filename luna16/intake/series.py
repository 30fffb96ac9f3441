"""Choose the one CT series among DICOM images."""

from collections import Counter
from collections.abc import Sequence

from luna16.intake.limits import Limits
from luna16.intake.slices import Slice

AXIAL_ABOVE = 0.7
"""Cosine between the normal of axial slices and the patient's long axis."""


def choose_series(slices: Sequence[Slice], limits: Limits) -> list[Slice]:
    """Give the slices of the one axial CT series that is long enough.

    Localizers, reports, reformats in other planes and short series beside it are left out. Raises ValueError
    if there is no such series, or more than one.
    """
    usable = [image for image in slices if is_axial_ct(image)]
    counts = Counter(image.series_uid for image in usable)
    lengths = sorted((count for count in counts.values() if count >= limits.min_side_vox), reverse=True)
    if len(lengths) > 1:
        listed = " and ".join(map(str, lengths[:5]))
        raise ValueError(f"It holds {len(lengths)} CT series, of {listed} slices: hand over one of them.")
    if not lengths:
        raise ValueError(_explain_none(slices, max(counts.values(), default=0), limits))
    chosen = counts.most_common(1)[0][0]
    return [image for image in usable if image.series_uid == chosen]


def is_axial_ct(image: Slice) -> bool:
    """Tell whether an image is one axial slice of a CT in grey values."""
    is_plain = image.pixels.num_frames == image.pixels.num_samples == 1 and not image.is_localizer
    is_axial = image.grid is not None and abs(image.grid.axes[2, 2]) > AXIAL_ABOVE
    return image.modality == "CT" and is_plain and bool(is_axial)


def _explain_none(slices: Sequence[Slice], longest: int, limits: Limits) -> str:
    if longest:
        return (
            f"The longest axial CT series has {longest} slices, expected {limits.min_side_vox} or more: "
            "hand over the whole series."
        )
    if others := sorted({image.modality for image in slices} - {"CT"}):
        return f"Modality is {', '.join(map(repr, others[:3]))}, expected 'CT': hand over a CT of the chest."
    if any(image.pixels.num_frames > 1 for image in slices):
        return "It is a multi-frame CT, which is not read: export it as single slices."
    if any(image.pixels.num_samples > 1 for image in slices):
        return "Its slices are colour images: hand over the CT itself, in HU."
    return "It holds no axial slices with a place in the world: hand over the axial CT series."
