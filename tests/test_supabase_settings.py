import base64
import json

import pytest

from fl_core.errors import ConfigError
from fl_store.supabase_settings import SupabaseSettings, key_kind

HTTPS = "https://project.supabase.co"


def old_key(role: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"role": role}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl"


def test_secret_keys_of_both_forms_are_known() -> None:
    assert key_kind("sb_secret_abc") == key_kind(old_key("service_role")) == "secret"


@pytest.mark.parametrize(
    ("url", "key", "words"),
    [
        (HTTPS, "", "SUPABASE_KEY is not set"),
        ("", "sb_secret_x", "SUPABASE_URL is not set"),
        ("project.supabase.co", "sb_secret_x", "expected the project's address"),
        (f"{HTTPS}/rest/v1", "sb_secret_x", "expected the project's address"),
        ("https://[broken", "sb_secret_x", "expected the project's address"),
        ("http://project.supabase.co", "sb_secret_x", "in the clear"),
        (HTTPS, "sb_publishable_x", "is a publishable key, expected a secret key"),
        (HTTPS, old_key("anon"), "is a key of the role 'anon', expected a secret key"),
        (HTTPS, "hunter2.hunter2.hunter2", "is no key of Supabase"),
    ],
)
def test_wrong_setting_is_told_without_the_key(url: str, key: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        SupabaseSettings.read({"SUPABASE_URL": url, "SUPABASE_KEY": key})
    assert not key or key not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_without_settings_supabase_is_not_configured() -> None:
    assert SupabaseSettings.read({}) is None
    assert SupabaseSettings.read({"SUPABASE_URL": "", "SUPABASE_KEY": " "}) is None


def test_key_is_not_in_the_text_of_the_settings() -> None:
    settings = SupabaseSettings.read({"SUPABASE_URL": HTTPS + "/", "SUPABASE_KEY": "sb_secret_x"})
    assert settings == SupabaseSettings(HTTPS, "sb_secret_x")
    assert "sb_secret_x" not in repr(settings)
