"""What a data folder holds is read from its folders and tables, and added up."""

from pathlib import Path

import pytest

from luna16.inventory import (
    DiameterBands,
    ScanInfo,
    name_vendor,
    read_inventory,
    read_scanners,
    read_vendors,
    summarize,
)

HEADER = "seriesuid,coordX,coordY,coordZ"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scans of which only the names are needed here, and one that the tables alone know."""
    for place in ("subset1/2.25.1", "subset4/2.25.2"):
        (tmp_path / place).parent.mkdir()
        (tmp_path / f"{place}.mhd").write_text("")
    (tmp_path / "seriesuids.csv").write_text("2.25.1\n2.25.2\n2.25.3\n")
    (tmp_path / "annotations.csv").write_text(
        f"{HEADER},diameter_mm\n2.25.1,1,2,3,3.5\n2.25.1,1,2,3,10\n2.25.3,1,2,3,30\n"
    )
    (tmp_path / "candidates_V2.csv").write_text(f"{HEADER},class\n2.25.1,1,2,3,1\n2.25.2,1,2,3,0\n")
    return tmp_path


def test_only_scans_on_disk_are_read(root: Path) -> None:
    assert read_inventory(root) == [
        ScanInfo("2.25.1", 1, (3.5, 10.0), 1),
        ScanInfo("2.25.2", 4, (), 1),
    ]


def test_vendors_are_added(root: Path) -> None:
    scans = read_inventory(root, {"2.25.1": "ge", "2.25.2": "philips"})
    assert [scan.vendor for scan in scans] == ["ge", "philips"]


@pytest.mark.parametrize("folder", [".", "CSVFILES"])
def test_data_folder_may_have_a_table_of_scanners(root: Path, folder: str) -> None:
    (root / folder).mkdir(exist_ok=True)
    (root / folder / "scanners.csv").write_text("seriesuid,vendor\n2.25.2,GE\n")
    assert read_scanners(root) == {"2.25.2": "ge"}
    assert [scan.vendor for scan in read_inventory(root, read_scanners(root))] == ["", "ge"]


def test_data_folder_without_a_table_of_scanners_knows_no_vendor(root: Path) -> None:
    assert read_scanners(root) == {}


def test_scan_without_vendor_or_outside_the_list_is_named_by_its_place(root: Path) -> None:
    with pytest.raises(ValueError, match=r"^subset4, scan 1 of 1 in name order: the table of scanners"):
        read_inventory(root, {"2.25.1": "ge"}, needs_vendors=True)
    (root / "seriesuids.csv").write_text("2.25.1\n2.25.3\n")
    with pytest.raises(ValueError, match=r"^subset4, scan 1 of 1 in name order: .* not listed"):
        read_inventory(root)


def test_sums_and_bands() -> None:
    scans = [ScanInfo("2.25.1", 0, (3.9, 4.0, 5.9, 6.0, 10.0, 10.1), 40), ScanInfo("2.25.2", 0, (-1.0,), 2)]
    summary = summarize([*scans, ScanInfo("2.25.3", 1)])
    assert (summary.num_scans, summary.num_scans_with_nodules) == (3, 2)
    assert (summary.num_nodules, summary.num_candidates) == (7, 42)
    assert summary.diameter_bands == DiameterBands(1, 2, 2, 1, 1)
    assert summary.median_diameter_mm == pytest.approx(5.95)
    assert (summary.smallest_diameter_mm, summary.largest_diameter_mm) == (3.9, 10.1)


def test_no_nodule_has_no_diameter() -> None:
    summary = summarize([ScanInfo("2.25.1", 0)])
    assert summary.median_diameter_mm is None
    assert summary.largest_diameter_mm is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("GE MEDICAL SYSTEMS", "ge-medical-systems"),
        ("Siemens", "siemens"),
        (" SIEMENS ", "siemens"),
        ("0", "scanner-0"),
        ("--", "scanner"),
        ("x" * 31 + " y", "x" * 31),
    ],
)
def test_vendor_becomes_a_site_name(text: str, name: str) -> None:
    assert name_vendor(text) == name


@pytest.mark.parametrize("header", ["SeriesInstanceUID,Manufacturer,Split", "\ufeffseriesuid,vendor,x"])
def test_table_of_scanners_is_read(tmp_path: Path, header: str) -> None:
    path = tmp_path / "scanners.csv"
    path.write_text(f"{header}\n2.25.1,SIEMENS,train\n2.25.2,0,test\n")
    assert read_vendors(path) == {"2.25.1": "siemens", "2.25.2": "scanner-0"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seriesuid;vendor\n2.25.1;ge\n", "line 1: no column seriesinstanceuid or seriesuid"),
        ("seriesuid,model\n", "line 1: no column manufacturer or vendor"),
        ("seriesuid,vendor\n2.25.1,\n", "line 2: the cell of the scan or of the vendor is empty"),
        ("seriesuid,vendor\n2.25.1,ge\n2.25.1,philips\n", "line 3: the vendor is 'philips', an earlier"),
    ],
)
def test_faulty_table_of_scanners(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "scanners.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"scanners.csv, {words}"):
        read_vendors(path)


def test_missing_table_of_scanners(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No table of scanners .*none.csv. Check --scanner-csv"):
        read_vendors(tmp_path / "none.csv")
