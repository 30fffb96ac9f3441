import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from fl_monitor.assets import PLOTLY_PATH
from fl_monitor.routes import COOKIE, OWN_HEADER, make_routes
from fl_monitor.service import Service, make_service
from fl_monitor.views import VIEWS
from fl_store.accounts import add_user, find_user
from fl_store.rows import SessionRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role


class Visitor:
    """A browser's side of HTTP: it keeps cookies between requests to the app."""

    def __init__(self, app: Starlette, base_url: str = "http://monitor") -> None:
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base_url)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self.http.get(path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self.http.post(path, **options))


@pytest.fixture
def service(store: SqliteStore) -> Iterator[Service]:
    made = make_service(store)
    yield made
    made.poller.stop()


@pytest.fixture
def client(service: Service) -> Visitor:
    return Visitor(Starlette(routes=make_routes(service)))


def sign_in(client: Visitor, service: Service, *, role: Role = Role.ANALYST, site: str | None = None) -> None:
    user = add_user(service.store, "anna", "correct horse", role=role, site=site)
    client.http.cookies.set(COOKIE, service.sessions.start(user, utc_now()))


@pytest.mark.parametrize("path", ["/api/pages/live", PLOTLY_PATH])
def test_without_a_session_a_route_answers_401(client: Visitor, path: str) -> None:
    assert client.get(path).status_code == 401
    client.http.cookies.set(COOKIE, "made-up")
    assert client.get(path).status_code == 401


def test_ticket_becomes_a_cookie_that_scripts_cannot_read(client: Visitor, service: Service) -> None:
    ticket = service.tickets.issue("the-token", utc_now())
    response = client.post("/auth/claim", headers={OWN_HEADER: ticket})
    cookie = response.headers["set-cookie"]
    assert response.status_code == 204
    assert cookie.startswith(f"{COOKIE}=the-token; HttpOnly; Max-Age=43200; Path=/; SameSite=strict")


def test_cookie_is_for_tls_only_where_there_is_tls(service: Service) -> None:
    client = Visitor(Starlette(routes=make_routes(service)), base_url="https://monitor")
    ticket = service.tickets.issue("the-token", utc_now())
    response = client.post("/auth/claim", headers={OWN_HEADER: ticket})
    assert response.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("headers", [{}, {OWN_HEADER: "made-up"}])
def test_claim_without_a_ticket_is_refused(client: Visitor, headers: dict[str, str]) -> None:
    response = client.post("/auth/claim", headers=headers)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


def test_live_feed_answers_204_when_nothing_is_new(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    first = client.get("/api/pages/live")
    assert first.status_code == 200
    again = client.get("/api/pages/live", params={"known": first.json()["version"]})
    assert (again.status_code, again.content) == (204, b"")
    assert float(again.headers["x-data-age-s"]) < 5
    assert again.headers["cache-control"] == "no-store"


def test_feed_tells_the_time_by_the_coordinators_clock(
    client: Visitor, service: Service, rehearsal: Any
) -> None:
    ahead = timedelta(hours=1)
    rehearsal.beat(utc_now() + ahead)
    sign_in(client, service)
    headers = client.get("/api/pages/live").headers
    told = datetime.fromisoformat(headers["x-coordinator-time"])
    assert abs(told - utc_now() - ahead) < timedelta(seconds=5)
    assert float(headers["x-data-age-s"]) < 5


def test_poll_does_not_prolong_the_session_but_activity_does(
    client: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, service)
    (session,) = service.store.get(SessionRow)
    later = session.seen_at + timedelta(minutes=5)
    monkeypatch.setattr("fl_monitor.routes.utc_now", lambda: later)
    client.get("/api/pages/live")
    assert service.store.get(SessionRow)[0].seen_at == session.seen_at
    client.get("/api/pages/live", params={"active": "1"})
    assert service.store.get(SessionRow)[0].seen_at == later


def test_locked_store_is_read_on_and_prolongs_no_session(
    client: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    sign_in(client, service)
    locked = make_service(request.getfixturevalue("locked_store"))
    later = utc_now() + timedelta(minutes=5)
    monkeypatch.setattr("fl_monitor.routes.utc_now", lambda: later)
    visitor = Visitor(Starlette(routes=make_routes(locked)))
    visitor.http.cookies = client.http.cookies
    assert visitor.get("/api/pages/live", params={"active": "1"}).status_code == 200
    assert service.store.get(SessionRow)[0].seen_at < later
    locked.poller.stop()


def test_clock_that_jumps_back_shows_the_same_page(
    client: Visitor, service: Service, monkeypatch: pytest.MonkeyPatch, rehearsal: Any
) -> None:
    rehearsal.play_into_the_third_round()
    sign_in(client, service)
    before = client.get("/api/pages/live")
    monkeypatch.setattr("fl_monitor.routes.utc_now", lambda: utc_now() - timedelta(hours=2))
    after = client.get("/api/pages/live")
    assert (before.status_code, after.status_code) == (200, 200)
    assert after.json() == before.json()


def test_logout_ends_the_session_on_every_route(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    token = client.http.cookies[COOKIE]
    assert client.post("/auth/logout", headers={OWN_HEADER: "1"}).status_code == 204
    client.http.cookies.set(COOKIE, token)
    assert client.get("/api/pages/live").status_code == 401


def test_logout_from_another_site_is_refused(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    assert client.post("/auth/logout").status_code == 403
    assert client.get("/api/pages/live").status_code == 200


def test_disabled_user_is_out_at_the_next_poll(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    assert client.get("/api/pages/live").status_code == 200
    service.store.put([replace(find_user(service.store, "anna"), is_disabled=True)])
    assert client.get("/api/pages/live").status_code == 401


def test_client_role_receives_no_other_site(client: Visitor, service: Service, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.beat()
    rehearsal.play_round(1)
    sign_in(client, service, role=Role.CLIENT, site="north")
    text = client.get("/api/pages/live").text
    assert "north" in text
    assert "Other site 2" in text
    assert "south" not in text
    assert "east" not in text


def test_lost_store_is_503_and_logs_nobody_out(client: Visitor, service: Service, tmp_path: Any) -> None:
    sign_in(client, service)
    service.store.close()
    for path in tmp_path.glob("fedluna.db*"):
        path.unlink()
    (tmp_path / "fedluna.db").write_bytes(b"not a database" * 400)
    assert client.get("/api/pages/live").status_code == 503


def test_plotly_comes_from_the_installed_package(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    response = client.get(PLOTLY_PATH)
    assert response.status_code == 200
    assert b"plotly.js v" in response.content[:200]
    assert "private" in response.headers["cache-control"]


def test_unknown_page_is_404_and_one_for_another_role_403(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    assert client.get("/api/pages/made-up").status_code == 404
    assert client.get("/api/pages/admin").status_code == 403


@pytest.mark.parametrize("page", VIEWS)
@pytest.mark.parametrize("role", Role)
def test_each_page_answers_the_roles_it_is_for(
    client: Visitor, service: Service, page: str, role: Role
) -> None:
    sign_in(client, service, role=role, site="north" if role is Role.CLIENT else None)
    is_open = role in VIEWS[page].roles
    assert client.get(f"/api/pages/{page}").status_code == (200 if is_open else 403)


def test_page_comes_in_the_language_of_the_browser(client: Visitor, service: Service) -> None:
    sign_in(client, service)
    chinese = client.get("/api/pages/live", headers={"accept-language": "zh-CN,zh;q=0.9"})
    assert chinese.json()["header"]["title"] == "尚无运行"


def test_language_is_kept_in_a_cookie(client: Visitor) -> None:
    response = client.post("/language", headers={OWN_HEADER: "zh"})
    assert response.status_code == 204
    assert response.headers["set-cookie"].startswith("fedluna_language=zh; HttpOnly; Max-Age=31536000;")
    assert client.post("/language", headers={OWN_HEADER: "<script>"}).status_code == 403
    assert client.post("/language").status_code == 403


def test_run_in_the_address_is_shown_instead_of_the_newest(
    client: Visitor, service: Service, rehearsal: Any
) -> None:
    rehearsal.start()
    sign_in(client, service)
    assert client.get("/api/pages/rounds", params={"p_run": "run-1"}).status_code == 200
    assert client.get("/api/pages/rounds", params={"p_run": "gone"}).status_code == 200
