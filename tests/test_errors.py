import re

import pytest

from fl_core import errors
from fl_core.errors import FedLunaError, UsageError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FedLunaError)]


@pytest.mark.parametrize("kind", ALL)
def test_exit_code_is_two_exactly_where_the_caller_can_mend_it(kind: type[FedLunaError]) -> None:
    assert kind.exit_code == (2 if issubclass(kind, UsageError) else 1)


def test_tree_at_the_top_of_the_file_names_every_error() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+Error)", errors.__doc__ or "", flags=re.MULTILINE)
    assert drawn == sorted(drawn, key=[kind.__name__ for kind in ALL].index)
    assert set(drawn) == {kind.__name__ for kind in ALL}
