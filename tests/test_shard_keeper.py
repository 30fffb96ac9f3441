import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from fl_client import shard_keeper
from fl_client.display import SiteDisplay
from fl_client.home import SiteHome
from fl_client.shard_keeper import ShardKeeper
from fl_core.config import SiteConfig
from fl_core.errors import SiteDataError
from luna16.config import DataConfig

DATA = DataConfig(patch_size_vox=16)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[SiteHome]:
    opened = SiteHome(tmp_path / "north", "north")
    yield opened
    opened.close()


def make_keeper(home: SiteHome, paper: io.StringIO, data_root: Path) -> ShardKeeper:
    config = SiteConfig(site="north", data_root=data_root)
    return ShardKeeper(config, home, SiteDisplay(Console(file=paper)))


def test_shard_is_cut_once_and_remembered(
    scans: Path, home: SiteHome, paper: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = make_keeper(home, paper, scans)
    prepared = keeper.prepare(DATA)
    assert (prepared.shard.train.num_scans, prepared.shard.validation.num_scans) == (2, 1)
    assert prepared.card.num_scans is None
    monkeypatch.setattr(shard_keeper, "load_shard", None)  # a second look at the scans would be an error
    monkeypatch.setattr(shard_keeper, "make_shard_card", None)
    assert keeper.prepare(DATA) is prepared
    assert keeper.use(DATA, lambda shard: shard) is prepared.shard
    assert home.last_data_config() == DATA


def test_other_way_of_cutting_is_followed(scans: Path, home: SiteHome, paper: io.StringIO) -> None:
    keeper = make_keeper(home, paper, scans)
    keeper.prepare(DATA)
    other = keeper.prepare(DataConfig(patch_size_vox=12)).shard
    assert other.train.patches_hu.shape[1:] == (12, 12, 12)


def test_table_of_scanners_that_cannot_be_read_is_told_with_the_name_of_the_site(
    home: SiteHome, paper: io.StringIO, scans: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(scans, tmp_path / "data"))
    (root / "scanners.csv").write_text("seriesuid,model\n")
    with pytest.raises(SiteDataError, match=r"^Site 'north': scanners.csv, line 1: no column manufacturer"):
        make_keeper(home, paper, root).prepare(DATA)


def test_scan_that_was_set_aside_is_told_once_and_by_its_place(
    home: SiteHome, paper: io.StringIO, scans: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = Path(shutil.copytree(scans, tmp_path / "data"))
    min((root / "subset0").glob("*.raw")).unlink()
    shard = make_keeper(home, paper, root).prepare(DATA).shard
    assert shard.train.num_scans + shard.validation.num_scans == 2
    told = caplog.text + paper.getvalue()
    assert told.count("subset0, scan 1 of 3 in name order: its .raw file is missing. It is set aside.") == 1
    assert told.count("set aside") == 1


def test_data_that_cannot_be_used_is_told_with_the_name_of_the_site(
    home: SiteHome, paper: io.StringIO, tmp_path: Path
) -> None:
    with pytest.raises(SiteDataError, match=r"^Site 'north': .*nowhere") as refusal:
        make_keeper(home, paper, tmp_path / "nowhere").prepare(DATA)
    assert "\n" not in str(refusal.value)
