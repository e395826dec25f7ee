"""Every setting, once: its variable, the rule for its value, its default, and what it means."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from inbox.config.keys import development_secrets
from inbox.config.names import mistyped
from inbox.config.policies import (
    DATABASE,
    GEMINI,
    MEDIA_STORE,
    SUPABASE,
    WHATSAPP,
    WHATSAPP_MEDIA,
    DatabaseLimits,
    Policy,
)
from inbox.config.setting import read_all, setting, settings_of
from inbox.config.values import (
    MAKE_FERNET,
    BucketAddress,
    address,
    bucket_address,
    database_address,
    digits,
    fernet_key,
    is_local_host,
    listening_place,
    many,
    model,
    one_of,
    origin,
    phone_digits,
    phrase,
    seconds,
    switch,
    token,
    whole,
)
from inbox.errors import ConfigError

_INSTANCE = Path("instance")
#: Platforms whose disks are empty after each restart, by the variable that they set themselves.
_FORGETFUL = {"DYNO": "Heroku", "K_SERVICE": "Cloud Run", "RENDER": "Render"}
#: Seconds that a call may take in all: a lease on a send ends after 20, one on an answer after 60.
_LONGEST = {"WHATSAPP": 15.0, "GEMINI": 45.0, "SUPABASE": 15.0}
_AN_ID = 14  # digits: ids of numbers have 15 and more, phone numbers with their country code 13 at most
_ANY = phrase(1, 4096)
_MAKE_SECRET = "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"  # noqa: S105 (how to make one)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that can be set. Times are seconds."""

    # --- where it runs ---
    env: Literal["production", "development"] = setting(
        "INBOX_ENV",
        one_of("production", "development"),
        "production",
        "`development` makes its own keys, migrates by itself, and takes webhooks unsigned while no secret is set",
    )
    instance_path: Path = setting(
        "INBOX_INSTANCE_PATH", Path, _INSTANCE, "folder for what is kept beside the database", shown="`instance`"
    )
    database_url: str = setting(
        "DATABASE_URL",
        database_address,
        "sqlite:///instance/inbox.db",
        "`postgres://`, `postgresql://` or `sqlite:///`; a remote host gets `sslmode=require` unless the address says "
        "otherwise; port 6543 or `?pgbouncer=true` (a transaction pooler) gets no prepared statements",
        shown="SQLite in that folder",
        secret=True,
    )
    redis_url: str | None = setting(
        "REDIS_URL",
        _ANY,
        None,
        "shares rate limits and bot profiles between processes; give each installation a Redis database of its own",
        secret=True,
    )
    secret_key: str = setting("SECRET_KEY", _ANY, "", "32 characters or more", shown="required", secret=True)
    encryption_keys: tuple[str, ...] = setting(
        "ENCRYPTION_KEYS",
        many(fernet_key),
        (),
        "Fernet keys, comma-separated; the first encrypts access tokens, all decrypt; `accounts rotate-keys` moves to "
        "the first",
        shown="required",
        secret=True,
    )

    # --- processes ---
    web_concurrency: int = setting(
        "WEB_CONCURRENCY",
        whole(1, 100),
        1,
        "processes of one `web`; read by gunicorn, and checked by `db upgrade` before",
    )
    web_threads: int = setting("WEB_THREADS", whole(1, 200), 8, "request threads of a web process")
    deliver_threads: int = setting(
        "DELIVER_THREADS", whole(1, 100), 4, "sends under way at once, per dispatcher; one more while all of them hang"
    )
    answer_threads: int = setting("ANSWER_THREADS", whole(1, 100), 4, "answers being written at once, per dispatcher")
    dispatcher: bool = setting(
        "DISPATCHER",
        switch,
        True,
        "whether web processes do the work as well; `off`: leave it to `flask --app wsgi worker`",
    )
    trusted_proxy_count: int = setting(
        "TRUSTED_PROXY_COUNT", whole(0, 5), 0, "proxies in front whose X-Forwarded headers are believed"
    )
    cors_origins: tuple[str, ...] = setting(
        "CORS_ORIGINS", many(origin), (), "origins whose pages may call the API, comma-separated"
    )
    log_format: Literal["json", "text"] = setting(
        "LOG_FORMAT", one_of("json", "text"), "json", "`json` or `text`", shown="`json`; `text` in development"
    )
    log_level: str = setting(
        "LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "`DEBUG`, `INFO`, `WARNING` or `ERROR`"
    )
    metrics_token: str | None = setting(
        "METRICS_TOKEN",
        phrase(16, 4096),
        None,
        "16 characters or more, which Prometheus shows as a Bearer token; without it there is no `/metrics`",
        secret=True,
    )
    metrics_listen: tuple[str, int] | None = setting(
        "METRICS_LISTEN",
        listening_place,
        None,
        "address and port where a `worker` process answers `/metrics`, such as `127.0.0.1:9101`; needs `METRICS_TOKEN`",
    )

    # --- WhatsApp ---
    whatsapp_api_url: str = setting(
        "WHATSAPP_API_URL", address, "https://graph.facebook.com/v26.0", "the Graph API with its version"
    )
    whatsapp_app_secrets: tuple[str, ...] = setting(
        "WHATSAPP_APP_SECRET",
        many(token),
        (),
        "signs webhooks; several, comma-separated, while rotating",
        shown="required with a number",
        secret=True,
    )
    whatsapp_verify_token: str | None = setting(
        "WHATSAPP_VERIFY_TOKEN", phrase(1, 255), None, "for Meta's handshake", secret=True
    )
    whatsapp_phone_number_id: str | None = setting(
        "WHATSAPP_PHONE_NUMBER_ID", digits, None, "with the access token: makes the default number"
    )
    whatsapp_access_token: str | None = setting(
        "WHATSAPP_ACCESS_TOKEN", token, None, "of that number; a new one also resumes it when it is paused", secret=True
    )
    whatsapp_phone_number: str | None = setting("WHATSAPP_PHONE_NUMBER", phone_digits, None, "its number, for display")
    whatsapp_bot_auto_on: bool = setting(
        "WHATSAPP_BOT_AUTO_ON", switch, True, "new conversations of that number start with the bot on"
    )

    # --- Gemini ---
    demo_simulator_url: str | None = setting(
        "DEMO_SIMULATOR_URL",
        address,
        None,
        "set by `flask demo` alone: where the drawer of the demo writes as a customer and breaks things",
    )
    gemini_api_url: str = setting(
        "GEMINI_API_URL",
        address,
        "https://generativelanguage.googleapis.com/v1beta",
        "where Gemini is asked",
        shown="Google's, `v1beta`",
    )
    gemini_api_key: str | None = setting(
        "GEMINI_API_KEY", token, None, "without it the bot does not answer and asks for people", secret=True
    )
    gemini_model: str = setting("GEMINI_MODEL", model, "gemini-3.5-flash-lite", "a bot profile may name its own")
    gemini_fallback_model: str | None = setting(
        "GEMINI_FALLBACK_MODEL", model, None, "asked when the first is refused or over its daily quota"
    )

    # --- people ---
    supabase_url: str | None = setting("SUPABASE_URL", address, None, "the project whose users may sign in here")
    supabase_key: str | None = setting(
        "SUPABASE_KEY", token, None, "its publishable (or anon) key, which lets new users in", secret=True
    )
    supabase_jwt_secret: str | None = setting(
        "SUPABASE_JWT_SECRET",
        _ANY,
        None,
        "of a project without signing keys, 32 bytes or more: its tokens are checked here instead of by asking; "
        'without `SUPABASE_URL` new users need `"invited": true` in app_metadata',
        secret=True,
    )
    supabase_issuer: str | None = setting(
        "SUPABASE_ISSUER",
        address,
        None,
        "`iss` of its tokens, where a custom domain makes it another",
        shown="`SUPABASE_URL` + `/auth/v1`",
    )
    supabase_grace: float = setting(
        "SUPABASE_GRACE_SECONDS",
        seconds(0, 86_400),
        8 * 3600.0,
        "how long a token stays good beyond its end while Supabase is away and cannot renew it",
    )
    signup: Literal["invited", "open"] = setting(
        "SIGNUP",
        one_of("invited", "open"),
        "invited",
        "which of Supabase's users become members: those it marks as invited, or with `open` all of them",
    )
    session_days: int = setting("SESSION_DAYS", whole(1, 365), 7, "how long a session lasts")
    rate_limit: int = setting(
        "RATE_LIMIT",
        whole(1, 1_000_000),
        600,
        "requests a minute of one user or key; shared between processes by `REDIS_URL`, else per process",
    )
    rate_limit_anonymous: int = setting(
        "RATE_LIMIT_ANONYMOUS",
        whole(1, 1_000_000),
        120,
        "refused or anonymous requests a minute of one address (IPv6: of its /64)",
    )

    webhooks_private: bool = setting(
        "WEBHOOKS_ALLOW_PRIVATE",
        switch,
        False,
        "`on`: webhooks may also go to private networks and over plain http; the demo takes it over",
    )

    knowledge_private: bool = setting(
        "KNOWLEDGE_ALLOW_PRIVATE",
        switch,
        False,
        "`on`: web pages that a bot learns from may stand in private networks",
    )

    # --- the bot and the outbox ---
    human_backup_number: str | None = setting(
        "HUMAN_BACKUP_NUMBER", phone_digits, None, "gets a WhatsApp message when the bot hands a conversation over"
    )
    bot_debounce: float = setting("BOT_DEBOUNCE_SECONDS", seconds(0, 60), 2.0, "quiet time before the bot answers")
    bot_answer_deadline: float = setting(
        "BOT_ANSWER_DEADLINE_SECONDS", seconds(0.05, 3600), 300.0, "then the fallback text goes out, once"
    )
    bot_resume_after: float = setting(
        "BOT_RESUME_SECONDS", seconds(0, 604_800), 1800.0, "how long the bot stays out after a person replied"
    )
    confirm_window: float = setting(
        "CONFIRM_WINDOW_SECONDS", seconds(1, 3600), 120.0, "how long a send of unknown outcome waits for evidence"
    )
    whatsapp_media_seconds: float = setting(
        "WHATSAPP_MEDIA_SECONDS",
        seconds(5, 600),
        WHATSAPP_MEDIA.total,
        "for one file, from asking WhatsApp to the last byte at the client",
    )

    # --- what is kept ---
    account_retention_days: int = setting(
        "ACCOUNT_RETENTION_DAYS",
        whole(0, 3650),
        30,
        "conversations of a removed number are kept, unseen, this long",
    )
    event_retention_days: int = setting("EVENT_RETENTION_DAYS", whole(1, 365), 14, "raw webhooks are kept this long")
    journal_max_bytes: int = setting(
        "JOURNAL_MAX_BYTES",
        whole(0, 2**40),
        64 * 1024 * 1024,
        "webhooks kept on disk while the database is away; 0: none",
    )

    media_dir: Path | None = setting(
        "MEDIA_DIR",
        Path,
        None,
        "folder for the files that customers send; where several machines share a database, one that they share",
        shown="`media` in the instance folder",
    )
    media_s3_url: BucketAddress | None = setting(
        "MEDIA_S3_URL",
        bucket_address,
        None,
        "a bucket for them in the place of a folder: `s3://KEY:SECRET@host/bucket?region=eu-west-1`, of any store that "
        "speaks S3; `http://…` for one on a network of your own",
        secret=True,
    )

    # --- ways back ---
    resilience_retry: bool = setting("RESILIENCE_RETRY", switch, True, "`off`: no call is repeated")
    resilience_breaker: bool = setting("RESILIENCE_BREAKER", switch, True, "`off`: no circuit opens")
    resilience_cache: bool = setting("RESILIENCE_CACHE", switch, True, "`off`: bot profiles are always read")

    # --- read from families of variables: `Policy`, `DatabaseLimits` ---
    whatsapp: Policy = WHATSAPP
    gemini: Policy = GEMINI
    supabase: Policy = SUPABASE
    whatsapp_media: Policy = WHATSAPP_MEDIA
    media_store: Policy = MEDIA_STORE
    database: DatabaseLimits = DATABASE
    platform: str | None = None  #: where this runs, if files there go with each restart
    database_assumed: bool = False  #: DATABASE_URL is not set
    #: Variables that nothing reads, each with the setting whose name it resembles.
    mistyped: tuple[tuple[str, str], ...] = ()

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def media_path(self) -> Path:
        """Where files are kept."""
        return self.media_dir or self.instance_path / "media"

    @property
    def switches(self) -> dict[str, bool]:
        """What can be switched off to go back to plain calls, one by one or all."""
        return {"retry": self.resilience_retry, "breaker": self.resilience_breaker, "cache": self.resilience_cache}

    @property
    def doubts(self) -> list[tuple[str, str]]:
        """What was surely not meant, though it can be so; each with what to do."""
        return [*self._unread(), *self._assumed(), *self._swapped()]

    def _unread(self) -> Iterator[tuple[str, str]]:
        for name, meant in self.mistyped:
            yield f"{name} is set, and nothing reads it", f"Is {meant} meant? Then call it so; or take it out."

    def _assumed(self) -> Iterator[tuple[str, str]]:
        if self.production and self.database_assumed:
            place = self.database_url.removeprefix("sqlite:///")
            yield (
                f"DATABASE_URL is not set, so everything is kept in {place}: where files go with a restart or a "
                "deploy, all messages go with them",
                "Set it to the address of a PostgreSQL database, or, if files last here, to that of this file "
                "(sqlite:////…/inbox.db).",
            )

    def _swapped(self) -> Iterator[tuple[str, str]]:
        number, number_id = self.whatsapp_phone_number, self.whatsapp_phone_number_id
        if number and number_id and (number == number_id or len(number) >= _AN_ID > len(number_id)):
            yield (
                "WHATSAPP_PHONE_NUMBER looks like a phone number id, and WHATSAPP_PHONE_NUMBER_ID like a phone number",
                "The id stands beside the number in Meta's dashboard (WhatsApp, API setup); write each in its place.",
            )

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
            self.metrics_token,
            self.media_s3_url and self.media_s3_url.secret,
        )
        plain = [unquote(password) for password in passwords]
        return tuple(filter(None, [*tokens, *self.encryption_keys, *self.whatsapp_app_secrets, *passwords, *plain]))

    @property
    def dispatcher_connections(self) -> int:
        """Database connections for a dispatcher's threads: of many, most wait for an upstream, and hold none then."""
        threads = self.deliver_threads + self.answer_threads + 1  # the spare one of sends
        return min(threads, 8 + threads // 4)

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Config:
        """Read and check all settings. Raises ConfigError for the first bad one."""
        env = os.environ if env is None else env
        told = read_all(cls, env)
        config = cls(
            **_defaults(told) | told | {"instance_path": _instance(told)},
            database=DatabaseLimits(**read_all(DatabaseLimits, env)),
            platform=next((name for mark, name in _FORGETFUL.items() if env.get(mark)), None),
            database_assumed="database_url" not in told,
            mistyped=mistyped(env, variables()),
        )
        config = replace(config, **_policies(config, env))
        try:
            config.check()
        except ConfigError as error:
            raise _with_hint(error, config.mistyped) from None
        return config

    def check(self) -> None:
        """Rules that span several settings. Raises ConfigError."""
        if self.supabase_jwt_secret and len(self.supabase_jwt_secret.encode()) < 32:  # RFC 7518, section 3.2
            raise ConfigError("SUPABASE_JWT_SECRET", "must have 32 bytes or more; copy it from the project's settings")
        if self.whatsapp_phone_number_id and not self.whatsapp_access_token:
            raise ConfigError("WHATSAPP_ACCESS_TOKEN", "is missing, but WHATSAPP_PHONE_NUMBER_ID is set; set both")
        if self.human_backup_number and self.human_backup_number == self.whatsapp_phone_number:
            raise ConfigError(
                "HUMAN_BACKUP_NUMBER",
                "is WHATSAPP_PHONE_NUMBER itself, and no number can write to itself; set it to a colleague's",
            )
        if self.metrics_listen and not self.metrics_token:
            raise ConfigError("METRICS_TOKEN", "is missing, but METRICS_LISTEN is set; set both")
        if self.production:
            self._check_production()

    def _check_production(self) -> None:
        if self.demo_simulator_url:
            raise ConfigError("DEMO_SIMULATOR_URL", "belongs to the demo; take it out, or set INBOX_ENV=development")
        for name, each in settings_of(Config):
            url = getattr(self, name)
            if each.rule is address and url and _is_plain_and_public(url):
                raise ConfigError(each.variable, "must use https for a public host")
        bucket = self.media_s3_url
        if bucket and _is_plain_and_public(bucket.origin):
            raise ConfigError("MEDIA_S3_URL", "must use s3:// or https:// for a public host")
        if self.platform and self.database_url.startswith("sqlite"):
            raise ConfigError(
                "DATABASE_URL",
                f"names a file, and on {self.platform} files are gone after each restart, with all messages; set it to "
                "the address of a PostgreSQL database",
            )
        nearly = next((name for name, meant in self.mistyped if meant == "DATABASE_URL"), None)
        if self.database_assumed and nearly:
            raise ConfigError("DATABASE_URL", "is missing, and messages would be kept in a file")
        if len(self.secret_key) < 32:
            raise ConfigError("SECRET_KEY", f"must have 32 characters or more; make one with: {_MAKE_SECRET}")
        if not self.encryption_keys:
            raise ConfigError("ENCRYPTION_KEYS", f"is missing; make one with: {MAKE_FERNET}")
        if self.whatsapp_phone_number_id and not self.whatsapp_app_secrets:
            raise ConfigError(
                "WHATSAPP_APP_SECRET",
                "is missing, but a number is configured; copy it from the app's settings (Basic) in Meta's dashboard",
            )


def variables() -> frozenset[str]:
    """Every variable that is read, by us or by gunicorn."""
    plain = {each.variable for holder in (Config, DatabaseLimits) for _, each in settings_of(holder)}
    of_each = {each.variable.replace("…", name) for _, each in settings_of(Policy) for name in _LONGEST}
    return frozenset({"PORT", "FORWARDED_ALLOW_IPS"} | plain | of_each)


def _with_hint(error: ConfigError, mistyped: tuple[tuple[str, str], ...]) -> ConfigError:
    """The same, with the name under which the variable was perhaps given."""
    given = next((name for name, meant in mistyped if meant == error.variable), None)
    if given is None:
        return error
    problem = str(error).removeprefix(f"{error.variable}: ")
    return ConfigError(error.variable, f"{problem} (and {given} is set, which nothing reads)")


def _instance(told: Mapping[str, Any]) -> Path:
    path: Path = told.get("instance_path", Config.instance_path)
    return path.absolute()


def _defaults(told: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that depend on other settings."""
    instance = _instance(told)
    found: dict[str, Any] = {"database_url": f"sqlite:///{instance / 'inbox.db'}"}
    if told.get("env") == "development":
        kept = development_secrets(instance)
        found |= {"secret_key": kept["SECRET_KEY"], "encryption_keys": (kept["ENCRYPTION_KEYS"],), "log_format": "text"}
    return found


def _policies(config: Config, env: Mapping[str, str]) -> dict[str, Any]:
    """How many threads an upstream that is slow may hold: all that are there for it, but never all of the web's."""
    gemini = replace(GEMINI, bulkhead=max(2, config.web_threads // 2, config.answer_threads))
    whatsapp = replace(WHATSAPP, bulkhead=config.deliver_threads + 1)
    supabase = replace(SUPABASE, bulkhead=max(2, config.web_threads // 4))
    media = replace(WHATSAPP_MEDIA, total=config.whatsapp_media_seconds, bulkhead=max(1, config.web_threads // 2))
    store = replace(MEDIA_STORE, total=config.whatsapp_media_seconds, bulkhead=2 + config.web_threads // 2)
    return {
        "whatsapp": whatsapp.read_from(env, "WHATSAPP", longest=_LONGEST["WHATSAPP"]),
        "gemini": gemini.read_from(env, "GEMINI", longest=_LONGEST["GEMINI"]),
        "supabase": supabase.read_from(env, "SUPABASE", longest=_LONGEST["SUPABASE"]),
        "whatsapp_media": media,
        "media_store": store,
    }


def _is_plain_and_public(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_local_host(parts.hostname or "")
