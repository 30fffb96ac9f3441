"""What may be told of a run's model to anybody: no site by name, and no count of fewer than 5 scans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_store.base import Store
from fl_store.metrics import CPMS_BY_DIAMETER, FEDERATION, Metric
from fl_store.rows import DataCardRow, SiteRow
from fl_store.run_rows import MetricRow, RunRow, SiteRoundRow
from fl_store.words import SiteRoundState
from luna16.checkpoint import read_about
from luna16.histogram import can_tell

TOLD_OF_MODEL = ("run_id", "kind", "round_no", "sha256", "written_at", "settings", "calibration")
TOLD_OF_SETTINGS = ("model", "strategy", "training")


@dataclass(frozen=True)
class ModelFacts:
    """A model, what it was trained on, and how it did; None is a number that is not told.

    ``about`` is what the JSON beside the model tells. ``metrics`` are those of its round, of all sites
    together. ``settings`` have the keys of a run's file.
    """

    about: Mapping[str, Any]
    num_rounds: int
    settings: Mapping[str, Any]
    num_sites: int
    num_train_scans: int | None
    num_validation_scans: int | None
    num_nodules: int | None
    metrics: tuple[MetricRow, ...]

    @property
    def run_id(self) -> str:
        """The run that made it."""
        return str(self.about["run_id"])

    @property
    def sha256(self) -> str:
        """The sha256 of the run's file of weights."""
        return str(self.about["sha256"])

    @property
    def round_no(self) -> int:
        """The round after which it was kept."""
        return int(self.about["round_no"])

    def describe(self) -> dict[str, Any]:
        """Return what programs should know of the model, in the form of ``luna16.checkpoint``."""
        return {**self.about, "notice": "Research use only, not for diagnosis."}

    def describe_for_monai(self) -> dict[str, Any]:
        """Return the keys that MONAI's metadata get from the run."""
        scores = {str(row.metric): row.value for row in self.metrics if row.value is not None}
        return {"eval_metrics": scores, "fedluna": self.describe()}


def read_facts(store: Store, run: RunRow, model_path: Path) -> ModelFacts:
    """Read what may be told of a model file of a run.

    Raises FileNotFoundError or ValueError, with one line, if the JSON beside it is missing or damaged.
    """
    about = {key: value for key, value in read_about(model_path).items() if key in TOLD_OF_MODEL}
    if (
        about.get("run_id") != run.run_id
        or not isinstance(about.get("round_no"), int)
        or "sha256" not in about
    ):
        raise ValueError(f"{model_path.stem}.json is not the JSON of a model of run {run.run_id}.")
    sites = _find_sites(store, run.run_id, about["round_no"])
    site_rows = [row for row in store.get(SiteRow) if row.site in sites]
    cards = [row.card for row in store.get(DataCardRow) if row.site in sites]
    metrics = store.get(MetricRow, run_id=run.run_id, round_no=about["round_no"], site=FEDERATION)
    return ModelFacts(
        about=about,
        num_rounds=run.num_rounds,
        settings={name: run.config[name] for name in TOLD_OF_SETTINGS if name in run.config},
        num_sites=len(sites),
        num_train_scans=_sum_told([row.num_train_scans for row in site_rows], len(sites)),
        num_validation_scans=_sum_told([row.num_validation_scans for row in site_rows], len(sites)),
        num_nodules=_sum_told([card.get("num_nodules") for card in cards], len(sites)),
        metrics=_list_metrics(metrics),
    )


def _find_sites(store: Store, run_id: str, round_no: int) -> set[str]:
    """Return the sites that did their part in one of the rounds which led to the model."""
    rows = store.get(SiteRoundRow, run_id=run_id, state=SiteRoundState.DONE)
    return {row.site for row in rows if row.round_no <= round_no}


def _sum_told(counts: Sequence[int | None], num_sites: int) -> int | None:
    """Add up the sites' counts; None if one is not known, or if the sum is too small to tell."""
    total = sum(count or 0 for count in counts)
    is_whole = len(counts) == num_sites and None not in counts
    return total if is_whole and can_tell(total) else None


def _list_metrics(metrics: Sequence[MetricRow]) -> tuple[MetricRow, ...]:
    """Return the metrics that may be told, in their usual order.

    If a band of diameters has fewer than 5 nodules, none is told: its number follows from the others'.
    """
    places = {metric: place for place, metric in enumerate(Metric)}
    few = {row.metric for row in metrics if not can_tell(row.num_examples or 0)}
    hidden = few.union(CPMS_BY_DIAMETER) if few.intersection(CPMS_BY_DIAMETER) else few
    told = [row for row in metrics if row.metric not in hidden]
    return tuple(sorted(told, key=lambda row: places[row.metric]))
