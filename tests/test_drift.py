import numpy as np
import pytest

from fl_server.drift import VALUES_AT_ONCE, measure_drift, measure_norm

SENT = {"b": np.ones((1, 2), np.float32), "a": np.zeros((), np.float32)}


def model(first: float, second: float, a: float = 0.0) -> dict[str, np.ndarray]:
    return {"a": np.array(a, np.float32), "b": np.array([[first, second]], np.float32)}


def test_norm_is_of_the_change_of_all_weights() -> None:
    assert measure_norm(SENT, model(1, 5, a=3)) == 5


def test_norm_is_of_every_part_of_a_large_tensor() -> None:
    size = 2 * VALUES_AT_ONCE + 7
    sent, update = np.zeros(size, np.float32), np.ones(size, np.float32)
    assert measure_norm({"w": sent}, {"w": update}) == pytest.approx(size**0.5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_norm_tells_of_values_that_are_not_finite(value: float) -> None:
    assert not np.isfinite(measure_norm(SENT, model(1, value)))


def test_norm_of_the_largest_values_is_finite() -> None:
    assert measure_norm(SENT, model(3e38, -3e38)) == pytest.approx(3e38 * 2**0.5)


@pytest.mark.parametrize(
    ("change", "mean", "norm", "cosine"),
    [
        ((3, 4), (6, 8), 5, 1),
        ((3, 4), (-3, -4), 5, -1),
        ((3, 4), (4, -3), 5, 0),
        ((0, 0), (1, 0), 0, None),
        ((1, 0), (0, 0), 1, None),
        ((1e38, 0), (1e38, 1e38), 1e38, 0.5**0.5),
    ],
)
def test_norm_and_cosine_are_those_of_geometry(
    change: tuple[float, float], mean: tuple[float, float], norm: float, cosine: float | None
) -> None:
    sent, update, average = model(0, 0), model(*change), model(*mean)
    lengths = {"norm": measure_norm(sent, update), "mean_norm": measure_norm(sent, average)}
    drift = measure_drift(sent, update, average, **lengths)
    assert drift.norm == pytest.approx(norm)
    assert drift.cosine == (None if cosine is None else pytest.approx(cosine))
