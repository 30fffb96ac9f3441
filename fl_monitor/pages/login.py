"""The login page: one form, and one sentence if it was wrong."""

import time

import streamlit as st

from fl_monitor.gate import monitor, plant_cookie
from fl_monitor.language import gettext as _
from fl_monitor.pages.topbar import show_languages
from fl_store.rows import UserRow, utc_now


def show() -> None:
    """Draw the form; a right password becomes a cookie and the page is loaded again."""
    with st.container(horizontal_alignment="center", key="fl-login"), st.form("login", width=400):
        st.subheader("FedLuna", anchor=False)
        st.caption(_("Sign in to watch the federation."))
        name = st.text_input(_("User"), autocomplete="username", max_chars=64)
        password = st.text_input(
            _("Password"), type="password", autocomplete="current-password", max_chars=128
        )
        is_sent = st.form_submit_button(_("Sign in"), type="primary", width="stretch")
        if not monitor().store.get(UserRow, newest=1):
            st.info(no_user_text())
        elif is_sent:
            _sign_in(name, password)
    with st.container(horizontal=True, horizontal_alignment="center"):
        show_languages()


def no_user_text() -> str:
    """Say how the first user comes about."""
    command = "`fl-server users add NAME --role server`"
    return _("No user is known here yet. Add one on the coordinator: {command}").format(command=command)


def wrong_text() -> str:
    """Say that a login failed, and not why."""
    return _("Wrong user name or password.")


def too_many_text() -> str:
    """Say that others wait already."""
    return _("Too many attempts are waiting. Try again in a minute.")


def _sign_in(name: str, password: str) -> None:
    """Check a name and password when it is their turn; this thread of Streamlit's serves no other browser."""
    service = monitor()
    address = st.context.ip_address
    with service.login.in_line(name, address) as has_place, st.spinner(_("Signing in")):
        if not has_place:
            st.error(too_many_text())
            return
        time.sleep(service.login.delay_s(name, address, utc_now()))
        token = service.login.check(name, password, address, utc_now())
    if token is None:
        st.error(wrong_text())
    else:
        plant_cookie(service.tickets.issue(token, utc_now()))
