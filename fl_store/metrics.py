"""The numbers and curves that are kept of every round, and what a number was that has no value."""

from enum import StrEnum

FEDERATION = "*"
"""Stands for the whole federation in a metric's ``site``; no site can have this name."""


class Metric(StrEnum):
    """The numbers kept for every round, of each site and of the FEDERATION.

    Those of detection and candidates are of whole scans: only a round has them in which the sites were asked.
    Those of the test are of the last and the best model after the run, on scans kept for that; they stand at
    the round of the model. ``LOSS_CHANGE_WITHOUT`` a site is how much higher the pooled validation loss of
    the round is if its update is left out of the average.
    """

    AUC = "auc"
    CPM = "cpm"
    AVERAGE_PRECISION = "average_precision"
    CALIBRATION_ERROR = "calibration_error"
    TRAIN_LOSS = "train_loss"
    VALIDATION_LOSS = "validation_loss"
    SENSITIVITY_AT_1_8 = "sensitivity_at_0.125"
    SENSITIVITY_AT_1_4 = "sensitivity_at_0.25"
    SENSITIVITY_AT_1_2 = "sensitivity_at_0.5"
    SENSITIVITY_AT_1 = "sensitivity_at_1"
    SENSITIVITY_AT_2 = "sensitivity_at_2"
    SENSITIVITY_AT_4 = "sensitivity_at_4"
    SENSITIVITY_AT_8 = "sensitivity_at_8"
    CPM_BELOW_6_MM = "cpm_below_6_mm"
    CPM_6_TO_8_MM = "cpm_6_to_8_mm"
    CPM_8_TO_15_MM = "cpm_8_to_15_mm"
    CPM_FROM_15_MM = "cpm_from_15_mm"
    DETECTION_CPM = "detection_cpm"
    DETECTION_SENSITIVITY_AT_1_8 = "detection_sensitivity_at_0.125"
    DETECTION_SENSITIVITY_AT_1_4 = "detection_sensitivity_at_0.25"
    DETECTION_SENSITIVITY_AT_1_2 = "detection_sensitivity_at_0.5"
    DETECTION_SENSITIVITY_AT_1 = "detection_sensitivity_at_1"
    DETECTION_SENSITIVITY_AT_2 = "detection_sensitivity_at_2"
    DETECTION_SENSITIVITY_AT_4 = "detection_sensitivity_at_4"
    DETECTION_SENSITIVITY_AT_8 = "detection_sensitivity_at_8"
    CANDIDATE_SENSITIVITY = "candidate_sensitivity"
    CANDIDATES_PER_SCAN = "candidates_per_scan"
    TEST_AUC = "test_auc"
    TEST_CPM = "test_cpm"
    TEST_AVERAGE_PRECISION = "test_average_precision"
    TEST_LOSS = "test_loss"
    LOSS_CHANGE_WITHOUT = "loss_change_without"


SENSITIVITIES = tuple(metric for metric in Metric if metric.startswith("sensitivity_at_"))
"""Sensitivity at the seven LUNA16 rates of false positives per scan, in rising order of the rate."""

DETECTION_SENSITIVITIES = tuple(metric for metric in Metric if metric.startswith("detection_sensitivity_at_"))
"""The same for the marks of whole scans, which the model and the search for candidates make together."""

WHOLE_SCAN_METRICS = (
    Metric.DETECTION_CPM,
    *DETECTION_SENSITIVITIES,
    Metric.CANDIDATE_SENSITIVITY,
    Metric.CANDIDATES_PER_SCAN,
)

TEST_METRICS = {
    Metric.AUC: Metric.TEST_AUC,
    Metric.CPM: Metric.TEST_CPM,
    Metric.AVERAGE_PRECISION: Metric.TEST_AVERAGE_PRECISION,
    Metric.VALIDATION_LOSS: Metric.TEST_LOSS,
}
"""What a score is called when it is of test scans."""

NOT_OF_EVERY_ROUND = (*WHOLE_SCAN_METRICS, *TEST_METRICS.values(), Metric.LOSS_CHANGE_WITHOUT)

CPMS_BY_DIAMETER = (Metric.CPM_BELOW_6_MM, Metric.CPM_6_TO_8_MM, Metric.CPM_8_TO_15_MM, Metric.CPM_FROM_15_MM)
"""The mean of these sensitivities for the nodules of one band of diameters, smallest first."""


class NotFinite(StrEnum):
    """What a number was that has no value."""

    NAN = "nan"
    INFINITE = "inf"
    MINUS_INFINITE = "-inf"


class Curve(StrEnum):
    """The curves kept for every round, of each site and of the FEDERATION."""

    RELIABILITY = "reliability"
