"""Cut the patches of a shard once, with all cores, so that an epoch only reads them.

Run it with ``luna16 prepare ROOT``; ``load_shard`` does the same where it was not done before.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from luna16.array_file import ArrayFile, Checksums, StoredRows
from luna16.cache import CacheFolder, IndexEntry, explain_write_error, hold_cache, show_bytes
from luna16.config import DataConfig
from luna16.patch_plan import PatchPlan, ScanCut
from luna16.patches import cut_scan
from luna16.worker_processes import count_cores, run_each

BYTES_WORTH_A_PROCESS = 1_000_000_000  # read and cut in two seconds; a process starts in half a second

OnProgress = Callable[[int, int], None]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class PreparedPatches:
    """The patches of a shard, int16 of shape (N, D, H, W), read from disk on demand, and whose they are.

    ``was_ready`` tells that there was nothing to do.
    """

    patches_hu: StoredRows = field(repr=False)
    entries: tuple[IndexEntry, ...]
    folder: Path
    was_ready: bool

    @property
    def set_aside(self) -> dict[str, str]:
        """Why each scan that was set aside was so, by UID; the reason names it by its place."""
        return {entry.series_uid: entry.set_aside for entry in self.entries if entry.set_aside}


def prepare_patches(
    plan: PatchPlan,
    cache_dir: Path,
    *,
    num_jobs: int | None = None,
    on_progress: OnProgress | None = None,
    is_damaged: bool = False,
) -> PreparedPatches:
    """Open the patches of a shard in ``cache_dir``; cut them first if they are not there.

    A build that was killed goes on where it ended. A scan that cannot be used is logged by its place and set
    aside. ``num_jobs`` processes cut at once, by default as many as the cores and the data are worth. If some
    patches are known to be damaged all are looked at, and those of scans that have a bad one are cut anew.

    Raises FileNotFoundError or ValueError if a table cannot be used, and OSError if the disk has not enough
    room or a process died: each with one line.
    """
    with hold_cache(cache_dir):
        folder = CacheFolder(cache_dir, plan.make_key(), plan.row_shape)
        entries = None if is_damaged else folder.read_index()
        was_ready = entries is not None
        if entries is None:
            entries = _build(plan, folder, num_jobs or choose_num_jobs(plan), on_progress)
        for entry in entries:
            if entry.set_aside:
                logger.warning("%s It is set aside.", entry.set_aside)
        return PreparedPatches(folder.rows(entries), entries, folder.path, was_ready)


def choose_num_jobs(plan: PatchPlan) -> int:
    """Give the number of processes that cut these scans soonest: at most one a core, a scan and a GB."""
    num_bytes = sum(path.stat().st_size for path in plan.source_files if path.is_file())
    num_worth = num_bytes // BYTES_WORTH_A_PROCESS
    return max(1, min(count_cores(), len(plan.files), num_worth))


@dataclass(frozen=True)
class _Task:
    """A scan to be cut into rows of an array, or only looked at if the rows are there already."""

    cut: ScanCut
    array: ArrayFile
    first_row: int
    checksums: Checksums | None
    config: DataConfig


@dataclass(frozen=True)
class _Outcome:
    """What became of a scan: the checksums of its rows, or why there are none."""

    checksums: Checksums = ()
    set_aside: str = ""
    write_error: str = ""


def _build(
    plan: PatchPlan, folder: CacheFolder, num_jobs: int, on_progress: OnProgress | None
) -> tuple[IndexEntry, ...]:
    _log_plan(plan, folder)
    tasks = _make_tasks(plan, folder)
    outcomes: dict[str, _Outcome | None] = {}
    for task, outcome in _run(tasks, num_jobs):
        outcomes[task.cut.file.series_uid] = outcome
        if outcome:
            _note(task, outcome, folder)
        if on_progress:
            on_progress(len(outcomes), len(tasks))
    entries = [_make_entry(task, outcomes[task.cut.file.series_uid]) for task in tasks]
    folder.complete(tasks[0].array, entries)
    return tuple(entries)


def _make_tasks(plan: PatchPlan, folder: CacheFolder) -> list[_Task]:
    array = folder.array([IndexEntry(uid, len(cut.candidates)) for uid, cut in plan.cuts.items()])
    checksums = folder.begin(array)
    if checksums:
        logger.info("%d of %d scans were cut before; it goes on there.", len(checksums), len(plan.cuts))
    first_rows = np.cumsum([0, *(len(cut.candidates) for cut in plan.cuts.values())]).tolist()
    return [
        _Task(cut, array, row, checksums.get(row), plan.config)
        for cut, row in zip(plan.cuts.values(), first_rows, strict=False)
    ]


def _run(tasks: list[_Task], num_jobs: int) -> Iterable[tuple[_Task, _Outcome | None]]:
    if num_jobs == 1:
        return ((task, _cut_scan(task)) for task in tasks)
    return run_each(_cut_scan, tasks, num_jobs=num_jobs)


def _cut_scan(task: _Task) -> _Outcome:
    """Read a scan, cut its patches and write them, unless the array holds them already."""
    known = task.checksums
    if (
        known is not None
        and len(known) == len(task.cut.candidates)
        and task.array.holds(task.first_row, known)
    ):
        return _Outcome(known)
    try:
        patches_hu = cut_scan(task.cut.file, task.cut.candidates, task.cut.nodules, task.config)
    except ValueError as error:
        return _Outcome(set_aside=str(error))
    try:
        return _Outcome(task.array.write_rows(task.first_row, patches_hu))
    except OSError as error:
        return _Outcome(write_error=explain_write_error(task.array, error))


def _note(task: _Task, outcome: _Outcome, folder: CacheFolder) -> None:
    """Write down what was done; OSError if the patches could not be written."""
    if outcome.write_error:
        raise OSError(outcome.write_error)
    if not outcome.set_aside and outcome.checksums != task.checksums:
        folder.note_part(task.first_row, outcome.checksums)


def _make_entry(task: _Task, outcome: _Outcome | None) -> IndexEntry:
    if outcome is None:
        raise ChildProcessError(
            f"{task.cut.file.place}: the process that cut it was killed, perhaps for want of memory. "
            "Start again with fewer --jobs; it goes on where it ended."
        )
    file, num_rows = task.cut.file, len(task.cut.candidates)
    return IndexEntry(file.series_uid, num_rows, outcome.checksums, outcome.set_aside)


def _log_plan(plan: PatchPlan, folder: CacheFolder) -> None:
    size = show_bytes(folder.array([IndexEntry("", plan.num_patches)]).num_bytes)
    logger.info(
        "%d patches of %d scans, %s, are cut into %s.", plan.num_patches, len(plan.cuts), size, folder.path
    )
    if plan.num_left_out:
        logger.info(
            "Left out are %d candidates of training scans that are no nodule: of each scan a random %d are "
            "kept (max_negatives_per_scan).",
            plan.num_left_out,
            plan.config.max_negatives_per_scan,
        )
