import pytest

from fl_core.config import FederationConfig
from fl_server.best_model import BestModel, NoLongerBetterError
from luna16.counts import Score

Values = list[float | None]


def scored(cpm: float | None, auc: float | None = None, loss: float | None = None) -> Score:
    return Score(auc=auc, sensitivities=None, cpm=cpm, loss=loss)


def last_round(best: BestModel, cpms: Values) -> tuple[int, str]:
    """Return the round in which the run ends of itself, and the reason; 0 if it does not."""
    for round_no, cpm in enumerate(cpms, start=1):
        best.take(round_no, scored(cpm))
        try:
            best.check(round_no)
        except NoLongerBetterError as end:
            return round_no, str(end)
    return 0, ""


@pytest.mark.parametrize(
    ("by", "best"),
    [("cpm", [True, False, True]), ("auc", [True, True, False]), ("loss", [True, True, False])],
)
def test_best_is_told_by_the_named_score(by: str, best: list[bool]) -> None:
    model = BestModel(FederationConfig(best_by=by))
    scores = [scored(0.5, 0.6, 0.9), scored(0.4, 0.8, 0.2), scored(0.6, 0.7, 0.3)]
    assert [model.take(round_no, score) for round_no, score in enumerate(scores, start=1)] == best


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.5, 0.8), (0.5, 0.9)], [True, True]),
        ([(0.5, 0.8), (0.5, 0.8)], [True, False]),
        ([(None, 0.8), (0.0, 0.1)], [True, True]),
        ([(None, None), (None, None)], [True, False]),
        ([(0.5, None), (0.5, 0.1)], [True, True]),
    ],
)
def test_among_equals_the_higher_auc_is_best_and_the_undefined_worst(
    scores: list[tuple[float | None, float | None]], best: list[bool]
) -> None:
    model = BestModel(FederationConfig())
    assert [model.take(1, scored(*score)) for score in scores] == best


@pytest.mark.parametrize(
    ("cpms", "min_delta", "ended"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], 0, 0),
        ([0.1, 0.3, 0.3, 0.2, 0.9], 0, 4),
        ([0.1, 0.2, 0.3, 0.25, 0.35], 0, 0),
        ([0.125, 0.1875, 0.2, 0.3, 0.5], 0.125, 3),
        ([0.125, 0.1875, 0.25, 0.3125, 0.375], 0.125, 0),
        ([None, None, None], 0, 2),
    ],
)
def test_run_ends_after_so_many_rounds_that_are_not_better(
    cpms: Values, min_delta: float, ended: int
) -> None:
    model = BestModel(FederationConfig(patience=2, min_delta=min_delta))
    assert last_round(model, cpms)[0] == ended


def test_reason_names_the_score_the_rounds_and_the_best() -> None:
    model = BestModel(FederationConfig(patience=2, min_delta=0.1, rounds=9))
    assert last_round(model, [0.4, 0.45, 0.3])[1] == (
        "Its cpm has not got better by 0.1 or more for 2 rounds (patience in [federation]). "
        "The best is 0.450, of round 2."
    )


def test_without_patience_a_run_goes_on() -> None:
    assert last_round(BestModel(FederationConfig()), [0.5] * 10) == (0, "")


def test_planned_end_needs_no_reason() -> None:
    assert last_round(BestModel(FederationConfig(patience=2, rounds=3)), [0.5] * 3) == (0, "")


def test_round_that_may_be_the_last_is_known_before() -> None:
    model = BestModel(FederationConfig(patience=2, rounds=9))
    is_last = []
    for round_no, cpm in enumerate([0.1, 0.2, 0.2, 0.3], start=1):
        is_last.append(model.is_last(round_no))
        model.take(round_no, scored(cpm))
    assert is_last == [False, False, False, True]
    assert model.is_last(9)
