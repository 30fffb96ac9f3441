"""The last numbers of several runs side by side, with what they are of and how sure they are."""

from collections.abc import Sequence

from fl_monitor.blocks import Cell, Column, Table
from fl_monitor.figures.runs import label_runs
from fl_monitor.language import gettext as _
from fl_monitor.snapshot import RunRows
from fl_monitor.summary import RUN_TONES, federation_metrics, run_state_text
from fl_monitor.wording import DASH, count_text, metric_text, number_text
from fl_store.metrics import CPMS_BY_DIAMETER, SENSITIVITIES, Metric
from fl_store.run_rows import MetricRow

SHOWN = (
    Metric.CPM,
    Metric.AUC,
    Metric.VALIDATION_LOSS,
    Metric.TRAIN_LOSS,
    Metric.AVERAGE_PRECISION,
    Metric.CALIBRATION_ERROR,
    *CPMS_BY_DIAMETER,
    *SENSITIVITIES,
)


def list_last_numbers(runs: Sequence[RunRows]) -> Table:
    """List what the federation came to in the last finished round of each run."""
    labels = label_runs(runs)
    last = [federation_metrics(rows, rows.last_finished_round) for rows in runs]
    shown = [metric for metric in SHOWN if any(metric in found for found in last)]
    return Table(
        "run-numbers",
        _("Last numbers of the federation"),
        columns=(
            Column(_("Number")),
            *(Column(labels[rows.run.run_id], is_number=True) for rows in runs),
        ),
        lines=(
            (_("Run"), *(Cell(rows.run.run_id, site=rows.run.run_id) for rows in runs)),
            (_("State"), *(_state_cell(rows) for rows in runs)),
            (_("Round"), *(_round_text(rows) for rows in runs)),
            *((_title_of(metric), *(_number_text(found.get(metric)) for found in last)) for metric in shown),
        ),
        note=_("In brackets the 95 % CI, where it is known; n is how many examples the number is of."),
    )


def _state_cell(rows: RunRows) -> Cell:
    return Cell(run_state_text(rows.run.state), tone=RUN_TONES[rows.run.state])


def _round_text(rows: RunRows) -> str:
    return _("{number} of {total}").format(number=rows.last_finished_round or 0, total=rows.run.num_rounds)


def _number_text(row: MetricRow | None) -> str:
    if row is None:
        return DASH
    text = row.not_finite or number_text(row.value)
    if row.interval_low is not None and row.interval_high is not None:
        text += f" [{number_text(row.interval_low)}, {number_text(row.interval_high)}]"
    parts = [text]
    if row.num_examples is not None:
        parts.append(f"n = {count_text(row.num_examples)}")
    return ", ".join(parts)


def _title_of(metric: Metric) -> str:
    text = metric_text(metric)
    return text[:1].upper() + text[1:]
