from dataclasses import FrozenInstanceError, fields
from datetime import UTC, timedelta

import pytest

from fl_core.config import check_site_name
from fl_core.errors import ConfigError
from fl_store import rows
from fl_store.rows import FEDERATION, SENSITIVITIES, EventRow, RunState, SiteRoundState, UserRow, utc_now
from luna16.froc import FALSE_POSITIVE_RATES
from tests.store_contract import EVERY_KIND, HASH


def test_sensitivities_are_named_by_the_rates_of_luna16_in_order() -> None:
    rates = [float(metric.rpartition("_")[2]) for metric in SENSITIVITIES]
    assert rates == list(FALSE_POSITIVE_RATES)


def test_no_site_can_have_the_name_of_the_federation() -> None:
    with pytest.raises(ConfigError):
        check_site_name(FEDERATION)


@pytest.mark.parametrize("state", RunState)
def test_run_is_over_when_it_will_not_go_on(state: RunState) -> None:
    assert state.is_over is (state not in {RunState.WAITING, RunState.RUNNING, RunState.PAUSED})


@pytest.mark.parametrize("state", SiteRoundState)
def test_site_is_done_with_a_round_when_no_answer_is_waited_for(state: SiteRoundState) -> None:
    waiting = {SiteRoundState.TRAINING, SiteRoundState.TRAINED, SiteRoundState.EVALUATING}
    assert state.is_over is (state not in waiting)


def test_events_have_keys_of_their_own_and_the_present_time() -> None:
    first, second = EventRow("a", "text"), EventRow("a", "text")
    assert first.event_id != second.event_id
    assert utc_now() - first.occurred_at < timedelta(minutes=1)
    assert first.occurred_at.tzinfo is UTC


def test_secrets_are_not_in_the_text_of_a_row() -> None:
    anna = next(row for row in EVERY_KIND if isinstance(row, UserRow))
    assert HASH not in repr(anna)
    session = next(row for row in EVERY_KIND if isinstance(row, rows.SessionRow))
    assert "token hash" not in repr(session)


@pytest.mark.parametrize("row", EVERY_KIND, ids=lambda row: type(row).__name__)
def test_row_cannot_be_changed(row: rows.Row) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(row, fields(row)[0].name, "other")
