import pytest
from flwr.app import Message, RecordDict

from fl_core import replies
from fl_server.counts_intake import CountsIntake
from fl_server.recorder import Recorder
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState, SiteRoundState
from tests.fake_grid import FakeSite, evaluation_of

COUNTS = FakeSite("north").counts


@pytest.fixture
def intake(store: SqliteStore, flower_identity: None) -> CountsIntake:
    run = RunRow("r1", "Run", RunState.RUNNING, 3, {}, utc_now())
    recorder = Recorder(store, run)
    recorder.start_round(2, ["north", "south"], 0)
    intake = CountsIntake(2, recorder)
    intake.begin(2)
    return intake


def answer(content: RecordDict) -> Message:
    return Message(content, dst_node_id=1, message_type="evaluate")


def test_counts_are_pooled_and_enough_when_the_quorum_has_told_them(intake: CountsIntake) -> None:
    content = replies.pack_evaluate_reply(evaluation_of(COUNTS))
    assert all(intake.take(site, answer(content)) for site in ("north", "south"))
    assert intake.is_enough()
    assert intake.pool().counts.num_nodules == 2 * COUNTS.num_nodules
    intake.begin(3)
    assert intake.counts == {}


def test_counts_that_are_not_sound_are_a_failure_of_their_site(
    intake: CountsIntake, store: SqliteStore
) -> None:
    assert not intake.take("north", answer(RecordDict()))
    (part,) = store.get(SiteRoundRow, site="north")
    assert part.state is SiteRoundState.FAILED


def test_scores_of_too_few_sites_are_told(intake: CountsIntake, store: SqliteStore) -> None:
    intake.take("north", answer(replies.pack_evaluate_reply(evaluation_of(COUNTS))))
    assert not intake.is_enough()
    (event,) = store.get(EventRow, kind="scored_by_few")
    assert event.text.startswith("The model of round 2 was scored by too few sites: 1, expected at least 2")


def test_without_marks_there_is_nothing_to_calibrate(intake: CountsIntake) -> None:
    intake.take("north", answer(replies.pack_evaluate_reply(evaluation_of(COUNTS))))
    assert intake.calibrate(intake.pool()) is None
