import getpass
import hashlib
import io
import os
import re
import socket
import tomllib
import zipfile
from pathlib import Path

import pytest

from fl_server.bundle import build_bundle

pytestmark = pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Flower's own


@pytest.fixture(autouse=True)
def _folder_full_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder that looks like a coordinator's."""
    for name in (".env", ".streamlit/secrets.toml", "fedluna-data/fedluna.db", "plan.py", "pyproject.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("secret = 'hunter2'\n")
    monkeypatch.chdir(tmp_path)


def open_bundle() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(build_bundle().content))


def test_bundle_holds_one_file_of_ours_and_flowers_list_of_it() -> None:
    with open_bundle() as bundle:
        assert bundle.namelist() == ["pyproject.toml", ".info/CONTENT"]
        assert re.fullmatch(r"pyproject\.toml,[0-9a-f]{64},\d+\n?", bundle.read(".info/CONTENT").decode())


def test_bundle_names_installed_modules_and_holds_no_code() -> None:
    with open_bundle() as bundle:
        project = tomllib.loads(bundle.read("pyproject.toml").decode())
    assert project["tool"]["flwr"]["app"]["components"] == {
        "serverapp": "fl_server.server_app:app",
        "clientapp": "fl_client.client_app:none",
    }
    assert project["project"]["dependencies"] == []


def test_bundle_tells_nothing_of_the_coordinators_machine(tmp_path: Path) -> None:
    with open_bundle() as bundle:
        unpacked = b"".join(bundle.read(name) for name in bundle.namelist())
        assert all(not entry.extra and not entry.comment for entry in bundle.infolist())
    for secret in ("hunter2", str(tmp_path), os.fspath(Path.home()), getpass.getuser(), socket.gethostname()):
        assert secret.encode() not in unpacked + build_bundle().content


def test_bundle_is_the_same_for_every_run() -> None:
    bundle = build_bundle()
    assert bundle == build_bundle()
    assert bundle.hash_str == hashlib.sha256(bundle.content).hexdigest()
