import multiprocessing
from pathlib import Path

from fl_core.locks import hold_lock, try_lock


def hold_for_ever(path: Path, is_held: "multiprocessing.Event") -> None:  # type: ignore[valid-type]
    with hold_lock(path):
        is_held.set()  # type: ignore[attr-defined]
        multiprocessing.Event().wait()


def test_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with try_lock(path) as is_ours, try_lock(path) as is_ours_too:
        assert (is_ours, is_ours_too) == (True, False)
    with try_lock(path) as is_ours:
        assert is_ours


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    starting = multiprocessing.get_context("fork")
    is_held = starting.Event()
    holder = starting.Process(target=hold_for_ever, args=(path, is_held))
    holder.start()
    assert is_held.wait(10)
    with try_lock(path) as is_ours:
        assert not is_ours
    holder.kill()
    holder.join()
    with hold_lock(path):
        pass
