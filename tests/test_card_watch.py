import pytest

from fl_server.card_watch import CardWatch
from fl_server.recorder import Recorder
from fl_store.rows import DataShiftRow, EventRow, utc_now
from fl_store.run_rows import RunRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState
from luna16.data_card import ScanFacts, make_data_card

GE, SIEMENS = (
    make_data_card([ScanFacts((1.0, 0.7, 0.7), vendor=vendor)] * 20) for vendor in ("ge", "siemens")
)


@pytest.fixture
def recorder(store: SqliteStore) -> Recorder:
    return Recorder(store, RunRow("r1", "Run", RunState.RUNNING, 1, {}, utc_now()))


def test_what_differs_is_told_once_and_again_of_a_new_card_only(
    recorder: Recorder, store: SqliteStore
) -> None:
    pairs: list[None] = []
    watch = CardWatch(recorder, lambda: pairs.append(None))
    for _ in range(2):
        watch.compare({"north": GE, "south": SIEMENS})
    assert len(pairs) == 1
    told = store.get(EventRow, kind="site_differs")
    assert [event.site for event in told] == ["north"]
    watch.compare({"north": GE, "south": GE})
    assert len(pairs) == 2
    assert store.get(EventRow, kind="site_differs") == told
    assert {row.site for row in store.get(DataShiftRow)} == {"north"}
