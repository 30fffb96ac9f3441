"""What a data folder holds, by scan and in sum: nodules, diameters, candidates, the scanner's vendor."""

import csv
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from luna16.annotations import find_table, group_by_series, read_candidates, read_nodules, read_text
from luna16.scan import find_listed_scans

SCANNERS = "scanners.csv"
SCANNER_COLUMNS = ("SeriesInstanceUID", "Manufacturer")
UID_COLUMNS = ("seriesinstanceuid", "seriesuid")
VENDOR_COLUMNS = ("manufacturer", "vendor")


@dataclass(frozen=True)
class ScanInfo:
    """What the tables say of one scan; a diameter below 0 and an empty vendor are not known."""

    series_uid: str = field(repr=False)
    subset: int
    diameters_mm: tuple[float, ...] = ()
    num_candidates: int = 0
    vendor: str = ""

    @property
    def num_nodules(self) -> int:
        """The number of annotated nodules."""
        return len(self.diameters_mm)


@dataclass(frozen=True)
class DiameterBands:
    """The number of nodules in each band; a limit belongs to the band above it, but 10 mm to that below."""

    under_4_mm: int = 0
    from_4_to_6_mm: int = 0
    from_6_to_10_mm: int = 0
    over_10_mm: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class Summary:
    """The sums over some scans; a diameter is None where none is known."""

    num_scans: int
    num_scans_with_nodules: int
    num_nodules: int
    num_candidates: int
    diameter_bands: DiameterBands
    median_diameter_mm: float | None
    smallest_diameter_mm: float | None
    largest_diameter_mm: float | None


def read_inventory(
    root: Path, vendors: Mapping[str, str] | None = None, *, needs_vendors: bool = False
) -> list[ScanInfo]:
    """Read the tables for the scans that are in the subset folders of ``root``, by subset and name.

    Raises FileNotFoundError or ValueError if folders or tables cannot be used, if a scan is not listed in
    seriesuids.csv, or if a scan has no vendor although it ``needs_vendors``.
    """
    vendors = vendors or {}
    files = {file.series_uid: file for file in find_listed_scans(root)}
    for series_uid, file in files.items():
        if needs_vendors and series_uid not in vendors:
            raise ValueError(f"{file.place}: the table of scanners does not name its vendor. Add a line.")
    nodules = group_by_series(read_nodules(root, only=files))
    num_candidates = Counter(candidate.series_uid for candidate in read_candidates(root, only=files))
    return [
        ScanInfo(
            series_uid,
            file.subset,
            tuple(nodule.diameter_mm for nodule in nodules[series_uid]),
            num_candidates[series_uid],
            vendors.get(series_uid, ""),
        )
        for series_uid, file in files.items()
    ]


def summarize(scans: Iterable[ScanInfo]) -> Summary:
    """Add up what is known of some scans."""
    scans = list(scans)
    diameters_mm = [diameter_mm for scan in scans for diameter_mm in scan.diameters_mm]
    known_mm = [diameter_mm for diameter_mm in diameters_mm if diameter_mm >= 0]
    return Summary(
        num_scans=len(scans),
        num_scans_with_nodules=sum(scan.num_nodules > 0 for scan in scans),
        num_nodules=len(diameters_mm),
        num_candidates=sum(scan.num_candidates for scan in scans),
        diameter_bands=DiameterBands(**Counter(map(_name_band, diameters_mm))),
        median_diameter_mm=statistics.median(known_mm) if known_mm else None,
        smallest_diameter_mm=min(known_mm, default=None),
        largest_diameter_mm=max(known_mm, default=None),
    )


def read_scanners(root: Path) -> dict[str, str]:
    """Read the vendors in scanners.csv, a table that a data folder may have; {} if it has none.

    Raises ValueError as ``read_vendors`` does.
    """
    try:
        path = find_table(root, SCANNERS)
    except FileNotFoundError:
        return {}
    return read_vendors(path)


def read_vendors(path: Path) -> dict[str, str]:
    """Read which vendor's scanner made each scan, from a table with a column for the UID and the vendor.

    The columns are named ``SeriesInstanceUID`` or ``seriesuid``, and ``Manufacturer`` or ``vendor``. A vendor
    is given as a name that a site can have, so that 'SIEMENS' and 'Siemens' are one.

    Raises FileNotFoundError if there is no such file, and ValueError if a column or cell is missing or a scan
    has two vendors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No table of scanners {path}. Check --scanner-csv.")
    reader = csv.DictReader(read_text(path).splitlines(), restval="")
    uid_column = _find_column(path, reader.fieldnames or (), UID_COLUMNS)
    vendor_column = _find_column(path, reader.fieldnames or (), VENDOR_COLUMNS)
    vendors: dict[str, str] = {}
    for row in reader:
        place = f"{path.name}, line {reader.line_num}"
        if not row[uid_column].strip() or not row[vendor_column].strip():
            raise ValueError(f"{place}: the cell of the scan or of the vendor is empty.")
        vendor = name_vendor(row[vendor_column])
        if vendors.setdefault(row[uid_column].strip(), vendor) != vendor:
            raise ValueError(f"{place}: the vendor is {vendor!r}, an earlier line has another for this scan.")
    return vendors


def name_vendor(text: str) -> str:
    """Make of a vendor a name that a site can have: 'GE MEDICAL' gives ge-medical, '0' gives scanner-0."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return name[:32].rstrip("-") if re.search("[a-z]", name) else f"scanner-{name}"[:32].rstrip("-")


def _find_column(path: Path, found: Iterable[str], accepted: tuple[str, ...]) -> str:
    for column in found:
        if column.strip().lower() in accepted:
            return column
    raise ValueError(f"{path.name}, line 1: no column {' or '.join(accepted)}, found {', '.join(found)!r}.")


def _name_band(diameter_mm: float) -> str:
    if diameter_mm < 0:
        return "unknown"
    if diameter_mm < 4:
        return "under_4_mm"
    if diameter_mm < 6:
        return "from_4_to_6_mm"
    return "from_6_to_10_mm" if diameter_mm <= 10 else "over_10_mm"
