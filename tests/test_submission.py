"""The table of marks, as the challenge's script reads it."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from luna16.annotations import Candidate
from luna16.submission import check_is_free, write_submission

CANDIDATES = (Candidate("1.2", (-1.5, 2.25, 300.0), True), Candidate("1.3", (4.0, 5.0, -6.125), False))


def test_table_has_the_columns_of_the_challenge(tmp_path: Path) -> None:
    write_submission(tmp_path / "marks.csv", CANDIDATES, np.array([0.0, math.log(3)]))
    assert (tmp_path / "marks.csv").read_text() == (
        "seriesuid,coordX,coordY,coordZ,probability\n1.2,-1.5,2.25,300.0,0.5\n1.3,4.0,5.0,-6.125,0.75\n"
    )


def test_probabilities_keep_the_order_of_logits(tmp_path: Path) -> None:
    logits = np.array([-700.0, -30.001, -30.0, 0.0, 1e-9, 20.0, 20.001, 35.0])
    write_submission(tmp_path / "marks.csv", CANDIDATES[:1] * len(logits), logits)
    with (tmp_path / "marks.csv").open() as file:
        written = [float(row["probability"]) for row in csv.DictReader(file)]
    assert written == sorted(set(written))


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zip"):
        write_submission(tmp_path / "marks.csv", CANDIDATES, np.zeros(1))
    assert list(tmp_path.iterdir()) == []


def test_table_that_exists_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "marks.csv").write_text("mine")
    with pytest.raises(ValueError, match=r"marks\.csv exists already\. Name another file with --out"):
        check_is_free(tmp_path / "marks.csv")


def test_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no folder .*nowhere"):
        check_is_free(tmp_path / "nowhere" / "marks.csv")


def test_folder_that_is_read_only_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("luna16.submission.os.access", lambda *_: False)
    with pytest.raises(ValueError, match=r"marks\.csv cannot be written: .* is read-only\. Name another"):
        check_is_free(tmp_path / "marks.csv")
