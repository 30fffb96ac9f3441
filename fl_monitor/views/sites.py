"""The Sites page: who they are, how their runs go, what their data are like, and what they gained."""

from collections.abc import Mapping, Sequence

from fl_monitor.blocks import Block, Cell, Column, Legend, Note, Page, Part, Table
from fl_monitor.figures.contribution import contribution_chart
from fl_monitor.figures.data_cards import card_charts
from fl_monitor.figures.drift import drift_charts
from fl_monitor.figures.progress import auc_chart, cpm_chart, seconds_chart
from fl_monitor.figures.style import site_colors
from fl_monitor.figures.traffic import traffic_chart
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.traffic import Traffic, total_traffic
from fl_monitor.views.gains import list_gains
from fl_monitor.views.live import is_online, presence_text, presence_tone
from fl_monitor.views.run_header import head_run_page
from fl_monitor.views.seen import Seen
from fl_monitor.wording import DASH, count_text, number_text
from fl_store.rows import ComparisonRow, DataCardRow, PresenceRow, SiteAccessRow, SiteRow
from fl_store.run_rows import SiteRoundRow
from fl_store.words import PresenceKind

UPDATES_SHOWN = 60
Line = tuple[Cell | str, ...]


def make(seen: Seen) -> Page:
    """Put the sites that the viewer may name into words and charts."""
    snapshot, ranks, own_site = seen.snapshot, seen.ranks, seen.viewer.site
    title = _("My site") if seen.viewer.is_client else _("Sites")
    beats = {
        row.name: (row, is_online(row, snapshot))
        for row in snapshot.presence
        if row.kind is PresenceKind.SITE and row.name in ranks
    }
    people = Part(
        (ranks, beats, snapshot.table(SiteRow), snapshot.table(SiteAccessRow)),
        lambda *rows: [_sites_table(*rows)],
    )
    gains = Part((snapshot.table(ComparisonRow), own_site), list_gains)
    cards = Part((snapshot.table(DataCardRow), ranks), _cards)
    of_run = [Part((seen.run, ranks), each) for each in (_charts, _traffic)] if seen.run else []
    return Page(head_run_page(seen, title), (people, gains, *of_run, cards), site_colors(ranks))


def _sites_table(
    ranks: Mapping[str, int],
    beats: Mapping[str, tuple[PresenceRow, bool]],
    sites: Sequence[SiteRow],
    access: Sequence[SiteAccessRow],
) -> Table:
    titles = (_("Site"), _("State"), _("Last seen"), _("Takes part"), _("FedLuna"), _("First seen"))
    known = {row.site: row for row in sites}
    allowed = {row.site: row for row in access}
    return Table(
        "sites",
        _("Sites"),
        columns=(
            *(Column(title) for title in titles),
            Column(_("Training scans"), is_number=True),
            Column(_("Validation scans"), is_number=True),
        ),
        lines=tuple(
            _site_line(site, beats.get(site), known.get(site), allowed.get(site))
            for site in sorted(ranks, key=lambda site: ranks[site])
        ),
        empty=_("No site has been seen yet."),
    )


def _site_line(
    site: str, beat: tuple[PresenceRow, bool] | None, known: SiteRow | None, access: SiteAccessRow | None
) -> Line:
    return (
        Cell(site, site=site),
        _state_cell(beat),
        Cell("", at=beat[0].last_seen_at, is_age=True) if beat else DASH,
        _access_cell(access),
        (known and known.version) or DASH,
        Cell("", at=known.first_seen_at) if known else DASH,
        count_text(known.num_train_scans if known else None),
        count_text(known.num_validation_scans if known else None),
    )


def _state_cell(beat: tuple[PresenceRow, bool] | None) -> Cell:
    if beat is None or not beat[1]:
        return Cell(_("offline"), tone="calm")
    return Cell(presence_text(beat[0].state), tone=presence_tone(beat[0].state))


def _access_cell(access: SiteAccessRow | None) -> Cell:
    """Say whether a site may take part; without a word of the coordinator it may."""
    if access is None or access.is_allowed:
        return Cell(_("allowed"), tone="good")
    if access.reason:
        return Cell(_("revoked: {reason}").format(reason=access.reason), tone="bad")
    return Cell(_("revoked"), tone="bad")


def _charts(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    if not rows.rounds:
        return []
    return [
        Legend("legend", _("Sites shown on the charts")),
        auc_chart(rows, ranks),
        cpm_chart(rows, ranks),
        *drift_charts(rows, ranks),
        contribution_chart(rows, ranks),
        seconds_chart(rows, ranks),
    ]


def _traffic(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    if not rows.rounds:
        return []
    return [traffic_chart(rows, ranks), _traffic_table(rows, ranks), _updates_table(rows, ranks)]


def _traffic_table(rows: RunRows, ranks: Mapping[str, int]) -> Table:
    titles = (_("Rounds"), _("Received (MB)"), _("Sent (MB)"), _("Sent per round (MB)"))
    return Table(
        "traffic-totals",
        _("Traffic in the run"),
        columns=(Column(_("Site")), *(Column(title, is_number=True) for title in titles)),
        lines=tuple(_traffic_line(site, total) for site, total in total_traffic(rows, ranks).items()),
        empty=_("Nothing has been sent yet."),
        width=3,
    )


def _traffic_line(site: str, total: Traffic) -> Line:
    return (
        Cell(site, site=site),
        count_text(total.num_rounds),
        _megabytes(total.bytes_down),
        _megabytes(total.bytes_up),
        _megabytes(total.bytes_up / total.num_rounds),
    )


def _megabytes(num_bytes: float) -> str:
    return number_text(num_bytes / 1e6, digits=2)


def _updates_table(rows: RunRows, ranks: Mapping[str, int]) -> Table:
    """List what each site sent in the newest rounds."""
    sent = [row for row in rows.site_rounds if row.site in ranks and row.train_received_at]
    titles = (_("Examples"), _("Sent in the round (MB)"))
    return Table(
        "updates",
        _("Updates sent"),
        columns=(
            Column(_("Round")),
            Column(_("Site")),
            Column(_("Arrived")),
            *(Column(title, is_number=True) for title in titles),
        ),
        lines=tuple(_update_line(row) for row in reversed(sent[-UPDATES_SHOWN:])),
        empty=_("No update has arrived yet."),
        width=3,
    )


def _update_line(row: SiteRoundRow) -> Line:
    return (
        str(row.round_no),
        Cell(row.site, site=row.site),
        Cell("", at=row.train_received_at),
        count_text(row.num_examples),
        _megabytes(row.bytes_up),
    )


def _cards(cards: Sequence[DataCardRow], ranks: Mapping[str, int]) -> list[Block]:
    charts = card_charts([row for row in cards if row.site in ranks], ranks)
    missing = _("No site has told a data card yet; it comes before the first round of a run.")
    return [*charts] if charts else [Note("cards", _("Data cards"), text=missing)]
