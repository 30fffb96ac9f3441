from pathlib import Path

import httpx
import psutil
import pytest

from tests import supabase_server as module
from tests.supabase_server import SupabaseServer

AUTH_USER_ID = "00000000-0000-4000-8000-000000000001"
ROW = {
    "kind": "site",
    "name": "north",
    "state": "training",
    "last_seen_at": "2026-01-02T03:04:05.123456+00:00",
}


def ask(server: SupabaseServer, path: str, *, key: str, token: str = "") -> httpx.Response:
    headers = {"apikey": key} | ({"Authorization": f"Bearer {token}"} if token else {})
    return httpx.get(f"{server.url}/rest/v1/{path}", headers=headers)


def add_row(server: SupabaseServer) -> None:
    answer = httpx.post(f"{server.url}/rest/v1/presence", headers={"apikey": server.secret_key}, json=ROW)
    assert answer.status_code == httpx.codes.CREATED


def test_time_keeps_its_microseconds(supabase: SupabaseServer) -> None:
    add_row(supabase)

    assert "05.123456+00" in ask(supabase, "presence", key=supabase.secret_key).text
    assert supabase.psql("select last_seen_at from presence") == "2026-01-02 03:04:05.123456+00"


def test_texts_are_in_the_order_of_hosted_supabase(supabase: SupabaseServer) -> None:
    assert supabase.psql("select string_agg(t, ' ' order by t) from unnest('{B,a,C,b-1,b1}'::text[]) t") == (
        "a B b-1 b1 C"
    )


def test_rights_of_the_migrations_hold_after_a_restart(supabase: SupabaseServer) -> None:
    supabase.restart()

    assert ask(supabase, "runs", key=supabase.secret_key).status_code == httpx.codes.OK
    for _ in range(2):  # the server grants everything at its first request
        assert ask(supabase, "runs", key=supabase.publishable_key).json()["code"] == "42501"
    granted = supabase.psql(
        "select count(*) from information_schema.role_table_grants where grantee = 'anon'"
    )
    assert granted == "0"


def test_wrong_key_is_refused(supabase: SupabaseServer) -> None:
    assert ask(supabase, "runs", key="sb_secret_wrong").status_code == httpx.codes.UNAUTHORIZED


def test_person_who_signed_in_is_let_in(supabase: SupabaseServer) -> None:
    token = supabase.token_for(AUTH_USER_ID)

    assert ask(supabase, "rounds", key=supabase.publishable_key, token=token).json() == []


def test_token_that_somebody_else_signed_is_refused(supabase: SupabaseServer) -> None:
    token = supabase.token_for(AUTH_USER_ID)[:-3] + "AAA"

    answer = ask(supabase, "runs", key=supabase.publishable_key, token=token)
    assert answer.status_code == httpx.codes.UNAUTHORIZED


def test_killed_server_comes_back_with_its_rows(supabase: SupabaseServer) -> None:
    add_row(supabase)
    supabase.kill()
    with pytest.raises(httpx.ConnectError):
        ask(supabase, "presence", key=supabase.secret_key)

    supabase.restart()

    assert len(ask(supabase, "presence", key=supabase.secret_key).json()) == 1


def test_empty_deletes_every_row(supabase: SupabaseServer) -> None:
    add_row(supabase)

    supabase.empty()

    assert supabase.psql("select count(*) from presence") == "0"


def test_sql_that_fails_says_why(supabase: SupabaseServer) -> None:
    with pytest.raises(RuntimeError, match='relation "nothing" does not exist'):
        supabase.psql("select * from nothing")


@pytest.mark.slow
def test_nothing_runs_on_after_the_end(tmp_path: Path, supabase_server: SupabaseServer) -> None:
    before = psutil.Process().children(recursive=True)
    with SupabaseServer.start(tmp_path, with_schema=False) as server:
        assert server.psql("select count(*) from pg_tables where schemaname = 'public'") == "0"

    assert set(psutil.Process().children(recursive=True)) <= set(before)


@pytest.mark.slow
def test_start_that_fails_shows_the_log_and_ends_postgres(
    tmp_path: Path, supabase_server: SupabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = psutil.Process().children(recursive=True)
    monkeypatch.setattr(module, "LITE", tmp_path / "nothing.js")

    with pytest.raises(RuntimeError, match=r"API server did not start(.|\n)*Cannot find module"):
        SupabaseServer.start(tmp_path, with_schema=False)

    assert set(psutil.Process().children(recursive=True)) <= set(before)
