import os
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fl_client.cli import main
from fl_core.keys import fingerprint, read_private_key, read_public_key
from fl_core.kit import Kit, write_kit
from fl_core.processes import find_free_port
from fl_server.certificates import Issued, issue_server_certificate, make_authority

SOON = datetime.now(UTC) + timedelta(days=100)
Run = Callable[..., int]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    os.environ["FEDLUNA_HOME"] = str(tmp_path / "home")
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs ``fl-client`` in this process and returns its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["fl-client", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


@pytest.fixture(scope="module")
def server() -> Issued:
    return issue_server_certificate(make_authority(), ["127.0.0.1"])


@pytest.fixture
def kit(server: Issued) -> str:
    """The name of a file that holds the kit of north."""
    return make_kit(server, SOON)


def make_kit(server: Issued, expires_at: datetime) -> str:
    pem = server.certificate_pem.decode()
    write_kit(Path("a.kit"), Kit("north", f"127.0.0.1:{find_free_port()}", expires_at, pem, pem), server.key)
    return "a.kit"


def key_file() -> Path:
    return Path("home/sites/north/key")


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_init_makes_a_key_whose_private_half_is_not_shown(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("init", "--site", "north") == 0
    key = read_private_key(key_file())
    assert read_public_key(key_file().with_name("north.pub")) == key.public_key()
    told = capsys.readouterr().out
    assert told.startswith("ecdsa-sha2-nistp384 ")
    assert fingerprint(key.public_key()) in told
    assert not any(line in told for line in key_file().read_text().splitlines()[1:-1])


def test_key_is_replaced_only_when_asked_for_and_the_old_one_is_kept(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("init", "--site", "north")
    before = key_file().read_bytes()
    capsys.readouterr()
    assert run("init", "--site", "north") == 2
    assert "Site 'north' has a key already" in last_line(capsys)
    assert key_file().read_bytes() == before
    assert run("init", "--site", "north", "--replace") == 0
    (old,) = key_file().parent.glob("key-until-*")
    assert (old.read_bytes(), old.stat().st_mode & 0o777) == (before, 0o600)
    assert key_file().read_bytes() != before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--server", "other.example.org:9092"), "not for other.example.org:9092. Leave the server out"),
        (("--site", "south"), "The kit is for site 'north', not for 'south'. Take the kit of this site."),
        ((), "Site 'north' has no key in"),
    ],
)
def test_kit_that_does_not_fit_is_one_line(
    run: Run, kit: str, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--kit", kit, "--data-root", ".", *options) == 2
    assert words in last_line(capsys)


def test_kit_that_has_expired_is_one_line(
    run: Run, server: Issued, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = make_kit(server, datetime.now(UTC) - timedelta(days=1))
    assert run("--kit", kit, "--data-root", ".") == 2
    assert "The kit a.kit expired on" in last_line(capsys)


def test_kit_that_was_edited_is_one_line(run: Run, kit: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(kit).write_text(Path(kit).read_text().replace('"north"', '"south"'))
    assert run("--kit", kit, "--data-root", ".") == 2
    assert "a.kit is not as the coordinator wrote it" in last_line(capsys)


def test_private_key_that_others_may_read_is_one_line_without_the_key(
    run: Run, kit: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run("init", "--site", "north")
    capsys.readouterr()
    key_file().chmod(0o644)
    assert run("--kit", kit, "--data-root", ".") == 2
    assert "Others on this machine may read the private key" in last_line(capsys)


def test_key_that_is_none_is_one_line(run: Run, kit: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("init", "--site", "north")
    capsys.readouterr()
    shutil.copyfile("home/sites/north/north.pub", key_file())
    assert run("--kit", kit, "--data-root", ".") == 2
    assert "holds no private key" in last_line(capsys)


def test_site_in_the_kit_and_file_of_the_site_are_enough(run: Run, kit: str, server: Issued) -> None:
    from fl_client.cli import read_site_config

    Path("configs/sites").mkdir(parents=True)
    Path("configs/sites/north.toml").write_text(f'site = "north"\nkit = "{kit}"\ndata_root = "/data"\n')
    from_file, from_kit = (
        read_site_config(None, {"site": "north"}),
        read_site_config(None, {"kit": Path(kit)}),
    )
    assert from_file == from_kit
    assert from_file.server.startswith("127.0.0.1:")
