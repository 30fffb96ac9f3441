"""A monitor's routes behind its shield, with a user of each role, and what attackers do to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from fl_monitor.routes import COOKIE, make_routes
from fl_monitor.service import Service, make_service
from fl_monitor.shield import Shield
from fl_store.accounts import find_user, hash_password
from fl_store.rows import UserRow, utc_now
from fl_store.schema import TABLES
from fl_store.sqlite import SqliteStore
from fl_store.words import Role
from tests.asgi_visitor import AsgiVisitor

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PASSWORD = "correct horse"
ORIGIN = "http://monitor"
SITES = {Role.CLIENT: "north"}

HOSTILE = {
    "script": "<script>alert(1)</script>",
    "image": '"><img src=x onerror=alert(1)>',
    "formula": "=cmd|' /C calc'!A0",
    "path": "../../etc/passwd",
    "sql": "'; DROP TABLE users; --",
    "long": "a" * 10_000,
    "right-to-left": "\u202egpj.exe",
    "emoji": "👩🏽‍⚕️" * 20,
    "markdown": "![x](http://evil.example/x.png) :red[x] $x$",
    "template": "{0.__class__} {name} %s %(x)s ${x}",
    "nul": "anna\x00",
    "lines": "anna\r\nSet-Cookie: x=1",
}
"""Texts that do harm where they are not taken as text."""


@cache
def password_hash() -> str:
    return hash_password(PASSWORD, name="anybody")


@contextmanager
def run_service(store: SqliteStore) -> Iterator[Service]:
    """Run a monitor with the users user-server, user-client and user-analyst."""
    for role in Role:
        user = UserRow(f"user-{role}", password_hash(), role, SITES.get(role), False, NOON, NOON)
        store.put([user])
    service = make_service(store, store.path.parent)
    yield service
    service.poller.stop()


def make_visitor(service: Service) -> AsgiVisitor:
    """Stand in front of our routes and of what Streamlit has beside them."""

    async def open_socket(socket: WebSocket) -> None:
        await socket.accept()

    def page(_request: object) -> PlainTextResponse:
        return PlainTextResponse("a page of Streamlit")

    theirs = [
        WebSocketRoute("/_stcore/stream", open_socket),
        Route("/_stcore/upload_file/{name}", page, methods=["PUT"]),
        Route("/", page),
    ]
    app = Starlette(routes=[*make_routes(service), *theirs], middleware=[Middleware(Shield)])
    return AsgiVisitor(app, ORIGIN)


def sign_in(client: AsgiVisitor, service: Service, role: Role = Role.ANALYST) -> str:
    """Give a visitor the cookie of a new session, and return its token."""
    token = service.sessions.start(find_user(service.store, f"user-{role}"), utc_now())
    client.cookies.set(COOKIE, token)
    return token


def all_rows(store: SqliteStore) -> list[object]:
    return [row for row_type in TABLES for row in store.get(row_type)]
