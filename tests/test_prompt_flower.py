import time
from collections.abc import Iterator

import pytest
from flwr.supercore.inflatable.inflatable_utils import (
    ObjectUnavailableError,
    pull_and_inflate_object_from_tree,
    pull_objects,
)

from fl_core.prompt_flower import FIRST_WAIT_S, wait_shortly_for_weights


@pytest.fixture(autouse=True)
def _stock_flower() -> Iterator[None]:
    """Give Flower's functions their own waits back after a test."""
    functions = (pull_objects, pull_and_inflate_object_from_tree)
    stock = [dict(function.__kwdefaults__) for function in functions]
    yield
    for function, defaults in zip(functions, stock, strict=True):
        function.__kwdefaults__.update(defaults)


def seconds_until_found(num_misses: int) -> float:
    """Look for weights that are there after ``num_misses`` tries in vain."""
    misses = iter(range(num_misses))

    def pull(object_id: str) -> bytes:
        if next(misses, None) is not None:
            raise ObjectUnavailableError(object_id)
        return b"weights"

    started_s = time.perf_counter()
    assert pull_objects(["id"], pull) == {"id": b"weights"}
    return time.perf_counter() - started_s


def test_weights_on_their_way_are_looked_for_many_times_a_second() -> None:
    wait_shortly_for_weights()
    assert seconds_until_found(num_misses=3) < 4  # 0.05 + 0.1 + 0.2; stock Flower: 1 + 2 + 4


def test_message_that_a_site_fetches_is_looked_for_as_often() -> None:
    wait_shortly_for_weights()
    assert pull_and_inflate_object_from_tree.__kwdefaults__["initial_backoff"] == FIRST_WAIT_S


def test_flower_that_waits_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_objects, "__kwdefaults__", {"other": 1})
    with pytest.raises(RuntimeError, match=r"flwr==1\.39\.0"):
        wait_shortly_for_weights()
