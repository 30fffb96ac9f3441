from pathlib import Path

import pytest

from fl_core.errors import UsageError
from fl_server.home_lock import hold_home, is_home_held


def test_second_coordinator_on_one_home_is_refused(tmp_path: Path) -> None:
    with hold_home(tmp_path / "home"):
        with pytest.raises(
            UsageError, match=r"Another fl-server conducts a run with the folder .*home\. Wait"
        ):
            hold_home(tmp_path / "home").__enter__()
        with hold_home(tmp_path / "elsewhere"):
            pass
    with hold_home(tmp_path / "home"):
        pass


def test_home_is_held_while_a_coordinator_is_there(tmp_path: Path) -> None:
    assert not is_home_held(tmp_path / "home")
    with hold_home(tmp_path / "home"):
        assert is_home_held(tmp_path / "home")
    assert not is_home_held(tmp_path / "home")


def test_home_that_cannot_be_written_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"Cannot write to /proc/home: .*"):
        hold_home(Path("/proc/home")).__enter__()
