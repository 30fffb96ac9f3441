"""The line above every page: who is signed in, which leads to the account, the language, and the way out."""

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from fl_monitor.gate import choose_language, sign_out
from fl_monitor.language import LANGUAGES, current_language
from fl_monitor.language import gettext as _
from fl_monitor.roles import role_text
from fl_store.rows import UserRow


def show(user: UserRow, account: StreamlitPage) -> None:
    """Draw the line."""
    with st.container(
        horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="fl-topbar"
    ):
        st.page_link(account, label=f"{user.name} · {user.site or role_text(user.role)}", width="content")
        show_languages()
        if st.button(_("Sign out"), type="tertiary"):
            sign_out()


def show_languages() -> None:
    """Draw a button for each language but the one that is spoken."""
    for code, name in LANGUAGES.items():
        if code != current_language() and st.button(name, type="tertiary", key=f"language-{code}"):
            choose_language(code)
