"""What a page polls: its header and its parts as JSON, each sent again only when it has changed.

All viewers who may see the same share one answer, and a part is made anew only if its rows have changed.
"""

import gzip
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from fl_monitor.access import limit_runs, limit_to
from fl_monitor.blocks import Part, to_plain
from fl_monitor.language import speaking
from fl_monitor.library import ChosenRuns
from fl_monitor.snapshot import Snapshot
from fl_monitor.viewer import Query
from fl_monitor.views import VIEWS
from fl_monitor.views.seen import Seen

ANSWERS_KEPT = 64
"""So many answers are kept, the ones that were asked for last; parameters of pages are people's to choose."""


PACKED_KEPT = 8
"""Of each answer, so many forms are kept, by what browsers have of it already."""


@dataclass(frozen=True)
class Text:
    """A piece of JSON and the version it is known by."""

    json: str
    version: str

    @classmethod
    def of(cls, value: Any) -> "Text":
        """Write a value as JSON."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=_time_text)
        return cls(text, hashlib.sha256(text.encode()).hexdigest()[:12])


@dataclass(frozen=True)
class Answer:
    """What one kind of viewer gets for one page; ``snapshot`` and ``runs`` are what it was made of."""

    snapshot: Snapshot
    runs: ChosenRuns
    seen: Seen
    header: Text
    parts: Sequence[Text]
    sources: Sequence[tuple[Any, ...]]
    _packed: dict[str, bytes] = field(default_factory=dict, compare=False)

    @property
    def version(self) -> str:
        """What the browser sends back to say what it has."""
        return ".".join(text.version for text in (self.header, *self.parts))

    def pack(self, known_version: str) -> bytes:
        """Return what a browser lacks as JSON, compressed: once for all who have the same."""
        if known_version not in self._packed:
            if len(self._packed) >= PACKED_KEPT:
                self._packed.clear()
            self._packed[known_version] = gzip.compress(self._write(known_version).encode(), compresslevel=6)
        return self._packed[known_version]

    def _write(self, known_version: str) -> str:
        known = known_version.split(".")
        header, *parts = [
            "null" if text.version == (known[no] if no < len(known) else "") else text.json
            for no, text in enumerate((self.header, *self.parts))
        ]
        return f'{{"version":"{self.version}","header":{header},"parts":[{",".join(parts)}]}}'


class Feed:
    """Answers polls from the newest snapshot; asks nothing of the store."""

    def __init__(self) -> None:
        self._answers: OrderedDict[tuple[object, ...], Answer] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, snapshot: Snapshot, runs: ChosenRuns, query: Query, known_version: str) -> bytes | None:
        """Return gzipped JSON with ``version``, ``header`` and ``parts``; None if the browser has all.

        What it has of these, by the version that it knows, is null.
        """
        answer = self._find_answer(snapshot, runs, query)
        return None if answer.version == known_version else answer.pack(known_version)

    def _find_answer(self, snapshot: Snapshot, runs: ChosenRuns, query: Query) -> Answer:
        query = _share(query)
        with self._lock:
            answer = self._answers.pop(query.key, None)
            if answer is None or answer.snapshot is not snapshot or answer.runs != runs:
                answer = make_answer(snapshot, runs, query, answer)
            self._answers[query.key] = answer
            if len(self._answers) > ANSWERS_KEPT:
                self._answers.popitem(last=False)
        return answer


def _share(query: Query) -> Query:
    """Leave out who asks, on pages that say the same to all of a role and site."""
    return query if VIEWS[query.page].is_personal else replace(query, viewer=replace(query.viewer, name=""))


def make_answer(snapshot: Snapshot, runs: ChosenRuns, query: Query, last: Answer | None = None) -> Answer:
    """Make a page for a viewer; a part of the last answer is kept if it is made of the same rows."""
    seen = _see(snapshot, runs, query, last)
    with speaking(query.language):
        page = VIEWS[query.page].make(seen)
        header = Text.of({**asdict(page.header), "colors": page.colors})
        parts = [_keep_part(part, no, last) or _make_part(part) for no, part in enumerate(page.parts)]
    return Answer(snapshot, runs, seen, header, parts, [part.sources for part in page.parts])


def _see(snapshot: Snapshot, runs: ChosenRuns, query: Query, last: Answer | None) -> Seen:
    """Limit the rows to what the viewer may see; a run that has not changed is not gone through again."""
    viewer = query.viewer
    if last is None or last.snapshot.run is not snapshot.run:
        seen = limit_to(viewer, snapshot)
    else:
        seen = replace(limit_to(viewer, replace(snapshot, run=None)), run=last.seen.snapshot.run)
    return Seen(viewer, seen, limit_runs(viewer, runs, snapshot), query.params)


def _keep_part(part: Part, no: int, last: Answer | None) -> Text | None:
    is_same = last is not None and no < len(last.sources) and last.sources[no] == part.sources
    return last.parts[no] if last is not None and is_same else None


def _make_part(part: Part) -> Text:
    return Text.of([to_plain(block) for block in part.make(*part.sources)])


def _time_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be sent to the browser")
