import itertools

import pytest

from fl_client import connection, link
from fl_client.connection import wait_for_server
from fl_client.link import Link
from fl_core.errors import SiteRefusedError
from fl_core.trial import Fault

LINK = Link("127.0.0.1:9092", "(a certificate)")


@pytest.fixture
def pauses_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the pauses between tries, and do not make them."""
    made: list[float] = []
    monkeypatch.setattr(connection.time, "sleep", made.append)
    return made


def find(faults: list[Fault | None], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Look for a coordinator that has these faults, one a try; return what was said."""
    said: list[str] = []
    monkeypatch.setattr(link.Link, "find_fault", lambda _link: faults.pop(0))
    wait_for_server(LINK, said.append)
    return said


def test_coordinator_that_is_there_is_found_without_a_word(
    pauses_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find([None], monkeypatch) == pauses_s == []


def test_every_failed_try_is_one_line_and_the_next_may_find_it(
    pauses_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = find([Fault("Connection refused", is_final=False), None], monkeypatch)
    assert said == ["No coordinator at 127.0.0.1:9092 (Connection refused); trying again in 1 s"]
    assert pauses_s == [1]


def test_what_a_person_has_to_mend_is_not_waited_for(
    pauses_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SiteRefusedError, match="has expired"):
        find([Fault("The certificate has expired.", is_final=True)], monkeypatch)
    assert pauses_s == []


def test_pauses_grow_to_half_a_minute() -> None:
    assert list(itertools.islice(connection._pauses_s(), 7)) == [1, 2, 4, 8, 16, 30, 30]


def test_pauses_go_on_for_weeks() -> None:
    assert next(itertools.islice(connection._pauses_s(), 100_000, None)) == 30
