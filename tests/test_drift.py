import numpy as np
import pytest

from fl_server.drift import change_between, measure_drift

ZERO = np.zeros(2)


def test_change_is_of_all_weights_in_the_order_of_names() -> None:
    before = {"b": np.ones((1, 2), np.float32), "a": np.zeros(1, np.float32)}
    after = {"a": np.array([3], np.float32), "b": np.array([[1, 5]], np.float32)}
    assert change_between(before, after).tolist() == [3, 0, 4]


@pytest.mark.parametrize(
    ("change", "mean", "norm", "cosine"),
    [
        ([3, 4], [6, 8], 5, 1),
        ([3, 4], [-3, -4], 5, -1),
        ([3, 4], [4, -3], 5, 0),
        ([0, 0], [1, 0], 0, None),
        ([1, 0], [0, 0], 1, None),
        ([1e38, 0], [1e38, 1e38], 1e38, 0.5**0.5),
    ],
)
def test_norm_and_cosine_are_those_of_geometry(
    change: list[float], mean: list[float], norm: float, cosine: float | None
) -> None:
    drift = measure_drift(np.array(change, float), np.array(mean, float))
    assert drift.norm == pytest.approx(norm)
    assert drift.cosine == (None if cosine is None else pytest.approx(cosine))
