"""From a model and a patch set to counts, by the candidate's label and by the challenge's rules."""

import math

import numpy as np
import pytest
import torch

from luna16.annotations import Candidate, Nodule
from luna16.config import DataConfig, EvaluationConfig, ModelConfig
from luna16.counts import score
from luna16.dataset import PatchSet
from luna16.evaluation import count_logits, evaluate, group_by_scan, predict_logits
from luna16.model import build_model
from luna16.scan_scores import score_exactly

CPU = torch.device("cpu")
DATA = DataConfig(patch_size_vox=8)


class MeanBrightness(torch.nn.Module):
    """A model whose logit is known: ten times the mean of the patch."""

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        return 10 * patches.mean(dim=(2, 3, 4))


def make_patch_set(candidates: list[tuple[str, float, bool]], hu: list[int]) -> PatchSet:
    """Make scans a, b and c, each with an 8 mm nodule at x = 0; an excluded finding in a at x = 100."""
    return PatchSet(
        patches_hu=np.array(hu, np.int16)[:, None, None, None] * np.ones((8, 8, 8), np.int16),
        candidates=tuple(Candidate(uid, (x_mm, 0.0, 0.0), label) for uid, x_mm, label in candidates),
        series_uids=("a", "b", "c"),
        nodules=tuple(Nodule(uid, (0.0, 0.0, 0.0), 8.0) for uid in "abc"),
        excluded=(Nodule("a", (100.0, 0.0, 0.0), -1.0),),
    )


@pytest.fixture
def validation() -> PatchSet:
    candidates = [
        ("a", 0.0, True),
        ("b", 3.0, True),
        ("a", 50.0, False),
        ("a", 99.0, False),
        ("b", 50.0, False),
    ]
    return make_patch_set(candidates, [400, -300, 50, 50, -1000])


def test_logits_are_those_of_each_patch_in_order(validation: PatchSet) -> None:
    logits = predict_logits(MeanBrightness(), validation, DATA, EvaluationConfig(batch_size=2), device=CPU)
    assert logits.tolist() == pytest.approx([10, 5, 7.5, 7.5, 0], abs=1e-5)


def test_counts_follow_label_for_roc_and_challenge_for_froc(validation: PatchSet) -> None:
    counts = evaluate(MeanBrightness(), validation, DATA, EvaluationConfig(), device=CPU)
    assert (counts.num_scans, counts.num_nodules, counts.num_examples) == (3, 3, 5)
    assert (counts.positives.sum(), counts.negatives.sum()) == (2, 3)
    assert (counts.nodules_hit.sum(), counts.false_positives.sum()) == (2, 2)


def test_scores_computed_by_hand(validation: PatchSet) -> None:
    """Positives 10 and 5, negatives 7.5, 7.5 and 0; one of the 7.5 lies on an excluded finding.

    FROC points (rate, sensitivity): (0, 1/3) (1/3, 1/3) (1/3, 2/3) (2/3, 2/3).
    """
    scores = score_exactly(group_by_scan(np.array([10.0, 5.0, 7.5, 7.5, 0.0]), validation))
    assert scores.auc == pytest.approx(4 / 6)
    assert scores.sensitivities == pytest.approx([1 / 3, 1 / 3, *[2 / 3] * 5])
    assert scores.cpm == pytest.approx((2 / 3 + 10 / 3) / 7)
    assert scores.average_precision == pytest.approx((1 + 2 / 4) / 2)


def test_binned_scores_of_well_separated_logits_are_exact(validation: PatchSet) -> None:
    logits = np.array([10.0, 5.0, 7.5, 7.5, 0.0])
    exact, binned = score_exactly(group_by_scan(logits, validation)), score(count_logits(logits, validation))
    assert (binned.auc, binned.sensitivities, binned.average_precision, binned.loss) == (
        exact.auc,
        exact.sensitivities,
        exact.average_precision,
        exact.loss,
    )


def test_exact_scores_tell_logits_apart_that_share_a_bin(validation: PatchSet) -> None:
    logits = np.array([1e-9, 1e-9, 0.0, 0.0, 0.0])
    assert score_exactly(group_by_scan(logits, validation)).auc == 1.0
    assert score(count_logits(logits, validation)).auc == 0.5


def test_loss_is_the_cross_entropy_of_the_logits(validation: PatchSet) -> None:
    counts = count_logits(np.array([0.0, 2.0, 0.0, 0.0, -2.0]), validation)
    assert counts.positive_loss_sum == pytest.approx(math.log(2) + math.log1p(math.exp(-2)))
    assert counts.negative_loss_sum == pytest.approx(2 * math.log(2) + math.log1p(math.exp(-2)))


def test_counts_of_two_sites_add_up(validation: PatchSet) -> None:
    logits = np.array([10.0, 5.0, 7.5, 7.5, 0.0])
    together = count_logits(logits, validation) + count_logits(-logits, validation)
    assert (together.num_scans, together.num_nodules, together.num_examples) == (6, 6, 10)
    assert score(together).auc == 12 / 24  # the second site's scores are the first's, mirrored


def test_nan_of_a_model_is_an_error(validation: PatchSet) -> None:
    model = build_model(ModelConfig())
    with torch.no_grad():
        next(model.parameters()).fill_(math.nan)
    with pytest.raises(ValueError, match="The model gave NaN for a candidate"):
        evaluate(model, validation, DATA, EvaluationConfig(), device=CPU)


def test_evaluation_leaves_the_weights_alone(validation: PatchSet) -> None:
    model = build_model(ModelConfig())
    before = [parameter.clone() for parameter in model.parameters()]
    evaluate(model, validation, DATA, EvaluationConfig(), device=CPU)
    assert all(map(torch.equal, before, model.parameters()))


def test_every_batch_is_told(validation: PatchSet) -> None:
    steps: list[tuple[int, int]] = []
    config = EvaluationConfig(batch_size=2)
    evaluate(MeanBrightness(), validation, DATA, config, device=CPU, on_step=lambda *s: steps.append(s))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_scans_without_candidates_are_counted() -> None:
    counts = count_logits(np.empty(0), make_patch_set([], []))
    assert (counts.num_scans, counts.num_nodules) == (3, 3)
    assert score(counts).sensitivities == (0.0,) * 7
    assert score_exactly(group_by_scan(np.empty(0), make_patch_set([], []))) == score(counts)
