"""Alembic's entry point. The caller (`inbox.migrations`) owns the connection and its transaction."""

from __future__ import annotations

from alembic import context

from inbox.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
