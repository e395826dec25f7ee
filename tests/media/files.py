"""Customers' messages with files."""

from __future__ import annotations

import uuid

from inbox.clock import utc_now
from inbox.models import Message
from inbox.runtime import Runtime
from sandbox import Sandbox
from tests.builders import NUMBER_ID, all_messages, ingest, webhook

PNG = b"\x89PNG\r\n" + bytes(range(256)) * 40


def file_message(
    runtime: Runtime,
    sandbox: Sandbox,
    data: bytes = PNG,
    mime_type: str = "image/png",
    name: str | None = None,
    kind: str = "document",
) -> Message:
    """A customer's message with this file, in the database and at the simulator."""
    medium = sandbox.graph._media.add(data, mime_type, NUMBER_ID)
    content = {"id": medium.id, "mime_type": mime_type} | ({} if name is None else {"filename": name})
    wa_id = f"wamid.{uuid.uuid4().hex}"
    message = {"from": "33600000001", "id": wa_id, "timestamp": str(int(utc_now().timestamp())), "type": kind}
    ingest(runtime, webhook(messages=[message | {kind: content}]))
    return next(message for message in all_messages(runtime.db) if message.wa_message_id == wa_id)
