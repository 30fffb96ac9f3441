"""A data card as tables for people: the counts, then one table for each histogram."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from luna16.data_card import BINS, DataCard
from luna16.histogram import FEWEST_SCANS_TOLD, Histogram

WITHHELD = "withheld"
BAR_WIDTH = 24


def draw_card(card: DataCard) -> Group:
    """Draw all that a card tells, and name what it does not."""
    return Group(*_list_parts(card))


def _list_parts(card: DataCard) -> Iterator[RenderableType]:
    yield _draw_counts(card)
    for name, histogram in card.histograms.items():
        yield Text()
        yield _draw_histogram(name, histogram)
    if missing := [bins.title for name, bins in BINS.items() if name not in card.histograms]:
        yield Text(f"\nNot told, as not known or of too few scans: {', '.join(missing)}.")
    yield Text(f"\nWithheld is what would describe fewer than {FEWEST_SCANS_TOLD} scans, or give that away.")


def _draw_counts(card: DataCard) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("scans", _show(card.num_scans))
    table.add_row("scans with nodules", _show(card.num_scans_with_nodules))
    table.add_row("nodules", _show(card.num_nodules))
    return table


def _draw_histogram(name: str, histogram: Histogram) -> Table:
    bins = BINS[name]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(bins.title, min_width=18)
    table.add_column("‰ of voxels" if name == "hu" else bins.counted, justify="right", min_width=11)
    table.add_column("share", justify="right", min_width=5)
    table.add_column("", min_width=BAR_WIDTH)
    for bin_name, count in zip(bins.names, histogram.counts, strict=True):
        table.add_row(bin_name, _show(count), *_draw_share(count, histogram.total))
    return table


def _draw_share(count: int | None, total: int) -> tuple[str, str]:
    """Give a share as a number and as a bar."""
    if count is None:
        return "", ""
    return f"{100 * count / total:.0f} %", "█" * round(count / total * BAR_WIDTH)


def _show(count: int | None) -> str:
    return WITHHELD if count is None else str(count)
