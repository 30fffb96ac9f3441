"""Central training: of the training scans of all sites, scored on the others."""

from pathlib import Path

import torch

from luna16.central import train_centrally
from luna16.config import CourseConfig, DataConfig, TrainingConfig
from luna16.counts import Score
from luna16.course import Origin, RoundRecord, take_course
from luna16.dataset import Shard
from luna16.pooling import pool_patch_sets
from luna16.scan_scores import score_exactly
from tests.test_training import make_patch_set

CONFIG = CourseConfig(
    rounds=2, data=DataConfig(patch_size_vox=16), training=TrainingConfig(steps=2, batch_size=4)
)
SHARDS = {
    "east": Shard(make_patch_set(4, 8), make_patch_set(3, 2)),
    "north": Shard(make_patch_set(8, 40), make_patch_set(2, 5)),
}
CPU = torch.device("cpu")


def test_all_sites_train_and_their_other_scans_are_scored_each_round(tmp_path: Path) -> None:
    told: list[tuple[RoundRecord, Score]] = []
    path = tmp_path / "m.safetensors"
    scans = train_centrally(
        SHARDS, CONFIG, path, device=CPU, on_round=lambda record, result: told.append((record, result))
    )
    pooled = [pool_patch_sets(shard.train for shard in SHARDS.values())]
    take_course(pooled, CONFIG, tmp_path / "other.safetensors", origin=Origin("k"), device=CPU)
    assert path.read_bytes() == (tmp_path / "other.safetensors").read_bytes()
    assert len(scans) == 2
    assert [record.round_no for record, _ in told] == [1, 2]
    assert abs((told[-1][1].auc or 0) - (score_exactly(scans).auc or 0)) < 0.01
