"""The Admin page: users, sessions, sites, or the coordinator's health, and what can be done about each."""

import streamlit as st

from fl_monitor.board import show_board
from fl_monitor.language import gettext as _
from fl_monitor.pages import admin_users, admin_watch
from fl_monitor.pages.deeds import say_what_was_done
from fl_monitor.views.admin import HEALTH, SESSIONS, SITES, USERS
from fl_store.rows import UserRow

_CONTROLS = {
    USERS: admin_users.show,
    SESSIONS: admin_watch.show_sessions,
    SITES: admin_watch.show_sites,
    HEALTH: admin_watch.show_health,
}


def show(user: UserRow) -> None:
    """Draw a choice of the part, its table, and what can be done there."""
    titles = {USERS: _("Users"), SESSIONS: _("Sessions"), SITES: _("Sites"), HEALTH: _("Health")}
    asked = st.query_params.get("part", USERS)
    chosen = asked if asked in titles else USERS
    part = st.segmented_control(
        _("Part of the page"),
        list(titles),
        default=chosen,
        required=True,
        format_func=lambda name: titles[name],
        label_visibility="collapsed",
        key="fl-part",
    )
    if part != asked:
        st.query_params.from_dict({"part": part})
    show_board("admin", {"part": part})
    say_what_was_done()
    _CONTROLS[part](user)
