from dataclasses import replace

import numpy as np
import pytest
from flwr.app import ConfigRecord, Error, Message, RecordDict

from fl_core import messages
from fl_core.status import Status, name_task, pack_status, unpack_status

HALF = Status("a task", "training", 50, 100)


def task(*, round_no: int = 1, num_sites: int = 2, weight: float = 1.0) -> RecordDict:
    config = ConfigRecord({messages.RUN_ID: "r1", messages.ROUND: round_no})
    messages.tell_num_sites(config, num_sites)
    weights = messages.pack_weights({"w": np.array([weight], dtype=np.float32)})
    return RecordDict({messages.ARRAYS: weights, messages.CONFIG: config})


def answer(content: RecordDict | Error) -> Message:
    return Message(content, reply_to=Message(RecordDict(), dst_node_id=5, message_type="query.status"))


def test_status_arrives_as_it_was_sent(flower_identity: None) -> None:
    assert unpack_status(answer(pack_status(HALF))) == HALF


def test_status_is_told_in_words() -> None:
    assert str(HALF) == "training, 50 % done"
    assert str(Status("a task")) == "at work"


@pytest.mark.parametrize("told", [{}, {"task": 5, "work": "x"}, {"task": "t"}])
def test_status_in_another_form_says_that_nothing_is_done(
    flower_identity: None, told: dict[str, str | int]
) -> None:
    assert unpack_status(answer(RecordDict({"config": ConfigRecord(told)}))) == Status()  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [(7, 5), (-1, 5)])
def test_impossible_steps_are_not_shown(flower_identity: None, steps: tuple[int, int]) -> None:
    told = replace(HALF, num_done=steps[0], num_steps=steps[1])
    assert unpack_status(answer(pack_status(told))) == Status("a task")


def test_what_a_site_calls_its_work_is_one_short_line(flower_identity: None) -> None:
    told = unpack_status(answer(pack_status(replace(HALF, work="a\x1b[31m\n" + 99 * "b"))))
    assert told.work == "a [31m " + 33 * "b"


def test_task_has_the_same_name_however_many_sites_are_sent_it() -> None:
    assert name_task("train", task(num_sites=2)) == name_task("train", task(num_sites=3))


def test_another_model_round_or_kind_is_another_task() -> None:
    names = {name_task("train", each) for each in (task(), task(round_no=2), task(weight=2))}
    assert len(names | {name_task("evaluate", task())}) == 4
