"""The Runs page: what a coordinator can ask of the run, the choice of what is shown, and the board.

The choice stands in the address, so that a copied link opens the same view.
"""

import streamlit as st

from fl_core.errors import StoreError
from fl_monitor.board import show_board
from fl_monitor.figures.runs import MOST_SMOOTHING
from fl_monitor.gate import current_user, monitor, spoken_language
from fl_monitor.language import gettext as _
from fl_monitor.language import speaking
from fl_monitor.library import MOST_COMPARED, compared_ids
from fl_monitor.pages.run_choice import RUNS_OFFERED
from fl_monitor.run_requests import ask_of_run, asked_text, find_open_request, list_offers, offer_text
from fl_monitor.summary import run_state_text
from fl_monitor.views.runs import read_smoothing
from fl_store.rows import UserRow
from fl_store.run_rows import RunRequestRow, RunRow
from fl_store.words import Role, RunRequest

FOLLOW_EVERY_S = 2.0
PARAMS = ("runs", "find", "smooth")
RUNS, FIND, SMOOTH = (f"runs-{name}" for name in PARAMS)
ADDRESS, REFUSAL = "runs-address", "runs-refusal"
LONGEST_FIND = 60


def show(user: UserRow) -> None:
    """Draw the page."""
    if user.role is Role.SERVER:
        control_run()
    show_board("runs", choose_view())


def choose_view() -> dict[str, str]:
    """Draw the choice and return the board's parameters, which are those of the address."""
    asked = {name: st.query_params[name] for name in PARAMS if st.query_params.get(name)}
    if st.session_state.get(ADDRESS) != asked or RUNS not in st.session_state:
        _follow_address(asked)
    shown = _draw_choice()
    if shown != asked:
        st.query_params.from_dict(shown)
    st.session_state[ADDRESS] = shown
    return shown


def _follow_address(asked: dict[str, str]) -> None:
    """Set the widgets to what an address says: that of a copied link, or one gone back to."""
    st.session_state[RUNS] = compared_ids(asked)
    st.session_state[FIND] = asked.get("find", "")[:LONGEST_FIND]
    st.session_state[SMOOTH] = read_smoothing(asked)


def _draw_choice() -> dict[str, str]:
    known = {run.run_id: run for run in reversed(monitor().store.get(RunRow, newest=RUNS_OFFERED))}
    to_compare, to_smooth, to_find = st.columns([5, 2, 3])
    chosen = to_compare.multiselect(
        _("Compare up to five runs"),
        list(dict.fromkeys([*known, *st.session_state[RUNS]])),
        key=RUNS,
        max_selections=MOST_COMPARED,
        format_func=lambda run_id: describe_run(run_id, known.get(run_id)),
        placeholder=_("Choose runs"),
    )
    weight = to_smooth.slider(_("Smoothing"), 0.0, MOST_SMOOTHING, step=0.05, key=SMOOTH)
    find = to_find.text_input(
        _("Find a run"), key=FIND, max_chars=LONGEST_FIND, placeholder=_("Name, id or state")
    )
    shown = {"runs": ",".join(chosen), "find": find, "smooth": f"{weight:g}" if weight else ""}
    return {name: value for name, value in shown.items() if value}


def describe_run(run_id: str, run: RunRow | None) -> str:
    """Return what a run is called in the choice: Streamlit keeps that, so it says nothing that changes."""
    if run is None:
        return _("{run_id}, which is not there").format(run_id=run_id)
    return f"{run.name} · {run_id}"


@st.fragment(run_every=FOLLOW_EVERY_S)
def control_run() -> None:
    """Offer what can be asked of the run that goes on; alone of the page, it follows the run by a timer."""
    with speaking(spoken_language()):
        try:
            user = current_user()
            if user and user.role is Role.SERVER:
                _draw_control()
        except StoreError:
            st.warning(_("The run cannot be paused or stopped here: the store cannot be read at the moment."))


def _draw_control() -> None:
    if refusal := st.session_state.pop(REFUSAL, ""):
        st.warning(refusal)
    newest = monitor().store.get(RunRow, newest=1)
    if not newest or newest[0].state.is_over:
        return
    (run,) = newest
    asked = find_open_request(run, monitor().store.get(RunRequestRow, run_id=run.run_id))
    with st.container(horizontal=True, vertical_alignment="center", key="fl-control"):
        st.markdown(f"**{escape_markdown(run.name)}** · {run_state_text(run.state)}", width="content")
        for request in list_offers(run, asked):
            _offer(run, request)
        if asked:
            st.caption(asked_text(asked), width="content")


def escape_markdown(text: str) -> str:
    """Return a text that Markdown leaves as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!|~$:<>" else letter for letter in text)


def _offer(run: RunRow, request: RunRequest) -> None:
    """Draw the button; stopping, which cannot be taken back, is confirmed."""
    if request is not RunRequest.STOP:
        st.button(offer_text(request), key=f"runs-{request}", on_click=_ask, args=(run.run_id, request))
        return
    with st.popover(offer_text(request)):
        st.write(_("A run that was stopped does not go on. The model of its last finished round stays."))
        label = _("Stop this run for good")
        st.button(label, key="runs-stop", type="primary", on_click=_ask, args=(run.run_id, request))


def _ask(run_id: str, request: RunRequest) -> None:
    """Ask it, as the user that the cookie belongs to at this moment."""
    with speaking(spoken_language()):
        try:
            st.session_state[REFUSAL] = ask_of_run(monitor().store, current_user(), run_id, request)
        except StoreError:
            st.session_state[REFUSAL] = _("The store cannot be used at the moment. Nothing was asked.")
