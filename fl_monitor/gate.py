"""The door between pages and sessions: whose cookie this is, and how the cookie is set and taken away."""

from typing import NoReturn

import streamlit as st

from fl_core.config import home_folder
from fl_monitor import language
from fl_monitor.routes import COOKIE, OWN_HEADER
from fl_monitor.service import Service, service_of
from fl_store.rows import UserRow, utc_now


def monitor() -> Service:
    """Return what this process's pages and routes share."""
    return service_of(home_folder())


def current_user(*, is_page_load: bool = False) -> UserRow | None:
    """Return the user of this browser's cookie; loading a page prolongs the session."""
    token = st.context.cookies.get(COOKIE)
    if not isinstance(token, str):
        return None
    sessions = monitor().sessions
    user = sessions.find_user(token, utc_now())
    if user and is_page_load:
        sessions.touch(token, utc_now())
    return user


def require_user() -> UserRow:
    """Return the user; a browser without a live session sees the login page instead."""
    user = current_user(is_page_load=True)
    if user is None:
        _run_script("location.reload()")
    return user


def spoken_language() -> str:
    """Return the language of this browser."""
    cookies = {name: str(value) for name, value in st.context.cookies.items()}
    return language.choose_language(cookies, st.context.headers.get("Accept-Language"))


def plant_cookie(ticket: str) -> NoReturn:
    """Have the browser trade the ticket for its cookie and load the page again."""
    _post("/auth/claim", ticket)


def choose_language(code: str) -> NoReturn:
    """Have the browser keep a language of LANGUAGES, and load the page again."""
    _post("/language", code)


def sign_out() -> NoReturn:
    """End the session in every tab of this browser."""
    monitor().sessions.end(st.context.cookies.get(COOKIE), utc_now())
    _post("/auth/logout", "1")


def _post(route: str, word: str) -> NoReturn:
    _run_script(
        f"fetch('{route}', {{method: 'POST', headers: {{'{OWN_HEADER}': '{word}'}}}})"
        ".finally(() => location.reload())"
    )


def _run_script(script: str) -> NoReturn:
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)
    st.stop()
