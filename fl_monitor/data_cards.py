"""What sites tell of their data: the histograms of their cards, with the names that people read."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fl_monitor.language import gettext as _
from fl_monitor.wording import DASH
from fl_store.rows import DataCardRow

HISTOGRAMS = {"nodule_diameter_mm": 2, "pixel_spacing_mm": 2, "slice_spacing_mm": 2, "hu": 3, "vendor": 3}
"""In the order in which they are drawn, each with how many sixths of a wide page it takes."""


@dataclass(frozen=True)
class Histogram:
    """The share of each bin, 0 to 1; None where fewer than 5 scans would be described."""

    bins: tuple[str, ...]
    shares: tuple[float | None, ...]

    @property
    def withheld(self) -> list[str]:
        """The names of the bins whose share is not told."""
        return [name for name, share in zip(self.bins, self.shares, strict=True) if share is None]


def histograms_by_site(cards: Iterable[DataCardRow], name: str) -> dict[str, Histogram]:
    """Return one histogram of all sites that tell it."""
    found = {row.site: row.card["histograms"].get(name) for row in cards}
    return {site: _read_histogram(table) for site, table in found.items() if table}


def _read_histogram(table: Mapping[str, Any]) -> Histogram:
    total = table["total"]
    return Histogram(
        bins=tuple(map(bin_text, table["bins"])),
        shares=tuple(None if count is None else count / total for count in table["counts"]),
    )


def histogram_title(name: str) -> str:
    """Return what a histogram is of."""
    titles = {
        "nodule_diameter_mm": _("Nodule diameter"),
        "pixel_spacing_mm": _("Pixel spacing"),
        "slice_spacing_mm": _("Slice spacing"),
        "hu": _("Density of voxels"),
        "vendor": _("Scanner vendor"),
    }
    return titles.get(name, name)


def histogram_axis(name: str) -> str:
    """Return the name and unit of what is counted."""
    axes = {
        "nodule_diameter_mm": _("Nodule diameter (mm)"),
        "pixel_spacing_mm": _("Pixel spacing (mm)"),
        "slice_spacing_mm": _("Slice spacing (mm)"),
        "hu": _("Density (HU)"),
        "vendor": _("Scanner vendor (name)"),
    }
    return axes.get(name, name)


def counted_text(name: str) -> str:
    """Return what the shares of a histogram are of."""
    return {"nodule_diameter_mm": _("Share of nodules (%)"), "hu": _("Share of voxels (%)")}.get(
        name, _("Share of scans (%)")
    )


def bin_text(name: str) -> str:
    """Write a bin of a card without its unit: 'below 4 mm' is < 4; the name of a vendor stays."""
    if found := re.fullmatch(r"below (\S+) \S+", name):
        return f"< {_number(found[1])}"
    if found := re.fullmatch(r"from (\S+) \S+", name):
        return f"≥ {_number(found[1])}"
    if found := re.fullmatch(r"(\S+) to (\S+) \S+", name):
        low, high = _number(found[1]), _number(found[2])
        return _("{low} to {high}").format(low=low, high=high) if "-" in name else f"{low}{DASH}{high}"
    return {"other": _("other"), "unknown": _("unknown")}.get(name, name)


def _number(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
