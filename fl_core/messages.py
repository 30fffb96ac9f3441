"""What travels between coordinator and site, packed into Flower's records and checked on arrival.

A reply carries counts and weights, never a scan UID, a coordinate or a file name. Weights travel as one
array of bytes in safetensors format: Flower makes several requests for every array, and sent one by one,
the 45 tensors of the default model cost seconds a round.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from safetensors import SafetensorError
from safetensors.numpy import load, save

from fl_core.config import TaskSettings, parse_settings
from fl_core.errors import MessageError, TaskDeclinedError
from fl_core.numbers import (
    Number,
    list_counts,
    list_detection,
    read_bands,
    read_count,
    read_counts,
    read_detection,
    read_number,
    read_replicates,
)
from luna16.counts import BandCounts, EvalCounts, Replicates
from luna16.data_card import DataCard, read_data_card
from luna16.detection.counts import DetectionCounts

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

MAX_REASON_LENGTH = 300
MAX_LOG_BYTES = 1_000_000
"""How much of its log a site sends at most."""

Weights = Mapping[str, npt.NDArray[Any]]
"""A model's weights by the name of the tensor."""

DAMAGED = (KeyError, TypeError, ValueError, SafetensorError)
"""What is raised over arrays that are missing or in another form."""


@dataclass(frozen=True)
class JoinReply:
    """Who a site says it is; ``instance`` is a random word that one installation keeps for good."""

    site: str
    instance: str
    version: str


@dataclass(frozen=True)
class TaskId:
    """Which round of which run a task belongs to; a site says it back with its update."""

    run_id: str
    round_no: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"round {self.round_no} of run '{self.run_id[:40]}'"


@dataclass(frozen=True)
class PrepareReply:
    """How many scans a site trains on and validates on, and what it tells of them.

    ``shares_model`` says whether other sites may score its updates, as ``[consent] share_model`` has it, and
    ``shares_log`` whether it gives its log lines of the run to the coordinator. ``num_set_aside`` counts the
    scans that it has and cannot use.
    ``began_at_s``, here and in the other replies, is when it began the work, in Unix seconds by its clock.
    """

    num_train_scans: int
    num_validation_scans: int
    num_train_patches: int
    card: DataCard
    began_at_s: float
    shares_model: bool = False
    shares_log: bool = False
    num_set_aside: int = 0


@dataclass(frozen=True)
class TrainReply:
    """A site's update: its weights, the number of examples behind them, mean loss, and seconds.

    ``batch_size`` is less than what the settings ask for where the site's GPU could not hold that; 0 is no
    word. ``num_set_aside`` counts the scans that the site has and could not use.
    """

    task: TaskId
    weights: Weights
    num_examples: int
    loss: float
    train_s: float
    began_at_s: float
    batch_size: int = 0
    num_set_aside: int = 0


@dataclass(frozen=True)
class EvaluateReply:
    """A site's additive counts, also by diameter, and the seconds they took.

    ``replicates`` and the counts of the ``detection`` in whole scans are there if they were asked for.
    """

    counts: EvalCounts
    bands: BandCounts
    evaluate_s: float
    began_at_s: float
    replicates: Replicates | None = None
    detection: DetectionCounts | None = None


def pack_weights(weights: Weights) -> ArrayRecord:
    """Pack a model as one array of bytes."""
    content = save({name: np.asarray(tensor, order="C") for name, tensor in weights.items()})
    return ArrayRecord({WEIGHTS: Array(np.frombuffer(content, dtype=np.uint8))})


def unpack_weights(content: RecordDict) -> dict[str, npt.NDArray[Any]]:
    """Return the model in a message; MessageError if there is none or it is damaged."""
    try:
        return _unpack_arrays(content, ARRAYS)
    except DAMAGED as error:
        raise MessageError("The message holds no whole model.") from error


def _unpack_arrays(content: RecordDict, key: str) -> dict[str, npt.NDArray[Any]]:
    return load(content.array_records[key][WEIGHTS].numpy().tobytes())


def pack_settings(settings: TaskSettings, run_id: str = "") -> ConfigRecord:
    """Pack what a site must know; Flower's strategy adds the number of the round."""
    return ConfigRecord({"settings": settings.model_dump_json(), RUN_ID: run_id})


def unpack_settings(content: RecordDict) -> TaskSettings:
    """Return the settings of a task; MessageError or ConfigError if they are not ours."""
    try:
        table = json.loads(_word(content, "settings"))
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
    return _find(content.config_records, CONFIG, WITH_INTERVALS) is True


def wants_detection(content: RecordDict) -> bool:
    """Say whether the coordinator asks for the detection in whole scans."""
    return _find(content.config_records, CONFIG, WITH_DETECTION) is True


def ask_for_test(config: ConfigRecord) -> None:
    """Let the sites score their test scans in place of those for validation."""
    config[ON_TEST] = True


def wants_test(content: RecordDict) -> bool:
    """Say whether the coordinator asks for the scores of the test scans."""
    return _find(content.config_records, CONFIG, ON_TEST) is True


def tell_num_sites(config: ConfigRecord, num_sites: int) -> None:
    """Let the sites know how many of them are sent this round."""
    config[NUM_SITES] = num_sites


def unpack_num_sites(content: RecordDict) -> int | None:
    """Return how many sites are sent this round; None if the coordinator does not tell."""
    num_sites = _find(content.config_records, CONFIG, NUM_SITES)
    return num_sites if isinstance(num_sites, int) else None


def unpack_task_id(content: RecordDict) -> TaskId:
    """Return which round of which run a message belongs to; MessageError if it does not say."""
    round_no = _find(content.config_records, CONFIG, ROUND)
    if not isinstance(round_no, int):
        raise MessageError(f"The message has round {round_no!r}, expected a whole number.")
    return TaskId(_word(content, RUN_ID), round_no)


def content_of(reply: Message) -> RecordDict:
    """Return what a site answered; MessageError with its reason, made one line, if its task failed.

    It is a TaskDeclinedError if the site did not agree to the task.
    """
    if reply.has_error():
        kind = TaskDeclinedError if reply.error.code == DECLINED else MessageError
        raise kind(_make_one_line(reply.error.reason or "The site gave no reason."))
    return reply.content


def pack_reason(reason: str) -> RecordDict:
    """Pack the reason why a site may not take part, or its update not be averaged."""
    return RecordDict({CONFIG: ConfigRecord({"reason": reason})})


def unpack_reason(content: RecordDict) -> str:
    """Return the reason that the coordinator gives, as one line."""
    return _make_one_line(_word(content, "reason"))


def pack_join_reply(reply: JoinReply) -> RecordDict:
    """Pack who this site is."""
    return RecordDict({CONFIG: ConfigRecord(vars(reply))})


def unpack_join_reply(content: RecordDict) -> JoinReply:
    """Return who a site says it is."""
    return JoinReply(
        site=_word(content, "site"),
        instance=_word(content, "instance"),
        version=_make_one_line(_word(content, "version")),
    )


def pack_prepare_reply(reply: PrepareReply) -> RecordDict:
    """Pack how much data this site has, and its card."""
    counts: dict[str, Number] = {
        "num_train_scans": reply.num_train_scans,
        "num_validation_scans": reply.num_validation_scans,
        "num_train_patches": reply.num_train_patches,
        SET_ASIDE: reply.num_set_aside,
        BEGAN: reply.began_at_s,
    }
    told = ConfigRecord(
        {
            "card": json.dumps(reply.card.to_json()),
            SHARES_MODEL: reply.shares_model,
            SHARES_LOG: reply.shares_log,
        }
    )
    return RecordDict({METRICS: MetricRecord(counts), CONFIG: told})


def unpack_prepare_reply(content: RecordDict) -> PrepareReply:
    """Return how much data a site says it has; MessageError if its card is not as we make it."""
    try:
        card = read_data_card(_word(content, "card"))
    except ValueError as error:
        raise MessageError(str(error)) from error
    numbers = _numbers(content)
    return PrepareReply(
        num_train_scans=read_count(numbers, "num_train_scans"),
        num_validation_scans=read_count(numbers, "num_validation_scans"),
        num_train_patches=read_count(numbers, "num_train_patches"),
        card=card,
        began_at_s=read_number(numbers, BEGAN),
        shares_model=_find(content.config_records, CONFIG, SHARES_MODEL) is True,
        num_set_aside=read_count(numbers, SET_ASIDE),
        shares_log=_find(content.config_records, CONFIG, SHARES_LOG) is True,
    )


def pack_log_request(run_id: str) -> RecordDict:
    """Ask for a site's log lines of a run."""
    return RecordDict({CONFIG: ConfigRecord({RUN_ID: run_id})})


def unpack_run_id(content: RecordDict) -> str:
    """Return the run that a message is about; MessageError if it does not say, and "" before there is one."""
    return _word(content, RUN_ID)


def pack_log(lines: str) -> RecordDict:
    """Pack the log lines of a site."""
    return RecordDict({CONFIG: ConfigRecord({"log": lines})})


def unpack_log(content: RecordDict) -> list[dict[str, Any]]:
    """Return a site's log lines; MessageError if they are too long, or one is no JSON object."""
    text = _word(content, "log")
    if len(text) > MAX_LOG_BYTES:
        raise MessageError(f"Its log has {len(text)} letters, expected {MAX_LOG_BYTES} at most.")
    try:
        lines = [json.loads(line) for line in text.splitlines()]
    except (ValueError, RecursionError) as error:
        raise MessageError("Its log holds a line that is not JSON.") from error
    if not all(isinstance(line, dict) for line in lines):
        raise MessageError("Its log holds a line that is no JSON object.")
    return lines


def pack_train_reply(reply: TrainReply) -> RecordDict:
    """Pack an update; FedAvg weighs it by its number of examples."""
    metrics: dict[str, Number] = {
        NUM_EXAMPLES: reply.num_examples,
        "loss": reply.loss,
        "train_s": reply.train_s,
        BEGAN: reply.began_at_s,
        BATCH_SIZE: reply.batch_size,
        SET_ASIDE: reply.num_set_aside,
    }
    task = ConfigRecord({RUN_ID: reply.task.run_id, ROUND: reply.task.round_no})
    return RecordDict({ARRAYS: pack_weights(reply.weights), METRICS: MetricRecord(metrics), CONFIG: task})


def unpack_train_reply(content: RecordDict) -> TrainReply:
    """Return a site's update; MessageError if a part is missing."""
    numbers = _numbers(content)
    return TrainReply(
        task=unpack_task_id(content),
        weights=unpack_weights(content),
        num_examples=read_count(numbers, NUM_EXAMPLES),
        loss=read_number(numbers, "loss"),
        train_s=read_number(numbers, "train_s"),
        began_at_s=read_number(numbers, BEGAN),
        batch_size=read_count(numbers, BATCH_SIZE),
        num_set_aside=read_count(numbers, SET_ASIDE),
    )


def pack_evaluate_reply(reply: EvaluateReply) -> RecordDict:
    """Pack a site's counts, and its replicates and those of the detection if there are any."""
    times: dict[str, Number] = {"evaluate_s": reply.evaluate_s, BEGAN: reply.began_at_s}
    content = RecordDict({METRICS: MetricRecord(times | list_counts(reply.counts, reply.bands))})
    if reply.replicates:
        content[REPLICATES] = pack_weights(vars(reply.replicates))
    if reply.detection:
        content[DETECTION] = MetricRecord(list_detection(reply.detection))
    return content


def unpack_evaluate_reply(content: RecordDict) -> EvaluateReply:
    """Return a site's counts; MessageError if one is missing, negative, not finite or impossible."""
    numbers = _numbers(content)
    counts = read_counts(numbers)
    return EvaluateReply(
        counts=counts,
        bands=read_bands(numbers, counts),
        evaluate_s=read_number(numbers, "evaluate_s"),
        began_at_s=read_number(numbers, BEGAN),
        replicates=_unpack_replicates(content) if REPLICATES in content.array_records else None,
        detection=read_detection(content.metric_records[DETECTION])
        if DETECTION in content.metric_records
        else None,
    )


def _unpack_replicates(content: RecordDict) -> Replicates:
    try:
        return read_replicates(_unpack_arrays(content, REPLICATES))
    except DAMAGED as error:
        raise MessageError("The message's replicates are damaged.") from error


def count_bytes(content: RecordDict) -> int:
    """Return the size of the weights and numbers in a message, without Flower's envelope."""
    weights = sum(len(array.data) for record in content.array_records.values() for array in record.values())
    numbers = sum(np.size(value) for record in content.metric_records.values() for value in record.values())
    return weights + 8 * numbers


def _make_one_line(text: str) -> str:
    """Return what may be shown of a text from outside: no line breaks or control codes, and not long."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_REASON_LENGTH])


def _find(records: Mapping[str, Mapping[str, Any]], key: str, name: str) -> Any:
    """Return a value of a record, or None if it or the record is missing."""
    return records[key].get(name) if key in records else None


def _numbers(content: RecordDict) -> Mapping[str, Any]:
    """Return the numbers of a message; none if it has no record of them."""
    return content.metric_records.get(METRICS, {})


def _word(content: RecordDict, name: str) -> str:
    value = _find(content.config_records, CONFIG, name)
    if not isinstance(value, str):
        raise MessageError(f"The message holds no text '{name}'.")
    return value
