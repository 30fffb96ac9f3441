from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict

from fl_core import messages, replies
from fl_core.config import TaskSettings
from fl_core.errors import MessageError
from fl_core.messages import TaskId
from fl_core.replies import JoinReply, PrepareReply, TrainReply
from luna16.counts import NUM_SCORE_BINS, EvalCounts, score
from luna16.data_card import ScanFacts, make_data_card
from luna16.detection.counts import DetectionCounts
from tests.fake_grid import evaluation_of

WEIGHTS = {
    "layer.weight": np.array([[0.1, -2.5e-38], [3.4e38, -0.0]], dtype=np.float32),
    "layer.steps": np.array(7, dtype=np.int64),
}
BEGAN_AT_S = 1_795_000_000.123456
CARD = make_data_card([ScanFacts((1.0, 0.7, 0.7), (5.0,), vendor="ge")] * 9)
PREPARED = PrepareReply(7, 2, 70, CARD, BEGAN_AT_S, num_set_aside=2)
UPDATE = TrainReply(
    TaskId("r1", 3),
    WEIGHTS,
    num_examples=120,
    loss=0.25,
    train_s=1.5,
    began_at_s=BEGAN_AT_S,
    batch_size=8,
    num_set_aside=2,
)


def bins(**counts: int) -> np.ndarray:
    """Return counts for bins named like ``bin_7``."""
    array = np.zeros(NUM_SCORE_BINS, dtype=np.int64)
    for name, count in counts.items():
        array[int(name.removeprefix("bin_"))] = count
    return array


COUNTS = EvalCounts(
    num_scans=3,
    num_nodules=5,
    positive_loss_sum=1.25,
    negative_loss_sum=30.5,
    positives=bins(bin_7=4, bin_1999=1),
    negatives=bins(bin_0=400),
    nodules_hit=bins(bin_7=4),
    false_positives=bins(bin_0=9, bin_3=2),
)


EVALUATION = evaluation_of(COUNTS, with_replicates=True)


def as_received(content: RecordDict) -> RecordDict:
    """Take the content through the bytes that Flower sends, as far as one object goes."""
    records: dict[str, Any] = {}
    for name, record in content.items():
        children = {child.object_id: child for child in (record.children or {}).values()}
        records[name] = type(record).inflate(record.deflate(), children or None)
    return RecordDict(records)


def evaluation_with(**changes: Any) -> RecordDict:
    """Return a sound evaluation in which some numbers are others, or missing where None."""
    content = replies.pack_evaluate_reply(EVALUATION)
    metrics = {**content.metric_records[messages.METRICS], **changes}
    content[messages.METRICS] = MetricRecord({name: v for name, v in metrics.items() if v is not None})
    return content


def test_join_and_refusal_arrive_as_they_were() -> None:
    who = JoinReply(site="north", instance="abc", version="0.1.0")
    assert replies.unpack_join_reply(as_received(replies.pack_join_reply(who))) == who
    assert messages.unpack_reason(as_received(messages.pack_reason("Full."))) == "Full."


@pytest.mark.parametrize("name", ["site", "instance", "version"])
def test_join_reply_without_a_part_names_it(name: str) -> None:
    content = replies.pack_join_reply(JoinReply("north", "abc", "0.1.0"))
    content.config_records[messages.CONFIG][name] = 7
    with pytest.raises(MessageError, match=f"no text '{name}'"):
        replies.unpack_join_reply(content)


def test_prepare_reply_arrives_as_it_was() -> None:
    assert replies.unpack_prepare_reply(as_received(replies.pack_prepare_reply(PREPARED))) == PREPARED


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (7, "no text 'card'"),
        ("{}", "The data card is not in the form"),
        ('{"num_scans": 3}', "The data card has a count"),
        ("[" * 100_000, "The data card has 100000 letters"),
    ],
)
def test_card_that_is_not_ours_is_refused_in_one_line(card: Any, words: str) -> None:
    content = replies.pack_prepare_reply(PREPARED)
    content.config_records[messages.CONFIG]["card"] = card
    with pytest.raises(MessageError, match=words):
        replies.unpack_prepare_reply(content)


@pytest.mark.parametrize("name", ["num_train_scans", "num_validation_scans", "began_at_s"])
def test_prepare_reply_with_a_bad_number_names_it(name: str) -> None:
    content = replies.pack_prepare_reply(PREPARED)
    content.metric_records[messages.METRICS][name] = -1
    with pytest.raises(MessageError, match=f"The message says {name} is -1"):
        replies.unpack_prepare_reply(content)


def test_update_arrives_as_it_was() -> None:
    arrived = replies.unpack_train_reply(as_received(replies.pack_train_reply(UPDATE)))
    assert (arrived.num_examples, arrived.loss, arrived.train_s) == (120, 0.25, 1.5)
    assert arrived.began_at_s == BEGAN_AT_S
    np.testing.assert_array_equal(arrived.weights["layer.weight"], WEIGHTS["layer.weight"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num-examples", -15),
        ("num-examples", 1.5),
        ("num-examples", float("nan")),
        ("num-examples", [1]),
        ("loss", float("nan")),
        ("loss", float("inf")),
        ("loss", -0.1),
        ("train_s", -1.0),
        ("train_s", None),
        ("began_at_s", float("inf")),
        ("began_at_s", None),
    ],
)
def test_bad_number_of_an_update_is_refused_by_name(name: str, value: Any) -> None:
    content = replies.pack_train_reply(UPDATE)
    record = content.metric_records[messages.METRICS]
    if value is None:
        del record[name]
    else:
        record[name] = value
    with pytest.raises(MessageError, match=f"The message says {name} is .*, expected"):
        replies.unpack_train_reply(content)


def test_counts_arrive_as_they_were() -> None:
    content = as_received(replies.pack_evaluate_reply(EVALUATION))
    arrived = replies.unpack_evaluate_reply(content)
    assert (arrived.evaluate_s, arrived.began_at_s) == (0.5, EVALUATION.began_at_s)
    for part in ("counts", "bands", "replicates"):
        came, went = vars(getattr(arrived, part)), vars(getattr(EVALUATION, part))
        assert came.keys() == went.keys()
        for name in went:
            np.testing.assert_array_equal(came[name], went[name])


def test_replicates_are_sent_only_if_they_are_asked_for() -> None:
    config = messages.pack_settings(TaskSettings())
    content = RecordDict({messages.CONFIG: config})
    assert not messages.wants_intervals(content)
    messages.ask_for_more(config, intervals=True, detection=False)
    assert messages.wants_intervals(as_received(content))
    without = replies.pack_evaluate_reply(evaluation_of(COUNTS))
    assert replies.unpack_evaluate_reply(without).replicates is None


def test_detection_is_sent_only_if_it_is_asked_for() -> None:
    config = messages.pack_settings(TaskSettings())
    messages.ask_for_more(config, intervals=False, detection=True)
    assert messages.wants_detection(as_received(RecordDict({messages.CONFIG: config})))
    messages.ask_for_more(config, intervals=False, detection=False)
    assert not messages.wants_detection(as_received(RecordDict({messages.CONFIG: config})))
    assert not messages.wants_detection(RecordDict())
    without = replies.pack_evaluate_reply(evaluation_of(COUNTS))
    assert replies.unpack_evaluate_reply(without).detection is None


def pack_detection(counts: DetectionCounts) -> RecordDict:
    return replies.pack_evaluate_reply(replace(evaluation_of(COUNTS), detection=counts))


def test_detection_comes_as_it_went() -> None:
    went = DetectionCounts(COUNTS, num_candidates=250, num_nodules_proposed=COUNTS.num_nodules)
    came = replies.unpack_evaluate_reply(as_received(pack_detection(went))).detection
    assert came is not None
    assert (came.num_candidates, came.num_nodules_proposed) == (250, COUNTS.num_nodules)
    assert score(came.marks) == score(COUNTS)


@pytest.mark.parametrize("num_proposed", [0, COUNTS.num_nodules + 1])
def test_impossible_number_of_proposed_nodules_is_refused(num_proposed: int) -> None:
    with pytest.raises(MessageError, match=f"{num_proposed} nodules were proposed of {COUNTS.num_nodules}"):
        replies.unpack_evaluate_reply(pack_detection(DetectionCounts(COUNTS, 250, num_proposed)))


@pytest.mark.parametrize(
    "name", ["num_scans", "num_nodules", "positive_loss_sum", "negative_loss_sum", "began_at_s"]
)
@pytest.mark.parametrize("value", [None, -1, float("nan"), [1]])
def test_bad_number_of_an_evaluation_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(MessageError, match=f"The message says {name} is"):
        replies.unpack_evaluate_reply(evaluation_with(**{name: value}))


@pytest.mark.parametrize("name", ["positives", "negatives", "nodules_hit", "false_positives"])
@pytest.mark.parametrize(
    "value",
    [None, 1, [1] * (NUM_SCORE_BINS - 1), [1.0] * NUM_SCORE_BINS, [-1] + [0] * (NUM_SCORE_BINS - 1), []],
    ids=["missing", "one number", "too short", "not whole", "negative", "empty"],
)
def test_bad_bins_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(MessageError, match=f"The message's {name} is not 2000 counts from 0"):
        replies.unpack_evaluate_reply(evaluation_with(**{name: value}))


def test_more_hits_than_nodules_are_refused() -> None:
    with pytest.raises(MessageError, match="4 nodules were hit of 3"):
        replies.unpack_evaluate_reply(evaluation_with(num_nodules=3))


@pytest.mark.parametrize(
    "changes",
    [
        {"band_num_nodules": [0, 0, 4, 0]},
        {"band_num_nodules": [3, 0, 2, 0]},
        {"band_nodules_hit": [0] * (4 * NUM_SCORE_BINS)},
    ],
    ids=["fewer nodules", "more hits than nodules", "no hits"],
)
def test_counts_by_diameter_that_do_not_add_up_are_refused(changes: Any) -> None:
    with pytest.raises(MessageError, match="counts by diameter do not add up"):
        replies.unpack_evaluate_reply(evaluation_with(**changes))


def test_counts_by_diameter_of_another_form_are_refused() -> None:
    with pytest.raises(MessageError, match="band_nodules_hit is not 8000 counts from 0"):
        replies.unpack_evaluate_reply(evaluation_with(band_nodules_hit=[0]))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("positives", np.zeros((500, 499), np.int32)),
        ("positives", np.zeros((500, 500), np.int64)),
        ("num_scans", np.full(500, -1, np.int32)),
        ("pixels", np.zeros(500, np.int32)),
    ],
    ids=["too small", "another type", "negative", "another name"],
)
def test_bad_replicates_are_refused(name: str, array: Any) -> None:
    content = replies.pack_evaluate_reply(EVALUATION)
    content[messages.REPLICATES] = messages.pack_weights({**vars(EVALUATION.replicates), name: array})
    with pytest.raises(MessageError, match="replicates are not 500 times counts from 0"):
        replies.unpack_evaluate_reply(content)


def test_damaged_replicates_are_refused() -> None:
    content = replies.pack_evaluate_reply(EVALUATION)
    content[messages.REPLICATES] = ArrayRecord({messages.WEIGHTS: Array(np.zeros(9, np.uint8))})
    with pytest.raises(MessageError, match="replicates are damaged"):
        replies.unpack_evaluate_reply(content)
