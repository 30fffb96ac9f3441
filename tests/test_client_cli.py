import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fl_client import session
from fl_client.cli import main, read_site_config
from fl_core.config import SiteConfig
from fl_core.errors import ConfigError

LOCAL = ("--site", "north", "--insecure", "--server", "127.0.0.1:1")
NORTH = 'site = "north"\ndata_root = "/data/north"\nserver = "a.example.org:1"\nsubsets = [3, 4]\n'


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, and give the environment back as it was."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    os.environ["FEDLUNA_HOME"] = str(tmp_path / "home")
    yield
    os.environ.clear()
    os.environ.update(before)


def write_site_file(path: Path, content: str = NORTH) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fl-client", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_name_of_the_site_is_all_that_is_needed_beside_its_file() -> None:
    write_site_file(Path("configs/sites/north.toml"))
    assert read_site_config(None, {"site": "north"}) == SiteConfig(
        site="north", data_root=Path("/data/north"), server="a.example.org:1", subsets=(3, 4)
    )


def test_command_line_wins_over_the_file() -> None:
    path = write_site_file(Path("mine.toml"))
    options = {"site": "north", "data_root": Path("/other"), "server": "b:2", "subsets": [5]}
    config = read_site_config(path, options)
    assert (config.data_root, config.server, config.subsets) == (Path("/other"), "b:2", (5,))


def test_site_needs_no_file() -> None:
    config = read_site_config(None, {"site": "north", "data_root": Path("/data")})
    assert (config.server, config.subsets, config.device) == ("127.0.0.1:9092", None, "auto")


def test_file_of_another_site_is_refused() -> None:
    path = write_site_file(Path("mine.toml"))
    with pytest.raises(ConfigError, match=r"mine\.toml is the file of site 'north', not of 'south'"):
        read_site_config(path, {"site": "south"})


@pytest.mark.parametrize(
    ("content", "arguments", "words"),
    [
        (NORTH, ("--site", "../x"), "Site name '../x' is not accepted"),
        (NORTH, ("--site", "south"), "Site 'south' has no data folder. Give --data-root DIR, or write"),
        (NORTH, (), "No site. Give --kit FILE, or --site NAME"),
        (NORTH + "devices = 'cpu'\n", ("--site", "north"), "unknown key 'devices'. Did you mean 'device'?"),
        (NORTH, ("--site", "north", "--server", "nowhere"), "server is 'nowhere', expected HOST:PORT"),
        (
            NORTH,
            ("--site", "north", "--subset", "-1"),
            "subsets.0 is -1, expected greater than",
        ),
        (NORTH, ("--site", "north", "--config", "none.toml"), "No configuration file none.toml."),
        (NORTH, ("--site", "north", "--device", "gpu"), "device is 'gpu'"),
        (NORTH, ("--site", "north"), "Site 'north' has no kit. Give the file that the coordinator has sent"),
        (NORTH, ("--site", "north", "--insecure"), "is insecure with server 'a.example.org:1'"),
        (NORTH, ("--site", "north", "--kit", "none.kit"), "Cannot read the kit none.kit: No such file"),
        (NORTH, (*LOCAL, "--data-root", "nowhere"), "Site 'north': "),
    ],
)
def test_wrong_use_is_told_and_has_exit_code_2(
    content: str,
    arguments: tuple[str, ...],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_site_file(Path("configs/sites/north.toml"), content)
    assert run(monkeypatch, *arguments) == 2
    assert words in capsys.readouterr().err


def test_site_works_in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, ...]] = []
    monkeypatch.setattr(session, "take_part", lambda *arguments: calls.append(arguments))
    write_site_file(Path("configs/sites/north.toml"))
    assert run(monkeypatch, *LOCAL) == 0
    (config, _link, folder, _console), *_ = calls
    assert config.site == "north"
    assert folder == tmp_path / "home" / "sites" / "north"
