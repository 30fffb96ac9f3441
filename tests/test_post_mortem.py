import hashlib
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fl_core.errors import UsageError
from fl_server import post_mortem
from fl_server.post_mortem import write_post_mortem
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import SiteRoundRow
from fl_store.sqlite import SqliteStore
from fl_store.words import RunState, SiteRoundState

UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.128023902651233986592378348912"
KEY = "sb_secret_the-key-of-the-project"
HASH = "$2b$12$" + "Ab1./" * 10 + "xyz"
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"
PLANTED = f"/data/Ann Doe/{UID}.mhd {UID} {KEY} {HASH} {PEM} token=open-sesame /mnt/ann-doe/ct"
NEEDLES = ("Ann", "ann-doe", UID[:20], "the-key", "Ab1./", "MIGH", "open-sesame", ".mhd")

Run = Callable[..., int]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The coordinator's folder of ``store``, seen from a working folder beside it."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def played(home: Path, store: SqliteStore, rehearsal: Any) -> SqliteStore:
    """A failed run of one round, with what must not be told in its logs and rows."""
    rehearsal.start(RunState.FAILED)
    rehearsal.play_round(1)
    folder = home / "runs" / "run-1"
    (folder / "sites").mkdir(parents=True)
    line = json.dumps({"text": PLANTED, "run": "run-1", "path": f"{home}/runs/run-1/config.toml"})
    for name in ("server.jsonl", "server.jsonl.1", "fl-server.jsonl", "sites/north.jsonl"):
        (folder / name).write_text(f'{line}\n{{"text": "{PLANTED[:90]}')
    (folder / "superlink.log").write_text(f"INFO: {PLANTED}\n{home}/tls/x.pem\n")
    store.put([EventRow("site_failed", PLANTED, run_id="run-1", site="north")])
    failed = SiteRoundRow("run-1", 1, "east", SiteRoundState.FAILED, utc_now(), reason=PLANTED)
    store.put([failed])
    return store


@pytest.fixture
def report(run_fl_server: Run) -> Run:
    return partial(run_fl_server, "report", "last")


def read(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_bundle_holds_what_happened_and_its_manifest_is_right(
    report: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report("--bundle") == 0
    path = Path("run-1-bundle.zip").resolve()
    assert capsys.readouterr().out == f"{path}\n"
    files = read(path)
    manifest = json.loads(files.pop("MANIFEST.json"))
    assert {each["name"]: each["sha256"] for each in manifest["files"]} == {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()
    }
    assert {name for name in files if "/" in name} == {
        *("logs/server.jsonl", "logs/server.jsonl.1", "logs/fl-server.jsonl", "logs/superlink.log"),
        "sites/north.jsonl",
    }
    assert [part["round_no"] for part in json.loads(files["history.json"])["rounds"]] == [1]
    assert files["timings.csv"].splitlines()[1].startswith("run-1,1,east,failed,2")
    assert {"fedluna", "flwr", "torch", "python", "system"} == set(json.loads(files["versions.json"]))
    assert "local store" in {finding["subject"] for finding in json.loads(files["doctor.json"])}


def test_nothing_that_was_planted_is_in_the_bundle(
    report: Run, played: SqliteStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SUPABASE_KEY", KEY)
    assert report("--bundle") == 0
    for name, text in read(Path("run-1-bundle.zip")).items():
        assert not [needle for needle in (*NEEDLES, str(home)) if needle in text], name


def test_what_is_missing_is_named(report: Run, played: SqliteStore, home: Path) -> None:
    (home / "runs" / "run-1" / "superlink.log").unlink()
    assert report("--bundle") == 0
    missing = json.loads(read(Path("run-1-bundle.zip"))["MANIFEST.json"])["missing"]
    reason = "No such file or directory"
    names = ("logs/superlink.log", "sites/east.jsonl", "sites/south.jsonl")
    assert missing == [{"name": name, "reason": reason} for name in names]


def test_store_alone_is_enough(report: Run, home: Path, rehearsal: Any) -> None:
    rehearsal.start()
    assert report("--bundle", "--out", "run.zip") == 0
    files = read(Path("run.zip"))
    assert len(json.loads(files["MANIFEST.json"])["missing"]) == 3
    assert json.loads(files["history.json"])["run_id"] == "run-1"


def test_of_a_long_log_the_newest_lines_are_packed(
    report: Run, played: SqliteStore, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_mortem, "MAX_TEXT_BYTES", 20)
    (home / "runs" / "run-1" / "superlink.log").write_text("old line\n" * 5 + "newest line\n")
    report("--bundle")
    told = read(Path("run-1-bundle.zip"))["logs/superlink.log"]
    assert told == "(37 bytes before this were left out)\nnewest line\n"


def test_file_that_is_there_is_replaced_only_with_force(
    report: Run, played: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run-1-bundle.zip").write_text("mine")
    assert report("--bundle") == 2
    assert "is there already. Give --force to replace it." in capsys.readouterr().err
    assert Path("run-1-bundle.zip").read_text() == "mine"
    assert report("--bundle", "--force") == 0
    assert "README.txt" in read(Path("run-1-bundle.zip"))


def test_bundle_that_cannot_be_written_leaves_nothing(
    played: SqliteStore, rehearsal: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "run.zip.partial").symlink_to("/dev/full")
    with pytest.raises(UsageError, match=r"Cannot write .*run\.zip: No space left on device"):
        write_post_mortem(folder / "run.zip", played, rehearsal.run, tmp_path)
    assert list(folder.iterdir()) == []
