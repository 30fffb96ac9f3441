"""The pages Admin and Account as Streamlit runs them, with the cookie of a real session."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from fl_monitor.health import CheckFailedError, Finding
from fl_monitor.pages import admin_watch
from fl_monitor.pages.admin_watch import name_sessions
from fl_monitor.routes import COOKIE
from fl_monitor.service import Service, service_of
from fl_store.accounts import add_user, check_password, find_user, set_disabled, set_role
from fl_store.rows import (
    EventRow,
    LoginAttemptRow,
    SessionRow,
    SiteAccessRow,
    SiteRow,
    UserRow,
    utc_now,
)
from fl_store.sqlite import SqliteStore
from fl_store.words import Role

MONITOR_APP = Path(__file__).parent.parent / "monitor_app.py"
PASSWORD = "correct horse"
OTHER_PASSWORD = "battery staple"
Visit = Callable[..., AppTest]


@pytest.fixture
def cookies(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cookies that the browser in front of the pages has."""
    jar: dict[str, str] = {}

    def read(_context: object) -> Mapping[str, str]:
        return jar

    monkeypatch.setattr("streamlit.runtime.context.ContextProxy.cookies", property(read))
    monkeypatch.setattr("streamlit.runtime.context._get_client_context", lambda: None)
    return jar


@pytest.fixture
def service(store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    add_user(store, "carl", PASSWORD, role=Role.SERVER)
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    store.put([SiteRow("north", "1", 20, 5, utc_now(), utc_now())])
    service_of.cache_clear()
    return service_of(tmp_path)


@pytest.fixture
def visit(service: Service, cookies: dict[str, str]) -> Visit:
    """Open a page as a user who has just signed in."""

    def open_page(page: str, name: str = "carl", **params: str) -> AppTest:
        cookies[COOKIE] = service.sessions.start(find_user(service.store, name), utc_now())
        app = AppTest.from_file(MONITOR_APP, default_timeout=20)
        app.query_params.update(params)
        app._page_hash = calc_hash(page)  # switch_page() knows pages in files only
        return app.run()

    return open_page


def click(app: AppTest, label: str) -> AppTest:
    app = next(each for each in app.button if each.label == label).click().run()
    assert not app.exception
    return app


def field(app: AppTest, label: str, number: int = 0) -> Any:
    return [each for each in (*app.text_input, *app.selectbox, *app.checkbox) if each.label == label][number]


def said(app: AppTest) -> list[str]:
    return [each.value.replace("\\", "") for each in (*app.success, *app.error)]


def test_coordinator_adds_a_user(visit: Visit, service: Service) -> None:
    app = visit("admin")
    field(app, "User name").input(" Ben")
    field(app, "Role").select(Role.ANALYST)
    field(app, "New password").input(PASSWORD)
    assert said(click(app, "Add")) == ["User 'ben' was added as analyst."]
    assert check_password(service.store, "ben", PASSWORD)
    assert field(app, "New password").value == ""


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [
        ("nora", PASSWORD, "exists already"),
        ("<b>", PASSWORD, "accepted"),
        ("ben", "short", "at least 10"),
    ],
)
def test_fault_is_one_sentence_and_changes_nothing(
    visit: Visit, service: Service, name: str, password: str, words: str
) -> None:
    app = visit("admin")
    field(app, "User name").input(name)
    field(app, "Role").select(Role.ANALYST)
    field(app, "New password").input(password)
    (sentence,) = said(click(app, "Add"))
    assert words in sentence
    assert [user.name for user in service.store.get(UserRow)] == ["carl", "nora"]
    assert service.store.get(EventRow) == []


def test_coordinator_changes_role_and_password_and_shuts_out(visit: Visit, service: Service) -> None:
    app = visit("admin")
    field(app, "Change a user").select("nora").run()
    field(app, "Role", 1).select(Role.ANALYST)
    assert said(click(app, "Change role")) == ["User 'nora' is analyst now."]
    field(app, "New password", 1).input(OTHER_PASSWORD)
    assert said(click(app, "Set password")) == ["User 'nora' was given another password."]
    assert said(click(app, "Disable")) == ["User 'nora' was disabled."]
    assert said(click(app, "Let in again")) == ["User 'nora' was enabled."]
    nora = check_password(service.store, "nora", OTHER_PASSWORD)
    assert (nora.role, nora.site) == (Role.ANALYST, None)


def test_last_coordinator_is_shut_out_only_when_it_is_meant(visit: Visit, service: Service) -> None:
    app = visit("admin")
    assert "Nobody else may administer" in app.warning[0].value
    assert said(click(app, "Disable"))[0].startswith("Not done")
    field(app, "Role", 1).select(Role.ANALYST)
    assert said(click(app, "Change role"))[0].startswith("Not done")
    assert find_user(service.store, "carl").role is Role.SERVER
    field(app, "Do it all the same").check().run()
    click(app, "Disable")
    assert find_user(service.store, "carl").is_disabled


def test_coordinator_ends_a_session_and_all_of_a_user(visit: Visit, service: Service) -> None:
    for _ in range(3):
        service.sessions.start(find_user(service.store, "nora"), utc_now())
    app = visit("admin", part="sessions")
    sessions = field(app, "Session")
    sessions.select(next(name for name in sessions.options if name.startswith("nora"))).run()
    assert said(click(app, "End this session")) == ["A session of user 'nora' was ended."]
    sessions = field(app, "Session")
    sessions.select(next(name for name in sessions.options if name.startswith("nora"))).run()
    assert said(click(app, "End all sessions of nora")) == ["All sessions of user 'nora' were ended: 2."]
    assert [row.user for row in service.sessions.list_live(utc_now())] == ["carl"]


def test_sessions_begun_at_once_have_names_of_their_own() -> None:
    now = utc_now()
    rows = [SessionRow(key, "nora", now, now, now) for key in "abc"]
    named = name_sessions(rows)
    assert [row.token_hash for row in named.values()] == ["c", "b", "a"]
    assert list(named)[2].endswith("UTC (3)")


def test_coordinator_shuts_a_site_out(visit: Visit, service: Service) -> None:
    app = visit("admin", part="sites")
    field(app, "Reason").input("old scanner")
    assert said(click(app, "Shut out")) == ["Site 'north' was shut out: old scanner."]
    (row,) = service.store.get(SiteAccessRow)
    assert (row.is_allowed, row.changed_by, row.reason) == (False, "carl", "old scanner")
    click(app, "Let in again")
    assert service.store.get(SiteAccessRow)[0].is_allowed


def test_health_shows_findings(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("disk", "warning", "3 GB free in /x_y.", "Make room.")]
    monkeypatch.setattr(admin_watch, "check_coordinator", lambda: found)
    app = click(visit("admin", part="health"), "Check the coordinator now")
    assert app.table[0].value.values.tolist() == [["disk", "warning", r"3 GB free in \/x\_y\. Make room\."]]


def test_health_that_cannot_be_had_is_one_sentence(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[Finding]:
        raise CheckFailedError("The check was not done after 60 s.")

    monkeypatch.setattr(admin_watch, "check_coordinator", fail)
    app = click(visit("admin", part="health"), "Check the coordinator now")
    assert said(app) == ["The check was not done after 60 s."]


def test_health_is_seen_on_the_coordinators_machine_only(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_watch, "is_coordinators", lambda _store: False)
    app = visit("admin", part="health")
    assert "fl-server doctor" in app.info[0].value
    assert all(each.label != "Check the coordinator now" for each in app.button)


@pytest.mark.parametrize("deed", ["Add", "Change role", "Set password", "Disable"])
def test_click_after_the_role_was_lost_does_nothing(visit: Visit, service: Service, deed: str) -> None:
    """The page is open with its buttons; the role is looked up when one is clicked."""
    app = visit("admin")
    field(app, "User name").input("mallory")
    set_role(service.store, "carl", Role.ANALYST)
    before = service.store.get(UserRow)
    click(app, deed)
    assert service.store.get(UserRow) == before
    assert service.store.get(EventRow) == []
    assert not app.selectbox


def test_click_of_a_user_who_was_disabled_does_nothing(visit: Visit, service: Service) -> None:
    app = visit("admin", part="sites")
    set_disabled(service.store, "carl", is_disabled=True)
    click(app, "Shut out")
    assert service.store.get(SiteAccessRow) == []


@pytest.mark.parametrize("page", ["admin", "admin?part=users", "../admin"])
def test_other_roles_get_no_admin_page(visit: Visit, page: str) -> None:
    app = visit(page, "nora")
    assert not app.exception
    assert [each.label for each in app.button] == ["中文", "Sign out"]


def change_password(app: AppTest, old: str, new: str, again: str) -> AppTest:
    for label, text in (("Old password", old), ("New password", new), ("New password again", again)):
        field(app, label).input(text)
    return click(app, "Change")


def test_own_password_is_changed_and_only_this_browser_stays_signed_in(
    visit: Visit, service: Service, cookies: dict[str, str]
) -> None:
    elsewhere = service.sessions.start(find_user(service.store, "nora"), utc_now())
    app = change_password(visit("account", "nora"), PASSWORD, OTHER_PASSWORD, OTHER_PASSWORD)
    assert said(app) == []
    assert check_password(service.store, "nora", OTHER_PASSWORD)
    for token in (elsewhere, cookies[COOKIE]):
        assert service.sessions.find_user(token, utc_now()) is None
    (new,) = service.sessions.list_live(utc_now())
    assert new.user == "nora"
    assert [event.kind for event in service.store.get(EventRow)] == ["account"]


@pytest.mark.parametrize(
    ("old", "new", "again", "words"),
    [
        ("wrong password", OTHER_PASSWORD, OTHER_PASSWORD, "The old password is wrong."),
        (PASSWORD, OTHER_PASSWORD, PASSWORD, "The two new passwords differ."),
        (PASSWORD, "short", "short", "at least 10"),
    ],
)
def test_own_password_stays_when_something_is_wrong(
    visit: Visit, service: Service, old: str, new: str, again: str, words: str
) -> None:
    (sentence,) = said(change_password(visit("account", "nora"), old, new, again))
    assert words in sentence
    assert check_password(service.store, "nora", PASSWORD)


def test_guessing_the_old_password_is_delayed_and_written_down(
    visit: Visit, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sits down at somebody's open page guesses no faster than at the login."""
    waited: list[int] = []
    app = visit("account", "nora")
    monkeypatch.setattr("fl_monitor.pages.account.time", SimpleNamespace(sleep=waited.append))
    for _ in range(5):
        change_password(app, "wrong password", OTHER_PASSWORD, OTHER_PASSWORD)
    assert waited == [0, 0, 0, 1, 2]
    assert [row.user for row in service.store.get(LoginAttemptRow)] == ["nora"] * 5
