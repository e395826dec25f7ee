"""Examples for the OpenAPI document, composed from schemas: one bakery, one customer, one conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_ID = "01a20a6e-1107-7044-8226-b0a52c5aa8{:02d}"
#: What `…_id` names, and `id` in a row of that name.
_THINGS = (
    *("account", "conversation", "contact", "message", "user", "key", "dead_letter", "incident", "process"),
    *("note", "label", "canned_reply", "template", "source", "passage", "version", "question"),
)
_IDS = {thing: _ID.format(number) for number, thing in enumerate(_THINGS, 10)}

_VALUES: dict[str, Any] = {
    **{f"{thing}_id": value for thing, value in _IDS.items()},
    # people and numbers
    "name": "Front desk",
    "display_name": "Léa Martin",
    "username": "lea.martin",
    "email": "anna@example.com",
    "role_id": "01900000-0000-7000-8000-000000000002",
    "role_slug": "manager",
    "role_name": "Manager",
    "slug": "front-desk",
    "password": "correct horse battery staple",
    "phone_number": "33700000000",
    "phone_number_id": "200000000000001",
    "waba_id": "100000000000001",
    "whatsapp_number": "33600000001",
    "client_number": "33600000001",
    "assigned_to": _IDS["user"],
    # conversations and messages
    "content": "Yes, we open at 7 on Sundays.",
    "content_text": "Are you open on Sunday?",
    "last_message": "Are you open on Sunday?",
    "answer": "Yes, we open at 7 on Sundays.",
    "message_type": "text",
    "status": "open",
    "wa_message_id": "wamid.HBgLMzM2MDAwMDAwMDEVAgASGBQzQTdF",
    "client_key": "front-desk-7f3a",
    "unread_count": 1,
    "my_unread": 1,
    "bot_enabled": True,
    "bot_silent_reason": None,
    "emoji": "👍",
    "text": "She collects the cake at five.",
    "shortcut": "hours",
    "color": 3,
    "label_ids": [_IDS["label"]],
    "mode": "reply",
    "doing": "viewing",
    "theme": "system",
    "actor": "business",
    "payload": {},
    "reply_to": None,
    "needs_human_reason": None,
    "notice_error": None,
    "sends_paused_reason": None,
    "paused_reason": None,
    "paused_code": None,
    "paused_at": None,
    "restorable_until": None,
    "reputation": None,
    "bot_paused_until": None,
    "sent_at": None,
    "delivered_at": None,
    "failed_at": None,
    "edited_at": None,
    "read_at": None,
    "error": None,
    "media_id": None,
    "media_mime_type": None,
    "media_filename": None,
    "marketing_stopped_at": None,
    "deleted_at": None,
    "disabled_at": None,
    "is_group": False,
    "is_favorite": False,
    "needs_human": False,
    # the bot
    "business_name": "Boulangerie du Port",
    "description": "A bakery by the harbour.",
    "address": "12 quai du Port, 13002 Marseille",
    "hours": "Tuesday to Sunday, 7:00 to 19:30",
    "knowledge_base": "Bread is baked at 6:00 and at 15:00. Cakes are made to order, two days ahead.",
    "label": "Parking",
    "value": "Behind the shop, free for half an hour.",
    "language": None,
    "model": "gemini-3.5-flash-lite",
    "fallback_message": "Thank you for your message. Somebody will answer you soon.",
    "message": "Are you open on Sunday?",
    "tone": "Warm and brief.",
    "role": "The assistant of the bakery.",
    "mission": "Answer questions on products, prices and opening hours.",
    "style": "Short sentences, no emoji.",
    "priority": "Orders for the same day come first.",
    "response_policy": "Say so when you do not know, and offer that somebody calls back.",
    "security": "Never ask for a card number.",
    "activity": "Bread, pastries and cakes.",
    "hours_block": "Closed on Mondays and on 1 May.",
    "zone": "Marseille, 1st to 7th arrondissement",
    "rendezvous": "No appointment is needed.",
    "category": "Cakes",
    "payment": "Cash and cards.",
    "engagement": "An order can be cancelled until the day before.",
    "restrictions": "All bread contains gluten.",
    "documents": "None.",
    "steps": "Choose a cake, tell us the day, pay when you collect it.",
    "question": "Do you deliver?",
    "case": "A customer is allergic to nuts.",
    "response": "Everything is made in one kitchen, so there may be traces.",
    "site": "https://bakery.example.com",
    "products": "https://bakery.example.com/cakes",
    "form": "https://bakery.example.com/order",
    "other": "https://bakery.example.com/jobs",
    "procedure": "Hand over to the shop.",
    "contact": "+33 7 00 00 00 00",
    "special_rules": "On 24 December nothing can be ordered for the same day.",
    "knowledge": [],
    "url": "https://bakery.example.com/hours",
    "problem": None,
    "heading": "Opening hours",
    "page": None,
    "source_name": "Opening hours",
    # operations
    "host": "web-1",
    "pid": 4711,
    "kind": "web",
    "upstream": "gemini",
    "version": "0.1.0",
    "reason": "database",
    "first_error": "timeout",
    "last_error": None,
    "opened_at": None,
    "closed_at": None,
    "ended_at": None,
    "since": None,
    "expires_at": "2030-01-01T00:00:00.000Z",
    "backend": "SimpleCache",
    "request_id": "01a20a6e110770448226b0a52c5aa899",
    "target_id": _IDS["user"],
    "accounts": [_IDS["account"]],
    "revoked_at": None,
    "replayed_at": None,
    "oldest_s": 0.4,
    "latency_ms": 3.1,
    "hit_ratio": 0.97,
    "ratio": 0.97,
    "duration_s": 84.2,
    "size": 412,
    "content_base64": "e30=",
    "cursor": "MjAyNi0xMS0yMFQwOTowMDowMC4wMDBaLzAxYTIwYTZlMTEwNzcwNDQ4MjI2YjBhNTJjNWFhODM3",
    "q": "Martin",
    # those who call
    "verify_token": "any-word-you-choose",
    "token": "inbox_…",
    "secret": "inbox_…",
    "prefix": "inbox_3fKq",
    "csrf_token": None,
    "access_token": "EAAGm0PX4ZCpsBAKZB",
}
#: Where the same name means something else.
_VALUES |= {
    "AccountBody.name": "Boulangerie du Port",
    "AccountMade.name": "Boulangerie du Port",
    "AccountPatch.name": "Boulangerie du Port",
    "AccountRow.name": "Boulangerie du Port",
    "ActorInfo.id": _IDS["user"],
    "ActorInfo.kind": "user",
    "ActorInfo.name": "Anna Rossi",
    "AuthorInfo.id": _IDS["contact"],
    "AuthorInfo.name": "Léa Martin",
    "CircuitDone.name": "gemini",
    "CircuitHealth.name": "gemini",
    "CircuitRow.name": "gemini",
    "Company.name": "Boulangerie du Port",
    "CustomField.id": "parking",
    "DeadLetterContent.detail": "KeyError: 'from'",
    "DeadLetterRow.detail": "KeyError: 'from'",
    "Escalation.hours": "Tuesday to Saturday, 9:00 to 18:00",
    "FallbackText.language": "German",
    "FallbackText.text": "Danke für Ihre Nachricht. Wir antworten bald.",
    "FavoriteDone.is_favorite": True,
    "FoundMessage.matches": [[13, 19]],
    "InviteBody.name": "Anna Rossi",
    "Me.id": _IDS["user"],
    "Me.name": "Anna Rossi",
    "KnowledgeSourceRow.kind": "page",
    "KnowledgeSourceRow.name": "Opening hours",
    "KnowledgeSourceRow.state": "ready",
    "MessageRow.client_key": None,
    "NameBody.name": "Anna Rossi",
    "Offer.content": "Lemon tart for six: 24 €.",
    "PassageRow.text": "Sunday: closed. Saturday: 7:00 to 13:00.",
    "PreviewBody.message": "Are you open on Sunday?",
    "ProcessCircuit.state": "closed",
    "Procedure.name": "Ordering a cake",
    "Question.answer": "Within Marseille, from 30 €.",
    "ReadDone.my_unread": 0,
    "ReadDone.unread_count": 0,
    "PermissionRow.label": "Read messages and open their files.",
    "RoleBody.description": "Reads, and writes to customers.",
    "RoleRow.description": "Reads, and writes to customers.",
    "QuestionBody.text": "Do you deliver?",
    "QuestionRow.text": "Do you deliver?",
    "UserRow.name": "Anna Rossi",
    "VersionAuthor.id": _IDS["user"],
    "VersionAuthor.kind": "user",
    "VersionAuthor.name": "Anna Rossi",
    "VersionRow.changed": ["hours"],
    "VersionRow.version": 12,
    "VersionWhole.changed": ["hours"],
    "VersionWhole.version": 12,
    "get_docs_asset.name": "docs.js",
    "get_docs_asset.version": "0123456789abcdef",
    "TextSource.name": "Prices",
    "TextSource.text": "A lemon tart for six is 24 euros.",
    "reset_circuit_breaker.name": "gemini",
}
#: A key for what is kept by name.
_KEYS = {
    "circuit_breakers": "gemini",
    "dependencies": "database",
    "limits": "gemini",
    "processes": "web",
    "switches": "breaker",
}
_TEXT = "…"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}


def example(schema: Schema, known: Mapping[str, Schema], name: str = "", owner: str = "") -> Any:
    """A value that `schema` allows. `known`: the components; `name`: of the field; `owner`: of the model it is in."""
    if "$ref" in schema:
        owner = schema["$ref"].rpartition("/")[2]
        return example(known[owner], known, name, owner)
    for given in _given(schema, name, owner):
        if _fits(given, schema, known):
            return given
    for kinds in ("anyOf", "oneOf"):
        if kinds in schema:
            return example(schema[kinds][0], known, name, owner)
    return _made(schema, known, name, owner)


def _given(schema: Schema, name: str, owner: str) -> list[Any]:
    """Values somebody has thought of, the best first."""
    found = [*schema.get("examples", [])]
    if name == "id":
        found += [value for thing, value in _IDS.items() if owner.lower().startswith(thing.replace("_", ""))]
    found += [_VALUES[each] for each in (f"{owner}.{name}", name) if each in _VALUES]
    if "default" in schema:
        found.append(schema["default"])
    return [*found, *schema.get("enum", [])[:1], *([schema["const"]] if "const" in schema else [])]


def _fits(value: Any, schema: Schema, known: Mapping[str, Schema]) -> bool:
    """True when `value` is of the type `schema` asks for, as far as that matters for what is given above."""
    if "$ref" in schema:
        return _fits(value, known[schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return any(_fits(value, inner, known) for inner in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return value in (schema.get("const"), *schema.get("enum", []))
    kind = schema.get("type", "array")
    return isinstance(value, _TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)


def _made(schema: Schema, known: Mapping[str, Schema], name: str, owner: str) -> Any:
    kind = schema.get("type")
    if kind == "object":
        properties = dict(schema.get("properties", {}))
        if name in _KEYS and isinstance(schema.get("additionalProperties"), dict):
            properties[_KEYS[name]] = schema["additionalProperties"]
        return {each: example(inner, known, each, owner) for each, inner in properties.items()}
    if kind == "array":
        return [example(schema["items"], known, name, owner)] if schema.get("items") else []
    if kind == "string":
        return {"uuid": _ID.format(99), "date-time": "2026-11-20T09:00:01.000Z"}.get(schema.get("format", ""), _TEXT)
    return {"integer": max(0, schema.get("minimum", 0)), "number": 0, "boolean": True}.get(str(kind))
