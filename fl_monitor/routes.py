"""Our own HTTP routes beside Streamlit's pages: the cookies, the feed of the pages and plotly.js.

They are plain functions, which Starlette runs in threads, so that a slow store does not stop the others.
"""

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from fl_core.errors import StoreError
from fl_monitor.assets import PLOTLY_PATH, plotly_script
from fl_monitor.auth import SESSION_LIMIT
from fl_monitor.export_routes import export_replies
from fl_monitor.language import COOKIE as LANGUAGE_COOKIE
from fl_monitor.language import LANGUAGES
from fl_monitor.model_routes import model_replies
from fl_monitor.replies import NO_STORE, Reply, language_of, read_params
from fl_monitor.scan_intake import Take, scan_takes
from fl_monitor.scan_routes import scan_replies
from fl_monitor.service import Service
from fl_monitor.viewer import Query, Viewer
from fl_monitor.views import VIEWS
from fl_store.rows import UserRow, utc_now

COOKIE = "fedluna_session"
OWN_HEADER = "x-fedluna"
"""Sent by our scripts only: another site's form cannot add it."""
LANGUAGE_KEPT_S = 365 * 24 * 3600


def make_routes(service: Service) -> list[Route]:
    """Return the routes of a monitor."""
    downloads = {**export_replies(service), **model_replies(service), **scan_replies(service)}
    return [
        Route("/auth/claim", _claim_route(service), methods=["POST"]),
        Route("/auth/logout", _logout_route(service), methods=["POST"]),
        Route("/language", _choose_language, methods=["POST"]),
        Route("/api/pages/{page}", _for_users(service, _page_reply(service))),
        Route(PLOTLY_PATH, _for_users(service, _plotly_reply)),
        *(Route(path, _for_users(service, reply)) for path, reply in downloads.items()),
        *(
            Route(path, _by_users(service, take), methods=[method])
            for path, method, take in scan_takes(service)
        ),
    ]


def _for_users(service: Service, reply: Reply) -> Callable[[Request], Response]:
    """Let a route answer users with a live session; all others get 401, and a lost store is 503."""

    def endpoint(request: Request) -> Response:
        try:
            user = service.sessions.find_user(request.cookies.get(COOKIE), utc_now())
            return reply(request, user) if user else Response(status_code=401, headers=NO_STORE)
        except StoreError:
            return Response(status_code=503, headers=NO_STORE)

    return endpoint


def _by_users(service: Service, take: Take) -> Callable[[Request], Awaitable[Response]]:
    """Let users with a live session do something, by a script of ours; what they do prolongs the session."""

    def find_user(request: Request) -> UserRow | None:
        user = service.sessions.find_user(request.cookies.get(COOKIE), utc_now())
        if user:
            service.sessions.touch(request.cookies[COOKIE], utc_now())
        return user

    async def endpoint(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return Response(status_code=403, headers=NO_STORE)
        try:
            user = await run_in_threadpool(find_user, request)
            return await take(request, user) if user else Response(status_code=401, headers=NO_STORE)
        except StoreError:
            return Response(status_code=503, headers=NO_STORE)

    return endpoint


def _page_reply(service: Service) -> Reply:
    def reply(request: Request, user: UserRow) -> Response:
        if "active" in request.query_params:
            service.sessions.touch(request.cookies[COOKIE], utc_now())
        view = VIEWS.get(request.path_params["page"])
        if view is None:
            return Response(status_code=404, headers=NO_STORE)
        if user.role not in view.roles:
            return Response(status_code=403, headers=NO_STORE)
        query = _read_query(request, user)
        snapshot = service.poller.latest(view.needs)
        if snapshot is None:
            return Response(status_code=503, headers=NO_STORE)
        now = utc_now()
        headers = NO_STORE | {
            "x-coordinator-time": (now + snapshot.clock_ahead).isoformat(),
            "x-data-age-s": f"{(now - snapshot.read_at).total_seconds():.1f}",
        }
        runs = service.library.choose(query.params)
        packed = service.feed.answer(snapshot, runs, query, request.query_params.get("known", ""))
        if packed is None:
            return Response(status_code=204, headers=headers)
        headers["content-encoding"] = "gzip"  # which every browser takes
        return Response(packed, media_type="application/json", headers=headers)

    return reply


def _read_query(request: Request, user: UserRow) -> Query:
    """Return what a browser asks for."""
    return Query(request.path_params["page"], Viewer.of(user), language_of(request), read_params(request))


def _choose_language(request: Request) -> Response:
    """Keep the language that somebody chose in a cookie, for a year."""
    language = request.headers.get(OWN_HEADER, "")
    if language not in LANGUAGES:
        return Response(status_code=403, headers=NO_STORE)
    response = Response(status_code=204, headers=NO_STORE)
    response.set_cookie(LANGUAGE_COOKIE, language, max_age=LANGUAGE_KEPT_S, httponly=True, samesite="strict")
    return response


def _plotly_reply(_request: Request, _user: UserRow) -> Response:
    headers = {"cache-control": "private, max-age=86400, immutable"}
    return FileResponse(plotly_script(), media_type="text/javascript", headers=headers)


def _claim_route(service: Service) -> Callable[[Request], Response]:
    def claim(request: Request) -> Response:
        token = service.tickets.redeem(request.headers.get(OWN_HEADER, ""), utc_now())
        if token is None:
            return Response(status_code=403, headers=NO_STORE)
        response = Response(status_code=204, headers=NO_STORE)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION_LIMIT.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    return claim


def _logout_route(service: Service) -> Callable[[Request], Response]:
    def logout(request: Request) -> Response:
        if OWN_HEADER not in request.headers:
            return Response(status_code=403, headers=NO_STORE)
        try:
            service.sessions.end(request.cookies.get(COOKIE), utc_now())
        except StoreError:
            return Response(status_code=503, headers=NO_STORE)
        response = Response(status_code=204, headers=NO_STORE)
        response.delete_cookie(COOKIE)
        return response

    return logout
