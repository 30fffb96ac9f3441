from collections.abc import Callable
from dataclasses import replace
from typing import Any

import bcrypt
import pytest

from fl_core.errors import AccountError, ConfigError
from fl_store import accounts
from fl_store.accounts import add_user, check_password, find_user, hash_password, set_password
from fl_store.base import Store
from fl_store.rows import Role

PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hash cost 1 ms here, not 200."""
    monkeypatch.setattr(accounts, "BCRYPT_COST", 4)


@pytest.fixture
def count_checks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Have the cost of every bcrypt check noted."""
    costs: list[int] = []
    check = bcrypt.checkpw

    def check_and_note(secret: bytes, password_hash: bytes) -> bool:
        costs.append(int(password_hash.split(b"$")[2]))
        return check(secret, password_hash)

    monkeypatch.setattr(bcrypt, "checkpw", check_and_note)
    return lambda: costs


def test_user_logs_in_with_name_and_password(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert check_password(store, "anna", PASSWORD) == anna
    assert check_password(store, " Anna ", PASSWORD) == anna


@pytest.mark.parametrize(
    "password", ["", "correct hors", "Correct horse", PASSWORD + " ", "x" * 73, "\ud800"]
)
def test_other_password_is_wrong(store: Store, password: str) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert check_password(store, "anna", password) is None


@pytest.mark.parametrize("name", ["", "nobody", "*", "\ud800", "a\0", "x" * 10_000])
def test_name_of_nobody_does_not_log_in(store: Store, name: str) -> None:
    assert check_password(store, name, PASSWORD) is None


def test_disabled_user_does_not_log_in(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    store.put([replace(anna, is_disabled=True)])
    assert check_password(store, "anna", PASSWORD) is None


def test_unknown_user_costs_as_much_as_a_known_one(
    store: Store, count_checks: Callable[[], list[int]]
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert check_password(store, "anna", "wrong password") is None
    assert check_password(store, "nobody", "wrong password") is None
    assert count_checks() == [4, 4]


def test_longest_password_counts_to_its_last_byte(store: Store) -> None:
    longest = "ä" * 36
    add_user(store, "anna", longest, role=Role.ANALYST)
    assert check_password(store, "anna", longest)
    assert check_password(store, "anna", "ä" * 35 + "ö") is None
    assert check_password(store, "anna", longest + "x") is None


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("nine char", "has 9 characters, expected at least 10"),
        ("ä" * 37, "has 74 bytes, expected at most 72"),
        ("password\udce4\udce4", "characters that are no text"),
    ],
)
def test_password_is_refused_without_being_shown(password: str, words: str) -> None:
    with pytest.raises(AccountError, match=words) as refusal:
        hash_password(password)
    assert password not in str(refusal.value)


def test_store_holds_a_bcrypt_hash_only(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert anna.password_hash.startswith("$2b$04$")
    assert PASSWORD not in str(vars(anna))


def test_real_hash_has_cost_12(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert hash_password(PASSWORD).startswith("$2b$12$")


@pytest.mark.parametrize("name", ["", "Anna", "a b", "-a", "a" * 33, "anna\n", "äa"])
def test_name_is_refused_with_the_rule(store: Store, name: str) -> None:
    with pytest.raises(AccountError, match="is not accepted: 1 to 32 of a-z"):
        add_user(store, name, PASSWORD, role=Role.ANALYST)


def test_name_that_is_taken_is_refused_and_the_user_stays(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    with pytest.raises(AccountError, match="User 'anna' exists already"):
        add_user(store, "anna", "another password", role=Role.SERVER)
    assert find_user(store, "anna") == anna


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"role": Role.CLIENT}, AccountError, "needs the site it may see: --site NAME"),
        ({"role": Role.ANALYST, "site": "north"}, AccountError, "Role 'analyst' is not bound to a site"),
        ({"role": Role.SERVER, "site": "north"}, AccountError, "leave --site out"),
        ({"role": Role.CLIENT, "site": "North"}, ConfigError, "Site name 'North'"),
    ],
)
def test_role_and_site_must_fit(
    store: Store, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        add_user(store, "anna", PASSWORD, **options)
    assert find_user(store, "anna") is None


def test_new_password_replaces_the_old_and_is_dated(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    set_password(store, "anna", "another password")
    assert check_password(store, "anna", PASSWORD) is None
    changed = check_password(store, "anna", "another password")
    assert changed is not None
    assert changed.changed_at > anna.changed_at
    assert replace(changed, password_hash="", changed_at=anna.changed_at) == replace(anna, password_hash="")


def test_password_of_an_unknown_user_is_refused(store: Store) -> None:
    with pytest.raises(AccountError, match=r"There is no user 'bob'\. `fl-server users list` shows all"):
        set_password(store, "bob", PASSWORD)
