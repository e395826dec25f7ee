"""Asking WhatsApp every hour how a number stands: its quality falls without a webhook that says so in time."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from inbox.accounts.reputation import Reputation, keep_found
from inbox.cipher import TokenCipher
from inbox.db import Database
from inbox.errors import ConfigError, UpstreamError
from inbox.gateways.whatsapp.numbers import Inquiry, NumberFacts
from inbox.models import Account
from inbox.resilience import WHATSAPP_TEMPLATES

log = logging.getLogger(__name__)

#: What was told since is young enough. Less than the hour between two times, or every other one would be left out.
_YOUNG = timedelta(minutes=50)


def ask(db: Database, base_url: str, cipher: TokenCipher, account_id: UUID) -> None:
    """Keep what WhatsApp says of a number, unless it has told something within the hour. No transaction is open
    meanwhile. What it does not answer is logged, and asked again the next time.
    """
    with db.reading() as session:
        account = session.get(Account, account_id)
        if account is None or account.access_token_encrypted is None or _is_young(account.reputation, db.now(session)):
            return
        phone_number_id, encrypted = account.phone_number_id, account.access_token_encrypted
    try:
        facts = _asked(base_url, cipher.decrypt(encrypted), phone_number_id)
    except (UpstreamError, ConfigError) as error:
        words = error.reason if isinstance(error, UpstreamError) else str(error)
        log.warning("number not asked about", extra={"account_id": str(account_id), "reason": words})
        return
    told = {
        "quality": facts.quality,
        "name": facts.verified_name,
        "name_status": facts.name_status,
        "limit": facts.limit,
    }
    with db.writing() as session:
        keep_found(session, account_id, told, db.now(session))


@WHATSAPP_TEMPLATES.deadline
def _asked(base_url: str, token: str, phone_number_id: str) -> NumberFacts:
    return Inquiry(WHATSAPP_TEMPLATES, base_url, token, lambda _answer: None).number(phone_number_id)


def _is_young(kept: dict[str, Any] | None, now: datetime) -> bool:
    return kept is not None and now - Reputation.model_validate(kept).told_at < _YOUNG
