"""The stages of a detection: who watches is told of each, and how long it took is kept."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

OnProgress = Callable[[str, int, int], None]
OnStep = Callable[[int, int], None]


class Stages:
    """Tells ``on_progress`` of each stage; ``seconds`` holds those that are over."""

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._on_progress = on_progress or (lambda _stage, _done, _of: None)

    @contextmanager
    def stage(self, name: str) -> Iterator[OnStep]:
        """Time a stage; what it gives tells of the steps within."""
        started_s = time.perf_counter()
        self._on_progress(name, 0, 1)
        yield partial(self._on_progress, name)
        self._on_progress(name, 1, 1)
        self.seconds[name] = round(time.perf_counter() - started_s, 3)
