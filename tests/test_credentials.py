from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from fl_core.config import RunConfig
from fl_core.errors import KeyFileError
from fl_core.findings import Level
from fl_server.certificates import Issued, issue_server_certificate, make_authority
from fl_server.credentials import Credentials, make_credentials, renew_certificate
from fl_server.machine_checks import look_at_certificates
from fl_store.rows import utc_now

HOST = "fl.example.org"
Run = Callable[..., int]


@pytest.fixture
def init(run_fl_server: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs ``fl-server init`` with a home of its own."""
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path / "home"))
    return partial(run_fl_server, "init")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def write_own(folder: Path, issued: Issued, authority: Issued) -> tuple[str, ...]:
    """Write an organisation's files and return the options that name them."""
    files = {"--cert": issued.certificate_pem, "--key": issued.key_pem, "--ca": authority.certificate_pem}
    for option, content in files.items():
        path = folder / option.lstrip("-")
        path.write_bytes(content)
        path.chmod(0o600)
    return tuple(part for option in files for part in (option, str(folder / option.lstrip("-"))))


def test_init_makes_what_the_coordinator_needs_and_private_it_is(
    init: Run, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--host", HOST, "--host", "10.0.0.7", "--port", "443") == 0
    credentials = Credentials.read(home)
    assert (credentials.place.server, credentials.place.other_hosts) == (f"{HOST}:443", ("10.0.0.7",))
    assert {path.stat().st_mode & 0o777 for path in (home / "tls").iterdir()} == {0o600}
    assert (home / "tls").stat().st_mode & 0o777 == 0o700
    assert "Authority     SHA-256 " in capsys.readouterr().out


def test_init_a_second_time_makes_no_kit_void(
    init: Run, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--host", HOST) == 0
    before = Credentials.read(home)
    assert init("--host", HOST) == 2
    assert "every kit is void then" in capsys.readouterr().err
    assert init("--renew") == 0
    after = Credentials.read(home)
    assert after.authority_pem == before.authority_pem
    assert after.issued.certificate != before.issued.certificate


def test_organisations_own_certificate_is_taken(init: Run, home: Path, tmp_path: Path) -> None:
    authority = make_authority()
    own = write_own(tmp_path, issue_server_certificate(authority, [HOST]), authority)
    assert init("--host", HOST, *own) == 0
    assert Credentials.read(home).authority_pem == authority.certificate_pem.decode()
    assert not (home / "tls" / "ca.key").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "No name for the sites. Give --host NAME"),
        (("--host", "fl.example.org:9092"), "--host is 'fl.example.org:9092', expected a name"),
        (("--host", HOST, "--cert", "x.pem"), "--cert, --key and --ca go together"),
        (("--renew", "--host", HOST), "--renew goes alone"),
        (("--renew",), "There is no authority of our own"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(
    init: Run, home: Path, options: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(*options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
    assert not home.exists()


def test_certificate_that_does_not_cover_the_host_is_not_taken(
    init: Run, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = make_authority()
    own = write_own(tmp_path, issue_server_certificate(authority, ["other.example.org"]), authority)
    assert init("--host", HOST, *own) == 2
    assert f"does not hold for '{HOST}' under this authority" in capsys.readouterr().err
    assert not home.exists()


def test_key_that_others_may_read_is_not_taken(
    init: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    authority = make_authority()
    own = write_own(tmp_path, issue_server_certificate(authority, [HOST]), authority)
    (tmp_path / "key").chmod(0o644)
    assert init("--host", HOST, *own) == 2
    assert "Others on this machine may read the private key" in capsys.readouterr().err


def expire(home: Path, *, days: int) -> None:
    """Put a server certificate in place that is good for so many days."""
    folder = home / "tls"
    authority = Issued.parse((folder / "ca.pem").read_bytes(), (folder / "ca.key").read_bytes(), source="")
    issued = issue_server_certificate(authority, [HOST], days=days)
    (folder / "server.pem").write_bytes(issued.certificate_pem)
    (folder / "server.key").write_bytes(issued.key_pem)


def test_expired_certificate_is_refused_and_can_be_renewed(home: Path) -> None:
    make_credentials(home, [HOST], 9092)
    expire(home, days=0)
    with pytest.raises(
        KeyFileError, match=r"server\.pem expired on .* Renew it with `fl-server init --renew`"
    ):
        Credentials.read(home)
    assert renew_certificate(home).expires_at > utc_now() + timedelta(days=300)


def test_doctor_tells_what_is_missing_and_what_expires(home: Path) -> None:
    secure, insecure = RunConfig(), RunConfig.model_validate({"server": {"insecure": True}})
    assert look_at_certificates(secure, home).level is Level.WARNING
    assert look_at_certificates(insecure, home).level is Level.OK
    make_credentials(home, [HOST], 9092)
    assert look_at_certificates(secure, home).level is Level.OK
    expire(home, days=20)
    assert look_at_certificates(secure, home).level is Level.WARNING
    expire(home, days=0)
    assert look_at_certificates(secure, home).level is Level.FAULT


def test_server_without_certificates_does_not_start(
    run_fl_server: Run,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FEDLUNA_HOME", str(home))
    (tmp_path / "run.toml").write_text("")
    for options, words in (
        ((), "There are no certificates in"),
        (("--insecure", "--host", "10.0.0.7"), "is insecure with host '10.0.0.7', expected a loopback"),
    ):
        assert run_fl_server("--config", str(tmp_path / "run.toml"), *options) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
