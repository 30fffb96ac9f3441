"""The site's link to the coordinator: Flower's SuperNode as a child process."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fl_client.link import Link
from fl_core.admission import Cause
from fl_core.errors import KeyFileError
from fl_core.processes import end_child, find_free_port, flower_environment, start_child
from luna16.whole_files import write_whole

AUTHORITY_NAME = "authority.pem"
GIVE_UP_AFTER_S = 5


@dataclass(frozen=True)
class SuperNode:
    """A running SuperNode; ``runtime_address`` is where a worker fetches its tasks, on loopback."""

    runtime_address: str
    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, link: Link, folder: Path) -> Self:
        """Connect to the coordinator; files and the log go to ``folder``.

        Raises KeyFileError if the coordinator's authority cannot be written there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        port = find_free_port()  # Flower refuses 0, and its default clashes when two sites share a machine
        command = [sys.executable, "-m", "fl_client.prompt_supernode"]
        command += ["--superlink", link.server, "--host", "127.0.0.1", "--port", str(port)]
        command += _security_options(link, folder)
        command += ["--isolation", "process", "--max-wait-time", str(GIVE_UP_AFTER_S)]
        process = start_child(
            command, log_file=folder / "supernode.log", env=flower_environment(folder / "flower")
        )
        return cls(f"127.0.0.1:{port}", process)

    @property
    def is_alive(self) -> bool:
        """Say whether the link still holds; it ends when the coordinator is gone for some seconds."""
        return self.process.poll() is None

    @property
    def refusal(self) -> Cause | None:
        """Why the coordinator has ended the link, if it was that."""
        return Cause.of_exit_code(self.process.poll())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_child(self.process)


def _security_options(link: Link, folder: Path) -> list[str]:
    if link.authority is None or link.key is None:
        return ["--insecure"]
    authority = folder / AUTHORITY_NAME
    try:
        write_whole(authority, link.authority)
    except OSError as error:
        raise KeyFileError(f"Cannot write {authority}: {error.strerror}.") from error
    return ["--root-certificates", str(authority), "--auth-supernode-private-key", str(link.key)]
