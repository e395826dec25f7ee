"""Signatures as Standard Webhooks has them (standardwebhooks.com, 1.0.0), which receivers have libraries for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from inbox.clock import rfc3339

_PREFIX = "whsec_"


def new_secret() -> str:
    """24 random bytes, as receivers' libraries take them."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def body_of(event_id: UUID, kind: str, at: datetime, account_id: UUID, data: dict[str, Any]) -> bytes:
    """What is sent: the same bytes at every try."""
    told = {"id": str(event_id), "type": kind, "timestamp": rfc3339(at), "account_id": str(account_id), "data": data}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode()


def headers_of(event_id: UUID, now: datetime, body: bytes, keys: Sequence[str]) -> dict[str, str]:
    """A signature by each of the secrets: while one is being replaced, receivers may know either."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join([str(event_id).encode(), timestamp.encode(), body])
    digests = (hmac.new(base64.b64decode(key.removeprefix(_PREFIX)), signed, hashlib.sha256).digest() for key in keys)
    return {
        "Content-Type": "application/json",
        "Webhook-Id": str(event_id),
        "Webhook-Timestamp": timestamp,
        "Webhook-Signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
