"""What a page is made of: a header and blocks, which the browser draws in their order.

A page is a pure function from rows to these; the scripts in ``static/`` know how to draw each kind of block
and nothing of what it is about. Times stay times, which the browser shows in its own zone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar

import plotly.graph_objects as go


@dataclass(frozen=True)
class Cell:
    """One cell of a table: a text, with a dot of a tone, the colour of a site, a time, or a link of ours.

    ``tone`` is good, bad, busy, warn or calm. ``at`` is shown as a time of day before the text, or, with
    ``is_age``, as how long ago that is, after it.
    """

    text: str
    tone: str = ""
    site: str = ""
    at: datetime | None = None
    is_age: bool = False
    href: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table; numbers stand to the right."""

    title: str
    is_number: bool = False


@dataclass(frozen=True)
class Block:
    """One card of a page, by its name; ``width`` is how many sixths of a wide page it takes."""

    kind: ClassVar[str]

    name: str
    title: str
    width: int = field(default=6, kw_only=True)


@dataclass(frozen=True)
class KeyFigure:
    """One number of the last finished round; ``trend`` is what it was in each round before, too."""

    label: str
    value: str
    of_what: str
    change: str = ""
    tone: str = "calm"
    trend: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class KeyFigures(Block):
    """A row of numbers to be seen at a glance."""

    kind = "figures"

    figures: tuple[KeyFigure, ...] = ()


@dataclass(frozen=True)
class Table(Block):
    """A table, or one sentence if it has no line; without columns it is a list."""

    kind = "table"

    columns: tuple[Column, ...] = ()
    lines: tuple[tuple[Cell | str, ...], ...] = ()
    empty: str = ""
    note: str = ""


@dataclass(frozen=True)
class Frame:
    """What a chart shows at one position of its slider; ``data`` takes the place of the figure's."""

    label: str
    alt: str
    data: Sequence[Any]


@dataclass(frozen=True)
class Chart(Block):
    """A figure with one line on how to read it and its content in words; ``empty`` is said without one."""

    kind = "chart"

    note: str = ""
    alt: str = ""
    figure: go.Figure | None = None
    frames: tuple[Frame, ...] = ()
    empty: str = ""
    width: int = field(default=3, kw_only=True)


@dataclass(frozen=True)
class Legend(Block):
    """The sites with their colours, each to be hidden on all charts of the page."""

    kind = "legend"


@dataclass(frozen=True)
class Note(Block):
    """A sentence or a paragraph, said in a tone."""

    kind = "note"

    text: str = ""
    tone: str = "calm"


@dataclass(frozen=True)
class Scans(Block):
    """The scans of whoever looks, to be sent, followed and looked at; the browser asks for them itself."""

    kind = "scans"

    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Header:
    """The head of a page: where the run is, how far, and the times from which the browser tells ages.

    ``silent_since`` is set when a run goes on and nothing is heard of its coordinator. The run will probably
    end between ``ends_from`` and ``ends_to``.
    """

    title: str
    kicker: str = ""
    tone: str = "calm"
    text: str = ""
    progress: float | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ends_from: datetime | None = None
    ends_to: datetime | None = None
    silent_since: datetime | None = None


@dataclass(frozen=True)
class Part:
    """Some blocks of a page, to be made anew only when one of their ``sources`` has changed."""

    sources: tuple[Any, ...]
    make: Callable[..., Sequence[Block]]


@dataclass(frozen=True)
class Page:
    """Everything that a page says, in the order of the screen."""

    header: Header
    parts: tuple[Part, ...] = ()
    colors: Mapping[str, str] = field(default_factory=dict)


def to_plain(block: Block) -> dict[str, Any]:
    """Return a block as the scripts take it."""
    plain = {item.name: getattr(block, item.name) for item in fields(block)}
    if isinstance(block, Chart):
        plain |= {
            "figure": block.figure.to_plotly_json() if block.figure else None,
            "frames": [
                {
                    "label": frame.label,
                    "alt": frame.alt,
                    "data": [trace.to_plotly_json() for trace in frame.data],
                }
                for frame in block.frames
            ],
        }
    else:
        plain = asdict(block)
    return {"kind": block.kind, **plain}
