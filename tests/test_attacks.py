"""Attacks on the login, the sessions and the routes; each test says what the attacker does not get."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest

from fl_monitor.auth import IDLE_LIMIT, SESSION_LIMIT
from fl_monitor.login import Login
from fl_monitor.routes import COOKIE, OWN_HEADER
from fl_monitor.service import Service, make_service
from fl_monitor.throttle import FREE_FAILURES, MOST_WAITING
from fl_monitor.views import VIEWS
from fl_store.accounts import set_password, set_role
from fl_store.rows import AuditRow, LoginAttemptRow, SessionRow, UserRow, utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role
from tests.asgi_visitor import AsgiVisitor
from tests.attacked_monitor import HOSTILE, NOON, PASSWORD, all_rows, make_visitor, run_service, sign_in

ADDRESS = "10.0.0.9"


@pytest.fixture
def service(store: SqliteStore) -> Iterator[Service]:
    with run_service(store) as running:
        yield running


@pytest.fixture
def client(service: Service) -> AsgiVisitor:
    return make_visitor(service)


# Guessing passwords


def guesses_in(login: Login, hours: int, names: list[str], addresses: list[str]) -> int:
    """Return how often somebody guesses in so many hours who never stops."""
    now, number = NOON, 0
    while now < NOON + timedelta(hours=hours):
        delay_s = login.delay_s(names[number % len(names)], addresses[number % len(addresses)], now)
        now += timedelta(seconds=delay_s, milliseconds=250)
        number += 1
    return number


def test_one_address_guesses_twice_a_minute_at_one_account(service: Service) -> None:
    assert guesses_in(service.login, 1, ["user-server"], [ADDRESS]) < 130


def test_one_address_guesses_twice_a_minute_at_a_thousand_accounts(service: Service) -> None:
    names = [f"name-{number}" for number in range(1000)]
    assert guesses_in(service.login, 1, names, [ADDRESS]) < 130


def test_thousand_addresses_guess_twice_a_minute_at_one_account(service: Service) -> None:
    addresses = [f"10.0.{number // 250}.{number % 250}" for number in range(1000)]
    assert guesses_in(service.login, 1, ["user-server"], addresses) < 130


def test_network_of_ipv6_is_one_address(service: Service) -> None:
    addresses = [f"2001:db8::{number:x}" for number in range(1000)]
    names = [f"name-{number}" for number in range(1000)]
    assert guesses_in(service.login, 1, names, addresses) < 130


def test_attempts_at_once_are_few_and_wait(service: Service) -> None:
    """A hundred connections send their guess in the same moment."""
    delays: list[int] = []
    ready, done = threading.Barrier(100), threading.Event()

    def attack() -> None:
        ready.wait()
        with service.login.in_line("user-server", ADDRESS) as has_place:
            if has_place:
                delays.append(service.login.delay_s("user-server", ADDRESS, NOON))
                done.wait(10)

    threads = [threading.Thread(target=attack) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads[: 100 - MOST_WAITING]:
        thread.join(0.02)
    done.set()
    for thread in threads:
        thread.join()
    assert len(delays) == MOST_WAITING
    assert sum(delay == 0 for delay in delays) == FREE_FAILURES


def test_restart_gives_no_free_attempts(service: Service) -> None:
    for _ in range(6):
        service.login.delay_s("user-server", ADDRESS, utc_now())
        service.login.check("user-server", "wrong password", ADDRESS, utc_now())
    again = make_service(service.store).login
    assert again.delay_s("user-server", ADDRESS, utc_now()) == 8
    assert again.delay_s("user-server", "10.0.0.1", utc_now()) > 0


@pytest.mark.parametrize("when", ["at once", "after a restart"])
def test_delay_does_not_tell_which_names_exist(service: Service, when: str) -> None:
    for name in ("user-server", "no-such-user"):
        for number in range(5):
            service.login.delay_s(name, f"10.0.0.{number}", utc_now())
            service.login.check(name, "wrong password", f"10.0.0.{number}", utc_now())
    login = service.login if when == "at once" else make_service(service.store).login
    delays = [login.delay_s(name, f"10.1.1.{name}", utc_now()) for name in ("user-server", "no-such-user")]
    assert delays[0] == delays[1] > 0


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("field", ["name", "password"])
def test_hostile_login_is_refused_and_written_down_without_its_text(
    service: Service, name: str, field: str
) -> None:
    before = [row for row in all_rows(service.store) if not isinstance(row, LoginAttemptRow | AuditRow)]
    typed = {"name": "user-server", "password": PASSWORD, field: name}
    assert service.login.check(typed["name"], typed["password"], ADDRESS, utc_now()) is None
    (attempt,) = service.store.get(LoginAttemptRow)
    assert not attempt.is_accepted
    assert name not in str(attempt) + service.store.get(AuditRow)[-1].document
    after = [row for row in all_rows(service.store) if not isinstance(row, LoginAttemptRow | AuditRow)]
    assert after == before


# Taking over sessions


def test_planted_cookie_is_not_taken_over_at_login(client: AsgiVisitor, service: Service) -> None:
    client.cookies.set(COOKIE, "planted")
    token = service.login.check("user-analyst", PASSWORD, ADDRESS, utc_now())
    ticket = service.tickets.issue(token, utc_now())
    client.post("/auth/claim", headers={OWN_HEADER: ticket})
    assert service.sessions.find_user("planted", utc_now()) is None
    assert token != "planted"
    assert len(token) >= 43


def test_attackers_own_session_does_not_become_the_victims(client: AsgiVisitor, service: Service) -> None:
    planted = sign_in(client, service, Role.CLIENT)
    token = service.login.check("user-server", PASSWORD, ADDRESS, utc_now())
    client.post("/auth/claim", headers={OWN_HEADER: service.tickets.issue(token, utc_now())})
    assert service.sessions.find_user(planted, utc_now()).name == "user-client"


def test_seen_ticket_is_worth_nothing_once_it_is_used(client: AsgiVisitor, service: Service) -> None:
    ticket = service.tickets.issue("token", utc_now())
    assert client.post("/auth/claim", headers={OWN_HEADER: ticket}).status_code == 204
    assert client.post("/auth/claim", headers={OWN_HEADER: ticket}).status_code == 403


def test_hash_in_the_store_is_no_token(client: AsgiVisitor, service: Service) -> None:
    sign_in(client, service)
    client.cookies.set(COOKIE, service.store.get(SessionRow)[0].token_hash)
    assert client.get("/api/pages/live").status_code == 401


def log_out(client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.post("/auth/logout", headers={OWN_HEADER: "1"}).status_code == 204


def change_password(client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_password(service.store, "user-analyst", "battery staple")


def lose_role(client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    set_role(service.store, "user-analyst", Role.CLIENT, "north")


def rest_too_long(client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    later = utc_now() + IDLE_LIMIT
    monkeypatch.setattr("fl_monitor.routes.utc_now", lambda: later)


def be_ended_by_a_coordinator(client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    service.sessions.end_rows(service.sessions.list_live(utc_now()), utc_now())


@pytest.mark.parametrize(
    "end", [log_out, change_password, lose_role, rest_too_long, be_ended_by_a_coordinator]
)
def test_stolen_cookie_is_worth_nothing_after_the_session(
    client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch, end: object
) -> None:
    token = sign_in(client, service)
    assert client.get("/api/pages/live").status_code == 200
    end(client, service, monkeypatch)
    client.cookies.set(COOKIE, token)
    for path in (*(f"/api/pages/{page}" for page in VIEWS), "/api/pages/live?active=1"):
        assert client.get(path).status_code == 401


def test_stolen_cookie_cannot_be_kept_alive_beyond_twelve_hours(
    client: AsgiVisitor, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, service)
    begun = utc_now()
    for minutes in range(0, 12 * 60, 25):
        monkeypatch.setattr("fl_monitor.routes.utc_now", lambda m=minutes: begun + timedelta(minutes=m))
        assert client.get("/api/pages/live?active=1").status_code == 200
    monkeypatch.setattr("fl_monitor.routes.utc_now", lambda: begun + SESSION_LIMIT)
    assert client.get("/api/pages/live?active=1").status_code == 401


def test_being_polled_keeps_no_session_alive(client: AsgiVisitor, service: Service) -> None:
    sign_in(client, service)
    before = service.store.get(SessionRow)
    for _ in range(5):
        client.get("/api/pages/live")
    assert service.store.get(SessionRow) == before


# Reaching what is not one's own


@pytest.mark.parametrize("page", VIEWS)
@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_gets_its_pages_only(
    client: AsgiVisitor, service: Service, role: Role | None, page: str
) -> None:
    if role:
        sign_in(client, service, role)
    expected = 401 if role is None else 200 if role in VIEWS[page].roles else 403
    answer = client.get(f"/api/pages/{page}")
    assert answer.status_code == expected
    assert expected == 200 or answer.content == b""


def test_admin_page_is_for_coordinators_alone() -> None:
    assert VIEWS["admin"].roles == {Role.SERVER}


@pytest.mark.parametrize("part", ["users", "sessions", "sites"])
def test_no_hash_is_sent_to_a_coordinator(client: AsgiVisitor, service: Service, part: str) -> None:
    token = sign_in(client, service, Role.SERVER)
    text = client.get(f"/api/pages/admin?p_part={part}").text
    assert "$2b$" not in text
    assert token not in text
    assert service.store.get(SessionRow)[0].token_hash not in text


# Texts that do harm


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("page", VIEWS)
def test_hostile_parameters_do_no_harm(client: AsgiVisitor, service: Service, page: str, text: str) -> None:
    sign_in(client, service, Role.SERVER)
    before = all_rows(service.store)
    names = ("p_run", "p_kind", "p_part", "known")
    answer = client.get(f"/api/pages/{page}", params=dict.fromkeys(names, text))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert [row for row in before if row not in all_rows(service.store)] == []


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_page_names_and_headers_are_refused(client: AsgiVisitor, service: Service, text: str) -> None:
    sign_in(client, service)
    header = text.encode("utf-8").replace(b"\x00", b"").replace(b"\r\n", b"")
    users = service.store.get(UserRow)
    for path in ("/auth/claim", "/language"):
        assert client.post(path, headers={OWN_HEADER: header}).status_code == 403
    assert client.get(f"/api/pages/{quote(text, safe='')}").status_code in {403, 404}
    client.cookies.clear()
    cookie = f"{COOKIE}=".encode() + header
    assert client.get("/api/pages/live", headers={"cookie": cookie}).status_code == 401
    assert service.store.get(UserRow) == users
