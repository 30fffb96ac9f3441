"""What this hospital agrees to, held against what the coordinator asks: pure functions.

Each raises TaskDeclinedError with a sentence that goes to the coordinator as it is.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from fl_core.config import ConsentConfig, TaskSettings
from fl_core.errors import TaskDeclinedError

DAY = timedelta(hours=24)


def check_task(consent: ConsentConfig, settings: TaskSettings) -> None:
    """Check the model that is asked for, and how long it is to be trained in a round.

    A round of so many steps may be any number of epochs, so it is beyond a limit of epochs.
    """
    name, training = settings.model.name, settings.training
    if consent.models is not None and name not in consent.models:
        raise TaskDeclinedError(
            f"Its consent is for the model {' or '.join(consent.models)}, not for {name}."
        )
    if consent.max_local_epochs is None:
        return
    if training.steps:
        raise TaskDeclinedError(
            f"Its consent is for {_count(consent.max_local_epochs, 'epoch')} a round at most; "
            f"it does not take a round of {_count(training.steps, 'step')}."
        )
    if training.most_epochs > consent.max_local_epochs:
        raise TaskDeclinedError(
            f"Its consent is for {_count(consent.max_local_epochs, 'epoch')} a round at most, "
            f"not for {training.most_epochs}."
        )


def check_num_sites(consent: ConsentConfig, num_sites: int | None) -> None:
    """Check how many sites are sent the round, by the word of the coordinator; None is no word."""
    if consent.min_sites == 1:
        return
    if num_sites is None:
        raise TaskDeclinedError(
            f"Its consent is for rounds of {consent.min_sites} sites at least, and the coordinator does not "
            "tell how many there are."
        )
    if num_sites < consent.min_sites:
        raise TaskDeclinedError(
            f"Its consent is for rounds of {consent.min_sites} sites at least, not for {num_sites}."
        )


def count_round(consent: ConsentConfig, begun_at: Sequence[datetime], now: datetime) -> list[datetime]:
    """Return when the rounds of the last 24 hours began, with the one that begins now, if it may."""
    recent = sorted(time for time in begun_at if now - time < DAY)
    limit = consent.max_rounds_per_day
    if limit is not None and len(recent) >= limit:
        again_at = recent[-limit] + DAY
        raise TaskDeclinedError(
            f"Its consent is for {_count(limit, 'round')} in 24 hours at most; the next may begin on "
            f"{again_at:%Y-%m-%d at %H:%M} UTC."
        )
    return [*recent, now]


def _count(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"
