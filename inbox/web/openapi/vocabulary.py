"""The words of the OpenAPI document that no route can tell: what is common to all of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID

if TYPE_CHECKING:
    from inbox.web.openapi.failures import Failure
    from inbox.web.openapi.operations import Operation

_DESCRIPTION = """\
A WhatsApp team inbox: customers write, a bot answers, people read along, take over and reply.

**Who is calling.** `Authorization: Bearer …` with an API key (`inbox_…`), a session's token or a Supabase access
token; or the session cookie of `POST /auth/login` or `/auth/session`, with `X-CSRF-Token` on every write. A key is
made by `flask --app wsgi keys create --name "Front desk" --role manager`, or by `POST /admin/keys`.

**Requests** are JSON in UTF-8. Unknown fields and parameters, and parameters given twice, are refused by name; types
are not guessed. Text never holds U+0000. Public routes overlook parameters they do not know; bodies whose schema does
not say `additionalProperties: false` ignore fields they do not know.

**Answers** are JSON, snake_case; times are RFC 3339 in UTC with milliseconds, ids are UUIDs. Lists are arrays; the next
page is in `Link: <…>; rel="next"`. What is read has an `ETag`; a matching `If-None-Match` is answered 304. Every GET
answers HEAD as well. `X-Request-Id` (20 to 200 characters of `A-Za-z0-9._:@=+-`) is taken from the request or made.

**Errors** are `application/problem+json` (RFC 9457) with a stable `code`. 401: no or bad credentials. 403: known, but
not allowed. 404: not there, or not for you. 429 and 503 say in `Retry-After` when to come back; 503 means that we
cannot find out or cannot store something at the moment, and that the same request will work later.
"""
INFO = {"title": "Inbox", "description": _DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}}

TAGS = {
    "accounts": "The business numbers. Their tokens go in and never come out.",
    "admin": "What operators see and do: circuit breakers, the cache, incidents, dead letters, the audit log.",
    "auth": "Who is calling, and signing in and out.",
    "bot": "What the bot knows of a business, and what it would answer.",
    "contacts": "The customers.",
    "conversations": "One customer with one business number each.",
    "docs": "This document, and a page that shows it.",
    "health": "For platforms, load balancers and people: is it there, can it work, what is it waiting for.",
    "keys": "API keys, for programs.",
    "knowledge": "Files, texts and web pages that a bot answers from.",
    "messages": "What was said, and replying.",
    "page": "What browsers open; for programs there is nothing here.",
    "webhook endpoints": "Addresses of your own systems that are told what happens, signed and in order.",
    "reports": "How long customers waited.",
    "team": "What colleagues keep beside conversations: notes, labels, canned replies, drafts, and who is where.",
    "templates": "Texts that WhatsApp has approved, for when the reply window is closed.",
    "users": "Who may do what.",
    "webhooks": "For Meta: WhatsApp delivers here.",
}

_PHRASES = {
    200: "Done.",
    201: "Made.",
    202: "Stored; the rest is done in the background.",
    304: "What you have is still right.",
}

_PLACEHOLDERS: dict[Any, dict[str, Any]] = {UUID: {"type": "string", "format": "uuid"}, str: {"type": "string"}}

#: What a parameter of this name means, whatever the route; a description of its own comes first.
PARAMETERS: dict[str, dict[str, str]] = {
    "account_id": {"description": "A business number, of `GET /accounts`."},
    "assigned_to": {"description": "Only what this user looks after."},
    "before": {"description": "Only what is older, by WhatsApp's time."},
    "cursor": {
        "description": "Where the page begins: from the `Link` of the page before. Of lists with the newest first, a "
        "time as well: only what is older.",
        "format": "cursor",
    },
    "label_id": {"description": "Only conversations with this label."},
    "limit": {"description": "Rows on a page."},
    "needs_human": {"description": "Only conversations that wait for a person, or only those that do not."},
    "open": {"description": "Only what goes on, or only what is over."},
    "q": {"description": "Part of a name or a number; of fewer than three characters, their beginning."},
    "unread": {"description": "Only conversations with unread messages, or only those without."},
    "updated_since": {"description": "Only what changed since, by our clock; the newest change first."},
    "upstream": {"description": "Only what this one did."},
}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Under this id the request is in our logs.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:@=+-]{20,200}$"},
    },
    "ETag": {"description": "For If-None-Match.", "required": True, "schema": {"type": "string"}},
    "Link": {
        "description": 'The next page: `<…>; rel="next"`. Missing on the last one. A page of a thread that newer '
        'messages follow has `<…>; rel="prev"` as well.',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds until the same request may work.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {"description": "How to say who you are.", "schema": {"type": "string"}},
    "RateLimit-Limit": {
        "description": "Requests per window.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "RateLimit-Remaining": {
        "description": "Requests left in this window.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Reset": {
        "description": "Seconds until the next window.",
        "schema": {"type": "integer", "minimum": 0},
    },
}
_RATE = [name for name in HEADERS if name.startswith("RateLimit")]

HEADER_PARAMETERS: dict[str, dict[str, Any]] = {
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what you have.",
        "schema": {"type": "string"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key gives the same answer, however often it is sent. `client_key` does the same.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
}


def security_schemes(session_cookie: str) -> dict[str, Any]:
    """Ways to say who is calling."""
    return {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, a session's token or a Supabase access token.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": session_cookie,
            "description": "Set by POST /auth/login. `__Host-inbox_session` over TLS, `inbox_session` at a desk.",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "The `csrf_token` of GET /auth/me, for writes with the cookie.",
        },
    }


def references(*names: str) -> dict[str, Any]:
    """Headers of an answer."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def of_success(operation: Operation) -> dict[str, Any]:
    """The headers of an answer that is no error."""
    names = ["X-Request-Id", *(_RATE if operation.counted else [])]
    names += ["ETag"] if operation.conditional else []
    names += (
        ["Link"] if operation.contract.query is not None and "cursor" in operation.contract.query.model_fields else []
    )
    return references(*names)


def of_failure(status: int) -> dict[str, Any]:
    """The headers of an error."""
    own = {401: ["WWW-Authenticate"], 429: ["Retry-After", *_RATE], 503: ["Retry-After"]}
    return references("X-Request-Id", *own.get(status, []))


def placeholder(kind: Any) -> dict[str, Any]:
    """The schema of a part of a path that a view takes as `kind`."""
    return _PLACEHOLDERS.get(kind) or {"type": "string", "enum": list(get_args(kind))}


def phrase(status: int) -> str:
    return _PHRASES.get(status, f"{HTTPStatus(status).phrase}.")


def problem(failure: Failure) -> dict[str, Any]:
    """The body of an error, as an example."""
    made = {
        "type": f"urn:inbox:error:{failure.code}",
        "title": failure.title,
        "status": failure.status,
        "detail": failure.code,
        "instance": "/conversations",
        "code": failure.code,
        "request_id": "01a20a6e110770448226b0a52c5aa899",
    }
    if failure.code == "validation_error":
        made["errors"] = [
            {"pointer": "?limit", "code": "int_parsing", "problem": "must be a whole number", "values": {}}
        ]
    return made
