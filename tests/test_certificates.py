import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from fl_core.errors import KeyFileError
from fl_server.certificates import Issued, check_covers, issue_server_certificate, make_authority

HOSTS = ("fl.example.org", "10.0.0.7")


@pytest.fixture(scope="module")
def authority() -> Issued:
    return make_authority()


@pytest.fixture(scope="module")
def server(authority: Issued) -> Issued:
    return issue_server_certificate(authority, HOSTS)


@pytest.mark.parametrize("host", [*HOSTS, "localhost", "127.0.0.1"])
def test_certificate_covers_its_hosts_and_this_machine(authority: Issued, server: Issued, host: str) -> None:
    check_covers(server.certificate_pem, authority.certificate_pem, host)


def test_host_that_is_not_covered_is_named(authority: Issued, server: Issued) -> None:
    with pytest.raises(KeyFileError, match=r"does not hold for 'other\.example\.org'"):
        check_covers(server.certificate_pem, authority.certificate_pem, "other.example.org")


def test_certificate_of_another_authority_is_refused(server: Issued) -> None:
    with pytest.raises(KeyFileError, match="does not hold for 'localhost' under this authority"):
        check_covers(server.certificate_pem, make_authority().certificate_pem, "localhost")


def test_openssl_accepts_the_chain(authority: Issued, server: Issued, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(authority.certificate_pem)
    (tmp_path / "server.pem").write_bytes(server.certificate_pem)
    command = [
        "openssl",
        "verify",
        "-x509_strict",
        "-purpose",
        "sslserver",
        "-CAfile",
        "ca.pem",
        "server.pem",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "server.pem: OK\n", done.stderr


def test_certificate_is_good_for_thirteen_months_and_for_sites_whose_clock_is_behind(server: Issued) -> None:
    now, certificate = datetime.now(UTC), server.certificate
    assert timedelta(days=396) < certificate.not_valid_after_utc - now < timedelta(days=398)
    assert certificate.not_valid_before_utc < now - timedelta(minutes=59)


def test_authority_issues_servers_only_and_no_other_authority(authority: Issued) -> None:
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_key_that_does_not_belong_to_the_certificate_is_refused(authority: Issued, server: Issued) -> None:
    with pytest.raises(KeyFileError, match="a and b: the private key does not belong to the certificate"):
        Issued.parse(server.certificate_pem, authority.key_pem, source="a and b")


def test_file_that_is_no_certificate_is_refused(server: Issued) -> None:
    with pytest.raises(KeyFileError, match="are not a certificate and a private key"):
        Issued.parse(b"hello", server.key_pem, source="a and b")
