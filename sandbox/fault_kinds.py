"""Every fault there is: its name, the upstreams it fits, its parameters and what it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

HTTP_UPSTREAMS = ("whatsapp", "gemini", "supabase", "receiver")
#: "any" is each of HTTP_UPSTREAMS; "webhook" is our own POSTs to the application.
UPSTREAMS = (*HTTP_UPSTREAMS, "any", "webhook")

GEMINI_SHAPES = (
    "text",
    "thought_parts",
    "max_tokens_empty",
    "max_tokens_partial",
    "stop_empty",
    "no_candidates",
    "prompt_blocked",
    "safety_partial",
    "function_call",
    "continuation",
    "unknown_finish",
    "retiring",
    "invalid_json",
    "key_invalid",
    "key_unsupported",
    "permission_denied",
    "precondition",
    "thinking_level",
    "last_turn_model",
    "retired",
    "closed_to_new",
    "rate_limit_minute",
    "rate_limit_day",
    "rate_limit_bare",
    "quota_zero",
    "error_list",
    "internal",
    "unavailable",
    "deadline",
    "html_502",
)


_MOST_SECONDS = 1_000_000
_MOST_UNITS = 10**12

_TYPES_IN_WORDS = {
    "number": f"a number from 0 to {_MOST_SECONDS}",
    "integer": f"a whole number from 0 to {_MOST_UNITS}",
    "text": "a string",
    "header": "a string that fits into a header",
    "boolean": "true or false",
}


class FaultError(ValueError):
    """A fault that does not exist, or a parameter it does not take; the message lists what does."""


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter. Without a default it has to be given; a None default also takes null."""

    type: Literal["number", "integer", "text", "header", "boolean"]
    default: Any = ...
    choices: tuple[str, ...] = ()

    def read(self, name: str, value: Any) -> Any:
        """The value, checked; raises FaultError."""
        if value is None and self.default is None:
            return None
        is_bool = isinstance(value, bool)
        fits = {
            "number": isinstance(value, int | float) and not is_bool and 0 <= value <= _MOST_SECONDS,
            "integer": isinstance(value, int) and not is_bool and 0 <= value <= _MOST_UNITS,
            "text": isinstance(value, str),
            "header": isinstance(value, str) and value.isprintable() and value.isascii(),
            "boolean": is_bool,
        }[self.type]
        if not fits:
            raise FaultError(f"{name} must be {_TYPES_IN_WORDS[self.type]}")
        if self.choices and value not in self.choices:
            raise FaultError(f"{name} must be one of {', '.join(self.choices)}")
        return value

    def as_json(self) -> dict[str, Any]:
        required = self.default is ...
        shown = {"type": self.type, "required": required} | ({} if required else {"default": self.default})
        return shown | ({"choices": list(self.choices)} if self.choices else {})


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a fault with this name does; `processed` tells whether the upstream does what was asked (None: as told)."""

    does: str
    upstreams: tuple[str, ...] = (*HTTP_UPSTREAMS, "any")
    params: Mapping[str, Param] = field(default_factory=dict)
    processed: bool | None = True

    def read(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """All parameters with their values; raises FaultError for an unknown, missing or ill-typed one."""
        if unknown := sorted(set(params) - set(self.params)):
            raise FaultError(f"unknown parameter {', '.join(unknown)}; there is {', '.join(self.params) or 'none'}")
        values = {}
        for name, param in self.params.items():
            value = params.get(name, param.default)
            if value is ...:
                raise FaultError(f"{name} is required")
            values[name] = param.read(name, value) if name in params else value
        return values

    def as_json(self) -> dict[str, Any]:
        return {
            "does": self.does,
            "upstreams": list(self.upstreams),
            "params": {name: param.as_json() for name, param in self.params.items()},
            "processed": self.processed,
        }


_FRAMING = Param("text", "content_length", ("content_length", "chunked", "no_length"))
_SECONDS = Param("number", 2)
_PROCESS = Param("boolean", True)

KINDS: Mapping[str, FaultKind] = {
    "hang": FaultKind(
        "reads the request, sends nothing for `seconds`, closes",
        params={"seconds": Param("number", 30)},
        processed=False,
    ),
    "slow": FaultKind("waits `seconds`, then processes and answers", params={"seconds": _SECONDS}),
    "late": FaultKind("processes at once, answers after `seconds`", params={"seconds": _SECONDS}),
    "drip_headers": FaultKind(
        "sends the headers one byte per `interval` seconds, then the body",
        params={"interval": Param("number", 0.1), "framing": _FRAMING},
    ),
    "drip_body": FaultKind(
        "sends the headers, then the body one byte per `interval` seconds",
        params={"interval": Param("number", 0.1), "framing": _FRAMING},
    ),
    "status": FaultKind(
        "answers with the status `code` and a body of the upstream's error shape, of HTML, or none",
        params={
            "code": Param("integer", 503),
            "body": Param("text", "json", ("json", "html", "empty")),
            "retry_after": Param("header", None),
            "process": Param("boolean", False),
        },
        processed=None,
    ),
    "retry_after": FaultKind(
        "answers `code` with `value`, whatever it is, in the Retry-After header",
        params={"value": Param("header", "1"), "code": Param("integer", 429), "process": Param("boolean", False)},
        processed=None,
    ),
    "reset_before": FaultKind("reads the request and resets the connection", processed=False),
    "close_after": FaultKind("processes and closes without an answer"),
    "reset_after": FaultKind("processes and resets the connection without an answer"),
    "cut_headers": FaultKind("processes, sends the status line and half of the headers, closes"),
    "cut_body": FaultKind("processes, sends the headers and half of the body, closes", params={"framing": _FRAMING}),
    "empty_200": FaultKind("answers 200 without a body", params={"process": _PROCESS}, processed=None),
    "html_200": FaultKind("answers 200 with an HTML page", params={"process": _PROCESS}, processed=None),
    "wrong_json": FaultKind(
        "answers 200 with half of the JSON, well framed", params={"process": _PROCESS}, processed=None
    ),
    "wrong_shape": FaultKind(
        "answers 200 with JSON that is nothing the upstream answers",
        params={"process": _PROCESS, "shape": Param("text", "list", ("list", "object", "string", "null"))},
        processed=None,
    ),
    "no_id_200": FaultKind(
        "answers 200 in the right shape, without the message id", ("whatsapp",), {"process": _PROCESS}, processed=None
    ),
    "big_body": FaultKind(
        "answers with the body filled up to `bytes` with blanks", params={"bytes": Param("integer", 200_000_000)}
    ),
    "gzip_bomb": FaultKind(
        "answers with a gzip body that unpacks to the answer and blanks, `bytes` in all",
        params={"bytes": Param("integer", 200_000_000)},
    ),
    "redirect": FaultKind(
        "answers a redirect to `location`",
        params={"location": Param("header"), "code": Param("integer", 302)},
        processed=False,
    ),
    "set_cookie": FaultKind(
        "answers with a Set-Cookie header", params={"value": Param("header", "session=of-another-caller; Path=/")}
    ),
    "close_idle": FaultKind(
        "answers and closes the kept-alive connection after `ms` without a request", params={"ms": Param("integer", 30)}
    ),
    "graph_error": FaultKind(
        "answers Meta's error `code`, with its documented HTTP status or with `status`",
        ("whatsapp",),
        {"code": Param("integer"), "status": Param("integer", None), "process": Param("boolean", False)},
        processed=None,
    ),
    "auth_error": FaultKind(
        "answers the Supabase Auth error with this `error_code`, for example user_banned",
        ("supabase",),
        {"error_code": Param("text", "over_request_rate_limit")},
        processed=False,
    ),
    "shape": FaultKind(
        "answers in the named shape; `seconds` is the RetryInfo of rate_limit_minute",
        ("gemini",),
        {"name": Param("text", ..., GEMINI_SHAPES), "seconds": Param("number", 26)},
        processed=False,
    ),
    "delay": FaultKind("the webhook leaves `seconds` later", ("webhook",), {"seconds": _SECONDS}),
    "drop": FaultKind("the webhook is never sent", ("webhook",), processed=False),
    "duplicate": FaultKind(
        "the webhook is sent `copies` times more, `gap` seconds apart, whatever is answered",
        ("webhook",),
        {"copies": Param("integer", 1), "gap": Param("number", 0)},
    ),
    "reorder": FaultKind(
        "holds webhooks until there are `window` of them or the first has waited `seconds`; the last goes first",
        ("webhook",),
        {"window": Param("integer", 3), "seconds": Param("number", 1)},
    ),
    "batch": FaultKind(
        "puts up to `size` updates into one POST, waiting at most `seconds` for them",
        ("webhook",),
        {"size": Param("integer", 10), "seconds": Param("number", 0.5)},
    ),
    "before_answer": FaultKind(
        "sends the status `sent`, and waits up to `seconds` for its 200, before the send is answered",
        ("webhook",),
        {"seconds": Param("number", 5)},
    ),
    "bad_signature": FaultKind("signs one attempt with another secret", ("webhook",)),
}

#: Of the webhook faults, where each one acts.
BEFORE_SENDING = frozenset({"delay", "drop", "duplicate", "reorder", "batch"})
AT_ATTEMPT = frozenset({"bad_signature"})
AT_ACCEPTANCE = frozenset({"before_answer"})
