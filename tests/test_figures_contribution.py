from fl_monitor.figures.contribution import contribution_chart
from fl_store.metrics import Metric
from tests.site_rows import RANKS, part, run_of, score

CHANGES = tuple(
    score(site, Metric.LOSS_CHANGE_WITHOUT, value, round_no)
    for site, values in {"north": (0.02, 0.5), "south": (-0.01, -0.25)}.items()
    for round_no, value in zip((1, 2), values, strict=True)
)


def test_contribution_is_drawn_by_round_with_its_unit_and_sign() -> None:
    by_round = tuple(sorted(CHANGES, key=lambda row: row.round_no))
    chart = contribution_chart(run_of(part("north"), part("south"), metrics=by_round), RANKS)
    assert chart.figure
    assert [list(line.y) for line in chart.figure.data] == [[0.02, 0.5], [-0.01, -0.25]]
    assert chart.figure.layout.yaxis.title.text == "Change of the pooled validation loss (nats)"
    assert chart.alt == "Loss without the site, round 2: north +0.500; south \N{MINUS SIGN}0.250."


def test_run_that_did_not_measure_it_says_how_to_in_one_sentence() -> None:
    empty = contribution_chart(run_of(part("north")), RANKS).empty
    assert empty.startswith("Measured if the run's file asks for it (leave_one_out_every in [federation])")
