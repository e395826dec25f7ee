"""The message templates of a WhatsApp Business Account, page by page. A GET alone, which changes nothing.

Source: Meta, Templates: template management (read November 2026). `after` is followed, never the address that the
answer names: the token goes to Graph alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from inbox.errors import UpstreamOutcomeUnknown
from inbox.gateways import http
from inbox.gateways.whatsapp.messages import refusal
from inbox.resilience import WHATSAPP_TEMPLATES, About

log = logging.getLogger(__name__)

_PAGE = 50
_FIELDS = "id,name,language,status,category,parameter_format,components"


@dataclass(frozen=True, slots=True)
class Told:
    """A template as WhatsApp tells it: states and categories in capitals."""

    id: str
    name: str
    language: str
    status: str
    category: str
    named: bool
    components: list[dict[str, Any]]


def _about(_gateway: WhatsAppTemplates, waba_id: str, _token: str, _after: str | None) -> About:
    return About(answered=waba_id, unanswered=(waba_id, None))


class WhatsAppTemplates:
    """`base_url` holds the Graph version."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    @WHATSAPP_TEMPLATES.deadline
    @WHATSAPP_TEMPLATES.bulkhead
    def all_of(self, waba_id: str, token: str, most: int) -> list[Told]:
        """The templates of an account, `most` of them at most. Raises UpstreamError: then nothing is known of any."""
        found: list[Told] = []
        after: str | None = None
        while len(found) < most:
            rows, following = self._page(waba_id, token, after)
            found += [told for row in rows if (told := _told(row)) is not None]
            if following is None or following == after:
                return found
            after = following
        log.warning("there are more templates than are kept", extra={"waba_id": waba_id, "kept": most})
        return found[:most]

    @WHATSAPP_TEMPLATES.breaker.about(_about)
    def _page(self, waba_id: str, token: str, after: str | None) -> tuple[list[Any], str | None]:
        """Rows, and the cursor of the page that follows. Within the breaker: what cannot be read is a failure."""
        query = {"fields": _FIELDS, "limit": str(_PAGE)} | ({} if after is None else {"after": after})
        url = f"{self._base_url}/{quote(waba_id, safe='')}/message_templates?{urlencode(query)}"
        answer = http.exchange(WHATSAPP_TEMPLATES, "GET", url, headers={"Authorization": f"Bearer {token}"})
        if answer.status != 200:
            raise refusal(answer)
        rows = answer.data.get("data") if isinstance(answer.data, dict) else None
        if not isinstance(rows, list):
            raise UpstreamOutcomeUnknown(WHATSAPP_TEMPLATES.name, "the answer has no templates", http_status=200)
        paging = answer.data.get("paging")
        cursors = paging.get("cursors") if isinstance(paging, dict) else None
        after = cursors.get("after") if isinstance(cursors, dict) and paging.get("next") else None
        return rows, after if isinstance(after, str) and after else None


def _told(row: Any) -> Told | None:
    """None for what is no template: one that cannot be read does not hide the others."""
    row = row if isinstance(row, dict) else {}
    id_, name, language, components = (row.get(key) for key in ("id", "name", "language", "components"))
    words = isinstance(id_, str) and isinstance(name, str) and isinstance(language, str)
    if not words or not id_ or not name or not language or not isinstance(components, list):
        return None
    if len(id_) > 64 or len(name) > 512 or len(language) > 16:
        return None
    return Told(
        id=id_,
        name=name,
        language=language,
        status=str(row.get("status") or "UNKNOWN").upper()[:32],
        category=str(row.get("category") or "UNKNOWN").upper()[:32],
        named=row.get("parameter_format") == "NAMED",
        components=[each for each in components if isinstance(each, dict)],
    )
