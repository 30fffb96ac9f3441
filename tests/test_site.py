import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fl_client import site as site_module
from fl_client.display import SiteDisplay
from fl_client.home import SiteHome
from fl_client.site import Site
from fl_client.workbench import Workbench
from fl_core.config import SiteConfig, TaskSettings
from fl_core.errors import SiteDataError
from fl_core.messages import Weights
from luna16.config import DataConfig, ModelConfig, TrainingConfig
from luna16.model import build_model
from luna16.scan import Scan, ScanFile, find_scans, load_scan
from luna16.scan_scores import count_scans
from tests.test_smaller_batches import SmallGpu

DATA = DataConfig(patch_size_vox=16)
SETTINGS = TaskSettings(data=DATA, training=TrainingConfig(epochs=1, negatives_per_positive=1))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[SiteHome]:
    opened = SiteHome(tmp_path / "north", "north")
    yield opened
    opened.close()


@pytest.fixture
def site(scans: Path, home: SiteHome, paper: io.StringIO) -> Site:
    return make_site(home, paper, data_root=scans)


def make_site(home: SiteHome, paper: io.StringIO, *, data_root: Path, device: str = "cpu") -> Site:
    config = SiteConfig(site="north", data_root=data_root, device=device)
    return Site(config, home, SiteDisplay(Console(file=paper)), Workbench())


def weights_of(seed: int = 0) -> Weights:
    return {n: t.numpy() for n, t in build_model(ModelConfig(seed=seed)).state_dict().items()}


def test_hospital_sees_that_its_data_card_is_told(site: Site, paper: io.StringIO) -> None:
    site.prepare(DATA)
    assert "data card" not in paper.getvalue()
    site.tell_card(DATA)
    (line,) = [line for line in paper.getvalue().splitlines() if "data card" in line]
    assert line.endswith(
        "tells the coordinator its data card: nothing, as there are too few scans; `luna16 card` shows it"
    )


def test_training_changes_the_weights_and_tells_how(site: Site, paper: io.StringIO) -> None:
    weights = weights_of()
    trained, result = site.train(weights, SETTINGS, round_no=1)
    assert trained.keys() == weights.keys()
    assert all(trained[name].shape == tensor.shape for name, tensor in weights.items())
    assert any(not np.array_equal(trained[name], tensor) for name, tensor in weights.items())
    assert f"round 1  trained on {result.num_examples} patches in" in paper.getvalue()


def test_training_depends_only_on_weights_settings_and_round(site: Site) -> None:
    first, _ = site.train(weights_of(), SETTINGS, round_no=1)
    site.train(weights_of(seed=5), SETTINGS, round_no=2)
    again, _ = site.train(weights_of(), SETTINGS, round_no=1)
    assert all(np.array_equal(first[name], tensor) for name, tensor in again.items())


def test_weights_that_were_sent_are_not_changed(site: Site) -> None:
    weights = weights_of()
    before = {name: tensor.copy() for name, tensor in weights.items()}
    site.train(weights, SETTINGS, round_no=1)
    assert all(np.array_equal(weights[name], tensor) for name, tensor in before.items())


def test_evaluation_scores_the_validation_scans(site: Site, paper: io.StringIO) -> None:
    shard = site.prepare(DATA)
    counts = count_scans(site.evaluate(weights_of(), SETTINGS, round_no=3))
    assert counts.num_scans == shard.validation.num_scans
    assert counts.num_nodules == shard.validation.num_nodules
    assert counts.num_examples == len(shard.validation.candidates)
    assert "round 3  evaluated on 1 scans, AUC here 0." in paper.getvalue()


def test_round_goes_on_with_patches_cut_anew_when_the_disk_has_changed_some(
    site: Site, home: SiteHome, scans: Path, paper: io.StringIO
) -> None:
    undamaged, _ = site.train(weights_of(), SETTINGS, round_no=1)
    scores = count_scans(site.evaluate(weights_of(), SETTINGS, round_no=1))
    (path,) = home.cache_folder.glob("patches-*/patches.int16")
    for damage in (lambda: path.write_bytes(bytes(1000)), path.unlink):
        damage()
        trained, _ = site.train(weights_of(), SETTINGS, round_no=1)
        assert all(np.array_equal(undamaged[name], tensor) for name, tensor in trained.items())
    path.write_bytes(bytes(1000))
    assert count_scans(site.evaluate(weights_of(), SETTINGS, round_no=1)).num_scans == scores.num_scans
    path.write_bytes(bytes(path.stat().st_size))
    assert make_site(home, paper, data_root=scans).prepare(DATA).set_aside == ()  # the card reads some


def test_scan_that_can_be_read_no_more_is_set_aside_and_the_round_goes_on(
    home: SiteHome, paper: io.StringIO, scans: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(scans, tmp_path / "data"))
    site = make_site(home, paper, data_root=root)
    uid = site.prepare(DATA).train.series_uids[0]
    (path,) = home.cache_folder.glob("patches-*/patches.int16")
    path.write_bytes(bytes(path.stat().st_size))
    (root / "subset0" / f"{uid}.raw").unlink()
    site.train(weights_of(), SETTINGS, round_no=1)
    shard = site.prepare(DATA)
    assert (shard.train.num_scans, shard.validation.num_scans, len(shard.set_aside)) == (1, 1, 1)


def test_batch_that_fits_is_remembered_for_the_next_rounds(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(site_module, "build_model", lambda _config: SmallGpu(4, num_good_steps=0))
    weights = {name: tensor.numpy() for name, tensor in SmallGpu(4).state_dict().items()}
    settings = SETTINGS.model_copy(update={"training": TrainingConfig(epochs=1, batch_size=8)})
    results = [site.train(weights, settings, round_no)[1] for round_no in (1, 2)]
    assert [result.batch_size for result in results] == [4, 4]
    (told,) = [message for message in caplog.messages if "ran out of memory" in message]
    assert told.endswith("with batches of 8: the training of round 1 begins anew with batches of 4.")


def test_weights_of_another_model_are_refused(site: Site) -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        site.evaluate({"w": np.zeros(1, np.float32)}, SETTINGS, round_no=1)


def test_nothing_said_holds_a_scan_uid(site: Site, scans: Path, paper: io.StringIO) -> None:
    site.train(weights_of(), SETTINGS, round_no=1)
    site.evaluate(weights_of(), SETTINGS, round_no=1)
    said = paper.getvalue()
    assert said
    assert all(file.series_uid not in said for file in find_scans(scans, None))


def test_device_that_is_not_there_is_told_with_the_name_of_the_site(
    home: SiteHome, paper: io.StringIO, scans: Path
) -> None:
    with pytest.raises(SiteDataError, match="Site 'north': Device 'cuda' cannot be used on this machine"):
        make_site(home, paper, data_root=scans, device="cuda")


@pytest.mark.slow
def test_nodules_of_whole_validation_scans_are_counted(site: Site, paper: io.StringIO) -> None:
    counts = site.detect(weights_of(), SETTINGS, round_no=3)
    nodules = site.prepare(DATA).validation.nodules
    assert (counts.marks.num_scans, counts.marks.num_nodules) == (1, len(nodules))
    assert counts.num_nodules_proposed >= len(nodules) - 1
    assert 0 < counts.num_candidates <= 150
    assert counts.marks.nodules_hit.sum() + counts.marks.false_positives.sum() <= 100  # the best marks count
    hit = f"candidates hit {counts.num_nodules_proposed} of {len(nodules)}"
    assert f"round 3  looked for nodules in 1 scans: {hit}" in paper.getvalue()


@pytest.mark.slow
def test_scan_without_lungs_counts_with_all_its_nodules_missed(
    scans: Path, home: SiteHome, paper: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(home, paper, data_root=scans)
    nodules = site.prepare(DATA).validation.nodules

    def fill(file: ScanFile) -> Scan:
        scan = load_scan(file)
        return replace(scan, voxels_hu=np.full_like(scan.voxels_hu, 40))

    monkeypatch.setattr("luna16.detection.data_set.load_scan", fill)
    counts = site.detect(weights_of(), SETTINGS, round_no=3)
    assert (counts.marks.num_nodules, counts.num_nodules_proposed) == (len(nodules), 0)
    assert "its nodules count as missed: subset0, scan" in paper.getvalue()
    assert "No lungs were found" in paper.getvalue()


def test_validation_scan_that_is_gone_counts_with_all_its_nodules_missed(
    home: SiteHome, paper: io.StringIO, scans: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(scans, tmp_path / "data"))
    site = make_site(home, paper, data_root=root)
    validation = site.prepare(DATA).validation
    for path in (root / "subset0").glob(f"{validation.series_uids[0]}.*"):
        path.unlink()
    counts = site.detect(weights_of(), SETTINGS, round_no=3)
    assert (counts.marks.num_scans, counts.marks.num_nodules) == (1, len(validation.nodules))
    assert counts.num_nodules_proposed == 0
    assert "its nodules count as missed: A scan that patches were cut from is not there" in paper.getvalue()


@pytest.mark.slow
def test_nodules_are_looked_for_in_the_subsets_of_the_site_alone(
    scans: Path, home: SiteHome, paper: io.StringIO, tmp_path: Path
) -> None:
    data_root = tmp_path / "shard"
    shutil.copytree(scans, data_root)
    (data_root / "subset1").mkdir()  # of another site, and without a scan
    config = SiteConfig(site="north", data_root=data_root, device="cpu", subsets=(0,))
    site = Site(config, home, SiteDisplay(Console(file=paper)), Workbench())
    assert site.detect(weights_of(), SETTINGS, round_no=3).marks.num_scans == 1
