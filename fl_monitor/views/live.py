"""The Live page: the newest run, who holds it, who is online, the scores so far, and what happens."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from fl_monitor.blocks import Block, Cell, Column, Header, KeyFigures, Legend, Page, Part, Table
from fl_monitor.figures.froc import froc_chart
from fl_monitor.figures.progress import make_progress_charts
from fl_monitor.figures.style import in_order, label_of, site_colors
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import ONLINE_WITHIN, RunRows, Snapshot
from fl_monitor.summary import (
    RUN_TONES,
    SITE_TONES,
    expected_end,
    key_figures,
    metrics_of,
    progress_of,
    run_state_text,
    site_state_text,
    site_state_word,
    state_words,
)
from fl_monitor.views.seen import Seen
from fl_monitor.wording import count_text, number_text
from fl_store.metrics import Metric
from fl_store.rows import LOST, STATE_SEPARATOR, EventRow, PresenceRow
from fl_store.run_rows import MetricRow, SiteRoundRow
from fl_store.words import PresenceKind, RunState, SiteRoundState

NUM_EVENTS_SHOWN = 12


def make(seen: Seen) -> Page:
    """Put the newest run into words and charts."""
    snapshot = seen.snapshot
    rows = snapshot.run
    people = Part(
        (snapshot.presence, snapshot.num_users_online, _beat(snapshot)), lambda *_: [_people(snapshot)]
    )
    events = Part((snapshot.events[-NUM_EVENTS_SHOWN:],), lambda events: [list_events(events)])
    if rows is None:
        return Page(describe_no_run(), (people, events))
    return Page(
        describe_run(rows, snapshot),
        (
            Part((rows, seen.ranks), _numbers),
            people,
            Part((rows, seen.ranks), _charts),
            events,
        ),
        site_colors(seen.ranks),
    )


def describe_no_run() -> Header:
    """Say what to do where no run has been yet."""
    command = "fl-server --config configs/demo.toml"
    return Header(
        _("No run yet"), text=_("The coordinator starts one with: {command}").format(command=command)
    )


def describe_run(rows: RunRows, snapshot: Snapshot) -> Header:
    """Say where a run is, who holds it, and when it will probably end."""
    run = rows.run
    ends_from, ends_to = expected_end(rows) or (None, None)
    return Header(
        state_words(rows),
        kicker=run.name,
        tone=RUN_TONES[run.state],
        text=" ".join(filter(None, (run.reason, _holders(rows)))),
        progress=progress_of(rows),
        started_at=run.started_at,
        ended_at=run.ended_at,
        ends_from=ends_from,
        ends_to=ends_to,
        silent_since=_silent_since(rows, snapshot),
    )


def _holders(rows: RunRows) -> str:
    """Say which sites the round in hand still waits for."""
    if rows.run.state is not RunState.RUNNING or not rows.rounds:
        return ""
    current = rows.rounds[-1]
    open_sites = [row.site for row in _parts_of(rows, current.round_no) if not row.state.is_over]
    if current.ended_at or not open_sites:
        return ""
    names = ", ".join(label_of(site) for site in in_order(open_sites, {}))
    return _("Waits for {sites}.").format(sites=names)


def _silent_since(rows: RunRows, snapshot: Snapshot) -> datetime | None:
    """Return when the coordinator was last heard of, if its run goes on and it is not online."""
    if rows.run.state.is_over:
        return None
    beat = next((row for row in snapshot.presence if row.kind is PresenceKind.SERVER), None)
    return None if beat is None or is_online(beat, snapshot) else beat.last_seen_at


def _numbers(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    if not rows.rounds:
        return []
    return [KeyFigures("figures", _("Key figures"), figures=key_figures(rows)), _list_sites(rows, ranks)]


def _list_sites(rows: RunRows, ranks: Mapping[str, int]) -> Table:
    """List what each site did in the newest round."""
    current = rows.rounds[-1].round_no
    parts = {row.site: row for row in _parts_of(rows, current)}
    return Table(
        "sites",
        _("Sites in round {round_no}").format(round_no=current),
        columns=(
            Column(_("Site")),
            Column(_("State")),
            Column(_("Time (s)"), is_number=True),
            Column(_("Examples"), is_number=True),
            Column(_("AUC"), is_number=True),
            Column(_("CPM"), is_number=True),
        ),
        lines=tuple(_site_line(parts[site], rows.metrics) for site in _named_first(parts, ranks)),
        empty=_("No site has been asked yet."),
        width=4,
    )


def _named_first(sites: Mapping[str, object], ranks: Mapping[str, int]) -> list[str]:
    return sorted(sites, key=lambda site: (site not in ranks, site))


def _site_line(row: SiteRoundRow, metrics: Sequence[MetricRow]) -> tuple[Cell | str, ...]:
    found = metrics_of(metrics, row.site, row.round_no)
    busy_s = [seconds for seconds in (row.train_s, row.evaluate_s) if seconds is not None]
    return (
        Cell(label_of(row.site), site=row.site),
        Cell(site_state_text(row), tone=SITE_TONES.get(row.state, "busy")),
        number_text(sum(busy_s) if busy_s else None, digits=1),
        count_text(row.num_examples),
        number_text(found[Metric.AUC].value if Metric.AUC in found else None),
        number_text(found[Metric.CPM].value if Metric.CPM in found else None),
    )


def _parts_of(rows: RunRows, round_no: int) -> list[SiteRoundRow]:
    return [row for row in rows.site_rounds if row.round_no == round_no]


def _beat(snapshot: Snapshot) -> tuple[bool, ...]:
    """Return who is online, which changes by the clock alone."""
    return tuple(is_online(row, snapshot) for row in snapshot.presence)


def _people(snapshot: Snapshot) -> Table:
    """List the coordinator first, then the sites by name, and how many users are online."""
    shown = [row for row in snapshot.presence if row.kind is not PresenceKind.USER]
    shown.sort(key=lambda row: (row.kind is PresenceKind.SITE, row.name))
    users = _("{number} online").format(number=snapshot.num_users_online)
    return Table(
        "people",
        _("Online"),
        lines=(
            *(_person(row, snapshot) for row in shown),
            (Cell(_("Users")), users),
        ),
        width=2,
    )


def _person(row: PresenceRow, snapshot: Snapshot) -> tuple[Cell, Cell]:
    name = label_of(row.name) if row.kind is PresenceKind.SITE else _("Coordinator")
    if is_online(row, snapshot):
        return Cell(name, tone=presence_tone(row.state)), Cell(presence_text(row.state))
    return Cell(name, tone="calm"), Cell(_("offline, last seen"), at=row.last_seen_at, is_age=True)


def is_online(row: PresenceRow, snapshot: Snapshot) -> bool:
    """Say whether someone was seen within the last ten seconds."""
    return snapshot.coordinator_time - row.last_seen_at <= ONLINE_WITHIN


def presence_tone(state: str) -> str:
    """Return the tone in which somebody is shown who is online."""
    return "warn" if LOST in state.split(STATE_SEPARATOR) else "good"


def presence_text(state: str) -> str:
    """Return the word for what a site or the coordinator is at."""
    words = {
        "ready": _("ready"),
        "preparing": _("preparing"),
        "revoked": _("revoked"),
        **{str(each): site_state_word(each) for each in SiteRoundState},
        **{str(each): run_state_text(each) for each in RunState},
        LOST: _("lost contact"),
    }
    return STATE_SEPARATOR.join(words.get(part, part) for part in state.split(STATE_SEPARATOR))


def _charts(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    charts = make_progress_charts(rows, ranks)
    return (
        [Legend("legend", _("Sites shown on the charts")), *charts, froc_chart(rows, ranks)] if charts else []
    )


def list_events(events: Sequence[EventRow]) -> Table:
    """List what happened, the newest first."""
    return Table(
        "events",
        _("Events"),
        lines=tuple((Cell(event.text, at=event.occurred_at),) for event in reversed(events)),
        empty=_("Nothing has happened yet."),
        width=3,
    )
