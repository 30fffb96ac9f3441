import time
from collections.abc import Iterator

import pytest
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError, pull_objects

from fl_core.prompt_flower import wait_shortly_for_weights


@pytest.fixture(autouse=True)
def _stock_flower() -> Iterator[None]:
    """Give Flower's function its own waits back after a test."""
    stock = dict(pull_objects.__kwdefaults__)
    yield
    pull_objects.__kwdefaults__.clear()
    pull_objects.__kwdefaults__.update(stock)


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
    assert seconds_until_found(num_misses=3) < 0.8  # 0.05 + 0.1 + 0.2; stock Flower: 7


def test_flower_that_waits_in_another_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_objects, "__kwdefaults__", {"other": 1})
    with pytest.raises(RuntimeError, match=r"flwr==1\.39\.0"):
        wait_shortly_for_weights()
