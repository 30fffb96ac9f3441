"""What a site answers, packed into Flower's records and checked on arrival.

A reply carries counts and weights, never a scan UID, a coordinate or a file name.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord, MetricRecord, RecordDict

from fl_core.errors import MessageError
from fl_core.messages import (
    ARRAYS,
    BATCH_SIZE,
    BEGAN,
    CONFIG,
    DAMAGED,
    DETECTION,
    METRICS,
    NUM_EXAMPLES,
    REPLICATES,
    ROUND,
    RUN_ID,
    SET_ASIDE,
    SHARES_LOG,
    SHARES_MODEL,
    TaskId,
    Weights,
    find_value,
    make_one_line,
    pack_weights,
    read_arrays,
    read_word,
    unpack_task_id,
    unpack_weights,
)
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


@dataclass(frozen=True)
class JoinReply:
    """Who a site says it is; ``instance`` is a random word that one installation keeps for good."""

    site: str
    instance: str
    version: str


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


def pack_join_reply(reply: JoinReply) -> RecordDict:
    """Pack who this site is."""
    return RecordDict({CONFIG: ConfigRecord(vars(reply))})


def unpack_join_reply(content: RecordDict) -> JoinReply:
    """Return who a site says it is."""
    return JoinReply(
        site=read_word(content, "site"),
        instance=read_word(content, "instance"),
        version=make_one_line(read_word(content, "version")),
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
        card = read_data_card(read_word(content, "card"))
    except ValueError as error:
        raise MessageError(str(error)) from error
    numbers = _numbers(content)
    return PrepareReply(
        num_train_scans=read_count(numbers, "num_train_scans"),
        num_validation_scans=read_count(numbers, "num_validation_scans"),
        num_train_patches=read_count(numbers, "num_train_patches"),
        card=card,
        began_at_s=read_number(numbers, BEGAN),
        shares_model=find_value(content.config_records, CONFIG, SHARES_MODEL) is True,
        num_set_aside=read_count(numbers, SET_ASIDE),
        shares_log=find_value(content.config_records, CONFIG, SHARES_LOG) is True,
    )


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
        return read_replicates(read_arrays(content, REPLICATES))
    except DAMAGED as error:
        raise MessageError("The message's replicates are damaged.") from error


def _numbers(content: RecordDict) -> Mapping[str, Any]:
    """Return the numbers of a message; none if it has no record of them."""
    return content.metric_records.get(METRICS, {})
