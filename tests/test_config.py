"""Settings: the first bad variable is one clear line, secrets are never printed."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inbox.accounts.schemas import AccountBody
from inbox.config import GEMINI, SUPABASE, WHATSAPP, Config, DatabaseLimits, Policy, is_local_host, values
from inbox.config.names import mistyped
from inbox.config.setting import settings_of
from inbox.config.settings import variables
from inbox.db import normalise_url
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


@pytest.mark.parametrize(("threads", "connections"), [(4, 9), (100, 58)])
def test_many_threads_that_mostly_wait_share_few_connections(threads: int, connections: int) -> None:
    config = Config(env="development", deliver_threads=threads, answer_threads=threads)
    assert config.dispatcher_connections == connections


def test_development_says_in_one_line_that_its_folder_is_none(tmp_path: Path) -> None:
    (tmp_path / "instance").touch()
    with pytest.raises(ConfigError, match=r"^INBOX_INSTANCE_PATH: must be a folder that can be written to"):
        Config.from_env({"INBOX_ENV": "development"})


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
        ("WEB_CONCURRENCY", "two"),
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
    config = Config.from_env(PRODUCTION | {"WHATSAPP_API_URL": "http://127.0.0.1:8090/v26.0/"})
    assert config.whatsapp_api_url == "http://127.0.0.1:8090/v26.0"


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


def _rows() -> set[str]:
    """What docs/settings.md has to say, a line for each setting."""
    plain = [each for holder in (Config, DatabaseLimits) for _, each in settings_of(holder)]
    rows = {f"| `{each.variable}` | {each.shown} | {each.meaning} |" for each in plain}
    for name, each in settings_of(Policy):
        if name != "bulkhead":  # its defaults depend on the threads
            cells = " | ".join(f"{getattr(policy, name):g}" for policy in (WHATSAPP, GEMINI, SUPABASE))
            rows.add(f"| `{each.variable}` | {cells} | {each.meaning} |")
    return rows


def test_the_document_of_settings_is_complete_and_right() -> None:
    lines = set((ROOT / "docs" / "settings.md").read_text().splitlines())
    assert len(_rows()) > 55
    assert _rows() - lines == set()


def test_the_document_names_no_variable_that_is_not_read() -> None:
    known = {each.variable for holder in (Config, DatabaseLimits, Policy) for _, each in settings_of(holder)}
    known |= {"PORT", "FORWARDED_ALLOW_IPS"}  # gunicorn's
    told = re.findall(r"^\| `([^`]+)`", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE)
    assert set(told) == known
    assert len(told) == len(known)


# --- one rule for both doors -------------------------------------------------------------------------------------

KEYS = ["WHATSAPP_ACCESS_TOKEN", "GEMINI_API_KEY", "SUPABASE_KEY", "WHATSAPP_APP_SECRET"]


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("value", ["\u201cAIza-key\u201d", "AIza\nkey", "AIza key", "x" * 5000])
def test_a_key_that_no_header_can_carry_is_refused_at_start(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: must be 1 to 4096 ASCII characters without blanks$"):
        Config.from_env(PRODUCTION | {name: value})


@given(st.text(min_size=1, max_size=30))
def test_the_environment_takes_a_token_when_the_api_takes_it(text: str) -> None:
    body = {"name": "x", "phone_number_id": "1", "access_token": text}
    try:
        taken = AccountBody.model_validate(body).access_token
    except ValidationError:
        with pytest.raises(ValueError, match="ASCII"):
            values.token(text)
    else:
        assert taken is not None
        assert values.token(text) == taken.get_secret_value()


def test_a_model_has_one_rule_too() -> None:
    with pytest.raises(ConfigError, match=r"^GEMINI_MODEL: must be a model's name"):
        Config.from_env(PRODUCTION | {"GEMINI_MODEL": "models/../../keys"})


@pytest.mark.parametrize("value", ["20", "50", "inf"])
@pytest.mark.parametrize(("name", "longest"), [("WHATSAPP_TOTAL_TIMEOUT", 15), ("WHATSAPP_READ_TIMEOUT", 10)])
def test_no_timeout_outlives_the_lease_on_the_work(name: str, longest: int, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: must be seconds, from 0.05 to {longest}$"):
        Config.from_env(PRODUCTION | {name: value})


COMMON = """
PATH HOME LANG TZ HOSTNAME SESSION_MANAGER PYTHONUNBUFFERED VIRTUAL_ENV FLASK_APP SECRET_KEY_BASE RENDER_WEB_CONCURRENCY
HEROKU_POSTGRESQL_AMBER_URL REDIS_TLS_URL DATABASE_PUBLIC_URL REDISPORT SUPABASE_ANON_KEY SUPABASE_DB_URL POSTGRES_URL
PGDATABASE KUBERNETES_PORT INBOX_PORT INBOX_SERVICE_HOST INBOX_PORT_8000_TCP_ADDR INBOX_WEB_SERVICE_PORT REDIS_PORT
GOOGLE_API_KEY GEMINI_CLI_HOME MEDIA_ROOT MEDIA_URL LOG_FILE INVOCATION_ID JOURNAL_STREAM STATE_DIRECTORY GITHUB_TOKEN
WORKER_THREADS REDIS_HOST REDIS_USER REDIS_PASSWORD DATABASE_HOST DATABASE_USER DATABASE_NAME DATABASE_PORT SESSION_KEY
SESSION_DATA WEB_URL WEB_PORT BOT_TOKEN API_KEY ACCESS_TOKEN SECRET_TOKEN POST HOST MEDIA_DIRECTORY_LISTING
DATABASE_CONNECTION_POOL_URL DATABASE_POOL_SIZE RATE LOG_DIR LOG_PATH HTTP_PROXY https_proxy no_proxy WHATSAPP_APP_ID
WHATSAPP_WABA_ID WHATSAPP_BUSINESS_ID GEMINI_READ_TIMEOUT PORT DATABASE_URL INBOX_ENV
""".split()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("WHATSAPP_TOKNE", "WHATSAPP_ACCESS_TOKEN"),
        ("INBOX_INSTANCE", "INBOX_INSTANCE_PATH"),
        ("INBOX_ENVIRONMENT", "INBOX_ENV"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("ENCRYPTION_KEY", "ENCRYPTION_KEYS"),
        ("GEMINI_KEY", "GEMINI_API_KEY"),
        ("GEMINI_READ_TIMEOUTS", "GEMINI_READ_TIMEOUT"),
        ("GEMINI_APIKEY", "GEMINI_API_KEY"),
        ("database_url", "DATABASE_URL"),
        ("REDIS_URI", "REDIS_URL"),
        ("RESILIENCE_RETRIES", "RESILIENCE_RETRY"),
        ("LOG_FMT", "LOG_FORMAT"),
        ("BOT_DEBOUNCE", "BOT_DEBOUNCE_SECONDS"),
        ("SUPABASE_JWT", "SUPABASE_JWT_SECRET"),
    ],
)
def test_a_mistyped_name_is_noticed(given: str, meant: str) -> None:
    assert mistyped([given], variables()) == ((given, meant),)
    others = variables() - {meant}
    assert mistyped([given, *others], variables()) == ((given, meant),), "what is not set is meant before what is"
    assert mistyped([given, *variables()], variables()) == ((given, meant),), "nobody reads it all the same"


def test_a_missing_setting_names_what_was_perhaps_meant_for_it() -> None:
    env = {"SECRET_KEY": "s" * 32, "ENCRYPTION_KEY": FERNET}
    with pytest.raises(ConfigError, match=r"^ENCRYPTION_KEYS: is missing.*ENCRYPTION_KEY is set, which nothing reads"):
        Config.from_env(env)


@pytest.mark.parametrize("given", ["DATABSE_URL", "DATABASE_URI", "database_url"])
def test_production_does_not_fall_back_to_a_file_when_the_database_s_name_is_mistyped(given: str) -> None:
    with pytest.raises(ConfigError, match=f"^DATABASE_URL: is missing.*and {given} is set, which nothing reads"):
        Config.from_env(PRODUCTION | {given: "postgres://u:p@db.example.com/inbox"})
    Config.from_env(PRODUCTION | {given: "x", "DATABASE_URL": "sqlite:////var/lib/inbox/inbox.db"})


def _doubts(**env: str) -> str:
    return " ".join(found for found, _do in Config.from_env(PRODUCTION | env).doubts)


def test_a_file_that_nobody_chose_is_doubted_in_production() -> None:
    assert f"everything is kept in {Path.cwd()}/instance/inbox.db" in _doubts()
    assert _doubts(DATABASE_URL="sqlite:////var/lib/inbox/inbox.db") == ""
    assert _doubts(INBOX_ENV="development") == ""


def test_a_backup_number_is_not_the_number_itself() -> None:
    with pytest.raises(ConfigError, match=r"^HUMAN_BACKUP_NUMBER: is WHATSAPP_PHONE_NUMBER itself"):
        Config.from_env(PRODUCTION | {"HUMAN_BACKUP_NUMBER": "+33 612345678", "WHATSAPP_PHONE_NUMBER": "33612345678"})


@pytest.mark.parametrize(
    ("number", "number_id", "doubted"),
    [
        ("+33612345678", "106540352242922", False),
        ("106540352242922", "33612345678", True),
        ("+33612345678", "33612345678", True),
        ("+33612345678", "1", False),
    ],
)
def test_a_number_and_its_id_that_are_swapped_are_doubted(number: str, number_id: str, doubted: bool) -> None:
    env = {"WHATSAPP_PHONE_NUMBER": number, "WHATSAPP_PHONE_NUMBER_ID": number_id, "WHATSAPP_ACCESS_TOKEN": "t"}
    assert ("like a phone number" in _doubts(WHATSAPP_APP_SECRET="s", **env)) is doubted


def test_what_is_common_in_environments_is_no_alarm() -> None:
    assert mistyped(COMMON, variables()) == ()
    assert mistyped([*COMMON, *variables()], variables()) == ()


@pytest.mark.parametrize(("mark", "platform"), [("DYNO", "Heroku"), ("K_SERVICE", "Cloud Run"), ("RENDER", "Render")])
def test_production_keeps_nothing_in_a_file_that_a_restart_takes_away(mark: str, platform: str) -> None:
    with pytest.raises(ConfigError, match=rf"^DATABASE_URL: names a file, and on {platform} files are gone"):
        Config.from_env(PRODUCTION | {mark: "web.1"})
    there = Config.from_env(PRODUCTION | {mark: "web.1", "DATABASE_URL": "postgres://u:p@db.example.com/inbox"})
    assert there.platform == platform
    assert Config.from_env(PRODUCTION).platform is None


@pytest.mark.parametrize("address", ["sqlite:", "sqlite://", "sqlite:///"])
def test_a_database_without_a_file_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: names no file; write sqlite:////"):
        Config.from_env(PRODUCTION | {"DATABASE_URL": address})


def test_an_at_sign_in_the_database_s_password_is_one_line_that_shows_none_of_it() -> None:
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: .*percent-encode it: @ is %40") as caught:
        Config.from_env(PRODUCTION | {"DATABASE_URL": "postgres://inbox:hunter@2real@db.example.com/inbox"})
    assert not any(part in str(caught.value) for part in ("hunter", "2real", "db.example.com"))


def test_an_encoded_password_is_a_secret_in_both_spellings() -> None:
    config = Config.from_env(PRODUCTION | {"DATABASE_URL": "postgres://inbox:hunter%402real@db.example.com/inbox"})
    assert {"hunter%402real", "hunter@2real"} <= set(config.secrets)


def test_a_port_that_is_none_is_said_without_the_address() -> None:
    with pytest.raises(ConfigError) as caught:
        normalise_url("postgresql://u:secret@host:54x/db")
    assert "54x" not in str(caught.value)
