"""What ``luna16 shard`` shows: the shards that were made, or how one differs from its manifest."""

from collections.abc import Iterable
from typing import Any

from rich import box
from rich.table import Table

from luna16.inventory import Summary
from luna16.manifest import MANIFEST_TYPE, Difference, Manifest
from luna16.recipe import By


def draw_shards(manifests: Iterable[Manifest]) -> Table:
    """Draw one line for each shard."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("site", overflow="fold")
    for title in ("scans", "with\nnodules", "nodules", "diameter in mm,\nmedian (range)"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("from", overflow="fold")
    for manifest in manifests:
        summary = manifest.summary
        table.add_row(
            manifest.site,
            str(summary.num_scans),
            str(summary.num_scans_with_nodules),
            str(summary.num_nodules),
            _describe_diameters(summary),
            _describe_origin(manifest),
        )
    return table


def draw_differences(differences: Iterable[Difference]) -> Table:
    """Draw one line for each difference."""
    table = Table("where", "is", "found", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for difference in differences:
        table.add_row(difference.place, difference.kind, difference.detail)
    return table


def to_json(manifest: Manifest) -> dict[str, Any]:
    """Give what a manifest says of a shard as a whole, without the scans, whose UIDs stay in the shard."""
    kept: dict[str, Any] = MANIFEST_TYPE.dump_python(manifest, mode="json", exclude={"scans", "tables"})
    return kept


def _describe_diameters(summary: Summary) -> str:
    if summary.median_diameter_mm is None:
        return "none known"
    return (
        f"{summary.median_diameter_mm:.1f} "
        f"({summary.smallest_diameter_mm:.1f} to {summary.largest_diameter_mm:.1f})"
    )


def _describe_origin(manifest: Manifest) -> str:
    if manifest.recipe.by is By.SCANNER:
        return ", ".join(manifest.vendors)
    subsets = manifest.subsets
    if len(subsets) > 2 and subsets[-1] - subsets[0] == len(subsets) - 1:
        return f"subset {subsets[0]} to {subsets[-1]}"
    return f"subset {', '.join(map(str, subsets))}"
