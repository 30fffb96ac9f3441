import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from fl_core.errors import RowRefusedError, StoreUnavailableError, TableRefusedError
from fl_store.rows import EventRow, utc_now
from fl_store.run_rows import MetricRow, RunRow
from fl_store.schema import SCHEMA_VERSION
from fl_store.supabase import PAGE_ROWS, SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.store_contract import EVENT, METRIC, RUN, StoreContract
from tests.supabase_server import SupabaseServer


def open_project(server: SupabaseServer, *, key: str = "") -> SupabaseStore:
    return SupabaseStore(SupabaseSettings(server.url, key or server.secret_key))


@pytest.fixture
def store(supabase: SupabaseServer) -> Iterator[SupabaseStore]:
    opened = open_project(supabase)
    yield opened
    opened.close()


class TestSupabaseStore(StoreContract):
    """A real server keeps the contract."""


def test_reading_goes_on_past_the_most_that_one_answer_holds(store: SupabaseStore) -> None:
    rows = [replace(METRIC, round_no=round_no) for round_no in range(2 * PAGE_ROWS + 1)]
    store.put(rows)
    assert store.get(MetricRow) == rows
    assert store.get(MetricRow, newest=PAGE_ROWS + 1) == rows[-PAGE_ROWS - 1 :]


def test_reading_does_not_depend_on_how_many_rows_a_project_answers(
    store: SupabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [replace(METRIC, round_no=round_no) for round_no in range(PAGE_ROWS + 1)]
    store.put(rows)
    monkeypatch.setattr("fl_store.supabase.PAGE_ROWS", 10 * PAGE_ROWS)  # the server still sends 1000
    assert store.get(MetricRow) == rows


def test_health_tells_schema_clock_and_rights(store: SupabaseStore) -> None:
    health = store.health()
    assert (health.schema_version, health.missing_rights) == (SCHEMA_VERSION, ())
    assert abs(health.clock_ahead_s) < 2


def test_value_that_postgres_cannot_hold_is_a_refused_row(store: SupabaseStore) -> None:
    with pytest.raises(
        RowRefusedError, match=r"refuses a row \(22003\): value .* out of range for type integer"
    ):
        store.put([replace(RUN, num_rounds=2**40)])


def test_table_that_is_not_granted_is_a_refused_table(supabase: SupabaseServer, store: SupabaseStore) -> None:
    supabase.psql("revoke insert on public.events from service_role")
    try:
        assert store.health().missing_rights == ("events: insert",)
        with pytest.raises(TableRefusedError, match=r"refuses a table \(42501\): .* events"):
            store.put([EVENT])
    finally:
        supabase.psql("grant insert on public.events to service_role")


def test_column_that_is_missing_is_a_refused_table(supabase: SupabaseServer, store: SupabaseStore) -> None:
    store.put([RUN])
    supabase.psql("alter table public.events rename column text to words")
    try:
        with pytest.raises(TableRefusedError, match="text"):
            store.put([EVENT])
    finally:
        supabase.psql("alter table public.events rename column words to text")


def test_wrong_key_is_told_and_may_be_mended(supabase: SupabaseServer) -> None:
    store = open_project(supabase, key="sb_secret_wrong")
    with pytest.raises(StoreUnavailableError, match="refuses SUPABASE_KEY: Invalid API key") as refusal:
        store.put([EVENT])
    assert "sb_secret_wrong" not in str(refusal.value)
    store.close()


def test_publishable_key_may_do_nothing(supabase: SupabaseServer) -> None:
    store = open_project(supabase, key=supabase.publishable_key)
    for attempt in (store.health, lambda: store.get(RunRow), lambda: store.put([RUN])):
        with pytest.raises(StoreUnavailableError, match="permission denied"):
            attempt()
    store.close()


def test_dead_server_is_told_without_a_long_wait() -> None:
    store = SupabaseStore(SupabaseSettings("http://127.0.0.1:1", "sb_secret_x"))
    with pytest.raises(
        StoreUnavailableError, match=r"Supabase at 127\.0\.0\.1:1 does not answer \(ConnectError\)"
    ):
        store.get(RunRow)
    store.close()


def test_server_that_is_no_supabase_is_told(tmp_path: object) -> None:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        store = SupabaseStore(SupabaseSettings(f"http://127.0.0.1:{server.server_port}", "sb_secret_x"))
        with pytest.raises(
            StoreUnavailableError, match=r"Supabase at .* cannot serve the request"
        ) as refusal:
            store.get(RunRow)
        assert "\n" not in str(refusal.value)
        store.close()
        server.shutdown()


@pytest.mark.parametrize(
    ("version", "words"),
    [(SCHEMA_VERSION + 1, "Update FedLuna"), (1, "Apply the files of supabase/migrations")],
)
def test_other_schema_is_refused_with_what_to_do(
    supabase: SupabaseServer, store: SupabaseStore, version: int, words: str
) -> None:
    definition = supabase.psql("select pg_get_functiondef('public.fedluna_health'::regproc)")
    supabase.psql(definition.replace(f"'schema_version', {SCHEMA_VERSION}", f"'schema_version', {version}"))
    try:
        with pytest.raises(StoreUnavailableError, match=f"has schema {version}, .*{words}"):
            store.put([EVENT])
    finally:
        supabase.psql(definition)
    store.put([EVENT])
    assert store.get(EventRow) == [EVENT]


@contextmanager
def answering(status: int, body: str) -> Iterator[SupabaseStore]:
    """Open a store at a server that is healthy, but answers everything else as a proxy might."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            health = {"schema_version": SCHEMA_VERSION, "now": utc_now().isoformat(), "missing_rights": []}
            self.answer(*((200, json.dumps(health)) if "health" in self.path else (status, body)))

        def do_GET(self) -> None:
            self.answer(status, body)

        def answer(self, status: int, body: str) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        store = SupabaseStore(SupabaseSettings(f"http://127.0.0.1:{server.server_port}", "sb_secret_x"))
        yield store
        store.close()
        server.shutdown()


@pytest.mark.parametrize(
    "body", ["<html>Please sign in</html>", "null", '{"a": 1}', "[1]", '[{"kind": "k"}]']
)
def test_page_of_a_proxy_is_no_answer_of_supabase(body: str) -> None:
    with answering(200, body) as store, pytest.raises(StoreUnavailableError, match="is no Data API"):
        store.get(EventRow)


def test_row_that_only_a_proxy_has_seen_is_not_taken_for_kept() -> None:
    page = "<html>Please sign in</html>"
    with answering(200, page) as store, pytest.raises(StoreUnavailableError, match="is no Data API"):
        store.put([EVENT])


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("23514", RowRefusedError),
        ("P0001", RowRefusedError),
        ("PGRST102", RowRefusedError),
        ("42P10", TableRefusedError),
        ("PGRST204", TableRefusedError),
        ("PGRST303", StoreUnavailableError),
        ("57014", StoreUnavailableError),
        ("53300", StoreUnavailableError),
    ],
)
def test_code_tells_whether_row_table_or_project_is_at_fault(code: str, kind: type[Exception]) -> None:
    with (
        answering(400, json.dumps({"code": code, "message": "No."})) as store,
        pytest.raises(kind) as refusal,
    ):
        store.put([EVENT])
    assert type(refusal.value) is kind


def test_project_that_is_paused_is_not_taken_for_a_wrong_key() -> None:
    body = '{"message": "Project paused"}'
    with answering(540, body) as store, pytest.raises(StoreUnavailableError, match=r"cannot serve .* paused"):
        store.put([EVENT])


def test_store_that_was_closed_is_unavailable() -> None:
    with answering(201, "") as store:
        store.put([EVENT])
        store.close()
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            store.put([EVENT])
