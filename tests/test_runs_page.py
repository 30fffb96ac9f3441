import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fl_monitor.pages.runs import escape_markdown
from fl_monitor.service import service_of
from fl_store.accounts import add_user
from fl_store.rows import UserRow
from fl_store.run_rows import RunRequestRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunRequest, RunState


def choose() -> None:
    import streamlit as st

    from fl_monitor.pages.runs import choose_view

    st.json(choose_view())


def control() -> None:
    from fl_monitor.pages.runs import control_run

    control_run()


@pytest.fixture
def open_page(
    store: SqliteStore, rehearsal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Open a part of the page, of a run that goes on and one before it, at an address."""
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setattr("streamlit.runtime.context._get_client_context", lambda: None)  # AppTest's is a mock
    service_of.cache_clear()
    rehearsal.start()
    store.put([replace(rehearsal.run, run_id="run-0", state=RunState.FINISHED, name="Before")])
    store.put([replace(rehearsal.run, run_id="run-9")])

    def open_at(part: Callable[[], None], **address: str) -> AppTest:
        page = AppTest.from_function(part, default_timeout=20)
        for name, value in address.items():
            page.query_params[name] = value
        return page.run()

    return open_at


@pytest.fixture
def sign_in(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[Role | None], None]:
    """Make the cookie that of a user of a role, from now on, or of nobody."""
    carl = add_user(store, "carl", "correct horse", role=Role.SERVER)

    def become(role: Role | None) -> None:
        user: UserRow | None = replace(carl, role=role) if role else None
        monkeypatch.setattr("fl_monitor.pages.runs.current_user", lambda: user)

    return become


def params(page: AppTest) -> Any:
    return json.loads(page.json[0].value)


def address(page: AppTest) -> dict[str, str]:
    found = {name: page.query_params[name] for name in page.query_params}
    return {name: value if isinstance(value, str) else value[0] for name, value in found.items()}


def test_link_sets_the_widgets_and_the_board(open_page: Any) -> None:
    linked = {"runs": "run-9,run-0", "find": "fin", "smooth": "0.6"}
    page = open_page(choose, **linked)
    assert page.multiselect[0].value == ["run-9", "run-0"]
    assert page.slider[0].value == 0.6
    assert page.text_input[0].value == "fin"
    assert params(page) == linked


def test_choice_goes_into_the_address_piece_by_piece(open_page: Any) -> None:
    page = open_page(choose)
    page.multiselect[0].select("run-9").run()
    page.multiselect[0].select("run-0").run()
    page.slider[0].set_value(0.35).run()
    page.text_input[0].input("pilot").run()
    expected = {"runs": "run-9,run-0", "smooth": "0.35", "find": "pilot"}
    assert address(page) == expected
    assert params(page) == expected


def test_choice_taken_back_leaves_the_address_bare(open_page: Any) -> None:
    page = open_page(choose, runs="run-9")
    page.multiselect[0].unselect("run-9").run()
    assert address(page) == {}
    assert params(page) == {}


def test_address_gone_back_to_sets_the_widgets_again(open_page: Any) -> None:
    page = open_page(choose, runs="run-9")
    page.multiselect[0].select("run-0").run()
    page.query_params["runs"] = "run-9"
    assert page.run().multiselect[0].value == ["run-9"]


def test_unknown_run_of_a_link_stays_in_the_choice(open_page: Any) -> None:
    page = open_page(choose, runs="gone")
    assert not page.exception
    assert page.multiselect[0].value == ["gone"]
    assert "gone, which is not there" in page.multiselect[0].options


def test_nonsense_in_a_link_is_no_fault(open_page: Any) -> None:
    page = open_page(choose, runs=",,a,b,c,d,e,f", smooth="much", find="x" * 300)
    assert not page.exception
    assert params(page) == {"runs": "a,b,c,d,e", "find": "x" * 60}


def test_pause_is_written_and_shown_as_asked(open_page: Any, sign_in: Any, store: SqliteStore) -> None:
    sign_in(Role.SERVER)
    page = open_page(control)
    page.button(key="runs-pause").click().run()
    (row,) = store.get(RunRequestRow)
    assert (row.run_id, row.request, row.requested_by) == ("run-9", RunRequest.PAUSE, "carl")
    assert page.caption[0].value == "Pause asked by carl: the run rests before its next round."
    assert {button.key for button in page.button} == {"runs-resume", "runs-stop"}


def test_stop_is_behind_a_second_button_that_says_so(
    open_page: Any, sign_in: Any, store: SqliteStore
) -> None:
    sign_in(Role.SERVER)
    page = open_page(control)
    stop = page.button(key="runs-stop")
    assert stop.label == "Stop this run for good"
    stop.click().run()
    assert [row.request for row in store.get(RunRequestRow)] == [RunRequest.STOP]
    assert not page.button


@pytest.mark.parametrize("role", [Role.ANALYST, Role.CLIENT, None])
def test_role_that_was_lost_since_the_page_was_drawn_asks_nothing(
    open_page: Any, sign_in: Any, store: SqliteStore, role: Role | None
) -> None:
    sign_in(Role.SERVER)
    page = open_page(control)
    sign_in(role)
    page.button(key="runs-pause").click().run()
    assert store.get(RunRequestRow) == []
    assert not page.button


def test_run_that_ended_since_the_page_was_drawn_is_asked_nothing(
    open_page: Any, sign_in: Any, store: SqliteStore, rehearsal: Any
) -> None:
    sign_in(Role.SERVER)
    page = open_page(control)
    store.put([replace(rehearsal.run, run_id="run-9", state=RunState.FINISHED)])
    page.button(key="runs-pause").click().run()
    assert store.get(RunRequestRow) == []
    assert page.warning[0].value == "The run has changed meanwhile. Nothing was asked."


@pytest.mark.parametrize("name", ["Pilot *1*", "[x](http://y)", "a_b `c` $d$ :red[e] <b>", "1. x"])
def test_name_of_a_run_is_no_markdown(name: str) -> None:
    escaped = escape_markdown(name)
    assert escaped.replace("\\", "") == name
    assert not re.search(r"(?<!\\)[*_`\[\]$:<>.]", escaped)
