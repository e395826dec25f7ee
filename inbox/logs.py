"""Logging: one line per record, JSON or text, with the request id, and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, TextIO
from urllib.parse import quote, unquote

from pythonjsonlogger.json import JsonFormatter

from inbox.clock import new_id

_request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Tokens by their shapes: Meta's, Google's, Supabase's (JWT and keys) and ours; by their places: after "Bearer", as a
#: parameter of an address, and before its "@". What stands before such a place is kept.
_SECRETS = re.compile(
    r"EAA[A-Za-z0-9]{20,}|AIza[\w-]{20,}|AQ\.[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]+\.?[\w-]*"
    r"|sb_(?:secret|publishable)_\w+|inbox_[A-Za-z0-9_-]{20,}"
    r"|(?P<place>(?:Bearer|bearer|BEARER)\s+|[?&](?:key|access_token|hub\.verify_token)=)[^\s\"'&,\\]{4,}"
    r"|(?P<user>://[^\s/@:]*:)[^\s/@]+(?=@)"
)
#: What none of them is without. A search for these takes 6 us a line, one for the patterns 27; most lines have none.
_HINTS = re.compile(r"EAA|AIza|AQ\.|eyJ|sb_|inbox_|Bearer|bearer|BEARER|key=|token=|://")
_SHORTEST = 12  # characters of a secret that is looked for as it is; a shorter one may be a word that occurs anyway
#: What PostgreSQL says about the row of a failed statement, down to the next thing that is said.
_ROW = re.compile(r"^DETAIL:.*?(?=^(?:\[SQL|\(Background|The above|During)|\Z)", re.M | re.S)


def request_id() -> str:
    """The id of the request or job this thread works on; made on first use."""
    current = _request_id.get()
    if not current:
        current = new_id().hex
        _request_id.set(current)
    return current


def set_request_id(value: str) -> None:
    """Name the work this thread does from here on."""
    _request_id.set(value)


def redact(text: str) -> str:
    """`text` with everything that looks like a token replaced."""
    if not _HINTS.search(text):
        return text
    return _SECRETS.sub(lambda found: f"{found['place'] or found['user'] or ''}[redacted]", text)


class Thinned:
    """Warnings that a stranger can cause at will: one line for each message and address in a minute.

    How many were left out is said when the next minute has begun, with its first warning.
    """

    ADDRESSES = 100  #: in one minute; all further ones count as one

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._times: Counter[tuple[str, str]] = Counter()
        self._until = 0.0

    def warning(self, message: str, address: str) -> None:
        """Log it, or count it."""
        with self._lock:
            ended = self._end_minute()
            known = (message, address) in self._times or len(self._times) < self.ADDRESSES
            key = message, address if known else "others"
            self._times[key] += 1
            first = self._times[key] == 1
        for (said, where), times in ended.items():
            if times > 1:
                self._logger.warning(said, extra={"address": where, "more": times - 1})
        if first:
            self._logger.warning(message, extra={"address": key[1]})

    def _end_minute(self) -> Counter[tuple[str, str]]:
        """What was counted in the minute that is over."""
        now, ended = self._clock(), self._times
        if now < self._until:
            return Counter()
        self._times, self._until = Counter(), now + 60.0
        return ended


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to stdout. Whole lines are redacted, so that no traceback and no extra of any type is missed."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(sys.stdout)
        forms = {form for secret in secrets if len(secret) >= _SHORTEST for form in _spellings(secret)}
        longest_first = sorted(forms, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def format(self, record: logging.LogRecord) -> str:
        record.request_id = _request_id.get() or None
        if record.exc_text:  # of another handler's formatter
            record.exc_text = _without_rows(record.exc_text)
        line = redact(super().format(record))
        return self._known.sub("[redacted]", line) if self._known else line


def _spellings(secret: str) -> set[str]:
    """As it is, and as it stands in an address or in JSON."""
    return {secret, unquote(secret), quote(secret, safe=""), json.dumps(secret, ensure_ascii=False)[1:-1]}


_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _Discreet(logging.Formatter):
    """Times in UTC; tracebacks without the rows that PostgreSQL quotes: they hold what customers wrote."""

    converter = staticmethod(time.gmtime)
    default_time_format, default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"

    def formatException(self, ei: _ExcInfo) -> str:
        return _without_rows(super().formatException(ei))


def _without_rows(traceback: str) -> str:
    return _ROW.sub("DETAIL: [left out]\n", traceback)


class _JSONFormatter(_Discreet, JsonFormatter):
    pass


_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "exc_text"}


class _TextFormatter(_Discreet):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extras = " ".join(
            f"{key}={value}" for key, value in record.__dict__.items() if key not in _STANDARD and value is not None
        )
        return f"{line} {extras}".rstrip()


def configure(log_format: Literal["json", "text"], level: str, secrets: Iterable[str] = ()) -> None:
    """Send every record to stdout, without any of `secrets`. Calling it again replaces what an earlier call set up."""
    handler = _Handler(secrets)
    formatter: logging.Formatter
    if log_format == "json":
        fields: dict[str, Any] = {"levelname": "level", "name": "logger", "asctime": "time"}
        formatter = _JSONFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields, json_ensure_ascii=False
        )
    else:
        formatter = _TextFormatter("%(asctime)s %(levelname)-7s %(message)s")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    gunicorn = logging.getLogger("gunicorn.error")  # its handler would print what a bad request holds as it is
    gunicorn.handlers.clear()
    gunicorn.propagate = True
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings print URLs
    for chatty in ("werkzeug", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
