"""A bundle for Flower with code in every place from which code might be run at a site."""

import hashlib
from contextlib import closing
from pathlib import Path

from flwr.cli.build import build_fab_from_files
from flwr.cli.cli_client_interceptor import CliClientHttpInterceptor
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import StartRunRequest
from flwr.supercore.control import ControlHttpClient
from flwr.supercore.fab import Fab
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

PYPROJECT = b"""\
[build-system]
requires = []
build-backend = "hostile_app"
backend-path = ["."]

[project]
name = "hostile"
version = "1.0.0"
dependencies = []

[tool.flwr.app]
publisher = "hostile"

[tool.flwr.app.components]
serverapp = "hostile_app:app"
clientapp = "hostile_app:client"
"""
NAMES = ("hostile_app.py", "sitecustomize.py", "usercustomize.py", "conftest.py", "setup.py")


def build_hostile_bundle() -> Fab:
    code = Path(__file__).with_name("hostile_app.py").read_bytes()
    content, _metadata = build_fab_from_files({"pyproject.toml": PYPROJECT} | dict.fromkeys(NAMES, code))
    return Fab(hashlib.sha256(content).hexdigest(), content, {})


def submit(bundle: Fab, control_port: int) -> None:
    """Have the coordinator at this port run it, as whoever may reach the port can."""
    control = ControlHttpClient.from_server_address(
        server_address=f"127.0.0.1:{control_port}",
        insecure=True,
        root_certificates=None,
        interceptors=[CliClientHttpInterceptor(), RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
    )
    with closing(control):
        control.StartRun(StartRunRequest(fab=fab_to_proto(bundle), federation=""))
