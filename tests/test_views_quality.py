from fl_monitor.views.quality import describe_faults
from fl_store.metrics import FEDERATION, Metric, NotFinite
from fl_store.rows import DataShiftRow
from tests.site_rows import ANALYST, NOON, NORTH, blocks_of, look, part, run_of, score

NAN = score("north", Metric.VALIDATION_LOSS, None, 3, not_finite=NotFinite.NAN)
SHIFT = DataShiftRow("north", "south", "hu", 0.4, 0.3, NOON)


def test_number_that_was_nan_is_said() -> None:
    note = blocks_of(look("quality", ANALYST, run_of(metrics=(NAN,))))["not-finite"]
    assert (note.text, note.tone) == ("The validation loss of north in round 3 was NaN.", "bad")


def test_of_many_such_numbers_the_newest_are_said() -> None:
    text = describe_faults([NAN] * 10)
    assert text.count("was NaN.") == 8
    assert text.endswith("And 2 more before.")


def test_key_figures_come_with_n_and_interval() -> None:
    cpm = score(FEDERATION, Metric.CPM, 0.7, num_examples=37, interval_low=0.6, interval_high=0.8)
    figures = blocks_of(look("quality", ANALYST, run_of(metrics=(cpm,))))["figures"].figures
    assert [figure.value for figure in figures] == ["–", "0.700", "–", "–"]  # noqa: RUF001
    assert figures[1].of_what == "round 1, 37 nodules, 95 % CI 0.600 to 0.800"


def test_shift_is_shown_to_analysts_only() -> None:
    tables = {DataShiftRow: (SHIFT,)}
    assert "shift-hu" in blocks_of(look("quality", ANALYST, tables=tables))
    hidden = blocks_of(look("quality", NORTH, tables=tables))
    assert list(hidden) == ["shift"]
    assert "analysts only" in hidden["shift"].text


def test_shift_that_is_not_known_is_one_sentence() -> None:
    assert "two sites have told" in blocks_of(look("quality", ANALYST))["shift"].text


def test_run_with_a_round_has_its_charts_in_order() -> None:
    blocks = list(blocks_of(look("quality", ANALYST, run_of(part("north")))))
    charts = ["froc", "cpm", "diameters", "detection", "reliability", "calibration-error"]
    assert blocks == ["figures", "legend", *charts, "fairness-auc", "fairness-cpm", "shift"]
