import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from safetensors.numpy import save

from fl_core import messages
from fl_core.config import TaskSettings
from fl_core.errors import ConfigError, MessageError, TaskDeclinedError
from fl_core.messages import JoinReply, PrepareReply, TaskId, TrainReply
from luna16.config import DataConfig, TrainingConfig
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
    content = messages.pack_evaluate_reply(EVALUATION)
    metrics = {**content.metric_records[messages.METRICS], **changes}
    content[messages.METRICS] = MetricRecord({name: v for name, v in metrics.items() if v is not None})
    return content


def weights_of(data: bytes, *, name: str = messages.WEIGHTS) -> RecordDict:
    array = Array(np.frombuffer(data, dtype=np.uint8))
    return RecordDict({messages.ARRAYS: ArrayRecord({name: array})})


def test_weights_arrive_bit_for_bit() -> None:
    content = as_received(RecordDict({messages.ARRAYS: messages.pack_weights(WEIGHTS)}))
    arrived = messages.unpack_weights(content)
    assert arrived.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert arrived[name].dtype == tensor.dtype
        assert arrived[name].shape == tensor.shape
        assert arrived[name].tobytes() == tensor.tobytes()


def test_weights_in_columns_arrive_in_order() -> None:
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    content = RecordDict({messages.ARRAYS: messages.pack_weights({"w": transposed})})
    np.testing.assert_array_equal(messages.unpack_weights(content)["w"], transposed)


def test_a_model_is_one_array_however_many_tensors_it_has() -> None:
    assert list(messages.pack_weights(WEIGHTS)) == ["safetensors"]


@pytest.mark.parametrize(
    "content",
    [
        RecordDict(),
        weights_of(save(dict(WEIGHTS)), name="other"),
        weights_of(b""),
        weights_of(save(dict(WEIGHTS))[:-1]),
        weights_of(b"\xff" * 64),
        weights_of(
            b"\x3b\0\0\0\0\0\0\0" + b'{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}    ' + b"\0\0"
        ),
        RecordDict(
            {messages.ARRAYS: ArrayRecord({messages.WEIGHTS: Array("uint8", (3,), "numpy.ndarray", b"abc")})}
        ),
        RecordDict({messages.ARRAYS: ArrayRecord({messages.WEIGHTS: Array("uint8", (3,), "other", b"abc")})}),
    ],
    ids=["none", "other name", "empty", "cut off", "noise", "bfloat16", "pickle", "other form"],
)
def test_damaged_weights_are_refused(content: RecordDict) -> None:
    with pytest.raises(MessageError, match="holds no whole model"):
        messages.unpack_weights(content)


def test_settings_arrive_as_they_were() -> None:
    settings = TaskSettings(data=DataConfig(patch_size_vox=24), training=TrainingConfig(learning_rate=1e-4))
    content = RecordDict({messages.CONFIG: messages.pack_settings(settings)})
    assert messages.unpack_settings(as_received(content)) == settings


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        (None, MessageError, "no text 'settings'"),
        ("{", MessageError, "settings that are not JSON"),
        ("[]", ConfigError, "the coordinator's task"),
        (json.dumps({"training": {"epochs": 0}}), ConfigError, r"training\.epochs is 0"),
        (json.dumps({"code": "import os"}), ConfigError, "unknown key 'code'"),
    ],
)
def test_settings_that_are_not_ours_are_refused(
    settings: str | None, kind: type[Exception], words: str
) -> None:
    record = ConfigRecord({} if settings is None else {"settings": settings})
    with pytest.raises(kind, match=words):
        messages.unpack_settings(RecordDict({messages.CONFIG: record}))


def test_round_number_is_the_one_that_flower_adds() -> None:
    task = messages.pack_settings(TaskSettings(), "run-7")
    task["server-round"] = 3
    assert messages.unpack_task_id(RecordDict({messages.CONFIG: task})) == TaskId("run-7", 3)


@pytest.mark.parametrize("records", [{}, {messages.CONFIG: ConfigRecord({"server-round": "3"})}])
def test_task_without_a_round_number_is_refused(records: dict[str, Any]) -> None:
    with pytest.raises(MessageError, match=r"round .* expected a whole number"):
        messages.unpack_task_id(RecordDict(records))


def test_refusal_is_one_line_without_control_codes() -> None:
    content = as_received(messages.pack_reason("No.\n\x1b[31mRed"))
    assert messages.unpack_reason(content) == "No.  [31mRed"


def test_join_and_refusal_arrive_as_they_were() -> None:
    who = JoinReply(site="north", instance="abc", version="0.1.0")
    assert messages.unpack_join_reply(as_received(messages.pack_join_reply(who))) == who
    assert messages.unpack_reason(as_received(messages.pack_reason("Full."))) == "Full."


@pytest.mark.parametrize("name", ["site", "instance", "version"])
def test_join_reply_without_a_part_names_it(name: str) -> None:
    content = messages.pack_join_reply(JoinReply("north", "abc", "0.1.0"))
    content.config_records[messages.CONFIG][name] = 7
    with pytest.raises(MessageError, match=f"no text '{name}'"):
        messages.unpack_join_reply(content)


def test_prepare_reply_arrives_as_it_was() -> None:
    assert messages.unpack_prepare_reply(as_received(messages.pack_prepare_reply(PREPARED))) == PREPARED


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
    content = messages.pack_prepare_reply(PREPARED)
    content.config_records[messages.CONFIG]["card"] = card
    with pytest.raises(MessageError, match=words):
        messages.unpack_prepare_reply(content)


@pytest.mark.parametrize("name", ["num_train_scans", "num_validation_scans", "began_at_s"])
def test_prepare_reply_with_a_bad_number_names_it(name: str) -> None:
    content = messages.pack_prepare_reply(PREPARED)
    content.metric_records[messages.METRICS][name] = -1
    with pytest.raises(MessageError, match=f"The message says {name} is -1"):
        messages.unpack_prepare_reply(content)


def test_update_arrives_as_it_was() -> None:
    arrived = messages.unpack_train_reply(as_received(messages.pack_train_reply(UPDATE)))
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
    content = messages.pack_train_reply(UPDATE)
    record = content.metric_records[messages.METRICS]
    if value is None:
        del record[name]
    else:
        record[name] = value
    with pytest.raises(MessageError, match=f"The message says {name} is .*, expected"):
        messages.unpack_train_reply(content)


def test_counts_arrive_as_they_were() -> None:
    content = as_received(messages.pack_evaluate_reply(EVALUATION))
    arrived = messages.unpack_evaluate_reply(content)
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
    without = messages.pack_evaluate_reply(evaluation_of(COUNTS))
    assert messages.unpack_evaluate_reply(without).replicates is None


def test_detection_is_sent_only_if_it_is_asked_for() -> None:
    config = messages.pack_settings(TaskSettings())
    messages.ask_for_more(config, intervals=False, detection=True)
    assert messages.wants_detection(as_received(RecordDict({messages.CONFIG: config})))
    messages.ask_for_more(config, intervals=False, detection=False)
    assert not messages.wants_detection(as_received(RecordDict({messages.CONFIG: config})))
    assert not messages.wants_detection(RecordDict())
    without = messages.pack_evaluate_reply(evaluation_of(COUNTS))
    assert messages.unpack_evaluate_reply(without).detection is None


def pack_detection(counts: DetectionCounts) -> RecordDict:
    return messages.pack_evaluate_reply(replace(evaluation_of(COUNTS), detection=counts))


def test_detection_comes_as_it_went() -> None:
    went = DetectionCounts(COUNTS, num_candidates=250, num_nodules_proposed=COUNTS.num_nodules)
    came = messages.unpack_evaluate_reply(as_received(pack_detection(went))).detection
    assert came is not None
    assert (came.num_candidates, came.num_nodules_proposed) == (250, COUNTS.num_nodules)
    assert score(came.marks) == score(COUNTS)


@pytest.mark.parametrize("num_proposed", [0, COUNTS.num_nodules + 1])
def test_impossible_number_of_proposed_nodules_is_refused(num_proposed: int) -> None:
    with pytest.raises(MessageError, match=f"{num_proposed} nodules were proposed of {COUNTS.num_nodules}"):
        messages.unpack_evaluate_reply(pack_detection(DetectionCounts(COUNTS, 250, num_proposed)))


@pytest.mark.parametrize(
    "name", ["num_scans", "num_nodules", "positive_loss_sum", "negative_loss_sum", "began_at_s"]
)
@pytest.mark.parametrize("value", [None, -1, float("nan"), [1]])
def test_bad_number_of_an_evaluation_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(MessageError, match=f"The message says {name} is"):
        messages.unpack_evaluate_reply(evaluation_with(**{name: value}))


@pytest.mark.parametrize("name", ["positives", "negatives", "nodules_hit", "false_positives"])
@pytest.mark.parametrize(
    "value",
    [None, 1, [1] * (NUM_SCORE_BINS - 1), [1.0] * NUM_SCORE_BINS, [-1] + [0] * (NUM_SCORE_BINS - 1), []],
    ids=["missing", "one number", "too short", "not whole", "negative", "empty"],
)
def test_bad_bins_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(MessageError, match=f"The message's {name} is not 2000 counts from 0"):
        messages.unpack_evaluate_reply(evaluation_with(**{name: value}))


def test_more_hits_than_nodules_are_refused() -> None:
    with pytest.raises(MessageError, match="4 nodules were hit of 3"):
        messages.unpack_evaluate_reply(evaluation_with(num_nodules=3))


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
        messages.unpack_evaluate_reply(evaluation_with(**changes))


def test_counts_by_diameter_of_another_form_are_refused() -> None:
    with pytest.raises(MessageError, match="band_nodules_hit is not 8000 counts from 0"):
        messages.unpack_evaluate_reply(evaluation_with(band_nodules_hit=[0]))


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
    content = messages.pack_evaluate_reply(EVALUATION)
    content[messages.REPLICATES] = messages.pack_weights({**vars(EVALUATION.replicates), name: array})
    with pytest.raises(MessageError, match="replicates are not 500 times counts from 0"):
        messages.unpack_evaluate_reply(content)


def test_damaged_replicates_are_refused() -> None:
    content = messages.pack_evaluate_reply(EVALUATION)
    content[messages.REPLICATES] = ArrayRecord({messages.WEIGHTS: Array(np.zeros(9, np.uint8))})
    with pytest.raises(MessageError, match="replicates are damaged"):
        messages.unpack_evaluate_reply(content)


def test_bytes_are_those_of_weights_and_numbers() -> None:
    content = RecordDict({"a": ArrayRecord({"w": Array("uint8", (4,), "raw", b"1234")})})
    assert messages.count_bytes(content) == 4
    content["m"] = MetricRecord({"loss": 0.5, "bins": [1, 2, 3]})
    assert messages.count_bytes(content) == 4 + 8 + 24


@pytest.fixture
def task(flower_identity: None) -> Message:
    return Message(RecordDict(), dst_node_id=5, message_type="train")


def test_answer_of_a_task_that_went_well_is_its_content(task: Message) -> None:
    content = RecordDict({"m": MetricRecord({"loss": 0.5})})
    assert messages.content_of(Message(content, reply_to=task)) is content


def test_reason_of_a_failed_task_is_one_line_of_bounded_length(task: Message) -> None:
    reply = Message(Error(0, "first\nsecond\x1b[31m" + "x" * 1000), reply_to=task)
    with pytest.raises(MessageError) as failure:
        messages.content_of(reply)
    assert str(failure.value).startswith("first second [31mxxx")
    assert len(str(failure.value)) <= 300


def test_task_that_the_site_did_not_agree_to_is_no_failure(task: Message) -> None:
    with pytest.raises(TaskDeclinedError, match="Its consent is for 2 epochs"):
        messages.content_of(Message(Error(messages.DECLINED, "Its consent is for 2 epochs."), reply_to=task))


@pytest.mark.parametrize("num_sites", [1, 12])
def test_site_is_told_how_many_are_sent_the_round(num_sites: int) -> None:
    config = ConfigRecord()
    messages.tell_num_sites(config, num_sites)
    assert messages.unpack_num_sites(RecordDict({messages.CONFIG: config})) == num_sites


def test_coordinator_that_does_not_tell_how_many_sites_there_are_is_none() -> None:
    assert messages.unpack_num_sites(RecordDict({messages.CONFIG: ConfigRecord()})) is None


def test_failed_task_without_a_reason_says_so(task: Message) -> None:
    with pytest.raises(MessageError, match="gave no reason"):
        messages.content_of(Message(Error(0), reply_to=task))


def test_log_arrives_as_it_was_sent() -> None:
    lines = [{"text": "one", "round": 1}, {"text": "two"}]
    assert messages.unpack_log(messages.pack_log("\n".join(map(json.dumps, lines)))) == lines
    assert messages.unpack_run_id(messages.pack_log_request("r1")) == "r1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 1_000_001, "has 1000001 letters"),
        ("no JSON", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "is no JSON object"),
    ],
)
def test_log_that_is_none_is_refused(text: str, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        messages.unpack_log(messages.pack_log(text))
