"""What went over the line in a run, summed up for each site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fl_monitor.figures.style import in_order
from fl_monitor.snapshot import RunRows
from fl_store.run_rows import SiteRoundRow


@dataclass(frozen=True)
class Traffic:
    """What one site received and sent in its rounds of a run."""

    num_rounds: int
    bytes_down: int
    bytes_up: int


def total_traffic(rows: RunRows, ranks: Mapping[str, int]) -> dict[str, Traffic]:
    """Return the traffic of each site that may be named, in order of rank."""
    parts = [row for row in rows.site_rounds if row.site in ranks]
    return {
        site: _sum_up([row for row in parts if row.site == site])
        for site in in_order({row.site for row in parts}, ranks)
    }


def _sum_up(own: Sequence[SiteRoundRow]) -> Traffic:
    return Traffic(
        num_rounds=len(own),
        bytes_down=sum(row.bytes_down for row in own),
        bytes_up=sum(row.bytes_up for row in own),
    )
