"""The Rounds page: what each site did when in a round, who was last, what was sent, and what failed."""

from collections.abc import Mapping, Sequence

from fl_monitor.blocks import Block, Cell, Column, Legend, Page, Part, Table
from fl_monitor.figures.rounds import phases_chart
from fl_monitor.figures.style import in_order, label_of, site_colors
from fl_monitor.figures.traffic import traffic_chart
from fl_monitor.figures.waiting import own_waits_chart, stragglers_chart
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.stragglers import Straggler, find_stragglers
from fl_monitor.summary import SITE_TONES, site_state_word
from fl_monitor.views.report import rounds_table
from fl_monitor.views.run_header import head_run_page
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH, count_text, number_text
from fl_store.run_rows import SiteRoundRow
from fl_store.words import SiteRoundState

FAILURES_SHOWN = 50
FAILURES = (SiteRoundState.FAILED, SiteRoundState.LATE)


def make(seen: Seen) -> Page:
    """Put the rounds of a run into words and charts."""
    header = head_run_page(seen, _("Rounds"))
    if seen.run is None:
        return Page(header)
    sources = (seen.run, seen.ranks)
    own_site = seen.viewer.site
    parts = (
        Part(sources, _phases),
        Part((*sources, own_site), _waits),
        Part((seen.run,), lambda rows: [_failures_table(rows)]),
        Part((seen.run,), lambda rows: [rounds_table(rows)]),
    )
    return Page(header, parts, site_colors(seen.ranks))


def _phases(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    return [Legend("legend", _("Sites shown on the charts")), phases_chart(rows, ranks)]


def _waits(rows: RunRows, ranks: Mapping[str, int], own_site: str | None) -> list[Block]:
    """Say who was last; a hospital, which may not know that of others, sees how long it waited itself."""
    if own_site is not None:
        return [own_waits_chart(rows, ranks, own_site), traffic_chart(rows, ranks)]
    stragglers = find_stragglers(rows)
    return [
        stragglers_chart(rows, ranks, stragglers),
        traffic_chart(rows, ranks),
        _stragglers_table(stragglers, ranks),
    ]


def _stragglers_table(stragglers: Sequence[Straggler], ranks: Mapping[str, int]) -> Table:
    titles = (
        _("Last in training"),
        _("Last in evaluation"),
        _("Waited for, in all (s)"),
        _("Longest (s)"),
    )
    sites = in_order({each.site for each in stragglers}, ranks)
    lines = [_straggler_line([each for each in stragglers if each.site == site]) for site in sites]
    return Table(
        "last",
        _("Who was last"),
        columns=(Column(_("Site")), *(Column(title, is_number=True) for title in titles)),
        lines=tuple(lines),
        empty=_("No round with two answers yet."),
        note=_(
            "Rounds in which a site was last; one that did not answer in time is, and several share the wait."
        ),
    )


def _straggler_line(own: Sequence[Straggler]) -> tuple[Cell | str, ...]:
    longest = max(own, key=lambda each: each.waited_s)
    return (
        Cell(label_of(longest.site), site=longest.site),
        count_text(sum(each.is_training for each in own)),
        count_text(sum(not each.is_training for each in own)),
        number_text(sum(each.waited_s for each in own), digits=1),
        _("{seconds}, round {round_no}").format(
            seconds=number_text(longest.waited_s, digits=1), round_no=longest.round_no
        ),
    )


def _failures_table(rows: RunRows) -> Table:
    """List the last sites that failed or did not answer, the newest first."""
    failed = [row for row in rows.site_rounds if row.state in FAILURES]
    return Table(
        "failures",
        _("Failures"),
        columns=(Column(_("Round")), Column(_("Site")), Column(_("What happened")), Column(_("Reason"))),
        lines=tuple(_failure_line(row) for row in reversed(failed[-FAILURES_SHOWN:])),
        empty=_("No site has failed."),
    )


def _failure_line(row: SiteRoundRow) -> tuple[Cell | str, ...]:
    state = Cell(site_state_word(row.state), tone=SITE_TONES[row.state])
    return str(row.round_no), Cell(label_of(row.site), site=row.site), state, Cell(row.reason or DASH)
