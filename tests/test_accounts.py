from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import bcrypt
import pytest

from fl_core.errors import AccountError, ConfigError
from fl_store import accounts
from fl_store.accounts import (
    add_user,
    check_new_user,
    check_password,
    find_user,
    get_user,
    hash_password,
    set_disabled,
    set_password,
    set_role,
)
from fl_store.base import Store
from fl_store.words import Role

PASSWORD = "correct horse"


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
    "password", ["", "correct hors", "Correct horse", PASSWORD + " ", "x" * 73, "\ud800", "\ufdfa" * 72]
)
def test_other_password_is_wrong(store: Store, password: str) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert check_password(store, "anna", password) is None


@pytest.mark.parametrize("name", ["", "nobody", "*", "\ud800", "a\0", "x" * 10_000])
def test_name_of_nobody_does_not_log_in(store: Store, name: str) -> None:
    assert check_password(store, name, PASSWORD) is None


def test_text_that_cannot_be_a_name_is_nobodys_whatever_the_store_holds(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    store.put([replace(anna, name="an na")])
    assert find_user(store, "an na") is None


def test_disabled_user_does_not_log_in(store: Store) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    set_disabled(store, "anna", is_disabled=True)
    assert check_password(store, "anna", PASSWORD) is None
    set_disabled(store, "anna", is_disabled=False)
    assert check_password(store, "anna", PASSWORD)


def test_unknown_user_costs_as_much_as_a_known_one(
    store: Store, count_checks: Callable[[], list[int]]
) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert check_password(store, "anna", "wrong password") is None
    assert check_password(store, "nobody", "wrong password") is None
    assert count_checks() == [4, 4]


def test_longest_password_counts_to_its_last_byte(store: Store) -> None:
    longest = "seven grey ships wait at noon while the blue kettle sings in the march of 47"[:70] + "ä"
    assert len(longest.encode()) == 72
    add_user(store, "anna", longest, role=Role.ANALYST)
    assert check_password(store, "anna", longest)
    assert check_password(store, "anna", longest[:-1] + "ö") is None
    assert check_password(store, "anna", longest + "x") is None


def test_letter_may_be_spelled_with_its_dots_apart(store: Store) -> None:
    whole, apart = "k\u00e4se brot 99 zug", "ka\u0308se brot 99 zug"
    for name, password in {"anna": whole, "nora": apart}.items():
        add_user(store, name, password, role=Role.ANALYST)
        assert check_password(store, name, whole)
        assert check_password(store, name, apart)


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "has 0 characters, expected at least 10"),
        ("nine char", "has 9 characters, expected at least 10"),
        ("ä" * 37, "has 74 bytes, expected at most 72"),
        ("kettle\udce4\udce4 march", "a character that cannot be shown"),
        ("kettle\tmarch", "cannot be shown, such as a tab; leave it out"),
    ],
)
def test_password_is_refused_without_being_shown(password: str, words: str) -> None:
    with pytest.raises(AccountError, match=words) as refusal:
        hash_password(password, name="anna")
    assert not password or password not in str(refusal.value)


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("1234567890", "a top-100 common password"),
        ("qwertyuiop", "a top-100 common password"),
        ("password123", "a very common password"),
        ("Password2024!", "similar to a commonly used password"),
        ("aaaaaaaaaa", 'Repeats like "aaa"'),
        ("          ", 'Repeats like "aaa"'),
        ("kettlekettle", 'Repeats like "abcabcabc"'),
        ("abcdefghij", 'Sequences like "abc"'),
        ("asdfghjkl;'", "Straight rows of keys"),
        ("22.11.2026", "Dates"),
        ("coordinator", "A word by itself"),
    ],
)
def test_password_that_is_easy_to_guess_is_refused_with_the_reason(password: str, reason: str) -> None:
    with pytest.raises(AccountError, match=r"too easy to guess; add a word or two\. .*" + reason):
        hash_password(password, name="anna")


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("anna-kettle-47", "contains the user name"),
        ("47 kettles of ANNA", "contains the user name"),
        ("Kettle47North", "contains the name of the site"),
        ("FedLuna kettle 47", "contains 'fedluna'"),
    ],
)
def test_password_with_a_name_in_it_is_refused(password: str, words: str) -> None:
    with pytest.raises(AccountError, match=f"{words}; choose one without it"):
        hash_password(password, name="anna", site="north")


@pytest.mark.parametrize("password", [PASSWORD, "blue kettle 47", "x7#kQ-_9Lw", "日本語の長い合言葉です"])
def test_no_kind_of_character_is_demanded(password: str) -> None:
    assert hash_password(password, name="anna")


def test_name_of_two_letters_may_be_in_the_password() -> None:
    assert hash_password("blue kettle 47", name="bl", site="ue")


def test_store_holds_a_bcrypt_hash_only(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    assert anna.password_hash.startswith("$2b$04$")
    assert PASSWORD not in str(vars(anna))


def test_real_hash_has_cost_12(monkeypatch: pytest.MonkeyPatch, real_hash_cost: int) -> None:
    monkeypatch.setattr(accounts, "BCRYPT_COST", real_hash_cost)
    assert hash_password(PASSWORD, name="anna").startswith("$2b$12$")


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
        ({"role": Role.CLIENT}, AccountError, "needs the name of its site"),
        ({"role": Role.ANALYST, "site": "north"}, AccountError, "Role 'analyst' is not bound to a site"),
        ({"role": Role.SERVER, "site": "north"}, AccountError, "leave the site out"),
        ({"role": Role.CLIENT, "site": "North"}, ConfigError, "Site name 'North'"),
    ],
)
def test_role_and_site_must_fit(
    store: Store, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    bob = add_user(store, "bob", PASSWORD, role=Role.ANALYST)
    with pytest.raises(kind, match=words):
        add_user(store, "anna", PASSWORD, **options)
    with pytest.raises(kind, match=words):
        set_role(store, "bob", **options)
    assert (find_user(store, "anna"), find_user(store, "bob")) == (None, bob)


def test_user_that_cannot_be_added_is_refused_before_there_is_a_password(store: Store) -> None:
    add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    with pytest.raises(AccountError, match="exists already"):
        check_new_user(store, "anna", role=Role.ANALYST, site=None)
    check_new_user(store, "nora", role=Role.CLIENT, site="a-site-that-never-joined")


def test_other_role_brings_and_takes_the_site(store: Store) -> None:
    add_user(store, "anna", PASSWORD, role=Role.SERVER)
    at_north = set_role(store, "anna", Role.CLIENT, "north")
    assert (at_north.role, at_north.site) == (Role.CLIENT, "north")
    analyst = set_role(store, "anna", Role.ANALYST)
    assert find_user(store, "anna") == analyst
    assert (analyst.role, analyst.site) == (Role.ANALYST, None)


def test_new_password_replaces_the_old_and_is_dated(store: Store) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    set_password(store, "anna", "another password")
    assert check_password(store, "anna", PASSWORD) is None
    changed = check_password(store, "anna", "another password")
    assert changed is not None
    assert changed.changed_at > anna.changed_at
    assert replace(changed, password_hash="", changed_at=anna.changed_at) == replace(anna, password_hash="")


def test_new_password_may_not_contain_the_site_of_the_user(store: Store) -> None:
    add_user(store, "nora", PASSWORD, role=Role.CLIENT, site="north")
    with pytest.raises(AccountError, match="contains the name of the site"):
        set_password(store, "nora", "kettle north 47")


CHANGES: list[Callable[[Store, str], object]] = [
    lambda store, name: set_password(store, name, "another password"),
    lambda store, name: set_role(store, name, Role.SERVER),
    lambda store, name: set_disabled(store, name, is_disabled=True),
    lambda store, name: set_disabled(store, name, is_disabled=False),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_dated_later_even_if_the_clock_was_set_back(
    store: Store, change: Callable[[Store, str], object]
) -> None:
    anna = add_user(store, "anna", PASSWORD, role=Role.ANALYST)
    tomorrow = anna.changed_at + timedelta(days=1)
    store.put([replace(anna, changed_at=tomorrow)])
    change(store, "anna")
    assert get_user(store, "anna").changed_at > tomorrow


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["bob", "Bob", "\udcff"])
def test_change_of_an_unknown_user_is_refused(
    store: Store, name: str, change: Callable[[Store, str], object]
) -> None:
    with pytest.raises(AccountError, match=r"There is no user '.+'\. `fl-server users list` shows all"):
        change(store, name)
