"""Supabase Auth: whose an access token is, a token for a password, and the public keys that tokens are checked with.

Source: supabase/auth, internal/api (user.go, jwks.go, errors.go, apierrors). For a bad token it answers 403, not 401; a
401 without one of its own codes comes from the gateway in front of it and is about our apikey.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from inbox.errors import UpstreamError, UpstreamMisconfigured, UpstreamOutcomeUnknown, UpstreamRejected
from inbox.gateways import http
from inbox.resilience import SUPABASE, About

UPSTREAM = SUPABASE.name
T = TypeVar("T")

_REFUSALS = frozenset({400, 401, 403})  # of the token or the password, where Auth itself answers so
_PASSWORD = "/token?grant_type=password"  # noqa: S105 (an address)


def _subject(
    _gateway: SupabaseAuth, _path: str, headers: dict[str, str], _read: object, body: dict[str, str] | None = None
) -> About:
    """What a call is about. Its silence is nobody's in particular: people wait for it, on the request path."""
    return About(answered=headers.get("Authorization") or (body or {}).get("email"), unanswered=None)


class SupabaseAuth:
    """`url` is the project's, `key` its publishable or anon key.

    Asking may be repeated: it changes nothing, and a second session there that nobody holds the keys of harms nobody.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self._base_url = f"{url}/auth/v1"
        self._headers = {"apikey": key} if key else {}

    def user(self, token: str) -> dict[str, Any]:
        """The user object of the holder of `token`, which must be fit for a header.

        Raises UpstreamRejected when the token is refused. Every other UpstreamError means that we cannot tell.
        """
        return self._ask("/user", {"Authorization": f"Bearer {token}"}, _user)

    def access_token(self, email: str, password: str) -> str:
        """An access token for whom these belong to.

        Raises UpstreamRejected, whose `code` says why: invalid_credentials, email_not_confirmed, user_banned, or
        another. Every other UpstreamError means that we cannot tell.
        """
        return self._ask(_PASSWORD, {}, _access_token, {"email": email, "password": password})

    def jwks(self) -> list[dict[str, Any]]:
        """The published keys (RFC 7517); none when the project signs with a secret. Raises UpstreamError."""
        return self._ask("/.well-known/jwks.json", {}, _keys)

    @SUPABASE.deadline
    @SUPABASE.bulkhead
    @SUPABASE.retry
    @SUPABASE.breaker.about(_subject)
    def _ask(
        self, path: str, headers: dict[str, str], read: Callable[[Any], T | None], body: dict[str, str] | None = None
    ) -> T:
        """What `read` finds in the answer; within the breaker, because an answer that cannot be read is a failure."""
        method = "GET" if body is None else "POST"
        answer = http.exchange(SUPABASE, method, self._base_url + path, headers=self._headers | headers, body=body)
        if answer.status != 200:
            raise _refusal(answer)
        found = read(answer.data)
        if found is None:
            raise UpstreamOutcomeUnknown(UPSTREAM, "the answer is not of the expected shape", http_status=200)
        return found


def _user(data: Any) -> dict[str, Any] | None:
    return data if isinstance(data, dict) and isinstance(data.get("id"), str) else None


def _access_token(data: Any) -> str | None:
    token = data.get("access_token") if isinstance(data, dict) else None
    return token if isinstance(token, str) and token else None


def _keys(data: Any) -> list[dict[str, Any]] | None:
    keys = data.get("keys") if isinstance(data, dict) else None
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else None


def _refusal(answer: http.Answer) -> UpstreamError:
    """The typed error for an answer that is not 200: a token's fault only where Auth itself says so.

    A firewall or a proxy in front of it answers 400, 401 and 403 as well. Were that taken for Auth's word, one that
    blocks us would sign everybody out.
    """
    code, status = _code(answer), answer.status
    if status in _REFUSALS and code is not None:
        return UpstreamRejected(UPSTREAM, "what it was shown is refused", http_status=status, code=code)
    if status in (408, 429) or status >= 500:
        return http.refusal(UPSTREAM, status, answer.headers, scope="project", code=code)
    words = f"HTTP {status}: look at SUPABASE_URL and SUPABASE_KEY"
    return UpstreamMisconfigured(UPSTREAM, words, http_status=status, code=code)


def _code(answer: http.Answer) -> str | None:
    """Auth's own error code, "unknown" where a server from before 2024 gives none; None for an answer of another.

    To a password such a server says {"error": "invalid_grant", "error_description": …} (RFC 6749). The gateway's
    errors have a `message` alone: {"message": "Invalid API key", "hint": …}.
    """
    data = answer.data if isinstance(answer.data, dict) else {}
    for code in (answer.headers.get("x-sb-error-code"), data.get("error_code"), data.get("code")):
        if isinstance(code, str) and code:
            return code[:100]
    if data.get("error") == "invalid_grant":
        return "invalid_credentials"
    return "unknown" if isinstance(data.get("code"), int) and isinstance(data.get("msg"), str) else None
