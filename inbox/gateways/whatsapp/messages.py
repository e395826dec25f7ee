"""WhatsApp Cloud API: send a message, mark as read. One request each; the outbox owns repeats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from inbox.db.clean import short_id
from inbox.errors import (
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from inbox.gateways import http
from inbox.gateways.whatsapp.errors import WAITS, Meaning, meaning_of, plain_words
from inbox.resilience import WHATSAPP, WHATSAPP_RECEIPTS, About, Upstream

UPSTREAM = WHATSAPP.name


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where a send goes: a phone, a business-scoped user id, or a group."""

    phone: str | None
    user_id: str | None
    group_id: str | None


@dataclass(frozen=True, slots=True)
class Content:
    """What a message holds: its type as WhatsApp names it, and the object of that name."""

    type: str
    body: Any

    @classmethod
    def of_text(cls, text: str) -> Content:
        """A plain text; WhatsApp adds a preview of its first link."""
        return cls("text", {"body": text, "preview_url": True})


def _about(_gateway: WhatsApp, phone_number_id: str, _token: str, body: dict[str, Any]) -> About:
    """What a call is about: its answers are the number's trouble, its silence that of whom or what it is for."""
    part = next((body[name] for name in ("to", "recipient", "message_id") if name in body), None)
    return About(answered=phone_number_id, unanswered=(phone_number_id, part))


class WhatsApp:
    """`base_url` holds the Graph version. No retry here: a repeat could reach the customer twice."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def send(
        self,
        *,
        phone_number_id: str,
        token: str,
        recipient: Recipient,
        content: Content,
        callback_data: str,
        reply_to: str | None = None,
    ) -> str:
        """Send `content`; the id WhatsApp gave it. `callback_data` comes back in its statuses.

        Raises UpstreamUnavailable, UpstreamThrottled, UpstreamMisconfigured, UpstreamRejected or, when it may have been
        accepted, UpstreamOutcomeUnknown.
        """
        body: dict[str, Any] = {
            "messaging_product": "whatsapp",
            **_addressed(recipient),
            "type": content.type,
            content.type: content.body,
            "biz_opaque_callback_data": callback_data,
        }
        if reply_to:
            body["context"] = {"message_id": reply_to}
        return self._send(phone_number_id, token, body)

    def mark_read(self, *, phone_number_id: str, token: str, wa_message_id: str, typing: bool) -> None:
        """Show the customer that this message, and those before it, were read. Harmless to repeat."""
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": wa_message_id}
        if typing:
            body["typing_indicator"] = {"type": "text"}  # ends with the answer or after 25 s
        self._mark(phone_number_id, token, body)

    @WHATSAPP.deadline
    @WHATSAPP.bulkhead
    @WHATSAPP.breaker.about(_about)
    def _send(self, phone_number_id: str, token: str, body: dict[str, Any]) -> str:
        """The id of the message; read within the breaker, because an answer that cannot be read is a failure."""
        return _message_id(self._post(WHATSAPP, phone_number_id, token, body))

    @WHATSAPP_RECEIPTS.deadline
    @WHATSAPP_RECEIPTS.bulkhead
    @WHATSAPP_RECEIPTS.breaker.about(_about)
    def _mark(self, phone_number_id: str, token: str, body: dict[str, Any]) -> None:
        self._post(WHATSAPP_RECEIPTS, phone_number_id, token, body)

    def _post(self, kind: Upstream, phone_number_id: str, token: str, body: dict[str, Any]) -> http.Answer:
        url = f"{self._base_url}/{quote(phone_number_id, safe='')}/messages"
        answer = http.exchange(kind, "POST", url, headers={"Authorization": f"Bearer {token}"}, body=body)
        if answer.status != 200:
            raise refusal(answer)
        return answer


def _addressed(recipient: Recipient) -> dict[str, str]:
    """`to` with a plus sign, because without it WhatsApp may put the business's own country code in front."""
    if recipient.group_id:
        return {"recipient_type": "group", "to": recipient.group_id}
    if recipient.phone:
        return {"recipient_type": "individual", "to": f"+{recipient.phone}"}
    if recipient.user_id:
        return {"recipient_type": "individual", "recipient": recipient.user_id}
    raise UpstreamRejected(UPSTREAM, "WhatsApp gave us no way to reach this customer.", code="no_recipient")


def _message_id(answer: http.Answer) -> str:
    """messages[0].id is the only proof of acceptance: a 200 may be cut, empty or a stranger's page."""
    try:
        wa_message_id = answer.data["messages"][0]["id"]
    except (TypeError, KeyError, IndexError):
        wa_message_id = None
    if not isinstance(wa_message_id, str) or not wa_message_id:
        raise UpstreamOutcomeUnknown(UPSTREAM, "the answer has no message id", http_status=answer.status)
    return short_id(wa_message_id)


def refusal(answer: http.Answer) -> UpstreamError:
    """The typed error for an answer that is not 200, by Meta's own code first."""
    error = answer.data.get("error") if isinstance(answer.data, dict) else None
    if not isinstance(error, dict):
        # A proxy's page or a bare status: only 429 and plain 4xx prove that nothing was processed.
        words = f"WhatsApp refused the request (HTTP {answer.status})."
        return http.refusal(UPSTREAM, answer.status, answer.headers, scope="number", acts=True, words=words)
    code = error.get("code") if isinstance(error.get("code"), int) else None
    details = error.get("error_data", {}).get("details") if isinstance(error.get("error_data"), dict) else None
    words = plain_words(code, error.get("message") if isinstance(error.get("message"), str) else None)
    fields: dict[str, Any] = {
        "http_status": answer.status,
        "code": code,
        "detail": details if isinstance(details, str) else None,
        "retry_after": http.retry_after(answer.headers) or WAITS.get(code or 0),
    }
    match meaning_of(code, answer.status):
        case Meaning.TROUBLE:
            return UpstreamMisconfigured(UPSTREAM, words, **fields)
        case Meaning.PAIR_LIMIT:
            return UpstreamThrottled(UPSTREAM, words, scope="pair", **fields)
        case Meaning.NUMBER_LIMIT:
            return UpstreamThrottled(UPSTREAM, words, scope="number", **fields)
        case Meaning.LATER:
            return UpstreamUnavailable(UPSTREAM, words, **fields)
        case Meaning.UNCLEAR:
            return UpstreamOutcomeUnknown(UPSTREAM, words, **fields)
        case Meaning.REFUSED:
            return UpstreamRejected(UPSTREAM, words, **fields)
