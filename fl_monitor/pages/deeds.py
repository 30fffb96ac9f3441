"""How a coordinator's deed is done on the Admin page: checked at the click, and answered in one sentence."""

from collections.abc import Callable

import streamlit as st

from fl_core.errors import UsageError
from fl_monitor.administration import Administration
from fl_monitor.gate import current_user, monitor
from fl_monitor.markdown import as_text
from fl_store.words import Role

_SAID = "fl-said"
_TURN = "fl-turn"


def act(deed: Callable[[Administration], str]) -> None:
    """Do it if the user is a coordinator at this moment; the page is drawn anew and says how it went."""
    user = current_user()
    if user is not None and user.role is Role.SERVER:
        service = monitor()
        try:
            said = (True, deed(Administration(service.store, service.sessions, user.name)))
            st.session_state[_TURN] = _turn() + 1
        except UsageError as error:
            said = (False, str(error))
        st.session_state[_SAID] = said
    st.rerun()


def refuse(text: str) -> None:
    """Say why a deed is not done."""
    st.session_state[_SAID] = (False, text)
    st.rerun()


def say_what_was_done() -> None:
    """Draw the sentence on the last deed, once; its place stays, so that what is open below does too."""
    is_done, text = st.session_state.pop(_SAID, (True, ""))
    with st.container():
        if not text:
            return
        (st.success if is_done else st.error)(as_text(text))


def fresh_key(name: str) -> str:
    """Return the key of a form whose fields are empty again after each deed that was done."""
    return f"{name}-{_turn()}"


def _turn() -> int:
    return int(st.session_state.get(_TURN, 0))
