import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from fl_store.schema import SCHEMA_VERSION, TABLES
from tests.conftest import require
from tests.supabase_server import HERE, MIGRATIONS, Postgres, find_postgres_programs

FILES = sorted(MIGRATIONS.glob("*.sql"))
SCHEMA, OLDEST_RIGHTS, INTERVALS, MONITOR, OLDER_RIGHTS, AUDIT, RIGHTS = FILES
DIALECT = postgresql.dialect(paramstyle="named")  # the default would write % twice

DESCRIBE_TABLES = """
select json_object_agg(relname, json_build_object(
  'kind', relkind,
  'columns', (
    select json_agg(json_build_array(attname, type, attnotnull, pg_get_expr(adbin, adrelid)) order by attnum)
      from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum,
           format_type(atttypid, atttypmod) type
     where attrelid = t.oid and attnum > 0 and not attisdropped),
  'constraints', (
    select json_object_agg(conname, pg_get_constraintdef(oid)) from pg_constraint
     where conrelid = t.oid and contype <> 'n'),
  'indexes', (
    select json_agg(indexdef order by indexname) from pg_indexes
     where schemaname = 'public' and tablename = relname)))
from pg_class t where relnamespace = 'public'::regnamespace and relkind not in ('i', 'c')
"""


class Project:
    """A database of its own, in a Postgres that has the roles of a Supabase project."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.name = name
        self._postgres = postgres
        self._psql("-c", f"create database {name}")

    def run(self, *commands: str) -> str:
        """Run SQL commands one after another and return the rows, a line each."""
        return self._psql(
            "-c", rf"\c {self.name}", *(part for command in commands for part in ("-c", command))
        )

    def apply(self, *files: Path) -> None:
        """Run SQL files, each as one transaction, as our documentation tells people to."""
        for file in files:
            self._psql("-c", rf"\c {self.name}", "-c", "begin", "-f", str(file), "-c", "commit")

    def describe_tables(self, change: str = "select") -> dict[str, Any]:
        """Return the tables with columns, constraints and indexes, as they would be after a change."""
        found: dict[str, Any] = json.loads(self.run("begin", change, DESCRIBE_TABLES, "rollback"))
        return found

    def dump(self) -> list[str]:
        """Return everything but the rows, as SQL: tables, functions, policies and rights."""
        url = f"postgres://postgres@127.0.0.1:{self._postgres.port}/{self.name}"
        command = [f"{find_postgres_programs()}/pg_dump", "--schema-only", url]
        lines = subprocess.run(command, check=True, text=True, capture_output=True).stdout.splitlines()
        return [line for line in lines if "restrict" not in line]  # with another random word each time

    def _psql(self, *options: str) -> str:
        done = self._postgres.psql(*options)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    require(find_postgres_programs() / "initdb", why="the migrations need it (apt-get install postgresql)")
    server = Postgres(tmp_path_factory.mktemp("postgres") / "postgres.log")
    try:
        server.start()
        assert server.psql("-f", str(HERE / "roles.sql")).returncode == 0
        yield server
    finally:
        server.stop()


@pytest.fixture
def empty(postgres: Postgres, tmp_path: Path) -> Project:
    return Project(postgres, tmp_path.name)  # after the test


@pytest.fixture(scope="module")
def migrated(postgres: Postgres) -> Project:
    project = Project(postgres, "migrated")
    project.apply(*FILES)
    return project


@pytest.fixture(scope="module")
def from_python(postgres: Postgres) -> Project:
    project = Project(postgres, "from_python")
    for table in TABLES.values():
        made = [sa.schema.CreateTable(table), *(sa.schema.CreateIndex(index) for index in table.indexes)]
        project.run(*(str(part.compile(dialect=DIALECT)) for part in made))
    return project


def test_migrations_make_the_tables_of_the_program(migrated: Project, from_python: Project) -> None:
    tables = migrated.describe_tables()
    assert sorted(tables) == sorted(table.name for table in TABLES.values())
    assert tables == from_python.describe_tables()


@pytest.mark.parametrize(
    "change",
    [
        "create table public.scans (scan text)",
        "create view public.names as select name from public.runs",
        "drop table public.rounds",
        "alter table public.runs add column color text",
        "alter table public.runs drop column reason",
        "alter table public.runs rename column reason to because",
        "alter table public.runs drop column name, add column name text not null",  # another order
        "alter table public.runs alter num_rounds type bigint",
        "alter table public.runs alter config type jsonb",
        "alter table public.runs alter name drop not null",
        "alter table public.runs alter reason set not null",
        "alter table public.runs alter reason set default ''",
        "alter table public.rounds drop constraint rounds_pkey",
        "alter table public.rounds drop constraint rounds_pkey, add primary key (round_no, run_id)",
        "alter table public.rounds add foreign key (run_id) references public.runs",
        "alter table public.users rename constraint is_bcrypt to is_hash",
        "alter table public.users drop constraint is_bcrypt",
        "alter table public.users drop constraint is_bcrypt, add constraint is_bcrypt check (name <> '')",
        "alter table public.runs add check (num_rounds > 0)",
        "drop index public.events_by_time",
        "alter index public.events_by_time rename to events_in_order",
        "create index on public.runs (started_at)",
        "drop index public.events_by_time; create index events_by_time on public.events (kind, occurred_at)",
    ],
)
def test_difference_between_the_two_is_seen(migrated: Project, from_python: Project, change: str) -> None:
    assert migrated.describe_tables(change) != from_python.describe_tables()


def test_health_tells_the_version_of_the_program(migrated: Project) -> None:
    health = json.loads(migrated.run("select public.fedluna_health()"))
    assert health["schema_version"] == SCHEMA_VERSION


def test_rights_are_given_on_all_tables_of_the_program(migrated: Project) -> None:
    names = json.loads(migrated.run("select array_to_json(fedluna.tables())"))
    assert names == [table.name for table in TABLES.values()]


@pytest.mark.parametrize("file", [INTERVALS, AUDIT, RIGHTS], ids=lambda file: file.stem)
def test_file_may_be_applied_again(migrated: Project, file: Path) -> None:
    before = migrated.dump()
    migrated.apply(file)
    assert migrated.dump() == before


@pytest.mark.parametrize("file", [OLDEST_RIGHTS, OLDER_RIGHTS], ids=lambda file: file.stem)
def test_older_rights_are_refused_in_a_newer_project(migrated: Project, file: Path) -> None:
    before = migrated.dump()
    with pytest.raises(RuntimeError, match=r"too old for the project; apply the newest \.\.\._rights\.sql"):
        migrated.apply(file)
    assert migrated.dump() == before


def test_older_list_of_tables_is_refused_in_a_newer_project(migrated: Project) -> None:
    before = migrated.dump()
    with pytest.raises(RuntimeError, match="too old for the project, which has all"):
        migrated.apply(MONITOR)
    assert migrated.dump() == before


@pytest.mark.parametrize(
    "change",
    [
        "grant select on public.users to anon",
        "grant insert on public.events to authenticated",
        "grant select (reason) on public.runs to authenticated",
        "grant select (changed_by) on public.site_access to authenticated",
        "grant execute on function public.fedluna_health() to public",
        "grant execute on function fedluna.my_role() to anon",
        "grant usage on schema fedluna to authenticated",
        "grant select on fedluna.auth_logins to authenticated",
        "revoke insert on public.events from service_role",
        "grant update on public.audit to service_role",
        "revoke select on public.events from authenticated",
        "alter table public.users disable row level security",
        "create policy to_all on public.users for select to anon using (true)",
        "alter policy to_members on public.metrics using (true)",
        "alter policy to_the_owner on public.uploads using (true)",
        "drop policy to_members on public.runs",
    ],
)
def test_rights_that_were_changed_are_put_back(migrated: Project, change: str) -> None:
    before = migrated.dump()
    migrated.run(change)
    assert migrated.dump() != before
    migrated.apply(RIGHTS)
    assert migrated.dump() == before


@pytest.mark.parametrize("num_files", [2, 3, 5], ids=["schema 2", "schema 3", "schema 4"])
def test_older_project_is_brought_up_to_date_with_its_rows(
    empty: Project, migrated: Project, num_files: int
) -> None:
    empty.apply(*FILES[:num_files])
    empty.run(
        "insert into public.metrics values ('r1', 1, 'north', 'auc', 0.9, 7, now(), null)",
        "insert into public.sites values ('north', '1', 7, 2, now(), now())",
    )
    empty.apply(*FILES[num_files:])
    metric = json.loads(empty.run("select row_to_json(m) from public.metrics m"))
    site = json.loads(empty.run("select row_to_json(s) from public.sites s"))
    assert (metric["value"], metric["interval_low"], metric["interval_high"]) == (0.9, None, None)
    assert (site["num_train_scans"], site["version"]) == (7, None)
    assert empty.dump() == migrated.dump()


def test_project_has_the_new_version_only_when_it_has_the_new_rights(empty: Project) -> None:
    *all_but_the_last, last = FILES
    empty.apply(*all_but_the_last)
    assert json.loads(empty.run("select public.fedluna_health()"))["schema_version"] < SCHEMA_VERSION
    empty.apply(last)
    assert json.loads(empty.run("select public.fedluna_health()"))["schema_version"] == SCHEMA_VERSION


def test_schema_that_is_there_already_is_refused_as_a_whole(migrated: Project) -> None:
    before = migrated.dump()
    with pytest.raises(RuntimeError, match='relation "sites" already exists'):
        migrated.apply(SCHEMA)
    assert migrated.dump() == before


def test_tables_are_shut_until_the_rights_are_applied(empty: Project) -> None:
    empty.run("alter default privileges in schema public grant all on tables to anon")  # as in older projects
    empty.apply(SCHEMA)
    planted = "insert into public.login_attempts values ('eve', null, true, now(), 'a1')"
    empty.run(planted)
    assert empty.run("set role anon", "select count(*) from public.login_attempts") == "0"
    with pytest.raises(RuntimeError, match="violates row-level security"):
        empty.run("set role anon", planted)


def test_new_tables_are_shut_until_the_rights_are_applied(empty: Project) -> None:
    empty.run("alter default privileges in schema public grant all on tables to anon")
    empty.apply(SCHEMA, OLDEST_RIGHTS, INTERVALS, MONITOR, OLDER_RIGHTS, AUDIT)
    assert (
        empty.run(
            "select relname from pg_class where relkind = 'r' and not relrowsecurity"
            " and relnamespace = 'public'::regnamespace"
        )
        == ""
    )


@pytest.mark.parametrize(
    ("table", "file"), [("comparisons", MONITOR), ("uploads", MONITOR), ("audit", AUDIT)], ids=str
)
def test_table_of_another_application_is_not_taken_over(empty: Project, table: str, file: Path) -> None:
    empty.apply(*FILES[: FILES.index(file)])
    empty.run(f"create table public.{table} (note text)", f"grant all on public.{table} to anon")
    before = empty.dump()
    with pytest.raises(RuntimeError, match=f"table {table} is of another application"):
        empty.apply(file)
    assert empty.dump() == before


def test_other_applications_in_the_project_stay_as_they_are(empty: Project) -> None:
    empty.run(
        "create schema app",
        "create function app.my_role() returns text language sql as 'select null::text'",
        "create table public.notes (note text)",
        "grant all on public.notes to anon",
        "create policy to_all on public.notes for select using (true)",
        "create function public.count_notes() returns bigint language sql as 'select 1'",
    )
    before = empty.dump()
    empty.apply(*FILES)
    assert set(before) <= set(empty.dump())
