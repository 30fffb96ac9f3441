"""The patches of several sites, read as if they were those of one."""

import numpy as np
import pytest

from luna16.dataset import PatchSet
from luna16.pooling import JoinedRows, pool_patch_sets
from tests.test_training import make_patch_set

PARTS = [np.arange(n, dtype=np.int16).reshape(-1, 1, 1, 1) + 100 * i for i, n in enumerate((3, 5, 2))]


@pytest.mark.parametrize("rows", [[0], [9, 0, 4], [2, 3, 7, 8, 2], list(range(10))])
def test_joined_rows_are_those_of_the_arrays_one_after_the_other(rows: list[int]) -> None:
    joined = JoinedRows(PARTS, [3, 5, 2])
    np.testing.assert_array_equal(joined[np.array(rows)], np.concatenate(PARTS)[rows])


def test_only_the_rows_that_are_asked_for_are_read() -> None:
    class Watched:
        asked: list[int] = []  # noqa: RUF012

        def __getitem__(self, rows: np.ndarray) -> np.ndarray:
            self.asked.extend(rows.tolist())
            return PARTS[1][rows]

    assert JoinedRows([PARTS[0], Watched()], [3, 5])[np.array([7, 1, 3])].tolist()[0] == [[[104]]]
    assert Watched.asked == [4, 0]


def test_pool_has_the_candidates_and_scans_of_all_in_order() -> None:
    sets = [make_patch_set(2, 3), make_patch_set(4, 1)]
    pooled = pool_patch_sets(sets)
    assert pooled.is_nodule.tolist() == [*sets[0].is_nodule, *sets[1].is_nodule]
    assert pooled.num_scans == 2
    np.testing.assert_array_equal(pooled.patches_hu[np.array([5])], sets[1].patches_hu[:1])


def test_pool_of_one_is_that_set() -> None:
    only = make_patch_set(2, 3)
    pooled: PatchSet = pool_patch_sets([only])
    assert pooled.candidates == only.candidates
