"""Central training: one model of the training scans of all sites, as if these might be pooled."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from luna16.config import CourseConfig
from luna16.counts import Score, score
from luna16.course import RoundRecord, make_origin, take_course
from luna16.dataset import Shard
from luna16.evaluation import evaluate, group_by_scan, predict_logits
from luna16.pooling import pool_patch_sets
from luna16.scan_scores import ScanScores

OnScoredRound = Callable[[RoundRecord, Score], None]


def train_centrally(
    shards: Mapping[str, Shard],
    config: CourseConfig,
    path: Path,
    *,
    device: torch.device,
    site_per_subset: bool = False,
    on_round: OnScoredRound = lambda _record, _score: None,
) -> list[ScanScores]:
    """Train one model on the training scans of all sites, keep it in ``path``, and score the others.

    Returns the scores of the validation scans of all sites after the last round; ``on_round`` is told those
    of each round. Errors as in ``take_course``.
    """
    train = pool_patch_sets(shard.train for shard in shards.values())
    validation = pool_patch_sets(shard.validation for shard in shards.values())

    def tell(model: torch.nn.Module, record: RoundRecord) -> None:
        counts = evaluate(model, validation, config.data, config.evaluation, device=device)
        on_round(record, score(counts))

    origin = make_origin("central", config, shards, device, site_per_subset=site_per_subset)
    model = take_course([train], config, path, origin=origin, device=device, on_round=tell)
    logits = predict_logits(model, validation, config.data, config.evaluation, device=device)
    return group_by_scan(logits, validation)
