"""The Quality page: how well the model finds nodules, for whom, and how far its numbers can be trusted."""

from collections.abc import Mapping, Sequence

from fl_monitor.blocks import Block, KeyFigures, Legend, Note, Page, Part
from fl_monitor.figures.by_diameter import diameter_chart
from fl_monitor.figures.calibration import calibration_error_chart, reliability_chart
from fl_monitor.figures.fairness import fairness_chart
from fl_monitor.figures.froc import detection_chart, froc_by_round
from fl_monitor.figures.progress import cpm_chart
from fl_monitor.figures.shift import shift_charts
from fl_monitor.figures.style import label_of, site_colors
from fl_monitor.language import gettext as _
from fl_monitor.language import ngettext
from fl_monitor.snapshot import RunRows
from fl_monitor.summary import quality_figures
from fl_monitor.views.run_header import head_run_page
from fl_monitor.views.seen import Seen
from fl_monitor.wording import metric_text
from fl_store.metrics import Metric, NotFinite
from fl_store.rows import DataShiftRow
from fl_store.run_rows import MetricRow

FAULTS_SHOWN = 8


def make(seen: Seen) -> Page:
    """Put the quality of a run's model into words and charts."""
    header = head_run_page(seen, _("Quality"))
    shift = Part((seen.snapshot.table(DataShiftRow), seen.ranks, seen.viewer.site), _shift)
    if seen.run is None:
        return Page(header, (shift,), site_colors(seen.ranks))
    sources = (seen.run, seen.ranks)
    parts = [Part(sources, each) for each in (_numbers, _sensitivity, _calibration, _fairness)]
    return Page(header, (*parts, shift), site_colors(seen.ranks))


def _numbers(rows: RunRows, _ranks: Mapping[str, int]) -> list[Block]:
    faults = [row for row in rows.metrics if row.not_finite]
    notes = [Note("not-finite", _("No number"), text=describe_faults(faults), tone="bad")] if faults else []
    if not rows.rounds:
        return [*notes]
    return [*notes, KeyFigures("figures", _("Key figures"), figures=quality_figures(rows))]


def describe_faults(faults: Sequence[MetricRow]) -> str:
    """Say which numbers came out as NaN or infinite, the newest first."""
    said = [_fault_text(row) for row in reversed(faults[-FAULTS_SHOWN:])]
    if num_more := len(faults) - len(said):
        said.append(
            ngettext("And {number} more before.", "And {number} more before.", num_more).format(
                number=num_more
            )
        )
    return " ".join(said)


def _fault_text(row: MetricRow) -> str:
    words = {
        NotFinite.NAN: _("NaN"),
        NotFinite.INFINITE: _("infinite"),
        NotFinite.MINUS_INFINITE: _("minus infinite"),
    }
    return _("The {metric} of {site} in round {round_no} was {value}.").format(
        metric=metric_text(row.metric),
        site=label_of(row.site),
        round_no=row.round_no,
        value=words[row.not_finite] if row.not_finite else "",
    )


def _sensitivity(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    if not rows.rounds:
        return []
    return [
        Legend("legend", _("Sites shown on the charts")),
        froc_by_round(rows, ranks),
        cpm_chart(rows, ranks),
        diameter_chart(rows, ranks),
        detection_chart(rows, ranks)
        or Note("detection", _("FROC of whole scans"), text=_not_detected_text()),
    ]


def _not_detected_text() -> str:
    setting = "detect_in_last_round"
    return _(
        "Known after the last round, if the run's file asks the sites to find nodules from the scans alone: "
        "{setting} in [federation]."
    ).format(setting=setting)


def _calibration(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    if not rows.rounds:
        return []
    return [reliability_chart(rows, ranks), calibration_error_chart(rows, ranks)]


def _fairness(rows: RunRows, ranks: Mapping[str, int]) -> list[Block]:
    if not rows.rounds:
        return []
    return [fairness_chart(rows, ranks, metric) for metric in (Metric.AUC, Metric.CPM)]


def _shift(shifts: Sequence[DataShiftRow], ranks: Mapping[str, int], own_site: str | None) -> list[Block]:
    title = _("Data shift between sites")
    if own_site is not None:
        hidden = _("How the data of the sites differ is shown to the coordinator and to analysts only.")
        return [Note("shift", title, text=hidden)]
    charts = shift_charts(shifts, ranks)
    missing = _("Not known yet: it comes when two sites have told their data cards.")
    return [*charts] if charts else [Note("shift", title, text=missing)]
