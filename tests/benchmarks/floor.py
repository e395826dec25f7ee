"""The floor: a bare Flask application that inserts one row in one transaction per request, on the same database
driver and settings as ours. `create()` is what gunicorn calls."""

from __future__ import annotations

import os
import uuid

from flask import Flask, jsonify, request
from sqlalchemy import Engine, create_engine, text

from inbox.db import normalise_url


def engine() -> Engine:
    """The engine the floor uses; SQLite in the same mode as ours."""
    url = normalise_url(os.environ["DATABASE_URL"])
    made = create_engine(url, pool_size=20, max_overflow=0)
    if url.get_backend_name() == "sqlite":
        from sqlalchemy import event

        from inbox.db.engine import _prepare_sqlite

        event.listen(made, "connect", _prepare_sqlite)
        event.listen(made, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return made


INSERT = text("INSERT INTO floor (id, body) VALUES (:id, :body)")


def create() -> Flask:
    """The application."""
    app = Flask("floor")
    database = engine()

    @app.post("/webhook/whatsapp")
    def receive():  # type: ignore[no-untyped-def]
        with database.begin() as connection:
            connection.execute(INSERT, {"id": str(uuid.uuid4()), "body": request.get_data()})
        return jsonify(status="received")

    @app.get("/health/ready")
    def ready():  # type: ignore[no-untyped-def]
        return jsonify(status="ready")

    return app
