import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from fl_monitor.service import service_of
from fl_store.sqlite import SqliteStore


def choose() -> None:
    import streamlit as st

    from fl_monitor.pages.run_choice import choose_run

    st.json(choose_run())


@pytest.fixture
def open_page(
    store: SqliteStore, rehearsal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Open the choice among two runs, at an address."""
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setattr("streamlit.runtime.context._get_client_context", lambda: None)  # AppTest's is a mock
    service_of.cache_clear()
    store.put([replace(rehearsal.run, run_id=name, name=name) for name in ("run-a", "run-b")])

    def open_at(**address: str) -> AppTest:
        page = AppTest.from_function(choose, default_timeout=20)
        for name, value in address.items():
            page.query_params[name] = value
        return page.run()

    return open_at


def params(page: AppTest) -> Any:
    return json.loads(page.json[0].value)


def test_page_is_about_the_newest_run_until_somebody_chooses(open_page: Any) -> None:
    assert params(open_page()) == {}


def test_every_choice_counts_not_only_the_first(open_page: Any) -> None:
    page = open_page()
    for run_id in ("run-a", "run-b", "run-a"):
        page.selectbox[0].select(run_id).run()
        assert params(page) == {"run": run_id}
    page.selectbox[0].select("").run()
    assert params(page) == {}


def test_link_chooses_its_run_even_if_that_is_not_there(open_page: Any) -> None:
    assert params(open_page(run="run-a")) == {"run": "run-a"}
    assert params(open_page(run="gone")) == {"run": "gone"}


def test_address_gone_back_to_chooses_again(open_page: Any) -> None:
    page = open_page(run="run-a")
    page.selectbox[0].select("run-b").run()
    page.query_params["run"] = "run-a"
    assert params(page.run()) == {"run": "run-a"}
