"""``luna16 shard`` as a user meets it; expected counts of the real tables are taken with the csv module."""

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from luna16.cli import main
from tests.small_data_set import write_small_data_set

REAL_TABLES = Path(__file__).parents[2] / "shared" / "data" / "luna16"
SITES = "north,east,south"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set; commands run in the folder that holds it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return write_small_data_set(tmp_path / "data")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["luna16", "shard", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_table_tells_each_site(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "out", "--sites", SITES) == 0
    captured = capfd.readouterr()
    lines = [line.split() for line in captured.out.splitlines()]
    assert ["north", "3", "2", "3", "5.0", "(5.0", "to", "5.0)", "subset", "0"] in lines
    assert ["south", "3", "2", "3", "7.0", "(7.0", "to", "7.0)", "subset", "2"] in lines
    assert max(map(len, captured.out.splitlines())) <= 80
    assert captured.out.endswith("fl-client --site SITE --data-root out/SITE\n")
    assert captured.err == ""


def test_command_to_start_with_can_be_pasted_where_the_folder_has_a_space(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "my out", "--sites", SITES) == 0
    assert capfd.readouterr().out.endswith("fl-client --site SITE --data-root 'my out/SITE'\n")


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--sites", "a,b"], "subset 0, 2"), (["--sites", "a,b", "--by", "equal"], "0 to 2")],
)
def test_table_tells_from_which_subsets(
    options: list[str],
    words: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "data", "out", *options) == 0
    assert words in capfd.readouterr().out


def test_json_tells_the_same_without_a_uid(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "data", "out", "--sites", SITES, "--by", "equal", "--seed", "3", "--json") == 0
    text = capfd.readouterr().out
    assert [found["site"] for found in json.loads(text)] == SITES.split(",")
    assert sum(found["summary"]["num_nodules"] for found in json.loads(text)) == 9
    assert json.loads(text)[0]["recipe"]["seed"] == 3
    assert "2.25." not in text


def test_good_shard_is_exit_code_0_and_changed_one_1(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "data", "out", "--sites", SITES, "--link", "copy")
    assert run(monkeypatch, "--check", "out/north/manifest.json") == 0
    assert "The shard in out/north is as its manifest says." in capfd.readouterr().out
    (data.parent / "out" / "north" / "subset0" / "2.25.00001.raw").unlink()
    assert run(monkeypatch, "--check", "out/north") == 1
    out = capfd.readouterr().out
    assert "subset0, scan 2 of 3, .raw   missing" in out
    assert "2.25." not in out


def test_check_as_json(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "data", "out", "--sites", "north")
    (data / "subset1" / "2.25.10000.mhd").unlink()
    capfd.readouterr()
    assert run(monkeypatch, "--check", "out/north", "--json") == 1
    assert json.loads(capfd.readouterr().out)[0] == {
        "place": "subset1, scan 1 of 3, .mhd",
        "kind": "missing",
        "detail": "its link leads nowhere",
    }


def test_absent_scans_are_counted(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(data / "subset2")
    assert run(monkeypatch, "data", "out", "--sites", "north,east") == 0
    assert capfd.readouterr().err == "3 scans of seriesuids.csv are not in data: no site has them.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["data"], "Missing argument 'ROOT' or 'OUT'; or name a shard to --check."),
        (["data", "out"], "No site is named. Name them in --sites"),
        (["data", "out", "--sites", "a,b,c,d"], "4 sites cannot share 3 subsets"),
        (["data", "out", "--sites", "North"], "Site name 'North' is not accepted"),
        (["data", "out", "--by", "scanner"], "--by scanner needs --scanner-csv FILE, as data has no"),
        (["data", "out", "--scanner-csv", "x.csv"], "No table of scanners x.csv"),
        (["data", "out", "--by", "scanner", "--scanner-csv", "x.csv"], "No table of scanners x.csv"),
        (["data", "out", "--by", "colour"], "'colour' is not one of"),
        (["data", "out", "--sites", "a", "--check", "out/a"], "--check takes the folder of a shard"),
        (["--check", "out"], "No manifest.json in out"),
        (["nowhere", "out", "--sites", "a"], "No data folder nowhere"),
    ],
)
def test_wrong_use_is_exit_code_2_and_leaves_nothing(
    arguments: list[str],
    words: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert words in capfd.readouterr().err
    assert [path.name for path in data.parent.iterdir()] == ["data"]


def test_sites_get_the_names_of_the_vendors(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    vendors = ("GE MEDICAL SYSTEMS", "Philips", "Philips")
    rows = [f"2.25.{subset}000{i},{vendors[subset]}" for subset in range(3) for i in range(3)]
    Path("scanners.csv").write_text("\n".join(["seriesuid,vendor", *rows]))
    arguments = ("data", "out", "--by", "scanner", "--scanner-csv", "scanners.csv", "--json")
    assert run(monkeypatch, *arguments) == 0
    found = json.loads(capfd.readouterr().out)
    assert [(each["site"], each["subsets"]) for each in found] == [
        ("ge-medical-systems", [0]),
        ("philips", [1, 2]),
    ]


def test_shard_gets_the_vendors_of_its_own_scans(
    data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("table.csv").write_text("seriesuid,vendor\n2.25.00000,GE MEDICAL\n2.25.20001,Philips\n")
    assert run(monkeypatch, "data", "out", "--sites", SITES, "--scanner-csv", "table.csv") == 0
    assert "subset 0" in capfd.readouterr().out
    told = "SeriesInstanceUID,Manufacturer\n2.25.00000,ge-medical\n"
    assert Path("out/north/scanners.csv").read_text() == told
    assert not Path("out/east/scanners.csv").exists()
    assert run(monkeypatch, "--check", "out/north") == 0
    Path("out/north/scanners.csv").write_text(told.replace("ge-medical", "siemens"))
    assert run(monkeypatch, "--check", "out/north") == 1


def test_data_folders_own_table_of_scanners_is_used(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"2.25.{subset}000{i},{'GE' if subset else 'Philips'}" for subset in range(3) for i in range(3)]
    (data / "scanners.csv").write_text("\n".join(["seriesuid,vendor", *rows]))
    assert run(monkeypatch, "data", "out", "--by", "scanner") == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["ge", "philips"]
    assert Path("out/philips/scanners.csv").read_text().count("philips") == 3


@pytest.fixture
def real_root(tmp_path: Path) -> Path:
    """The challenge's tables with a file of some bytes for each scan; its candidates are its nodules."""
    if not REAL_TABLES.is_dir():
        pytest.skip(f"the challenge's tables are not at {REAL_TABLES}")
    root = tmp_path / "real"
    for subset, uids in json.loads((REAL_TABLES / "subset_to_seriesuids.json").read_text()).items():
        folder = root / f"subset{subset}"
        folder.mkdir(parents=True)
        for uid in uids:
            (folder / f"{uid}.mhd").write_text(f"ElementDataFile = {uid}.raw\n")
            (folder / f"{uid}.raw").write_text(uid)
    for name in ("seriesuids.csv", "annotations.csv", "annotations_excluded.csv"):
        shutil.copyfile(REAL_TABLES / name, root / name)
    header, *rows = (REAL_TABLES / "annotations.csv").read_text().splitlines()
    candidates = [row.rpartition(",")[0] + ",1" for row in rows]
    (root / "candidates_V2.csv").write_text("\n".join([header.replace("diameter_mm", "class"), *candidates]))
    return root


def test_real_tables_by_scanner_give_the_shards_of_four_vendors(
    real_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    table = REAL_TABLES / "fed_lidc_metadata.csv"
    options = ("--by", "scanner", "--scanner-csv", str(table), "--json")
    assert run(monkeypatch, str(real_root), str(tmp_path / "out"), *options) == 0
    found = {each["site"]: each["summary"] for each in json.loads(capfd.readouterr().out)}

    with table.open(newline="") as file:
        vendors = {row["SeriesInstanceUID"]: f"scanner-{row['Manufacturer']}" for row in csv.DictReader(file)}
    with (REAL_TABLES / "annotations.csv").open(newline="") as file:
        nodules = [(vendors[row["seriesuid"]], float(row["diameter_mm"])) for row in csv.DictReader(file)]
    scans = Counter(vendors[uid] for uid in (REAL_TABLES / "seriesuids.csv").read_text().split())
    large = Counter(vendor for vendor, diameter_mm in nodules if diameter_mm > 10)
    assert {site: each["num_scans"] for site, each in found.items()} == scans
    assert {site: each["num_nodules"] for site, each in found.items()} == Counter(v for v, _ in nodules)
    assert {site: each["diameter_bands"]["over_10_mm"] for site, each in found.items()} == large
    assert (len(found), scans.total(), len(nodules)) == (4, 888, 1186)
    assert run(monkeypatch, "--check", str(tmp_path / "out" / "scanner-0")) == 0
