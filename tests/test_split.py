"""No scan is on two sides."""

import pytest

from luna16.split import split_by_series

UIDS = [f"scan-{i}" for i in range(20)]


def test_every_scan_is_on_exactly_one_side() -> None:
    split = split_by_series(UIDS, validation_fraction=0.3, seed=0)
    assert len(split.validation) == 6
    assert sorted(split.train + split.validation) == sorted(UIDS)


def test_order_of_the_files_does_not_matter() -> None:
    split = split_by_series(UIDS, validation_fraction=0.3, seed=0)
    assert split == split_by_series(reversed(UIDS), validation_fraction=0.3, seed=0)


def test_another_seed_gives_another_split() -> None:
    split = split_by_series(UIDS, validation_fraction=0.3, seed=0)
    assert split != split_by_series(UIDS, validation_fraction=0.3, seed=1)


def test_added_scan_moves_at_most_one_other() -> None:
    before = split_by_series(UIDS, validation_fraction=0.3, seed=0)
    after = split_by_series([*UIDS, "scan-new"], validation_fraction=0.3, seed=0)
    assert len(set(before.validation) ^ (set(after.validation) - {"scan-new"})) <= 1


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_both_sides_have_a_scan(fraction: float) -> None:
    split = split_by_series(UIDS[:2], validation_fraction=fraction, seed=0)
    assert len(split.train) == len(split.validation) == 1


def test_one_scan_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="1 scans cannot be divided into training and validation"):
        split_by_series(["only"], validation_fraction=0.5, seed=0)


def test_test_scans_are_taken_from_those_for_training() -> None:
    without = split_by_series(UIDS, validation_fraction=0.3, seed=0)
    split = split_by_series(UIDS, validation_fraction=0.3, test_fraction=0.2, seed=0)
    assert split.validation == without.validation
    assert len(split.test) == 4
    assert sorted(split.train + split.test) == list(without.train)


@pytest.mark.parametrize(("validation", "test"), [(0.01, 0.01), (0.9, 0.05), (0.05, 0.9)])
def test_all_three_sides_have_a_scan(validation: float, test: float) -> None:
    split = split_by_series(UIDS[:3], validation_fraction=validation, test_fraction=test, seed=0)
    assert len(split.train) == len(split.validation) == len(split.test) == 1


def test_two_scans_cannot_be_on_three_sides() -> None:
    with pytest.raises(ValueError, match="2 scans cannot be divided into training, validation and test"):
        split_by_series(UIDS[:2], validation_fraction=0.5, test_fraction=0.2, seed=0)
