import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fl_core.kit import read_kit
from fl_server.credentials import make_credentials
from fl_server.enrolment import Enrolments
from fl_store.rows import EventRow, SiteAccessRow
from fl_store.sqlite import SqliteStore

Run = Callable[..., int]


@pytest.fixture
def run(run_fl_server: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Give a function that runs ``fl-server sites`` where a coordinator has its certificates."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    make_credentials(tmp_path, ["fl.example.org"], 9092)
    for name in ("north", "new"):
        command = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", "384", "-N", "", "-f", name]
        subprocess.run(command, check=True, cwd=tmp_path)
    return partial(run_fl_server, "sites")


def test_site_is_enrolled_and_gets_its_kit(
    run: Run, store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", "north", "--key", "north.pub") == 0
    kit = read_kit(Path("north.kit"))
    assert (kit.site, kit.server) == ("north", "fl.example.org:9092")
    (event,) = store.get(EventRow, kind="site_enrolled")
    (enrolment,) = Enrolments(tmp_path)
    assert enrolment.fingerprint in event.text
    assert enrolment.kit_expires_at == kit.expires_at
    assert "fl-client --kit north.kit" in capsys.readouterr().out


def test_new_key_takes_the_place_of_the_old_when_asked_for(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    run("add", "north", "--key", "north.pub")
    assert run("add", "north", "--key", "new.pub") == 2
    assert "give --replace" in capsys.readouterr().err
    assert run("add", "north", "--key", "new.pub", "--replace") == 0
    assert run("show", "north", "--json") == 0
    assert run("show", "north") == 0
    assert "former key     SHA256:" in capsys.readouterr().out


def test_site_that_has_not_joined_is_listed_and_can_be_revoked(
    run: Run, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    run("add", "north", "--key", "north.pub")
    assert run("revoke", "north") == 0
    capsys.readouterr()
    assert run("list", "--json") == 0
    (north,) = json.loads(capsys.readouterr().out)
    assert (north["site"], north["joined_at"], north["is_allowed"]) == ("north", None, False)
    assert north["key"].startswith("SHA256:")


def test_revoked_site_does_not_come_back_under_another_name(
    run: Run, store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("add", "north", "--key", "north.pub")
    run("revoke", "north")
    assert run("rename", "north", "nord") == 2
    assert "Site 'north' is revoked. Let it in again first" in capsys.readouterr().err
    assert run("add", "nord", "--key", "north.pub") == 2
    assert "This key is that of site 'north'" in capsys.readouterr().err
    assert [row.is_allowed for row in store.get(SiteAccessRow)] == [False]
    assert [each.site for each in Enrolments(tmp_path)] == ["north"]


def test_site_gets_another_name_and_a_kit_with_it(run: Run, store: SqliteStore) -> None:
    run("add", "north", "--key", "north.pub")
    assert run("rename", "north", "nord") == 0
    assert read_kit(Path("nord.kit")).site == "nord"
    (event,) = store.get(EventRow, kind="site_renamed")
    assert event.text.startswith("Site 'north' is called 'nord' from now on, by ")


def test_kit_is_written_again_without_the_key(run: Run, store: SqliteStore) -> None:
    run("add", "north", "--key", "north.pub")
    assert run("kit", "north", "--out", "again.kit") == 0
    assert read_kit(Path("again.kit")).site == "north"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "north", "--key", "none.pub"), "Cannot read none.pub: No such file"),
        (("add", "north", "--key", "north"), "north holds no public key; expected an elliptic-curve key"),
        (("add", "North", "--key", "north.pub"), "Site name 'North' is not accepted"),
        (
            ("add", "north", "--key", "north.pub", "--out", "none/x.kit"),
            "Cannot write none/x.kit: No such file",
        ),
        (("kit", "south"), "Site 'south' is not enrolled."),
        (("rename", "south", "sued"), "Site 'south' is not enrolled."),
        (("show", "south"), "There is no site 'south'. `fl-server sites list` shows all."),
    ],
)
def test_wrong_use_is_one_line(
    run: Run, store: SqliteStore, arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
