from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from fl_monitor.pages.login import no_user_text, wrong_text
from fl_monitor.service import service_of
from fl_store.accounts import add_user
from fl_store.rows import SessionRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

MONITOR_APP = Path(__file__).parent.parent / "monitor_app.py"


@pytest.fixture
def page(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """A browser without a cookie in front of the monitor."""
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setattr("streamlit.runtime.context._get_client_context", lambda: None)  # AppTest's is a mock
    service_of.cache_clear()
    return AppTest.from_file(MONITOR_APP, default_timeout=20)


def sign_in(page: AppTest, name: str, password: str) -> AppTest:
    page.run()
    page.text_input[0].input(name)
    page.text_input[1].input(password)
    return page.button[0].click().run()


def test_login_page_says_how_to_add_the_first_user(page: AppTest) -> None:
    assert page.run().info[0].value == no_user_text()
    assert "fl-server users add NAME --role server" in no_user_text()


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong password"), ("nobody", "correct horse")])
def test_wrong_name_and_wrong_password_get_the_same_sentence(
    page: AppTest, store: SqliteStore, name: str, password: str
) -> None:
    add_user(store, "anna", "correct horse", role=Role.ANALYST)
    assert [error.value for error in sign_in(page, name, password).error] == [wrong_text()]
    assert store.get(SessionRow) == []


def test_right_password_starts_a_session_whose_token_is_not_on_the_page(
    page: AppTest, store: SqliteStore
) -> None:
    add_user(store, "anna", "correct horse", role=Role.ANALYST)
    signed_in = sign_in(page, "anna", "correct horse")
    assert [row.user for row in store.get(SessionRow)] == ["anna"]
    assert not signed_in.error
    assert not signed_in.exception


def test_login_at_a_locked_store_is_one_sentence_and_starts_no_session(
    page: AppTest, store: SqliteStore, request: pytest.FixtureRequest
) -> None:
    add_user(store, "anna", "correct horse", role=Role.ANALYST)
    request.getfixturevalue("locked_store")
    tried = sign_in(page, "anna", "correct horse")
    assert [error.value.split(".")[0] for error in tried.error] == [
        "The monitor cannot use its store at the moment"
    ]
    assert not tried.exception
    assert store.get(SessionRow) == []


def test_page_without_a_session_shows_the_login_and_nothing_else(page: AppTest, store: SqliteStore) -> None:
    add_user(store, "anna", "correct horse", role=Role.ANALYST)
    page.run()
    assert [field.label for field in page.text_input] == ["User", "Password"]
    assert [button.label for button in page.button] == ["Sign in", "中文"]


def test_every_page_says_that_it_is_not_for_diagnosis(page: AppTest) -> None:
    assert page.run().caption[-1].value == "Research use only, not for diagnosis."
