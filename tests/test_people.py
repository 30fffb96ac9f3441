import os
import pwd

import pytest

from fl_server.people import describe_person, name_terminal_user
from fl_store.accounts import USER_NAME_PATTERN


def test_user_at_the_terminal_is_the_operating_systems() -> None:
    assert name_terminal_user() == f"{pwd.getpwuid(os.getuid()).pw_name} at the terminal"


def test_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_123)
    assert name_terminal_user() == "user 4000000123 at the terminal"


def test_words_say_where_somebody_asked() -> None:
    assert describe_person("anna") == "anna in the monitor"
    assert describe_person("root at the terminal") == "root at the terminal"
    assert " " not in USER_NAME_PATTERN  # so that the two cannot be confused
