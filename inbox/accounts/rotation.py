"""Rotating ENCRYPTION_KEYS: every stored token is re-encrypted with the first key."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass

from sqlalchemy import select

from inbox.auth import audit
from inbox.auth.access import OPERATOR, Principal
from inbox.cipher import TokenCipher
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import ConfigError
from inbox.models import Account, WebhookEndpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What became of the stored tokens. `unreadable` are the phone_number_ids of those that no key can read."""

    rotated: int
    current: int
    unreadable: tuple[str, ...]


@whole_transaction(idempotent=True)
def rotate_keys(db: Database, cipher: TokenCipher, *, actor: Principal = OPERATOR) -> Rotation:
    """Encrypt with the first key what another one encrypted. What no key can read is left as it is.

    The rows are locked: a token that is stored at the same time is written before or after, never lost.
    """
    query = select(Account).where(Account.access_token_encrypted.is_not(None)).order_by(Account.id)
    rotated, current, unreadable = 0, 0, []
    with db.writing() as session:
        for account in session.execute(query.with_for_update(key_share=True)).scalars():
            stored = account.access_token_encrypted or ""
            if cipher.is_current(stored):
                current += 1
                continue
            try:
                account.access_token_encrypted = cipher.encrypt(cipher.decrypt(stored))
                rotated += 1
            except ConfigError:
                unreadable.append(account.phone_number_id)
        for endpoint in session.execute(
            select(WebhookEndpoint).order_by(WebhookEndpoint.id).with_for_update()
        ).scalars():
            changed = _rotate_secrets(endpoint, cipher)
            rotated, current = rotated + changed, current + (not changed)
        if rotated:
            audit.record(
                session, actor, "account.keys_rotated", db.now(session), rotated=rotated, unreadable=unreadable
            )
    log.info("tokens re-encrypted", extra={"rotated": rotated, "current": current, "unreadable": len(unreadable)})
    return Rotation(rotated, current, tuple(unreadable))


def _rotate_secrets(endpoint: WebhookEndpoint, cipher: TokenCipher) -> bool:
    """The secrets that sign webhooks. True when one was encrypted with another key. What no key can read stays."""
    changed = False
    for name in ("secret_encrypted", "old_secret_encrypted"):
        stored = getattr(endpoint, name)
        if stored and not cipher.is_current(stored):
            with contextlib.suppress(ConfigError):
                setattr(endpoint, name, cipher.encrypt(cipher.decrypt(stored)))
                changed = True
    return changed
