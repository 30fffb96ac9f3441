from collections.abc import Iterator

import pytest

from fl_monitor.routes import OWN_HEADER
from fl_monitor.service import Service
from fl_monitor.shield import SECURITY_HEADERS
from fl_store.rows import utc_now
from fl_store.sqlite import SqliteStore
from fl_store.words import Role
from tests.asgi_visitor import AsgiVisitor
from tests.attacked_monitor import ORIGIN, make_visitor, run_service, sign_in

POSTS = ["/auth/claim", "/auth/logout", "/language"]
FOREIGN = [
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://monitor:8080"},
    {"origin": "http://monitor.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": "http://other.hospital.example"},
    {"sec-fetch-site": "cross-site", "origin": ORIGIN},
]
FORM_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]


@pytest.fixture
def service(store: SqliteStore) -> Iterator[Service]:
    with run_service(store) as running:
        yield running


@pytest.fixture
def client(service: Service) -> AsgiVisitor:
    return make_visitor(service)


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_post_of_another_site_is_refused(
    client: AsgiVisitor, service: Service, path: str, headers: dict[str, str]
) -> None:
    sign_in(client, service)
    word = service.tickets.issue("their-token", utc_now()) if path == "/auth/claim" else "zh"
    answer = client.post(path, headers={OWN_HEADER: word, **headers})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert client.get("/api/pages/live").status_code == 200


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("content_type", FORM_TYPES)
def test_form_of_another_site_is_refused(
    client: AsgiVisitor, service: Service, path: str, content_type: str
) -> None:
    """An old browser says nothing of where it comes from; a form cannot add our header."""
    sign_in(client, service)
    answer = client.post(path, content=f"{OWN_HEADER}=zh", headers={"content-type": content_type})
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert client.get("/api/pages/live").status_code == 200


@pytest.mark.parametrize("headers", [{"origin": ORIGIN}, {"sec-fetch-site": "same-origin"}, {}], ids=str)
def test_own_page_may_post(client: AsgiVisitor, service: Service, headers: dict[str, str]) -> None:
    sign_in(client, service)
    assert client.post("/language", headers={OWN_HEADER: "en", **headers}).status_code == 204


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", POSTS)
def test_post_routes_take_no_other_method(client: AsgiVisitor, path: str, method: str) -> None:
    assert client.request(method, path, headers={OWN_HEADER: "zh"}).status_code == 405


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_feed_is_not_for_other_sites(client: AsgiVisitor, service: Service, headers: dict[str, str]) -> None:
    sign_in(client, service)
    assert client.get("/api/pages/live", headers=headers).status_code == 403


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_socket_of_another_site_is_refused(client: AsgiVisitor, headers: dict[str, str]) -> None:
    """Streamlit lets in what comes from any port of this machine, and asks the internet about others."""
    assert client.open_socket("/_stcore/stream", {"host": "monitor", **headers}) == "websocket.close"


def test_socket_of_our_own_page_is_let_in(client: AsgiVisitor) -> None:
    headers = {"origin": ORIGIN, "host": "monitor"}
    assert client.open_socket("/_stcore/stream", headers) == "websocket.accept"


def test_link_from_elsewhere_leads_to_a_page(client: AsgiVisitor) -> None:
    assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_streamlits_upload_into_memory_is_closed(client: AsgiVisitor) -> None:
    assert client.request("PUT", "/_stcore/upload_file/x", content=b"x").status_code == 404


@pytest.mark.parametrize("path", ["/", "/api/pages/live", "/api/pages/nowhere", "/auth/claim", "/nowhere"])
@pytest.mark.parametrize("role", [None, Role.SERVER])
def test_every_answer_has_the_security_headers(
    client: AsgiVisitor, service: Service, path: str, role: Role | None
) -> None:
    if role:
        sign_in(client, service, role)
    headers = client.get(path).headers
    assert {name: headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_page_can_neither_be_framed_nor_call_outside() -> None:
    policy = SECURITY_HEADERS["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy
