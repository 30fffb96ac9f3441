"""Write the shards of a data set: for each site a LUNA16 folder of links or copies, its tables and manifest.

A shard appears in the output folder only when it is complete. What is not yet complete lies in
``.unfinished`` there, which also keeps a second command out.
"""

import csv
import errno
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from luna16.annotations import (
    CANDIDATE_COLUMNS,
    NODULE_COLUMNS,
    find_table,
    parse_table,
    read_excluded,
    read_series_uids,
)
from luna16.inventory import SCANNER_COLUMNS, SCANNERS, summarize
from luna16.manifest import (
    MANIFEST,
    FileRecord,
    Manifest,
    OnProgress,
    ScanRecord,
    map_in_threads,
    record_file,
    write_manifest,
)
from luna16.recipe import Link, Recipe
from luna16.scan import ScanFile, find_scans, find_voxel_file, read_header
from luna16.shard import Deal

UNFINISHED = ".unfinished"
DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LIST_OF_SCANS = "seriesuids.csv"
TABLES = {
    "annotations.csv": NODULE_COLUMNS,
    "annotations_excluded.csv": NODULE_COLUMNS,
    "candidates_V2.csv": CANDIDATE_COLUMNS,
}


def write_shards(
    root: Path,
    out: Path,
    deal: Deal,
    recipe: Recipe,
    *,
    replace: bool = False,
    on_progress: OnProgress | None = None,
) -> list[Manifest]:
    """Write the shard of each site of ``deal`` into ``out`` and give the manifests.

    With ``replace`` there may be shards in ``out`` already; those of the same sites are replaced.
    ``on_progress`` is told the number of scans linked or copied and of all scans.

    Raises FileExistsError if ``out`` is not empty or another command works there, ValueError if a scan is in
    a shard made earlier, and OSError if it cannot be written; nothing of the new shards is left then.
    """
    files = {file.series_uid: file for file in find_scans(root)}
    read_excluded(root, only=files)  # refuses a faulty table, as reading the inventory did with the others
    with _claim(out) as unfinished:
        _check_out(out, deal, replace=replace)
        _check_outside(out, files.values())
        folders = {site: unfinished / "new" / site for site in deal}
        scans = _place_scans(files, deal, folders, recipe.link, on_progress)
        _write_tables(root, deal, folders)
        _write_scanners(deal, folders)
        manifests = [_describe(site, deal, recipe, folders[site], scans[site]) for site in deal]
        for site, folder in folders.items():
            _publish(folder, out / site, old=unfinished / f"old-{site}")
    return manifests


@contextmanager
def _claim(out: Path) -> Iterator[Path]:
    """Give a folder for unfinished work to this command alone; it is removed at the end."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    unfinished = out / UNFINISHED
    try:
        unfinished.mkdir()
    except FileExistsError:
        raise FileExistsError(
            f"{unfinished} is there: another command works in {out}, or one was killed. "
            "Remove it if none does."
        ) from None
    try:
        yield unfinished
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            raise OSError(f"{out}: {error.strerror}. No shard was made; make room and try again.") from None
        raise
    finally:
        shutil.rmtree(unfinished)
        if is_new:
            with suppress(OSError):  # it is not empty: all went well
                out.rmdir()


def _check_out(out: Path, deal: Deal, *, replace: bool) -> None:
    if not replace and any(path.name != UNFINISHED for path in out.iterdir()):
        raise FileExistsError(
            f"{out} is not empty. Name a new folder, or add to it, and replace shards of the same name, "
            "with --force."
        )
    for site in deal:
        if (out / site).exists() and not (out / site / MANIFEST).is_file():
            raise FileExistsError(f"{out / site} is no shard: it has no {MANIFEST}. Move it away first.")
    dealt = {scan.series_uid for scans in deal.values() for scan in scans}
    for folder in sorted(set(out.iterdir()) - {out / site for site in deal}):
        if num_common := sum(path.stem in dealt for path in folder.glob("subset*/*.[mM][hH][dD]")):
            raise ValueError(
                f"{num_common} of these scans are in {folder} already, and a scan may be in one shard only. "
                "Remove that shard or name another OUT."
            )


def _check_outside(out: Path, files: Iterable[ScanFile]) -> None:
    for file in files:
        try:
            is_inside = file.path.resolve().is_relative_to(out.resolve())
        except RuntimeError:  # its text holds the path, and so the series UID
            raise ValueError(f"{file.place}: its .mhd file is a link that leads to itself.") from None
        if is_inside:
            raise ValueError(f"{file.place}: this scan lies in {out} itself. Name an OUT apart from ROOT.")


def _place_scans(
    files: Mapping[str, ScanFile],
    deal: Deal,
    folders: Mapping[str, Path],
    link: Link,
    on_progress: OnProgress | None,
) -> dict[str, list[ScanRecord]]:
    tasks = [(files[scan.series_uid], folders[site]) for site in deal for scan in deal[site]]
    records = iter(map_in_threads(lambda task: _place_scan(*task, link), tasks, on_progress))
    return {site: [next(records) for _ in scans] for site, scans in deal.items()}


def _place_scan(file: ScanFile, folder: Path, link: Link) -> ScanRecord:
    """Link or copy the header and voxels of one scan, under their own names."""
    subset = f"subset{file.subset}"
    try:
        (folder / subset).mkdir(parents=True, exist_ok=True)
        records = []
        for source in (file.path, find_voxel_file(file, read_header(file))):
            records.append(record_file(source, f"{subset}/{source.name}"))
            _place_file(source.resolve(), folder / subset / source.name, link)
    except OSError as error:  # its text holds the path, and so the series UID
        raise OSError(f"{file.place}: --link {link} failed ({error.strerror}).") from None
    return ScanRecord(file.series_uid, file.subset, tuple(records))


def _place_file(source: Path, target: Path, link: Link) -> None:
    if link is Link.SYMLINK:
        target.symlink_to(source)
    elif link is Link.HARD:
        target.hardlink_to(source)
    else:
        shutil.copyfile(source, target)


def _write_tables(root: Path, deal: Deal, folders: Mapping[str, Path]) -> None:
    """Write for each site the rows of its own scans."""
    site_of = {scan.series_uid: site for site, scans in deal.items() for scan in scans}
    for site, folder in folders.items():
        listed = [uid for uid in read_series_uids(root) if site_of.get(uid) == site]
        (folder / LIST_OF_SCANS).write_text("".join(f"{uid}\n" for uid in listed))
    for name, columns in TABLES.items():
        with ExitStack() as stack:
            writers = {}
            for site, folder in folders.items():
                file = stack.enter_context((folder / name).open("w", newline="", encoding="utf-8"))
                writers[site] = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
                writers[site].writeheader()
            for row in parse_table(find_table(root, name), columns):
                if (series_uid := row.text("seriesuid")) in site_of:
                    writers[site_of[series_uid]].writerow(row.cells)


def _write_scanners(deal: Deal, folders: Mapping[str, Path]) -> None:
    """Write for each site the vendors of its own scans, as far as they are known."""
    for site, folder in folders.items():
        rows = [(scan.series_uid, scan.vendor) for scan in deal[site] if scan.vendor]
        if rows:
            with (folder / SCANNERS).open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows([SCANNER_COLUMNS, *rows])


def _describe(site: str, deal: Deal, recipe: Recipe, folder: Path, scans: list[ScanRecord]) -> Manifest:
    """Write the manifest of a shard whose files are all there, and give it."""
    manifest = Manifest(
        format_version=1,
        site=site,
        recipe=recipe,
        made_at=datetime.now(UTC),
        made_with=f"fedluna {version('fedluna')}",
        subsets=tuple(sorted({scan.subset for scan in deal[site]})),
        vendors=tuple(sorted({scan.vendor for scan in deal[site] if scan.vendor})),
        summary=summarize(deal[site]),
        tables=_record_tables(folder),
        scans=tuple(scans),
    )
    write_manifest(folder, manifest)
    return manifest


def _record_tables(folder: Path) -> tuple[FileRecord, ...]:
    names = [name for name in (LIST_OF_SCANS, *TABLES, SCANNERS) if (folder / name).is_file()]
    return tuple(record_file(folder / name, name) for name in names)


def _publish(new: Path, target: Path, *, old: Path) -> None:
    if target.exists():
        target.rename(old)
    new.rename(target)
