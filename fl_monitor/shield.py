"""What stands before every route, ours and Streamlit's: who may ask, and what a browser must not do.

It refuses what other sites have a browser send here. A cookie of ours is ``SameSite=Strict``, but a browser
takes another port of this machine, or another host of the hospital's domain, for the same site.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED = ("/_stcore/upload_file", "/_stcore/metrics", "/_stcore/agent")
"""Parts of Streamlit that no page of ours uses: uploads into memory, figures for everybody, and agents."""
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SCRIPT_SOURCES = "'self' 'unsafe-inline' blob:"
"""Streamlit writes its own scripts into the page; ours come the same way."""

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy": "; ".join(
        (
            "default-src 'self'",
            f"script-src {SCRIPT_SOURCES}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
}


class Shield:
    """Middleware that refuses foreign requests and closed routes, and adds headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "websocket" and is_foreign(Headers(scope=scope)):
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http":
            status = _refusal_of(scope)
            answer = Response(status_code=status) if status else self._app
            await answer(scope, receive, _with_headers(send))
        else:
            await self._app(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Say whether another site had a browser send this.

    Browsers say so where there is TLS or loopback; elsewhere the origin tells, if there is one.
    """
    if site := headers.get("sec-fetch-site"):
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _refusal_of(scope: Scope) -> int | None:
    """Return the status of a request that is refused; a link from elsewhere may lead to a page of ours."""
    path: str = scope["path"]
    if path.startswith(CLOSED):
        return 404
    is_link = scope["method"] in SAFE_METHODS and not path.startswith("/api/")
    return 403 if not is_link and is_foreign(Headers(scope=scope)) else None


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers
