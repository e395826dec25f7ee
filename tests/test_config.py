"""Settings: the first bad variable is one clear line, secrets are never printed."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from inbox.config import Config, is_local_host
from inbox.errors import ConfigError

FERNET = base64.urlsafe_b64encode(b"k" * 32).decode()
PRODUCTION = {"SECRET_KEY": "s" * 32, "ENCRYPTION_KEYS": FERNET}
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_production_is_the_default_and_needs_its_keys() -> None:
    assert Config.from_env(PRODUCTION).production
    for missing in PRODUCTION:
        env = {key: value for key, value in PRODUCTION.items() if key != missing}
        with pytest.raises(ConfigError, match=f"^{missing}: .*make one with: python3 -c"):
            Config.from_env(env)


def test_production_with_a_number_needs_the_app_secret() -> None:
    number = {"WHATSAPP_PHONE_NUMBER_ID": "123", "WHATSAPP_ACCESS_TOKEN": "t"}
    with pytest.raises(ConfigError, match="WHATSAPP_APP_SECRET"):
        Config.from_env(PRODUCTION | number)
    assert Config.from_env(PRODUCTION | number | {"WHATSAPP_APP_SECRET": "a, b"}).whatsapp_app_secrets == ("a", "b")


def test_development_makes_its_own_keys_and_keeps_them(tmp_path: Path) -> None:
    env = {"INBOX_ENV": "development"}
    first, second = Config.from_env(env), Config.from_env(env)
    assert first.secret_key == second.secret_key
    assert first.encryption_keys == second.encryption_keys
    assert (tmp_path / "instance" / "secret_key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INBOX_ENV", "prod"),
        ("WEB_THREADS", "0"),
        ("WEB_THREADS", "many"),
        ("DISPATCHER", "maybe"),
        ("TRUSTED_PROXY_COUNT", "-1"),
        ("LOG_FORMAT", "xml"),
        ("WHATSAPP_PHONE_NUMBER_ID", "12a"),
        ("WHATSAPP_PHONE_NUMBER", "hello"),
        ("HUMAN_BACKUP_NUMBER", "123"),
        ("WHATSAPP_API_URL", "graph.facebook.com"),
        ("WHATSAPP_API_URL", "http://graph.facebook.com/v26.0"),
        ("GEMINI_API_URL", "ftp://x"),
        ("BOT_DEBOUNCE_SECONDS", "nan"),
        ("CONFIRM_WINDOW_SECONDS", "0"),
        ("CORS_ORIGINS", "ftp://origin.test"),
        ("ENCRYPTION_KEYS", "short"),
        ("SECRET_KEY", "short"),
    ],
)
def test_a_bad_value_names_its_variable_and_not_itself(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: ") as caught:
        Config.from_env(PRODUCTION | {name: value})
    assert "\n" not in str(caught.value)
    if len(value) > 4:
        assert value not in str(caught.value)


def test_empty_variables_count_as_unset() -> None:
    config = Config.from_env(PRODUCTION | {"WEB_THREADS": "", "REDIS_URL": " ", "WHATSAPP_APP_SECRET": ","})
    assert (config.web_threads, config.redis_url, config.whatsapp_app_secrets) == (8, None, ())


def test_plain_http_is_taken_for_a_simulator_on_this_machine() -> None:
    config = Config.from_env(PRODUCTION | {"WHATSAPP_API_URL": "http://127.0.0.1:9090/v26.0/"})
    assert config.whatsapp_api_url == "http://127.0.0.1:9090/v26.0"


def test_a_config_prints_no_secret() -> None:
    env = PRODUCTION | {
        "DATABASE_URL": "postgresql://u:hunter2@h/d",
        "WHATSAPP_APP_SECRET": "app-secret",
        "WHATSAPP_ACCESS_TOKEN": "wa-token",
        "GEMINI_API_KEY": "gemini-key",
    }
    shown = repr(Config.from_env(env))
    for secret in ("hunter2", "app-secret", "wa-token", "gemini-key", FERNET, "s" * 32):
        assert secret not in shown


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("db", True), ("10.1.2.3", True), ("::1", True)]
    + [("graph.facebook.com", False), ("8.8.8.8", False), ("2001:4860::1", False), ("a.localhost", True)],
)
def test_what_counts_as_a_local_host(host: str, local: bool) -> None:
    assert is_local_host(host) is local


def test_every_variable_stands_in_the_readme() -> None:
    source = (ROOT / "inbox" / "config.py").read_text()
    readme = (ROOT / "README.md").read_text()
    names = set(re.findall(r'(?:read|self)\.(?!policy)\w+\(\s*"([A-Z][A-Z_]+)"', source))
    families = set(re.findall(r'read\.policy\("([A-Z]+)"', source))
    names |= {f"{family}_…" for family in families} | {
        f"…_{end}" for end in re.findall(r'"\{upstream\}_(\w+)"', source)
    }
    assert len(names) > 45
    assert [name for name in sorted(names) if f"`{name}`" not in readme] == []
