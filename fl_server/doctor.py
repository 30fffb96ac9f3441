"""Looks at everything that a coordinator needs, and says of each thing how it is and what to do."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from fl_core.disk import look_at_disk
from fl_core.errors import StoreError
from fl_core.findings import Finding, Level
from fl_server import machine_checks, store_checks
from fl_store.connect import open_local_store
from fl_store.outbox import Outbox
from fl_store.sqlite import FILE_NAME


def examine(config_path: Path | None, home: Path) -> Iterator[Finding]:
    """Yield what there is to say of a coordinator whose folder is ``home``, one thing after the other."""
    config, finding = machine_checks.read_configuration(config_path)
    yield finding
    yield from machine_checks.look_at_secrets(Path(".env"))
    yield from machine_checks.look_at_ports(config, home)
    yield look_at_disk(home, needed_gb=1.0, wished_gb=5.0)
    yield machine_checks.look_at_certificates(config, home)
    yield from _examine_stores(home)


def _examine_stores(home: Path) -> Iterator[Finding]:
    if not (home / FILE_NAME).is_file():
        yield Finding("local store", Level.OK, f"There is none in {home} yet; the first run makes it.")
        yield from store_checks.look_at_supabase()
        return
    try:
        store = open_local_store(home)
    except StoreError as error:
        yield store_checks.unusable_store(error)
        yield from store_checks.look_at_supabase()
        return
    with closing(store):
        yield from store_checks.look_at_store(store)
        yield from store_checks.look_at_supabase()
        yield from store_checks.look_at_outbox(Outbox(store))
