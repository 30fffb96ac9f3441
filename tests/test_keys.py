import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.errors import KeyFileError
from fl_core.keys import (
    fingerprint,
    format_pem,
    format_public_key,
    parse_public_key,
    parse_public_key_pem,
    read_private_key,
    read_public_key,
    write_private,
)


def generate(folder: Path, kind: str, *, password: str = "") -> Path:
    command = ["ssh-keygen", "-q", "-t", *kind.split(), "-N", password, "-f", str(folder / "made")]
    subprocess.run(command, check=True)
    return folder / "made"


def test_key_of_ssh_keygen_is_read_with_the_same_fingerprint(tmp_path: Path) -> None:
    path = generate(tmp_path, "ecdsa -b 384")
    told = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True).stdout
    assert told.split()[1] == fingerprint(read_public_key(path.with_suffix(".pub")))
    assert fingerprint(read_private_key(path).public_key()) == told.split()[1]


@pytest.mark.parametrize("kind", ["rsa -b 2048", "ed25519", "ecdsa -b 256"])
def test_key_of_another_kind_is_refused_in_both_halves(kind: str, tmp_path: Path) -> None:
    path = generate(tmp_path, kind)
    with pytest.raises(KeyFileError, match=r"holds a key of the kind (ssh-|ecdsa-).*ecdsa-sha2-nistp384"):
        read_public_key(path.with_suffix(".pub"))
    with pytest.raises(KeyFileError, match="holds a key of another kind; expected an elliptic-curve key"):
        read_private_key(path)


def test_key_with_a_password_is_refused(tmp_path: Path) -> None:
    path = generate(tmp_path, "ecdsa -b 384", password="correct horse")
    with pytest.raises(KeyFileError, match="without a password"):
        read_private_key(path)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_private_key_that_others_may_read_is_refused_with_what_to_do(mode: int, tmp_path: Path) -> None:
    path = generate(tmp_path, "ecdsa -b 384")
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=rf"\(mode {mode:o}\)\. Take that away with `chmod 600 .*made`"):
        read_private_key(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"ecdsa-sha2-nistp384 AAAA north", b"\xff\x00"])
def test_file_that_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"north\.pub holds no public key"):
        parse_public_key(content, source="north.pub")
    write_private(tmp_path / "key", content)
    with pytest.raises(KeyFileError, match="holds no private key"):
        read_private_key(tmp_path / "key")


def test_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"Cannot read .*none\.pub: No such file"):
        read_public_key(tmp_path / "none.pub")


def test_key_is_the_same_in_both_forms() -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    line = format_public_key(key, "north")
    assert line.endswith(" north")
    assert parse_public_key(line.encode(), source="") == key == parse_public_key_pem(format_pem(key))


def test_private_file_is_its_owners_in_a_folder_that_is_too(tmp_path: Path) -> None:
    path = tmp_path / "home" / "tls" / "key"
    write_private(path, b"secret")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["key"]
