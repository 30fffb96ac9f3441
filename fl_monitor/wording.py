"""How numbers are written: one that is not known is a dash, never zero."""

from fl_monitor.language import gettext as _
from fl_store.metrics import DETECTION_SENSITIVITIES, Metric
from fl_store.run_rows import MetricRow

DASH = "–"  # noqa: RUF001 - an en dash is meant


def number_text(value: float | None, *, digits: int = 3) -> str:
    """Write a number, or a dash if there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def count_text(value: int | None) -> str:
    """Write a count with thin spaces between thousands, or a dash if there is none."""
    return DASH if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def interval_text(row: MetricRow | None) -> str:
    """Say how sure a number is, if that is known; it is of the last round alone."""
    if row is None or row.interval_low is None or row.interval_high is None:
        return ""
    return _("95 % CI {low} to {high}").format(
        low=number_text(row.interval_low), high=number_text(row.interval_high)
    )


def rate_of(metric: Metric) -> float:
    """Return the false positives per scan at which a sensitivity was taken."""
    return float(metric.rpartition("_at_")[2])


def signed_text(value: float) -> str:
    """Write a change with its sign."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def size_text(num_bytes: int) -> str:
    """Write a size in MB, or in kB below one."""
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"


def metric_text(metric: Metric) -> str:
    """Return what a number of a round is called in a sentence."""
    names = {
        Metric.AUC: _("ROC AUC"),
        Metric.CPM: _("CPM"),
        Metric.AVERAGE_PRECISION: _("average precision"),
        Metric.CALIBRATION_ERROR: _("calibration error"),
        Metric.TRAIN_LOSS: _("training loss"),
        Metric.VALIDATION_LOSS: _("validation loss"),
        Metric.CPM_BELOW_6_MM: _("CPM below 6 mm"),
        Metric.CPM_6_TO_8_MM: _("CPM from 6 to 8 mm"),
        Metric.CPM_8_TO_15_MM: _("CPM from 8 to 15 mm"),
        Metric.CPM_FROM_15_MM: _("CPM from 15 mm"),
        Metric.DETECTION_CPM: _("CPM of whole scans"),
        Metric.CANDIDATE_SENSITIVITY: _("share of nodules among the candidates"),
        Metric.CANDIDATES_PER_SCAN: _("candidates per scan"),
        Metric.TEST_AUC: _("ROC AUC on test scans"),
        Metric.TEST_CPM: _("CPM on test scans"),
        Metric.TEST_AVERAGE_PRECISION: _("average precision on test scans"),
        Metric.TEST_LOSS: _("loss on test scans"),
        Metric.LOSS_CHANGE_WITHOUT: _("change of the validation loss without the site"),
    }
    if metric in names:
        return names[metric]
    if metric in DETECTION_SENSITIVITIES:
        text = _("sensitivity in whole scans at {rate} false positives per scan")
        return text.format(rate=f"{rate_of(metric):g}")
    return _("sensitivity at {rate} false positives per scan").format(rate=f"{rate_of(metric):g}")
