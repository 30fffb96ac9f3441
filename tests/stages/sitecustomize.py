"""Lets one process of a federation linger at one stage of a run, so that a test can strike just then.

Python runs this at its start where this folder is on PYTHONPATH. ``FEDLUNA_STAGE`` names the stage and
``FEDLUNA_STAGE_FOLDER`` a folder: the process that comes to the stage writes its id to ``reached`` there, and
goes on once ``go`` is there. Whoever comes later does not linger. The product knows nothing of this.
"""

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

LONGEST_S = 60.0
POLL_S = 0.02


@dataclass(frozen=True)
class Stage:
    """The moment before the first call of a function for which ``is_now`` says yes to its arguments."""

    module: str
    function: str
    is_now: Callable[..., bool]


def is_someone_online(grid: Any) -> bool:
    """Say whether a site has come that the coordinator waits for."""
    return bool(grid.get_online_node_ids())


def is_model_of_round_2(objects: dict[str, Any], *_arguments: Any, **_options: Any) -> bool:
    """Say whether the parts of a message are those of a model that is sent in round 2."""
    kinds = {type(part).__name__: part for part in objects.values()}
    return "ArrayRecord" in kinds and kinds.get("ConfigRecord", {}).get("server-round") == 2


def is_second_step_of_round_2(_loss: Any, step: int, round_no: int) -> bool:
    """Say whether a site is in the midst of the training of round 2."""
    return (step, round_no) == (2, 2)


def is_round_2(_aggregation: Any, round_no: int, *_arguments: Any) -> bool:
    """Say whether the updates of round 2 are to be averaged."""
    return round_no == 2


def is_second_resume_point(path: Path) -> bool:
    """Say whether that is about to be flushed, and named, of which another round has written one."""
    return path.name == "resume.safetensors.partial" and path.with_name("resume.safetensors").exists()


# A message goes ahead of its weights: whoever receives it knows by then that they will come.
STAGES = {
    "waiting": Stage("fl_server.grid", "PromptGrid.rest", is_someone_online),
    "sending": Stage("flwr.superlink.grid.http_grid", "push_objects", is_model_of_round_2),
    "training": Stage("luna16.training", "_check_finite", is_second_step_of_round_2),
    "replying": Stage("flwr.supernode.runtime.run_clientapp", "push_objects", is_model_of_round_2),
    "aggregating": Stage("fl_server.aggregation", "Aggregation.aggregate_train", is_round_2),
    "writing": Stage("luna16.whole_files", "_flush", is_second_resume_point),
}


class LingerAt(MetaPathFinder):
    """Wraps the function of a stage as soon as its module is imported."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._folder = folder

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._stage.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec and spec.loader:
            load = spec.loader.exec_module
            setattr(spec.loader, "exec_module", lambda module: (load(module), self._wrap(module)))  # noqa: B010
        return spec

    def _wrap(self, module: ModuleType) -> None:
        *owners, name = self._stage.function.split(".")
        owner = getattr(module, owners[0]) if owners else module
        function = getattr(owner, name)

        def linger_and_call(*arguments: Any, **options: Any) -> Any:
            if self._stage.is_now(*arguments, **options):
                linger(self._folder)
            return function(*arguments, **options)

        setattr(owner, name, linger_and_call)


def linger(folder: Path) -> None:
    """Tell that the stage is reached, and wait for the word to go on; a minute at most."""
    go, reached = folder / "go", folder / "reached"
    if not reached.exists():
        reached.write_text(str(os.getpid()))
    give_up_at = time.monotonic() + LONGEST_S
    while not go.exists() and time.monotonic() < give_up_at:
        time.sleep(POLL_S)


if "FEDLUNA_STAGE" in os.environ:
    sys.meta_path.insert(
        0, LingerAt(STAGES[os.environ["FEDLUNA_STAGE"]], Path(os.environ["FEDLUNA_STAGE_FOLDER"]))
    )
