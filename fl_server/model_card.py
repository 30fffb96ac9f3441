"""The card of an exported model, as Markdown (Mitchell et al. 2019, https://arxiv.org/abs/1810.03993).

Its words are in ``static/model_card.md``; here are the numbers.
"""

from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from string import Template

from fl_server.model_facts import ModelFacts
from fl_server.model_formats import ModelFormat
from fl_server.run_tables import flatten
from fl_store.metrics import DETECTION_SENSITIVITIES, Metric
from fl_store.run_rows import MetricRow
from luna16.config import DataConfig

TITLES = {
    Metric.AUC: "area under the ROC curve",
    Metric.CPM: "CPM: mean sensitivity at 1/8 to 8 false positives a scan",
    Metric.AVERAGE_PRECISION: "average precision",
    Metric.CALIBRATION_ERROR: "calibration error",
    Metric.VALIDATION_LOSS: "binary cross-entropy",
    Metric.SENSITIVITY_AT_1_8: "sensitivity at 1/8 false positives a scan",
    Metric.SENSITIVITY_AT_1_4: "sensitivity at 1/4",
    Metric.SENSITIVITY_AT_1_2: "sensitivity at 1/2",
    Metric.SENSITIVITY_AT_1: "sensitivity at 1",
    Metric.SENSITIVITY_AT_2: "sensitivity at 2",
    Metric.SENSITIVITY_AT_4: "sensitivity at 4",
    Metric.SENSITIVITY_AT_8: "sensitivity at 8",
    Metric.CPM_BELOW_6_MM: "CPM, nodules below 6 mm",
    Metric.CPM_6_TO_8_MM: "CPM, nodules from 6 to 8 mm",
    Metric.CPM_8_TO_15_MM: "CPM, nodules from 8 to 15 mm",
    Metric.CPM_FROM_15_MM: "CPM, nodules from 15 mm",
    Metric.DETECTION_CPM: "CPM of whole scans, with FedLuna's own search for candidates",
    **{
        metric: f"sensitivity at {rate} in whole scans"
        for metric, rate in zip(DETECTION_SENSITIVITIES, ("1/8", "1/4", "1/2", 1, 2, 4, 8), strict=True)
    },
    Metric.CANDIDATE_SENSITIVITY: "share of the nodules that this search proposes",
    Metric.CANDIDATES_PER_SCAN: "candidates that it proposes in a scan",
    Metric.TEST_AUC: "area under the ROC curve, test scans",
    Metric.TEST_CPM: "CPM, test scans",
    Metric.TEST_AVERAGE_PRECISION: "average precision, test scans",
    Metric.TEST_LOSS: "binary cross-entropy, test scans",
}
NOT_TOLD, NONE = "not told", "-"
PACKAGES = ("fedluna", "torch", "monai", "numpy")


def write_card(facts: ModelFacts, data: DataConfig, file_format: ModelFormat) -> str:
    """Return the card of a model that is exported in a format."""
    return Template(_read_static("model_card.md")).substitute(
        network=facts.about["settings"].get("model", {}).get("name", ""),
        num_sites="One hospital" if facts.num_sites == 1 else f"{facts.num_sites} hospitals",
        kind=facts.about.get("kind", ""),
        run_id=facts.run_id,
        round_no=facts.round_no,
        num_rounds=facts.num_rounds,
        usage=_read_static(f"use-{file_format}.md").strip(),
        calibration=_describe_calibration(facts),
        data=_draw_counts(facts),
        scores=_draw_scores(facts.metrics),
        training=_draw_table(("setting", "value"), flatten(facts.settings)),
        origin=_draw_origin(facts),
        side=data.patch_size_vox,
        spacing_mm=f"{data.patch_spacing_mm:g}",
        half_mm=f"{(data.patch_size_vox - 1) / 2 * data.patch_spacing_mm:.10g}",
        hu_min=data.hu_min,
        hu_max=data.hu_max,
    )


def _read_static(name: str) -> str:
    return (files("fl_server") / "static" / name).read_text(encoding="utf-8")


def _describe_calibration(facts: ModelFacts) -> str:
    if calibration := facts.about.get("calibration"):
        table = _draw_table(("number", "value"), flatten({"calibration": calibration}))
        return f"The JSON of the model tells how its logits become calibrated probabilities:\n\n{table}"
    share = facts.settings.get("training", {}).get("negatives_per_positive")
    drawn = f"It was trained with {share:g} negatives to a positive, so a" if share else "A"
    return (
        f"The scores are not calibrated. {drawn} probability ranks candidates,\n"
        "and is not the share of nodules among candidates like this one."
    )


def _draw_counts(facts: ModelFacts) -> str:
    counts = {
        "hospitals": facts.num_sites,
        "training scans": facts.num_train_scans,
        "validation scans": facts.num_validation_scans,
        "nodules in both": facts.num_nodules,
    }
    rows = ((name, NOT_TOLD if count is None else count) for name, count in counts.items())
    return _draw_table(("what", "number"), rows)


def _draw_scores(metrics: Iterable[MetricRow]) -> str:
    rows = [_list_cells(row) for row in metrics if row.metric in TITLES]
    if not rows:
        return "The run has no scores of this round."
    return _draw_table(("score", "value", "95 % interval", "n"), rows)


def _list_cells(row: MetricRow) -> tuple[str, ...]:
    value = str(row.not_finite or NONE) if row.value is None else f"{row.value:.3f}"
    has_interval = row.interval_low is not None and row.interval_high is not None
    interval = f"{row.interval_low:.3f} to {row.interval_high:.3f}" if has_interval else NONE
    return TITLES[row.metric], value, interval, str(row.num_examples or NONE)


def _draw_origin(facts: ModelFacts) -> str:
    rows = [
        ("run", facts.run_id),
        ("kind, round", f"{facts.about.get('kind', '')}, {facts.round_no}"),
        ("sha256 of the run's file of weights", f"`{facts.sha256}`"),
        *((f"exported by {name}", version(name)) for name in PACKAGES),
    ]
    return _draw_table(("what", "value"), rows)


def _draw_table(titles: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    """Draw a table of our own words and numbers, in which there is no bar and no line break."""
    lines = (titles, ("---",) * len(titles), *rows)
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)
