import time
from pathlib import Path

import psutil
import pytest

from fl_client.link import Link
from fl_client.supernode import GIVE_UP_AFTER_S, SuperNode
from fl_core.processes import find_free_port

pytestmark = pytest.mark.slow


def wait_until_ended(link: SuperNode, timeout_s: float) -> None:
    give_up_at = time.monotonic() + timeout_s
    while link.is_alive:
        assert time.monotonic() < give_up_at
        time.sleep(0.1)


def test_link_without_a_coordinator_ends_by_itself(tmp_path: Path) -> None:
    with SuperNode.start(Link(f"127.0.0.1:{find_free_port()}"), tmp_path) as link:
        assert link.is_alive
        wait_until_ended(link, GIVE_UP_AFTER_S + 30)
    assert (tmp_path / "supernode.log").stat().st_size > 0


def test_link_ends_with_all_that_it_started(tmp_path: Path) -> None:
    with SuperNode.start(Link(f"127.0.0.1:{find_free_port()}"), tmp_path) as link:
        time.sleep(2)
        family = psutil.Process(link.process.pid).children(recursive=True)
    assert not link.is_alive
    _gone, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_two_sites_on_one_machine_use_ports_and_folders_of_their_own(tmp_path: Path) -> None:
    server = Link(f"127.0.0.1:{find_free_port()}")
    with SuperNode.start(server, tmp_path / "a") as a, SuperNode.start(server, tmp_path / "b") as b:
        assert a.runtime_address != b.runtime_address
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
