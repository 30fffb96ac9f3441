"""What the answers of our own routes have in common: they are never kept, and a refusal is a sentence."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fl_monitor.language import choose_language
from fl_store.rows import UserRow

NO_STORE = {"cache-control": "no-store"}
LONGEST_PARAM = 400

Reply = Callable[[Request, UserRow], Response]


def read_params(request: Request) -> dict[str, str]:
    """Return a page's own parameters, which begin with ``p_`` in the addresses of our routes."""
    return {
        name.removeprefix("p_"): value
        for name, value in request.query_params.items()
        if name.startswith("p_") and len(value) <= LONGEST_PARAM
    }


def language_of(request: Request) -> str:
    """Return the language of a browser."""
    return choose_language(request.cookies, request.headers.get("accept-language"))


def refuse(status: int, sentence: str) -> Response:
    """Say why a file does not come; the browser shows it in place of the page."""
    return PlainTextResponse(sentence, status, NO_STORE)


def attachment(file_name: str) -> dict[str, str]:
    """Return the headers that have a browser keep a file; of its name, what is safe in every system."""
    safe = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in file_name
    )
    return NO_STORE | {
        "content-disposition": f'attachment; filename="{safe}"',
        "x-content-type-options": "nosniff",
    }
