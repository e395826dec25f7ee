"""A webhook's bytes → plain records. Total: any bytes give records, never an exception.

One POST carries up to 1,000 updates, and a refusal makes WhatsApp repeat all of them for days, so each item is read
on its own and one that cannot be read becomes `Unusable` without touching its neighbours. Routing is by `field`
first and then by which arrays exist, because samples and reality differ on which arrays go together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from inbox.clock import to_milliseconds
from inbox.contacts.identity import Identity
from inbox.db.clean import JSON, MAX_ID, TooDeep, load, short_id
from inbox.models import Author, Direction, MessageStatus
from inbox.outbox.status import StatusError
from inbox.webhooks.parsing.content import CALL, content_of
from inbox.webhooks.parsing.reading import as_dict, as_text
from inbox.webhooks.parsing.records import (
    AnnotationItem,
    Content,
    Item,
    MessageItem,
    NoticeItem,
    PreferenceItem,
    Source,
    StatusItem,
    Unusable,
)
from inbox.webhooks.parsing.reputation import reputation_of
from inbox.webhooks.parsing.senders import People, digits, short

_MAX_AHEAD = timedelta(minutes=10)
_WHATSAPP_BEGAN = datetime(2009, 1, 1, tzinfo=UTC)

_HISTORY_STATUS = {
    "SENT": MessageStatus.SENT,
    "DELIVERED": MessageStatus.DELIVERED,
    "READ": MessageStatus.READ,
    "PLAYED": MessageStatus.READ,
    "ERROR": MessageStatus.FAILED,
}
#: Account events that a person should look at (Meta's webhook reference, account_update and neighbours).
_ALARMING = frozenset(
    {"DISABLED_UPDATE", "ACCOUNT_VIOLATION", "ACCOUNT_RESTRICTION", "ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED"}
)


class _Unreadable(Exception):
    """Why an item cannot be used: `reason` is a stable word, `detail` a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_event(body: bytes, received_at: datetime) -> list[Item]:
    """Everything a webhook says. `received_at` judges timestamps: one from the future is not believed."""
    try:
        payload = load(body)
    except (ValueError, RecursionError, TooDeep) as error:
        source = Source(None, None, None, (), body.decode("utf-8", "replace"))
        return [Unusable(source=source, reason="not_json", detail=f"{type(error).__name__}: {error}"[:500])]
    return list(_Parser(received_at).event(payload))


class _Parser:
    def __init__(self, received_at: datetime) -> None:
        self._latest = received_at + _MAX_AHEAD

    def event(self, payload: JSON) -> Iterator[Item]:
        entries = as_dict(payload).get("entry")
        if not isinstance(entries, list):
            yield _broken(Source(None, None, payload, (), None, payload), "the webhook has no entry array")
            return
        for entry in entries:
            waba_id = as_dict(entry).get("id")
            changes = as_dict(entry).get("changes")
            if not isinstance(changes, list):
                webhook = {"entry": [entry]}
                yield _broken(Source(waba_id, None, entry, (), None, webhook), "the entry has no changes array")
                continue
            for change in changes:
                yield from self._change(waba_id, change)

    def _change(self, waba_id: JSON, change: JSON) -> Iterator[Item]:
        field, value = as_dict(change).get("field"), as_dict(change).get("value")
        if not isinstance(value, dict):
            webhook = {"entry": [{"id": waba_id, "changes": [change]}]}
            yield _broken(Source(waba_id, field, change, (), None, webhook), "the change has no value object")
            return
        handled = False
        for path, read in self._readers(field):
            holder = value
            for key in path[:-1]:
                holder = as_dict(holder.get(key))
            if path[-1] not in holder:
                continue
            handled = True
            source = Source(waba_id, field, value, path, None)
            yield from self._array(source, holder[path[-1]], as_dict(holder), read)
        if not handled:
            yield _notice(Source(waba_id, field, value, (), None), field, value, self._latest - _MAX_AHEAD)

    def _readers(self, field: JSON) -> list[tuple[tuple[str, ...], Reader]]:
        live = field == "messages"
        return [
            (("messages",), self._live_message if live else self._quiet_message),
            (("statuses",), self._status),
            (("message_echoes",), self._phone_app_echo),
            (("standby", "messages"), self._quiet_message),
            (("standby", "message_echoes"), self._agent_echo),
            (("standby", "statuses"), self._status),
            (("history",), self._history),
            (("calls",), self._call),
            (("user_preferences",), self._preference),
            (("errors",), self._value_error),
        ]

    def _array(self, source: Source, array: JSON, holder: dict[str, Any], read: Reader) -> Iterator[Item]:
        if not isinstance(array, list):
            yield _broken(
                Source(source.waba_id, source.field, source.value, (), None), f"{source.path[-1]} is no array"
            )
            return
        people = People(holder.get("contacts") or as_dict(source.value).get("contacts"))
        for item in array:
            here = Source(source.waba_id, source.field, source.value, source.path, item)
            try:
                if not isinstance(item, dict):
                    raise _Unreadable("not_an_object", f"an item of {source.path[-1]} is no object")
                yield from read(here, item, people)
            except _Unreadable as error:
                yield Unusable(source=here, reason=error.reason, detail=error.detail)
            except Exception as error:  # the last line of defence of one item against the next
                yield Unusable(source=here, reason="unreadable", detail=f"{type(error).__name__}: {error}"[:500])

    # --- messages ------------------------------------------------------------------------------------------------

    def _live_message(self, source: Source, message: dict[str, Any], people: People) -> Iterator[Item]:
        kind = message.get("type")
        if kind in ("reaction", "edit", "revoke"):
            yield self._annotation(source, message, people.sender(message))
        elif kind == "system":
            yield self._system(source, message, people)
        else:
            yield self._inbound(source, message, people, live=kind != "request_welcome")

    def _quiet_message(self, source: Source, message: dict[str, Any], people: People) -> Iterator[Item]:
        """A customer's message that is not ours to answer: somebody else holds the chat, or it is an import."""
        if message.get("type") in ("reaction", "edit", "revoke"):
            yield self._annotation(source, message, people.sender(message))
        else:
            yield self._inbound(source, message, people, live=False)

    def _message(self, source: Source, message: dict[str, Any], customer: Identity, **more: Any) -> MessageItem:
        """A message between us and `customer`; `more` says who wrote it and what follows from it."""
        return MessageItem(
            source=source,
            phone_number_id=_phone_number_id(source),
            wa_message_id=_wa_id(message.get("id")),
            timestamp=self._time(message.get("timestamp")),
            customer=_somebody(customer),
            **{"content": content_of(message), "reply_to": _quoted(message), **more},
        )

    def _inbound(self, source: Source, message: dict[str, Any], people: People, *, live: bool) -> MessageItem:
        sender = people.sender(message)
        return self._message(
            source,
            message,
            sender,
            direction=Direction.INBOUND,
            author=Author.CUSTOMER,
            author_name=sender.name,
            group_id=short(message.get("group_id")),
            wants_answer=live,
            opens_window=message.get("type") != "request_welcome",
        )

    def _system(self, source: Source, message: dict[str, Any], people: People) -> MessageItem:
        """A notice about the customer (a new number or user id): shown in the thread, nobody has to answer it."""
        system = as_dict(message.get("system"))
        old = people.sender(message)
        old = Identity(
            phone=old.phone or digits(system.get("customer")),
            user_id=old.user_id or short(system.get("previous_user_id")),
            parent_user_id=old.parent_user_id or short(system.get("previous_parent_user_id")),
        )
        new = Identity(
            phone=digits(system.get("wa_id")) or digits(system.get("new_wa_id")),
            user_id=short(system.get("user_id")),
            parent_user_id=short(system.get("parent_user_id")),
        )
        return self._message(
            source,
            message,
            old if old.known else new,
            direction=Direction.INBOUND,
            author=Author.SYSTEM,
            becomes=new if new.known else None,
        )

    def _call(self, source: Source, call: dict[str, Any], people: People) -> Iterator[Item]:
        """A customer's call that nobody took: an unread line of its own in the thread. Other calls are none of ours.

        A call ends with `terminate`; only one that was taken has a duration (Meta, Calling API, user-initiated
        calls, 2026). It opens the reply window as a message does (Meta, Pricing: customer service windows).
        """
        event, direction = as_text(call.get("event")) or "", as_text(call.get("direction")) or ""
        taken = as_text(call.get("duration")) not in (None, "0")
        if (event.lower(), direction.upper(), taken) == ("terminate", "USER_INITIATED", False):
            content = Content(type=CALL, text="[missed call]", payload={"call": call})
            yield self._message(
                source,
                call,
                people.sender(call),
                content=content,
                direction=Direction.INBOUND,
                author=Author.SYSTEM,
                wants_answer=True,
                opens_window=True,
            )

    def _phone_app_echo(self, source: Source, message: dict[str, Any], people: People) -> Iterator[Item]:
        yield self._echo(source, message, people, author=Author.AGENT, name="WhatsApp Business app", by_person=True)

    def _agent_echo(self, source: Source, message: dict[str, Any], people: People) -> Iterator[Item]:
        yield self._echo(source, message, people, author=Author.BOT, name="Meta Business Agent", by_person=False)

    def _echo(
        self, source: Source, message: dict[str, Any], people: People, *, author: Author, name: str, by_person: bool
    ) -> Item:
        if message.get("type") in ("edit", "revoke", "reaction"):
            return self._annotation(source, message, None)
        return self._message(
            source,
            message,
            people.recipient(message),
            direction=Direction.OUTBOUND,
            author=author,
            author_name=name,
            by_person=by_person,
            status=MessageStatus.SENT,
        )

    def _history(self, source: Source, chunk: dict[str, Any], people: People) -> Iterator[Item]:
        """Old messages of a number that moved here: imported in silence. A chunk may hold errors instead."""
        for error in chunk.get("errors") or []:
            yield from self._value_error(source, as_dict(error), people)
        business = digits(as_dict(as_dict(source.value).get("metadata")).get("display_phone_number"))
        for thread in chunk.get("threads") or []:
            thread = as_dict(thread)
            customer = people.known_as(Identity(phone=digits(thread.get("id")), user_id=short(thread.get("user_id"))))
            for message in thread.get("messages") or []:
                here = Source(source.waba_id, source.field, source.value, ("history",), _one_thread(thread, message))
                try:
                    yield self._old_message(here, as_dict(message), customer, business)
                except _Unreadable as error:
                    yield Unusable(source=here, reason=error.reason, detail=error.detail)

    def _old_message(
        self, source: Source, message: dict[str, Any], customer: Identity, business: str | None
    ) -> MessageItem:
        ours = business is not None and digits(message.get("from")) == business
        status = as_text(as_dict(message.get("history_context")).get("status")) or ""
        return self._message(
            source,
            message,
            customer,
            direction=Direction.OUTBOUND if ours else Direction.INBOUND,
            author=Author.AGENT if ours else Author.CUSTOMER,
            author_name="WhatsApp Business app" if ours else customer.name,
            opens_window=not ours,
            status=_HISTORY_STATUS.get(status.upper(), MessageStatus.SENT) if ours else None,
        )

    def _annotation(self, source: Source, message: dict[str, Any], actor: Identity | None) -> AnnotationItem:
        kind = message["type"]
        body = as_dict(message.get(kind))
        target = body.get("message_id") if kind == "reaction" else body.get("original_message_id")
        return AnnotationItem(
            source=source,
            phone_number_id=_phone_number_id(source),
            wa_message_id=_wa_id(message.get("id")),
            timestamp=self._time(message.get("timestamp")),
            kind=kind,
            target=_wa_id(target),
            actor=_somebody(actor) if actor is not None else None,
            content=content_of(as_dict(body.get("message"))) if kind == "edit" else None,
            emoji=as_text(body.get("emoji")) if kind == "reaction" else None,
        )

    # --- everything else -----------------------------------------------------------------------------------------

    def _status(self, source: Source, status: dict[str, Any], _people: People) -> Iterator[Item]:
        kind = (as_text(status.get("status")) or "unknown")[:32].lower()
        yield StatusItem(
            source=source,
            phone_number_id=_phone_number_id(source),
            wa_message_id=short_id(_given_id(status.get("id"))),
            status="read" if kind == "played" else kind,  # a customer who played a voice message has seen it
            timestamp=self._time(status.get("timestamp")),
            callback=as_text(status.get("biz_opaque_callback_data")),
            error=_status_error(status.get("errors")),
        )

    def _preference(self, source: Source, preference: dict[str, Any], people: People) -> Iterator[Item]:
        person = Identity(phone=digits(preference.get("wa_id")), user_id=short(preference.get("user_id")))
        yield PreferenceItem(
            source=source,
            phone_number_id=_phone_number_id(source),
            customer=_somebody(people.known_as(person)),
            stopped=as_text(preference.get("value")) == "stop",
            timestamp=self._time(preference.get("timestamp")),
        )

    def _value_error(self, source: Source, error: dict[str, Any], _people: People) -> Iterator[Item]:
        parsed = _status_error([error]) or StatusError(None, None, None)
        summary = f"error {parsed.code}: {parsed.title or ''} {parsed.detail or ''}".strip()
        yield NoticeItem(source=source, field=as_text(source.field) or "unknown", summary=summary[:500], alarming=True)

    def _time(self, value: JSON) -> datetime | None:
        """Unix seconds, as text or number. None when absent, absurd or from the future."""
        try:
            moment = to_milliseconds(datetime.fromtimestamp(float(value), UTC))
        except (TypeError, ValueError, OverflowError, OSError):
            return None
        return moment if _WHATSAPP_BEGAN <= moment <= self._latest else None


Reader = Callable[[Source, dict[str, Any], People], Iterator[Item]]


def _broken(source: Source, detail: str) -> Unusable:
    return Unusable(source=source, reason="malformed_envelope", detail=detail)


def _notice(source: Source, field: JSON, value: dict[str, Any], at: datetime) -> NoticeItem:
    """A change without messages or statuses: an account event, or a field we do not know."""
    name = (as_text(field) or "unknown")[:64]
    event = as_text(value.get("event")) or ""
    state = as_text(as_dict(value.get("ban_info")).get("waba_ban_state"))
    alert = as_text(as_dict(value.get("alert_info")).get("alert_severity")) or ""
    return NoticeItem(
        source=source,
        field=name,
        summary=event or state or as_text(as_dict(value.get("alert_info")).get("alert_type")) or "received",
        alarming=event in _ALARMING or name == "security" or alert.upper() == "CRITICAL",
        banned={"DISABLE": True, "SCHEDULE_FOR_DISABLE": None, "REINSTATE": False}.get(state or ""),
        phone=digits(value.get("display_phone_number")),
        reputation=reputation_of(name, value, at),
    )


def _one_thread(thread: dict[str, Any], message: JSON) -> dict[str, Any]:
    head = {key: item for key, item in thread.items() if key != "messages"}
    return {"threads": [{**head, "messages": [message]}]}


def _phone_number_id(source: Source) -> str:
    number = as_text(as_dict(as_dict(source.value).get("metadata")).get("phone_number_id"))
    if not number:
        raise _Unreadable("no_phone_number_id", "metadata.phone_number_id is missing")
    return number


def _wa_id(value: JSON) -> str:
    wa_id = _given_id(value)
    if len(wa_id) > MAX_ID:
        raise _Unreadable("message_id_too_long", f"the message id has {len(wa_id)} characters")
    return wa_id


def _given_id(value: JSON) -> str:
    wa_id = as_text(value)
    if wa_id is None:
        raise _Unreadable("no_message_id", "the item has no message id")
    return wa_id


def _somebody(person: Identity) -> Identity:
    if not person.known:
        raise _Unreadable("no_sender", "neither a phone number nor a user id says who this is")
    return person


def _quoted(message: dict[str, Any]) -> str | None:
    quoted = as_text(as_dict(message.get("context")).get("id"))
    return quoted if quoted and len(quoted) <= MAX_ID else None


def _status_error(errors: JSON) -> StatusError | None:
    """The first of errors[]; WhatsApp repeats the title as message and puts the useful words in error_data."""
    first = as_dict(errors[0]) if isinstance(errors, list) and errors else {}
    if not first:
        return None
    code = first.get("code")
    detail = as_text(as_dict(first.get("error_data")).get("details"))
    title = as_text(first.get("title")) or as_text(first.get("message"))
    return StatusError(
        code=code if isinstance(code, int | str) and not isinstance(code, bool) else None,
        title=title[:500] if title else None,
        detail=detail[:2000] if detail else None,
    )
