"""Attacks on a real ``fl-monitor``: over HTTP, and with the victim's real Chromium."""

import contextlib
import http.client
import http.server
import itertools
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from fl_core.processes import find_free_port
from fl_monitor.routes import COOKIE
from fl_monitor.shield import SECURITY_HEADERS
from fl_monitor.views import VIEWS
from fl_store.accounts import set_role
from fl_store.connect import open_store
from fl_store.rows import EventRow, LoginAttemptRow, SessionRow, SiteAccessRow, UserRow
from fl_store.sqlite import SqliteStore
from fl_store.words import Role, RunState
from tests.attacked_monitor import HOSTILE, NOON, PASSWORD, password_hash
from tests.conftest import Rehearsal, serve_monitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SOON_MS = 10_000
SLOW_MS = 20_000
OTHER_PASSWORD = "battery staple"
NAMES = {"carl": Role.SERVER, "nora": Role.CLIENT, "anna": Role.ANALYST}
Visit = Callable[..., Any]


def write_rows(rehearsal: Rehearsal) -> None:
    """Write a run whose name and events are hostile, and the users."""
    store = rehearsal.store
    for name, role in NAMES.items():
        site = "north" if role is Role.CLIENT else None
        store.put([UserRow(name, password_hash(), role, site, False, NOON, NOON)])
    rehearsal.run = replace(rehearsal.run, name=HOSTILE["script"], reason=HOSTILE["image"])
    rehearsal.start(RunState.RUNNING)
    rehearsal.beat()
    rehearsal.play_round(1)
    store.put([EventRow(text, text, run_id="run-1", user="carl") for text in HOSTILE.values()])
    store.put([SiteAccessRow("north", True, HOSTILE["script"], NOON, HOSTILE["image"])])


@pytest.fixture
def monitor(rehearsal: Rehearsal, run_monitor: Any, free_port: int) -> Iterator[Any]:
    write_rows(rehearsal)
    with run_monitor(free_port) as process:
        yield process


@pytest.fixture
def url(monitor: Any, free_port: int) -> str:
    return f"http://127.0.0.1:{free_port}"


@pytest.fixture(scope="module")
def calm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A monitor like that of ``url``, of which no test changes a row."""
    home, port = tmp_path_factory.mktemp("calm"), find_free_port()
    with contextlib.closing(open_store(home)) as store:
        write_rows(Rehearsal(store))
    with serve_monitor(home, port):
        yield f"http://127.0.0.1:{port}"


def sign_in(visitor: Any, name: str) -> Any:
    tab = visitor.sign_in(name, PASSWORD)
    tab.locator(".fl-board[data-page]").wait_for(timeout=SLOW_MS)
    return tab


def open_page(tab: Any, url: str, page: str) -> None:
    tab.goto(f"{url}/{page}")
    tab.locator(".fl-board[data-page]").wait_for(timeout=SLOW_MS)


def is_login(tab: Any, *, timeout_ms: int = SOON_MS) -> bool:
    tab.get_by_label("Password", exact=True).wait_for(timeout=timeout_ms)
    return tab.locator(".fl-board").count() == 0


def token_of(visitor: Any) -> str:
    return next(cookie["value"] for cookie in visitor.context.cookies() if cookie["name"] == COOKIE)


def words_of_log(process: subprocess.Popen[str]) -> str:
    """End a monitor and return all that it has said."""
    process.kill()
    return "".join(process.communicate())


# Over HTTP


@pytest.mark.parametrize(
    "path", ["//evil.example", "/%2f%2fevil.example", "/\\evil.example", "/live//evil.example"]
)
def test_no_path_redirects_to_another_host(calm_url: str, path: str) -> None:
    _status, location = ask(calm_url, path)
    assert not location.startswith(("//", "http", "/\\"))


@pytest.mark.parametrize(
    "path", ["/", "/admin", "/nowhere.js", "/_stcore/health", "/api/pages/live", "/auth/claim"]
)
def test_every_answer_has_the_security_headers(calm_url: str, path: str) -> None:
    headers = httpx.get(calm_url + path).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


@pytest.mark.parametrize(
    "path", ["/_stcore/upload_file/a/b", "/_stcore/metrics", "/_stcore/agent/interact", "/_stcore/agent/mcp"]
)
def test_what_no_page_of_ours_uses_is_closed(calm_url: str, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        assert httpx.request(method, calm_url + path).status_code == 404


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example", 403),
        ("http://localhost:3000", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
        ("", 101),
    ],
)
def test_socket_of_another_site_is_refused(calm_url: str, origin: str, status: int) -> None:
    headers = {
        "Origin": origin or calm_url,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": "streamlit",
    }
    assert ask(calm_url, "/_stcore/stream", headers)[0] == status


def ask(url: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Send a path just as it is, and return the answer's status and location."""
    host = url.removeprefix("http://")
    with contextlib.closing(http.client.HTTPConnection(host, timeout=10)) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        answer.close()
        return answer.status, answer.getheader("location", "")


# Who sees which page


def test_without_a_session_every_address_is_the_login(calm_url: str, visit: Visit) -> None:
    tab = visit(calm_url).open_tab()
    for page in VIEWS:
        tab.goto(f"{calm_url}/{page}")
        assert is_login(tab, timeout_ms=SLOW_MS)


@pytest.mark.parametrize("name", ["nora", "anna"])
def test_other_roles_get_nothing_of_admin(calm_url: str, visit: Visit, name: str) -> None:
    visitor = visit(calm_url)
    tab = sign_in(visitor, name)
    tab.goto(f"{calm_url}/admin?part=users")
    tab.locator(".fl-board[data-page]").wait_for(timeout=SLOW_MS)
    assert tab.locator(".fl-board").get_attribute("data-page") != "admin"
    assert tab.get_by_text("Add a user").count() == 0
    assert tab.evaluate("fetch('/api/pages/admin').then((reply) => reply.status)") == 403


def test_role_that_is_lost_ends_page_and_route_in_every_tab(
    url: str, visit: Visit, store: SqliteStore
) -> None:
    visitor = visit(url)
    tabs = [sign_in(visitor, "carl"), visitor.open_tab()]
    for tab, page in zip(tabs, ("admin?part=sites", "account"), strict=True):
        open_page(tab, url, page)
    set_role(store, "carl", Role.ANALYST)
    for tab in tabs:
        assert is_login(tab)
        assert tab.evaluate("fetch('/api/pages/admin').then((reply) => reply.status)") == 401


def test_session_that_a_coordinator_ends_is_over_within_a_tick(
    url: str, visit: Visit, store: SqliteStore
) -> None:
    nora = sign_in(visit(url), "nora")
    carl = sign_in(visit(url), "carl")
    open_page(carl, url, "admin?part=sessions")
    carl.get_by_role("combobox", name="Session").click()
    carl.get_by_role("option", name="nora").click()
    carl.get_by_role("button", name="End this session").click()
    assert is_login(nora)
    carl.get_by_text("A session of user 'nora' was ended.").first.wait_for(timeout=SOON_MS)
    assert {row.token_hash for row in store.get(SessionRow)}.isdisjoint(carl.content().split('"'))


# Whose session it is


def test_planted_cookie_is_replaced_at_login(url: str, visit: Visit) -> None:
    visitor = visit(url)
    visitor.context.add_cookies([{"name": COOKIE, "value": "planted", "url": url}])
    sign_in(visitor, "anna")
    assert token_of(visitor) != "planted"
    assert httpx.get(f"{url}/api/pages/live", cookies={COOKIE: "planted"}).status_code == 401


def test_cookie_stolen_before_logout_is_worth_nothing_after(url: str, visit: Visit) -> None:
    visitor = visit(url)
    tab = sign_in(visitor, "anna")
    stolen = {COOKIE: token_of(visitor)}
    assert httpx.get(f"{url}/api/pages/live", cookies=stolen).status_code == 200
    tab.get_by_role("button", name="Sign out").click()
    assert is_login(tab)
    assert httpx.get(f"{url}/api/pages/live", cookies=stolen).status_code == 401


def test_own_password_change_keeps_this_browser_with_another_token(
    url: str, visit: Visit, store: SqliteStore
) -> None:
    elsewhere = sign_in(visit(url), "anna")
    visitor = visit(url)
    tab = sign_in(visitor, "anna")
    before = token_of(visitor)
    open_page(tab, url, "account")
    for label, text in (
        ("Old password", PASSWORD),
        ("New password", OTHER_PASSWORD),
        ("New password again", OTHER_PASSWORD),
    ):
        tab.get_by_label(label, exact=True).fill(text)
    tab.get_by_role("button", name="Change", exact=True).click()
    assert is_login(elsewhere)
    tab.wait_for_timeout(3_000)
    tab.locator(".fl-board[data-page=account]").wait_for(timeout=SLOW_MS)
    assert token_of(visitor) != before
    assert httpx.get(f"{url}/api/pages/live", cookies={COOKIE: before}).status_code == 401
    assert OTHER_PASSWORD not in str([row.text for row in store.get(EventRow)])


# What another site can do with the victim's browser

ATTACK = """<iframe src="{url}" onload="window.framed = true"></iframe><script>
const opened = (address) => new Promise((done) => {{
  const socket = new WebSocket(address);
  socket.onopen = () => done('open');
  socket.onclose = () => done('closed');
}});
const post = (path, options) => fetch('{url}' + path,
  {{ method: 'POST', credentials: 'include', ...options }})
  .then((reply) => reply.status || reply.type, () => 'refused');
window.attack = async () => [
  await post('/auth/logout', {{ mode: 'no-cors' }}),
  await post('/auth/logout', {{ headers: {{ 'x-fedluna': '1' }} }}),
  await fetch('{url}/api/pages/live', {{ credentials: 'include' }})
    .then((reply) => reply.text(), () => 'refused'),
  await opened('{url}/_stcore/stream'.replace('http', 'ws')),
];
</script>"""


@pytest.fixture
def evil_url(url: str) -> Iterator[str]:
    """Another server on this machine, which browsers take for the same site."""
    page = ATTACK.format(url=url).encode()

    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_page_of_another_port_can_neither_frame_nor_act_nor_read(
    url: str, evil_url: str, browser: Any
) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(url)
    tab.get_by_label("User", exact=True).fill("carl")
    tab.get_by_label("Password", exact=True).fill(PASSWORD)
    tab.get_by_role("button", name="Sign in").click()
    tab.locator(".fl-board[data-page]").wait_for(timeout=SLOW_MS)
    evil = context.new_page()
    evil.goto(evil_url)
    assert evil.evaluate("window.attack()") == ["refused", "refused", "refused", "closed"]
    assert all("chrome-error" in frame.url for frame in evil.frames[1:])
    assert tab.evaluate("fetch('/api/pages/live').then((reply) => reply.status)") == 200
    context.close()


# Texts that do harm


def test_hostile_rows_are_text_on_every_page(calm_url: str, visit: Visit) -> None:
    visitor = visit(calm_url)
    tab = sign_in(visitor, "carl")
    dialogs: list[str] = []
    tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for page in [
        *VIEWS,
        "admin?part=sessions",
        "admin?part=sites",
        "activity?kind=<script>alert(1)</script>",
    ]:
        open_page(tab, calm_url, page if page != "live" else "")
        tab.wait_for_timeout(300)
        assert tab.locator(".fl-board img, .fl-board script, img[src=x]").count() == 0
    assert dialogs == []
    open_page(tab, calm_url, "activity")
    assert tab.get_by_text(HOSTILE["script"]).count() > 0


def test_hostile_fields_are_one_sentence_and_no_traceback(
    url: str, visit: Visit, store: SqliteStore, monitor: Any
) -> None:
    tab = sign_in(visit(url), "carl")
    dialogs: list[str] = []
    tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    open_page(tab, url, "admin")
    tab.get_by_text("Add a user").click()
    users = store.get(UserRow)
    for text in (HOSTILE["script"], HOSTILE["markdown"], HOSTILE["sql"], HOSTILE["right-to-left"]):
        tab.get_by_label("User name").fill(text)
        tab.get_by_label("New password", exact=True).first.fill(PASSWORD)
        tab.get_by_role("button", name="Add", exact=True).click()
        tab.get_by_test_id("stAlert").get_by_text("is not accepted").wait_for(timeout=SOON_MS)
        assert tab.get_by_test_id("stAlert").locator("img, script, a").count() == 0
    assert store.get(UserRow) == users
    assert dialogs == []
    assert "Traceback" not in words_of_log(monitor)


def test_hostile_logins_are_one_sentence_and_no_traceback(
    url: str, visit: Visit, store: SqliteStore, monitor: Any
) -> None:
    visitor = visit(url)
    for name, password in (
        (HOSTILE["script"], HOSTILE["sql"]),
        (HOSTILE["long"], HOSTILE["long"]),
        ("carl", HOSTILE["emoji"]),
    ):
        tab = visitor.sign_in(name, password)
        tab.get_by_text("Wrong user name or password.").wait_for(timeout=SOON_MS)
        tab.close()
    assert [(row.user, row.is_accepted) for row in store.get(LoginAttemptRow)] == [
        (None, False),
        (None, False),
        ("carl", False),
    ]
    assert store.get(SessionRow) == []
    log = words_of_log(monitor)
    assert "Traceback" not in log
    assert "alert(1)" not in log


# Guessing passwords


@pytest.mark.soak
def test_guesser_waits_longer_each_time_while_others_sign_in(
    url: str, visit: Visit, store: SqliteStore
) -> None:
    tab = visit(url).open_tab()
    for number in range(6):
        tab.get_by_label("User", exact=True).fill("carl")
        tab.get_by_label("Password", exact=True).fill(f"guess number {number}")
        tab.get_by_role("button", name="Sign in").click()
        wait_for_attempts(store, number + 1)
    attempts = store.get(LoginAttemptRow)
    gaps_s = [(b.attempted_at - a.attempted_at).total_seconds() for a, b in itertools.pairwise(attempts)]
    assert gaps_s[-1] >= 4
    assert gaps_s[-2] >= 2
    tab.get_by_label("Password", exact=True).fill("one more guess")
    tab.get_by_role("button", name="Sign in").click()
    began = time.monotonic()
    sign_in(visit(url), "anna")
    assert time.monotonic() - began < 8
    assert len(store.get(LoginAttemptRow)) == 7


def wait_for_attempts(store: SqliteStore, number: int) -> None:
    deadline = time.monotonic() + 20
    while len(store.get(LoginAttemptRow)) < number and time.monotonic() < deadline:
        time.sleep(0.1)
