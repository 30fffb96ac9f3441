"""The patches of several sites as if they were those of one, without a copy of them."""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from luna16.dataset import IndexArray, PatchRows, PatchSet
from luna16.scan import Int16Array


class JoinedRows:
    """The rows of several arrays, one array after the other; only those that are asked for are read."""

    def __init__(self, parts: Sequence[PatchRows], lengths: Sequence[int]) -> None:
        self._parts = parts
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths

    def __getitem__(self, rows: IndexArray, /) -> Int16Array:
        """Give these rows, in their order."""
        part_of_row = np.searchsorted(self._ends, rows, side="right")
        by_part = [
            self._parts[part][rows[part_of_row == part] - self._starts[part]]
            for part in np.unique(part_of_row).tolist()
        ]
        place_by_part = np.argsort(np.argsort(part_of_row, kind="stable"))
        return np.concatenate(by_part)[place_by_part]


def pool_patch_sets(patch_sets: Iterable[PatchSet]) -> PatchSet:
    """Give the scans of all sets as one set, in the order of the sets; no scan may be in two of them."""
    sets = tuple(patch_sets)
    return PatchSet(
        patches_hu=JoinedRows([each.patches_hu for each in sets], [len(each.candidates) for each in sets]),
        candidates=tuple(chain.from_iterable(each.candidates for each in sets)),
        series_uids=tuple(chain.from_iterable(each.series_uids for each in sets)),
        nodules=tuple(chain.from_iterable(each.nodules for each in sets)),
        excluded=tuple(chain.from_iterable(each.excluded for each in sets)),
    )
