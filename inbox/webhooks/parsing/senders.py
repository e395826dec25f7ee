"""Who a webhook's messages are from: phone numbers, user ids and the names beside them."""

from __future__ import annotations

from typing import Any

from inbox.contacts.identity import Identity
from inbox.db.clean import JSON
from inbox.gateways.whatsapp.text import is_visible
from inbox.webhooks.parsing.reading import as_dict, as_text


class People:
    """value.contacts: who the senders are, found by phone or user id, never by position."""

    def __init__(self, contacts: JSON) -> None:
        self._by_key: dict[str, Identity] = {}
        for contact in contacts if isinstance(contacts, list) else []:
            contact = as_dict(contact)
            profile = as_dict(contact.get("profile"))
            person = Identity(
                phone=digits(contact.get("wa_id")),
                user_id=short(contact.get("user_id")),
                parent_user_id=short(contact.get("parent_user_id")),
                username=(short(profile.get("username")) or "").removeprefix("@") or None,
                name=_name(profile.get("name")),
            )
            for key in (person.phone, person.user_id):
                if key:
                    self._by_key[key] = person

    def known_as(self, person: Identity) -> Identity:
        """`person` with what contacts[] adds."""
        card = self._by_key.get(person.user_id or "") or self._by_key.get(person.phone or "") or Identity()
        return Identity(
            phone=person.phone or card.phone,
            user_id=person.user_id or card.user_id,
            parent_user_id=person.parent_user_id or card.parent_user_id,
            username=card.username,
            name=card.name,
        )

    def sender(self, message: dict[str, Any]) -> Identity:
        return self.known_as(
            Identity(
                phone=digits(message.get("from")),
                user_id=short(message.get("from_user_id")),
                parent_user_id=short(message.get("from_parent_user_id")),
            )
        )

    def recipient(self, message: dict[str, Any]) -> Identity:
        return self.known_as(Identity(phone=digits(message.get("to")), user_id=short(message.get("to_user_id"))))


def _name(value: JSON) -> str | None:
    """The profile's name, unless nobody could see it: then the number stands for the person."""
    name = (as_text(value) or "")[:255]
    return name if is_visible(name) else None


def digits(value: JSON) -> str | None:
    """A phone number as bare digits; tables show a plus sign, examples do not."""
    text = (as_text(value) or "").strip().lstrip("+")
    return text if text.isascii() and text.isdigit() and len(text) <= 32 else None


def short(value: JSON) -> str | None:
    """An opaque id of up to 255 characters."""
    text = as_text(value)
    return text if text and len(text) <= 255 else None
