import os
import sys
from pathlib import Path

import pytest

from fl_monitor import health
from fl_monitor.health import CheckFailedError, check_coordinator, is_coordinators
from fl_store.sqlite import SqliteStore
from tests.conftest import ROOT


@pytest.mark.slow
def test_coordinators_own_check_is_run_and_read(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDLUNA_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = {finding.subject: finding for finding in check_coordinator()}
    assert {"configuration", "disk", "certificates"} <= set(found)
    assert str(tmp_path) in found["disk"].text
    assert "SUPABASE_KEY" not in os.environ


def test_check_that_hangs_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(CheckFailedError, match=r"^The check was not done after 0\.3 s\.$"):
        check_coordinator(timeout_s=0.3)


@pytest.mark.parametrize("output", ["", "no JSON", "[1]", '[{"a": 1}]', "1"])
def test_check_without_findings_is_one_sentence(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    script = f"import sys; print({output!r}); sys.exit(3)"
    monkeypatch.setattr(health, "COMMAND", (sys.executable, "-c", script))
    with pytest.raises(CheckFailedError, match=r"^The check ended with exit code 3 and no findings\.$"):
        check_coordinator()


def test_monitor_with_a_store_of_its_own_is_the_coordinators(store: SqliteStore) -> None:
    assert is_coordinators(store)
