import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fl_client.check_cli import examine, look_at_coordinator
from fl_core.config import SiteConfig
from fl_core.findings import Level
from fl_core.processes import find_free_port

COMMAND = Path(sys.executable).with_name("fl-client")


def check(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"FEDLUNA_HOME": str(folder / "home"), "COLUMNS": "120"}
    command = [str(COMMAND), "check", "--site", "north", *options]
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)


def test_everything_is_looked_at_and_nothing_is_made(scans: Path, tmp_path: Path) -> None:
    server = f"127.0.0.1:{find_free_port()}"
    config = SiteConfig(site="north", data_root=scans, server=server, device="cpu", insecure=True)
    findings = list(examine(config, tmp_path / "home"))
    assert [finding.subject for finding in findings] == (
        ["software", "packages", "data", "device", "disk", "clock", "port", "consent"]
    )
    assert [finding for finding in findings if finding.level is Level.FAULT] == []
    assert list(tmp_path.iterdir()) == []


def test_site_without_a_kit_is_told_how_to_get_one(tmp_path: Path) -> None:
    (found,) = look_at_coordinator(SiteConfig(site="north", data_root=tmp_path), tmp_path / "north")
    assert (found.level, found.text) == (Level.FAULT, "Site 'north' has no kit.")
    assert found.advice.startswith("Give the file that the coordinator has sent, --kit FILE")


@pytest.mark.slow
def test_site_that_could_take_part_ends_with_0_and_json(scans: Path, tmp_path: Path) -> None:
    server = f"127.0.0.1:{find_free_port()}"
    done = check(tmp_path, "--data-root", str(scans), "--server", server, "--insecure", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = {finding["subject"]: finding["level"] for finding in json.loads(done.stdout)}
    assert found["data"] == "ok"
    assert found["port"] == "warning"  # none is up


@pytest.mark.slow
def test_site_with_a_fault_ends_with_1_and_what_to_do(tmp_path: Path) -> None:
    done = check(tmp_path, "--data-root", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stderr) == (1, "")
    assert "fault" in done.stdout
    assert "luna16 verify" in done.stdout


@pytest.mark.slow
def test_wrong_use_is_one_line_with_exit_code_2(tmp_path: Path) -> None:
    done = check(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Site 'north' has no data folder. Give --data-root DIR, or write")
