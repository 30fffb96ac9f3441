"""The Account page: one's last logins, and a form for another password."""

import time

import streamlit as st

from fl_core.errors import AccountError
from fl_monitor.board import show_board
from fl_monitor.event_words import ACCOUNT
from fl_monitor.gate import current_user, monitor, plant_cookie
from fl_monitor.language import gettext as _
from fl_monitor.markdown import as_text
from fl_monitor.pages.login import too_many_text
from fl_store.accounts import set_password
from fl_store.rows import EventRow, UserRow, utc_now


def show(user: UserRow) -> None:
    """Draw the page."""
    show_board("account")
    with st.form("fl-account", width=420, clear_on_submit=True):
        st.subheader(_("Change the password"), anchor=False)
        old = _ask(_("Old password"), "current-password")
        new = _ask(_("New password"), "new-password")
        again = _ask(_("New password again"), "new-password")
        st.caption(_("It signs you out everywhere else."))
        if st.form_submit_button(_("Change"), type="primary"):
            _change(user, old, new, again)


def _ask(label: str, kind: str) -> str:
    return st.text_input(label, type="password", max_chars=128, autocomplete=kind)


def _change(user: UserRow, old: str, new: str, again: str) -> None:
    """Set the new password if the old one is right, as slowly as a login; this browser gets a new cookie."""
    if new != again:
        st.error(_("The two new passwords differ."))
        return
    service = monitor()
    address = st.context.ip_address
    with service.login.in_line(user.name, address) as has_place, st.spinner(_("Changing the password")):
        if not has_place:
            st.error(too_many_text())
            return
        time.sleep(service.login.delay_s(user.name, address, utc_now()))
        known = service.login.recognize(user.name, old, address, utc_now()) if current_user() else None
    if known is None:
        st.error(_("The old password is wrong."))
        return
    try:
        changed = set_password(service.store, user.name, new)
    except AccountError as error:
        st.error(as_text(str(error)))
        return
    service.store.put([EventRow(ACCOUNT, f"User '{user.name}' has a new password.", user=user.name)])
    plant_cookie(service.tickets.issue(service.sessions.start(changed, utc_now()), utc_now()))
