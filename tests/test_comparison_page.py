"""The page of a comparison: whole in one file, and safe whatever a site is called."""

import re

import pytest

from luna16.comparison import ALONE, Arm
from luna16.comparison_page import draw_figure, make_page
from luna16.comparison_report import ComparisonReport, Gain, make_comparison_report
from tests.test_comparison_report import CONFIG, SCORES, SHARDS


@pytest.fixture(scope="module")
def report() -> ComparisonReport:
    return make_comparison_report(SCORES, SHARDS, CONFIG)


def test_page_needs_nothing_from_elsewhere(report: ComparisonReport) -> None:
    page = make_page(report)
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert "Research use only, not for diagnosis." in page
    assert "gained" in page


def test_name_of_a_site_is_text(report: ComparisonReport) -> None:
    from dataclasses import replace

    name = "<script>alert(1)</script>"
    gains = (Gain(name, 20, 20, 0.5, 0.6, (0.01, 0.2)),)
    arms = (replace(report.arms[0], arm=Arm(ALONE, name)), *report.arms)
    assert name not in make_page(replace(report, gains=gains, arms=arms))


def test_figure_shows_each_model_on_all_scans_and_at_its_sites(report: ComparisonReport) -> None:
    figure = draw_figure(report)
    shown = {(trace.name, trace.xaxis, place) for trace in figure.data for place in trace.x}
    assert ("a site alone", "x", "east alone") in shown
    assert ("a site alone", "x2", "east") in shown
    assert ("federated", "x2", "north") in shown
    assert sum(trace.showlegend for trace in figure.data) == 3


def test_axes_have_names_and_units(report: ComparisonReport) -> None:
    layout = draw_figure(report).layout
    assert layout.yaxis.title.text == "CPM, mean sensitivity (0 to 1)"
    assert layout.xaxis.title.text
    assert layout.xaxis2.title.text
