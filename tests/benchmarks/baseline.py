"""What Inbox replaces, as an honest small application: everything an event needs happens inside its web request.

Told of the predecessor, and done here: 45 s for Gemini, 20 s for WhatsApp, 10 s for identity; a client of its own for
every call; the profile read from the database for every answer, without a cache; no retry, no breaker.

Not told, and assumed: that all this happens before the webhook is answered and at each read of an agent, that a webhook
which comes again is answered again, that an upstream's failure is a 502. The predecessor was a FastAPI application;
this one has gunicorn's plain threads, as many as Inbox. Otherwise it is as one would wish: only signed webhooks,
indexes for its queries, pooled connections, none of them held during a call. `create()` is what gunicorn calls;
`prepare()` makes the tables.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import sys
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests
from flask import Flask, Response, abort, jsonify, request
from sqlalchemy import Connection, Engine, create_engine, text

from inbox.db import normalise_url

GEMINI_TIMEOUT, WHATSAPP_TIMEOUT, IDENTITY_TIMEOUT = 45, 20, 10  # seconds, the predecessor's
MODEL = "gemini-3.5-flash-lite"
HISTORY = 10  # messages the model sees

_SCHEMA = """
CREATE TABLE accounts (id uuid PRIMARY KEY, phone_number_id text NOT NULL UNIQUE);
CREATE TABLE bot_profiles (account_id uuid PRIMARY KEY REFERENCES accounts, content jsonb NOT NULL);
CREATE TABLE conversations (
    id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES accounts, phone text NOT NULL, last_message text,
    updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (account_id, phone)
);
CREATE INDEX conversations_newest ON conversations (account_id, updated_at DESC);
CREATE TABLE messages (
    id uuid PRIMARY KEY, conversation_id uuid NOT NULL REFERENCES conversations, direction text NOT NULL,
    wa_message_id text, content_text text NOT NULL, status text NOT NULL, timestamp timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_thread ON messages (conversation_id, timestamp DESC);
CREATE INDEX messages_wa ON messages (wa_message_id);
"""
_UPSERT_CONVERSATION = text(
    "INSERT INTO conversations (id, account_id, phone, last_message) VALUES (:id, :account_id, :phone, :content)"
    " ON CONFLICT (account_id, phone) DO UPDATE SET last_message = excluded.last_message, updated_at = now()"
    " RETURNING id"
)
_INSERT_MESSAGE = text(
    "INSERT INTO messages (id, conversation_id, direction, wa_message_id, content_text, status)"
    " VALUES (:id, :conversation_id, :direction, :wa_id, :content, :status)"
)
_HISTORY = text(
    "SELECT direction, content_text FROM messages WHERE conversation_id = :id ORDER BY timestamp DESC LIMIT :limit"
)
_CONVERSATIONS = text(
    "SELECT id, phone, last_message, updated_at FROM conversations WHERE account_id = :account_id"
    " ORDER BY updated_at DESC LIMIT :limit"
)
_MESSAGES = text(
    "SELECT id, direction, wa_message_id, content_text, status, timestamp FROM messages"
    " WHERE conversation_id = :id ORDER BY timestamp DESC LIMIT 100"
)


def prepare(url: str, phone_number_id: str, profile: dict[str, Any]) -> str:
    """Make the tables, one account and its profile; the account's id."""
    engine = create_engine(normalise_url(url))
    account_id = str(uuid.uuid4())
    with engine.begin() as connection:
        connection.execute(text(_SCHEMA))
        connection.execute(
            text("INSERT INTO accounts VALUES (:id, :number)"), {"id": account_id, "number": phone_number_id}
        )
        connection.execute(
            text("INSERT INTO bot_profiles VALUES (:id, :content)"), {"id": account_id, "content": json.dumps(profile)}
        )
    engine.dispose()
    return account_id


def create() -> Flask:
    """The application, set up by the same environment variables as ours."""
    env = os.environ
    app = Flask("baseline")
    engine = create_engine(normalise_url(env["DATABASE_URL"]), pool_size=int(env["WEB_THREADS"]), pool_recycle=1500)

    @app.post("/webhook/whatsapp")
    def receive() -> Response:
        digest = hmac.new(env["WHATSAPP_APP_SECRET"].encode(), request.get_data(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(f"sha256={digest}", request.headers.get("X-Hub-Signature-256", "")):
            abort(401)
        for entry in request.get_json()["entry"]:
            for change in entry["changes"]:
                _take(engine, change["value"])
        return jsonify(status="received")

    @app.get("/conversations")
    def conversations() -> Response:
        _identify()
        query = {"account_id": request.args["account_id"], "limit": request.args.get("limit", 50, int)}
        with engine.connect() as connection:
            return _rows(connection, _CONVERSATIONS, query)

    @app.get("/messages/<uuid:conversation_id>")
    def messages(conversation_id: uuid.UUID) -> Response:
        _identify()
        with engine.connect() as connection:
            return _rows(connection, _MESSAGES, {"id": conversation_id})

    @app.get("/health/ready")
    def ready() -> Response:
        return jsonify(status="ready")

    @app.errorhandler(requests.RequestException)
    def upstream_failed(_error: requests.RequestException) -> tuple[Response, int]:
        return jsonify(status="upstream failed"), 502

    return app


def _rows(connection: Connection, query: Any, parameters: dict[str, Any]) -> Response:
    return jsonify([dict(row) for row in connection.execute(query, parameters).mappings()])


# --- a webhook ---------------------------------------------------------------------------------------------------


def _take(engine: Engine, value: dict[str, Any]) -> None:
    """One change: statuses are noted, messages are answered."""
    number_id = value["metadata"]["phone_number_id"]
    for status in value.get("statuses", []):
        with engine.begin() as connection:
            update = text("UPDATE messages SET status = :status WHERE wa_message_id = :id")
            connection.execute(update, {"status": status["status"], "id": status["id"]})
    for message in value.get("messages", []):
        _answer(engine, number_id, message["from"], message["id"], message["text"]["body"])


def _answer(engine: Engine, number_id: str, phone: str, wa_id: str, question: str) -> None:
    with engine.begin() as connection:
        account_id = connection.execute(
            text("SELECT id FROM accounts WHERE phone_number_id = :number"), {"number": number_id}
        ).scalar_one()
        conversation_id = connection.execute(
            _UPSERT_CONVERSATION, {"id": uuid.uuid4(), "account_id": account_id, "phone": phone, "content": question}
        ).scalar_one()
        _store(connection, conversation_id, "inbound", wa_id, question, "received")
    with engine.connect() as connection:
        profile = connection.execute(
            text("SELECT content FROM bot_profiles WHERE account_id = :id"), {"id": account_id}
        ).scalar_one()
        history = connection.execute(_HISTORY, {"id": conversation_id, "limit": HISTORY}).all()
    _log("profile loaded")
    answer = _ask_gemini(profile, [(row.direction, row.content_text) for row in reversed(history)])
    sent_id = _send(number_id, phone, answer)
    with engine.begin() as connection:
        _store(connection, conversation_id, "outbound", sent_id, answer, "sent")
        update = text("UPDATE conversations SET last_message = :content, updated_at = now() WHERE id = :id")
        connection.execute(update, {"content": answer, "id": conversation_id})


def _store(connection: Connection, conversation_id: Any, direction: str, wa_id: str, content: str, status: str) -> None:
    row = {"id": uuid.uuid4(), "conversation_id": conversation_id, "direction": direction, "wa_id": wa_id}
    connection.execute(_INSERT_MESSAGE, row | {"content": content, "status": status})


# --- upstreams ---------------------------------------------------------------------------------------------------


def _ask_gemini(profile: dict[str, Any], history: list[tuple[str, str]]) -> str:
    body = {
        "systemInstruction": {"parts": [{"text": "\n".join(f"{key}: {value}" for key, value in profile.items())}]},
        "contents": [
            {"role": "user" if direction == "inbound" else "model", "parts": [{"text": content}]}
            for direction, content in history
        ],
    }
    url = f"{os.environ['GEMINI_API_URL']}/models/{MODEL}:generateContent"
    headers = {"x-goog-api-key": os.environ["GEMINI_API_KEY"]}
    answer = _call("gemini", lambda: requests.post(url, json=body, headers=headers, timeout=GEMINI_TIMEOUT))
    return str(answer["candidates"][0]["content"]["parts"][0]["text"])


def _send(number_id: str, phone: str, content: str) -> str:
    body = {"messaging_product": "whatsapp", "to": f"+{phone}", "type": "text", "text": {"body": content}}
    url = f"{os.environ['WHATSAPP_API_URL']}/{number_id}/messages"
    headers = {"Authorization": f"Bearer {os.environ['WHATSAPP_ACCESS_TOKEN']}"}
    answer = _call("whatsapp", lambda: requests.post(url, json=body, headers=headers, timeout=WHATSAPP_TIMEOUT))
    return str(answer["messages"][0]["id"])


def _identify() -> None:
    """Whose token it is; 401 when it is nobody's."""
    url = f"{os.environ['SUPABASE_URL']}/auth/v1/user"
    headers = {"apikey": "anon", "Authorization": request.headers.get("Authorization", "")}
    try:
        _call("supabase", lambda: requests.get(url, headers=headers, timeout=IDENTITY_TIMEOUT))
    except requests.HTTPError as error:
        if error.response.status_code in (401, 403):
            abort(401)
        raise


def _call(upstream: str, send: Callable[[], requests.Response]) -> Any:
    """The JSON of a successful answer. Raises requests.RequestException. Logs how long it took, as ours does."""
    began = time.monotonic()
    try:
        response = send()
        response.raise_for_status()
        return response.json()
    finally:
        _log("upstream call", upstream=upstream, duration_ms=round((time.monotonic() - began) * 1000, 1))


def _log(message: str, **extra: Any) -> None:
    """A line with the fields ours has."""
    now = datetime.now().isoformat(" ", "milliseconds")
    sys.stdout.write(json.dumps({"time": now, "message": message, "request_id": uuid.uuid4().hex, **extra}) + "\n")
    sys.stdout.flush()
