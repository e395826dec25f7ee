"""What a client may see. Routes let these rise; `web.problems` maps each to one problem+json answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from inbox.errors.base import BadValue, InboxError


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
    """One bad field: `pointer` is an RFC 6901 JSON pointer into the body, or `?name` for a query parameter.

    `code` is stable; `problem` says it to people, and `values` are what a sentence in another language needs.
    """

    pointer: str
    code: str
    problem: str
    values: Mapping[str, str | float] = field(default_factory=dict)

    @classmethod
    def of(cls, pointer: str, bad: BadValue) -> FieldProblem:
        """What was wrong with the value there."""
        return cls(pointer, bad.code, str(bad), bad.values)

    def as_dict(self) -> dict[str, Any]:
        return {"pointer": self.pointer, "code": self.code, "problem": self.problem, "values": dict(self.values)}


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

    @classmethod
    def of(cls, permission: str) -> PermissionDenied:
        """It takes this permission."""
        return cls(f"You may not do this: it takes the permission {permission}.")


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


class EmailNotConfirmed(DomainError):
    """Their password is right, but the identity provider still waits for them to confirm their address."""

    status, code = 403, "email_not_confirmed"
    title = "Confirm your e-mail address first: follow the link in the message that was sent to you."


class NotExchangeable(DomainError):
    """A session was to be begun with something else than a Supabase access token that has not ended."""

    status, code = 409, "not_exchangeable"
    title = "Show a Supabase access token that has not ended, as Authorization: Bearer. Others are not exchanged."


class NotAUser(DomainError):
    """A key asked for what only people have: a name to change, preferences, drafts, a place where they are."""

    status, code = 403, "not_a_user"
    title = "Only people have this. Sign in as a user; an API key has none."


class ForgedRequest(DomainError):
    """A write with a session cookie that another site could have made the browser send."""

    status, code = 403, "csrf_failed"
    title = "Send the csrf_token of GET /auth/me in the X-CSRF-Token header, or use Authorization: Bearer."


class FormExpired(DomainError):
    """A form without what this browser was given with it: an old page, cookies that are off, or another site's form."""

    status, code, title = 400, "form_expired", "The form is too old, or the browser keeps no cookies. Send it again."


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


class MetricsOff(DomainError):
    """Nobody may read the metrics, because no token for them is set."""

    status, code, title = 404, "metrics_off", "METRICS_TOKEN is not set, so there is no such page."


class AccountExists(DomainError):
    """The phone number id is in use."""

    status, code, title = 409, "account_exists", "There is an account with this phone_number_id already."


class UploadNotFound(DomainError):
    """No such file is being handed over: it was sent, given up, or forgotten after a day."""

    status, code, title = 404, "upload_not_found", "There is no such upload, or not any more. Begin again."


class UploadOffset(DomainError):
    """The piece is not the next one; `extra` has `received`, where to go on."""

    status, code, title = 409, "upload_offset", "Go on at the byte that received names."


class UploadIncomplete(DomainError):
    """A file is to be sent of which pieces are missing."""

    status, code, title = 409, "upload_incomplete", "The file has not come whole yet. Send its other pieces first."


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


class ContactNotFound(DomainError):
    """No such contact, or none the caller may manage."""

    status, code, title = 404, "contact_not_found", "There is no such contact."


class NoteNotFound(DomainError):
    """No such note, or none the caller may see; or it has been deleted."""

    status, code, title = 404, "note_not_found", "There is no such note."


class LabelNotFound(DomainError):
    """No such label, or none the caller may change."""

    status, code, title = 404, "label_not_found", "There is no such label."


class LabelExists(DomainError):
    """Another label of the number has this name."""

    status, code, title = 409, "label_exists", "There is a label with this name already."


class CannedReplyNotFound(DomainError):
    """No such canned reply, or none the caller may change."""

    status, code, title = 404, "canned_reply_not_found", "There is no such canned reply."


class CannedReplyExists(DomainError):
    """Another canned reply of the number has this shortcut."""

    status, code, title = 409, "canned_reply_exists", "There is a canned reply with this shortcut already."


class TooManyOfThem(DomainError):
    """A number has as many labels or canned replies as it can have."""

    status, code, title = 409, "too_many", "There are as many of these as there can be. Remove some first."


class ContactFieldNotFound(DomainError):
    """No such detail of contacts, or none the caller may change."""

    status, code, title = 404, "contact_field_not_found", "There is no such detail."


class ContactFieldExists(DomainError):
    """Another detail of the number's contacts has this name."""

    status, code, title = 409, "contact_field_exists", "There is a detail with this name already."


class ContactBlocked(DomainError):
    """Something is to be sent to a contact who is blocked."""

    status, code, title = 409, "contact_blocked", "This contact is blocked. Unblock them first."


class ContactsDiffer(DomainError):
    """Two contacts are to become one whom WhatsApp tells apart, or who belong to two numbers."""

    status, code, title = 409, "contacts_differ", "WhatsApp tells these two apart, so they stay two contacts."


class MergeInFlight(DomainError):
    """Two contacts are to become one while something is being sent to one of them."""

    status, code, title = 409, "merge_in_flight", "A message to one of them is being sent. Try again in a moment."


class WebhookEndpointNotFound(DomainError):
    """No such endpoint, or none the caller may manage."""

    status, code, title = 404, "webhook_endpoint_not_found", "There is no such webhook endpoint."


class WebhookEndpointExists(DomainError):
    """The number tells this address already."""

    status, code, title = 409, "webhook_endpoint_exists", "This number has an endpoint with this address already."


class WebhookDeliveryNotFound(DomainError):
    """No such delivery, or none the caller may see."""

    status, code, title = 404, "webhook_delivery_not_found", "There is no such webhook delivery."


class SourceNotFound(DomainError):
    """No such source of a bot's knowledge, or none the caller may manage."""

    status, code, title = 404, "source_not_found", "There is no such source."


class PassageNotFound(DomainError):
    """No such passage: its source was removed, or says something else by now."""

    status, code, title = 404, "passage_not_found", "This passage is gone: its source was changed or removed."


class KnowledgeSourceExists(DomainError):
    """The bot of this number reads this page already."""

    status, code, title = 409, "knowledge_source_exists", "The bot of this number reads this page already."


class KnowledgeFixed(DomainError):
    """A file or a text is to be read again, and it is not kept."""

    status, code, title = 409, "knowledge_fixed", "A file or a text is read once. Add the new one and remove this one."


class VersionNotFound(DomainError):
    """No such version of a profile, or not any more, or none the caller may see."""

    status, code, title = 404, "version_not_found", "There is no such version of a profile, or not any more."


class QuestionNotFound(DomainError):
    """No such question, or none the caller may manage."""

    status, code, title = 404, "question_not_found", "There is no such question."


class DraftConflict(DomainError):
    """The draft has been changed on another device since; `draft` is how it is there."""

    status, code, title = 409, "draft_conflict", "This draft has been changed on another device."


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
        "Wait for the customer to write again, or send an approved template."
    )


class TemplateNotFound(DomainError):
    """No template with this id belongs to the conversation's number; WhatsApp may have deleted it."""

    status, code, title = 404, "template_not_found", "This number has no such template, or not any more."


class TemplateNotSendable(DomainError):
    """WhatsApp would refuse the template. `extra` has refusal, whatsapp_status and whatsapp_reason."""

    status, code, title = 409, "template_not_sendable", "This template cannot be sent."


class MarketingStopped(DomainError):
    """The customer has stopped marketing messages, and the template is one (Meta error 131050)."""

    status, code = 409, "marketing_stopped"
    title = "The customer has stopped marketing messages. Send a template of another category."


class BusinessAccountUnknown(DomainError):
    """Templates belong to a WhatsApp Business Account, and this number's is not known yet."""

    status, code = 409, "business_account_unknown"
    title = "Set waba_id of this number first: the id of its WhatsApp Business Account, from WhatsApp Manager."


class Overtaken(DomainError):
    """Somebody else, or the bot, has answered since the writer looked. `extra` tells of that answer."""

    status, code = 409, "overtaken"
    title = "Somebody else has answered since. Look at it, and send yours again without seen_through if it is to go."


class NotReactable(DomainError):
    """WhatsApp takes no reaction to this message: it has not got it, or it is gone or a reaction itself."""

    status, code = 409, "not_reactable"
    title = "WhatsApp takes reactions to messages that were sent and are still there."


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
    title = "The database cannot be used at the moment. Nothing was changed; try again shortly."
    IN_DOUBT = (
        "The connection to the database broke while this was being saved, so it may or may not be saved. "
        "Look before you try again."
    )

    def __init__(self, *, retry_after: int = 5, may_repeat: bool = False, in_doubt: bool = False) -> None:
        super().__init__(self.IN_DOUBT if in_doubt else None, retry_after=retry_after)
        self.may_repeat = may_repeat
        self.in_doubt = in_doubt


class MediaUnavailable(TemporarilyUnavailable):
    """WhatsApp, or the host of the file, does not give it at the moment."""

    code = "media_unavailable"
    title = "WhatsApp does not hand out this file at the moment. Try again shortly."


class AccountBeingRemoved(TemporarilyUnavailable):
    """What the number had to send is still being withdrawn; if it came back now, some of that would be sent."""

    code = "account_being_removed"
    title = "This number is still being removed. Try again shortly."


class IdentityUnavailable(TemporarilyUnavailable):
    """The identity provider did not answer, so we cannot tell who is calling."""

    code = "identity_unavailable"
    title = "The identity provider cannot be reached at the moment, so we cannot tell who you are. Try again shortly."
