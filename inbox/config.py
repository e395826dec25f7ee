"""Settings: read once from the environment, checked, frozen. The README lists every variable."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from inbox.errors import ConfigError

Environment = Literal["production", "development"]

_T = TypeVar("_T", str, None)
_SWITCH = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}


MOST_AT_ONCE = 200  #: calls to one upstream in one process


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How an upstream is called. Times are seconds; the README lists the variables."""

    total: float  #: for one job or request, every attempt and pause included
    connect: float
    read: float  #: between two bytes; one attempt takes no longer than this or what is left of the total
    attempts: int = 1
    minimum: float = 1.0  #: an attempt that would have less than this is not begun
    breaker_failures: int = 5  #: in a row; half of the last 20 opens it as well
    breaker_open: float = 30.0
    bulkhead: int = 8  #: calls at once in this process
    line: int = 16  #: more that may wait for a place
    patience: float = 1.0  #: how long they wait, at most
    max_bytes: int = 256 * 1024  #: of an answer


GEMINI = Policy(
    total=15.0,
    connect=3.0,
    read=12.0,
    attempts=3,
    minimum=3.0,
    breaker_failures=5,
    breaker_open=60.0,
    bulkhead=4,
    patience=2.0,
    max_bytes=2 * 1024 * 1024,
)
#: One attempt: repeats of a send belong to the outbox.
WHATSAPP = Policy(total=10.0, connect=3.0, read=7.0, minimum=3.0, breaker_failures=3, breaker_open=30.0, bulkhead=5)
#: A file on its way from WhatsApp to somebody's browser. The largest that WhatsApp takes has 100 MB.
#: A screen of pictures is asked for at once, six by each browser: the line is long, and moves quickly.
WHATSAPP_MEDIA = Policy(
    total=60.0,
    connect=3.0,
    read=10.0,
    minimum=3.0,
    bulkhead=2,
    line=32,
    patience=5.0,
    max_bytes=100 * 1024 * 1024,
)
SUPABASE = Policy(total=5.0, connect=2.0, read=3.0, attempts=2, breaker_failures=5, breaker_open=30.0, bulkhead=2)

#: One attempt, one failure, thirty seconds without: losing Redis costs a lookup 0.2 s once.
REDIS = Policy(total=0.2, connect=0.2, read=0.2, minimum=0.0, breaker_failures=1, breaker_open=30.0)


@dataclass(frozen=True, kw_only=True)
class DatabaseLimits:
    """How long anything may wait for the database. Seconds; all but `pool` are PostgreSQL's alone."""

    connect: float = 3.0  #: to each address of the host
    pool: float = 2.0  #: for a free connection
    statement: float = 10.0
    lock: float = 2.0
    idle: float = 15.0  #: of an open transaction
    breaker_failures: int = 5  #: in a row; half of the last 20 opens it as well
    breaker_open: float = 3.0  #: not the 30 of an upstream: a restart takes two

    @property
    def watchdog(self) -> float:
        """A server that is silent for so long is given up: later than it would end a statement itself."""
        return self.statement + 2.0


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that can be set. Fields that hold secrets stay out of repr(). Times are seconds."""

    env: Environment = "production"
    instance_path: Path = Path("instance")
    database_url: str = field(default="sqlite:///instance/inbox.db", repr=False)
    redis_url: str | None = field(default=None, repr=False)
    secret_key: str = field(default="", repr=False)
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)

    web_threads: int = 8
    deliver_threads: int = 4
    answer_threads: int = 4
    dispatcher: bool = True
    trusted_proxy_count: int = 0
    cors_origins: tuple[str, ...] = ()
    log_format: Literal["json", "text"] = "json"
    log_level: str = "INFO"

    whatsapp_api_url: str = "https://graph.facebook.com/v26.0"
    whatsapp_app_secrets: tuple[str, ...] = field(default=(), repr=False)
    whatsapp_verify_token: str | None = field(default=None, repr=False)
    whatsapp_phone_number_id: str | None = None
    whatsapp_access_token: str | None = field(default=None, repr=False)
    whatsapp_phone_number: str | None = None
    whatsapp_bot_auto_on: bool = True

    gemini_api_url: str = "https://generativelanguage.googleapis.com/v1beta"
    gemini_api_key: str | None = field(default=None, repr=False)
    gemini_model: str = "gemini-3.5-flash-lite"
    gemini_fallback_model: str | None = None

    supabase_url: str | None = None
    supabase_key: str | None = field(default=None, repr=False)
    supabase_jwt_secret: str | None = field(default=None, repr=False)
    supabase_issuer: str | None = None
    supabase_grace: float = 8 * 3600.0
    signup: Literal["invited", "open"] = "invited"
    session_days: int = 7
    account_retention_days: int = 30

    rate_limit: int = 600
    rate_limit_anonymous: int = 120

    whatsapp: Policy = WHATSAPP
    gemini: Policy = GEMINI
    supabase: Policy = SUPABASE
    whatsapp_media: Policy = WHATSAPP_MEDIA
    database: DatabaseLimits = DatabaseLimits()
    resilience_retry: bool = True
    resilience_breaker: bool = True
    resilience_cache: bool = True
    journal_max_bytes: int = 64 * 1024 * 1024

    human_backup_number: str | None = None
    bot_debounce: float = 2.0
    bot_answer_deadline: float = 300.0
    bot_resume_after: float = 1800.0
    confirm_window: float = 120.0
    event_retention_days: int = 14

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def switches(self) -> dict[str, bool]:
        """What can be switched off to go back to plain calls, one by one or all."""
        return {"retry": self.resilience_retry, "breaker": self.resilience_breaker, "cache": self.resilience_cache}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be told anywhere, the passwords within addresses included."""
        passwords = re.findall(r"://[^:/@]*:(.+)@", f"{self.database_url}\n{self.redis_url}")
        tokens = (
            self.secret_key,
            self.whatsapp_verify_token,
            self.whatsapp_access_token,
            self.gemini_api_key,
            self.supabase_key,
            self.supabase_jwt_secret,
        )
        return tuple(filter(None, [*tokens, *self.encryption_keys, *self.whatsapp_app_secrets, *passwords]))

    @property
    def dispatcher_hands(self) -> int:
        """Threads of a dispatcher that may use the database at once."""
        return self.deliver_threads + self.answer_threads

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read and check all settings. Raises ConfigError for the first bad one."""
        read = _Reader(os.environ if env is None else env)
        environment = read.choice("INBOX_ENV", ("production", "development"), "production")
        instance = Path(read.text("INBOX_INSTANCE_PATH") or "instance").absolute()
        production = environment == "production"
        own = {} if production else development_secrets(instance)
        style = "json" if production else "text"
        web_threads = read.integer("WEB_THREADS", cls.web_threads, low=1, high=200)
        deliver_threads = read.integer("DELIVER_THREADS", cls.deliver_threads, low=1, high=100)
        answer_threads = read.integer("ANSWER_THREADS", cls.answer_threads, low=1, high=100)
        # How many threads an ill upstream may hold at once: all that are there for it, but never all of the web's.
        gemini = replace(GEMINI, bulkhead=max(2, web_threads // 2, answer_threads))
        whatsapp = replace(WHATSAPP, bulkhead=deliver_threads + 1)
        supabase = replace(SUPABASE, bulkhead=max(2, web_threads // 4))
        config = cls(
            env="production" if production else "development",
            instance_path=instance,
            database_url=read.text("DATABASE_URL") or f"sqlite:///{instance / 'inbox.db'}",
            redis_url=read.text("REDIS_URL"),
            secret_key=read.text("SECRET_KEY") or own.get("SECRET_KEY", ""),
            encryption_keys=read.words("ENCRYPTION_KEYS") or tuple(filter(None, [own.get("ENCRYPTION_KEYS")])),
            web_threads=web_threads,
            deliver_threads=deliver_threads,
            answer_threads=answer_threads,
            dispatcher=read.switch("DISPATCHER", cls.dispatcher),
            trusted_proxy_count=read.integer("TRUSTED_PROXY_COUNT", 0, low=0, high=5),
            cors_origins=read.origins("CORS_ORIGINS"),
            log_format="json" if read.choice("LOG_FORMAT", ("json", "text"), style) == "json" else "text",
            log_level=read.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
            whatsapp_api_url=read.upstream_url("WHATSAPP_API_URL", cls.whatsapp_api_url, production=production),
            whatsapp_app_secrets=read.words("WHATSAPP_APP_SECRET"),
            whatsapp_verify_token=read.text("WHATSAPP_VERIFY_TOKEN"),
            whatsapp_phone_number_id=read.digits("WHATSAPP_PHONE_NUMBER_ID"),
            whatsapp_access_token=read.text("WHATSAPP_ACCESS_TOKEN"),
            whatsapp_phone_number=read.phone("WHATSAPP_PHONE_NUMBER"),
            whatsapp_bot_auto_on=read.switch("WHATSAPP_BOT_AUTO_ON", cls.whatsapp_bot_auto_on),
            gemini_api_url=read.upstream_url("GEMINI_API_URL", cls.gemini_api_url, production=production),
            gemini_api_key=read.text("GEMINI_API_KEY"),
            gemini_model=read.text("GEMINI_MODEL") or cls.gemini_model,
            gemini_fallback_model=read.text("GEMINI_FALLBACK_MODEL"),
            supabase_url=read.upstream_url("SUPABASE_URL", None, production=production),
            supabase_key=read.text("SUPABASE_KEY"),
            supabase_jwt_secret=read.text("SUPABASE_JWT_SECRET"),
            supabase_issuer=read.upstream_url("SUPABASE_ISSUER", None, production=production),
            supabase_grace=read.seconds("SUPABASE_GRACE_SECONDS", cls.supabase_grace, low=0, high=86_400),
            signup="open" if read.choice("SIGNUP", ("invited", "open"), "invited") == "open" else "invited",
            session_days=read.integer("SESSION_DAYS", cls.session_days, low=1, high=365),
            account_retention_days=read.integer("ACCOUNT_RETENTION_DAYS", cls.account_retention_days, low=0, high=3650),
            rate_limit=read.integer("RATE_LIMIT", cls.rate_limit, low=1, high=1_000_000),
            rate_limit_anonymous=read.integer("RATE_LIMIT_ANONYMOUS", cls.rate_limit_anonymous, low=1, high=1_000_000),
            whatsapp=read.policy("WHATSAPP", whatsapp, longest=15),  # a lease on a send ends after 20
            gemini=read.policy("GEMINI", gemini, longest=45),  # a lease on an answer ends after 60
            supabase=read.policy("SUPABASE", supabase, longest=15),
            whatsapp_media=replace(
                WHATSAPP_MEDIA,
                total=read.seconds("WHATSAPP_MEDIA_SECONDS", WHATSAPP_MEDIA.total, low=5, high=600),
                bulkhead=max(1, web_threads // 4),
            ),
            database=read.database_limits(),
            resilience_retry=read.switch("RESILIENCE_RETRY", True),
            resilience_breaker=read.switch("RESILIENCE_BREAKER", True),
            resilience_cache=read.switch("RESILIENCE_CACHE", True),
            journal_max_bytes=read.integer("JOURNAL_MAX_BYTES", cls.journal_max_bytes, low=0, high=2**40),
            human_backup_number=read.phone("HUMAN_BACKUP_NUMBER"),
            bot_debounce=read.seconds("BOT_DEBOUNCE_SECONDS", cls.bot_debounce, low=0, high=60),
            bot_answer_deadline=read.seconds("BOT_ANSWER_DEADLINE_SECONDS", cls.bot_answer_deadline, high=3600),
            bot_resume_after=read.seconds("BOT_RESUME_SECONDS", cls.bot_resume_after, low=0, high=604_800),
            confirm_window=read.seconds("CONFIRM_WINDOW_SECONDS", cls.confirm_window, low=1, high=3600),
            event_retention_days=read.integer("EVENT_RETENTION_DAYS", cls.event_retention_days, low=1, high=365),
        )
        config.check()
        return config

    def check(self) -> None:
        """Rules that span several settings. Raises ConfigError."""
        for key in self.encryption_keys:
            check_encryption_key(key)
        if self.supabase_jwt_secret and len(self.supabase_jwt_secret.encode()) < 32:  # RFC 7518, section 3.2
            raise ConfigError("SUPABASE_JWT_SECRET", "must have 32 bytes or more; copy it from the project's settings")
        if self.whatsapp_phone_number_id and not self.whatsapp_access_token:
            raise ConfigError("WHATSAPP_ACCESS_TOKEN", "is missing, but WHATSAPP_PHONE_NUMBER_ID is set; set both")
        if not self.production:
            return
        if len(self.secret_key) < 32:
            raise ConfigError("SECRET_KEY", f"must have 32 characters or more; make one with: {_MAKE_SECRET}")
        if not self.encryption_keys:
            raise ConfigError("ENCRYPTION_KEYS", f"is missing; make one with: {_MAKE_FERNET}")
        if self.whatsapp_phone_number_id and not self.whatsapp_app_secrets:
            raise ConfigError(
                "WHATSAPP_APP_SECRET",
                "is missing, but a number is configured; copy it from the app's settings (Basic) in Meta's dashboard",
            )


_MAKE_SECRET = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"  # noqa: S105 (how to make one)
_MAKE_FERNET = "python3 -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"


def check_encryption_key(key: str) -> None:
    """A Fernet key is 32 bytes in URL-safe base64. Raises ConfigError."""
    try:
        usable = len(base64.urlsafe_b64decode(key.encode())) == 32
    except (ValueError, binascii.Error):
        usable = False
    if not usable:
        raise ConfigError("ENCRYPTION_KEYS", f"holds a key that is not a Fernet key; make one with: {_MAKE_FERNET}")


def development_secrets(instance: Path) -> dict[str, str]:
    """SECRET_KEY and ENCRYPTION_KEYS kept in files under `instance`, made on first use (mode 0600)."""
    instance.mkdir(parents=True, exist_ok=True)
    made = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    return {name: _kept(instance / name.lower(), value) for name, value in made.items()}


def _kept(path: Path, value: str) -> str:
    """What `path` holds; `value` is linked there first if nothing is. Two processes starting at once agree on one."""
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(value)
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def is_local_host(host: str) -> bool:
    """True for loopback, private addresses and bare names (compose services): places TLS may be left out for."""
    if host.endswith(".localhost") or not any(mark in host for mark in ".:"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def phone_digits(text: str) -> str:
    """A phone number as E.164 digits without the plus sign. Raises ValueError."""
    bare = text.translate(str.maketrans("", "", "+ -().\u00a0"))
    if not (bare.isascii() and bare.isdigit() and 7 <= len(bare) <= 15):
        raise ValueError("must be a phone number with its country code, such as +33612345678")
    return bare


class _Reader:
    """Reads typed values out of an environment. An empty variable counts as unset."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def text(self, name: str) -> str | None:
        return self._env.get(name, "").strip() or None

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in (self.text(name) or "").split(",") if word.strip())

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name) or default
        if value not in allowed:
            raise ConfigError(name, f"must be one of: {', '.join(allowed)}")
        return value

    def switch(self, name: str, default: bool) -> bool:
        value = (self.text(name) or ("on" if default else "off")).lower()
        if value not in _SWITCH:
            raise ConfigError(name, "must be on or off")
        return _SWITCH[value]

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        value = self.text(name)
        try:
            number = int(value) if value is not None else default
        except ValueError:
            raise ConfigError(name, f"must be a whole number from {low} to {high}") from None
        if not low <= number <= high:
            raise ConfigError(name, f"must be a whole number from {low} to {high}")
        return number

    def seconds(self, name: str, default: float, *, low: float = 0.05, high: float) -> float:
        value = self.text(name)
        try:
            number = float(value) if value is not None else default
        except ValueError:
            raise ConfigError(name, f"must be seconds, from {low:g} to {high:g}") from None
        if not low <= number <= high:  # also refuses nan
            raise ConfigError(name, f"must be seconds, from {low:g} to {high:g}")
        return number

    def policy(self, upstream: str, default: Policy, *, longest: float) -> Policy:
        """NAME_TOTAL_TIMEOUT, NAME_CONNECT_TIMEOUT and so on over the defaults."""
        total = self.seconds(f"{upstream}_TOTAL_TIMEOUT", default.total, high=longest)
        return replace(
            default,
            total=total,
            connect=self.seconds(f"{upstream}_CONNECT_TIMEOUT", min(default.connect, total), high=total),
            read=self.seconds(f"{upstream}_READ_TIMEOUT", min(default.read, total), high=total),
            attempts=self.integer(f"{upstream}_ATTEMPTS", default.attempts, low=1, high=10),
            minimum=min(default.minimum, total / 2),
            breaker_failures=self.integer(f"{upstream}_BREAKER_FAILURES", default.breaker_failures, low=1, high=1000),
            breaker_open=self.seconds(f"{upstream}_BREAKER_OPEN_SECONDS", default.breaker_open, high=3600),
            bulkhead=self.integer(f"{upstream}_BULKHEAD", default.bulkhead, low=1, high=MOST_AT_ONCE),
        )

    def database_limits(self) -> DatabaseLimits:
        """DATABASE_STATEMENT_TIMEOUT and so on over the defaults."""
        default = DatabaseLimits()
        return DatabaseLimits(
            connect=self.seconds("DATABASE_CONNECT_TIMEOUT", default.connect, low=1, high=30),
            pool=self.seconds("DATABASE_POOL_TIMEOUT", default.pool, high=30),
            statement=self.seconds("DATABASE_STATEMENT_TIMEOUT", default.statement, low=1, high=60),
            lock=self.seconds("DATABASE_LOCK_TIMEOUT", default.lock, high=60),
            idle=self.seconds("DATABASE_IDLE_TIMEOUT", default.idle, low=1, high=300),
            breaker_failures=self.integer("DATABASE_BREAKER_FAILURES", default.breaker_failures, low=1, high=1000),
            breaker_open=self.seconds("DATABASE_BREAKER_OPEN_SECONDS", default.breaker_open, high=300),
        )

    def digits(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and not (value.isascii() and value.isdigit()):
            raise ConfigError(name, "must be digits only")
        return value

    def phone(self, name: str) -> str | None:
        """A phone number as E.164 digits without the plus sign."""
        value = self.text(name)
        try:
            return None if value is None else phone_digits(value)
        except ValueError as error:
            raise ConfigError(name, str(error)) from None

    def origins(self, name: str) -> tuple[str, ...]:
        origins = self.words(name)
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.path or parts.query:
                raise ConfigError(name, "must be origins such as https://inbox.example.com, separated by commas")
        return origins

    def upstream_url(self, name: str, default: _T, *, production: bool) -> str | _T:
        """An http(s) address without a trailing slash; production takes plain http only for local hosts."""
        value = self.text(name)
        if value is None:
            return default
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError(name, "must be an address such as https://host/path")
        if production and parts.scheme == "http" and not is_local_host(parts.hostname):
            raise ConfigError(name, "must use https for a public host")
        return value.rstrip("/")
