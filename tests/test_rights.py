# ruff: noqa: S608 - the SQL is made of words of this file

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from uuid import UUID

import httpx
import pytest

from fl_store.rows import (
    ComparisonRow,
    DataCardRow,
    DataShiftRow,
    EventRow,
    LoginAttemptRow,
    PresenceRow,
    Row,
    SessionRow,
    SiteAccessRow,
    SiteRow,
    UserRow,
)
from fl_store.run_rows import CheckpointRow, RoundRow
from fl_store.schema import TABLES
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from fl_store.wire import to_json
from fl_store.words import PresenceKind, Role
from tests.store_contract import (
    AUDIT,
    CURVE,
    EVERY_KIND,
    HASH,
    METRIC,
    NOON,
    REQUEST,
    RUN,
    SITE_ROUND,
    UPLOAD,
)
from tests.supabase_server import SupabaseServer

WHO_READS_WHICH_ROWS = """
table          | row by        | client north | client south | analyst            | server
sites          | site          | north        | south        | north south        | north south
site_access    | site          | north        | south        | north south        | north south
users          | name          |              |              |                    | anna boris clara dora emil
sessions       | user          |              |              |                    | anna dora
login_attempts | user          |              |              |                    | anna
runs           | run_id        | r1           | r1           | r1                 | r1
run_requests   | run_id        |              |              |                    | r1
data_cards     | site          | north        | south        | north south        | north south
data_shifts    | site          |              |              | north              | north
comparisons    | comparison_id |              |              | ab                 | ab
site_rounds    | site          | north        | south        | north south        | north south
metrics        | site          | * north      | * south      | * north south      | * north south
curves         | site          | * north      | * south      | * north south      | * north south
rounds         | run_id        | r1           | r1           | r1                 | r1
checkpoints    | run_id        | r1           | r1           | r1                 | r1
presence       | name          | north server | server south | north server south | anna north server south
uploads        | user          | anna         | boris        | clara              | anna boris clara dora
events         | event_id      | north        | south        | all north south    | all anna both north south
audit          | chain         |              |              |                    | c1
"""
LINES = [[cell.strip() for cell in line.split("|")] for line in WHO_READS_WHICH_ROWS.strip().splitlines()]
NAMED_BY = {table: column for table, column, *_ in LINES[1:]}

ACCOUNTS = {
    "client north": UserRow("anna", HASH, Role.CLIENT, "north", False, NOON, NOON),
    "client south": UserRow("boris", HASH, Role.CLIENT, "south", False, NOON, NOON),
    "analyst": UserRow("clara", HASH, Role.ANALYST, None, False, NOON, NOON),
    "server": UserRow("dora", HASH, Role.SERVER, None, False, NOON, NOON),
    "disabled client": UserRow("emil", HASH, Role.CLIENT, "north", True, NOON, NOON),
}
LOGINS = {who: str(UUID(int=no)) for no, who in enumerate([*ACCOUNTS, "login without account"])}
WITHOUT_THE_SECRET_KEY = ["nobody", *LOGINS]

ROWS: list[Row] = [
    *ACCOUNTS.values(),
    *(SiteRow(site, "1", 7, 2, NOON, NOON) for site in ("north", "south")),
    *(
        SiteAccessRow(site, False, "dora", NOON, f"Site '{site}' is like site 'south'.")
        for site in ("north", "south")
    ),
    *(SessionRow(name, name, NOON, NOON, NOON) for name in ("anna", "dora")),
    LoginAttemptRow("anna", "192.0.2.7", is_accepted=False, attempted_at=NOON),
    replace(RUN, reason="Site 'south' sent no update."),
    REQUEST,
    *(DataCardRow(site, {}, NOON) for site in ("north", "south")),
    DataShiftRow("north", "south", "spacing_mm", 0.25, 0.1, NOON),
    ComparisonRow("ab", {"sites": ["north", "south"]}, NOON),
    *(replace(SITE_ROUND, site=site, reason=f"Site '{site}' is slow.") for site in ("north", "south")),
    *(replace(kind, site=site) for kind in (METRIC, CURVE) for site in ("north", "south", "*")),
    RoundRow("r1", 1, NOON),
    CheckpointRow("r1", "best", 1, "best.safetensors", "ab", 1, None, 0.5, NOON),
    PresenceRow(PresenceKind.SERVER, "server", "running", NOON),
    *(PresenceRow(PresenceKind.SITE, site, "training", NOON) for site in ("north", "south")),
    PresenceRow(PresenceKind.USER, "anna", "online", NOON),
    *(replace(UPLOAD, upload_id=name, user=name) for name in ("anna", "boris", "clara", "dora")),
    *(
        EventRow("site_ready", f"Site '{site}' is ready.", site=site, event_id=site)
        for site in ("north", "south")
    ),
    EventRow("run", "The run is failed: Site 'south' sent no update.", event_id="all"),
    EventRow("login", "anna signed in.", user="anna", event_id="anna"),
    EventRow("upload", "anna sent a scan.", site="north", user="anna", event_id="both"),
    AUDIT,
]


@dataclass(frozen=True)
class Project:
    """A project with rows of two hospitals and people of every role; tests leave these as they are."""

    server: SupabaseServer
    client: httpx.Client

    def fill(self) -> None:
        self.server.empty()
        store = SupabaseStore(SupabaseSettings(self.server.url, self.server.secret_key))
        store.put(ROWS)
        store.close()
        for who, user in ACCOUNTS.items():
            self.psql(f"insert into fedluna.auth_logins values ('{LOGINS[who]}', '{user.name}')")

    def ask(self, who: str, method: str, path: str, **options: Any) -> Any:
        """Return what the Data API answers: rows, nothing, or a refusal with its ``code``."""
        key = self.server.secret_key if who == "secret key" else self.server.publishable_key
        headers = {"apikey": key} | options.pop("headers", {})
        if who in LOGINS:
            headers["Authorization"] = f"Bearer {self.server.token_for(LOGINS[who])}"
        answer = self.client.request(method, path, headers=headers, **options)
        return answer.json() if answer.content else None

    def psql(self, sql: str) -> list[str]:
        return self.server.psql(sql).splitlines()


@pytest.fixture(scope="module")
def project(supabase_server: SupabaseServer) -> Iterator[Project]:
    if not supabase_server.is_running:
        supabase_server.restart()
    with httpx.Client(base_url=f"{supabase_server.url}/rest/v1/") as client:
        project = Project(supabase_server, client)
        project.fill()
        yield project


@pytest.mark.parametrize(
    ("table", "who", "rows"),
    [
        (table, who, rows.split())
        for table, _column, *cells in LINES[1:]
        for who, rows in zip([*LINES[0][2:], "secret key"], [*cells, cells[-1]], strict=True)
    ],
)
def test_who_reads_which_rows(project: Project, table: str, who: str, rows: list[str]) -> None:
    column = NAMED_BY[table]
    assert sorted(row[column] for row in project.ask(who, "GET", f"{table}?select={column}")) == rows


@pytest.mark.parametrize(("table", "column"), NAMED_BY.items())
def test_without_an_account_that_is_enabled_nobody_reads_a_row(
    project: Project, table: str, column: str
) -> None:
    assert project.ask("login without account", "GET", f"{table}?select={column}") == []
    assert project.ask("disabled client", "GET", f"{table}?select={column}") == []
    assert project.ask("nobody", "GET", f"{table}?select={column}")["code"] == "42501"


@pytest.mark.parametrize("row", EVERY_KIND, ids=lambda row: TABLES[type(row)].name)
def test_nobody_writes_without_the_secret_key(project: Project, row: Row) -> None:
    table = TABLES[type(row)].name
    all_rows = f"{table}?{NAMED_BY[table]}=neq.x"
    before = project.ask("secret key", "GET", table)
    for who in WITHOUT_THE_SECRET_KEY:
        assert project.ask(who, "POST", table, json=to_json(row))["code"] == "42501"
        assert project.ask(who, "PATCH", all_rows, json=to_json(row))["code"] == "42501"
        assert project.ask(who, "DELETE", all_rows)["code"] == "42501"
    assert project.ask("secret key", "GET", table) == before


@pytest.mark.parametrize(
    "row", [row for row in EVERY_KIND if row != AUDIT], ids=lambda row: TABLES[type(row)].name
)
def test_secret_key_writes(project: Project, row: Row) -> None:
    table = TABLES[type(row)].name
    key = next(iter(TABLES[type(row)].primary_key)).name
    values = to_json(row) | {key: "new"}
    new = f"{table}?{key}=eq.new"
    assert project.ask("secret key", "POST", table, json=values) is None
    assert project.ask("secret key", "PATCH", new, json=values) is None
    assert len(project.ask("secret key", "GET", new)) == 1
    assert project.ask("secret key", "DELETE", new) is None
    assert project.ask("secret key", "GET", new) == []


def test_secret_key_adds_to_the_audit_log_and_changes_nothing_there(project: Project) -> None:
    entry = to_json(replace(AUDIT, entry_no=2))
    assert project.ask("secret key", "POST", "audit", json=entry) is None
    before = project.ask("secret key", "GET", "audit")
    for method in ("PATCH", "DELETE"):
        answer = project.ask("secret key", method, "audit?chain=eq.c1", json={"document": "{}"})
        assert answer["code"] == "42501"
    again = {"prefer": "resolution=merge-duplicates"}
    assert project.ask("secret key", "POST", "audit", json=entry, headers=again)["code"] == "42501"
    assert project.ask("secret key", "GET", "audit") == before


def test_health_is_told_to_the_secret_key_only(project: Project) -> None:
    for who in WITHOUT_THE_SECRET_KEY:
        assert project.ask(who, "POST", "rpc/fedluna_health", json={})["code"] == "42501"
    assert project.ask("secret key", "POST", "rpc/fedluna_health", json={})["missing_rights"] == []


def columns_of_logins(project: Project, *, readable: bool) -> list[tuple[str, str]]:
    """Return table and column of all that logins of Supabase Auth may read, or of all that they may not."""
    found = project.psql(
        "select table_name, column_name from information_schema.columns where table_schema = 'public' and"
        f" has_column_privilege('authenticated', 'public.' || table_name, column_name, 'select') = {readable}"
    )
    return sorted((table, column) for table, column in (line.split("|") for line in found))


def test_no_login_reads_a_hash_or_what_somebody_wrote_of_hospitals(project: Project) -> None:
    hidden = [
        ("runs", "reason"),
        ("sessions", "token_hash"),
        ("site_access", "changed_by"),
        ("site_access", "reason"),
        ("users", "password_hash"),
    ]
    assert columns_of_logins(project, readable=False) == hidden
    for table, column in hidden:
        assert project.ask("server", "GET", f"{table}?select={column}")["code"] == "42501"
        by_guessing = f"{table}?select={NAMED_BY[table]}&{column}=like.S*"
        assert project.ask("server", "GET", by_guessing)["code"] == "42501"


def read_everything(project: Project, who: str) -> str:
    cells = groupby(columns_of_logins(project, readable=True), lambda cell: cell[0])
    paths = [f"{table}?select={','.join(column for _, column in columns)}" for table, columns in cells]
    return str([project.ask(who, "GET", path) for path in paths])


def test_nothing_that_a_client_reads_names_another_hospital(project: Project) -> None:
    assert "south" in read_everything(project, "analyst")
    assert "south" not in read_everything(project, "client north")


def test_login_whose_id_is_not_of_supabase_auth_sees_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LOGINS, "server", "dora")
    assert project.ask("server", "GET", "metrics") == []


def test_what_is_in_our_own_schema_is_not_in_the_data_api(project: Project) -> None:
    for who in ("server", "secret key"):
        assert project.ask(who, "POST", "rpc/my_role", json={})["code"] == "PGRST202"
        assert project.ask(who, "GET", "auth_logins")["code"] == "PGRST205"


OURS = "in ('public'::regnamespace, 'fedluna'::regnamespace)"


def test_every_table_has_row_level_security(project: Project) -> None:
    tables = f"select relname from pg_class where relkind = 'r' and relnamespace {OURS}"
    assert len(project.psql(tables)) == len(TABLES) + 1  # fedluna.auth_logins
    assert project.psql(f"{tables} and not relrowsecurity") == []


def test_no_role_of_the_publishable_key_has_a_right_but_to_read(project: Project) -> None:
    where = "where table_schema in ('public', 'fedluna') and grantee in ('PUBLIC', 'anon', 'authenticated')"
    rights = (
        f"select grantee, privilege_type from information_schema.table_privileges {where} union"
        f" select grantee, privilege_type from information_schema.column_privileges {where}"
    )
    assert project.psql(rights) == ["authenticated|SELECT"]


@pytest.mark.parametrize(
    ("role", "functions"),
    [
        ("anon", []),
        ("authenticated", ["my_name", "my_role", "my_site"]),
        ("service_role", ["fedluna_health", "tables"]),
    ],
)
def test_role_may_call_no_function_but_these(project: Project, role: str, functions: list[str]) -> None:
    may_call = f"has_function_privilege('{role}', oid, 'execute')"
    found = project.psql(f"select proname from pg_proc where pronamespace {OURS} and {may_call}")
    assert sorted(found) == functions


def test_no_function_looks_names_up_where_others_may_put_some(project: Project) -> None:
    settings = f"select proname, proconfig from pg_proc where pronamespace {OURS}"
    found = [line.split("|") for line in project.psql(settings)]
    assert {setting for _, setting in found} == {r'{"search_path=\"\""}'}


def test_policies_ask_who_the_reader_is_once_a_query(project: Project) -> None:
    policies = "\n".join(project.psql("select qual from pg_policies where schemaname = 'public'"))
    assert set(re.findall(r"(SELECT )?fedluna\.my_", policies)) == {"SELECT "}
