"""What WhatsApp knows of a number, of its token, and of who gets its webhooks. GETs alone, which change nothing.

Source: Meta, Graph API reference (2026): Phone number, Debug token, WhatsApp Business Account (phone_numbers,
subscribed_apps); Securing requests (appsecret_proof).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from inbox.errors import UpstreamRejected
from inbox.gateways import http
from inbox.resilience import Upstream

_FIELDS = (
    "display_phone_number",
    "verified_name",
    "quality_rating",
    "whatsapp_business_manager_messaging_limit",
    "name_status",
)
_MOST = 100  # numbers of one WhatsApp Business Account that are looked through; Meta gives 20, or more on request


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """`display` is digits, empty when WhatsApp does not say; `quality` is GREEN, YELLOW, RED or UNKNOWN.

    `limit` is WhatsApp's word, such as TIER_2K, for the customers that may be written to first in a day.
    """

    display: str
    verified_name: str
    quality: str
    limit: str
    name_status: str


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """`expires_at` is None for a permanent token; `wabas` are the accounts it is for, empty when it is for all."""

    valid: bool
    app_id: str | None
    expires_at: datetime | None
    scopes: frozenset[str]
    wabas: tuple[str, ...]


class Refused(UpstreamRejected):
    """WhatsApp answered, but not with what was asked for. `said` is its own sentence, for telling errors apart."""

    def __init__(self, upstream: str, answer: http.Answer) -> None:
        error = answer.data.get("error") if isinstance(answer.data, dict) else None
        error = error if isinstance(error, dict) else {}
        code = error.get("code")
        super().__init__(
            upstream,
            f"HTTP {answer.status}",
            http_status=answer.status,
            code=code if isinstance(code, int) else None,
        )
        self.subcode = error.get("error_subcode")
        self.said = str(error.get("message", ""))

    @property
    def unknown_object(self) -> bool:
        """True when there is no such thing, or none that the token may see."""
        return self.code == 33 or (self.code == 100 and self.subcode == 33)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Questions asked with a number's own token. `heard` is told of every answer. All raise UpstreamError."""

    upstream: Upstream
    base_url: str
    token: str
    heard: Callable[[http.Answer], None]

    def number(self, phone_number_id: str) -> NumberFacts:
        try:
            data = self._get(phone_number_id, fields=",".join(_FIELDS))
        except Refused as error:
            if error.code != 100 or error.unknown_object or "appsecret_proof" in error.said:
                raise
            data = self._get(phone_number_id, fields=",".join(_FIELDS[:3]))  # another version of the Graph API
        display, name, quality, limit, name_status = (str(data.get(each) or "") for each in _FIELDS)
        return NumberFacts(
            display="".join(filter(str.isdigit, display)),
            verified_name=name,
            quality=quality or "UNKNOWN",
            limit=limit,
            name_status=name_status,
        )

    def token_facts(self) -> TokenFacts:
        """What the token says of itself. Refused where its user is no developer of the app (code 100)."""
        data = self._get("debug_token", needs="data", input_token=self.token)["data"]
        data = data if isinstance(data, dict) else {}
        ends = data.get("expires_at")
        granular = [each for each in _list(data.get("granular_scopes")) if isinstance(each, dict)]
        targets = (each.get("target_ids") for each in granular if each.get("scope") == "whatsapp_business_management")
        return TokenFacts(
            valid=data.get("is_valid") is True,
            app_id=str(data["app_id"]) if data.get("app_id") else None,
            expires_at=datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) and 0 < ends < 2**33 else None,
            scopes=frozenset(map(str, _list(data.get("scopes")))),
            wabas=tuple(dict.fromkeys(str(target) for each in targets for target in _list(each))),
        )

    def numbers_of(self, waba_id: str) -> frozenset[str]:
        """The phone number ids of a WhatsApp Business Account."""
        return _ids(_list(self._get(waba_id, "phone_numbers", needs="data", fields="id", limit=str(_MOST))["data"]))

    def subscribers(self, waba_id: str) -> frozenset[str]:
        """The ids of the apps that get the webhooks of a WhatsApp Business Account."""
        rows = _list(self._get(waba_id, "subscribed_apps", needs="data")["data"])
        return _ids(row.get("whatsapp_business_api_data") for row in rows if isinstance(row, dict))

    def fits(self, app_secret: str) -> bool:
        """True when this is the secret of the token's app: WhatsApp refuses a wrong proof."""
        proof = hmac.new(app_secret.encode(), self.token.encode(), hashlib.sha256).hexdigest()
        try:
            self._get("me", fields="id", appsecret_proof=proof)
        except Refused as error:
            if error.code == 100 and "appsecret_proof" in error.said:
                return False
            raise
        return True

    def _get(self, *path: str, needs: str = "id", **query: str) -> dict[str, Any]:
        """The JSON object at `path`; it has to have the key `needs`, or something else than WhatsApp has answered."""
        where = "/".join(quote(part, safe="") for part in path)
        url = f"{self.base_url}/{where}?{urlencode(query)}"
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = http.exchange(self.upstream, "GET", url, headers=headers)
        self.heard(answer)
        if answer.status != 200 or not isinstance(answer.data, dict) or answer.data.get(needs) is None:
            raise Refused(self.upstream.name, answer)
        return answer.data


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _ids(rows: Iterable[Any]) -> frozenset[str]:
    return frozenset(str(row["id"]) for row in rows if isinstance(row, dict) and row.get("id"))
