"""The sites' parts of a round: each change gives the row that says it."""

from dataclasses import replace

import numpy as np
import pytest

from fl_core.messages import TaskId
from fl_core.replies import TrainReply
from fl_server.site_parts import SiteParts
from fl_store.rows import utc_now
from fl_store.words import SiteRoundState
from tests.fake_grid import FakeSite, evaluation_of

UPDATE = TrainReply(
    TaskId("r1", 1), {"w": np.zeros(1)}, num_examples=120, loss=0.5, train_s=1.5, began_at_s=0
)
EVALUATION = evaluation_of(FakeSite("north").counts)


@pytest.fixture
def parts() -> SiteParts:
    parts = SiteParts("r1")
    parts.begin(1, ["north", "south"], utc_now(), bytes_down=100)
    return parts


def test_begin_of_work_lies_between_sending_and_receiving(parts: SiteParts) -> None:
    sent_at = parts.of("north").train_sent_at
    began_at_s = sent_at.timestamp() + 1000.001
    part = parts.take_update("north", replace(UPDATE, train_s=1e-6, began_at_s=began_at_s), bytes_up=0)
    times = [sent_at, part.train_began_at, part.train_received_at]
    assert sorted(filter(None, times)) == times


def test_site_that_was_sent_nothing_began_at_no_time(parts: SiteParts) -> None:
    assert parts.take_counts("north", EVALUATION, bytes_up=0).evaluate_began_at is None


def test_bytes_of_training_and_evaluation_add_up(parts: SiteParts) -> None:
    parts.take_update("north", UPDATE, bytes_up=90)
    (part,) = parts.begin_evaluation(["north"], bytes_down=10)
    assert part.state is SiteRoundState.EVALUATING
    part = parts.take_counts("north", EVALUATION, bytes_up=1)
    assert (part.bytes_down, part.bytes_up) == (110, 91)


def test_examples_are_those_of_the_sites_that_have_trained(parts: SiteParts) -> None:
    assert parts.num_examples == 0
    parts.take_update("north", UPDATE, bytes_up=90)
    assert parts.num_examples == 120


def test_stop_ends_the_parts_that_are_still_at_work(parts: SiteParts) -> None:
    parts.change("north", state=SiteRoundState.DONE)
    (part,) = parts.stop()
    assert (part.site, part.state) == ("south", SiteRoundState.STOPPED)
    assert parts.states() == {"north": SiteRoundState.DONE, "south": SiteRoundState.STOPPED}
