"""Supabase Auth as far as a backend meets it: who a token belongs to, the public keys, signing in and out.

Source: supabase/auth, internal/api (auth.go, user.go, token.go, jwks.go, errors.go) and Supabase's docs "JWTs" and
"Error codes".
"""

import hmac
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sandbox.options import Options
from sandbox.protocol import Answer, Request, json_answer
from sandbox.supabase_tokens import SigningKey, TokenError, make_token, read_token
from sandbox.supabase_users import User, UserBook

LIFETIME_SECONDS = 3600

#: error_code → (HTTP status, message)
ERRORS: Mapping[str, tuple[int, str]] = {
    "bad_json": (400, "Could not parse request body as JSON"),
    "bad_jwt": (403, "invalid JWT: unable to parse or verify signature"),
    "email_not_confirmed": (400, "Email not confirmed"),
    "email_provider_disabled": (422, "Email logins are disabled"),
    "invalid_credentials": (400, "Invalid login credentials"),
    "no_authorization": (401, "This endpoint requires a valid Bearer token"),
    "over_request_rate_limit": (429, "Request rate limit reached"),
    "refresh_token_already_used": (400, "Invalid Refresh Token: Already Used"),
    "refresh_token_not_found": (400, "Invalid Refresh Token: Refresh Token Not Found"),
    "request_timeout": (504, "Processing this request timed out, please retry after a moment."),
    "session_expired": (400, "Invalid Refresh Token: Session Expired"),
    "session_not_found": (403, "Session from session_id claim in JWT does not exist"),
    "unexpected_failure": (500, "Unexpected failure, please check server logs for more information"),
    "user_banned": (403, "User is banned"),
    "user_not_found": (403, "User from sub claim in JWT does not exist"),
    "validation_failed": (400, "Unable to validate the request"),
}

_CODE_OF_STATUS = {401: "no_authorization", 403: "bad_jwt", 429: "over_request_rate_limit", 504: "request_timeout"}


class AuthError(Exception):
    """The request is refused with an error_code of Supabase Auth."""

    def __init__(self, error_code: str, message: str | None = None, status: int | None = None) -> None:
        default_status, default_message = ERRORS.get(error_code, (400, error_code))
        super().__init__(error_code)
        self.error_code = error_code
        self.message = message or default_message
        self.status = status or default_status

    def answer(self, request: Request | None) -> Answer:
        """In the shape of the API version the request asks for; the header carries the code in both."""
        header = ("x-sb-error-code", self.error_code)
        if request is not None and request.headers.get("x-supabase-api-version", "") >= "2024-01-01":
            return json_answer(self.status, {"code": self.error_code, "message": self.message}, header)
        body = {"code": self.status, "error_code": self.error_code, "msg": self.message}
        return json_answer(self.status, body, header)


class Supabase:
    """Answers the requests under /auth/v1, and makes the tokens."""

    name = "supabase"

    def __init__(self, options: Options) -> None:
        self._options = options
        self.users = UserBook()
        self.issuer = ""  #: the `iss` of tokens: the address of this sandbox and /auth/v1
        self._keys: list[SigningKey] = []
        self._foreign_key: SigningKey | None = None
        self._lock = threading.RLock()
        self.signing = options.signing
        self._routes: Mapping[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/auth/v1/user"): self._get_user,
            ("POST", "/auth/v1/token"): self._token,
            ("POST", "/auth/v1/logout"): self._logout,
            ("GET", "/auth/v1/health"): lambda _request: json_answer(200, {"name": "GoTrue", "version": "sandbox"}),
        }

    @staticmethod
    def owns(first_segment: str) -> bool:
        return first_segment == "auth"

    def latency(self, _request: Request) -> float:
        return 0.0

    def forget(self) -> None:
        """Back to the start: no users and no sessions. The keys stay, as tokens may be about."""
        self.users.clear()

    def answer(self, request: Request) -> Answer:
        """As any page may read it: supabase-js calls from the browser, from whatever origin."""
        answer = Answer(200) if request.method == "OPTIONS" else self._answer(request)
        return replace(answer, headers=(*answer.headers, *_for_pages(request)))

    def _answer(self, request: Request) -> Answer:
        if request.path == "/auth/v1/.well-known/jwks.json" and request.method == "GET":
            return self._jwks()
        if refusal := self._apikey_refusal(request):
            return refusal
        route = self._routes.get((request.method, request.path))
        if route is None:
            return json_answer(404, {"code": 404, "msg": "404: Path not found"})
        try:
            return route(request)
        except AuthError as error:
            return error.answer(request)

    def error_answer(self, status: int) -> Answer:
        code = _CODE_OF_STATUS.get(status, "validation_failed" if status < 500 else "unexpected_failure")
        return AuthError(code, status=status).answer(None)

    def faulty_answer(self, _fault: str, params: Mapping[str, Any], request: Request, _answer: Answer | None) -> Answer:
        return AuthError(params["error_code"]).answer(request)

    def save_user(self, **settings: Any) -> User:
        """Make or change a user: email, password, app_metadata, user_metadata, banned, … Raises ValueError."""
        return self.users.save(settings, self._options.clock())

    def rotate(self, *, remove_old: bool = False) -> str:
        """Sign with a new key from now on; its kid. Without the old keys, their tokens are no longer valid."""
        key = SigningKey.new()
        with self._lock:
            self._keys = [key] if remove_old else [key, *self._current_keys()]
        return key.kid

    def switch_signing(self, signing: str) -> None:
        """Sign new tokens with a published key ("es256") or with the project's secret ("hs256")."""
        if signing not in ("es256", "hs256"):
            raise ValueError("signing is es256 or hs256")
        self.signing = signing

    def mint(
        self,
        user: User | str,
        *,
        expires_in: float = LIFETIME_SECONDS,
        foreign: bool = False,
        signing: str | None = None,
        kid: str | None = None,
        session_id: str | None = None,
        **claims: Any,
    ) -> str:
        """An access token for a user (or their id or e-mail address), with a session that exists.

        expires_in may be negative. foreign signs with a key that is not published, or another secret, under our kid.
        claims replace those of a real token (aud="other"); None leaves one out (sub=None).
        """
        user = self._user(user) if isinstance(user, str) else user
        now = int(self._options.clock())
        session_id = session_id or self.users.open_session(user)
        whole = self._claims(user, now, session_id) | {"exp": now + int(expires_in)} | claims
        kept = {name: value for name, value in whole.items() if value is not None}
        signing = signing or self.signing
        if signing == "hs256":
            secret = self._options.jwt_secret
            return make_token(kept, f"not-{secret}" if foreign else secret, kid)
        key = self._current_keys()[0]
        if foreign:
            self._foreign_key = self._foreign_key or SigningKey.new()
            return make_token(kept, self._foreign_key, kid or key.kid)
        return make_token(kept, key, kid)

    def _user(self, name: str) -> User:
        user = self.users.get(name) or self.users.by_email(name)
        if user is None:
            raise ValueError(f"no user {name}")
        return user

    def _current_keys(self) -> list[SigningKey]:
        with self._lock:
            self._keys = self._keys or [SigningKey.new()]
            return self._keys

    def _claims(self, user: User, now: int, session_id: str) -> dict[str, Any]:
        """The claims of an access token (Supabase docs, "JWT claims reference")."""
        return {
            "iss": self.issuer,
            "sub": user.id,
            "aud": "authenticated",
            "exp": now + LIFETIME_SECONDS,
            "iat": now,
            "email": user.email,
            "phone": user.phone,
            "app_metadata": {"provider": "email", "providers": ["email"]} | user.app_metadata,
            "user_metadata": user.user_metadata,
            "role": user.role,
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": session_id,
            "is_anonymous": user.is_anonymous,
        }

    def _apikey_refusal(self, request: Request) -> Answer | None:
        """What the gateway in front of Auth says; not one of Auth's own errors."""
        key, allowed = request.headers.get("apikey"), self._options.supabase_keys
        if not key:
            hint = "No `apikey` request header or url param was found."
            return json_answer(401, {"message": "No API key found in request", "hint": hint})
        if allowed is not None and key not in allowed:
            hint = "Double check your Supabase `anon` or `service_role` API key."
            return json_answer(401, {"message": "Invalid API key", "hint": hint})
        return None

    def _jwks(self) -> Answer:
        """Only keys with a public half are listed: none on HS256."""
        keys = [key.as_jwk() for key in self._current_keys()] if self.signing == "es256" else []
        return json_answer(200, {"keys": keys}, ("Cache-Control", "public, max-age=600"))

    def _authenticated(self, request: Request) -> tuple[User, str, dict[str, Any]]:
        """The user, session and claims of the Bearer token; raises AuthError in the order the server checks."""
        token = request.bearer()
        if token is None:
            raise AuthError("no_authorization")
        keys = self._current_keys() if self.signing == "es256" else []
        try:
            claims = read_token(token, keys, self._options.jwt_secret, self._options.clock())
        except TokenError as error:
            raise AuthError("bad_jwt", f"invalid JWT: unable to parse or verify signature, {error}") from None
        if not claims.get("sub"):
            raise AuthError("bad_jwt", "invalid claim: missing sub claim")
        if not _is_uuid(claims["sub"]):
            raise AuthError("bad_jwt", "invalid claim: sub claim must be a UUID", 400)
        user = self.users.get(claims["sub"])
        if user is None:
            raise AuthError("user_not_found")
        session_id = str(claims.get("session_id", ""))
        if session_id and not self.users.is_open(session_id):
            raise AuthError("session_not_found")
        if user.banned:
            raise AuthError("user_banned")
        return user, session_id, claims

    def _get_user(self, request: Request) -> Answer:
        user, _, claims = self._authenticated(request)
        audience = claims.get("aud")
        if "authenticated" not in (audience if isinstance(audience, list) else [audience]):
            raise AuthError("validation_failed", "Token audience doesn't match request audience")
        return json_answer(200, user.as_json())

    def _token(self, request: Request) -> Answer:
        grant = request.query.get("grant_type")
        try:
            body = request.json()
        except ValueError:
            raise AuthError("bad_json") from None
        if not isinstance(body, Mapping):
            raise AuthError("bad_json")
        if grant == "password":
            return self._sign_in(body)
        if grant == "refresh_token":
            return self._refresh(body)
        return json_answer(400, {"error": "unsupported_grant_type", "error_description": ""})

    def _sign_in(self, body: Mapping[str, Any]) -> Answer:
        user = self.users.by_email(str(body.get("email", "")))
        given = str(body.get("password", "")).encode()
        if user is None or user.password is None or not hmac.compare_digest(user.password.encode(), given):
            raise AuthError("invalid_credentials")
        if not user.email_confirmed:
            raise AuthError("email_not_confirmed")
        return self._session_answer(user, self.users.open_session(user))

    def _refresh(self, body: Mapping[str, Any]) -> Answer:
        found = self.users.use_refresh_token(str(body.get("refresh_token", "")), self._options.clock())
        if isinstance(found, str):
            raise AuthError(found)
        return self._session_answer(*found)

    def _session_answer(self, user: User, session_id: str) -> Answer:
        if user.banned:
            raise AuthError("user_banned", status=400)
        content = {
            "access_token": self.mint(user, session_id=session_id),
            "token_type": "bearer",
            "expires_in": LIFETIME_SECONDS,
            "expires_at": int(self._options.clock()) + LIFETIME_SECONDS,
            "refresh_token": self.users.new_refresh_token(session_id),
            "user": user.as_json(),
        }
        return json_answer(200, content)

    def _logout(self, request: Request) -> Answer:
        """`scope`: global (all sessions of the user, the default), local (this one), others."""
        user, session_id, _ = self._authenticated(request)
        scope = request.query.get("scope", "global")
        if scope == "local":
            self.users.close_session(session_id)
        elif scope in ("global", "others"):
            self.users.close_sessions_of(user, keep=session_id if scope == "others" else None)
        else:
            raise AuthError("validation_failed", "Unsupported logout scope")
        return Answer(204)


def _for_pages(request: Request) -> list[tuple[str, str]]:
    """What lets pages of other origins call and read: whatever headers they ask about, as at Supabase."""
    asked = request.headers.get("access-control-request-headers", "")
    preflight = [
        ("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE,OPTIONS"),
        ("Access-Control-Allow-Headers", asked),
        ("Access-Control-Max-Age", "3600"),
    ]
    read = [("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "X-Supabase-Api-Version")]
    return [*read, *preflight] if request.method == "OPTIONS" else read


def _is_uuid(text: Any) -> bool:
    try:
        uuid.UUID(str(text))
    except ValueError:
        return False
    return True
