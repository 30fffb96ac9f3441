from pathlib import Path

from fl_store.connect import open_store
from fl_store.rows import EventRow
from tests.store_contract import EVENT


def test_store_of_a_home_is_its_sqlite_file(tmp_path: Path) -> None:
    store = open_store(tmp_path / "new" / "home")
    store.put([EVENT])
    assert store.get(EventRow) == [EVENT]
    store.close()
    assert (tmp_path / "new" / "home" / "fedluna.db").is_file()
