from fl_monitor.figures.data_cards import card_charts
from fl_monitor.figures.drift import drift_charts
from tests.site_rows import RANKS, part, run_of
from tests.test_data_cards import CARD


def test_drift_is_drawn_by_round_with_its_units() -> None:
    rows = run_of(
        part("north", update_norm=1.5, update_cosine=0.9), part("south", update_norm=2.5, update_cosine=-0.2)
    )
    norm, cosine = drift_charts(rows, RANKS)
    assert norm.figure
    assert cosine.figure
    assert norm.figure.layout.yaxis.title.text == "Norm of the change (unit of the weights)"
    assert [list(line.y) for line in norm.figure.data] == [[1.5], [2.5]]
    assert cosine.figure.layout.yaxis.range[0] < -1
    assert cosine.alt == "Direction of the update, round 1: north 0.900; south -0.200."


def test_drift_of_no_update_is_one_sentence() -> None:
    assert [chart.empty for chart in drift_charts(run_of(part("north")), RANKS)] == [
        "Comes with the first updates."
    ] * 2


def test_withheld_bins_are_question_marks_and_are_named() -> None:
    (chart,) = [chart for chart in card_charts([CARD], RANKS) if chart.name == "card-pixel_spacing_mm"]
    assert chart.figure
    (bars,) = chart.figure.data
    assert list(bars.text) == ["", "?", "", "", "?", ""]
    assert list(bars.customdata) == ["0.0 %", "withheld", "0.0 %", "50.0 %", "withheld", "0.0 %"]
    assert "north: 0.5–0.6, 0.8–0.9" in chart.note  # noqa: RUF001 - en dashes are meant


def test_shares_have_a_unit_and_say_of_what_they_are() -> None:
    titles = {
        chart.name: (chart.figure.layout.xaxis.title.text, chart.figure.layout.yaxis.title.text)
        for chart in card_charts([CARD], RANKS)
        if chart.figure
    }
    assert titles["card-pixel_spacing_mm"] == ("Pixel spacing (mm)", "Share of scans (%)")
    assert titles["card-slice_spacing_mm"] == ("Slice spacing (mm)", "Share of scans (%)")
