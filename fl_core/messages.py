"""What travels between coordinator and site, packed into Flower's records and checked on arrival.

What a site answers is in ``replies``. Weights travel as one array of bytes in safetensors format: Flower
makes several requests for every array, and sent one by one, the 45 tensors of the default model cost seconds
a round.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.common.constant import ErrorCode
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fl_core.config import TaskSettings, parse_settings
from fl_core.errors import MessageError, TaskDeclinedError

JOIN = "query.join"
PREPARE = "query.prepare"
REFUSE = "query.refuse"
LEFT_OUT = "query.left_out"
LOG = "query.log"

ARRAYS = "arrays"
WEIGHTS = "safetensors"
CONFIG = "config"
METRICS = "metrics"
NUM_EXAMPLES = "num-examples"
BEGAN = "began_at_s"
RUN_ID = "run-id"
ROUND = "server-round"
WITH_INTERVALS = "with-intervals"
WITH_DETECTION = "with-detection"
BATCH_SIZE = "batch-size"
SET_ASIDE = "num-scans-set-aside"
ON_TEST = "on-test"
SHARES_MODEL = "shares-model"
SHARES_LOG = "shares-log"
DETECTION = "detection"
REPLICATES = "replicates"
NUM_SITES = "num-sites"

DECLINED = 1000
"""Flower's code of an answer that is an error, if the site did not agree to the task; its own are below."""

LOST_ON_THE_WAY = {
    ErrorCode.NODE_UNAVAILABLE,
    ErrorCode.MESSAGE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE,
    ErrorCode.CLIENT_APP_CRASHED,
}
"""Codes of errors that are Flower's own: a message did not reach the site, or its answer did not reach us."""

MAX_REASON_LENGTH = 300
MAX_LOG_BYTES = 1_000_000
"""How much of its log a site sends at most."""

Weights = Mapping[str, npt.NDArray[Any]]
"""A model's weights by the name of the tensor."""

DAMAGED = (KeyError, TypeError, ValueError, SafetensorError)
"""What is raised over arrays that are missing or in another form."""


@dataclass(frozen=True)
class TaskId:
    """Which round of which run a task belongs to; a site says it back with its update."""

    run_id: str
    round_no: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"round {self.round_no} of run '{self.run_id[:40]}'"


def pack_weights(weights: Weights) -> ArrayRecord:
    """Pack a model as one array of bytes."""
    content = save({name: np.asarray(tensor, order="C") for name, tensor in weights.items()})
    return ArrayRecord({WEIGHTS: Array(np.frombuffer(content, dtype=np.uint8))})


def unpack_weights(content: RecordDict) -> dict[str, npt.NDArray[Any]]:
    """Return the model in a message; MessageError if there is none or it is damaged."""
    try:
        return read_arrays(content, ARRAYS)
    except DAMAGED as error:
        raise MessageError("The message holds no whole model.") from error


def read_arrays(content: RecordDict, key: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a record; one of ``DAMAGED`` if they are not as we send them."""
    return load(content.array_records[key][WEIGHTS].numpy().tobytes())


def pack_settings(settings: TaskSettings, run_id: str = "") -> ConfigRecord:
    """Pack what a site must know; Flower's strategy adds the number of the round."""
    return ConfigRecord({"settings": settings.model_dump_json(), RUN_ID: run_id})


def unpack_settings(content: RecordDict) -> TaskSettings:
    """Return the settings of a task; MessageError or ConfigError if they are not ours."""
    try:
        table = json.loads(read_word(content, "settings"))
    except ValueError as error:
        raise MessageError("The coordinator's task has settings that are not JSON.") from error
    return parse_settings(table, TaskSettings, source="the coordinator's task")


def ask_for_more(config: ConfigRecord, *, intervals: bool, detection: bool) -> None:
    """Let the sites send what confidence intervals are made of, too, and find nodules from the scans alone.

    Flower's strategy sends the same record every round, so what is not wanted any more is said as well.
    """
    config[WITH_INTERVALS], config[WITH_DETECTION] = intervals, detection


def wants_intervals(content: RecordDict) -> bool:
    """Say whether the coordinator asks for what confidence intervals are made of."""
    return find_value(content.config_records, CONFIG, WITH_INTERVALS) is True


def wants_detection(content: RecordDict) -> bool:
    """Say whether the coordinator asks for the detection in whole scans."""
    return find_value(content.config_records, CONFIG, WITH_DETECTION) is True


def ask_for_test(config: ConfigRecord) -> None:
    """Let the sites score their test scans in place of those for validation."""
    config[ON_TEST] = True


def wants_test(content: RecordDict) -> bool:
    """Say whether the coordinator asks for the scores of the test scans."""
    return find_value(content.config_records, CONFIG, ON_TEST) is True


def tell_num_sites(config: ConfigRecord, num_sites: int) -> None:
    """Let the sites know how many of them are sent this round."""
    config[NUM_SITES] = num_sites


def unpack_num_sites(content: RecordDict) -> int | None:
    """Return how many sites are sent this round; None if the coordinator does not tell."""
    num_sites = find_value(content.config_records, CONFIG, NUM_SITES)
    return num_sites if isinstance(num_sites, int) else None


def unpack_task_id(content: RecordDict) -> TaskId:
    """Return which round of which run a message belongs to; MessageError if it does not say."""
    round_no = find_value(content.config_records, CONFIG, ROUND)
    if not isinstance(round_no, int):
        raise MessageError(f"The message has round {round_no!r}, expected a whole number.")
    return TaskId(read_word(content, RUN_ID), round_no)


def is_lost(reply: Message) -> bool:
    """Say whether this is no answer of the site, which is to be asked again once it is there."""
    return reply.has_error() and reply.error.code in LOST_ON_THE_WAY


def content_of(reply: Message) -> RecordDict:
    """Return what a site answered; MessageError with its reason, made one line, if its task failed.

    It is a TaskDeclinedError if the site did not agree to the task.
    """
    if reply.has_error():
        kind = TaskDeclinedError if reply.error.code == DECLINED else MessageError
        raise kind(make_one_line(reply.error.reason or "The site gave no reason."))
    return reply.content


def pack_reason(reason: str) -> RecordDict:
    """Pack the reason why a site may not take part, or its update not be averaged."""
    return RecordDict({CONFIG: ConfigRecord({"reason": reason})})


def unpack_reason(content: RecordDict) -> str:
    """Return the reason that the coordinator gives, as one line."""
    return make_one_line(read_word(content, "reason"))


def pack_log_request(run_id: str) -> RecordDict:
    """Ask for a site's log lines of a run."""
    return RecordDict({CONFIG: ConfigRecord({RUN_ID: run_id})})


def unpack_run_id(content: RecordDict) -> str:
    """Return the run that a message is about; MessageError if it does not say, and "" before there is one."""
    return read_word(content, RUN_ID)


def pack_log(lines: str) -> RecordDict:
    """Pack the log lines of a site."""
    return RecordDict({CONFIG: ConfigRecord({"log": lines})})


def unpack_log(content: RecordDict) -> list[dict[str, Any]]:
    """Return a site's log lines; MessageError if they are too long, or one is no JSON object."""
    text = read_word(content, "log")
    if len(text) > MAX_LOG_BYTES:
        raise MessageError(f"Its log has {len(text)} letters, expected {MAX_LOG_BYTES} at most.")
    try:
        lines = [json.loads(line) for line in text.splitlines()]
    except (ValueError, RecursionError) as error:
        raise MessageError("Its log holds a line that is not JSON.") from error
    if not all(isinstance(line, dict) for line in lines):
        raise MessageError("Its log holds a line that is no JSON object.")
    return lines


def count_bytes(content: RecordDict) -> int:
    """Return the size of the weights and numbers in a message, without Flower's envelope."""
    weights = sum(len(array.data) for record in content.array_records.values() for array in record.values())
    numbers = sum(np.size(value) for record in content.metric_records.values() for value in record.values())
    return weights + 8 * numbers


def make_one_line(text: str) -> str:
    """Return what may be shown of a text from outside: no line breaks or control codes, and not long."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_REASON_LENGTH])


def find_value(records: Mapping[str, Mapping[str, Any]], key: str, name: str) -> Any:
    """Return a value of a record, or None if it or the record is missing."""
    return records[key].get(name) if key in records else None


def read_word(content: RecordDict, name: str) -> str:
    """Return a text of a message's settings; MessageError if it is missing."""
    value = find_value(content.config_records, CONFIG, name)
    if not isinstance(value, str):
        raise MessageError(f"The message holds no text '{name}'.")
    return value
