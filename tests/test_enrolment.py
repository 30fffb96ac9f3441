from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fl_core.errors import ConfigError, KeyFileError, UsageError
from fl_core.keys import PublicKey, fingerprint
from fl_server.enrolment import Enrolments
from fl_store.rows import utc_now

NOW = utc_now()


@pytest.fixture
def enrolments(tmp_path: Path) -> Enrolments:
    return Enrolments(tmp_path)


def make_key() -> PublicKey:
    return ec.generate_private_key(ec.SECP384R1()).public_key()


def test_enrolled_key_is_there_after_a_restart(enrolments: Enrolments, tmp_path: Path) -> None:
    key = make_key()
    enrolments.add("north", key, NOW, replaces=False)
    (found,) = Enrolments(tmp_path)
    assert (found.site, found.key, found.fingerprint) == ("north", key, fingerprint(key))


def test_same_key_twice_is_one_enrolment(enrolments: Enrolments) -> None:
    key = make_key()
    enrolments.add("north", key, NOW, replaces=False)
    assert enrolments.add("north", key, NOW, replaces=False).former_keys == ()


def test_other_key_of_a_site_needs_to_be_asked_for_and_the_old_one_is_remembered(
    enrolments: Enrolments,
) -> None:
    old, new = make_key(), make_key()
    enrolments.add("north", old, NOW, replaces=False)
    with pytest.raises(UsageError, match=r"Site 'north' has another key already \(SHA256:.* give --replace"):
        enrolments.add("north", new, NOW, replaces=False)
    assert enrolments.find("north").key == old
    enrolments.add("north", new, NOW, replaces=True)
    assert (enrolments.find("north").key, enrolments.find("north").former_keys) == (new, (fingerprint(old),))


def test_key_of_another_site_is_refused(enrolments: Enrolments) -> None:
    key = make_key()
    enrolments.add("north", key, NOW, replaces=False)
    with pytest.raises(UsageError, match="This key is that of site 'north'"):
        enrolments.add("south", key, NOW, replaces=True)


def test_renamed_site_keeps_its_key(enrolments: Enrolments) -> None:
    key = make_key()
    enrolments.add("north", key, NOW, replaces=False)
    enrolments.add("south", make_key(), NOW, replaces=False)
    with pytest.raises(UsageError, match="There is a site 'south' already"):
        enrolments.rename("north", "south", NOW)
    enrolments.rename("north", "nord", NOW)
    assert {each.site: each.key == key for each in enrolments} == {"nord": True, "south": False}


def test_site_that_is_not_enrolled_is_told_with_the_command(enrolments: Enrolments) -> None:
    with pytest.raises(UsageError, match="`fl-server sites add north --key FILE` enrols it"):
        enrolments.find("north")
    with pytest.raises(ConfigError, match="Site name"):
        enrolments.find("../north")


@pytest.mark.parametrize("content", ["", "{}", '{"site": "north"}'])
def test_enrolment_that_is_damaged_lets_nobody_in(
    content: str, enrolments: Enrolments, tmp_path: Path
) -> None:
    enrolments.add("north", make_key(), NOW, replaces=False)
    (tmp_path / "enrolled" / "north.json").write_text(content)
    with pytest.raises(KeyFileError, match=r"north\.json cannot be read as an enrolment"):
        list(enrolments)


def test_enrolment_under_another_name_lets_nobody_in(enrolments: Enrolments, tmp_path: Path) -> None:
    enrolments.add("north", make_key(), NOW, replaces=False)
    (tmp_path / "enrolled" / "north.json").rename(tmp_path / "enrolled" / "south.json")
    with pytest.raises(KeyFileError, match=r"south\.json is the enrolment of site 'north'"):
        list(enrolments)
