"""The command ``luna16 compare`` as a user meets it, on small synthetic patches."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from luna16.cli import main
from luna16.phantom import write_phantom
from luna16.scan import find_scans
from luna16.split import split_by_series
from tests.test_train_cli import CONFIG

EXIT_SET_ASIDE = 1

Run = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command in ``tmp_path`` and return its exit code."""
    (tmp_path / "run.toml").write_text(CONFIG)

    def run_command(root: Path, *options: str) -> int:
        monkeypatch.chdir(tmp_path)
        arguments = ["luna16", "compare", str(root), "--config", "run.toml", "--device", "cpu"]
        monkeypatch.setattr(sys, "argv", [*arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run_command


def damage_a_training_scan(root: Path, subset: int) -> None:
    uids = [file.series_uid for file in find_scans(root, [subset])]
    split = split_by_series(uids, validation_fraction=0.3, seed=0)
    (root / f"subset{subset}" / f"{split.train[0]}.raw").write_bytes(b"cut short")


@pytest.mark.slow
def test_table_words_json_and_page_tell_the_same(run: Run, tmp_path: Path, capfd: Capture) -> None:
    write_phantom(tmp_path / "data", num_sites=2, scans_per_site=3, seed=0)
    damage_a_training_scan(tmp_path / "data", subset=0)
    assert run(tmp_path / "data", "--seeds", "1") == EXIT_SET_ASIDE
    printed = capfd.readouterr()
    assert printed.err.count("It is set aside.") == 1  # by this process, not again by each that trains
    result = json.loads((tmp_path / "comparison" / "comparison.json").read_text())
    assert [each["arm"]["kind"] for each in result["arms"]] == ["central", "federated", "alone", "alone"]
    assert (result["rounds"], result["steps"], result["num_seeds"], result["num_scans"]) == (2, 1, 1, 2)
    rows = [line.split() for line in printed.out.splitlines()]
    assert ["central", *(f"{result['arms'][0][score]['mean']:.3f}" for score in ("cpm", "auc"))] in rows
    assert "For 'subset1' nothing can be told yet: on 1 test scans" in printed.out
    page = (tmp_path / "comparison" / "comparison.html").read_text()
    assert "For &#x27;subset1&#x27; nothing can be told yet" in page
    uids = (tmp_path / "data" / "seriesuids.csv").read_text().split()
    told = printed.out + printed.err + page + json.dumps(result)
    assert not any(uid in told for uid in uids)


def test_single_site_has_nothing_to_be_compared_with(run: Run, scans: Path, capfd: Capture) -> None:
    assert run(scans) == 2
    assert "holds one site, expected 2 or more. Deal it out with luna16 shard." in capfd.readouterr().err
