import pytest

from fl_store.words import RunState, SiteRoundState


@pytest.mark.parametrize("state", RunState)
def test_run_is_over_when_it_will_not_go_on(state: RunState) -> None:
    assert state.is_over is (state not in {RunState.WAITING, RunState.RUNNING, RunState.PAUSED})


@pytest.mark.parametrize("state", SiteRoundState)
def test_site_is_done_with_a_round_when_no_answer_is_waited_for(state: SiteRoundState) -> None:
    waiting = {SiteRoundState.TRAINING, SiteRoundState.TRAINED, SiteRoundState.EVALUATING}
    assert state.is_over is (state not in waiting)
