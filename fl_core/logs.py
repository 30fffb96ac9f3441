"""Log files: one JSON object a line, in UTC, each with the run and the round of the work in hand.

A file is moved aside when it has grown (``.1`` is the newest of those). No line names a scan or holds a
secret. A disk that is full or read-only is told once, and the program goes on without the log.
"""

import json
import logging
import platform
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from fl_core.errors import FedLunaError
from fl_core.scrub import hide_names

MAX_BYTES = 5_000_000
NUM_OLD = 4
MAX_EARLY = 100
SAID: Mapping[str, object] = {"is_said": True}
"""Marks a line that the person at the terminal has been shown already: give it as ``extra``."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """Which run and round this thread works for, as far as it knows."""

    run: str | None = None
    round_no: int | None = None


_WORK: ContextVar[Work] = ContextVar("work", default=Work())  # noqa: B039 - it is frozen


def note_work(run: str, round_no: int | None = None) -> None:
    """Let the lines of this thread tell what it works for from now on."""
    _WORK.set(Work(run, round_no))


def note_round(round_no: int) -> None:
    """Let the lines of this thread tell the round from now on; the run stays."""
    _WORK.set(replace(_WORK.get(), round_no=round_no))


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object; what is not known is left out.

    ``about`` holds what is so for every line, such as the process and its site.
    """

    def __init__(self, about: Mapping[str, str]) -> None:
        super().__init__()
        self._about = about

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        work = _WORK.get()
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "text": hide_names(record.getMessage()),
            **self._about,
            "run": work.run or self._about.get("run"),
            "round": work.round_no,
            "site": getattr(record, "site", None) or self._about.get("site"),
            "traceback": hide_names(self.formatException(record.exc_info)) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


class LogFile(RotatingFileHandler):
    """The file of a program's log, opened at its first line."""

    def __init__(self, path: Path, about: Mapping[str, str]) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=NUM_OLD, encoding="utf-8", delay=True)
        self.setFormatter(JsonFormatter(about))
        self._is_fault_told = False
        self._early: deque[logging.LogRecord] = deque(maxlen=MAX_EARLY)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; as long as there is no folder it is only held, as a run may not begin at all."""
        self._early.append(record)
        while self._early and Path(self.baseFilename).parent.is_dir():
            super().emit(self._early.popleft())

    def _open(self) -> TextIOWrapper:
        """Open the file, and end a line that a killed process has left unfinished."""
        stream = super()._open()
        if stream.tell() and not Path(self.baseFilename).read_bytes().endswith(b"\n"):
            stream.write("\n")
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - so it is called there
        """Say once that the log cannot be written."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_fault_told:
            self._is_fault_told = True
            with suppress(OSError):  # standard error may be a file on the same disk
                sys.stderr.write(
                    f"Cannot write the log {self.baseFilename}: {error.strerror}. It goes on without.\n"
                )

    def close(self) -> None:
        """Close the file; what cannot be written any more is lost."""
        with suppress(OSError):
            super().close()


def list_log_files(path: Path) -> list[Path]:
    """Return the files of a log that are there, the newest first."""
    files = (path, *(path.with_name(f"{path.name}.{number}") for number in range(1, NUM_OLD + 1)))
    return [file for file in files if file.is_file()]


@contextmanager
def kept_log(path: Path, **about: str) -> Iterator[None]:
    """Keep the lines of this process in a file, too, and how it began and ended."""
    log, root = LogFile(path, about), logging.getLogger()
    root.addHandler(log)
    try:
        start = f"Start: FedLuna {version('fedluna')}, Python {platform.python_version()}."
        logger.info("%s", start, extra=SAID)
        yield
        logger.info("End.", extra=SAID)
    except FedLunaError as error:
        logger.error("The end: %s", error, extra=SAID)  # noqa: TRY400 - a known error is one line
        raise
    except KeyboardInterrupt:
        logger.info("Interrupted.", extra=SAID)
        raise
    except Exception:
        logger.exception("The end: an error of the program.", extra=SAID)
        raise
    finally:
        root.removeHandler(log)
        log.close()
