"""Texts in the reader's language, out of the gettext catalogues in ``locale/``.

English is what stands in the code; ``make messages`` brings the catalogues up to date.
"""

import gettext as catalogues
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = {"en": "English", "zh": "中文"}
COOKIE = "fedluna_language"
LOCALE = Path(__file__).parent / "locale"
DOMAIN = "fedluna"

_current: ContextVar[str] = ContextVar("language", default="en")


def choose_language(cookies: Mapping[str, str], accept_language: str | None) -> str:
    """Return the language that a browser chose here, or else the first of its own that we speak."""
    chosen = cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    for entry in (accept_language or "").split(","):
        code = entry.strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return "en"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak a language of LANGUAGES within the block, in this thread."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def current_language() -> str:
    """Return the language that is spoken in this thread."""
    return _current.get()


def gettext(message: str) -> str:
    """Return a text in the language that is spoken; in English if its catalogue lacks it."""
    return _catalogue(_current.get()).gettext(message)


def ngettext(singular: str, plural: str, number: int) -> str:
    """Return the form of a text that goes with a number."""
    return _catalogue(_current.get()).ngettext(singular, plural, number)


@cache
def _catalogue(language: str) -> catalogues.NullTranslations:
    return catalogues.translation(DOMAIN, LOCALE, [language], fallback=language == "en")
