"""The report of scored scans, as people and scripts read it."""

import io
import json

import numpy as np
from rich.console import Console

from luna16.froc import ScanMarks
from luna16.scan_scores import ScanScores
from luna16.score_report import draw_report, make_report


def make_scan(uid: str) -> ScanScores:
    """Make a scan whose nodules of 5 and 20 mm score 2 and 1, and one false positive 1.5."""
    marks = ScanMarks(np.array([2.0, 1.0]), 0, np.array([1.5]), np.array([5.0, 20.0]))
    return ScanScores(uid, np.array([2.0, 1.0, 1.5]), np.array([True, True, False]), marks)


def draw(scans: list[ScanScores], width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), markup=False)
    console.print(draw_report(make_report(scans)))
    return console.file.getvalue().splitlines()


def test_scores_are_exact_and_by_band() -> None:
    report = make_report([make_scan("a"), make_scan("b")])
    assert (report.num_scans, report.num_nodules, report.num_candidates) == (2, 4, 6)
    assert report.score.auc == 0.5
    assert report.score.sensitivities == (0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 1.0)
    assert [band.num_nodules for band in report.bands] == [2, 0, 0, 2]
    assert report.bands[0].sensitivities == (1.0,) * 7
    assert report.bands[3].sensitivities == (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0)


def test_json_names_the_rates_and_is_json() -> None:
    table = json.loads(json.dumps(make_report([make_scan("a")]).to_json(), allow_nan=False))
    assert table["score"]["sensitivities"]["0.125"] == 0.5
    assert table["bands"][1]["sensitivities"] is None


def test_tables_fit_eighty_columns() -> None:
    lines = draw([make_scan(uid) for uid in "abc"], width=80)
    assert any(line.startswith("│ CPM") for line in lines)
    assert any(line.startswith("│ below 6 mm │       3 │ 1.000 │") for line in lines)
    assert not [line for line in lines if "…" in line]


def test_too_few_scans_have_no_intervals_and_say_so() -> None:
    few, enough = (
        "\n".join(draw([make_scan(uid) for uid in uids], width=80)) for uids in ("abc", "abcdefghij")
    )
    assert "Fewer than 10 scans give no interval" in few
    assert "to 1.000" not in few
    assert "Fewer than 10" not in enough
    assert "to 1.000" in enough


def test_scans_without_a_nodule_have_dashes() -> None:
    scan = ScanScores("a", np.zeros(2), np.zeros(2, bool), ScanMarks(np.empty(0), 0, np.zeros(2)))
    assert any(line.split() == ["│", "CPM", "│", "-", "│", "│"] for line in draw([scan], width=80))
