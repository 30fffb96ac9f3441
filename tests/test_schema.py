from dataclasses import fields
from types import NoneType
from typing import get_args, get_type_hints

import pytest

from fl_store.rows import Row
from fl_store.schema import ORDERED_BY, TABLES

ROW_TYPES = list(Row.__args__)


def test_every_kind_of_row_has_a_table_and_an_order() -> None:
    assert set(TABLES) == set(ORDERED_BY) == set(ROW_TYPES)


@pytest.mark.parametrize("row_type", ROW_TYPES)
def test_columns_are_the_fields_of_the_row(row_type: type) -> None:
    assert list(TABLES[row_type].c.keys()) == [field.name for field in fields(row_type)]


@pytest.mark.parametrize("row_type", ROW_TYPES)
def test_column_may_be_empty_exactly_where_the_field_may_be_none(row_type: type) -> None:
    hints = get_type_hints(row_type)
    assert {column.name for column in TABLES[row_type].c if column.nullable} == {
        name for name, hint in hints.items() if NoneType in get_args(hint)
    }


@pytest.mark.parametrize("row_type", ROW_TYPES)
def test_rows_are_ordered_by_a_column_that_is_always_there(row_type: type) -> None:
    assert not TABLES[row_type].c[ORDERED_BY[row_type]].nullable
