"""What the sites gained from the federation, on the Sites page."""

from collections.abc import Sequence

from fl_monitor.blocks import Block, Cell, Column, Note, Table
from fl_monitor.gains import Gain, describe_gain, read_gains, verdict_of
from fl_monitor.language import gettext as _
from fl_monitor.wording import DASH, count_text, number_text, signed_text
from fl_store.rows import ComparisonRow


def list_gains(comparisons: Sequence[ComparisonRow], own_site: str | None) -> list[Block]:
    """Say what a hospital gained, or list it for all sites."""
    title = _("What did my site gain?") if own_site is not None else _("What did each site gain?")
    if not comparisons:
        missing = _(
            "No comparison yet: the coordinator adds what luna16 compare wrote with {command}."
        ).format(command="fl-server comparisons add FILE")
        return [Note("gains", title, text=missing)]
    gains = read_gains(comparisons[-1].document)
    if own_site is None:
        return [_gains_table(title, gains)]
    if not gains:
        return [Note("gains", title, text=_("The newest comparison is not of your site."))]
    return [Note("gains", title, text=describe_gain(gains[0]), tone=verdict_of(gains[0])[1])]


def _gains_table(title: str, gains: Sequence[Gain]) -> Table:
    titles = (
        _("CPM alone"),
        _("CPM federated"),
        _("Difference"),
        _("95 % CI"),
        _("Test scans"),
        _("Nodules"),
    )
    return Table(
        "gains",
        title,
        columns=(
            Column(_("Site")),
            Column(_("Verdict")),
            *(Column(title, is_number=True) for title in titles),
        ),
        lines=tuple(map(_gain_line, gains)),
        empty=_("The comparison has no site."),
        note=_("The federated model beside one that the site trained alone, on test scans of the site."),
    )


def _gain_line(gain: Gain) -> tuple[Cell | str, ...]:
    verdict, tone = verdict_of(gain)
    low_high = _("{low} to {high}")
    interval = gain.interval
    return (
        Cell(gain.site, site=gain.site),
        Cell(verdict, tone=tone),
        number_text(gain.alone),
        number_text(gain.federated),
        DASH if gain.difference is None else signed_text(gain.difference),
        low_high.format(low=signed_text(interval[0]), high=signed_text(interval[1])) if interval else DASH,
        count_text(gain.num_scans),
        count_text(gain.num_nodules),
    )
