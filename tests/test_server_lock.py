from pathlib import Path

from fl_server.server_lock import ServerWatch, hold_server_lock


def test_server_that_has_not_begun_has_not_ended(tmp_path: Path) -> None:
    assert not ServerWatch(tmp_path, "second").has_ended()
    with hold_server_lock(tmp_path, "first"):
        assert not ServerWatch(tmp_path, "second").has_ended()
    assert not ServerWatch(tmp_path, "second").has_ended()


def test_end_is_seen_once_it_was_there(tmp_path: Path) -> None:
    watch = ServerWatch(tmp_path, "first")
    with hold_server_lock(tmp_path, "first"):
        assert not watch.has_ended()
    assert watch.has_ended()
