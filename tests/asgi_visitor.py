"""A browser's side of an application: HTTP with cookies, and the opening of a WebSocket."""

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


class AsgiVisitor:
    """Asks an application without a server between; it keeps cookies from one request to the next."""

    def __init__(self, app: Starlette, base_url: str) -> None:
        self.app = app
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=base_url)

    @property
    def cookies(self) -> httpx.Cookies:
        return self._http.cookies

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._http.request(method, path, **options))

    def open_socket(self, path: str, headers: dict[str, str]) -> str:
        """Return the application's first word: websocket.accept, or websocket.close."""
        said: list[str] = []
        scope = {
            "type": "websocket",
            "path": path,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "query_string": b"",
            "subprotocols": [],
        }

        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            said.append(message["type"])

        asyncio.run(self.app(scope, receive, send))
        return said[0]
