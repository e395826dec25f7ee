"""What a client may see. Routes let these rise; `web.problems` maps each to one problem+json answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from inbox.errors.base import InboxError


class DomainError(InboxError):
    """The request cannot be done; the client is told why. `code` is stable, `title` is for people."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "The request is not valid."

    def __init__(
        self,
        title: str | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = title or self.title
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
        super().__init__(self.message)


@dataclass(frozen=True)
class FieldProblem:
    """One bad field: `pointer` is an RFC 6901 JSON pointer into the body, or `?name` for a query parameter."""

    pointer: str
    problem: str

    def as_dict(self) -> dict[str, str]:
        return {"pointer": self.pointer, "problem": self.problem}


class InvalidRequest(DomainError):
    """Fields of the body or the query are wrong; every bad one is listed."""

    code = "validation_error"
    title = "Some fields are not valid."

    def __init__(self, problems: Sequence[FieldProblem], title: str | None = None) -> None:
        super().__init__(title, extra={"errors": [problem.as_dict() for problem in problems]})
        self.problems = list(problems)


class NotJSON(DomainError):
    """The body is not the JSON it should be."""

    code = "not_json"
    title = "The body is not valid JSON. Send JSON in UTF-8 with Content-Type: application/json."


class JSONTooComplex(DomainError):
    """The body is JSON, but of more values or levels than any request of ours has."""

    code, title = "json_too_complex", "The body is nested too deeply, or holds too many values."


class UnsupportedEncoding(DomainError):
    """The body is compressed, or in another character set."""

    code = "unsupported_encoding"
    title = "Send the body in UTF-8, and not compressed: without Content-Encoding, and without another charset."


class PayloadTooLarge(DomainError):
    """The body is larger than this route takes."""

    status, code, title = 413, "payload_too_large", "The body is too large."


class MissingCredentials(DomainError):
    """No credentials came with a request that needs them."""

    status, code = 401, "missing_token"
    title = "Say who you are: send Authorization: Bearer with an API key (flask --app wsgi keys create)."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="inbox"'})


class InvalidCredentials(DomainError):
    """Credentials came, but they are unknown, expired or revoked."""

    status, code, title = 401, "invalid_token", "These credentials are not valid, or no longer valid."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="inbox", error="invalid_token"'})


class InvalidSignature(DomainError):
    """A webhook without the signature of one of our app secrets."""

    status, code, title = 401, "invalid_signature", "The signature does not match the body."


class PermissionDenied(DomainError):
    """The caller is known, but may not do this."""

    status, code, title = 403, "permission_denied", "You may not do this."


class UserDisabled(DomainError):
    """Their credentials are right, but an administrator has switched them off."""

    status, code, title = 403, "user_disabled", "Your access has been switched off. Ask an administrator."


class NotAMember(DomainError):
    """The identity provider knows them, but nobody has let them in here."""

    status, code = 403, "not_a_member"
    title = "You are signed in, but not a member here. Ask an administrator to add your e-mail address."


class WrongPassword(DomainError):
    """The name or the password is wrong; not said which."""

    status, code, title = 401, "wrong_password", "The e-mail address or the password is wrong."


class NotExchangeable(DomainError):
    """A session was to be begun with something else than a Supabase access token that has not ended."""

    status, code = 409, "not_exchangeable"
    title = "Show a Supabase access token that has not ended, as Authorization: Bearer. Others are not exchanged."


class ForgedRequest(DomainError):
    """A write with a session cookie that another site could have made the browser send."""

    status, code = 403, "csrf_failed"
    title = "Send the csrf_token of GET /auth/me in the X-CSRF-Token header, or use Authorization: Bearer."


class TooManyRequests(DomainError):
    """Over a limit."""

    status, code, title = 429, "too_many_requests", "Too many requests. Wait as long as Retry-After says."


class UserNotFound(DomainError):
    """No such user."""

    status, code, title = 404, "user_not_found", "There is no such user."


class UserExists(DomainError):
    """Somebody has this e-mail address already."""

    status, code, title = 409, "user_exists", "There is a user with this e-mail address already."


class RoleNotFound(DomainError):
    """No such role."""

    status, code, title = 404, "role_not_found", "There is no such role."


class RoleExists(DomainError):
    """Another role has this slug."""

    status, code, title = 409, "role_exists", "There is a role with this slug already. Choose another one."


class RoleBuiltIn(DomainError):
    """admin, manager and viewer are part of the program."""

    status, code = 409, "role_built_in"
    title = "This role is built in and stays as it is. Make a role of your own instead."


class RoleInUse(DomainError):
    """A role is to be deleted that somebody has; `users` and `keys` name some of them."""

    status, code = 409, "role_in_use"
    title = "Somebody has this role. Give them another one first; users and keys say who they are."


class HasNoPassword(DomainError):
    """A password was to be set for somebody whom the identity provider knows."""

    status, code = 409, "has_no_password"
    title = "This user signs in with Supabase. Change the password there."


class LastAdmin(DomainError):
    """Nobody would be left who can give permissions."""

    status, code = 409, "last_admin"
    title = "Nobody would be left who can make an administrator. Make somebody else an administrator first."


class KeyNotFound(DomainError):
    """No such API key."""

    status, code, title = 404, "key_not_found", "There is no such API key, or it is revoked already."


class DeadLetterNotFound(DomainError):
    """No such dead letter."""

    status, code, title = 404, "dead_letter_not_found", "There is no such dead letter."


class AccountExists(DomainError):
    """The phone number id is in use."""

    status, code, title = 409, "account_exists", "There is an account with this phone_number_id already."


class MediaNotFound(DomainError):
    """The message has no file, or WhatsApp has it no longer (it keeps customers' files for 7 days)."""

    status, code, title = 404, "media_not_found", "This message has no file, or WhatsApp has it no longer."


class AccountNotFound(DomainError):
    """No such business number."""

    status, code, title = 404, "account_not_found", "There is no such account."


class ConversationNotFound(DomainError):
    """No such conversation, or none the caller may see."""

    status, code, title = 404, "conversation_not_found", "There is no such conversation."


class MessageNotFound(DomainError):
    """No such message, or none the caller may see."""

    status, code, title = 404, "message_not_found", "There is no such message."


class CircuitBreakerNotFound(DomainError):
    """No circuit breaker has this name."""

    status, code = 404, "circuit_breaker_not_found"
    title = "There is no such circuit breaker. GET /admin/circuit-breakers lists them."


class Resync(DomainError):
    """A position of /changes that is older than a day, or behind more changes than are worth telling."""

    status, code = 410, "resync"
    title = "Too much has changed since that position. Begin again without `since`, and read the lists again."


class ReplyWindowClosed(DomainError):
    """More than 24 hours since the customer last wrote: WhatsApp takes templates only (Meta error 131047)."""

    status, code = 409, "reply_window_closed"
    title = (
        "The customer last wrote more than 24 hours ago, so WhatsApp refuses free text. "
        "Wait for the customer to write again, or send an approved template from WhatsApp Manager."
    )


class NotResendable(DomainError):
    """Only a failed or unconfirmed message can be sent again by hand."""

    status, code, title = 409, "not_resendable", "Only a failed or unconfirmed message can be sent again."


class IdempotencyConflict(DomainError):
    """The same idempotency key came with another request."""

    status, code = 422, "idempotency_key_reused"
    title = "This idempotency key was used for a different request. Use a new key for a new message."


class TemporarilyUnavailable(DomainError):
    """We cannot find out or cannot store something at the moment; the same request will work later."""

    status, code, title = 503, "temporarily_unavailable", "This cannot be done at the moment. Try again shortly."

    def __init__(self, title: str | None = None, *, retry_after: int = 5) -> None:
        super().__init__(title, headers={"Retry-After": str(retry_after)})


class DatabaseUnavailable(TemporarilyUnavailable):
    """The database did not answer in time, or not at all.

    `may_repeat`: what ended the transaction is over (a deadlock, a connection that broke), so all of it may be run
    again at once. `in_doubt`: COMMIT had been sent when the connection broke, so it may have been stored all the same.
    """

    code = "database_timeout"
    title = "The database cannot be reached at the moment. Nothing was changed; try again shortly."
    IN_DOUBT = (
        "The connection to the database broke while this was being saved, so it may or may not be saved. "
        "Look before you try again."
    )

    def __init__(self, *, retry_after: int = 5, may_repeat: bool = False, in_doubt: bool = False) -> None:
        super().__init__(self.IN_DOUBT if in_doubt else None, retry_after=retry_after)
        self.may_repeat = may_repeat
        self.in_doubt = in_doubt


class AccountBeingRemoved(TemporarilyUnavailable):
    """What the number had to send is still being withdrawn; if it came back now, some of that would be sent."""

    code = "account_being_removed"
    title = "This number is still being removed. Try again shortly."


class IdentityUnavailable(TemporarilyUnavailable):
    """The identity provider did not answer, so we cannot tell who is calling."""

    code = "identity_unavailable"
    title = "The identity provider cannot be reached at the moment, so we cannot tell who you are. Try again shortly."
