"""The application bundle (FAB) that Flower wants: nothing but the names of modules installed already.

Flower would send the coordinator's whole project folder to every site; ours holds one small file, made in
memory, and sites never run what is in it.
"""

import hashlib

from flwr.cli.build import build_fab_from_files
from flwr.supercore.fab import Fab

PYPROJECT = b"""\
[project]
name = "fedluna-run"
version = "1.0.0"
dependencies = []

[tool.flwr.app]
publisher = "fedluna"

[tool.flwr.app.components]
serverapp = "fl_server.server_app:app"
clientapp = "fl_client.client_app:none"

[tool.flwr.app.config]
"""


def build_bundle(pyproject: bytes = PYPROJECT) -> Fab:
    """Build a bundle that holds this file alone; by default, the one of every run."""
    content, _metadata = build_fab_from_files({"pyproject.toml": pyproject})
    return Fab(hashlib.sha256(content).hexdigest(), content, {})
