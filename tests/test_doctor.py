from pathlib import Path

import pytest

from fl_core.findings import Finding, Level
from fl_server.doctor import examine
from fl_store.connect import open_local_store
from tests.store_contract import RUN, USER
from tests.supabase_server import SupabaseServer


@pytest.fixture(autouse=True)
def clean_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work away from any .env, with no Supabase."""
    monkeypatch.chdir(tmp_path)
    for name in ("SUPABASE_URL", "SUPABASE_KEY"):
        monkeypatch.delenv(name, raising=False)


def subjects(findings: list[Finding]) -> list[str]:
    return list(dict.fromkeys(finding.subject for finding in findings))


def test_looking_at_a_new_home_makes_nothing(tmp_path: Path) -> None:
    findings = list(examine(None, tmp_path / "home"))
    assert not (tmp_path / "home").exists()
    assert subjects(findings) == ["configuration", "ports", "disk", "certificates", "local store", "Supabase"]


def test_everything_is_looked_at(
    tmp_path: Path, supabase: SupabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", supabase.url)
    monkeypatch.setenv("SUPABASE_KEY", supabase.secret_key)
    (tmp_path / ".env").touch(0o600)
    store = open_local_store(tmp_path)
    store.put([RUN, USER])
    store.close()
    findings = list(examine(None, tmp_path))
    looked_at = (
        "configuration,secrets,ports,disk,certificates,local store,audit log,"
        "Supabase,schema,rights,clock,outbox"
    )
    assert subjects(findings) == looked_at.split(",")
    assert supabase.secret_key not in repr(findings)


def test_store_that_cannot_be_opened_is_a_fault_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "fedluna.db").write_text("Not a database. " * 100)
    findings = list(examine(None, tmp_path))
    (fault,) = [finding for finding in findings if finding.subject == "local store"]
    assert (fault.level, "file is not a database" in fault.text) == (Level.FAULT, True)
    assert subjects(findings)[-1] == "Supabase"
