"""The catalogues of the monitor: every text is translated, and what is compiled is what is written."""

import string
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from fl_monitor.language import DOMAIN, LANGUAGES, LOCALE

FOREIGN = sorted(set(LANGUAGES) - {"en"})


def read_catalogue(language: str) -> Catalog:
    with path_of(language, "po").open("rb") as file:
        return read_po(file, locale=language)


def path_of(language: str, kind: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.{kind}"


def texts_of_the_code() -> set[str]:
    found = extract_from_dir(LOCALE.parent, [("**.py", "python")])
    return {text[0] if isinstance(text, tuple) else text for _file, _line, text, *_ in found}


def forms(message: Message) -> Iterator[tuple[str, str]]:
    """Yield each translated form beside what it translates."""
    sources = message.id if isinstance(message.id, tuple) else (message.id,)
    targets = message.string if isinstance(message.string, tuple) else (message.string,)
    yield from ((sources[-1], target) for target in targets)


def first_forms(message: Message) -> Iterator[tuple[str, str]]:
    """Yield the first form beside its translation, as a compiled catalogue gives it without a number."""
    source = message.id[0] if isinstance(message.id, tuple) else message.id
    target = message.string[0] if isinstance(message.string, tuple) else message.string
    yield source, target


def placeholders(text: str) -> set[str]:
    return {name for _text, name, *_ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", FOREIGN)
def test_every_text_of_the_code_is_in_the_catalogue_and_no_other(language: str) -> None:
    known = {
        message.id[0] if isinstance(message.id, tuple) else message.id for message in read_catalogue(language)
    }
    assert known - {""} == texts_of_the_code()


@pytest.mark.parametrize("language", FOREIGN)
def test_every_text_is_translated_with_the_same_placeholders(language: str) -> None:
    pairs = [pair for message in read_catalogue(language) if message.id for pair in forms(message)]
    assert [source for source, target in pairs if not target] == []
    assert [pair for pair in pairs if placeholders(pair[0]) != placeholders(pair[1])] == []


@pytest.mark.parametrize("language", FOREIGN)
def test_compiled_catalogue_is_the_written_one(language: str) -> None:
    with path_of(language, "mo").open("rb") as file:
        compiled = GNUTranslations(file)
    written = [pair for message in read_catalogue(language) if message.id for pair in first_forms(message)]
    assert [pair for pair in written if compiled.gettext(pair[0]) != pair[1]] == []
