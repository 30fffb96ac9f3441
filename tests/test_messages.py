import json
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, Message, MetricRecord, RecordDict
from safetensors.numpy import save

from fl_core import messages
from fl_core.config import TaskSettings
from fl_core.errors import ConfigError, MessageError, TaskDeclinedError
from fl_core.messages import TaskId
from luna16.config import DataConfig, TrainingConfig

WEIGHTS = {
    "layer.weight": np.array([[0.1, -2.5e-38], [3.4e38, -0.0]], dtype=np.float32),
    "layer.steps": np.array(7, dtype=np.int64),
}


def as_received(content: RecordDict) -> RecordDict:
    """Take the content through the bytes that Flower sends, as far as one object goes."""
    records: dict[str, Any] = {}
    for name, record in content.items():
        children = {child.object_id: child for child in (record.children or {}).values()}
        records[name] = type(record).inflate(record.deflate(), children or None)
    return RecordDict(records)


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
