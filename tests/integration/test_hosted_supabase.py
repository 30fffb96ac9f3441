"""The store's contract on a hosted Supabase project, on purpose only: CONTRIBUTING.md says how."""

import os
from collections.abc import Iterator
from typing import get_args

import pytest

from fl_store.rows import Row
from fl_store.run_rows import RunRow
from fl_store.schema import TABLES
from fl_store.supabase import SupabaseStore
from fl_store.supabase_settings import SupabaseSettings
from tests.store_contract import RUN, StoreContract

URL, KEY = (os.environ.get(name, "") for name in ("SUPABASE_TEST_URL", "SUPABASE_TEST_KEY"))
if not (URL and KEY):
    pytest.skip("SUPABASE_TEST_URL and SUPABASE_TEST_KEY are not set", allow_module_level=True)


@pytest.fixture
def store() -> Iterator[SupabaseStore]:
    """The project without a row; one that holds a run of others is not for tests."""
    opened = SupabaseStore(SupabaseSettings(URL, KEY))
    if any(run.run_id != RUN.run_id for run in opened.get(RunRow)):
        pytest.fail("SUPABASE_TEST_URL holds runs; the tests empty its tables, so give a project of its own.")
    for row_type in get_args(Row):
        table = TABLES[row_type]
        key = table.primary_key.columns[0].name
        opened._client.table(table.name).delete().neq(key, "").execute()
    yield opened
    opened.close()


class TestHostedSupabase(StoreContract):
    """A hosted project keeps the contract."""


def test_hosted_project_is_ready(store: SupabaseStore) -> None:
    health = store.health()
    assert health.missing_rights == ()
    assert abs(health.clock_ahead_s) < 60
