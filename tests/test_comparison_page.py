"""The page of a comparison: whole in one file, and safe whatever a site is called."""

import re

import pytest

from luna16.comparison import ALONE, Arm
from luna16.comparison_page import draw_at_each_site, draw_on_all_scans, make_page
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


def test_figure_of_all_scans_shows_every_model_and_seed(report: ComparisonReport) -> None:
    figure = draw_on_all_scans(report)
    assert {place for trace in figure.data for place in trace.x} == {each.arm.name for each in report.arms}
    assert sum(len(trace.y) for trace in figure.data) == 4 * (2 + 1)  # two seeds and their mean


def test_figure_of_sites_shows_the_models_that_each_can_choose_from(report: ComparisonReport) -> None:
    figure = draw_at_each_site(report)
    shown = {
        (trace.name, place): y for trace in figure.data for place, y in zip(trace.x, trace.y, strict=True)
    }
    kinds = ("central", "federated", "a site alone")
    assert set(shown) == {(kind, site) for kind in kinds for site in ("east", "north")}
    assert [trace.name for trace in figure.data if trace.showlegend] == list(kinds)


def test_axes_have_names_and_units(report: ComparisonReport) -> None:
    for figure, of in ((draw_on_all_scans(report), "Model"), (draw_at_each_site(report), "Site")):
        assert figure.layout.yaxis.title.text == "CPM, mean sensitivity (0 to 1)"
        assert figure.layout.xaxis.title.text == of
