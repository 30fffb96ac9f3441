"""What a hospital tells of its data: counts in fixed bins, no cell of which describes fewer than 5 scans."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from luna16.froc import UNKNOWN_DIAMETER_MM
from luna16.histogram import FEWEST_SCANS_TOLD, Histogram, IntArray, can_tell, make_histogram

HU_PARTS = 1000
MAX_COUNT = 10**9
MAX_LENGTH = 10_000
NOT_OURS = "The data card is not in the form of this version's."


@dataclass(frozen=True)
class Bins:
    """The bins of one histogram, of what, and what is counted in them.

    ``edges`` are the inner ones of numbers; a number on an edge is in the bin above it.
    """

    title: str
    counted: str
    names: tuple[str, ...]
    edges: tuple[float, ...] = ()


def _make_bins(title: str, counted: str, unit: str, *edges: float) -> Bins:
    inner = (f"{low:g} to {high:g} {unit}" for low, high in pairwise(edges))
    return Bins(title, counted, (f"below {edges[0]:g} {unit}", *inner, f"from {edges[-1]:g} {unit}"), edges)


VENDORS = ("canon", "ge", "philips", "siemens", "other", "unknown")
FIRST_WORDS = {"general": "ge", "toshiba": "canon"}
BINS = {
    "nodule_diameter_mm": _make_bins("nodule diameter", "nodules", "mm", 4, 6, 8, 10, 15, 20),
    "pixel_spacing_mm": _make_bins("pixel spacing", "scans", "mm", 0.5, 0.6, 0.7, 0.8, 0.9),
    "slice_spacing_mm": _make_bins("slice spacing", "scans", "mm", 0.75, 1, 1.25, 1.5, 2, 2.5),
    "hu": _make_bins("HU", "voxels", "HU", -950, -900, -850, -800, -700, -500, -200, 0, 100, 200),
    "vendor": Bins("scanner vendor", "scans", VENDORS),
}


@dataclass(frozen=True)
class ScanFacts:
    """What is counted of one scan.

    ``hu_parts`` are thousandths of its voxels in each bin of ``hu``, so that all scans weigh alike; none if
    it has no patch. A negative diameter and an empty vendor are not known.
    """

    spacing_zyx_mm: tuple[float, float, float]
    diameters_mm: tuple[float, ...] = ()
    hu_parts: tuple[int, ...] = ()
    vendor: str = ""


@dataclass(frozen=True)
class DataCard:
    """A site's data in numbers; None, or no histogram, where that would describe too few scans."""

    num_scans: int | None
    num_scans_with_nodules: int | None
    num_nodules: int | None
    histograms: dict[str, Histogram]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it, with the names of the bins."""
        table = asdict(self)
        for name, each in table["histograms"].items():
            each["bins"] = list(BINS[name].names)
            each["counts"] = list(each["counts"])
        return table


def make_data_card(scans: Sequence[ScanFacts]) -> DataCard:
    """Count scans, nodules and bins.

    A diameter that is not known is 10 mm, as in the challenge's rules. Vendors are left out if none is known.
    """
    if len(scans) < FEWEST_SCANS_TOLD:
        return DataCard(None, None, None, {})
    num_nodules = [len(scan.diameters_mm) for scan in scans if scan.diameters_mm]
    num_with, num_without = len(num_nodules), len(scans) - len(num_nodules)
    rows = {name: _count_rows(name, scans) for name in BINS}
    if not any(scan.vendor for scan in scans):
        del rows["vendor"]
    if not can_tell(len(scans) - len(rows["hu"])):
        del rows["hu"]
    made = {name: make_histogram(each) for name, each in rows.items() if len(each) >= FEWEST_SCANS_TOLD}
    return DataCard(
        num_scans=len(scans),
        num_scans_with_nodules=num_with if can_tell(num_with) and can_tell(num_without) else None,
        num_nodules=sum(num_nodules) if can_tell(num_with) else None,
        histograms={name: histogram for name, histogram in made.items() if histogram},
    )


def count_hu_parts(voxels_hu: npt.NDArray[np.int16]) -> tuple[int, ...]:
    """Return how many thousandths of some voxels are in each bin of ``hu``."""
    counts = _count_values("hu", voxels_hu)
    return tuple(np.rint(HU_PARTS * counts / voxels_hu.size).astype(int).tolist())


def read_data_card(text: str) -> DataCard:
    """Return the card that another program made with ``to_json`` and wrote as JSON.

    Raises ValueError, in one line that repeats nothing of it, if anything in it is not as we make it.
    """
    table = _parse(text)
    try:
        card = DataCard(
            num_scans=_check_count(table["num_scans"]),
            num_scans_with_nodules=_check_count(table["num_scans_with_nodules"]),
            num_nodules=_check_count(table["num_nodules"]),
            histograms={name: _read_histogram(name, each) for name, each in table["histograms"].items()},
        )
        is_ours = card.to_json() == table
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(NOT_OURS) from error
    if not is_ours:
        raise ValueError(NOT_OURS)
    _check_sums(card)
    return card


def _count_rows(name: str, scans: Sequence[ScanFacts]) -> IntArray:
    """Count the bins of each scan apart, of shape (scans, bins), without scans that have nothing to count."""
    rows = np.array([_count_scan(name, scan) for scan in scans], dtype=np.int64)
    rows = rows.reshape(-1, len(BINS[name].names))
    return rows[rows.any(axis=1)]


def _count_scan(name: str, scan: ScanFacts) -> IntArray:
    if name == "hu":
        return np.array(scan.hu_parts or (0,) * len(BINS["hu"].names))
    if name == "vendor":
        return np.array([bin_name == _name_vendor_bin(scan.vendor) for bin_name in VENDORS], dtype=np.int64)
    if name == "nodule_diameter_mm":
        diameters_mm = np.array(scan.diameters_mm)
        return _count_values(name, np.where(diameters_mm < 0, UNKNOWN_DIAMETER_MM, diameters_mm))
    slice_mm, row_mm, _ = scan.spacing_zyx_mm
    return _count_values(name, np.array([slice_mm if name == "slice_spacing_mm" else row_mm]))


def _count_values(name: str, values: npt.NDArray[Any]) -> IntArray:
    bins = np.searchsorted(BINS[name].edges, values.ravel(), side="right")
    return np.bincount(bins, minlength=len(BINS[name].names))


def _name_vendor_bin(vendor: str) -> str:
    """Name the bin of a vendor as ``inventory`` gives it: toshiba-mec is canon, which it now belongs to."""
    if not vendor:
        return "unknown"
    word, _, _ = vendor.partition("-")
    name = FIRST_WORDS.get(word, word)
    return name if name in VENDORS else "other"


def _parse(text: str) -> Any:
    if len(text) > MAX_LENGTH:
        raise ValueError(f"The data card has {len(text)} letters, expected at most {MAX_LENGTH}.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(NOT_OURS) from error


def _read_histogram(name: str, table: Any) -> Histogram:
    if name not in BINS:
        raise ValueError("The data card has a histogram that is not known here.")
    counts = tuple(map(_check_count, table["counts"]))
    if len(counts) != len(BINS[name].names):
        raise ValueError(f"The data card's {name} has {len(counts)} bins, expected {len(BINS[name].names)}.")
    total, num_draws = _check_count(table["total"]) or 0, table["num_draws"]
    withheld, num_withheld = total - sum(count or 0 for count in counts), counts.count(None)
    is_whole = withheld >= FEWEST_SCANS_TOLD and num_withheld > 1 if num_withheld else withheld == 0
    if not is_whole:
        raise ValueError(f"The data card's {name} does not add up to its total.")
    if type(num_draws) is not int or not 0 < num_draws <= total:
        raise ValueError(f"The data card's {name} has a number of draws that is not from 1 to its total.")
    return Histogram(counts, total, num_draws)


def _check_count(value: Any) -> int | None:
    if value is None or (type(value) is int and (value == 0 or FEWEST_SCANS_TOLD <= value <= MAX_COUNT)):
        return value
    raise ValueError("The data card has a count that is neither withheld, 0, nor a whole number from 5.")


def _check_sums(card: DataCard) -> None:
    if (card.num_scans_with_nodules or 0) > (card.num_scans or 0):
        raise ValueError("The data card has more scans with nodules than scans.")
    totals = {"scans": card.num_scans, "nodules": card.num_nodules}
    for name, histogram in card.histograms.items():
        if histogram.total != totals.get(BINS[name].counted, histogram.total):
            raise ValueError(f"The data card's {name} has another total than its {BINS[name].counted}.")
