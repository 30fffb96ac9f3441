"""A hostile zip is refused in one sentence, before or while it is unpacked, and leaves nothing behind."""

import errno
import os
import shutil
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from luna16.intake import LIMITS, Limits, archive, open_ct
from tests.small_ct import write_ct, zip_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Hold that nothing is left behind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def make_zip(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in entries:
            made.writestr(name, data)
    return path


def refuse(path: Path, words: str, limits: Limits = LIMITS) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        open_ct(path, limits=limits)
    assert "\n" not in str(caught.value)


def named(name: str) -> zipfile.ZipInfo:
    """Give an entry of a name that Python's writer would have mended."""
    info = zipfile.ZipInfo("x")
    info.filename = name
    return info


NAMES = {
    "points outside the zip": (
        "../ct.mhd",
        "a/../../ct.mhd",
        "/etc/ct.mhd",
        "C:/ct.mhd",
        "..\\ct.mhd",
        "a\\b",
    ),
    "has a control character in its name": ("ct\n.mhd", "ct.mhd\0.txt", "\x1b[2Jct.mhd"),
    "has a name of 10000 bytes, expected 255 at most": ("x" * 10_000,),
    "is a zip itself": ("inner.zip", "a/INNER.ZIP"),
}


@pytest.mark.parametrize(("fault", "name"), [(fault, name) for fault in NAMES for name in NAMES[fault]])
def test_entry_of_a_hostile_name(tmp_path: Path, fault: str, name: str) -> None:
    path = make_zip(tmp_path / "ct.zip", (named(name), b"x"))
    refuse(path, rf"^An entry of the zip {fault}: zip the folder of one scan anew\.$")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_link_or_device(tmp_path: Path, mode: int) -> None:
    info = zipfile.ZipInfo("ct.raw")
    info.external_attr = (mode | 0o644) << 16
    refuse(
        make_zip(tmp_path / "ct.zip", (info, b"/etc/passwd")), "An entry of the zip is a link or a device:"
    )


def test_name_that_is_there_twice(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "ct.zip", ("a/ct.mhd", b"1"), (named("a//ct.mhd"), b"2"))
    refuse(path, r"^Two entries of the zip have the same name: zip the folder of one scan anew\.$")


def test_packing_that_is_not_deflate(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("ct.mhd")
    info.compress_type = zipfile.ZIP_LZMA
    refuse(make_zip(tmp_path / "ct.zip", (info, b"x")), "is packed by method 14, expected deflate:")


def test_encrypted_zip(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "ct.zip", ("ct.mhd", b"x"))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refuse(path, "An entry of the zip is encrypted:")


def test_too_many_entries(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "ct.zip", *((str(i), b"") for i in range(11)))
    refuse(
        path, r"^The zip has 11 entries, expected 10 at most: zip one scan only\.$", Limits(max_entries=10)
    )


def test_million_entries_are_refused_before_they_are_listed(tmp_path: Path) -> None:
    entry = struct.pack("<4s6H3I5H2IB", b"PK\x01\x02", *[0] * 9, 1, *[0] * 4, 0, 0, 97)
    directory = entry * 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    (tmp_path / "ct.zip").write_bytes(directory + end)
    refuse(tmp_path / "ct.zip", r"^The zip has too many entries: zip the folder of one scan\.$")


@pytest.mark.parametrize("limits", [Limits(max_unpacked_bytes=1 << 20), Limits(max_ratio=1)])
def test_bomb(tmp_path: Path, limits: Limits) -> None:
    path = make_zip(tmp_path / "ct.zip", ("ct.raw", bytes(20 << 20)))
    refuse(path, r"^Unpacked, the zip has more than the 1048576 bytes allowed: zip one scan only\.$", limits)


def test_bomb_of_entries_that_share_their_bytes(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "ct.zip", ("a", bytes(8 << 20)), ("b", b""))
    data = path.read_bytes()
    first, second = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")
    shared = data[:second] + data[first:second].replace(b"a", b"b") + data[second + 47 :]
    path.write_bytes(shared)
    refuse(path, "The zip is damaged|bytes allowed", Limits(max_unpacked_bytes=12 << 20))


@pytest.mark.parametrize("promised", [5, 4000])
def test_directory_that_lies_about_a_size(tmp_path: Path, promised: int) -> None:
    path = make_zip(tmp_path / "ct.zip", ("ct.raw", bytes(2000)))
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, promised)
    path.write_bytes(data)
    refuse(path, r"^The zip is damaged: make or copy it again\.$")


def test_real_bytes_are_counted_whatever_the_directory_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_zip(tmp_path / "ct.zip", ("ct.raw", bytes(8 << 20)))
    monkeypatch.setattr(archive, "_check_room", lambda *_: None)
    refuse(path, "Unpacked, the zip has more than", Limits(max_unpacked_bytes=3 << 20))


@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_zip_cut_short(tmp_path: Path, keep: int) -> None:
    folder = tmp_path / "scan"
    folder.mkdir()
    write_ct(folder / "ct.mhd")
    path = zip_folder(folder, tmp_path / "ct.zip")
    path.write_bytes(path.read_bytes()[:keep])
    refuse(path, "The zip is damaged: make or copy it again")


def test_damaged_bytes(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "ct.zip", ("ct.mhd", b"NDims = 3\n" * 100))
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    refuse(path, "The zip is damaged")


def test_disk_that_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    path = make_zip(tmp_path / "ct.zip", ("ct.raw", bytes(1000)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(300 << 20))
    with pytest.raises(OSError, match=r"\(unpacked it has 2000 bytes, 314572800 are free on the disk\)"):
        open_ct(make_zip(path, ("ct.raw", bytes(2000))), limits=Limits(spare_bytes=400 << 20))


def test_disk_that_fills_while_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "ct.zip", ("ct.raw", os.urandom(3 << 20)))
    opened = Path.open

    def open_full(target: Path, mode: str = "r", *args: object) -> object:
        return opened(Path("/dev/full"), "wb", 0) if mode == "xb" else opened(target, mode, *args)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(
        OSError, match=rf"^The scan cannot be read \({os.strerror(errno.ENOSPC)}\): check its ri"
    ):
        open_ct(path)


def test_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "ct.zip", ("a/1.txt", b"1"), ("b/2.txt", b"2"))

    def interrupt(*_: object) -> None:
        assert list(Path(tempfile.gettempdir()).rglob("1.txt"))
        raise KeyboardInterrupt

    monkeypatch.setattr("luna16.intake.opening.list_files", interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_ct(path)


def test_nobody_else_may_look_into_the_unpacked_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    unpack = archive.unpack

    def look(path: Path, folder: Path, limits: Limits) -> None:
        modes.append(stat.S_IMODE(folder.stat().st_mode))
        unpack(path, folder, limits)

    monkeypatch.setattr("luna16.intake.opening.unpack", look)
    refuse(make_zip(tmp_path / "ct.zip", ("a.txt", b"1")), "It holds no scan")
    assert modes == [0o700]
