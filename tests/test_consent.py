from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fl_client.consent import check_num_sites, check_task, count_round
from fl_core.config import ConsentConfig, TaskSettings
from fl_core.errors import TaskDeclinedError
from luna16.config import ModelConfig, TrainingConfig

NOON = datetime(2026, 3, 29, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def task(**training: Any) -> TaskSettings:
    return TaskSettings(model=ModelConfig(name="densenet121"), training=TrainingConfig(**training))


@pytest.mark.parametrize(
    "consent",
    [
        ConsentConfig(),
        ConsentConfig(models=("resnet_slim", "densenet121")),
        ConsentConfig(max_local_epochs=3),
    ],
)
def test_task_within_the_consent_passes(consent: ConsentConfig) -> None:
    check_task(consent, task(epochs=3))


@pytest.mark.parametrize(
    ("consent", "training", "reason"),
    [
        (
            ConsentConfig(models=("resnet_slim", "resnet18")),
            {},
            "Its consent is for the model resnet_slim or resnet18, not for densenet121.",
        ),
        (
            ConsentConfig(max_local_epochs=2),
            {"epochs": 3},
            "Its consent is for 2 epochs a round at most, not for 3.",
        ),
        (
            ConsentConfig(max_local_epochs=2),
            {"epochs": 1, "epochs_cycle": (1, 1, 3)},
            "Its consent is for 2 epochs a round at most, not for 3.",
        ),
        (
            ConsentConfig(max_local_epochs=1),
            {"epochs": 1, "steps": 500},
            "Its consent is for 1 epoch a round at most; it does not take a round of 500 steps.",
        ),
    ],
)
def test_task_beyond_the_consent_is_declined_with_the_reason(
    consent: ConsentConfig, training: dict[str, Any], reason: str
) -> None:
    with pytest.raises(TaskDeclinedError) as declined:
        check_task(consent, task(**training))
    assert str(declined.value) == reason


def test_steps_pass_where_epochs_have_no_limit() -> None:
    check_task(ConsentConfig(), task(steps=500))


@pytest.mark.parametrize(("min_sites", "num_sites"), [(1, 1), (1, None), (3, 3), (3, 9)])
def test_round_of_enough_sites_passes(min_sites: int, num_sites: int | None) -> None:
    check_num_sites(ConsentConfig(min_sites=min_sites), num_sites)


@pytest.mark.parametrize(
    ("num_sites", "words"), [(2, "of 3 sites at least, not for 2."), (None, "does not tell how many")]
)
def test_round_of_too_few_sites_is_declined(num_sites: int | None, words: str) -> None:
    with pytest.raises(TaskDeclinedError, match=words):
        check_num_sites(ConsentConfig(min_sites=3), num_sites)


def test_rounds_are_counted_over_24_hours() -> None:
    begun_at = [NOON - 25 * HOUR, NOON - 24 * HOUR, NOON - 23 * HOUR]
    assert count_round(ConsentConfig(max_rounds_per_day=2), begun_at, NOON) == [begun_at[2], NOON]
    assert count_round(ConsentConfig(), begun_at, NOON) == [begun_at[2], NOON]


def test_one_round_too_many_is_declined_with_the_time_of_the_next() -> None:
    begun_at = [NOON - 3 * HOUR, NOON - 5 * HOUR, NOON - 4 * HOUR]
    with pytest.raises(TaskDeclinedError) as declined:
        count_round(ConsentConfig(max_rounds_per_day=2), begun_at, NOON)
    assert str(declined.value) == (
        "Its consent is for 2 rounds in 24 hours at most; the next may begin on 2026-03-30 at 08:00 UTC."
    )


def test_clock_that_was_set_back_gives_no_more_rounds() -> None:
    with pytest.raises(TaskDeclinedError, match="1 round in 24 hours"):
        count_round(ConsentConfig(max_rounds_per_day=1), [NOON + HOUR], NOON)
