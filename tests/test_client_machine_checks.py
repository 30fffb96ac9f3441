import shutil
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from fl_client.machine_checks import describe_consent, look_at_data, look_at_device, look_at_software
from fl_core.config import ConsentConfig, SiteConfig
from fl_core.findings import Level
from luna16.scan import find_scans


def site_at(root: Path) -> SiteConfig:
    return SiteConfig(site="north", data_root=root)


def test_sound_data_are_counted(scans: Path) -> None:
    finding = look_at_data(site_at(scans))
    assert finding.level is Level.OK
    assert finding.text.startswith("3 scans, ")
    assert f"luna16 verify {scans}" in finding.advice


def test_folder_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    finding = look_at_data(site_at(tmp_path / "nowhere"))
    assert finding.level is Level.FAULT
    assert "nowhere" in finding.text


@pytest.mark.parametrize(("num_bad", "level"), [(1, Level.WARNING), (3, Level.FAULT)])
def test_scan_that_cannot_be_used_is_a_warning_and_all_are_a_fault(
    scans: Path, tmp_path: Path, num_bad: int, level: Level
) -> None:
    root = Path(shutil.copytree(scans, tmp_path / "copy"))
    bad = find_scans(root)[:num_bad]
    for file in bad:
        file.path.write_text("no header")
    finding = look_at_data(site_at(root))
    assert finding.level is level
    assert f"{num_bad} cannot be used" in finding.text
    assert all(file.series_uid not in finding.text for file in bad)


def test_cpu_is_named_with_its_cores() -> None:
    finding = look_at_device("cpu")
    assert (finding.level, finding.text[:22]) == (Level.OK, "Training uses the CPU,")


def test_device_that_is_not_there_is_a_fault() -> None:
    finding = look_at_device("cuda:99")
    assert finding.level is Level.FAULT
    assert "cuda:99" in finding.text


@pytest.mark.parametrize(("free_gb", "level"), [(1.0, Level.WARNING), (70.0, Level.OK)])
def test_gpu_is_named_with_its_free_memory(
    monkeypatch: pytest.MonkeyPatch, free_gb: float, level: Level
) -> None:
    monkeypatch.setattr("luna16.model.select_device", lambda _name: SimpleNamespace(type="cuda"))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _device: (free_gb * 1e9, 80e9))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda _device: "A GPU")
    finding = look_at_device("auto")
    assert finding.level is level
    assert finding.text == f"Training uses A GPU; {free_gb:.1f} GB of its memory are free."


def test_installed_packages_are_as_needed() -> None:
    software, packages = look_at_software()
    assert f"FedLuna {metadata.version('fedluna')} on Python 3." in software.text
    assert (packages.level, packages.text) == (Level.OK, "All are as needed.")


def test_package_that_is_missing_or_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["rich<2", "no-such-package>=1", "ruff<0.1; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda _name: needed)
    _software, packages = look_at_software()
    assert packages.level is Level.FAULT
    assert packages.text == (
        f"Not as needed: rich<2 is {metadata.version('rich')}, no-such-package is missing."
    )


def test_consent_is_said_in_words() -> None:
    assert describe_consent(ConsentConfig()).text == (
        "Any model; any number of epochs a round; rounds of 1 or more sites; any number of rounds a day; "
        "the data card is shared; the model is shown to the coordinator alone; "
        "the log stays here."
    )
    strict = ConsentConfig(
        models=("resnet18",),
        max_local_epochs=2,
        min_sites=3,
        max_rounds_per_day=9,
        share_data_card=False,
        share_model=True,
        share_log=True,
    )
    assert describe_consent(strict).text == (
        "Models resnet18; 2 epochs a round; rounds of 3 or more sites; 9 rounds a day; "
        "the data card stays here; the model is shown to other sites too; "
        "the log is told the coordinator at the end of a run."
    )
