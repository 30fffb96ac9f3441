import subprocess
import sys
from pathlib import Path

import pytest

from fl_core.config import check_site_name
from fl_core.errors import RunFailedError
from fl_server.demo import Demo, check_sites, site_name, write_scans


def make_demo(folder: Path) -> Demo:
    return Demo(folder, num_sites=2, num_rounds=1, scans_per_site=2, port=9092, monitor_port=8501)


def test_up_to_twenty_sites_have_good_names_of_their_own() -> None:
    names = [check_site_name(site_name(number)) for number in range(20)]
    assert names[:3] == ["a", "b", "c"]
    assert len(set(names)) == 20


def test_children_share_a_home_in_the_demos_folder(tmp_path: Path) -> None:
    assert make_demo(tmp_path).environment["FEDLUNA_HOME"] == str(tmp_path / "home")


def test_command_that_fails_ends_the_demo_with_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="`fl-server users` ended with exit code 2"):
        make_demo(tmp_path).run("fl-server", "users", "password", "nobody")


def test_scans_of_an_earlier_demo_are_used_again(tmp_path: Path) -> None:
    (tmp_path / "scans-2x2").mkdir()
    assert write_scans(make_demo(tmp_path)) == tmp_path / "scans-2x2"
    assert list((tmp_path / "scans-2x2").iterdir()) == []


def test_site_that_ends_early_is_named_with_its_log(tmp_path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", code])
        for code in ("import time; time.sleep(60)", "raise SystemExit(2)")
    ]
    children[1].wait()
    with pytest.raises(RunFailedError) as failure:
        check_sites(make_demo(tmp_path), children)
    assert str(failure.value) == f"Site 'b' ended (exit code 2): {tmp_path / 'b.log'}"
    children[0].kill()
    children[0].wait()
