"""The floor of `scale.py`: a bare Flask application that answers each list with one query through plain psycopg, on a
pooled connection, and `json.dumps`. It checks no key, no account and no value. `create()` is what gunicorn calls."""

from __future__ import annotations

import json
import os
import uuid
from datetime import datetime
from typing import Any

import psycopg
from flask import Flask, Response, request
from psycopg.rows import dict_row

_CONVERSATIONS = """
SELECT c.id, c.account_id, c.contact_id, p.phone AS client_number, c.status, c.is_favorite, c.is_group, c.unread_count,
       c.bot_enabled, c.bot_paused_until, c.bot_last_reply_at, c.needs_human, c.needs_human_reason, c.assigned_to,
       a.paused_reason AS sends_paused_reason, c.last_message, c.last_inbound_at,
       c.last_inbound_at + interval '24 hours' AS reply_window_expires_at, c.updated_at, c.changed_at,
       p.display_name, p.username
FROM conversations c JOIN contacts p ON p.id = c.contact_id JOIN whatsapp_accounts a ON a.id = c.account_id
WHERE c.account_id = %(account)s {more} ORDER BY {order} DESC, c.id DESC LIMIT %(limit)s
"""
_MATCHES = "AND (p.display_name ILIKE %(q)s OR p.username ILIKE %(q)s OR p.phone LIKE %(q)s)"


def _list(more: str, order: str = "c.updated_at") -> str:
    return _CONVERSATIONS.format(more=more, order=order)


_CAPPED = "(SELECT count(*) FROM (SELECT FROM conversations WHERE account_id = %(account)s AND {} LIMIT 1000) x)"
_MINE = _CAPPED.format("assigned_to = %(user)s")
QUERIES = {
    "first": _list(""),
    "deep": _list("AND (c.updated_at, c.id) < (%(time)s, %(id)s)"),
    "poll": _list("AND c.changed_at >= %(since)s", "c.changed_at"),
    "unread": _list("AND c.unread_count > 0"),
    "human": _list("AND c.needs_human"),
    "search": _list(_MATCHES),
    "counts": f"""
        SELECT {_CAPPED.format("unread_count > 0")} AS unread, {_CAPPED.format("needs_human")} AS needs_human,
               {_MINE} AS assigned_to_me""",
    "thread": """
        SELECT id, conversation_id, direction, content_text, timestamp, wa_message_id, message_type, status, media_id,
               media_mime_type, media_filename, stored_at, sent_at, delivered_at, read_at, failed_at, edited_at,
               error_code, author_kind, author_id, author_name, reply_to, client_key, payload
        FROM messages WHERE conversation_id = %(id)s ORDER BY timestamp DESC, id DESC LIMIT %(limit)s""",
}
INSERT = "INSERT INTO floor (id, body) VALUES (%s, %s)"


class Pool:
    """Connections, handed to one thread at a time, made when none is idle."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[psycopg.Connection[dict[str, Any]]] = []

    def rows(self, query: str, values: Any, *, prepare: bool | None = None) -> list[dict[str, Any]]:
        """What the query returns."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = psycopg.connect(self._url, autocommit=True, row_factory=dict_row)
        cursor = connection.execute(query, values, prepare=prepare)
        found = cursor.fetchall() if cursor.description else []
        self._idle.append(connection)
        return found


def plain(value: object) -> str:
    """For json.dumps: times as the wire shows them, ids as text."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def create() -> Flask:
    """The application."""
    app = Flask("floor")
    pool = Pool(os.environ["DATABASE_URL"])

    @app.get("/floor/<name>")
    def answer(name: str):  # type: ignore[no-untyped-def]
        # A plan for any words would be a bad one for some; what it costs to make one each time is little.
        rows = pool.rows(QUERIES[name], request.args.to_dict(), prepare=False if name == "search" else None)
        return Response(json.dumps(rows, default=plain), mimetype="application/json")

    @app.post("/webhook/whatsapp")
    def receive():  # type: ignore[no-untyped-def]
        pool.rows(INSERT, (str(uuid.uuid4()), request.get_data()))
        return Response('{"status":"received"}', mimetype="application/json")

    @app.get("/health/ready")
    def ready():  # type: ignore[no-untyped-def]
        return Response('{"status":"ready"}', mimetype="application/json")

    return app
