"""What a coordinator can do about sessions, sites, and the coordinator's machine."""

from collections.abc import Sequence

import streamlit as st

from fl_monitor.gate import monitor
from fl_monitor.health import CheckFailedError, Finding, check_coordinator, is_coordinators
from fl_monitor.language import gettext as _
from fl_monitor.markdown import as_text
from fl_monitor.pages.deeds import act, fresh_key
from fl_store.rows import SessionRow, SiteAccessRow, SiteRow, UserRow, utc_now


def show_sessions(_user: UserRow) -> None:
    """Draw the choice of a session to end, or of all of its user."""
    live = name_sessions(monitor().sessions.list_live(utc_now()))
    if not live:
        return
    with st.container(border=True):
        picked = st.selectbox(_("Session"), list(live), width=420)
        session = live[picked]
        with st.container(horizontal=True):
            if st.button(_("End this session")):
                act(lambda administration: administration.end_session(session, utc_now()))
            if st.button(_("End all sessions of {user}").format(user=as_text(session.user))):
                act(lambda administration: administration.end_sessions_of(session.user, utc_now()))


def name_sessions(live: Sequence[SessionRow]) -> dict[str, SessionRow]:
    """Return sessions by what they are called, the newest first; the hash of a token stays on the server."""
    named: dict[str, SessionRow] = {}
    for row in reversed(live):
        title = _("{user}, since {time} UTC").format(
            user=row.user, time=f"{row.created_at:%Y-%m-%d %H:%M:%S}"
        )
        number = sum(known.startswith(title) for known in named)
        named[f"{title} ({number + 1})" if number else title] = row
    return named


def show_sites(_user: UserRow) -> None:
    """Draw the form that shuts a site out or lets it in again."""
    store = monitor().store
    access = {row.site: row.is_allowed for row in store.get(SiteAccessRow)}
    sites = sorted({*access, *(row.site for row in store.get(SiteRow))})
    if not sites:
        return
    with st.container(border=True):
        site = st.selectbox(_("Site"), sites, key="fl-site", width=420)
        is_allowed = access.get(site, True)
        with st.form(fresh_key(f"fl-access-{site}"), border=False):
            reason = st.text_input(_("Reason"), max_chars=200, autocomplete="off")
            if st.form_submit_button(_("Shut out") if is_allowed else _("Let in again")):
                act(lambda deeds: deeds.set_access(site, reason, is_allowed=not is_allowed))


def show_health(_user: UserRow) -> None:
    """Draw a button that has the coordinator look at its machine, and what it found."""
    if not is_coordinators(monitor().store):
        st.info(_("This machine is not the coordinator's; run `fl-server doctor` there."))
        return
    if not st.button(_("Check the coordinator now")):
        return
    try:
        with st.spinner(_("Looking at stores, ports and disk")):
            findings = check_coordinator()
    except CheckFailedError as error:
        st.error(as_text(str(error)))
    else:
        st.table(list_findings(findings), hide_index=True)


def list_findings(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Return the findings as lines of a table, with what to do after what was found."""
    levels = {"ok": _("sound"), "warning": _("warning"), "fault": _("fault")}
    return [
        {
            _("Looked at"): as_text(found.subject),
            _("Is"): levels.get(found.level, found.level),
            _("Found"): as_text(f"{found.text} {found.advice}".rstrip()),
        }
        for found in findings
    ]
