import json
from pathlib import Path

import pytest

from fl_client import shared_log
from fl_client.shared_log import read_shared_log

DATA = Path("/mnt/hospital ct")
UID = "1.3.6.1.4.1.14519.5.2.1.6279.6001.1280239"


def write(path: Path, *texts: str, run: str = "r1") -> None:
    path.write_text("".join(json.dumps({"run": run, "text": text}) + "\n" for text in texts))


def texts_of(shared: str) -> list[str]:
    return [json.loads(line)["text"] for line in shared.splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "fl-client.jsonl"


def test_lines_of_the_run_come_from_all_files_in_order(log: Path) -> None:
    write(log.with_name("fl-client.jsonl.2"), "one")
    write(log.with_name("fl-client.jsonl.1"), "of another run", run="r2")
    write(log, "two", "three")
    with log.open("a") as file:
        file.write('{"run": "r1", "text": "cut o')
    assert texts_of(read_shared_log(log, "r1", DATA)) == ["one", "two", "three"]


def test_only_the_newest_lines_are_told_where_they_are_many(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_log, "MAX_LOG_BYTES", 70)
    write(log, "one", "two", "three")
    shared = read_shared_log(log, "r1", DATA)
    assert texts_of(shared) == ["two", "three"]
    assert len(shared) <= 70


def test_what_names_a_patient_a_scan_or_a_place_stays_at_the_site(log: Path) -> None:
    write(log, f"Empty: {DATA}/Ann Doe", f"Scan {UID} has no voxels", f"'{log}' is not /home/ann/keys")
    assert texts_of(read_shared_log(log, "r1", DATA)) == [
        "Empty: <path>",
        "Scan <uid> has no voxels",
        "'<path>/fl-client.jsonl' is not <path>",
    ]


def test_site_without_a_line_of_the_run_tells_nothing(log: Path) -> None:
    assert read_shared_log(log, "r1", DATA) == ""
