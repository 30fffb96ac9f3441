"""Which proxy stands between this machine and the coordinator, by the variables that gRPC follows."""

import os
import socket
from http.client import HTTPConnection
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from fl_core.config import is_loopback
from fl_core.errors import ConfigError

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
"""In the order in which gRPC looks; it reads the names in small letters only."""
EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")


def connect(host: str, port: int, *, timeout_s: float) -> socket.socket:
    """Open a connection as gRPC would, through a proxy if one is set for this host.

    Raises OSError if there is no way, ConfigError if the proxy's variable is wrong or catches this machine.
    """
    proxy = find_proxy(host)
    if proxy is None:
        return socket.create_connection((host, port), timeout=timeout_s)
    tunnel = HTTPConnection(*proxy, timeout=timeout_s)
    tunnel.set_tunnel(host, port)
    tunnel.connect()
    return tunnel.sock


def find_proxy(host: str) -> tuple[str, int] | None:
    """Return host and port of the proxy on the way to ``host``, None if there is none.

    Raises ConfigError if the variable is no ``http://HOST:PORT``, or would send out what is for this machine.
    """
    name = next((name for name in PROXY_VARIABLES if os.environ.get(name)), None)
    exceptions = next((name for name in EXCEPTION_VARIABLES if os.environ.get(name)), "no_proxy")
    if name is None or proxy_bypass_environment(host, {"no": os.environ.get(exceptions, "")}):
        return None
    if is_loopback(host):
        raise ConfigError(
            f"The variable {name} would send what is for this machine ({host}) to a proxy. "
            f"Add {host} to {exceptions}."
        )
    return _parse_proxy(name)


def _parse_proxy(name: str) -> tuple[str, int]:
    try:
        parts = urlsplit(os.environ[name])
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme != "http" or not parts.hostname or port is None:
        raise ConfigError(f"The variable {name} does not name a proxy as http://HOST:PORT. Correct it.")
    return parts.hostname, port
