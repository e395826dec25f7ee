"""Logging: one line per record, JSON or text, with the request id, and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from contextvars import ContextVar
from typing import Any, Literal

from pythonjsonlogger.json import JsonFormatter

from inbox.clock import new_id

_request_id: ContextVar[str] = ContextVar("request_id", default="")

#: Tokens by their shapes: Meta's, Google's, Supabase's (JWT and keys), ours, and anything after "Bearer ".
_SECRETS = re.compile(
    r"EAA[A-Za-z0-9]{20,}|AIza[\w-]{20,}|AQ\.[\w-]{20,}|eyJ[\w-]{10,}\.[\w-]+\.?[\w-]*"
    r"|sb_(?:secret|publishable)_\w+|inbox_[A-Za-z0-9_-]{20,}|(?<=[Bb]earer )[^\s\"',]+"
)


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
    return _SECRETS.sub("[redacted]", text)


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = _request_id.get() or None
        message = record.getMessage()
        record.msg, record.args = redact(message), None
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        for key, value in record.__dict__.items():
            if key not in _STANDARD and isinstance(value, str):
                record.__dict__[key] = redact(value)
        return True


_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "exc_text"}


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        extras = " ".join(
            f"{key}={value}" for key, value in record.__dict__.items() if key not in _STANDARD and value is not None
        )
        return f"{line} {extras}".rstrip()


def configure(log_format: Literal["json", "text"], level: str) -> None:
    """Send every record to stdout. Calling it again replaces what an earlier call set up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_Redacting())
    formatter: logging.Formatter
    if log_format == "json":
        fields: dict[str, Any] = {"levelname": "level", "name": "logger", "asctime": "time"}
        formatter = JsonFormatter(
            "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields=fields, json_ensure_ascii=False
        )
        formatter.default_msec_format = "%s.%03d"
    else:
        formatter = _TextFormatter("%(asctime)s %(levelname)-7s %(message)s")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        if getattr(old, "inbox", False):
            root.removeHandler(old)
    handler.inbox = True  # type: ignore[attr-defined]  # our mark, so that a second call finds it
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings print URLs
    for chatty in ("werkzeug", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
