import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy.dialects import sqlite

from fl_store.columns import Document, Number, Text, UtcTime, Words
from fl_store.words import Role

DIALECT = sqlite.dialect()  # type: ignore[no-untyped-call]
NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)


def test_time_goes_in_and_comes_out_in_utc() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=-3)))
    assert UtcTime().process_bind_param(there, DIALECT) == NOON
    for kept in (NOON.replace(tzinfo=None), "2026-03-29T12:00:00+00:00", "2026-03-29 15:00:00+03"):
        found = UtcTime().process_result_value(kept, DIALECT)
        assert found == NOON
        assert found.tzinfo is UTC


def test_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        UtcTime().process_bind_param(NOON.replace(tzinfo=None), DIALECT)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="expected a finite one"):
        Number().process_bind_param(value, DIALECT)


def test_number_comes_out_as_a_float() -> None:
    assert repr(Number().process_result_value(1, DIALECT)) == "1.0"


@pytest.mark.parametrize("text", ["Büro", "a\nb", "\N{PILL}", ""])
def test_text_is_left_as_it_is(text: str) -> None:
    assert Text().process_bind_param(text, DIALECT) == text


def test_text_that_postgres_cannot_hold_is_mended() -> None:
    mended = Text().process_bind_param("a\0b\ud83d", DIALECT)
    assert mended.startswith("a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}")
    mended.encode()


def test_document_without_a_form_in_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Document().process_bind_param({"lr": math.nan}, DIALECT)


def test_words_are_texts_in_the_store() -> None:
    words = Words(Role)
    assert words.process_bind_param(Role.CLIENT, DIALECT) == "client"
    assert words.process_result_value("client", DIALECT) is Role.CLIENT
    for wrong in (words.process_bind_param, words.process_result_value):
        with pytest.raises(ValueError, match="'guest' is not a valid Role"):
            wrong("guest", DIALECT)


@pytest.mark.parametrize("kind", [Text(), Number(), UtcTime(), Words(Role)])
def test_nothing_stays_nothing(kind: Text) -> None:
    assert kind.process_bind_param(None, DIALECT) is None
    assert kind.process_result_value(None, DIALECT) is None
