import time
from collections.abc import Iterator

import pytest
from flwr.app import ConfigRecord
from flwr.supercore.inflatable.inflatable_object import get_object_tree
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectUnavailableError,
    pull_and_inflate_object_from_tree,
    pull_objects,
)

from fl_core.prompt_flower import wait_shortly_for_weights

CHANGED = (pull_objects, pull_and_inflate_object_from_tree)


@pytest.fixture(autouse=True)
def _stock_flower() -> Iterator[None]:
    """Give Flower's functions their own waits back after a test."""
    stock = [dict(function.__kwdefaults__) for function in CHANGED]
    yield
    for function, defaults in zip(CHANGED, stock, strict=True):
        function.__kwdefaults__.update(defaults)


def seconds_until_arrived(num_misses: int) -> float:
    """Fetch a record as a task does, which is there after ``num_misses`` tries in vain."""
    record = ConfigRecord({"word": "here"})
    misses = iter(range(num_misses))

    def pull(object_id: str) -> bytes:
        if next(misses, None) is not None:
            raise ObjectUnavailableError(object_id)
        return record.deflate()

    started_s = time.perf_counter()
    arrived = pull_and_inflate_object_from_tree(
        get_object_tree(record), pull, lambda _id: None, return_type=ConfigRecord
    )
    assert arrived == record
    return time.perf_counter() - started_s


def test_weights_on_their_way_are_looked_for_many_times_a_second() -> None:
    wait_shortly_for_weights()
    assert seconds_until_arrived(num_misses=3) < 0.8  # 0.05 + 0.1 + 0.2; stock Flower: 7


@pytest.mark.parametrize("function", CHANGED)
def test_flower_that_waits_in_another_way_is_refused(
    function: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(function, "__kwdefaults__", {"other": 1})
    with pytest.raises(RuntimeError, match=r"flwr==1\.39\.0"):
        wait_shortly_for_weights()
