import json
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import pytest

from fl_core.errors import UsageError
from fl_server.comparison_file import MAX_BYTES, Verdict, read_comparison
from luna16 import comparison_report
from luna16.comparison_report import make_comparison_report
from luna16.whole_files import write_json
from tests.test_comparison_report import CONFIG, SCORES, SHARDS

DOCUMENT: dict[str, Any] = json.loads(
    json.dumps(make_comparison_report(SCORES, SHARDS, CONFIG).to_json(), allow_nan=False)
)


def changed(**changes: Any) -> dict[str, Any]:
    return deepcopy(DOCUMENT) | changes


def gain_with(**changes: Any) -> dict[str, Any]:
    return changed(gains=[DOCUMENT["gains"][0] | changes])


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "comparison.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_luna16_writes_is_kept_as_it_is(tmp_path: Path) -> None:
    report = make_comparison_report(SCORES, SHARDS, CONFIG)
    write_json(tmp_path / "comparison.json", report.to_json())
    row = read_comparison(tmp_path / "comparison.json")
    assert row.document == DOCUMENT
    assert len(row.comparison_id) == 64


def test_same_numbers_have_the_same_name_however_they_are_written(tmp_path: Path) -> None:
    first = read_comparison(written(tmp_path, json.dumps(DOCUMENT, indent=4)))
    backwards = dict(reversed(DOCUMENT.items()))
    assert read_comparison(written(tmp_path, json.dumps(backwards))).comparison_id == first.comparison_id
    other = read_comparison(written(tmp_path, json.dumps(changed(rounds=5))))
    assert other.comparison_id != first.comparison_id


def test_comparison_without_enough_scans_is_one_too(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("alone", "federated", "difference", "interval"))
    document = gain_with(**nothing, verdict="cannot be told")
    assert read_comparison(written(tmp_path, json.dumps(document))).document == document


def test_verdicts_are_those_of_luna16() -> None:
    assert set(get_args(Verdict)) == set(comparison_report.Verdict)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ([], "the file: Input should be a valid dictionary"),
        ({}, "num_scans: Field required"),
        (changed(num_scans=-1), "num_scans: "),
        (changed(num_seeds=True), "num_seeds: "),
        (changed(gains=[]), "gains: List should have at least 1 item"),
        (changed(arms={}), "arms: "),
        (gain_with(site=7), "gains.0.site: "),
        (gain_with(verdict="won"), "gains.0.verdict: Input should be 'gained', 'lost'"),
        (gain_with(alone=1.5), "gains.0.alone: "),
        (gain_with(interval=[0.1]), "gains.0.interval: "),
        (changed(note="\ud800"), "a text that is none"),
        (gain_with(site="\0"), "a text that is none"),
    ],
)
def test_another_document_is_refused_in_one_line(tmp_path: Path, document: Any, words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        read_comparison(written(tmp_path, json.dumps(document)))
    assert "is not what `luna16 compare` writes as comparison.json: " in str(refusal.value)
    assert words in str(refusal.value)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is not JSON"),
        ("[" * 200_000, "it is not JSON"),
        (b"\xff\xfe\xff", "it is not JSON"),
        (json.dumps(DOCUMENT).replace("40", "NaN", 1), "it is not JSON"),
        (" " * (MAX_BYTES + 1), "it has more than 1000000 bytes"),
    ],
    ids=["empty", "deep", "bytes", "nan", "large"],
)
def test_file_that_is_no_json_is_refused_in_one_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_comparison(written(tmp_path, text))


def test_name_in_a_refusal_is_one_line(tmp_path: Path) -> None:
    document = deepcopy(DOCUMENT)
    document["arms"][0]["cpm_at_site"] = {"a\nb" * 100: None}
    with pytest.raises(UsageError) as refusal:
        read_comparison(written(tmp_path, json.dumps(document)))
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("name", ["none.json", ""])
def test_file_that_cannot_be_read_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^Cannot read .*: (No such file or directory|Is a directory)\.$"):
        read_comparison(tmp_path / name)
