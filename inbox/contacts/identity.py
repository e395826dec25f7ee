"""Who a person is to WhatsApp."""

from __future__ import annotations

from dataclasses import dataclass

from inbox.gateways.whatsapp.text import is_visible


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is to WhatsApp. Any part may be missing; none of them means nobody can be named."""

    phone: str | None = None  #: digits
    user_id: str | None = None  #: business-scoped: one per person and business portfolio
    parent_user_id: str | None = None
    username: str | None = None
    name: str | None = None

    @property
    def known(self) -> bool:
        return bool(self.phone or self.user_id or self.parent_user_id)


def name_shown(display_name: str | None, username: str | None) -> str | None:
    """What to call a person: the profile's name if anybody can see it, else the username. None: only the number."""
    return display_name if display_name and is_visible(display_name) else username
