"""The choice of a run above the pages that are about one; it stands in the address, so a link keeps it."""

import streamlit as st

from fl_monitor.gate import monitor
from fl_monitor.language import gettext as _
from fl_monitor.summary import run_state_text
from fl_store.run_rows import RunRow

NEWEST = ""
RUNS_OFFERED = 100
CHOICE, ADDRESS = "run-choice", "run-choice-address"


def choose_run() -> dict[str, str]:
    """Draw the choice and return the board's parameters: the run's id, or none for the newest."""
    runs = {run.run_id: run for run in reversed(monitor().store.get(RunRow, newest=RUNS_OFFERED))}
    chosen = st.query_params.get("run", NEWEST)
    if st.session_state.get(ADDRESS) != chosen or CHOICE not in st.session_state:
        st.session_state[CHOICE] = chosen  # what a copied link says, or an address gone back to
    picked = st.selectbox(
        _("Run"),
        list(dict.fromkeys([NEWEST, *runs, chosen])),
        key=CHOICE,
        format_func=lambda run_id: describe_choice(run_id, runs.get(run_id)),
        width=420,
    )
    if picked != chosen:
        st.query_params.from_dict({"run": picked} if picked else {})
    st.session_state[ADDRESS] = picked
    return {"run": picked} if picked else {}


def describe_choice(run_id: str, run: RunRow | None) -> str:
    """Return what a run is called in the choice."""
    if run_id == NEWEST:
        return _("The newest, live")
    if run is None:
        return _("{run_id}, which is not there").format(run_id=run_id)
    return f"{run.name} · {run.started_at:%Y-%m-%d %H:%M} UTC · {run_state_text(run.state)}"
