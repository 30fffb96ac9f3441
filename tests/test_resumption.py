from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_core.config import FederationConfig, RunConfig, ServerConfig
from fl_core.errors import UsageError
from fl_server import launch
from fl_server.resume_point import ResumePoint, keep_resume_point
from fl_server.resumption import (
    Plan,
    describe_difference,
    find_cut_off,
    give_up,
    reopen,
    take_up,
    take_up_cut_off,
)
from fl_store.rows import utc_now
from fl_store.run_rows import RoundRow, RunRequestRow, RunRow, SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunRequest, RunState, SiteRoundState
from luna16.model import build_model

CONFIG = RunConfig(federation=FederationConfig(rounds=3))
WEIGHTS = {name: tensor.numpy() for name, tensor in build_model(CONFIG.model).state_dict().items()}


def make_run(
    store: SqliteStore, home: Path, state: RunState = RunState.RUNNING, *, num_done: int = 0
) -> RunRow:
    """Write a run with its folder, as a coordinator leaves it that was killed after so many rounds."""
    run = replace(launch._make_run(CONFIG), state=state)
    folder = home / "runs" / run.run_id
    folder.mkdir(parents=True)
    launch._keep_config(CONFIG, folder)
    if num_done:
        keep_resume_point(folder, ResumePoint(num_done, WEIGHTS, {}, {}))
    store.put([run])
    return run


def test_run_that_has_no_end_was_cut_off(store: SqliteStore, tmp_path: Path) -> None:
    make_run(store, tmp_path, RunState.FINISHED)
    assert find_cut_off(store, tmp_path) is None
    run = make_run(store, tmp_path)
    assert find_cut_off(store, tmp_path) == run


def test_run_after_which_another_was_conducted_is_left_as_it_is(store: SqliteStore, tmp_path: Path) -> None:
    make_run(store, tmp_path)
    make_run(store, tmp_path, RunState.FINISHED)
    assert find_cut_off(store, tmp_path) is None


def test_run_of_another_home_is_not_ours_to_take_up(store: SqliteStore, tmp_path: Path) -> None:
    make_run(store, tmp_path / "other")
    assert find_cut_off(store, tmp_path) is None


def test_same_configuration_goes_on(store: SqliteStore, tmp_path: Path) -> None:
    run = make_run(store, tmp_path, num_done=2)
    assert take_up_cut_off(store, run, CONFIG, tmp_path) == Plan(CONFIG, run)


def test_coordinator_may_have_moved(store: SqliteStore, tmp_path: Path) -> None:
    run = make_run(store, tmp_path)
    moved = CONFIG.model_copy(update={"server": ServerConfig(fleet_port=9999)})
    assert take_up_cut_off(store, run, moved, tmp_path) == Plan(moved, run)


def test_other_configuration_is_refused_with_the_first_difference(store: SqliteStore, tmp_path: Path) -> None:
    run = make_run(store, tmp_path)
    other = RunConfig(federation=FederationConfig(rounds=4))
    with pytest.raises(UsageError) as refusal:
        take_up_cut_off(store, run, other, tmp_path)
    assert str(refusal.value) == (
        f"Run {run.run_id} was cut off, and has another configuration: federation.rounds is 3 there "
        f"and 4 here. Start with its own to go on with it (fl-server --resume {run.run_id}), "
        "or begin another run with --new."
    )
    assert describe_difference(CONFIG, CONFIG) == ""


@pytest.mark.parametrize("text", ["", "[federation]\nrounds = 0\n", "[future]\nx = 1\n"])
def test_configuration_that_cannot_be_read_any_more_is_a_reason_to_begin_anew(
    text: str, store: SqliteStore, tmp_path: Path
) -> None:
    run = make_run(store, tmp_path)
    path = tmp_path / "runs" / run.run_id / "config.toml"
    path.write_text(text) if text else path.unlink()
    with pytest.raises(UsageError, match=r"cannot go on: .* Begin another run, with --new\."):
        take_up(store, run, tmp_path, None)


def test_finished_run_takes_more_rounds_only(store: SqliteStore, tmp_path: Path) -> None:
    run = make_run(store, tmp_path, RunState.FINISHED, num_done=3)
    for rounds in (None, 1, 3):
        with pytest.raises(UsageError, match=r"has held 3 rounds\. Give it more: --rounds \+5"):
            take_up(store, run, tmp_path, rounds)
    assert take_up(store, run, tmp_path, 8).config.federation.rounds == 8


def test_stopped_run_waits_again_and_does_not_obey_once_more_what_has_stopped_it(
    store: SqliteStore, tmp_path: Path
) -> None:
    run = make_run(store, tmp_path, RunState.STOPPED)
    store.put([RunRequestRow(run.run_id, RunRequest.STOP, "anna", run.started_at)])
    waiting = reopen(store, run, RunConfig(federation=FederationConfig(rounds=9)))
    assert store.get(RunRow) == [waiting]
    assert (waiting.state, waiting.num_rounds, waiting.run_id) == (RunState.WAITING, 9, run.run_id)
    assert store.get(RunRequestRow)[-1].request is RunRequest.RESUME


def test_sites_that_were_at_work_have_stopped(store: SqliteStore, rehearsal: Any) -> None:
    rehearsal.start()
    rehearsal.begin_round(1)
    reopen(store, rehearsal.run, CONFIG)
    assert {row.state for row in store.get(SiteRoundRow)} == {SiteRoundState.STOPPED}


def test_run_that_is_given_up_has_failed(store: SqliteStore, tmp_path: Path) -> None:
    run = make_run(store, tmp_path)
    give_up(store, run)
    (ended,) = store.get(RunRow)
    assert (ended.state, ended.reason) == (
        RunState.FAILED,
        "The coordinator was cut off, and another run was begun.",
    )
    assert find_cut_off(store, tmp_path) is None


def hold_rounds(store: SqliteStore, run: RunRow, number: int) -> None:
    store.put([RoundRow(run.run_id, i + 1, utc_now(), ended_at=utc_now()) for i in range(number)])


def test_run_whose_state_is_lost_does_not_begin_anew_unasked(store: SqliteStore, tmp_path: Path) -> None:
    run = make_run(store, tmp_path)
    hold_rounds(store, run, 2)
    with pytest.raises(UsageError, match=r"has held 2 rounds, and .* has no whole resume\.safetensors"):
        take_up_cut_off(store, run, CONFIG, tmp_path)


def test_coordinator_that_was_killed_as_it_kept_the_first_round_holds_it_again(
    store: SqliteStore, tmp_path: Path
) -> None:
    run = make_run(store, tmp_path)
    hold_rounds(store, run, 1)
    assert take_up_cut_off(store, run, CONFIG, tmp_path) == Plan(CONFIG, run)


@pytest.mark.parametrize(
    ("name", "tensor", "words"),
    [
        ("fc.weight", np.zeros((2, 128), np.float32), r"'fc.weight' is \(2, 128\), expected \(1, 128\)"),
        ("fc.more", np.zeros(2, np.float32), r"'fc.more' is \(2,\), expected no such tensor"),
    ],
)
def test_state_of_another_model_is_refused(
    store: SqliteStore, tmp_path: Path, name: str, tensor: Any, words: str
) -> None:
    run = make_run(store, tmp_path)
    keep_resume_point(tmp_path / "runs" / run.run_id, ResumePoint(2, {**WEIGHTS, name: tensor}, {}, {}))
    with pytest.raises(UsageError, match=words):
        take_up(store, run, tmp_path, None)
