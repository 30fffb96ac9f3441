"""Which run a coordinator conducts: a new one, or one that was cut off or has ended and is to go on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fl_core.config import RunConfig, load_settings
from fl_core.errors import ConfigError, UsageError
from fl_server.people import name_terminal_user
from fl_server.resume_point import ResumePoint, find_resume_point
from fl_store.base import Store
from fl_store.rows import utc_now
from fl_store.run_rows import RoundRow, RunRequestRow, RunRow, SiteRoundRow
from fl_store.words import RunRequest, RunState, SiteRoundState

CUT_OFF = "The coordinator was cut off, and another run was begun."


@dataclass(frozen=True)
class Plan:
    """What is to be conducted: a new run, or ``run``, which goes on."""

    config: RunConfig
    run: RunRow | None = None


def find_cut_off(store: Store, home: Path) -> RunRow | None:
    """Return the newest run if it never came to an end; nobody conducts it if this home is ours."""
    newest = [run for run in store.get(RunRow) if _folder_of(run, home).is_dir()][-1:]
    return next((run for run in newest if not run.state.is_over), None)


def take_up_cut_off(store: Store, run: RunRow, config: RunConfig, home: Path) -> Plan:
    """Go on with a run that was cut off; UsageError with the difference if it has another configuration.

    Where the coordinator listens is not of the run. UsageError also if its state is lost, of another model or
    of a newer FedLuna.
    """
    if difference := describe_difference(_read_config(run, home), config):
        raise UsageError(
            f"Run {run.run_id} was cut off, and has another configuration: {difference}. Start with its own "
            f"to go on with it (fl-server --resume {run.run_id}), or begin another run with --new."
        )
    _find_point(store, run, home, config)
    return Plan(config, run)


def take_up(store: Store, run: RunRow, home: Path, rounds: int | None) -> Plan:
    """Go on with a run that somebody names, up to ``rounds`` if they are given.

    Raises UsageError if there is nothing left to do, or its state is lost, of another model or of a newer
    FedLuna.
    """
    config = _read_config(run, home)
    point = _find_point(store, run, home, config)
    if rounds:
        federation = config.federation.model_copy(update={"rounds": rounds})
        config = config.model_copy(update={"federation": federation})
    is_to_train = rounds is not None or run.state is RunState.FINISHED
    if point and is_to_train and point.round_no >= config.federation.rounds:
        raise UsageError(f"Run {run.run_id} has held {point.round_no} rounds. Give it more: --rounds +5.")
    return Plan(config, run)


def reopen(store: Store, run: RunRow, config: RunConfig) -> RunRow:
    """Write that a run waits for its sites again, and that whoever was at work in it has ended."""
    waiting = replace(
        run,
        state=RunState.WAITING,
        num_rounds=config.federation.rounds,
        config=config.model_dump(mode="json"),
        ended_at=None,
        reason=None,
    )
    if run.state.is_over:  # or the run would obey once more what has ended it
        who = name_terminal_user()
        store.put([RunRequestRow(run.run_id, RunRequest.RESUME, requested_by=who, requested_at=utc_now())])
    store.put([waiting, *close_parts(store, run.run_id)])
    return waiting


def close_parts(store: Store, run_id: str) -> list[SiteRoundRow]:
    """Return the rows of sites that were at work in a run, as those of sites that have stopped."""
    cut_off = [row for row in store.get(SiteRoundRow, run_id=run_id) if not row.state.is_over]
    return [replace(row, state=SiteRoundState.STOPPED) for row in cut_off]


def give_up(store: Store, run: RunRow) -> None:
    """Write that a run which was cut off will not go on."""
    ended = replace(run, state=RunState.FAILED, reason=CUT_OFF, ended_at=utc_now())
    store.put([ended, *close_parts(store, run.run_id)])


def describe_difference(known: RunConfig, asked: RunConfig) -> str:
    """Say where two configurations differ first, but for the server's place; nothing if they do not."""
    there, here = (
        dict(_flatten(config.model_dump(mode="json", exclude={"server"}))) for config in (known, asked)
    )
    for key in sorted(there.keys() | here.keys()):
        if there.get(key) != here.get(key):
            return f"{key} is {there.get(key, '(not set)')} there and {here.get(key, '(not set)')} here"
    return ""


def _flatten(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _find_point(store: Store, run: RunRow, home: Path, config: RunConfig) -> ResumePoint | None:
    """Return what a run goes on from, None if it begins: a round that was being kept counts as none."""
    folder = _folder_of(run, home)
    point = find_resume_point(folder)
    held = [row.round_no for row in store.get(RoundRow, run_id=run.run_id) if row.ended_at]
    if point is None and max(held, default=0) > 1:
        raise UsageError(
            f"Run {run.run_id} has held {max(held)} rounds, and {folder} has no whole resume.safetensors to "
            "go on from. Put it back from a backup, or begin another run, with --new."
        )
    if point and (fault := _find_misfit(point, config)):
        raise UsageError(
            f"{folder / 'resume.safetensors'} is of another model than the run's: {fault}. Put back the "
            "run's own, or begin another run, with --new."
        )
    return point


def _find_misfit(point: ResumePoint, config: RunConfig) -> str:
    """Say where the tensors that were kept are not those of the run's model; nothing if they are."""
    from luna16.model import build_model  # noqa: PLC0415 - torch takes seconds, and few runs go on

    wanted = {name: tuple(tensor.shape) for name, tensor in build_model(config.model).state_dict().items()}
    kept = {name: tensor.shape for name, tensor in point.weights.items()}
    for name in sorted(wanted.keys() | kept.keys()):
        if wanted.get(name) != kept.get(name):
            return f"'{name}' is {kept.get(name, 'missing')}, expected {wanted.get(name, 'no such tensor')}"
    return ""


def _read_config(run: RunRow, home: Path) -> RunConfig:
    path = _folder_of(run, home) / "config.toml"
    try:
        return load_settings(path, RunConfig)
    except ConfigError as error:
        raise UsageError(f"Run {run.run_id} cannot go on: {error} Begin another run, with --new.") from error


def _folder_of(run: RunRow, home: Path) -> Path:
    return home / "runs" / run.run_id
