"""Flower's SuperLink as a child process: the gRPC service that the sites reach, and control on loopback.

Sites connect to the Fleet API, with TLS and registered keys unless the run is insecure; the Control and
Runtime APIs answer on 127.0.0.1 only.
"""

import contextlib
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from flwr.cli.cli_client_interceptor import CliClientHttpInterceptor
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import (
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    UnregisterNodeRequest,
)
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

from fl_core.config import ServerConfig
from fl_core.errors import RunFailedError
from fl_core.processes import bound_log, check_port_is_free, end_child, flower_environment, start_child
from fl_core.trial import try_link
from fl_server.credentials import Credentials
from fl_server.server_lock import ServerWatch

START_TIMEOUT_S = 60.0
POLL_S = 0.1
FINISHED = "finished"
CERTIFICATES_VARIABLE = "FEDLUNA_TLS"
"""Names the folder of the certificates to the process that shows them."""
START_VARIABLE = "FEDLUNA_START"
"""Tells the ServerApp as what it was started."""


class SuperLinkEndedError(RunFailedError):
    """The SuperLink was killed, or ended by itself."""


@dataclass
class SuperLink:
    """A running SuperLink, and the Flower run submitted to it."""

    process: subprocess.Popen[bytes]
    control: ControlHttpClient
    log_file: Path
    server: ServerWatch
    num_log_bytes_read: int = 0
    flower_run_id: int | None = None

    @classmethod
    def start(
        cls,
        config: ServerConfig,
        folder: Path,
        variables: dict[str, str],
        credentials: Credentials | None = None,
    ) -> Self:
        """Start the SuperLink and wait until it answers; without ``credentials`` it has no TLS.

        ``variables`` are added to its environment, which the ServerApp inherits; its log is
        ``superlink.log`` in ``folder``. Raises AddressInUseError or RunFailedError.
        """
        check_port_is_free(config.host, config.fleet_port, setting="fleet_port in [server]")
        check_port_is_free("127.0.0.1", config.control_port, setting="control_port in [server]")
        log_file = folder / "superlink.log"
        start_id = secrets.token_hex(8)
        env = flower_environment(folder / "flower") | variables | {START_VARIABLE: start_id}
        if credentials:
            env[CERTIFICATES_VARIABLE] = str(credentials.folder)
            env["GRPC_VERBOSITY"] = "info"  # tells each TLS handshake that fails; Flower asks for errors only
        num_log_bytes = bound_log(log_file)  # of an earlier start, whose refusals were told then
        process = start_child(_command(config), log_file=log_file, env=env)
        address = f"127.0.0.1:{config.control_port}"
        try:
            _wait_until_healthy(process, address, log_file)
            _check_link(config, credentials)
        except BaseException:
            end_child(process)
            raise
        return cls(process, _connect(address), log_file, ServerWatch(folder, start_id), num_log_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.control.close()
        end_child(self.process)

    def submit(self, bundle: Fab) -> None:
        """Let the SuperLink start the bundle's ServerApp; RunFailedError if it does not."""
        request = StartRunRequest(fab=fab_to_proto(bundle), federation="")
        try:
            self.flower_run_id = self.control.StartRun(request).run_id
        except httpx.HTTPError as error:
            raise RunFailedError(f"The SuperLink did not start the run ({type(error).__name__}).") from error

    def register(self, site: str, public_key_pem: bytes) -> int:
        """Let the holder of a key in under a site's name; returns Flower's id of its node."""
        request = RegisterNodeRequest(public_key=public_key_pem, name=site)
        node_id: int = self.control.RegisterNode(request).node_id
        return node_id

    def unregister(self, node_id: int) -> None:
        """Let a node in no more: its next call is refused, and what it was asked fails at once."""
        try:
            self.control.UnregisterNode(UnregisterNodeRequest(node_id=node_id))
        except httpx.HTTPStatusError as error:
            if error.response.status_code != httpx.codes.NOT_FOUND:  # that it is not there any more is well
                raise

    def read_new_log_lines(self) -> list[str]:
        """Return the whole lines that were logged since the last look."""
        with self.log_file.open("rb") as log:
            log.seek(self.num_log_bytes_read)
            new = log.read().rpartition(b"\n")[0]
        self.num_log_bytes_read += len(new) + 1 if new else 0
        return new.decode(errors="replace").splitlines()

    def is_run_finished(self) -> bool:
        """Say whether the ServerApp has ended, well or not; SuperLinkEndedError if the SuperLink has."""
        if self.process.poll() is not None:
            raise SuperLinkEndedError(f"The SuperLink ended unasked (exit code {self.process.returncode}).")
        if self.server.has_ended():
            return True
        try:
            runs = self.control.ListRuns(ListRunsRequest(run_id=self.flower_run_id)).run_dict
        except httpx.TransportError:
            return False  # it is busy, or ending: the next look tells which
        return bool(runs[self.flower_run_id].status.status == FINISHED)


def _command(config: ServerConfig) -> list[str]:
    fleet_address = f"{config.host}:{config.fleet_port}"
    return [
        *(sys.executable, "-m", "fl_server.guarded_superlink"),
        "--insecure",  # on loopback; the guarded one has TLS where sites come in
        "--host",
        "127.0.0.1",
        "--port",
        str(config.control_port),
        "--fleet-api-address",
        fleet_address,
        "--disable-runtime-dependency-installation",
    ]


def _check_link(config: ServerConfig, credentials: Credentials | None) -> None:
    """Raise RunFailedError unless sites are met with the TLS, or none, that they should be."""
    host = "127.0.0.1" if config.host == "0.0.0.0" else config.host  # noqa: S104 - nothing is bound here
    authority, name = (credentials.authority_pem, credentials.place.host) if credentials else (None, None)
    fault = try_link(f"{host}:{config.fleet_port}", authority, name=name)
    if fault:
        raise RunFailedError(f"The port for the sites is not as it should be: {fault.text}")


def _connect(address: str) -> ControlHttpClient:
    return ControlHttpClient.from_server_address(
        server_address=address,
        insecure=True,
        root_certificates=None,
        interceptors=[CliClientHttpInterceptor(), RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
    )


def _wait_until_healthy(process: subprocess.Popen[bytes], address: str, log_file: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            break
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://{address}/health", timeout=2, trust_env=False).is_success:
                return
        time.sleep(POLL_S)
    raise RunFailedError(f"The SuperLink did not come up; {log_file} says why.")
