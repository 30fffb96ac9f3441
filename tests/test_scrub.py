import json
from pathlib import Path

import pytest

from fl_core.scrub import hide_names, scrub, scrub_json, scrub_lines

HOME, DATA = Path("/srv/fedluna data"), Path("/mnt/ct, all")
UID = "1.2.840.113619.2.55.3.604688119"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMIGkAgEB\n-----END EC PRIVATE KEY-----"

NAMES = [
    (f"Scan {UID} is bad.", "Scan <uid> is bad."),
    ("2.25.126955610235498123 is bad.", "<uid> is bad."),
    (f"{UID}.mhd: too short", "<scan>: too short"),
    ("Cannot read /data/Ann Doe/CT 1.nii.gz: no", "Cannot read <scan>: no"),
    ("'Ann Doe.dcm' is bad", "<scan> is bad"),
    ("read subset3/x.zraw,y.RAW", "read <scan>,<scan>"),
    (f"before {PEM} after", "before <secret> after"),
    ("cut -----BEGIN PRIVATE KEY-----\nMIGk", "cut <secret>"),
    ("sb_secret_abc-1 is refused", "<secret> is refused"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2Vy.c2ln", "<secret>"),
    ("$2b$12$" + "a" * 53, "<secret>"),
    ("Authorization: Bearer abc.def", "Authorization: Bearer <secret>"),
    ("password = 'a b', token=x", "password = <secret>, token=<secret>"),
    ("hunter-two-hunter", "<secret>"),
]
PATHS = [
    ("No /home/ann/x is there.", "No <path> is there."),
    ('File "/usr/lib/flwr/app.py", line 3', 'File "<path>/app.py", line 3'),
    ("data_root:/data/ann", "data_root:<path>"),
    ("see file:///data/ann/a", "see <path>"),
    (f"{HOME}/runs/r/server.jsonl", "<home>/runs/r/server.jsonl"),
    (f"{HOME}/sites/a/{UID}/x", "<home>/sites/a/<uid>/x"),
    (f"{DATA}/Ann Doe is empty: no table", "<path>: no table"),
    (f"'{DATA}' is empty", "'<path>' is empty"),
]
HARMLESS = [
    "round 1/10  pooled AUC 0.812  7.5 s",
    "https://x.supabase.co/rest/v1 does not answer",
    "127.0.0.1:9092, torch 2.13.0, the token of Python",
    "loss 0.12345678901234567, 2026-11-28T13:00:57.775123+00:00",
    "Site 'north' is ready: 2 scans to train on, 1 to validate on.",
]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_KEY", "hunter-two-hunter")


@pytest.mark.parametrize(("text", "told"), NAMES)
def test_names_and_secrets_are_in_no_log(text: str, told: str) -> None:
    assert hide_names(text) == told
    assert scrub(text) == told


@pytest.mark.parametrize(("text", "told"), PATHS)
def test_paths_are_hidden_from_others(text: str, told: str) -> None:
    assert scrub(text, HOME, [DATA]) == told


@pytest.mark.parametrize("text", HARMLESS)
def test_what_tells_nothing_stays(text: str) -> None:
    assert scrub(text, HOME, [DATA]) == text


def test_every_text_of_a_document_is_scrubbed_and_numbers_stay() -> None:
    document = {"text": f"of {UID}", UID: [1, None, "/data/ann/x"]}
    assert scrub_json(document) == {"text": "of <uid>", "<uid>": [1, None, "<path>"]}


def test_text_under_the_name_of_a_secret_is_hidden() -> None:
    assert scrub_json({"password_hash": "abc", "tokens": 3}) == {"password_hash": "<secret>", "tokens": 3}


@pytest.mark.parametrize("folder", [Path(), Path("/"), Path("data")])
def test_folder_whose_name_says_nothing_takes_nothing_else_out(folder: Path) -> None:
    assert scrub("The data card is 1/2 done.", folders=[folder]) == "The data card is 1/2 done."


def test_relative_folder_is_found_in_both_forms() -> None:
    folder = Path("data/Ann Doe")
    assert scrub(f"'{folder}/x' or '{folder.absolute()}/x'", folders=[folder]) == "'<path>' or '<path>'"


def test_lines_stay_json_and_one_that_was_cut_off_is_scrubbed_too() -> None:
    whole = json.dumps({"text": "/data/J\u00f6rg/x"})
    first, second = scrub_lines(f'{whole}\n{{"text": "/data/ann/x {UID}').splitlines()
    assert json.loads(first) == {"text": "<path>"}
    assert second == '{"text": "<path> <uid>'


@pytest.mark.parametrize(
    "text", ["/" * 30_000, "a/" * 30_000, "/a b" * 30_000, "x" * 60_000, "token" * 9_000]
)
def test_text_that_was_made_to_be_slow_is_not(text: str) -> None:
    assert scrub(text)  # minutes, where the time grows with the square of the length
