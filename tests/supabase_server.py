"""A real Supabase-compatible server for tests and benches: Postgres with ``@supabase/lite`` in front of it.

It needs Debian's ``postgresql`` and, once, ``npm ci`` in ``tests/supabase``. Everything is thrown away at the
end. It is not PostgREST itself: whole numbers above 2**53 lose digits, a CHECK that fails is status 500 with
code SUP, NaN reads as null, and an argument of a function that should be json arrives as a text.
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx

from fl_core.processes import end_child, find_free_port, start_child

HERE = Path(__file__).parent / "supabase"
MIGRATIONS = Path(__file__).parent.parent / "supabase" / "migrations"
LITE = HERE / "node_modules" / "@supabase" / "lite" / "dist" / "cli" / "index.js"
START_TIMEOUT_S = 30.0
TOKEN_LIFE_S = 3600


def find_postgres_programs() -> Path:
    """Return the folder of ``initdb``, ``postgres`` and ``psql``; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return found[-1] if found else Path(shutil.which("initdb") or "/usr/bin/initdb").parent


def find_node() -> Path:
    """Return the Node that ``npm ci`` brought, or the machine's own where npm has none to bring."""
    found = list((HERE / "node_modules").glob("node-linux-*/bin/node"))
    return found[0] if found else Path(shutil.which("node") or "/usr/bin/node")


class Postgres:
    """A throw-away database cluster on a loopback port."""

    def __init__(self, log_file: Path) -> None:
        self.port = find_free_port()
        self._programs = find_postgres_programs()
        self._folder = Path(tempfile.mkdtemp(prefix="fedluna-postgres-"))
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster, with the order of texts that hosted Supabase has, and wait until it answers."""
        as_postgres: list[str] = []
        if os.geteuid() == 0:  # which Postgres refuses to run as
            as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
            shutil.chown(self._folder, "postgres", "postgres")
        locale = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en_US.UTF-8"]
        initdb = [f"{self._programs}/initdb", f"--pgdata={self._folder}", "--username=postgres", *locale]
        subprocess.run([*as_postgres, *initdb, "--auth=trust"], check=True, stdout=subprocess.DEVNULL)
        address = ["-h", "127.0.0.1", "-p", str(self.port), "-c", "unix_socket_directories="]
        command = [*as_postgres, f"{self._programs}/postgres", "-D", str(self._folder), *address]
        self._process = start_child(command, log_file=self._log_file, env=dict(os.environ))
        wait_until(self._answers, what="Postgres", process=self._process, log_file=self._log_file)

    def psql(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the psql program as superuser; rows come unaligned, the first error ends it."""
        url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        command = [f"{self._programs}/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *options, url]
        return subprocess.run(command, text=True, capture_output=True, check=False)

    def stop(self) -> None:
        """End the cluster and delete its files."""
        if self._process:
            end_child(self._process)
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        return self.psql("-c", "select 1").returncode == 0


class SupabaseServer:
    """A Supabase project on this machine; ``with SupabaseServer.start(folder) as server`` ends it too.

    The server reads which tables and functions exist at its start: after changing them, restart it.
    """

    def __init__(self, folder: Path) -> None:
        self.publishable_key = f"sb_publishable_{secrets.token_urlsafe(24)}"
        self.secret_key = f"sb_secret_{secrets.token_urlsafe(24)}"
        self._jwt_secret = secrets.token_urlsafe(32)
        self._port = find_free_port()
        self._folder = folder
        self._postgres = Postgres(folder / "postgres.log")
        self._api: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, folder: Path, *, with_schema: bool = True) -> Self:
        """Return a running project, with the tables of our migrations or empty; its logs go to ``folder``."""
        server = cls(folder)
        try:
            server._postgres.start()
            server.apply(HERE / "roles.sql")
            if with_schema:
                server.apply(*sorted(MIGRATIONS.glob("*.sql")))
            server.restart()
        except BaseException:
            server.stop()
            raise
        return server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_running(self) -> bool:
        """Whether the API server is there; Postgres always is."""
        return self._api is not None and self._api.poll() is None

    def token_for(self, auth_user_id: str) -> str:
        """Return the token of somebody who signed in; send it beside the publishable key."""
        claims = {"sub": auth_user_id, "role": "authenticated", "exp": int(time.time()) + TOKEN_LIFE_S}
        parts = [to_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        signature = hmac.digest(self._jwt_secret.encode(), ".".join(parts).encode(), hashlib.sha256)
        return ".".join([*parts, to_base64url(signature)])

    def psql(self, sql: str) -> str:
        """Run SQL as superuser and return the rows, a line each with ``|`` between the columns."""
        done = self._postgres.psql("-c", sql)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def apply(self, *files: Path) -> None:
        """Run SQL files with psql, each as one transaction, as our documentation tells people to."""
        for file in files:
            done = self._postgres.psql("--single-transaction", "-f", str(file))
            if done.returncode:
                raise RuntimeError(done.stderr.strip())

    def empty(self) -> None:
        """Delete every row of every table, so that the next test begins with a bare project."""
        tables = self.psql(
            "select string_agg(format('%I.%I', schemaname, tablename), ', ') from pg_tables"
            " where schemaname not in ('auth', 'information_schema', 'pg_catalog', 'supabase_migrations')"
        )
        if tables:
            self.psql(f"truncate {tables}")

    def kill(self) -> None:
        """Kill the API server as a crash would; Postgres stays."""
        if self._api:
            self._api.kill()
            self._api.wait()

    def restart(self) -> None:
        """Start the API server again, on the same port and with the same keys."""
        self.kill()
        project = self._folder / "supabase"
        project.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "config.toml", project)
        command = [
            str(find_node()),
            str(LITE),
            "start",
            "--no-admin",
            "--config",
            str(project / "config.toml"),
        ]
        log_file = self._folder / "api.log"
        self._api = start_child(command, log_file=log_file, env=self._environment())
        wait_until(self._answers, what="The API server", process=self._api, log_file=log_file)

    def stop(self) -> None:
        """End both servers."""
        self.kill()
        self._postgres.stop()

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LITE_PORT": str(self._port),
            "LITE_DB_URL": f"postgres://authenticator@127.0.0.1:{self._postgres.port}/postgres",
            "LITE_JWT_SECRET": self._jwt_secret,
            "LITE_PUBLISHABLE_KEY": self.publishable_key,
            "LITE_SECRET_KEY": self.secret_key,
            "LITE_TELEMETRY": "0",
            "DO_NOT_TRACK": "1",
        }

    def _answers(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/rest/v1/no_table", headers={"apikey": self.secret_key})
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.NOT_FOUND


def to_base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def wait_until(
    answers: Callable[[], bool], *, what: str, process: subprocess.Popen[bytes], log_file: Path
) -> None:
    """Return when the server answers; raise RuntimeError with the end of its log when it does not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start. Its log ends:\n{log_file.read_text()[-2000:]}")
        time.sleep(0.05)
